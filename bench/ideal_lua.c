/*
** bench/ideal_lua.c - the floor of servers in Lua: the ideal server, with no
** more Lua than any of them needs. Each message becomes a string, which one
** function gets and returns; the string returned is copied out. A connection is
** a table, made by a function that gets the request's path, and kept until
** another one gets it at the end.
**
** The collector is in the mode that the command lua5.4 begins in.
*/
#include "ideal.h"

#include <lauxlib.h>
#include <lualib.h>
#include <string.h>

static const char code[] =
    "local scenario = ...\n"
    "local function opened(path) return {path = path} end\n"
    "local function message(text) return text end\n"
    "local function idle(text)\n"
    "  if text == 'collect' then collectgarbage() collectgarbage() end\n"
    "  return text\n"
    "end\n"
    "local function closed(ws) return ws end\n"
    "return opened, scenario == 'idle' and idle or message, closed\n";

enum { OPENED = 1, MESSAGE, CLOSED }; /* where the functions are on the stack */

static lua_State *L;

/* Calls the function at 'f' with the value on the top, for one result. */
static void call (int f) {
  lua_pushvalue(L, f);
  lua_insert(L, -2);
  need(lua_pcall(L, 1, 1, 0) == LUA_OK, "the function in Lua");
}

void app_start (const char *scenario) {
  L = luaL_newstate();
  need(L != NULL, "luaL_newstate");
  luaL_openlibs(L);
  lua_gc(L, LUA_GCGEN, 0, 0);
  need(luaL_loadstring(L, code) == LUA_OK, "luaL_loadstring");
  lua_pushstring(L, scenario);
  need(lua_pcall(L, 1, CLOSED, 0) == LUA_OK, "the chunk in Lua");
}

int app_opened (const char *path, size_t n) {
  lua_pushlstring(L, path, n);
  call(OPENED);
  return luaL_ref(L, LUA_REGISTRYINDEX); /* remove the table */
}

void app_message (unsigned char *payload, size_t n) {
  const char *reply;
  size_t size;
  lua_pushlstring(L, (const char *)payload, n);
  call(MESSAGE);
  reply = lua_tolstring(L, -1, &size);
  need(reply != NULL && size == n, "a reply of another size");
  memcpy(payload, reply, n);
  lua_pop(L, 1); /* remove the reply */
}

void app_closed (int app) {
  lua_rawgeti(L, LUA_REGISTRYINDEX, app);
  luaL_unref(L, LUA_REGISTRYINDEX, app);
  call(CLOSED);
  lua_pop(L, 1); /* remove the result */
}
