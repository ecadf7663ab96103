/*
** net_poll_file.c - which open file a descriptor is, for the poller's back ends
** whose kernel does not tell.
*/
#include "net_posix.h"

#include <errno.h>
#include <sys/stat.h>

#include "net_poll.h"

/* Sockets and pipes have inode numbers, as files do. */
int net_poll_file (net_fd fd, uint64_t *id) {
  struct stat st;
  if (fstat(fd, &st) < 0) return NET_ERROR;
  *id = (uint64_t)st.st_ino;
  if (!S_ISREG(st.st_mode) && !S_ISDIR(st.st_mode)) return 0;
  errno = EPERM; /* as epoll does */
  return NET_ERROR;
}
