/*
** ws.h - the WebSocket protocol (RFC 6455) as a state machine.
**
** Bytes in, events out; messages in, bytes out. No sockets, no clock, no Lua:
** whoever owns the transport calls
**
**     p = ws_reserve(c, 1, &room);  n = recv(fd, p, room, 0);
**     ws_commit(c, n);                                (or ws_eof when n == 0)
**     while ((r = ws_next(c, &ev)) > 0) { ...use ev...; ws_taken(c); }
**                        (a WS_REQUEST may as well be answered some time later)
**     n = ws_pending(c, iov, WS_IOV);  n = writev(fd, iov, n);  ws_sent(c, n);
**
** A host with many connections and a clock also asks ws_wants_read, ws_deadline
** and ws_transport; see there for its loop.
**
** Nothing calls back, but for memory (ws_alloc) and randomness (ws_random).
** A connection is used by one thread at a time; connections share nothing but
** the ws_config they were given.
*/
#ifndef ws_h
#define ws_h

#include <math.h> /* HUGE_VAL */
#include <stddef.h>
#include <stdint.h>

/* Defined where the functions below are compiled into a library of their own,
   libwebsock.so, which exports them and nothing else. */
#ifdef WS_EXPORT
#pragma GCC visibility push(default)
#endif

#ifdef __cplusplus
extern "C" {
#endif

/* The version of this header; ws_version is that of the library ("0.1.0").
   Libraries with the same first two numbers can replace each other. */
#define WS_VERSION_MAJOR 0
#define WS_VERSION_MINOR 1
#define WS_VERSION_PATCH 0
#define WS_VERSION "0.1.0"
const char *ws_version (void);

/* Memory: lua_Alloc's signature. nsize 0 frees; otherwise NULL means failure
   and the old block stays as it was. Where a function takes a ws_alloc, NULL
   means realloc and free. */
typedef void *(*ws_alloc)(void *ud, void *ptr, size_t osize, size_t nsize);

/* Randomness for masking keys and handshake keys: fills n bytes, 0 on success.
   It has to be unpredictable (RFC 6455 section 10.3). */
typedef int (*ws_random)(void *ud, void *out, size_t n);

/* OpenSSL's RAND_bytes behind a ws_random; what a NULL in ws_config means. */
int ws_random_openssl (void *ud, void *out, size_t n);

enum { WS_CLIENT, WS_SERVER };

#define WS_NO_LIMIT SIZE_MAX

/* What connections lend each other while they work on a message: receive
   blocks, zlib's streams, the bytes of small shared frames. A few are kept,
   so that ten thousand connections that are idle, or have sent half a
   message, own little. Connections that share a pool are used by one thread
   at a time, and have the pool's allocator. */
typedef struct ws_pool ws_pool;

/* Size of a ws_pool, for hosts that place it in memory of their own. */
size_t ws_pool_size (void);

/* Makes p an empty pool. Allocates nothing. */
void ws_pool_init (ws_pool *p, ws_alloc alloc, void *ud);

/* Gives back all that is in it; what still comes back is freed at once. */
void ws_pool_free (ws_pool *p);

/* Gives back the large blocks (each at most 4 MiB) that nobody has used
   since it was called last: for a host to call now and then. */
void ws_pool_trim (ws_pool *p);

/* permessage-deflate (RFC 7692): what a client offers and a server accepts. */
typedef struct ws_compression {
  int on; /* default 0: neither */
  int server_no_context_takeover, client_no_context_takeover; /* 1 */
  /* 8 to 15; 12. 0 says nothing of that window: a client leaves it out of its
     offer, for a server it is 15. */
  int server_max_window_bits, client_max_window_bits;
  int level;        /* zlib's, 0 to 9; 1 */
  int mem_level;    /* zlib's, 1 to 9; 5 */
  size_t threshold; /* bytes from which ws_send compresses by itself; 256 */
} ws_compression;

/* What connections of one kind have in common. It has to outlive them. */
typedef struct ws_config {
  int role;             /* WS_CLIENT or WS_SERVER */
  size_t max_message;   /* bytes of one message, inflated; default 1 MiB */
  size_t max_fragments; /* frames of one message; default 16384 */
  size_t max_header;    /* bytes of an HTTP head; default 16 KiB */
  size_t max_fields;    /* fields of an HTTP head; default 100 */
  size_t max_body;      /* bytes of a plain request's body (more: 413) and of
                            a refusal's (more: cut off); default 64 KiB */
  ws_pool *pool;        /* outlives the connections; NULL: each has its own */
  ws_random random;     /* NULL: OpenSSL's */
  void *random_ud;
  ws_compression compression;
  /* For ws_wants_read, ws_wants_next and ws_deadline; seconds, <= 0: none. */
  size_t max_queue;         /* bytes queued above which the peer is no longer
                               read; default 1 MiB */
  double handshake_timeout; /* of the whole opening handshake; default 10 */
  double ping_interval;     /* silence after which the peer is pinged; default
                               0: no heartbeat */
  double ping_timeout;  /* with a heartbeat: silence after a ping, or time in
                               which the peer accepts no byte; default 20 */
  double close_timeout; /* for the closing handshake, and then for the end
                               of the transport, each from the last byte that
                               the peer has accepted; default 5 */
  int redirects;        /* client: the host follows redirects, so the body of
                               one is not read; default 0 */
} ws_config;

/* Fills in the defaults for a role. */
void ws_config_init (ws_config *config, int role);

/* Results below zero, of every function that returns int. */
enum {
  WS_END = -1,    /* the connection has ended; ws_closed tells how */
  WS_ENOMEM = -2, /* out of memory: nothing happened, try again or give up */
  WS_EINVAL = -3, /* an argument breaks a rule; ws_error names it */
  WS_EUTF8 = -4,  /* text that is not UTF-8 (RFC 6455 section 5.6) */
  WS_ESTATE = -5, /* not possible now: handshake not done, closed, or in the
                      middle of a fragmented message */
  WS_ERANDOM = -6 /* the random source failed; nothing happened */
};

enum { WS_CONTINUATION = 0, WS_TEXT = 1, WS_BINARY = 2 }; /* opcodes */

enum {                 /* types of event */
       WS_MESSAGE = 1, /* a whole message: opcode, data, size */
       WS_PART,        /* a piece of one: opcode, data, size, last */
       WS_REQUEST,     /* server: a request to answer by ws_accept or ws_reject,
                        now or, once it is taken, later: ws_head; data and size
                        are the body of a plain one */
       WS_OPEN,        /* client: the handshake succeeded: ws_head */
       WS_REFUSED /* client: another status than 101: ws_head; data and size
                        are the body as far as max_body goes, or as far as it
                        came (ws_eof, ws_abort). Of a head that is larger than
                        max_header, the fields that fitted, and no body */
};

typedef struct ws_event {
  int type;         /* one of the above */
  int opcode;       /* WS_TEXT or WS_BINARY */
  int last;         /* WS_PART: it ends the message */
  const char *data; /* valid until ws_taken or ws_free */
  size_t size;
} ws_event;

typedef struct ws_iov {
  const void *base;
  size_t len;
} ws_iov;
#define WS_IOV 4 /* ws_pending never needs more than this */

typedef struct ws_str {
  const char *p;
  size_t n;
} ws_str;

typedef struct ws_field {
  ws_str name, value;
} ws_field;

/* The head of the request or response that the current WS_REQUEST, WS_OPEN or
   WS_REFUSED event is about, or of the request that waits for its answer. */
typedef struct ws_head {
  int upgrade;   /* request: 1 for a valid handshake, 0 for plain HTTP */
  int minor;     /* HTTP/1.minor */
  int status;    /* response: 101, 404, ... */
  ws_str method; /* request */
  ws_str target; /* request, as sent */
  ws_str reason; /* response: the reason phrase, may be empty */
  size_t nfields;
} ws_head;

typedef struct ws_conn ws_conn;

/* Size of a ws_conn, for hosts that place it in memory of their own. */
size_t ws_size (void);

/* Makes c a fresh connection in the handshake. Allocates nothing. */
void ws_init (ws_conn *c, const ws_config *config, ws_alloc alloc, void *ud);

/* Gives back all memory. c may be passed again; everything but ws_init then
   behaves as on a closed connection. */
void ws_free (ws_conn *c);

/* ---------------------------------------------------------------- bytes in */

/* Where the next bytes go: at least min (>= 1) bytes of room, *room says how
   many. NULL: out of memory. Moves memory: an event that is not taken yet has
   to be asked for anew with ws_next (its data has moved). */
void *ws_reserve (ws_conn *c, size_t min, size_t *room);

/* n bytes (<= *room) have been put there. */
void ws_commit (ws_conn *c, size_t n);

/* The transport has ended, in order. */
void ws_eof (ws_conn *c);

/* The transport is lost or dropped: the connection ends with 1006 and this
   reason ("reset", "aborted", "ping timeout"; a string that lives for ever),
   unless it had ended before. What is queued is forgotten; whole messages that
   have arrived can still be received, and so can a refusal whose head has
   arrived. */
void ws_abort (ws_conn *c, const char *why);

/* The next event: > 0 its type (*ev filled in), 0 more bytes are needed,
   WS_END for good, or WS_ENOMEM or WS_ERANDOM (call again). An event stays
   current, and is given again, until ws_taken. After WS_END nothing changes any
   more but what is still to be sent. */
int ws_next (ws_conn *c, ws_event *ev);

/* The same, but messages are given in parts as they arrive, of at most max
   bytes, bound by neither max_message nor max_fragments. Once a message has
   been given in part, ws_next is WS_ESTATE until its last part is taken. */
int ws_next_part (ws_conn *c, ws_event *ev, size_t max);

/* The current event is delivered, and not given again: its bytes may go. A
   WS_REQUEST's head stays until it is answered, or the connection has ended:
   ws_next is 0 meanwhile, also after ws_eof. Without an event it does
   nothing. */
void ws_taken (ws_conn *c);

/* Handles the control frames among the bytes that ws_next has not come to yet,
   each once, for a host whose application is not receiving. A Close frame or a
   broken rule takes effect at once; messages before it stay to be received. 0,
   WS_ENOMEM or WS_ERANDOM (call again). */
int ws_ahead (ws_conn *c);

/* With on, a Close frame or a broken rule that ws_ahead comes to takes effect
   only when ws_next comes to it, and not at once (default): the messages before
   it can be answered first. ws_end_held is 1 while one waits so: the state
   stays WS_OPENED, a host reads no more, and bounds the time. ws_eof does not
   replace it; ws_close and ws_abort apply it first, and so does ws_ahead after
   ws_hold_end(c, 0). */
void ws_hold_end (ws_conn *c, int on);
int ws_end_held (const ws_conn *c);

/* Bytes that have arrived and belong to no event or message assembled so far:
   a host stops reading above WS_READ_AHEAD while its application is away. */
size_t ws_unread (const ws_conn *c);
#define WS_READ_AHEAD 65536

/* ------------------------------------------------------------ the handshake */

/* Client: queues the opening handshake. host is the Host field ("h" or
   "h:port"), target the request target ("/path?query"), protocols a list of
   nprotocols subprotocols in order of preference, fields more fields. WS_EINVAL
   (ws_error says why) if anything would break the request: CR, LF or NUL, a
   name that is no token, a field the handshake sets itself, a protocol twice.
   RFC 6455 section 4.1. */
int ws_request (ws_conn *c, ws_str host, ws_str target, const ws_str *protocols,
                size_t nprotocols, const ws_field *fields, size_t nfields);

/* Server: answers the WS_REQUEST that is current, or taken and not answered
   yet, with 101; it has to be a handshake. protocol {NULL, 0} chooses none;
   one that was not offered is WS_EINVAL. RFC 6455 section 4.2.2. */
int ws_accept (ws_conn *c, ws_str protocol, const ws_field *fields,
               size_t nfields);

/* Server: answers that WS_REQUEST, a handshake or not, with this status (200 to
   599), fields and body; the connection then ends. Content-Length and
   Connection: close are added, Content-Type: text/plain where a body has none,
   the body of an answer to HEAD left out. */
int ws_reject (ws_conn *c, int status, const ws_field *fields, size_t nfields,
               ws_str body);

/* The same without a copy of the body: it has to stay where it is until
   ws_queued is 0, or ws_settle, ws_abort or ws_free. Many connections may
   share one. */
int ws_reject_borrowed (ws_conn *c, int status, const ws_field *fields,
                        size_t nfields, ws_str body);

/* The head of the current event, or of the request that waits for its answer
   (NULL if there is neither), its i-th field (0 .. nfields-1; value without
   surrounding blanks), the n-th (from 0) subprotocol of the
   Sec-WebSocket-Protocol fields in a request ({NULL, 0} after the last). They
   point into the receive buffer, which ws_reserve moves. A target that is a
   whole URI overrides Host (RFC 9112 section 3.2.2). */
const ws_head *ws_http (const ws_conn *c);
ws_field ws_http_field (const ws_conn *c, size_t i);
ws_str ws_offered (const ws_conn *c, size_t n);

/* Client, once open: the subprotocol that the server chose, {NULL, 0} if none.
   It points into memory of the current WS_OPEN event. */
ws_str ws_chosen (const ws_conn *c);

/* Writes what was agreed on with permessage-deflate, as the server's field
   Sec-WebSocket-Extensions says it, and a NUL; returns its length, 0 if nothing
   was. Meaningful once open, also after the end. */
#define WS_EXTENSIONS 144 /* room that is always enough */
size_t ws_extensions (const ws_conn *c, char out[WS_EXTENSIONS]);

/* The standard reason phrase of a status, "" if it has none here. */
const char *ws_status_text (int status);

/* --------------------------------------------------------------- bytes out */

#define WS_MORE 1 /* more frames of this message follow */
#define WS_BORROW \
  2 /* p stays valid until ws_settle: large unmasked payloads
                        are then not copied */

/* Where permessage-deflate was agreed on, ws_send compresses messages from
   compression.threshold bytes, if that makes them smaller, and those that are
   sent in fragments; unless the flags of the first frame say otherwise. */
#define WS_COMPRESS 4 /* compress this message, however small */
#define WS_PLAIN 8    /* do not */

/* Queues one frame of a message: WS_TEXT or WS_BINARY begins one (and ends it,
   without WS_MORE), WS_CONTINUATION goes on. Text is checked to be UTF-8, over
   the whole of a fragmented message; on WS_EUTF8 nothing is queued. */
int ws_send (ws_conn *c, int opcode, const void *p, size_t n, int flags);

/* A frame that many server connections send: built once, unmasked and whole.
   ws_shared_new gives one reference (NULL without memory; text has to be
   UTF-8 already), ws_shared_free gives one up, ws_send_shared queues it and
   takes references as it needs them: 0, WS_ENOMEM, or WS_ESTATE once closed.
   While a message is being sent in fragments the frame waits for its end. It
   is compressed as ws_send would, once for all connections with the same
   window. Connections that share a frame are used by one thread. */
typedef struct ws_shared ws_shared;
ws_shared *ws_shared_new (ws_alloc alloc, void *ud, int opcode, const void *p,
                          size_t n);
void ws_shared_free (ws_shared *s);
int ws_send_shared (ws_conn *c, ws_shared *s);

/* Copies what is left of a borrowed payload into the queue. */
int ws_settle (ws_conn *c);

/* Queues a ping with this payload (n <= 125); *serial (if not NULL) is its
   number, from 1. ws_ponged is the number of the newest ping that the peer has
   answered; that answers all before it (RFC 6455 section 5.5.3). */
int ws_ping (ws_conn *c, const void *p, size_t n, uint64_t *serial);
uint64_t ws_ponged (const ws_conn *c);

/* Begins the closing handshake (RFC 6455 section 7.1.2): code 1000 to 1003,
   1007 to 1014 or 3000 to 4999, or 0 for a Close frame without one; a reason of
   at most 123 bytes of UTF-8. 0 also if a Close frame was sent before. During
   the opening handshake it ends the connection. Whole messages that are here
   stay to be received, later ones are discarded. */
int ws_close (ws_conn *c, unsigned code, const char *reason, size_t n);

/* Whether a code may stand in a Close frame: the ranges above (RFC 6455 section
   7.4 and IANA's registry). */
int ws_is_code (unsigned code);

/* What is to be written: fills at most max (>= WS_IOV) pieces, returns how
   many (0: nothing), or WS_ENOMEM when a waiting pong could not be queued.
   Stable until the next call with this connection but ws_sent. */
int ws_pending (ws_conn *c, ws_iov *v, int max);

/* The first n bytes of that are written. */
void ws_sent (ws_conn *c, size_t n);

/* Bytes queued and not yet written, those of waiting pongs among them. */
size_t ws_queued (const ws_conn *c);

/* Of these, bytes of pongs. Every ping is answered, in order, as long as
   they are 1 KiB at most; beyond that the newest only, behind them. So a
   limit on what is queued need not count them. */
size_t ws_queued_pongs (const ws_conn *c);

/* Bytes of shared frames that wait for the end of a fragmented message, and are
   queued then. */
size_t ws_held (const ws_conn *c);

/* 1 if a whole message has arrived that was not given to its end, as far as
   ws_ahead has seen. */
int ws_has_message (const ws_conn *c);

/* 1 if permessage-deflate was agreed on and enough has arrived to inflate to
   more than some KiB: the next call of ws_next may take long. */
int ws_swells (const ws_conn *c);

/* ------------------------------------------------------------------- state */

enum {
  WS_CONNECTING, /* in the opening handshake */
  WS_OPENED,
  WS_CLOSING, /* one Close frame is sent or seen, not both */
  WS_CLOSED   /* both, or failed, refused, lost: see ws_closed */
};
int ws_state (const ws_conn *c);

/* How the connection ended; meaningful in state WS_CLOSED, and in WS_CLOSING as
   far as known. RFC 6455 sections 7.1.5 to 7.1.7. */
typedef struct ws_closing {
  unsigned code; /* the peer's code, 1005 if its frame had none, 1006 without
                       a Close frame from it, or the code of our own failure */
  ws_str reason; /* the peer's, or the rule that was broken, or "eof", ... */
  int clean;     /* both Close frames went through */
  int sent;      /* our Close frame is queued or written */
  int received;  /* the peer's has arrived */
  int failed;    /* the connection was failed by us (section 7.1.7) */
  int eof;       /* the transport ended */
  int status;    /* server: the HTTP status of a refusal, else 0 */
} ws_closing;
ws_closing ws_closed (const ws_conn *c);

/* ------------------------------------------------- a host's loop, with a clock
**
** A host that polls many connections does for each, in a turn of its loop:
**
**     at = ws_deadline(c, now);        wait until then at most; and for
**     ws_wants_read(c), ws_wants_write(c)
**     ...poll...
**     if (it can be read && ws_wants_read(c)) ...one recv, as above...
**     while (ws_wants_next(c) && (r = ws_next(c, &ev)) > 0) { ... }
**     ...write what is pending, as above...
**     what = ws_transport(c);          WS_SHUTDOWN, WS_DROP: see there
**
** Then no peer makes memory grow without bound, a flood costs one read a turn,
** nobody waits for ever, and no Close frame is lost to a reset. docs/core.md
** has the whole loop.
*/

/* 1 if more bytes should be read: not while more than max_queue bytes are
   queued for a peer that does not read, more than WS_READ_AHEAD lie unread, an
   end is held (ws_end_held), or the transport has ended. One read a turn, into
   the room of ws_reserve, is the budget: 64 KiB and the rest of a frame. */
int ws_wants_read (const ws_conn *c);

/* 1 if ws_next should be called: not while more than max_queue bytes are
   queued, since answers to more messages would make that grow. When it has
   been 0, ws_deadline is `now` as soon as it is 1 again: no descriptor tells
   of that. */
int ws_wants_next (ws_conn *c);

/* 1 if something is to be written: ws_pending has pieces. */
int ws_wants_write (const ws_conn *c);

/* What becomes of the transport now (RFC 6455 section 7.1.1). */
enum {
  WS_KEEP,
  WS_SHUTDOWN, /* all is written: end the sending side, shutdown(fd, SHUT_WR)
                  (a second time does no harm), and go on reading. Closing
                  now might reset the connection and destroy what was sent. */
  WS_DROP      /* the peer has ended its side, or its time is over: close it */
};
int ws_transport (const ws_conn *c);

/* Judges the deadlines at `now`, in seconds of any clock that only goes
   forward, and returns the time by which it must be called again: WS_NEVER if
   there is no deadline, `now` if the connection should be served at once. To be
   called after ws_init and in each turn that has touched the connection.

   It bounds the opening handshake; a held end; the closing handshake, the bytes
   that are queued after it, and the wait for the peer's end of the transport.
   With a ping_interval it sends pings and waits for an answer, which anything
   from the peer is. A deadline that has passed takes effect with the next call,
   so that what has arrived meanwhile is read first: a held end as by
   ws_hold_end(c, 0) and ws_ahead, everything else as by ws_abort with "timeout"
   or "ping timeout". Allocates once, and without memory returns a time soon
   after now. */
double ws_deadline (ws_conn *c, double now);
#define WS_NEVER HUGE_VAL

/* Milliseconds from now to a deadline as poll and epoll_wait take them: rounded
   up, so that the loop does not spin; -1 for WS_NEVER. */
int ws_milliseconds (double deadline, double now);

/* A pointer of the host's own; NULL after ws_init. */
void ws_set_user (ws_conn *c, void *user);
void *ws_user (const ws_conn *c);

/* The rule that the last WS_EINVAL, WS_EUTF8 or WS_ESTATE was about, or that
   the peer broke. */
const char *ws_error (const ws_conn *c);

/* 1 while a message is being given in parts. */
int ws_in_parts (const ws_conn *c);

/* --------------------------------- the pieces, for whoever needs them alone */

/* RFC 3629, streaming: *state is 0 at the start, and 0 again whenever the text
   so far ends on a whole character. Returns 0 as soon as it cannot be UTF-8. */
int ws_utf8 (uint32_t *state, const void *p, size_t n);

/* dst[i] = src[i] ^ key[(offset + i) & 3]; dst == src or dst before src is fine
   (RFC 6455 section 5.3). */
void ws_mask (void *dst, const void *src, size_t n, const unsigned char key[4],
              size_t offset);

/* Sec-WebSocket-Accept for a Sec-WebSocket-Key: 28 characters and a NUL
   (RFC 6455 section 4.2.2). 0, or WS_EINVAL when OpenSSL fails. */
int ws_accept_key (char out[29], const char *key, size_t n);

/* n bytes (at most WS_BASE64_MOST) in base64 (RFC 4648 section 4), and a NUL:
   WS_BASE64(n) characters in all. */
#define WS_BASE64(n) (((n) + 2) / 3 * 4 + 1)
#define WS_BASE64_MOST ((size_t)1 << 30)
void ws_base64 (char *out, const void *p, size_t n);

#ifdef __cplusplus
}
#endif

#ifdef WS_EXPORT
#pragma GCC visibility pop
#endif

#endif
