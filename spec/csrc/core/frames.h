/*
** frames.h - frames for tests, built by hand and not by the encoder under
** test. The role is the receiver's: frames for a server are masked.
*/
#ifndef frames_h
#define frames_h

#include "feed.h"

enum {
  FIN = 0x80,
  CONT = 0,
  TEXT = 1,
  BINARY = 2,
  CLOSE = 8,
  PING = 9,
  PONG = 10
};

static inline void frame_bytes (text *t, int n, uint64_t v) {
  while (n--) {
    unsigned char b = (unsigned char)(v >> 8 * n);
    text_add(t, &b, 1);
  }
}

/* The header with its length in size (0, 2, 8) more bytes, and a masking key.
   */
static inline void frame_header (text *t, int role, int first, int size,
                                 uint64_t length) {
  int length7 = size == 0 ? (int)length : size == 2 ? 126 : 127;
  frame_bytes(t, 1, (uint64_t)first);
  frame_bytes(t, 1, (uint64_t)(length7 | (role == WS_SERVER ? 0x80 : 0)));
  frame_bytes(t, size, length);
  if (role == WS_SERVER) text_add(t, "\x9A\x01\xC3\x57", 4);
}

static inline void frame_payload (text *t, int role, const void *p, size_t n) {
  static const unsigned char key[4] = {0x9A, 0x01, 0xC3, 0x57};
  const unsigned char *s = p;
  for (size_t i = 0; i < n; i++)
    frame_bytes(t, 1, role == WS_SERVER ? s[i] ^ key[i % 4] : s[i]);
}

static inline void frame (text *t, int role, int first, const void *p,
                          size_t n) {
  frame_header(t, role, first, n < 126 ? 0 : n < 65536 ? 2 : 8, n);
  frame_payload(t, role, p, n);
}

static inline void frame_str (text *t, int role, int first, const char *s) {
  frame(t, role, first, s, strlen(s));
}

/* Our own short frame, as it is sent: masked by zeros on a client. */
static inline void frame_ours (text *t, int role, int first, const void *p,
                               size_t n) {
  frame_bytes(t, 1, (uint64_t)first);
  frame_bytes(t, 1, n | (role == WS_CLIENT ? 0x80u : 0u));
  if (role == WS_CLIENT) frame_bytes(t, 4, 0);
  text_add(t, p, n);
}

/* The same in the form of a log. */
static inline void frame_out (text *t, int role, int first, const void *p,
                              size_t n) {
  text ours = {NULL, 0, 0};
  frame_ours(&ours, role, first, p, n);
  for (size_t i = 0; i < ours.n; i++)
    text_addf(t, "%02x", ((unsigned char *)ours.p)[i]);
  text_free(&ours);
}

/* The end of a log when we failed the connection. */
static inline void frame_failed (text *t, int role, unsigned code,
                                 const char *rule) {
  char p[125] = {(char)(code >> 8), (char)(code & 0xFF)};
  size_t n = strlen(rule);
  memcpy(p + 2, rule, n);
  text_addf(t, "end %u \"%s\" failed; out ", code, rule);
  frame_out(t, role, FIN | CLOSE, p, n + 2);
}

#define BOTH(role) for (int role = WS_CLIENT; role <= WS_SERVER; role++)
#define COUNT(a) (sizeof(a) / sizeof *(a))

#endif
