/*
** test_net_sigpipe.c - writing to pipes that nobody reads, where SIGPIPE has
** its default effect or is blocked already.
*/
#include <errno.h>
#include <pthread.h>
#include <signal.h>
#include <unistd.h>

#include "net_sys.h"
#include "test.h"

static net_fd broken_pipe (void) {
  int ends[2];
  CHECK(pipe(ends) == 0);
  close(ends[0]);
  return ends[1];
}

static void expect_epipe (net_fd fd) {
  CHECK(write(fd, "x", 1) == -1 && errno == EPIPE);
}

static int is_pending (void) {
  sigset_t pending;
  sigpending(&pending);
  return sigismember(&pending, SIGPIPE);
}

static int is_blocked (void) {
  sigset_t mask;
  pthread_sigmask(SIG_SETMASK, NULL, &mask);
  return sigismember(&mask, SIGPIPE);
}

TEST(a_write_fails_and_raises_nothing) {
  net_fd fd = broken_pipe();
  net_sigpipe s;
  signal(SIGPIPE, SIG_DFL);
  net_sigpipe_block(&s);
  expect_epipe(fd);
  net_sigpipe_restore(&s);
  CHECK(!is_blocked() && !is_pending());
  net_sigpipe_block(&s); /* and without a write */
  net_sigpipe_restore(&s);
  CHECK(!is_blocked() && !is_pending());
  close(fd);
}

/* A host that blocks the signal keeps it blocked, and one that waits for it
   keeps it pending. */
TEST(what_the_host_has_blocked_stays) {
  net_fd fd = broken_pipe();
  net_sigpipe s;
  sigset_t set;
  int signo;
  sigemptyset(&set);
  sigaddset(&set, SIGPIPE);
  pthread_sigmask(SIG_BLOCK, &set, NULL);
  net_sigpipe_block(&s);
  expect_epipe(fd);
  net_sigpipe_restore(&s);
  CHECK(is_blocked() && !is_pending());
  pthread_kill(pthread_self(), SIGPIPE);
  net_sigpipe_block(&s);
  expect_epipe(fd);
  net_sigpipe_restore(&s);
  CHECK(is_blocked() && is_pending());
  CHECK(sigwait(&set, &signo) == 0 && signo == SIGPIPE);
  pthread_sigmask(SIG_UNBLOCK, &set, NULL);
  close(fd);
}
