/*
** lua_serve.c - serves the connections that are ready, in a turn of the loop:
** reads them and resumes their receivers. Calls Lua only where something has to
** be decided; link/link.lua handles every case.
**
** All of it runs in the thread that turns the loop, never on a handler's stack.
*/
#include "lua_serve.h"
#include "lua_threads.h"

#include <math.h>

/* Seconds that the pool keeps large blocks which nobody uses. */
#define TRIM 1.0

/* Places in the list of marked conns, at least, while a conn is served. */
enum { ROOM = 2 };

/* Calls link:on_upgrade(protocol, flags), with the subprotocol on the top. */
static void tell_upgrade (lua_State *L, int flags) {
  int protocol = lua_gettop(L);
  lua_getiuservalue(L, CONN, CONN_LINK);
  websock_pushmethod(L, "on_upgrade");
  lua_pushvalue(L, protocol);
  lua_pushinteger(L, flags);
  websock_calllink(L, 2);
}

/* Tells the loop what became of the thread on the top, which does not wait, and
   removes it. */
static void tell_loop (lua_State *L, turn *t, lua_State *thread, int status) {
  int n = 1;
  lua_getiuservalue(L, SELF, status == LUA_OK ? TURN_LEFT : TURN_AFTER);
  lua_insert(L, -2);
  if (status != LUA_OK) n += websock_outcome(L, t, thread, status);
  lua_call(L, n, 0);
}

/* Resumes the receiver. The stack keeps it alive, because the conn may get
   another receiver while it runs. */
static void resume_receiver (lua_State *L, turn *t, conn *c) {
  lua_State *thread = c->seat.thread;
  int status;
  lua_getiuservalue(L, CONN, CONN_RECEIVER);
  c->seat.how = WOKEN;
  status = websock_resume(L, t, thread, 0);
  if (status == LUA_YIELD && t->parked)
    lua_pop(L, 1); /* remove the thread */
  else
    tell_loop(L, t, thread, status);
}

/* Calls the callbacks in a thread that is lent to them. If they have returned
   without waiting it is lent again; else it is one of the scheduler's. */
static void call_back (lua_State *L, turn *t, conn *c) {
  lua_State *thread;
  int status;
  lua_getiuservalue(L, SELF, TURN_LENT);
  thread = websock_lend(L, SELF, CONN);
  if (thread == NULL) {
    lua_settop(L, CONN);
    websock_tell(L, "digest",
                 SAW_EVENT); /* tries to lend one in the next turn */
    return;
  }
  lua_getiuservalue(L, CONN, CONN_LINK);
  c->seat.how = CALLING;
  status = websock_resume(L, t, thread, 2);
  if (status == LUA_OK)
    websock_keep(L, SELF, TURN_SPARE, -2);
  else if (status == LUA_YIELD && t->parked)
    lua_call(L, 2, 0);
  else
    lua_call(L, 2 + websock_outcome(L, t, thread, status), 0);
  lua_settop(L, CONN);
  if (ws_state(core(c)) == WS_CLOSED) websock_tell(L, "served", 0);
}

/* Tells the link what was found. If it is only a new state, as usual when a
   connection closes, calls `advance` at once: `digest` would do just that. */
static void tell_found (lua_State *L, int flags) {
  if (flags == SAW_STATE)
    websock_tell(L, "advance", 0);
  else if (flags != 0)
    websock_tell(L, "digest", flags);
}

/* Has the message at CONN taken. */
static void go_on (lua_State *L, turn *t, conn *c) {
  if (c->seat.how == FREE)
    call_back(L, t, c);
  else
    resume_receiver(L, t, c);
  if (c->fd != NET_NONE)
    tell_found(L, websock_digest(c, WANT_NOTHING)); /* what is behind */
}

