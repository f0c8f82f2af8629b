#define _GNU_SOURCE
#include "wire.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#define NAMESPACE "/bench"

enum dialect dialect = V09;
bool mixed;
size_t message_size = 100;

/* -- HTTP --------------------------------------------------------------------------------------- */

static const char *header(const char *head, const char *end, const char *name) {
  size_t length = strlen(name);
  for (const char *line = head; line < end;) {
    const char *stop = memmem(line, (size_t)(end - line), "\r\n", 2);
    if (stop == NULL) stop = end;
    if ((size_t)(stop - line) > length && strncasecmp(line, name, length) == 0 && line[length] == ':') {
      const char *value = line + length + 1;
      while (*value == ' ') value++;
      return value;
    }
    line = stop + 2;
  }
  return NULL;
}

static size_t parse_chunks(const char *data, size_t length, struct answer *a) {
  static char *body;
  static size_t capacity;
  size_t at = 0, size = 0;
  for (;;) {
    const char *line = memmem(data + at, length - at, "\r\n", 2);
    if (line == NULL) return 0;
    size_t chunk = strtoul(data + at, NULL, 16);
    at = (size_t)(line - data) + 2;
    if (at + chunk + 2 > length) return 0;
    if (size + chunk > capacity) body = must_realloc(body, capacity = (size + chunk) * 2);
    if (chunk) memcpy(body + size, data + at, chunk);
    size += chunk;
    at += chunk + 2;
    if (chunk == 0) break;
  }
  a->body = body;
  a->body_len = size;
  return at;
}

size_t http_parse(const char *data, size_t length, struct answer *a) {
  const char *end = memmem(data, length, "\r\n\r\n", 4);
  if (end == NULL) return 0;
  size_t head = (size_t)(end - data) + 4;
  if (length < 12 || strncmp(data, "HTTP/1.1 ", 9) != 0)
    fail("not an HTTP/1.1 answer: %.60s", data);
  a->status = atoi(data + 9);
  a->body = end + 4;
  a->body_len = 0;
  if (a->status == 101) return head;
  const char *value = header(data, end + 2, "content-length");
  if (value != NULL) {
    a->body_len = strtoul(value, NULL, 10);
    return head + a->body_len <= length ? head + a->body_len : 0;
  }
  value = header(data, end + 2, "transfer-encoding");
  if (value == NULL || strncasecmp(value, "chunked", 7) != 0)
    fail("an answer with neither length nor chunks: %.200s", data);
  size_t chunks = parse_chunks(end + 4, length - head, a);
  return chunks ? head + chunks : 0;
}

/* -- websocket ---------------------------------------------------------------------------------- */

static const unsigned char MASK[4] = {0x5a, 0xc3, 0x3c, 0xa5};

size_t frame_build(char *to, int opcode, const char *payload, size_t length) {
  unsigned char *head = (unsigned char *)to;
  size_t at = 2;
  head[0] = (unsigned char)(0x80 | opcode);
  if (length < 126) {
    head[1] = (unsigned char)(0x80 | length);
  } else if (length < 65536) {
    head[1] = 0x80 | 126;
    head[at++] = (unsigned char)(length >> 8);
    head[at++] = (unsigned char)length;
  } else {
    fail("a frame of %zu bytes is longer than any that is needed here", length);
  }
  memcpy(to + at, MASK, 4);
  at += 4;
  for (size_t i = 0; i < length; i++) to[at + i] = (char)(payload[i] ^ MASK[i % 4]);
  return at + length;
}

