/*
** bench/ideal_server.c - the ideal server: what a server costs in C written for
** this alone. It knows nothing of csrc/, checks no rule of the protocol, and is
** as fast as it can be without becoming unlike a server. What becomes of a
** message is up to the application that it is linked with, see bench/ideal.h.
**
**     build/bench/ideal SCENARIO [tls CERTIFICATE KEY]
**
** SCENARIO is one of bench/load.c; it prints its port. With tls it is a bare
** OpenSSL server: SSL_read and SSL_write where recv and send are otherwise. In
** the scenario storm it prints, when the first connection ends, how long the
** longest turn has been until then, in microseconds of CPU time.
**
** One read and one write for each readiness. Requests are unmasked in place and
** moved left, under the shorter header of their replies, which so grow where
** the requests were and leave in one write. What is broadcast in one turn is
** written once to each connection, from one buffer. A connection at rest owns
** no buffer.
*/
#include "ideal.h"

#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <openssl/evp.h>
#include <openssl/sha.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#include "ideal_tls.h"

enum {
  BATCH = 512,        /* events of one epoll_wait */
  BUFFER = 256 << 10, /* first size of a buffer */
  SLACK = 4096,       /* room behind a large message: a full read repeats */
  LARGEST = 64 << 20, /* message */
  CLOSE = 8,
  PING = 9,
  PONG = 10
};

/* A buffer holds [sent | replies | reply so far | piece of a header]. */
typedef struct conn {
  int fd;
  int app;               /* the application's */
  unsigned slot;         /* its place in conns */
  unsigned char key[4];  /* for the next byte */
  unsigned char open;    /* the handshake is done */
  unsigned char blocked; /* TLS: waits until it can write */
  unsigned char closing; /* it ends when the replies are sent */
  unsigned char *buf;    /* NULL when nothing is in it */
  size_t cap, sent, ready, at, len;
  size_t left; /* bytes still to come of the current frame */
  SSL *ssl;    /* NULL: TCP */
} conn;

typedef struct spare { /* a buffer that nobody uses, in its own first bytes */
  struct spare *next;
  size_t cap;
} spare;

typedef unsigned char wide /* as many bytes as one instruction may xor */
    __attribute__((vector_size(32), aligned(1), may_alias));

static int poller, listener;
static int broadcasting, storming;
static double longest; /* turn so far, in seconds; below 0: it is printed */
static SSL_CTX *tls;   /* NULL: TCP */
static conn **conns;
static unsigned nconns, conns_cap;
static spare *spares;
static unsigned char *news; /* frames that this turn broadcasts */
static size_t nnews, news_cap;

void need (int ok, const char *what) {
  if (ok) return;
  perror(what);
  exit(1);
}

static void print_longest (void) {
  if (longest < 0) return;
  printf("%.0f\n", longest * 1e6);
  fflush(stdout);
  longest = -1;
}

/* ----------------------------------------------------------------- buffers */

static void take_buffer (conn *c) {
  spare *s = spares;
  if (c->buf) return;
  if (s) {
    spares = s->next;
    c->cap = s->cap;
  } else {
    s = malloc(c->cap = BUFFER);
    need(s != NULL, "malloc");
  }
  c->buf = (unsigned char *)s;
}

static void drop_buffer (conn *c) {
  spare *s = (spare *)c->buf;
  if (!s) return;
  s->next = spares;
  s->cap = c->cap;
  spares = s;
  c->buf = NULL;
}

static void grow (unsigned char **p, size_t *cap, size_t n) {
  if (n <= *cap) return;
  *p = realloc(*p, *cap = n + SLACK);
  need(*p != NULL, "realloc");
}

/* ------------------------------------------------------------- connections */

static void drop (conn *c) {
  conn *last = conns[--nconns];
  if (storming) print_longest();
  if (c->open) app_closed(c->app);
  drop_buffer(c);
  if (c->ssl && c->closing) SSL_shutdown(c->ssl);
  SSL_free(c->ssl);
  close(c->fd);
  conns[last->slot = c->slot] = last;
  free(c);
}

