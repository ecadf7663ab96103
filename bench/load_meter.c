/*
** bench/load_meter.c - the server's CPU time, memory and page faults, and how
** long units take.
*/
#include "load.h"

#include <stdio.h>
#include <unistd.h>

meter the_meter;

static long begun; /* units before the measure */
static double started, began, cpu, rss, seconds, bytes, faults;

double now (void) {
  struct timespec t;
  clock_gettime(CLOCK_MONOTONIC, &t);
  return (double)t.tv_sec + (double)t.tv_nsec / 1e9;
}

/* CPU time of the server so far, user and system, all threads. */
static double server_cpu (void) {
  struct timespec t;
  clockid_t clock;
  need(clock_getcpuclockid(the_meter.pid, &clock) == 0, "the server has gone");
  need(clock_gettime(clock, &t) == 0, "the server has gone");
  return (double)t.tv_sec + (double)t.tv_nsec / 1e9;
}

/* A number in a file of the server's in /proc, where 'format' finds it. */
static double server_number (const char *file, const char *format) {
  char path[64];
  long number = 0;
  snprintf(path, sizeof path, "/proc/%d/%s", the_meter.pid, file);
  FILE *f = fopen(path, "r");
  need(f != NULL, "the server has gone");
  int n = fscanf(f, format, &number);
  fclose(f);
  need(n == 1, path);
  return (double)number;
}

/* Resident memory in KiB. */
static double server_rss (void) {
  double pages = server_number("statm", "%*d %ld");
  return pages * (double)sysconf(_SC_PAGESIZE) / 1024;
}

/* Those that needed no disk, so far: the tenth field, behind the name. */
static double server_faults (void) {
  return server_number("stat", "%*d (%*[^)]) %*c %*d %*d %*d %*d %*d %*u %ld");
}

void begin_measure (void) {
  begun = the_meter.units;
  bytes = the_meter.bytes;
  cpu = server_cpu();
  rss = server_rss();
  faults = server_faults();
  began = now();
}

void end_measure (void) {
  seconds = now() - began;
  cpu = server_cpu() - cpu;
  rss = server_rss() - rss;
  faults = server_faults() - faults;
  bytes = the_meter.bytes - bytes;
  the_meter.done = 1;
}

void look_at_clock (void) {
  double t = now();
  if (!the_meter.ready || the_meter.done) return;
  if (started == 0) started = t;
  if (began == 0 && t - started >= the_meter.duration / 5) begin_measure();
  if (began != 0 && t - began >= the_meter.duration) end_measure();
}

/* --------------------------------------------------------------- latencies */

/* How many took how many nanoseconds: 32 steps for each power of two. */
enum { STEPS = 32, ALL_STEPS = 64 * STEPS };
static long taken[ALL_STEPS];

static unsigned step_of (uint64_t ns) {
  unsigned bits = 0;
  while (ns >> bits >= 2 * STEPS) bits++;
  return bits * STEPS + (unsigned)(ns >> bits);
}

static double step_end (unsigned i) { /* in microseconds */
  unsigned bits = i < 2 * STEPS ? 0 : i / STEPS - 1;
  return (double)((uint64_t)(i - bits * STEPS + 1) << bits) / 1e3;
}

void count (double since) {
  the_meter.units++;
  if (began != 0)
    taken[step_of((uint64_t)((the_meter.moment - since) * 1e9))]++;
}

static double percentile (double part) {
  double sum = 0, all = (double)(the_meter.units - begun);
  unsigned i = 0;
  while (i < ALL_STEPS - 1 && (sum += (double)taken[i]) < part * all) i++;
  return i < ALL_STEPS - 1 ? step_end(i) : 0;
}

void print_figures (long shares) {
  double units = (double)(the_meter.units - begun);
  printf("%.0f %.6f %.4f %.4f %.1f %.1f %.1f %.2f\n", units, seconds,
         cpu * 1e6 / units, rss / (double)shares, percentile(0.5),
         percentile(0.99), bytes / units, faults / units);
}
