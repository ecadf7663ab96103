/*
** ws_refs.c - frames that many connections share, counted; and lists of
** references to them between the bytes of an out queue. Each reference knows
** how many of those bytes go before it.
*/
#include <string.h>

#include "ws_frame.h"
#include "ws_share.h"

enum { FIRST = 4 };

/* ---- frames */

ws_shared *ws_shared_make (ws_alloc alloc, void *ud, size_t n) {
  if (n > SIZE_MAX / 2) return NULL;
  ws_shared *s = alloc(ud, NULL, 0, sizeof *s + WS_HEADER + n);
  if (s == NULL) return NULL;
  memset(s, 0, sizeof *s);
  s->alloc = alloc;
  s->ud = ud;
  s->users = 1;
  s->n = WS_HEADER + n;
  return s;
}

/* Gives the rest of the room back: ws_shared_free has to tell the size. */
ws_shared *ws_shared_fit (ws_shared *s, size_t n) {
  ws_shared *less =
      s->alloc(s->ud, s, sizeof *s + s->n, sizeof *s + s->header + n);
  if (less == NULL) {
    ws_shared_free(s);
    return NULL;
  }
  less->n = less->header + n;
  return less;
}

ws_shared *ws_shared_new (ws_alloc alloc, void *ud, int opcode, const void *p,
                          size_t n) {
  ws_shared *s = ws_shared_make(ws_default(alloc), ud, n);
  if (s == NULL) return NULL;
  s->header = (unsigned char)ws_frame_build(s->p, 0x80 | opcode, n, NULL);
  if (n > 0) memcpy(s->p + s->header, p, n);
  return ws_shared_fit(s, n);
}

void ws_shared_free (ws_shared *s) {
  if (s == NULL || --s->users > 0) return;
  for (int i = 0; i < WINDOWS; i++)
    if (s->variants[i] != s) ws_shared_free(s->variants[i]);
  ws_run_free(s->run);
  s->alloc(s->ud, s, sizeof *s + s->n, 0);
}

/* ---- lists of references */

static size_t size_of (size_t cap) {
  return sizeof(ws_refs) + cap * sizeof(ref);
}

int ws_refs_room (ws_conn *c, ws_refs **list, size_t more) {
  size_t cap = *list ? (*list)->cap : 0, n = *list ? (*list)->n : 0;
  if (n + more <= cap) return 1;
  size_t size = cap ? cap * 2 : FIRST;
  while (size < n + more) size *= 2;
  ws_refs *a = ws_realloc(c, *list, cap ? size_of(cap) : 0, size_of(size));
  if (a == NULL) return 0;
  if (cap == 0) memset(a, 0, sizeof *a);
  a->cap = size;
  *list = a;
  return 1;
}

void ws_refs_append (ws_refs *a, ws_shared *s, size_t before) {
  a->q[a->n].frame = s;
  a->q[a->n++].before = before;
  a->covered += before;
  a->total += s->n;
  s->users++;
}

void ws_refs_end (ws_conn *c, ws_refs **list) {
  ws_refs *a = *list;
  if (a == NULL) return;
  for (size_t i = 0; i < a->n; i++) ws_shared_free(a->q[i].frame);
  ws_realloc(c, a, size_of(a->cap), 0);
  *list = NULL;
}

void ws_refs_drop (ws_refs *a) {
  a->total -= a->q[0].frame->n;
  ws_shared_free(a->q[0].frame);
  memmove(a->q, a->q + 1, --a->n * sizeof(ref));
  a->sent = 0;
}

size_t ws_refs_size (const ws_refs *a) { return a ? a->total - a->sent : 0; }

void ws_held_free (ws_conn *c) { ws_refs_end(c, &c->tx.held); }

void ws_refs_free (ws_conn *c) {
  ws_refs_end(c, &c->out.refs);
  ws_held_free(c);
}

/* ---- the out queue's side */

int ws_refs_pending (const ws_out *o, ws_iov *v, int max) {
  const ws_refs *a = o->refs;
  size_t at = o->start; /* in o->p, which is NULL while nothing is there */
  int n = 0;
  for (size_t i = 0; i < a->n && n < max; i++) {
    size_t skip = i == 0 ? a->sent : 0;
    if (a->q[i].before > 0) {
      v[n].base = o->p + at;
      v[n++].len = a->q[i].before;
      at += a->q[i].before;
    }
    if (n == max) return n;
    v[n].base = a->q[i].frame->p + skip;
    v[n++].len = a->q[i].frame->n - skip;
  }
  if (n < max && at < o->end) {
    v[n].base = o->p + at;
    v[n++].len = o->end - at;
  }
  return n;
}

size_t ws_refs_sent (ws_conn *c, size_t n) {
  ws_refs *a = c->out.refs;
  size_t bytes = 0; /* of the queue's own */
  while (a->n > 0) {
    size_t k = n < a->q[0].before ? n : a->q[0].before;
    a->q[0].before -= k;
    a->covered -= k;
    bytes += k;
    n -= k;
    size_t left = a->q[0].frame->n - a->sent;
    if (a->q[0].before > 0 || n < left) {
      if (a->q[0].before == 0) a->sent += n;
      return bytes;
    }
    n -= left;
    ws_refs_drop(a);
  }
  ws_refs_end(c, &c->out.refs);
  return bytes + n;
}