/* What OpenSSL has read from the socket shows no edge: level for TLS. */
static void watch (conn *c, int op, int blocked) {
  struct epoll_event ev = {.data.ptr = c};
  ev.events = EPOLLIN | EPOLLRDHUP;
  if (!c->ssl) ev.events |= EPOLLOUT | EPOLLET;
  if (blocked) ev.events |= EPOLLOUT;
  c->blocked = (unsigned char)blocked;
  need(epoll_ctl(poller, op, c->fd, &ev) == 0, "epoll_ctl");
}

static void adopt (int fd) {
  conn *c = calloc(1, sizeof *c);
  if (nconns == conns_cap)
    conns = realloc(conns, (conns_cap = 2 * conns_cap + 64) * sizeof *conns);
  need(c && conns, "malloc");
  c->fd = fd;
  c->slot = nconns;
  conns[nconns++] = c;
  if (tls) need((c->ssl = tls_accept(tls, fd)) != NULL, "SSL_new");
  watch(c, EPOLL_CTL_ADD, 0);
}

static void accept_all (void) {
  int fd;
  while ((fd = accept4(listener, NULL, NULL, SOCK_NONBLOCK | SOCK_CLOEXEC)) >=
         0)
    adopt(fd);
  need(errno == EAGAIN, "accept4");
}

static ssize_t read_some (conn *c, void *to, size_t room) {
  if (!c->ssl) return recv(c->fd, to, room, 0);
  return tls_result(c->ssl, SSL_read(c->ssl, to, (int)room));
}

static ssize_t write_some (conn *c, const void *p, size_t n) {
  if (!c->ssl) return send(c->fd, p, n, MSG_NOSIGNAL);
  return tls_result(c->ssl, SSL_write(c->ssl, p, (int)n));
}

/* All replies are written: what is behind them moves to the front. */
static void settle (conn *c) {
  c->len -= c->ready;
  c->at -= c->ready;
  memmove(c->buf, c->buf + c->ready, c->len);
  c->sent = c->ready = 0;
  if (c->len == 0) drop_buffer(c);
}

/* 1: all replies are written; 0: the socket is full; -1: the end. */
static int flush (conn *c) {
  if (c->sent < c->ready) {
    ssize_t n = write_some(c, c->buf + c->sent, c->ready - c->sent);
    if (n < 0 && errno != EAGAIN) return -1;
    c->sent += n > 0 ? (size_t)n : 0;
    if (c->sent < c->ready) return 0;
  }
  if (c->closing) return -1;
  if (c->buf) settle(c);
  return 1;
}

/* --------------------------------------------------------------- handshake */

static const char *find_key (const char *head) {
  static const char name[] = "\r\nSec-WebSocket-Key:";
  const char *p = strcasestr(head, name);
  return p ? p + sizeof name - 1 + strspn(p + sizeof name - 1, " ") : NULL;
}

static int answer (conn *c, const char *key) {
  static const char guid[] = "258EAFA5-E914-47DA-95CA-C5AB0DC85B11";
  unsigned char hash[SHA_DIGEST_LENGTH], accept[32];
  char text[256];
  int n = snprintf(text, sizeof text, "%.24s%s", key, guid);
  SHA1((unsigned char *)text, (size_t)n, hash);
  EVP_EncodeBlock(accept, hash, sizeof hash);
  n = snprintf(text, sizeof text,
               "HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\n"
               "Connection: Upgrade\r\nSec-WebSocket-Accept: %s\r\n\r\n",
               accept);
  return write_some(c, text, (size_t)n) == n;
}

/* The path is what the request has between its first spaces. */
static int open_app (const char *head) {
  const char *path = head + strcspn(head, " ");
  path += strspn(path, " ");
  return app_opened(path, strcspn(path, " \r"));
}

/* 1: frames follow, or the request is not whole; -1: the end. */
static int handshake (conn *c) {
  char *head = (char *)c->buf, *end;
  const char *key;
  if (c->len == c->cap) return -1;
  head[c->len] = '\0';
  if (!(end = strstr(head, "\r\n\r\n"))) return 1;
  *end = '\0';
  if (!(key = find_key(head))) return -1;
  c->app = open_app(head);
  c->open = 1;
  if (!answer(c, key)) return -1;
  c->len -= (size_t)(end + 4 - head);
  memmove(head, end + 4, c->len);
  return 1;
}

