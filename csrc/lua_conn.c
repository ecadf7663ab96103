/*
** lua_conn.c - the userdata `websock.conn`: one connection's state machine
** (ws.h), and the descriptor it may own. Each method is one step that never
** waits; lua/websock decides when to take it. Without a descriptor the same
** methods are the protocol core without I/O that docs/reference.md describes.
**
** A call that can collect may run a finalizer, and that may use this very
** connection: no pointer into it is held across such a call, and an event is
** marked taken only if it is still the one that was given (see deliver).
*/
#include <stddef.h>
#include <stdalign.h>
#include <string.h>

#include "lua_int.h"
#include "net.h"
#include "ws.h"

#define CONN "websock.conn"
#define CONFIG "websock.config"

/* Payloads from here on leave inside `send`, uncopied where they are unmasked. */
#define LARGE 16384

/* What pull and feed tell. */
enum {
  SAW_EVENT = 1, /* receive (or handshake) has something to say */
  SAW_MORE = 2,  /* the read filled its room: there may be more */
  SAW_PONG = 4,  /* a ping was answered */
  SAW_STATE = 8, /* the state changed */
  SAW_OUT = 16,  /* something waits to be written */
  SAW_END = 32,  /* the transport has ended */
  SAW_DRY = 64   /* there was nothing to read */
};

/* How Lua aligns userdata: less than max_align_t with one user value. */
union lua_align {
  LUAI_MAXALIGN;
};

typedef struct conn {
  net_fd fd;
  unsigned char alive;   /* core is initialised */
  unsigned char blocked; /* the last write came up short */
  unsigned char broken;  /* a write failed: nothing more is sent */
  unsigned char state;   /* ws_state, as told last */
  unsigned char mark;    /* see websock_mark */
  unsigned char streak;  /* messages that websock_take_message took in a row */
  uint32_t taken;        /* events taken so far */
  uint64_t ponged;       /* ws_ponged, as told last */
  uint64_t written;      /* bytes that the transport has taken */
  alignas(union lua_align) unsigned char core[];
} conn;

#define core(c) ((ws_conn *)(void *)(c)->core)

ws_conn *websock_core (void *userdata) { return core((conn *)userdata); }

unsigned char *websock_mark (void *userdata) {
  return &((conn *)userdata)->mark;
}

static conn *toconn (lua_State *L) {
  return (conn *)luaL_checkudata(L, 1, CONN);
}

/* ------------------------------------------------------------------ config */

/* A limit from the table at 2: a size, false for none, nil for the default. */
static void limit (lua_State *L, const char *name, size_t *value) {
  if (lua_getfield(L, 2, name) == LUA_TBOOLEAN && !lua_toboolean(L, -1))
    *value = WS_NO_LIMIT;
  else if (!lua_isnil(L, -1)) {
    lua_Integer n = luaL_checkinteger(L, -1);
    luaL_argcheck(L, n >= 0, 2, name);
    *value = (size_t)n;
  }
  lua_pop(L, 1); /* remove the field */
}

/* core.config(role [, limits]) -> config */
static int config_new (lua_State *L) {
  static const char *const roles[] = {"client", "server", NULL};
  int role = luaL_checkoption(L, 1, NULL, roles);
  ws_config *config;
  lua_settop(L, 2);
  if (lua_isnil(L, 2)) {
    lua_newtable(L);
    lua_replace(L, 2);
  }
  luaL_checktype(L, 2, LUA_TTABLE);
  config = (ws_config *)lua_newuserdatauv(L, sizeof(ws_config), 0);
  ws_config_init(config, role == 0 ? WS_CLIENT : WS_SERVER);
  luaL_setmetatable(L, CONFIG);
  limit(L, "max_message", &config->max_message);
  limit(L, "max_fragments", &config->max_fragments);
  limit(L, "max_header", &config->max_header);
  limit(L, "max_body", &config->max_body);
  return 1;
}

/* -------------------------------------------------------------------- life */

