/*
** lua_broadcast.c - one message to many connections, in one step: nothing in
** its loop allocates Lua objects, so no finalizer can change the list under it.
*/
#include "lua_int.h"

#include "ws.h"

/* Queues the frame on one connection; 0 if it has too much queued already. */
static int queue (ws_conn *core, ws_shared *frame, size_t max) {
  if (ws_queued(core) > max) return 0;
  return ws_send_shared(core, frame) != WS_ENOMEM;
}

static void *conn_at (lua_State *L, lua_Integer i) {
  void *conn;
  lua_rawgeti(L, 1, i);
  conn = lua_touserdata(L, -1);
  lua_pop(L, 1); /* the list still refers to it */
  return conn;
}

/* Queues the frame on all of the list at 1 but `except`; marks those who did not
   get it and counts them. Returns how many did. */
static lua_Integer deliver (lua_State *L, ws_shared *frame, size_t max,
                            const void *except, lua_Integer *slow) {
  lua_Integer delivered = 0, n = (lua_Integer)lua_rawlen(L, 1);
  *slow = 0;
  for (lua_Integer i = 1; i <= n; i++) {
    void *conn = conn_at(L, i);
    if (conn == except) continue;
    if (queue(websock_core(conn), frame, max)) {
      delivered++;
    } else {
      *websock_mark(conn) = 1;
      ++*slow;
    }
  }
  return delivered;
}

/* The list of those that are marked, or nil. Making it may collect, and so
   change the list at 1: only what stands there after that is looked at. */
static void push_slow (lua_State *L, lua_Integer slow) {
  lua_Integer found = 0, n;
  if (slow == 0) {
    lua_pushnil(L);
    return;
  }
  lua_createtable(L, (int)slow, 0);
  n = (lua_Integer)lua_rawlen(L, 1);
  for (lua_Integer i = 1; i <= n && found < slow; i++) {
    void *conn = conn_at(L, i);
    if (!*websock_mark(conn)) continue;
    *websock_mark(conn) = 0;
    lua_rawgeti(L, 1, i);
    lua_rawseti(L, -2, ++found);
  }
}

/* core.broadcast(conns, payload, kind, max_queue [, except])
   -> number queued on, list of the conns that were too slow or nil
   | nil, "utf8". conns is a list of conns of servers that are open. */
static int l_broadcast (lua_State *L) {
  static const char *const kinds[] = {"continuation", "text", "binary", NULL};
  size_t size;
  const char *payload = luaL_checklstring(L, 2, &size);
  int opcode = luaL_checkoption(L, 3, "text", kinds);
  size_t max = (size_t)luaL_checkinteger(L, 4);
  lua_Integer delivered, slow;
  uint32_t utf8 = 0;
  void *ud;
  lua_Alloc alloc = lua_getallocf(L, &ud);
  ws_shared *frame;
  luaL_checktype(L, 1, LUA_TTABLE);
  if (opcode == WS_TEXT && (!ws_utf8(&utf8, payload, size) || utf8 != 0))
    return websock_nil(L, "utf8");
  frame = ws_shared_new(alloc, ud, opcode, payload, size);
  if (frame == NULL) return luaL_error(L, "not enough memory");
  delivered = deliver(L, frame, max, lua_touserdata(L, 5), &slow);
  ws_shared_free(frame);
  lua_pushinteger(L, delivered);
  push_slow(L, slow);
  return 2;
}

void websock_open_broadcast (lua_State *L) {
  lua_pushcfunction(L, l_broadcast);
  lua_setfield(L, -2, "broadcast");
}
