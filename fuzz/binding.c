/*
** fuzz/binding.c - websock.core as Lua code uses it, also out of finalizers.
**
** An input is a program: each step calls a function of the module, or lets Lua
** make an object whose finalizer does some more steps. The collector is as
** aggressive as it can be, so that these run inside whatever allocates; memory
** fails from moments that the input chooses. Clients and servers are connected
** by their bytes, or by socket pairs. A call may fail in any way that Lua code
** can see; but each message that was queued comes once, and equal, as long as
** no step has broken the stream of bytes by itself.
*/
#include <fcntl.h>
#include <sys/socket.h>
#include <unistd.h>

#include <lauxlib.h>
#include <lua.h>

#include "alloc.h"
#include "input.h"

LUAMOD_API int luaopen_websock_core (lua_State *L);

enum { PAIRS = 2, CONNS = 2 * PAIRS, MESSAGES = 256, STEPS = 300, DEPTH = 3 };
enum { LARGEST = 1 << 20 }; /* block that is to be had */

/* A message that was handed to `send`. */
typedef struct message {
  int to; /* the generation of who is to get it */
  size_t size;
  int binary, queued, got;
} message;

/* What is known of a conn, beside what Lua knows. */
typedef struct end {
  int generation; /* another conn has another */
  int wild;       /* the bytes to it may be broken */
  int moving;     /* its output is being written: nobody else may do that */
  int fd;         /* it has a descriptor */
  bytes part;     /* of a message that comes in parts */
  int unsure;     /* in an order that nobody knows */
} end;

static struct {
  lua_State *L;
  input in;
  int steps, depth, tame, parts_taken, generation;
  int moved; /* bytes or messages, since it was set to 0 */
  int lost;  /* finalizers that Lua had no memory to call */
  end ends[CONNS];
  message messages[MESSAGES];
  int nmessages;
} w;

/* ---- memory, by lua_Alloc's rules: to shrink never fails */

static void *lua_alloc (void *ud, void *p, size_t osize, size_t nsize) {
  faults saved = memory_faults;
  void *q;
  if (p == NULL) osize = 0; /* Lua says what it is for */
  if (nsize > LARGEST && nsize > osize) return NULL;
  if (nsize > 0 && nsize <= osize) memory_faults.count = 0;
  q = count_alloc(ud, p, osize, nsize);
  if (nsize > 0 && nsize <= osize) memory_faults = saved;
  return q;
}

/* ---- calls. What is below the arguments on the stack is no call's
   business. */

/* Pushes the object with this name: a conn ("0" to "3"), the module, ... */
static int push_object (lua_State *L, const char *name) {
  lua_getfield(L, LUA_REGISTRYINDEX, "fuzz");
  int type = lua_getfield(L, -1, name);
  lua_remove(L, -2);
  return type != LUA_TNIL;
}

static int push_conn (lua_State *L, int i) {
  const char name[2] = {(char)('0' + i), '\0'};
  return push_object(L, name);
}

/* Takes an object from the top. */
static void set_object (lua_State *L, const char *name) {
  lua_getfield(L, LUA_REGISTRYINDEX, "fuzz");
  lua_insert(L, -2);
  lua_setfield(L, -2, name);
  lua_pop(L, 1);
}

static void set_conn (lua_State *L, int i) {
  const char name[2] = {(char)('0' + i), '\0'};
  set_object(L, name);
}

/* Pushes a method and its object, which is on the top. */
static void push_method (lua_State *L, const char *name) {
  lua_getfield(L, -1, name);
  lua_insert(L, -2);
}

static void push_function (lua_State *L, const char *name) {
  push_object(L, "core");
  lua_getfield(L, -1, name);
  lua_remove(L, -2);
}

/* For FUZZ_TRACE: without a conversion, which would make strings. */
static const char *shown (lua_State *L, int i) {
  int type = lua_type(L, i);
  return type == LUA_TSTRING ? lua_tostring(L, i) : lua_typename(L, type);
}

