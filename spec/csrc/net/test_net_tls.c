/*
** test_net_tls.c - TLS between two ends: each function during the handshake,
** with whole and broken records, at the end.
*/
#include <errno.h>
#include <sys/wait.h>

#include "net_tls_int.h"
#include "tls.h"

/* ---------------------------------------------------------------- handshake */

TEST(writing_waits_for_the_handshake) {
  char c;
  join_good();
  CHECK(!net_tls_writable(two.end[CLIENT]) && !net_tls_done(two.end[CLIENT]));
  CHECK(put(CLIENT, "hello", 5) == NET_AGAIN);
  CHECK(put(SERVER, "hi", 2) == NET_AGAIN); /* wants to read */
  CHECK(net_tls_unsent(two.end[CLIENT]) == 0);
  CHECK(get(SERVER, &c, 1) == NET_AGAIN);
  CHECK(get(CLIENT, &c, 1) == NET_AGAIN);
  CHECK(net_tls_done(two.end[CLIENT]) && net_tls_writable(two.end[CLIENT]));
  CHECK(put(CLIENT, "hello", 5) == 5);
  CHECK(get(SERVER, &c, 1) == 1 && c == 'h' && net_tls_more(two.end[SERVER]));
  CHECK(net_tls_heard(two.end[SERVER]) && !net_tls_heard(two.end[SERVER]));
  CHECK(net_tls_unread(two.end[SERVER]));
  CHECK(put(SERVER, "hi", 2) == 2);
  part();
}

TEST(carries_all_sizes) {
  static const size_t sizes[] = {1,     16383, 16384, 16385,
                                 65535, 65536, 65537, 300000};
  join_good();
  CHECK(shaken());
  for (size_t i = 0; i < sizeof sizes / sizeof sizes[0]; i++) {
    carry(CLIENT, sizes[i], 100000, 100000);
    carry(SERVER, sizes[i], 16384, 5000);
    carry(SERVER, sizes[i], 7001, 1 << 20);
  }
  carry(CLIENT, 3000, 1, 7);
  CHECK(put(CLIENT, "", 0) == 0);
  part();
}

/* A kernel that takes little at a time: the counts of bytes taken stay right.
   */
TEST(goes_on_where_the_kernel_stopped) {
  int small = 1;
  join_good();
  CHECK(shaken());
  for (int i = 0; i < 2; i++)
    setsockopt(two.fd[i], SOL_SOCKET, SO_SNDBUF, &small, sizeof small);
  carry(CLIENT, 1000000, 50000, 3000);
  carry(SERVER, 1000000, 1 << 20, 1 << 16);
  unsigned char *p = pattern(1 << 20);
  long sent = put(SERVER, p, 1 << 20);
  CHECK(sent >= 0 && sent < 1 << 20 && net_tls_unsent(two.end[SERVER]) > 0);
  CHECK(!net_tls_writable(two.end[SERVER]));
  CHECK(net_tls_flush(two.end[SERVER]) == NET_AGAIN);
  free(p);
  part();
}

/* Bytes come one by one, both ways. */
static long drip (int which, char *p) {
  char c;
  long r = NET_AGAIN;
  while (r == NET_AGAIN && read(two.fd[which], &c, 1) == 1) {
    CHECK(net_tls_give(two.end[which], &c, 1));
    r = get(which, p, 1);
  }
  return r;
}

TEST(bytes_may_come_one_by_one) {
  char got[6] = "";
  join_good();
  for (int i = 0; i < 10 && !net_tls_done(two.end[SERVER]); i++) {
    put(CLIENT, "", 0);
    CHECK(drip(SERVER, got) == NET_AGAIN);
    CHECK(drip(CLIENT, got) == NET_AGAIN);
  }
  CHECK(put(CLIENT, "hello", 5) == 5);
  CHECK(drip(SERVER, got) == 1 && get(SERVER, got + 1, 4) == 4);
  CHECK_STR(got, "hello");
  part();
}

