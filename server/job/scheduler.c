/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * Which copy goes to which recorder: highest priority first, then the oldest job; the first idle
 * recorder by id that the job allows. A copy that finds none keeps a reason that says why. Whether
 * the medium really is what it was taken for is found by the attempt itself (phase assess): what
 * stands here is only what was last seen.
 */
#include "job/core_internal.h"

#include "base/alloc.h"
#include "base/clock.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static bool is_named(const struct job_document *document, const struct recorder *recorder)
{
    if (document->recorder_count == 0) {
        return strcmp(document->recorder, "any") == 0 ||
               recorder_is_named(recorder, document->recorder);
    }
    for (size_t i = 0; i < document->recorder_count; i++) {
        if (recorder_is_named(recorder, document->recorders[i])) {
            return true;
        }
    }
    return false;
}

static bool profile_allowed(const struct job_document *document)
{
    for (size_t i = 0; i < document->profile_count; i++) {
        if (strcmp(document->profiles[i], "stdio") == 0) {
            return true;
        }
    }
    return document->profile_count == 0;
}

/* Reasons that stay, whatever lies in the recorder and however busy it is. */
static size_t lasting_reasons(const struct job_document *document, const struct recorder *recorder,
                              enum error_code out[4])
{
    size_t count = 0;
    if (!is_named(document, recorder)) {
        out[count++] = ERROR_TARGET_CONFLICT;
    } else if (document->pool[0] != '\0' && strcmp(document->pool, recorder->pool) != 0) {
        out[count++] = ERROR_TARGET_CONFLICT;
    }
    if (!profile_allowed(document)) {
        out[count++] = ERROR_PROFILE_UNSUPPORTED;
    }
    return count;
}

static bool medium_is_written(const struct recorder *recorder)
{
    return recorder->medium_known && recorder->medium.present &&
           recorder->medium.state != MEDIUM_BLANK;
}

size_t core_ineligible(const struct job_document *document, const struct recorder *recorder,
                       bool now, int64_t image_sectors, enum error_code out[4])
{
    size_t count = lasting_reasons(document, recorder, out);
    if (count > 0 || !now) {
        return count;
    }
    if (recorder->medium_known && recorder->medium.state == MEDIUM_UNSUPPORTED) {
        out[count++] = ERROR_MEDIUM_UNSUPPORTED;
    } else if (medium_is_written(recorder) && !document->force_overwrite) {
        out[count++] = ERROR_MEDIUM_NOT_BLANK;
    }
    if (recorder->medium_known && recorder->medium.capacity_sectors >= 0 && image_sectors > 0 &&
        image_sectors > recorder->medium.capacity_sectors) {
        out[count++] = ERROR_MEDIUM_TOO_SMALL;
    }
    return count;
}

/* api.md: `fail` by default when every eligible recorder is a file recorder. */
bool core_fails_on_wrong_medium(const struct core *core, const struct job_document *document)
{
    if (document->on_wrong_medium != WRONG_MEDIUM_DEFAULT) {
        return document->on_wrong_medium == WRONG_MEDIUM_FAIL;
    }
    for (size_t i = 0; i < recorder_list_count(core->recorders); i++) {
        const struct recorder *recorder = recorder_list_get(core->recorders, i);
        enum error_code reasons[4];
        if (lasting_reasons(document, recorder, reasons) == 0 &&
            recorder->kind != RECORDER_KIND_FILE) {
            return false;
        }
    }
    return true;
}

/* --- choosing ------------------------------------------------------------------------------ */

struct choice {
    struct recorder *recorder; /* to take now, or NULL */
    enum reason reason;        /* why none */
    char detail[256];
    const char *about; /* id of the recorder the reason is about, or "" */
};

static enum reason reason_of(enum error_code code)
{
    switch ((int)code) {
    case ERROR_MEDIUM_TOO_SMALL:
        return REASON_MEDIUM_TOO_SMALL;
    case ERROR_MEDIUM_UNSUPPORTED:
        return REASON_MEDIUM_UNSUPPORTED;
    default:
        return REASON_MEDIUM_NOT_BLANK;
    }
}

static void explain(struct choice *choice, enum reason reason, const struct recorder *recorder,
                    const char *what)
{
    choice->reason = reason;
    choice->about = recorder->id;
    snprintf(choice->detail, sizeof(choice->detail), "recorder %s %s", recorder->id, what);
}

/* A disc that nobody saw end awaits a person's verdict in it: nothing is written there
 * meanwhile. */
static const struct live_job *awaits_verdict(const struct core *core,
                                             const struct recorder *recorder)
{
    for (size_t i = 0; i < core->job_count; i++) {
        const struct live_job *live = core->jobs[i];
        for (size_t k = 0; k < live->job.copy_count; k++) {
            const struct copy *copy = &live->job.copies[k];
            if (copy->state == COPY_WAITING && copy->reason == REASON_ATTEMPT_UNKNOWN &&
                strcmp(copy->recorder, recorder->id) == 0) {
                return live;
            }
        }
    }
    return NULL;
}

