/*
** net_lookup.c - getaddrinfo on a helper thread, because it blocks until a name
** server answers. The thread is detached and shares one block of memory with
** its owner; the last of the two to release it frees it. It uses malloc only,
** and no lock: after a fork the thread that holds one does not exist.
*/
#include "net_posix.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "net_address.h"
#include "net_sys.h"
#include "net_thread.h"

struct net_lookup {
  int users; /* thread and owner, counted atomically: the last one frees */
  int done;  /* atomic: once set, the owner may read the thread's results */
  int error; /* getaddrinfo's */
  int family;
  int n;
  net_address *list;
  net_fd read_end, write_end; /* the owner's, the thread's */
  char *host;
};

static void release (net_lookup *l) {
  if (__atomic_sub_fetch(&l->users, 1, __ATOMIC_ACQ_REL) > 0) return;
  free(l->list);
  free(l->host);
  free(l);
}

/* Prints one numeric address. Returns 0 for a family that we do not use. */
static int print (const struct addrinfo *ai, net_address *a) {
  if (ai->ai_family != AF_INET && ai->ai_family != AF_INET6) return 0;
  a->family = ai->ai_family == AF_INET ? NET_INET : NET_INET6;
  a->port = 0;
  return getnameinfo(ai->ai_addr, ai->ai_addrlen, a->host, sizeof a->host, NULL,
                     0, NI_NUMERICHOST) == 0;
}

static int is_known (const net_lookup *l, const net_address *a) {
  for (int i = 0; i < l->n; i++)
    if (strcmp(l->list[i].host, a->host) == 0) return 1;
  return 0;
}

static void collect (net_lookup *l, const struct addrinfo *all) {
  size_t n = 0;
  for (const struct addrinfo *ai = all; ai; ai = ai->ai_next) n++;
  l->list = calloc(n, sizeof *l->list);
  if (l->list == NULL) {
    l->error = EAI_MEMORY;
    return;
  }
  for (const struct addrinfo *ai = all; ai; ai = ai->ai_next) {
    net_address *a = &l->list[l->n];
    if (print(ai, a) && !is_known(l, a)) l->n++;
  }
}

static void *look_up (void *arg) {
  net_lookup *l = arg;
  struct addrinfo hints, *all = NULL;
  memset(&hints, 0, sizeof hints);
  hints.ai_family = l->family < 0 ? AF_UNSPEC : net_address_domain(l->family);
  hints.ai_socktype = SOCK_STREAM;
  l->error = getaddrinfo(l->host, NULL, &hints, &all);
  if (l->error == 0) {
    collect(l, all);
    freeaddrinfo(all);
  }
  __atomic_store_n(&l->done, 1, __ATOMIC_RELEASE);
  /* closing alone is not noticed while a forked child has the pipe open too;
     SIGPIPE is blocked here */
  net_pipe_write(l->write_end);
  net_close(l->write_end);
  release(l);
  return NULL;
}

static int start (net_lookup *l) {
  int err;
  l->users = 2;
  err = net_thread_start(look_up, l);
  if (err != 0) l->users = 1;
  return err;
}

net_lookup *net_lookup_new (const char *host, int family) {
  net_lookup *l = calloc(1, sizeof *l);
  net_fd ends[2];
  if (l == NULL || net_address_start() < 0) {
    free(l);
    return NULL;
  }
  net_stay_loaded(); /* the thread runs this code */
  l->host = strdup(host);
  if (l->host == NULL || net_pipe(ends) < 0) {
    free(l->host);
    free(l);
    return NULL;
  }
  l->family = family;
  l->read_end = ends[0];
  l->write_end = ends[1];
  int err = start(l);
  if (err == 0) return l;
  net_close(ends[1]);
  net_lookup_free(l);
  errno = err == EAGAIN ? ENOMEM : err; /* too many threads */
  return NULL;
}

net_fd net_lookup_fd (const net_lookup *l) { return l->read_end; }

static const char *text_of (int error) {
  switch (error) {
    case EAI_AGAIN: return "temporary failure, try again";
    case EAI_MEMORY: return "not enough memory";
#ifdef EAI_SYSTEM
    case EAI_SYSTEM:
#endif
    case EAI_FAIL: return "the name server failed";
    default: return "host not found";
  }
}

int net_lookup_take (net_lookup *l, const net_address **list,
                     const char **why) {
  if (!__atomic_load_n(&l->done, __ATOMIC_ACQUIRE)) return NET_AGAIN;
  if (l->error != 0 || l->n == 0) {
    *why = text_of(l->error);
    return NET_ERROR;
  }
  *list = l->list;
  return l->n;
}

void net_lookup_free (net_lookup *l) {
  if (l == NULL) return;
  net_close(l->read_end);
  release(l);
}

int net_numeric (const char *host, net_address *a) {
  struct addrinfo hints, *all = NULL;
  int ok;
  memset(&hints, 0, sizeof hints);
  hints.ai_flags = AI_NUMERICHOST;
  hints.ai_socktype = SOCK_STREAM;
  if (net_address_start() < 0) return 0;
  if (getaddrinfo(host, NULL, &hints, &all) != 0) return 0;
  ok = print(all, a);
  freeaddrinfo(all);
  return ok;
}
