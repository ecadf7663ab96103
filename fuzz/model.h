/*
** model.h - what may come out of a connection, whatever is called in whatever
** order: a side is a connection and all that was fed to it, given by it, queued
** in it and sent by it. Each check is an assertion.
*/
#ifndef model_h
#define model_h

#include "alloc.h"
#include "decoder.h"
#include "ws.h"

/* No branch here counts as coverage: the fuzzer is to look into the core. */
#pragma clang attribute push(__attribute__((no_sanitize("coverage"))), \
                             apply_to = function)

typedef struct side {
  ws_conn *c;
  ws_config config;
  size_t fed; /* bytes, in all */
  int state;  /* as it was last */
  int opened; /* it has been */
  int ended;  /* ws_next has said so */
  int gone;   /* aborted or freed: nothing is pending */
  int freed;
  int unanswered; /* a request that was taken */
  ws_closing end; /* when it said so */

  bytes first;  /* bytes in that came before it opened */
  decoder in;   /* frames in */
  size_t given; /* messages that were taken */
  size_t part;  /* bytes of the next one that were */
  size_t due;   /* messages that had come when it closed: all are given */
  ws_event ev;  /* the current event, if its type is not 0 */
  bytes copy;   /* of its data */
  int moved;    /* which may have moved since */

  bytes head;    /* bytes out that are no frames */
  int head_out;  /* all of them are out */
  decoder out;   /* frames out */
  bytes offered; /* by ws_pending, and not sent */
  messages sent; /* queued by ws_send; and shared */
  messages shared;
  messages pings;
  size_t nsent, nshared, npings, npongs; /* how many of them are out */
  message sending;                       /* in fragments */
  uint64_t ponged;
} side;

/* ---- what was agreed on */

/* From the field that ws_extensions writes. */
static inline void agree (decoder *d, const char *field, const char *whose) {
  char name[64];
  const char *bits;
  snprintf(name, sizeof name, "%s_no_context_takeover", whose);
  d->takeover = strstr(field, name) == NULL;
  snprintf(name, sizeof name, "%s_max_window_bits=", whose);
  bits = strstr(field, name);
  d->bits = bits ? atoi(bits + strlen(name)) : 15;
  assert(d->bits >= 8 && d->bits <= 15);
  if (d->bits == 8) d->bits = 9; /* zlib's inflate takes it, but not always */
}

/* It has just opened: what it has not used are frames. */
static inline void now_open (side *s) {
  char field[WS_EXTENSIONS];
  int client = s->config.role == WS_CLIENT;
  size_t unread = ws_unread(s->c), n = ws_extensions(s->c, field);
  assert(n == strlen(field) && unread <= s->first.n);
  s->opened = 1;
  s->in.masked = !client;
  s->out.masked = client;
  if (n > 0) {
    assert(s->config.compression.on);
    agree(&s->in, field, client ? "server" : "client");
    agree(&s->out, field, client ? "client" : "server");
  }
  decode(&s->in, s->first.p + s->first.n - unread, unread);
}

/* ---- how it ends */

static inline int exceeds (const side *s, const message *m) {
  uint64_t max = s->config.max_message;
  if (m->frames > s->config.max_fragments || m->data.n > max) return 1;
  return m->packed ? m->claimed > 2 * max + 65536 : m->claimed > max;
}

/* The first message that breaks a rule. */
static inline size_t first_bad (const decoder *d) {
  size_t i = 0;
  while (i < d->data.n && !d->data.p[i].bad) i++;
  return i;
}

/* May it have failed like this? */
static inline int may_fail (const side *s, unsigned code) {
  const decoder *d = &s->in;
  if (!s->opened || d->unsure) return 1;
  if (d->broken && code == d->code) return 1;
  if (code == 1007) return first_bad(d) < d->data.n;
  return code == 1009 && s->given < d->data.n &&
         exceeds(s, &d->data.p[s->given]);
}

static inline void check_closing (const side *s) {
  ws_closing end = ws_closed(s->c);
  if (end.code != 0) assert(end.code >= 1000 && end.code < 5000);
  assert(!end.clean || (end.sent && end.received && !end.failed));
  assert(!end.failed || may_fail(s, end.code));
  assert(!end.received || s->in.closed);
  touch(end.reason.p, end.reason.n);
  if (!end.received || end.failed || s->freed) return;
  const message *m = &s->in.closes.p[0];
  size_t n = m->data.n < 2 ? 0 : m->data.n - 2;
  assert(end.code == s->in.code && end.reason.n == n);
  assert(n == 0 || memcmp(end.reason.p, m->data.p + 2, n) == 0);
}

