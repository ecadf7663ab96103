/*
** test_close.c - the end of connections (RFC 6455 section 7): codes and
** reasons, which end begins, data after it, failing, losing the transport.
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

static void put_frame (feeding *f, int first, const void *p, size_t n) {
  text t = {NULL, 0, 0};
  frame(&t, f->how->role, first, p, n);
  feed_put(f, t.p, t.n);
  text_free(&t);
}

static void put_str (feeding *f, int first, const char *s) {
  put_frame(f, first, s, strlen(s));
}

/* Everything that has happened. */
static const char *end (feeding *f) {
  feed_end(f);
  return f->log.p;
}

static const char *closed_log (int role, const char *before, unsigned code,
                               const char *reason, const char *after,
                               const char *p, size_t n) {
  static text t;
  text_clear(&t);
  text_addf(&t, "%send %u ", before, code);
  text_quote(&t, reason, strlen(reason));
  text_addf(&t, "%s", after);
  if (p) {
    text_addf(&t, "; out ");
    frame_out(&t, role, FIN | CLOSE, p, n);
  }
  return t.p;
}

#define clean_log(role, before, code, reason, p, n) \
  closed_log(role, before, code, reason, " clean", p, n)

static int on_wire (unsigned code) {
  return (code >= 1000 && code <= 1003) || (code >= 1007 && code <= 1014) ||
         (code >= 3000 && code < 5000);
}

TEST(all_codes) {
  for (unsigned code = 0; code < 65536; code++) {
    int role = code & 1;
    unsigned char p[2] = {(unsigned char)(code >> 8), (unsigned char)code};
    feed how = {.role = role};
    feeding f;
    start(&f, &how);
    put_frame(&f, FIN | CLOSE, p, 2);
    feed_events(&f);
    ws_closing closing = ws_closed(&f.c);
    CHECK(ws_state(&f.c) == WS_CLOSED && f.ended && closing.sent);
    CHECK(closing.code == (on_wire(code) ? code : 1002));
    CHECK(closing.clean == on_wire(code) && closing.failed == !on_wire(code));
    stop(&f);
    start(&f, &how);
    CHECK(ws_close(&f.c, code, NULL, 0) ==
          (on_wire(code) || code == 0 ? 0 : WS_EINVAL));
    CHECK(ws_state(&f.c) ==
          (on_wire(code) || code == 0 ? WS_CLOSING : WS_OPENED));
    stop(&f);
  }
}

/* The peer's Close frame with these reasons. */
TEST(reasons) {
  static const struct {
    const char *p;
    size_t n;
    unsigned code;
  } cases[] = {{"\x0F\xA0"
                "bye",
                5, 4000},
               {"\x0F\xA0"
                "\xE2\x82\xAC",
                5, 4000},
               {"\x0F\xA0"
                "\xE2\x82",
                4, 1007},
               {"\x0F\xA0"
                "a\xFF",
                4, 1007},
               {"\x0F\xA0"
                "\xED\xA0\x80",
                5, 1007},
               {"\x0F\xA0", 2, 4000},
               {"", 0, 1005},
               {"\x03", 1, 1002}};
  BOTH(role) for (size_t i = 0; i < COUNT(cases); i++) {
    feed how = {.role = role};
    text t = {NULL, 0, 0}, want = {NULL, 0, 0};
    unsigned code = cases[i].code;
    frame(&t, role, FIN | CLOSE, cases[i].p, cases[i].n);
    frame_str(&t, role, FIN | TEXT, "later");
    text_add(&want, "", 0);
    if (code == 1007)
      frame_failed(&want, role, code,
                   "close reason is not UTF-8 (RFC 6455 5.5.1)");
    else if (code == 1002)
      frame_failed(&want, role, code,
                   "close payload of one byte (RFC 6455 5.5.1)");
    else
      text_addf(&want, "%s",
                clean_log(role, "", code, cases[i].n > 2 ? cases[i].p + 2 : "",
                          cases[i].p, cases[i].n));
    for (how.ahead = 0; how.ahead < 2; how.ahead++)
      CHECK_STR(feed_all(&how, t.p, t.n), want.p);
    text_free(&t);
    text_free(&want);
  }
}

