/*
** net_thread_win.c - net_thread.c on Windows.
*/
#include "net_posix.h"

#include "net_thread.h"

#ifndef NET_POSIX

#include <errno.h>
#include <process.h>
#include <stdlib.h>

#include "net_wsa.h"

typedef struct task {
  void *(*run)(void *);
  void *arg;
} task;

static unsigned __stdcall begin(void *p) {
  task t = *(task *)p;
  free(p);
  t.run(t.arg);
  return 0;
}

int net_thread_start (void *(*run)(void *), void *arg) {
  task *t = malloc(sizeof *t);
  uintptr_t thread;
  if (t == NULL) return ENOMEM;
  t->run = run;
  t->arg = arg;
  thread = _beginthreadex(NULL, NET_THREAD_STACK, begin, t, 0, NULL);
  if (thread == 0) {
    free(t);
    return ENOMEM;
  }
  CloseHandle((HANDLE)thread);
  return 0;
}

#endif
