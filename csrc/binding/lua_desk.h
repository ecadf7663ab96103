/*
** lua_desk.h - calls made outside the loop (lua_desk.c).
*/
#ifndef lua_desk_h
#define lua_desk_h

#include "lua_turn.h"

#pragma GCC visibility push(hidden)

extern const luaL_Reg websock_desk_methods[];
/* Creates the metatable that lua_desk.c needs. */
void websock_prepare_desk (lua_State *L);

#pragma GCC visibility pop

#endif
