/*
** ws_close.c - how a connection ends: Close frames, failing, the end of the
** transport (RFC 6455 section 7). What a host does about it is in ws_end.c.
**
** Its facts are kept apart: sent, received, failed, eof, lost. Only ws_closed
** draws conclusions.
*/
#include <string.h>

#include "ws_close.h"
#include "ws_in.h"
#include "ws_ping.h"
#include "ws_send.h"
#include "ws_share.h"

/* May it stand in a Close frame? RFC 6455 section 7.4 and IANA's registry. */
int ws_is_code (unsigned code) {
  return (code >= 1000 && code <= 1003) || (code >= 1007 && code <= 1014) ||
         (code >= 3000 && code <= 4999);
}

void ws_note_free (ws_conn *c) {
  if (c->end.note) ws_realloc(c, c->end.note, sizeof *c->end.note, 0);
  c->end.note = NULL;
}

/* Earlier pings are answered first, since nothing may follow a Close frame. */
int ws_put_close (ws_conn *c, unsigned code, const char *reason, size_t n) {
  unsigned char p[WS_CONTROL];
  p[0] = (unsigned char)(code >> 8);
  p[1] = code & 0xFF;
  if (n > 0) memcpy(p + 2, reason, n);
  int r = ws_pongs_last(c);
  if (r == 0) r = ws_put_frame(c, 0x80 | WS_CLOSE_FRAME, p, code ? 2 + n : 0);
  if (r < 0) return r;
  c->end.sent = 1;
  ws_held_free(c);
  return 0;
}

/* The rule that this payload of a Close frame breaks, or NULL; *code is its
   code or, when it breaks one, the code to fail with. */
static const char *close_rule (const unsigned char *p, size_t n,
                               unsigned *code) {
  uint32_t state = 0;
  *code = n >= 2 ? (unsigned)p[0] << 8 | p[1] : n == 0 ? WS_NO_STATUS : 1002;
  if (n == 0) return NULL;
  if (n == 1) return "close payload of one byte (RFC 6455 5.5.1)";
  if (!ws_is_code(*code)) {
    *code = 1002;
    return "invalid close code (RFC 6455 7.4)";
  }
  if (ws_utf8(&state, p + 2, n - 2) && state == 0) return NULL;
  *code = 1007;
  return "close reason is not UTF-8 (RFC 6455 5.5.1)";
}

/* Sends the peer's code and reason back, as most implementations do: section
   5.5.1 asks for the code, and whoever began then sees what it said. */
static int answer_close (ws_conn *c, const unsigned char *p, size_t n) {
  if (n == 0) return ws_put_close(c, 0, NULL, 0);
  return ws_put_close(c, (unsigned)p[0] << 8 | p[1], (const char *)p + 2,
                      n - 2);
}

int ws_close_received (ws_conn *c, const unsigned char *p, size_t n) {
  unsigned code;
  ws_note *reason = NULL;
  const char *rule = close_rule(p, n, &code);
  if (c->lost) return 0; /* ws_abort has told how it ended */
  if (rule) return ws_fail(c, code, rule);
  if (n > 2) {
    reason = ws_realloc(c, NULL, 0, sizeof *reason);
    if (reason == NULL) return WS_ENOMEM;
    reason->n = (unsigned char)(n - 2);
    memcpy(reason->p, p + 2, n - 2);
  }
  int r = c->end.sent ? 0 : answer_close(c, p, n);
  if (r < 0) {
    if (reason) ws_realloc(c, reason, sizeof *reason, 0);
    return r;
  }
  c->end.note = reason;
  c->end.received = 1;
  c->end.code = (uint16_t)code;
  c->state = WS_CLOSED;
  return 0;
}

int ws_fail (ws_conn *c, unsigned code, const char *rule) {
  if (c->end.failed || c->lost) return WS_END;
  /* a Close frame that cannot be queued is left out: 7.1.7 allows it */
  if (c->state != WS_CONNECTING && !c->end.sent)
    ws_put_close(c, code, rule, strlen(rule));
  ws_pongs_free(c);
  ws_note_free(c);
  ws_held_free(c);
  c->end.failed = 1;
  c->end.code = (uint16_t)code;
  c->end.why = c->error = rule;
  c->state = WS_CLOSED;
  return WS_END;
}

void ws_drop (ws_conn *c, const char *why) {
  if (c->state == WS_CLOSING) ws_in_cut(c, c->in.whole);
  if (c->state == WS_CONNECTING) ws_in_cut(c, 0); /* no frames yet */
  ws_pongs_free(c);
  ws_held_free(c); /* the message that they wait for will not end */
  c->end.why = why;
  c->state = WS_CLOSED;
}

void ws_ended (ws_conn *c, int status, const char *rule) {
  c->end.status = (uint16_t)status;
  c->end.why = c->error = rule;
  c->state = WS_CLOSED;
  ws_in_cut(c, 0); /* discards what follows */
}

void ws_opened (ws_conn *c) { c->state = WS_OPENED; }

void ws_no_more (ws_conn *c) {
  ws_pongs_last(c); /* the peer may still be reading */
  ws_drop(c, "eof");
}

ws_closing ws_closed (const ws_conn *c) {
  ws_closing how = {0};
  int told = c->end.received && !c->end.failed; /* by the peer */
  how.code = c->end.code;
  if (told && c->end.note) {
    how.reason.p = (const char *)c->end.note->p;
    how.reason.n = c->end.note->n;
  } else if (!told) {
    how.reason.p = c->end.why;
    how.reason.n = strlen(c->end.why);
  }
  how.clean = c->end.sent && told;
  how.sent = c->end.sent;
  how.received = c->end.received;
  how.failed = c->end.failed;
  how.eof = c->eof;
  how.status = c->end.status;
  return how;
}
