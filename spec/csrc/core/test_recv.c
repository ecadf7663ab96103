/*
** test_recv.c - receiving: lengths, fragments, limits, UTF-8, the end of the
** transport at any byte, and the memory that this takes.
*/
#include "frames.h"

static unsigned char bytes[3 << 20];

/* Random bytes, with a little text at 2000. */
static void fill (void) {
  rnd_seed(99);
  for (size_t i = 0; i < sizeof bytes; i++) bytes[i] = (unsigned char)rnd(256);
  memset(bytes + 2000, 't', 200);
}

static void log_message (text *t, const char *kind, const void *p, size_t n) {
  text_addf(t, "%s ", kind);
  text_quote(t, p, n);
  text_addf(t, "; ");
}

static void no_limits (ws_config *config) {
  config->max_message = config->max_fragments = WS_NO_LIMIT;
}

#define EOF_END "end 1006 \"eof\""

TEST(lengths) {
  static const size_t lengths[] = {0,   1,     15,    16,    125,   126,
                                   127, 65534, 65535, 65536, 65537, 1 << 20};
  fill();
  BOTH(role) for (size_t i = 0; i < COUNT(lengths); i++) {
    size_t n = lengths[i];
    feed how = {.role = role};
    text t = {NULL, 0, 0}, want = {NULL, 0, 0};
    frame(&t, role, FIN | BINARY, bytes, n);
    frame_str(&t, role, FIN | TEXT, "next");
    log_message(&want, "binary", bytes, n);
    text_addf(&want, "text \"next\"; " EOF_END);
    CHECK_STR(feed_all(&how, t.p, t.n), want.p);
    how.ahead = 1;
    CHECK_STR(feed_all(&how, t.p, t.n), want.p);
    text_clear(&want);
    log_message(&want, "parts binary", bytes, n);
    text_addf(&want, "parts text \"next\"; " EOF_END);
    size_t least = n < 1000 ? 1 : 100;
    for (how.parts = least; how.parts < 2 * n + 8;
         how.parts = 20 * how.parts + n)
      CHECK_STR(feed_all(&how, t.p, t.n), want.p);
    text_free(&t);
    text_free(&want);
  }
}

/* ------------------------------------------- sequences of frames, a model */

/* A frame of each kind, and a model of what all orders of them lead to. */
enum { A, A_FIN, B_FIN, C, C_FIN, PI, PO, CL, SORTS };

typedef struct model {
  int role, opcode, ended; /* message, 1: closed, 2: failed */
  const char *rule;
  text message, log, out;
} model;

static void model_data (model *m, int opcode, int fin, const char *p) {
  if (opcode == CONT && m->opcode == 0)
    m->rule = "continuation without a message (RFC 6455 5.4)";
  if (opcode != CONT && m->opcode != 0)
    m->rule = "new message inside a fragmented one (RFC 6455 5.4)";
  if (m->rule) {
    m->ended = 2;
    return;
  }
  if (m->opcode == 0) {
    m->opcode = opcode;
    text_clear(&m->message);
  }
  text_add(&m->message, p, strlen(p));
  if (!fin) return;
  log_message(&m->log, m->opcode == TEXT ? "text" : "binary", m->message.p,
              m->message.n);
  m->opcode = 0;
}

static void model_frame (model *m, text *t, int sort) {
  static const struct {
    int first;
    const char *p;
  } frames[SORTS] = {{TEXT, "text,"},
                     {FIN | TEXT, "t\xC3\xA9xt"},
                     {FIN | BINARY, "bin"},
                     {CONT, "more,"},
                     {FIN | CONT, "last"},
                     {FIN | PING, "ping?"},
                     {FIN | PONG, "no!"},
                     {FIN | CLOSE, "\x03\xE8"
                                   "bye"}};
  int first = frames[sort].first, opcode = first & 15;
  frame_str(t, m->role, first, frames[sort].p);
  if (m->ended) return;
  if (opcode == CLOSE)
    m->ended = 1;
  else if (opcode == PING)
    frame_ours(&m->out, m->role, FIN | PONG, "ping?", 5);
  else if (opcode != PONG)
    model_data(m, opcode, first & FIN, frames[sort].p);
}

