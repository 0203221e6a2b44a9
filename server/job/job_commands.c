/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * What a client may do with a job that is there: cancel, confirm, delete, wait for it, look at it.
 */
#include "job/core_internal.h"

#include "base/alloc.h"
#include "base/clock.h"
#include "base/log.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* --- looking ------------------------------------------------------------------------------- */

static void copy_progress(const struct copy_progress *from, struct copy_progress *to)
{
    *to = *from;
    to->stage = xstrdup_or_null(from->stage);
    to->block = xstrdup_or_null(from->block);
    to->file = xstrdup_or_null(from->file);
    to->verify = xstrdup_or_null(from->verify);
}

/* Of all copies and phases; 100 only when the job is completed, -1 when it ended otherwise. */
static double percent_of(const struct live_job *live)
{
    double sum = 0;
    if (job_state_is_terminal(live->job.state)) {
        return live->job.state == JOB_COMPLETED ? 100 : -1;
    }
    for (size_t i = 0; i < live->job.copy_count; i++) {
        const struct copy *copy = &live->job.copies[i];
        if (copy->state == COPY_DONE) {
            sum += 100;
        } else if (live->run != NULL && live->run->copy == copy) {
            sum += live->progress.percent;
        }
    }
    double percent = live->job.copy_count > 0 ? sum / (double)live->job.copy_count : 0;
    return percent > 99.9 ? 99.9 : percent;
}

static int64_t queue_position(struct core *core, const struct live_job *live)
{
    char(*ids)[ID_SIZE];
    int64_t position = 0;
    size_t count = core_queue_snapshot(core, &ids);
    for (size_t i = 0; i < count && position == 0; i++) {
        if (strcmp(ids[i], live->job.id) == 0) {
            position = (int64_t)i + 1;
        }
    }
    free(ids);
    return position;
}

static void copy_document(const struct job_document *from, struct job_document *to)
{
    *to = *from;
    data_spec_copy(&to->data, &from->data);
    to->image.from = xstrdup_or_null(from->image.from);
}

void core_snapshot_job(struct core *core, const struct live_job *live, struct job_snapshot *out)
{
    *out = (struct job_snapshot){.job = live->job, .cancel = CANCEL_SAFE};
    copy_document(&live->job.document, &out->job.document);
    out->job.copies = xcalloc(live->job.copy_count, sizeof(*out->job.copies));
    memcpy(out->job.copies, live->job.copies, live->job.copy_count * sizeof(*out->job.copies));
    copy_progress(&live->progress, &out->progress);
    if (live->run != NULL) {
        out->current = live->run->attempt;
        out->cancel = live->run->attempt.cancel;
    }
    out->percent = percent_of(live);
    out->eta_s = live->run != NULL && live->job.copy_count == 1 ? live->progress.eta_s : -1;
    out->queue_position = queue_position(core, live);
    enum reason reasons[REASON_COUNT];
    size_t count = job_reasons(&live->job, reasons);
    for (size_t i = 0; i < count; i++) {
        out->needs_person = out->needs_person || reason_needs_person(reasons[i]);
    }
}

int core_job_snapshot(struct core *core, const char *id, struct job_snapshot *out)
{
    const struct live_job *live = core_find_job(core, id);
    if (live == NULL) {
        return -1;
    }
    core_snapshot_job(core, live, out);
    return 0;
}

size_t core_live_jobs(struct core *core, char (**out)[ID_SIZE])
{
    *out = xcalloc(core->job_count, ID_SIZE);
    for (size_t i = 0; i < core->job_count; i++) {
        memcpy((*out)[i], core->jobs[i]->job.id, ID_SIZE);
    }
    return core->job_count;
}

/* --- what the store says of one that is not in memory -------------------------------------- */

static bool note_job(const struct job_row *row, void *arg)
{
    bool *terminal = arg;
    *terminal = row->terminal;
    return false;
}

static bool note_found(const struct job_row *row, void *arg)
{
    (void)row;
    *(bool *)arg = true;
    return false;
}

static int refuse_absent(struct core *core, const char *id, struct error *err)
{
    bool found = false;
    if (store_job(store_as_reader(core->store), id, note_found, &found, err) != 0) {
        return -1;
    }
    return found ? error_set(err, ERROR_JOB_TERMINAL, "job %s has ended", id)
                 : error_set(err, ERROR_NOT_FOUND, "there is no job %s", id);
}

/* --- cancel -------------------------------------------------------------------------------- */

static void cancel_idle_copy(struct core *core, struct live_job *live, struct copy *copy)
{
    struct error problem;
    error_set(&problem, ERROR_CANCELED, "canceled before it began");
    core_set_copy_state(core, live, copy, COPY_CANCELED, 0, &problem);
}

