/*
** test_ping.c - pings and pongs in both directions, and reading ahead of the
** application (RFC 6455 sections 5.5.2 and 5.5.3).
*/
#include "frames.h"

static void start (feeding *f, const feed *how) {
  heap_reset();
  feed_open(f, how);
}

static void stop (feeding *f) {
  text log = feed_close(f);
  text_free(&log);
}

static void put_frame (feeding *f, int first, const char *s) {
  text t = {NULL, 0, 0};
  frame_str(&t, f->how->role, first, s);
  feed_put(f, t.p, t.n);
  text_free(&t);
}

/* Writes all, and returns it in hex. */
static const char *out (feeding *f) {
  text_clear(&f->log);
  feed_out(f);
  return f->log.p;
}

static const char *pong (int role, const char *s) {
  static text t;
  text_clear(&t);
  text_addf(&t, "; out ");
  frame_out(&t, role, FIN | PONG, s, strlen(s));
  return t.p;
}

TEST(each_ping_is_answered_once) {
  for (int i = 0; i < 8; i++) {
    int role = i & 1, ahead = i & 2, parts = i & 4;
    feed how = {.role = role, .parts = parts ? 10 : 0, .open_ended = 1};
    feeding f;
    start(&f, &how);
    put_frame(&f, TEXT, "ab");
    if (!ahead) feed_events(&f);
    put_frame(&f, FIN | PING, "one");
    if (ahead)
      CHECK(ws_ahead(&f.c) == 0);
    else
      feed_events(&f);
    CHECK_STR(out(&f), pong(role, "one"));
    put_frame(&f, FIN | PING, "");
    put_frame(&f, FIN | CONT, "cd");
    CHECK(ws_ahead(&f.c) == 0 && ws_ahead(&f.c) == 0);
    CHECK_STR(out(&f), pong(role, ""));
    feed_events(&f);
    CHECK_STR(out(&f), "");
    put_frame(&f, FIN | PING, "three");
    feed_events(&f);
    CHECK(ws_ahead(&f.c) == 0);
    CHECK_STR(out(&f), pong(role, "three"));
    stop(&f);
  }
}

TEST(a_ping_of_125_bytes) {
  char s[126];
  memset(s, 'p', 125);
  s[125] = '\0';
  BOTH(role) {
    feed how = {.role = role};
    feeding f;
    start(&f, &how);
    put_frame(&f, FIN | PING, s);
    feed_events(&f);
    CHECK(ws_queued(&f.c) == 127 + (role == WS_CLIENT ? 4 : 0));
    CHECK_STR(out(&f), pong(role, s));
    CHECK(ws_queued(&f.c) == 0);
    stop(&f);
  }
}

/* ---- many pings */

enum { KIB = 1024 };

/* The bytes that a peer gets, step by step. */
static text got;

/* Writes at most n bytes. */
static void write_some (feeding *f, size_t n) {
  ws_iov v[WS_IOV];
  int k = ws_pending(&f->c, v, WS_IOV);
  CHECK(k >= 0);
  for (int i = 0; i < k && n > 0; i++) {
    size_t some = v[i].len < n ? v[i].len : n;
    text_add(&got, v[i].base, some);
    ws_sent(&f->c, some);
    n -= some;
    if (some < v[i].len) break;
  }
}

static void write_all (feeding *f) {
  while (ws_queued(&f->c) > 0) write_some(f, SIZE_MAX);
}

static void expect (text *t, int role, int first, const char *s) {
  frame_ours(t, role, first, s, strlen(s));
}

static int got_just (const text *want) {
  return got.n == want->n && memcmp(got.p, want->p, got.n) == 0;
}

/* Payloads that make pongs of 16 bytes: 64 of them are 1 KiB. */
enum { EACH = 16, FIT = KIB / EACH };

static const char *number (int role, int i) {
  static char s[16];
  snprintf(s, sizeof s, "%0*d", role == WS_CLIENT ? EACH - 6 : EACH - 2, i);
  return s;
}

static void ping (feeding *f, int from, int to) {
  text t = {NULL, 0, 0};
  for (int i = from; i < to; i++)
    frame_str(&t, f->how->role, FIN | PING, number(f->how->role, i));
  feed_put(f, t.p, t.n);
  text_free(&t);
  if (f->how->ahead)
    CHECK(ws_ahead(&f->c) == 0);
  else
    feed_events(f);
}

