/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * What a person must do now. Items are in memory: after a restart recovery raises them anew from
 * the copies and recorders they are about. An item is cleared when its cause goes.
 */
#include "job/core_internal.h"

#include "base/alloc.h"
#include "base/clock.h"

#include <stdlib.h>
#include <string.h>

static struct event_subject subject_of(const struct attention *item)
{
    return core_subject(item->job, item->copy, item->attempt, item->recorder);
}

/* Inside a transaction. The item is told by attention_tell() when its actions are offered. NULL:
 * the list is full, or the same is there already. */
struct attention *attention_raise(struct core *core, const char *code, const char *severity,
                                  const struct event_subject *subject, const char *text)
{
    for (size_t i = 0; i < core->attention_count; i++) {
        struct attention *item = &core->attention[i];
        if (strcmp(item->code, code) == 0 && strcmp(item->job, subject->job) == 0 &&
            item->copy == subject->copy && strcmp(item->recorder, subject->recorder) == 0) {
            return NULL;
        }
    }
    if (core->attention_count == ATTENTION_MAX) {
        return NULL;
    }
    struct attention *item = &core->attention[core->attention_count++];
    *item = (struct attention){.copy = subject->copy, .attempt = subject->attempt};
    id_make("atn", item->id);
    text_copy(item->code, sizeof(item->code), code);
    text_copy(item->severity, sizeof(item->severity), severity);
    text_copy(item->text, sizeof(item->text), text);
    text_copy(item->job, sizeof(item->job), subject->job);
    text_copy(item->recorder, sizeof(item->recorder), subject->recorder);
    item->raised_at_ms = clock_wall_ms();
    return item;
}

void attention_offer(struct attention *item, const char *action, const char *label,
                     bool destructive)
{
    if (item == NULL || item->action_count == sizeof(item->actions) / sizeof(item->actions[0])) {
        return;
    }
    text_copy(item->actions[item->action_count].action, sizeof(item->actions[0].action), action);
    text_copy(item->actions[item->action_count].label, sizeof(item->actions[0].label), label);
    item->actions[item->action_count++].destructive = destructive;
}

void attention_tell(struct core *core, const struct attention *item)
{
    if (item != NULL) {
        struct event_subject subject = subject_of(item);
        core_tell(core, EVENT_ATTENTION_RAISED, &subject, item);
    }
}

static void remove_at(struct core *core, size_t index)
{
    struct attention item = core->attention[index];
    struct event_subject subject = subject_of(&item);
    core_tell(core, EVENT_ATTENTION_CLEARED, &subject, &item);
    memmove(&core->attention[index], &core->attention[index + 1],
            (core->attention_count - index - 1) * sizeof(item));
    core->attention_count--;
}

/* Inside a transaction. `code` NULL = whatever code; `copy` 0 = of any copy. */
void attention_clear(struct core *core, const char *code, const char *job, int copy,
                     const char *recorder)
{
    for (size_t i = core->attention_count; i-- > 0;) {
        const struct attention *item = &core->attention[i];
        if ((code == NULL || strcmp(item->code, code) == 0) && strcmp(item->job, job) == 0 &&
            (copy == 0 || item->copy == copy) &&
            (recorder == NULL || strcmp(item->recorder, recorder) == 0)) {
            remove_at(core, i);
        }
    }
}

size_t core_attention_snapshot(struct core *core, struct attention **out)
{
    *out = xcalloc(core->attention_count, sizeof(**out));
    memcpy(*out, core->attention, core->attention_count * sizeof(**out));
    return core->attention_count;
}

/* --- what a person answers ----------------------------------------------------------------- */

static int release_recorder(struct core *core, const char *name, struct error *err)
{
    struct recorder *recorder = recorder_list_find(core->recorders, name);
    if (recorder == NULL || recorder->state != RECORDER_QUARANTINED) {
        return error_set(err, ERROR_ATTENTION_CLEARED, "recorder %s is not quarantined", name);
    }
    core_begin(core);
    recorder->state = RECORDER_IDLE;
    recorder->problem = ERROR_EMPTY;
    attention_clear(core, "recorder_quarantined", "", 0, recorder->id);
    core_tell_recorder(core, recorder);
    core_commit(core);
    return run_start_by_hand(core, recorder, OPERATION_INSPECT, NULL, NULL, err);
}

static int continue_job(struct core *core, const char *id, struct error *err)
{
    struct live_job *live = core_find_job(core, id);
    if (live == NULL || !live->job.held_by_limit) {
        return error_set(err, ERROR_ATTENTION_CLEARED, "job %s is not held", id);
    }
    core_begin(core);
    live->job.held_by_limit = false;
    live->ruined = 0;
    attention_clear(core, "ruined_disc_limit", id, 0, NULL);
    core_settle_job(core, live);
    core_commit(core);
    core_wake_waits(core, live, false);
    core_schedule(core);
    return 0;
}

static bool offers(const struct attention *item, const char *action)
{
    for (size_t i = 0; i < item->action_count; i++) {
        if (strcmp(item->actions[i].action, action) == 0) {
            return true;
        }
    }
    return false;
}

int core_attention_resolve(struct core *core, const char *id, const char *action, struct error *err)
{
    for (size_t i = 0; i < core->attention_count; i++) {
        struct attention item = core->attention[i];
        if (strcmp(item.id, id) != 0) {
            continue;
        }
        if (!offers(&item, action)) {
            return error_set(err, ERROR_INVALID_REQUEST, "%s does not offer the action %s",
                             item.code, action);
        }
        if (strcmp(action, "accept_good") == 0) {
            return core_copy_confirm(core, item.job, item.copy, "good", err);
        }
        if (strcmp(action, "redo") == 0 || strcmp(action, "give_up") == 0) {
            return strcmp(item.code, "confirm_outcome") == 0
                       ? core_copy_confirm(core, item.job, item.copy, action, err)
                       : core_job_cancel(core, item.job, err);
        }
        if (strcmp(action, "eject") == 0) {
            return core_recorder_eject(core, item.recorder, NULL, NULL, err);
        }
        return strcmp(action, "release") == 0 ? release_recorder(core, item.recorder, err)
                                              : continue_job(core, item.job, err);
    }
    return error_set(err, ERROR_ATTENTION_CLEARED, "there is nothing to do under %s (any more)",
                     id);
}
