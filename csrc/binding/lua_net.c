/*
** lua_net.c - the system calls on descriptors that lua/websock needs, as
** functions of websock.core; and the helpers of lua_int.h that return errors.
*/
#include <limits.h>

#include "lua_int.h"

int websock_nil (lua_State *L, const char *why) {
  lua_pushnil(L);
  lua_pushstring(L, why);
  return 2;
}

int websock_failed (lua_State *L) {
  return websock_nil(L, net_error_text(net_error()));
}

void websock_reclaim (lua_State *L) { lua_gc(L, LUA_GCCOLLECT, 0); }

int websock_result (lua_State *L, int r) {
  if (r < 0) return websock_failed(L);
  lua_pushboolean(L, 1);
  return 1;
}

void websock_newtype (lua_State *L, const char *name, const luaL_Reg *methods,
                      const luaL_Reg *meta) {
  luaL_newmetatable(L, name);
  luaL_setfuncs(L, meta, 0);
  lua_newtable(L);
  luaL_setfuncs(L, methods, 0);
  lua_setfield(L, -2, "__index");
  lua_pop(L, 1); /* remove the metatable */
}

void *websock_test (lua_State *L, int index, const char *type) {
  void *p = lua_touserdata(L, index);
  if (p && lua_rawlen(L, index) >= sizeof type && *(const char **)p == type)
    return p;
  return NULL;
}

void *websock_check (lua_State *L, int arg, const char *type) {
  void *p = websock_test(L, arg, type);
  return p ? p : luaL_checkudata(L, arg, type);
}

net_fd websock_checkfd (lua_State *L, int arg) {
  lua_Integer fd = luaL_checkinteger(L, arg);
  luaL_argcheck(L, fd >= 0 && fd <= 0x7fffffff, arg, "descriptor expected");
  return (net_fd)fd;
}

const char *websock_family (int family) {
  if (family == NET_UNIX) return "unix";
  return family == NET_INET6 ? "inet6" : "inet";
}

int websock_pushaddress (lua_State *L, const net_address *a) {
  lua_pushstring(L, a->host);
  lua_pushinteger(L, a->port);
  lua_pushstring(L, websock_family(a->family));
  return 3;
}

/* An address from the arguments family, host, port: 0 or NET_ERROR. */
static int check_address (lua_State *L, net_address *a) {
  static const char *const names[] = {"inet", "inet6", "unix", NULL};
  static const int families[] = {NET_INET, NET_INET6, NET_UNIX};
  int family = families[luaL_checkoption(L, 1, NULL, names)];
  const char *host = luaL_checkstring(L, 2);
  lua_Integer port = luaL_optinteger(L, 3, 0);
  luaL_argcheck(L, port >= 0 && port <= 0xffff, 3, "port expected");
  return net_address_set(a, family, host, (int)port);
}

/* Gives a socket up that has come to nothing. */
static int gave_up (lua_State *L, net_fd fd) {
  net_close(fd);
  return websock_failed(L);
}

/* A TCP port may still be in use by connections of a server that is gone. */
static int bind_to (net_fd fd, const net_address *a, int reuse_port) {
  if (a->family != NET_UNIX) net_reuse_address(fd);
  if (reuse_port && net_reuse_port(fd) < 0) return NET_ERROR;
  return net_bind(fd, a);
}

/* core.bind(family, host, port [, reuseport]) -> fd | nil, err: host in digits,
   or a path and 0. */
static int l_bind (lua_State *L) {
  net_address a;
  net_fd fd;
  if (check_address(L, &a) < 0) return websock_failed(L);
  fd = net_socket(a.family);
  if (fd < 0) return websock_failed(L);
  if (bind_to(fd, &a, lua_toboolean(L, 4)) < 0) return gave_up(L, fd);
  lua_pushinteger(L, fd);
  return 1;
}

/* core.listen(fd, backlog) */
static int l_listen (lua_State *L) {
  net_fd fd = websock_checkfd(L, 1);
  lua_Integer waiting = luaL_checkinteger(L, 2);
  if (waiting > INT_MAX) waiting = INT_MAX;
  return websock_result(L, net_listen(fd, (int)waiting));
}

/* core.connect(family, host, port) -> fd, true | fd, false | nil, err. After
   false core.so_error says what has come of it, once it can be written to. */
static int l_connect (lua_State *L) {
  net_address a;
  net_fd fd;
  int r;
  if (check_address(L, &a) < 0) return websock_failed(L);
  fd = net_socket(a.family);
  if (fd < 0) return websock_failed(L);
  r = net_connect(fd, &a);
  if (r == NET_ERROR) return gave_up(L, fd);
  lua_pushinteger(L, fd);
  lua_pushboolean(L, r == 0);
  return 2;
}

