/*
** feed.h - gives bytes to a connection whole, byte by byte and at random
** splits, and logs in words what happens.
*/
#ifndef feed_h
#define feed_h

#include "test.h"

#include "ws_close.h"

/* How to feed; zeros are good defaults. */
typedef struct feed {
  int role;                             /* WS_CLIENT or WS_SERVER */
  void (*configure)(ws_config *config); /* changes the defaults */
  void (*start)(ws_conn *c);            /* instead of ws_opened */
  void (*event)(ws_conn *c, const ws_event *ev, text *log);
  /* instead of feed_event; may answer
                                             (ws_accept, ws_send, ws_close) */
  size_t parts;   /* ws_next_part with this size instead of ws_next */
  int ahead;      /* calls ws_ahead now and then, and ws_next not always */
  int open_ended; /* no ws_eof after the bytes; FEED_LOST: ws_abort */
} feed;
enum { FEED_LOST = 2 };

/* One run of it. */
typedef struct feeding {
  const feed *how;
  ws_config config;
  ws_conn c;
  text log, part;
  int ended;
} feeding;

static inline const char *feed_kind (int opcode) {
  return opcode == WS_TEXT ? "text" : opcode == WS_BINARY ? "binary" : "?";
}

static inline void feed_event (feeding *f, const ws_event *ev) {
  if (f->how->event && ev->type != WS_PART) {
    f->how->event(&f->c, ev, &f->log);
  } else if (ev->type == WS_MESSAGE) {
    text_addf(&f->log, "%s ", feed_kind(ev->opcode));
    text_quote(&f->log, ev->data, ev->size);
    text_addf(&f->log, "; ");
  } else if (ev->type == WS_PART) { /* however it is cut */
    CHECK(ev->size <= f->how->parts);
    text_add(&f->part, ev->data, ev->size);
    if (ev->last) {
      text_addf(&f->log, "parts %s ", feed_kind(ev->opcode));
      text_quote(&f->log, f->part.p, f->part.n);
      text_addf(&f->log, "; ");
      text_clear(&f->part);
    }
  } else {
    text_addf(&f->log, "event %d; ", ev->type);
  }
}

/* Shrinks the receive buffer to its content, so that a read beyond it is one
   beyond an allocated block. */
static inline void feed_tighten (ws_conn *c) {
  if (c->in.p == NULL || c->in.wr == 0 || c->in.cap == c->in.wr) return;
  size_t fail_at = heap.fail_at;
  heap.fail_at = 0;
  c->in.p = ws_realloc(c, c->in.p, c->in.cap, c->in.wr);
  heap.fail_at = fail_at;
  c->in.cap = c->in.wr;
}

static inline int feed_pull (feeding *f, ws_event *ev) {
  int r = f->how->parts && ws_state(&f->c) != WS_CONNECTING && !f->c.hs
              ? ws_next_part(&f->c, ev, f->how->parts)
              : ws_next(&f->c, ev);
  return r == WS_ENOMEM && heap.failed ? feed_pull(f, ev) : r;
}

static inline void feed_events (feeding *f) {
  ws_event ev = {0, 0, 0, NULL, 0};
  int r;
  feed_tighten(&f->c);
  while ((r = feed_pull(f, &ev)) > 0) {
    CHECK(r == ev.type);
    feed_event(f, &ev);
    ws_taken(&f->c);
  }
  CHECK(r == 0 || r == WS_END);
  if (f->ended) CHECK(r == WS_END); /* the end stays */
  if (r == WS_END) f->ended = 1;
}

static inline void feed_put (feeding *f, const char *p, size_t n) {
  while (n > 0) {
    size_t room = 0;
    void *to = ws_reserve(&f->c, 1, &room);
    if (!to && heap.failed) to = ws_reserve(&f->c, 1, &room);
    if (!CHECK(to && room > 0)) return;
    if (room > n) room = n;
    memcpy(to, p, room);
    ws_commit(&f->c, room);
    p += room;
    n -= room;
  }
}

static inline void feed_step (feeding *f) {
  if (!f->how->ahead) {
    feed_events(f);
    return;
  }
  if (rnd(2)) {
    feed_tighten(&f->c);
    int r = ws_ahead(&f->c);
    if (r == WS_ENOMEM && heap.failed) r = ws_ahead(&f->c);
    CHECK(r == 0);
  }
  if (rnd(3) == 0) feed_events(f);
}

