/*
** alloc.h - the fuzz targets' allocator and randomness. The allocator counts,
** and knows the size of each block, so that a leak or a wrong old size shows;
** both fail when an input says so.
*/
#ifndef alloc_h
#define alloc_h

#include <assert.h>
#include <malloc.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

enum { LARGEST_BLOCK = 1 << 24 }; /* no target needs more; a mistake would */

/* Calls until the first failure, how many fail then; and one of how many
   fails at any time (0: none), by a random sequence that is the same in
   every run. */
typedef struct faults {
  unsigned after, count;
  unsigned rate, state;
  size_t failed; /* so far */
} faults;

static size_t allocated; /* bytes that are held */
static faults memory_faults, random_faults;

static inline void faults_reset (void) {
  allocated = 0;
  memset(&memory_faults, 0, sizeof memory_faults);
  memset(&random_faults, 0, sizeof random_faults);
}

/* Nothing fails any more. */
static inline void faults_stop (void) {
  memory_faults.count = random_faults.count = 0;
  memory_faults.rate = random_faults.rate = 0;
}

static inline int fails_by_chance (faults *f) {
  f->state = f->state * 1103515245u + 12345u;
  return f->rate > 0 && (f->state >> 16) % f->rate == 0;
}

static inline int fails_by_plan (faults *f) {
  if (f->count == 0) return 0;
  if (f->after > 0) {
    f->after--;
    return 0;
  }
  f->count--;
  return 1;
}

static inline int faulty (faults *f) {
  int fails = fails_by_plan(f) | fails_by_chance(f);
  f->failed += (size_t)fails;
  return fails;
}

static inline void *count_alloc (void *ud, void *ptr, size_t osize,
                                 size_t nsize) {
  void *p;
  (void)ud;
  /* under ASan, exactly what was asked for */
  assert(ptr == NULL ? osize == 0 : malloc_usable_size(ptr) == osize);
  if (nsize == 0) {
    allocated -= osize;
    free(ptr);
    return NULL;
  }
  if (nsize > LARGEST_BLOCK) {
    memory_faults.failed++;
    return NULL;
  }
  if (faulty(&memory_faults)) return NULL;
  p = realloc(ptr, nsize);
  assert(p != NULL);
  allocated += nsize - osize;
  return p;
}

/* Keys need not be random here, only the same in every run. */
static inline int same_random (void *ud, void *out, size_t n) {
  (void)ud;
  if (faulty(&random_faults)) return -1;
  memset(out, 0x5a, n);
  return 0;
}

#endif
