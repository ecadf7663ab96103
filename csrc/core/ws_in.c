/*
** ws_in.c - the receive buffer: one block, [kept | gap | unread | room].
**
** It grows as bytes arrive, never because a header promises them, and is given
** back as soon as nothing is in it: an idle connection owns none, and one that
** has half a frame, with a pool, not much more than that. Bytes are moved only
** when at least as many have been used before, or when they are few, so that
** moving costs no more than receiving.
*/
#include <string.h>

#include "ws_frame.h"
#include "ws_in.h"
#include "ws_pool.h"

enum {
  FIRST = 16384, /* size of a new block, without a pool */
  FEW = 8,       /* this part of the block is cheap to move */
  GOOD = 2048,   /* less room than this is not worth a read */
  SLACK = 512    /* beyond what the current message needs */
};

static size_t used (const ws_in *in) {
  return in->end - in->start + (in->wr - in->rd);
}

/* Payload bytes of the message's last frame that have not arrived: once they
   are here the message is whole, so the block need not be larger. 0: unknown.
   (Other frames do not count: each would grow the block by just itself, which
   makes many small ones quadratic.) */
static uint64_t missing (const ws_conn *c) {
  size_t here = ws_in_unread(c);
  return c->rx.fin && c->rx.left > here ? c->rx.left - here : 0;
}

/* Closes the gaps. */
static void compact (ws_in *in) {
  size_t kept = in->end - in->start, n = in->wr - in->rd;
  if (kept > 0 && in->start > 0) memmove(in->p, in->p + in->start, kept);
  if (n > 0 && in->rd > kept) memmove(in->p + kept, in->p + in->rd, n);
  in->start = 0;
  in->end = in->rd = kept;
  in->wr = kept + n;
}

static size_t first_size (const ws_conn *c) {
  return c->config->pool ? WS_BLOCK : FIRST;
}

/* Moves all that is used to the front of another block. */
static void move_to (ws_in *in, unsigned char *p, size_t size) {
  size_t kept = in->end - in->start, n = in->wr - in->rd;
  if (kept > 0) memcpy(p, in->p + in->start, kept);
  if (n > 0) memcpy(p + kept, in->p + in->rd, n);
  in->p = p;
  in->cap = size;
  in->start = 0;
  in->end = in->rd = kept;
  in->wr = kept + n;
}

/* The size of a block that the whole current message fits into; 0: unknown. */
static size_t whole_size (const ws_conn *c) {
  uint64_t rest = missing(c);
  size_t need = used(&c->in);
  if (rest == 0 || rest > SIZE_MAX / 2 - need) return 0;
  return need + (size_t)rest + SLACK;
}

static int grow (ws_conn *c, size_t min) {
  ws_in *in = &c->in;
  size_t need = used(in), cap = in->cap, whole = whole_size(c);
  size_t size = 2 * cap;
  if (whole > 0 && whole < size) size = whole;
  if (size < need + min) size = need + min;
  if (size < first_size(c)) size = first_size(c);
  if (size <= cap) {
    compact(in);
    return 1;
  }
  unsigned char *old = in->p, *p = ws_block_take(c, &size, whole);
  if (p == NULL) return 0;
  move_to(in, p, size);
  if (old) ws_block_back(c, old, cap);
  return 1;
}

static int find_room (ws_conn *c, size_t min) {
  ws_in *in = &c->in;
  size_t good = in->cap / 8 < GOOD ? in->cap / 8 : GOOD;
  uint64_t rest = missing(c);
  if (in->cap < first_size(c)) return grow(c, min);
  if (rest > 0 && rest < good) good = (size_t)rest;
  if (good < min) good = min;
  if (in->cap - in->wr >= good) return 1;
  if (in->wr - used(in) >= used(in) && in->cap - used(in) >= good) {
    compact(in);
    return 1;
  }
  return grow(c, min);
}

/* Limits the room to the rest of the current frame, a header and WS_READ_AHEAD
   bytes, however large the block is. One byte more shows that a read of exactly
   such a frame has come up short. */
static size_t limited (const ws_conn *c, size_t room, size_t min) {
  uint64_t here = ws_in_unread(c), most = WS_READ_AHEAD + WS_HEADER + 1;
  if (c->rx.left > here) most += c->rx.left - here;
  if (most < min) most = min;
  return room < most ? room : (size_t)most;
}

void *ws_reserve (ws_conn *c, size_t min, size_t *room) {
  ws_in *in = &c->in;
  if (min < 1) min = 1;
  if (in->cap > SIZE_MAX / 4 || min > SIZE_MAX / 4) return NULL;
  if (!find_room(c, min)) return NULL;
  *room = limited(c, in->cap - in->wr, min);
  return in->p + in->wr;
}

size_t ws_unread (const ws_conn *c) { return ws_in_unread(c); }

void ws_in_cut (ws_conn *c, size_t n) {
  if (n < ws_in_unread(c)) c->in.wr = c->in.rd + n;
  n = ws_in_unread(c);
  if (c->in.walked > n) c->in.walked = n;
  if (c->in.whole > n) c->in.whole = n;
}

void ws_in_settle (ws_conn *c) {
  ws_in *in = &c->in;
  size_t n = used(in), cap = in->cap;
  unsigned char *old = in->p, *p;
  ws_in_rest(c);
  if (in->p == NULL || c->config->pool == NULL || c->event != 0) return;
  if (n == 0 || n > in->cap / FEW) return;
  p = ws_realloc(c, NULL, 0, n);
  if (p == NULL) return; /* it stays where it is */
  move_to(in, p, n);
  ws_block_back(c, old, cap);
}

/* The walk may stand beyond what has arrived, so it stays where it is. */
void ws_in_free (ws_conn *c) {
  ws_in *in = &c->in;
  if (in->p) ws_block_back(c, in->p, in->cap);
  in->p = NULL;
  in->cap = in->start = in->end = in->rd = in->wr = 0;
}
