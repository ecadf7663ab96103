/*
** ws_in.c - the receive buffer: one block, [kept | gap | unread | room].
**
** It grows as bytes arrive, never because a header promises them, and is given
** back as soon as nothing is in it: an idle connection owns none. Bytes are
** moved only when as many have been used before, so moving costs no more than
** receiving.
*/
#include <string.h>

#include "ws_int.h"

enum {
  FIRST = 16384, /* size of a new block */
  GOOD = 2048,   /* less room than this is not worth a read */
  SLACK = 512    /* beyond what the current message needs */
};

static size_t unread (const ws_in *in) { return in->wr - in->rd; }

static size_t used (const ws_in *in) {
  return in->end - in->start + unread(in);
}

/* Payload bytes of the message's last frame that have not arrived: once they
   are here the message is whole, so the block need not be larger. 0: unknown.
   (Other frames do not count: each would grow the block by just itself, which
   makes many small ones quadratic.) */
static uint64_t missing (const ws_conn *c) {
  size_t here = unread(&c->in);
  return c->fin && c->left > here ? c->left - here : 0;
}

/* Closes the gaps. */
static void compact (ws_in *in) {
  size_t kept = in->end - in->start, n = unread(in);
  if (kept > 0 && in->start > 0) memmove(in->p, in->p + in->start, kept);
  if (n > 0 && in->rd > kept) memmove(in->p + kept, in->p + in->rd, n);
  in->start = 0;
  in->end = in->rd = kept;
  in->wr = kept + n;
}

static int grow (ws_conn *c, size_t min) {
  ws_in *in = &c->in;
  size_t need = used(in);
  size_t size = in->cap == 0 ? FIRST : 2 * in->cap;
  uint64_t rest = missing(c);
  if (rest > 0 && rest < SIZE_MAX / 2 - need && need + rest + SLACK < size)
    size = need + (size_t)rest + SLACK;
  if (size < need + min) size = need + min;
  compact(in);
  if (size <= in->cap) return 1;
  void *p = ws_realloc(c, in->p, in->cap, size);
  if (p == NULL) return 0;
  in->p = p;
  in->cap = size;
  return 1;
}

static int make_room (ws_conn *c, size_t min) {
  ws_in *in = &c->in;
  size_t good = in->cap / 8 < GOOD ? in->cap / 8 : GOOD;
  uint64_t rest = missing(c);
  if (rest > 0 && rest < good) good = (size_t)rest;
  if (good < min) good = min;
  if (in->cap - in->wr >= good) return 1;
  if (in->wr - used(in) >= used(in) && in->cap - used(in) >= good) {
    compact(in);
    return 1;
  }
  return grow(c, min);
}

void *ws_reserve (ws_conn *c, size_t min, size_t *room) {
  ws_in *in = &c->in;
  if (min < 1) min = 1;
  if (in->cap > SIZE_MAX / 4 || min > SIZE_MAX / 4) return NULL;
  if (!make_room(c, min)) return NULL;
  *room = in->cap - in->wr;
  return in->p + in->wr;
}

void ws_commit (ws_conn *c, size_t n) {
  if (c->state != WS_CLOSED) c->in.wr += n;
  /* what it could not do for lack of memory is done by the next call */
  if (c->state == WS_CLOSING) ws_ahead(c);
  ws_in_rest(c);
}

size_t ws_unread (const ws_conn *c) { return unread(&c->in); }

int ws_waiting (const ws_conn *c) { return c->event != 0 || c->whole > 0; }

void ws_in_advance (ws_conn *c, size_t n) {
  c->in.rd += n;
  c->ahead -= n < c->ahead ? n : c->ahead;
  c->whole -= n < c->whole ? n : c->whole;
}

void ws_in_cut (ws_conn *c, size_t n) {
  if (n < unread(&c->in)) c->in.wr = c->in.rd + n;
  c->ahead = c->whole = unread(&c->in);
}

void ws_in_rest (ws_conn *c) {
  if (unread(&c->in) > 0 || c->in.end > c->in.start) return;
  if (c->event == 0 && c->hs == NULL) ws_in_free(c);
}

void ws_in_free (ws_conn *c) {
  if (c->in.p) ws_realloc(c, c->in.p, c->in.cap, 0);
  memset(&c->in, 0, sizeof c->in);
}
