/*
** net_tls.h - the rest of TLS, for the library itself. What a C host may use of
** it is in net.h.
*/
#ifndef net_tls_h
#define net_tls_h

#include "net_sys.h"

#pragma GCC visibility push(hidden)

/* ---- net_tls_ctx.c */
/* Whether its connections are servers. */
int net_tls_is_server (const net_tls_ctx *ctx);

/* ---- net_tls.c */
/* Whether the last net_tls_recv found nothing at all on fd. */
int net_tls_dry (const net_tls *t);
/* Encrypted bytes that the kernel took. */
uint64_t net_tls_sent (const net_tls *t);
int net_tls_resumed (const net_tls *t); /* did it resume a session? */
int net_tls_heard (net_tls *t); /* have bytes arrived since the last call? */
/* Whether net_tls_recv has yet to return whole records, or given bytes. */
int net_tls_unread (const net_tls *t);

#pragma GCC visibility pop

#endif
