/*
** lua_seat.c - the receiver of a connection: one coroutine has its seat while
** it waits, or callbacks have it for good (lua_callback.c). Also whether an end
** is held until the messages before it are taken. Methods of `websock.conn`.
*/
#include "lua_conn.h"

/* Messages, or parts of them, that a coroutine may take without waiting before
   it must yield; and bytes, because what is small on the wire may inflate to
   much. */
enum { STREAK = 64, STREAK_BYTES = 1 << 20 };

int websock_is_received (conn *c) {
  if (c->seat.how == EMPTY) return 0;
  if (c->seat.how == FREE || c->seat.how == CALLING) return 1;
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

int websock_is_due (conn *c) {
  if (c->seat.due != 0) return 1;
  return !c->seat.muted && (ws_has_message(core(c)) || ws_end_held(core(c)));
}

void websock_leave (conn *c) { c->seat.how = EMPTY; }

int websock_is_greedy (const conn *c) {
  const ws_conn *core = core(c);
  if (c->seat.streak < STREAK) return 0;
  return ws_unread(core) > 0 || ws_has_message(core) || ws_in_parts(core);
}

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

/* conn:wanted() -> what the receiver waits for: 0 (none waits), 1 (a message),
   2 (a part of one) */
static int conn_wanted (lua_State *L) {
  conn *c = websock_toconn(L);
  int want = WANT_NOTHING;
  if (c->seat.how == FREE)
    want = WANT_MESSAGE;
  else if (websock_is_received(c) &&
           (c->seat.how == PARKED || c->seat.how == BY_LOOP))
    want = c->seat.want;
  lua_pushinteger(L, want);
  return 1;
}

/* conn:wake() -> the coroutine that waits, for the caller to resume; true if a
   callback is due, for the caller to lend a coroutine and say so by
   conn:calling(); nil if nobody waits. Returns the same again until that has
   happened, in case the caller had no memory to do it. */
static int conn_wake (lua_State *L) {
  conn *c = websock_toconn(L);
  if (c->seat.how == FREE && websock_is_due(c)) {
    lua_pushboolean(L, 1);
    return 1;
  }
  if (c->seat.how == FREE || c->seat.how == CALLING) return 0;
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

/* --------------------------------------------------------------- callbacks */

/* conn:serve(opens): callbacks receive from now on; opens: on_open is due. */
static int conn_serve (lua_State *L) {
  conn *c = websock_toconn(L);
  websock_receives(c);
  c->seat.how = FREE;
  c->seat.want = WANT_MESSAGE;
  if (lua_toboolean(L, 2)) c->seat.due |= DUE_OPEN;
  return 0;
}

/* conn:drains(): on_drain is due. */
static int conn_drains (lua_State *L) {
  websock_toconn(L)->seat.due |= DUE_DRAIN;
  return 0;
}

/* conn:calling(): a coroutine was lent, and will be resumed. */
static int conn_calling (lua_State *L) {
  websock_toconn(L)->seat.how = CALLING;
  return 0;
}

/* conn:called(): that coroutine has ended. */
static int conn_called (lua_State *L) {
  conn *c = websock_toconn(L);
  c->seat.how = FREE;
  c->seat.streak = 0;
  return 0;
}

/* conn:mute(): the callbacks get no more messages, and no on_drain. */
static int conn_mute (lua_State *L) {
  conn *c = websock_toconn(L);
  c->seat.muted = 1;
  c->seat.due &= (unsigned char)~DUE_DRAIN;
  return 0;
}

/* conn:is_done() -> whether no callback runs or is due */
static int conn_is_done (lua_State *L) {
  conn *c = websock_toconn(L);
  lua_pushboolean(L, c->seat.how == FREE && !websock_is_due(c));
  return 1;
}

const luaL_Reg websock_seat_methods[] = {{"called", conn_called},
                                         {"calling", conn_calling},
                                         {"drains", conn_drains},
                                         {"hold", conn_hold},
                                         {"is_done", conn_is_done},
                                         {"let_end", conn_let_end},
                                         {"mute", conn_mute},
                                         {"serve", conn_serve},
                                         {"wake", conn_wake},
                                         {"wanted", conn_wanted},
                                         {NULL, NULL}};
