/*
** test_utf8.c - ws_utf8 against a simple decoder.
*/
#include "feed.h"

/* The same for machines without SSE2 and NEON. */
#define WS_PORTABLE 1
#define ws_utf8 portable_utf8
#include "../../../csrc/core/ws_utf8.c"
#undef ws_utf8

/* Size of the character at p, 0 if there is none: RFC 3629 section 3. */
static size_t character (const unsigned char *p, size_t n) {
  static const uint32_t least[5] = {0, 0, 0x80, 0x800, 0x10000};
  size_t size = p[0] < 0x80           ? 1
                : (p[0] >> 5) == 0x06 ? 2
                : (p[0] >> 4) == 0x0E ? 3
                : (p[0] >> 3) == 0x1E ? 4
                                      : 0;
  if (size == 0 || size > n) return 0;
  uint32_t code = size == 1 ? p[0] : p[0] & (0x7Fu >> size);
  for (size_t i = 1; i < size; i++) {
    if ((p[i] & 0xC0) != 0x80) return 0;
    code = code << 6 | (p[i] & 0x3F);
  }
  if (code < least[size] || code > 0x10FFFF) return 0;
  return code >= 0xD800 && code <= 0xDFFF ? 0 : size;
}

static int is_utf8 (const unsigned char *p, size_t n) {
  while (n > 0) {
    size_t size = character(p, n);
    if (size == 0) return 0;
    p += size;
    n -= size;
  }
  return 1;
}

/* Whether any bytes after it make it UTF-8: tries one to three bytes. */
static int is_prefix (const unsigned char *p, size_t n) {
  unsigned char s[16];
  memcpy(s, p, n);
  memset(s + n, 0x80, 3);
  if (is_utf8(p, n)) return 1;
  for (int b = 0x80; b < 0xC0; b++) {
    s[n] = (unsigned char)b;
    for (size_t more = 1; more <= 3; more++)
      if (is_utf8(s, n + more)) return 1;
  }
  return 0;
}

static int whole (const unsigned char *p, size_t n) {
  uint32_t state = 0;
  return ws_utf8(&state, p, n) && state == 0;
}

static int portable (const unsigned char *p, size_t n) {
  uint32_t state = 0;
  return portable_utf8(&state, p, n) && state == 0;
}

TEST(all_of_one_to_three_bytes) {
  unsigned wrong = 0;
  for (uint32_t v = 0; v < 1u << 24; v++) {
    unsigned char s[3] = {(unsigned char)(v >> 16), (unsigned char)(v >> 8),
                          (unsigned char)v};
    wrong += whole(s, 3) != is_utf8(s, 3);
    if (v < 1u << 16) wrong += whole(s + 1, 2) != is_utf8(s + 1, 2);
    if (v < 1u << 8) wrong += whole(s + 2, 1) != is_utf8(s + 2, 1);
  }
  CHECK(wrong == 0);
}

TEST(samples_of_four_bytes) {
  unsigned wrong = 0;
  rnd_seed(4);
  for (int i = 0; i < 4000000; i++) {
    unsigned char s[4];
    s[0] = (unsigned char)(0xEC + rnd(20));
    for (int k = 1; k < 4; k++)
      s[k] = (unsigned char)(rnd(8) ? 0x80 + rnd(64) : rnd(256));
    wrong += whole(s, 4) != is_utf8(s, 4);
  }
  CHECK(wrong == 0);
}

TEST(every_character_of_four_bytes_and_its_neighbours) {
  unsigned wrong = 0;
  for (uint32_t code = 0xF000; code < 0x120000; code++) {
    unsigned char s[4] = {(unsigned char)(0xF0 | code >> 18),
                          (unsigned char)(0x80 | (code >> 12 & 63)),
                          (unsigned char)(0x80 | (code >> 6 & 63)),
                          (unsigned char)(0x80 | (code & 63))};
    wrong += whole(s, 4) != (code >= 0x10000 && code <= 0x10FFFF);
  }
  CHECK(wrong == 0);
}

static const char *const pieces[] = {"a",
                                     "ASCII, more than sixteen bytes",
                                     "\xC3\xA9",
                                     "\xE2\x82\xAC",
                                     "\xF0\x9F\x98\x80",
                                     "\xED\x9F\xBF"};

static size_t compose (unsigned char *s, size_t most) {
  size_t n = 0;
  while (n + 40 < most) {
    const char *p = pieces[rnd(sizeof pieces / sizeof *pieces)];
    memcpy(s + n, p, strlen(p));
    n += strlen(p);
  }
  return n;
}

