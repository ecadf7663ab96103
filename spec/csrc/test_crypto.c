/*
** test_crypto.c - ws_crypto.c: Sec-WebSocket-Accept, keys and random bytes.
*/
#include "test.h"

#include "ws_http.h"

/* RFC 6455 section 1.3. */
TEST(accept_of_the_rfc) {
  char out[29];
  CHECK(ws_accept_key(out, "dGhlIHNhbXBsZSBub25jZQ==", 24) == 0);
  CHECK_STR(out, "s3pPLMBiTxaQ9kYGzzhZRbK+xOo=");
}

TEST(accept_of_another_key) {
  char out[29];
  CHECK(ws_accept_key(out, "x3JJHMbDL1EzLkh9GBhXDw==", 24) == 0);
  CHECK_STR(out, "HSmrc0sMlYUkAGmm5OPpG2HaGWk=");
}

TEST(accept_reads_no_byte_beyond_the_key) {
  char out[29];
  void *key = guard_end("dGhlIHNhbXBsZSBub25jZQ==", 24);
  CHECK(ws_accept_key(out, key, 24) == 0);
  CHECK_STR(out, "s3pPLMBiTxaQ9kYGzzhZRbK+xOo=");
}

TEST(key_is_base64_of_16_bytes) {
  char out[25];
  ws_key_text(out, (const unsigned char *)"the sample nonce");
  CHECK_STR(out, "dGhlIHNhbXBsZSBub25jZQ==");
}

TEST(random_bytes_differ_and_stay_in_bounds) {
  unsigned char a[40] = {0}, b[40] = {0};
  CHECK(ws_random_openssl(NULL, a, 32) == 0);
  CHECK(ws_random_openssl(NULL, b, 32) == 0);
  CHECK(memcmp(a, b, 32) != 0);
  for (int i = 32; i < 40; i++) CHECK(a[i] == 0 && b[i] == 0);
  CHECK(ws_random_openssl(NULL, NULL, 0) == 0);
}
