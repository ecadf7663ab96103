/*
** ws_utf8.c - is it UTF-8 (RFC 3629)? Streaming, for pieces of any size.
**
** Sixteen bytes of ASCII are skipped at a time. The rest goes through an
** automaton whose state is a shift: for each byte a word holds the next state
** for every state, six bits each, so that a step is a load, a shift and a mask.
**
** Machines with AVX2 check long pieces 32 bytes at a time (J. Keiser, D.
** Lemire, "Validating UTF-8 in less than one instruction per byte", 2021):
** three tables of sixteen, looked up by halves of each byte and the one before
** it, say which mistakes the two could be part of. The automaton then has only
** the ends.
*/
#include <string.h>

#include "ws_base.h"

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

/* ------------------------------------------------------ 32 bytes at a time */

#if defined(__GNUC__) && defined(__x86_64__) && !defined(WS_PORTABLE)
#include <immintrin.h>
#define AVX2 __attribute__((target("avx2")))
#define has_avx2() __builtin_cpu_supports("avx2")

/* What two bytes in a row can be; CONTS is no mistake after a longer lead. */
enum {
  SHORT = 1,   /* a lead or ASCII where a continuation is due */
  LONG = 2,    /* ASCII and a continuation */
  OVER3 = 4,   /* overlong: E0 80 .. 9F */
  LARGE = 8,   /* beyond U+10FFFF: F4 90 and more */
  SURR = 16,   /* surrogate: ED A0 .. BF */
  OVER2 = 32,  /* C0, C1 */
  OVER4 = 64,  /* F0 80 .. 8F; F5 80 .. 8F and more are too large */
  CONTS = 128, /* two continuations */
  ANY = SHORT | LONG | CONTS, /* whatever the low half of the first is */
  NEXT = LONG | OVER2 | CONTS /* whatever continuation the second is */
};

#define TABLE(...) _mm256_broadcastsi128_si256(_mm_setr_epi8(__VA_ARGS__))
#define C(x) ((char)(x))

AVX2 static __m256i at (const unsigned char *p) {
  return _mm256_loadu_si256((const __m256i *)p);
}

AVX2 static __m256i high_half (__m256i v) {
  return _mm256_and_si256(_mm256_srli_epi16(v, 4), _mm256_set1_epi8(15));
}

/* For each byte at p the mistakes of it and the one before. */
AVX2 static __m256i pairs (const unsigned char *p) {
  const __m256i first_high =
      TABLE(LONG, LONG, LONG, LONG, LONG, LONG, LONG, LONG, C(CONTS), C(CONTS),
            C(CONTS), C(CONTS), SHORT | OVER2, SHORT, SHORT | OVER3 | SURR,
            SHORT | LARGE | OVER4);
  const __m256i first_low = TABLE(
      C(ANY | OVER2 | OVER3 | OVER4), C(ANY | OVER2), C(ANY), C(ANY),
      C(ANY | LARGE), C(ANY | LARGE | OVER4), C(ANY | LARGE | OVER4),
      C(ANY | LARGE | OVER4), C(ANY | LARGE | OVER4), C(ANY | LARGE | OVER4),
      C(ANY | LARGE | OVER4), C(ANY | LARGE | OVER4), C(ANY | LARGE | OVER4),
      C(ANY | LARGE | OVER4 | SURR), C(ANY | LARGE | OVER4),
      C(ANY | LARGE | OVER4));
  const __m256i second_high = TABLE(
      SHORT, SHORT, SHORT, SHORT, SHORT, SHORT, SHORT, SHORT,
      C(NEXT | OVER3 | OVER4), C(NEXT | OVER3 | LARGE), C(NEXT | SURR | LARGE),
      C(NEXT | SURR | LARGE), SHORT, SHORT, SHORT, SHORT);
  __m256i first = at(p - 1);
  __m256i low = _mm256_and_si256(first, _mm256_set1_epi8(15));
  return _mm256_and_si256(
      _mm256_and_si256(_mm256_shuffle_epi8(first_high, high_half(first)),
                       _mm256_shuffle_epi8(first_low, low)),
      _mm256_shuffle_epi8(second_high, high_half(at(p))));
}

/* CONTS for each byte at p that is to be the third or fourth of a character. */
AVX2 static __m256i late (const unsigned char *p) {
  __m256i third = _mm256_subs_epu8(at(p - 2), _mm256_set1_epi8(0xE0 - 0x80));
  __m256i fourth = _mm256_subs_epu8(at(p - 3), _mm256_set1_epi8(0xF0 - 0x80));
  return _mm256_and_si256(_mm256_or_si256(third, fourth),
                          _mm256_set1_epi8(C(CONTS)));
}

/* Whole blocks, behind at least three bytes that end a character: how many
   bytes they have, 0 if anything in them is wrong. */
AVX2 static size_t whole_blocks (const unsigned char *p, size_t n) {
  __m256i wrong = _mm256_setzero_si256();
  size_t left = n;
  for (; left >= 32; left -= 32, p += 32) {
    if (!_mm256_movemask_epi8(_mm256_or_si256(at(p), at(p - 3)))) continue;
    wrong = _mm256_or_si256(wrong, _mm256_xor_si256(pairs(p), late(p)));
  }
  return _mm256_testz_si256(wrong, wrong) ? n - left : 0;
}

/* How many of the bytes before p belong to a character that goes on at p. */
static size_t unfinished (const unsigned char *p) {
  return p[-1] >= 0xC0 ? 1 : p[-2] >= 0xE0 ? 2 : p[-3] >= 0xF0 ? 3 : 0;
}

/* As many of the n bytes as are right and can be checked so; the state is then
   OK or BAD. */
static size_t most (uint32_t *state, const unsigned char *p, size_t n) {
  size_t i = 3;
  *state = steps(*state, p, 3);
  while (*state != OK && *state != BAD && i < 6)
    *state = steps(*state, p + i++, 1);
  if (*state == BAD) return n;
  i += whole_blocks(p + i, n - i);
  return i - unfinished(p + i);
}

#else
#define has_avx2() 0
#define most(state, p, n) ((void)(state), (void)(p), n)
#endif

int ws_utf8 (uint32_t *state, const void *p, size_t n) {
  const unsigned char *s = p;
  uint32_t st = *state;
  if (n >= 64 && has_avx2()) {
    size_t used = most(&st, s, n);
    s += used;
    n -= used;
  }
  for (; n >= 16; n -= 16, s += 16)
    if (st != OK || !is_ascii(s)) {
      st = steps(st, s, 16);
      if (st == BAD) break;
    }
  if (st != BAD) st = steps(st, s, n);
  *state = st;
  return st != BAD;
}
