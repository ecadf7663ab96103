/*
** states.c - several Lua states, each in a thread of its own, which run the
** same script at the same time (scripts/tsan builds this under
** ThreadSanitizer). The script gets its state's number, and the tests are its
** functions. Meanwhile the main thread sends SIGUSR1 to the process.
** Usage: states SCRIPT CERT KEY
*/
#ifndef _GNU_SOURCE
#define _GNU_SOURCE
#endif
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>
#include <unistd.h>

#include <lauxlib.h>
#include <lua.h>
#include <lualib.h>

LUAMOD_API int luaopen_websock_core (lua_State *L);

enum {
  STATES = 8,
  LIVES = 2 /* states that a thread opens, one after the other */
};

static char **arguments;
static int running = STATES; /* atomic */
static int passed, failed;   /* atomic */

/* Raises unless the script succeeds. */
static int script (lua_State *L) {
  luaL_openlibs(L);
  luaL_getsubtable(L, LUA_REGISTRYINDEX, LUA_PRELOAD_TABLE);
  lua_pushcfunction(L, luaopen_websock_core);
  lua_setfield(L, -2, "websock.core");
  if (luaL_loadfile(L, arguments[1]) != LUA_OK) return lua_error(L);
  lua_pushinteger(L, *(int *)lua_touserdata(L, 1));
  lua_pushstring(L, arguments[2]);
  lua_pushstring(L, arguments[3]);
  lua_call(L, 3, 0);
  return 0;
}

static int live (int number) {
  lua_State *L = luaL_newstate();
  int ok = 0;
  if (L == NULL) return 0;
  lua_pushcfunction(L, script);
  lua_pushlightuserdata(L, &number);
  ok = lua_pcall(L, 1, 0, 0) == LUA_OK;
  if (!ok) printf("state %d: %s\n", number, lua_tostring(L, -1));
  lua_close(L);
  return ok;
}

static void *run (void *number) {
  for (int i = 0; i < LIVES; i++)
    __atomic_add_fetch(live(*(int *)number) ? &passed : &failed, 1,
                       __ATOMIC_RELAXED);
  __atomic_sub_fetch(&running, 1, __ATOMIC_RELEASE);
  return NULL;
}

/* Before the first state catches it and after the last has ended, the signal is
   ignored. */
static void send_signals (void) {
  const struct timespec pause = {0, 2000000};
  while (__atomic_load_n(&running, __ATOMIC_ACQUIRE) > 0) {
    kill(getpid(), SIGUSR1);
    nanosleep(&pause, NULL);
  }
}

int main (int argc, char **argv) {
  pthread_t threads[STATES];
  int numbers[STATES];
  if (argc != 4) return 2;
  arguments = argv;
  signal(SIGUSR1, SIG_IGN);
  for (int i = 0; i < STATES; i++) {
    numbers[i] = i + 1;
    if (pthread_create(&threads[i], NULL, run, &numbers[i]) != 0) return 2;
  }
  send_signals();
  for (int i = 0; i < STATES; i++) pthread_join(threads[i], NULL);
  printf("%d passed, %d failed\n", passed, failed);
  return failed != 0;
}
