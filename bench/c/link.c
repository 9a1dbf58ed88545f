/* A connection's octets. Everything that one read brought is answered by one write, so that writes count the client's round trips. */
#define _GNU_SOURCE
#include "sink.h"

#include <errno.h>
#include <openssl/err.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

enum { READ_ROOM = 512 * 1024, PATIENCE_MICROSECONDS = 50 };

static char octets[READ_ROOM];

void *grown(void *buffer, size_t *room, size_t wanted) {
  if (wanted <= *room) return buffer;
  *room = wanted * 2 + 256;
  return realloc(buffer, *room);
}

void reply(struct link *link, const char *text) {
  size_t length = strlen(text);
  link->replies = grown(link->replies, &link->replies_room, link->replies_length + length);
  memcpy(link->replies + link->replies_length, text, length);
  link->replies_length += length;
}

static void end(struct link *link) {
  if (link->ssl != NULL) SSL_free(link->ssl);
  close(link->fd);
  free(link->line);
  free(link->replies);
  free(link);
}

/* Returns 0, or -1 where nobody is there any more. */
int flush_replies(struct link *link) {
  if (link->replies_length == 0) return 0;
  if (!link->is_control) counters.flushes++;
  size_t written = 0;
  while (written < link->replies_length) {
    char *rest = link->replies + written;
    int left = link->replies_length - written;
    int sent = link->tls == SECURE ? SSL_write(link->ssl, rest, left) : send(link->fd, rest, left, MSG_NOSIGNAL);
    if (sent > 0) written += sent;
    else if (errno == EAGAIN || errno == EINTR) usleep(PATIENCE_MICROSECONDS);
    else return -1;
  }
  link->replies_length = 0;
  return 0;
}

/* Whether the last call on TLS failed only because there is nothing to read or no room to write. */
static bool must_wait(struct link *link, int result) {
  int error = SSL_get_error(link->ssl, result);
  ERR_clear_error();
  return error == SSL_ERROR_WANT_READ || error == SSL_ERROR_WANT_WRITE;
}

static void start_tls(struct link *link) {
  link->ssl = SSL_new(settings.tls);
  SSL_set_fd(link->ssl, link->fd);
  SSL_set_accept_state(link->ssl);
  link->tls = HANDSHAKE;
  link->wants_tls = false;
  link->line_length = 0;
}

/* Returns 1 when TLS stands, 0 when the handshake goes on, -1 when it has failed. */
static int shake_hands(struct link *link) {
  int result = SSL_do_handshake(link->ssl);
  if (result != 1) return must_wait(link, result) ? 0 : -1;
  link->tls = SECURE;
  counters.handshakes++;
  if (SSL_session_reused(link->ssl)) counters.resumed++;
  return 1;
}

/* Octets that were read, 0 when there are none for now, -1 when there will be none any more. */
static int read_octets(struct link *link) {
  if (link->tls == SECURE) {
    int length = SSL_read(link->ssl, octets, READ_ROOM);
    if (length > 0) return length;
    return must_wait(link, length) ? 0 : -1;
  }
  int length = recv(link->fd, octets, READ_ROOM, 0);
  if (length > 0) return length;
  return length < 0 && (errno == EAGAIN || errno == EINTR) ? 0 : -1;
}

static void say_goodbye(struct link *link) {
  if (link->tls == SECURE) SSL_shutdown(link->ssl);
  shutdown(link->fd, SHUT_WR);
  end(link);
}

/* Reads what has come, answers it, and waits for more. */
void serve(struct link *link) {
  if (link->tls == HANDSHAKE) {
    int result = shake_hands(link);
    if (result < 0) {
      counters.faults++;
      end(link);
    }
    if (result < 1) return;
  }
  for (;;) {
    int length = read_octets(link);
    if (length < 0) return end(link);
    if (length > 0) {
      if (!link->is_control) counters.reads++;
      take(link, octets, length);
      // What TLS has decrypted already comes without another event, and belongs to what was read.
      if (link->tls == SECURE && SSL_pending(link->ssl) > 0 && !link->is_closing) continue;
    }
    if (flush_replies(link) < 0) return end(link);
    if (link->is_closing) return say_goodbye(link);
    if (link->wants_tls) return start_tls(link);
    // Level-triggered: where there is more, there will be an event.
    if (length == 0 || (link->tls == CLEAR && length < READ_ROOM)) return;
  }
}
