/*
** ws_server.c - the server's side of the opening handshake: which requests ask
** for a WebSocket, and the rules that requests have to keep (RFC 6455 section
** 4.2.1, RFC 9110 and 9112). Each rule is a function that refuses with a status
** and a line that names it; answers are written by ws_answer.c.
*/
#include "ws_hs.h"
#include "ws_out.h"

/* More subprotocols than anyone offers; they are compared with each other. */
enum { MAX_OFFERED = 128 };

static const ws_elements from_first = {0, {NULL, 0}};

static http_result refused (ws_hs *hs, int status, const char *rule) {
  return ws_fault_set(&hs->fault, status, rule);
}

/* The same, with a field that says what would have been right. */
static http_result advised (ws_hs *hs, int status, const char *rule,
                            const char *name, const char *value) {
  hs->advice = (ws_field){ws_lit(name), ws_lit(value)};
  return refused(hs, status, rule);
}

/* ------------------------------------------------- rules for every request */

/* Methods that are no application's business: a tunnel (RFC 9110 section
   9.3.6), and the request sent back with its cookies (9.3.8). */
static http_result known_method (ws_conn *c, ws_hs *hs) {
  ws_str method = ws_hs_head(c)->method;
  if (ws_same(method, ws_lit("CONNECT")) || ws_same(method, ws_lit("TRACE")))
    return refused(hs, 501, "CONNECT and TRACE are not implemented");
  return HTTP_WHOLE;
}

/* RFC 9112 section 3.2. */
static http_result host (ws_conn *c, ws_hs *hs) {
  ws_str value;
  size_t count = ws_hs_find(c, "Host", &value);
  if (count > 1) return refused(hs, 400, "more than one Host field");
  if (count == 0 && hs->http.minor > 0)
    return refused(hs, 400, "missing Host field");
  if (value.n > 0 && !ws_host_valid(value))
    return refused(hs, 400, "invalid Host field");
  return HTTP_WHOLE;
}

/* RFC 9112 section 6.2. A Content-Length that is repeated is refused even if
   its values are equal, as RFC 9110 section 8.6 allows: proxies have been
   fooled with less. */
static http_result content_length (ws_conn *c, ws_hs *hs) {
  ws_str value;
  size_t count = ws_hs_find(c, "Content-Length", &value);
  if (count == 0) return HTTP_WHOLE;
  if (count > 1 || !ws_number(value, &hs->body.length))
    return refused(hs, 400, "invalid Content-Length");
  hs->body.kind = BODY_LENGTH;
  return HTTP_WHOLE;
}

/* RFC 9112 section 6.3: a request is chunked once and nothing else. */
static http_result transfer_coding (ws_conn *c, ws_hs *hs) {
  ws_str value;
  size_t chunked, count = ws_hs_find(c, "Transfer-Encoding", &value);
  if (count == 0) return HTTP_WHOLE;
  if (hs->body.kind != BODY_NONE)
    return refused(hs, 400, "both Transfer-Encoding and Content-Length");
  if (hs->http.minor == 0)
    return refused(hs, 400, "Transfer-Encoding in HTTP/1.0");
  chunked = ws_hs_lists(c, "Transfer-Encoding", "chunked");
  if (count > 1 || chunked > 1 || value.n == 0)
    return refused(hs, 400, "invalid Transfer-Encoding");
  if (!ws_is(value, "chunked"))
    return refused(hs, 501, "unknown transfer coding");
  hs->body.kind = BODY_CHUNKED;
  return HTTP_WHOLE;
}

/* RFC 9110 section 10.1.1; HTTP/1.0 does not know it. */
static http_result expectation (ws_conn *c, ws_hs *hs) {
  ws_str value;
  size_t count = ws_hs_find(c, "Expect", &value);
  if (count == 0 || hs->http.minor == 0) return HTTP_WHOLE;
  if (count > 1 || !ws_is(value, "100-continue"))
    return refused(hs, 417, "unknown expectation");
  hs->expects = 1;
  return HTTP_WHOLE;
}

/* ---------------------------------------------------- plain requests' rules */

static http_result body_size (ws_conn *c, ws_hs *hs) {
  (void)c;
  if (hs->body.kind == BODY_LENGTH &&
      (hs->body.length > hs->body.max || hs->body.length == SIZE_MAX))
    return refused(hs, 413, "body too large");
  return HTTP_WHOLE;
}

