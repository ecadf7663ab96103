/*
** test_http.c - ws_head.c and ws_body.c without a connection: heads and chunks
** as bytes, at guard pages, each byte read once.
*/
#include "feed.h"

#include "ws_hs.h"

typedef struct parsed {
  ws_config config;
  ws_conn c;
  ws_head_parser h;
  int r;
  text log;
} parsed;

static void parse_begin (parsed *x, int role) {
  memset(x, 0, sizeof *x);
  ws_config_init(&x->config, role);
  ws_init(&x->c, &x->config, heap_alloc, NULL);
  x->h.role = role;
  x->h.limit = 16384;
  x->h.max_fields = 100;
}

static void log_span (parsed *x, const char *p, ws_span s) {
  text_add(&x->log, p + s.at, s.n);
}

/* "method target minor|name=value|..." or "status reason|...", or the fault */
static const char *parse_end (parsed *x, const void *bytes) {
  const char *p = bytes;
  text_clear(&x->log);
  if (x->r == HTTP_MORE) text_addf(&x->log, "more");
  if (x->r == HTTP_BAD)
    text_addf(&x->log, "%d %s", x->h.fault.status, x->h.fault.rule);
  if (x->r == HTTP_WHOLE && x->h.role == WS_SERVER) {
    log_span(x, p, x->h.method);
    text_addf(&x->log, " ");
    log_span(x, p, x->h.target);
    text_addf(&x->log, " %d", x->h.minor);
  } else if (x->r == HTTP_WHOLE) {
    text_addf(&x->log, "%d ", x->h.status);
    log_span(x, p, x->h.reason);
  }
  for (size_t i = 0; x->r == HTTP_WHOLE && i < x->h.nlines; i++) {
    text_addf(&x->log, "|");
    log_span(x, p, x->h.line[i].name);
    text_addf(&x->log, "=");
    log_span(x, p, x->h.line[i].value);
  }
  ws_head_release(&x->c, &x->h);
  ws_free(&x->c);
  CHECK(heap.blocks == 0);
  return x->log.p;
}

/* Parses at the end of readable memory, 'step' bytes more at a time; 0: random
   steps. Each time the bytes lie elsewhere. */
static const char *parse (int role, const char *bytes, size_t size,
                          size_t step) {
  static parsed x;
  unsigned char *copy = malloc(size + 1), *p = copy;
  size_t n = 0;
  text_free(&x.log);
  parse_begin(&x, role);
  memcpy(copy, bytes, size);
  while (x.r == HTTP_MORE && n < size) {
    n += step ? step : 1 + rnd(9);
    if (n > size) n = size;
    p = guard_end(copy, n);
    x.r = ws_head_parse(&x.c, &x.h, p, n);
    memcpy(copy, p, n);
  }
  const char *log = parse_end(&x, copy);
  free(copy);
  return log;
}

static void same (int role, const char *bytes, size_t size, const char *want) {
  rnd_seed(size);
  CHECK_STR(parse(role, bytes, size, size), want);
  CHECK_STR(parse(role, bytes, size, 1), want);
  for (int i = 0; i < 4; i++) CHECK_STR(parse(role, bytes, size, 0), want);
}

#define REQUEST(bytes, want) same(WS_SERVER, bytes, sizeof bytes - 1, want)
#define RESPONSE(bytes, want) same(WS_CLIENT, bytes, sizeof bytes - 1, want)

/* Returns after how many bytes the head is refused. */
static size_t refused_at (const char *bytes, size_t size) {
  parsed x;
  size_t n = 0;
  parse_begin(&x, WS_SERVER);
  while (x.r == HTTP_MORE && n < size) {
    n++;
    x.r = ws_head_parse(&x.c, &x.h, guard_end(bytes, n), n);
  }
  CHECK(x.r == HTTP_BAD);
  parse_end(&x, bytes);
  text_free(&x.log);
  return n;
}

TEST(requests) {
  REQUEST("GET / HTTP/1.1\r\n\r\n", "GET / 1");
  REQUEST("GET / HTTP/1.0\r\n\r\n", "GET / 0");
  REQUEST("GET / HTTP/1.9\r\n\r\n", "GET / 9");
  REQUEST("OPTIONS * HTTP/1.1\r\n\r\n", "OPTIONS * 1");
  REQUEST("CONNECT a:1 HTTP/1.1\r\n\r\n", "CONNECT a:1 1");
  REQUEST("get /?a=b%20&c HTTP/1.1\r\nHost: a\r\nX:y\r\n\r\n",
          "get /?a=b%20&c 1|Host=a|X=y");
}

