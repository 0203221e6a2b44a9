/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * The `data` object of each event type (api.md §5) from the struct the core published it with
 * (job_events.h says which), and the envelope around an event that comes from the store. The core
 * renders an event once, when it is published; log, clients and store then carry the text. Any
 * thread.
 */
#include "view_parts.h"

#include "base/alloc.h"

#include <stdlib.h>
#include <string.h>

/* Digits that a percent or a speed needs; libjansson would print 17. */
#define REAL_DIGITS JSON_REAL_PRECISION(8)

static json_t *job_created(const void *payload)
{
    const struct job_snapshot *snapshot = payload;
    const struct job *job = &snapshot->job;
    json_t *object = json_object();
    view_put(object, "state", json_string(job_state_to_text(job->state)));
    view_put(object, "type", json_string(job_type_to_text(job->document.type)));
    view_put(object, "title", view_text(job->document.title));
    view_put(object, "copies", json_integer(job->document.copies));
    view_put(object, "queue_position", view_number(snapshot->queue_position));
    return object;
}

static json_t *job_changed(const void *payload)
{
    const struct job_change *change = payload;
    json_t *object = json_object();
    view_put(object, "from", json_string(job_state_to_text(change->from)));
    view_put(object, "to", json_string(job_state_to_text(change->to)));
    view_put(object, "reasons", view_reason_words(change->reasons, change->reason_count));
    view_put(object, "problem", view_problem(change->problem));
    view_put(object, "needs_person", json_boolean(change->needs_person));
    return object;
}

static json_t *copy_changed(const void *payload)
{
    const struct copy_change *change = payload;
    json_t *object = json_object();
    view_put(object, "from", json_string(copy_state_to_text(change->from)));
    view_put(object, "to", json_string(copy_state_to_text(change->to)));
    view_put(object, "attempt", view_number(change->attempt));
    view_put(object, "recorder", view_text(change->recorder));
    view_put(object, "disc", view_text(change->disc));
    view_put(object, "reasons", view_reason_words(&change->reason, change->has_reason ? 1 : 0));
    view_put(object, "problem", view_problem(change->problem));
    return object;
}

static json_t *phase_changed(const void *payload)
{
    const struct phase_change *change = payload;
    json_t *object = json_object();
    view_put(object, "phase", json_string(phase_to_text(change->phase)));
    view_put(object, "cancel", json_string(cancel_effect_to_text(change->cancel)));
    view_put(object, "expected_s", view_count(change->expected_s));
    if (change->phase == PHASE_ENDED) {
        view_put(object, "outcome", view_word(outcome_to_text(change->outcome)));
        view_put(object, "advice", view_word(advice_to_text(change->advice)));
        view_put(object, "problem", view_problem(change->problem));
        view_put(object, "disc", view_text(change->disc));
    }
    return object;
}

static json_t *stage_progress(const void *payload)
{
    const struct stage_progress *progress = payload;
    json_t *object = json_object();
    view_put(object, "completed", json_integer(progress->completed));
    view_put(object, "total", view_count(progress->total));
    view_put(object, "unit", view_text(progress->unit));
    view_put(object, "percent", view_share(progress->completed, progress->total));
    view_put(object, "current_path", view_text(progress->current_path));
    return object;
}

static json_t *buffer_fill(const struct buffer_fill *fill)
{
    json_t *object = json_object();
    view_put(object, "total", view_count(fill->total));
    view_put(object, "used", view_count(fill->used));
    view_put(object, "min_fill", view_count(fill->min_fill));
    return object;
}

/* The address of the block handed over last; of the first one while there is none. */
static int64_t current_lba(const struct block_progress *progress)
{
    return progress->start_lba < 0
               ? -1
               : progress->start_lba + progress->completed - (progress->completed > 0);
}

static json_t *block_progress(const void *payload)
{
    const struct block_progress *progress = payload;
    int64_t elapsed_ms = progress->elapsed_ms;
    json_t *object = json_object();
    view_put(object, "scope", json_string("disc"));
    view_put(object, "track", json_null());
    view_put(object, "completed", json_integer(progress->completed));
    view_put(object, "total", json_integer(progress->total));
    view_put(object, "unit", json_string("blocks"));
    view_put(object, "block_size", json_integer(BLOCK_BYTES));
    view_put(object, "start_lba", view_count(progress->start_lba));
    view_put(object, "lba", view_count(current_lba(progress)));
    view_put(object, "percent", view_share(progress->completed, progress->total));
    view_put(object, "elapsed_s", view_count(elapsed_ms < 0 ? -1 : elapsed_ms / 1000));
    view_put(object, "eta_s", view_count(progress->eta_s));
    view_put(object, "rate_kb_s", view_count(progress->rate_kb_s));
    view_put(object, "rate_x", json_null()); /* a file has no single speed to compare with */
    view_put(object, "simulate", json_boolean(progress->simulate));
    view_put(object, "device_buffer", buffer_fill(&progress->device_buffer));
    view_put(object, "system_buffer", buffer_fill(&progress->system_buffer));
    return object;
}

