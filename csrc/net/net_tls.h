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
/* As net_tls_new for a client, but over the TLS of `under`, whose handshake is
   over; the new one owns it, and ends and frees it with itself. If this returns
   NULL, `under` still is the caller's. What is said of fd means `under`. */
net_tls *net_tls_over (net_tls_ctx *ctx, net_tls *under, const char *name,
                       const char *place);
/* Continues the handshake: 1 once it is over, NET_AGAIN (which needs fd to be
   readable, or writable if net_tls_unsent) or NET_ERROR. net_tls_recv and
   net_tls_sendv do so as well. */
long net_tls_shake (net_tls *t);
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
