/*
** test_server.c - ws_server.c and ws_answer.c: requests of a peer, each whole,
** byte by byte and at random splits, and the answers.
*/
#include "feed.h"

#define HOST "Host: example.com\r\n"
#define UPGRADE "Upgrade: websocket\r\n"
#define CONNECTION "Connection: Upgrade\r\n"
#define KEY "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n"
#define VERSION "Sec-WebSocket-Version: 13\r\n"
#define GET "GET /chat HTTP/1.1\r\n"
#define REST UPGRADE CONNECTION KEY VERSION
#define SHAKE GET HOST REST
#define HELLO "\x81\x85\0\0\0\0hello"

static const ws_str none;

static void add_str (text *log, ws_str s) { text_add(log, s.p, s.n); }

/* "WS" or "HTTP", method, target, fields, subprotocols, body. */
static void log_request (ws_conn *c, const ws_event *ev, text *log) {
  const ws_head *h = ws_http(c);
  text_addf(log, "%s ", h->upgrade ? "WS" : "HTTP");
  add_str(log, h->method);
  text_addf(log, " ");
  add_str(log, h->target);
  text_addf(log, " %d/%zu", h->minor, h->nfields);
  for (size_t i = 0; ws_offered(c, i).p; i++) {
    text_addf(log, " +");
    add_str(log, ws_offered(c, i));
  }
  if (ev->size) {
    text_addf(log, " ");
    text_quote(log, ev->data, ev->size);
  }
  text_addf(log, "; ");
}

static int again (int r) { return r == WS_ENOMEM && heap.failed; }

/* Accepts handshakes, answers the rest with 200. */
static void answer (ws_conn *c, const ws_event *ev, text *log) {
  static const ws_field page = {{"X-Page", 6}, {"1", 1}};
  int r;
  if (ev->type != WS_REQUEST) {
    text_addf(log, "message ");
    text_quote(log, ev->data, ev->size);
    text_addf(log, "; ");
    return;
  }
  log_request(c, ev, log);
  ws_taken(c); /* it is answered below */
  if (ws_http(c)->upgrade) {
    do r = ws_accept(c, ws_offered(c, 0), NULL, 0);
    while (again(r));
  } else {
    do r = ws_reject(c, 200, &page, 1, (ws_str){"hi", 2});
    while (again(r));
  }
  CHECK(r == 0);
}

static void start (ws_conn *c) { CHECK(ws_state(c) == WS_CONNECTING); }

static size_t max_header, max_fields, max_body;

static void configure (ws_config *config) {
  if (max_header) config->max_header = max_header;
  if (max_fields) config->max_fields = max_fields;
  if (max_body) config->max_body = max_body;
}

static const feed server = {WS_SERVER, configure, start, answer, 0, 0, 0};

/* Feeds at all splits; returns the log with the answer as text, in one string:
   "...; out HTTP/1.1 ..." with "|" for CRLF. */
static const char *serve_n (const char *bytes, size_t n) {
  static text log;
  feeding f;
  ws_iov v[WS_IOV];
  feed_all(&server, bytes, n);
  feed_open(&f, &server);
  feed_put(&f, bytes, n);
  feed_events(&f);
  text_clear(&log);
  int k = ws_pending(&f.c, v, WS_IOV);
  for (int i = 0; i < k; i++)
    for (size_t j = 0; j < v[i].len; j++) {
      char ch = ((const char *)v[i].base)[j];
      if (ch == '\r')
        text_add(&log, "|", 1);
      else if (ch != '\n')
        text_add(&log, &ch, 1);
    }
  text_addf(&f.log, "out %s", log.p);
  text_clear(&log);
  text_add(&log, f.log.p, f.log.n);
  text rest = feed_close(&f);
  text_free(&rest);
  return log.p;
}

static const char *serve (const char *request) {
  return serve_n(request, strlen(request));
}

static int begins (const char *s, const char *with) {
  int ok = strncmp(s, with, strlen(with)) == 0;
  if (!ok) printf("  got %s\n", s);
  return ok;
}

#define ACCEPTED(request) \
  CHECK(begins(serve(request), "WS ") && strstr(serve(request), " 101 "))
#define PLAIN(request) CHECK(begins(serve(request), "HTTP "))

/* The core's own refusal: status and rule, and not a byte of the request. */
static void refuses (const char *request, int status, const char *rule,
                     int line) {
  char want[200];
  const char *got = serve(request);
  snprintf(want, sizeof want, "out HTTP/1.1 %d ", status);
  int ok = strncmp(got, want, strlen(want)) == 0;
  snprintf(want, sizeof want,
           "Content-Type: text/plain|Content-Length: %zu||%s", strlen(rule) + 1,
           rule);
  ok = ok && strlen(got) > strlen(want) &&
       strcmp(got + strlen(got) - strlen(want), want) == 0;
  if (!test_check(ok, __FILE__, line, rule)) printf("  got %s\n", got);
}

#define REFUSED(request, status, rule) refuses(request, status, rule, __LINE__)

/* RFC 6455 section 1.3. */
TEST(accepts_the_rfc_example) {
  CHECK_STR(serve("GET /chat HTTP/1.1\r\nHost: server.example.com\r\n"
                  "Upgrade: websocket\r\nConnection: Upgrade\r\n"
                  "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n"
                  "Origin: http://example.com\r\n"
                  "Sec-WebSocket-Protocol: chat, superchat\r\n"
                  "Sec-WebSocket-Version: 13\r\n\r\n"),
            "WS GET /chat 1/7 +chat +superchat; "
            "out HTTP/1.1 101 Switching Protocols|Upgrade: websocket|"
            "Connection: Upgrade|"
            "Sec-WebSocket-Accept: s3pPLMBiTxaQ9kYGzzhZRbK+xOo=|"
            "Sec-WebSocket-Protocol: chat||");
}

