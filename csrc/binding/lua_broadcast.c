/*
** lua_broadcast.c - one message to many connections, in one step: nothing in
** its loop allocates Lua objects, so no finalizer can change the list under it.
*/
#include "lua_turn.h"

/* Where they are on the stack. */
enum { CONNS = 1, TURN = 4, EXCEPT, CONN, TOO_SLOW };

/* Queues the frame on one connection: 1; 0 if it has too much queued
   already, or memory is short; -1 if it is not open. */
static int queue (conn *c, ws_shared *frame) {
  int r;
  if (websock_backlog(c) + ws_held(core(c)) > c->max_queue) return 0;
  r = ws_send_shared(core(c), frame);
  return r == 0 ? 1 : r == WS_ENOMEM ? 0 : -1;
}

/* Pushes the conn at index i of the list at 1, whose metatable is at CONN;
   NULL if there is something else. */
static conn *push_conn (lua_State *L, lua_Integer i) {
  conn *c;
  lua_rawgeti(L, CONNS, i);
  c = (conn *)lua_touserdata(L, -1);
  if (lua_getmetatable(L, -1)) {
    if (!lua_rawequal(L, -1, CONN)) c = NULL;
    lua_pop(L, 1); /* remove the metatable */
  } else {
    c = NULL;
  }
  return c;
}

/* The frame leaves with the turn, and is use (see heartbeat.lua). */
static void leaves (lua_State *L, turn *t, conn *c) {
  c->used = t->now;
  websock_mark(L, TURN, lua_gettop(L));
}

/* Queues the frame on the first n of the list but `except`, and lists those who
   did not get it at TOO_SLOW, where there is room. Returns how many did. */
static lua_Integer deliver (lua_State *L, ws_shared *frame, lua_Integer n,
                            lua_Integer *slow) {
  const void *except = lua_touserdata(L, EXCEPT);
  turn *t = (turn *)lua_touserdata(L, TURN);
  lua_Integer delivered = 0;
  *slow = 0;
  for (lua_Integer i = 1; i <= n; i++, lua_settop(L, TOO_SLOW)) {
    conn *c = push_conn(L, i);
    int r = c == NULL || c == except ? -1 : queue(c, frame);
    if (r > 0) leaves(L, t, c);
    delivered += r > 0;
    if (r == 0) lua_rawseti(L, TOO_SLOW, ++*slow);
  }
  return delivered;
}

/* core.broadcast(conns, payload, kind, turn [, except]) -> number queued on,
   list of the conns that were too slow or nil | nil, "utf8". conns is a list
   of conns of servers; who is not open is passed over. All that takes memory
   of Lua's is done before the first gets the frame, so what raises has not
   happened. Room in the turn's list is made last: finalizers may use it up. */
static int l_broadcast (lua_State *L) {
  static const char *const kinds[] = {"continuation", "text", "binary", NULL};
  size_t size;
  const char *payload = luaL_checklstring(L, 2, &size);
  int opcode = luaL_checkoption(L, 3, "text", kinds);
  lua_Integer n, delivered, slow;
  uint32_t utf8 = 0;
  void *ud;
  lua_Alloc alloc = lua_getallocf(L, &ud);
  ws_shared *frame;
  luaL_checktype(L, CONNS, LUA_TTABLE);
  websock_toturn(L, TURN);
  if (opcode == WS_TEXT && (!ws_utf8(&utf8, payload, size) || utf8 != 0))
    return websock_nil(L, "utf8");
  lua_settop(L, EXCEPT);
  luaL_getmetatable(L, "websock.conn");
  n = (lua_Integer)lua_rawlen(L, CONNS);
  lua_createtable(L, (int)n, 0); /* all of them may be too slow */
  websock_mark_room(L, TURN, n);
  frame = ws_shared_new(alloc, ud, opcode, payload, size);
  if (frame == NULL) return luaL_error(L, "not enough memory");
  delivered = deliver(L, frame, n, &slow);
  ws_shared_free(frame);
  lua_pushinteger(L, delivered);
  if (slow > 0)
    lua_pushvalue(L, TOO_SLOW);
  else
    lua_pushnil(L);
  return 2;
}

void websock_open_broadcast (lua_State *L) {
  lua_pushcfunction(L, l_broadcast);
  lua_setfield(L, -2, "broadcast");
}
