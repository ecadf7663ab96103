/*
** test_net_lookup.c - look-ups on a helper thread: their results, their end,
** and that a caller may close one at any time. Calls are made to fail through
** the copy of net_lookup.c that is compiled here.
*/
#ifndef _GNU_SOURCE
#define _GNU_SOURCE
#endif
#include <errno.h>
#include <fcntl.h>
#include <netdb.h>
#include <netinet/in.h>
#include <poll.h>
#include <pthread.h>
#include <sched.h>
#include <signal.h>
#include <sys/socket.h>
#include <sys/wait.h>

#include "net_sys.h"
#include "test.h"

/* The n-th of this thread's calls that acquire something fails (0: none). */
static _Thread_local int fail_at;
static int fails (void) { return fail_at > 0 && --fail_at == 0; }

static void *test_calloc (size_t n, size_t size) {
  return fails() ? NULL : calloc(n, size);
}

static char *test_strdup (const char *s) { return fails() ? NULL : strdup(s); }

static int test_pipe (int ends[2]) {
  if (!fails()) return net_pipe(ends);
  errno = EMFILE;
  return -1;
}

static int test_create (pthread_t *thread, const pthread_attr_t *attr,
                        void *(*run)(void *), void *arg) {
  return fails() ? EAGAIN : pthread_create(thread, attr, run, arg);
}

/* The answer of the name server: from the script if there is one, and not
   before the gate is open. */
static int (*script)(struct addrinfo **all);
static pthread_mutex_t gate = PTHREAD_MUTEX_INITIALIZER;
static sigset_t blocked;           /* in the thread */
static _Thread_local int scripted; /* its list is static */

static int test_getaddrinfo (const char *host, const char *service,
                             const struct addrinfo *hints,
                             struct addrinfo **all) {
  pthread_mutex_lock(&gate);
  pthread_sigmask(SIG_SETMASK, NULL, &blocked);
  int (*run)(struct addrinfo **) = script;
  pthread_mutex_unlock(&gate);
  scripted = run != NULL;
  return run ? run(all) : getaddrinfo(host, service, hints, all);
}

static void test_freeaddrinfo (struct addrinfo *all) {
  if (!scripted) freeaddrinfo(all);
}

#define calloc test_calloc
#define strdup test_strdup
#define net_pipe test_pipe
#define pthread_create test_create
#define getaddrinfo test_getaddrinfo
#define freeaddrinfo test_freeaddrinfo
#include "net_lookup.c"
#include "net_thread.c"
#undef calloc
#undef strdup
#undef net_pipe
#undef pthread_create
#undef getaddrinfo
#undef freeaddrinfo

static int is_ready (const net_lookup *l, int milliseconds) {
  struct pollfd p = {net_lookup_fd(l), POLLIN, 0};
  return poll(&p, 1, milliseconds) == 1;
}

static int answer (net_lookup *l, const net_address **list, const char **why) {
  CHECK(is_ready(l, -1));
  return net_lookup_take(l, list, why);
}

static void set_script (int (*run)(struct addrinfo **all)) {
  pthread_mutex_lock(&gate);
  script = run;
  pthread_mutex_unlock(&gate);
}

/* ---------------------------------------------------------------- answers */

TEST(localhost_is_here) {
  net_lookup *l = net_lookup_new("localhost", -1);
  const net_address *list = NULL;
  const char *why = NULL;
  int n = answer(l, &list, &why);
  CHECK(n >= 1);
  for (int i = 0; i < n; i++) {
    int v4 = strcmp(list[i].host, "127.0.0.1") == 0;
    CHECK(v4 || strcmp(list[i].host, "::1") == 0);
    CHECK(list[i].family == (v4 ? NET_INET : NET_INET6));
    CHECK(list[i].port == 0);
  }
  CHECK(net_lookup_take(l, &list, &why) == n); /* as often as one likes */
  net_lookup_free(l);
}

TEST(addresses_are_names_too) {
  const net_address *list = NULL;
  const char *why = NULL;
  net_lookup *l = net_lookup_new("127.0.0.2", NET_INET);
  CHECK(answer(l, &list, &why) == 1);
  CHECK_STR(list[0].host, "127.0.0.2");
  net_lookup_free(l);
  l = net_lookup_new("127.0.0.2", NET_INET6); /* of another family */
  CHECK(answer(l, &list, &why) == NET_ERROR);
  CHECK_STR(why, "host not found");
  net_lookup_free(l);
}

/* RFC 6761 section 6.4: this name does not exist. Without a name server the
   resolver may say that it could not ask. */
TEST(unknown_names_are_errors) {
  const char *why = NULL;
  const net_address *list = NULL;
  net_lookup *l = net_lookup_new("no-such-host.invalid", -1);
  CHECK(answer(l, &list, &why) == NET_ERROR);
  CHECK(why && (strcmp(why, "host not found") == 0 ||
                strcmp(why, "temporary failure, try again") == 0));
  net_lookup_free(l);
}