TEST(bytes_after_the_head_are_kept) {
  const char with[] = SHAKE "\r\n" HELLO HELLO;
  CHECK(begins(serve_n(with, sizeof with - 1),
               "WS GET /chat 1/5; message \"hello\"; message \"hello\"; "));
}

TEST(case_and_spacing) {
  ACCEPTED(GET "HOST:a\r\nUPGRADE:\t WebSocket \r\nconnection:UPGRADE\r\n"
               "sec-websocket-key:dGhlIHNhbXBsZSBub25jZQ==\t\r\n"
               "SEC-WEBSOCKET-VERSION:  13  \r\n\r\n");
  ACCEPTED("\r\n" SHAKE "\r\n");
  ACCEPTED("GET http://example.com/ HTTP/1.1\r\n" HOST REST "\r\n");
  ACCEPTED("GET WSS://[::1]:9?q HTTP/1.1\r\n" HOST REST "\r\n");
  ACCEPTED("GET / HTTP/1.2\r\n" HOST REST "\r\n");
}

TEST(token_lists) {
  ACCEPTED(GET HOST KEY VERSION
           "Upgrade: h2c, , WebSocket/13\r\nConnection: keep-alive\r\n"
           "Connection: ,close,\tupgrade\r\n\r\n");
  ACCEPTED(GET HOST KEY VERSION CONNECTION
           "Upgrade: h2c\r\nUpgrade: websocket\r\n\r\n");
  REFUSED(GET HOST KEY VERSION UPGRADE "Connection: upgraded\r\n\r\n", 400,
          "Connection does not list Upgrade");
  REFUSED(GET HOST KEY VERSION UPGRADE "Connection: a upgrade\r\n\r\n", 400,
          "Connection does not list Upgrade");
  REFUSED(GET HOST KEY VERSION CONNECTION "Upgrade: websockets\r\n\r\n", 400,
          "Upgrade does not list websocket");
  REFUSED(GET HOST KEY VERSION CONNECTION "Upgrade: web socket\r\n\r\n", 400,
          "Upgrade does not list websocket");
}

/* ATTACKS row 11. */
TEST(fields_left_out) {
  REFUSED(GET REST "\r\n", 400, "missing Host field");
  REFUSED(GET HOST CONNECTION KEY VERSION "\r\n", 400,
          "Upgrade does not list websocket");
  REFUSED(GET HOST UPGRADE KEY VERSION "\r\n", 400,
          "Connection does not list Upgrade");
  REFUSED(GET HOST UPGRADE CONNECTION VERSION "\r\n", 400,
          "missing Sec-WebSocket-Key");
  REFUSED(GET HOST UPGRADE CONNECTION KEY "\r\n", 400,
          "missing Sec-WebSocket-Version");
}

TEST(fields_doubled) {
  REFUSED(SHAKE HOST "\r\n", 400, "more than one Host field");
  REFUSED(SHAKE KEY "\r\n", 400, "more than one Sec-WebSocket-Key");
  REFUSED(SHAKE VERSION "\r\n", 400, "more than one Sec-WebSocket-Version");
  REFUSED(SHAKE "Origin: http://a\r\nOrigin: http://a\r\n\r\n", 400,
          "more than one Origin field");
}

/* RFC 9110 section 5.6.1. */
TEST(members_of_lists_may_repeat) {
  ACCEPTED(SHAKE UPGRADE "\r\n");
  ACCEPTED(SHAKE CONNECTION "\r\n");
  ACCEPTED(SHAKE UPGRADE CONNECTION CONNECTION UPGRADE "\r\n");
  ACCEPTED(GET HOST KEY VERSION "Upgrade: websocket,WebSocket, websocket/13\r\n"
                                "Connection: upgrade, Upgrade,,\r\n\r\n");
}

TEST(methods_and_targets) {
  REFUSED("POST / HTTP/1.1\r\n" HOST REST "\r\n", 405,
          "the method of a handshake is GET");
  CHECK(strstr(serve("get / HTTP/1.1\r\n" HOST REST "\r\n"), "|Allow: GET|"));
  REFUSED("GET * HTTP/1.1\r\n" HOST REST "\r\n", 400,
          "invalid target of a handshake");
  REFUSED("GET ftp://a/ HTTP/1.1\r\n" HOST REST "\r\n", 400,
          "invalid target of a handshake");
  REFUSED("GET http:// HTTP/1.1\r\n" HOST REST "\r\n", 400,
          "invalid target of a handshake");
  REFUSED("GET http:///a HTTP/1.1\r\n" HOST REST "\r\n", 400,
          "invalid target of a handshake");
  REFUSED("GET a:80 HTTP/1.1\r\n" HOST REST "\r\n", 400,
          "invalid target of a handshake");
}

/* They never reach the host, in any form; they are case-sensitive like all
   methods (RFC 9110 section 9.1). */
TEST(methods_that_are_not_implemented) {
  static const char *const lines[] = {
      "CONNECT a:443 HTTP/1.1\r\n", "CONNECT / HTTP/1.1\r\n",
      "TRACE / HTTP/1.1\r\n", "CONNECT / HTTP/1.0\r\n", "TRACE / HTTP/1.0\r\n"};
  static const char *const rest[] = {HOST, HOST REST, "",
                                     HOST "Content-"
                                          "Length: 3\r\n"};
  char request[500];
  for (size_t i = 0; i < sizeof lines / sizeof *lines; i++)
    for (size_t j = 0; j < sizeof rest / sizeof *rest; j++) {
      snprintf(request, sizeof request, "%s%s\r\n", lines[i], rest[j]);
      REFUSED(request, 501, "CONNECT and TRACE are not implemented");
    }
  PLAIN("connect / HTTP/1.1\r\n" HOST "\r\n");
  PLAIN("TRACER / HTTP/1.1\r\n" HOST "\r\n");
}

