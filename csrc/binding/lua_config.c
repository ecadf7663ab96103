/*
** lua_config.c - the userdata `websock.config`: a role, its limits and its
** compression, which many connections share; and the state's pool, which all
** configurations share.
*/
#include <string.h>

#include "lua_conn.h"

#define POOL "websock.pool"

const char websock_config_type[] = CONFIG_TYPE;

/* Reads a limit from the table at 2: a size, false for none, nil for the
   default. */
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

static int pool_gc (lua_State *L) {
  ws_pool_free((ws_pool *)luaL_checkudata(L, 1, POOL));
  return 0;
}

/* Pushes the state's pool. It is created before its users, so lua_close
   finalizes it after them; blocks that come back later are freed. */
ws_pool *websock_pushpool (lua_State *L) {
  void *ud;
  lua_Alloc alloc = lua_getallocf(L, &ud);
  ws_pool *pool;
  if (lua_getfield(L, LUA_REGISTRYINDEX, POOL ".this") == LUA_TUSERDATA)
    return (ws_pool *)lua_touserdata(L, -1);
  lua_pop(L, 1); /* remove nil */
  pool = (ws_pool *)lua_newuserdatauv(L, ws_pool_size(), 0);
  ws_pool_init(pool, alloc, ud);
  luaL_setmetatable(L, POOL);
  lua_pushvalue(L, -1);
  lua_setfield(L, LUA_REGISTRYINDEX, POOL ".this");
  return pool;
}

/* Returns an integer from min to max from the table on the top; nil means the
   default, `value`. */
static lua_Integer setting (lua_State *L, const char *name, lua_Integer value,
                            lua_Integer min, lua_Integer max) {
  if (lua_getfield(L, -1, name) != LUA_TNIL) {
    value = luaL_checkinteger(L, -1);
    luaL_argcheck(L, value >= min && value <= max, 2, name);
  }
  lua_pop(L, 1); /* remove the field */
  return value;
}

static void flag (lua_State *L, const char *name, int *value) {
  if (lua_getfield(L, -1, name) != LUA_TNIL) *value = lua_toboolean(L, -1);
  lua_pop(L, 1); /* remove the field */
}

static int is_set (lua_State *L, const char *name) {
  int value;
  lua_getfield(L, 2, name);
  value = lua_toboolean(L, -1);
  lua_pop(L, 1); /* remove the field */
  return value;
}

/* Reads a window size from the table on the top: 8 to 15, false for none. */
static void window (lua_State *L, const char *name, int *bits) {
  int none = lua_getfield(L, -1, name) == LUA_TBOOLEAN && !lua_toboolean(L, -1);
  lua_pop(L, 1); /* remove the field */
  *bits = none ? 0 : (int)setting(L, name, *bits, 8, 15);
}

/* Reads `compress` of the table at 2: a boolean, or a table of settings. */
static void compression (lua_State *L, ws_compression *z) {
  if (lua_getfield(L, 2, "compress") == LUA_TTABLE) {
    flag(L, "server_no_context_takeover", &z->server_no_context_takeover);
    flag(L, "client_no_context_takeover", &z->client_no_context_takeover);
    window(L, "server_max_window_bits", &z->server_max_window_bits);
    window(L, "client_max_window_bits", &z->client_max_window_bits);
    z->level = (int)setting(L, "level", z->level, 0, 9);
    z->mem_level = (int)setting(L, "mem_level", z->mem_level, 1, 9);
    z->threshold = (size_t)setting(L, "threshold", (lua_Integer)z->threshold, 0,
                                   LUA_MAXINTEGER);
  }
  z->on = lua_toboolean(L, -1);
  lua_pop(L, 1); /* remove the field */
}

/* Reads `pool` of the table at 2: false gives each connection memory of its
   own, for tests in which a tool watches every block. */
static void set_pool (lua_State *L, ws_config *to) {
  int own = lua_getfield(L, 2, "pool") == LUA_TBOOLEAN && !lua_toboolean(L, -1);
  lua_pop(L, 1); /* remove the field */
  if (own) return;
  to->pool = websock_pushpool(L);
  lua_setiuservalue(L, -2, CONFIG_POOL); /* keeps it alive */
}

/* core.config(role [, limits]) -> config */
static int config_new (lua_State *L) {
  static const char *const roles[] = {"client", "server", NULL};
  int role = luaL_checkoption(L, 1, NULL, roles);
  config *own;
  lua_settop(L, 2);
  if (lua_isnil(L, 2)) {
    lua_newtable(L);
    lua_replace(L, 2);
  }
  luaL_checktype(L, 2, LUA_TTABLE);
  own = (config *)lua_newuserdatauv(L, sizeof *own, CONFIG_VALUES);
  memset(own, 0, sizeof *own);
  own->type = websock_config_type;
  ws_config_init(&own->core, role == 0 ? WS_CLIENT : WS_SERVER);
  luaL_setmetatable(L, CONFIG_TYPE);
  own->max_queue = WS_NO_LIMIT;
  limit(L, "max_queue", &own->max_queue);
  limit(L, "max_message", &own->core.max_message);
  limit(L, "max_fragments", &own->core.max_fragments);
  limit(L, "max_header", &own->core.max_header);
  limit(L, "max_body", &own->core.max_body);
  own->core.redirects = is_set(L, "redirects");
  compression(L, &own->core.compression);
  set_pool(L, &own->core);
  return 1;
}

void websock_open_config (lua_State *L) {
  luaL_newmetatable(L, CONFIG_TYPE);
  luaL_newmetatable(L, POOL);
  lua_pushcfunction(L, pool_gc);
  lua_setfield(L, -2, "__gc");
  lua_pop(L, 2); /* remove the metatables */
  lua_pushcfunction(L, config_new);
  lua_setfield(L, -2, "config");
}
