/*
** lua_flush.c - the conns that are marked because something has to be written,
** and writing it at the end of a turn. Calls Lua where more is to be done than
** writing.
*/
#include "lua_serve.h"

#include <limits.h>

/* Pushes a table with room for the list and n more. Creating it may run
   finalizers, which may mark conns; if it is too small then, tries again. */
static lua_Integer new_list (lua_State *L, const turn *t, lua_Integer n) {
  for (;;) {
    lua_Integer room = 2 * (t->last + n);
    luaL_argcheck(L, room <= INT_MAX, 1, "too many");
    lua_createtable(L, (int)room, 0);
    if (t->last + n <= room) return room;
    lua_pop(L, 1); /* remove what is too small by now */
  }
}

void websock_mark_room (lua_State *L, int self, lua_Integer n) {
  turn *t = (turn *)lua_touserdata(L, self);
  lua_Integer room;
  if (t->last + n <= t->room) return;
  room = new_list(L, t, n);
  lua_getiuservalue(L, self, TURN_DIRTY);
  for (lua_Integer i = 1; i <= t->last; i++) { /* also those kept by flush */
    lua_rawgeti(L, -1, i);
    lua_rawseti(L, -3, i);
  }
  lua_pop(L, 1); /* remove the old list */
  lua_setiuservalue(L, self, TURN_DIRTY);
  t->room = room;
}

void websock_mark_top (lua_State *L, turn *t, conn *c, int list) {
  if (c->marked) {
    lua_pop(L, 1);
    return;
  }
  lua_rawseti(L, list, ++t->last);
  c->marked = 1;
}

void websock_mark (lua_State *L, int self, int at) {
  turn *t = (turn *)lua_touserdata(L, self);
  conn *c = (conn *)lua_touserdata(L, at);
  if (c->marked) return;
  lua_getiuservalue(L, self, TURN_DIRTY);
  lua_pushvalue(L, at);
  websock_mark_top(L, t, c, -2);
  lua_pop(L, 1); /* remove the list */
}

/* turn:mark(conn): marks the conn to be flushed at the end of the turn. */
static int turn_mark (lua_State *L) {
  websock_toturn(L, 1);
  luaL_checkudata(L, 2, "websock.conn");
  websock_mark_room(L, 1, 1);
  websock_mark(L, 1, 2);
  return 0;
}

/* turn:miss(conn): has link:failed called for it when it is flushed, and marks
   the conn for that if there is room. */
static int turn_miss (lua_State *L) {
  turn *t = websock_toturn(L, 1);
  conn *c = (conn *)luaL_checkudata(L, 2, CONN_TYPE);
  c->missed = 1;
  if (t->last < t->room) websock_mark(L, 1, 2);
  return 0;
}

/* turn:marks() -> whether any conn is marked */
static int turn_marks (lua_State *L) {
  turn *t = websock_toturn(L, 1);
  lua_pushboolean(L, t->first <= t->last);
  return 1;
}

/* Puts the list of marked conns to LIST (where the watchers were), unless it
   still is the one with room for `room` conns. Returns for how many it has
   room. */
static lua_Integer get_list (lua_State *L, const turn *t, lua_Integer room) {
  if (t->room == room) return room;
  lua_getiuservalue(L, SELF, TURN_DIRTY);
  lua_replace(L, LIST);
  return t->room;
}

/* Moves the next conn of the list to CONN. */
static conn *take_marked (lua_State *L, turn *t) {
  lua_rawgeti(L, LIST, t->first);
  lua_pushnil(L);
  lua_rawseti(L, LIST, t->first++);
  return (conn *)lua_touserdata(L, CONN);
}

/* Writes the queue, in the stages in which nobody waits for that. Returns
   whether everything has left. */
static int push_all (conn *c) {
  if (c->fd == NET_NONE || c->line || websock_backlog(c) > c->max_queue)
    return 0;
  if (c->state != WS_OPENED && c->state != WS_CLOSED) return 0;
  return websock_push(c) == 0 && ws_queued(core(c)) == 0 && !c->blocked;
}

/* Writes the conn at CONN. */
static void flush (lua_State *L, conn *c) {
  if (c->missed) {
    c->missed = 0;
    websock_tell(L, "failed", 0);
  } else if (!push_all(c)) {
    websock_tell(L, "flush", 0);
  } else if (c->state == WS_CLOSED) {
    websock_tell(L, websock_is_over(c) ? "release" : "shut", 0);
  }
}

/* Puts the conn at CONN back for the next flush, at a place of the list that is
   free. */
static void keep (lua_State *L, conn *c, lua_Integer place) {
  lua_getiuservalue(L, SELF, TURN_DIRTY);
  lua_pushvalue(L, CONN);
  lua_rawseti(L, -2, place);
  c->marked = 1;
}

/* Conns for which memory runs out are tried once, and left for next time. */
void websock_flush (lua_State *L, turn *t) {
  lua_Integer kept = 0, end = t->last, room = 0;
  for (; t->first <= t->last; lua_settop(L, FAILED)) {
    conn *c;
    int was_tried;
    room = get_list(L, t, room);
    c = take_marked(L, t);
    was_tried = c->missed && t->first - 1 > end;
    c->marked = 0;
    if (!was_tried) flush(L, c);
    if (c->missed && !c->marked) keep(L, c, ++kept);
  }
  t->first = 1;
  t->last = kept;
}

/* turn:flush(): writes what was queued, until no conn is marked. */
static int turn_flush (lua_State *L) {
  turn *t = websock_toturn(L, SELF);
  websock_push_served(L);
  websock_flush(L, t);
  return 0;
}

const luaL_Reg websock_flush_methods[] = {{"flush", turn_flush},
                                          {"mark", turn_mark},
                                          {"marks", turn_marks},
                                          {"miss", turn_miss},
                                          {NULL, NULL}};
