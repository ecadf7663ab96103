/*
** deflate.h - for tests of permessage-deflate: windows that were agreed on,
** test data, and zlib itself at the other end, so that no encoder is tested by
** itself.
*/
#ifndef deflate_h
#define deflate_h

#include "frames.h"

#include "ws_frame.h"
#include "ws_zip.h"

#include <zlib.h>

enum { RSV1 = 0x40 };

static int in_window = 15, out_window = 15;

static inline void compressed (ws_conn *c) {
  ws_opened(c);
  c->rx.window = (unsigned char)in_window;
  c->tx.window = (unsigned char)out_window;
}

static inline void windows (int in, int out) {
  in_window = in;
  out_window = out;
}

/* ------------------------------------------------- material, and an encoder */

enum { SIZE = 200000 };
static unsigned char bytes[SIZE], packed[2 * SIZE];

static const char words[] = "{\"id\": 17, \"name\": \"J\xC3\xBCrgen\"}, ";
enum { WORDS = sizeof words - 1 };

/* Text that compresses well, with characters of two bytes; random bytes; zeros.
   */
static inline void fill (int kind) {
  rnd_seed(9);
  for (size_t i = 0; i < SIZE; i++)
    bytes[i] = kind == 0   ? (unsigned char)words[i % WORDS]
               : kind == 1 ? (unsigned char)rnd(256)
                           : 0;
}

static z_stream encoder;

static inline void encoder_open (int bits) {
  memset(&encoder, 0, sizeof encoder);
  CHECK(deflateInit2(&encoder, 6, Z_DEFLATED, -bits, 8, 0) == Z_OK);
}

/* Compresses into `packed`, without the tail; returns the size. */
static inline size_t encode (const void *p, size_t n, int flush) {
  encoder.next_in = (Bytef *)p;
  encoder.avail_in = (uInt)n;
  encoder.next_out = packed;
  encoder.avail_out = sizeof packed;
  deflate(&encoder, flush);
  size_t size = sizeof packed - encoder.avail_out;
  return flush == Z_SYNC_FLUSH ? size - 4 : size;
}

static inline size_t encode_alone (const void *p, size_t n) {
  encoder_open(15);
  size_t size = encode(p, n, Z_SYNC_FLUSH);
  deflateEnd(&encoder);
  return size;
}

/* A message in frames of at most max bytes, with pings between them. */
static inline void in_frames (text *t, int role, int opcode, size_t n,
                              size_t max) {
  int first = opcode | RSV1;
  size_t i = 0;
  for (; n - i > max; i += max, first = CONT) {
    frame(t, role, first, packed + i, max);
    frame_str(t, role, FIN | PONG, "");
  }
  frame(t, role, FIN | first, packed + i, n - i);
}

static inline void expect_message (text *t, const char *what, const void *p,
                                   size_t n) {
  text_addf(t, "%s ", what);
  text_quote(t, p, n);
  text_addf(t, "; ");
}

/* ---------------------------------------------------------------- a decoder */

/* Inflates a message that was sent, in small steps: zlib allows distances
   beyond the window within the bytes that one step has written. */
static z_stream decoder;
static text decoded;

static inline void decoder_open (int bits) {
  memset(&decoder, 0, sizeof decoder);
  CHECK(inflateInit2(&decoder, -bits) == Z_OK);
}

static inline void decode (const unsigned char *p, size_t n) {
  unsigned char out[16];
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

/* Takes all that a connection has queued. */
static inline text drain (ws_conn *c) {
  ws_iov v[WS_IOV];
  text t = {NULL, 0, 0};
  for (int n; (n = ws_pending(c, v, WS_IOV)) > 0;) {
    text_add(&t, v[0].base, v[0].len);
    ws_sent(c, v[0].len);
  }
  return t;
}

/* Decodes the frames of one message into `decoded`, unmasked with their own
   keys. Returns its first byte; *size is the number of bytes sent. */
static inline int decode_message (ws_conn *c, size_t *size) {
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

/* ------------------------------------------------------------------- a pool */

static ws_pool *pool;

static inline void pooled (ws_config *config) {
  config->pool = pool;
  config->compression.server_no_context_takeover = 0;
}

static inline void open_pool (void) {
  heap_reset();
  pool = malloc(ws_pool_size());
  ws_pool_init(pool, heap_alloc, NULL);
}

static inline void close_pool (void) {
  ws_pool_free(pool);
  CHECK(heap.blocks == 0);
  free(pool);
}

#endif