TEST(one_empty_line_before_a_request) {
  REQUEST("\r\nGET / HTTP/1.1\r\n\r\n", "GET / 1");
  REQUEST("\r\n\r\nGET / HTTP/1.1\r\n\r\n", "400 malformed request line");
  REQUEST("\nGET / HTTP/1.1\r\n\r\n", "400 malformed request line");
  REQUEST("\rGET / HTTP/1.1\r\n\r\n", "400 malformed request line");
  REQUEST("\x15\x03\x03", "400 TLS where plain HTTP was expected");
  REQUEST("\x16\x03\x01", "400 TLS where plain HTTP was expected");
  REQUEST("\x14\x03\x01", "400 malformed request line");
  REQUEST("\x17\x03\x01", "400 malformed request line");
  RESPONSE("\x15\x03\x03", "400 TLS where plain HTTP was expected");
  RESPONSE("\x16\x03\x03", "400 TLS where plain HTTP was expected");
  RESPONSE("\x14\x03\x03", "400 malformed status line");
  RESPONSE("\r\nHTTP/1.1 200 OK\r\n\r\n", "400 malformed status line");
}

TEST(malformed_request_lines) {
  static const char *const lines[] = {" GET / HTTP/1.1\r\n\r\n",
                                      "GET  / HTTP/1.1\r\n\r\n",
                                      "GET\t/ HTTP/1.1\r\n\r\n",
                                      "GET /  HTTP/1.1\r\n\r\n",
                                      "GET / HTTP/1.1 \r\n\r\n",
                                      "GET / HTTP/1.1\n\n",
                                      "GET / HTTP/1.1\r\r\n",
                                      "GET /\r\n\r\n",
                                      "GET / \r\n\r\n",
                                      "GET / http/1.1\r\n\r\n",
                                      "GET / HTTP/1,1\r\n\r\n",
                                      "GET / HTTP/1.10\r\n\r\n",
                                      "GET / HTTP/11\r\n\r\n",
                                      "GET /#a HTTP/1.1\r\n\r\n",
                                      "GET /\x7f HTTP/1.1\r\n\r\n",
                                      "GET /\xc3\xa4 HTTP/1.1\r\n\r\n",
                                      "G(T / HTTP/1.1\r\n\r\n",
                                      "G\xc4T / HTTP/1.1\r\n\r\n"};
  for (size_t i = 0; i < sizeof lines / sizeof *lines; i++)
    same(WS_SERVER, lines[i], strlen(lines[i]), "400 malformed request line");
  REQUEST("GET /\0 HTTP/1.1\r\n\r\n", "400 malformed request line");
}

TEST(other_major_versions) {
  REQUEST("PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n", "505 not HTTP/1.1");
  REQUEST("GET / HTTP/0.9\r\n\r\n", "505 not HTTP/1.1");
  REQUEST("GET / HTTP/3.0\r\n\r\n", "505 not HTTP/1.1");
  RESPONSE("HTTP/2.0 200 OK\r\n\r\n", "505 not HTTP/1.1");
}

/* At the earliest byte that shows it. */
TEST(refused_at_once) {
  CHECK(refused_at("\x16\x03\x01\x02", 4) == 1); /* a TLS ClientHello */
  CHECK(refused_at("\x80\x01", 2) == 1);
  CHECK(refused_at("GET @\x01", 6) == 6);
  CHECK(refused_at("GET / HTTQ/1.1\r\n", 16) == 10);
  CHECK(refused_at("GET / HTTP/1.1\nHost", 19) == 15);
  CHECK(refused_at("GET / HTTP/1.1\r\n:", 17) == 17);
  CHECK(refused_at("GET / HTTP/1.1\r\nA :", 19) == 18);
  CHECK(refused_at("GET / HTTP/1.1\r\nA:b\nC", 21) == 20);
  CHECK(refused_at("GET / HTTP/1.1\r\nA:b\x01", 20) == 20);
  CHECK(refused_at("GET / HTTP/1.1\r\nA:b\r\n ", 22) == 22);
}

