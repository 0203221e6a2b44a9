/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * The small and the flat: times and texts, recorders and media, discs, plans, attention. Jobs are
 * in job_views.c, rows of the store in row_views.c, events in event_views.c.
 *
 * One rule runs through all of them: a member that api.md names is always there, and what is not
 * known is null, never 0, -1 or an empty text. Texts that come from file names, discs and libraries
 * may hold bytes that are no UTF-8; these are shown as U+FFFD, so that no member is ever missing
 * because its text could not be written. Pure functions, any thread.
 */
#include "view_parts.h"

#include "base/alloc.h"
#include "base/clock.h"
#include "base/utf8.h"
#include "problem.h"

#include <stdlib.h>
#include <string.h>

/* libburn's number for its pseudo-drive, as a drive's profile numbers are. */
#define STDIO_PROFILE_CODE 0xFFFF

/* --- values -------------------------------------------------------------------------------- */

static json_t *repaired_text(const char *text)
{
    char *good = utf8_repaired(text);
    json_t *value = json_string(good);
    free(good);
    return value;
}

json_t *view_text(const char *text)
{
    if (text == NULL || text[0] == '\0') {
        return json_null();
    }
    json_t *value = json_string(text);
    return value != NULL ? value : repaired_text(text);
}

json_t *view_time(int64_t wall_ms)
{
    if (wall_ms == 0) {
        return json_null();
    }
    char text[CLOCK_TEXT_SIZE];
    clock_to_text(wall_ms, text);
    return json_string(text);
}

json_t *view_count(int64_t value)
{
    return value < 0 ? json_null() : json_integer(value);
}

json_t *view_number(int64_t value)
{
    return value <= 0 ? json_null() : json_integer(value);
}

json_t *view_word(const char *word)
{
    return strcmp(word, "none") == 0 ? json_null() : json_string(word);
}

json_t *view_percent(double percent)
{
    if (!(percent >= 0)) {
        return json_null();
    }
    return json_real(percent >= 100 ? 100.0 : (double)(int64_t)(percent * 100) / 100);
}

json_t *view_share(int64_t completed, int64_t total)
{
    if (completed < 0 || total < 0) {
        return json_null();
    }
    /* nothing to do is done */
    return view_percent(total == 0 ? 100.0 : 100.0 * (double)completed / (double)total);
}

void view_put(json_t *object, const char *name, json_t *owned_value)
{
    json_object_set_new(object, name, owned_value);
}

json_t *view_problem(const struct error *err)
{
    if (err == NULL || err->code == ERROR_NONE) {
        return json_null();
    }
    return problem_json(err, NULL, NULL, NULL);
}

json_t *view_reason_words(const enum reason *reasons, size_t count)
{
    json_t *words = json_array();
    for (size_t i = 0; i < count; i++) {
        json_array_append_new(words, json_string(reason_to_text(reasons[i])));
    }
    return words;
}

static json_t *view_warning(const struct warning *warning)
{
    json_t *object = json_object();
    view_put(object, "code", json_string(warning->code));
    view_put(object, "detail", view_text(warning->detail));
    view_put(object, "pointer", view_text(warning->pointer));
    view_put(object, "count", view_number(warning->count));
    json_t *examples = json_array();
    for (size_t i = 0; i < 3 && warning->examples[i][0] != '\0'; i++) {
        json_array_append_new(examples, view_text(warning->examples[i]));
    }
    view_put(object, "examples", examples);
    return object;
}

json_t *view_warnings(const struct warning *warnings, size_t count)
{
    json_t *array = json_array();
    for (size_t i = 0; i < count; i++) {
        json_array_append_new(array, view_warning(&warnings[i]));
    }
    return array;
}

json_t *view_speed(const struct speed *speed)
{
    json_t *object = NULL;
    switch (speed->kind) {
    case SPEED_MAX:
        return json_string("max");
    case SPEED_MIN:
        return json_string("min");
    case SPEED_X:
        object = json_object();
        view_put(object, "x", json_real(speed->value));
        return object;
    case SPEED_KB_S:
        object = json_object();
        view_put(object, "kb_s", json_integer((json_int_t)speed->value));
        return object;
    }
    return json_null();
}

/* --- medium -------------------------------------------------------------------------------- */

