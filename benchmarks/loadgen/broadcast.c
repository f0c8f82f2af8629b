/* A client shouts, everybody in the namespace or in its room hears it. */
#define _GNU_SOURCE
#include "session.h"
#include "workloads.h"

#include <stdio.h>
#include <string.h>

static struct client *clients;
static struct histogram latencies;
static struct window window;
/* By dialect. */
static struct outgoing shouts[2];
static struct incoming heard[2];
static int members, slots, under_way;

static struct slot {
  struct client *shouter;
  uint32_t number;
  int remaining;
  ns_t sent;
  int due;
} slot[MAX_SLOTS];

static void heard_one(struct client *c, enum kind kind, const char *packet, size_t length) {
  uint32_t s, number;
  if (kind != EVENT) fail("an acknowledgement that nobody asked for");
  incoming_read(&heard[dialect], packet, length, false, &s, &number);
  if (s >= (uint32_t)slots || number != slot[s].number || c->last[s] + 1 != number)
    fail("client %d heard shout %u of slot %u, after %u", c->index, number, s, c->last[s]);
  if (c->index >= members) fail("client %d heard a shout in a room it is not in", c->index);
  c->last[s] = number;
  if (measuring) window.messages++;
  if (--slot[s].remaining == 0) {
    if (measuring) histogram_add(&latencies, now_ns() - slot[s].sent);
    slot[s].due = 1;
    under_way--;
  }
}

/* The next shouts of one client leave in one write: as one sends who has several things to say. */
static void shout_again(void) {
  static char joined[MAX_SLOTS * 8192];
  struct client *from = NULL;
  size_t length = 0;
  if (finishing) {
    if (under_way == 0) net_stop();
    return;
  }
  for (int s = 0; s < slots; s++) {
    if (!slot[s].due) continue;
    if (from && from != slot[s].shouter) {
      conn_send(&from->conn, joined, length);
      length = 0;
    }
    from = slot[s].shouter;
    slot[s].due = 0;
    slot[s].number++;
    slot[s].remaining = members;
    slot[s].sent = now_ns();
    under_way++;
    struct outgoing *shout = &shouts[mixed ? (from->index % 2 ? V09 : V5) : dialect];
    outgoing_number(shout, (uint32_t)s, slot[s].number);
    memcpy(joined + length, shout->bytes, shout->length);
    length += shout->length;
  }
  if (length) conn_send(&from->conn, joined, length);
}

static int nothing_under_way(void) { return under_way == 0; }

static int room_size;
static const char *room_of(int index) {
  static char names[16384][16];
  snprintf(names[index], sizeof names[index], "room-%d", index / room_size);
  return names[index];
}

void run_broadcast(const struct options *o) {
  slots = o->window;
  room_size = o->room;
  members = o->room ? o->room : o->clients;
  if (o->room && o->clients > 16384) fail("rooms are for 16384 clients at most");
  for (int each = 0; each < 2; each++) {
    if (mixed) dialect = (enum dialect)each;
    else if (each != (int)dialect) continue;
    outgoing_build(&shouts[each], o->room ? "room" : "shout", o->room ? "room-0" : NULL, false, true);
  }
  clients = session_many(o->clients, 64, o->room ? room_of : NULL);
  session_message = heard_one;
  for (int s = 0; s < slots; s++)
    slot[s] = (struct slot){.shouter = &clients[s * o->shouters / slots * members / o->shouters], .due = 1};
  session_rest(0.3);
  net_after_batch = shout_again;
  run_window(o, &window, nothing_under_way);
  report("broadcast", &window, &latencies, "");
}
