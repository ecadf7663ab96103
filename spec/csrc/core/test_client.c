/*
** test_client.c - ws_client.c: the request that is sent, and answers of a
** server, each whole, byte by byte and at random splits. The random source
** gives zeros here, so the key is always the same.
*/
#include "feed.h"

#define ACCEPT "Sec-WebSocket-Accept: ICX+Yqv66kxgM0FcWaLWlFLwTAI=\r\n"
#define UPGRADE "Upgrade: websocket\r\n"
#define CONNECTION "Connection: Upgrade\r\n"
#define LINE "HTTP/1.1 101 Switching Protocols\r\n"
#define OPEN LINE UPGRADE CONNECTION ACCEPT
#define HELLO "\x81\x05hello"

static const ws_str protocols[] = {{"chat", 4}, {"Super", 5}};
static size_t offered = 2; /* how many of them */

static ws_str lit (const char *s) { return (ws_str){s, strlen(s)}; }

static ws_field field (const char *name, const char *value) {
  return (ws_field){lit(name), lit(value)};
}

static void add_str (text *log, ws_str s) { text_add(log, s.p, s.n); }

static void start (ws_conn *c) {
  int r;
  do
    r = ws_request(c, lit("a.b:8080"), lit("/?q"), protocols, offered, NULL, 0);
  while (r == WS_ENOMEM && heap.failed);
  CHECK(r == 0);
}

static size_t max_header, max_fields, max_body;
static int follow; /* redirects */

static void configure (ws_config *config) {
  if (max_header) config->max_header = max_header;
  if (max_fields) config->max_fields = max_fields;
  if (max_body) config->max_body = max_body - 1;
  config->redirects = follow;
}

static void log_event (ws_conn *c, const ws_event *ev, text *log) {
  if (ev->type == WS_MESSAGE) {
    text_addf(log, "message ");
    text_quote(log, ev->data, ev->size);
    text_addf(log, "; ");
    return;
  }
  const ws_head *h = ws_http(c);
  text_addf(log, "%s %d ", ev->type == WS_OPEN ? "open" : "refused", h->status);
  CHECK(ws_state(c) == (ev->type == WS_OPEN ? WS_OPENED : WS_CLOSED));
  add_str(log, h->reason);
  text_addf(log, " 1.%d/%zu", h->minor, h->nfields);
  if (h->nfields) {
    text_addf(log, " ");
    add_str(log, ws_http_field(c, h->nfields - 1).value);
  }
  if (ws_chosen(c).n) {
    text_addf(log, " chose ");
    add_str(log, ws_chosen(c));
  }
  if (ev->size) {
    text_addf(log, " ");
    text_quote(log, ev->data, ev->size);
  }
  text_addf(log, "; ");
}

static int begins (const char *s, const char *with) {
  int ok = strncmp(s, with, strlen(with)) == 0;
  if (!ok) printf("  got %s\n", s);
  return ok;
}

static const feed client = {WS_CLIENT, configure, start, log_event, 0, 0, 0};
static const feed waiting = {WS_CLIENT, configure, start, log_event, 0, 0, 1};

/* The log of an answer up to the bytes sent, which are the request. */
static const char *cut (const char *log) {
  static text t;
  const char *end = strstr(log, "; out ");
  if (!CHECK(end)) return log;
  text_clear(&t);
  text_add(&t, log, (size_t)(end - log));
  return t.p;
}

static const char *get (const char *answer) {
  return cut(feed_all(&client, answer, strlen(answer)));
}

/* The same without the transport's end. */
static const char *get_open (const char *answer) {
  return cut(feed_all(&waiting, answer, strlen(answer)));
}

static void breaks (const char *answer, const char *rule, int line) {
  char want[200];
  snprintf(want, sizeof want, "end 1006 \"%s\" failed", rule);
  test_check_str(get(answer), want, __FILE__, line);
  test_check_str(get_open(answer), want, __FILE__, line);
}

#define BROKEN(answer, rule) breaks(answer, rule, __LINE__)

