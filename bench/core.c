/*
** bench/core.c - what one masked 32-byte echo costs in the core: a client's
** frame in, the message out as an event, sent back, and its bytes taken out of
** the queue. No system call is made. `make bench` runs it under callgrind with
** two numbers of messages, so that the start cancels.
**
**     build/bench/core N
*/
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "ws.h"

/* FIN, text; masked, 32 bytes; the key is 0x37fa213d, the text all 'a'. */
static void make_frame (unsigned char frame[38]) {
  static const unsigned char key[4] = {0x37, 0xfa, 0x21, 0x3d};
  frame[0] = 0x81;
  frame[1] = 0x80 | 32;
  memcpy(frame + 2, key, 4);
  for (int i = 0; i < 32; i++) frame[6 + i] = 'a' ^ key[i & 3];
}

static void *heap (void *ud, void *ptr, size_t osize, size_t nsize) {
  (void)ud;
  (void)osize;
  if (nsize != 0) return realloc(ptr, nsize);
  free(ptr);
  return NULL;
}

static void need (int ok, const char *what) {
  if (ok) return;
  fprintf(stderr, "bench/core: %s\n", what);
  exit(1);
}

static void put (ws_conn *c, const void *bytes, size_t n) {
  size_t room;
  void *to = ws_reserve(c, n, &room);
  need(to != NULL && room >= n, "no room");
  memcpy(to, bytes, n);
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

static void open_connection (ws_conn *c) {
  static const char request[] =
      "GET / HTTP/1.1\r\nHost: localhost\r\nUpgrade: websocket\r\n"
      "Connection: Upgrade\r\nSec-WebSocket-Version: 13\r\n"
      "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n";
  ws_str none = {NULL, 0};
  ws_event ev;
  put(c, request, sizeof request - 1);
  need(ws_next(c, &ev) == WS_REQUEST, "no request");
  need(ws_accept(c, none, NULL, 0) == 0, "not accepted");
  ws_taken(c);
  need(drain(c) > 0, "no answer");
}

static void echo (ws_conn *c, const unsigned char frame[38]) {
  ws_event ev;
  put(c, frame, 38);
  need(ws_next(c, &ev) == WS_MESSAGE, "no message");
  need(ws_send(c, ev.opcode, ev.data, ev.size, 0) == 0, "not sent");
  ws_taken(c);
  need(drain(c) == 34, "not echoed");
}

int main (int argc, char **argv) {
  long n = argc > 1 ? atol(argv[1]) : 1000;
  unsigned char frame[38];
  ws_config config;
  ws_conn *c = malloc(ws_size());
  need(c != NULL, "no memory");
  ws_config_init(&config, WS_SERVER);
  ws_init(c, &config, heap, NULL);
  open_connection(c);
  make_frame(frame);
  for (long i = 0; i < n; i++) echo(c, frame);
  ws_free(c);
  free(c);
  return 0;
}