static void expect_pongs (text *t, int role, int from, int to) {
  for (int i = from; i < to; i++) expect(t, role, FIN | PONG, number(role, i));
}

/* Pings without a write between them: all are answered up to 1 KiB, then only
   the newest is. n - 1, n, n + 1. */
TEST(every_ping_is_answered_up_to_a_kib) {
  for (int i = 0; i < 4; i++)
    for (int n = 1; n < FIT + 30; n += n < FIT - 2 ? 7 : 1) {
      int role = i & 1;
      feed how = {.role = role, .ahead = i & 2, .open_ended = 1};
      feeding f;
      text want = {NULL, 0, 0};
      start(&f, &how);
      text_clear(&got);
      ping(&f, 0, n);
      size_t due = (size_t)(n <= FIT ? n : FIT + 1) * EACH;
      CHECK(ws_queued(&f.c) == due && ws_queued_pongs(&f.c) == due);
      write_all(&f);
      expect_pongs(&want, role, 0, n < FIT ? n : FIT);
      if (n > FIT) expect_pongs(&want, role, n - 1, n);
      CHECK(got_just(&want) && heap.bytes == 0);
      text_free(&want);
      stop(&f);
    }
}

/* The shortest and the longest pongs at that limit. */
TEST(pongs_of_all_sizes_up_to_a_kib) {
  BOTH(role)
  for (size_t size = 0; size <= 125; size++) {
    feed how = {.role = role, .open_ended = 1};
    feeding f;
    char s[126];
    text t = {NULL, 0, 0}, want = {NULL, 0, 0};
    size_t each = size + (role == WS_CLIENT ? 6 : 2), fit = KIB / each;
    memset(s, 'p', size);
    s[size] = '\0';
    start(&f, &how);
    for (size_t i = 0; i < fit + 5; i++) frame_str(&t, role, FIN | PING, s);
    feed_put(&f, t.p, t.n);
    feed_events(&f);
    CHECK(ws_queued_pongs(&f.c) == (fit + 1) * each);
    text_clear(&got);
    write_all(&f);
    for (size_t i = 0; i <= fit; i++) expect(&want, role, FIN | PONG, s);
    CHECK(got_just(&want) && heap.bytes == 0);
    text_free(&t);
    text_free(&want);
    stop(&f);
  }
}

/* A flood, and a peer that takes a few bytes now and then: it gets whole pongs
   in order, each once; the last one is the last ping's; the first ones come
   without a gap. */
TEST(a_flood_of_pings_with_writes_between) {
  for (unsigned seed = 0; seed < 60; seed++) {
    int role = seed & 1, next = 0;
    feed how = {.role = role, .ahead = seed & 2, .open_ended = 1};
    feeding f;
    start(&f, &how);
    rnd_seed(seed);
    text_clear(&got);
    for (int i = 0; i < 400; i++) {
      int to = next + 1 + (int)rnd(40);
      ping(&f, next, to);
      next = to;
      CHECK(ws_queued_pongs(&f.c) <= KIB + 2 * EACH);
      CHECK(ws_queued_pongs(&f.c) == ws_queued(&f.c));
      if (rnd(3)) write_some(&f, rnd(300));
    }
    CHECK(heap.peak < 3 * 16384);
    write_all(&f);
    CHECK(heap.bytes == 0 && got.n % EACH == 0);
    int last = -1;
    for (size_t at = 0; at + EACH <= got.n; at += EACH) {
      text want = {NULL, 0, 0};
      int i = atoi(got.p + at + (role == WS_CLIENT ? 6 : 2));
      expect_pongs(&want, role, i, i + 1);
      CHECK(memcmp(got.p + at, want.p, EACH) == 0 && i > last);
      if (at < KIB) CHECK(i == last + 1);
      last = i;
      text_free(&want);
    }
    CHECK(last == next - 1);
    stop(&f);
  }
}

/* ATTACKS row 27: nobody reads our pongs. */
TEST(ping_flood) {
  feed how = {.role = WS_SERVER};
  feeding f;
  ws_iov v[WS_IOV];
  start(&f, &how);
  for (int i = 0; i < 20000; i++) {
    ping(&f, i, i + 1);
    CHECK(ws_pending(&f.c, v, WS_IOV) == 1 && v[0].len <= KIB);
    CHECK(ws_queued(&f.c) <= KIB + EACH);
  }
  CHECK(heap.peak < 3 * 16384);
  text_clear(&got);
  write_all(&f);
  text want = {NULL, 0, 0};
  expect_pongs(&want, WS_SERVER, 0, FIT);
  expect_pongs(&want, WS_SERVER, 19999, 20000);
  CHECK(got_just(&want));
  text_free(&want);
  stop(&f);
}