static void model_end (model *m) {
  text close = {NULL, 0, 0};
  if (m->ended == 1) {
    text_addf(&m->log, "end 1000 \"bye\" clean");
    text_addf(&close, "\x03\xE8");
    text_addf(&close, "bye");
  } else if (m->ended == 2) {
    text_addf(&m->log, "end 1002 \"%s\" failed", m->rule);
    text_addf(&close, "\x03\xEA%s", m->rule);
  } else {
    text_addf(&m->log, EOF_END);
  }
  if (m->ended) frame_ours(&m->out, m->role, FIN | CLOSE, close.p, close.n);
  if (m->out.n > 0) {
    text_addf(&m->log, "; out ");
    text_hex(&m->log, m->out.p, m->out.n);
  }
  text_free(&m->message);
  text_free(&m->out);
  text_free(&close);
}

static void check_order (int role, const int *sorts, size_t n, int often) {
  model m = {.role = role};
  feed how = {.role = role};
  text t = {NULL, 0, 0};
  text_add(&t, "", 0);
  text_add(&m.log, "", 0);
  for (size_t i = 0; i < n; i++) model_frame(&m, &t, sorts[i]);
  model_end(&m);
  for (how.ahead = 0; how.ahead < 2; how.ahead++) {
    if (often) CHECK_STR(feed_all(&how, t.p, t.n), m.log.p);
    for (size_t step = 0; step < 2 && !often; step++) {
      text log = feed_once(&how, t.p, t.n, step ? 0 : t.n + 1);
      CHECK_STR(log.p, m.log.p);
      text_free(&log);
    }
  }
  text_free(&t);
  text_free(&m.log);
}

TEST(control_frames_between_fragments_all_orders) { /* ATTACKS row 30 */
  int sorts[4];
  rnd_seed(30);
  for (int i = 0; i < SORTS * SORTS * SORTS * SORTS; i++) {
    for (int k = 0, v = i; k < 4; k++, v /= SORTS) sorts[k] = v % SORTS;
    check_order(i & 1, sorts, 4, 0);
  }
}

TEST(control_frames_between_fragments_long_orders) {
  int sorts[24];
  for (unsigned seed = 0; seed < 60; seed++) {
    int inside = 0;
    rnd_seed(1000 + seed);
    for (size_t k = 0; k < COUNT(sorts); k++) { /* mostly in order */
      int sort = rnd(40) == 0 ? CL : rnd(3) == 0 ? PI + (int)rnd(2) : A;
      if (sort == A) {
        sort = inside ? C + (int)rnd(2) : (int)rnd(3);
        inside = sort == A || sort == C;
      }
      sorts[k] = sort;
    }
    check_order((int)(seed & 1), sorts, COUNT(sorts), 1);
  }
}

/* ------------------------------------------------------------------ limits */

static size_t limit_bytes, limit_fragments;

static void small_limits (ws_config *config) {
  config->max_message = limit_bytes;
  config->max_fragments = limit_fragments;
}

/* A message of n bytes in k fragments, then the result. */
static void check_limit (int role, size_t n, size_t k, const char *rule) {
  feed how = {.role = role, .configure = small_limits};
  text t = {NULL, 0, 0}, want = {NULL, 0, 0};
  for (size_t i = 0; i < k; i++) {
    size_t from = n * i / k, to = n * (i + 1) / k;
    frame(&t, role, (i ? CONT : BINARY) | (i + 1 == k ? FIN : 0), bytes + from,
          to - from);
    if (i & 1) frame_str(&t, role, FIN | PONG, "not counted");
  }
  text_add(&want, "", 0);
  if (rule) {
    frame_failed(&want, role, 1009, rule);
  } else {
    log_message(&want, "binary", bytes, n);
    text_addf(&want, EOF_END);
  }
  for (how.ahead = 0; how.ahead < 2; how.ahead++)
    CHECK_STR(feed_all(&how, t.p, t.n), want.p);
  text_clear(&want); /* limits do not apply to parts */
  log_message(&want, "parts binary", bytes, n);
  text_addf(&want, EOF_END);
  how.parts = 7;
  CHECK_STR(feed_all(&how, t.p, t.n), want.p);
  text_free(&t);
  text_free(&want);
}

