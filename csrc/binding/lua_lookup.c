/*
** lua_lookup.c - the userdata `websock.lookup`: a name look-up under way.
*/
#include <string.h>

#include "lua_int.h"

#define LOOKUP "websock.lookup"

typedef struct lookup {
  net_lookup *l;
} lookup;

static lookup *tolookup (lua_State *L) {
  return (lookup *)luaL_checkudata(L, 1, LOOKUP);
}

static net_lookup *check_open (lua_State *L) {
  lookup *self = tolookup(L);
  if (self->l == NULL) luaL_error(L, "closed lookup");
  return self->l;
}

static const char *check_host (lua_State *L) {
  size_t n;
  const char *host = luaL_checklstring(L, 1, &n);
  luaL_argcheck(L, strlen(host) == n, 1, "host contains a zero byte");
  return host;
}

/* core.lookup(host [, family]) -> lookup | nil, err */
static int lookup_new (lua_State *L) {
  static const char *const names[] = {"any", "inet", "inet6", NULL};
  static const int families[] = {-1, NET_INET, NET_INET6};
  const char *host = check_host(L);
  int family = families[luaL_checkoption(L, 2, "any", names)];
  lookup *self = (lookup *)lua_newuserdatauv(L, sizeof *self, 0);
  self->l = NULL;
  luaL_setmetatable(L, LOOKUP);
  self->l = net_lookup_new(host, family);
  if (self->l == NULL) return websock_failed(L);
  return 1;
}

static int lookup_close (lua_State *L) {
  lookup *self = tolookup(L);
  net_lookup *l = self->l;
  self->l = NULL;
  net_lookup_free(l);
  return 0;
}

/* lookup:fd() -> descriptor that becomes readable with the answer */
static int lookup_fd (lua_State *L) {
  lua_pushinteger(L, net_lookup_fd(check_open(L)));
  return 1;
}

/* Pushes a table for an address. Works on a copy, because a finalizer may free
   the address meanwhile. */
static void push_address (lua_State *L, const net_address *a) {
  net_address mine = *a;
  lua_createtable(L, 0, 2);
  lua_pushstring(L, mine.host);
  lua_setfield(L, -2, "host");
  lua_pushstring(L, websock_family(mine.family));
  lua_setfield(L, -2, "family");
}

/* lookup:take() -> list of {host=, family=} | nil, "again" | nil, err. Each
   table made here may collect, and a finalizer may close the lookup, so the
   loop asks for the list anew each time. */
static int lookup_take (lua_State *L) {
  const net_address *list = NULL;
  const char *why = NULL;
  int n = net_lookup_take(check_open(L), &list, &why);
  if (n == NET_AGAIN) return websock_nil(L, "again");
  if (n < 0) return websock_nil(L, why);
  lua_createtable(L, n, 0);
  for (int i = 0; i < n; i++) {
    net_lookup_take(check_open(L), &list, &why);
    push_address(L, &list[i]);
    lua_rawseti(L, -2, i + 1);
  }
  return 1;
}

static int lookup_tostring (lua_State *L) {
  lua_pushfstring(L, LOOKUP ": %p", (void *)tolookup(L));
  return 1;
}

/* core.numeric(host) -> host, family, or nothing if it is no numeric
   address */
static int l_numeric (lua_State *L) {
  net_address a;
  if (!net_numeric(check_host(L), &a)) return 0;
  lua_pushstring(L, a.host);
  lua_pushstring(L, websock_family(a.family));
  return 2;
}

static const luaL_Reg methods[] = {{"close", lookup_close},
                                   {"fd", lookup_fd},
                                   {"take", lookup_take},
                                   {NULL, NULL}};

static const luaL_Reg meta[] = {{"__gc", lookup_close},
                                {"__close", lookup_close},
                                {"__tostring", lookup_tostring},
                                {NULL, NULL}};

static const luaL_Reg functions[] = {
    {"lookup", lookup_new}, {"numeric", l_numeric}, {NULL, NULL}};

void websock_open_lookup (lua_State *L) {
  websock_newtype(L, LOOKUP, methods, meta);
  luaL_setfuncs(L, functions, 0);
}
