/*
** net_socket.c - one system call each, on non-blocking descriptors. Handles
** the differences between systems, and retries after EINTR.
*/
#include "net_posix.h"

#include <errno.h>
#include <fcntl.h>
#include <netdb.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdio.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include "net.h"

#ifndef MSG_NOSIGNAL
#define MSG_NOSIGNAL 0 /* macOS: SO_NOSIGPIPE, see net_nonblocking */
#endif

int net_error (void) { return errno; }

const char *net_error_text (int err) {
  switch (err) {
    case ECONNRESET:
    case EPIPE:
    case ECONNABORTED: return "reset";
    case ECONNREFUSED: return "connection refused";
    case ETIMEDOUT: return "timeout";
    case EHOSTUNREACH:
    case EHOSTDOWN:
    case ENETDOWN:
    case ENETUNREACH: return "no route";
    case EADDRINUSE: return "address in use";
    case EADDRNOTAVAIL: return "address not available";
    case EMFILE:
    case ENFILE: return "too many open files";
    case EACCES:
    case EPERM: return "permission denied";
    case EBADF: return "bad descriptor";
    case EBUSY: return "busy";
    case ENOBUFS:
    case ENOMEM: return "not enough memory";
    case ENOTSOCK: return "not a socket";
    case ENOTCONN: return "not connected";
    default: return "input/output error";
  }
}

/* Converts the result of a system call. */
static long outcome (ssize_t n) {
  if (n >= 0) return (long)n;
  return errno == EAGAIN || errno == EWOULDBLOCK ? NET_AGAIN : NET_ERROR;
}

long net_recv (net_fd fd, void *p, size_t n) {
  ssize_t r;
  do r = recv(fd, p, n, 0);
  while (r < 0 && errno == EINTR);
  return r == 0 ? NET_EOF : outcome(r);
}

long net_read (net_fd fd, void *p, size_t n) {
  ssize_t r;
  do r = read(fd, p, n);
  while (r < 0 && errno == EINTR);
  return r == 0 ? NET_EOF : outcome(r);
}

/* Cheaper than sendmsg, which first copies the list. */
static long send_one (net_fd fd, const net_iov *v) {
  ssize_t r;
  do r = send(fd, v->base, v->len, MSG_NOSIGNAL);
  while (r < 0 && errno == EINTR);
  return outcome(r);
}

long net_sendv (net_fd fd, const net_iov *v, int n) {
  struct iovec iov[NET_PIECES];
  struct msghdr msg;
  ssize_t r;
  if (n == 1) return send_one(fd, v);
  memset(&msg, 0, sizeof msg);
  if (n > NET_PIECES) n = NET_PIECES;
  for (int i = 0; i < n; i++) {
    iov[i].iov_base = (void *)(uintptr_t)v[i].base; /* only read from */
    iov[i].iov_len = v[i].len;
  }
  msg.msg_iov = iov;
  msg.msg_iovlen = (size_t)n;
  do r = sendmsg(fd, &msg, MSG_NOSIGNAL);
  while (r < 0 && errno == EINTR);
  return outcome(r);
}

static int set_flags (net_fd fd) {
  int flags = fcntl(fd, F_GETFL);
  if (flags < 0 || fcntl(fd, F_SETFL, flags | O_NONBLOCK) < 0) return NET_ERROR;
  return fcntl(fd, F_SETFD, FD_CLOEXEC) < 0 ? NET_ERROR : 0;
}

int net_nonblocking (net_fd fd) {
#ifdef SO_NOSIGPIPE
  int on = 1;
  setsockopt(fd, SOL_SOCKET, SO_NOSIGPIPE, &on, sizeof on);
#endif
  return set_flags(fd);
}

int net_shutdown_write (net_fd fd) {
  return shutdown(fd, SHUT_WR) < 0 ? NET_ERROR : 0;
}

void net_close (net_fd fd) {
  int err = errno;
  close(fd); /* even after EINTR the descriptor is closed (Linux) */
  errno = err;
}

