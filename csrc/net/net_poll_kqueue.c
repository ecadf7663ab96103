/*
** net_poll_kqueue.c - the poller's back end on the BSDs and macOS. Connections
** are registered with EV_CLEAR, which is kqueue's edge trigger, users'
** descriptors with EV_ONESHOT. An entry's `own` is where its event stands in
** the batch.
*/
#include "net_posix.h"

#include "net_poll.h"

#ifdef NET_HAS_KQUEUE

#include <sys/types.h>

#include <errno.h>
#include <fcntl.h>
#include <sys/event.h>
#include <sys/time.h>

static int kqueue_open (net_poll *p) {
  p->fd = kqueue();
  if (p->fd < 0) return NET_ERROR;
  fcntl(p->fd, F_SETFD, FD_CLOEXEC);
  return 0;
}

static void kqueue_close (net_poll *p) {
  if (p->fd != NET_NONE) net_close(p->fd);
  p->fd = NET_NONE;
}

static int set_filter (net_poll *p, net_fd fd, short filter, int on) {
  const net_entry *e = &p->entries[fd];
  struct kevent ev;
  unsigned short flags = EV_DELETE;
  if (on) flags = EV_ADD | (e->kind == ENTRY_EDGE ? EV_CLEAR : EV_ONESHOT);
  EV_SET(&ev, fd, filter, flags, 0, 0, (void *)(uintptr_t)e->generation);
  if (kevent(p->fd, &ev, 1, NULL, 0, NULL) == 0 || !on) return 0;
  return NET_ERROR;
}

static int remove_filters (net_poll *p, net_fd fd) {
  set_filter(p, fd, EVFILT_READ, 0);
  return set_filter(p, fd, EVFILT_WRITE, 0);
}

/* A pipe without a reader cannot be registered for writing (EPIPE); reading
   reports its end. */
static int set_filters (net_poll *p, net_fd fd, int want) {
  int read = want & NET_READ;
  if (set_filter(p, fd, EVFILT_WRITE, want & NET_WRITE) < 0) {
    if (errno != EPIPE) return NET_ERROR;
    read = 1;
  }
  return set_filter(p, fd, EVFILT_READ, read);
}

/* kqueue accepts files. */
static int kqueue_set (net_poll *p, net_fd fd, int before) {
  const net_entry *e = &p->entries[fd];
  uint64_t file;
  (void)before;
  if (e->kind == ENTRY_NONE) return remove_filters(p, fd);
  if (net_poll_file(fd, &file) < 0) return NET_ERROR;
  if (set_filters(p, fd, e->want) == 0) return 0;
  int err = errno;
  remove_filters(p, fd);
  errno = err;
  return NET_ERROR;
}

/* The kernel drops a filter with its descriptor: enabling it succeeds only if
   it is still there. */
static int kqueue_has (net_poll *p, net_fd fd) {
  struct kevent ev;
  EV_SET(&ev, fd, EVFILT_READ, EV_ENABLE, 0, 0,
         (void *)(uintptr_t)p->entries[fd].generation);
  return kevent(p->fd, &ev, 1, NULL, 0, NULL) == 0;
}

static int what_of (const struct kevent *ev) {
  int what = ev->filter == EVFILT_READ ? NET_READ : NET_WRITE;
  return ev->flags & (EV_EOF | EV_ERROR) ? what | NET_HANGUP : what;
}

/* kqueue reports each direction by itself: those of one descriptor become one
   event. */
static net_found *found_of (net_poll *p, net_fd fd, uint32_t generation) {
  net_entry *e = &p->entries[fd];
  net_found *f = e->own < (uint64_t)p->nfound ? &p->found[e->own] : NULL;
  if (f && f->fd == fd && f->generation == generation) return f;
  e->own = (uint64_t)p->nfound;
  f = &p->found[p->nfound++];
  f->fd = fd;
  f->generation = generation;
  f->what = 0;
  return f;
}

static int kqueue_wait (net_poll *p, int milliseconds) {
  struct kevent events[NET_BATCH];
  struct timespec ts = {milliseconds / 1000, milliseconds % 1000 * 1000000L};
  int n =
      kevent(p->fd, NULL, 0, events, NET_BATCH, milliseconds < 0 ? NULL : &ts);
  if (n < 0) return errno == EINTR ? NET_AGAIN : NET_ERROR;
  for (int i = 0; i < n; i++) {
    uint32_t generation = (uint32_t)(uintptr_t)events[i].udata;
    found_of(p, (net_fd)events[i].ident, generation)->what |=
        what_of(&events[i]);
  }
  return p->nfound;
}

const net_backend net_backend_kqueue = {
    "kqueue",     0,          1,          kqueue_open,
    kqueue_close, kqueue_set, kqueue_has, kqueue_wait};

#else
typedef int net_poll_kqueue_is_empty; /* ISO C wants a declaration */
#endif
