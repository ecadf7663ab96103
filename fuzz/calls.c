/*
** fuzz/calls.c - every function of ws.h, in any order and any state.
**
** An input is a program. It makes two connections, each a client or a server,
** which share a pool (or have none), shared frames and small limits. Each step
** calls one function, or lets a peer write to the wire, or lets some of what is
** on the wire arrive; from moments that the input chooses memory and randomness
** fail. model.h says what may come of it.
*/
#include "acts.h"
#include "wire.h"

enum { STEPS = 600 };

/* ---- what a peer sends */

static void peer_frame (world *w, int i) {
  input *in = &w->in;
  int first = (int)take(in), masked = w->sides[i].config.role == WS_SERVER;
  size_t n = take_size(in);
  uint8_t *p = payload(in, &n);
  wire_frame(&w->wire[i], first, p, n, masked);
  free(p);
}

static void peer_message (world *w, int i) {
  input *in = &w->in;
  side *s = &w->sides[i];
  int how = (int)take(in), masked = s->config.role == WS_SERVER;
  int bits = s->in.bits ? s->in.bits : 15, first = 1 + how % 2;
  size_t n = take_size(in);
  uint8_t *p = payload(in, &n), *packed = NULL;
  if (how & 2) packed = wire_deflate(in, p, &n, bits);
  wire_fragments(&w->wire[i], in, packed ? first | 0x40 : first,
                 packed ? packed : p, n, masked);
  free(packed);
  free(p);
}

static void peer_control (world *w, int i) {
  static const uint8_t some[3][8] = {{3, 232}, {3, 232, 'b', 'y', 'e'}, "ping"};
  static const size_t sizes[3] = {2, 5, 4};
  unsigned how = take(&w->in), what = how / 3 % 3;
  int first = 0x88 + (int)(how % 3),
      masked = w->sides[i].config.role == WS_SERVER;
  wire_frame(&w->wire[i], first, some[what], how & 128 ? 0 : sizes[what],
             masked);
}

/* The Sec-WebSocket-Accept for the key in what it has sent. */
static void accept_for (const side *s, char out[29]) {
  static const char name[] = "Sec-WebSocket-Key: ";
  bytes head = {0};
  bytes_add(&head, s->head.p, s->head.n);
  bytes_add(&head, "", 1);
  const char *key = strstr((char *)head.p, name);
  strcpy(out, "none");
  if (key) ws_accept_key(out, key + strlen(name), 24);
  bytes_free(&head);
}

static void peer_head (world *w, int i, unsigned how) {
  bytes *b = &w->wire[i];
  char accept[29];
  accept_for(&w->sides[i], accept);
  if (w->sides[i].config.role == WS_SERVER) {
    if (how < 192)
      wire_request(b, how);
    else
      wire_plain(b, how);
  } else {
    if (how < 192)
      wire_response(b, how, accept);
    else
      wire_refusal(b, how);
  }
  if (how < 180) bytes_str(b, "\r\n");
}

static void peer_bytes (world *w, int i) {
  size_t n = take(&w->in);
  const uint8_t *p = piece(&w->in, &n);
  bytes_add(&w->wire[i], p, n);
}

/* ---- the handshake */

static void request (world *w, side *s) {
  static const ws_field fields[] = {{{"X", 1}, {"y", 1}},
                                    {{"Cookie", 6}, {"a=b", 3}},
                                    {{"Host", 4}, {"a", 1}},
                                    {{"A b", 3}, {"", 0}},
                                    {{"A", 1}, {"b\nc", 3}}};
  const ws_str names[] = {string("chat"), string("superchat"), string("chat"),
                          string("no token")};
  causes b = before();
  unsigned how = take(&w->in);
  int r = ws_request(s->c, string(how & 32 ? "a:1" : "a"),
                     string(how & 64    ? "/b"
                            : how & 128 ? "b c"
                                        : "/"),
                     names, how % 5, fields + how % 4, how / 4 % 3);
  result(r, b);
  if (r == 0) assert(s->config.role == WS_CLIENT && !s->opened);
}

static void accept_it (world *w, side *s) {
  static const ws_field fields[] = {{{"X", 1}, {"y", 1}},
                                    {{"Upgrade", 7}, {"x", 1}}};
  unsigned how = take(&w->in);
  causes b = before();
  ws_str protocol = ws_offered(s->c, how % 4);
  if (how >= 240) protocol = string("other");
  int r = result(ws_accept(s->c, protocol, fields, how / 4 % 3), b);
  if (r == 0) s->ev.type = 0;
  if (r == 0) assert(s->config.role == WS_SERVER);
}

