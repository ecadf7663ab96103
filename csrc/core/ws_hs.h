/*
** ws_hs.h - the state of an opening handshake, and what both roles do with it.
** It exists from the first byte of a request (server) or from ws_request on
** (client) until the handshake is over.
*/
#ifndef ws_hs_h
#define ws_hs_h

#include "ws_conn.h"
#include "ws_http.h"

#pragma GCC visibility push(hidden)

struct ws_hs {
  ws_head_parser http;
  ws_body body;
  ws_head head;     /* what ws_http hands out */
  ws_fault fault;   /* why the message is refused */
  ws_field advice;  /* server: a field of the refusal, if it has a name */
  int phase;        /* steps of ws_hs_advance that are done */
  int given;        /* its event was; all of it stays until it is dealt with */
  int taken;        /* ... and is not given again */
  int asks;         /* server: its Upgrade lists websocket */
  int upgrade;      /* server: the request is a handshake */
  int expects;      /* server: the client awaits 100 Continue */
  ws_span *offered; /* server: the subprotocols offered */
  size_t noffered, cap;
  char accept[29];   /* client: the Sec-WebSocket-Accept that is right */
  char *protocols;   /* client: what it offered, as a list */
  size_t nprotocols; /* bytes of that */
  ws_span chosen;    /* client: the server's choice */
};

/* ---- the handshake, for ws_conn.c: called in state WS_CONNECTING and while
   one of its events is current (c->event is kept by ws_conn.c). Both work on
   c->in: unread bytes from rd, which they consume as they use them; c->eof says
   that no more will come, and on 0 ws_conn.c then ends the connection. */
int ws_server_next (ws_conn *c, ws_event *ev);
int ws_client_next (ws_conn *c, ws_event *ev);
/* The transport is gone: makes a refusal whose head is here the current
   event. */
void ws_client_lost (ws_conn *c);
void ws_hs_taken (ws_conn *c);      /* its current event is taken */
int ws_hs_waits (const ws_conn *c); /* a request that is, for its answer */
void ws_hs_abandon (ws_conn *c);    /* no event will come of it any more */
void ws_hs_free (ws_conn *c);       /* idempotent */

/* ---- ws_handshake.c */
ws_hs *ws_hs_new (ws_conn *c); /* c->hs, begun; NULL without memory */

/* One step of a handshake: HTTP_WHOLE when it is done, else a result to return,
   and the same step is made again later. HTTP_BAD: hs->fault is set. */
typedef http_result ws_hs_step (ws_conn *c, ws_hs *hs);
/* Makes the steps not made yet, up to a NULL: HTTP_WHOLE after the last. */
http_result ws_hs_advance (ws_conn *c, ws_hs_step *const *steps);
/* Holds a message against rules, up to a NULL: HTTP_WHOLE, or the first result
   that differs. */
http_result ws_hs_check (ws_conn *c, ws_hs_step *const *rules);

ws_hs_step ws_hs_read_head, ws_hs_read_body; /* two steps both roles have */

/* For ws_next, of a message that is not whole: 0 or WS_ENOMEM. */
int ws_hs_unfinished (http_result r);

/* Fills in an event about the message that is here. */
int ws_hs_event (ws_conn *c, ws_event *ev, int type);

/* What ws_http, ws_http_field and ws_offered tell, of what is here so far:
   there has to be a handshake, and an i-th of them. */
const ws_head *ws_hs_head (const ws_conn *c);
ws_field ws_hs_field (const ws_conn *c, size_t i);
ws_str ws_hs_offer (const ws_conn *c, size_t i);

/* The number of fields of this name, and the first one's value. */
size_t ws_hs_find (const ws_conn *c, const char *name, ws_str *value);

/* The elements of a list (RFC 9110 section 5.6.1): empty ones are skipped. 0 at
   the end. ws_list_next takes an element off the front of a list; ws_hs_each
   goes through all fields of a name, beginning with one of zeros. */
typedef struct ws_elements {
  size_t i;
  ws_str rest;
} ws_elements;
int ws_list_next (ws_str *rest, ws_str *element);
int ws_hs_each (const ws_conn *c, const char *name, ws_elements *w,
                ws_str *element);

/* How often the fields of this name list a token (case-insensitive). */
size_t ws_hs_lists (const ws_conn *c, const char *name, const char *token);

/* RFC 3986 section 3.2, without userinfo: a host, and a port perhaps. */
int ws_host_valid (ws_str host);

/* ---- ws_fields.c: heads that are written */

/* Checks a caller's fields: names, values, and that none is in taken (NULL at
   its end). 0, or WS_EINVAL with ws_error. */
int ws_fields_check (ws_conn *c, const ws_field *fields, size_t n,
                     const ws_str *taken);
int ws_fields_have (const ws_field *fields, size_t n, const char *name);

/* Text being written; with p NULL it is only counted. */
typedef struct ws_text {
  unsigned char *p;
  size_t n;
} ws_text;
void ws_text_put (ws_text *t, ws_str s);
void ws_text_lit (ws_text *t, const char *s);
void ws_text_field (ws_text *t, const char *name, ws_str value);
void ws_text_fields (ws_text *t, const ws_field *fields, size_t n);

/* Queues what a writer writes, whole or not at all (WS_ENOMEM). It is called
   twice, and has to write the same. */
typedef void ws_writer (ws_text *t, const void *what);
int ws_text_queue (ws_conn *c, ws_writer *writer, const void *what);

/* ---- ws_extension.c: permessage-deflate */
/* Server: the offers; client: the answer. Sets the connection's windows. */
ws_hs_step ws_extension_offers, ws_extension_answer;
/* Client: the field that offers, if anything is to be offered. */
void ws_extension_offer (ws_text *t, const ws_compression *own);

/* ---- ws_answer.c */
/* Refuses the request with hs->fault: queues the answer and ends the
   connection. WS_END or WS_ENOMEM. */
int ws_refuse (ws_conn *c);

#pragma GCC visibility pop

#endif