/* ------------------------------------------------------------------ frames */

static void rotate (unsigned char key[4], size_t n) {
  unsigned char k[4];
  memcpy(k, key, 4);
  for (size_t i = 0; i < 4; i++) key[i] = k[(n + i) & 3];
}

/* Leftwards, or in place. */
static void unmask (unsigned char *d, const unsigned char *s, size_t n,
                    const unsigned char key[4]) {
  unsigned char pattern[sizeof(wide)];
  for (size_t i = 0; i < sizeof pattern; i++) pattern[i] = key[i & 3];
  const wide k = *(const wide *)pattern;
  for (; n >= sizeof k; n -= sizeof k, d += sizeof k, s += sizeof k)
    *(wide *)d = *(const wide *)s ^ k;
  for (size_t i = 0; i < n; i++) d[i] = s[i] ^ key[i & 3];
}

/* Turns the header at p into the reply's, at c->at. Returns its size, 0 while
   not all of the n bytes it takes are there. */
static size_t begin_frame (conn *c, const unsigned char *p, size_t n) {
  size_t length = n >= 2 ? p[1] & 127 : 0;
  size_t bytes = length == 127 ? 8 : length == 126 ? 2 : 0;
  size_t opcode;
  if (n < 6 + bytes) return 0;
  if (bytes)
    for (size_t i = length = 0; i < bytes; i++) length = length << 8 | p[2 + i];
  opcode = p[0] & 15;
  memcpy(c->key, p + 2 + bytes, 4);
  c->buf[c->at] = opcode == PING ? 0x80 | PONG : p[0];
  c->buf[c->at + 1] = p[1] & 127;
  memmove(c->buf + c->at + 2, p + 2, bytes);
  c->at += 2 + bytes;
  c->left = length;
  return 6 + bytes;
}

static void publish (const unsigned char *p, size_t n) {
  grow(&news, &news_cap, nnews + n);
  memcpy(news + nnews, p, n);
  nnews += n;
}

static void give_to_app (unsigned char *frame, size_t n) {
  size_t length = frame[1];
  size_t head = length == 127 ? 10 : length == 126 ? 4 : 2;
  app_message(frame + head, n - head);
}

/* From ready to at there is a frame, as it is to be sent. */
static void end_frame (conn *c) {
  int opcode = c->buf[c->ready] & 15;
  if (opcode == CLOSE) c->closing = 1;
  if (opcode < CLOSE) give_to_app(c->buf + c->ready, c->at - c->ready);
  if (broadcasting && opcode < CLOSE) {
    publish(c->buf + c->ready, c->at - c->ready);
    c->at = c->ready;
  }
  c->ready = c->at;
}

/* The bytes at r, up to len. Returns how many were used, 0: more are needed. */
static size_t digest_some (conn *c, size_t r) {
  size_t n = c->len - r, used = 0;
  if (c->at == c->ready) {
    if ((used = begin_frame(c, c->buf + r, n)) == 0) return 0;
    n -= used;
  }
  if (n > c->left) n = c->left;
  unmask(c->buf + c->at, c->buf + r + used, n, c->key);
  rotate(c->key, n);
  c->at += n;
  c->left -= n;
  if (c->left == 0) end_frame(c);
  return used + n;
}

static int digest (conn *c) {
  size_t r = c->at, n;
  while (r < c->len && !c->closing && (n = digest_some(c, r)) > 0) r += n;
  memmove(c->buf + c->at, c->buf + r, c->len - r);
  c->len -= r - c->at;
  if (c->left > LARGEST) return -1;
  grow(&c->buf, &c->cap, c->len + c->left + 1);
  return 1;
}

/* ------------------------------------------------------------------- turns */