/* A server's tickets, and a message in the same read. */
TEST(reads_data_behind_tickets) {
  char p[8];
  join_good();
  put(CLIENT, "", 0);
  CHECK(get(SERVER, p, 8) == NET_AGAIN && get(CLIENT, p, 8) == NET_AGAIN);
  CHECK(get(SERVER, p, 8) == NET_AGAIN && net_tls_done(two.end[SERVER]));
  CHECK(put(SERVER, "data", 4) == 4);
  CHECK(get(CLIENT, p, 8) == 4 && !net_tls_more(two.end[CLIENT]));
  part();
}

/* n KeyUpdates of the client's, which carry no data (RFC 8446 section
   4.6.3). */
static void update_keys (int n) {
  SSL *ssl = two.end[CLIENT]->ssl;
  while (n-- > 0)
    CHECK(SSL_key_update(ssl, SSL_KEY_UPDATE_NOT_REQUESTED) &&
          SSL_do_handshake(ssl) == 1);
}

/* All that the client has encrypted, in one piece. */
static void send_all (void) {
  net_tls_bytes *out = &two.end[CLIENT]->ctx->out;
  CHECK(send(two.fd[CLIENT], out->p, out->n, 0) == (ssize_t)out->n);
  out->n = 0;
}

/* A KeyUpdate that asks for ours, alone and together with data. */
TEST(changes_keys_when_asked) {
  char p[8];
  for (int together = 0; together < 2; together++) {
    SSL *ssl;
    join_good();
    CHECK(shaken());
    ssl = two.end[CLIENT]->ssl;
    CHECK(SSL_key_update(ssl, SSL_KEY_UPDATE_REQUESTED) &&
          SSL_do_handshake(ssl) == 1);
    if (!together) {
      send_all();
      CHECK(get(SERVER, p, 8) == NET_AGAIN);
    }
    CHECK(SSL_write(ssl, "after", 5) == 5);
    send_all();
    CHECK(get(SERVER, p, 8) == 5);
    CHECK(SSL_get_key_update_type(two.end[SERVER]->ssl) != SSL_KEY_UPDATE_NONE);
    CHECK(put(SERVER, "there", 5) == 5 && get(CLIENT, p, 8) == 5);
    CHECK(SSL_get_key_update_type(two.end[SERVER]->ssl) == SSL_KEY_UPDATE_NONE);
    carry(CLIENT, 100, 100, 100);
    carry(SERVER, 100, 100, 100);
    part();
  }
}

TEST(reads_no_longer_than_others_can_wait) {
  char c;
  int calls = 0;
  join_good();
  CHECK(shaken());
  for (int i = 0; i < 3; i++, send_all()) update_keys(2500);
  for (; get(SERVER, &c, 1) == NET_AGAIN; calls++)
    if (!net_tls_more(two.end[SERVER])) break;
  CHECK(calls > 0 && net_unread(two.fd[SERVER]) == 0);
  CHECK(put(CLIENT, "x", 1) == 1 && get(SERVER, &c, 1) == 1);
  part();
}

/* A read that ends with a record without data reports that there may be more:
   there will be no event for bytes that have arrived. */
TEST(reads_on_behind_a_record_without_data) {
  enum { FULL = 4 * (NET_TLS_RECORD + 512), UPDATE = 27, BEYOND = 22 };
  static unsigned char p[1 << 17];
  for (size_t slack = 0; slack < 8;
       slack++) { /* for alignment, as OpenSSL is */
    size_t n = 4, last = FULL - slack - UPDATE - 4 * (NET_TLS_RECORD + BEYOND);
    long got = 0, r;
    join_good();
    CHECK(shaken());
    for (; n > 0; n--) SSL_write(two.end[CLIENT]->ssl, p, NET_TLS_RECORD);
    SSL_write(two.end[CLIENT]->ssl, p, (int)(last - BEYOND));
    update_keys(1);
    CHECK(two.end[CLIENT]->ctx->out.n == FULL - slack);
    SSL_write(two.end[CLIENT]->ssl, "behind", 6);
    send_all();
    do {
      r = get(SERVER, p, sizeof p);
      if (r > 0) got += r;
    } while (net_tls_more(two.end[SERVER]));
    CHECK(got == (long)(4 * NET_TLS_RECORD + last - BEYOND + 6));
    part();
  }
}

