/*
** ws_run.c - runs: small shared frames one behind the other, in the order in
** which they are sent. The out queue of a connection that gets one after the
** other is a piece of the run, so that it needs no memory of its own, and all
** connections write the same bytes, which stay in the processor's cache.
**
** A run is only appended to while anybody uses it. A pool has the one that
** the next frame is appended to.
*/
#include <stddef.h>
#include <string.h>

#include "ws_pool.h"
#include "ws_run.h"
#include "ws_share.h"

enum { RUN = 4096 }; /* size of a run; frames are at most half as long */

static ws_run *new_run (ws_pool *p) {
  ws_run *r = p->alloc(p->ud, NULL, 0, sizeof *r + RUN);
  if (r == NULL) return NULL;
  r->alloc = p->alloc;
  r->ud = p->ud;
  r->users = 1;
  r->used = 0;
  return r;
}

void ws_run_free (ws_run *r) {
  if (r && --r->users == 0) r->alloc(r->ud, r, sizeof *r + RUN, 0);
}

/* The pool's run, with room for n bytes; NULL without memory. */
static ws_run *with_room (ws_pool *p, size_t n) {
  ws_run *r = p->run;
  if (r && r->users == 1) r->used = 0; /* only the pool uses it */
  if (r && RUN - r->used >= n) return r;
  r = new_run(p);
  if (r == NULL) return NULL;
  ws_run_free(p->run);
  p->run = r;
  return r;
}

int ws_run_place (ws_pool *p, ws_shared *s) {
  if (s->run) return 1;
  ws_run *r = p && !p->closed ? with_room(p, s->n) : NULL;
  if (r == NULL) return 0;
  memcpy(r->p + r->used, s->p, s->n);
  s->run = r;
  s->at = r->used;
  r->used += s->n;
  r->users++;
  return 1;
}

/* ---- queues that are pieces of one */

static ws_run *run_of (const ws_out *o) {
  return (ws_run *)(void *)(o->p - offsetof(ws_run, p));
}

int ws_run_lend (ws_out *o, const ws_shared *s) {
  if (o->p == NULL && o->nborrowed == 0) {
    s->run->users++;
    o->p = s->run->p;
    o->start = s->at;
  } else if (o->p != s->run->p || o->end != s->at) {
    return 0;
  }
  o->end = s->at + s->n;
  return 1;
}

int ws_is_lent (const ws_out *o) { return o->p && o->cap == 0; }

void ws_run_back (ws_out *o) {
  ws_run_free(run_of(o));
  o->p = NULL;
}
