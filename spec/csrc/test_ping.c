/*
** test_ping.c - pings and pongs, both ways, and reading ahead of the
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

/* What is written now, in hex. */
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

/* ATTACKS row 27: nobody reads our pongs; one is in the queue, the newest waits
   in its slot. */
TEST(ping_flood) {
  feed how = {.role = WS_SERVER};
  feeding f;
  ws_iov v[WS_IOV];
  char s[16] = "";
  start(&f, &how);
  for (int i = 0; i < 20000; i++) {
    snprintf(s, sizeof s, "%d", i);
    put_frame(&f, FIN | PING, s);
    if (i & 1)
      feed_events(&f);
    else
      CHECK(ws_ahead(&f.c) == 0);
    CHECK(ws_pending(&f.c, v, WS_IOV) == 1 && v[0].len == 3);
    CHECK(ws_queued(&f.c) <= 3 + 7);
  }
  CHECK(heap.peak < 3 * 16384);
  ws_sent(&f.c, 2);
  CHECK(ws_pending(&f.c, v, WS_IOV) == 1 && v[0].len == 1);
  ws_sent(&f.c, 1);
  CHECK_STR(out(&f), pong(WS_SERVER, "19999"));
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

/* A pong enters behind the frames that are queued, a borrowed payload too. */
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

/* ------------------------------------------------------------- our own pings */

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
    put_frame(&f, FIN | PONG, "b"); /* and all before it */
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

/* Of pings that are alike the newest is answered, and with it all before it: the
   peer may answer only that one. */
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

/* The application is away: messages stay, a Close frame takes effect. */
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

/* What an application that never receives leaves unread is data, and no ping or
   pong: days of them do not add up to WS_READ_AHEAD. ATTACKS row 27. */
TEST(handled_ones_leave_the_buffer) {
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
    CHECK(ws_waiting(&f.c) == (with_data > 0));
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
