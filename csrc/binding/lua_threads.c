/*
** lua_threads.c - how a coroutine of the loop begins, waits and ends; and the
** pump, the thread that a turn of the loop runs in.
**
** Ctrl-C raises an error at any point of the main chunk's thread: lua.c sets a
** debug hook there, and a hook belongs to one thread. A step of the library
** must not be interrupted half done, so none runs in that thread: a turn of the
** loop runs in the pump, a call made outside the loop at a desk (lua_desk.c).
*/
#include "lua_threads.h"

const char websock_turn_type[] = TURN_TYPE;

turn *websock_toturn (lua_State *L, int arg) {
  return (turn *)websock_check(L, arg, websock_turn_type);
}

lua_State *websock_push_thread (lua_State *L) {
  lua_State *thread = lua_newthread(L);
  lua_sethook(thread, NULL, 0, 0);
  return thread;
}

void websock_keep (lua_State *L, int self, int spare, int at) {
  lua_pushvalue(L, at);
  lua_setiuservalue(L, self, spare);
}

void websock_hand_over (lua_State *from, lua_State *to, int n) {
  if (!lua_checkstack(to, n + 1)) luaL_error(from, "stack overflow");
  lua_xmove(from, to, n);
}

int websock_take_over (lua_State *L, lua_State *thread, int n) {
  luaL_checkstack(L, n, "too many results");
  lua_xmove(thread, L, n);
  return n;
}

void websock_close_thread (lua_State *L, lua_State *thread) {
#if LUA_VERSION_NUM > 504 || LUA_VERSION_RELEASE_NUM >= 50406
  lua_closethread(thread, L);
#else
  (void)L;
  lua_resetthread(thread);
#endif
}

int websock_pass_on (lua_State *L, lua_State *thread) {
  websock_close_thread(L, thread);
  lua_xmove(thread, L, 1);
  return lua_error(L);
}

static int returned (lua_State *L, int status, lua_KContext ctx) {
  (void)status;
  (void)ctx;
  return lua_gettop(L);
}

int websock_forward (lua_State *L, int f) {
  lua_pushvalue(L, f);
  lua_insert(L, 1);
  lua_callk(L, lua_gettop(L) - 1, LUA_MULTRET, 0, returned);
  return returned(L, LUA_OK, 0);
}

/* -------------------------------------------------------------------- wait */

/* Continues when the loop (or at_desk) resumes it; yields again when anybody
   else does. */
static int park_on (lua_State *L, int status, lua_KContext ctx) {
  const turn *t = (turn *)lua_touserdata(L, 1);
  (void)status;
  (void)ctx;
  if (t->current != L) {
    lua_settop(L, 1);
    return lua_yieldk(L, 0, 0, park_on);
  }
  return lua_gettop(L) - 1;
}

/* turn:park() -> the values that the loop resumes this coroutine with */
static int turn_park (lua_State *L) {
  turn *t = websock_toturn(L, 1);
  if (t->current != L || !lua_isyieldable(L))
    return luaL_error(L, "cannot wait here");
  lua_settop(L, 1);
  t->parked = 1;
  return lua_yieldk(L, 0, 0, park_on);
}

/* ------------------------------------------------------------------- spawn */

static int ended (lua_State *L, int status, lua_KContext ctx) {
  (void)L;
  (void)status;
  (void)ctx;
  return 0;
}

/* The first function of each thread of the loop: calls f(...), which the loop
   resumes it with; yields again when anybody else resumes it. */
static int begun (lua_State *L, int status, lua_KContext ctx) {
  const turn *t = (turn *)lua_touserdata(L, lua_upvalueindex(1));
  (void)status;
  (void)ctx;
  if (t->current != L) {
    lua_settop(L, 0);
    return lua_yieldk(L, 0, 0, begun);
  }
  lua_pushvalue(L, lua_upvalueindex(1));
  lua_insert(L, 1);
  lua_toclose(L, 1);
  lua_callk(L, lua_gettop(L) - 2, 0, 0, ended);
  return 0;
}

static int begin (lua_State *L) { return begun(L, LUA_OK, 0); }

void websock_tell_left (lua_State *L, int self, int at) {
  lua_getiuservalue(L, self, TURN_LEFT);
  lua_pushvalue(L, at);
  lua_call(L, 1, 0);
}

/* turn's __close, in a thread that ends: tells the loop if the thread was
   closed, or was run to its end by another resumer, so that the loop forgets
   it. */
static int turn_left (lua_State *L) {
  if (websock_toturn(L, 1)->current == L) return 0;
  lua_pushthread(L);
  websock_tell_left(L, 1, lua_gettop(L));
  return 0;
}

/* turn:thread() -> a thread that calls f(...) when the loop resumes it with
   them */
static int turn_thread (lua_State *L) {
  lua_State *thread;
  websock_toturn(L, 1);
  thread = lua_newthread(L);
  lua_getiuservalue(L, 1, TURN_BEGIN);
  lua_xmove(L, thread, 1);
  return 1;
}

/* Pushes the spare thread, or a new one. Returns NULL if there is no memory for
   it, and then pushes something else. */
static lua_State *push_spare (lua_State *L, int self) {
  lua_State *thread;
  if (lua_getiuservalue(L, self, TURN_SPARE) != LUA_TTHREAD) {
    lua_pop(L, 1); /* remove the nil */
    lua_getiuservalue(L, self, TURN_NEW_SPARE);
    if (lua_pcall(L, 0, 1, 0) != LUA_OK) return NULL;
    websock_keep(L, self, TURN_SPARE, -1);
  }
  thread = lua_tothread(L, -1);
  return lua_checkstack(thread, 4) ? thread : NULL;
}