int net_so_error (net_fd fd) {
  int err = 0;
  socklen_t size = sizeof err;
  if (getsockopt(fd, SOL_SOCKET, SO_ERROR, &err, &size) < 0) return errno;
  return err;
}

int net_unread (net_fd fd) {
  int n = 0;
  return ioctl(fd, FIONREAD, &n) < 0 ? 0 : n;
}

int net_in_flight (net_fd fd) {
  int n = 0;
#if defined(__linux__)
  if (ioctl(fd, TIOCOUTQ, &n) < 0) n = 0;
#elif defined(FIONWRITE)
  if (ioctl(fd, FIONWRITE, &n) < 0) n = 0;
#elif defined(SO_NWRITE)
  socklen_t size = sizeof n;
  if (getsockopt(fd, SOL_SOCKET, SO_NWRITE, &n, &size) < 0) n = 0;
#else
  (void)fd;
#endif
  return n > 0 ? n : 0;
}

net_fd net_dup (net_fd fd) { return fcntl(fd, F_DUPFD_CLOEXEC, 0); }

int net_nodelay (net_fd fd, int on) {
  return setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on) < 0
             ? NET_ERROR
             : 0;
}

/* --------------------------------------------------------------- addresses */

typedef union any_address {
  struct sockaddr sa;
  struct sockaddr_in in;
  struct sockaddr_in6 in6;
  struct sockaddr_un un;
  struct sockaddr_storage storage;
} any_address;

static int print_unix (const any_address *from, socklen_t size,
                       net_address *a) {
  size_t room = size > offsetof(struct sockaddr_un, sun_path)
                    ? size - offsetof(struct sockaddr_un, sun_path)
                    : 0;
  size_t n = strnlen(from->un.sun_path, room);
  if (n >= sizeof a->host) n = sizeof a->host - 1;
  memcpy(a->host, from->un.sun_path, n);
  a->host[n] = '\0';
  a->port = 0;
  a->family = NET_UNIX;
  return 0;
}

static int print_address (const any_address *from, socklen_t size,
                          net_address *a) {
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

int net_peer (net_fd fd, net_address *a) {
  any_address from;
  socklen_t size = sizeof from;
  if (getpeername(fd, &from.sa, &size) < 0) return NET_ERROR;
  return print_address(&from, size, a);
}

int net_local (net_fd fd, net_address *a) {
  any_address from;
  socklen_t size = sizeof from;
  if (getsockname(fd, &from.sa, &size) < 0) return NET_ERROR;
  return print_address(&from, size, a);
}

static net_fd accept_one (net_fd listener, any_address *from, socklen_t *size) {
#if defined(__linux__) || defined(__FreeBSD__) || defined(__OpenBSD__)
  return accept4(listener, &from->sa, size, SOCK_NONBLOCK | SOCK_CLOEXEC);
#else
  net_fd fd = accept(listener, &from->sa, size);
  if (fd >= 0) net_nonblocking(fd);
  return fd;
#endif
}

/* Whether accept reports an error of the new connection, as Linux does, and
   not one of the listener. */
static int is_its_own (int err) {
  switch (err) {
    case EINTR:
    case ECONNABORTED:
    case EPROTO:
    case ENETDOWN:
    case ENETUNREACH:
    case EHOSTDOWN:
    case EHOSTUNREACH: return 1;
    default: return 0;
  }
}

net_fd net_accept (net_fd listener, net_address *peer) {
  for (;;) {
    any_address from = {.sa.sa_family = AF_UNSPEC}; /* accept may set none */
    socklen_t size = sizeof from;
    net_fd fd = accept_one(listener, &from, &size);
    if (fd >= 0) {
      if (print_address(&from, size, peer) < 0) memset(peer, 0, sizeof *peer);
      return fd;
    }
    if (errno == EAGAIN || errno == EWOULDBLOCK) return NET_AGAIN;
    if (!is_its_own(errno)) return NET_ERROR;
  }
}
