/*
** lua_audience.c - the conns that a message goes to: a table with the list of
** them, which lua_broadcast.c reads, and each one's place in that list:
** {conn, ..., [conn] = place}. The list has no gaps, because the last conn
** takes the place of one that leaves.
*/
#include "lua_conn.h"

/* Stack indices. */
enum { AUDIENCE = 1, CONN_ARG };

static void check_arguments (lua_State *L) {
  luaL_checktype(L, AUDIENCE, LUA_TTABLE);
  websock_check(L, CONN_ARG, websock_conn_type);
  lua_settop(L, CONN_ARG);
}

/* Sets the place of the conn on the top, which it pops; 0: none. */
static void set_place (lua_State *L, lua_Integer place) {
  if (place)
    lua_pushinteger(L, place);
  else
    lua_pushnil(L);
  lua_rawset(L, AUDIENCE);
}

/* Returns the place of the conn, 0 if it has none. */
static lua_Integer get_place (lua_State *L) {
  lua_Integer place;
  lua_pushvalue(L, CONN_ARG);
  lua_rawget(L, AUDIENCE);
  place = lua_tointeger(L, -1);
  lua_pop(L, 1); /* remove it */
  return place;
}

/* Whether the conn is in the list, at this place. */
static int is_listed (lua_State *L, lua_Integer place) {
  int is_there;
  lua_rawgeti(L, AUDIENCE, place);
  is_there = lua_rawequal(L, -1, CONN_ARG);
  lua_pop(L, 1); /* remove the conn */
  return is_there;
}

/* core.join(audience, conn): adds the conn, once. Its place is set first: if
   there is no memory for its entry in the list, a place alone counts for
   nothing. */
static int l_join (lua_State *L) {
  lua_Integer place;
  check_arguments(L);
  if (is_listed(L, get_place(L))) return 0;
  place = (lua_Integer)lua_rawlen(L, AUDIENCE) + 1;
  lua_pushvalue(L, CONN_ARG);
  set_place(L, place);
  lua_pushvalue(L, CONN_ARG);
  lua_rawseti(L, AUDIENCE, place);
  return 0;
}

/* core.leave(audience, conn): removes it, if it is there. Sets only entries
   that exist, so it allocates nothing: Lua 5.4.0 does for new ones even if
   they are set to nil. */
static int l_leave (lua_State *L) {
  lua_Integer place, last;
  int was_listed;
  check_arguments(L);
  place = get_place(L);
  if (place == 0) return 0;
  was_listed = is_listed(L, place);
  lua_pushvalue(L, CONN_ARG);
  set_place(L, 0);
  if (!was_listed) return 0;
  last = (lua_Integer)lua_rawlen(L, AUDIENCE);
  if (place != last) {
    lua_rawgeti(L, AUDIENCE, last);
    lua_pushvalue(L, -1);
    set_place(L, place);
    lua_rawseti(L, AUDIENCE, place);
  }
  lua_pushnil(L);
  lua_rawseti(L, AUDIENCE, last);
  return 0;
}

static const luaL_Reg functions[] = {
    {"join", l_join}, {"leave", l_leave}, {NULL, NULL}};

void websock_open_audience (lua_State *L) { luaL_setfuncs(L, functions, 0); }