TEST(requests) {
  feeding f;
  ws_iov v[WS_IOV];
  ws_field more[] = {field("Origin", "http://a"), field("X", "")};
  feed how = client;
  how.start = NULL;
  feed_open(&f, &how);
  ws_init(&f.c, &f.config, heap_alloc, NULL);
  CHECK(ws_request(&f.c, lit("[::1]:80"), lit("/a?b"), protocols, 2, more, 2) ==
        0);
  CHECK(ws_pending(&f.c, v, WS_IOV) == 1);
  text t = {NULL, 0, 0};
  text_add(&t, v[0].base, v[0].len);
  CHECK_STR(t.p, "GET /a?b HTTP/1.1\r\nHost: [::1]:80\r\n"
                 "Upgrade: websocket\r\nConnection: Upgrade\r\n"
                 "Sec-WebSocket-Key: AAAAAAAAAAAAAAAAAAAAAA==\r\n"
                 "Sec-WebSocket-Version: 13\r\n"
                 "Sec-WebSocket-Protocol: chat, Super\r\n"
                 "Origin: http://a\r\nX: \r\n\r\n");
  text_free(&t);
  CHECK(ws_request(&f.c, lit("a"), lit("/"), NULL, 0, NULL, 0) == WS_ESTATE);
  t = feed_close(&f);
  text_free(&t);
}

/* ATTACKS row 21: nothing is queued. */
static void misuse (ws_str host, ws_str target, const ws_str *list, size_t n,
                    const ws_field *fields, size_t nfields, int line) {
  ws_config config;
  ws_conn c;
  ws_config_init(&config, WS_CLIENT);
  ws_init(&c, &config, heap_alloc, NULL);
  int r = ws_request(&c, host, target, list, n, fields, nfields);
  test_check(r == WS_EINVAL && *ws_error(&c) && ws_queued(&c) == 0, __FILE__,
             line, "misuse is refused");
  CHECK(heap.blocks == 0);
  ws_free(&c);
}

#define MISUSE(host, target) \
  misuse(lit(host), target, NULL, 0, NULL, 0, __LINE__)

TEST(requests_that_may_not_be_sent) {
  static const char *const names[] = {"host",
                                      "Upgrade",
                                      "connection",
                                      "Sec-WebSocket-Key",
                                      "Sec-WebSocket-Version",
                                      "sec-websocket-protocol",
                                      "Sec-WebSocket-Extensions",
                                      "Sec-WebSocket-Accept",
                                      "Content-Length",
                                      "Transfer-Encoding",
                                      "",
                                      "a b",
                                      "a:",
                                      "a\r\nb"};
  static const char *const targets[] = {
      "", "a", "*", "/a b", "/#a", "/\r\n", "/\xc3\xa4", "http://a/"};
  static const char *const tokens[] = {"", "a b", "a,b", "\xc3\xa4", "a\r\nb"};
  for (size_t i = 0; i < sizeof names / sizeof *names; i++) {
    ws_field f = field(names[i], "x");
    misuse(lit("a"), lit("/"), NULL, 0, &f, 1, __LINE__);
  }
  for (size_t i = 0; i < sizeof targets / sizeof *targets; i++)
    MISUSE("a", lit(targets[i]));
  for (size_t i = 0; i < sizeof tokens / sizeof *tokens; i++) {
    ws_str s = lit(tokens[i]);
    misuse(lit("a"), lit("/"), &s, 1, NULL, 0, __LINE__);
  }
  MISUSE("a", ((ws_str){"/\0", 2}));
  MISUSE("", lit("/"));
  MISUSE("a\r\nb", lit("/"));
  MISUSE("u@a", lit("/"));
  MISUSE("a/b", lit("/"));
  ws_str twice[] = {lit("a"), lit("b"), lit("a")};
  misuse(lit("a"), lit("/"), twice, 3, NULL, 0, __LINE__);
  ws_field lf = field("X", "a\nb"), nul = {{"X", 1}, {"a\0", 2}},
           high = field("origin", "http://\xc3\xa4");
  misuse(lit("a"), lit("/"), NULL, 0, &high, 1, __LINE__);
  misuse(lit("a"), lit("/"), NULL, 0, &lf, 1, __LINE__);
  misuse(lit("a"), lit("/"), NULL, 0, &nul, 1, __LINE__);
}

