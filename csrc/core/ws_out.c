/*
** ws_out.c - the out queue: one block of whole frames, perhaps with references
** to shared ones between them (ws_share.c), then perhaps a borrowed payload. An
** empty queue owns no memory, nor does one that is a piece of a run (ws_run.c).
*/
#include <string.h>

#include "ws_out.h"
#include "ws_run.h"
#include "ws_share.h"

enum { FIRST = 256 }; /* size of the smallest block */

static size_t used (const ws_out *o) { return o->end - o->start; }

static size_t room (const ws_out *o) {
  return o->cap > o->end ? o->cap - o->end : 0;
}

static void release (ws_conn *c) {
  ws_out *o = &c->out;
  if (ws_is_lent(o))
    ws_run_back(o);
  else if (o->p)
    ws_realloc(c, o->p, o->cap, 0);
  o->p = NULL;
  o->cap = o->start = o->end = 0;
}

/* Moves the queue from a run to a block with room for n bytes more. */
static int own (ws_conn *c, size_t n) {
  ws_out *o = &c->out;
  size_t queued = used(o), size = queued + n > FIRST ? queued + n : FIRST;
  unsigned char *p = ws_realloc(c, NULL, 0, size);
  if (p == NULL) return 0;
  memcpy(p, o->p + o->start, queued);
  release(c);
  o->p = p;
  o->cap = size;
  o->end = queued;
  return 1;
}

/* Bytes move to the front only when as many have left, or when the block grows
   anyway, so that moving them costs no more than queueing them. */
static int make_room (ws_conn *c, size_t n) {
  ws_out *o = &c->out;
  /* so that no sum below exceeds SIZE_MAX */
  if (o->cap > SIZE_MAX / 4 || n > SIZE_MAX / 4) return 0;
  if (ws_is_lent(o)) return own(c, n);
  int movable = o->start >= used(o);
  if (o->start > 0 && (movable || o->cap - used(o) < n)) {
    memmove(o->p, o->p + o->start, used(o));
    o->end = used(o);
    o->start = 0;
  }
  if (room(o) >= n) return 1;
  size_t size = o->cap * 2 > FIRST ? o->cap * 2 : FIRST;
  if (size < o->end + n) size = o->end + n;
  void *p = ws_realloc(c, o->p, o->cap, size);
  if (p == NULL) return 0;
  o->p = p;
  o->cap = size;
  return 1;
}

unsigned char *ws_out_room (ws_conn *c, size_t n) {
  ws_out *o = &c->out;
  if (o->nborrowed > 0 && ws_settle(c) < 0) return NULL;
  if (room(o) < n && !make_room(c, n)) return NULL;
  return o->p + o->end;
}

void ws_out_add (ws_conn *c, size_t n) { c->out.end += n; }

int ws_out_put (ws_conn *c, const void *p, size_t n) {
  if (n == 0) return 0;
  unsigned char *to = ws_out_room(c, n);
  if (to == NULL) return WS_ENOMEM;
  memcpy(to, p, n);
  ws_out_add(c, n);
  return 0;
}

int ws_settle (ws_conn *c) {
  ws_out *o = &c->out;
  size_t n = o->nborrowed;
  if (n == 0) return 0;
  if (room(o) < n && !make_room(c, n)) return WS_ENOMEM;
  memcpy(o->p + o->end, o->borrowed, n);
  o->end += n;
  o->nborrowed = 0;
  return 0;
}

int ws_out_pending (const ws_conn *c, ws_iov *v, int max) {
  const ws_out *o = &c->out;
  int n = 0;
  if (o->refs) {
    n = ws_refs_pending(o, v, max);
  } else if (used(o) > 0 && n < max) {
    v[n].base = o->p + o->start;
    v[n++].len = used(o);
  }
  if (o->nborrowed > 0 && n < max) {
    v[n].base = o->borrowed;
    v[n++].len = o->nborrowed;
  }
  return n;
}

void ws_sent (ws_conn *c, size_t n) {
  ws_out *o = &c->out;
  size_t total = used(o) + ws_refs_size(o->refs);
  if (n > 0) c->news |= WS_MOVED;
  if (n > total) {
    size_t some = n - total < o->nborrowed ? n - total : o->nborrowed;
    if (some > 0) o->borrowed += some;
    o->nborrowed -= some;
    n = total;
  }
  if (o->refs) n = ws_refs_sent(c, n);
  c->pong.left -= n < c->pong.left ? n : c->pong.left;
  o->start += n;
  if (used(o) == 0) release(c);
}

void ws_out_free (ws_conn *c) {
  ws_refs_free(c);
  release(c);
  memset(&c->out, 0, sizeof c->out);
  c->pong.left = c->pong.size = 0;
}
