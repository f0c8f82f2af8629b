#define _GNU_SOURCE
#include "net.h"

#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <unistd.h>

#define BATCH 512
#define TICK (SECOND / 10)

#ifndef IP_BIND_ADDRESS_NO_PORT
#define IP_BIND_ADDRESS_NO_PORT 24
#endif

void (*net_after_batch)(void);
void (*net_tick)(ns_t now);
char net_authority[128];

static int epoll = -1;
static struct sockaddr_in server;
static bool stopping;
static char scratch[1 << 20];

void net_init(const char *host, int port) {
  epoll = epoll_create1(0);
  if (epoll < 0) fail("epoll_create1: %s", strerror(errno));
  server.sin_family = AF_INET;
  server.sin_port = htons((uint16_t)port);
  if (inet_pton(AF_INET, host, &server.sin_addr) != 1) fail("not an IPv4 address: %s", host);
  snprintf(net_authority, sizeof net_authority, "%s:%d", host, port);
}

static void watch(struct conn *c, int operation, bool out) {
  struct epoll_event event = {.events = EPOLLIN | (out ? EPOLLOUT : 0), .data.ptr = c};
  if (epoll_ctl(epoll, operation, c->fd, &event) != 0) fail("epoll_ctl: %s", strerror(errno));
  c->registered_out = out;
}

void conn_open(struct conn *c) {
  static unsigned next;
  int one = 1;
  c->fd = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
  if (c->fd < 0) fail("socket: %s (raise the limit of open files)", strerror(errno));
  setsockopt(c->fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof one);
  if (ntohl(server.sin_addr.s_addr) >> 24 == 127) {
    /* 127.1.0.1 to 127.1.0.64: 28,000 ports each. */
    struct sockaddr_in source = {.sin_family = AF_INET};
    source.sin_addr.s_addr = htonl(0x7f010001u + next++ % 64);
    setsockopt(c->fd, IPPROTO_IP, IP_BIND_ADDRESS_NO_PORT, &one, sizeof one);
    if (bind(c->fd, (struct sockaddr *)&source, sizeof source) != 0)
      fail("bind: %s", strerror(errno));
  }
  c->in_len = c->out_len = 0;
  if (connect(c->fd, (struct sockaddr *)&server, sizeof server) != 0 && errno != EINPROGRESS)
    fail("connect: %s", strerror(errno));
  watch(c, EPOLL_CTL_ADD, true);
}

void conn_close(struct conn *c) {
  if (c->fd < 0) return;
  close(c->fd);
  c->fd = -1;
  free(c->in);
  free(c->out);
  c->in = c->out = NULL;
  c->in_len = c->in_cap = c->out_len = c->out_cap = 0;
}

static void keep(char **buffer, size_t *length, size_t *capacity, const char *data, size_t more) {
  if (*length + more > *capacity) {
    *capacity = (*length + more) * 2;
    *buffer = must_realloc(*buffer, *capacity);
  }
  memmove(*buffer + *length, data, more);
  *length += more;
}

static void lose(struct conn *c) {
  conn_close(c);
  c->lost(c);
}

void conn_send(struct conn *c, const char *data, size_t length) {
  if (c->fd < 0) return;
  if (c->out_len == 0 && !c->registered_out) {
    ssize_t sent = send(c->fd, data, length, MSG_NOSIGNAL);
    if (sent < 0) {
      if (errno != EAGAIN) return; /* the next read tells */
      sent = 0;
    }
    data += sent;
    length -= (size_t)sent;
    if (length == 0) return;
    watch(c, EPOLL_CTL_MOD, true);
  }
  keep(&c->out, &c->out_len, &c->out_cap, data, length);
}

static void flush(struct conn *c) {
  if (c->out_len > 0) {
    ssize_t sent = send(c->fd, c->out, c->out_len, MSG_NOSIGNAL);
    if (sent < 0) {
      if (errno == EAGAIN) return;
      lose(c);
      return;
    }
    c->out_len -= (size_t)sent;
    memmove(c->out, c->out + sent, c->out_len);
  }
  if (c->out_len == 0) watch(c, EPOLL_CTL_MOD, false);
}

static void read_from(struct conn *c) {
  size_t before = c->in_len;
  if (before >= sizeof scratch) fail("the server sends more than 1 MB in one message");
  ssize_t got = recv(c->fd, scratch + before, sizeof scratch - before, 0);
  if (got < 0) {
    if (errno == EAGAIN) return;
    lose(c);
    return;
  }
  if (got == 0) {
    lose(c);
    return;
  }
  if (before) memcpy(scratch, c->in, before);
  c->in_len = 0;
  size_t total = before + (size_t)got;
  int fd = c->fd;
  size_t used = c->received(c, scratch, total);
  if (c->fd == fd && used < total) keep(&c->in, &c->in_len, &c->in_cap, scratch + used, total - used);
}

void net_stop(void) { stopping = true; }

bool net_run(ns_t deadline) {
  static struct epoll_event events[BATCH];
  static ns_t next_tick;
  stopping = false;
  if (net_after_batch) net_after_batch(); /* what is due now does not wait for an event */
  for (;;) {
    ns_t now = now_ns();
    if (net_tick && now >= next_tick) {
      next_tick = now + TICK;
      net_tick(now);
    }
    if (stopping) return true;
    if (now >= deadline) return false;
    ns_t left = deadline - now;
    if (left > TICK) left = TICK;
    int count = epoll_wait(epoll, events, BATCH, (int)(left / 1000000) + 1);
    if (count < 0 && errno != EINTR) fail("epoll_wait: %s", strerror(errno));
    for (int i = 0; i < count; i++) {
      struct conn *c = events[i].data.ptr;
      if (c->fd >= 0 && events[i].events & EPOLLOUT) flush(c);
      if (c->fd >= 0 && events[i].events & (EPOLLIN | EPOLLHUP | EPOLLERR)) read_from(c);
    }
    if (net_after_batch) net_after_batch();
  }
}
