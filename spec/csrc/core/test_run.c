/*
** test_run.c - small shared frames on connections that have a pool: they stand
** in its run once, and queues are pieces of that as long as nothing else comes
** between them.
*/
#include "frames.h"

#include "ws_pool.h"
#include "ws_run.h"

enum { MANY = 5, RUN = 4096 };

static ws_pool pool;
static unsigned char bytes[8000];
static feeding f[MANY];

static void with_pool (ws_config *config) { config->pool = &pool; }

static const feed server = {.role = WS_SERVER, .configure = with_pool};

static void open_all (void) {
  heap_reset();
  rnd_seed(7);
  for (size_t i = 0; i < sizeof bytes; i++) bytes[i] = (unsigned char)rnd(256);
  ws_pool_init(&pool, heap_alloc, NULL);
  for (int i = 0; i < MANY; i++) feed_open(&f[i], &server);
}

/* All are closed, and the pool too: nothing is left. */
static void close_all (void) {
  for (int i = 0; i < MANY; i++) {
    text log = f[i].log;
    text_free(&log);
    text_free(&f[i].part);
    ws_free(&f[i].c);
  }
  ws_pool_free(&pool);
  CHECK(heap.blocks == 0 && heap.bytes == 0);
}

/* Sends one message to the first n connections. */
static void tell (int n, const void *p, size_t size) {
  ws_shared *s = ws_shared_new(heap_alloc, NULL, WS_BINARY, p, size);
  for (int i = 0; i < n; i++) CHECK(ws_send_shared(&f[i].c, s) == 0);
  ws_shared_free(s);
}

/* Writes at most n bytes. */
static void write_some (ws_conn *c, text *t, size_t n) {
  ws_iov v[WS_IOV];
  int pieces;
  while (n > 0 && (pieces = ws_pending(c, v, WS_IOV)) > 0) {
    size_t k = v[0].len < n ? v[0].len : n;
    text_add(t, v[0].base, k);
    ws_sent(c, k);
    n -= k;
  }
}

static void expect (text *t, int first, const void *p, size_t n) {
  frame(t, WS_CLIENT, first, p, n);
}

/* Everything leaves, and was that. */
static void check_sent (ws_conn *c, const text *want) {
  text got = {NULL, 0, 0};
  CHECK(ws_queued(c) == want->n);
  write_some(c, &got, SIZE_MAX);
  CHECK(got.n == want->n && memcmp(got.p, want->p, got.n) == 0);
  CHECK(c->out.p == NULL && c->out.cap == 0 && ws_queued(c) == 0);
  text_free(&got);
}

static int lent (int i) { return ws_is_lent(&f[i].c.out); }

TEST(queues_of_several_frames_need_no_memory) {
  text want = {NULL, 0, 0};
  open_all();
  tell(MANY, bytes, 60);
  size_t blocks = heap.blocks;
  for (int i = 0; i < 5; i++) tell(MANY, bytes + i, 60);
  CHECK(heap.blocks == blocks);
  expect(&want, FIN | BINARY, bytes, 60);
  for (int i = 0; i < 5; i++) expect(&want, FIN | BINARY, bytes + i, 60);
  for (int i = 0; i < MANY; i++) {
    CHECK(lent(i) && f[i].c.out.p == pool.run->p);
    check_sent(&f[i].c, &want);
  }
  CHECK(heap.blocks == blocks && pool.run->users == 1);
  text_free(&want);
  close_all();
}

TEST(a_run_begins_again_when_all_have_left) {
  text want = {NULL, 0, 0};
  open_all();
  expect(&want, FIN | BINARY, bytes, 2000);
  for (int i = 0; i < 10; i++) {
    tell(MANY, bytes, 2000);
    CHECK(pool.run->used == want.n);
    for (int j = 0; j < MANY; j++) check_sent(&f[j].c, &want);
  }
  text_free(&want);
  close_all();
}

/* One has sent nothing yet, so its bytes stay; then the run is full, and the
   next frame stands in a new one, so that the queue becomes its own. */
TEST(a_run_that_is_full) {
  text all = {NULL, 0, 0}, one = {NULL, 0, 0};
  open_all();
  for (int i = 0; i < 9; i++) {
    ws_run *before = pool.run;
    text_clear(&one);
    tell(MANY, bytes + i, 1000);
    expect(&one, FIN | BINARY, bytes + i, 1000);
    expect(&all, FIN | BINARY, bytes + i, 1000);
    CHECK((pool.run == before) == (i != 0 && i != 4));
    CHECK(lent(0) == (i < 4));
    for (int j = 1; j < MANY; j++) check_sent(&f[j].c, &one);
  }
  check_sent(&f[0].c, &all);
  text_free(&all);
  text_free(&one);
  close_all();
}

static void nothing (ws_conn *c) { (void)c; }
static void a_frame (ws_conn *c) {
  CHECK(ws_send(c, WS_TEXT, "abc", 3, 0) == 0);
}
static void borrowed (ws_conn *c) {
  CHECK(ws_send(c, WS_BINARY, bytes, 6000, WS_BORROW) == 0);
}
static void ping (ws_conn *c) { CHECK(ws_ping(c, "p", 1, NULL) == 0); }
static void large (ws_conn *c) {
  ws_shared *s = ws_shared_new(heap_alloc, NULL, WS_BINARY, bytes, 5000);
  CHECK(ws_send_shared(c, s) == 0);
  ws_shared_free(s);
}

/* What may come between two frames of a run, and whether the queue is a piece
   of the run afterwards. */