TEST(limit_of_message_bytes) {
  fill();
  limit_fragments = WS_NO_LIMIT;
  BOTH(role) for (size_t k = 1; k < 6; k++) {
    for (limit_bytes = 10; limit_bytes <= 1000; limit_bytes *= 10) {
      check_limit(role, limit_bytes - 1, k, NULL);
      check_limit(role, limit_bytes, k, NULL);
      check_limit(role, limit_bytes + 1, k, "message too big");
    }
  }
  limit_bytes = 0;
  check_limit(WS_SERVER, 0, 1, NULL);
  check_limit(WS_SERVER, 1, 1, "message too big");
}

TEST(limit_of_fragments) { /* ATTACKS rows 3 and 4 */
  limit_bytes = WS_NO_LIMIT;
  BOTH(role) for (limit_fragments = 2; limit_fragments < 7; limit_fragments++) {
    for (size_t n = 0; n < 60; n += 29) {
      check_limit(role, n, limit_fragments - 1, NULL);
      check_limit(role, n, limit_fragments, NULL);
      check_limit(role, n, limit_fragments + 1, "too many fragments");
    }
  }
}

/* The failure comes with the length, not with the payload. */
TEST(limits_at_the_earliest_byte) {
  limit_bytes = 100;
  limit_fragments = 3;
  BOTH(role) {
    feed how = {.role = role, .configure = small_limits, .open_ended = 1};
    text t = {NULL, 0, 0}, want = {NULL, 0, 0};
    frame(&t, role, BINARY, bytes, 60);
    frame_bytes(&t, 1, CONT);
    CHECK_STR(feed_all(&how, t.p, t.n), "state 1");
    frame_bytes(&t, 1, 41 | (role == WS_SERVER ? 0x80 : 0));
    text_add(&want, "", 0);
    frame_failed(&want, role, 1009, "message too big");
    CHECK_STR(feed_all(&how, t.p, t.n), want.p);
    text_free(&t);
    text_free(&want);
  }
}

TEST(a_message_after_another_has_the_limits_anew) {
  limit_bytes = 8;
  limit_fragments = 2;
  text t = {NULL, 0, 0};
  feed how = {.role = WS_SERVER, .configure = small_limits};
  for (int i = 0; i < 3; i++) {
    frame_str(&t, WS_SERVER, TEXT, "1234");
    frame_str(&t, WS_SERVER, FIN | CONT, "5678");
  }
  CHECK_STR(
      feed_all(&how, t.p, t.n),
      "text \"12345678\"; text \"12345678\"; text \"12345678\"; " EOF_END);
  text_free(&t);
}

/* A message that ws_next_part has begun and ws_next continues. */
TEST(limits_when_parts_began) {
  limit_bytes = 8;
  limit_fragments = WS_NO_LIMIT;
  feed how = {.role = WS_CLIENT, .configure = small_limits};
  feeding f;
  ws_event ev;
  feed_open(&f, &how);
  feed_put(&f, "\x82\x09", 2);
  CHECK(ws_next_part(&f.c, &ev, 10) == 0 && !ws_in_parts(&f.c));
  CHECK(ws_next(&f.c, &ev) == WS_END && ws_closed(&f.c).code == 1009);
  text log = feed_close(&f);
  text_free(&log);
}

/* No part of it could be delivered, so no limit has applied yet. */
TEST(limits_when_parts_began_with_empty_fragments) {
  static const char fragments[] = "\x02\x00\x00\x00\x00\x00\x80\x00";
  limit_bytes = 8;
  for (limit_fragments = 2; limit_fragments < 6; limit_fragments++)
    for (size_t n = 6; n <= 8; n += 2) {
      feed how = {.role = WS_CLIENT, .configure = small_limits};
      feeding f;
      ws_event ev;
      feed_open(&f, &how);
      feed_put(&f, fragments, 6);
      CHECK(ws_next_part(&f.c, &ev, 10) == 0 && !ws_in_parts(&f.c));
      feed_put(&f, fragments + 6, n - 6);
      int fits = limit_fragments >= n / 2;
      CHECK(ws_next(&f.c, &ev) == (!fits ? WS_END : n == 8 ? WS_MESSAGE : 0));
      text log = feed_close(&f);
      text_free(&log);
    }
}

/* ------------------------------------------------------------------- UTF-8 */

#define NOT_UTF8 "text is not UTF-8 (RFC 6455 8.1)"
#define INSIDE "text ends inside a character"

