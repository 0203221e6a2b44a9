/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * One attempt under one lease, operation by operation:
 *
 *   BURN ─ good ──► VERIFY (when asked) ─ good ──► EJECT (when due) ──► conclude
 *     │               │ failed or canceled
 *     │ died in       ▼
 *     └ write…close ► RECLAIM (file recorder that was blank) ──► INSPECT (medium not known) ──► conclude
 *
 * run_conclude() (run_end.c) stores and tells the end of it all in the order of api.md. An
 * operation by hand (rescan, eject) is the same with no job: one operation, then the end.
 *
 * What an attempt's end means for the medium: see the worker's result when there is one; a worker
 * that died before `write` left the medium unharmed, in write … close ruined it (a file that was
 * blank is emptied again: unharmed), in settle or verify nobody knows.
 */
#include "job/core_internal.h"

#include "base/alloc.h"
#include "base/clock.h"
#include "base/log.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#define DVD_KB_S 1385 /* 1x */

static void operation_ended(void *arg, const struct worker_end *end);

struct event_subject run_subject(const struct run *run)
{
    return core_subject(run->live != NULL ? run->live->job.id : "", run->attempt.copy,
                        run->attempt.attempt, run->recorder->id);
}

void run_free(struct run *run)
{
    if (run->lease_fd >= 0) {
        close(run->lease_fd);
    }
    item_file_close(run->items);
    free(run->folder);
    free(run->location);
    free(run->eject_to);
    free(run);
}

bool attempt_can_be_reclaimed(const struct recorder *recorder, const struct attempt *attempt)
{
    return recorder->kind == RECORDER_KIND_FILE && attempt->medium_was_blank &&
           attempt->medium_before.file_inode != 0;
}

static bool can_be_reclaimed(const struct run *run)
{
    return attempt_can_be_reclaimed(run->recorder, &run->attempt);
}

/* --- starting an operation ----------------------------------------------------------------- */

static int start_worker(struct run *run, enum operation operation, struct error *err)
{
    struct worker_request request;
    run->operation = operation;
    if (run_request(run, &request, err) != 0) {
        return -1;
    }
    struct worker_settings settings = {
        .folder = run->folder,
        .lease_fd = run->lease_fd,
        .is_file = run->recorder->kind == RECORDER_KIND_FILE,
        .speed_kb_s = run->attempt.speed_kb_s,
        .line = run_line,
        .ended = operation_ended,
        .arg = run,
    };
    int status = core_run_worker(run->core, operation, &settings, &request, &run->worker, err);
    worker_request_release(&request);
    if (status == 0) {
        lease_note_worker(run->lease_fd, run->attempt.id, worker_pid(run->worker));
    }
    return status;
}

static void lease_begin(struct run *run, enum operation operation)
{
    struct recorder *recorder = run->recorder;
    recorder->state = RECORDER_BUSY;
    recorder->lease = (struct lease){
        .held = true,
        .copy = run->attempt.copy,
        .attempt = run->attempt.attempt,
        .operation = operation,
        .since_ms = clock_wall_ms(),
    };
    text_copy(recorder->lease.job, sizeof(recorder->lease.job), run->attempt.job);
    recorder->activity = operation == OPERATION_EJECT ? ACTIVITY_EJECTING : ACTIVITY_INSPECTING;
}

/* An operation that could not even be started counts as failed. */
static void fail_operation(struct run *run, const struct error *err)
{
    if (run->attempt.problem.code == ERROR_NONE) {
        run->attempt.problem = *err;
    }
    run_conclude(run);
}

/* The attempt's own work is over: whatever follows only looks at the medium or tidies it. */
static void show_inspecting(struct run *run)
{
    struct recorder *recorder = run->recorder;
    if (run->live == NULL ||
        (recorder->activity == ACTIVITY_INSPECTING && !recorder->write_in_progress)) {
        return;
    }
    core_begin(run->core);
    recorder->activity = ACTIVITY_INSPECTING;
    recorder->write_in_progress = false;
    core_tell_recorder(run->core, recorder);
    core_commit(run->core);
}

static void next_operation(struct run *run, enum operation operation)
{
    struct error err;
    if (operation == OPERATION_INSPECT || operation == OPERATION_RECLAIM) {
        show_inspecting(run);
    }
    if (start_worker(run, operation, &err) != 0) {
        fail_operation(run, &err);
    }
}

/* --- the start of an attempt --------------------------------------------------------------- */

