/*
** net_poll.h - what net_poll.c and its back ends share.
*/
#ifndef net_poll_h
#define net_poll_h

#include "net_sys.h"

/* The back ends of this system, beside poll. */
#if defined(__linux__)
#define NET_HAS_EPOLL 1
#elif defined(__APPLE__) || defined(__FreeBSD__) || defined(__OpenBSD__) || \
    defined(__NetBSD__) || defined(__DragonFly__)
#define NET_HAS_KQUEUE 1
#endif

#pragma GCC visibility push(hidden)

enum { NET_BATCH = 256 }; /* events found by one wait */

enum { ENTRY_NONE, ENTRY_EDGE, ENTRY_WATCH };

/* A registration, by descriptor number. */
typedef struct net_entry {
  uint32_t slot;
  uint32_t generation; /* of this use of the number */
  unsigned char kind;
  unsigned char want; /* what is armed: a set of NET_READ ... NET_HANGUP */
  unsigned forks;     /* those of the process when it was registered */
  uint64_t own;       /* the back end's */
} net_entry;

typedef struct net_found {
  net_fd fd;
  uint32_t generation;
  int what;
} net_found;

typedef struct net_backend {
  const char *name;
  int outlives_fork;        /* a forked child inherits p->fd */
  int forgets;              /* a registration ends with its file */
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
  net_fd timer; /* epoll's, or NET_NONE; when it expires, a time of net_now */
  double armed;
  unsigned forks; /* net_poll.c's `forks` when fd was created */
};

extern const net_backend net_backend_epoll, net_backend_kqueue,
    net_backend_poll;

/* ---- net_poll_posix.c, net_poll_win.c */
/* Whether fd is an open descriptor; sets errno if not. */
int net_poll_is_open (net_fd fd);
/* 0 and what identifies the open file, if anything; NET_ERROR (EPERM: one that
   is always ready, and cannot be polled). */
int net_poll_file (net_fd fd, uint64_t *id);

#pragma GCC visibility pop

#endif
