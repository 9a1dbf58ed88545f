/*
 * usage: sink [-p PORT] [-E CERTIFICATE -K KEY] [-P: no PIPELINING] [-C: no CHUNKING]
 *
 * Prints its port once it listens; with -p 0 the system chooses it. Any connection may say XSTAT, for the counters in one line of JSON, and XRST, to
 * set them to nought.
 */
#define _GNU_SOURCE
#include "sink.h"

#include <arpa/inet.h>
#include <netinet/tcp.h>
#include <openssl/err.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <unistd.h>

enum { BACKLOG = 4096, EVENTS = 256 };

struct settings settings = {.pipelining = true, .chunking = true};
struct counters counters;

static void fail(const char *what) {
  perror(what);
  exit(1);
}

static int listen_on(int port) {
  int fd = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK, 0), on = 1;
  setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof on);
  struct sockaddr_in address = {.sin_family = AF_INET, .sin_port = htons(port), .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
  socklen_t size = sizeof address;
  if (bind(fd, (struct sockaddr *)&address, size) != 0 || listen(fd, BACKLOG) != 0) fail("listen");
  getsockname(fd, (struct sockaddr *)&address, &size);
  printf("%d\n", ntohs(address.sin_port));
  fflush(stdout);
  return fd;
}

static void watch(int epoll, struct link *link) {
  struct epoll_event event = {.events = EPOLLIN, .data.ptr = link};
  epoll_ctl(epoll, EPOLL_CTL_ADD, link->fd, &event);
}

static void accept_all(int epoll, int listener) {
  for (;;) {
    int fd = accept4(listener, NULL, NULL, SOCK_NONBLOCK), on = 1;
    if (fd < 0) return;
    setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
    struct link *link = calloc(1, sizeof *link);
    link->fd = fd;
    counters.connections++;
    watch(epoll, link);
    greet(link);
  }
}

static SSL_CTX *secured_by(const char *certificate, const char *key) {
  SSL_CTX *context = SSL_CTX_new(TLS_server_method());
  bool is_good = SSL_CTX_use_certificate_chain_file(context, certificate) == 1 && SSL_CTX_use_PrivateKey_file(context, key, SSL_FILETYPE_PEM) == 1;
  if (is_good) return context;
  ERR_print_errors_fp(stderr);
  exit(1);
}

int main(int count, char **arguments) {
  int port = 0;
  const char *certificate = NULL, *key = NULL;
  for (int option; (option = getopt(count, arguments, "p:E:K:PC")) != -1;) {
    switch (option) {
      case 'p': port = atoi(optarg); break;
      case 'E': certificate = optarg; break;
      case 'K': key = optarg; break;
      case 'P': settings.pipelining = false; break;
      case 'C': settings.chunking = false; break;
      default: return 2;
    }
  }
  signal(SIGPIPE, SIG_IGN);
  if (certificate != NULL && key != NULL) settings.tls = secured_by(certificate, key);

  int epoll = epoll_create1(0);
  struct link listener = {.fd = listen_on(port), .is_listener = true};
  watch(epoll, &listener);
  struct epoll_event events[EVENTS];
  for (;;) {
    int ready = epoll_wait(epoll, events, EVENTS, -1);
    for (int index = 0; index < ready; index++) {
      struct link *link = events[index].data.ptr;
      if (link->is_listener) accept_all(epoll, link->fd);
      else serve(link);
    }
  }
}
