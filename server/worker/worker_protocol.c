/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * See worker_protocol.h. The tables say what the members of each struct are called and where they
 * are; protocol_fields.c goes by them in both directions. What a table cannot say (arrays) is
 * written out below them.
 */
#include "worker/worker_protocol.h"

#include "base/alloc.h"
#include "worker/protocol_fields.h"

#include <stdlib.h>
#include <string.h>

/* --- words --------------------------------------------------------------------------------- */

DEFINE_WORDS(OPERATIONS, operation)
DEFINE_WORDS(PHASES, phase)
DEFINE_WORDS(CANCEL_EFFECTS, cancel_effect)
DEFINE_WORDS(OUTCOMES, outcome)
DEFINE_WORDS(ADVICES, advice)
DEFINE_WORDS(SYMLINK_POLICIES, symlink_policy)
DEFINE_WORDS(OWNERSHIPS, ownership)
DEFINE_WORDS(UNREADABLE_POLICIES, unreadable_policy)
DEFINE_WORDS(VERIFY_LEVELS, verify_level)
DEFINE_WORDS(MEDIUM_STATES, medium_state)
DEFINE_WORDS(LINE_KINDS, line_kind)

static const char *const speed_words[] = {"max", "min", "x", "kb_s", NULL};
static const char *const code_words[] = {ERROR_CODES(WORD_ONLY) NULL};

/* --- tables -------------------------------------------------------------------------------- */

static const struct field device_fields[] = {
    PLAIN(struct error_device, recorder, FIELD_CHARS),
    PLAIN(struct error_device, node, FIELD_CHARS),
    PLAIN(struct error_device, phase, FIELD_CHARS),
    PLAIN(struct error_device, at_lba, FIELD_INT64),
    PLAIN(struct error_device, sense_key, FIELD_INT),
    PLAIN(struct error_device, sense_asc, FIELD_INT),
    PLAIN(struct error_device, sense_ascq, FIELD_INT),
    PLAIN(struct error_device, sense_text, FIELD_CHARS),
    PLAIN(struct error_device, library, FIELD_CHARS),
    PLAIN(struct error_device, severity, FIELD_CHARS),
    PLAIN(struct error_device, library_code, FIELD_INT),
    PLAIN(struct error_device, library_message, FIELD_CHARS),
    TABLE_END,
};

static const struct field error_fields[] = {
    WORD(struct error, code, "code", code_words),
    PLAIN(struct error, message, FIELD_CHARS),
    PLAIN(struct error, pointer, FIELD_CHARS),
    PLAIN(struct error, path, FIELD_CHARS),
    PLAIN(struct error, user_action, FIELD_CHARS),
    OPTION(struct error, device, "device", device_fields, has_device),
    TABLE_END,
};

static const struct field medium_fields[] = {
    PLAIN(struct medium, present, FIELD_BOOL),
    PLAIN(struct medium, profile, FIELD_CHARS),
    PLAIN(struct medium, profile_code, FIELD_INT),
    WORD(struct medium, state, "state", medium_state_words),
    PLAIN(struct medium, overwritable, FIELD_BOOL),
    PLAIN(struct medium, erasable, FIELD_BOOL),
    PLAIN(struct medium, has_blank_flags, FIELD_BOOL),
    PLAIN(struct medium, physically_blank, FIELD_BOOL),
    PLAIN(struct medium, heuristically_blank, FIELD_BOOL),
    PLAIN(struct medium, write_protected, FIELD_BOOL),
    PLAIN(struct medium, capacity_sectors, FIELD_INT64),
    PLAIN(struct medium, free_sectors, FIELD_INT64),
    PLAIN(struct medium, used_sectors, FIELD_INT64),
    PLAIN(struct medium, next_writable_lba, FIELD_INT64),
    PLAIN(struct medium, volume_id, FIELD_CHARS),
    PLAIN(struct medium, session_count, FIELD_INT),
    PLAIN(struct medium, session_start_lba, FIELD_INT64),
    PLAIN(struct medium, session_sectors, FIELD_INT64),
    PLAIN(struct medium, fingerprint, FIELD_CHARS),
    PLAIN(struct medium, checked_at_ms, FIELD_INT64),
    PLAIN(struct medium, file_device, FIELD_INT64),
    PLAIN(struct medium, file_inode, FIELD_INT64),
    TABLE_END,
};

