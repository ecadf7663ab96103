/*
** net_sigpipe.c - writes without SIGPIPE where no flag of the call can say so:
** the signal is blocked in this thread, and taken out if the write has raised
** it. A library must not ignore it for the whole process.
*/
#include "net_posix.h"

#ifdef NET_POSIX

#include <pthread.h>
#include <signal.h>

#include "net_sys.h"

static void set_of_pipe (sigset_t *set) {
  sigemptyset(set);
  sigaddset(set, SIGPIPE);
}

static int is_pending (void) {
  sigset_t pending;
  sigpending(&pending);
  return sigismember(&pending, SIGPIPE);
}

void net_sigpipe_block (net_sigpipe *s) {
  sigset_t set, before;
  set_of_pipe(&set);
  s->was_pending = is_pending();
  pthread_sigmask(SIG_BLOCK, &set, &before);
  s->was_blocked = sigismember(&before, SIGPIPE);
}

void net_sigpipe_restore (const net_sigpipe *s) {
  sigset_t set;
  int signo;
  set_of_pipe(&set);
  if (!s->was_pending && is_pending()) sigwait(&set, &signo);
  if (!s->was_blocked) pthread_sigmask(SIG_UNBLOCK, &set, NULL);
}

#else
typedef int net_sigpipe_is_empty; /* ISO C wants a declaration */
#endif
