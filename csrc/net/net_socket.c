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

#include "net_sys.h"

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
    case EAGAIN: /* of a connect: nobody accepts at that Unix socket */
    case ETIMEDOUT: return "timeout";
    case EHOSTUNREACH:
    case EHOSTDOWN:
    case ENETDOWN:
    case ENETUNREACH: return "no route";
    case EADDRINUSE: return "address in use";
    case EADDRNOTAVAIL: return "address not available";
    case EAFNOSUPPORT: return "address family not supported by protocol";
    case EINVAL: return "invalid argument";
    case ENAMETOOLONG: return "path too long";
    case ENOENT: return "no such file or directory";
    case ENOTDIR: return "not a directory";
    case EPROTOTYPE: return "protocol wrong type for socket";
    case EROFS: return "read-only file system";
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

void net_address_of (const net_sockaddr *from, net_address *a) {
  any_address any = {.sa.sa_family = AF_UNSPEC};
  memcpy(&any, from->bytes, from->n);
  if (print_address(&any, from->n, a) < 0) memset(a, 0, sizeof *a);
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

/* ---------------------------------------------------- binding, connecting */

static int domain_of (int family) {
  if (family == NET_UNIX) return AF_UNIX;
  return family == NET_INET6 ? AF_INET6 : AF_INET;
}

net_fd net_socket (int family) {
  net_fd fd = socket(domain_of(family), SOCK_STREAM, 0);
  if (fd < 0) return NET_NONE;
  if (net_nonblocking(fd) == 0 &&
      (family != NET_INET6 ||
       set_option(fd, IPPROTO_IPV6, IPV6_V6ONLY, 1) == 0))
    return fd;
  net_close(fd);
  return NET_NONE;
}

/* The size of what it has written; 0 if the path is too long. */
static socklen_t write_unix (const net_address *a, any_address *to) {
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

/* The same; 0 if the host is not in digits. getaddrinfo knows scopes. */
static socklen_t write_address (const net_address *a, any_address *to) {
  struct addrinfo hints, *all = NULL;
  socklen_t size;
  char port[16];
  if (a->family == NET_UNIX) return write_unix(a, to);
  memset(&hints, 0, sizeof hints);
  hints.ai_family = domain_of(a->family);
  hints.ai_socktype = SOCK_STREAM;
  hints.ai_flags = AI_NUMERICHOST | AI_NUMERICSERV;
  snprintf(port, sizeof port, "%d", a->port);
  if (getaddrinfo(a->host, port, &hints, &all) != 0) {
    errno = EINVAL;
    return 0;
  }
  size = all->ai_addrlen;
  memcpy(to, all->ai_addr, size);
  freeaddrinfo(all);
  return size;
}

int net_bind (net_fd fd, const net_address *a) {
  any_address to;
  socklen_t size = write_address(a, &to);
  return size > 0 && bind(fd, &to.sa, size) == 0 ? 0 : NET_ERROR;
}

int net_connect (net_fd fd, const net_address *a) {
  any_address to;
  socklen_t size = write_address(a, &to);
  if (size == 0) return NET_ERROR;
  if (connect(fd, &to.sa, size) == 0) return 0;
  /* an interrupted one goes on */
  return errno == EINPROGRESS || errno == EINTR ? NET_AGAIN : NET_ERROR;
}

/* --------------------------------------------------------------- accepting */

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

static void copy_address (const any_address *from, socklen_t size,
                          net_sockaddr *to) {
  to->n = (unsigned char)(size < sizeof to->bytes ? size : sizeof to->bytes);
  memcpy(to->bytes, from, to->n);
}

net_fd net_accept (net_fd listener, net_sockaddr *peer) {
  for (;;) {
    any_address from = {.sa.sa_family = AF_UNSPEC}; /* accept may set none */
    socklen_t size = sizeof from;
    net_fd fd = accept_one(listener, &from, &size);
    if (fd >= 0) {
      copy_address(&from, size, peer);
      return fd;
    }
    if (errno == EAGAIN || errno == EWOULDBLOCK) return NET_AGAIN;
    if (!is_its_own(errno)) return NET_ERROR;
  }
}
