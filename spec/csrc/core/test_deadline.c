/*
** test_deadline.c - ws_deadline: each stage of a connection, what moves its
** deadline, what comes of one that is over.
*/
#include <limits.h>

#include "frames.h"

static ws_config config;
static ws_conn conn;

static void begin (int role) {
  ws_config_init(&config, role);
  config.random = rnd_zeros;
  config.ping_interval = 30;
  heap_reset();
  ws_init(&conn, &config, heap_alloc, NULL);
}

static void begin_open (int role) {
  begin(role);
  ws_opened(&conn);
}

static void end (void) {
  ws_free(&conn);
  CHECK(heap.blocks == 0 && heap.bytes == 0);
}

static void arrive (const void *p, size_t n) {
  size_t room;
  void *to = ws_reserve(&conn, n, &room);
  memcpy(to, guard_end(p, n), n);
  ws_commit(&conn, n);
}

static void arrive_frame (int first, const char *p) {
  text t = {NULL, 0, 0};
  frame_str(&t, config.role, first, p);
  arrive(t.p, t.n);
  text_free(&t);
}

static int next (void) {
  ws_event ev;
  int r = ws_next(&conn, &ev);
  if (r > 0) ws_taken(&conn);
  return r;
}

static void write_all (void) { ws_sent(&conn, ws_queued(&conn)); }

/* Is it over at that time? The call before lets the host read first. */
static int drops_at (double at) {
  CHECK(ws_transport(&conn) != WS_DROP);
  CHECK(ws_deadline(&conn, at) == at && ws_transport(&conn) != WS_DROP);
  CHECK(ws_deadline(&conn, at) == at);
  return ws_transport(&conn) == WS_DROP;
}

static int says (const char *reason) {
  ws_str s = ws_closed(&conn).reason;
  return s.n == strlen(reason) && memcmp(s.p, reason, s.n) == 0;
}

TEST(milliseconds) {
  CHECK(ws_milliseconds(WS_NEVER, 5) == -1);
  CHECK(ws_milliseconds(5, 5) == 0 && ws_milliseconds(4, 5) == 0);
  CHECK(ws_milliseconds(5.0000001, 5) == 1);
  CHECK(ws_milliseconds(5.5, 5) == 500);
  CHECK(ws_milliseconds(5.5001, 5) == 501);
  CHECK(ws_milliseconds(1e30, 5) == INT_MAX);
}

/* ---- the opening handshake */

TEST(a_handshake_is_bounded_from_the_first_call) {
  BOTH(role) {
    begin(role);
    CHECK(ws_deadline(&conn, 100) == 110);
    if (role == WS_SERVER) arrive("GET / HTT", 9);
    CHECK(next() == 0);
    CHECK(ws_deadline(&conn, 109.9) == 110); /* a drop does not move it */
    CHECK(drops_at(110) && says("timeout"));
    CHECK(ws_closed(&conn).code == 1006);
    end();
  }
}

TEST(a_request_without_an_answer_is_bounded) {
  static const char head[] = "GET / HTTP/1.1\r\nHost: a\r\n\r\n";
  begin(WS_SERVER);
  CHECK(ws_deadline(&conn, 0) == 10);
  arrive(head, sizeof head - 1);
  CHECK(next() == WS_REQUEST && ws_deadline(&conn, 3) == 10);
  CHECK(drops_at(11));
  end();
}

TEST(no_timeouts) {
  begin(WS_SERVER);
  config.handshake_timeout = config.ping_interval = config.close_timeout = 0;
  CHECK(ws_deadline(&conn, 0) == WS_NEVER);
  ws_opened(&conn);
  CHECK(ws_deadline(&conn, 1) == WS_NEVER);
  CHECK(ws_close(&conn, 1000, NULL, 0) == 0);
  CHECK(ws_deadline(&conn, 2) == WS_NEVER);
  end();
}

TEST(any_clock_will_do) {
  begin(WS_SERVER);
  CHECK(ws_deadline(&conn, -1e6) == -1e6 + 10);
  CHECK(ws_deadline(&conn, -1e6 + 9) == -1e6 + 10);
  CHECK(drops_at(1e9));
  end();
}

/* ---- the heartbeat */

TEST(silence_brings_a_ping_and_then_the_end) {
  BOTH(role) {
    begin_open(role);
    CHECK(ws_deadline(&conn, 0) == 30 && !ws_wants_write(&conn));
    CHECK(ws_deadline(&conn, 29) == 30 && !ws_wants_write(&conn));
    CHECK(ws_deadline(&conn, 30) == 30 && ws_wants_write(&conn));
    write_all();
    CHECK(ws_deadline(&conn, 31) == 50);
    CHECK(drops_at(50) && says("ping timeout"));
    end();
  }
}

