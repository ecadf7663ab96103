/*
** lua_head.c - the opening handshake: methods of `websock.conn`. Pointers into
** the head are fetched anew after each call that may collect.
*/
#include "lua_conn.h"

/* conn:handshake() -> "request", body | "open" | "refused", body
   | nil, "again" | nil, "closed", code, reason. The event stays until `taken`,
   `accept` or `reject`, and `head` tells more while it does. */
static int conn_handshake (lua_State *L) {
  conn *c = websock_toconn(L);
  ws_event ev;
  int r;
  r = ws_next(core(c), &ev);
  if (r <= 0) return websock_noevent(L, c, r);
  switch (ev.type) {
    case WS_OPEN: lua_pushliteral(L, "open"); return 1;
    case WS_REQUEST: lua_pushliteral(L, "request"); break;
    case WS_REFUSED: lua_pushliteral(L, "refused"); break;
    default: return websock_nil(L, "again");
  }
  /* the data may have moved, but nothing above runs anything that uses c
     before the copy is made */
  lua_pushlstring(L, ev.size > 0 ? ev.data : "", ev.size);
  return 2;
}

/* conn:taken(): the handshake's event is dealt with. */
static int conn_taken (lua_State *L) {
  conn *c = websock_toconn(L);
  c->taken++;
  ws_taken(core(c));
  return 0;
}

static void set_str (lua_State *L, const char *name, ws_str s) {
  if (s.p == NULL) return;
  lua_pushlstring(L, s.p, s.n);
  lua_setfield(L, -2, name);
}

static void push_lower (lua_State *L, ws_str s) {
  luaL_Buffer b;
  char *p = luaL_buffinitsize(L, &b, s.n);
  for (size_t i = 0; i < s.n; i++) {
    char ch = s.p[i];
    p[i] = (ch >= 'A' && ch <= 'Z') ? (char)(ch + ('a' - 'A')) : ch;
  }
  luaL_pushresultsize(&b, s.n);
}

static int is_named (ws_str s, const char *name) {
  size_t i = 0;
  for (; i < s.n && name[i] != '\0'; i++) {
    char ch = s.p[i];
    if (ch >= 'A' && ch <= 'Z') ch = (char)(ch + ('a' - 'A'));
    if (ch != name[i]) return 0;
  }
  return i == s.n && name[i] == '\0';
}

/* Adds field i to the table on the top; a repeated one is joined by ", "
   (RFC 9110 section 5.3). The pointers are fetched anew after each allocation:
   see the top of this file. */
static void add_field (lua_State *L, conn *c, size_t i) {
  ws_field f = ws_http_field(core(c), i);
  push_lower(L, f.name);
  lua_pushvalue(L, -1);
  if (lua_rawget(L, -3) == LUA_TSTRING) {
    lua_pushliteral(L, ", ");
    f = ws_http_field(core(c), i);
    lua_pushlstring(L, f.value.p, f.value.n);
    lua_concat(L, 3);
  } else {
    lua_pop(L, 1); /* remove nil */
    f = ws_http_field(core(c), i);
    lua_pushlstring(L, f.value.n > 0 ? f.value.p : "", f.value.n);
  }
  lua_rawset(L, -3);
}

/* conn:head() -> {upgrade=, minor=, method=, target=, status=, reason=,
   headers = {[lower-case name] = value}} of the handshake's current event */
static int conn_head (lua_State *L) {
  conn *c = websock_toconn(L);
  const ws_head *head = ws_http(core(c));
  size_t nfields;
  if (head == NULL) return 0;
  nfields = head->nfields;
  lua_createtable(L, 0, 7);
  lua_createtable(L, 0, (int)nfields);
  for (size_t i = 0; i < nfields; i++) add_field(L, c, i);
  lua_setfield(L, -2, "headers");
  head = ws_http(core(c));
  lua_pushboolean(L, head->upgrade);
  lua_setfield(L, -2, "upgrade");
  lua_pushinteger(L, head->minor);
  lua_setfield(L, -2, "minor");
  if (head->status != 0) {
    lua_pushinteger(L, head->status);
    lua_setfield(L, -2, "status");
  }
  set_str(L, "method", head->method);
  set_str(L, "target", ws_http(core(c))->target);
  set_str(L, "reason", ws_http(core(c))->reason);
  return 1;
}

