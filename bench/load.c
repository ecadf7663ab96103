/*
** bench/load.c - the load that servers are measured under: many connections of
** one client on one core, on the library's own protocol core, by epoll. Every
** reply is checked. It reads the server's CPU time and memory from /proc.
**
**     build/bench/load SCENARIO PORT PID CONNECTIONS SIZE DEPTH SECONDS
**
** echo       each connection keeps DEPTH messages of SIZE bytes under way
** broadcast  the first one keeps DEPTH publishes under way to all of them
** connect    connect, upgrade, close; CONNECTIONS at a time
** idle       opens CONNECTIONS and looks at the server's memory
**
** Prints "units seconds cpu memory p50 p99": echoes, deliveries, connections;
** wall time; server CPU in microseconds a unit; resident growth in KiB a
** connection; how long a unit took, in microseconds. A fifth of SECONDS, before
** they begin, warms up and is not measured.
*/
#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <sys/uio.h>
#include <time.h>
#include <unistd.h>

#include "ws.h"

enum {
  BATCH = 512,   /* events of one epoll_wait */
  AT_ONCE = 128, /* handshakes under way: below every server's backlog */
  SOURCES = 32,  /* 127.0.0.1 and up: each has ports of its own */
  STAMP = 8,     /* a message begins with its number, in hex */
  PATIENCE = 300 /* seconds until all is given up */
};

typedef struct peer {
  int fd;
  int blocked;        /* waits until it can write */
  unsigned sent, got; /* messages */
  double *since;      /* when message i was sent, at i modulo depth */
  ws_conn *core;
} peer;

typedef struct scenario {
  const char *name;
  int first; /* connections at the start; `opened` starts the others */
  void (*opened)(peer *p);
  void (*message)(peer *p, const ws_event *ev);
  void (*ended)(peer *p);
} scenario;

static const scenario *the;
static int port, pid, nconns;
static size_t size;
static unsigned depth;
static double duration; /* SECONDS */

static int poller;
static peer *peers;
static int nstarted, nopen; /* connections, ever */
static char *text;          /* what messages look like after their number */
static ws_config config;

/* what is measured */
static long counted; /* units so far */
static long begun;   /* units before the measure */
static int ready;    /* all are open and at work */
static int done;
static double moment; /* of the last read */
static double started, began, cpu, rss, seconds;

static void fail (const char *what) {
  fprintf(stderr, "bench/load: %s: %s (%s)\n", the ? the->name : "", what,
          strerror(errno));
  exit(1);
}

static void need (int ok, const char *what) {
  if (!ok) fail(what);
}

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

/* ------------------------------------------------------ what /proc tells */

static double now (void) {
  struct timespec t;
  clock_gettime(CLOCK_MONOTONIC, &t);
  return (double)t.tv_sec + (double)t.tv_nsec / 1e9;
}

/* CPU time of the server so far, user and system, all threads. */
static double server_cpu (void) {
  struct timespec t;
  clockid_t clock;
  need(clock_getcpuclockid(pid, &clock) == 0, "the server has gone");
  need(clock_gettime(clock, &t) == 0, "the server has gone");
  return (double)t.tv_sec + (double)t.tv_nsec / 1e9;
}

/* Resident memory in KiB. */
static double server_rss (void) {
  char path[64];
  long pages = 0;
  snprintf(path, sizeof path, "/proc/%d/statm", pid);
  FILE *f = fopen(path, "r");
  need(f != NULL, "the server has gone");
  int n = fscanf(f, "%*d %ld", &pages);
  fclose(f);
  need(n == 1, "/proc/PID/statm");
  return (double)pages * (double)sysconf(_SC_PAGESIZE) / 1024;
}

static void begin_measure (void) {
  begun = counted;
  cpu = server_cpu();
  rss = server_rss();
  began = now();
}

static void end_measure (void) {
  seconds = now() - began;
  cpu = server_cpu() - cpu;
  rss = server_rss() - rss;
  done = 1;
}

/* Between units. */
static void look_at_clock (void) {
  double t = now();
  if (started == 0) started = t;
  if (began == 0 && t - started >= duration / 5) begin_measure();
  if (began != 0 && t - began >= duration) end_measure();
}

/* --------------------------------------------------------------- latencies */

/* How many took how many nanoseconds: 32 steps for each power of two. */
enum { STEPS = 32 };
static long taken[64 * STEPS];

static unsigned step_of (uint64_t ns) {
  unsigned bits = 0;
  while (ns >> bits >= 2 * STEPS) bits++;
  return bits * STEPS + (unsigned)(ns >> bits);
}

