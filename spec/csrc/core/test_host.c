/*
** test_host.c - what a host's loop asks: ws_wants_read, ws_wants_next,
** ws_wants_write, ws_transport; the default allocator, the user's pointer, the
** version.
*/
#include "frames.h"

static ws_config config;

static void open_conn (ws_conn *c, int role) {
  ws_config_init(&config, role);
  config.random = rnd_zeros;
  heap_reset();
  ws_init(c, &config, heap_alloc, NULL);
  ws_opened(c);
}

static void close_conn (ws_conn *c) {
  ws_free(c);
  CHECK(heap.blocks == 0 && heap.bytes == 0);
}

/* At the end of a page, as is all that arrives. */
static void arrive (ws_conn *c, const text *t) {
  const char *p = guard_end(t->p, t->n);
  size_t n = t->n;
  while (n > 0) {
    size_t room, some;
    void *to = ws_reserve(c, 1, &room);
    if (!CHECK(to != NULL)) return;
    some = room < n ? room : n;
    memcpy(to, p, some);
    ws_commit(c, some);
    p += some;
    n -= some;
  }
}

static void arrive_frame (ws_conn *c, int first, const void *p, size_t n) {
  text t = {NULL, 0, 0};
  frame(&t, config.role, first, p, n);
  arrive(c, &t);
  text_free(&t);
}

static int next (ws_conn *c) {
  ws_event ev;
  int r = ws_next(c, &ev);
  if (r > 0) ws_taken(c);
  return r;
}

static void write_all (ws_conn *c) { ws_sent(c, ws_queued(c)); }

TEST(the_version_is_that_of_the_header) {
  char s[32];
  snprintf(s, sizeof s, "%d.%d.%d", WS_VERSION_MAJOR, WS_VERSION_MINOR,
           WS_VERSION_PATCH);
  CHECK_STR(ws_version(), s);
  CHECK_STR(WS_VERSION, s);
}

TEST(a_pointer_of_the_host) {
  ws_conn c;
  int mine;
  memset(&c, 0xFF, sizeof c);
  open_conn(&c, WS_SERVER);
  CHECK(ws_user(&c) == NULL);
  ws_set_user(&c, &mine);
  CHECK(ws_user(&c) == &mine);
  close_conn(&c);
  CHECK(ws_user(&c) == &mine);
}

/* The leak checker of the sanitizer watches malloc. */
TEST(no_allocator_is_realloc_and_free) {
  ws_conn c;
  ws_pool *pool = malloc(ws_pool_size());
  ws_config_init(&config, WS_SERVER);
  ws_pool_init(pool, NULL, NULL);
  config.pool = pool;
  ws_init(&c, &config, NULL, NULL);
  ws_opened(&c);
  arrive_frame(&c, FIN | BINARY, "abc", 3);
  CHECK(next(&c) == WS_MESSAGE);
  CHECK(ws_send(&c, WS_BINARY, "abc", 3, 0) == 0);
  ws_shared *s = ws_shared_new(NULL, NULL, WS_TEXT, "all", 3);
  CHECK(s != NULL && ws_send_shared(&c, s) == 0);
  CHECK(ws_deadline(&c, 1) == WS_NEVER);
  ws_shared_free(s);
  ws_free(&c);
  ws_pool_free(pool);
  free(pool);
}

TEST(defaults_of_a_hosts_settings) {
  BOTH(role) {
    memset(&config, 0xFF, sizeof config);
    ws_config_init(&config, role);
    CHECK(config.max_queue == 1048576);
    CHECK(config.handshake_timeout == 10 && config.close_timeout == 5);
    CHECK(config.ping_interval == 0 && config.ping_timeout == 20);
  }
}

TEST(reads_until_too_much_is_queued) {
  BOTH(role) {
    ws_conn c;
    static char p[1000];
    open_conn(&c, role);
    CHECK(ws_wants_read(&c) && !ws_wants_write(&c));
    CHECK(ws_send(&c, WS_BINARY, p, sizeof p, 0) == 0);
    config.max_queue = ws_queued(&c);
    CHECK(ws_wants_read(&c) && ws_wants_next(&c) && ws_wants_write(&c));
    CHECK(ws_send(&c, WS_BINARY, p, 0, 0) == 0);
    CHECK(!ws_wants_read(&c) && !ws_wants_next(&c));
    ws_sent(&c, 2 + (role == WS_CLIENT ? 4 : 0));
    CHECK(ws_wants_read(&c) && ws_wants_next(&c));
    write_all(&c);
    CHECK(!ws_wants_write(&c));
    close_conn(&c);
  }
}

