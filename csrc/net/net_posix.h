/*
** net_posix.h - asks the system's headers for POSIX and its extensions
** (accept4, POLLRDHUP, dladdr), which a strict -std=c99 or -std=c11 hides.
** Included before any other header.
**
** Where systems differ by more than a line, a file for POSIX (NET_POSIX) stands
** beside one for Windows, net_..._win.c.
*/
#ifndef net_posix_h
#define net_posix_h

#ifndef _GNU_SOURCE
#define _GNU_SOURCE
#endif

#ifdef _WIN32
#define _WIN32_WINNT 0x0602 /* Windows 8 */
#define WIN32_LEAN_AND_MEAN
#define __USE_MINGW_ACCESS /* access() understands X_OK */
#else
#define NET_POSIX 1
#endif

#endif
