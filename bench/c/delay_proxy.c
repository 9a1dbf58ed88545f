/*
 * usage: delay_proxy TARGET_PORT ROUND_TRIP_MILLISECONDS
 *
 * Carries connections to a port of this machine, every octet late by half a round trip in each direction, and the connection itself by what its three
 * segments would take. Prints its own port once it listens.
 *
 * All delays are the same, so that what is due next stands at the head of one of two queues: octets (half a round trip) and connections (one and a half).
 */
#define _GNU_SOURCE
#include <arpa/inet.h>
#include <errno.h>
#include <netinet/tcp.h>
#include <signal.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <sys/timerfd.h>
#include <time.h>
#include <unistd.h>

enum { BACKLOG = 1024, EVENTS = 128, READ_ROOM = 1 << 20, PATIENCE_MICROSECONDS = 100 };
static const uint64_t SECOND = 1000000000;

struct pair;

struct side {
  int fd;
  int index;
  struct pair *pair;
};

/* A connection of a client (side 0) and the one that was opened for it (side 1). */
struct pair {
  struct side sides[2];
  bool has_ended[2];
  bool is_dead;
  int references; /* its own, and one of each item in a queue */
};

enum kind { OCTETS, END, CONNECTION };

struct item {
  uint64_t due;
  enum kind kind;
  struct pair *pair;
  int from;
  char *octets;
  size_t length;
  struct item *next;
};

struct queue {
  struct item *head, **end;
};

static struct queue octets_due = {.end = &octets_due.head}, connections_due = {.end = &connections_due.head};
static uint64_t half_trip;
static int epoll, timer, target_port;

static uint64_t now(void) {
  struct timespec time;
  clock_gettime(CLOCK_MONOTONIC, &time);
  return time.tv_sec * SECOND + time.tv_nsec;
}

static void put(struct queue *queue, struct item item) {
  struct item *copy = malloc(sizeof item);
  *copy = item;
  copy->next = NULL;
  *queue->end = copy;
  queue->end = &copy->next;
  item.pair->references++;
}

static struct item *taken_if_due(struct queue *queue, uint64_t time) {
  struct item *item = queue->head;
  if (item == NULL || item->due > time) return NULL;
  queue->head = item->next;
  if (queue->head == NULL) queue->end = &queue->head;
  return item;
}

static void set_timer(void) {
  uint64_t due = 0;
  if (octets_due.head != NULL) due = octets_due.head->due;
  if (connections_due.head != NULL && (due == 0 || connections_due.head->due < due)) due = connections_due.head->due;
  struct itimerspec when = {.it_value = {.tv_sec = due / SECOND, .tv_nsec = due % SECOND}};
  timerfd_settime(timer, TFD_TIMER_ABSTIME, &when, NULL);
}

static void release(struct pair *pair) {
  if (--pair->references == 0) free(pair);
}

static void kill_pair(struct pair *pair) {
  if (pair->is_dead) return;
  pair->is_dead = true;
  for (int index = 0; index < 2; index++) {
    if (pair->sides[index].fd >= 0) close(pair->sides[index].fd);
    pair->sides[index].fd = -1;
  }
  release(pair);
}

static void watch(int fd, void *what) {
  struct epoll_event event = {.events = EPOLLIN, .data.ptr = what};
  epoll_ctl(epoll, EPOLL_CTL_ADD, fd, &event);
}

static void set_no_delay(int fd) {
  int on = 1;
  setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
}

static struct sockaddr_in loopback(int port) {
  return (struct sockaddr_in){.sin_family = AF_INET, .sin_port = htons(port), .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
}

static int listen_anywhere(void) {
  int fd = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK, 0);
  struct sockaddr_in address = loopback(0);
  socklen_t size = sizeof address;
  if (bind(fd, (struct sockaddr *)&address, size) != 0 || listen(fd, BACKLOG) != 0) {
    perror("listen");
    exit(1);
  }
  getsockname(fd, (struct sockaddr *)&address, &size);
  printf("%d\n", ntohs(address.sin_port));
  fflush(stdout);
  return fd;
}

