/*
** net_poll.c - the poller: which descriptors are registered how. The back ends
** talk to the kernel. A descriptor number that is used anew, even within one
** batch of events, hits nobody: each use has a generation of its own.
*/
#include <errno.h>
#include <limits.h>
#include <math.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>

#include "net_poll.h"

static const net_backend *const backends[] = {
#if defined(__linux__)
    &net_backend_epoll,
#elif defined(__APPLE__) || defined(__FreeBSD__) || defined(__OpenBSD__) || \
    defined(__NetBSD__) || defined(__DragonFly__)
    &net_backend_kqueue,
#endif
    &net_backend_poll};

enum { NBACKENDS = sizeof backends / sizeof backends[0] };

/* How often this process is a fork of the one that loaded us. */
static unsigned forks;
static void count_fork (void) { forks++; }
static void install (void) { pthread_atfork(NULL, NULL, count_fork); }

static void watch_forks (void) {
  static pthread_once_t once = PTHREAD_ONCE_INIT;
  pthread_once(&once, install);
}

static const net_backend *choose (const char *name) {
  for (int i = 0; i < NBACKENDS; i++)
    if (name == NULL || strcmp(name, backends[i]->name) == 0)
      return backends[i];
  return NULL;
}

net_poll *net_poll_new (const char *backend) {
  const net_backend *b = choose(backend);
  net_poll *p = b ? calloc(1, sizeof *p) : NULL;
  if (p == NULL) return NULL;
  watch_forks();
  p->backend = b;
  p->fd = NET_NONE;
  p->forks = forks;
  if (b->open(p) == 0) return p;
  free(p);
  return NULL;
}

void net_poll_free (net_poll *p) {
  if (p == NULL) return;
  p->backend->close(p);
  free(p->entries);
  free(p);
}

const char *net_poll_name (const net_poll *p) { return p->backend->name; }

net_fd net_poll_fd (const net_poll *p) { return p->fd; }

/* ---------------------------------------------------------------- entries */

static net_entry *entry_at (net_poll *p, net_fd fd) {
  if (fd < 0) {
    errno = EBADF;
    return NULL;
  }
  if (fd >= p->nentries) {
    net_fd n = p->nentries > 0 ? p->nentries : 64;
    while (n <= fd) n *= 2;
    net_entry *grown = realloc(p->entries, (size_t)n * sizeof *grown);
    if (grown == NULL) return NULL;
    memset(grown + p->nentries, 0, (size_t)(n - p->nentries) * sizeof *grown);
    p->entries = grown;
    p->nentries = n;
  }
  return &p->entries[fd];
}

static int change (net_poll *p, net_fd fd, net_entry to) {
  net_entry *e = entry_at(p, fd);
  if (e == NULL) return NET_ERROR;
  net_entry before = *e;
  to.generation = before.generation + (before.kind != to.kind);
  *e = to;
  if (p->backend->set(p, fd, before.kind) == 0) return 0;
  before.generation = to.generation;
  *e = before;
  return NET_ERROR;
}

int net_poll_add (net_poll *p, net_fd fd, uint32_t slot) {
  net_entry e = {slot, 0, ENTRY_EDGE, NET_READ | NET_WRITE};
  if (fd >= 0 && fd < p->nentries && p->entries[fd].kind != ENTRY_NONE)
    net_poll_del(p, fd); /* its number came back: see net.h */
  return change(p, fd, e);
}

int net_poll_watch (net_poll *p, net_fd fd, uint32_t slot, int what) {
  net_entry e = {slot, 0, ENTRY_WATCH, (unsigned char)what};
  if (what == 0) {
    net_poll_del(p, fd);
    return 0;
  }
  return change(p, fd, e);
}

void net_poll_rearm (net_poll *p, net_fd fd, int what) {
  if (fd < 0 || fd >= p->nentries || p->entries[fd].kind != ENTRY_EDGE) return;
  p->entries[fd].want |= (unsigned char)what;
}

void net_poll_del (net_poll *p, net_fd fd) {
  net_entry none = {0, 0, ENTRY_NONE, 0};
  if (fd < 0 || fd >= p->nentries || p->entries[fd].kind == ENTRY_NONE) return;
  change(p, fd, none);
  p->entries[fd].kind = ENTRY_NONE; /* even if the kernel knew it no more */
}

/* ---------------------------------------------------------------- waiting */

int net_poll_forked (net_poll *p) {
  int result;
  p->forks = forks;
  p->backend->close(p); /* a copy: the parent's goes on */
  p->nfound = p->next = 0;
  result = p->backend->open(p);
  for (net_fd fd = 0; fd < p->nentries && result == 0; fd++)
    if (p->entries[fd].kind != ENTRY_NONE)
      p->backend->set(p, fd, ENTRY_NONE); /* fails for what is closed now */
  return result;
}

static int to_milliseconds (double timeout) {
  double ms = ceil(timeout * 1000);
  if (timeout < 0) return -1;
  return ms < INT_MAX ? (int)ms : INT_MAX;
}

int net_poll_wait (net_poll *p, double timeout) {
  p->nfound = p->next = 0;
  if (p->forks != forks && net_poll_forked(p) < 0) return NET_ERROR;
  return p->backend->wait(p, to_milliseconds(timeout));
}

int net_poll_next (net_poll *p, net_ready *r) {
  while (p->next < p->nfound) {
    const net_found *f = &p->found[p->next++];
    const net_entry *e = &p->entries[f->fd];
    if (e->kind == ENTRY_NONE || e->generation != f->generation) continue;
    r->slot = e->slot;
    r->what = f->what;
    return 1;
  }
  return 0;
}
