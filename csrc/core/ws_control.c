/*
** ws_control.c - handles control frames (RFC 6455 section 5.5), and forgets the
** message between whose frames they come. ws_recv.c, ws_walk.c and ws_discard.c
** need both.
*/
#include "ws_close.h"
#include "ws_in.h"
#include "ws_ping.h"
#include "ws_recv.h"
#include "ws_zip.h"

int ws_control (ws_conn *c, const ws_frame *f, const unsigned char *p,
                size_t n) {
  unsigned char payload[WS_CONTROL];
  size_t size = (size_t)f->length;
  int r = 0;
  if (n < f->size + size) return 0;
  ws_mask(payload, p + f->size, size, f->key, 0); /* no mask: a key of zeros */
  if (f->opcode == WS_PING_FRAME)
    r = ws_pinged(c, payload, size);
  else if (f->opcode == WS_PONG_FRAME)
    ws_pong_received(c, payload, size);
  else if ((r = ws_close_received(c, payload, size)) == 0)
    r = WS_END;
  return r < 0 ? r : 1;
}

/* ---- the message that is being received */

void ws_recv_forget (ws_conn *c) {
  if (c->rx.compressed) ws_unpack_end(c);
  c->rx.opcode = c->rx.fin = c->rx.parts = 0;
  c->rx.left = 0;
  c->rx.nfragments = 0;
  c->rx.utf8 = 0;
  c->in.start = c->in.end = c->in.rd;
}

void ws_recv_stop (ws_conn *c) {
  ws_recv_forget(c);
  ws_in_cut(c, 0);
  ws_in_rest(c);
  if (c->state == WS_CLOSED) ws_zip_free(c);
}