/* Pongs go between the frames of a message that is sent in fragments. */
TEST(pongs_between_fragments) {
  BOTH(role) {
    feed how = {.role = role, .open_ended = 1};
    feeding f;
    text want = {NULL, 0, 0};
    start(&f, &how);
    text_clear(&got);
    CHECK(ws_send(&f.c, WS_TEXT, "one", 3, WS_MORE) == 0);
    write_some(&f, 4); /* inside the frame */
    ping(&f, 0, 10);
    CHECK(ws_send(&f.c, WS_CONTINUATION, "two", 3, WS_MORE) == 0);
    write_some(&f, 3);
    ping(&f, 10, 12);
    CHECK(ws_send(&f.c, WS_CONTINUATION, "three", 5, 0) == 0);
    write_all(&f);
    expect(&want, role, TEXT, "one");
    expect(&want, role, CONT, "two");
    expect_pongs(&want, role, 0, 10);
    expect(&want, role, FIN | CONT, "three");
    expect_pongs(&want, role, 10, 12);
    CHECK(got_just(&want));
    text_free(&want);
    stop(&f);
  }
}

/* After shared frames, small ones that are copied and large ones that are not,
   and borrowed payloads; at random. Every frame is whole. */
TEST(pongs_among_shared_frames_and_borrowed_payloads) {
  static char large[5000];
  memset(large, 'L', sizeof large);
  heap_reset();
  ws_shared *shared =
      ws_shared_new(heap_alloc, NULL, BINARY, large, sizeof large);
  size_t bytes = heap.bytes;
  for (unsigned seed = 0; seed < 60; seed++) {
    feed how = {.role = WS_SERVER, .open_ended = 1};
    feeding f;
    int pings = 0, frames = 0;
    feed_open(&f, &how);
    rnd_seed(seed);
    text_clear(&got);
    for (int i = 0; i < 40; i++) {
      ping(&f, pings, pings + 3);
      pings += 3;
      if (rnd(2)) frames += ws_send_shared(&f.c, shared) == 0;
      if (rnd(2))
        frames += ws_send(&f.c, WS_BINARY, large, sizeof large,
                          rnd(2) ? WS_BORROW : 0) == 0;
      while (ws_queued(&f.c) > 300) write_some(&f, 1 + rnd(3000));
    }
    write_all(&f);
    int n = 0;
    for (size_t at = 0; at < got.n;) {
      unsigned char first = (unsigned char)got.p[at];
      if (first == (FIN | PONG)) {
        CHECK(atoi(got.p + at + 2) == n++);
        at += EACH;
      } else {
        if (!CHECK(first == (FIN | BINARY))) break;
        CHECK(memcmp(got.p + at + 4, large, sizeof large) == 0);
        at += 4 + sizeof large;
        frames--;
      }
    }
    CHECK(n == pings && frames == 0 && heap.bytes == bytes);
    ws_free(&f.c);
    text_free(&f.log);
    text_free(&f.part);
  }
  ws_shared_free(shared);
  CHECK(heap.blocks == 0);
}

/* Pings before a Close are answered before it: the peer's Close, ours, and that
   for a broken rule; and before the end of the peer's stream. */
TEST(pongs_before_the_end) {
  static const int ends[] = {CLOSE, 3, 0};
  for (int i = 0; i < 8; i++) {
    int role = i & 1, end = ends[i >> 1 < 3 ? i >> 1 : 2];
    feed how = {.role = role, .open_ended = 1};
    feeding f;
    text want = {NULL, 0, 0};
    start(&f, &how);
    text_clear(&got);
    CHECK(ws_send(&f.c, WS_TEXT, "borrowed", 8, WS_BORROW) == 0);
    write_some(&f, 1);
    ping(&f, 0, FIT + 3);
    if (end) put_frame(&f, FIN | end, "");
    if (i >> 1 == 2) CHECK(ws_close(&f.c, 0, NULL, 0) == 0);
    if (i >> 1 == 3) ws_eof(&f.c);
    feed_events(&f);
    CHECK(i >> 1 != 3 || ws_state(&f.c) == WS_CLOSED);
    write_all(&f);
    expect(&want, role, FIN | TEXT, "borrowed");
    expect_pongs(&want, role, 0, FIT);
    expect_pongs(&want, role, FIT + 2, FIT + 3);
    if (i >> 1 != 3) {
      size_t n = want.n;
      expect(&want, role, FIN | CLOSE, "");
      want.n -= role == WS_CLIENT ? 5 : 1; /* the first byte is enough */
      if (got.n > want.n) got.n = want.n;
      CHECK(want.n == n + 1);
    }
    CHECK(got_just(&want));
    text_free(&want);
    stop(&f);
  }
}

