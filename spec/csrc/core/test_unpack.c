/*
** test_unpack.c - receiving compressed messages at all splits: rules, limits,
** parts, memory. Compressed by zlib itself.
*/
#include "deflate.h"

/* -----------------------------------------------------------------
   receiving */

/* One message, whole or in parts, must be received as it was sent. */
static void receive_one (int role, size_t n, size_t max, size_t parts) {
  feed how = {
      .role = role, .start = compressed, .parts = parts, .open_ended = 1};
  text in = {NULL, 0, 0}, want = {NULL, 0, 0};
  in_frames(&in, role, BINARY, encode_alone(bytes, n), max);
  expect_message(&want, parts ? "parts binary" : "binary", bytes, n);
  text_addf(&want, "state 1");
  heap_reset();
  CHECK_STR(feed_all(&how, in.p, in.n), want.p);
  text_free(&in);
  text_free(&want);
}

TEST(messages_of_all_sizes) {
  static const size_t sizes[] = {0,    1,     2,     127,   255,
                                 1000, 16384, 65535, 70000, SIZE};
  static const size_t parts[] = {0, 1000, 65536};
  BOTH(role)
  for (int kind = 0; kind < 3; kind++)
    for (size_t i = 0; i < COUNT(sizes); i++)
      for (size_t j = 0; j < COUNT(parts); j++) {
        fill(kind);
        receive_one(role, sizes[i], SIZE_MAX, parts[j]);
        receive_one(role, sizes[i], 1 + sizes[i] / 7, parts[j]);
      }
}

TEST(fragments_of_every_size) {
  fill(0);
  for (size_t max = 1; max < 60; max++) {
    receive_one(WS_SERVER, 300, max, 0);
    receive_one(WS_CLIENT, 300, max, 7);
  }
}

/* Compressed and plain messages alternately, sometimes read ahead. */
TEST(compressed_and_plain_messages) {
  feed how = {
      .role = WS_SERVER, .start = compressed, .ahead = 1, .open_ended = 1};
  text in = {NULL, 0, 0}, want = {NULL, 0, 0};
  fill(0);
  for (size_t i = 0; i < 40; i++) {
    if (i % 3)
      in_frames(&in, WS_SERVER, TEXT, encode_alone(bytes, WORDS * i), 20 + i);
    else
      frame(&in, WS_SERVER, FIN | TEXT, bytes, WORDS * i);
    expect_message(&want, "text", bytes, WORDS * i);
  }
  frame_str(&in, WS_SERVER, FIN | PING, "?");
  text_addf(&want, "state 1; out 8a013f");
  CHECK_STR(feed_all(&how, in.p, in.n), want.p);
  text_free(&in);
  text_free(&want);
}

TEST(every_window_and_history) {
  for (int bits = 9; bits <= 15; bits++) {
    feed how = {.role = WS_CLIENT, .start = compressed, .open_ended = 1};
    text in = {NULL, 0, 0}, want = {NULL, 0, 0};
    fill(0);
    windows(bits | WS_TAKEOVER, 15);
    encoder_open(bits);
    for (size_t i = 0; i < 30; i++) {
      size_t n = encode(bytes + 200 * i, 700 * i + 1, Z_SYNC_FLUSH);
      in_frames(&in, WS_CLIENT, BINARY, n, 100);
      expect_message(&want, "binary", bytes + 200 * i, 700 * i + 1);
    }
    deflateEnd(&encoder);
    text_addf(&want, "state 1");
    CHECK_STR(feed_all(&how, in.p, in.n), want.p);
    text_free(&in);
    text_free(&want);
  }
  windows(15, 15);
}