size_t frame_parse(const char *data, size_t length, int *opcode, const char **payload, size_t *size) {
  const unsigned char *head = (const unsigned char *)data;
  size_t at = 2, n;
  if (length < 2) return 0;
  if ((head[0] & 0xf0) != 0x80) fail("a frame that is fragmented or has reserved bits: %02x", head[0]);
  if (head[1] & 0x80) fail("a masked frame from a server");
  n = head[1];
  if (n == 126) {
    if (length < 4) return 0;
    n = (size_t)head[2] << 8 | head[3];
    at = 4;
  } else if (n == 127) {
    if (length < 10) return 0;
    n = 0;
    for (int i = 2; i < 10; i++) n = n << 8 | head[i];
    at = 10;
  }
  if (length < at + n) return 0;
  *opcode = head[0] & 15;
  *payload = data + at;
  *size = n;
  return at + n;
}

const char UPGRADE[] = "Connection: Upgrade\r\n"
                       "Upgrade: websocket\r\n"
                       "Sec-WebSocket-Version: 13\r\n"
                       "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n";

bool upgrade_accepted(const char *answer, size_t length) {
  static const char accept[] = "s3pPLMBiTxaQ9kYGzzhZRbK+xOo=";
  return memmem(answer, length, accept, sizeof accept - 1) != NULL;
}

/* -- dialects ----------------------------------------------------------------------------------- */

static bool starts(const char *text, size_t length, const char *with) {
  size_t n = strlen(with);
  return length >= n && memcmp(text, with, n) == 0;
}

static enum kind kind_v09(const char *packet, size_t length) {
  switch (packet[0]) {
  case '1': return length == 3 ? OPENED : starts(packet, length, "1::" NAMESPACE) ? CONNECTED : NOTHING;
  case '2': return HEARTBEAT;
  case '5': return EVENT;
  case '6': return ACK;
  case '8': return NOTHING;
  default: fail("unexpected packet: %.*s", (int)(length > 200 ? 200 : length), packet);
  }
}

static enum kind kind_v5(const char *packet, size_t length) {
  switch (packet[0]) {
  case '0': return OPENED;
  case '2': return HEARTBEAT;
  case '6': return NOTHING;
  case '4':
    if (length > 1 && packet[1] == '2') return EVENT;
    if (length > 1 && packet[1] == '3') return ACK;
    if (starts(packet, length, "40" NAMESPACE)) return CONNECTED;
    break;
  }
  fail("unexpected packet: %.*s", (int)(length > 200 ? 200 : length), packet);
}

enum kind packet_kind(const char *packet, size_t length) {
  if (length == 0) fail("an empty packet");
  return dialect == V09 ? kind_v09(packet, length) : kind_v5(packet, length);
}

const char *packet_connect(void) { return dialect == V09 ? "1::" NAMESPACE : "40" NAMESPACE ","; }

const char *packet_heartbeat(void) { return dialect == V09 ? "2::" : "3"; }

size_t packet_event(char *to, size_t room, const char *name, uint32_t id, const char *argument) {
  const char *format = dialect == V09
                           ? "5:%08u+:" NAMESPACE ":{\"name\":\"%s\",\"args\":[\"%s\"]}"
                           : "42" NAMESPACE ",%08u[\"%s\",\"%s\"]";
  return (size_t)snprintf(to, room, format, id, name, argument);
}

void path_handshake(char *to, size_t room) { snprintf(to, room, "/socket.io/1/?t=1700000000000"); }

void path_websocket(char *to, size_t room, const char *sid) {
  if (dialect == V09) snprintf(to, room, "/socket.io/1/websocket/%s", sid);
  else snprintf(to, room, "/socket.io/?EIO=4&transport=websocket");
}

void path_upgrade(char *to, size_t room, const char *sid) {
  snprintf(to, room, "/socket.io/?EIO=4&transport=websocket&sid=%s", sid);
}

void path_polling(char *to, size_t room, const char *sid) {
  if (dialect == V09) snprintf(to, room, "/socket.io/1/xhr-polling/%s?t=1700000000000", sid);
  else if (sid == NULL) snprintf(to, room, "/socket.io/?EIO=4&transport=polling&t=N8hyd6w");
  else snprintf(to, room, "/socket.io/?EIO=4&transport=polling&t=N8hyd6w&sid=%s", sid);
}