static const struct between {
  void (*send)(ws_conn *c);
  int first;
  const char *p;
  size_t n;
  int lent;
} betweens[] = {{nothing, 0, NULL, 0, 1},
                {a_frame, FIN | TEXT, "abc", 3, 0},
                {borrowed, FIN | BINARY, (char *)bytes, 6000, 0},
                {ping, FIN | PING, "p", 1, 0},
                {large, FIN | BINARY, (char *)bytes, 5000, 1}};

static void expect_between (text *t, const struct between *b) {
  if (b->first) expect(t, b->first, b->p, b->n);
}

/* The others' bytes are as they were whatever one of them queues besides, and
   however much of it has left before. */
TEST(what_comes_between) {
  for (size_t kind = 0; kind < COUNT(betweens); kind++) {
    const struct between *b = &betweens[kind];
    for (size_t early = 0; early < 130; early++) {
      text want = {NULL, 0, 0}, got = {NULL, 0, 0}, others = {NULL, 0, 0};
      open_all();
      tell(MANY, bytes, 60);
      write_some(&f[0].c, &got, early);
      b->send(&f[0].c);
      tell(MANY, bytes + 1, 60);
      CHECK(lent(0) == b->lent || early > 60);
      for (int i = 0; i < 2; i++) {
        expect(&others, FIN | BINARY, bytes + i, 60);
        expect(&want, FIN | BINARY, bytes + i, 60);
        if (i == 0) expect_between(&want, b);
      }
      for (int i = 1; i < MANY; i++) check_sent(&f[i].c, &others);
      write_some(&f[0].c, &got, SIZE_MAX);
      CHECK(got.n == want.n && memcmp(got.p, want.p, got.n) == 0);
      text_free(&want);
      text_free(&got);
      text_free(&others);
      close_all();
    }
  }
}

/* Who has missed a frame does not get it. */
TEST(a_frame_for_some) {
  text some = {NULL, 0, 0}, all = {NULL, 0, 0};
  open_all();
  for (int i = 0; i < 3; i++) tell(i == 1 ? 2 : MANY, bytes + i, 100);
  for (int i = 0; i < 3; i++) {
    expect(&all, FIN | BINARY, bytes + i, 100);
    if (i != 1) expect(&some, FIN | BINARY, bytes + i, 100);
  }
  for (int i = 0; i < MANY; i++) check_sent(&f[i].c, i < 2 ? &all : &some);
  text_free(&some);
  text_free(&all);
  close_all();
}

/* RFC 6455 section 5.4: it waits for the end of a fragmented message. */
TEST(behind_a_fragmented_message) {
  text want = {NULL, 0, 0};
  open_all();
  CHECK(ws_send(&f[0].c, WS_TEXT, "a", 1, WS_MORE) == 0);
  tell(MANY, bytes, 10);
  tell(MANY, bytes + 1, 10);
  CHECK(ws_queued(&f[0].c) == 3 && ws_held(&f[0].c) == 24);
  CHECK(ws_send(&f[0].c, WS_CONTINUATION, "b", 1, 0) == 0);
  expect(&want, TEXT, "a", 1);
  expect(&want, FIN | CONT, "b", 1);
  expect(&want, FIN | BINARY, bytes, 10);
  expect(&want, FIN | BINARY, bytes + 1, 10);
  check_sent(&f[0].c, &want);
  text_free(&want);
  close_all();
}

TEST(a_connection_ends_with_a_piece_of_the_run) {
  open_all();
  tell(MANY, bytes, 100);
  ws_abort(&f[0].c, "aborted");
  ws_free(&f[1].c);
  CHECK(pool.run->users == 1 + MANY - 2);
  close_all();
}

TEST(queues_outlive_the_pool) {
  text want = {NULL, 0, 0};
  open_all();
  tell(MANY, bytes, 100);
  ws_pool_free(&pool);
  expect(&want, FIN | BINARY, bytes, 100);
  tell(MANY, bytes + 1, 100);
  expect(&want, FIN | BINARY, bytes + 1, 100);
  for (int i = 0; i < MANY; i++) check_sent(&f[i].c, &want);
  text_free(&want);
  close_all();
}

/* A frame that its owner keeps stands in the run as long. */
TEST(a_frame_that_is_sent_again) {
  text want = {NULL, 0, 0};
  open_all();
  ws_shared *s = ws_shared_new(heap_alloc, NULL, WS_TEXT, "again", 5);
  for (int i = 0; i < 100; i++) {
    CHECK(ws_send_shared(&f[0].c, s) == 0);
    tell(1, bytes, 90);
    text_clear(&want);
    expect(&want, FIN | TEXT, "again", 5);
    expect(&want, FIN | BINARY, bytes, 90);
    check_sent(&f[0].c, &want);
  }
  ws_shared_free(s);
  text_free(&want);
  close_all();
}

/* Whichever allocation fails: no frame is lost, none is sent twice. */
TEST(the_nth_allocation_fails) {
  int failed = 1;
  for (size_t at = 1; failed; at++) {
    text want = {NULL, 0, 0};
    open_all();
    heap.fail_at = at;
    for (int i = 0; i < 12; i++) {
      size_t n = 700, header = 4;
      ws_shared *s = ws_shared_new(heap_alloc, NULL, WS_BINARY, bytes + i, n);
      if (s == NULL) continue;
      size_t queued = ws_queued(&f[0].c);
      int r = ws_send_shared(&f[0].c, s);
      CHECK(r == 0 || r == WS_ENOMEM);
      CHECK(ws_queued(&f[0].c) == queued + (r == 0 ? n + header : 0));
      if (r == 0) expect(&want, FIN | BINARY, bytes + i, n);
      ws_shared_free(s);
    }
    failed = heap.failed;
    heap.fail_at = 0;
    check_sent(&f[0].c, &want);
    text_free(&want);
    close_all();
  }
}
