/*
** bench/load.h - what the files of bench/load have in common.
**
**   load.c         scenarios
**   load_peer.c    connections, over TCP or TLS
**   load_meter.c   what is measured
*/
#ifndef bench_load_h
#define bench_load_h

#include <openssl/ssl.h>
#include <time.h>

#include "ws.h"

void fail (const char *what);
void need (int ok, const char *what); /* fails unless ok */

/* ---- load_meter.c */

typedef struct meter {
  int pid;         /* of the server */
  double duration; /* of the measure, in seconds */
  int ready;       /* all are open and at work: the clock runs */
  int done;        /* the measure is over */
  double moment;   /* of the last read */
  long units;      /* so far */
  double bytes;    /* received so far */
} meter;

extern meter the_meter;

double now (void);         /* seconds */
void look_at_clock (void); /* between units: the measure begins, ends */
void begin_measure (void);
void end_measure (void);
void count (double since);        /* one unit more, that began then */
void print_figures (long shares); /* memory is divided among so many */

/* ---- load_peer.c */

typedef struct peer {
  int fd;
  int blocked;        /* waits until it can write */
  unsigned sent, got; /* messages */
  double *since;      /* when message i was sent, at i modulo the depth */
  SSL *ssl;           /* NULL: TCP */
  ws_conn *core;
} peer;

/* How connections are made: before the first one. mode: NULL, "tls", "deflate"
   or "takeover" (of the compressor's context). */
void prepare_peers (int port, const char *mode);
peer *new_peers (int n, unsigned depth);
void start_peer (peer *p, int i); /* the i-th connection of all */
void stop_peer (peer *p);
void flush (peer *p); /* writes what is queued */
void turn (void);     /* waits for something, and handles what came */

/* ---- load.c: what is done about it */

void on_event (peer *p, const ws_event *ev);
void on_end (peer *p); /* of the connection, which was clean */

#endif
