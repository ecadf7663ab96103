/*
** net_poll_posix.c - what the poller asks a POSIX system, whichever its back
** end.
*/
#include "net_posix.h"

#ifdef NET_POSIX

#include <errno.h>
#include <fcntl.h>
#include <sys/stat.h>

#include "net_poll.h"

int net_poll_is_open (net_fd fd) { return fcntl(fd, F_GETFD) >= 0; }

/* Sockets and pipes have inode numbers, as files do. */
int net_poll_file (net_fd fd, uint64_t *id) {
  struct stat st;
  if (fstat(fd, &st) < 0) return NET_ERROR;
  *id = (uint64_t)st.st_ino;
  if (!S_ISREG(st.st_mode) && !S_ISDIR(st.st_mode)) return 0;
  errno = EPERM; /* as epoll does */
  return NET_ERROR;
}

#else
typedef int net_poll_posix_is_empty; /* ISO C wants a declaration */
#endif
