/* The floor: the least that a server of this workload can cost, in C on a bare epoll.
 *
 * It speaks so much of Socket.IO 0.9 over websocket that the load generator is content: one
 * namespace, echo, shout, rooms. There is no UTF-8 check, no timer, no session, no dispatch, and
 * the answer to an upgrade is the one to the generator's constant key.
 *
 *   floor            one send for each frame
 *   floor --joined   frames of one read leave in one send for each connection */
#define _GNU_SOURCE
#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <unistd.h>

struct conn {
  int fd;
  bool upgraded, watched;
  struct room *room;
  int in_namespace;     /* its place among the members, or -1 */
  char *in, *out;       /* what is left of a read, and of a write */
  size_t in_len, out_len;
};

struct room {
  char name[32];
  struct conn **members;
  int count, capacity;
  /* Shouts of this read that nobody got yet. */
  char *waiting;
  size_t waiting_len, waiting_cap;
};

static const char SHAKEN[] = "HTTP/1.1 200 OK\r\nContent-Type: text/plain\r\nContent-Length: 44\r\n\r\n"
                             "abcdefghijklmnopqrst:60:60:websocket,polling";
static const char SWITCHED[] = "HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\n"
                               "Connection: Upgrade\r\n"
                               "Sec-WebSocket-Accept: s3pPLMBiTxaQ9kYGzzhZRbK+xOo=\r\n\r\n";

static bool joined;
static int epoll;
static struct room everybody;
static struct room rooms[2048];
static int room_count;
static char read_buffer[1 << 18];
static char answers[1 << 20]; /* acks of this read */
static size_t answers_len;

static void die(const char *what) {
  perror(what);
  exit(1);
}

static void watch(struct conn *c, int operation, bool out) {
  struct epoll_event event = {.events = EPOLLIN | (out ? EPOLLOUT : 0), .data.ptr = c};
  if (epoll_ctl(epoll, operation, c->fd, &event) != 0) die("epoll_ctl");
  c->watched = out;
}

static void put(struct conn *c, const char *data, size_t length) {
  if (c->out_len == 0) {
    ssize_t sent = send(c->fd, data, length, MSG_NOSIGNAL);
    if (sent == (ssize_t)length) return;
    if (sent < 0) {
      if (errno != EAGAIN) return;
      sent = 0;
    }
    data += sent;
    length -= (size_t)sent;
  }
  c->out = realloc(c->out, c->out_len + length);
  memcpy(c->out + c->out_len, data, length);
  c->out_len += length;
  if (!c->watched) watch(c, EPOLL_CTL_MOD, true);
}

static size_t head(char *to, size_t length) {
  to[0] = (char)0x81;
  if (length < 126) {
    to[1] = (char)length;
    return 2;
  }
  to[1] = 126;
  to[2] = (char)(length >> 8);
  to[3] = (char)length;
  return 4;
}

static void send_text(struct conn *c, const char *text, size_t length) {
  char frame[8192];
  size_t at = head(frame, length);
  memcpy(frame + at, text, length);
  put(c, frame, at + length);
}

static void room_add(struct room *r, struct conn *c) {
  if (r->count == r->capacity) {
    r->capacity = r->capacity ? r->capacity * 2 : 16;
    r->members = realloc(r->members, (size_t)r->capacity * sizeof *r->members);
  }
  r->members[r->count++] = c;
}

static struct room *room_named(const char *name, size_t length) {
  for (int i = room_count - 1; i >= 0; i--)
    if (strlen(rooms[i].name) == length && memcmp(rooms[i].name, name, length) == 0) return &rooms[i];
  if (room_count == 2048 || length > 31) {
    fprintf(stderr, "too many rooms, or too long a name\n");
    exit(1);
  }
  memcpy(rooms[room_count].name, name, length);
  return &rooms[room_count++];
}

static void spread(struct room *r, const char *data, size_t length) {
  for (int i = 0; i < r->count; i++) put(r->members[i], data, length);
}

