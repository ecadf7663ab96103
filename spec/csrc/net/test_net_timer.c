/*
** test_net_timer.c - the heap of timers against a naive list, and the clock.
** Allocations are made to fail through the copy of net_timer.c compiled here.
*/
#include "test.h"

#include "failing.h" /* after test.h, which has names of its own */

#define calloc test_calloc
#define realloc test_realloc
#include "net_timer.c"
#undef calloc
#undef realloc

TEST(none_is_due_at_first) {
  net_timers *t = net_timers_new();
  double at = -1;
  int handle = -1;
  uint32_t slot = 0;
  CHECK(net_timer_first(t, &at) == 0);
  CHECK(net_timer_due(t, 1e300, &handle, &slot) == 0);
  net_timers_free(t);
  net_timers_free(NULL);
}

TEST(comes_due_at_its_time_and_not_before) {
  net_timers *t = net_timers_new();
  double at = 0;
  int handle = -1;
  uint32_t slot = 0;
  int set = net_timer_set(t, 10, 7);
  CHECK(set >= 0);
  CHECK(net_timer_first(t, &at) == 1 && at == 10);
  CHECK(net_timer_due(t, 9.999, &handle, &slot) == 0);
  CHECK(net_timer_due(t, 10, &handle, &slot) == 1);
  CHECK(handle == set && slot == 7);
  CHECK(net_timer_due(t, 10, &handle, &slot) == 0);
  net_timers_free(t);
}

TEST(handles_are_used_again) {
  net_timers *t = net_timers_new();
  int a = net_timer_set(t, 1, 0), b = net_timer_set(t, 2, 0);
  CHECK(a != b);
  net_timer_cancel(t, a);
  CHECK(net_timer_set(t, 3, 0) == a);
  for (int i = 0; i < 1000; i++) net_timer_cancel(t, net_timer_set(t, i, 0));
  CHECK(net_timer_set(t, 4, 0) == 2);
  net_timers_free(t);
}

TEST(handles_that_are_gone_or_never_were_do_nothing) {
  net_timers *t = net_timers_new();
  double at = 0;
  int gone = net_timer_set(t, 1, 0);
  net_timer_cancel(t, gone);
  net_timer_set(t, 5, 0);
  net_timer_cancel(t, 1);
  net_timer_cancel(t, -1);
  net_timer_cancel(t, 1000000);
  net_timer_move(t, -1, 0);
  net_timer_move(t, 1, 0);
  CHECK(net_timer_first(t, &at) == 1 && at == 5);
  net_timers_free(t);
}

TEST(far_and_past_times_have_their_order) {
  net_timers *t = net_timers_new();
  const double times[] = {1e308, -1e308, 0, 1, -1};
  const uint32_t order[] = {1, 4, 2, 3, 0};
  int handle;
  uint32_t slot;
  for (uint32_t i = 0; i < 5; i++) net_timer_set(t, times[i], i);
  for (int i = 0; i < 5; i++)
    CHECK(net_timer_due(t, 1e308, &handle, &slot) && slot == order[i]);
  net_timers_free(t);
}

/* ------------------------------------------------------- against a model */

enum { MODEL = 200 };

typedef struct model {
  double at[MODEL];
  int handle[MODEL];
  uint32_t slot[MODEL];
  int n;
} model;

static void model_remove (model *m, int i) {
  m->n--;
  m->at[i] = m->at[m->n];
  m->handle[i] = m->handle[m->n];
  m->slot[i] = m->slot[m->n];
}

static int model_first (const model *m) {
  int first = 0;
  for (int i = 1; i < m->n; i++)
    if (m->at[i] < m->at[first]) first = i;
  return first;
}

static int model_find (const model *m, int handle) {
  for (int i = 0; i < m->n; i++)
    if (m->handle[i] == handle) return i;
  return -1;
}

