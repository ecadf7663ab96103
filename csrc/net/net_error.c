/*
** net_error.c - the errors of system calls, and their texts.
*/
#include "net_posix.h"

#include <errno.h>

#include "net.h"

int net_error (void) { return errno; }

const char *net_error_text (int err) {
  switch (err) {
    case ECONNRESET:
    case EPIPE:
    case ECONNABORTED: return "reset";
    case ECONNREFUSED: return "connection refused";
    case EAGAIN: /* of a connect: nobody accepts at that Unix socket */
    case ETIMEDOUT: return "timeout";
    case EHOSTUNREACH:
#ifdef EHOSTDOWN
    case EHOSTDOWN:
#endif
    case ENETDOWN:
    case ENETUNREACH: return "no route";
    case EADDRINUSE: return "address in use";
    case EADDRNOTAVAIL: return "address not available";
    case EAFNOSUPPORT: return "address family not supported by protocol";
    case EINVAL: return "invalid argument";
    case ENAMETOOLONG: return "path too long";
    case ENOENT: return "no such file or directory";
    case ENOTDIR: return "not a directory";
    case EPROTOTYPE: return "protocol wrong type for socket";
    case EROFS: return "read-only file system";
    case EMFILE:
    case ENFILE: return "too many open files";
    case EACCES:
    case EPERM: return "permission denied";
    case EBADF: return "bad descriptor";
    case EBUSY: return "busy";
    case ENOBUFS:
    case ENOMEM: return "not enough memory";
    case ENOTSOCK: return "not a socket";
    case ENOTCONN: return "not connected";
    default: return "input/output error";
  }
}
