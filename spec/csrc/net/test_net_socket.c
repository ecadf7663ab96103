/*
** test_net_socket.c - the system calls on descriptors: what each result means.
** net_socket.c is part of this file, so that system calls can fail on demand.
*/
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <signal.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <sys/wait.h>

#include "test.h"

/* The next calls fail with these, in this order; later ones are made. */
static int faults[8];
static int nfaults, nfailed;

static int fails (void) {
  if (nfailed == nfaults) return 0;
  errno = faults[nfailed++];
  return 1;
}

static void fail_with (const int *list, int n) {
  memcpy(faults, list, (size_t)n * sizeof *list);
  nfaults = n;
  nfailed = 0;
}

static ssize_t test_recv (int fd, void *p, size_t n, int flags) {
  return fails() ? -1 : recv(fd, p, n, flags);
}

static ssize_t test_read (int fd, void *p, size_t n) {
  return fails() ? -1 : read(fd, p, n);
}

static ssize_t test_send (int fd, const void *p, size_t n, int flags) {
  return fails() ? -1 : send(fd, p, n, flags);
}

static ssize_t test_sendmsg (int fd, const struct msghdr *msg, int flags) {
  return fails() ? -1 : sendmsg(fd, msg, flags);
}

static int tells_no_address; /* as BSD systems do for a socket that was reset */

static int test_accept4 (int fd, struct sockaddr *sa, socklen_t *n, int flags) {
  if (fails()) return -1;
  if (!tells_no_address) return accept4(fd, sa, n, flags);
  *n = 0;
  return accept4(fd, NULL, NULL, flags);
}

#define recv test_recv
#define read test_read
#define send test_send
#define sendmsg test_sendmsg
#define accept4 test_accept4
#include "net_socket.c"
#undef recv
#undef read
#undef send
#undef sendmsg
#undef accept4

/* ----------------------------------------------------------------- helpers */

static int a, b; /* a connected pair, not blocking */

static void pair (int kind) {
  int two[2];
  if (socketpair(AF_UNIX, kind | SOCK_NONBLOCK, 0, two) < 0) abort();
  a = two[0];
  b = two[1];
}

static void unpair (void) {
  close(a);
  close(b);
}

static int bound (const void *address, socklen_t size) {
  const struct sockaddr *sa = address;
  int fd = socket(sa->sa_family, SOCK_STREAM | SOCK_NONBLOCK, 0);
  if (fd >= 0 && bind(fd, sa, size) == 0 && listen(fd, 8) == 0) return fd;
  if (fd >= 0) close(fd);
  return -1;
}

static int listen4 (struct sockaddr_in *in) {
  socklen_t size = sizeof *in;
  memset(in, 0, sizeof *in);
  in->sin_family = AF_INET;
  in->sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  int fd = bound(in, sizeof *in);
  if (fd < 0 || getsockname(fd, (struct sockaddr *)in, &size) < 0) abort();
  return fd;
}

static int connect_to (const void *address, socklen_t size) {
  const struct sockaddr *sa = address;
  int fd = socket(sa->sa_family, SOCK_STREAM, 0);
  if (fd < 0 || connect(fd, sa, size) < 0) abort();
  return fd;
}

static int is_ready (int fd, short events) {
  struct pollfd p = {fd, events, 0};
  return poll(&p, 1, 10000) == 1;
}

/* net_accept with the peer's address as text. */
static int accept_from (int listener, net_address *peer) {
  net_sockaddr raw;
  int fd = net_accept(listener, &raw);
  if (fd >= 0) net_address_of(&raw, peer);
  return fd;
}

/* A TCP connection: *fd is the accepted end, the result the other. */
static int tcp (int *fd, net_address *peer) {
  struct sockaddr_in in;
  int listener = listen4(&in);
  int client = connect_to(&in, sizeof in);
  CHECK(is_ready(listener, POLLIN));
  *fd = accept_from(listener, peer);
  CHECK(*fd >= 0);
  close(listener);
  return client;
}

static void reset (int fd) {
  struct linger hard = {1, 0};
  setsockopt(fd, SOL_SOCKET, SO_LINGER, &hard, sizeof hard);
  close(fd);
}

/* --------------------------------------------------------- bytes in and out */

