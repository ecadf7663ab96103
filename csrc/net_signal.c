/*
** net_signal.c - signals as a readable descriptor: the handler only marks the
** signal and writes a byte into the process's one pipe. Where several Lua states
** catch signals, whichever asks first gets them.
*/
#include "net_posix.h"

#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <signal.h>
#include <string.h>
#include <unistd.h>

#include "net.h"

#ifndef NSIG
#define NSIG 65
#endif

static net_fd ends[2] = {NET_NONE, NET_NONE};
static volatile sig_atomic_t arrived[NSIG];
static unsigned char caught[NSIG];
static struct sigaction before[NSIG];

static const struct {
  const char *name;
  int number;
} names[] = {
    {"HUP", SIGHUP},     {"INT", SIGINT},   {"QUIT", SIGQUIT},
    {"TERM", SIGTERM},   {"USR1", SIGUSR1}, {"USR2", SIGUSR2},
    {"PIPE", SIGPIPE},   {"ALRM", SIGALRM}, {"CHLD", SIGCHLD},
    {"CONT", SIGCONT},   {"TSTP", SIGTSTP}, {"TTIN", SIGTTIN},
    {"TTOU", SIGTTOU},
#ifdef SIGWINCH
    {"WINCH", SIGWINCH},
#endif
};

enum { NNAMES = sizeof names / sizeof names[0] };

int net_signal_number (const char *name) {
  for (int i = 0; i < NNAMES; i++)
    if (strcmp(names[i].name, name) == 0) return names[i].number;
  return 0;
}

const char *net_signal_name (int signo) {
  for (int i = 0; i < NNAMES; i++)
    if (names[i].number == signo) return names[i].name;
  return NULL;
}

/* A full pipe loses no signal: it is marked, and the pipe is readable. */
static void handler (int signo) {
  int err = errno;
  arrived[signo] = 1;
  ssize_t written = write(ends[1], "", 1);
  (void)written;
  errno = err;
}

static int make_pipe (net_fd made[2]) {
  if (pipe(made) < 0) return NET_ERROR;
  net_nonblocking(made[0]);
  net_nonblocking(made[1]);
  return 0;
}

/* In a child: what wakes it must not wake its parent, and what arrived before
   was the parent's. The numbers stay, since pollers know them. */
static void part_from_parent (void) {
  net_fd made[2];
  for (int signo = 1; signo < NSIG; signo++) arrived[signo] = 0;
  if (ends[0] == NET_NONE || make_pipe(made) < 0) return;
  for (int i = 0; i < 2; i++) {
    dup2(made[i], ends[i]);
    fcntl(ends[i], F_SETFD, FD_CLOEXEC);
    close(made[i]);
  }
}

net_fd net_signal_fd (void) {
  net_fd made[2];
  if (ends[0] != NET_NONE) return ends[0];
  if (make_pipe(made) < 0) return NET_NONE;
  memcpy(ends, made, sizeof ends);
  net_stay_loaded(); /* for the handler may be called at any time */
  pthread_atfork(NULL, NULL, part_from_parent);
  return ends[0];
}

int net_signal_catch (int signo) {
  struct sigaction action;
  if (signo <= 0 || signo >= NSIG || net_signal_fd() == NET_NONE)
    return NET_ERROR;
  if (caught[signo]) return 0;
  memset(&action, 0, sizeof action);
  action.sa_handler = handler;
  action.sa_flags = SA_RESTART; /* waiting for events ends all the same */
  sigfillset(&action.sa_mask);
  if (sigaction(signo, &action, &before[signo]) < 0) return NET_ERROR;
  caught[signo] = 1;
  return 0;
}

int net_signal_restore (int signo) {
  if (signo <= 0 || signo >= NSIG) return NET_ERROR;
  if (!caught[signo]) return 0;
  if (sigaction(signo, &before[signo], NULL) < 0) return NET_ERROR;
  caught[signo] = 0;
  arrived[signo] = 0; /* after it: now no handler marks it any more */
  return 0;
}

int net_signal_next (void) {
  char drop[64];
  if (ends[0] == NET_NONE) return 0;
  while (read(ends[0], drop, sizeof drop) > 0) continue;
  for (int signo = 1; signo < NSIG; signo++) {
    if (!arrived[signo]) continue;
    arrived[signo] = 0;
    return signo;
  }
  return 0;
}
