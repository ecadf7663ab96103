/*
** ws_share.c - sending frames that many connections share (ws_refs.c). Small
** frames are put into a run (ws_run.c), or copied into the out queue where that
** is no piece of one, since a reference costs more than a copy.
**
** A frame that comes while a message is being sent in fragments is held until
** that is complete (RFC 6455 section 5.4).
**
** For connections with permessage-deflate a frame has compressed variants. Each
** is made when the first connection needs it, from an empty history, so that
** all connections with the same window can use it.
*/
#include <string.h>

#include "ws_out.h"
#include "ws_send.h"
#include "ws_share.h"
#include "ws_zip.h"

enum { SMALL = 2048, RSV1 = 0x40, LEAST_WINDOW = 8 };

/* ---- compressed variants */

static int is_compressed (const ws_shared *s) { return s->p[0] & RSV1; }

/* Compresses the payload of s behind the longest header, then moves it behind
   its own: 1, or 0 if it would not be smaller. */
static int pack (ws_conn *c, const ws_shared *s, ws_shared *v, size_t *size) {
  size_t n = s->n - s->header, room = n + sizeof ws_pack_tail;
  ws_stream *z = ws_deflater(c);
  if (z == NULL) return 0;
  *size = ws_stream_deflate(z, s->p + s->header, n, v->p + WS_HEADER, room);
  ws_stream_back(c, z);
  if (*size == 0) return 0;
  *size -= sizeof ws_pack_tail;
  v->header = (unsigned char)ws_frame_build(v->p, s->p[0] | RSV1, *size, NULL);
  memmove(v->p + v->header, v->p + WS_HEADER, *size);
  return 1;
}

static ws_shared *new_variant (ws_conn *c, ws_shared *s) {
  size_t size;
  ws_shared *v = ws_shared_make(s->alloc, s->ud, s->n + sizeof ws_pack_tail);
  if (v == NULL) return s;
  if (!pack(c, s, v, &size)) {
    ws_shared_free(v);
    return s;
  }
  v = ws_shared_fit(v, size);
  return v ? v : s;
}

/* The variant of s for this connection. */
static ws_shared *suited (ws_conn *c, ws_shared *s) {
  int window = (c->tx.window & WS_BITS) - LEAST_WINDOW;
  size_t n = s->n - s->header;
  if (c->tx.window == 0 || n < c->config->compression.threshold) return s;
  if (s->variants[window] == NULL) s->variants[window] = new_variant(c, s);
  return s->variants[window];
}

/* ---- sending */

static int refer (ws_conn *c, ws_shared *s) {
  ws_out *o = &c->out;
  if (ws_settle(c) < 0 || !ws_refs_room(c, &o->refs, 1)) return WS_ENOMEM;
  /* the references cover bytes of the queue, so no more than there are */
  ws_refs_append(o->refs, s, o->end - o->start - o->refs->covered);
  return 0;
}

static int put (ws_conn *c, ws_shared *s) {
  if (ws_run_place(c->config->pool, s) && ws_run_lend(&c->out, s)) return 0;
  return ws_out_put(c, s->p, s->n);
}

/* With context takeover the peer now remembers what our compressor has not
   seen, so that has to be reset. */
static int queue (ws_conn *c, ws_shared *s) {
  int r = s->n <= SMALL ? put(c, s) : refer(c, s);
  if (r == 0 && c->zip && is_compressed(s)) c->zip->stale = 1;
  return r;
}

int ws_send_shared (ws_conn *c, ws_shared *s) {
  int r = ws_may_send(c);
  if (r < 0) return r;
  if (c->config->role == WS_CLIENT)
    return ws_misuse(c, WS_EINVAL, "a client masks each frame by itself");
  s = suited(c, s);
  if (c->tx.opcode == 0 && c->tx.held == NULL) return queue(c, s);
  if (!ws_refs_room(c, &c->tx.held, 1)) return WS_ENOMEM;
  ws_refs_append(c->tx.held, s, 0);
  return 0;
}

void ws_release_held (ws_conn *c) {
  if (c->tx.held == NULL || c->tx.opcode != 0) return;
  while (c->tx.held->n > 0) {
    if (queue(c, c->tx.held->q[0].frame) < 0) return; /* next time */
    ws_refs_drop(c->tx.held);
  }
  ws_refs_end(c, &c->tx.held);
}
