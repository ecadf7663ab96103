/*
** ws_int.h - what the files of the protocol core share. ws.h is the contract.
**
**   ws_conn.c       life, state, memory of a connection; ws_next's dispatch
**   ws_in.c         the receive buffer
**   ws_frame.c      frame headers: parse (with all their rules) and build
**   ws_recv.c       frames in: messages, parts, control frames, reading ahead
**   ws_out.c        the out queue
**   ws_send.c       frames out: messages, pings, pongs
**   ws_close.c      the closing handshake, and failing a connection
**   ws_http.c       HTTP/1.1 heads and bodies, in place and incrementally
**   ws_handshake.c  the rules common to both roles, ws_head and its fields
**   ws_server.c     the server's side of the opening handshake
**   ws_client.c     the client's side
**   ws_mask.c ws_utf8.c ws_crypto.c   the pieces
*/
#ifndef ws_int_h
#define ws_int_h

#include "ws.h"

/* The receive buffer: [message so far | gap | unread | room]. */
typedef struct ws_in {
  unsigned char *p;
  size_t cap;
  size_t start, end;   /* the message so far */
  size_t rd, wr;       /* unread bytes */
} ws_in;

/* The out queue: bytes in p[start .. end), then what is left of a borrowed
   payload. */
typedef struct ws_out {
  unsigned char *p;
  size_t cap;
  size_t start, end;
  const unsigned char *borrowed;
  size_t nborrowed;
} ws_out;

typedef struct ws_hs ws_hs;        /* handshake state, while there is one */
typedef struct ws_pings ws_pings;  /* unanswered pings, while there are any */

struct ws_conn {
  const ws_config *config;
  ws_alloc alloc;
  void *ud;
  ws_in in;
  ws_out out;
  ws_hs *hs;
  ws_pings *pings;
  const char *error;     /* see ws_error */
  /* FRAME STATE: filled in by whoever writes the frame half; small types, for
     ten thousand idle connections pay for each byte */
  int state;             /* WS_CONNECTING ... */
};

/* ---- ws_conn.c: memory through the connection's allocator */
void *ws_realloc (ws_conn *c, void *p, size_t osize, size_t nsize);
int ws_rand (ws_conn *c, void *out, size_t n);   /* 0 or WS_ERANDOM */
int ws_misuse (ws_conn *c, int result, const char *rule);  /* sets error */

/* ---- ws_out.c */
/* Room for n more bytes at the queue's end (a borrowed payload is settled
   first), or NULL. ws_out_add then says how many were written there. */
unsigned char *ws_out_room (ws_conn *c, size_t n);
void ws_out_add (ws_conn *c, size_t n);
int ws_out_put (ws_conn *c, const void *p, size_t n);  /* 0 or WS_ENOMEM */
void ws_out_free (ws_conn *c);

/* ---- ws_in.c */
void ws_in_free (ws_conn *c);

/* ---- ws_close.c */
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

/* ---- the handshake, for ws_conn.c. Both work on c->in: unread bytes from rd,
   which they consume as they use them. */
int ws_server_next (ws_conn *c, ws_event *ev);
int ws_client_next (ws_conn *c, ws_event *ev);
void ws_hs_taken (ws_conn *c);   /* the current handshake event is taken */
void ws_hs_free (ws_conn *c);    /* idempotent */

#endif