TEST(recv_distinguishes_bytes_nothing_and_the_end) {
  char p[8];
  pair(SOCK_STREAM);
  CHECK(net_recv(a, p, sizeof p) == NET_AGAIN);
  CHECK(write(b, "abc", 3) == 3);
  CHECK(net_unread(a) == 3);
  CHECK(net_recv(a, p, sizeof p) == 3 && memcmp(p, "abc", 3) == 0);
  CHECK(net_unread(a) == 0);
  CHECK(net_shutdown_write(b) == 0);
  CHECK(net_recv(a, p, sizeof p) == NET_EOF);
  CHECK(net_recv(a, p, sizeof p) == NET_EOF);
  unpair();
  CHECK(net_recv(a, p, sizeof p) == NET_ERROR && net_error() == EBADF);
  CHECK(net_unread(a) == 0);
}

TEST(read_does_the_same_for_pipes) {
  char p[8];
  int two[2];
  CHECK(pipe(two) == 0);
  CHECK(net_nonblocking(two[0]) == 0);
  CHECK(net_read(two[0], p, sizeof p) == NET_AGAIN);
  CHECK(write(two[1], "xy", 2) == 2);
  CHECK(net_read(two[0], p, 1) == 1 && p[0] == 'x');
  CHECK(net_read(two[0], p, sizeof p) == 1 && p[0] == 'y');
  close(two[1]);
  CHECK(net_read(two[0], p, sizeof p) == NET_EOF);
  close(two[0]);
  CHECK(net_read(two[0], p, sizeof p) == NET_ERROR && net_error() == EBADF);
}

TEST(interrupted_calls_are_made_again) {
  static const int twice[] = {EINTR, EINTR};
  char p[8];
  net_iov v[] = {{"abc", 3}, {"def", 3}};
  pair(SOCK_STREAM);
  fail_with(twice, 2);
  CHECK(net_sendv(a, v, 1) == 3 && nfailed == 2);
  CHECK(net_recv(b, p, sizeof p) == 3);
  fail_with(twice, 2);
  CHECK(net_sendv(a, v, 2) == 6 && nfailed == 2);
  fail_with(twice, 2);
  CHECK(net_recv(b, p, 2) == 2 && nfailed == 2);
  fail_with(twice, 2);
  CHECK(net_read(b, p, sizeof p) == 4 && nfailed == 2);
  unpair();
}

TEST(sendv_sends_pieces_in_order) {
  static const net_iov v[] = {{"one ", 4}, {"", 0}, {"two ", 4}, {"three", 5}};
  char p[32];
  pair(SOCK_STREAM);
  CHECK(net_sendv(a, v, 4) == 13);
  CHECK(net_recv(b, p, sizeof p) == 13 && !memcmp(p, "one two three", 13));
  CHECK(net_sendv(a, v, 0) == 0);
  unpair();
}

/* More pieces than one call takes: a partial write like any other. */
TEST(sendv_takes_some_of_many_pieces) {
  net_iov v[32];
  char p[32];
  pair(SOCK_STREAM);
  for (int i = 0; i < 32; i++) v[i] = (net_iov){&"0123456789"[i % 10], 1};
  long n = net_sendv(a, v, 32);
  CHECK(n > 0 && n <= 32);
  CHECK(net_recv(b, p, sizeof p) == n);
  CHECK(memcmp(p, "01234567890123456789012345678901", (size_t)n) == 0);
  unpair();
}

TEST(sendv_is_partial_when_there_is_no_room) {
  static char much[1 << 22], got[1 << 16];
  net_iov v[2] = {{"head", 4}, {much, sizeof much}};
  pair(SOCK_STREAM);
  for (size_t i = 0; i < sizeof much; i++) much[i] = (char)(i * 7);
  long n = net_sendv(a, v, 2), in = 0, r;
  CHECK(n > 4 && n < (long)sizeof much);
  CHECK(net_sendv(a, v, 2) == NET_AGAIN);
  while ((r = net_recv(b, got, sizeof got)) > 0) {
    for (long i = 0; i < r; i++, in++)
      if (got[i] != (in < 4 ? "head"[in] : much[in - 4])) {
        CHECK(!"the bytes that were sent");
        i = r;
      }
  }
  CHECK(r == NET_AGAIN && in == n);
  CHECK(net_sendv(a, v, 2) > 0); /* there is room again */
  unpair();
}