/* core.conn(config) -> conn */
static int conn_new (lua_State *L) {
  const ws_config *config = (const ws_config *)luaL_checkudata(L, 1, CONFIG);
  size_t size = offsetof(conn, core) + ws_size();
  conn *c = (conn *)lua_newuserdatauv(L, size, 1);
  void *ud;
  lua_Alloc alloc = lua_getallocf(L, &ud);
  memset(c, 0, offsetof(conn, core));
  c->fd = NET_NONE;
  c->state = WS_CONNECTING;
  luaL_setmetatable(L, CONN);
  lua_pushvalue(L, 1);
  lua_setiuservalue(L, -2, 1); /* the config lives as long */
  ws_init(core(c), config, alloc, ud);
  c->alive = 1;
  return 1;
}

/* conn:closefd(): gives the descriptor up, at once. Idempotent. */
static int conn_closefd (lua_State *L) {
  conn *c = toconn(L);
  net_fd fd = c->fd;
  c->fd = NET_NONE;
  if (fd != NET_NONE) net_close(fd);
  return 0;
}

static int conn_gc (lua_State *L) {
  conn *c = toconn(L);
  conn_closefd(L);
  if (c->alive) {
    c->alive = 0;
    ws_free(core(c));
  }
  return 0;
}

static int conn_tostring (lua_State *L) {
  static const char *const states[] = {"connecting", "open", "closing",
                                       "closed"};
  conn *c = toconn(L);
  lua_pushfstring(L, CONN " (%s): %p", states[ws_state(core(c))], (void *)c);
  return 1;
}

/* ---------------------------------------------------------------- bytes in */

/* What has changed since this was asked last. want: 0 nobody is receiving,
   1 a message (or the handshake's event) is waited for, 2 a part of one. */
static int digest (conn *c, int want) {
  ws_conn *core = core(c);
  ws_event ev;
  ws_iov iov[WS_IOV];
  int flags = 0;
  if (want == 1 && ws_next(core, &ev) != 0) flags |= SAW_EVENT;
  if (want == 2 && ws_next_part(core, &ev, WS_READ_AHEAD) != 0)
    flags |= SAW_EVENT;
  ws_ahead(core); /* without memory it tries again next time */
  if (ws_ponged(core) != c->ponged) {
    c->ponged = ws_ponged(core);
    flags |= SAW_PONG;
  }
  if (ws_state(core) != c->state) {
    c->state = (unsigned char)ws_state(core);
    flags |= SAW_STATE;
  }
  if (ws_pending(core, iov, WS_IOV) != 0) flags |= SAW_OUT;
  return flags;
}

/* conn:pull(want) -> flags | nil, "not enough memory": one read. */
static int conn_pull (lua_State *L) {
  conn *c = toconn(L);
  int want = (int)luaL_checkinteger(L, 2);
  int flags = 0;
  size_t room;
  void *p = ws_reserve(core(c), 1, &room);
  long n;
  if (p == NULL) return websock_nil(L, "not enough memory");
  n = net_recv(c->fd, p, room);
  if (n > 0) {
    ws_commit(core(c), (size_t)n);
    if ((size_t)n == room) flags |= SAW_MORE;
  } else {
    ws_commit(core(c), 0);
    flags |= n == NET_AGAIN ? SAW_DRY : SAW_END;
    if (n == NET_EOF) ws_eof(core(c));
    if (n == NET_ERROR) ws_abort(core(c), net_error_text(net_error()));
  }
  lua_pushinteger(L, flags | digest(c, want));
  return 1;
}

/* conn:feed(bytes [, want]) -> flags | nil, "not enough memory": bytes that
   arrived some other way; all or nothing. */
static int conn_feed (lua_State *L) {
  conn *c = toconn(L);
  size_t n, room;
  const char *bytes = luaL_checklstring(L, 2, &n);
  int want = (int)luaL_optinteger(L, 3, 0);
  if (n > 0) {
    void *p = ws_reserve(core(c), n, &room);
    if (p == NULL) return websock_nil(L, "not enough memory");
    memcpy(p, bytes, n);
    ws_commit(core(c), n);
  }
  lua_pushinteger(L, digest(c, want));
  return 1;
}

