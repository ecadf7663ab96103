/*
** lua_fast.c - ws:receive, ws:messages and ws:send for the usual case, in which
** nothing has to be decided: a message is there, or this coroutine parks until
** one is; a frame fits into the queue. Everything else is left to the functions
** of lua/websock/connection.lua, which do the same and more: these never change
** anything before they know that they can finish.
**
** They are here because a Lua function for each step would make the stack of
** every coroutine that waits in `receive` twice as large, and each message
** slower.
*/
#include "lua_int.h"

#include "ws.h"

enum { STREAK = 64 }; /* as in connection.lua */

/* Upvalues of each of the functions. */
enum { SLOW = 1, LINK, STATE, PARKED, DIRTY };
#define up(i) lua_upvalueindex(i)

/* Pushes the link of the ws at 1; 0 (and nothing pushed) if it has none. */
static int push_link (lua_State *L) {
  if (!lua_istable(L, 1)) return 0;
  lua_pushvalue(L, up(LINK));
  if (lua_rawget(L, 1) == LUA_TTABLE) return 1;
  lua_pop(L, 1); /* remove what is no link */
  return 0;
}

/* Whether the table at `at` has this field of its own. */
static int has (lua_State *L, int at, const char *name) {
  int there;
  lua_pushstring(L, name);
  there = lua_rawget(L, at) != LUA_TNIL;
  lua_pop(L, 1); /* remove the value */
  return there;
}

/* The conn of the link at `at`, which keeps it alive; NULL if it has none. */
static void *conn_of (lua_State *L, int at) {
  void *conn;
  lua_pushliteral(L, "conn");
  lua_rawget(L, at);
  conn = lua_touserdata(L, -1);
  lua_pop(L, 1); /* remove conn */
  return conn;
}

/* Is this coroutine the one that the loop runs, and can it yield? */
static int in_loop (lua_State *L) {
  int here;
  if (!lua_isyieldable(L)) return 0;
  lua_getfield(L, up(STATE), "current");
  here = lua_tothread(L, -1) == L;
  lua_pop(L, 1); /* remove current */
  return here;
}

static int returned (lua_State *L, int status, lua_KContext ctx) {
  (void)status;
  (void)ctx;
  return lua_gettop(L);
}

/* The same call to the function that knows all cases. */
static int slow (lua_State *L, int nargs) {
  lua_settop(L, nargs);
  lua_pushvalue(L, up(SLOW));
  lua_insert(L, 1);
  lua_callk(L, nargs, LUA_MULTRET, 0, returned);
  return returned(L, LUA_OK, 0);
}

/* ---------------------------------------------------------------- receiving */

/* Where the link at 2 says who waits, and who only rests. */
static const char *const roles[] = {"receiver", "resting"};
enum { RECEIVER, RESTING };

static int receive_on (lua_State *L, int status, lua_KContext role);

/* Yields in this role: a receiver goes on when it is woken, one that rests after
   the others' turn. */
static int wait (lua_State *L, int role) {
  lua_pushstring(L, roles[role]);
  lua_pushthread(L);
  lua_rawset(L, 2);
  if (role == RECEIVER) {
    lua_pushthread(L);
    lua_pushvalue(L, 2);
    lua_rawset(L, up(PARKED));
  }
  return lua_yieldk(L, 0, role, receive_on);
}

/* ws at 1, its link at 2. */
static int receive (lua_State *L) {
  int n;
  void *conn = conn_of(L, 2);
  if (conn == NULL || has(L, 2, "receiver") || has(L, 2, "resting") ||
      has(L, 2, "used") || has(L, 2, "more") || has(L, 2, "want"))
    return slow(L, 1);
  n = websock_take_message(L, conn, STREAK);
  if (n > 0) return n;
  if (n == -1 || !in_loop(L)) return slow(L, 1);
  return wait(L, n == 0 ? RECEIVER : RESTING);
}

static int receive_on (lua_State *L, int status, lua_KContext role) {
  (void)status;
  lua_settop(L, 2); /* remove what it was woken with */
  lua_pushstring(L, roles[role]);
  lua_pushnil(L);
  lua_rawset(L, 2);
  return receive(L);
}

/* ws:receive([timeout]); and, with another slow function, the iterator of
   ws:messages(), whose second argument is the message before */
static int l_receive (lua_State *L) {
  if (!lua_isnoneornil(L, 2)) return slow(L, 2);
  lua_settop(L, 1);
  if (!push_link(L)) return slow(L, 1);
  return receive(L);
}

static int l_next (lua_State *L) {
  lua_settop(L, 1);
  if (!push_link(L)) return slow(L, 1);
  return receive(L);
}

/* ------------------------------------------------------------------ sending */

/* Has the link at `at` flushed at the end of the turn. */
static void mark (lua_State *L, int at) {
  lua_Integer last;
  if (has(L, at, "marked")) return;
  lua_pushliteral(L, "marked");
  lua_pushboolean(L, 1);
  lua_rawset(L, at);
  lua_getfield(L, up(DIRTY), "last");
  last = lua_tointeger(L, -1) + 1;
  lua_pop(L, 1); /* remove last */
  lua_pushvalue(L, at);
  lua_rawseti(L, up(DIRTY), last);
  lua_pushinteger(L, last);
  lua_setfield(L, up(DIRTY), "last");
}

/* max_queue of the link at `at`, -1 if it cannot be told. */
static lua_Integer max_queue (lua_State *L, int at) {
  lua_Integer max = -1;
  if (lua_getfield(L, at, "options") == LUA_TTABLE) {
    lua_getfield(L, -1, "max_queue");
    if (lua_isinteger(L, -1)) max = lua_tointeger(L, -1);
    lua_pop(L, 1); /* remove max_queue */
  }
  lua_pop(L, 1); /* remove options */
  return max;
}

/* ws:send(message [, kind]) */
static int l_send (lua_State *L) {
  int nargs = lua_gettop(L), link = nargs + 1;
  void *conn;
  int kind;
  if (nargs < 2 || nargs > 3 || lua_type(L, 2) != LUA_TSTRING)
    return slow(L, nargs);
  kind = websock_kind(L, 3);
  if (kind < 0 || !in_loop(L) || !push_link(L)) return slow(L, nargs);
  conn = conn_of(L, link);
  if (conn == NULL || has(L, link, "writing") || has(L, link, "senders") ||
      has(L, link, "used"))
    return slow(L, nargs);
  switch (websock_queue(L, conn, 2, kind, max_queue(L, link))) {
    case 1: mark(L, link); /* fallthrough */
    case 0: lua_pushboolean(L, 1); return 1;
    default: return slow(L, nargs);
  }
}

/* core.fast(slow, LINK, state, parked, dirty) -> receive, next, send; slow is a
   list of the three functions that know all cases */
static int l_fast (lua_State *L) {
  static const lua_CFunction functions[] = {l_receive, l_next, l_send};
  luaL_checktype(L, 1, LUA_TTABLE);
  lua_settop(L, 5);
  for (int i = 0; i < 3; i++) {
    lua_rawgeti(L, 1, i + 1);
    for (int j = LINK; j <= DIRTY; j++) lua_pushvalue(L, j);
    lua_pushcclosure(L, functions[i], DIRTY);
  }
  return 3;
}

void websock_open_fast (lua_State *L) {
  lua_pushcfunction(L, l_fast);
  lua_setfield(L, -2, "fast");
}
