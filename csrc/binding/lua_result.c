/*
** lua_result.c - turns the core's results into Lua values; checks the conn of a
** method call.
*/
#include "lua_conn.h"

const char websock_is_conn;

/* Each method begins with this, so it is spared luaL_checkudata. */
conn *websock_toconn (lua_State *L) {
  conn *c = (conn *)lua_touserdata(L, 1);
  if (c && lua_rawlen(L, 1) >= sizeof *c && c->type == &websock_is_conn)
    return c;
  return (conn *)luaL_checkudata(L, 1, CONN_TYPE);
}

int websock_pushresult (lua_State *L, conn *c, int r) {
  switch (r) {
    case WS_ENOMEM: return luaL_error(L, "not enough memory");
    case WS_ERANDOM: return luaL_error(L, "no random bytes to be had");
    case WS_EINVAL:
    case WS_EUTF8:
    case WS_ESTATE:
    case WS_END: return websock_nil(L, ws_error(core(c)));
    default: lua_pushboolean(L, 1); return 1;
  }
}

static int push_closed (lua_State *L, conn *c) {
  ws_closing end = ws_closed(core(c));
  lua_pushlstring(L, end.reason.n > 0 ? end.reason.p : "", end.reason.n);
  lua_pushnil(L);
  lua_pushliteral(L, "closed");
  lua_pushinteger(L, (lua_Integer)end.code);
  lua_rotate(L, -4, -1); /* the reason comes last */
  return 4;
}

int websock_noevent (lua_State *L, conn *c, int r) {
  switch (r) {
    case 0: return websock_nil(L, "again");
    case WS_END: return push_closed(L, c);
    case WS_ESTATE: return websock_nil(L, "in parts");
    default: return luaL_error(L, "not enough memory");
  }
}