/* One candidate: true when it is taken. A busy recorder outweighs a wrong medium as the reason
 * told. */
static bool consider(struct core *core, const struct live_job *live, struct recorder *recorder,
                     struct choice *choice)
{
    enum error_code reasons[4];
    const struct job_document *document = &live->job.document;
    if (lasting_reasons(document, recorder, reasons) > 0) {
        return false;
    }
    if (recorder->state == RECORDER_QUARANTINED) {
        if (choice->reason == REASON_NO_ELIGIBLE_RECORDER) {
            explain(choice, REASON_RECORDER_QUARANTINED, recorder, "is quarantined");
        }
        return false;
    }
    if (recorder->state != RECORDER_IDLE || core_has_orphan(core, recorder->id) ||
        core_has_give_back(core, recorder->id)) {
        explain(choice, REASON_RECORDER_BUSY, recorder, "is busy");
        return false;
    }
    if (awaits_verdict(core, recorder) != NULL) {
        if (choice->reason != REASON_RECORDER_BUSY) {
            explain(choice, REASON_CONFIRMATION_REQUIRED, recorder,
                    "holds a disc that awaits a person's verdict");
        }
        return false;
    }
    int64_t sectors = live->job.has_plan ? live->job.plan.image_sectors : 0;
    if (!core_fails_on_wrong_medium(core, document) &&
        core_ineligible(document, recorder, true, sectors, reasons) > 0) {
        if (choice->reason != REASON_RECORDER_BUSY) {
            explain(choice, reason_of(reasons[0]), recorder, "does not hold the medium wanted");
        }
        return false;
    }
    choice->recorder = recorder;
    return true;
}

/* Among idle recorders one whose medium fits is preferred to one whose attempt would fail. */
static struct choice choose(struct core *core, const struct live_job *live)
{
    struct choice choice = {.reason = REASON_NO_ELIGIBLE_RECORDER, .about = ""};
    snprintf(choice.detail, sizeof(choice.detail), "no recorder of this burnd can take the job");
    struct recorder *first = NULL;
    for (size_t i = 0; i < recorder_list_count(core->recorders); i++) {
        struct recorder *recorder = recorder_list_get(core->recorders, i);
        enum error_code reasons[4];
        if (!consider(core, live, recorder, &choice)) {
            continue;
        }
        first = first != NULL ? first : recorder;
        if (core_ineligible(&live->job.document, recorder, true, 0, reasons) == 0) {
            return choice;
        }
    }
    choice.recorder = first;
    return choice;
}

static struct copy *next_copy(struct live_job *live)
{
    for (size_t i = 0; i < live->job.copy_count; i++) {
        enum copy_state state = live->job.copies[i].state;
        if (state == COPY_PENDING ||
            (state == COPY_WAITING && live->job.copies[i].reason != REASON_ATTEMPT_UNKNOWN)) {
            return &live->job.copies[i];
        }
    }
    return NULL;
}

static bool wants_recorder(const struct live_job *live)
{
    return live->run == NULL && !live->job.planning && !live->job.cancel_accepted &&
           !live->job.held_by_limit && !live->waits_for_medium;
}

/* Inside a transaction: what a person can do about a disc that is not the one wanted. */
void core_raise_wrong_medium(struct core *core, const struct live_job *live,
                             const struct copy *copy, const char *recorder)
{
    struct event_subject subject = core_subject(live->job.id, copy->number, 0, recorder);
    struct attention *item =
        attention_raise(core, "wrong_medium", "warning", &subject, copy->reason_detail);
    if (recorder[0] != '\0') {
        attention_offer(item, "eject", "Eject what lies in it", false);
    }
    attention_offer(item, "give_up", "Cancel the job", true);
    attention_tell(core, item);
}

static bool is_about_medium(enum reason reason)
{
    return reason == REASON_MEDIUM_NOT_BLANK || reason == REASON_MEDIUM_TOO_SMALL ||
           reason == REASON_MEDIUM_UNSUPPORTED;
}

static void keep_waiting(struct core *core, struct live_job *live, struct copy *copy,
                         const struct choice *choice)
{
    enum copy_state state = reason_needs_person(choice->reason) ? COPY_WAITING : COPY_PENDING;
    if (copy->has_reason && copy->reason == choice->reason && copy->state == state) {
        return;
    }
    core_begin(core);
    core_set_reason(copy, choice->reason, choice->detail);
    core_set_copy_state(core, live, copy, state, 0, NULL);
    if (is_about_medium(choice->reason)) {
        core_raise_wrong_medium(core, live, copy, choice->about);
    }
    core_settle_job(core, live);
    core_commit(core);
    core_wake_waits(core, live, false);
}

