/*
** test_mask.c - ws_mask: every size, alignment, offset and overlap, against
** the formula of RFC 6455 section 5.3.
*/
#include "feed.h"

/* The same for compilers without vectors. */
#define WS_PORTABLE 1
#define ws_mask portable_mask
#include "../../../csrc/core/ws_mask.c"
#undef ws_mask
#undef WS_PORTABLE
#undef blocks
#undef blocks_by_avx2
#undef has_avx2

/* The same for machines without AVX2. */
#define __builtin_cpu_supports(what) 0
#define ws_mask baseline_mask
#define turned baseline_turned
#define mask_word baseline_word
#include "../../../csrc/core/ws_mask.c"
#undef ws_mask
#undef turned
#undef mask_word
#undef __builtin_cpu_supports

typedef void (*masker)(void *dst, const void *src, size_t n,
                       const unsigned char key[4], size_t offset);

static const unsigned char key[4] = {0x37, 0xFA, 0x21, 0x3D};

static unsigned char at (const unsigned char *s, size_t i, size_t offset) {
  return s[i] ^ key[(offset + i) % 4];
}

static void example_of_section_5_7 (masker mask) {
  unsigned char s[5];
  mask(s, "Hello", 5, key, 0);
  CHECK(memcmp(s, "\x7F\x9F\x4D\x51\x58", 5) == 0);
}

static void fill (unsigned char *s, size_t n) {
  for (size_t i = 0; i < n; i++) s[i] = (unsigned char)rnd(256);
}

static void sizes_and_offsets_at_guard_pages (masker mask) {
  unsigned char s[420], d[420];
  rnd_seed(1);
  fill(s, sizeof s);
  for (size_t n = 0; n <= sizeof s; n++)
    for (size_t offset = 0; offset < 5; offset++) {
      unsigned wrong = 0;
      mask(d, guard_end(s, n), n, key, offset);
      for (size_t i = 0; i < n; i++) wrong += d[i] != at(s, i, offset);
      unsigned char *q = guard_end(s, n);
      mask(q, q, n, key, offset);
      for (size_t i = 0; i < n; i++) wrong += q[i] != at(s, i, offset);
      CHECK(wrong == 0);
    }
}

static void moving_left_over_itself (masker mask) {
  unsigned char s[460], d[460];
  rnd_seed(2);
  for (size_t by = 0; by <= 140; by += by < 20 ? 1 : 13)
    for (size_t n = 0; n <= 320; n++) {
      unsigned wrong = 0;
      fill(s, sizeof s);
      memcpy(d, s, sizeof s);
      mask(d, d + by, n, key, n);
      for (size_t i = 0; i < n; i++) wrong += d[i] != at(s + by, i, n);
      for (size_t i = n; i < sizeof s; i++)
        wrong += i >= by + n && d[i] != s[i];
      CHECK(wrong == 0);
    }
}

static void a_huge_offset (masker mask) {
  unsigned char d[3];
  mask(d, "abc", 3, key, SIZE_MAX - 2);
  CHECK(d[0] == ('a' ^ key[1]) && d[1] == ('b' ^ key[2]) &&
        d[2] == ('c' ^ key[3]));
}

#define TEST_ALL(what)                           \
  TEST(what) { what(ws_mask); }                  \
  TEST(baseline_##what) { what(baseline_mask); } \
  TEST(portable_##what) { what(portable_mask); }

TEST_ALL(example_of_section_5_7)
TEST_ALL(sizes_and_offsets_at_guard_pages)
TEST_ALL(moving_left_over_itself)
TEST_ALL(a_huge_offset)
