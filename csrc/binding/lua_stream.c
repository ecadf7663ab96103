/*
** lua_stream.c - the userdata `websock.stream`: a connected descriptor, perhaps
** with TLS over it, before a conn takes it over. A client speaks to a proxy
** through it. No method waits.
*/
#include "lua_conn.h"

#define STREAM "websock.stream"

/* Limit of what one read returns. */
enum { MOST = 16384 };

typedef struct stream {
  net_fd fd;
  net_tls *tls; /* over fd, or NULL; keeps its errors without fd */
} stream;

/* core.stream(fd) -> stream: takes ownership of a non-blocking descriptor. */
static int stream_new (lua_State *L) {
  net_fd fd = websock_checkfd(L, 1);
  stream *s = (stream *)lua_newuserdatauv(L, sizeof *s, 0);
  s->fd = fd;
  s->tls = NULL;
  luaL_setmetatable(L, STREAM);
  return 1;
}

static stream *to_stream (lua_State *L) {
  return (stream *)luaL_checkudata(L, 1, STREAM);
}

static stream *to_open_stream (lua_State *L) {
  stream *s = to_stream(L);
  luaL_argcheck(L, s->fd != NET_NONE, 1, "closed");
  return s;
}

net_fd websock_take_stream (lua_State *L, int arg, net_tls **tls) {
  stream *s = (stream *)luaL_checkudata(L, arg, STREAM);
  net_fd fd = s->fd;
  luaL_argcheck(L, fd != NET_NONE, arg, "closed");
  *tls = s->tls;
  s->fd = NET_NONE;
  s->tls = NULL;
  return fd;
}

/* stream:fd() -> the descriptor */
static int stream_fd (lua_State *L) {
  lua_pushinteger(L, to_open_stream(L)->fd);
  return 1;
}

/* stream:secure(tls, name, place) -> true | nil, err: starts TLS as a client;
   the arguments are those of conn:secure. */
static int stream_secure (lua_State *L) {
  stream *s = to_open_stream(L);
  net_tls_ctx *ctx = websock_totls(L, 2);
  const char *name = luaL_checkstring(L, 3);
  const char *place = luaL_checkstring(L, 4);
  luaL_argcheck(L, s->tls == NULL, 1, "has TLS");
  luaL_argcheck(L, !net_tls_is_server(ctx), 2, "a client's expected");
  if (!net_tls_is_name(name)) return websock_nil(L, "tls: not a host name");
  s->tls = net_tls_new(ctx, s->fd, name, place);
  if (s->tls == NULL) return websock_nil(L, "tls: not enough memory");
  lua_pushboolean(L, 1);
  return 1;
}

/* Pushes nil, "again" and what to wait for. */
static int push_again (lua_State *L, const char *mode) {
  websock_nil(L, "again");
  lua_pushstring(L, mode);
  return 3;
}

/* Pushes nil and why the transport has failed. */
static int push_failure (lua_State *L, const stream *s) {
  const char *text = s->tls ? net_tls_error(s->tls) : NULL;
  if (text) return websock_nil(L, text);
  if (s->tls) return websock_nil(L, net_tls_why(s->tls));
  return websock_failed(L);
}

/* What to wait for to read: output of TLS's own goes first, for which the peer
   may wait. */
static const char *wanted (const stream *s) {
  return s->tls && net_tls_unsent(s->tls) > 0 ? "w" : "r";
}

/* stream:shake() -> true once TLS's handshake is over | nil, "again", "r" or
   "w" | nil, err */
static int stream_shake (lua_State *L) {
  stream *s = to_open_stream(L);
  long r;
  luaL_argcheck(L, s->tls != NULL, 1, "no TLS");
  net_tls_flush(s->tls);
  r = net_tls_shake(s->tls);
  if (r == NET_ERROR) return push_failure(L, s);
  if (r == NET_AGAIN || net_tls_unsent(s->tls) > 0)
    return push_again(L, wanted(s));
  lua_pushboolean(L, 1);
  return 1;
}

static long receive (stream *s, void *p, size_t n) {
  if (s->tls == NULL) return net_recv(s->fd, p, n);
  net_tls_flush(s->tls);
  return net_tls_recv(s->tls, p, n);
}

/* stream:read() -> bytes | nil, "again", "r" or "w" | nil, "eof" | nil, err */
static int stream_read (lua_State *L) {
  stream *s = to_open_stream(L);
  char p[MOST];
  long got = receive(s, p, sizeof p);
  if (got == NET_EOF) return websock_nil(L, "eof");
  if (got == NET_ERROR) return push_failure(L, s);
  if (got == NET_AGAIN) return push_again(L, wanted(s));
  lua_pushlstring(L, p, (size_t)got);
  return 1;
}

/* stream:write(bytes, from) -> how many bytes were taken, from byte `from` on |
   nil, "again", "w" | nil, err. After "again" the same bytes have to be offered
   again. TLS's handshake is over. */
static int stream_write (lua_State *L) {
  stream *s = to_open_stream(L);
  size_t n;
  const char *p = luaL_checklstring(L, 2, &n);
  lua_Integer from = luaL_checkinteger(L, 3);
  net_iov v;
  long sent;
  luaL_argcheck(L, from >= 1 && (size_t)from <= n, 3, "out of range");
  v = (net_iov){(void *)(p + from - 1), n - (size_t)from + 1};
  sent = s->tls ? net_tls_sendv(s->tls, &v, 1) : net_sendv(s->fd, &v, 1);
  if (sent == NET_ERROR) return push_failure(L, s);
  if (sent == NET_AGAIN) return push_again(L, "w");
  lua_pushinteger(L, sent);
  return 1;
}

/* stream:close(), __gc and __close; idempotent. Does nothing once a conn has
   taken the stream over. */
static int stream_close (lua_State *L) {
  stream *s = to_stream(L);
  net_fd fd = s->fd;
  net_tls *tls = s->tls;
  s->fd = NET_NONE;
  s->tls = NULL;
  if (tls) net_tls_end(tls);
  net_tls_free(tls);
  if (fd != NET_NONE) net_close(fd);
  return 0;
}

static int stream_tostring (lua_State *L) {
  lua_pushfstring(L, STREAM ": %p", (void *)to_stream(L));
  return 1;
}

static const luaL_Reg methods[] = {{"close", stream_close},
                                   {"fd", stream_fd},
                                   {"read", stream_read},
                                   {"secure", stream_secure},
                                   {"shake", stream_shake},
                                   {"write", stream_write},
                                   {NULL, NULL}};
static const luaL_Reg meta[] = {{"__gc", stream_close},
                                {"__close", stream_close},
                                {"__tostring", stream_tostring},
                                {NULL, NULL}};

void websock_open_stream (lua_State *L) {
  websock_newtype(L, STREAM, methods, meta);
  lua_pushcfunction(L, stream_new);
  lua_setfield(L, -2, "stream");
}