/* Half a record does not count as unread. */
TEST(half_a_record_is_not_unread) {
  char record[64], p[8];
  join_good();
  CHECK(shaken());
  CHECK(put(CLIENT, "data", 4) == 4);
  ssize_t n = read(two.fd[SERVER], record, sizeof record);
  CHECK(n > 8 && net_tls_give(two.end[SERVER], record, (size_t)n - 3));
  CHECK(net_tls_unread(two.end[SERVER]));
  CHECK(get(SERVER, p, 8) == NET_AGAIN && !net_tls_unread(two.end[SERVER]));
  CHECK(get(SERVER, p, 8) == NET_AGAIN && net_tls_dry(two.end[SERVER]));
  CHECK(net_tls_give(two.end[SERVER], record + n - 3, 3));
  CHECK(get(SERVER, p, 8) == 4);
  part();
}

/* A child that ends sends no close_notify on its parent's connections. */
TEST(a_fork_sends_nothing) {
  char p[8];
  join_good();
  CHECK(shaken());
  pid_t child = fork();
  if (child == 0) {
    net_tls_end(two.end[CLIENT]);
    _exit(0);
  }
  CHECK(child > 0 && waitpid(child, NULL, 0) == child);
  CHECK(get(SERVER, p, 8) == NET_AGAIN);
  carry(CLIENT, 100, 100, 100);
  part();
}

TEST(takes_what_was_read_before) {
  char hello[4096], c;
  join_good();
  put(CLIENT, "", 0);
  ssize_t n = read(two.fd[SERVER], hello, sizeof hello);
  CHECK(n > 0 && net_tls_give(two.end[SERVER], hello, (size_t)n / 2));
  CHECK(net_tls_give(two.end[SERVER], hello + n / 2, (size_t)(n - n / 2)));
  CHECK(get(SERVER, &c, 1) == NET_AGAIN && shaken());
  carry(CLIENT, 10, 10, 10);
  part();
}

TEST(names_are_checked) {
  static const char *const good[] = {"localhost", "LocalHost", "localhost.",
                                     "127.0.0.1"};
  for (size_t i = 0; i < 4; i++) {
    join(context(settings(0)), context(settings(1)), good[i]);
    CHECK(shaken());
    part();
  }
  join(context(settings(0)), context(settings(1)), "127.0.0.2");
  CHECK(!shaken());
  CHECK_STR(error_of(CLIENT),
            "tls: certificate is for another host than 127.0.0.2");
  part();
  net_tls_settings s = settings(0);
  s.ca_file = path("b.crt");
  join(context(s), context(settings(1)), "localhost");
  CHECK(!shaken());
  CHECK_STR(error_of(CLIENT), "tls: certificate is self-signed");
  CHECK_STR(error_of(SERVER),
            "tls: peer does not know the authority of our certificate");
  part();
  s.verify = 0;
  join(context(s), context(settings(1)), "elsewhere");
  CHECK(shaken());
  part();
}

/* ------------------------------------------------------------------ the end */

TEST(close_notify_is_the_end) {
  char p[8];
  join_good();
  CHECK(shaken());
  CHECK(put(CLIENT, "bye", 3) == 3);
  net_tls_shutdown(two.end[CLIENT]);
  net_tls_shutdown(two.end[CLIENT]);
  CHECK(get(SERVER, p, sizeof p) == 3 && net_tls_more(two.end[SERVER]));
  CHECK(get(SERVER, p, sizeof p) == NET_EOF);
  CHECK(get(SERVER, p, sizeof p) == NET_EOF);
  CHECK(put(SERVER, "late", 4) == 4); /* the other way is open */
  CHECK(get(CLIENT, p, sizeof p) == 4);
  part();
}

