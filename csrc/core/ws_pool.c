/*
** ws_pool.c - what connections of one thread lend each other: zlib's streams
** (ws_deflate.c), a run of shared frames (ws_run.c), and receive blocks. A
** connection has a block only while it works on what has arrived; so one block,
** warm in the cache, serves many.
*/
#include <string.h>

#include "ws_conn.h"
#include "ws_pool.h"
#include "ws_run.h"

enum { LARGEST = 4 << 20 }; /* a block that is worth keeping, at most */

size_t ws_pool_size (void) { return sizeof(ws_pool); }

void ws_pool_init (ws_pool *p, ws_alloc alloc, void *ud) {
  memset(p, 0, sizeof *p);
  p->alloc = ws_default(alloc);
  p->ud = ud;
}

static void drop (ws_pool *p, ws_block *b) {
  if (b->p) p->alloc(p->ud, b->p, b->size, 0);
  memset(b, 0, sizeof *b);
}

void ws_pool_free (ws_pool *p) {
  p->closed = 1;
  ws_streams_free(p);
  ws_run_free(p->run);
  p->run = NULL;
  for (int i = 0; i < WS_BLOCKS; i++) drop(p, &p->blocks[i]);
}

void ws_pool_trim (ws_pool *p) {
  for (int i = 0; i < WS_BLOCKS; i++) {
    ws_block *b = &p->blocks[i];
    if (!b->used && b->size > WS_BLOCK) drop(p, b);
    b->used = 0;
  }
}

/* The smallest block of at least that size, NULL if there is none; with size 0
   the smallest of all, which may be no block yet. */
static ws_block *smallest (ws_pool *p, size_t size) {
  ws_block *found = NULL;
  for (int i = 0; i < WS_BLOCKS; i++) {
    ws_block *b = &p->blocks[i];
    if (b->size >= size && (found == NULL || b->size < found->size)) found = b;
  }
  return found;
}

void *ws_block_take (ws_conn *c, size_t *size, size_t best) {
  ws_pool *p = c->config->pool;
  ws_block *b = p && best > *size ? smallest(p, best) : NULL;
  if (p && b == NULL) b = smallest(p, *size);
  if (b == NULL) return ws_realloc(c, NULL, 0, *size);
  void *block = b->p;
  *size = b->size;
  memset(b, 0, sizeof *b);
  return block;
}

void ws_block_back (ws_conn *c, void *block, size_t size) {
  ws_pool *p = c->config->pool;
  ws_block *b = p ? smallest(p, 0) : NULL;
  if (b == NULL || p->closed || size < WS_BLOCK || size > LARGEST ||
      size <= b->size) {
    ws_realloc(c, block, size, 0);
    return;
  }
  drop(p, b);
  b->p = block;
  b->size = size;
  b->used = 1;
}