/* Has the receiver resumed after all others. */
static void go_on_last (lua_State *L, turn *t, conn *c) {
  lua_getiuservalue(L, SELF, TURN_AFTER);
  lua_getiuservalue(L, CONN, CONN_RECEIVER);
  lua_pushboolean(L, 1);
  c->seat.how = RESTING;
  t->rests = 1;
  lua_call(L, 2, 0);
}

/* Marks the conn at CONN if it has output. Returns the flags that are left; all
   of them if that would take memory. */
static int mark_output (lua_State *L, const turn *t, int flags) {
  if (!(flags & SAW_OUT) || t->last >= t->room) return flags;
  websock_mark(L, SELF, CONN);
  return flags & ~SAW_OUT;
}

/* Answers the request that has arrived at CONN, if it is a usual one. */
static int upgrade (lua_State *L, turn *t, conn *c) {
  int flags;
  if (!websock_upgrade(L, CONN)) return 0;
  flags = websock_digest(c, WANT_NOTHING); /* frames may have come with it */
  if (c->state == WS_OPENED) flags &= ~SAW_STATE;
  tell_upgrade(L, mark_output(L, t, flags));
  return 1;
}

/* Tells the link what a read has found, and goes on as Link:pulled does. */
static void tell_pulled (lua_State *L, turn *t, net_poll *p, conn *c,
                         int flags) {
  if (!c->more && !(flags & SAW_END)) net_poll_rearm(p, c->fd, NET_READ);
  tell_found(L, mark_output(L, t, flags));
  if (c->more && c->fd != NET_NONE && !c->missed) websock_tell(L, "read_on", 0);
}

/* The end has come: resumes the receiver when Lua has looked at it. */
static int end_message (lua_State *L, turn *t, net_poll *p, conn *c,
                        int flags) {
  c->seat.how = NEXT;
  tell_pulled(L, t, p, c, flags & ~SAW_EVENT);
  if (c->seat.how == NEXT && websock_is_received(c)) go_on(L, t, c);
  return 0;
}

/* Reads for the receiver. Returns the flags that Lua has to look at; 0 if there
   are none, -1 if nothing was read. */
static int read_message (lua_State *L, turn *t, net_poll *p, conn *c) {
  int flags = websock_pull_first(c, c->seat.want);
  int is_parked = c->seat.how == PARKED;
  if (is_parked && flags >= 0 && (flags & SAW_EVENT) && (flags & SAW_STATE))
    return end_message(L, t, p, c, flags);
  if (flags < 0 || (flags & ~(SAW_EVENT | SAW_SWELLS))) return flags;
  if (!is_parked && (flags & SAW_SWELLS)) return flags;
  net_poll_rearm(p, c->fd, NET_READ);
  if (flags & SAW_SWELLS)
    go_on_last(L, t, c);
  else if (flags)
    go_on(L, t, c);
  return 0;
}

/* The same for a request. */
static int read_request (lua_State *L, turn *t, net_poll *p, conn *c) {
  int flags = websock_pull(c, WANT_MESSAGE);
  if (flags != 0 && (flags != SAW_EVENT || !upgrade(L, t, c))) return flags;
  net_poll_rearm(p, c->fd, NET_READ);
  return 0;
}

/* Whether a receiver waits that this file may resume, or callbacks do. */
static int is_waited_for (conn *c) {
  if (c->state != WS_OPENED) return 0;
  return c->seat.how == FREE ||
         (c->seat.how == PARKED && websock_is_received(c));
}

/* Serves the conn at CONN, which is ready. */
static void ready (lua_State *L, turn *t, net_poll *p, int what) {
  conn *c = (conn *)lua_touserdata(L, CONN);
  int flags = -1;
  int ours = c->fd != NET_NONE; /* not read and written by a socket object */
  if (ours && what == NET_WRITE && !c->blocked) return;
  if (ours && !c->blocked && !c->hangup && !(what & NET_HANGUP)) {
    if (is_waited_for(c))
      flags = read_message(L, t, p, c);
    else if (c->state == WS_CONNECTING && websock_may_upgrade(L, CONN))
      flags = read_request(L, t, p, c);
  }
  if (flags > 0)
    tell_pulled(L, t, p, c, flags);
  else if (flags < 0)
    websock_tell(L, "ready", what);
}