/* A refusal of HEAD has no body, but the length of one. */
TEST(head_is_refused_without_a_body) {
  CHECK_STR(serve("HEAD / HTTP/1.1\r\n" HOST REST "\r\n"),
            "out HTTP/1.1 405 Method Not Allowed|Connection: close|Allow: GET|"
            "Content-Type: text/plain|Content-Length: 33||");
}

/* ATTACKS row 29. */
TEST(versions) {
  static const char *const others[] = {"8", "0", "14", "1313", "013"};
  static const char *const wrong[] = {"",    "x",    "13, 8", "8, 13",
                                      "-13", "13;a", "1 3"};
  char request[500];
  for (size_t i = 0; i < sizeof others / sizeof *others; i++) {
    snprintf(request, sizeof request,
             GET HOST UPGRADE CONNECTION KEY
             "Sec-WebSocket-Version: %s\r\n\r\n",
             others[i]);
    CHECK(begins(serve(request),
                 "out HTTP/1.1 426 Upgrade Required|Connection: Upgrade, close|"
                 "Upgrade: websocket|Sec-WebSocket-Version: 13|"));
  }
  for (size_t i = 0; i < sizeof wrong / sizeof *wrong; i++) {
    snprintf(request, sizeof request,
             GET HOST UPGRADE CONNECTION KEY
             "Sec-WebSocket-Version: %s\r\n\r\n",
             wrong[i]);
    REFUSED(request, 400, "invalid Sec-WebSocket-Version");
    CHECK(strstr(serve(request), "|Sec-WebSocket-Version: 13|"));
  }
  CHECK(strstr(serve(GET HOST UPGRADE CONNECTION KEY "\r\n"),
               "out HTTP/1.1 400 Bad Request|Connection: close|"
               "Sec-WebSocket-Version: 13|Content-Type: "));
  CHECK(strstr(serve(SHAKE VERSION "\r\n"), "|Sec-WebSocket-Version: 13|"));
  CHECK(!strstr(serve(SHAKE KEY "\r\n"), "Version"));
}

TEST(keys) {
  static const char *const wrong[] = {
      "",
      "dGhlIHNhbXBsZSBub25jZQ=",
      "dGhlIHNhbXBsZSBub25jZQ",
      "dGhlIHNhbXBsZSBub25jZQ===",
      "dGhlIHNhbXBsZSBub25jZQA=",
      "dGhlIHNhbXBsZSBub25jZQAA",
      "dGhl HNhbXBsZSBub25jZQ==",
      "dGhl_HNhbXBsZSBub25jZQ==",
      "====IHNhbXBsZSBub25jZQ==",
      "dGhlIHNhbXBsZSBub25jZQ==, dGhlIHNhbXBsZSBub25jZQ=="};
  char request[500];
  for (size_t i = 0; i < sizeof wrong / sizeof *wrong; i++) {
    snprintf(request, sizeof request,
             GET HOST UPGRADE CONNECTION VERSION
             "Sec-WebSocket-Key: %s\r\n\r\n",
             wrong[i]);
    REFUSED(request, 400, "invalid Sec-WebSocket-Key");
  }
}

TEST(hosts) {
  REFUSED(GET "Host: \r\n" REST "\r\n", 400, "empty Host field");
  REFUSED(GET "Host: a b\r\n" REST "\r\n", 400, "invalid Host field");
  REFUSED(GET "Host: a/b\r\n\r\n", 400, "invalid Host field");
  REFUSED(GET "\r\n", 400, "missing Host field");
  REFUSED(GET HOST HOST "\r\n", 400, "more than one Host field");
  REFUSED("GET / HTTP/1.0\r\n" HOST HOST "\r\n", 400,
          "more than one Host field");
  PLAIN(GET "Host:\r\n\r\n");
}

TEST(subprotocols) {
  CHECK(begins(serve(SHAKE "Sec-WebSocket-Protocol: b,, a ,\r\n"
                           "sec-websocket-protocol: ,A\r\n\r\n"),
               "WS GET /chat 1/7 +b +a +A; "));
  REFUSED(SHAKE "Sec-WebSocket-Protocol: a, b\r\nX: y\r\n"
                "Sec-WebSocket-Protocol: c, a\r\n\r\n",
          400, "a subprotocol is offered twice");
  REFUSED(SHAKE "Sec-WebSocket-Protocol:\r\n\r\n", 400,
          "empty Sec-WebSocket-Protocol");
  REFUSED(SHAKE "Sec-WebSocket-Protocol: , ,\r\n\r\n", 400,
          "empty Sec-WebSocket-Protocol");
  REFUSED(SHAKE "Sec-WebSocket-Protocol: \"a\"\r\n\r\n", 400,
          "invalid Sec-WebSocket-Protocol");
  REFUSED(SHAKE "Sec-WebSocket-Protocol: a b\r\n\r\n", 400,
          "invalid Sec-WebSocket-Protocol");
  REFUSED(SHAKE "Sec-WebSocket-Protocol: a;b\r\n\r\n", 400,
          "invalid Sec-WebSocket-Protocol");
}

