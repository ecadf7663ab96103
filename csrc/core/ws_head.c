/*
** ws_head.c - parses the head of an HTTP/1.1 message in place, as its bytes
** come in: RFC 9112 sections 2 to 5, read strictly. A line ends in CRLF and in
** nothing else, a field's name is followed by its colon, and whatever could be
** read in two ways is refused.
**
** One small function per state looks at each byte once and remembers how far it
** came, so a head that drips in costs as much as one that comes whole.
*/
#include "ws_http.h"

#include <string.h>

enum {
  IN_START,
  IN_EMPTY,
  IN_METHOD,
  IN_TARGET,
  IN_VERSION,
  IN_STATUS,
  IN_REASON,
  IN_LINE_END,
  IN_FIELD,
  IN_NAME,
  IN_VALUE,
  IN_VALUE_END,
  IN_END
};

/* A state's step: looks at p[h->looked], and further if it likes. HTTP_MORE is
   to go on with the state that h->state now says. */
typedef http_result state_step (ws_conn *c, ws_head_parser *h, unsigned char *p,
                                size_t n);

http_result ws_fault_set (ws_fault *f, int status, const char *rule) {
  f->status = status;
  f->rule = rule;
  return HTTP_BAD;
}

static http_result bad (ws_head_parser *h, int status, const char *rule) {
  return ws_fault_set(&h->fault, status, rule);
}

static http_result bad_line (ws_head_parser *h) {
  return bad(h, 400,
             h->role == WS_SERVER ? "malformed request line"
                                  : "malformed status line");
}

static ws_span span (size_t from, size_t to) {
  return (ws_span){(uint32_t)from, (uint32_t)(to - from)};
}

/* The state that follows, after the byte that ends this one. */
static http_result next_state (ws_head_parser *h, int state) {
  h->state = state;
  h->from = ++h->looked;
  return HTTP_MORE;
}

void *ws_one_more (ws_conn *c, void *list, size_t n, size_t *cap, size_t size) {
  size_t more = *cap ? *cap * 2 : 16;
  if (n < *cap) return list;
  if (more > SIZE_MAX / size) return NULL;
  list = ws_realloc(c, list, *cap * size, more * size);
  if (list) *cap = more;
  return list;
}

void ws_head_release (ws_conn *c, ws_head_parser *h) {
  if (h->line) ws_realloc(c, h->line, h->cap * sizeof *h->line, 0);
  h->line = NULL;
  h->nlines = h->cap = 0;
}

void ws_head_cut (ws_head_parser *h) {
  if (h->state >= IN_NAME && h->state <= IN_VALUE_END) h->nlines--;
}

/* The first byte of a record of TLS that is an alert or a handshake's (RFC 8446
   section 5.1): its sender expects TLS here. */
static int is_tls (int ch) { return ch == 21 || ch == 22; }

/* One empty line before a request is skipped (RFC 9112 section 2.2). */
static http_result in_start (ws_conn *c, ws_head_parser *h, unsigned char *p,
                             size_t n) {
  (void)c, (void)n;
  if (is_tls(p[h->looked]))
    return bad(h, 400, "TLS where plain HTTP was expected");
  if (h->role == WS_CLIENT)
    h->state = IN_VERSION;
  else if (p[h->looked] == '\r')
    return next_state(h, IN_EMPTY);
  else
    h->state = IN_METHOD;
  return HTTP_MORE;
}

static http_result in_empty (ws_conn *c, ws_head_parser *h, unsigned char *p,
                             size_t n) {
  (void)c, (void)n;
  return p[h->looked] == '\n' ? next_state(h, IN_METHOD) : bad_line(h);
}

/* A word of the request line, up to its one space. */
static http_result word (ws_head_parser *h, unsigned char *p, size_t n,
                         int class, ws_span *to, int state) {
  h->looked = ws_skip(p, h->looked, n, class);
  if (h->looked == n) return HTTP_MORE;
  if (p[h->looked] != ' ' || h->looked == h->from) return bad_line(h);
  *to = span(h->from, h->looked);
  return next_state(h, state);
}

static http_result in_method (ws_conn *c, ws_head_parser *h, unsigned char *p,
                              size_t n) {
  (void)c;
  return word(h, p, n, CH_TOKEN, &h->method, IN_TARGET);
}

