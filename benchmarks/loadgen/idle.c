/* Clients that do nothing: what each costs in memory, and all of them in time. */
#define _GNU_SOURCE
#include "session.h"
#include "workloads.h"

#include <stdio.h>

static int left;

static void gone(struct client *c) {
  (void)c;
  if (--left == 0) net_stop();
}

void run_idle(const struct options *o) {
  struct window window;
  char extra[256];
  /* What the server loads or makes with its first clients is not what a client costs. */
  int few = 50;
  struct client *first = session_many(few, 10, NULL);
  session_ended = gone;
  left = few;
  for (int i = 0; i < few; i++) session_end(&first[i]);
  net_run(now_ns() + 2 * SECOND);
  session_rest(o->warmup);
  uint64_t before = meter_rss();
  session_many(o->clients, 64, NULL);
  session_rest(o->warmup + 1);
  uint64_t after = meter_rss();
  uint64_t heartbeats = session_heartbeats;
  window_open(&window);
  session_rest(o->seconds);
  window_close(&window);
  snprintf(extra, sizeof extra,
           ", \"connections\": %d, \"rss_before\": %llu, \"rss_after\": %llu, \"heartbeats\": %llu",
           o->clients, (unsigned long long)before, (unsigned long long)after,
           (unsigned long long)(session_heartbeats - heartbeats));
  report("idle", &window, NULL, extra);
}
