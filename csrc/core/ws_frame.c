/*
** ws_frame.c - frame headers (RFC 6455 section 5.2): parses them and checks all
** the rules that a header can break by itself, each at the earliest byte that
** shows it; builds them.
*/
#include <string.h>

#include "ws_frame.h"

enum { RSV1 = 0x40, RSV = 0x70 };

static const char *first_rule (int first, int fragmented, int compressed) {
  int opcode = first & 15;
  if (first & (compressed ? RSV & ~RSV1 : RSV))
    return "reserved bits are set (RFC 6455 5.2)";
  if (first & RSV1 && (ws_is_control(opcode) || opcode == WS_CONTINUATION))
    return "RSV1 but on the first frame of a message (RFC 7692 6.1)";
  if ((opcode & 7) > 2) return "reserved opcode (RFC 6455 5.2)";
  if (ws_is_control(opcode))
    return first & 0x80 ? NULL : "fragmented control frame (RFC 6455 5.5)";
  if (opcode == WS_CONTINUATION && !fragmented)
    return "continuation without a message (RFC 6455 5.4)";
  if (opcode != WS_CONTINUATION && fragmented)
    return "new message inside a fragmented one (RFC 6455 5.4)";
  return NULL;
}

static const char *second_rule (int first, int second, int masked) {
  if (masked && !(second & 0x80))
    return "unmasked frame from a client (RFC 6455 5.1)";
  if (!masked && (second & 0x80))
    return "masked frame from a server (RFC 6455 5.1)";
  if (ws_is_control(first) && (second & 127) > WS_CONTROL)
    return "control frame over 125 bytes (RFC 6455 5.5)";
  return NULL;
}

/* The extended length: n of its size (2 or 8) bytes are here. It takes the
   fewest bytes possible, and its top bit is 0. */
static const char *length_rule (const unsigned char *p, size_t n, size_t size,
                                uint64_t *length) {
  uint64_t v = 0;
  for (size_t i = 0; i < n; i++) v = v << 8 | p[i];
  *length = v;
  if (size == 8 && n > 0 && p[0] & 0x80)
    return "length with its top bit set (RFC 6455 5.2)";
  if (size == 8 ? n >= 6 && v >> 8 * (n - 6) == 0 : n == 2 && v < 126)
    return "length in more bytes than needed (RFC 6455 5.2)";
  return NULL;
}

static size_t extended (size_t length7) {
  return length7 < 126 ? 0 : length7 == 126 ? 2 : 8;
}

/* The length and, behind it, the masking key. */
static int rest (ws_frame *f, const unsigned char *p, size_t n, int masked) {
  size_t size = 2 + extended(p[1] & 127);
  f->length = p[1] & 127;
  if (size > 2) {
    size_t here = n < size ? n : size;
    f->rule = length_rule(p + 2, here - 2, size - 2, &f->length);
    if (f->rule) return WS_END;
  }
  if (n < size) return 0;
  f->size = (unsigned char)(masked ? size + 4 : size);
  if (n < f->size) return 0;
  if (masked)
    memcpy(f->key, p + size, 4);
  else
    memset(f->key, 0, 4);
  return 1;
}

int ws_frame_parse (ws_frame *f, const unsigned char *p, size_t n, int masked,
                    int fragmented, int compressed) {
  f->size = 0;
  if (n < 1) return 0;
  f->opcode = p[0] & 15;
  f->fin = p[0] >> 7;
  f->compressed = (p[0] & RSV1) != 0;
  f->rule = first_rule(p[0], fragmented, compressed);
  if (f->rule) return WS_END;
  if (n < 2) return 0;
  if ((f->rule = second_rule(p[0], p[1], masked)) != NULL) return WS_END;
  return rest(f, p, n, masked);
}

size_t ws_frame_build (unsigned char *p, int first, uint64_t length,
                       const unsigned char *key) {
  int length7 = length < 126 ? (int)length : length <= 0xFFFF ? 126 : 127;
  size_t size = 2 + extended((size_t)length7);
  p[0] = (unsigned char)first;
  p[1] = (unsigned char)(length7 | (key ? 0x80 : 0));
  for (size_t i = size; i > 2; length >>= 8) p[--i] = length & 0xFF;
  if (!key) return size;
  memcpy(p + size, key, 4);
  return size + 4;
}
