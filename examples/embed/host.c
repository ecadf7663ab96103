/*
** host.c - an echo server in C without Lua: its own loop around poll(), the
** protocol by websock/ws.h. With -DWITH_TLS the same over TLS, for which it
** takes websock/net.h.
**
**     cc host.c $(pkg-config --cflags --libs websock) -o host
**     ./host [PORT]
**     cc -DWITH_TLS host.c $(pkg-config --cflags --libs websock) -o host_tls
**     ./host_tls PORT CERT KEY                                (PEM files)
**
** A peer that does not read, floods, falls silent or vanishes costs the others
** nothing: ws_wants_read, ws_wants_next, ws_deadline and ws_transport say what
** to do. SIGTERM and SIGINT close everybody with 1001, and end it.
*/
#define _POSIX_C_SOURCE 200809L

#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/uio.h>
#include <time.h>
#include <unistd.h>

#include <websock/ws.h>

#ifdef WITH_TLS
#include <websock/net.h>
#endif

enum { MOST = 1000 }; /* peers at a time */

typedef struct peer {
  int fd;
  ws_conn *ws;
#ifdef WITH_TLS
  net_tls *tls;
#endif
} peer;

static peer peers[MOST];
static int npeers;
static ws_config config;
static int wakeup[2]; /* a pipe: a signal has come */

static void die (const char *what, const char *why) {
  fprintf(stderr, "host: %s: %s\n", what, why);
  exit(1);
}

static void check (int ok, const char *what) {
  if (!ok) die(what, strerror(errno));
}

static double seconds (void) {
  struct timespec t;
  clock_gettime(CLOCK_MONOTONIC, &t);
  return (double)t.tv_sec + (double)t.tv_nsec / 1e9;
}

static void make_nonblocking (int fd) {
  check(fcntl(fd, F_SETFL, O_NONBLOCK) == 0, "fcntl");
  check(fcntl(fd, F_SETFD, FD_CLOEXEC) == 0, "fcntl");
}

/* --------------------------------------------------------------- transport
** stream_recv and stream_send return bytes, or one of these. */
enum { ENDED = 0, LATER = -1, LOST = -2 };

#ifdef WITH_TLS

static net_tls_ctx *tls;

static void streams_begin (char **argv) {
  net_tls_settings s;
  char why[NET_TLS_WHY];
  net_tls_settings_init(&s, 1);
  if (argv[1] == NULL || argv[2] == NULL || argv[3] == NULL)
    die("usage", "host_tls PORT CERT KEY");
  s.cert = argv[2];
  s.key = argv[3];
  tls = net_tls_ctx_new(&s, why);
  if (tls == NULL) die("cannot begin", why);
}

static int stream_open (peer *p) {
  p->tls = net_tls_new(tls, p->fd, NULL, NULL);
  return p->tls != NULL;
}

static long result (long n) {
  return n > 0 ? n : n == NET_EOF ? ENDED : n == NET_AGAIN ? LATER : LOST;
}

static long stream_recv (peer *p, void *to, size_t room) {
  return result(net_tls_recv(p->tls, to, room));
}

static long stream_send (peer *p, const ws_iov *v, int n) {
  net_iov out[WS_IOV];
  for (int i = 0; i < n; i++) {
    out[i].base = v[i].base;
    out[i].len = v[i].len;
  }
  return result(net_tls_sendv(p->tls, out, n));
}

/* What poll has to wait for. TLS may have bytes of its own to write, and may be
   waiting for its handshake. */
static short stream_wants (const peer *p) {
  int out = net_tls_unsent(p->tls) > 0 ||
            (ws_wants_write(p->ws) && net_tls_writable(p->tls));
  return (short)((ws_wants_read(p->ws) ? POLLIN : 0) | (out ? POLLOUT : 0));
}

/* Are there bytes of which poll does not know? */
static int stream_has_more (const peer *p) { return net_tls_more(p->tls); }

static void stream_flush (peer *p) { net_tls_flush(p->tls); }

static void stream_shutdown (peer *p) {
  net_tls_shutdown(p->tls);
  shutdown(p->fd, SHUT_WR);
}

static void stream_close (peer *p) {
  net_tls_end(p->tls);
  net_tls_free(p->tls);
  close(p->fd);
}

static void streams_end (void) { net_tls_ctx_free(tls); }

#else

static void streams_begin (char **argv) { (void)argv; }

static int stream_open (peer *p) { return p->fd >= 0; }

static long failed (void) {
  return errno == EAGAIN || errno == EINTR ? LATER : LOST;
}

static long stream_recv (peer *p, void *to, size_t room) {
  ssize_t n = recv(p->fd, to, room, 0);
  return n >= 0 ? (long)n : failed();
}

