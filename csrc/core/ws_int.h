/*
** ws_int.h - what the files of the protocol core share. ws.h is the contract.
**
**   ws_base.c       memory, randomness, misuse
**   ws_conn.c       life and state of a connection; ws_next's dispatch
**   ws_end.c        how a host ends it
**   ws_in.c         the receive buffer
**   ws_frame.c      frame headers: parse (with all their rules) and build
**   ws_recv.c       frames in: messages and parts
**   ws_unpack.c     compressed messages in
**   ws_control.c    frames in: control frames, and what a message is then
**   ws_walk.c       frames in: reading ahead
**   ws_discard.c    frames in: after our own Close frame
**   ws_out.c        the out queue
**   ws_send.c       frames out
**   ws_pack.c       compressed messages out
**   ws_zip.c        what a connection holds for compression
**   ws_refs.c       frames that many connections share
**   ws_share.c      sending them
**   ws_ping.c       pings and pongs, both ways
**   ws_close.c      Close frames, and failing a connection
**   ws_pool.c       what connections lend each other
**   ws_deflate.c    zlib's streams, and the pool of them
**   ws_extension.c  permessage-deflate in the opening handshake
**   ws_http.c       HTTP/1.1 heads, in place and incrementally
**   ws_body.c       their bodies, chunked or not
**   ws_chars.c      classes of characters, comparisons
**   ws_handshake.c  what both roles do with a message; ws_http and its fields
**   ws_server.c     the server's side of the opening handshake: its rules
**   ws_answer.c     the server's side: 101, other answers, refusals
**   ws_client.c     the client's side
**   ws_fields.c     heads that are written; a caller's fields checked
**   ws_mask.c ws_utf8.c ws_random.c ws_crypto.c   the pieces
*/
#ifndef ws_int_h
#define ws_int_h

/* A module exports its luaopen function and nothing of ours, whatever flags it
   was compiled with: LuaRocks passes no -fvisibility. */
#pragma GCC visibility push(hidden)
#include "ws.h"

/* What nobody uses at the moment, see ws_pool.c. */
typedef struct ws_stream ws_stream; /* a compressor or decompressor of zlib */
typedef struct ws_block {
  void *p;
  size_t size;
  int used; /* since the pool was trimmed */
} ws_block;
enum { WS_STREAMS = 8, WS_BLOCKS = 4 }; /* that a pool keeps, at most */
/* Size of a new receive block that others will use. A frame of 64 KiB fits. */
enum { WS_BLOCK = WS_READ_AHEAD + 512 };

struct ws_pool {
  ws_alloc alloc;
  void *ud;
  int n, closed;
  ws_stream *idle[WS_STREAMS]; /* the one used last at the end */
  ws_block blocks[WS_BLOCKS];
};

/* The receive buffer: [message so far | gap | unread | room].
   The kept bytes, p[start .. end), are the message so far, or the bytes of the
   current event; ws_reserve may move them and the unread ones, so nobody else
   keeps a pointer into p. The handshake reads p[rd .. wr), advances rd, and
   puts what the current event needs into start .. end: by the time it returns
   an event, rd is past all bytes of that event. */
typedef struct ws_in {
  unsigned char *p;
  size_t cap;
  size_t start, end;
  size_t rd, wr;
  uint64_t walked; /* bytes from rd that are walked, see ws_walk.c */
  size_t whole;    /* bytes from rd up to the end of the last whole message
                      walked: all that ws_next may use in WS_CLOSING */
} ws_in;

typedef struct ws_refs ws_refs; /* references to shared frames */

/* The out queue: bytes in p[start .. end), with references to shared frames
   between them, then what is left of a borrowed payload. Its end is always a
   frame's end. */
typedef struct ws_out {
  unsigned char *p;
  size_t cap;
  size_t start, end;
  ws_refs *refs; /* while there are any */
  const unsigned char *borrowed;
  size_t nborrowed;
} ws_out;

/* The reason in the peer's Close frame, if there is one. */
typedef struct ws_note {
  unsigned char n;
  unsigned char p[125];
} ws_note;

