/*
** test_send.c - sent frames, byte by byte; the out queue, drained in all ways;
** borrowed payloads; what may not be sent.
*/
#include "frames.h"

static unsigned char bytes[200000];

static void start (feeding *f, const feed *how) {
  heap_reset();
  rnd_seed(5);
  for (size_t i = 0; i < sizeof bytes; i++) bytes[i] = (unsigned char)rnd(256);
  feed_open(f, how);
}

static void stop (feeding *f) {
  text log = feed_close(f);
  text_free(&log);
}

/* All that is pending, written step bytes at a time (0: at random). */
static text drain (ws_conn *c, size_t step) {
  ws_iov v[WS_IOV];
  text t = {NULL, 0, 0};
  int n;
  text_add(&t, "", 0);
  while ((n = ws_pending(c, v, WS_IOV)) > 0) {
    size_t k = step ? step : 1 + rnd(300), sum = 0;
    for (int i = 0; i < n && sum < k; i++) {
      size_t len = v[i].len < k - sum ? v[i].len : k - sum;
      CHECK(v[i].len > 0);
      text_add(&t, v[i].base, len);
      sum += len;
    }
    size_t queued = ws_queued(c);
    ws_sent(c, sum);
    CHECK(ws_queued(c) == queued - sum);
  }
  CHECK(n == 0 && ws_queued(c) == 0);
  return t;
}

static int same (text got, text want) {
  int ok = got.n == want.n && (got.n == 0 || memcmp(got.p, want.p, got.n) == 0);
  text_free(&got);
  return ok;
}

/* The expected frame: as the other role would receive it, with the masking key
   of the one that was sent. */
static void expect (text *t, const text *got, int role, int first,
                    const void *p, size_t n) {
  static const unsigned char zeros[4] = {0};
  size_t size = n < 126 ? 0 : n < 65536 ? 2 : 8;
  frame_bytes(t, 1, (uint64_t)first);
  frame_bytes(t, 1,
              (size == 0   ? n
               : size == 2 ? 126
                           : 127) |
                  (role == WS_CLIENT ? 0x80u : 0));
  frame_bytes(t, (int)size, n);
  const unsigned char *key = zeros;
  if (role == WS_CLIENT) {
    if (!CHECK(got->n >= t->n + 4 + n)) return;
    key = (const unsigned char *)got->p + t->n;
    text_add(t, key, 4);
  }
  for (size_t i = 0; i < n; i++)
    frame_bytes(t, 1, ((const unsigned char *)p)[i] ^ key[i % 4]);
}

static void real_keys (ws_config *config) { config->random = rnd_bytes; }

TEST(lengths) {
  static const size_t lengths[] = {0,   1,    125,   126,   127,
                                   128, 4096, 65535, 65536, 200000};
  BOTH(role)
  for (size_t i = 0; i < COUNT(lengths); i++)
    for (int flags = 0; flags <= WS_BORROW; flags += WS_BORROW) {
      feed how = {.role = role, .configure = real_keys};
      feeding f;
      text want = {NULL, 0, 0};
      start(&f, &how);
      CHECK(ws_send(&f.c, WS_BINARY, bytes, lengths[i], flags) == 0);
      text got = drain(&f.c, i & 1 ? 0 : SIZE_MAX);
      expect(&want, &got, role, FIN | BINARY, bytes, lengths[i]);
      CHECK(same(got, want));
      CHECK(heap.bytes == 0);
      text_free(&want);
      stop(&f);
    }
}

TEST(every_frame_has_a_key_of_its_own) { /* ATTACKS row 17 */
  feed how = {.role = WS_CLIENT, .configure = real_keys};
  feeding f;
  start(&f, &how);
  CHECK(ws_send(&f.c, WS_TEXT, "abcd", 4, 0) == 0);
  CHECK(ws_send(&f.c, WS_TEXT, "abcd", 4, 0) == 0);
  CHECK(ws_ping(&f.c, "abcd", 4, NULL) == 0);
  text got = drain(&f.c, SIZE_MAX);
  CHECK(got.n == 30);
  CHECK(memcmp(got.p + 2, got.p + 12, 4) && memcmp(got.p + 12, got.p + 22, 4));
  text_free(&got);
  stop(&f);
}