TEST(pongs_do_not_count_as_queued) {
  ws_conn c;
  open_conn(&c, WS_SERVER);
  config.max_queue = 0;
  arrive_frame(&c, FIN | PING, "ping", 4);
  CHECK(ws_ahead(&c) == 0);
  CHECK(ws_queued(&c) == 6 && ws_wants_write(&c));
  CHECK(ws_wants_read(&c) && ws_wants_next(&c));
  close_conn(&c);
}

TEST(reads_until_too_much_is_unread) {
  static char p[WS_READ_AHEAD];
  BOTH(role) {
    ws_conn c;
    size_t header = role == WS_SERVER ? 14 : 10;
    open_conn(&c, role);
    arrive_frame(&c, FIN | BINARY, p, WS_READ_AHEAD - header - 2);
    arrive_frame(&c, FIN | BINARY, "", 0);
    while (ws_unread(&c) < WS_READ_AHEAD) arrive(&c, &(text){"\x82", 1, 1});
    CHECK(ws_unread(&c) == WS_READ_AHEAD && ws_wants_read(&c));
    arrive(&c, &(text){"\x82", 1, 1});
    CHECK(!ws_wants_read(&c));
    CHECK(next(&c) == WS_MESSAGE && ws_wants_read(&c));
    close_conn(&c);
  }
}

/* What is assembled is not unread, however large. */
TEST(reads_on_within_a_large_message) {
  static char p[3 * WS_READ_AHEAD];
  ws_conn c;
  open_conn(&c, WS_SERVER);
  arrive_frame(&c, BINARY, p, sizeof p);
  CHECK(!ws_wants_read(&c));
  CHECK(next(&c) == 0 && ws_wants_read(&c));
  close_conn(&c);
}

static void begin_server (ws_conn *c, const char *head) {
  ws_config_init(&config, WS_SERVER);
  heap_reset();
  ws_init(c, &config, heap_alloc, NULL);
  arrive(c, &(text){(char *)(uintptr_t)head, strlen(head), 0});
}

static const char post[] = "POST / HTTP/1.1\r\nHost: a\r\n"
                           "Content-Length: 200000\r\n\r\n";

TEST(reads_a_body_that_is_larger_than_what_may_lie_unread) {
  static char p[100000];
  ws_conn c;
  begin_server(&c, post);
  config.max_body = 300000;
  for (int i = 0; i < 2; i++) {
    CHECK(next(&c) == 0 && ws_wants_read(&c));
    arrive(&c, &(text){p, sizeof p, 0});
  }
  CHECK(next(&c) == WS_REQUEST);
  CHECK(ws_wants_read(&c));
  close_conn(&c);
}

TEST(stops_reading_behind_a_request_without_an_answer) {
  static char p[WS_READ_AHEAD + 1];
  ws_conn c;
  begin_server(&c, "GET / HTTP/1.1\r\nHost: a\r\n\r\n");
  CHECK(next(&c) == WS_REQUEST && ws_wants_read(&c));
  arrive(&c, &(text){p, sizeof p - 1, 0});
  CHECK(ws_wants_read(&c));
  arrive(&c, &(text){p, 1, 0});
  CHECK(!ws_wants_read(&c));
  close_conn(&c);
}

TEST(does_not_read_behind_an_end_that_is_held) {
  ws_conn c;
  open_conn(&c, WS_SERVER);
  ws_hold_end(&c, 1);
  arrive_frame(&c, FIN | CLOSE, "", 0);
  CHECK(ws_ahead(&c) == 0 && ws_end_held(&c) && !ws_wants_read(&c));
  close_conn(&c);
}

TEST(a_host_that_was_held_back_is_told_to_go_on) {
  ws_conn c;
  open_conn(&c, WS_SERVER);
  config.max_queue = 0;
  CHECK(ws_deadline(&c, 1) == WS_NEVER);
  CHECK(ws_send(&c, WS_TEXT, "a", 1, 0) == 0 && !ws_wants_next(&c));
  CHECK(ws_deadline(&c, 2) == WS_NEVER);
  write_all(&c);
  CHECK(ws_deadline(&c, 3) == 3 && ws_deadline(&c, 4) == 4);
  CHECK(ws_wants_next(&c) && ws_deadline(&c, 5) == WS_NEVER);
  close_conn(&c);
}