TEST(a_reason_of_123_bytes) {
  char p[125] = "\x03\xE8";
  memset(p + 2, 'r', 123);
  BOTH(role) {
    feed how = {.role = role};
    feeding f;
    start(&f, &how);
    CHECK(ws_close(&f.c, 1000, p + 2, 124) == WS_EINVAL);
    put_frame(&f, FIN | CLOSE, p, 125);
    feed_events(&f);
    CHECK(ws_closed(&f.c).reason.n == 123);
    CHECK(memcmp(ws_closed(&f.c).reason.p, p + 2, 123) == 0);
    stop(&f);
    start(&f, &how);
    CHECK(ws_close(&f.c, 1000, p + 2, 123) == 0);
    CHECK(ws_queued(&f.c) == (size_t)127 + (role == WS_CLIENT ? 4 : 0));
    stop(&f);
  }
}

TEST(reasons_that_may_not_be_sent) {
  feed how = {.role = WS_SERVER};
  feeding f;
  start(&f, &how);
  CHECK(ws_close(&f.c, 1000, "\xFF", 1) == WS_EUTF8);
  CHECK(ws_close(&f.c, 1000, "a\xC3", 2) == WS_EUTF8);
  CHECK(ws_close(&f.c, 0, "a", 1) == WS_EINVAL);
  CHECK(ws_error(&f.c)[0] != '\0' && ws_queued(&f.c) == 0);
  CHECK(ws_close(&f.c, 0, NULL, 0) == 0 && ws_queued(&f.c) == 2);
  CHECK(ws_close(&f.c, 0, "a", 1) == WS_EINVAL);
  CHECK(ws_close(&f.c, 1000, "a", 1) == 0 && ws_queued(&f.c) == 2);
  stop(&f);
}

/* ---------------------------------------------------- we close, they answer */

TEST(we_begin) {
  BOTH(role) {
    feed how = {.role = role};
    feeding f;
    start(&f, &how);
    CHECK(ws_close(&f.c, 1001, "going", 5) == 0);
    CHECK(ws_state(&f.c) == WS_CLOSING && !ws_closed(&f.c).clean);
    CHECK(ws_closed(&f.c).code == 1006);
    put_str(&f, FIN | TEXT, "dropped");
    put_str(&f, FIN | PING, "not answered");
    feed_events(&f);
    CHECK(ws_state(&f.c) == WS_CLOSING && !f.ended && ws_unread(&f.c) == 0);
    put_str(&f, FIN | CLOSE,
            "\x0F\xA1"
            "peer's");
    CHECK(ws_state(&f.c) == WS_CLOSED);
    put_str(&f, FIN | TEXT, "later");
    CHECK_STR(end(&f), clean_log(role, "", 4001, "peer's",
                                 "\x03\xE9"
                                 "going",
                                 7));
    stop(&f);
  }
}

TEST(simultaneous_close) {
  BOTH(role) for (int seen = 0; seen < 2; seen++) {
    feed how = {.role = role};
    feeding f;
    start(&f, &how);
    if (seen) put_str(&f, FIN | CLOSE, "\x03\xE8");
    CHECK(ws_close(&f.c, 3000, NULL, 0) == 0);
    if (!seen) put_str(&f, FIN | CLOSE, "\x03\xE8");
    /* it came in time, so it is answered with its own code */
    CHECK_STR(end(&f),
              clean_log(role, "", 1000, "", seen ? "\x03\xE8" : "\x0B\xB8", 2));
    stop(&f);
  }
}

