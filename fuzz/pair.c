/*
** fuzz/pair.c - a client and a server that talk to each other.
**
** An input is a program: both ends send, ping, close and abort as they like,
** bytes go over in pieces cut anywhere, memory and randomness fail at either
** end. What each end does is held against model.h; in the end nothing fails any
** more, all that is queued goes over, and the ends must agree: every message
** came, in order and equal, or the connection ended; they ended alike; nobody
** waits.
*/
#include "acts.h"

enum { STEPS = 600, ROUNDS = 1000 };

/* What the server does with the request. */
typedef struct pair {
  world w;
  int rejects;
  char protocol[16]; /* "": none */
} pair;

/* ---- the handshake */

static void request (side *s) {
  const ws_str protocols[] = {string("chat"), string("superchat")};
  causes b = before();
  if (s->config.role != WS_CLIENT || s->state != WS_CONNECTING) return;
  result(ws_request(s->c, string("a"), string("/"), protocols, 2, NULL, 0), b);
}

static void answer (pair *p, side *s) {
  causes b = before();
  if (s->ev.type != WS_REQUEST || s->state != WS_CONNECTING) return;
  assert(ws_http(s->c)->upgrade);
  int r = p->rejects ? ws_reject(s->c, 403, NULL, 0, string("no"))
                     : ws_accept(s->c, string(p->protocol), NULL, 0);
  if (result(r, b) == 0) s->ev.type = 0;
  assert(r <= 0 && r != WS_EINVAL && r != WS_ESTATE);
}

/* The event is dealt with. */
static void deal (pair *p, side *s) {
  if (s->ev.type == WS_OPEN) {
    ws_str chosen = ws_chosen(s->c);
    size_t n = strlen(p->protocol);
    assert(chosen.n == n && (n == 0 || !memcmp(chosen.p, p->protocol, n)));
  }
  if (s->ev.type == WS_REQUEST && s->state == WS_CONNECTING)
    answer(p, s);
  else
    taken(s);
}

/* ---- what goes over */

/* One end's queue goes to the wire; after an end of the transport nothing. */
static void write_some (world *w, int i, size_t n) {
  drain(&w->sides[i], n, &w->wire[1 - i]);
}

/* The transport ends where bytes on the wire end. */
static void hang_up (world *w, int i) {
  abort_it(&w->sides[i]);
  w->wire[i].n = 0;
}

static void receive (pair *p, side *s, size_t max) {
  if (next(s, max) > 0) deal(p, s);
}

/* ---- a program */

static const char *const names[] = {
    "arrive",       "arrive all",   "write",        "write all",  "receive",
    "receive part", "next",         "next part",    "deal",       "ahead",
    "send",         "send",         "send",         "new shared", "send shared",
    "settle",       "ping",         "close",        "request",    "answer",
    "abort",        "memory fails", "random fails", "trim"};
enum { ACTS = 24 };

static void receiving (pair *p, int i, unsigned what) {
  world *w = &p->w;
  side *s = &w->sides[i];
  switch (what) {
    case 0: some_arrives(w, i, take_size(&w->in)); break;
    case 1: some_arrives(w, i, SIZE_MAX); break;
    case 2: write_some(w, i, take_size(&w->in)); break;
    case 3: write_some(w, i, SIZE_MAX); break;
    case 4: receive(p, s, ws_in_parts(s->c) ? 30 : 0); break;
    case 5: receive(p, s, 1 + take_size(&w->in)); break;
    case 6: next(s, 0); break;
    case 7: next(s, 1 + take_size(&w->in)); break;
    case 8: deal(p, s); break;
    default: ahead(w, s); break;
  }
}

static void sending (world *w, int i, unsigned what) {
  side *s = &w->sides[i];
  switch (what) {
    case 13: new_shared(w, &w->frames[take(&w->in) % FRAMES]); break;
    case 14: send_shared(s, &w->frames[take(&w->in) % FRAMES]); break;
    case 15: settle(w, i); break;
    case 16: ping(w, s); break;
    default: send_frame(w, i); break;
  }
}

/* Rare, for most of a program to be about messages. */
static void ending (pair *p, int i, unsigned what) {
  world *w = &p->w;
  side *s = &w->sides[i];
  unsigned how = take(&w->in);
  switch (what) {
    case 17: close_it(w, s); break;
    case 18: request(s); break;
    case 19: answer(p, s); break;
    case 20:
      if (how > 250) hang_up(w, i);
      break;
    case 21: fail_soon(&memory_faults, how); break;
    case 22: fail_soon(&random_faults, how); break;
    default: ws_pool_trim(w->pool); break;
  }
}

static void step (pair *p) {
  world *w = &p->w;
  unsigned b = take(&w->in), what = b % 32 % ACTS;
  int i = b >> 7;
  trace("%d: %s\n", i, names[what]);
  if (what < 10)
    receiving(p, i, what);
  else if (what < 17)
    sending(w, i, what);
  else
    ending(p, i, what);
  trace_side(i, &w->sides[i]);
  for (i = 0; i < SIDES; i++) check_side(&w->sides[i]);
}

/* ---- begin */

