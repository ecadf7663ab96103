/*
** ws_unpack.c - compressed messages in (RFC 7692 sections 6.2 and 7.2.2).
**
** The payload is inflated piece by piece as it arrives, into a buffer that
** lives as long as the message. Its size and its text are checked after each
** piece, so that no message takes more memory than its limit.
*/
#include <string.h>

#include "ws_close.h"
#include "ws_recv.h"
#include "ws_zip.h"

enum { FIRST = 256 }; /* size of the smallest buffer */

/* Deflate makes data that it cannot compress a little longer, and each flush
   adds some bytes. A message that takes more than this and twice its limit is
   padded on purpose. */
enum { SLACK = 65536 };

static size_t at_hand (const ws_conn *c) { return c->in.end - c->in.start; }

static int is_last (const ws_conn *c) {
  return c->rx.fin && c->rx.left == 0 && at_hand(c) == 0;
}

int ws_unpack_due (const ws_conn *c) {
  const ws_zip *z = c->zip;
  return at_hand(c) > 0 || z->full || (is_last(c) && !z->done);
}

int ws_swells (const ws_conn *c) {
  enum { SMALL = 64 }; /* deflate makes at most 1,032 times as much of it */
  return c->state == WS_OPENED && c->rx.window != 0 && c->event == 0 &&
         at_hand(c) + (c->in.wr - c->in.rd) > SMALL;
}

int ws_unpack_fits (const ws_conn *c, uint64_t more) {
  uint64_t max = c->config->max_message;
  uint64_t so_far = c->rx.compressed ? c->zip->size : 0;
  if (max > (UINT64_MAX - SLACK) / 2) return 1;
  max = 2 * max + SLACK;
  return more <= max && so_far <= max - more;
}

/* ---- one step */

/* Room for at least a byte behind what is inflated, which is less than `most`,
   the most that is wanted in all. The block only grows: it may be longer than
   `most`, if it was made for a larger one. */
static int grow_output (ws_conn *c, ws_zip *z, size_t most) {
  if (z->end < z->cap) return 1;
  size_t rest = most - z->cap; /* not below 1: cap is end, which is < most */
  size_t more = z->cap, input = at_hand(c);
  if (more == 0) more = input < rest / 8 ? 4 * input + 2 * FIRST : rest;
  if (more > rest) more = rest;
  void *p = ws_realloc(c, z->p, z->cap, z->cap + more);
  if (p == NULL) return 0;
  z->p = p;
  z->cap += more;
  return 1;
}

/* The next input of the inflater: payload or, after its end, the tail. */
static void next_input (const ws_conn *c, ws_flow *f) {
  f->nin = at_hand(c);
  if (f->nin > 0) {
    f->in = c->in.p + c->in.start;
  } else {
    f->in = ws_pack_tail + c->zip->tail;
    f->nin = is_last(c) ? sizeof ws_pack_tail - c->zip->tail : 0;
  }
}

static void consume (ws_conn *c, size_t n) {
  ws_zip *z = c->zip;
  if (at_hand(c) == 0) {
    z->tail += (unsigned char)n;
  } else {
    c->in.start += n;
    if (at_hand(c) == 0) c->in.start = c->in.end = c->in.rd;
  }
  if (n > 0) z->fed = 1;
}

/* The rules about what came out, in the order of its bytes. */
static int check_output (ws_conn *c, size_t from, size_t max, ws_inflated r) {
  ws_zip *z = c->zip;
  size_t limit = max > 0 ? SIZE_MAX : c->config->max_message;
  size_t end = z->end < limit ? z->end : limit;
  if (c->rx.opcode == WS_TEXT && end > from &&
      !ws_utf8(&c->rx.utf8, z->p + from, end - from))
    return ws_fail(c, 1007, "text is not UTF-8 (RFC 6455 8.1)");
  if (z->end > limit) return ws_fail(c, 1009, "message too big");
  if (r == BROKEN_STREAM)
    return ws_fail(c, 1007, "compressed data is broken (RFC 7692 7.2.2)");
  return 1;
}

static int inflate_some (ws_conn *c, size_t max, size_t most) {
  ws_zip *z = c->zip;
  ws_flow f;
  size_t from = z->end, end = z->cap < most ? z->cap : most, n;
  size_t room = end - from; /* from is below both: ws_unpack, grow_output */
  next_input(c, &f);
  f.out = z->p + from;
  f.nout = room;
  n = f.nin;
  ws_inflated r = ws_stream_inflate(z->inflater, &f);
  z->end += room - f.nout;
  z->full = f.nout == 0;
  consume(c, n - f.nin);
  if (r == FINAL_BLOCK) z->fed = z->full = 0;
  if (check_output(c, from, max, r) < 0) return WS_END;
  if (z->tail < sizeof ws_pack_tail || !z->fed) return 1;
  z->done = (unsigned char)ws_stream_between(z->inflater);
  if (z->done || z->full) return 1;
  return ws_fail(c, 1007, "compressed data ends early (RFC 7692 7.2.2)");
}

int ws_unpack (ws_conn *c, size_t max) {
  ws_zip *z = c->zip;
  size_t most = c->config->max_message;
  if (most < SIZE_MAX) most++; /* one more shows that it is too big */
  if (max > 0) most = max;
  if (z->start == z->end) z->start = z->end = 0;
  /* ws_next_part may have inflated more than a message may have */
  if (z->end >= most) return ws_fail(c, 1009, "message too big");
  if (is_last(c) && !z->full && !z->fed) { /* nothing, or a final block */
    z->done = 1;
    return 1;
  }
  if (z->inflater == NULL && (z->inflater = ws_inflater(c)) == NULL)
    return WS_ENOMEM;
  if (!grow_output(c, z, most)) return WS_ENOMEM;
  return inflate_some(c, max, most);
}