static void reject_it (world *w, int i) {
  static const ws_field fields[] = {{{"X", 1}, {"y", 1}},
                                    {{"Connection", 10}, {"x", 1}}};
  side *s = &w->sides[i];
  loans *l = &w->loans[i];
  unsigned how = take(&w->in);
  int status = 190 + (int)how * 2, lent = (how & 2) && l->n < LOANS;
  size_t n = take_size(&w->in);
  uint8_t *p = payload(&w->in, &n);
  ws_str body = {(const char *)p, n};
  causes b = before();
  int r = (lent ? ws_reject_borrowed : ws_reject)(s->c, status, fields,
                                                  how / 4 % 3, body);
  if (lent)
    l->p[l->n++] = p;
  else
    free(p);
  if (result(r, b) < 0) return;
  s->ev.type = 0;
  assert(ws_state(s->c) == WS_CLOSED);
}

/* ---- the pieces */

static void pieces (world *w) {
  input *in = &w->in;
  uint32_t state = 0;
  char key[29];
  assert(strcmp(ws_version(), WS_VERSION) == 0);
  size_t n = take_size(in), offset = take(in);
  uint8_t *p = payload(in, &n), *q = malloc(n + 1);
  assert(q != NULL);
  ws_mask(q, p, n, (const unsigned char *)"abcd", offset);
  for (size_t i = 0; i < n; i++)
    assert(q[i] == (p[i] ^ "abcd"[(offset + i) % 4]));
  int text = ws_utf8(&state, p, n) && state == 0;
  assert(text == is_text(p, n));
  assert(ws_accept_key(key, (char *)p, n) == 0 && strlen(key) == 28);
  assert(ws_random_openssl(NULL, q, n) == 0);
  assert(strlen(ws_status_text((int)offset * 3)) < 64);
  char *text64 = malloc(WS_BASE64(n));
  assert(text64 != NULL);
  ws_base64(text64, p, n);
  assert(strlen(text64) == WS_BASE64(n) - 1);
  free(text64);
  free(p);
  free(q);
}

/* ---- a program */

static void hear (world *w, int i, unsigned what) {
  side *s = &w->sides[i];
  switch (what) {
    case 0: some_arrives(w, i, take_size(&w->in)); break;
    case 1: some_arrives(w, i, SIZE_MAX); break;
    case 2: peer_frame(w, i); break;
    case 3: peer_message(w, i); break;
    case 4: peer_control(w, i); break;
    case 5: peer_head(w, i, take(&w->in)); break;
    case 6: peer_bytes(w, i); break;
    case 7: next(s, 0); break;
    case 8: next(s, 1 + take_size(&w->in)); break;
    case 9: taken(s); break;
    case 10: take_all(s, 0); break;
    case 11: take_all(s, 1 + take_size(&w->in)); break;
    default: ahead(w, s); break;
  }
}

static void say (world *w, int i, unsigned what) {
  side *s = &w->sides[i];
  switch (what) {
    case 13:
    case 14: send_frame(w, i); break;
    case 15: new_shared(w, &w->frames[take(&w->in) % FRAMES]); break;
    case 16: send_shared(s, &w->frames[take(&w->in) % FRAMES]); break;
    case 17: settle(w, i); break;
    case 18: ping(w, s); break;
    case 19: close_it(w, s); break;
    case 20: drain(s, take_size(&w->in), NULL); break;
    case 21: drain_all(s, NULL); break;
    case 22: request(w, s); break;
    case 23: accept_it(w, s); break;
    default: reject_it(w, i); break;
  }
}

static void disturb (world *w, int i, unsigned what) {
  side *s = &w->sides[i];
  unsigned how = take(&w->in);
  switch (what) {
    case 25: ws_eof(s->c); break;
    case 26: abort_it(s); break;
    case 27: free_it(w, i); break;
    case 28: fail_soon(&memory_faults, how); break;
    case 29: fail_soon(&random_faults, how); break;
    case 30:
      if (how < 120)
        ws_pool_trim(w->pool);
      else if (how < 240)
        time_passes(w, s, how - 120);
      else
        ws_pool_free(w->pool);
      break;
    default: pieces(w); break;
  }
}

