/*
** test_head.c - the results of ws_http, ws_http_field, ws_offered and
** ws_chosen: of the current event or of a request that waits for its answer,
** and otherwise nothing, however the handshake was broken off. ATTACKS row 36.
*/
#include "feed.h"

#include "ws_hs.h"

#define REQUEST                                             \
  "GET /chat HTTP/1.1\r\nHost: a\r\nUpgrade: websocket\r\n" \
  "Connection: Upgrade\r\nSec-WebSocket-Version: 13\r\n"    \
  "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n"         \
  "Sec-WebSocket-Protocol: chat, b\r\n\r\n"
#define POST "POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 9\r\n\r\nbody"
#define BAD "GET / HTTP/1.1\r\nHost: a\r\nHost: b\r\n\r\n"
#define OPEN                                                        \
  "HTTP/1.1 100 Wait\r\nA: b\r\n\r\n"                               \
  "HTTP/1.1 101 x\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n" \
  "Sec-WebSocket-Accept: ICX+Yqv66kxgM0FcWaLWlFLwTAI=\r\n"          \
  "Sec-WebSocket-Protocol: chat\r\n\r\n"
#define FALSE_OPEN "HTTP/1.1 101 x\r\nUpgrade: websocket\r\nA: b\r\n\r\n"
#define REFUSED "HTTP/1.1 403 No\r\nContent-Length: 9\r\n\r\nbody"
#define HELLO "\x81\x85\0\0\0\0hello"

static const struct {
  int role;
  const char *p;
} inputs[] = {{WS_SERVER, REQUEST}, {WS_SERVER, POST},
              {WS_SERVER, BAD},     {WS_CLIENT, OPEN},
              {WS_CLIENT, REFUSED}, {WS_CLIENT, FALSE_OPEN}};
enum { INPUTS = sizeof inputs / sizeof *inputs };

static void start (ws_conn *c) {
  static const ws_str protocol = {"chat", 4};
  if (c->config->role == WS_SERVER) return;
  CHECK(ws_request(c, (ws_str){"a", 1}, (ws_str){"/", 1}, &protocol, 1, NULL,
                   0) == 0);
}

static ws_pool *pool;

static void pooled (ws_config *config) { config->pool = pool; }

static const feed in_pool[] = {
    {.role = WS_CLIENT, .start = start, .configure = pooled},
    {.role = WS_SERVER, .start = start, .configure = pooled}};

static int is_none (ws_str s) { return s.p == NULL && s.n == 0; }

/* They return nothing. */
static int silent (const ws_conn *c) {
  int ok = ws_http(c) == NULL && is_none(ws_chosen(c));
  for (size_t i = 0; i < 3; i++) {
    ws_field f = ws_http_field(c, i);
    ok &= is_none(f.name) && is_none(f.value) && is_none(ws_offered(c, i));
  }
  return ok;
}

/* Reads all that they return: a byte too many lies behind the block. */
static size_t read_all (const ws_conn *c) {
  const ws_head *h = ws_http(c);
  text all = {NULL, 0, 0};
  size_t n;
  if (h == NULL) return 0;
  text_add(&all, h->method.p, h->method.n);
  text_add(&all, h->target.p, h->target.n);
  text_add(&all, h->reason.p, h->reason.n);
  for (size_t i = 0; i < h->nfields; i++) {
    ws_field f = ws_http_field(c, i);
    text_add(&all, f.name.p, f.name.n);
    text_add(&all, f.value.p, f.value.n);
  }
  for (size_t i = 0; ws_offered(c, i).p; i++)
    text_add(&all, ws_offered(c, i).p, ws_offered(c, i).n);
  text_add(&all, ws_chosen(c).p, ws_chosen(c).n);
  n = all.n;
  text_free(&all);
  return n;
}

/* Ways to break a handshake off, or to go on without its bytes. */
static void abort_it (ws_conn *c) { ws_abort(c, "aborted"); }
static void close_it (ws_conn *c) { CHECK(ws_close(c, 1000, NULL, 0) == 0); }
static void drop_it (ws_conn *c) {
  ws_drop(c, "dropped");
  ws_hs_abandon(c); /* as every host does that drops it in its handshake */
}
static void free_it (ws_conn *c) { ws_free(c); }
static void abort_twice (ws_conn *c) {
  ws_abort(c, "reset");
  ws_free(c);
  ws_abort(c, "aborted");
}
static void (*const ways[])(ws_conn *c) = {abort_it, close_it, drop_it, free_it,
                                           abort_twice};
enum { WAYS = sizeof ways / sizeof *ways };

