/*
** test_net_tls_ctx.c - settings of TLS: the effect of each, and the error of a
** wrong one; sessions; texts of failures.
*/
#include <sys/stat.h>

#include "tls.h"

static char *contents (const char *file) {
  static char all[1 << 16];
  FILE *f = fopen(file, "r");
  if (f == NULL) abort();
  all[fread(all, 1, sizeof all - 1, f)] = '\0';
  fclose(f);
  return all;
}

/* Returns the error for these settings, without the folder's name. */
static const char *trouble (net_tls_settings s) {
  static char why[NET_TLS_WHY];
  net_tls_ctx *ctx = net_tls_ctx_new(&s, why);
  char *at = strstr(why, folder);
  CHECK(ctx == NULL);
  net_tls_ctx_free(ctx);
  if (at) memmove(at, at + strlen(folder), strlen(at + strlen(folder)) + 1);
  return why;
}

TEST(settings_begin_safe) {
  net_tls_settings s;
  memset(&s, 0xFF, sizeof s);
  net_tls_settings_init(&s, 0);
  CHECK(!s.server && s.verify == 1 && s.min_version == 12);
  CHECK(s.cert == NULL && s.ca_file == NULL && s.keylog == NULL);
  net_tls_settings_init(&s, 1);
  CHECK(s.server == 1 && s.nalpn == 0);
}

TEST(wrong_settings_have_errors) {
  net_tls_settings s = settings(1);
  s.cert = path("none");
  CHECK_STR(trouble(s), "tls: cert: /none: No such file or directory");
  s = settings(1);
  s.key = path("b.key");
  CHECK_STR(trouble(s), "tls: key: /b.key: does not match the certificate");
  s.key = path("a.crt");
  CHECK_STR(trouble(s), "tls: key: /a.crt: no private key in PEM");
  s = settings(1);
  s.cert = path("a.key");
  CHECK_STR(trouble(s), "tls: cert: /a.key: no certificate in PEM");
  s = settings(1);
  s.client_ca = "-----BEGIN NOTHING";
  CHECK_STR(trouble(s), "tls: client_ca: no certificate in PEM");
  s = settings(0);
  s.ca_file = path("a.key");
  CHECK_STR(trouble(s), "tls: ca_file: /a.key: no certificate in PEM");
  s = settings(0);
  s.ciphers = "NONE-SUCH";
  CHECK_STR(trouble(s), "tls: ciphers: no cipher match");
  s = settings(0);
  s.ciphersuites = "NONE-SUCH";
  CHECK_STR(trouble(s), "tls: ciphersuites: no cipher match");
  s = settings(0);
  s.keylog = "/none/such";
  CHECK_STR(trouble(s), "tls: keylog: /none/such: No such file or directory");
}

TEST(keys_have_passwords) {
  net_tls_settings s = settings(1);
  make("c", "DNS:localhost", "-nodes -passout pass:sesame");
  char line[256];
  snprintf(line, sizeof line,
           "cd %s && openssl pkcs8 -topk8 -in c.key -out d.key -passout "
           "pass:sesame 2>log",
           folder);
  CHECK(system(line) == 0);
  s.cert = path("c.crt");
  s.key = path("d.key");
  CHECK_STR(trouble(s), "tls: key: /d.key: needs a password");
  s.password = "barley";
  CHECK_STR(trouble(s), "tls: key: /d.key: wrong password");
  s.password = "sesame";
  net_tls_ctx_free(context(s));
}

TEST(text_stands_for_files) {
  char cert[8192], key[8192];
  net_tls_settings s = settings(1), c = settings(0);
  strcpy(cert, contents(path("a.crt")));
  strcpy(key, contents(path("a.key")));
  s.cert = c.ca_file = cert;
  s.key = key;
  join(context(c), context(s), "localhost");
  CHECK(shaken());
  part();
}