static http_result in_target (ws_conn *c, ws_head_parser *h, unsigned char *p,
                              size_t n) {
  (void)c;
  return word(h, p, n, CH_TARGET, &h->target, IN_VERSION);
}

/* Holds the bytes from h->from against a form in which 'd' is a digit. */
static http_result match (ws_head_parser *h, const unsigned char *p, size_t n,
                          const char *form) {
  size_t len = strlen(form);
  for (; h->looked < n && h->looked - h->from < len; h->looked++) {
    char want = form[h->looked - h->from];
    int ch = p[h->looked];
    if (want == 'd' ? ch < '0' || ch > '9' : ch != want) return bad_line(h);
  }
  return h->looked - h->from == len ? HTTP_WHOLE : HTTP_MORE;
}

/* The version ends a request line and begins a status line (RFC 9112 sections
   2.3, 3 and 4). */
static http_result in_version (ws_conn *c, ws_head_parser *h, unsigned char *p,
                               size_t n) {
  int server = h->role == WS_SERVER;
  http_result r = match(h, p, n, server ? "HTTP/d.d\r\n" : "HTTP/d.d ddd");
  (void)c;
  if (r != HTTP_WHOLE) return r;
  h->major = p[h->from + 5] - '0';
  h->minor = p[h->from + 7] - '0';
  if (h->major != 1) return bad(h, 505, "not HTTP/1.1");
  if (!server) {
    const unsigned char *s = p + h->from + 9;
    h->status = (s[0] - '0') * 100 + (s[1] - '0') * 10 + (s[2] - '0');
    if (h->status < 100) return bad_line(h);
  }
  h->state = server ? IN_FIELD : IN_STATUS;
  return HTTP_MORE;
}

/* After the status: a reason phrase, which some servers leave out together with
   the space before it. */
static http_result in_status (ws_conn *c, ws_head_parser *h, unsigned char *p,
                              size_t n) {
  (void)c, (void)n;
  switch (p[h->looked]) {
    case ' ': return next_state(h, IN_REASON);
    case '\r': return next_state(h, IN_LINE_END);
    default: return bad_line(h);
  }
}

static http_result in_reason (ws_conn *c, ws_head_parser *h, unsigned char *p,
                              size_t n) {
  (void)c;
  h->looked = ws_skip(p, h->looked, n, CH_TEXT | CH_BLANK | CH_HIGH);
  if (h->looked == n) return HTTP_MORE;
  if (p[h->looked] != '\r') return bad_line(h);
  h->reason = span(h->from, h->looked);
  return next_state(h, IN_LINE_END);
}

static http_result in_line_end (ws_conn *c, ws_head_parser *h, unsigned char *p,
                                size_t n) {
  (void)c, (void)n;
  return p[h->looked] == '\n' ? next_state(h, IN_FIELD) : bad_line(h);
}

/* A line that begins with a blank goes on with the value before (RFC 9112
   section 5.2): a server refuses it, a client overwrites the line's end with
   blanks. */
static http_result folded (ws_head_parser *h, unsigned char *p) {
  if (h->nlines == 0 || h->role == WS_SERVER)
    return bad(h, 400,
               h->nlines ? "folded field line" : "malformed field name");
  p[h->looked - 2] = p[h->looked - 1] = ' ';
  h->state = IN_VALUE;
  return HTTP_MORE;
}

static http_result new_field (ws_conn *c, ws_head_parser *h) {
  ws_line *line;
  if (h->nlines >= h->max_fields) return bad(h, 431, "too many header fields");
  line = ws_one_more(c, h->line, h->nlines, &h->cap, sizeof *line);
  if (line == NULL) return HTTP_NOMEM;
  h->line = line;
  line[h->nlines++] = (ws_line){{0, 0}, {0, 0}};
  h->from = h->looked;
  h->state = IN_NAME;
  return HTTP_MORE;
}

/* The first byte of a field line, or of the empty line that ends the head. */
static http_result in_field (ws_conn *c, ws_head_parser *h, unsigned char *p,
                             size_t n) {
  int ch = p[h->looked];
  (void)n;
  if (ch == '\r') return next_state(h, IN_END);
  if (ws_chars[ch] & CH_BLANK) return folded(h, p);
  if (ws_chars[ch] & CH_TOKEN) return new_field(c, h);
  return bad(h, 400, "malformed field name");
}