/* All that a host may still call. */
static void use (ws_conn *c) {
  ws_event ev;
  size_t room;
  CHECK(ws_next_part(c, &ev, 9) <= 0 && ws_next(c, &ev) <= 0);
  CHECK(silent(c));
  CHECK(ws_reserve(c, 1, &room) != NULL);
  ws_commit(c, 1);
  ws_ahead(c);
  CHECK(silent(c));
  ws_taken(c);
  ws_eof(c);
  CHECK(ws_next(c, &ev) == WS_END && silent(c));
}

/* All bytes but the last, so that most inputs give no event; broken off after
   each byte. */
static void break_off (const feed *how, const char *p, size_t n, int way) {
  feeding f;
  ws_event ev;
  feed_open(&f, how);
  for (size_t at = 0; at < n; at++) {
    feed_put(&f, p + at, 1);
    if (!how->configure) feed_tighten(&f.c);
    if (at + 7 > n) break; /* none of the inputs is whole so early */
    CHECK(silent(&f.c));
    CHECK(ws_next(&f.c, &ev) <= 0 || strncmp(p, BAD, 9) == 0);
    CHECK(silent(&f.c));
  }
  ways[way](&f.c);
  if (f.c.event == WS_REFUSED) { /* its head had arrived */
    CHECK(strcmp(p, REFUSED) == 0 && read_all(&f.c) > 0);
    ws_taken(&f.c);
  }
  CHECK(silent(&f.c));
  use(&f.c);
  text log = feed_close(&f);
  text_free(&log);
}

TEST(broken_off_behind_each_byte) {
  for (int i = 0; i < INPUTS; i++)
    for (int way = 0; way < WAYS; way++)
      for (size_t n = 0; n < strlen(inputs[i].p); n++) {
        feed how = {.role = inputs[i].role, .start = start};
        heap_reset();
        break_off(&how, inputs[i].p, n, way);
      }
}

/* Blocks of a pool hold what other connections have received. */
TEST(broken_off_with_a_pool) {
  heap_reset();
  pool = malloc(ws_pool_size());
  ws_pool_init(pool, heap_alloc, NULL);
  for (int i = 0; i < INPUTS; i++)
    for (int way = 0; way < WAYS; way++)
      for (size_t n = 1; n < strlen(inputs[i].p); n += 7) {
        feeding f;
        size_t room;
        feed_open(&f, &in_pool[inputs[i].role]);
        feed_put(&f, inputs[i].p, n);
        ws_event ev;
        ws_next(&f.c, &ev);
        size_t told = read_all(&f.c);
        CHECK(told == 0 || f.c.event != 0);
        CHECK(ws_reserve(&f.c, 100000, &room) != NULL);
        CHECK(read_all(&f.c) == told);
        if (f.c.event) ws_taken(&f.c);
        ways[way](&f.c);
        CHECK(f.c.event ? read_all(&f.c) > 0 : silent(&f.c));
        ws_free(&f.c);
        text_free(&f.log);
        text_free(&f.part);
      }
  ws_pool_free(pool);
  CHECK(heap.blocks == 0);
  free(pool);
}

/* The end of the transport, in the middle: nothing is returned before ws_next
   reports the end, and nothing after it. */
TEST(broken_off_by_the_end) {
  for (int i = 0; i < INPUTS; i++)
    for (size_t n = 0; n < 60 && n < strlen(inputs[i].p); n++) {
      feed how = {.role = inputs[i].role, .start = start};
      feeding f;
      ws_event ev;
      heap_reset();
      feed_open(&f, &how);
      feed_put(&f, inputs[i].p, n);
      feed_tighten(&f.c);
      ws_eof(&f.c);
      CHECK(silent(&f.c));
      if (ws_next(&f.c, &ev) > 0) /* a refusal that is cut off */
        CHECK(read_all(&f.c) > 0);
      else
        CHECK(silent(&f.c));
      ws_taken(&f.c);
      CHECK(ws_next(&f.c, &ev) == WS_END && silent(&f.c));
      text log = feed_close(&f);
      text_free(&log);
    }
}

/* A current event stays current until it is taken, whatever has ended. */
TEST(of_a_current_event_until_it_is_taken) {
  static const char *const whole[] = {OPEN, REQUEST};
  for (int role = WS_CLIENT; role <= WS_SERVER; role++)
    for (int way = 0; way < 3; way++) {
      feed how = {.role = role, .start = start};
      feeding f;
      ws_event ev;
      heap_reset();
      feed_open(&f, &how);
      feed_put(&f, whole[role], strlen(whole[role]));
      feed_tighten(&f.c);
      CHECK(silent(&f.c) && ws_next(&f.c, &ev) > 0);
      size_t told = read_all(&f.c);
      CHECK(told > 0);
      ways[way](&f.c);
      CHECK(read_all(&f.c) == told && ws_next(&f.c, &ev) > 0);
      ws_taken(&f.c);
      CHECK(silent(&f.c));
      CHECK(ws_next(&f.c, &ev) <= 0 && silent(&f.c));
      text log = feed_close(&f);
      text_free(&log);
    }
}