lua_State *websock_lend (lua_State *L, int self, int at) {
  lua_State *thread = push_spare(L, self);
  if (thread == NULL) return NULL;
  lua_pushnil(L);
  lua_setiuservalue(L, self, TURN_SPARE);
  lua_settop(thread, 0);
  lua_getiuservalue(L, self, TURN_BEGIN);
  lua_getiuservalue(L, self, TURN_CALL_BACK);
  lua_pushvalue(L, at);
  lua_xmove(L, thread, 3);
  return thread;
}

/* -------------------------------------------------------------------- pump */

/* Calls f(...) so that it cannot yield. */
static int unyielding (lua_State *L) {
  lua_call(L, lua_gettop(L) - 1, LUA_MULTRET);
  return lua_gettop(L);
}

/* Levels of the C stack that a turn needs beside the user's functions, and the
   depth of a caller's stack from which on they may be missing. */
enum { LEVELS = 40, DEEP = 60 };

/* Calls itself so many times: raises "C stack overflow" if it cannot. */
static int descend (lua_State *L) {
  lua_Integer left = lua_tointeger(L, 1);
  if (left == 0) return 0;
  lua_pushcfunction(L, descend);
  lua_pushinteger(L, left - 1);
  lua_call(L, 1, 0);
  return 0;
}

void websock_check_levels (lua_State *L) {
  lua_Debug unused;
  if (!lua_getstack(L, DEEP, &unused)) return;
  luaL_checkstack(L, 2, NULL);
  lua_pushcfunction(L, descend);
  lua_pushinteger(L, LEVELS);
  lua_call(L, 1, 0);
}

/* Takes the spare pump out of its user value, or creates one; pushes it. */
static lua_State *push_pump (lua_State *L, int self) {
  if (lua_getiuservalue(L, self, TURN_PUMP) != LUA_TTHREAD) {
    lua_pop(L, 1); /* remove the nil */
    return websock_push_thread(L);
  }
  lua_pushnil(L);
  lua_setiuservalue(L, self, TURN_PUMP);
  return lua_tothread(L, -1);
}

int websock_enter (lua_State *L, turn *t, int self, int n) {
  lua_State *caller = t->current, *pump;
  int at, status;
  websock_check_levels(L);
  pump = push_pump(L, self);
  lua_insert(L, -n - 2);
  websock_hand_over(L, pump, n + 1);
  at = lua_gettop(L);
  t->pump = pump;
  t->current = NULL;
  status = lua_resume(pump, L, n, &n);
  t->pump = NULL;
  t->current = caller;
  if (status != LUA_OK) return websock_pass_on(L, pump);
  websock_take_over(L, pump, n);
  websock_keep(L, self, TURN_PUMP, at);
  return n;
}

/* turn:enter(f, ...) -> f's results: runs it as part of a turn, in the pump. */
static int turn_enter (lua_State *L) {
  turn *t = websock_toturn(L, 1);
  if (t->pump) return luaL_error(L, "the loop is being turned");
  lua_pushcfunction(L, unyielding);
  lua_insert(L, 2);
  return websock_enter(L, t, 1, lua_gettop(L) - 2);
}

/* ------------------------------------------------------------------ queries */

int websock_how (lua_State *L, const turn *t) {
  if (t->current == NULL) return t->pump ? CANNOT : CAN_TURN;
  if (t->current != L || !lua_isyieldable(L)) return CANNOT;
  return t->desk == L ? t->how : CAN_YIELD;
}

/* turn:how() -> "yield", "turn" or nil: see websock_how */
static int turn_how (lua_State *L) {
  static const char *const names[] = {NULL, "yield", "turn"};
  lua_pushstring(L, names[websock_how(L, websock_toturn(L, 1))]);
  return 1;
}

/* turn:is_current() -> whether the loop has resumed this coroutine */
static int turn_is_current (lua_State *L) {
  lua_pushboolean(L, websock_toturn(L, 1)->current == L);
  return 1;
}

/* turn:has_raised(thread) -> whether it has ended by an error, the error */
static int turn_has_raised (lua_State *L) {
  lua_State *thread = lua_tothread(L, 2);
  luaL_argcheck(L, thread != NULL && thread != L, 2, "thread expected");
  lua_pushboolean(L, lua_status(thread) > LUA_YIELD);
  if (!lua_toboolean(L, -1)) return 1;
  lua_xmove(thread, L, 1);
  return 2;
}

/* turn:is_turning() -> whether this is inside a turn of the loop */
static int turn_is_turning (lua_State *L) {
  lua_pushboolean(L, websock_toturn(L, 1)->pump != NULL);
  return 1;
}

/* turn:is_pump() -> whether this thread is the one that turns the loop */
static int turn_is_pump (lua_State *L) {
  lua_pushboolean(L, websock_toturn(L, 1)->pump == L);
  return 1;
}

const luaL_Reg websock_thread_methods[] = {{"enter", turn_enter},
                                           {"has_raised", turn_has_raised},
                                           {"how", turn_how},
                                           {"is_current", turn_is_current},
                                           {"is_pump", turn_is_pump},
                                           {"is_turning", turn_is_turning},
                                           {"park", turn_park},
                                           {"thread", turn_thread},
                                           {NULL, NULL}};

const luaL_Reg websock_thread_meta[] = {{"__close", turn_left}, {NULL, NULL}};

void websock_prepare_threads (lua_State *L, int self) {
  lua_pushvalue(L, self);
  lua_pushcclosure(L, begin, 1);
  lua_setiuservalue(L, self, TURN_BEGIN);
}
