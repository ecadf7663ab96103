/*
** clock.c - a monotonic clock that specs put forward. scripts/test preloads it
** into the process of a spec file, so that twenty seconds take no time, and no
** spec needs short intervals, which a busy machine would exceed.
*/
#define _GNU_SOURCE
#include <dlfcn.h>
#include <lauxlib.h>
#include <math.h>
#include <time.h>

/* Programs without Lua, such as the shell before it, load this file too. */
#pragma weak luaL_checknumber

static double ahead;

int clock_gettime (clockid_t id, struct timespec *ts) {
  static int (*system_clock)(clockid_t, struct timespec *);
  if (!system_clock)
    *(void **)&system_clock = dlsym(RTLD_NEXT, "clock_gettime");
  int status = system_clock(id, ts);
  if (status || id != CLOCK_MONOTONIC || ahead == 0) return status;
  double whole, part = modf(ahead, &whole);
  ts->tv_sec += (time_t)whole;
  ts->tv_nsec += (long)(part * 1e9);
  if (ts->tv_nsec >= 1000000000) ts->tv_nsec -= 1000000000, ts->tv_sec++;
  return 0;
}

/* skip(seconds) */
int skip (lua_State *L) {
  ahead += luaL_checknumber(L, 1);
  return 0;
}
