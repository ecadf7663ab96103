/*
** ws_send.h - frames out (ws_send.c, ws_pack.c).
*/
#ifndef ws_send_h
#define ws_send_h

#include "ws_frame.h"

#pragma GCC visibility push(hidden)

/* WS_ESTATE unless frames may be sent now, else 0. */
static inline int ws_may_send (ws_conn *c) {
  return c->state == WS_OPENED ? 0 : ws_not_open(c);
}

/* ---- ws_send.c */
/* Queues one frame, masked on a client; first is its first byte. 0, WS_ENOMEM
   or WS_ERANDOM. */
int ws_put_frame (ws_conn *c, int first, const void *p, size_t n);
/* Writes a control frame to p, masked on a client; *size is its size. 0 or
   WS_ERANDOM. */
int ws_control_frame (ws_conn *c, unsigned char p[6 + WS_CONTROL], size_t *size,
                      int first, const void *payload, size_t n);

/* ---- ws_pack.c: compressed frames */
/* Is the message that begins, or goes on, with this frame to be compressed? */
int ws_pack_wanted (const ws_conn *c, int opcode, size_t n, int flags);
/* Like ws_put_frame; 1: compressed it would not be smaller, send it plain. */
int ws_pack (ws_conn *c, int first, const void *p, size_t n, int flags);

#pragma GCC visibility pop

#endif