/* ---- the end of the transport (RFC 6455 section 7.1.1) */

TEST(a_clean_end_of_a_server) {
  ws_conn c;
  open_conn(&c, WS_SERVER);
  arrive_frame(&c, FIN | CLOSE, "\x03\xE8", 2);
  CHECK(ws_transport(&c) == WS_KEEP);
  CHECK(next(&c) == WS_END && ws_closed(&c).clean);
  CHECK(ws_transport(&c) == WS_KEEP && ws_wants_write(&c));
  ws_sent(&c, 1);
  CHECK(ws_transport(&c) == WS_KEEP);
  write_all(&c);
  CHECK(ws_transport(&c) == WS_SHUTDOWN && ws_wants_read(&c));
  arrive_frame(&c, FIN | TEXT, "late", 4);
  CHECK(ws_transport(&c) == WS_SHUTDOWN && ws_wants_read(&c));
  ws_eof(&c);
  CHECK(ws_transport(&c) == WS_DROP && !ws_wants_read(&c));
  close_conn(&c);
}

TEST(a_clean_end_of_a_client_waits_for_the_server) {
  ws_conn c;
  open_conn(&c, WS_CLIENT);
  arrive_frame(&c, FIN | CLOSE, "\x03\xE8", 2);
  CHECK(next(&c) == WS_END && ws_closed(&c).clean);
  write_all(&c);
  CHECK(ws_transport(&c) == WS_KEEP && ws_wants_read(&c));
  ws_eof(&c);
  CHECK(ws_transport(&c) == WS_DROP);
  close_conn(&c);
}

TEST(a_failed_connection_ends_its_side) {
  BOTH(role) {
    ws_conn c;
    open_conn(&c, role);
    arrive_frame(&c, FIN | 3, "", 0);
    CHECK(next(&c) == WS_END && ws_closed(&c).failed);
    CHECK(ws_transport(&c) == WS_KEEP);
    write_all(&c);
    CHECK(ws_transport(&c) == WS_SHUTDOWN && ws_wants_read(&c));
    close_conn(&c);
  }
}

TEST(an_answer_leaves_before_its_transport_ends) {
  ws_conn c;
  begin_server(&c, "GET / HTTP/1.1\r\nHost: a\r\n\r\n");
  CHECK(next(&c) == WS_REQUEST);
  CHECK(ws_reject(&c, 404, NULL, 0, (ws_str){"no", 2}) == 0);
  CHECK(ws_transport(&c) == WS_KEEP && ws_wants_write(&c));
  write_all(&c);
  CHECK(ws_transport(&c) == WS_SHUTDOWN && ws_wants_read(&c));
  close_conn(&c);
}

TEST(our_own_close_waits_for_the_peers) {
  ws_conn c;
  open_conn(&c, WS_SERVER);
  CHECK(ws_close(&c, 1001, NULL, 0) == 0);
  write_all(&c);
  CHECK(ws_transport(&c) == WS_KEEP && ws_wants_read(&c));
  arrive_frame(&c, FIN | CLOSE, "\x03\xE9", 2);
  CHECK(next(&c) == WS_END && ws_transport(&c) == WS_SHUTDOWN);
  close_conn(&c);
}

TEST(what_is_queued_leaves_after_the_peers_end) {
  ws_conn c;
  open_conn(&c, WS_SERVER);
  CHECK(ws_send(&c, WS_TEXT, "last", 4, 0) == 0);
  ws_eof(&c);
  CHECK(ws_transport(&c) == WS_KEEP && ws_wants_write(&c));
  CHECK(!ws_wants_read(&c));
  write_all(&c);
  CHECK(ws_transport(&c) == WS_DROP);
  close_conn(&c);
}

TEST(a_lost_transport_is_dropped) {
  BOTH(role) {
    ws_conn c;
    open_conn(&c, role);
    CHECK(ws_send(&c, WS_TEXT, "lost", 4, 0) == 0);
    ws_abort(&c, "reset");
    CHECK(ws_transport(&c) == WS_DROP);
    CHECK(!ws_wants_read(&c) && !ws_wants_write(&c));
    close_conn(&c);
    CHECK(ws_transport(&c) == WS_DROP);
  }
}
