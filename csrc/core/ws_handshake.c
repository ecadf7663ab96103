/*
** ws_handshake.c - what both sides of the opening handshake have in common:
** its state, reading a message step by step, and looking at its fields.
**
** A message lies in the kept part of the receive buffer, head and body in one
** piece, and grows there as bytes are used; what follows stays unread.
*/
#include "ws_hs.h"
#include "ws_in.h"

#include <string.h>

static const ws_str none = {NULL, 0};

ws_hs *ws_hs_new (ws_conn *c) {
  const ws_config *config = c->config;
  ws_hs *hs = ws_realloc(c, NULL, 0, sizeof *hs);
  if (hs == NULL) return NULL;
  memset(hs, 0, sizeof *hs);
  hs->http.role = config->role;
  hs->http.limit =
      config->max_header < INT32_MAX ? config->max_header : INT32_MAX;
  hs->http.max_fields = config->max_fields;
  hs->body.max = config->max_body;
  hs->body.slack = hs->http.limit;
  hs->body.cut = config->role == WS_CLIENT;
  c->hs = hs;
  return hs;
}

void ws_hs_free (ws_conn *c) {
  ws_hs *hs = c->hs;
  if (hs == NULL) return;
  ws_head_release(c, &hs->http);
  if (hs->offered) ws_realloc(c, hs->offered, hs->cap * sizeof *hs->offered, 0);
  if (hs->protocols) ws_realloc(c, hs->protocols, hs->nprotocols, 0);
  ws_realloc(c, hs, sizeof *hs, 0);
  c->hs = NULL;
  c->in.start = c->in.end = c->in.rd;
}

/* A request that is taken is not given again. It stays until its answer frees
   it. */
void ws_hs_taken (ws_conn *c) {
  c->hs->taken = 1;
  if (c->config->role == WS_SERVER && c->state == WS_CONNECTING) return;
  ws_hs_free(c);
  ws_in_rest(c);
}

int ws_hs_waits (const ws_conn *c) { return c->hs && c->hs->taken; }

void ws_hs_abandon (ws_conn *c) {
  if (c->event != 0) return; /* the event stays until it is taken */
  ws_hs_free(c);
  ws_in_rest(c);
}

http_result ws_hs_check (ws_conn *c, ws_hs_step *const *rules) {
  http_result r = HTTP_WHOLE;
  for (; r == HTTP_WHOLE && *rules; rules++) r = (*rules)(c, c->hs);
  return r;
}

http_result ws_hs_advance (ws_conn *c, ws_hs_step *const *steps) {
  while (steps[c->hs->phase]) {
    http_result r = steps[c->hs->phase](c, c->hs);
    if (r != HTTP_WHOLE) return r;
    c->hs->phase++;
  }
  return HTTP_WHOLE;
}

/* While a head comes in, nothing lies between what is kept and what is new. */
http_result ws_hs_read_head (ws_conn *c, ws_hs *hs) {
  ws_in *in = &c->in;
  http_result r;
  if (in->rd == in->wr) return HTTP_MORE; /* perhaps there is no buffer */
  if (hs->http.looked == 0) in->start = in->end = in->rd;
  r = ws_head_parse(c, &hs->http, in->p + in->start, in->wr - in->start);
  in->end = in->rd = in->start + hs->http.looked;
  if (r == HTTP_BAD) hs->fault = hs->http.fault;
  return r;
}

http_result ws_hs_read_body (ws_conn *c, ws_hs *hs) {
  ws_in *in = &c->in;
  unsigned char *body = in->p + in->start + hs->http.looked;
  size_t used;
  http_result r = ws_body_read(&hs->body, body, in->p + in->rd, in->wr - in->rd,
                               c->eof, &used);
  in->rd += used;
  in->end = in->start + hs->http.looked + hs->body.size;
  if (r == HTTP_BAD) hs->fault = hs->body.fault;
  return r;
}

int ws_hs_unfinished (http_result r) { return r == HTTP_NOMEM ? WS_ENOMEM : 0; }

int ws_hs_event (ws_conn *c, ws_event *ev, int type) {
  const unsigned char *head = c->in.p + c->in.start;
  ev->type = type;
  ev->opcode = 0;
  ev->last = 1;
  ev->data = (const char *)head + c->hs->http.looked;
  ev->size = c->hs->body.size;
  c->hs->given = 1;
  return type;
}

static ws_str str (const ws_conn *c, ws_span s) {
  if (s.n == 0) return (ws_str){"", 0};
  return (ws_str){(const char *)c->in.p + c->in.start + s.at, s.n};
}