/* A text in fragments of the given sizes; the rest is the last. */
static void check_text (int role, const char *s, size_t a, size_t b,
                        const char *rule) {
  feed how = {.role = role};
  size_t n = strlen(s);
  text t = {NULL, 0, 0}, want = {NULL, 0, 0};
  frame(&t, role, TEXT, s, a);
  frame(&t, role, FIN | PONG, "\xFF", 1);
  frame(&t, role, CONT, s + a, b);
  frame(&t, role, FIN | CONT, s + a + b, n - a - b);
  text_add(&want, "", 0);
  if (rule) {
    frame_failed(&want, role, 1007, rule);
  } else {
    log_message(&want, "text", s, n);
    text_addf(&want, EOF_END);
  }
  CHECK_STR(feed_all(&how, t.p, t.n), want.p);
  how.ahead = 1;
  CHECK_STR(feed_all(&how, t.p, t.n), want.p);
  text_free(&t);
  text_free(&want);
}

TEST(utf8_over_fragments_and_reads) {
  static const struct {
    const char *s, *rule;
  } cases[] = {{"\xCE\xBA\xE1\xBD\xB9\xF0\x9F\x98\x80", NULL},
               {"\xF4\x8F\xBF\xBF", NULL},
               {"\xED\x9F\xBF\xEE\x80\x80", NULL},
               {"a\xC0\xAF"
                "b",
                NOT_UTF8},
               {"\xE0\x80\xAF", NOT_UTF8},
               {"\xF0\x80\x80\xAF", NOT_UTF8},
               {"\xED\xA0\x80", NOT_UTF8},
               {"\xF4\x90\x80\x80", NOT_UTF8},
               {"\xF5\x80\x80\x80", NOT_UTF8},
               {"ab\x80"
                "cd",
                NOT_UTF8},
               {"\xE2\x82"
                "a",
                NOT_UTF8},
               {"abc\xE2\x82", INSIDE},
               {"\xF0\x9F\x98", INSIDE},
               {"\xC3", INSIDE}};
  for (size_t i = 0; i < COUNT(cases); i++) {
    size_t n = strlen(cases[i].s);
    for (size_t a = 0; a <= n; a++)
      for (size_t b = 0; a + b <= n; b++)
        check_text((int)((a + b) & 1), cases[i].s, a, b, cases[i].rule);
  }
}

TEST(utf8_fails_at_the_earliest_byte) {
  BOTH(role) {
    feed how = {.role = role, .open_ended = 1};
    text t = {NULL, 0, 0}, want = {NULL, 0, 0};
    frame_header(&t, role, FIN | TEXT, 8, 1 << 20);
    frame_payload(&t, role, "abc\xED", 4);
    CHECK_STR(feed_all(&how, t.p, t.n), "state 1");
    frame_bytes(&t, 1, (uint64_t)(0xA0 ^ (role == WS_SERVER ? 0x9A : 0)));
    text_add(&want, "", 0);
    frame_failed(&want, role, 1007, NOT_UTF8);
    CHECK_STR(feed_all(&how, t.p, t.n), want.p);
    text_free(&t);
    text_free(&want);
  }
}

TEST(binary_is_not_checked) {
  check_text(WS_SERVER, "plain", 1, 1, NULL);
  feed how = {.role = WS_CLIENT};
  CHECK_STR(feed_all(&how, "\x82\x02\xFF\xC0\x81\x01z", 7),
            "binary \"\\xff\\xc0\"; text \"z\"; " EOF_END);
}

/* ------------------------------------------------------------ cut anywhere */

TEST(eof_at_every_byte) {
  BOTH(role) {
    text t = {NULL, 0, 0}, want = {NULL, 0, 0};
    size_t ends[2], pinged, cut;
    frame_str(&t, role, FIN | TEXT, "one");
    ends[0] = t.n;
    frame_str(&t, role, BINARY, "tw");
    frame_str(&t, role, FIN | PING, "?");
    pinged = t.n;
    frame_str(&t, role, FIN | CONT, "o");
    ends[1] = t.n;
    frame(&t, role, FIN | CLOSE, "\x03\xE9", 2);
    for (cut = 0; cut < t.n; cut++) {
      feed how = {.role = role};
      text_clear(&want);
      if (cut >= ends[0]) text_addf(&want, "text \"one\"; ");
      if (cut >= ends[1]) text_addf(&want, "binary \"two\"; ");
      text_addf(&want, EOF_END);
      if (cut >= pinged) {
        text_addf(&want, "; out ");
        frame_out(&want, role, FIN | PONG, "?", 1);
      }
      CHECK_STR(feed_all(&how, t.p, cut), want.p);
      how.ahead = 1;
      CHECK_STR(feed_all(&how, t.p, cut), want.p);
    }
    text_free(&t);
    text_free(&want);
  }
}

