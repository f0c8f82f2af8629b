/* Echo over long-polling: each client has one connection with a poll always open and one on which it
 * posts; what is to be sent while a post is under way goes with the next, as real clients do it. */
#define _GNU_SOURCE
#include "net.h"
#include "session.h"
#include "wire.h"
#include "workloads.h"

#include <stdio.h>
#include <string.h>

#define FIRST 10000000u
#define QUEUE 65536

struct poller {
  struct conn get, post;
  int index;
  bool handshaking, ready, posting;
  char sid[64];
  char poll[512]; /* the request, made once */
  size_t poll_len;
  char path[256];
  char queue[QUEUE]; /* packets to be posted */
  size_t queue_len;
  size_t lengths[MAX_SLOTS * 2];
  int queued;
  ns_t sent_at[MAX_SLOTS];
  uint32_t next, oldest;
};

static struct poller *pollers;
static struct histogram latencies;
static struct window window;
static struct outgoing message;
static struct incoming answer;
static int count, begun, ready_count, depth, under_way, going;

static void post(struct poller *p) {
  char text[QUEUE + 4096], body[QUEUE + 2048];
  size_t at = 0, from = 0;
  if (p->posting || p->queued == 0) return;
  for (int i = 0; i < p->queued; i++) {
    at += payload_prefix(body + at, i, p->queued, p->lengths[i]);
    memcpy(body + at, p->queue + from, p->lengths[i]);
    at += p->lengths[i];
    from += p->lengths[i];
  }
  int head = snprintf(text, sizeof text,
                      "POST %s HTTP/1.1\r\nHost: %s\r\nConnection: keep-alive\r\n"
                      "Content-Type: text/plain;charset=UTF-8\r\nContent-Length: %zu\r\n\r\n",
                      p->path, net_authority, at);
  memcpy(text + head, body, at);
  p->posting = true;
  p->queued = 0;
  p->queue_len = 0;
  conn_send(&p->post, text, (size_t)head + at);
}

static void enqueue(struct poller *p, const char *packet, size_t length) {
  if (p->queued == MAX_SLOTS * 2 || p->queue_len + length > QUEUE) fail("a post is never answered");
  memcpy(p->queue + p->queue_len, packet, length);
  p->queue_len += length;
  p->lengths[p->queued++] = length;
}

static void send_more(struct poller *p) {
  while (going && !finishing && p->next - p->oldest < (uint32_t)depth) {
    outgoing_number(&message, (uint32_t)p->index, p->next);
    enqueue(p, message.bytes, message.length);
    p->sent_at[p->next % MAX_SLOTS] = now_ns();
    p->next++;
    under_way++;
  }
  post(p);
}

static void begin(struct poller *p);

static void packet_came(void *owner, const char *packet, size_t length) {
  struct poller *p = owner;
  uint32_t who, number;
  switch (packet_kind(packet, length)) {
  case HEARTBEAT: enqueue(p, packet_heartbeat(), strlen(packet_heartbeat())); return;
  case NOTHING: return;
  case OPENED: enqueue(p, packet_connect(), strlen(packet_connect())); return;
  case CONNECTED:
    if (p->ready) fail("the namespace was connected twice");
    p->ready = true;
    ready_count++;
    if (begun < count) begin(&pollers[begun++]);
    if (ready_count == count) net_stop();
    return;
  case EVENT: fail("an event that nobody sent");
  case ACK: break;
  }
  incoming_read(&answer, packet, length, true, &who, &number);
  if (who != (uint32_t)p->index || number != p->oldest)
    fail("client %d waits for the answer to %u and got that of client %u to %u", p->index, p->oldest,
         who, number);
  p->oldest++;
  under_way--;
  if (measuring) {
    window.messages++;
    histogram_add(&latencies, now_ns() - p->sent_at[number % MAX_SLOTS]);
  }
}

static void poll(struct poller *p) { conn_send(&p->get, p->poll, p->poll_len); }

static void have_sid(struct poller *p, const char *body, size_t length) {
  sid_from(body, length, p->sid, sizeof p->sid);
  path_polling(p->path, sizeof p->path, p->sid);
  p->poll_len = (size_t)snprintf(p->poll, sizeof p->poll,
                                 "GET %s HTTP/1.1\r\nHost: %s\r\nConnection: keep-alive\r\n\r\n",
                                 p->path, net_authority);
  p->handshaking = false;
}

static size_t polled(struct conn *conn, const char *data, size_t length) {
  struct poller *p = conn->owner;
  struct answer a;
  size_t used = http_parse(data, length, &a);
  if (used == 0) return 0;
  if (used != length) fail("more came than one answer to a poll");
  if (a.status != 200) fail("poll answered with %d: %.*s", a.status, (int)a.body_len, a.body);
  if (p->handshaking) {
    have_sid(p, a.body, a.body_len);
    if (dialect == V5) packet_came(p, a.body, a.body_len);
    poll(p);
  } else {
    poll(p);
    payload_split(a.body, a.body_len, p, packet_came);
  }
  send_more(p);
  return used;
}

static size_t posted(struct conn *conn, const char *data, size_t length) {
  struct poller *p = conn->owner;
  struct answer a;
  size_t used = http_parse(data, length, &a);
  if (used == 0) return 0;
  if (a.status != 200) fail("post answered with %d: %.*s", a.status, (int)a.body_len, a.body);
  p->posting = false;
  send_more(p);
  return used;
}

static void lost(struct conn *conn) {
  struct poller *p = conn->owner;
  fail("the server closed the kept connection of client %d for its %s", p->index,
       conn == &p->get ? "polls" : "posts");
}

static void begin(struct poller *p) {
  char path[256], text[512];
  p->get = (struct conn){.fd = -1, .owner = p, .received = polled, .lost = lost};
  p->post = (struct conn){.fd = -1, .owner = p, .received = posted, .lost = lost};
  p->handshaking = true;
  p->next = p->oldest = FIRST;
  conn_open(&p->get);
  conn_open(&p->post);
  if (dialect == V09) path_handshake(path, sizeof path);
  else path_polling(path, sizeof path, NULL);
  int length = snprintf(text, sizeof text,
                        "GET %s HTTP/1.1\r\nHost: %s\r\nConnection: keep-alive\r\n\r\n", path,
                        net_authority);
  conn_send(&p->get, text, (size_t)length);
}

static void after_batch(void) {
  if (finishing && under_way == 0) net_stop();
}

static int nothing_under_way(void) { return under_way == 0; }

void run_polling(const struct options *o) {
  count = o->clients;
  depth = o->window;
  outgoing_build(&message, "echo", NULL, true, false);
  pollers = must_alloc((size_t)count, sizeof *pollers);
  for (int i = 0; i < count; i++) pollers[i].index = i;
  while (begun < count && begun < 16) begin(&pollers[begun++]);
  if (!net_run(now_ns() + 60 * SECOND)) fail("only %d of %d clients were ready in time", ready_count, count);
  going = 1;
  for (int i = 0; i < count; i++) send_more(&pollers[i]);
  net_after_batch = after_batch;
  run_window(o, &window, nothing_under_way);
  report("polling", &window, &latencies, "");
}
