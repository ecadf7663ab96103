/*
** ws_http.h - HTTP/1.1 messages as the opening handshake needs them: heads
** parsed in place (ws_head.c), bodies framed and decoded in place (ws_body.c).
** Both know bytes and syntax only; what a field means is the business of
** ws_handshake.c, ws_server.c and ws_client.c.
*/
#ifndef ws_http_h
#define ws_http_h

#include <string.h>

#include "ws_base.h"

#pragma GCC visibility push(hidden)

/* ---- ws_chars.c: the characters of RFC 9110 section 5.6 and RFC 3986 */
enum {
  CH_TOKEN = 1,  /* tchar */
  CH_TARGET = 2, /* visible, but '#' */
  CH_TEXT = 4,   /* visible */
  CH_BLANK = 8,  /* SP, HTAB */
  CH_HIGH = 16,  /* 0x80 to 0xff: obs-text */
  CH_HOST = 32,  /* of a reg-name or IPv4 address */
  CH_IP6 = 64,   /* between the brackets of an IP-literal */
  CH_BASE64 = 128
};
extern const unsigned char ws_chars[256];

/* The first place in p[i .. n) whose character is of none of these classes. */
size_t ws_skip (const void *p, size_t i, size_t n, int classes);
int ws_all (ws_str s, int classes); /* not empty, and all of these */
int ws_alike (const char *a, const char *b, size_t n); /* but for ASCII case */
/* Whether s is one of the names, but for ASCII case. NULL is at their end. */
int ws_is_any (ws_str s, const ws_str *names);
int ws_begins (ws_str s, const char *with); /* but for ASCII case */
int ws_same (ws_str a, ws_str b);           /* equal, byte for byte */

/* Inline, so that the length of a literal is known when it is compiled. */
static inline ws_str ws_lit (const char *s) { return (ws_str){s, strlen(s)}; }
/* The same in the initializer of a list. */
#define WS_LIT(s) \
  { s, sizeof s - 1 }

/* Whether s is the name, but for ASCII case. Most names differ in length. */
static inline int ws_like (ws_str s, ws_str name) {
  return s.n == name.n && ws_alike(s.p, name.p, s.n);
}
static inline int ws_is (ws_str s, const char *name) {
  return ws_like(s, ws_lit(name));
}

/* Digits to a number, SIZE_MAX where it does not fit; 0 if s is no such
   thing. */
int ws_number (ws_str s, size_t *number);

/* ---- ws_head.c */

/* A piece of a head: bytes counted from the head's first one, for the buffer
   may move while a head is coming in. */
typedef struct ws_span {
  uint32_t at, n;
} ws_span;

typedef struct ws_line {
  ws_span name, value;
} ws_line;

/* What reading a message comes to, and each step of a handshake. Only
   ws_server_next and ws_client_next turn it into a result of ws_next. */
typedef enum http_result {
  HTTP_MORE,  /* more bytes are needed */
  HTTP_WHOLE, /* done */
  HTTP_BAD,   /* a rule is broken: see the fault */
  HTTP_NOMEM  /* nothing happened, call again */
} http_result;

/* Why a message is refused: the HTTP status that says so, and the rule. */
typedef struct ws_fault {
  int status;
  const char *rule;
} ws_fault;
/* HTTP_BAD */
http_result ws_fault_set (ws_fault *f, int status, const char *rule);

/* A head being parsed. Begins as zeros but for role, limit and max_fields. */
typedef struct ws_head_parser {
  int role;     /* WS_SERVER parses requests, WS_CLIENT responses */
  size_t limit; /* most bytes of a head */
  size_t max_fields;
  int state;
  size_t looked; /* bytes already looked at; none is looked at twice */
  size_t from;   /* where the element begins that is being read */
  int text;      /* classes allowed in the value that is being read */
  ws_span method, target, reason;
  int major, minor, status;
  ws_line *line;    /* the fields */
  uint64_t lengths; /* bit n & 63 is set if a name has n bytes; it may be set
                       in vain */
  size_t nlines, cap;
  ws_fault fault; /* after HTTP_BAD */
} ws_head_parser;

/* The bit of a name's length in h->lengths. */
static inline uint64_t ws_length_bit (size_t n) {
  return (uint64_t)1 << (n & 63);
}

/* Goes on parsing with p[0 .. n), n never shrinking from call to call, and each
   byte looked at once. HTTP_WHOLE: the head is h->looked bytes long; HTTP_MORE;
   HTTP_BAD, at the first byte that shows it; HTTP_NOMEM (call again). A folded
   line of a response is unfolded: blanks are written over its CRLF. */
http_result ws_head_parse (ws_conn *c, ws_head_parser *h, unsigned char *p,
                           size_t n);
void ws_head_release (ws_conn *c, ws_head_parser *h);
/* Leaves off the field that has not come whole. */
void ws_head_cut (ws_head_parser *h);

/* The classes that the value of a field may have besides blanks. Bytes from
   0x80 on are opaque (RFC 9110 section 5.5), proxies add cities and names;
   the fields that the handshake reads have no use for them. */
int ws_value_classes (ws_str name);

/* Room for one more of size bytes in a list of n, or NULL. */
void *ws_one_more (ws_conn *c, void *list, size_t n, size_t *cap, size_t size);

/* ---- ws_body.c */
enum { BODY_NONE, BODY_LENGTH, BODY_CHUNKED, BODY_EOF };

typedef struct ws_body {
  int kind;
  int cut; /* give the first max bytes rather than refuse a longer one */
  size_t max;
  size_t slack;  /* bytes that chunk extensions and trailers may still take */
  size_t length; /* bytes to come, of the body or of the current chunk */
  size_t size;   /* bytes of the body that are here */
  int state;
  ws_fault fault; /* after HTTP_BAD */
} ws_body;

/* Goes on with n new bytes at p, of which *used are used; data is moved (left,
   if at all) behind the b->size bytes at body. HTTP_WHOLE, HTTP_MORE or
   HTTP_BAD; eof: nothing follows. */
http_result ws_body_read (ws_body *b, unsigned char *body,
                          const unsigned char *p, size_t n, int eof,
                          size_t *used);

#pragma GCC visibility pop

#endif