/* Final blocks anywhere; later blocks may refer to earlier ones. */
TEST(final_blocks) {
  feed how = {.role = WS_CLIENT, .start = compressed, .open_ended = 1};
  text in = {NULL, 0, 0}, body = {NULL, 0, 0};
  for (int i = 0; i < 3; i++)
    text_add(&body, "\xf3\x48\xcd\xc9\xc9\x07\x00", 7);
  frame(&in, WS_CLIENT, FIN | RSV1 | TEXT, body.p, body.n);
  text_add(&body, "\x00", 1);
  frame(&in, WS_CLIENT, FIN | RSV1 | TEXT, body.p, body.n);
  CHECK_STR(feed_all(&how, in.p, in.n),
            "text \"HelloHelloHello\"; text \"HelloHelloHello\"; state 1");
  text_clear(&in);
  windows(15 | WS_TAKEOVER, 15);
  text_clear(&body);
  text_add(&body, "\xf3\x48\xcd\xc9\xc9\x07\x00\x00", 8);
  frame(&in, WS_CLIENT, FIN | RSV1 | TEXT, body.p, body.n);
  frame(&in, WS_CLIENT, FIN | RSV1 | TEXT, "\xf2\x00\x11\x00\x00", 5);
  CHECK(strstr(feed_all(&how, in.p, in.n), "\"Hello\"; state 1"));
  windows(15, 15);
  text_free(&in);
  text_free(&body);
}

/* ----------------------------------------------------------------------
   rules */

static void fails (int opcode, const void *p, size_t n, unsigned code,
                   const char *rule, int line) {
  BOTH(role) {
    feed how = {.role = role, .start = compressed};
    text in = {NULL, 0, 0}, want = {NULL, 0, 0};
    frame(&in, role, opcode, p, n);
    frame_str(&in, role, FIN | TEXT, "unseen");
    frame_failed(&want, role, code, rule);
    if (!CHECK(strcmp(feed_all(&how, in.p, in.n), want.p) == 0))
      printf("  (line %d: %s)\n", line, rule);
    text_free(&in);
    text_free(&want);
  }
}
#define FAILS(opcode, s, code, rule) \
  fails(opcode, s, sizeof s - 1, code, rule, __LINE__)
#define BROKEN(s)                     \
  FAILS(FIN | RSV1 | BINARY, s, 1007, \
        "compressed data is broken (RFC 7692 7.2.2)")
#define EARLY(s)                      \
  FAILS(FIN | RSV1 | BINARY, s, 1007, \
        "compressed data ends early (RFC 7692 7.2.2)")

TEST(broken_data) {
  BROKEN("\x07");                 /* a block of type 3 */
  BROKEN("\x00\x05\x00\xfb\xff"); /* a length without its complement */
  BROKEN("\xf2\x00\x11\x00\x00"); /* refers to nothing */
  BROKEN("\xf3\x48\xcd\xc9\xc9\x07\x00\x06"); /* bytes after the last block */
  BROKEN("\xff\xff\xff\xff\xff");
  EARLY("\xf2\x48\xcd\xc9\xc9");     /* in the middle of a block */
  EARLY("\x00\x09\x00\xf6\xff\x48"); /* in one that is not compressed */
  EARLY("\xf2\x48\xcd\xc9\xc9\x07\x00\x00\x00\xff\xff"); /* the tail was left */
}

TEST(reserved_bits) {
  static const char *const bits = "reserved bits are set (RFC 6455 5.2)";
  static const char *const first =
      "RSV1 but on the first frame of a message (RFC 7692 6.1)";
  FAILS(FIN | RSV1 | PING, "", 1002, first);
  FAILS(FIN | RSV1 | CLOSE, "", 1002, first);
  FAILS(FIN | RSV1 | CONT, "", 1002, first);
  FAILS(FIN | 0x20 | TEXT, "", 1002, bits);
  FAILS(FIN | RSV1 | 0x10 | TEXT, "\x00", 1002, bits);
  windows(0, 0);
  FAILS(FIN | RSV1 | TEXT, "\x00", 1002, bits);
  windows(15, 15);
  feed how = {.role = WS_CLIENT, .start = compressed};
  text in = {NULL, 0, 0}, want = {NULL, 0, 0};
  frame(&in, WS_CLIENT, RSV1 | TEXT, "\xf2\x48\xcd", 3);
  frame(&in, WS_CLIENT, FIN | RSV1 | CONT, "\xc9\xc9\x07\x00", 4);
  frame_failed(&want, WS_CLIENT, 1002, first);
  CHECK_STR(feed_all(&how, in.p, in.n), want.p);
  text_free(&in);
  text_free(&want);
}