typedef struct ws_hs ws_hs;       /* handshake state, while there is one */
typedef struct ws_pings ws_pings; /* unanswered pings, while there are any */
typedef struct ws_pongs ws_pongs; /* pongs not in the queue yet, likewise */

/* What permessage-deflate needs while a message is being compressed or inflated
   and, with context takeover, between messages. */
typedef struct ws_zip {
  ws_stream *inflater, *deflater;
  unsigned char *p; /* inflated bytes not given yet: p[start .. end) */
  size_t cap, start, end;
  uint64_t size;      /* compressed bytes of the message in its frames so far */
  unsigned char fed;  /* the inflater is in the middle of its stream */
  unsigned char full; /* it had no more room: it may hold more bytes */
  unsigned char tail; /* bytes of the tail that it has got */
  unsigned char done; /* the message is inflated to its end */
  unsigned char owes; /* the tail belongs before the next fragment sent */
  unsigned char stale; /* the peer knows more than the deflater */
} ws_zip;

/* By owner: each group says which files write it. Small types, and an order
   without gaps: ten thousand idle connections pay for each byte. */
struct ws_conn {
  const ws_config *config;
  ws_alloc alloc;
  void *ud;
  const char *error; /* see ws_error; ws_base.c, ws_close.c */
  ws_in in;          /* ws_in.c, and whoever uses bytes of it */
  ws_out out;        /* ws_out.c, ws_refs.c; borrowed: ws_send.c, ws_answer.c */
  ws_hs *hs;         /* ws_handshake.c */
  ws_zip *zip;       /* while it is needed; ws_zip.c */

  struct {             /* the message being received: ws_recv.c, ws_control.c */
    uint64_t left;     /* payload bytes of the current frame still to come */
    size_t nfragments; /* its frames so far */
    size_t part;       /* size of the current WS_PART */
    uint32_t utf8;     /* state of ws_utf8; ws_unpack.c too */
    unsigned char key[4]; /* of the current frame, for its next byte */
    unsigned char opcode; /* 0: there is none */
    unsigned char fin;    /* the current frame is its last */
    unsigned char parts;  /* it is being given in parts */
    unsigned char compressed;
    unsigned char window; /* agreed on: bits and perhaps WS_TAKEOVER, 0: no
                             permessage-deflate; ws_extension.c */
  } rx;

  struct {         /* the message being sent in fragments: ws_send.c */
    ws_refs *held; /* shared frames that wait for its end; ws_share.c */
    uint32_t utf8;
    unsigned char opcode; /* 0: there is none */
    unsigned char compressed;
    unsigned char window; /* as above */
  } tx;

  struct { /* our pings: ws_ping.c */
    ws_pings *unanswered;
    uint64_t serial, answered; /* numbers of the newest sent, answered */
  } ping;

  struct {         /* our pongs: ws_ping.c */
    ws_pongs *due; /* those not queued yet */
    size_t left;   /* queued bytes up to the end of the last; ws_out.c too */
    size_t size;   /* of these, bytes of pongs when they were queued */
  } pong;

  struct {           /* how it ended, see ws_closing: ws_close.c */
    const char *why; /* if the peer did not say */
    ws_note *note;
    uint16_t code, status;
    unsigned char sent, received, failed;
  } end;

  struct {                    /* ws_walk.c */
    unsigned char in_message; /* it is in the middle of one */
    unsigned char hold;       /* it is to leave an end to ws_next */
    unsigned char at_end;     /* and stands before one */
  } walk;

  unsigned char eof, lost; /* what became of the transport: ws_end.c */
  unsigned char state;     /* WS_CONNECTING ...: ws_close.c, ws_end.c */
  unsigned char event;     /* type of the current event, 0: none; ws_conn.c,
                              ws_recv.c, ws_client.c, ws_answer.c */
};