/* A file has no family of speeds of its own: x counts as on a DVD. 0 = not limited. */
static int64_t effective_speed(const struct speed *asked, int64_t recorder_kb_s)
{
    int64_t wanted = 0;
    switch (asked->kind) {
    case SPEED_MAX:
        break;
    case SPEED_MIN:
        wanted = DVD_KB_S;
        break;
    case SPEED_X:
        wanted = (int64_t)(asked->value * DVD_KB_S);
        break;
    case SPEED_KB_S:
        wanted = (int64_t)asked->value;
        break;
    }
    return wanted > 0 && (recorder_kb_s == 0 || wanted < recorder_kb_s) ? wanted : recorder_kb_s;
}

static void init_attempt(struct run *run)
{
    const struct job_document *document = &run->live->job.document;
    struct attempt *attempt = &run->attempt;
    id_make("att", attempt->id);
    memcpy(attempt->job, run->live->job.id, sizeof(attempt->job));
    attempt->copy = run->copy->number;
    attempt->attempt = run->copy->attempts + 1;
    text_copy(attempt->recorder, sizeof(attempt->recorder), run->recorder->id);
    attempt->speed_asked = document->speed;
    attempt->speed_kb_s = effective_speed(&document->speed, run->recorder->speed_kb_s);
    attempt->simulate = document->simulate;
    attempt->started_at_ms = clock_wall_ms();
}

void copy_progress_reset(struct copy_progress *progress)
{
    free(progress->stage);
    free(progress->block);
    free(progress->file);
    free(progress->verify);
    *progress = (struct copy_progress){.eta_s = -1};
}

static struct run *new_run(struct core *core, struct recorder *recorder, int lease_fd)
{
    struct run *run = xcalloc(1, sizeof(*run));
    run->core = core;
    run->recorder = recorder;
    run->lease_fd = lease_fd;
    run->file_index = -1;
    return run;
}

static void store_start(struct run *run)
{
    struct core *core = run->core;
    core_begin(core);
    run->copy->attempts++;
    run->copy->tries++;
    text_copy(run->copy->recorder, sizeof(run->copy->recorder), run->recorder->id);
    core_put_attempt(core, &run->attempt);
    core_tell_recorder(core, run->recorder);
    core_set_copy_state(core, run->live, run->copy, COPY_ASSIGNED, run->attempt.attempt, NULL);
    core_settle_job(core, run->live);
    core_commit(core);
    core_wake_waits(core, run->live, false);
}

void run_start(struct core *core, struct live_job *live, struct copy *copy,
               struct recorder *recorder)
{
    struct error err;
    int lease_fd = lease_take(core, recorder->id, &err);
    if (lease_fd < 0) {
        log_warning(recorder->id, "%s", err.message);
        return; /* tried again when something changes */
    }
    struct run *run = new_run(core, recorder, lease_fd);
    run->live = live;
    run->copy = copy;
    live->run = run;
    init_attempt(run);
    copy_progress_reset(&live->progress);
    live->progress.copy = copy->number;
    live->progress.attempt = run->attempt.attempt;
    run->folder = core_attempt_folder(core, live->job.id, run->attempt.id);
    lease_begin(run, OPERATION_BURN);
    store_start(run);
    log_info(live->job.id, "copy %d attempt %d on %s", copy->number, run->attempt.attempt,
             recorder->id);
    job_log(core, live->job.id, copy->number, run->attempt.attempt, "info",
            "attempt begins on recorder %s", recorder->id);
    if (core_make_folder(run->folder, &err) != 0 || start_worker(run, OPERATION_BURN, &err) != 0) {
        fail_operation(run, &err);
    }
}

void run_end_folder(const struct run *run)
{
    if (!run->keeps_folder) {
        core_remove_folder(run->folder);
    }
}

static int start_by_hand(struct run *run, enum operation operation, struct error *err)
{
    struct core *core = run->core;
    char id[ID_SIZE];
    id_make("op", id);
    if (!run->keeps_folder) {
        run->folder = xasprintf("%s/tmp/%s", core->state_dir, id);
    }
    text_copy(run->attempt.id, sizeof(run->attempt.id), id);
    if (core_make_folder(run->folder, err) != 0 || start_worker(run, operation, err) != 0) {
        run_end_folder(run);
        run_free(run);
        return -1;
    }
    lease_begin(run, operation);
    core_begin(core);
    core_tell_recorder(core, run->recorder);
    core_commit(core);
    return 0;
}

static struct run *new_run_by_hand(struct core *core, struct recorder *recorder, core_done *done,
                                   void *arg, struct error *err)
{
    int lease_fd = lease_take(core, recorder->id, err);
    if (lease_fd < 0) {
        return NULL;
    }
    struct run *run = new_run(core, recorder, lease_fd);
    run->done = done;
    run->done_arg = arg;
    return run;
}

