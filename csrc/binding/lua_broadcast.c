/*
** lua_broadcast.c - sends one message to many connections in one step. Its loop
** allocates no Lua objects, so no finalizer can change the list meanwhile.
*/
#include "lua_turn.h"

/* Stack indices. */
enum { CONNS = 1, TURN = 4, EXCEPT, TOO_SLOW, MARKED };

/* Queues the frame on one connection. Returns 1; 0 if its queue is too long or
   memory is short; -1 if it is not open. */
static int queue (conn *c, ws_shared *frame) {
  int r;
  if (websock_backlog(c) + ws_held(core(c)) > c->max_queue) return 0;
  r = ws_send_shared(core(c), frame);
  return r == 0 ? 1 : r == WS_ENOMEM ? 0 : -1;
}

/* Pushes item i of the list. Returns NULL if it is no conn. */
static conn *push_conn (lua_State *L, lua_Integer i) {
  lua_rawgeti(L, CONNS, i);
  return (conn *)websock_test(L, -1, websock_conn_type);
}

/* Queues the frame on the first n conns of the list, without `except`, and
   marks those that got it. That counts as use (see heartbeat.lua). Appends
   those that were too slow to the table at TOO_SLOW, which has room. Returns
   the number of conns that got the frame. */
static lua_Integer deliver (lua_State *L, ws_shared *frame, lua_Integer n,
                            lua_Integer *slow) {
  const void *except = lua_touserdata(L, EXCEPT);
  turn *t = (turn *)lua_touserdata(L, TURN);
  lua_Integer delivered = 0;
  *slow = 0;
  for (lua_Integer i = 1; i <= n; i++) {
    conn *c = push_conn(L, i);
    int r = c == NULL || c == except ? -1 : queue(c, frame);
    if (r > 0) {
      c->used = t->now;
      websock_mark_top(L, t, c, MARKED);
      delivered++;
    } else if (r == 0) {
      lua_rawseti(L, TOO_SLOW, ++*slow);
    } else {
      lua_pop(L, 1); /* remove the item */
    }
  }
  return delivered;
}

/* core.broadcast(conns, payload, kind, turn [, except]) -> number queued on,
   list of the conns that were too slow or nil | nil, "utf8". conns is a list
   of conns of servers; conns that are not open are skipped. Everything that
   allocates comes before the first conn gets the frame, so a call that raises
   has sent nothing. Room in the turn's list is made last of what runs
   finalizers, because they may use it up. */
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
  n = (lua_Integer)lua_rawlen(L, CONNS);
  lua_createtable(L, (int)n, 0); /* all of them may be too slow */
  websock_mark_room(L, TURN, n);
  lua_getiuservalue(L, TURN, TURN_DIRTY);
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
