/*
** ws_client.c - the client's side of the opening handshake (RFC 6455 section
** 4.1): the request, and what the server's answer has to be.
*/
#include "ws_close.h"
#include "ws_hs.h"

#include <string.h>

typedef struct request {
  ws_str host, target, protocols;
  const ws_field *fields;
  size_t nfields;
  const char *key;
  const ws_compression *compression;
} request;

/* -------------------------------------------------------------- the request */

static void write_request (ws_text *t, const void *what) {
  const request *r = what;
  ws_text_lit(t, "GET ");
  ws_text_put(t, r->target);
  ws_text_lit(t, " HTTP/1.1\r\n");
  ws_text_field(t, "Host", r->host);
  ws_text_lit(t, "Upgrade: websocket\r\nConnection: Upgrade\r\n");
  ws_text_field(t, "Sec-WebSocket-Key", ws_lit(r->key));
  ws_text_lit(t, "Sec-WebSocket-Version: 13\r\n");
  if (r->protocols.n) ws_text_field(t, "Sec-WebSocket-Protocol", r->protocols);
  ws_extension_offer(t, r->compression);
  ws_text_fields(t, r->fields, r->nfields);
  ws_text_lit(t, "\r\n");
}

static int check_protocols (ws_conn *c, const ws_str *list, size_t n) {
  size_t i, j;
  for (i = 0; i < n; i++) {
    if (!ws_all(list[i], CH_TOKEN))
      return ws_misuse(c, WS_EINVAL, "a subprotocol is no token");
    for (j = 0; j < i; j++)
      if (ws_same(list[i], list[j]))
        return ws_misuse(c, WS_EINVAL, "a subprotocol twice");
  }
  return 0;
}

static int check_request (ws_conn *c, const request *r) {
  static const ws_str ours[] = {WS_LIT("Host"),
                                WS_LIT("Upgrade"),
                                WS_LIT("Connection"),
                                WS_LIT("Sec-WebSocket-Key"),
                                WS_LIT("Sec-WebSocket-Version"),
                                WS_LIT("Sec-WebSocket-Protocol"),
                                WS_LIT("Sec-WebSocket-Extensions"),
                                WS_LIT("Sec-WebSocket-Accept"),
                                WS_LIT("Content-Length"),
                                WS_LIT("Transfer-Encoding"),
                                {NULL, 0}};
  if (c->config->role != WS_CLIENT || c->state != WS_CONNECTING || c->hs)
    return ws_misuse(c, WS_ESTATE, "no handshake can begin here");
  if (!ws_host_valid(r->host)) return ws_misuse(c, WS_EINVAL, "invalid host");
  if (!ws_all(r->target, CH_TARGET) || r->target.p[0] != '/')
    return ws_misuse(c, WS_EINVAL, "invalid request target");
  return ws_fields_check(c, r->fields, r->nfields, ours);
}

/* Keeps what is offered, to check the server's choice. */
static int keep_protocols (ws_conn *c, const ws_str *list, size_t n) {
  ws_hs *hs = c->hs;
  ws_text t = {NULL, 0};
  size_t i, size = 0;
  if (n == 0) return 0;
  for (i = 0; i < n; i++) size += list[i].n + (i ? 2 : 0);
  hs->protocols = ws_realloc(c, NULL, 0, size);
  if (hs->protocols == NULL) return WS_ENOMEM;
  hs->nprotocols = size;
  t.p = (unsigned char *)hs->protocols;
  for (i = 0; i < n; i++) {
    if (i) ws_text_lit(&t, ", ");
    ws_text_put(&t, list[i]);
  }
  return 0;
}

static int make_key (ws_conn *c, char key[25]) {
  unsigned char bytes[16];
  int r = ws_rand(c, bytes, sizeof bytes);
  if (r) return r;
  ws_base64(key, bytes, sizeof bytes);
  if (ws_accept_key(c->hs->accept, key, 24))
    return ws_misuse(c, WS_EINVAL, "OpenSSL has no SHA-1");
  return 0;
}

