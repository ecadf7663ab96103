/*
** lua_resume.c - resumes threads of the loop. What happens to them afterwards
** is decided by io/scheduler.lua.
*/
#include "lua_serve.h"
#include "lua_threads.h"

int websock_resume (lua_State *L, turn *t, lua_State *thread, int nargs) {
  int status, n;
  t->current = thread;
  t->parked = t->rests = 0;
  status = lua_resume(thread, L, nargs, &n);
  if (status == LUA_ERRMEM) {
    /* free what its stack holds: handling the error takes memory */
    websock_close_thread(L, thread);
    websock_reclaim(L);
  }
  t->current = NULL;
  if (status == LUA_OK || status == LUA_YIELD) lua_pop(thread, n);
  t->strayed = status == LUA_YIELD && n > 0;
  return status;
}

int websock_outcome (lua_State *L, const turn *t, lua_State *thread,
                     int status) {
  int ok = status == LUA_OK || status == LUA_YIELD;
  lua_pushboolean(L, ok && !t->strayed);
  if (t->strayed)
    lua_pushliteral(L, WEBSOCK_STRAYED);
  else if (ok)
    return 1;
  else
    lua_xmove(thread, L, 1);
  return 2;
}

/* Removes the thread at index 2 from a table of the turn, and pushes its value
   there. Allocates nothing. */
static void take_out (lua_State *L, int table) {
  lua_getiuservalue(L, 1, table);
  lua_pushvalue(L, 2);
  lua_rawget(L, -2);
  lua_pushvalue(L, 2);
  lua_pushnil(L);
  lua_rawset(L, -4);
  lua_replace(L, -2); /* remove the table */
}

/* Copies values to the thread from the table on the top, {number, value, ...}.
   Returns their number, -1 if there is no memory for them. */
static int unpack (lua_State *L, lua_State *thread) {
  int n;
  lua_rawgeti(L, -1, 1);
  n = (int)lua_tointeger(L, -1);
  lua_pop(L, 1); /* remove the number */
  /* one more: lua_resume may say that it cannot */
  if (!lua_checkstack(thread, n + 1)) return -1;
  for (int i = 2; i <= n + 1; i++) {
    lua_rawgeti(L, -1, i);
    lua_xmove(L, thread, 1);
  }
  return n;
}

/* Resumes the thread with the n values on its stack, -1 if there is no memory
   for them. Returns what turn:resume does. */
static int resume_with (lua_State *L, turn *t, lua_State *thread, int n) {
  int status;
  if (n < 0) {
    lua_pushboolean(L, 0);
    lua_pushliteral(L, "not enough memory");
    return 2;
  }
  status = websock_resume(L, t, thread, n);
  if (status == LUA_YIELD && t->parked) return 0;
  return websock_outcome(L, t, thread, status);
}

/* turn:resume(thread) -> true | false, err | nil if the thread has parked.
   Takes the values that the thread was woken with, forgets what it waited for,
   and resumes it, in one step that nothing can interrupt. Closes a thread for
   whose values there is no memory. */
static int turn_resume (lua_State *L) {
  turn *t = websock_toturn(L, 1);
  lua_State *thread = lua_tothread(L, 2);
  luaL_argcheck(L, thread != NULL && thread != L, 2, "thread expected");
  lua_settop(L, 2);
  take_out(L, TURN_PARKED);
  take_out(L, TURN_WOKEN);
  luaL_checktype(L, -1, LUA_TTABLE);
  return resume_with(L, t, thread, unpack(L, thread));
}

/* turn:start(thread, f, ...) -> as turn:resume, for a new thread that calls
   f(...) */
static int turn_start (lua_State *L) {
  turn *t = websock_toturn(L, 1);
  lua_State *thread = lua_tothread(L, 2);
  int n = lua_gettop(L) - 2;
  luaL_argcheck(L, thread != NULL && thread != L, 2, "thread expected");
  if (lua_checkstack(thread, n + 1))
    lua_xmove(L, thread, n);
  else
    n = -1;
  return resume_with(L, t, thread, n);
}

/* turn:has_rested() -> whether the coroutine resumed last has yielded because
   it took its share of messages; clears that */
static int turn_has_rested (lua_State *L) {
  turn *t = websock_toturn(L, 1);
  lua_pushboolean(L, t->rests);
  t->rests = 0;
  return 1;
}

const luaL_Reg websock_resume_methods[] = {{"has_rested", turn_has_rested},
                                           {"resume", turn_resume},
                                           {"start", turn_start},
                                           {NULL, NULL}};
