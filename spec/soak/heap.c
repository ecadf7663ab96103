/*
** heap.c - what the C heap holds, for the scale spec and the soak: Lua counts
** its own memory only, and resident memory tells more of fragmentation than of
** what was not given back. glibc's mallinfo2 counts every byte in use.
*/
#include <malloc.h>

#include "lauxlib.h"
#include "lua.h"

/* heap.used() -> bytes in use, Lua's among them */
static int heap_used (lua_State *L) {
  struct mallinfo2 info = mallinfo2();
  lua_pushinteger(L, (lua_Integer)(info.uordblks + info.hblkhd));
  return 1;
}

/* heap.trim(): gives what is free back to the system, so that resident memory
   is what is in use and what fragmentation keeps. */
static int heap_trim (lua_State *L) {
  (void)L;
  malloc_trim(0);
  return 0;
}

LUAMOD_API int luaopen_soak_heap (lua_State *L) {
  static const luaL_Reg functions[] = {
      {"trim", heap_trim}, {"used", heap_used}, {NULL, NULL}};
  luaL_newlib(L, functions);
  return 1;
}
