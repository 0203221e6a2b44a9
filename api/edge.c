/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * See edge.h. A connection is `pending` until its first bytes, which are only peeked at, tell where
 * it belongs. The first byte that differs from the event stream's request line sends it to http;
 * only that one path waits for its whole head (8 KiB, five seconds), which is then read strictly;
 * libwebsockets gets a head of our own making. What is not a valid upgrade goes untouched to http,
 * which answers in the usual form.
 *
 * epoll is edge-triggered for pending sockets: peeking leaves the bytes there, and a
 * level-triggered descriptor would never stop reporting them. A socket leaves our epoll set before
 * it is handed over.
 *
 * TLS is not spoken yet: a ClientHello is answered with an alert. When it comes, its plain side
 * enters as one more pending connection.
 */
#include "edge.h"

#include "base/alloc.h"
#include "base/clock.h"
#include "base/log.h"
#include "request.h"
#include "sse.h"

#include <errno.h>
#include <netdb.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <unistd.h>

#define HEAD_MAX 8192
#define HEAD_PATIENCE_MS 5000
#define REFUSED_PATIENCE_MS 1000
#define REFUSED_MAX 256
#define ACCEPT_PAUSE_MS 50
#define ACCEPT_AT_ONCE 64
#define TICK_MS 250

static const char event_request[] = "GET /api/v1/events"; /* then ' ' or '?' */

struct pending {
    struct pending *previous, *next;
    int fd;
    bool refused;  /* over the cap: gets a 503 */
    bool answered; /* it was sent; waiting for the client's end */
    int64_t deadline_ms;
    struct sockaddr_storage peer;
    socklen_t peer_length;
};

struct edge {
    int listen_fd, epoll_fd, wake_fd;
    char host[64], url[128];
    struct http *http;
    struct live *live;
    pthread_t thread;
    atomic_bool closing, stopping;
    /* edge thread */
    bool listening;
    int64_t listen_again_ms;
    struct pending *pending;
    int refused_count;
};

/* --- the port ------------------------------------------------------------------------------ */

static int split_listen(const char *listen, char *host, size_t host_size, char *port,
                        size_t port_size)
{
    const char *colon = strrchr(listen, ':');
    const char *begin = listen, *end = colon;
    if (colon == NULL || colon[1] == '\0' || strlen(colon + 1) >= port_size) {
        return -1;
    }
    if (listen[0] == '[') {
        begin = listen + 1;
        end = strchr(listen, ']');
        if (end == NULL || end + 1 != colon) {
            return -1;
        }
    }
    size_t length = (size_t)(end - begin);
    if (length == 0 || length >= host_size) {
        return -1;
    }
    memcpy(host, begin, length);
    host[length] = '\0';
    text_copy(port, port_size, colon + 1);
    return 0;
}

static int bind_first(const struct addrinfo *list)
{
    int fd = -1;
    for (const struct addrinfo *at = list; at != NULL && fd < 0; at = at->ai_next) {
        int yes = 1, no = 0;
        fd = socket(at->ai_family, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
        if (fd < 0) {
            continue;
        }
        setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &yes, sizeof(yes));
        if (at->ai_family == AF_INET6) {
            setsockopt(fd, IPPROTO_IPV6, IPV6_V6ONLY, &no, sizeof(no));
        }
        if (bind(fd, at->ai_addr, at->ai_addrlen) != 0 || listen(fd, 511) != 0) {
            int saved = errno;
            close(fd);
            errno = saved;
            fd = -1;
        }
    }
    return fd;
}

static int open_port(struct edge *edge, const char *listen, struct error *err)
{
    char port[8];
    const struct addrinfo hints = {.ai_socktype = SOCK_STREAM,
                                   .ai_flags = AI_PASSIVE | AI_NUMERICSERV};
    struct addrinfo *list = NULL;
    if (split_listen(listen, edge->host, sizeof(edge->host), port, sizeof(port)) != 0) {
        return error_set(err, ERROR_INVALID_REQUEST, "--listen %s is not ADDRESS:PORT", listen);
    }
    int found = getaddrinfo(edge->host, port, &hints, &list);
    if (found != 0) {
        return error_set(err, ERROR_INVALID_REQUEST, "--listen %s: %s", listen,
                         gai_strerror(found));
    }
    edge->listen_fd = bind_first(list);
    freeaddrinfo(list);
    if (edge->listen_fd < 0) {
        return error_set(err, ERROR_INTERNAL, "--listen %s: %s", listen, strerror(errno));
    }
    return 0;
}

