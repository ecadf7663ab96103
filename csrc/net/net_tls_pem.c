/*
** net_tls_pem.c - certificates and keys, from PEM files or PEM text.
*/
#include "net_posix.h"

#include <errno.h>
#include <string.h>

#include <openssl/pem.h>

#include "net_tls_int.h"

static int is_text (const char *pem) {
  return strstr(pem, "-----BEGIN") != NULL;
}

static const char *path_of (const char *pem) {
  return is_text(pem) ? NULL : pem;
}

/* Returns NULL, and why, if the file cannot be opened. */
static BIO *open_pem (const char *pem, const char *what, char *why) {
  BIO *bio;
  errno = 0;
  bio = is_text(pem) ? BIO_new_mem_buf(pem, -1) : BIO_new_file(pem, "r");
  if (bio == NULL) net_tls_explain(why, what, path_of(pem), strerror(errno));
  return bio;
}

static int no_password (char *p, int size, int writing, void *ud) {
  (void)p;
  (void)size;
  (void)writing;
  (void)ud;
  return 0;
}

/* Returns the next certificate, or NULL at the end. */
static X509 *next_cert (BIO *bio) {
  return PEM_read_bio_X509(bio, NULL, no_password, NULL);
}

/* Whether reading stopped at the end of the text, not at a broken entry. */
static int at_end (void) {
  return ERR_GET_REASON(ERR_peek_last_error()) == PEM_R_NO_START_LINE;
}

static int add_chain (net_tls_ctx *ctx, BIO *bio) {
  X509 *cert;
  while ((cert = next_cert(bio)) != NULL)
    if (!SSL_CTX_add0_chain_cert(ctx->ssl, cert)) {
      X509_free(cert);
      return 0;
    }
  return at_end();
}

int net_tls_load_cert (net_tls_ctx *ctx, const char *pem, char *why) {
  BIO *bio = open_pem(pem, "cert", why);
  X509 *cert;
  int ok;
  if (bio == NULL) return 0;
  cert = next_cert(bio);
  ok = cert && SSL_CTX_use_certificate(ctx->ssl, cert) && add_chain(ctx, bio);
  if (!ok)
    net_tls_explain(why, "cert", path_of(pem),
                    cert ? NULL : "no certificate in PEM");
  ERR_clear_error();
  X509_free(cert);
  BIO_free(bio);
  return ok;
}

typedef struct secret {
  const char *password;
  int asked;
} secret;

/* Gives OpenSSL the password, so that it never asks at the terminal. */
static int give_password (char *p, int size, int writing, void *ud) {
  secret *s = ud;
  size_t n = s->password ? strlen(s->password) : 0;
  (void)writing;
  s->asked = 1;
  if (s->password == NULL || n > (size_t)size) return -1;
  if (n > 0) memcpy(p, s->password, n);
  return (int)n;
}

/* Returns why no key could be read. */
static const char *key_trouble (const secret *s) {
  if (!s->asked) return "no private key in PEM";
  return s->password ? "wrong password" : "needs a password";
}

int net_tls_load_key (net_tls_ctx *ctx, const char *pem, char *why) {
  BIO *bio = open_pem(pem, "key", why);
  secret s = {ctx->password, 0};
  EVP_PKEY *key;
  int ok;
  if (bio == NULL) return 0;
  key = PEM_read_bio_PrivateKey(bio, NULL, give_password, &s);
  /* the second call also detects a key of another type than the certificate */
  ok = key && SSL_CTX_use_PrivateKey(ctx->ssl, key) &&
       SSL_CTX_check_private_key(ctx->ssl);
  if (key == NULL)
    net_tls_explain(why, "key", path_of(pem), key_trouble(&s));
  else if (!ok)
    net_tls_explain(why, "key", path_of(pem), "does not match the certificate");
  EVP_PKEY_free(key);
  BIO_free(bio);
  return ok;
}

/* Trusts a certificate; a server also names it to its clients. */
static int trust (net_tls_ctx *ctx, X509 *cert) {
  return X509_STORE_add_cert(SSL_CTX_get_cert_store(ctx->ssl), cert) &&
         (!ctx->server || SSL_CTX_add_client_CA(ctx->ssl, cert));
}

static int trust_all (net_tls_ctx *ctx, BIO *bio) {
  X509 *cert;
  int n = 0, ok = 1;
  for (; ok && (cert = next_cert(bio)) != NULL; n++) {
    ok = trust(ctx, cert);
    X509_free(cert);
  }
  return ok && n > 0 && at_end();
}

int net_tls_load_cas (net_tls_ctx *ctx, const char *pem, const char *what,
                      char *why) {
  BIO *bio = open_pem(pem, what, why);
  int ok;
  if (bio == NULL) return 0;
  ok = trust_all(ctx, bio);
  if (!ok)
    net_tls_explain(why, what, path_of(pem),
                    at_end() ? "no certificate in PEM" : NULL);
  ERR_clear_error();
  BIO_free(bio);
  return ok;
}
