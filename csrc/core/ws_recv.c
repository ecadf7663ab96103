/*
** ws_recv.c - frames in, as messages or as parts of messages (RFC 6455 sections
** 5.4 and 5.6).
**
** A message is put together in place: each payload is unmasked to where the
** message so far ends, checked while it is in the cache. The caller is given
** nothing that is not checked, so every broken rule fails the connection here.
** The payload of a compressed message stays there only until it is inflated,
** see ws_unpack.c.
*/
#include <string.h>

#include "ws_close.h"
#include "ws_in.h"
#include "ws_recv.h"
#include "ws_zip.h"

/* Bytes at rd that may be used: once our Close frame is queued, only those of
   messages that were whole by then. */
static size_t usable (const ws_conn *c) {
  return c->state == WS_CLOSING ? c->in.whole : ws_in_unread(c);
}

/* The message so far can be given to its end. */
static int is_whole (const ws_conn *c) {
  return ws_recv_arrived(c) && (!c->rx.compressed || c->zip->done);
}

/* Bytes of the message that can be given. */
static size_t here (const ws_conn *c) {
  return c->rx.compressed ? c->zip->end - c->zip->start
                          : c->in.end - c->in.start;
}

static int fail (ws_conn *c, unsigned code, const char *rule) {
  ws_fail(c, code, rule);
  ws_recv_stop(c);
  return WS_END;
}

/* With that many more bytes, may the message be within its limit? */
static int fits (const ws_conn *c, int compressed, uint64_t more) {
  if (compressed) return ws_unpack_fits(c, more);
  return more <= c->config->max_message &&
         c->in.end - c->in.start <= c->config->max_message - more;
}

static inline int check_limits (ws_conn *c, int compressed, uint64_t more,
                                size_t nfragments) {
  if (!fits(c, compressed, more)) return fail(c, 1009, "message too big");
  if (nfragments > c->config->max_fragments)
    return fail(c, 1009, "too many fragments");
  return 1;
}

static int begin_frame (ws_conn *c, const ws_frame *f) {
  if (f->compressed && ws_zip_get(c) == NULL) return WS_ENOMEM;
  if (c->rx.opcode == 0) {
    c->rx.opcode = f->opcode;
    c->rx.compressed = f->compressed;
  }
  if (c->rx.compressed) c->zip->size += f->length;
  c->rx.nfragments++;
  c->rx.fin = f->fin;
  c->rx.left = f->length;
  memcpy(c->rx.key, f->key, 4);
  ws_in_advance(c, f->size);
  if (c->in.start == c->in.end) /* the payload may stay where it is */
    c->in.start = c->in.end = c->in.rd;
  return 1;
}

static int control_frame (ws_conn *c, const ws_frame *f, size_t n) {
  int r = ws_control(c, f, c->in.p + c->in.rd, n);
  if (r == WS_END) ws_recv_stop(c);
  if (r == 1) ws_in_advance(c, f->size + (size_t)f->length);
  return r;
}

static int header (ws_conn *c, int in_parts) {
  size_t n = usable(c);
  ws_frame f;
  if (n == 0) return 0;
  int r = ws_frame_next(c, &f, c->in.p + c->in.rd, n, c->rx.opcode != 0);
  if (r == WS_END) return fail(c, 1002, f.rule);
  if (f.size > 0 && !ws_is_control(f.opcode) && !in_parts &&
      check_limits(c, c->rx.compressed | f.compressed, f.length,
                   c->rx.nfragments + 1) < 0)
    return WS_END;
  if (r == 0) return 0;
  if (ws_is_control(f.opcode)) return control_frame(c, &f, n);
  return begin_frame(c, &f);
}

/* The key as it applies n bytes further on. */
static void turn_key (unsigned char key[4], size_t n) {
  unsigned char k[4];
  for (size_t i = 0; i < 4; i++) k[i] = key[(n + i) & 3];
  memcpy(key, k, 4);
}

/* Moves n payload bytes to the end of the message so far, unmasked. */
static void take_payload (ws_conn *c, size_t n) {
  unsigned char *from = c->in.p + c->in.rd, *to = c->in.p + c->in.end;
  if (c->config->role == WS_SERVER) {
    ws_mask(to, from, n, c->rx.key, 0);
    if (n < c->rx.left) turn_key(c->rx.key, n);
  } else if (to != from) {
    memmove(to, from, n);
  }
  c->in.end += n;
  c->rx.left -= n;
  ws_in_advance(c, n);
  if (c->in.rd == c->in.wr) /* so that the next bytes need no move */
    c->in.rd = c->in.wr = c->in.end;
}

