/*
** input.h - an input read as a program: bytes that choose, sizes, payloads.
** At its end it is all zeros, so every program comes to an end.
*/
#ifndef input_h
#define input_h

#include <assert.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* No branch here counts as coverage: the fuzzer is to look into the core. */
#pragma clang attribute push(__attribute__((no_sanitize("coverage"))), \
                             apply_to = function)

typedef struct input {
  const uint8_t *p;
  size_t n;
} input;

static inline unsigned take (input *in) {
  if (in->n == 0) return 0;
  in->n--;
  return *in->p++;
}

/* A size: all up to 223 by themselves; then those where headers, blocks and
   limits change, the large ones seldom. */
static inline size_t take_size (input *in) {
  static const size_t sizes[32] = {
      255,  256,  257,  299,  300,  301,   511,   512,   513,   600,  1000,
      1023, 1024, 1025, 1500, 2047, 2048,  2049,  3000,  4095,  4096, 4097,
      5000, 8191, 8192, 8193, 9000, 16000, 16384, 65535, 65536, 70000};
  unsigned b = take(in);
  return b < 224 ? b : sizes[b - 224];
}

/* At most n bytes of the input, as they are in it. */
static inline const uint8_t *piece (input *in, size_t *n) {
  const uint8_t *p = in->p;
  if (*n > in->n) *n = in->n;
  in->p += *n;
  in->n -= *n;
  return p;
}

/* n bytes in a block of exactly that size, so that one too many is seen: text
   that repeats, text with a character of two bytes at its end, noise that does
   not compress, or (up to its end) the input itself. */
static inline uint8_t *payload (input *in, size_t *n) {
  unsigned kind = take(in) % 4, state = 1;
  const uint8_t *p = kind == 3 ? piece(in, n) : NULL;
  uint8_t *copy = malloc(*n != 0 ? *n : 1);
  assert(copy != NULL);
  for (size_t i = 0; i < *n; i++) {
    state = state * 1103515245u + 12345u;
    copy[i] = p           ? p[i]
              : kind == 2 ? (uint8_t)(state >> 16)
                          : (uint8_t)("{\"id\": 17}, "[i % 12]);
  }
  if (kind == 1 && *n > 1) memcpy(copy + *n - 2, "\xC3\xBC", 2);
  return copy;
}

/* With FUZZ_TRACE set, says what an input does. */
static inline int is_traced (void) {
  static int known;
  if (known == 0) known = getenv("FUZZ_TRACE") ? 1 : -1;
  return known > 0;
}
#define trace(...)                                 \
  do {                                             \
    if (is_traced()) fprintf(stderr, __VA_ARGS__); \
  } while (0)

/* Reads every byte, so that the sanitizer does. */
static inline void touch (const void *p, size_t n) {
  const uint8_t *s = p;
  volatile unsigned sum = 0;
  for (size_t i = 0; i < n; i++) sum += s[i];
  (void)sum;
}

/* ---- bytes that grow */

typedef struct bytes {
  uint8_t *p;
  size_t n, cap;
} bytes;

static inline void bytes_room (bytes *b, size_t n) {
  if (b->n + n <= b->cap) return;
  b->cap = 2 * (b->n + n);
  b->p = realloc(b->p, b->cap);
  assert(b->p != NULL);
}

static inline void bytes_put (bytes *b, uint8_t byte) {
  bytes_room(b, 1);
  b->p[b->n++] = byte;
}

static inline void bytes_add (bytes *b, const void *p, size_t n) {
  bytes_room(b, n);
  if (n > 0) memcpy(b->p + b->n, p, n);
  b->n += n;
}

static inline void bytes_str (bytes *b, const char *s) {
  bytes_add(b, s, strlen(s));
}

/* Drops the first n. */
static inline void bytes_drop (bytes *b, size_t n) {
  b->n -= n;
  if (b->n > 0) memmove(b->p, b->p + n, b->n);
}

static inline void bytes_free (bytes *b) {
  free(b->p);
  memset(b, 0, sizeof *b);
}

static inline int bytes_are (const bytes *b, const void *p, size_t n) {
  return b->n == n && (n == 0 || memcmp(b->p, p, n) == 0);
}

#pragma clang attribute pop

#endif
