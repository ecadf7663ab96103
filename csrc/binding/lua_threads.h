/*
** lua_threads.h - threads of the loop, and who waits how (lua_threads.c).
*/
#ifndef lua_threads_h
#define lua_threads_h

#include "lua_turn.h"

#pragma GCC visibility push(hidden)

/* How a call made in L can wait: not at all; by a yield, in a coroutine that
   the loop or another scheduler has resumed; by turns of the loop, outside of
   both. */
enum { CANNOT, CAN_YIELD, CAN_TURN };
int websock_how (lua_State *L, const turn *t);
/* Raises if a turn would run out of C stack, where that error might be lost. */
void websock_check_levels (lua_State *L);
/* Calls the function below the n arguments on the top, in the thread that turns
   the loop, and returns the number of results that it has pushed. A Lua
   function must not yield. */
int websock_enter (lua_State *L, turn *t, int self, int n);
/* Calls the function at f, an upvalue, with all that is on the stack, and
   returns its results, in place of the C function that runs. It may yield. */
int websock_forward (lua_State *L, int f);
#define WEBSOCK_STRAYED                                                     \
  "a coroutine of websock's loop has yielded values: they are for another " \
  "scheduler (see the option 'scheduler')"
extern const luaL_Reg websock_thread_methods[], websock_thread_meta[];
/* Sets the user values that lua_threads.c needs. */
void websock_prepare_threads (lua_State *L, int self);
/* Pushes a thread that calls the callbacks of the conn at `at` when the loop
   resumes it with the values on its stack. Returns NULL if there is no memory
   for it, and then pushes something else. */
lua_State *websock_lend (lua_State *L, int self, int at);
/* Keeps the thread at index `at`, which has ended without error, for reuse. */
void websock_keep (lua_State *L, int self, int spare, int at);
/* Closes a thread: closes its pending variables and empties its stack. If it
   has raised, only the error is left there. */
void websock_close_thread (lua_State *L, lua_State *thread);

/* ---- for lua_desk.c too
   Pushes a thread without a debug hook: lua_newthread copies its creator's. */
lua_State *websock_push_thread (lua_State *L);
/* Moves the top n values to a thread that is to be resumed with them. */
void websock_hand_over (lua_State *from, lua_State *to, int n);
/* Moves the n results of a thread to L. Returns n. */
int websock_take_over (lua_State *L, lua_State *thread, int n);
/* Raises in L the error that has ended the thread. */
int websock_pass_on (lua_State *L, lua_State *thread);
/* Tells the loop that the thread at index `at` is gone. */
void websock_tell_left (lua_State *L, int self, int at);

#pragma GCC visibility pop

#endif