/* At every byte of a stream: messages that were whole by then are kept. */
TEST(we_close_at_every_byte) {
  BOTH(role) for (int taken = 0; taken < 3; taken++) {
    text t = {NULL, 0, 0};
    size_t ends[3];
    frame_str(&t, role, FIN | TEXT, "one");
    ends[0] = t.n;
    frame_str(&t, role, TEXT, "tw");
    frame_str(&t, role, FIN | PONG, "not ours");
    frame_str(&t, role, FIN | CONT, "o");
    ends[1] = t.n;
    frame_str(&t, role, BINARY, "three");
    frame_str(&t, role, FIN | CONT, "");
    ends[2] = t.n;
    frame_str(&t, role, FIN | CLOSE, "\x03\xE8");
    for (size_t cut = 0; cut < t.n; cut++)
      for (size_t step = 1; step < t.n; step += t.n / 3) {
        feed how = {.role = role};
        feeding f;
        text want = {NULL, 0, 0};
        start(&f, &how);
        feed_put(&f, t.p, cut);
        if (taken == 1) feed_events(&f);
        if (taken == 2) CHECK(ws_ahead(&f.c) == 0);
        CHECK(ws_close(&f.c, 1001, NULL, 0) == 0);
        for (size_t at = cut; at < t.n; at += step) {
          feed_put(&f, t.p + at, step < t.n - at ? step : t.n - at);
          if (at & 1) feed_events(&f);
        }
        text_addf(&want, "%s%s%s", cut >= ends[0] ? "text \"one\"; " : "",
                  cut >= ends[1] ? "text \"two\"; " : "",
                  cut >= ends[2] ? "binary \"three\"; " : "");
        char *before = want.p;
        CHECK_STR(end(&f), clean_log(role, before, 1000, "", "\x03\xE9", 2));
        text_free(&want);
        stop(&f);
      }
    text_free(&t);
  }
}

TEST(a_flood_after_our_close_is_dropped) {
  feed how = {.role = WS_SERVER};
  feeding f;
  static char big[5000];
  start(&f, &how);
  put_str(&f, FIN | TEXT, "kept");
  CHECK(ws_close(&f.c, 1000, NULL, 0) == 0);
  for (int i = 0; i < 1000; i++) {
    put_frame(&f, i ? CONT : BINARY, big, sizeof big);
    put_str(&f, FIN | PING, "flood");
    CHECK(ws_unread(&f.c) < 100);
  }
  CHECK(heap.peak < 3 * 16384);
  put_frame(&f, FIN | CLOSE, "", 0);
  CHECK_STR(end(&f),
            clean_log(WS_SERVER, "text \"kept\"; ", 1005, "", "\x03\xE8", 2));
  stop(&f);
}

TEST(a_broken_rule_after_our_close) {
  BOTH(role) {
    feed how = {.role = role};
    feeding f;
    start(&f, &how);
    put_str(&f, FIN | TEXT, "kept");
    CHECK(ws_close(&f.c, 1000, NULL, 0) == 0);
    put_str(&f, FIN | TEXT, "dropped");
    put_str(&f, 0x40 | FIN | TEXT, "");
    CHECK(ws_state(&f.c) == WS_CLOSED);
    put_str(&f, FIN | CLOSE, "\x03\xE8");
    CHECK_STR(end(&f), closed_log(role, "text \"kept\"; ", 1002,
                                  "reserved bits are set (RFC 6455 5.2)",
                                  " failed", "\x03\xE8", 2));
    stop(&f);
  }
}

TEST(in_the_middle_of_parts) {
  feed how = {.role = WS_CLIENT, .parts = 2};
  feeding f;
  ws_event ev;
  start(&f, &how);
  feed_put(&f,
           "\x01\x04"
           "ab",
           4);
  CHECK(ws_next_part(&f.c, &ev, 2) == WS_PART && ev.size == 2 && !ev.last);
  CHECK(ws_close(&f.c, 1000, NULL, 0) == 0);
  CHECK(ws_next_part(&f.c, &ev, 2) == WS_PART && memcmp(ev.data, "ab", 2) == 0);
  ws_taken(&f.c);
  feed_put(&f,
           "cd\x80\x01"
           "e",
           5);
  CHECK(ws_next_part(&f.c, &ev, 2) == 0);
  feed_put(&f, "\x88\x00", 2);
  CHECK(ws_next_part(&f.c, &ev, 2) == WS_END && ws_closed(&f.c).clean);
  stop(&f);
}

/* A message that was whole when we closed is delivered to its end, at whatever
   part we were. */
