/*
** lua_core.c - the module `websock.core`, filled by the other lua_*.c files.
** docs/reference.md says which of its functions are public (the protocol core
** without I/O); the rest serves lua/websock.
*/
#include "lua_int.h"

LUAMOD_API int luaopen_websock_core (lua_State *L);

LUAMOD_API int luaopen_websock_core (lua_State *L) {
  lua_newtable(L);
  websock_open_config(L);
  websock_open_conn(L);
  websock_open_audience(L);
  websock_open_broadcast(L);
  websock_open_receive(L);
  websock_open_fast(L);
  websock_open_net(L);
  websock_open_peer(L);
  websock_open_signal(L);
  websock_open_poll(L);
  websock_open_stream(L);
  websock_open_tap(L);
  websock_open_timer(L);
  websock_open_tls(L);
  websock_open_turn(L);
  websock_open_upgrade(L);
  websock_open_lookup(L);
  websock_open_ws(L);
  return 1;
}
