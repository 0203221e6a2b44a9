/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * See worker_protocol.h. Structs become JSON objects and back by tables: a table names each member of a
 * struct, its kind and its place, so that the two directions cannot drift apart. What a table cannot
 * say (arrays) is written out below it.
 *
 * Reading is strict: a missing member, a wrong type, an unknown word, a text too long for its field or a
 * NUL in a text is an error. Members that are not known are passed over, so that one end may be told
 * more than it asks for. Texts of fixed size are cleaned on the way out: bytes that are no UTF-8 and
 * control characters become '?', for they come from file names and libraries.
 */
#include "worker/worker_protocol.h"

#include "base/alloc.h"

#include <jansson.h>
#include <limits.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>

/* --- words --------------------------------------------------------------------------------- */

#define WORD_TEXT(n, w) w,
#define DEFINE_WORDS(list, type, PREFIX) \
    static const char *const type##_words[] = {list(WORD_TEXT) NULL}; \
    const char *type##_to_text(enum type value) \
    { \
        return type##_words[value < PREFIX##_COUNT ? value : 0]; \
    } \
    int type##_from_text(const char *word, enum type *out) \
    { \
        int found = find_word(type##_words, word); \
        if (found < 0) { \
            return -1; \
        } \
        *out = (enum type)found; \
        return 0; \
    }

static int find_word(const char *const *words, const char *word)
{
    for (int i = 0; words[i] != NULL; i++) {
        if (strcmp(words[i], word) == 0) {
            return i;
        }
    }
    return -1;
}

DEFINE_WORDS(OPERATIONS, operation, OPERATION)
DEFINE_WORDS(PHASES, phase, PHASE)
DEFINE_WORDS(CANCEL_EFFECTS, cancel_effect, CANCEL)
DEFINE_WORDS(OUTCOMES, outcome, OUTCOME)
DEFINE_WORDS(ADVICES, advice, ADVICE)
DEFINE_WORDS(SYMLINK_POLICIES, symlink_policy, SYMLINKS)
DEFINE_WORDS(OWNERSHIPS, ownership, OWNERSHIP)
DEFINE_WORDS(UNREADABLE_POLICIES, unreadable_policy, UNREADABLE)
DEFINE_WORDS(VERIFY_LEVELS, verify_level, VERIFY)
DEFINE_WORDS(MEDIUM_STATES, medium_state, MEDIUM)
DEFINE_WORDS(LINE_KINDS, line_kind, LINE)

static const char *const speed_words[] = {"max", "min", "x", "kb_s", NULL};
static const char *const code_words[] = {ERROR_CODES(WORD_TEXT) NULL};

/* --- tables -------------------------------------------------------------------------------- */

enum field_kind {
    FIELD_END,
    FIELD_BOOL,
    FIELD_INT,
    FIELD_INT64,
    FIELD_NUMBER,
    FIELD_CHARS,  /* char[size] */
    FIELD_TEXT,   /* char *, NULL is null */
    FIELD_WORD,   /* an enum */
    FIELD_OBJECT, /* a struct within the struct */
    FIELD_OPTION, /* likewise, null while the bool at `flag` is false */
};

struct field {
    const char *name;
    enum field_kind kind;
    size_t offset, size;
    const char *const *words;
    const struct field *fields;
    size_t flag;
};

#define AT(type, member) offsetof(type, member), sizeof(((type *)NULL)->member)
#define PLAIN(type, member, kind) \
    { \
#member, kind, AT(type, member), NULL, NULL, 0 \
    }
#define NAMED(type, member, name, kind) \
    { \
        name, kind, AT(type, member), NULL, NULL, 0 \
    }
#define WORD(type, member, name, words) \
    { \
        name, FIELD_WORD, AT(type, member), words, NULL, 0 \
    }
#define OBJECT(type, member, name, table) \
    { \
        name, FIELD_OBJECT, AT(type, member), NULL, table, 0 \
    }
#define OPTION(type, member, name, table, flag) \
    { \
        name, FIELD_OPTION, AT(type, member), NULL, table, offsetof(type, flag) \
    }
#define TABLE_END \
    { \
        NULL, FIELD_END, 0, 0, NULL, NULL, 0 \
    }

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

/* Length of the UTF-8 sequence at `text`, 0 when there is none. jansson judges the finer points. */
static size_t sequence_length(const unsigned char *text)
{
    size_t length = text[0] < 0x80 ? 1 : text[0] >= 0xF0 ? 4 : text[0] >= 0xE0 ? 3 : 2;
    for (size_t i = 1; i < length; i++) {
        if ((text[i] & 0xC0) != 0x80) {
            return 0;
        }
    }
    return length;
}

/* Fixed-size texts: whatever is no character, and control characters, become '?'. */
static json_t *clean_text(const char *text)
{
    char *copy = xstrdup(text);
    for (char *at = copy; *at != '\0';) {
        size_t length = sequence_length((const unsigned char *)at);
        json_t *probe = length == 0 ? NULL : json_stringn(at, length);
        bool good = probe != NULL && (unsigned char)*at >= 0x20 && *at != 0x7F;
        json_decref(probe);
        if (!good) {
            *at = '?';
            length = 1;
        }
        at += length;
    }
    json_t *value = json_string(copy);
    free(copy);
    return value;
}

static json_t *plain_text(const char *text)
{
    if (text == NULL) {
        return json_null();
    }
    json_t *value = json_string(text);
    return value != NULL ? value : clean_text(text);
}

static json_t *chars_to_json(const char *text)
{
    for (const char *at = text; *at != '\0'; at++) {
        if ((unsigned char)*at < 0x20 || (unsigned char)*at >= 0x7F) {
            return clean_text(text);
        }
    }
    return json_string(text);
}

static json_t *object_to_json(const struct field *fields, const void *base);

static json_t *field_to_json(const struct field *field, const void *base)
{
    const char *at = (const char *)base + field->offset;
    switch (field->kind) {
    case FIELD_BOOL:
        return json_boolean(*(const bool *)at);
    case FIELD_INT:
        return json_integer(*(const int *)at);
    case FIELD_INT64:
        return json_integer(*(const int64_t *)at);
    case FIELD_NUMBER:
        return json_real(*(const double *)at);
    case FIELD_CHARS:
        return chars_to_json(at);
    case FIELD_TEXT:
        return plain_text(*(char *const *)at);
    case FIELD_WORD:
        return json_string(field->words[*(const unsigned *)at]);
    case FIELD_OPTION:
        if (!*(const bool *)((const char *)base + field->flag)) {
            return json_null();
        }
        return object_to_json(field->fields, at);
    case FIELD_OBJECT:
        return object_to_json(field->fields, at);
    case FIELD_END:
        break;
    }
    return NULL;
}

static void fields_to_json(json_t *object, const struct field *fields, const void *base)
{
    for (const struct field *field = fields; field->kind != FIELD_END; field++) {
        json_object_set_new(object, field->name, field_to_json(field, base));
    }
}

static json_t *object_to_json(const struct field *fields, const void *base)
{
    json_t *object = json_object();
    fields_to_json(object, fields, base);
    return object;
}

static json_t *array_to_json(const struct field *fields, const void *first, size_t size,
                             size_t count)
{
    json_t *array = json_array();
    for (size_t i = 0; i < count; i++) {
        json_array_append_new(array, object_to_json(fields, (const char *)first + i * size));
    }
    return array;
}

static json_t *warning_to_json(const struct warning *warning)
{
    json_t *object = object_to_json(warning_fields, warning);
    json_t *examples = json_array();
    for (size_t i = 0; i < 3 && warning->examples[i][0] != '\0'; i++) {
        json_array_append_new(examples, chars_to_json(warning->examples[i]));
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
    json_t *object = object_to_json(plan_fields, plan);
    json_object_set_new(
        object, "errors",
        array_to_json(error_fields, plan->errors, sizeof(plan->errors[0]), plan->error_count));
    json_object_set_new(object, "warnings", warnings_to_json(plan->warnings, plan->warning_count));
    return object;
}

static json_t *texts_to_json(char *const *texts, size_t count)
{
    json_t *array = json_array();
    for (size_t i = 0; i < count; i++) {
        json_array_append_new(array, plain_text(texts[i]));
    }
    return array;
}

/* Takes `value`. */
static char *dump(json_t *value)
{
    char *text = json_dumps(value, JSON_COMPACT);
    json_decref(value);
    if (text == NULL) {
        abort(); /* out of memory: every text in it was made valid before */
    }
    return text;
}

/* --- JSON to struct ------------------------------------------------------------------------ */

static int wrong(struct error *err, const char *name, const char *wanted)
{
    return error_set(err, ERROR_INVALID_REQUEST, "the member \"%s\" is missing or is not %s", name,
                     wanted);
}

static int integer_from_json(const struct field *field, const json_t *value, char *at,
                             struct error *err)
{
    if (!json_is_integer(value)) {
        return wrong(err, field->name, "an integer");
    }
    json_int_t number = json_integer_value(value);
    if (field->kind == FIELD_INT64) {
        *(int64_t *)at = number;
        return 0;
    }
    if (number < INT_MIN || number > INT_MAX) {
        return wrong(err, field->name, "an integer of 32 bits");
    }
    *(int *)at = (int)number;
    return 0;
}

static int text_from_json(const struct field *field, const json_t *value, char *at,
                          struct error *err)
{
    if (field->kind == FIELD_TEXT && json_is_null(value)) {
        return 0;
    }
    if (!json_is_string(value)) {
        return wrong(err, field->name, "a text");
    }
    const char *text = json_string_value(value);
    if (field->kind == FIELD_TEXT) {
        *(char **)at = xstrdup(text);
        return 0;
    }
    if (field->kind == FIELD_WORD) {
        int found = find_word(field->words, text);
        *(unsigned *)at = found < 0 ? 0 : (unsigned)found;
        return found < 0 ? wrong(err, field->name, "one of its words") : 0;
    }
    if (strlen(text) >= field->size) {
        return wrong(err, field->name, "a text that fits");
    }
    memcpy(at, text, strlen(text) + 1);
    return 0;
}

static int object_from_json(const struct field *fields, const json_t *object, void *base,
                            struct error *err);

static int field_from_json(const struct field *field, const json_t *value, void *base,
                           struct error *err)
{
    char *at = (char *)base + field->offset;
    switch (field->kind) {
    case FIELD_BOOL:
        *(bool *)at = json_is_true(value);
        return json_is_boolean(value) ? 0 : wrong(err, field->name, "true or false");
    case FIELD_INT:
    case FIELD_INT64:
        return integer_from_json(field, value, at, err);
    case FIELD_NUMBER:
        *(double *)at = json_number_value(value);
        return json_is_number(value) ? 0 : wrong(err, field->name, "a number");
    case FIELD_CHARS:
    case FIELD_TEXT:
    case FIELD_WORD:
        return text_from_json(field, value, at, err);
    case FIELD_OPTION:
        *(bool *)((char *)base + field->flag) = json_is_object(value);
        if (json_is_null(value)) {
            return 0;
        }
        return object_from_json(field->fields, value, at, err);
    case FIELD_OBJECT:
        return object_from_json(field->fields, value, at, err);
    case FIELD_END:
        break;
    }
    return 0;
}

static int object_from_json(const struct field *fields, const json_t *object, void *base,
                            struct error *err)
{
    if (!json_is_object(object)) {
        return error_set(err, ERROR_INVALID_REQUEST, "an object is missing");
    }
    for (const struct field *field = fields; field->kind != FIELD_END; field++) {
        if (field_from_json(field, json_object_get(object, field->name), base, err) != 0) {
            return -1;
        }
    }
    return 0;
}

/* `first` has room for `limit` structs. */
static int array_from_json(const struct field *fields, const json_t *array, const char *name,
                           void *first, size_t size, size_t limit, size_t *count, struct error *err)
{
    if (!json_is_array(array) || json_array_size(array) > limit) {
        return wrong(err, name, "an array of the right size");
    }
    *count = json_array_size(array);
    for (size_t i = 0; i < *count; i++) {
        if (object_from_json(fields, json_array_get(array, i), (char *)first + i * size, err) !=
            0) {
            return -1;
        }
    }
    return 0;
}

static int warning_from_json(const json_t *object, struct warning *out, struct error *err)
{
    *out = (struct warning){0};
    if (object_from_json(warning_fields, object, out, err) != 0) {
        return -1;
    }
    const json_t *examples = json_object_get(object, "examples");
    if (!json_is_array(examples) || json_array_size(examples) > 3) {
        return wrong(err, "examples", "an array of at most three");
    }
    struct field example = {"examples", FIELD_CHARS, 0, sizeof(out->examples[0]), NULL, NULL, 0};
    for (size_t i = 0; i < json_array_size(examples); i++) {
        if (text_from_json(&example, json_array_get(examples, i), out->examples[i], err) != 0) {
            return -1;
        }
    }
    return 0;
}

static int warnings_from_json(const json_t *array, struct warning out[WARNINGS_MAX], size_t *count,
                              struct error *err)
{
    if (!json_is_array(array) || json_array_size(array) > WARNINGS_MAX) {
        return wrong(err, "warnings", "an array of the right size");
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
    if (object_from_json(plan_fields, object, out, err) != 0 ||
        array_from_json(error_fields, json_object_get(object, "errors"), "errors", out->errors,
                        sizeof(out->errors[0]), PLAN_ERRORS_MAX, &out->error_count, err) != 0) {
        return -1;
    }
    return warnings_from_json(json_object_get(object, "warnings"), out->warnings,
                              &out->warning_count, err);
}

static int texts_from_json(const json_t *array, const char *name, char ***texts, size_t *count,
                           struct error *err)
{
    if (!json_is_array(array)) {
        return wrong(err, name, "an array");
    }
    *texts = xcalloc(json_array_size(array), sizeof(**texts));
    for (size_t i = 0; i < json_array_size(array); i++) {
        const json_t *value = json_array_get(array, i);
        if (!json_is_string(value)) {
            return wrong(err, name, "an array of texts");
        }
        (*texts)[(*count)++] = xstrdup(json_string_value(value));
    }
    return 0;
}

/* NULL and an error for what is no JSON object. */
static json_t *load(const char *text, size_t length, struct error *err)
{
    json_error_t where;
    json_t *object = json_loadb(text, length, JSON_REJECT_DUPLICATES, &where);
    if (!json_is_object(object)) {
        error_set(err, ERROR_INVALID_JSON, "no JSON object: %s",
                  object == NULL ? where.text : "something else");
        json_decref(object);
        return NULL;
    }
    return object;
}

/* --- the request --------------------------------------------------------------------------- */

char *worker_request_encode(const struct worker_request *request)
{
    json_t *object = object_to_json(request_fields, request);
    const struct data_spec *data = &request->data;
    json_t *data_object = object_to_json(data_fields, data);
    json_object_set_new(
        data_object, "entries",
        array_to_json(entry_fields, data->entries, sizeof(*data->entries), data->entry_count));
    json_object_set_new(data_object, "exclude", texts_to_json(data->exclude, data->exclude_count));
    json_object_set_new(object, "data", data_object);
    json_object_set_new(
        object, "roots",
        array_to_json(root_fields, request->roots, sizeof(*request->roots), request->root_count));
    return dump(object);
}

static int data_from_json(const json_t *object, struct data_spec *out, struct error *err)
{
    if (object_from_json(data_fields, object, out, err) != 0) {
        return -1;
    }
    const json_t *entries = json_object_get(object, "entries");
    size_t count = json_array_size(entries);
    out->entries = xcalloc(count, sizeof(*out->entries));
    out->entry_count = count; /* all members are NULL until they are read: release is safe */
    if (array_from_json(entry_fields, entries, "entries", out->entries, sizeof(*out->entries),
                        count, &count, err) != 0) {
        return -1;
    }
    for (size_t i = 0; i < count; i++) {
        const struct data_entry *entry = &out->entries[i];
        if (entry->to == NULL || (entry->from == NULL) == (entry->text == NULL)) {
            return wrong(err, "entries",
                         "a list of entries with `to` and one of `from` and `text`");
        }
    }
    return texts_from_json(json_object_get(object, "exclude"), "exclude", &out->exclude,
                           &out->exclude_count, err);
}

int worker_request_decode(const char *text, size_t length, struct worker_request *out,
                          struct error *err)
{
    memset(out, 0, sizeof(*out));
    json_t *object = load(text, length, err);
    if (object == NULL) {
        return -1;
    }
    const json_t *roots = json_object_get(object, "roots");
    size_t root_limit = json_array_size(roots);
    out->roots = xcalloc(root_limit, sizeof(*out->roots));
    int failed = object_from_json(request_fields, object, out, err);
    if (failed == 0) {
        failed = array_from_json(root_fields, roots, "roots", out->roots, sizeof(*out->roots),
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
    fields_to_json(object, line_fields[line->kind], line);
    if (line->kind == LINE_WARNING) {
        json_object_set_new(object, "warning", warning_to_json(&line->warning));
    } else if (line->kind == LINE_PLAN) {
        struct plan plan = *line->plan;
        plan.error_count = plan_errors;
        json_object_set_new(object, "plan", plan_to_json(&plan));
    }
    return dump(object);
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
    if (field_from_json(&kind, json_object_get(object, "kind"), out, err) != 0 ||
        object_from_json(line_fields[out->kind], object, out, err) != 0) {
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
    json_t *object = load(text, length, err);
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
    return dump(object_to_json(error_fields, err));
}

int error_decode(const char *text, struct error *out)
{
    struct error trouble = ERROR_EMPTY;
    json_t *object = load(text, strlen(text), &trouble);
    memset(out, 0, sizeof(*out));
    int failed = object == NULL ? -1 : object_from_json(error_fields, object, out, &trouble);
    json_decref(object);
    return failed;
}

char *plan_encode(const struct plan *plan)
{
    return dump(plan_to_json(plan));
}

int plan_decode(const char *text, struct plan *out)
{
    struct error trouble = ERROR_EMPTY;
    json_t *object = load(text, strlen(text), &trouble);
    int failed = object == NULL ? -1 : plan_from_json(object, out, &trouble);
    json_decref(object);
    return failed;
}

char *medium_encode(const struct medium *medium)
{
    return dump(object_to_json(medium_fields, medium));
}

int medium_decode(const char *text, struct medium *out)
{
    struct error trouble = ERROR_EMPTY;
    json_t *object = load(text, strlen(text), &trouble);
    memset(out, 0, sizeof(*out));
    int failed = object == NULL ? -1 : object_from_json(medium_fields, object, out, &trouble);
    json_decref(object);
    return failed;
}

char *warnings_encode(const struct warning *warnings, size_t count)
{
    return dump(warnings_to_json(warnings, count));
}

int warnings_decode(const char *text, struct warning out[WARNINGS_MAX], size_t *count)
{
    struct error trouble = ERROR_EMPTY;
    json_t *array = json_loads(text, JSON_REJECT_DUPLICATES, NULL);
    int failed = warnings_from_json(array, out, count, &trouble);
    json_decref(array);
    return failed;
}