static int payload (ws_conn *c) {
  size_t n = usable(c), end = c->in.end;
  if (n > c->rx.left) n = (size_t)c->rx.left;
  if (n == 0) return 0;
  take_payload(c, n);
  if (c->rx.opcode == WS_TEXT && !c->rx.compressed &&
      !ws_utf8(&c->rx.utf8, c->in.p + end, n))
    return fail(c, 1007, "text is not UTF-8 (RFC 6455 8.1)");
  return 1;
}

/* Is there a part of at most max bytes that is worth giving? A compressed
   message is first inflated as far as that. */
static int has_part (const ws_conn *c, size_t max) {
  size_t n = here(c);
  if (!c->rx.compressed) return n > 0;
  return n >= max || (n > 0 && (c->zip->start > 0 || !ws_unpack_due(c)));
}

static int step (ws_conn *c, size_t max) {
  if (c->rx.compressed && ws_unpack_due(c)) {
    int r = ws_unpack(c, max);
    if (r == WS_END) ws_recv_stop(c);
    return r;
  }
  return c->rx.left > 0 ? payload(c) : header(c, max > 0);
}

/* Goes on until there is something to give, a part of at most max bytes or,
   with 0, a whole message: 1; 0: more bytes are needed. */
static int assemble (ws_conn *c, size_t max) {
  int r = 1;
  if (c->rx.opcode != 0 && max == 0) /* it may have been begun without limits */
    r = check_limits(c, c->rx.compressed, c->rx.compressed ? 0 : c->rx.left,
                     c->rx.nfragments);
  while (r > 0) {
    if (is_whole(c))
      return c->rx.utf8 == 0 ? 1
                             : fail(c, 1007, "text ends inside a character");
    if (max > 0 && has_part(c, max)) return 1;
    r = step(c, max);
  }
  return r;
}

/* There is nothing to give: 0 if more bytes may bring something, else what
   ws_next returns. */
static int nothing (ws_conn *c, int r) {
  if (r == 0 && c->state == WS_CLOSING) r = ws_discard(c);
  if (r < 0 && r != WS_END) return r;
  if (c->eof && c->state != WS_CLOSED) ws_no_more(c);
  if (c->state == WS_CLOSED) {
    ws_recv_stop(c);
    return WS_END;
  }
  ws_in_settle(c);
  return 0;
}

static const void *data_of (const ws_conn *c) {
  if (!c->rx.compressed) return c->in.p + c->in.start;
  return here(c) > 0 ? (const void *)(c->zip->p + c->zip->start) : "";
}

static int give (ws_conn *c, ws_event *ev, int type, size_t size) {
  ev->type = c->event = (unsigned char)type;
  ev->opcode = c->rx.opcode;
  ev->last = is_whole(c) && here(c) == size;
  ev->data = data_of(c);
  ev->size = size;
  return type;
}

/* Like assemble, but does nothing while an event is current: going on might
   break a rule, which forgets the message. */
static int available (ws_conn *c, size_t max) {
  return c->event != 0 ? 1 : assemble(c, max);
}

int ws_recv_next (ws_conn *c, ws_event *ev) {
  if (c->rx.parts)
    return ws_misuse(c, WS_ESTATE, "a message is being received in parts");
  int r = available(c, 0);
  if (r <= 0) return nothing(c, r);
  return give(c, ev, WS_MESSAGE, here(c));
}

int ws_recv_part (ws_conn *c, ws_event *ev, size_t max) {
  int r = available(c, max);
  if (r <= 0) return nothing(c, r);
  size_t n = c->event == WS_PART ? c->rx.part : here(c);
  c->rx.parts = 1;
  c->rx.part = n < max ? n : max;
  return give(c, ev, WS_PART, c->rx.part);
}

void ws_recv_taken (ws_conn *c) {
  int type = c->event;
  c->event = 0;
  if (type == WS_PART)
    *(c->rx.compressed ? &c->zip->start : &c->in.start) += c->rx.part;
  if (type == WS_MESSAGE || (is_whole(c) && here(c) == 0)) ws_recv_forget(c);
}
