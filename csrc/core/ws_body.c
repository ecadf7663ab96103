/*
** ws_body.c - the body of a plain request or of a refusal: as long as its
** Content-Length says, chunked, or up to the transport's end (RFC 9112 sections
** 6 and 7). It lies in one piece behind its head: chunks are decoded in place
** as their bytes arrive, and only data stays.
*/
#include "ws_http.h"

#include <string.h>

/* Where the decoder is between the bytes of a chunked body. */
enum {
  AT_SIZE,
  IN_SIZE,
  AFTER_SIZE,
  IN_EXTENSION,
  SIZE_LF,
  IN_DATA,
  DATA_CR,
  DATA_LF,
  AT_TRAILER,
  IN_TRAILER,
  TRAILER_LF,
  END_LF,
  AT_END
};

static http_result bad (ws_body *b, int status, const char *rule) {
  return ws_fault_set(&b->fault, status, rule);
}

static int hex (int ch) {
  if (ch >= '0' && ch <= '9') return ch - '0';
  if (ch >= 'a' && ch <= 'f') return ch - 'a' + 10;
  if (ch >= 'A' && ch <= 'F') return ch - 'A' + 10;
  return -1;
}

/* A digit of a chunk's size. A size above the limit is refused at the first
   digit that makes it so; where the body may be cut off, the size only has to
   stay in range. Leading zeros take slack, since their number has no limit
   otherwise. */
static http_result size_digit (ws_body *b, int digit) {
  size_t room = b->max - b->size;
  if (b->state == IN_SIZE && b->length == 0) {
    if (b->slack == 0) return bad(b, 431, "chunk size with too many zeros");
    b->slack--;
  }
  if (b->length > (SIZE_MAX - 15) / 16)
    b->length = SIZE_MAX;
  else
    b->length = b->length * 16 + (size_t)digit;
  if (b->length > room && !b->cut) return bad(b, 413, "body too large");
  b->state = IN_SIZE;
  return HTTP_MORE;
}

static http_result go (ws_body *b, int ok, int state) {
  if (!ok) return bad(b, 400, "malformed chunk");
  b->state = state;
  return HTTP_MORE;
}

/* A byte of an extension or trailer, which a recipient may ignore. Their size
   is limited. */
static http_result ignored (ws_body *b, int ch, int state) {
  if (b->slack == 0)
    return bad(b, 431, "chunk extensions and trailers too large");
  b->slack--;
  return go(b, ws_chars[ch] & (CH_TEXT | CH_BLANK | CH_HIGH), state);
}

static http_result after_size (ws_body *b, int ch) {
  if (ch == ';') return ignored(b, ch, IN_EXTENSION);
  if (ws_chars[ch] & CH_BLANK) return ignored(b, ch, AFTER_SIZE);
  return go(b, ch == '\r' && b->state == IN_SIZE, SIZE_LF);
}

/* A byte that is not data (RFC 9112 section 7.1). */
static http_result framing (ws_body *b, int ch) {
  switch (b->state) {
    case AT_SIZE: return hex(ch) >= 0 ? size_digit(b, hex(ch)) : go(b, 0, 0);
    case IN_SIZE:
      return hex(ch) >= 0 ? size_digit(b, hex(ch)) : after_size(b, ch);
    case AFTER_SIZE: return after_size(b, ch);
    case IN_EXTENSION:
      if (ch == '\r') return go(b, 1, SIZE_LF);
      return ignored(b, ch, IN_EXTENSION);
    case SIZE_LF: return go(b, ch == '\n', b->length ? IN_DATA : AT_TRAILER);
    case DATA_CR: return go(b, ch == '\r', DATA_LF);
    case DATA_LF: return go(b, ch == '\n', AT_SIZE);
    case AT_TRAILER:
      if (ch == '\r') return go(b, 1, END_LF);
      return ignored(b, ch, IN_TRAILER);
    case IN_TRAILER:
      if (ch == '\r') return go(b, 1, TRAILER_LF);
      return ignored(b, ch, IN_TRAILER);
    case TRAILER_LF: return go(b, ch == '\n', AT_TRAILER);
    default: return go(b, ch == '\n', AT_END);
  }
}

/* Data, p[0 .. n), goes behind the body so far. */
static size_t data (ws_body *b, unsigned char *body, const unsigned char *p,
                    size_t n) {
  if (n > b->length) n = b->length;
  if (n > b->max - b->size) n = b->max - b->size;
  memmove(body + b->size, p, n);
  b->size += n;
  b->length -= n;
  return n;
}

static int is_cut (const ws_body *b) { return b->cut && b->size == b->max; }

static http_result read_chunked (ws_body *b, unsigned char *body,
                                 const unsigned char *p, size_t n,
                                 size_t *used) {
  http_result r = HTTP_MORE;
  while (r == HTTP_MORE && *used < n && b->state != AT_END && !is_cut(b)) {
    if (b->state != IN_DATA)
      r = framing(b, p[(*used)++]);
    else
      *used += data(b, body, p + *used, n - *used);
    if (b->state == IN_DATA && b->length == 0) b->state = DATA_CR;
  }
  return b->state == AT_END ? HTTP_WHOLE : r;
}

http_result ws_body_read (ws_body *b, unsigned char *body,
                          const unsigned char *p, size_t n, int eof,
                          size_t *used) {
  http_result r = HTTP_WHOLE;
  *used = 0;
  if (b->kind == BODY_CHUNKED)
    r = read_chunked(b, body, p, n, used);
  else if (b->kind != BODY_NONE) {
    *used = data(b, body, p, n);
    r = b->length == 0 ? HTTP_WHOLE : HTTP_MORE;
  }
  /* A body that may be cut off also ends where it is malformed, and with the
     transport: its status is what counts. */
  if (b->cut && (r == HTTP_BAD || eof || is_cut(b))) return HTTP_WHOLE;
  return r;
}