TEST(in_the_middle_of_a_whole_message_in_parts) {
  BOTH(role) for (int taken = 0; taken <= 4; taken++) {
    feed how = {.role = role, .parts = 2};
    feeding f;
    ws_event ev;
    start(&f, &how);
    put_str(&f, FIN | TEXT, "abcdefg");
    for (int i = 0; i < taken; i++) {
      CHECK(ws_next_part(&f.c, &ev, 2) == WS_PART);
      text_add(&f.part, ev.data, ev.size);
      if (i + 1 < taken || taken < 4) ws_taken(&f.c);
    }
    CHECK(ws_close(&f.c, 1000, NULL, 0) == 0 && ws_has_message(&f.c));
    put_str(&f, FIN | CLOSE, "\x03\xE8");
    if (taken == 4) ws_taken(&f.c);
    while (ws_next_part(&f.c, &ev, 2) > 0) {
      text_add(&f.part, ev.data, ev.size);
      ws_taken(&f.c);
    }
    CHECK_STR(f.part.p, "abcdefg");
    CHECK(!ws_has_message(&f.c));
    stop(&f);
  }
}

TEST(during_the_opening_handshake) {
  BOTH(role) {
    ws_config config;
    ws_conn c;
    ws_event ev;
    heap_reset();
    ws_config_init(&config, role);
    ws_init(&c, &config, heap_alloc, NULL);
    CHECK(ws_state(&c) == WS_CONNECTING);
    CHECK(ws_close(&c, 1000, NULL, 0) == 0);
    CHECK(ws_state(&c) == WS_CLOSED && ws_closed(&c).code == 1006);
    CHECK(!ws_closed(&c).sent && ws_queued(&c) == 0);
    CHECK(ws_next(&c, &ev) == WS_END);
    ws_free(&c);
  }
}

/* ------------------------------------------------------------- being failed */

TEST(failing_says_why_and_drops_the_rest) {
  BOTH(role) {
    feed how = {.role = role};
    text t = {NULL, 0, 0}, want = {NULL, 0, 0};
    frame_str(&t, role, FIN | TEXT, "one");
    frame_str(&t, role, FIN | CONT, "broken");
    frame_str(&t, role, FIN | TEXT, "two");
    frame_str(&t, role, FIN | CLOSE, "\x03\xE8");
    text_addf(&want, "text \"one\"; ");
    frame_failed(&want, role, 1002,
                 "continuation without a message (RFC 6455 5.4)");
    for (how.ahead = 0; how.ahead < 2; how.ahead++)
      CHECK_STR(feed_all(&how, t.p, t.n), want.p);
    text_free(&t);
    text_free(&want);
  }
}

/* The walk has answered the peer's Close when a message before it turns out to
   be invalid: this is reported, and no second Close frame is sent. */
TEST(failing_after_both_close_frames) {
  feed how = {.role = WS_CLIENT};
  feeding f;
  start(&f, &how);
  put_str(&f, FIN | TEXT, "\xFF");
  put_str(&f, FIN | CLOSE,
          "\x03\xE8"
          "bye");
  CHECK(ws_ahead(&f.c) == 0 && ws_closed(&f.c).clean);
  CHECK_STR(end(&f), closed_log(WS_CLIENT, "", 1007,
                                "text is not UTF-8 (RFC 6455 8.1)", " failed",
                                "\x03\xE8"
                                "bye",
                                5));
  stop(&f);
}

TEST(no_pong_behind_a_close_frame) {
  for (int ours = 0; ours < 2; ours++) {
    feed how = {.role = WS_SERVER};
    feeding f;
    start(&f, &how);
    put_str(&f, FIN | PING, "p");
    feed_events(&f);
    if (ours)
      CHECK(ws_close(&f.c, 1000, NULL, 0) == 0);
    else
      put_str(&f, FIN | CLOSE, "\x03\xE8");
    feed_events(&f);
    put_str(&f, FIN | PING, "q");
    feed_events(&f);
    CHECK(ws_queued(&f.c) == 3 + 4); /* the first one's pong, Close */
    stop(&f);
  }
}

/* ----------------------------------------------------- losing the transport */

