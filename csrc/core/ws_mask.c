/*
** ws_mask.c - masking and unmasking (RFC 6455 section 5.3).
**
** Eight bytes at a time, and before that, where the compiler knows vectors,
** four vectors at a time: it makes SSE2, NEON or plain words of them. AVX2 is
** looked for at run time. Bytes that are handled at once are all loaded before
** any is stored, from low addresses to high ones, so dst may lie anywhere
** before src.
*/
#include <string.h>

#include "ws_base.h"

/* The key as it applies from this offset on, twice. */
static uint64_t turned (const unsigned char key[4], size_t offset) {
  unsigned by = 8 * (unsigned)(offset & 3);
  uint32_t k;
  memcpy(&k, key, 4);
#if defined(__BYTE_ORDER__) && __BYTE_ORDER__ == __ORDER_BIG_ENDIAN__
  by = -by & 31;
#endif
  k = k >> by | k << (-by & 31);
  return k | (uint64_t)k << 32;
}

static void mask_word (unsigned char *d, const unsigned char *s, uint64_t key) {
  uint64_t word;
  memcpy(&word, s, 8);
  word ^= key;
  memcpy(d, &word, 8);
}

#if defined(__GNUC__) && !defined(WS_PORTABLE)

typedef uint64_t vector __attribute__((vector_size(32), aligned(1), may_alias));

/* Masks all whole blocks: how many bytes they have. */
static inline __attribute__((always_inline)) size_t
all_blocks (unsigned char *d, const unsigned char *s, size_t n, uint64_t key) {
  const vector k = (vector){0} + key;
  size_t left = n;
  for (; left >= 4 * sizeof k; left -= 4 * sizeof k) {
    const vector *v = (const vector *)s;
    vector a = v[0] ^ k, b = v[1] ^ k, c = v[2] ^ k, e = v[3] ^ k;
    vector *to = (vector *)d;
    to[0] = a, to[1] = b, to[2] = c, to[3] = e;
    s += 4 * sizeof k, d += 4 * sizeof k;
  }
  return n - left;
}

static size_t blocks (unsigned char *d, const unsigned char *s, size_t n,
                      uint64_t key) {
  return all_blocks(d, s, n, key);
}

#if defined(__x86_64__) || defined(__i386__)
__attribute__((target("avx2"))) static size_t
blocks_by_avx2 (unsigned char *d, const unsigned char *s, size_t n,
                uint64_t key) {
  return all_blocks(d, s, n, key);
}
#define has_avx2() __builtin_cpu_supports("avx2")
#else
#define has_avx2() 0
#define blocks_by_avx2 blocks
#endif

#else
#define has_avx2() 0
#define blocks(d, s, n, key) ((void)(key), (size_t)0)
#define blocks_by_avx2 blocks
#endif

void ws_mask (void *dst, const void *src, size_t n, const unsigned char key[4],
              size_t offset) {
  unsigned char *d = dst;
  const unsigned char *s = src;
  uint64_t k = turned(key, offset);
  size_t i = 0;
  if (n >= 128)
    i = has_avx2() ? blocks_by_avx2(d, s, n, k) : blocks(d, s, n, k);
  for (; n - i >= 8; i += 8) mask_word(d + i, s + i, k);
  for (; i < n; i++) d[i] = s[i] ^ key[(offset + i) & 3];
}
