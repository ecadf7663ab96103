/*
** net_poll_poll.c - the poller's back end for all other systems. Masking makes
** it edge-triggered: a direction that was reported is not polled again until
** net_poll_rearm, and a hangup is reported once. An entry's `own` identifies
** its open file.
*/
#include "net_posix.h"

#include <errno.h>
#include <stdlib.h>

#include "net_poll.h"
#include "net_pollfd.h"

/* The list for poll, filled for each call. */
typedef struct pollset {
  struct pollfd *list;
  size_t room;
  int first; /* index to begin at, so that a full batch starves no descriptor */
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
  net_entry *e = &p->entries[fd];
  (void)before;
  return e->kind == ENTRY_NONE ? 0 : net_poll_file(fd, &e->own);
}

static int poll_has (net_poll *p, net_fd fd) {
  uint64_t file;
  return net_poll_file(fd, &file) == 0 && p->entries[fd].own == file;
}

static short events_of (const net_entry *e) {
  int events = 0;
  if (e->want & NET_READ) events |= POLLIN;
  if (e->want & NET_WRITE) events |= POLLOUT;
  if (e->want & NET_HANGUP) events |= POLLRDHUP;
  return (short)events;
}

/* Lists the armed descriptors. Returns their number, or NET_ERROR. */
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
  if (revents & (POLLIN | POLLRDHUP)) what |= NET_READ; /* the end is read */
  if (revents & POLLOUT) what |= NET_WRITE;
  if (revents & (POLLRDHUP | POLLHUP | POLLERR)) what |= NET_HANGUP;
  return what;
}

/* Returns what remains armed: nothing after HUP or ERR, which poll would report
   again and again. */
static int still_wanted (const net_entry *e, short revents, int what) {
  if (e->kind == ENTRY_WATCH || revents & (POLLHUP | POLLERR)) return 0;
  return e->want & ~what;
}

static void report (net_poll *p, const struct pollfd *pfd) {
  net_entry *e = &p->entries[pfd->fd];
  net_found *f = &p->found[p->nfound];
  if (pfd->revents & POLLNVAL) { /* closed without our knowledge */
    e->kind = ENTRY_NONE;
    return;
  }
  f->fd = pfd->fd;
  f->generation = e->generation;
  f->what = what_of(pfd->revents);
  e->want = (unsigned char)still_wanted(e, pfd->revents, f->what);
  p->nfound++;
}

static int poll_wait (net_poll *p, int milliseconds) {
  pollset *set = p->own;
  int n = gather(p);
  if (n < 0) return NET_ERROR;
  int left = poll(set->list, (nfds_t)n, milliseconds);
  if (left < 0) return errno == EINTR ? NET_AGAIN : NET_ERROR;
  if (set->first >= n) set->first = 0;
  for (int i = set->first; left > 0 && p->nfound < NET_BATCH;) {
    if (set->list[i].revents != 0) {
      report(p, &set->list[i]);
      left--;
    }
    i = i + 1 < n ? i + 1 : 0;
    set->first = i;
  }
  return p->nfound;
}

const net_backend net_backend_poll = {
    "poll", 1, 0, poll_open, poll_close, poll_set, poll_has, poll_wait};
