/*
** ws_crypto.c - what the protocol needs of OpenSSL beside random bytes: SHA-1
** and base64. Works with 1.1.1 and 3.
*/
#include "ws_http.h"

#include <openssl/evp.h>

static int sha1 (EVP_MD_CTX *ctx, const char *key, size_t n,
                 unsigned char *digest) {
  static const char guid[] = "258EAFA5-E914-47DA-95CA-C5AB0DC85B11";
  return EVP_DigestInit_ex(ctx, EVP_sha1(), NULL) &&
         EVP_DigestUpdate(ctx, key, n) &&
         EVP_DigestUpdate(ctx, guid, sizeof guid - 1) &&
         EVP_DigestFinal_ex(ctx, digest, NULL);
}

int ws_accept_key (char out[29], const char *key, size_t n) {
  unsigned char digest[EVP_MAX_MD_SIZE];
  EVP_MD_CTX *ctx = EVP_MD_CTX_new();
  int ok = ctx && sha1(ctx, key, n, digest);
  EVP_MD_CTX_free(ctx);
  if (!ok) return WS_EINVAL;
  ws_base64(out, digest, 20);
  return 0;
}

void ws_base64 (char *out, const void *p, size_t n) {
  EVP_EncodeBlock((unsigned char *)out, p, (int)n);
}
