/* Non-blocking TCP connections on one epoll. */
#ifndef LOADGEN_NET_H
#define LOADGEN_NET_H

#include "core.h"

struct conn {
  int fd; /* -1 when closed */
  bool registered_out;
  char *in; /* what came and is no whole frame yet */
  size_t in_len, in_cap;
  char *out; /* what the kernel did not take */
  size_t out_len, out_cap;
  void *owner;
  /* Something came: `data` is all that is there; returns how much of it was used up. */
  size_t (*received)(struct conn *, const char *data, size_t length);
  /* The server closed; the connection is closed already. */
  void (*lost)(struct conn *);
};

void net_init(const char *host, int port);
/* Connect, from one of many loopback addresses so that ports last; data may be sent at once. */
void conn_open(struct conn *);
void conn_close(struct conn *);
void conn_send(struct conn *, const char *data, size_t length);

/* Handle what happens until `net_stop` is called or `deadline` passes; true when stopped. */
bool net_run(ns_t deadline);
void net_stop(void);
/* Called after each batch of events, when set: what was caused by all of them leaves together. */
extern void (*net_after_batch)(void);
/* Called every 100 ms or so, when set. */
extern void (*net_tick)(ns_t now);

/* "host:port", for the Host header. */
extern char net_authority[128];

#endif
