/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * Structs of the core ↔ rows of the store. Nothing else knows both.
 */
#include "job/core_internal.h"

#include "base/alloc.h"
#include "base/clock.h"
#include "base/log.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static const char *or_null(const char *text)
{
    return text[0] != '\0' ? text : NULL;
}

static char *problem_text(const struct error *problem)
{
    return problem->code == ERROR_NONE ? NULL : error_encode(problem);
}

static void or_fatal(struct core *core, int status, const struct error *err)
{
    if (status != 0) {
        core_fatal(core, err);
    }
}

/* "\nkey=value\n…\n": a filter looks for "\nkey=value\n". */
static char *tags_text(const struct job_document *document)
{
    if (document->tag_count == 0) {
        return NULL;
    }
    char *text = xstrdup("\n");
    for (size_t i = 0; i < document->tag_count; i++) {
        char *longer = xasprintf("%s%s=%s\n", text, document->tags[i].key, document->tags[i].value);
        free(text);
        text = longer;
    }
    return text;
}

static char *reasons_text(const struct job *job, bool *needs_person)
{
    enum reason reasons[REASON_COUNT];
    size_t count = job_reasons(job, reasons);
    char text[512] = "";
    for (size_t i = 0; i < count; i++) {
        size_t used = strlen(text);
        snprintf(text + used, sizeof(text) - used, "%s%s", i > 0 ? "," : "",
                 reason_to_text(reasons[i]));
        *needs_person = *needs_person || reason_needs_person(reasons[i]);
    }
    return count > 0 ? xstrdup(text) : NULL;
}

void core_put_job(struct core *core, struct live_job *live)
{
    struct job *job = &live->job;
    struct error err;
    struct job_row row = {
        .type = job_type_to_text(job->document.type),
        .state = job_state_to_text(job->state),
        .title = or_null(job->document.title),
        .client_ref = or_null(job->document.client_ref),
        .recorder = job->document.recorder,
        .pool = or_null(job->document.pool),
        .first_sha256 = or_null(job->first_sha256),
        .cancel_accepted = job->cancel_accepted,
        .held_by_limit = job->held_by_limit,
        .terminal = job_state_is_terminal(job->state),
        .priority = job->document.priority,
        .copy_count = (int64_t)job->copy_count,
        .version = ++job->version,
        .created_at_ms = job->created_at_ms,
        .started_at_ms = job->started_at_ms,
        .ended_at_ms = job->ended_at_ms,
    };
    memcpy(row.id, job->id, sizeof(row.id));
    char *document = core->border.document_render(&job->document);
    char *plan = job->has_plan ? plan_encode(&job->plan) : NULL;
    char *warnings = warnings_encode(job->warnings, job->warning_count);
    char *problem = problem_text(&job->problem), *tags = tags_text(&job->document);
    char *reasons = reasons_text(job, &row.needs_person);
    row.document = document;
    row.plan = plan;
    row.warnings = warnings;
    row.problem = problem;
    row.tags = tags;
    row.reasons = reasons;
    or_fatal(core, store_put_job(core->store, &row, &err), &err);
    free(document);
    free(plan);
    free(warnings);
    free(problem);
    free(tags);
    free(reasons);
}

void core_put_copy(struct core *core, const struct live_job *live, const struct copy *copy)
{
    struct error err;
    char *problem = problem_text(&copy->problem);
    struct copy_row row = {
        .number = copy->number,
        .attempts = copy->attempts,
        .tries = copy->tries,
        .cancel_asked = copy->cancel_asked,
        .state = copy_state_to_text(copy->state),
        .reason = copy->has_reason ? reason_to_text(copy->reason) : NULL,
        .reason_detail = or_null(copy->reason_detail),
        .recorder = or_null(copy->recorder),
        .disc = or_null(copy->disc),
        .problem = problem,
        .reason_since_ms = copy->reason_since_ms,
        .started_at_ms = copy->started_at_ms,
        .ended_at_ms = copy->ended_at_ms,
    };
    memcpy(row.job, live->job.id, sizeof(row.job));
    memcpy(row.id, copy->id, sizeof(row.id));
    or_fatal(core, store_put_copy(core->store, &row, &err), &err);
    free(problem);
}

/* --- attempts ------------------------------------------------------------------------------ */

