/*
** net_tls_error.c - what failed, in a person's words.
*/
#include <ctype.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <openssl/x509v3.h>

#include "net_tls_int.h"

typedef struct words {
  long code;
  const char *text;
} words;

static const char other_host[] = "certificate is for another host than %s";

/* Results of the verification of a certificate chain. */
static const words chain[] = {
    {X509_V_ERR_CERT_HAS_EXPIRED, "certificate has expired"},
    {X509_V_ERR_CERT_NOT_YET_VALID, "certificate is not yet valid"},
    {X509_V_ERR_DEPTH_ZERO_SELF_SIGNED_CERT, "certificate is self-signed"},
    {X509_V_ERR_SELF_SIGNED_CERT_IN_CHAIN,
     "certificate of an unknown authority"},
    {X509_V_ERR_UNABLE_TO_GET_ISSUER_CERT,
     "certificate of an unknown authority"},
    {X509_V_ERR_UNABLE_TO_GET_ISSUER_CERT_LOCALLY,
     "certificate of an unknown authority"},
    {X509_V_ERR_UNABLE_TO_VERIFY_LEAF_SIGNATURE,
     "certificate of an unknown authority"},
    {X509_V_ERR_CERT_UNTRUSTED, "certificate of an unknown authority"},
    {X509_V_ERR_INVALID_CA, "certificate was signed by one that may not sign"},
    {X509_V_ERR_HOSTNAME_MISMATCH, other_host},
    {X509_V_ERR_IP_ADDRESS_MISMATCH, other_host},
    {X509_V_ERR_INVALID_PURPOSE, "certificate is for another purpose"},
    {X509_V_ERR_CERT_REVOKED, "certificate has been revoked"},
    {X509_V_ERR_CERT_SIGNATURE_FAILURE, "certificate's signature is wrong"},
    {X509_V_ERR_EE_KEY_TOO_SMALL, "certificate's key is too weak"},
    {X509_V_ERR_CA_KEY_TOO_SMALL, "certificate's key is too weak"},
    {X509_V_ERR_CA_MD_TOO_WEAK, "certificate's signature is too weak"},
    {X509_V_OK, NULL}};

#define ALERT(number) (SSL_AD_REASON_OFFSET + (number))
static const char no_version[] = "protocol version not supported by the peer";
static const char wants_ours[] = "peer asks for a client certificate";
static const char dislikes_ours[] = "peer refuses our certificate";
static const char no_protocol[] = "no application protocol in common";

/* What OpenSSL finds, and the alerts of RFC 8446 section 6 that peers send. */
static const words reasons[] = {
    {SSL_R_UNSUPPORTED_PROTOCOL, no_version},
    {SSL_R_VERSION_TOO_LOW, no_version},
    {SSL_R_WRONG_SSL_VERSION, no_version},
    {ALERT(SSL_AD_PROTOCOL_VERSION), no_version},
    {SSL_R_WRONG_VERSION_NUMBER, "not a TLS server"},
    {SSL_R_HTTP_REQUEST, "not a TLS client"},
    {SSL_R_PACKET_LENGTH_TOO_LONG, "not a TLS server"},
    {SSL_R_NO_SHARED_CIPHER, "no cipher in common"},
    {SSL_R_PEER_DID_NOT_RETURN_A_CERTIFICATE, "peer has no certificate"},
    {SSL_R_NO_APPLICATION_PROTOCOL, no_protocol},
    {ALERT(TLS1_AD_NO_APPLICATION_PROTOCOL), no_protocol},
    {ALERT(SSL_AD_HANDSHAKE_FAILURE), "peer found no cipher in common"},
    {ALERT(TLS13_AD_CERTIFICATE_REQUIRED), wants_ours},
    {ALERT(SSL_AD_UNKNOWN_CA),
     "peer does not know the authority of our certificate"},
    {ALERT(SSL_AD_BAD_CERTIFICATE), dislikes_ours},
    {ALERT(SSL_AD_UNSUPPORTED_CERTIFICATE), dislikes_ours},
    {ALERT(SSL_AD_CERTIFICATE_REVOKED), dislikes_ours},
    {ALERT(SSL_AD_CERTIFICATE_EXPIRED), dislikes_ours},
    {ALERT(SSL_AD_CERTIFICATE_UNKNOWN), dislikes_ours},
    {ALERT(SSL_AD_ACCESS_DENIED), dislikes_ours},
    {ALERT(SSL_AD_DECRYPT_ERROR), "peer found a signature wrong"},
    {ALERT(SSL_AD_UNRECOGNIZED_NAME), "peer does not know this host"},
    {ALERT(SSL_AD_INTERNAL_ERROR), "peer met an error of its own"},
    {0, NULL}};

