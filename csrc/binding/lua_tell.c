/*
** lua_tell.c - calls methods of links, and of other watchers, from a turn in C.
*/
#include "lua_serve.h"

void websock_push_served (lua_State *L) {
  lua_settop(L, SELF);
  lua_getiuservalue(L, SELF, TURN_WATCHERS);
  lua_getiuservalue(L, SELF, TURN_FAILED);
}

void websock_pushmethod (lua_State *L, const char *name) {
  lua_getfield(L, -1, name);
  lua_pushvalue(L, -2);
}

int websock_callmethod (lua_State *L, int n) {
  int status = lua_pcall(L, n + 1, 0, 0);
  if (status == LUA_OK) {
    lua_pop(L, 1); /* remove the object */
    return status;
  }
  lua_pushvalue(L, FAILED);
  lua_insert(L, -3);
  if (lua_pcall(L, 2, 0, 0) != LUA_OK) lua_pop(L, 1); /* no memory for it */
  return status;
}

void websock_calllink (lua_State *L, int n) {
  conn *c = (conn *)lua_touserdata(L, CONN);
  if (websock_callmethod(L, n) == LUA_ERRMEM) c->missed = 1;
}

void websock_tell (lua_State *L, const char *method, int flags) {
  lua_getiuservalue(L, CONN, CONN_LINK);
  websock_pushmethod(L, method);
  lua_pushinteger(L, flags);
  websock_calllink(L, 1);
}
