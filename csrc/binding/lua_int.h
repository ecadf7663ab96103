/*
** lua_int.h - what the files of the binding share: one file per userdata type,
** each with a function that adds what it offers to the module on the top.
*/
#ifndef lua_int_h
#define lua_int_h

#include <lauxlib.h>
#include <lua.h>

#include "net.h"

#pragma GCC visibility push(hidden)

void websock_open_broadcast (lua_State *L);
void websock_open_config (lua_State *L);
void websock_open_conn (lua_State *L);
void websock_open_fast (lua_State *L);
void websock_open_net (lua_State *L);
void websock_open_signal (lua_State *L);
void websock_open_poll (lua_State *L);
void websock_open_receive (lua_State *L);
void websock_open_timer (lua_State *L);
void websock_open_tls (lua_State *L);
void websock_open_turn (lua_State *L);
void websock_open_lookup (lua_State *L);

/* ---- lua_net.c */
/* Collects all garbage, for what has found no memory to try once more: Lua does
   so for itself, but the core asks the state's allocator directly. Finalizers
   run: look at everything anew. */
void websock_reclaim (lua_State *L);
/* Returns nil, why: what the world does wrong. */
int websock_nil (lua_State *L, const char *why);
/* nil and the text of the last failed system call. */
int websock_failed (lua_State *L);
/* true, or websock_failed when r is below zero. */
int websock_result (lua_State *L, int r);
/* Registers a userdata type: its methods and the other entries of its metatable
   (__name is its name, __index its methods). */
void websock_newtype (lua_State *L, const char *name, const luaL_Reg *methods,
                      const luaL_Reg *meta);
/* The descriptor at arg: any number with an integer value (LuaSocket's getfd
   returns floats) from 0 up; raises otherwise. */
net_fd websock_checkfd (lua_State *L, int arg);
/* Pushes host, port and family of an address: 3. */
int websock_pushaddress (lua_State *L, const net_address *a);
const char *websock_family (int family);

/* ---- lua_config.c: pushes the state's pool, see ws.h */
struct ws_pool *websock_pushpool (lua_State *L);

/* ---- lua_poll.c: where the poller at arg, which is open, is kept; NULL
   there once it is closed */
net_poll *const *websock_topoll (lua_State *L, int arg);

#pragma GCC visibility pop

#endif
