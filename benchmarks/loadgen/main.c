/* A load generator for Socket.IO servers, which measures what the load costs the server.
 *
 *   loadgen --workload broadcast --port 8080 --pid 1234 --clients 1000 --window 4 --seconds 3
 *
 * prints one line of JSON: the figures of the run, or {"error": ...} and exit status 1. */
#define _GNU_SOURCE
#include "net.h"
#include "wire.h"
#include "workloads.h"

#include <getopt.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>

int measuring, finishing;

void run_window(const struct options *o, struct window *w, int (*drained)(void)) {
  if (o->warmup > 0) net_run(now_ns() + (ns_t)(o->warmup * 1e9));
  window_open(w);
  measuring = 1;
  net_run(w->started + (ns_t)(o->seconds * 1e9));
  /* On a machine that has no time for us a short window may see nothing: it lasts until it does. */
  while (w->messages == 0 && now_ns() < w->started + 30 * SECOND) net_run(now_ns() + SECOND / 10);
  measuring = 0;
  window_close(w);
  if (w->messages == 0) fail("not a single message in 30 seconds");
  finishing = 1;
  if (!drained() && !net_run(now_ns() + 15 * SECOND) && !drained())
    fail("messages were not answered within 15 seconds of the end");
}

static void pin(int core) {
  cpu_set_t set;
  CPU_ZERO(&set);
  CPU_SET((size_t)core, &set);
  if (sched_setaffinity(0, sizeof set, &set) != 0) fail("cannot run on core %d", core);
}

static void raise_file_limit(void) {
  struct rlimit limit;
  getrlimit(RLIMIT_NOFILE, &limit);
  limit.rlim_cur = limit.rlim_max;
  setrlimit(RLIMIT_NOFILE, &limit);
}

int main(int argc, char **argv) {
  enum { WORKLOAD = 1, HOST, PORT, PID, CORE, DIALECT, CLIENTS, WINDOW, SHOUTERS, ROOM, SECONDS, WARMUP, SIZE };
  static const struct option known[] = {
      {"workload", 1, 0, WORKLOAD}, {"host", 1, 0, HOST},         {"port", 1, 0, PORT},
      {"pid", 1, 0, PID},           {"core", 1, 0, CORE},         {"dialect", 1, 0, DIALECT},
      {"clients", 1, 0, CLIENTS},   {"window", 1, 0, WINDOW},     {"shouters", 1, 0, SHOUTERS},
      {"room", 1, 0, ROOM},         {"seconds", 1, 0, SECONDS},   {"warmup", 1, 0, WARMUP},
      {"size", 1, 0, SIZE},         {0, 0, 0, 0},
  };
  static const struct {
    const char *name;
    void (*run)(const struct options *);
  } workloads[] = {
      {"broadcast", run_broadcast}, {"echo", run_echo},       {"connect", run_connect},
      {"idle", run_idle},           {"polling", run_polling}, {"upgrade", run_upgrade},
  };
  struct options o = {.clients = 1, .window = 1, .shouters = 1, .seconds = 2, .warmup = 1};
  const char *workload = "", *host = "127.0.0.1";
  int port = 0, option;
  while ((option = getopt_long(argc, argv, "", known, NULL)) != -1) {
    switch (option) {
    case WORKLOAD: workload = optarg; break;
    case HOST: host = optarg; break;
    case PORT: port = atoi(optarg); break;
    case PID: meter_add_pid(atoi(optarg)); break;
    case CORE: pin(atoi(optarg)); break;
    case DIALECT:
      mixed = strcmp(optarg, "mixed") == 0;
      if (!mixed && strcmp(optarg, "v09") != 0 && strcmp(optarg, "v5") != 0)
        fail("--dialect is v09, v5 or mixed");
      dialect = strcmp(optarg, "v5") == 0 ? V5 : V09;
      break;
    case CLIENTS: o.clients = atoi(optarg); break;
    case WINDOW: o.window = atoi(optarg); break;
    case SHOUTERS: o.shouters = atoi(optarg); break;
    case ROOM: o.room = atoi(optarg); break;
    case SECONDS: o.seconds = atof(optarg); break;
    case WARMUP: o.warmup = atof(optarg); break;
    case SIZE: message_size = (size_t)atoi(optarg); break;
    default: fail("an option that is not known; see main.c");
    }
  }
  if (port <= 0) fail("--port is missing");
  if (o.clients < 1 || o.clients > 99999) fail("--clients is 1 to 99999");
  if (o.window < 1 || o.window > 64) fail("--window is 1 to 64");
  if (o.shouters < 1 || o.shouters > o.window || o.shouters > o.clients)
    fail("--shouters is at least 1 and at most the window and the clients");
  if (o.room < 0 || o.room > o.clients) fail("--room is at most the clients");
  if (message_size < 32 || message_size > 4096) fail("--size is 32 to 4096");
  if (mixed && strcmp(workload, "broadcast") != 0) fail("only broadcast has mixed dialects");
  raise_file_limit();
  net_init(host, port);
  for (size_t i = 0; i < sizeof workloads / sizeof *workloads; i++) {
    if (strcmp(workloads[i].name, workload) == 0) {
      workloads[i].run(&o);
      return 0;
    }
  }
  fail("no workload '%s': broadcast, echo, connect, upgrade, idle or polling", workload);
}
