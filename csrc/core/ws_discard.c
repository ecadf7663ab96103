/*
** ws_discard.c - after our own Close frame: discards everything but the peer's
** Close (RFC 6455 section 5.5.1). What was whole by then, in.whole bytes from
** rd, stays to be received.
**
** in.walked counts from rd to the frame that comes next, which may not have
** arrived.
*/
#include <string.h>

#include "ws_close.h"
#include "ws_in.h"
#include "ws_recv.h"

/* One frame: 1, 0 (it is not here), WS_END, WS_ENOMEM or WS_ERANDOM. */
static int discard_frame (ws_conn *c) {
  ws_frame f;
  if (c->in.walked >= ws_in_unread(c)) return 0;
  size_t walked = (size_t)c->in.walked, n = ws_in_unread(c) - walked;
  const unsigned char *p = c->in.p + c->in.rd + walked;
  int r = ws_frame_next(c, &f, p, n, c->walk.in_message);
  if (r == WS_END) return ws_fail(c, 1002, f.rule);
  if (r == 0) return 0;
  if (ws_is_control(f.opcode))
    r = ws_control(c, &f, p, n);
  else
    c->walk.in_message = !f.fin;
  if (r > 0) c->in.walked += f.size + f.length;
  return r;
}

/* The bytes between in.whole and in.walked leave the buffer, as far as they are
   here. What stays behind them is a frame header or a control frame that is not
   whole. */
static void drop_walked (ws_conn *c) {
  ws_in *in = &c->in;
  size_t here = ws_in_unread(c); /* never below in->whole */
  if (in->walked > here) {
    in->walked -= here - in->whole;
    in->wr = in->rd + in->whole;
  } else {
    size_t walked = (size_t)in->walked, n = here - walked;
    if (n > 0) /* else in->p may be NULL */
      memmove(in->p + in->rd + in->whole, in->p + in->rd + walked, n);
    in->wr = in->rd + in->whole + n;
    in->walked = in->whole;
  }
}

int ws_discard (ws_conn *c) {
  int r;
  do r = discard_frame(c);
  while (r > 0);
  if (r == WS_END) {
    ws_in_cut(c, c->in.whole);
    r = 0;
  } else {
    drop_walked(c);
    if (c->in.whole == 0 && c->event == 0 && !ws_recv_arrived(c))
      ws_recv_forget(c);
  }
  ws_in_rest(c);
  if (r == 0) ws_in_settle(c);
  return r;
}
