/*
** kqueue.h - kqueue by the means of Linux, so that net_poll_kqueue.c runs where
** there is no BSD. Its rules are those of kqueue(2):
**
** - A registration is of a descriptor and a filter; each is added, enabled,
**   deleted and reported by itself. To delete or enable one that does not exist
**   is an error, ENOENT.
** - EV_CLEAR: reported when it becomes ready. EV_ONESHOT: reported once, then
**   deleted. To add one that exists changes its udata, not its flags.
** - EV_EOF: the peer has ended, or there was an error.
** - A descriptor that is closed, or replaced by dup2, is forgotten, even if its
**   file lives on under another number.
** - Files can be registered. EVFILT_WRITE of a pipe that nobody can read from
**   is refused, EPIPE.
** - A forked child does not inherit the descriptor.
**
** Each filter has an epoll of its own, and a third one, the descriptor of the
** kqueue, is readable when one of these is.
*/
#ifndef kqueue_h
#define kqueue_h

#include <errno.h>
#include <poll.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/event.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

enum { KQ_READ, KQ_WRITE, KQ_FILTERS };

typedef struct knote {
  unsigned short flags; /* 0: none */
  int is_file;
  void *udata;
} knote;

typedef struct kq {
  int fd, filters[KQ_FILTERS]; /* epolls */
  knote (*notes)[KQ_FILTERS];  /* by descriptor */
  int nnotes;
  struct kq *next;
} kq;

static kq *kq_all;

static int kq_raw_close (int fd) { return (int)syscall(SYS_close, fd); }

/* ------------------------------------------------------------ registrations */

static knote *kq_note (kq *q, int fd, int filter) {
  if (fd >= q->nnotes) {
    int n = 2 * fd + 64;
    q->notes = realloc(q->notes, (size_t)n * sizeof *q->notes);
    if (q->notes == NULL) abort();
    memset(q->notes + q->nnotes, 0, (size_t)(n - q->nnotes) * sizeof *q->notes);
    q->nnotes = n;
  }
  return &q->notes[fd][filter];
}

static void kq_drop (kq *q, int fd, int filter) {
  knote *k = kq_note(q, fd, filter);
  if (k->flags != 0 && !k->is_file)
    epoll_ctl(q->filters[filter], EPOLL_CTL_DEL, fd, NULL);
  memset(k, 0, sizeof *k);
}

static int kq_refuses (int fd, int filter) {
  struct stat st;
  struct pollfd p = {fd, 0, 0};
  if (filter != KQ_WRITE || fstat(fd, &st) < 0 || !S_ISFIFO(st.st_mode))
    return 0;
  return poll(&p, 1, 0) == 1 && p.revents & POLLERR;
}

static int kq_arm (kq *q, int fd, int filter) {
  knote *k = kq_note(q, fd, filter);
  struct epoll_event ev = {0, {.fd = fd}};
  if (k->is_file) return 0;
  ev.events = filter == KQ_READ ? EPOLLIN | EPOLLRDHUP : EPOLLOUT;
  if (k->flags & EV_CLEAR) ev.events |= EPOLLET;
  if (epoll_ctl(q->filters[filter], EPOLL_CTL_MOD, fd, &ev) == 0) return 0;
  return epoll_ctl(q->filters[filter], EPOLL_CTL_ADD, fd, &ev);
}

static int kq_add (kq *q, const struct kevent *change, int filter) {
  int fd = (int)change->ident;
  knote *k = kq_note(q, fd, filter);
  if (kq_refuses(fd, filter)) {
    errno = EPIPE;
    return -1;
  }
  if (k->flags == 0) k->flags = change->flags;
  k->udata = change->udata;
  if (kq_arm(q, fd, filter) == 0) return 0;
  k->is_file = errno == EPERM;
  if (k->is_file) return 0;
  k->flags = 0;
  return -1;
}

static int kq_change (kq *q, const struct kevent *change) {
  int fd = (int)change->ident;
  int filter = change->filter == EVFILT_READ ? KQ_READ : KQ_WRITE;
  if (change->flags & EV_ADD) return kq_add(q, change, filter);
  if (kq_note(q, fd, filter)->flags == 0) {
    errno = ENOENT;
    return -1;
  }
  if (change->flags & EV_ENABLE) return kq_add(q, change, filter);
  kq_drop(q, fd, filter);
  return 0;
}

