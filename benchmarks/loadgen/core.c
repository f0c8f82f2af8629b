#define _GNU_SOURCE
#include "core.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

static ns_t read_clock(clockid_t clock) {
  struct timespec t;
  if (clock_gettime(clock, &t) != 0) fail("cannot read a clock: the server may have died");
  return (ns_t)t.tv_sec * SECOND + (ns_t)t.tv_nsec;
}

ns_t now_ns(void) { return read_clock(CLOCK_MONOTONIC); }

void fail(const char *format, ...) {
  char text[1024];
  va_list arguments;
  va_start(arguments, format);
  vsnprintf(text, sizeof text, format, arguments);
  va_end(arguments);
  printf("{\"error\": \"");
  for (const char *c = text; *c; c++) {
    if (*c == '"' || *c == '\\') printf("\\%c", *c);
    else if ((unsigned char)*c < 0x20 || (unsigned char)*c > 0x7e) printf("\\u%04x", (unsigned char)*c);
    else putchar(*c);
  }
  printf("\"}\n");
  fflush(stdout);
  exit(1);
}

void *must_alloc(size_t count, size_t size) {
  void *memory = calloc(count, size);
  if (memory == NULL) fail("out of memory");
  return memory;
}

void *must_realloc(void *old, size_t size) {
  void *memory = realloc(old, size);
  if (memory == NULL) fail("out of memory");
  return memory;
}

/* -- histogram ---------------------------------------------------------------------------------- */

static unsigned bucket_of(uint64_t value) {
  if (value < 32) return (unsigned)value;
  unsigned power = 63u - (unsigned)__builtin_clzll(value);
  return (power - 4) * 32 + (unsigned)((value >> (power - 5)) & 31);
}

static double bucket_middle(unsigned bucket) {
  if (bucket < 32) return bucket;
  unsigned power = bucket / 32 + 4;
  double width = (double)(1ull << (power - 5));
  return (32 + bucket % 32) * width + width / 2;
}

void histogram_clear(struct histogram *h) { memset(h, 0, sizeof *h); }

void histogram_add(struct histogram *h, ns_t duration) {
  h->count++;
  h->sum += duration;
  if (duration > h->max) h->max = duration;
  h->buckets[bucket_of(duration)]++;
}

double histogram_quantile(const struct histogram *h, double share) {
  uint64_t wanted = (uint64_t)(share * (double)h->count + 0.5), seen = 0;
  if (wanted < 1) wanted = 1;
  for (unsigned i = 0; i < sizeof h->buckets / sizeof *h->buckets; i++) {
    seen += h->buckets[i];
    if (seen >= wanted) return bucket_middle(i);
  }
  return 0;
}

/* -- meters ------------------------------------------------------------------------------------- */

static int pids[64];
static int pid_count;

void meter_add_pid(int pid) {
  if (pid_count == (int)(sizeof pids / sizeof *pids)) fail("too many server processes");
  pids[pid_count++] = pid;
}

ns_t meter_cpu(void) {
  ns_t sum = 0;
  for (int i = 0; i < pid_count; i++) {
    clockid_t clock;
    /* The scheduler's own count in ns; /proc/PID/stat has it too, but in ticks of 10 ms. */
    if (clock_getcpuclockid(pids[i], &clock) != 0) fail("the server process %d is gone", pids[i]);
    sum += read_clock(clock);
  }
  return sum;
}

uint64_t meter_rss(void) {
  uint64_t sum = 0;
  for (int i = 0; i < pid_count; i++) {
    char path[64];
    unsigned long long total, resident;
    snprintf(path, sizeof path, "/proc/%d/statm", pids[i]);
    FILE *file = fopen(path, "r");
    if (file == NULL || fscanf(file, "%llu %llu", &total, &resident) != 2)
      fail("the server process %d is gone", pids[i]);
    fclose(file);
    sum += resident * (uint64_t)sysconf(_SC_PAGESIZE);
  }
  return sum;
}

/* Processor time that anything used on this machine, in ticks of 10 ms. */
static ns_t meter_machine(void) {
  unsigned long long user, nice, system, idle, wait, irq, softirq, steal;
  FILE *file = fopen("/proc/stat", "r");
  if (file == NULL || fscanf(file, "cpu %llu %llu %llu %llu %llu %llu %llu %llu", &user, &nice, &system,
                             &idle, &wait, &irq, &softirq, &steal) != 8)
    fail("cannot read /proc/stat");
  fclose(file);
  return (user + nice + system + irq + softirq + steal) * (SECOND / (ns_t)sysconf(_SC_CLK_TCK));
}

void window_open(struct window *w) {
  memset(w, 0, sizeof *w);
  w->machine_cpu = meter_machine();
  w->server_cpu = meter_cpu();
  w->own_cpu = read_clock(CLOCK_PROCESS_CPUTIME_ID);
  w->started = now_ns();
}

void window_close(struct window *w) {
  w->ended = now_ns();
  w->server_cpu = meter_cpu() - w->server_cpu;
  w->own_cpu = read_clock(CLOCK_PROCESS_CPUTIME_ID) - w->own_cpu;
  w->machine_cpu = meter_machine() - w->machine_cpu;
}

void report(const char *workload, const struct window *w, const struct histogram *h, const char *extra) {
  double elapsed = (double)(w->ended - w->started) / 1e9;
  double others = (double)w->machine_cpu - (double)w->server_cpu - (double)w->own_cpu;
  printf("{\"workload\": \"%s\", \"messages\": %llu, \"elapsed\": %.6f, \"server_cpu\": %.9f, "
         "\"generator_cpu\": %.9f, \"others_cpu\": %.2f, \"latencies\": %llu",
         workload, (unsigned long long)w->messages, elapsed, (double)w->server_cpu / 1e9,
         (double)w->own_cpu / 1e9, others > 0 ? others / 1e9 : 0, (unsigned long long)(h ? h->count : 0));
  if (h && h->count) {
    printf(", \"p50_ms\": %.4f, \"p90_ms\": %.4f, \"p99_ms\": %.4f, \"p999_ms\": %.4f, "
           "\"max_ms\": %.4f, \"mean_ms\": %.4f",
           histogram_quantile(h, .5) / 1e6, histogram_quantile(h, .9) / 1e6,
           histogram_quantile(h, .99) / 1e6, histogram_quantile(h, .999) / 1e6,
           (double)h->max / 1e6, (double)h->sum / (double)h->count / 1e6);
  }
  printf("%s}\n", extra);
  fflush(stdout);
}
