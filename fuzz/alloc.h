/*
** alloc.h - the fuzz targets' allocator: it counts, so that a leak or a wrong old
** size shows at the end of each input.
*/
#ifndef alloc_h
#define alloc_h

#include <stdlib.h>

static size_t allocated;

static void *count_alloc (void *ud, void *ptr, size_t osize, size_t nsize) {
  void *p;
  (void)ud;
  if (nsize == 0) {
    allocated -= osize;
    free(ptr);
    return NULL;
  }
  p = realloc(ptr, nsize);
  if (p != NULL) allocated += nsize - osize;
  return p;
}

#endif