int run_start_by_hand(struct core *core, struct recorder *recorder, enum operation operation,
                      core_done *done, void *arg, struct error *err)
{
    struct run *run = new_run_by_hand(core, recorder, done, arg, err);
    if (run == NULL) {
        return -1;
    }
    if (operation == OPERATION_EJECT) {
        text_copy(run->disc, sizeof(run->disc), recorder->medium_disc);
        memcpy(run->eject_fingerprint, recorder->medium.fingerprint,
               sizeof(run->eject_fingerprint));
        run->eject_to = core_eject_target(recorder, recorder->medium_disc);
    }
    return start_by_hand(run, operation, err);
}

int run_start_reclaim(struct core *core, struct recorder *recorder, const struct attempt *attempt,
                      core_done *done, void *arg, struct error *err)
{
    struct run *run = new_run_by_hand(core, recorder, done, arg, err);
    if (run == NULL) {
        return -1;
    }
    run->attempt.medium_before = attempt->medium_before;
    run->attempt.simulate = attempt->simulate;
    /* the worker compares the file's birth with the items that were laid out for it */
    run->folder = core_attempt_folder(core, attempt->job, attempt->id);
    run->keeps_folder = true;
    return start_by_hand(run, OPERATION_RECLAIM, err);
}

void run_cancel(struct run *run)
{
    run->cancel_asked = true;
    if (run->worker != NULL && run->operation != OPERATION_RECLAIM &&
        run->operation != OPERATION_INSPECT && run->operation != OPERATION_EJECT) {
        worker_cancel(run->worker);
    }
}

/* --- where a disc goes --------------------------------------------------------------------- */

char *core_eject_target(const struct recorder *recorder, const char *disc)
{
    if (disc[0] != '\0') {
        return xasprintf("%s.%s.iso", recorder->path, disc);
    }
    char when[32];
    int64_t now = clock_wall_ms();
    time_t seconds = (time_t)(now / 1000);
    struct tm utc;
    gmtime_r(&seconds, &utc);
    strftime(when, sizeof(when), "%Y%m%dT%H%M%S", &utc);
    return xasprintf("%s.%s%03dZ.iso", recorder->path, when, (int)(now % 1000));
}

static bool eject_is_due(struct run *run)
{
    switch (run->live->job.document.eject) {
    case EJECT_WISH_YES:
        return true;
    case EJECT_WISH_NO:
    case EJECT_WISH_COUNT:
        return false;
    case EJECT_WISH_AUTO:
        return core_wants_blank(run->core, run);
    }
    return false;
}

void run_fill_disc(const struct run *run, struct disc *out)
{
    const struct attempt *attempt = &run->attempt;
    *out = (struct disc){
        .copy = attempt->copy,
        .attempt = attempt->attempt,
        .blocks = attempt->blocks,
        .outcome = OUTCOME_GOOD,
        .verified = attempt->verified,
        .created_at_ms = attempt->started_at_ms,
    };
    memcpy(out->id, run->disc, sizeof(out->id));
    memcpy(out->job, attempt->job, sizeof(out->job));
    memcpy(out->session_sha256, attempt->session_sha256, sizeof(out->session_sha256));
    text_copy(out->recorder, sizeof(out->recorder), run->recorder->id);
    text_copy(out->title, sizeof(out->title), run->live->job.document.title);
    text_copy(out->volume_id, sizeof(out->volume_id), attempt->medium_after.volume_id);
    text_copy(out->profile, sizeof(out->profile), attempt->medium_after.profile);
    text_copy(out->fingerprint, sizeof(out->fingerprint), attempt->medium_after.fingerprint);
    text_copy(out->location, sizeof(out->location), run->location);
}

/* The register knows of the disc, and where it will lie, before the image file is renamed. */
static void register_disc(struct run *run)
{
    struct disc disc;
    run_fill_disc(run, &disc);
    core_put_disc(run->core, &disc);
    core_put_attempt(run->core, &run->attempt);
}

static void eject_disc(struct run *run)
{
    run->eject_to = core_eject_target(run->recorder, run->disc);
    memcpy(run->eject_fingerprint, run->attempt.medium_after.fingerprint,
           sizeof(run->eject_fingerprint));
    free(run->location);
    run->location = xstrdup(run->eject_to);
    core_begin(run->core);
    register_disc(run);
    core_commit(run->core);
    run_set_phase(run, PHASE_EJECT, CANCEL_IMPOSSIBLE, -1);
    next_operation(run, OPERATION_EJECT);
}

