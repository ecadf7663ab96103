/*
** test_share.c - frames that many connections send: their bytes, among all
** other frames and drained in all ways; how long connections refer to them.
*/
#include "frames.h"

enum { MANY = 5 };

static unsigned char bytes[100000];

static void fill (void) {
  heap_reset();
  rnd_seed(7);
  for (size_t i = 0; i < sizeof bytes; i++) bytes[i] = (unsigned char)rnd(256);
}

static const feed server = {.role = WS_SERVER};

static void open_all (feeding *f, int n) {
  fill();
  for (int i = 0; i < n; i++) feed_open(&f[i], &server);
}

/* All are closed, and nothing is referred to. */
static void close_all (feeding *f, int n) {
  for (int i = 0; i < n; i++) {
    text log = f[i].log;
    text_free(&log);
    text_free(&f[i].part);
    ws_free(&f[i].c);
  }
  CHECK(heap.blocks == 0 && heap.bytes == 0);
}

static ws_shared *share (int opcode, const void *p, size_t n) {
  return ws_shared_new(heap_alloc, NULL, opcode, p, n);
}

/* Queues a shared message on a connection, and keeps no reference. */
static int deliver (ws_conn *c, const void *p, size_t n) {
  ws_shared *s = share(WS_BINARY, p, n);
  int r = ws_send_shared(c, s);
  ws_shared_free(s);
  return r;
}

/* One write of at most n bytes, added to t; 0 when there is nothing to
   write. */
static size_t write_some (ws_conn *c, text *t, size_t n) {
  ws_iov v[WS_IOV];
  size_t sum = 0, queued;
  int pieces = ws_pending(c, v, WS_IOV);
  CHECK(pieces >= 0 && pieces <= WS_IOV);
  for (int i = 0; i < pieces && sum < n; i++) {
    size_t k = v[i].len < n - sum ? v[i].len : n - sum;
    CHECK(v[i].len > 0);
    text_add(t, v[i].base, k);
    sum += k;
  }
  queued = ws_queued(c);
  ws_sent(c, sum);
  CHECK(ws_queued(c) == queued - sum);
  return sum;
}

static text drain (ws_conn *c, size_t step) {
  text t = {NULL, 0, 0};
  text_add(&t, "", 0);
  while (write_some(c, &t, step ? step : 1 + rnd(3000)) > 0) {}
  CHECK(ws_queued(c) == 0);
  return t;
}

static int same (text got, text want) {
  int ok = got.n == want.n && memcmp(got.p, want.p, got.n) == 0;
  text_free(&got);
  return ok;
}

/* An unmasked frame, as the client receives it. */
static void expect (text *t, int first, const void *p, size_t n) {
  frame(t, WS_CLIENT, first, p, n);
}

TEST(lengths) { /* 2,044 is the largest that is small */
  static const size_t lengths[] = {0,    1,    125,  126,   127,  2043,
                                   2044, 2045, 2048, 65535, 65536};
  for (size_t i = 0; i < COUNT(lengths); i++) {
    feeding f[MANY];
    text want = {NULL, 0, 0};
    open_all(f, MANY);
    ws_shared *s = share(WS_TEXT, bytes, lengths[i]);
    for (int j = 0; j < MANY; j++) CHECK(ws_send_shared(&f[j].c, s) == 0);
    ws_shared_free(s);
    expect(&want, FIN | TEXT, bytes, lengths[i]);
    for (int j = 0; j < MANY; j++) {
      CHECK(ws_queued(&f[j].c) == want.n);
      CHECK(same(drain(&f[j].c, j ? 0 : SIZE_MAX), want));
    }
    CHECK(heap.blocks == 0);
    text_free(&want);
    close_all(f, MANY);
  }
}

TEST(a_large_one_is_not_copied) {
  feeding f[MANY];
  open_all(f, MANY);
  ws_shared *s = share(WS_BINARY, bytes, sizeof bytes);
  size_t before = heap.bytes;
  for (int j = 0; j < MANY; j++) CHECK(ws_send_shared(&f[j].c, s) == 0);
  CHECK(heap.bytes - before < MANY * 200);
  ws_shared_free(s);
  CHECK(heap.bytes > sizeof bytes); /* they refer to it */
  close_all(f, MANY);
}