/* "acquire=1000-1010,write=1010-": what phases_from_text() reads back. */
static char *phases_text(const struct attempt *attempt)
{
    char text[1024] = "";
    for (size_t i = 0; i < attempt->phase_count; i++) {
        const struct phase_record *record = &attempt->phases[i];
        size_t used = strlen(text);
        snprintf(text + used, sizeof(text) - used, "%s%s=%lld-%lld", i > 0 ? "," : "",
                 phase_to_text(record->phase), (long long)record->started_at_ms,
                 (long long)record->ended_at_ms);
    }
    return xstrdup(text);
}

static void phases_from_text(const char *text, struct attempt *out)
{
    char word[32];
    long long started, ended;
    while (text != NULL && *text != '\0' && out->phase_count < PHASES_MAX &&
           sscanf(text, "%31[a-z_]=%lld-%lld", word, &started, &ended) == 3) {
        struct phase_record *record = &out->phases[out->phase_count];
        if (phase_from_text(word, &record->phase) == 0) {
            record->started_at_ms = started;
            record->ended_at_ms = ended;
            out->phase_count++;
        }
        text = strchr(text, ',');
        text = text != NULL ? text + 1 : NULL;
    }
}

static void speed_text(const struct speed *speed, char *out, size_t size)
{
    switch (speed->kind) {
    case SPEED_MAX:
        snprintf(out, size, "max");
        break;
    case SPEED_MIN:
        snprintf(out, size, "min");
        break;
    case SPEED_X:
        snprintf(out, size, "x=%.17g", speed->value);
        break;
    case SPEED_KB_S:
        snprintf(out, size, "kb_s=%.17g", speed->value);
        break;
    }
}

static void speed_from_text(const char *text, struct speed *out)
{
    *out = (struct speed){.kind = SPEED_MAX};
    if (text == NULL || strcmp(text, "max") == 0) {
        return;
    }
    if (strcmp(text, "min") == 0) {
        out->kind = SPEED_MIN;
    } else if (strncmp(text, "x=", 2) == 0) {
        *out = (struct speed){.kind = SPEED_X, .value = strtod(text + 2, NULL)};
    } else if (strncmp(text, "kb_s=", 5) == 0) {
        *out = (struct speed){.kind = SPEED_KB_S, .value = strtod(text + 5, NULL)};
    }
}

void core_put_attempt(struct core *core, const struct attempt *attempt)
{
    struct error err;
    char speed[48];
    speed_text(&attempt->speed_asked, speed, sizeof(speed));
    char *problem = problem_text(&attempt->problem), *phases = phases_text(attempt);
    char *before = attempt->medium_before.present ? medium_encode(&attempt->medium_before) : NULL;
    char *after = attempt->medium_after.present ? medium_encode(&attempt->medium_after) : NULL;
    struct attempt_row row = {
        .copy = attempt->copy,
        .attempt = attempt->attempt,
        .recorder = attempt->recorder,
        .phase = phase_to_text(attempt->phase),
        .cancel = cancel_effect_to_text(attempt->cancel),
        .outcome = outcome_to_text(attempt->outcome),
        .advice = advice_to_text(attempt->advice),
        .disc = or_null(attempt->disc),
        .problem = problem,
        .medium_before = before,
        .medium_after = after,
        .phases = phases,
        .session_sha256 = or_null(attempt->session_sha256),
        .verified = verify_level_to_text(attempt->verified),
        .speed_asked = speed,
        .speed_kb_s = attempt->speed_kb_s,
        .blocks = attempt->blocks,
        .base_lba = attempt->base_lba,
        .metadata_blocks = attempt->metadata_blocks,
        .started_at_ms = attempt->started_at_ms,
        .ended_at_ms = attempt->ended_at_ms,
        .simulate = attempt->simulate,
        .medium_was_blank = attempt->medium_was_blank,
        .has_items = attempt->has_items,
    };
    memcpy(row.id, attempt->id, sizeof(row.id));
    memcpy(row.job, attempt->job, sizeof(row.job));
    or_fatal(core, store_put_attempt(core->store, &row, &err), &err);
    free(problem);
    free(phases);
    free(before);
    free(after);
}

static void text_from(char *field, size_t size, const char *text)
{
    text_copy(field, size, text != NULL ? text : "");
}

