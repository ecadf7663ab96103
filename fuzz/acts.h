/*
** acts.h - what a host does with a connection: one call each, with random
** arguments, told to the model and held against it.
*/
#ifndef acts_h
#define acts_h

#include "model.h"

enum { SIDES = 2, FRAMES = 2, LOANS = 64 };

/* A frame that both may send, and what it says. */
typedef struct shared {
  ws_shared *frame;
  message m;
} shared;

/* Blocks that were lent to a connection by WS_BORROW. */
typedef struct loans {
  uint8_t *p[LOANS];
  size_t n;
} loans;

typedef struct world {
  input in;
  side sides[SIDES];
  bytes
      wire[SIDES]; /* bytes that the peer has sent and that have not arrived */
  loans loans[SIDES];
  shared frames[FRAMES];
  ws_pool *pool;
  unsigned nframes;
  double now; /* what ws_deadline is told */
} world;

/* A result is one of those that are listed, and failures have a cause. */
typedef struct causes {
  size_t memory, random;
} causes;

static causes before (void) {
  return (causes){memory_faults.failed, random_faults.failed};
}

static int result (int r, causes b) {
  trace("    = %d\n", r);
  assert(r >= WS_ERANDOM);
  if (r == WS_ENOMEM) assert(memory_faults.failed > b.memory);
  if (r == WS_ERANDOM) assert(random_faults.failed > b.random);
  return r;
}

/* ---- bytes in */

static void arrive (side *s, const uint8_t *p, size_t n, size_t min) {
  causes b = before();
  size_t room = 0;
  if (min < n) min = n;
  uint8_t *to = ws_reserve(s->c, min, &room);
  s->moved = 1; /* now the event has to be asked for anew */
  if (to == NULL) {
    assert(memory_faults.failed > b.memory);
    return;
  }
  assert(room >= min && room >= 1);
  if (n > 0) memcpy(to, p, n);
  if (ws_state(s->c) != WS_CLOSED) {
    s->fed += n;
    if (s->opened)
      decode(&s->in, p, n);
    else
      bytes_add(&s->first, p, n);
  }
  ws_commit(s->c, n);
}

/* From the wire; what there was no memory for is still on it. */
static void some_arrives (world *w, int i, size_t n) {
  side *s = &w->sides[i];
  size_t fed = s->fed, min = take(&w->in) < 64 ? take_size(&w->in) : 0;
  bytes *wire = &w->wire[i];
  if (n > wire->n) n = wire->n;
  uint8_t *copy = malloc(n + 1);
  assert(copy != NULL);
  if (n > 0) memcpy(copy, wire->p, n);
  arrive(s, copy, n, min);
  free(copy);
  bytes_drop(wire, s->fed > fed || ws_state(s->c) == WS_CLOSED ? n : 0);
}

/* ---- events out */

/* What ws_next may return that is no event. */
static void no_event (side *s, int r, size_t max) {
  if (r == 0) check_drained(s, max);
  if (r == WS_ESTATE) assert(max == 0 && ws_in_parts(s->c));
  assert(r != WS_EINVAL && r != WS_EUTF8);
  assert(!s->ended || r == WS_END);
  if (r != WS_END || s->ended) return;
  check_state(s);
  now_ended(s);
}

/* max 0: ws_next. An event that is current is given again. */
static int next (side *s, size_t max) {
  causes b = before();
  ws_event ev = {0};
  int again = s->ev.type;
  int r = max > 0 ? ws_next_part(s->c, &ev, max) : ws_next(s->c, &ev);
  result(r, b);
  assert(r <= 0 || r == ev.type);
  check_state(s); /* it may have opened */
  if (again && (again == WS_PART) == (max > 0)) assert(r == again);
  if (r > 0)
    check_event(s, &ev, max);
  else
    no_event(s, r, max);
  return r;
}

static void taken (side *s) {
  ws_taken(s->c);
  now_taken(s);
}