static const char *many_protocols (int n) {
  static char request[4000];
  size_t at = (size_t)snprintf(request, sizeof request,
                               SHAKE "Sec-WebSocket-Protocol: ");
  for (int i = 0; i < n; i++)
    at += (size_t)snprintf(request + at, sizeof request - at, "p%d, ", i);
  snprintf(request + at, sizeof request - at, "\r\n\r\n");
  return request;
}

TEST(number_of_subprotocols) {
  ACCEPTED(many_protocols(127));
  ACCEPTED(many_protocols(128));
  REFUSED(many_protocols(129), 400, "too many subprotocols");
}

/* ATTACKS row 13: names that have a meaning elsewhere have none here. */
TEST(magic_names) {
  CHECK(begins(serve(SHAKE
                     "__index: __gc\r\n__gc: x\r\nconstructor: __proto__"
                     "\r\nSec-WebSocket-Extensions: __index; __gc=constructor"
                     "\r\nSec-WebSocket-Protocol: __index, constructor\r\n"
                     "Sec-WebSocket-Extensions: __proto__\r\n\r\n"),
               "WS GET /chat 1/11 +__index +constructor; "));
}

/* ATTACKS rows 9 and 14. */
TEST(bytes_that_do_not_belong) {
  REFUSED(SHAKE "Sec-WebSocket-Protocol: \xc3\xa4\r\n\r\n", 400,
          "invalid byte in a field value");
  REFUSED("\x16\x03\x01", 400, "TLS where plain HTTP was expected");
  CHECK(strstr(serve_n(SHAKE "X: a\0b\r\n\r\n", sizeof SHAKE + 9),
               "out HTTP/1.1 400 "));
  REFUSED(SHAKE "A: b\r\n c\r\n\r\n", 400, "folded field line");
}

/* ATTACKS row 14: bytes from 0x80 on, in the fields that the handshake reads
   and in all others, of a handshake and of a plain request. */
static void high_bytes (const char *name, int opaque) {
  static const char *const bytes[] = {"\x80", "\xff",
                                      "Montr\xc3\xa9"
                                      "al",
                                      "a \xe9\tb"};
  static const char *const kinds[] = {SHAKE, "GET / HTTP/1.1\r\n" HOST};
  char request[500];
  for (size_t i = 0; i < sizeof bytes / sizeof *bytes; i++)
    for (size_t j = 0; j < 2; j++) {
      snprintf(request, sizeof request, "%s%s: %s\r\n\r\n", kinds[j], name,
               bytes[i]);
      if (!opaque)
        REFUSED(request, 400, "invalid byte in a field value");
      else if (j == 0)
        ACCEPTED(request);
      else
        PLAIN(request);
    }
}

TEST(bytes_from_0x80_on) {
  static const char *const ours[] = {"Host",
                                     "origin",
                                     "Connection",
                                     "UPGRADE",
                                     "Content-Length",
                                     "transfer-encoding",
                                     "Sec-WebSocket-Key",
                                     "sec-websocket-version",
                                     "Sec-WebSocket-Protocol",
                                     "Sec-WebSocket-Extensions",
                                     "Sec-WebSocket-Accept",
                                     "Sec-WebSocket-X"};
  static const char *const others[] = {"CF-IPCity",  "Cookie", "X-Origin",
                                       "Host2",      "Hos",    "Upgrades",
                                       "User-Agent", "X",      "Sec-WebSocket"};
  for (size_t i = 0; i < sizeof ours / sizeof *ours; i++)
    high_bytes(ours[i], 0);
  for (size_t i = 0; i < sizeof others / sizeof *others; i++)
    high_bytes(others[i], 1);
}

/* ATTACKS row 14. */
TEST(nul_bytes) {
  static const char request[] = GET "Host: a\r\nX: y\r\n" REST "\r\n";
  char copy[sizeof request];
  for (size_t i = 0; i + 1 < sizeof request; i++) {
    memcpy(copy, request, sizeof copy);
    copy[i] = '\0';
    CHECK(begins(serve_n(copy, sizeof copy - 1), "out HTTP/1.1 400 "));
  }
}

TEST(old_versions_of_http) {
  CHECK(begins(serve("GET / HTTP/1.0\r\n" REST "\r\n"), "HTTP GET / 0/4; "));
  REFUSED("GET / HTTP/2.0\r\n\r\n", 505, "not HTTP/1.1");
  REFUSED("GET /\r\n", 400, "malformed request line");
}

/* ----------------------------------------------------------- plain requests */

TEST(plain_requests) {
  CHECK_STR(serve("GET /a?b HTTP/1.1\r\n" HOST "\r\n"),
            "HTTP GET /a?b 1/1; out HTTP/1.1 200 OK|Connection: close|"
            "X-Page: 1|Content-Type: text/plain|Content-Length: 2||hi");
  CHECK_STR(serve("HEAD / HTTP/1.1\r\n" HOST "\r\n"),
            "HTTP HEAD / 1/1; out HTTP/1.1 200 OK|Connection: close|"
            "X-Page: 1|Content-Type: text/plain|Content-Length: 2||");
  PLAIN("OPTIONS * HTTP/1.1\r\n" HOST "\r\n");
  PLAIN(GET HOST "Upgrade: h2c\r\n" CONNECTION "\r\n");
  PLAIN(GET HOST CONNECTION "\r\n");
}

/* Bytes after a request that is answered are dropped. */
TEST(pipelined_requests_are_dropped) {
  CHECK_STR(serve("GET / HTTP/1.1\r\n" HOST "\r\nGET /b HTTP/1.1\r\n\r\n"),
            serve("GET / HTTP/1.1\r\n" HOST "\r\n"));
}

