/*
** lua_desk.c - calls made outside the loop, in a thread whose debug hook may
** raise an error at any point (see lua_threads.c). Such a call runs in a thread
** of the library's own, the desk, and while it waits the caller's thread turns
** the loop. Only there can the error come in between: it closes the call as
** coroutine.close would, as may happen to any coroutine of the loop.
**
** The caller may be a coroutine of another scheduler (io/guests.lua). Then it
** waits there by that scheduler's means, until the desk is woken.
*/
#include "lua_desk.h"

#include "lua_threads.h"

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
  websock_tell_left(L, 3, 2);
  return 0;
}

void websock_prepare_desk (lua_State *L) {
  static const luaL_Reg meta[] = {
      {"__close", leave}, {"__gc", leave}, {NULL, NULL}};
  websock_newtype(L, VISIT_TYPE, meta + 2, meta);
}

static void push_new_visit (lua_State *L, int self) {
  lua_newuserdatauv(L, 0, VISIT_VALUES);
  websock_push_thread(L);
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
  websock_hand_over(L, lua_tothread(L, DESK), n);
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
  if (status != LUA_OK) return websock_pass_on(L, desk);
  touch(L, t);
  websock_take_over(L, desk, n);
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
  websock_hand_over(L, desk, 1);
  websock_hand_over(L, desk, n);
  return serve(L, (turn *)lua_touserdata(L, up(TURN)), n, 0);
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

const luaL_Reg websock_desk_methods[] = {{"caller", turn_caller},
                                         {"host", turn_host},
                                         {"is_refused", turn_is_refused},
                                         {"wrap", turn_wrap},
                                         {NULL, NULL}};