static const char *const names[] = {
    "arrive",       "arrive all",   "peer frame", "peer message",
    "peer control", "peer head",    "peer bytes", "next",
    "next part",    "taken",        "take all",   "take all parts",
    "ahead",        "send",         "send",       "new shared",
    "send shared",  "settle",       "ping",       "close",
    "drain",        "drain all",    "request",    "accept",
    "reject",       "eof",          "abort",      "free",
    "memory fails", "random fails", "pool",       "pieces"};

static void step (world *w) {
  unsigned b = take(&w->in), what = b & 31;
  int i = b >> 7;
  trace("%d: %s\n", i, names[what]);
  if (what < 13)
    hear(w, i, what);
  else if (what < 25)
    say(w, i, what);
  else
    disturb(w, i, what);
  trace_side(i, &w->sides[i]);
  for (i = 0; i < SIDES; i++) check_side(&w->sides[i]);
}

/* ---- begin and end */

static const size_t messages_max[] = {4096, 10, 300, 70000};
static const size_t fragments_max[] = {64, 1, 5, 16384};

static void configure (world *w, side *s) {
  input *in = &w->in;
  unsigned how = take(in), limits = take(in), pack = take(in);
  ws_config *c = &s->config;
  ws_config_init(c, how & 1 ? WS_SERVER : WS_CLIENT);
  c->max_message = messages_max[limits % 4];
  c->max_fragments = fragments_max[limits / 4 % 4];
  c->max_header = limits & 16 ? 400 : 16384;
  c->max_fields = limits & 32 ? 6 : 100;
  c->max_body = limits & 64 ? 3 : 40;
  c->max_queue = limits & 128 ? 100 : 1 << 20;
  c->redirects = (how & 16) != 0;
  c->random = same_random;
  if (how & 2) c->pool = w->pool;
  c->compression.on = !(how & 4);
  c->compression.threshold = how & 8 ? 20 : 256;
  c->compression.server_no_context_takeover = (pack & 1) != 0;
  c->compression.client_no_context_takeover = (pack & 2) != 0;
  c->compression.server_max_window_bits = 8 + (pack >> 2) % 8;
  c->compression.client_max_window_bits = 8 + (pack >> 5) % 8;
}

/* As most programs need it: through a handshake without failures. */
static void open_it (world *w, int i, unsigned how) {
  side *s = &w->sides[i];
  ws_str none = {NULL, 0};
  if (s->config.role == WS_CLIENT) {
    ws_request(s->c, string("a"), string("/"), NULL, 0, NULL, 0);
    drain_all(s, NULL);
  }
  peer_head(w, i, how % 24);
  arrive(s, w->wire[i].p, w->wire[i].n, 0);
  w->wire[i].n = 0;
  if (next(s, 0) == WS_REQUEST && ws_accept(s->c, none, NULL, 0) == 0)
    s->ev.type = 0;
  else if (s->ev.type != 0)
    taken(s);
  check_side(s);
}

static void begin (world *w, int i) {
  unsigned how;
  configure(w, &w->sides[i]);
  how = take(&w->in);
  begin_side(&w->sides[i]);
  if (how < 192) open_it(w, i, how);
}

static void take_rest (side *s) { take_all(s, ws_in_parts(s->c) ? 100 : 0); }

/* Without failures all that is due comes in and goes out. */
static void finish (side *s) {
  take_rest(s);
  drain_all(s, NULL);
  check_side(s);
  if (s->state == WS_OPENED) assert(s->npings == s->pings.n);
  if (s->state == WS_OPENED) check_pongs(s);
  ws_eof(s->c);
  if (s->ev.type == 0) take_rest(s);
  drain_all(s, NULL);
  check_answer(s);
  check_side(s);
}

int LLVMFuzzerTestOneInput (const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput (const uint8_t *data, size_t size) {
  world w;
  world_begin(&w, data, size);
  for (int i = 0; i < SIDES; i++) begin(&w, i);
  fail_often(&memory_faults, take(&w.in));
  fail_often(&random_faults, take(&w.in));
  for (int n = 0; w.in.n > 0 && n < STEPS; n++) step(&w);
  faults_stop();
  for (int i = 0; i < SIDES; i++) finish(&w.sides[i]);
  world_end(&w);
  return 0;
}
