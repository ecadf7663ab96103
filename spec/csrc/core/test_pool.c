/*
** test_pool.c - the receive blocks that connections of a pool share. (zlib's
** streams are tested in test_deflate.c.)
*/
#include "frames.h"

#include "ws_pool.h"

static ws_pool pool;

static void with_pool (ws_config *config) {
  ws_pool_init(&pool, heap_alloc, NULL);
  config->pool = &pool;
}

/* Of the blocks that the pool keeps. */
static size_t kept (void) {
  size_t n = 0;
  for (int i = 0; i < WS_BLOCKS; i++) n += pool.blocks[i].size;
  return n;
}

static void *some (size_t n) {
  char *p = malloc(n);
  memset(p, 'x', n);
  return p;
}

static void messages (text *t, int role) {
  char *big = some(150000);
  frame_str(t, role, FIN | TEXT, "one");
  frame(t, role, BINARY, big, 70000);
  frame_str(t, role, FIN | PING, "ping");
  frame(t, role, CONT, big, 300);
  frame(t, role, FIN | CONT, big, 150000);
  frame_str(t, role, FIN | TEXT, "two");
  frame(t, role, FIN | CLOSE, "\x03\xE8", 2);
  free(big);
}

TEST(a_pool_changes_nothing_that_is_received) {
  BOTH(role) {
    text bytes = {NULL, 0, 0};
    feed own = {.role = role};
    messages(&bytes, role);
    heap_reset();
    char *want = strdup(feed_all(&own, bytes.p, bytes.n));
    for (int ahead = 0; ahead < 2; ahead++) {
      feed lent = {.role = role, .configure = with_pool, .ahead = ahead};
      CHECK_STR(feed_all(&lent, bytes.p, bytes.n), want);
    }
    free(want);
    text_free(&bytes);
  }
}

TEST(memory_runs_out) {
  text bytes = {NULL, 0, 0};
  feed how = {.role = WS_SERVER, .configure = with_pool};
  messages(&bytes, WS_SERVER);
  feed_oom(&how, bytes.p, bytes.n, 50000);
  text_free(&bytes);
}

TEST(half_a_frame_owns_no_block) {
  feed how = {.role = WS_SERVER, .configure = with_pool};
  for (size_t n = 1; n < 120; n++) {
    text bytes = {NULL, 0, 0};
    char *big = some(60000);
    feeding f;
    ws_event ev;
    heap_reset();
    feed_open(&f, &how);
    frame(&bytes, WS_SERVER, FIN | BINARY, big, 60000);
    feed_put(&f, bytes.p, n);
    CHECK(kept() == 0);
    CHECK(ws_next(&f.c, &ev) == 0 && ws_ahead(&f.c) == 0);
    CHECK(kept() == WS_BLOCK && heap.bytes <= WS_BLOCK + n);
    feed_put(&f, bytes.p + n, bytes.n - n);
    CHECK(kept() == 0 && heap.blocks == 1);
    CHECK(ws_next(&f.c, &ev) == WS_MESSAGE && ev.size == 60000 &&
          memcmp(ev.data, big, 60000) == 0);
    ws_taken(&f.c);
    CHECK(kept() == WS_BLOCK && heap.blocks == 1);
    text log = feed_close(&f);
    text_free(&log);
    text_free(&bytes);
    free(big);
  }
}

TEST(half_a_head_owns_no_block) {
  static const char head[] = "GET / HTTP/1.1\r\nHost: a\r\nUpgr";
  ws_config config;
  ws_conn c;
  ws_event ev;
  size_t room;
  heap_reset();
  ws_config_init(&config, WS_SERVER);
  with_pool(&config);
  ws_init(&c, &config, heap_alloc, NULL);
  memcpy(ws_reserve(&c, sizeof head - 1, &room), head, sizeof head - 1);
  ws_commit(&c, sizeof head - 1);
  CHECK(ws_next(&c, &ev) == 0);
  CHECK(kept() == WS_BLOCK && c.in.cap == sizeof head - 1);
  ws_free(&c);
  ws_pool_free(&pool);
  CHECK(heap.blocks == 0);
}

TEST(unread_messages_leave_the_block_if_they_are_few) {
  feed how = {.role = WS_SERVER, .configure = with_pool};
  text bytes = {NULL, 0, 0};
  feeding f;
  heap_reset();
  feed_open(&f, &how);
  frame_str(&bytes, WS_SERVER, FIN | TEXT, "hello");
  feed_put(&f, bytes.p, bytes.n);
  CHECK(ws_ahead(&f.c) == 0 && ws_has_message(&f.c));
  CHECK(kept() == WS_BLOCK && f.c.in.cap == bytes.n);
  feed_events(&f);
  text log = feed_close(&f);
  CHECK_STR(log.p, "text \"hello\"; ");
  text_free(&log);
  text_free(&bytes);
}

/* A client's connection with the pool, and the frame of a large message. */
static text open_large (feeding *f) {
  static const feed how = {.role = WS_CLIENT, .configure = with_pool};
  text bytes = {NULL, 0, 0};
  char *big = some(900000);
  heap_reset();
  frame(&bytes, WS_CLIENT, FIN | BINARY, big, 900000);
  free(big);
  feed_open(f, &how);
  return bytes;
}

static void close_large (feeding *f, text *bytes) {
  text log = feed_close(f);
  text_free(&log);
  text_free(bytes);
}

TEST(large_blocks_go_when_nobody_uses_them) {
  feeding f;
  text bytes = open_large(&f);
  for (int i = 0; i < 2; i++) {
    feed_put(&f, bytes.p, bytes.n);
    feed_events(&f);
    text_clear(&f.log);
    CHECK(kept() > 900000);
    ws_pool_trim(&pool);
    CHECK(kept() > 900000);
  }
  ws_pool_trim(&pool);
  CHECK(kept() <= WS_BLOCKS * (size_t)WS_BLOCK);
  close_large(&f, &bytes);
}

static void put_in_pieces (feeding *f, const text *bytes) {
  ws_event ev;
  for (size_t at = 0, n; at < bytes->n; at += n) {
    n = bytes->n - at < 60000 ? bytes->n - at : 60000;
    feed_put(f, bytes->p + at, n);
    if (ws_next(&f->c, &ev) > 0) ws_taken(&f->c);
  }
}

TEST(a_message_does_not_grow_where_a_large_block_is_kept) {
  feeding f;
  text bytes = open_large(&f);
  put_in_pieces(&f, &bytes);
  size_t blocks = heap.blocks;
  heap.fail_at = 1;
  put_in_pieces(&f, &bytes);
  CHECK(!heap.failed && heap.blocks == blocks);
  close_large(&f, &bytes);
}

TEST(what_comes_back_to_a_closed_pool_is_freed) {
  feed how = {.role = WS_CLIENT, .configure = with_pool};
  feeding f;
  size_t room;
  heap_reset();
  feed_open(&f, &how);
  CHECK(ws_reserve(&f.c, 1, &room) != NULL);
  ws_pool_free(&pool);
  ws_free(&f.c);
  CHECK(heap.blocks == 0);
  text log = feed_close(&f);
  text_free(&log);
}
