/*
** game.c - a game in C with its rules in Lua: sixty ticks a second, websock in
** each of them. The module is linked statically; its Lua files are found as
** always, by LUA_PATH or where `make install` has put them.
**
**     libdir=$(pkg-config --variable=libdir websock)
**     cc game.c $(pkg-config --cflags websock lua5.4) $libdir/libwebsock.a \
**       $(pkg-config --libs lua5.4 openssl zlib) -pthread -lm -ldl -o game
**     ./game world.lua [MIB]         MIB: what Lua may use at most; default 64
**
** The script is called with a table that outlives it, and returns two
** functions: tick(seconds) and stop(). SIGHUP loads it again, and players stay:
** the server and its connections are in that table (see world.lua). An error in
** it, of syntax, in a tick or for lack of memory, is printed, and the game goes
** on with what it has. SIGTERM and SIGINT end it.
*/
#define _POSIX_C_SOURCE 200809L

#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include <lauxlib.h>
#include <lua.h>
#include <lualib.h>

int luaopen_websock_core (lua_State *L);

static const double DT = 1.0 / 60; /* seconds of a tick */
static const double LATE = 0.25;   /* what is caught up at most */

static volatile sig_atomic_t reload, stopping;

static void on_signal (int signo) {
  if (signo == SIGHUP)
    reload = 1;
  else
    stopping = 1;
}

static double seconds (void) {
  struct timespec t;
  clock_gettime(CLOCK_MONOTONIC, &t);
  return (double)t.tv_sec + (double)t.tv_nsec / 1e9;
}

/* A signal ends it early. */
static void sleep_until (double time) {
  double left = time - seconds();
  struct timespec t;
  if (left <= 0) return;
  t.tv_sec = (time_t)left;
  t.tv_nsec = (long)((left - (double)t.tv_sec) * 1e9);
  nanosleep(&t, NULL);
}

/* ------------------------------------------------------------------ memory */

typedef struct heap {
  size_t used, most;
} heap;

/* Lua's memory, and all that websock keeps of its connections. */
static void *capped (void *ud, void *p, size_t osize, size_t nsize) {
  heap *h = ud;
  size_t before = p ? osize : 0; /* without p, osize is a kind of object */
  void *q = NULL;
  if (nsize > before && nsize - before > h->most - h->used) return NULL;
  if (nsize > 0) {
    q = realloc(p, nsize);
    if (q == NULL) return NULL;
  } else {
    free(p);
  }
  h->used = h->used - before + nsize;
  return q;
}

/* ------------------------------------------------------------------ errors */

static int traceback (lua_State *L) {
  const char *message = luaL_tolstring(L, 1, NULL);
  luaL_traceback(L, L, message, 1);
  return 1;
}

/* Says what went wrong, but not sixty times a second. */
static void complain (const char *message) {
  static char last[200];
  if (message == NULL) message = "(an error without a message)";
  if (strncmp(last, message, sizeof last - 1) == 0) return;
  strncpy(last, message, sizeof last - 1);
  fprintf(stderr, "game: %s\n", message);
}

/* Calls the function below its n arguments, for so many results. 1, or 0 after
   an error, without results. */
static int call (lua_State *L, int n, int results) {
  int base = lua_gettop(L) - n, ok;
  lua_pushcfunction(L, traceback);
  lua_insert(L, base);
  ok = lua_pcall(L, n, results, base) == LUA_OK;
  lua_remove(L, base);
  if (ok) return 1;
  complain(lua_type(L, -1) == LUA_TSTRING ? lua_tostring(L, -1) : NULL);
  lua_pop(L, 1);
  lua_gc(L, LUA_GCCOLLECT); /* of what has filled the memory */
  return 0;
}

/* -------------------------------------------------------------- the script
** What is needed outside of `call`, where nothing may allocate, is kept on the
** stack. */

enum { STEP = 1, STATE, TICK, STOP };

/* Leaves websock.step, an empty state, and no rules yet. */
static int begin (lua_State *L) {
  luaL_openlibs(L);
  luaL_getsubtable(L, LUA_REGISTRYINDEX, LUA_PRELOAD_TABLE);
  lua_pushcfunction(L, luaopen_websock_core);
  lua_setfield(L, -2, "websock.core");
  lua_getglobal(L, "require");
  lua_pushliteral(L, "websock");
  lua_call(L, 1, 1);
  lua_getfield(L, -1, "step");
  lua_newtable(L);
  lua_pushnil(L);
  lua_pushnil(L);
  return 4;
}

/* A function of the rules in the table at index 1. */
static void get_rule (lua_State *L, const char *name) {
  if (lua_getfield(L, 1, name) != LUA_TFUNCTION)
    luaL_error(L, "the script returns no function '%s'", name);
}

/* Of the script's path and the state: its rules. */
static int load (lua_State *L) {
  if (luaL_loadfile(L, (const char *)lua_touserdata(L, 1)) != LUA_OK)
    return lua_error(L);
  lua_insert(L, 2);
  lua_call(L, 1, 1);
  luaL_checktype(L, -1, LUA_TTABLE);
  lua_replace(L, 1);
  get_rule(L, "tick");
  get_rule(L, "stop");
  return 2;
}

/* If anything fails the rules before stay. */
static int load_script (lua_State *L, const char *path) {
  lua_pushcfunction(L, load);
  lua_pushlightuserdata(L, (void *)path);
  lua_pushvalue(L, STATE);
  if (!call(L, 2, 2)) return 0;
  lua_replace(L, STOP);
  lua_replace(L, TICK);
  return 1;
}

/* ----------------------------------------------------------------- the loop */

static void tick (lua_State *L) {
  lua_pushvalue(L, TICK);
  lua_pushnumber(L, DT);
  call(L, 1, 0);
  lua_pushvalue(L, STEP);
  lua_pushinteger(L, 0);
  call(L, 1, 0);
}

static void run (lua_State *L, const char *path) {
  double due = seconds();
  while (!stopping) {
    if (reload) {
      reload = 0;
      if (load_script(L, path)) puts("loaded again");
      fflush(stdout);
    }
    tick(L);
    due += DT;
    if (due < seconds() - LATE) due = seconds() - LATE;
    sleep_until(due);
  }
  lua_pushvalue(L, STOP);
  call(L, 0, 0);
}

static void catch_signals (void) {
  static const int signals[] = {SIGHUP, SIGTERM, SIGINT};
  struct sigaction action;
  memset(&action, 0, sizeof action);
  action.sa_handler = on_signal;
  for (int i = 0; i < 3; i++) sigaction(signals[i], &action, NULL);
}

static int play (lua_State *L, const char *path) {
  lua_settop(L, 0);
  lua_pushcfunction(L, begin);
  if (!call(L, 0, 4)) return 1;
  if (!load_script(L, path)) return 1;
  run(L, path);
  return 0;
}

int main (int argc, char **argv) {
  heap h = {0, (size_t)64 << 20};
  lua_State *L;
  int status;
  if (argc < 2) {
    fprintf(stderr, "usage: game SCRIPT [MIB]\n");
    return 2;
  }
  if (argc > 2) h.most = (size_t)atoi(argv[2]) << 20;
  L = lua_newstate(capped, &h);
  if (L == NULL) {
    fprintf(stderr, "game: not enough memory\n");
    return 1;
  }
  catch_signals();
  status = play(L, argv[1]);
  lua_close(L);
  return status;
}