/* -------------------------------------------------------- handshakes' rules */

static http_result method (ws_conn *c, ws_hs *hs) {
  if (ws_same(ws_hs_head(c)->method, ws_lit("GET"))) return HTTP_WHOLE;
  return advised(hs, 405, "the method of a handshake is GET", "Allow", "GET");
}

/* "/path" or a whole URI (RFC 6455 section 4.2.1, 1). */
static http_result target (ws_conn *c, ws_hs *hs) {
  static const char *const schemes[] = {"http://", "https://", "ws://",
                                        "wss://"};
  ws_str s = ws_hs_head(c)->target;
  size_t i;
  if (s.p[0] == '/') return HTTP_WHOLE;
  for (i = 0; i < sizeof schemes / sizeof *schemes; i++) {
    size_t n = ws_lit(schemes[i]).n;
    if (ws_begins(s, schemes[i]) && s.n > n && s.p[n] != '/' && s.p[n] != '?')
      return HTTP_WHOLE;
  }
  return refused(hs, 400, "invalid target of a handshake");
}

static http_result named_host (ws_conn *c, ws_hs *hs) {
  ws_str value;
  ws_hs_find(c, "Host", &value);
  return value.n ? HTTP_WHOLE : refused(hs, 400, "empty Host field");
}

/* Whether an element of Upgrade is "websocket", with a version or without. */
static int asks_for_websocket (const ws_conn *c) {
  ws_elements w = from_first;
  ws_str e;
  while (ws_hs_each(c, "Upgrade", &w, &e)) {
    size_t n;
    for (n = 0; n < e.n && e.p[n] != '/'; n++)
      ;
    if (ws_is((ws_str){e.p, n}, "websocket")) return 1;
  }
  return 0;
}

/* Both are lists, which may come in several fields (RFC 9110 section 5.6.1);
   proxies repeat members. */
static http_result upgrade (ws_conn *c, ws_hs *hs) {
  if (!hs->asks) return refused(hs, 400, "Upgrade does not list websocket");
  if (ws_hs_lists(c, "Connection", "Upgrade") == 0)
    return refused(hs, 400, "Connection does not list Upgrade");
  return HTTP_WHOLE;
}

static http_result other_version (ws_hs *hs, int status, const char *rule) {
  return advised(hs, status, rule, "Sec-WebSocket-Version", "13");
}

/* Version 13 and no draft; the answer to any other names it (RFC 6455 sections
   4.2.1, 6 and 4.4). */
static http_result version (ws_conn *c, ws_hs *hs) {
  ws_str value;
  size_t number, count = ws_hs_find(c, "Sec-WebSocket-Version", &value);
  if (count == 0)
    return other_version(hs, 400, "missing Sec-WebSocket-Version");
  if (count > 1)
    return other_version(hs, 400, "more than one Sec-WebSocket-Version");
  if (!ws_number(value, &number))
    return other_version(hs, 400, "invalid Sec-WebSocket-Version");
  if (!ws_is(value, "13"))
    return other_version(hs, 426, "Sec-WebSocket-Version is not 13");
  return HTTP_WHOLE;
}

/* 16 bytes in base64 (RFC 6455 section 4.2.1, 5). */
static http_result key (ws_conn *c, ws_hs *hs) {
  ws_str value;
  size_t count = ws_hs_find(c, "Sec-WebSocket-Key", &value);
  if (count == 0) return refused(hs, 400, "missing Sec-WebSocket-Key");
  if (count > 1) return refused(hs, 400, "more than one Sec-WebSocket-Key");
  if (value.n != 24 || ws_skip(value.p, 0, 24, CH_BASE64) != 22 ||
      value.p[22] != '=' || value.p[23] != '=')
    return refused(hs, 400, "invalid Sec-WebSocket-Key");
  return HTTP_WHOLE;
}

static http_result origin (ws_conn *c, ws_hs *hs) {
  ws_str value;
  if (ws_hs_find(c, "Origin", &value) > 1)
    return refused(hs, 400, "more than one Origin field");
  return HTTP_WHOLE;
}

