/*
** lua_send.c - messages and bytes out: methods of `websock.conn`.
*/
#include <string.h>

#include "lua_conn.h"

/* `send` writes payloads of this size and more at once, without a copy if they
   are not masked. */
#define LARGE 16384

/* Drops the queue, after which nothing more can be sent. */
static void forget (conn *c) {
  ws_iov iov[WS_IOV];
  c->broken = 1;
  for (int n; (n = ws_pending(core(c), iov, WS_IOV)) > 0;)
    ws_sent(core(c), iov[0].len);
}

size_t websock_backlog (conn *c) {
  return ws_queued(core(c)) - ws_queued_pongs(core(c));
}

int websock_push (conn *c) {
  ws_iov iov[NET_PIECES];
  net_iov out[NET_PIECES];
  for (int n; !c->blocked && (n = ws_pending(core(c), iov, NET_PIECES)) > 0;) {
    size_t total = 0;
    long sent;
    for (int i = 0; i < n; i++) {
      out[i].base = iov[i].base;
      out[i].len = iov[i].len;
      total += iov[i].len;
    }
    if (c->broken) {
      forget(c);
      break;
    }
    sent = websock_sendv(c, out, n);
    if (sent == NET_ERROR) {
      c->err = websock_why(c);
      forget(c);
    }
    if (sent > 0) {
      ws_sent(core(c), (size_t)sent);
      c->written += (uint64_t)sent;
    }
    c->blocked = sent == NET_AGAIN || (sent >= 0 && (size_t)sent < total);
  }
  if (!c->blocked) c->blocked = (unsigned char)websock_unsent(c);
  return c->err ? NET_ERROR : 0;
}

/* conn:push([ready]) -> bytes still queued | nil, err. Writes, unless the last
   write was short; ready says that the descriptor is writable again. */
static int conn_push (lua_State *L) {
  conn *c = websock_toconn(L);
  const char *err;
  size_t left;
  if (lua_toboolean(L, 2)) c->blocked = 0;
  if (c->fd == NET_NONE) return websock_nil(L, "closed");
  websock_push(c);
  err = c->err;
  c->err = NULL;
  if (err) return websock_nil(L, err);
  left = ws_queued(core(c));
  lua_pushinteger(L, left > 0 ? (lua_Integer)left : websock_unsent(c));
  return 1;
}

/* conn:backlog() -> bytes queued that max_queue counts */
static int conn_backlog (lua_State *L) {
  lua_pushinteger(L, (lua_Integer)websock_backlog(websock_toconn(L)));
  return 1;
}

/* conn:output([max]) -> at most max bytes to write, "" if there are none. They
   stay queued until `sent`. */
static int conn_output (lua_State *L) {
  conn *c = websock_toconn(L);
  lua_Integer max = luaL_optinteger(L, 2, LUA_MAXINTEGER);
  ws_iov iov[WS_IOV];
  luaL_Buffer b;
  int n = ws_pending(core(c), iov, WS_IOV);
  size_t total = 0, room;
  char *p;
  for (int i = 0; i < n; i++) total += iov[i].len;
  if (max >= 0 && total > (size_t)max) total = (size_t)max;
  p = luaL_buffinitsize(L, &b, total);
  n = ws_pending(core(c), iov, WS_IOV); /* the call above may have collected */
  room = total;
  for (int i = 0; i < n && room > 0; i++) {
    size_t len = iov[i].len < room ? iov[i].len : room;
    memcpy(p + (total - room), iov[i].base, len);
    room -= len;
  }
  luaL_pushresultsize(&b, total - room);
  return 1;
}

/* conn:sent(n): removes the first n bytes, which have been written. */
static int conn_sent (lua_State *L) {
  conn *c = websock_toconn(L);
  lua_Integer n = luaL_checkinteger(L, 2);
  ws_iov iov[WS_IOV];
  size_t total = 0;
  int pieces = ws_pending(core(c), iov, WS_IOV);
  for (int i = 0; i < pieces; i++) total += iov[i].len;
  luaL_argcheck(L, n >= 0 && (size_t)n <= total, 2, "more than is queued");
  ws_sent(core(c), (size_t)n);
  c->written += (uint64_t)n;
  return 0;
}

/* conn:written() -> bytes that the transport has taken so far */
static int conn_written (lua_State *L) {
  lua_pushinteger(L, (lua_Integer)websock_toconn(L)->written);
  return 1;
}

/* Bytes given to the kernel (or TLS) that the peer's has not acknowledged. */
static size_t in_flight (const conn *c) {
  size_t n = c->tls ? net_tls_unsent(c->tls) : 0;
  return n + (c->fd == NET_NONE ? 0 : (size_t)net_in_flight(c->fd));
}

