/* The upper bound for anything that fans frames out: accepts COUNT sockets and then only writes, to each in turn, one
 * and the same ready frame.
 *
 *   writer PORT COUNT FRAME_FILE
 *
 * It is no WebSocket server: it answers every opening with the same 101, and reads nothing after that.
 */
#define _GNU_SOURCE
#include <arpa/inet.h>
#include <errno.h>
#include <netinet/tcp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <unistd.h>

static const char answer[] = "HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n\r\n";

static size_t read_frame(const char *name, unsigned char **frame)
{
    FILE *file = fopen(name, "rb");
    unsigned char *data = malloc(4 + 65535);
    size_t size = file && data ? fread(data + 4, 1, 65535, file) : 0;
    if (!size) exit(1);
    if (size < 126) { /* a short head, right before the payload */
        data[2] = 0x81, data[3] = size;
        *frame = data + 2;
        return 2 + size;
    }
    data[0] = 0x81, data[1] = 126, data[2] = size >> 8, data[3] = size & 255;
    *frame = data;
    return 4 + size;
}

int main(int argc, char **argv)
{
    if (argc != 4) return fprintf(stderr, "see the top of writer.c\n"), 2;
    unsigned char *frame;
    int count = atoi(argv[2]), one = 1, small = 16384, blocked = 0;
    size_t size = read_frame(argv[3], &frame);
    struct sockaddr_in here = {.sin_family = AF_INET, .sin_port = htons(atoi(argv[1]))};
    here.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    int listener = socket(AF_INET, SOCK_STREAM, 0), epoll = epoll_create1(0);
    setsockopt(listener, SOL_SOCKET, SO_REUSEADDR, &one, sizeof one);
    /* Small buffers, or the kernel would hold gigabytes of frames that nobody has read; also the client's speed shows. */
    setsockopt(listener, SOL_SOCKET, SO_SNDBUF, &small, sizeof small);
    if (bind(listener, (struct sockaddr *)&here, sizeof here) || listen(listener, 2048)) return perror("listen"), 1;

    struct { int fd, blocked; size_t sent; } *clients = calloc(count, sizeof *clients);
    struct epoll_event events[512];
    for (int i = 0; i < count; i++) { /* the openings first: they are not what is measured */
        char opening[8192];
        clients[i].fd = accept(listener, NULL, NULL);
        if (clients[i].fd < 0) return perror("accept"), 1;
        setsockopt(clients[i].fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof one);
        if (read(clients[i].fd, opening, sizeof opening) <= 0) return 1;
        if (write(clients[i].fd, answer, sizeof answer - 1) < 0) return 1;
    }
    for (int i = 0; i < count; i++) {
        struct epoll_event e = {.events = EPOLLOUT | EPOLLET, .data.u32 = i};
        epoll_ctl(epoll, EPOLL_CTL_ADD, clients[i].fd, &e);
    }
    for (;;) {
        for (int i = 0; i < count; i++) {
            if (clients[i].blocked) continue;
            ssize_t sent = send(clients[i].fd, frame + clients[i].sent, size - clients[i].sent, MSG_DONTWAIT | MSG_NOSIGNAL);
            if (sent < 0 && errno != EAGAIN) return 0; /* the clients have gone */
            if (sent < 0) clients[i].blocked = 1, blocked++;
            else clients[i].sent = (clients[i].sent + sent) % size;
        }
        int ready = epoll_wait(epoll, events, 512, blocked == count ? -1 : 0);
        for (int i = 0; i < ready; i++) {
            int index = events[i].data.u32;
            blocked -= clients[index].blocked;
            clients[index].blocked = 0;
        }
    }
}