static void ping_at (double at) {
  CHECK(ws_deadline(&conn, at) == at && ws_wants_write(&conn));
  write_all();
}

TEST(anything_from_the_peer_is_an_answer) {
  static const char *const some[] = {"\x8A\x80\x9A\x01\xC3\x57", "\x81"};
  for (size_t i = 0; i < 2; i++) {
    begin_open(WS_SERVER);
    CHECK(ws_deadline(&conn, 0) == 30);
    ping_at(30);
    CHECK(ws_deadline(&conn, 49) == 50);
    arrive(some[i], strlen(some[i]));
    CHECK(next() == 0 && ws_deadline(&conn, 49.5) == 79.5);
    end();
  }
}

TEST(what_has_arrived_meanwhile_is_read_first) {
  begin_open(WS_SERVER);
  CHECK(ws_deadline(&conn, 0) == 30);
  ping_at(30);
  CHECK(ws_deadline(&conn, 1000) == 1000); /* the host was stopped */
  arrive_frame(FIN | PONG, "");
  CHECK(ws_deadline(&conn, 1001) == 1031);
  CHECK(ws_transport(&conn) == WS_KEEP);
  end();
}

TEST(traffic_needs_no_pings) {
  begin_open(WS_SERVER);
  for (int i = 0; i < 10; i++) {
    arrive_frame(FIN | TEXT, "a");
    CHECK(next() == WS_MESSAGE && ws_deadline(&conn, 20 * i) == 20 * i + 30);
  }
  CHECK(ws_queued(&conn) == 0);
  end();
}

/* A ping behind megabytes that a slow peer takes bit by bit. */
TEST(a_slow_reader_is_alive) {
  static char p[1000];
  begin_open(WS_SERVER);
  CHECK(ws_send(&conn, WS_BINARY, p, sizeof p, 0) == 0);
  CHECK(ws_deadline(&conn, 0) == 20);
  for (int i = 1; i < 10; i++) {
    ws_sent(&conn, 10);
    double at = ws_deadline(&conn, 15 * i);
    CHECK(at >= 15 * i && ws_transport(&conn) == WS_KEEP);
  }
  CHECK(drops_at(15 * 9 + 20) && says("ping timeout"));
  end();
}

TEST(a_peer_that_talks_and_accepts_nothing_is_dead) {
  begin_open(WS_SERVER);
  CHECK(ws_deadline(&conn, 0) == 30);
  CHECK(ws_deadline(&conn, 25) == 30);
  CHECK(ws_send(&conn, WS_TEXT, "a", 1, 0) == 0);
  for (int i = 26; i < 46; i++) {
    arrive_frame(FIN | TEXT, "b");
    CHECK(next() == WS_MESSAGE && ws_deadline(&conn, i) == 46);
  }
  CHECK(drops_at(46) && says("ping timeout"));
  end();
}

/* The application is away: the host does not read, and so hears nothing. */
TEST(a_peer_that_is_not_read_is_not_dead) {
  static char p[WS_READ_AHEAD];
  text t = {NULL, 0, 0};
  begin_open(WS_SERVER);
  frame(&t, WS_SERVER, FIN | BINARY, p, sizeof p);
  arrive(t.p, t.n);
  text_free(&t);
  CHECK(!ws_wants_read(&conn) && ws_deadline(&conn, 0) == 30);
  ping_at(30);
  for (int i = 3; i < 100; i++) CHECK(ws_deadline(&conn, 15 * i) > 15 * i);
  end();
}

TEST(without_a_heartbeat_silence_is_fine) {
  begin_open(WS_SERVER);
  config.ping_interval = 0;
  CHECK(ws_send(&conn, WS_TEXT, "a", 1, 0) == 0);
  CHECK(ws_deadline(&conn, 0) == WS_NEVER);
  CHECK(ws_deadline(&conn, 1e9) == WS_NEVER && ws_queued(&conn) == 3);
  end();
}

/* ---- closing */

TEST(a_closing_handshake_is_bounded) {
  BOTH(role) {
    begin_open(role);
    CHECK(ws_deadline(&conn, 0) == 30);
    CHECK(ws_close(&conn, 1000, NULL, 0) == 0);
    CHECK(ws_deadline(&conn, 1) == 6);
    ws_sent(&conn, 1);
    CHECK(ws_deadline(&conn, 4) == 9);
    CHECK(drops_at(9) && says("timeout") && ws_closed(&conn).code == 1006);
    end();
  }
}

