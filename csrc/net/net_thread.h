/*
** net_thread.h - a helper thread that nobody waits for.
*/
#ifndef net_thread_h
#define net_thread_h

#pragma GCC visibility push(hidden)

enum { NET_THREAD_STACK = 256 * 1024 };

/* ---- net_thread.c, net_thread_win.c: runs run(arg) on a new thread. Returns 0
   or an errno. */
int net_thread_start (void *(*run)(void *), void *arg);

#pragma GCC visibility pop

#endif