static json_t *medium_flags(const struct medium *medium)
{
    const struct {
        bool holds;
        const char *word;
    } flags[] = {
        {medium->state == MEDIUM_BLANK, "blank"},
        {medium->state == MEDIUM_APPENDABLE, "appendable"},
        {medium->overwritable && medium->state != MEDIUM_BLANK, "overwrite_only"},
        {medium->state == MEDIUM_DAMAGED, "damaged"},
        {medium->erasable && medium->state != MEDIUM_BLANK, "erase_required"},
        {medium->session_count > 0, "non_empty_session"},
        {medium->write_protected, "write_protected"},
        {medium->state == MEDIUM_CLOSED && !medium->overwritable, "finalized"},
        {medium->state == MEDIUM_UNSUPPORTED, "unsupported"},
    };
    json_t *array = json_array();
    for (size_t i = 0; i < sizeof(flags) / sizeof(flags[0]); i++) {
        if (flags[i].holds) {
            json_array_append_new(array, json_string(flags[i].word));
        }
    }
    return array;
}

/* A file holds at most one session of one data track; what belongs to audio is null. */
static json_t *medium_sessions(const struct medium *medium)
{
    json_t *sessions = json_array();
    if (medium->session_count < 1) {
        return sessions;
    }
    json_t *track = json_object();
    view_put(track, "track", json_integer(1));
    view_put(track, "kind", json_string("data"));
    view_put(track, "start_lba", view_count(medium->session_start_lba));
    view_put(track, "sectors", view_count(medium->session_sectors));
    view_put(track, "isrc", json_null());
    view_put(track, "preemphasis", json_null());
    view_put(track, "copy", json_null());
    json_t *session = json_object();
    view_put(session, "session", json_integer(1));
    view_put(session, "start_lba", view_count(medium->session_start_lba));
    view_put(session, "sectors", view_count(medium->session_sectors));
    view_put(session, "state", json_string("closed"));
    view_put(session, "volume_id", view_text(medium->volume_id));
    json_t *tracks = json_array();
    json_array_append_new(tracks, track);
    view_put(session, "tracks", tracks);
    json_array_append_new(sessions, session);
    return sessions;
}

/* What a file never has. */
static void put_absent(json_t *object)
{
    static const char *const absent[] = {"previous_session", "manufacturer", "media_id", "mcn",
                                         "cd_text"};
    for (size_t i = 0; i < sizeof(absent) / sizeof(absent[0]); i++) {
        view_put(object, absent[i], json_null());
    }
    view_put(object, "write_speeds", json_array());
}

static void put_space(json_t *object, const struct medium *medium)
{
    view_put(object, "capacity_sectors", view_count(medium->capacity_sectors));
    view_put(object, "free_sectors", view_count(medium->free_sectors));
    view_put(object, "used_sectors", view_count(medium->used_sectors));
    view_put(object, "block_size", json_integer(BLOCK_BYTES));
    view_put(object, "next_writable_lba", view_count(medium->next_writable_lba));
    view_put(object, "write_unit_sectors", json_integer(1));
}

json_t *view_medium(const struct medium *medium, const char *disc)
{
    json_t *object = json_object();
    bool checked = medium->has_blank_flags;
    view_put(object, "profile", view_text(medium->profile));
    view_put(object, "profile_code", view_number(medium->profile_code));
    view_put(object, "state", json_string(medium_state_to_text(medium->state)));
    view_put(object, "flags", medium_flags(medium));
    view_put(object, "erasable", json_boolean(medium->erasable));
    view_put(object, "overwritable", json_boolean(medium->overwritable));
    view_put(object, "physically_blank",
             checked ? json_boolean(medium->physically_blank) : json_null());
    view_put(object, "heuristically_blank",
             checked ? json_boolean(medium->heuristically_blank) : json_null());
    put_space(object, medium);
    view_put(object, "sessions", medium_sessions(medium));
    put_absent(object);
    view_put(object, "volume_id", view_text(medium->volume_id));
    view_put(object, "fingerprint", view_text(medium->fingerprint));
    json_t *protection = json_array();
    if (medium->write_protected) {
        json_array_append_new(protection, json_string("file_permissions"));
    }
    view_put(object, "write_protect", protection);
    json_t *discs = json_array();
    if (disc != NULL && disc[0] != '\0') {
        json_array_append_new(discs, json_string(disc));
    }
    view_put(object, "disc", view_text(disc));
    view_put(object, "discs", discs);
    view_put(object, "checked_at", view_time(medium->checked_at_ms));
    return object;
}

/* --- recorder ------------------------------------------------------------------------------ */

