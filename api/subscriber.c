/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * See subscriber.h. The log offers events in order, under its lock; wants() below says which this
 * client takes now. For a stream event that is not due yet it notes when it will be.
 */
#include "subscriber.h"

#include "base/alloc.h"
#include "base/clock.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define PACES_MAX 256

/* --- topics -------------------------------------------------------------------------------- */

enum kind {
    KIND_JOBS,
    KIND_RECORDERS,
    KIND_QUEUE,
    KIND_ATTENTION,
    KIND_DISCS,
    KIND_IMAGES,
    KIND_UPLOADS,
    KIND_SERVER,
    KIND_COUNT
};

static const char *const kind_words[KIND_COUNT] = {
    [KIND_JOBS] = "jobs",           [KIND_RECORDERS] = "recorders", [KIND_QUEUE] = "queue",
    [KIND_ATTENTION] = "attention", [KIND_DISCS] = "discs",         [KIND_IMAGES] = "images",
    [KIND_UPLOADS] = "uploads",     [KIND_SERVER] = "server",
};

#define BIT(kind) (1U << (kind))
#define ALL_KINDS (BIT(KIND_COUNT) - 1)

/* Topics that a type belongs to by itself; job and recorder come from the subject. */
static const unsigned own_kinds[EVENT_TYPE_COUNT] = {
    [EVENT_ATTENTION_RAISED] = BIT(KIND_ATTENTION),
    [EVENT_ATTENTION_UPDATED] = BIT(KIND_ATTENTION),
    [EVENT_ATTENTION_CLEARED] = BIT(KIND_ATTENTION),
    [EVENT_QUEUE_CHANGED] = BIT(KIND_QUEUE),
    [EVENT_DISC_REGISTERED] = BIT(KIND_DISCS),
    [EVENT_SERVER_SHUTTING_DOWN] = BIT(KIND_SERVER),
};

static unsigned kinds_of(const struct event *event)
{
    return own_kinds[event->type] | (event->subject.job[0] != '\0' ? BIT(KIND_JOBS) : 0) |
           (event->subject.recorder[0] != '\0' ? BIT(KIND_RECORDERS) : 0);
}

static bool is_progress(enum event_type type)
{
    return strncmp(event_type_to_text(type), "progress.", 9) == 0;
}

static int bad(struct error *err, const char *parameter, const char *detail)
{
    error_set(err, ERROR_INVALID_QUERY, "%s %s", parameter, detail);
    snprintf(err->pointer, sizeof(err->pointer), "?%s", parameter);
    return -1;
}

static bool is_name(const char *text, size_t length, size_t size)
{
    for (size_t i = 0; i < length; i++) {
        if ((unsigned char)text[i] <= 0x20 || text[i] == 0x7F) {
            return false;
        }
    }
    return length > 0 && length < size;
}

static bool parse_name(const char *topic, struct topic_name *out)
{
    memset(out, 0, sizeof(*out));
    const char *slash = strchr(topic, '/');
    const char *name = slash != NULL ? slash + 1 : "";
    size_t length = strcspn(name, "/");
    const char *rest = name + length;
    if (strncmp(topic, "recorders/", 10) == 0 && rest[0] == '\0' &&
        is_name(name, length, sizeof(out->recorder))) {
        memcpy(out->recorder, name, length);
        return true;
    }
    if (strncmp(topic, "jobs/", 5) == 0 && is_name(name, length, sizeof(out->job))) {
        memcpy(out->job, name, length);
        out->changes = strcmp(rest, "/changes") == 0;
        out->messages = strcmp(rest, "/messages") == 0;
        return rest[0] == '\0' || out->changes || out->messages;
    }
    return false;
}

static int add_topic(struct subscription *out, const char *topic, struct error *err)
{
    for (int kind = 0; kind < KIND_COUNT; kind++) {
        if (strcmp(topic, kind_words[kind]) == 0) {
            out->kinds |= BIT(kind);
            return 0;
        }
    }
    if (out->name_count == TOPICS_MAX) {
        return bad(err, "topics", "names more than 64");
    }
    if (!parse_name(topic, &out->names[out->name_count])) {
        return bad(err, "topics", "names a topic that does not exist");
    }
    out->name_count++;
    return 0;
}

int subscription_topics(struct subscription *subscription, const char *const *topics, size_t count,
                        struct error *err)
{
    subscription->kinds = 0;
    subscription->name_count = 0;
    subscription->ended_jobs = 0;
    for (size_t i = 0; i < count; i++) {
        if (add_topic(subscription, topics[i], err) != 0) {
            return -1;
        }
    }
    if (count == 0) {
        subscription->kinds = ALL_KINDS;
    }
    return 0;
}

