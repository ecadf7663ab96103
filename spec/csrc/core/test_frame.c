/*
** test_frame.c - frame headers and the rules that one header can break (RFC
** 6455 sections 5.1, 5.2, 5.4, 5.5), each found at the earliest byte.
*/
#include "frames.h"

#include "ws_frame.h"

#define RSV "reserved bits are set (RFC 6455 5.2)"
#define OPCODE "reserved opcode (RFC 6455 5.2)"
#define NO_FIN "fragmented control frame (RFC 6455 5.5)"
#define NO_MESSAGE "continuation without a message (RFC 6455 5.4)"
#define INSIDE "new message inside a fragmented one (RFC 6455 5.4)"
#define UNMASKED "unmasked frame from a client (RFC 6455 5.1)"
#define MASKED "masked frame from a server (RFC 6455 5.1)"
#define OVER "control frame over 125 bytes (RFC 6455 5.5)"
#define MINIMAL "length in more bytes than needed (RFC 6455 5.2)"
#define TOP_BIT "length with its top bit set (RFC 6455 5.2)"

/* The connection fails with this rule at the n-th byte and not before. */
static void check_fails_at (int role, const void *bytes, size_t n,
                            unsigned code, const char *rule) {
  feed how = {.role = role, .open_ended = 1};
  text want = {NULL, 0, 0};
  text_addf(&want, "state %d", WS_OPENED);
  CHECK_STR(feed_all(&how, bytes, n - 1), want.p);
  text_clear(&want);
  frame_failed(&want, role, code, rule);
  CHECK_STR(feed_all(&how, bytes, n), want.p);
  text_free(&want);
}

TEST(first_byte) {
  BOTH(role) for (int first = 0; first < 256; first++) {
    unsigned char b = (unsigned char)first;
    int opcode = first & 15;
    const char *rule = first & 0x70                                ? RSV
                       : (opcode > 2 && opcode < 8) || opcode > 10 ? OPCODE
                       : opcode >= 8 && first < 0x80               ? NO_FIN
                       : opcode == 0                               ? NO_MESSAGE
                                                                   : NULL;
    feed how = {.role = role, .open_ended = 1};
    if (rule)
      check_fails_at(role, &b, 1, 1002, rule);
    else
      CHECK_STR(feed_all(&how, &b, 1), "state 1");
  }
}

TEST(first_byte_inside_a_message) {
  BOTH(role) for (int first = 0; first < 256; first++) {
    text t = {NULL, 0, 0};
    int opcode = first & 15;
    if (first & 0x70 || opcode > 2) continue;
    frame_str(&t, role, TEXT, "");
    frame_bytes(&t, 1, (uint64_t)first);
    feed how = {.role = role, .open_ended = 1};
    if (opcode != 0)
      check_fails_at(role, t.p, t.n, 1002, INSIDE);
    else
      CHECK_STR(feed_all(&how, t.p, t.n), "state 1");
    text_free(&t);
  }
}

TEST(mask_bit) {
  check_fails_at(WS_SERVER, "\x81\x00", 2, 1002, UNMASKED);
  check_fails_at(WS_SERVER, "\x81\x7F", 2, 1002, UNMASKED);
  check_fails_at(WS_SERVER, "\x89\x7F", 2, 1002, UNMASKED);
  check_fails_at(WS_CLIENT, "\x81\x80", 2, 1002, MASKED);
  check_fails_at(WS_CLIENT, "\x88\xFE", 2, 1002, MASKED);
}

TEST(control_length) {
  BOTH(role)
  for (int opcode = CLOSE; opcode <= PONG; opcode++)
    for (int length7 = 126; length7 <= 127; length7++) {
      unsigned char b[2] = {
          (unsigned char)(FIN | opcode),
          (unsigned char)(length7 | (role == WS_SERVER ? 0x80 : 0))};
      check_fails_at(role, b, 2, 1002, OVER);
    }
}

static void check_length (int role, int size, uint64_t length, size_t at,
                          unsigned code, const char *rule) {
  text t = {NULL, 0, 0};
  frame_header(&t, role, FIN | BINARY, size, length);
  check_fails_at(role, t.p, at, code, rule);
  text_free(&t);
}

