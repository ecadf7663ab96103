/*
** net_tls_session.c - the sessions that a client context can resume (RFC 8446
** section 2.2, RFC 5077): one for each place; a new one replaces the oldest.
** They stay within the context, so that a session verified under other settings
** is never trusted.
*/
#include "net_posix.h"

#include <stdlib.h>
#include <string.h>

#include "net_tls_int.h"

static void forget (net_tls_session *s) {
  SSL_SESSION_free(s->session);
  free(s->place);
  memset(s, 0, sizeof *s);
}

static net_tls_session *find (net_tls_ctx *ctx, const char *place) {
  for (int i = 0; i < NET_TLS_SESSIONS; i++) {
    net_tls_session *s = &ctx->sessions[i];
    if (s->place && strcmp(s->place, place) == 0) return s;
  }
  return NULL;
}

/* Returns a free slot, or frees the oldest session's. */
static net_tls_session *make_slot (net_tls_ctx *ctx) {
  net_tls_session *oldest = &ctx->sessions[0];
  for (int i = 0; i < NET_TLS_SESSIONS; i++) {
    net_tls_session *s = &ctx->sessions[i];
    if (s->place == NULL) return s;
    if (ctx->stamp - s->stamp > ctx->stamp - oldest->stamp) oldest = s;
  }
  forget(oldest);
  return oldest;
}

/* Called by OpenSSL with a new session; returning 1 keeps its reference. */
static int keep (SSL *ssl, SSL_SESSION *session) {
  net_tls *t = SSL_get_app_data(ssl);
  net_tls_session *s;
  if (t == NULL || t->place == NULL) return 0;
  s = find(t->ctx, t->place);
  if (s == NULL) {
    s = make_slot(t->ctx);
    s->place = strdup(t->place);
    if (s->place == NULL) return 0;
  }
  SSL_SESSION_free(s->session);
  s->session = session;
  s->stamp = ++t->ctx->stamp;
  return 1;
}

void net_tls_resume (net_tls *t) {
  net_tls_session *s = find(t->ctx, t->place);
  if (s == NULL) return;
  if (SSL_SESSION_is_resumable(s->session)) SSL_set_session(t->ssl, s->session);
  /* one ticket, one connection (RFC 8446 appendix C.4) */
  if (SSL_SESSION_get_protocol_version(s->session) >= TLS1_3_VERSION) forget(s);
}

void net_tls_keep_sessions (net_tls_ctx *ctx) {
  SSL_CTX_set_session_cache_mode(ctx->ssl, SSL_SESS_CACHE_CLIENT |
                                               SSL_SESS_CACHE_NO_INTERNAL);
  SSL_CTX_sess_set_new_cb(ctx->ssl, keep);
}

void net_tls_free_sessions (net_tls_ctx *ctx) {
  for (int i = 0; i < NET_TLS_SESSIONS; i++) forget(&ctx->sessions[i]);
}