static int no_random (void *ud, void *out, size_t n) {
  (void)ud;
  (void)out;
  (void)n;
  return -1;
}

static void bad_random (ws_config *config) { config->random = no_random; }

TEST(without_randomness_nothing_is_sent) {
  feed how = {.role = WS_CLIENT, .configure = bad_random};
  feeding f;
  ws_event ev;
  ws_iov v[WS_IOV];
  start(&f, &how);
  CHECK(ws_send(&f.c, WS_TEXT, "hi", 2, WS_MORE) == WS_ERANDOM);
  CHECK(ws_ping(&f.c, "hi", 2, NULL) == WS_ERANDOM);
  CHECK(ws_close(&f.c, 1000, NULL, 0) == WS_ERANDOM);
  CHECK(ws_state(&f.c) == WS_OPENED);
  feed_put(&f, "\x89\x01x", 3);
  CHECK(ws_next(&f.c, &ev) == WS_ERANDOM && ws_ahead(&f.c) == WS_ERANDOM);
  CHECK(ws_pending(&f.c, v, WS_IOV) == 0);
  feed_put(&f, "\x88\x00", 2);
  CHECK(ws_next(&f.c, &ev) == WS_ERANDOM && ws_ahead(&f.c) == WS_ERANDOM);
  f.config.random = rnd_zeros;
  CHECK(ws_send(&f.c, WS_TEXT, "hi", 2, 0) == 0);
  CHECK(ws_next(&f.c, &ev) == WS_END && ws_closed(&f.c).code == 1005);
  stop(&f);
}

/* ---------------------------------------------------------------- the queue */

/* Frames of all kinds, a control frame between fragments, some borrowed. */
static void send_some (ws_conn *c, int flags) {
  CHECK(ws_send(c, WS_TEXT, "h\xC3", 2, WS_MORE) == 0);
  CHECK(ws_ping(c, "ping", 4, NULL) == 0);
  CHECK(ws_send(c, WS_CONTINUATION, bytes, 0, WS_MORE) == 0);
  CHECK(ws_send(c, WS_CONTINUATION, "\xA9", 1, flags) == 0);
  CHECK(ws_send(c, WS_BINARY, bytes, 300, flags) == 0);
  CHECK(ws_send(c, WS_BINARY, bytes + 300, 40, flags) == 0);
  CHECK(ws_close(c, 1001, "bye", 3) == 0);
}

static text expected (int role) {
  text t = {NULL, 0, 0}, zeros = {(char *)bytes, sizeof bytes, 0};
  if (role == WS_CLIENT) zeros.p = calloc(1, sizeof bytes);
  expect(&t, &zeros, role, TEXT, "h\xC3", 2);
  expect(&t, &zeros, role, FIN | PING, "ping", 4);
  expect(&t, &zeros, role, CONT, "", 0);
  expect(&t, &zeros, role, FIN | CONT, "\xA9", 1);
  expect(&t, &zeros, role, FIN | BINARY, bytes, 300);
  expect(&t, &zeros, role, FIN | BINARY, bytes + 300, 40);
  expect(&t, &zeros, role, FIN | CLOSE,
         "\x03\xE9"
         "bye",
         5);
  if (role == WS_CLIENT) free(zeros.p);
  return t;
}

TEST(drained_in_any_steps) {
  BOTH(role) for (size_t step = 0; step < 60; step++) {
    feed how = {.role = role};
    feeding f;
    start(&f, &how);
    send_some(&f.c, step & 1 ? WS_BORROW : 0);
    text want = expected(role);
    CHECK(same(drain(&f.c, step), want));
    text_free(&want);
    stop(&f);
  }
}

