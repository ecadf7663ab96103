/*
** wire.h - what a peer may send, made from an input: frames, compressed
** messages, heads; right ones, so that what lies behind them is reached, and
** some that are not.
*/
#ifndef wire_h
#define wire_h

#include "input.h"

#include <zlib.h>

/* No branch here counts as coverage: the fuzzer is to look into the core. */
#pragma clang attribute push(__attribute__((no_sanitize("coverage"))), \
                             apply_to = function)

/* One frame; masked with a key that is easy to see in a dump. */
static inline void wire_frame (bytes *b, int first, const uint8_t *p, size_t n,
                               int masked) {
  uint8_t h[14] = {(uint8_t)first};
  static const uint8_t key[4] = {0x11, 0x22, 0x33, 0x44};
  size_t more = n < 126 ? 0 : n < 65536 ? 2 : 8, size = 2 + more;
  h[1] = (uint8_t)((more == 0   ? n
                    : more == 2 ? 126
                                : 127) |
                   (masked ? 128 : 0));
  for (size_t i = 0; i < more; i++)
    h[1 + more - i] = (uint8_t)((uint64_t)n >> 8 * i);
  if (masked) memcpy(h + size, key, 4);
  bytes_add(b, h, masked ? size + 4 : size);
  for (size_t i = 0; i < n; i++) {
    uint8_t byte = masked ? p[i] ^ key[i % 4] : p[i];
    bytes_put(b, byte);
  }
}

/* How a message is sent: in fragments, with pings between them. */
static inline void wire_fragments (bytes *b, input *in, int first,
                                   const uint8_t *p, size_t n, int masked) {
  size_t size = 1 + take_size(in);
  unsigned pings = take(in);
  while (n > size && size < n / 2 + 200) {
    wire_frame(b, first, p, size, masked);
    if (pings & 1) wire_frame(b, 0x89, p, size % 126, masked);
    p += size;
    n -= size;
    first = 0;
    pings >>= 1;
  }
  wire_frame(b, 0x80 | first, p, n, masked);
}

/* Deflated with a window of that many bits, from an empty history; broken, if
   the input says so, in one bit. */
static inline uint8_t *wire_deflate (input *in, const uint8_t *p, size_t *n,
                                     int bits) {
  z_stream z = {0};
  unsigned how = take(in);
  size_t room = *n + *n / 4 + 64;
  uint8_t *to = malloc(room);
  assert(to != NULL);
  assert(deflateInit2(&z, how % 10, Z_DEFLATED, -bits, 8, 0) == Z_OK);
  z.next_in = (Bytef *)p;
  z.avail_in = (uInt)*n;
  z.next_out = to;
  z.avail_out = (uInt)room;
  deflate(&z, how & 64 ? Z_FINISH : Z_SYNC_FLUSH);
  deflateEnd(&z);
  *n = room - z.avail_out;
  if (!(how & 64) && *n >= 4) *n -= 4;
  if (how >= 250 && *n > 0) to[*n / 2] ^= (uint8_t)(1 << how % 8);
  return to;
}

/* ---- heads */

static const char *const wire_offers[] = {
    "",
    "permessage-deflate",
    "permessage-deflate; client_max_window_bits",
    "permessage-deflate; server_no_context_takeover",
    "permessage-deflate; client_no_context_takeover; server_max_window_bits=9",
    "x, permessage-deflate; server_max_window_bits=10; "
    "client_max_window_bits=11",
    "permessage-deflate; server_max_window_bits=8; client_max_window_bits=8",
    "permessage-deflate; nothing",
};
static const char *const wire_fields[] = {
    "",
    "Sec-WebSocket-Protocol: chat, superchat\r\n",
    "Sec-WebSocket-Protocol: chat\r\nOrigin: http://a\r\n",
    "X: y\r\nCookie: a=b;\tc\r\nEmpty:\r\n",
};

static inline void wire_extensions (bytes *b, unsigned how) {
  if (how % 8 == 0) return;
  bytes_str(b, "Sec-WebSocket-Extensions: ");
  bytes_str(b, wire_offers[how % 8]);
  bytes_str(b, "\r\n");
}

/* The request of a handshake, as far as its last line. */
static inline void wire_request (bytes *b, unsigned how) {
  bytes_str(b, "GET /chat?x HTTP/1.1\r\nHost: a:80\r\nUpgrade: websocket\r\n"
               "Connection: Upgrade\r\nSec-WebSocket-Version: 13\r\n"
               "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n");
  wire_extensions(b, how);
  bytes_str(b, wire_fields[how / 8 % 4]);
}

static inline void wire_plain (bytes *b, unsigned how) {
  static const char *const plain[] = {
      "GET / HTTP/1.1\r\nHost: a\r\n\r\n",
      "POST /a HTTP/1.1\r\nHost: a\r\nContent-Length: 9\r\n\r\n123456789",
      "POST /a HTTP/1.1\r\nHost: a\r\nExpect: 100-continue\r\n"
      "Transfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n2;x\r\nde\r\n0\r\n\r\n",
      "HEAD / HTTP/1.0\r\nX: y\r\n\r\n",
  };
  bytes_str(b, plain[how % 4]);
}

static inline void wire_response (bytes *b, unsigned how, const char *accept) {
  bytes_str(b, "HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\n"
               "Connection: Upgrade\r\nSec-WebSocket-Accept: ");
  bytes_str(b, accept);
  bytes_str(b, "\r\n");
  wire_extensions(b, how);
  if (how & 32) bytes_str(b, "Sec-WebSocket-Protocol: chat\r\n");
}

static inline void wire_refusal (bytes *b, unsigned how) {
  static const char *const refusals[] = {
      "HTTP/1.1 403 No\r\nContent-Length: 4\r\n\r\nnope",
      "HTTP/1.1 503 x\r\nTransfer-Encoding: chunked\r\n\r\n"
      "4\r\nbusy\r\n0\r\n\r\n",
      "HTTP/1.1 200 OK\r\n\r\nto its end",
      "HTTP/1.1 301 Moved\r\nLocation: /b\r\nContent-Length: 0\r\n\r\n",
  };
  bytes_str(b, refusals[how % 4]);
}

#pragma clang attribute pop

#endif
