/*
** failing.h - allocations that can be made to fail, for a test that compiles a
** copy of a file of the transport: it defines calloc and realloc as these.
*/
#ifndef failing_h
#define failing_h

#include <stdlib.h>

static int fail_at; /* this allocation fails (1: the next), 0: none */

static int fails (void) { return fail_at > 0 && --fail_at == 0; }

static inline void *test_calloc (size_t n, size_t size) {
  return fails() ? NULL : calloc(n, size);
}
static inline void *test_realloc (void *p, size_t size) {
  return fails() ? NULL : realloc(p, size);
}

#endif
