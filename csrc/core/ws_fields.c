/*
** ws_fields.c - writes heads: checks the fields that callers give, so that none
** can break out of its line or contradict the handshake, and queues text in one
** piece.
*/
#include "ws_hs.h"
#include "ws_out.h"

#include <string.h>

int ws_fields_check (ws_conn *c, const ws_field *fields, size_t n,
                     const ws_str *taken) {
  size_t i;
  for (i = 0; i < n; i++) {
    ws_str name = fields[i].name, value = fields[i].value;
    if (!ws_all(name, CH_TOKEN))
      return ws_misuse(c, WS_EINVAL, "a field's name is no token");
    if (value.n && !ws_all(value, CH_BLANK | ws_value_classes(name)))
      return ws_misuse(c, WS_EINVAL, "a field's value has an invalid byte");
    if (ws_is_any(name, taken))
      return ws_misuse(
          c, WS_EINVAL,
          "a field that the library sets itself (Host, Connection, Upgrade, "
          "Content-Length, Transfer-Encoding, Sec-WebSocket-...)");
  }
  return 0;
}

int ws_fields_have (const ws_field *fields, size_t n, const char *name) {
  size_t i;
  for (i = 0; i < n; i++)
    if (ws_is(fields[i].name, name)) return 1;
  return 0;
}

void ws_text_put (ws_text *t, ws_str s) {
  if (t->p && s.n) memcpy(t->p + t->n, s.p, s.n);
  t->n += s.n;
}

void ws_text_lit (ws_text *t, const char *s) { ws_text_put(t, ws_lit(s)); }

static void field (ws_text *t, ws_str name, ws_str value) {
  ws_text_put(t, name);
  ws_text_lit(t, ": ");
  ws_text_put(t, value);
  ws_text_lit(t, "\r\n");
}

void ws_text_field (ws_text *t, const char *name, ws_str value) {
  field(t, ws_lit(name), value);
}

void ws_text_fields (ws_text *t, const ws_field *fields, size_t n) {
  size_t i;
  for (i = 0; i < n; i++) field(t, fields[i].name, fields[i].value);
}

int ws_text_queue (ws_conn *c, ws_writer *writer, const void *what) {
  ws_text t = {NULL, 0};
  writer(&t, what);
  t.p = ws_out_room(c, t.n);
  if (t.p == NULL) return WS_ENOMEM;
  t.n = 0;
  writer(&t, what);
  ws_out_add(c, t.n);
  return 0;
}
