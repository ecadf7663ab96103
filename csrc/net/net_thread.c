/*
** net_thread.c - a helper thread that nobody waits for.
*/
#include "net_posix.h"

#include "net_thread.h"

#ifdef NET_POSIX

#include <pthread.h>
#include <signal.h>

/* With all signals blocked: they are for the program's own threads. */
int net_thread_start (void *(*run)(void *), void *arg) {
  sigset_t all, before;
  pthread_attr_t attr;
  pthread_t thread;
  int err;
  sigfillset(&all);
  pthread_attr_init(&attr);
  pthread_attr_setdetachstate(&attr, PTHREAD_CREATE_DETACHED);
  pthread_attr_setstacksize(&attr, NET_THREAD_STACK);
  pthread_sigmask(SIG_SETMASK, &all, &before);
  err = pthread_create(&thread, &attr, run, arg);
  pthread_sigmask(SIG_SETMASK, &before, NULL);
  pthread_attr_destroy(&attr);
  return err;
}

#endif
