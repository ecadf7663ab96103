/*
** ws_answer.c - the server's answers: 101, what the caller answers instead, and
** what the library refuses by itself.
*/
#include "ws_close.h"
#include "ws_hs.h"
#include "ws_in.h"

#include <stdio.h>
#include <string.h>

typedef struct answer {
  int status;
  const ws_field *fields;
  size_t nfields;
  ws_str body;
  int unsent;      /* an answer to HEAD */
  int borrow;      /* the body stays where it is */
  ws_str protocol; /* 101 */
  const char *accept;
  const char *extensions;
} answer;

const char *ws_status_text (int status) {
  /* clang-format off */
  static const struct { int status; const char *text; } list[] = {
    { 100, "Continue" }, { 101, "Switching Protocols" }, { 200, "OK" },
    { 201, "Created" }, { 202, "Accepted" },
    { 203, "Non-Authoritative Information" }, { 204, "No Content" },
    { 205, "Reset Content" }, { 206, "Partial Content" },
    { 300, "Multiple Choices" }, { 301, "Moved Permanently" },
    { 302, "Found" }, { 303, "See Other" }, { 304, "Not Modified" },
    { 307, "Temporary Redirect" }, { 308, "Permanent Redirect" },
    { 400, "Bad Request" }, { 401, "Unauthorized" },
    { 402, "Payment Required" }, { 403, "Forbidden" }, { 404, "Not Found" },
    { 405, "Method Not Allowed" }, { 406, "Not Acceptable" },
    { 407, "Proxy Authentication Required" }, { 408, "Request Timeout" },
    { 409, "Conflict" }, { 410, "Gone" }, { 411, "Length Required" },
    { 412, "Precondition Failed" }, { 413, "Content Too Large" },
    { 414, "URI Too Long" }, { 415, "Unsupported Media Type" },
    { 416, "Range Not Satisfiable" }, { 417, "Expectation Failed" },
    { 421, "Misdirected Request" }, { 422, "Unprocessable Content" },
    { 425, "Too Early" }, { 426, "Upgrade Required" },
    { 428, "Precondition Required" }, { 429, "Too Many Requests" },
    { 431, "Request Header Fields Too Large" },
    { 451, "Unavailable For Legal Reasons" },
    { 500, "Internal Server Error" }, { 501, "Not Implemented" },
    { 502, "Bad Gateway" }, { 503, "Service Unavailable" },
    { 504, "Gateway Timeout" }, { 505, "HTTP Version Not Supported" },
    { 511, "Network Authentication Required" }
  };
  /* clang-format on */
  size_t i;
  for (i = 0; i < sizeof list / sizeof *list; i++)
    if (list[i].status == status) return list[i].text;
  return "";
}

static void write_status (ws_text *t, int status) {
  char line[64];
  snprintf(line, sizeof line, "HTTP/1.1 %d %s\r\n", status,
           ws_status_text(status));
  ws_text_lit(t, line);
}

/* RFC 6455 section 4.2.2, 5. */
static void write_101 (ws_text *t, const void *what) {
  const answer *a = what;
  ws_text_lit(t, "HTTP/1.1 101 Switching Protocols\r\n"
                 "Upgrade: websocket\r\nConnection: Upgrade\r\n");
  ws_text_field(t, "Sec-WebSocket-Accept", ws_lit(a->accept));
  if (a->protocol.n) ws_text_field(t, "Sec-WebSocket-Protocol", a->protocol);
  if (*a->extensions)
    ws_text_field(t, "Sec-WebSocket-Extensions", ws_lit(a->extensions));
  ws_text_fields(t, a->fields, a->nfields);
  ws_text_lit(t, "\r\n");
}

static void write_default (ws_text *t, const answer *a, const char *name,
                           const char *value) {
  if (!ws_fields_have(a->fields, a->nfields, name))
    ws_text_field(t, name, ws_lit(value));
}

/* 426 has to say what to upgrade to (RFC 9110 section 15.5.22), and which
   versions are spoken (RFC 6455 section 4.4). */
static void write_connection (ws_text *t, const answer *a) {
  if (a->status != 426) {
    ws_text_lit(t, "Connection: close\r\n");
    return;
  }
  ws_text_lit(t, "Connection: Upgrade, close\r\n");
  write_default(t, a, "Upgrade", "websocket");
  write_default(t, a, "Sec-WebSocket-Version", "13");
}

static void write_length (ws_text *t, size_t n) {
  char line[48];
  snprintf(line, sizeof line, "Content-Length: %zu\r\n", n);
  ws_text_lit(t, line);
}

/* 204 and 304 have no body and say so by themselves (RFC 9110 section
   6.4.1). */
static int is_bodiless (const answer *a) {
  return a->status == 204 || a->status == 304;
}