/* Calls what was pushed: whether it raised nothing. Three results. */
static int call (lua_State *L, int nargs) {
  int ok = lua_pcall(L, nargs, 3, 0) == LUA_OK;
  for (int i = ok ? -3 : -1; i < 0; i++)
    trace("      %s %s\n", ok ? "=" : "error", shown(L, i));
  return ok;
}

/* ---- messages */

/* What message number id says: its number and as many bytes as it has. */
static void payload_of (int id, char *p) {
  const message *m = &w.messages[id];
  snprintf(p, 16, "%d:", id);
  for (size_t i = strlen(p); i < m->size; i++) p[i] = (char)('a' + i * id % 23);
}

/* Pushes a new message for i's partner; its number, or -1. */
static int push_message (lua_State *L, int i) {
  if (w.nmessages == MESSAGES) return -1;
  int id = w.nmessages++;
  message *m = &w.messages[id];
  char *p;
  m->to = w.ends[i ^ 1].generation;
  m->size = 16 + take_size(&w.in);
  m->binary = take(&w.in) & 1;
  p = lua_newuserdatauv(L, m->size, 0);
  payload_of(id, p);
  lua_pushlstring(L, p, m->size);
  lua_remove(L, -2);
  return id;
}

/* i has got this message: it was sent to it, once. */
static void got (int i, const char *p, size_t n, const char *kind) {
  int id = atoi(p);
  w.moved = 1;
  if (w.ends[i].wild) return;
  assert(id >= 0 && id < w.nmessages);
  message *m = &w.messages[id];
  char *want = malloc(m->size);
  assert(want != NULL);
  payload_of(id, want);
  assert(n == m->size && memcmp(p, want, n) == 0);
  free(want);
  assert(strcmp(kind, m->binary ? "binary" : "text") == 0);
  assert(m->to == w.ends[i].generation && !m->got);
  m->got = 1;
}

static void a_send (lua_State *L, int i) {
  unsigned how = take(&w.in);
  if (!push_conn(L, i)) return;
  push_method(L, "send");
  int id = push_message(L, i);
  if (id < 0) return;
  lua_pushstring(L, w.messages[id].binary ? "binary" : "text");
  if (how & 1)
    lua_pushinteger(L, (lua_Integer)(how * 64));
  else
    lua_pushnil(L);
  lua_pushboolean(L, 0);
  if (how & 2)
    lua_pushboolean(L, how & 4);
  else
    lua_pushnil(L);
  if (call(L, 6) && lua_isinteger(L, -3)) w.messages[id].queued = 1;
}

/* In fragments, which a finalizer may get between: then nobody knows. */
static void a_fragment (lua_State *L, int i) {
  unsigned how = take(&w.in);
  if (!push_conn(L, i)) return;
  push_method(L, "send");
  lua_pushliteral(L, "part of something");
  lua_pushstring(L, how & 1 ? "continuation" : "text");
  lua_pushnil(L);
  lua_pushboolean(L, how & 2);
  w.ends[i ^ 1].wild = 1;
  call(L, 5);
}

static void a_receive (lua_State *L, int i) {
  size_t n;
  if (!push_conn(L, i)) return;
  push_method(L, "receive");
  if (!call(L, 1) || lua_type(L, -3) != LUA_TSTRING) return;
  const char *p = lua_tolstring(L, -3, &n);
  got(i, p, n, lua_tostring(L, -2));
}

/* A part that others were taken beside has no place in a message. */
static void got_part (lua_State *L, end *e, int i, int others) {
  size_t n;
  const char *p = lua_tolstring(L, -3, &n);
  w.moved = 1;
  e->unsure |= others;
  bytes_add(&e->part, p, n);
  if (!lua_toboolean(L, -1)) return;
  bytes_add(&e->part, "", 1);
  if (!e->unsure) got(i, (char *)e->part.p, e->part.n - 1, lua_tostring(L, -2));
  if (e->unsure) e->wild = 1;
  e->part.n = 0;
  e->unsure = 0;
}

