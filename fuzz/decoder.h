/*
** decoder.h - what a stream of frames says (RFC 6455 section 5, RFC 7692), by
** the simplest means: byte by byte, everything kept. Models hold the core
** against it; it shares no code with the core.
*/
#ifndef decoder_h
#define decoder_h

#include "input.h"

#include <zlib.h>

/* No branch here counts as coverage: the fuzzer is to look into the core. And
   this is all that takes time, so it runs without the sanitizers, too. */
#pragma clang attribute push(                                         \
    __attribute__((no_sanitize("coverage", "address", "undefined"))), \
    apply_to = function)

/* A message, or a control frame (whole, then). */
typedef struct message {
  int opcode;
  int packed; /* compressed */
  int bad;    /* not UTF-8, or not deflate: the code to fail with, 1007 */
  int whole;
  size_t frames;    /* that have begun */
  uint64_t claimed; /* payload bytes that their headers promise, as sent */
  bytes data;       /* inflated */
} message;

typedef struct messages {
  message *p;
  size_t n;
} messages;

typedef struct decoder {
  int masked;         /* frames have to be, or must not be */
  int bits, takeover; /* permessage-deflate: the sender's window; 0: none */
  messages data, pings, pongs, closes;
  size_t whole;       /* of data */
  const char *broken; /* a rule: what follows says nothing */
  unsigned code;      /* in the Close frame (1005: none), or to fail with */
  int closed;         /* a Close frame that keeps the rules was there */
  int unsure;         /* zlib may or may not refuse what the peer sent */

  uint8_t head[14]; /* of the current frame, and how much of it is here */
  size_t nhead;
  uint64_t left, at; /* payload bytes to come, that came */
  int inside;        /* a fragmented message */
  message control;   /* the current one */
  uint8_t text[4];   /* the current character */
  size_t ntext;

  z_stream z;
  int z_open, fed; /* in the middle of a deflate stream */
} decoder;

static inline message *messages_new (messages *a, int opcode) {
  a->p = realloc(a->p, (a->n + 1) * sizeof *a->p);
  assert(a->p != NULL);
  memset(&a->p[a->n], 0, sizeof *a->p);
  a->p[a->n].opcode = opcode;
  return &a->p[a->n++];
}

static inline void messages_free (messages *a) {
  for (size_t i = 0; i < a->n; i++) bytes_free(&a->p[i].data);
  free(a->p);
  memset(a, 0, sizeof *a);
}

static inline void decoder_free (decoder *d) {
  messages_free(&d->data);
  messages_free(&d->pings);
  messages_free(&d->pongs);
  messages_free(&d->closes);
  bytes_free(&d->control.data);
  if (d->z_open) inflateEnd(&d->z);
  memset(d, 0, sizeof *d);
}

/* ---- UTF-8 (RFC 3629) */

/* One character or a part of it: 1 whole, 0 unfinished, -1 wrong. */
static inline int character (const uint8_t *p, size_t n) {
  size_t size = p[0] < 0x80 ? 1 : p[0] < 0xE0 ? 2 : p[0] < 0xF0 ? 3 : 4;
  uint8_t low = 0x80, high = 0xBF; /* of the second byte */
  if ((p[0] >= 0x80 && p[0] < 0xC2) || p[0] > 0xF4) return -1;
  if (p[0] == 0xE0) low = 0xA0;
  if (p[0] == 0xED) high = 0x9F;
  if (p[0] == 0xF0) low = 0x90;
  if (p[0] == 0xF4) high = 0x8F;
  for (size_t i = 1; i < n; i++) {
    if (p[i] < low || p[i] > high) return -1;
    low = 0x80;
    high = 0xBF;
  }
  return n == size;
}

static inline int is_text (const uint8_t *p, size_t n) {
  int r = 1;
  for (size_t i = 0, from = 0; i < n; i++) {
    r = character(p + from, i + 1 - from);
    if (r < 0) return 0;
    if (r > 0) from = i + 1;
  }
  return r;
}