TEST(a_cut_stream_is_no_clean_end) {
  char p[8];
  join_good();
  CHECK(shaken());
  CHECK(put(CLIENT, "cut", 3) == 3);
  shutdown(two.fd[CLIENT], SHUT_WR);
  CHECK(get(SERVER, p, sizeof p) == 3);
  CHECK(get(SERVER, p, sizeof p) == NET_ERROR);
  CHECK_STR(net_tls_why(two.end[SERVER]), "eof");
  CHECK(net_tls_error(two.end[SERVER]) == NULL);
  part();
  join_good();
  shutdown(two.fd[CLIENT], SHUT_WR);
  CHECK(get(SERVER, p, sizeof p) == NET_ERROR);
  CHECK_STR(error_of(SERVER), "tls: the connection ended in the handshake");
  part();
}

/* A record that is changed on its way, after another one: first that one, then
   the end. */
TEST(a_broken_record_ends_it) {
  char record[256], p[64];
  join_good();
  CHECK(shaken());
  CHECK(put(CLIENT, "one", 3) == 3);
  CHECK(get(SERVER, p, 1) == 1 && get(SERVER, p, 8) == 2);
  CHECK(put(CLIENT, "two", 3) == 3 && put(CLIENT, "six", 3) == 3);
  ssize_t n = read(two.fd[SERVER], record, sizeof record);
  record[n - 1] ^= 1;
  CHECK(n > 0 && net_tls_give(two.end[SERVER], record, (size_t)n));
  CHECK(get(SERVER, p, 8) == 3 && net_tls_more(two.end[SERVER]));
  CHECK(get(SERVER, p, 8) == NET_ERROR && get(SERVER, p, 8) == NET_ERROR);
  CHECK(put(SERVER, "x", 1) == NET_ERROR);
  CHECK_STR(net_tls_why(two.end[SERVER]), "reset");
  CHECK(get(CLIENT, p, 8) == NET_ERROR);
  CHECK_STR(error_of(CLIENT),
            "tls: peer got a record that was changed on its way");
  part();
}

/* Nobody reads: an error, and no SIGPIPE, which would end the test. */
TEST(no_sigpipe_is_raised) {
  char p[8];
  join_good();
  CHECK(shaken());
  CHECK(put(SERVER, "last", 4) == 4);
  close(two.fd[SERVER]);
  two.fd[SERVER] = -1;
  CHECK(put(CLIENT, "x", 1) == NET_ERROR && put(CLIENT, "x", 1) == NET_ERROR);
  CHECK_STR(net_tls_why(two.end[CLIENT]), "reset");
  CHECK(get(CLIENT, p, 8) == 4); /* what came before is still read */
  CHECK(get(CLIENT, p, 8) == NET_ERROR);
  part();
}

/* After each number of steps of a handshake, in both orders. */
TEST(ends_at_any_time) {
  for (int steps = 0; steps < 12; steps++) {
    char c;
    join_good();
    if (steps > 0) put(CLIENT, "", 0);
    for (int i = 1; i < steps; i++) get(i % 2, &c, 1);
    if (steps == 7) put(CLIENT, "unread", 6);
    if (steps % 3 == 0) close_end(SERVER);
    if (steps % 3 == 1) close_end(CLIENT);
    for (int i = 0; i < 2; i++) {
      get(i, &c, 1);
      put(i, "x", 1);
      net_tls_shutdown(two.end[i]);
    }
    part();
  }
  net_tls_free(NULL);
  net_tls_ctx_free(NULL);
}

/* While the kernel has not taken everything. */
TEST(ends_with_bytes_left) {
  unsigned char *p = pattern(1 << 22);
  join_good();
  CHECK(shaken());
  CHECK(put(CLIENT, p, 1 << 22) < 1 << 22);
  net_tls_shutdown(two.end[CLIENT]); /* cannot be sent */
  net_tls_end(two.end[CLIENT]);
  CHECK(put(CLIENT, "x", 1) == NET_ERROR && get(CLIENT, p, 1) == NET_ERROR);
  CHECK(net_tls_flush(two.end[CLIENT]) == NET_ERROR);
  CHECK(net_tls_unsent(two.end[CLIENT]) == 0);
  CHECK(!net_tls_unread(two.end[CLIENT]));
  net_tls_free(two.end[CLIENT]);
  two.end[CLIENT] = NULL;
  free(p);
  part();
}
