/*
** ws_utf8.c - is it UTF-8 (RFC 3629)? Streaming, for pieces of any size.
**
** Sixteen bytes of ASCII are skipped at a time. The rest goes through an
** automaton whose state is a shift: for each byte a word holds the next state
** for every state, six bits each, so that a step is a load, a shift and a mask.
*/
#include <string.h>

#include "ws.h"

#if defined(__SSE2__) && !defined(WS_PORTABLE)
#include <emmintrin.h>
static int is_ascii (const unsigned char *p) { /* all of 16 bytes */
  return _mm_movemask_epi8(_mm_loadu_si128((const __m128i *)p)) == 0;
}
#elif defined(__aarch64__) && defined(__ARM_NEON) && !defined(WS_PORTABLE)
#include <arm_neon.h>
static int is_ascii (const unsigned char *p) {
  return vmaxvq_u8(vld1q_u8(p)) < 0x80;
}
#else
static int is_ascii (const unsigned char *p) {
  uint64_t a, b;
  memcpy(&a, p, 8);
  memcpy(&b, p + 8, 8);
  return ((a | b) & 0x8080808080808080u) == 0;
}
#endif

/* States: between characters; no UTF-8 any more; 1, 2 or 3 continuation bytes
   are due; after E0, ED, F0, F4, whose next byte has a range of its own. */
enum {
  OK = 0,
  BAD = 6,
  ONE = 12,
  TWO = 18,
  THREE = 24,
  E0 = 30,
  ED = 36,
  F0 = 42,
  F4 = 48
};

#define TO(from, to) ((uint64_t)(to) << (from))
#define ROW(ok, one, two, three, e0, ed, f0, f4)             \
  (TO(OK, ok) | TO(BAD, BAD) | TO(ONE, one) | TO(TWO, two) | \
   TO(THREE, three) | TO(E0, e0) | TO(ED, ed) | TO(F0, f0) | TO(F4, f4))
#define LEAD(to) ROW(to, BAD, BAD, BAD, BAD, BAD, BAD, BAD)

#define ASCII LEAD(OK)
#define C80 ROW(BAD, OK, ONE, TWO, BAD, ONE, BAD, TWO) /* 80 .. 8F */
#define C90 ROW(BAD, OK, ONE, TWO, BAD, ONE, TWO, BAD) /* 90 .. 9F */
#define CA0 ROW(BAD, OK, ONE, TWO, ONE, BAD, TWO, BAD) /* A0 .. BF */
#define NO LEAD(BAD)
#define L2 LEAD(ONE)
#define L3 LEAD(TWO)
#define L4 LEAD(THREE)

#define X4(x) x, x, x, x
#define X16(x) X4(x), X4(x), X4(x), X4(x)

/* clang-format off */
static const uint64_t rows[256] = {
  X16(ASCII), X16(ASCII), X16(ASCII), X16(ASCII),                 /* 00 .. 3F */
  X16(ASCII), X16(ASCII), X16(ASCII), X16(ASCII),                 /* 40 .. 7F */
  X16(C80), X16(C90), X16(CA0), X16(CA0),                         /* 80 .. BF */
  NO, NO, L2, L2, X4(L2), X4(L2), X4(L2), X16(L2),                /* C0 .. DF */
  LEAD(E0), L3, L3, L3, X4(L3), X4(L3), L3, LEAD(ED), L3, L3,     /* E0 .. EF */
  LEAD(F0), L4, L4, L4, LEAD(F4), NO, NO, NO, X4(NO), X4(NO)      /* F0 .. FF */
};
/* clang-format on */

static uint32_t steps (uint32_t state, const unsigned char *p, size_t n) {
  uint64_t s = state;
  while (n--) s = (rows[*p++] >> s) & 63;
  return (uint32_t)s;
}

int ws_utf8 (uint32_t *state, const void *p, size_t n) {
  const unsigned char *s = p;
  uint32_t st = *state;
  for (; n >= 16; n -= 16, s += 16)
    if (st != OK || !is_ascii(s)) {
      st = steps(st, s, 16);
      if (st == BAD) break;
    }
  if (st != BAD) st = steps(st, s, n);
  *state = st;
  return st != BAD;
}
