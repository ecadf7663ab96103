/*
** lua_config.c - the userdata `websock.config`: a role and its limits, which
** many connections share.
*/
#include "lua_int.h"

#include "ws.h"

#define CONFIG "websock.config"

/* A limit from the table at 2: a size, false for none, nil for the default. */
static void limit (lua_State *L, const char *name, size_t *value) {
  if (lua_getfield(L, 2, name) == LUA_TBOOLEAN && !lua_toboolean(L, -1))
    *value = WS_NO_LIMIT;
  else if (!lua_isnil(L, -1)) {
    lua_Integer n = luaL_checkinteger(L, -1);
    luaL_argcheck(L, n >= 0, 2, name);
    *value = (size_t)n;
  }
  lua_pop(L, 1); /* remove the field */
}

/* core.config(role [, limits]) -> config */
static int config_new (lua_State *L) {
  static const char *const roles[] = {"client", "server", NULL};
  int role = luaL_checkoption(L, 1, NULL, roles);
  ws_config *config;
  lua_settop(L, 2);
  if (lua_isnil(L, 2)) {
    lua_newtable(L);
    lua_replace(L, 2);
  }
  luaL_checktype(L, 2, LUA_TTABLE);
  config = (ws_config *)lua_newuserdatauv(L, sizeof(ws_config), 0);
  ws_config_init(config, role == 0 ? WS_CLIENT : WS_SERVER);
  luaL_setmetatable(L, CONFIG);
  limit(L, "max_message", &config->max_message);
  limit(L, "max_fragments", &config->max_fragments);
  limit(L, "max_header", &config->max_header);
  limit(L, "max_body", &config->max_body);
  return 1;
}

void websock_open_config (lua_State *L) {
  luaL_newmetatable(L, CONFIG);
  lua_pop(L, 1); /* remove the metatable */
  lua_pushcfunction(L, config_new);
  lua_setfield(L, -2, "config");
}
