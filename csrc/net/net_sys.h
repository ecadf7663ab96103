/*
** net_sys.h - the rest of the transport, for the library itself: net.h, hidden
** from other code of the program; more calls on descriptors, a heap of timers,
** name look-up on a helper thread, signals.
*/
#ifndef net_sys_h
#define net_sys_h

/* A module exports its luaopen function and nothing of ours, whatever flags it
   was compiled with: LuaRocks passes no -fvisibility. */
#pragma GCC visibility push(hidden)

#include "net.h"

/* ---- net_socket.c */
/* Like net_recv, by read(2): for pipes and terminals. */
long net_read (net_fd fd, void *p, size_t n);
/* A pipe that a poller can wait for: ends to read and to write, non-blocking
   and CLOEXEC. 0 or NET_ERROR. */
int net_pipe (net_fd ends[2]);
void net_pipe_write (net_fd fd); /* one byte; if it is full, none */
int net_unread (net_fd fd);      /* bytes to read (FIONREAD), 0 if unknown */
int net_in_flight (net_fd fd);   /* bytes written that the peer's system has not
                                  acknowledged, 0 if unknown */
net_fd net_dup (net_fd fd);      /* CLOEXEC; NET_NONE on error */

/* ---- net_path.c: the paths of Unix sockets */
/* Identifies the socket at a path; a symbolic link is none. While it is bound
   no other socket gets its id. Returns 1 and *id, or 0. */
typedef struct net_path_id {
  uint64_t device, inode;
} net_path_id;
int net_path_socket (const char *path, net_path_id *id);
/* Makes a path absolute, so that it survives chdir. 0 or NET_ERROR. */
int net_path_absolute (const char *path, char *to, size_t size);
long net_process (void); /* the id of this process */

/* ---- net_poll.c */
/* In a child after fork: closes what is shared with the parent (epoll) and
   registers everything again. 0 or NET_ERROR. The functions that change or wait
   call it by themselves. */
int net_poll_forked (net_poll *p);

/* ---- net_timer.c: a binary heap with back-indices */
typedef struct net_timers net_timers;
net_timers *net_timers_new (void);
void net_timers_free (net_timers *t);
/* Sets a new timer at this time (any clock, seconds) with the caller's slot.
   Returns its handle (>= 0), or NET_ERROR without memory. Handles of timers
   that are gone are reused. */
int net_timer_set (net_timers *t, double at, uint32_t slot);
void net_timer_move (net_timers *t, int handle, double at);
void net_timer_cancel (net_timers *t, int handle);
/* Returns a timer's time; HUGE_VAL for one that is gone. */
double net_timer_at (const net_timers *t, int handle);
/* Returns 1 and the earliest time, 0 if there is no timer. */
int net_timer_first (const net_timers *t, double *at);
/* Removes the earliest timer if it is due at now. Returns 1 and *handle, *slot,
   or 0. */
int net_timer_due (net_timers *t, double now, int *handle, uint32_t *slot);

/* ---- net_lookup.c: getaddrinfo on a detached helper thread */
typedef struct net_lookup net_lookup;
/* Begins to look host up; family NET_INET, NET_INET6, or -1 for both. Returns
   NULL without memory, descriptors or threads. Uses malloc only; the thread may
   outlive the caller. In a child after fork the answer never arrives. */
net_lookup *net_lookup_new (const char *host, int family);
/* Becomes readable when the answer has arrived. */
net_fd net_lookup_fd (const net_lookup *l);
/* Returns the number of addresses and *list, in getaddrinfo's order; NET_AGAIN
   if not done; NET_ERROR and a text in *why ("host not found", ...). *list
   belongs to l. */
int net_lookup_take (net_lookup *l, const net_address **list, const char **why);
void net_lookup_free (net_lookup *l); /* at any time */

/* ---- net_sigpipe.c: writing to a pipe of somebody else's, stderr perhaps */
/* Between these two calls a write to a pipe that nobody reads fails by EPIPE,
   and raises no SIGPIPE in this thread. */
typedef struct net_sigpipe {
  int was_blocked, was_pending;
} net_sigpipe;
void net_sigpipe_block (net_sigpipe *s);
void net_sigpipe_restore (const net_sigpipe *s);

/* ---- net_signal.c: signals as a readable descriptor */
/* A user of signals gets all those that it catches. Each is used by one thread;
   there may be several. NULL on error. Its pipe stays open when it is freed. */
typedef struct net_signals net_signals;
net_signals *net_signals_new (void);
/* Restores all signals that it catches. NULL is allowed. */
void net_signals_free (net_signals *s);
/* Readable when a signal has arrived. After fork the child has its own pipe
   under the same number. */
net_fd net_signals_fd (const net_signals *s);
/* Begin and end to catch signal number signo. When its last user ends, the
   disposition from before is restored, unless the program has replaced our
   handler. 0, or NET_ERROR: no such signal, or one that cannot be caught. */
int net_signals_catch (net_signals *s, int signo);
int net_signals_restore (net_signals *s, int signo);
/* Returns a signal that has arrived since it was last returned, or 0. Drains
   the pipe: call it until it returns 0. */
int net_signals_next (net_signals *s);

/* ---- net_signal_name.c
   Returns the number of a name without SIG ("TERM"), 0 if there is none. */
int net_signal_number (const char *name);
/* Returns the name of a number, NULL if there is none. */
const char *net_signal_name (int signo);

/* ---- net_stay.c */
/* Once called, this code is not unloaded before the process ends. */
void net_stay_loaded (void);

#pragma GCC visibility pop

#endif