/* conn:poll(want) -> flags, without reading. */
static int conn_poll (lua_State *L) {
  conn *c = toconn(L);
  lua_pushinteger(L, digest(c, (int)luaL_checkinteger(L, 2)));
  return 1;
}

/* conn:eof(): the transport ended in order. */
static int conn_eof (lua_State *L) {
  ws_eof(core(toconn(L)));
  return 0;
}

/* conn:abort(why): it is lost, or dropped; why is "reset", "aborted" or
   "ping timeout". */
static int conn_abort (lua_State *L) {
  static const char *const reasons[] = {"aborted", "reset", "ping timeout",
                                        "timeout", NULL};
  conn *c = toconn(L);
  ws_abort(core(c), reasons[luaL_checkoption(L, 2, "aborted", reasons)]);
  return 0;
}

/* ------------------------------------------------------------------ events */

static int push_closed (lua_State *L, conn *c) {
  ws_closing end = ws_closed(core(c));
  lua_pushnil(L);
  lua_pushliteral(L, "closed");
  lua_pushinteger(L, (lua_Integer)end.code);
  lua_pushlstring(L, end.reason.p != NULL ? end.reason.p : "", end.reason.n);
  return 4;
}

/* What a result that is no event becomes. */
static int no_event (lua_State *L, conn *c, int r) {
  switch (r) {
    case 0: return websock_nil(L, "again");
    case WS_END: return push_closed(L, c);
    case WS_ESTATE: return websock_nil(L, "in parts");
    default: return luaL_error(L, "not enough memory");
  }
}

typedef int (*fetch)(ws_conn *core, ws_event *ev);

static int fetch_part (ws_conn *core, ws_event *ev) {
  return ws_next_part(core, ev, WS_READ_AHEAD);
}

/* Pushes the event's data as a string and takes the event; *ev is what it was.
   A finalizer run by the push may have taken it already: then once more. */
static int deliver (lua_State *L, conn *c, fetch next, ws_event *ev) {
  for (;;) {
    uint32_t taken = c->taken;
    int r = next(core(c), ev);
    if (r <= 0) return r;
    if (ev->type != WS_MESSAGE && ev->type != WS_PART) return 0;
    lua_pushlstring(L, ev->size > 0 ? ev->data : "", ev->size);
    if (c->taken == taken) {
      c->taken++;
      ws_taken(core(c));
      return r;
    }
    lua_pop(L, 1); /* remove the string that somebody else got */
  }
}

static void push_kind (lua_State *L, const ws_event *ev) {
  if (ev->opcode == WS_TEXT)
    lua_pushliteral(L, "text");
  else
    lua_pushliteral(L, "binary");
}

/* conn:receive() -> message, kind | nil, "again" | nil, "in parts"
   | nil, "closed", code, reason */
static int conn_receive (lua_State *L) {
  conn *c = toconn(L);
  ws_event ev;
  int r = deliver(L, c, ws_next, &ev);
  if (r <= 0) return no_event(L, c, r);
  push_kind(L, &ev);
  return 2;
}

int websock_take_message (lua_State *L, void *userdata, int streak) {
  conn *c = (conn *)userdata;
  ws_event ev;
  int r;
  if (c->streak >= streak) {
    c->streak = 0;
    return -2;
  }
  r = deliver(L, c, ws_next, &ev);
  if (r <= 0) {
    c->streak = 0; /* whatever it is, the next will have waited */
    return r < 0 ? -1 : 0;
  }
  c->streak++;
  push_kind(L, &ev);
  return 2;
}

/* conn:receive_part() -> chunk, kind, last | like receive */
static int conn_receive_part (lua_State *L) {
  conn *c = toconn(L);
  ws_event ev;
  int r = deliver(L, c, fetch_part, &ev);
  if (r <= 0) return no_event(L, c, r);
  push_kind(L, &ev);
  lua_pushboolean(L, ev.last);
  return 3;
}

