/*
** ws_pool.h - what connections lend each other (ws_pool.c, ws_deflate.c).
*/
#ifndef ws_pool_h
#define ws_pool_h

#include "ws_base.h"

#pragma GCC visibility push(hidden)

/* What nobody uses at the moment, see ws_pool.c. */
typedef struct ws_block {
  void *p;
  size_t size;
  int used; /* since the pool was trimmed */
} ws_block;
enum { WS_STREAMS = 8, WS_BLOCKS = 4 }; /* that a pool keeps, at most */
/* Size of a new receive block that others will use. A frame of 64 KiB fits. */
enum { WS_BLOCK = WS_READ_AHEAD + 512 };

struct ws_pool {
  ws_alloc alloc;
  void *ud;
  int n, closed;
  struct ws_stream *idle[WS_STREAMS]; /* the one used last at the end */
  ws_block blocks[WS_BLOCKS];
  struct ws_run *run; /* see ws_run.c */
};

/* A block of at least *size bytes, of `best` if the pool has one; *size is
   what it has. NULL without memory. */
void *ws_block_take (ws_conn *c, size_t *size, size_t best);
void ws_block_back (ws_conn *c, void *block, size_t size);
void ws_streams_free (ws_pool *p);

#pragma GCC visibility pop

#endif
