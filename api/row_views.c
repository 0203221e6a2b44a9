/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * Rows of the store as JSON. What is not in memory any more must look exactly like what is: copies,
 * attempts and discs become structs again and pass through the views of those; a job takes its
 * stored document, which is JSON already, and the list of members is completed by
 * view_job_complete().
 *
 * Of a job that is not terminal a row knows less than the core (percent, what is active): callers
 * lay the core's snapshot over it and use the row only when the job ended in between. Any thread.
 */
#include "view_parts.h"

#include "base/alloc.h"

#include <stdlib.h>
#include <string.h>

static json_t *row_problem(const char *text)
{
    struct error problem;
    if (text == NULL) {
        return json_null();
    }
    if (error_decode(text, &problem) != 0) {
        error_set(&problem, ERROR_INTERNAL, "the stored problem cannot be read");
    }
    return view_problem(&problem);
}

static json_t *row_warnings(const char *text)
{
    struct warning warnings[WARNINGS_MAX];
    size_t count = 0;
    if (text == NULL || warnings_decode(text, warnings, &count) != 0) {
        count = 0;
    }
    return view_warnings(warnings, count);
}

/* Stored as "recorder_busy,medium_missing". */
static json_t *row_reasons(const char *text)
{
    json_t *reasons = json_array();
    while (text != NULL && *text != '\0') {
        size_t length = strcspn(text, ",");
        json_array_append_new(reasons, json_stringn(text, length));
        text += length + (text[length] == ',');
    }
    return reasons;
}

static json_t *row_reason_details(const json_t *reasons)
{
    json_t *details = json_array();
    for (size_t i = 0; i < json_array_size(reasons); i++) {
        json_t *detail = json_object();
        view_put(detail, "code", json_incref(json_array_get(reasons, i)));
        view_put(detail, "copy", json_null());
        view_put(detail, "recorder", json_null());
        view_put(detail, "attention", json_null());
        view_put(detail, "detail", json_null());
        view_put(detail, "since", json_null());
        json_array_append_new(details, detail);
    }
    return details;
}

json_t *view_job_row(const struct job_row *row, json_t *owned_copies_summary)
{
    json_t *object = row->document == NULL ? NULL : json_loads(row->document, 0, NULL);
    object = object != NULL ? object : json_object();
    json_t *reasons = row_reasons(row->reasons);
    bool completed =
        row->state != NULL && strcmp(row->state, job_state_to_text(JOB_COMPLETED)) == 0;
    view_put(object, "id", json_string(row->id));
    view_put(object, "state", view_text(row->state));
    view_put(object, "reason_details", row_reason_details(reasons));
    view_put(object, "reasons", reasons);
    view_put(object, "needs_person", json_boolean(row->needs_person));
    view_put(object, "percent", view_percent(completed ? 100.0 : -1.0));
    view_put(object, "created_at", view_time(row->created_at_ms));
    view_put(object, "started_at", view_time(row->started_at_ms));
    view_put(object, "ended_at", view_time(row->ended_at_ms));
    view_put(object, "copies_summary", owned_copies_summary);
    view_put(object, "active", json_array());
    view_put(object, "warnings", row_warnings(row->warnings));
    view_put(object, "problem", row_problem(row->problem));
    view_put(object, "effective", view_job_effective(0));
    view_put(object, "links", view_job_links(row->id));
    view_job_complete(object);
    return object;
}

json_t *view_copy_row(const struct copy_row *row)
{
    struct copy copy;
    copy_from_row(row, &copy);
    return view_copy(row->job, &copy);
}

json_t *view_attempt_row(const struct attempt_row *row)
{
    struct attempt *attempt = xcalloc(1, sizeof(*attempt));
    attempt_from_row(row, attempt);
    json_t *object = view_attempt(attempt);
    free(attempt);
    return object;
}

static void take(char *field, size_t size, const char *text)
{
    text_copy(field, size, text != NULL ? text : "");
}

json_t *view_disc_row(const struct disc_row *row)
{
    struct disc disc = {.copy = row->copy, .attempt = row->attempt};
    memcpy(disc.id, row->id, sizeof(disc.id));
    memcpy(disc.job, row->job, sizeof(disc.job));
    take(disc.recorder, sizeof(disc.recorder), row->recorder);
    take(disc.title, sizeof(disc.title), row->title);
    take(disc.volume_id, sizeof(disc.volume_id), row->volume_id);
    take(disc.profile, sizeof(disc.profile), row->profile);
    take(disc.fingerprint, sizeof(disc.fingerprint), row->fingerprint);
    take(disc.session_sha256, sizeof(disc.session_sha256), row->session_sha256);
    take(disc.location, sizeof(disc.location), row->location);
    if (row->outcome == NULL || outcome_from_text(row->outcome, &disc.outcome) != 0) {
        disc.outcome = OUTCOME_UNKNOWN;
    }
    if (row->verified == NULL || verify_level_from_text(row->verified, &disc.verified) != 0) {
        disc.verified = VERIFY_NONE;
    }
    disc.blocks = row->blocks;
    disc.created_at_ms = row->created_at_ms;
    return view_disc(&disc);
}

void view_progress_event(json_t *progress, const struct event_row *row)
{
    static const char prefix[] = "progress.";
    json_t *copy = json_array_get(json_object_get(progress, "copies"), (size_t)row->copy - 1);
    if (row->copy < 1 || copy == NULL || strncmp(row->type, prefix, strlen(prefix)) != 0) {
        return;
    }
    const char *kind = row->type + strlen(prefix);
    json_t *data = row->data == NULL ? NULL : json_loads(row->data, 0, NULL);
    if (data != NULL && json_object_get(copy, kind) != NULL) {
        view_put(copy, kind, data);
    } else {
        json_decref(data);
    }
}
