/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * Write first, tell third: events of a transaction are rendered and stored inside it and published
 * when it is committed, in their order. See core_internal.h.
 */
#include "job/core_internal.h"

#include "base/alloc.h"
#include "base/clock.h"
#include "base/log.h"

#include <assert.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define RESERVE_STEP 1000
#define TRIM_EVERY 2000

void core_fatal(struct core *core, const struct error *err)
{
    (void)core;
    log_error("store", "%s; burnd ends, running burns finish by themselves", err->message);
    _exit(1);
}

void core_begin(struct core *core)
{
    struct error err;
    assert(!core->in_transaction);
    if (store_begin(core->store, &err) != 0) {
        core_fatal(core, &err);
    }
    core->in_transaction = true;
}

/* Numbers are reserved in the store before they are given, stream events included. */
static int reserve(struct core *core, int64_t seq, struct error *err)
{
    if (seq < core->reserved_seq) {
        return 0;
    }
    if (store_reserve_seq(core->store, seq + RESERVE_STEP, err) != 0) {
        return -1;
    }
    core->reserved_seq = seq + RESERVE_STEP;
    return 0;
}

static int put_event(struct core *core, const struct pending_event *event, struct error *err)
{
    struct event_row row = {
        .seq = event->seq,
        .time_ms = event->time_ms,
        .type = event_type_to_text(event->type),
        .job = event->subject.job[0] != '\0' ? event->subject.job : NULL,
        .recorder = event->subject.recorder[0] != '\0' ? event->subject.recorder : NULL,
        .data = event->data,
        .copy = event->subject.copy,
        .attempt = event->subject.attempt,
        .job_is_terminal = event->subject.job_is_terminal,
    };
    if (reserve(core, event->seq, err) != 0 || store_put_event(core->store, &row, err) != 0) {
        return -1;
    }
    return event->seq % TRIM_EVERY == 0 ? store_trim_events(core->store, EVENT_KEEP, err) : 0;
}

void core_tell(struct core *core, enum event_type type, const struct event_subject *subject,
               const void *payload)
{
    assert(core->in_transaction);
    if (core->pending_count == core->pending_capacity) {
        core->pending_capacity = core->pending_capacity > 0 ? core->pending_capacity * 2 : 16;
        core->pending = xrealloc(core->pending, core->pending_capacity * sizeof(*core->pending));
    }
    struct pending_event *event = &core->pending[core->pending_count];
    event->type = type;
    event->subject = *subject;
    event->data = core->border.event_render(type, payload);
    event->time_ms = clock_wall_ms();
    event->seq = event_log_next_seq(core->events) + (int64_t)core->pending_count;
    core->pending_count++;
}

static int store_pending(struct core *core, struct error *err)
{
    for (size_t i = 0; i < core->pending_count; i++) {
        if (put_event(core, &core->pending[i], err) != 0) {
            return -1;
        }
    }
    return store_commit(core->store, err);
}

int core_try_commit(struct core *core, struct error *err)
{
    assert(core->in_transaction);
    core->in_transaction = false;
    bool stored = store_pending(core, err) == 0;
    if (!stored) {
        store_rollback(core->store);
        core->reserved_seq = event_log_next_seq(core->events); /* reserve anew */
    }
    size_t count = core->pending_count;
    core->pending_count = 0;
    for (size_t i = 0; i < count; i++) {
        struct pending_event event = core->pending[i];
        if (stored) {
            event_log_publish(core->events, event.time_ms, event.type, &event.subject, event.data,
                              NULL);
        } else {
            free(event.data);
        }
    }
    return stored ? 0 : -1;
}

void core_commit(struct core *core)
{
    struct error err;
    if (core_try_commit(core, &err) != 0) {
        core_fatal(core, &err);
    }
}

const char *core_stream(struct core *core, enum event_type type,
                        const struct event_subject *subject, const void *payload, const char *kind)
{
    struct error err;
    char key[96];
    assert(!core->in_transaction);
    if (reserve(core, event_log_next_seq(core->events), &err) != 0) {
        core_fatal(core, &err);
    }
    snprintf(key, sizeof(key), "%s/%d/%s", subject->job, subject->copy, kind);
    return event_log_publish(core->events, clock_wall_ms(), type, subject,
                             core->border.event_render(type, payload), key)
        ->data;
}

struct event_subject core_subject(const char *job, int copy, int attempt, const char *recorder)
{
    struct event_subject subject = {.copy = copy, .attempt = attempt};
    text_copy(subject.job, sizeof(subject.job), job);
    text_copy(subject.recorder, sizeof(subject.recorder), recorder);
    return subject;
}

void core_tell_recorder(struct core *core, const struct recorder *recorder)
{
    struct event_subject subject = core_subject(recorder->lease.job, recorder->lease.copy,
                                                recorder->lease.attempt, recorder->id);
    core_tell(core, EVENT_RECORDER_STATE, &subject, recorder);
}

void core_tell_medium(struct core *core, const struct recorder *recorder,
                      const struct medium *before)
{
    const struct medium *now = &recorder->medium;
    enum event_type type = !now->present      ? EVENT_MEDIUM_REMOVED
                           : !before->present ? EVENT_MEDIUM_INSERTED
                                              : EVENT_MEDIUM_CHANGED;
    if (now->present == before->present && now->state == before->state &&
        strcmp(now->fingerprint, before->fingerprint) == 0 &&
        now->used_sectors == before->used_sectors) {
        return;
    }
    struct event_subject subject = core_subject("", 0, 0, recorder->id);
    core_tell(core, type, &subject, now);
}