TEST(bodies) {
  CHECK(begins(
      serve("POST / HTTP/1.1\r\n" HOST "Content-Length: 5\r\n\r\nhello!"),
      "HTTP POST / 1/2 \"hello\"; "));
  CHECK(begins(serve("POST / HTTP/1.1\r\n" HOST "Content-Length: 0\r\n\r\n"),
               "HTTP POST / 1/2; "));
  CHECK(begins(serve("POST / HTTP/1.1\r\n" HOST
                     "Transfer-Encoding: Chunked\r\n\r\n2;x=y\r\nhe\r\n"
                     "3\r\nllo\r\n0\r\nT: x\r\n\r\nrest"),
               "HTTP POST / 1/2 \"hello\"; "));
  CHECK_STR(serve("POST / HTTP/1.1\r\n" HOST "Content-Length: 5\r\n\r\nhell"),
            "out ");
}

TEST(limits_of_bodies) {
  max_body = 3;
  CHECK(begins(serve("POST / HTTP/1.1\r\n" HOST "Content-Length: 2\r\n\r\nab"),
               "HTTP POST / 1/2 \"ab\"; "));
  CHECK(begins(serve("POST / HTTP/1.1\r\n" HOST "Content-Length: 3\r\n\r\nabc"),
               "HTTP POST / 1/2 \"abc\"; "));
  REFUSED("POST / HTTP/1.1\r\n" HOST "Content-Length: 4\r\n\r\n", 413,
          "body too large");
  REFUSED("POST / HTTP/1.1\r\n" HOST
          "Content-Length: 99999999999999999999\r\n\r\n",
          413, "body too large");
  REFUSED("POST / HTTP/1.1\r\n" HOST
          "Transfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n1",
          413, "body too large");
  max_body = WS_NO_LIMIT;
  REFUSED("POST / HTTP/1.1\r\n" HOST
          "Content-Length: 18446744073709551615\r\n\r\n",
          413, "body too large");
  max_body = 0;
}

/* ATTACKS row 22: everything that two parsers could read differently. */
TEST(smuggling) {
  static const struct {
    const char *fields;
    int status;
    const char *rule;
  } list[] = {
      {"Content-Length: 5\r\nTransfer-Encoding: chunked\r\n", 400,
       "both Transfer-Encoding and Content-Length"},
      {"Transfer-Encoding: chunked\r\nContent-Length: 0\r\n", 400,
       "both Transfer-Encoding and Content-Length"},
      {"Content-Length: 5\r\nContent-Length: 6\r\n", 400,
       "invalid Content-Length"},
      {"Content-Length: 5\r\nContent-Length: 5\r\n", 400,
       "invalid Content-Length"},
      {"Content-Length: 5, 5\r\n", 400, "invalid Content-Length"},
      {"Content-Length: +5\r\n", 400, "invalid Content-Length"},
      {"Content-Length: 0x5\r\n", 400, "invalid Content-Length"},
      {"Content-Length:\r\n", 400, "invalid Content-Length"},
      {"Content-Length : 5\r\n", 400, "malformed field name"},
      {"Transfer-Encoding: chunked, chunked\r\n", 400,
       "invalid Transfer-Encoding"},
      {"Transfer-Encoding: chunked\r\nTransfer-Encoding: identity\r\n", 400,
       "invalid Transfer-Encoding"},
      {"Transfer-Encoding:\r\n", 400, "invalid Transfer-Encoding"},
      {"Transfer-Encoding: gzip\r\n", 501, "unknown transfer coding"},
      {"Transfer-Encoding: gzip, chunked\r\n", 501, "unknown transfer coding"},
      {"Transfer-Encoding: xchunked\r\n", 501, "unknown transfer coding"},
      {"Transfer-Encoding: \x0b"
       "chunked\r\n",
       400, "invalid byte in a field value"},
  };
  char request[500];
  for (size_t i = 0; i < sizeof list / sizeof *list; i++) {
    snprintf(request, sizeof request, "POST / HTTP/1.1\r\n" HOST "%s\r\n",
             list[i].fields);
    REFUSED(request, list[i].status, list[i].rule);
  }
  REFUSED("POST / HTTP/1.0\r\nTransfer-Encoding: chunked\r\n\r\n", 400,
          "Transfer-Encoding in HTTP/1.0");
  REFUSED("POST / HTTP/1.1\r\n" HOST "Transfer-Encoding: chunked\r\n\r\n1\n",
          400, "malformed chunk");
}

TEST(a_handshake_has_no_body) {
  ACCEPTED(SHAKE "Content-Length: 0\r\n\r\n");
  REFUSED(SHAKE "Content-Length: 1\r\n\r\n", 400, "a handshake has no body");
  REFUSED(SHAKE "Transfer-Encoding: chunked\r\n\r\n", 400,
          "a handshake has no body");
}

TEST(expectations) {
  const char *got = serve("POST / HTTP/1.1\r\n" HOST "Content-Length: 1\r\n"
                          "Expect: 100-Continue\r\n\r\na");
  CHECK(begins(got, "HTTP POST / 1/3 \"a\"; out HTTP/1.1 100 Continue||"
                    "HTTP/1.1 200 OK|"));
  CHECK(begins(serve("POST / HTTP/1.1\r\n" HOST "Content-Length: 1\r\n"
                     "Expect: 100-continue\r\n\r\n"),
               "out HTTP/1.1 100 Continue||"));
  CHECK(!strstr(serve("POST / HTTP/1.1\r\n" HOST "Content-Length: 0\r\n"
                      "Expect: 100-continue\r\n\r\n"),
                " 100 "));
  CHECK(!strstr(serve("POST / HTTP/1.0\r\n" HOST "Content-Length: 1\r\n"
                      "Expect: 100-continue\r\n\r\na"),
                " 100 "));
  REFUSED("POST / HTTP/1.1\r\n" HOST "Expect: tea\r\n\r\n", 417,
          "unknown expectation");
  max_body = 1;
  REFUSED("POST / HTTP/1.1\r\n" HOST "Content-Length: 2\r\n"
          "Expect: 100-continue\r\n\r\n",
          413, "body too large");
  max_body = 0;
}

