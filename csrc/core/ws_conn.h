/*
** ws_conn.h - a connection: what the files of the core share of it.
*/
#ifndef ws_conn_h
#define ws_conn_h

#include "ws_base.h"

#pragma GCC visibility push(hidden)

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
  size_t cap; /* of the block p, 0 if p is a run's (ws_run.c) */
  size_t start, end;
  ws_refs *refs; /* while there are any */
  const unsigned char *borrowed;
  size_t nborrowed;
} ws_out;

typedef struct ws_hs ws_hs;       /* handshake state, while there is one */
typedef struct ws_pings ws_pings; /* unanswered pings, while there are any */
typedef struct ws_pongs ws_pongs; /* pongs not in the queue yet, likewise */
typedef struct ws_zip ws_zip;     /* ws_zip.h */
typedef struct ws_note ws_note;   /* ws_close.h */

/* What ws_deadline knows of the time, once it has been called. */
typedef struct ws_clock {
  double due;           /* the deadline of this stage */
  double stuck;         /* since when the peer has accepted no byte */
  unsigned char stage;  /* see ws_deadline.c */
  unsigned char passed; /* the deadline has been seen to be over */
} ws_clock;

/* What has happened since ws_deadline was called. */
enum {
  WS_HEARD = 1, /* bytes have arrived */
  WS_MOVED = 2, /* bytes were written */
  WS_BACK = 4   /* ws_wants_next has held the host back */
};

/* By owner: each group says which files write it. Small types, and an order
   without gaps: ten thousand idle connections pay for each byte. */
struct ws_conn {
  const ws_config *config;
  ws_alloc alloc;
  void *ud;
  const char *error; /* see ws_error; ws_base.c, ws_close.c */
  ws_in in;          /* ws_in.c, and whoever uses bytes of it */
  ws_out out;        /* ws_out.c, ws_refs.c, ws_run.c; borrowed: ws_send.c,
                        ws_answer.c */
  ws_hs *hs;         /* ws_handshake.c */
  ws_zip *zip;       /* while it is needed; ws_zip.c */
  ws_clock *clock;   /* of a host that has one; ws_deadline.c */
  void *user;        /* the host's */

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
  unsigned char news;      /* a set of WS_HEARD ...: ws_conn.c, ws_out.c,
                              ws_host.c, ws_deadline.c */
};

#pragma GCC visibility pop

#endif
