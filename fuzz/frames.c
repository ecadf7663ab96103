/*
** fuzz/frames.c - the frame core before arbitrary bytes, in both roles.
**
** An input is a program: its first byte chooses the role, whether frames are
** read whole or in parts, what was agreed on with permessage-deflate, and
** whether there is a pool; then every step takes one byte that says what to do
** (bytes in, events out, reading ahead, sending, closing, draining), and the
** bytes in come from the rest of the input. What must hold whatever arrives is
** asserted after each step; the sanitizers see to the memory.
*/
#include <assert.h>
#include <stdlib.h>
#include <string.h>

#include "alloc.h"
#include "ws_close.h"
#include "ws_pool.h"
#include "ws_zip.h"

enum { MAX_MESSAGE = 4096, MAX_FRAGMENTS = 64 };
enum { STREAMS = 150000 }; /* bytes of a compressor and a decompressor */

typedef struct reader {
  const uint8_t *p;
  size_t n;
} reader;

/* Masking keys need not be random here, only the same in every run. */

static unsigned take (reader *r) {
  if (r->n == 0) return 0;
  r->n--;
  return *r->p++;
}

/* At most n bytes of the input, as they are in it. */
static const uint8_t *piece (reader *r, size_t *n) {
  const uint8_t *p = r->p;
  if (*n > r->n) *n = r->n;
  r->p += *n;
  r->n -= *n;
  return p;
}

/* Copied to a block of exactly that size, so that one byte too many is seen. */
static char *exact (reader *r, size_t *n) {
  const uint8_t *p = piece(r, n);
  char *copy = malloc(*n != 0 ? *n : 1);
  assert(copy != NULL);
  if (*n != 0) memcpy(copy, p, *n);
  return copy;
}

static void bytes_in (ws_conn *c, reader *r, size_t n) {
  size_t room;
  const uint8_t *p = piece(r, &n);
  void *to = ws_reserve(c, n != 0 ? n : 1, &room);
  assert(to != NULL && room >= n);
  if (n != 0) memcpy(to, p, n);
  ws_commit(c, n);
}

/* Reads every byte of an event's payload, so that the sanitizer does. */
static void touch (const ws_event *ev) {
  volatile unsigned sum = 0;
  for (size_t i = 0; i < ev->size; i++) sum += (unsigned char)ev->data[i];
  (void)sum;
}

static void check_event (const ws_event *ev, int parts, size_t max) {
  uint32_t state = 0;
  assert(ev->opcode == WS_TEXT || ev->opcode == WS_BINARY);
  touch(ev);
  if (parts) {
    assert(ev->type == WS_PART && ev->size <= max);
    return;
  }
  assert(ev->type == WS_MESSAGE && ev->size <= MAX_MESSAGE);
  if (ev->opcode == WS_TEXT)
    assert(ws_utf8(&state, ev->data, ev->size) && state == 0);
}

/* One event out; asked for twice, it is the same one. */
static int event_out (ws_conn *c, int parts, size_t max) {
  ws_event ev, again;
  int result = parts ? ws_next_part(c, &ev, max) : ws_next(c, &ev);
  if (result <= 0) return result;
  check_event(&ev, parts, max);
  assert((parts ? ws_next_part(c, &again, max) : ws_next(c, &again)) == result);
  assert(again.data == ev.data && again.size == ev.size);
  ws_taken(c);
  return result;
}

static void events_out (ws_conn *c, int parts, size_t max) {
  while (event_out(c, parts, max) > 0) {}
}

/* Writes at most n bytes of what is pending. */
static void bytes_out (ws_conn *c, size_t n) {
  ws_iov v[WS_IOV];
  size_t all = 0;
  int count = ws_pending(c, v, WS_IOV);
  assert(count >= 0 && count <= WS_IOV);
  for (int i = 0; i < count; i++) {
    ws_event ev = {.data = v[i].base, .size = v[i].len};
    touch(&ev);
    all += v[i].len;
  }
  ws_sent(c, n < all ? n : all);
}