TEST(the_last_to_send_it_frees_it) {
  feeding f[MANY];
  open_all(f, MANY);
  ws_shared *s = share(WS_BINARY, bytes, 5000);
  for (int j = 0; j < MANY; j++) CHECK(ws_send_shared(&f[j].c, s) == 0);
  ws_shared_free(s);
  for (int j = 0; j < MANY; j++) {
    CHECK(heap.bytes > 5000);
    text t = drain(&f[j].c, 0);
    text_free(&t);
  }
  CHECK(heap.blocks == 0);
  close_all(f, MANY);
}

TEST(no_connection_may_send_it) {
  fill();
  ws_shared_free(share(WS_TEXT, "x", 1));
  ws_shared_free(NULL);
  CHECK(heap.blocks == 0);
}

/* What one connection sends, in the order of queueing, and the bytes on the
   wire. */
static void send_mixture (ws_conn *c, text *want) {
  static const size_t sizes[] = {10, 3000, 20, 2044, 2045, 70000, 0, 4000};
  for (size_t i = 0; i < COUNT(sizes); i++) {
    size_t n = sizes[i];
    CHECK(deliver(c, bytes, n) == 0);
    expect(want, FIN | BINARY, bytes, n);
    if (i % 2) {
      CHECK(ws_send(c, WS_BINARY, bytes + 100, n / 3, 0) == 0);
      expect(want, FIN | BINARY, bytes + 100, n / 3);
    }
    if (i % 3 == 0) {
      CHECK(ws_ping(c, "p", 1, NULL) == 0);
      expect(want, FIN | PING, "p", 1);
    }
    if (i % 3 == 1) { /* the next call settles what is borrowed */
      CHECK(ws_send(c, WS_BINARY, bytes + 7, 20000, WS_BORROW) == 0);
      expect(want, FIN | BINARY, bytes + 7, 20000);
    }
  }
}

TEST(between_everything_else_however_drained) {
  for (size_t step = 0; step < 40; step++) {
    feeding f;
    text want = {NULL, 0, 0};
    open_all(&f, 1);
    rnd_seed(step);
    send_mixture(&f.c, &want);
    CHECK(ws_queued(&f.c) == want.n);
    CHECK(same(drain(&f.c, step < 10 ? 0 : step * step * 97), want));
    text_free(&want);
    close_all(&f, 1);
  }
}

/* Bytes, a reference, bytes, a reference, bytes: written in two halves, cut at
   every byte. */
TEST(cut_at_every_byte) {
  text want = {NULL, 0, 0};
  fill();
  for (int i = 0; i < 2; i++) {
    expect(&want, FIN | TEXT, "ab", 2);
    expect(&want, FIN | BINARY, bytes, 2100);
  }
  expect(&want, FIN | PING, "p", 1);
  for (size_t at = 1; at < want.n; at++) {
    feeding f;
    text got = {NULL, 0, 0};
    feed_open(&f, &server);
    for (int i = 0; i < 2; i++) {
      ws_send(&f.c, WS_TEXT, "ab", 2, 0);
      deliver(&f.c, bytes, 2100);
    }
    ws_ping(&f.c, "p", 1, NULL);
    while (got.n < at && write_some(&f.c, &got, at - got.n) > 0) {}
    CHECK(got.n == at && ws_queued(&f.c) == want.n - at);
    while (write_some(&f.c, &got, SIZE_MAX) > 0) {}
    CHECK(same(got, want));
    close_all(&f, 1);
  }
  text_free(&want);
}