static const char *look_up (const words *table, long code) {
  while (table->text && table->code != code) table++;
  return table->text;
}

/* The text of ours for what has failed, or NULL. */
static const char *our_text (const net_tls *t, unsigned long err) {
  int reason = ERR_GET_REASON(err);
  if (ERR_GET_LIB(err) != ERR_LIB_SSL) return NULL;
  if (reason == SSL_R_CERTIFICATE_VERIFY_FAILED)
    return look_up(chain, SSL_get_verify_result(t->ssl));
  if (t->asked && reason == ALERT(SSL_AD_HANDSHAKE_FAILURE)) return wants_ours;
  return look_up(reasons, reason);
}

static const char *openssl_text (const net_tls *t, unsigned long err) {
  const char *text;
  if (ERR_GET_REASON(err) == SSL_R_CERTIFICATE_VERIFY_FAILED)
    return X509_verify_cert_error_string(SSL_get_verify_result(t->ssl));
  text = ERR_reason_error_string(err);
  return text ? text : "unknown error";
}

static void lower (char *s) {
  for (; *s; s++) *s = (char)tolower((unsigned char)*s);
}

static char *copy (const char *text) {
  char *s = malloc(strlen(text) + 1);
  return s ? strcpy(s, text) : NULL;
}

/* "tls: " and the text, in which %s is whom the client has asked for. */
static char *spell (const net_tls *t, const char *text) {
  char s[NET_TLS_WHY];
  int n = t->place ? (int)strcspn(t->place, " ") : 0;
  const char *gap = strstr(text, "%s");
  if (gap == NULL)
    snprintf(s, sizeof s, "tls: %s", text);
  else
    snprintf(s, sizeof s, "tls: %.*s%.*s%s", (int)(gap - text), text, n,
             t->place, gap + 2);
  return copy(s);
}

/* The same with OpenSSL's text, in lower case: "sslv3 alert ..." is what the peer
   says. */
static char *spell_foreign (const char *text) {
  char s[NET_TLS_WHY];
  const char *alert = strstr(text, " alert ");
  if (alert)
    snprintf(s, sizeof s, "tls: peer says: %s", alert + strlen(" alert "));
  else
    snprintf(s, sizeof s, "tls: %s", text);
  lower(s);
  return copy(s);
}

#ifndef SSL_R_UNEXPECTED_EOF_WHILE_READING
#define SSL_R_UNEXPECTED_EOF_WHILE_READING (-1) /* OpenSSL 1.1.1 */
#endif

static int is_end (const net_tls *t, unsigned long err) {
  return t->eof && (err == 0 || (ERR_GET_LIB(err) == ERR_LIB_SSL &&
                                 ERR_GET_REASON(err) ==
                                     SSL_R_UNEXPECTED_EOF_WHILE_READING));
}

/* What to say of an end that is not TLS's doing, or NULL. With TLS 1.3 a server
   looks at a client's certificate when the client's handshake is over, and not
   every one says why it then ends the connection. */
static const char *of_end (const net_tls *t, const char *in_handshake) {
  if (!t->done) return in_handshake;
  return t->asked && !t->got ? wants_ours : NULL;
}

/* Sets t->why, and returns the text to report, or NULL for the end of a stream
   that was in use. */
static char *report (net_tls *t, unsigned long err) {
  const char *text;
  if (is_end(t, err)) {
    t->why = "eof";
    text = of_end(t, "the connection ended in the handshake");
  } else if (t->saved) {
    t->why = net_error_text(t->saved);
    text = of_end(t, t->why);
  } else {
    t->why = "reset";
    text = our_text(t, err);
    if (text == NULL) return spell_foreign(openssl_text(t, err));
  }
  return text ? spell(t, text) : NULL;
}

void net_tls_failed (net_tls *t) {
  t->failed = 1;
  if (t->error == NULL) t->error = report(t, ERR_peek_error());
  ERR_clear_error();
}

void net_tls_explain (char why[NET_TLS_WHY], const char *what,
                      const char *where, const char *detail) {
  unsigned long err = ERR_peek_last_error();
  const char *reason = err ? ERR_reason_error_string(err) : NULL;
  if (detail == NULL) detail = reason ? reason : "not accepted";
  snprintf(why, NET_TLS_WHY, "tls: %s: %s%s%s", what, where ? where : "",
           where ? ": " : "", detail);
  ERR_clear_error();
}