static long stream_send (peer *p, const ws_iov *v, int n) {
  struct iovec out[WS_IOV];
  for (int i = 0; i < n; i++) {
    out[i].iov_base = (void *)v[i].base;
    out[i].iov_len = v[i].len;
  }
  ssize_t sent = writev(p->fd, out, n); /* SIGPIPE is ignored, see main */
  return sent >= 0 ? (long)sent : failed();
}

static short stream_wants (const peer *p) {
  return (short)((ws_wants_read(p->ws) ? POLLIN : 0) |
                 (ws_wants_write(p->ws) ? POLLOUT : 0));
}

static int stream_has_more (const peer *p) { return (void)p, 0; }

static void stream_flush (peer *p) { (void)p; }

static void stream_shutdown (peer *p) { shutdown(p->fd, SHUT_WR); }

static void stream_close (peer *p) { close(p->fd); }

static void streams_end (void) {}

#endif

/* ---------------------------------------------------------------- the host */

/* The value of a request's field, {NULL, 0} if it has none. */
static ws_str field (const ws_conn *c, const char *name) {
  ws_str none = {NULL, 0};
  size_t n = strlen(name);
  for (size_t i = 0; i < ws_http(c)->nfields; i++) {
    ws_field f = ws_http_field(c, i);
    size_t same = 0;
    while (same < n && f.name.n == n && (f.name.p[same] | 32) == name[same])
      same++;
    if (same == n) return f.value;
  }
  return none;
}

/* A browser says which page's script asks. Without this check every page that
   somebody visits could talk to this server (RFC 6455 section 10.2). */
static int is_of_another_page (const ws_conn *c) {
  ws_str origin = field(c, "origin"), host = field(c, "host");
  if (origin.p == NULL) return 0; /* not a browser */
  size_t scheme = origin.n < host.n ? origin.n : origin.n - host.n;
  return scheme == origin.n || scheme < 3 ||
         memcmp(origin.p + scheme - 3, "://", 3) != 0 ||
         memcmp(origin.p + scheme, host.p, host.n) != 0;
}

static int answer_request (ws_conn *c) {
  static const ws_field upgrade = {{"Upgrade", 7}, {"websocket", 9}};
  ws_str none = {NULL, 0}, body = {"WebSocket only\n", 15};
  if (!ws_http(c)->upgrade) return ws_reject(c, 426, &upgrade, 1, body);
  if (is_of_another_page(c)) return ws_reject(c, 403, NULL, 0, none);
  return ws_accept(c, none, NULL, 0);
}

/* What this server does: an echo. */
static int handle (ws_conn *c, const ws_event *ev) {
  if (ev->type == WS_REQUEST) return answer_request(c);
  return ws_send(c, ev->opcode, ev->data, ev->size, 0);
}

/* One read a turn: however much a peer sends, the others have their turn. */
static void receive (peer *p) {
  size_t room;
  void *to = ws_reserve(p->ws, 1, &room);
  long n = to ? stream_recv(p, to, room) : LOST;
  if (n > 0)
    ws_commit(p->ws, (size_t)n);
  else if (n == ENDED)
    ws_eof(p->ws);
  else if (n == LOST)
    ws_abort(p->ws, "reset");
}

static void take_events (peer *p) {
  ws_event ev;
  int r = 0;
  while (ws_wants_next(p->ws) && (r = ws_next(p->ws, &ev)) > 0) {
    r = handle(p->ws, &ev);
    if (r == WS_ENOMEM) break;
    ws_taken(p->ws);
  }
  if (r == WS_ENOMEM || r == WS_ERANDOM) ws_abort(p->ws, "aborted");
}

static void transmit (peer *p) {
  ws_iov v[WS_IOV];
  int n;
  long sent;
  stream_flush(p);
  while ((n = ws_pending(p->ws, v, WS_IOV)) > 0) {
    sent = stream_send(p, v, n);
    if (sent == LATER) return;
    if (sent < 0) ws_abort(p->ws, "reset");
    if (sent > 0) ws_sent(p->ws, (size_t)sent);
  }
}

static void serve (peer *p, int ready) {
  int wants = ws_wants_read(p->ws);
  if (wants && (ready & ~POLLOUT || stream_has_more(p))) receive(p);
  if (!wants && ready & (POLLERR | POLLHUP)) ws_abort(p->ws, "reset");
  take_events(p);
  transmit(p);
  if (ws_transport(p->ws) == WS_SHUTDOWN) stream_shutdown(p);
}

/* ------------------------------------------------------------ who is there */

static void drop (int i) {
  stream_close(&peers[i]);
  ws_free(peers[i].ws);
  free(peers[i].ws);
  peers[i] = peers[--npeers];
}

