/*
** test_pack.c - sending compressed messages, whole, in fragments and to many.
** Inflated by zlib itself, with no larger window than was agreed on.
*/
#include "deflate.h"

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

/* A message that is sent stays within its window, whatever the settings of
   zlib. */
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
      if (kind == 1 && takeover) want = EITHER; /* the history contains it */
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

/* The other side allows a larger window than this one uses. */
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

/* Each piece of a message can be inflated as soon as it has arrived. */
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

/* What is sent when the n-th allocation fails and is tried again. */
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

/* ------------------------------------------------------------- many at once */

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

/* ATTACKS row 33: a connection gets it compressed, else plain, else not at all.
   */
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

/* Own messages and shared frames, small and large, alternately: one inflater
   with its history understands them all; also inside a writer's message. */
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

/* A shared frame that waited for a writer's message becomes the peer's newest
   history, too. */
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
