/*
** lua_turn.c - the usual work of one turn of the loop: reads connections that
** are ready, resumes their receivers and writes what was queued. Calls Lua only
** where something has to be decided; io/scheduler.lua and link/link.lua handle
** every case.
**
** All of it runs in the thread that turns the loop, never on a handler's stack.
*/
#include "lua_turn.h"

#include <limits.h>
#include <string.h>

#define STRAYED                                                             \
  "a coroutine of websock's loop has yielded values: they are for another " \
  "scheduler (see the option 'scheduler')"

/* Seconds that the pool keeps large blocks which nobody uses. */
#define TRIM 1.0

/* core.turn(watchers, parked, woken, failed, after, left, lent, spare) ->
   turn: see lua_turn.h */
static int turn_new (lua_State *L) {
  enum { GIVEN = 8, NEW };
  turn *t;
  for (int i = 1; i <= 3; i++) luaL_checktype(L, i, LUA_TTABLE);
  lua_settop(L, GIVEN);
  t = (turn *)lua_newuserdatauv(L, sizeof *t, TURN_VALUES);
  memset(t, 0, sizeof *t);
  t->type = websock_turn_type;
  t->now = t->before = t->ended = t->trimmed = net_now();
  t->first = 1;
  luaL_setmetatable(L, TURN_TYPE);
  lua_newtable(L);
  lua_setiuservalue(L, NEW, TURN_DIRTY);
  t->pool = websock_pushpool(L);
  lua_setiuservalue(L, NEW, TURN_POOL);
  for (int i = 1; i <= GIVEN; i++) {
    lua_pushvalue(L, i);
    lua_setiuservalue(L, NEW, TURN_WATCHERS + i - 1);
  }
  websock_prepare_threads(L, NEW);
  websock_prepare_callback(L, NEW);
  websock_prepare_memory(L, NEW);
  return 1;
}

/* ---------------------------------------------------------------- resuming */

/* Resumes the thread with the nargs values on its stack. Drops what it returns
   or yields; only an error stays on its stack. There is room for the error
   alone: anything else pushed there needs lua_checkstack first. */
static int resume (lua_State *L, turn *t, lua_State *thread, int nargs) {
  int status, n;
  t->current = thread;
  t->parked = t->rests = 0;
  status = lua_resume(thread, L, nargs, &n);
  if (status == LUA_ERRMEM) {
    /* free what its stack holds: handling the error takes memory */
    websock_close_thread(L, thread);
    websock_reclaim(L);
  }
  t->current = NULL;
  if (status == LUA_OK || status == LUA_YIELD) lua_pop(thread, n);
  t->strayed = status == LUA_YIELD && n > 0;
  return status;
}

/* Pushes true, or false and the error. A coroutine that yields values is an
   error: they are for another scheduler, for which it would wait for ever. */
static int push_outcome (lua_State *L, turn *t, lua_State *thread, int status) {
  int ok = status == LUA_OK || status == LUA_YIELD;
  lua_pushboolean(L, ok && !t->strayed);
  if (t->strayed)
    lua_pushliteral(L, STRAYED);
  else if (ok)
    return 1;
  else
    lua_xmove(thread, L, 1);
  return 2;
}

/* Removes the thread at index 2 from a table of the turn, and pushes its value
   there. Allocates nothing. */
static void take_out (lua_State *L, int table) {
  lua_getiuservalue(L, 1, table);
  lua_pushvalue(L, 2);
  lua_rawget(L, -2);
  lua_pushvalue(L, 2);
  lua_pushnil(L);
  lua_rawset(L, -4);
  lua_replace(L, -2); /* remove the table */
}

/* Copies values to the thread from the table on the top, {number, value, ...}.
   Returns their number, -1 if there is no memory for them. */
static int unpack (lua_State *L, lua_State *thread) {
  int n;
  lua_rawgeti(L, -1, 1);
  n = (int)lua_tointeger(L, -1);
  lua_pop(L, 1); /* remove the number */
  /* one more: lua_resume may say that it cannot */
  if (!lua_checkstack(thread, n + 1)) return -1;
  for (int i = 2; i <= n + 1; i++) {
    lua_rawgeti(L, -1, i);
    lua_xmove(L, thread, 1);
  }
  return n;
}

