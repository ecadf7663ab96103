/*
** ws_extension.c - permessage-deflate in the opening handshake: what a client
** offers, what a server accepts of that, what a client may be answered (RFC
** 6455 section 9.1, RFC 7692 sections 5 and 7.1).
**
** The fields are read from left to right, each byte once. Names are compared
** with the few that are known; of all others only the form matters.
*/
#include "ws_hs.h"
#include "ws_zip.h"

#include <stdio.h>
#include <string.h>

static const char NAME[] = "permessage-deflate";

/* The parameters, in the order of what `seen` of terms says. */
enum { SERVER_NO_TAKEOVER, CLIENT_NO_TAKEOVER, SERVER_BITS, CLIENT_BITS };
static const char *const names[] = {
    "server_no_context_takeover", "client_no_context_takeover",
    "server_max_window_bits", "client_max_window_bits"};
enum { PARAMETERS = 4, MOST_BITS = 15 };

/* Beside WS_TAKEOVER in a window: the answer names its bits. */
enum { NAMED = 32 };

/* What an element says about permessage-deflate. */
typedef struct terms {
  int known;  /* it is about that */
  int broken; /* a parameter is unknown, twice, or has an invalid value */
  int seen[PARAMETERS];
  int server_bits, client_bits; /* MOST_BITS where it does not say */
  int client_value;             /* client_max_window_bits has a value */
} terms;

/* ----------------------------------------------------------------- reading */

enum { NO_MORE = 0, ELEMENT = 1, MALFORMED = -1 };

/* A reader through all elements of all fields. */
typedef struct reader {
  const ws_conn *c;
  size_t i;    /* the next field */
  ws_str rest; /* of the one before */
} reader;

typedef struct param {
  ws_str name;
  int has_value;
  char value[4]; /* unquoted, as far as it is of interest */
  size_t n;
} param;

static void skip (ws_str *s, size_t n) {
  if (n > s->n) n = s->n;
  if (n > 0) s->p += n; /* s->p may be NULL */
  s->n -= n;
}

static void skip_blanks (ws_str *s) {
  skip(s, s->n ? ws_skip(s->p, 0, s->n, CH_BLANK) : 0);
}

static int is_next (const ws_str *s, char ch) {
  return s->n > 0 && s->p[0] == ch;
}

static ws_str token (ws_str *s) {
  ws_str t = {s->p, s->n ? ws_skip(s->p, 0, s->n, CH_TOKEN) : 0};
  skip(s, t.n);
  return t;
}

static void add (param *p, char ch) {
  if (p->n < sizeof p->value) p->value[p->n] = ch;
  p->n++;
}

/* What stands between the quotes has to be a token. */
static int quoted (ws_str *s, param *p) {
  for (skip(s, 1); s->n > 0 && s->p[0] != '"'; skip(s, 1)) {
    if (s->p[0] == '\\') skip(s, 1);
    if (s->n == 0 || !(ws_chars[(unsigned char)s->p[0]] & CH_TOKEN))
      return MALFORMED;
    add(p, s->p[0]);
  }
  if (s->n == 0) return MALFORMED;
  skip(s, 1);
  return ELEMENT;
}

static int value (ws_str *s, param *p) {
  ws_str t;
  size_t i;
  p->has_value = 1;
  skip(s, 1);
  skip_blanks(s);
  if (is_next(s, '"')) return quoted(s, p);
  t = token(s);
  for (i = 0; i < t.n; i++) add(p, t.p[i]);
  return ELEMENT;
}

/* The next parameter of an element. */
static int next_param (reader *w, param *p) {
  ws_str *s = &w->rest;
  int r = ELEMENT;
  memset(p, 0, sizeof *p);
  skip_blanks(s);
  if (s->n == 0 || is_next(s, ',')) return NO_MORE;
  if (!is_next(s, ';')) return MALFORMED;
  skip(s, 1);
  skip_blanks(s);
  p->name = token(s);
  if (p->name.n == 0) return MALFORMED;
  skip_blanks(s);
  if (is_next(s, '=')) r = value(s, p);
  return r;
}

/* The next element's name; empty elements are passed over. */
static int next_element (reader *w, ws_str *name) {
  for (;;) {
    while (is_next(&w->rest, ',') || is_next(&w->rest, ' ') ||
           is_next(&w->rest, '\t'))
      skip(&w->rest, 1);
    if (w->rest.n > 0) break;
    do {
      ws_field f;
      if (w->i == w->c->hs->http.nlines) return NO_MORE;
      f = ws_hs_field(w->c, w->i++);
      if (ws_is(f.name, "Sec-WebSocket-Extensions")) w->rest = f.value;
    } while (w->rest.n == 0);
  }
  *name = token(&w->rest);
  return name->n > 0 ? ELEMENT : MALFORMED;
}

