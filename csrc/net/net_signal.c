/*
** net_signal.c - signals as a readable descriptor, one for each user (a Lua
** state): the handler marks the signal for every user that catches it and
** writes a byte into that user's pipe.
**
** The handler takes no lock, so it only reads what stays valid for ever:
** records of users are never freed and their pipes never closed, but reused by
** later users.
*/
#include "net_posix.h"

#ifdef NET_POSIX

#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "net_sys.h"

#ifndef NSIG
#define NSIG 65
#endif

struct net_signals {
  net_signals *next; /* set before the handler can see the record */
  int used;
  net_fd ends[2];
  unsigned char wanted[NSIG]; /* these two are read and written atomically */
  unsigned char arrived[NSIG];
};

static net_signals *all; /* read by the handler, so set atomically */

/* The number of users of each signal, and the disposition before the first of
   them. The lock guards these, `used` and additions to the list. */
static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static unsigned users[NSIG];
static struct sigaction before[NSIG];

/* ---------------------------------------------------------------- arriving */

static int is_set (const unsigned char *flag) {
  return __atomic_load_n(flag, __ATOMIC_ACQUIRE);
}

static void set (unsigned char *flag, int value) {
  __atomic_store_n(flag, (unsigned char)value, __ATOMIC_RELEASE);
}

static net_signals *first (void) {
  return __atomic_load_n(&all, __ATOMIC_ACQUIRE);
}

/* A full pipe loses no signal: it is marked as arrived, and the pipe is
   readable. */
static void handler (int signo) {
  int err = errno;
  for (net_signals *s = first(); s; s = s->next) {
    ssize_t written;
    if (!is_set(&s->wanted[signo])) continue;
    set(&s->arrived[signo], 1);
    written = write(s->ends[1], "", 1);
    (void)written;
  }
  errno = err;
}

int net_signals_next (net_signals *s) {
  char drop[64];
  while (read(s->ends[0], drop, sizeof drop) > 0) continue;
  for (int signo = 1; signo < NSIG; signo++) {
    if (!is_set(&s->arrived[signo])) continue;
    set(&s->arrived[signo], 0);
    /* a handler on another thread may mark a signal just restored */
    if (is_set(&s->wanted[signo])) return signo;
  }
  return 0;
}

/* ------------------------------------------------------------------- users */

static void acquire (void) { pthread_mutex_lock(&lock); }
static void release (void) { pthread_mutex_unlock(&lock); }

/* In a forked child: replaces the pipes, which are shared with the parent, and
   drops the parent's signals. Pollers know the pipes by number, so the numbers
   stay. */
static void replace_pipes (void) {
  for (net_signals *s = first(); s; s = s->next) {
    net_fd made[2];
    memset(s->arrived, 0, sizeof s->arrived);
    if (net_pipe(made) < 0) continue;
    for (int i = 0; i < 2; i++) {
      dup2(made[i], s->ends[i]);
      fcntl(s->ends[i], F_SETFD, FD_CLOEXEC);
      close(made[i]);
    }
  }
  release();
}

static net_signals *add_record (void) {
  net_signals *s = calloc(1, sizeof *s);
  if (s == NULL || net_pipe(s->ends) < 0) {
    free(s);
    return NULL;
  }
  if (all == NULL) {
    net_stay_loaded(); /* the handler may be called at any time */
    pthread_atfork(acquire, release, replace_pipes);
  }
  s->next = all;
  __atomic_store_n(&all, s, __ATOMIC_RELEASE);
  return s;
}

net_signals *net_signals_new (void) {
  net_signals *s;
  acquire();
  for (s = all; s && s->used; s = s->next) continue;
  if (s == NULL) s = add_record();
  if (s) s->used = 1;
  release();
  return s;
}

void net_signals_free (net_signals *s) {
  if (s == NULL) return;
  for (int signo = 1; signo < NSIG; signo++) net_signals_restore(s, signo);
  while (net_signals_next(s) != 0) continue;
  acquire();
  s->used = 0;
  release();
}

net_fd net_signals_fd (const net_signals *s) { return s->ends[0]; }

/* ---------------------------------------------------------------- catching */

static int install (int signo) {
  struct sigaction action;
  memset(&action, 0, sizeof action);
  action.sa_handler = handler;
  action.sa_flags = SA_RESTART; /* poll and epoll_wait return EINTR even so */
  sigfillset(&action.sa_mask);
  return sigaction(signo, &action, &before[signo]) < 0 ? NET_ERROR : 0;
}

/* Restores the disposition from before, unless a handler was set after ours. */
static int put_back (int signo) {
  struct sigaction now;
  if (sigaction(signo, NULL, &now) < 0) return NET_ERROR;
  if ((now.sa_flags & SA_SIGINFO) || now.sa_handler != handler) return 0;
  return sigaction(signo, &before[signo], NULL) < 0 ? NET_ERROR : 0;
}

static int catch_one (net_signals *s, int signo) {
  if (is_set(&s->wanted[signo])) return 0;
  if (users[signo] == 0 && install(signo) < 0) return NET_ERROR;
  users[signo]++;
  set(&s->wanted[signo], 1);
  return 0;
}

static int restore_one (net_signals *s, int signo) {
  if (!is_set(&s->wanted[signo])) return 0;
  if (users[signo] == 1 && put_back(signo) < 0) return NET_ERROR;
  users[signo]--;
  set(&s->wanted[signo], 0);
  set(&s->arrived[signo], 0);
  return 0;
}

static int locked (int (*change)(net_signals *, int), net_signals *s,
                   int signo) {
  int result;
  if (signo <= 0 || signo >= NSIG) return NET_ERROR;
  acquire();
  result = change(s, signo);
  release();
  return result;
}

int net_signals_catch (net_signals *s, int signo) {
  return locked(catch_one, s, signo);
}

int net_signals_restore (net_signals *s, int signo) {
  return locked(restore_one, s, signo);
}

#else
typedef int net_signal_is_empty; /* ISO C wants a declaration */
#endif