static inline void feed_open (feeding *f, const feed *how) {
  memset(f, 0, sizeof *f);
  f->how = how;
  ws_config_init(&f->config, how->role);
  f->config.random = rnd_zeros;
  if (how->configure) how->configure(&f->config);
  ws_init(&f->c, &f->config, heap_alloc, NULL);
  if (how->start)
    how->start(&f->c);
  else
    ws_opened(&f->c);
  text_add(&f->log, "", 0);
  text_add(&f->part, "", 0);
}

/* Everything that is to be written, in hex. */
static inline void feed_out (feeding *f) {
  ws_iov v[WS_IOV];
  text out = {NULL, 0, 0};
  int n;
  while ((n = ws_pending(&f->c, v, WS_IOV)) != 0) {
    if (n == WS_ENOMEM && heap.failed) continue;
    if (!CHECK(n > 0)) break;
    size_t sum = 0;
    for (int i = 0; i < n; i++) {
      text_add(&out, v[i].base, v[i].len);
      sum += v[i].len;
    }
    ws_sent(&f->c, sum);
  }
  if (out.n > 0) {
    text_addf(&f->log, "; out ");
    text_hex(&f->log, out.p, out.n);
  }
  text_free(&out);
}

static inline void feed_end (feeding *f) {
  if (!f->how->open_ended) ws_eof(&f->c);
  if (f->how->open_ended == FEED_LOST) ws_abort(&f->c, "reset");
  feed_events(f);
  ws_closing how = ws_closed(&f->c);
  /* how much of an invalid text is delivered before depends on the splits */
  if (f->part.n > 0 && how.code != 1007)
    text_addf(&f->log, "part of %zu; ", f->part.n);
  if (ws_state(&f->c) == WS_CLOSED) {
    text_addf(&f->log, "end %u ", how.code);
    text_quote(&f->log, how.reason.p, how.reason.n);
    if (how.status) text_addf(&f->log, " status %d", how.status);
    if (how.clean) text_addf(&f->log, " clean");
    if (how.failed) text_addf(&f->log, " failed");
  } else {
    text_addf(&f->log, "state %d", ws_state(&f->c));
  }
  feed_out(f);
}

/* Takes the log; frees everything else. */
static inline text feed_close (feeding *f) {
  text log = f->log;
  ws_free(&f->c);
  if (f->config.pool) ws_pool_free(f->config.pool);
  CHECK(heap.blocks == 0 && heap.bytes == 0);
  text_free(&f->part);
  return log;
}

/* Each byte costs a copy of all that has arrived: with more than 5,000 bytes,
   those in the middle arrive at random splits. */
static inline int feed_is_middle (size_t at, size_t left) {
  return at + left > 5000 && at > 200 && left > 200;
}

/* One run: 'step' bytes at a time; 0: random numbers of bytes. */
static inline text feed_once (const feed *how, const void *bytes, size_t n,
                              size_t step) {
  const char *p = bytes;
  feeding f;
  feed_open(&f, how);
  while (n > 0) {
    int random = step == 0 ||
                 (step == 1 && feed_is_middle((size_t)(p - (char *)bytes), n));
    size_t k = random ? 1 + rnd(rnd(4) ? 8 : n) : step;
    if (k > n) k = n;
    feed_put(&f, p, k);
    feed_step(&f);
    p += k;
    n -= k;
  }
  feed_end(&f);
  return feed_close(&f);
}

/* Whole, byte by byte and at random splits: the log, which has to be the
   same each time; good until the next call. For instance: text "hi"; end
   1000 "bye" clean; out 880203e8 */
static inline const char *feed_all (const feed *how, const void *bytes,
                                    size_t n) {
  static text first;
  text_free(&first);
  rnd_seed(n);
  first = feed_once(how, bytes, n, n ? n : 1);
  for (unsigned seed = 0; seed < 12; seed++) {
    rnd_seed(seed);
    text again = feed_once(how, bytes, n, seed == 0 ? 1 : 0);
    if (!test_check_str(again.p, first.p, __FILE__, __LINE__))
      printf("  (split by seed %u)\n", seed);
    text_free(&again);
  }
  return first.p;
}

/* The same when the n-th allocation fails, for every n: a second try gives the
   same. */
static inline void feed_oom (const feed *how, const void *bytes, size_t n,
                             size_t step) {
  heap_reset();
  text want = feed_once(how, bytes, n, step);
  for (size_t at = 1;; at++) {
    heap_reset();
    heap.fail_at = at;
    text got = feed_once(how, bytes, n, step);
    int failed = heap.failed;
    CHECK_STR(got.p, want.p);
    text_free(&got);
    if (!failed) break;
  }
  heap_reset();
  text_free(&want);
}

#endif
