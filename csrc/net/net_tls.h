/*
** net_tls.h - TLS over a non-blocking descriptor, or over another TLS, by
** OpenSSL (1.1.1 or 3).
**
** A net_tls_ctx holds settings that many connections share; a net_tls is one
** connection. The verbs and their results are those of net.h; the handshake
** takes place inside net_tls_recv and net_tls_sendv. Nothing here waits, and no
** write raises SIGPIPE.
**
** A context and its connections are used by one thread at a time.
*/
#ifndef net_tls_h
#define net_tls_h

#include "net.h"

#pragma GCC visibility push(hidden)

typedef struct net_tls_ctx net_tls_ctx;
typedef struct net_tls net_tls;

/* ---- net_tls_ctx.c, net_tls_pem.c: settings */

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

enum { NET_TLS_WHY = 256 };

/* Returns a new context with one reference, or NULL and the error in `why`,
   such as "tls: cert: a.pem: No such file or directory". */
net_tls_ctx *net_tls_ctx_new (const net_tls_settings *s, char why[NET_TLS_WHY]);
/* Releases one reference. Each connection holds one. NULL is allowed. */
void net_tls_ctx_free (net_tls_ctx *ctx);
/* Whether its connections are servers. */
int net_tls_is_server (const net_tls_ctx *ctx);

/* ---- net_tls_name.c: whether this is the name of one host, or a numeric
   address; not if it is NULL */
int net_tls_is_name (const char *name);

/* ---- net_tls.c: a connection */

/* Starts TLS on fd, which the caller owns and closes after net_tls_end. A
   client sends and checks `name`, a host name or a numeric address, and resumes
   a session kept under the same name and `place` (such as "host:port"); a
   server passes NULL for both. Returns NULL without memory, or if `name` is no
   name. */
net_tls *net_tls_new (net_tls_ctx *ctx, net_fd fd, const char *name,
                      const char *place);

/* The same for a client over the TLS of `under`, whose handshake is over; t
   owns it, and ends and frees it with itself. If it returns NULL, `under` still
   is the caller's. What is said of fd below then means `under`. */
net_tls *net_tls_over (net_tls_ctx *ctx, net_tls *under, const char *name,
                       const char *place);

/* Continues the handshake: 1 once it is over, NET_AGAIN (which needs fd to be
   readable, or writable if net_tls_unsent) or NET_ERROR. The verbs below do so
   as well. */
long net_tls_shake (net_tls *t);

/* Adds bytes that were read from fd before. Returns 1, or 0 without memory. */
int net_tls_give (net_tls *t, const void *p, size_t n);

/* Returns the number of bytes received, at most n; or NET_AGAIN. After both
   net_tls_more tells whether to call again; if not, fd is drained. NET_EOF only
   after the peer's close_notify; NET_ERROR is final, see net_tls_why. Writes
   the handshake's output. */
long net_tls_recv (net_tls *t, void *p, size_t n);

int net_tls_more (const net_tls *t);
/* Whether the last net_tls_recv found nothing at all on fd. */
int net_tls_dry (const net_tls *t);

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
uint64_t
net_tls_sent (const net_tls *t);     /* encrypted bytes that the kernel took */
int net_tls_done (const net_tls *t); /* is the handshake over? */
int net_tls_resumed (const net_tls *t); /* did it resume a session? */
int net_tls_heard (net_tls *t); /* have bytes arrived since the last call? */
/* Whether net_tls_recv has yet to return whole records, or given bytes. */
int net_tls_unread (const net_tls *t);

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

#pragma GCC visibility pop

#endif