/* Resumes the thread with the n values on its stack, -1 if there is no memory
   for them. Returns what turn:resume does. */
static int resume_with (lua_State *L, turn *t, lua_State *thread, int n) {
  int status;
  if (n < 0) {
    lua_pushboolean(L, 0);
    lua_pushliteral(L, "not enough memory");
    return 2;
  }
  status = resume(L, t, thread, n);
  if (status == LUA_YIELD && t->parked) return 0;
  return push_outcome(L, t, thread, status);
}

/* turn:resume(thread) -> true | false, err | nil if the thread has parked.
   Takes the values that the thread was woken with, forgets what it waited for,
   and resumes it, in one step that nothing can interrupt. Closes a thread for
   whose values there is no memory. */
static int turn_resume (lua_State *L) {
  turn *t = websock_toturn(L, 1);
  lua_State *thread = lua_tothread(L, 2);
  luaL_argcheck(L, thread != NULL && thread != L, 2, "thread expected");
  lua_settop(L, 2);
  take_out(L, TURN_PARKED);
  take_out(L, TURN_WOKEN);
  luaL_checktype(L, -1, LUA_TTABLE);
  return resume_with(L, t, thread, unpack(L, thread));
}

/* turn:start(thread, f, ...) -> as turn:resume, for a new thread that calls
   f(...) */
static int turn_start (lua_State *L) {
  turn *t = websock_toturn(L, 1);
  lua_State *thread = lua_tothread(L, 2);
  int n = lua_gettop(L) - 2;
  luaL_argcheck(L, thread != NULL && thread != L, 2, "thread expected");
  if (lua_checkstack(thread, n + 1))
    lua_xmove(L, thread, n);
  else
    n = -1;
  return resume_with(L, t, thread, n);
}

/* ----------------------------------------------------------------- serving */

/* Stack of `serve` and `flush` (which has nothing at LIST). */
enum { SELF = 1, ARG, LIST, FAILED, CONN };

/* Pushes the method of the object on the top, and the object again. */
static void push_method (lua_State *L, const char *name) {
  lua_getfield(L, -1, name);
  lua_pushvalue(L, -2);
}

/* Calls it with the n arguments on the top and removes the object. An error
   ends that only: see io/errors.lua. */
static void call_method (lua_State *L, int n) {
  if (lua_pcall(L, n + 1, 0, 0) == LUA_OK) {
    lua_pop(L, 1); /* remove the object */
    return;
  }
  lua_pushvalue(L, FAILED);
  lua_insert(L, -3);
  lua_call(L, 2, 0);
}

/* Calls link:method(flags) for the conn at CONN. */
static void tell (lua_State *L, const char *method, int flags) {
  lua_getiuservalue(L, CONN, CONN_LINK);
  push_method(L, method);
  lua_pushinteger(L, flags);
  call_method(L, 1);
}

/* Calls link:on_upgrade(protocol, flags), with the subprotocol on the top. */
static void tell_upgrade (lua_State *L, int flags) {
  int protocol = lua_gettop(L);
  lua_getiuservalue(L, CONN, CONN_LINK);
  push_method(L, "on_upgrade");
  lua_pushvalue(L, protocol);
  lua_pushinteger(L, flags);
  call_method(L, 2);
}

/* Resumes the receiver. The stack keeps it alive, because the conn may get
   another receiver while it runs. */
static void resume_receiver (lua_State *L, turn *t, conn *c) {
  lua_State *thread = c->seat.thread;
  int status;
  lua_getiuservalue(L, SELF, TURN_AFTER);
  lua_getiuservalue(L, CONN, CONN_RECEIVER);
  c->seat.how = WOKEN;
  status = resume(L, t, thread, 0);
  if (status == LUA_YIELD && t->parked)
    lua_pop(L, 2); /* remove the function and the thread */
  else
    lua_call(L, 1 + push_outcome(L, t, thread, status), 0);
}

/* Calls the callbacks in a thread that is lent to them. If they have returned
   without waiting it is lent again; else it is one of the scheduler's. */
