/*
** clock.c - a monotonic clock that specs put forward, and waits for descriptors
** that they interrupt or add up. scripts/test preloads it into the process of a
** spec file, so that twenty seconds take no time, and no spec needs short
** intervals, which a busy machine would exceed.
*/
#define _GNU_SOURCE
#include <dlfcn.h>
#include <errno.h>
#include <lauxlib.h>
#include <math.h>
#include <poll.h>
#include <signal.h>
#include <sys/epoll.h>
#include <sys/select.h>
#include <time.h>

/* Programs without Lua, such as the shell before it, load this file too. */
#pragma weak luaL_checknumber
#pragma weak luaL_checkinteger
#pragma weak lua_pushinteger
#pragma weak lua_pushnumber

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

/* Waits of the loop: how many are still to be interrupted, how many there were,
   and the longest of them in milliseconds, where -1 is for ever. */
static int interruptions, reason, waits, longest;

static int is_interrupted (int milliseconds) {
  waits++;
  if (longest >= 0 && (milliseconds < 0 || milliseconds > longest))
    longest = milliseconds;
  if (interruptions == 0) return 0;
  interruptions--;
  errno = reason;
  return 1;
}

/* The timeouts, in seconds, of waits that nothing else has ended; anybody's in
   this process. */
static double idle;

static int note (int ready, double seconds) {
  if (ready == 0) idle += seconds;
  return ready;
}

int epoll_wait (int fd, struct epoll_event *events, int n, int milliseconds) {
  static int (*system_wait)(int, struct epoll_event *, int, int);
  if (!system_wait) *(void **)&system_wait = dlsym(RTLD_NEXT, "epoll_wait");
  if (is_interrupted(milliseconds)) return -1;
  return note(system_wait(fd, events, n, milliseconds), milliseconds / 1e3);
}

/* That of libuv. */
int epoll_pwait (int fd, struct epoll_event *events, int n, int milliseconds,
                 const sigset_t *mask) {
  static int (*system_wait)(int, struct epoll_event *, int, int,
                            const sigset_t *);
  if (!system_wait) *(void **)&system_wait = dlsym(RTLD_NEXT, "epoll_pwait");
  return note(system_wait(fd, events, n, milliseconds, mask),
              milliseconds / 1e3);
}

/* That of LuaSocket; Linux changes *timeout. */
int select (int n, fd_set *r, fd_set *w, fd_set *e, struct timeval *timeout) {
  static int (*system_select)(int, fd_set *, fd_set *, fd_set *,
                              struct timeval *);
  double seconds = timeout ? timeout->tv_sec + timeout->tv_usec / 1e6 : 0;
  if (!system_select) *(void **)&system_select = dlsym(RTLD_NEXT, "select");
  return note(system_select(n, r, w, e, timeout), seconds);
}

int poll (struct pollfd *fds, nfds_t n, int milliseconds) {
  static int (*system_poll)(struct pollfd *, nfds_t, int);
  if (!system_poll) *(void **)&system_poll = dlsym(RTLD_NEXT, "poll");
  if (is_interrupted(milliseconds)) return -1;
  return note(system_poll(fds, n, milliseconds), milliseconds / 1e3);
}

/* interrupt(n): so many of the next waits are interrupted as by a signal.
   Counts waits anew. */
int interrupt (lua_State *L) {
  interruptions = (int)luaL_checkinteger(L, 1);
  reason = EINTR;
  waits = longest = 0;
  return 0;
}

/* break_waits(n): so many of the next waits fail with EBADF. */
int break_waits (lua_State *L) {
  interrupt(L);
  reason = EBADF;
  return 0;
}

/* waited() -> the number of waits since `interrupt`, the longest of them in
   milliseconds (-1: for ever) */
int waited (lua_State *L) {
  lua_pushinteger(L, waits);
  lua_pushinteger(L, longest);
  return 2;
}

/* idled() -> the seconds that waits have lasted since the last call which only
   their timeouts ended, as these say: a busy machine is not counted. */
int idled (lua_State *L) {
  lua_pushnumber(L, idle);
  idle = 0;
  return 1;
}
