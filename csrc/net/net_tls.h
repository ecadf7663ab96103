/*
** net_tls.h - TLS over a non-blocking descriptor, by OpenSSL (1.1.1 or 3).
**
** A net_tls_ctx holds settings that many connections share; a net_tls is one
** connection. The verbs are those of net.h, with their results: the handshake
** takes place inside net_tls_recv and net_tls_sendv. Nothing here waits, and no
** write raises SIGPIPE.
**
** A context and the connections made of it are used by one thread at a time.
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
  const char *client_ca; /* server: clients need a certificate of these */
  const char *alpn;      /* names, each after a byte with its length */
  size_t nalpn;
  int min_version;          /* 12 or 13 */
  const char *ciphers;      /* of TLS 1.2 */
  const char *ciphersuites; /* of TLS 1.3 */
  const char *keylog;       /* file to append the keys to (debugging) */
} net_tls_settings;

enum { NET_TLS_WHY = 256 };

/* One reference to a new context; or NULL and what is wrong in `why`:
   "tls: cert: a.pem: No such file or directory". */
net_tls_ctx *net_tls_ctx_new (const net_tls_settings *s, char why[NET_TLS_WHY]);
/* Gives one reference up. Connections hold one each. NULL is allowed. */
void net_tls_ctx_free (net_tls_ctx *ctx);
/* Whether its connections are servers. */
int net_tls_is_server (const net_tls_ctx *ctx);

/* ---- net_tls_name.c: whether this is one host's name, or an address in
   digits; NULL is not */
int net_tls_is_name (const char *name);

/* ---- net_tls.c: a connection */

/* TLS on fd, which stays the caller's and has to outlive net_tls_end. A
   client asks for and checks `name`, a host name or an address in digits,
   and resumes a session that it had under the same name and `place` (such as
   "host:port"); for a server both are NULL. NULL without memory, or for what
   is no name. */
net_tls *net_tls_new (net_tls_ctx *ctx, net_fd fd, const char *name,
                      const char *place);

/* Bytes that somebody else has read from fd before: 1, or 0 without memory. */
int net_tls_give (net_tls *t, const void *p, size_t n);

/* Bytes > 0: as many as have come, at most n; NET_AGAIN. net_tls_more tells
   after both whether to ask once more; if not, fd was read dry. NET_EOF
   after the peer's close_notify, and only then; NET_ERROR, for good, with
   net_tls_why. Writes what the handshake wants written. */
long net_tls_recv (net_tls *t, void *p, size_t n);

int net_tls_more (const net_tls *t);
/* Whether it found nothing at all on fd. */
int net_tls_dry (const net_tls *t);

/* Bytes of the pieces that the kernel has got, NET_AGAIN or NET_ERROR. What was
   given once and not been told taken has to stand unchanged at the front of the
   pieces of the next call, more may follow. */
long net_tls_sendv (net_tls *t, const net_iov *v, int n);

/* Writes what is encrypted and has not left yet: 1 when nothing is left,
   NET_AGAIN, NET_ERROR. */
int net_tls_flush (net_tls *t);

/* Whether net_tls_sendv would get anywhere: not before the handshake is over or
   while net_tls_flush has something. */
int net_tls_writable (const net_tls *t);
size_t net_tls_unsent (const net_tls *t); /* what net_tls_flush has */
uint64_t
net_tls_sent (const net_tls *t);     /* encrypted bytes that the kernel got */
int net_tls_done (const net_tls *t); /* is the handshake over? */
int net_tls_resumed (const net_tls *t); /* did it resume a session? */
int net_tls_heard (net_tls *t); /* have bytes come since it was asked last? */
/* Whether there are whole records, or given bytes, that net_tls_recv has not
   come to. */
int net_tls_unread (const net_tls *t);

/* What NET_ERROR meant, in net_error_text's words: "eof" for a stream without
   close_notify at its end, "reset" for a broken one. */
const char *net_tls_why (const net_tls *t);
/* "tls: ..." in a person's words once TLS itself has failed, or anything before
   the handshake was over; otherwise NULL. Belongs to t. */
const char *net_tls_error (const net_tls *t);

/* Says once, if it can be written, that our side has ended (close_notify);
   not in the child of a fork, whose parent has the connection. */
void net_tls_shutdown (net_tls *t);
/* The same, and gives back everything but net_tls_error. To be called before fd
   is closed; idempotent. */
void net_tls_end (net_tls *t);
/* Without another word; NULL is allowed. */
void net_tls_free (net_tls *t);

#pragma GCC visibility pop

#endif