static int no_random (void *ud, void *out, size_t n) {
  (void)ud, (void)out, (void)n;
  return -1;
}

TEST(requests_need_randomness_and_a_client) {
  ws_config config;
  ws_conn c;
  ws_config_init(&config, WS_CLIENT);
  config.random = no_random;
  ws_init(&c, &config, heap_alloc, NULL);
  CHECK(ws_request(&c, lit("a"), lit("/"), NULL, 0, NULL, 0) == WS_ERANDOM);
  CHECK(heap.blocks == 0 && ws_queued(&c) == 0);
  config.role = WS_SERVER;
  CHECK(ws_request(&c, lit("a"), lit("/"), NULL, 0, NULL, 0) == WS_ESTATE);
}

TEST(opens) {
  CHECK_STR(get_open(OPEN "\r\n"), "open 101 Switching Protocols 1.1/3 "
                                   "ICX+Yqv66kxgM0FcWaLWlFLwTAI=; state 1");
  CHECK(strstr(get_open("HTTP/1.1 101\r\nUPGRADE:WebSocket\r\n"
                        "connection: keep-alive\r\nConnection:,\tupgrade\r\n"
                        "sec-websocket-accept:  "
                        "ICX+Yqv66kxgM0FcWaLWlFLwTAI= \t\r\n\r\n"),
               "open 101  1.1/4 "));
  CHECK(strstr(get(OPEN "\r\n"), "; end 1006 \"eof\""));
}

TEST(bytes_after_the_head_are_kept) {
  CHECK(strstr(get_open(OPEN "\r\n" HELLO HELLO),
               "; message \"hello\"; message \"hello\"; state 1"));
}

/* The subprotocol is read while the event is current, after memory has moved.
   */
TEST(subprotocols) {
  CHECK(strstr(get_open(OPEN "Sec-WebSocket-Protocol: Super\r\n\r\n" HELLO),
               " chose Super; message"));
  BROKEN(OPEN "Sec-WebSocket-Protocol: super\r\n\r\n",
         "a subprotocol that was not offered");
  BROKEN(OPEN "Sec-WebSocket-Protocol: chat, Super\r\n\r\n",
         "a subprotocol that was not offered");
  BROKEN(OPEN "Sec-WebSocket-Protocol:\r\n\r\n",
         "a subprotocol that was not offered");
  BROKEN(OPEN "Sec-WebSocket-Protocol: chat\r\n"
              "Sec-WebSocket-Protocol: chat\r\n\r\n",
         "more than one Sec-WebSocket-Protocol");
  offered = 0;
  BROKEN(OPEN "Sec-WebSocket-Protocol: chat\r\n\r\n",
         "a subprotocol that was not offered");
  offered = 2;
}

/* ATTACKS rows 11 and 22. */
TEST(answers_that_break_a_rule) {
  BROKEN("HTTP/1.0 101 x\r\n" UPGRADE CONNECTION ACCEPT "\r\n", "not HTTP/1.1");
  BROKEN(LINE CONNECTION ACCEPT "\r\n", "Upgrade is not websocket");
  BROKEN(LINE "Upgrade: websocket, x\r\n" CONNECTION ACCEPT "\r\n",
         "Upgrade is not websocket");
  BROKEN(OPEN "Upgrade: h2c\r\n\r\n", "Upgrade is not websocket");
  BROKEN(LINE "Upgrade: ,\r\n" CONNECTION ACCEPT "\r\n",
         "Upgrade is not websocket");
  BROKEN(LINE UPGRADE ACCEPT "\r\n", "Connection does not list Upgrade");
  BROKEN(LINE UPGRADE "Connection: close\r\n" ACCEPT "\r\n",
         "Connection does not list Upgrade");
  BROKEN(LINE UPGRADE CONNECTION "\r\n", "wrong Sec-WebSocket-Accept");
  BROKEN(OPEN ACCEPT "\r\n", "wrong Sec-WebSocket-Accept");
  BROKEN(LINE UPGRADE CONNECTION
         "Sec-WebSocket-Accept: s3pPLMBiTxaQ9kYGzzhZRbK+xOo=\r\n\r\n",
         "wrong Sec-WebSocket-Accept");
  BROKEN(LINE UPGRADE CONNECTION
         "Sec-WebSocket-Accept: icx+yQV66KXGm0fCwAlwLflWtai=\r\n\r\n",
         "wrong Sec-WebSocket-Accept");
  BROKEN(OPEN "Sec-WebSocket-Extensions: permessage-deflate\r\n\r\n",
         "an extension that was not offered");
  CHECK(strstr(get_open(OPEN "Sec-WebSocket-Extensions: ,\r\n\r\n"), "open"));
}

