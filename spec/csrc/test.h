/*
** test.h - all that a C test needs: include it once, write TESTs, no main.
**
**     TEST(adds) { CHECK(1 + 1 == 2); CHECK_STR(name(), "adds"); }
**
** A binary prints what failed and ends with "N passed, N failed" (of TESTs);
** its exit status is 1 if any failed. An argument runs only the TESTs whose
** name contains it.
**
** Helpers, in this order: randomness that is the same every time (rnd), text
** that grows (text), buffers beside an unreadable page (guard_end,
** guard_start), an allocator that counts, checks and fails (heap), and feed,
** which gives bytes to a connection whole, byte by byte and at random splits,
** and says in words what came of it.
*/
#ifndef test_h
#define test_h

#define _DEFAULT_SOURCE 1 /* MAP_ANONYMOUS */

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "ws_int.h"

/* ------------------------------------------------------------------- TESTs */

typedef struct test_case {
  const char *name;
  void (*run)(void);
  struct test_case *next;
} test_case;

static test_case *test_first, **test_last = &test_first;
static const char *test_name = "";
static int test_failures; /* of CHECKs in the current TEST */

#define TEST(id)                                                 \
  static void test_##id(void);                                   \
  __attribute__((constructor)) static void test_add_##id(void) { \
    static test_case t = {#id, test_##id, NULL};                 \
    *test_last = &t;                                             \
    test_last = &t.next;                                         \
  }                                                              \
  static void test_##id(void)

#define CHECK(cond) test_check(!!(cond), __FILE__, __LINE__, #cond)
#define CHECK_STR(got, want) test_check_str(got, want, __FILE__, __LINE__)

static inline int test_check (int ok, const char *file, int line,
                              const char *what) {
  if (!ok && ++test_failures <= 10)
    printf("%s:%d: %s: failed: %s\n", file, line, test_name, what);
  return ok;
}

static inline int test_check_str (const char *got, const char *want,
                                  const char *file, int line) {
  int ok = strcmp(got, want) == 0;
  if (!ok && ++test_failures <= 10)
    printf("%s:%d: %s: failed\n  got  %s\n  want %s\n", file, line, test_name,
           got, want);
  return ok;
}

int main (int argc, char **argv) {
  int passed = 0, failed = 0;
  setvbuf(stdout, NULL, _IOLBF, 0); /* what was said before a crash is seen */
  for (test_case *t = test_first; t; t = t->next) {
    if (argc > 1 && !strstr(t->name, argv[1])) continue;
    test_name = t->name;
    test_failures = 0;
    t->run();
    if (test_failures)
      failed++;
    else
      passed++;
  }
  printf("%d passed, %d failed\n", passed, failed);
  return failed != 0;
}

/* -------------------------------------------------------------- randomness */

static uint64_t rnd_state = 1;

static inline void rnd_seed (uint64_t seed) {
  rnd_state = seed * 0x9E3779B97F4A7C15u + 1;
}

/* 0 .. n-1 (xorshift64*) */
static inline size_t rnd (size_t n) {
  rnd_state ^= rnd_state >> 12;
  rnd_state ^= rnd_state << 25;
  rnd_state ^= rnd_state >> 27;
  return (size_t)((rnd_state * 0x2545F4914F6CDD1Du) >> 32) % n;
}

/* ws_randoms: zeros make masked bytes readable, rnd_bytes do not repeat. */
static inline int rnd_zeros (void *ud, void *out, size_t n) {
  (void)ud;
  memset(out, 0, n);
  return 0;
}

static inline int rnd_bytes (void *ud, void *out, size_t n) {
  (void)ud;
  for (size_t i = 0; i < n; i++)
    ((unsigned char *)out)[i] = (unsigned char)rnd(256);
  return 0;
}

/* -------------------------------------------------------------------- text */

typedef struct text {
  char *p;
  size_t n, cap;
} text;

static inline void text_add (text *t, const void *p, size_t n) {
  if (t->cap - t->n < n + 1) {
    t->cap = 2 * t->cap + n + 64;
    t->p = realloc(t->p, t->cap);
    if (!t->p) abort();
  }
  if (n) memcpy(t->p + t->n, p, n);
  t->n += n;
  t->p[t->n] = '\0';
}

__attribute__((format(printf, 2, 3))) static inline void
text_addf (text *t, const char *format, ...) {
  char s[512];
  va_list args;
  va_start(args, format);
  int n = vsnprintf(s, sizeof s, format, args);
  va_end(args);
  text_add(t, s, (size_t)n < sizeof s ? (size_t)n : sizeof s - 1);
}

static inline void text_clear (text *t) {
  t->n = 0;
  text_add(t, "", 0);
}

static inline void text_free (text *t) {
  free(t->p);
  memset(t, 0, sizeof *t);
}

