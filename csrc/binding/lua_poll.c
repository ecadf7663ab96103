/*
** lua_poll.c - the userdata `websock.poller`: descriptors in, readiness out.
*/
#include <errno.h>

#include "lua_int.h"

#define POLLER "websock.poller"

static const char type[] = POLLER;

typedef struct poller {
  const char *type;
  net_poll *p;
} poller;

static poller *topoller (lua_State *L) {
  return (poller *)websock_check(L, 1, type);
}

net_poll *const *websock_topoll (lua_State *L, int arg) {
  poller *self = (poller *)websock_check(L, arg, type);
  if (self->p == NULL) luaL_error(L, "closed poller");
  return &self->p;
}

static net_poll *check_open (lua_State *L) { return *websock_topoll(L, 1); }

/* core.poller([backend]) -> poller | nil, err */
static int poller_new (lua_State *L) {
  const char *backend = luaL_optstring(L, 1, NULL);
  poller *self = (poller *)lua_newuserdatauv(L, sizeof *self, 0);
  self->type = type;
  self->p = NULL;
  luaL_setmetatable(L, POLLER);
  self->p = net_poll_new(backend);
  if (self->p) return 1;
  return net_error() == EINVAL ? websock_nil(L, "no such poller")
                               : websock_failed(L);
}

static int poller_close (lua_State *L) {
  poller *self = topoller(L);
  net_poll *p = self->p;
  self->p = NULL;
  net_poll_free(p);
  return 0;
}

/* Pushes true, or nil and the error; the kernel says EPERM for regular
   files. */
static int registered (lua_State *L, int r) {
  if (r < 0 && net_error() == EPERM) return websock_nil(L, "not pollable");
  return websock_result(L, r);
}

/* poller:add(fd, slot) -> true | nil, err ("not pollable" for a file) */
static int poller_add (lua_State *L) {
  net_poll *p = check_open(L);
  net_fd fd = websock_checkfd(L, 2);
  return registered(L, net_poll_add(p, fd, (uint32_t)luaL_checkinteger(L, 3)));
}

/* poller:adopt() -> poller: makes it the loop's, of which conns are forgotten
   that are collected. The registry keeps it alive. */
static int poller_adopt (lua_State *L) {
  check_open(L);
  lua_settop(L, 1);
  lua_pushvalue(L, 1);
  lua_rawsetp(L, LUA_REGISTRYINDEX, type);
  return 1;
}

void websock_forget (lua_State *L, net_fd fd) {
  poller *loops;
  lua_rawgetp(L, LUA_REGISTRYINDEX, type);
  loops = (poller *)lua_touserdata(L, -1);
  if (loops && loops->p && fd != NET_NONE) net_poll_del(loops->p, fd);
  lua_pop(L, 1); /* remove the poller */
}

/* poller:watch(fd, slot, what) -> true | nil, err */
static int poller_watch (lua_State *L) {
  net_poll *p = check_open(L);
  net_fd fd = websock_checkfd(L, 2);
  uint32_t slot = (uint32_t)luaL_checkinteger(L, 3);
  int what = (int)luaL_checkinteger(L, 4);
  return registered(L, net_poll_watch(p, fd, slot, what));
}

/* poller:rearm(fd, what) */
static int poller_rearm (lua_State *L) {
  net_poll *p = check_open(L);
  net_poll_rearm(p, websock_checkfd(L, 2), (int)luaL_checkinteger(L, 3));
  return 0;
}

/* poller:del(fd); does nothing if the poller is closed */
static int poller_del (lua_State *L) {
  poller *self = topoller(L);
  net_fd fd = websock_checkfd(L, 2);
  if (self->p) net_poll_del(self->p, fd);
  return 0;
}

/* poller:drop(fd): the same for one that is closed next, see net_poll_drop */
static int poller_drop (lua_State *L) {
  poller *self = topoller(L);
  net_fd fd = websock_checkfd(L, 2);
  if (self->p) net_poll_drop(self->p, fd);
  return 0;
}

/* poller:wait([timeout]) -> number found | nil, "interrupted" | nil, err */
static int poller_wait (lua_State *L) {
  net_poll *p = check_open(L);
  int n = net_poll_wait(p, luaL_optnumber(L, 2, -1));
  if (n == NET_AGAIN) return websock_nil(L, "interrupted");
  if (n < 0) return websock_failed(L);
  lua_pushinteger(L, n);
  return 1;
}

/* poller:next() -> slot, what | nothing */
static int poller_next (lua_State *L) {
  net_ready ready;
  if (!net_poll_next(check_open(L), &ready)) return 0;
  lua_pushinteger(L, ready.slot);
  lua_pushinteger(L, ready.what);
  return 2;
}

/* poller:fd() -> fd | nil */
static int poller_fd (lua_State *L) {
  net_fd fd = net_poll_fd(check_open(L));
  if (fd == NET_NONE)
    lua_pushnil(L);
  else
    lua_pushinteger(L, fd);
  return 1;
}

static int poller_name (lua_State *L) {
  lua_pushstring(L, net_poll_name(check_open(L)));
  return 1;
}

static int poller_tostring (lua_State *L) {
  poller *self = topoller(L);
  lua_pushfstring(L, POLLER " (%s): %p",
                  self->p ? net_poll_name(self->p) : "closed", (void *)self);
  return 1;
}

static const luaL_Reg methods[] = {
    {"add", poller_add},   {"adopt", poller_adopt}, {"close", poller_close},
    {"del", poller_del},   {"drop", poller_drop},   {"fd", poller_fd},
    {"name", poller_name}, {"next", poller_next},   {"rearm", poller_rearm},
    {"wait", poller_wait}, {"watch", poller_watch}, {NULL, NULL}};

static const luaL_Reg meta[] = {{"__gc", poller_close},
                                {"__close", poller_close},
                                {"__tostring", poller_tostring},
                                {NULL, NULL}};

void websock_open_poll (lua_State *L) {
  websock_newtype(L, POLLER, methods, meta);
  lua_pushcfunction(L, poller_new);
  lua_setfield(L, -2, "poller");
  lua_pushinteger(L, NET_READ);
  lua_setfield(L, -2, "READ");
  lua_pushinteger(L, NET_WRITE);
  lua_setfield(L, -2, "WRITE");
  lua_pushinteger(L, NET_HANGUP);
  lua_setfield(L, -2, "HANGUP");
}