static void add (int fd) {
  peer *p = &peers[npeers];
  make_nonblocking(fd);
  p->fd = fd;
  p->ws = malloc(ws_size());
  if (p->ws && stream_open(p)) {
    ws_init(p->ws, &config, NULL, NULL);
    npeers++;
    return;
  }
  free(p->ws);
  close(fd);
}

/* Returns when to look at the listener again: now, or a little later if there
   are no descriptors. */
static double accept_peers (int listener, double now) {
  while (npeers < MOST) {
    int fd = accept(listener, NULL, NULL);
    if (fd >= 0)
      add(fd);
    else if (errno == EMFILE || errno == ENFILE || errno == ENOMEM)
      return now + 0.1;
    else if (errno != EINTR && errno != ECONNABORTED)
      break;
  }
  return now;
}

static int listen_on (int port) {
  struct sockaddr_in a;
  socklen_t size = sizeof a;
  int on = 1, fd = socket(AF_INET, SOCK_STREAM, 0);
  check(fd >= 0, "socket");
  make_nonblocking(fd);
  setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof on);
  memset(&a, 0, sizeof a);
  a.sin_family = AF_INET;
  a.sin_port = htons((unsigned short)port);
  a.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  check(bind(fd, (struct sockaddr *)&a, sizeof a) == 0, "bind");
  check(listen(fd, 511) == 0, "listen");
  check(getsockname(fd, (struct sockaddr *)&a, &size) == 0, "getsockname");
  printf("listening on 127.0.0.1:%d\n", ntohs(a.sin_port));
  fflush(stdout);
  return fd;
}

/* ---------------------------------------------------------------- the loop */

static struct pollfd polls[MOST + 2]; /* the peers, the listener, the pipe */

/* What to wait for, and, returned, until when. A deadline may queue a ping: it
   is asked for first. */
static double prepare (double now) {
  double first = WS_NEVER;
  for (int i = 0; i < npeers; i++) {
    double at = ws_deadline(peers[i].ws, now);
    if (stream_has_more(&peers[i]) && ws_wants_read(peers[i].ws)) at = now;
    if (at < first) first = at;
    polls[i].fd = peers[i].fd;
    polls[i].events = stream_wants(&peers[i]);
    polls[i].revents = 0;
  }
  return first;
}

static void watch (struct pollfd *p, int fd) {
  p->fd = fd; /* poll ignores a negative one */
  p->events = POLLIN;
  p->revents = 0;
}

/* From the last, whose place another takes when one is dropped. */
static void serve_all (void) {
  for (int i = npeers - 1; i >= 0; i--) {
    serve(&peers[i], polls[i].revents);
    if (ws_transport(peers[i].ws) == WS_DROP) drop(i);
  }
}

static void close_all (void) {
  for (int i = 0; i < npeers; i++) ws_close(peers[i].ws, 1001, NULL, 0);
}

static void on_signal (int signo) {
  int err = errno;
  (void)signo;
  if (write(wakeup[1], "", 1) < 0) { /* the pipe is full: it is awake */
  }
  errno = err;
}

static void run (int listener) {
  double accept_at = 0;
  while (listener >= 0 || npeers > 0) {
    double now = seconds(), until = prepare(now);
    int resting = now < accept_at;
    if (resting && accept_at < until) until = accept_at;
    watch(&polls[npeers], resting || npeers == MOST ? -1 : listener);
    watch(&polls[npeers + 1], listener >= 0 ? wakeup[0] : -1);
    int n = npeers, r = poll(polls, (nfds_t)n + 2, ws_milliseconds(until, now));
    if (r < 0 && errno != EINTR) die("poll", strerror(errno));
    if (r < 0) continue;
    serve_all();
    if (polls[n].revents) accept_at = accept_peers(listener, now);
    if (polls[n + 1].revents) {
      close(listener);
      listener = -1;
      close_all(); /* each has close_timeout to answer */
    }
  }
}

int main (int argc, char **argv) {
  struct sigaction stop;
  ws_config_init(&config, WS_SERVER);
  config.ping_interval = 20;
  config.pool = malloc(ws_pool_size());
  check(config.pool != NULL, "malloc");
  ws_pool_init(config.pool, NULL, NULL);
  streams_begin(argv);
  check(pipe(wakeup) == 0, "pipe");
  make_nonblocking(wakeup[1]);
  memset(&stop, 0, sizeof stop);
  stop.sa_handler = on_signal;
  sigaction(SIGTERM, &stop, NULL);
  sigaction(SIGINT, &stop, NULL);
  signal(SIGPIPE, SIG_IGN);
  run(listen_on(argc > 1 ? atoi(argv[1]) : 8080));
  streams_end();
  ws_pool_free(config.pool);
  free(config.pool);
  return 0;
}