static void add_str (luaL_Buffer *b, ws_str s) {
  if (s.n > 0) luaL_addlstring(b, s.p, s.n);
}

/* conn:head_text() -> the request of the current event as it could have been
   sent: a server keeps this short form until somebody asks for more */
static int conn_head_text (lua_State *L) {
  conn *c = websock_toconn(L);
  const ws_head *head = ws_http(core(c));
  luaL_Buffer b;
  if (head == NULL) return 0;
  luaL_buffinit(L, &b); /* nobody else uses c before the last line */
  add_str(&b, head->method);
  luaL_addchar(&b, ' ');
  add_str(&b, head->target);
  luaL_addstring(&b, " HTTP/1.1\r\n");
  for (size_t i = 0; i < head->nfields; i++) {
    ws_field f = ws_http_field(core(c), i);
    add_str(&b, f.name);
    luaL_addstring(&b, ": ");
    add_str(&b, f.value);
    luaL_addstring(&b, "\r\n");
  }
  luaL_addstring(&b, "\r\n");
  luaL_pushresult(&b);
  return 1;
}

/* conn:is_upgrade() -> whether the current request is a WebSocket handshake */
static int conn_is_upgrade (lua_State *L) {
  const ws_head *head = ws_http(core(websock_toconn(L)));
  lua_pushboolean(L, head && head->upgrade);
  return 1;
}

/* conn:head_target() -> the current request's target, as sent */
static int conn_head_target (lua_State *L) {
  const ws_head *head = ws_http(core(websock_toconn(L)));
  if (head == NULL) return 0;
  lua_pushlstring(L, head->target.p, head->target.n);
  return 1;
}

/* conn:head_field(name) -> the value of a field of the current event, repeats
   joined by ", ", or nil. name is in lower case. */
static int conn_head_field (lua_State *L) {
  conn *c = websock_toconn(L);
  const char *name = luaL_checkstring(L, 2);
  const ws_head *head = ws_http(core(c));
  lua_pushnil(L);
  for (size_t i = 0; head && i < head->nfields; i++) {
    ws_field f = ws_http_field(core(c), i);
    if (!is_named(f.name, name)) continue;
    if (lua_isnil(L, -1)) {
      lua_pop(L, 1); /* remove nil */
      lua_pushlstring(L, f.value.n > 0 ? f.value.p : "", f.value.n);
    } else {
      lua_pushliteral(L, ", ");
      f = ws_http_field(core(c), i);
      lua_pushlstring(L, f.value.p, f.value.n);
      lua_concat(L, 3);
    }
    head = ws_http(core(c)); /* the lines above may have collected */
  }
  return 1;
}

/* conn:offered() -> list of the subprotocols that a request offers */
static int conn_offered (lua_State *L) {
  conn *c = websock_toconn(L);
  ws_str s;
  lua_newtable(L);
  for (size_t n = 0; (s = ws_offered(core(c), n)).p != NULL; n++) {
    lua_pushlstring(L, s.p, s.n);
    lua_rawseti(L, -2, (lua_Integer)n + 1);
  }
  return 1;
}

/* conn:chosen() -> the subprotocol that the server chose, or nil */
static int conn_chosen (lua_State *L) {
  ws_str s = ws_chosen(core(websock_toconn(L)));
  if (s.p == NULL) return 0;
  lua_pushlstring(L, s.p, s.n);
  return 1;
}

/* conn:extensions() -> what was agreed on, as the server's field says it, or
   nil */
static int conn_extensions (lua_State *L) {
  char text[WS_EXTENSIONS];
  size_t n = ws_extensions(core(websock_toconn(L)), text);
  if (n == 0) return 0;
  lua_pushlstring(L, text, n);
  return 1;
}

/* --------------------------------------------------------------- handshake */

static ws_str check_str (lua_State *L, int arg) {
  ws_str s;
  s.p = luaL_optlstring(L, arg, NULL, &s.n);
  if (s.p == NULL) s.n = 0;
  return s;
}