static int queue_request (ws_conn *c, request *r, const ws_str *protocols,
                          size_t n) {
  char key[25];
  int result = ws_hs_new(c) ? keep_protocols(c, protocols, n) : WS_ENOMEM;
  if (result == 0) result = make_key(c, key);
  if (result) return result;
  r->key = key;
  r->protocols = (ws_str){c->hs->protocols, c->hs->nprotocols};
  return ws_text_queue(c, write_request, r);
}

int ws_request (ws_conn *c, ws_str host, ws_str target, const ws_str *protocols,
                size_t nprotocols, const ws_field *fields, size_t nfields) {
  request r = {
      host, target, {NULL, 0}, fields, nfields, NULL, &c->config->compression};
  int result = check_request(c, &r);
  if (result == 0) result = check_protocols(c, protocols, nprotocols);
  if (result) return result;
  result = queue_request(c, &r, protocols, nprotocols);
  if (result) ws_hs_free(c);
  return result;
}

/* --------------------------------------------------------------- the answer */

static http_result broken (ws_hs *hs, const char *rule) {
  return ws_fault_set(&hs->fault, hs->http.status, rule);
}

/* Upgrade is a list whose members may repeat (RFC 9110 section 5.6.1), but none
   of them is another protocol. */
static int is_upgraded (const ws_conn *c) {
  ws_elements w = {0, {NULL, 0}};
  ws_str element;
  size_t count = 0;
  for (; ws_hs_each(c, "Upgrade", &w, &element); count++)
    if (!ws_is(element, "websocket")) return 0;
  return count > 0;
}

static http_result upgrade (ws_conn *c, ws_hs *hs) {
  if (hs->http.minor == 0) return broken(hs, "not HTTP/1.1");
  if (!is_upgraded(c)) return broken(hs, "Upgrade is not websocket");
  if (ws_hs_lists(c, "Connection", "Upgrade") == 0)
    return broken(hs, "Connection does not list Upgrade");
  return HTTP_WHOLE;
}

static http_result accept (ws_conn *c, ws_hs *hs) {
  ws_str value;
  if (ws_hs_find(c, "Sec-WebSocket-Accept", &value) != 1 ||
      !ws_same(value, ws_lit(hs->accept)))
    return broken(hs, "wrong Sec-WebSocket-Accept");
  return HTTP_WHOLE;
}

static http_result protocol (ws_conn *c, ws_hs *hs) {
  ws_str value, name, rest = {hs->protocols, hs->nprotocols};
  size_t count = ws_hs_find(c, "Sec-WebSocket-Protocol", &value);
  if (count == 0) return HTTP_WHOLE;
  if (count > 1) return broken(hs, "more than one Sec-WebSocket-Protocol");
  while (ws_list_next(&rest, &name))
    if (ws_same(name, value)) {
      const char *head = (const char *)c->in.p + c->in.start;
      hs->chosen = (ws_span){(uint32_t)(value.p - head), (uint32_t)value.n};
      return HTTP_WHOLE;
    }
  return broken(hs, "a subprotocol that was not offered");
}

/* RFC 9110 section 15.4: the statuses that lead elsewhere by themselves. */
static int is_redirect (const ws_conn *c, const ws_hs *hs) {
  int status = hs->http.status;
  ws_str location;
  if ((status < 301 || status > 303) && status != 307 && status != 308)
    return 0;
  return ws_hs_find(c, "Location", &location) > 0;
}

/* How a refusal's body ends (RFC 9112 section 6.3). Where its fields do not
   tell, it goes up to the transport's end: the status is what counts. */
