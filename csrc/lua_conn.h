/*
** lua_conn.h - the userdata `websock.conn`, for the files that hold its methods:
**
**   lua_conn.c   its life, bytes in, its state, its descriptor
**   lua_head.c   the opening handshake
**   lua_recv.c   messages in
**   lua_send.c   messages and bytes out
*/
#ifndef lua_conn_h
#define lua_conn_h

#include <stdalign.h>
#include <stddef.h>

#include "lua_int.h"
#include "ws.h"

/* How Lua aligns userdata: less than max_align_t with one user value. */
union lua_align {
  LUAI_MAXALIGN;
};

typedef struct conn {
  net_fd fd;
  unsigned char alive;   /* core is initialised */
  unsigned char blocked; /* the last write came up short */
  unsigned char broken;  /* a write failed: nothing more is sent */
  unsigned char state;   /* ws_state, as told last */
  unsigned char mark;    /* its queue was full, see lua_broadcast.c */
  unsigned char streak;  /* messages that websock_take_message took in a row */
  uint32_t taken;        /* events taken so far */
  uint64_t ponged;       /* ws_ponged, as told last */
  uint64_t written;      /* bytes that the transport has taken */
  size_t max_queue;      /* for broadcasts, plus 1; 0: the server's */
  alignas(union lua_align) unsigned char core[];
} conn;

#define core(c) ((ws_conn *)(void *)(c)->core)

/* The conn at 1. */
conn *websock_toconn (lua_State *L);
/* What a result of the core is in Lua: true; nil and the rule that was broken;
   an error for lack of memory or randomness. */
int websock_pushresult (lua_State *L, conn *c, int r);
/* What a result that is no event is: nil, "again"; nil, "in parts"; nil,
   "closed", code, reason. */
int websock_noevent (lua_State *L, conn *c, int r);

extern const luaL_Reg websock_head_methods[], websock_recv_methods[],
    websock_send_methods[];

#endif