/* Every boundary of RFC 3629's table, from both sides. */
static const unsigned char edges[] = {
    0x00, 0x7F, 0x80, 0x8F, 0x90, 0x9F, 0xA0, 0xBF, 0xC0, 0xC1, 0xC2, 0xDF,
    0xE0, 0xE1, 0xEC, 0xED, 0xEE, 0xEF, 0xF0, 0xF1, 0xF3, 0xF4, 0xF5, 0xFF};
enum { EDGES = sizeof edges };

/* Four bytes in a long ASCII text, where blocks of 16, 32 and 64 bytes meet. */
static unsigned wrong_inside (const unsigned char four[4], int ok) {
  unsigned char s[160];
  unsigned wrong = 0;
  memset(s, 'a', sizeof s);
  for (size_t at = 60; at < 72; at++) {
    memcpy(s + at, four, 4);
    wrong += whole(s, sizeof s) != ok;
    wrong += whole(s + 3, at + 1) != ok;
    memset(s + at, 'a', 4);
  }
  return wrong;
}

TEST(edges_where_blocks_meet) {
  unsigned wrong = 0;
  for (size_t v = 0; v < (size_t)EDGES * EDGES * EDGES * EDGES; v++) {
    unsigned char s[4] = {edges[v % EDGES], edges[v / EDGES % EDGES],
                          edges[v / EDGES / EDGES % EDGES],
                          edges[v / EDGES / EDGES / EDGES]};
    wrong += wrong_inside(s, is_utf8(s, 4));
  }
  CHECK(wrong == 0);
}

TEST(all_of_three_bytes_in_a_long_text) {
  unsigned wrong = 0;
  unsigned char s[96];
  memset(s, 'a', sizeof s);
  for (uint32_t v = 0; v < 1u << 24; v++) {
    s[36] = (unsigned char)(v >> 16);
    s[37] = (unsigned char)(v >> 8);
    s[38] = (unsigned char)v;
    wrong += whole(s, sizeof s) != is_utf8(s + 36, 3);
  }
  CHECK(wrong == 0);
}

/* A text may be cut inside a character: the state says so at every byte. */
TEST(cut_anywhere) {
  unsigned char s[400];
  rnd_seed(5);
  for (int i = 0; i < 300; i++) {
    size_t n = compose(s, sizeof s);
    for (size_t cut = 0; cut <= n; cut++) {
      uint32_t state = 0, plain = 0;
      CHECK(ws_utf8(&state, guard_end(s, cut), cut));
      CHECK(portable_utf8(&plain, s, cut) && state == plain);
      CHECK(ws_utf8(&state, guard_start(s + cut, n - cut), n - cut));
      CHECK(state == 0);
    }
  }
}

TEST(fails_at_the_earliest_byte) {
  unsigned wrong = 0;
  rnd_seed(7);
  for (int i = 0; i < 20000; i++) {
    unsigned char s[6];
    uint32_t state = 0;
    for (size_t k = 0; k < sizeof s; k++) {
      s[k] = (unsigned char)(rnd(2)   ? 0x80 + rnd(128)
                             : rnd(2) ? 0xE0 + rnd(24)
                                      : 'a');
      int ok = ws_utf8(&state, s + k, 1);
      wrong += ok != is_prefix(s, k + 1);
      wrong += ok && (state == 0) != is_utf8(s, k + 1);
      if (!ok) break;
    }
  }
  CHECK(wrong == 0);
}

static int split (const unsigned char *s, size_t n) {
  uint32_t state = 0;
  while (n > 0) {
    size_t most = rnd(2) ? 40 : 200;
    size_t k = 1 + rnd(n < most ? n : most);
    if (!ws_utf8(&state, guard_end(s, k), k)) return 0;
    s += k;
    n -= k;
  }
  return state == 0;
}

TEST(long_texts_in_pieces_at_guard_pages) {
  unsigned char s[300];
  rnd_seed(11);
  for (int i = 0; i < 5000; i++) {
    size_t n = compose(s, sizeof s);
    CHECK(whole(guard_start(s, n), n));
    CHECK(split(s, n));
    s[rnd(n)] = (unsigned char)rnd(256);
    int ok = is_utf8(s, n);
    CHECK(whole(guard_end(s, n), n) == ok);
    CHECK(portable(guard_end(s, n), n) == ok);
    CHECK(split(s, n) == ok);
  }
}

TEST(stays_bad) {
  uint32_t state = 0;
  CHECK(!ws_utf8(&state, "\xFF", 1));
  CHECK(!ws_utf8(&state, "abc", 3));
  CHECK(!ws_utf8(&state, "sixteen bytes of ASCII and more", 31));
}

TEST(an_empty_text_is_utf8) {
  uint32_t state = 0;
  CHECK(ws_utf8(&state, NULL, 0) && state == 0);
}