/* A turn begins. */
static void begin (turn *t) {
  t->before = t->now;
  t->now = net_now();
  if (t->found == NEVER) t->found = t->now;
  if (t->now - t->trimmed < TRIM) return;
  t->trimmed = t->now;
  ws_pool_trim(t->pool);
}

/* --------------------------------------------------- when memory runs out */

static int make_room (lua_State *L) {
  websock_mark_room(L, SELF, ROOM);
  return 0;
}

/* Makes room in the list of marked conns. Returns 0 if there is no memory. */
static int has_room (lua_State *L, const turn *t) {
  if (t->last + ROOM <= t->room) return 1;
  lua_pushcfunction(L, make_room);
  lua_pushvalue(L, SELF);
  if (lua_pcall(L, 1, 0, 0) == LUA_OK) return 1;
  lua_pop(L, 1); /* remove the error */
  return 0;
}

/* Has the link of the conn at CONN told that lack of memory has broken off its
   service, as often as that takes, from the end of this turn on. */
static void give_up (lua_State *L, turn *t, conn *c) {
  c->missed = 1;
  if (has_room(L, t)) {
    websock_mark(L, SELF, CONN);
    t->serving = NOBODY;
  }
}

/* The same if that was in an earlier turn, which it has ended by an error, or
   there was no room. Returns 0 if there is none now. */
static int give_up_missed (lua_State *L, turn *t) {
  if (!has_room(L, t)) return 0;
  if (t->serving == NOBODY) return 1;
  if (lua_rawgeti(L, LIST, t->serving) == LUA_TUSERDATA)
    give_up(L, t, (conn *)lua_touserdata(L, CONN));
  t->serving = NOBODY;
  lua_settop(L, FAILED);
  return 1;
}

/* ----------------------------------------------------------------- a turn */

static void serve_conn (lua_State *L, turn *t, net_poll *p, net_ready r) {
  conn *c = (conn *)lua_touserdata(L, CONN);
  t->serving = r.slot;
  ready(L, t, p, r.what);
  if (!c->missed) {
    t->serving = NOBODY;
    return;
  }
  lua_settop(L, CONN);
  give_up(L, t, c);
}

static void serve_other (lua_State *L, net_ready r) {
  websock_pushmethod(L, "ready");
  lua_pushinteger(L, r.what);
  websock_callmethod(L, 1);
}

/* Whether the turn has served for its slice of time: others are to run now. */
static int is_late (const turn *t) {
  return t->slice < HUGE_VAL && net_now() - t->now >= t->slice;
}

/* A callback may close the poller. No event is taken from it unless its conn
   can be marked if memory runs out. What is left when the turn is late comes
   first in the next one. */
void websock_serve (lua_State *L, turn *t, net_poll *const *p) {
  net_ready r;
  begin(t);
  while (give_up_missed(L, t) && *p && net_poll_next(*p, &r)) {
    switch (lua_rawgeti(L, LIST, r.slot)) {
      case LUA_TUSERDATA: serve_conn(L, t, *p, r); break;
      case LUA_TTABLE: serve_other(L, r);
    }
    lua_settop(L, FAILED);
    if (*p && net_poll_left(*p) && is_late(t)) return;
  }
}

/* turn:serve(poller) -> the time of this turn, which begins: serves what the
   poller has found */
static int turn_serve (lua_State *L) {
  turn *t = websock_toturn(L, SELF);
  net_poll *const *p = websock_topoll(L, 2);
  websock_push_served(L);
  websock_serve(L, t, p);
  lua_pushnumber(L, t->now);
  return 1;
}

const luaL_Reg websock_serve_methods[] = {{"serve", turn_serve}, {NULL, NULL}};
