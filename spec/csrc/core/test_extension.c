/*
** test_extension.c - permessage-deflate in the opening handshake: offers and
** answers (RFC 7692 section 7.1), the form of the field (RFC 6455 section
** 9.1), each at all splits.
*/
#include "feed.h"

#define EXTENSIONS "Sec-WebSocket-Extensions: "
#define REQUEST                                                             \
  "GET / HTTP/1.1\r\nHost: a\r\nUpgrade: websocket\r\nConnection: "         \
  "Upgrade\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nSec-WebSocket" \
  "-Version: 13\r\n"
#define RESPONSE                                                        \
  "HTTP/1.1 101 x\r\nUpgrade: websocket\r\nConnection: Upgrade\r\nSec-" \
  "WebSocket-Accept: ICX+Yqv66kxgM0FcWaLWlFLwTAI=\r\n"

#define PMD "permessage-deflate"
#define SERVER_NO "; server_no_context_takeover"
#define CLIENT_NO "; client_no_context_takeover"
#define SERVER_BITS "; server_max_window_bits"
#define CLIENT_BITS "; client_max_window_bits"

/* On unless `off`; with the limits and flags of this side. */
static struct {
  int off, takeover, server_bits, client_bits;
} own = {0, 0, 12, 12};

static void configure (ws_config *config) {
  ws_compression *z = &config->compression;
  config->max_header = 200000;
  z->on = !own.off;
  z->server_no_context_takeover = z->client_no_context_takeover = !own.takeover;
  z->server_max_window_bits = own.server_bits;
  z->client_max_window_bits = own.client_bits;
}

static void agreed (ws_conn *c, text *log) {
  char extensions[WS_EXTENSIONS];
  size_t n = ws_extensions(c, extensions);
  CHECK(n == strlen(extensions) && n < sizeof extensions);
  text_addf(log, "%s; ", n > 0 ? extensions : "none");
}

/* --------------------------------------------------------------- the server */

static void begin (ws_conn *c) { CHECK(ws_state(c) == WS_CONNECTING); }

static void answer (ws_conn *c, const ws_event *ev, text *log) {
  int r;
  CHECK(ev->type == WS_REQUEST);
  do r = ws_accept(c, (ws_str){NULL, 0}, NULL, 0);
  while (r == WS_ENOMEM && heap.failed);
  CHECK(r == 0);
  agreed(c, log);
}

static const feed server = {WS_SERVER, configure, begin, answer, 0, 0, 1};

static const char *cut (const char *log) {
  static text t;
  const char *end = strstr(log, "; out ");
  text_clear(&t);
  text_add(&t, log, end ? (size_t)(end - log) : strlen(log));
  return t.p;
}

/* Returns what a server agrees to and the field that it sends; or its refusal.
   */
static const char *offer_n (const char *lines) {
  static text t;
  text_clear(&t);
  text_addf(&t, REQUEST);
  text_add(&t, lines, strlen(lines));
  text_addf(&t, "\r\n");
  return cut(feed_all(&server, t.p, t.n));
}
#define OFFER(offer, want) \
  CHECK_STR(offer_n(EXTENSIONS offer "\r\n"), want "; state 1")
#define MALFORMED(offer)                      \
  CHECK_STR(offer_n(EXTENSIONS offer "\r\n"), \
            "end 1006 \"malformed Sec-WebSocket-Extensions\" status 400")

#define BOTH_NO SERVER_NO CLIENT_NO
#define S12 SERVER_BITS "=12"

TEST(offers) {
  OFFER(PMD, PMD BOTH_NO S12);
  OFFER(PMD CLIENT_BITS, PMD BOTH_NO S12 CLIENT_BITS "=12");
  OFFER(PMD CLIENT_BITS "=10", PMD BOTH_NO S12 CLIENT_BITS "=10");
  OFFER(PMD CLIENT_BITS "=15", PMD BOTH_NO S12 CLIENT_BITS "=12");
  OFFER(PMD SERVER_BITS "=8", PMD BOTH_NO SERVER_BITS "=8");
  OFFER(PMD SERVER_BITS "=15", PMD BOTH_NO S12);
  OFFER(PMD BOTH_NO, PMD BOTH_NO S12);
  OFFER(PMD "  ;  client_max_window_bits  =  \"1\\0\" ;server_no_context"
            "_takeover\t ",
        PMD BOTH_NO S12 CLIENT_BITS "=10");
}

