/*
** bench/load_peer.c - connections of the load: the library's protocol core as
** client, epoll, TCP or TLS. They end the process when anything goes wrong.
*/
#include "load.h"

#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <sys/uio.h>
#include <unistd.h>

enum {
  BATCH = 512, /* events of one epoll_wait */
  SOURCES = 32 /* 127.0.0.1 and up: each has ports of its own */
};

static int poller, server_port;
static ws_config config;
static SSL_CTX *tls;

static void *heap (void *ud, void *ptr, size_t osize, size_t nsize) {
  (void)ud;
  (void)osize;
  if (nsize != 0) return realloc(ptr, nsize);
  free(ptr);
  return NULL;
}

/* xorshift64: no server is to pay for the load's random numbers. */
static int cheap_random (void *ud, void *out, size_t n) {
  static uint64_t x = 0x9E3779B97F4A7C15u;
  unsigned char *p = out;
  (void)ud;
  while (n-- > 0) {
    x ^= x << 13;
    x ^= x >> 7;
    x ^= x << 17;
    *p++ = (unsigned char)(x >> 32);
  }
  return 0;
}

/* ------------------------------------------------------------ how they are */

/* The certificate is one made for the day: nobody looks at it. */
static void prepare_tls (void) {
  tls = SSL_CTX_new(TLS_client_method());
  need(tls != NULL, "SSL_CTX_new");
  SSL_CTX_set_verify(tls, SSL_VERIFY_NONE, NULL);
  SSL_CTX_set_mode(tls, SSL_MODE_ENABLE_PARTIAL_WRITE |
                            SSL_MODE_ACCEPT_MOVING_WRITE_BUFFER |
                            SSL_MODE_RELEASE_BUFFERS);
}

static void prepare_deflate (int takeover) {
  ws_compression *z = &config.compression;
  z->on = 1;
  z->threshold = 100;
  z->server_no_context_takeover = z->client_no_context_takeover = !takeover;
}

void prepare_peers (int port, const char *mode) {
  server_port = port;
  ws_config_init(&config, WS_CLIENT);
  config.random = cheap_random;
  config.max_message = WS_NO_LIMIT;
  config.pool = malloc(ws_pool_size());
  need(config.pool != NULL, "no memory");
  ws_pool_init(config.pool, heap, NULL);
  if (mode && strcmp(mode, "tls") == 0) prepare_tls();
  if (mode && strcmp(mode, "deflate") == 0) prepare_deflate(0);
  if (mode && strcmp(mode, "takeover") == 0) prepare_deflate(1);
  poller = epoll_create1(EPOLL_CLOEXEC);
  need(poller >= 0, "epoll_create1");
}

peer *new_peers (int n, unsigned depth) {
  peer *peers = calloc((size_t)n, sizeof *peers);
  need(peers != NULL, "no memory");
  for (int i = 0; i < n; i++) {
    peers[i].core = malloc(ws_size());
    peers[i].since = malloc(depth * sizeof(double));
    need(peers[i].core && peers[i].since, "no memory");
  }
  return peers;
}

/* ------------------------------------------------------- bytes, either way */

/* Like recv and writev: -1 with EAGAIN when it cannot be done now. */
static ssize_t tls_result (peer *p, int r) {
  if (r > 0) return r;
  switch (SSL_get_error(p->ssl, r)) {
    case SSL_ERROR_WANT_READ:
    case SSL_ERROR_WANT_WRITE: errno = EAGAIN; return -1;
    case SSL_ERROR_ZERO_RETURN: return 0;
    default: fail("TLS"); return -1;
  }
}

static ssize_t read_some (peer *p, void *to, size_t room) {
  if (!p->ssl) return recv(p->fd, to, room, 0);
  return tls_result(p, SSL_read(p->ssl, to, (int)room));
}

static ssize_t write_some (peer *p, const ws_iov *v, int n) {
  struct iovec iov[WS_IOV];
  if (p->ssl) return tls_result(p, SSL_write(p->ssl, v->base, (int)v->len));
  for (int i = 0; i < n; i++) {
    iov[i].iov_base = (void *)v[i].base;
    iov[i].iov_len = v[i].len;
  }
  return writev(p->fd, iov, n);
}

