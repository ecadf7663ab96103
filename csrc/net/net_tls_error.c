/*
** net_tls_error.c - TLS errors as messages for people.
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

static const char no_version[] = "protocol version not supported by the peer";
static const char no_protocol[] = "no application protocol in common";
static const char no_cipher[] = "no cipher in common";
static const char no_group[] = "no group for the key exchange in common";
static const char no_signature[] = "no kind of signature in common";
static const char no_settings[] =
    "peer found no settings in common (ciphers, groups, signatures)";
static const char ended[] = "the connection ended in the handshake";
static const char wants_ours[] = "peer asks for a client certificate";
static const char dislikes_ours[] = "peer refuses our certificate";
static const char renegotiation[] =
    "peer insists on a renegotiation, which is refused";

/* Errors that OpenSSL finds on our side. */
static const words reasons[] = {
    {SSL_R_UNSUPPORTED_PROTOCOL, no_version},
    {SSL_R_VERSION_TOO_LOW, no_version},
    {SSL_R_WRONG_SSL_VERSION, no_version},
    {SSL_R_NO_SHARED_CIPHER, no_cipher},
    {SSL_R_WRONG_CIPHER_RETURNED, no_cipher},
    {SSL_R_NO_SUITABLE_KEY_SHARE, no_group},
    {SSL_R_NO_SUITABLE_SIGNATURE_ALGORITHM, no_signature},
#ifdef SSL_R_NO_SHARED_GROUPS
    {SSL_R_NO_SHARED_GROUPS, no_group},
#endif
#ifdef SSL_R_NO_SUITABLE_GROUPS
    {SSL_R_NO_SUITABLE_GROUPS, no_group},
#endif
#ifdef SSL_R_NO_SHARED_SIGNATURE_ALGORITHMS
    {SSL_R_NO_SHARED_SIGNATURE_ALGORITHMS, no_signature},
#endif
    {SSL_R_NO_CIPHERS_AVAILABLE,
     "none of our ciphers is of a version of TLS that may be used"},
    {SSL_R_DH_KEY_TOO_SMALL, "peer's key exchange is too weak"},
    {SSL_R_UNSAFE_LEGACY_RENEGOTIATION_DISABLED,
     "peer lacks secure renegotiation (RFC 5746)"},
    {SSL_R_PEER_DID_NOT_RETURN_A_CERTIFICATE, "peer has no certificate"},
    {SSL_R_NO_APPLICATION_PROTOCOL, no_protocol},
    {SSL_R_BAD_SIGNATURE, "peer's signature is wrong"},
    {SSL_R_DECRYPTION_FAILED_OR_BAD_RECORD_MAC,
     "a record was changed on its way"},
    {0, NULL}};

/* Alerts that the peer sends: RFC 8446 section 6, RFC 5246 section 7.2 and RFC
   6066 section 9. */
static const words alerts[] = {
    {SSL_AD_BAD_RECORD_MAC, "peer got a record that was changed on its way"},
    {SSL_AD_PROTOCOL_VERSION, no_version},
    {SSL_AD_INSUFFICIENT_SECURITY, "peer wants stronger ciphers than ours"},
    {TLS1_AD_NO_APPLICATION_PROTOCOL, no_protocol},
    {TLS13_AD_CERTIFICATE_REQUIRED, wants_ours},
    {SSL_AD_NO_CERTIFICATE, wants_ours},
    {SSL_AD_BAD_CERTIFICATE, dislikes_ours},
    {SSL_AD_CERTIFICATE_UNKNOWN, dislikes_ours},
    {SSL_AD_UNSUPPORTED_CERTIFICATE,
     "peer does not support our kind of certificate"},
    {SSL_AD_CERTIFICATE_REVOKED,
     "peer says that our certificate has been revoked"},
    {SSL_AD_CERTIFICATE_EXPIRED, "peer says that our certificate has expired"},
    {SSL_AD_UNKNOWN_CA, "peer does not know the authority of our certificate"},
    {SSL_AD_ACCESS_DENIED, "peer denies access"},
    {SSL_AD_DECRYPT_ERROR, "peer found a signature wrong"},
    {SSL_AD_UNRECOGNIZED_NAME, "peer does not know this host"},
    {SSL_AD_INTERNAL_ERROR, "peer met an error of its own"},
    {0, NULL}};

static const char *look_up (const words *table, long code) {
  while (table->text && table->code != code) table++;
  return table->text;
}

/* Whether a server's alert in the handshake means that it wants a certificate
   and got none. Each library sends a different one. */
static int is_about_ours (int alert) {
  return alert == SSL_AD_HANDSHAKE_FAILURE || alert == SSL_AD_BAD_CERTIFICATE ||
         alert == SSL_AD_CERTIFICATE_UNKNOWN || alert == SSL_AD_ACCESS_DENIED;
}

/* Returns our text for a fatal alert of the peer's, or NULL. */
static const char *of_alert (const net_tls *t, int alert) {
  if (t->refused &&
      (alert == SSL_AD_HANDSHAKE_FAILURE || alert == SSL_AD_NO_RENEGOTIATION))
    return renegotiation;
  if (t->asked && !t->got && is_about_ours(alert)) return wants_ours;
  if (!t->done && alert == SSL_AD_HANDSHAKE_FAILURE) return no_settings;
  if (!t->done && alert == SSL_AD_CLOSE_NOTIFY) return ended;
  return look_up(alerts, alert);
}