static double step_end (unsigned i) { /* in microseconds */
  unsigned bits = i < 2 * STEPS ? 0 : i / STEPS - 1;
  return (double)((uint64_t)(i - bits * STEPS + 1) << bits) / 1e3;
}

/* One unit more, that began then. */
static void count (double since) {
  counted++;
  if (began != 0) taken[step_of((uint64_t)((moment - since) * 1e9))]++;
}

static double percentile (double part) {
  long sum = 0;
  unsigned i = 0;
  while (i < 64 * STEPS - 1 &&
         (double)(sum += taken[i]) < part * (double)(counted - begun))
    i++;
  return step_end(i);
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
  to.sin_port = htons((unsigned short)port);
  need(connect(fd, (struct sockaddr *)&to, sizeof to) == 0 ||
           errno == EINPROGRESS,
       "connect");
  return fd;
}

static void start (peer *p) {
  ws_str host = {"127.0.0.1", 9}, target = {"/", 1};
  p->fd = dial(nstarted++);
  p->sent = p->got = 0;
  p->since[0] = moment;
  ws_init(p->core, &config, heap, NULL);
  need(ws_request(p->core, host, target, NULL, 0, NULL, 0) == 0, "request");
  want(p, EPOLL_CTL_ADD, 1);
}

static void start_next (void) {
  if (nstarted < nconns) start(&peers[nstarted]);
}

static void flush (peer *p) {
  ws_iov v[WS_IOV];
  struct iovec iov[WS_IOV];
  int n;
  while ((n = ws_pending(p->core, v, WS_IOV)) > 0) {
    for (int i = 0; i < n; i++) {
      iov[i].iov_base = (void *)v[i].base;
      iov[i].iov_len = v[i].len;
    }
    ssize_t sent = writev(p->fd, iov, n);
    if (sent < 0 && errno == EAGAIN) break;
    need(sent >= 0, "write");
    ws_sent(p->core, (size_t)sent);
  }
  if (p->blocked != (n > 0)) want(p, EPOLL_CTL_MOD, n > 0);
}

static void stamp (char out[STAMP], unsigned n) {
  for (int i = STAMP; i-- > 0; n >>= 4) out[i] = "0123456789abcdef"[n & 15];
}

static void send_numbered (peer *p) {
  p->since[p->sent % depth] = moment;
  stamp(text, p->sent++);
  need(ws_send(p->core, WS_TEXT, text, size, 0) == 0, "send");
}

/* The next message in the order of its sender. */
static void check (peer *p, const ws_event *ev) {
  char number[STAMP];
  stamp(number, p->got++);
  need(ev->opcode == WS_TEXT && ev->size == size, "a reply of another kind");
  need(memcmp(ev->data, number, STAMP) == 0, "a reply out of order");
  need(memcmp(ev->data + STAMP, text + STAMP, size - STAMP) == 0,
       "a reply with other content");
}

static void forget (peer *p) {
  close(p->fd);
  ws_free(p->core);
}

static void events (peer *p) {
  ws_event ev;
  int r;
  while ((r = ws_next(p->core, &ev)) > 0) {
    need(ev.type != WS_REFUSED, "refused");
    if (ev.type == WS_OPEN) {
      nopen++;
      the->opened(p);
    } else {
      the->message(p, &ev);
    }
    ws_taken(p->core);
  }
  need(r == 0 || ws_closed(p->core).clean, "the connection ended");
}

static void readable (peer *p) {
  size_t room;
  void *to = ws_reserve(p->core, 1, &room);
  ssize_t n;
  need(to != NULL, "no memory");
  n = recv(p->fd, to, room, 0);
  moment = now();
  ws_commit(p->core, n > 0 ? (size_t)n : 0);
  if (n < 0 && errno == EAGAIN) return;
  need(n >= 0, "read");
  if (n == 0) ws_eof(p->core);
  events(p);
  if (n == 0) the->ended(p);
}

static void turn (void) {
  struct epoll_event list[BATCH];
  int n = epoll_wait(poller, list, BATCH, -1);
  for (int i = 0; i < n && !done; i++) {
    peer *p = list[i].data.ptr;
    if (list[i].events & (EPOLLIN | EPOLLHUP | EPOLLERR)) readable(p);
    if (!done) flush(p);
  }
  if (ready) look_at_clock();
}

static void unexpected (peer *p) {
  (void)p;
  fail("the server closed the connection");
}

static void no_message (peer *p, const ws_event *ev) {
  (void)p;
  (void)ev;
  fail("a message that nobody asked for");
}

/* -------------------------------------------------------------------- echo */

