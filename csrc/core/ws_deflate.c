/*
** ws_deflate.c - zlib's streams (RFC 1951, without a header), and the pool of
** those that nobody uses at the moment.
**
** A stream of the pool is reset: it has no history, and is as good as a new one
** with the same settings, but costs no allocation.
*/
#include <stddef.h>
#include <string.h>

#include <zlib.h>

#include "ws_pool.h"
#include "ws_zip.h"

enum { INFLATES = -2 }; /* as a level */
enum { BIG = 1 << 30 }; /* zlib counts in unsigned ints */

/* What tells streams apart. */
typedef struct settings {
  int bits, level, mem_level;
} settings;

struct ws_stream {
  z_stream z;
  ws_alloc alloc;
  void *ud;
  settings set;
};

/* ---- memory: zlib does not say the size of what it frees */

typedef union block {
  size_t size;
  long double d; /* aligned for anything, as malloc does it */
  long long i;
  void *p;
} block;

static voidpf get_block (voidpf opaque, uInt items, uInt each) {
  ws_stream *s = opaque;
  size_t size = sizeof(block) + (size_t)items * each;
  block *b = s->alloc(s->ud, NULL, 0, size);
  if (b == NULL) return Z_NULL;
  b->size = size;
  return b + 1;
}

static void free_block (voidpf opaque, voidpf p) {
  ws_stream *s = opaque;
  block *b = (block *)p - 1;
  s->alloc(s->ud, b, b->size, 0);
}

/* ---- streams */

/* zlib refuses a window of 8 bits when it deflates raw; with 9 it never looks
   back over 512 - 262 bytes, which 8 allow. An inflater gets its window now, so
   that it cannot lack memory in the middle of a message. */
static int init_zlib (ws_stream *s) {
  z_stream *z = &s->z;
  if (s->set.level != INFLATES)
    return deflateInit2(z, s->set.level, Z_DEFLATED, -s->set.bits,
                        s->set.mem_level, Z_DEFAULT_STRATEGY);
  int r = inflateInit2(z, -s->set.bits);
  if (r != Z_OK) return r;
  r = inflateSetDictionary(z, (const Bytef *)"", 0);
  if (r != Z_OK) inflateEnd(z);
  return r;
}

static ws_stream *make (ws_alloc alloc, void *ud, settings set) {
  ws_stream *s = alloc(ud, NULL, 0, sizeof *s);
  if (s == NULL) return NULL;
  memset(s, 0, sizeof *s);
  s->alloc = alloc;
  s->ud = ud;
  s->set = set;
  s->z.zalloc = get_block;
  s->z.zfree = free_block;
  s->z.opaque = s;
  if (init_zlib(s) == Z_OK) return s;
  alloc(ud, s, sizeof *s, 0);
  return NULL;
}

static void destroy (ws_stream *s) {
  if (s->set.level == INFLATES)
    inflateEnd(&s->z);
  else
    deflateEnd(&s->z);
  s->alloc(s->ud, s, sizeof *s, 0);
}

void ws_stream_reset (ws_stream *s) {
  if (s->set.level == INFLATES)
    inflateReset(&s->z);
  else
    deflateReset(&s->z);
}

/* ---- the pool */

void ws_streams_free (ws_pool *p) {
  while (p->n > 0) destroy(p->idle[--p->n]);
}

/* Takes number i out. */
static ws_stream *take (ws_pool *p, int i) {
  ws_stream *s = p->idle[i];
  memmove(p->idle + i, p->idle + i + 1, (size_t)(--p->n - i) * sizeof *p->idle);
  return s;
}

static ws_stream *borrow (const ws_conn *c, settings set) {
  ws_pool *p = c->config->pool;
  if (p == NULL) return make(c->alloc, c->ud, set);
  for (int i = p->n; i-- > 0;)
    if (memcmp(&p->idle[i]->set, &set, sizeof set) == 0) return take(p, i);
  return make(p->alloc, p->ud, set);
}

void ws_stream_back (const ws_conn *c, ws_stream *s) {
  ws_pool *p = c->config->pool;
  if (p == NULL || p->closed) {
    destroy(s);
    return;
  }
  ws_stream_reset(s);
  if (p->n == WS_STREAMS) destroy(take(p, 0));
  p->idle[p->n++] = s;
}

ws_stream *ws_inflater (const ws_conn *c) {
  return borrow(c, (settings){c->rx.window & WS_BITS, INFLATES, 0});
}

ws_stream *ws_deflater (const ws_conn *c) {
  const ws_compression *how = &c->config->compression;
  int bits = c->tx.window & WS_BITS;
  int own = c->config->role == WS_CLIENT ? how->client_max_window_bits
                                         : how->server_max_window_bits;
  if (own > 0 && bits > own) bits = own;
  if (bits < 9) bits = 9;
  return borrow(c, (settings){bits, how->level, how->mem_level});
}

/* ---- bytes */

static uInt piece (size_t n) { return n < BIG ? (uInt)n : (uInt)BIG; }

size_t ws_stream_deflate (ws_stream *s, const void *p, size_t n,
                          unsigned char *to, size_t room) {
  z_stream *z = &s->z;
  size_t left = n, space = room;
  z->next_in = (Bytef *)p; /* which zlib does not write to */
  z->next_out = to;
  do {
    uInt in = piece(left), out = piece(space);
    z->avail_in = in;
    z->avail_out = out;
    deflate(z, in == left ? Z_SYNC_FLUSH : Z_NO_FLUSH);
    left -= in - z->avail_in;
    space -= out - z->avail_out;
  } while (space > 0 && (left > 0 || z->avail_out == 0));
  return left > 0 || z->avail_out == 0 ? 0 : room - space;
}

ws_inflated ws_stream_inflate (ws_stream *s, ws_flow *f) {
  z_stream *z = &s->z;
  int r;
  z->next_in = (Bytef *)f->in;
  z->next_out = f->out;
  do {
    uInt in = piece(f->nin), out = piece(f->nout);
    z->avail_in = in;
    z->avail_out = out;
    r = inflate(z, Z_SYNC_FLUSH);
    f->nin -= in - z->avail_in;
    f->nout -= out - z->avail_out;
  } while (r == Z_OK && f->nin > 0 && f->nout > 0);
  f->in = z->next_in;
  f->out = z->next_out;
  if (r == Z_STREAM_END) { /* what follows may refer to what was before */
    inflateResetKeep(z);
    return FINAL_BLOCK;
  }
  return r == Z_OK || r == Z_BUF_ERROR ? INFLATED : BROKEN_STREAM;
}

/* data_type: 128 is added behind the end of a block, 7 are unused bits. */
int ws_stream_between (const ws_stream *s) {
  return (s->z.data_type & 128) != 0;
}