static void step_set (net_timers *t, model *m, uint32_t slot) {
  if (m->n == MODEL) return;
  double at = (double)rnd(500); /* often the same time */
  int handle = net_timer_set(t, at, slot);
  CHECK(handle >= 0 && model_find(m, handle) < 0);
  m->at[m->n] = at;
  m->handle[m->n] = handle;
  m->slot[m->n++] = slot;
}

static void step_due (net_timers *t, model *m, double now) {
  int handle = -1, due = m->n > 0 && m->at[model_first(m)] <= now;
  uint32_t slot = 0;
  CHECK(net_timer_due(t, now, &handle, &slot) == due);
  if (!due) return;
  int i = model_find(m, handle);
  if (!CHECK(i >= 0)) return;
  CHECK(m->at[i] == m->at[model_first(m)] && m->slot[i] == slot);
  model_remove(m, i);
}

static void step (net_timers *t, model *m, uint32_t n) {
  int i = m->n > 0 ? (int)rnd((size_t)m->n) : -1;
  size_t what = rnd(8);
  if (what < 3 || i < 0) {
    step_set(t, m, n);
  } else if (what < 5) {
    m->at[i] = (double)rnd(500);
    net_timer_move(t, m->handle[i], m->at[i]);
  } else if (what < 6) {
    net_timer_cancel(t, m->handle[i]);
    model_remove(m, i);
  } else {
    step_due(t, m, (double)rnd(600));
  }
}

TEST(behaves_like_a_list) {
  for (unsigned seed = 1; seed <= 10; seed++) {
    net_timers *t = net_timers_new();
    static model m;
    double at = 0;
    rnd_seed(seed);
    m.n = 0;
    for (uint32_t i = 0; i < 20000; i++) {
      step(t, &m, i);
      CHECK(net_timer_first(t, &at) == (m.n > 0));
      if (m.n > 0) CHECK(at == m.at[model_first(&m)]);
    }
    while (m.n > 0) step_due(t, &m, 1000);
    CHECK(net_timer_first(t, &at) == 0);
    net_timers_free(t);
  }
}

TEST(a_hundred_thousand_come_in_order) {
  enum { N = 100000 };
  net_timers *t = net_timers_new();
  double last = -1, now;
  int handle, n = 0;
  uint32_t slot;
  rnd_seed(1);
  for (uint32_t i = 0; i < N; i++)
    CHECK(net_timer_set(t, (double)rnd(1000000), i) == (int)i);
  for (int i = 0; i < N; i += 2) net_timer_move(t, i, (double)rnd(1000000));
  for (int i = 0; i < N; i += 4) net_timer_cancel(t, i);
  while (net_timer_first(t, &now)) {
    CHECK(now >= last);
    last = now;
    CHECK(net_timer_due(t, now, &handle, &slot) == 1);
    CHECK(handle == (int)slot && handle % 4 != 0);
    n++;
  }
  CHECK(n == N - N / 4);
  net_timers_free(t);
}

/* ------------------------------------------------------------------ memory */

TEST(says_when_there_is_no_memory) {
  fail_at = 1;
  CHECK(net_timers_new() == NULL);
  for (int at = 1; at <= 4; at++) {
    fail_at = 0;
    net_timers *t = net_timers_new();
    double first = 0;
    int refused = 0;
    fail_at = at;
    for (int i = 0; i < 40; i++) {
      if (net_timer_set(t, 40 - i, 0) >= 0) continue;
      refused++;
      CHECK(net_timer_set(t, 40 - i, 0) >= 0); /* again: nothing is broken */
    }
    CHECK(refused == 1);
    CHECK(net_timer_first(t, &first) && first == 1);
    net_timers_free(t);
  }
  fail_at = 0;
}

TEST(the_clock_never_goes_back) {
  double last = net_now();
  CHECK(last > 0);
  for (int i = 0; i < 1000; i++) {
    double now = net_now();
    CHECK(now >= last);
    last = now;
  }
}
