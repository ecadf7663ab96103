/*
** lua_conn.h - the userdata `websock.conn`, for the files that hold its
** methods:
**
**   lua_conn.c   its life, bytes in, its state
**   lua_transport.c   its descriptor, and TLS
**   lua_tap.c   copies of its bytes
**   lua_peer.c   what is kept of a server's peer
**   lua_head.c   the opening handshake
**   lua_upgrade.c   a server's usual answer
**   lua_recv.c   messages in
**   lua_seat.c   the coroutine that receives
**   lua_callback.c   callbacks that receive in its place
**   lua_send.c   messages and bytes out
**
** and for those that serve many connections without Lua in between, see
** lua_turn.h.
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

/* Flags that pull, feed and poll return. */
enum {
  SAW_EVENT = 1,   /* receive (or handshake) has a result */
  SAW_MORE = 2,    /* the read filled its room: there may be more */
  SAW_PONG = 4,    /* a ping was answered */
  SAW_STATE = 8,   /* the state changed */
  SAW_OUT = 16,    /* there is output to write */
  SAW_END = 32,    /* the transport has ended */
  SAW_DRY = 64,    /* there was nothing to read */
  SAW_HELD = 128,  /* a Close, or a broken rule, is held behind messages */
  SAW_SWELLS = 256 /* what was read may inflate to much: it is inflated when
                      it is taken, last in the turn */
};

/* What pull, feed and poll look for. */
enum { WANT_NOTHING, WANT_MESSAGE /* or the handshake's event */, WANT_PART };

/* State of a conn's seat: of the coroutine in it, which has yielded, or of the
   callbacks that receive in place of a coroutine of the user's. */
enum {
  EMPTY,   /* no coroutine */
  PARKED,  /* waits for data; lua_serve.c may resume it directly */
  BY_LOOP, /* waits for data, with a deadline or called outside the loop:
              only the loop resumes it */
  WOKEN,   /* will be resumed */
  NEXT,    /* is resumed by lua_serve.c once Lua knows what has come */
  RESTING, /* has yielded so that others run; will be resumed */
  FREE,    /* callbacks: none runs, the next one may be called */
  CALLING  /* callbacks: a coroutine was lent to them, and runs, waits or will
              be resumed */
};

/* Callbacks that are due before the next message. */
enum { DUE_OPEN = 1, DUE_DRAIN = 2 };

/* The receiver (lua_seat.c). A coroutine has the seat while it waits in one of
   the functions of lua_ws_receive.c; callbacks have it for good. */
typedef struct seat {
  lua_State *thread;      /* CONN_RECEIVER, who has it or had it last */
  uint32_t bytes;         /* taken without waiting */
  unsigned char streak;   /* messages or parts of those, see websock_took */
  unsigned char how;      /* EMPTY ... */
  unsigned char want;     /* WANT_... */
  unsigned char received; /* the application has received, or tried to */
  unsigned char due;      /* DUE_... */
  unsigned char muted;    /* callbacks get no more messages */
} seat;

/* What many conns share: the core's part, and which requests lua_upgrade.c
   answers. */
typedef struct config {
  const char *type; /* websock_config_type, see websock_check */
  ws_config core;
  size_t max_queue;    /* of a conn */
  unsigned char usual; /* it answers the usual ones */
  unsigned char any_origin;
} config;

#define CONFIG_TYPE "websock.config"
extern const char websock_config_type[];

/* User values of a config. */
enum {
  CONFIG_POOL = 1,
  CONFIG_PROTOCOLS,
  CONFIG_FIELDS,
  CONFIG_ORIGIN,
  CONFIG_HOST,
  CONFIG_VALUES = CONFIG_HOST
};

/* User values of a conn. */
enum {
  CONN_CONFIG = 1,
  CONN_LINK,
  CONN_RECEIVER,
  CONN_BODY = CONN_RECEIVER, /* the body of a refusal while it is written: such
                                a connection has no receiver */
  CONN_VALUES = CONN_RECEIVER
};

typedef struct peer peer; /* lua_peer.c */
typedef struct tap tap;   /* lua_tap.c */

