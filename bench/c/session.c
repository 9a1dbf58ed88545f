/* What the octets of a connection mean. Every command is answered well; what makes no sense is answered by 5yz and counted as a fault. */
#define _GNU_SOURCE
#include "sink.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/resource.h>

static const char END_OF_DATA[] = "\r\n.\r\n";
enum { END_LENGTH = sizeof END_OF_DATA - 1, TAIL = END_LENGTH - 1 };

void greet(struct link *link) {
  reply(link, "220 sink.test ESMTP\r\n");
  flush_replies(link);
}

static void refuse(struct link *link, const char *text) {
  counters.faults++;
  reply(link, text);
}

static void hello(struct link *link) {
  reply(link, "250-sink.test\r\n");
  if (settings.pipelining) reply(link, "250-PIPELINING\r\n");
  if (settings.chunking) reply(link, "250-CHUNKING\r\n");
  if (settings.tls != NULL && link->tls == CLEAR) reply(link, "250-STARTTLS\r\n");
  reply(link, "250-SIZE\r\n250-ENHANCEDSTATUSCODES\r\n250-DSN\r\n250-8BITMIME\r\n250 SMTPUTF8\r\n");
}

static void forget_envelope(struct link *link) {
  link->recipients = 0;
}

static void take_message(struct link *link) {
  counters.messages++;
  forget_envelope(link);
  reply(link, "250 2.0.0 Ok: queued as 4XyzAB1cdE\r\n");
}

static void data(struct link *link) {
  if (link->recipients == 0) return refuse(link, "503 5.5.1 RCPT first\r\n");
  reply(link, "354 End data with <CR><LF>.<CR><LF>\r\n");
  link->expecting = DATA;
  // The lone dot of an empty message stands at the beginning of a line.
  memcpy(link->tail, "\0\0\r\n", TAIL);
}

static void end_chunk(struct link *link) {
  link->expecting = COMMAND;
  if (link->is_chunk_refused) refuse(link, "503 5.5.1 RCPT first\r\n");
  else if (link->is_last_chunk) take_message(link);
  else reply(link, "250 2.0.0 octets received\r\n");
}

static void bdat(struct link *link, const char *argument) {
  char *rest;
  link->chunk_left = strtoull(argument, &rest, 10);
  while (*rest == ' ') rest++;
  link->is_last_chunk = strcasecmp(rest, "LAST") == 0;
  link->is_chunk_refused = link->recipients == 0;
  link->expecting = CHUNK;
  if (link->chunk_left == 0) end_chunk(link);
}

static void tell_counters(struct link *link) {
  struct rusage used;
  getrusage(RUSAGE_SELF, &used);
  double cpu = used.ru_utime.tv_sec + used.ru_stime.tv_sec + (used.ru_utime.tv_usec + used.ru_stime.tv_usec) / 1e6;
  char text[512];
  snprintf(
    text, sizeof text,
    "250 {\"connections\":%llu,\"messages\":%llu,\"recipients\":%llu,\"octets\":%llu,\"commands\":%llu,\"handshakes\":%llu,\"resumed\":%llu,"
    "\"faults\":%llu,\"reads\":%llu,\"flushes\":%llu,\"cpu\":%.6f}\r\n",
    counters.connections, counters.messages, counters.recipients, counters.octets, counters.commands, counters.handshakes, counters.resumed,
    counters.faults, counters.reads, counters.flushes, cpu
  );
  reply(link, text);
}

static bool is(const char *line, const char *verb) {
  return strncasecmp(line, verb, strlen(verb)) == 0;
}

