/*
** ws_share.h - frames that many connections share, and lists of references to
** them: what ws_refs.c and ws_share.c have in common.
*/
#ifndef ws_share_h
#define ws_share_h

#include "ws_int.h"

#pragma GCC visibility push(hidden)

enum { WINDOWS = 8 }; /* of 8 to 15 bits */

struct ws_shared {
  ws_alloc alloc;
  void *ud;
  ws_shared *variants[WINDOWS]; /* compressed; itself: that is no smaller */
  size_t users;
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

#pragma GCC visibility pop

#endif
