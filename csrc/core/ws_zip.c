/*
** ws_zip.c - what a connection holds for permessage-deflate: while a message is
** compressed or inflated and, with context takeover, between messages.
*/
#include <string.h>

#include "ws_zip.h"

const unsigned char ws_pack_tail[4] = {0x00, 0x00, 0xFF, 0xFF};

/* May what it sends refer to earlier messages? A client need not make use of
   what the server allows. */
static int takes_over (const ws_conn *c) {
  const ws_compression *how = &c->config->compression;
  int alone = c->config->role == WS_CLIENT ? how->client_no_context_takeover
                                           : how->server_no_context_takeover;
  return c->tx.window & WS_TAKEOVER && !alone;
}

ws_zip *ws_zip_get (ws_conn *c) {
  if (c->zip) return c->zip;
  c->zip = ws_realloc(c, NULL, 0, sizeof *c->zip);
  if (c->zip) memset(c->zip, 0, sizeof *c->zip);
  return c->zip;
}

static void give_back (ws_conn *c, ws_stream **s) {
  if (*s) ws_stream_back(c, *s);
  *s = NULL;
}

void ws_zip_rest (ws_conn *c) {
  ws_zip *z = c->zip;
  if (z == NULL) return;
  if (!c->tx.compressed && !takes_over(c)) give_back(c, &z->deflater);
  if (!c->rx.compressed && !(c->rx.window & WS_TAKEOVER))
    give_back(c, &z->inflater);
  if (z->deflater || z->inflater || c->rx.compressed || c->tx.compressed)
    return;
  ws_realloc(c, z, sizeof *z, 0);
  c->zip = NULL;
}

void ws_unpack_end (ws_conn *c) {
  ws_zip *z = c->zip;
  c->rx.compressed = 0;
  if (z == NULL) return;
  if (z->p) ws_realloc(c, z->p, z->cap, 0);
  z->p = NULL;
  z->cap = z->start = z->end = 0;
  z->size = 0;
  z->fed = z->full = z->tail = z->done = 0;
  ws_zip_rest(c);
}

void ws_zip_free (ws_conn *c) {
  if (c->zip == NULL) return;
  ws_unpack_end(c);
  c->tx.compressed = 0;
  if (c->zip) give_back(c, &c->zip->deflater);
  if (c->zip) give_back(c, &c->zip->inflater);
  ws_zip_rest(c);
}
