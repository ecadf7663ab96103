/*
** net.h - the transport: non-blocking system calls on descriptors, a poller, a
** heap of timers, name look-up on a helper thread, signals. Knows nothing of
** frames or Lua; nothing here waits but net_poll_wait.
*/
#ifndef net_h
#define net_h

#include <stddef.h>
#include <stdint.h>

#pragma GCC visibility push(hidden)

typedef int net_fd; /* SOCKET on Windows */
#define NET_NONE ((net_fd)-1)

/* Results below zero. net_error has the errno that goes with NET_ERROR. */
enum {
  NET_AGAIN = -1, /* nothing now: wait until ready */
  NET_EOF = -2,   /* the peer has ended its side */
  NET_ERROR = -3
};
int net_error (void);
/* A stable, short, lower-case text for an errno: "reset" (also for EPIPE and
   ECONNABORTED), "connection refused", "timeout", "no route",
   "address in use", "too many open files", "permission denied", ... */
const char *net_error_text (int err);

typedef struct net_iov {
  const void *base;
  size_t len;
} net_iov;

/* ---- net_socket.c: one system call each, on a non-blocking descriptor. An
   interrupted one is retried. */
/* Bytes > 0, NET_EOF, NET_AGAIN or NET_ERROR; net_read is read(2), for pipes
   and terminals. */
long net_recv (net_fd fd, void *p, size_t n);
long net_read (net_fd fd, void *p, size_t n);
/* The first (at most) NET_PIECES pieces by one call, never with SIGPIPE:
   bytes written, NET_AGAIN or NET_ERROR. */
enum { NET_PIECES = 16 }; /* of one net_sendv, at most */
long net_sendv (net_fd fd, const net_iov *v, int n);
int net_nonblocking (net_fd fd);    /* also sets CLOEXEC; 0 or NET_ERROR */
int net_shutdown_write (net_fd fd); /* 0 or NET_ERROR */
void net_close (net_fd fd);         /* never blocks, keeps errno */
int net_so_error (net_fd fd);       /* takes SO_ERROR: 0 or an errno */
int net_unread (net_fd fd);         /* bytes to read (FIONREAD), 0 if unknown */
int net_in_flight (net_fd fd); /* bytes written that the peer's system has not
                                  acknowledged, 0 if unknown */
net_fd net_dup (net_fd fd);    /* CLOEXEC; NET_NONE on error */
int net_nodelay (net_fd fd, int on); /* 0 or NET_ERROR (not a TCP socket) */

/* A printable address: host without brackets and scope as getnameinfo prints
   it, port 0 and the path in host for a Unix socket. */
typedef struct net_address {
  char host[108];
  int port;
  int family;
} net_address;
enum { NET_INET, NET_INET6, NET_UNIX };

/* The next connection of a listener, non-blocking and CLOEXEC (accept4), or
   NET_AGAIN, NET_ERROR. Aborted ones (ECONNABORTED, EPROTO) are skipped. */
net_fd net_accept (net_fd listener, net_address *peer);
int net_peer (net_fd fd, net_address *a); /* 0 or NET_ERROR */
int net_local (net_fd fd, net_address *a);

/* ---- net_path.c: the paths of Unix sockets */
/* The socket that is at a path (a link to one is none): as long as somebody has
   it bound, no other gets the same id. 1 and *id, or 0. */
typedef struct net_path_id {
  uint64_t device, inode;
} net_path_id;
int net_path_socket (const char *path, net_path_id *id);
/* The same path, whatever becomes of the working directory: 0 or NET_ERROR. */
int net_path_absolute (const char *path, char *to, size_t size);
long net_process (void); /* the number of this process */

/* ---- net_poll.c and a file per back end */
enum {
  NET_READ = 1,
  NET_WRITE = 2,
  NET_HANGUP = 4 /* RDHUP, HUP or ERR was seen */
};

typedef struct net_poll net_poll;
typedef struct net_ready {
  uint32_t slot;
  int what;
} net_ready; /* what: a set of the above */

/* backend: "epoll", "kqueue", "poll" or NULL for the best here. NULL on error
   (EINVAL: no such back end here). */
net_poll *net_poll_new (const char *backend);
void net_poll_free (net_poll *p);
const char *net_poll_name (const net_poll *p);

/* Registers fd once, for both directions, edge-triggered: a direction is
   reported when it becomes ready (and once at the start, if it is) and then for
   certain only after a call on fd came up short (NET_AGAIN, or fewer bytes than
   asked for), which the poll back end has to be told by net_poll_rearm; the
   others do nothing there. slot is the caller's, and comes back in net_ready.
   Returns 0, or NET_ERROR (EPERM: a file that cannot be polled, always ready).
   What fd was registered for before, such as a descriptor that was closed
   without net_poll_del and whose number came back, is replaced. */
int net_poll_add (net_poll *p, net_fd fd, uint32_t slot);
void net_poll_rearm (net_poll *p, net_fd fd, int what);

