/*
** net_tls_ctx.c - contexts: what connections with the same settings share.
*/
#include "net_posix.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "net_tls_int.h"

#ifndef O_CLOEXEC
#define O_CLOEXEC O_NOINHERIT /* Windows */
#endif

/* One read may bring several records. */
enum { READ_BUFFER = 4 * (NET_TLS_RECORD + 512) };

static net_tls_ctx *of_ssl (const SSL *ssl) {
  return SSL_CTX_get_app_data(SSL_get_SSL_CTX(ssl));
}

void net_tls_settings_init (net_tls_settings *s, int server) {
  memset(s, 0, sizeof *s);
  s->server = server;
  s->verify = 1;
  s->min_version = 12;
}

/* -------------------------------------------------------------------- ALPN */

static int has (const unsigned char *list, unsigned n,
                const unsigned char *name, unsigned size) {
  for (unsigned i = 0; i < n; i += 1u + list[i])
    if (list[i] == size && memcmp(list + i + 1, name, size) == 0) return 1;
  return 0;
}

/* RFC 7301 section 3.2: chooses the first of ours that the client offers. */
static int choose_alpn (SSL *ssl, const unsigned char **out,
                        unsigned char *size, const unsigned char *offered,
                        unsigned n, void *ud) {
  const net_tls_ctx *ctx = of_ssl(ssl);
  const unsigned char *ours = ctx->alpn;
  (void)ud;
  for (unsigned i = 0; i < ctx->nalpn; i += 1u + ours[i])
    if (has(offered, n, ours + i + 1, ours[i])) {
      *out = ours + i + 1;
      *size = ours[i];
      return SSL_TLSEXT_ERR_OK;
    }
  return SSL_TLSEXT_ERR_ALERT_FATAL;
}

static int set_alpn (net_tls_ctx *ctx, const net_tls_settings *s) {
  if (s->nalpn == 0) return 1;
  if (!s->server)
    return SSL_CTX_set_alpn_protos(ctx->ssl, (const unsigned char *)s->alpn,
                                   (unsigned)s->nalpn) == 0;
  ctx->alpn = malloc(s->nalpn);
  if (ctx->alpn == NULL) return 0;
  memcpy(ctx->alpn, s->alpn, s->nalpn);
  ctx->nalpn = (unsigned)s->nalpn;
  SSL_CTX_set_alpn_select_cb(ctx->ssl, choose_alpn, NULL);
  return 1;
}

/* ------------------------------------------------------------------ keylog */

/* Writes each line by one call, so that several processes can share the
   file. */
static void log_key (const SSL *ssl, const char *line) {
  size_t n = strlen(line);
  char *copy = malloc(n + 1);
  net_sigpipe sigpipe;
  ssize_t written;
  if (copy == NULL) return;
  memcpy(copy, line, n);
  copy[n] = '\n';
  net_sigpipe_block(&sigpipe); /* the file may be a pipe */
  written = write(of_ssl(ssl)->keylog, copy, n + 1);
  net_sigpipe_restore(&sigpipe);
  (void)written; /* there is no caller to report an error to */
  free(copy);
}

static int open_keylog (net_tls_ctx *ctx, const char *path, char *why) {
  if (path == NULL) return 1;
  ctx->keylog = open(path, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0600);
  if (ctx->keylog < 0) {
    net_tls_explain(why, "keylog", path, strerror(errno));
    return 0;
  }
  SSL_CTX_set_keylog_callback(ctx->ssl, log_key);
  return 1;
}

/* ------------------------------------------------------------- the settings */

static void set_modes (SSL_CTX *ssl) {
  SSL_CTX_set_mode(ssl, SSL_MODE_RELEASE_BUFFERS |
                            SSL_MODE_ENABLE_PARTIAL_WRITE |
                            SSL_MODE_ACCEPT_MOVING_WRITE_BUFFER);
  SSL_CTX_set_options(ssl, SSL_OP_NO_RENEGOTIATION | SSL_OP_NO_COMPRESSION);
  SSL_CTX_set_info_callback(ssl, net_tls_note);
  SSL_CTX_set_read_ahead(ssl, 1);
  SSL_CTX_set_default_read_buffer_len(ssl, READ_BUFFER);
}

/* Excludes suites without a certificate, which would pass any verification, and
   suites without encryption: a list such as "ALL" means neither. */
static int set_ciphers (SSL_CTX *ssl, const char *list) {
  static const char but[] = ":!aNULL:!eNULL";
  size_t n = strlen(list);
  char *all = malloc(n + sizeof but);
  int ok;
  if (all == NULL) return 0;
  memcpy(all, list, n);
  memcpy(all + n, but, sizeof but);
  ok = SSL_CTX_set_cipher_list(ssl, all);
  free(all);
  return ok;
}

static int set_versions (net_tls_ctx *ctx, const net_tls_settings *s,
                         char *why) {
  int min = s->min_version == 13 ? TLS1_3_VERSION : TLS1_2_VERSION;
  if (!SSL_CTX_set_min_proto_version(ctx->ssl, min))
    net_tls_explain(why, "min_version", NULL, NULL);
  else if (s->ciphers && !set_ciphers(ctx->ssl, s->ciphers))
    net_tls_explain(why, "ciphers", NULL, NULL);
  else if (s->ciphersuites &&
           !SSL_CTX_set_ciphersuites(ctx->ssl, s->ciphersuites))
    net_tls_explain(why, "ciphersuites", NULL, NULL);
  else
    return 1;
  return 0;
}

/* Called for a certificate that we do not have: the handshake continues without
   one. */
static int no_cert (SSL *ssl, X509 **cert, EVP_PKEY **key) {
  net_tls *t = SSL_get_app_data(ssl);
  (void)cert;
  (void)key;
  if (t) t->asked = 1;
  return 0;
}

