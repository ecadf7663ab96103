/*
** ws_ping.h - pings and pongs, both ways (ws_ping.c).
*/
#ifndef ws_ping_h
#define ws_ping_h

#include "ws_conn.h"

#pragma GCC visibility push(hidden)

/* The peer's ping or pong, unmasked. 0, WS_ENOMEM or WS_ERANDOM. */
int ws_pinged (ws_conn *c, const unsigned char *p, size_t n);
void ws_pong_received (ws_conn *c, const unsigned char *p, size_t n);
/* Queues pongs that are due: those in order, once all before them have left the
   queue; or all at once, before our Close frame. 0 or WS_ENOMEM. */
int ws_pongs_enter (ws_conn *c);
int ws_pongs_last (ws_conn *c);
size_t ws_pongs_due (const ws_conn *c); /* their bytes */
void ws_pongs_free (ws_conn *c);
void ws_pings_free (ws_conn *c);

#pragma GCC visibility pop

#endif