/* After WS_END nothing changes. */
static inline void check_ended (const side *s) {
  ws_closing a = s->end, b = ws_closed(s->c);
  assert(a.code == b.code && a.clean == b.clean && a.failed == b.failed);
  assert(a.received == b.received && a.status == b.status);
  assert(ws_unread(s->c) == 0 && !ws_has_message(s->c));
}

/* All that is due was given, up to a message that breaks a rule. */
static inline void now_ended (side *s) {
  const decoder *d = &s->in;
  assert(ws_state(s->c) == WS_CLOSED && s->ev.type == 0);
  s->ended = 1;
  s->end = ws_closed(s->c);
  if (s->freed || d->unsure || s->given == s->due) return;
  assert(s->given < s->due);
  assert(d->data.p[s->given].bad || exceeds(s, &d->data.p[s->given]));
}

/* ---- events */

static inline void check_handshake_event (const side *s, const ws_event *ev) {
  int server = s->config.role == WS_SERVER;
  assert(server == (ev->type == WS_REQUEST));
  assert(ev->type <= WS_REFUSED && ev->size <= s->config.max_body);
  assert(ws_http(s->c) != NULL);
}

static inline void check_message (const side *s, const ws_event *ev) {
  const message *m = &s->in.data.p[s->given];
  assert(m->whole && !m->bad && s->part == 0 && ev->opcode == m->opcode);
  assert(bytes_are(&m->data, ev->data, ev->size) && !exceeds(s, m));
}

static inline void check_part (const side *s, const ws_event *ev, size_t max) {
  const message *m = &s->in.data.p[s->given];
  size_t to = s->part + ev->size;
  assert(ev->size <= max && ev->opcode == m->opcode && to <= m->data.n);
  assert(ev->size == 0 || memcmp(ev->data, m->data.p + s->part, ev->size) == 0);
  assert(ev->last ? m->whole && !m->bad && to == m->data.n : ev->size > 0);
}

/* An event that ws_next, or ws_next_part with this max, has given. */
static inline void check_event (side *s, const ws_event *ev, size_t max) {
  touch(ev->data, ev->size);
  assert(!s->ended);
  if (ev->type >= WS_REQUEST) {
    check_handshake_event(s, ev);
  } else if (!s->in.unsure) {
    assert(s->opened && s->given < s->in.data.n);
    assert((ev->type == WS_PART) == (max > 0));
    if (ev->type == WS_PART)
      check_part(s, ev, max);
    else
      check_message(s, ev);
  }
  s->ev = *ev;
  s->moved = 0;
  s->copy.n = 0;
  bytes_add(&s->copy, ev->data, ev->size);
}

/* More bytes are needed: all that can be given of those that came was. */
static inline void check_drained (const side *s, size_t max) {
  const decoder *d = &s->in;
  int state = ws_state(s->c);
  assert(s->ev.type == 0 && state != WS_CLOSED);
  if (!s->opened || d->unsure) return;
  assert(!d->broken && !d->closed);
  assert(s->given == (state == WS_OPENED ? d->whole : s->due));
  if (state != WS_OPENED || d->data.n == d->whole) return;
  const message *m = &d->data.p[d->whole];
  assert(!m->bad);
  assert(max > 0 ? s->part == m->data.n : s->part > 0 || !exceeds(s, m));
}

static inline void now_taken (side *s) {
  int type = s->ev.type;
  s->ev.type = 0;
  if (type == WS_REQUEST) s->unanswered = s->state == WS_CONNECTING;
  if (type == WS_PART && !s->ev.last) {
    s->part += s->ev.size;
  } else if (type == WS_MESSAGE || type == WS_PART) {
    s->part = 0;
    s->given++;
  }
}

/* ---- bytes out */

/* A message that is out is the next of those that were queued. A shared frame's
   payload is one that no other message has. */
static inline int is_next (const messages *a, size_t *n, const message *m) {
  if (*n == a->n || a->p[*n].opcode != m->opcode ||
      !bytes_are(&a->p[*n].data, m->data.p, m->data.n))
    return 0;
  ++*n;
  return 1;
}