/* ---- ws_base.c */
/* Through the connection's allocator, see ws_alloc. */
void *ws_realloc (ws_conn *c, void *p, size_t osize, size_t nsize);
int ws_rand (ws_conn *c, void *out, size_t n);            /* 0 or WS_ERANDOM */
int ws_misuse (ws_conn *c, int result, const char *rule); /* sets error */
int ws_not_open (ws_conn *c); /* WS_ESTATE; sets error */
/* WS_ESTATE unless frames may be sent now, else 0. */
static inline int ws_may_send (ws_conn *c) {
  return c->state == WS_OPENED ? 0 : ws_not_open(c);
}

/* ---- ws_out.c */
/* Room for n more bytes at the queue's end (a borrowed payload is settled
   first), or NULL. ws_out_add then says how many were written there. */
unsigned char *ws_out_room (ws_conn *c, size_t n);
void ws_out_add (ws_conn *c, size_t n);
int ws_out_put (ws_conn *c, const void *p, size_t n); /* 0 or WS_ENOMEM */
/* The pieces of the queue, at most max: how many. */
int ws_out_pending (const ws_conn *c, ws_iov *v, int max);
void ws_out_free (ws_conn *c);

/* ---- ws_refs.c, ws_share.c */
int ws_refs_pending (const ws_out *o, ws_iov *v,
                     int max); /* bytes and frames */
/* n bytes of those have left; how many of them were the queue's own. */
size_t ws_refs_sent (ws_conn *c, size_t n);
size_t ws_refs_size (const ws_refs *a); /* bytes of frames still to be sent */
void ws_refs_free (ws_conn *c);
void ws_held_free (ws_conn *c);
/* The fragmented message is complete: what was held goes into the queue. */
void ws_release_held (ws_conn *c);

/* ---- ws_pool.c, ws_deflate.c */
/* A block of at least *size bytes, of `best` if the pool has one; *size is
   what it has. NULL without memory. */
void *ws_block_take (ws_conn *c, size_t *size, size_t best);
void ws_block_back (ws_conn *c, void *block, size_t size);
void ws_streams_free (ws_pool *p);

/* ---- ws_in.c */
void ws_in_free (ws_conn *c);
static inline size_t ws_in_unread (const ws_conn *c) {
  return c->in.wr - c->in.rd; /* rd <= wr */
}
/* Nothing is kept and nothing unread: gives the block back. */
static inline void ws_in_rest (ws_conn *c) {
  const ws_in *in = &c->in;
  if (in->wr > in->rd || in->end > in->start) return;
  if (in->p && c->event == 0 && c->hs == NULL) ws_in_free(c);
}
/* The same; and little that is kept moves out of a block that others can use.
   For when nothing more can be done with it before other bytes come. */
void ws_in_settle (ws_conn *c);
/* The bytes at rd are used. */
static inline void ws_in_advance (ws_conn *c, size_t n) {
  c->in.rd += n;
  c->in.walked -= n < c->in.walked ? n : c->in.walked;
  c->in.whole -= n < c->in.whole ? n : c->in.whole;
}
/* Forgets all unread bytes but the first n. */
void ws_in_cut (ws_conn *c, size_t n);

/* ---- ws_frame.c */
typedef struct ws_frame {
  uint64_t length;  /* of the payload */
  const char *rule; /* the one that is broken */
  unsigned char key[4];
  unsigned char size; /* of the header */
  unsigned char opcode, fin;
  unsigned char compressed; /* RSV1: a compressed message begins (RFC 7692 6) */
} ws_frame;

enum { WS_CLOSE_FRAME = 8, WS_PING_FRAME = 9, WS_PONG_FRAME = 10 };
enum { WS_HEADER = 14, WS_CONTROL = 125 }; /* longest header, payload */
#define ws_is_control(opcode) ((opcode)&8)

/* Parses the header at p, of which n bytes are there. masked: it has to be;
   fragmented: a message is unfinished; compressed: messages may be. 1:
   whole; 0: more bytes are needed; WS_END: f->rule is broken, found out at
   the earliest byte. RFC 6455 section 5.2. */
int ws_frame_parse (ws_frame *f, const unsigned char *p, size_t n, int masked,
                    int fragmented, int compressed);