static void configure (world *w, side *s, int role) {
  input *in = &w->in;
  unsigned how = take(in), pack = take(in);
  ws_config *c = &s->config;
  ws_config_init(c, role);
  c->random = same_random;
  if (how & 2) c->pool = w->pool;
  if (how & 16) c->max_message = 300;
  if (how & 32) c->max_fragments = 3;
  c->compression.on = !(how & 4);
  c->compression.threshold = how & 8 ? 20 : 256;
  c->compression.level = (int)(how >> 6) * 3;
  c->compression.server_no_context_takeover = (pack & 1) != 0;
  c->compression.client_no_context_takeover = (pack & 2) != 0;
  c->compression.server_max_window_bits = 8 + (pack >> 2) % 8;
  c->compression.client_max_window_bits = 8 + (pack >> 5) % 8;
}

static void begin (pair *p, const uint8_t *data, size_t size) {
  static const char *const protocols[] = {"", "chat", "superchat"};
  world_begin(&p->w, data, size);
  for (int i = 0; i < SIDES; i++)
    configure(&p->w, &p->w.sides[i], i ? WS_SERVER : WS_CLIENT);
  unsigned how = take(&p->w.in);
  strcpy(p->protocol, protocols[how % 3]);
  p->rejects = how >= 250;
  for (int i = 0; i < SIDES; i++) begin_side(&p->w.sides[i]);
}

/* ---- end */

/* All that is queued goes to the wire: how much is on it. */
static size_t write_all (world *w) {
  size_t all = 0;
  for (int i = 0; i < SIDES; i++) {
    settle(w, i);
    drain_all(&w->sides[i], &w->wire[1 - i]);
  }
  for (int i = 0; i < SIDES; i++) all += w->wire[i].n;
  return all;
}

/* At most that many bytes arrive, and what they bring is dealt with. */
static void read_some (pair *p, int i, size_t most) {
  side *s = &p->w.sides[i];
  bytes *wire = &p->w.wire[i];
  size_t n = wire->n < most ? wire->n : most;
  arrive(s, wire->p, n, 0);
  bytes_drop(wire, n);
  while (next(s, ws_in_parts(s->c) ? 1000 : 0) > 0) deal(p, s);
  check_side(s);
}

static int exchange (pair *p, size_t most) {
  int more = write_all(&p->w) > 0;
  for (int i = 0; i < SIDES; i++) read_some(p, i, most);
  return more;
}

/* In pieces of that size, later larger ones, until nothing is left to go
   over. */
static void settle_down (pair *p, size_t step) {
  int rounds = 0;
  while (exchange(p, step)) {
    step += step / 8;
    assert(++rounds < ROUNDS);
  }
}

/* It ended without a Close frame: aborted, in the handshake, or failed without
   memory for one. */
static int left (const side *s) {
  return s->gone || (s->state == WS_CLOSED && !ws_closed(s->c).sent);
}

/* Nothing fails any more; who is left alone hears of it. */
static void conclude (pair *p, size_t step) {
  faults_stop();
  settle_down(p, step);
  for (int i = 0; i < SIDES; i++)
    if (left(&p->w.sides[1 - i])) ws_eof(p->w.sides[i].c);
  settle_down(p, step);
}

/* Messages that have been sent whole. */
static size_t sent (const side *s) { return s->nsent + s->nshared; }

/* What one end sent, the other has. */
static void check_sent (const side *from, const side *to) {
  int closed = to->state >= WS_CLOSING;
  assert(to->in.unsure == 0 && !to->in.broken);
  if (!closed) assert(to->given == sent(from));
  if (from->state != WS_OPENED || to->state != WS_OPENED) return;
  assert(from->nsent == from->sent.n && from->npings == from->pings.n);
  if (from->sending.opcode == 0) assert(from->nshared == from->shared.n);
  assert(from->ponged == from->pings.n);
  check_pongs(to);
}

/* The handshake came to the same at both ends. */
static void check_opened (const side *a, const side *b) {
  char one[WS_EXTENSIONS], two[WS_EXTENSIONS];
  assert(a->opened && b->opened);
  assert(ws_extensions(a->c, one) == ws_extensions(b->c, two));
  assert(strcmp(one, two) == 0);
}

/* Only a message beyond a limit is failed. */
static void check_end (const pair *p, const side *a, const side *b) {
  ws_closing end = ws_closed(a->c);
  assert(!end.failed || end.code == 1009);
  if (a->state == WS_OPENED || left(a) || left(b) || !a->opened) return;
  assert(a->state == WS_CLOSED && b->state == WS_CLOSED);
  if (end.failed || ws_closed(b->c).failed) return;
  assert(end.clean && ws_closed(b->c).clean);
  (void)p;
}

static void check_agreement (const pair *p) {
  const side *client = &p->w.sides[0], *server = &p->w.sides[1];
  if (client->opened && !left(server)) check_opened(client, server);
  check_sent(client, server);
  check_sent(server, client);
  check_end(p, client, server);
  check_end(p, server, client);
}

int LLVMFuzzerTestOneInput (const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput (const uint8_t *data, size_t size) {
  pair p;
  begin(&p, data, size);
  unsigned how = take(&p.w.in);
  if (how < 240) request(&p.w.sides[0]);
  if (how < 224) settle_down(&p, 8 + how);
  fail_often(&memory_faults, take(&p.w.in));
  fail_often(&random_faults, take(&p.w.in));
  for (int n = 0; p.w.in.n > 0 && n < STEPS; n++) step(&p);
  conclude(&p, 8 + how * how);
  check_agreement(&p);
  world_end(&p.w);
  return 0;
}
