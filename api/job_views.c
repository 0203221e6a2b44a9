/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * Jobs, their documents, copies and attempts as JSON. A job answer is the document with the job's
 * own members beside it (api.md §4): view_document() makes the first half, also for the store, and
 * view_job() or view_job_row() the second. Both end in view_job_complete(), which holds the list of
 * members, so that a job looks the same whether it came from memory or from the store.
 *
 * Copies and attempts of the store become structs first (row_views.c) and pass through the same
 * functions. Pure functions, any thread.
 */
#include "view_parts.h"

#include "base/alloc.h"

#include <stdlib.h>
#include <string.h>

/* Of the many copies that wait for the same thing one detail is told; this bounds the different
 * things. */
#define REASON_DETAILS_MAX 50

/* --- the document -------------------------------------------------------------------------- */

static json_t *texts(char *const *list, size_t count)
{
    json_t *array = json_array();
    for (size_t i = 0; i < count; i++) {
        json_t *text = view_text(list[i]);
        json_array_append_new(array, json_is_null(text) ? json_string("") : text);
    }
    return array;
}

/* `first` is an array of fields of `size` bytes; null when there are none. */
static json_t *fields_or_null(const char *first, size_t size, size_t count)
{
    if (count == 0) {
        return json_null();
    }
    json_t *array = json_array();
    for (size_t i = 0; i < count; i++) {
        json_array_append_new(array, view_text(first + i * size));
    }
    return array;
}

static json_t *document_target(const struct job_document *document)
{
    json_t *medium = json_object();
    view_put(medium, "profiles",
             fields_or_null(document->profiles[0], sizeof(document->profiles[0]),
                            document->profile_count));
    view_put(medium, "require", json_string(medium_require_to_text(document->require)));
    view_put(medium, "fingerprint", json_null());
    json_t *target = json_object();
    bool several = document->recorder_count > 0;
    view_put(target, "recorder", several ? json_null() : view_text(document->recorder));
    view_put(target, "recorders",
             fields_or_null(document->recorders[0], sizeof(document->recorders[0]),
                            document->recorder_count));
    view_put(target, "pool", view_text(document->pool));
    view_put(target, "tags", json_object());
    view_put(target, "medium", medium);
    bool decided = document->on_wrong_medium != WRONG_MEDIUM_DEFAULT;
    view_put(target, "on_wrong_medium",
             decided ? json_string(wrong_medium_to_text(document->on_wrong_medium)) : json_null());
    view_put(target, "wait_timeout_s", json_integer(document->wait_timeout_s));
    return target;
}

static json_t *document_entries(const struct data_spec *data)
{
    json_t *entries = json_array();
    for (size_t i = 0; i < data->entry_count; i++) {
        const struct data_entry *entry = &data->entries[i];
        json_t *object = json_object();
        if (entry->text != NULL) { /* may be "": an empty file */
            view_put(object, "text",
                     entry->text[0] == '\0' ? json_string("") : view_text(entry->text));
        } else {
            view_put(object, "from", view_text(entry->from));
        }
        view_put(object, "to", view_text(entry->to));
        json_array_append_new(entries, object);
    }
    return entries;
}

static json_t *document_data(const struct job_document *document)
{
    const struct data_spec *data = &document->data;
    json_t *filesystem = json_object();
    view_put(filesystem, "iso_level", json_integer(data->iso_level));
    view_put(filesystem, "rock_ridge", json_boolean(data->rock_ridge));
    view_put(filesystem, "joliet", json_boolean(data->joliet));
    view_put(filesystem, "hfsplus", json_false());
    view_put(filesystem, "udf", json_false());
    json_t *object = json_object();
    view_put(object, "ownership", json_string(ownership_to_text(data->ownership)));
    view_put(object, "entries", document_entries(data));
    view_put(object, "exclude", texts(data->exclude, data->exclude_count));
    view_put(object, "symlinks", json_string(symlink_policy_to_text(data->symlinks)));
    view_put(object, "on_unreadable", json_string(unreadable_policy_to_text(data->on_unreadable)));
    view_put(object, "volume_id", view_text(data->volume_id));
    view_put(object, "publisher", view_text(data->publisher));
    view_put(object, "preparer", view_text(data->preparer));
    view_put(object, "application", view_text(data->application));
    view_put(object, "filesystem", filesystem);
    view_put(object, "boot", json_array());
    view_put(object, "checksums",
             json_string(document->checksums[0] != '\0' ? document->checksums : "auto"));
    view_put(object, "reproducible", json_false());
    return object;
}

