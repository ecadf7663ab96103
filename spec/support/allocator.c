/*
** allocator.c - an allocator for a Lua state that can be made to fail, for
** specs of lack of memory. It calls the state's own.
*/
#include <stdint.h>

#include "lauxlib.h"
#include "lua.h"

static struct {
  lua_Alloc alloc;
  void *ud;
  size_t largest; /* limit of a block */
  size_t total;   /* bytes in use */
  size_t cap;     /* limit of bytes in use */
  size_t left;    /* allocations that do not fail */
} own = {NULL, NULL, SIZE_MAX, 0, SIZE_MAX, SIZE_MAX};

static int is_refused (size_t osize, size_t nsize) {
  if (nsize <= osize) return 0;
  if (own.left == 0) return 1;
  own.left--;
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

/* allocator.limit([bytes]): fails for longer blocks; nil: for none. Does not
   affect connections created before the first call. */
static int limit (lua_State *L) {
  own.largest = (size_t)luaL_optinteger(L, 1, PTRDIFF_MAX);
  install(L);
  return 0;
}

/* allocator.cap([bytes]): fails if more would be in use; nil: never. */
static int cap (lua_State *L) {
  own.cap = (size_t)luaL_optinteger(L, 1, PTRDIFF_MAX);
  install(L);
  return 0;
}

/* allocator.fail(n, f, ...) -> what pcall returns: calls f while the n-th
   allocation and all after it fail. They succeed again before anything else
   is called, which may take memory. */
static int fail (lua_State *L) {
  lua_Integer n = luaL_checkinteger(L, 1);
  int status;
  install(L);
  own.left = (size_t)(n - 1);
  status = lua_pcall(L, lua_gettop(L) - 2, LUA_MULTRET, 0);
  own.left = SIZE_MAX;
  luaL_checkstack(L, 1, NULL);
  lua_pushboolean(L, status == LUA_OK);
  lua_replace(L, 1);
  return lua_gettop(L);
}

/* allocator.used() -> bytes in use, as far as is known */
static int used (lua_State *L) {
  lua_pushinteger(L, (lua_Integer)own.total);
  return 1;
}

LUAMOD_API int luaopen_allocator (lua_State *L) {
  static const luaL_Reg functions[] = {{"cap", cap},
                                       {"fail", fail},
                                       {"limit", limit},
                                       {"used", used},
                                       {NULL, NULL}};
  luaL_newlib(L, functions);
  return 1;
}
