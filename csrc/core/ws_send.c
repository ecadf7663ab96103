/*
** ws_send.c - frames out: messages, whole and in fragments (RFC 6455 sections
** 5.4, 5.6 and 6.1).
*/
#include <string.h>

#include "ws_out.h"
#include "ws_send.h"
#include "ws_share.h"
#include "ws_zip.h"

/* Writes a frame to `to`, which has room for WS_HEADER + n bytes: its size,
   or 0 without randomness. */
static size_t write_frame (ws_conn *c, unsigned char *to, int first,
                           const void *p, size_t n) {
  unsigned char key[4];
  int masked = c->config->role == WS_CLIENT;
  if (masked && ws_rand(c, key, 4) != 0) return 0;
  size_t size = ws_frame_build(to, first, n, masked ? key : NULL);
  if (masked)
    ws_mask(to + size, p, n, key, 0);
  else if (n > 0)
    memcpy(to + size, p, n);
  return size + n;
}

int ws_put_frame (ws_conn *c, int first, const void *p, size_t n) {
  if (n > SIZE_MAX - WS_HEADER) return WS_ENOMEM;
  unsigned char *to = ws_out_room(c, WS_HEADER + n);
  if (to == NULL) return WS_ENOMEM;
  size_t size = write_frame(c, to, first, p, n);
  if (size == 0) return WS_ERANDOM;
  ws_out_add(c, size);
  return 0;
}

int ws_control_frame (ws_conn *c, unsigned char p[6 + WS_CONTROL], size_t *size,
                      int first, const void *payload, size_t n) {
  *size = write_frame(c, p, first, payload, n);
  return *size > 0 ? 0 : WS_ERANDOM;
}

/* The header now, the payload by reference; nothing else is borrowed. */
static int put_borrowed (ws_conn *c, int first, const void *p, size_t n) {
  unsigned char *to = ws_out_room(c, WS_HEADER);
  if (to == NULL) return WS_ENOMEM;
  ws_out_add(c, ws_frame_build(to, first, n, NULL));
  c->out.borrowed = p;
  c->out.nborrowed = n;
  return 0;
}

static int check_order (ws_conn *c, int opcode) {
  if (opcode < WS_CONTINUATION || opcode > WS_BINARY)
    return ws_misuse(c, WS_EINVAL, "not the opcode of a data frame");
  if (opcode == WS_CONTINUATION && c->tx.opcode == 0)
    return ws_misuse(c, WS_ESTATE, "no fragmented message to go on with");
  if (opcode != WS_CONTINUATION && c->tx.opcode != 0)
    return ws_misuse(c, WS_ESTATE, "in the middle of a fragmented message");
  return 0;
}

static int check_text (ws_conn *c, uint32_t *state, const void *p, size_t n,
                       int more) {
  if (!ws_utf8(state, p, n)) return ws_misuse(c, WS_EUTF8, "text is not UTF-8");
  if (!more && *state != 0)
    return ws_misuse(c, WS_EUTF8, "text ends inside a character");
  return 0;
}

/* Queues a frame, compressed or not; 0 or an error. */
static int put (ws_conn *c, int opcode, const void *p, size_t n, int flags) {
  int first = opcode | (flags & WS_MORE ? 0 : 0x80);
  if (ws_pack_wanted(c, opcode, n, flags)) {
    int r = ws_pack(c, first, p, n, flags);
    if (r == 0) c->tx.compressed = flags & WS_MORE;
    ws_zip_rest(c);
    if (r <= 0) return r;
  }
  if (flags & WS_BORROW && c->config->role == WS_SERVER && n > 0)
    return put_borrowed(c, first, p, n);
  return ws_put_frame(c, first, p, n);
}

int ws_send (ws_conn *c, int opcode, const void *p, size_t n, int flags) {
  int more = flags & WS_MORE, r = ws_may_send(c);
  uint32_t utf8 = c->tx.utf8;
  if (r == 0) r = check_order(c, opcode);
  if (r < 0) return r;
  int kind = opcode == WS_CONTINUATION ? c->tx.opcode : opcode;
  if (kind == WS_TEXT && (r = check_text(c, &utf8, p, n, more)) < 0) return r;
  r = put(c, opcode, p, n, flags);
  if (r < 0) return r;
  c->tx.opcode = (unsigned char)(more ? kind : 0);
  c->tx.utf8 = more ? utf8 : 0;
  if (!more && c->tx.held) ws_release_held(c);
  return 0;
}
