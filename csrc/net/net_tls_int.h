/*
** net_tls_int.h - what the files of net_tls.h share.
*/
#ifndef net_tls_int_h
#define net_tls_int_h

#include <sys/types.h>

#include <openssl/err.h>
#include <openssl/ssl.h>

#include "net_tls.h"

#pragma GCC visibility push(hidden)

typedef struct net_tls_session {
  char *place;
  SSL_SESSION *session;
  unsigned stamp; /* order of arrival */
} net_tls_session;

enum { NET_TLS_SESSIONS = 64, NET_TLS_RECORD = 16384 };

/* Encrypted bytes on their way to the descriptor: p[at .. n). */
typedef struct net_tls_bytes {
  unsigned char *p;
  size_t at, n, cap;
} net_tls_bytes;

struct net_tls_ctx {
  SSL_CTX *ssl;
  unsigned refs;
  int server, verify;
  unsigned char *alpn; /* what a server chooses from */
  unsigned nalpn;
  char *password; /* only while keys are read */
  int keylog;     /* a file, or -1 */
  net_tls_session sessions[NET_TLS_SESSIONS];
  unsigned stamp;
  /* Buffer of the connection that is in a verb; empty when that begins. */
  net_tls_bytes out;
  unsigned char *record;
};

struct net_tls {
  SSL *ssl; /* NULL once ended */
  net_tls_ctx *ctx;
  net_fd fd;
  net_tls *under; /* what it is over in place of fd, or NULL */
  /* Reads for the BIO: bytes, NET_AGAIN, NET_EOF or NET_ERROR. Sets drained,
     dry, heard and saved. */
  long (*fetch)(net_tls *t, void *p, size_t n);
  net_tls_bytes *out;    /* where the BIO writes: ctx->out or own_out */
  net_tls_bytes own_out; /* both layers of TLS over TLS are in a verb at once */
  pid_t pid; /* the process that owns it: a forked child sends nothing */
  net_tls_bytes given; /* see net_tls_give */
  net_tls_bytes left;  /* what the kernel has not taken */
  uint64_t sent;       /* bytes that the kernel has taken */
  size_t offered;      /* leading bytes of net_tls_sendv's that are encrypted */
  char *place;
  const char *why;
  char *error;
  int saved; /* errno of the system call that failed, or 0 */
  unsigned char done, drained, dry, eof, failed, broken, heard, more, got;
  unsigned char reads; /* of fd, in this verb */
  unsigned char asked; /* the server wants a certificate that we do not have */
  unsigned char refused; /* the peer wanted to renegotiate */
};

/* ---- net_tls_bio.c */
/* Returns a BIO for both directions, which reads by t->fetch until that is
   drained and gathers what is written. NULL without memory. */
BIO *net_tls_bio (net_tls *t);
int net_tls_bytes_add (net_tls_bytes *b, const void *p, size_t n);
void net_tls_bytes_free (net_tls_bytes *b);

/* ---- net_tls_error.c */
/* Keeps the error that has just occurred, from OpenSSL's queue, in t->why and
   t->error. */
void net_tls_failed (net_tls *t);
/* OpenSSL's info callback: notes that a renegotiation was refused. */
void net_tls_note (const SSL *ssl, int where, int alert);
/* Writes "tls: what: where: detail"; without `where` if that is NULL, with the
   last of OpenSSL's reasons if detail is NULL. */
void net_tls_explain (char why[NET_TLS_WHY], const char *what,
                      const char *where, const char *detail);

/* ---- net_tls_name.c */
/* Makes a client send this name, and verify it if its context does. Returns 0
   without memory, or if it is no name. */
int net_tls_set_name (net_tls *t, const char *name);

/* ---- net_tls_pem.c: 1, or 0 and what is wrong in why[NET_TLS_WHY] */
int net_tls_load_cert (net_tls_ctx *ctx, const char *pem, char *why);
int net_tls_load_key (net_tls_ctx *ctx, const char *pem, char *why);
/* Authorities to trust; `what` names the setting. */
int net_tls_load_cas (net_tls_ctx *ctx, const char *pem, const char *what,
                      char *why);

/* ---- net_tls_session.c */
void net_tls_keep_sessions (net_tls_ctx *ctx);
void net_tls_free_sessions (net_tls_ctx *ctx);
/* Has t resume a session for t->place, if there is one. */
void net_tls_resume (net_tls *t);

#pragma GCC visibility pop

#endif
