/*
** lua_seat.c - the receiver of a connection: one coroutine has its seat while
** it waits. Also whether an end is held until the messages before it are taken.
** Methods of `websock.conn`.
*/
#include "lua_conn.h"

/* Messages, or parts of them, that a coroutine may take without waiting before
   it must yield; and bytes, because what is small on the wire may inflate to
   much. */
enum { STREAK = 64, STREAK_BYTES = 1 << 20 };

int websock_is_received (conn *c) {
  if (c->seat.how == EMPTY) return 0;
  if (lua_status(c->seat.thread) == LUA_YIELD) return 1;
  c->seat.how = EMPTY; /* it was closed */
  return 0;
}

void websock_sit (lua_State *L, conn *c, int at, int how, int want) {
  if (c->seat.thread != L) {
    lua_pushthread(L);
    lua_setiuservalue(L, at, CONN_RECEIVER);
    c->seat.thread = L;
  }
  c->seat.how = (unsigned char)how;
  c->seat.want = (unsigned char)want;
  c->seat.streak = 0;
}

void websock_leave (conn *c) { c->seat.how = EMPTY; }

int websock_is_greedy (const conn *c) { return c->seat.streak >= STREAK; }

void websock_took (conn *c, size_t size, double now) {
  seat *s = &c->seat;
  c->used = now;
  if (s->streak == 0) s->bytes = 0;
  s->bytes =
      size < STREAK_BYTES - s->bytes ? s->bytes + (uint32_t)size : STREAK_BYTES;
  if (s->bytes == STREAK_BYTES)
    s->streak = STREAK;
  else if (s->streak < STREAK)
    s->streak++;
}

/* conn:wanted() -> what a coroutine waits for: 0 (none waits), 1 (a message),
   2 (a part of one) */
static int conn_wanted (lua_State *L) {
  conn *c = websock_toconn(L);
  int waits = websock_is_received(c) &&
              (c->seat.how == PARKED || c->seat.how == BY_LOOP);
  lua_pushinteger(L, waits ? c->seat.want : WANT_NOTHING);
  return 1;
}

/* conn:wake() -> the coroutine that waits, for the caller to resume, or nil.
   Returns it again until it was resumed, in case the caller had no memory to do
   so. */
static int conn_wake (lua_State *L) {
  conn *c = websock_toconn(L);
  if (!websock_is_received(c)) return 0;
  if (c->seat.how == RESTING || c->seat.how == NEXT) return 0;
  c->seat.how = WOKEN;
  lua_getiuservalue(L, 1, CONN_RECEIVER);
  return 1;
}

void websock_receives (conn *c) {
  if (c->seat.received) return;
  c->seat.received = 1;
  ws_hold_end(core(c), 1);
}

/* conn:hold(on) -> whether the application has received. If it has not, `on`
   tells whether an end is held until the messages before it are taken. */
static int conn_hold (lua_State *L) {
  conn *c = websock_toconn(L);
  if (!c->seat.received) ws_hold_end(core(c), lua_toboolean(L, 2));
  lua_pushboolean(L, c->seat.received);
  return 1;
}

/* conn:let_end(): holds the end no longer. */
static int conn_let_end (lua_State *L) {
  ws_hold_end(core(websock_toconn(L)), 0);
  return 0;
}

const luaL_Reg websock_seat_methods[] = {{"hold", conn_hold},
                                         {"let_end", conn_let_end},
                                         {"wake", conn_wake},
                                         {"wanted", conn_wanted},
                                         {NULL, NULL}};