static void fill_pipe (peer *p) {
  for (unsigned i = 0; i < depth; i++) send_numbered(p);
  flush(p);
}

static void echo_opened (peer *p) {
  (void)p;
  start_next();
  if (nopen < nconns) return;
  moment = now();
  for (int i = 0; i < nconns; i++) fill_pipe(&peers[i]);
  ready = 1;
}

static void echo_message (peer *p, const ws_event *ev) {
  count(p->since[p->got % depth]);
  check(p, ev);
  send_numbered(p);
}

/* --------------------------------------------------------------- broadcast */

static unsigned *behind; /* publish modulo depth: who has not got it */

static void publish (void) {
  behind[peers->sent % depth] = (unsigned)nconns;
  send_numbered(peers);
}

static void broadcast_opened (peer *p) {
  (void)p;
  start_next();
  if (nopen < nconns) return;
  behind = calloc(depth, sizeof *behind);
  need(behind != NULL, "no memory");
  moment = now();
  for (unsigned i = 0; i < depth; i++) publish();
  flush(peers);
}

static void broadcast_message (peer *p, const ws_event *ev) {
  unsigned which = p->got % depth;
  count(peers->since[which]);
  check(p, ev);
  if (--behind[which] > 0) return;
  publish();
  flush(peers);
  look_at_clock(); /* here: all have got the same */
}

/* ----------------------------------------------------------------- connect */

static void connect_opened (peer *p) {
  need(ws_close(p->core, 1000, NULL, 0) == 0, "close");
}

static void connect_ended (peer *p) {
  forget(p);
  count(p->since[0]);
  ready = 1;
  start(p);
}

/* -------------------------------------------------------------------- idle */

static void ask_to_collect (void) {
  need(ws_send(peers->core, WS_TEXT, "collect", 7, 0) == 0, "send");
  flush(peers);
}

/* One connection first, so that what any connection needs is there. */
static void idle_opened (peer *p) {
  (void)p;
  counted = nopen;
  if (nopen > 1) start_next();
  if (nopen == 1 || nopen == nconns) ask_to_collect();
}

static void open_the_rest (void) {
  begin_measure();
  for (int i = 0; i < AT_ONCE; i++) start_next();
}

static void idle_message (peer *p, const ws_event *ev) {
  (void)p;
  (void)ev;
  if (nopen == 1)
    open_the_rest();
  else
    end_measure();
}

/* ------------------------------------------------------------------------- */

static scenario scenarios[] = {
    {"echo", AT_ONCE, echo_opened, echo_message, unexpected},
    {"broadcast", AT_ONCE, broadcast_opened, broadcast_message, unexpected},
    {"connect", AT_ONCE, connect_opened, no_message, connect_ended},
    {"idle", 1, idle_opened, idle_message, unexpected},
    {NULL, 0, NULL, NULL, NULL}};

static const scenario *find (const char *name) {
  const scenario *s = scenarios;
  while (s->name && strcmp(s->name, name) != 0) s++;
  need(s->name != NULL, "no such scenario");
  return s;
}

static void prepare (void) {
  ws_config_init(&config, WS_CLIENT);
  config.random = cheap_random;
  text = malloc(size + 1);
  peers = calloc((size_t)nconns, sizeof *peers);
  need(text && peers, "no memory");
  memset(text, 'x', size);
  for (int i = 0; i < nconns; i++) {
    peers[i].core = malloc(ws_size());
    peers[i].since = malloc(depth * sizeof(double));
    need(peers[i].core && peers[i].since, "no memory");
  }
  poller = epoll_create1(EPOLL_CLOEXEC);
  need(poller >= 0, "epoll_create1");
}

int main (int argc, char **argv) {
  need(argc == 8, "SCENARIO PORT PID CONNECTIONS SIZE DEPTH SECONDS");
  the = find(argv[1]);
  port = atoi(argv[2]);
  pid = atoi(argv[3]);
  nconns = atoi(argv[4]);
  size = (size_t)atol(argv[5]);
  depth = (unsigned)atoi(argv[6]);
  duration = atof(argv[7]);
  need(nconns > 0 && size >= STAMP && depth > 0 && duration > 0, "arguments");
  alarm(PATIENCE);
  prepare();
  moment = now();
  for (int i = 0; i < the->first && i < nconns; i++) start(&peers[i]);
  while (!done) turn();
  printf("%ld %.6f %.4f %.4f %.1f %.1f\n", counted - begun, seconds,
         cpu * 1e6 / (double)(counted - begun), rss / nconns, percentile(0.5),
         percentile(0.99));
  return 0;
}