/* Of a file recorder; a drive will say what it can do. */
static json_t *file_capabilities(void)
{
    json_t *profile = json_object();
    view_put(profile, "code", json_integer(STDIO_PROFILE_CODE));
    view_put(profile, "name", json_string("stdio"));
    view_put(profile, "current", json_true());
    json_t *profiles = json_array(), *writes = json_array(), *modes = json_array();
    json_array_append_new(profiles, profile);
    json_array_append_new(writes, json_string("stdio"));
    json_array_append_new(modes, json_string("dao"));
    json_t *object = json_object();
    view_put(object, "profiles", profiles);
    view_put(object, "writes", writes);
    view_put(object, "simulate", json_true());
    view_put(object, "modes", modes);
    view_put(object, "underrun_protection", json_false());
    view_put(object, "cd_text", json_false());
    view_put(object, "can_eject", json_true());
    view_put(object, "can_load", json_false());
    return object;
}

static json_t *view_lease(const struct lease *lease)
{
    if (!lease->held) {
        return json_null();
    }
    json_t *object = json_object();
    view_put(object, "job", view_text(lease->job));
    view_put(object, "copy", view_number(lease->copy));
    view_put(object, "attempt", view_number(lease->attempt));
    view_put(object, "operation", json_string(operation_to_text(lease->operation)));
    view_put(object, "since", view_time(lease->since_ms));
    return object;
}

json_t *view_recorder(const struct recorder *recorder)
{
    json_t *object = json_object();
    view_put(object, "id", json_string(recorder->id));
    view_put(object, "alias", view_text(recorder->alias));
    view_put(object, "pool", view_text(recorder->pool));
    view_put(object, "tags", json_object());
    view_put(object, "kind", json_string(recorder_kind_to_text(recorder->kind)));
    view_put(object, "node",
             recorder->kind == RECORDER_KIND_FILE ? json_null() : view_text(recorder->path));
    view_put(object, "vendor", view_text(recorder->vendor));
    view_put(object, "product", view_text(recorder->product));
    view_put(object, "revision", view_text(recorder->revision));
    view_put(object, "serial", view_text(recorder->serial));
    view_put(object, "enabled", json_boolean(recorder->enabled));
    view_put(object, "state", json_string(recorder_state_to_text(recorder->state)));
    view_put(object, "activity", json_string(activity_to_text(recorder->activity)));
    view_put(object, "write_in_progress", json_boolean(recorder->write_in_progress));
    view_put(object, "lease", view_lease(&recorder->lease));
    view_put(object, "tray",
             json_string(recorder->kind == RECORDER_KIND_FILE ? "closed" : "unknown"));
    view_put(object, "capabilities", file_capabilities());
    bool has_medium = recorder->medium_known && recorder->medium.present;
    view_put(object, "medium",
             has_medium ? view_medium(&recorder->medium, recorder->medium_disc) : json_null());
    view_put(object, "problem", view_problem(&recorder->problem));
    return object;
}

/* --- plan ---------------------------------------------------------------------------------- */

static json_t *plan_errors(const struct plan *plan)
{
    json_t *array = json_array();
    for (size_t i = 0; i < plan->error_count; i++) {
        const struct error *err = &plan->errors[i];
        json_t *object = json_object();
        view_put(object, "pointer", view_text(err->pointer));
        view_put(object, "code", json_string(error_code_to_text(err->code)));
        view_put(object, "detail", view_text(err->message));
        json_array_append_new(array, object);
    }
    return array;
}

/* The one disc of a copy, measured against the recorder it would most likely get: the first
 * eligible one it fits, else the first that was asked. */
static json_t *plan_discs(const struct plan *plan, const struct submission *recorders)
{
    json_t *array = json_array();
    if (plan->image_sectors < 0) {
        return array;
    }
    json_t *capacity = json_null(), *fits = json_null();
    for (size_t i = 0; recorders != NULL && i < recorders->recorder_count; i++) {
        bool here = recorders->recorders[i].eligible && recorders->recorders[i].fits;
        if (i == 0 || here) {
            json_decref(capacity);
            capacity = view_count(recorders->recorders[i].capacity_sectors);
            fits = json_boolean(recorders->recorders[i].fits);
        }
        if (here) {
            break;
        }
    }
    json_t *disc = json_object();
    view_put(disc, "used_sectors", json_integer(plan->image_sectors));
    view_put(disc, "capacity_sectors", capacity);
    view_put(disc, "fits", fits);
    json_array_append_new(array, disc);
    return array;
}

static json_t *plan_eligible(const struct submission *recorders)
{
    json_t *array = json_array();
    for (size_t i = 0; i < recorders->recorder_count; i++) {
        if (recorders->recorders[i].eligible) {
            json_array_append_new(array, view_text(recorders->recorders[i].recorder));
        }
    }
    return array;
}

