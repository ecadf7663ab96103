/*
** lua_threads.c - how a coroutine waits, and the threads that the library
** itself runs in.
**
** Ctrl-C raises an error at any point of the main chunk's thread: lua.c sets a
** debug hook there, and a hook belongs to one thread. A step of the library
** must not be interrupted half done, so none runs in that thread. A turn of the
** loop runs in a thread of its own, the pump; a call made outside the loop runs
** in another, the desk, and while it waits the caller's thread turns the loop.
** Only there can the error come in between: it closes the call as
** coroutine.close would, as may happen to any coroutine of the loop.
**
** The caller may be a coroutine of another scheduler (io/guests.lua). Then it
** waits there by that scheduler's means, until the desk is woken.
*/
#include "lua_turn.h"

const char websock_turn_type[] = TURN_TYPE;

turn *websock_toturn (lua_State *L, int arg) {
  return (turn *)websock_check(L, arg, websock_turn_type);
}

/* Pushes a thread without a hook: lua_newthread copies its creator's. */
static lua_State *push_new (lua_State *L) {
  lua_State *thread = lua_newthread(L);
  lua_sethook(thread, NULL, 0, 0);
  return thread;
}

/* Takes the spare pump out of its user value, or creates one; pushes it. */
static lua_State *push_pump (lua_State *L, int self) {
  if (lua_getiuservalue(L, self, TURN_PUMP) != LUA_TTHREAD) {
    lua_pop(L, 1); /* remove the nil */
    return push_new(L);
  }
  lua_pushnil(L);
  lua_setiuservalue(L, self, TURN_PUMP);
  return lua_tothread(L, -1);
}

void websock_keep (lua_State *L, int self, int spare, int at) {
  lua_pushvalue(L, at);
  lua_setiuservalue(L, self, spare);
}

/* Moves the top n values to another thread. */
static void hand_over (lua_State *from, lua_State *to, int n) {
  if (!lua_checkstack(to, n + 1)) luaL_error(from, "stack overflow");
  lua_xmove(from, to, n);
}

