/* Clients of the modern dialect that come by polling, enter the namespace, go over to a websocket and
 * leave: `clients` lanes, each again and again. As the client has it: a poll is held while the websocket
 * is tried out, and the websocket is the session's when that poll has been answered. */
#define _GNU_SOURCE
#include "net.h"
#include "wire.h"
#include "workloads.h"

#include <stdio.h>
#include <string.h>

static struct lane {
  struct conn http, websocket;
  enum { HANDSHAKING, ASKING, ENTERING, TRYING, LEAVING, GONE } state;
  bool switched, probed, released;
  char sid[64], path[256];
  ns_t started;
} *lanes;

static struct histogram latencies;
static struct window window;
static int count, living, unclosed;

static void begin(struct lane *);

static void get(struct lane *l) {
  char text[512];
  int length = snprintf(text, sizeof text, "GET %s HTTP/1.1\r\nHost: %s\r\nConnection: keep-alive\r\n\r\n",
                        l->path, net_authority);
  conn_send(&l->http, text, (size_t)length);
}

static void post(struct lane *l, const char *packet) {
  char text[1024];
  int length = snprintf(text, sizeof text,
                        "POST %s HTTP/1.1\r\nHost: %s\r\nConnection: keep-alive\r\n"
                        "Content-Type: text/plain;charset=UTF-8\r\nContent-Length: %zu\r\n\r\n%s",
                        l->path, net_authority, strlen(packet), packet);
  conn_send(&l->http, text, (size_t)length);
}

static void say(struct lane *l, int opcode, const char *text, size_t length) {
  char frame[64];
  conn_send(&l->websocket, frame, frame_build(frame, opcode, text, length));
}

static void try_websocket(struct lane *l) {
  char path[256], text[1024];
  path_upgrade(path, sizeof path, l->sid);
  conn_open(&l->websocket);
  int length = snprintf(text, sizeof text, "GET %s HTTP/1.1\r\nHost: %s\r\n%s\r\n", path, net_authority,
                        UPGRADE);
  conn_send(&l->websocket, text, (size_t)length);
}

static void go_over(struct lane *l) {
  if (!l->probed || !l->released) return;
  say(l, 1, "5", 1);
  if (measuring) {
    window.messages++;
    histogram_add(&latencies, now_ns() - l->started);
  }
  conn_close(&l->http);
  l->state = LEAVING;
  say(l, 8, "\x03\xe8", 2);
}

static void entered(void *owner, const char *packet, size_t length) {
  (void)owner;
  if (packet_kind(packet, length) != CONNECTED) fail("the namespace was not connected");
}

static void noop(void *owner, const char *packet, size_t length) {
  (void)owner;
  if (packet_kind(packet, length) != NOTHING) fail("a packet that nobody asked for");
}

static size_t answered(struct conn *conn, const char *data, size_t length) {
  struct lane *l = conn->owner;
  struct answer a;
  size_t used = http_parse(data, length, &a);
  if (used == 0) return 0;
  if (used != length) fail("more came than one answer");
  if (a.status != 200) fail("answered with %d: %.*s", a.status, (int)a.body_len, a.body);
  switch (l->state) {
  case HANDSHAKING:
    sid_from(a.body, a.body_len, l->sid, sizeof l->sid);
    path_polling(l->path, sizeof l->path, l->sid);
    l->state = ASKING;
    post(l, packet_connect());
    break;
  case ASKING:
    l->state = ENTERING;
    get(l);
    break;
  case ENTERING:
    payload_split(a.body, a.body_len, l, entered);
    l->state = TRYING;
    get(l);
    try_websocket(l);
    break;
  case TRYING:
    payload_split(a.body, a.body_len, l, noop);
    l->released = true;
    go_over(l);
    break;
  default: fail("an answer that nobody asked for");
  }
  return used;
}

static size_t framed(struct conn *conn, const char *data, size_t length) {
  struct lane *l = conn->owner;
  struct answer a;
  const char *payload;
  size_t at = 0, used, size;
  int opcode;
  if (l->state == LEAVING) return length;
  if (!l->switched) {
    if ((at = http_parse(data, length, &a)) == 0) return 0;
    if (a.status != 101 || !upgrade_accepted(data, at)) fail("websocket answered with %d", a.status);
    l->switched = true;
    say(l, 1, "2probe", 6);
  }
  while (l->state != LEAVING && (used = frame_parse(data + at, length - at, &opcode, &payload, &size))) {
    at += used;
    if (opcode != 1 || size != 6 || memcmp(payload, "3probe", 6) != 0) fail("the probe was not answered");
    l->probed = true;
    go_over(l);
  }
  return l->state == LEAVING ? length : at;
}

static void ended(struct lane *l) {
  l->state = GONE;
  if (!finishing) begin(l);
  else if (--living == 0) net_stop();
}

static void lost(struct conn *conn) {
  struct lane *l = conn->owner;
  if (l->state != LEAVING) fail("the server closed a connection in step %d", l->state);
  ended(l);
}

static void begin(struct lane *l) {
  l->started = now_ns();
  l->switched = l->probed = l->released = false;
  l->state = HANDSHAKING;
  path_polling(l->path, sizeof l->path, NULL);
  conn_open(&l->http);
  get(l);
}

/* A server that does not close after a close frame keeps its lane for two seconds. */
static void tick(ns_t now) {
  for (int i = 0; i < count; i++) {
    struct lane *l = &lanes[i];
    if (l->state == LEAVING && now > l->started + 2 * SECOND) {
      unclosed++;
      conn_close(&l->websocket);
      ended(l);
    }
  }
}

static int all_gone(void) { return living == 0; }

void run_upgrade(const struct options *o) {
  char extra[64];
  if (dialect != V5) fail("only the modern dialect goes over to a websocket");
  count = living = o->clients;
  lanes = must_alloc((size_t)count, sizeof *lanes);
  net_tick = tick;
  for (int i = 0; i < count; i++) {
    lanes[i].http = (struct conn){.fd = -1, .owner = &lanes[i], .received = answered, .lost = lost};
    lanes[i].websocket = (struct conn){.fd = -1, .owner = &lanes[i], .received = framed, .lost = lost};
    begin(&lanes[i]);
  }
  run_window(o, &window, all_gone);
  snprintf(extra, sizeof extra, ", \"unclosed\": %d", unclosed);
  report("upgrade", &window, &latencies, extra);
}
