/*
** net_tls_bio.c - the BIO by which OpenSSL uses the descriptor, or another TLS
** under it. OpenSSL's own would call write() once per record, which raises
** SIGPIPE; ours gathers records for one send. After a short read it reads no
** more until the poller reports the descriptor again.
*/
#include "net_posix.h"

#include <errno.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>

#include "net_tls_int.h"

/* Limit of full reads in one verb. Records without data, such as KeyUpdates
   (RFC 8446 section 4.6.3), could keep it reading without end. */
enum { MOST_READS = 2 };

/* Limit of unsent bytes for a peer that never reads. */
enum { MOST_LEFT = 1 << 20 };

void net_tls_bytes_free (net_tls_bytes *b) {
  free(b->p);
  memset(b, 0, sizeof *b);
}

int net_tls_bytes_add (net_tls_bytes *b, const void *p, size_t n) {
  if (b->cap - b->n < n) {
    size_t cap = b->n + n > 2 * b->cap ? b->n + n : 2 * b->cap;
    unsigned char *bigger = realloc(b->p, cap);
    if (bigger == NULL) return 0;
    b->p = bigger;
    b->cap = cap;
  }
  if (n > 0) memcpy(b->p + b->n, p, n);
  b->n += n;
  return 1;
}

/* Reads from the bytes of net_tls_give, which come first. */
static int read_given (net_tls *t, char *p, int n) {
  net_tls_bytes *b = &t->given;
  if ((size_t)n > b->n - b->at) n = (int)(b->n - b->at);
  memcpy(p, b->p + b->at, (size_t)n);
  b->at += (size_t)n;
  if (b->at == b->n) net_tls_bytes_free(b);
  return n;
}

static int bio_read (BIO *bio, char *p, int n) {
  net_tls *t = BIO_get_data(bio);
  long got;
  BIO_clear_retry_flags(bio);
  if (t->given.n > 0) return read_given(t, p, n);
  if (!t->drained && t->reads < MOST_READS) {
    t->reads++;
    got = t->fetch(t, p, (size_t)n);
    if (got > 0) return (int)got;
    t->eof = got == NET_EOF;
    if (t->eof) return 0;
    if (got == NET_ERROR) return -1;
  }
  BIO_set_retry_read(bio);
  return -1;
}

static int bio_write (BIO *bio, const char *p, int n) {
  net_tls *t = BIO_get_data(bio);
  net_tls_bytes *b = t->left.n > 0 ? &t->left : t->out;
  BIO_clear_retry_flags(bio);
  if (b->n > MOST_LEFT || !net_tls_bytes_add(b, p, (size_t)n)) {
    t->saved = ENOMEM;
    return -1;
  }
  return n;
}

static long bio_ctrl (BIO *bio, int what, long number, void *pointer) {
  net_tls *t = BIO_get_data(bio);
  (void)number;
  (void)pointer;
  if (what == BIO_CTRL_EOF) return t->eof;
  return what == BIO_CTRL_FLUSH; /* each verb sends at its end */
}

/* Shared by all connections; never freed. */
static BIO_METHOD *method;

static void make_method (void) {
  method = BIO_meth_new(BIO_get_new_index() | BIO_TYPE_SOURCE_SINK, "websock");
  if (method == NULL) return;
  BIO_meth_set_read(method, bio_read);
  BIO_meth_set_write(method, bio_write);
  BIO_meth_set_ctrl(method, bio_ctrl);
}

BIO *net_tls_bio (net_tls *t) {
  static pthread_once_t once = PTHREAD_ONCE_INIT;
  BIO *bio;
  pthread_once(&once, make_method);
  bio = method ? BIO_new(method) : NULL;
  if (bio == NULL) return NULL;
  BIO_set_data(bio, t);
  BIO_set_init(bio, 1);
  return bio;
}
