/*
** net_tls.c - one TLS connection over a descriptor.
**
** net_tls_bio.c gathers what OpenSSL writes, and each verb sends it at its end.
** What the kernel does not take is kept in t->left, and nothing more is
** encrypted until that is sent: the caller keeps the plaintext, and it counts
** as taken when its records have left. So OpenSSL never waits for room, and
** only the handshake needs to read in order to write.
*/
#include "net_posix.h"

#include <errno.h>
#include <limits.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "net_tls_int.h"

/* Bytes of plaintext encrypted for one send. */
enum { BATCH = 8 * NET_TLS_RECORD };

/* ----------------------------------------------------- what TLS is over */

static long fetch_from_fd (net_tls *t, void *p, size_t n) {
  long got = net_recv(t->fd, p, n);
  t->drained = got < (long)n;
  t->dry = got == NET_AGAIN;
  t->heard |= got > 0;
  if (got == NET_ERROR) t->saved = net_error();
  return got;
}

/* Keeps an error in place of errno's, for a layer that has failed under t. */
static void failed_under (net_tls *t) {
  t->saved = t->under->saved ? t->under->saved : ECONNRESET;
}

static long fetch_from_under (net_tls *t, void *p, size_t n) {
  long got = net_tls_recv(t->under, p, n);
  t->drained = !net_tls_more(t->under);
  t->dry = net_tls_dry(t->under) != 0;
  t->heard |= net_tls_heard(t->under) != 0;
  if (got != NET_ERROR) return got;
  if (strcmp(net_tls_why(t->under), "eof") == 0) return NET_EOF;
  failed_under(t);
  return got;
}

/* Sends, and returns what net_sendv does. */
static long pass_on (net_tls *t, const net_iov *v) {
  long sent;
  if (t->under == NULL) {
    sent = net_sendv(t->fd, v, 1);
    if (sent == NET_ERROR) t->saved = net_error();
  } else {
    sent = net_tls_sendv(t->under, v, 1);
    if (sent == NET_ERROR) failed_under(t);
  }
  return sent;
}

/* -------------------------------------------------------------------- life */

/* Returns "name place", the key of a session. */
static char *place_of (const char *name, const char *place) {
  size_t n = strlen(name) + strlen(place) + 2;
  char *both = malloc(n);
  if (both == NULL) return NULL;
  strcpy(both, name);
  strcat(both, " ");
  return strcat(both, place);
}

static int begin (net_tls *t, const char *name, const char *place) {
  BIO *bio;
  if (t->ssl == NULL || (bio = net_tls_bio(t)) == NULL) return 0;
  SSL_set_bio(t->ssl, bio, bio);
  SSL_set_app_data(t->ssl, t);
  if (t->ctx->server) {
    SSL_set_accept_state(t->ssl);
    return 1;
  }
  SSL_set_connect_state(t->ssl);
  if (!net_tls_is_name(name) || !net_tls_set_name(t, name)) return 0;
  t->place = place_of(name, place);
  if (t->place == NULL) return 0;
  net_tls_resume(t);
  return 1;
}

static net_tls *create (net_tls_ctx *ctx) {
  net_tls *t = calloc(1, sizeof *t);
  if (t == NULL) return NULL;
  ERR_clear_error();
  ctx->refs++;
  t->ctx = ctx;
  t->out = &ctx->out;
  t->fetch = fetch_from_fd;
  t->pid = getpid();
  t->ssl = SSL_new(ctx->ssl);
  return t;
}

net_tls *net_tls_new (net_tls_ctx *ctx, net_fd fd, const char *name,
                      const char *place) {
  net_tls *t = create(ctx);
  if (t == NULL) return NULL;
  t->fd = fd;
  if (begin(t, name, place)) return t;
  net_tls_free(t);
  return NULL;
}

net_tls *net_tls_over (net_tls_ctx *ctx, net_tls *under, const char *name,
                       const char *place) {
  net_tls *t = net_tls_new(ctx, under->fd, name, place);
  if (t == NULL) return NULL;
  t->under = under;
  t->out = &t->own_out;
  t->fetch = fetch_from_under;
  return t;
}

/* A session can be resumed however its connection ended (RFC 8446 appendix C.4
   has no rule about it), unless TLS itself failed. */
static void drop (net_tls *t) {
  if (t->ssl == NULL) return;
  if (!t->failed)
    SSL_set_shutdown(t->ssl, SSL_SENT_SHUTDOWN | SSL_RECEIVED_SHUTDOWN);
  SSL_free(t->ssl);
  t->ssl = NULL;
  net_tls_bytes_free(&t->given);
  net_tls_bytes_free(&t->left);
  net_tls_bytes_free(&t->own_out);
  net_tls_ctx_free(t->ctx);
  t->ctx = NULL;
  free(t->place);
  t->place = NULL;
}

void net_tls_end (net_tls *t) {
  net_tls_shutdown(t);
  drop(t);
  if (t->under) net_tls_end(t->under);
}