/* RFC 9110 section 5.6.1. */
TEST(members_of_lists_may_repeat) {
  CHECK(strstr(get_open(OPEN UPGRADE CONNECTION "\r\n"), "open 101"));
  CHECK(strstr(get_open(LINE "Upgrade: websocket,,WebSocket\r\n"
                             "Connection: upgrade, Upgrade\r\n" ACCEPT "\r\n"),
               "open 101"));
}

TEST(answers_that_are_no_http) {
  BROKEN("SSH-2.0-OpenSSH_9.2\r\n", "malformed status line");
  BROKEN("\x15\x03\x03", "TLS where plain HTTP was expected");
  BROKEN("HTTP/2.0 101 x\r\n", "not HTTP/1.1");
  BROKEN(LINE "A : b\r\n\r\n", "malformed field name");
  BROKEN(LINE "A: b\n\r\n", "invalid byte in a field value");
  BROKEN(OPEN "Sec-WebSocket-Protocol: chat\xe4\r\n\r\n",
         "invalid byte in a field value");
  BROKEN(OPEN "Origin: \xe4\r\n\r\n", "invalid byte in a field value");
  CHECK(strstr(get_open(OPEN "X: \xe4\r\n\r\n"), "open 101"));
}

/* RFC 9112 section 5.2. */
TEST(folded_lines) {
  CHECK(strstr(get_open(LINE UPGRADE ACCEPT
                        "Connection:\r\n  close,\r\n\tUpgrade\r\n\r\n"),
               "1.1/3 close,  \tUpgrade; "));
}

/* RFC 9110 section 15.2. */
TEST(interim_responses) {
  CHECK(strstr(get_open("HTTP/1.1 100 Continue\r\nA: b\r\n\r\n"
                        "HTTP/1.1 103 Early Hints\r\n\r\n" OPEN "\r\n" HELLO),
               "open 101 Switching Protocols 1.1/3 "));
  CHECK(strstr(get("HTTP/1.1 100 x\r\n\r\n"), "end 1006 \"eof\""));
}

/* ATTACKS row 6: all heads together are as long as one may be. */
TEST(limits_of_heads) {
  const char *answer = "HTTP/1.1 100 x\r\n\r\n" OPEN "\r\n";
  size_t n = strlen(answer);
  for (max_header = n - 1; max_header <= n + 1; max_header++) {
    if (max_header >= n)
      CHECK(strstr(get_open(answer), "open 101"));
    else
      BROKEN(answer, "response head too large");
  }
  max_header = 0;
  for (max_fields = 2; max_fields <= 4; max_fields++) {
    if (max_fields >= 3)
      CHECK(strstr(get_open(OPEN "\r\n"), "open 101"));
    else
      BROKEN(OPEN "\r\n", "too many header fields");
  }
  max_fields = 0;
  text t = {NULL, 0, 0};
  while (t.n < 40000) text_addf(&t, "HTTP/1.1 100 x\r\n\r\n");
  BROKEN(t.p, "response head too large");
  text_clear(&t);
  text_addf(&t, OPEN "X: ");
  while (t.n < 40000) text_addf(&t, "endless ");
  BROKEN(t.p, "response head too large");
  text_free(&t);
}

/* ------------------------------------------------------------------
   refusals */

#define REFUSED(answer, want)                                   \
  do {                                                          \
    CHECK_STR(get_open(answer), want "; end 1006 \"refused\""); \
    CHECK_STR(get(answer), want "; end 1006 \"refused\"");      \
  } while (0)

