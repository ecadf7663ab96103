/*
** net_poll_epoll.c - the poller's back end on Linux. Connections are registered
** once, edge-triggered; users' descriptors with EPOLLONESHOT.
**
** A timeout makes epoll_wait set a timer of the kernel's and cancel it again,
** each time. Long ones, such as those until the next ping, are left to a timer
** descriptor, which stays set while messages come.
*/
#include "net_posix.h"

#include "net_poll.h"

#ifdef NET_HAS_EPOLL

#include <errno.h>
#include <math.h>
#include <sys/epoll.h>
#include <sys/timerfd.h>

enum { LONG = 1000 };        /* milliseconds, at least, of a long timeout */
#define THE_TIMER UINT64_MAX /* its event's data; no descriptor's */

static void open_timer (net_poll *p) {
  struct epoll_event ev = {.events = EPOLLIN | EPOLLET};
  ev.data.u64 = THE_TIMER;
  p->armed = 0;
  p->timer = timerfd_create(CLOCK_MONOTONIC, TFD_CLOEXEC | TFD_NONBLOCK);
  if (p->timer < 0 || epoll_ctl(p->fd, EPOLL_CTL_ADD, p->timer, &ev) == 0)
    return;
  net_close(p->timer);
  p->timer = NET_NONE;
}

static int epoll_open (net_poll *p) {
  p->fd = epoll_create1(EPOLL_CLOEXEC);
  if (p->fd < 0) return NET_ERROR;
  open_timer(p); /* without one each wait has a timeout of its own */
  return 0;
}

static void epoll_close (net_poll *p) {
  if (p->fd != NET_NONE) {
    net_close(p->fd);
    if (p->timer != NET_NONE) net_close(p->timer);
  }
  p->fd = p->timer = NET_NONE;
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

/* Has the timer end a wait until `due`, or one earlier. Returns 0 if it
   cannot. */
static int arm (net_poll *p, int milliseconds, double now, double due) {
  struct itimerspec in = {.it_value = {.tv_sec = milliseconds / 1000}};
  if (p->armed > now && p->armed <= due) return 1;
  in.it_value.tv_nsec = milliseconds % 1000 * 1000000L;
  if (p->timer == NET_NONE || timerfd_settime(p->timer, 0, &in, NULL) < 0)
    return 0;
  p->armed = due;
  return 1;
}

/* Adds an event to those found. */
static void add_found (net_poll *p, const struct epoll_event *event) {
  net_found *f = &p->found[p->nfound];
  if (event->data.u64 == THE_TIMER) {
    p->armed = 0;
    return;
  }
  f->fd = (net_fd)(uint32_t)event->data.u64;
  f->generation = (uint32_t)(event->data.u64 >> 32);
  f->what = what_of(event->events);
  p->nfound++;
}

static int wait_once (net_poll *p, int milliseconds) {
  struct epoll_event events[NET_BATCH];
  int n = epoll_wait(p->fd, events, NET_BATCH, milliseconds);
  for (int i = 0; i < n; i++) add_found(p, &events[i]);
  return n;
}

/* Milliseconds until `due`, rounded up. */
static int until (double due) {
  double left = due - net_now();
  return left > 0 ? (int)ceil(left * 1000) : 0;
}

/* The timer may have been set for a wait before this one: its event alone does
   not end this one. */
static int epoll_wait_batch (net_poll *p, int milliseconds) {
  double now = milliseconds > 0 ? net_now() : 0, due = now + milliseconds / 1e3;
  int n;
  for (;;) {
    int is_armed = milliseconds >= LONG && arm(p, milliseconds, now, due);
    n = wait_once(p, is_armed ? -1 : milliseconds);
    if (n <= 0 || p->nfound > 0 || milliseconds == 0) break;
    if (milliseconds > 0) {
      now = net_now();
      milliseconds = until(due);
    }
  }
  if (n < 0) return errno == EINTR ? NET_AGAIN : NET_ERROR;
  return p->nfound;
}

const net_backend net_backend_epoll = {
    "epoll",     1,         1,         epoll_open,
    epoll_close, epoll_set, epoll_has, epoll_wait_batch};

#else
typedef int net_poll_epoll_is_empty; /* ISO C wants a declaration */
#endif
