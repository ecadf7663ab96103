/*
** net_signal_win.c - net_signal.c on Windows: what a console tells its programs
** comes as INT (Ctrl-C) and TERM (Ctrl-Break, the window is closed). Windows
** calls the handler on a thread of its own.
*/
#include "net_posix.h"

#ifndef NET_POSIX

#include <pthread.h>
#include <signal.h>
#include <stdlib.h>

#include "net_wsa.h"

struct net_signals {
  net_signals *next;
  net_fd ends[2];
  unsigned char wanted[NSIG], arrived[NSIG];
};

/* The lock guards the list and all its members. */
static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static net_signals *all;

/* Returns how many users want the signal, and tells them. */
static int tell (int signo) {
  int n = 0;
  pthread_mutex_lock(&lock);
  for (net_signals *s = all; s; s = s->next) {
    if (!s->wanted[signo]) continue;
    s->arrived[signo] = 1;
    net_pipe_write(s->ends[1]);
    n++;
  }
  pthread_mutex_unlock(&lock);
  return n;
}

/* FALSE leaves the event to the handler from before, which ends the process. */
static BOOL WINAPI handler (DWORD event) {
  return tell(event == CTRL_C_EVENT ? SIGINT : SIGTERM) > 0;
}

static void install (void) {
  net_stay_loaded();
  SetConsoleCtrlHandler(handler, TRUE);
}

net_signals *net_signals_new (void) {
  static pthread_once_t once = PTHREAD_ONCE_INIT;
  net_signals *s = calloc(1, sizeof *s);
  if (s == NULL || net_pipe(s->ends) < 0) {
    free(s);
    return NULL;
  }
  pthread_once(&once, install);
  pthread_mutex_lock(&lock);
  s->next = all;
  all = s;
  pthread_mutex_unlock(&lock);
  return s;
}

void net_signals_free (net_signals *s) {
  net_signals **at = &all;
  if (s == NULL) return;
  pthread_mutex_lock(&lock);
  while (*at != s) at = &(*at)->next;
  *at = s->next;
  pthread_mutex_unlock(&lock);
  net_close(s->ends[0]);
  net_close(s->ends[1]);
  free(s);
}

net_fd net_signals_fd (const net_signals *s) { return s->ends[0]; }

static int want (net_signals *s, int signo, unsigned char wanted) {
  if (net_signal_name(signo) == NULL) return NET_ERROR;
  pthread_mutex_lock(&lock);
  if (s->wanted[signo] != wanted) s->arrived[signo] = 0;
  s->wanted[signo] = wanted;
  pthread_mutex_unlock(&lock);
  return 0;
}

int net_signals_catch (net_signals *s, int signo) { return want(s, signo, 1); }

int net_signals_restore (net_signals *s, int signo) {
  return want(s, signo, 0);
}

int net_signals_next (net_signals *s) {
  char drop[64];
  int found = 0;
  while (net_read(s->ends[0], drop, sizeof drop) > 0) continue;
  pthread_mutex_lock(&lock);
  for (int signo = 1; signo < NSIG && found == 0; signo++) {
    if (s->arrived[signo]) found = signo;
    s->arrived[signo] = 0;
  }
  pthread_mutex_unlock(&lock);
  return found;
}

#else
typedef int net_signal_win_is_empty; /* ISO C wants a declaration */
#endif