static json_t *document_image(const struct image_spec *image)
{
    json_t *object = json_object();
    view_put(object, "from", view_text(image->from));
    view_put(object, "sha256", view_text(image->sha256));
    return object;
}

static json_t *document_burn(const struct job_document *document)
{
    json_t *object = json_object();
    view_put(object, "speed", view_speed(&document->speed));
    view_put(object, "mode", view_text(document->mode));
    view_put(object, "close", json_boolean(document->close));
    view_put(object, "simulate", json_boolean(document->simulate));
    view_put(object, "underrun_protection", json_boolean(document->underrun_protection));
    view_put(object, "force_overwrite", json_boolean(document->force_overwrite));
    view_put(object, "blank_first", view_text(document->blank_first));
    view_put(object, "stream_recording", json_boolean(document->stream_recording));
    return object;
}

/* The short form when only the level says something. */
static json_t *document_verify(const struct job_document *document)
{
    json_t *level = json_string(verify_level_to_text(document->verify));
    bool anywhere = strcmp(document->verify_where, "any") == 0;
    if (document->verify_reload && !anywhere) {
        return level;
    }
    json_t *object = json_object();
    view_put(object, "level", level);
    view_put(object, "where", json_string(anywhere ? "any" : "same_recorder"));
    view_put(object, "reload", json_boolean(document->verify_reload));
    return object;
}

static json_t *document_on_failure(const struct job_document *document)
{
    json_t *object = json_object();
    view_put(object, "attempts_per_copy", json_integer(document->attempts_per_copy));
    view_put(object, "reduce_speed", json_boolean(document->reduce_speed));
    view_put(object, "max_ruined_discs", view_count(document->max_ruined_discs));
    view_put(object, "then", json_string(failure_then_to_text(document->then)));
    return object;
}

static json_t *document_after(enum eject_wish eject)
{
    json_t *object = json_object();
    view_put(object, "eject",
             eject == EJECT_WISH_AUTO ? json_string("auto")
                                      : json_boolean(eject == EJECT_WISH_YES));
    return object;
}

static json_t *document_tags(const struct job_document *document)
{
    json_t *tags = json_object();
    for (size_t i = 0; i < document->tag_count; i++) {
        json_t *value = view_text(document->tags[i].value);
        view_put(tags, document->tags[i].key, json_is_null(value) ? json_string("") : value);
    }
    return tags;
}

json_t *view_document(const struct job_document *document)
{
    json_t *object = json_object();
    view_put(object, "type", json_string(job_type_to_text(document->type)));
    view_put(object, "title", view_text(document->title));
    view_put(object, "client_ref", view_text(document->client_ref));
    view_put(object, "tags", document_tags(document));
    view_put(object, "priority", json_integer(document->priority));
    view_put(object, "copies", json_integer(document->copies));
    view_put(object, "target", document_target(document));
    switch (document->type) {
    case JOB_TYPE_DATA:
        view_put(object, "data", document_data(document));
        break;
    case JOB_TYPE_IMAGE:
        view_put(object, "image", document_image(&document->image));
        break;
    case JOB_TYPE_COUNT:
        break;
    }
    view_put(object, "burn", document_burn(document));
    view_put(object, "verify", document_verify(document));
    view_put(object, "on_failure", document_on_failure(document));
    view_put(object, "after", document_after(document->eject));
    view_put(object, "schedule", json_null());
    return object;
}

char *view_document_text(const struct job_document *document)
{
    json_t *object = view_document(document);
    char *text = json_dumps(object, JSON_COMPACT);
    json_decref(object);
    return text != NULL ? text : xstrdup("{}");
}

/* --- the job ------------------------------------------------------------------------------- */