void net_tls_free (net_tls *t) {
  if (t == NULL) return;
  drop(t);
  net_tls_free(t->under);
  if (t->ctx) net_tls_ctx_free(t->ctx);
  free(t->error);
  free(t);
}

/* ---------------------------------------------------------- bytes that left */

/* Begins each verb: empties the buffer that all connections over a descriptor
   share, and OpenSSL's queue of errors. */
static void enter (net_tls *t) {
  t->out->at = t->out->n = 0;
  ERR_clear_error();
}

/* Sends the bytes by one call: 1 when none are left, NET_AGAIN or NET_ERROR. */
static int send_bytes (net_tls *t, net_tls_bytes *b) {
  net_iov v;
  long sent;
  if (b->at == b->n) return 1; /* b->p may be NULL */
  v = (net_iov){b->p + b->at, b->n - b->at};
  sent = pass_on(t, &v);
  if (sent < 0) return (int)sent;
  b->at += (size_t)sent;
  t->sent += (uint64_t)sent;
  return b->at == b->n ? 1 : NET_AGAIN;
}

/* Moves what the kernel did not take out of the shared buffer. */
static int set_aside (net_tls *t) {
  const net_tls_bytes *out = t->out;
  size_t n = out->n - out->at;
  unsigned char *p = malloc(n);
  if (p == NULL) {
    t->saved = ENOMEM;
    return NET_ERROR;
  }
  memcpy(p, out->p + out->at, n);
  t->left = (net_tls_bytes){p, 0, n, n};
  return NET_AGAIN;
}

static int settle (net_tls *t, int r) {
  if (r != NET_AGAIN) net_tls_bytes_free(&t->left);
  t->broken = r == NET_ERROR; /* what the peer has sent can still be read */
  return r;
}

/* Sends what was written since `enter`, unless older bytes are unsent. */
static int send_out (net_tls *t) {
  net_tls_bytes *out = t->out;
  int r;
  if (t->broken) return NET_ERROR;
  if (t->left.n > 0) return NET_AGAIN;
  r = send_bytes(t, out);
  if (r == NET_AGAIN) r = set_aside(t);
  out->at = out->n = 0;
  return settle(t, r);
}

/* Flushes what is under t. */
static int flush_under (net_tls *t) {
  int r = t->under ? net_tls_flush(t->under) : 1;
  if (r == NET_ERROR) failed_under(t);
  return r;
}

int net_tls_flush (net_tls *t) {
  int r;
  if (t->ssl == NULL || t->broken) return NET_ERROR;
  r = flush_under(t);
  if (r == NET_ERROR) return settle(t, r);
  return r > 0 && t->left.n > 0 ? settle(t, send_bytes(t, &t->left)) : r;
}

/* Bytes of its own that are unsent. */
static size_t left (const net_tls *t) { return t->left.n - t->left.at; }

size_t net_tls_unsent (const net_tls *t) {
  return left(t) + (t->under ? net_tls_unsent(t->under) : 0);
}

uint64_t net_tls_sent (const net_tls *t) {
  return t->under ? net_tls_sent(t->under) : t->sent;
}

/* ------------------------------------------------------------ the handshake */

/* Converts the result r <= 0 of a call of OpenSSL. */
static long outcome (net_tls *t, int r) {
  switch (SSL_get_error(t->ssl, r)) {
    case SSL_ERROR_WANT_READ:
    case SSL_ERROR_WANT_WRITE: return NET_AGAIN;
    case SSL_ERROR_ZERO_RETURN: return NET_EOF;
    default: net_tls_failed(t); return NET_ERROR;
  }
}

/* 1 once the handshake is over, NET_AGAIN, NET_ERROR. */
static long shake_hands (net_tls *t) {
  int r;
  if (t->done) return 1;
  r = SSL_do_handshake(t->ssl);
  if (r > 0) {
    t->done = 1;
    return 1;
  }
  if (outcome(t, r) == NET_AGAIN) return NET_AGAIN;
  if (!t->failed) net_tls_failed(t);
  return NET_ERROR;
}

int net_tls_done (const net_tls *t) { return t->done; }

int net_tls_writable (const net_tls *t) {
  if (t->under && !net_tls_writable(t->under)) return 0;
  return t->done && t->left.n == 0;
}

int net_tls_resumed (const net_tls *t) {
  return t->ssl != NULL && SSL_session_reused(t->ssl);
}

/* --------------------------------------------------------------- receiving */

static long read_records (net_tls *t, char *p, size_t n) {
  size_t total = 0;
  while (total < n) {
    size_t room = n - total < INT_MAX ? n - total : INT_MAX;
    int got = SSL_read(t->ssl, p + total, (int)room);
    if (got <= 0) {
      long end = outcome(t, got);
      if (total == 0) return end;
      t->more = end != NET_AGAIN; /* the next call returns it */
      break;
    }
    total += (size_t)got;
  }
  t->got = 1;
  t->more |= total == n;
  return (long)total;
}

int net_tls_give (net_tls *t, const void *p, size_t n) {
  return n == 0 || net_tls_bytes_add(&t->given, p, n);
}

