/*
 * A mail server for benchmarks: takes everything, keeps nothing, and counts. One thread, one epoll.
 *
 *   sink.c     options, listeners, the loop
 *   link.c     a connection's octets: reading, writing, TLS
 *   session.c  what they mean: commands, content, replies, counters
 */
#ifndef SINK_H
#define SINK_H

#include <openssl/ssl.h>
#include <stdbool.h>
#include <stddef.h>

struct settings {
  bool pipelining;
  bool chunking;
  SSL_CTX *tls; /* NULL: no STARTTLS */
};

struct counters {
  unsigned long long connections, messages, recipients, octets, commands, handshakes, resumed, faults;
  unsigned long long reads;   /* reads that found something: the groups in which the client wrote */
  unsigned long long flushes; /* writes of replies: the round trips that the client waited for */
};

enum expecting { COMMAND, DATA, CHUNK };
enum tls_state { CLEAR, HANDSHAKE, SECURE };

struct link {
  int fd; /* the first member of what epoll points to, in a listener too */
  bool is_listener;
  bool is_control; /* has asked for the counters, and is not counted since */
  bool wants_tls, is_closing;
  enum tls_state tls;
  SSL *ssl;

  enum expecting expecting;
  int recipients;
  bool is_last_chunk, is_chunk_refused;
  unsigned long long chunk_left;
  char tail[4]; /* the last octets of content, since its end may be cut anywhere */

  char *line; /* a command that was cut */
  size_t line_length, line_room;
  char *replies; /* what is to be written at once when all that was read is answered */
  size_t replies_length, replies_room;
};

extern struct settings settings;
extern struct counters counters;

/* session.c */
void greet(struct link *link);
void take(struct link *link, char *octets, size_t length);

/* link.c */
void reply(struct link *link, const char *text);
int flush_replies(struct link *link);
void serve(struct link *link);
void *grown(void *buffer, size_t *room, size_t wanted);

#endif
