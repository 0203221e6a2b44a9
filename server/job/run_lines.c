/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * What the worker of an attempt says → phases, progress, messages. Firsts and lasts of each kind of
 * progress are state events (stored, replayed); points between are streamed. The worker may give
 * the drive its first block only after `phase write` is stored: worker_proceed() is the word.
 */
#include "job/core_internal.h"

#include "base/alloc.h"
#include "base/clock.h"
#include "base/log.h"

#include <stdlib.h>
#include <string.h>

/* --- phases -------------------------------------------------------------------------------- */

static void record_phase(struct attempt *attempt, enum phase phase)
{
    int64_t now = clock_wall_ms();
    if (attempt->phase_count > 0 && attempt->phases[attempt->phase_count - 1].ended_at_ms == 0) {
        attempt->phases[attempt->phase_count - 1].ended_at_ms = now;
    }
    if (phase == PHASE_ENDED) {
        attempt->ended_at_ms = now;
    } else if (attempt->phase_count < PHASES_MAX) {
        attempt->phases[attempt->phase_count++] =
            (struct phase_record){.phase = phase, .started_at_ms = now};
    }
    attempt->phase = phase;
}

static void show_activity(struct run *run, enum phase phase)
{
    struct recorder *recorder = run->recorder;
    enum activity activity = activity_of_phase(phase, run->attempt.simulate);
    bool writes = writes_in_phase(phase, run->attempt.simulate);
    if (recorder->activity == activity && recorder->write_in_progress == writes) {
        return;
    }
    recorder->activity = activity;
    recorder->write_in_progress = writes;
    core_tell_recorder(run->core, recorder);
}

static void tell_phase(struct run *run, int64_t expected_s)
{
    const struct attempt *attempt = &run->attempt;
    bool ended = attempt->phase == PHASE_ENDED;
    struct phase_change change = {
        .phase = attempt->phase,
        .cancel = attempt->cancel,
        .expected_s = expected_s,
        .outcome = ended ? attempt->outcome : OUTCOME_NONE,
        .advice = ended ? attempt->advice : ADVICE_NONE,
        .problem = ended && attempt->problem.code != ERROR_NONE ? &attempt->problem : NULL,
        .disc = ended ? attempt->disc : "",
    };
    struct event_subject subject = run_subject(run);
    core_tell(run->core, EVENT_ATTEMPT_PHASE, &subject, &change);
}

/* The end of an attempt is told inside conclude()'s transaction, all other phases in one of
 * their own. */
void run_set_phase(struct run *run, enum phase phase, enum cancel_effect cancel, int64_t expected_s)
{
    bool own = phase != PHASE_ENDED;
    if (own) {
        core_begin(run->core);
    }
    record_phase(&run->attempt, phase);
    run->attempt.cancel = cancel;
    core_put_attempt(run->core, &run->attempt);
    if (phase == PHASE_WRITE && !run->attempt.simulate) {
        core_forget_location(run->core, run->recorder->path);
    }
    if (own) {
        if (run->copy->state == COPY_ASSIGNED) {
            core_set_copy_state(run->core, run->live, run->copy, COPY_RUNNING, run->attempt.attempt,
                                NULL);
        }
        show_activity(run, phase);
    }
    tell_phase(run, expected_s);
    if (own) {
        core_put_job(run->core, run->live); /* its answer shows the phase: a new version */
        core_commit(run->core);
        core_wake_waits(run->core, run->live, false);
    }
}

/* --- keeping the last of each kind for GET /progress --------------------------------------- */

static void keep(char **slot, const char *data)
{
    free(*slot);
    *slot = xstrdup(data);
}

/* A state event of progress, in a transaction of its own; its text is kept in `slot`. */
static void tell_progress(struct run *run, enum event_type type, const void *payload, char **slot)
{
    struct event_subject subject = run_subject(run);
    core_begin(run->core);
    core_tell(run->core, type, &subject, payload);
    keep(slot, run->core->pending[run->core->pending_count - 1].data);
    core_commit(run->core);
}

static void stream_progress(struct run *run, enum event_type type, const void *payload, char **slot)
{
    struct event_subject subject = run_subject(run);
    keep(slot, core_stream(run->core, type, &subject, payload, event_type_to_text(type)));
}

/* --- stage --------------------------------------------------------------------------------- */