/* conn:accepted() -> bytes that the peer's system has accepted so far, bytes
   here that it has not. The first counts what is on the wire and serves only to
   be compared with earlier results. For a Unix socket the kernel reports memory
   instead of bytes: the first result may lag, but never decreases. */
static int conn_accepted (lua_State *L) {
  conn *c = websock_toconn(L);
  size_t flight = in_flight(c);
  uint64_t given = c->written;
  if (c->tls) given = net_tls_sent(c->tls) + net_tls_unsent(c->tls);
  if (given > flight && given - flight > c->accepted)
    c->accepted = given - flight;
  lua_pushinteger(L, (lua_Integer)c->accepted);
  lua_pushinteger(L, (lua_Integer)(ws_queued(core(c)) + flight));
  return 2;
}

/* conn:forget(): drops the queue; nothing more can be sent. */
static int conn_forget (lua_State *L) {
  forget(websock_toconn(L));
  return 0;
}

/* Queues one frame, and writes large payloads at once. Returns 0 or ws_send's
   error. */
static int queue (lua_State *L, conn *c, int opcode, const char *p, size_t n,
                  int flags) {
  int large = n >= LARGE && c->fd != NET_NONE && !c->broken && !c->blocked;
  int r = ws_send(core(c), opcode, p, n, flags | (large ? WS_BORROW : 0));
  if (r < 0 || !large) return r;
  websock_push(c);              /* an error shows at the next read or write */
  if (ws_settle(core(c)) < 0) { /* half of it may have left */
    ws_abort(core(c), "aborted");
    return luaL_error(L, "not enough memory");
  }
  return 0;
}

/* Returns ws_send's flags for `more` and `compress` at arg and arg + 1. */
static int check_flags (lua_State *L, int arg) {
  int flags = lua_toboolean(L, arg) ? WS_MORE : 0;
  if (lua_isnoneornil(L, arg + 1)) return flags;
  return flags | (lua_toboolean(L, arg + 1) ? WS_COMPRESS : WS_PLAIN);
}

/* conn:send(payload, opcode [, max_queue [, more [, compress]]]) -> bytes
   queued | nil, "queue full" | nil, "closed" | nil, "utf8". opcode is "text",
   "binary" or "continuation". "queue full": more than max_queue bytes were
   queued already. Large payloads are written at once. compress, with the first
   frame of a message: true, false, or nil for the default. */
static int conn_send (lua_State *L) {
  static const char *const names[] = {"continuation", "text", "binary", NULL};
  conn *c = websock_toconn(L);
  size_t n;
  const char *p = luaL_checklstring(L, 2, &n);
  int opcode = luaL_checkoption(L, 3, "text", names);
  lua_Integer max = luaL_optinteger(L, 4, LUA_MAXINTEGER);
  int r, flags;
  if (websock_backlog(c) > (size_t)max) return websock_nil(L, "queue full");
  flags = check_flags(L, 5);
  r = queue(L, c, opcode, p, n, flags);
  if (r == WS_ENOMEM) {
    websock_reclaim(L);
    r = queue(L, c, opcode, p, n, flags);
  }
  if (r == WS_EUTF8) return websock_nil(L, "utf8");
  if (r == WS_ESTATE || r == WS_END) return websock_nil(L, "closed");
  if (r < 0) return websock_pushresult(L, c, r);
  lua_pushinteger(L, (lua_Integer)ws_queued(core(c)));
  return 1;
}

int websock_queue (lua_State *L, conn *c, int message, int opcode) {
  size_t n;
  const char *p = lua_tolstring(L, message, &n);
  if (websock_backlog(c) > c->max_queue) return -1;
  c->calls++;
  return queue(L, c, opcode, p, n, 0) < 0 ? -1 : 0;
}

/* conn:ping(payload) -> serial | nil, rule */
static int conn_ping (lua_State *L) {
  conn *c = websock_toconn(L);
  size_t n;
  const char *p = luaL_checklstring(L, 2, &n);
  uint64_t serial = 0;
  int r = ws_ping(core(c), p, n, &serial);
  if (r < 0) return websock_pushresult(L, c, r);
  lua_pushinteger(L, (lua_Integer)serial);
  return 1;
}

/* conn:ponged() -> the serial of the newest ping answered, 0 for none */
static int conn_ponged (lua_State *L) {
  lua_pushinteger(L, (lua_Integer)ws_ponged(core(websock_toconn(L))));
  return 1;
}

const luaL_Reg websock_send_methods[] = {{"accepted", conn_accepted},
                                         {"backlog", conn_backlog},
                                         {"forget", conn_forget},
                                         {"output", conn_output},
                                         {"ping", conn_ping},
                                         {"ponged", conn_ponged},
                                         {"push", conn_push},
                                         {"send", conn_send},
                                         {"sent", conn_sent},
                                         {"written", conn_written},
                                         {NULL, NULL}};
