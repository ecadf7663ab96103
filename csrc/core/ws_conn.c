/*
** ws_conn.c - makes and frees connections; asks the half that is at work,
** handshake or frames, for the next event; tells what is to be written and what
** has arrived.
*/
#include <string.h>

#include "ws_close.h"
#include "ws_hs.h"
#include "ws_in.h"
#include "ws_out.h"
#include "ws_ping.h"
#include "ws_recv.h"
#include "ws_share.h"
#include "ws_zip.h"

enum { DEFAULT_MESSAGE = 1 << 20, DEFAULT_FRAGMENTS = 16384 };
enum { DEFAULT_HEADER = 16384, DEFAULT_FIELDS = 100, DEFAULT_BODY = 65536 };
enum { DEFAULT_QUEUE = 1 << 20 }; /* bytes */
enum { HANDSHAKE_TIMEOUT = 10, PING_TIMEOUT = 20, CLOSE_TIMEOUT = 5 }; /* s */

static const ws_compression DEFAULT_COMPRESSION = {
    .server_no_context_takeover = 1,
    .client_no_context_takeover = 1,
    .server_max_window_bits = 12,
    .client_max_window_bits = 12,
    .level = 1,
    .mem_level = 5,
    .threshold = 256};

void ws_config_init (ws_config *config, int role) {
  memset(config, 0, sizeof *config);
  config->role = role;
  config->max_message = DEFAULT_MESSAGE;
  config->max_fragments = DEFAULT_FRAGMENTS;
  config->max_header = DEFAULT_HEADER;
  config->max_fields = DEFAULT_FIELDS;
  config->max_body = DEFAULT_BODY;
  config->compression = DEFAULT_COMPRESSION;
  config->max_queue = DEFAULT_QUEUE;
  config->handshake_timeout = HANDSHAKE_TIMEOUT;
  config->ping_timeout = PING_TIMEOUT;
  config->close_timeout = CLOSE_TIMEOUT;
}

size_t ws_size (void) { return sizeof(ws_conn); }

void ws_init (ws_conn *c, const ws_config *config, ws_alloc alloc, void *ud) {
  memset(c, 0, sizeof *c);
  c->config = config;
  c->alloc = ws_default(alloc);
  c->ud = ud;
  c->state = WS_CONNECTING;
  c->end.code = WS_ABNORMAL;
  c->end.why = c->error = "";
}

void ws_free (ws_conn *c) {
  if (c->state != WS_CLOSED) ws_drop(c, "freed");
  c->lost = 1;
  c->event = 0;
  ws_recv_forget(c);
  ws_hs_free(c);
  ws_in_free(c);
  ws_out_free(c);
  ws_pings_free(c);
  ws_pongs_free(c);
  ws_note_free(c);
  ws_zip_free(c);
  if (c->clock) ws_realloc(c, c->clock, sizeof *c->clock, 0);
  c->clock = NULL;
}

/* ---- events */

static int in_handshake (const ws_conn *c) {
  return c->state == WS_CONNECTING || c->event >= WS_REQUEST;
}

static int handshake_next (ws_conn *c, ws_event *ev) {
  int r = c->config->role == WS_SERVER ? ws_server_next(c, ev)
                                       : ws_client_next(c, ev);
  if (r == 0 && c->eof && !ws_hs_waits(c)) {
    ws_drop(c, "eof");
    r = WS_END;
  }
  if (r > 0) c->event = (unsigned char)r;
  if (r == 0) ws_in_settle(c);
  if (r == WS_END) {
    c->event = 0;
    ws_hs_free(c);
    ws_recv_stop(c);
  }
  return r;
}

int ws_next (ws_conn *c, ws_event *ev) {
  return in_handshake(c) ? handshake_next(c, ev) : ws_recv_next(c, ev);
}

int ws_next_part (ws_conn *c, ws_event *ev, size_t max) {
  if (max == 0) return ws_misuse(c, WS_EINVAL, "parts of no size");
  return in_handshake(c) ? handshake_next(c, ev) : ws_recv_part(c, ev, max);
}

void ws_taken (ws_conn *c) {
  if (c->event >= WS_REQUEST) {
    ws_hs_taken(c);
    c->event = 0;
  } else if (c->event != 0) {
    ws_recv_taken(c);
  }
  ws_in_rest(c);
}

/* ---- bytes */

void ws_commit (ws_conn *c, size_t n) {
  if (c->state != WS_CLOSED) c->in.wr += n;
  if (n > 0) c->news |= WS_HEARD;
  /* what it could not do for lack of memory is done by the next call */
  if (c->state == WS_CLOSING) ws_discard(c);
  ws_in_rest(c);
}

/* Pongs and shared frames enter the queue only now: what came meanwhile may
   have made some of them needless. */
int ws_pending (ws_conn *c, ws_iov *v, int max) {
  int r = c->pong.due ? ws_pongs_enter(c) : 0, n;
  if (c->tx.held) ws_release_held(c);
  n = ws_out_pending(c, v, max);
  return r < 0 && n == 0 ? r : n;
}

/* ---- state */

int ws_has_message (const ws_conn *c) {
  return c->event != 0 || c->in.whole > 0 || ws_recv_arrived(c);
}

int ws_state (const ws_conn *c) { return c->state; }

const char *ws_error (const ws_conn *c) { return c->error; }

int ws_in_parts (const ws_conn *c) { return c->rx.parts; }

size_t ws_queued (const ws_conn *c) {
  return c->out.end - c->out.start + c->out.nborrowed + ws_pongs_due(c) +
         ws_refs_size(c->out.refs);
}

size_t ws_held (const ws_conn *c) { return ws_refs_size(c->tx.held); }
