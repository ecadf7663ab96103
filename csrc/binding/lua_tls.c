/*
** lua_tls.c - the userdata `websock.tls`: settings of TLS that many connections
** share. lua/websock/base/tls.lua checks them.
*/
#include <string.h>

#include "lua_conn.h"

#define TLS "websock.tls"

/* About what a context holds outside of Lua, in KiB, for the collector. */
enum { SIZE = 64 };

typedef struct tls {
  net_tls_ctx *ctx;
} tls;

/* Pushes a field of the table at 1, and returns it if it is a string. The stack
   keeps it alive even if the table changes. */
static const char *text (lua_State *L, const char *name, size_t *n) {
  if (lua_getfield(L, 1, name) != LUA_TSTRING) return NULL;
  return lua_tolstring(L, -1, n);
}

/* Returns a boolean of the table at 1; nil means `otherwise`. */
static int flag (lua_State *L, const char *name, int otherwise) {
  int on = otherwise;
  if (lua_getfield(L, 1, name) != LUA_TNIL) on = lua_toboolean(L, -1);
  lua_pop(L, 1); /* remove the field */
  return on;
}

/* Leaves the strings on the stack. */
static void read_settings (lua_State *L, net_tls_settings *s) {
  enum { STRINGS = 11 };
  const char *min;
  luaL_checkstack(L, STRINGS + 1, NULL);
  min = text(L, "min_version", NULL);
  memset(s, 0, sizeof *s);
  s->server = flag(L, "server", 0);
  s->verify = flag(L, "verify", 1);
  s->ca_file = text(L, "ca_file", NULL);
  s->ca_path = text(L, "ca_path", NULL);
  s->cert = text(L, "cert", NULL);
  s->key = text(L, "key", NULL);
  s->password = text(L, "password", NULL);
  s->client_ca = text(L, "client_ca", NULL);
  s->alpn = text(L, "alpn", &s->nalpn);
  s->min_version = min && strcmp(min, "1.3") == 0 ? 13 : 12;
  s->ciphers = text(L, "ciphers", NULL);
  s->ciphersuites = text(L, "ciphersuites", NULL);
  s->keylog = text(L, "keylog", NULL);
}

/* core.tls(settings) -> tls | nil, "tls: ..."; settings as net_tls_settings has
   them, alpn in the form of the protocol */
static int tls_new (lua_State *L) {
  net_tls_settings settings;
  char why[NET_TLS_WHY];
  tls *self;
  luaL_checktype(L, 1, LUA_TTABLE);
  lua_settop(L, 1);
  lua_gc(L, LUA_GCSTEP, SIZE);
  self = (tls *)lua_newuserdatauv(L, sizeof *self, 0);
  self->ctx = NULL;
  luaL_setmetatable(L, TLS);
  read_settings(L, &settings);
  self->ctx = net_tls_ctx_new(&settings, why);
  if (self->ctx == NULL) return websock_nil(L, why);
  lua_settop(L, 2); /* remove the strings */
  return 1;
}

/* __gc and __close; idempotent. Connections keep their own reference to the
   context. */
static int tls_gc (lua_State *L) {
  tls *self = (tls *)luaL_checkudata(L, 1, TLS);
  net_tls_ctx *ctx = self->ctx;
  self->ctx = NULL;
  net_tls_ctx_free(ctx);
  return 0;
}

net_tls_ctx *websock_totls (lua_State *L, int arg) {
  tls *self = (tls *)luaL_checkudata(L, arg, TLS);
  luaL_argcheck(L, self->ctx != NULL, arg, "closed");
  return self->ctx;
}

static int tls_tostring (lua_State *L) {
  lua_pushfstring(L, TLS ": %p", luaL_checkudata(L, 1, TLS));
  return 1;
}

static const luaL_Reg methods[] = {{NULL, NULL}};
static const luaL_Reg meta[] = {{"__gc", tls_gc},
                                {"__close", tls_gc},
                                {"__tostring", tls_tostring},
                                {NULL, NULL}};

void websock_open_tls (lua_State *L) {
  websock_newtype(L, TLS, methods, meta);
  lua_pushcfunction(L, tls_new);
  lua_setfield(L, -2, "tls");
}
