/*
** lua_ws_send.c - ws:send for the usual case: in a coroutine of the loop, with
** room in the queue. Every other case goes to the function of
** link/connection.lua, which handles all of them; so this one changes nothing
** before it knows that it can finish.
*/
#include "lua_threads.h"

/* Upvalues: the function that handles all cases, the turn. */
enum { SLOW_ONE = 1, TURN };
#define up(i) lua_upvalueindex(i)

/* Passes the call on to the function that handles all cases. */
static int slow (lua_State *L, int nargs) {
  lua_settop(L, nargs);
  return websock_forward(L, up(SLOW_ONE));
}

/* Has the conn on the top flushed at the end of the turn. */
static void mark (lua_State *L, const conn *c) {
  if (c->marked) return;
  websock_mark_room(L, up(TURN), 1);
  websock_mark(L, up(TURN), lua_gettop(L));
}

/* ws:send(message [, kind]) */
static int l_send (lua_State *L) {
  turn *t = (turn *)lua_touserdata(L, up(TURN));
  int nargs = lua_gettop(L), kind;
  conn *c;
  if (nargs < 2 || nargs > 3 || lua_type(L, 2) != LUA_TSTRING)
    return slow(L, nargs);
  kind = websock_kind(L, 3);
  if (kind < 0 || websock_how(L, t) != CAN_YIELD) return slow(L, nargs);
  c = websock_pushconn(L, 1);
  if (c == NULL || c->line) return slow(L, nargs);
  mark(L, c);
  if (websock_queue(L, c, 2, kind) < 0) return slow(L, nargs);
  c->used = t->now;
  lua_pushboolean(L, 1);
  return 1;
}

/* core.fast_send(slow, turn) -> send; slow is the function that handles all
   cases */
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
