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
** guard_start), and an allocator that counts, checks and fails (heap).
*/
#ifndef test_h
#define test_h

#define _DEFAULT_SOURCE 1 /* MAP_ANONYMOUS */

#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

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
  setvbuf(stdout, NULL, _IOLBF, 0); /* output before a crash is not lost */
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

/* The bytes in quotes, with \xHH for those that cannot be printed; a hash of
   long ones */
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

/* A ws_alloc that knows the size of each block, so that it finds a wrong osize
   or a leak; it moves every block that it resizes, and can fail. */
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

#endif
