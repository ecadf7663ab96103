/*
** test_net_tls_over.c - TLS over TLS, as through an https proxy: two ends, each
** of two layers.
*/
#include <errno.h>

#include "net_tls_int.h"
#include "tls.h"

/* Covers both ends, whose handshake is over, with a second layer of the same
   contexts. */
static void cover (void) {
  for (int i = CLIENT; i <= SERVER; i++) {
    net_tls *under = two.end[i];
    two.end[i] = net_tls_over(under->ctx, under,
                              i == CLIENT ? "localhost" : NULL, "there:2");
    if (two.end[i] == NULL) abort();
  }
}

static void join_twice (void) {
  join_good();
  CHECK(shaken());
  cover();
}

static void join_shaken (void) {
  join_twice();
  CHECK(shaken());
  CHECK(net_tls_done(two.end[CLIENT]) && net_tls_done(two.end[SERVER]));
}

TEST(shakes_hands) {
  join_twice();
  CHECK(!net_tls_done(two.end[CLIENT]) && !net_tls_writable(two.end[CLIENT]));
  for (int i = 0; i < 8; i++) {
    long r = net_tls_shake(two.end[i % 2]);
    CHECK(r == 1 || r == NET_AGAIN);
  }
  CHECK(net_tls_shake(two.end[CLIENT]) == 1);
  CHECK(net_tls_shake(two.end[SERVER]) == 1);
  CHECK(net_tls_writable(two.end[CLIENT]));
  carry(CLIENT, 10, 10, 10);
  part();
}

TEST(carries_all_sizes) {
  static const size_t sizes[] = {1, 16383, 16384, 16385, 65537, 300000};
  join_shaken();
  for (size_t i = 0; i < sizeof sizes / sizeof sizes[0]; i++) {
    carry(CLIENT, sizes[i], 100000, 100000);
    carry(SERVER, sizes[i], 16384, 5000);
    carry(SERVER, sizes[i], 7001, 1 << 20);
  }
  carry(CLIENT, 3000, 1, 7);
  part();
}

TEST(goes_on_where_the_kernel_stopped) {
  int small = 1;
  join_shaken();
  for (int i = 0; i < 2; i++)
    setsockopt(two.fd[i], SOL_SOCKET, SO_SNDBUF, &small, sizeof small);
  carry(CLIENT, 500000, 50000, 3000);
  carry(SERVER, 500000, 20000, 1 << 20);
  CHECK(net_tls_unsent(two.end[CLIENT]) == 0);
  part();
}

/* What is unsent is that of both layers, and a flush sends it. */
TEST(flushes_both_layers) {
  enum { SIZE = 1 << 21 };
  unsigned char *p = pattern(SIZE), *q = malloc(SIZE);
  long sent, got = 0, r = 0;
  join_shaken();
  sent = put(CLIENT, p, SIZE);
  CHECK(sent > 0 && sent < SIZE && net_tls_unsent(two.end[CLIENT]) > 0);
  CHECK(!net_tls_writable(two.end[CLIENT]));
  for (int i = 0; i < 10000 && (r != 1 || got < sent); i++) {
    long some = get(SERVER, q + got, SIZE - (size_t)got);
    if (some > 0) got += some;
    r = net_tls_flush(two.end[CLIENT]);
  }
  CHECK(r == 1 && net_tls_unsent(two.end[CLIENT]) == 0);
  CHECK(net_tls_sent(two.end[CLIENT]) > (uint64_t)got);
  CHECK(got >= sent && memcmp(p, q, (size_t)got) == 0);
  free(p);
  free(q);
  part();
}

/* Bytes behind a proxy's answer come from the first layer, or were read. */
TEST(takes_what_was_read_before) {
  char p[4096];
  long n;
  join_twice();
  put(CLIENT, "", 0);
  n = net_tls_recv(two.end[SERVER]->under, p, sizeof p);
  CHECK(n > 0 && net_tls_give(two.end[SERVER], p, (size_t)n));
  CHECK(net_tls_unread(two.end[SERVER]));
  CHECK(shaken());
  carry(SERVER, 5000, 5000, 5000);
  part();
}