/* The string at index i of the list at arg, which keeps it alive. */
static ws_str list_str (lua_State *L, int arg, lua_Integer i) {
  ws_str s;
  luaL_argcheck(L, lua_rawgeti(L, arg, i) == LUA_TSTRING, arg,
                "list of strings expected");
  s.p = lua_tolstring(L, -1, &s.n);
  lua_pop(L, 1); /* the list still refers to it */
  return s;
}

/* The list {name, value, name, value ...} at arg, if there is one, as fields in
   memory that the stack owns. */
static const ws_field *check_fields (lua_State *L, int arg, size_t *n) {
  ws_field *fields;
  *n = 0;
  if (lua_isnoneornil(L, arg)) return NULL;
  luaL_checktype(L, arg, LUA_TTABLE);
  *n = (size_t)lua_rawlen(L, arg) / 2;
  if (*n == 0) return NULL;
  fields = (ws_field *)lua_newuserdatauv(L, *n * sizeof(ws_field), 0);
  for (size_t i = 0; i < *n; i++) {
    fields[i].name = list_str(L, arg, (lua_Integer)(2 * i + 1));
    fields[i].value = list_str(L, arg, (lua_Integer)(2 * i + 2));
  }
  return fields;
}

static const ws_str *check_strs (lua_State *L, int arg, size_t *n) {
  ws_str *strs;
  *n = 0;
  if (lua_isnoneornil(L, arg)) return NULL;
  luaL_checktype(L, arg, LUA_TTABLE);
  *n = (size_t)lua_rawlen(L, arg);
  if (*n == 0) return NULL;
  strs = (ws_str *)lua_newuserdatauv(L, *n * sizeof(ws_str), 0);
  for (size_t i = 0; i < *n; i++)
    strs[i] = list_str(L, arg, (lua_Integer)i + 1);
  return strs;
}

/* conn:request(host, target [, protocols [, fields]]) -> true | nil, rule */
static int conn_request (lua_State *L) {
  conn *c = websock_toconn(L);
  lua_settop(L, 5); /* what is pushed below is no argument */
  ws_str host = check_str(L, 2), target = check_str(L, 3);
  size_t nprotocols, nfields;
  const ws_str *protocols = check_strs(L, 4, &nprotocols);
  const ws_field *fields = check_fields(L, 5, &nfields);
  return websock_pushresult(L, c,
                            ws_request(core(c), host, target, protocols,
                                       nprotocols, fields, nfields));
}

/* conn:accept([protocol [, fields]]) -> true | nil, rule */
static int conn_accept (lua_State *L) {
  conn *c = websock_toconn(L);
  ws_str protocol = check_str(L, 2);
  size_t nfields;
  const ws_field *fields = check_fields(L, 3, &nfields);
  c->taken++;
  return websock_pushresult(L, c,
                            ws_accept(core(c), protocol, fields, nfields));
}

/* Bodies from here on are referred to, however many connections have one. */
enum { LARGE_BODY = 4096 };

/* conn:reject(status [, fields [, body]]) -> true | nil, rule */
static int conn_reject (lua_State *L) {
  conn *c = websock_toconn(L);
  int status = (int)luaL_checkinteger(L, 2);
  ws_str body = check_str(L, 4);
  size_t nfields;
  const ws_field *fields = check_fields(L, 3, &nfields);
  int r;
  c->taken++;
  if (body.n < LARGE_BODY || lua_type(L, 4) != LUA_TSTRING) {
    r = ws_reject(core(c), status, fields, nfields, body);
  } else {
    r = ws_reject_borrowed(core(c), status, fields, nfields, body);
    lua_pushvalue(L, 4);
    if (r == 0) lua_setiuservalue(L, 1, CONN_BODY);
  }
  return websock_pushresult(L, c, r);
}

const luaL_Reg websock_head_methods[] = {{"accept", conn_accept},
                                         {"chosen", conn_chosen},
                                         {"extensions", conn_extensions},
                                         {"handshake", conn_handshake},
                                         {"head", conn_head},
                                         {"head_field", conn_head_field},
                                         {"head_target", conn_head_target},
                                         {"head_text", conn_head_text},
                                         {"is_upgrade", conn_is_upgrade},
                                         {"offered", conn_offered},
                                         {"reject", conn_reject},
                                         {"request", conn_request},
                                         {"taken", conn_taken},
                                         {NULL, NULL}};