/* A pong answers a ping that came later than those answered before. */
static inline int is_answer (side *s, const message *pong) {
  while (s->npongs < s->in.pings.n) {
    const message *ping = &s->in.pings.p[s->npongs++];
    if (bytes_are(&ping->data, pong->data.p, pong->data.n)) return 1;
  }
  return 0;
}

static inline void check_frame_out (side *s, size_t whole, size_t pings,
                                    size_t pongs) {
  decoder *d = &s->out;
  if (d->whole > whole) {
    message *m = &d->data.p[whole];
    assert(!m->bad);
    assert(is_next(&s->sent, &s->nsent, m) ||
           is_next(&s->shared, &s->nshared, m));
  }
  if (d->pings.n > pings) {
    message *m = &d->pings.p[pings];
    m->opcode = 0; /* as it is queued */
    assert(is_next(&s->pings, &s->npings, m));
  }
  if (d->pongs.n > pongs) assert(is_answer(s, &d->pongs.p[pongs]));
}

static inline void frames_out (side *s, const uint8_t *p, size_t n) {
  decoder *d = &s->out;
  assert(n == 0 || s->opened);
  for (size_t i = 0; i < n; i++) {
    size_t whole = d->whole, pings = d->pings.n, pongs = d->pongs.n;
    assert(!d->closed && !d->broken); /* nothing goes out behind a Close */
    decode(d, p + i, 1);
    assert(!d->broken);
    check_frame_out(s, whole, pings, pongs);
  }
}

static inline int begins (const bytes *b, const char *s) {
  return b->n >= strlen(s) && memcmp(b->p, s, strlen(s)) == 0;
}

/* A head: an interim one is followed by another, the request and 101 by frames,
   everything else by a body. */
static inline void head_ends (side *s) {
  if (begins(&s->head, "HTTP/1.1 100 "))
    s->head.n = 0;
  else
    s->head_out = begins(&s->head, "GET ") || begins(&s->head, "HTTP/1.1 101 ");
}

static inline void bytes_out (side *s, const uint8_t *p, size_t n) {
  size_t i = 0;
  if (n == 0) return;
  for (; i < n && !s->head_out; i++) {
    bytes *h = &s->head;
    bytes_add(h, p + i, 1);
    if (h->n >= 4 && memcmp(h->p + h->n - 4, "\r\n\r\n", 4) == 0) head_ends(s);
  }
  frames_out(s, p + i, n - i);
}

/* An answer that is no 101 is all out: its body is as long as its head says. */
static inline void check_answer (const side *s) {
  bytes h = {0};
  if (s->head_out || s->gone || !begins(&s->head, "HTTP/1.1 ")) return;
  bytes_add(&h, s->head.p, s->head.n);
  bytes_put(&h, '\0');
  char *body = strstr((char *)h.p, "\r\n\r\n");
  char *length = strstr((char *)h.p, "\r\nContent-Length: ");
  size_t n = (size_t)((char *)h.p + s->head.n - body - 4);
  assert(body != NULL && (length == NULL || length < body));
  if (length == NULL || begins(&s->first, "HEAD "))
    assert(n == 0);
  else
    assert(n == (size_t)atol(length + 18));
  bytes_free(&h);
}

/* All is out and nothing failed: every ping is answered, unless they may have
   been too many; the newest always is. */
static inline void check_pongs (const side *s) {
  const messages *pings = &s->in.pings, *pongs = &s->out.pongs;
  size_t size = 0;
  for (size_t i = 0; i < pings->n; i++) size += 6 + pings->p[i].data.n;
  if (size <= 1024) assert(pongs->n == pings->n);
  if (pings->n == 0) return;
  const bytes *newest = &pings->p[pings->n - 1].data;
  assert(bytes_are(&pongs->p[pongs->n - 1].data, newest->p, newest->n));
}

/* What ws_pending has offered stays what is sent next. */
static inline void check_offered (side *s, const ws_iov *v, int n) {
  bytes now = {0};
  for (int i = 0; i < n; i++) bytes_add(&now, v[i].base, v[i].len);
  size_t same = s->offered.n < now.n ? s->offered.n : now.n;
  assert(same == 0 || memcmp(s->offered.p, now.p, same) == 0);
  assert(now.n > 0 || s->offered.n == 0);
  bytes_free(&s->offered);
  s->offered = now;
}

