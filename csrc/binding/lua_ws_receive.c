/*
** lua_ws_receive.c - ws:receive, ws:receive_part and the iterator of
** ws:messages.
** A caller that has to wait takes the seat of the connection (lua_seat.c) until
** there is something to take, its timeout is over or the connection has ended.
** Lua is called where the stage of the connection may change, where the call
** may not wait, and for deadlines.
**
** These are C functions because Lua functions would double the stack of every
** coroutine that waits in `receive`, and slow each message down.
*/
#include "lua_threads.h"

/* Upvalues of each function: LUA is a table of the Lua functions that it calls,
   OUTSIDE the same function wrapped for callers outside the loop (see
   core.receive), KINDS are two (see websock_pushkind). ws:messages has the
   first two, and the iterator. */
enum { TURN = 1, LUA, OUTSIDE, KINDS, UPVALUES = KINDS + 1 };
enum { NEXT_MESSAGE = OUTSIDE };
#define up(i) lua_upvalueindex(i)
#define the_turn(L) ((turn *)lua_touserdata(L, up(TURN)))

/* Which of the three was called. */
enum { MESSAGE, PART, ITERATOR };
static const char *const names[] = {"receive", "receive_part", "messages"};
#define want(which) ((which) == PART ? WANT_PART : WANT_MESSAGE)

/* Stack indices. TIMEOUT becomes a deadline, nil for none, false for a call
   that does not wait. */
enum { WS = 1, TIMEOUT, CONN };

/* Calls link:name(argument) for the conn at index `at`. */
static void call_link (lua_State *L, int at, const char *name, int argument) {
  lua_getiuservalue(L, at, CONN_LINK);
  lua_getfield(L, -1, name);
  lua_insert(L, -2);
  lua_pushinteger(L, argument);
  lua_call(L, 2, 0);
}

/* Calls the Lua function that raises an error about the value at arg. */
static int mistake (lua_State *L, const char *what, int arg, int which) {
  lua_getfield(L, up(LUA), what);
  lua_pushstring(L, names[which]);
  lua_pushvalue(L, arg);
  lua_call(L, 2, 0);
  return luaL_error(L, "%s", what); /* not reached: it raises */
}

/* ------------------------------------------------------------------ taking */

/* Takes what has arrived. Returns the number of values pushed, or the core's
   result. */
static int take (lua_State *L, turn *t, conn *c, int want, int kinds) {
  ws_event ev;
  int r = websock_take(L, c, want, &ev);
  if (r <= 0) return r;
  websock_took(c, ev.size, t->now);
  t->delivered += ev.size;
  return websock_pushrest(L, &ev, kinds);
}

int websock_receive (lua_State *L, turn *t, int at, int want, int kinds) {
  conn *c = (conn *)lua_touserdata(L, at);
  if (c->more) call_link(L, at, "read_on", 0);
  return take(L, t, c, want, kinds);
}

void websock_tell_ended (lua_State *L, int at) {
  conn *c = (conn *)lua_touserdata(L, at);
  int flags = websock_digest(c, WANT_NOTHING);
  if (c->marked) flags &= ~SAW_OUT;
  if (flags != 0) call_link(L, at, "ended_in_receive", flags);
}

/* Returns the end of the connection. */
static int ended (lua_State *L, conn *c, int r, int which) {
  int n = websock_noevent(L, c, r);
  if (r == WS_ESTATE) return mistake(L, "in_parts", WS, which);
  websock_tell_ended(L, CONN);
  return n;
}

/* Takes what has arrived by the deadline, or returns the timeout. */
static int last_look (lua_State *L, turn *t, conn *c, int which) {
  int n;
  call_link(L, CONN, "catch_up", want(which));
  n = take(L, t, c, want(which), KINDS);
  if (n == 0) return websock_nil(L, "timeout");
  return n > 0 ? n : ended(L, c, n, which);
}

/* ----------------------------------------------------------------- waiting */

static int receive_on (lua_State *L, int status, lua_KContext ctx);

static int sit (lua_State *L, turn *t, conn *c, int how, int which) {
  websock_sit(L, c, CONN, how, want(which));
  t->parked = how != RESTING;
  t->rests = how == RESTING;
  return lua_yieldk(L, 0, which, receive_on);
}

/* Returns how this call can wait; raises if it cannot. */
static int how (lua_State *L, const turn *t, int which) {
  int how = websock_how(L, t);
  if (how == CANNOT) mistake(L, "cannot_wait", WS, which);
  return how;
}

/* Whether a call made outside the loop may turn the loop to wait. */
static int may_turn (lua_State *L) {
  int may;
  lua_getfield(L, up(LUA), "may_turn");
  lua_getiuservalue(L, CONN, CONN_LINK);
  lua_call(L, 1, 1);
  may = lua_toboolean(L, -1);
  lua_pop(L, 1); /* remove the answer */
  return may;
}

/* Has the loop resume this coroutine at the deadline. */
static void set_deadline (lua_State *L) {
  lua_getfield(L, up(LUA), "deadline");
  lua_pushvalue(L, TIMEOUT);
  lua_call(L, 1, 0);
}

