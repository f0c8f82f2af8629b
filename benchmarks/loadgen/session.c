#define _GNU_SOURCE
#include "session.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

void (*session_ready)(struct client *);
void (*session_message)(struct client *, enum kind, const char *, size_t);
void (*session_ended)(struct client *);
uint64_t session_heartbeats;

static void speak(const struct client *c) {
  if (mixed) dialect = c->index % 2 ? V09 : V5;
}

static void request(struct client *c, const char *path, const char *headers) {
  char text[1024];
  int length = snprintf(text, sizeof text, "GET %s HTTP/1.1\r\nHost: %s\r\n%s\r\n", path,
                        net_authority, headers);
  conn_send(&c->conn, text, (size_t)length);
}

static void upgrade(struct client *c) {
  char path[256];
  path_websocket(path, sizeof path, c->sid);
  c->state = UPGRADING;
  conn_open(&c->conn);
  request(c, path, UPGRADE);
}

void session_begin(struct client *c) {
  char path[256];
  speak(c);
  c->started = now_ns();
  memset(c->last, 0, sizeof c->last);
  if (dialect == V5) {
    upgrade(c);
    return;
  }
  /* A connection of its own for the handshake, as browsers have. */
  path_handshake(path, sizeof path);
  c->state = HANDSHAKING;
  conn_open(&c->conn);
  request(c, path, "Connection: keep-alive\r\n");
}

void session_send(struct client *c, const char *packet) {
  char frame[512];
  conn_send(&c->conn, frame, frame_build(frame, 1, packet, strlen(packet)));
}

void session_end(struct client *c) {
  char frame[32];
  c->state = CLOSING;
  conn_send(&c->conn, frame, frame_build(frame, 8, "\x03\xe8", 2));
}

static void joined(struct client *c) {
  c->state = READY;
  if (session_ready) session_ready(c);
}

static void packet_came(struct client *c, const char *packet, size_t length) {
  enum kind kind = packet_kind(packet, length);
  switch (kind) {
  case HEARTBEAT:
    session_heartbeats++;
    session_send(c, packet_heartbeat());
    return;
  case NOTHING: return;
  case OPENED:
    if (c->state != OPENING) fail("the session opened twice");
    session_send(c, packet_connect());
    return;
  case CONNECTED:
    if (c->state != OPENING) fail("the namespace was connected twice");
    if (c->room) {
      char join[256];
      packet_event(join, sizeof join, "join", 10000000, c->room);
      c->state = JOINING;
      session_send(c, join);
      return;
    }
    joined(c);
    return;
  case ACK:
    if (c->state == JOINING) {
      joined(c);
      return;
    }
    break;
  case EVENT: break;
  }
  if (c->state != READY || session_message == NULL)
    fail("a message that nobody asked for: %.*s", (int)(length > 200 ? 200 : length), packet);
  session_message(c, kind, packet, length);
}

static size_t frames_came(struct client *c, const char *data, size_t length) {
  size_t at = 0, used, size;
  const char *payload;
  int opcode;
  /* Whoever said goodbye does not listen any more. */
  while (c->state != CLOSING && (used = frame_parse(data + at, length - at, &opcode, &payload, &size))) {
    at += used;
    switch (opcode) {
    case 1: packet_came(c, payload, size); break;
    case 9: {
      char pong[256];
      if (size > 125) fail("a ping of %zu bytes", size);
      conn_send(&c->conn, pong, frame_build(pong, 10, payload, size));
      break;
    }
    case 8: fail("the server closed a websocket by itself");
    default: fail("unexpected websocket opcode %d", opcode);
    }
  }
  return at;
}

static size_t received(struct conn *conn, const char *data, size_t length) {
  struct client *c = conn->owner;
  struct answer answer;
  size_t used;
  speak(c);
  switch (c->state) {
  case HANDSHAKING:
    if ((used = http_parse(data, length, &answer)) == 0) return 0;
    if (answer.status != 200) fail("handshake answered with %d", answer.status);
    sid_from(answer.body, answer.body_len, c->sid, sizeof c->sid);
    conn_close(conn);
    upgrade(c);
    return used;
  case UPGRADING:
    if ((used = http_parse(data, length, &answer)) == 0) return 0;
    if (answer.status != 101) fail("websocket upgrade answered with %d", answer.status);
    if (!upgrade_accepted(data, used)) fail("the upgrade was not accepted");
    c->state = OPENING;
    return used + frames_came(c, data + used, length - used);
  case CLOSING: return length;
  default: return frames_came(c, data, length);
  }
}

static void lost(struct conn *conn) {
  struct client *c = conn->owner;
  static const char *const names[] = {"closed", "handshaking", "upgrading", "opening",
                                      "joining a room", "ready", "closing"};
  if (c->state != CLOSING) fail("the server closed a connection that was %s", names[c->state]);
  c->state = CLOSED;
  if (session_ended) session_ended(c);
}

static struct client *clients;
static int wanted, begun, done;
static void (*saved_ready)(struct client *);

static void one_ready(struct client *c) {
  (void)c;
  done++;
  if (begun < wanted) session_begin(&clients[begun++]);
  if (done == wanted) net_stop();
}

struct client *session_many(int count, int lanes, const char *(*room_of)(int)) {
  struct client *made = must_alloc((size_t)count, sizeof *made);
  for (int i = 0; i < count; i++) {
    struct client *c = &made[i];
    c->index = i;
    c->room = room_of ? room_of(i) : NULL;
    c->conn = (struct conn){.fd = -1, .owner = c, .received = received, .lost = lost};
  }
  if (lanes == 0) return made;
  clients = made;
  wanted = count;
  begun = done = 0;
  saved_ready = session_ready;
  session_ready = one_ready;
  while (begun < wanted && begun < lanes) session_begin(&clients[begun++]);
  if (!net_run(now_ns() + 120 * SECOND)) fail("only %d of %d clients were ready after 2 minutes", done, count);
  session_ready = saved_ready;
  return made;
}

void session_rest(double seconds) { net_run(now_ns() + (ns_t)(seconds * 1e9)); }