/* The n-th allocation fails: all pings are answered at the next try. */
TEST(pongs_without_memory) {
  BOTH(role) {
    feed how = {.role = role};
    text t = {NULL, 0, 0};
    for (int i = 0; i < FIT + 9; i++)
      frame_str(&t, role, FIN | PING, number(role, i));
    frame_str(&t, role, FIN | CLOSE, "\x03\xe8");
    feed_oom(&how, t.p, t.n, t.n);
    feed_oom(&how, t.p, t.n, 200);
    text_free(&t);
  }
}

static int no_random (void *ud, void *out, size_t n) {
  (void)out;
  (void)n;
  return (*(int *)ud)-- <= 0 ? 0 : -1;
}

static int failures;

static void unlucky (ws_config *config) {
  config->random = no_random;
  config->random_ud = &failures;
}

TEST(a_pong_without_randomness) {
  feed how = {.role = WS_CLIENT, .configure = unlucky, .open_ended = 1};
  feeding f;
  failures = 2;
  start(&f, &how);
  put_frame(&f, FIN | PING, "p");
  CHECK(ws_ahead(&f.c) == WS_ERANDOM && ws_queued(&f.c) == 0);
  ws_event ev;
  CHECK(ws_next(&f.c, &ev) == WS_ERANDOM && ws_queued_pongs(&f.c) == 0);
  CHECK(ws_ahead(&f.c) == 0 && ws_queued_pongs(&f.c) == 7);
  stop(&f);
}

TEST(pong_flood) {
  feed how = {.role = WS_CLIENT};
  feeding f;
  start(&f, &how);
  for (int i = 0; i < 10000; i++) {
    put_frame(&f, FIN | PONG, "unsolicited");
    feed_events(&f);
    CHECK(heap.bytes == 0);
  }
  CHECK(ws_ponged(&f.c) == 0);
  stop(&f);
}

/* A pong goes after the frames that are queued, and after a borrowed payload.
   */
TEST(a_pong_enters_at_a_frame_boundary) {
  feed how = {.role = WS_SERVER};
  feeding f;
  ws_iov v[WS_IOV];
  start(&f, &how);
  CHECK(ws_send(&f.c, WS_TEXT, "borrowed", 8, WS_BORROW) == 0);
  put_frame(&f, FIN | PING, "p");
  feed_events(&f);
  CHECK(ws_pending(&f.c, v, WS_IOV) == 2);
  ws_sent(&f.c, 5);
  CHECK(ws_pending(&f.c, v, WS_IOV) == 1 && v[0].len == 5);
  ws_sent(&f.c, 5);
  CHECK_STR(out(&f), pong(WS_SERVER, "p"));
  stop(&f);
}

/* ------------------------------------------------------------ our own pings */

TEST(pongs_answer_pings) {
  BOTH(role) {
    feed how = {.role = role};
    feeding f;
    uint64_t serial = 0;
    start(&f, &how);
    CHECK(ws_ping(&f.c, "a", 1, &serial) == 0 && serial == 1);
    CHECK(ws_ping(&f.c, "b", 1, NULL) == 0);
    CHECK(ws_ping(&f.c, NULL, 0, &serial) == 0 && serial == 3);
    CHECK(ws_ping(&f.c, "a", 1, &serial) == 0 && serial == 4);
    put_frame(&f, FIN | PONG, "ab");
    put_frame(&f, FIN | PONG, "c");
    feed_events(&f);
    CHECK(ws_ponged(&f.c) == 0);
    put_frame(&f, FIN | PONG, "b"); /* and all earlier ones */
    CHECK(ws_ahead(&f.c) == 0 && ws_ponged(&f.c) == 2);
    put_frame(&f, FIN | PONG, "b"); /* not again */
    feed_events(&f);
    CHECK(ws_ponged(&f.c) == 2);
    put_frame(&f, FIN | PONG, "");
    feed_events(&f);
    CHECK(ws_ponged(&f.c) == 3);
    put_frame(&f, FIN | PONG, "a");
    feed_events(&f);
    CHECK(ws_ponged(&f.c) == 4);
    feed_out(&f);
    CHECK(heap.bytes == 0);
    stop(&f);
  }
}