static void a_receive_part (lua_State *L, int i) {
  int taken = ++w.parts_taken;
  end *e = &w.ends[i];
  int generation = e->generation;
  if (!push_conn(L, i)) return;
  push_method(L, "receive_part");
  int ok = call(L, 1) && lua_type(L, -3) == LUA_TSTRING;
  if (e->generation != generation) return;
  if (ok) got_part(L, e, i, taken != w.parts_taken);
  if (!ok && taken != w.parts_taken) e->unsure = 1;
}

/* ---- bytes */

/* i's output arrives at its partner, as much as `output` gives. */
static void move (lua_State *L, int i) {
  int to = i ^ 1;
  lua_Integer n;
  if (!push_conn(L, i)) return;
  push_method(L, "output");
  lua_pushinteger(L, w.in.n > 0 ? (lua_Integer)take_size(&w.in) : LARGEST);
  if (!call(L, 2)) return;
  lua_pop(L, 2); /* the bytes are on the top */
  n = (lua_Integer)lua_rawlen(L, -1);
  if (n == 0 || !push_conn(L, to)) return;
  w.moved = 1;
  push_method(L, "feed");
  lua_pushvalue(L, -3);
  lua_pushinteger(L, take(&w.in) % 3);
  if (!call(L, 3) || lua_isnil(L, -3)) return;
  lua_settop(L, 0);
  faults_stop(); /* what has arrived is also said to have been sent */
  push_conn(L, i);
  push_method(L, "sent");
  lua_pushinteger(L, n);
  call(L, 2);
}

static int moving (lua_State *L) {
  int i = (int)lua_tointeger(L, 1);
  lua_settop(L, 0);
  move(L, i);
  return 0;
}

static void a_move (lua_State *L, int i) {
  end *e = &w.ends[i];
  if (e->moving || e->fd) return;
  e->moving = 1;
  lua_pushcfunction(L, moving);
  lua_pushinteger(L, i);
  lua_pcall(L, 1, 0, 0);
  e->moving = 0;
}

/* Both ends of a pair get descriptors, if nothing has gone over yet. */
static void a_attach (lua_State *L, int i) {
  int fds[2], a = i & ~1;
  if (w.ends[a].fd || w.ends[a].moving || w.ends[a ^ 1].moving) return;
  if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK, 0, fds) < 0) return;
  for (int k = 0; k < 2; k++) {
    w.ends[a + k].fd = 1;
    int there = push_conn(L, a + k);
    if (there) push_method(L, "attach");
    lua_pushinteger(L, fds[k]);
    if (!there || !call(L, 2)) close(fds[k]);
  }
}

/* ---- the handshake */

static void a_request (lua_State *L, int i) {
  unsigned how = take(&w.in);
  if (!push_conn(L, i)) return;
  push_method(L, "request");
  lua_pushliteral(L, "a");
  lua_pushliteral(L, "/b");
  lua_newtable(L);
  for (unsigned k = 0; k < how % 4; k++) {
    lua_pushfstring(L, "p%d", k);
    lua_rawseti(L, -2, (lua_Integer)k + 1);
  }
  lua_newtable(L);
  for (unsigned k = 0; k < how / 4 % 4 * 2; k++) {
    lua_pushliteral(L, "Field");
    lua_rawseti(L, -2, (lua_Integer)k + 1);
  }
  call(L, 5);
}

static void answer (lua_State *L, int i) {
  unsigned how = take(&w.in);
  if (!push_conn(L, i)) return;
  push_method(L, how < 200 ? "accept" : "reject");
  if (how >= 200) lua_pushinteger(L, 100 + how % 8 * 100);
  if (how < 100)
    lua_pushnil(L);
  else if (how < 200)
    lua_pushfstring(L, "p%d", how % 3);
  lua_newtable(L);
  if (how & 8) {
    lua_pushliteral(L, "A");
    lua_rawseti(L, -2, 1);
    lua_pushliteral(L, "b");
    lua_rawseti(L, -2, 2);
  }
  call(L, 3);
}

