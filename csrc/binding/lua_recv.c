/*
** lua_recv.c - messages in: methods of `websock.conn`.
**
** Creating a string may run a finalizer, which may use this very connection. So
** the core's bytes become a string before anything else is created, and an
** event is marked as taken only if it is still the one that was given.
*/
#include "lua_conn.h"

/* Looks for a whole message if max is 0, else for a part of at most max
   bytes. */
static int next (conn *c, ws_event *ev, size_t max) {
  int r = max == 0 ? ws_next(core(c), ev) : ws_next_part(core(c), ev, max);
  if (r > 0 && ev->type != WS_MESSAGE && ev->type != WS_PART) r = 0;
  return r;
}

/* Takes the event that was in *ev, unless an event was taken since. Asks for it
   again, because a part may have grown meanwhile, or a message may now be
   received in parts. */
static int take (conn *c, ws_event *ev, size_t max, uint32_t taken) {
  ws_event now;
  size_t size = ev->size > 0 ? ev->size : 1;
  if (c->taken != taken || next(c, &now, max > 0 ? size : 0) <= 0) return 0;
  if (now.size != ev->size) return 0;
  *ev = now;
  c->taken++;
  ws_taken(core(c));
  return 1;
}

static void push_kind (lua_State *L, const ws_event *ev) {
  if (ev->opcode == WS_TEXT)
    lua_pushliteral(L, "text");
  else
    lua_pushliteral(L, "binary");
}

/* Pushes the event's data and its kind, then takes the event, when nothing more
   can fail or collect. If a finalizer has taken it meanwhile, starts again. */
static int deliver (lua_State *L, conn *c, size_t max, ws_event *ev) {
  for (;;) {
    uint32_t taken = c->taken;
    int r = next(c, ev, max);
    if (r <= 0) return r;
    lua_pushlstring(L, ev->size > 0 ? ev->data : "", ev->size);
    push_kind(L, ev);
    if (take(c, ev, max, taken)) return r;
    lua_pop(L, 2); /* remove what a finalizer has taken */
  }
}

int websock_take (lua_State *L, conn *c, int want) {
  ws_event ev;
  int r = deliver(L, c, want == WANT_PART ? WS_READ_AHEAD : 0, &ev);
  if (r <= 0) return r;
  if (want != WANT_PART) return 2;
  lua_pushboolean(L, ev.last);
  return 3;
}

static int take_or_tell (lua_State *L, int want) {
  conn *c = websock_toconn(L);
  int r = websock_take(L, c, want);
  return r > 0 ? r : websock_noevent(L, c, r);
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
