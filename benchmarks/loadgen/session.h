/* One client over websocket: handshake, upgrade, namespace, then messages. */
#ifndef LOADGEN_SESSION_H
#define LOADGEN_SESSION_H

#include "net.h"
#include "wire.h"

#define MAX_SLOTS 64

enum state { CLOSED, HANDSHAKING, UPGRADING, OPENING, JOINING, READY, CLOSING };

struct client {
  struct conn conn;
  int index;
  enum state state;
  const char *room; /* to join before it is ready, or NULL */
  char sid[64];
  ns_t started;
  /* Of the workloads. */
  uint32_t last[MAX_SLOTS]; /* broadcast: the newest shout of each slot that came here */
  ns_t sent_at[MAX_SLOTS];  /* echo: when the message with that number, modulo, went out */
  uint32_t next, oldest;    /* echo: numbers of the next message and of the oldest unanswered */
};

/* What a workload wants to know. `message` gets events and acks; `ended` follows session_end. */
extern void (*session_ready)(struct client *);
extern void (*session_message)(struct client *, enum kind, const char *packet, size_t length);
extern void (*session_ended)(struct client *);
/* Heartbeats answered so far. */
extern uint64_t session_heartbeats;

void session_begin(struct client *);
void session_send(struct client *, const char *packet);
/* Say goodbye with a close frame, and wait for the server to close. */
void session_end(struct client *);

/* Make `count` clients, `lanes` at a time, each in the namespace and in the room that `room_of`
 * names (or NULL); returns when all are ready, fails when that takes more than two minutes. */
struct client *session_many(int count, int lanes, const char *(*room_of)(int index));
/* Wait without doing anything but answer heartbeats. */
void session_rest(double seconds);

#endif
