/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * What follows from a job's parts alone: its state, its reasons, whether a person must act. Pure.
 */
#include "job/job.h"

#include "base/words.h"

#include <stdlib.h>

DEFINE_WORDS(JOB_STATES, job_state)
DEFINE_WORDS(COPY_STATES, copy_state)
DEFINE_WORDS(REASONS, reason)

bool job_state_is_terminal(enum job_state state)
{
    return state >= JOB_COMPLETED;
}

bool copy_state_is_terminal(enum copy_state state)
{
    return state >= COPY_DONE;
}

bool reason_needs_person(enum reason reason)
{
    switch (reason) {
    case REASON_RECORDER_BUSY:
    case REASON_SHUTTING_DOWN:
    case REASON_RUINED_DISC_LIMIT:
        return false;
    case REASON_NO_ELIGIBLE_RECORDER:
    case REASON_RECORDER_IN_USE:
    case REASON_RECORDER_QUARANTINED:
    case REASON_MEDIUM_NOT_BLANK:
    case REASON_MEDIUM_TOO_SMALL:
    case REASON_MEDIUM_UNSUPPORTED:
    case REASON_ATTEMPT_UNKNOWN:
    case REASON_CONFIRMATION_REQUIRED:
    case REASON_COUNT:
        return true;
    }
    return true;
}

static size_t count_copies(const struct job *job, enum copy_state state)
{
    size_t count = 0;
    for (size_t i = 0; i < job->copy_count; i++) {
        count += job->copies[i].state == state;
    }
    return count;
}

static enum job_state terminal_state(const struct job *job)
{
    size_t done = count_copies(job, COPY_DONE);
    if (done == job->copy_count && done > 0) {
        return JOB_COMPLETED;
    }
    if (job->cancel_accepted) {
        return JOB_CANCELED;
    }
    if (done > 0) {
        return JOB_COMPLETED_WITH_FAILURES;
    }
    return count_copies(job, COPY_CANCELED) == job->copy_count && job->copy_count > 0 ? JOB_CANCELED
                                                                                      : JOB_FAILED;
}

static bool all_ended(const struct job *job)
{
    for (size_t i = 0; i < job->copy_count; i++) {
        if (!copy_state_is_terminal(job->copies[i].state)) {
            return false;
        }
    }
    return true;
}

enum job_state job_derive_state(const struct job *job)
{
    enum reason reasons[REASON_COUNT];
    if (all_ended(job)) {
        return terminal_state(job);
    }
    if (job->cancel_accepted) {
        return JOB_CANCELING;
    }
    if (count_copies(job, COPY_ASSIGNED) + count_copies(job, COPY_RUNNING) > 0) {
        return JOB_RUNNING;
    }
    if (job->planning) {
        return JOB_PREPARING;
    }
    size_t count = job_reasons(job, reasons);
    for (size_t i = 0; i < count; i++) {
        if (reason_needs_person(reasons[i])) {
            return JOB_WAITING;
        }
    }
    return job->held_by_limit ? JOB_HELD : JOB_QUEUED;
}

static size_t add_reason(enum reason out[REASON_COUNT], size_t count, enum reason reason)
{
    for (size_t i = 0; i < count; i++) {
        if (out[i] == reason) {
            return count;
        }
    }
    out[count] = reason;
    return count + 1;
}

size_t job_reasons(const struct job *job, enum reason out[REASON_COUNT])
{
    size_t count = 0;
    if (job->held_by_limit) {
        count = add_reason(out, count, REASON_RUINED_DISC_LIMIT);
    }
    for (size_t i = 0; i < job->copy_count; i++) {
        if (job->copies[i].has_reason && !copy_state_is_terminal(job->copies[i].state)) {
            count = add_reason(out, count, job->copies[i].reason);
        }
    }
    return count;
}

void job_release(struct job *job)
{
    job_document_release(&job->document);
    free(job->copies);
    job->copies = NULL;
    job->copy_count = 0;
}

void job_snapshot_release(struct job_snapshot *snapshot)
{
    job_release(&snapshot->job);
    free(snapshot->progress.stage);
    free(snapshot->progress.block);
    free(snapshot->progress.file);
    free(snapshot->progress.verify);
    snapshot->progress = (struct copy_progress){0};
}