/* SIGPIPE would end this process. */
TEST(in_flight_is_what_the_peer_has_not_accepted) {
  static char many[1 << 16];
  net_address peer;
  net_iov v = {many, sizeof many};
  long sent, total = 0;
  int small = 4096, b2, a2 = tcp(&b2, &peer), left;
  CHECK(net_in_flight(a2) == 0);
  CHECK(net_in_flight(-1) == 0);
  /* both, otherwise this takes long: the peer's window opens slowly */
  setsockopt(a2, SOL_SOCKET, SO_SNDBUF, &small, sizeof small);
  setsockopt(b2, SOL_SOCKET, SO_RCVBUF, &small, sizeof small);
  net_nonblocking(a2);
  while ((sent = net_sendv(a2, &v, 1)) > 0) total += sent;
  left = net_in_flight(a2);
#ifdef __linux__
  CHECK(left > 0);
#endif
  CHECK(left < total); /* the peer's system has room for some */
  while (total > 0 && is_ready(b2, POLLIN)) {
    long got = net_recv(b2, many, sizeof many);
    if (got <= 0) break;
    total -= got;
  }
  CHECK(total == 0);
  for (int i = 0; i < 1000 && net_in_flight(a2) > 0; i++) poll(NULL, 0, 10);
  CHECK(net_in_flight(a2) == 0);
  close(a2);
  close(b2);
}

TEST(sendv_to_a_closed_peer_raises_no_signal) {
  net_iov v = {"x", 1};
  pair(SOCK_STREAM);
  signal(SIGPIPE, SIG_DFL);
  close(b);
  CHECK(net_sendv(a, &v, 1) == NET_ERROR && net_error() == EPIPE);
  CHECK_STR(net_error_text(net_error()), "reset");
  close(a);
}

TEST(a_reset_is_an_error_of_recv) {
  char p[8];
  net_address peer;
  int fd, client = tcp(&fd, &peer);
  reset(client);
  CHECK(is_ready(fd, POLLIN));
  CHECK(net_recv(fd, p, sizeof p) == NET_ERROR && net_error() == ECONNRESET);
  CHECK_STR(net_error_text(net_error()), "reset");
  CHECK(net_shutdown_write(fd) == NET_ERROR && net_error() == ENOTCONN);
  net_close(fd);
}

/* ------------------------------------------------------------- descriptors */

TEST(nonblocking_sets_both_flags_and_keeps_others) {
  int two[2];
  CHECK(pipe(two) == 0);
  CHECK(fcntl(two[1], F_SETFL, O_APPEND) == 0);
  CHECK(net_nonblocking(two[1]) == 0);
  CHECK(fcntl(two[1], F_GETFL) & O_NONBLOCK);
  CHECK(fcntl(two[1], F_GETFL) & O_APPEND);
  CHECK(fcntl(two[1], F_GETFD) & FD_CLOEXEC);
  close(two[0]);
  close(two[1]);
  CHECK(net_nonblocking(two[1]) == NET_ERROR && net_error() == EBADF);
}

TEST(close_keeps_errno) {
  errno = ERANGE;
  net_close(-1);
  CHECK(errno == ERANGE);
}

TEST(dup_is_the_same_connection_and_not_inherited) {
  char p[8];
  pair(SOCK_STREAM);
  int copy = net_dup(a);
  CHECK(copy >= 0 && copy != a);
  CHECK(fcntl(copy, F_GETFD) & FD_CLOEXEC);
  CHECK(write(b, "hi", 2) == 2);
  close(a);
  CHECK(net_recv(copy, p, sizeof p) == 2);
  close(copy);
  CHECK(net_recv(b, p, sizeof p) == NET_EOF);
  close(b);
  CHECK(net_dup(b) == NET_NONE && net_error() == EBADF);
}

TEST(nodelay_is_for_tcp) {
  net_address peer;
  int on = 0, fd, client = tcp(&fd, &peer);
  socklen_t size = sizeof on;
  CHECK(net_nodelay(fd, 1) == 0);
  CHECK(getsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, &size) == 0 && on);
  CHECK(net_nodelay(fd, 0) == 0);
  CHECK(getsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, &size) == 0 && !on);
  close(fd);
  close(client);
  pair(SOCK_STREAM);
  CHECK(net_nodelay(a, 1) == NET_ERROR);
  unpair();
}

