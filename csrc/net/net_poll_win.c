/*
** net_poll_win.c - what the poller asks Windows; its back end there is
** net_poll_poll.c over WSAPoll.
*/
#include "net_posix.h"

#ifndef NET_POSIX

#include "net_poll.h"
#include "net_wsa.h"

int net_poll_is_open (net_fd fd) {
  int type, size = sizeof type;
  if (net_wsa_start() < 0) return 0;
  return getsockopt((SOCKET)fd, SOL_SOCKET, SO_TYPE, (char *)&type, &size) == 0
             ? 1
             : (net_wsa_failed(), 0);
}

/* Nothing identifies a socket beside its number. */
int net_poll_file (net_fd fd, uint64_t *id) {
  *id = 0;
  return net_poll_is_open(fd) ? 0 : NET_ERROR;
}

#else
typedef int net_poll_win_is_empty; /* ISO C wants a declaration */
#endif
