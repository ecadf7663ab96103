/*
** lua_fast.c - ws:receive, ws:messages and ws:send for the usual case, in which
** nothing has to be decided: a message is there, or this coroutine parks until
** one is; a frame fits into the queue. Everything else is left to the functions
** of link/connection.lua, which do the same and more: these never change
** anything before they know that they can finish.
**
** They are here because a Lua function for each step would make the stack of
** every coroutine that waits in `receive` twice as large, and each message
** slower.
*/
#include "lua_turn.h"

/* Upvalues of each of the functions: the function that knows all cases, the key
   of a ws's conn, the turn. */
enum { SLOW_ONE = 1, KEY, TURN };
#define up(i) lua_upvalueindex(i)
#define the_turn(L) ((turn *)lua_touserdata(L, up(TURN)))

/* Pushes the conn of the ws at 1 and returns it; NULL (and nothing pushed)
   if it has none. */
static conn *push_conn (lua_State *L) {
  if (!lua_istable(L, 1)) return NULL;
  lua_pushvalue(L, up(KEY));
  if (lua_rawget(L, 1) == LUA_TUSERDATA) return (conn *)lua_touserdata(L, -1);
  lua_pop(L, 1); /* remove what is no conn */
  return NULL;
}

/* Is this coroutine the one that the loop runs, and can it yield? */
static int in_loop (lua_State *L) {
  const turn *t = the_turn(L);
  return t->current == L && t->desk == NULL && lua_isyieldable(L);
}

static int returned (lua_State *L, int status, lua_KContext ctx) {
  (void)status;
  (void)ctx;
  return lua_gettop(L);
}

/* The same call to the function that knows all cases. */
static int slow (lua_State *L, int nargs) {
  lua_settop(L, nargs);
  lua_pushvalue(L, up(SLOW_ONE));
  lua_insert(L, 1);
  lua_callk(L, nargs, LUA_MULTRET, 0, returned);
  return returned(L, LUA_OK, 0);
}

/* ---------------------------------------------------------------- receiving */

/* ws at 1, its conn at 2. */
enum { CONN = 2 };

static int receive_on (lua_State *L, int status, lua_KContext ctx);

/* Yields until a message is there, or (RESTING) until others had their turn.
   Nobody but the conn knows of one that has parked here. */
static int wait (lua_State *L, conn *c, int how) {
  websock_sit(L, c, CONN, how, 1);
  the_turn(L)->parked = how == PARKED;
  the_turn(L)->rests = how == RESTING;
  return lua_yieldk(L, 0, 0, receive_on);
}

static int receive (lua_State *L, conn *c) {
  int n;
  if (websock_is_received(c) || c->more) return slow(L, 1);
  if (c->streak >= STREAK) {
    if (!in_loop(L)) return slow(L, 1);
    return wait(L, c, RESTING);
  }
  n = websock_take_message(L, c);
  if (n > 0) websock_took(c, the_turn(L)->now);
  if (n > 0) the_turn(L)->delivered += lua_rawlen(L, -2);
  if (n > 0) return n;
  if (n < 0 || !in_loop(L)) return slow(L, 1);
  return wait(L, c, PARKED);
}

static int receive_on (lua_State *L, int status, lua_KContext ctx) {
  conn *c = (conn *)lua_touserdata(L, CONN);
  (void)status;
  (void)ctx;
  lua_settop(L, CONN);           /* remove what it was woken with */
  if (the_turn(L)->current != L) /* by a stranger, and waits on */
    return lua_yieldk(L, 0, 0, receive_on);
  c->waiting = NOT_WAITING;
  return receive(L, c);
}

/* ws:receive([timeout]) */
static int l_receive (lua_State *L) {
  conn *c;
  if (!lua_isnoneornil(L, 2)) return slow(L, 2);
  lua_settop(L, 1);
  c = push_conn(L);
  return c ? receive(L, c) : slow(L, 1);
}

/* The iterator of ws:messages(), whose second argument is the message
   before. */
static int l_next (lua_State *L) {
  conn *c;
  lua_settop(L, 1);
  c = push_conn(L);
  return c ? receive(L, c) : slow(L, 1);
}

/* ------------------------------------------------------------------ sending */

/* ws:send(message [, kind]) */
static int l_send (lua_State *L) {
  int nargs = lua_gettop(L), kind, queued;
  conn *c;
  if (nargs < 2 || nargs > 3 || lua_type(L, 2) != LUA_TSTRING)
    return slow(L, nargs);
  kind = websock_kind(L, 3);
  if (kind < 0 || !in_loop(L)) return slow(L, nargs);
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

/* core.fast(slow, KEY, turn) -> receive, next, send; slow is a list of the
   three functions that know all cases */
static int l_fast (lua_State *L) {
  static const lua_CFunction functions[] = {l_receive, l_next, l_send};
  luaL_checktype(L, 1, LUA_TTABLE);
  lua_settop(L, TURN);
  websock_toturn(L, TURN);
  for (int i = 0; i < 3; i++) {
    lua_rawgeti(L, 1, i + 1);
    lua_pushvalue(L, KEY);
    lua_pushvalue(L, TURN);
    lua_pushcclosure(L, functions[i], TURN);
  }
  return 3;
}

void websock_open_fast (lua_State *L) {
  lua_pushcfunction(L, l_fast);
  lua_setfield(L, -2, "fast");
}
