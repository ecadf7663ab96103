/*
** lua_conn.c - the userdata `websock.conn`: one connection's state machine
** (ws.h), and the descriptor it may own. Each method is one step that never
** waits; lua/websock decides when to take it. Without a descriptor the same
** methods are the protocol core without I/O that docs/reference.md describes.
**
** A call that can collect may run a finalizer, which may use this very
** connection. So no pointer into it is held across such a call, and an event is
** taken only if no call has come in between (see lua_recv.c).
*/
#include <limits.h>
#include <string.h>

#include "lua_conn.h"

/* -------------------------------------------------------------------- life */

/* core.conn(config [, link]) -> conn; lua_serve.c calls the link's methods when
   Lua has to decide about the conn, whose end is held until hand_over */
static int conn_new (lua_State *L) {
  const config *shared =
      (const config *)websock_check(L, 1, websock_config_type);
  size_t size = offsetof(conn, core) + ws_size();
  conn *c;
  void *ud;
  lua_Alloc alloc = lua_getallocf(L, &ud);
  lua_settop(L, 2);
  c = (conn *)lua_newuserdatauv(L, size, CONN_VALUES);
  memset(c, 0, offsetof(conn, core));
  c->type = websock_conn_type;
  c->fd = NET_NONE;
  c->max_queue = shared->max_queue;
  c->server = shared->core.role == WS_SERVER;
  c->state = WS_CONNECTING;
  luaL_setmetatable(L, CONN_TYPE);
  lua_pushvalue(L, 1);
  lua_setiuservalue(L, -2, CONN_CONFIG); /* keeps it alive */
  lua_pushvalue(L, 2);
  lua_setiuservalue(L, -2, CONN_LINK);
  ws_init(core(c), &shared->core, alloc, ud);
  ws_hold_end(core(c), lua_toboolean(L, 2));
  c->alive = 1;
  return 1;
}

static int conn_gc (lua_State *L) {
  conn *c = websock_toconn(L);
  net_tls *tls = c->tls;
  websock_forget(L, c->fd);
  websock_closefd(c);
  c->tls = NULL;
  net_tls_free(tls);
  websock_free_peer(L, c);
  websock_untap(c);
  if (c->alive) {
    c->alive = 0;
    ws_free(core(c));
  }
  return 0;
}

static int conn_tostring (lua_State *L) {
  static const char *const states[] = {"connecting", "open", "closing",
                                       "closed"};
  conn *c = websock_toconn(L);
  lua_pushfstring(L, CONN_TYPE " (%s): %p", states[ws_state(core(c))],
                  (void *)c);
  return 1;
}

/* ---------------------------------------------------------------- bytes in */

/* What ws_next returns for what is looked for. */
static int look (conn *c, int want) {
  ws_event ev;
  c->calls++;
  if (want == WANT_MESSAGE) return ws_next(core(c), &ev);
  if (want == WANT_PART) return ws_next_part(core(c), &ev, WS_READ_AHEAD);
  return 0;
}

int websock_digest (conn *c, int want) {
  ws_conn *core = core(c);
  ws_iov iov[WS_IOV];
  int flags = look(c, want) != 0 ? SAW_EVENT : 0;
  ws_ahead(core); /* if memory is short, the next call tries again */
  if (ws_ponged(core) != c->ponged) {
    c->ponged = ws_ponged(core);
    flags |= SAW_PONG;
  }
  if (ws_state(core) != c->state) {
    c->state = (unsigned char)ws_state(core);
    flags |= SAW_STATE;
  }
  if (ws_end_held(core)) flags |= SAW_HELD;
  if (!c->marked && ws_pending(core, iov, WS_IOV) != 0) flags |= SAW_OUT;
  /* a TLS read may also have written, but only part of its output */
  if (c->tls && net_tls_unsent(c->tls) > 0) flags |= SAW_OUT;
  return flags;
}

/* The same after a read, but a message that may inflate to much is reported
   instead of inflated. */
static int found (conn *c, int want) {
  if (want == WANT_NOTHING || !ws_swells(core(c)))
    return websock_digest(c, want);
  return SAW_SWELLS | websock_digest(c, WANT_NOTHING);
}

/* Reads once: SAW_DRY, SAW_END, SAW_MORE; -1 if memory is short. Notes whether
   there may be more. */