TEST(offers_to_a_server_without_limits) {
  own.takeover = 1, own.server_bits = own.client_bits = 15;
  OFFER(PMD, PMD);
  OFFER(PMD CLIENT_BITS, PMD);
  OFFER(PMD CLIENT_BITS "=9", PMD CLIENT_BITS "=9");
  OFFER(PMD SERVER_BITS "=15", PMD SERVER_BITS "=15"); /* required */
  OFFER(PMD SERVER_BITS "=14", PMD SERVER_BITS "=14");
  OFFER(PMD SERVER_NO, PMD SERVER_NO);
  OFFER(PMD CLIENT_NO, PMD CLIENT_NO);
  OFFER(PMD CLIENT_NO SERVER_NO, PMD SERVER_NO CLIENT_NO);
  own.takeover = 0, own.server_bits = own.client_bits = 12;
}

/* 0: the answer has no window that was not asked for. */
TEST(offers_to_a_server_that_leaves_windows_out) {
  own.server_bits = own.client_bits = 0;
  OFFER(PMD, PMD BOTH_NO);
  OFFER(PMD CLIENT_BITS, PMD BOTH_NO);
  OFFER(PMD SERVER_BITS "=15", PMD BOTH_NO SERVER_BITS "=15");
  OFFER(PMD SERVER_BITS "=9" CLIENT_BITS "=10",
        PMD BOTH_NO SERVER_BITS "=9" CLIENT_BITS "=10");
  own.server_bits = own.client_bits = 12;
}

TEST(the_first_offer_that_can_be_accepted_is) {
  OFFER(PMD SERVER_BITS "=10, " PMD, PMD BOTH_NO SERVER_BITS "=10");
  OFFER(PMD SERVER_BITS "=7, " PMD SERVER_BITS "=9",
        PMD BOTH_NO SERVER_BITS "=9");
  OFFER("x-other; a=b, " PMD "; x," PMD SERVER_BITS "=11",
        PMD BOTH_NO SERVER_BITS "=11");
  OFFER("x-other\r\n" EXTENSIONS PMD SERVER_BITS "=9\r\n" EXTENSIONS PMD,
        PMD BOTH_NO SERVER_BITS "=9");
  OFFER(", ,, " PMD " ,", PMD BOTH_NO S12);
}

/* ATTACKS row 15: declined, without another effect. */
TEST(offers_that_are_declined) {
  static const char *const values[] = {"=7",
                                       "=16",
                                       "=999",
                                       "=08",
                                       "=",
                                       "=\"\"",
                                       "=1",
                                       "=0",
                                       "=-9",
                                       "=9a",
                                       "=0x9",
                                       "=12.0",
                                       "=+12",
                                       "=012",
                                       "=\"012\"",
                                       "=1111",
                                       "=99999999999999999999999"};
  static const char *const names[] = {SERVER_BITS, CLIENT_BITS};
  for (size_t i = 0; i < sizeof values / sizeof *values; i++)
    for (size_t j = 0; j < 2; j++) {
      char line[200];
      snprintf(line, sizeof line, EXTENSIONS PMD "%s%s\r\n", names[j],
               values[i]);
      CHECK_STR(offer_n(line), "none; state 1");
    }
  OFFER(PMD SERVER_BITS, "none");
  OFFER(PMD SERVER_NO "=1", "none");
  OFFER(PMD SERVER_NO "=", "none");
  OFFER(PMD CLIENT_NO "=\"true\"", "none");
  OFFER(PMD SERVER_NO SERVER_NO, "none");
  OFFER(PMD CLIENT_BITS "=9" CLIENT_BITS "=9", "none");
  OFFER(PMD "; x", "none");
  OFFER(PMD "; Server_no_context_takeover", "none");
  OFFER("Permessage-Deflate", "none");
  OFFER("permessage-deflat, permessage-deflate2, x-webkit-deflate-frame",
        "none");
}

