/*
** ws_zip.h - permessage-deflate: what a connection holds for it (ws_zip.c), and
** zlib's streams (ws_deflate.c).
*/
#ifndef ws_zip_h
#define ws_zip_h

#include "ws_conn.h"

#pragma GCC visibility push(hidden)

typedef struct ws_stream ws_stream; /* a compressor or decompressor of zlib */

/* What permessage-deflate needs while a message is being compressed or inflated
   and, with context takeover, between messages. */
struct ws_zip {
  ws_stream *inflater, *deflater;
  unsigned char *p; /* inflated bytes not given yet: p[start .. end) */
  size_t cap, start, end;
  uint64_t size;      /* compressed bytes of the message in its frames so far */
  unsigned char fed;  /* the inflater is in the middle of its stream */
  unsigned char full; /* it had no more room: it may hold more bytes */
  unsigned char tail; /* bytes of the tail that it has got */
  unsigned char done; /* the message is inflated to its end */
  unsigned char owes; /* the tail belongs before the next fragment sent */
  unsigned char stale; /* the peer has seen more than the deflater */
};

/* ---- ws_zip.c */
extern const unsigned char ws_pack_tail[4]; /* not sent: RFC 7692 7.2.1 */
ws_zip *ws_zip_get (ws_conn *c);            /* c->zip, NULL without memory */
/* Gives back what no message needs any more; and everything. */
void ws_zip_rest (ws_conn *c);
void ws_zip_free (ws_conn *c);
void ws_unpack_end (ws_conn *c); /* the message received is forgotten */

/* ---- ws_deflate.c */
/* In a connection's windows: history is kept; the window's bits. */
enum { WS_TAKEOVER = 64, WS_BITS = 15 };
/* zlib's streams, raw and with the windows agreed on: from the pool or new
   ones, NULL without memory. */
ws_stream *ws_inflater (const ws_conn *c);
ws_stream *ws_deflater (const ws_conn *c);
void ws_stream_back (const ws_conn *c, ws_stream *s); /* resets it */
void ws_stream_reset (ws_stream *s);                  /* forgets its history */

/* Compresses n bytes and flushes: how many bytes are at to now, the last four
   of them ws_pack_tail; 0: they do not fit into room, and s has to be reset (or
   given back). */
size_t ws_stream_deflate (ws_stream *s, const void *p, size_t n,
                          unsigned char *to, size_t room);

/* What is left of input and room. */
typedef struct ws_flow {
  const unsigned char *in;
  unsigned char *out;
  size_t nin, nout;
} ws_flow;

typedef enum ws_inflated {
  INFLATED,     /* input or room is used up */
  FINAL_BLOCK,  /* one has ended; what follows goes on behind it */
  BROKEN_STREAM /* it is not deflate's */
} ws_inflated;
ws_inflated ws_stream_inflate (ws_stream *s, ws_flow *f);
int ws_stream_between (const ws_stream *s); /* at the end of a block? */

#pragma GCC visibility pop

#endif
