/*
** ws_out.h - the out queue (ws_out.c).
*/
#ifndef ws_out_h
#define ws_out_h

#include "ws_conn.h"

#pragma GCC visibility push(hidden)

/* Room for n more bytes at the queue's end (a borrowed payload is settled
   first), or NULL. ws_out_add then says how many were written there. */
unsigned char *ws_out_room (ws_conn *c, size_t n);
void ws_out_add (ws_conn *c, size_t n);
int ws_out_put (ws_conn *c, const void *p, size_t n); /* 0 or WS_ENOMEM */
/* The pieces of the queue, at most max: how many. */
int ws_out_pending (const ws_conn *c, ws_iov *v, int max);
void ws_out_free (ws_conn *c);

#pragma GCC visibility pop

#endif