/* Nothing works on it and nobody owes a verdict on it: it can end at once. */
static bool is_idle(const struct copy *copy)
{
    return copy->state == COPY_PENDING ||
           (copy->state == COPY_WAITING && copy->reason != REASON_ATTEMPT_UNKNOWN);
}

static void after_cancel(struct core *core, struct live_job *live)
{
    if (job_state_is_terminal(live->job.state)) {
        core_drop_job(core, live);
    } else {
        core_wake_waits(core, live, false);
    }
    core_schedule(core);
}

int core_job_cancel(struct core *core, const char *id, struct error *err)
{
    struct live_job *live = core_find_job(core, id);
    if (live == NULL) {
        return refuse_absent(core, id, err);
    }
    if (live->job.cancel_accepted) {
        return 0;
    }
    core_begin(core);
    live->job.cancel_accepted = true;
    live->job.planning = false;
    live->job.held_by_limit = false;
    attention_clear(core, "ruined_disc_limit", id, 0, NULL);
    for (size_t i = 0; i < live->job.copy_count; i++) {
        if (is_idle(&live->job.copies[i])) {
            cancel_idle_copy(core, live, &live->job.copies[i]);
        }
    }
    core_settle_job(core, live);
    core_commit(core);
    core_cancel_plan(core, id);
    if (live->run != NULL) {
        run_cancel(live->run);
    }
    after_cancel(core, live);
    return 0;
}

static struct copy *find_copy(struct core *core, const char *id, int number, struct live_job **live,
                              struct error *err)
{
    *live = core_find_job(core, id);
    if (*live == NULL) {
        refuse_absent(core, id, err);
        return NULL;
    }
    struct copy *copy = job_copy(&(*live)->job, number);
    if (copy == NULL) {
        error_set(err, ERROR_NOT_FOUND, "job %s has no copy %d", id, number);
    }
    return copy;
}

int core_copy_cancel(struct core *core, const char *id, int number, struct error *err)
{
    struct live_job *live;
    struct copy *copy = find_copy(core, id, number, &live, err);
    if (copy == NULL) {
        return -1;
    }
    if (copy_state_is_terminal(copy->state)) {
        return copy->state == COPY_CANCELED
                   ? 0
                   : error_set(err, ERROR_JOB_TERMINAL, "copy %d of job %s has ended", number, id);
    }
    core_begin(core);
    copy->cancel_asked = true;
    if (is_idle(copy)) {
        cancel_idle_copy(core, live, copy);
    } else {
        core_put_copy(core, live, copy);
    }
    core_settle_job(core, live);
    core_commit(core);
    if (live->run != NULL && live->run->copy == copy) {
        run_cancel(live->run);
    }
    after_cancel(core, live);
    return 0;
}

/* --- confirm: a person's verdict on an attempt whose end nobody saw ------------------------ */

struct last_attempt {
    struct attempt attempt;
    bool found;
};

static bool take_attempt(const struct attempt_row *row, void *arg)
{
    struct last_attempt *last = arg;
    attempt_from_row(row, &last->attempt);
    last->found = true;
    return true;
}

static void register_confirmed(struct core *core, const struct live_job *live,
                               struct attempt *attempt)
{
    struct disc disc = {
        .copy = attempt->copy,
        .attempt = attempt->attempt,
        .blocks = attempt->blocks,
        .outcome = OUTCOME_GOOD,
        .verified = VERIFY_NONE,
        .created_at_ms = attempt->started_at_ms,
    };
    const struct recorder *recorder = recorder_list_find(core->recorders, attempt->recorder);
    id_make("dsc", disc.id);
    memcpy(disc.job, attempt->job, sizeof(disc.job));
    memcpy(disc.session_sha256, attempt->session_sha256, sizeof(disc.session_sha256));
    text_copy(disc.recorder, sizeof(disc.recorder), attempt->recorder);
    text_copy(disc.title, sizeof(disc.title), live->job.document.title);
    text_copy(disc.profile, sizeof(disc.profile), "stdio");
    /* the person vouches for the disc; where it lies is said only if what lies there can be it */
    if (recorder != NULL && recorder->medium_known && recorder->medium.state != MEDIUM_BLANK &&
        recorder->medium.session_sectors == attempt->blocks) {
        text_copy(disc.location, sizeof(disc.location), recorder->path);
        text_copy(disc.fingerprint, sizeof(disc.fingerprint), recorder->medium.fingerprint);
        text_copy(disc.volume_id, sizeof(disc.volume_id), recorder->medium.volume_id);
    }
    text_copy(attempt->disc, sizeof(attempt->disc), disc.id);
    attempt->outcome = OUTCOME_GOOD;
    attempt->advice = ADVICE_KEEP;
    core_put_attempt(core, attempt);
    core_put_disc(core, &disc);
    struct event_subject subject =
        core_subject(live->job.id, attempt->copy, attempt->attempt, attempt->recorder);
    core_tell(core, EVENT_DISC_REGISTERED, &subject, &disc);
}