const ws_head *ws_hs_head (const ws_conn *c) {
  ws_hs *hs = c->hs;
  hs->head.upgrade = hs->upgrade;
  hs->head.minor = hs->http.minor;
  hs->head.status = hs->http.status;
  hs->head.method = str(c, hs->http.method);
  hs->head.target = str(c, hs->http.target);
  hs->head.reason = str(c, hs->http.reason);
  hs->head.nfields = hs->http.nlines;
  return &hs->head;
}

ws_field ws_hs_field (const ws_conn *c, size_t i) {
  const ws_line *line = &c->hs->http.line[i];
  return (ws_field){str(c, line->name), str(c, line->value)};
}

ws_str ws_hs_offer (const ws_conn *c, size_t i) {
  return str(c, c->hs->offered[i]);
}

/* These tell nothing before the event is given: until then the message may be
   incomplete. */

static int is_given (const ws_conn *c) { return c->hs && c->hs->given; }

const ws_head *ws_http (const ws_conn *c) {
  return is_given(c) ? ws_hs_head(c) : NULL;
}

ws_field ws_http_field (const ws_conn *c, size_t i) {
  if (!is_given(c) || i >= c->hs->http.nlines) return (ws_field){none, none};
  return ws_hs_field(c, i);
}

ws_str ws_offered (const ws_conn *c, size_t n) {
  return is_given(c) && n < c->hs->noffered ? ws_hs_offer(c, n) : none;
}

ws_str ws_chosen (const ws_conn *c) {
  if (!is_given(c) || c->hs->chosen.n == 0) return none;
  return str(c, c->hs->chosen);
}

/* The first field of this name from the i-th on; nlines if there is none. The
   set of lengths tells that at once of most names that a request lacks. */
static size_t find_from (const ws_conn *c, size_t i, ws_str name) {
  const ws_head_parser *http = &c->hs->http;
  if (!(http->lengths & ws_length_bit(name.n))) return http->nlines;
  for (; i < http->nlines; i++)
    if (http->line[i].name.n == name.n &&
        ws_alike(str(c, http->line[i].name).p, name.p, name.n))
      break;
  return i;
}

size_t ws_hs_find (const ws_conn *c, const char *name, ws_str *value) {
  ws_str s = ws_lit(name);
  size_t i = find_from(c, 0, s), count = 0;
  *value = i < c->hs->http.nlines ? ws_hs_field(c, i).value : none;
  for (; i < c->hs->http.nlines; i = find_from(c, i + 1, s)) count++;
  return count;
}

static int is_blank (char ch) { return ch == ' ' || ch == '\t'; }

int ws_list_next (ws_str *rest, ws_str *element) {
  size_t from = 0, to, end;
  *element = none;
  if (rest->n == 0) return 0;
  while (from < rest->n && (rest->p[from] == ',' || is_blank(rest->p[from])))
    from++;
  for (to = end = from; to < rest->n && rest->p[to] != ','; to++)
    if (!is_blank(rest->p[to])) end = to + 1;
  *element = (ws_str){rest->p + from, end - from};
  *rest = (ws_str){rest->p + to, rest->n - to};
  return element->n > 0;
}

int ws_hs_each (const ws_conn *c, const char *name, ws_elements *w,
                ws_str *element) {
  while (!ws_list_next(&w->rest, element)) {
    size_t i = find_from(c, w->i, ws_lit(name));
    if (i == c->hs->http.nlines) return 0;
    w->rest = ws_hs_field(c, i).value;
    w->i = i + 1;
  }
  return 1;
}

size_t ws_hs_lists (const ws_conn *c, const char *name, const char *token) {
  ws_elements w = {0, {NULL, 0}};
  ws_str element;
  size_t count = 0;
  while (ws_hs_each(c, name, &w, &element))
    count += (size_t)ws_is(element, token);
  return count;
}

int ws_host_valid (ws_str host) {
  size_t i;
  if (host.n > 0 && host.p[0] == '[') {
    i = ws_skip(host.p, 1, host.n, CH_IP6);
    if (i == 1 || i == host.n || host.p[i++] != ']') return 0;
  } else
    i = ws_skip(host.p, 0, host.n, CH_HOST);
  if (i == 0 || i == host.n) return i > 0;
  if (host.p[i++] != ':') return 0;
  while (i < host.n && host.p[i] >= '0' && host.p[i] <= '9') i++;
  return i == host.n;
}