/* 8 to 15, or 0: leading zeros are not allowed (RFC 7692 section 7.1.2). */
static int bits_of (const param *p) {
  const char *v = p->value;
  if (p->n == 1 && (v[0] == '8' || v[0] == '9')) return v[0] - '0';
  if (p->n == 2 && v[0] == '1' && v[1] >= '0' && v[1] <= '5')
    return 10 + v[1] - '0';
  return 0;
}

/* Only client_max_window_bits may stand without its value, in an offer. */
static int set_bits (terms *t, int which, const param *p) {
  int bits = bits_of(p);
  if (which == CLIENT_BITS) t->client_value = p->has_value;
  if (which == CLIENT_BITS && !p->has_value) return 1;
  *(which == CLIENT_BITS ? &t->client_bits : &t->server_bits) = bits;
  return bits > 0;
}

static void add_param (terms *t, const param *p) {
  int which = 0, ok;
  while (which < PARAMETERS && !ws_same(p->name, ws_lit(names[which]))) which++;
  if (which == PARAMETERS || t->seen[which]++) {
    t->broken = 1;
    return;
  }
  ok = which >= SERVER_BITS ? set_bits(t, which, p) : !p->has_value;
  if (!ok) t->broken = 1;
}

static int next_terms (reader *w, terms *t) {
  param p;
  ws_str name;
  int r = next_element(w, &name);
  if (r != ELEMENT) return r;
  memset(t, 0, sizeof *t);
  t->server_bits = t->client_bits = MOST_BITS;
  t->known = ws_same(name, ws_lit(NAME));
  while ((r = next_param(w, &p)) == ELEMENT)
    if (t->known) add_param(t, &p);
  return r == MALFORMED ? r : ELEMENT;
}

/* ------------------------------------------------------------- the server */

/* The smaller window, of one's own setting and what the offer says. */
static int smaller_window (int own, int bits) {
  return own > 0 && own < bits ? own : bits;
}

static unsigned char window (int bits, int no_takeover, int named) {
  return (unsigned char)(bits | (no_takeover ? 0 : WS_TAKEOVER) |
                         (named ? NAMED : 0));
}

/* A client can be told to use a smaller window only if it says that it knows
   how to (RFC 7692 section 7.1.2.2); the rest may be answered unasked. What was
   asked for has to be answered. */
static void agree (ws_conn *c, const terms *t) {
  const ws_compression *own = &c->config->compression;
  int bits = MOST_BITS;
  if (t->seen[CLIENT_BITS])
    bits = smaller_window(own->client_max_window_bits, t->client_bits);
  c->rx.window = window(
      bits, own->client_no_context_takeover || t->seen[CLIENT_NO_TAKEOVER],
      bits < MOST_BITS);
  bits = smaller_window(own->server_max_window_bits, t->server_bits);
  c->tx.window = window(
      bits, own->server_no_context_takeover || t->seen[SERVER_NO_TAKEOVER],
      bits < MOST_BITS || t->seen[SERVER_BITS]);
}

/* The first offer that can be accepted is; a malformed field fails the
   connection, whatever it offers (RFC 6455 section 9.1). */
http_result ws_extension_offers (ws_conn *c, ws_hs *hs) {
  reader w = {c, 0, {NULL, 0}};
  terms t;
  int r;
  c->rx.window = c->tx.window = 0;
  while ((r = next_terms(&w, &t)) == ELEMENT)
    if (t.known && !t.broken && c->config->compression.on && !c->rx.window)
      agree(c, &t);
  if (r != MALFORMED) return HTTP_WHOLE;
  return ws_fault_set(&hs->fault, 400, "malformed Sec-WebSocket-Extensions");
}

/* ------------------------------------------------------------- the client */

/* One element of what is offered. */
typedef struct offer {
  int server_no, client_no; /* asks for, hints at no context takeover */
  int server_bits;          /* asks for this window, 0: for none */
  int client_bits;          /* the answer may name this one, 0: none */
} offer;

enum { OFFERS = 3 };

/* What one would like; then the same without a limit of the server's window,
   for servers that cannot limit it have to decline such an offer (RFC 7692
   section 7.1.2.1); then the name alone, for those that know no parameters.
   Returns how many there are. */
static int offers (const ws_compression *own, offer *o) {
  int n = 0;
  offer first = {own->server_no_context_takeover,
                 own->client_no_context_takeover, own->server_max_window_bits,
                 own->client_max_window_bits};
  if (first.server_bits == MOST_BITS) first.server_bits = 0;
  if (first.server_bits) o[n++] = first;
  first.server_bits = 0;
  o[n++] = first;
  if (first.server_no || first.client_no || first.client_bits)
    o[n++] = (offer){0, 0, 0, 0};
  return n;
}