void core_medium_seen(struct core *core, const struct live_job *except)
{
    for (size_t i = 0; i < core->job_count; i++) {
        core->jobs[i]->waits_for_medium =
            core->jobs[i]->waits_for_medium && core->jobs[i] == except;
    }
    core_schedule(core);
}

static void expire(struct core *core, struct live_job *live, struct copy *copy)
{
    struct error problem;
    error_set(&problem, ERROR_WAIT_TIMEOUT, "waited %lld s (wait_timeout_s) for a person: %s",
              (long long)live->job.document.wait_timeout_s, copy->reason_detail);
    core_begin(core);
    core_set_copy_state(core, live, copy, COPY_FAILED, 0, &problem);
    core_settle_job(core, live);
    core_commit(core);
}

void core_expire_waits(struct core *core)
{
    int64_t now = clock_wall_ms();
    for (size_t i = core->job_count; i-- > 0;) {
        struct live_job *live = core->jobs[i];
        for (size_t k = 0; k < live->job.copy_count; k++) {
            struct copy *copy = &live->job.copies[k];
            if (copy->state == COPY_WAITING && copy->reason != REASON_ATTEMPT_UNKNOWN &&
                live->job.document.wait_timeout_s > 0 &&
                now - copy->reason_since_ms > live->job.document.wait_timeout_s * 1000) {
                expire(core, live, copy);
            }
        }
        if (job_state_is_terminal(live->job.state)) {
            core_drop_job(core, live);
        } else {
            core_wake_waits(core, live, false);
        }
    }
}

/* Higher priority first, then older. */
static int by_turn(const void *a, const void *b)
{
    const struct live_job *x = *(struct live_job *const *)a, *y = *(struct live_job *const *)b;
    if (x->job.document.priority != y->job.document.priority) {
        return x->job.document.priority > y->job.document.priority ? -1 : 1;
    }
    return strcmp(x->job.id, y->job.id);
}

static struct live_job **in_turn(struct core *core)
{
    struct live_job **order = xcalloc(core->job_count, sizeof(struct live_job *));
    for (size_t i = 0; i < core->job_count; i++) {
        order[i] = core->jobs[i];
    }
    if (core->job_count > 1) {
        qsort(order, core->job_count, sizeof(struct live_job *), by_turn);
    }
    return order;
}

static bool still_live(const struct core *core, const struct live_job *live)
{
    for (size_t i = 0; i < core->job_count; i++) {
        if (core->jobs[i] == live) {
            return true;
        }
    }
    return false;
}

static void schedule_once(struct core *core)
{
    core_start_give_backs(core);
    size_t count = core->job_count;
    struct live_job **order = in_turn(core);
    for (size_t i = 0; i < count; i++) {
        struct copy *copy;
        /* starting one may end it at once, and what follows it may drop others */
        if (!still_live(core, order[i]) || !wants_recorder(order[i]) ||
            (copy = next_copy(order[i])) == NULL) {
            continue;
        }
        struct choice choice = choose(core, order[i]);
        if (choice.recorder != NULL) {
            run_start(core, order[i], copy, choice.recorder);
        } else {
            keep_waiting(core, order[i], copy, &choice);
        }
    }
    free(order);
}

/* An attempt that ends as soon as it began asks for the next one from inside: that is a further
 * round. */
void core_schedule(struct core *core)
{
    core->schedule_again = true;
    if (core->scheduling || core->stop_requests > 0) {
        return;
    }
    core->scheduling = true;
    while (core->schedule_again) {
        core->schedule_again = false;
        schedule_once(core);
    }
    core->scheduling = false;
}

size_t core_queue_snapshot(struct core *core, char (**out)[ID_SIZE])
{
    struct live_job **order = in_turn(core);
    size_t count = 0;
    *out = xcalloc(core->job_count, ID_SIZE);
    for (size_t i = 0; i < core->job_count; i++) {
        if (wants_recorder(order[i]) && next_copy(order[i]) != NULL) {
            memcpy((*out)[count++], order[i]->job.id, ID_SIZE);
        }
    }
    free(order);
    return count;
}

bool core_wants_blank(struct core *core, const struct run *run)
{
    for (size_t i = 0; i < core->job_count; i++) {
        struct live_job *live = core->jobs[i];
        enum error_code reasons[4];
        const struct job_document *document = &live->job.document;
        if (live->job.cancel_accepted || lasting_reasons(document, run->recorder, reasons) > 0 ||
            document->force_overwrite) {
            continue;
        }
        for (size_t k = 0; k < live->job.copy_count; k++) {
            const struct copy *copy = &live->job.copies[k];
            if (copy != run->copy &&
                (copy->state == COPY_PENDING ||
                 (copy->state == COPY_WAITING && copy->reason != REASON_ATTEMPT_UNKNOWN))) {
                return true;
            }
        }
    }
    return false;
}