/* Moves the n results of a thread to L. */
static int take_over (lua_State *L, lua_State *thread, int n) {
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

/* Raises in L the error that has ended the thread. */
static int pass_on (lua_State *L, lua_State *thread) {
  websock_close_thread(L, thread);
  lua_xmove(thread, L, 1);
  return lua_error(L);
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

/* Tells the loop that the thread at index `at` is gone. */
static void tell_left (lua_State *L, int self, int at) {
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
  tell_left(L, 1, lua_gettop(L));
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

int websock_enter (lua_State *L, turn *t, int self, int n) {
  lua_State *caller = t->current, *pump;
  int at, status;
  websock_check_levels(L);
  pump = push_pump(L, self);
  lua_insert(L, -n - 2);
  hand_over(L, pump, n + 1);
  at = lua_gettop(L);
  t->pump = pump;
  t->current = NULL;
  status = lua_resume(pump, L, n, &n);
  t->pump = NULL;
  t->current = caller;
  if (status != LUA_OK) return pass_on(L, pump);
  take_over(L, pump, n);
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

/* ------------------------------------------------------------------- visits */

#define VISIT_TYPE "websock.visit"

/* User values of a visit: it is on the stack of the caller that a desk serves,
   and closes the desk if the caller is closed, raises or is collected. */
enum { VISIT_DESK = 1, VISIT_TURN, VISIT_VALUES = VISIT_TURN };

/* Visit's __close and __gc: closes the desk if it has not ended. */
static int leave (lua_State *L) {
  lua_State *desk;
  lua_settop(L, 1);
  lua_getiuservalue(L, 1, VISIT_DESK);
  desk = lua_tothread(L, 2);
  if (desk == NULL || lua_status(desk) != LUA_YIELD) return 0;
  lua_getiuservalue(L, 1, VISIT_TURN);
  websock_close_thread(L, desk);
  tell_left(L, 3, 2);
  return 0;
}

static int prepare_visits (lua_State *L) {
  static const luaL_Reg meta[] = {
      {"__close", leave}, {"__gc", leave}, {NULL, NULL}};
  websock_newtype(L, VISIT_TYPE, meta + 2, meta);
  return 0;
}

static void push_new_visit (lua_State *L, int self) {
  lua_newuserdatauv(L, 0, VISIT_VALUES);
  push_new(L);
  lua_setiuservalue(L, -2, VISIT_DESK);
  lua_pushvalue(L, self);
  lua_setiuservalue(L, -2, VISIT_TURN);
  luaL_setmetatable(L, VISIT_TYPE);
}

/* Takes the spare visit out of its user value, or creates one. Pushes it and
   its desk. */
static void push_visit (lua_State *L, int self) {
  if (lua_getiuservalue(L, self, TURN_VISIT) == LUA_TUSERDATA) {
    lua_pushnil(L);
    lua_setiuservalue(L, self, TURN_VISIT);
  } else {
    lua_pop(L, 1); /* remove the nil */
    push_new_visit(L, self);
  }
  lua_getiuservalue(L, -1, VISIT_DESK);
}

/* -------------------------------------------------------------------- desk */

/* Upvalues of a wrapped function. */
enum { CALLED = 1, TURN, LOOP, LOADED, UPVALUES = LOADED };
#define up(i) lua_upvalueindex(i)

/* The stack of its caller while a desk serves it. HOST is what the loop's
   owner() has returned: the scheduler whose coroutine has called; false if that
   may not yield; nil if it is nobody's. */
enum { VISIT = 1, DESK, HOST, CALLER = HOST };

static int how_at (lua_State *L) {
  if (lua_isnil(L, HOST)) return CAN_TURN;
  return lua_toboolean(L, HOST) ? CAN_YIELD : CANNOT;
}

static int resume (lua_State *L, turn *t, lua_State *desk, int n,
                   int *results) {
  lua_State *current = t->current, *other = t->desk, *outer = t->outer;
  int how = t->how, status;
  t->current = t->desk = desk;
  t->outer = L;
  t->how = how_at(L);
  t->parked = 0;
  status = lua_resume(desk, L, n, results);
  t->current = current;
  t->desk = other;
  t->outer = outer;
  t->how = how;
  return status;
}

/* Calls a function of the table LOOP with the n arguments on the top. */
static void call_loop (lua_State *L, const char *name, int n) {
  lua_getfield(L, up(LOOP), name);
  lua_insert(L, -n - 1);
  lua_call(L, n, 0);
}

/* Tells the pumps of hosts, if there are any, that more may be due. */
static void touch (lua_State *L, const turn *t) {
  if (t->hosted) call_loop(L, "touch", 0);
}

static int woken (lua_State *L, int status, lua_KContext ctx);

/* Moves the values above the stack, with which the desk goes on, to it. Returns
   their number. */
static int hand_values (lua_State *L) {
  int n = lua_gettop(L) - CALLER;
  hand_over(L, lua_tothread(L, DESK), n);
  return n;
}

/* Waits, in the caller's thread, until the desk is woken, or for a moment if it
   only rests. Returns the number of values for it. */
static int wait (lua_State *L, const turn *t, int parked) {
  touch(L, t);
  lua_getfield(L, up(LOOP), "wait");
  lua_pushvalue(L, HOST);
  if (parked)
    lua_pushvalue(L, DESK);
  else
    lua_pushnil(L);
  lua_callk(L, 2, LUA_MULTRET, 0, woken);
  return hand_values(L);
}

/* Returns what the desk has returned, n values, or raised. */
static int conclude (lua_State *L, const turn *t, int status, int n) {
  lua_State *desk = lua_tothread(L, DESK);
  if (status != LUA_OK) return pass_on(L, desk);
  touch(L, t);
  take_over(L, desk, n);
  websock_keep(L, up(TURN), TURN_VISIT, VISIT);
  return n;
}

/* Lets the desk go on with n values on its stack, until it ends. waited: the
   visit closes it already. */
static int serve (lua_State *L, turn *t, int n, int waited) {
  lua_State *desk = lua_tothread(L, DESK);
  int status;
  while ((status = resume(L, t, desk, n, &n)) == LUA_YIELD) {
    if (!waited) lua_toclose(L, VISIT);
    waited = 1;
    lua_pop(desk, n); /* remove what it yielded */
    if (n > 0) return luaL_error(L, WEBSOCK_STRAYED);
    n = wait(L, t, t->parked);
  }
  return conclude(L, t, status, n);
}

/* Goes on after a wait that has yielded. */
static int woken (lua_State *L, int status, lua_KContext ctx) {
  (void)status;
  (void)ctx;
  return serve(L, (turn *)lua_touserdata(L, up(TURN)), hand_values(L), 1);
}

/* Calls the function at the desk, with the arguments below the host on the
   top. */
static int at_desk (lua_State *L, int status, lua_KContext ctx) {
  int n = lua_gettop(L) - 1;
  lua_State *desk;
  (void)status;
  (void)ctx;
  lua_insert(L, 1);
  push_visit(L, up(TURN));
  lua_rotate(L, 1, 2);
  desk = lua_tothread(L, DESK);
  lua_pushvalue(L, up(CALLED));
  hand_over(L, desk, 1);
  hand_over(L, desk, n);
  return serve(L, (turn *)lua_touserdata(L, up(TURN)), n, 0);
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

static int is_loaded (lua_State *L, const char *name) {
  int is = lua_getfield(L, up(LOADED), name) != LUA_TNIL;
  lua_pop(L, 1); /* remove the module */
  return is;
}

/* Whether the caller may be another scheduler's. */
static int may_be_hosted (lua_State *L, const turn *t) {
  return t->hosted || is_loaded(L, "copas") || is_loaded(L, "cqueues");
}

/* The owner is asked in a call that could yield, or it could not find out
   whether the caller can. */
static int wrapped (lua_State *L) {
  const turn *t = (turn *)lua_touserdata(L, up(TURN));
  if (t->pump || t->current) return websock_forward(L, up(CALLED));
  luaL_checkstack(L, CALLER + 1, NULL);
  if (!may_be_hosted(L, t)) {
    lua_pushnil(L);
    return at_desk(L, LUA_OK, 0);
  }
  lua_getfield(L, up(LOOP), "owner");
  lua_callk(L, 0, 1, 0, at_desk);
  return at_desk(L, LUA_OK, 0);
}

/* turn:wrap(f, loop) -> a function that calls f, at the desk if it is called
   outside the loop. loop.owner() returns the caller's host; loop.wait(host,
   desk), in the caller's thread, waits until the desk is woken and returns the
   values for it, loop.wait(host) only for a moment; loop.touch() tells hosts
   that more may be due. */
static int turn_wrap (lua_State *L) {
  websock_toturn(L, 1);
  luaL_checktype(L, 3, LUA_TTABLE);
  lua_settop(L, 3);
  lua_pushvalue(L, 2);
  lua_insert(L, 1);
  lua_remove(L, 3); /* the function, the turn, the table */
  lua_getfield(L, LUA_REGISTRYINDEX, LUA_LOADED_TABLE);
  lua_pushcclosure(L, wrapped, UPVALUES);
  return 1;
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

/* turn:is_refused() -> whether this is a desk whose caller is another
   scheduler's and may not yield */
static int turn_is_refused (lua_State *L) {
  const turn *t = websock_toturn(L, 1);
  lua_pushboolean(L, t->desk == L && t->how == CANNOT);
  return 1;
}

/* turn:host(): there are hosts from now on, whose pumps must be told what is
   due. */
static int turn_host (lua_State *L) {
  websock_toturn(L, 1)->hosted = 1;
  return 0;
}

/* turn:caller() -> the calling thread (for the desk, the thread that it
   serves), whether it is the main one */
static int turn_caller (lua_State *L) {
  const turn *t = websock_toturn(L, 1);
  lua_State *caller = t->desk == L ? t->outer : L;
  int is_main;
  if (caller != L && !lua_checkstack(caller, 1)) return 0;
  is_main = lua_pushthread(caller);
  if (caller != L) lua_xmove(caller, L, 1);
  lua_pushboolean(L, is_main);
  return 2;
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

const luaL_Reg websock_thread_methods[] = {{"caller", turn_caller},
                                           {"enter", turn_enter},
                                           {"has_raised", turn_has_raised},
                                           {"host", turn_host},
                                           {"how", turn_how},
                                           {"is_current", turn_is_current},
                                           {"is_pump", turn_is_pump},
                                           {"is_refused", turn_is_refused},
                                           {"is_turning", turn_is_turning},
                                           {"park", turn_park},
                                           {"thread", turn_thread},
                                           {"wrap", turn_wrap},
                                           {NULL, NULL}};

const luaL_Reg websock_thread_meta[] = {{"__close", turn_left}, {NULL, NULL}};

void websock_prepare_threads (lua_State *L, int self) {
  lua_pushvalue(L, self);
  lua_pushcclosure(L, begin, 1);
  lua_setiuservalue(L, self, TURN_BEGIN);
  prepare_visits(L);
}
