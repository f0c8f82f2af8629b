/* What goes over the wire: HTTP answers, websocket frames, the packets of two dialects. */
#ifndef LOADGEN_WIRE_H
#define LOADGEN_WIRE_H

#include "core.h"

/* -- HTTP ------------------------------------------------------------------------------------- */

struct answer {
  int status;
  const char *body;
  size_t body_len;
};
/* Read one answer from the front of `data`; the number of bytes it took, 0 when it is not whole yet.
 * The body lives until the next call. An answer to an upgrade (101) has none. */
size_t http_parse(const char *data, size_t length, struct answer *);

/* -- websocket -------------------------------------------------------------------------------- */

#define FRAME_HEAD 14 /* bytes that a masked frame's head takes at most */

/* Write a masked frame with that payload to `to` (payload + FRAME_HEAD bytes); its length. */
size_t frame_build(char *to, int opcode, const char *payload, size_t length);
/* Read one frame of a server from the front of `data`; the bytes it took, 0 when not whole yet. */
size_t frame_parse(const char *data, size_t length, int *opcode, const char **payload, size_t *size);

/* The headers of a request for a websocket, each line ended, and whether an answer accepts it. */
extern const char UPGRADE[];
bool upgrade_accepted(const char *answer, size_t length);

/* -- dialects --------------------------------------------------------------------------------- */

enum dialect { V09, V5 };
/* That of the client which is dealt with; the same for all unless `mixed`. */
extern enum dialect dialect;
/* Every other client speaks the older one. */
extern bool mixed;

enum kind {
  OPENED,    /* the session is open: ask for the namespace */
  CONNECTED, /* the namespace is */
  HEARTBEAT, /* to be answered */
  EVENT,
  ACK,
  NOTHING, /* noop, or the answer to one of ours */
};
/* What a packet is; fails for an error, a disconnect and anything unknown. */
enum kind packet_kind(const char *packet, size_t length);

/* The packets that the generator sends beside its messages. */
const char *packet_connect(void);
const char *packet_heartbeat(void);
/* An event that asks for a data ack with `id`, 8 digits, and has one string argument. */
size_t packet_event(char *to, size_t room, const char *name, uint32_t id, const char *argument);

/* Paths: the handshake of 0.9, the websocket, the polling URL. `sid` NULL is a new session. */
void path_handshake(char *to, size_t room);
void path_websocket(char *to, size_t room, const char *sid);
/* The websocket that a session of the modern dialect goes over to. */
void path_upgrade(char *to, size_t room, const char *sid);
void path_polling(char *to, size_t room, const char *sid);
/* Copy the session id out of the body or packet which announces it. */
void sid_from(const char *body, size_t length, char *sid, size_t room);

/* Payloads of polling: several packets in one body. `each` is called for every packet. */
void payload_split(const char *body, size_t length, void *owner,
                   void (*each)(void *owner, const char *packet, size_t length));
/* The bytes to put before packet number `i` of `count`, of that length, into `to` (32 bytes). */
size_t payload_prefix(char *to, int i, int count, size_t length);

/* -- messages --------------------------------------------------------------------------------- */

/* A text of 100 characters (or as many as --size says) with two numbers in it, by which every single
 * message is told from all others: "#AAAAA#BBBBBBBB#" and filler. */
#define DIGITS_A 5
#define DIGITS_B 8

/* One message which is sent again and again, with only its numbers changed. */
struct outgoing {
  char *bytes;
  size_t length;
  const char *mask; /* of the frame; NULL when this is a bare packet */
  size_t payload;   /* where the payload starts */
  size_t at_id, at_a, at_b; /* within bytes; at_id is 0 when there is no ack */
};
/* An event named `name` with the arguments [room?, text]; with an ack id if `ack`. */
void outgoing_build(struct outgoing *, const char *name, const char *room, bool ack, bool framed);
void outgoing_number(struct outgoing *, uint32_t a, uint32_t b);

/* The other way: what the server makes of it. The first message that comes is looked at closely;
 * all others have to be the same but for their numbers. */
struct incoming {
  char *bytes;
  size_t length;
  size_t at_id, at_a, at_b;
};
/* The numbers in a message; fails when it is not what it should be. */
void incoming_read(struct incoming *, const char *packet, size_t length, bool ack, uint32_t *a,
                   uint32_t *b);

extern size_t message_size;

#endif
