/*
** net_address.h - addresses in the system's form, for the files that pass them
** to it; and the headers of its sockets.
*/
#ifndef net_address_h
#define net_address_h

#include <stddef.h>

#ifdef NET_POSIX
#include <sys/types.h>

#include <netdb.h>
#include <netinet/in.h>
#include <sys/socket.h>
#include <sys/un.h>
/* Before the system is asked about addresses: 0 or NET_ERROR. */
#define net_address_start() 0
#else
#include "net_wsa.h"
#define net_address_start() net_wsa_start()
#endif

#include "net.h"

#pragma GCC visibility push(hidden)

typedef union net_any {
  struct sockaddr sa;
  struct sockaddr_in in;
  struct sockaddr_in6 in6;
  struct sockaddr_un un;
  struct sockaddr_storage storage;
} net_any;

/* AF_INET and so on. */
int net_address_domain (int family);
/* Writes it as text. 0 or NET_ERROR. */
int net_address_print (const net_any *from, socklen_t size, net_address *a);
/* Returns the size of what it has written; 0, and errno, if the path is too
   long, or the host is not in digits. */
socklen_t net_address_write (const net_address *a, net_any *to);
void net_address_copy (const net_any *from, socklen_t size, net_sockaddr *to);

#pragma GCC visibility pop

#endif
