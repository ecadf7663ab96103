/*
** ws_host.c - what the loop of a host asks of a connection: whether to read, to
** take events, to write, to close; and what it keeps there.
*/
#include "ws_conn.h"
#include "ws_hs.h"
#include "ws_in.h"

const char *ws_version (void) { return WS_VERSION; }

void ws_set_user (ws_conn *c, void *user) { c->user = user; }

void *ws_user (const ws_conn *c) { return c->user; }

/* Pongs do not count: they have a limit of their own. */
static int is_full (const ws_conn *c) {
  return ws_queued(c) - ws_queued_pongs(c) > c->config->max_queue;
}

/* The request was given to the host: what follows it waits for the answer. */
static int awaits_answer (const ws_conn *c) {
  return c->state == WS_CONNECTING && c->hs && c->hs->given;
}

/* While frames or a head are being assembled, unread bytes are few: the host
   takes the events. It reads on, however long a request's body may be. */
static int is_behind (const ws_conn *c) {
  if (c->state == WS_CONNECTING && !awaits_answer(c)) return 0;
  return ws_in_unread(c) > WS_READ_AHEAD;
}

int ws_wants_read (const ws_conn *c) {
  if (c->eof || c->lost || ws_end_held(c)) return 0;
  if (c->state >= WS_CLOSING) return 1; /* input is discarded */
  return !is_full(c) && !is_behind(c);
}

int ws_wants_next (ws_conn *c) {
  if (!is_full(c)) c->news &= (unsigned char)~WS_BACK;
  if (is_full(c)) c->news |= WS_BACK;
  return !is_full(c);
}

int ws_wants_write (const ws_conn *c) { return ws_queued(c) > 0; }

int ws_transport (const ws_conn *c) {
  int server = c->config->role == WS_SERVER;
  if (c->lost) return WS_DROP;
  if (c->state != WS_CLOSED || ws_queued(c) > 0) return WS_KEEP;
  if (c->eof) return WS_DROP;
  /* the server ends its side first (RFC 6455 section 7.1.1) */
  return server || !ws_closed(c).clean ? WS_SHUTDOWN : WS_KEEP;
}