static int parse_topics(const char *text, struct subscription *out, struct error *err)
{
    if (text == NULL) {
        return subscription_topics(out, NULL, 0, err);
    }
    char *copy = xstrdup(text), *rest = copy;
    int result = 0;
    while (result == 0 && rest != NULL) {
        result = add_topic(out, strsep(&rest, ","), err);
    }
    free(copy);
    return result;
}

int subscription_rate(struct subscription *subscription, double max_rate_hz, struct error *err)
{
    if (!(max_rate_hz >= 0 && max_rate_hz <= 50)) {
        return bad(err, "max_rate_hz", "must be a number from 0 to 50");
    }
    subscription->max_rate_hz = max_rate_hz;
    return 0;
}

int subscription_since(struct subscription *subscription, const char *epoch, const char *since,
                       struct error *err)
{
    subscription->has_since = true;
    if (strcmp(since, "oldest") == 0) {
        subscription->since_oldest = true;
        return 0;
    }
    const char *colon = strrchr(since, ':');
    size_t digits = colon != NULL ? strspn(colon + 1, "0123456789") : 0;
    if (digits == 0 || digits > 18 || colon[1 + digits] != '\0' || colon == since) {
        return bad(err, "since", "must be EPOCH:SEQ or oldest");
    }
    size_t length = (size_t)(colon - since);
    subscription->since_is_ours = strlen(epoch) == length && strncmp(since, epoch, length) == 0;
    subscription->since = strtoll(colon + 1, NULL, 10);
    return 0;
}

static int parse_rate(const char *text, struct subscription *out, struct error *err)
{
    char *end = NULL;
    bool plain = strspn(text, "0123456789.") == strlen(text) && text[0] != '\0';
    double rate = plain ? strtod(text, &end) : -1;
    return subscription_rate(out, plain && *end == '\0' ? rate : -1, err);
}

static int parse_until(const char *text, struct subscription *out, struct error *err)
{
    if (strcmp(text, "terminal") != 0) {
        return bad(err, "until", "can only be terminal");
    }
    out->until_terminal = true;
    bool only_jobs = out->kinds == 0 && out->name_count > 0;
    for (size_t i = 0; i < out->name_count; i++) {
        only_jobs = only_jobs && out->names[i].job[0] != '\0';
    }
    return only_jobs ? 0 : bad(err, "until", "needs topics that name jobs, and no others");
}

int subscription_parse(const char *epoch, const char *topics, const char *since,
                       const char *max_rate_hz, const char *until, struct subscription *out,
                       struct error *err)
{
    memset(out, 0, sizeof(*out));
    out->max_rate_hz = 10;
    if (parse_topics(topics, out, err) != 0 ||
        (since != NULL && subscription_since(out, epoch, since, err) != 0) ||
        (max_rate_hz != NULL && parse_rate(max_rate_hz, out, err) != 0) ||
        (until != NULL && parse_until(until, out, err) != 0)) {
        return -1;
    }
    return 0;
}

/* --- the subscriber ------------------------------------------------------------------------ */

/* When a coalesced key was last given. */
struct pace {
    uint64_t key;
    int64_t given_ms;
};

struct subscriber {
    struct event_log *log;
    struct subscription wish;
    struct event_cursor cursor;
    int64_t live_from; /* the log's last number when it came */
    bool reset, resumed;
    int64_t spoke_ms;
    struct pace *paces; /* owned, unordered */
    size_t pace_count, pace_capacity;
    /* of one call of subscriber_next() */
    int64_t now_ms, due_ms; /* earliest time of what is not due yet; -1 = nothing */
};

/* "Too old" is judged with the log as it is now: what was lost up to here cannot be replayed. */
static void place(struct subscriber *subscriber)
{
    const struct subscription *wish = &subscriber->wish;
    int64_t lost = event_log_lost_seq(subscriber->log), last = event_log_last_seq(subscriber->log);
    subscriber->live_from = last;
    subscriber->cursor.after = last;
    if (!wish->has_since) {
        return;
    }
    if (wish->since_oldest) {
        subscriber->cursor.after = lost;
    } else if (wish->since_is_ours && wish->since >= lost && wish->since <= last) {
        subscriber->cursor.after = wish->since;
    } else {
        subscriber->reset = true;
        return;
    }
    subscriber->resumed = true;
}

