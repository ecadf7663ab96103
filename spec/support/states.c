/*
** states.c - more Lua states in this process, for specs of what states share:
** states.open() -> state; state:run(code) -> the string that the code returns,
** or raises; state:close().
*/
#include "lauxlib.h"
#include "lua.h"
#include "lualib.h"

#define STATE "support.state"

static lua_State **tostate (lua_State *L) {
  return (lua_State **)luaL_checkudata(L, 1, STATE);
}

/* Gives the new state this state's paths of modules. */
static void copy_path (lua_State *L, lua_State *to, const char *name) {
  lua_getglobal(L, "package");
  lua_getglobal(to, "package");
  lua_getfield(L, -1, name);
  lua_pushstring(to, lua_tostring(L, -1));
  lua_setfield(to, -2, name);
  lua_pop(to, 1); /* remove its 'package' */
  lua_pop(L, 2);  /* remove 'package' and the path */
}

static int open_state (lua_State *L) {
  lua_State **s = (lua_State **)lua_newuserdatauv(L, sizeof *s, 0);
  *s = luaL_newstate();
  if (*s == NULL) return luaL_error(L, "not enough memory");
  luaL_setmetatable(L, STATE);
  luaL_openlibs(*s);
  copy_path(L, *s, "path");
  copy_path(L, *s, "cpath");
  return 1;
}

static int run (lua_State *L) {
  lua_State *s = *tostate(L);
  int failed =
      luaL_loadstring(s, luaL_checkstring(L, 2)) || lua_pcall(s, 0, 1, 0);
  lua_pushstring(L, lua_tostring(s, -1));
  lua_pop(s, 1); /* remove the result */
  return failed ? lua_error(L) : 1;
}

static int close_state (lua_State *L) {
  lua_State **s = tostate(L);
  if (*s) lua_close(*s);
  *s = NULL;
  return 0;
}

LUAMOD_API int luaopen_states (lua_State *L) {
  static const luaL_Reg methods[] = {
      {"run", run}, {"close", close_state}, {NULL, NULL}};
  static const luaL_Reg functions[] = {{"open", open_state}, {NULL, NULL}};
  luaL_newmetatable(L, STATE);
  luaL_newlib(L, methods);
  lua_setfield(L, -2, "__index");
  lua_pushcfunction(L, close_state);
  lua_setfield(L, -2, "__gc");
  luaL_newlib(L, functions);
  return 1;
}