TEST(fields) {
  REQUEST("GET / HTTP/1.1\r\nA:\r\nB: \t \r\nC:  d  e \t\r\nF:\tg\r\n\r\n",
          "GET / 1|A=|B=|C=d  e|F=g");
  REQUEST("GET / HTTP/1.1\r\nA: b:c: \r\n!#$%&'*+-.^_`|~09azAZ: x\r\n\r\n",
          "GET / 1|A=b:c:|!#$%&'*+-.^_`|~09azAZ=x");
}

TEST(malformed_fields) {
  REQUEST("GET / HTTP/1.1\r\nA : b\r\n\r\n", "400 malformed field name");
  REQUEST("GET / HTTP/1.1\r\n: b\r\n\r\n", "400 malformed field name");
  REQUEST("GET / HTTP/1.1\r\nA\r\n\r\n", "400 malformed field name");
  REQUEST("GET / HTTP/1.1\r\nA\xe4: b\r\n\r\n", "400 malformed field name");
  REQUEST("GET / HTTP/1.1\r\nA(: b\r\n\r\n", "400 malformed field name");
  REQUEST("GET / HTTP/1.1\r\n A: b\r\n\r\n", "400 malformed field name");
  REQUEST("GET / HTTP/1.1\r\nA: b\n\r\n", "400 invalid byte in a field value");
  REQUEST("GET / HTTP/1.1\r\nA: b\rc\r\n\r\n", "400 CR without LF in the head");
  REQUEST("GET / HTTP/1.1\r\nA: b\r\n\rX", "400 CR without LF in the head");
  REQUEST("GET / HTTP/1.1\r\nA: b\0c\r\n\r\n",
          "400 invalid byte in a field value");
  REQUEST("GET / HTTP/1.1\r\nA: b\x7f\r\n\r\n",
          "400 invalid byte in a field value");
  RESPONSE("HTTP/1.1 200 OK\r\nA : b\r\n\r\n", "400 malformed field name");
}

/* ATTACKS row 14: allowed except in what the handshake reads. */
TEST(bytes_from_0x80_on) {
  REQUEST("GET / HTTP/1.1\r\nA: \x80\r\n\r\n", "GET / 1|A=\x80");
  REQUEST("GET / HTTP/1.1\r\ncookie: a=\xc3\xa4 \xff\r\n\r\n",
          "GET / 1|cookie=a=\xc3\xa4 \xff");
  REQUEST("GET / HTTP/1.1\r\nhOST: \x80\r\n\r\n",
          "400 invalid byte in a field value");
  REQUEST("GET / HTTP/1.1\r\nA: \xe4\r\nSec-WebSocket-: \xe4\r\n\r\n",
          "400 invalid byte in a field value");
  REQUEST("GET / HTTP/1.1\r\nA: \xe4\x7f\r\n\r\n",
          "400 invalid byte in a field value");
  RESPONSE("HTTP/1.1 404 Nich d\xc3\xa4\r\nServer: \xe4\r\n\r\n",
           "404 Nich d\xc3\xa4|Server=\xe4");
  RESPONSE("HTTP/1.1 101 \r\nsec-websocket-protocol: \xe4\r\n\r\n",
           "400 invalid byte in a field value");
  RESPONSE("HTTP/1.1 101 \r\nX: \xe4\r\nConnection: \xe4\r\n\r\n",
           "400 invalid byte in a field value");
  RESPONSE("HTTP/1.1 403 \r\nContent-Length: \xe4\r\n\r\n",
           "403 |Content-Length=\xe4");
}

/* RFC 9112 section 5.2. */
TEST(folded_lines) {
  REQUEST("GET / HTTP/1.1\r\nA: b\r\n c\r\n\r\n", "400 folded field line");
  REQUEST("GET / HTTP/1.1\r\nA: b\r\n\tc\r\n\r\n", "400 folded field line");
  RESPONSE("HTTP/1.1 200 OK\r\nA: b\r\n c\r\n\td \r\nE: f\r\n\r\n",
           "200 OK|A=b   c  \td|E=f");
  RESPONSE("HTTP/1.1 200 OK\r\nA:\r\n \r\n  b\r\n \r\n\r\n", "200 OK|A=b");
  RESPONSE("HTTP/1.1 200 OK\r\n A: b\r\n\r\n", "400 malformed field name");
}

