/*
** test_deflate.c - permessage-deflate in both directions: the RFC's examples,
** messages however they are cut, limits, broken data, the pool.
**
** What comes in is compressed by zlib itself, and what goes out is inflated by
** it, so that no encoder is tested by itself.
*/
#include "frames.h"

#include <zlib.h>

enum { RSV1 = 0x40 };

static int in_window = 15, out_window = 15;

static void compressed (ws_conn *c) {
  ws_opened(c);
  c->in_window = (unsigned char)in_window;
  c->out_window = (unsigned char)out_window;
}

static void windows (int in, int out) {
  in_window = in;
  out_window = out;
}

/* ------------------------------------------------------ RFC 7692 section 7.2.3 */

/* What a client receives when these frames come in. */
static const char *receive (const char *frames, size_t n) {
  feed how = {.role = WS_CLIENT, .start = compressed, .open_ended = 1};
  return feed_all(&how, frames, n);
}
#define RECEIVE(s) receive(s, sizeof s - 1)

TEST(example_of_one_compressed_block) {
  windows(15, 15);
  CHECK_STR(RECEIVE("\xc1\x07\xf2\x48\xcd\xc9\xc9\x07\x00"),
            "text \"Hello\"; state 1");
}

TEST(example_of_fragments) {
  CHECK_STR(RECEIVE("\x41\x03\xf2\x48\xcd\x80\x04\xc9\xc9\x07\x00"),
            "text \"Hello\"; state 1");
}

TEST(example_of_context_takeover) {
  windows(15 | WS_TAKEOVER, 15);
  CHECK_STR(RECEIVE("\xc1\x07\xf2\x48\xcd\xc9\xc9\x07\x00"
                    "\xc1\x05\xf2\x00\x11\x00\x00"),
            "text \"Hello\"; text \"Hello\"; state 1");
  windows(15, 15);
}

TEST(example_of_a_block_without_compression) {
  CHECK_STR(RECEIVE("\xc1\x0b\x00\x05\x00\xfa\xff\x48\x65\x6c\x6c\x6f\x00"),
            "text \"Hello\"; state 1");
}

TEST(example_of_a_final_block) {
  CHECK_STR(RECEIVE("\xc1\x08\xf3\x48\xcd\xc9\xc9\x07\x00\x00"),
            "text \"Hello\"; state 1");
}

TEST(example_of_two_blocks) {
  CHECK_STR(RECEIVE("\xc1\x0d\xf2\x48\x05\x00\x00\x00\xff\xff\xca\xc9\xc9\x07"
                    "\x00"),
            "text \"Hello\"; state 1");
}

TEST(example_of_an_empty_message) {
  CHECK_STR(RECEIVE("\xc1\x01\x00\xc1\x00"), "text \"\"; text \"\"; state 1");
}

static void sent (const char *payload, int flags, const char *want) {
  feed how = {.role = WS_SERVER, .start = compressed, .open_ended = 1};
  feeding f;
  heap_reset();
  feed_open(&f, &how);
  CHECK(ws_send(&f.c, WS_TEXT, payload, strlen(payload), flags) == 0);
  feed_out(&f);
  text log = feed_close(&f);
  CHECK_STR(log.p, want);
  text_free(&log);
}

TEST(examples_are_what_is_sent) {
  sent("Hello", WS_COMPRESS, "; out c107f248cdc9c90700");
  sent("Hello", 0, "; out 810548656c6c6f");
  sent("", WS_COMPRESS, "; out c10100");
  sent("", 0, "; out 8100");
}

TEST(example_of_context_takeover_sent) {
  feed how = {.role = WS_SERVER, .start = compressed, .open_ended = 1};
  feeding f;
  windows(15, 15 | WS_TAKEOVER);
  heap_reset();
  feed_open(&f, &how);
  f.config.compression.server_no_context_takeover = 0;
  CHECK(ws_send(&f.c, WS_TEXT, "Hello", 5, WS_COMPRESS) == 0);
  CHECK(ws_send(&f.c, WS_TEXT, "Hello", 5, WS_COMPRESS) == 0);
  feed_out(&f);
  text log = feed_close(&f);
  CHECK_STR(log.p, "; out c107f248cdc9c90700c105f200110000");
  text_free(&log);
  windows(15, 15);
}

/* ----------------------------------------------------- material, and an encoder */

