/*
** lua_quick.c - the usual turn of the loop in one call: descriptors are ready
** or timers due, and the queues of io/loop.lua are empty. If something comes
** into them meanwhile, io/loop.lua does the rest of the turn.
*/
#include "lua_serve.h"
#include "lua_threads.h"

#include <math.h>

enum { LIMIT = 2, SLICE, MANY }; /* stack of turn_wait and turn_quick */

/* The part of the turn that serves: in_pump(turn). */
static int in_pump (lua_State *L) {
  turn *t = (turn *)lua_touserdata(L, SELF);
  double at;
  websock_push_served(L);
  websock_serve(L, t, t->poller);
  if (t->polled && net_timer_first(*t->timers, &at) && at <= t->now) {
    lua_getiuservalue(L, SELF, TURN_EXPIRE);
    lua_pushnumber(L, t->now);
    lua_call(L, 1, 0);
  }
  if (!t->busy) websock_flush(L, t);
  return 0;
}

/* Returns for how many seconds the turn may wait: until the first timer is due,
   at most LIMIT. Negative: without limit. */
static double patience (lua_State *L, const turn *t) {
  double limit = luaL_optnumber(L, LIMIT, -1), at;
  if (!net_timer_first(*t->timers, &at)) return limit;
  at = at > t->ended ? at - t->ended : 0;
  return limit < 0 || at < limit ? at : limit;
}

/* Waits until something is ready or due. If a signal such as SIGCONT interrupts
   this, asks once more, without waiting, what is ready. */
static void wait (lua_State *L, turn *t) {
  int n;
  if (t->poller == NULL || *t->poller == NULL || *t->timers == NULL)
    luaL_error(L, "the loop is closed");
  t->slice = luaL_optnumber(L, SLICE, HUGE_VAL);
  t->ended = net_now();
  if (!net_poll_left(*t->poller)) t->found = NEVER;
  n = net_poll_wait(*t->poller, patience(L, t));
  if (n == NET_AGAIN) n = net_poll_wait(*t->poller, 0);
  t->polled = n >= 0;
  if (n >= 0 || n == NET_AGAIN) return;
  websock_failed(L);
  luaL_error(L, "websock: poll: %s", lua_tostring(L, -1));
}

/* turn:wait([limit [, slice]]) -> whether the poller has answered: if not, no
   timer may expire yet. Waits at most `limit` seconds; nil: without limit. Once
   the turn has served for `slice` seconds it serves nobody else; nil: without
   limit. */
static int turn_wait (lua_State *L) {
  turn *t = websock_toturn(L, SELF);
  wait(L, t);
  lua_pushboolean(L, t->polled);
  return 1;
}

/* Whether a turn has to begin in Lua, in turn_whole of io/loop.lua. */
static int is_unusual (const turn *t) {
  return t->busy || t->pump || t->first <= t->last;
}

/* turn:quick([limit [, slice [, many]]]) -> true | nil if queues have something
   for the rest of the turn | false if the next turn has to begin in Lua. Waits
   as turn:wait does. many: does one turn after the other until Lua has to do
   something, or L has a hook: Ctrl-C sets one. */
static int turn_quick (lua_State *L) {
  turn *t = websock_toturn(L, SELF);
  int many = lua_toboolean(L, MANY);
  lua_settop(L, MANY);
  do {
    if (is_unusual(t)) {
      lua_pushboolean(L, 0);
      return 1;
    }
    websock_check_levels(L);
    wait(L, t);
    lua_pushcfunction(L, in_pump);
    lua_pushvalue(L, SELF);
    websock_enter(L, t, SELF, 1);
    lua_settop(L, MANY);
    if (t->busy) return 0;
  } while (many && lua_gethookmask(L) == 0);
  lua_pushboolean(L, 1);
  return 1;
}

/* turn:equip(poller, timers, expire): what these need; expire(time) is
   called when a timer is due. */
static int turn_equip (lua_State *L) {
  turn *t = websock_toturn(L, SELF);
  lua_settop(L, 4);
  t->poller = websock_topoll(L, 2);
  t->timers = websock_totimers(L, 3);
  for (int i = TURN_EXPIRE; i >= TURN_POLLER; i--)
    lua_setiuservalue(L, SELF, i);
  return 0;
}

/* turn:busy(): something comes into a queue of io/loop.lua, or `run` has to
   look whether to end. */
static int turn_busy (lua_State *L) {
  websock_toturn(L, SELF)->busy = 1;
  return 0;
}

/* turn:calm(): the queues are empty. Does nothing before `equip`. */
static int turn_calm (lua_State *L) {
  turn *t = websock_toturn(L, SELF);
  if (t->poller) t->busy = 0;
  return 0;
}

/* Whether the poller has found what no turn has served yet. */
static int is_left (const turn *t) {
  return t->poller && *t->poller && net_poll_left(*t->poller);
}

/* turn:is_left() -> whether the poller has found what no turn has served yet */
static int turn_is_left (lua_State *L) {
  lua_pushboolean(L, is_left(websock_toturn(L, SELF)));
  return 1;
}

/* turn:backlog() -> the seconds for which turns have served what one wait has
   found; 0 in the first */
static int turn_backlog (lua_State *L) {
  const turn *t = websock_toturn(L, SELF);
  lua_pushnumber(L, t->now - t->found);
  return 1;
}

/* turn:due() -> when the next turn is due, a time of `now`; the seconds until
   then: -inf and 0 if there is work for it, inf and nil without timers */
static int turn_due (lua_State *L) {
  const turn *t = websock_toturn(L, SELF);
  double at, left;
  if (t->busy || t->first <= t->last || is_left(t)) {
    lua_pushnumber(L, -HUGE_VAL);
    lua_pushinteger(L, 0);
  } else if (t->timers && net_timer_first(*t->timers, &at)) {
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
    {"backlog", turn_backlog}, {"busy", turn_busy},   {"calm", turn_calm},
    {"due", turn_due},         {"equip", turn_equip}, {"is_left", turn_is_left},
    {"quick", turn_quick},     {"wait", turn_wait},   {NULL, NULL}};
