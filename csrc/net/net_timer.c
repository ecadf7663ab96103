/*
** net_timer.c - timers: a binary heap with back-indices, so that setting,
** moving and cancelling one among ten thousand costs a dozen comparisons.
*/
#include "net_posix.h"

#include <math.h>
#include <stdlib.h>
#include <time.h>

#include "net_sys.h"

typedef struct node {
  double at;
  int handle;
} node;

/* A handle's timer: its place in the heap while it runs, else the next free
   handle. */
typedef struct timer {
  int place; /* -1: not running */
  int next;
  uint32_t slot;
} timer;

struct net_timers {
  node *heap;
  timer *timers;
  int n;    /* running */
  int used; /* handles given out so far */
  int cap;
  int free; /* first free handle, -1: none */
};

net_timers *net_timers_new (void) {
  net_timers *t = calloc(1, sizeof *t);
  if (t) t->free = -1;
  return t;
}

void net_timers_free (net_timers *t) {
  if (t == NULL) return;
  free(t->heap);
  free(t->timers);
  free(t);
}

/* ------------------------------------------------------------------- heap */

static void put (net_timers *t, int place, node x) {
  t->heap[place] = x;
  t->timers[x.handle].place = place;
}

static void sift_up (net_timers *t, int place, node x) {
  while (place > 0) {
    int parent = (place - 1) / 2;
    if (t->heap[parent].at <= x.at) break;
    put(t, place, t->heap[parent]);
    place = parent;
  }
  put(t, place, x);
}

static void sift_down (net_timers *t, int place, node x) {
  for (;;) {
    int child = 2 * place + 1;
    if (child >= t->n) break;
    if (child + 1 < t->n && t->heap[child + 1].at < t->heap[child].at) child++;
    if (x.at <= t->heap[child].at) break;
    put(t, place, t->heap[child]);
    place = child;
  }
  put(t, place, x);
}

static void settle (net_timers *t, int place, node x) {
  if (place > 0 && x.at < t->heap[(place - 1) / 2].at)
    sift_up(t, place, x);
  else
    sift_down(t, place, x);
}

/* ---------------------------------------------------------------- handles */

static int grow (net_timers *t) {
  int cap = t->cap > 0 ? 2 * t->cap : 16;
  node *nodes = realloc(t->heap, (size_t)cap * sizeof *nodes);
  if (nodes == NULL) return NET_ERROR;
  t->heap = nodes;
  timer *timers = realloc(t->timers, (size_t)cap * sizeof *timers);
  if (timers == NULL) return NET_ERROR;
  t->timers = timers;
  t->cap = cap;
  return 0;
}

static int new_handle (net_timers *t) {
  int handle = t->free;
  if (handle >= 0) {
    t->free = t->timers[handle].next;
    return handle;
  }
  if (t->used == t->cap && grow(t) < 0) return NET_ERROR;
  return t->used++;
}

static int is_running (const net_timers *t, int handle) {
  return handle >= 0 && handle < t->used && t->timers[handle].place >= 0;
}

int net_timer_set (net_timers *t, double at, uint32_t slot) {
  int handle = new_handle(t);
  if (handle < 0) return NET_ERROR;
  t->timers[handle].slot = slot;
  sift_up(t, t->n++, (node){at, handle});
  return handle;
}

void net_timer_move (net_timers *t, int handle, double at) {
  if (is_running(t, handle))
    settle(t, t->timers[handle].place, (node){at, handle});
}

void net_timer_cancel (net_timers *t, int handle) {
  if (!is_running(t, handle)) return;
  int place = t->timers[handle].place;
  node last = t->heap[--t->n];
  t->timers[handle].place = -1;
  t->timers[handle].next = t->free;
  t->free = handle;
  if (place < t->n) settle(t, place, last);
}

double net_timer_at (const net_timers *t, int handle) {
  if (!is_running(t, handle)) return HUGE_VAL;
  return t->heap[t->timers[handle].place].at;
}

int net_timer_first (const net_timers *t, double *at) {
  if (t->n == 0) return 0;
  *at = t->heap[0].at;
  return 1;
}

int net_timer_due (net_timers *t, double now, int *handle, uint32_t *slot) {
  if (t->n == 0 || t->heap[0].at > now) return 0;
  *handle = t->heap[0].handle;
  *slot = t->timers[*handle].slot;
  net_timer_cancel(t, *handle);
  return 1;
}

double net_now (void) {
  struct timespec ts;
  clock_gettime(CLOCK_MONOTONIC, &ts);
  return (double)ts.tv_sec + (double)ts.tv_nsec * 1e-9;
}
