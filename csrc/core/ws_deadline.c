/*
** ws_deadline.c - the deadlines of a connection whose host tells the time: one
** for each stage, replaced by the next, moved by progress.
**
** The core has no clock. What happens between two calls leaves notes in
** c->news, and is taken to have happened at the time of the next call, which a
** host makes each turn. A deadline that has passed takes effect one call later:
** in between the host reads, so a host that was stopped for a while does not
** take live peers for dead ones.
*/
#include <limits.h>

#include "ws_recv.h"

enum {
  FRESH,
  SHAKING,  /* in the opening handshake */
  IDLE,     /* open; pings are due after some silence */
  PINGED,   /* ... and one is not answered */
  HELD,     /* an end is held */
  CLOSING,  /* waits for the peer's Close frame */
  DRAINING, /* closed, but bytes are still queued */
  ENDING,   /* waits for the peer to end the transport */
  OVER
};

static const double RETRY = 0.1; /* s, after a lack of memory */

static int ping_is_out (const ws_conn *c) {
  return c->clock->stage == PINGED ? PINGED : IDLE;
}

static int stage_of (const ws_conn *c) {
  if (ws_transport(c) == WS_DROP) return OVER;
  switch (c->state) {
    case WS_CONNECTING: return SHAKING;
    case WS_OPENED: return ws_end_held(c) ? HELD : ping_is_out(c);
    case WS_CLOSING: return CLOSING;
    default: return ws_queued(c) > 0 ? DRAINING : ENDING;
  }
}

static double after (double now, double seconds) {
  return seconds > 0 ? now + seconds : WS_NEVER;
}

/* The deadline of a stage that begins, or has made progress, now. */
static double due_in (const ws_conn *c, int stage, double now) {
  const ws_config *config = c->config;
  switch (stage) {
    case SHAKING: return after(now, config->handshake_timeout);
    case IDLE: return after(now, config->ping_interval);
    case PINGED: return after(now, config->ping_timeout);
    case OVER: return WS_NEVER;
    default: return after(now, config->close_timeout);
  }
}

static void enter (ws_conn *c, int stage, double now) {
  c->clock->stage = (unsigned char)stage;
  c->clock->due = due_in(c, stage, now);
  c->clock->passed = 0;
}

/* ---- progress */

/* The peer takes bytes that are queued before a ping, or cannot be heard since
   the host does not read. */
static int is_excused (const ws_conn *c, int news) {
  return !ws_wants_read(c) || (news & WS_MOVED && ws_queued(c) > 0);
}

/* Notes of an open connection what has come and what has left. */
static void follow_open (ws_conn *c, int news, double now) {
  ws_clock *k = c->clock;
  if (ws_queued(c) == 0)
    k->stuck = WS_NEVER;
  else if (news & WS_MOVED || k->stuck == WS_NEVER)
    k->stuck = now;
  if (news & WS_HEARD)
    enter(c, IDLE, now);
  else if (k->stage == PINGED && is_excused(c, news))
    enter(c, PINGED, now);
}

static void follow (ws_conn *c, int news, double now) {
  int stage = c->clock->stage;
  if (stage == IDLE || stage == PINGED)
    follow_open(c, news, now);
  else if (stage >= CLOSING && stage < OVER && news & WS_MOVED)
    enter(c, stage, now);
}

/* ---- deadlines */

/* A peer that accepts nothing is dead, though it may be talking. */
static double stuck_at (const ws_conn *c) {
  const ws_clock *k = c->clock;
  int open = k->stage == IDLE || k->stage == PINGED;
  if (!open || c->config->ping_interval <= 0 || ws_queued(c) == 0)
    return WS_NEVER;
  return after(k->stuck, c->config->ping_timeout);
}

static double deadline_of (const ws_conn *c) {
  double stuck = stuck_at(c);
  return stuck < c->clock->due ? stuck : c->clock->due;
}

static void send_ping (ws_conn *c, double now) {
  if (ws_ping(c, NULL, 0, NULL) == 0)
    enter(c, PINGED, now);
  else
    c->clock->due = now + RETRY;
}

static void release_end (ws_conn *c, double now) {
  if (ws_release_end(c) == 0) return;
  c->clock->due = now + RETRY;
  c->clock->passed = 0;
}

/* The deadline is over. */
static void expire (ws_conn *c, double now) {
  int silent = c->clock->stage == PINGED || stuck_at(c) <= now;
  if (silent)
    ws_abort(c, "ping timeout");
  else if (c->clock->stage == IDLE)
    send_ping(c, now);
  else if (c->clock->stage == HELD)
    release_end(c, now);
  else
    ws_abort(c, "timeout");
}

/* Whether the deadline has passed for the second time: a ping needs no second
   look. */
static int is_over (ws_conn *c, double now) {
  ws_clock *k = c->clock;
  int ping = k->stage == IDLE && stuck_at(c) > now;
  int over = now >= deadline_of(c), again = k->passed;
  k->passed = (unsigned char)over;
  return over && (again || ping);
}

static ws_clock *start (ws_conn *c) {
  ws_clock *k = c->clock;
  if (k) return k;
  k = ws_realloc(c, NULL, 0, sizeof *k);
  if (k == NULL) return NULL;
  k->stage = FRESH;
  k->stuck = WS_NEVER;
  c->clock = k;
  return k;
}

static void change_stage (ws_conn *c, double now) {
  int stage = stage_of(c);
  if (stage != c->clock->stage) enter(c, stage, now);
}

/* The host was held back from taking events and need not be any more. */
static int may_go_on (ws_conn *c) {
  if (!(c->news & WS_BACK) || !ws_wants_next(c)) return 0;
  c->news |= WS_BACK; /* until the host itself has asked */
  return 1;
}

double ws_deadline (ws_conn *c, double now) {
  int news = c->news;
  if (start(c) == NULL) return now + RETRY;
  c->news &= WS_BACK;
  change_stage(c, now);
  follow(c, news, now);
  if (is_over(c, now)) {
    expire(c, now);
    return now; /* something may be to be written, or the transport closed */
  }
  if (may_go_on(c) || c->clock->passed || c->clock->stage == OVER) return now;
  return deadline_of(c);
}

int ws_milliseconds (double deadline, double now) {
  double ms = (deadline - now) * 1000;
  if (deadline == WS_NEVER) return -1;
  if (!(ms > 0)) return 0;
  if (ms >= INT_MAX) return INT_MAX;
  int whole = (int)ms;
  return whole < ms ? whole + 1 : whole;
}