static void a_handshake (lua_State *L, int i) {
  if (!push_conn(L, i)) return;
  push_method(L, "handshake");
  if (!call(L, 1) || lua_type(L, -3) != LUA_TSTRING) return;
  if (strcmp(lua_tostring(L, -3), "request") == 0) {
    answer(L, i);
  } else if (push_conn(L, i)) {
    push_method(L, "taken");
    call(L, 1);
  }
}

/* ---- any method, with any arguments */

static const char *const methods[] = {
    "abort", "close", "closefd", "eof", "forget", "taken", "feed", "sent",
    "eof",
    /* the rest breaks no stream of bytes */
    "accept", "chosen", "close", "ending", "extensions", "fd", "handshake",
    "head", "head_field", "head_target", "head_text", "heard", "held",
    "in_parts", "is_upgrade", "keep", "line", "marked", "more", "offered",
    "output", "pending", "ping", "poll", "ponged", "pull", "push", "queued",
    "wake", "wanted", "reject", "request", "shaking", "shutdown", "state",
    "tls_error", "unread", "used", "waiting", "is_behind", "written", "serve",
    "drains", "calling", "called", "mute", "is_done", "kept", "remote",
    "choose", "is_clean", "is_dry"};
enum { BREAKING = 9, METHODS = sizeof methods / sizeof *methods };

static void push_any (lua_State *L) {
  static const char *const strings[] = {
      "", "text", "binary", "a", "host", "GET / HTTP/1.1\r\n", "p1"};
  unsigned how = take(&w.in);
  switch (how % 8) {
    case 0: lua_pushnil(L); break;
    case 1: lua_pushboolean(L, how & 8); break;
    case 2: lua_pushinteger(L, how / 8); break;
    case 3: lua_pushinteger(L, how / 8 * 1000); break;
    case 4: push_conn(L, how / 8 % CONNS); break;
    case 5: lua_newtable(L); break;
    default: lua_pushstring(L, strings[how / 8 % 7]);
  }
}

static void a_method (lua_State *L, int i) {
  unsigned which = take(&w.in) % METHODS, n = take(&w.in) % 4;
  if (which < BREAKING && w.tame) which += BREAKING;
  if (w.ends[i].moving && strcmp(methods[which], "push") == 0) return;
  if (which < BREAKING) w.ends[i].wild = w.ends[i ^ 1].wild = 1;
  if (!push_conn(L, i)) return;
  trace("      %s\n", methods[which]);
  push_method(L, methods[which]);
  for (unsigned k = 0; k < n; k++) push_any(L);
  call(L, 1 + (int)n);
}

static void a_close (lua_State *L, int i) {
  if (!push_conn(L, i)) return;
  w.ends[i].wild = w.ends[i ^ 1].wild = 1; /* later messages are let go */
  push_method(L, "close");
  lua_pushinteger(L, 1000);
  lua_pushliteral(L, "a reason that is longer than forty characters are");
  call(L, 3);
}

/* ---- many connections */

/* Pushes a list of the conns. */
static void push_list (lua_State *L) {
  lua_newtable(L);
  for (int i = 0; i < CONNS; i++) {
    if (push_conn(L, i))
      lua_rawseti(L, -2, i + 1);
    else
      lua_pop(L, 1);
  }
}

/* A message to all servers' clients that are open; nobody knows to which. */
static void a_broadcast (lua_State *L, int i) {
  push_function(L, "broadcast");
  push_list(L);
  lua_pushliteral(L, "to all of them");
  lua_pushliteral(L, "text");
  push_object(L, "turn");
  for (int k = 0; k < CONNS; k++) w.ends[k].wild = 1;
  if (take(&w.in) & 1) {
    push_conn(L, i);
    call(L, 5);
  } else {
    call(L, 4);
  }
}

static void a_turn (lua_State *L, int i) {
  static const char *const names[] = {"mark",  "flush", "marks", "is_current",
                                      "reset", "time",  "latest"};
  unsigned which = take(&w.in) % 7;
  if (w.ends[i].moving) return;
  push_object(L, "turn");
  push_method(L, names[which]);
  if (which == 0) push_conn(L, i);
  if (which == 6) lua_pushnumber(L, 1e9);
  if (which == 1) w.ends[i].wild = w.ends[i ^ 1].wild = 1;
  call(L, which == 0 || which == 6 ? 2 : 1);
}