/* Returns our text for a peer that does not speak TLS. */
static const char *of_garbage (const net_tls *t, int reason) {
  switch (reason) {
    case SSL_R_HTTP_REQUEST:
    case SSL_R_HTTPS_PROXY_REQUEST:
      if (t->ctx->server && !t->done) return "plain HTTP from a client";
      break;
    case SSL_R_WRONG_VERSION_NUMBER:
    case SSL_R_PACKET_LENGTH_TOO_LONG: break;
    default: return NULL;
  }
  if (t->done) return "what came is no record of TLS";
  return t->ctx->server ? "not a TLS client" : "not a TLS server";
}

/* Returns the number of the alert in an error, or -1. */
static int alert_of (unsigned long err) {
  int reason = ERR_GET_REASON(err);
  if (ERR_GET_LIB(err) != ERR_LIB_SSL || reason < SSL_AD_REASON_OFFSET)
    return -1;
  return reason - SSL_AD_REASON_OFFSET;
}

static int is_certificate (unsigned long err) {
  return ERR_GET_LIB(err) == ERR_LIB_SSL &&
         ERR_GET_REASON(err) == SSL_R_CERTIFICATE_VERIFY_FAILED;
}

/* Returns our text for an error, or NULL. */
static const char *our_text (const net_tls *t, unsigned long err) {
  int reason = ERR_GET_REASON(err);
  const char *text;
  if (ERR_GET_LIB(err) != ERR_LIB_SSL) return NULL;
  if (is_certificate(err)) return look_up(chain, SSL_get_verify_result(t->ssl));
  if (alert_of(err) >= 0) return of_alert(t, alert_of(err));
  text = of_garbage(t, reason);
  return text ? text : look_up(reasons, reason);
}

static const char *openssl_text (const net_tls *t, unsigned long err) {
  const char *text;
  if (is_certificate(err) && SSL_get_verify_result(t->ssl) != X509_V_OK)
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

/* Returns "tls: " and the text, in which %s is the name that the client has
   asked for. */
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

/* Returns OpenSSL's text of an alert without its prefix, such as "sslv3 alert "
   or "tlsv1 ". */
static const char *alert_name (unsigned long err) {
  const char *text = ERR_reason_error_string(err);
  const char *alert = text ? strstr(text, "alert ") : NULL;
  if (alert) return alert + strlen("alert ");
  if (text) text = strchr(text, ' ');
  return text ? text + 1 : NULL;
}

/* As spell, with OpenSSL's text in lower case, or the number of an alert that
   has no text. */
static char *spell_foreign (const net_tls *t, unsigned long err) {
  char s[NET_TLS_WHY];
  const char *name = alert_of(err) >= 0 ? alert_name(err) : NULL;
  if (name)
    snprintf(s, sizeof s, "tls: peer says: %s", name);
  else if (alert_of(err) >= 0)
    snprintf(s, sizeof s, "tls: peer says: alert %d", alert_of(err));
  else
    snprintf(s, sizeof s, "tls: %s", openssl_text(t, err));
  lower(s);
  return copy(s);
}

#ifndef SSL_R_UNEXPECTED_EOF_WHILE_READING
#define SSL_R_UNEXPECTED_EOF_WHILE_READING (-1) /* OpenSSL 1.1.1 */
#endif

/* Whether the peer has ended the stream, or sent close_notify in the
   handshake. */
static int is_end (const net_tls *t, unsigned long err) {
  if (err == 0) return t->eof || t->saved == 0;
  return t->eof && ERR_GET_LIB(err) == ERR_LIB_SSL &&
         ERR_GET_REASON(err) == SSL_R_UNEXPECTED_EOF_WHILE_READING;
}

/* Returns the text for an end that TLS did not cause, or NULL. With TLS 1.3 a
   server checks the client's certificate after the client's handshake is over,
   and not every server says why it then ends the connection. */
static const char *of_end (const net_tls *t, const char *in_handshake) {
  if (!t->done) return in_handshake;
  if (t->refused) return renegotiation;
  return t->asked && !t->got ? wants_ours : NULL;
}

/* Sets t->why. Returns the text to report, or NULL for the end of a stream that
   was in use. */
static char *report (net_tls *t, unsigned long err) {
  const char *text;
  if (is_end(t, err)) {
    t->why = "eof";
    text = of_end(t, ended);
  } else if (t->saved) {
    t->why = net_error_text(t->saved);
    text = of_end(t, t->why);
  } else {
    t->why = "reset";
    text = our_text(t, err);
    if (text == NULL) return spell_foreign(t, err);
  }
  return text ? spell(t, text) : NULL;
}

/* Answers a client that speaks plain HTTP in plain HTTP. */
static void answer_plain (net_tls *t, unsigned long err) {
  static const char text[] =
      "HTTP/1.1 400 Bad Request\r\nConnection: close\r\n"
      "Content-Type: text/plain\r\nContent-Length: 45\r\n\r\n"
      "This port speaks TLS: use wss:// or https://\n";
  if (ERR_GET_LIB(err) == ERR_LIB_SSL && t->ctx->server && !t->done &&
      ERR_GET_REASON(err) == SSL_R_HTTP_REQUEST)
    net_tls_bytes_add(t->out, text, sizeof text - 1);
}

void net_tls_failed (net_tls *t) {
  unsigned long err = ERR_peek_error();
  t->failed = 1;
  if (t->error == NULL) {
    t->error = report(t, err);
    answer_plain(t, err);
  }
  ERR_clear_error();
}

void net_tls_note (const SSL *ssl, int where, int alert) {
  net_tls *t = SSL_get_app_data(ssl);
  if (t && where == SSL_CB_WRITE_ALERT &&
      (alert & 0xff) == SSL_AD_NO_RENEGOTIATION)
    t->refused = 1;
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