static void write_offer (ws_text *t, const offer *o) {
  char text[64];
  ws_text_lit(t, NAME);
  if (o->server_no) ws_text_lit(t, "; server_no_context_takeover");
  if (o->client_no) ws_text_lit(t, "; client_no_context_takeover");
  snprintf(text, sizeof text, "; server_max_window_bits=%d", o->server_bits);
  if (o->server_bits) ws_text_lit(t, text);
  if (o->client_bits) ws_text_lit(t, "; client_max_window_bits");
  snprintf(text, sizeof text, "=%d", o->client_bits);
  if (o->client_bits && o->client_bits < MOST_BITS) ws_text_lit(t, text);
}

void ws_extension_offer (ws_text *t, const ws_compression *own) {
  offer o[OFFERS];
  int i, n = offers(own, o);
  if (!own->on) return;
  ws_text_lit(t, "Sec-WebSocket-Extensions: ");
  for (i = 0; i < n; i++) {
    if (i > 0) ws_text_lit(t, ", ");
    write_offer(t, &o[i]);
  }
  ws_text_lit(t, "\r\n");
}

/* May this offer be answered so? What was asked for has to be granted (RFC 7692
   sections 7.1.1.1 and 7.1.2.1), and a window for the client may be named only
   where it was offered (7.1.2.2). The rest may come unasked. */
static int allows (const offer *o, const terms *t) {
  if (o->server_no && !t->seen[SERVER_NO_TAKEOVER]) return 0;
  if (o->server_bits && !t->seen[SERVER_BITS]) return 0;
  if (o->server_bits && t->server_bits > o->server_bits) return 0;
  return !t->seen[CLIENT_BITS] || t->client_bits <= o->client_bits;
}

/* The rule that an answer breaks, whichever offer it is held against, or NULL.
   The last offer grants all that an answer can leave out, so only what the
   answer adds can be wrong. The first offer, which names most, tells what that
   is. */
static const char *offer_rule (const ws_conn *c, const terms *t) {
  offer o[OFFERS];
  int i, n = offers(&c->config->compression, o);
  for (i = 0; i < n; i++)
    if (allows(&o[i], t)) return NULL;
  if (t->client_bits > o[0].client_bits)
    return "client_max_window_bits above what was offered (RFC 7692 7.1.2.2)";
  return "server_no_context_takeover was asked for (RFC 7692 7.1.1.1)";
}

/* The rule that an element of an answer breaks, or NULL. */
static const char *answer_rule (const ws_conn *c, const terms *t) {
  if (!t->known || !c->config->compression.on)
    return "an extension that was not offered";
  if (c->rx.window) return "an extension twice (RFC 7692 5.1)";
  if (t->broken || (t->seen[CLIENT_BITS] && !t->client_value))
    return "invalid parameter of permessage-deflate (RFC 7692 7.1)";
  return offer_rule(c, t);
}

http_result ws_extension_answer (ws_conn *c, ws_hs *hs) {
  reader w = {c, 0, {NULL, 0}};
  const char *rule = NULL;
  terms t;
  int r;
  c->rx.window = c->tx.window = 0;
  while (!rule && (r = next_terms(&w, &t)) == ELEMENT) {
    rule = answer_rule(c, &t);
    c->rx.window =
        window(t.server_bits, t.seen[SERVER_NO_TAKEOVER], t.seen[SERVER_BITS]);
    c->tx.window =
        window(t.client_bits, t.seen[CLIENT_NO_TAKEOVER], t.seen[CLIENT_BITS]);
  }
  if (!rule && r == MALFORMED) rule = "malformed Sec-WebSocket-Extensions";
  return rule ? ws_fault_set(&hs->fault, hs->http.status, rule) : HTTP_WHOLE;
}

/* ------------------------------------------------------------ both of them */

static size_t put_bits (char *out, size_t n, const char *name, int side) {
  if (!(side & NAMED)) return n;
  return n + (size_t)snprintf(out + n, WS_EXTENSIONS - n, "; %s=%d", name,
                              side & WS_BITS);
}

static size_t put_flag (char *out, size_t n, const char *name, int takeover) {
  if (takeover) return n;
  return n + (size_t)snprintf(out + n, WS_EXTENSIONS - n, "; %s", name);
}

size_t ws_extensions (const ws_conn *c, char out[WS_EXTENSIONS]) {
  int is_client = c->config->role == WS_CLIENT;
  int server = is_client ? c->rx.window : c->tx.window;
  int client = is_client ? c->tx.window : c->rx.window;
  size_t n = 0;
  out[0] = '\0';
  if (server == 0) return 0;
  n = (size_t)snprintf(out, WS_EXTENSIONS, "%s", NAME);
  n = put_flag(out, n, names[SERVER_NO_TAKEOVER], server & WS_TAKEOVER);
  n = put_flag(out, n, names[CLIENT_NO_TAKEOVER], client & WS_TAKEOVER);
  n = put_bits(out, n, names[SERVER_BITS], server);
  return put_bits(out, n, names[CLIENT_BITS], client);
}