/* A text of these bytes, compressed, in frames of so many bytes. */
static const char *receive_text (const char *s, size_t n, size_t max) {
  feed how = {.role = WS_CLIENT, .start = compressed};
  static text in;
  text_free(&in);
  in_frames(&in, WS_CLIENT, TEXT, encode_alone(s, n), max);
  return feed_all(&how, in.p, in.n);
}

TEST(inflated_text_is_utf8) {
  for (size_t max = 1; max < 12; max++) {
    CHECK(strstr(receive_text("h\xC3\xA9!", 4, max), "text \"h\\xc3\\xa9!\";"));
    CHECK(strstr(receive_text("h\xC3!", 3, max),
                 "end 1007 \"text is not UTF-8 (RFC 6455 8.1)\" failed"));
    CHECK(strstr(receive_text("h\xC3", 2, max),
                 "end 1007 \"text ends inside a character\" failed"));
  }
}

/* ---------------------------------------------------------------------
   limits */

static size_t max_message;

static void limited (ws_config *config) { config->max_message = max_message; }

static const char *receive_zeros (size_t n, size_t max, size_t parts) {
  feed how = {.role = WS_SERVER,
              .start = compressed,
              .configure = limited,
              .parts = parts};
  static text in;
  text_free(&in);
  fill(2);
  in_frames(&in, WS_SERVER, BINARY, encode_alone(bytes, n), max);
  heap_reset();
  return feed_all(&how, in.p, in.n);
}

TEST(max_message_is_about_inflated_bytes) { /* ATTACKS row 2 */
  for (max_message = 0; max_message < 5000; max_message += 1 + max_message / 2)
    for (size_t max = 3; max < 1000; max += 500) {
      CHECK(!strstr(receive_zeros(max_message, max, 0), "1009"));
      CHECK(strstr(receive_zeros(max_message + 1, max, 0),
                   "end 1009 \"message too big\" failed"));
      CHECK(!strstr(receive_zeros(max_message + 1, max, 10), "1009"));
    }
}

/* ATTACKS row 1: 1,000 bytes for each byte sent, whole or in fragments. */
TEST(bombs_take_no_more_than_the_limit) {
  max_message = 100000;
  for (size_t max = 10; max <= 1000; max += 990) {
    CHECK(strstr(receive_zeros(SIZE, max, 0), "end 1009 \"message too big\""));
    /* what is inflated while it grows; what has come; zlib's window */
    CHECK(heap.peak < (max == 10 ? 175800u : 200000u) + 20000 + 45000);
  }
  CHECK(strstr(receive_zeros(SIZE, 1000, 500), "parts binary"));
  CHECK(heap.peak < 16384 + 60000);
}

/* Compressed data that inflates to nothing has a limit. */
TEST(empty_blocks_have_an_end) {
  feed how = {.role = WS_CLIENT, .start = compressed, .configure = limited};
  text in = {NULL, 0, 0};
  max_message = 1000;
  frame_header(&in, WS_CLIENT, RSV1 | BINARY, 8, 2000 + 65536);
  for (size_t n = 0; n < 2000 + 65535; n += 5)
    text_add(&in, "\0\0\0\xff\xff", 5);
  text_add(&in, "\0", 1);
  frame(&in, WS_CLIENT, FIN | CONT, "", 0);
  CHECK(strstr(feed_all(&how, in.p, in.n), "binary \"\"; end 1006 \"eof\""));
  in.n -= 2;
  frame(&in, WS_CLIENT, FIN | CONT, "", 1);
  CHECK(strstr(feed_all(&how, in.p, in.n), "end 1009 \"message too big\""));
  text_clear(&in);
  max_message = SIZE_MAX;
  frame_header(&in, WS_CLIENT, FIN | RSV1 | BINARY, 8, (uint64_t)1 << 62);
  CHECK(strstr(feed_all(&how, in.p, in.n), "end 1006 \"eof\""));
  text_free(&in);
}