static struct sockaddr_in in4 (uint32_t address) {
  struct sockaddr_in in;
  memset(&in, 0, sizeof in);
  in.sin_family = AF_INET;
  in.sin_addr.s_addr = htonl(address);
  return in;
}

/* 10.0.0.2, 10.0.0.1, something else, 10.0.0.2 again */
static int some_addresses (struct addrinfo **all) {
  static const uint32_t hosts[] = {0x0a000002, 0x0a000001, 1, 0x0a000002};
  static struct addrinfo list[4];
  static struct sockaddr_in in[4];
  for (int i = 0; i < 4; i++) {
    in[i] = in4(hosts[i]);
    list[i].ai_family = i == 2 ? AF_UNIX : AF_INET;
    list[i].ai_addr = (struct sockaddr *)&in[i];
    list[i].ai_addrlen = sizeof in[i];
    list[i].ai_next = i < 3 ? &list[i + 1] : NULL;
  }
  *all = list;
  return 0;
}

TEST(addresses_come_in_order_and_once) {
  const net_address *list = NULL;
  const char *why = NULL;
  set_script(some_addresses);
  net_lookup *l = net_lookup_new("a.example", -1);
  CHECK(answer(l, &list, &why) == 2);
  CHECK_STR(list[0].host, "10.0.0.2");
  CHECK_STR(list[1].host, "10.0.0.1");
  net_lookup_free(l);
  set_script(NULL);
}

static int scripted_error;
static int fail_with (struct addrinfo **all) {
  (void)all;
  return scripted_error;
}

TEST(errors_have_texts) {
  static const struct {
    int error;
    const char *text;
  } all[] = {{EAI_NONAME, "host not found"},
             {EAI_FAMILY, "host not found"},
             {EAI_AGAIN, "temporary failure, try again"},
             {EAI_FAIL, "the name server failed"},
             {EAI_SYSTEM, "the name server failed"},
             {EAI_MEMORY, "not enough memory"}};
  set_script(fail_with);
  for (size_t i = 0; i < sizeof all / sizeof all[0]; i++) {
    const net_address *list = NULL;
    const char *why = "";
    scripted_error = all[i].error;
    net_lookup *l = net_lookup_new("a.example", -1);
    CHECK(answer(l, &list, &why) == NET_ERROR);
    CHECK_STR(why, all[i].text);
    net_lookup_free(l);
  }
  set_script(NULL);
}

/* -------------------------------------------------------------------- time */

TEST(the_answer_comes_only_when_it_is_known) {
  const net_address *list = NULL;
  const char *why = NULL;
  pthread_mutex_lock(&gate);
  net_lookup *l = net_lookup_new("127.0.0.1", -1);
  CHECK(!is_ready(l, 0));
  CHECK(net_lookup_take(l, &list, &why) == NET_AGAIN);
  pthread_mutex_unlock(&gate);
  CHECK(answer(l, &list, &why) == 1);
  net_lookup_free(l);
}

TEST(a_look_up_may_be_closed_before_its_answer) {
  net_lookup *all[50];
  pthread_mutex_lock(&gate);
  for (int i = 0; i < 50; i++) {
    all[i] = net_lookup_new("127.0.0.1", -1);
    CHECK(all[i] != NULL);
  }
  for (int i = 0; i < 50; i++) net_lookup_free(all[i]);
  pthread_mutex_unlock(&gate); /* now they write to closed pipes */
  for (int i = 0; i < 50; i++) net_lookup_free(net_lookup_new("::1", -1));
  net_lookup_free(NULL);
  net_lookup *last = net_lookup_new("127.0.0.1", -1);
  CHECK(is_ready(last, -1));
  net_lookup_free(last);
}

TEST(many_at_once_find_their_own) {
  enum { N = 20 };
  net_lookup *all[N];
  char host[N][32];
  for (int i = 0; i < N; i++) {
    snprintf(host[i], sizeof host[i], "127.0.1.%d", i);
    all[i] = net_lookup_new(host[i], -1);
  }
  for (int i = 0; i < N; i++) {
    const net_address *list = NULL;
    const char *why = NULL;
    CHECK(answer(all[i], &list, &why) == 1);
    CHECK_STR(list[0].host, host[i]);
    net_lookup_free(all[i]);
  }
}

TEST(the_thread_takes_no_signals) {
  net_lookup *l = net_lookup_new("127.0.0.1", -1);
  CHECK(is_ready(l, -1));
  pthread_mutex_lock(&gate);
  CHECK(sigismember(&blocked, SIGTERM) && sigismember(&blocked, SIGPIPE));
  CHECK(sigismember(&blocked, SIGINT) && sigismember(&blocked, SIGCHLD));
  pthread_mutex_unlock(&gate);
  sigset_t own;
  pthread_sigmask(SIG_SETMASK, NULL, &own);
  CHECK(!sigismember(&own, SIGTERM)); /* ours is unchanged */
  net_lookup_free(l);
}

