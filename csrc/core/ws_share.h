/*
** ws_share.h - frames that many connections share, and lists of references to
** them (ws_refs.c, ws_share.c).
*/
#ifndef ws_share_h
#define ws_share_h

#include "ws_run.h"

#pragma GCC visibility push(hidden)

enum { WINDOWS = 8 }; /* of 8 to 15 bits */

struct ws_shared {
  ws_alloc alloc;
  void *ud;
  ws_shared *variants[WINDOWS]; /* compressed; itself: that is no smaller */
  size_t users;
  ws_run *run; /* which has a copy at `at`, or NULL */
  size_t at;
  size_t n;
  unsigned char header; /* size of its header */
  unsigned char p[];    /* header and payload */
};

typedef struct ref {
  ws_shared *frame;
  size_t before; /* bytes of the queue between the reference before and this */
} ref;

struct ws_refs {
  size_t cap, n;
  size_t sent;    /* bytes of the first frame that have left */
  size_t covered; /* sum of all before */
  size_t total;   /* bytes of all frames */
  ref q[];
};

/* A frame with room for a payload of n bytes; and the rest of the room given
   back, n bytes behind its header being its payload. NULL without memory. */
ws_shared *ws_shared_make (ws_alloc alloc, void *ud, size_t n);
ws_shared *ws_shared_fit (ws_shared *s, size_t n);

/* Room for `more` references in a list, which is made if need be: 1, or 0
   without memory. */
int ws_refs_room (ws_conn *c, ws_refs **list, size_t more);
/* Appends one, for which there is room, behind that many bytes of the queue. */
void ws_refs_append (ws_refs *a, ws_shared *s, size_t before);
void ws_refs_drop (ws_refs *a); /* the first */
void ws_refs_end (ws_conn *c, ws_refs **list);

/* ---- of a connection */
int ws_refs_pending (const ws_out *o, ws_iov *v,
                     int max); /* bytes and frames */
/* n bytes of those have left; how many of them were the queue's own. */
size_t ws_refs_sent (ws_conn *c, size_t n);
size_t ws_refs_size (const ws_refs *a); /* bytes of frames still to be sent */
void ws_refs_free (ws_conn *c);
void ws_held_free (ws_conn *c);
/* The fragmented message is complete: what was held goes into the queue. */
void ws_release_held (ws_conn *c);

#pragma GCC visibility pop

#endif