typedef struct conn {
  const char *type; /* websock_conn_type, see websock_check */
  net_fd fd;
  net_tls *tls;          /* over fd, or NULL; keeps its errors without fd */
  peer *peer;            /* NULL for a client */
  tap *tap;              /* gets a copy of all bytes; usually NULL */
  unsigned char alive;   /* core is initialised */
  unsigned char server;  /* it is a server's */
  unsigned char blocked; /* the last write was short */
  unsigned char broken;  /* a write failed: nothing more is sent */
  unsigned char state;   /* ws_state, as reported last */
  unsigned char more;    /* there may be more to read, with no event to come */
  unsigned char hangup;  /* no event will come: read until nothing is left */
  unsigned char dry;     /* the last read took all that was there */
  unsigned char heard;   /* bytes have come, see heartbeat.lua */
  unsigned char marked;  /* is in the turn's list of conns to flush */
  unsigned char line;    /* a coroutine waits to send, or a writer is open */
  unsigned char unusual; /* Lua answers its request */
  unsigned char
      missed;     /* memory ran out while it was served: see lua_flush.c */
  uint32_t calls; /* that may have changed what there is to take */
  seat seat;
  const char *err;   /* of the write that failed, until it is reported */
  uint64_t ponged;   /* ws_ponged, as reported last */
  uint64_t written;  /* bytes that the transport has taken */
  uint64_t accepted; /* bytes that the peer has taken, see conn:accepted */
  size_t max_queue;  /* bytes queued above which send waits */
  double used;       /* time of the last message, see heartbeat.lua */
  union lua_align core[];
} conn;

#define CONN_TYPE "websock.conn"
extern const char websock_conn_type[];
#define core(c) ((ws_conn *)(void *)(c)->core)

/* Returns the conn at 1, or raises. */
conn *websock_toconn (lua_State *L);
/* Returns the conn at arg, or raises unless it has no descriptor yet. */
conn *websock_check_bare (lua_State *L, int arg);
/* Keeps the head of the current request. -1: memory is short, nothing is
   done. */
int websock_keep_request (lua_State *L, conn *c);
void websock_free_peer (lua_State *L, conn *c);
/* net_recv and net_sendv on the transport: the descriptor, or TLS over it. */
long websock_recv (conn *c, void *p, size_t n);
long websock_sendv (conn *c, const net_iov *v, int n);
/* Whether to read once more after a read that got `got` bytes of `room`. */
int websock_more (const conn *c, long got, size_t room);
/* Whether that read found nothing on the descriptor. With TLS it may have found
   bytes but returned none. */
int websock_dry (const conn *c, long got);
/* Tries to write TLS's own output. Returns whether some is left. */
int websock_unsent (conn *c);
/* The text of the NET_ERROR that one of these returned. */
const char *websock_why (const conn *c);
/* ---- lua_tap.c: notes bytes that the transport has given or taken: the first
   `size` of those in v */
void websock_tap_received (tap *t, const void *bytes, size_t size);
void websock_tap_sent (tap *t, const net_iov *v, size_t size);
/* Ends the copying. Idempotent. */
void websock_untap (conn *c);

/* Whether a server's closing handshake is clean and nothing is left to read. */
int websock_is_over (conn *c);
/* Closes the descriptor. Idempotent. */
void websock_closefd (conn *c);
/* Reads once. Returns what websock_digest does, with flags of the read; -1 if
   memory is short, and then nothing was read. */
int websock_pull (conn *c, int want);
/* The same for a caller that resumes the receiver at once if there is something
   for it (SAW_EVENT alone). What lies behind that has not been looked at: it is
   when the caller calls websock_digest. Pings before it have been answered. */
int websock_pull_first (conn *c, int want);
/* Returns what has changed since the last call (SAW_...). */
int websock_digest (conn *c, int want);
/* Writes the queue. Returns 0, or NET_ERROR after a failed write: then nothing
   more is sent, but what the peer still sends can be read. */