/* core.peer(fd), core.localname(fd) -> host, port, family | nil, err */
static int l_peer (lua_State *L) {
  net_address a;
  if (net_peer(websock_checkfd(L, 1), &a) < 0) return websock_failed(L);
  return websock_pushaddress(L, &a);
}

static int l_localname (lua_State *L) {
  net_address a;
  if (net_local(websock_checkfd(L, 1), &a) < 0) return websock_failed(L);
  return websock_pushaddress(L, &a);
}

/* core.so_error(fd) -> nil, or the text of a failed connect's error */
static int l_so_error (lua_State *L) {
  int err = net_so_error(websock_checkfd(L, 1));
  if (err == 0) return 0;
  lua_pushstring(L, net_error_text(err));
  return 1;
}

static int l_nonblocking (lua_State *L) {
  return websock_result(L, net_nonblocking(websock_checkfd(L, 1)));
}

static int l_closefd (lua_State *L) {
  net_close(websock_checkfd(L, 1));
  return 0;
}

/* core.dupfd(fd) -> fd | nil, err */
static int l_dupfd (lua_State *L) {
  net_fd fd = net_dup(websock_checkfd(L, 1));
  if (fd < 0) return websock_failed(L);
  lua_pushinteger(L, fd);
  return 1;
}

static int l_nodelay (lua_State *L) {
  return websock_result(
      L, net_nodelay(websock_checkfd(L, 1), lua_toboolean(L, 2)));
}

/* core.socket_at(path) -> a string that identifies the socket there | nil if
   it is none */
static int l_socket_at (lua_State *L) {
  net_path_id id;
  if (!net_path_socket(luaL_checkstring(L, 1), &id)) return 0;
  lua_pushlstring(L, (const char *)&id, sizeof id);
  return 1;
}

/* core.absolute(path) -> path | nil, err */
static int l_absolute (lua_State *L) {
  char path[4096];
  if (net_path_absolute(luaL_checkstring(L, 1), path, sizeof path) < 0)
    return websock_failed(L);
  lua_pushstring(L, path);
  return 1;
}

/* core.process() -> the id of this process, by which a fork is noticed */
static int l_process (lua_State *L) {
  lua_pushinteger(L, net_process());
  return 1;
}

/* core.shutdown(fd): shuts the writing side down */
static int l_shutdown (lua_State *L) {
  return websock_result(L, net_shutdown_write(websock_checkfd(L, 1)));
}

/* core.fdunread(fd) -> bytes in the receive buffer */
static int l_fdunread (lua_State *L) {
  lua_pushinteger(L, net_unread(websock_checkfd(L, 1)));
  return 1;
}

/* core.read(fd, n) -> string | nil, "again" | nil, "eof" | nil, err; for pipes
   and terminals, once they are readable. */
static int l_read (lua_State *L) {
  net_fd fd = websock_checkfd(L, 1);
  lua_Integer n = luaL_checkinteger(L, 2);
  luaL_Buffer b;
  char *p;
  long got;
  luaL_argcheck(L, n > 0 && n <= 0x7fffffff, 2, "size expected");
  p = luaL_buffinitsize(L, &b, (size_t)n);
  got = net_read(fd, p, (size_t)n);
  if (got == NET_AGAIN) return websock_nil(L, "again");
  if (got == NET_EOF) return websock_nil(L, "eof");
  if (got < 0) return websock_failed(L);
  luaL_pushresultsize(&b, (size_t)got);
  return 1;
}

/* core.without_sigpipe(f, ...) -> as pcall: f writes to somebody else's pipe,
   perhaps, and that raises no SIGPIPE. */
static int l_without_sigpipe (lua_State *L) {
  net_sigpipe sigpipe;
  int r;
  luaL_checkany(L, 1);
  net_sigpipe_block(&sigpipe);
  r = lua_pcall(L, lua_gettop(L) - 1, LUA_MULTRET, 0);
  net_sigpipe_restore(&sigpipe);
  lua_pushboolean(L, r == LUA_OK);
  lua_insert(L, 1);
  return lua_gettop(L);
}

static const luaL_Reg functions[] = {{"absolute", l_absolute},
                                     {"bind", l_bind},
                                     {"closefd", l_closefd},
                                     {"connect", l_connect},
                                     {"dupfd", l_dupfd},
                                     {"fdunread", l_fdunread},
                                     {"listen", l_listen},
                                     {"localname", l_localname},
                                     {"nodelay", l_nodelay},
                                     {"nonblocking", l_nonblocking},
                                     {"peer", l_peer},
                                     {"process", l_process},
                                     {"read", l_read},
                                     {"shutdown", l_shutdown},
                                     {"so_error", l_so_error},
                                     {"socket_at", l_socket_at},
                                     {"without_sigpipe", l_without_sigpipe},
                                     {NULL, NULL}};

void websock_open_net (lua_State *L) { luaL_setfuncs(L, functions, 0); }
