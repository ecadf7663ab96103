/*
** bench/micro.c - what the pieces of the protocol core cost, with no system
** call made: masking, UTF-8, headers, the way of a message through a
** connection, the opening handshake; memcpy beside them.
**
**     build/bench/micro            each: "name bytes nanoseconds"
**     build/bench/micro NAME N     runs one N times, for callgrind
**
** `make bench BENCH=micro` makes a table of both; instructions are the
** difference of two runs, so that the start cancels.
*/
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "mixed.h"
#include "ws_close.h"
#include "ws_frame.h"

enum { LARGEST = 64 << 10, HEADERS = 14, TRIES = 15 };

typedef struct task {
  const char *name;
  size_t bytes; /* that one run goes through */
  void (*run)(size_t bytes);
} task;

static const unsigned char key[4] = {0x37, 0xfa, 0x21, 0x3d};
static unsigned char from[LARGEST + 64], to[LARGEST + 64];
static unsigned char mixed[LARGEST], letters[LARGEST];
static unsigned char frame[LARGEST + HEADERS];
static size_t frame_size;
static ws_config server, client;
static ws_conn *open_conn;

static void need (int ok, const char *what) {
  if (ok) return;
  fprintf(stderr, "bench/micro: %s\n", what);
  exit(1);
}

/* The compiler is not to think that nobody looks. */
static void look_at (const void *p) {
  __asm__ volatile("" : : "r"(p) : "memory");
}

static void *heap (void *ud, void *ptr, size_t osize, size_t nsize) {
  (void)ud;
  (void)osize;
  if (nsize != 0) return realloc(ptr, nsize);
  free(ptr);
  return NULL;
}

/* ------------------------------------------------------------------- bytes */

static void copy (size_t n) {
  look_at(from);
  memcpy(to, from, n);
  look_at(to);
}

static void mask (size_t n) {
  look_at(from);
  ws_mask(to, from, n, key, 0);
  look_at(to);
}

/* As a message is received: left, over its header. */
static void unmask (size_t n) {
  look_at(to);
  ws_mask(to, to + 8, n, key, 1);
  look_at(to);
}

static void check_text (const unsigned char *text, size_t n) {
  uint32_t state = 0;
  look_at(text);
  need(ws_utf8(&state, text, n) && state == 0, "no UTF-8");
}

static void ascii (size_t n) { check_text(letters, n); }
static void many_scripts (size_t n) { check_text(mixed, n); }

/* ------------------------------------------------------------------ frames */

static void parse (size_t n) {
  ws_frame f;
  look_at(frame);
  need(ws_frame_parse(&f, frame, n, 1, 0, 0) == 1, "no header");
  look_at(&f);
}

static void build (size_t n) {
  look_at(to);
  need(ws_frame_build(to, 0x81, 32, key) == n, "no header");
  look_at(to);
}

static void put (ws_conn *c, const void *bytes, size_t n) {
  size_t room;
  void *space = ws_reserve(c, n, &room);
  need(space != NULL && room >= n, "no room");
  memcpy(space, bytes, n);
  ws_commit(c, n);
}

static size_t drain (ws_conn *c) {
  ws_iov v[WS_IOV];
  size_t all = 0;
  int n = ws_pending(c, v, WS_IOV);
  for (int i = 0; i < n; i++) all += v[i].len;
  ws_sent(c, all);
  return all;
}

static void make_frame (size_t n) {
  size_t head = ws_frame_build(frame, 0x81, n, key);
  if (frame_size == head + n) return;
  ws_mask(frame + head, letters, n, key, 0);
  frame_size = head + n;
}

/* A client's frame in, the message out as an event, back to the queue. */
static void echo (size_t n) {
  ws_event ev;
  make_frame(n);
  put(open_conn, frame, frame_size);
  need(ws_next(open_conn, &ev) == WS_MESSAGE, "no message");
  need(ws_send(open_conn, ev.opcode, ev.data, ev.size, 0) == 0, "not sent");
  ws_taken(open_conn);
  need(drain(open_conn) == frame_size - 4, "not echoed");
}