/* ---- after every call */

/* There is a head while its event is current or its request unanswered; and
   when ws_abort has made an event of a refusal whose body had not come yet. */
static inline int may_have_head (const side *s) {
  int refused = s->config.role == WS_CLIENT && s->gone && !s->opened;
  return s->ev.type >= WS_REQUEST || s->unanswered || (refused && !s->ended);
}

static inline void check_getters (const side *s) {
  ws_conn *c = s->c;
  char field[WS_EXTENSIONS];
  const ws_head *h = ws_http(c);
  size_t n = h ? h->nfields : 0, offered = 0;
  if (!may_have_head(s)) assert(h == NULL && ws_chosen(c).p == NULL);
  if (s->ev.type >= WS_REQUEST || s->unanswered) assert(h != NULL);
  for (size_t i = 0; i < n; i++) {
    ws_field f = ws_http_field(c, i);
    touch(f.name.p, f.name.n);
    touch(f.value.p, f.value.n);
  }
  assert(n <= s->config.max_fields && ws_http_field(c, n).name.p == NULL);
  for (ws_str o; (o = ws_offered(c, offered)).p != NULL; offered++)
    touch(o.p, o.n);
  assert(offered == 0 || h != NULL);
  touch(ws_chosen(c).p, ws_chosen(c).n);
  assert(ws_extensions(c, field) < WS_EXTENSIONS);
  assert(strlen(ws_error(c)) < 200);
}

static inline void check_counters (side *s) {
  ws_conn *c = s->c;
  assert(ws_unread(c) <= s->fed);
  assert(ws_ponged(c) >= s->ponged && ws_ponged(c) <= s->pings.n);
  s->ponged = ws_ponged(c);
  assert(ws_queued_pongs(c) <= ws_queued(c) &&
         ws_queued_pongs(c) <= 1024 + 131);
  if (s->gone) assert(ws_queued(c) == 0 && ws_held(c) == 0);
  if (ws_end_held(c)) assert(s->in.closed || s->in.broken);
  assert(!ws_swells(c) || (s->in.bits && s->state == WS_OPENED));
  if (ws_has_message(c) && !s->in.unsure && s->opened)
    assert(s->ev.type != 0 || s->given < s->in.whole);
  assert(!ws_in_parts(c) || s->part > 0 || s->ev.type == WS_PART);
}

/* What the host's loop is told to do can be done, and comes to an end. */
static inline void check_wants (const side *s) {
  ws_conn *c = s->c;
  int what = ws_transport(c);
  assert(ws_user(c) == s);
  assert(ws_wants_write(c) == (ws_queued(c) > 0));
  assert(ws_wants_next(c) || ws_queued(c) > s->config.max_queue);
  assert(what == WS_KEEP || ws_state(c) == WS_CLOSED);
  assert(what == WS_KEEP || !ws_wants_write(c));
  assert(what != WS_SHUTDOWN || ws_wants_read(c));
  assert(what != WS_DROP || !ws_wants_read(c));
}

/* Its state only goes on; once it is not open, no more messages are due. */
static inline void check_state (side *s) {
  int state = ws_state(s->c);
  assert(state >= s->state && state <= WS_CLOSED);
  if (s->state == WS_CONNECTING && state != WS_CONNECTING) {
    s->unanswered = 0;
    if (state == WS_OPENED) now_open(s);
  }
  if (s->state <= WS_OPENED && state > WS_OPENED) s->due = s->in.whole;
  s->state = state;
}

static inline void check_side (side *s) {
  check_state(s);
  check_closing(s);
  check_getters(s);
  check_counters(s);
  check_wants(s);
  if (s->ended) check_ended(s);
  if (s->ev.type != 0 && !s->moved && s->copy.n > 0)
    assert(memcmp(s->copy.p, s->ev.data, s->copy.n) == 0);
}

static inline void side_free (side *s) {
  decoder_free(&s->in);
  decoder_free(&s->out);
  messages_free(&s->sent);
  messages_free(&s->shared);
  messages_free(&s->pings);
  bytes_free(&s->sending.data);
  bytes_free(&s->first);
  bytes_free(&s->copy);
  bytes_free(&s->head);
  bytes_free(&s->offered);
}

#pragma clang attribute pop

#endif