/* conn:handshake() -> "request", body | "open" | "refused", body
   | nil, "again" | nil, "closed", code, reason. The event stays until `taken`,
   `accept` or `reject`, and `head` tells more while it does. */
static int conn_handshake (lua_State *L) {
  conn *c = toconn(L);
  ws_event ev;
  int r;
  r = ws_next(core(c), &ev);
  if (r <= 0) return no_event(L, c, r);
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
  conn *c = toconn(L);
  c->taken++;
  ws_taken(core(c));
  return 0;
}

/* conn:in_parts() -> whether a message is being received in parts */
static int conn_in_parts (lua_State *L) {
  lua_pushboolean(L, ws_in_parts(core(toconn(L))));
  return 1;
}

/* -------------------------------------------------------------------- head */

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
  conn *c = toconn(L);
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
  conn *c = toconn(L);
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
  const ws_head *head = ws_http(core(toconn(L)));
  lua_pushboolean(L, head && head->upgrade);
  return 1;
}

/* conn:head_target() -> the current request's target, as sent */
static int conn_head_target (lua_State *L) {
  const ws_head *head = ws_http(core(toconn(L)));
  if (head == NULL) return 0;
  lua_pushlstring(L, head->target.p, head->target.n);
  return 1;
}

/* conn:head_field(name) -> the value of a field of the current event, repeats
   joined by ", ", or nil. name is in lower case. */
