/*
** test_deflate.c - permessage-deflate: the RFC's examples in both directions;
** zlib's streams, their owners and their history.
*/
#include "deflate.h"

/* --------------------------------------------------- RFC 7692 section 7.2.3 */

/* Returns what a client receives when these frames arrive. */
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

/* Also with context takeover, no byte at all is an empty message. */
TEST(nothing_behind_a_message) {
  windows(15 | WS_TAKEOVER, 15);
  CHECK_STR(RECEIVE("\xc1\x07\xf2\x48\xcd\xc9\xc9\x07\x00\xc1\x00"
                    "\xc1\x05\xf2\x00\x11\x00\x00"),
            "text \"Hello\"; text \"\"; text \"Hello\"; state 1");
  windows(15, 15);
}

/* -------------------------------------------------------------- the streams */

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

/* With it each holds its own; the pool keeps a few of those returned. */
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

/* A pool that was closed still lends and takes back. */
TEST(a_pool_that_was_closed) {
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

/* Each message of a pool's stream is compressed by itself; the fragments of one
   are not. */
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

/* A connection that has come to its end holds nothing any more. */
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