/* ------------------------------------------------------------------- events */

static void kq_tell (kq *q, struct kevent *to, const struct epoll_event *ev,
                     int filter) {
  int fd = ev->data.fd;
  knote *k = kq_note(q, fd, filter);
  unsigned eof = EPOLLRDHUP | EPOLLHUP | EPOLLERR;
  unsigned flags = k->flags | (ev->events & eof ? EV_EOF : 0);
  EV_SET(to, fd, filter == KQ_READ ? EVFILT_READ : EVFILT_WRITE, flags, 0, 0,
         k->udata);
  if (k->flags & EV_ONESHOT) kq_drop(q, fd, filter);
}

static int kq_collect (kq *q, struct kevent *to, int room) {
  int n = 0;
  for (int filter = 0; filter < KQ_FILTERS && n < room; filter++) {
    struct epoll_event found[64];
    int most = room - n < 64 ? room - n : 64, some;
    while (most > 0 &&
           (some = epoll_wait(q->filters[filter], found, most, 0)) > 0) {
      for (int i = 0; i < some; i++) kq_tell(q, &to[n++], &found[i], filter);
      most = room - n < 64 ? room - n : 64;
    }
  }
  return n;
}

/* ---------------------------------------------------------------- the calls */

static kq *kq_of (int fd) {
  kq *q = kq_all;
  while (q && q->fd != fd) q = q->next;
  return q;
}

int kevent (int fd, const struct kevent *changes, int nchanges,
            struct kevent *events, int nevents,
            const struct timespec *timeout) {
  kq *q = kq_of(fd);
  struct epoll_event ignored;
  int ms = -1, ready;
  if (q == NULL) {
    errno = EBADF;
    return -1;
  }
  for (int i = 0; i < nchanges; i++)
    if (kq_change(q, &changes[i]) < 0) return -1;
  if (nevents == 0) return 0;
  if (timeout) ms = (int)(timeout->tv_sec * 1000 + timeout->tv_nsec / 1000000);
  ready = epoll_wait(q->fd, &ignored, 1, ms);
  return ready <= 0 ? ready : kq_collect(q, events, nevents);
}

static void kq_destroy (kq *q) {
  kq **at = &kq_all;
  while (*at != q) at = &(*at)->next;
  *at = q->next;
  kq_raw_close(q->fd);
  for (int i = 0; i < KQ_FILTERS; i++) kq_raw_close(q->filters[i]);
  free(q->notes);
  free(q);
}

static void kq_child (void) {
  while (kq_all) kq_destroy(kq_all);
}

int kqueue (void) {
  static int asked;
  kq *q = calloc(1, sizeof *q);
  if (!asked++) pthread_atfork(NULL, NULL, kq_child);
  if (q == NULL || (q->fd = epoll_create1(0)) < 0) abort();
  for (int i = 0; i < KQ_FILTERS; i++) {
    struct epoll_event ev = {EPOLLIN, {.fd = i}};
    q->filters[i] = epoll_create1(EPOLL_CLOEXEC);
    if (epoll_ctl(q->fd, EPOLL_CTL_ADD, q->filters[i], &ev) < 0) abort();
  }
  q->next = kq_all;
  kq_all = q;
  return q->fd;
}

/* ------------------------------------------------------ forgotten at close */

static void kq_forget (int fd) {
  for (kq *q = kq_all; q; q = q->next)
    for (int i = 0; i < KQ_FILTERS && fd >= 0 && fd < q->nnotes; i++)
      kq_drop(q, fd, i);
}

/* In place of libc's, for all of the program. */
int close (int fd) {
  kq *q = kq_of(fd);
  kq_forget(fd);
  if (q == NULL) return kq_raw_close(fd);
  kq_destroy(q);
  return 0;
}

int dup2 (int from, int to) {
  if (from == to) return to;
  kq_forget(to);
  return dup3(from, to, 0);
}

#endif