static void shout(struct room *r, const char *text, size_t length) {
  static const char before[] = "5::/bench:{\"name\":\"shout\",\"args\":[", after[] = "]}";
  char frame[8192];
  size_t body = sizeof before - 1 + length + sizeof after - 1, at = head(frame, body);
  memcpy(frame + at, before, sizeof before - 1);
  memcpy(frame + at + sizeof before - 1, text, length);
  memcpy(frame + at + sizeof before - 1 + length, after, sizeof after - 1);
  if (!joined) {
    spread(r, frame, at + body);
    return;
  }
  if (r->waiting_len + at + body > r->waiting_cap)
    r->waiting = realloc(r->waiting, r->waiting_cap = (r->waiting_len + at + body) * 2);
  memcpy(r->waiting + r->waiting_len, frame, at + body);
  r->waiting_len += at + body;
}

static void acknowledge(struct conn *c, const char *id, size_t id_len, const char *arguments, size_t length) {
  char text[8192], frame[8200];
  size_t size = (size_t)snprintf(text, sizeof text, "6::/bench:%.*s+[%.*s]", (int)id_len, id, (int)length, arguments);
  if (!joined) {
    send_text(c, text, size);
    return;
  }
  size_t at = head(frame, size);
  memcpy(frame + at, text, size);
  if (answers_len + at + size > sizeof answers) {
    put(c, answers, answers_len);
    answers_len = 0;
  }
  memcpy(answers + answers_len, frame, at + size);
  answers_len += at + size;
}

/* "5:ID+:/bench:{"name":"echo","args":[...]}" */
static void event(struct conn *c, char *packet, size_t length) {
  char *colon = memchr(packet + 2, ':', length - 2);
  size_t id_len = colon ? (size_t)(colon - packet) - 2 : 0;
  char *name = memmem(packet, length, "\"name\":\"", 8), *arguments = memmem(packet, length, "\"args\":[", 8);
  if (name == NULL || arguments == NULL) return;
  arguments += 8;
  size_t size = length - (size_t)(arguments - packet) - 2;
  if (id_len) id_len--; /* the plus sign */
  switch (name[8]) {
  case 'e': acknowledge(c, packet + 2, id_len, arguments, size); break;
  case 's': shout(&everybody, arguments, size); break;
  case 'j':
    c->room = room_named(arguments + 1, size - 2);
    room_add(c->room, c);
    acknowledge(c, packet + 2, id_len, "true", 4);
    break;
  case 'r': {
    char *comma = memchr(arguments, ',', size);
    if (comma) shout(c->room, comma + 1, size - (size_t)(comma + 1 - arguments));
    break;
  }
  }
}

static void packet_came(struct conn *c, char *packet, size_t length) {
  if (length < 3) return;
  if (packet[0] == '5') event(c, packet, length);
  else if (packet[0] == '1') {
    send_text(c, packet, length);
    c->in_namespace = everybody.count;
    room_add(&everybody, c);
  }
}

static void end(struct conn *c) {
  close(c->fd);
  if (c->in_namespace >= 0) {
    struct conn *last = everybody.members[--everybody.count];
    everybody.members[c->in_namespace] = last;
    last->in_namespace = c->in_namespace;
  }
  free(c->in);
  free(c->out);
  if (!c->room) free(c); /* a room never forgets: the run ends with its members */
}

static size_t frames(struct conn *c, char *data, size_t length, bool *over) {
  size_t at = 0;
  for (;;) {
    unsigned char *h = (unsigned char *)data + at;
    size_t size, skip = 2;
    if (length - at < 2) break;
    size = h[1] & 127;
    if (size == 126) {
      if (length - at < 4) break;
      size = (size_t)h[2] << 8 | h[3];
      skip = 4;
    }
    if (length - at < skip + 4 + size) break;
    unsigned char *mask = h + skip;
    char *payload = data + at + skip + 4;
    for (size_t i = 0; i < size; i++) payload[i] ^= (char)mask[i & 3];
    at += skip + 4 + size;
    if ((h[0] & 15) == 8) {
      *over = true;
      break;
    }
    if ((h[0] & 15) == 1) packet_came(c, payload, size);
  }
  return at;
}