static void accept_all(int listener) {
  for (;;) {
    int fd = accept4(listener, NULL, NULL, SOCK_NONBLOCK);
    if (fd < 0) return;
    set_no_delay(fd);
    struct pair *pair = calloc(1, sizeof *pair);
    pair->references = 1;
    for (int index = 0; index < 2; index++) pair->sides[index] = (struct side){.fd = -1, .index = index, .pair = pair};
    pair->sides[0].fd = fd;
    put(&connections_due, (struct item){.due = now() + 3 * half_trip, .kind = CONNECTION, .pair = pair});
  }
}

static void hear(struct side *side) {
  static char octets[READ_ROOM];
  struct pair *pair = side->pair;
  if (pair->is_dead || side->fd < 0) return;
  ssize_t length = recv(side->fd, octets, sizeof octets, 0);
  if (length < 0 && errno == EAGAIN) return;
  struct item item = {.due = now() + half_trip, .kind = END, .pair = pair, .from = side->index};
  if (length > 0) {
    item.kind = OCTETS;
    item.length = length;
    item.octets = memcpy(malloc(length), octets, length);
  } else {
    epoll_ctl(epoll, EPOLL_CTL_DEL, side->fd, NULL);
  }
  put(&octets_due, item);
}

static void open_other_side(struct pair *pair) {
  int fd = socket(AF_INET, SOCK_STREAM, 0);
  struct sockaddr_in address = loopback(target_port);
  if (connect(fd, (struct sockaddr *)&address, sizeof address) != 0) {
    close(fd);
    return kill_pair(pair);
  }
  set_no_delay(fd);
  pair->sides[1].fd = fd;
  for (int index = 0; index < 2; index++) watch(pair->sides[index].fd, &pair->sides[index]);
}

static void pass_on(struct pair *pair, int to, const char *octets, size_t length) {
  size_t written = 0;
  while (written < length && !pair->is_dead) {
    ssize_t sent = send(pair->sides[to].fd, octets + written, length - written, MSG_NOSIGNAL);
    if (sent >= 0) written += sent;
    else if (errno == EAGAIN) usleep(PATIENCE_MICROSECONDS);
    else kill_pair(pair);
  }
}

static void end_direction(struct pair *pair, int from) {
  pair->has_ended[from] = true;
  if (pair->has_ended[1 - from]) kill_pair(pair);
  else shutdown(pair->sides[1 - from].fd, SHUT_WR);
}

static void carry_out(struct item *item) {
  struct pair *pair = item->pair;
  if (!pair->is_dead) {
    switch (item->kind) {
      case CONNECTION: open_other_side(pair); break;
      case OCTETS: pass_on(pair, 1 - item->from, item->octets, item->length); break;
      case END: end_direction(pair, item->from); break;
    }
  }
  free(item->octets);
  free(item);
  release(pair);
}

int main(int count, char **arguments) {
  if (count != 3) return 2;
  target_port = atoi(arguments[1]);
  half_trip = atof(arguments[2]) * 1e6 / 2;
  signal(SIGPIPE, SIG_IGN);
  epoll = epoll_create1(0);
  timer = timerfd_create(CLOCK_MONOTONIC, TFD_NONBLOCK);
  int listener = listen_anywhere();
  watch(listener, &listener);
  watch(timer, &timer);
  struct epoll_event events[EVENTS];
  for (;;) {
    int ready = epoll_wait(epoll, events, EVENTS, -1);
    for (int index = 0; index < ready; index++) {
      void *what = events[index].data.ptr;
      uint64_t expirations;
      if (what == &listener) accept_all(listener);
      else if (what != &timer) hear(what);
      else if (read(timer, &expirations, sizeof expirations) < 0) continue;
    }
    uint64_t time = now();
    for (struct item *item; (item = taken_if_due(&connections_due, time)) != NULL;) carry_out(item);
    for (struct item *item; (item = taken_if_due(&octets_due, time)) != NULL;) carry_out(item);
    set_timer();
  }
}
