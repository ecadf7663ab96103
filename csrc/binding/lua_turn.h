/*
** lua_turn.h - the userdata `websock.turn`, for the files that serve
** connections without Lua in between: lua_turn.c, lua_receive.c, lua_fast.c,
** lua_broadcast.c.
*/
#ifndef lua_turn_h
#define lua_turn_h

#include "lua_conn.h"

#pragma GCC visibility push(hidden)

/* User values of a turn: the list of conns to be flushed; descriptor -> conn
   or another watcher; waiting thread -> what it waits for; thread that will go
   on -> {number of values, value, ...}; the loop's functions guarded(object,
   method, ...), after(thread, ok, ...) and left(thread); the state's pool; what
   threads begin with, and those of lua_threads.c that are not in use. */
enum {
  TURN_DIRTY = 1,
  TURN_WATCHERS,
  TURN_PARKED,
  TURN_WOKEN,
  TURN_GUARDED,
  TURN_AFTER,
  TURN_LEFT,
  TURN_POOL,
  TURN_BEGIN,
  TURN_PUMP,
  TURN_DESK,
  TURN_VALUES = TURN_DESK
};

typedef struct turn {
  lua_State *current; /* the coroutine that was resumed, or NULL */
  lua_State *desk;    /* that is the desk's, see lua_threads.c, or NULL */
  lua_State *outer;   /* and this the thread that it serves */
  lua_State *pump;    /* the thread in which a turn is under way, or NULL */
  int parked;         /* it waits for what the loop or a conn knows of */
  int strayed;        /* it has yielded values */
  int rests;          /* it has taken its share of messages */
  uint64_t delivered; /* bytes of messages, to all receivers */
  double now;         /* the time of this turn */
  double before;      /* and of the one before */
  double ended;       /* when that one, or this, had served all */
  double trimmed;     /* when the pool was */
  ws_pool *pool;      /* the state's */
  lua_Integer first, last; /* of the list of conns to be flushed */
  lua_Integer room;        /* how long it can get without memory */
} turn;

/* The turn at arg. */
#define TURN_TYPE "websock.turn"
turn *websock_toturn (lua_State *L, int arg);
/* Makes room for n more in the list of the turn at index self, both
   absolute. May raise for lack of memory. */
void websock_mark_room (lua_State *L, int self, lua_Integer n);
/* Has the conn at index `at` flushed at the end of the turn; there has to be
   room. Allocates nothing. */
void websock_mark (lua_State *L, int self, int at);

/* ---- lua_threads.c */
/* How a call made here can wait: not at all; by a yield, in a coroutine that
   the loop has resumed; by turns of the loop, outside of it. */
enum { CANNOT, CAN_YIELD, CAN_TURN };
int websock_how (lua_State *L, const turn *t);
extern const luaL_Reg websock_thread_methods[], websock_thread_meta[];
/* Sets the user values up that it needs. */
void websock_prepare_threads (lua_State *L, int self);
/* Ends a thread: runs what it wanted to close, and gives up its stack. One that
   has raised keeps its error on it, alone. */
void websock_close_thread (lua_State *L, lua_State *thread);

#pragma GCC visibility pop

#endif