TEST(lost) {
  BOTH(role) {
    feed how = {.role = role};
    feeding f;
    start(&f, &how);
    put_str(&f, FIN | TEXT, "kept");
    put_str(&f, TEXT, "not whole");
    CHECK(ws_send(&f.c, WS_TEXT, "unsent", 6, 0) == 0);
    ws_abort(&f.c, "reset");
    CHECK(ws_state(&f.c) == WS_CLOSED && ws_queued(&f.c) == 0);
    ws_abort(&f.c, "again");
    put_str(&f, FIN | TEXT, "later");
    CHECK(ws_send(&f.c, WS_TEXT, "x", 1, 0) == WS_ESTATE);
    CHECK(ws_close(&f.c, 1000, NULL, 0) == 0 && ws_queued(&f.c) == 0);
    CHECK_STR(end(&f), "text \"kept\"; end 1006 \"reset\"");
    stop(&f);
  }
}

TEST(lost_with_a_broken_message_unread) {
  feed how = {.role = WS_SERVER};
  feeding f;
  start(&f, &how);
  put_str(&f, FIN | TEXT, "\xFF");
  ws_abort(&f.c, "ping timeout");
  CHECK_STR(end(&f), "end 1006 \"ping timeout\"");
  stop(&f);
}

TEST(lost_after_the_end) {
  feed how = {.role = WS_SERVER};
  feeding f;
  start(&f, &how);
  put_str(&f, FIN | CLOSE,
          "\x03\xE8"
          "bye");
  feed_events(&f);
  ws_abort(&f.c, "reset");
  CHECK_STR(end(&f), "end 1000 \"bye\" clean");
  stop(&f);
}

/* ws_abort had no memory to read the Close frame: the code that was reported
   first stays, also when ws_next comes to that frame. */
TEST(no_close_frame_after_abort) {
  BOTH(role) for (size_t at = 1; at <= 3; at++) {
    feed how = {.role = role};
    feeding f;
    start(&f, &how);
    put_str(&f, FIN | TEXT, "hi");
    put_str(&f, FIN | CLOSE,
            "\x03\xE8"
            "bye");
    heap.fail_at = at;
    ws_abort(&f.c, "reset");
    heap.fail_at = 0;
    CHECK(ws_state(&f.c) == WS_CLOSED && (at > 1 || heap.failed));
    CHECK(ws_closed(&f.c).code == (heap.failed ? 1006 : 1000));
    CHECK_STR(end(&f), heap.failed ? "text \"hi\"; end 1006 \"reset\""
                                   : "text \"hi\"; end 1000 \"bye\" clean");
    CHECK(ws_queued(&f.c) == 0 && ws_closed(&f.c).sent == !heap.failed);
    stop(&f);
  }
}

TEST(eof_while_closing) {
  feed how = {.role = WS_SERVER};
  feeding f;
  start(&f, &how);
  put_str(&f, FIN | TEXT, "kept");
  CHECK(ws_close(&f.c, 1000, NULL, 0) == 0);
  put_str(&f, TEXT, "dropped");
  feed_put(&f, "\x88", 1);
  CHECK_STR(end(&f), closed_log(WS_SERVER, "text \"kept\"; ", 1006, "eof", "",
                                "\x03\xE8", 2));
  CHECK(ws_closed(&f.c).eof && ws_closed(&f.c).sent);
  stop(&f);
}

TEST(eof_with_a_close_frame_unread) {
  feed how = {.role = WS_SERVER};
  feeding f;
  start(&f, &how);
  put_str(&f, FIN | TEXT, "kept");
  put_str(&f, FIN | CLOSE,
          "\x03\xE8"
          "bye");
  ws_eof(&f.c);
  CHECK(ws_state(&f.c) == WS_CLOSED && ws_closed(&f.c).clean);
  CHECK_STR(end(&f), clean_log(WS_SERVER, "text \"kept\"; ", 1000, "bye",
                               "\x03\xE8"
                               "bye",
                               5));
  stop(&f);
}

