/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * See event.h. State events stand in a ring, ascending by number, each with the count of bytes that
 * were published before it, so that a reader's place is a binary search and its lag a subtraction.
 * Stream events stand in a list, one for each key, ascending by number because a publication moves
 * its key to the end; a hash finds the key. When there are more than STREAM_KEYS_MAX keys, the one
 * least recently published is forgotten.
 *
 * A reader that keeps up costs a few steps per event: the ring is entered at its cursor, the list
 * is walked from its end back to the cursor.
 *
 * Threads: the core writes; any thread reads under `lock`. Listeners have a lock of their own, held
 * while they are called, so that event_log_unlisten() can promise an end; they only wake a thread.
 */
#include "event/event.h"

#include "base/alloc.h"
#include "base/clock.h"
#include "base/lock.h"

#include <assert.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>

#define STREAM_KEYS_MAX 1024
#define STREAM_BUCKETS 1024
#define LISTENERS_MAX 4
#define ENVELOPE_BYTES 192 /* about what event_envelope() adds to the data */

struct stream {
    struct stream *previous, *next; /* by number of the event */
    struct stream *same_bucket;
    struct event *event;
};

struct listener {
    void (*told)(void *arg);
    void *arg;
};

struct event_log {
    char epoch[EPOCH_SIZE];
    atomic_int_least64_t next_seq;
    struct event *borrowed; /* core thread: the last publication */

    struct lock lock;
    struct event *ring[EVENT_KEEP] GUARDED_BY(lock);
    int64_t bytes_before[EVENT_KEEP] GUARDED_BY(lock); /* same index as the ring */
    size_t start GUARDED_BY(lock), count GUARDED_BY(lock);
    int64_t bytes GUARDED_BY(lock); /* of all state events so far */
    int64_t last_seq GUARDED_BY(lock), lost_seq GUARDED_BY(lock);
    struct stream *first GUARDED_BY(lock), *last GUARDED_BY(lock);
    struct stream *buckets[STREAM_BUCKETS] GUARDED_BY(lock);
    size_t stream_count GUARDED_BY(lock);

    struct lock listeners_lock;
    struct listener listeners[LISTENERS_MAX] GUARDED_BY(listeners_lock);
};

struct event_log *event_log_new(const char *epoch, int64_t first_seq)
{
    struct event_log *log = xcalloc(1, sizeof(*log));
    text_copy(log->epoch, sizeof(log->epoch), epoch);
    lock_init(&log->lock);
    lock_init(&log->listeners_lock);
    atomic_init(&log->next_seq, first_seq);
    lock_take(&log->lock);
    log->last_seq = log->lost_seq = first_seq - 1;
    lock_drop(&log->lock);
    return log;
}

void event_log_free(struct event_log *log)
{
    if (log == NULL) {
        return;
    }
    lock_take(&log->lock);
    for (size_t i = 0; i < log->count; i++) {
        event_unref(log->ring[(log->start + i) % EVENT_KEEP]);
    }
    while (log->first != NULL) {
        struct stream *stream = log->first;
        log->first = stream->next;
        event_unref(stream->event);
        free(stream);
    }
    lock_drop(&log->lock);
    event_unref(log->borrowed);
    lock_release(&log->lock);
    lock_release(&log->listeners_lock);
    free(log);
}

/* --- writing ------------------------------------------------------------------------------- */

static struct event *event_new(int64_t seq, int64_t time_ms, enum event_type type,
                               const struct event_subject *subject, char *owned_data)
{
    struct event *event = xcalloc(1, sizeof(*event));
    event->references = 1;
    event->seq = seq;
    event->time_ms = time_ms;
    event->type = type;
    event->subject = *subject;
    event->data = owned_data;
    event->data_length = strlen(owned_data);
    return event;
}

static void append_state_locked(struct event_log *log, struct event *event) REQUIRES(log->lock)
{
    if (log->count == EVENT_KEEP) {
        log->lost_seq = log->ring[log->start]->seq;
        event_unref(log->ring[log->start]);
        log->start = (log->start + 1) % EVENT_KEEP;
        log->count--;
    }
    size_t at = (log->start + log->count++) % EVENT_KEEP;
    log->ring[at] = event_ref(event);
    log->bytes_before[at] = log->bytes;
    log->bytes += (int64_t)event->data_length + ENVELOPE_BYTES;
}

static uint64_t hash_of(const char *key)
{
    uint64_t hash = 14695981039346656037U; /* FNV-1a */
    for (; *key != '\0'; key++) {
        hash = (hash ^ (unsigned char)*key) * 1099511628211U;
    }
    return hash;
}

