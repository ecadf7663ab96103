/*
** ws_mask.c - masking and unmasking (RFC 6455 section 5.3).
**
** Sixteen bytes at a time with SSE2 or NEON, eight elsewhere. Each block is
** loaded before the one at dst is stored, and blocks go upwards, so dst may lie
** anywhere before src.
*/
#include <string.h>

#include "ws.h"

#if defined(__SSE2__) && !defined(WS_PORTABLE)
#include <emmintrin.h>
#define BLOCK 16
#define xor_block(dst, src, key)                                          \
  _mm_storeu_si128((__m128i *)(dst),                                      \
                   _mm_xor_si128(_mm_loadu_si128((const __m128i *)(src)), \
                                 _mm_loadu_si128((const __m128i *)(key))))
#elif defined(__ARM_NEON) && !defined(WS_PORTABLE)
#include <arm_neon.h>
#define BLOCK 16
#define xor_block(dst, src, key) \
  vst1q_u8(dst, veorq_u8(vld1q_u8(src), vld1q_u8(key)))
#else
#define BLOCK 8
#define xor_block xor_word
static void xor_word (unsigned char *dst, const unsigned char *src,
                      const unsigned char *key) {
  uint64_t word, mask;
  memcpy(&word, src, 8);
  memcpy(&mask, key, 8);
  word ^= mask;
  memcpy(dst, &word, 8);
}
#endif

void ws_mask (void *dst, const void *src, size_t n, const unsigned char key[4],
              size_t offset) {
  unsigned char *d = dst;
  const unsigned char *s = src;
  unsigned char k[BLOCK];
  for (size_t i = 0; i < BLOCK; i++) k[i] = key[(offset + i) & 3];
  for (; n >= BLOCK; n -= BLOCK, d += BLOCK, s += BLOCK) xor_block(d, s, k);
  for (size_t i = 0; i < n; i++) d[i] = s[i] ^ k[i];
}
