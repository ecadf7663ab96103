/*
** test_mask.c - ws_mask: every size, alignment, offset and overlap, against
** RFC 6455 section 5.3 as it is written.
*/
#include "test.h"

static const unsigned char key[4] = {0x37, 0xFA, 0x21, 0x3D};

static unsigned char at (const unsigned char *s, size_t i, size_t offset) {
  return s[i] ^ key[(offset + i) % 4];
}

TEST(example_of_section_5_7) {
  unsigned char s[5];
  ws_mask(s, "Hello", 5, key, 0);
  CHECK(memcmp(s, "\x7F\x9F\x4D\x51\x58", 5) == 0);
}

static void fill (unsigned char *s, size_t n) {
  for (size_t i = 0; i < n; i++) s[i] = (unsigned char)rnd(256);
}

TEST(sizes_and_offsets_at_guard_pages) {
  unsigned char s[100], d[100];
  rnd_seed(1);
  fill(s, sizeof s);
  for (size_t n = 0; n <= sizeof s; n++)
    for (size_t offset = 0; offset < 5; offset++) {
      unsigned wrong = 0;
      ws_mask(d, guard_end(s, n), n, key, offset);
      for (size_t i = 0; i < n; i++) wrong += d[i] != at(s, i, offset);
      unsigned char *q = guard_end(s, n);
      ws_mask(q, q, n, key, offset);
      for (size_t i = 0; i < n; i++) wrong += q[i] != at(s, i, offset);
      CHECK(wrong == 0);
    }
}

TEST(moving_left_over_itself) {
  unsigned char s[160], d[160];
  rnd_seed(2);
  for (size_t by = 0; by <= 40; by++)
    for (size_t n = 0; n <= 120; n++) {
      unsigned wrong = 0;
      fill(s, sizeof s);
      memcpy(d, s, sizeof s);
      ws_mask(d, d + by, n, key, n);
      for (size_t i = 0; i < n; i++) wrong += d[i] != at(s + by, i, n);
      for (size_t i = n; i < sizeof s; i++)
        wrong += i >= by + n && d[i] != s[i];
      CHECK(wrong == 0);
    }
}

TEST(a_huge_offset) {
  unsigned char d[3];
  ws_mask(d, "abc", 3, key, SIZE_MAX - 2);
  CHECK(d[0] == ('a' ^ key[1]) && d[1] == ('b' ^ key[2]) &&
        d[2] == ('c' ^ key[3]));
}