static void send_message (ws_conn *c, reader *r, unsigned how) {
  size_t n = take(r);
  char *p = exact(r, &n);
  int opcode = (int)(how % 3);
  int flags = (how & 4) != 0 ? WS_MORE : 0;
  if ((how & 8) != 0) flags |= WS_BORROW;
  if ((how & 16) != 0) flags |= (how & 8) != 0 ? WS_PLAIN : WS_COMPRESS;
  ws_send(c, opcode, p, n, flags);
  ws_settle(c);
  free(p);
}

static void send_ping (ws_conn *c, reader *r) {
  uint64_t serial = 0;
  size_t n = take(r);
  char *p = exact(r, &n);
  ws_ping(c, p, n, &serial);
  free(p);
}

static void begin_close (ws_conn *c, reader *r) {
  unsigned code = take(r) << 8;
  size_t n;
  char *reason;
  code |= take(r);
  n = take(r);
  reason = exact(r, &n);
  ws_close(c, code, reason, n);
  free(reason);
}

/* A connection that has ended stays so, with a code that may be reported. */
static void check_state (ws_conn *c, int *ended) {
  ws_closing end = ws_closed(c);
  if (*ended) assert(ws_state(c) == WS_CLOSED);
  *ended = ws_state(c) == WS_CLOSED;
  if (!*ended) return;
  assert(end.code >= 1000 && end.code < 5000);
  assert(!end.clean || (end.sent && end.received));
}

static void step (ws_conn *c, reader *r, int parts) {
  unsigned what = take(r);
  switch (what & 7) {
    case 0:
    case 1: bytes_in(c, r, what >> 3); break;
    case 2: bytes_in(c, r, (what >> 3) * 64); break;
    case 3: events_out(c, parts, 1 + (what >> 3) * 16); break;
    case 4: ws_ahead(c); break;
    case 5: bytes_out(c, what >> 3); break;
    case 6: send_message(c, r, what >> 3); break;
    default:
      if (what < 32)
        begin_close(c, r);
      else if (what < 48)
        ws_eof(c);
      else if (what < 56)
        ws_abort(c, "aborted");
      else
        send_ping(c, r);
  }
}

/* Memory follows what arrived and was sent, never what a header promises; an
   inflated message is limited; zlib's streams, and a pool's blocks, take what
   they take. */
static void run (ws_conn *c, reader *r, int parts) {
  size_t most = 64 * r->n + 65536;
  if (c->config->pool) most += 2 * WS_BLOCK;
  if (c->rx.window) most += 3 * MAX_MESSAGE + 65536 + STREAMS;
  int ended = 0;
  while (r->n != 0) {
    step(c, r, parts);
    check_state(c, &ended);
    assert(allocated <= most);
  }
  events_out(c, parts, 100);
  bytes_out(c, WS_NO_LIMIT);
  check_state(c, &ended);
}

/* Windows of 8 to 15 bits, with context takeover or without. */
static void agree (ws_conn *c, unsigned how) {
  unsigned takeover = (how & 8) != 0 ? WS_TAKEOVER : 0;
  c->rx.window = c->tx.window = (unsigned char)((8 + (how & 7)) | takeover);
}

int LLVMFuzzerTestOneInput (const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput (const uint8_t *data, size_t size) {
  reader r = {data, size};
  unsigned how = take(&r);
  ws_config config;
  ws_conn *c = malloc(ws_size());
  ws_pool *pool = malloc(ws_pool_size());
  assert(c != NULL && pool != NULL);
  ws_pool_init(pool, count_alloc, NULL);
  ws_config_init(&config, (how & 1) != 0 ? WS_SERVER : WS_CLIENT);
  config.max_message = MAX_MESSAGE;
  config.max_fragments = MAX_FRAGMENTS;
  config.random = same_random;
  config.compression.threshold = 20;
  config.compression.server_no_context_takeover = 0;
  config.compression.client_no_context_takeover = 0;
  config.pool = (how & 128) != 0 ? pool : NULL;
  allocated = 0;
  ws_init(c, &config, count_alloc, NULL);
  if ((how & 4) != 0) agree(c, how >> 3);
  ws_opened(c);
  run(c, &r, (how & 2) != 0);
  ws_free(c);
  ws_pool_free(pool);
  assert(allocated == 0);
  free(c);
  free(pool);
  return 0;
}