TEST(what_the_peer_sends_meanwhile_moves_no_deadline) {
  begin_open(WS_SERVER);
  CHECK(ws_close(&conn, 1000, NULL, 0) == 0);
  write_all();
  CHECK(ws_deadline(&conn, 0) == 5);
  arrive_frame(FIN | TEXT, "a");
  CHECK(next() == 0 && ws_deadline(&conn, 4) == 5);
  CHECK(drops_at(5));
  end();
}

/* RFC 6455 section 7.1.1: the peer may never end its side. */
TEST(the_wait_for_the_end_of_the_transport_is_bounded) {
  BOTH(role) {
    begin_open(role);
    arrive_frame(FIN | CLOSE, "\x03\xE8");
    CHECK(next() == WS_END && ws_deadline(&conn, 0) == 5);
    CHECK(ws_deadline(&conn, 2) == 5);
    write_all();
    CHECK(ws_deadline(&conn, 3) == 8);
    arrive_frame(FIN | TEXT, "a");
    CHECK(ws_deadline(&conn, 7) == 8);
    CHECK(drops_at(8));
    CHECK(ws_closed(&conn).clean && ws_closed(&conn).code == 1000);
    end();
  }
}

TEST(an_answer_that_nobody_takes_is_bounded) {
  static const char head[] = "GET / HTTP/1.1\r\nHost: a\r\n\r\n";
  begin(WS_SERVER);
  arrive(head, sizeof head - 1);
  CHECK(next() == WS_REQUEST);
  CHECK(ws_reject(&conn, 404, NULL, 0, (ws_str){"", 0}) == 0);
  CHECK(ws_deadline(&conn, 0) == 5);
  ws_sent(&conn, 1);
  CHECK(ws_deadline(&conn, 1) == 6);
  CHECK(drops_at(6) && ws_closed(&conn).status == 404);
  end();
}

TEST(a_held_end_is_bounded) {
  begin_open(WS_SERVER);
  ws_hold_end(&conn, 1);
  arrive_frame(FIN | TEXT, "a");
  arrive_frame(FIN | CLOSE, "\x03\xE8");
  CHECK(ws_ahead(&conn) == 0 && ws_end_held(&conn));
  CHECK(ws_deadline(&conn, 0) == 5 && ws_deadline(&conn, 4) == 5);
  CHECK(ws_deadline(&conn, 5) == 5 && ws_state(&conn) == WS_OPENED);
  CHECK(ws_deadline(&conn, 5) == 5 && ws_state(&conn) == WS_CLOSED);
  CHECK(next() == WS_MESSAGE && next() == WS_END && ws_closed(&conn).clean);
  end();
}

TEST(a_host_that_asks_on_is_told_to_drop_it) {
  begin_open(WS_SERVER);
  ws_eof(&conn);
  CHECK(ws_transport(&conn) == WS_DROP && ws_deadline(&conn, 7) == 7);
  end();
}

/* ---- memory */

TEST(lack_of_memory_delays) {
  begin_open(WS_SERVER);
  heap.fail_at = 1;
  double at = ws_deadline(&conn, 0);
  CHECK(heap.failed == 1 && at > 0 && at < 1);
  CHECK(ws_deadline(&conn, at) == at + 30);
  heap.fail_at = 1; /* of the ping */
  CHECK(ws_deadline(&conn, at + 30) == at + 30 && !ws_wants_write(&conn));
  double again = ws_deadline(&conn, at + 30);
  CHECK(again > at + 30 && again < at + 31);
  CHECK(ws_deadline(&conn, again) == again && ws_wants_write(&conn));
  end();
}

TEST(lack_of_memory_for_a_held_end) {
  begin_open(WS_SERVER);
  ws_hold_end(&conn, 1);
  arrive_frame(FIN | CLOSE, "\x03\xE8"
                            "bye");
  CHECK(ws_ahead(&conn) == 0 && ws_deadline(&conn, 0) == 5);
  CHECK(ws_deadline(&conn, 5) == 5);
  heap.fail_at = 1;
  CHECK(ws_deadline(&conn, 5) == 5 && ws_state(&conn) == WS_OPENED);
  double again = ws_deadline(&conn, 5);
  CHECK(again > 5 && again < 6);
  while (ws_state(&conn) == WS_OPENED && again < 12) {
    again += 0.2;
    ws_deadline(&conn, again);
  }
  CHECK(again < 12 && ws_closed(&conn).clean);
  end();
}