/* ---- coroutines that receive and send as connection.lua has them do it */

static void step (lua_State *L);

static int body_on (lua_State *L, int status, lua_KContext ctx) {
  (void)status;
  lua_settop(L, 1);
  if (ctx == 0 || w.in.n == 0) return 0;
  step(L);
  push_object(L, ctx % 2 ? "receive" : "receive_part");
  lua_pushvalue(L, 1);
  lua_callk(L, 1, 3, ctx - 1, body_on);
  return body_on(L, LUA_OK, ctx - 1);
}

/* The coroutine: receives some messages by ws:receive, and parts. */
static int body (lua_State *L) { return body_on(L, LUA_OK, 5); }

/* Resumes the thread, by the loop, with the value on the top or nothing. */
static void resume (lua_State *L, int n) {
  lua_newtable(L);
  lua_pushinteger(L, n);
  lua_rawseti(L, -2, 1);
  if (n > 0) {
    lua_pushvalue(L, -2);
    lua_rawseti(L, -2, 2);
  }
  push_object(L, "woken");
  push_object(L, "thread");
  lua_pushvalue(L, -3);
  lua_rawset(L, -3);
  push_object(L, "turn");
  push_method(L, "resume");
  push_object(L, "thread");
  call(L, 2);
}

/* What users have for conn i. */
static void push_ws (lua_State *L, int i) {
  lua_newtable(L);
  push_function(L, "CONN");
  push_conn(L, i);
  lua_rawset(L, -3);
}

/* Starts one that uses conn i. */
static void a_coroutine (lua_State *L, int i) {
  lua_State *thread = lua_newthread(L);
  set_object(L, "thread");
  lua_pushcfunction(thread, body);
  push_ws(L, i);
  w.ends[i].wild = 1;
  resume(L, 1);
}

static void a_resume (lua_State *L, int i) {
  (void)i;
  if (!push_object(L, "thread")) return;
  if (lua_status(lua_tothread(L, -1)) != LUA_YIELD) return;
  resume(L, 0);
}

/* ws:send, for any coroutine or none. */
static void a_fast_send (lua_State *L, int i) {
  push_object(L, "send");
  push_ws(L, i);
  lua_pushliteral(L, "by the fast way");
  w.ends[i ^ 1].wild = 1;
  call(L, 2);
}

/* The poller says what is ready; with a turn that serves it. */
static void a_serve (lua_State *L, int i) {
  if (w.ends[i].moving || w.ends[i ^ 1].moving) return;
  w.ends[i].wild = w.ends[i ^ 1].wild = 1;
  push_object(L, "poller");
  push_method(L, "wait");
  lua_pushinteger(L, 0);
  call(L, 2);
  push_object(L, "turn");
  push_method(L, "serve");
  push_object(L, "poller");
  call(L, 2);
}

static void a_watch (lua_State *L, int i) {
  lua_Integer fd;
  if (!push_conn(L, i)) return;
  lua_pushvalue(L, -1);
  push_method(L, "fd");
  if (!call(L, 1) || !lua_isinteger(L, -3)) return;
  fd = lua_tointeger(L, -3);
  lua_pop(L, 3);
  push_object(L, "watchers");
  lua_insert(L, -2);
  lua_rawseti(L, -2, fd);
  push_object(L, "poller");
  push_method(L, "add");
  lua_pushinteger(L, fd);
  lua_pushinteger(L, fd);
  call(L, 3);
}

/* ---- life */

