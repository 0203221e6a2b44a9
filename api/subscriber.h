/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * One event client of any kind: which topics it wants, where it stands in the log, how often it
 * takes progress, when it is finished or has fallen behind. WebSocket, SSE and the JSON page differ
 * only in how they write what subscriber_next() gives.
 *
 * Progress is coalesced by passing over: a point that comes before its time is left where it is,
 * and when the time has come the log has only the latest. A point that a state event overtook is
 * dropped, so that numbers ascend for every reader.
 *
 * A subscriber belongs to one thread at a time.
 */
#ifndef BURND_API_SUBSCRIBER_H
#define BURND_API_SUBSCRIBER_H

#include "event/event.h"

#define TOPICS_MAX 64
#define HEARTBEAT_MS 15000
#define LAG_BYTES_MAX (1024 * 1024)

struct topic_name {
    char job[ID_SIZE]; /* or */
    char recorder[SUBJECT_RECORDER_SIZE];
    bool messages, changes; /* jobs/ID/messages, jobs/ID/changes; else the job itself */
};

/* What a client asked for, checked. A value. */
struct subscription {
    unsigned kinds; /* bits: whole topics (jobs, recorders, …) */
    struct topic_name names[TOPICS_MAX];
    size_t name_count;
    double max_rate_hz;
    bool until_terminal;
    bool has_since, since_oldest, since_is_ours; /* the epoch fits */
    int64_t since;
    uint64_t ended_jobs; /* bit n: the job of names[n] had ended before; see subscription_job() */
};

/* The query's words; NULL = not given. -1: invalid_query, err->pointer is "?name". */
NODISCARD int subscription_parse(const char *epoch, const char *topics, const char *since,
                                 const char *max_rate_hz, const char *until,
                                 struct subscription *out, struct error *err);
/* The parts of it that a WebSocket client may change. */
NODISCARD int subscription_topics(struct subscription *subscription, const char *const *topics,
                                  size_t count, struct error *err);
NODISCARD int subscription_rate(struct subscription *subscription, double max_rate_hz,
                                struct error *err);
NODISCARD int subscription_since(struct subscription *subscription, const char *epoch,
                                 const char *since, struct error *err);

struct subscriber;

/* `log` outlives it. */
struct subscriber *subscriber_new(struct event_log *log, const struct subscription *subscription,
                                  int64_t now_ms);
void subscriber_free(struct subscriber *subscriber);

/* Replaces topics and rate; the place in the log stays. */
void subscriber_change(struct subscriber *subscriber, const struct subscription *subscription);

enum subscriber_result {
    SUBSCRIBER_EVENT,     /* `*event`, a reference of the caller's */
    SUBSCRIBER_WAIT,      /* nothing now; look again after a publication, or after `*wait_ms` */
    SUBSCRIBER_HEARTBEAT, /* 15 s of silence: say so */
    SUBSCRIBER_RESET,     /* say stream.reset; what follows is live */
    SUBSCRIBER_ENDED,     /* until=terminal: all was said */
    SUBSCRIBER_LAGGED,    /* events it should have had are gone */
};
enum subscriber_result subscriber_next(struct subscriber *subscriber, int64_t now_ms,
                                       struct event **event, int64_t *wait_ms);

/* Something was written by other means (hello, pong): the silence begins anew. */
void subscriber_spoke(struct subscriber *subscriber, int64_t now_ms);

/* For a client that takes nothing: the number from which its lag counts (what it replays does
 * not), and whether that is too far behind. */
int64_t subscriber_lag_from(const struct subscriber *subscriber);
bool subscriber_has_lagged(struct event_log *log, int64_t lag_from);

/* Where it stands: since= for going on. */
int64_t subscriber_seq(const struct subscriber *subscriber);
bool subscriber_was_resumed(const struct subscriber *subscriber);

/* The envelope of an event about the connection (seq null), malloc()ed with EVENT_HEADROOM bytes
 * before it, which free() must be given: notice_free(). `data` is JSON text. */
char *notice_new(const char *epoch, const char *type, const char *data, size_t *length);
void notice_free(char *text);
char *notice_hello(struct event_log *log, const struct subscriber *subscriber, size_t *length);
/* What a new client is told after a gap. */
char *notice_reset(struct event_log *log, size_t *length);

#endif