/* A file to be emptied once its recorder is free. Until then nothing else is written there. */
struct give_back {
    struct give_back *next;
    struct attempt attempt;
};

bool core_has_give_back(const struct core *core, const char *recorder)
{
    for (const struct give_back *wish = core->give_backs; wish != NULL; wish = wish->next) {
        if (strcmp(wish->attempt.recorder, recorder) == 0) {
            return true;
        }
    }
    return false;
}

static void start_give_back(struct core *core, const struct attempt *attempt)
{
    struct error err;
    struct recorder *recorder = recorder_list_find(core->recorders, attempt->recorder);
    if (run_start_reclaim(core, recorder, attempt, NULL, NULL, &err) != 0) {
        log_warning(recorder->id, "cannot be emptied: %s", err.message);
    }
}

void core_start_give_backs(struct core *core)
{
    struct give_back **at = &core->give_backs;
    while (*at != NULL) {
        struct give_back *wish = *at;
        const struct recorder *recorder =
            recorder_list_find(core->recorders, wish->attempt.recorder);
        if (recorder->state == RECORDER_BUSY || core_has_orphan(core, recorder->id)) {
            at = &wish->next;
            continue;
        }
        *at = wish->next;
        if (recorder->state == RECORDER_IDLE) {
            start_give_back(core, &wish->attempt);
        }
        free(wish);
    }
}

void core_give_file_back(struct core *core, const struct attempt *attempt)
{
    const struct recorder *recorder = recorder_list_find(core->recorders, attempt->recorder);
    if (recorder == NULL || !attempt_can_be_reclaimed(recorder, attempt)) {
        return;
    }
    struct give_back *wish = xcalloc(1, sizeof(*wish));
    wish->attempt = *attempt;
    wish->next = core->give_backs;
    core->give_backs = wish;
    core_start_give_backs(core);
}

void core_free_give_backs(struct core *core)
{
    while (core->give_backs != NULL) {
        struct give_back *wish = core->give_backs;
        core->give_backs = wish->next;
        free(wish);
    }
}

int core_copy_confirm(struct core *core, const char *id, int number, const char *verdict,
                      struct error *err)
{
    struct live_job *live;
    struct last_attempt last = {.found = false};
    struct error problem;
    struct copy *copy = find_copy(core, id, number, &live, err);
    if (copy == NULL) {
        return -1;
    }
    if (copy->state != COPY_WAITING || copy->reason != REASON_ATTEMPT_UNKNOWN ||
        store_attempts(store_as_reader(core->store), id, number, 0, 0, 500, take_attempt, &last,
                       err) != 0 ||
        !last.found) {
        return error_set(err, ERROR_NOTHING_TO_CONFIRM, "copy %d of job %s waits for no verdict",
                         number, id);
    }
    bool good = strcmp(verdict, "good") == 0, redo = strcmp(verdict, "redo") == 0;
    error_set(&problem, ERROR_INTERRUPTED, "given up by a person after burnd was interrupted");
    core_begin(core);
    if (good) {
        register_confirmed(core, live, &last.attempt);
        text_copy(copy->disc, sizeof(copy->disc), last.attempt.disc);
        if (live->job.first_sha256[0] == '\0') {
            memcpy(live->job.first_sha256, last.attempt.session_sha256,
                   sizeof(live->job.first_sha256));
        }
    }
    copy->tries -= redo && copy->tries > 0;
    enum copy_state state = COPY_FAILED;
    if (good) {
        state = COPY_DONE;
    } else if (live->job.cancel_accepted || copy->cancel_asked) {
        state = COPY_CANCELED;
    } else if (redo) {
        state = COPY_PENDING;
    }
    core_set_copy_state(core, live, copy, state, last.attempt.attempt,
                        good || redo ? NULL : &problem);
    core_settle_job(core, live);
    core_commit(core);
    job_log(core, id, number, last.attempt.attempt, "info", "a person's verdict: %s", verdict);
    if (!good) {
        core_give_file_back(core, &last.attempt);
    }
    after_cancel(core, live);
    return 0;
}

