/* Clients that send events and get each one's argument back as its acknowledgement. */
#define _GNU_SOURCE
#include "session.h"
#include "workloads.h"

#include <string.h>

#define FIRST 10000000u

static struct client *clients;
static struct histogram latencies;
static struct window window;
static struct outgoing message;
static struct incoming answer;
static int under_way, depth;
/* Clients with something to send after this batch: what one read allows leaves in one write. */
static struct client **ready;
static int ready_count;

static void answered(struct client *c, enum kind kind, const char *packet, size_t length) {
  uint32_t who, number;
  if (kind != ACK) fail("an event that nobody sent");
  incoming_read(&answer, packet, length, true, &who, &number);
  if (who != (uint32_t)c->index || number != c->oldest)
    fail("client %d waits for the answer to %u and got that of client %u to %u", c->index, c->oldest,
         who, number);
  c->oldest++;
  under_way--;
  if (measuring) {
    window.messages++;
    histogram_add(&latencies, now_ns() - c->sent_at[number % MAX_SLOTS]);
  }
  if (c->next - c->oldest == (uint32_t)depth - 1) ready[ready_count++] = c;
}

static void send_more(struct client *c) {
  static char joined[MAX_SLOTS * 8192];
  size_t length = 0;
  while (c->next - c->oldest < (uint32_t)depth) {
    outgoing_number(&message, (uint32_t)c->index, c->next);
    memcpy(joined + length, message.bytes, message.length);
    length += message.length;
    c->sent_at[c->next % MAX_SLOTS] = now_ns();
    c->next++;
    under_way++;
  }
  conn_send(&c->conn, joined, length);
}

static void after_batch(void) {
  if (finishing) {
    if (under_way == 0) net_stop();
    return;
  }
  for (int i = 0; i < ready_count; i++) send_more(ready[i]);
  ready_count = 0;
}

static int nothing_under_way(void) { return under_way == 0; }

void run_echo(const struct options *o) {
  depth = o->window;
  outgoing_build(&message, "echo", NULL, true, true);
  clients = session_many(o->clients, 64, NULL);
  ready = must_alloc((size_t)o->clients, sizeof *ready);
  session_message = answered;
  for (int i = 0; i < o->clients; i++) {
    clients[i].next = clients[i].oldest = FIRST;
    ready[ready_count++] = &clients[i];
  }
  net_after_batch = after_batch;
  run_window(o, &window, nothing_under_way);
  report("echo", &window, &latencies, "");
}
