/*
** bench/ideal_tls.h - what bench/ideal.c needs of OpenSSL.
*/
#ifndef bench_ideal_tls_h
#define bench_ideal_tls_h

#include <errno.h>
#include <openssl/ssl.h>
#include <sys/types.h>

/* NULL: the files, of PEM, do not do. */
static inline SSL_CTX *tls_context (const char *certificate, const char *key) {
  SSL_CTX *tls = SSL_CTX_new(TLS_server_method());
  if (!tls || SSL_CTX_use_certificate_chain_file(tls, certificate) != 1 ||
      SSL_CTX_use_PrivateKey_file(tls, key, SSL_FILETYPE_PEM) != 1)
    return NULL;
  SSL_CTX_set_read_ahead(tls, 1);
  SSL_CTX_set_mode(tls, SSL_MODE_ACCEPT_MOVING_WRITE_BUFFER |
                            SSL_MODE_RELEASE_BUFFERS);
  return tls;
}

static inline SSL *tls_accept (SSL_CTX *tls, int fd) {
  SSL *ssl = SSL_new(tls);
  if (!ssl || SSL_set_fd(ssl, fd) != 1) return NULL;
  SSL_set_accept_state(ssl);
  return ssl;
}

/* The result of SSL_read or SSL_write like that of recv and send: -1 with
   EAGAIN when it cannot be done now. */
static inline ssize_t tls_result (SSL *ssl, int r) {
  int error = r > 0 ? SSL_ERROR_NONE : SSL_get_error(ssl, r);
  errno = EPROTO;
  if (error == SSL_ERROR_WANT_READ || error == SSL_ERROR_WANT_WRITE)
    errno = EAGAIN;
  return r > 0 ? r : error == SSL_ERROR_ZERO_RETURN ? 0 : -1;
}

#endif