static void call_back (lua_State *L, turn *t, conn *c) {
  lua_State *thread;
  int status;
  lua_getiuservalue(L, SELF, TURN_LENT);
  thread = websock_lend(L, SELF, CONN);
  if (thread == NULL) {
    lua_settop(L, CONN);
    tell(L, "digest", SAW_EVENT); /* tries to lend one in the next turn */
    return;
  }
  lua_getiuservalue(L, CONN, CONN_LINK);
  c->seat.how = CALLING;
  status = resume(L, t, thread, 2);
  if (status == LUA_OK)
    websock_keep(L, SELF, TURN_SPARE, -2);
  else if (status == LUA_YIELD && t->parked)
    lua_call(L, 2, 0);
  else
    lua_call(L, 2 + push_outcome(L, t, thread, status), 0);
  lua_settop(L, CONN);
  if (ws_state(core(c)) == WS_CLOSED) tell(L, "served", 0);
}

/* Has the message at CONN taken. */
static void go_on (lua_State *L, turn *t, conn *c) {
  if (c->seat.how == FREE)
    call_back(L, t, c);
  else
    resume_receiver(L, t, c);
  if (c->fd != NET_NONE) {
    int flags = websock_digest(c, WANT_NOTHING); /* what is behind */
    if (flags != 0) tell(L, "digest", flags);
  }
}

/* Has the receiver resumed after all others. */
static void go_on_last (lua_State *L, turn *t, conn *c) {
  lua_getiuservalue(L, SELF, TURN_AFTER);
  lua_getiuservalue(L, CONN, CONN_RECEIVER);
  lua_pushboolean(L, 1);
  c->seat.how = RESTING;
  t->rests = 1;
  lua_call(L, 2, 0);
}

/* Marks the conn at CONN if it has output. Returns the flags that are left; all
   of them if that would take memory. */
static int mark_output (lua_State *L, const turn *t, int flags) {
  if (!(flags & SAW_OUT) || t->last >= t->room) return flags;
  websock_mark(L, SELF, CONN);
  return flags & ~SAW_OUT;
}

/* Answers the request that has arrived at CONN, if it is a usual one. */
static int upgrade (lua_State *L, turn *t, conn *c) {
  int flags;
  if (!websock_upgrade(L, CONN)) return 0;
  flags = websock_digest(c, WANT_NOTHING); /* frames may have come with it */
  if (c->state == WS_OPENED) flags &= ~SAW_STATE;
  tell_upgrade(L, mark_output(L, t, flags));
  return 1;
}

/* The end has come: resumes the receiver when Lua has looked at it. */
static int end_message (lua_State *L, turn *t, conn *c, int flags) {
  c->seat.how = NEXT;
  tell(L, "pulled", mark_output(L, t, flags & ~SAW_EVENT));
  if (c->seat.how == NEXT && websock_is_received(c)) go_on(L, t, c);
  return 0;
}

/* Reads for the receiver. Returns the flags that Lua has to look at; 0 if there
   are none, -1 if nothing was read. */
static int read_message (lua_State *L, turn *t, net_poll *p, conn *c) {
  int flags = websock_pull_first(c, c->seat.want);
  int is_parked = c->seat.how == PARKED;
  if (is_parked && flags >= 0 && (flags & SAW_EVENT) && (flags & SAW_STATE))
    return end_message(L, t, c, flags);
  if (flags < 0 || (flags & ~(SAW_EVENT | SAW_SWELLS))) return flags;
  if (!is_parked && (flags & SAW_SWELLS)) return flags;
  net_poll_rearm(p, c->fd, NET_READ);
  if (flags & SAW_SWELLS)
    go_on_last(L, t, c);
  else if (flags)
    go_on(L, t, c);
  return 0;
}

/* The same for a request. */
static int read_request (lua_State *L, turn *t, net_poll *p, conn *c) {
  int flags = websock_pull(c, WANT_MESSAGE);
  if (flags != 0 && (flags != SAW_EVENT || !upgrade(L, t, c))) return flags;
  net_poll_rearm(p, c->fd, NET_READ);
  return 0;
}

/* Whether a receiver waits that this file may resume, or callbacks do. */
static int is_waited_for (conn *c) {
  if (c->state != WS_OPENED) return 0;
  return c->seat.how == FREE ||
         (c->seat.how == PARKED && websock_is_received(c));
}

