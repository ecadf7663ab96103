/*
** lua_transport.c - a conn's transport: a descriptor that it owns, and perhaps
** TLS over it. Methods of `websock.conn`, and the two functions by which the
** other files read and write.
*/
#include "lua_conn.h"

/* ------------------------------------------------------------------- bytes */

/* A TLS read may make writing possible, or leave output of TLS's own to be
   written: in its handshake each side waits for the other. */
static long recv_tls (conn *c, void *p, size_t n) {
  long r = net_tls_recv(c->tls, p, n);
  c->heard |= net_tls_heard(c->tls);
  c->blocked = !net_tls_writable(c->tls);
  return r;
}

long websock_recv (conn *c, void *p, size_t n) {
  long r = c->tls ? recv_tls(c, p, n) : net_recv(c->fd, p, n);
  if (c->tap && r > 0) websock_tap_received(c->tap, p, (size_t)r);
  return r;
}

int websock_more (const conn *c, long got, size_t room) {
  return c->tls ? net_tls_more(c->tls) : got > 0 && (size_t)got == room;
}

int websock_dry (const conn *c, long got) {
  return got == NET_AGAIN && (c->tls == NULL || net_tls_dry(c->tls));
}

long websock_sendv (conn *c, const net_iov *v, int n) {
  long r = c->tls ? net_tls_sendv(c->tls, v, n) : net_sendv(c->fd, v, n);
  if (c->tap && r > 0) websock_tap_sent(c->tap, v, (size_t)r);
  return r;
}

int websock_unsent (conn *c) {
  if (c->tls == NULL || net_tls_unsent(c->tls) == 0) return 0;
  return c->blocked || net_tls_flush(c->tls) == NET_AGAIN;
}

const char *websock_why (const conn *c) {
  return c->tls ? net_tls_why(c->tls) : net_error_text(net_error());
}

/* -------------------------------------------------------------- descriptor */

void websock_closefd (conn *c) {
  net_fd fd = c->fd;
  c->fd = NET_NONE;
  if (fd == NET_NONE) return;
  if (c->tls) net_tls_end(c->tls);
  net_close(fd);
}

/* conn:closefd(): closes the descriptor at once. Idempotent. */
static int conn_closefd (lua_State *L) {
  websock_closefd(websock_toconn(L));
  return 0;
}

conn *websock_check_bare (lua_State *L, int arg) {
  conn *c = (conn *)luaL_checkudata(L, arg, CONN_TYPE);
  luaL_argcheck(L, c->fd == NET_NONE, arg, "has a descriptor");
  luaL_argcheck(L, c->alive, arg, "closed");
  return c;
}

/* conn:attach(fd or stream): takes ownership of a non-blocking descriptor, or
   of all that a stream (lua_stream.c) has. */
static int conn_attach (lua_State *L) {
  conn *c = websock_check_bare(L, 1);
  if (lua_type(L, 2) == LUA_TUSERDATA)
    c->fd = websock_take_stream(L, 2, &c->tls);
  else
    c->fd = websock_checkfd(L, 2);
  return 0;
}

/* conn:fd() -> the descriptor, or nil */
static int conn_fd (lua_State *L) {
  conn *c = websock_toconn(L);
  if (c->fd == NET_NONE) return 0;
  lua_pushinteger(L, c->fd);
  return 1;
}

/* conn:pending() -> a lower bound of the unread bytes that closing the
   descriptor would discard */
static int conn_pending (lua_State *L) {
  conn *c = websock_toconn(L);
  int n = c->fd == NET_NONE ? 0 : net_unread(c->fd);
  if (n == 0 && c->tls) n = net_tls_unread(c->tls);
  lua_pushinteger(L, n);
  return 1;
}

/* conn:shutdown(): ends our side of the stream. */
static int conn_shutdown (lua_State *L) {
  conn *c = websock_toconn(L);
  if (c->fd == NET_NONE) return 0;
  if (c->tls) net_tls_shutdown(c->tls);
  net_shutdown_write(c->fd);
  return 0;
}

/* --------------------------------------------------------------------- TLS */

/* TLS over the conn's transport; NULL without memory. */
static net_tls *cover (conn *c, net_tls_ctx *ctx, const char *name,
                       const char *place) {
  if (c->tls == NULL) return net_tls_new(ctx, c->fd, name, place);
  return net_tls_over(ctx, c->tls, name, place);
}

/* conn:secure(tls, received [, name, place]) -> true | nil, err: starts TLS on
   the descriptor, or over the TLS of a stream that was attached, from which
   `received` was read already. A client must give the server's name, which is
   sent and checked; sessions are kept by name and place ("host:port"). */
static int conn_secure (lua_State *L) {
  conn *c = websock_toconn(L);
  size_t n;
  const char *received = luaL_checklstring(L, 3, &n);
  const char *name = luaL_optstring(L, 4, NULL);
  const char *place = luaL_optstring(L, 5, "");
  net_tls_ctx *ctx = websock_totls(L, 2);
  net_tls *tls;
  luaL_argcheck(L, c->fd != NET_NONE, 1, "no descriptor");
  luaL_argcheck(L, c->tls == NULL || net_tls_done(c->tls), 1,
                "in a handshake of TLS");
  if (!net_tls_is_server(ctx) && !net_tls_is_name(name))
    return websock_nil(L, "tls: not a host name");
  tls = cover(c, ctx, name, place);
  if (tls == NULL) return websock_nil(L, "tls: not enough memory");
  c->tls = tls;
  if (!net_tls_give(tls, received, n))
    return websock_nil(L, "tls: not enough memory");
  lua_pushboolean(L, 1);
  return 1;
}

/* conn:shaking() -> whether the TLS handshake waits for the peer */
static int conn_shaking (lua_State *L) {
  const net_tls *tls = websock_toconn(L)->tls;
  lua_pushboolean(L, tls && !net_tls_done(tls) && net_tls_unsent(tls) == 0);
  return 1;
}

/* conn:tls_error() -> "tls: ..." once TLS has failed, otherwise nil */
static int conn_tls_error (lua_State *L) {
  conn *c = websock_toconn(L);
  const char *text = c->tls ? net_tls_error(c->tls) : NULL;
  if (text == NULL) return 0;
  lua_pushstring(L, text);
  return 1;
}

const luaL_Reg websock_transport_methods[] = {{"attach", conn_attach},
                                              {"closefd", conn_closefd},
                                              {"fd", conn_fd},
                                              {"pending", conn_pending},
                                              {"secure", conn_secure},
                                              {"shaking", conn_shaking},
                                              {"shutdown", conn_shutdown},
                                              {"tls_error", conn_tls_error},
                                              {NULL, NULL}};