/* ------------------------------------------------------------------- limits */

TEST(limits_of_heads) {
  size_t n = strlen(SHAKE "\r\n");
  for (max_header = n - 1; max_header <= n + 1; max_header++) {
    if (max_header >= n)
      ACCEPTED(SHAKE "\r\n");
    else
      REFUSED(SHAKE "\r\n", 431, "request head too large");
  }
  max_header = 0;
  for (max_fields = 4; max_fields <= 6; max_fields++) {
    if (max_fields >= 5)
      ACCEPTED(SHAKE "\r\n");
    else
      REFUSED(SHAKE "\r\n", 431, "too many header fields");
  }
  max_fields = 0;
}

/* ATTACKS row 10. */
TEST(header_floods) {
  text t = {NULL, 0, 0};
  text_addf(&t, "GET / HTTP/1.1\r\n");
  for (int i = 0; i < 2000; i++) text_addf(&t, "A: b\r\n");
  REFUSED(t.p, 431, "too many header fields");
  text_clear(&t);
  text_addf(&t, "GET / HTTP/1.1\r\nA: ");
  while (t.n < 70000) text_addf(&t, "endless value ");
  REFUSED(t.p, 431, "request head too large");
  text_clear(&t);
  text_addf(&t, "GET /");
  while (t.n < 70000) text_addf(&t, "endless");
  REFUSED(t.p, 414, "request target too long");
  text_clear(&t);
  while (t.n < 70000) text_addf(&t, "ENDLESS");
  REFUSED(t.p, 501, "method too long");
  text_free(&t);
}

/* Each part that is too long has its own status, at each length of a head. */
TEST(limits_of_request_lines) {
  const char request[] = GET HOST "\r\n";
  size_t line = strlen(GET);
  for (max_header = 1; max_header < sizeof request - 1; max_header++) {
    if (max_header < strlen("GET "))
      REFUSED(request, 501, "method too long");
    else if (max_header < line)
      REFUSED(request, 414, "request target too long");
    else
      REFUSED(request, 431, "request head too large");
  }
  PLAIN(request);
  max_header = 0;
}

/* ATTACKS row 12: 64 KiB of blanks, commas or an unclosed quote in a list;
   test_http.c shows that each is read once. */
TEST(long_lists) {
  static const char *const fillings[] = {" ", ",", ", ", ";\t", "\"\\"};
  static const char *const names[] = {"Sec-WebSocket-Extensions", "Connection",
                                      "Upgrade"};
  max_header = 100000;
  for (size_t i = 0; i < sizeof fillings / sizeof *fillings; i++)
    for (size_t j = 0; j < sizeof names / sizeof *names; j++) {
      text t = {NULL, 0, 0};
      text_addf(&t, SHAKE "%s: a", names[j]);
      while (t.n < 65536) text_addf(&t, "%s", fillings[i]);
      text_addf(&t, "b\r\n\r\n");
      text log = feed_once(&server, t.p, t.n, 4096);
      if (j == 0 && fillings[i][0] != ',')
        CHECK(begins(log.p, "end 1006 \"malformed Sec-WebSocket-Extensions\""));
      else
        CHECK(begins(log.p, "WS GET /chat 1/6; "));
      text_free(&log);
      text_free(&t);
    }
  max_header = 0;
}

/* Memory is about the bytes that have come, whatever is announced. */
TEST(a_flood_takes_little_memory) {
  feeding f;
  text t = {NULL, 0, 0};
  while (t.n < 1000000) text_addf(&t, "endless");
  heap_reset();
  feed_open(&f, &server);
  for (size_t i = 0; i < t.n; i += 1000) {
    feed_put(&f, t.p + i, t.n - i < 1000 ? t.n - i : 1000);
    feed_events(&f);
  }
  CHECK(heap.peak < 65536);
  text rest = feed_close(&f);
  text_free(&rest);
  text_free(&t);
}

/* ---------------------------------------------------------- misuse, answers */

static void open_with (feeding *f, const char *request, ws_event *ev) {
  feed_open(f, &server);
  feed_put(f, request, strlen(request));
  CHECK(ws_next(&f->c, ev) == WS_REQUEST);
}

static void drop (feeding *f) {
  text log = feed_close(f);
  text_free(&log);
}

static ws_field field (const char *name, const char *value) {
  return (ws_field){{name, strlen(name)}, {value, strlen(value)}};
}

