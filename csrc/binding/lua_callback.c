/*
** lua_callback.c - callbacks in place of a coroutine that receives: on_open,
** on_message, on_drain. (on_close needs nothing of this: see
** link/callbacks.lua.)
**
** They receive on the same seat as a coroutine does (lua_seat.c). It is FREE
** while nothing is due. Then a coroutine is lent to them: by lua_serve.c, which
** lends one and the same again as long as no callback waits, or by
** io/scheduler.lua. It calls what is due, one after the other, and ends when
** nothing is.
*/
#include "lua_turn.h"

/* Stack of call_back, and its upvalues; KINDS are two (see
   websock_pushkind). */
enum { CONN = 1, OPTIONS, WS };
enum { TURN = 1, KINDS, UPVALUES = KINDS + 1 };
#define the_turn(L) ((turn *)lua_touserdata(L, lua_upvalueindex(TURN)))

/* Removes a callback from those that are due, and pushes it with its only
   argument. Returns the number of arguments. */
static int push_due (lua_State *L, conn *c, int due, const char *name) {
  c->seat.due &= (unsigned char)~due;
  lua_getfield(L, OPTIONS, name);
  lua_pushvalue(L, WS);
  return 1;
}

/* Pushes on_message with its arguments. Returns their number, 0 if there is no
   message. */
static int push_message (lua_State *L, turn *t) {
  conn *c = (conn *)lua_touserdata(L, CONN);
  int n;
  if (c->seat.muted) return 0;
  n = websock_receive(L, t, CONN, WANT_MESSAGE, KINDS);
  if (n == WS_ENOMEM) return luaL_error(L, "not enough memory");
  if (n < 0) websock_tell_ended(L, CONN);
  if (n <= 0) return 0;
  lua_getfield(L, OPTIONS, "on_message");
  lua_pushvalue(L, WS);
  lua_rotate(L, WS + 1, 2); /* the function and ws, the message */
  return 1 + n;
}

static int push_next (lua_State *L, turn *t) {
  conn *c = (conn *)lua_touserdata(L, CONN);
  if (c->seat.due & DUE_OPEN) return push_due(L, c, DUE_OPEN, "on_open");
  if (c->seat.due & DUE_DRAIN) return push_due(L, c, DUE_DRAIN, "on_drain");
  return push_message(L, t);
}

static int call_on (lua_State *L, int status, lua_KContext ctx);

static int call_all (lua_State *L, turn *t) {
  conn *c = (conn *)lua_touserdata(L, CONN);
  int n;
  for (;;) {
    if (!c->seat.muted && websock_is_greedy(c)) {
      t->rests = 1;
      return lua_yieldk(L, 0, 0, call_on);
    }
    n = push_next(L, t);
    if (n == 0) break;
    lua_callk(L, n, 0, 0, call_on);
  }
  c->seat.streak = 0;
  c->seat.how = FREE;
  return 0;
}

/* Goes on after a callback that has waited, or after a rest. */
static int call_on (lua_State *L, int status, lua_KContext ctx) {
  turn *t = the_turn(L);
  conn *c = (conn *)lua_touserdata(L, CONN);
  (void)status;
  (void)ctx;
  lua_settop(L, WS);
  if (t->current != L) /* not resumed by the loop: wait on */
    return lua_yieldk(L, 0, 0, call_on);
  c->seat.streak = 0;
  return call_all(L, t);
}

/* call_back(conn): calls the callbacks that are due, until none is. Its conn is
   in the state CALLING. */
static int call_back (lua_State *L) {
  lua_settop(L, CONN);
  lua_getiuservalue(L, CONN, CONN_LINK);
  lua_getfield(L, -1, "options");
  lua_getfield(L, -2, "ws");
  lua_remove(L, OPTIONS); /* remove the link */
  return call_all(L, the_turn(L));
}

void websock_prepare_callback (lua_State *L, int self) {
  lua_pushvalue(L, self);
  websock_pushkinds(L);
  lua_pushcclosure(L, call_back, UPVALUES);
  lua_setiuservalue(L, self, TURN_CALL_BACK);
}