static int read_once (conn *c) {
  int flags = 0;
  size_t room;
  void *p = ws_reserve(core(c), 1, &room);
  long n;
  if (p == NULL) return -1;
  n = websock_recv(c, p, room);
  if (n > 0) {
    ws_commit(core(c), (size_t)n);
  } else {
    ws_commit(core(c), 0);
    if (websock_dry(c, n)) flags |= SAW_DRY;
    if (n != NET_AGAIN) flags |= SAW_END;
    if (n == NET_EOF) ws_eof(core(c));
    if (n == NET_ERROR) ws_abort(core(c), websock_why(c));
  }
  if (websock_more(c, n, room)) flags |= SAW_MORE;
  c->dry = !(flags & (SAW_MORE | SAW_END));
  c->more = (flags & SAW_MORE) || (c->hangup && !(flags & (SAW_DRY | SAW_END)));
  if (n != NET_AGAIN) c->heard = 1;
  return flags;
}

int websock_pull (conn *c, int want) {
  int flags = read_once(c);
  return flags < 0 ? flags : flags | found(c, want);
}

int websock_pull_first (conn *c, int want) {
  int flags = read_once(c);
  if (flags == 0 && !ws_swells(core(c)) && look(c, want) > 0 &&
      ws_queued_pongs(core(c)) == 0)
    return SAW_EVENT;
  return flags < 0 ? flags : flags | found(c, want);
}

/* conn:pull(want) -> flags | nil, "not enough memory": one read. */
static int conn_pull (lua_State *L) {
  conn *c = websock_toconn(L);
  int want = (int)luaL_checkinteger(L, 2), flags = websock_pull(c, want);
  if (flags < 0) {
    websock_reclaim(L);
    flags = websock_pull(c, want);
  }
  if (flags < 0) return websock_nil(L, "not enough memory");
  lua_pushinteger(L, flags);
  return 1;
}

/* conn:feed(bytes [, want]) -> flags | nil, "not enough memory": takes bytes
   that arrived some other way, all or none. */
static int conn_feed (lua_State *L) {
  conn *c = websock_toconn(L);
  size_t n, room;
  const char *bytes = luaL_checklstring(L, 2, &n);
  int want = (int)luaL_optinteger(L, 3, 0);
  if (n > 0) {
    void *p = ws_reserve(core(c), n, &room);
    if (p == NULL) {
      websock_reclaim(L);
      p = ws_reserve(core(c), n, &room);
    }
    if (p == NULL) return websock_nil(L, "not enough memory");
    memcpy(p, bytes, n);
    ws_commit(core(c), n);
  }
  c->heard |= n > 0;
  lua_pushinteger(L, found(c, want));
  return 1;
}

/* conn:poll(want) -> flags, as pull but without reading. */
static int conn_poll (lua_State *L) {
  conn *c = websock_toconn(L);
  lua_pushinteger(L, websock_digest(c, (int)luaL_checkinteger(L, 2)));
  return 1;
}

/* conn:eof(): tells the core that the transport has ended in order. */
static int conn_eof (lua_State *L) {
  ws_eof(core(websock_toconn(L)));
  return 0;
}

/* conn:abort(why): ends a connection that is lost or dropped; why is
   "aborted", "reset", "ping timeout" or "timeout". */
static int conn_abort (lua_State *L) {
  static const char *const reasons[] = {"aborted", "reset", "ping timeout",
                                        "timeout", NULL};
  conn *c = websock_toconn(L);
  ws_abort(core(c), reasons[luaL_checkoption(L, 2, "aborted", reasons)]);
  return 0;
}

/* conn:close([code [, reason]]) -> true | nil, rule: begins the closing
   handshake. Code 0 sends a Close frame without a code. */
static int conn_close (lua_State *L) {
  conn *c = websock_toconn(L);
  lua_Integer code = luaL_optinteger(L, 2, 1000);
  size_t n;
  const char *reason = luaL_optlstring(L, 3, NULL, &n);
  if (code < 0 || code > 65535) code = 65535; /* refused by the same check */
  return websock_pushresult(
      L, c, ws_close(core(c), (unsigned)code, reason, reason ? n : 0));
}

/* ------------------------------------------------------------------- state */

