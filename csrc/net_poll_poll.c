/*
** net_poll_poll.c - the poller's back end for everywhere else. It keeps the
** edge-triggered contract by masking: a direction that was reported is not asked
** for again until net_poll_rearm.
*/
#ifndef _GNU_SOURCE
#define _GNU_SOURCE /* POLLRDHUP */
#endif
#include <errno.h>
#include <poll.h>
#include <stdlib.h>
#include <sys/stat.h>

#include "net_poll.h"

#ifndef POLLRDHUP
#define POLLRDHUP 0
#endif

/* The list that poll gets, made anew for each call. */
typedef struct pollset {
  struct pollfd *list;
  size_t room;
} pollset;

static int poll_open (net_poll *p) {
  p->own = calloc(1, sizeof(pollset));
  return p->own ? 0 : NET_ERROR;
}

static void poll_close (net_poll *p) {
  pollset *set = p->own;
  if (set) free(set->list);
  free(set);
  p->own = NULL;
}

static int poll_set (net_poll *p, net_fd fd, int before) {
  struct stat st;
  (void)before;
  if (p->entries[fd].kind == ENTRY_NONE) return 0;
  if (fstat(fd, &st) < 0) return NET_ERROR;
  if (!S_ISREG(st.st_mode) && !S_ISDIR(st.st_mode)) return 0;
  errno = EPERM; /* as epoll has it */
  return NET_ERROR;
}

static short events_of (const net_entry *e) {
  int events = 0;
  if (e->want & NET_READ) events |= POLLIN | POLLRDHUP;
  if (e->want & NET_WRITE) events |= POLLOUT;
  return (short)events;
}

/* The armed descriptors; their number, or NET_ERROR. */
static int gather (net_poll *p) {
  pollset *set = p->own;
  int n = 0;
  if (set->room < (size_t)p->nentries) {
    struct pollfd *list =
        realloc(set->list, (size_t)p->nentries * sizeof *list);
    if (list == NULL) return NET_ERROR;
    set->list = list;
    set->room = (size_t)p->nentries;
  }
  for (net_fd fd = 0; fd < p->nentries; fd++) {
    const net_entry *e = &p->entries[fd];
    if (e->kind == ENTRY_NONE || e->want == 0) continue;
    set->list[n].fd = fd;
    set->list[n].events = events_of(e);
    set->list[n++].revents = 0;
  }
  return n;
}

static int what_of (short revents) {
  int what = 0;
  if (revents & POLLIN) what |= NET_READ;
  if (revents & POLLOUT) what |= NET_WRITE;
  if (revents & (POLLRDHUP | POLLHUP | POLLERR)) what |= NET_HANGUP;
  return what;
}

static void report (net_poll *p, const struct pollfd *pfd) {
  net_entry *e = &p->entries[pfd->fd];
  int what = what_of(pfd->revents);
  if (pfd->revents & POLLNVAL) { /* closed behind our back */
    e->kind = ENTRY_NONE;
    return;
  }
  if (e->kind == ENTRY_WATCH || pfd->revents & (POLLHUP | POLLERR))
    e->want = 0;
  else
    e->want &= (unsigned char)~(what & NET_HANGUP ? what | NET_READ : what);
  p->found[p->nfound].fd = pfd->fd;
  p->found[p->nfound].generation = e->generation;
  p->found[p->nfound++].what = what;
}

static int poll_wait (net_poll *p, int milliseconds) {
  pollset *set = p->own;
  int n = gather(p);
  if (n < 0) return NET_ERROR;
  int left = poll(set->list, (nfds_t)n, milliseconds);
  if (left < 0) return errno == EINTR ? NET_AGAIN : NET_ERROR;
  for (int i = 0; i < n && left > 0 && p->nfound < NET_BATCH; i++) {
    if (set->list[i].revents == 0) continue;
    report(p, &set->list[i]);
    left--;
  }
  return p->nfound;
}

const net_backend net_backend_poll = {"poll", poll_open, poll_close, poll_set,
                                      poll_wait};