static const struct field warning_fields[] = {
    PLAIN(struct warning, code, FIELD_CHARS),
    PLAIN(struct warning, detail, FIELD_CHARS),
    PLAIN(struct warning, pointer, FIELD_CHARS),
    PLAIN(struct warning, count, FIELD_INT64),
    TABLE_END,
};

static const struct field plan_fields[] = {
    PLAIN(struct plan, ok, FIELD_BOOL),
    PLAIN(struct plan, files, FIELD_INT64),
    PLAIN(struct plan, directories, FIELD_INT64),
    PLAIN(struct plan, image_bytes, FIELD_INT64),
    PLAIN(struct plan, image_sectors, FIELD_INT64),
    TABLE_END,
};

static const struct field entry_fields[] = {
    PLAIN(struct data_entry, from, FIELD_TEXT),
    PLAIN(struct data_entry, text, FIELD_TEXT),
    PLAIN(struct data_entry, to, FIELD_TEXT),
    TABLE_END,
};

static const struct field data_fields[] = {
    WORD(struct data_spec, ownership, "ownership", ownership_words),
    WORD(struct data_spec, symlinks, "symlinks", symlink_policy_words),
    WORD(struct data_spec, on_unreadable, "on_unreadable", unreadable_policy_words),
    PLAIN(struct data_spec, volume_id, FIELD_CHARS),
    PLAIN(struct data_spec, publisher, FIELD_CHARS),
    PLAIN(struct data_spec, preparer, FIELD_CHARS),
    PLAIN(struct data_spec, application, FIELD_CHARS),
    PLAIN(struct data_spec, iso_level, FIELD_INT),
    PLAIN(struct data_spec, rock_ridge, FIELD_BOOL),
    PLAIN(struct data_spec, joliet, FIELD_BOOL),
    TABLE_END,
};

static const struct field image_fields[] = {
    PLAIN(struct image_spec, from, FIELD_TEXT),
    PLAIN(struct image_spec, sha256, FIELD_CHARS),
    TABLE_END,
};

static const struct field speed_fields[] = {
    WORD(struct speed, kind, "kind", speed_words),
    PLAIN(struct speed, value, FIELD_NUMBER),
    TABLE_END,
};

static const struct field root_fields[] = {
    PLAIN(struct worker_root, name, FIELD_CHARS),
    PLAIN(struct worker_root, fd, FIELD_INT),
    TABLE_END,
};

static const struct field request_fields[] = {
    WORD(struct worker_request, operation, "operation", operation_words),
    PLAIN(struct worker_request, has_lease, FIELD_BOOL),
    PLAIN(struct worker_request, recorder, FIELD_CHARS),
    PLAIN(struct worker_request, recorder_path, FIELD_TEXT),
    PLAIN(struct worker_request, recorder_speed_kb_s, FIELD_INT64),
    PLAIN(struct worker_request, is_image, FIELD_BOOL),
    OBJECT(struct worker_request, image, "image", image_fields),
    OBJECT(struct worker_request, speed, "speed", speed_fields),
    PLAIN(struct worker_request, simulate, FIELD_BOOL),
    PLAIN(struct worker_request, force_overwrite, FIELD_BOOL),
    PLAIN(struct worker_request, keep_digests_of_files, FIELD_BOOL),
    PLAIN(struct worker_request, limit_ms, FIELD_INT64),
    PLAIN(struct worker_request, image_time_ms, FIELD_INT64),
    PLAIN(struct worker_request, expected_sha256, FIELD_CHARS),
    WORD(struct worker_request, verify_level, "verify_level", verify_level_words),
    PLAIN(struct worker_request, blocks, FIELD_INT64),
    PLAIN(struct worker_request, session_sha256, FIELD_CHARS),
    PLAIN(struct worker_request, metadata_blocks, FIELD_INT64),
    PLAIN(struct worker_request, eject_to, FIELD_TEXT),
    PLAIN(struct worker_request, eject_to_unknown, FIELD_TEXT),
    PLAIN(struct worker_request, expected_fingerprint, FIELD_CHARS),
    PLAIN(struct worker_request, expected_device, FIELD_INT64),
    PLAIN(struct worker_request, expected_inode, FIELD_INT64),
    PLAIN(struct worker_request, watchdog_factor, FIELD_NUMBER),
    TABLE_END,
};