static size_t request(struct conn *c, char *data, size_t length) {
  char *stop = memmem(data, length, "\r\n\r\n", 4);
  if (stop == NULL) return 0;
  if (memmem(data, (size_t)(stop - data), "Upgrade: websocket", 18)) {
    c->upgraded = true;
    put(c, SWITCHED, sizeof SWITCHED - 1);
    send_text(c, "1::", 3);
  } else {
    put(c, SHAKEN, sizeof SHAKEN - 1);
  }
  return (size_t)(stop - data) + 4;
}

static void readable(struct conn *c) {
  bool over = false;
  size_t before = c->in_len;
  if (before) memcpy(read_buffer, c->in, before);
  ssize_t got = recv(c->fd, read_buffer + before, sizeof read_buffer - before, 0);
  if (got < 0 && errno == EAGAIN) return;
  if (got <= 0) {
    end(c);
    return;
  }
  size_t total = before + (size_t)got;
  size_t used = c->upgraded ? frames(c, read_buffer, total, &over) : request(c, read_buffer, total);
  if (answers_len) put(c, answers, answers_len);
  answers_len = 0;
  if (everybody.waiting_len) spread(&everybody, everybody.waiting, everybody.waiting_len);
  everybody.waiting_len = 0;
  if (c->room && c->room->waiting_len) {
    spread(c->room, c->room->waiting, c->room->waiting_len);
    c->room->waiting_len = 0;
  }
  if (over) {
    end(c);
    return;
  }
  if (total > used) {
    c->in = realloc(c->in, total - used);
    memcpy(c->in, read_buffer + used, total - used);
  }
  c->in_len = total - used;
}

static void writable(struct conn *c) {
  ssize_t sent = send(c->fd, c->out, c->out_len, MSG_NOSIGNAL);
  if (sent < 0) return;
  c->out_len -= (size_t)sent;
  memmove(c->out, c->out + sent, c->out_len);
  if (c->out_len == 0) {
    free(c->out);
    c->out = NULL;
    watch(c, EPOLL_CTL_MOD, false);
  }
}

static void come(int listener) {
  int one = 1, fd = accept4(listener, NULL, NULL, SOCK_NONBLOCK | SOCK_CLOEXEC);
  if (fd < 0) return;
  setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof one);
  struct conn *c = calloc(1, sizeof *c);
  c->fd = fd;
  c->in_namespace = -1;
  watch(c, EPOLL_CTL_ADD, false);
}

int main(int argc, char **argv) {
  struct sockaddr_in address = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
  socklen_t length = sizeof address;
  struct epoll_event events[256];
  joined = argc > 1 && strcmp(argv[1], "--joined") == 0;
  epoll = epoll_create1(0);
  int listener = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK, 0);
  if (bind(listener, (struct sockaddr *)&address, sizeof address) != 0) die("bind");
  if (listen(listener, 4096) != 0) die("listen");
  struct epoll_event event = {.events = EPOLLIN, .data.ptr = NULL};
  epoll_ctl(epoll, EPOLL_CTL_ADD, listener, &event);
  getsockname(listener, (struct sockaddr *)&address, &length);
  printf("{\"port\": %d, \"versions\": {}}\n", ntohs(address.sin_port));
  fflush(stdout);
  for (;;) {
    int count = epoll_wait(epoll, events, 256, -1);
    for (int i = 0; i < count; i++) {
      struct conn *c = events[i].data.ptr;
      if (c == NULL) come(listener);
      else if (events[i].events & EPOLLOUT && c->out_len) writable(c);
      else readable(c);
    }
  }
}
