/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * One GET /healthz by a plain socket. A listen address that stands for all interfaces is asked at
 * loopback, since that is where this program runs.
 */
#include "healthcheck.h"

#include "base/alloc.h"

#include <errno.h>
#include <netdb.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <unistd.h>

#define LIMIT_S 5

static int complain(const char *listen, const char *what)
{
    fprintf(stderr, "burnd at %s is not well: %s\n", listen, what);
    return 1;
}

/* "[::]:80" → "::1" and "80". */
static void split(const char *listen, char *address, size_t address_size, char *port,
                  size_t port_size)
{
    const char *colon = strrchr(listen, ':');
    text_copy(port, port_size, colon + 1);
    size_t skip = listen[0] == '[' ? 1 : 0;
    snprintf(address, address_size, "%.*s", (int)((size_t)(colon - listen) - 2 * skip),
             listen + skip);
    if (strcmp(address, "0.0.0.0") == 0) {
        text_copy(address, address_size, "127.0.0.1");
    } else if (strcmp(address, "::") == 0) {
        text_copy(address, address_size, "::1");
    }
}

static int open_socket(const char *address, const char *port)
{
    struct addrinfo hints = {.ai_socktype = SOCK_STREAM,
                             .ai_flags = AI_NUMERICHOST | AI_NUMERICSERV};
    struct addrinfo *found = NULL;
    if (getaddrinfo(address, port, &hints, &found) != 0) {
        errno = EINVAL;
        return -1;
    }
    int fd = socket(found->ai_family, SOCK_STREAM | SOCK_CLOEXEC, 0);
    struct timeval limit = {.tv_sec = LIMIT_S};
    if (fd >= 0) {
        setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &limit, sizeof limit);
        setsockopt(fd, SOL_SOCKET, SO_SNDTIMEO, &limit, sizeof limit);
        if (connect(fd, found->ai_addr, found->ai_addrlen) != 0) {
            int why = errno;
            close(fd);
            errno = why;
            fd = -1;
        }
    }
    freeaddrinfo(found);
    return fd;
}

int healthcheck(const char *listen)
{
    char address[64];
    char port[16];
    split(listen, address, sizeof address, port, sizeof port);
    int fd = open_socket(address, port);
    if (fd < 0) {
        return complain(listen, strerror(errno));
    }
    char *request =
        xasprintf("GET /healthz HTTP/1.1\r\nHost: localhost:%s\r\nConnection: close\r\n\r\n", port);
    size_t length = strlen(request);
    ssize_t sent = send(fd, request, length, MSG_NOSIGNAL);
    free(request);
    char answer[64] = "";
    size_t got = 0;
    ssize_t n = 1;
    while (sent == (ssize_t)length && got < 12 && n > 0) {
        n = recv(fd, answer + got, sizeof answer - 1 - got, 0);
        got += n > 0 ? (size_t)n : 0;
    }
    close(fd);
    if (got < 12) {
        return complain(listen, "no answer");
    }
    answer[12] = '\0';
    return strcmp(answer + 9, "200") == 0 ? 0 : complain(listen, answer);
}
