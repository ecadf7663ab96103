/*
** net_poll_kqueue.c - the poller's back end on the BSDs and macOS. Connections
** are registered with EV_CLEAR, which is kqueue's edge trigger, users'
** descriptors with EV_ONESHOT.
*/
#if defined(__APPLE__) || defined(__FreeBSD__) || defined(__OpenBSD__) || \
    defined(__NetBSD__) || defined(__DragonFly__)

#include "net_posix.h"

#include <errno.h>
#include <fcntl.h>
#include <sys/event.h>
#include <sys/time.h>
#include <sys/types.h>

#include "net_poll.h"

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

static int kqueue_set (net_poll *p, net_fd fd, int before) {
  const net_entry *e = &p->entries[fd];
  int read = e->kind != ENTRY_NONE && e->want & NET_READ;
  int write = e->kind != ENTRY_NONE && e->want & NET_WRITE;
  (void)before;
  if (set_filter(p, fd, EVFILT_READ, read) < 0) return NET_ERROR;
  return set_filter(p, fd, EVFILT_WRITE, write);
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

static int kqueue_wait (net_poll *p, int milliseconds) {
  struct kevent events[NET_BATCH];
  struct timespec ts = {milliseconds / 1000, milliseconds % 1000 * 1000000L};
  int n =
      kevent(p->fd, NULL, 0, events, NET_BATCH, milliseconds < 0 ? NULL : &ts);
  if (n < 0) return errno == EINTR ? NET_AGAIN : NET_ERROR;
  for (int i = 0; i < n; i++) {
    p->found[i].fd = (net_fd)events[i].ident;
    p->found[i].generation = (uint32_t)(uintptr_t)events[i].udata;
    p->found[i].what = what_of(&events[i]);
  }
  return p->nfound = n;
}

const net_backend net_backend_kqueue = {"kqueue",     0,          kqueue_open,
                                        kqueue_close, kqueue_set, kqueue_has,
                                        kqueue_wait};

#else
typedef int net_poll_kqueue_is_empty; /* ISO C wants a declaration */
#endif