static const struct field fill_fields[] = {
    PLAIN(struct buffer_fill, total, FIELD_INT64),
    PLAIN(struct buffer_fill, used, FIELD_INT64),
    PLAIN(struct buffer_fill, min_fill, FIELD_INT64),
    TABLE_END,
};

static const struct field phase_fields[] = {
    WORD(struct worker_line, phase.phase, "phase", phase_words),
    WORD(struct worker_line, phase.cancel, "cancel", cancel_effect_words),
    NAMED(struct worker_line, phase.expected_s, "expected_s", FIELD_INT64),
    TABLE_END,
};

static const struct field stage_fields[] = {
    NAMED(struct worker_line, stage.completed, "completed", FIELD_INT64),
    NAMED(struct worker_line, stage.total, "total", FIELD_INT64),
    NAMED(struct worker_line, stage.unit, "unit", FIELD_CHARS),
    NAMED(struct worker_line, stage.current_path, "current_path", FIELD_CHARS),
    TABLE_END,
};

static const struct field block_fields[] = {
    NAMED(struct worker_line, block.completed, "completed", FIELD_INT64),
    NAMED(struct worker_line, block.total, "total", FIELD_INT64),
    NAMED(struct worker_line, block.start_lba, "start_lba", FIELD_INT64),
    NAMED(struct worker_line, block.rate_kb_s, "rate_kb_s", FIELD_INT64),
    OBJECT(struct worker_line, block.device_buffer, "device_buffer", fill_fields),
    OBJECT(struct worker_line, block.system_buffer, "system_buffer", fill_fields),
    NAMED(struct worker_line, block.handed_over, "handed_over", FIELD_BOOL),
    TABLE_END,
};

static const struct field verify_fields[] = {
    NAMED(struct worker_line, verify.completed, "completed", FIELD_INT64),
    NAMED(struct worker_line, verify.total, "total", FIELD_INT64),
    NAMED(struct worker_line, verify.bad_sectors, "bad_sectors", FIELD_INT64),
    NAMED(struct worker_line, verify.mismatched_files, "mismatched_files", FIELD_INT64),
    NAMED(struct worker_line, verify.lba, "lba", FIELD_INT64),
    TABLE_END,
};

static const struct field items_fields[] = {
    NAMED(struct worker_line, items.count, "count", FIELD_INT64),
    NAMED(struct worker_line, items.blocks, "blocks", FIELD_INT64),
    NAMED(struct worker_line, items.base_lba, "base_lba", FIELD_INT64),
    NAMED(struct worker_line, items.metadata_blocks, "metadata_blocks", FIELD_INT64),
    TABLE_END,
};

static const struct field message_fields[] = {
    NAMED(struct worker_line, message.library, "library", FIELD_CHARS),
    NAMED(struct worker_line, message.severity, "severity", FIELD_CHARS),
    NAMED(struct worker_line, message.code, "code", FIELD_INT),
    NAMED(struct worker_line, message.text, "text", FIELD_CHARS),
    TABLE_END,
};

static const struct field medium_line_fields[] = {
    OBJECT(struct worker_line, medium, "medium", medium_fields),
    TABLE_END,
};

static const struct field result_fields[] = {
    NAMED(struct worker_line, result.ok, "ok", FIELD_BOOL),
    NAMED(struct worker_line, result.canceled, "canceled", FIELD_BOOL),
    WORD(struct worker_line, result.outcome, "outcome", outcome_words),
    WORD(struct worker_line, result.advice, "advice", advice_words),
    OPTION(struct worker_line, result.problem, "problem", error_fields, result.has_problem),
    NAMED(struct worker_line, result.blocks, "blocks", FIELD_INT64),
    NAMED(struct worker_line, result.session_sha256, "session_sha256", FIELD_CHARS),
    NAMED(struct worker_line, result.was_blank, "was_blank", FIELD_BOOL),
    NAMED(struct worker_line, result.content_equal, "content_equal", FIELD_BOOL),
    NAMED(struct worker_line, result.bad_sectors, "bad_sectors", FIELD_INT64),
    NAMED(struct worker_line, result.mismatched_files, "mismatched_files", FIELD_INT64),
    NAMED(struct worker_line, result.reloaded, "reloaded", FIELD_BOOL),
    NAMED(struct worker_line, result.location, "location", FIELD_CHARS),
    OBJECT(struct worker_line, result.medium, "medium", medium_fields),
    TABLE_END,
};

