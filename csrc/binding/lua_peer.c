/*
** lua_peer.c - what a server keeps of a peer from its accept to the end: the
** address, then the head of its request as it came. Few applications ask for
** either, so both stay bytes in one block. Methods of `websock.conn`.
*/
#include <string.h>

#include "lua_conn.h"

struct peer {
  uint32_t naddress, nrequest;
  char bytes[];
};

static size_t size_of (const peer *p) {
  return p ? sizeof *p + p->naddress + p->nrequest : 0;
}

/* Changes the size of the bytes. Returns NULL, having done nothing, if memory
   is short. */
static peer *resize (lua_State *L, conn *c, uint32_t naddress,
                     uint32_t nrequest) {
  void *ud;
  lua_Alloc alloc = lua_getallocf(L, &ud);
  size_t size = sizeof(peer) + naddress + nrequest;
  peer *p = (peer *)alloc(ud, c->peer, size_of(c->peer), size);
  if (p == NULL) return NULL;
  p->naddress = naddress;
  p->nrequest = nrequest;
  return c->peer = p;
}

void websock_free_peer (lua_State *L, conn *c) {
  void *ud;
  lua_Alloc alloc = lua_getallocf(L, &ud);
  peer *p = c->peer;
  c->peer = NULL;
  if (p) alloc(ud, p, size_of(p), 0);
}

int websock_keep_request (lua_State *L, conn *c) {
  const ws_head *head = ws_http(core(c));
  ws_event ev;
  size_t n;
  peer *p = c->peer;
  if (head == NULL || ws_next(core(c), &ev) != WS_REQUEST) return 0;
  n = (size_t)(ev.data - head->method.p); /* they lie in one piece */
  p = resize(L, c, p ? p->naddress : 0, (uint32_t)n);
  if (p == NULL) return -1;
  memcpy(p->bytes + p->naddress, head->method.p, n);
  return 0;
}

/* conn:keep(on): keeps the head of the current request, or no longer. */
static int conn_keep (lua_State *L) {
  conn *c = websock_toconn(L);
  if (!lua_toboolean(L, 2)) {
    if (c->peer) resize(L, c, c->peer->naddress, 0);
    return 0;
  }
  if (websock_keep_request(L, c) == 0) return 0;
  websock_reclaim(L);
  if (websock_keep_request(L, c) < 0) luaL_error(L, "not enough memory");
  return 0;
}

/* conn:kept() -> the head that is kept, nil if none is */
static int conn_kept (lua_State *L) {
  const peer *p = websock_toconn(L)->peer;
  if (p == NULL || p->nrequest == 0) return 0;
  lua_pushlstring(L, p->bytes + p->naddress, p->nrequest);
  return 1;
}

/* conn:remote() -> host, port, family of the peer, if core.accept has set
   them */
static int conn_remote (lua_State *L) {
  const peer *p = websock_toconn(L)->peer;
  net_sockaddr from;
  net_address a;
  if (p == NULL) return 0;
  from.n = (unsigned char)p->naddress;
  memcpy(from.bytes, p->bytes, p->naddress);
  net_address_of(&from, &a);
  return websock_pushaddress(L, &a);
}

static int keep_address (lua_State *L, conn *c, const net_sockaddr *from) {
  if (resize(L, c, from->n, 0) == NULL) return -1;
  memcpy(c->peer->bytes, from->bytes, from->n);
  return 0;
}

/* core.accept(fd, conn) -> fd | nil, "again" | nil, err: gives the conn the
   listener's next connection. Closes that if memory is short. */
static int l_accept (lua_State *L) {
  net_fd listener = websock_checkfd(L, 1), fd;
  conn *c = websock_check_bare(L, 2);
  net_sockaddr from;
  fd = net_accept(listener, &from);
  if (fd == NET_AGAIN) return websock_nil(L, "again");
  if (fd < 0) return websock_failed(L);
  if (keep_address(L, c, &from) < 0) {
    net_close(fd);
    return luaL_error(L, "not enough memory");
  }
  c->fd = fd;
  lua_pushinteger(L, fd);
  return 1;
}

const luaL_Reg websock_peer_methods[] = {{"keep", conn_keep},
                                         {"kept", conn_kept},
                                         {"remote", conn_remote},
                                         {NULL, NULL}};

void websock_open_peer (lua_State *L) {
  lua_pushcfunction(L, l_accept);
  lua_setfield(L, -2, "accept");
}
