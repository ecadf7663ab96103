/*
** lua_memory.c - what the loop asks of the allocator and of the collector.
*/
#include "lua_turn.h"

/* glibc returns the end of its heap to the system whenever 128 KiB are free
   there, so that each message may fault its pages in again. Freeing a large
   block raises that threshold to twice the block's size; the pages of this one
   are never touched. Other allocators are not affected. */
static void make_malloc_patient (lua_State *L) {
  enum { LARGE = 4 << 20 };
  void *ud;
  lua_Alloc alloc = lua_getallocf(L, &ud);
  void *p = alloc(ud, NULL, 0, LARGE);
  if (p) alloc(ud, p, LARGE, 0);
}

static int new_weight (lua_State *L) {
  enum { WEIGHT = 1 << 20 };
  lua_newuserdatauv(L, WEIGHT, 0);
  return 1;
}

/* The collector goes through everything whenever the heap has grown by a part
   of its size. The heap of a small server is so small that a few messages of
   64 KiB are such a part. This block is never touched: it adds to the size that
   the collector goes by, but takes no memory beyond addresses. Without room for
   it all works as well. */
static void push_weight (lua_State *L) {
  lua_pushcfunction(L, new_weight);
  if (lua_pcall(L, 0, 1, 0) == LUA_OK) return;
  lua_pop(L, 1); /* remove the error */
  lua_pushnil(L);
}

void websock_prepare_memory (lua_State *L, int self) {
  push_weight(L); /* first: from a mapping of its own, not from malloc's heap */
  lua_setiuservalue(L, self, TURN_WEIGHT);
  make_malloc_patient(L);
}
