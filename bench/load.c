/*
** bench/load.c - the load that servers are measured under: many connections of
** one client on one core. Every reply is checked.
**
**     build/bench/load SCENARIO PORT PID CONNECTIONS SIZE DEPTH SECONDS [MODE]
**
** echo       each connection keeps DEPTH messages of SIZE bytes under way
** broadcast  the first one keeps DEPTH publishes under way to all of them
** connect    connect, upgrade, close; CONNECTIONS at a time
** idle       opens CONNECTIONS and looks at the server's memory
** storm      opens CONNECTIONS all at once, until the last handshake is done
**
** MODE: tls; deflate (the messages are JSON), or takeover for deflate with the
** context kept; text (the messages are UTF-8 of many scripts). With one of
** them, idle connections have exchanged a message.
**
** Prints "units seconds cpu memory p50 p99 bytes faults": echoes, deliveries,
** connections; wall time; server CPU in microseconds a unit; resident growth in
** KiB a connection; how long a unit took, in microseconds; bytes received for
** it; page faults of the server for it. A fifth of SECONDS, before they begin,
** warms up and is not measured.
*/
#include "load.h"

#include <errno.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <unistd.h>

#include "mixed.h"

enum {
  AT_ONCE = 128, /* handshakes under way: below every server's backlog */
  STAMP = 8,     /* a message begins with its number, in hex */
  PATIENCE = 300 /* seconds until all is given up */
};

typedef struct scenario {
  const char *name;
  int first; /* connections at the start; `opened` starts the others. A single
                one comes before the measure */
  void (*opened)(peer *p);
  void (*message)(peer *p, const ws_event *ev);
  void (*ended)(peer *p);
} scenario;

static const scenario *the;
static const char *mode; /* NULL: none */
static int nconns;
static size_t size;
static unsigned depth;

static peer *peers;
static int nstarted, nopen; /* connections, ever */
static char *text;          /* what messages look like after their number */

void fail (const char *what) {
  fprintf(stderr, "bench/load: %s: %s (%s)\n", the ? the->name : "", what,
          strerror(errno));
  exit(1);
}

void need (int ok, const char *what) {
  if (!ok) fail(what);
}

static void start (peer *p) { start_peer(p, nstarted++); }

static void start_next (void) {
  if (nstarted < nconns) start(&peers[nstarted]);
}

/* ---------------------------------------------------------------- messages */

static void stamp (char out[STAMP], unsigned n) {
  for (int i = STAMP; i-- > 0; n >>= 4) out[i] = "0123456789abcdef"[n & 15];
}

static int in_mode (const char *name) {
  return mode && strcmp(mode, name) == 0;
}

/* Records as an application would send them: names alike, values not. */
static void fill_json (char *p, size_t n) {
  static const char *const names[] = {"Anna", "Bea", "Chris", "Dimitri", "Eve"};
  char record[160];
  unsigned id = 48271;
  while (n > 0) {
    id = (unsigned)(id * (uint64_t)48271 % 2147483647);
    int k = snprintf(record, sizeof record,
                     "{\"id\":%u,\"user\":\"%s\",\"x\":%u.%02u,\"y\":%u.%02u,"
                     "\"online\":%s,\"room\":\"lobby-%u\"},",
                     id % 1000000, names[id % 5], id / 7 % 1920, id % 100,
                     id / 11 % 1080, id / 13 % 100, id % 3 ? "true" : "false",
                     id / 17 % 40);
    size_t used = (size_t)k < n ? (size_t)k : n;
    memcpy(p, record, used);
    p += used;
    n -= used;
  }
}

static void fill_text (void) {
  need((text = malloc(size + 1)) != NULL, "no memory");
  memset(text, 'x', size);
  if (in_mode("text")) fill_mixed(text + STAMP, size - STAMP);
  if (in_mode("deflate") || in_mode("takeover")) fill_json(text, size);
}

static void send_numbered (peer *p) {
  p->since[p->sent % depth] = the_meter.moment;
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
  the_meter.moment = now();
  for (int i = 0; i < nconns; i++) fill_pipe(&peers[i]);
  the_meter.ready = 1;
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
  the_meter.moment = now();
  for (unsigned i = 0; i < depth; i++) publish();
  flush(peers);
}

