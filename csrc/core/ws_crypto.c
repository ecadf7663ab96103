/*
** ws_crypto.c - what the protocol needs of OpenSSL beside random bytes: SHA-1
** and base64. Works with 1.1.1 and 3.
**
** SHA-1 by the functions that OpenSSL 3 calls deprecated: its EVP_ functions
** look the algorithm up in locked tables for each digest, which costs more than
** this digest itself.
*/
#define OPENSSL_SUPPRESS_DEPRECATED

#include "ws_http.h"

#include <openssl/evp.h>
#include <openssl/sha.h>

int ws_accept_key (char out[29], const char *key, size_t n) {
  static const char guid[] = "258EAFA5-E914-47DA-95CA-C5AB0DC85B11";
  unsigned char digest[SHA_DIGEST_LENGTH];
  SHA_CTX sha1;
  if (!SHA1_Init(&sha1) || !SHA1_Update(&sha1, key, n) ||
      !SHA1_Update(&sha1, guid, sizeof guid - 1) || !SHA1_Final(digest, &sha1))
    return WS_EINVAL;
  ws_base64(out, digest, sizeof digest);
  return 0;
}

void ws_base64 (char *out, const void *p, size_t n) {
  EVP_EncodeBlock((unsigned char *)out, p, (int)n);
}
