/*
** lua_turn.h - the userdata `websock.turn`, for the files that serve
** connections without Lua in between: those of lua_serve.h, lua_ws_receive.c,
** lua_ws_send.c, lua_callback.c, lua_broadcast.c.
*/
#ifndef lua_turn_h
#define lua_turn_h

#include "lua_conn.h"

#pragma GCC visibility push(hidden)

/* User values of a turn: the list of conns to be flushed; descriptor -> conn or
   another watcher; waiting thread -> what it waits for; woken thread -> {number
   of values, value, ...}; the loop's functions failed(object, err),
   after(thread, ok, ...), left(thread), lent(thread, link, ok, ...) and
   spare(); the state's pool; the first function of each thread; the spare
   threads of lua_threads.c; the function that calls callbacks, and the thread
   that is lent to them next; what lua_quick.c needs; lua_memory.c's. */
enum {
  TURN_DIRTY = 1,
  TURN_WATCHERS,
  TURN_PARKED,
  TURN_WOKEN,
  TURN_FAILED,
  TURN_AFTER,
  TURN_LEFT,
  TURN_LENT,
  TURN_NEW_SPARE,
  TURN_POOL,
  TURN_BEGIN,
  TURN_PUMP,
  TURN_VISIT,
  TURN_CALL_BACK,
  TURN_SPARE,
  TURN_POLLER,
  TURN_TIMERS,
  TURN_EXPIRE,
  TURN_WEIGHT,
  TURN_VALUES = TURN_WEIGHT
};

typedef struct turn {
  const char *type;   /* websock_turn_type, see websock_check */
  lua_State *current; /* the coroutine that was resumed, or NULL */
  lua_State *desk;    /* the desk (see lua_desk.c) if that runs, or NULL */
  lua_State *outer;   /* the thread that the desk serves */
  int how;            /* how that waits, see websock_how */
  int hosted;         /* other schedulers have pumps for the loop */
  lua_State *pump;    /* the thread in which a turn is under way, or NULL */
  int parked;         /* current has yielded to wait: it will be woken */
  int strayed;        /* it has yielded values */
  int rests;          /* it has taken its share of messages */
  int busy;           /* a queue of io/loop.lua has something for this turn or
                         the next, or `run` has to look whether to end */
  int polled;         /* the poller has answered in this turn */
  uint64_t delivered; /* bytes of messages, to all receivers */
  net_poll *const *poller; /* the loop's, and its timers: where they are kept in
                              the user values; NULL before turn:equip */
  net_timers *const *timers;
  double now;              /* the time of this turn */
  double before;           /* the time of the turn before */
  double ended;            /* when that was over and the next began to wait */
  double trimmed;          /* when the pool was trimmed */
  double slice;            /* seconds after which it serves no other conn */
  double found;            /* the time of the first turn that serves what the
                              poller has found last; NEVER before that */
  uint32_t serving;        /* slot of the conn that is served, or NOBODY */
  ws_pool *pool;           /* the state's */
  lua_Integer first, last; /* of the list of conns to be flushed */
  lua_Integer room;        /* its length up to which marking needs no memory */
} turn;

#define NOBODY UINT32_MAX
#define NEVER (-1.0)

#define TURN_TYPE "websock.turn"
extern const char websock_turn_type[];
/* Returns the turn at arg, or raises. */
turn *websock_toturn (lua_State *L, int arg);

/* ---- lua_flush.c */
/* Makes room for n more conns in the list of the turn at index self, which is
   absolute. May raise for lack of memory. */
void websock_mark_room (lua_State *L, int self, lua_Integer n);
/* Marks the conn at index `at` to be flushed at the end of the turn. Needs room
   made before, and allocates nothing. */
void websock_mark (lua_State *L, int self, int at);
/* Marks the conn c, which is on the top and is removed, in the turn's list at
   index `list`; otherwise the same. */
void websock_mark_top (lua_State *L, turn *t, conn *c, int list);

/* ---- lua_memory.c: prepares the allocator and the collector for messages */
void websock_prepare_memory (lua_State *L, int self);

/* ---- lua_ws_receive.c */
/* Takes what is wanted from the conn at index `at`, and counts it; first goes
   on reading if there may be more. Returns the number of values pushed (see
   websock_pushrest for `kinds`), or the core's result. */
int websock_receive (lua_State *L, turn *t, int at, int want, int kinds);
/* Tells the link what is new when the core gave no message: it may have found
   only now that a payload breaks a rule. */
void websock_tell_ended (lua_State *L, int at);

/* ---- lua_callback.c: sets the user value that it needs */
void websock_prepare_callback (lua_State *L, int self);

#pragma GCC visibility pop

#endif
