/*
** ws_run.h - shared frames one behind the other, and out queues that are pieces
** of that (ws_run.c).
*/
#ifndef ws_run_h
#define ws_run_h

#include "ws_conn.h"

#pragma GCC visibility push(hidden)

typedef struct ws_run {
  ws_alloc alloc;
  void *ud;
  size_t users; /* frames, queues, and the pool */
  size_t used;  /* bytes; those before stay as they are */
  unsigned char p[];
} ws_run;

/* Appends the frame to the pool's run, unless it stands in one already: 1, or 0
   without pool or memory. */
int ws_run_place (ws_pool *p, ws_shared *s);
/* Queues the bytes of a frame that stands in a run: 1, or 0 if the queue is not
   empty and is not the piece of the run before the frame. */
int ws_run_lend (ws_out *o, const ws_shared *s);
int ws_is_lent (const ws_out *o); /* the queue's bytes are those of a run */
void ws_run_back (ws_out *o);     /* such a queue no longer uses the run */
void ws_run_free (ws_run *r);     /* gives one use up; r may be NULL */

#pragma GCC visibility pop

#endif
