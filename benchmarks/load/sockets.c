/* Many WebSocket clients in one process and one thread: opens them, counts frames, and notes when each version of the
 * board arrived where.
 *
 *   sockets -p PORT -n COUNT -w PATH [-f] [-s SLOW] [-m MESSAGE]... [-r RATE] [-o FILE]
 *
 * -w  what the sockets ask for        -r  new connections a second (as fast as they are accepted)
 * -m  a text sent by each once open   -s  how many of them, the first ones, may be told to stall: they have the small
 * -o  where arrivals are written          buffers of a bad line
 * -f  a socket counts as opened with its first frame; no more than 256 are being opened at any moment
 *
 * Speaks lines: "count" on standard input is answered with one JSON object; "record" begins to note arrivals, "stall"
 * lets the slow ones stop reading, "quit" ends it. An arrival is (uint32 socket, uint32 version, int64 nanoseconds of
 * CLOCK_MONOTONIC, which all processes share). Slow sockets' arrivals are not noted: what is asked is how the others do.
 */
#define _GNU_SOURCE
#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <netinet/tcp.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

enum { CHUNK = 256 * 1024, MOST_FRAME = 4 * 1024 * 1024, MOST_OPENING = 256, MOST_MESSAGES = 32, PORTS_EACH = 20000 };
enum state { UNUSED, CONNECTING, OPENING, OPEN, CLOSED };

struct client {
    int fd;
    enum state state;
    int watching;      /* has had a frame */
    char *rest;        /* what came of a frame that is not whole yet */
    size_t rest_size;
};

static struct client *clients;
static int count, slow, opened, watching, closed, failed, opening, stalled, last_close, epoll;
static uint64_t frames, bytes;
static int64_t first_connect_ns, all_open_ns, all_watching_ns;
static const char *path, *messages[MOST_MESSAGES];
static int port, message_count;
static FILE *record_file;
static int recording, wait_for_frame;
static unsigned char *buffer;

static int64_t now_ns(void)
{
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return t.tv_sec * 1000000000LL + t.tv_nsec;
}

static int is_opening(const struct client *c)
{
    return c->state == CONNECTING || c->state == OPENING || (c->state == OPEN && wait_for_frame && !c->watching);
}

static void drop(struct client *c, int after_opening)
{
    if (is_opening(c)) opening--;
    if (after_opening) closed++; else failed++;
    close(c->fd);
    free(c->rest);
    c->rest = NULL;
    c->state = CLOSED;
}

/* One client frame: masked with zeros, so that the payload stays as it is. */
static void send_frame(struct client *c, int opcode, const char *payload, size_t size)
{
    unsigned char out[8 + 1024];
    size_t head = 2;
    if (size > 1024) return;
    out[0] = 0x80 | opcode;
    if (size < 126) {
        out[1] = 0x80 | size;
    } else {
        out[1] = 0x80 | 126, out[2] = size >> 8, out[3] = size & 255;
        head = 4;
    }
    memset(out + head, 0, 4);
    memcpy(out + head + 4, payload, size);
    if (write(c->fd, out, head + 4 + size) < 0 && errno != EAGAIN) drop(c, 1);
}

static void connect_one(int index)
{
    struct client *c = &clients[index];
    struct sockaddr_in from = {.sin_family = AF_INET}, to = {.sin_family = AF_INET, .sin_port = htons(port)};
    int one = 1, small = 4096, segment = 1400;
    /* A source address has some 28,000 ports, so further sockets come from further addresses of the loopback. */
    from.sin_addr.s_addr = htonl(0x7f000101 + index / PORTS_EACH);
    to.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    c->fd = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK, 0);
    c->state = CONNECTING;
    opening++;
    if (c->fd < 0) { drop(c, 0); return; }
    setsockopt(c->fd, IPPROTO_IP, IP_BIND_ADDRESS_NO_PORT, &one, sizeof one);
    if (index < slow) { /* on the loopback the kernel would otherwise take megabytes off a server's hands */
        setsockopt(c->fd, SOL_SOCKET, SO_RCVBUF, &small, sizeof small);
        setsockopt(c->fd, IPPROTO_TCP, TCP_MAXSEG, &segment, sizeof segment);
    }
    struct epoll_event e = {.events = EPOLLOUT, .data.u32 = index};
    if (bind(c->fd, (struct sockaddr *)&from, sizeof from)
        || (connect(c->fd, (struct sockaddr *)&to, sizeof to) && errno != EINPROGRESS)
        || epoll_ctl(epoll, EPOLL_CTL_ADD, c->fd, &e))
        drop(c, 0);
}

