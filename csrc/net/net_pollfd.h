/*
** net_pollfd.h - poll(), or what stands for it on Windows.
*/
#ifndef net_pollfd_h
#define net_pollfd_h

#ifdef NET_POSIX

#include <poll.h>

#else

#include "net_wsa.h"

typedef ULONG nfds_t;

/* WSAPoll takes no empty list. */
static inline int poll (struct pollfd *list, nfds_t n, int milliseconds) {
  int found;
  if (n == 0) {
    Sleep(milliseconds < 0 ? INFINITE : (DWORD)milliseconds);
    return 0;
  }
  found = WSAPoll(list, n, milliseconds);
  if (found < 0) net_wsa_failed();
  return found;
}

#endif

#ifndef POLLRDHUP
#define POLLRDHUP 0
#endif

#endif
