/*
** test_net_poll.c - the poller's contract (net.h), each case with each back
** end: those of the system, poll, and kqueue over Linux's means. Allocations
** are made to fail through the copy of net_poll.c that is compiled here.
*/
#ifndef _GNU_SOURCE
#define _GNU_SOURCE
#endif
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <poll.h>
#include <signal.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <sys/wait.h>

#include "test.h"

#include "failing.h" /* after test.h, which has names of its own */

#if defined(__linux__)
#define NET_HAS_KQUEUE 1
#include "kqueue.h"
#include "net_poll_kqueue.c"
#endif

#define calloc test_calloc
#define realloc test_realloc
#include "net_poll.c"
#undef calloc
#undef realloc

/* A TEST that is run with each back end. */
#define EACH(id)                      \
  static void each_##id(net_poll *p); \
  TEST(id) { with_each(each_##id); }  \
  static void each_##id(net_poll *p)

static void with_each (void (*run)(net_poll *p)) {
  for (int i = 0; i < NBACKENDS; i++) {
    net_poll *p = net_poll_new(backends[i]->name);
    if (!CHECK(p != NULL)) return;
    int failures = test_failures;
    run(p);
    if (test_failures > failures) printf("  (by %s)\n", net_poll_name(p));
    net_poll_free(p);
  }
}

/* Two ends that do not block. */
typedef struct pair {
  net_fd a, b;
} pair;

static pair ends_of (const int fds[2]) {
  pair s = {fds[0], fds[1]};
  net_nonblocking(s.a);
  net_nonblocking(s.b);
  return s;
}

static pair sockets (void) {
  int fds[2];
  if (socketpair(AF_UNIX, SOCK_STREAM, 0, fds) < 0) abort();
  return ends_of(fds);
}

static pair pipes (void) {
  int fds[2];
  if (pipe(fds) < 0) abort();
  return ends_of(fds);
}

static void close_pair (pair s) {
  close(s.a);
  close(s.b);
}

/* Puts what `from` is under the number `fd`. */
static void becomes (net_fd fd, net_fd from) {
  CHECK(dup2(from, fd) == fd);
  close(from);
}

static void put (net_fd fd) { CHECK(write(fd, "x", 1) == 1); }

static void drain (net_fd fd) {
  char buffer[4096];
  while (read(fd, buffer, sizeof buffer) > 0) continue;
}

static void fill (net_fd fd) {
  static const char zeros[4096];
  while (write(fd, zeros, sizeof zeros) > 0) continue;
}

/* Returns what one batch, without waiting, reports of each slot. */
enum { SLOTS = 8 };
static int got[SLOTS];

static int poll_now (net_poll *p) {
  net_ready r;
  int n = 0;
  memset(got, 0, sizeof got);
  CHECK(net_poll_wait(p, 0) >= 0);
  for (; net_poll_next(p, &r); n++)
    if (CHECK(r.slot < SLOTS)) got[r.slot] |= r.what;
  return n;
}

/* ---------------------------------------------------------- net_poll_add */

EACH(tells_what_is_ready_at_the_start_once) {
  pair s = sockets();
  put(s.b);
  CHECK(net_poll_add(p, s.a, 1) == 0);
  CHECK(net_poll_add(p, s.b, 2) == 0);
  poll_now(p);
  CHECK(got[1] == (NET_READ | NET_WRITE));
  CHECK(got[2] == NET_WRITE);
  CHECK(poll_now(p) == 0);
  net_poll_del(p, s.a);
  net_poll_del(p, s.b);
  close_pair(s);
}

EACH(tells_again_after_a_short_read) {
  pair s = sockets();
  net_poll_add(p, s.a, 1);
  poll_now(p);
  for (int i = 0; i < 3; i++) {
    put(s.b);
    poll_now(p);
    CHECK(got[1] & NET_READ);
    CHECK(poll_now(p) == 0); /* still unread, and reported */
    drain(s.a);
    net_poll_rearm(p, s.a, NET_READ);
    CHECK(poll_now(p) == 0);
  }
  net_poll_del(p, s.a);
  close_pair(s);
}

EACH(tells_again_after_a_short_write) {
  pair s = sockets();
  net_poll_add(p, s.a, 1);
  poll_now(p);
  for (int i = 0; i < 3; i++) {
    fill(s.a);
    net_poll_rearm(p, s.a, NET_WRITE);
    CHECK(poll_now(p) == 0);
    drain(s.b);
    poll_now(p);
    CHECK(got[1] & NET_WRITE);
    CHECK(poll_now(p) == 0);
  }
  net_poll_del(p, s.a);
  close_pair(s);
}

EACH(tells_a_half_close_once) {
  pair s = sockets();
  net_poll_add(p, s.a, 1);
  poll_now(p);
  shutdown(s.b, SHUT_WR);
  poll_now(p);
  CHECK((got[1] & (NET_READ | NET_HANGUP)) == (NET_READ | NET_HANGUP));
  CHECK(poll_now(p) == 0);
  net_poll_del(p, s.a);
  close_pair(s);
}

EACH(tells_the_end_though_nothing_was_read_meanwhile) {
  pair s = sockets();
  net_poll_add(p, s.a, 1);
  put(s.b);
  poll_now(p); /* both directions are reported, and neither is used */
  close(s.b);
  poll_now(p);
  CHECK(got[1] & NET_HANGUP);
  CHECK(poll_now(p) == 0);
  net_poll_del(p, s.a);
  close(s.a);
}

EACH(serves_pipes) {
  pair s = pipes();
  net_poll_add(p, s.a, 1);
  net_poll_add(p, s.b, 2);
  poll_now(p);
  CHECK(got[1] == 0 && got[2] == NET_WRITE);
  put(s.b);
  poll_now(p);
  CHECK(got[1] & NET_READ);
  net_poll_del(p, s.b);
  close(s.b);
  poll_now(p);
  CHECK(got[1] & NET_HANGUP);
  net_poll_del(p, s.a);
  close(s.a);
}

EACH(tells_a_writer_that_its_reader_is_gone) {
  pair s = pipes();
  net_poll_add(p, s.b, 2);
  poll_now(p);
  close(s.a);
  poll_now(p);
  CHECK(got[2] & NET_HANGUP);
  net_poll_del(p, s.b);
  close(s.b);
}

EACH(tells_a_writer_whose_reader_was_gone_before) {
  pair s = pipes(), t = pipes();
  close(s.a);
  close(t.a);
  CHECK(net_poll_add(p, s.b, 1) == 0);
  CHECK(net_poll_watch(p, t.b, 2, NET_WRITE) == 0);
  poll_now(p);
  CHECK(got[1] & NET_HANGUP && got[2] & NET_HANGUP);
  CHECK(poll_now(p) == 0);
  net_poll_del(p, s.b);
  net_poll_del(p, t.b);
  close(s.b);
  close(t.b);
}

EACH(tells_both_directions_by_one_event) {
  pair s = sockets(), t = sockets();
  put(s.b);
  put(t.b);
  net_poll_add(p, s.a, 1);
  net_poll_watch(p, t.a, 2, NET_READ | NET_WRITE);
  CHECK(net_poll_wait(p, 0) == 2);
  CHECK(poll_now(p) == 2);
  CHECK(got[1] == (NET_READ | NET_WRITE));
  CHECK(got[2] == (NET_READ | NET_WRITE));
  net_poll_del(p, s.a);
  net_poll_del(p, t.a);
  close_pair(s);
  close_pair(t);
}

/* --------------------------------------------------- forgetting and re-use */

EACH(tells_nothing_after_del) {
  pair s = sockets();
  net_poll_add(p, s.a, 1);
  net_poll_del(p, s.a);
  net_poll_del(p, s.a);
  net_poll_del(p, -1);
  net_poll_del(p, INT_MAX);
  net_poll_rearm(p, s.a, NET_READ | NET_WRITE);
  net_poll_rearm(p, INT_MAX, NET_READ);
  put(s.b);
  CHECK(poll_now(p) == 0);
  close_pair(s);
}

EACH(tells_nothing_after_drop) {
  pair s = sockets(), t = sockets();
  net_fd number = s.a;
  net_poll_add(p, s.a, 1);
  poll_now(p);
  net_poll_drop(p, s.a);
  net_poll_drop(p, s.a);
  net_poll_drop(p, -1);
  net_poll_drop(p, INT_MAX);
  becomes(number, t.a);
  put(t.b);
  CHECK(net_poll_wait(p, 0) == 0);
  CHECK(net_poll_add(p, number, 3) == 0);
  CHECK(poll_now(p) == 1 && got[3] == (NET_READ | NET_WRITE));
  net_poll_drop(p, number);
  close_pair(s);
  close(t.b);
}

/* Finds two that are ready, takes one, and uses the other's number for another
   descriptor. */
static void reuse_in_batch (net_poll *p, int deregister) {
  pair s = sockets(), t = sockets();
  net_ready r;
  net_poll_add(p, s.a, 1);
  net_poll_add(p, t.a, 2);
  CHECK(net_poll_wait(p, 0) == 2);
  CHECK(net_poll_next(p, &r) == 1);
  net_fd other = r.slot == 1 ? t.a : s.a;
  pair fresh = sockets();
  put(fresh.b);
  if (deregister) net_poll_del(p, other);
  becomes(other, fresh.a);
  CHECK(net_poll_add(p, other, 3) == 0);
  CHECK(net_poll_next(p, &r) == 0);
  CHECK(poll_now(p) == 1);
  CHECK(got[3] == (NET_READ | NET_WRITE));
  net_poll_del(p, s.a);
  net_poll_del(p, t.a);
  close(fresh.b);
  close_pair(s);
  close_pair(t);
}

EACH(a_number_used_anew_in_a_batch_hits_nobody) { reuse_in_batch(p, 1); }

EACH(a_number_that_came_back_unannounced_is_replaced) { reuse_in_batch(p, 0); }

EACH(a_number_whose_file_lives_on_elsewhere_is_replaced) {
  pair s = sockets();
  net_poll_add(p, s.a, 1);
  poll_now(p);
  net_fd copy = dup(s.a);
  close(s.a);
  net_poll_del(p, s.a); /* too late: the kernel does not find it */
  becomes(s.a, copy);
  CHECK(net_poll_add(p, s.a, 2) == 0);
  poll_now(p);
  CHECK(got[1] == 0 && got[2] == NET_WRITE);
  put(s.b);
  poll_now(p);
  CHECK(got[1] == 0 && got[2] & NET_READ);
  net_poll_del(p, s.a);
  close_pair(s);
}

EACH(a_batch_goes_on_where_it_was_left) {
  pair s = sockets();
  net_ready r;
  int slots = 0;
  net_poll_add(p, s.a, 1);
  net_poll_add(p, s.b, 2);
  CHECK(net_poll_wait(p, 0) == 2);
  CHECK(net_poll_next(p, &r) == 1);
  slots += (int)r.slot;
  CHECK(net_poll_left(p));
  CHECK(net_poll_wait(p, -1) == 1); /* would wait for ever */
  CHECK(net_poll_next(p, &r) == 1);
  CHECK(!net_poll_left(p));
  CHECK(slots + (int)r.slot == 3);
  CHECK(net_poll_next(p, &r) == 0);
  CHECK(poll_now(p) == 0);
  net_poll_del(p, s.a);
  net_poll_del(p, s.b);
  close_pair(s);
}

/* -------------------------------------------------------- net_poll_watch */

EACH(a_watch_is_told_once_while_it_lasts) {
  pair s = sockets();
  CHECK(net_poll_watch(p, s.a, 1, NET_READ) == 0);
  CHECK(poll_now(p) == 0);
  put(s.b);
  poll_now(p);
  CHECK(got[1] == NET_READ);
  CHECK(poll_now(p) == 0); /* one-shot */
  net_poll_watch(p, s.a, 2, NET_READ);
  poll_now(p);
  CHECK(got[1] == 0 && got[2] == NET_READ); /* level-triggered */
  net_poll_watch(p, s.a, 1, 0);
  close_pair(s);
}

EACH(a_watch_of_both_directions_is_one) {
  pair s = sockets();
  put(s.b);
  net_poll_watch(p, s.a, 1, NET_READ | NET_WRITE);
  poll_now(p);
  CHECK(got[1] & (NET_READ | NET_WRITE));
  CHECK(poll_now(p) == 0);
  net_poll_del(p, s.a);
  close_pair(s);
}

EACH(a_watch_replaces_the_one_before) {
  pair s = sockets();
  put(s.b);
  net_poll_watch(p, s.a, 1, NET_READ);
  net_poll_watch(p, s.a, 2, NET_WRITE);
  poll_now(p);
  CHECK(got[1] == 0 && got[2] == NET_WRITE);
  net_poll_watch(p, s.a, 1, NET_READ);
  net_poll_watch(p, s.a, 1, 0);
  CHECK(poll_now(p) == 0);
  close_pair(s);
}

EACH(a_watch_for_writing_cares_for_no_input) {
  pair s = sockets();
  fill(s.a);
  net_poll_watch(p, s.a, 1, NET_WRITE);
  put(s.b);
  shutdown(s.b, SHUT_WR);
  CHECK(poll_now(p) == 0);
  drain(s.b);
  poll_now(p);
  CHECK(got[1] & NET_WRITE);
  net_poll_del(p, s.a);
  close_pair(s);
}

EACH(a_watch_sees_the_end) {
  pair s = sockets();
  net_poll_watch(p, s.a, 1, NET_READ);
  close(s.b);
  poll_now(p);
  CHECK(got[1] & NET_HANGUP);
  CHECK(poll_now(p) == 0);
  net_poll_del(p, s.a);
  close(s.a);
}

EACH(a_watched_number_may_come_back_unannounced) {
  pair s = sockets(), fresh = sockets();
  net_poll_watch(p, s.a, 1, NET_READ);
  becomes(s.a, fresh.a);
  CHECK(net_poll_watch(p, s.a, 2, NET_READ) == 0);
  CHECK(poll_now(p) == 0);
  put(fresh.b);
  poll_now(p);
  CHECK(got[1] == 0 && got[2] == NET_READ);
  net_poll_del(p, s.a);
  close(fresh.b);
  close_pair(s);
}

EACH(a_watch_made_in_a_batch_is_not_told_of_the_one_before) {
  pair s = sockets(), t = sockets(), fresh = sockets();
  net_ready r;
  put(s.b);
  put(t.b);
  net_poll_watch(p, s.a, 1, NET_READ);
  net_poll_watch(p, t.a, 2, NET_READ);
  CHECK(net_poll_wait(p, 0) == 2);
  CHECK(net_poll_next(p, &r) == 1);
  net_fd other = r.slot == 1 ? t.a : s.a;
  becomes(other, fresh.a);
  CHECK(net_poll_watch(p, other, 3, NET_READ) == 0);
  CHECK(net_poll_next(p, &r) == 0);
  put(fresh.b);
  CHECK(poll_now(p) == 1);
  CHECK(got[3] == NET_READ);
  net_poll_del(p, s.a);
  net_poll_del(p, t.a);
  close(fresh.b);
  close_pair(s);
  close_pair(t);
}

EACH(a_connection_cannot_be_watched_and_takes_no_harm) {
  pair s = sockets();
  net_poll_add(p, s.a, 1);
  poll_now(p);
  CHECK(net_poll_watch(p, s.a, 2, NET_READ) == NET_ERROR);
  CHECK(errno == EBUSY);
  CHECK(net_poll_watch(p, s.a, 2, 0) == NET_ERROR && errno == EBUSY);
  put(s.b);
  poll_now(p);
  CHECK(got[1] & NET_READ && got[2] == 0);
  net_poll_del(p, s.a);
  close_pair(s);
}

/* ----------------------------------------------------------- what cannot be */

EACH(says_that_files_cannot_be_polled) {
  net_fd fd = open("Makefile", O_RDONLY);
  if (fd < 0) fd = open("/etc/passwd", O_RDONLY);
  CHECK(net_poll_add(p, fd, 1) == NET_ERROR && errno == EPERM);
  CHECK(net_poll_watch(p, fd, 1, NET_READ) == NET_ERROR && errno == EPERM);
  CHECK(poll_now(p) == 0);
  close(fd);
}

EACH(refuses_what_is_no_descriptor) {
  pair s = sockets();
  close_pair(s);
  const net_fd bad[] = {s.a, -1, 1 << 20, INT_MAX};
  for (int i = 0; i < 4; i++) {
    CHECK(net_poll_add(p, bad[i], 1) == NET_ERROR && errno == EBADF);
    CHECK(net_poll_watch(p, bad[i], 1, NET_READ) == NET_ERROR);
    CHECK(errno == EBADF);
  }
  CHECK(p->nentries == 0); /* a million entries were not made for them */
}

EACH(a_descriptor_closed_behind_its_back_is_no_harm) {
  pair s = sockets(), t = sockets();
  net_poll_add(p, s.a, 1);
  net_poll_watch(p, s.b, 2, NET_READ);
  close_pair(s);
  net_poll_add(p, t.a, 3);
  poll_now(p);
  CHECK(got[1] == 0 && got[2] == 0 && got[3] == NET_WRITE);
  CHECK(poll_now(p) == 0);
  net_poll_del(p, t.a);
  close_pair(t);
}

TEST(knows_its_back_ends) {
  net_poll *p = net_poll_new("poll");
  CHECK_STR(net_poll_name(p), "poll");
  CHECK(net_poll_fd(p) == NET_NONE);
  net_poll_free(p);
  net_poll_free(NULL);
  CHECK(net_poll_new("select") == NULL && errno == EINVAL);
#if defined(__linux__)
  p = net_poll_new(NULL);
  CHECK_STR(net_poll_name(p), "epoll");
  net_poll_free(p);
#endif
}

EACH(its_own_descriptor_is_readable_when_something_is_ready) {
  pair s = sockets();
  struct pollfd own = {net_poll_fd(p), POLLIN, 0};
  int has_one = own.fd != NET_NONE; /* else poll ignores it */
  CHECK(poll(&own, 1, 0) == 0);
  net_poll_add(p, s.a, 1);
  CHECK(poll(&own, 1, 0) == has_one);
  poll_now(p);
  CHECK(poll(&own, 1, 0) == 0);
  net_poll_del(p, s.a);
  close_pair(s);
}

EACH(takes_no_memory_without_saying_so) {
  pair s = sockets();
  fail_at = 1;
  CHECK(net_poll_add(p, s.a, 1) == NET_ERROR);
  CHECK(poll_now(p) == 0);
  fail_at = 0;
  CHECK(net_poll_add(p, s.a, 1) == 0);
  poll_now(p);
  CHECK(got[1] == NET_WRITE);
  fail_at = 1;
  CHECK(net_poll_new(net_poll_name(p)) == NULL);
  fail_at = 0;
  net_poll_del(p, s.a);
  close_pair(s);
}

/* ---------------------------------------------------------------- waiting */

EACH(never_waits_less_than_it_is_told) {
  const double times[] = {0.0001, 0.001, 0.0101};
  for (int i = 0; i < 3; i++) {
    double before = net_now();
    CHECK(net_poll_wait(p, times[i]) == 0);
    CHECK(net_now() - before >= times[i]);
  }
}

static void wait_in_vain (net_poll *p, double seconds) {
  double before = net_now();
  CHECK(net_poll_wait(p, seconds) == 0);
  CHECK(net_now() - before >= seconds);
}

/* Waits in vain after a wait with another timeout that an event has ended. */
static void wait_after (net_poll *p, double other, double seconds) {
  pair s = sockets();
  net_ready r;
  net_poll_add(p, s.a, 1);
  poll_now(p);
  put(s.b);
  CHECK(net_poll_wait(p, other) == 1);
  CHECK(net_poll_next(p, &r) == 1);
  wait_in_vain(p, seconds);
  net_poll_del(p, s.a);
  close_pair(s);
}

EACH(a_longer_timeout_before_is_not_in_the_way) { wait_after(p, 600, 1); }

EACH(a_shorter_timeout_before_is_not_in_the_way) { wait_after(p, 1, 1.1); }

#ifdef NET_HAS_EPOLL
/* Of long timeouts, too, if one descriptor is all that is left. */
TEST(one_descriptor_is_enough_for_epoll) {
  struct rlimit was, few;
  net_poll *p;
  int lowest = fcntl(0, F_DUPFD, 0);
  close(lowest);
  getrlimit(RLIMIT_NOFILE, &was);
  few = was;
  few.rlim_cur = (rlim_t)lowest + 1;
  setrlimit(RLIMIT_NOFILE, &few);
  p = net_poll_new("epoll");
  setrlimit(RLIMIT_NOFILE, &was);
  if (!CHECK(p != NULL)) return;
  CHECK(p->timer == NET_NONE);
  wait_in_vain(p, 1);
  net_poll_free(p);
}
#endif

static void no_op (int signo) { (void)signo; }

EACH(an_interrupted_wait_says_so) {
  struct sigaction action, before;
  struct itimerval every = {{0, 5000}, {0, 5000}}, never = {{0, 0}, {0, 0}};
  memset(&action, 0, sizeof action);
  action.sa_handler = no_op;
  action.sa_flags = SA_RESTART;
  sigaction(SIGALRM, &action, &before);
  setitimer(ITIMER_REAL, &every, NULL);
  CHECK(net_poll_wait(p, -1) == NET_AGAIN);
  setitimer(ITIMER_REAL, &never, NULL);
  sigaction(SIGALRM, &before, NULL);
}

static void in_child (net_poll *p, pair s, pair t) {
  net_poll_del(p, t.b); /* the first touch: lets go of the parent's poller */
  close(t.b);
  poll_now(p);
  CHECK(got[1] == NET_WRITE); /* registered again, so reported again */
  CHECK(got[2] == 0);         /* a watch that was reported is forgotten */
  CHECK(got[3] == 0);
  put(s.b);
  poll_now(p);
  CHECK(got[1] & NET_READ);
  net_poll_del(p, s.a);
  _exit(test_failures != 0);
}

EACH(a_child_has_its_own) {
  pair s = sockets(), t = sockets();
  int status = -1;
  net_poll_add(p, s.a, 1);
  net_poll_watch(p, t.a, 2, NET_WRITE);
  net_poll_add(p, t.b, 3);
  poll_now(p);
  CHECK(got[1] && got[2] && got[3]);
  fflush(stdout);
  pid_t child = fork();
  if (child == 0) in_child(p, s, t);
  CHECK(waitpid(child, &status, 0) == child && status == 0);
  poll_now(p);
  CHECK(got[1] & NET_READ); /* what the child has written */
  put(t.a);
  poll_now(p);
  CHECK(got[3] & NET_READ); /* though the child has deleted it */
  net_poll_del(p, s.a);
  net_poll_del(p, t.a);
  net_poll_del(p, t.b);
  close_pair(s);
  close_pair(t);
}

/* A child that is forked in the middle of a batch finds again what was not yet
   reported. */
EACH(a_child_has_the_rest_of_a_batch) {
  pair s = sockets(), t = sockets();
  net_ready r = {0};
  int status = -1;
  net_poll_watch(p, s.a, 1, NET_WRITE);
  net_poll_watch(p, t.a, 2, NET_WRITE);
  CHECK(net_poll_wait(p, 0) > 0 && net_poll_next(p, &r));
  fflush(stdout);
  pid_t child = fork();
  if (child == 0) {
    poll_now(p);
    CHECK(got[r.slot] == 0 && got[3 - r.slot] == NET_WRITE);
    _exit(test_failures != 0);
  }
  CHECK(waitpid(child, &status, 0) == child && status == 0);
  poll_now(p);
  CHECK(got[r.slot] == 0 && got[3 - r.slot] == NET_WRITE);
  close_pair(s);
  close_pair(t);
}

/* The child keeps the file of a dropped descriptor open. */
EACH(a_descriptor_that_a_child_has_too_is_deleted) {
  pair s = sockets(), line = pipes();
  int status = -1;
  char byte;
  net_poll_add(p, s.a, 1);
  poll_now(p);
  fflush(stdout);
  pid_t child = fork();
  if (child == 0) {
    close(line.b);
    fcntl(line.a, F_SETFL, 0);
    _exit(read(line.a, &byte, 1) != 0);
  }
  net_poll_drop(p, s.a);
  close(s.a);
  put(s.b);
  CHECK(net_poll_wait(p, 0) == 0); /* not even an event to skip */
  close_pair(line);
  CHECK(waitpid(child, &status, 0) == child && status == 0);
  close(s.b);
}

/* ------------------------------------------------------------------- many */

static int open_many (int want) {
  struct rlimit limit;
  getrlimit(RLIMIT_NOFILE, &limit);
  limit.rlim_cur = limit.rlim_max;
  setrlimit(RLIMIT_NOFILE, &limit);
  int room = limit.rlim_cur > 100000 ? 100000 : (int)limit.rlim_cur - 100;
  return room / 2 < want ? room / 2 : want;
}

/* Takes all batches until there are no more; returns how often each slot came.
   */
static void count_all (net_poll *p, int *counts, int n, int what) {
  net_ready r;
  memset(counts, 0, (size_t)n * sizeof *counts);
  while (net_poll_wait(p, 0) > 0)
    while (net_poll_next(p, &r))
      if (CHECK(r.slot < (uint32_t)n && r.what & what)) counts[r.slot]++;
}

static int all_are_one (const int *counts, int n) {
  for (int i = 0; i < n; i++)
    if (counts[i] != 1) return 0;
  return 1;
}

EACH(five_thousand) {
  int n = open_many(5000);
  pair *s = malloc((size_t)n * sizeof *s);
  int *counts = malloc((size_t)n * sizeof *counts);
  for (int i = 0; i < n; i++) {
    s[i] = sockets();
    CHECK(net_poll_add(p, s[i].a, (uint32_t)i) == 0);
  }
  CHECK(s[n - 1].a > 1024);
  count_all(p, counts, n, NET_WRITE);
  CHECK(all_are_one(counts, n));
  for (int i = 0; i < n; i++) put(s[i].b);
  count_all(p, counts, n, NET_READ);
  CHECK(all_are_one(counts, n));
  for (int i = 0; i < n; i++) {
    net_poll_del(p, s[i].a);
    close_pair(s[i]);
  }
  free(s);
  free(counts);
}

EACH(a_full_batch_starves_nobody) {
  enum { N = 3 * NET_BATCH };
  static pair s[N];
  net_ready r;
  int seen[N] = {0}, sum = 0;
  if (open_many(N) < N) return;
  for (uint32_t i = 0; i < N; i++) {
    s[i] = sockets();
    net_poll_add(p, s[i].a, i);
  }
  for (int turn = 0; turn < 3; turn++) {
    CHECK(net_poll_wait(p, 0) == NET_BATCH);
    while (net_poll_next(p, &r)) {
      sum += !seen[r.slot]++;
      net_poll_rearm(p, s[r.slot].a, NET_WRITE); /* ready again at once */
    }
  }
  CHECK(sum == N);
  for (int i = 0; i < N; i++) {
    net_poll_del(p, s[i].a);
    close_pair(s[i]);
  }
}
