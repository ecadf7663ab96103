/*
** lua_recv.c - messages in: methods of `websock.conn`.
**
** Making a string can run a finalizer, and that may use this very connection: an
** event is marked taken only if it is still the one that was given.
*/
#include "lua_conn.h"

static int push_closed (lua_State *L, conn *c) {
  ws_closing end = ws_closed(core(c));
  lua_pushnil(L);
  lua_pushliteral(L, "closed");
  lua_pushinteger(L, (lua_Integer)end.code);
  lua_pushlstring(L, end.reason.p != NULL ? end.reason.p : "", end.reason.n);
  return 4;
}

int websock_noevent (lua_State *L, conn *c, int r) {
  switch (r) {
    case 0: return websock_nil(L, "again");
    case WS_END: return push_closed(L, c);
    case WS_ESTATE: return websock_nil(L, "in parts");
    default: return luaL_error(L, "not enough memory");
  }
}

typedef int (*fetch)(ws_conn *core, ws_event *ev);

static int fetch_part (ws_conn *core, ws_event *ev) {
  return ws_next_part(core, ev, WS_READ_AHEAD);
}

/* Pushes the event's data as a string and takes the event; *ev is what it was.
   A finalizer run by the push may have taken it already: then once more. */
static int deliver (lua_State *L, conn *c, fetch next, ws_event *ev) {
  for (;;) {
    uint32_t taken = c->taken;
    int r = next(core(c), ev);
    if (r <= 0) return r;
    if (ev->type != WS_MESSAGE && ev->type != WS_PART) return 0;
    lua_pushlstring(L, ev->size > 0 ? ev->data : "", ev->size);
    if (c->taken == taken) {
      c->taken++;
      ws_taken(core(c));
      return r;
    }
    lua_pop(L, 1); /* remove the string that somebody else got */
  }
}

static void push_kind (lua_State *L, const ws_event *ev) {
  if (ev->opcode == WS_TEXT)
    lua_pushliteral(L, "text");
  else
    lua_pushliteral(L, "binary");
}

/* conn:receive() -> message, kind | nil, "again" | nil, "in parts"
   | nil, "closed", code, reason */
static int conn_receive (lua_State *L) {
  conn *c = websock_toconn(L);
  ws_event ev;
  int r = deliver(L, c, ws_next, &ev);
  if (r <= 0) return websock_noevent(L, c, r);
  push_kind(L, &ev);
  return 2;
}

int websock_take_message (lua_State *L, conn *c, int streak) {
  ws_event ev;
  int r;
  websock_receives(c);
  if (c->streak >= streak) {
    c->streak = 0;
    return -2;
  }
  r = deliver(L, c, ws_next, &ev);
  if (r <= 0) {
    c->streak = 0; /* whatever it is, the next will have waited */
    return r < 0 ? -1 : 0;
  }
  c->streak++;
  push_kind(L, &ev);
  return 2;
}

/* conn:receive_part() -> chunk, kind, last | like receive */
static int conn_receive_part (lua_State *L) {
  conn *c = websock_toconn(L);
  ws_event ev;
  int r = deliver(L, c, fetch_part, &ev);
  if (r <= 0) return websock_noevent(L, c, r);
  push_kind(L, &ev);
  lua_pushboolean(L, ev.last);
  return 3;
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