TEST(so_error_of_a_refused_connect_is_reported_once) {
  struct sockaddr_in in;
  close(listen4(&in)); /* a port that nobody listens on */
  int fd = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK, 0);
  if (connect(fd, (struct sockaddr *)&in, sizeof in) < 0 &&
      CHECK(errno == EINPROGRESS)) {
    CHECK(is_ready(fd, POLLOUT));
    CHECK(net_so_error(fd) == ECONNREFUSED);
    CHECK_STR(net_error_text(ECONNREFUSED), "connection refused");
    CHECK(net_so_error(fd) == 0);
  }
  close(fd);
  CHECK(net_so_error(fd) == EBADF);
}

/* ---------------------------------------------------- binding, connecting */

static net_address address (int family, const char *host, int port) {
  net_address made;
  if (net_address_set(&made, family, host, port) < 0) abort();
  return made;
}

static int option (int fd, int level, int name) {
  int on = -1;
  socklen_t size = sizeof on;
  if (getsockopt(fd, level, name, &on, &size) < 0) abort();
  return on;
}

TEST(sockets_do_not_block_and_are_not_inherited) {
  static const int families[] = {NET_INET, NET_UNIX};
  for (int i = 0; i < 2; i++) {
    int fd = net_socket(families[i]);
    CHECK(fd >= 0 && option(fd, SOL_SOCKET, SO_TYPE) == SOCK_STREAM);
    CHECK(fcntl(fd, F_GETFL) & O_NONBLOCK);
    CHECK(fcntl(fd, F_GETFD) & FD_CLOEXEC);
    close(fd);
  }
}

TEST(ipv6_sockets_leave_ipv4_to_others) {
  int fd = net_socket(NET_INET6);
  if (fd < 0 && CHECK(errno == EAFNOSUPPORT)) return; /* none here */
  CHECK(option(fd, IPPROTO_IPV6, IPV6_V6ONLY) == 1);
  close(fd);
}

/* A client and what the listener that is bound to *to accepts. */
static void meets (int listener, const net_address *to) {
  net_address peer;
  int client = net_socket(to->family), r = net_connect(client, to);
  CHECK(r == 0 || (r == NET_AGAIN && to->family != NET_UNIX));
  CHECK(is_ready(client, POLLOUT) && net_so_error(client) == 0);
  CHECK(is_ready(listener, POLLIN));
  int fd = accept_from(listener, &peer);
  CHECK(fd >= 0 && peer.family == to->family);
  close(fd);
  close(client);
}

static void meets_at (int family, const char *host) {
  net_address to = address(family, host, 0);
  int listener = net_socket(family);
  if (net_bind(listener, &to) < 0) {
    CHECK(family == NET_INET6); /* none here */
  } else {
    CHECK(net_listen(listener, 8) == 0 && net_local(listener, &to) == 0);
    CHECK_STR(to.host, host);
    meets(listener, &to);
  }
  close(listener);
}

TEST(bind_listen_and_connect_meet) {
  char path[] = "/tmp/websock-test-XXXXXX";
  meets_at(NET_INET, "127.0.0.1");
  meets_at(NET_INET6, "::1");
  close(mkstemp(path));
  unlink(path);
  meets_at(NET_UNIX, path);
  unlink(path);
}

TEST(a_port_is_shared_by_those_who_ask_for_it) {
  net_address to = address(NET_INET, "127.0.0.1", 0);
  int first = net_socket(NET_INET), second = net_socket(NET_INET);
  int third = net_socket(NET_INET);
  CHECK(net_reuse_port(first) == 0 && net_reuse_port(second) == 0);
  CHECK(net_reuse_address(third) == 0);
  CHECK(option(third, SOL_SOCKET, SO_REUSEADDR) == 1);
  CHECK(net_bind(first, &to) == 0 && net_local(first, &to) == 0);
  CHECK(net_bind(second, &to) == 0);
  CHECK(net_listen(first, 1) == 0 && net_listen(second, 1) == 0);
  CHECK(net_bind(third, &to) == NET_ERROR && net_error() == EADDRINUSE);
  CHECK(net_connect(third, &to) != NET_ERROR);
  close(first);
  close(second);
  close(third);
}

