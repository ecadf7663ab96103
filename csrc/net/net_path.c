/*
** net_path.c - the paths of Unix sockets: which socket a path names, so that a
** server removes no other's.
*/
#include "net_posix.h"

#ifdef NET_POSIX

#include <errno.h>
#include <pthread.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "net_sys.h"

int net_path_socket (const char *path, net_path_id *id) {
  struct stat st;
  if (lstat(path, &st) < 0 || !S_ISSOCK(st.st_mode)) return 0;
  id->device = (uint64_t)st.st_dev;
  id->inode = (uint64_t)st.st_ino;
  return 1;
}

int net_path_absolute (const char *path, char *to, size_t size) {
  size_t n = 0;
  int m;
  to[0] = '\0';
  if (path[0] != '/') {
    if (getcwd(to, size) == NULL) return NET_ERROR;
    n = strlen(to);
  }
  m = snprintf(to + n, size - n, "%s%s", n > 0 ? "/" : "", path);
  if (m >= 0 && (size_t)m < size - n) return 0;
  errno = ENAMETOOLONG;
  return NET_ERROR;
}

/* Asked for each connection, so kept. Written by pthread_once, and in a forked
   child, which has one thread. */
static long process;
static void ask (void) { process = (long)getpid(); }

static void install (void) {
  ask();
  pthread_atfork(NULL, NULL, ask);
}

long net_process (void) {
  static pthread_once_t once = PTHREAD_ONCE_INIT;
  pthread_once(&once, install);
  return process;
}

#else
typedef int net_path_is_empty; /* ISO C wants a declaration */
#endif
