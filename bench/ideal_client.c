/*
** bench/ideal_client.c - the yardstick for clients: what the same exchange of
** messages costs in C written for this alone. bench/client.lua is the same on
** the library. Like bench/ideal.c it knows nothing of csrc/.
**
**     build/bench/ideal_client PORT CONNECTIONS SIZE DEPTH SECONDS
**
** Each connection keeps DEPTH messages of SIZE bytes under way, each masked
** with a key of its own; what one read brings is answered by one write. Prints
** "units seconds cpu" as bench/load.c does, about itself.
*/
#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/random.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

enum { BATCH = 512, READ = 256 << 10 };

typedef struct conn {
  int fd;
  size_t at; /* in the reply that is arriving */
} conn;

static int poller;
static size_t size, head; /* of a message, of a reply's header */
static unsigned char *reply, *in, *out;
static long counted;

static void need (int ok, const char *what) {
  if (ok) return;
  perror(what);
  exit(1);
}

static double now (clockid_t clock) {
  struct timespec t;
  clock_gettime(clock, &t);
  return (double)t.tv_sec + (double)t.tv_nsec / 1e9;
}

/* ------------------------------------------------------------------ frames */

static size_t put_header (unsigned char *p, int mask) {
  p[0] = 0x81;
  p[1] = (unsigned char)(mask | (size < 126 ? (int)size : 126));
  if (size < 126) return 2;
  p[2] = (unsigned char)(size >> 8);
  p[3] = (unsigned char)size;
  return 4;
}

static uint32_t fresh_key (void) {
  static uint32_t keys[1024];
  static size_t left;
  if (left == 0) {
    need(getrandom(keys, sizeof keys / 4, 0) > 0, "getrandom");
    left = sizeof keys / 16;
  }
  return keys[--left];
}

static size_t put_request (unsigned char *p) {
  const unsigned char *text = reply + head;
  uint32_t key = fresh_key();
  unsigned char *d = p + put_header(p, 0x80);
  unsigned char k[4];
  uint64_t word, twice = key | (uint64_t)key << 32;
  size_t i = 0;
  memcpy(k, &key, 4);
  memcpy(d, k, 4);
  d += 4;
  for (; i + 8 <= size; i += 8) {
    memcpy(&word, text + i, 8);
    word ^= twice;
    memcpy(d + i, &word, 8);
  }
  for (; i < size; i++) d[i] = text[i] ^ k[i & 3];
  return (size_t)(d - p) + size;
}

/* ------------------------------------------------------------- connections */

static void write_all (int fd, const void *bytes, size_t n) {
  const unsigned char *p = bytes;
  while (n > 0) {
    struct pollfd w = {.fd = fd, .events = POLLOUT};
    ssize_t sent = send(fd, p, n, MSG_NOSIGNAL | MSG_DONTWAIT);
    need(sent > 0 || errno == EAGAIN, "send");
    if (sent < 0) poll(&w, 1, -1);
    if (sent < 0) sent = 0;
    p += sent;
    n -= (size_t)sent;
  }
}

static void send_requests (conn *c, size_t count) {
  size_t n = 0;
  while (count-- > 0) n += put_request(out + n);
  if (n > 0) write_all(c->fd, out, n);
}

/* Checks every byte; returns how many replies are whole by now. */
static size_t check (conn *c, size_t n) {
  size_t whole = 0, r = 0;
  while (r < n) {
    size_t k = head + size - c->at;
    if (k > n - r) k = n - r;
    need(memcmp(in + r, reply + c->at, k) == 0, "another reply");
    r += k;
    c->at += k;
    if (c->at < head + size) break;
    c->at = 0;
    whole++;
  }
  return whole;
}

static void readable (conn *c) {
  ssize_t n = recv(c->fd, in, READ, MSG_DONTWAIT);
  size_t whole;
  need(n > 0, "recv");
  whole = check(c, (size_t)n);
  counted += (long)whole;
  send_requests(c, whole);
}

static void handshake (int fd) {
  static const char request[] =
      "GET / HTTP/1.1\r\nHost: localhost\r\nUpgrade: websocket\r\n"
      "Connection: Upgrade\r\nSec-WebSocket-Version: 13\r\n"
      "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n";
  char answer[1024];
  size_t n = 0;
  write_all(fd, request, sizeof request - 1);
  do {
    ssize_t got = recv(fd, answer + n, sizeof answer - 1 - n, 0);
    need(got > 0, "handshake");
    n += (size_t)got;
    answer[n] = '\0';
  } while (!strstr(answer, "\r\n\r\n"));
  need(strncmp(answer, "HTTP/1.1 101 ", 13) == 0, answer);
}

static void dial (conn *c, int port) {
  struct sockaddr_in to = {.sin_family = AF_INET};
  struct epoll_event ev = {.events = EPOLLIN, .data.ptr = c};
  int one = 1;
  to.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  to.sin_port = htons((unsigned short)port);
  c->fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
  need(c->fd >= 0, "socket");
  setsockopt(c->fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof one);
  need(connect(c->fd, (struct sockaddr *)&to, sizeof to) == 0, "connect");
  handshake(c->fd);
  need(epoll_ctl(poller, EPOLL_CTL_ADD, c->fd, &ev) == 0, "epoll_ctl");
}

/* ------------------------------------------------------------------------- */

static void turn (void) {
  struct epoll_event list[BATCH];
  int n = epoll_wait(poller, list, BATCH, -1);
  for (int i = 0; i < n; i++) readable(list[i].data.ptr);
}

static void run_for (double seconds) {
  double end = now(CLOCK_MONOTONIC) + seconds;
  while (now(CLOCK_MONOTONIC) < end) turn();
}

static void prepare (size_t depth) {
  reply = malloc(size + 4);
  in = malloc(READ);
  out = malloc((size + 8) * (READ / size + depth + 1));
  poller = epoll_create1(EPOLL_CLOEXEC);
  need(reply && in && out && poller >= 0, "prepare");
  head = put_header(reply, 0);
  memset(reply + head, 'x', size);
}

static void measure (double seconds) {
  double began, cpu;
  long begun;
  run_for(seconds / 5);
  began = now(CLOCK_MONOTONIC);
  cpu = now(CLOCK_PROCESS_CPUTIME_ID);
  begun = counted;
  run_for(seconds);
  began = now(CLOCK_MONOTONIC) - began;
  cpu = now(CLOCK_PROCESS_CPUTIME_ID) - cpu;
  printf("%ld %.6f %.4f\n", counted - begun, began,
         cpu * 1e6 / (double)(counted - begun));
}

int main (int argc, char **argv) {
  need(argc == 6, "PORT CONNECTIONS SIZE DEPTH SECONDS");
  size_t n = (size_t)atoi(argv[2]), depth = (size_t)atoi(argv[4]);
  size = (size_t)atoi(argv[3]);
  need(n > 0 && depth > 0 && size > 0 && size < 65536, "arguments");
  prepare(depth);
  conn *conns = calloc(n, sizeof *conns);
  need(conns != NULL, "malloc");
  for (size_t i = 0; i < n; i++) dial(&conns[i], atoi(argv[1]));
  for (size_t i = 0; i < n; i++) send_requests(&conns[i], depth);
  measure(atof(argv[5]));
  return 0;
}
