/*
** test_conn.c - a connection as a whole: defaults, size, calls after the end.
*/
#include "frames.h"

#include "ws_frame.h"

TEST(defaults) {
  BOTH(role) {
    ws_config config;
    memset(&config, 0xFF, sizeof config);
    ws_config_init(&config, role);
    CHECK(config.role == role && config.max_message == 1048576);
    CHECK(config.max_fragments == 16384 && config.max_header == 16384);
    CHECK(config.max_fields == 100 && config.max_body == 65536);
    CHECK(config.random == NULL);
  }
}

/* Each byte counts ten thousand times with ten thousand idle connections. */
TEST(size) {
  CHECK(ws_size() == sizeof(ws_conn));
  CHECK(ws_size() <= 320);
}

TEST(a_fresh_connection) {
  BOTH(role) {
    ws_config config;
    ws_conn c;
    ws_event ev;
    ws_iov v[WS_IOV];
    heap_reset();
    ws_config_init(&config, role);
    memset(&c, 0xFF, sizeof c);
    ws_init(&c, &config, heap_alloc, NULL);
    CHECK(ws_state(&c) == WS_CONNECTING && ws_closed(&c).code == 1006);
    CHECK(ws_next(&c, &ev) == 0 && ws_next_part(&c, &ev, 1) == 0);
    CHECK(ws_pending(&c, v, WS_IOV) == 0 && ws_queued(&c) == 0);
    CHECK(ws_unread(&c) == 0 && !ws_in_parts(&c) && ws_ponged(&c) == 0);
    CHECK_STR(ws_error(&c), "");
    ws_taken(&c);
    ws_eof(&c);
    CHECK(ws_next(&c, &ev) == WS_END);
    CHECK(ws_closed(&c).eof && ws_closed(&c).reason.n == 3);
    ws_free(&c);
    CHECK(heap.blocks == 0);
  }
}

static void use_after_the_end (ws_conn *c) {
  ws_event ev;
  ws_iov v[WS_IOV];
  size_t room;
  CHECK(ws_state(c) == WS_CLOSED);
  CHECK(ws_next(c, &ev) == WS_END && ws_next_part(c, &ev, 9) == WS_END);
  CHECK(ws_send(c, WS_TEXT, "a", 1, 0) == WS_ESTATE);
  CHECK(ws_ping(c, "a", 1, NULL) == WS_ESTATE);
  CHECK(ws_close(c, 1000, NULL, 0) == 0);
  CHECK(ws_ahead(c) == 0 && ws_settle(c) == 0);
  void *p = ws_reserve(c, 100000, &room);
  CHECK(p && room >= 100000);
  memset(p, 0x81, room);
  ws_commit(c, room);
  CHECK(ws_unread(c) == 0 && heap.bytes == 0);
  ws_taken(c);
  ws_eof(c);
  ws_abort(c, "reset");
  CHECK(ws_pending(c, v, WS_IOV) == 0 && ws_queued(c) == 0);
  CHECK(ws_closed(c).reason.n < 100 && ws_error(c) != NULL);
}

TEST(freed_at_any_time) {
  static const char bytes[] = "\x81\x01"
                              "a"
                              "\x89\x01"
                              "b"
                              "\x01\x02"
                              "c";
  for (size_t n = 0; n < sizeof bytes; n++)
    for (int pull = 0; pull < 3; pull++) {
      feed how = {.role = WS_CLIENT};
      feeding f;
      ws_event ev;
      heap_reset();
      feed_open(&f, &how);
      CHECK(ws_send(&f.c, WS_TEXT, "unsent", 6, WS_MORE) == 0);
      CHECK(ws_ping(&f.c, "unsent", 6, NULL) == 0);
      feed_put(&f, bytes, n);
      if (pull == 1) ws_next(&f.c, &ev);
      if (pull == 2) ws_next_part(&f.c, &ev, 1);
      ws_free(&f.c);
      CHECK(heap.blocks == 0);
      use_after_the_end(&f.c);
      ws_free(&f.c);
      text log = feed_close(&f);
      text_free(&log);
    }
}

TEST(closed_and_written) {
  feed how = {.role = WS_CLIENT};
  feeding f;
  heap_reset();
  feed_open(&f, &how);
  feed_put(&f,
           "\x88\x05\x03\xE8"
           "bye",
           7);
  feed_events(&f);
  feed_out(&f);
  CHECK(heap.bytes == sizeof(ws_note)); /* the reason */
  ws_closing before = ws_closed(&f.c);
  CHECK(before.code == 1000 && before.reason.n == 3);
  text log = feed_close(&f);
  text_free(&log);
}

TEST(room_as_asked) {
  feed how = {.role = WS_SERVER};
  feeding f;
  size_t room;
  heap_reset();
  feed_open(&f, &how);
  CHECK(ws_reserve(&f.c, 0, &room) && room > 0);
  CHECK(ws_reserve(&f.c, 100000, &room) && room >= 100000);
  CHECK(ws_reserve(&f.c, 1, &room) && room == WS_READ_AHEAD + WS_HEADER + 1);
  for (size_t less = 0; less < 100; less++)
    CHECK(ws_reserve(&f.c, SIZE_MAX - less, &room) == NULL);
  ws_commit(&f.c, 0);
  CHECK(heap.bytes == 0);
  heap.fail_at = 1;
  CHECK(ws_reserve(&f.c, 1, &room) == NULL);
  CHECK(ws_reserve(&f.c, 1, &room) != NULL);
  text log = feed_close(&f);
  text_free(&log);
}
