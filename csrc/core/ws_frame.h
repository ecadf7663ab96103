/*
** ws_frame.h - frame headers (ws_frame.c).
*/
#ifndef ws_frame_h
#define ws_frame_h

#include "ws_conn.h"

#pragma GCC visibility push(hidden)

typedef struct ws_frame {
  uint64_t length;  /* of the payload */
  const char *rule; /* the one that is broken */
  unsigned char key[4];
  unsigned char size; /* of the header */
  unsigned char opcode, fin;
  unsigned char compressed; /* RSV1: a compressed message begins (RFC 7692 6) */
} ws_frame;

enum { WS_CLOSE_FRAME = 8, WS_PING_FRAME = 9, WS_PONG_FRAME = 10 };
enum { WS_HEADER = 14, WS_CONTROL = 125 }; /* longest header, payload */
#define ws_is_control(opcode) ((opcode)&8)

/* Parses the header at p, of which n bytes are there. masked: it has to be;
   fragmented: a message is unfinished; compressed: messages may be. 1:
   whole; 0: more bytes are needed; WS_END: f->rule is broken, found out at
   the earliest byte. RFC 6455 section 5.2. */
int ws_frame_parse (ws_frame *f, const unsigned char *p, size_t n, int masked,
                    int fragmented, int compressed);
/* The same for what this connection receives. */
static inline int ws_frame_next (const ws_conn *c, ws_frame *f,
                                 const unsigned char *p, size_t n,
                                 int fragmented) {
  return ws_frame_parse(f, p, n, c->config->role == WS_SERVER, fragmented,
                        c->rx.window);
}
/* Writes a header to p, returns its size. first: the first byte; key: NULL for
   none. */
size_t ws_frame_build (unsigned char *p, int first, uint64_t length,
                       const unsigned char *key);

#pragma GCC visibility pop

#endif