TEST(bind_and_connect_have_errors) {
  net_address to = address(NET_INET, "localhost", 1); /* not in digits */
  int fd = net_socket(NET_INET);
  CHECK(net_bind(fd, &to) == NET_ERROR && net_error() == EINVAL);
  CHECK(net_connect(fd, &to) == NET_ERROR && net_error() == EINVAL);
  CHECK(net_reuse_address(-1) == NET_ERROR && net_error() == EBADF);
  CHECK(net_listen(-1, 1) == NET_ERROR && net_error() == EBADF);
  close(fd);
  fd = net_socket(NET_UNIX);
  to = address(NET_UNIX, "/nonexistent/path", 0);
  CHECK(net_bind(fd, &to) == NET_ERROR && net_error() == ENOENT);
  CHECK(net_connect(fd, &to) == NET_ERROR && net_error() == ENOENT);
  close(fd);
}

/* At n - 1, n and n + 1 bytes; sun_path has room for a zero at its end. */
TEST(paths_have_a_limit) {
  enum { MOST = sizeof((struct sockaddr_un *)0)->sun_path - 1 };
  char path[MOST + 2];
  net_address to;
  int fd = net_socket(NET_UNIX);
  memset(path, '/', sizeof path); /* a folder: it can be no socket */
  for (int n = MOST - 1; n <= MOST + 1; n++) {
    path[n] = '\0';
    int set = net_address_set(&to, NET_UNIX, path, 0);
    int r = set < 0 ? set : net_connect(fd, &to);
    CHECK(r == NET_ERROR && (net_error() == ENAMETOOLONG) == (n > MOST));
    path[n] = '/';
  }
  close(fd);
}

/* Nobody accepts, and the backlog is full. */
TEST(a_crowded_unix_socket_times_out) {
  char path[] = "/tmp/websock-test-XXXXXX";
  int clients[4], listener = net_socket(NET_UNIX), r = 0, n = 0;
  close(mkstemp(path));
  unlink(path);
  net_address to = address(NET_UNIX, path, 0);
  CHECK(net_bind(listener, &to) == 0 && net_listen(listener, 0) == 0);
  while (n < 4 && r == 0) {
    clients[n] = net_socket(NET_UNIX);
    r = net_connect(clients[n++], &to);
  }
  CHECK(r == NET_ERROR);
  CHECK_STR(net_error_text(net_error()), "timeout");
  while (n > 0) close(clients[--n]);
  close(listener);
  unlink(path);
}

/* --------------------------------------------------------------- accepting */

TEST(accept_gives_connections_that_do_not_block) {
  struct sockaddr_in in;
  net_address peer, other;
  int listener = listen4(&in);
  CHECK(accept_from(listener, &peer) == NET_AGAIN);
  int client = connect_to(&in, sizeof in);
  CHECK(is_ready(listener, POLLIN));
  int fd = accept_from(listener, &peer);
  CHECK(fd >= 0 && fcntl(fd, F_GETFL) & O_NONBLOCK);
  CHECK(fcntl(fd, F_GETFD) & FD_CLOEXEC);
  CHECK(net_local(client, &other) == 0);
  CHECK_STR(peer.host, "127.0.0.1");
  CHECK(peer.port == other.port && peer.family == NET_INET);
  CHECK(net_peer(fd, &other) == 0 && other.port == peer.port);
  CHECK(net_local(fd, &other) == 0 && other.port == ntohs(in.sin_port));
  CHECK(accept_from(listener, &peer) == NET_AGAIN);
  close(fd);
  close(client);
  close(listener);
  CHECK(accept_from(listener, &peer) == NET_ERROR && net_error() == EBADF);
}

TEST(accept_skips_aborted_ones) {
  static const int aborted[] = {ECONNABORTED, EPROTO, EINTR, ECONNABORTED};
  struct sockaddr_in in;
  net_address peer;
  int listener = listen4(&in);
  int client = connect_to(&in, sizeof in);
  CHECK(is_ready(listener, POLLIN));
  fail_with(aborted, 4);
  int fd = accept_from(listener, &peer);
  CHECK(fd >= 0 && nfailed == 4);
  close(fd);
  fail_with(aborted, 2);
  CHECK(accept_from(listener, &peer) == NET_AGAIN && nfailed == 2);
  close(client);
  close(listener);
}

