/*
** net_path_win.c - net_path.c on Windows.
*/
#include "net_posix.h"

#ifndef NET_POSIX

#include <errno.h>
#include <stdlib.h>

#include "net_wsa.h"

/* Nothing tells the socket at a path from another that is bound there later, so
   none is ever identified, and none removed. */
int net_path_socket (const char *path, net_path_id *id) {
  (void)path;
  (void)id;
  return 0;
}

int net_path_absolute (const char *path, char *to, size_t size) {
  if (_fullpath(to, path, size) != NULL) return 0;
  errno = ENAMETOOLONG;
  return NET_ERROR;
}

long net_process (void) { return (long)GetCurrentProcessId(); }

#else
typedef int net_path_win_is_empty; /* ISO C wants a declaration */
#endif