TEST(status_lines) {
  RESPONSE("HTTP/1.1 101 Switching Protocols\r\n\r\n",
           "101 Switching Protocols");
  RESPONSE("HTTP/1.0 404 \r\n\r\n", "404 ");
  RESPONSE("HTTP/1.1 404\r\n\r\n", "404 ");
  RESPONSE("HTTP/1.1 999 x\r\n\r\n", "999 x");
  RESPONSE("HTTP/1.1 099 x\r\n\r\n", "400 malformed status line");
  RESPONSE("HTTP/1.1 1011 x\r\n\r\n", "400 malformed status line");
  RESPONSE("HTTP/1.1 10 x\r\n\r\n", "400 malformed status line");
  RESPONSE("HTTP/1.1  101 x\r\n\r\n", "400 malformed status line");
  RESPONSE("HTTP/1.1 101 x\n\n", "400 malformed status line");
  RESPONSE("ICY 200 OK\r\n\r\n", "400 malformed status line");
  RESPONSE("<html>", "400 malformed status line");
}

/* A byte that was used is not read again: here each is overwritten as soon as
   the next has come, except in a field's name, which is read once more at its
   end. So the work is linear in the number of bytes. */
static size_t parse_forgetting (int role, const char *bytes, size_t n) {
  unsigned char *p = malloc(n);
  parsed x;
  parse_begin(&x, role);
  x.h.limit = 4 * n;
  x.h.max_fields = n;
  for (size_t i = 0; i < n && CHECK(x.r == HTTP_MORE); i++) {
    p[i] = (unsigned char)bytes[i];
    x.r = ws_head_parse(&x.c, &x.h, p, i + 1);
    CHECK(x.r != HTTP_MORE || x.h.looked == i + 1);
    size_t used = x.h.from < i ? x.h.from : i; /* what is complete */
    if (i > 400) memset(p + used - 100, 0, used > 100 ? 90 : 0);
  }
  CHECK(x.r == HTTP_WHOLE);
  size_t fields = x.h.nlines;
  ws_head_release(&x.c, &x.h);
  free(p);
  return fields;
}

TEST(a_head_byte_by_byte_is_read_once) {
  text t = {NULL, 0, 0};
  text_addf(&t, "GET / HTTP/1.1\r\n");
  for (int i = 0; i < 2000; i++) text_addf(&t, "Name-%d: value %d\r\n", i, i);
  text_addf(&t, "\r\n");
  CHECK(parse_forgetting(WS_SERVER, t.p, t.n) == 2000);
  text_free(&t);
}

TEST(folds_and_blanks_are_read_once) {
  text t = {NULL, 0, 0};
  text_addf(&t, "HTTP/1.1 200 OK\r\nA: b");
  for (int i = 0; i < 65536; i++) text_add(&t, " ", 1);
  for (int i = 0; i < 9000; i++) text_addf(&t, "\r\n  ");
  text_addf(&t, "\r\n\r\n");
  CHECK(parse_forgetting(WS_CLIENT, t.p, t.n) == 1);
  text_free(&t);
}

static const char *limited (const char *bytes, size_t limit, size_t fields) {
  static parsed x;
  text_free(&x.log);
  parse_begin(&x, WS_SERVER);
  x.h.limit = limit;
  x.h.max_fields = fields;
  x.r =
      ws_head_parse(&x.c, &x.h, guard_end(bytes, strlen(bytes)), strlen(bytes));
  return parse_end(&x, bytes);
}

TEST(limit_of_bytes) {
  const char *head = "GET / HTTP/1.1\r\nA: b\r\n\r\n";
  size_t n = strlen(head);
  CHECK_STR(limited(head, n + 1, 9), "GET / 1|A=b");
  CHECK_STR(limited(head, n, 9), "GET / 1|A=b");
  CHECK_STR(limited(head, n - 1, 9), "431 request head too large");
  CHECK_STR(limited(head, 16, 9), "431 request head too large");
  CHECK_STR(limited(head, 15, 9), "414 request target too long");
  CHECK_STR(limited(head, 4, 9), "414 request target too long");
  CHECK_STR(limited(head, 3, 9), "501 method too long");
  CHECK_STR(limited(head, 1, 9), "501 method too long");
}