/* Ends behind messages are held now and then. */
static void ahead (world *w, side *s) {
  unsigned how = take(&w->in);
  if (how >= 160) ws_hold_end(s->c, how & 1);
  causes b = before();
  int r = result(ws_ahead(s->c), b);
  assert(r == 0 || r == WS_ENOMEM || r == WS_ERANDOM);
}

static void take_all (side *s, size_t max) {
  while (next(s, max) > 0) {
    taken(s);
    check_side(s);
  }
}

/* ---- bytes out */

/* Writes at most that many bytes of what is pending; to: NULL, or what they are
   added to. */
static void drain (side *s, size_t most, bytes *to) {
  ws_iov v[WS_IOV + 7];
  size_t all = 0;
  causes b = before();
  int max = WS_IOV + (int)(most % 8), n = result(ws_pending(s->c, v, max), b);
  assert(n <= max && n != WS_END);
  if (n < 0) return;
  check_offered(s, v, n);
  all = s->offered.n;
  assert(ws_queued(s->c) >= all);
  if (most < all) all = most;
  bytes_out(s, s->offered.p, all);
  if (to) bytes_add(to, s->offered.p, all);
  ws_sent(s->c, all);
  bytes_drop(&s->offered, all);
}

static void drain_all (side *s, bytes *to) {
  size_t queued;
  do {
    queued = ws_queued(s->c);
    drain(s, SIZE_MAX, to);
  } while (ws_queued(s->c) < queued);
}

static void settle (world *w, int i) {
  causes b = before();
  loans *l = &w->loans[i];
  if (result(ws_settle(w->sides[i].c), b) != 0) return;
  while (l->n > 0) free(l->p[--l->n]);
}

/* A frame was queued: what its message says so far. */
static void queued_frame (side *s, int opcode, const uint8_t *p, size_t n,
                          int more) {
  if (opcode != WS_CONTINUATION) s->sending.opcode = opcode;
  bytes_add(&s->sending.data, p, n);
  if (more) return;
  *messages_new(&s->sent, 0) = s->sending;
  memset(&s->sending, 0, sizeof s->sending);
}

static void send_frame (world *w, int i) {
  input *in = &w->in;
  side *s = &w->sides[i];
  loans *l = &w->loans[i];
  unsigned how = take(in);
  int opcode = (int)(how % 4), flags = (int)(how >> 4);
  size_t n = take_size(in);
  uint8_t *p = payload(in, &n);
  if (l->n == LOANS) settle(w, i);
  if (l->n == LOANS) flags &= ~WS_BORROW;
  causes b = before();
  int r = result(ws_send(s->c, opcode, n ? p : NULL, n, flags), b);
  if (r == 0) queued_frame(s, opcode, p, n, flags & WS_MORE);
  if (flags & WS_BORROW)
    l->p[l->n++] = p;
  else
    free(p);
}

static void new_shared (world *w, shared *f) {
  input *in = &w->in;
  int opcode = 1 + (int)(take(in) % 2);
  char first[16];
  size_t n = take_size(in);
  uint8_t *p = payload(in, &n);
  ws_shared_free(f->frame);
  bytes_free(&f->m.data);
  snprintf(first, sizeof first, "%u:", w->nframes++); /* like no other */
  bytes_str(&f->m.data, first);
  bytes_add(&f->m.data, p, n);
  if (!is_text(f->m.data.p, f->m.data.n)) opcode = WS_BINARY;
  f->m.opcode = opcode;
  f->frame = ws_shared_new(count_alloc, NULL, opcode, f->m.data.p, f->m.data.n);
  free(p);
}

static void send_shared (side *s, const shared *f) {
  causes b = before();
  if (f->frame == NULL) return;
  if (result(ws_send_shared(s->c, f->frame), b) != 0) return;
  assert(s->config.role == WS_SERVER);
  message *m = messages_new(&s->shared, f->m.opcode);
  bytes_add(&m->data, f->m.data.p, f->m.data.n);
}