/* It is counted for each message. */
TEST(compressed_bytes_are_counted_by_message) {
  feed how = {.role = WS_CLIENT,
              .start = compressed,
              .configure = limited,
              .open_ended = 1};
  text in = {NULL, 0, 0};
  max_message = 1000;
  fill(1);
  windows(15 | WS_TAKEOVER, 15);
  for (size_t i = 0; i < 100; i++)
    in_frames(&in, WS_CLIENT, BINARY, encode_alone(bytes + i, 900), 2000);
  CHECK(!strstr(feed_all(&how, in.p, in.n), "1009"));
  windows(15, 15);
  text_free(&in);
}

/* ----------------------------------------------------------- piece by piece */

/* Inflates the first k bytes of `packed` by zlib. */
static size_t inflated (size_t k) {
  static unsigned char out[SIZE];
  z_stream z = {.next_in = packed, .avail_in = (uInt)k, .next_out = out};
  z.avail_out = sizeof out;
  CHECK(inflateInit2(&z, -15) == Z_OK);
  inflate(&z, Z_SYNC_FLUSH);
  inflateEnd(&z);
  return sizeof out - z.avail_out;
}

/* All that has arrived is delivered, as far as it can be inflated. */
TEST(parts_of_what_is_here) {
  feed how = {.role = WS_CLIENT, .start = compressed, .open_ended = 1};
  fill(2);
  size_t size = encode_alone(bytes, 1000);
  for (size_t k = 1; k <= size; k++) {
    feeding f;
    ws_event ev;
    text in = {NULL, 0, 0};
    size_t n = 0;
    heap_reset();
    frame(&in, WS_CLIENT, RSV1 | BINARY, packed, k);
    feed_open(&f, &how);
    feed_put(&f, in.p, in.n);
    for (; ws_next_part(&f.c, &ev, 7) > 0; ws_taken(&f.c)) {
      CHECK(ev.size <= 7 && !ev.last);
      n += ev.size;
    }
    CHECK(n == inflated(k));
    text log = feed_close(&f);
    text_free(&log);
    text_free(&in);
  }
}

/* A part stays as it is until it is taken, whatever arrives meanwhile. */
TEST(parts_asked_for_twice) {
  feed how = {.role = WS_CLIENT, .start = compressed, .open_ended = 1};
  feeding f;
  ws_event ev, again;
  text in = {NULL, 0, 0};
  fill(1);
  heap_reset();
  in_frames(&in, WS_CLIENT, BINARY, encode_alone(bytes, 3000), 40);
  feed_open(&f, &how);
  feed_put(&f, in.p, 50);
  CHECK(ws_next_part(&f.c, &ev, 1000) == WS_PART && !ev.last);
  feed_put(&f, in.p + 50, in.n - 50);
  CHECK(ws_next_part(&f.c, &again, 1000) == WS_PART && !again.last);
  CHECK(again.size == ev.size && again.size > 0 && again.size < 1000);
  text log = feed_close(&f);
  text_free(&log);
  text_free(&in);
}

/* Also if more is asked for the second time, and the next bytes break a rule.
   */
TEST(a_current_part_stays_before_broken_text) {
  feed how = {.role = WS_CLIENT, .start = compressed, .open_ended = 1};
  feeding f;
  ws_event ev;
  text in = {NULL, 0, 0};
  heap_reset();
  frame(&in, WS_CLIENT, FIN | RSV1 | TEXT, packed, encode_alone("ab\xFF", 3));
  feed_open(&f, &how);
  feed_put(&f, in.p, in.n);
  CHECK(ws_next_part(&f.c, &ev, 1) == WS_PART && ev.size == 1);
  CHECK(ws_next_part(&f.c, &ev, 100) == WS_PART && ev.size == 1);
  CHECK(ev.data[0] == 'a' && !ev.last);
  ws_taken(&f.c);
  CHECK(ws_next_part(&f.c, &ev, 100) == WS_END);
  CHECK(ws_closed(&f.c).code == 1007);
  text log = feed_close(&f);
  text_free(&log);
  text_free(&in);
}