int websock_push (conn *c);
/* Bytes queued that max_queue counts: pongs do not, as they never take more
   than a KiB. */
size_t websock_backlog (conn *c);
/* Whether a coroutine, or callbacks, have the seat; removes a coroutine that
   was closed. */
int websock_is_received (conn *c);
/* Notes that the application receives: from now on an end behind messages is
   held until they are taken. */
void websock_receives (conn *c);
/* Gives the coroutine L the seat of the conn at index `at`. The caller yields
   next, and calls websock_leave when it is resumed. how: PARKED, BY_LOOP or
   RESTING. */
void websock_sit (lua_State *L, conn *c, int at, int how, int want);
void websock_leave (conn *c);
/* Whether the receiver has taken so much without waiting that it must yield,
   unless nothing is left to take, so that it waits anyhow. */
int websock_is_greedy (const conn *c);
/* Counts a message, or a part of one, taken at this time. */
void websock_took (conn *c, size_t size, double now);
/* Pushes a result of the core: true, or nil and the rule that was broken.
   Raises an error for lack of memory or randomness. */
int websock_pushresult (lua_State *L, conn *c, int r);
/* Pushes a result that is no event: nil, "again"; nil, "in parts"; nil,
   "closed", code, reason. */
int websock_noevent (lua_State *L, conn *c, int r);

/* Takes what is wanted: pushes its data, and *ev is the event. If there is
   nothing, returns the core's result, for websock_noevent. */
int websock_take (lua_State *L, conn *c, int want, ws_event *ev);
/* Pushes what is returned after the data: its kind, an upvalue (see
   websock_pushkind), and for a part whether it is the last. Allocates nothing.
   Returns the number of values with the data. */
int websock_pushrest (lua_State *L, const ws_event *ev, int kinds);
/* Queues the string at `message`, unless more than max_queue bytes are queued.
   Returns 0, or -1 if it did nothing. */
int websock_queue (lua_State *L, conn *c, int message, int opcode);
/* The value of the current event's first field of this name, which is in lower
   case; p is NULL if it has none. */
ws_str websock_field (const ws_conn *core, const char *name);
/* The string at arg, or NULL and 0. */
ws_str websock_str (lua_State *L, int arg);
/* Fills in fields from the list {name, value, name, value ...} at index list,
   which keeps their strings alive. */
void websock_getfields (lua_State *L, int list, ws_field *fields, size_t n);
/* Whether websock_upgrade is to be asked about the request of the conn at index
   `at`, which has not arrived. */
int websock_may_upgrade (lua_State *L, int at);
/* Answers the request that has arrived, if it is a usual one, and pushes the
   subprotocol or nil. Otherwise does nothing and returns 0. Creates no Lua
   value. */
int websock_upgrade (lua_State *L, int at);

/* ---- lua_ws.c: the table that users have for a connection */
/* Pushes the conn of the ws at index `ws` and returns it. If that is none,
   pushes nothing and returns NULL. */
conn *websock_pushconn (lua_State *L, int ws);
/* Returns the opcode of "text", nil or "binary" at arg, -1 for anything
   else. */
int websock_kind (lua_State *L, int arg);
/* Pushes "text" and "binary", for two upvalues; pushes the one for this opcode,
   where `kinds` is the number of the first. */
void websock_pushkinds (lua_State *L);
void websock_pushkind (lua_State *L, int opcode, int kinds);

/* Whether a callback is due, or a message for one. */
int websock_is_due (conn *c);

extern const luaL_Reg websock_head_methods[], websock_peer_methods[],
    websock_recv_methods[], websock_seat_methods[], websock_send_methods[],
    websock_transport_methods[], websock_upgrade_methods[];

/* ---- lua_stream.c: gives up the descriptor of the websock.stream at arg, and
   the TLS over it (or NULL), to the caller; raises if it is closed. */
net_fd websock_take_stream (lua_State *L, int arg, net_tls **tls);

/* Returns the context of the websock.tls at arg, or raises. */
net_tls_ctx *websock_totls (lua_State *L, int arg);

#pragma GCC visibility pop

#endif
