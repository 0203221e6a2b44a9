/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * The end of an attempt or of an operation by hand: what it means for medium, disc, copy and job,
 * stored and told in one transaction in the order that api.md promises: recorder, attempt, disc,
 * copy, job. Then the lease is given back and the scheduler looks for what comes next.
 */
#include "job/core_internal.h"

#include "base/alloc.h"
#include "base/log.h"

#include <stdio.h>
#include <string.h>

static void lease_end(struct run *run)
{
    struct recorder *recorder = run->recorder;
    if (recorder->state == RECORDER_BUSY) {
        recorder->state = RECORDER_IDLE;
    }
    recorder->activity = ACTIVITY_NONE;
    recorder->write_in_progress = false;
    recorder->lease = (struct lease){0};
}

/* True when it is not what it was taken for. */
static bool see_medium(struct run *run)
{
    struct recorder *recorder = run->recorder;
    struct medium before = recorder->medium;
    bool was_known = recorder->medium_known;
    recorder->medium_known = run->has_medium;
    recorder->medium = run->has_medium ? run->medium_now : (struct medium){0};
    core_reconcile_register(run->core, recorder);
    if (was_known && run->has_medium) {
        core_tell_medium(run->core, recorder, &before);
    }
    return was_known != run->has_medium || before.state != recorder->medium.state ||
           strcmp(before.fingerprint, recorder->medium.fingerprint) != 0;
}

static bool is_wrong_medium(enum error_code code)
{
    return code == ERROR_MEDIUM_NOT_BLANK || code == ERROR_MEDIUM_TOO_SMALL ||
           code == ERROR_MEDIUM_UNSUPPORTED;
}

static void explain_wrong_medium(struct run *run)
{
    struct error *problem = &run->attempt.problem;
    if (problem->code == ERROR_MEDIUM_NOT_BLANK &&
        strstr(problem->message, "force_overwrite") == NULL) {
        size_t used = strlen(problem->message);
        snprintf(problem->message + used, sizeof(problem->message) - used,
                 "; eject recorder %s (the file is renamed and a blank is left), or set "
                 "burn.force_overwrite",
                 run->recorder->id);
    }
}

static void wait_for_medium(struct run *run)
{
    struct core *core = run->core;
    enum error_code code = run->attempt.problem.code;
    core_set_reason(run->copy,
                    code == ERROR_MEDIUM_TOO_SMALL     ? REASON_MEDIUM_TOO_SMALL
                    : code == ERROR_MEDIUM_UNSUPPORTED ? REASON_MEDIUM_UNSUPPORTED
                                                       : REASON_MEDIUM_NOT_BLANK,
                    run->attempt.problem.message);
    run->copy->tries--;
    run->live->waits_for_medium = true;
    core_set_copy_state(core, run->live, run->copy, COPY_WAITING, run->attempt.attempt,
                        &run->attempt.problem);
    core_raise_wrong_medium(core, run->live, run->copy, run->recorder->id);
}

static void end_pending_copies(struct run *run, enum copy_state state, const struct error *problem)
{
    for (size_t i = 0; i < run->live->job.copy_count; i++) {
        struct copy *copy = &run->live->job.copies[i];
        if (copy->state == COPY_PENDING || copy->state == COPY_WAITING) {
            core_set_copy_state(run->core, run->live, copy, state, 0, problem);
        }
    }
}

static void apply_ruined_limit(struct run *run)
{
    struct core *core = run->core;
    struct live_job *live = run->live;
    const struct job_document *document = &live->job.document;
    struct error problem;
    live->ruined += run->attempt.outcome == OUTCOME_RUINED;
    if (document->max_ruined_discs < 0 || live->ruined < document->max_ruined_discs ||
        run->attempt.outcome != OUTCOME_RUINED || document->then == THEN_CONTINUE) {
        return;
    }
    error_set(&problem, ERROR_RUINED_DISC_LIMIT, "%d discs were ruined, the job allows %lld",
              live->ruined, (long long)document->max_ruined_discs);
    if (document->then == THEN_FAIL) {
        end_pending_copies(run, COPY_FAILED, &problem);
        return;
    }
    if (job_state_is_terminal(job_derive_state(&live->job))) {
        return; /* no copy is left to hold */
    }
    live->job.held_by_limit = true;
    struct event_subject subject = core_subject(live->job.id, 0, 0, "");
    struct attention *item =
        attention_raise(core, "ruined_disc_limit", "error", &subject, problem.message);
    attention_offer(item, "continue", "Go on with the other copies", true);
    attention_offer(item, "give_up", "Cancel the job", true);
    attention_tell(core, item);
}

