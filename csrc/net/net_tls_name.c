/*
** net_tls_name.c - the name that a client sends and checks the certificate
** against: a host name, or a numeric address.
*/
#include <ctype.h>
#include <stdlib.h>
#include <string.h>

#include <openssl/x509v3.h>

#include "net_tls_int.h"

enum { MOST = 255 }; /* bytes of a host name (RFC 1035 section 2.3.4) */

/* Whether a name is an address; converts it to the form in certificates,
   without a zone. */
static int is_address (const char *name, net_address *a) {
  char digits[64];
  size_t n = strcspn(name, "%");
  if (n >= sizeof digits) return 0;
  memcpy(digits, name, n);
  digits[n] = '\0';
  return net_numeric(digits, a);
}

/* Its length without a final dot, which is not sent (RFC 6066 section 3). */
static size_t length (const char *name) {
  size_t n = strlen(name);
  return n > 1 && name[n - 1] == '.' ? n - 1 : n;
}

/* Rejects what could be more than one host: to OpenSSL a leading dot means
   every subdomain, and an empty name means every name. */
static int is_host (const char *name) {
  size_t n = length(name);
  if (n == 0 || n > MOST || *name == '.') return 0;
  for (size_t i = 0; i < n; i++)
    if (!isalnum((unsigned char)name[i]) && !strchr("-_.", name[i])) return 0;
  return 1;
}

int net_tls_is_name (const char *name) {
  net_address a;
  return name != NULL && (is_address(name, &a) || is_host(name));
}

/* RFC 6125, RFC 9525: checks alternative names only, with wildcards for one
   whole label. */
static int set_host (SSL *ssl, const char *host, int verify) {
  X509_VERIFY_PARAM *param = SSL_get0_param(ssl);
  X509_VERIFY_PARAM_set_hostflags(param,
                                  X509_CHECK_FLAG_NO_PARTIAL_WILDCARDS |
                                      X509_CHECK_FLAG_NEVER_CHECK_SUBJECT);
  return SSL_set_tlsext_host_name(ssl, host) &&
         (!verify || X509_VERIFY_PARAM_set1_host(param, host, 0));
}

/* Checks an address, which is not sent as a name (RFC 6066 section 3). */
static int set_address (SSL *ssl, const net_address *a, int verify) {
  return !verify || X509_VERIFY_PARAM_set1_ip_asc(SSL_get0_param(ssl), a->host);
}

int net_tls_set_name (net_tls *t, const char *name) {
  char host[MOST + 1];
  net_address a;
  size_t n = length(name);
  if (is_address(name, &a)) return set_address(t->ssl, &a, t->ctx->verify);
  if (!is_host(name)) return 0;
  memcpy(host, name, n);
  host[n] = '\0';
  return set_host(t->ssl, host, t->ctx->verify);
}