static void name_port(struct edge *edge)
{
    struct sockaddr_storage own = {0};
    socklen_t length = sizeof(own);
    getsockname(edge->listen_fd, (struct sockaddr *)&own, &length);
    in_port_t port = own.ss_family == AF_INET6 ? ((struct sockaddr_in6 *)&own)->sin6_port
                                               : ((struct sockaddr_in *)&own)->sin_port;
    bool literal6 = strchr(edge->host, ':') != NULL;
    snprintf(edge->url, sizeof(edge->url), "http://%s%s%s:%u", literal6 ? "[" : "", edge->host,
             literal6 ? "]" : "", ntohs(port));
}

int edge_open(const char *listen, struct edge **out, struct error *err)
{
    struct edge *edge = xcalloc(1, sizeof(*edge));
    edge->listen_fd = -1;
    edge->epoll_fd = epoll_create1(EPOLL_CLOEXEC);
    edge->wake_fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
    if (open_port(edge, listen, err) != 0) {
        edge_free(edge);
        return -1;
    }
    name_port(edge);
    *out = edge;
    return 0;
}

const char *edge_host(const struct edge *edge)
{
    return edge->host;
}

const char *edge_url(const struct edge *edge)
{
    return edge->url;
}

/* --- pending connections ------------------------------------------------------------------- */

static void forget(struct edge *edge, struct pending *pending)
{
    epoll_ctl(edge->epoll_fd, EPOLL_CTL_DEL, pending->fd, NULL);
    *(pending->previous != NULL ? &pending->previous->next : &edge->pending) = pending->next;
    if (pending->next != NULL) {
        pending->next->previous = pending->previous;
    }
    if (pending->refused) {
        edge->refused_count--;
    }
    free(pending);
}

static void drop(struct edge *edge, struct pending *pending)
{
    int fd = pending->fd;
    bool counted = !pending->refused;
    forget(edge, pending);
    close(fd);
    if (counted) {
        clients_leave(edge->http->clients);
    }
}

/* Unread bytes would turn the close into a reset, and what was sent could be lost. */
static void drain(int fd)
{
    char waste[4096];
    for (int i = 0; i < 16 && recv(fd, waste, sizeof(waste), MSG_DONTWAIT) > 0; i++) {
    }
}

static void refuse(struct pending *pending)
{
    static const char body[] =
        "{\"type\":\"urn:burnd:problem:too_many_connections\",\"title\":\"Too many connections\","
        "\"status\":503,\"detail\":\"all connections that burnd allows are in use\","
        "\"code\":\"too_many_connections\",\"errors\":[],\"retryable\":true,\"user_action\":"
        "\"retry\"}";
    char answer[600];
    drain(pending->fd);
    if (pending->answered) {
        return;
    }
    pending->answered = true;
    int length =
        snprintf(answer, sizeof(answer),
                 "HTTP/1.1 503 Service Unavailable\r\nContent-Type: application/problem+json\r\n"
                 "Retry-After: 2\r\nConnection: close\r\nX-Content-Type-Options: nosniff\r\n"
                 "Cache-Control: no-store\r\nContent-Length: %zu\r\n\r\n%s",
                 sizeof(body) - 1, body);
    if (send(pending->fd, answer, (size_t)length, MSG_NOSIGNAL | MSG_DONTWAIT) > 0) {
        shutdown(pending->fd, SHUT_WR);
    }
}

static void answer_tls(struct edge *edge, struct pending *pending)
{
    static const unsigned char alert[] = {0x15, 0x03, 0x01, 0x00, 0x02, 0x02, 0x28};
    drain(pending->fd);
    if (send(pending->fd, alert, sizeof(alert), MSG_NOSIGNAL | MSG_DONTWAIT) < 0) {
        log_debug("edge", "a TLS client left before its alert");
    }
    drop(edge, pending);
}

static void to_http(struct edge *edge, struct pending *pending)
{
    int fd = pending->fd;
    struct sockaddr_storage peer = pending->peer;
    socklen_t peer_length = pending->peer_length;
    forget(edge, pending);
    http_take(edge->http, fd, (const struct sockaddr *)&peer, peer_length);
}

/* The query of a WebSocket; -1: http shall say what is wrong with it. */
static int read_subscription(const struct edge *edge, const char *target, struct subscription *out)
{
    struct request_target parts;
    struct error err = ERROR_EMPTY;
    const char *epoch = event_log_epoch(core_events(edge->http->core));
    int result = -1;
    if (request_target_parse(target, &parts, &err) == 0 &&
        request_unknown_query(&parts, "topics since max_rate_hz until ticket") == NULL) {
        result = subscription_parse(
            epoch, request_query(&parts, "topics"), request_query(&parts, "since"),
            request_query(&parts, "max_rate_hz"), request_query(&parts, "until"), out, &err);
    }
    request_target_release(&parts);
    return result;
}