/* ---- a message's bytes */

static inline message *current (decoder *d) {
  return &d->data.p[d->data.n - 1];
}

/* What lies behind an error is nothing to anybody. */
static inline void add_data (decoder *d, message *m, uint8_t byte) {
  if (m->bad) return;
  bytes_put(&m->data, byte);
  if (m->opcode != 1) return;
  d->text[d->ntext++] = byte;
  int r = character(d->text, d->ntext);
  if (r != 0) d->ntext = 0;
  if (r < 0) m->bad = 1007;
}

static inline void begin_inflating (decoder *d) {
  if (!d->z_open) assert(inflateInit2(&d->z, -d->bits) == Z_OK);
  if (d->z_open && !d->takeover) inflateReset(&d->z);
  d->z_open = 1;
  d->fed = 0;
}

/* zlib tolerates distances beyond a small window as far as its output
   reaches. */
static inline void inflate_byte (decoder *d, message *m, uint8_t byte) {
  uint8_t out[16];
  int r;
  if (m->bad) return;
  d->z.next_in = &byte;
  d->z.avail_in = 1;
  d->fed = 1;
  do {
    d->z.next_out = out;
    d->z.avail_out = sizeof out;
    r = inflate(&d->z, Z_SYNC_FLUSH);
    for (size_t i = 0; i < sizeof out - d->z.avail_out; i++)
      add_data(d, m, out[i]);
  } while (r == Z_OK && d->z.avail_out == 0);
  if (r == Z_STREAM_END) {
    inflateResetKeep(&d->z);
    d->fed = 0;
  } else if (r != Z_OK && r != Z_BUF_ERROR) {
    if (!m->bad) d->unsure |= d->bits < 15;
    m->bad = 1007;
  }
}

/* The end of a compressed message is left away by who sends it. */
static inline void end_inflating (decoder *d, message *m) {
  static const uint8_t tail[4] = {0, 0, 0xFF, 0xFF};
  if (!d->fed) return;
  for (size_t i = 0; i < sizeof tail && (i == 0 || d->fed); i++)
    inflate_byte(d, m, tail[i]);
  if (d->fed && !m->bad && !(d->z.data_type & 128)) m->bad = 1007;
}

static inline void message_byte (decoder *d, uint8_t byte) {
  message *m = current(d);
  if (m->packed)
    inflate_byte(d, m, byte);
  else
    add_data(d, m, byte);
}

static inline void message_end (decoder *d) {
  message *m = current(d);
  d->inside = 0;
  if (m->packed) end_inflating(d, m);
  if (d->ntext > 0) m->bad = 1007;
  d->ntext = 0;
  m->whole = 1;
  d->whole = d->data.n;
}

/* ---- control frames */

static inline int close_code_legal (unsigned code) {
  return (code >= 1000 && code <= 1014 && (code < 1004 || code > 1006)) ||
         (code >= 3000 && code <= 4999);
}

static inline void break_rule (decoder *d, unsigned code, const char *rule) {
  d->broken = rule;
  d->code = code;
}

static inline void got_close (decoder *d, const bytes *b) {
  d->code = b->n >= 2 ? (unsigned)b->p[0] << 8 | b->p[1] : 1005;
  if (b->n == 1 || (b->n >= 2 && !close_code_legal(d->code)))
    break_rule(d, 1002, "close code");
  else if (b->n > 2 && !is_text(b->p + 2, b->n - 2))
    break_rule(d, 1007, "close reason");
  else
    d->closed = 1;
}

static inline void control_end (decoder *d) {
  int opcode = d->control.opcode;
  messages *list = opcode == 9    ? &d->pings
                   : opcode == 10 ? &d->pongs
                                  : &d->closes;
  message *m = messages_new(list, opcode);
  *m = d->control;
  m->whole = 1;
  memset(&d->control, 0, sizeof d->control);
  if (opcode == 8) got_close(d, &m->data);
}

/* ---- headers */