static const struct field no_fields[] = {TABLE_END};

/* Of `warning` and `plan` the arrays are written out in line_encode_rest() and its reverse. */
static const struct field *const line_fields[LINE_COUNT] = {
    [LINE_PHASE] = phase_fields,     [LINE_STAGE] = stage_fields,
    [LINE_BLOCK] = block_fields,     [LINE_VERIFY] = verify_fields,
    [LINE_ITEMS] = items_fields,     [LINE_MEDIUM] = medium_line_fields,
    [LINE_MESSAGE] = message_fields, [LINE_WARNING] = no_fields,
    [LINE_PLAN] = no_fields,         [LINE_HEARTBEAT] = no_fields,
    [LINE_RESULT] = result_fields,   [LINE_CANCEL] = no_fields,
    [LINE_PROCEED] = no_fields,
};

/* --- struct to JSON ------------------------------------------------------------------------ */

static json_t *warning_to_json(const struct warning *warning)
{
    json_t *object = fields_to_object(warning_fields, warning);
    json_t *examples = json_array();
    for (size_t i = 0; i < 3 && warning->examples[i][0] != '\0'; i++) {
        json_array_append_new(examples, fields_text(warning->examples[i]));
    }
    json_object_set_new(object, "examples", examples);
    return object;
}

static json_t *warnings_to_json(const struct warning *warnings, size_t count)
{
    json_t *array = json_array();
    for (size_t i = 0; i < count; i++) {
        json_array_append_new(array, warning_to_json(&warnings[i]));
    }
    return array;
}

static json_t *plan_to_json(const struct plan *plan)
{
    json_t *object = fields_to_object(plan_fields, plan);
    json_object_set_new(
        object, "errors",
        fields_to_array(error_fields, plan->errors, sizeof(plan->errors[0]), plan->error_count));
    json_object_set_new(object, "warnings", warnings_to_json(plan->warnings, plan->warning_count));
    return object;
}

/* --- JSON to struct ------------------------------------------------------------------------ */

static int warning_from_json(const json_t *object, struct warning *out, struct error *err)
{
    *out = (struct warning){0};
    if (fields_from_object(warning_fields, object, out, err) != 0) {
        return -1;
    }
    const json_t *examples = json_object_get(object, "examples");
    if (!json_is_array(examples) || json_array_size(examples) > 3) {
        return fields_wrong(err, "examples", "an array of at most three");
    }
    struct field example = {"examples", FIELD_CHARS, 0, sizeof(out->examples[0]), NULL, NULL, 0};
    for (size_t i = 0; i < json_array_size(examples); i++) {
        if (field_read(&example, json_array_get(examples, i), out->examples[i], err) != 0) {
            return -1;
        }
    }
    return 0;
}

static int warnings_from_json(const json_t *array, struct warning out[WARNINGS_MAX], size_t *count,
                              struct error *err)
{
    if (!json_is_array(array) || json_array_size(array) > WARNINGS_MAX) {
        return fields_wrong(err, "warnings", "an array of the right size");
    }
    *count = json_array_size(array);
    for (size_t i = 0; i < *count; i++) {
        if (warning_from_json(json_array_get(array, i), &out[i], err) != 0) {
            return -1;
        }
    }
    return 0;
}

static int plan_from_json(const json_t *object, struct plan *out, struct error *err)
{
    memset(out, 0, sizeof(*out));
    if (fields_from_object(plan_fields, object, out, err) != 0 ||
        fields_from_array(error_fields, json_object_get(object, "errors"), "errors", out->errors,
                          sizeof(out->errors[0]), PLAN_ERRORS_MAX, &out->error_count, err) != 0) {
        return -1;
    }
    return warnings_from_json(json_object_get(object, "warnings"), out->warnings,
                              &out->warning_count, err);
}