TEST(lengths_in_more_bytes_than_needed) {
  BOTH(role) {
    check_length(role, 2, 0, 4, 1002, MINIMAL);
    check_length(role, 2, 125, 4, 1002, MINIMAL);
    check_length(role, 8, 0, 8, 1002, MINIMAL);
    check_length(role, 8, 125, 8, 1002, MINIMAL);
    check_length(role, 8, 126, 8, 1002, MINIMAL);
    check_length(role, 8, 65535, 8, 1002, MINIMAL);
  }
}

TEST(lengths_of_64_bits) { /* ATTACKS row 7 */
  BOTH(role) {
    check_length(role, 8, (uint64_t)1 << 63, 3, 1002, TOP_BIT);
    check_length(role, 8, UINT64_MAX, 3, 1002, TOP_BIT);
    check_length(role, 8, UINT64_MAX >> 1, 10, 1009, "message too big");
    check_length(role, 8, ((uint64_t)1 << 32) - 1, 10, 1009, "message too big");
    check_length(role, 8, (uint64_t)1 << 32, 10, 1009, "message too big");
    check_length(role, 8, ((uint64_t)1 << 32) + 1, 10, 1009, "message too big");
  }
}

static void no_limits (ws_config *config) {
  config->max_message = config->max_fragments = WS_NO_LIMIT;
}

/* A length that would wrap around in any addition. */
TEST(lengths_that_wrap) {
  BOTH(role) for (uint64_t back = 0; back < 20; back++) {
    text t = {NULL, 0, 0};
    feed how = {.role = role, .configure = no_limits};
    frame_str(&t, role, BINARY, "some bytes");
    frame_header(&t, role, FIN | CONT, 8, (UINT64_MAX >> 1) - back);
    frame_payload(&t, role, "and few more", 12);
    for (how.ahead = 0; how.ahead < 2; how.ahead++)
      CHECK_STR(feed_all(&how, t.p, t.n), "end 1006 \"eof\"");
    how.parts = 100;
    CHECK_STR(feed_all(&how, t.p, t.n), "part of 22; end 1006 \"eof\"");
    text_free(&t);
  }
}

/* ATTACKS row 8: every header cut at every byte, before an unreadable page. */
TEST(truncated_headers_at_guard_pages) {
  static const struct {
    int size;
    uint64_t length;
  } cases[] = {{0, 0},     {0, 125},   {2, 126},
               {2, 65535}, {8, 65536}, {8, UINT64_MAX >> 1}};
  BOTH(role) for (size_t i = 0; i < COUNT(cases); i++) {
    text t = {NULL, 0, 0};
    ws_frame f;
    frame_header(&t, role, FIN | TEXT, cases[i].size, cases[i].length);
    for (size_t n = 0; n < t.n; n++) {
      CHECK(ws_frame_parse(&f, guard_end(t.p, n), n, role, 0, 0) == 0);
      int known = n >= 2 + (size_t)cases[i].size;
      CHECK((f.size > 0) == known && (!known || f.length == cases[i].length));
    }
    CHECK(ws_frame_parse(&f, guard_end(t.p, t.n), t.n, role, 0, 0) == 1);
    CHECK(f.size == t.n && f.length == cases[i].length && f.fin);
    CHECK(f.opcode == WS_TEXT);
    text_free(&t);
  }
}

TEST(built_headers) {
  static const uint64_t lengths[] = {
      0, 1, 125, 126, 65535, 65536, UINT64_MAX >> 1};
  for (size_t i = 0; i < COUNT(lengths); i++) {
    uint64_t n = lengths[i];
    int size = n < 126 ? 0 : n < 65536 ? 2 : 8;
    BOTH(role) {
      text t = {NULL, 0, 0};
      unsigned char p[WS_HEADER];
      frame_header(&t, role, FIN | TEXT, size, n);
      size_t k = ws_frame_build(
          p, FIN | TEXT, n,
          role == WS_SERVER ? (const unsigned char *)"\x9A\x01\xC3\x57" : NULL);
      CHECK(k == t.n && memcmp(p, t.p, k) == 0);
      text_free(&t);
    }
  }
}
