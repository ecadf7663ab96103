/*
** net.h - the transport: non-blocking system calls on descriptors, a poller, a
** heap of timers, name look-up on a helper thread, signals. Knows nothing of
** frames or Lua. Only net_poll_wait waits.
*/
#ifndef net_h
#define net_h

#include <stddef.h>
#include <stdint.h>

#pragma GCC visibility push(hidden)

#ifdef _WIN32
typedef intptr_t net_fd; /* a SOCKET, signed */
#else
typedef int net_fd;
#endif
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

/* ---- net_socket.c: one system call each, on a non-blocking descriptor;
   retried after EINTR. */
/* Return bytes > 0, NET_EOF, NET_AGAIN or NET_ERROR. net_read is read(2), for
   pipes and terminals. */
long net_recv (net_fd fd, void *p, size_t n);
long net_read (net_fd fd, void *p, size_t n);
/* Writes at most the first NET_PIECES pieces by one call, without SIGPIPE.
   Returns bytes written, NET_AGAIN or NET_ERROR. */
enum { NET_PIECES = 16 }; /* of one net_sendv, at most */
long net_sendv (net_fd fd, const net_iov *v, int n);
int net_nonblocking (net_fd fd); /* also sets CLOEXEC; 0 or NET_ERROR */
/* A pipe that a poller can wait for: ends to read and to write, non-blocking and
   CLOEXEC. 0 or NET_ERROR. */
int net_pipe (net_fd ends[2]);
void net_pipe_write (net_fd fd);    /* one byte; if it is full, none */
int net_shutdown_write (net_fd fd); /* 0 or NET_ERROR */
void net_close (net_fd fd);         /* never blocks, keeps errno */
int net_so_error (net_fd fd);       /* takes SO_ERROR: 0 or an errno */
int net_unread (net_fd fd);         /* bytes to read (FIONREAD), 0 if unknown */
int net_in_flight (net_fd fd); /* bytes written that the peer's system has not
                                  acknowledged, 0 if unknown */
net_fd net_dup (net_fd fd);    /* CLOEXEC; NET_NONE on error */
int net_nodelay (net_fd fd, int on);     /* 0 or NET_ERROR (not a TCP socket) */
int net_reuse_address (net_fd fd);       /* 0 or NET_ERROR */
int net_reuse_port (net_fd fd);          /* 0 or NET_ERROR */
int net_listen (net_fd fd, int waiting); /* 0 or NET_ERROR */

/* A printable address: host as getnameinfo prints it, without brackets. A Unix
   socket has port 0 and its path in host. */
typedef struct net_address {
  char host[108];
  int port;
  int family;
} net_address;
enum { NET_INET, NET_INET6, NET_UNIX };

/* Of a host in digits, or of a path (port 0). 0, or NET_ERROR if that is too
   long for any; net_bind and net_connect find out what else is wrong. */
int net_address_set (net_address *a, int family, const char *host, int port);

/* A stream socket of a family, non-blocking and CLOEXEC; NET_NONE on error. One
   for IPv6 leaves IPv4 to others. */
net_fd net_socket (int family);
int net_bind (net_fd fd, const net_address *a); /* 0 or NET_ERROR */
/* 0, NET_AGAIN (when it can be written to, net_so_error says what has come of
   it) or NET_ERROR. A Unix socket connects at once or not at all. */
int net_connect (net_fd fd, const net_address *a);

/* An address in the system's own form, which takes less room and no time to
   make; all zeros for one that the system did not tell. */
typedef struct net_sockaddr {
  unsigned char n;
  unsigned char bytes[128];
} net_sockaddr;
/* Writes it as text; one that cannot be, as an empty host. */
void net_address_of (const net_sockaddr *from, net_address *a);

/* Returns the listener's next connection, non-blocking and CLOEXEC, or
   NET_AGAIN, NET_ERROR. Skips aborted ones (ECONNABORTED, EPROTO). */
net_fd net_accept (net_fd listener, net_sockaddr *peer);
int net_peer (net_fd fd, net_address *a); /* 0 or NET_ERROR */
int net_local (net_fd fd, net_address *a);

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

/* backend: "epoll", "kqueue", "poll" or NULL for the best here. Returns NULL on
   error (EINVAL: no such back end here). */
net_poll *net_poll_new (const char *backend);
void net_poll_free (net_poll *p);
const char *net_poll_name (const net_poll *p);

/* Registers fd once, for both directions, edge-triggered: a direction is
   reported when it becomes ready (and once at the start, if it is). After that
   it is certain to be reported again only once a call on fd was short
   (NET_AGAIN, or fewer bytes than asked for); the caller then calls
   net_poll_rearm, which only the poll back end needs. net_ready returns slot.
   Returns 0, or NET_ERROR (EPERM: a file that cannot be polled, always ready).
   Replaces an earlier registration of fd, such as that of a descriptor which
   was closed without net_poll_del and whose number was reused. */
int net_poll_add (net_poll *p, net_fd fd, uint32_t slot);
void net_poll_rearm (net_poll *p, net_fd fd, int what);

/* Watches a user's descriptor, level-triggered and one-shot: reported once when
   one of `what` is ready, then forgotten until the next call. `what` replaces
   the interest before; 0 removes it. Returns as net_poll_add; EBUSY if fd is
   registered by that, and not left over from a closed descriptor. */
int net_poll_watch (net_poll *p, net_fd fd, uint32_t slot, int what);

/* Call before fd is closed. Nothing more is reported for fd then, not even
   events of the current batch. */
void net_poll_del (net_poll *p, net_fd fd);
/* The same for a descriptor that is closed next, and of which the caller has made
   no duplicate: unless the process was forked since fd was registered, a kernel
   that forgets a closed file by itself is not told. */
void net_poll_drop (net_poll *p, net_fd fd);

/* Waits at most timeout seconds (0: not at all, < 0: for ever) for a batch of
   events, which net_poll_next returns one by one (1 and *r, or 0 at the end).
   Returns their number (some may be void by then), 0 at the timeout, NET_AGAIN
   if a signal interrupted it, NET_ERROR. Rounds the timeout up, so that the
   caller does not spin. Does not wait while events of a batch are left. */
int net_poll_wait (net_poll *p, double timeout);
int net_poll_next (net_poll *p, net_ready *r);

/* A descriptor that becomes readable when net_poll_wait(p, 0) would find
   something, NET_NONE where there is none (poll). */
net_fd net_poll_fd (const net_poll *p);

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

double net_now (void); /* CLOCK_MONOTONIC, seconds */

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
/* Converts a numeric address ("127.0.0.1", "::1", "fe80::1%eth0"), which needs
   no look-up. Returns 1 and *a, or 0. */
int net_numeric (const char *host, net_address *a);

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
/* Returns the number of a name without SIG ("TERM"), 0 if there is none. */
int net_signal_number (const char *name);
/* Returns the name of a number, NULL if there is none. */
const char *net_signal_name (int signo);

/* ---- net_stay.c */
/* Once called, this code is not unloaded before the process ends. */
void net_stay_loaded (void);

#pragma GCC visibility pop

#endif