/* Our Close frame and the answer to it, when the n-th allocation fails. */
TEST(out_of_memory) { /* ATTACKS row 33 */
  BOTH(role) for (size_t at = 1; at < 12; at++) {
    feed how = {.role = role};
    feeding f;
    start(&f, &how);
    heap.fail_at = at;
    put_str(&f, FIN | TEXT, "kept");
    put_str(&f, FIN | PING, "p");
    int r = ws_close(&f.c, 1000, NULL, 0);
    if (r == WS_ENOMEM) {
      CHECK(ws_state(&f.c) == WS_OPENED && !ws_closed(&f.c).sent);
      r = ws_close(&f.c, 1000, NULL, 0);
    }
    CHECK(r == 0);
    put_str(&f, TEXT, "dropped");
    put_str(&f, FIN | CLOSE,
            "\x03\xE8"
            "bye");
    text want = {NULL, 0, 0};
    text_addf(&want, "text \"kept\"; end 1000 \"bye\" clean; out ");
    frame_out(&want, role, FIN | PONG, "p", 1);
    frame_out(&want, role, FIN | CLOSE, "\x03\xE8", 2);
    CHECK_STR(end(&f), want.p);
    text_free(&want);
    stop(&f);
  }
}

/* ------------------------------------------- an end that waits: ws_hold_end */

static const struct {
  int first;
  const char *p;
  unsigned code;
} held_ends[] = {{FIN | CLOSE, "\x03\xE8", 1000},
                 {FIN | CLOSE, "\x03", 1002},
                 {FIN | 3, "", 1002}};

/* Two messages and an end have arrived; both sides still send. */
static void hold (feeding *f, const feed *how, int end, int bytewise) {
  text t = {NULL, 0, 0};
  start(f, how);
  ws_hold_end(&f->c, 1);
  frame_str(&t, how->role, FIN | TEXT, "one");
  frame_str(&t, how->role, FIN | PING, "");
  frame_str(&t, how->role, FIN | TEXT, "two");
  frame_str(&t, how->role, held_ends[end].first, held_ends[end].p);
  for (size_t i = 0; i < t.n; i += bytewise ? 1 : t.n) {
    feed_put(f, t.p + i, bytewise ? 1 : t.n);
    CHECK(ws_ahead(&f->c) == 0);
  }
  text_free(&t);
  CHECK(ws_end_held(&f->c) && ws_state(&f->c) == WS_OPENED);
}

TEST(an_end_is_held_until_ws_next_comes_to_it) {
  for (int i = 0; i < 12; i++) {
    int role = i & 1, end = i / 4;
    feed how = {.role = role};
    feeding f;
    ws_event ev;
    hold(&f, &how, end, i & 2);
    for (int k = 0; k < 2; k++) {
      CHECK(ws_next(&f.c, &ev) == WS_MESSAGE && ws_ahead(&f.c) == 0);
      ws_taken(&f.c);
      CHECK(ws_ahead(&f.c) == 0 && ws_end_held(&f.c));
      CHECK(ws_send(&f.c, WS_TEXT, "answer", 6, 0) == 0);
    }
    CHECK(ws_next(&f.c, &ev) == WS_END && !ws_end_held(&f.c));
    CHECK(ws_closed(&f.c).code == held_ends[end].code);
    stop(&f);
  }
}

/* Given up, closed, aborted, at the transport's end: the end that was held
   counts, and messages before it stay. */
TEST(an_end_that_was_held_counts) {
  for (int i = 0; i < 24; i++) {
    int role = i & 1, end = i / 8, way = i / 2 % 4;
    feed how = {.role = role};
    feeding f;
    hold(&f, &how, end, 0);
    if (way == 0) ws_hold_end(&f.c, 0);
    if (way == 0) CHECK(ws_ahead(&f.c) == 0);
    if (way == 1) CHECK(ws_close(&f.c, 1001, NULL, 0) == 0);
    if (way == 2) ws_abort(&f.c, "reset");
    if (way == 3) ws_eof(&f.c);
    CHECK((ws_state(&f.c) == WS_CLOSED) == (way != 3));
    CHECK(ws_end_held(&f.c) == (way == 3));
    feed_events(&f);
    CHECK_STR(f.log.p, "text \"one\"; text \"two\"; ");
    CHECK(f.ended && ws_closed(&f.c).code == held_ends[end].code);
    stop(&f);
  }
}