TEST(magic_names_are_names) { /* ATTACKS row 13 */
  OFFER("__index, __gc; __index=__newindex, constructor", "none");
  OFFER(PMD "; __index", "none");
  OFFER(PMD "; constructor=__proto__, " PMD, PMD BOTH_NO S12);
}

TEST(malformed_fields) {
  MALFORMED("\"" PMD "\"");
  MALFORMED("; a");
  MALFORMED("=");
  MALFORMED(PMD ";");
  MALFORMED(PMD ";;");
  MALFORMED(PMD "; =9");
  MALFORMED(PMD " x");
  MALFORMED(PMD "; a b");
  MALFORMED(PMD "; a=b c");
  MALFORMED(PMD "; a=b=c");
  MALFORMED(PMD "; a=(b)");
  MALFORMED(PMD "; a=\"b");
  MALFORMED(PMD "; a=\"b c\"");
  MALFORMED(PMD "; a=\"b,c\", " PMD);
  MALFORMED(PMD "; a=\"b\\");
  MALFORMED(PMD "; a=\"b\\\"");
  MALFORMED(PMD "; a=\"b\"c");
  MALFORMED(PMD ", /");
  MALFORMED(PMD "\r\n" EXTENSIONS "@");
  own.off = 1;
  MALFORMED(PMD ";");
  own.off = 0;
}

TEST(nothing_is_agreed_on_without_need) {
  CHECK_STR(offer_n(""), "none; state 1");
  OFFER("", "none");
  OFFER(",", "none");
  own.off = 1;
  OFFER(PMD CLIENT_BITS, "none");
  own.off = 0;
}

/* ATTACKS row 12: each byte is read once; feed_once cuts them into reads. */
TEST(long_fields) {
  static const char *const fillings[] = {" ",    ",",     "; ",      "\t;",
                                         "\"\\", "; a=b", "; a=\"b", ", a"};
  for (size_t i = 0; i < sizeof fillings / sizeof *fillings; i++) {
    text t = {NULL, 0, 0};
    text_addf(&t, REQUEST EXTENSIONS PMD);
    while (t.n < 65536) text_addf(&t, "%s", fillings[i]);
    text_addf(&t, "\r\n\r\n");
    text log = feed_once(&server, t.p, t.n, 4096);
    CHECK(strstr(log.p, "state 1") || strstr(log.p, "status 400"));
    text_free(&log);
    text_free(&t);
  }
}

TEST(offers_without_memory) {
  static const char line[] = REQUEST EXTENSIONS PMD CLIENT_BITS "\r\n\r\n";
  feed_oom(&server, line, sizeof line - 1, 40);
}

/* --------------------------------------------------------------- the client */

static void ask (ws_conn *c) {
  static const ws_str host = {"a", 1}, target = {"/", 1};
  int r;
  do r = ws_request(c, host, target, NULL, 0, NULL, 0);
  while (r == WS_ENOMEM && heap.failed);
  CHECK(r == 0);
}

static void opened (ws_conn *c, const ws_event *ev, text *log) {
  CHECK(ev->type == WS_OPEN);
  agreed(c, log);
}

static const feed client = {WS_CLIENT, configure, ask, opened, 0, 0, 1};

static const char *get (const char *lines) {
  static text t;
  text_clear(&t);
  text_addf(&t, RESPONSE);
  text_add(&t, lines, strlen(lines));
  text_addf(&t, "\r\n");
  return cut(feed_all(&client, t.p, t.n));
}
#define ANSWER(answer) \
  CHECK_STR(get(EXTENSIONS answer "\r\n"), answer "; state 1")
#define REFUSED(answer, rule) \
  CHECK_STR(get(EXTENSIONS answer "\r\n"), "end 1006 \"" rule "\" failed")