/* conn:state() -> "connecting" | "open" | "closing" | "closed" */
static int conn_state (lua_State *L) {
  switch (ws_state(core(websock_toconn(L)))) {
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
  conn *c = websock_toconn(L);
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

/* conn:is_clean() -> whether both Close frames have been seen */
static int conn_is_clean (lua_State *L) {
  lua_pushboolean(L, ws_closed(core(websock_toconn(L))).clean);
  return 1;
}

/* A peer sends nothing after its Close frame; TLS does, to end. */
int websock_is_over (conn *c) {
  return c->server && c->dry && !c->more && c->tls == NULL &&
         ws_closed(core(c)).clean;
}

/* conn:is_over() -> see websock_is_over */
static int conn_is_over (lua_State *L) {
  lua_pushboolean(L, websock_is_over(websock_toconn(L)));
  return 1;
}

static int conn_queued (lua_State *L) {
  lua_pushinteger(L, (lua_Integer)ws_queued(core(websock_toconn(L))));
  return 1;
}

/* conn:held() -> bytes of broadcasts that wait for the end of a writer's
   message */
static int conn_held (lua_State *L) {
  lua_pushinteger(L, (lua_Integer)ws_held(core(websock_toconn(L))));
  return 1;
}

/* ------------------------------------ what lua_serve.c and Lua both look at */

/* Pushes a flag's value, and sets it to the argument at 2 if there is one. */
static int flag (lua_State *L, unsigned char *value) {
  int was = *value;
  if (!lua_isnone(L, 2)) *value = (unsigned char)lua_toboolean(L, 2);
  lua_pushboolean(L, was);
  return 1;
}

/* conn:more([on]) -> whether there may be more to read, with no event to
   come */
static int conn_more (lua_State *L) {
  return flag(L, &websock_toconn(L)->more);
}

/* conn:hangup([on]) -> whether no event will come: more is read until nothing
   is left */
static int conn_hangup (lua_State *L) {
  return flag(L, &websock_toconn(L)->hangup);
}

/* conn:heard([on]) -> whether bytes have come since it was set to false */
static int conn_heard (lua_State *L) {
  return flag(L, &websock_toconn(L)->heard);
}

/* conn:line([on]) -> whether a coroutine waits to send, or a writer is open */
static int conn_line (lua_State *L) {
  return flag(L, &websock_toconn(L)->line);
}

/* conn:marked() -> whether it will be flushed at the end of the turn */
static int conn_marked (lua_State *L) {
  lua_pushboolean(L, websock_toconn(L)->marked);
  return 1;
}

/* conn:used([time]) -> time of the last message in or out; sets it first */
static int conn_used (lua_State *L) {
  conn *c = websock_toconn(L);
  c->used = luaL_optnumber(L, 2, c->used);
  lua_pushnumber(L, c->used);
  return 1;
}

/* conn:waiting() -> whether a whole message has arrived */
static int conn_waiting (lua_State *L) {
  lua_pushboolean(L, ws_has_message(core(websock_toconn(L))));
  return 1;
}

/* conn:is_behind() -> whether reading stops because too much is unread */
static int conn_is_behind (lua_State *L) {
  lua_pushboolean(L, ws_unread(core(websock_toconn(L))) >= WS_READ_AHEAD);
  return 1;
}

static int conn_unread (lua_State *L) {
  lua_pushinteger(L, (lua_Integer)ws_unread(core(websock_toconn(L))));
  return 1;
}

static const luaL_Reg conn_methods[] = {{"abort", conn_abort},
                                        {"close", conn_close},
                                        {"ending", conn_ending},
                                        {"eof", conn_eof},
                                        {"feed", conn_feed},
                                        {"is_behind", conn_is_behind},
                                        {"poll", conn_poll},
                                        {"pull", conn_pull},
                                        {"queued", conn_queued},
                                        {"state", conn_state},
                                        {"unread", conn_unread},
                                        {"waiting", conn_waiting},
                                        {"held", conn_held},

                                        {"is_clean", conn_is_clean},
                                        {"is_over", conn_is_over},
                                        {"hangup", conn_hangup},
                                        {"heard", conn_heard},
                                        {"line", conn_line},
                                        {"marked", conn_marked},
                                        {"more", conn_more},
                                        {"used", conn_used},
                                        {NULL, NULL}};

static const luaL_Reg conn_meta[] = {{"__gc", conn_gc},
                                     {"__close", conn_gc},
                                     {"__tostring", conn_tostring},
                                     {NULL, NULL}};

/* core.link(conn) -> the link given to core.conn */
static int l_link (lua_State *L) {
  websock_toconn(L);
  lua_getiuservalue(L, 1, CONN_LINK);
  return 1;
}

/* core.base64(bytes) -> text (RFC 4648 section 4) */
static int l_base64 (lua_State *L) {
  size_t n;
  luaL_Buffer b;
  const char *p = luaL_checklstring(L, 1, &n);
  luaL_argcheck(L, n <= WS_BASE64_MOST, 1, "too long");
  ws_base64(luaL_buffinitsize(L, &b, WS_BASE64(n)), p, n);
  luaL_pushresultsize(&b, WS_BASE64(n) - 1);
  return 1;
}

/* core.random() -> a number from 0 up, below 1, of OpenSSL's random bytes */
static int l_random (lua_State *L) {
  uint64_t bits;
  if (ws_random_openssl(NULL, &bits, sizeof bits) != 0)
    return luaL_error(L, "no random bytes to be had");
  lua_pushnumber(L, (lua_Number)(bits >> 11) * 0x1p-53);
  return 1;
}

/* core.is_utf8(text) -> whether it is valid UTF-8 (RFC 3629) */
static int l_is_utf8 (lua_State *L) {
  size_t n;
  const char *p = luaL_checklstring(L, 1, &n);
  uint32_t state = 0;
  lua_pushboolean(L, ws_utf8(&state, p, n) && state == 0);
  return 1;
}

/* core.is_close_code(code) -> whether a Close frame may carry it */
static int l_is_close_code (lua_State *L) {
  lua_Integer code = luaL_checkinteger(L, 1);
  lua_pushboolean(L, code > 0 && code < 65536 && ws_is_code((unsigned)code));
  return 1;
}

/* core.table(n, class) -> an empty table with room for n fields, and with the
   metatable class */
static int l_table (lua_State *L) {
  lua_Integer n = luaL_checkinteger(L, 1);
  luaL_argcheck(L, n >= 0 && n <= SHRT_MAX, 1, "out of range");
  luaL_checktype(L, 2, LUA_TTABLE);
  lua_settop(L, 2);
  lua_createtable(L, 0, (int)n);
  lua_insert(L, 2);
  lua_setmetatable(L, 2);
  return 1;
}

static const luaL_Reg functions[] = {
    {"base64", l_base64},   {"conn", conn_new},
    {"table", l_table},     {"is_close_code", l_is_close_code},
    {"is_utf8", l_is_utf8}, {"link", l_link},
    {"random", l_random},   {NULL, NULL}};

typedef struct constant {
  const char *name;
  int value;
} constant;

static const constant saw[] = {{"EVENT", SAW_EVENT},   {"MORE", SAW_MORE},
                               {"PONG", SAW_PONG},     {"STATE", SAW_STATE},
                               {"OUT", SAW_OUT},       {"END", SAW_END},
                               {"DRY", SAW_DRY},       {"HELD", SAW_HELD},
                               {"SWELLS", SAW_SWELLS}, {NULL, 0}};

static const constant wanted[] = {{"NOTHING", WANT_NOTHING},
                                  {"MESSAGE", WANT_MESSAGE},
                                  {"PART", WANT_PART},
                                  {NULL, 0}};

/* core.SAW, core.WANT: what pull, feed and poll return, and look for */
static void push_constants (lua_State *L, const char *name,
                            const constant *list) {
  lua_newtable(L);
  for (; list->name; list++) {
    lua_pushinteger(L, list->value);
    lua_setfield(L, -2, list->name);
  }
  lua_setfield(L, -2, name);
}

void websock_open_conn (lua_State *L) {
  websock_newtype(L, CONN_TYPE, conn_methods, conn_meta);
  luaL_getmetatable(L, CONN_TYPE);
  lua_getfield(L, -1, "__index");
  luaL_setfuncs(L, websock_head_methods, 0);
  luaL_setfuncs(L, websock_peer_methods, 0);
  websock_pushkinds(L);
  luaL_setfuncs(L, websock_recv_methods, 2);
  luaL_setfuncs(L, websock_seat_methods, 0);
  luaL_setfuncs(L, websock_send_methods, 0);
  luaL_setfuncs(L, websock_transport_methods, 0);
  luaL_setfuncs(L, websock_upgrade_methods, 0);
  lua_pop(L, 2); /* remove the methods and the metatable */
  luaL_setfuncs(L, functions, 0);
  push_constants(L, "SAW", saw);
  push_constants(L, "WANT", wanted);
}
