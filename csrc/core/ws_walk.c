/*
** ws_walk.c - a second cursor, which walks from frame to frame ahead of ws_next
** and handles each control frame once (RFC 6455 section 5.5), for a host whose
** application is away. After our own Close frame it discards everything but the
** peer's (section 5.5.1).
**
** in.walked counts from rd to where the walk stands, which may lie beyond what
** has arrived, but only in the payload of a data frame. While it is 0 the walk
** begins where ws_next is. A control frame that is handled leaves the buffer,
** so that years of pings in front of an application that never receives are not
** taken for data it is behind with.
*/
#include <string.h>

#include "ws_int.h"

static size_t unread (const ws_conn *c) { return c->in.wr - c->in.rd; }

/* No more is to come: what ws_next may still use stays. */
static int stop_at (ws_conn *c, size_t n) {
  ws_in_cut(c, n);
  return 0;
}

/* The frame at p, of which n bytes are here, goes over the gap before it. */
static void move_down (unsigned char *p, size_t n, const ws_frame *f,
                       size_t gap) {
  uint64_t size = f->size + f->length;
  if (gap > 0) memmove(p - gap, p, size < n ? (size_t)size : n);
}

/* The frame that comes next ends the connection: is that left to ws_next? */
static int leave_end (ws_conn *c) {
  c->walk.at_end = c->walk.hold && c->state == WS_OPENED;
  return c->walk.at_end;
}

void ws_hold_end (ws_conn *c, int on) {
  c->walk.hold = on != 0;
  c->walk.at_end &= c->walk.hold;
}

int ws_end_held (const ws_conn *c) {
  return c->walk.at_end && c->state == WS_OPENED;
}

/* One frame: 1; 0: the walk stands. *gap counts the bytes before the frame, at
   c->in.walked, that nobody needs any more. */
static int walk_frame (ws_conn *c, size_t *gap) {
  ws_frame f;
  if (c->in.walked >= unread(c) - *gap) return 0;
  size_t ahead = (size_t)c->in.walked, n = unread(c) - *gap - ahead;
  unsigned char *p = c->in.p + c->in.rd + ahead + *gap;
  size_t keep = c->state == WS_CLOSING ? c->in.whole : ahead;
  int r = ws_frame_parse(&f, p, n, c->config->role == WS_SERVER,
                         c->walk.in_message, c->rx.window);
  if (r == WS_END) {
    if (leave_end(c)) return 0;
    ws_fail(c, 1002, f.rule);
    *gap = 0;
    return stop_at(c, keep);
  }
  if (r == 0) return 0;
  if (ws_is_control(f.opcode)) {
    if (f.opcode == WS_CLOSE_FRAME && n >= f.size + f.length && leave_end(c))
      return 0;
    r = ws_control(c, &f, p, n);
    if (r == WS_END || (r == 1 && f.opcode == WS_CLOSE_FRAME)) {
      *gap = 0;
      return stop_at(c, keep);
    }
    if (r > 0) *gap += f.size + (size_t)f.length;
    return r;
  }
  move_down(p, n, &f, *gap);
  c->walk.in_message = !f.fin;
  c->in.walked += f.size + f.length; /* no overflow: lengths are below 2^63 */
  return 1;
}

/* What the walk has not come to follows what it has. */
static void close_gap (ws_conn *c, size_t gap) {
  if (gap == 0) return;
  if (c->in.walked < unread(c) - gap) {
    unsigned char *p = c->in.p + c->in.rd + (size_t)c->in.walked;
    memmove(p, p + gap, unread(c) - gap - (size_t)c->in.walked);
  }
  c->in.wr -= gap;
  ws_in_rest(c);
}

/* Keeps the messages that were whole when our Close frame was queued, and a
   frame header or control frame that is not whole yet. */
static void let_go (ws_conn *c) {
  ws_in *in = &c->in;
  if (c->in.walked > unread(c)) {
    c->in.walked -= unread(c) - c->in.whole;
    in->wr = in->rd + c->in.whole;
  } else {
    size_t ahead = (size_t)c->in.walked, n = unread(c) - ahead;
    if (n > 0) /* else in->p may be NULL */
      memmove(in->p + in->rd + c->in.whole, in->p + in->rd + ahead, n);
    in->wr = in->rd + c->in.whole + n;
    c->in.walked = c->in.whole;
  }
  if (c->in.whole == 0 && c->event == 0 && !ws_recv_arrived(c))
    ws_recv_forget(c);
  ws_in_rest(c);
}

int ws_ahead (ws_conn *c) {
  int r = 1;
  size_t gap = 0;
  if (c->state != WS_OPENED && c->state != WS_CLOSING) return 0;
  if (c->state == WS_OPENED && c->in.walked == 0) {
    c->in.walked = c->rx.left;
    c->walk.in_message = c->rx.opcode != 0 && !c->rx.fin;
  }
  while (r > 0) {
    if (c->state == WS_OPENED && !c->walk.in_message &&
        c->in.walked <= unread(c) - gap)
      c->in.whole = (size_t)c->in.walked;
    r = walk_frame(c, &gap);
  }
  close_gap(c, gap);
  if (c->state == WS_CLOSING) let_go(c);
  if (r == 0) ws_in_settle(c);
  return r;
}