/* `line` ends in a NUL where its line end was. */
static void obey(struct link *link, char *line) {
  counters.commands++;
  if (is(line, "MAIL FROM:")) {
    forget_envelope(link);
    reply(link, "250 2.1.0 Ok\r\n");
  } else if (is(line, "RCPT TO:")) {
    link->recipients++;
    counters.recipients++;
    reply(link, "250 2.1.5 Ok\r\n");
  } else if (strcasecmp(line, "DATA") == 0) {
    data(link);
  } else if (is(line, "BDAT ") && settings.chunking) {
    bdat(link, line + 5);
  } else if (is(line, "EHLO")) {
    hello(link);
  } else if (is(line, "HELO")) {
    reply(link, "250 sink.test\r\n");
  } else if (is(line, "RSET")) {
    forget_envelope(link);
    reply(link, "250 2.0.0 Ok\r\n");
  } else if (is(line, "NOOP")) {
    reply(link, "250 2.0.0 Ok\r\n");
  } else if (is(line, "QUIT")) {
    reply(link, "221 2.0.0 Bye\r\n");
    link->is_closing = true;
  } else if (is(line, "STARTTLS") && settings.tls != NULL && link->tls == CLEAR) {
    reply(link, "220 2.0.0 Ready to start TLS\r\n");
    link->wants_tls = true;
  } else if (is(line, "XRST")) {
    link->is_control = true;
    memset(&counters, 0, sizeof counters);
    reply(link, "250 reset\r\n");
  } else if (is(line, "XSTAT")) {
    tell_counters(link);
  } else {
    refuse(link, "500 5.5.1 Unknown command\r\n");
  }
}

static void obey_octets(struct link *link, char *line, size_t length) {
  while (length > 0 && (line[length - 1] == '\n' || line[length - 1] == '\r')) length--;
  line[length] = '\0';
  obey(link, line);
}

/* Each of these takes octets from the front, at least one, and returns how many. */

static size_t take_command(struct link *link, char *octets, size_t length) {
  char *end = memchr(octets, '\n', length);
  size_t used = end == NULL ? length : (size_t)(end - octets) + 1;
  if (end != NULL && link->line_length == 0) {
    obey_octets(link, octets, used);
    return used;
  }
  link->line = grown(link->line, &link->line_room, link->line_length + used);
  memcpy(link->line + link->line_length, octets, used);
  link->line_length += used;
  if (end != NULL) {
    size_t whole = link->line_length;
    link->line_length = 0;
    obey_octets(link, link->line, whole);
  }
  return used;
}

static size_t take_chunk(struct link *link, size_t length) {
  size_t used = length < link->chunk_left ? length : link->chunk_left;
  counters.octets += used;
  link->chunk_left -= used;
  if (link->chunk_left == 0) end_chunk(link);
  return used;
}

/* As memmem for the end of data, which is asked of every octet: a dot is rare. */
static char *find_end(char *octets, size_t length) {
  char *end = octets + length;
  for (char *dot = octets + 2; dot + 3 <= end; dot++) {
    dot = memchr(dot, '.', end - dot - 2);
    if (dot == NULL) return NULL;
    if (memcmp(dot - 2, END_OF_DATA, END_LENGTH) == 0) return dot - 2;
  }
  return NULL;
}

/* Where the content ends in these octets, or 0: first across the seam to those before, then in these alone. */
static size_t end_of_data(struct link *link, char *octets, size_t length) {
  char seam[2 * TAIL];
  size_t ahead = length < TAIL ? length : TAIL;
  memcpy(seam, link->tail, TAIL);
  memcpy(seam + TAIL, octets, ahead);
  char *found = find_end(seam, TAIL + ahead);
  if (found != NULL) return found - seam + END_LENGTH - TAIL;
  found = find_end(octets, length);
  return found == NULL ? 0 : (size_t)(found - octets) + END_LENGTH;
}

static size_t take_data(struct link *link, char *octets, size_t length) {
  size_t end = end_of_data(link, octets, length);
  counters.octets += end == 0 ? length : end;
  if (end != 0) {
    link->expecting = COMMAND;
    take_message(link);
    return end;
  }
  size_t fresh = length < TAIL ? length : TAIL;
  memmove(link->tail, link->tail + fresh, TAIL - fresh);
  memcpy(link->tail + TAIL - fresh, octets + length - fresh, fresh);
  return length;
}

void take(struct link *link, char *octets, size_t length) {
  // Behind STARTTLS and QUIT nothing is heard any more.
  while (length > 0 && !link->wants_tls && !link->is_closing) {
    size_t used;
    switch (link->expecting) {
      case COMMAND: used = take_command(link, octets, length); break;
      case CHUNK: used = take_chunk(link, length); break;
      default: used = take_data(link, octets, length);
    }
    octets += used;
    length -= used;
  }
}