/* --------------------------------------------------------------- handshake */

static const char request[] =
    "GET / HTTP/1.1\r\nHost: localhost\r\nUpgrade: websocket\r\n"
    "Connection: Upgrade\r\nSec-WebSocket-Version: 13\r\n"
    "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n";

static void answer (ws_conn *c) {
  ws_str none = {NULL, 0};
  ws_event ev;
  ws_init(c, &server, heap, NULL);
  put(c, request, sizeof request - 1);
  need(ws_next(c, &ev) == WS_REQUEST, "no request");
  need(ws_accept(c, none, NULL, 0) == 0, "not accepted");
  ws_taken(c);
}

static void accept_one (size_t n) {
  ws_conn c;
  (void)n;
  answer(&c);
  need(drain(&c) > 0, "no answer");
  ws_free(&c);
}

static void ask (size_t n) {
  ws_str host = {"localhost", 9}, target = {"/", 1};
  ws_conn c;
  (void)n;
  ws_init(&c, &client, heap, NULL);
  need(ws_request(&c, host, target, NULL, 0, NULL, 0) == 0, "no request");
  need(drain(&c) > 0, "no request");
  ws_free(&c);
}

/* ------------------------------------------------------------------------- */

static const task tasks[] = {{"memcpy-32", 32, copy},
                             {"memcpy-1k", 1024, copy},
                             {"memcpy-64k", LARGEST, copy},
                             {"mask-32", 32, mask},
                             {"mask-1k", 1024, mask},
                             {"mask-64k", LARGEST, mask},
                             {"unmask-32", 32, unmask},
                             {"unmask-1k", 1024, unmask},
                             {"unmask-64k", LARGEST, unmask},
                             {"utf8-ascii-32", 32, ascii},
                             {"utf8-ascii-1k", 1024, ascii},
                             {"utf8-ascii-64k", LARGEST, ascii},
                             {"utf8-mixed-64k", LARGEST, many_scripts},
                             {"header-parse", 6, parse},
                             {"header-build", 6, build},
                             {"echo-32", 32, echo},
                             {"echo-1k", 1024, echo},
                             {"echo-64k", LARGEST, echo},
                             {"handshake-server", 0, accept_one},
                             {"handshake-client", 0, ask},
                             {NULL, 0, NULL}};

static void prepare (void) {
  memset(letters, 'x', sizeof letters);
  fill_mixed(mixed, sizeof mixed);
  make_frame(32);
  ws_config_init(&server, WS_SERVER);
  ws_config_init(&client, WS_CLIENT);
  open_conn = malloc(ws_size());
  need(open_conn != NULL, "no memory");
  answer(open_conn);
  drain(open_conn);
}

static double now (void) {
  struct timespec t;
  clock_gettime(CLOCK_MONOTONIC, &t);
  return (double)t.tv_sec * 1e9 + (double)t.tv_nsec;
}

static double time_of (const task *t, long n) {
  double began = now();
  for (long i = 0; i < n; i++) t->run(t->bytes);
  return now() - began;
}

/* The least of several runs of 3 ms: what disturbs only adds. */
static double least (const task *t) {
  long n = 1;
  double best, again;
  while ((best = time_of(t, n)) < 3e6) n *= 2;
  for (int i = 0; i < TRIES; i++)
    if ((again = time_of(t, n)) < best) best = again;
  return best / (double)n;
}

int main (int argc, char **argv) {
  prepare();
  for (const task *t = tasks; t->name; t++)
    if (argc < 3)
      printf("%s %zu %.2f\n", t->name, t->bytes, least(t));
    else if (strcmp(t->name, argv[1]) == 0)
      time_of(t, atol(argv[2]));
  return 0;
}
