/*
** lua_tap.c - the userdata `websock.tap`: a copy of the bytes that go through
** connections, without TLS, for those who want to look at them (the command's
** --verbose). The connections and the userdata own it together, since each may
** end first.
*/
#include <stdlib.h>
#include <string.h>

#include "lua_conn.h"

#define TAP "websock.tap"

enum { NEW, SENT, RECEIVED };

/* Before the bytes of a record. */
typedef struct record {
  size_t size;
  int what; /* NEW ... */
} record;

struct tap {
  char *data; /* records; from `at` to `used` they were not taken */
  size_t at, used, room;
  int owners;
  int lost; /* memory ran out */
};

static void release (tap *t) {
  if (--t->owners > 0) return;
  free(t->data);
  free(t);
}

/* Makes room for n more bytes. Returns where they go, or NULL. */
static char *reserve (tap *t, size_t n) {
  if (t->room - t->used < n) {
    size_t room = 2 * (t->used + n);
    char *data = (char *)realloc(t->data, room);
    if (data == NULL) return NULL;
    t->data = data;
    t->room = room;
  }
  return t->data + t->used;
}

static char *begin (tap *t, int what, size_t size) {
  record r = {size, what};
  char *p = t->lost ? NULL : reserve(t, sizeof r + size);
  t->lost = p == NULL;
  if (p == NULL) return NULL;
  memcpy(p, &r, sizeof r);
  t->used += sizeof r + size;
  return p + sizeof r;
}

void websock_tap_received (tap *t, const void *bytes, size_t size) {
  char *p = begin(t, RECEIVED, size);
  if (p) memcpy(p, bytes, size);
}

void websock_tap_sent (tap *t, const net_iov *v, size_t size) {
  char *p = begin(t, SENT, size);
  for (; p && size > 0; v++) {
    size_t n = v->len < size ? v->len : size;
    memcpy(p, v->base, n);
    p += n;
    size -= n;
  }
}

void websock_untap (conn *c) {
  tap *t = c->tap;
  c->tap = NULL;
  if (t) release(t);
}

/* ----------------------------------------------------------------- for Lua */

/* Returns where the tap at arg is kept. NULL stands there once it is closed. */
static tap **check (lua_State *L, int arg) {
  return (tap **)luaL_checkudata(L, arg, TAP);
}

static tap *to_tap (lua_State *L, int arg) {
  tap *t = *check(L, arg);
  luaL_argcheck(L, t != NULL, arg, "closed");
  return t;
}

/* core.tap() -> tap */
static int tap_new (lua_State *L) {
  tap **self = (tap **)lua_newuserdatauv(L, sizeof *self, 0);
  *self = NULL;
  luaL_setmetatable(L, TAP);
  *self = (tap *)calloc(1, sizeof **self);
  if (*self == NULL) return luaL_error(L, "not enough memory");
  (*self)->owners = 1;
  return 1;
}

/* tap:attach(conn): the conn's bytes go to this tap, too, from now on. */
static int tap_attach (lua_State *L) {
  tap *t = to_tap(L, 1);
  conn *c = (conn *)luaL_checkudata(L, 2, CONN_TYPE);
  luaL_argcheck(L, c->alive && c->tap == NULL, 2, "closed, or has a tap");
  t->owners++;
  c->tap = t;
  begin(t, NEW, 0);
  return 0;
}

/* tap:take() -> "new" at the beginning of a connection, "sent" or "received"
   and the bytes, nil if there is nothing more */
static int tap_take (lua_State *L) {
  static const char *const names[] = {"new", "sent", "received"};
  tap *t = to_tap(L, 1);
  record r;
  if (t->lost) return luaL_error(L, "not enough memory");
  if (t->at == t->used) return 0;
  memcpy(&r, t->data + t->at, sizeof r);
  luaL_checkstack(L, 2, NULL);
  lua_pushstring(L, names[r.what]);
  lua_pushlstring(L, t->data + t->at + sizeof r, r.size);
  t->at += sizeof r + r.size;
  if (t->at == t->used) t->at = t->used = 0;
  return 2;
}

/* __gc and __close; idempotent. */
static int tap_gc (lua_State *L) {
  tap **self = check(L, 1);
  tap *t = *self;
  *self = NULL;
  if (t) release(t);
  return 0;
}

static int tap_tostring (lua_State *L) {
  lua_pushfstring(L, TAP ": %p", (void *)check(L, 1));
  return 1;
}

static const luaL_Reg methods[] = {
    {"attach", tap_attach}, {"take", tap_take}, {NULL, NULL}};
static const luaL_Reg meta[] = {{"__gc", tap_gc},
                                {"__close", tap_gc},
                                {"__tostring", tap_tostring},
                                {NULL, NULL}};

void websock_open_tap (lua_State *L) {
  websock_newtype(L, TAP, methods, meta);
  lua_pushcfunction(L, tap_new);
  lua_setfield(L, -2, "tap");
}
