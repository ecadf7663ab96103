/*
** ws_recv.h - frames in.
*/
#ifndef ws_recv_h
#define ws_recv_h

#include "ws_frame.h"

#pragma GCC visibility push(hidden)

/* ---- ws_recv.c: frames as events */
int ws_recv_next (ws_conn *c, ws_event *ev);
int ws_recv_part (ws_conn *c, ws_event *ev, size_t max);
void ws_recv_taken (ws_conn *c);

/* ---- ws_unpack.c: the payload of a compressed message, inflated */
/* All of these are for a message that is compressed (c->rx.compressed), which
   has a c->zip. Inflates what is at hand, p[start .. end) of c->in; up to
   max bytes, or 0: the whole message, within its limits. 1, WS_ENOMEM (call
   again), or WS_END when it has failed the connection. */
int ws_unpack (ws_conn *c, size_t max);
int ws_unpack_due (const ws_conn *c); /* is there something to be inflated? */
/* With that many more compressed bytes, can a message that is compressed be
   within its limit? */
int ws_unpack_fits (const ws_conn *c, uint64_t more);

/* ---- ws_walk.c */
/* An end that is held takes effect. 0; WS_ENOMEM or WS_ERANDOM: it stays
   held. */
int ws_release_end (ws_conn *c);

/* ---- ws_discard.c */
/* In state WS_CLOSING: handles control frames and drops all other input but the
   messages that were whole before. 0, WS_ENOMEM or WS_ERANDOM (call again). */
int ws_discard (ws_conn *c);

/* ---- ws_control.c */
/* Handles the control frame whose header is *f and which starts at p, with n
   bytes there. 1, 0 (not all of it is there), WS_END (it was a Close frame, or
   broke a rule), WS_ENOMEM or WS_ERANDOM (nothing happened). */
int ws_control (ws_conn *c, const ws_frame *f, const unsigned char *p,
                size_t n);
/* Has the message so far come to its end, inflated or not, given in part or
   not? */
static inline int ws_recv_arrived (const ws_conn *c) {
  return c->rx.opcode != 0 && c->rx.fin && c->rx.left == 0;
}
/* Forgets the message so far; and all that is unread. */
void ws_recv_forget (ws_conn *c);
void ws_recv_stop (ws_conn *c);

#pragma GCC visibility pop

#endif
