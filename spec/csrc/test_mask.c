/*
** test_mask.c - ws_mask: every size, alignment, offset and overlap, against
** RFC 6455 section 5.3 as it is written.
*/
#include "test.h"

/* The same for machines without SSE2 and NEON. */
#define WS_PORTABLE 1
#define ws_mask portable_mask
#include "../../csrc/ws_mask.c"
#undef ws_mask

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
  unsigned char s[100], d[100];
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
  unsigned char s[160], d[160];
  rnd_seed(2);
  for (size_t by = 0; by <= 40; by++)
    for (size_t n = 0; n <= 120; n++) {
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

TEST(example_of_section_5_7) { example_of_section_5_7(ws_mask); }
TEST(portable_example_of_section_5_7) { example_of_section_5_7(portable_mask); }
TEST(sizes_and_offsets_at_guard_pages) {
  sizes_and_offsets_at_guard_pages(ws_mask);
}
TEST(portable_sizes_and_offsets_at_guard_pages) {
  sizes_and_offsets_at_guard_pages(portable_mask);
}
TEST(moving_left_over_itself) { moving_left_over_itself(ws_mask); }
TEST(portable_moving_left_over_itself) {
  moving_left_over_itself(portable_mask);
}
TEST(a_huge_offset) { a_huge_offset(ws_mask); }
TEST(portable_a_huge_offset) { a_huge_offset(portable_mask); }
