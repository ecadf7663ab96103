/*
** lua_conn.h - the userdata `websock.conn`, for the files that hold its
** methods:
**
**   lua_conn.c   its life, bytes in, its state
**   lua_transport.c   its descriptor, and TLS
**   lua_head.c   the opening handshake
**   lua_recv.c   messages in
**   lua_send.c   messages and bytes out
**
** and for those that serve many connections without Lua in between: lua_turn.c,
** lua_receive.c, lua_fast.c, lua_broadcast.c.
*/
#ifndef lua_conn_h
#define lua_conn_h

#include <stddef.h>

#include "lua_int.h"
#include "net_tls.h"
#include "ws.h"

#pragma GCC visibility push(hidden)

/* How Lua aligns userdata: less than max_align_t with one user value. */
union lua_align {
  LUAI_MAXALIGN;
};

/* What pull, feed and poll tell. */
enum {
  SAW_EVENT = 1,   /* receive (or handshake) has something to say */
  SAW_MORE = 2,    /* the read filled its room: there may be more */
  SAW_PONG = 4,    /* a ping was answered */
  SAW_STATE = 8,   /* the state changed */
  SAW_OUT = 16,    /* something waits to be written */
  SAW_END = 32,    /* the transport has ended */
  SAW_DRY = 64,    /* there was nothing to read */
  SAW_HELD = 128,  /* a Close, or a broken rule, waits behind messages */
  SAW_SWELLS = 256 /* what was read may inflate to much: it is taken last in
                      the turn, and only then inflated */
};

/* What is looked for in what has arrived. */
enum { WANT_NOTHING, WANT_MESSAGE /* or the handshake's event */, WANT_PART };

/* What the coroutine does that has the seat of a conn: it has yielded. */
enum {
  EMPTY,   /* there is none */
  PARKED,  /* waits until there is something; lua_turn.c may resume it */
  BY_LOOP, /* the same, but it has a deadline, or was called outside the loop:
              the loop lets it go on */
  WOKEN,   /* will go on */
  RESTING  /* lets others have their turn */
};

/* Who receives (lua_seat.c). A coroutine has the seat as long as it waits in
   one of the functions of lua_receive.c. */
typedef struct seat {
  lua_State *thread;      /* CONN_RECEIVER, who has it or had it last */
  uint32_t bytes;         /* of what was taken without waiting */
  unsigned char streak;   /* messages or parts of that, see websock_took */
  unsigned char how;      /* EMPTY ... */
  unsigned char want;     /* WANT_... */
  unsigned char received; /* the application has received, or tried to */
} seat;

/* User values of a conn. */
enum {
  CONN_CONFIG = 1,
  CONN_LINK,
  CONN_RECEIVER,
  CONN_BODY = CONN_RECEIVER, /* the body of an answer that is being written: who
                                is refused receives nothing */
  CONN_VALUES = CONN_RECEIVER
};

typedef struct conn {
  net_fd fd;
  net_tls *tls;          /* over fd, or NULL; has its errors when fd is gone */
  unsigned char alive;   /* core is initialised */
  unsigned char blocked; /* the last write came up short */
  unsigned char broken;  /* a write failed: nothing more is sent */
  unsigned char state;   /* ws_state, as told last */
  unsigned char more;    /* there may be more to read, with no event to come */
  unsigned char heard;   /* bytes have come, see heartbeat.lua */
  unsigned char marked;  /* is in the list of those to be flushed */
  unsigned char line;    /* somebody waits to send, or writes a message */
  uint32_t taken;        /* events taken so far */
  seat seat;
  const char *err;   /* of the write that failed, until it is told */
  uint64_t ponged;   /* ws_ponged, as told last */
  uint64_t written;  /* bytes that the transport has taken */
  uint64_t accepted; /* and the peer, see conn:accepted */
  size_t max_queue;  /* bytes queued above which send waits */
  double used;       /* when a message went in or out, see heartbeat.lua */
  union lua_align core[];
} conn;

#define CONN_TYPE "websock.conn"
#define core(c) ((ws_conn *)(void *)(c)->core)

/* The conn at 1. */
conn *websock_toconn (lua_State *L);
/* The transport, the descriptor or TLS over it, as net_recv and net_sendv have
   it. */
long websock_recv (conn *c, void *p, size_t n);
long websock_sendv (conn *c, const net_iov *v, int n);
/* Whether to read once more after `got` bytes of `room`. */
int websock_more (const conn *c, long got, size_t room);
/* Whether it found nothing on the descriptor: TLS may have kept what it
   found. */
int websock_dry (const conn *c, long got);
/* Tries to write what TLS itself has to say; whether some of it is left. */
int websock_unsent (conn *c);
/* What the NET_ERROR of one of these meant. */
const char *websock_why (const conn *c);
/* Gives the descriptor up. Idempotent. */
void websock_closefd (conn *c);
/* One read, if p is not NULL, and what has changed since this was asked last
   (SAW_...). -1: no memory, and nothing happened. */
int websock_pull (conn *c, int want);
int websock_digest (conn *c, int want);
/* Offers what is queued to the kernel: 0, or NET_ERROR after a failed write,
   and then nothing more is sent: what the peer still sends can be read. */
int websock_push (conn *c);
/* Bytes queued that max_queue is about: of pongs never more than a KiB
   waits. */
size_t websock_backlog (conn *c);
/* Whether a coroutine has the seat; forgets one that was closed. */
int websock_is_received (conn *c);
/* Its application receives: an end behind messages waits for it from now on. */
void websock_receives (conn *c);
/* Has the coroutine L take the seat of the conn at index `at`; it yields
   next, and leaves the seat when it goes on. how: PARKED, BY_LOOP or
   RESTING. */
void websock_sit (lua_State *L, conn *c, int at, int how, int want);
void websock_leave (conn *c);
/* Whether so much was taken without waiting that others come first. */
int websock_is_greedy (const conn *c);
/* A message, or a part, of so many bytes was taken, at this time. */
void websock_took (conn *c, size_t size, double now);
/* What a result of the core is in Lua: true; nil and the rule that was broken;
   an error for lack of memory or randomness. */
int websock_pushresult (lua_State *L, conn *c, int r);
/* What a result that is no event is: nil, "again"; nil, "in parts"; nil,
   "closed", code, reason. */
int websock_noevent (lua_State *L, conn *c, int r);

/* Takes what is wanted, if it is there: pushes it and its kind (of a part also
   whether it is the last) and returns their number; otherwise what the core
   said, for websock_noevent. */
int websock_take (lua_State *L, conn *c, int want);
/* Queues the string at `message`, if not more than max_queue bytes are
   queued: 0, or -1 and nothing has happened. */
int websock_queue (lua_State *L, conn *c, int message, int opcode);
/* The opcode of "text" (or nothing) or "binary" at arg, -1 for anything
   else. */
int websock_kind (lua_State *L, int arg);

extern const luaL_Reg websock_head_methods[], websock_recv_methods[],
    websock_seat_methods[], websock_send_methods[], websock_transport_methods[];

/* The context at arg, a websock.tls. */
net_tls_ctx *websock_totls (lua_State *L, int arg);

#pragma GCC visibility pop

#endif