/* Sending a message does not change one that is half received. */
TEST(sending_in_the_middle_of_receiving) {
  feed how = {.role = WS_CLIENT, .start = compressed, .open_ended = 1};
  feeding f;
  text in = {NULL, 0, 0}, want = {NULL, 0, 0};
  fill(0);
  heap_reset();
  in_frames(&in, WS_CLIENT, BINARY, encode_alone(bytes, 5000), 1000);
  expect_message(&want, "binary", bytes, 5000);
  feed_open(&f, &how);
  for (size_t i = 0; i < in.n; i += 10) {
    feed_put(&f, in.p + i, in.n - i < 10 ? in.n - i : 10);
    feed_events(&f);
    CHECK(ws_send(&f.c, WS_BINARY, bytes, 400, 0) == 0);
  }
  text log = feed_close(&f);
  CHECK_STR(log.p, want.p);
  text_free(&log);
  text_free(&in);
  text_free(&want);
}

/* ----------------------------------------------------------------- memory */

TEST(receiving_without_memory) { /* ATTACKS row 33 */
  static const size_t parts[] = {0, 100};
  fill(0);
  BOTH(role)
  for (size_t i = 0; i < COUNT(parts); i++)
    for (int takeover = 0; takeover < 2; takeover++) {
      feed how = {.role = role, .start = compressed, .parts = parts[i]};
      text in = {NULL, 0, 0};
      windows(takeover ? 10 | WS_TAKEOVER : 10, 15);
      in_frames(&in, role, TEXT, encode_alone(bytes, 100 * WORDS), 30);
      in_frames(&in, role, TEXT, encode_alone(bytes, WORDS), 30);
      feed_oom(&how, in.p, in.n, 40);
      text_free(&in);
    }
  windows(15, 15);
}

/* ATTACKS row 35: whole messages and parts alternately, one of them without
   memory, so that the other continues with what was inflated. The message is
   received as it was sent, or fails: too big. */

static const size_t pieces[] = {1, 100, 65536};

/* ws_next or ws_next_part, at random, each only where it is allowed. */
static int next_any (feeding *f, ws_event *ev) {
  size_t max = pieces[rnd(COUNT(pieces))];
  if (ws_in_parts(&f->c) || rnd(2)) return ws_next_part(&f->c, ev, max);
  return ws_next(&f->c, ev);
}

/* 1: an event was taken; 0: more bytes are needed; WS_END */
static int take_any (feeding *f) {
  ws_event ev = {0, 0, 0, NULL, 0};
  int r = next_any(f, &ev);
  if (r == WS_ENOMEM && CHECK(heap.failed)) return 1;
  if (r <= 0) return r;
  CHECK(r != WS_MESSAGE || ev.size <= max_message);
  text_add(&f->part, ev.data, ev.size);
  ws_taken(&f->c);
  return 1;
}

static void mix (int role, const text *in, size_t n, unsigned seed) {
  feed how = {.role = role, .start = compressed, .configure = limited};
  feeding f;
  int r = 1;
  feed_open(&f, &how);
  rnd_seed(seed);
  heap.fail_at = seed / 2;
  for (size_t i = 0, k; i < in->n && r != WS_END; i += k) {
    k = seed & 1 ? in->n : 1 + rnd(in->n - i);
    feed_put(&f, in->p + i, k);
    feed_tighten(&f.c);
    while ((r = take_any(&f)) > 0)
      if (rnd(4) == 0) heap.fail_at = 1 + rnd(3);
  }
  heap.fail_at = 0;
  if (ws_state(&f.c) == WS_CLOSED)
    CHECK(ws_closed(&f.c).code == 1009);
  else
    CHECK(f.part.n == n && memcmp(f.part.p, bytes, n) == 0);
  text log = feed_close(&f);
  text_free(&log);
}

