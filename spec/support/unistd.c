/*
** unistd.c - system calls that specs need and Lua lacks: fork, changes of the
** working directory, replaced descriptors.
*/
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "lauxlib.h"
#include "lua.h"

static int result (lua_State *L, long r) {
  if (r < 0) return luaL_error(L, "%s", strerror(errno));
  lua_pushinteger(L, (lua_Integer)r);
  return 1;
}

/* unistd.fork() -> 0 in the child, the child's pid in its parent */
static int l_fork (lua_State *L) { return result(L, (long)fork()); }

/* unistd.wait(pid) -> exit status, or minus the signal that ended it */
static int l_wait (lua_State *L) {
  int status = 0;
  pid_t pid = (pid_t)luaL_checkinteger(L, 1);
  while (waitpid(pid, &status, 0) < 0)
    if (errno != EINTR) return result(L, -1);
  lua_pushinteger(L,
                  WIFEXITED(status) ? WEXITSTATUS(status) : -WTERMSIG(status));
  return 1;
}

/* unistd.exit(status): exits at once, without closing the state */
static int l_exit (lua_State *L) {
  _exit((int)luaL_checkinteger(L, 1));
  return 0;
}

/* unistd.chdir(path) */
static int l_chdir (lua_State *L) {
  return result(L, chdir(luaL_checkstring(L, 1)));
}

/* unistd.dup2(from, to): replaces descriptor `to`, whoever owns it, by a copy
   of `from` */
static int l_dup2 (lua_State *L) {
  int from = (int)luaL_checkinteger(L, 1), to = (int)luaL_checkinteger(L, 2);
  return result(L, dup2(from, to));
}

LUAMOD_API int luaopen_unistd (lua_State *L) {
  static const luaL_Reg functions[] = {{"chdir", l_chdir}, {"dup2", l_dup2},
                                       {"exit", l_exit},   {"fork", l_fork},
                                       {"wait", l_wait},   {NULL, NULL}};
  luaL_newlib(L, functions);
  return 1;
}
