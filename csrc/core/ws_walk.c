/*
** ws_walk.c - reading ahead: a second cursor walks from frame to frame before
** ws_next does and handles each control frame once (RFC 6455 section 5.5), for
** a host whose application is away.
**
** in.walked counts from rd to where the walk stands. That may lie beyond what
** has arrived, but only in the payload of a data frame. While it is 0 the walk
** begins where ws_next is. A control frame that is handled leaves the buffer:
** years of pings in front of an application that never receives are not taken
** for data that it is behind with.
*/
#include <string.h>

#include "ws_close.h"
#include "ws_in.h"
#include "ws_recv.h"

/* The frame at p, of which n bytes are here, goes over the gap before it. */
static void move_down (unsigned char *p, size_t n, const ws_frame *f,
                       size_t gap) {
  uint64_t size = f->size + f->length;
  if (gap > 0) memmove(p - gap, p, size < n ? (size_t)size : n);
}

/* The frame that comes next ends the connection: is that left to ws_next? */
static int leave_end (ws_conn *c) {
  c->walk.at_end = c->walk.hold;
  return c->walk.at_end;
}

void ws_hold_end (ws_conn *c, int on) {
  c->walk.hold = on != 0;
  c->walk.at_end &= c->walk.hold;
}

int ws_end_held (const ws_conn *c) {
  return c->walk.at_end && c->state == WS_OPENED;
}

static int broken (ws_conn *c, const char *rule) {
  return leave_end(c) ? 0 : ws_fail(c, 1002, rule);
}

/* Like ws_control. */
static int control (ws_conn *c, const ws_frame *f, const unsigned char *p,
                    size_t n) {
  int is_end = f->opcode == WS_CLOSE_FRAME && n >= f->size + f->length;
  return is_end && leave_end(c) ? 0 : ws_control(c, f, p, n);
}

/* One frame: 1; 0: the walk stands; or WS_END, WS_ENOMEM, WS_ERANDOM. *gap
   counts the bytes before the frame, at in.walked, that are not needed any
   more: they have arrived, so unread bytes are no fewer. */
static int walk_frame (ws_conn *c, size_t *gap) {
  ws_frame f;
  size_t here = ws_in_unread(c) - *gap;
  if (c->in.walked >= here) return 0;
  size_t walked = (size_t)c->in.walked, n = here - walked;
  unsigned char *p = c->in.p + c->in.rd + walked + *gap;
  int r = ws_frame_next(c, &f, p, n, c->walk.in_message);
  if (r == WS_END) return broken(c, f.rule);
  if (r == 0) return 0;
  if (ws_is_control(f.opcode)) {
    r = control(c, &f, p, n);
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
  size_t here = ws_in_unread(c) - gap;
  if (gap == 0) return;
  if (c->in.walked < here) {
    unsigned char *p = c->in.p + c->in.rd + (size_t)c->in.walked;
    memmove(p, p + gap, here - (size_t)c->in.walked);
  }
  c->in.wr -= gap;
  ws_in_rest(c);
}

static int read_ahead (ws_conn *c) {
  int r = 1;
  size_t gap = 0;
  if (c->in.walked == 0) {
    c->in.walked = c->rx.left;
    c->walk.in_message = c->rx.opcode != 0 && !c->rx.fin;
  }
  while (r > 0) {
    if (!c->walk.in_message && c->in.walked <= ws_in_unread(c) - gap)
      c->in.whole = (size_t)c->in.walked;
    r = walk_frame(c, &gap);
  }
  if (r != WS_END) {
    close_gap(c, gap);
    return r;
  }
  ws_in_cut(c, (size_t)c->in.walked); /* which has arrived: a frame was next */
  return 0;
}

int ws_ahead (ws_conn *c) {
  if (c->state == WS_CLOSING) return ws_discard(c);
  if (c->state != WS_OPENED) return 0;
  int r = read_ahead(c);
  if (r == 0) ws_in_settle(c);
  return r;
}

int ws_release_end (ws_conn *c) {
  ws_hold_end(c, 0);
  int r = ws_ahead(c);
  if (r < 0) c->walk.hold = c->walk.at_end = 1;
  return r;
}
