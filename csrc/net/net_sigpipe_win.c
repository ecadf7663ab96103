/*
** net_sigpipe_win.c - net_sigpipe.c on Windows, which has no SIGPIPE.
*/
#include "net_posix.h"

#ifndef NET_POSIX

#include "net_sys.h"

void net_sigpipe_block (net_sigpipe *s) { s->was_blocked = s->was_pending = 0; }

void net_sigpipe_restore (const net_sigpipe *s) { (void)s; }

#else
typedef int net_sigpipe_win_is_empty; /* ISO C wants a declaration */
#endif