/* One read: 1: there may be more; 0: not now; -1: the end. */
static int receive (conn *c) {
  size_t room;
  ssize_t n;
  take_buffer(c);
  room = c->cap - c->len;
  n = read_some(c, c->buf + c->len, room);
  if (n == 0 || (n < 0 && errno != EAGAIN)) return -1;
  if (n > 0) c->len += (size_t)n;
  if (c->len == 0) drop_buffer(c);
  if (n < 0) return 0;
  if (!c->open && handshake(c) < 0) return -1;
  if (c->open && digest(c) < 0) return -1;
  return c->ssl ? SSL_has_pending(c->ssl) : (size_t)n == room;
}

static void ready (conn *c, uint32_t events) {
  int last = events & (EPOLLRDHUP | EPOLLHUP | EPOLLERR);
  int r = flush(c);
  while (r > 0) {
    int more = receive(c);
    r = more < 0 ? -1 : flush(c);
    if (r > 0 && !more && !last) break;
  }
  if (r < 0)
    drop(c);
  else if (c->ssl && c->blocked != (r == 0))
    watch(c, EPOLL_CTL_MOD, r == 0);
}

/* A full socket: the rest waits behind its other replies. */
static void queue (conn *c, const unsigned char *p, size_t n) {
  take_buffer(c);
  grow(&c->buf, &c->cap, c->len + n);
  memmove(c->buf + c->ready + n, c->buf + c->ready, c->len - c->ready);
  memcpy(c->buf + c->ready, p, n);
  c->ready += n;
  c->at += n;
  c->len += n;
}

/* Errors are for the next read to find. */
static void deliver (conn *c) {
  ssize_t n = 0;
  if (!c->open || c->closing) return;
  if (c->sent == c->ready) n = write_some(c, news, nnews);
  if (n < 0) n = 0;
  if ((size_t)n < nnews) queue(c, news + n, nnews - (size_t)n);
}

static void handle (const struct epoll_event *list, int n) {
  for (int i = 0; i < n; i++)
    if (list[i].data.ptr)
      ready(list[i].data.ptr, list[i].events);
    else
      accept_all();
  if (nnews == 0) return;
  for (unsigned i = 0; i < nconns; i++) deliver(conns[i]);
  nnews = 0;
}

static double cpu_time (void) {
  struct timespec t;
  clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &t);
  return (double)t.tv_sec + (double)t.tv_nsec / 1e9;
}

static void handle_timed (const struct epoll_event *list, int n) {
  double began = cpu_time(), taken;
  handle(list, n);
  taken = cpu_time() - began;
  if (longest >= 0 && taken > longest) longest = taken;
}

static void turn (void) {
  struct epoll_event list[BATCH];
  int n = epoll_wait(poller, list, BATCH, -1);
  if (storming)
    handle_timed(list, n);
  else
    handle(list, n);
}

static void start (void) {
  struct sockaddr_in at = {.sin_family = AF_INET};
  struct epoll_event ev = {.events = EPOLLIN};
  socklen_t size = sizeof at;
  int one = 1;
  listener = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
  at.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  need(listener >= 0 && bind(listener, (struct sockaddr *)&at, size) == 0 &&
           listen(listener, 511) == 0 &&
           getsockname(listener, (struct sockaddr *)&at, &size) == 0,
       "listen");
  setsockopt(listener, IPPROTO_TCP, TCP_NODELAY, &one, sizeof one);
  poller = epoll_create1(EPOLL_CLOEXEC);
  need(poller >= 0, "epoll_create1");
  need(epoll_ctl(poller, EPOLL_CTL_ADD, listener, &ev) == 0, "epoll_ctl");
  printf("%d\n", ntohs(at.sin_port));
  fflush(stdout);
}

int main (int argc, char **argv) {
  signal(SIGPIPE, SIG_IGN); /* OpenSSL writes as if there were none */
  need(argc > 1, "SCENARIO");
  broadcasting = strcmp(argv[1], "broadcast") == 0;
  storming = strcmp(argv[1], "storm") == 0;
  app_start(argv[1]);
  if (argc > 4) need((tls = tls_context(argv[3], argv[4])) != NULL, argv[3]);
  start();
  for (;;) turn();
}
