/*
** lua_turn.c - the userdata `websock.turn`, which holds what a turn of the loop
** in C knows. Here: creating it, and its times. lua_threads.c, lua_desk.c and
** lua_resume.c run threads, lua_serve.c serves connections, lua_flush.c writes
** what they have queued, lua_quick.c does a usual turn in one call.
*/
#include <math.h>
#include <string.h>

#include "lua_desk.h"
#include "lua_serve.h"
#include "lua_threads.h"

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
  t->now = t->before = t->ended = t->trimmed = t->found = net_now();
  t->slice = HUGE_VAL;
  t->first = 1;
  t->serving = NOBODY;
  t->busy = 1;
  luaL_setmetatable(L, TURN_TYPE);
  lua_newtable(L);
  lua_setiuservalue(L, NEW, TURN_DIRTY);
  t->pool = websock_pushpool(L);
  lua_setiuservalue(L, NEW, TURN_POOL);
  for (int i = 1; i <= GIVEN; i++) {
    lua_pushvalue(L, i);
    lua_setiuservalue(L, NEW, TURN_WATCHERS + i - 1);
  }
  websock_mark_room(L, NEW, 32);
  websock_prepare_threads(L, NEW);
  websock_prepare_callback(L, NEW);
  websock_prepare_memory(L, NEW);
  return 1;
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

/* turn:call_back() -> the function that calls the callbacks of a conn, for a
   thread of the loop: see lua_callback.c */
static int turn_call_back (lua_State *L) {
  websock_toturn(L, 1);
  lua_getiuservalue(L, 1, TURN_CALL_BACK);
  return 1;
}

static const luaL_Reg methods[] = {{"call_back", turn_call_back},
                                   {"delivered", turn_delivered},
                                   {"latest", turn_latest},
                                   {NULL, NULL}};

void websock_open_turn (lua_State *L) {
  websock_prepare_desk(L);
  websock_newtype(L, TURN_TYPE, methods, websock_thread_meta);
  luaL_getmetatable(L, TURN_TYPE);
  lua_getfield(L, -1, "__index");
  luaL_setfuncs(L, websock_thread_methods, 0);
  luaL_setfuncs(L, websock_desk_methods, 0);
  luaL_setfuncs(L, websock_resume_methods, 0);
  luaL_setfuncs(L, websock_serve_methods, 0);
  luaL_setfuncs(L, websock_flush_methods, 0);
  luaL_setfuncs(L, websock_quick_methods, 0);
  lua_pop(L, 2); /* remove the methods and the metatable */
  lua_pushcfunction(L, turn_new);
  lua_setfield(L, -2, "turn");
}