void view_job_complete(json_t *job)
{
    static const char *const members[] = {
        "id",         "state",    "reasons",    "reason_details", "needs_person",
        "percent",    "eta_s",    "cancel",     "queue_position", "created_at",
        "started_at", "ended_at", "created_by", "copies_summary", "active",
        "warnings",   "problem",  "effective",  "links",
    };
    for (size_t i = 0; i < sizeof(members) / sizeof(members[0]); i++) {
        if (json_object_get(job, members[i]) == NULL) {
            view_put(job, members[i], json_null());
        }
    }
}

json_t *view_job_links(const char *id)
{
    static const char *const parts[] = {"copies", "progress", "plan", "log", "items"};
    json_t *links = json_object();
    view_put(links, "self", json_sprintf("/api/v1/jobs/%s", id));
    for (size_t i = 0; i < sizeof(parts) / sizeof(parts[0]); i++) {
        view_put(links, parts[i], json_sprintf("/api/v1/jobs/%s/%s", id, parts[i]));
    }
    view_put(links, "events", json_sprintf("/api/v1/events?topics=jobs/%s&since=oldest", id));
    return links;
}

json_t *view_copies_summary(const int64_t counts[COPY_COUNT])
{
    json_t *summary = json_object();
    int64_t total = 0;
    for (int state = 0; state < COPY_COUNT; state++) {
        total += counts[state];
        view_put(summary, copy_state_to_text((enum copy_state)state), json_integer(counts[state]));
    }
    view_put(summary, "total", json_integer(total));
    return summary;
}

static json_t *reason_detail(enum reason reason, json_t *owned_copy, const char *recorder,
                             const char *detail, int64_t since_ms)
{
    json_t *object = json_object();
    view_put(object, "code", json_string(reason_to_text(reason)));
    view_put(object, "copy", owned_copy);
    view_put(object, "recorder", view_text(recorder));
    view_put(object, "attention", json_null());
    view_put(object, "detail", view_text(detail));
    view_put(object, "since", view_time(since_ms));
    return object;
}

static bool same_reason(const struct copy *a, const struct copy *b)
{
    return a->reason == b->reason && strcmp(a->recorder, b->recorder) == 0 &&
           strcmp(a->reason_detail, b->reason_detail) == 0;
}

/* One detail for all copies that wait for the same; its `copy` is null when they are several. */
static json_t *reason_details(const struct job *job)
{
    json_t *details = json_array();
    const struct copy *told[REASON_DETAILS_MAX];
    size_t count = 0;
    for (size_t i = 0; i < job->copy_count; i++) {
        const struct copy *copy = &job->copies[i];
        if (!copy->has_reason) {
            continue;
        }
        size_t at = 0;
        while (at < count && !same_reason(told[at], copy)) {
            at++;
        }
        if (at < count) {
            view_put(json_array_get(details, at), "copy", json_null());
        } else if (count < REASON_DETAILS_MAX) {
            told[count++] = copy;
            json_array_append_new(details, reason_detail(copy->reason, json_integer(copy->number),
                                                         copy->recorder, copy->reason_detail,
                                                         copy->reason_since_ms));
        }
    }
    if (job->held_by_limit) {
        json_array_append_new(details,
                              reason_detail(REASON_RUINED_DISC_LIMIT, json_null(), "", "", 0));
    }
    return details;
}

static bool is_active(const struct copy *copy)
{
    return copy->state == COPY_ASSIGNED || copy->state == COPY_RUNNING ||
           (copy->state == COPY_WAITING && copy->recorder[0] != '\0');
}

/* Phase and percent are known of the copy whose attempt runs. */
static json_t *active_copy(const struct copy *copy, const struct job_snapshot *snapshot)
{
    bool runs = snapshot->current.id[0] != '\0' && snapshot->current.copy == copy->number;
    bool counts = snapshot->progress.copy == copy->number;
    json_t *object = json_object();
    view_put(object, "copy", json_integer(copy->number));
    view_put(object, "state", json_string(copy_state_to_text(copy->state)));
    view_put(object, "recorder", view_text(copy->recorder));
    view_put(object, "attempt", view_number(runs ? snapshot->current.attempt : copy->attempts));
    view_put(object, "phase",
             runs ? view_word(phase_to_text(snapshot->current.phase)) : json_null());
    view_put(object, "cancel",
             runs ? json_string(cancel_effect_to_text(snapshot->current.cancel)) : json_null());
    view_put(object, "percent", view_percent(counts ? snapshot->progress.percent : -1));
    view_put(object, "eta_s", view_count(counts ? snapshot->progress.eta_s : -1));
    return object;
}