/* A frame that is queued while another is half written goes after it. */
TEST(queued_while_others_leave) {
  feeding f;
  text want = {NULL, 0, 0}, got = {NULL, 0, 0};
  open_all(&f, 1);
  for (int i = 0; i < 300; i++) {
    size_t n = rnd(3) ? rnd(300) : rnd(9000), from = rnd(1000);
    if (rnd(2)) {
      CHECK(deliver(&f.c, bytes + from, n) == 0);
    } else {
      CHECK(ws_send(&f.c, WS_BINARY, bytes + from, n, WS_BORROW) == 0);
    }
    expect(&want, FIN | BINARY, bytes + from, n);
    write_some(&f.c, &got, rnd(2 * n + 10));
    CHECK(got.n + ws_queued(&f.c) == want.n);
  }
  while (write_some(&f.c, &got, 1 + rnd(5000)) > 0) {}
  CHECK(same(got, want));
  text_free(&want);
  close_all(&f, 1);
}

static void receive (feeding *f, int first, const char *p) {
  text t = {NULL, 0, 0};
  frame_str(&t, WS_SERVER, first, p);
  feed_put(f, t.p, t.n);
  CHECK(ws_ahead(&f->c) == 0);
  text_free(&t);
}

/* Pongs go out at the end of a frame, after earlier frames. */
TEST(pongs_between) {
  feeding f;
  text want = {NULL, 0, 0}, got = {NULL, 0, 0};
  open_all(&f, 1);
  deliver(&f.c, bytes, 5000);
  expect(&want, FIN | BINARY, bytes, 5000);
  write_some(&f.c, &got, 100);
  receive(&f, FIN | PING, "one");
  expect(&want, FIN | PONG, "one", 3);
  write_some(&f.c, &got, 100);
  deliver(&f.c, bytes, 6000);
  expect(&want, FIN | BINARY, bytes, 6000);
  receive(&f, FIN | PING, "and");
  receive(&f, FIN | PING, "two");
  expect(&want, FIN | PONG, "and", 3);
  expect(&want, FIN | PONG, "two", 3);
  while (write_some(&f.c, &got, 1000) > 0) {}
  CHECK(same(got, want));
  text_free(&want);
  close_all(&f, 1);
}

/* RFC 6455 section 5.4: fragments of messages are not interleaved. */
TEST(waits_for_the_end_of_a_fragmented_message) {
  for (size_t n = 10; n < 5000; n += 4000) {
    feeding f;
    text want = {NULL, 0, 0};
    open_all(&f, 1);
    CHECK(ws_send(&f.c, WS_TEXT, "a", 1, WS_MORE) == 0);
    CHECK(deliver(&f.c, bytes, n) == 0 && deliver(&f.c, bytes + 1, n) == 0);
    CHECK(ws_queued(&f.c) == 3 && ws_held(&f.c) == 2 * (n + (n > 125 ? 4 : 2)));
    CHECK(ws_send(&f.c, WS_CONTINUATION, "b", 1, WS_MORE) == 0);
    CHECK(ws_ping(&f.c, "p", 1, NULL) == 0);
    expect(&want, TEXT, "a", 1);
    expect(&want, CONT, "b", 1);
    expect(&want, FIN | PING, "p", 1);
    CHECK(same(drain(&f.c, 0), want));
    CHECK(ws_send(&f.c, WS_CONTINUATION, "c", 1, 0) == 0);
    CHECK(ws_held(&f.c) == 0);
    CHECK(ws_send(&f.c, WS_TEXT, "d", 1, 0) == 0);
    text_clear(&want);
    expect(&want, FIN | CONT, "c", 1);
    expect(&want, FIN | BINARY, bytes, n);
    expect(&want, FIN | BINARY, bytes + 1, n);
    expect(&want, FIN | TEXT, "d", 1);
    CHECK(same(drain(&f.c, 0), want));
    text_free(&want);
    close_all(&f, 1);
  }
}

static void end_close (ws_conn *c) { CHECK(ws_close(c, 1000, "", 0) == 0); }
static void end_eof (ws_conn *c) { ws_eof(c); }
static void end_abort (ws_conn *c) { ws_abort(c, "aborted"); }
static void end_fail (ws_conn *c) { ws_fail(c, 1002, "rule"); }