/* --- the request --------------------------------------------------------------------------- */

char *worker_request_encode(const struct worker_request *request)
{
    json_t *object = fields_to_object(request_fields, request);
    const struct data_spec *data = &request->data;
    json_t *data_object = fields_to_object(data_fields, data);
    json_object_set_new(
        data_object, "entries",
        fields_to_array(entry_fields, data->entries, sizeof(*data->entries), data->entry_count));
    json_object_set_new(data_object, "exclude", fields_texts(data->exclude, data->exclude_count));
    json_object_set_new(object, "data", data_object);
    json_object_set_new(
        object, "roots",
        fields_to_array(root_fields, request->roots, sizeof(*request->roots), request->root_count));
    return fields_dump(object);
}

static int data_from_json(const json_t *object, struct data_spec *out, struct error *err)
{
    if (fields_from_object(data_fields, object, out, err) != 0) {
        return -1;
    }
    const json_t *entries = json_object_get(object, "entries");
    size_t count = json_array_size(entries);
    out->entries = xcalloc(count, sizeof(*out->entries));
    out->entry_count = count; /* all members are NULL until they are read: release is safe */
    if (fields_from_array(entry_fields, entries, "entries", out->entries, sizeof(*out->entries),
                          count, &count, err) != 0) {
        return -1;
    }
    for (size_t i = 0; i < count; i++) {
        const struct data_entry *entry = &out->entries[i];
        if (entry->to == NULL || (entry->from == NULL) == (entry->text == NULL)) {
            return fields_wrong(err, "entries",
                                "a list of entries with `to` and one of `from` and `text`");
        }
    }
    return fields_from_texts(json_object_get(object, "exclude"), "exclude", &out->exclude,
                             &out->exclude_count, err);
}

int worker_request_decode(const char *text, size_t length, struct worker_request *out,
                          struct error *err)
{
    memset(out, 0, sizeof(*out));
    json_t *object = fields_load(text, length, err);
    if (object == NULL) {
        return -1;
    }
    const json_t *roots = json_object_get(object, "roots");
    size_t root_limit = json_array_size(roots);
    out->roots = xcalloc(root_limit, sizeof(*out->roots));
    int failed = fields_from_object(request_fields, object, out, err);
    if (failed == 0) {
        failed = fields_from_array(root_fields, roots, "roots", out->roots, sizeof(*out->roots),
                                   root_limit, &out->root_count, err);
    }
    if (failed == 0) {
        failed = data_from_json(json_object_get(object, "data"), &out->data, err);
    }
    json_decref(object);
    if (failed != 0) {
        worker_request_release(out);
    }
    return failed;
}

void worker_request_release(struct worker_request *request)
{
    data_spec_release(&request->data);
    free(request->roots);
    free(request->recorder_path);
    free(request->image.from);
    free(request->eject_to);
    free(request->eject_to_unknown);
    memset(request, 0, sizeof(*request));
}

void data_spec_release(struct data_spec *spec)
{
    for (size_t i = 0; i < spec->entry_count; i++) {
        free(spec->entries[i].from);
        free(spec->entries[i].text);
        free(spec->entries[i].to);
    }
    for (size_t i = 0; i < spec->exclude_count; i++) {
        free(spec->exclude[i]);
    }
    free(spec->entries);
    free(spec->exclude);
    memset(spec, 0, sizeof(*spec));
}

void data_spec_copy(struct data_spec *to, const struct data_spec *from)
{
    *to = *from;
    to->entries = xcalloc(from->entry_count, sizeof(*to->entries));
    to->exclude = xcalloc(from->exclude_count, sizeof(*to->exclude));
    for (size_t i = 0; i < from->entry_count; i++) {
        to->entries[i].from = xstrdup_or_null(from->entries[i].from);
        to->entries[i].text = xstrdup_or_null(from->entries[i].text);
        to->entries[i].to = xstrdup_or_null(from->entries[i].to);
    }
    for (size_t i = 0; i < from->exclude_count; i++) {
        to->exclude[i] = xstrdup(from->exclude[i]);
    }
}

/* --- lines --------------------------------------------------------------------------------- */