/* Of equal pings a pong answers the newest and all earlier ones: the peer may
   answer only the newest. */
TEST(a_pong_answers_the_newest_of_equal_pings) {
  BOTH(role) {
    feed how = {.role = role};
    feeding f;
    start(&f, &how);
    CHECK(ws_ping(&f.c, "a", 1, NULL) == 0);
    CHECK(ws_ping(&f.c, "b", 1, NULL) == 0);
    CHECK(ws_ping(&f.c, "a", 1, NULL) == 0);
    CHECK(ws_ping(&f.c, "c", 1, NULL) == 0);
    put_frame(&f, FIN | PONG, "a");
    feed_events(&f);
    CHECK(ws_ponged(&f.c) == 3);
    put_frame(&f, FIN | PONG, "b"); /* answered already */
    feed_events(&f);
    CHECK(ws_ponged(&f.c) == 3);
    put_frame(&f, FIN | PONG, "c");
    feed_events(&f);
    CHECK(ws_ponged(&f.c) == 4);
    feed_out(&f);
    CHECK(heap.bytes == 0);
    stop(&f);
  }
}

/* 4096 bytes hold 195 records of 1 + 20 bytes; the oldest are forgotten. */
TEST(unanswered_pings_are_bounded) {
  feed how = {.role = WS_SERVER};
  feeding f;
  char s[32] = "";
  uint64_t serial = 0;
  start(&f, &how);
  for (unsigned i = 1; i <= 1000; i++) {
    snprintf(s, sizeof s, "%020u", i);
    CHECK(ws_ping(&f.c, s, 20, &serial) == 0 && serial == i);
    feed_out(&f);
    CHECK(heap.bytes <= 4096 + 64);
  }
  put_frame(&f, FIN | PONG, "00000000000000000805");
  feed_events(&f);
  CHECK(ws_ponged(&f.c) == 0);
  put_frame(&f, FIN | PONG, "00000000000000000806");
  feed_events(&f);
  CHECK(ws_ponged(&f.c) == 806);
  put_frame(&f, FIN | PONG, s);
  feed_events(&f);
  CHECK(ws_ponged(&f.c) == 1000);
  feed_out(&f);
  CHECK(heap.bytes == 0);
  stop(&f);
}

TEST(pings_that_may_not_be_sent) {
  feed how = {.role = WS_SERVER};
  feeding f;
  char s[126] = "";
  start(&f, &how);
  CHECK(ws_ping(&f.c, s, 126, NULL) == WS_EINVAL);
  CHECK(heap.bytes == 0);
  CHECK(ws_close(&f.c, 1000, NULL, 0) == 0);
  CHECK(ws_ping(&f.c, s, 1, NULL) == WS_ESTATE);
  CHECK_STR(ws_error(&f.c), "closed");
  stop(&f);
}

TEST(a_ping_out_of_memory) {
  for (size_t at = 1; at <= 2; at++) {
    feed how = {.role = WS_CLIENT};
    feeding f;
    uint64_t serial = 7;
    start(&f, &how);
    heap.fail_at = at;
    CHECK(ws_ping(&f.c, "p", 1, &serial) == WS_ENOMEM && serial == 7);
    CHECK(heap.bytes == 0 && ws_queued(&f.c) == 0);
    CHECK(ws_ping(&f.c, "p", 1, &serial) == 0 && serial == 1);
    put_frame(&f, FIN | PONG, "p");
    feed_events(&f);
    CHECK(ws_ponged(&f.c) == 1);
    stop(&f);
  }
}

/* --------------------------------------------------------- reading ahead */