/* On Linux a connection that was reset in the backlog is accepted, and reports
   that. */
TEST(accept_after_a_reset_goes_on) {
  struct sockaddr_in in;
  net_address peer;
  char p[8];
  int listener = listen4(&in);
  int gone = connect_to(&in, sizeof in), here = connect_to(&in, sizeof in);
  CHECK(is_ready(listener, POLLIN));
  reset(gone);
  int fd = accept_from(listener, &peer);
  CHECK(fd >= 0 && is_ready(fd, POLLIN));
  CHECK(net_recv(fd, p, sizeof p) == NET_ERROR && net_error() == ECONNRESET);
  close(fd);
  fd = accept_from(listener, &peer);
  CHECK(fd >= 0 && net_recv(fd, p, sizeof p) == NET_AGAIN);
  close(fd);
  close(here);
  close(listener);
}

TEST(accept_does_without_an_address) {
  struct sockaddr_in in;
  net_address peer;
  int listener = listen4(&in);
  int client = connect_to(&in, sizeof in);
  CHECK(is_ready(listener, POLLIN));
  memset(&peer, 0xff, sizeof peer);
  tells_no_address = 1;
  int fd = accept_from(listener, &peer);
  tells_no_address = 0;
  CHECK(fd >= 0 && peer.port == 0);
  CHECK_STR(peer.host, "");
  close(fd);
  close(client);
  close(listener);
}

TEST(accept_says_when_descriptors_run_out) {
  struct sockaddr_in in;
  struct rlimit was, none;
  net_address peer;
  int listener = listen4(&in);
  int client = connect_to(&in, sizeof in);
  CHECK(is_ready(listener, POLLIN));
  CHECK(getrlimit(RLIMIT_NOFILE, &was) == 0);
  none = was;
  none.rlim_cur = 0;
  CHECK(setrlimit(RLIMIT_NOFILE, &none) == 0);
  int fd = accept_from(listener, &peer), err = net_error();
  CHECK(setrlimit(RLIMIT_NOFILE, &was) == 0);
  CHECK(fd == NET_ERROR && err == EMFILE);
  CHECK_STR(net_error_text(err), "too many open files");
  fd = accept_from(listener, &peer); /* it has waited */
  CHECK(fd >= 0);
  close(fd);
  close(client);
  close(listener);
}

/* --------------------------------------------------------------- addresses */

TEST(ipv6_addresses_are_without_brackets) {
  struct sockaddr_in6 in6;
  socklen_t size = sizeof in6;
  net_address peer;
  memset(&in6, 0, sizeof in6);
  in6.sin6_family = AF_INET6;
  in6.sin6_addr = in6addr_loopback;
  int listener = bound(&in6, sizeof in6);
  if (listener < 0) {
    CHECK(errno == EADDRNOTAVAIL || errno == EAFNOSUPPORT); /* none here */
    return;
  }
  CHECK(getsockname(listener, (struct sockaddr *)&in6, &size) == 0);
  int client = connect_to(&in6, sizeof in6);
  CHECK(is_ready(listener, POLLIN));
  int fd = accept_from(listener, &peer);
  CHECK_STR(peer.host, "::1");
  CHECK(peer.family == NET_INET6 && peer.port > 0);
  CHECK(net_local(fd, &peer) == 0 && peer.port == ntohs(in6.sin6_port));
  close(fd);
  close(client);
  close(listener);
}

/* The address that a listener has, and that its client has for it. */
static void unix_names (const struct sockaddr_un *un, socklen_t size,
                        const char *name) {
  net_address got;
  int listener = bound(un, size);
  CHECK(listener >= 0);
  int client = connect_to(un, size);
  CHECK(net_local(listener, &got) == 0);
  CHECK_STR(got.host, name);
  CHECK(got.family == NET_UNIX && got.port == 0);
  CHECK(net_peer(client, &got) == 0);
  CHECK_STR(got.host, name);
  int fd = accept_from(listener, &got); /* from one without a name */
  CHECK(fd >= 0 && got.family == NET_UNIX && got.port == 0);
  CHECK_STR(got.host, "");
  close(fd);
  close(client);
  close(listener);
}