/* ----------------------------------------------- requests answered later on */

/* The loop at the beginning of ws.h, which leaves a request to be answered
   later. */
static int run (feeding *f) {
  ws_event ev;
  int r, n = 0;
  while ((r = ws_next(&f->c, &ev)) > 0 && CHECK(n < 5000)) {
    n++;
    ws_taken(&f->c);
  }
  CHECK(r == 0 || r == WS_END);
  return n;
}

static const feed server = {.role = WS_SERVER, .start = start};

static void ask (feeding *f, const char *request) {
  heap_reset();
  feed_open(f, &server);
  feed_put(f, request, strlen(request));
  CHECK(run(f) == 1 && ws_state(&f->c) == WS_CONNECTING);
}

static void done (feeding *f) {
  text log = feed_close(f);
  text_free(&log);
}

TEST(a_request_is_accepted_after_it_was_taken) {
  feeding f;
  ask(&f, REQUEST);
  CHECK(run(&f) == 0);
  size_t told = read_all(&f.c);
  for (int i = 0; i < 4000; i++) feed_put(&f, HELLO, 11);
  feed_tighten(&f.c);
  CHECK(run(&f) == 0 && read_all(&f.c) == told && ws_http(&f.c)->upgrade);
  ws_taken(&f.c);
  CHECK(ws_accept(&f.c, ws_offered(&f.c, 1), NULL, 0) == 0);
  CHECK(silent(&f.c) && ws_state(&f.c) == WS_OPENED);
  CHECK(run(&f) == 4000);
  done(&f);
}

TEST(a_request_is_rejected_after_it_was_taken) {
  static const char *const requests[] = {REQUEST, POST "tail!"};
  for (int i = 0; i < 2; i++) {
    feeding f;
    ask(&f, requests[i]);
    CHECK(ws_http(&f.c)->nfields > 0);
    CHECK(ws_reject(&f.c, 403, NULL, 0, (ws_str){"no", 2}) == 0);
    CHECK(silent(&f.c) && run(&f) == 0 && ws_state(&f.c) == WS_CLOSED);
    CHECK(ws_reject(&f.c, 403, NULL, 0, (ws_str){"no", 2}) == WS_ESTATE);
    feed_out(&f);
    CHECK(strstr(f.log.p, "; out "));
    done(&f);
  }
}

/* The peer has shut down its side, and waits for the answer. */
TEST(a_request_is_answered_after_the_end_of_input) {
  feeding f;
  ask(&f, REQUEST);
  ws_eof(&f.c);
  CHECK(run(&f) == 0 && ws_state(&f.c) == WS_CONNECTING);
  CHECK(ws_http(&f.c) && ws_accept(&f.c, (ws_str){NULL, 0}, NULL, 0) == 0);
  CHECK(run(&f) == 0 && ws_state(&f.c) == WS_CLOSED);
  CHECK(ws_closed(&f.c).code == 1006 && ws_closed(&f.c).eof);
  done(&f);
  ask(&f, REQUEST);
  ws_eof(&f.c);
  CHECK(ws_reject(&f.c, 503, NULL, 0, (ws_str){NULL, 0}) == 0);
  CHECK(run(&f) == 0 && ws_closed(&f.c).status == 503);
  done(&f);
}

TEST(a_request_that_was_taken_and_broken_off) {
  for (int way = 0; way < WAYS; way++) {
    feeding f;
    ask(&f, REQUEST);
    CHECK(!silent(&f.c));
    ways[way](&f.c);
    CHECK(silent(&f.c) && run(&f) == 0 && ws_state(&f.c) == WS_CLOSED);
    CHECK(ws_accept(&f.c, (ws_str){NULL, 0}, NULL, 0) == WS_ESTATE);
    CHECK(ws_reject(&f.c, 403, NULL, 0, (ws_str){NULL, 0}) == WS_ESTATE);
    use(&f.c);
    done(&f);
  }
}

/* Without memory for the answer the request goes on waiting. */
TEST(an_answer_without_memory) {
  for (size_t at = 1;; at++) {
    feeding f;
    ask(&f, REQUEST);
    heap.fail_at = at;
    int r = ws_accept(&f.c, ws_offered(&f.c, 0), NULL, 0);
    int failed = heap.failed;
    CHECK(r == (failed ? WS_ENOMEM : 0));
    if (failed) {
      CHECK(ws_http(&f.c) && run(&f) == 0);
      CHECK(ws_accept(&f.c, ws_offered(&f.c, 0), NULL, 0) == 0);
    }
    CHECK(ws_state(&f.c) == WS_OPENED);
    done(&f);
    if (!failed) break;
  }
}
