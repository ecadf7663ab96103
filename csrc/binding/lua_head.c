/*
** lua_head.c - the opening handshake: methods of `websock.conn`.
**
** Creating a Lua value may collect, and a finalizer may then answer or end this
** very connection, which frees its head. So a string is written in one step,
** and a table, which takes many values, is made from a copy of the head.
** Strings could be made from a copy too, but that would leave a copy of each
** request as garbage: a server asks for every request's text, seldom for a
** table.
*/
#include <string.h>

#include "lua_conn.h"

/* ------------------------------------------------------------------- a copy */

/* A head in a userdata on the stack; its bytes follow the fields. */
typedef struct copy {
  ws_head head;
  ws_field fields[];
} copy;

static size_t copy_size (const ws_conn *core, const ws_head *head) {
  size_t n = sizeof(copy) + head->nfields * sizeof(ws_field) + head->method.n +
             head->target.n + head->reason.n;
  for (size_t i = 0; i < head->nfields; i++) {
    ws_field f = ws_http_field(core, i);
    n += f.name.n + f.value.n;
  }
  return n;
}

static ws_str copy_str (char **to, ws_str s) {
  ws_str mine = {*to, s.n};
  if (s.n > 0) memcpy(*to, s.p, s.n);
  *to += s.n;
  return mine;
}

static void fill (copy *h, const ws_conn *core, const ws_head *head) {
  char *to = (char *)(h->fields + head->nfields);
  h->head = *head;
  h->head.method = copy_str(&to, head->method);
  h->head.target = copy_str(&to, head->target);
  h->head.reason = copy_str(&to, head->reason);
  for (size_t i = 0; i < head->nfields; i++) {
    ws_field f = ws_http_field(core, i);
    h->fields[i].name = copy_str(&to, f.name);
    h->fields[i].value = copy_str(&to, f.value);
  }
}

/* Pushes a copy of the current event's head. If there is none (any more),
   pushes nothing and returns NULL. */
static const copy *push_copy (lua_State *L, conn *c) {
  const ws_head *head;
  while ((head = ws_http(core(c))) != NULL) {
    size_t size = copy_size(core(c), head);
    copy *h = (copy *)lua_newuserdatauv(L, size, 0);
    head = ws_http(core(c)); /* the line above may have collected */
    if (head && copy_size(core(c), head) == size) {
      fill(h, core(c), head);
      return h;
    }
    lua_pop(L, 1); /* remove what does not fit */
  }
  return NULL;
}

/* --------------------------------------------------------------- its events */

/* conn:handshake() -> "request", body | "open" | "refused", body
   | nil, "again" | nil, "closed", code, reason. The event stays current until
   `taken`, `accept` or `reject`; until then `head` returns its fields. */
static int conn_handshake (lua_State *L) {
  conn *c = websock_toconn(L);
  ws_event ev;
  int r = ws_next(core(c), &ev);
  if (r <= 0) return websock_noevent(L, c, r);
  if (ev.type == WS_OPEN) {
    lua_pushliteral(L, "open");
    return 1;
  }
  if (ev.type != WS_REQUEST && ev.type != WS_REFUSED)
    return websock_nil(L, "again");
  lua_pushlstring(L, ev.size > 0 ? ev.data : "", ev.size); /* bytes first */
  lua_pushstring(L, ev.type == WS_REQUEST ? "request" : "refused");
  lua_insert(L, -2);
  return 2;
}