TEST(refusals) {
  REFUSED("HTTP/1.1 403 No\r\nContent-Length: 5\r\n\r\nhello more",
          "refused 403 No 1.1/1 5 \"hello\"");
  REFUSED("HTTP/1.0 404 \r\nContent-Length: 0\r\n\r\n", "refused 404  1.0/1 0");
  REFUSED("HTTP/1.1 302 Found\r\nTransfer-Encoding: chunked\r\n\r\n"
          "2\r\nhe\r\n3\r\nllo\r\n0\r\n\r\n",
          "refused 302 Found 1.1/1 chunked \"hello\"");
  REFUSED("HTTP/1.1 204 x\r\n\r\nhello", "refused 204 x 1.1/0");
  REFUSED("HTTP/1.1 304 x\r\nContent-Length: 9\r\n\r\n",
          "refused 304 x 1.1/1 9");
  REFUSED("HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\n" HELLO,
          "refused 200 OK 1.1/1 2 \"\\x81\\x05\"");
}

/* A redirect that is to be followed is whole with its head. */
TEST(redirects) {
  static const int statuses[] = {301, 302, 303, 307, 308, 300, 304, 305, 503};
  char head[100], want[100];
  for (size_t i = 0; i < sizeof statuses / sizeof *statuses; i++) {
    int follows = i < 5, s = statuses[i];
    snprintf(head, sizeof head, "HTTP/1.1 %d x\r\nLocation: /b\r\n\r\nhello",
             s);
    snprintf(want, sizeof want, "refused %d x 1.1/1 /b; end 1006 \"refused\"",
             s);
    follow = 1;
    if (follows || s == 304)
      CHECK_STR(get_open(head), want);
    else
      CHECK_STR(get_open(head), "state 0");
    follow = 0;
    if (follows) CHECK_STR(get_open(head), "state 0");
  }
  follow = 1;
  CHECK_STR(get_open("HTTP/1.1 302 x\r\n\r\nhello"), "state 0");
  CHECK_STR(get_open("HTTP/1.1 302 x\r\nLocation: /b\r\n"
                     "Transfer-Encoding: chunked\r\n\r\n5\r\nhe"),
            "refused 302 x 1.1/2 chunked; end 1006 \"refused\"");
  follow = 0;
}

/* The transport breaks off: by a reset, or with TLS by an end without
   close_notify. */
static const feed cut_off = {WS_CLIENT, configure, start,    log_event,
                             0,         0,         FEED_LOST};

static const char *get_lost (const char *answer) {
  return feed_all(&cut_off, answer, strlen(answer));
}

/* A refusal whose body has no known end has what came of it, whatever ends the
   transport. */
static void endless (const char *answer, const char *want, int line) {
  char ended[200];
  snprintf(ended, sizeof ended, "%s; end 1006 \"refused\"", want);
  test_check_str(get(answer), ended, __FILE__, line);
  test_check_str(get_lost(answer), ended, __FILE__, line);
  test_check_str(get_open(answer), "state 0", __FILE__, line);
}
#define ENDLESS(answer, want) endless(answer, want, __LINE__)

TEST(refusals_up_to_the_end) {
  ENDLESS("HTTP/1.1 500 x\r\n\r\n", "refused 500 x 1.1/0");
  ENDLESS("HTTP/1.1 500 x\r\n\r\nhello", "refused 500 x 1.1/0 \"hello\"");
  ENDLESS("HTTP/1.1 500 x\r\nContent-Length: 9\r\n\r\nhello",
          "refused 500 x 1.1/1 9 \"hello\"");
  ENDLESS("HTTP/1.1 500 x\r\nTransfer-Encoding: chunked\r\n\r\n9\r\nhe",
          "refused 500 x 1.1/1 chunked \"he\"");
  ENDLESS(
      "HTTP/1.1 500 x\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nhe\r\n0\r\n",
      "refused 500 x 1.1/1 chunked \"he\"");
  ENDLESS("HTTP/1.1 500 x\r\nTransfer-Encoding: gzip\r\n\r\nhello",
          "refused 500 x 1.1/1 gzip \"hello\"");
  CHECK_STR(get("HTTP/1.1 500 x\r\nContent-Length: 9\r\n"), "end 1006 \"eof\"");
  CHECK_STR(get(""), "end 1006 \"eof\"");
  CHECK_STR(get_lost("HTTP/1.1 500 x\r\nContent-Length: 9\r\n"),
            "end 1006 \"reset\"");
  CHECK_STR(get_lost(""), "end 1006 \"reset\"");
}