static void ping (world *w, side *s) {
  uint64_t serial = 0;
  size_t n = take_size(&w->in);
  uint8_t *p = payload(&w->in, &n);
  causes b = before();
  int r = result(ws_ping(s->c, n ? p : NULL, n, &serial), b);
  if (r == 0) {
    message *m = messages_new(&s->pings, 0);
    bytes_add(&m->data, p, n);
    assert(serial == s->pings.n && n <= 125);
  }
  free(p);
}

static void close_it (world *w, side *s) {
  static const unsigned codes[] = {0, 1000, 1001, 1005, 3000, 4999, 5000};
  unsigned how = take(&w->in), code = codes[how % 7];
  size_t n = how < 128 ? 0 : take_size(&w->in);
  uint8_t *p = payload(&w->in, &n);
  causes b = before();
  int r = result(ws_close(s->c, code, (char *)p, n), b);
  if (r == 0) assert(ws_state(s->c) >= WS_CLOSING);
  if (r == WS_EINVAL)
    assert(n > 123 || (code && !ws_is_code(code)) || (n && !code));
  if (r == WS_EUTF8) assert(!is_text(p, n));
  assert(r != WS_ESTATE && r != WS_END);
  free(p);
}

/* ---- ends */

static void abort_it (side *s) {
  ws_abort(s->c, "aborted");
  s->gone = 1;
  s->offered.n = 0;
}

/* Without a heartbeat, whose pings the model would not know. */
static void time_passes (world *w, side *s, unsigned seconds) {
  w->now += seconds / 8.0;
  double at = ws_deadline(s->c, w->now);
  int ms = ws_milliseconds(at, w->now);
  assert(at >= w->now && (ms < 0) == (at == WS_NEVER));
  if (ws_transport(s->c) != WS_DROP) return;
  assert(ws_state(s->c) == WS_CLOSED);
  s->gone = 1;
  s->offered.n = 0;
}

static void free_it (world *w, int i) {
  side *s = &w->sides[i];
  ws_free(s->c);
  s->gone = s->freed = 1;
  s->offered.n = 0;
  s->ev.type = 0;
  settle(w, i);
}

static ws_str string (const char *s) { return (ws_str){s, strlen(s)}; }

/* ---- begin and end */

static void world_begin (world *w, const uint8_t *data, size_t size) {
  memset(w, 0, sizeof *w);
  w->in = (input){data, size};
  faults_reset();
  w->pool = malloc(ws_pool_size());
  assert(w->pool != NULL);
  ws_pool_init(w->pool, count_alloc, NULL);
}

static void begin_side (side *s) {
  s->c = malloc(ws_size());
  assert(s->c != NULL);
  ws_init(s->c, &s->config, count_alloc, NULL);
  ws_set_user(s->c, s);
  check_side(s);
}

/* Everything is given back; nothing is left. */
static void world_end (world *w) {
  for (int i = 0; i < SIDES; i++) free_it(w, i);
  for (int i = 0; i < SIDES; i++) check_side(&w->sides[i]);
  for (int i = 0; i < FRAMES; i++) ws_shared_free(w->frames[i].frame);
  for (int i = 0; i < FRAMES; i++) bytes_free(&w->frames[i].m.data);
  ws_pool_free(w->pool);
  assert(allocated == 0);
  for (int i = 0; i < SIDES; i++) {
    free(w->sides[i].c);
    side_free(&w->sides[i]);
    bytes_free(&w->wire[i]);
  }
  free(w->pool);
}

static void fail_soon (faults *f, unsigned how) {
  f->after = how % 32;
  f->count = 1 + how / 32;
}

/* A byte for a whole program: half of them know no failures but those. */
static void fail_often (faults *f, unsigned how) {
  f->rate = how < 128 ? 0 : 2 + how % 16;
  f->state = how;
}

/* With FUZZ_TRACE set. */
static void trace_side (int i, const side *s) {
  trace("    %d: state %d, event %d, given %zu + %zu, in %zu, error %s\n", i,
        ws_state(s->c), s->ev.type, s->given, s->part, s->in.whole,
        ws_error(s->c));
}

#endif
