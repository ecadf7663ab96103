/*
** ws_ping.c - pings and pongs, both ways (RFC 6455 sections 5.5.2 and 5.5.3).
**
** The newest pong that is due waits in a note, and is queued when no earlier
** one of ours is still unsent: a flood of pings makes nothing grow. Our own
** pings are remembered until they are answered, the oldest dropped first.
*/
#include <string.h>

#include "ws_int.h"

enum { FIRST = 64, MOST = 4096 }; /* bytes of records */

/* Records of pings in the order they were sent: a byte for the payload's size,
   the payload. The last is number c->serial. */
struct ws_pings {
  size_t cap, n;
  unsigned count;
  unsigned char p[];
};

/* ---- the peer's pings */

void ws_note_free (ws_conn *c) {
  if (c->note) ws_realloc(c, c->note, sizeof *c->note, 0);
  c->note = NULL;
  c->waiting = 0;
}

int ws_pinged (ws_conn *c, const unsigned char *p, size_t n) {
  if (c->sent || c->received || c->state == WS_CLOSED) return 0;
  if (c->note == NULL) c->note = ws_realloc(c, NULL, 0, sizeof *c->note);
  if (c->note == NULL) return WS_ENOMEM;
  memcpy(c->note->p, p, n);
  c->note->n = (unsigned char)n;
  c->waiting = 1;
  return 0;
}

int ws_pong (ws_conn *c) {
  if (!c->waiting || c->pong_left > 0 || c->out.nborrowed > 0) return 0;
  int r = ws_put_frame(c, 0x80 | WS_PONG_FRAME, c->note->p, c->note->n);
  if (r < 0) return r;
  ws_note_free(c);
  c->pong_left = c->out.end - c->out.start;
  return 0;
}

/* ---- our pings */

void ws_pings_free (ws_conn *c) {
  if (c->pings) ws_realloc(c, c->pings, sizeof(ws_pings) + c->pings->cap, 0);
  c->pings = NULL;
}

static void drop_records (ws_pings *a, size_t n, unsigned count) {
  a->n -= n;
  a->count -= count;
  memmove(a->p, a->p + n, a->n);
}

/* Room for a record of n bytes, as far as MOST allows. */
static int records_room (ws_conn *c, size_t n) {
  ws_pings *a = c->pings;
  size_t cap = a ? a->cap : 0, size = cap ? cap : FIRST;
  size_t need = (a ? a->n : 0) + n;
  while (size < need && size < MOST) size *= 2;
  if (size == cap) return 1;
  a = ws_realloc(c, a, cap ? sizeof *a + cap : 0, sizeof *a + size);
  if (a == NULL) return 0;
  if (cap == 0) a->n = a->count = 0;
  a->cap = size;
  c->pings = a;
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
    record(c->pings, p, n);
    c->serial++;
    if (serial) *serial = c->serial;
  }
  if (c->pings->count == 0) ws_pings_free(c);
  return r;
}

/* The peer may answer only the newest of several pings, so a pong answers all
   before it too, and of pings that are alike the newest; one that answers none
   is let go. */
void ws_pong_received (ws_conn *c, const unsigned char *p, size_t n) {
  ws_pings *a = c->pings;
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
  c->ponged = c->serial - (a->count - answered);
  drop_records(a, end, answered);
  if (a->count == 0) ws_pings_free(c);
}

uint64_t ws_ponged (const ws_conn *c) { return c->ponged; }
