/*
** allocator.c - an allocator for a Lua state that can be made to fail: for specs
** of what happens without memory. It stands before the state's own.
*/
#include <stdint.h>

#include "lauxlib.h"
#include "lua.h"

static struct {
  lua_Alloc alloc;
  void *ud;
  size_t largest; /* block that is still to be had */
} own = {NULL, NULL, SIZE_MAX};

static void *limited (void *ud, void *p, size_t osize, size_t nsize) {
  (void)ud;
  if (nsize > own.largest && (p == NULL || nsize > osize)) return NULL;
  return own.alloc(own.ud, p, osize, nsize);
}

/* allocator.limit([bytes]): no block that is longer; nil: any. Connections that
   were made before the first call are not touched. */
static int limit (lua_State *L) {
  own.largest = (size_t)luaL_optinteger(L, 1, PTRDIFF_MAX);
  if (own.alloc == NULL) {
    own.alloc = lua_getallocf(L, &own.ud);
    lua_setallocf(L, limited, NULL);
  }
  return 0;
}

LUAMOD_API int luaopen_allocator (lua_State *L) {
  static const luaL_Reg functions[] = {{"limit", limit}, {NULL, NULL}};
  luaL_newlib(L, functions);
  return 1;
}
