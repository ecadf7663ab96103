/*
** net_poll_epoll.c - the poller's back end on Linux. Connections are registered
** once, edge-triggered; users' descriptors with EPOLLONESHOT.
*/
#include "net_posix.h"

#include "net_poll.h"

#ifdef NET_HAS_EPOLL

#include <errno.h>
#include <sys/epoll.h>

static int epoll_open (net_poll *p) {
  p->fd = epoll_create1(EPOLL_CLOEXEC);
  return p->fd < 0 ? NET_ERROR : 0;
}

static void epoll_close (net_poll *p) {
  if (p->fd != NET_NONE) net_close(p->fd);
  p->fd = NET_NONE;
}

static uint32_t mask_of (const net_entry *e) {
  uint32_t mask = EPOLLONESHOT;
  if (e->kind == ENTRY_EDGE) return EPOLLIN | EPOLLOUT | EPOLLRDHUP | EPOLLET;
  if (e->want & NET_READ) mask |= EPOLLIN | EPOLLRDHUP;
  if (e->want & NET_WRITE) mask |= EPOLLOUT;
  return mask;
}

/* Returns the operation to try instead, for a descriptor that was closed and
   opened again without our knowledge; 0 for other errors. */
static int other_op (int op) {
  if (op == EPOLL_CTL_MOD && errno == ENOENT) return EPOLL_CTL_ADD;
  if (op == EPOLL_CTL_ADD && errno == EEXIST) return EPOLL_CTL_MOD;
  return 0;
}

static int epoll_set (net_poll *p, net_fd fd, int before) {
  const net_entry *e = &p->entries[fd];
  int op = before == ENTRY_NONE ? EPOLL_CTL_ADD : EPOLL_CTL_MOD;
  struct epoll_event ev;
  ev.events = mask_of(e);
  ev.data.u64 = (uint64_t)e->generation << 32 | (uint32_t)fd;
  if (e->kind == ENTRY_NONE) op = EPOLL_CTL_DEL;
  if (epoll_ctl(p->fd, op, fd, &ev) == 0) return 0;
  op = other_op(op);
  return op != 0 && epoll_ctl(p->fd, op, fd, &ev) == 0 ? 0 : NET_ERROR;
}

/* The kernel drops a registration with its file, so MOD succeeds only for the
   same file. It changes nothing, but reports once more what is ready. */
static int epoll_has (net_poll *p, net_fd fd) {
  const net_entry *e = &p->entries[fd];
  struct epoll_event ev;
  ev.events = mask_of(e);
  ev.data.u64 = (uint64_t)e->generation << 32 | (uint32_t)fd;
  return epoll_ctl(p->fd, EPOLL_CTL_MOD, fd, &ev) == 0;
}

static int what_of (uint32_t events) {
  int what = 0;
  if (events & EPOLLIN) what |= NET_READ;
  if (events & EPOLLOUT) what |= NET_WRITE;
  if (events & (EPOLLRDHUP | EPOLLHUP | EPOLLERR)) what |= NET_HANGUP;
  return what;
}

static int epoll_wait_batch (net_poll *p, int milliseconds) {
  struct epoll_event events[NET_BATCH];
  int n = epoll_wait(p->fd, events, NET_BATCH, milliseconds);
  if (n < 0) return errno == EINTR ? NET_AGAIN : NET_ERROR;
  for (int i = 0; i < n; i++) {
    p->found[i].fd = (net_fd)(uint32_t)events[i].data.u64;
    p->found[i].generation = (uint32_t)(events[i].data.u64 >> 32);
    p->found[i].what = what_of(events[i].events);
  }
  return p->nfound = n;
}

const net_backend net_backend_epoll = {
    "epoll",     1,         1,         epoll_open,
    epoll_close, epoll_set, epoll_has, epoll_wait_batch};

#else
typedef int net_poll_epoll_is_empty; /* ISO C wants a declaration */
#endif
