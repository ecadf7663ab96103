/*
** lua_timer.c - the userdata `websock.timers`: the heap of timers, and the
** clock.
*/
#include "lua_int.h"

#define TIMERS "websock.timers"

static const char type[] = TIMERS;

typedef struct timers {
  const char *type;
  net_timers *t;
} timers;

static timers *totimers (lua_State *L) {
  return (timers *)websock_check(L, 1, type);
}

net_timers *const *websock_totimers (lua_State *L, int arg) {
  timers *self = (timers *)websock_check(L, arg, type);
  if (self->t == NULL) luaL_error(L, "closed timers");
  return &self->t;
}

static net_timers *check_open (lua_State *L) { return *websock_totimers(L, 1); }

/* Upvalues of at, cancel and move: the timers; handle -> object, which it is
   set for. */
enum { TIMERS_OF = 1, TIMED, UPVALUES = TIMED };

static void push_new (lua_State *L) {
  timers *self = (timers *)lua_newuserdatauv(L, sizeof *self, 0);
  self->type = type;
  self->t = NULL;
  luaL_setmetatable(L, TIMERS);
  self->t = net_timers_new();
  if (self->t == NULL) luaL_error(L, "not enough memory");
}

static int timers_close (lua_State *L) {
  timers *self = totimers(L);
  net_timers *t = self->t;
  self->t = NULL;
  net_timers_free(t);
  return 0;
}

/* Raises for NaN, which a heap cannot order. */
static double check_time (lua_State *L, int arg) {
  double at = luaL_checknumber(L, arg);
  luaL_argcheck(L, at == at, arg, "not a time");
  return at;
}

/* timers:at(handle) -> time, math.huge for a timer that is gone */
static int timers_at (lua_State *L) {
  lua_pushnumber(L, net_timer_at(check_open(L), (int)luaL_checkinteger(L, 2)));
  return 1;
}

/* timers:first() -> at | nil */
static int timers_first (lua_State *L) {
  double at;
  if (!net_timer_first(check_open(L), &at)) return 0;
  lua_pushnumber(L, at);
  return 1;
}

/* timers:due(now) -> handle, at | nothing: removes the earliest timer
   that is due; at is the time that it was set to */
static int timers_due (lua_State *L) {
  int handle;
  uint32_t slot;
  double at = 0;
  net_timers *t = check_open(L);
  net_timer_first(t, &at);
  if (!net_timer_due(t, luaL_checknumber(L, 2), &handle, &slot)) return 0;
  lua_pushinteger(L, handle);
  lua_pushnumber(L, at);
  return 2;
}

static int timers_tostring (lua_State *L) {
  lua_pushfstring(L, TIMERS ": %p", (void *)totimers(L));
  return 1;
}

/* core.now() -> monotonic time in seconds */
static int l_now (lua_State *L) {
  lua_pushnumber(L, net_now());
  return 1;
}

/* at(time, object) -> handle */
static int l_at (lua_State *L) {
  net_timers *t = *websock_totimers(L, lua_upvalueindex(TIMERS_OF));
  int handle = net_timer_set(t, check_time(L, 1), 0);
  if (handle < 0) return luaL_error(L, "not enough memory");
  lua_settop(L, 2);
  lua_rawseti(L, lua_upvalueindex(TIMED), handle);
  lua_pushinteger(L, handle);
  return 1;
}

/* cancel(handle); cancels nothing if the timers are closed */
static int l_cancel (lua_State *L) {
  timers *self = (timers *)lua_touserdata(L, lua_upvalueindex(TIMERS_OF));
  int handle = (int)luaL_checkinteger(L, 1);
  if (self->t) net_timer_cancel(self->t, handle);
  lua_pushnil(L);
  lua_rawseti(L, lua_upvalueindex(TIMED), handle);
  return 0;
}

/* move(handle, time); moves nothing if the timer is gone */
static int l_move (lua_State *L) {
  net_timers *t = *websock_totimers(L, lua_upvalueindex(TIMERS_OF));
  net_timer_move(t, (int)luaL_checkinteger(L, 1), check_time(L, 2));
  return 0;
}

/* core.timers(timed) -> timers, at, cancel, move: at(time, object) sets a timer
   and keeps the object in the table `timed`, cancel(handle) undoes both,
   move(handle, time) sets it to another time. These are functions as every
   connection calls them. */
static int l_timers (lua_State *L) {
  static const lua_CFunction called[] = {l_at, l_cancel, l_move};
  luaL_checktype(L, 1, LUA_TTABLE);
  lua_settop(L, 1);
  push_new(L);
  for (int i = 0; i < 3; i++) {
    lua_pushvalue(L, 2);
    lua_pushvalue(L, 1);
    lua_pushcclosure(L, called[i], UPVALUES);
  }
  return 4;
}

static const luaL_Reg methods[] = {{"at", timers_at},
                                   {"close", timers_close},
                                   {"due", timers_due},
                                   {"first", timers_first},
                                   {NULL, NULL}};

static const luaL_Reg meta[] = {{"__gc", timers_close},
                                {"__close", timers_close},
                                {"__tostring", timers_tostring},
                                {NULL, NULL}};

static const luaL_Reg functions[] = {
    {"now", l_now}, {"timers", l_timers}, {NULL, NULL}};

void websock_open_timer (lua_State *L) {
  websock_newtype(L, TIMERS, methods, meta);
  luaL_setfuncs(L, functions, 0);
}
