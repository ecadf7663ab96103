/*
** lua_ws.c - what C knows of the table that users have for a connection (see
** link/connection.lua): where its conn is; and the kinds of messages.
*/
#include <string.h>

#include "lua_conn.h"

/* A ws has its conn at the light userdata with this address. */
static const char key = 0;

conn *websock_pushconn (lua_State *L, int ws) {
  if (!lua_istable(L, ws)) return NULL;
  if (lua_rawgetp(L, ws, &key) == LUA_TUSERDATA)
    return (conn *)lua_touserdata(L, -1);
  lua_pop(L, 1); /* remove what is no conn */
  return NULL;
}

/* ------------------------------------------------------------------- kinds */

void websock_pushkinds (lua_State *L) {
  lua_pushliteral(L, "text");
  lua_pushliteral(L, "binary");
}

void websock_pushkind (lua_State *L, int opcode, int kinds) {
  lua_pushvalue(L, lua_upvalueindex(opcode == WS_TEXT ? kinds : kinds + 1));
}

static int is (const char *kind, size_t n, const char *name, size_t size) {
  return n == size && memcmp(kind, name, size) == 0;
}

int websock_kind (lua_State *L, int arg) {
  const char *kind;
  size_t n;
  switch (lua_type(L, arg)) {
    case LUA_TNONE:
    case LUA_TNIL: return WS_TEXT;
    case LUA_TSTRING: break;
    default: return -1;
  }
  kind = lua_tolstring(L, arg, &n);
  if (is(kind, n, "text", 4)) return WS_TEXT;
  return is(kind, n, "binary", 6) ? WS_BINARY : -1;
}

/* -------------------------------------------------------------- finalizer */

static int ws_gc (lua_State *L) {
  const conn *c = websock_pushconn(L, 1);
  if (c && c->state == WS_CLOSED) return 0;
  lua_pushvalue(L, lua_upvalueindex(1));
  lua_pushvalue(L, 1);
  lua_call(L, 1, 0);
  return 0;
}

/* core.ws_gc(drop) -> the finalizer of a ws: calls drop(ws) unless the
   connection is closed, which it usually is */
static int l_ws_gc (lua_State *L) {
  luaL_checktype(L, 1, LUA_TFUNCTION);
  lua_settop(L, 1);
  lua_pushcclosure(L, ws_gc, 1);
  return 1;
}

void websock_open_ws (lua_State *L) {
  lua_pushcfunction(L, l_ws_gc);
  lua_setfield(L, -2, "ws_gc");
  lua_pushlightuserdata(L, (void *)&key);
  lua_setfield(L, -2, "CONN");
}