/* --- delete -------------------------------------------------------------------------------- */

int core_job_delete(struct core *core, const char *id, struct error *err)
{
    bool terminal = false;
    bool found = false;
    if (core_find_job(core, id) != NULL) {
        return error_set(err, ERROR_JOB_NOT_TERMINAL, "job %s has not ended; cancel it first", id);
    }
    if (store_job(store_as_reader(core->store), id, note_found, &found, err) != 0) {
        return -1;
    }
    if (!found) {
        return error_set(err, ERROR_NOT_FOUND, "there is no job %s", id);
    }
    if (store_job(store_as_reader(core->store), id, note_job, &terminal, err) != 0) {
        return -1;
    }
    if (!terminal) {
        return error_set(err, ERROR_JOB_NOT_TERMINAL, "job %s has not ended", id);
    }
    struct event_subject subject = core_subject(id, 0, 0, "");
    subject.job_is_terminal = true;
    core_begin(core);
    if (store_delete_job(core->store, id, err) != 0) {
        core_fatal(core, err);
    }
    core_tell(core, EVENT_JOB_DELETED, &subject, NULL);
    core_commit(core);
    char *folder = core_job_folder(core, id);
    core_remove_folder(folder);
    free(folder);
    return 0;
}

/* --- waiting ------------------------------------------------------------------------------- */

struct core_wait {
    struct core_wait *next;
    struct core *core;
    char job[ID_SIZE];
    bool until_terminal;
    int64_t version;
    uv_timer_t timer;
    void (*woken)(void *arg);
    void *arg;
};

static void on_wait_closed(uv_handle_t *handle)
{
    free(handle->data);
}

static void remove_wait(struct core_wait *wait)
{
    struct core_wait **at = &wait->core->waits;
    while (*at != NULL && *at != wait) {
        at = &(*at)->next;
    }
    if (*at != NULL) {
        *at = wait->next;
    }
    uv_close((uv_handle_t *)&wait->timer, on_wait_closed);
}

static void wake(struct core_wait *wait)
{
    void (*woken)(void *arg) = wait->woken;
    void *arg = wait->arg;
    remove_wait(wait);
    woken(arg);
}

static bool needs_person(const struct job *job)
{
    enum reason reasons[REASON_COUNT];
    size_t count = job_reasons(job, reasons);
    for (size_t i = 0; i < count; i++) {
        if (reason_needs_person(reasons[i])) {
            return true;
        }
    }
    return false;
}

static bool holds(const struct core_wait *wait, const struct live_job *live)
{
    if (job_state_is_terminal(live->job.state)) {
        return true;
    }
    if (wait->version >= 0 && live->job.version != wait->version) {
        return true;
    }
    return !wait->until_terminal && needs_person(&live->job);
}

void core_wake_waits(struct core *core, const struct live_job *live, bool gone)
{
    struct core_wait *next;
    for (struct core_wait *wait = core->waits; wait != NULL; wait = next) {
        next = wait->next;
        if (strcmp(wait->job, live->job.id) == 0 && (gone || holds(wait, live))) {
            wake(wait);
        }
    }
}

static void on_wait_over(uv_timer_t *timer)
{
    wake(timer->data);
}

struct core_wait *core_wait_start(struct core *core, const char *id, bool until_terminal,
                                  int64_t version, int timeout_s, void (*woken)(void *arg),
                                  void *arg)
{
    struct core_wait *wait = xcalloc(1, sizeof(*wait));
    const struct live_job *live = core_find_job(core, id);
    *wait = (struct core_wait){
        .next = core->waits,
        .core = core,
        .until_terminal = until_terminal,
        .version = version,
        .woken = woken,
        .arg = arg,
    };
    text_copy(wait->job, sizeof(wait->job), id);
    core->waits = wait;
    uv_timer_init(core->loop, &wait->timer);
    wait->timer.data = wait;
    bool now = live == NULL || holds(wait, live);
    /* also "at once" goes through the loop, so that the caller has the handle before it is
     * called */
    uv_timer_start(&wait->timer, on_wait_over, now ? 0 : (uint64_t)timeout_s * 1000, 0);
    return wait;
}

struct core_wait *core_wait_for_time(struct core *core, int timeout_s, void (*woken)(void *arg),
                                     void *arg)
{
    struct core_wait *wait = core_wait_start(core, "", true, -1, 0, woken, arg);
    uv_timer_start(&wait->timer, on_wait_over, (uint64_t)timeout_s * 1000, 0);
    return wait;
}

void core_wait_cancel(struct core *core, struct core_wait *wait)
{
    (void)core;
    remove_wait(wait);
}