static void route_head(struct edge *edge, struct pending *pending, const char *bytes, size_t length)
{
    struct upgrade_head head;
    struct subscription subscription;
    struct error err = ERROR_EMPTY;
    char consumed[HEAD_MAX];
    if (upgrade_head_parse(edge->http->filter, bytes, length, &head, &err) != 0) {
        to_http(edge, pending);
        return;
    }
    if (atomic_load(&edge->closing) || read_subscription(edge, head.target, &subscription) != 0) {
        to_http(edge, pending);
    } else if (recv(pending->fd, consumed, length, MSG_DONTWAIT) != (ssize_t)length) {
        drop(edge, pending);
    } else {
        int fd = pending->fd;
        forget(edge, pending);
        live_take(edge->live, fd, &head.headers, &subscription);
    }
    upgrade_head_release(&head);
}

/* Bytes of the head with its empty line; 0 = not there yet. Bare line feeds end it too: such a
 * head is no upgrade, and http must not wait for what will not come. */
static size_t head_length(const char *bytes, size_t length)
{
    static const char *const ends[] = {"\r\n\r\n", "\n\n", "\n\r\n"};
    for (size_t i = 0; i < sizeof(ends) / sizeof(ends[0]); i++) {
        const char *end = memmem(bytes, length, ends[i], strlen(ends[i]));
        if (end != NULL) {
            return (size_t)(end - bytes) + strlen(ends[i]);
        }
    }
    return 0;
}

static void route(struct edge *edge, struct pending *pending, const char *bytes, size_t length)
{
    const size_t prefix = sizeof(event_request) - 1;
    size_t common = length < prefix ? length : prefix;
    if ((unsigned char)bytes[0] == 0x16) {
        answer_tls(edge, pending);
    } else if (memcmp(bytes, event_request, common) != 0 ||
               (length > prefix && bytes[prefix] != ' ' && bytes[prefix] != '?')) {
        to_http(edge, pending);
    } else if (length > prefix) {
        size_t head = head_length(bytes, length);
        if (head > 0) {
            route_head(edge, pending, bytes, head);
        } else if (length >= HEAD_MAX) {
            to_http(edge, pending);
        }
    }
}

static void look_at(struct edge *edge, struct pending *pending)
{
    char bytes[HEAD_MAX];
    ssize_t length = recv(pending->fd, bytes, sizeof(bytes), MSG_PEEK | MSG_DONTWAIT);
    if (length < 0 && (errno == EAGAIN || errno == EINTR)) {
        return;
    }
    if (length <= 0) {
        drop(edge, pending);
    } else if (pending->refused) {
        refuse(pending);
    } else {
        route(edge, pending, bytes, (size_t)length);
    }
}

static void drop_late(struct edge *edge, int64_t now_ms)
{
    for (struct pending *pending = edge->pending; pending != NULL;) {
        struct pending *next = pending->next;
        if (pending->deadline_ms <= now_ms) {
            drop(edge, pending);
        }
        pending = next;
    }
}

/* --- accepting ----------------------------------------------------------------------------- */

static void watch(struct edge *edge, int fd, uint32_t events, void *what)
{
    struct epoll_event event = {.events = events, .data.ptr = what};
    epoll_ctl(edge->epoll_fd, EPOLL_CTL_ADD, fd, &event);
}

static void listen_again(struct edge *edge, int64_t now_ms)
{
    if (!edge->listening && !atomic_load(&edge->closing) && now_ms >= edge->listen_again_ms) {
        edge->listening = true;
        watch(edge, edge->listen_fd, EPOLLIN, &edge->listen_fd);
    }
}

static void pause_listening(struct edge *edge, int64_t until_ms)
{
    if (edge->listening) {
        edge->listening = false;
        edge->listen_again_ms = until_ms;
        epoll_ctl(edge->epoll_fd, EPOLL_CTL_DEL, edge->listen_fd, NULL);
    }
}

static void welcome(struct edge *edge, int fd, const struct sockaddr_storage *peer,
                    socklen_t peer_length)
{
    int yes = 1;
    setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &yes, sizeof(yes));
    setsockopt(fd, SOL_SOCKET, SO_KEEPALIVE, &yes, sizeof(yes));
    bool refused = !clients_enter(edge->http->clients);
    if (refused && edge->refused_count >= REFUSED_MAX) {
        close(fd);
        return;
    }
    struct pending *pending = xcalloc(1, sizeof(*pending));
    pending->fd = fd;
    pending->refused = refused;
    pending->deadline_ms =
        clock_monotonic_ms() + (refused ? REFUSED_PATIENCE_MS : HEAD_PATIENCE_MS);
    pending->peer = *peer;
    pending->peer_length = peer_length;
    pending->next = edge->pending;
    if (pending->next != NULL) {
        pending->next->previous = pending;
    }
    edge->pending = pending;
    edge->refused_count += refused ? 1 : 0;
    watch(edge, fd, EPOLLIN | EPOLLRDHUP | EPOLLET, pending);
}