enum { SIZE = 200000 };
static unsigned char bytes[SIZE], packed[2 * SIZE];

static const char words[] = "{\"id\": 17, \"name\": \"J\xC3\xBCrgen\"}, ";
enum { WORDS = sizeof words - 1 };

/* Text that compresses well, with characters of two bytes; noise; zeros. */
static void fill (int kind) {
  rnd_seed(9);
  for (size_t i = 0; i < SIZE; i++)
    bytes[i] = kind == 0   ? (unsigned char)words[i % WORDS]
               : kind == 1 ? (unsigned char)rnd(256)
                           : 0;
}

static z_stream encoder;

static void encoder_open (int bits) {
  memset(&encoder, 0, sizeof encoder);
  CHECK(deflateInit2(&encoder, 6, Z_DEFLATED, -bits, 8, 0) == Z_OK);
}

/* Compresses into `packed`, without the tail: its size. */
static size_t encode (const void *p, size_t n, int flush) {
  encoder.next_in = (Bytef *)p;
  encoder.avail_in = (uInt)n;
  encoder.next_out = packed;
  encoder.avail_out = sizeof packed;
  deflate(&encoder, flush);
  size_t size = sizeof packed - encoder.avail_out;
  return flush == Z_SYNC_FLUSH ? size - 4 : size;
}

static size_t encode_alone (const void *p, size_t n) {
  encoder_open(15);
  size_t size = encode(p, n, Z_SYNC_FLUSH);
  deflateEnd(&encoder);
  return size;
}

/* A message in frames of at most max bytes, with pings between them. */
static void in_frames (text *t, int role, int opcode, size_t n, size_t max) {
  int first = opcode | RSV1;
  size_t i = 0;
  for (; n - i > max; i += max, first = CONT) {
    frame(t, role, first, packed + i, max);
    frame_str(t, role, FIN | PONG, "");
  }
  frame(t, role, FIN | first, packed + i, n - i);
}

static void expect_message (text *t, const char *what, const void *p,
                            size_t n) {
  text_addf(t, "%s ", what);
  text_quote(t, p, n);
  text_addf(t, "; ");
}

/* ----------------------------------------------------------------- receiving */

/* One message, whole or in parts, must come out as it went in. */
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

/* Compressed and plain ones in turn, read ahead of now and then. */
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

/* Final blocks anywhere; what follows may refer to what was before. */
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

/* ---------------------------------------------------------------------- rules */

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
  BROKEN("\x00\x05\x00\xfb\xff"); /* a length and no complement */
  BROKEN("\xf2\x00\x11\x00\x00"); /* refers to nothing */
  BROKEN(
      "\xf3\x48\xcd\xc9\xc9\x07\x00\x06"); /* something behind the last block */
  BROKEN("\xff\xff\xff\xff\xff");
  EARLY("\xf2\x48\xcd\xc9\xc9");     /* in the middle of a block */
  EARLY("\x00\x09\x00\xf6\xff\x48"); /* in one that is not compressed */
  EARLY("\xf2\x48\xcd\xc9\xc9\x07\x00\x00\x00\xff\xff"); /* a tail was left */
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

/* --------------------------------------------------------------------- limits */

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

/* Compressed data that comes to nothing does not go on for ever. */
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

/* It is counted for each message by itself. */
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

/* ------------------------------------------------------------- piece by piece */

/* With context takeover too, nothing at all is an empty message. */
TEST(nothing_behind_a_message) {
  windows(15 | WS_TAKEOVER, 15);
  CHECK_STR(RECEIVE("\xc1\x07\xf2\x48\xcd\xc9\xc9\x07\x00\xc1\x00"
                    "\xc1\x05\xf2\x00\x11\x00\x00"),
            "text \"Hello\"; text \"\"; text \"Hello\"; state 1");
  windows(15, 15);
}

/* What zlib makes of the first k bytes of `packed`. */
static size_t inflated (size_t k) {
  static unsigned char out[SIZE];
  z_stream z = {.next_in = packed, .avail_in = (uInt)k, .next_out = out};
  z.avail_out = sizeof out;
  CHECK(inflateInit2(&z, -15) == Z_OK);
  inflate(&z, Z_SYNC_FLUSH);
  inflateEnd(&z);
  return sizeof out - z.avail_out;
}

/* All that has arrived is given, as far as it can be inflated. */
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