static int wait (lua_State *L, turn *t, conn *c, int which) {
  int timeout = lua_type(L, TIMEOUT), can;
  if (timeout == LUA_TBOOLEAN) return last_look(L, t, c, which);
  can = how(L, t, which);
  if (can == CAN_TURN && !may_turn(L)) return last_look(L, t, c, which);
  if (timeout == LUA_TNIL && can == CAN_YIELD && t->desk != L)
    return sit(L, t, c, PARKED, which);
  if (timeout != LUA_TNIL) set_deadline(L);
  return sit(L, t, c, BY_LOOP, which);
}

/* Yields first if the caller has taken many messages without waiting. It yields
   before it takes, so a coroutine that is closed meanwhile loses nothing. */
static int receive (lua_State *L, turn *t, conn *c, int which) {
  int n;
  if (websock_is_greedy(c) && !lua_isboolean(L, TIMEOUT) &&
      websock_how(L, t) == CAN_YIELD)
    return sit(L, t, c, RESTING, which);
  n = websock_receive(L, t, CONN, want(which), KINDS);
  if (n > 0) return n;
  return n == 0 ? wait(L, t, c, which) : ended(L, c, n, which);
}

static int receive_on (lua_State *L, int status, lua_KContext which) {
  turn *t = the_turn(L);
  conn *c = (conn *)lua_touserdata(L, CONN);
  int is_late = lua_gettop(L) > CONN; /* nil, "timeout" */
  (void)status;
  lua_settop(L, CONN);
  if (t->current != L) /* not resumed by the loop: wait on */
    return lua_yieldk(L, 0, which, receive_on);
  websock_leave(c);
  return is_late ? last_look(L, t, c, (int)which)
                 : receive(L, t, c, (int)which);
}

/* ---------------------------------------------------------------- the calls */

/* Replaces the timeout by a deadline. */
static void check_timeout (lua_State *L, int which) {
  lua_Number seconds;
  seconds = lua_tonumber(L, TIMEOUT);
  if (lua_type(L, TIMEOUT) != LUA_TNUMBER || !(seconds >= 0))
    mistake(L, "no_timeout", TIMEOUT, which);
  if (seconds > 0)
    lua_pushnumber(L, net_now() + seconds);
  else
    lua_pushboolean(L, 0);
  lua_replace(L, TIMEOUT);
}

/* Makes the same call in a thread of the library's own, see lua_desk.c. */
static int outside (lua_State *L) { return websock_forward(L, up(OUTSIDE)); }

/* nargs: how many arguments count, WS or TIMEOUT. */
static int receive_call (lua_State *L, int which, int nargs) {
  turn *t = the_turn(L);
  conn *c;
  if (t->current == NULL && t->pump == NULL) return outside(L);
  lua_settop(L, nargs);
  if (nargs < TIMEOUT) lua_pushnil(L);
  c = websock_pushconn(L, WS);
  if (c == NULL) return mistake(L, "no_connection", WS, which);
  if (!lua_isnil(L, TIMEOUT)) check_timeout(L, which);
  if (websock_is_received(c)) {
    if (which == ITERATOR) return mistake(L, "busy", WS, which);
    return websock_nil(L, "busy");
  }
  websock_receives(c);
  return receive(L, t, c, which);
}

/* ws:receive([timeout]) */
static int l_receive (lua_State *L) {
  return receive_call(L, MESSAGE, TIMEOUT);
}

/* ws:receive_part([timeout]) */
static int l_receive_part (lua_State *L) {
  return receive_call(L, PART, TIMEOUT);
}

/* The iterator of ws:messages(), whose second argument is the message
   before. */
static int l_next (lua_State *L) { return receive_call(L, ITERATOR, WS); }

/* ws:messages() -> the iterator, ws */
static int l_messages (lua_State *L) {
  lua_settop(L, WS);
  if (websock_pushconn(L, WS) == NULL)
    return mistake(L, "no_connection", WS, ITERATOR);
  lua_pushvalue(L, up(NEXT_MESSAGE));
  lua_pushvalue(L, WS);
  return 2;
}

/* core.receive(turn, lua, wrap) -> receive, receive_part, messages. lua has
   may_turn(link), deadline(at) and functions that raise: no_connection,
   no_timeout, in_parts, busy, cannot_wait(where, value). wrap(f) returns f for
   callers outside the loop. */
static int l_functions (lua_State *L) {
  enum { WRAP = 3 };
  static const lua_CFunction functions[] = {l_receive, l_receive_part, l_next};
  luaL_checktype(L, LUA, LUA_TTABLE);
  lua_settop(L, WRAP);
  websock_toturn(L, TURN);
  for (int i = MESSAGE; i <= ITERATOR; i++) {
    for (int j = TURN; j <= LUA; j++) lua_pushvalue(L, j);
    lua_pushnil(L);
    websock_pushkinds(L);
    lua_pushcclosure(L, functions[i], UPVALUES);
    lua_pushvalue(L, WRAP);
    lua_pushvalue(L, -2);
    lua_call(L, 1, 1);
    lua_setupvalue(L, -2, OUTSIDE);
  }
  lua_pushvalue(L, TURN);
  lua_pushvalue(L, LUA);
  lua_rotate(L, -3, 2); /* both, the iterator */
  lua_pushcclosure(L, l_messages, NEXT_MESSAGE);
  return 3;
}

void websock_open_receive (lua_State *L) {
  lua_pushcfunction(L, l_functions);
  lua_setfield(L, -2, "receive");
}
