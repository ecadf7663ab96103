/*
** test_net_signal.c - signals as a readable descriptor. Each TEST restores what
** it catches: the signals of a process are there only once.
*/
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <pthread.h>
#include <signal.h>
#include <sys/time.h>
#include <sys/wait.h>

#include "net.h"
#include "test.h"

static int is_readable (void) {
  struct pollfd p = {net_signal_fd(), POLLIN, 0};
  return poll(&p, 1, 0) == 1;
}

static volatile sig_atomic_t old_handler_calls;
static void old_handler (int signo) {
  (void)signo;
  old_handler_calls++;
}

TEST(the_descriptor_is_one_that_blocks_nobody) {
  char p;
  net_fd fd = net_signal_fd();
  CHECK(fd != NET_NONE && net_signal_fd() == fd);
  CHECK(fcntl(fd, F_GETFD) & FD_CLOEXEC);
  CHECK(read(fd, &p, 1) < 0 && errno == EAGAIN);
  CHECK(net_signal_next() == 0);
}

TEST(a_caught_signal_is_told_once) {
  CHECK(net_signal_catch(SIGUSR1) == 0);
  CHECK(!is_readable());
  raise(SIGUSR1);
  CHECK(is_readable());
  CHECK(net_signal_next() == SIGUSR1);
  CHECK(net_signal_next() == 0);
  CHECK(!is_readable());
  CHECK(net_signal_restore(SIGUSR1) == 0);
}

TEST(several_signals_are_all_told) {
  CHECK(net_signal_catch(SIGUSR1) == 0 && net_signal_catch(SIGUSR2) == 0);
  raise(SIGUSR2);
  raise(SIGUSR1);
  raise(SIGUSR2);
  int one = net_signal_next(), other = net_signal_next();
  CHECK(one != other && one + other == SIGUSR1 + SIGUSR2);
  CHECK(net_signal_next() == 0);
  CHECK(net_signal_restore(SIGUSR1) == 0 && net_signal_restore(SIGUSR2) == 0);
}

/* Whoever is interrupted finds errno as it was. */
TEST(the_handler_keeps_errno) {
  CHECK(net_signal_catch(SIGUSR1) == 0);
  errno = ERANGE;
  raise(SIGUSR1);
  CHECK(errno == ERANGE);
  CHECK(net_signal_next() == SIGUSR1);
  CHECK(net_signal_restore(SIGUSR1) == 0);
}

/* 64 KiB is what a pipe holds: then nothing more goes in. */
TEST(a_full_pipe_loses_none) {
  CHECK(net_signal_catch(SIGUSR1) == 0 && net_signal_catch(SIGUSR2) == 0);
  for (int i = 0; i < 70000; i++) raise(SIGUSR1);
  errno = ERANGE;
  raise(SIGUSR2);
  CHECK(errno == ERANGE);
  CHECK(is_readable());
  CHECK(net_signal_next() == SIGUSR1);
  CHECK(net_signal_next() == SIGUSR2);
  CHECK(net_signal_next() == 0 && !is_readable());
  CHECK(net_signal_restore(SIGUSR1) == 0 && net_signal_restore(SIGUSR2) == 0);
}

TEST(restoring_puts_back_what_was_there) {
  struct sigaction now;
  signal(SIGUSR1, old_handler);
  CHECK(net_signal_catch(SIGUSR1) == 0);
  CHECK(net_signal_catch(SIGUSR1) == 0); /* twice is once */
  old_handler_calls = 0;
  raise(SIGUSR1);
  CHECK(old_handler_calls == 0);
  CHECK(net_signal_restore(SIGUSR1) == 0);
  CHECK(net_signal_next() == 0); /* not told: nobody asks any more */
  raise(SIGUSR1);
  CHECK(old_handler_calls == 1 && net_signal_next() == 0);
  CHECK(net_signal_restore(SIGUSR1) == 0);
  CHECK(sigaction(SIGUSR1, NULL, &now) == 0 && now.sa_handler == old_handler);
  signal(SIGUSR1, SIG_IGN);
  CHECK(net_signal_catch(SIGUSR1) == 0 && net_signal_restore(SIGUSR1) == 0);
  raise(SIGUSR1); /* ignored again, or this process would end here */
  signal(SIGUSR1, SIG_DFL);
}

TEST(what_cannot_be_caught_is_refused) {
  CHECK(net_signal_catch(SIGKILL) == NET_ERROR);
  CHECK(net_signal_catch(SIGSTOP) == NET_ERROR);
  CHECK(net_signal_catch(0) == NET_ERROR);
  CHECK(net_signal_catch(-1) == NET_ERROR);
  CHECK(net_signal_catch(NSIG) == NET_ERROR);
  CHECK(net_signal_catch(1 << 30) == NET_ERROR);
  CHECK(net_signal_restore(0) == NET_ERROR);
  CHECK(net_signal_restore(NSIG) == NET_ERROR);
  CHECK(net_signal_restore(SIGTERM) == 0); /* never caught */
}

