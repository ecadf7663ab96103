/*
** net_wsa.c - Winsock: starting it, and its errors as errno.
*/
#include "net_posix.h"

#ifndef NET_POSIX

#include <errno.h>
#include <pthread.h>

#include "net_wsa.h"

static int started;

static void start (void) {
  WSADATA data;
  started = WSAStartup(MAKEWORD(2, 2), &data) == 0;
}

int net_wsa_start (void) {
  static pthread_once_t once = PTHREAD_ONCE_INIT;
  pthread_once(&once, start);
  if (started) return 0;
  errno = ENOMEM;
  return NET_ERROR;
}

static const struct {
  int error, number;
} known[] = {
    {WSAEACCES, EACCES},
    {WSAEADDRINUSE, EADDRINUSE},
    {WSAEADDRNOTAVAIL, EADDRNOTAVAIL},
    {WSAEAFNOSUPPORT, EAFNOSUPPORT},
    {WSAEBADF, EBADF},
    {WSAECONNABORTED, ECONNABORTED},
    {WSAECONNREFUSED, ECONNREFUSED},
    {WSAECONNRESET, ECONNRESET},
    {WSAEHOSTDOWN, EHOSTUNREACH},
    {WSAEHOSTUNREACH, EHOSTUNREACH},
    {WSAEINTR, EINTR},
    {WSAEINVAL, EINVAL},
    {WSAEMFILE, EMFILE},
    {WSAENETDOWN, ENETDOWN},
    {WSAENETRESET, ECONNRESET},
    {WSAENETUNREACH, ENETUNREACH},
    {WSAENOBUFS, ENOBUFS},
    {WSAENOTCONN, ENOTCONN},
    {WSAENOTSOCK, EBADF}, /* what is no socket is no descriptor of ours */
    {WSAEPROTOTYPE, EPROTOTYPE},
    {WSAESHUTDOWN, EPIPE},
    {WSAETIMEDOUT, ETIMEDOUT},
    {WSAEWOULDBLOCK, EAGAIN},
    {WSA_NOT_ENOUGH_MEMORY, ENOMEM},
};

int net_wsa_errno (int error) {
  for (size_t i = 0; i < sizeof known / sizeof known[0]; i++)
    if (known[i].error == error) return known[i].number;
  return EIO;
}

int net_wsa_failed (void) {
  errno = net_wsa_errno(WSAGetLastError());
  return errno == EAGAIN ? NET_AGAIN : NET_ERROR;
}

#else
typedef int net_wsa_is_empty; /* ISO C wants a declaration */
#endif
