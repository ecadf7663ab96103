/*
** crypto.c - ws_crypto.c and ws_random.c over what Windows has itself, for
** tests where no OpenSSL for Windows is installed.
*/
#include <windows.h>

#include <bcrypt.h>
#include <wincrypt.h>

#include "ws_http.h"

int ws_accept_key (char out[29], const char *key, size_t n) {
  static const char guid[] = "258EAFA5-E914-47DA-95CA-C5AB0DC85B11";
  BCRYPT_ALG_HANDLE sha1;
  BCRYPT_HASH_HANDLE hash;
  UCHAR digest[20];
  int ok;
  if (BCryptOpenAlgorithmProvider(&sha1, BCRYPT_SHA1_ALGORITHM, NULL, 0) != 0)
    return WS_EINVAL;
  ok = BCryptCreateHash(sha1, &hash, NULL, 0, NULL, 0, 0) == 0 &&
       BCryptHashData(hash, (PUCHAR)(uintptr_t)key, (ULONG)n, 0) == 0 &&
       BCryptHashData(hash, (PUCHAR)(uintptr_t)guid, sizeof guid - 1, 0) == 0 &&
       BCryptFinishHash(hash, digest, sizeof digest, 0) == 0;
  BCryptDestroyHash(hash);
  BCryptCloseAlgorithmProvider(sha1, 0);
  if (!ok) return WS_EINVAL;
  ws_base64(out, digest, sizeof digest);
  return 0;
}

void ws_base64 (char *out, const void *p, size_t n) {
  DWORD size = (DWORD)((n + 2) / 3 * 4 + 1);
  CryptBinaryToStringA(p, (DWORD)n, CRYPT_STRING_BASE64 | CRYPT_STRING_NOCRLF,
                       out, &size);
}

int ws_random_openssl (void *ud, void *out, size_t n) {
  (void)ud;
  return BCryptGenRandom(NULL, out, (ULONG)n,
                         BCRYPT_USE_SYSTEM_PREFERRED_RNG) == 0
             ? 0
             : -1;
}
