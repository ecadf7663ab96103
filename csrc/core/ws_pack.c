/*
** ws_pack.c - compressed messages out (RFC 7692 sections 6.1 and 7.2.1).
**
** A message is deflated straight into the out queue and flushed to a whole
** number of bytes. The four bytes that end a flush are not sent at the end of a
** message, so each fragment leaves them to the next one. The compressor is the
** message's, or with context takeover the connection's.
*/
#include <string.h>

#include "ws_out.h"
#include "ws_send.h"
#include "ws_zip.h"

enum { RSV1 = 0x40, MASK = 4 };

int ws_pack_wanted (const ws_conn *c, int opcode, size_t n, int flags) {
  if (opcode == WS_CONTINUATION) return c->tx.compressed;
  if (c->tx.window == 0 || flags & WS_PLAIN) return 0;
  return flags & (WS_COMPRESS | WS_MORE) ||
         n >= c->config->compression.threshold;
}

/* The compressor, at the beginning of a message or in the middle of one. */
static ws_zip *get_ready (ws_conn *c, int first) {
  ws_zip *z = ws_zip_get(c);
  if (z == NULL) return NULL;
  if (z->deflater == NULL && (z->deflater = ws_deflater(c)) == NULL)
    return NULL;
  if ((first & 15) == WS_CONTINUATION) return z;
  if (z->stale) ws_stream_reset(z->deflater);
  z->owes = z->stale = 0;
  return z;
}

/* Writes the payload of a frame to `to`: its size, or SIZE_MAX if it does not
   fit into room. An empty message is one byte (RFC 7692 section 7.2.3.6). */
static size_t fill (ws_zip *z, unsigned char *to, size_t room, const void *p,
                    size_t n, int more) {
  size_t size = 0;
  if (n == 0) {
    if (!more && !z->owes) to[size++] = 0;
    return size;
  }
  if (z->owes) {
    memcpy(to, ws_pack_tail, sizeof ws_pack_tail);
    size = sizeof ws_pack_tail;
  }
  size_t k = ws_stream_deflate(z->deflater, p, n, to + size, room - size);
  if (k == 0) return SIZE_MAX;
  z->owes = 1;
  return size + k - sizeof ws_pack_tail;
}

/* The size that a frame's header will have, or more. */
static size_t header_of (size_t n, int masked) {
  return (n < 126 ? 2u : n <= 0xFFFF ? 4u : 10u) + (masked ? MASK : 0u);
}

/* Deflates into the queue at to, with the payload where it may stay. */
static int put_packed (ws_conn *c, unsigned char *to, size_t room, int first,
                       const void *p, size_t n, const unsigned char *key) {
  size_t at = header_of(room, key != NULL);
  size_t size = fill(c->zip, to + at, room, p, n, !(first & 0x80));
  if (size == SIZE_MAX) {
    ws_stream_reset(c->zip->deflater);
    return 1;
  }
  if ((first & 15) != WS_CONTINUATION) first |= RSV1;
  size_t header = ws_frame_build(to, first, size, key);
  if (key)
    ws_mask(to + header, to + at, size, key, 0);
  else if (header < at)
    memmove(to + header, to + at, size);
  ws_out_add(c, header + size);
  return 0;
}

/* The room that n bytes need however they deflate; or, without `any`, so little
   that only fewer than n bytes fit, the tail being left out. */
static size_t room_for (size_t n, int any) {
  return any ? n + n / 4 + 64 : n + sizeof ws_pack_tail;
}

int ws_pack (ws_conn *c, int first, const void *p, size_t n, int flags) {
  unsigned char key[MASK];
  int masked = c->config->role == WS_CLIENT;
  int any =
      flags & WS_COMPRESS || !(first & 0x80) || (first & 15) == WS_CONTINUATION;
  if (n > SIZE_MAX / 2 || get_ready(c, first) == NULL) return WS_ENOMEM;
  unsigned char *to = ws_out_room(c, WS_HEADER + room_for(n, any));
  if (to == NULL) return WS_ENOMEM;
  if (masked && ws_rand(c, key, sizeof key) != 0) return WS_ERANDOM;
  return put_packed(c, to, room_for(n, any), first, p, n, masked ? key : NULL);
}