static void after_success(struct run *run)
{
    if (run->attempt.simulate) {
        run_conclude(run);
        return;
    }
    id_make("dsc", run->disc);
    text_copy(run->attempt.disc, sizeof(run->attempt.disc), run->disc);
    run->location = xstrdup(run->recorder->path);
    if (eject_is_due(run)) {
        eject_disc(run);
    } else {
        run_conclude(run);
    }
}

/* --- after an operation -------------------------------------------------------------------- */

static void take_medium(struct run *run, const struct worker_result *result)
{
    run->has_medium = result->medium.present;
    run->medium_now = result->medium;
    if (run->has_medium && run->disc[0] == '\0') {
        run->attempt.medium_after =
            result->medium; /* once there is a disc, what lies there is its successor */
    }
}

static void conclude_or_inspect(struct run *run)
{
    if (run->has_medium || run->operation == OPERATION_INSPECT ||
        run->recorder->state == RECORDER_QUARANTINED) {
        run_conclude(run);
    } else {
        next_operation(run, OPERATION_INSPECT);
    }
}

/* What failed is stored before the medium is tidied: a crash meanwhile must not make it unknown. */
static void give_back(struct run *run)
{
    core_begin(run->core);
    core_put_attempt(run->core, &run->attempt);
    core_commit(run->core);
    if (can_be_reclaimed(run)) {
        run->has_medium = false;
        next_operation(run, OPERATION_RECLAIM);
    } else {
        conclude_or_inspect(run);
    }
}

/* Nobody saw the end. The disc is kept for a look, unless the copy is tried again and needs the
 * place. */
static void end_unknown(struct run *run)
{
    run->attempt.outcome = OUTCOME_UNKNOWN;
    run->attempt.advice = ADVICE_CHECK;
    if (run->copy->tries < run->live->job.document.attempts_per_copy && !run->cancel_asked) {
        give_back(run);
    } else {
        conclude_or_inspect(run);
    }
}

/* The worker of the burn is gone without a word. */
static void burn_lost(struct run *run, const struct worker_end *end)
{
    struct attempt *attempt = &run->attempt;
    enum phase phase = attempt->phase;
    attempt->problem = end->problem;
    if (phase >= PHASE_SETTLE) {
        end_unknown(run);
        return;
    }
    attempt->outcome = phase < PHASE_WRITE || attempt->simulate ? OUTCOME_UNHARMED : OUTCOME_RUINED;
    attempt->advice = ADVICE_REUSE;
    if (phase >= PHASE_WRITE || attempt->simulate) {
        give_back(run);
    } else {
        conclude_or_inspect(run);
    }
}

/* burnd's own look at what the worker claims: every block was handed over, and the session is as
 * long as was laid out. */
static bool burn_is_confirmed(struct run *run, const struct worker_result *result)
{
    struct attempt *attempt = &run->attempt;
    if (run->handed_over && attempt->blocks > 0 && result->blocks == attempt->blocks) {
        return true;
    }
    error_set(&attempt->problem, ERROR_BURN_NOT_CONFIRMED,
              "the worker reported success, but %lld of %lld blocks were confirmed",
              (long long)(run->handed_over ? result->blocks : run->last_completed),
              (long long)attempt->blocks);
    return false;
}

static void burn_ended(struct run *run, const struct worker_result *result)
{
    struct attempt *attempt = &run->attempt;
    take_medium(run, result);
    memcpy(attempt->session_sha256, result->session_sha256, sizeof(attempt->session_sha256));
    attempt->outcome = result->outcome;
    attempt->advice = result->advice;
    if (!result->ok) {
        attempt->problem = result->problem;
        conclude_or_inspect(run);
        return;
    }
    if (!burn_is_confirmed(run, result)) {
        attempt->outcome = OUTCOME_RUINED;
        attempt->advice = ADVICE_REUSE;
        give_back(run);
        return;
    }
    run->burned = true;
    if (run->cancel_asked && can_be_reclaimed(run)) {
        run->burned = false;
        error_set(&attempt->problem, ERROR_CANCELED,
                  "canceled after the write, before it was accepted");
        give_back(run);
    } else if (attempt->simulate || run->live->job.document.verify == VERIFY_NONE) {
        after_success(run);
    } else {
        run_set_phase(run, PHASE_VERIFY, CANCEL_SAFE, -1);
        next_operation(run, OPERATION_VERIFY);
    }
}