static http_result offer (ws_conn *c, ws_hs *hs, ws_str name) {
  const char *head = (const char *)c->in.p + c->in.start;
  ws_span *list;
  size_t i;
  if (!ws_all(name, CH_TOKEN))
    return refused(hs, 400, "invalid Sec-WebSocket-Protocol");
  for (i = 0; i < hs->noffered; i++)
    if (ws_same(ws_hs_offer(c, i), name))
      return refused(hs, 400, "a subprotocol is offered twice");
  if (i == MAX_OFFERED) return refused(hs, 400, "too many subprotocols");
  list = ws_one_more(c, hs->offered, i, &hs->cap, sizeof *list);
  if (list == NULL) return HTTP_NOMEM;
  hs->offered = list;
  list[hs->noffered++] = (ws_span){(uint32_t)(name.p - head), (uint32_t)name.n};
  return HTTP_WHOLE;
}

/* A list of tokens, all different (RFC 6455 section 4.1, 10). */
static http_result protocols (ws_conn *c, ws_hs *hs) {
  ws_elements w = from_first;
  ws_str element;
  http_result r = HTTP_WHOLE;
  hs->noffered = 0; /* after WS_ENOMEM it is filled anew */
  while (r == HTTP_WHOLE &&
         ws_hs_each(c, "Sec-WebSocket-Protocol", &w, &element))
    r = offer(c, hs, element);
  if (r == HTTP_WHOLE && hs->noffered == 0 &&
      ws_hs_find(c, "Sec-WebSocket-Protocol", &element))
    return refused(hs, 400, "empty Sec-WebSocket-Protocol");
  return r;
}

static http_result no_body (ws_conn *c, ws_hs *hs) {
  (void)c;
  if (hs->body.kind == BODY_CHUNKED || hs->body.length > 0)
    return refused(hs, 400, "a handshake has no body");
  return HTTP_WHOLE;
}

/* ---------------------------------------------------------------- the steps */

/* A request that means to upgrade has to keep all the rules; HTTP/1.0 cannot
   upgrade (RFC 9110 section 7.8). */
static int is_attempt (const ws_conn *c) {
  ws_str value;
  return c->hs->http.minor > 0 &&
         (c->hs->asks || ws_hs_find(c, "Sec-WebSocket-Key", &value) ||
          ws_hs_find(c, "Sec-WebSocket-Version", &value));
}

static http_result check (ws_conn *c, ws_hs *hs) {
  static ws_hs_step *const always[] = {
      known_method, host, content_length, transfer_coding, expectation, NULL};
  static ws_hs_step *const plain[] = {body_size, NULL};
  static ws_hs_step *const handshake[] = {
      method, target,    named_host,          upgrade, version, key,
      origin, protocols, ws_extension_offers, no_body, NULL};
  http_result r = ws_hs_check(c, always);
  if (r != HTTP_WHOLE) return r;
  hs->asks = asks_for_websocket(c);
  if (!is_attempt(c)) return ws_hs_check(c, plain);
  r = ws_hs_check(c, handshake);
  hs->upgrade = r == HTTP_WHOLE;
  return r;
}

/* Sent even if the body has begun to arrive: an answer must not depend on how
   the bytes were split. */
static http_result send_continue (ws_conn *c, ws_hs *hs) {
  static const char text[] = "HTTP/1.1 100 Continue\r\n\r\n";
  if (!hs->expects || (hs->body.kind != BODY_CHUNKED && hs->body.length == 0))
    return HTTP_WHOLE;
  return ws_out_put(c, text, sizeof text - 1) ? HTTP_NOMEM : HTTP_WHOLE;
}

int ws_server_next (ws_conn *c, ws_event *ev) {
  static ws_hs_step *const steps[] = {ws_hs_read_head, check, send_continue,
                                      ws_hs_read_body, NULL};
  http_result r;
  if (c->hs == NULL) {
    if (c->in.rd == c->in.wr) return 0;
    if (ws_hs_new(c) == NULL) return WS_ENOMEM;
  }
  if (ws_hs_waits(c)) return 0;
  r = c->hs->fault.status ? HTTP_BAD : ws_hs_advance(c, steps);
  if (r == HTTP_WHOLE) return ws_hs_event(c, ev, WS_REQUEST);
  return r == HTTP_BAD ? ws_refuse(c) : ws_hs_unfinished(r);
}
