/*
** tls.h - for tests of TLS: certificates that the openssl command makes when
** one of them starts, and two ends in one process, over a socketpair.
*/
#ifndef tls_h
#define tls_h

#include <sys/socket.h>

#include "net_tls.h"
#include "test.h"

/* ------------------------------------------------------------ certificates */

static char folder[] = "/tmp/websock-tls.XXXXXX";

static void remove_folder (void) {
  char line[64];
  snprintf(line, sizeof line, "rm -rf %s", folder);
  if (system(line) != 0) abort();
}

/* A key and a certificate, signed with that key; NAME.key, NAME.crt. */
static inline void make (const char *name, const char *names,
                         const char *more) {
  char line[512];
  snprintf(line, sizeof line,
           "cd %s && openssl req -x509 -newkey ec -pkeyopt "
           "ec_paramgen_curve:prime256v1 -nodes -days 2 -subj /CN=x -addext "
           "subjectAltName=%s -keyout %s.key -out %s.crt %s 2>log </dev/null",
           folder, names, name, name, more);
  if (system(line) != 0) abort();
}

static inline const char *path (const char *name) {
  static char paths[8][64];
  static int i;
  i = (i + 1) % 8;
  snprintf(paths[i], sizeof paths[i], "%s/%s", folder, name);
  return paths[i];
}

__attribute__((constructor)) static void make_all (void) {
  if (mkdtemp(folder) == NULL) abort();
  atexit(remove_folder);
  make("a", "DNS:localhost,IP:127.0.0.1", "");
  make("b", "DNS:b.example", "");
}

/* Settings for both ends: a server "a", a client that trusts it. */
static inline net_tls_settings settings (int server) {
  net_tls_settings s;
  net_tls_settings_init(&s, server);
  if (server) {
    s.cert = path("a.crt");
    s.key = path("a.key");
  } else {
    s.ca_file = path("a.crt");
  }
  return s;
}

static inline net_tls_ctx *context (net_tls_settings s) {
  char why[NET_TLS_WHY];
  net_tls_ctx *ctx = net_tls_ctx_new(&s, why);
  if (ctx == NULL) printf("%s\n", why);
  if (ctx == NULL) abort();
  return ctx;
}

/* -------------------------------------------------------------- two ends */

enum { CLIENT, SERVER };

static struct {
  int fd[2];
  net_tls *end[2];
} two;

/* Takes over one reference of each context. */
static inline void join (net_tls_ctx *client, net_tls_ctx *server,
                         const char *name) {
  if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK, 0, two.fd) < 0) abort();
  two.end[CLIENT] = net_tls_new(client, two.fd[CLIENT], name, "here:1");
  two.end[SERVER] = net_tls_new(server, two.fd[SERVER], NULL, NULL);
  net_tls_ctx_free(client);
  net_tls_ctx_free(server);
  if (!two.end[CLIENT] || !two.end[SERVER]) abort();
}

static inline void join_good (void) {
  join(context(settings(0)), context(settings(1)), "localhost");
}

static inline void close_end (int which) {
  net_tls_end(two.end[which]);
  if (two.fd[which] >= 0) close(two.fd[which]);
  two.fd[which] = -1;
}

static inline void part (void) {
  for (int i = CLIENT; i <= SERVER; i++) {
    if (two.end[i]) close_end(i);
    net_tls_free(two.end[i]);
  }
}

static inline long get (int which, void *p, size_t n) {
  return net_tls_recv(two.end[which], p, n);
}

static inline long put (int which, const void *p, size_t n) {
  net_iov v = {p, n};
  return net_tls_sendv(two.end[which], &v, 1);
}

/* Lets each end read until nothing comes any more; returns the results of the
   last reads. */
static inline void shake (long r[2]) {
  char c;
  put(CLIENT, "", 0);
  for (int i = 0; i < 4; i++)
    for (int k = SERVER; k >= CLIENT; k--) r[k] = get(k, &c, 1);
}

static inline int shaken (void) {
  long r[2];
  shake(r);
  return r[CLIENT] == NET_AGAIN && r[SERVER] == NET_AGAIN;
}

static inline const char *error_of (int which) {
  const char *said = net_tls_error(two.end[which]);
  return said ? said : "no error";
}

static inline unsigned char *pattern (size_t n) {
  unsigned char *p = malloc(n);
  if (p == NULL) abort();
  for (size_t i = 0; i < n; i++) p[i] = (unsigned char)(i * 2654435761u >> 13);
  return p;
}

/* Sends n bytes in pieces of at most `piece`, `step` bytes read at a time, and
   compares. */
static inline void carry (int from, size_t n, size_t piece, size_t step) {
  unsigned char *p = pattern(n), *q = malloc(n + 1);
  size_t sent = 0, got = 0;
  if (q == NULL) abort();
  for (int dry = 0; got < n && dry < 1000; dry++) {
    net_iov v[NET_PIECES];
    int k = 0;
    size_t at = sent, room = n + 1 - got < step ? n + 1 - got : step;
    for (; k < NET_PIECES && at < n; k++, at += v[k - 1].len) {
      v[k].base = p + at;
      v[k].len = n - at < piece ? n - at : piece;
    }
    long r = k > 0 ? net_tls_sendv(two.end[from], v, k) : 0;
    if (r > 0) sent += (size_t)r;
    if (!CHECK(r >= 0 || r == NET_AGAIN)) break;
    r = get(1 - from, q + got, room);
    if (!CHECK(r > 0 || r == NET_AGAIN)) break;
    if (r > 0) got += (size_t)r, dry = 0;
  }
  CHECK(sent == n && got == n && memcmp(p, q, n) == 0);
  free(p);
  free(q);
}

#endif
