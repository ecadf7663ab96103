/*
** net_posix.h - asks the system's headers for POSIX and its extensions
** (accept4, POLLRDHUP, dladdr), which a strict -std=c99 or -std=c11 hides.
** Included before any other header.
*/
#ifndef net_posix_h
#define net_posix_h

#ifndef _GNU_SOURCE
#define _GNU_SOURCE
#endif

#endif
