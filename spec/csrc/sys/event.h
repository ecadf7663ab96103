/*
** sys/event.h - the part of the BSDs' header that net_poll_kqueue.c uses, for
** systems without it: see ../net/kqueue.h.
*/
#ifndef sys_event_h
#define sys_event_h

#include <stdint.h>
#include <time.h>

struct kevent {
  uintptr_t ident;
  short filter;
  unsigned short flags;
  unsigned fflags;
  int64_t data;
  void *udata;
};

enum { EVFILT_READ = -1, EVFILT_WRITE = -2 };
enum {
  EV_ADD = 0x0001,
  EV_DELETE = 0x0002,
  EV_ENABLE = 0x0004,
  EV_ONESHOT = 0x0010,
  EV_CLEAR = 0x0020,
  EV_ERROR = 0x4000,
  EV_EOF = 0x8000
};

#define EV_SET(event, id, filt, flag, fflag, dat, ud)         \
  (*(event) = (struct kevent){(uintptr_t)(id), (short)(filt), \
                              (unsigned short)(flag), (fflag), (dat), (ud)})

int kqueue (void);
int kevent (int kq, const struct kevent *changes, int nchanges,
            struct kevent *events, int nevents, const struct timespec *timeout);

#endif