static void push_config (lua_State *L, const char *role, unsigned how) {
  push_function(L, "config");
  lua_pushstring(L, role);
  lua_newtable(L);
  lua_pushinteger(L, how & 1 ? 1000 : 1 << 18);
  lua_setfield(L, -2, "max_message");
  lua_pushinteger(L, how & 2 ? 2 : 1000);
  lua_setfield(L, -2, "max_fragments");
  lua_newtable(L);
  lua_pushboolean(L, how & 4);
  lua_setfield(L, -2, "server_no_context_takeover");
  lua_pushinteger(L, 20);
  lua_setfield(L, -2, "threshold");
  if (how & 8) {
    lua_pop(L, 1);
    lua_pushnil(L);
  }
  lua_setfield(L, -2, "compress");
  lua_call(L, 2, 1);
}

static void forget_end (end *e) {
  e->generation = ++w.generation;
  e->wild = e->fd = e->unsure = 0;
  e->part.n = 0;
}

static void new_conn (lua_State *L, int i, unsigned how) {
  push_function(L, "conn");
  push_config(L, i & 1 ? "server" : "client", how);
  if (how & 1)
    lua_newtable(L);
  else
    push_object(L, "link");
  lua_call(L, 2, 1);
  set_conn(L, i);
  forget_end(&w.ends[i]); /* a finalizer may have made a pair meanwhile */
}

/* A new pair; the old one is garbage. */
static void a_pair (lua_State *L, int i) {
  unsigned how = take(&w.in);
  int a = i & ~1;
  if (w.ends[a].moving || w.ends[a + 1].moving) return;
  for (int k = a; k < a + 2; k++) {
    lua_pushnil(L);
    set_conn(L, k);
    forget_end(&w.ends[k]);
  }
  for (int k = a; k < a + 2; k++) new_conn(L, k, how);
  if (how >= 128) return;
  a_request(L, a);
  a_move(L, a);
  a_handshake(L, a + 1);
  a_move(L, a + 1);
  a_handshake(L, a);
}

/* __gc and __close by hand, and what comes after. */
static void a_end (lua_State *L, int i) {
  if (w.tame || !push_conn(L, i)) return;
  w.ends[i].wild = w.ends[i ^ 1].wild = 1;
  lua_getmetatable(L, -1);
  lua_getfield(L, -1, take(&w.in) & 1 ? "__gc" : "__close");
  lua_pushvalue(L, -3);
  call(L, 1);
}

/* An object whose finalizer goes on with the program. */
static int finalizer (lua_State *L) {
  unsigned n = 1 + take(&w.in) % 3;
  if (w.depth >= DEPTH) return 0;
  trace("    {\n");
  w.depth++;
  for (unsigned i = 0; i < n; i++) step(L);
  w.depth--;
  trace("    }\n");
  return 0;
}

static void a_garbage (lua_State *L, int i) {
  unsigned n = 1 + take(&w.in) % 4;
  (void)i;
  for (unsigned k = 0; k < n; k++) {
    lua_newuserdatauv(L, 0, 0);
    push_object(L, "bomb");
    lua_setmetatable(L, -2);
    lua_pop(L, 1);
  }
}

static void a_collect (lua_State *L, int i) {
  (void)i;
  lua_gc(L, LUA_GCCOLLECT);
}

static void a_fail (lua_State *L, int i) {
  unsigned how = take(&w.in);
  (void)L;
  (void)i;
  memory_faults.after = how % 32;
  memory_faults.count = 1 + how / 8; /* Lua collects and tries again */
}

/* ---- a program */

typedef struct act {
  const char *name;
  void (*run)(lua_State *L, int i);
} act;

static const act acts[] = {
    {"send", a_send},         {"move", a_move},
    {"receive", a_receive},   {"receive part", a_receive_part},
    {"garbage", a_garbage},   {"move", a_move},
    {"method", a_method},     {"handshake", a_handshake},
    {"garbage", a_garbage},   {"send", a_send},
    {"fragment", a_fragment}, {"request", a_request},
    {"close", a_close},       {"broadcast", a_broadcast},
    {"turn", a_turn},         {"coroutine", a_coroutine},
    {"resume", a_resume},     {"fast send", a_fast_send},
    {"serve", a_serve},       {"watch", a_watch},
    {"attach", a_attach},     {"pair", a_pair},
    {"end", a_end},           {"collect", a_collect},
    {"memory fails", a_fail}, {"method", a_method},
    {"receive", a_receive},   {"move", a_move},
    {"method", a_method},     {"receive part", a_receive_part},
    {"garbage", a_garbage},   {"method", a_method},
};