TEST(versions_and_ciphers_have_to_meet) {
  net_tls_settings s = settings(1), c = settings(0);
  s.ciphersuites = "TLS_AES_128_GCM_SHA256";
  c.ciphersuites = "TLS_CHACHA20_POLY1305_SHA256";
  s.min_version = c.min_version = 13;
  join(context(c), context(s), "localhost");
  CHECK(!shaken());
  CHECK_STR(
      error_of(CLIENT),
      "tls: peer found no settings in common (ciphers, groups, signatures)");
  CHECK_STR(error_of(SERVER), "tls: no cipher in common");
  part();
}

TEST(clients_may_need_certificates) {
  net_tls_settings s = settings(1), c = settings(0);
  s.client_ca = path("b.crt");
  join(context(c), context(s), "localhost");
  long r[2];
  shake(r);
  CHECK(r[SERVER] == NET_ERROR && r[CLIENT] == NET_ERROR);
  CHECK_STR(error_of(SERVER), "tls: peer has no certificate");
  CHECK_STR(error_of(CLIENT), "tls: peer asks for a client certificate");
  part();
  c.cert = path("b.crt");
  c.key = path("b.key");
  join(context(c), context(s), "localhost");
  CHECK(shaken());
  part();
  s.client_ca = path("a.crt");
  join(context(c), context(s), "localhost");
  CHECK(!shaken());
  CHECK_STR(error_of(SERVER), "tls: certificate is self-signed");
  CHECK_STR(error_of(CLIENT),
            "tls: peer does not know the authority of our certificate");
  part();
}

static int meets (const char *client, const char *server) {
  net_tls_settings s = settings(1), c = settings(0);
  c.alpn = client;
  c.nalpn = client ? strlen(client) : 0;
  s.alpn = server;
  s.nalpn = server ? strlen(server) : 0;
  join(context(c), context(s), "localhost");
  return shaken();
}

TEST(application_protocols_have_to_meet) {
  CHECK(meets("\2h2\4http", "\4http"));
  part();
  CHECK(meets("\2h2", NULL));
  part();
  CHECK(meets(NULL, "\2h2"));
  part();
  CHECK(!meets("\2h2", "\2h3\1h"));
  CHECK_STR(error_of(CLIENT), "tls: no application protocol in common");
  CHECK_STR(error_of(SERVER), "tls: no application protocol in common");
  part();
}

TEST(keys_are_logged) {
  struct stat st;
  net_tls_settings s = settings(1);
  s.keylog = path("keys");
  join(context(settings(0)), context(s), "localhost");
  CHECK(shaken());
  CHECK(strstr(contents(path("keys")), "CLIENT_TRAFFIC_SECRET_0 ") != NULL);
  CHECK(stat(path("keys"), &st) == 0 && (st.st_mode & 0777) == 0600);
  part();
}

/* ----------------------------------------------------------------- sessions */

/* Opens one connection with these contexts, which stay; returns whether a
   session was resumed. */
static int resumes (net_tls_ctx *client, net_tls_ctx *server, const char *name,
                    const char *place, int goodbye) {
  char c;
  int resumed;
  join_good();
  for (int i = 0; i < 2; i++) net_tls_free(two.end[i]);
  two.end[CLIENT] = net_tls_new(client, two.fd[CLIENT], name, place);
  two.end[SERVER] = net_tls_new(server, two.fd[SERVER], NULL, NULL);
  CHECK(shaken());
  CHECK(put(SERVER, "x", 1) == 1 && get(CLIENT, &c, 1) == 1);
  resumed = net_tls_resumed(two.end[CLIENT]);
  CHECK(resumed == net_tls_resumed(two.end[SERVER]));
  for (int i = 0; i < 2 && !goodbye; i++) {
    net_tls_free(two.end[i]);
    two.end[i] = NULL;
    close(two.fd[i]);
  }
  part();
  return resumed;
}