/* Level-triggered and one-shot interest in a descriptor of somebody else:
   reported once when one of what is ready, then forgotten until the next
   call. what replaces the interest before; 0 forgets it now. Same results;
   EBUSY while fd is registered by net_poll_add, which stays as it is, unless
   its number came back: then that is replaced. */
int net_poll_watch (net_poll *p, net_fd fd, uint32_t slot, int what);

/* Call before fd is closed. After it nothing more is reported for fd, not even
   what the last net_poll_wait had found but not yet handed out. */
void net_poll_del (net_poll *p, net_fd fd);

/* Waits at most timeout seconds (0: not at all, < 0: for ever), then hands out
   what is ready by net_poll_next (1 and *r, or 0 at the end of the batch).
   Returns the number found (some may be void by the time they are handed out),
   0 at the timeout, NET_AGAIN when a signal interrupted it, NET_ERROR. The
   timeout is rounded up, never down to a spin. While a batch is not handed out
   to its end, it is not waited for another. */
int net_poll_wait (net_poll *p, double timeout);
int net_poll_next (net_poll *p, net_ready *r);

/* A descriptor that becomes readable when net_poll_wait(p, 0) would find
   something, NET_NONE where there is none (poll). */
net_fd net_poll_fd (const net_poll *p);

/* In a child after fork: gives up what is shared with the parent (epoll) and
   registers everything anew. 0 or NET_ERROR. Whatever changes or waits calls it
   by itself after a fork. */
int net_poll_forked (net_poll *p);

/* ---- net_timer.c: a binary heap with back-indices */
typedef struct net_timers net_timers;
net_timers *net_timers_new (void);
void net_timers_free (net_timers *t);
/* Sets a new timer at this time (any clock, seconds) with the caller's slot;
   returns its handle (>= 0), or NET_ERROR without memory. Handles of timers
   that are gone are used again. */
int net_timer_set (net_timers *t, double at, uint32_t slot);
void net_timer_move (net_timers *t, int handle, double at);
void net_timer_cancel (net_timers *t, int handle);
/* The time it is set to; HUGE_VAL for a timer that is gone. */
double net_timer_at (const net_timers *t, int handle);
/* The earliest time; 0 if there is no timer. */
int net_timer_first (const net_timers *t, double *at);
/* Takes the earliest timer out if it is due at now: 1 and *handle, *slot, or
   0. */
int net_timer_due (net_timers *t, double now, int *handle, uint32_t *slot);

double net_now (void); /* CLOCK_MONOTONIC, seconds */

/* ---- net_lookup.c: getaddrinfo on a detached helper thread */
typedef struct net_lookup net_lookup;
/* Begins to look host up; family NET_INET, NET_INET6, or -1 for both. NULL
   without memory, descriptors or threads. Uses malloc only; the thread outlives
   the caller safely. In a child after fork the answer never comes. */
net_lookup *net_lookup_new (const char *host, int family);
/* Becomes readable when the answer is there. */
net_fd net_lookup_fd (const net_lookup *l);
/* Addresses in getaddrinfo's order: their number, NET_AGAIN if not done,
   NET_ERROR with *why a text ("host not found", ...). *list belongs to l. */
int net_lookup_take (net_lookup *l, const net_address **list, const char **why);
void net_lookup_free (net_lookup *l); /* at any time */
/* The same at once for what needs no look-up, an address in digits
   ("127.0.0.1", "::1", "fe80::1%eth0"): 1 and *a, or 0. */
int net_numeric (const char *host, net_address *a);

/* ---- net_signal.c: signals as a readable descriptor */
/* A user of signals; each gets all that it catches. One thread uses it, several
   may use one each. NULL on error. Its pipe stays open when it is freed. */
typedef struct net_signals net_signals;
net_signals *net_signals_new (void);
/* Gives up all that it catches. NULL is allowed. */
void net_signals_free (net_signals *s);
/* Readable when a signal has arrived. A child after fork has a pipe of its own
   under the same number. */
net_fd net_signals_fd (const net_signals *s);
/* Catches signal number signo from now on, or gives it up: once nobody catches
   it, what was there before is put back, unless the program has replaced our
   handler. 0, or NET_ERROR: no such signal, or one that cannot be caught. */
int net_signals_catch (net_signals *s, int signo);
int net_signals_restore (net_signals *s, int signo);
/* A caught signal that has arrived since it was last told, or 0. Drains the
   pipe: call it until it is 0. */
int net_signals_next (net_signals *s);
/* The number of a name without SIG ("TERM"), 0 if there is none. */
int net_signal_number (const char *name);
/* The other way round, NULL if there is none. */
const char *net_signal_name (int signo);

/* ---- net_stay.c */
/* Once called, this code is not unloaded before the process ends. */
void net_stay_loaded (void);

#pragma GCC visibility pop

#endif