static void verify_failed(struct run *run, const struct error *problem, bool canceled)
{
    run->burned = false;
    run->attempt.problem = *problem;
    run->attempt.outcome = canceled ? OUTCOME_UNKNOWN : OUTCOME_RUINED;
    run->attempt.advice = canceled ? ADVICE_CHECK : ADVICE_REUSE;
    give_back(run);
}

static void verify_ended(struct run *run, const struct worker_end *end)
{
    struct attempt *attempt = &run->attempt;
    if (!end->has_result) {
        run->burned = false;
        attempt->problem = end->problem;
        run->has_medium = false;
        end_unknown(run);
        return;
    }
    const struct worker_result *result = &end->result;
    enum verify_level level = run->live->job.document.verify;
    if (result->ok && (level != VERIFY_FULL || result->content_equal)) {
        attempt->verified = level;
        after_success(run);
        return;
    }
    struct error problem = result->problem;
    if (problem.code == ERROR_NONE) {
        error_set(&problem, ERROR_VERIFY_MISMATCH,
                  "the verification did not confirm that content is equal");
    }
    verify_failed(run, &problem, result->canceled);
}

/* The worker said where the file lies now, or died: then the names are looked at. */
static const char *place_after_eject(const struct run *run, const struct worker_end *end)
{
    if (end->has_result && end->result.ok) {
        return end->result.location[0] != '\0' ? end->result.location : run->recorder->path;
    }
    return access(run->eject_to, F_OK) == 0 && access(run->recorder->path, F_OK) != 0
               ? run->eject_to
               : run->recorder->path;
}

/* By hand: the register follows the file. */
static void move_disc_by_hand(struct run *run, const char *place)
{
    if (run->disc[0] == '\0') {
        return;
    }
    bool is_disc = strcmp(place, run->eject_to) == 0 || strcmp(place, run->recorder->path) == 0;
    core_begin(run->core);
    core_move_disc(run->core, run->disc, is_disc ? place : "");
    core_commit(run->core);
}

static void eject_ended(struct run *run, const struct worker_end *end)
{
    const struct error *why = end->has_result ? &end->result.problem : &end->problem;
    bool ok = end->has_result && end->result.ok;
    const char *place = place_after_eject(run, end);
    run->has_medium = false;
    if (ok) {
        take_medium(run, &end->result);
    }
    if (run->live == NULL) {
        run->attempt.problem = ok ? ERROR_EMPTY : *why;
        move_disc_by_hand(run, place);
    } else {
        if (!ok) {
            job_log(run->core, run->live->job.id, run->attempt.copy, run->attempt.attempt,
                    "warning", "the image file could not be renamed: %s", why->message);
        }
        /* under another name than the disc's lies what is not the disc */
        bool known = strcmp(place, run->eject_to) == 0 || strcmp(place, run->recorder->path) == 0;
        free(run->location);
        run->location = xstrdup(known ? place : "");
    }
    conclude_or_inspect(run);
}

static void reclaim_ended(struct run *run, const struct worker_end *end)
{
    if (end->has_result && end->result.ok) {
        run->attempt.outcome = OUTCOME_UNHARMED;
        run->attempt.advice = ADVICE_REUSE;
        take_medium(run, &end->result);
    } else if (run->live == NULL) {
        run->attempt.problem = end->has_result ? end->result.problem : end->problem;
    } else {
        run->attempt.advice = ADVICE_CHECK; /* what lies there is not ours to empty */
    }
    conclude_or_inspect(run);
}

static void inspect_ended(struct run *run, const struct worker_end *end)
{
    if (end->has_result && end->result.ok) {
        take_medium(run, &end->result);
    } else if (run->live == NULL) {
        run->attempt.problem = end->has_result ? end->result.problem : end->problem;
    }
    run_conclude(run);
}

static void operation_ended(void *arg, const struct worker_end *end)
{
    struct run *run = arg;
    struct core *core = run->core;
    run->worker = NULL;
    if (end->unreaped) {
        core_quarantine(core, run->recorder, &end->problem);
    }
    switch (run->operation) {
    case OPERATION_BURN:
        if (end->has_result) {
            burn_ended(run, &end->result);
        } else {
            burn_lost(run, end);
        }
        break;
    case OPERATION_VERIFY:
        verify_ended(run, end);
        break;
    case OPERATION_EJECT:
        eject_ended(run, end);
        break;
    case OPERATION_RECLAIM:
        reclaim_ended(run, end);
        break;
    case OPERATION_INSPECT:
    case OPERATION_PLAN:
    case OPERATION_COUNT:
        inspect_ended(run, end);
        break;
    }
    core_operation_ended(core);
}
