/*
** allocator.c - an allocator for a Lua state that can be made to fail: for
** specs of what happens without memory. It stands before the state's own.
*/
#include <stdint.h>

#include "lauxlib.h"
#include "lua.h"

static struct {
  lua_Alloc alloc;
  void *ud;
  size_t largest; /* block that is still to be had */
  size_t total;   /* bytes that are in use */
  size_t cap;     /* bytes that may be in use */
} own = {NULL, NULL, SIZE_MAX, 0, SIZE_MAX};

static int is_refused (size_t osize, size_t nsize) {
  if (nsize <= osize) return 0;
  return nsize > own.largest || own.total - osize + nsize > own.cap;
}

static void *limited (void *ud, void *p, size_t osize, size_t nsize) {
  size_t before = p ? osize : 0; /* without a block osize is its kind */
  void *q;
  (void)ud;
  if (is_refused(before, nsize)) return NULL;
  q = own.alloc(own.ud, p, osize, nsize);
  if (q || nsize == 0) own.total += nsize - before;
  return q;
}

static void install (lua_State *L) {
  if (own.alloc) return;
  own.alloc = lua_getallocf(L, &own.ud);
  own.total = (size_t)lua_gc(L, LUA_GCCOUNT) * 1024;
  lua_setallocf(L, limited, NULL);
}

/* allocator.limit([bytes]): no block that is longer; nil: any. Connections that
   were made before the first call are not touched. */
static int limit (lua_State *L) {
  own.largest = (size_t)luaL_optinteger(L, 1, PTRDIFF_MAX);
  install(L);
  return 0;
}

/* allocator.cap([bytes]): no more than that in use; nil: any. */
static int cap (lua_State *L) {
  own.cap = (size_t)luaL_optinteger(L, 1, PTRDIFF_MAX);
  install(L);
  return 0;
}

/* allocator.used() -> bytes that are in use, as far as is known */
static int used (lua_State *L) {
  lua_pushinteger(L, (lua_Integer)own.total);
  return 1;
}

LUAMOD_API int luaopen_allocator (lua_State *L) {
  static const luaL_Reg functions[] = {
      {"cap", cap}, {"limit", limit}, {"used", used}, {NULL, NULL}};
  luaL_newlib(L, functions);
  return 1;
}
