/*
** test_net_signal.c - signals as a readable descriptor. Each TEST restores the
** signals that it catches, because all TESTs share those of the process.
*/
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <pthread.h>
#include <signal.h>
#include <sys/time.h>
#include <sys/wait.h>

#include "net_sys.h"
#include "test.h"

/* Who catches signals in most of these. */
static net_signals *own (void) {
  static net_signals *it;
  if (it == NULL) it = net_signals_new();
  return it;
}

static int is_readable (void) {
  struct pollfd p = {net_signals_fd(own()), POLLIN, 0};
  return poll(&p, 1, 0) == 1;
}

static volatile sig_atomic_t old_handler_calls;
static void old_handler (int signo) {
  (void)signo;
  old_handler_calls++;
}

TEST(the_descriptor_does_not_block) {
  char p;
  net_fd fd = net_signals_fd(own());
  CHECK(fd != NET_NONE && net_signals_fd(own()) == fd);
  CHECK(fcntl(fd, F_GETFD) & FD_CLOEXEC);
  CHECK(read(fd, &p, 1) < 0 && errno == EAGAIN);
  CHECK(net_signals_next(own()) == 0);
}

TEST(a_caught_signal_is_reported_once) {
  CHECK(net_signals_catch(own(), SIGUSR1) == 0);
  CHECK(!is_readable());
  raise(SIGUSR1);
  CHECK(is_readable());
  CHECK(net_signals_next(own()) == SIGUSR1);
  CHECK(net_signals_next(own()) == 0);
  CHECK(!is_readable());
  CHECK(net_signals_restore(own(), SIGUSR1) == 0);
}

TEST(several_signals_are_all_reported) {
  CHECK(net_signals_catch(own(), SIGUSR1) == 0 &&
        net_signals_catch(own(), SIGUSR2) == 0);
  raise(SIGUSR2);
  raise(SIGUSR1);
  raise(SIGUSR2);
  int one = net_signals_next(own()), other = net_signals_next(own());
  CHECK(one != other && one + other == SIGUSR1 + SIGUSR2);
  CHECK(net_signals_next(own()) == 0);
  CHECK(net_signals_restore(own(), SIGUSR1) == 0 &&
        net_signals_restore(own(), SIGUSR2) == 0);
}

/* A handler leaves errno as it was. */
TEST(the_handler_keeps_errno) {
  CHECK(net_signals_catch(own(), SIGUSR1) == 0);
  errno = ERANGE;
  raise(SIGUSR1);
  CHECK(errno == ERANGE);
  CHECK(net_signals_next(own()) == SIGUSR1);
  CHECK(net_signals_restore(own(), SIGUSR1) == 0);
}

/* 64 KiB fill a pipe: then nothing more can be written. */
TEST(a_full_pipe_loses_none) {
  CHECK(net_signals_catch(own(), SIGUSR1) == 0 &&
        net_signals_catch(own(), SIGUSR2) == 0);
  for (int i = 0; i < 70000; i++) raise(SIGUSR1);
  errno = ERANGE;
  raise(SIGUSR2);
  CHECK(errno == ERANGE);
  CHECK(is_readable());
  CHECK(net_signals_next(own()) == SIGUSR1);
  CHECK(net_signals_next(own()) == SIGUSR2);
  CHECK(net_signals_next(own()) == 0 && !is_readable());
  CHECK(net_signals_restore(own(), SIGUSR1) == 0 &&
        net_signals_restore(own(), SIGUSR2) == 0);
}

TEST(restoring_puts_back_what_was_there) {
  struct sigaction now;
  signal(SIGUSR1, old_handler);
  CHECK(net_signals_catch(own(), SIGUSR1) == 0);
  CHECK(net_signals_catch(own(), SIGUSR1) == 0); /* twice is reported once */
  old_handler_calls = 0;
  raise(SIGUSR1);
  CHECK(old_handler_calls == 0);
  CHECK(net_signals_restore(own(), SIGUSR1) == 0);
  CHECK(net_signals_next(own()) == 0); /* not reported: not caught any more */
  raise(SIGUSR1);
  CHECK(old_handler_calls == 1 && net_signals_next(own()) == 0);
  CHECK(net_signals_restore(own(), SIGUSR1) == 0);
  CHECK(sigaction(SIGUSR1, NULL, &now) == 0 && now.sa_handler == old_handler);
  signal(SIGUSR1, SIG_IGN);
  CHECK(net_signals_catch(own(), SIGUSR1) == 0 &&
        net_signals_restore(own(), SIGUSR1) == 0);
  raise(SIGUSR1); /* ignored again, or this process would end here */
  signal(SIGUSR1, SIG_DFL);
}