static void stage_line(struct run *run, const struct worker_line *line)
{
    text_copy(run->stage_path, sizeof(run->stage_path), line->stage.current_path);
    text_copy(run->stage_unit, sizeof(run->stage_unit), line->stage.unit);
    run->stage = (struct stage_progress){
        .completed = line->stage.completed,
        .total = line->stage.total,
        .unit = run->stage_unit,
        .current_path = run->stage_path,
    };
    char **slot = &run->live->progress.stage;
    if (!run->first_stage_told) {
        run->first_stage_told = true;
        run->stage.completed = 0;
        tell_progress(run, EVENT_PROGRESS_STAGE, &run->stage, slot);
        run->stage.completed = line->stage.completed;
    } else {
        stream_progress(run, EVENT_PROGRESS_STAGE, &run->stage, slot);
    }
}

/* The last of it: what was counted is the total. Told when the layout is there, so never by a
 * failure. */
static void stage_complete(struct run *run)
{
    if (!run->first_stage_told) {
        return;
    }
    run->stage.total = run->stage.completed;
    run->stage.current_path = "";
    tell_progress(run, EVENT_PROGRESS_STAGE, &run->stage, &run->live->progress.stage);
}

/* --- blocks and files ---------------------------------------------------------------------- */

static void fill_file(struct run *run, int64_t index, const char *side, struct file_progress *out)
{
    struct item_view item;
    item_file_get(run->items, index, &item);
    *out = (struct file_progress){
        .path = item.path,
        .kind = item_kind_to_text(item.kind),
        .side = side,
        .first_block = item.first_block,
        .last_block = item.block_count > 0 ? item.first_block + item.block_count - 1 : -1,
        .block_count = item.block_count,
        .index = index,
        .items = item_file_count(run->items),
    };
}

/* The file that holds the last block done. `edge`: the first or the last of its side. */
static void tell_file(struct run *run, int64_t completed, const char *side, bool edge)
{
    if (run->items == NULL) {
        return;
    }
    int64_t block = item_file_base_lba(run->items) + (completed > 0 ? completed - 1 : 0);
    int64_t index = item_file_find_block(run->items, block);
    if (index < 0 || (index == run->file_index && !edge)) {
        return;
    }
    struct file_progress file;
    run->file_index = index;
    fill_file(run, index, side, &file);
    if (edge) {
        tell_progress(run, EVENT_PROGRESS_FILE, &file, &run->live->progress.file);
    } else {
        stream_progress(run, EVENT_PROGRESS_FILE, &file, &run->live->progress.file);
    }
}

#define SHARE_BEFORE_WRITE 2.0 /* percent of a copy for walking and layout */

/* How much of a copy's percent the write is; the rest is verification and what surrounds both. */
static double share_of_write(const struct run *run)
{
    return run->live->job.document.verify == VERIFY_FULL && !run->attempt.simulate ? 58.0 : 94.0;
}

static int64_t remaining_s(int64_t elapsed_ms, int64_t completed, int64_t total)
{
    if (completed <= 0 || elapsed_ms < 500) {
        return -1;
    }
    return (int64_t)((double)elapsed_ms * (double)(total - completed) / (double)completed / 1000.0 +
                     0.5);
}

static void block_line(struct run *run, const struct worker_line *line)
{
    struct copy_progress *progress = &run->live->progress;
    int64_t now = clock_monotonic_ms(), completed = line->block.completed,
            total = line->block.total;
    if (run->handed_over || total <= 0 || completed < run->last_completed || completed > total ||
        (completed == total && !line->block.handed_over)) {
        return; /* nothing follows the last, nothing falls, and the last is only told when it is true */
    }
    if (!run->first_block_told) {
        run->write_started_ms = now;
    }
    run->last_completed = completed;
    struct block_progress block = {
        .completed = run->first_block_told ? completed : 0,
        .total = total,
        .start_lba = line->block.start_lba,
        .elapsed_ms = now - run->write_started_ms,
        .rate_kb_s = line->block.rate_kb_s,
        .simulate = run->attempt.simulate,
        .device_buffer = line->block.device_buffer,
        .system_buffer = line->block.system_buffer,
    };
    block.eta_s = remaining_s(block.elapsed_ms, completed, total);
    progress->percent =
        SHARE_BEFORE_WRITE + share_of_write(run) * (double)completed / (double)total;
    progress->eta_s = block.eta_s;
    if (!run->first_block_told) {
        run->first_block_told = true;
        tell_progress(run, EVENT_PROGRESS_BLOCK, &block, &progress->block);
        tell_file(run, 0, "write", true);
        if (completed == 0) {
            return;
        }
        block.completed = completed;
    }
    if (line->block.handed_over) {
        run->handed_over = true;
        tell_file(run, completed, "write", true);
        tell_progress(run, EVENT_PROGRESS_BLOCK, &block, &progress->block);
    } else {
        stream_progress(run, EVENT_PROGRESS_BLOCK, &block, &progress->block);
        tell_file(run, completed, "write", false);
    }
}

