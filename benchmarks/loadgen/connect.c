/* Clients that come, enter the namespace and go: `clients` lanes, each again and again. */
#define _GNU_SOURCE
#include "session.h"
#include "workloads.h"

#include <stdio.h>

static struct client *clients;
static struct histogram latencies;
static struct window window;
static int lanes, living, unclosed;

static void ready(struct client *c) {
  if (measuring) {
    window.messages++;
    histogram_add(&latencies, now_ns() - c->started);
  }
  session_end(c);
}

static void ended(struct client *c) {
  if (!finishing) session_begin(c);
  else if (--living == 0) net_stop();
}

/* A server that does not close after a close frame keeps its lane for two seconds. */
static void tick(ns_t now) {
  for (int i = 0; i < lanes; i++) {
    struct client *c = &clients[i];
    if (c->state == CLOSING && now > c->started + 2 * SECOND) {
      unclosed++;
      conn_close(&c->conn);
      c->state = CLOSED;
      ended(c);
    }
  }
}

static int all_gone(void) { return living == 0; }

void run_connect(const struct options *o) {
  char extra[64];
  lanes = living = o->clients;
  clients = session_many(lanes, 0, NULL);
  session_ready = ready;
  session_ended = ended;
  net_tick = tick;
  for (int i = 0; i < lanes; i++) session_begin(&clients[i]);
  run_window(o, &window, all_gone);
  snprintf(extra, sizeof extra, ", \"unclosed\": %d", unclosed);
  report("connect", &window, &latencies, extra);
}