static void put_copies(json_t *object, const struct job_snapshot *snapshot)
{
    int64_t counts[COPY_COUNT] = {0};
    json_t *active = json_array();
    for (size_t i = 0; i < snapshot->job.copy_count; i++) {
        const struct copy *copy = &snapshot->job.copies[i];
        counts[copy->state]++;
        if (is_active(copy)) {
            json_array_append_new(active, active_copy(copy, snapshot));
        }
    }
    view_put(object, "copies_summary", view_copies_summary(counts));
    view_put(object, "active", active);
}

/* What a file recorder makes of the wishes: always closed, always in one go. */
json_t *view_job_effective(int64_t speed_kb_s)
{
    json_t *object = json_object();
    view_put(object, "close", json_true());
    view_put(object, "mode", json_string("dao"));
    view_put(object, "speed_kb_s", view_number(speed_kb_s));
    return object;
}

json_t *view_job(const struct job_snapshot *snapshot)
{
    const struct job *job = &snapshot->job;
    bool terminal = job_state_is_terminal(job->state), runs = snapshot->current.id[0] != '\0';
    enum reason reasons[REASON_COUNT];
    size_t reason_count = job_reasons(job, reasons);
    json_t *object = view_document(&job->document);
    view_put(object, "id", json_string(job->id));
    view_put(object, "state", json_string(job_state_to_text(job->state)));
    view_put(object, "reasons", view_reason_words(reasons, reason_count));
    view_put(object, "reason_details", reason_details(job));
    view_put(object, "needs_person", json_boolean(snapshot->needs_person));
    view_put(object, "percent", view_percent(snapshot->percent));
    view_put(object, "eta_s", view_count(terminal ? -1 : snapshot->eta_s));
    view_put(object, "cancel",
             terminal ? json_null() : json_string(cancel_effect_to_text(snapshot->cancel)));
    view_put(object, "queue_position", view_number(snapshot->queue_position));
    view_put(object, "created_at", view_time(job->created_at_ms));
    view_put(object, "started_at", view_time(job->started_at_ms));
    view_put(object, "ended_at", view_time(job->ended_at_ms));
    put_copies(object, snapshot);
    view_put(object, "warnings", view_warnings(job->warnings, job->warning_count));
    view_put(object, "problem", view_problem(&job->problem));
    view_put(object, "effective", view_job_effective(runs ? snapshot->current.speed_kb_s : 0));
    view_put(object, "links", view_job_links(job->id));
    view_job_complete(object);
    return object;
}

char *view_job_text(const void *snapshot)
{
    json_t *object = view_job(snapshot);
    char *text = json_dumps(object, JSON_COMPACT | JSON_REAL_PRECISION(8));
    json_decref(object);
    return text != NULL ? text : xstrdup("{}");
}

/* --- copies and attempts ------------------------------------------------------------------- */

json_t *view_copy(const char *job, const struct copy *copy)
{
    json_t *object = json_object();
    view_put(object, "id", json_string(copy->id));
    view_put(object, "job", json_string(job));
    view_put(object, "copy", json_integer(copy->number));
    view_put(object, "state", json_string(copy_state_to_text(copy->state)));
    view_put(object, "reasons", view_reason_words(&copy->reason, copy->has_reason ? 1 : 0));
    view_put(object, "recorder", view_text(copy->recorder));
    view_put(object, "disc", view_text(copy->disc));
    view_put(object, "attempts", json_integer(copy->attempts));
    view_put(object, "problem", view_problem(&copy->problem));
    view_put(object, "started_at", view_time(copy->started_at_ms));
    view_put(object, "ended_at", view_time(copy->ended_at_ms));
    return object;
}

static json_t *attempt_phases(const struct attempt *attempt)
{
    json_t *phases = json_array();
    for (size_t i = 0; i < attempt->phase_count && i < PHASES_MAX; i++) {
        json_t *phase = json_object();
        view_put(phase, "phase", json_string(phase_to_text(attempt->phases[i].phase)));
        view_put(phase, "started_at", view_time(attempt->phases[i].started_at_ms));
        view_put(phase, "ended_at", view_time(attempt->phases[i].ended_at_ms));
        json_array_append_new(phases, phase);
    }
    return phases;
}