TEST(names_and_numbers) {
  static const char *const all[] = {"HUP",  "INT",  "QUIT", "TERM", "USR1",
                                    "USR2", "PIPE", "ALRM", "CHLD", "CONT",
                                    "TSTP", "TTIN", "TTOU", "WINCH"};
  for (size_t i = 0; i < sizeof all / sizeof all[0]; i++) {
    int signo = net_signal_number(all[i]);
    CHECK(signo > 0);
    CHECK_STR(net_signal_name(signo), all[i]);
  }
  CHECK(net_signal_number("TERM") == SIGTERM);
  CHECK(net_signal_number("SIGTERM") == 0);
  CHECK(net_signal_number("term") == 0);
  CHECK(net_signal_number("") == 0);
  CHECK(net_signal_number("KILL") == 0);
  CHECK(net_signal_name(0) == NULL && net_signal_name(SIGKILL) == NULL);
}

/* --------------------------------------------------------- while one waits */

static void wait_for_signal (const char *backend) {
  net_ready r;
  net_poll *p = net_poll_new(backend);
  CHECK(net_poll_add(p, net_signal_fd(), 7) == 0);
  while (net_poll_wait(p, 0) >
         0) /* what is ready at the start: nothing to read */
    while (net_poll_next(p, &r)) CHECK(!(r.what & NET_READ));
  for (int i = 0; i < 3; i++) {
    raise(SIGUSR1);
    CHECK(net_poll_wait(p, 10) == 1 && net_poll_next(p, &r));
    CHECK(r.slot == 7 && r.what & NET_READ);
    CHECK(net_signal_next() == SIGUSR1 && net_signal_next() == 0);
    net_poll_rearm(p, net_signal_fd(), NET_READ);
    CHECK(net_poll_wait(p, 0) == 0);
  }
  net_poll_free(p);
}

TEST(the_poller_reports_it) {
  CHECK(net_signal_catch(SIGUSR1) == 0);
  wait_for_signal("epoll");
  wait_for_signal("poll");
  CHECK(net_signal_restore(SIGUSR1) == 0);
}

/* A timer sends it while one waits for ever. */
static void interrupted (const char *backend) {
  struct itimerval soon = {{0, 1000}, {0, 1000}};
  net_poll *p = net_poll_new(backend);
  setitimer(ITIMER_REAL, &soon, NULL);
  CHECK(net_poll_wait(p, -1) == NET_AGAIN);
  memset(&soon, 0, sizeof soon);
  setitimer(ITIMER_REAL, &soon, NULL);
  CHECK(net_signal_next() == SIGALRM);
  net_poll_free(p);
}

TEST(waiting_is_interrupted) {
  CHECK(net_signal_catch(SIGALRM) == 0);
  interrupted("epoll");
  interrupted("poll");
  while (net_signal_next() != 0) continue;
  CHECK(net_signal_restore(SIGALRM) == 0);
}

static void *raise_many (void *signo) {
  for (int i = 0; i < 1000; i++) raise(*(int *)signo);
  return NULL;
}

TEST(signals_may_come_to_any_thread) {
  static int one = SIGUSR1, other = SIGUSR2;
  pthread_t t1, t2;
  CHECK(net_signal_catch(one) == 0 && net_signal_catch(other) == 0);
  CHECK(pthread_create(&t1, NULL, raise_many, &one) == 0);
  CHECK(pthread_create(&t2, NULL, raise_many, &other) == 0);
  int seen[NSIG] = {0};
  pthread_join(t1, NULL);
  pthread_join(t2, NULL);
  for (int signo; (signo = net_signal_next()) != 0;) seen[signo]++;
  CHECK(seen[one] == 1 && seen[other] == 1);
  CHECK(net_signal_restore(one) == 0 && net_signal_restore(other) == 0);
}

/* ---------------------------------------------------------------- children */

static int status_of (pid_t pid) {
  int status = -1;
  CHECK(waitpid(pid, &status, 0) == pid);
  return WIFEXITED(status) ? WEXITSTATUS(status) : -1;
}

/* What the child's handler writes does not wake the parent, nor the other way
   round; what the parent has not been told yet is not the child's. */
TEST(a_child_has_a_pipe_of_its_own) {
  CHECK(net_signal_catch(SIGUSR1) == 0);
  raise(SIGUSR1);
  net_fd fd = net_signal_fd();
  pid_t pid = fork();
  if (pid == 0) {
    int bad = net_signal_fd() != fd || is_readable();
    bad |= (net_signal_next() != 0) << 1;
    bad |= (fcntl(fd, F_GETFD) != FD_CLOEXEC) << 2;
    raise(SIGUSR1);
    bad |= !is_readable() << 3;
    bad |= (net_signal_next() != SIGUSR1) << 4;
    raise(SIGUSR1); /* left there */
    _exit(bad);
  }
  CHECK(status_of(pid) == 0);
  CHECK(is_readable());
  CHECK(net_signal_next() == SIGUSR1);
  CHECK(!is_readable() && net_signal_next() == 0);
  CHECK(net_signal_restore(SIGUSR1) == 0);
}