TEST(limit_of_fields) {
  const char *head = "GET / HTTP/1.1\r\nA: b\r\nC: d\r\n\r\n";
  CHECK_STR(limited(head, 999, 3), "GET / 1|A=b|C=d");
  CHECK_STR(limited(head, 999, 2), "GET / 1|A=b|C=d");
  CHECK_STR(limited(head, 999, 1), "431 too many header fields");
  CHECK_STR(limited(head, 999, 0), "431 too many header fields");
}

/* ------------------------------------------------------------------ bodies */

static const char *chunks_once (const char *bytes, size_t size, size_t max,
                                int cut, size_t step) {
  static text log;
  ws_body b = {0};
  unsigned char *p = malloc(size + 1);
  size_t rd = 0, n = 0, used;
  int r = HTTP_MORE;
  b.kind = BODY_CHUNKED;
  b.max = max;
  b.slack = 30;
  b.cut = cut;
  memcpy(p, bytes, size);
  while (r == HTTP_MORE && n < size) {
    n += step ? step : 1 + rnd(5);
    if (n > size) n = size;
    unsigned char *q = guard_end(p, n);
    r = ws_body_read(&b, q, q + rd, n - rd, 0, &used);
    rd += used;
    memcpy(p, q, n);
  }
  text_clear(&log);
  if (r == HTTP_BAD)
    text_addf(&log, "%d %s", b.fault.status, b.fault.rule);
  else {
    text_addf(&log, "%s ", r == HTTP_WHOLE ? "whole" : "more");
    text_add(&log, p, b.size);
    if (r == HTTP_WHOLE) text_addf(&log, " +%zu", size - rd);
  }
  free(p);
  return log.p;
}

static void chunks (const char *bytes, size_t max, int cut, const char *want) {
  size_t n = strlen(bytes);
  rnd_seed(n);
  CHECK_STR(chunks_once(bytes, n, max, cut, n), want);
  CHECK_STR(chunks_once(bytes, n, max, cut, 1), want);
  for (int i = 0; i < 4; i++)
    CHECK_STR(chunks_once(bytes, n, max, cut, 0), want);
}

TEST(chunked) {
  chunks("0\r\n\r\n", 9, 0, "whole  +0");
  chunks("3\r\nabc\r\n0\r\n\r\nxy", 9, 0, "whole abc +2");
  chunks("3\r\nabc\r\nA\r\n0123456789\r\n00\r\n\r\n", 99, 0,
         "whole abc0123456789 +0");
  chunks("2;a=\"b\" \r\n\r\n\r\n1 \t;c\r\n!\r\n0\r\nT: x\r\nU:y\r\n\r\n", 9, 0,
         "whole \r\n! +0");
  chunks("3\r\nab", 9, 0, "more ab");
}

TEST(malformed_chunks) {
  static const char *const list[] = {
      "\r\n",    "g\r\n",  "-1\r\n",  "0x1\r\n",  " 1\r\n",    ";\r\n",
      "1 \r\na", "1\na",   "1\r\rn",  "1\r\nab",  "1\r\na\n0", "1\r\na\rb",
      "1;\n",    "1;\x01", "0\r\n\n", "0\r\n\rx", "0\r\nA\n",  "0\r\nA\rb"};
  for (size_t i = 0; i < sizeof list / sizeof *list; i++)
    chunks(list[i], 9, 0, "400 malformed chunk");
}

TEST(limits_of_chunks) {
  chunks("2\r\nab\r\n1\r\nc\r\n0\r\n\r\n", 4, 0, "whole abc +0");
  chunks("2\r\nab\r\n1\r\nc\r\n0\r\n\r\n", 3, 0, "whole abc +0");
  chunks("2\r\nab\r\n1\r\nc\r\n0\r\n\r\n", 2, 0, "413 body too large");
  chunks("ffffffffffffffff\r\n", 9, 0, "413 body too large");
  chunks("10000000000000000\r\n", 9, 0, "413 body too large");
  chunks("10000000000000001\r\n", SIZE_MAX - 99, 0, "413 body too large");
  chunks("0000000000000000000000000000000\r\n\r\n", 9, 0, "whole  +0");
  chunks("00000000000000000000000000000000\r\n\r\n", 9, 0,
         "431 chunk size with too many zeros");
  chunks("1;23456789012345678901234567890\r\na\r\n0\r\n\r\n", 9, 0,
         "whole a +0");
  chunks("1;234567890123456789012345678901\r\na\r\n0\r\n\r\n", 9, 0,
         "431 chunk extensions and trailers too large");
  chunks("0\r\nA:3456789012345678901234567890\r\n\r\n", 9, 0, "whole  +0");
  chunks("0\r\nA:345678901234567890\r\nB:34567890\r\nC:\r\n\r\n", 9, 0,
         "431 chunk extensions and trailers too large");
}