static struct stream **bucket_locked(struct event_log *log, const struct event *event)
    REQUIRES(log->lock)
{
    return &log->buckets[event->stream_hash % STREAM_BUCKETS];
}

static void unlink_locked(struct event_log *log, struct stream *stream) REQUIRES(log->lock)
{
    *(stream->previous != NULL ? &stream->previous->next : &log->first) = stream->next;
    *(stream->next != NULL ? &stream->next->previous : &log->last) = stream->previous;
}

static void append_stream_locked(struct event_log *log, struct stream *stream) REQUIRES(log->lock)
{
    stream->previous = log->last;
    stream->next = NULL;
    *(log->last != NULL ? &log->last->next : &log->first) = stream;
    log->last = stream;
}

static void forget_oldest_stream_locked(struct event_log *log) REQUIRES(log->lock)
{
    struct stream *stream = log->first;
    struct stream **link = bucket_locked(log, stream->event);
    while (*link != stream) {
        link = &(*link)->same_bucket;
    }
    *link = stream->same_bucket;
    unlink_locked(log, stream);
    event_unref(stream->event);
    free(stream);
    log->stream_count--;
}

static void put_stream_locked(struct event_log *log, struct event *event) REQUIRES(log->lock)
{
    struct stream **bucket = bucket_locked(log, event);
    struct stream *stream = *bucket;
    while (stream != NULL && strcmp(stream->event->stream_key, event->stream_key) != 0) {
        stream = stream->same_bucket;
    }
    if (stream != NULL) {
        unlink_locked(log, stream);
        event_unref(stream->event);
    } else {
        if (log->stream_count == STREAM_KEYS_MAX) {
            forget_oldest_stream_locked(log);
        }
        stream = xcalloc(1, sizeof(*stream));
        stream->same_bucket = *bucket;
        *bucket = stream;
        log->stream_count++;
    }
    stream->event = event_ref(event);
    append_stream_locked(log, stream);
}

void event_log_restore(struct event_log *log, int64_t seq, int64_t time_ms, enum event_type type,
                       const struct event_subject *subject, char *owned_data)
{
    struct event *event = event_new(seq, time_ms, type, subject, owned_data);
    event->is_state = true;
    lock_take(&log->lock);
    if (log->count == 0) {
        log->lost_seq = seq - 1;
    }
    append_state_locked(log, event);
    if (log->last_seq < seq) {
        log->last_seq = seq;
        atomic_store(&log->next_seq, seq + 1);
    }
    lock_drop(&log->lock);
    event_unref(event);
}

int64_t event_log_next_seq(const struct event_log *log)
{
    return atomic_load(&log->next_seq);
}

static void tell(struct event_log *log)
{
    lock_take(&log->listeners_lock);
    for (size_t i = 0; i < LISTENERS_MAX; i++) {
        if (log->listeners[i].told != NULL) {
            log->listeners[i].told(log->listeners[i].arg);
        }
    }
    lock_drop(&log->listeners_lock);
}

struct event *event_log_publish(struct event_log *log, int64_t time_ms, enum event_type type,
                                const struct event_subject *subject, char *owned_data,
                                const char *stream_key)
{
    int64_t seq = atomic_fetch_add(&log->next_seq, 1);
    struct event *event = event_new(seq, time_ms, type, subject, owned_data);
    event->is_state = stream_key == NULL;
    text_copy(event->stream_key, sizeof(event->stream_key), stream_key != NULL ? stream_key : "");
    event->stream_hash = hash_of(event->stream_key);
    lock_take(&log->lock);
    if (event->is_state) {
        append_state_locked(log, event);
    } else {
        put_stream_locked(log, event);
    }
    log->last_seq = seq;
    lock_drop(&log->lock);
    event_unref(log->borrowed);
    log->borrowed = event;
    tell(log);
    return event;
}

/* --- reading ------------------------------------------------------------------------------- */

const char *event_log_epoch(const struct event_log *log)
{
    return log->epoch;
}

int64_t event_log_last_seq(struct event_log *log)
{
    lock_take(&log->lock);
    int64_t seq = log->last_seq;
    lock_drop(&log->lock);
    return seq;
}

int64_t event_log_oldest_seq(struct event_log *log)
{
    lock_take(&log->lock);
    int64_t seq = log->count > 0 ? log->ring[log->start]->seq : 0;
    lock_drop(&log->lock);
    return seq;
}