/* The rule that these bytes of a header break, all rules looked at anew. */
static inline const char *header_rule (const decoder *d) {
  const uint8_t *h = d->head;
  int opcode = h[0] & 15, control = opcode >= 8;
  int rsv = h[0] & 0x70;
  if (rsv == 0x40 && d->bits && (opcode == 1 || opcode == 2)) rsv = 0;
  if (rsv) return "reserved bits";
  if (opcode > 10 || (opcode > 2 && opcode < 8)) return "opcode";
  if (control && !(h[0] & 0x80)) return "fragmented control frame";
  if (!control && (opcode == 0) != d->inside) return "order of fragments";
  if (d->nhead < 2) return NULL;
  if ((h[1] >> 7) != d->masked) return "masking";
  if (control && (h[1] & 127) > 125) return "size of a control frame";
  if ((h[1] & 127) == 126 && d->nhead >= 4 && h[2] == 0 && h[3] < 126)
    return "minimal length";
  if ((h[1] & 127) != 127) return NULL;
  if (d->nhead > 2 && h[2] & 0x80) return "length of 64 bits";
  if (d->nhead >= 8 && !h[2] && !h[3] && !h[4] && !h[5] && !h[6] && !h[7])
    return "minimal length";
  return NULL;
}

static inline size_t length_size (const uint8_t *h) {
  return (h[1] & 127) == 127 ? 8 : (h[1] & 127) == 126 ? 2 : 0;
}

static inline size_t header_size (const uint8_t *h) {
  return 2 + length_size(h) + (h[1] & 0x80 ? 4 : 0);
}

static inline uint64_t header_length (const uint8_t *h) {
  uint64_t v = 0;
  for (size_t i = 0; i < length_size(h); i++) v = v << 8 | h[2 + i];
  return length_size(h) ? v : h[1] & 127;
}

static inline void frame_end (decoder *d) {
  int fin = d->head[0] >> 7, control = (d->head[0] & 15) >= 8;
  d->nhead = 0;
  if (control)
    control_end(d);
  else if (fin)
    message_end(d);
}

/* The length is known, so limits can be held against it. */
static inline void begin_frame (decoder *d) {
  int opcode = d->head[0] & 15;
  if (opcode >= 8) return;
  if (opcode != 0) {
    message *m = messages_new(&d->data, opcode);
    m->packed = (d->head[0] & 0x40) != 0;
    if (m->packed) begin_inflating(d);
  }
  current(d)->frames++;
  current(d)->claimed += header_length(d->head);
}

static inline void header_end (decoder *d) {
  int opcode = d->head[0] & 15;
  d->left = header_length(d->head);
  d->at = 0;
  if (opcode >= 8)
    d->control.opcode = opcode;
  else
    d->inside = 1;
  if (d->left == 0) frame_end(d);
}

static inline void header_byte (decoder *d, uint8_t byte) {
  d->head[d->nhead++] = byte;
  const char *rule = header_rule(d);
  if (rule) break_rule(d, 1002, rule);
  if (rule || d->nhead < 2) return;
  if (d->nhead == 2 + length_size(d->head)) begin_frame(d);
  if (d->nhead == header_size(d->head)) header_end(d);
}

static inline void payload_byte (decoder *d, uint8_t byte) {
  const uint8_t *key = d->head + header_size(d->head) - 4;
  if (d->masked) byte ^= key[d->at % 4];
  d->at++;
  if ((d->head[0] & 15) >= 8)
    bytes_put(&d->control.data, byte);
  else
    message_byte(d, byte);
  if (--d->left == 0) frame_end(d);
}

/* The next bytes of the stream; behind its end they say nothing. */
static inline void decode (decoder *d, const void *p, size_t n) {
  const uint8_t *s = p;
  for (size_t i = 0; i < n && !d->broken && !d->closed; i++) {
    if (d->left > 0)
      payload_byte(d, s[i]);
    else
      header_byte(d, s[i]);
  }
}

#pragma clang attribute pop

#endif