static char *line_dump(const struct worker_line *line, size_t plan_errors)
{
    json_t *object = json_object();
    json_object_set_new(object, "kind", json_string(line_kind_to_text(line->kind)));
    fields_add(object, line_fields[line->kind], line);
    if (line->kind == LINE_WARNING) {
        json_object_set_new(object, "warning", warning_to_json(&line->warning));
    } else if (line->kind == LINE_PLAN) {
        struct plan plan = *line->plan;
        plan.error_count = plan_errors;
        json_object_set_new(object, "plan", plan_to_json(&plan));
    }
    return fields_dump(object);
}

char *worker_line_encode(const struct worker_line *line)
{
    size_t plan_errors = line->kind == LINE_PLAN ? line->plan->error_count : 0;
    char *text = line_dump(line, plan_errors);
    /* Only a plan full of long names comes near the limit: its last errors can be spared. */
    while (strlen(text) + 1 > WORKER_LINE_MAX && plan_errors > 1) {
        free(text);
        text = line_dump(line, --plan_errors);
    }
    return text;
}

static int line_from_json(const json_t *object, struct worker_line *out, struct error *err)
{
    struct field kind = WORD(struct worker_line, kind, "kind", line_kind_words);
    if (field_read(&kind, json_object_get(object, "kind"), out, err) != 0 ||
        fields_from_object(line_fields[out->kind], object, out, err) != 0) {
        return -1;
    }
    if (out->kind == LINE_WARNING) {
        return warning_from_json(json_object_get(object, "warning"), &out->warning, err);
    }
    if (out->kind == LINE_PLAN) {
        out->plan = xcalloc(1, sizeof(*out->plan));
        return plan_from_json(json_object_get(object, "plan"), out->plan, err);
    }
    return 0;
}

int worker_line_decode(const char *text, size_t length, struct worker_line *out, struct error *err)
{
    memset(out, 0, sizeof(*out));
    if (length > WORKER_LINE_MAX) {
        return error_set(err, ERROR_INVALID_JSON, "a line of %zu bytes is too long", length);
    }
    json_t *object = fields_load(text, length, err);
    if (object == NULL) {
        return -1;
    }
    int failed = line_from_json(object, out, err);
    json_decref(object);
    if (failed != 0) {
        worker_line_release(out);
        memset(out, 0, sizeof(*out));
    }
    return failed;
}

void worker_line_release(struct worker_line *line)
{
    if (line->kind == LINE_PLAN) {
        free(line->plan);
        line->plan = NULL;
    }
}

/* --- what the store keeps ------------------------------------------------------------------ */

char *error_encode(const struct error *err)
{
    return fields_dump(fields_to_object(error_fields, err));
}

/* A struct that a table says all of, from its text; what is wrong with it nobody asks. */
static int decode(const struct field *fields, const char *text, void *out)
{
    struct error trouble = ERROR_EMPTY;
    json_t *object = fields_load(text, strlen(text), &trouble);
    int failed = object == NULL ? -1 : fields_from_object(fields, object, out, &trouble);
    json_decref(object);
    return failed;
}

int error_decode(const char *text, struct error *out)
{
    memset(out, 0, sizeof(*out));
    return decode(error_fields, text, out);
}

char *plan_encode(const struct plan *plan)
{
    return fields_dump(plan_to_json(plan));
}

int plan_decode(const char *text, struct plan *out)
{
    struct error trouble = ERROR_EMPTY;
    json_t *object = fields_load(text, strlen(text), &trouble);
    int failed = object == NULL ? -1 : plan_from_json(object, out, &trouble);
    json_decref(object);
    return failed;
}

char *medium_encode(const struct medium *medium)
{
    return fields_dump(fields_to_object(medium_fields, medium));
}

int medium_decode(const char *text, struct medium *out)
{
    memset(out, 0, sizeof(*out));
    return decode(medium_fields, text, out);
}

char *warnings_encode(const struct warning *warnings, size_t count)
{
    return fields_dump(warnings_to_json(warnings, count));
}

int warnings_decode(const char *text, struct warning out[WARNINGS_MAX], size_t *count)
{
    struct error trouble = ERROR_EMPTY;
    json_t *array = json_loads(text, JSON_REJECT_DUPLICATES, NULL);
    int failed = warnings_from_json(array, out, count, &trouble);
    json_decref(array);
    return failed;
}