static json_t *file_progress(const void *payload)
{
    const struct file_progress *progress = payload;
    json_t *object = json_object();
    view_put(object, "path", view_text(progress->path));
    view_put(object, "kind", view_text(progress->kind));
    view_put(object, "side", view_text(progress->side));
    view_put(object, "first_block", view_count(progress->first_block));
    view_put(object, "last_block", view_count(progress->last_block));
    view_put(object, "block_count", view_count(progress->block_count));
    view_put(object, "index", view_count(progress->index));
    view_put(object, "items", view_count(progress->items));
    return object;
}

static json_t *verify_progress(const void *payload)
{
    const struct verify_progress *progress = payload;
    json_t *object = json_object();
    view_put(object, "completed", json_integer(progress->completed));
    view_put(object, "total", json_integer(progress->total));
    view_put(object, "unit", json_string("blocks"));
    view_put(object, "block_size", json_integer(BLOCK_BYTES));
    view_put(object, "percent", view_share(progress->completed, progress->total));
    view_put(object, "bad_sectors", view_count(progress->bad_sectors));
    view_put(object, "mismatched_files", view_count(progress->mismatched_files));
    return object;
}

static json_t *library_message(const void *payload)
{
    const struct library_message *message = payload;
    json_t *object = json_object();
    view_put(object, "library", view_text(message->library));
    view_put(object, "severity", view_text(message->severity));
    view_put(object, "code", json_integer(message->code));
    view_put(object, "text", view_text(message->text));
    return object;
}

static json_t *recorder_changed(const void *payload)
{
    return view_recorder(payload);
}

static json_t *medium_changed(const void *payload)
{
    return view_medium(payload, NULL);
}

static json_t *attention_changed(const void *payload)
{
    return view_attention(payload);
}

static json_t *disc_registered(const void *payload)
{
    return view_disc(payload);
}

static json_t *nothing(const void *payload)
{
    (void)payload;
    return json_object();
}

static json_t *(*const renderers[EVENT_TYPE_COUNT])(const void *payload) = {
    [EVENT_JOB_CREATED] = job_created,
    [EVENT_JOB_STATE] = job_changed,
    [EVENT_JOB_UPDATED] = job_changed,
    [EVENT_JOB_DELETED] = nothing,
    [EVENT_COPY_STATE] = copy_changed,
    [EVENT_ATTEMPT_PHASE] = phase_changed,
    [EVENT_PROGRESS_STAGE] = stage_progress,
    [EVENT_PROGRESS_BLOCK] = block_progress,
    [EVENT_PROGRESS_FILE] = file_progress,
    [EVENT_PROGRESS_VERIFY] = verify_progress,
    [EVENT_RECORDER_ADDED] = recorder_changed,
    [EVENT_RECORDER_STATE] = recorder_changed,
    [EVENT_MEDIUM_INSERTED] = medium_changed,
    [EVENT_MEDIUM_REMOVED] = medium_changed,
    [EVENT_MEDIUM_CHANGED] = medium_changed,
    [EVENT_ATTENTION_RAISED] = attention_changed,
    [EVENT_ATTENTION_UPDATED] = attention_changed,
    [EVENT_ATTENTION_CLEARED] = attention_changed,
    [EVENT_QUEUE_CHANGED] = nothing,
    [EVENT_DISC_REGISTERED] = disc_registered,
    [EVENT_SERVER_SHUTTING_DOWN] = nothing,
    [EVENT_MESSAGE] = library_message,
};

char *view_event_data(int event_type, const void *payload)
{
    bool known = event_type >= 0 && event_type < EVENT_TYPE_COUNT && renderers[event_type] != NULL;
    json_t *object = known && payload != NULL ? renderers[event_type](payload) : json_object();
    char *text = json_dumps(object, JSON_COMPACT | REAL_DIGITS);
    json_decref(object);
    return text != NULL ? text : xstrdup("{}");
}

json_t *view_event_row(const struct event_row *row, const char *epoch)
{
    json_t *data = row->data == NULL ? NULL : json_loads(row->data, 0, NULL);
    json_t *object = json_object();
    view_put(object, "epoch", json_string(epoch));
    view_put(object, "seq", json_integer(row->seq));
    view_put(object, "time", view_time(row->time_ms));
    view_put(object, "type", view_text(row->type));
    view_put(object, "job", view_text(row->job));
    view_put(object, "copy", view_number(row->copy));
    view_put(object, "attempt", view_number(row->attempt));
    view_put(object, "recorder", view_text(row->recorder));
    view_put(object, "data", data != NULL ? data : json_object());
    return object;
}