TEST(unix_addresses_are_their_paths) {
  struct sockaddr_un un = {.sun_family = AF_UNIX};
  char dir[] = "/tmp/websock-test-XXXXXX";
  CHECK(mkdtemp(dir) != NULL);
  snprintf(un.sun_path, sizeof un.sun_path, "%s/s", dir);
  unix_names(&un, sizeof un, un.sun_path);
  unlink(un.sun_path);
  rmdir(dir);
}

/* The path fills sun_path to its last byte, without a zero at its end. */
TEST(unix_addresses_may_fill_all_there_is) {
  struct sockaddr_un un = {.sun_family = AF_UNIX};
  char dir[] = "/tmp/websock-test-XXXXXX", path[sizeof un.sun_path + 1];
  CHECK(mkdtemp(dir) != NULL);
  memset(path, 'x', sizeof path);
  memcpy(path, dir, strlen(dir));
  path[strlen(dir)] = '/';
  path[sizeof un.sun_path] = '\0';
  memcpy(un.sun_path, path, sizeof un.sun_path);
  net_address got;
  int listener = bound(&un, sizeof un);
  CHECK(listener >= 0 && net_local(listener, &got) == 0);
  CHECK(strncmp(got.host, path, sizeof un.sun_path - 1) == 0);
  close(listener);
  unlink(path);
  rmdir(dir);
}

TEST(abstract_unix_addresses_have_no_path) {
  struct sockaddr_un un = {.sun_family = AF_UNIX};
  int n = snprintf(un.sun_path + 1, 64, "websock-test-%ld", (long)getpid());
  unix_names(
      &un, (socklen_t)(offsetof(struct sockaddr_un, sun_path) + 1 + (size_t)n),
      "");
}

TEST(pairs_and_strangers_have_no_address) {
  net_address got;
  pair(SOCK_STREAM);
  CHECK(net_peer(a, &got) == 0 && got.family == NET_UNIX);
  CHECK_STR(got.host, "");
  unpair();
  CHECK(net_peer(a, &got) == NET_ERROR && net_error() == EBADF);
  int fd = socket(AF_INET, SOCK_STREAM, 0);
  CHECK(net_peer(fd, &got) == NET_ERROR && net_error() == ENOTCONN);
  CHECK(net_local(fd, &got) == 0 && got.port == 0);
  CHECK_STR(got.host, "0.0.0.0");
  close(fd);
}

/* ------------------------------------------------------------------- texts */

TEST(errors_have_texts) {
  static const struct {
    int err;
    const char *text;
  } all[] = {
      {ECONNRESET, "reset"},
      {EPIPE, "reset"},
      {ECONNABORTED, "reset"},
      {ECONNREFUSED, "connection refused"},
      {ETIMEDOUT, "timeout"},
      {EHOSTUNREACH, "no route"},
      {ENETUNREACH, "no route"},
      {EADDRINUSE, "address in use"},
      {EADDRNOTAVAIL, "address not available"},
      {EAFNOSUPPORT, "address family not supported by protocol"},
      {EINVAL, "invalid argument"},
      {ENAMETOOLONG, "path too long"},
      {ENOENT, "no such file or directory"},
      {ENOTDIR, "not a directory"},
      {EPROTOTYPE, "protocol wrong type for socket"},
      {EROFS, "read-only file system"},
      {EAGAIN, "timeout"}, /* a connect's */
      {ENFILE, "too many open files"},
      {EACCES, "permission denied"},
      {EPERM, "permission denied"}, /* a firewall's answer to a send */
      {EBADF, "bad descriptor"},
      {EBUSY, "busy"},
      {ENOMEM, "not enough memory"},
      {ENOTSOCK, "not a socket"},
      {ENOTCONN, "not connected"},
      {EIO, "input/output error"},
      {ERANGE, "input/output error"},
  };
  for (size_t i = 0; i < sizeof all / sizeof all[0]; i++)
    CHECK_STR(net_error_text(all[i].err), all[i].text);
}
