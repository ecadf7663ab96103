/*
** net_signal_name.c - the names of the signals that can be caught.
*/
#include "net_posix.h"

#include <signal.h>
#include <string.h>

#include "net_sys.h"

static const struct {
  const char *name;
  int number;
} names[] = {
    {"INT", SIGINT},     {"TERM", SIGTERM},
#ifdef NET_POSIX
    {"HUP", SIGHUP},     {"QUIT", SIGQUIT}, {"USR1", SIGUSR1},
    {"USR2", SIGUSR2},   {"PIPE", SIGPIPE}, {"ALRM", SIGALRM},
    {"CHLD", SIGCHLD},   {"CONT", SIGCONT}, {"TSTP", SIGTSTP},
    {"TTIN", SIGTTIN},   {"TTOU", SIGTTOU},
#endif
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
