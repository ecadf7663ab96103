/*
** ws_base.h - what every file of the core needs: ws.h, and of a connection its
** memory, its randomness and the error for a call that is not allowed.
**
**   ws_base.c       memory, randomness, misuse
**   ws_conn.c       life and state of a connection; ws_next's dispatch
**   ws_end.c        how a host ends it
**   ws_host.c       what a host's loop asks: read, write, close?
**   ws_deadline.c   ... and until when to wait
**   ws_in.c         the receive buffer
**   ws_frame.c      frame headers: parse (with all their rules) and build
**   ws_recv.c       frames in: messages and parts
**   ws_unpack.c     compressed messages in
**   ws_control.c    frames in: control frames, and what a message is then
**   ws_walk.c       frames in: reading ahead
**   ws_discard.c    frames in: after our own Close frame
**   ws_out.c        the out queue
**   ws_send.c       frames out
**   ws_pack.c       compressed messages out
**   ws_zip.c        what a connection holds for compression
**   ws_refs.c       frames that many connections share
**   ws_run.c        small ones, one behind the other
**   ws_share.c      sending them
**   ws_ping.c       pings and pongs, both ways
**   ws_close.c      Close frames, and failing a connection
**   ws_pool.c       what connections lend each other
**   ws_deflate.c    zlib's streams, and the pool of them
**   ws_extension.c  permessage-deflate in the opening handshake
**   ws_head.c       HTTP/1.1 heads, in place and incrementally
**   ws_body.c       their bodies, chunked or not
**   ws_chars.c      classes of characters, comparisons
**   ws_handshake.c  what both roles do with a message; ws_http and its fields
**   ws_server.c     the server's side of the opening handshake: its rules
**   ws_answer.c     the server's side: 101, other answers, refusals
**   ws_client.c     the client's side
**   ws_fields.c     heads that are written; a caller's fields checked
**   ws_mask.c ws_utf8.c ws_random.c ws_crypto.c   the pieces
*/
#ifndef ws_base_h
#define ws_base_h

/* A module exports its luaopen function and nothing of ours, whatever flags it
   was compiled with: LuaRocks passes no -fvisibility. */
#pragma GCC visibility push(hidden)
#include "ws.h"

ws_alloc ws_default (ws_alloc alloc); /* realloc and free for NULL */
/* Through the connection's allocator, see ws_alloc. */
void *ws_realloc (ws_conn *c, void *p, size_t osize, size_t nsize);
int ws_rand (ws_conn *c, void *out, size_t n);            /* 0 or WS_ERANDOM */
int ws_misuse (ws_conn *c, int result, const char *rule); /* sets error */
int ws_not_open (ws_conn *c); /* WS_ESTATE; sets error */

#pragma GCC visibility pop

#endif