/* The application is busy: messages stay, a Close frame takes effect. */
TEST(ahead_of_a_close) {
  BOTH(role) {
    feed how = {.role = role};
    feeding f;
    start(&f, &how);
    put_frame(&f, FIN | TEXT, "one");
    put_frame(&f, TEXT, "tw");
    put_frame(&f, FIN | CONT, "o");
    put_frame(&f, TEXT, "thr");
    put_frame(&f, FIN | CLOSE, "\x03\xE8");
    put_frame(&f, FIN | TEXT, "after");
    CHECK(ws_state(&f.c) == WS_OPENED);
    CHECK(ws_ahead(&f.c) == 0);
    CHECK(ws_state(&f.c) == WS_CLOSED && ws_closed(&f.c).clean);
    CHECK(ws_send(&f.c, WS_TEXT, "x", 1, 0) == WS_ESTATE);
    feed_events(&f);
    CHECK_STR(f.log.p, "text \"one\"; text \"two\"; ");
    CHECK(f.ended && heap.bytes > 0); /* our Close frame */
    stop(&f);
  }
}

TEST(ahead_of_a_broken_rule) {
  feed how = {.role = WS_CLIENT};
  feeding f;
  start(&f, &how);
  put_frame(&f, FIN | TEXT, "one");
  put_frame(&f, FIN | 3, "");
  put_frame(&f, FIN | TEXT, "after");
  CHECK(ws_ahead(&f.c) == 0);
  CHECK(ws_state(&f.c) == WS_CLOSED && ws_closed(&f.c).code == 1002);
  feed_events(&f);
  CHECK_STR(f.log.p, "text \"one\"; ");
  CHECK(f.ended);
  stop(&f);
}

/* In the middle of a payload that has not arrived. */
TEST(ahead_inside_a_payload) {
  BOTH(role) {
    feed how = {.role = role};
    feeding f;
    text t = {NULL, 0, 0};
    char *s = calloc(1, 100000);
    start(&f, &how);
    frame(&t, role, BINARY, s, 100000);
    size_t body = t.n;
    frame_str(&t, role, FIN | PING, "p");
    for (size_t at = 0; at < t.n; at++) {
      feed_put(&f, t.p + at, 1);
      if (at % 997 == 0 || at >= body - 2) CHECK(ws_ahead(&f.c) == 0);
      if (at % 9973 == 0) feed_events(&f);
    }
    CHECK_STR(out(&f), pong(role, "p"));
    feed_events(&f);
    CHECK_STR(out(&f), "");
    stop(&f);
    text_free(&t);
    free(s);
  }
}

/* If an application never receives, only data stays unread, not pings or pongs:
   days of them do not add up to WS_READ_AHEAD. ATTACKS row 27. */
TEST(handled_frames_leave_the_buffer) {
  feed how = {.role = WS_SERVER};
  feeding f;
  text t = {NULL, 0, 0}, hello = {NULL, 0, 0}, other = {NULL, 0, 0};
  heap_reset();
  frame_str(&hello, WS_SERVER, FIN | TEXT, "hello");
  frame_str(&other, WS_SERVER, FIN | TEXT, "other");
  for (int with_data = 0; with_data <= 2; with_data++) {
    feed_open(&f, &how);
    text_clear(&t);
    if (with_data) text_add(&t, hello.p, hello.n);
    for (int i = 0; i < 20000; i++) {
      frame_str(&t, WS_SERVER, FIN | (i % 2 ? PING : PONG), i % 3 ? "x" : "");
      if (with_data == 2 && i == 7) text_add(&t, other.p, other.n);
    }
    size_t data = (size_t)with_data * hello.n;
    for (size_t at = 0, n; at < t.n; at += n) {
      n = 1 + rnd(5000);
      if (n > t.n - at) n = t.n - at;
      feed_put(&f, t.p + at, n);
      CHECK(ws_ahead(&f.c) == 0);
      CHECK(ws_unread(&f.c) <= data + 8);
      ws_iov v[WS_IOV];
      for (int k; (k = ws_pending(&f.c, v, WS_IOV)) > 0;)
        ws_sent(&f.c, v[0].len);
    }
    CHECK(ws_unread(&f.c) == data);
    CHECK(ws_has_message(&f.c) == (with_data > 0));
    if (!with_data) CHECK(heap.blocks == 0); /* idle: it owns no memory */
    feed_events(&f);
    CHECK_STR(f.log.p, with_data == 0   ? ""
                       : with_data == 1 ? "text \"hello\"; "
                                        : "text \"hello\"; text \"other\"; ");
    text log = feed_close(&f);
    text_free(&log);
  }
  text_free(&t);
  text_free(&hello);
  text_free(&other);
}
