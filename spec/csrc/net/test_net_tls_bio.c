/*
** test_net_tls_bio.c - OpenSSL's BIO for the descriptor without memory,
** through the copy of net_tls_bio.c compiled here.
*/
#include "tls.h"

#include "failing.h" /* after test.h, which has names of its own */

#define realloc test_realloc
#include "net_tls_bio.c"
#undef realloc

/* Both in an established connection. */
static void begin (void) {
  join_good();
  CHECK(shaken());
}

/* Makes the next growth of the buffer fail that all connections of a context
   share. */
static void forget_room (int which) {
  net_tls_bytes_free(&two.end[which]->ctx->out);
  fail_at = 1;
}

TEST(a_record_without_memory_fails_the_sender) {
  begin();
  forget_room(SERVER);
  CHECK(put(SERVER, "lost", 4) == NET_ERROR);
  CHECK_STR(net_tls_why(two.end[SERVER]), "not enough memory");
  CHECK(put(SERVER, "lost", 4) == NET_ERROR);
  part();
}

/* OpenSSL then reports that the peer has closed, which is no result of a write.
   */
TEST(a_record_without_memory_after_the_peers_close_notify) {
  char p[8];
  begin();
  net_tls_shutdown(two.end[CLIENT]);
  CHECK(get(SERVER, p, sizeof p) == NET_EOF);
  forget_room(SERVER);
  CHECK(put(SERVER, "lost", 4) == NET_ERROR);
  CHECK_STR(net_tls_why(two.end[SERVER]), "not enough memory");
  CHECK(put(SERVER, "lost", 4) == NET_ERROR);
  part();
}

/* In every record of a long write, before and after the close_notify. */
TEST(wherever_memory_fails_a_write_ends) {
  static char p[1 << 17];
  for (int i = 0; i < 16; i++) {
    begin();
    if (i % 2) {
      net_tls_shutdown(two.end[CLIENT]);
      CHECK(get(SERVER, p, sizeof p) == NET_EOF);
    }
    forget_room(SERVER);
    fail_at = i / 2 + 1;
    long r = put(SERVER, p, sizeof p);
    CHECK(r > 0 || r == NET_ERROR);
    fail_at = 0;
    part();
  }
}

TEST(given_bytes_without_memory_are_refused) {
  begin();
  fail_at = 1;
  CHECK(!net_tls_give(two.end[SERVER], "x", 1));
  CHECK(net_tls_give(two.end[SERVER], "", 0));
  part();
}