/* --------------------------------------------------------------- garbage */

/* Frames with bytes changed, added and dropped: the result, whatever it is, is
   the same at all splits. */
TEST(garbage_is_the_same_at_all_splits) {
  static const int firsts[] = {TEXT,       FIN | TEXT, FIN | BINARY,
                               CONT,       FIN | CONT, FIN | PING,
                               FIN | PONG, BINARY,     FIN | CLOSE};
  fill();
  limit_bytes = 400;
  limit_fragments = 4;
  for (unsigned seed = 0; seed < 400; seed++) {
    text t = {NULL, 0, 0};
    feed how = {.role = (int)(seed & 1), .configure = small_limits};
    if (seed & 2) how.parts = 50;
    rnd_seed(seed);
    for (size_t i = 1 + rnd(12); i > 0; i--) {
      int first = firsts[rnd(COUNT(firsts))];
      size_t n = rnd(8) ? rnd(10) : rnd(126), from = rnd(1000);
      frame(&t, how.role, first,
            (first & 15) == TEXT ? bytes + 2000 : bytes + from, n);
    }
    for (size_t i = rnd(4); i > 0; i--) t.p[rnd(t.n)] = (char)rnd(256);
    feed_all(&how, t.p, t.n - rnd(3));
    text_free(&t);
  }
}

/* ------------------------------------------------------------------- parts */

static const char stream[] = "\x01\x03"
                             "abc"
                             "\x89\x01!"
                             "\x80\x02"
                             "de" /* abcde */
                             "\x82\x04wxyz"
                             "\x01\x01"
                             "a"
                             "\x00\x00"
                             "\x80\x00"; /* a */

static void put_stream (feeding *f, size_t from, size_t to) {
  feed_put(f, stream + from, to - from);
}

TEST(parts_and_messages_mixed) {
  feed how = {.role = WS_CLIENT};
  feeding f;
  ws_event ev;
  feed_open(&f, &how);
  put_stream(&f, 0, 5);
  CHECK(ws_next(&f.c, &ev) == 0 && !ws_in_parts(&f.c));
  CHECK(ws_next_part(&f.c, &ev, 2) == WS_PART); /* begun by ws_next */
  CHECK(ev.size == 2 && memcmp(ev.data, "ab", 2) == 0 && !ev.last);
  CHECK(ev.opcode == WS_TEXT && ws_in_parts(&f.c));
  put_stream(&f, 5, sizeof stream - 1);
  CHECK(ws_next(&f.c, &ev) == WS_ESTATE);
  CHECK(ws_next_part(&f.c, &ev, 2) == WS_PART); /* not taken: the same again */
  CHECK(ev.size == 2 && memcmp(ev.data, "ab", 2) == 0 && !ev.last);
  ws_taken(&f.c);
  CHECK(ws_next(&f.c, &ev) == WS_ESTATE && ws_error(&f.c)[0] != '\0');
  CHECK(ws_next_part(&f.c, &ev, 9) == WS_PART && ev.size == 1 && !ev.last);
  ws_taken(&f.c);
  CHECK(ws_next_part(&f.c, &ev, 2) == WS_PART && ev.size == 2 && ev.last);
  CHECK(memcmp(ev.data, "de", 2) == 0 && ws_in_parts(&f.c));
  ws_taken(&f.c);
  CHECK(!ws_in_parts(&f.c));
  CHECK(ws_next(&f.c, &ev) == WS_MESSAGE && ev.size == 4 && ev.last);
  CHECK(ws_next_part(&f.c, &ev, 3) == WS_PART && ev.size == 3 && !ev.last);
  ws_taken(&f.c);
  CHECK(ws_next_part(&f.c, &ev, 3) == WS_PART && ev.size == 1 && ev.last);
  ws_taken(&f.c);
  CHECK(ws_next_part(&f.c, &ev, 3) == WS_PART && ev.size == 1 && !ev.last);
  ws_taken(&f.c);
  CHECK(ws_next_part(&f.c, &ev, 3) == WS_PART && ev.size == 0 && ev.last);
  ws_taken(&f.c);
  CHECK(ws_next_part(&f.c, &ev, 3) == 0 && ws_next(&f.c, &ev) == 0);
  CHECK(ws_next_part(&f.c, &ev, 0) == WS_EINVAL);
  text log = feed_close(&f);
  text_free(&log);
}