TEST(what_cannot_be_caught_is_refused) {
  CHECK(net_signals_catch(own(), SIGKILL) == NET_ERROR);
  CHECK(net_signals_catch(own(), SIGSTOP) == NET_ERROR);
  CHECK(net_signals_catch(own(), 0) == NET_ERROR);
  CHECK(net_signals_catch(own(), -1) == NET_ERROR);
  CHECK(net_signals_catch(own(), NSIG) == NET_ERROR);
  CHECK(net_signals_catch(own(), 1 << 30) == NET_ERROR);
  CHECK(net_signals_restore(own(), 0) == NET_ERROR);
  CHECK(net_signals_restore(own(), NSIG) == NET_ERROR);
  CHECK(net_signals_restore(own(), SIGTERM) == 0); /* never caught */
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

/* ---------------------------------------------------------- several users */

TEST(each_user_gets_the_signal) {
  net_signals *one = net_signals_new(), *other = net_signals_new();
  CHECK(one && other && one != other);
  CHECK(net_signals_fd(one) != net_signals_fd(other));
  CHECK(net_signals_catch(one, SIGUSR1) == 0);
  CHECK(net_signals_catch(other, SIGUSR1) == 0);
  CHECK(net_signals_catch(other, SIGUSR2) == 0);
  raise(SIGUSR1);
  raise(SIGUSR2);
  CHECK(net_signals_next(one) == SIGUSR1 && net_signals_next(one) == 0);
  CHECK(net_signals_next(other) == SIGUSR1);
  CHECK(net_signals_next(other) == SIGUSR2 && net_signals_next(other) == 0);
  net_signals_free(one);
  raise(SIGUSR1);
  CHECK(net_signals_next(other) == SIGUSR1);
  net_signals_free(other);
}

TEST(the_last_user_puts_back_what_was_there) {
  net_signals *one = net_signals_new(), *other = net_signals_new();
  signal(SIGUSR1, old_handler);
  CHECK(net_signals_catch(one, SIGUSR1) == 0);
  CHECK(net_signals_catch(other, SIGUSR1) == 0);
  old_handler_calls = 0;
  net_signals_free(one);
  raise(SIGUSR1);
  CHECK(old_handler_calls == 0 && net_signals_next(other) == SIGUSR1);
  net_signals_free(other);
  raise(SIGUSR1);
  CHECK(old_handler_calls == 1);
  signal(SIGUSR1, SIG_DFL);
}

TEST(a_handler_of_the_program_that_came_later_stays) {
  net_signals *s = net_signals_new();
  CHECK(net_signals_catch(s, SIGUSR1) == 0);
  signal(SIGUSR1, old_handler);
  old_handler_calls = 0;
  net_signals_free(s);
  raise(SIGUSR1);
  CHECK(old_handler_calls == 1);
  signal(SIGUSR1, SIG_DFL);
}

TEST(a_user_that_is_freed_leaves_nothing_to_the_next) {
  net_signals *s = net_signals_new(), *again;
  net_fd fd = net_signals_fd(s);
  CHECK(net_signals_catch(s, SIGUSR1) == 0);
  raise(SIGUSR1);
  net_signals_free(s);
  net_signals_free(NULL);
  again = net_signals_new();
  CHECK(net_signals_fd(again) == fd); /* no descriptor is lost */
  CHECK(net_signals_next(again) == 0);
  net_signals_free(again);
}

static void *come_and_go (void *unused) {
  for (int i = 0; i < 300; i++) {
    net_signals *s = net_signals_new();
    CHECK(s && net_signals_catch(s, SIGUSR1) == 0);
    raise(SIGUSR1);
    CHECK(net_signals_next(s) == SIGUSR1);
    net_signals_free(s);
  }
  return unused;
}

TEST(users_come_and_go_on_several_threads) {
  enum { THREADS = 8 };
  pthread_t threads[THREADS];
  signal(SIGUSR1, SIG_IGN);
  for (int i = 0; i < THREADS; i++)
    CHECK(pthread_create(&threads[i], NULL, come_and_go, NULL) == 0);
  for (int i = 0; i < THREADS; i++) pthread_join(threads[i], NULL);
  raise(SIGUSR1); /* ignored again, or this process would end here */
  signal(SIGUSR1, SIG_DFL);
}

/* --------------------------------------------------------- while one waits */

static void wait_for_signal (const char *backend) {
  net_ready r;
  net_poll *p = net_poll_new(backend);
  CHECK(net_poll_add(p, net_signals_fd(own()), 7) == 0);
  while (net_poll_wait(p, 0) >
         0) /* what is ready at the start: nothing to read */
    while (net_poll_next(p, &r)) CHECK(!(r.what & NET_READ));
  for (int i = 0; i < 3; i++) {
    raise(SIGUSR1);
    CHECK(net_poll_wait(p, 10) == 1 && net_poll_next(p, &r));
    CHECK(r.slot == 7 && r.what & NET_READ);
    CHECK(net_signals_next(own()) == SIGUSR1 && net_signals_next(own()) == 0);
    net_poll_rearm(p, net_signals_fd(own()), NET_READ);
    CHECK(net_poll_wait(p, 0) == 0);
  }
  net_poll_free(p);
}

TEST(the_poller_reports_it) {
  CHECK(net_signals_catch(own(), SIGUSR1) == 0);
  wait_for_signal("epoll");
  wait_for_signal("poll");
  CHECK(net_signals_restore(own(), SIGUSR1) == 0);
}

/* A timer sends it while one waits for ever. */
static void interrupted (const char *backend) {
  struct itimerval soon = {{0, 1000}, {0, 1000}};
  net_poll *p = net_poll_new(backend);
  setitimer(ITIMER_REAL, &soon, NULL);
  CHECK(net_poll_wait(p, -1) == NET_AGAIN);
  memset(&soon, 0, sizeof soon);
  setitimer(ITIMER_REAL, &soon, NULL);
  CHECK(net_signals_next(own()) == SIGALRM);
  net_poll_free(p);
}

TEST(waiting_is_interrupted) {
  CHECK(net_signals_catch(own(), SIGALRM) == 0);
  interrupted("epoll");
  interrupted("poll");
  while (net_signals_next(own()) != 0) continue;
  CHECK(net_signals_restore(own(), SIGALRM) == 0);
}

static void *raise_many (void *signo) {
  for (int i = 0; i < 1000; i++) raise(*(int *)signo);
  return NULL;
}

TEST(signals_may_come_to_any_thread) {
  static int one = SIGUSR1, other = SIGUSR2;
  pthread_t t1, t2;
  CHECK(net_signals_catch(own(), one) == 0 &&
        net_signals_catch(own(), other) == 0);
  CHECK(pthread_create(&t1, NULL, raise_many, &one) == 0);
  CHECK(pthread_create(&t2, NULL, raise_many, &other) == 0);
  int seen[NSIG] = {0};
  pthread_join(t1, NULL);
  pthread_join(t2, NULL);
  for (int signo; (signo = net_signals_next(own())) != 0;) seen[signo]++;
  CHECK(seen[one] == 1 && seen[other] == 1);
  CHECK(net_signals_restore(own(), one) == 0 &&
        net_signals_restore(own(), other) == 0);
}

/* ---------------------------------------------------------------- children */

static int status_of (pid_t pid) {
  int status = -1;
  CHECK(waitpid(pid, &status, 0) == pid);
  return WIFEXITED(status) ? WEXITSTATUS(status) : -1;
}

/* The child's handler does not wake the parent, nor the other way round; the
   child does not get a signal that the parent has not read yet. */
TEST(a_child_has_a_pipe_of_its_own) {
  CHECK(net_signals_catch(own(), SIGUSR1) == 0);
  raise(SIGUSR1);
  net_fd fd = net_signals_fd(own());
  pid_t pid = fork();
  if (pid == 0) {
    int bad = net_signals_fd(own()) != fd || is_readable();
    bad |= (net_signals_next(own()) != 0) << 1;
    bad |= (fcntl(fd, F_GETFD) != FD_CLOEXEC) << 2;
    raise(SIGUSR1);
    bad |= !is_readable() << 3;
    bad |= (net_signals_next(own()) != SIGUSR1) << 4;
    raise(SIGUSR1); /* left there */
    _exit(bad);
  }
  CHECK(status_of(pid) == 0);
  CHECK(is_readable());
  CHECK(net_signals_next(own()) == SIGUSR1);
  CHECK(!is_readable() && net_signals_next(own()) == 0);
  CHECK(net_signals_restore(own(), SIGUSR1) == 0);
}
