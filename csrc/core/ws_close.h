/*
** ws_close.h - Close frames, and how a connection ends (ws_close.c).
*/
#ifndef ws_close_h
#define ws_close_h

#include "ws_conn.h"

#pragma GCC visibility push(hidden)

/* The reason in the peer's Close frame, if there is one. */
struct ws_note {
  unsigned char n;
  unsigned char p[125];
};

void ws_note_free (ws_conn *c);
/* Queues a Close frame; code 0: none, and no reason. 0, WS_ENOMEM or
   WS_ERANDOM. */
int ws_put_close (ws_conn *c, unsigned code, const char *reason, size_t n);
/* The peer's Close frame, unmasked: recorded and echoed. 0, WS_ENOMEM or
   WS_ERANDOM (nothing happened). When it breaks a rule the connection fails. */
int ws_close_received (ws_conn *c, const unsigned char *p, size_t n);
/* Codes that are never in a frame (RFC 6455 section 7.4.1). */
enum { WS_NO_STATUS = 1005, WS_ABNORMAL = 1006 };

/* The transport has ended without a closing handshake: 1006. */
void ws_drop (ws_conn *c, const char *why);
/* The same at the end of what the peer sends; it may still be reading. */
void ws_no_more (ws_conn *c);
/* Fails the connection (RFC 6455 section 7.1.7) with this code and rule (a
   string that lives for ever); returns WS_END. In the opening handshake no
   Close frame goes out, just the end is noted. */
int ws_fail (ws_conn *c, unsigned code, const char *rule);
/* The handshake is over and there will be no WebSocket: refused by us with this
   status (server), by the server (client: status 0), or answered as plain HTTP.
   rule as in ws_fail. State becomes WS_CLOSED. */
void ws_ended (ws_conn *c, int status, const char *rule);
/* The handshake succeeded: frames from here on; hs is freed by the caller. */
void ws_opened (ws_conn *c);

#pragma GCC visibility pop

#endif
