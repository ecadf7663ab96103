/*
** net_socket_win.c - net_socket.c on Windows: one call of Winsock each, on
** non-blocking sockets.
*/
#include "net_posix.h"

#ifndef NET_POSIX

#include <errno.h>
#include <string.h>

#include "net_address.h"

static SOCKET of (net_fd fd) { return (SOCKET)fd; }

static int result (int r) { return r == 0 ? 0 : net_wsa_failed(); }

/* ------------------------------------------------------------------- bytes */

static int most (size_t n) { return n < INT_MAX ? (int)n : INT_MAX; }

long net_recv (net_fd fd, void *p, size_t n) {
  int r = recv(of(fd), p, most(n), 0);
  if (r > 0) return r;
  return r == 0 ? NET_EOF : net_wsa_failed();
}

/* Only sockets are descriptors here. */
long net_read (net_fd fd, void *p, size_t n) { return net_recv(fd, p, n); }

long net_sendv (net_fd fd, const net_iov *v, int n) {
  WSABUF pieces[NET_PIECES];
  DWORD sent = 0;
  if (n > NET_PIECES) n = NET_PIECES;
  for (int i = 0; i < n; i++) {
    pieces[i].buf = (char *)(uintptr_t)v[i].base; /* only read from */
    pieces[i].len = (ULONG)most(v[i].len);
    if (pieces[i].len < v[i].len) n = i + 1; /* the rest is for the next call */
  }
  if (WSASend(of(fd), pieces, (DWORD)n, &sent, 0, NULL, NULL) != 0)
    return net_wsa_failed();
  return (long)sent;
}

int net_unread (net_fd fd) {
  u_long n = 0;
  return ioctlsocket(of(fd), FIONREAD, &n) == 0 ? most(n) : 0;
}

/* Winsock does not tell. */
int net_in_flight (net_fd fd) {
  (void)fd;
  return 0;
}

/* -------------------------------------------------------------- descriptors */

int net_nonblocking (net_fd fd) {
  u_long on = 1;
  SetHandleInformation((HANDLE)of(fd), HANDLE_FLAG_INHERIT, 0);
  return result(ioctlsocket(of(fd), FIONBIO, &on));
}

int net_shutdown_write (net_fd fd) { return result(shutdown(of(fd), SD_SEND)); }

void net_close (net_fd fd) {
  int err = errno;
  closesocket(of(fd));
  errno = err;
}

net_fd net_dup (net_fd fd) {
  WSAPROTOCOL_INFOW info;
  SOCKET copy = INVALID_SOCKET;
  if (WSADuplicateSocketW(of(fd), GetCurrentProcessId(), &info) == 0)
    copy = WSASocketW(FROM_PROTOCOL_INFO, FROM_PROTOCOL_INFO,
                      FROM_PROTOCOL_INFO, &info, 0, WSA_FLAG_OVERLAPPED);
  if (copy == INVALID_SOCKET) net_wsa_failed();
  return (net_fd)copy;
}

/* ------------------------------------------------------------------ options */

int net_so_error (net_fd fd) {
  int err = 0, size = sizeof err;
  if (getsockopt(of(fd), SOL_SOCKET, SO_ERROR, (char *)&err, &size) != 0)
    return net_wsa_errno(WSAGetLastError());
  return err == 0 ? 0 : net_wsa_errno(err);
}

static int set_option (net_fd fd, int level, int name, int on) {
  return result(setsockopt(of(fd), level, name, (const char *)&on, sizeof on));
}

int net_nodelay (net_fd fd, int on) {
  return set_option(fd, IPPROTO_TCP, TCP_NODELAY, on);
}

/* SO_REUSEADDR would let others take the port. An address whose connections
   have ended is free here without it; this keeps it to ourselves. */
int net_reuse_address (net_fd fd) {
  return set_option(fd, SOL_SOCKET, SO_EXCLUSIVEADDRUSE, 1);
}