int64_t event_log_lost_seq(struct event_log *log)
{
    lock_take(&log->lock);
    int64_t seq = log->lost_seq;
    lock_drop(&log->lock);
    return seq;
}

/* How many of the ring's events have a number ≤ `after`. */
static size_t place_locked(const struct event_log *log, int64_t after) REQUIRES(log->lock)
{
    if (after >= log->last_seq) {
        return log->count;
    }
    size_t low = 0, high = log->count;
    while (low < high) {
        size_t middle = low + (high - low) / 2;
        if (log->ring[(log->start + middle) % EVENT_KEEP]->seq <= after) {
            low = middle + 1;
        } else {
            high = middle;
        }
    }
    return low;
}

static int64_t lag_locked(const struct event_log *log, int64_t after) REQUIRES(log->lock)
{
    size_t place = place_locked(log, after);
    return place == log->count ? 0
                               : log->bytes - log->bytes_before[(log->start + place) % EVENT_KEEP];
}

static struct event *next_state_locked(struct event_log *log, struct event_cursor *cursor,
                                       bool (*wanted)(const struct event *event, void *arg),
                                       void *arg) REQUIRES(log->lock)
{
    int64_t from = cursor->looked > cursor->after ? cursor->looked : cursor->after;
    for (size_t i = place_locked(log, from); i < log->count; i++) {
        struct event *event = log->ring[(log->start + i) % EVENT_KEEP];
        if (wanted(event, arg)) {
            return event;
        }
        cursor->looked = event->seq;
    }
    return NULL;
}

static struct event *next_stream_locked(struct event_log *log, int64_t after, int64_t below,
                                        bool (*wanted)(const struct event *event, void *arg),
                                        void *arg) REQUIRES(log->lock)
{
    struct stream *stream = log->last;
    if (stream == NULL || stream->event->seq <= after) {
        return NULL;
    }
    while (stream->previous != NULL && stream->previous->event->seq > after) {
        stream = stream->previous;
    }
    for (; stream != NULL && stream->event->seq < below; stream = stream->next) {
        if (wanted(stream->event, arg)) {
            return stream->event;
        }
    }
    return NULL;
}

static struct event *scan_locked(struct event_log *log, struct event_cursor *cursor,
                                 bool (*wanted)(const struct event *event, void *arg), void *arg)
    REQUIRES(log->lock)
{
    struct event *state = next_state_locked(log, cursor, wanted, arg);
    int64_t below = state != NULL ? state->seq : INT64_MAX;
    struct event *stream = next_stream_locked(log, cursor->after, below, wanted, arg);
    struct event *found = stream != NULL ? stream : state;
    if (found == NULL) {
        return NULL;
    }
    cursor->after = found->seq;
    return event_ref(found);
}

struct event *event_log_scan(struct event_log *log, struct event_cursor *cursor,
                             bool (*wanted)(const struct event *event, void *arg), void *arg)
{
    lock_take(&log->lock);
    struct event *event = scan_locked(log, cursor, wanted, arg);
    lock_drop(&log->lock);
    return event;
}

struct event *event_log_next(struct event_log *log, int64_t after,
                             bool (*wanted)(const struct event *event, void *arg), void *arg,
                             int64_t *lag_bytes)
{
    struct event_cursor cursor = {.after = after, .looked = after};
    lock_take(&log->lock);
    if (lag_bytes != NULL) {
        *lag_bytes = lag_locked(log, after);
    }
    struct event *event = scan_locked(log, &cursor, wanted, arg);
    lock_drop(&log->lock);
    return event;
}

int64_t event_log_lag(struct event_log *log, int64_t after)
{
    lock_take(&log->lock);
    int64_t lag = lag_locked(log, after);
    lock_drop(&log->lock);
    return lag;
}

/* --- listeners ----------------------------------------------------------------------------- */

void event_log_listen(struct event_log *log, void (*told)(void *arg), void *arg)
{
    lock_take(&log->listeners_lock);
    size_t at = 0;
    while (at < LISTENERS_MAX && log->listeners[at].told != NULL) {
        at++;
    }
    assert(at < LISTENERS_MAX);
    log->listeners[at] = (struct listener){.told = told, .arg = arg};
    lock_drop(&log->listeners_lock);
}

void event_log_unlisten(struct event_log *log, void (*told)(void *arg), void *arg)
{
    lock_take(&log->listeners_lock);
    for (size_t i = 0; i < LISTENERS_MAX; i++) {
        if (log->listeners[i].told == told && log->listeners[i].arg == arg) {
            log->listeners[i] = (struct listener){0};
        }
    }
    lock_drop(&log->listeners_lock);
}
