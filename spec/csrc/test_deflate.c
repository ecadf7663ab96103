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