static int conn_head_field (lua_State *L) {
  conn *c = toconn(L);
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
  conn *c = toconn(L);
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
  ws_str s = ws_chosen(core(toconn(L)));
  if (s.p == NULL) return 0;
  lua_pushlstring(L, s.p, s.n);
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

/* true, or nil and the rule that was broken. */
static int push_result (lua_State *L, conn *c, int r) {
  switch (r) {
    case WS_ENOMEM: return luaL_error(L, "not enough memory");
    case WS_ERANDOM: return luaL_error(L, "no random bytes to be had");
    case WS_EINVAL:
    case WS_EUTF8:
    case WS_ESTATE:
    case WS_END: return websock_nil(L, ws_error(core(c)));
    default: lua_pushboolean(L, 1); return 1;
  }
}

/* conn:request(host, target [, protocols [, fields]]) -> true | nil, rule */
static int conn_request (lua_State *L) {
  conn *c = toconn(L);
  lua_settop(L, 5); /* what is pushed below is no argument */
  ws_str host = check_str(L, 2), target = check_str(L, 3);
  size_t nprotocols, nfields;
  const ws_str *protocols = check_strs(L, 4, &nprotocols);
  const ws_field *fields = check_fields(L, 5, &nfields);
  return push_result(L, c,
                     ws_request(core(c), host, target, protocols, nprotocols,
                                fields, nfields));
}

/* conn:accept([protocol [, fields]]) -> true | nil, rule */
static int conn_accept (lua_State *L) {
  conn *c = toconn(L);
  ws_str protocol = check_str(L, 2);
  size_t nfields;
  const ws_field *fields = check_fields(L, 3, &nfields);
  c->taken++;
  return push_result(L, c, ws_accept(core(c), protocol, fields, nfields));
}

/* conn:reject(status [, fields [, body]]) -> true | nil, rule */
static int conn_reject (lua_State *L) {
  conn *c = toconn(L);
  int status = (int)luaL_checkinteger(L, 2);
  ws_str body = check_str(L, 4);
  size_t nfields;
  const ws_field *fields = check_fields(L, 3, &nfields);
  c->taken++;
  return push_result(L, c, ws_reject(core(c), status, fields, nfields, body));
}

/* --------------------------------------------------------------- bytes out */

/* Forgets what is queued: nobody will get it. */
static void forget (conn *c) {
  ws_iov iov[WS_IOV];
  c->broken = 1;
  for (int n; (n = ws_pending(core(c), iov, WS_IOV)) > 0;)
    ws_sent(core(c), iov[0].len);
}

/* Offers what is queued to the kernel; 0, or the errno of a failed write, after
   which nothing more is sent: what the peer still sends can be read. */
static int push (conn *c) {
  ws_iov iov[WS_IOV];
  net_iov out[WS_IOV];
  for (int n; !c->blocked && (n = ws_pending(core(c), iov, WS_IOV)) > 0;) {
    size_t total = 0;
    long sent;
    for (int i = 0; i < n; i++) {
      out[i].base = iov[i].base;
      out[i].len = iov[i].len;
      total += iov[i].len;
    }
    if (c->broken) {
      forget(c);
      break;
    }
    sent = net_sendv(c->fd, out, n);
    if (sent == NET_ERROR) {
      forget(c);
      return net_error();
    }
    if (sent > 0) {
      ws_sent(core(c), (size_t)sent);
      c->written += (uint64_t)sent;
    }
    c->blocked = sent < 0 || (size_t)sent < total;
  }
  return 0;
}

/* conn:push([ready]) -> bytes still queued | nil, err. One write, or none while
   the descriptor is known to be full; ready tells that it no longer is. */
static int conn_push (lua_State *L) {
  conn *c = toconn(L);
  int err;
  if (lua_toboolean(L, 2)) c->blocked = 0;
  if (c->fd == NET_NONE) return websock_nil(L, "closed");
  err = push(c);
  if (err != 0) return websock_nil(L, net_error_text(err));
  lua_pushinteger(L, (lua_Integer)ws_queued(core(c)));
  return 1;
}

/* conn:output([max]) -> the bytes to write (at most max), "" if there are none.
   They stay queued until `sent`. */
static int conn_output (lua_State *L) {
  conn *c = toconn(L);
  lua_Integer max = luaL_optinteger(L, 2, LUA_MAXINTEGER);
  ws_iov iov[WS_IOV];
  luaL_Buffer b;
  int n = ws_pending(core(c), iov, WS_IOV);
  size_t total = 0, room;
  char *p;
  for (int i = 0; i < n; i++) total += iov[i].len;
  if (max >= 0 && total > (size_t)max) total = (size_t)max;
  p = luaL_buffinitsize(L, &b, total);
  n = ws_pending(core(c), iov, WS_IOV); /* the call above may have collected */
  room = total;
  for (int i = 0; i < n && room > 0; i++) {
    size_t len = iov[i].len < room ? iov[i].len : room;
    memcpy(p + (total - room), iov[i].base, len);
    room -= len;
  }
  luaL_pushresultsize(&b, total - room);
  return 1;
}

/* conn:sent(n): the first n bytes of `output` are written. */
static int conn_sent (lua_State *L) {
  conn *c = toconn(L);
  lua_Integer n = luaL_checkinteger(L, 2);
  ws_iov iov[WS_IOV];
  size_t total = 0;
  int pieces = ws_pending(core(c), iov, WS_IOV);
  for (int i = 0; i < pieces; i++) total += iov[i].len;
  luaL_argcheck(L, n >= 0 && (size_t)n <= total, 2, "more than is queued");
  ws_sent(core(c), (size_t)n);
  c->written += (uint64_t)n;
  return 0;
}

/* conn:written() -> bytes that the transport has taken so far */
static int conn_written (lua_State *L) {
  lua_pushinteger(L, (lua_Integer)toconn(L)->written);
  return 1;
}

/* conn:forget(): nothing more can be sent; what is queued goes. */
static int conn_forget (lua_State *L) {
  forget(toconn(L));
  return 0;
}

/* Queues one frame; large payloads leave at once. 0, or what ws_send says. */
static int queue (lua_State *L, conn *c, int opcode, const char *p, size_t n,
                  int more) {
  int large = n >= LARGE && c->fd != NET_NONE && !c->broken && !c->blocked;
  int flags = (more ? WS_MORE : 0) | (large ? WS_BORROW : 0);
  int r = ws_send(core(c), opcode, p, n, flags);
  if (r < 0 || !large) return r;
  push(c);                      /* an error shows at the next read or write */
  if (ws_settle(core(c)) < 0) { /* half of it may have left */
    ws_abort(core(c), "aborted");
    return luaL_error(L, "not enough memory");
  }
  return 0;
}

/* conn:send(payload, opcode [, max_queue [, more]])
   -> bytes queued | nil, "queue full" | nil, "closed" | nil, "utf8"
   opcode: "text", "binary", "continuation". More than max_queue bytes queued
   already: nothing happens. Large payloads leave at once. */
static int conn_send (lua_State *L) {
  static const char *const names[] = {"continuation", "text", "binary", NULL};
  conn *c = toconn(L);
  size_t n;
  const char *p = luaL_checklstring(L, 2, &n);
  int opcode = luaL_checkoption(L, 3, "text", names);
  lua_Integer max = luaL_optinteger(L, 4, LUA_MAXINTEGER);
  int r;
  if (ws_queued(core(c)) > (size_t)max) return websock_nil(L, "queue full");
  r = queue(L, c, opcode, p, n, lua_toboolean(L, 5));
  if (r == WS_EUTF8) return websock_nil(L, "utf8");
  if (r == WS_ESTATE || r == WS_END) return websock_nil(L, "closed");
  if (r < 0) return push_result(L, c, r);
  lua_pushinteger(L, (lua_Integer)ws_queued(core(c)));
  return 1;
}

int websock_kind (lua_State *L, int arg) {
  const char *kind;
  if (lua_isnoneornil(L, arg)) return WS_TEXT;
  if (lua_type(L, arg) != LUA_TSTRING) return -1;
  kind = lua_tostring(L, arg);
  if (strcmp(kind, "text") == 0) return WS_TEXT;
  return strcmp(kind, "binary") == 0 ? WS_BINARY : -1;
}

int websock_queue (lua_State *L, void *userdata, int message, int opcode,
                   lua_Integer max) {
  conn *c = (conn *)userdata;
  size_t n;
  const char *p = lua_tolstring(L, message, &n);
  if (max < 0 || ws_queued(core(c)) > (size_t)max) return -1;
  if (queue(L, c, opcode, p, n, 0) < 0) return -1;
  return ws_queued(core(c)) > 0;
}

/* conn:ping(payload) -> serial | nil, rule */
static int conn_ping (lua_State *L) {
  conn *c = toconn(L);
  size_t n;
  const char *p = luaL_checklstring(L, 2, &n);
  uint64_t serial = 0;
  int r = ws_ping(core(c), p, n, &serial);
  if (r < 0) return push_result(L, c, r);
  lua_pushinteger(L, (lua_Integer)serial);
  return 1;
}

/* conn:ponged() -> the newest ping's serial that was answered, 0 for none */
static int conn_ponged (lua_State *L) {
  lua_pushinteger(L, (lua_Integer)ws_ponged(core(toconn(L))));
  return 1;
}

/* conn:close([code [, reason]]) -> true | nil, rule: begins the closing
   handshake, with code 0 without a code. */
static int conn_close (lua_State *L) {
  conn *c = toconn(L);
  lua_Integer code = luaL_optinteger(L, 2, 1000);
  ws_str reason = check_str(L, 3);
  if (code < 0 || code > 65535) code = 65535; /* refused by the same check */
  return push_result(L, c,
                     ws_close(core(c), (unsigned)code, reason.p, reason.n));
}

/* ------------------------------------------------------------------- state */

/* conn:state() -> "connecting" | "open" | "closing" | "closed" */
static int conn_state (lua_State *L) {
  switch (ws_state(core(toconn(L)))) {
    case WS_CONNECTING: lua_pushliteral(L, "connecting"); break;
    case WS_OPENED: lua_pushliteral(L, "open"); break;
    case WS_CLOSING: lua_pushliteral(L, "closing"); break;
    default: lua_pushliteral(L, "closed"); break;
  }
  return 1;
}

/* conn:ending() -> code, reason, clean, failed, sent, received, eof, status:
   the fields of ws_closing */
static int conn_ending (lua_State *L) {
  conn *c = toconn(L);
  ws_closing end = ws_closed(core(c));
  lua_pushinteger(L, (lua_Integer)end.code);
  lua_pushlstring(L, end.reason.p != NULL ? end.reason.p : "", end.reason.n);
  lua_pushboolean(L, end.clean);
  lua_pushboolean(L, end.failed);
  lua_pushboolean(L, end.sent);
  lua_pushboolean(L, end.received);
  lua_pushboolean(L, end.eof);
  lua_pushinteger(L, end.status);
  return 8;
}

static int conn_queued (lua_State *L) {
  lua_pushinteger(L, (lua_Integer)ws_queued(core(toconn(L))));
  return 1;
}

static int conn_unread (lua_State *L) {
  lua_pushinteger(L, (lua_Integer)ws_unread(core(toconn(L))));
  return 1;
}

/* -------------------------------------------------------------- descriptor */

/* conn:attach(fd): owns this non-blocking descriptor from now on. */
static int conn_attach (lua_State *L) {
  conn *c = toconn(L);
  luaL_argcheck(L, c->fd == NET_NONE, 1, "has a descriptor");
  c->fd = websock_checkfd(L, 2);
  return 0;
}

/* conn:fd() -> the descriptor, or nil */
static int conn_fd (lua_State *L) {
  conn *c = toconn(L);
  if (c->fd == NET_NONE) return 0;
  lua_pushinteger(L, c->fd);
  return 1;
}

/* -------------------------------------------------------------------------- */

static const luaL_Reg conn_methods[] = {{"abort", conn_abort},
                                        {"accept", conn_accept},
                                        {"attach", conn_attach},
                                        {"chosen", conn_chosen},
                                        {"close", conn_close},
                                        {"closefd", conn_closefd},
                                        {"ending", conn_ending},
                                        {"eof", conn_eof},
                                        {"fd", conn_fd},
                                        {"feed", conn_feed},
                                        {"forget", conn_forget},
                                        {"handshake", conn_handshake},
                                        {"head", conn_head},
                                        {"head_field", conn_head_field},
                                        {"head_target", conn_head_target},
                                        {"head_text", conn_head_text},
                                        {"is_upgrade", conn_is_upgrade},
                                        {"in_parts", conn_in_parts},
                                        {"offered", conn_offered},
                                        {"output", conn_output},
                                        {"ping", conn_ping},
                                        {"poll", conn_poll},
                                        {"ponged", conn_ponged},
                                        {"pull", conn_pull},
                                        {"push", conn_push},
                                        {"queued", conn_queued},
                                        {"receive", conn_receive},
                                        {"receive_part", conn_receive_part},
                                        {"reject", conn_reject},
                                        {"request", conn_request},
                                        {"send", conn_send},
                                        {"sent", conn_sent},
                                        {"state", conn_state},
                                        {"taken", conn_taken},
                                        {"unread", conn_unread},
                                        {"written", conn_written},
                                        {NULL, NULL}};

static const luaL_Reg conn_meta[] = {{"__gc", conn_gc},
                                     {"__close", conn_gc},
                                     {"__tostring", conn_tostring},
                                     {NULL, NULL}};

/* core.is_utf8(text) -> whether it is (RFC 3629) */
static int l_is_utf8 (lua_State *L) {
  size_t n;
  const char *p = luaL_checklstring(L, 1, &n);
  uint32_t state = 0;
  lua_pushboolean(L, ws_utf8(&state, p, n) && state == 0);
  return 1;
}

static const luaL_Reg functions[] = {{"config", config_new},
                                     {"conn", conn_new},
                                     {"is_utf8", l_is_utf8},
                                     {NULL, NULL}};

void websock_open_conn (lua_State *L) {
  luaL_newmetatable(L, CONFIG);
  lua_pop(L, 1); /* remove the metatable */
  websock_newtype(L, CONN, conn_methods, conn_meta);
  luaL_setfuncs(L, functions, 0);
}