void sid_from(const char *body, size_t length, char *sid, size_t room) {
  const char *start = body, *end;
  if (dialect == V09) {
    end = memchr(body, ':', length);
  } else {
    const char *key = memmem(body, length, "\"sid\":\"", 7);
    if (key == NULL) fail("no session id in: %.*s", (int)length, body);
    start = key + 7;
    end = memchr(start, '"', length - (size_t)(start - body));
  }
  if (end == NULL || (size_t)(end - start) >= room) fail("no session id in: %.*s", (int)length, body);
  memcpy(sid, start, (size_t)(end - start));
  sid[end - start] = 0;
}

void payload_split(const char *body, size_t length, void *owner,
                   void (*each)(void *, const char *, size_t)) {
  const char *end = body + length;
  if (length == 0) return;
  if (dialect == V5) {
    while (body < end) {
      const char *stop = memchr(body, 0x1e, (size_t)(end - body));
      if (stop == NULL) stop = end;
      each(owner, body, (size_t)(stop - body));
      body = stop + 1;
    }
    return;
  }
  if (!starts(body, length, "\xef\xbf\xbd")) {
    each(owner, body, length);
    return;
  }
  while (body < end) {
    char *after;
    if (!starts(body, (size_t)(end - body), "\xef\xbf\xbd")) fail("a payload with a frame that does not fit");
    /* All that the servers are asked to send is ASCII: bytes, characters and UTF-16 units agree. */
    size_t n = strtoul(body + 3, &after, 10);
    if (!starts(after, (size_t)(end - after), "\xef\xbf\xbd")) fail("a payload without its second mark");
    body = after + 3;
    if (n > (size_t)(end - body)) fail("a payload that ends too early");
    each(owner, body, n);
    body += n;
  }
}

size_t payload_prefix(char *to, int i, int count, size_t length) {
  if (dialect == V5) {
    if (i == 0) return 0;
    to[0] = 0x1e;
    return 1;
  }
  if (count == 1) return 0;
  return (size_t)snprintf(to, 32, "\xef\xbf\xbd%zu\xef\xbf\xbd", length);
}

/* -- messages ----------------------------------------------------------------------------------- */

static char *make_text(void) {
  static const char filler[] = "the quick brown fox jumps over the lazy dog, ";
  char *text = must_alloc(message_size + 1, 1);
  size_t head = (size_t)snprintf(text, message_size + 1, "#%0*d#%0*d#", DIGITS_A, 0, DIGITS_B, 0);
  for (size_t i = head; i < message_size; i++) text[i] = filler[(i - head) % (sizeof filler - 1)];
  return text;
}

static void find_numbers(const char *bytes, size_t length, size_t *a, size_t *b) {
  const char *hash = memchr(bytes, '#', length);
  size_t at = hash ? (size_t)(hash - bytes) : length;
  if (at + 3 + DIGITS_A + DIGITS_B > length || bytes[at + 1 + DIGITS_A] != '#')
    fail("not one of our messages: %.*s", (int)(length > 200 ? 200 : length), bytes);
  *a = at + 1;
  *b = at + 2 + DIGITS_A;
}

