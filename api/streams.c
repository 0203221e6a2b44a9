/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * See streams.h. New streams come through an inbox under a lock; the list itself is edge's alone.
 * Whoever gives a stream away wakes edge afterwards, so that nothing published in between is slept
 * over.
 */
#include "streams.h"

#include "base/alloc.h"
#include "base/lock.h"

#include <stdlib.h>
#include <sys/eventfd.h>
#include <unistd.h>

struct streams {
    struct event_log *log;
    struct clients *clients;
    int wake_fd;
    atomic_bool closing;
    atomic_int count;
    struct stream *list; /* edge thread */
    struct lock lock;
    struct stream *inbox GUARDED_BY(lock);
};

static void wake_edge(void *arg)
{
    const struct streams *streams = arg;
    uint64_t one = 1;
    if (write(streams->wake_fd, &one, sizeof(one)) < 0) {
        return; /* the counter is full: it will wake anyhow */
    }
}

struct streams *streams_new(struct event_log *log, struct clients *clients)
{
    struct streams *streams = xcalloc(1, sizeof(*streams));
    streams->log = log;
    streams->clients = clients;
    streams->wake_fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
    lock_init(&streams->lock);
    event_log_listen(log, wake_edge, streams);
    return streams;
}

static void take_inbox(struct streams *streams)
{
    lock_take(&streams->lock);
    struct stream *inbox = streams->inbox;
    streams->inbox = NULL;
    lock_drop(&streams->lock);
    while (inbox != NULL) {
        struct stream *stream = inbox;
        inbox = stream->next;
        stream->next = streams->list;
        streams->list = stream;
    }
}

void streams_free(struct streams *streams)
{
    if (streams == NULL) {
        return;
    }
    event_log_unlisten(streams->log, wake_edge, streams);
    take_inbox(streams);
    while (streams->list != NULL) {
        struct stream *stream = streams->list;
        streams->list = stream->next;
        stream->release(stream);
    }
    close(streams->wake_fd);
    lock_release(&streams->lock);
    free(streams);
}

int streams_wake_fd(const struct streams *streams)
{
    return streams->wake_fd;
}

void streams_close(struct streams *streams)
{
    atomic_store(&streams->closing, true);
    wake_edge(streams);
}

bool streams_are_closing(const struct streams *streams)
{
    return atomic_load(&streams->closing);
}

int streams_count(const struct streams *streams)
{
    return atomic_load(&streams->count);
}

void stream_add(struct streams *streams, struct stream *stream, struct client *client)
{
    stream->streams = streams;
    stream->client = client;
    stream->client_id = client_id(client);
    atomic_fetch_add(&streams->count, 1);
    lock_take(&streams->lock);
    stream->next = streams->inbox;
    streams->inbox = stream;
    lock_drop(&streams->lock);
}

/* Edge thread: the client of a parked stream has left. */
static void note_hangup(void *arg, uint64_t id)
{
    struct streams *streams = arg;
    take_inbox(streams);
    for (struct stream *stream = streams->list; stream != NULL; stream = stream->next) {
        if (stream->client_id == id) {
            atomic_store(&stream->hung_up, true);
        }
    }
    wake_edge(streams);
}

void stream_park(struct stream *stream)
{
    struct streams *streams = stream->streams;
    client_watch(stream->client, note_hangup, streams, stream->client_id);
    atomic_store(&stream->owner, STREAM_PARKED);
    wake_edge(streams);
}

void stream_retire(struct stream *stream)
{
    struct streams *streams = stream->streams;
    atomic_fetch_sub(&streams->count, 1);
    atomic_store(&stream->owner, STREAM_RETIRED);
    wake_edge(streams);
}

/* One that runs and lags is blocked in its socket: the client does not read. */
static void judge_lag(struct streams *streams, struct stream *stream)
{
    int64_t lag_from = atomic_load(&stream->lag_from);
    if (lag_from >= 0 && !stream->cut && subscriber_has_lagged(streams->log, lag_from)) {
        stream->cut = true;
        clients_cut(streams->clients, stream->client_id);
    }
}

static int64_t look(struct streams *streams, struct stream *stream, int64_t now_ms)
{
    int64_t wait_ms = -1;
    bool wake = stream->look(stream, now_ms, &wait_ms) || atomic_load(&stream->hung_up) ||
                streams_are_closing(streams);
    if (!wake) {
        atomic_store(&stream->owner, STREAM_PARKED);
        return wait_ms;
    }
    client_unwatch(stream->client);
    atomic_store(&stream->owner, STREAM_RUNNING);
    stream->wake(stream);
    return -1;
}

int streams_pump(struct streams *streams, int64_t now_ms)
{
    uint64_t wakes;
    if (read(streams->wake_fd, &wakes, sizeof(wakes)) < 0) {
        wakes = 0; /* nobody called: a time has come */
    }
    take_inbox(streams);
    int64_t next_ms = -1;
    for (struct stream **link = &streams->list; *link != NULL;) {
        struct stream *stream = *link;
        int owner = atomic_load(&stream->owner);
        if (owner == STREAM_RETIRED) {
            *link = stream->next;
            stream->release(stream);
            continue;
        }
        link = &stream->next; /* after a wake the stream's other members are http's */
        if (owner == STREAM_RUNNING) {
            judge_lag(streams, stream);
            continue;
        }
        atomic_store(&stream->owner, STREAM_LOOKED_AT);
        int64_t wait_ms = look(streams, stream, now_ms);
        if (wait_ms >= 0 && (next_ms < 0 || wait_ms < next_ms)) {
            next_ms = wait_ms;
        }
    }
    return (int)next_ms;
}
