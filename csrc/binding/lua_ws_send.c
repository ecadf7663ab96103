/*
** lua_ws_send.c - ws:send for the usual case: in a coroutine of the loop, with
** room in the queue. Every other case goes to the function of
** link/connection.lua, which handles all of them; so this one changes nothing
** before it knows that it can finish.
*/
#include "lua_turn.h"

/* Upvalues: the function that handles all cases, the key of a ws's conn, the
   turn. */
enum { SLOW_ONE = 1, KEY, TURN };
#define up(i) lua_upvalueindex(i)
#define the_turn(L) ((turn *)lua_touserdata(L, up(TURN)))

/* Pushes the conn of the ws at 1 and returns it. If it has none, pushes
   nothing and returns NULL. */
static conn *push_conn (lua_State *L) {
  if (!lua_istable(L, 1)) return NULL;
  lua_pushvalue(L, up(KEY));
  if (lua_rawget(L, 1) == LUA_TUSERDATA) return (conn *)lua_touserdata(L, -1);
  lua_pop(L, 1); /* remove what is no conn */
  return NULL;
}

/* Passes the call on to the function that handles all cases. */
static int slow (lua_State *L, int nargs) {
  lua_settop(L, nargs);
  return websock_forward(L, up(SLOW_ONE));
}

/* ws:send(message [, kind]) */
static int l_send (lua_State *L) {
  int nargs = lua_gettop(L), kind, queued;
  conn *c;
  if (nargs < 2 || nargs > 3 || lua_type(L, 2) != LUA_TSTRING)
    return slow(L, nargs);
  kind = websock_kind(L, 3);
  if (kind < 0 || websock_how(L, the_turn(L)) != CAN_YIELD)
    return slow(L, nargs);
  c = push_conn(L);
  if (c == NULL || c->line) return slow(L, nargs);
  websock_mark_room(L, up(TURN), 1);
  websock_mark(L, up(TURN), nargs + 1);
  queued = websock_queue(L, c, 2, kind);
  if (queued < 0) return slow(L, nargs);
  c->used = the_turn(L)->now;
  lua_pushboolean(L, 1);
  return 1;
}

/* core.fast_send(slow, KEY, turn) -> send; slow is the function that handles
   all cases */
static int l_fast_send (lua_State *L) {
  luaL_checktype(L, SLOW_ONE, LUA_TFUNCTION);
  lua_settop(L, TURN);
  websock_toturn(L, TURN);
  lua_pushcclosure(L, l_send, TURN);
  return 1;
}

void websock_open_fast (lua_State *L) {
  lua_pushcfunction(L, l_fast_send);
  lua_setfield(L, -2, "fast_send");
}