/* Serves the conn at CONN, which is ready. */
static void ready (lua_State *L, turn *t, net_poll *p, int what) {
  conn *c = (conn *)lua_touserdata(L, CONN);
  int flags = -1;
  int ours = c->fd != NET_NONE; /* not read and written by a socket object */
  if (ours && what == NET_WRITE && !c->blocked) return;
  if (ours && !c->blocked && !(what & NET_HANGUP)) {
    if (is_waited_for(c))
      flags = read_message(L, t, p, c);
    else if (c->state == WS_CONNECTING && websock_may_upgrade(L, CONN))
      flags = read_request(L, t, p, c);
  }
  if (flags > 0)
    tell(L, "pulled", mark_output(L, t, flags));
  else if (flags < 0)
    tell(L, "ready", what);
}

/* A turn begins. */
static void begin (turn *t) {
  t->before = t->now;
  t->now = net_now();
  if (t->now - t->trimmed < TRIM) return;
  t->trimmed = t->now;
  ws_pool_trim(t->pool);
}

/* turn:seconds(timers [, limit]) -> how long to wait for something to be ready:
   until a timer is due, and at most `limit`; nil: for as long as it takes. */
static int turn_seconds (lua_State *L) {
  turn *t = websock_toturn(L, 1);
  double at;
  lua_settop(L, 3);
  t->ended = net_now();
  if (!net_timer_first(websock_totimers(L, 2), &at)) return 1;
  at = at > t->ended ? at - t->ended : 0;
  if (lua_isnil(L, 3) || at < luaL_checknumber(L, 3)) lua_pushnumber(L, at);
  return 1;
}

/* turn:serve(poller) -> the time of this turn, which begins: serves what the
   poller has found. A callback may close the poller. */
static int turn_serve (lua_State *L) {
  turn *t = websock_toturn(L, SELF);
  net_poll *const *p = websock_topoll(L, ARG);
  net_ready r;
  lua_settop(L, ARG);
  lua_getiuservalue(L, SELF, TURN_WATCHERS);
  lua_getiuservalue(L, SELF, TURN_FAILED);
  begin(t);
  while (*p && net_poll_next(*p, &r)) {
    switch (lua_rawgeti(L, LIST, r.slot)) {
      case LUA_TUSERDATA: ready(L, t, *p, r.what); break;
      case LUA_TTABLE:
        push_method(L, "ready");
        lua_pushinteger(L, r.what);
        call_method(L, 1);
    }
    lua_settop(L, FAILED);
  }
  lua_pushnumber(L, t->now);
  return 1;
}

/* ---------------------------------------------------------------- flushing */

/* Pushes a table with room for the list and n more. Creating it may run
   finalizers, which may mark conns; if it is too small then, tries again. */
static lua_Integer new_list (lua_State *L, const turn *t, lua_Integer n) {
  for (;;) {
    lua_Integer room = 2 * (t->last + n);
    luaL_argcheck(L, room <= INT_MAX, 1, "too many");
    lua_createtable(L, (int)room, 0);
    if (t->last + n <= room) return room;
    lua_pop(L, 1); /* remove what is too small by now */
  }
}

void websock_mark_room (lua_State *L, int self, lua_Integer n) {
  turn *t = (turn *)lua_touserdata(L, self);
  lua_Integer room;
  if (t->last + n <= t->room) return;
  room = new_list(L, t, n);
  lua_getiuservalue(L, self, TURN_DIRTY);
  for (lua_Integer i = t->first; i <= t->last; i++) {
    lua_rawgeti(L, -1, i);
    lua_rawseti(L, -3, i);
  }
  lua_pop(L, 1); /* remove the old list */
  lua_setiuservalue(L, self, TURN_DIRTY);
  t->room = room;
}

void websock_mark (lua_State *L, int self, int at) {
  turn *t = (turn *)lua_touserdata(L, self);
  conn *c = (conn *)lua_touserdata(L, at);
  if (c->marked) return;
  lua_getiuservalue(L, self, TURN_DIRTY);
  lua_pushvalue(L, at);
  lua_rawseti(L, -2, ++t->last);
  lua_pop(L, 1); /* remove the list */
  c->marked = 1;
}