/* A refusal that was whole before stays one, a 101 that came opens. */
TEST(transports_that_break_off_behind_an_answer) {
  CHECK_STR(get_lost("HTTP/1.1 403 No\r\nContent-Length: 5\r\n\r\nhello more"),
            "refused 403 No 1.1/1 5 \"hello\"; end 1006 \"refused\"");
  CHECK_STR(get_lost("HTTP/1.1 304 x\r\n\r\n"),
            "refused 304 x 1.1/0; end 1006 \"refused\"");
  CHECK(begins(get_lost("HTTP/1.1 103 x\r\n\r\nHTTP/1.1 403 No\r\n\r\nhi"),
               "refused 403 No 1.1/0 \"hi\"; end 1006 \"refused\""));
  CHECK_STR(get_lost("HTTP/1.1 103 x\r\n\r\n"), "end 1006 \"reset\"");
  CHECK(begins(get_lost(OPEN "\r\n" HELLO), "open 101 Switching Protocols"));
}

/* The transport breaks off before the first ws_next. */
TEST(a_refusal_before_the_first_ws_next) {
  static const char answer[] = "HTTP/1.1 403 No\r\n\r\nhello";
  for (size_t n = 0; n < sizeof answer; n++) {
    size_t head = sizeof answer - 1 - strlen("hello");
    feeding f;
    ws_event ev = {0, 0, 0, NULL, 0};
    feed_open(&f, &client);
    feed_put(&f, answer, n);
    ws_abort(&f.c, "reset");
    ws_abort(&f.c, "twice");
    if (n < head) {
      CHECK(ws_next(&f.c, &ev) == WS_END);
      CHECK(strcmp(ws_closed(&f.c).reason.p, "reset") == 0);
    } else {
      CHECK(ws_state(&f.c) == WS_CLOSED && ws_http(&f.c)->status == 403);
      CHECK(ws_next(&f.c, &ev) == WS_REFUSED && ev.size == n - head);
      CHECK(memcmp(ev.data, answer + head, ev.size) == 0);
      CHECK(ws_next(&f.c, &ev) == WS_REFUSED);
      ws_taken(&f.c);
      CHECK(ws_next(&f.c, &ev) == WS_END && ws_http(&f.c) == NULL);
      CHECK(strcmp(ws_closed(&f.c).reason.p, "refused") == 0);
    }
    CHECK(ws_queued(&f.c) == 0);
    text log = feed_close(&f);
    text_free(&log);
  }
}

/* Nor does an answer that opens, after the end of the transport. */
TEST(an_answer_before_the_first_ws_next) {
  feeding f;
  ws_event ev;
  feed_open(&f, &client);
  feed_put(&f, OPEN "\r\n", strlen(OPEN "\r\n"));
  ws_abort(&f.c, "reset");
  CHECK(ws_next(&f.c, &ev) == WS_END && ws_state(&f.c) == WS_CLOSED);
  text log = feed_close(&f);
  text_free(&log);
}