static void requested (const char *want) {
  feeding f;
  ws_iov v[WS_IOV];
  text t = {NULL, 0, 0};
  feed_open(&f, &client);
  CHECK(ws_pending(&f.c, v, WS_IOV) == 1);
  text_add(&t, v[0].base, v[0].len);
  const char *field = strstr(t.p, "\r\n" EXTENSIONS);
  if (want == NULL)
    CHECK(field == NULL);
  else if (CHECK(field != NULL))
    CHECK(strncmp(field + 2, want, strlen(want)) == 0);
  text_free(&t);
  t = feed_close(&f);
  text_free(&t);
}

TEST(what_a_client_offers) {
  requested(EXTENSIONS PMD BOTH_NO S12 CLIENT_BITS
            "=12, " PMD BOTH_NO CLIENT_BITS "=12, " PMD "\r\n");
  own.takeover = 1, own.server_bits = own.client_bits = 15;
  requested(EXTENSIONS PMD CLIENT_BITS ", " PMD "\r\n");
  own.server_bits = 8;
  requested(EXTENSIONS PMD SERVER_BITS "=8" CLIENT_BITS ", " PMD CLIENT_BITS
                                       ", " PMD "\r\n");
  own.server_bits = 14, own.client_bits = 14;
  requested(EXTENSIONS PMD SERVER_BITS "=14" CLIENT_BITS "=14, " PMD CLIENT_BITS
                                       "=14, " PMD "\r\n");
  own.server_bits = own.client_bits = 0;
  requested(EXTENSIONS PMD "\r\n");
  own.server_bits = 9;
  requested(EXTENSIONS PMD SERVER_BITS "=9, " PMD "\r\n");
  own.takeover = 0;
  requested(EXTENSIONS PMD BOTH_NO SERVER_BITS "=9, " PMD BOTH_NO ", " PMD
                                               "\r\n");
  own.server_bits = 0, own.client_bits = 12;
  requested(EXTENSIONS PMD BOTH_NO CLIENT_BITS "=12, " PMD "\r\n");
  own.server_bits = own.client_bits = 12;
  own.off = 1;
  requested(NULL);
  own.off = 0;
}

TEST(answers) {
  ANSWER(PMD SERVER_NO);
  ANSWER(PMD BOTH_NO);
  ANSWER(PMD BOTH_NO S12 CLIENT_BITS "=12");
  ANSWER(PMD SERVER_NO SERVER_BITS "=8" CLIENT_BITS "=8");
  /* to the second offer */
  ANSWER(PMD SERVER_NO SERVER_BITS "=15");
  ANSWER(PMD SERVER_NO CLIENT_NO SERVER_BITS "=13" CLIENT_BITS "=12");
  /* to the third */
  ANSWER(PMD);
  ANSWER(PMD SERVER_BITS "=15");
  ANSWER(PMD SERVER_BITS "=8");
  ANSWER(PMD CLIENT_NO);
  CHECK_STR(get(""), "none; state 1");
  CHECK_STR(get(EXTENSIONS ",\r\n"), "none; state 1");
  own.takeover = 1, own.server_bits = own.client_bits = 15;
  ANSWER(PMD);
  ANSWER(PMD BOTH_NO SERVER_BITS "=15" CLIENT_BITS "=15");
  ANSWER(PMD SERVER_BITS "=9");
  own.takeover = 0, own.server_bits = own.client_bits = 12;
}

/* Every possible answer, against every set of offers: it is legal if one of
   them allows it (RFC 7692 sections 7.1.1 and 7.1.2). */
static int is_legal (int server_no, int server_bits, int client_bits) {
  int i, legal = 0;
  for (i = 0; i < 3; i++) {
    int asks_no = i < 2 && !own.takeover;
    int asks_bits = i == 0 && own.server_bits < 15 ? own.server_bits : 0;
    int most = i < 2 ? own.client_bits : 0;
    int ok = !asks_no || server_no;
    if (asks_bits && (server_bits == 0 || server_bits > asks_bits)) ok = 0;
    if (client_bits > most) ok = 0;
    legal |= ok;
  }
  return legal;
}