/* Begins a verb that reads. */
static void enter_to_read (net_tls *t) {
  enter(t);
  t->drained = t->dry = t->reads = 0;
}

long net_tls_shake (net_tls *t) {
  long r;
  if (t->ssl == NULL || t->failed) return NET_ERROR;
  enter_to_read(t);
  r = shake_hands(t);
  send_out(t);
  return r;
}

long net_tls_recv (net_tls *t, void *p, size_t n) {
  long r;
  t->more = 0;
  if (t->ssl == NULL || t->failed) return NET_ERROR;
  enter_to_read(t);
  r = shake_hands(t);
  if (r > 0) r = read_records(t, p, n);
  if (r > 0 || r == NET_AGAIN) t->more |= !t->drained;
  send_out(t);
  return r;
}

int net_tls_more (const net_tls *t) { return t->more; }

int net_tls_dry (const net_tls *t) { return t->dry; }

int net_tls_heard (net_tls *t) {
  int heard = t->heard;
  t->heard = 0;
  return heard;
}

int net_tls_unread (const net_tls *t) {
  if (t->under && net_tls_unread(t->under)) return 1;
  return t->ssl != NULL && (t->more || t->given.n > 0);
}

/* ----------------------------------------------------------------- sending */

/* Copies the pieces, from byte `skip` on, into one record. */
static size_t gather (net_tls *t, const net_iov *v, int n, size_t skip) {
  size_t size = 0;
  for (; n > 0 && size < NET_TLS_RECORD; v++, n--, skip = 0) {
    size_t some = v->len - skip, room = NET_TLS_RECORD - size;
    if (some > room) some = room;
    memcpy(t->ctx->record + size, (const char *)v->base + skip, some);
    size += some;
  }
  return size;
}

/* Returns the plaintext of the next record, from byte `skip` of the pieces on.
   Copies it only if it is in several pieces. */
static size_t next_record (net_tls *t, const net_iov *v, int n, size_t skip,
                           const void **p) {
  size_t size;
  for (; n > 0 && skip >= v->len; v++, n--) skip -= v->len;
  if (n == 0) return 0;
  size = v->len - skip;
  if (size >= NET_TLS_RECORD || n == 1) {
    *p = (const char *)v->base + skip;
    return size < NET_TLS_RECORD ? size : NET_TLS_RECORD;
  }
  *p = t->ctx->record;
  return gather(t, v, n, skip);
}

/* Converts the result r <= 0 of an SSL_write, after `total` bytes. Once the
   peer has sent close_notify, OpenSSL reports every failure as that. */
static long unwritten (net_tls *t, int r, size_t total) {
  long what = outcome(t, r);
  if (what == NET_AGAIN) return total > 0 ? (long)total : NET_AGAIN;
  if (!t->failed) net_tls_failed(t);
  return NET_ERROR;
}

/* Encrypts a batch of the pieces from byte `from` on. Returns its bytes, 0 if
   there are none, or a negative result. */
static long encrypt_batch (net_tls *t, const net_iov *v, int n, size_t from) {
  const void *p;
  size_t size, total = 0;
  while (total < BATCH && (size = next_record(t, v, n, from + total, &p)) > 0) {
    int r = SSL_write(t->ssl, p, (int)size);
    if (r <= 0) return unwritten(t, r, total);
    total += (size_t)r;
    t->offered += (size_t)r;
  }
  return (long)total;
}

/* Returns how many bytes of the offered plaintext have left for certain: all
   but as many as there are encrypted bytes unsent. */
static size_t taken (net_tls *t) {
  size_t unsent = left(t);
  size_t n = t->offered > unsent ? t->offered - unsent : 0;
  t->offered -= n;
  return n;
}

long net_tls_sendv (net_tls *t, const net_iov *v, int n) {
  size_t total = 0;
  long r;
  if (t->ssl == NULL || t->failed) return NET_ERROR;
  enter(t);
  r = shake_hands(t);
  if (r < 0) {
    send_out(t);
    return r;
  }
  r = net_tls_flush(t);
  while (r > 0) {
    total += taken(t);
    r = encrypt_batch(t, v, n, total);
    if (r > 0) r = send_out(t);
  }
  if (r == NET_AGAIN) total += taken(t);
  return total > 0 ? (long)total : r;
}

/* ------------------------------------------------------------------- ending */

const char *net_tls_why (const net_tls *t) {
  if (t->why) return t->why;
  return t->saved ? net_error_text(t->saved) : "reset";
}

const char *net_tls_error (const net_tls *t) { return t->error; }

static void notify (net_tls *t) {
  if (t->ssl == NULL || t->failed || t->broken || !net_tls_writable(t)) return;
  if (t->pid != getpid()) return; /* the stream is the parent's */
  if (SSL_get_shutdown(t->ssl) & SSL_SENT_SHUTDOWN) return;
  enter(t);
  SSL_shutdown(t->ssl);
  send_out(t);
}

void net_tls_shutdown (net_tls *t) {
  notify(t);
  if (t->under) net_tls_shutdown(t->under);
}