void outgoing_build(struct outgoing *o, const char *name, const char *room, bool ack, bool framed) {
  char packet[8192], id[16] = "", first[64] = "";
  char *text = make_text();
  if (message_size > 4096) fail("messages of more than 4096 characters are not made here");
  if (ack) snprintf(id, sizeof id, "%08u", 0u);
  if (room) snprintf(first, sizeof first, "\"%s\",", room);
  if (dialect == V09)
    snprintf(packet, sizeof packet, "5:%s%s:" NAMESPACE ":{\"name\":\"%s\",\"args\":[%s\"%s\"]}", id,
             ack ? "+" : "", name, first, text);
  else
    snprintf(packet, sizeof packet, "42" NAMESPACE ",%s[\"%s\",%s\"%s\"]", id, name, first, text);
  free(text);
  size_t length = strlen(packet);
  find_numbers(packet, length, &o->at_a, &o->at_b);
  o->at_id = ack ? (dialect == V09 ? 2 : strlen("42" NAMESPACE ",")) : 0;
  o->bytes = must_alloc(length + FRAME_HEAD, 1);
  if (!framed) {
    memcpy(o->bytes, packet, length);
    o->length = length;
    o->mask = NULL;
    o->payload = 0;
    return;
  }
  o->length = frame_build(o->bytes, 1, packet, length);
  o->payload = o->length - length;
  o->mask = o->bytes + o->payload - 4;
}

static void put_digits(struct outgoing *o, size_t at, int digits, uint32_t number) {
  for (int i = digits - 1; i >= 0; i--, number /= 10) {
    char digit = (char)('0' + number % 10);
    if (o->mask) digit ^= o->mask[(at + (size_t)i) % 4];
    o->bytes[o->payload + at + (size_t)i] = digit;
  }
}

void outgoing_number(struct outgoing *o, uint32_t a, uint32_t b) {
  put_digits(o, o->at_a, DIGITS_A, a);
  put_digits(o, o->at_b, DIGITS_B, b);
  if (o->at_id) put_digits(o, o->at_id, DIGITS_B, b);
}

static uint32_t get_digits(const char *bytes, int digits) {
  uint32_t number = 0;
  for (int i = 0; i < digits; i++) {
    if (bytes[i] < '0' || bytes[i] > '9') fail("not a number: %.*s", digits, bytes);
    number = number * 10 + (uint32_t)(bytes[i] - '0');
  }
  return number;
}

static void learn(struct incoming *in, const char *packet, size_t length, bool ack) {
  char *text = make_text();
  size_t fixed = 3 + DIGITS_A + DIGITS_B;
  const char *head = ack ? (dialect == V09 ? "6::" NAMESPACE ":" : "43" NAMESPACE ",")
                         : (dialect == V09 ? "5::" NAMESPACE ":{" : "42" NAMESPACE ",[");
  if (!starts(packet, length, head)) fail("not what was asked for: %.*s", (int)length, packet);
  find_numbers(packet, length, &in->at_a, &in->at_b);
  if (length < in->at_a - 1 + message_size ||
      memcmp(packet + in->at_a - 1 + fixed, text + fixed, message_size - fixed) != 0)
    fail("the text came back changed: %.*s", (int)length, packet);
  if (!ack && memmem(packet, length, "\"shout\"", 7) == NULL)
    fail("an event of another name: %.*s", (int)length, packet);
  in->at_id = ack ? strlen(head) : 0;
  in->bytes = must_alloc(length, 1);
  memcpy(in->bytes, packet, length);
  in->length = length;
  free(text);
}

void incoming_read(struct incoming *in, const char *packet, size_t length, bool ack, uint32_t *a,
                   uint32_t *b) {
  if (in->bytes == NULL) learn(in, packet, length, ack);
  size_t start = in->at_id ? in->at_id + DIGITS_B : 0, end = in->at_b + DIGITS_B;
  if (length != in->length || (in->at_id && memcmp(packet, in->bytes, in->at_id) != 0) ||
      memcmp(packet + start, in->bytes + start, in->at_a - start) != 0 ||
      packet[in->at_b - 1] != '#' || memcmp(packet + end, in->bytes + end, length - end) != 0)
    fail("a message unlike the others: %.*s", (int)(length > 300 ? 300 : length), packet);
  *a = get_digits(packet + in->at_a, DIGITS_A);
  *b = get_digits(packet + in->at_b, DIGITS_B);
  if (in->at_id && get_digits(packet + in->at_id, DIGITS_B) != *b)
    fail("an acknowledgement with another message's text: %.*s", (int)length, packet);
}
