/*
** lua_quick.c - the usual turn of the loop in one call: descriptors are ready
** or timers due, and the queues of io/loop.lua are empty. If something comes
** into them meanwhile, io/loop.lua does the rest of the turn.
*/
#include "lua_serve.h"

#include <math.h>

/* Stack of turn_quick and turn_wait. */
enum { LIMIT = 2, POLLER, TIMERS };

/* The part of the turn that serves: in_pump(turn, poller, timers, polled). */
static int in_pump (lua_State *L) {
  turn *t = (turn *)lua_touserdata(L, SELF);
  const net_timers *timers = websock_totimers(L, 3);
  int polled = lua_toboolean(L, 4);
  double at;
  websock_serve(L, t);
  if (polled && net_timer_first(timers, &at) && at <= t->now) {
    lua_getiuservalue(L, SELF, TURN_EXPIRE);
    lua_pushnumber(L, t->now);
    lua_call(L, 1, 0);
  }
  if (!t->busy) websock_flush(L, t);
  return 0;
}

/* Waits until something is ready or due, at most LIMIT seconds. If a signal
   such as SIGCONT interrupts this, asks once more, without waiting, what is
   ready. Returns whether the poller has answered: if not, no timer may expire
   yet. */
static int wait (lua_State *L, turn *t) {
  net_poll *p;
  double seconds = luaL_optnumber(L, LIMIT, -1), at;
  int n;
  lua_getiuservalue(L, SELF, TURN_POLLER);
  lua_getiuservalue(L, SELF, TURN_TIMERS);
  p = *websock_topoll(L, POLLER);
  t->ended = net_now();
  if (net_timer_first(websock_totimers(L, TIMERS), &at)) {
    at = at > t->ended ? at - t->ended : 0;
    if (seconds < 0 || at < seconds) seconds = at;
  }
  n = net_poll_wait(p, seconds);
  if (n == NET_AGAIN) n = net_poll_wait(p, 0);
  if (n >= 0 || n == NET_AGAIN) return n >= 0;
  websock_failed(L);
  return luaL_error(L, "websock: poll: %s", lua_tostring(L, -1));
}

/* turn:wait([limit]) -> whether the poller has answered. Waits at most `limit`
   seconds; nil: without limit. */
static int turn_wait (lua_State *L) {
  turn *t = websock_toturn(L, SELF);
  lua_settop(L, LIMIT);
  lua_pushboolean(L, wait(L, t));
  return 1;
}

/* turn:quick([limit]) -> true | nil if queues have something for the rest of
   the turn | false if nothing was done, as there is more to do than this. Waits
   as turn:wait does. */
static int turn_quick (lua_State *L) {
  turn *t = websock_toturn(L, SELF);
  lua_settop(L, LIMIT);
  if (t->busy || t->pump || t->first <= t->last) {
    lua_pushboolean(L, 0);
    return 1;
  }
  websock_check_levels(L);
  lua_pushboolean(L, wait(L, t));
  lua_pushcfunction(L, in_pump);
  lua_pushvalue(L, SELF);
  lua_pushvalue(L, POLLER);
  lua_pushvalue(L, TIMERS);
  lua_rotate(L, TIMERS + 1, -1); /* the function, its arguments */
  websock_enter(L, t, SELF, 4);
  lua_settop(L, 0);
  if (!t->busy) lua_pushboolean(L, 1);
  return lua_gettop(L);
}

/* turn:equip(poller, timers, expire): what these need; expire(time) is
   called when a timer is due. */
static int turn_equip (lua_State *L) {
  websock_toturn(L, SELF);
  lua_settop(L, 4);
  websock_topoll(L, 2);
  websock_totimers(L, 3);
  for (int i = TURN_EXPIRE; i >= TURN_POLLER; i--)
    lua_setiuservalue(L, SELF, i);
  return 0;
}

/* turn:busy(): something comes into a queue of io/loop.lua. */
static int turn_busy (lua_State *L) {
  websock_toturn(L, SELF)->busy = 1;
  return 0;
}

/* turn:calm(): the queues are empty. Does nothing before `equip`. */
static int turn_calm (lua_State *L) {
  turn *t = websock_toturn(L, SELF);
  if (lua_getiuservalue(L, SELF, TURN_POLLER) == LUA_TUSERDATA) t->busy = 0;
  return 0;
}

/* turn:due() -> when the next turn is due, a time of `now`; the seconds until
   then: -inf and 0 if there is work for it, inf and nil without timers */
static int turn_due (lua_State *L) {
  const turn *t = websock_toturn(L, SELF);
  double at, left;
  lua_getiuservalue(L, SELF, TURN_TIMERS);
  if (t->busy || t->first <= t->last) {
    lua_pushnumber(L, -HUGE_VAL);
    lua_pushinteger(L, 0);
  } else if (net_timer_first(websock_totimers(L, -1), &at)) {
    left = at - net_now();
    lua_pushnumber(L, at);
    lua_pushnumber(L, left > 0 ? left : 0);
  } else {
    lua_pushnumber(L, HUGE_VAL);
    lua_pushnil(L);
  }
  return 2;
}

const luaL_Reg websock_quick_methods[] = {
    {"busy", turn_busy},   {"calm", turn_calm},   {"due", turn_due},
    {"equip", turn_equip}, {"quick", turn_quick}, {"wait", turn_wait},
    {NULL, NULL}};
