/*
** lua_seat.c - who receives from a connection: the seat, which one coroutine
** has while it waits there, and whether an end that stands behind messages
** waits for it. Methods of `websock.conn`.
*/
#include "lua_conn.h"

int websock_is_received (conn *c) {
  if (c->waiting == NOT_WAITING) return 0;
  if (lua_status(c->receiver) == LUA_YIELD) return 1;
  c->waiting = NOT_WAITING; /* it was closed */
  return 0;
}

void websock_sit (lua_State *L, conn *c, int at, int how, int want) {
  if (c->receiver != L) {
    lua_pushthread(L);
    lua_setiuservalue(L, at, CONN_RECEIVER);
    c->receiver = L;
  }
  c->waiting = (unsigned char)how;
  c->want = (unsigned char)want;
  c->streak = 0;
}

/* conn:receiver() -> the coroutine that has the seat, and what has to be
   told for it to go on: "conn", "loop" or nil | nothing */
static int conn_receiver (lua_State *L) {
  conn *c = websock_toconn(L);
  if (!websock_is_received(c)) return 0;
  lua_getiuservalue(L, 1, CONN_RECEIVER);
  switch (c->waiting) {
    case PARKED: lua_pushliteral(L, "conn"); return 2;
    case SLOW: lua_pushliteral(L, "loop"); return 2;
    default: return 1;
  }
}

/* conn:wanted() -> what it waits for, 0 if it is not there or does not wait */
static int conn_wanted (lua_State *L) {
  conn *c = websock_toconn(L);
  int waits =
      websock_is_received(c) && (c->waiting == PARKED || c->waiting == SLOW);
  lua_pushinteger(L, waits ? c->want : 0);
  return 1;
}

/* conn:woken(): the coroutine that has parked there will go on. */
static int conn_woken (lua_State *L) {
  conn *c = websock_toconn(L);
  if (c->waiting == PARKED) c->waiting = WOKEN;
  return 0;
}

void websock_receives (conn *c) {
  if (c->received) return;
  c->received = 1;
  ws_hold_end(core(c), 1);
}

/* conn:receives(): its application does, from now on. */
static int conn_receives (lua_State *L) {
  websock_receives(websock_toconn(L));
  return 0;
}

/* conn:hold(on) -> whether its application has received: an end behind messages
   waits for it, or (unless it has received) no longer does */
static int conn_hold (lua_State *L) {
  conn *c = websock_toconn(L);
  if (!c->received) ws_hold_end(core(c), lua_toboolean(L, 2));
  lua_pushboolean(L, c->received);
  return 1;
}

/* conn:let_end(): it waits no more. */
static int conn_let_end (lua_State *L) {
  ws_hold_end(core(websock_toconn(L)), 0);
  return 0;
}

const luaL_Reg websock_seat_methods[] = {{"hold", conn_hold},
                                         {"let_end", conn_let_end},
                                         {"receiver", conn_receiver},
                                         {"receives", conn_receives},
                                         {"wanted", conn_wanted},
                                         {"woken", conn_woken},
                                         {NULL, NULL}};