/* However the connection ends, held frames are dropped at once. */
TEST(an_end_forgets_what_waits) {
  static void (*const ways[])(ws_conn *) = {end_close, end_eof, end_abort,
                                            end_fail};
  for (size_t i = 0; i < COUNT(ways); i++) {
    feeding f;
    open_all(&f, 1);
    CHECK(ws_send(&f.c, WS_TEXT, "a", 1, WS_MORE) == 0);
    CHECK(deliver(&f.c, bytes, 50000) == 0);
    ways[i](&f.c);
    CHECK(ws_held(&f.c) == 0 && heap.bytes < 1000);
    CHECK(deliver(&f.c, "x", 1) == WS_ESTATE);
    text t = drain(&f.c, 0);
    CHECK(i == 2 ? t.n == 0
                 : t.n >= 3 && memcmp(t.p,
                                      "\x01\x01"
                                      "a",
                                      3) == 0);
    text_free(&t);
    close_all(&f, 1);
  }
}

/* It was queued before the Close frame, so it leaves before it. */
TEST(a_close_stands_behind_it) {
  feeding f;
  text want = {NULL, 0, 0};
  open_all(&f, 1);
  deliver(&f.c, bytes, 5000);
  CHECK(ws_close(&f.c, 1000, "", 0) == 0);
  expect(&want, FIN | BINARY, bytes, 5000);
  expect(&want, FIN | CLOSE, "\x03\xE8", 2);
  CHECK(same(drain(&f.c, 0), want));
  text_free(&want);
  close_all(&f, 1);
}

TEST(a_client_has_none) {
  feed how = {.role = WS_CLIENT};
  feeding f;
  fill();
  feed_open(&f, &how);
  CHECK(deliver(&f.c, "x", 1) == WS_EINVAL);
  CHECK(ws_queued(&f.c) == 0);
  close_all(&f, 1);
}

static void no_start (ws_conn *c) { (void)c; }

TEST(not_before_the_handshake) {
  feed how = {.role = WS_SERVER, .start = no_start};
  feeding f;
  fill();
  feed_open(&f, &how);
  CHECK(deliver(&f.c, "x", 1) == WS_ESTATE);
  close_all(&f, 1);
}

/* A step that is tried again after a lack of memory. */
static int tell_again (ws_conn *c, const void *p, size_t n) {
  ws_shared *s = share(WS_BINARY, p, n);
  if (s == NULL) s = share(WS_BINARY, p, n);
  size_t queued = ws_queued(c), held = ws_held(c);
  int r = ws_send_shared(c, s);
  if (r == WS_ENOMEM) {
    CHECK(ws_queued(c) == queued && ws_held(c) == held);
    r = ws_send_shared(c, s);
  }
  ws_shared_free(s);
  return r;
}

static int send_again (ws_conn *c, int opcode, const char *p, int flags) {
  int r = ws_send(c, opcode, p, strlen(p), flags);
  return r == WS_ENOMEM ? ws_send(c, opcode, p, strlen(p), flags) : r;
}

static text story (ws_conn *c) {
  CHECK(send_again(c, WS_TEXT, "first", 0) == 0);
  CHECK(tell_again(c, bytes, 3000) == 0);
  CHECK(tell_again(c, bytes, 30) == 0);
  CHECK(send_again(c, WS_TEXT, "in ", WS_MORE) == 0);
  for (int i = 0; i < 6; i++)
    CHECK(tell_again(c, bytes + i, 2000 + 100 * (size_t)i) == 0);
  CHECK(send_again(c, WS_CONTINUATION, "parts", 0) == 0);
  return drain(c, 1000);
}

TEST(the_nth_allocation_fails) { /* ATTACKS row 33 */
  feeding f;
  open_all(&f, 1);
  text want = story(&f.c);
  close_all(&f, 1);
  for (size_t at = 1;; at++) {
    feed_open(&f, &server);
    heap_reset();
    heap.fail_at = at;
    CHECK(same(story(&f.c), want));
    int failed = heap.failed;
    heap.fail_at = 0;
    close_all(&f, 1);
    if (!failed) break;
  }
  text_free(&want);
}

TEST(no_frame_larger_than_memory) {
  fill();
  CHECK(share(WS_BINARY, bytes, SIZE_MAX) == NULL);
  CHECK(share(WS_BINARY, bytes, SIZE_MAX - 20) == NULL);
}
