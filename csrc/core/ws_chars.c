/*
** ws_chars.c - classes of characters, and the few comparisons of strings that a
** handshake needs. The C library's would ask the locale.
*/
#include "ws_http.h"

#include <string.h>

/* clang-format off */
/* Sums of CH_TOKEN 1, CH_TARGET 2, CH_TEXT 4, CH_BLANK 8, CH_HIGH 16,
   CH_HOST 32, CH_IP6 64, CH_BASE64 128. */
const unsigned char ws_chars[256] = {
  0,   0,   0,   0,   0,   0,   0,   0,   0,   8,   0,   0,   0,   0,   0,   0,
  0,   0,   0,   0,   0,   0,   0,   0,   0,   0,   0,   0,   0,   0,   0,   0,
  8,  39,   6,   5,  39,  39,  39,  39,  38,  38,  39, 167,  38,  39, 103, 134,
231, 231, 231, 231, 231, 231, 231, 231, 231, 231,  70,  38,   6,  38,   6,   6,
  6, 231, 231, 231, 231, 231, 231, 167, 167, 167, 167, 167, 167, 167, 167, 167,
167, 167, 167, 167, 167, 167, 167, 167, 167, 167, 167,   6,   6,   6,   7,  39,
  7, 231, 231, 231, 231, 231, 231, 167, 167, 167, 167, 167, 167, 167, 167, 167,
167, 167, 167, 167, 167, 167, 167, 167, 167, 167, 167,   6,   7,   6,  39,   0,
 16,  16,  16,  16,  16,  16,  16,  16,  16,  16,  16,  16,  16,  16,  16,  16,
 16,  16,  16,  16,  16,  16,  16,  16,  16,  16,  16,  16,  16,  16,  16,  16,
 16,  16,  16,  16,  16,  16,  16,  16,  16,  16,  16,  16,  16,  16,  16,  16,
 16,  16,  16,  16,  16,  16,  16,  16,  16,  16,  16,  16,  16,  16,  16,  16,
 16,  16,  16,  16,  16,  16,  16,  16,  16,  16,  16,  16,  16,  16,  16,  16,
 16,  16,  16,  16,  16,  16,  16,  16,  16,  16,  16,  16,  16,  16,  16,  16,
 16,  16,  16,  16,  16,  16,  16,  16,  16,  16,  16,  16,  16,  16,  16,  16,
 16,  16,  16,  16,  16,  16,  16,  16,  16,  16,  16,  16,  16,  16,  16,  16
};
/* clang-format on */

size_t ws_skip (const void *p, size_t i, size_t n, int classes) {
  const unsigned char *s = p;
  while (i < n && (ws_chars[s[i]] & classes)) i++;
  return i;
}

int ws_all (ws_str s, int classes) {
  return s.n > 0 && ws_skip(s.p, 0, s.n, classes) == s.n;
}

static int lower (char ch) {
  return ch >= 'A' && ch <= 'Z' ? ch + ('a' - 'A') : ch;
}

/* Most names come in the case in which they are written here. */
int ws_alike (const char *a, const char *b, size_t n) {
  size_t i = 0;
  if (n > 0 && memcmp(a, b, n) == 0) return 1;
  while (i < n && lower(a[i]) == lower(b[i])) i++;
  return i == n;
}

int ws_is_any (ws_str s, const ws_str *names) {
  for (; names->p; names++)
    if (ws_like(s, *names)) return 1;
  return 0;
}

int ws_begins (ws_str s, const char *with) {
  size_t n = strlen(with);
  return s.n >= n && ws_alike(s.p, with, n);
}

int ws_same (ws_str a, ws_str b) {
  return a.n == b.n && (a.n == 0 || memcmp(a.p, b.p, a.n) == 0);
}

int ws_number (ws_str s, size_t *number) {
  size_t i, v = 0;
  for (i = 0; i < s.n; i++) {
    unsigned digit = (unsigned)(s.p[i] - '0');
    if (digit > 9) return 0;
    v = v > (SIZE_MAX - digit) / 10 ? SIZE_MAX : v * 10 + digit;
  }
  *number = v;
  return s.n > 0;
}