int net_reuse_port (net_fd fd) {
  (void)fd;
  errno = EINVAL;
  return NET_ERROR;
}

/* ------------------------------------------- addresses, binding, connecting */

int net_listen (net_fd fd, int waiting) {
  return result(listen(of(fd), waiting));
}

int net_peer (net_fd fd, net_address *a) {
  net_any from;
  socklen_t size = sizeof from;
  if (getpeername(of(fd), &from.sa, &size) != 0) return net_wsa_failed();
  return net_address_print(&from, size, a);
}

int net_local (net_fd fd, net_address *a) {
  net_any from;
  socklen_t size = sizeof from;
  if (getsockname(of(fd), &from.sa, &size) != 0) return net_wsa_failed();
  return net_address_print(&from, size, a);
}

net_fd net_socket (int family) {
  net_fd fd;
  if (net_wsa_start() < 0) return NET_NONE;
  fd = (net_fd)socket(net_address_domain(family), SOCK_STREAM, 0);
  if (fd == NET_NONE) {
    net_wsa_failed();
    return NET_NONE;
  }
  if (net_nonblocking(fd) == 0) return fd; /* IPV6_V6ONLY is the default */
  net_close(fd);
  return NET_NONE;
}

int net_bind (net_fd fd, const net_address *a) {
  net_any to;
  socklen_t size = net_address_write(a, &to);
  return size > 0 ? result(bind(of(fd), &to.sa, size)) : NET_ERROR;
}

int net_connect (net_fd fd, const net_address *a) {
  net_any to;
  socklen_t size = net_address_write(a, &to);
  return size > 0 ? result(connect(of(fd), &to.sa, size)) : NET_ERROR;
}

net_fd net_accept (net_fd listener, net_sockaddr *peer) {
  for (;;) {
    net_any from = {.sa.sa_family = AF_UNSPEC};
    socklen_t size = sizeof from;
    net_fd fd = (net_fd)accept(of(listener), &from.sa, &size);
    if (fd != NET_NONE) {
      net_nonblocking(fd);
      net_address_copy(&from, size, peer);
      return fd;
    }
    if (WSAGetLastError() != WSAECONNRESET) return net_wsa_failed();
  }
}

/* -------------------------------------------------------------------- pairs */

/* Connects `to` to the listener and accepts it; another process may come first,
   and is turned away. */
static int meet (net_fd listener, net_fd ends[2]) {
  net_address here, mine, theirs;
  net_sockaddr from;
  if (net_local(listener, &here) < 0) return NET_ERROR;
  if (net_connect(ends[1], &here) == NET_ERROR) return NET_ERROR;
  if (net_local(ends[1], &mine) < 0) return NET_ERROR;
  for (;;) {
    ends[0] = net_accept(listener, &from);
    if (ends[0] == NET_AGAIN) {
      Sleep(1);
      continue;
    }
    if (ends[0] < 0) return NET_ERROR;
    net_address_of(&from, &theirs);
    if (theirs.port == mine.port) return 0;
    net_close(ends[0]);
  }
}

/* A connection to ourselves: WSAPoll knows no pipes. */
int net_pipe (net_fd ends[2]) {
  net_address loopback;
  net_fd listener = net_socket(NET_INET);
  int r = NET_ERROR;
  if (listener == NET_NONE) return NET_ERROR;
  ends[1] = net_socket(NET_INET);
  net_address_set(&loopback, NET_INET, "127.0.0.1", 0);
  if (ends[1] != NET_NONE && net_bind(listener, &loopback) == 0 &&
      net_listen(listener, 1) == 0)
    r = meet(listener, ends);
  if (r < 0 && ends[1] != NET_NONE) net_close(ends[1]);
  net_close(listener);
  return r;
}

void net_pipe_write (net_fd fd) { send(of(fd), "", 1, 0); }

#else
typedef int net_socket_win_is_empty; /* ISO C wants a declaration */
#endif
