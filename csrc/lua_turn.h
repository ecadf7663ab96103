/*
** lua_turn.h - the userdata `websock.turn`, for the files that serve connections
** without Lua in between: lua_turn.c, lua_fast.c, lua_broadcast.c.
*/
#ifndef lua_turn_h
#define lua_turn_h

#include "lua_conn.h"

#pragma GCC visibility push(hidden)

typedef struct turn {
  lua_State *current; /* the coroutine that the loop has resumed, or NULL */
  int parked;         /* it has yielded in ws:receive */
  double now;         /* the time of this turn */
  double before;      /* and of the one before */
  double ended;       /* when that one, or this, had served all */
  double trimmed;     /* when the pool was */
  ws_pool *pool;      /* the state's */
  lua_Integer first, last; /* of the list of conns to be flushed */
  lua_Integer room;        /* how long it can get without memory */
} turn;

/* The turn at arg. */
turn *websock_toturn (lua_State *L, int arg);
/* Makes room for n more in the list of the turn at index self, both absolute. May
   raise for lack of memory. */
void websock_mark_room (lua_State *L, int self, lua_Integer n);
/* Has the conn at index `at` flushed at the end of the turn; there has to be
   room. Allocates nothing. */
void websock_mark (lua_State *L, int self, int at);

#pragma GCC visibility pop

#endif