/* ATTACKS row 21. */
TEST(fields_that_may_not_be_sent) {
  static const char *const ours[] = {"upgrade",
                                     "Connection",
                                     "sec-websocket-accept",
                                     "Sec-WebSocket-Protocol",
                                     "Sec-WebSocket-Extensions",
                                     "Sec-WebSocket-Version",
                                     "Sec-WebSocket-Key",
                                     "Content-Length",
                                     "Transfer-Encoding",
                                     "",
                                     "a b",
                                     "a:",
                                     "a\r\nb",
                                     "\xe4"};
  static const char *const values[] = {"a\r\nb: c", "a\nb", "\r", "\x01",
                                       "\x7f"};
  feeding f;
  ws_event ev;
  open_with(&f, SHAKE "\r\n", &ev);
  for (size_t i = 0; i < sizeof ours / sizeof *ours; i++) {
    ws_field bad = field(ours[i], "x");
    CHECK(ws_accept(&f.c, none, &bad, 1) == WS_EINVAL && *ws_error(&f.c));
  }
  for (size_t i = 0; i < sizeof values / sizeof *values; i++) {
    ws_field bad = field("X", values[i]);
    CHECK(ws_accept(&f.c, none, &bad, 1) == WS_EINVAL && *ws_error(&f.c));
    CHECK(ws_reject(&f.c, 403, &bad, 1, none) == WS_EINVAL);
  }
  ws_field nul = {{"X", 1}, {"a\0b", 3}}, origin = field("Origin", "\xe4");
  CHECK(ws_accept(&f.c, none, &origin, 1) == WS_EINVAL);
  CHECK(ws_accept(&f.c, none, &nul, 1) == WS_EINVAL);
  CHECK(ws_queued(&f.c) == 0 && ws_next(&f.c, &ev) == WS_REQUEST);
  ws_field good = field("X", "\xc3\xa4\tb");
  CHECK(ws_accept(&f.c, none, &good, 1) == 0 && ws_queued(&f.c) > 0);
  CHECK(ws_state(&f.c) == WS_OPENED);
  CHECK(ws_accept(&f.c, none, NULL, 0) == WS_ESTATE);
  drop(&f);
}

TEST(misused_answers) {
  feeding f;
  ws_event ev;
  open_with(&f, SHAKE "Sec-WebSocket-Protocol: a\r\n\r\n", &ev);
  CHECK(ws_accept(&f.c, (ws_str){"A", 1}, NULL, 0) == WS_EINVAL);
  CHECK(ws_reject(&f.c, 101, NULL, 0, none) == WS_EINVAL);
  CHECK(ws_reject(&f.c, 199, NULL, 0, none) == WS_EINVAL);
  CHECK(ws_reject(&f.c, 600, NULL, 0, none) == WS_EINVAL);
  CHECK(ws_reject(&f.c, 200, NULL, 0, none) == 0);
  CHECK(ws_reject(&f.c, 200, NULL, 0, none) == WS_ESTATE);
  CHECK(ws_next(&f.c, &ev) == WS_END && ws_closed(&f.c).status == 200);
  drop(&f);
  open_with(&f, "GET / HTTP/1.1\r\n" HOST "\r\n", &ev);
  CHECK(ws_accept(&f.c, none, NULL, 0) == WS_ESTATE);
  drop(&f);
  feed_open(&f, &server);
  CHECK(ws_accept(&f.c, none, NULL, 0) == WS_ESTATE);
  CHECK(ws_reject(&f.c, 200, NULL, 0, none) == WS_ESTATE);
  drop(&f);
}

static const char *rejected (int status, const ws_field *fields, size_t n,
                             const char *body) {
  static char out[1000];
  feeding f;
  ws_event ev;
  ws_iov v[WS_IOV];
  open_with(&f, SHAKE "\r\n", &ev);
  CHECK(ws_reject(&f.c, status, fields, n, (ws_str){body, strlen(body)}) == 0);
  CHECK(ws_pending(&f.c, v, WS_IOV) == 1);
  snprintf(out, sizeof out, "%.*s", (int)v[0].len, (const char *)v[0].base);
  drop(&f);
  return out;
}

TEST(a_borrowed_body_is_sent_from_where_it_is) {
  static const char body[] = "a large one";
  const size_t n = sizeof body - 1;
  for (int kind = 0; kind < 3; kind++) { /* GET, HEAD, 304 */
    feeding f;
    ws_event ev;
    ws_iov v[WS_IOV];
    size_t head;
    open_with(&f, kind == 1 ? "HEAD / HTTP/1.1\r\n" HOST "\r\n" : SHAKE "\r\n",
              &ev);
    CHECK(ws_reject_borrowed(&f.c, kind == 2 ? 304 : 200, NULL, 0,
                             (ws_str){body, n}) == 0);
    CHECK(ws_pending(&f.c, v, WS_IOV) == (kind == 0 ? 2 : 1));
    head = v[0].len;
    if (kind == 0) {
      CHECK(v[1].base == body && v[1].len == n);
      CHECK(ws_queued(&f.c) == head + n);
      ws_sent(&f.c, head + 3);
      CHECK(ws_pending(&f.c, v, WS_IOV) == 1);
      CHECK(v[0].base == body + 3 && v[0].len == n - 3);
      CHECK(ws_settle(&f.c) == 0); /* a copy of what is left */
      CHECK(ws_pending(&f.c, v, WS_IOV) == 1 && v[0].base != body + 3);
      CHECK(v[0].len == n - 3 && memcmp(v[0].base, body + 3, n - 3) == 0);
    }
    ws_abort(&f.c, "aborted");
    CHECK(ws_queued(&f.c) == 0);
    drop(&f);
  }
}