static int broken_pipes;
static void count_broken_pipe (int signo) { broken_pipes += signo == SIGPIPE; }

TEST(an_answer_to_a_closed_pipe_raises_no_signal) {
  void (*before)(int) = signal(SIGPIPE, count_broken_pipe);
  pthread_mutex_lock(&gate);
  net_lookup *l = net_lookup_new("127.0.0.1", -1);
  net_fd end = l->write_end;
  net_lookup_free(l);
  pthread_mutex_unlock(&gate);
  while (fcntl(end, F_GETFD) >= 0) sched_yield(); /* it writes, then closes */
  CHECK(broken_pipes == 0);
  signal(SIGPIPE, before);
}

TEST(its_descriptor_is_not_inherited) {
  net_lookup *l = net_lookup_new("127.0.0.1", -1);
  CHECK(fcntl(net_lookup_fd(l), F_GETFD) & FD_CLOEXEC);
  CHECK(is_ready(l, -1));
  net_lookup_free(l);
}

/* The lowest number that is free. */
static int lowest (void) {
  int fd = dup(0);
  close(fd);
  return fd;
}

TEST(leaves_no_descriptor) {
  int before = lowest();
  for (int i = 0; i < 20; i++) {
    const net_address *list;
    const char *why;
    char rest[2];
    net_lookup *l = net_lookup_new("127.0.0.1", -1);
    CHECK(answer(l, &list, &why) == 1);
    CHECK(read(net_lookup_fd(l), rest, 1) == 1);
    while (read(net_lookup_fd(l), rest, 1) < 0 && errno == EAGAIN)
      sched_yield();
    CHECK(read(net_lookup_fd(l), rest, 1) == 0); /* the thread's end is gone */
    net_lookup_free(l);
  }
  CHECK(lowest() <= before); /* less: an earlier test's thread has ended */
}

/* A child also holds the ends of the pipe, and lives until we have the answer.
   */
TEST(a_child_does_not_delay_the_answer) {
  const net_address *list = NULL;
  const char *why = NULL;
  int hold[2], status = -1;
  char c;
  CHECK(pipe(hold) == 0);
  pthread_mutex_lock(&gate);
  net_lookup *l = net_lookup_new("127.0.0.1", -1);
  fflush(stdout);
  pid_t child = fork();
  if (child == 0) {
    close(hold[1]);
    net_lookup_free(l);               /* its thread is not in here: no harm */
    _exit(read(hold[0], &c, 1) != 0); /* until the parent closes it */
  }
  pthread_mutex_unlock(&gate);
  CHECK(answer(l, &list, &why) == 1);
  close(hold[0]);
  close(hold[1]);
  CHECK(waitpid(child, &status, 0) == child && status == 0);
  net_lookup_free(l);
}

/* ---------------------------------------------------------- what is lacking */

TEST(without_memory_descriptors_or_threads_there_is_none) {
  for (int at = 1; at <= 4; at++) { /* calloc, strdup, pipe, pthread_create */
    fail_at = at;
    errno = 0;
    CHECK(net_lookup_new("127.0.0.1", -1) == NULL);
    CHECK(fail_at == 0);
    if (at == 3) CHECK(errno == EMFILE);
    if (at == 4) CHECK(errno == ENOMEM); /* too many threads */
  }
}

static int then_no_memory (struct addrinfo **all) {
  fail_at = 1; /* the thread's list */
  return some_addresses(all);
}

TEST(an_answer_that_finds_no_memory_is_an_error) {
  const net_address *list = NULL;
  const char *why = "";
  set_script(then_no_memory);
  net_lookup *l = net_lookup_new("a.example", -1);
  CHECK(answer(l, &list, &why) == NET_ERROR);
  CHECK_STR(why, "not enough memory");
  net_lookup_free(l);
  set_script(NULL);
}

/* ------------------------------------------------------------- net_numeric */

TEST(addresses_in_digits_need_no_look_up) {
  static const struct {
    const char *host, *same;
    int family;
  } all[] = {{"127.0.0.1", "127.0.0.1", NET_INET},
             {"::1", "::1", NET_INET6},
             {"0:0:0:0:0:0:0:1", "::1", NET_INET6},
             {"2001:DB8::A", "2001:db8::a", NET_INET6},
             {"::ffff:1.2.3.4", "::ffff:1.2.3.4", NET_INET6}};
  for (size_t i = 0; i < sizeof all / sizeof all[0]; i++) {
    net_address a;
    if (!CHECK(net_numeric(all[i].host, &a) == 1)) continue;
    CHECK_STR(a.host, all[i].same);
    CHECK(a.family == all[i].family && a.port == 0);
  }
}

TEST(names_are_not_in_digits) {
  const char *const names[] = {"localhost", "",     "1.2.3.4.5", "[::1]",
                               "::g",       ":::1", "1.2.3.256", "a.example"};
  net_address a;
  for (size_t i = 0; i < sizeof names / sizeof names[0]; i++)
    CHECK(net_numeric(names[i], &a) == 0);
}
