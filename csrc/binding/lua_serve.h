/*
** lua_serve.h - what the parts of a turn in C share: lua_turn.c, lua_resume.c,
** lua_tell.c, lua_serve.c, lua_flush.c.
*/
#ifndef lua_serve_h
#define lua_serve_h

#include "lua_turn.h"

#pragma GCC visibility push(hidden)

/* ---- lua_resume.c */
/* Resumes the thread with the nargs values on its stack. Drops what it returns
   or yields; only an error stays on its stack. There is room for the error
   alone: anything else pushed there needs lua_checkstack first. Returns the
   status. */
int websock_resume (lua_State *L, turn *t, lua_State *thread, int nargs);
/* Pushes what became of it: true, or false and the error. A coroutine that
   yields values is an error: they are for another scheduler, for which it would
   wait for ever. Returns the number of values. */
int websock_outcome (lua_State *L, const turn *t, lua_State *thread,
                     int status);

extern const luaL_Reg websock_resume_methods[];

/* ---- lua_tell.c
   Stack of `serve` and `flush`: the turn; its watchers, or the list of marked
   conns; its function failed; the conn that is served. */
enum { SELF = 1, LIST, FAILED, CONN };
/* Pushes what is behind the turn, which is all that is on the stack. */
void websock_push_served (lua_State *L);
/* Pushes the method of the object on the top, and the object again. */
void websock_pushmethod (lua_State *L, const char *name);
/* Calls it with the n arguments on the top and removes the object. An error
   ends that only: see io/errors.lua. Returns the status. */
int websock_callmethod (lua_State *L, int n);
/* The same for a method of the link of the conn at CONN. If memory ran out, the
   link is told so (once more) later: see give_up in lua_serve.c. */
void websock_calllink (lua_State *L, int n);
/* Calls link:method(flags) for the conn at CONN in this way. */
void websock_tell (lua_State *L, const char *method, int flags);

/* ---- lua_serve.c, lua_flush.c
   Do what turn:serve and turn:flush do, with the stack above. */
void websock_serve (lua_State *L, turn *t, net_poll *const *p);
void websock_flush (lua_State *L, turn *t);
extern const luaL_Reg websock_serve_methods[], websock_flush_methods[];

/* ---- lua_quick.c */
extern const luaL_Reg websock_quick_methods[];

#pragma GCC visibility pop

#endif
