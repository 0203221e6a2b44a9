/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * Who waits for events in the http server: SSE streams and long polls (sse.c). Edge looks after
 * them while their connections are suspended: a publication, a heartbeat, a deadline or the
 * client's hang-up wakes them.
 *
 * A stream belongs to one thread at a time, and `owner` says to whom: the http thread (it runs),
 * nobody (parked: edge takes it for a look), or nobody ever again (retired: edge frees it).
 */
#ifndef BURND_API_STREAMS_H
#define BURND_API_STREAMS_H

#include "clients.h"
#include "event/event.h"
#include "subscriber.h"

#include <stdatomic.h>

struct streams;

enum stream_owner { STREAM_RUNNING, STREAM_PARKED, STREAM_LOOKED_AT, STREAM_RETIRED };

/* First member of the page's and the SSE stream's own struct. */
struct stream {
    struct streams *streams;
    struct stream *next; /* edge's list */
    atomic_int owner;
    atomic_bool hung_up;
    atomic_int_least64_t lag_from; /* -1 = it has no lag */
    struct client *client;
    uint64_t client_id;
    bool cut; /* edge's */
    /* edge thread: whether there is something to do; else `*wait_ms` until the next look */
    bool (*look)(struct stream *stream, int64_t now_ms, int64_t *wait_ms);
    void (*wake)(struct stream *stream); /* edge thread: resume the connection; last use */
    void (*release)(struct stream *stream);
};

struct streams *streams_new(struct event_log *log, struct clients *clients);
/* After edge and http have ended. */
void streams_free(struct streams *streams);

/* Edge thread. Readable when there is something to look at. */
int streams_wake_fd(const struct streams *streams);
/* Edge thread; milliseconds until the next look, -1 = none. */
int streams_pump(struct streams *streams, int64_t now_ms);

/* Any thread. From now on streams end when they have sent what there is. */
void streams_close(struct streams *streams);
bool streams_are_closing(const struct streams *streams);
int streams_count(const struct streams *streams);

/* Http thread. The stream is this thread's until it is parked. */
void stream_add(struct streams *streams, struct stream *stream, struct client *client);
/* The connection has been suspended. */
void stream_park(struct stream *stream);
void stream_retire(struct stream *stream);

#endif