json_t *view_attempt(const struct attempt *attempt)
{
    json_t *speed = json_object();
    view_put(speed, "asked", view_speed(&attempt->speed_asked));
    view_put(speed, "effective", view_number(attempt->speed_kb_s));
    json_t *object = json_object();
    view_put(object, "id", json_string(attempt->id));
    view_put(object, "attempt", json_integer(attempt->attempt));
    view_put(object, "copy", json_integer(attempt->copy));
    view_put(object, "recorder", view_text(attempt->recorder));
    view_put(object, "phase", view_word(phase_to_text(attempt->phase)));
    view_put(object, "cancel", json_string(cancel_effect_to_text(attempt->cancel)));
    view_put(object, "outcome", view_word(outcome_to_text(attempt->outcome)));
    view_put(object, "advice", view_word(advice_to_text(attempt->advice)));
    view_put(object, "speed", speed);
    view_put(object, "simulate", json_boolean(attempt->simulate));
    view_put(object, "medium_before",
             attempt->medium_before.present ? view_medium(&attempt->medium_before, NULL)
                                            : json_null());
    view_put(object, "medium_after",
             attempt->medium_after.present ? view_medium(&attempt->medium_after, attempt->disc)
                                           : json_null());
    view_put(object, "disc", view_text(attempt->disc));
    view_put(object, "problem", view_problem(&attempt->problem));
    view_put(object, "phases", attempt_phases(attempt));
    return object;
}

/* --- progress ------------------------------------------------------------------------------ */

/* The data of the last event of a kind, or null. */
static json_t *last_data(const char *text)
{
    json_t *value = text == NULL ? NULL : json_loads(text, 0, NULL);
    return value != NULL ? value : json_null();
}

static void put_last_events(json_t *object, const struct copy_progress *progress)
{
    static const char *const unbuilt[] = {"track", "read", "erase", "sync"};
    view_put(object, "block", last_data(progress != NULL ? progress->block : NULL));
    view_put(object, "file", last_data(progress != NULL ? progress->file : NULL));
    view_put(object, "stage", last_data(progress != NULL ? progress->stage : NULL));
    view_put(object, "verify", last_data(progress != NULL ? progress->verify : NULL));
    for (size_t i = 0; i < sizeof(unbuilt) / sizeof(unbuilt[0]); i++) {
        view_put(object, unbuilt[i], json_null());
    }
}

static json_t *progress_of_copy(const struct copy *copy, const struct job_snapshot *snapshot)
{
    bool runs = snapshot->current.id[0] != '\0' && snapshot->current.copy == copy->number;
    bool counts = snapshot->progress.copy == copy->number;
    double percent = counts ? snapshot->progress.percent : copy->state == COPY_DONE ? 100.0 : -1.0;
    json_t *object = json_object();
    view_put(object, "copy", json_integer(copy->number));
    view_put(object, "state", json_string(copy_state_to_text(copy->state)));
    view_put(object, "attempt", view_number(runs ? snapshot->current.attempt : copy->attempts));
    view_put(object, "recorder", view_text(copy->recorder));
    view_put(object, "phase",
             runs ? view_word(phase_to_text(snapshot->current.phase)) : json_null());
    view_put(object, "cancel",
             runs ? json_string(cancel_effect_to_text(snapshot->current.cancel)) : json_null());
    view_put(object, "percent", view_percent(percent));
    put_last_events(object, counts ? &snapshot->progress : NULL);
    return object;
}

json_t *view_progress(const struct job_snapshot *snapshot)
{
    const struct job *job = &snapshot->job;
    json_t *copies = json_array();
    for (size_t i = 0; i < job->copy_count; i++) {
        json_array_append_new(copies, progress_of_copy(&job->copies[i], snapshot));
    }
    json_t *object = json_object();
    view_put(object, "job", json_string(job->id));
    view_put(object, "state", json_string(job_state_to_text(job->state)));
    view_put(object, "percent", view_percent(snapshot->percent));
    view_put(object, "eta_s", view_count(job_state_is_terminal(job->state) ? -1 : snapshot->eta_s));
    view_put(object, "copies", copies);
    return object;
}