int ws_value_classes (ws_str name) {
  static const ws_str ours[] = {
      WS_LIT("Host"),    WS_LIT("Origin"),         WS_LIT("Connection"),
      WS_LIT("Upgrade"), WS_LIT("Content-Length"), WS_LIT("Transfer-Encoding"),
      {NULL, 0}};
  int read = ws_is_any(name, ours) || ws_begins(name, "Sec-WebSocket-");
  return CH_TEXT | (read ? 0 : CH_HIGH);
}

/* Nothing in a response but a 101 has to be understood. */
static int classes_of (const ws_head_parser *h, ws_str name) {
  int is_read = h->role == WS_SERVER || h->status == 101;
  return is_read ? ws_value_classes(name) : CH_TEXT | CH_HIGH;
}

static http_result in_name (ws_conn *c, ws_head_parser *h, unsigned char *p,
                            size_t n) {
  ws_line *line = &h->line[h->nlines - 1];
  (void)c;
  h->looked = ws_skip(p, h->looked, n, CH_TOKEN);
  if (h->looked == n) return HTTP_MORE;
  if (p[h->looked] != ':') /* nor a blank before it: RFC 9112 section 5.1 */
    return bad(h, 400, "malformed field name");
  line->name = span(h->from, h->looked);
  h->lengths |= ws_length_bit(line->name.n);
  line->value = span(h->looked + 1, h->looked + 1);
  h->text = classes_of(h, (ws_str){(char *)p + h->from, line->name.n});
  return next_state(h, IN_VALUE);
}

/* A value stretches from its first character that is no blank to its last. */
static http_result in_value (ws_conn *c, ws_head_parser *h, unsigned char *p,
                             size_t n) {
  ws_span *value = &h->line[h->nlines - 1].value;
  (void)c;
  for (;;) {
    size_t from = ws_skip(p, h->looked, n, CH_BLANK);
    h->looked = ws_skip(p, from, n, h->text);
    if (h->looked == from) break;
    *value = span(value->n ? value->at : from, h->looked);
  }
  if (h->looked == n) return HTTP_MORE;
  if (p[h->looked] != '\r') return bad(h, 400, "invalid byte in a field value");
  return next_state(h, IN_VALUE_END);
}

static http_result in_value_end (ws_conn *c, ws_head_parser *h,
                                 unsigned char *p, size_t n) {
  (void)c, (void)n;
  if (p[h->looked] != '\n') return bad(h, 400, "CR without LF in the head");
  return next_state(h, IN_FIELD);
}

static http_result in_end (ws_conn *c, ws_head_parser *h, unsigned char *p,
                           size_t n) {
  (void)c, (void)n;
  if (p[h->looked] != '\n') return bad(h, 400, "CR without LF in the head");
  h->looked++;
  return HTTP_WHOLE;
}

static http_result next_step (ws_conn *c, ws_head_parser *h, unsigned char *p,
                              size_t n) {
  static state_step *const steps[] = {
      in_start,  in_empty,     in_method,   in_target, in_version,
      in_status, in_reason,    in_line_end, in_field,  in_name,
      in_value,  in_value_end, in_end};
  return steps[h->state](c, h, p, n);
}

/* The status that names what of a request there was no room for (RFC 9112
   section 3, RFC 9110 section 15.5.15). */
static http_result too_large (ws_head_parser *h) {
  if (h->role == WS_CLIENT) return bad(h, 431, "response head too large");
  if (h->state == IN_METHOD) return bad(h, 501, "method too long");
  if (h->state == IN_TARGET || h->state == IN_VERSION)
    return bad(h, 414, "request target too long");
  return bad(h, 431, "request head too large");
}

http_result ws_head_parse (ws_conn *c, ws_head_parser *h, unsigned char *p,
                           size_t n) {
  http_result r = HTTP_MORE;
  if (n > h->limit) n = h->limit;
  while (r == HTTP_MORE && h->looked < n) r = next_step(c, h, p, n);
  return r == HTTP_MORE && h->looked >= h->limit ? too_large(h) : r;
}