/* conn:taken(): takes the handshake's event, but no message. */
static int conn_taken (lua_State *L) {
  conn *c = websock_toconn(L);
  if (ws_http(core(c)) == NULL) return 0;
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

/* Separates the values of a repeated field (RFC 9110 section 5.3). Those of
   Set-Cookie contain commas. */
static const char *separator (ws_str name) {
  return is_named(name, "set-cookie") ? "\n" : ", ";
}

/* Adds a field to the table on the top, joined to the value that it has. */
static void add_field (lua_State *L, const ws_field *f) {
  push_lower(L, f->name);
  lua_pushvalue(L, -1);
  if (lua_rawget(L, -3) == LUA_TSTRING) {
    lua_pushstring(L, separator(f->name));
    lua_pushlstring(L, f->value.p, f->value.n);
    lua_concat(L, 3);
  } else {
    lua_pop(L, 1); /* remove nil */
    lua_pushlstring(L, f->value.p, f->value.n);
  }
  lua_rawset(L, -3);
}

static void push_headers (lua_State *L, const copy *h) {
  lua_createtable(L, 0, (int)h->head.nfields);
  for (size_t i = 0; i < h->head.nfields; i++) add_field(L, &h->fields[i]);
}

/* conn:head() -> {upgrade=, minor=, method=, target=, status=, reason=,
   headers = {[lower-case name] = value}} of the handshake's current event,
   nil if there is none. Repeated fields are joined by ", ", Set-Cookie by
   "\n". */
static int conn_head (lua_State *L) {
  const copy *h = push_copy(L, websock_toconn(L));
  if (h == NULL) return 0;
  lua_createtable(L, 0, 7);
  push_headers(L, h);
  lua_setfield(L, -2, "headers");
  lua_pushboolean(L, h->head.upgrade);
  lua_setfield(L, -2, "upgrade");
  lua_pushinteger(L, h->head.minor);
  lua_setfield(L, -2, "minor");
  if (h->head.status != 0) {
    lua_pushinteger(L, h->head.status);
    lua_setfield(L, -2, "status");
  }
  set_str(L, "method", h->head.method);
  set_str(L, "target", h->head.target);
  set_str(L, "reason", h->head.reason);
  return 1;
}

/* ---------------------------------------------------------- parts of a head */

/* Writes bytes to p, or only counts them if p is NULL. */
typedef struct writer {
  char *p;
  size_t n;
} writer;

static void write_str (writer *w, ws_str s) {
  if (w->p && s.n > 0) memcpy(w->p + w->n, s.p, s.n);
  w->n += s.n;
}

static void write_literal (writer *w, const char *p) {
  ws_str s = {p, strlen(p)};
  write_str(w, s);
}

/* Writes the part of a head that `arg` selects. Returns whether there is
   any. */
typedef int (*write_head)(writer *w, const ws_conn *core, const ws_head *head,
                          const char *arg);

/* Pushes what f writes, or nil. f writes in one step after everything that may
   collect, and the string is the only memory it needs. */
static int push_written (lua_State *L, conn *c, write_head f, const char *arg) {
  for (;;) {
    const ws_head *head = ws_http(core(c));
    writer count = {NULL, 0}, w = {NULL, 0};
    luaL_Buffer b;
    if (head == NULL || !f(&count, core(c), head, arg)) return 0;
    w.p = luaL_buffinitsize(L, &b, count.n);
    size_t n = count.n;
    count.n = 0;
    head = ws_http(core(c)); /* the line before may have collected */
    if (head && f(&count, core(c), head, arg) && count.n == n) {
      f(&w, core(c), head, arg);
      luaL_pushresultsize(&b, n);
      return 1;
    }
    luaL_pushresultsize(&b, 0);
    lua_pop(L, 1); /* remove what does not fit */
  }
}

static int write_text (writer *w, const ws_conn *core, const ws_head *head,
                       const char *arg) {
  (void)arg;
  write_str(w, head->method);
  write_literal(w, " ");
  write_str(w, head->target);
  write_literal(w, " HTTP/1.1\r\n");
  for (size_t i = 0; i < head->nfields; i++) {
    ws_field f = ws_http_field(core, i);
    write_str(w, f.name);
    write_literal(w, ": ");
    write_str(w, f.value);
    write_literal(w, "\r\n");
  }
  write_literal(w, "\r\n");
  return 1;
}

static int write_field (writer *w, const ws_conn *core, const ws_head *head,
                        const char *name) {
  int found = 0;
  for (size_t i = 0; i < head->nfields; i++) {
    ws_field f = ws_http_field(core, i);
    if (!is_named(f.name, name)) continue;
    if (found) write_literal(w, separator(f.name));
    write_str(w, f.value);
    found = 1;
  }
  return found;
}

ws_str websock_field (const ws_conn *core, const char *name) {
  const ws_head *head = ws_http(core);
  for (size_t i = 0; head && i < head->nfields; i++) {
    ws_field f = ws_http_field(core, i);
    if (is_named(f.name, name)) return f.value;
  }
  return (ws_str){NULL, 0};
}

/* conn:head_text() -> the current request, put together again as HTTP text: a
   server keeps this short form until the application asks for more */
static int conn_head_text (lua_State *L) {
  return push_written(L, websock_toconn(L), write_text, NULL);
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

/* conn:head_field(name) -> the value of a field of the current event, or nil.
   Repeats are joined as in `head`. name is in lower case. */
static int conn_head_field (lua_State *L) {
  conn *c = websock_toconn(L);
  return push_written(L, c, write_field, luaL_checkstring(L, 2));
}

/* conn:offered() -> list of the subprotocols that a request offers. Each is
   looked up anew, as a finalizer may answer the request meanwhile. */
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

/* conn:extensions() -> the extensions agreed on, as in the server's field, or
   nil */
static int conn_extensions (lua_State *L) {
  char text[WS_EXTENSIONS];
  size_t n = ws_extensions(core(websock_toconn(L)), text);
  if (n == 0) return 0;
  lua_pushlstring(L, text, n);
  return 1;
}

/* --------------------------------------------------------------- handshake */

ws_str websock_str (lua_State *L, int arg) {
  ws_str s;
  s.p = luaL_optlstring(L, arg, NULL, &s.n);
  if (s.p == NULL) s.n = 0;
  return s;
}

/* Returns the string at index i of the list at arg, which keeps it alive. */
static ws_str list_str (lua_State *L, int arg, lua_Integer i) {
  ws_str s;
  luaL_argcheck(L, lua_rawgeti(L, arg, i) == LUA_TSTRING, arg,
                "list of strings expected");
  s.p = lua_tolstring(L, -1, &s.n);
  lua_pop(L, 1); /* the list still refers to it */
  return s;
}

/* Pushes room for the items of the list at arg, which have `per` values each;
   returns NULL and 0 for none. The caller reads the list after the last call
   that may collect: a finalizer may remove strings, which are then dead. */
static void *push_room (lua_State *L, int arg, int per, size_t size,
                        size_t *n) {
  *n = 0;
  if (lua_isnoneornil(L, arg)) return NULL;
  luaL_checktype(L, arg, LUA_TTABLE);
  *n = (size_t)lua_rawlen(L, arg) / (size_t)per;
  return *n > 0 ? lua_newuserdatauv(L, *n * size, 0) : NULL;
}

void websock_getfields (lua_State *L, int list, ws_field *fields, size_t n) {
  for (size_t i = 0; i < n; i++) {
    fields[i].name = list_str(L, list, (lua_Integer)(2 * i + 1));
    fields[i].value = list_str(L, list, (lua_Integer)(2 * i + 2));
  }
}

/* The same in one step, for a call after which nothing collects. */
static const ws_field *check_fields (lua_State *L, int arg, size_t *n) {
  ws_field *fields = (ws_field *)push_room(L, arg, 2, sizeof *fields, n);
  websock_getfields(L, arg, fields, *n);
  return fields;
}

/* conn:request(host, target [, protocols [, fields]]) -> true | nil, rule */
static int conn_request (lua_State *L) {
  conn *c = websock_toconn(L);
  lua_settop(L, 5); /* room pushed below must not pass for an argument */
  ws_str host = websock_str(L, 2), target = websock_str(L, 3);
  size_t nstrs, nfields;
  ws_str *strs = (ws_str *)push_room(L, 4, 1, sizeof *strs, &nstrs);
  const ws_field *fields = check_fields(L, 5, &nfields);
  for (size_t i = 0; i < nstrs; i++)
    strs[i] = list_str(L, 4, (lua_Integer)i + 1);
  return websock_pushresult(
      L, c, ws_request(core(c), host, target, strs, nstrs, fields, nfields));
}

/* conn:accept([protocol [, fields]]) -> true | nil, rule */
static int conn_accept (lua_State *L) {
  conn *c = websock_toconn(L);
  ws_str protocol = websock_str(L, 2);
  size_t nfields;
  const ws_field *fields = check_fields(L, 3, &nfields);
  return websock_pushresult(L, c,
                            ws_accept(core(c), protocol, fields, nfields));
}

/* Bodies of this size and more are referred to, not copied: many connections
   may share one. */
enum { LARGE_BODY = 4096 };

/* conn:reject(status [, fields [, body]]) -> true | nil, rule */
static int conn_reject (lua_State *L) {
  conn *c = websock_toconn(L);
  lua_Integer status = luaL_checkinteger(L, 2);
  ws_str body = websock_str(L, 4);
  size_t nfields;
  const ws_field *fields = check_fields(L, 3, &nfields);
  int r;
  if (status < 0 || status > 999) status = 0; /* refused by the same check */
  if (body.n < LARGE_BODY || lua_type(L, 4) != LUA_TSTRING) {
    r = ws_reject(core(c), (int)status, fields, nfields, body);
  } else {
    r = ws_reject_borrowed(core(c), (int)status, fields, nfields, body);
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
