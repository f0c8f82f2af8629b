/* What every part of the load generator shares: time, failure, histogram, meters. */
#ifndef LOADGEN_CORE_H
#define LOADGEN_CORE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

typedef uint64_t ns_t;

#define SECOND 1000000000ull

/* Nanoseconds of the monotonic clock. */
ns_t now_ns(void);

/* Say what went wrong, as a line of JSON on standard output, and exit with 1. A protocol error, a
 * wrong payload and a timeout all end here: a run either is right or has no figures. */
_Noreturn void fail(const char *format, ...) __attribute__((format(printf, 1, 2)));

/* Memory or failure. */
void *must_alloc(size_t count, size_t size);
void *must_realloc(void *old, size_t size);

/* A histogram of durations: 32 linear steps for each power of two, so about 3 % wide. */
struct histogram {
  uint64_t count;
  uint64_t sum;
  uint64_t max;
  uint64_t buckets[64 * 32];
};
void histogram_clear(struct histogram *);
void histogram_add(struct histogram *, ns_t duration);
/* The duration that `share` (0 to 1) of those recorded do not exceed, in ns. */
double histogram_quantile(const struct histogram *, double share);

/* The processes of the server, whose cost is measured from outside. */
void meter_add_pid(int pid);
/* CPU time of all of them since they were started, user and system, in ns: all threads, also those
 * that ended. */
ns_t meter_cpu(void);
/* Resident memory of all of them, in bytes. */
uint64_t meter_rss(void);

/* Events between two moments: what a measured window is made of. */
struct window {
  ns_t started, ended;
  ns_t server_cpu;
  ns_t own_cpu;
  ns_t machine_cpu; /* of everything that runs here: what is neither server nor we disturbs */
  uint64_t messages;
};
void window_open(struct window *);
void window_close(struct window *);
/* Print the JSON line with the figures; `extra` is more members, such as ",\"rss\":1", or "". */
void report(const char *workload, const struct window *, const struct histogram *, const char *extra);

#endif
