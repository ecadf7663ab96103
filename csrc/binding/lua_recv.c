/*
** lua_recv.c - messages in: methods of `websock.conn`.
**
** Creating a string may run a finalizer, which may use this very connection. So
** an event is taken only if no call has come in between.
*/
#include "lua_conn.h"

enum { KINDS = 1 }; /* upvalues of the methods, see websock_pushkind */

/* Looks for a whole message, or for a part of one. */
static int next (conn *c, ws_event *ev, int want) {
  int r = want == WANT_PART ? ws_next_part(core(c), ev, WS_READ_AHEAD)
                            : ws_next(core(c), ev);
  if (r > 0 && ev->type != WS_MESSAGE && ev->type != WS_PART) r = 0;
  return r;
}

int websock_take (lua_State *L, conn *c, int want, ws_event *ev) {
  for (;;) {
    uint32_t calls = ++c->calls;
    int r = next(c, ev, want);
    if (r <= 0) return r;
    lua_pushlstring(L, ev->data, ev->size);
    if (c->calls == calls) {
      ws_taken(core(c));
      return r;
    }
    lua_pop(L, 1); /* remove what a finalizer may have taken */
  }
}

int websock_pushrest (lua_State *L, const ws_event *ev, int kinds) {
  websock_pushkind(L, ev->opcode, kinds);
  if (ev->type != WS_PART) return 2;
  lua_pushboolean(L, ev->last);
  return 3;
}

static int take_or_tell (lua_State *L, int want) {
  conn *c = websock_toconn(L);
  ws_event ev;
  int r = websock_take(L, c, want, &ev);
  return r > 0 ? websock_pushrest(L, &ev, KINDS) : websock_noevent(L, c, r);
}

/* conn:receive() -> message, kind | nil, "again" | nil, "in parts"
   | nil, "closed", code, reason */
static int conn_receive (lua_State *L) { return take_or_tell(L, WANT_MESSAGE); }

/* conn:receive_part() -> chunk, kind, last | like receive */
static int conn_receive_part (lua_State *L) {
  return take_or_tell(L, WANT_PART);
}

/* conn:in_parts() -> whether a message is being received in parts */
static int conn_in_parts (lua_State *L) {
  lua_pushboolean(L, ws_in_parts(core(websock_toconn(L))));
  return 1;
}

const luaL_Reg websock_recv_methods[] = {{"in_parts", conn_in_parts},
                                         {"receive", conn_receive},
                                         {"receive_part", conn_receive_part},
                                         {NULL, NULL}};
