/*
** lua_upgrade.c - the answer to the usual opening handshake: a request that
** keeps all rules, to a server whose options need no Lua to choose an answer.
** server/handshake.lua answers every other request, and decides what is usual;
** so this changes nothing before it knows that it can finish.
*/
#include <string.h>

#include "lua_conn.h"

/* More header fields than a 101 usually gets: Lua adds those of longer lists.
 */
enum { FIELDS = 8 };

/* core.usual(config, any_origin, protocols, fields): lets the usual requests of
   conns of this configuration be answered here. any_origin: every page may
   connect; protocols: list in order of preference, or nil; fields: list for
   conn:accept, or nil. */
static int l_usual (lua_State *L) {
  config *own = (config *)websock_check(L, 1, websock_config_type);
  lua_settop(L, 4);
  own->any_origin = (unsigned char)lua_toboolean(L, 2);
  lua_setiuservalue(L, 1, CONFIG_FIELDS);
  lua_setiuservalue(L, 1, CONFIG_PROTOCOLS);
  own->usual = 1;
  return 0;
}

/* core.allow(config, origin, host): lets further requests with these very
   fields Origin and Host pass. Only the last pair is kept. */
static int l_allow (lua_State *L) {
  websock_check(L, 1, websock_config_type);
  luaL_checktype(L, 2, LUA_TSTRING);
  luaL_checktype(L, 3, LUA_TSTRING);
  lua_settop(L, 3);
  lua_setiuservalue(L, 1, CONFIG_HOST);
  lua_setiuservalue(L, 1, CONFIG_ORIGIN);
  return 0;
}

/* ---------------------------------------------------------------- the steps */

/* Whether the field is there and equal to the config's string; the config is on
   the top. */
static int is_kept (lua_State *L, int which, ws_str field) {
  size_t n = 0;
  const char *p = NULL;
  if (lua_getiuservalue(L, -1, which) == LUA_TSTRING)
    p = lua_tolstring(L, -1, &n);
  lua_pop(L, 1); /* the config still refers to it */
  return p && field.p && n == field.n && memcmp(p, field.p, n) == 0;
}

/* Whether the request comes from no page, or from one that may connect. An
   absolute target has a host of its own. */
static int is_allowed (lua_State *L, const config *own, const conn *c) {
  ws_str origin = websock_field(core(c), "origin");
  if (origin.p == NULL || own->any_origin) return 1;
  return ws_http(core(c))->target.p[0] == '/' &&
         is_kept(L, CONFIG_ORIGIN, origin) &&
         is_kept(L, CONFIG_HOST, websock_field(core(c), "host"));
}

static int is_offered (const conn *c, ws_str protocol) {
  ws_str s;
  for (size_t i = 0; (s = ws_offered(core(c), i)).p != NULL; i++)
    if (s.n == protocol.n && memcmp(s.p, protocol.p, s.n) == 0) return 1;
  return 0;
}

/* Pushes the first subprotocol of the list at `list` that the request offers;
   nil if it offers none. */
static void push_choice (lua_State *L, const conn *c, int list) {
  lua_Integer n = lua_istable(L, list) ? (lua_Integer)lua_rawlen(L, list) : 0;
  if (ws_offered(core(c), 0).p == NULL) n = 0;
  for (lua_Integer i = 1; i <= n; i++) {
    ws_str s = {NULL, 0};
    if (lua_rawgeti(L, list, i) == LUA_TSTRING)
      s.p = lua_tolstring(L, -1, &s.n);
    if (s.p && is_offered(c, s)) return;
    lua_pop(L, 1); /* remove what is not offered */
  }
  lua_pushnil(L);
}

/* conn:choose(list) -> the first subprotocol in the list that the current
   request offers, or nil */
static int conn_choose (lua_State *L) {
  conn *c = websock_toconn(L);
  luaL_checktype(L, 2, LUA_TTABLE);
  push_choice(L, c, 2);
  return 1;
}

/* Answers 101 with the subprotocol on the top and the fields in the list below
   it. Returns 0, or a negative number if nothing is done. */
static int accept (lua_State *L, conn *c) {
  int top = lua_gettop(L);
  ws_str protocol = websock_str(L, top);
  ws_field fields[FIELDS];
  size_t n = lua_istable(L, top - 1) ? (size_t)lua_rawlen(L, top - 1) / 2 : 0;
  if (n > FIELDS || websock_keep_request(L, c) < 0) return -1;
  websock_getfields(L, top - 1, fields, n);
  return ws_accept(core(c), protocol, fields, n);
}

/* --------------------------------------------------------------- the answer */

int websock_may_upgrade (lua_State *L, int at) {
  const conn *c = (const conn *)lua_touserdata(L, at);
  const config *own;
  lua_getiuservalue(L, at, CONN_CONFIG);
  own = (const config *)lua_touserdata(L, -1);
  lua_pop(L, 1); /* the conn still refers to it */
  return own->usual && !c->unusual && ws_http(core(c)) == NULL;
}

int websock_upgrade (lua_State *L, int at) {
  conn *c = (conn *)lua_touserdata(L, at);
  const ws_head *head = ws_http(core(c));
  int top = lua_gettop(L), done;
  lua_getiuservalue(L, at, CONN_CONFIG);
  done = head && head->upgrade &&
         is_allowed(L, (const config *)lua_touserdata(L, -1), c);
  if (done) {
    lua_getiuservalue(L, top + 1, CONFIG_PROTOCOLS);
    lua_getiuservalue(L, top + 1, CONFIG_FIELDS);
    push_choice(L, c, top + 2);
    done = accept(L, c) == 0;
  }
  if (done) c->calls++;
  if (done) lua_replace(L, top + 1); /* the config, by the subprotocol */
  lua_settop(L, top + done);
  return done;
}

/* conn:unusual(): has Lua answer its request. */
static int conn_unusual (lua_State *L) {
  websock_toconn(L)->unusual = 1;
  return 0;
}

const luaL_Reg websock_upgrade_methods[] = {
    {"choose", conn_choose}, {"unusual", conn_unusual}, {NULL, NULL}};

void websock_open_upgrade (lua_State *L) {
  lua_pushcfunction(L, l_usual);
  lua_setfield(L, -2, "usual");
  lua_pushcfunction(L, l_allow);
  lua_setfield(L, -2, "allow");
}