/* ------------------------------------------------------------ connections */

static void want (peer *p, int op, int blocked) {
  struct epoll_event ev = {.events = EPOLLIN, .data.ptr = p};
  if (blocked) ev.events |= EPOLLOUT;
  p->blocked = blocked;
  need(epoll_ctl(poller, op, p->fd, &ev) == 0, "epoll_ctl");
}

static int dial (int i) {
  struct sockaddr_in from = {.sin_family = AF_INET}, to = from;
  int one = 1;
  int fd = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
  need(fd >= 0, "socket (ulimit -n)");
  setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof one);
  setsockopt(fd, IPPROTO_IP, IP_BIND_ADDRESS_NO_PORT, &one, sizeof one);
  from.sin_addr.s_addr = htonl(INADDR_LOOPBACK + (unsigned)(i % SOURCES));
  need(bind(fd, (struct sockaddr *)&from, sizeof from) == 0, "bind");
  to.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  to.sin_port = htons((unsigned short)server_port);
  need(connect(fd, (struct sockaddr *)&to, sizeof to) == 0 ||
           errno == EINPROGRESS,
       "connect");
  return fd;
}

void start_peer (peer *p, int i) {
  ws_str host = {"127.0.0.1", 9}, target = {"/", 1};
  p->fd = dial(i);
  p->sent = p->got = 0;
  p->since[0] = the_meter.moment;
  if (tls) {
    need((p->ssl = SSL_new(tls)) != NULL && SSL_set_fd(p->ssl, p->fd), "SSL");
    SSL_set_connect_state(p->ssl);
  }
  ws_init(p->core, &config, heap, NULL);
  need(ws_request(p->core, host, target, NULL, 0, NULL, 0) == 0, "request");
  want(p, EPOLL_CTL_ADD, 1);
}

void stop_peer (peer *p) {
  SSL_free(p->ssl);
  p->ssl = NULL;
  close(p->fd);
  ws_free(p->core);
}

void flush (peer *p) {
  ws_iov v[WS_IOV];
  int n;
  while ((n = ws_pending(p->core, v, WS_IOV)) > 0) {
    ssize_t sent = write_some(p, v, n);
    if (sent < 0 && errno == EAGAIN) break;
    need(sent >= 0, "write");
    ws_sent(p->core, (size_t)sent);
  }
  /* in a TLS handshake it is the peer who is waited for */
  n = n > 0 && (!p->ssl || SSL_is_init_finished(p->ssl));
  if (p->blocked != n) want(p, EPOLL_CTL_MOD, n);
}

static ssize_t receive (peer *p) {
  size_t room;
  void *to = ws_reserve(p->core, 1, &room);
  ssize_t n;
  need(to != NULL, "no memory");
  n = read_some(p, to, room);
  the_meter.moment = now();
  if (n > 0) the_meter.bytes += (double)n;
  ws_commit(p->core, n > 0 ? (size_t)n : 0);
  need(n >= 0 || errno == EAGAIN, "read");
  if (n == 0) ws_eof(p->core);
  return n;
}

static void events (peer *p) {
  ws_event ev;
  int r = 0;
  while (!the_meter.done && (r = ws_next(p->core, &ev)) > 0) {
    need(ev.type != WS_REFUSED, "refused");
    on_event(p, &ev);
    ws_taken(p->core);
  }
  need(r >= 0 || ws_closed(p->core).clean, "the connection ended");
}

/* TLS may hold more than one read takes. */
static void readable (peer *p) {
  ssize_t n;
  do {
    if ((n = receive(p)) >= 0) events(p);
  } while (n > 0 && p->ssl && !the_meter.done);
  if (n == 0) on_end(p);
}

void turn (void) {
  struct epoll_event list[BATCH];
  int n = epoll_wait(poller, list, BATCH, -1);
  for (int i = 0; i < n && !the_meter.done; i++) {
    peer *p = list[i].data.ptr;
    if (list[i].events & (EPOLLIN | EPOLLHUP | EPOLLERR)) readable(p);
    if (!the_meter.done) flush(p);
  }
}