static void verify_line(struct run *run, const struct worker_line *line)
{
    struct copy_progress *progress = &run->live->progress;
    struct verify_progress verify = {
        .completed = line->verify.completed,
        .total = line->verify.total,
        .bad_sectors = line->verify.bad_sectors,
        .mismatched_files = line->verify.mismatched_files,
    };
    bool last = verify.total > 0 && verify.completed == verify.total;
    bool edge = !run->first_verify_told || last;
    double before = SHARE_BEFORE_WRITE + share_of_write(run);
    progress->percent =
        before +
        (99.0 - before) * (verify.total > 0 ? (double)verify.completed / (double)verify.total : 0);
    if (!run->first_verify_told) {
        run->first_verify_told = true;
        run->file_index = -1;
        if (verify.completed != 0) {
            struct verify_progress first = {.total = verify.total};
            tell_progress(run, EVENT_PROGRESS_VERIFY, &first, &progress->verify);
        }
    }
    if (edge) {
        tell_progress(run, EVENT_PROGRESS_VERIFY, &verify, &progress->verify);
    } else {
        stream_progress(run, EVENT_PROGRESS_VERIFY, &verify, &progress->verify);
    }
    tell_file(run, verify.completed, "verify", edge);
}

/* --- the rest ------------------------------------------------------------------------------ */

static void phase_line(struct run *run, const struct worker_line *line)
{
    if (run->operation != OPERATION_BURN) {
        return; /* the core told the phase of a one-phase operation before it started the worker */
    }
    if (line->phase.phase == PHASE_WRITE) {
        stage_complete(run);
    }
    run_set_phase(run, line->phase.phase, line->phase.cancel, line->phase.expected_s);
    if (line->phase.phase == PHASE_WRITE && !run->cancel_asked) {
        worker_proceed(run->worker);
    }
}

static void items_line(struct run *run, const struct worker_line *line)
{
    struct error err;
    struct attempt *attempt = &run->attempt;
    attempt->blocks = line->items.blocks;
    attempt->base_lba = line->items.base_lba;
    attempt->metadata_blocks = line->items.metadata_blocks;
    char *path = xasprintf("%s/items", run->folder);
    run->items = item_file_open(path, &err);
    free(path);
    if (run->items == NULL) {
        log_warning(attempt->id, "%s", err.message);
        return;
    }
    attempt->has_items = true;
    core_begin(run->core);
    core_put_attempt(run->core, attempt);
    core_commit(run->core);
}

static void medium_line(struct run *run, const struct worker_line *line)
{
    run->attempt.medium_before = line->medium;
    run->attempt.medium_was_blank = line->medium.state == MEDIUM_BLANK;
    core_begin(run->core);
    core_put_attempt(run->core, &run->attempt);
    core_commit(run->core);
}

static void message_line(struct run *run, const struct worker_line *line)
{
    struct library_message message = {
        .library = line->message.library,
        .severity = line->message.severity,
        .text = line->message.text,
        .code = line->message.code,
    };
    struct event_subject subject = run_subject(run);
    job_log(run->core, run->live->job.id, run->attempt.copy, run->attempt.attempt, "library",
            "%s %s %06x: %s", message.library, message.severity, (unsigned)message.code,
            message.text);
    core_stream(run->core, EVENT_MESSAGE, &subject, &message, "message");
}

static void warning_line(struct run *run, const struct worker_line *line)
{
    core_add_warning(run->live, &line->warning);
    job_log(run->core, run->live->job.id, run->attempt.copy, run->attempt.attempt, "warning",
            "%s: %s", line->warning.code, line->warning.detail);
    core_begin(run->core);
    core_settle_job(run->core, run->live);
    core_commit(run->core);
}

void run_line(void *arg, const struct worker_line *line)
{
    struct run *run = arg;
    if (run->live == NULL) {
        return; /* an operation by hand has only its result */
    }
    switch (line->kind) {
    case LINE_PHASE:
        phase_line(run, line);
        break;
    case LINE_STAGE:
        stage_line(run, line);
        break;
    case LINE_BLOCK:
        block_line(run, line);
        break;
    case LINE_VERIFY:
        verify_line(run, line);
        break;
    case LINE_ITEMS:
        items_line(run, line);
        break;
    case LINE_MEDIUM:
        if (run->operation == OPERATION_BURN) {
            medium_line(run, line);
        }
        break;
    case LINE_MESSAGE:
        message_line(run, line);
        break;
    case LINE_WARNING:
        warning_line(run, line);
        break;
    case LINE_PLAN:
    case LINE_HEARTBEAT:
    case LINE_RESULT:
    case LINE_CANCEL:
    case LINE_PROCEED:
    case LINE_COUNT:
        break;
    }
}
