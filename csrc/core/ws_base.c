/*
** ws_base.c - what every other file of the core may need of a connection: its
** memory, its randomness, and the error for a call that is not allowed.
*/
#include <stdlib.h>

#include "ws_conn.h"

static void *heap (void *ud, void *p, size_t osize, size_t nsize) {
  (void)ud;
  (void)osize;
  if (nsize > 0) return realloc(p, nsize);
  free(p);
  return NULL;
}

ws_alloc ws_default (ws_alloc alloc) { return alloc ? alloc : heap; }

void *ws_realloc (ws_conn *c, void *p, size_t osize, size_t nsize) {
  return c->alloc(c->ud, p, osize, nsize);
}

int ws_rand (ws_conn *c, void *out, size_t n) {
  ws_random random = c->config->random;
  if (random == NULL) random = ws_random_openssl;
  return random(c->config->random_ud, out, n) == 0 ? 0 : WS_ERANDOM;
}

int ws_misuse (ws_conn *c, int result, const char *rule) {
  c->error = rule;
  return result;
}

int ws_not_open (ws_conn *c) {
  if (c->state == WS_CONNECTING)
    return ws_misuse(c, WS_ESTATE, "the opening handshake is not done");
  return ws_misuse(c, WS_ESTATE, "closed");
}