static void accept_some(struct edge *edge)
{
    for (int i = 0; i < ACCEPT_AT_ONCE; i++) {
        struct sockaddr_storage peer;
        socklen_t length = sizeof(peer);
        int fd = accept4(edge->listen_fd, (struct sockaddr *)&peer, &length,
                         SOCK_NONBLOCK | SOCK_CLOEXEC);
        if (fd >= 0) {
            welcome(edge, fd, &peer, length);
        } else if (errno == EMFILE || errno == ENFILE || errno == ENOBUFS || errno == ENOMEM) {
            /* a level-triggered listener would report the same connection for ever */
            log_warning("edge", "cannot accept: %s", strerror(errno));
            pause_listening(edge, clock_monotonic_ms() + ACCEPT_PAUSE_MS);
            return;
        } else if (errno != ECONNABORTED && errno != EINTR) {
            return;
        }
    }
}

/* --- the thread ---------------------------------------------------------------------------- */

static int sooner(int a_ms, int b_ms)
{
    return a_ms < 0 ? b_ms : b_ms < 0 ? a_ms : a_ms < b_ms ? a_ms : b_ms;
}

/* What depends on time; milliseconds until it must be done again. */
static int keep_time(struct edge *edge)
{
    int64_t now_ms = clock_monotonic_ms();
    drop_late(edge, now_ms);
    listen_again(edge, now_ms);
    int wait_ms = edge->pending != NULL ? TICK_MS : -1;
    wait_ms =
        sooner(wait_ms, edge->listening || atomic_load(&edge->closing) ? -1 : ACCEPT_PAUSE_MS);
    wait_ms = sooner(wait_ms, clients_reap(edge->http->clients, now_ms));
    return sooner(wait_ms, streams_pump(edge->http->streams, now_ms));
}

static void wake_up(struct edge *edge)
{
    uint64_t count;
    if (read(edge->wake_fd, &count, sizeof(count)) > 0 && atomic_load(&edge->closing)) {
        pause_listening(edge, INT64_MAX);
    }
}

static void dispatch(struct edge *edge, void *what)
{
    if (what == &edge->listen_fd) {
        accept_some(edge);
    } else if (what == &edge->wake_fd) {
        wake_up(edge);
    } else if (what == edge->http->clients) {
        clients_poll_hangups(edge->http->clients);
    } else if (what != edge->http->streams) { /* streams are pumped at every turn */
        look_at(edge, what);
    }
}

static void *run(void *arg)
{
    struct edge *edge = arg;
    struct epoll_event events[64];
    watch(edge, edge->wake_fd, EPOLLIN, &edge->wake_fd);
    watch(edge, clients_watch_fd(edge->http->clients), EPOLLIN, edge->http->clients);
    watch(edge, streams_wake_fd(edge->http->streams), EPOLLIN, edge->http->streams);
    while (!atomic_load(&edge->stopping)) {
        int count = epoll_wait(edge->epoll_fd, events, 64, keep_time(edge));
        for (int i = 0; i < count; i++) {
            dispatch(edge, events[i].data.ptr);
        }
    }
    while (edge->pending != NULL) {
        drop(edge, edge->pending);
    }
    return NULL;
}

int edge_start(struct edge *edge, struct http *http, struct live *live, struct error *err)
{
    edge->http = http;
    edge->live = live;
    if (pthread_create(&edge->thread, NULL, run, edge) != 0) {
        return error_set(err, ERROR_INTERNAL, "the edge thread could not be started");
    }
    return 0;
}

static void wake(struct edge *edge)
{
    uint64_t one = 1;
    if (write(edge->wake_fd, &one, sizeof(one)) < 0) {
        log_warning("edge", "could not be woken: %s", strerror(errno));
    }
}

void edge_close(struct edge *edge)
{
    atomic_store(&edge->closing, true);
    wake(edge);
}

void edge_stop(struct edge *edge)
{
    atomic_store(&edge->stopping, true);
    wake(edge);
    pthread_join(edge->thread, NULL);
    close(edge->listen_fd);
    edge->listen_fd = -1;
}

void edge_free(struct edge *edge)
{
    if (edge->listen_fd >= 0) {
        close(edge->listen_fd);
    }
    close(edge->epoll_fd);
    close(edge->wake_fd);
    free(edge);
}