static void hold (int server_no, int server_bits, int client_bits) {
  text t = {NULL, 0, 0};
  text_addf(&t, RESPONSE EXTENSIONS PMD);
  if (server_no) text_addf(&t, SERVER_NO);
  if (server_bits) text_addf(&t, SERVER_BITS "=%d", server_bits);
  if (client_bits) text_addf(&t, CLIENT_BITS "=%d", client_bits);
  text_addf(&t, "\r\n\r\n");
  text log = feed_once(&client, t.p, t.n, 50);
  int legal = strstr(log.p, "; state 1") != NULL;
  CHECK(legal == is_legal(server_no, server_bits, client_bits));
  text_free(&log);
  text_free(&t);
}

TEST(every_answer_against_every_offer) {
  static const int sizes[] = {0, 8, 11, 12, 13, 15};
  enum { N = sizeof sizes / sizeof *sizes };
  for (int i = 0; i < 2 * N * N; i++) {
    own.takeover = i & 1;
    own.server_bits = sizes[i / 2 % N];
    own.client_bits = sizes[i / 2 / N];
    for (int j = 0; j < 2 * N * N; j++)
      hold(j & 1, sizes[j / 2 % N], sizes[j / 2 / N]);
  }
  own.takeover = 0, own.server_bits = own.client_bits = 12;
}

TEST(answers_that_break_a_rule) {
  static const char *const values[] = {"=7", "=16", "=999", "=08", "=", ""};
  for (size_t i = 0; i < sizeof values / sizeof *values; i++) {
    char line[200];
    for (int j = 0; j < 2; j++) {
      snprintf(line, sizeof line, EXTENSIONS PMD SERVER_NO "%s%s\r\n",
               j ? SERVER_BITS : CLIENT_BITS, values[i]);
      CHECK_STR(get(line), "end 1006 \"invalid parameter of permessage-deflate "
                           "(RFC 7692 7.1)\" failed");
    }
  }
#define INVALID "invalid parameter of permessage-deflate (RFC 7692 7.1)"
  REFUSED(PMD SERVER_NO "=1", INVALID);
  REFUSED(PMD SERVER_NO SERVER_NO, INVALID);
  REFUSED(PMD SERVER_NO "; __index", INVALID);
#define NO_TAKEOVER \
  "server_no_context_takeover was asked for (RFC 7692 7.1.1.1)"
#define LARGER_WINDOW \
  "client_max_window_bits above what was offered (RFC 7692 7.1.2.2)"
  REFUSED(PMD CLIENT_BITS "=12", NO_TAKEOVER);
  REFUSED(PMD SERVER_BITS "=12" CLIENT_BITS "=8", NO_TAKEOVER);
  REFUSED(PMD SERVER_NO CLIENT_BITS "=13", LARGER_WINDOW);
  REFUSED(PMD CLIENT_BITS "=13", LARGER_WINDOW);
  REFUSED(PMD SERVER_NO SERVER_BITS "=12" CLIENT_BITS "=15", LARGER_WINDOW);
  own.client_bits = 0;
  REFUSED(PMD SERVER_NO CLIENT_BITS "=8", LARGER_WINDOW);
  own.server_bits = 0, own.takeover = 1;
  REFUSED(PMD CLIENT_BITS "=15", LARGER_WINDOW);
  own.takeover = 0, own.server_bits = own.client_bits = 12;
  REFUSED(PMD SERVER_NO ", " PMD SERVER_NO,
          "an extension twice (RFC 7692 5.1)");
  REFUSED(PMD SERVER_NO "\r\n" EXTENSIONS PMD SERVER_NO,
          "an extension twice (RFC 7692 5.1)");
  REFUSED("x", "an extension that was not offered");
  REFUSED("__index", "an extension that was not offered");
  REFUSED(PMD SERVER_NO ", x", "an extension that was not offered");
  REFUSED(PMD ";", "malformed Sec-WebSocket-Extensions");
  REFUSED(PMD SERVER_NO ", \"", "malformed Sec-WebSocket-Extensions");
  own.off = 1;
  REFUSED(PMD SERVER_NO, "an extension that was not offered");
  own.off = 0;
}

TEST(answers_without_memory) {
  static const char line[] = RESPONSE EXTENSIONS PMD SERVER_NO "\r\n\r\n";
  feed_oom(&client, line, sizeof line - 1, 40);
}
