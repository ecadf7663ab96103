/*
** bench/mixed.h - text that takes the slow way through a check of UTF-8.
*/
#ifndef bench_mixed_h
#define bench_mixed_h

#include <string.h>

/* Characters of one to four bytes in turn, none cut at the end. */
static inline void fill_mixed (void *to, size_t size) {
  static const char text[] = "a\xC3\xA9z\xE2\x82\xAC\xF0\x9F\x98\x80\xCE\xBB";
  char *p = to;
  size_t n = 0;
  memset(p, 'x', size);
  for (; n + sizeof text - 1 <= size; n += sizeof text - 1)
    memcpy(p + n, text, sizeof text - 1);
}

#endif
