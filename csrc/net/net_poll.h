/*
** net_poll.h - what net_poll.c and its back ends share.
*/
#ifndef net_poll_h
#define net_poll_h

#include "net_sys.h"

#pragma GCC visibility push(hidden)

enum { NET_BATCH = 256 }; /* events found by one wait */

enum { ENTRY_NONE, ENTRY_EDGE, ENTRY_WATCH };

/* A registration, by descriptor number. */
typedef struct net_entry {
  uint32_t slot;
  uint32_t generation; /* of this use of the number */
  unsigned char kind;
  unsigned char want; /* what is armed: a set of NET_READ ... NET_HANGUP */
  uint64_t file;      /* identifies the open file, for the poll back end */
} net_entry;

typedef struct net_found {
  net_fd fd;
  uint32_t generation;
  int what;
} net_found;

typedef struct net_backend {
  const char *name;
  int outlives_fork;        /* a forked child inherits p->fd */
  int (*open)(net_poll *p); /* 0 or NET_ERROR */
  void (*close)(net_poll *p);
  /* Tells the kernel about p->entries[fd], whose kind was `before`. */
  int (*set)(net_poll *p, net_fd fd, int before);
  /* Whether fd is still the file that p->entries[fd] was registered for, not
     another one under the same number. */
  int (*has)(net_poll *p, net_fd fd);
  /* Fills the empty p->found; like net_poll_wait. milliseconds < 0: for
     ever. */
  int (*wait)(net_poll *p, int milliseconds);
} net_backend;

struct net_poll {
  const net_backend *backend;
  net_fd fd; /* the kernel object, or NET_NONE */
  void *own; /* the back end's data */
  net_entry *entries;
  net_fd nentries;
  net_found found[NET_BATCH];
  int nfound, next;
  unsigned forks; /* net_poll.c's `forks` when fd was created */
};

extern const net_backend net_backend_epoll, net_backend_kqueue,
    net_backend_poll;

#pragma GCC visibility pop

#endif