TEST(chunks_cut_off) {
  chunks("3\r\nabc\r\n0\r\n\r\n", 2, 1, "whole ab +8");
  chunks("3\r\nabc\r\n0\r\n\r\n", 3, 1, "whole abc +7");
  chunks("3\r\nabc\r\n0\r\n\r\n", 4, 1, "whole abc +0");
  chunks("ffffffffffffffffff\r\nabc", 2, 1, "whole ab +1");
}

TEST(numbers) {
  size_t n = 7;
  CHECK(ws_number(ws_lit("0"), &n) && n == 0);
  CHECK(ws_number(ws_lit("0042"), &n) && n == 42);
  CHECK(ws_number(ws_lit("18446744073709551614"), &n) && n == SIZE_MAX - 1);
  CHECK(ws_number(ws_lit("18446744073709551616"), &n) && n == SIZE_MAX);
  CHECK(ws_number(ws_lit("99999999999999999999999"), &n) && n == SIZE_MAX);
  CHECK(!ws_number(ws_lit(""), &n) && !ws_number(ws_lit("1 "), &n));
  CHECK(!ws_number(ws_lit("+1"), &n) && !ws_number(ws_lit("1,1"), &n));
}

/* ------------------------------------------------------------------- lists */

static const char *list (const char *value) {
  static text log;
  ws_str rest = {guard_end(value, strlen(value)), strlen(value)}, e;
  text_clear(&log);
  while (ws_list_next(&rest, &e)) {
    text_addf(&log, "[");
    text_add(&log, e.p, e.n);
    text_addf(&log, "]");
  }
  return log.p;
}

TEST(lists) {
  CHECK_STR(list(""), "");
  CHECK_STR(list(" , ,,\t"), "");
  CHECK_STR(list("a"), "[a]");
  CHECK_STR(list("a,b"), "[a][b]");
  CHECK_STR(list(" ,a ,\tb c, ,d\t "), "[a][b c][d]");
}

/* ATTACKS row 12: each call continues where the last one ended. */
TEST(lists_of_blanks_are_read_once) {
  enum { N = 65536 };
  char *p = malloc(N);
  ws_str rest = {p, N}, e;
  memset(p, ' ', N);
  CHECK(!ws_list_next(&rest, &e) && rest.n == 0);
  for (size_t i = 0; i < N; i += 2) p[i] = ',';
  rest = (ws_str){p, N};
  CHECK(!ws_list_next(&rest, &e) && rest.n == 0);
  memset(p, 'a', N / 2);
  p[0] = p[2] = ',';
  rest = (ws_str){p, N};
  CHECK(ws_list_next(&rest, &e) && e.n == 1 && rest.n == N - 2);
  CHECK(ws_list_next(&rest, &e) && e.n == N / 2 - 3 && rest.n == N / 2);
  free(p);
}

TEST(hosts) {
  static const char *const good[] = {
      "a", "a.b:80", "a:", "127.0.0.1:1", "[::1]", "[::1]:80", "x_y~%41"};
  static const char *const wrong[] = {"",     "a b",  "a:b",   ":80",
                                      "a/b",  "a@b",  "a:1:2", "[]",
                                      "[::1", "[a]b", "::1",   "a\""};
  for (size_t i = 0; i < sizeof good / sizeof *good; i++)
    if (!CHECK(ws_host_valid(ws_lit(good[i])))) printf("  %s\n", good[i]);
  for (size_t i = 0; i < sizeof wrong / sizeof *wrong; i++)
    if (!CHECK(!ws_host_valid(ws_lit(wrong[i])))) printf("  %s\n", wrong[i]);
}