/* The queue is settled, and more is queued, after every number of bytes. */
TEST(borrowed_and_settled_at_every_byte) {
  for (size_t at = 0; at < 60; at++)
    for (int more = 0; more < 2; more++) {
      feed how = {.role = WS_SERVER};
      feeding f;
      text want = {NULL, 0, 0}, got = {NULL, 0, 0};
      ws_iov v[WS_IOV];
      char lent[50];
      memcpy(lent, bytes, 50);
      start(&f, &how);
      CHECK(ws_send(&f.c, WS_TEXT, "first", 5, 0) == 0);
      CHECK(ws_send(&f.c, WS_BINARY, lent, 50, WS_BORROW) == 0);
      expect(&want, &got, WS_SERVER, FIN | TEXT, "first", 5);
      expect(&want, &got, WS_SERVER, FIN | BINARY, lent, 50);
      CHECK(ws_queued(&f.c) == 59);
      CHECK(ws_pending(&f.c, v, WS_IOV) == 2 && v[1].base == lent);
      text_add(&got, v[0].base, at < 9 ? at : 9);
      if (at > 9) text_add(&got, v[1].base, at - 9 < 50 ? at - 9 : 50);
      ws_sent(&f.c, at < 59 ? at : 59);
      if (more) {
        CHECK(ws_send(&f.c, WS_TEXT, "last", 4, WS_BORROW) == 0);
        expect(&want, &got, WS_SERVER, FIN | TEXT, "last", 4);
      }
      CHECK(ws_settle(&f.c) == 0 && ws_settle(&f.c) == 0);
      memset(lent, 0, sizeof lent);
      text rest = drain(&f.c, 7);
      text_add(&got, rest.p, rest.n);
      text_free(&rest);
      CHECK(same(got, want));
      text_free(&want);
      stop(&f);
    }
}

TEST(a_queue_that_is_never_empty_stays_small) {
  feed how = {.role = WS_SERVER};
  feeding f;
  start(&f, &how);
  CHECK(ws_send(&f.c, WS_BINARY, bytes, 100, 0) == 0);
  for (int i = 0; i < 10000; i++) {
    CHECK(ws_send(&f.c, WS_BINARY, bytes, 100, 0) == 0);
    ws_sent(&f.c, 102);
    CHECK(f.c.out.cap <= 1024);
  }
  CHECK(heap.calls < 10);
  stop(&f);
}

/* ----------------------------------------------------- what may not be sent */

TEST(text_has_to_be_utf8) {
  BOTH(role) {
    feed how = {.role = role};
    feeding f;
    start(&f, &how);
    CHECK(ws_send(&f.c, WS_TEXT, "a\xFF", 2, 0) == WS_EUTF8);
    CHECK(ws_error(&f.c)[0] != '\0');
    CHECK(ws_send(&f.c, WS_TEXT, "a\xC3", 2, 0) == WS_EUTF8);
    CHECK(ws_send(&f.c, WS_TEXT, "a\xC0", 2, WS_MORE) == WS_EUTF8);
    CHECK(ws_queued(&f.c) == 0 && heap.bytes == 0);
    CHECK(ws_send(&f.c, WS_TEXT, "a\xC3", 2, WS_MORE) == 0);
    CHECK(ws_send(&f.c, WS_CONTINUATION, "a", 1, WS_MORE) == WS_EUTF8);
    CHECK(ws_send(&f.c, WS_CONTINUATION, "", 0, 0) == WS_EUTF8);
    CHECK(ws_send(&f.c, WS_CONTINUATION, "\xA9\xE2\x82", 3, WS_MORE) == 0);
    CHECK(ws_send(&f.c, WS_CONTINUATION, "\xAC", 1, 0) == 0);
    CHECK(ws_send(&f.c, WS_BINARY, "\xFF", 1, WS_MORE) == 0);
    CHECK(ws_send(&f.c, WS_CONTINUATION, "\xFF", 1, 0) == 0);
    CHECK(ws_send(&f.c, WS_TEXT, "a", 1, 0) == 0);
    stop(&f);
  }
}

