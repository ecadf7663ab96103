/*
** ws_random.c - random bytes for masking keys and handshake keys: OpenSSL's,
** drawn a block at a time, since asking for four bytes costs more than masking
** a small frame. Each thread has a block of its own, and the child of a fork
** throws away what it would share with its parent (RFC 6455 section 10.3: keys
** are not to be predicted).
*/
#include <limits.h>
#include <pthread.h>
#include <string.h>

#include <openssl/rand.h>

#include "ws_base.h"

enum { BLOCK = 512 };

static unsigned forks; /* how often this process is a child of another */

static void count_fork (void) { forks++; }
static void install (void) { pthread_atfork(NULL, NULL, count_fork); }

/* C99 has no keyword for this. */
#if defined __STDC_VERSION__ && __STDC_VERSION__ >= 201112L
#define thread_local_static static _Thread_local
#else
#define thread_local_static __extension__ static __thread
#endif

thread_local_static struct {
  unsigned char p[BLOCK];
  size_t left; /* at the end of p */
  unsigned forks;
} block;

static int draw (void *out, size_t n) {
  unsigned char *p = out;
  while (n > 0) {
    int some = n < INT_MAX ? (int)n : INT_MAX;
    if (RAND_bytes(p, some) != 1) return -1;
    p += some;
    n -= (size_t)some;
  }
  return 0;
}

static int refill (void) {
  static pthread_once_t once = PTHREAD_ONCE_INIT;
  pthread_once(&once, install);
  block.left = 0;
  if (draw(block.p, BLOCK) != 0) return -1;
  block.left = BLOCK;
  block.forks = forks;
  return 0;
}

int ws_random_openssl (void *ud, void *out, size_t n) {
  (void)ud;
  if (n > BLOCK / 8) return draw(out, n);
  if ((block.left < n || block.forks != forks) && refill() != 0) return -1;
  if (n > 0) memcpy(out, block.p + BLOCK - block.left, n);
  block.left -= n;
  return 0;
}
