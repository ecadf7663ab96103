/*
** net.h - a transport for hosts in C: non-blocking calls on descriptors, a
** poller, TLS. Knows nothing of frames or Lua. Only net_poll_wait waits.
**
** ws.h needs none of it. A host that has a loop of its own may take single
** functions, TLS for instance. What the library has besides is in net_sys.h and
** net_tls.h, which are not installed and may change.
*/
#ifndef net_h
#define net_h

#include <stddef.h>
#include <stdint.h>

/* See ws.h. */
#ifdef WS_EXPORT
#pragma GCC visibility push(default)
#endif

#ifdef __cplusplus
extern "C" {
#endif

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

/* -------------------------------------------------------------- descriptors
** One system call each, on a non-blocking descriptor; retried after EINTR. */
/* Returns bytes > 0, NET_EOF, NET_AGAIN or NET_ERROR. */
long net_recv (net_fd fd, void *p, size_t n);
/* Writes at most the first NET_PIECES pieces by one call, without SIGPIPE.
   Returns bytes written, NET_AGAIN or NET_ERROR. */
enum { NET_PIECES = 16 }; /* of one net_sendv, at most */
long net_sendv (net_fd fd, const net_iov *v, int n);
int net_nonblocking (net_fd fd);         /* also sets CLOEXEC; 0 or NET_ERROR */
int net_shutdown_write (net_fd fd);      /* 0 or NET_ERROR */
void net_close (net_fd fd);              /* never blocks, keeps errno */
int net_so_error (net_fd fd);            /* takes SO_ERROR: 0 or an errno */
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

/* Converts a numeric address ("127.0.0.1", "::1", "fe80::1%eth0"), which needs
   no look-up. Returns 1 and *a, or 0. */
int net_numeric (const char *host, net_address *a);

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

/* ------------------------------------------------------------------ polling */
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
/* The same for a descriptor that is closed next, and of which the caller has
   made no duplicate: unless the process was forked since fd was registered, a
   kernel that forgets a closed file by itself is not told. */
void net_poll_drop (net_poll *p, net_fd fd);

/* Waits at most timeout seconds (0: not at all, < 0: for ever) for a batch of
   events, which net_poll_next returns one by one (1 and *r, or 0 at the end).
   Returns their number (some may be void by then), 0 at the timeout, NET_AGAIN
   if a signal interrupted it, NET_ERROR. Rounds the timeout up, so that the
   caller does not spin. Does not wait while events of a batch are left. */
int net_poll_wait (net_poll *p, double timeout);
int net_poll_next (net_poll *p, net_ready *r);
/* Returns whether net_poll_next has more of the batch. */
int net_poll_left (net_poll *p);

/* A descriptor that becomes readable when net_poll_wait(p, 0) would find
   something, and now and then without; NET_NONE where there is none (poll). It
   does not show what net_poll_left tells. */
net_fd net_poll_fd (const net_poll *p);

double net_now (void); /* CLOCK_MONOTONIC, seconds */

/* --------------------------------------------------------------------- TLS
**
** TLS over a non-blocking descriptor, by OpenSSL (1.1.1 or 3). A net_tls_ctx
** holds settings that many connections share; a net_tls is one connection. The
** verbs and their results are those above; the handshake takes place inside
** net_tls_recv and net_tls_sendv. Nothing here waits, and no write raises
** SIGPIPE. A context and its connections are used by one thread at a time. */

typedef struct net_tls_ctx net_tls_ctx;
typedef struct net_tls net_tls;

/* Strings are only read; NULL means not given. A certificate or key is the path
   of a PEM file or, with "-----BEGIN" in it, PEM text. */
typedef struct net_tls_settings {
  int server;
  int verify;          /* client: chain and host name */
  const char *ca_file; /* client: authorities in place of the system's */
  const char *ca_path;
  const char *cert; /* followed by its chain */
  const char *key;
  const char *password;
  const char *client_ca; /* server: authorities of clients' certificates */
  const char *alpn;      /* names, each after a byte with its length */
  size_t nalpn;
  int min_version;          /* 12 or 13 */
  const char *ciphers;      /* of TLS 1.2 */
  const char *ciphersuites; /* of TLS 1.3 */
  const char *keylog;       /* file to append the keys to (debugging) */
} net_tls_settings;

/* Nothing given; verify on, TLS 1.2 or newer. */
void net_tls_settings_init (net_tls_settings *s, int server);

enum { NET_TLS_WHY = 256 };

/* Returns a new context with one reference, or NULL and the error in `why`,
   such as "tls: cert: a.pem: No such file or directory". */
net_tls_ctx *net_tls_ctx_new (const net_tls_settings *s, char why[NET_TLS_WHY]);
/* Releases one reference. Each connection holds one. NULL is allowed. */
void net_tls_ctx_free (net_tls_ctx *ctx);

/* Whether this is the name of one host, or a numeric address; not if it is
   NULL. */
int net_tls_is_name (const char *name);

/* Starts TLS on fd, which the caller owns and closes after net_tls_end. A
   client sends and checks `name`, a host name or a numeric address, and resumes
   a session kept under the same name and `place` (such as "host:port"); a
   server passes NULL for both. Returns NULL without memory, or if `name` is no
   name. */
net_tls *net_tls_new (net_tls_ctx *ctx, net_fd fd, const char *name,
                      const char *place);

/* Adds bytes that were read from fd before. Returns 1, or 0 without memory. */
int net_tls_give (net_tls *t, const void *p, size_t n);

/* Returns the number of bytes received, at most n; or NET_AGAIN. After both
   net_tls_more tells whether to call again; if not, fd is drained. NET_EOF only
   after the peer's close_notify; NET_ERROR is final, see net_tls_why. Writes
   the handshake's output. */
long net_tls_recv (net_tls *t, void *p, size_t n);

int net_tls_more (const net_tls *t);

/* Returns the bytes of the pieces that the kernel has taken, NET_AGAIN or
   NET_ERROR. What was passed but not taken must begin the pieces of the next
   call, unchanged; more may follow. */
long net_tls_sendv (net_tls *t, const net_iov *v, int n);

/* Writes encrypted bytes that are unsent: 1 when none are left, NET_AGAIN,
   NET_ERROR. */
int net_tls_flush (net_tls *t);

/* Whether net_tls_sendv can write: the handshake is over, and net_tls_flush has
   nothing left. */
int net_tls_writable (const net_tls *t);
size_t net_tls_unsent (const net_tls *t); /* bytes for net_tls_flush */
int net_tls_done (const net_tls *t);      /* is the handshake over? */

/* Returns the reason of NET_ERROR as net_error_text does: "eof" for a stream
   that ends without close_notify, "reset" for a broken one. */
const char *net_tls_why (const net_tls *t);
/* Returns "tls: ...", a message for people, once TLS itself has failed, or
   anything during the handshake; otherwise NULL. Belongs to t. */
const char *net_tls_error (const net_tls *t);

/* Sends close_notify once, if it can be written; not in a forked child, whose
   parent has the connection. */
void net_tls_shutdown (net_tls *t);
/* The same, and frees everything but net_tls_error. To be called before fd is
   closed; idempotent. */
void net_tls_end (net_tls *t);
/* Frees t and sends nothing; NULL is allowed. */
void net_tls_free (net_tls *t);

#ifdef __cplusplus
}
#endif

#ifdef WS_EXPORT
#pragma GCC visibility pop
#endif

#endif