/* The same for what this connection receives. */
static inline int ws_frame_next (const ws_conn *c, ws_frame *f,
                                 const unsigned char *p, size_t n,
                                 int fragmented) {
  return ws_frame_parse(f, p, n, c->config->role == WS_SERVER, fragmented,
                        c->rx.window);
}
/* Writes a header to p, returns its size. first: the first byte; key: NULL for
   none. */
size_t ws_frame_build (unsigned char *p, int first, uint64_t length,
                       const unsigned char *key);

/* ---- ws_recv.c: frames as events */
int ws_recv_next (ws_conn *c, ws_event *ev);
int ws_recv_part (ws_conn *c, ws_event *ev, size_t max);
void ws_recv_taken (ws_conn *c);

/* ---- ws_unpack.c: the payload of a compressed message, inflated */
/* All of these are for a message that is compressed (c->rx.compressed), which
   has a c->zip. Inflates what is at hand, p[start .. end) of c->in; up to
   max bytes, or 0: the whole message, within its limits. 1, WS_ENOMEM (call
   again), or WS_END when it has failed the connection. */
int ws_unpack (ws_conn *c, size_t max);
int ws_unpack_due (const ws_conn *c); /* is there something to be inflated? */
/* With that many more compressed bytes, can a message that is compressed be
   within its limit? */
int ws_unpack_fits (const ws_conn *c, uint64_t more);

/* ---- ws_discard.c */
/* In state WS_CLOSING: handles control frames and drops all other input but the
   messages that were whole before. 0, WS_ENOMEM or WS_ERANDOM (call again). */
int ws_discard (ws_conn *c);

/* ---- ws_control.c */
/* Handles the control frame whose header is *f and which starts at p, with n
   bytes there. 1, 0 (not all of it is there), WS_END (it was a Close frame, or
   broke a rule), WS_ENOMEM or WS_ERANDOM (nothing happened). */
int ws_control (ws_conn *c, const ws_frame *f, const unsigned char *p,
                size_t n);
/* Has the message so far come to its end, inflated or not, given in part or
   not? */
static inline int ws_recv_arrived (const ws_conn *c) {
  return c->rx.opcode != 0 && c->rx.fin && c->rx.left == 0;
}
/* Forgets the message so far; and all that is unread. */
void ws_recv_forget (ws_conn *c);
void ws_recv_stop (ws_conn *c);

/* ---- ws_send.c */
/* Queues one frame, masked on a client; first is its first byte. 0, WS_ENOMEM
   or WS_ERANDOM. */
int ws_put_frame (ws_conn *c, int first, const void *p, size_t n);
/* Writes a control frame to p, masked on a client; *size is its size. 0 or
   WS_ERANDOM. */
int ws_control_frame (ws_conn *c, unsigned char p[6 + WS_CONTROL], size_t *size,
                      int first, const void *payload, size_t n);
/* ---- ws_zip.c */
extern const unsigned char ws_pack_tail[4]; /* not sent: RFC 7692 7.2.1 */
ws_zip *ws_zip_get (ws_conn *c);            /* c->zip, NULL without memory */
/* Gives back what no message needs any more; and everything. */
void ws_zip_rest (ws_conn *c);
void ws_zip_free (ws_conn *c);
void ws_unpack_end (ws_conn *c); /* the message received is forgotten */

/* ---- ws_pack.c: compressed frames */
/* Is the message that begins, or goes on, with this frame to be compressed? */
int ws_pack_wanted (const ws_conn *c, int opcode, size_t n, int flags);
/* Like ws_put_frame; 1: compressed it would not be smaller, send it plain. */
int ws_pack (ws_conn *c, int first, const void *p, size_t n, int flags);
/* ---- ws_deflate.c: zlib's streams, raw and with the windows agreed on; from
   the pool or new ones, NULL without memory */
enum {
  WS_TAKEOVER = 64,
  WS_BITS = 15
}; /* of ws_conn's windows: history is
                                            kept; the window's bits */