static void write_answer (ws_text *t, const void *what) {
  const answer *a = what;
  int bodiless = is_bodiless(a);
  write_status(t, a->status);
  write_connection(t, a);
  ws_text_fields(t, a->fields, a->nfields);
  if (!bodiless) {
    if (a->body.n) write_default(t, a, "Content-Type", "text/plain");
    write_length(t, a->body.n);
  }
  ws_text_lit(t, "\r\n");
  if (!bodiless && !a->unsent && !a->borrow) ws_text_put(t, a->body);
}

/* The request is answered, otherwise than by 101; later input is dropped. */
static int finish (ws_conn *c, answer *a, const char *rule) {
  a->unsent = ws_same(ws_hs_head(c)->method, ws_lit("HEAD"));
  if (ws_text_queue(c, write_answer, a)) return WS_ENOMEM;
  if (a->borrow && !a->unsent && !is_bodiless(a)) {
    c->out.borrowed = (const unsigned char *)a->body.p;
    c->out.nborrowed = a->body.n;
  }
  c->event = 0;
  ws_hs_free(c);
  ws_ended(c, a->status, rule);
  return 0;
}

int ws_refuse (ws_conn *c) {
  ws_fault fault = c->hs->fault;
  answer a = {0};
  char body[80];
  snprintf(body, sizeof body, "%s\n", fault.rule);
  a.status = fault.status;
  a.fields = &c->hs->advice;
  a.nfields = c->hs->advice.name.n > 0;
  a.body = ws_lit(body);
  return finish(c, &a, fault.rule) ? WS_ENOMEM : WS_END;
}

static int is_current (const ws_conn *c) {
  return c->config->role == WS_SERVER && c->state == WS_CONNECTING && c->hs &&
         c->hs->given;
}

static int is_offered (const ws_conn *c, ws_str protocol) {
  size_t i;
  for (i = 0; i < c->hs->noffered; i++)
    if (ws_same(ws_hs_offer(c, i), protocol)) return 1;
  return 0;
}

static int check_accept (ws_conn *c, ws_str protocol, const ws_field *fields,
                         size_t nfields) {
  static const ws_str ours[] = {WS_LIT("Upgrade"),
                                WS_LIT("Connection"),
                                WS_LIT("Sec-WebSocket-Accept"),
                                WS_LIT("Sec-WebSocket-Protocol"),
                                WS_LIT("Sec-WebSocket-Extensions"),
                                WS_LIT("Sec-WebSocket-Version"),
                                WS_LIT("Sec-WebSocket-Key"),
                                WS_LIT("Content-Length"),
                                WS_LIT("Transfer-Encoding"),
                                {NULL, 0}};
  if (!is_current(c) || !c->hs->upgrade)
    return ws_misuse(c, WS_ESTATE, "there is no handshake to accept");
  if (protocol.n && !is_offered(c, protocol))
    return ws_misuse(c, WS_EINVAL, "a subprotocol that was not offered");
  return ws_fields_check(c, fields, nfields, ours);
}

int ws_accept (ws_conn *c, ws_str protocol, const ws_field *fields,
               size_t nfields) {
  answer a = {0};
  char accept[29], extensions[WS_EXTENSIONS];
  ws_str key;
  int r = check_accept(c, protocol, fields, nfields);
  if (r) return r;
  ws_hs_find(c, "Sec-WebSocket-Key", &key);
  if (ws_accept_key(accept, key.p, key.n))
    return ws_misuse(c, WS_EINVAL, "OpenSSL has no SHA-1");
  a.fields = fields;
  a.nfields = nfields;
  a.protocol = protocol;
  a.accept = accept;
  a.extensions = extensions;
  ws_extensions(c, extensions);
  if (ws_text_queue(c, write_101, &a)) return WS_ENOMEM;
  c->event = 0;
  ws_hs_free(c);
  ws_in_rest(c);
  ws_opened(c);
  return 0;
}

static int reject (ws_conn *c, int status, const ws_field *fields,
                   size_t nfields, ws_str body, int borrow) {
  static const ws_str ours[] = {WS_LIT("Connection"),
                                WS_LIT("Content-Length"),
                                WS_LIT("Transfer-Encoding"),
                                {NULL, 0}};
  answer a = {0};
  int r;
  if (!is_current(c))
    return ws_misuse(c, WS_ESTATE, "there is no request to answer");
  if (status < 200 || status > 599)
    return ws_misuse(c, WS_EINVAL, "a status is from 200 to 599");
  r = ws_fields_check(c, fields, nfields, ours);
  if (r) return r;
  a.status = status;
  a.fields = fields;
  a.nfields = nfields;
  a.body = body;
  a.borrow = borrow;
  return finish(c, &a, ws_status_text(status));
}

int ws_reject (ws_conn *c, int status, const ws_field *fields, size_t nfields,
               ws_str body) {
  return reject(c, status, fields, nfields, body, 0);
}

int ws_reject_borrowed (ws_conn *c, int status, const ws_field *fields,
                        size_t nfields, ws_str body) {
  return reject(c, status, fields, nfields, body, 1);
}