/* Invalid lengths, alone, twice, and together with a coding. */
TEST(refusals_without_a_valid_length) {
  static const char *const fields[] = {
      "Content-Length: x\r\n",
      "Content-Length:\r\n",
      "Content-Length: -1\r\n",
      "Content-Length: -5\r\n",
      "Content-Length: +5\r\n",
      "Content-Length: 2.0\r\n",
      "Content-Length: 0x2\r\n",
      "Content-Length: \xe4\r\n",
      "Content-Length: 2, 2\r\n",
      "Content-Length: 2\r\nContent-Length: 2\r\n",
      "Content-Length: 2\r\nContent-Length: 3\r\n",
      "Content-Length:\r\nContent-Length:\r\n",
      "Content-Length: 99999999999999999999999\r\n",
      "Content-Length: 2\r\nTransfer-Encoding: gzip\r\n",
      "Transfer-Encoding: chunked\r\nTransfer-Encoding: chunked\r\n"};
  for (size_t i = 0; i < sizeof fields / sizeof *fields; i++) {
    char answer[200], shown[40];
    snprintf(answer, sizeof answer, "HTTP/1.1 500 x\r\n%s\r\nhello", fields[i]);
    snprintf(shown, sizeof shown, "refused 500 x 1.1/%d ",
             1 + (strchr(fields[i], '\n')[1] != '\0'));
    CHECK_STR(get_open(answer), "state 0");
    CHECK(begins(get(answer), shown) && begins(get_lost(answer), shown));
    CHECK(strstr(get(answer), " \"hello\"; end 1006 \"refused\""));
    CHECK(strstr(get_lost(answer), " \"hello\"; end 1006 \"refused\""));
  }
}

/* A body that breaks off. */
TEST(refusals_in_disorder) {
  REFUSED("HTTP/1.1 500 x\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nhe!",
          "refused 500 x 1.1/1 chunked \"he\"");
}

TEST(refusals_are_cut_off) {
  static const char *const want[] = {"",     "h",     "he",    "hel",
                                     "hell", "hello", "hello", "hello"};
  static const char *const answers[] = {
      "HTTP/1.1 403 x\r\nA: b\r\nContent-Length: 5\r\n\r\nhello",
      ("HTTP/1.1 403 x\r\nA: b\r\nTransfer-Encoding: chunked\r\n\r\n"
       "2\r\nhe\r\n3\r\nllo\r\n0\r\n\r\n"),
      "HTTP/1.1 403 x\r\nA: b\r\n\r\nhello"};
  for (size_t n = 0; n <= 7; n++)
    for (size_t i = 0; i < 3; i++) {
      char quoted[20];
      max_body = n + 1; /* as configure has it */
      snprintf(quoted, sizeof quoted, " \"%s\"; ", want[n]);
      CHECK(n == 0 || strstr(get(answers[i]), quoted));
      CHECK(n > 0 || !strstr(get(answers[i]), "h\""));
      CHECK(strstr(get(answers[i]), "refused 403"));
    }
  max_body = 3 + 1;
  CHECK(strstr(get_open("HTTP/1.1 403 x\r\n\r\nhello"), "\"hel\"; end"));
  CHECK(strstr(get_open("HTTP/1.1 403 x\r\nContent-Length: -1\r\n\r\nhello"),
               "\"hel\"; end"));
  max_body = 0;
}

/* If only a part of the head fits: the status, and the fields that came whole.
   */
TEST(refusals_with_too_large_a_head) {
  static const char answer[] =
      "HTTP/1.1 403 No way\r\nA: b\r\nContent-Length: 5\r\nC: d\r\n\r\nhello";
  static const char *const ends[] = {"A: b\r\n", "Length: 5\r\n", "d\r\n"};
  size_t size = strlen(answer) - strlen("hello");
  size_t reason = strlen("HTTP/1.1 403 No way\r");
  for (max_header = 1; max_header <= size + 1; max_header++) {
    char want[100];
    size_t fields = 0;
    for (size_t i = 0; i < 3; i++)
      fields += max_header >=
                (size_t)(strstr(answer, ends[i]) - answer) + strlen(ends[i]);
    if (max_header < strlen("HTTP/1.1 403")) {
      BROKEN(answer, "response head too large");
      continue;
    }
    snprintf(want, sizeof want,
             "refused 403%s 1.1/%zu%s%s; end 1006 \"refused\"",
             max_header < reason ? " " : " No way", fields,
             fields == 0   ? ""
             : fields == 1 ? " b"
             : fields == 2 ? " 5"
                           : " d",
             max_header < size ? "" : " \"hello\"");
    CHECK_STR(get(answer), want);
    CHECK_STR(get_open(answer), want);
    CHECK_STR(get_lost(answer), want);
  }
  max_header = 0;
  for (max_fields = 1; max_fields <= 4; max_fields++) {
    static const char *const want[] = {"1 b", "2 5", "3 d \"hello\"",
                                       "3 d \"hello\""};
    CHECK(strstr(get_open(answer), want[max_fields - 1]));
  }
  max_fields = 0;
}

