/*
** states.c - more Lua states in this process, for specs of what states share:
** states.open() -> state; state:run(code) -> the string that the code returns,
** or raises; state:close() -> bytes that it did not free, and how often it gave
** its allocator a wrong size.
*/
#include <stdlib.h>
#include <string.h>

#include "lauxlib.h"
#include "lua.h"
#include "lualib.h"

#define STATE "support.state"

typedef struct state {
  lua_State *L;
  lua_Integer bytes; /* in use */
  lua_Integer wrong; /* calls of its allocator with a wrong size */
} state;

/* --------------------------------------------- an allocator that is strict */

enum { HEAD = 16 }; /* before a block: its size */

static void *strict (void *ud, void *p, size_t osize, size_t nsize) {
  state *s = (state *)ud;
  size_t size = 0;
  char *q = NULL;
  if (p) memcpy(&size, (char *)p - HEAD, sizeof size);
  if (p && size != osize) s->wrong++;
  if (nsize > 0) {
    q = (char *)malloc(HEAD + nsize); /* never where it was */
    if (q == NULL) return NULL;
    memcpy(q, &nsize, sizeof nsize);
    q += HEAD;
    memset(q, 0xCA, nsize);
    if (p) memcpy(q, p, size < nsize ? size : nsize);
  }
  if (p) {
    memset(p, 0xDD, size);
    free((char *)p - HEAD);
  }
  s->bytes += (lua_Integer)nsize - (lua_Integer)size;
  return q;
}

/* ------------------------------------------------------------------ states */

static state *tostate (lua_State *L) {
  return (state *)luaL_checkudata(L, 1, STATE);
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
  state *s = (state *)lua_newuserdatauv(L, sizeof *s, 0);
  memset(s, 0, sizeof *s);
  luaL_setmetatable(L, STATE);
  s->L = lua_newstate(strict, s);
  if (s->L == NULL) return luaL_error(L, "not enough memory");
  luaL_openlibs(s->L);
  copy_path(L, s->L, "path");
  copy_path(L, s->L, "cpath");
  return 1;
}

static int run (lua_State *L) {
  lua_State *s = tostate(L)->L;
  int failed =
      luaL_loadstring(s, luaL_checkstring(L, 2)) || lua_pcall(s, 0, 1, 0);
  lua_pushstring(L, lua_tostring(s, -1));
  lua_pop(s, 1); /* remove the result */
  return failed ? lua_error(L) : 1;
}

static int close_state (lua_State *L) {
  state *s = tostate(L);
  if (s->L) lua_close(s->L);
  s->L = NULL;
  lua_pushinteger(L, s->bytes);
  lua_pushinteger(L, s->wrong);
  return 2;
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