void attempt_from_row(const struct attempt_row *row, struct attempt *out)
{
    *out = (struct attempt){0};
    memcpy(out->id, row->id, sizeof(out->id));
    memcpy(out->job, row->job, sizeof(out->job));
    out->copy = row->copy;
    out->attempt = row->attempt;
    text_from(out->recorder, sizeof(out->recorder), row->recorder);
    text_from(out->disc, sizeof(out->disc), row->disc);
    text_from(out->session_sha256, sizeof(out->session_sha256), row->session_sha256);
    if (phase_from_text(row->phase, &out->phase) != 0 ||
        cancel_effect_from_text(row->cancel, &out->cancel) != 0 ||
        outcome_from_text(row->outcome, &out->outcome) != 0 ||
        advice_from_text(row->advice, &out->advice) != 0 ||
        verify_level_from_text(row->verified, &out->verified) != 0) {
        log_warning(row->id, "the store holds a word that this burnd does not know");
    }
    if (row->problem != NULL && error_decode(row->problem, &out->problem) != 0) {
        error_set(&out->problem, ERROR_INTERNAL, "the stored problem cannot be read");
    }
    if (row->medium_before != NULL && medium_decode(row->medium_before, &out->medium_before) != 0) {
        out->medium_before.present = false;
    }
    if (row->medium_after != NULL && medium_decode(row->medium_after, &out->medium_after) != 0) {
        out->medium_after.present = false;
    }
    speed_from_text(row->speed_asked, &out->speed_asked);
    phases_from_text(row->phases, out);
    out->speed_kb_s = row->speed_kb_s;
    out->blocks = row->blocks;
    out->base_lba = row->base_lba;
    out->metadata_blocks = row->metadata_blocks;
    out->started_at_ms = row->started_at_ms;
    out->ended_at_ms = row->ended_at_ms;
    out->simulate = row->simulate;
    out->medium_was_blank = row->medium_was_blank;
    out->has_items = row->has_items;
}

void copy_from_row(const struct copy_row *row, struct copy *out)
{
    *out = (struct copy){0};
    memcpy(out->id, row->id, sizeof(out->id));
    out->number = row->number;
    out->attempts = row->attempts;
    out->tries = row->tries;
    out->cancel_asked = row->cancel_asked;
    if (copy_state_from_text(row->state, &out->state) != 0) {
        out->state = COPY_PENDING;
    }
    out->has_reason = row->reason != NULL && reason_from_text(row->reason, &out->reason) == 0;
    text_from(out->reason_detail, sizeof(out->reason_detail), row->reason_detail);
    text_from(out->recorder, sizeof(out->recorder), row->recorder);
    text_from(out->disc, sizeof(out->disc), row->disc);
    if (row->problem != NULL && error_decode(row->problem, &out->problem) != 0) {
        error_set(&out->problem, ERROR_INTERNAL, "the stored problem cannot be read");
    }
    out->reason_since_ms = row->reason_since_ms;
    out->started_at_ms = row->started_at_ms;
    out->ended_at_ms = row->ended_at_ms;
}

int job_from_row(const struct core *core, const struct job_row *row, struct job *out,
                 struct error *err)
{
    *out = (struct job){0};
    memcpy(out->id, row->id, sizeof(out->id));
    if (core->border.document_parse(row->document, &out->document, err) != 0) {
        return -1;
    }
    if (job_state_from_text(row->state, &out->state) != 0) {
        job_release(out);
        return error_set(err, ERROR_STORE_UNAVAILABLE, "job %s has the unknown state %s", row->id,
                         row->state);
    }
    out->has_plan = row->plan != NULL && plan_decode(row->plan, &out->plan) == 0;
    if (row->warnings != NULL &&
        warnings_decode(row->warnings, out->warnings, &out->warning_count) != 0) {
        out->warning_count = 0;
    }
    text_from(out->first_sha256, sizeof(out->first_sha256), row->first_sha256);
    out->cancel_accepted = row->cancel_accepted;
    out->held_by_limit = row->held_by_limit;
    out->created_at_ms = row->created_at_ms;
    out->started_at_ms = row->started_at_ms;
    out->ended_at_ms = row->ended_at_ms;
    out->version = row->version;
    return 0;
}

void core_put_disc(struct core *core, const struct disc *disc)
{
    struct error err;
    struct disc_row row = {
        .copy = disc->copy,
        .attempt = disc->attempt,
        .recorder = disc->recorder,
        .title = or_null(disc->title),
        .volume_id = or_null(disc->volume_id),
        .profile = disc->profile,
        .fingerprint = or_null(disc->fingerprint),
        .session_sha256 = or_null(disc->session_sha256),
        .outcome = outcome_to_text(disc->outcome),
        .verified = verify_level_to_text(disc->verified),
        .location = or_null(disc->location),
        .blocks = disc->blocks,
        .created_at_ms = disc->created_at_ms,
    };
    memcpy(row.id, disc->id, sizeof(row.id));
    memcpy(row.job, disc->job, sizeof(row.job));
    or_fatal(core, store_put_disc(core->store, &row, &err), &err);
}