static http_result body (ws_conn *c, ws_hs *hs) {
  ws_str coding, value;
  size_t length, codings = ws_hs_find(c, "Transfer-Encoding", &coding);
  size_t lengths = ws_hs_find(c, "Content-Length", &value);
  if (hs->http.status == 204 || hs->http.status == 304) return HTTP_WHOLE;
  if (c->config->redirects && is_redirect(c, hs)) return HTTP_WHOLE;
  hs->body.kind = BODY_EOF;
  hs->body.length = SIZE_MAX;
  if (codings == 1 && ws_is(coding, "chunked")) {
    hs->body.kind = BODY_CHUNKED;
    hs->body.length = 0;
  } else if (codings == 0 && lengths == 1 && ws_number(value, &length)) {
    hs->body.length = length;
  }
  return HTTP_WHOLE;
}

/* Interim responses (RFC 9110 section 15.2) are passed over; together with the
   answer itself they may be as long as one head. */
static http_result skip_interim (ws_conn *c, ws_hs *hs) {
  size_t size = hs->http.looked;
  ws_head_parser fresh = {0};
  fresh.role = WS_CLIENT;
  fresh.limit = hs->http.limit - size; /* no head is longer than its limit */
  fresh.max_fields = hs->http.max_fields;
  ws_head_release(c, &hs->http);
  hs->http = fresh;
  return ws_hs_read_head(c, hs);
}

/* A refusal with a larger head than is allowed still has its status, and the
   fields that came whole. Where its body would begin is not known. */
static http_result cut_head (ws_hs *hs) {
  if (hs->fault.status != 431 || hs->http.status < 200) return HTTP_BAD;
  ws_head_cut(&hs->http);
  hs->body.max = 0;
  return HTTP_WHOLE;
}

static http_result read_answer (ws_conn *c, ws_hs *hs) {
  http_result r = ws_hs_read_head(c, hs);
  while (r == HTTP_WHOLE && hs->http.status < 200 && hs->http.status != 101)
    r = skip_interim(c, hs);
  return r == HTTP_BAD ? cut_head(hs) : r;
}

static http_result check (ws_conn *c, ws_hs *hs) {
  static ws_hs_step *const opened[] = {upgrade, accept, ws_extension_answer,
                                       protocol, NULL};
  static ws_hs_step *const refused[] = {body, NULL};
  return ws_hs_check(c, hs->http.status == 101 ? opened : refused);
}

/* The state changes once, when the answer is here; the event stays. */
static http_result conclude (ws_conn *c, ws_hs *hs) {
  if (hs->http.status == 101)
    ws_opened(c);
  else
    ws_ended(c, 0, "refused");
  return HTTP_WHOLE;
}

static int failed (ws_conn *c) {
  const char *rule = c->hs->fault.rule;
  ws_hs_free(c);
  return ws_fail(c, WS_ABNORMAL, rule);
}

/* No more bytes come: ends a refusal whose head is here. */
static int cut_short (ws_conn *c, ws_event *ev) {
  int r = ws_client_next(c, ev);
  if (r != 0) return r;
  c->hs->body.max = c->hs->body.size;
  return ws_client_next(c, ev);
}

void ws_client_lost (ws_conn *c) {
  static ws_hs_step *const head[] = {read_answer, NULL};
  ws_hs *hs = c->hs;
  ws_event ev;
  if (hs == NULL || c->state != WS_CONNECTING) return;
  if (hs->phase == 0 && ws_hs_advance(c, head) != HTTP_WHOLE) return;
  if (hs->http.status != 101 && cut_short(c, &ev) > 0) c->event = WS_REFUSED;
}

int ws_client_next (ws_conn *c, ws_event *ev) {
  static ws_hs_step *const steps[] = {read_answer, check, ws_hs_read_body,
                                      conclude, NULL};
  http_result r;
  if (c->hs == NULL) return 0;
  r = ws_hs_advance(c, steps);
  if (r == HTTP_BAD) return failed(c);
  if (r != HTTP_WHOLE) return ws_hs_unfinished(r);
  return ws_hs_event(c, ev, c->hs->http.status == 101 ? WS_OPEN : WS_REFUSED);
}
