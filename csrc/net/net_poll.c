/*
** net_poll.c - the poller: keeps the registrations; the back ends call the
** kernel. Each use of a descriptor number has its own generation, so an event
** of a closed descriptor never reaches the next user of its number, even within
** one batch.
*/
#include "net_posix.h"

#include <errno.h>
#include <limits.h>
#include <math.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>

#include "net_poll.h"

static const net_backend *const backends[] = {
#ifdef NET_HAS_EPOLL
    &net_backend_epoll,
#endif
#ifdef NET_HAS_KQUEUE
    &net_backend_kqueue,
#endif
    &net_backend_poll};

enum { NBACKENDS = sizeof backends / sizeof backends[0] };

/* The number of forks between the process that loaded us and this one, and the
   number of those that this process has seen as parent or child. */
static unsigned forks;
static unsigned seen_forks;
static unsigned forks_seen (void) {
  return __atomic_load_n(&seen_forks, __ATOMIC_RELAXED);
}
static void count_child (void) {
  __atomic_fetch_add(&seen_forks, 1, __ATOMIC_RELAXED);
}
static void count_fork (void) {
  forks++;
  count_child();
}
static void install (void) { pthread_atfork(NULL, count_child, count_fork); }

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
  if (b == NULL) errno = EINVAL;
  if (p == NULL) return NULL;
  watch_forks();
  p->backend = b;
  p->fd = p->timer = NET_NONE;
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

static int grow (net_poll *p, net_fd fd) {
  net_fd n = p->nentries > 0 ? p->nentries : 64;
  while (n <= fd) n = n > INT_MAX / 2 ? INT_MAX : n * 2;
  net_entry *grown = realloc(p->entries, (size_t)n * sizeof *grown);
  if (grown == NULL) return NET_ERROR;
  memset(grown + p->nentries, 0, (size_t)(n - p->nentries) * sizeof *grown);
  p->entries = grown;
  p->nentries = n;
  return 0;
}

static int kind_of (const net_poll *p, net_fd fd) {
  return fd >= 0 && fd < p->nentries ? p->entries[fd].kind : ENTRY_NONE;
}

/* Each change begins another generation, which voids the events found before.
   A forked child first replaces its parent's poller. */
static int change (net_poll *p, net_fd fd, net_entry to) {
  if (p->forks != forks && net_poll_forked(p) < 0) return NET_ERROR;
  net_entry *e = &p->entries[fd];
  int before = e->kind;
  to.generation = e->generation + 1;
  to.forks = forks_seen();
  to.own = e->own;
  *e = to;
  if (p->backend->set(p, fd, before) == 0) return 0;
  e->kind = ENTRY_NONE;
  return NET_ERROR;
}

/* A number that is no open descriptor must not make the table grow; others the
   back end rejects. */
static int set (net_poll *p, net_fd fd, net_entry to) {
  int is_new = fd < 0 || fd >= p->nentries;
  if (is_new && (!net_poll_is_open(fd) || grow(p, fd) < 0)) return NET_ERROR;
  return change(p, fd, to);
}

int net_poll_add (net_poll *p, net_fd fd, uint32_t slot) {
  net_entry e = {.slot = slot, .kind = ENTRY_EDGE};
  e.want = NET_READ | NET_WRITE | NET_HANGUP;
  net_poll_del(p, fd); /* its number may have been reused: see net.h */
  return set(p, fd, e);
}

int net_poll_watch (net_poll *p, net_fd fd, uint32_t slot, int what) {
  net_entry e = {.slot = slot, .kind = ENTRY_WATCH};
  e.want = (unsigned char)(what & (NET_READ | NET_WRITE));
  if (what & NET_READ) e.want |= NET_HANGUP;
  if (kind_of(p, fd) == ENTRY_EDGE && p->backend->has(p, fd)) {
    errno = EBUSY;
    return NET_ERROR;
  }
  if (e.want != 0) return set(p, fd, e);
  net_poll_del(p, fd);
  return 0;
}

void net_poll_rearm (net_poll *p, net_fd fd, int what) {
  if (kind_of(p, fd) != ENTRY_EDGE) return;
  p->entries[fd].want |= (unsigned char)(what & (NET_READ | NET_WRITE));
}

void net_poll_del (net_poll *p, net_fd fd) {
  net_entry none = {.kind = ENTRY_NONE};
  if (kind_of(p, fd) != ENTRY_NONE) change(p, fd, none);
}

void net_poll_drop (net_poll *p, net_fd fd) {
  net_entry *e;
  if (kind_of(p, fd) == ENTRY_NONE) return;
  e = &p->entries[fd];
  if (!p->backend->forgets || e->forks != forks_seen()) {
    net_poll_del(p, fd);
    return;
  }
  e->kind = ENTRY_NONE;
  e->generation++;
}

/* ---------------------------------------------------------------- waiting */

/* Registers fd with the new kernel object. Drops a watch that was reported
   already, and a descriptor that is closed by now. */
static void register_anew (net_poll *p, net_fd fd) {
  net_entry *e = &p->entries[fd];
  if (e->kind == ENTRY_EDGE) e->want = NET_READ | NET_WRITE | NET_HANGUP;
  if (e->want == 0) e->kind = ENTRY_NONE;
  if (e->kind != ENTRY_NONE && p->backend->set(p, fd, ENTRY_NONE) < 0)
    e->kind = ENTRY_NONE;
}

/* A watch that was found and not reported yet is to be found again. */
static void watch_again (net_poll *p, const net_found *f) {
  net_entry *e = &p->entries[f->fd];
  if (e->kind == ENTRY_WATCH && e->generation == f->generation)
    e->want |= (unsigned char)f->what;
}

int net_poll_forked (net_poll *p) {
  for (int i = p->next; i < p->nfound; i++) watch_again(p, &p->found[i]);
  p->nfound = p->next = 0;
  if (!p->backend->outlives_fork) p->fd = NET_NONE; /* now somebody else's */
  p->backend->close(p); /* our copy; the parent's stays open */
  if (p->backend->open(p) < 0) return NET_ERROR;
  p->forks = forks;
  for (net_fd fd = 0; fd < p->nentries; fd++) register_anew(p, fd);
  return 0;
}

static int to_milliseconds (double timeout) {
  double ms = ceil(timeout * 1000);
  if (timeout < 0) return -1;
  return ms < INT_MAX ? (int)ms : INT_MAX;
}

/* Skips void events. Returns 0 at the end of the batch. */
static int skip_void (net_poll *p) {
  for (; p->next < p->nfound; p->next++) {
    const net_found *f = &p->found[p->next];
    const net_entry *e = &p->entries[f->fd];
    if (e->kind != ENTRY_NONE && e->generation == f->generation) return 1;
  }
  return 0;
}

int net_poll_wait (net_poll *p, double timeout) {
  if (p->forks != forks && net_poll_forked(p) < 0) return NET_ERROR;
  if (skip_void(p)) return p->nfound - p->next;
  p->nfound = p->next = 0;
  return p->backend->wait(p, to_milliseconds(timeout));
}

int net_poll_left (net_poll *p) { return skip_void(p); }

int net_poll_next (net_poll *p, net_ready *r) {
  if (!skip_void(p)) return 0;
  const net_found *f = &p->found[p->next++];
  net_entry *e = &p->entries[f->fd];
  r->slot = e->slot;
  r->what = f->what;
  if (e->kind == ENTRY_WATCH) { /* one-shot, for both directions at once */
    e->want = 0;
    e->generation++;
  }
  return 1;
}
