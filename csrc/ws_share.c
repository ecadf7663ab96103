/*
** ws_share.c - frames that many connections send: built once, referred to by
** count. Small ones are copied into the out queue all the same, since a
** reference costs more than they do.
**
** References stand between the bytes of the out queue: each knows how many of
** those go before it. A frame that comes while a message is being sent in
** fragments is held until that is complete (RFC 6455 section 5.4).
**
** For connections with permessage-deflate a frame has compressed variants, made
** when the first one needs it: from an empty history, so that they suit everyone
** with the same window.
*/
#include <string.h>

#include "ws_int.h"

enum { COPY = 2048, FIRST = 4, RSV1 = 0x40 };
enum { LEAST_WINDOW = 8, WINDOWS = 8 }; /* of 8 to 15 bits */

struct ws_shared {
  ws_alloc alloc;
  void *ud;
  ws_shared *packed[WINDOWS]; /* its variants; itself: that is no smaller */
  size_t users;
  size_t n;
  unsigned char header; /* size of its header */
  unsigned char p[];    /* header and payload */
};

typedef struct ref {
  ws_shared *frame;
  size_t before; /* bytes of the queue between the reference before and this */
} ref;

struct ws_refs {
  size_t cap, n;
  size_t sent;    /* bytes of the first frame that have left */
  size_t covered; /* sum of all before */
  size_t total;   /* bytes of all frames */
  ref q[];
};

/* A frame with room for a payload of so many bytes. */
static ws_shared *make (ws_alloc alloc, void *ud, size_t n) {
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
static ws_shared *fit (ws_shared *s, size_t n) {
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
  ws_shared *s = make(alloc, ud, n);
  if (s == NULL) return NULL;
  s->header = (unsigned char)ws_frame_build(s->p, 0x80 | opcode, n, NULL);
  if (n > 0) memcpy(s->p + s->header, p, n);
  return fit(s, n);
}

void ws_shared_free (ws_shared *s) {
  if (s == NULL || --s->users > 0) return;
  for (int i = 0; i < WINDOWS; i++)
    if (s->packed[i] != s) ws_shared_free(s->packed[i]);
  s->alloc(s->ud, s, sizeof *s + s->n, 0);
}

/* ---- compressed variants */

static int is_packed (const ws_shared *s) { return s->p[0] & RSV1; }

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
  ws_shared *v = make(s->alloc, s->ud, s->n + sizeof ws_pack_tail);
  if (v == NULL) return s;
  if (!pack(c, s, v, &size)) {
    ws_shared_free(v);
    return s;
  }
  v = fit(v, size);
  return v ? v : s;
}

/* What this connection gets of s. */
static ws_shared *suited (ws_conn *c, ws_shared *s) {
  int window = (c->out_window & WS_BITS) - LEAST_WINDOW;
  size_t n = s->n - s->header;
  if (c->out_window == 0 || n < c->config->compression.threshold) return s;
  if (s->packed[window] == NULL) s->packed[window] = new_variant(c, s);
  return s->packed[window];
}

/* ---- lists of references */

static size_t size_of (size_t cap) {
  return sizeof(ws_refs) + cap * sizeof(ref);
}

static int make_room (ws_conn *c, ws_refs **list, size_t more) {
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

static void append (ws_refs *a, ws_shared *s, size_t before) {
  a->q[a->n].frame = s;
  a->q[a->n++].before = before;
  a->covered += before;
  a->total += s->n;
  s->users++;
}

static void free_list (ws_conn *c, ws_refs **list) {
  ws_refs *a = *list;
  if (a == NULL) return;
  for (size_t i = 0; i < a->n; i++) ws_shared_free(a->q[i].frame);
  ws_realloc(c, a, size_of(a->cap), 0);
  *list = NULL;
}

static void drop_first (ws_refs *a) {
  a->total -= a->q[0].frame->n;
  ws_shared_free(a->q[0].frame);
  memmove(a->q, a->q + 1, --a->n * sizeof(ref));
  a->sent = 0;
}

size_t ws_refs_size (const ws_refs *a) { return a ? a->total - a->sent : 0; }

void ws_held_free (ws_conn *c) { free_list(c, &c->held); }

void ws_refs_free (ws_conn *c) {
  free_list(c, &c->out.refs);
  ws_held_free(c);
}

/* ---- sending */

static int refer (ws_conn *c, ws_shared *s) {
  ws_out *o = &c->out;
  if (ws_settle(c) < 0 || !make_room(c, &o->refs, 1)) return WS_ENOMEM;
  append(o->refs, s, o->end - o->start - o->refs->covered);
  return 0;
}

/* With context takeover the peer now remembers what our compressor has not
   seen: that has to begin anew. */
static int queue (ws_conn *c, ws_shared *s) {
  int r = s->n <= COPY ? ws_out_put(c, s->p, s->n) : refer(c, s);
  if (r == 0 && c->zip && is_packed(s)) c->zip->stale = 1;
  return r;
}

int ws_send_shared (ws_conn *c, ws_shared *s) {
  int r = ws_may_send(c);
  if (r < 0) return r;
  if (c->config->role == WS_CLIENT)
    return ws_misuse(c, WS_EINVAL, "a client masks each frame by itself");
  s = suited(c, s);
  if (c->out_opcode == 0 && c->held == NULL) return queue(c, s);
  if (!make_room(c, &c->held, 1)) return WS_ENOMEM;
  append(c->held, s, 0);
  return 0;
}

void ws_release_held (ws_conn *c) {
  if (c->held == NULL || c->out_opcode != 0) return;
  while (c->held->n > 0) {
    if (queue(c, c->held->q[0].frame) < 0) return; /* next time */
    drop_first(c->held);
  }
  free_list(c, &c->held);
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
    drop_first(a);
  }
  free_list(c, &c->out.refs);
  return bytes + n;
}