TEST(sessions_are_resumed) {
  net_tls_ctx *client = context(settings(0)), *server = context(settings(1));
  CHECK(!resumes(client, server, "localhost", "a:1", 1));
  CHECK(resumes(client, server, "localhost", "a:1", 1));
  CHECK(resumes(client, server, "localhost", "a:1", 0));
  CHECK(resumes(client, server, "localhost", "a:1", 1));
  CHECK(!resumes(client, server, "localhost", "a:2", 1)); /* elsewhere */
  CHECK(!resumes(client, server, "127.0.0.1", "a:1", 1)); /* another name */
  net_tls_ctx *other = context(settings(0)), *renewed = context(settings(1));
  CHECK(!resumes(other, server, "localhost", "a:1", 1));
  CHECK(!resumes(client, renewed, "localhost", "a:1", 1));
  CHECK(resumes(client, renewed, "localhost", "a:1", 1));
  net_tls_ctx_free(other);
  net_tls_ctx_free(renewed);
  net_tls_ctx_free(client);
  net_tls_ctx_free(server);
}

/* A client needs the name of the server. */
TEST(a_client_needs_the_servers_name) {
  net_tls_ctx *client = context(settings(0));
  CHECK(!net_tls_is_name(NULL) && !net_tls_is_name(""));
  CHECK(net_tls_new(client, NET_NONE, NULL, "a:1") == NULL);
  CHECK(net_tls_new(client, NET_NONE, "", "a:1") == NULL);
  net_tls_ctx_free(client);
}

/* RFC 8446 appendix C.4: a ticket used twice shows that both connections are
   one client's. */
TEST(sessions_are_used_once) {
  net_tls_ctx *client = context(settings(0)), *server = context(settings(1));
  CHECK(!resumes(client, server, "localhost", "a:1", 1));
  net_tls *other = net_tls_new(client, NET_NONE, "localhost", "a:1");
  CHECK(other != NULL);
  CHECK(!resumes(client, server, "localhost", "a:1", 1));
  CHECK(resumes(client, server, "localhost", "a:1", 1));
  net_tls_free(other);
  net_tls_ctx_free(client);
  net_tls_ctx_free(server);
}

TEST(sessions_are_bounded) {
  net_tls_ctx *client = context(settings(0)), *server = context(settings(1));
  char place[16];
  for (int i = 0; i <= 64; i++) {
    snprintf(place, sizeof place, "a:%d", i);
    CHECK(!resumes(client, server, "localhost", place, 1));
  }
  CHECK(resumes(client, server, "localhost", "a:64", 1));
  CHECK(resumes(client, server, "localhost", "a:1", 1));
  CHECK(
      !resumes(client, server, "localhost", "a:0", 1)); /* the oldest is gone */
  net_tls_ctx_free(client);
  net_tls_ctx_free(server);
}

/* -------------------------------------------------------- who is no peer */

/* Returns the error of a client whose server answers with these bytes. */
static const char *answered (const char *bytes, size_t n) {
  static char said[NET_TLS_WHY];
  char c;
  join_good();
  put(CLIENT, "", 0);
  CHECK(write(two.fd[SERVER], bytes, n) == (ssize_t)n);
  CHECK(get(CLIENT, &c, 1) == NET_ERROR);
  strcpy(said, error_of(CLIENT));
  part();
  return said;
}

#define ANSWERED(bytes) answered(bytes, sizeof bytes - 1)

TEST(peers_that_speak_something_else) {
  char c;
  static const char request[] = "GET / HTTP/1.1\r\nHost: a\r\n\r\n";
  CHECK_STR(ANSWERED("HTTP/1.1 400 Bad Request\r\n\r\n"),
            "tls: not a TLS server");
  CHECK_STR(ANSWERED("SSH-2.0-OpenSSH\r\n"), "tls: not a TLS server");
  CHECK_STR(ANSWERED("\x15\3\3\0\2\2\x46"),
            "tls: protocol version not supported by the peer");
  CHECK_STR(ANSWERED("\x15\3\3\0\2\2\x70"),
            "tls: peer does not know this host");
  join_good();
  CHECK(write(two.fd[CLIENT], request, sizeof request - 1) > 0);
  CHECK(get(SERVER, &c, 1) == NET_ERROR);
  CHECK_STR(error_of(SERVER), "tls: plain HTTP from a client");
  part();
}