ws_stream *ws_inflater (const ws_conn *c);
ws_stream *ws_deflater (const ws_conn *c);
void ws_stream_back (const ws_conn *c, ws_stream *s); /* resets it */
void ws_stream_reset (ws_stream *s);                  /* forgets its history */

/* Compresses n bytes and flushes: how many bytes are at to now, the last four
   of them ws_pack_tail; 0: they do not fit into room, and s has to be reset (or
   given back). */
size_t ws_stream_deflate (ws_stream *s, const void *p, size_t n,
                          unsigned char *to, size_t room);

/* What is left of input and room. */
typedef struct ws_flow {
  const unsigned char *in;
  unsigned char *out;
  size_t nin, nout;
} ws_flow;
typedef enum ws_inflated {
  INFLATED,     /* input or room is used up */
  FINAL_BLOCK,  /* one has ended; what follows goes on behind it */
  BROKEN_STREAM /* it is not deflate's */
} ws_inflated;
ws_inflated ws_stream_inflate (ws_stream *s, ws_flow *f);
int ws_stream_between (const ws_stream *s); /* at the end of a block? */

/* ---- ws_ping.c */
/* The peer's ping or pong, unmasked. 0, WS_ENOMEM or WS_ERANDOM. */
int ws_pinged (ws_conn *c, const unsigned char *p, size_t n);
void ws_pong_received (ws_conn *c, const unsigned char *p, size_t n);
/* Pongs that wait go into the out queue: those in order once all before them
   have left it; or all, at once, before our Close frame. 0 or WS_ENOMEM. */
int ws_pongs_enter (ws_conn *c);
int ws_pongs_last (ws_conn *c);
size_t ws_pongs_waiting (const ws_conn *c); /* bytes of those */
void ws_pongs_free (ws_conn *c);
void ws_pings_free (ws_conn *c);

/* ---- ws_close.c */
void ws_note_free (ws_conn *c);
/* Queues a Close frame; code 0: none, and no reason. 0, WS_ENOMEM or
   WS_ERANDOM. */
int ws_put_close (ws_conn *c, unsigned code, const char *reason, size_t n);
/* The peer's Close frame, unmasked: recorded and echoed. 0, WS_ENOMEM or
   WS_ERANDOM (nothing happened). When it breaks a rule the connection fails. */
int ws_close_received (ws_conn *c, const unsigned char *p, size_t n);
/* The transport has ended without a closing handshake: 1006. */
void ws_drop (ws_conn *c, const char *why);
/* The same at the end of what the peer sends; it may still be reading. */
void ws_no_more (ws_conn *c);
/* Fails the connection (RFC 6455 section 7.1.7) with this code and rule (a
   string that lives for ever); returns WS_END. In the opening handshake no
   Close frame goes out, just the end is noted. */
int ws_fail (ws_conn *c, unsigned code, const char *rule);
/* The handshake is over and there will be no WebSocket: refused by us with this
   status (server), by the server (client: status 0), or answered as plain HTTP.
   rule as in ws_fail. State becomes WS_CLOSED. */
void ws_ended (ws_conn *c, int status, const char *rule);
/* The handshake succeeded: frames from here on; hs is freed by the caller. */
void ws_opened (ws_conn *c);

/* ---- the handshake, for ws_conn.c: called in state WS_CONNECTING and while
   one of its events is current (c->event is kept by ws_conn.c). Both work on
   c->in: unread bytes from rd, which they consume as they use them; c->eof says
   that no more will come, and on 0 ws_conn.c then ends the connection. */
int ws_server_next (ws_conn *c, ws_event *ev);
int ws_client_next (ws_conn *c, ws_event *ev);
/* The transport is gone: makes a refusal whose head is here the current
   event. */
void ws_client_lost (ws_conn *c);
void ws_hs_taken (ws_conn *c);      /* its current event is taken */
int ws_hs_waits (const ws_conn *c); /* a request that is, for its answer */
void ws_hs_abandon (ws_conn *c);    /* no event will come of it any more */
void ws_hs_free (ws_conn *c);       /* idempotent */

#pragma GCC visibility pop

#endif