/* The clock is looked at when all have got the same. */
static void broadcast_message (peer *p, const ws_event *ev) {
  unsigned which = p->got % depth;
  count(peers->since[which]);
  check(p, ev);
  if (--behind[which] > 0) return;
  publish();
  flush(peers);
  the_meter.ready = 1;
  look_at_clock();
  the_meter.ready = 0;
}

/* ----------------------------------------------------------------- connect */

static void connect_opened (peer *p) {
  need(ws_close(p->core, 1000, NULL, 0) == 0, "close");
}

static void connect_ended (peer *p) {
  stop_peer(p);
  count(p->since[0]);
  the_meter.ready = 1;
  start(p);
}

/* -------------------------------------------------------------------- idle */

static void ask_to_collect (void) {
  need(ws_send(peers->core, WS_TEXT, "collect", 7, 0) == 0, "send");
  flush(peers);
}

/* One connection first, so that what any connection needs is there. */
static void idle_settled (void) {
  the_meter.units++;
  if (the_meter.units > 1) start_next();
  if (the_meter.units == 1 || the_meter.units == nconns) ask_to_collect();
}

static void idle_opened (peer *p) {
  if (mode)
    send_numbered(p);
  else
    idle_settled();
}

static void open_more (int n) {
  begin_measure();
  for (int i = 0; i < n && nstarted < nconns; i++) start_next();
}

static void idle_message (peer *p, const ws_event *ev) {
  if (ev->size != 7) {
    check(p, ev);
    idle_settled();
  } else if (the_meter.units == 1) {
    open_more(AT_ONCE);
  } else {
    end_measure();
  }
}

/* ------------------------------------------------------------------- storm */

/* How long each has waited is counted from when it was dialled. */
static void storm_opened (peer *p) {
  if (nopen == 1) {
    open_more(INT_MAX);
  } else {
    count(p->since[0]);
    if (nopen == nconns) end_measure();
  }
}

/* ------------------------------------------------------------------------- */

static scenario scenarios[] = {
    {"echo", AT_ONCE, echo_opened, echo_message, unexpected},
    {"broadcast", AT_ONCE, broadcast_opened, broadcast_message, unexpected},
    {"connect", AT_ONCE, connect_opened, no_message, connect_ended},
    {"idle", 1, idle_opened, idle_message, unexpected},
    {"storm", 1, storm_opened, no_message, unexpected},
    {NULL, 0, NULL, NULL, NULL}};

static const scenario *find (const char *name) {
  const scenario *s = scenarios;
  while (s->name && strcmp(s->name, name) != 0) s++;
  need(s->name != NULL, "no such scenario");
  return s;
}

void on_event (peer *p, const ws_event *ev) {
  if (ev->type == WS_OPEN) {
    nopen++;
    the->opened(p);
  } else {
    the->message(p, ev);
  }
}

void on_end (peer *p) { the->ended(p); }

static void arguments (int argc, char **argv) {
  need(argc == 8 || argc == 9,
       "SCENARIO PORT PID CONNECTIONS SIZE DEPTH SECONDS [MODE]");
  the = find(argv[1]);
  the_meter.pid = atoi(argv[3]);
  nconns = atoi(argv[4]);
  size = (size_t)atol(argv[5]);
  depth = (unsigned)atoi(argv[6]);
  the_meter.duration = atof(argv[7]);
  mode = argv[8];
  need(nconns >= (the->first == 1 ? 2 : 1) && size >= STAMP && depth > 0 &&
           the_meter.duration > 0,
       "arguments");
}

/* Each connection takes a descriptor: as many as the system allows. */
static void raise_limit (void) {
  struct rlimit limit;
  need(getrlimit(RLIMIT_NOFILE, &limit) == 0, "getrlimit");
  limit.rlim_cur = limit.rlim_max;
  need(setrlimit(RLIMIT_NOFILE, &limit) == 0, "setrlimit");
}

int main (int argc, char **argv) {
  arguments(argc, argv);
  alarm(PATIENCE);
  raise_limit();
  fill_text();
  peers = new_peers(nconns, depth);
  prepare_peers(atoi(argv[2]), mode);
  the_meter.moment = now();
  for (int i = 0; i < the->first && i < nconns; i++) start(&peers[i]);
  while (!the_meter.done) {
    turn();
    look_at_clock();
  }
  print_figures(the->first == 1 ? nconns - 1 : nconns);
  return 0;
}