static void send_opening(int index)
{
    struct client *c = &clients[index];
    char request[8192];
    int error = 0, size = snprintf(request, sizeof request,
        "GET %s HTTP/1.1\r\nHost: 127.0.0.1:%d\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
        "Sec-WebSocket-Key: AAAAAAAAAAAAAAAAAAAAAA==\r\nSec-WebSocket-Version: 13\r\n\r\n",
        path, port);
    socklen_t length = sizeof error;
    struct epoll_event e = {.events = EPOLLIN, .data.u32 = index};
    getsockopt(c->fd, SOL_SOCKET, SO_ERROR, &error, &length);
    if (error || write(c->fd, request, size) != size) { drop(c, 0); return; }
    c->state = OPENING;
    epoll_ctl(epoll, EPOLL_CTL_MOD, c->fd, &e);
}

static void note_arrival(int index, const unsigned char *payload, size_t size)
{
    static const char name[] = "\"version\":";
    struct { uint32_t socket, version; int64_t ns; } arrival = {.socket = index, .ns = now_ns()};
    const char *at = memmem(payload, size, name, sizeof name - 1);
    if (!at) return;
    const char *end = (const char *)payload + size;
    for (at += sizeof name - 1; at < end && (*at == ' ' || (*at >= '0' && *at <= '9')); at++)
        if (*at != ' ') arrival.version = arrival.version * 10 + (*at - '0');
    fwrite(&arrival, sizeof arrival, 1, record_file);
}

static void take_frame(int index, int opcode, const unsigned char *payload, size_t size)
{
    struct client *c = &clients[index];
    if (opcode == 9) {
        send_frame(c, 10, (const char *)payload, size);
    } else if (opcode == 8) {
        last_close = size >= 2 ? payload[0] << 8 | payload[1] : 1005;
        drop(c, 1);
    } else if (opcode <= 2) {
        frames++;
        if (!c->watching) {
            if (wait_for_frame) opening--;
            c->watching = 1;
            if (++watching == count) all_watching_ns = now_ns();
        }
        if (recording && index >= slow) note_arrival(index, payload, size);
    }
}

/* Takes all whole frames out of `have` bytes; answers how many bytes those were, or -1 when it is no WebSocket. */
static ssize_t take_frames(int index, unsigned char *data, size_t have)
{
    size_t at = 0;
    while (have - at >= 2 && clients[index].state == OPEN) {
        uint64_t size = data[at + 1] & 127;
        size_t head = size == 126 ? 4 : size == 127 ? 10 : 2;
        if (have - at < head) break;
        if (head > 2) {
            size = 0;
            for (size_t i = 2; i < head; i++) size = size << 8 | data[at + i];
        }
        if (size > MOST_FRAME || data[at + 1] & 128) return -1;
        if (have - at < head + size) break;
        take_frame(index, data[at] & 15, data + at + head, size);
        at += head + size;
    }
    return at;
}

static ssize_t take_answer(int index, unsigned char *data, size_t have)
{
    struct client *c = &clients[index];
    unsigned char *end = memmem(data, have, "\r\n\r\n", 4);
    if (!end) return have < 8192 ? 0 : -1;
    if (have < 12 || memcmp(data + 9, "101", 3)) {
        fprintf(stderr, "refused: %.40s\n", data);
        return -1;
    }
    c->state = OPEN;
    if (!is_opening(c)) opening--;
    if (++opened == count) all_open_ns = now_ns();
    for (int i = 0; i < message_count && c->state == OPEN; i++) send_frame(c, 1, messages[i], strlen(messages[i]));
    return end + 4 - data;
}