/* turn:mark(conn): marks the conn to be flushed at the end of the turn. */
static int turn_mark (lua_State *L) {
  websock_toturn(L, 1);
  luaL_checkudata(L, 2, "websock.conn");
  websock_mark_room(L, 1, 1);
  websock_mark(L, 1, 2);
  return 0;
}

/* turn:marks() -> whether any conn is marked */
static int turn_marks (lua_State *L) {
  turn *t = websock_toturn(L, 1);
  lua_pushboolean(L, t->first <= t->last);
  return 1;
}

/* Moves the next conn of the list to CONN. */
static conn *take_marked (lua_State *L, turn *t) {
  lua_getiuservalue(L, SELF, TURN_DIRTY); /* a new one after it has grown */
  lua_rawgeti(L, -1, t->first);
  lua_pushnil(L);
  lua_rawseti(L, -3, t->first++);
  lua_replace(L, -2); /* remove the list */
  return (conn *)lua_touserdata(L, CONN);
}

/* Writes the queue, in the stages in which nobody waits for that. Returns
   whether everything has left. */
static int push_all (conn *c) {
  if (c->fd == NET_NONE || c->line || websock_backlog(c) > c->max_queue)
    return 0;
  if (c->state != WS_OPENED && c->state != WS_CLOSED) return 0;
  return websock_push(c) == 0 && ws_queued(core(c)) == 0 && !c->blocked;
}

/* turn:flush(): writes what was queued, until no conn is marked. */
static int turn_flush (lua_State *L) {
  turn *t = websock_toturn(L, SELF);
  lua_settop(L, ARG);
  lua_pushnil(L);
  lua_getiuservalue(L, SELF, TURN_FAILED);
  for (; t->first <= t->last; lua_settop(L, FAILED)) {
    conn *c = take_marked(L, t);
    c->marked = 0;
    if (!push_all(c))
      tell(L, "flush", 0);
    else if (c->state == WS_CLOSED)
      tell(L, "shut", 0);
  }
  t->first = 1;
  t->last = 0;
  return 0;
}

/* turn:latest(time) -> the latest time at which an event stamped `time` can
   have happened: stamps are the time of their turn, and a turn may take
   long. */
static int turn_latest (lua_State *L) {
  const turn *t = websock_toturn(L, 1);
  double at = luaL_checknumber(L, 2);
  if (at >= t->now)
    at = net_now();
  else if (at >= t->before && at < t->ended)
    at = t->ended;
  lua_pushnumber(L, at);
  return 1;
}

/* turn:delivered([bytes]) -> bytes of messages delivered so far, these too */
static int turn_delivered (lua_State *L) {
  turn *t = websock_toturn(L, 1);
  t->delivered += (uint64_t)luaL_optinteger(L, 2, 0);
  lua_pushinteger(L, (lua_Integer)t->delivered);
  return 1;
}

/* turn:has_rested() -> whether the coroutine resumed last has yielded because
   it took its share of messages; clears that */
static int turn_has_rested (lua_State *L) {
  turn *t = websock_toturn(L, 1);
  lua_pushboolean(L, t->rests);
  t->rests = 0;
  return 1;
}

/* turn:call_back() -> the function that calls the callbacks of a conn, for a
   thread of the loop: see lua_callback.c */
static int turn_call_back (lua_State *L) {
  websock_toturn(L, 1);
  lua_getiuservalue(L, 1, TURN_CALL_BACK);
  return 1;
}

static const luaL_Reg methods[] = {
    {"call_back", turn_call_back}, {"delivered", turn_delivered},
    {"flush", turn_flush},         {"has_rested", turn_has_rested},
    {"latest", turn_latest},       {"mark", turn_mark},
    {"marks", turn_marks},         {"resume", turn_resume},
    {"seconds", turn_seconds},     {"serve", turn_serve},
    {"start", turn_start},         {NULL, NULL}};

void websock_open_turn (lua_State *L) {
  websock_newtype(L, TURN_TYPE, methods, websock_thread_meta);
  luaL_getmetatable(L, TURN_TYPE);
  lua_getfield(L, -1, "__index");
  luaL_setfuncs(L, websock_thread_methods, 0);
  lua_pop(L, 2); /* remove the methods and the metatable */
  lua_pushcfunction(L, turn_new);
  lua_setfield(L, -2, "turn");
}