TEST(rejections) {
  ws_field ask = field("WWW-Authenticate", "Basic"),
           type = field("content-type", "text/html"),
           old = field("Sec-WebSocket-Version", "13, 8");
  CHECK_STR(rejected(401, &ask, 1, ""),
            "HTTP/1.1 401 Unauthorized\r\nConnection: close\r\n"
            "WWW-Authenticate: Basic\r\nContent-Length: 0\r\n\r\n");
  CHECK_STR(rejected(403, &type, 1, "<p>"),
            "HTTP/1.1 403 Forbidden\r\nConnection: close\r\n"
            "content-type: text/html\r\nContent-Length: 3\r\n\r\n<p>");
  CHECK_STR(rejected(204, NULL, 0, "x"),
            "HTTP/1.1 204 No Content\r\nConnection: close\r\n\r\n");
  CHECK_STR(rejected(304, NULL, 0, "x"),
            "HTTP/1.1 304 Not Modified\r\nConnection: close\r\n\r\n");
  CHECK_STR(rejected(299, NULL, 0, ""),
            "HTTP/1.1 299 \r\nConnection: close\r\nContent-Length: 0\r\n\r\n");
  CHECK_STR(rejected(426, &old, 1, ""),
            "HTTP/1.1 426 Upgrade Required\r\nConnection: Upgrade, close\r\n"
            "Upgrade: websocket\r\nSec-WebSocket-Version: 13, 8\r\n"
            "Content-Length: 0\r\n\r\n");
}

TEST(fields_of_a_request) {
  feeding f;
  ws_event ev;
  open_with(&f, SHAKE "\r\n", &ev);
  ws_field last = ws_http_field(&f.c, 4), beyond = ws_http_field(&f.c, 5);
  CHECK(last.value.n == 2 && memcmp(last.value.p, "13", 2) == 0);
  CHECK(beyond.name.p == NULL && beyond.value.p == NULL);
  CHECK(ws_offered(&f.c, 0).p == NULL && ws_chosen(&f.c).p == NULL);
  drop(&f);
  feed_open(&f, &server);
  CHECK(ws_http(&f.c) == NULL && ws_http_field(&f.c, 0).name.p == NULL);
  drop(&f);
}

/* A request that waits for its answer stays when the buffer moves and the
   transport ends. */
TEST(a_request_waits_for_its_answer) {
  feeding f;
  ws_event ev;
  open_with(&f, SHAKE "Sec-WebSocket-Protocol: a\r\n\r\n", &ev);
  for (int i = 0; i < 4000; i++) feed_put(&f, HELLO, 11);
  ws_eof(&f.c);
  CHECK(ws_next(&f.c, &ev) == WS_REQUEST && ws_http(&f.c)->upgrade);
  CHECK(ws_offered(&f.c, 0).n == 1 && *ws_offered(&f.c, 0).p == 'a');
  CHECK(ws_accept(&f.c, ws_offered(&f.c, 0), NULL, 0) == 0);
  int n = 0;
  while (ws_next(&f.c, &ev) == WS_MESSAGE) {
    n++;
    ws_taken(&f.c);
  }
  CHECK(n == 4000 && ws_closed(&f.c).code == 1006);
  drop(&f);
}

TEST(ends_in_the_handshake) {
  feeding f;
  ws_event ev;
  CHECK_STR(feed_all(&server, SHAKE, strlen(SHAKE)), "end 1006 \"eof\"");
  CHECK_STR(feed_all(&server, "", 0), "end 1006 \"eof\"");
  open_with(&f, SHAKE "\r\n", &ev);
  ws_abort(&f.c, "aborted");
  CHECK(ws_accept(&f.c, none, NULL, 0) == WS_ESTATE);
  ws_taken(&f.c);
  CHECK(ws_next(&f.c, &ev) == WS_END);
  drop(&f);
}

/* Bytes like a frame are not one before the handshake. */
TEST(no_frames_without_a_handshake) {
  feeding f;
  ws_event ev;
  feed_open(&f, &server);
  feed_put(&f, HELLO, 11);
  ws_abort(&f.c, "aborted");
  CHECK(ws_next(&f.c, &ev) == WS_END);
  drop(&f);
  open_with(&f, SHAKE "\r\n", &ev);
  feed_put(&f, HELLO, 11);
  CHECK(ws_close(&f.c, 1000, NULL, 0) == 0);
  ws_taken(&f.c);
  CHECK(ws_next(&f.c, &ev) == WS_END && ws_queued(&f.c) == 0);
  drop(&f);
  open_with(&f, SHAKE "\r\n", &ev);
  feed_put(&f, HELLO, 11);
  ws_abort(&f.c, "aborted");
  ws_taken(&f.c);
  CHECK(ws_next(&f.c, &ev) == WS_END);
  drop(&f);
}

TEST(closed_says_the_status) {
  CHECK(strstr(feed_all(&server, "x\r\n", 3),
               "end 1006 \"malformed request line\" status 400"));
}

/* ATTACKS row 33. */
TEST(allocations_that_fail) {
  const char shake[] = SHAKE "Sec-WebSocket-Protocol: a, b\r\n\r\n" HELLO;
  const char post[] = "POST / HTTP/1.1\r\n" HOST "Expect: 100-continue\r\n"
                      "Transfer-Encoding: chunked\r\n\r\n1\r\na\r\n0\r\n\r\n";
  const char old[] =
      GET HOST UPGRADE CONNECTION KEY "Sec-WebSocket-Version: 8\r\n\r\n";
  feed_oom(&server, shake, sizeof shake - 1, 7);
  feed_oom(&server, shake, sizeof shake - 1, sizeof shake);
  feed_oom(&server, post, sizeof post - 1, 5);
  feed_oom(&server, old, sizeof old - 1, 50);
  feed_oom(&server, many_protocols(40), strlen(many_protocols(40)), 99);
}

TEST(status_texts) {
  CHECK_STR(ws_status_text(101), "Switching Protocols");
  CHECK_STR(ws_status_text(404), "Not Found");
  CHECK_STR(ws_status_text(511), "Network Authentication Required");
  CHECK_STR(ws_status_text(299), "");
}