static void receive(int index)
{
    struct client *c = &clients[index];
    if (index < slow && stalled) { /* never read again: the server finds out by itself */
        epoll_ctl(epoll, EPOLL_CTL_DEL, c->fd, NULL);
        return;
    }
    size_t have = c->rest_size;
    memcpy(buffer, c->rest ? (unsigned char *)c->rest : buffer, have);
    ssize_t got = read(c->fd, buffer + have, CHUNK);
    if (got <= 0) {
        if (got == 0 || errno != EAGAIN) drop(c, c->state == OPEN);
        return;
    }
    bytes += got;
    have += got;
    ssize_t taken = 0;
    if (c->state == OPENING) taken = take_answer(index, buffer, have);
    if (taken >= 0 && c->state == OPEN) {
        ssize_t more = take_frames(index, buffer + taken, have - taken);
        taken = more < 0 ? -1 : taken + more;
    }
    if (c->state == CLOSED) return;
    if (taken < 0) { drop(c, c->state == OPEN); return; }
    c->rest_size = have - taken;
    if (!c->rest_size) {
        free(c->rest);
        c->rest = NULL;
    } else if ((c->rest = realloc(c->rest, c->rest_size))) {
        memcpy(c->rest, buffer + taken, c->rest_size);
    } else {
        exit(1);
    }
}

static void print_count(void)
{
    struct rusage used;
    getrusage(RUSAGE_SELF, &used);
    printf("{\"at\": %.6f, \"opened\": %d, \"watching\": %d, \"closed\": %d, \"failed\": %d, \"last_close\": %d, "
           "\"frames\": %lu, \"bytes\": %lu, \"open_seconds\": %.6f, \"watching_seconds\": %.6f, "
           "\"cpu_seconds\": %.6f}\n",
           now_ns() / 1e9, opened, watching, closed, failed, last_close, frames, bytes,
           all_open_ns ? (all_open_ns - first_connect_ns) / 1e9 : 0.0,
           all_watching_ns ? (all_watching_ns - first_connect_ns) / 1e9 : 0.0,
           used.ru_utime.tv_sec + used.ru_stime.tv_sec + (used.ru_utime.tv_usec + used.ru_stime.tv_usec) / 1e6);
    fflush(stdout);
}

static void obey(void)
{
    char line[64];
    if (!fgets(line, sizeof line, stdin) || !strcmp(line, "quit\n")) {
        if (record_file) fclose(record_file);
        exit(0);
    }
    if (!strcmp(line, "record\n")) recording = record_file != NULL;
    if (!strcmp(line, "stall\n")) stalled = 1;
    if (!strcmp(line, "count\n")) {
        if (record_file) fflush(record_file);
        print_count();
    }
}

int main(int argc, char **argv)
{
    int option, next = 0;
    double rate = 0;
    struct epoll_event events[512], commands = {.events = EPOLLIN, .data.u32 = UINT32_MAX};
    setvbuf(stdin, NULL, _IONBF, 0);
    while ((option = getopt(argc, argv, "p:n:w:s:m:r:o:f")) > 0) {
        if (option == 'p') port = atoi(optarg);
        if (option == 'n') count = atoi(optarg);
        if (option == 'w') path = optarg;
        if (option == 'f') wait_for_frame = 1;
        if (option == 's') slow = atoi(optarg);
        if (option == 'r') rate = atof(optarg);
        if (option == 'm' && message_count < MOST_MESSAGES) messages[message_count++] = optarg;
        if (option == 'o' && !(record_file = fopen(optarg, "wb"))) return perror(optarg), 1;
    }
    if (!port || !count || !path) return fprintf(stderr, "see the top of sockets.c\n"), 2;
    clients = calloc(count, sizeof *clients);
    buffer = malloc(MOST_FRAME + 16 + CHUNK);
    epoll = epoll_create1(0);
    if (!clients || !buffer || epoll < 0) return 1;
    epoll_ctl(epoll, EPOLL_CTL_ADD, 0, &commands);
    first_connect_ns = now_ns();
    for (;;) {
        int64_t due = rate > 0 ? (now_ns() - first_connect_ns) * rate / 1e9 + 1 : count;
        while (next < count && next < due && opening < MOST_OPENING) connect_one(next++);
        int ready = epoll_wait(epoll, events, 512, next < count ? 1 : -1);
        for (int i = 0; i < ready; i++) {
            uint32_t index = events[i].data.u32;
            if (index == UINT32_MAX) obey();
            else if (clients[index].state == CONNECTING) send_opening(index);
            else if (clients[index].state != CLOSED) receive(index);
        }
    }
}