TEST(events_stay_current_until_taken) {
  feed how = {.role = WS_CLIENT};
  feeding f;
  ws_event ev;
  feed_open(&f, &how);
  put_stream(&f, 0, 12);
  for (int i = 0; i < 40; i++) { /* while more arrives and memory moves */
    CHECK(ws_next(&f.c, &ev) == WS_MESSAGE && ev.size == 5);
    CHECK(memcmp(ev.data, "abcde", 5) == 0);
    feed_put(&f, "\x82\x7E\x03\xE8", 4);
    feed_put(&f, (const char *)bytes, 1000);
    CHECK(ws_ahead(&f.c) == 0);
  }
  ws_taken(&f.c);
  for (int i = 0; i < 40; i++) {
    CHECK(ws_next(&f.c, &ev) == WS_MESSAGE && ev.size == 1000);
    CHECK(memcmp(ev.data, bytes, 1000) == 0);
    ws_taken(&f.c);
  }
  ws_taken(&f.c); /* no event is current: nothing happens */
  CHECK(ws_next(&f.c, &ev) == 0);
  text log = feed_close(&f);
  text_free(&log);
}

/* Half a message before a broken rule is not waited for. */
TEST(half_a_message_is_not_waited_for) {
  feed how = {.role = WS_CLIENT};
  feeding f;
  feed_open(&f, &how);
  feed_put(&f,
           "\x01\x01"
           "a\x82\x00",
           5);
  CHECK(ws_ahead(&f.c) == 0 && ws_state(&f.c) == WS_CLOSED);
  CHECK(!ws_has_message(&f.c));
  text log = feed_close(&f);
  text_free(&log);
}

TEST(an_empty_message_stays_current_too) {
  feed how = {.role = WS_CLIENT};
  feeding f;
  ws_event ev;
  feed_open(&f, &how);
  feed_put(&f, "\x82\x00", 2);
  CHECK(ws_next(&f.c, &ev) == WS_MESSAGE && ev.size == 0);
  ws_commit(&f.c, 0);
  CHECK(ev.data == (char *)f.c.in.p + f.c.in.start && heap.bytes > 0);
  ws_taken(&f.c);
  CHECK(heap.bytes == 0);
  text log = feed_close(&f);
  text_free(&log);
}

/* ------------------------------------------------------------------ memory */

TEST(a_promise_allocates_nothing) {
  feed how = {.role = WS_SERVER, .configure = no_limits};
  feeding f;
  text t = {NULL, 0, 0};
  feed_open(&f, &how);
  heap_reset();
  frame_header(&t, WS_SERVER, FIN | BINARY, 8, UINT64_MAX >> 1);
  feed_put(&f, t.p, t.n);
  feed_events(&f);
  CHECK(heap.bytes == 0);
  for (int i = 0; i < 1000; i++) { /* ATTACKS row 6: byte by byte */
    feed_put(&f, "x", 1);
    feed_events(&f);
  }
  CHECK(heap.peak <= 2 * 16384);
  text log = feed_close(&f);
  text_free(&log);
  text_free(&t);
}

/* The block grows with the bytes that arrive, to about the message's size. */
TEST(growth) {
  enum { SIZE = 1000000 };
  feed how = {.role = WS_CLIENT};
  feeding f;
  size_t done = 0;
  heap_reset();
  feed_open(&f, &how);
  feed_put(&f, "\x82\x7F\0\0\0\0\0\x0F\x42\x40", 10);
  while (done < SIZE) {
    ws_event ev;
    size_t room;
    void *to = ws_reserve(&f.c, 1, &room);
    CHECK(f.c.in.cap <= 2 * done + 16384 && f.c.in.cap <= SIZE + 1024);
    if (room > SIZE - done) room = SIZE - done;
    memset(to, 'x', room);
    ws_commit(&f.c, room);
    done += room;
    CHECK(ws_next(&f.c, &ev) == (done == SIZE ? WS_MESSAGE : 0));
  }
  CHECK(heap.calls < 12);
  ws_taken(&f.c);
  CHECK(heap.bytes == 0);
  text log = feed_close(&f);
  text_free(&log);
}