static int do_step (lua_State *L) {
  unsigned what = take(&w.in);
  const act *a = &acts[what % 32];
  trace("    %u: %s\n", what / 32 % CONNS, a->name);
  luaL_checkstack(L, 40, NULL);
  a->run(L, (int)(what / 32 % CONNS));
  return 0;
}

/* Any error ends just the step. */
static void step (lua_State *L) {
  if (w.in.n == 0 || w.steps == 0 || !lua_checkstack(L, 4)) return;
  w.steps--;
  lua_pushcfunction(L, do_step);
  if (lua_pcall(L, 0, 0, 0) == LUA_OK) return;
  trace("      error %s\n", lua_tostring(L, -1));
  lua_pop(L, 1); /* remove the error */
}

/* ---- begin */

/* What the loop would be: does some steps, in place of failed, after, left and
   lent. */
static int hook (lua_State *L) {
  step(L);
  return 0;
}

/* A thread to lend. */
static int spare (lua_State *L) {
  push_object(L, "turn");
  push_method(L, "thread");
  lua_call(L, 1, 1);
  return 1;
}

static int slow (lua_State *L) {
  (void)L;
  return 0;
}

/* What a call outside the loop would be: nothing. */
static int wrap (lua_State *L) {
  lua_pushcfunction(L, slow);
  return 1;
}

static int mistake (lua_State *L) { return luaL_error(L, "a mistake"); }

/* ws:send and ws:receive. */
static void make_methods (lua_State *L) {
  static const luaL_Reg asked[] = {
      {"may_turn", slow},         {"deadline", slow},
      {"no_connection", mistake}, {"no_timeout", mistake},
      {"in_parts", mistake},      {"busy", mistake},
      {"cannot_wait", mistake},   {NULL, NULL}};
  push_function(L, "fast_send");
  lua_pushcfunction(L, slow);
  push_object(L, "turn");
  lua_call(L, 2, 1);
  set_object(L, "send");
  push_function(L, "receive");
  push_object(L, "turn");
  luaL_newlib(L, asked);
  lua_pushcfunction(L, wrap);
  lua_call(L, 3, 2);
  set_object(L, "receive_part");
  set_object(L, "receive");
}

static void make_turn (lua_State *L) {
  static const char *const tables[] = {"watchers", "parked", "woken"};
  for (int i = 0; i < 3; i++) {
    lua_newtable(L);
    set_object(L, tables[i]);
  }
  push_function(L, "turn");
  for (int i = 0; i < 3; i++) push_object(L, tables[i]);
  for (int i = 0; i < 4; i++) lua_pushcfunction(L, hook);
  lua_pushcfunction(L, spare);
  lua_call(L, 8, 1);
  set_object(L, "turn");
  push_function(L, "poller");
  lua_call(L, 0, 1);
  set_object(L, "poller");
  make_methods(L);
}

/* What a link would be, with callbacks. */
static void make_link (lua_State *L) {
  static const luaL_Reg link[] = {{"read_on", hook},
                                  {"ended_in_receive", hook},
                                  {"catch_up", hook},
                                  {NULL, NULL}};
  static const luaL_Reg callbacks[] = {{"on_open", hook},
                                       {"on_message", hook},
                                       {"on_drain", hook},
                                       {NULL, NULL}};
  luaL_newlib(L, link);
  luaL_newlib(L, callbacks);
  lua_setfield(L, -2, "options");
  set_object(L, "link");
}

static void make_bomb (lua_State *L) {
  lua_newtable(L);
  lua_pushcfunction(L, finalizer);
  lua_setfield(L, -2, "__gc");
  set_object(L, "bomb");
}

