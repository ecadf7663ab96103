/*
** test_net.c - the transport on Windows: sockets, the poller over WSAPoll,
** look-up, errors.
*/
#include "net.h"
#include "test.h"

static const double PATIENCE = 240;

/* Waits for what on fd, once. */
static void until (net_poll *p, net_fd fd, int what) {
  net_ready r;
  CHECK(net_poll_watch(p, fd, 1, what) == 0);
  CHECK(net_poll_wait(p, PATIENCE) == 1);
  CHECK(net_poll_next(p, &r) == 1 && r.slot == 1);
}

/* Two connected sockets. */
static int connected (net_poll *p, net_fd *client, net_fd *server) {
  net_address here;
  net_sockaddr from;
  net_fd listener = net_socket(NET_INET);
  net_address_set(&here, NET_INET, "127.0.0.1", 0);
  CHECK(net_reuse_address(listener) == 0);
  CHECK(net_bind(listener, &here) == 0 && net_listen(listener, 5) == 0);
  CHECK(net_local(listener, &here) == 0 && here.port > 0);
  CHECK(net_accept(listener, &from) == NET_AGAIN);
  *client = net_socket(NET_INET);
  CHECK(net_connect(*client, &here) != NET_ERROR);
  until(p, *client, NET_WRITE);
  CHECK(net_so_error(*client) == 0);
  until(p, listener, NET_READ);
  *server = net_accept(listener, &from);
  net_poll_del(p, *client);
  net_poll_del(p, listener);
  net_close(listener);
  net_address_of(&from, &here);
  CHECK_STR(here.host, "127.0.0.1");
  return CHECK(*server >= 0);
}

TEST(a_poller_waits_for_sockets) {
  net_poll *p = net_poll_new(NULL);
  net_fd client, server;
  char bytes[8];
  net_iov v[] = {{"he", 2}, {"llo", 3}};
  CHECK_STR(net_poll_name(p), "poll");
  if (!connected(p, &client, &server)) return;
  CHECK(net_recv(server, bytes, sizeof bytes) == NET_AGAIN);
  CHECK(net_sendv(client, v, 2) == 5);
  until(p, server, NET_READ);
  CHECK(net_unread(server) == 5);
  CHECK(net_recv(server, bytes, sizeof bytes) == 5);
  CHECK(memcmp(bytes, "hello", 5) == 0);
  CHECK(net_shutdown_write(client) == 0);
  until(p, server, NET_READ);
  CHECK(net_recv(server, bytes, sizeof bytes) == NET_EOF);
  net_close(client);
  net_close(server);
  net_poll_free(p);
}

TEST(a_connection_is_told_once_until_rearmed) {
  net_poll *p = net_poll_new(NULL);
  net_fd client, server;
  net_iov v = {"x", 1};
  net_ready r;
  char bytes[8];
  if (!connected(p, &client, &server)) return;
  CHECK(net_poll_add(p, server, 7) == 0);
  CHECK(net_poll_wait(p, PATIENCE) == 1);
  CHECK(net_poll_next(p, &r) == 1 && r.slot == 7 && r.what == NET_WRITE);
  CHECK(net_poll_wait(p, 0) == 0);
  CHECK(net_sendv(client, &v, 1) == 1);
  CHECK(net_poll_wait(p, PATIENCE) == 1);
  CHECK(net_poll_next(p, &r) == 1 && r.what == NET_READ);
  CHECK(net_poll_wait(p, 0) == 0);
  CHECK(net_recv(server, bytes, sizeof bytes) == 1);
  net_poll_rearm(p, server, NET_READ);
  CHECK(net_poll_wait(p, 0) == 0);
  net_close(client);
  CHECK(net_poll_wait(p, PATIENCE) == 1);
  CHECK(net_poll_next(p, &r) == 1 && r.what & NET_HANGUP);
  net_poll_del(p, server);
  net_close(server);
  CHECK(net_poll_add(p, server, 7) == NET_ERROR);
  CHECK_STR(net_error_text(net_error()), "bad descriptor");
  net_poll_free(p);
}

TEST(a_full_socket_says_so) {
  static char big[1 << 16];
  net_poll *p = net_poll_new(NULL);
  net_fd client, server;
  net_iov v = {big, sizeof big};
  long n, sent = 0, got = 0;
  if (!connected(p, &client, &server)) return;
  while ((n = net_sendv(client, &v, 1)) > 0) sent += n;
  CHECK(n == NET_AGAIN && sent > 0);
  while (got < sent) {
    until(p, server, NET_READ);
    while ((n = net_recv(server, big, sizeof big)) > 0) got += n;
    CHECK(n == NET_AGAIN);
  }
  CHECK(got == sent);
  net_poll_del(p, server);
  net_close(client);
  net_close(server);
  net_poll_free(p);
}

TEST(tells_why_there_is_no_connection) {
  net_poll *p = net_poll_new(NULL);
  net_fd closed = net_socket(NET_INET), fd = net_socket(NET_INET);
  net_address there;
  net_address_set(&there, NET_INET, "127.0.0.1", 0);
  CHECK(net_bind(closed, &there) == 0 && net_local(closed, &there) == 0);
  net_close(closed); /* nobody listens there */
  CHECK(net_connect(fd, &there) == NET_AGAIN);
  until(p, fd, NET_WRITE);
  CHECK_STR(net_error_text(net_so_error(fd)), "connection refused");
  net_close(fd);
  net_poll_free(p);
}

TEST(a_poller_waits_at_least_its_time) {
  net_poll *p = net_poll_new(NULL);
  double before = net_now();
  CHECK(net_poll_wait(p, 0.02) == 0);
  CHECK(net_now() - before >= 0.019); /* the clock has ticks */
  net_poll_free(p);
}

TEST(looks_names_up) {
  net_poll *p = net_poll_new(NULL);
  net_lookup *l = net_lookup_new("localhost", NET_INET);
  const net_address *list;
  const char *why;
  net_address a;
  if (!CHECK(l != NULL)) return;
  until(p, net_lookup_fd(l), NET_READ);
  CHECK(net_lookup_take(l, &list, &why) == 1);
  CHECK_STR(list[0].host, "127.0.0.1");
  net_poll_del(p, net_lookup_fd(l));
  net_lookup_free(l);
  CHECK(net_numeric("::1", &a) && a.family == NET_INET6);
  CHECK(!net_numeric("localhost", &a));
  net_poll_free(p);
}

TEST(catches_what_a_console_sends) {
  net_signals *s = net_signals_new();
  int signo = net_signal_number("INT");
  CHECK(signo != 0 && net_signal_number("HUP") == 0);
  CHECK(net_signals_catch(s, signo) == 0);
  CHECK(net_signals_next(s) == 0);
  CHECK(net_signals_restore(s, signo) == 0);
  CHECK(net_signals_catch(s, 99) == NET_ERROR);
  net_signals_free(s);
}
