/*
** test_crypto.c - ws_crypto.c: Sec-WebSocket-Accept, keys and random bytes.
*/
#include <sys/wait.h>
#include <unistd.h>

#include "feed.h"

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
  char out[WS_BASE64(16)];
  CHECK(sizeof out == 25);
  ws_base64(out, "the sample nonce", 16);
  CHECK_STR(out, "dGhlIHNhbXBsZSBub25jZQ==");
}

/* RFC 4648 section 10, and without line breaks at any length. */
TEST(base64_is_padded) {
  static const struct {
    const char *in, *out;
  } all[] = {{"", ""},        {"f", "Zg=="},        {"fo", "Zm8="},
             {"foo", "Zm9v"}, {"foob", "Zm9vYg=="}, {"\xff\xef\xbe", "/+++"}};
  char out[WS_BASE64(300)], most[300] = {0};
  for (size_t i = 0; i < sizeof all / sizeof all[0]; i++) {
    size_t n = strlen(all[i].in);
    CHECK(WS_BASE64(n) == strlen(all[i].out) + 1);
    ws_base64(out, all[i].in, n);
    CHECK_STR(out, all[i].out);
  }
  ws_base64(out, most, sizeof most);
  CHECK(strlen(out) == 400 && strspn(out, "A") == 400);
}

/* ATTACKS row 17: parent and child of a fork do not draw the same keys. */
TEST(a_fork_gets_another_stream) {
  unsigned char ours[16], theirs[16];
  int ends[2];
  CHECK(ws_random_openssl(NULL, ours, 4) == 0); /* there is a block now */
  CHECK(pipe(ends) == 0);
  pid_t child = fork();
  CHECK(ws_random_openssl(NULL, ours, 16) == 0);
  if (child == 0) {
    ssize_t n = write(ends[1], ours, 16);
    _exit(n == 16 ? 0 : 1);
  }
  CHECK(read(ends[0], theirs, 16) == 16);
  CHECK(memcmp(ours, theirs, 16) != 0);
  CHECK(waitpid(child, NULL, 0) == child);
  close(ends[0]);
  close(ends[1]);
}

/* Blocks end anywhere: no four bytes are used twice. */
TEST(keys_differ_over_many_blocks) {
  enum { KEYS = 2000 };
  static uint32_t keys[KEYS];
  unsigned twice = 0;
  for (size_t i = 0; i < KEYS; i++) {
    CHECK(ws_random_openssl(NULL, &keys[i], i % 7 == 0 ? 3 : 4) == 0);
    for (size_t j = 0; j < i; j++) twice += keys[i] == keys[j];
  }
  CHECK(twice < 5); /* by chance: once in 2,000 runs */
}

TEST(random_bytes_differ_and_stay_in_bounds) {
  unsigned char a[40] = {0}, b[40] = {0};
  CHECK(ws_random_openssl(NULL, a, 32) == 0);
  CHECK(ws_random_openssl(NULL, b, 32) == 0);
  CHECK(memcmp(a, b, 32) != 0);
  for (int i = 32; i < 40; i++) CHECK(a[i] == 0 && b[i] == 0);
  CHECK(ws_random_openssl(NULL, NULL, 0) == 0);
}