static int set_cert (net_tls_ctx *ctx, const net_tls_settings *s, char *why) {
  if (s->cert == NULL) {
    SSL_CTX_set_client_cert_cb(ctx->ssl, no_cert);
    return 1;
  }
  if (s->password) {
    ctx->password = strdup(s->password);
    if (ctx->password == NULL) return 0;
  }
  return net_tls_load_cert(ctx, s->cert, why) &&
         net_tls_load_key(ctx, s->key, why);
}

/* The authorities of the system: reading them is slow, so it is done once. */
static X509_STORE *the_system;

static void read_system (void) {
  net_stay_loaded();
  the_system = X509_STORE_new();
  if (the_system) X509_STORE_set_default_paths(the_system);
  ERR_clear_error();
}

static int trust_system (net_tls_ctx *ctx, char *why) {
  static pthread_once_t once = PTHREAD_ONCE_INIT;
  pthread_once(&once, read_system);
  if (the_system == NULL) {
    net_tls_explain(why, "context", NULL, "not enough memory");
    return 0;
  }
  SSL_CTX_set1_cert_store(ctx->ssl, the_system);
  return 1;
}

/* Checks that the folder exists: OpenSSL opens it only when it needs an
   authority, and would report a missing one as an unknown authority. */
static int trust_folder (net_tls_ctx *ctx, const char *path, char *why) {
  char inside[4096];
  const char *failed = NULL;
  int n = snprintf(inside, sizeof inside, "%s/.", path);
  if (n < 0 || (size_t)n >= sizeof inside)
    failed = strerror(ENAMETOOLONG);
  else if (access(inside, R_OK | X_OK) != 0)
    failed = strerror(errno);
  else if (SSL_CTX_load_verify_locations(ctx->ssl, NULL, path))
    return 1;
  net_tls_explain(why, "ca_path", path, failed);
  return 0;
}

static int set_authorities (net_tls_ctx *ctx, const net_tls_settings *s,
                            char *why) {
  if (!s->verify) return 1;
  SSL_CTX_set_verify(ctx->ssl, SSL_VERIFY_PEER, NULL);
  if (s->ca_file && !net_tls_load_cas(ctx, s->ca_file, "ca_file", why))
    return 0;
  if (s->ca_path && !trust_folder(ctx, s->ca_path, why)) return 0;
  return s->ca_file || s->ca_path || trust_system(ctx, why);
}

static int set_client (net_tls_ctx *ctx, const net_tls_settings *s, char *why) {
  ctx->verify = s->verify;
  net_tls_keep_sessions(ctx);
  return set_authorities(ctx, s, why);
}

/* Sessions are kept in the clients' tickets, not here. The key of a ticket
   belongs to this context and is freed with it. */
static int set_server (net_tls_ctx *ctx, const net_tls_settings *s, char *why) {
  static const unsigned char id[] = "websock";
  SSL_CTX_set_session_cache_mode(ctx->ssl, SSL_SESS_CACHE_OFF);
  SSL_CTX_set_session_id_context(ctx->ssl, id, sizeof id - 1);
  SSL_CTX_set_num_tickets(ctx->ssl, 1);
  if (s->client_ca == NULL) return 1;
  SSL_CTX_set_verify(ctx->ssl,
                     SSL_VERIFY_PEER | SSL_VERIFY_FAIL_IF_NO_PEER_CERT, NULL);
  return net_tls_load_cas(ctx, s->client_ca, "client_ca", why);
}

/* -------------------------------------------------------------------- life */

static int set_up (net_tls_ctx *ctx, const net_tls_settings *s, char *why) {
  ctx->ssl = SSL_CTX_new(TLS_method());
  ctx->record = malloc(NET_TLS_RECORD);
  net_tls_explain(why, "context", NULL, "not enough memory");
  if (ctx->ssl == NULL || ctx->record == NULL) return 0;
  SSL_CTX_set_app_data(ctx->ssl, ctx);
  set_modes(ctx->ssl);
  return set_versions(ctx, s, why) && set_cert(ctx, s, why) &&
         set_alpn(ctx, s) && open_keylog(ctx, s->keylog, why) &&
         (s->server ? set_server(ctx, s, why) : set_client(ctx, s, why));
}

static void forget_password (net_tls_ctx *ctx) {
  if (ctx->password == NULL) return;
  OPENSSL_cleanse(ctx->password, strlen(ctx->password));
  free(ctx->password);
  ctx->password = NULL;
}

net_tls_ctx *net_tls_ctx_new (const net_tls_settings *s,
                              char why[NET_TLS_WHY]) {
  net_tls_ctx *ctx = calloc(1, sizeof *ctx);
  ERR_clear_error();
  if (ctx == NULL) {
    net_tls_explain(why, "context", NULL, "not enough memory");
    return NULL;
  }
  ctx->refs = 1;
  ctx->server = s->server;
  ctx->keylog = -1;
  if (set_up(ctx, s, why)) {
    forget_password(ctx);
    return ctx;
  }
  net_tls_ctx_free(ctx);
  return NULL;
}

int net_tls_is_server (const net_tls_ctx *ctx) { return ctx->server; }

void net_tls_ctx_free (net_tls_ctx *ctx) {
  if (ctx == NULL || --ctx->refs > 0) return;
  net_tls_free_sessions(ctx);
  SSL_CTX_free(ctx->ssl);
  forget_password(ctx);
  free(ctx->alpn);
  free(ctx->record);
  net_tls_bytes_free(&ctx->out);
  if (ctx->keylog >= 0) close(ctx->keylog);
  free(ctx);
}
