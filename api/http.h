/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * The http thread: libmicrohttpd serving the connections that edge hands over. It reads heads and
 * bodies within limits, refuses what the filter refuses, finds the route and drives exchanges
 * (exchange.h).
 *
 * It accepts nothing itself and has no listening socket. Handlers never block on this thread.
 */
#ifndef BURND_API_HTTP_H
#define BURND_API_HTTP_H

#include "base/lock.h"
#include "clients.h"
#include "job/core.h"
#include "request_filter.h"
#include "site.h"
#include "streams.h"

#include <stdatomic.h>
#include <sys/socket.h>

#define WAITERS_MAX 256
#define HEAD_BYTES_MAX 16384
#define READERS_MAX 8

struct MHD_Daemon;

/* Filled by the maker, then owned by http.c; the other files of the exchange use what is marked
 * so. */
struct http {
    struct core *core;
    const struct request_filter *filter;
    struct clients *clients;
    struct streams *streams;
    struct site *site;

    struct MHD_Daemon *daemon;
    atomic_bool stopping;
    atomic_int waiters; /* requests that asked to wait */
    atomic_uint_least64_t last_serial;
    struct lock lock;
    struct exchange *suspended GUARDED_BY(lock);
    struct store_reader *readers[READERS_MAX] GUARDED_BY(lock);
    size_t reader_count GUARDED_BY(lock);
    struct exchange *waiting; /* core thread: those with a hang-up step */
};

NODISCARD int http_start(struct http *http, struct error *err);
/* Edge thread. Takes the socket, which has been counted (clients_enter). */
void http_take(struct http *http, int owned_fd, const struct sockaddr *peer, socklen_t peer_length);
/* Waiting requests are answered 503, others get two seconds. The core's mailbox must run; edge
 * must run no more. True: nothing is left, `http` may be freed; false: the core still has a
 * request of it. */
NODISCARD bool http_stop(struct http *http);

#endif