static void end_copy(struct run *run)
{
    struct core *core = run->core;
    struct attempt *attempt = &run->attempt;
    struct live_job *live = run->live;
    int number = attempt->attempt;
    if (run->burned && attempt->problem.code == ERROR_NONE) {
        text_copy(run->copy->disc, sizeof(run->copy->disc), run->disc);
        if (live->job.first_sha256[0] == '\0' && !attempt->simulate) {
            memcpy(live->job.first_sha256, attempt->session_sha256, sizeof(live->job.first_sha256));
        }
        core_set_copy_state(core, live, run->copy, COPY_DONE, number, NULL);
    } else if (run->cancel_asked) {
        core_set_copy_state(core, live, run->copy, COPY_CANCELED, number, &attempt->problem);
    } else if (is_wrong_medium(attempt->problem.code) &&
               !core_fails_on_wrong_medium(core, &live->job.document)) {
        wait_for_medium(run);
    } else if (run->copy->tries < live->job.document.attempts_per_copy) {
        core_set_copy_state(core, live, run->copy, COPY_PENDING, number, &attempt->problem);
    } else {
        core_set_copy_state(core, live, run->copy, COPY_FAILED, number, &attempt->problem);
    }
}

static void end_attempt(struct run *run)
{
    struct attempt *attempt = &run->attempt;
    bool good = run->burned && attempt->problem.code == ERROR_NONE;
    if (!good && attempt->problem.code == ERROR_NONE) {
        error_set(&attempt->problem, ERROR_INTERNAL, "the attempt ended without a result");
    }
    if (good) {
        attempt->outcome = attempt->simulate ? OUTCOME_UNHARMED : OUTCOME_GOOD;
        attempt->advice = attempt->simulate ? ADVICE_REUSE : ADVICE_KEEP;
    } else if (attempt->outcome == OUTCOME_NONE || attempt->outcome == OUTCOME_GOOD) {
        attempt->outcome = attempt->phase < PHASE_WRITE ? OUTCOME_UNHARMED : OUTCOME_UNKNOWN;
        attempt->advice = attempt->phase < PHASE_WRITE ? ADVICE_REUSE : ADVICE_CHECK;
    }
    explain_wrong_medium(run);
    run_set_phase(run, PHASE_ENDED, CANCEL_IMPOSSIBLE, -1);
}

/* Inside the transaction, in the order that api.md promises. */
static bool tell_end(struct run *run)
{
    struct core *core = run->core;
    struct event_subject subject = run_subject(run);
    bool good = run->burned && run->attempt.problem.code == ERROR_NONE;
    struct disc disc = {.id = ""};
    if (good && run->disc[0] != '\0') {
        run_fill_disc(run, &disc);
        core_put_disc(core, &disc);
    }
    bool changed = see_medium(run);
    lease_end(run);
    core_tell(core, EVENT_RECORDER_STATE, &subject, run->recorder);
    end_attempt(run);
    if (disc.id[0] != '\0') {
        core_tell(core, EVENT_DISC_REGISTERED, &subject, &disc);
    }
    if (good && run->cancel_asked) {
        core_add_warning_code(run->live, "cancel_too_late",
                              "the copy was complete when it was canceled");
    }
    end_copy(run);
    apply_ruined_limit(run);
    core_settle_job(core, run->live);
    return changed;
}

static void conclude_job(struct run *run)
{
    struct core *core = run->core;
    struct live_job *live = run->live;
    core_begin(core);
    bool changed = tell_end(run);
    core_commit(core);
    const struct error *problem = &run->attempt.problem;
    job_log(core, live->job.id, run->attempt.copy, run->attempt.attempt,
            problem->code == ERROR_NONE ? "info" : "error", "attempt ended %s%s%s",
            outcome_to_text(run->attempt.outcome), problem->code != ERROR_NONE ? ": " : "",
            problem->code != ERROR_NONE ? problem->message : "");
    log_info(live->job.id, "copy %d attempt %d ended %s%s%s; job %s", run->attempt.copy,
             run->attempt.attempt, outcome_to_text(run->attempt.outcome),
             problem->code != ERROR_NONE ? ": " : "", problem->message,
             job_state_to_text(live->job.state));
    live->run = NULL;
    copy_progress_reset(&live->progress);
    run_free(run);
    if (job_state_is_terminal(live->job.state)) {
        core_drop_job(core, live);
        live = NULL;
    } else {
        core_wake_waits(core, live, false);
    }
    if (changed) {
        core_medium_seen(core, live);
    } else {
        core_schedule(core);
    }
}

static void conclude_by_hand(struct run *run)
{
    struct core *core = run->core;
    bool failed = run->attempt.problem.code != ERROR_NONE;
    core_begin(core);
    see_medium(run);
    lease_end(run);
    core_tell_recorder(core, run->recorder);
    core_commit(core);
    if (failed) {
        log_warning(run->recorder->id, "%s", run->attempt.problem.message);
    }
    if (run->done != NULL) {
        run->done(run->done_arg, failed ? &run->attempt.problem : NULL);
    }
    run_end_folder(run);
    run_free(run);
    core_medium_seen(core, NULL);
}

void run_conclude(struct run *run)
{
    if (run->live != NULL) {
        conclude_job(run);
    } else {
        conclude_by_hand(run);
    }
}