/* There was no memory to inflate it before we closed. */
TEST(a_whole_message_outlives_our_close) {
  BOTH(role) for (size_t at = 1; at < 6; at++) {
    feed how = {.role = role, .start = compressed, .open_ended = 1};
    feeding f;
    ws_event ev;
    text in = {NULL, 0, 0};
    fill(0);
    heap_reset();
    in_frames(&in, role, BINARY, encode_alone(bytes, 1000), SIZE);
    feed_open(&f, &how);
    feed_put(&f, in.p, in.n);
    heap.fail_at = at;
    int r = ws_next(&f.c, &ev);
    CHECK(r == WS_ENOMEM || r == WS_MESSAGE);
    heap.fail_at = 0;
    CHECK(ws_close(&f.c, 1000, NULL, 0) == 0 && ws_has_message(&f.c));
    CHECK(ws_next(&f.c, &ev) == WS_MESSAGE && ev.size == 1000);
    text log = feed_close(&f);
    text_free(&log);
    text_free(&in);
  }
}

TEST(whole_messages_and_parts_in_turn_without_memory) {
  static const size_t limits[] = {0, 999, 1000, 1001, 29999, 30000, 70000};
  BOTH(role)
  for (int kind = 0; kind < 3; kind++) {
    text in = {NULL, 0, 0};
    size_t n = 30000;
    fill(kind);
    in_frames(&in, role, BINARY, encode_alone(bytes, n), kind ? SIZE : 700);
    for (size_t i = 0; i < COUNT(limits); i++)
      for (unsigned seed = 0; seed < 40; seed++) {
        heap_reset();
        max_message = limits[i];
        mix(role, &in, n, seed);
      }
    text_free(&in);
  }
}

/* The input that showed the fault: a part of 64 KiB is inflated as far as there
   is memory, then a whole message is asked for, whose limit is lower. */
TEST(a_whole_message_after_parts_that_were_not_given) {
  for (max_message = 0; max_message < 3000; max_message += 1 + max_message / 3)
    for (size_t at = 1; at < 12; at++) {
      feed how = {.role = WS_SERVER,
                  .start = compressed,
                  .configure = limited,
                  .open_ended = 1};
      feeding f;
      ws_event ev;
      text in = {NULL, 0, 0};
      fill(2);
      heap_reset();
      in_frames(&in, WS_SERVER, BINARY, encode_alone(bytes, 60000), SIZE);
      feed_open(&f, &how);
      feed_put(&f, in.p, in.n);
      heap.fail_at = at;
      int r = ws_next_part(&f.c, &ev, 65536);
      heap.fail_at = 0;
      if (r == WS_ENOMEM) {
        CHECK(ws_next(&f.c, &ev) == WS_END);
        CHECK(ws_closed(&f.c).code == 1009);
      } else {
        CHECK(r == WS_PART && ev.size == 60000 && ev.last);
      }
      text log = feed_close(&f);
      text_free(&log);
      text_free(&in);
    }
}

/* Bytes that have arrived, with the frame's header, up to 64 and above; not of
   a connection without compression, or whose event is not taken. */
TEST(bytes_that_may_inflate_to_much_are_flagged) {
  static const struct {
    void (*start)(ws_conn *c);
    size_t n;
    int swells;
  } cases[] = {{compressed, 0, 0},
               {compressed, 64, 0},
               {compressed, 65, 1},
               {NULL, 65, 0},
               {NULL, 5000, 0}};
  for (size_t i = 0; i < COUNT(cases); i++) {
    feed how = {.role = WS_SERVER, .start = cases[i].start, .open_ended = 1};
    feeding f;
    ws_event ev;
    text in = {NULL, 0, 0};
    fill(1);
    heap_reset();
    if (cases[i].start)
      in_frames(&in, WS_SERVER, BINARY, encode_alone(bytes, 6000), SIZE);
    else
      frame(&in, WS_SERVER, FIN | BINARY, bytes, 6000);
    feed_open(&f, &how);
    if (cases[i].n > 0) feed_put(&f, in.p, cases[i].n);
    CHECK(ws_swells(&f.c) == cases[i].swells);
    feed_put(&f, in.p + cases[i].n, in.n - cases[i].n);
    CHECK(ws_swells(&f.c) == (cases[i].start != NULL));
    CHECK(ws_next(&f.c, &ev) == WS_MESSAGE && ev.size == 6000);
    CHECK(!ws_swells(&f.c));
    text log = feed_close(&f);
    text_free(&log);
    text_free(&in);
  }
}