/* Bytes that ws_reserve moves while n fragments of a message arrive, step bytes
   at a time. ATTACKS row 5. (Without feed_events, which shrinks the block.) */
static size_t moved_by (size_t n, size_t size, size_t step) {
  feed how = {.role = WS_SERVER, .configure = no_limits};
  feeding f;
  ws_event ev;
  text t = {NULL, 0, 0};
  size_t moved = 0, at = 0, room;
  feed_open(&f, &how);
  for (size_t i = 0; i < n; i++)
    frame(&t, WS_SERVER, i ? CONT : BINARY, bytes, size);
  while (at < t.n) {
    size_t k = t.n - at < step ? t.n - at : step;
    ws_in was = f.c.in;
    void *to = ws_reserve(&f.c, 1, &room);
    if (f.c.in.start != was.start || f.c.in.p != was.p)
      moved += was.end - was.start;
    if (f.c.in.rd != was.rd || f.c.in.p != was.p) moved += was.wr - was.rd;
    if (k > room) k = room;
    memcpy(to, t.p + at, k);
    ws_commit(&f.c, k);
    at += k;
    CHECK(ws_next(&f.c, &ev) == 0);
  }
  text log = feed_close(&f);
  text_free(&log);
  text_free(&t);
  return moved;
}

TEST(reassembly_is_linear) {
  static const size_t sizes[] = {1, 100, 1000, 5000};
  static const size_t steps[] = {37, 1000, 16384};
  for (size_t i = 0; i < COUNT(sizes); i++)
    for (size_t k = 0; k < COUNT(steps); k++) {
      size_t n = 600000 / (sizes[i] + 8) / 2;
      size_t once = moved_by(n, sizes[i], steps[k]);
      size_t twice = moved_by(2 * n, sizes[i], steps[k]);
      CHECK(twice <= 22 * once / 10 + 65536);
      CHECK(twice <= 3 * 600000);
    }
}

TEST(an_idle_connection_owns_no_memory) {
  BOTH(role) {
    feed how = {.role = role};
    feeding f;
    text t = {NULL, 0, 0};
    size_t room;
    heap_reset();
    feed_open(&f, &how);
    frame_str(&t, role, FIN | TEXT, "hello");
    frame_str(&t, role, FIN | PING, "hello");
    frame_str(&t, role, TEXT, "");
    frame_str(&t, role, FIN | CONT, "");
    feed_put(&f, t.p, t.n);
    CHECK(heap.bytes > 0);
    feed_events(&f);
    feed_out(&f);
    CHECK(heap.bytes == 0);
    CHECK(ws_send(&f.c, WS_TEXT, "hi", 2, 0) == 0);
    feed_out(&f);
    CHECK(heap.bytes == 0);
    CHECK(ws_reserve(&f.c, 1, &room) != NULL && room >= 4096);
    ws_commit(&f.c, 0); /* nothing had arrived after all */
    CHECK(heap.bytes == 0);
    text log = feed_close(&f);
    text_free(&log);
    text_free(&t);
  }
}

TEST(out_of_memory) { /* ATTACKS row 33 */
  BOTH(role) for (int ahead = 0; ahead < 2; ahead++) {
    text t = {NULL, 0, 0};
    feed how = {.role = role, .ahead = ahead};
    frame_str(&t, role, FIN | TEXT, "one");
    frame_str(&t, role, FIN | PING, "?");
    frame(&t, role, BINARY, bytes, 30000);
    frame_str(&t, role, FIN | PING, "??");
    frame(&t, role, FIN | CONT, bytes, 30000);
    frame_str(&t, role, FIN | CLOSE,
              "\x03\xE8"
              "bye");
    feed_oom(&how, t.p, t.n, t.n);
    feed_oom(&how, t.p, t.n, 1000);
    text_free(&t);
  }
}