/* A part stays as it is until it is taken, whatever comes meanwhile. */
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

/* A message that is sent while half of one is here touches nothing of that. */
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

/* Whoever sees the end holds nothing any more. */
TEST(nothing_is_held_behind_the_end) {
  feed how = {.role = WS_CLIENT, .start = compressed};
  feeding f;
  windows(15 | WS_TAKEOVER, 15 | WS_TAKEOVER);
  heap_reset();
  feed_open(&f, &how);
  f.config.compression.client_no_context_takeover = 0;
  feed_put(&f, "\xc1\x07\xf2\x48\xcd\xc9\xc9\x07\x00", 9);
  feed_events(&f);
  CHECK(ws_send(&f.c, WS_TEXT, "Hello", 5, WS_COMPRESS) == 0);
  CHECK(heap.bytes > 10000);
  ws_eof(&f.c);
  feed_events(&f);
  feed_out(&f);
  CHECK(heap.bytes == 0);
  text log = feed_close(&f);
  text_free(&log);
  windows(15, 15);
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

/* What leaves, when the n-th allocation fails and is tried again. */
static text sent_without_memory (size_t at) {
  feed how = {.role = WS_CLIENT, .start = compressed, .open_ended = 1};
  feeding f;
  heap_reset();
  heap.fail_at = at;
  feed_open(&f, &how);
  for (int i = 0; i < 12; i++) {
    int more = i % 3 != 0 ? 0 : WS_MORE, r;
    int opcode = i % 3 == 1 ? WS_CONTINUATION : WS_BINARY;
    do r = ws_send(&f.c, opcode, bytes, 300 + 30 * (size_t)i, more);
    while (r == WS_ENOMEM && heap.failed);
    CHECK(r == 0);
  }
  feed_out(&f);
  return feed_close(&f);
}

TEST(sending_without_memory) {
  fill(0);
  for (int takeover = 0; takeover < 2; takeover++) {
    windows(15, takeover ? 10 | WS_TAKEOVER : 10);
    text want = sent_without_memory(0);
    for (size_t at = 1;; at++) {
      text got = sent_without_memory(at);
      int failed = heap.failed;
      CHECK_STR(got.p, want.p);
      text_free(&got);
      if (!failed) break;
    }
    text_free(&want);
  }
  windows(15, 15);
}

static ws_pool *pool;

static void pooled (ws_config *config) {
  config->pool = pool;
  config->compression.server_no_context_takeover = 0;
}

static void open_pool (void) {
  heap_reset();
  pool = malloc(ws_pool_size());
  ws_pool_init(pool, heap_alloc, NULL);
}

static void close_pool (void) {
  ws_pool_free(pool);
  CHECK(heap.blocks == 0);
  free(pool);
}

static void use (feeding *f, const text *in) {
  feed_put(f, in->p, in->n);
  feed_events(f);
  CHECK(ws_send(&f->c, WS_BINARY, bytes, 1000, 0) == 0);
  feed_out(f);
}

/* Connections without context takeover hold nothing between messages. */
TEST(a_pool_serves_all_connections) {
  enum { MANY = 50 };
  feed how = {.role = WS_SERVER,
              .start = compressed,
              .configure = pooled,
              .open_ended = 1};
  static feeding f[MANY];
  text in = {NULL, 0, 0};
  fill(0);
  in_frames(&in, WS_SERVER, BINARY, encode_alone(bytes, 1000), 2000);
  open_pool();
  for (int i = 0; i < MANY; i++) feed_open(&f[i], &how);
  use(&f[0], &in);
  size_t blocks = heap.blocks, size = heap.bytes, calls = heap.calls;
  for (int i = 0; i < MANY; i++) use(&f[i], &in);
  CHECK(heap.blocks == blocks && heap.bytes == size);
  CHECK(heap.calls - calls < 10 * MANY); /* and no stream was made */
  for (int i = 0; i < MANY; i++) {
    ws_free(&f[i].c);
    text_free(&f[i].log), text_free(&f[i].part);
  }
  close_pool();
  text_free(&in);
}

/* With it each holds its own; the pool keeps a few of what comes back. */
TEST(takeover_holds_streams_and_a_pool_few) {
  enum { MANY = 50 };
  feed how = {.role = WS_SERVER,
              .start = compressed,
              .configure = pooled,
              .open_ended = 1};
  static feeding f[MANY];
  text in = {NULL, 0, 0};
  fill(0);
  windows(12 | WS_TAKEOVER, 12 | WS_TAKEOVER);
  in_frames(&in, WS_SERVER, BINARY, encode_alone(bytes, 1000), 2000);
  open_pool();
  for (int i = 0; i < MANY; i++) feed_open(&f[i], &how);
  CHECK(heap.bytes == 0);
  use(&f[0], &in);
  size_t one = heap.bytes;
  CHECK(one < 60000);
  for (int i = 0; i < MANY; i++) use(&f[i], &in);
  CHECK(heap.bytes == MANY * one);
  for (int i = 0; i < MANY; i++) {
    ws_free(&f[i].c);
    text_free(&f[i].log), text_free(&f[i].part);
  }
  CHECK(heap.bytes > 0 && heap.bytes < 8 * one);
  close_pool();
  text_free(&in);
  windows(15, 15);
}

/* A pool that was given up still takes and gives. */
TEST(a_pool_that_is_gone) {
  feed how = {.role = WS_SERVER,
              .start = compressed,
              .configure = pooled,
              .open_ended = 1};
  feeding f;
  fill(0);
  open_pool();
  feed_open(&f, &how);
  CHECK(ws_send(&f.c, WS_BINARY, bytes, 1000, WS_MORE) == 0);
  ws_pool_free(pool);
  CHECK(ws_send(&f.c, WS_CONTINUATION, bytes, 1000, 0) == 0);
  CHECK(ws_send(&f.c, WS_BINARY, bytes, 1000, 0) == 0);
  text log = feed_close(&f);
  text_free(&log);
  close_pool();
}

/* -------------------------------------------------------------------- sending */

/* Inflates what one message sent is made of. */
static z_stream decoder;
static text decoded;

static void decoder_open (int bits) {
  memset(&decoder, 0, sizeof decoder);
  CHECK(inflateInit2(&decoder, -bits) == Z_OK);
}

static void decode (const unsigned char *p, size_t n) {
  static unsigned char out[4096];
  decoder.next_in = (Bytef *)p;
  decoder.avail_in = (uInt)n;
  do {
    decoder.next_out = out;
    decoder.avail_out = sizeof out;
    int r = inflate(&decoder, Z_SYNC_FLUSH);
    CHECK(r == Z_OK || r == Z_BUF_ERROR);
    text_add(&decoded, out, sizeof out - decoder.avail_out);
  } while (decoder.avail_out == 0);
}

/* All that a connection has queued. */
static text drain (ws_conn *c) {
  ws_iov v[WS_IOV];
  text t = {NULL, 0, 0};
  for (int n; (n = ws_pending(c, v, WS_IOV)) > 0;) {
    text_add(&t, v[0].base, v[0].len);
    ws_sent(c, v[0].len);
  }
  return t;
}

/* The frames of one message, unmasked with what they say, into `decoded`. Its
   first byte; *size is how much was sent. */
static int decode_message (ws_conn *c, size_t *size) {
  text t = drain(c);
  unsigned char *p = (unsigned char *)t.p, *end = p + t.n;
  int first = p[0], role = c->config->role;
  ws_frame f;
  text_clear(&decoded);
  *size = t.n;
  for (int i = 0; p < end; i++) {
    CHECK(ws_frame_parse(&f, p, (size_t)(end - p), role == WS_CLIENT, i > 0,
                         1) == 1);
    p += f.size;
    ws_mask(p, p, (size_t)f.length, f.key, 0);
    if (first & RSV1)
      decode(p, (size_t)f.length);
    else
      text_add(&decoded, p, (size_t)f.length);
    p += f.length;
    CHECK(f.fin == (p == end));
  }
  if (first & RSV1) decode(ws_pack_tail, 4);
  text_free(&t);
  return first;
}

enum { EITHER = 2 };

static void is_sent (ws_conn *c, size_t n, int flags, int want_packed) {
  size_t size;
  CHECK(ws_send(c, WS_BINARY, bytes, n, flags) == 0);
  int first = decode_message(c, &size);
  if (want_packed != EITHER) CHECK(!!(first & RSV1) == want_packed);
  CHECK(decoded.n == n && (n == 0 || memcmp(decoded.p, bytes, n) == 0));
  if (!(flags & WS_COMPRESS)) CHECK(size <= n + WS_HEADER);
}

static int level, mem_level;

static void leveled (ws_config *config) {
  config->random = rnd_bytes;
  config->compression.level = level;
  config->compression.mem_level = mem_level;
  config->compression.threshold = 100;
  config->compression.server_max_window_bits = 15;
  config->compression.client_max_window_bits = 15;
  config->compression.client_no_context_takeover = 0;
  config->compression.server_no_context_takeover = 0;
}

/* What is sent stays within its window, whatever zlib is told. */
static void send_all_sizes (int role, int bits, int takeover) {
  static const size_t sizes[] = {0, 1, 99, 100, 250, 600, 5000, 70000, SIZE};
  feed how = {
      .role = role, .start = compressed, .configure = leveled, .open_ended = 1};
  feeding f;
  windows(15, takeover ? bits | WS_TAKEOVER : bits);
  heap_reset();
  feed_open(&f, &how);
  decoder_open(bits);
  for (int kind = 0; kind < 3; kind++)
    for (size_t i = 0; i < COUNT(sizes); i++) {
      fill(kind);
      int want = sizes[i] >= 100 && kind != 1 && level > 0;
      if (kind == 1 && takeover) want = EITHER; /* the history knows it */
      is_sent(&f.c, sizes[i], 0, want);
      is_sent(&f.c, sizes[i], WS_PLAIN, 0);
      is_sent(&f.c, sizes[i], WS_COMPRESS, 1);
      if (!takeover) CHECK(heap.bytes == 0);
    }
  inflateEnd(&decoder);
  text log = feed_close(&f);
  text_free(&log);
  windows(15, 15);
}

TEST(sent_with_every_window) {
  level = 1, mem_level = 5;
  BOTH(role)
  for (int bits = 8; bits <= 15; bits++)
    for (int takeover = 0; takeover < 2; takeover++)
      send_all_sizes(role, bits, takeover);
}

TEST(sent_with_every_level) {
  for (level = 0; level <= 9; level++)
    for (mem_level = 1; mem_level <= 9; mem_level += 4)
      send_all_sizes(WS_SERVER, level < 5 ? 12 : 15, level & 1);
}

/* What the other side allows is more than it has to be. */
TEST(a_window_of_ones_own) {
  feed how = {.role = WS_CLIENT, .start = compressed, .open_ended = 1};
  feeding f;
  size_t size;
  windows(15, 15);
  heap_reset();
  feed_open(&f, &how);
  f.config.compression.client_max_window_bits = 9;
  for (int alike = 0; alike < 2; alike++) {
    fill(1);
    memcpy(bytes + 1000, bytes, 1000); /* too far back */
    CHECK(ws_send(&f.c, WS_BINARY, bytes, 2000, WS_COMPRESS) == 0);
    decoder_open(15);
    CHECK(decode_message(&f.c, &size) == (FIN | RSV1 | BINARY));
    inflateEnd(&decoder);
    CHECK(alike ? size < 1200 : size > 2000);
    f.config.compression.client_max_window_bits = 12;
  }
  text log = feed_close(&f);
  text_free(&log);
}

/* Each message that a pool's stream makes stands alone; the fragments of one do
   not. */
TEST(history_of_a_message) {
  feed how = {.role = WS_SERVER,
              .start = compressed,
              .configure = pooled,
              .open_ended = 1};
  feeding f;
  size_t sizes[4];
  fill(1);
  open_pool();
  feed_open(&f, &how);
  for (int i = 0; i < 4; i++) {
    int more = i == 2 ? WS_MORE : 0;
    CHECK(ws_send(&f.c, i == 3 ? WS_CONTINUATION : WS_BINARY, bytes, 500,
                  WS_COMPRESS | more) == 0);
    text t = drain(&f.c);
    sizes[i] = t.n;
    text_free(&t);
  }
  CHECK(sizes[0] > 500 && sizes[1] == sizes[0] && sizes[2] == sizes[0]);
  CHECK(sizes[3] < 100);
  ws_free(&f.c);
  text_free(&f.log), text_free(&f.part);
  close_pool();
}

/* A writer's pieces, empty ones among them, in all orders of four. */
TEST(sent_in_fragments) {
  static const size_t sizes[] = {0, 1, 3000};
  feed how = {.role = WS_SERVER,
              .start = compressed,
              .configure = leveled,
              .open_ended = 1};
  level = 1, mem_level = 5;
  fill(0);
  for (int takeover = 0; takeover < 2; takeover++) {
    feeding f;
    windows(15, takeover ? 12 | WS_TAKEOVER : 12);
    heap_reset();
    feed_open(&f, &how);
    decoder_open(12);
    for (int order = 0; order < 81; order++) {
      size_t at = 0, sent;
      for (int i = 0, o = order; i < 4; i++, o /= 3) {
        int opcode = i == 0 ? WS_TEXT : WS_CONTINUATION;
        size_t n = sizes[o % 3];
        CHECK(ws_send(&f.c, opcode, bytes + at, n, i < 3 ? WS_MORE : 0) == 0);
        at += n;
      }
      CHECK(decode_message(&f.c, &sent) == (RSV1 | TEXT));
      CHECK(decoded.n == at && memcmp(decoded.p, bytes, at) == 0);
      if (!takeover) CHECK(heap.bytes == 0);
    }
    inflateEnd(&decoder);
    text log = feed_close(&f);
    text_free(&log);
  }
  windows(15, 15);
}

/* Each piece of a message can be inflated as soon as it is here. */
TEST(fragments_are_flushed) {
  feed how = {.role = WS_SERVER, .start = compressed, .open_ended = 1};
  feeding f;
  heap_reset();
  feed_open(&f, &how);
  decoder_open(15);
  text_clear(&decoded);
  for (int i = 0; i < 5; i++) {
    CHECK(ws_send(&f.c, i ? WS_CONTINUATION : WS_TEXT, "piece", 5, WS_MORE) ==
          0);
    text t = drain(&f.c);
    decode((unsigned char *)t.p + 2, t.n - 2);
    CHECK(decoded.n == 5 * (size_t)(i + 1));
    text_free(&t);
  }
  inflateEnd(&decoder);
  text log = feed_close(&f);
  text_free(&log);
}

TEST(plain_fragments_when_asked_for) {
  feed how = {.role = WS_SERVER, .start = compressed, .open_ended = 1};
  feeding f;
  heap_reset();
  feed_open(&f, &how);
  CHECK(ws_send(&f.c, WS_TEXT, "a", 1, WS_MORE | WS_PLAIN) == 0);
  CHECK(ws_send(&f.c, WS_CONTINUATION, "b", 1, WS_MORE | WS_COMPRESS) == 0);
  CHECK(ws_send(&f.c, WS_CONTINUATION, "c", 1, 0) == 0);
  feed_out(&f);
  text log = feed_close(&f);
  CHECK_STR(log.p, "; out 010161000162800163");
  text_free(&log);
}

/* ---------------------------------------------------------------- many at once */

/* Connections that share a window share the bytes; others get their own, or the
   plain frame. */
TEST(a_shared_frame_is_compressed_once) {
  static const int out[] = {0, 12, 12 | WS_TAKEOVER, 15, 12, 8};
  feed how = {.role = WS_SERVER, .start = compressed, .open_ended = 1};
  feeding f[COUNT(out)];
  fill(0);
  heap_reset();
  ws_shared *s = ws_shared_new(heap_alloc, NULL, WS_TEXT, bytes, SIZE - 2);
  for (size_t i = 0; i < COUNT(out); i++) {
    windows(15, out[i]);
    feed_open(&f[i], &how);
    CHECK(ws_send_shared(&f[i].c, s) == 0);
    CHECK(ws_send(&f[i].c, WS_BINARY, "x", 1, 0) == 0);
  }
  ws_shared_free(s);
  for (size_t i = 0; i < COUNT(out); i++) {
    text t = drain(&f[i].c);
    CHECK(memcmp(t.p + t.n - 3, "\x82\x01x", 3) == 0);
    if (out[i] == 0) CHECK(t.n == SIZE - 2 + 10 + 3);
    if (out[i] > 0) {
      decoder_open(out[i] & 15);
      text_clear(&decoded);
      CHECK((unsigned char)t.p[0] == (FIN | RSV1 | TEXT) && t.p[1] == 126);
      decode((unsigned char *)t.p + 4, t.n - 4 - 3);
      inflateEnd(&decoder);
      CHECK(decoded.n == SIZE - 2 && memcmp(decoded.p, bytes, SIZE - 2) == 0);
    }
    text_free(&t);
  }
  for (size_t i = 0; i < COUNT(out); i++) {
    ws_free(&f[i].c);
    text_free(&f[i].log), text_free(&f[i].part);
  }
  CHECK(heap.blocks == 0);
  windows(15, 15);
}

/* ATTACKS row 33: who cannot get it compressed gets it plain, or nothing. */
TEST(sharing_without_memory) {
  feed how = {.role = WS_SERVER, .start = compressed, .open_ended = 1};
  int packed_ones = 0, plain = 0, none = 0;
  fill(0);
  for (size_t at = 1; at < 40; at++) {
    feeding f;
    heap_reset();
    ws_shared *s = ws_shared_new(heap_alloc, NULL, WS_TEXT, bytes, 30 * WORDS);
    feed_open(&f, &how);
    heap.fail_at = at;
    int r = ws_send_shared(&f.c, s);
    heap.fail_at = 0;
    text t = drain(&f.c);
    CHECK(r == WS_ENOMEM ? t.n == 0 : r == 0);
    none += r < 0;
    packed_ones += r == 0 && t.p[0] & RSV1;
    plain += r == 0 && !(t.p[0] & RSV1);
    text_free(&t);
    ws_shared_free(s);
    text log = feed_close(&f);
    text_free(&log);
  }
  CHECK(none > 0 && plain > 5 && packed_ones > 10);
}

static void takes_over (ws_config *config) {
  config->compression.server_no_context_takeover = 0;
  config->compression.threshold = 20;
}

/* Own messages, shared frames small and large, in turn: one inflater with its
   history understands them all; also with a writer's message around them. */
TEST(shared_frames_and_context_takeover) {
  feed how = {.role = WS_SERVER,
              .start = compressed,
              .configure = takes_over,
              .open_ended = 1};
  feeding f;
  size_t sent;
  fill(0);
  windows(15, 12 | WS_TAKEOVER);
  heap_reset();
  feed_open(&f, &how);
  decoder_open(12);
  for (size_t i = 0; i < 60; i++) {
    size_t n = i % 4 < 2 ? 100 + i : 3000 + 50 * i;
    if (i % 2) {
      ws_shared *s = ws_shared_new(heap_alloc, NULL, WS_BINARY, bytes + i, n);
      CHECK(ws_send_shared(&f.c, s) == 0);
      ws_shared_free(s);
    } else {
      CHECK(ws_send(&f.c, WS_BINARY, bytes + i, n, 0) == 0);
    }
    CHECK(decode_message(&f.c, &sent) == (FIN | RSV1 | BINARY));
    CHECK(decoded.n == n && memcmp(decoded.p, bytes + i, n) == 0);
  }
  inflateEnd(&decoder);
  text log = feed_close(&f);
  text_free(&log);
  windows(15, 15);
}

/* One that waits for a writer's message is the peer's newest history too. */
TEST(shared_frames_held_back) {
  feed server = {.role = WS_SERVER,
                 .start = compressed,
                 .configure = takes_over,
                 .open_ended = 1};
  feed client = {.role = WS_CLIENT, .start = compressed, .open_ended = 1};
  feeding f;
  text want = {NULL, 0, 0};
  fill(0);
  memcpy(bytes + 300, bytes, 300);
  windows(12 | WS_TAKEOVER, 12 | WS_TAKEOVER);
  heap_reset();
  feed_open(&f, &server);
  ws_shared *s = ws_shared_new(heap_alloc, NULL, WS_BINARY, bytes, 500);
  CHECK(ws_send(&f.c, WS_BINARY, bytes, 300, WS_MORE) == 0);
  CHECK(ws_send_shared(&f.c, s) == 0);
  ws_shared_free(s);
  CHECK(ws_send(&f.c, WS_CONTINUATION, bytes + 300, 300, 0) == 0);
  CHECK(ws_send(&f.c, WS_BINARY, bytes, 400, 0) == 0);
  expect_message(&want, "binary", bytes, 600);
  expect_message(&want, "binary", bytes, 500);
  expect_message(&want, "binary", bytes, 400);
  text_addf(&want, "state 1");
  text t = drain(&f.c), log = feed_close(&f);
  text_free(&log);
  CHECK_STR(feed_all(&client, t.p, t.n), want.p);
  text_free(&t);
  text_free(&want);
  windows(15, 15);
}