struct subscriber *subscriber_new(struct event_log *log, const struct subscription *subscription,
                                  int64_t now_ms)
{
    struct subscriber *subscriber = xcalloc(1, sizeof(*subscriber));
    subscriber->log = log;
    subscriber->wish = *subscription;
    subscriber->spoke_ms = now_ms;
    place(subscriber);
    return subscriber;
}

void subscriber_free(struct subscriber *subscriber)
{
    if (subscriber != NULL) {
        free(subscriber->paces);
        free(subscriber);
    }
}

void subscriber_change(struct subscriber *subscriber, const struct subscription *subscription)
{
    subscriber->wish.kinds = subscription->kinds;
    memcpy(subscriber->wish.names, subscription->names, sizeof(subscription->names));
    subscriber->wish.name_count = subscription->name_count;
    subscriber->wish.max_rate_hz = subscription->max_rate_hz;
    subscriber->wish.until_terminal = false; /* the set of jobs it spoke of is gone */
}

static bool names(const struct topic_name *name, const struct event *event)
{
    if (name->job[0] == '\0') {
        return event->type != EVENT_MESSAGE && strcmp(name->recorder, event->subject.recorder) == 0;
    }
    if (strcmp(name->job, event->subject.job) != 0) {
        return false;
    }
    return name->messages == (event->type == EVENT_MESSAGE) && !name->changes;
}

static bool is_of_topics(const struct subscription *wish, const struct event *event)
{
    if (event->type != EVENT_MESSAGE && (kinds_of(event) & wish->kinds) != 0) {
        return true;
    }
    for (size_t i = 0; i < wish->name_count; i++) {
        if (names(&wish->names[i], event)) {
            return true;
        }
    }
    return false;
}

static struct pace *find_pace(struct subscriber *subscriber, uint64_t key)
{
    for (size_t i = 0; i < subscriber->pace_count; i++) {
        if (subscriber->paces[i].key == key) {
            return &subscriber->paces[i];
        }
    }
    return NULL;
}

static struct pace *oldest_pace(struct subscriber *subscriber)
{
    struct pace *oldest = &subscriber->paces[0];
    for (size_t i = 1; i < subscriber->pace_count; i++) {
        if (subscriber->paces[i].given_ms < oldest->given_ms) {
            oldest = &subscriber->paces[i];
        }
    }
    return oldest;
}

static void note_pace(struct subscriber *subscriber, uint64_t key)
{
    struct pace *pace = find_pace(subscriber, key);
    if (pace == NULL && subscriber->pace_count == PACES_MAX) {
        pace = oldest_pace(subscriber);
    } else if (pace == NULL) {
        if (subscriber->pace_count == subscriber->pace_capacity) {
            subscriber->pace_capacity = 2 * subscriber->pace_capacity + 4;
            subscriber->paces =
                xrealloc(subscriber->paces, subscriber->pace_capacity * sizeof(*subscriber->paces));
        }
        pace = &subscriber->paces[subscriber->pace_count++];
    }
    *pace = (struct pace){.key = key, .given_ms = subscriber->now_ms};
}

static bool is_due(struct subscriber *subscriber, const struct event *event)
{
    double rate = subscriber->wish.max_rate_hz;
    if (event->is_state || !is_progress(event->type)) {
        return true;
    }
    if (rate <= 0) {
        return false;
    }
    const struct pace *pace = find_pace(subscriber, event->stream_hash);
    int64_t due =
        pace != NULL ? pace->given_ms + (int64_t)(1000 / rate + 0.999) : subscriber->now_ms;
    if (due <= subscriber->now_ms) {
        return true;
    }
    if (subscriber->due_ms < 0 || due < subscriber->due_ms) {
        subscriber->due_ms = due;
    }
    return false;
}

static bool wants(const struct event *event, void *arg)
{
    struct subscriber *subscriber = arg;
    return is_of_topics(&subscriber->wish, event) && is_due(subscriber, event);
}

static void note_ended_job(struct subscriber *subscriber, const struct event *event)
{
    struct subscription *wish = &subscriber->wish;
    for (size_t i = 0; event->subject.job_is_terminal && i < wish->name_count; i++) {
        if (strcmp(wish->names[i].job, event->subject.job) == 0) {
            wish->ended_jobs |= UINT64_C(1) << i;
        }
    }
}

static bool has_ended(const struct subscriber *subscriber)
{
    size_t count = subscriber->wish.name_count;
    uint64_t all = count >= 64 ? UINT64_MAX : (UINT64_C(1) << count) - 1;
    return subscriber->wish.until_terminal && subscriber->wish.ended_jobs == all;
}