/* After interim responses, which count for the limit. */
TEST(refusals_with_too_large_heads_before_them) {
  static const char answer[] = "HTTP/1.1 103 Hints\r\nA: b\r\n\r\n"
                               "HTTP/1.1 403 No\r\nC: d\r\n\r\n";
  size_t first = strlen("HTTP/1.1 103 Hints\r\nA: b\r\n\r\n");
  max_header = first + strlen("HTTP/1.1 40");
  BROKEN(answer, "response head too large");
  max_header++;
  REFUSED(answer, "refused 403  1.1/0");
  max_header = sizeof answer - 2;
  REFUSED(answer, "refused 403 No 1.1/1 d");
  max_header = 0;
}

/* A head that never ends takes no more memory than one that does. */
TEST(refusals_with_endless_heads) {
  text t = {NULL, 0, 0};
  text_addf(&t, "HTTP/1.1 503 x\r\n");
  while (t.n < 300000) text_addf(&t, "X-%zu: endless\r\n", t.n);
  max_fields = 100;
  CHECK(strstr(get_open(t.p), "refused 503 x 1.1/100 endless; end"));
  max_fields = 100000;
  CHECK(begins(get_open(t.p), "refused 503 x 1.1/"));
  max_fields = 0;
  text_free(&t);
}

/* ATTACKS row 33. */
TEST(allocations_that_fail) {
  const char open[] = "HTTP/1.1 100 x\r\nA: b\r\n\r\n" OPEN
                      "Sec-WebSocket-Protocol: chat\r\n\r\n" HELLO;
  const char no[] = "HTTP/1.1 403 x\r\nTransfer-Encoding: chunked\r\n\r\n"
                    "2\r\nhe\r\n3\r\nllo\r\n0\r\n\r\n";
  const char lost[] = "HTTP/1.1 403 x\r\nA: b\r\n\r\nhe";
  feed_oom(&client, open, sizeof open - 1, 7);
  feed_oom(&client, open, sizeof open - 1, sizeof open);
  feed_oom(&client, no, sizeof no - 1, 7);
  feed_oom(&cut_off, lost, sizeof lost - 1, 5);
  feed_oom(&cut_off, lost, sizeof lost - 1, sizeof lost);
}

TEST(closes_in_the_handshake) {
  feeding f;
  ws_event ev;
  feed_open(&f, &client);
  CHECK(ws_close(&f.c, 1000, NULL, 0) == 0);
  feed_put(&f, OPEN "\r\n", strlen(OPEN "\r\n"));
  CHECK(ws_next(&f.c, &ev) == WS_END && ws_chosen(&f.c).p == NULL);
  text log = feed_close(&f);
  text_free(&log);
}

TEST(sends_before_the_open_event_is_taken) {
  feeding f;
  ws_event ev;
  feed_open(&f, &client);
  CHECK(ws_send(&f.c, WS_TEXT, "a", 1, 0) == WS_ESTATE);
  feed_put(&f, OPEN "\r\n" HELLO, strlen(OPEN "\r\n" HELLO));
  CHECK(ws_next(&f.c, &ev) == WS_OPEN && ws_next(&f.c, &ev) == WS_OPEN);
  size_t before = ws_queued(&f.c);
  CHECK(ws_send(&f.c, WS_TEXT, "a", 1, 0) == 0);
  CHECK(ws_queued(&f.c) == before + 7 && ws_ahead(&f.c) == 0);
  CHECK(ws_next(&f.c, &ev) == WS_OPEN && ws_http(&f.c)->status == 101);
  ws_taken(&f.c);
  CHECK(ws_http(&f.c) == NULL);
  CHECK(ws_next(&f.c, &ev) == WS_MESSAGE && ev.size == 5);
  text log = feed_close(&f);
  text_free(&log);
}