static json_t *plan_ineligible(const struct submission *recorders)
{
    json_t *array = json_array();
    for (size_t i = 0; i < recorders->recorder_count; i++) {
        if (recorders->recorders[i].eligible) {
            continue;
        }
        json_t *reasons = json_array();
        for (size_t r = 0; r < recorders->recorders[i].reason_count; r++) {
            json_array_append_new(reasons, view_text(recorders->recorders[i].reasons[r]));
        }
        json_t *object = json_object();
        view_put(object, "recorder", view_text(recorders->recorders[i].recorder));
        view_put(object, "reasons", reasons);
        json_array_append_new(array, object);
    }
    return array;
}

/* How long a file takes depends on what lies below it: nothing is promised. */
static json_t *plan_estimates(void)
{
    static const char *const parts[] = {"stage", "write", "close", "verify"};
    json_t *object = json_object();
    for (size_t i = 0; i < sizeof(parts) / sizeof(parts[0]); i++) {
        view_put(object, parts[i], json_null());
    }
    return object;
}

static json_t *plan_effective(void)
{
    json_t *object = json_object();
    view_put(object, "close", json_true());
    view_put(object, "mode", json_string("dao"));
    view_put(object, "speed", json_null());
    return object;
}

json_t *view_plan(const struct plan *plan, const struct submission *recorders)
{
    json_t *object = json_object();
    view_put(object, "ok", json_boolean(plan->ok));
    view_put(object, "errors", plan_errors(plan));
    view_put(object, "warnings", view_warnings(plan->warnings, plan->warning_count));
    view_put(object, "files", view_count(plan->files));
    view_put(object, "directories", view_count(plan->directories));
    view_put(object, "image_bytes", view_count(plan->image_bytes));
    view_put(object, "image_sectors", view_count(plan->image_sectors));
    view_put(object, "discs", plan_discs(plan, recorders));
    view_put(object, "eligible_recorders",
             recorders == NULL ? json_null() : plan_eligible(recorders));
    view_put(object, "ineligible_recorders",
             recorders == NULL ? json_null() : plan_ineligible(recorders));
    view_put(object, "estimated_s", plan_estimates());
    view_put(object, "effective", plan_effective());
    return object;
}

/* --- register and attention ---------------------------------------------------------------- */

json_t *view_disc(const struct disc *disc)
{
    json_t *object = json_object();
    view_put(object, "id", json_string(disc->id));
    view_put(object, "job", view_text(disc->job));
    view_put(object, "copy", view_number(disc->copy));
    view_put(object, "attempt", view_number(disc->attempt));
    view_put(object, "recorder", view_text(disc->recorder));
    view_put(object, "title", view_text(disc->title));
    view_put(object, "volume_id", view_text(disc->volume_id));
    view_put(object, "profile", view_text(disc->profile));
    view_put(object, "media_id", json_null());
    view_put(object, "fingerprint", view_text(disc->fingerprint));
    view_put(object, "session_sha256", view_text(disc->session_sha256));
    view_put(object, "blocks", view_count(disc->blocks));
    view_put(object, "block_size", json_integer(BLOCK_BYTES));
    view_put(object, "outcome", view_word(outcome_to_text(disc->outcome)));
    view_put(object, "verified", json_string(verify_level_to_text(disc->verified)));
    view_put(object, "location", view_text(disc->location));
    view_put(object, "created_at", view_time(disc->created_at_ms));
    return object;
}

json_t *view_attention(const struct attention *attention)
{
    json_t *actions = json_array();
    for (size_t i = 0; i < attention->action_count; i++) {
        json_t *action = json_object();
        view_put(action, "action", view_text(attention->actions[i].action));
        view_put(action, "label", view_text(attention->actions[i].label));
        view_put(action, "destructive", json_boolean(attention->actions[i].destructive));
        json_array_append_new(actions, action);
    }
    json_t *object = json_object();
    view_put(object, "id", json_string(attention->id));
    view_put(object, "severity", view_text(attention->severity));
    view_put(object, "code", view_text(attention->code));
    view_put(object, "text", view_text(attention->text));
    view_put(object, "raised_at", view_time(attention->raised_at_ms));
    view_put(object, "job", view_text(attention->job));
    view_put(object, "copy", view_number(attention->copy));
    view_put(object, "attempt", view_number(attention->attempt));
    view_put(object, "recorder", view_text(attention->recorder));
    view_put(object, "actions", actions);
    return object;
}