TEST(tells_what_it_knows_of_the_first_layer) {
  char c;
  join_shaken();
  net_tls_heard(two.end[SERVER]);
  CHECK(get(SERVER, &c, 1) == NET_AGAIN && net_tls_dry(two.end[SERVER]));
  CHECK(!net_tls_heard(two.end[SERVER]) && !net_tls_unread(two.end[SERVER]));
  CHECK(put(CLIENT, "xy", 2) == 2);
  CHECK(get(SERVER, &c, 1) == 1 && net_tls_more(two.end[SERVER]));
  CHECK(net_tls_heard(two.end[SERVER]) && net_tls_unread(two.end[SERVER]));
  part();
}

TEST(close_notify_is_the_end) {
  char p[8];
  join_shaken();
  CHECK(put(CLIENT, "bye", 3) == 3);
  net_tls_shutdown(two.end[CLIENT]);
  CHECK(get(SERVER, p, sizeof p) == 3);
  CHECK(get(SERVER, p, sizeof p) == NET_EOF);
  CHECK(net_tls_recv(two.end[SERVER]->under, p, sizeof p) == NET_EOF);
  part();
}

/* An end of the first layer is none of the second, clean or not. */
TEST(a_cut_stream_is_no_clean_end) {
  char p[8];
  for (int clean = 0; clean < 2; clean++) {
    join_shaken();
    CHECK(put(CLIENT, "cut", 3) == 3);
    if (clean) net_tls_shutdown(two.end[CLIENT]->under);
    shutdown(two.fd[CLIENT], SHUT_WR);
    CHECK(get(SERVER, p, sizeof p) == 3);
    CHECK(get(SERVER, p, sizeof p) == NET_ERROR);
    CHECK_STR(net_tls_why(two.end[SERVER]), "eof");
    part();
  }
  join_twice();
  shutdown(two.fd[CLIENT], SHUT_WR);
  CHECK(get(SERVER, p, sizeof p) == NET_ERROR);
  CHECK_STR(error_of(SERVER), "tls: the connection ended in the handshake");
  part();
}

TEST(a_first_layer_that_fails_ends_both) {
  char p[64] = "\27\3\3\0\20no record at all";
  join_shaken();
  CHECK(write(two.fd[CLIENT], p, 21) == 21);
  CHECK(get(SERVER, p, sizeof p) == NET_ERROR);
  CHECK(get(SERVER, p, sizeof p) == NET_ERROR);
  CHECK(put(SERVER, "x", 1) == NET_ERROR);
  CHECK(net_tls_shake(two.end[SERVER]) == NET_ERROR);
  CHECK_STR(net_tls_why(two.end[SERVER]), "reset");
  part();
}

TEST(no_sigpipe_is_raised) {
  join_shaken();
  close(two.fd[SERVER]);
  two.fd[SERVER] = -1;
  CHECK(put(CLIENT, "x", 1) == NET_ERROR && put(CLIENT, "x", 1) == NET_ERROR);
  CHECK(net_tls_flush(two.end[CLIENT]) == NET_ERROR);
  CHECK_STR(net_tls_why(two.end[CLIENT]), "reset");
  part();
}

TEST(names_are_checked) {
  net_tls *under;
  char c;
  join_good();
  CHECK(shaken());
  under = two.end[CLIENT];
  CHECK(net_tls_over(under->ctx, under, "no name", "x") == NULL);
  CHECK(put(CLIENT, "fine", 4) == 4); /* it is still the caller's */
  CHECK(get(SERVER, &c, 1) == 1);
  part();
  join_good();
  CHECK(shaken());
  under = two.end[CLIENT];
  two.end[CLIENT] = net_tls_over(under->ctx, under, "b.example", "x");
  under = two.end[SERVER];
  two.end[SERVER] = net_tls_over(under->ctx, under, NULL, "");
  for (int i = 0; i < 4; i++) get(SERVER, &c, 1), get(CLIENT, &c, 1);
  CHECK(strstr(error_of(CLIENT), "another host than b.example") != NULL);
  part();
}

/* After each number of steps of the second handshake, in both orders. */
TEST(ends_at_any_time) {
  for (int steps = 0; steps < 12; steps++) {
    char c;
    join_twice();
    if (steps > 0) put(CLIENT, "", 0);
    for (int i = 1; i < steps; i++) get(i % 2, &c, 1);
    if (steps % 3 == 0) close_end(SERVER);
    if (steps % 3 == 1) close_end(CLIENT);
    for (int i = 0; i < 2; i++) {
      get(i, &c, 1);
      put(i, "x", 1);
      net_tls_shutdown(two.end[i]);
    }
    if (steps % 2) net_tls_end(two.end[CLIENT]);
    part();
  }
}
