/*
** test_net_tls_error.c - texts of failures that only OpenSSL's own calls can
** cause. Failures that peers cause are tested in
** spec/websock/base/tls_error_spec.lua.
*/
#include <unistd.h>

#include "net_tls_int.h"
#include "tls.h"

/* Two valid ends, before their handshake, with one version of TLS. */
static void join_version (int version) {
  join_good();
  for (int i = CLIENT; i <= SERVER; i++)
    CHECK(SSL_set_max_proto_version(two.end[i]->ssl, version));
}

static void check_errors (const char *client, const char *server) {
  CHECK(!shaken());
  CHECK_STR(error_of(CLIENT), client);
  CHECK_STR(error_of(SERVER), server);
  part();
}

#define PEERS \
  "tls: peer found no settings in common (ciphers, groups, signatures)"

/* ------------------------------------------------------------ renegotiation */

/* Makes one end ask for a renegotiation, against its own settings. */
static void ask_again (int which) {
  SSL *ssl = two.end[which]->ssl;
  net_tls_bytes *out = &two.end[which]->ctx->out;
  SSL_clear_options(ssl, SSL_OP_NO_RENEGOTIATION);
  CHECK(SSL_renegotiate(ssl) == 1);
  out->at = out->n = 0;
  SSL_do_handshake(ssl);
  CHECK(send(two.fd[which], out->p, out->n, 0) == (ssize_t)out->n);
  out->n = 0;
}

/* The other end refuses; returns its error after the first has ended the
   connection because of that. */
TEST(a_renegotiation_that_is_refused) {
  for (int which = CLIENT; which <= SERVER; which++) {
    char p[8];
    join_version(TLS1_2_VERSION);
    CHECK(shaken());
    ask_again(which);
    CHECK(get(1 - which, p, 8) == NET_AGAIN);
    CHECK_STR(error_of(1 - which), "no error");
    CHECK(get(which, p, 8) == NET_ERROR);
    CHECK(get(1 - which, p, 8) == NET_ERROR);
    CHECK_STR(error_of(1 - which),
              "tls: peer insists on a renegotiation, which is refused");
    part();
  }
}

/* The same if the other end just closes. */
TEST(a_renegotiation_that_is_refused_and_given_up) {
  for (int which = CLIENT; which <= SERVER; which++) {
    char p[8];
    join_version(TLS1_2_VERSION);
    CHECK(shaken());
    ask_again(which);
    CHECK(get(1 - which, p, 8) == NET_AGAIN);
    shutdown(two.fd[which], SHUT_WR);
    CHECK(get(1 - which, p, 8) == NET_ERROR);
    CHECK_STR(error_of(1 - which),
              "tls: peer insists on a renegotiation, which is refused");
    CHECK_STR(net_tls_why(two.end[1 - which]), "eof");
    part();
  }
}

/* ------------------------------------------------------- nothing in common */

TEST(no_version_in_common) {
  join_good();
  SSL_set_max_proto_version(two.end[CLIENT]->ssl, TLS1_2_VERSION);
  SSL_set_min_proto_version(two.end[SERVER]->ssl, TLS1_3_VERSION);
  check_errors("tls: protocol version not supported by the peer",
               "tls: protocol version not supported by the peer");
}

TEST(no_cipher_in_common) {
  join_version(TLS1_2_VERSION);
  SSL_set_cipher_list(two.end[CLIENT]->ssl, "ECDHE-ECDSA-AES128-GCM-SHA256");
  SSL_set_cipher_list(two.end[SERVER]->ssl, "ECDHE-ECDSA-AES256-GCM-SHA384");
  check_errors(PEERS, "tls: no cipher in common");
}

TEST(no_group_in_common) {
  join_good();
  SSL_set1_groups_list(two.end[CLIENT]->ssl, "X25519");
  SSL_set1_groups_list(two.end[SERVER]->ssl, "P-384");
  check_errors(PEERS, "tls: no group for the key exchange in common");
}

TEST(no_signature_in_common) {
  join_good();
  SSL_set1_sigalgs_list(two.end[CLIENT]->ssl, "RSA-PSS+SHA256");
  check_errors(PEERS, "tls: no kind of signature in common");
}

/* ---------------------------------------------------------- broken streams */

TEST(a_record_that_was_changed) {
  char record[64], p[8];
  join_good();
  CHECK(shaken());
  CHECK(put(CLIENT, "data", 4) == 4);
  ssize_t n = read(two.fd[SERVER], record, sizeof record);
  record[n - 1] ^= 1;
  CHECK(n > 0 && net_tls_give(two.end[SERVER], record, (size_t)n));
  CHECK(get(SERVER, p, 8) == NET_ERROR && get(CLIENT, p, 8) == NET_ERROR);
  CHECK_STR(error_of(SERVER), "tls: a record was changed on its way");
  CHECK_STR(error_of(CLIENT),
            "tls: peer got a record that was changed on its way");
  part();
}

TEST(what_is_no_record) {
  char p[8];
  for (int which = CLIENT; which <= SERVER; which++) {
    join_good();
    CHECK(shaken());
    CHECK(send(two.fd[1 - which], "GET / HTTP/1.1\r\n", 16, 0) == 16);
    CHECK(get(which, p, 8) == NET_ERROR);
    CHECK_STR(error_of(which), "tls: what came is no record of TLS");
    CHECK(read(two.fd[1 - which], p, 4) <= 0 || memcmp(p, "HTTP", 4) != 0);
    part();
  }
}

/* Answered once, in plain HTTP, and only if the handshake had not begun. */
TEST(plain_http_is_answered) {
  static const char request[] = "GET / HTTP/1.1\r\nHost: a\r\n\r\n";
  char p[512] = "";
  join_good();
  CHECK(send(two.fd[CLIENT], request, sizeof request - 1, 0) > 0);
  CHECK(get(SERVER, p, 8) == NET_ERROR && get(SERVER, p, 8) == NET_ERROR);
  CHECK_STR(error_of(SERVER), "tls: plain HTTP from a client");
  ssize_t n = read(two.fd[CLIENT], p, sizeof p - 1);
  CHECK(n > 0 && strncmp(p, "HTTP/1.1 400 Bad Request\r\n", 26) == 0);
  const char *body = strstr(p, "\r\n\r\n");
  CHECK(body && strstr(p, "Content-Length: 45\r\n") && strlen(body) == 4 + 45);
  CHECK(read(two.fd[CLIENT], p, sizeof p) < 0);
  part();
}
