/*
** ws_end.c - how a host ends a connection, or tells that its transport has
** ended. What has arrived by then takes effect first.
*/
#include "ws_close.h"
#include "ws_hs.h"
#include "ws_out.h"
#include "ws_recv.h"

enum { MAX_REASON = WS_CONTROL - 2 };

static int check_close (ws_conn *c, unsigned code, const char *reason,
                        size_t n) {
  uint32_t state = 0;
  if (code == 0 && n > 0)
    return ws_misuse(c, WS_EINVAL, "close reason without a code");
  if (code != 0 && !ws_is_code(code))
    return ws_misuse(c, WS_EINVAL, "close code not to be sent");
  if (n > MAX_REASON)
    return ws_misuse(c, WS_EINVAL, "close reason over 123 bytes");
  if (!ws_utf8(&state, reason, n) || state != 0)
    return ws_misuse(c, WS_EUTF8, "close reason is not UTF-8");
  return 0;
}

int ws_close (ws_conn *c, unsigned code, const char *reason, size_t n) {
  int r = check_close(c, code, reason, n);
  if (r < 0 || c->end.sent || c->state == WS_CLOSED) return r;
  if (c->state == WS_CONNECTING) {
    ws_ended(c, 0, "closed");
    ws_hs_abandon(c);
    return 0;
  }
  ws_hold_end(c, 0);
  r = ws_ahead(c); /* what was here before */
  if (r < 0 || c->state == WS_CLOSED) return r;
  r = ws_put_close(c, code, reason, n);
  if (r < 0) return r;
  c->state = WS_CLOSING;
  ws_discard(c); /* for lack of memory ws_next tries again */
  return 0;
}

void ws_eof (ws_conn *c) {
  int open = c->state == WS_OPENED || c->state == WS_CLOSING;
  c->eof = 1;
  /* for lack of memory ws_next tries again */
  if (open && ws_ahead(c) == 0 && c->state != WS_CLOSED && !ws_end_held(c)) {
    ws_no_more(c);
    ws_hs_abandon(c);
  }
}

void ws_abort (ws_conn *c, const char *why) {
  if (c->lost) return;
  ws_hold_end(c, 0);
  ws_ahead(c);
  if (c->config->role == WS_CLIENT) ws_client_lost(c);
  ws_out_free(c);
  if (c->state != WS_CLOSED) {
    ws_drop(c, why);
    ws_hs_abandon(c);
  }
  c->lost = 1;
}
