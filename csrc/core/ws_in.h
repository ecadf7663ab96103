/*
** ws_in.h - the receive buffer (ws_in.c).
*/
#ifndef ws_in_h
#define ws_in_h

#include "ws_conn.h"

#pragma GCC visibility push(hidden)

void ws_in_free (ws_conn *c);
static inline size_t ws_in_unread (const ws_conn *c) {
  return c->in.wr - c->in.rd; /* rd <= wr */
}
/* Gives the block back if nothing is kept and nothing unread. */
static inline void ws_in_rest (ws_conn *c) {
  const ws_in *in = &c->in;
  if (in->wr > in->rd || in->end > in->start) return;
  if (in->p && c->event == 0 && c->hs == NULL) ws_in_free(c);
}
/* The same; and moves what is little out of a block that others can use. To be
   called when nothing more can be done before other bytes arrive. */
void ws_in_settle (ws_conn *c);
/* The bytes at rd are used. */
static inline void ws_in_advance (ws_conn *c, size_t n) {
  c->in.rd += n;
  c->in.walked -= n < c->in.walked ? n : c->in.walked;
  c->in.whole -= n < c->in.whole ? n : c->in.whole;
}
/* Forgets all unread bytes but the first n. */
void ws_in_cut (ws_conn *c, size_t n);

#pragma GCC visibility pop

#endif