/* As often as it can: whole collections, young ones, or one step at a time. */
static void collect_often (lua_State *L, unsigned how) {
  lua_gc(L, LUA_GCCOLLECT);
  if (how % 4 == 0) {
    lua_gc(L, LUA_GCGEN, 1, 1);
  } else {
    lua_gc(L, LUA_GCINC, 1, 400, how % 4 == 1 ? 20 : 6);
    lua_gc(L, LUA_GCSETPAUSE, 0);
  }
}

static int begin (lua_State *L) {
  lua_newtable(L);
  lua_setfield(L, LUA_REGISTRYINDEX, "fuzz");
  lua_pushcfunction(L, luaopen_websock_core);
  lua_call(L, 0, 1);
  set_object(L, "core");
  make_turn(L);
  make_link(L);
  make_bomb(L);
  unsigned how = take(&w.in);
  w.tame = how & 64;
  collect_often(L, how);
  for (int i = 0; i < PAIRS; i++) a_pair(L, 2 * i);
  return 0;
}

/* ---- end */

/* A message; or the next part of one that was begun in parts, perhaps by a call
   that had no memory to give it. */
static void receive_any (lua_State *L, int i) {
  if (!push_conn(L, i)) return;
  push_method(L, "in_parts");
  if (call(L, 1) && lua_toboolean(L, -3))
    a_receive_part(L, i);
  else
    a_receive(L, i);
}

/* One round of moving and receiving. */
static void move_all (lua_State *L) {
  for (int i = 0; i < CONNS; i++) {
    lua_settop(L, 0);
    a_move(L, i);
    lua_settop(L, 0);
    a_handshake(L, i);
    lua_settop(L, 0);
    receive_any(L, i);
  }
}

/* Moves bytes and receives until nothing is left of them. */
static void settle (lua_State *L) {
  int n = 0;
  do {
    w.moved = 0;
    move_all(L);
  } while (w.moved && ++n < 1000);
}

static int is_open (lua_State *L, int i) {
  lua_settop(L, 0);
  if (!push_conn(L, i)) return 0;
  push_method(L, "state");
  return call(L, 1) && strcmp(lua_tostring(L, -3), "open") == 0;
}

/* Nothing that was queued is missing. */
static int check_all (lua_State *L) {
  settle(L);
  for (int k = 0; k < w.nmessages; k++) {
    const message *m = &w.messages[k];
    for (int i = 0; i < CONNS; i++) {
      const end *e = &w.ends[i];
      if (m->to != e->generation || e->wild || e->fd || !m->queued) continue;
      trace("    %d: message %d of %zu bytes, got %d\n", i, k, m->size, m->got);
      if (is_open(L, i) && is_open(L, i ^ 1)) assert(m->got);
    }
  }
  return 0;
}

/* Lua warns of a finalizer that has failed, and never calls it again: what
   it would have freed stays. So leaks are found by what is allocated in the
   end, and not by the sanitizer. */
int __lsan_is_turned_off (void);
int __lsan_is_turned_off (void) { return 1; }

static void warned (void *ud, const char *text, int more) {
  (void)ud;
  (void)more;
  trace("      warning %s\n", text);
  w.lost = 1;
}

int LLVMFuzzerTestOneInput (const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput (const uint8_t *data, size_t size) {
  memset(&w, 0, sizeof w);
  w.in = (input){data, size};
  w.steps = STEPS;
  faults_reset();
  lua_State *L = lua_newstate(lua_alloc, NULL);
  assert(L != NULL);
  lua_setwarnf(L, warned, NULL);
  lua_pushcfunction(L, begin);
  assert(lua_pcall(L, 0, 0, 0) == LUA_OK);
  while (w.in.n > 0 && w.steps > 0) step(L);
  faults_stop();
  w.steps = 0;
  w.in.n = 0; /* from here on all that is queued moves at once */
  lua_pushcfunction(L, check_all);
  assert(lua_pcall(L, 0, 0, 0) == LUA_OK);
  lua_close(L);
  assert(allocated == 0 || w.lost);
  for (int i = 0; i < CONNS; i++) bytes_free(&w.ends[i].part);
  return 0;
}