TEST(frames_out_of_order) {
  feed how = {.role = WS_SERVER};
  feeding f;
  start(&f, &how);
  CHECK(ws_send(&f.c, WS_CONTINUATION, "a", 1, 0) == WS_ESTATE);
  CHECK(ws_send(&f.c, 3, "a", 1, 0) == WS_EINVAL);
  CHECK(ws_send(&f.c, PING, "a", 1, 0) == WS_EINVAL);
  CHECK(ws_send(&f.c, -1, "a", 1, 0) == WS_EINVAL);
  CHECK(ws_send(&f.c, WS_TEXT, "a", 1, WS_MORE) == 0);
  CHECK(ws_send(&f.c, WS_TEXT, "a", 1, 0) == WS_ESTATE);
  CHECK(ws_send(&f.c, WS_BINARY, "a", 1, WS_MORE) == WS_ESTATE);
  CHECK_STR(ws_error(&f.c), "in the middle of a fragmented message");
  CHECK(ws_send(&f.c, WS_CONTINUATION, "a", 1, 0) == 0);
  CHECK(ws_close(&f.c, 1000, NULL, 0) == 0);
  CHECK(ws_send(&f.c, WS_TEXT, "a", 1, 0) == WS_ESTATE);
  CHECK_STR(ws_error(&f.c), "closed");
  stop(&f);
}

static void unopened (ws_conn *c) { (void)c; }

TEST(before_the_handshake) {
  feed how = {.role = WS_SERVER, .start = unopened};
  feeding f;
  start(&f, &how);
  CHECK(ws_send(&f.c, WS_TEXT, "a", 1, 0) == WS_ESTATE);
  CHECK(ws_ping(&f.c, "a", 1, NULL) == WS_ESTATE);
  CHECK(ws_ahead(&f.c) == 0);
  stop(&f);
}

TEST(sizes_beyond_memory) {
  BOTH(role) {
    feed how = {.role = role};
    feeding f;
    start(&f, &how);
    for (size_t less = 0; less < 40; less++)
      CHECK(ws_send(&f.c, WS_BINARY, bytes, SIZE_MAX - less,
                    role == WS_CLIENT ? 0 : WS_MORE) == WS_ENOMEM);
    CHECK(heap.bytes == 0 && heap.calls == 0);
    stop(&f);
  }
}

/* -------------------------------------------------------------- no memory */

/* A call that has failed is made again: the bytes are the same as without the
   failure. */
TEST(out_of_memory) { /* ATTACKS row 33 */
  BOTH(role)
  for (int flags = 0; flags <= WS_BORROW; flags += WS_BORROW)
    for (size_t at = 1; at < 12; at++) {
      feed how = {.role = role};
      feeding f;
      start(&f, &how);
      text want = expected(role);
      heap.fail_at = at;
#define AGAIN(call)                     \
  do {                                  \
    size_t queued = ws_queued(&f.c);    \
    int r = call;                       \
    if (r == WS_ENOMEM) {               \
      CHECK(ws_queued(&f.c) == queued); \
      r = call;                         \
    }                                   \
    CHECK(r == 0);                      \
  } while (0)
      AGAIN(ws_send(&f.c, WS_TEXT, "h\xC3", 2, WS_MORE));
      AGAIN(ws_ping(&f.c, "ping", 4, NULL));
      AGAIN(ws_send(&f.c, WS_CONTINUATION, bytes, 0, WS_MORE));
      AGAIN(ws_send(&f.c, WS_CONTINUATION, "\xA9", 1, flags));
      AGAIN(ws_send(&f.c, WS_BINARY, bytes, 300, flags));
      AGAIN(ws_send(&f.c, WS_BINARY, bytes + 300, 40, flags));
      AGAIN(ws_settle(&f.c));
      AGAIN(ws_close(&f.c, 1001, "bye", 3));
      CHECK(heap.failed || at > 2);
      heap.fail_at = 0;
      CHECK(same(drain(&f.c, 50), want));
      text_free(&want);
      stop(&f);
    }
}
