/*
** net_address.c - addresses between the system's form and text.
*/
#include "net_posix.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "net_address.h"

static int print_unix (const net_any *from, socklen_t size, net_address *a) {
  size_t room = (size_t)size > offsetof(struct sockaddr_un, sun_path)
                    ? (size_t)size - offsetof(struct sockaddr_un, sun_path)
                    : 0;
  size_t n = strnlen(from->un.sun_path, room);
  if (n >= sizeof a->host) n = sizeof a->host - 1;
  memcpy(a->host, from->un.sun_path, n);
  a->host[n] = '\0';
  a->port = 0;
  a->family = NET_UNIX;
  return 0;
}

int net_address_print (const net_any *from, socklen_t size, net_address *a) {
  int v6 = from->sa.sa_family == AF_INET6;
  if (from->sa.sa_family == AF_UNIX) return print_unix(from, size, a);
  if (getnameinfo(&from->sa, size, a->host, sizeof a->host, NULL, 0,
                  NI_NUMERICHOST) != 0) {
    errno = EINVAL;
    return NET_ERROR;
  }
  a->port = ntohs(v6 ? from->in6.sin6_port : from->in.sin_port);
  a->family = v6 ? NET_INET6 : NET_INET;
  return 0;
}

void net_address_of (const net_sockaddr *from, net_address *a) {
  net_any any = {.sa.sa_family = AF_UNSPEC};
  memcpy(&any, from->bytes, from->n);
  if (net_address_print(&any, from->n, a) < 0) memset(a, 0, sizeof *a);
}

int net_address_set (net_address *a, int family, const char *host, int port) {
  size_t n = strlen(host);
  if (n >= sizeof a->host) {
    errno = ENAMETOOLONG;
    return NET_ERROR;
  }
  memcpy(a->host, host, n + 1);
  a->port = port;
  a->family = family;
  return 0;
}

int net_address_domain (int family) {
  if (family == NET_UNIX) return AF_UNIX;
  return family == NET_INET6 ? AF_INET6 : AF_INET;
}

static socklen_t write_unix (const net_address *a, net_any *to) {
  size_t n = strlen(a->host) + 1;
  if (n > sizeof to->un.sun_path) {
    errno = ENAMETOOLONG;
    return 0;
  }
  memset(&to->un, 0, sizeof to->un);
  to->un.sun_family = AF_UNIX;
  memcpy(to->un.sun_path, a->host, n);
  return (socklen_t)(offsetof(struct sockaddr_un, sun_path) + n);
}

/* getaddrinfo knows scopes. */
socklen_t net_address_write (const net_address *a, net_any *to) {
  struct addrinfo hints, *all = NULL;
  socklen_t size;
  char port[16];
  if (a->family == NET_UNIX) return write_unix(a, to);
  memset(&hints, 0, sizeof hints);
  hints.ai_family = net_address_domain(a->family);
  hints.ai_socktype = SOCK_STREAM;
  hints.ai_flags = AI_NUMERICHOST | AI_NUMERICSERV;
  snprintf(port, sizeof port, "%d", a->port);
  if (net_address_start() < 0) return 0;
  if (getaddrinfo(a->host, port, &hints, &all) != 0) {
    errno = EINVAL;
    return 0;
  }
  size = (socklen_t)all->ai_addrlen;
  memcpy(to, all->ai_addr, size);
  freeaddrinfo(all);
  return size;
}

void net_address_copy (const net_any *from, socklen_t size, net_sockaddr *to) {
  to->n =
      (unsigned char)(size < (socklen_t)sizeof to->bytes ? (size_t)size
                                                         : sizeof to->bytes);
  memcpy(to->bytes, from, to->n);
}
