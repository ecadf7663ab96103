/*
** lua_int.h - what the files of the binding share. Each file's websock_open_*
** adds its functions to the module on the top.
*/
#ifndef lua_int_h
#define lua_int_h

#include <lauxlib.h>
#include <lua.h>

#include "net_sys.h"

#pragma GCC visibility push(hidden)

void websock_open_audience (lua_State *L);
void websock_open_broadcast (lua_State *L);
void websock_open_config (lua_State *L);
void websock_open_conn (lua_State *L);
void websock_open_fast (lua_State *L);
void websock_open_net (lua_State *L);
void websock_open_peer (lua_State *L);
void websock_open_signal (lua_State *L);
void websock_open_poll (lua_State *L);
void websock_open_receive (lua_State *L);
void websock_open_stream (lua_State *L);
void websock_open_tap (lua_State *L);
void websock_open_timer (lua_State *L);
void websock_open_tls (lua_State *L);
void websock_open_turn (lua_State *L);
void websock_open_upgrade (lua_State *L);
void websock_open_lookup (lua_State *L);
void websock_open_ws (lua_State *L);

/* ---- lua_net.c */
/* Collects all garbage, before a retry of a step that found no memory: Lua does
   so for its own allocations, but the core calls the state's allocator
   directly. Runs finalizers, so the caller must look at everything anew. */
void websock_reclaim (lua_State *L);
/* Pushes nil, why: for failures that are not the caller's mistake. */
int websock_nil (lua_State *L, const char *why);
/* Pushes nil and the text of the last system call's error. */
int websock_failed (lua_State *L);
/* Pushes true, or calls websock_failed if r is negative. */
int websock_result (lua_State *L, int r);
/* Registers a userdata type: its methods and the other entries of its metatable
   (__name is its name, __index its methods). */
void websock_newtype (lua_State *L, const char *name, const luaL_Reg *methods,
                      const luaL_Reg *meta);
/* luaL_checkudata for a userdata whose first member is `type`, an array: by its
   address it is known without looking its metatable up by name. (The length of
   a light userdata is 0.) websock_test returns NULL for any other value. */
void *websock_check (lua_State *L, int arg, const char *type);
void *websock_test (lua_State *L, int index, const char *type);
/* Returns the descriptor at arg: a number with an integer value (LuaSocket's
   getfd returns floats) from 0 up; raises otherwise. */
net_fd websock_checkfd (lua_State *L, int arg);
/* Pushes host, port and family of an address. Returns 3. */
int websock_pushaddress (lua_State *L, const net_address *a);
const char *websock_family (int family);

/* ---- lua_config.c: pushes the state's pool, see ws.h */
struct ws_pool *websock_pushpool (lua_State *L);

/* ---- lua_poll.c: returns where the poller at arg is kept, or raises if it is
   closed. NULL stands there once it is closed. */
net_poll *const *websock_topoll (lua_State *L, int arg);
/* Removes a descriptor from the loop's poller, if there is one. To be called
   before the finalizer of its owner closes it. Allocates nothing. */
void websock_forget (lua_State *L, net_fd fd);

/* ---- lua_timer.c: the same for the timers at arg */
net_timers *const *websock_totimers (lua_State *L, int arg);

#pragma GCC visibility pop

#endif
