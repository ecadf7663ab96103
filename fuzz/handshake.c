/*
** fuzz/handshake.c - the opening handshake before arbitrary bytes, in both
** roles.
**
** An input's first byte chooses the role, how bytes are cut, and whether they
** follow on a head that is right so far (so that what comes late is reached,
** too). The receive buffer is always exactly as large as what is in it, so that
** one byte read too many is seen. However bytes are cut, the same events, the
** same answer and the same end have to come of them.
*/
#include "alloc.h"
#include "ws_conn.h"

enum { MAX_HEADER = 600, MAX_FIELDS = 12, MAX_BODY = 40 };

static const char request[] =
    "GET / HTTP/1.1\r\nHost: a\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
    "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n"
    "Sec-WebSocket-Version: 13\r\n";
static const char post[] = "POST / HTTP/1.1\r\nHost: a\r\n";
static const char chunks[] =
    "POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n";
static const char response[] =
    "HTTP/1.1 101 x\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
    "Sec-WebSocket-Accept: ICX+Yqv66kxgM0FcWaLWlFLwTAI=\r\n";
static const char refusal[] = "HTTP/1.1 403 x\r\nContent-Length: 9\r\n";
static const char refused[] =
    "HTTP/1.1 403 x\r\nTransfer-Encoding: chunked\r\n\r\n";

#define DEFLATE "Sec-WebSocket-Extensions: permessage-deflate; server_"
static const char *const begun[2][5] = {
    {"", response, refusal, refused, response}, /* WS_CLIENT */
    {"", request, post, chunks, request}};      /* WS_SERVER */

/* The key is the one that the response above answers. */
static int zeros (void *ud, void *out, size_t n) {
  (void)ud;
  memset(out, 0, n);
  return 0;
}

/* What came of it all so far, as a hash (FNV-1a). */
static void note (uint64_t *sum, const void *p, size_t n) {
  const unsigned char *s = p;
  for (size_t i = 0; i < n; i++) *sum = (*sum ^ s[i]) * 1099511628211u;
  *sum = (*sum ^ n) * 1099511628211u;
}

static void note_str (uint64_t *sum, ws_str s) { note(sum, s.p, s.n); }

static void note_head (uint64_t *sum, const ws_conn *c) {
  const ws_head *h = ws_http(c);
  char extensions[WS_EXTENSIONS];
  assert(h != NULL && h->nfields <= MAX_FIELDS);
  note(sum, &h->upgrade, sizeof h->upgrade);
  note(sum, &h->status, sizeof h->status);
  note_str(sum, h->method);
  note_str(sum, h->target);
  note_str(sum, h->reason);
  for (size_t i = 0; i < h->nfields; i++) {
    ws_field f = ws_http_field(c, i);
    assert(f.name.n > 0);
    note_str(sum, f.name);
    note_str(sum, f.value);
  }
  for (size_t i = 0; ws_offered(c, i).p != NULL; i++)
    note_str(sum, ws_offered(c, i));
  note_str(sum, ws_chosen(c));
  note(sum, extensions, ws_extensions(c, extensions));
}

static void answer (ws_conn *c) {
  static const ws_str body = {"no", 2};
  int r = ws_http(c)->upgrade ? ws_accept(c, ws_offered(c, 0), NULL, 0)
                              : ws_reject(c, 404, NULL, 0, body);
  assert(r == 0);
}

static void event (ws_conn *c, const ws_event *ev, uint64_t *sum) {
  note(sum, &ev->type, sizeof ev->type);
  note(sum, ev->data, ev->size);
  if (ev->type >= WS_REQUEST) {
    assert(ev->size <= MAX_BODY);
    note_head(sum, c);
  }
  if (ev->type == WS_REQUEST) answer(c);
  ws_taken(c);
}

static void events (ws_conn *c, uint64_t *sum) {
  ws_event ev;
  int r;
  while ((r = ws_next(c, &ev)) > 0) event(c, &ev, sum);
  assert(r == 0 || r == WS_END);
}

static void put (ws_conn *c, const char *p, size_t n) {
  size_t room;
  void *to = ws_reserve(c, n, &room);
  assert(to != NULL && room >= n);
  memcpy(to, p, n);
  ws_commit(c, n);
  if (c->in.p == NULL || c->in.wr == 0) return;
  to = ws_realloc(c, c->in.p, c->in.cap, c->in.wr);
  assert(to != NULL);
  c->in.p = to;
  c->in.cap = c->in.wr;
}

static void note_end (uint64_t *sum, ws_conn *c) {
  ws_closing end = ws_closed(c);
  ws_iov v[WS_IOV];
  int n = ws_pending(c, v, WS_IOV);
  assert(n == 0 || n == 1);
  if (n != 0) note(sum, v[0].base, v[0].len);
  assert(ws_state(c) == WS_CLOSED);
  note(sum, &end.code, sizeof end.code);
  note(sum, &end.status, sizeof end.status);
  note_str(sum, end.reason);
}

static void begin (ws_conn *c) {
  static const ws_str host = {"a", 1}, target = {"/", 1}, chat = {"chat", 4};
  if (c->config->role == WS_CLIENT)
    assert(ws_request(c, host, target, &chat, 1, NULL, 0) == 0);
}

/* One run, 'step' bytes at a time, until the transport ends or (lost) breaks
   off: the hash of what came of it. */
static uint64_t run (int role, const char *p, size_t n, size_t step, int lost) {
  uint64_t sum = 14695981039346656037u;
  ws_config config;
  ws_conn c;
  ws_config_init(&config, role);
  config.max_header = MAX_HEADER;
  config.max_fields = MAX_FIELDS;
  config.max_body = MAX_BODY;
  config.random = zeros;
  config.compression.on = 1;
  faults_reset();
  ws_init(&c, &config, count_alloc, NULL);
  begin(&c);
  for (size_t i = 0; i < n; i += step) {
    put(&c, p + i, n - i < step ? n - i : step);
    events(&c, &sum);
    assert(allocated < 8 * n + 65536);
  }
  if (lost)
    ws_abort(&c, "reset");
  else
    ws_eof(&c);
  events(&c, &sum);
  note_end(&sum, &c);
  ws_free(&c);
  assert(allocated == 0);
  return sum;
}

int LLVMFuzzerTestOneInput (const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput (const uint8_t *data, size_t size) {
  if (size == 0) return 0;
  int role = data[0] & 1 ? WS_SERVER : WS_CLIENT, kind = (data[0] >> 1) % 5;
  const char *first = begun[data[0] & 1][kind],
             *more = kind == 4 ? DEFLATE : "";
  size_t step = 1 + (data[0] >> 3);
  size_t m = strlen(first), k = strlen(more), n = m + k + size - 1;
  char *p = malloc(n + 1);
  assert(p != NULL);
  memcpy(p, first, m);
  memcpy(p + m, more, k);
  memcpy(p + m + k, data + 1, size - 1);
  for (int lost = 0; lost < 2; lost++) {
    uint64_t whole = run(role, p, n, n + 1, lost);
    assert(run(role, p, n, step, lost) == whole);
    if (n < 2000) assert(run(role, p, n, 1, lost) == whole);
  }
  free(p);
  return 0;
}
