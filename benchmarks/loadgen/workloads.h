/* The workloads: each brings up its clients, warms up, measures one window and reports it. */
#ifndef LOADGEN_WORKLOADS_H
#define LOADGEN_WORKLOADS_H

struct options {
  int clients;
  int window;      /* messages under way: of each client, or shouts in all */
  int shouters;    /* broadcast: the clients that shout, each with its share of the window */
  int room;        /* members of a room; 0 for the whole namespace */
  double seconds;  /* measured */
  double warmup;   /* before */
};

void run_broadcast(const struct options *);
void run_echo(const struct options *);
void run_connect(const struct options *);
void run_upgrade(const struct options *);
void run_idle(const struct options *);
void run_polling(const struct options *);

/* Run for the warm-up and the measured window, then until `drained` says that all is answered. */
struct window;
struct histogram;
extern int measuring, finishing;
void run_window(const struct options *, struct window *, int (*drained)(void));

#endif