static enum subscriber_result idle(struct subscriber *subscriber, int64_t *wait_ms)
{
    int64_t silent_until = subscriber->spoke_ms + HEARTBEAT_MS;
    if (silent_until <= subscriber->now_ms) {
        subscriber->spoke_ms = subscriber->now_ms;
        return SUBSCRIBER_HEARTBEAT;
    }
    int64_t next = subscriber->due_ms >= 0 && subscriber->due_ms < silent_until ? subscriber->due_ms
                                                                                : silent_until;
    *wait_ms = next - subscriber->now_ms;
    return SUBSCRIBER_WAIT;
}

enum subscriber_result subscriber_next(struct subscriber *subscriber, int64_t now_ms,
                                       struct event **event, int64_t *wait_ms)
{
    const struct event_cursor *cursor = &subscriber->cursor;
    subscriber->now_ms = now_ms;
    subscriber->due_ms = -1;
    *event = NULL;
    if (subscriber->reset) {
        subscriber->reset = false;
        subscriber->spoke_ms = now_ms;
        return SUBSCRIBER_RESET;
    }
    int64_t seen = cursor->looked > cursor->after ? cursor->looked : cursor->after;
    if (event_log_lost_seq(subscriber->log) > seen) {
        return SUBSCRIBER_LAGGED;
    }
    *event = event_log_scan(subscriber->log, &subscriber->cursor, wants, subscriber);
    if (*event == NULL) {
        return has_ended(subscriber) ? SUBSCRIBER_ENDED : idle(subscriber, wait_ms);
    }
    if (!(*event)->is_state) {
        note_pace(subscriber, (*event)->stream_hash);
    }
    note_ended_job(subscriber, *event);
    subscriber->spoke_ms = now_ms;
    return SUBSCRIBER_EVENT;
}

void subscriber_spoke(struct subscriber *subscriber, int64_t now_ms)
{
    subscriber->spoke_ms = now_ms;
}

int64_t subscriber_lag_from(const struct subscriber *subscriber)
{
    int64_t from = subscriber->live_from;
    from = subscriber->cursor.after > from ? subscriber->cursor.after : from;
    return subscriber->cursor.looked > from ? subscriber->cursor.looked : from;
}

bool subscriber_has_lagged(struct event_log *log, int64_t lag_from)
{
    return event_log_lag(log, lag_from) > LAG_BYTES_MAX;
}

int64_t subscriber_seq(const struct subscriber *subscriber)
{
    return subscriber->cursor.after;
}

bool subscriber_was_resumed(const struct subscriber *subscriber)
{
    return subscriber->resumed;
}

/* --- notices ------------------------------------------------------------------------------- */

char *notice_new(const char *epoch, const char *type, const char *data, size_t *length)
{
    char when[CLOCK_TEXT_SIZE];
    clock_to_text(clock_wall_ms(), when);
    char *text =
        xasprintf("%*s{\"epoch\":\"%s\",\"seq\":null,\"time\":\"%s\",\"type\":\"%s\",\"job\":null,"
                  "\"copy\":null,\"attempt\":null,\"recorder\":null,\"data\":%s}",
                  EVENT_HEADROOM, "", epoch, when, type, data);
    *length = strlen(text + EVENT_HEADROOM);
    return text + EVENT_HEADROOM;
}

void notice_free(char *text)
{
    if (text != NULL) {
        free(text - EVENT_HEADROOM);
    }
}

char *notice_hello(struct event_log *log, const struct subscriber *subscriber, size_t *length)
{
    const char *epoch = event_log_epoch(log);
    char data[256];
    snprintf(data, sizeof(data),
             "{\"server\":\"burnd/" BURND_VERSION "\",\"epoch\":\"%s\",\"seq\":%" PRId64
             ",\"oldest_seq\":%" PRId64 ",\"resumed\":%s}",
             epoch, event_log_last_seq(log), event_log_lost_seq(log) + 1,
             subscriber_was_resumed(subscriber) ? "true" : "false");
    return notice_new(epoch, "hello", data, length);
}

char *notice_reset(struct event_log *log, size_t *length)
{
    char data[128];
    snprintf(data, sizeof(data), "{\"seq\":%" PRId64 ",\"oldest_seq\":%" PRId64 "}",
             event_log_last_seq(log), event_log_lost_seq(log) + 1);
    return notice_new(event_log_epoch(log), "stream.reset", data, length);
}
