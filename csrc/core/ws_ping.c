/*
** ws_ping.c - pings and pongs, both ways (RFC 6455 sections 5.5.2 and 5.5.3).
**
** Every ping is answered, in order, while at most 1 KiB of pongs is unsent.
** Beyond that only the newest is answered, after the others, so that a flood of
** pings makes nothing grow. Pongs stay here, framed, until those before them
** have left the out queue. Our own pings are remembered until they are
** answered; the oldest are dropped first.
*/
#include <string.h>

#include "ws_out.h"
#include "ws_ping.h"
#include "ws_send.h"

enum { FIRST = 64, MOST = 4096 }; /* bytes of records */

/* Most bytes of pongs that are due in order; bytes of the longest pong. */
enum { PONGS = 1024, LONGEST = 6 + WS_CONTROL };

/* Records of pings in the order they were sent: a byte for the payload's size,
   the payload. The last is number c->ping.serial. */
struct ws_pings {
  size_t cap, n;
  unsigned count;
  unsigned char p[];
};

/* Whole frames: n bytes of pongs in order, then the newest, which the next one
   replaces. */
struct ws_pongs {
  size_t cap, n;
  size_t newest; /* its size, 0: there is none */
  unsigned char p[];
};

/* ---- the peer's pings */

static size_t least (size_t a, size_t b) { return a < b ? a : b; }

void ws_pongs_free (ws_conn *c) {
  if (c->pong.due)
    ws_realloc(c, c->pong.due, sizeof(ws_pongs) + c->pong.due->cap, 0);
  c->pong.due = NULL;
}

/* Bytes of pongs in the out queue, or more. */
static size_t entered (const ws_conn *c) {
  return least(c->pong.left, c->pong.size);
}

size_t ws_pongs_due (const ws_conn *c) {
  return c->pong.due ? c->pong.due->n + c->pong.due->newest : 0;
}

size_t ws_queued_pongs (const ws_conn *c) {
  return entered(c) + ws_pongs_due(c);
}

/* Room for a pong of that size behind those in order. */
static int pongs_room (ws_conn *c, size_t size) {
  ws_pongs *a = c->pong.due;
  size_t cap = a ? a->cap : 0, more = cap ? 2 * cap : FIRST;
  size_t need = (a ? a->n : 0) + size; /* below PONGS + LONGEST */
  if (need <= cap) return 1;
  if (more < need) more = need;
  more = least(more, PONGS + LONGEST);
  a = ws_realloc(c, a, cap ? sizeof *a + cap : 0, sizeof *a + more);
  if (a == NULL) return 0;
  if (cap == 0) a->n = a->newest = 0;
  a->cap = more;
  c->pong.due = a;
  return 1;
}

/* Adds the newest to those in order, if there is room by now. */
static void keep_newest (ws_conn *c) {
  ws_pongs *a = c->pong.due;
  if (a == NULL || entered(c) + a->n + a->newest > PONGS) return;
  a->n += a->newest;
  a->newest = 0;
}

int ws_pinged (ws_conn *c, const unsigned char *p, size_t n) {
  unsigned char frame[LONGEST];
  size_t size;
  if (c->end.sent || c->end.received || c->state == WS_CLOSED) return 0;
  int r = ws_control_frame(c, frame, &size, 0x80 | WS_PONG_FRAME, p, n);
  if (r < 0) return r;
  keep_newest(c);
  if (!pongs_room(c, size)) return WS_ENOMEM;
  memcpy(c->pong.due->p + c->pong.due->n, frame, size);
  c->pong.due->newest = size;
  keep_newest(c);
  return 0;
}

/* Moves the first n bytes of the pongs that are due to the end of the out
   queue. */
static int enter (ws_conn *c, size_t n) {
  ws_pongs *a = c->pong.due;
  size_t before = entered(c);
  if (ws_out_put(c, a->p, n) < 0) return WS_ENOMEM;
  c->pong.left = c->out.end - c->out.start;
  c->pong.size = before + n;
  if (n == ws_pongs_due(c)) {
    ws_pongs_free(c);
  } else {
    memmove(a->p, a->p + n, a->newest);
    a->n = 0;
  }
  return 0;
}

int ws_pongs_enter (ws_conn *c) {
  if (c->pong.due == NULL || c->pong.left > 0 || c->out.nborrowed > 0) return 0;
  keep_newest(c);
  return enter(c, c->pong.due->n);
}

int ws_pongs_last (ws_conn *c) {
  return c->pong.due ? enter(c, ws_pongs_due(c)) : 0;
}

/* ---- our pings */

void ws_pings_free (ws_conn *c) {
  if (c->ping.unanswered)
    ws_realloc(c, c->ping.unanswered,
               sizeof(ws_pings) + c->ping.unanswered->cap, 0);
  c->ping.unanswered = NULL;
}

static void drop_records (ws_pings *a, size_t n, unsigned count) {
  a->n -= n;
  a->count -= count;
  memmove(a->p, a->p + n, a->n);
}

/* Room for a record of n bytes, as far as MOST allows. */
static int records_room (ws_conn *c, size_t n) {
  ws_pings *a = c->ping.unanswered;
  size_t cap = a ? a->cap : 0, size = cap ? cap : FIRST;
  size_t need = (a ? a->n : 0) + n;
  while (size < need && size < MOST) size *= 2;
  if (size == cap) return 1;
  a = ws_realloc(c, a, cap ? sizeof *a + cap : 0, sizeof *a + size);
  if (a == NULL) return 0;
  if (cap == 0) a->n = a->count = 0;
  a->cap = size;
  c->ping.unanswered = a;
  return 1;
}

static void record (ws_pings *a, const void *p, size_t n) {
  while (a->cap - a->n < 1 + n) drop_records(a, 1u + a->p[0], 1);
  a->p[a->n++] = (unsigned char)n;
  if (n > 0) memcpy(a->p + a->n, p, n);
  a->n += n;
  a->count++;
}

int ws_ping (ws_conn *c, const void *p, size_t n, uint64_t *serial) {
  int r = ws_may_send(c);
  if (r < 0) return r;
  if (n > WS_CONTROL)
    return ws_misuse(c, WS_EINVAL, "ping payload over 125 bytes");
  if (!records_room(c, 1 + n)) return WS_ENOMEM;
  r = ws_put_frame(c, 0x80 | WS_PING_FRAME, p, n);
  if (r == 0) {
    record(c->ping.unanswered, p, n);
    c->ping.serial++;
    if (serial) *serial = c->ping.serial;
  }
  if (c->ping.unanswered->count == 0) ws_pings_free(c);
  return r;
}

/* The peer may answer only the newest of several pings, so a pong answers its
   ping and all before it; of equal pings, the newest. A pong that answers none
   is ignored. */
void ws_pong_received (ws_conn *c, const unsigned char *p, size_t n) {
  ws_pings *a = c->ping.unanswered;
  size_t at = 0, end = 0;
  unsigned answered = 0;
  for (unsigned i = 0; a && i < a->count; i++) {
    const unsigned char *ping = a->p + at;
    at += 1u + *ping;
    if (*ping != n || memcmp(ping + 1, p, n) != 0) continue;
    end = at;
    answered = i + 1;
  }
  if (answered == 0) return;
  c->ping.answered = c->ping.serial - (a->count - answered);
  drop_records(a, end, answered);
  if (a->count == 0) ws_pings_free(c);
}

uint64_t ws_ponged (const ws_conn *c) { return c->ping.answered; }