/* "as it is", with \xHH for what cannot be printed; long ones as a hash */
static inline void text_quote (text *t, const void *p, size_t n) {
  const unsigned char *s = p;
  if (n > 80) {
    uint32_t h = 2166136261u; /* FNV-1a */
    for (size_t i = 0; i < n; i++) h = (h ^ s[i]) * 16777619u;
    text_addf(t, "%zu#%08x", n, (unsigned)h);
    return;
  }
  text_add(t, "\"", 1);
  for (size_t i = 0; i < n; i++)
    if (s[i] >= ' ' && s[i] < 127)
      text_add(t, s + i, 1);
    else
      text_addf(t, "\\x%02x", s[i]);
  text_add(t, "\"", 1);
}

static inline void text_hex (text *t, const void *p, size_t n) {
  if (n > 200) {
    text_quote(t, p, n);
    return;
  }
  for (size_t i = 0; i < n; i++)
    text_addf(t, "%02x", ((const unsigned char *)p)[i]);
}

/* -------------------------------------------------- beside unreadable pages */

/* One mapping, with a page at each end that faults when touched. */
static struct {
  unsigned char *p;
  size_t size;
} guard;

static inline void guard_need (size_t n) {
  size_t page = (size_t)sysconf(_SC_PAGESIZE);
  size_t size = (n + page - 1) / page * page + page;
  if (size <= guard.size) return;
  if (guard.p) munmap(guard.p - page, guard.size + 2 * page);
  unsigned char *p = mmap(NULL, size + 2 * page, PROT_NONE,
                          MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
  if (p == MAP_FAILED || mprotect(p + page, size, PROT_READ | PROT_WRITE))
    abort();
  guard.p = p + page;
  guard.size = size;
}

/* A copy of these bytes whose last byte is the last that can be read; good
   until the next guard_end or guard_start. */
static inline void *guard_end (const void *p, size_t n) {
  guard_need(n);
  unsigned char *q = guard.p + guard.size - n;
  if (n) memcpy(q, p, n);
  return q;
}

/* The same whose first byte is the first. */
static inline void *guard_start (const void *p, size_t n) {
  guard_need(n);
  if (n) memcpy(guard.p, p, n);
  return guard.p;
}

/* --------------------------------------------------------------- allocator */

/* A ws_alloc that knows each block's size, so that a wrong osize or a leak is
   seen, moves every block it resizes, and can fail. */
static struct heap {
  size_t blocks, bytes, peak; /* now, now, the most since heap_reset */
  size_t calls;               /* that allocate, since heap_reset */
  size_t copied;              /* bytes moved from block to block */
  size_t fail_at;             /* this call fails (1: the next), 0: none */
  int failed;                 /* how many have */
} heap;

static inline void heap_reset (void) { memset(&heap, 0, sizeof heap); }

enum { HEAP_HEAD = 16 };

static inline void heap_drop (unsigned char *p, size_t size) {
  heap.blocks--;
  heap.bytes -= size;
  memset(p, 0xDB, size);
  free(p - HEAP_HEAD);
}

static inline unsigned char *heap_new (size_t size) {
  unsigned char *p = malloc(size + HEAP_HEAD);
  if (!p) abort();
  memcpy(p, &size, sizeof size);
  memset(p + HEAP_HEAD, 0xCA, size);
  heap.blocks++;
  heap.bytes += size;
  if (heap.bytes > heap.peak) heap.peak = heap.bytes;
  return p + HEAP_HEAD;
}

static inline void *heap_alloc (void *ud, void *ptr, size_t osize,
                                size_t nsize) {
  unsigned char *p = ptr, *q = NULL;
  size_t size = 0;
  (void)ud;
  if (p) memcpy(&size, p - HEAP_HEAD, sizeof size);
  CHECK(size == osize);
  if (nsize > 0) {
    heap.calls++;
    if (heap.fail_at && --heap.fail_at == 0) {
      heap.failed++;
      return NULL;
    }
    q = heap_new(nsize);
    size_t keep = size < nsize ? size : nsize;
    if (keep) memcpy(q, p, keep);
    heap.copied += keep;
  }
  if (p) heap_drop(p, size);
  return q;
}

/* -------------------------------------------------------------------- feed */

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
  } else if (ev->type == WS_PART) { /* where parts are cut is no matter */
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

/* Shrinks the receive buffer to what is in it, so that a byte read too many is
   one behind an allocated block. */
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
  if (f->ended) CHECK(r == WS_END); /* the end is for ever */
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

/* What is to be written, all of it, in hex. */
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
  /* how much of a broken text is given before depends on the splits */
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

/* Takes the log; everything else is given back. */
static inline text feed_close (feeding *f) {
  text log = f->log;
  ws_free(&f->c);
  if (f->config.pool) ws_pool_free(f->config.pool);
  CHECK(heap.blocks == 0 && heap.bytes == 0);
  text_free(&f->part);
  return log;
}

/* Each byte costs a copy of all that has come: of more than 5,000, those in the
   middle come at random splits. */
static inline int feed_is_middle (size_t at, size_t left) {
  return at + left > 5000 && at > 200 && left > 200;
}

/* One run: every 'step' bytes at once; 0: at random. */
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

/* The same when the n-th allocation fails, for every n: whoever tries again
   gets the same. */
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
