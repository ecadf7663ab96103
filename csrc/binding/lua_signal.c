/*
** lua_signal.c - the signals that a Lua state catches, as functions of
** websock.core. They share one userdata, whose finalizer restores the host's
** dispositions when the state is closed.
*/
#include "lua_int.h"

#define SIGNALS "websock.signals"

typedef struct signals {
  net_signals *s; /* NULL until a signal is caught or the descriptor needed */
  int closed;     /* the state is closing: no more signals are caught */
} signals;

static signals *tosignals (lua_State *L) {
  return (signals *)lua_touserdata(L, lua_upvalueindex(1));
}

/* Returns the signals, NULL if they cannot be created. */
static net_signals *opened (lua_State *L) {
  signals *self = tosignals(L);
  if (self->s == NULL && !self->closed) self->s = net_signals_new();
  return self->s;
}

static int changed (lua_State *L, int r) {
  if (r == 0) return websock_result(L, 0);
  return websock_nil(L, "no signal that can be caught");
}

/* core.signal_catch(name), core.signal_restore(name) -> true | nil, err */
static int l_signal_catch (lua_State *L) {
  int signo = net_signal_number(luaL_checkstring(L, 1));
  net_signals *s;
  if (signo == 0) return changed(L, NET_ERROR);
  s = opened(L);
  if (s == NULL) return websock_failed(L);
  return changed(L, net_signals_catch(s, signo));
}

static int l_signal_restore (lua_State *L) {
  int signo = net_signal_number(luaL_checkstring(L, 1));
  net_signals *s = tosignals(L)->s;
  if (signo == 0) return changed(L, NET_ERROR);
  return changed(L, s ? net_signals_restore(s, signo) : 0);
}

/* core.signal_fd() -> fd | nil, err */
static int l_signal_fd (lua_State *L) {
  net_signals *s = opened(L);
  if (s == NULL) return websock_failed(L);
  lua_pushinteger(L, net_signals_fd(s));
  return 1;
}

/* core.signal_next() -> name of a signal that has arrived, or nil */
static int l_signal_next (lua_State *L) {
  net_signals *s = tosignals(L)->s;
  const char *name = s ? net_signal_name(net_signals_next(s)) : NULL;
  if (name == NULL) return 0;
  lua_pushstring(L, name);
  return 1;
}

static int signals_gc (lua_State *L) {
  signals *self = (signals *)luaL_checkudata(L, 1, SIGNALS);
  net_signals *s = self->s;
  self->s = NULL;
  self->closed = 1;
  net_signals_free(s);
  return 0;
}

static const luaL_Reg functions[] = {{"signal_catch", l_signal_catch},
                                     {"signal_fd", l_signal_fd},
                                     {"signal_next", l_signal_next},
                                     {"signal_restore", l_signal_restore},
                                     {NULL, NULL}};

static const luaL_Reg methods[] = {{NULL, NULL}};
static const luaL_Reg meta[] = {{"__gc", signals_gc}, {NULL, NULL}};

void websock_open_signal (lua_State *L) {
  signals *self;
  websock_newtype(L, SIGNALS, methods, meta);
  self = (signals *)lua_newuserdatauv(L, sizeof *self, 0);
  self->s = NULL;
  self->closed = 0;
  luaL_setmetatable(L, SIGNALS);
  luaL_setfuncs(L, functions, 1);
}
