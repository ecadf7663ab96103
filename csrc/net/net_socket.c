/*
** net_socket.c - one system call each, on non-blocking descriptors. Handles
** the differences between systems, and retries after EINTR.
*/
#include "net_posix.h"

#ifdef NET_POSIX

#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <string.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include "net_address.h"
#include "net_sys.h"

#ifndef MSG_NOSIGNAL
#define MSG_NOSIGNAL 0 /* macOS: SO_NOSIGPIPE, see net_nonblocking */
#endif

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

int net_pipe (net_fd ends[2]) {
  if (pipe(ends) < 0) return NET_ERROR;
  set_flags(ends[0]);
  set_flags(ends[1]);
  return 0;
}

void net_pipe_write (net_fd fd) {
  ssize_t written = write(fd, "", 1);
  (void)written;
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

static int set_option (net_fd fd, int level, int name, int on) {
  return setsockopt(fd, level, name, &on, sizeof on) < 0 ? NET_ERROR : 0;
}

int net_nodelay (net_fd fd, int on) {
  return set_option(fd, IPPROTO_TCP, TCP_NODELAY, on);
}

int net_reuse_address (net_fd fd) {
  return set_option(fd, SOL_SOCKET, SO_REUSEADDR, 1);
}

int net_reuse_port (net_fd fd) {
  return set_option(fd, SOL_SOCKET, SO_REUSEPORT, 1);
}

int net_listen (net_fd fd, int waiting) {
  return listen(fd, waiting) < 0 ? NET_ERROR : 0;
}

/* ------------------------------------------- addresses, binding, connecting */

int net_peer (net_fd fd, net_address *a) {
  net_any from;
  socklen_t size = sizeof from;
  if (getpeername(fd, &from.sa, &size) < 0) return NET_ERROR;
  return net_address_print(&from, size, a);
}

int net_local (net_fd fd, net_address *a) {
  net_any from;
  socklen_t size = sizeof from;
  if (getsockname(fd, &from.sa, &size) < 0) return NET_ERROR;
  return net_address_print(&from, size, a);
}

net_fd net_socket (int family) {
  net_fd fd = socket(net_address_domain(family), SOCK_STREAM, 0);
  if (fd < 0) return NET_NONE;
  if (net_nonblocking(fd) == 0 &&
      (family != NET_INET6 ||
       set_option(fd, IPPROTO_IPV6, IPV6_V6ONLY, 1) == 0))
    return fd;
  net_close(fd);
  return NET_NONE;
}

int net_bind (net_fd fd, const net_address *a) {
  net_any to;
  socklen_t size = net_address_write(a, &to);
  return size > 0 && bind(fd, &to.sa, size) == 0 ? 0 : NET_ERROR;
}

int net_connect (net_fd fd, const net_address *a) {
  net_any to;
  socklen_t size = net_address_write(a, &to);
  if (size == 0) return NET_ERROR;
  if (connect(fd, &to.sa, size) == 0) return 0;
  /* an interrupted one goes on */
  return errno == EINPROGRESS || errno == EINTR ? NET_AGAIN : NET_ERROR;
}

/* --------------------------------------------------------------- accepting */

static net_fd accept_one (net_fd listener, net_any *from, socklen_t *size) {
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

net_fd net_accept (net_fd listener, net_sockaddr *peer) {
  for (;;) {
    net_any from = {.sa.sa_family = AF_UNSPEC}; /* accept may set none */
    socklen_t size = sizeof from;
    net_fd fd = accept_one(listener, &from, &size);
    if (fd >= 0) {
      net_address_copy(&from, size, peer);
      return fd;
    }
    if (errno == EAGAIN || errno == EWOULDBLOCK) return NET_AGAIN;
    if (!is_its_own(errno)) return NET_ERROR;
  }
}

#else
typedef int net_socket_is_empty; /* ISO C wants a declaration */
#endif
