/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * What happened, as burnd tells it: one envelope for WebSocket, SSE and the JSON page (api.md §5),
 * with a sequence number that never repeats. This module keeps the events and hands them out; what
 * is in `data` it does not read: the core renders it once, when the event is published.
 *
 * State events are kept (the last EVENT_KEEP in memory and in the store) and replayed. Of stream
 * events (progress points) only the latest of each key is kept; it is overwritten, never queued, so
 * a slow reader sees fewer points and costs nothing. A reader is a cursor: event_log_next() answers
 * what comes after it. Numbers are strictly ascending for every reader.
 *
 * Threads: the core publishes; edge, http and live threads read under the log's own lock; listeners
 * are called on the core thread after a publication and must only wake their thread.
 */
#ifndef BURND_EVENT_H
#define BURND_EVENT_H

#include "base/error.h"
#include "base/id.h"

#include <stdbool.h>
#include <stdint.h>

/* name, word, and the struct that is its payload (job_events.h) */
/* clang-format off */
#define EVENT_TYPES(X) \
    X(JOB_CREATED, "job.created") X(JOB_STATE, "job.state") X(JOB_UPDATED, "job.updated") \
    X(JOB_DELETED, "job.deleted") X(COPY_STATE, "copy.state") X(ATTEMPT_PHASE, "attempt.phase") \
    X(PROGRESS_STAGE, "progress.stage") X(PROGRESS_BLOCK, "progress.block") \
    X(PROGRESS_FILE, "progress.file") X(PROGRESS_VERIFY, "progress.verify") \
    X(RECORDER_ADDED, "recorder.added") X(RECORDER_STATE, "recorder.state") \
    X(MEDIUM_INSERTED, "medium.inserted") X(MEDIUM_REMOVED, "medium.removed") \
    X(MEDIUM_CHANGED, "medium.changed") X(ATTENTION_RAISED, "attention.raised") \
    X(ATTENTION_UPDATED, "attention.updated") X(ATTENTION_CLEARED, "attention.cleared") \
    X(QUEUE_CHANGED, "queue.changed") X(DISC_REGISTERED, "disc.registered") \
    X(SERVER_SHUTTING_DOWN, "server.shutting_down") X(MESSAGE, "message")
/* clang-format on */
#define EVENT_X(n, w) EVENT_##n,
enum event_type { EVENT_TYPES(EVENT_X) EVENT_TYPE_COUNT };
const char *event_type_to_text(enum event_type type);
int event_type_from_text(const char *word, enum event_type *out);

#define EVENT_KEEP 10000
#define EPOCH_SIZE 32
#define SUBJECT_RECORDER_SIZE 64

/* Whom it is about. Empty strings and 0 = null. */
struct event_subject {
    char job[ID_SIZE];
    int copy;
    int attempt;
    char recorder[SUBJECT_RECORDER_SIZE];
    bool
        job_is_terminal; /* a job.state into a terminal state, or job.deleted: closes until=terminal */
};

/* One published event. Immutable and counted: event_unref() when done. */
struct event {
    int64_t seq;
    int64_t time_ms;
    enum event_type type;
    struct event_subject subject;
    bool is_state; /* kept and replayed; false: a stream event */
    char stream_key
        [96]; /* coalescing key of a stream event, for a client's rate limit: copy and kind */
    uint64_t stream_hash; /* of stream_key */
    char *data;           /* JSON object text */
    size_t data_length;
    int references; /* atomic */
    char *frame;    /* atomic: see event_frame() */
    size_t frame_length;
};

struct event *event_ref(struct event *event);
void event_unref(struct event *event);

struct event_log;

/* `first_seq`: the first number to give (the store reserved it). */
struct event_log *event_log_new(const char *epoch, int64_t first_seq);
void event_log_free(struct event_log *log);

/* Core thread, while starting: put an event of an earlier run back. Ascending by seq. Takes
 * `data`. */
void event_log_restore(struct event_log *log, int64_t seq, int64_t time_ms, enum event_type type,
                       const struct event_subject *subject, char *owned_data);

/* Core thread. The number the next event will get. */
int64_t event_log_next_seq(const struct event_log *log);

/* Core thread. `time_ms` as it was stored. Takes `owned_data`. `stream_key` NULL = a state
 * event. Listeners are told. Returns a borrowed event, valid until the next call. */
struct event *event_log_publish(struct event_log *log, int64_t time_ms, enum event_type type,
                                const struct event_subject *subject, char *owned_data,
                                const char *stream_key);

/* Any thread. */
const char *event_log_epoch(const struct event_log *log);
int64_t
event_log_last_seq(struct event_log *log); /* of the last published; first_seq - 1 = none yet */
int64_t event_log_oldest_seq(struct event_log *log); /* of the oldest state event kept; 0 = none */

/* Any thread. The first event with a number above `after` for which `wanted(event, arg)` is true
 * (called under the log's lock: no calls back, no blocking), as a reference of the caller's;
 * NULL = none yet. `*lag_bytes` (may be NULL) = bytes of state events above `after`. */
struct event *event_log_next(struct event_log *log, int64_t after,
                             bool (*wanted)(const struct event *event, void *arg), void *arg,
                             int64_t *lag_bytes);

/* Any thread. The number up to which state events may be missing: a reader that stands below it
 * cannot be continued without a gap. */
int64_t event_log_lost_seq(struct event_log *log);

/* A reader that looks at each state event once, wanted or not, however far apart the wanted ones
 * are. */
struct event_cursor {
    int64_t after;  /* the last event handed out: nothing at or below it comes again */
    int64_t looked; /* state events up to here were looked at and not wanted */
};

/* Any thread. event_log_next() with a cursor that it moves. A stream event that `wanted` refuses is
 * offered again at the next call, as long as it is the latest of its key and above `after`. */
struct event *event_log_scan(struct event_log *log, struct event_cursor *cursor,
                             bool (*wanted)(const struct event *event, void *arg), void *arg);

/* Any thread. Bytes of the state events above `after`. */
int64_t event_log_lag(struct event_log *log, int64_t after);

/* Core thread, before others publish. `told` is called on the core thread after each
 * publication, outside the log's lock. At most 4 listeners. */
void event_log_listen(struct event_log *log, void (*told)(void *arg), void *arg);
/* Any thread. When it returns `told` does not run and is not called any more. */
void event_log_unlisten(struct event_log *log, void (*told)(void *arg), void *arg);

/* The envelope as JSON text, malloc()ed, without line end. */
char *event_envelope(const struct event *event, const char *epoch, size_t *length);

/* Any thread. The envelope, rendered once for all readers, borrowed while the event is held. The
 * EVENT_HEADROOM bytes before it may be written by one thread (the frame head of a WebSocket). */
#define EVENT_HEADROOM 32
char *event_frame(struct event *event, const char *epoch, size_t *length);

#endif
