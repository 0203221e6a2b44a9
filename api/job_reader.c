/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * The job document (api.md §4): JSON → struct job_document with every default filled in. Most of it
 * is tables; the functions between them read what has more than one form (speed, verify, eject).
 * What a data or image job burns is read in data_reader.c.
 *
 * Parts of api.md that are not built are known here: they answer feature_unavailable, but only when
 * the document has no other fault, so that a client repairs a document once. Two fields are
 * exceptions to "null is absent": `copies` (null: until stopped, not built) and
 * `on_failure.max_ruined_discs` (null: no limit). What stands in the store went through here before
 * and is read by the same rules.
 */
#include "body_reader.h"
#include "data_reader.h"
#include "limits.h"

#include "base/alloc.h"

#include <stdlib.h>
#include <string.h>

#define WAIT_MAX_S 31536000 /* a year */
#define SPEED_X_MAX 1000
#define SPEED_KB_S_MAX 10000000

/* `document` stands first: the tables' offsets are those of struct job_document. */
struct reading {
    struct job_document document;
    bool has_data, has_image, type_unbuilt;
};

#define WORD_TEXT(n, w) w,
#define WORDS(list) \
    { \
        list(WORD_TEXT) NULL \
    }
static const char *const wrong_medium_words[] = WORDS(ON_WRONG_MEDIUM);
static const char *const then_words[] = WORDS(FAILURE_THEN);
static const char *const require_words[] = WORDS(MEDIUM_REQUIRES);
static const char *const verify_words[] = WORDS(VERIFY_LEVELS);
static const char *const mode_words[] = {"auto", "tao", "sao", "incremental", "dao", NULL};
static const char *const blank_first_words[] = {"never", "!if_needed", "!always", NULL};
static const char *const where_words[] = {"same_recorder", "!other_recorder", "any", NULL};
static const char *const profile_words[] = {
    "cd-r",     "cd-rw",  "cd-rom", "dvd-r", "dvd-r-dl", "dvd-rw", "dvd-rw-seq", "dvd-ram", "dvd+r",
    "dvd+r-dl", "dvd+rw", "bd-r",   "bd-re", "dvd-rom",  "bd-rom", "stdio",      NULL,
};
/* in the order of JOB_TYPES, then what is not built */
static const char *const type_words[] = {
    "data",   "image",   "!audio", "!mixed", "!copy",    "!read",
    "!blank", "!format", "!check", "!sync",  "!restore", NULL,
};

#define AT(member) MEMBER_AT(struct job_document, member)
#define BOOL(name_, member) \
    { \
        .name = name_, .kind = MEMBER_BOOL, AT(member) \
    }
#define INT(name_, member, least_, most_) \
    { \
        .name = name_, .kind = MEMBER_INT, AT(member), .least = least_, .most = most_ \
    }
#define TEXT(name_, member) \
    { \
        .name = name_, .kind = MEMBER_TEXT, AT(member) \
    }
#define WORD(name_, member, words_) \
    { \
        .name = name_, .kind = MEMBER_WORD, AT(member), .words = words_ \
    }
#define WORD_CHARS(name_, member, words_) \
    { \
        .name = name_, .kind = MEMBER_WORD_TEXT, AT(member), .words = words_ \
    }

/* --- target -------------------------------------------------------------------------------- */

static void read_recorders(struct field_reader *reader, const struct spot *spot,
                           const json_t *value, void *base)
{
    struct job_document *out = base;
    if (!field_reader_array(reader, spot, value, 1, JOB_RECORDERS_MAX)) {
        return;
    }
    for (size_t i = 0; i < json_array_size(value); i++) {
        struct spot here = {spot, NULL, i};
        char *name = out->recorders[out->recorder_count];
        if (!field_reader_chars(reader, &here, json_array_get(value, i), name, RECORDER_ID_SIZE,
                                false)) {
            continue;
        }
        for (size_t before = 0; before < out->recorder_count; before++) {
            if (strcmp(out->recorders[before], name) == 0) {
                field_reader_bad(reader, &here, "conflict", "\"%s\" stands in the list twice",
                                 name);
            }
        }
        out->recorder_count++;
    }
}

static void read_profiles(struct field_reader *reader, const struct spot *spot, const json_t *value,
                          void *base)
{
    struct job_document *out = base;
    if (!field_reader_array(reader, spot, value, 1,
                            sizeof(out->profiles) / sizeof(out->profiles[0]))) {
        return;
    }
    for (size_t i = 0; i < json_array_size(value); i++) {
        struct spot here = {spot, NULL, i};
        int found = field_reader_word(reader, &here, json_array_get(value, i), profile_words);
        if (found < 0) {
            continue;
        }
        char *profile = out->profiles[out->profile_count++];
        text_copy(profile, sizeof(out->profiles[0]), profile_words[found]);
        for (size_t before = 0; before + 1 < out->profile_count; before++) {
            if (strcmp(out->profiles[before], profile) == 0) {
                field_reader_bad(reader, &here, "conflict", "\"%s\" stands in the list twice",
                                 profile);
            }
        }
    }
}

/* Recorders have no tags yet: none can be asked for. */
static void read_target_tags(struct field_reader *reader, const struct spot *spot,
                             const json_t *value, void *base)
{
    static const struct member none[] = {MEMBERS_END};
    if (json_object_size(value) > 0) {
        field_reader_unbuilt(reader, spot, "choosing a recorder by its tags is not built yet");
    } else {
        field_reader_object(reader, spot, value, none, base);
    }
}

static const struct member target_medium_members[] = {
    MEMBER_READ("profiles", read_profiles),
    WORD("require", require, require_words),
    {.name = "fingerprint", .kind = MEMBER_UNBUILT},
    MEMBERS_END,
};

static const struct member target_members[] = {
    TEXT("recorder", recorder),
    MEMBER_READ("recorders", read_recorders),
    TEXT("pool", pool),
    MEMBER_READ("tags", read_target_tags),
    MEMBER_IN("medium", target_medium_members),
    {.name = "on_wrong_medium",
     .kind = MEMBER_WORD,
     AT(on_wrong_medium),
     .least = WRONG_MEDIUM_WAIT,
     .words = wrong_medium_words + WRONG_MEDIUM_WAIT},
    INT("wait_timeout_s", wait_timeout_s, 0, WAIT_MAX_S),
    MEMBERS_END,
};

static void read_target(struct field_reader *reader, const struct spot *spot, const json_t *value,
                        void *base)
{
    struct job_document *out = base;
    field_reader_object(reader, spot, value, target_members, out);
    if (out->recorder[0] != '\0' && out->recorder_count > 0) {
        struct spot here = {spot, "recorders", 0};
        field_reader_bad(reader, &here, "target_conflict",
                         "`recorder` and `recorders` cannot both be given");
    }
}

/* --- types --------------------------------------------------------------------------------- */

/* An object of another type than the document's; false: it is the right one, or the type is not
 * known. */
static bool is_of_other_type(struct field_reader *reader, const struct spot *spot,
                             const struct reading *reading, enum job_type type)
{
    if (reading->type_unbuilt || reading->document.type == JOB_TYPE_COUNT ||
        reading->document.type == type) {
        return false;
    }
    field_reader_bad(reader, spot, "conflict", "a job of type %s has no `%s`",
                     job_type_to_text(reading->document.type), spot->key);
    return true;
}

static void read_data(struct field_reader *reader, const struct spot *spot, const json_t *value,
                      void *base)
{
    struct reading *reading = base;
    reading->has_data = true;
    if (!is_of_other_type(reader, spot, reading, JOB_TYPE_DATA)) {
        field_reader_object(reader, spot, value, data_reader_members, base);
    }
}

static void read_image(struct field_reader *reader, const struct spot *spot, const json_t *value,
                       void *base)
{
    struct reading *reading = base;
    reading->has_image = true;
    if (!is_of_other_type(reader, spot, reading, JOB_TYPE_IMAGE)) {
        field_reader_object(reader, spot, value, image_reader_members, base);
    }
}

/* The object of a type that is not built: right only beside that type, which is refused anyway. */
static void read_unbuilt_type(struct field_reader *reader, const struct spot *spot,
                              const json_t *value, void *base)
{
    (void)value;
    is_of_other_type(reader, spot, base, JOB_TYPE_COUNT);
}

static void read_type(struct field_reader *reader, const struct spot *spot, const json_t *value,
                      void *base)
{
    struct reading *reading = base;
    int found = field_reader_word(reader, spot, value, type_words);
    if (found >= JOB_TYPE_COUNT) {
        reading->type_unbuilt = true;
    } else if (found >= 0) {
        reading->document.type = (enum job_type)found;
    }
}

/* --- burn, verify, after ------------------------------------------------------------------- */

static void read_speed_number(struct field_reader *reader, const struct spot *spot,
                              const json_t *value, struct speed *speed, enum speed_kind kind)
{
    double most = kind == SPEED_X ? SPEED_X_MAX : SPEED_KB_S_MAX;
    double number = json_number_value(value);
    if (!json_is_number(value) || (kind == SPEED_KB_S && !json_is_integer(value))) {
        field_reader_bad(reader, spot, "wrong_type",
                         kind == SPEED_X ? "must be a number" : "must be an integer");
    } else if (!(number > 0) || number > most) {
        field_reader_bad(reader, spot, "out_of_range", "must be above 0 and at most %.0f", most);
    } else {
        *speed = (struct speed){.kind = kind, .value = number};
    }
}

static void read_speed_x(struct field_reader *reader, const struct spot *spot, const json_t *value,
                         void *base)
{
    read_speed_number(reader, spot, value, base, SPEED_X);
}

static void read_speed_kb_s(struct field_reader *reader, const struct spot *spot,
                            const json_t *value, void *base)
{
    read_speed_number(reader, spot, value, base, SPEED_KB_S);
}

static void read_speed(struct field_reader *reader, const struct spot *spot, const json_t *value,
                       void *base)
{
    static const char *const words[] = {"max", "min", NULL};
    static const struct member members[] = {MEMBER_READ("x", read_speed_x),
                                            MEMBER_READ("kb_s", read_speed_kb_s), MEMBERS_END};
    struct speed *speed = &((struct job_document *)base)->speed;
    if (json_is_object(value)) {
        field_reader_object(reader, spot, value, members, speed);
        if (field_reader_is_given(value, "x") == field_reader_is_given(value, "kb_s")) {
            field_reader_bad(reader, spot,
                             field_reader_is_given(value, "x") ? "conflict" : "required",
                             "exactly one of `x` and `kb_s` must be given");
        }
    } else if (json_is_string(value)) {
        int found = field_reader_word(reader, spot, value, words);
        *speed = (struct speed){.kind = found == 1 ? SPEED_MIN : SPEED_MAX};
    } else {
        field_reader_bad(reader, spot, "wrong_type",
                         "must be \"max\", \"min\", {\"x\":…} or {\"kb_s\":…}");
    }
}

static const struct member burn_members[] = {
    MEMBER_READ("speed", read_speed),
    WORD_CHARS("mode", mode, mode_words),
    BOOL("close", close),
    BOOL("simulate", simulate),
    BOOL("underrun_protection", underrun_protection),
    BOOL("force_overwrite", force_overwrite),
    WORD_CHARS("blank_first", blank_first, blank_first_words),
    BOOL("stream_recording", stream_recording),
    MEMBERS_END,
};

static void read_verify(struct field_reader *reader, const struct spot *spot, const json_t *value,
                        void *base)
{
    static const struct member members[] = {
        {.name = "level", .kind = MEMBER_WORD, AT(verify), .words = verify_words, .required = true},
        WORD_CHARS("where", verify_where, where_words),
        BOOL("reload", verify_reload),
        MEMBERS_END,
    };
    struct job_document *out = base;
    if (json_is_object(value)) {
        field_reader_object(reader, spot, value, members, base);
    } else if (json_is_string(value)) {
        int found = field_reader_word(reader, spot, value, verify_words);
        out->verify = found >= 0 ? (enum verify_level)found : out->verify;
    } else {
        field_reader_bad(reader, spot, "wrong_type", "must be a text or an object");
    }
}

static void read_ruined_limit(struct field_reader *reader, const struct spot *spot,
                              const json_t *value, void *base)
{
    struct job_document *out = base;
    int64_t limit;
    if (json_is_null(value)) {
        out->max_ruined_discs = -1;
    } else if (field_reader_integer(reader, spot, value, 1, LIMIT_COPIES, &limit)) {
        out->max_ruined_discs = limit;
    }
}

static const struct member on_failure_members[] = {
    INT("attempts_per_copy", attempts_per_copy, 1, 100),
    {.name = "reduce_speed", .kind = MEMBER_FALSE},
    {.name = "max_ruined_discs", .kind = MEMBER_NULLABLE, .read = read_ruined_limit},
    WORD("then", then, then_words),
    MEMBERS_END,
};

static void read_eject(struct field_reader *reader, const struct spot *spot, const json_t *value,
                       void *base)
{
    static const char *const words[] = {"auto", NULL};
    struct job_document *out = base;
    if (json_is_boolean(value)) {
        out->eject = json_is_true(value) ? EJECT_WISH_YES : EJECT_WISH_NO;
    } else if (!json_is_string(value)) {
        field_reader_bad(reader, spot, "wrong_type", "must be \"auto\", true or false");
    } else if (field_reader_word(reader, spot, value, words) == 0) {
        out->eject = EJECT_WISH_AUTO;
    }
}

static const struct member after_members[] = {MEMBER_READ("eject", read_eject), MEMBERS_END};

static const struct member schedule_members[] = {{.name = "not_before", .kind = MEMBER_UNBUILT},
                                                 MEMBERS_END};

/* --- the document -------------------------------------------------------------------------- */

/* The store finds "\nkey=value\n": neither may break a line, a key has no "=". */
static void read_tag(struct field_reader *reader, const struct spot *spot, const char *key,
                     const json_t *value, struct job_document *out)
{
    struct spot here = {spot, key, 0};
    struct job_tag *tag = &out->tags[out->tag_count];
    json_t *name = json_string(key);
    bool good = field_reader_chars(reader, &here, name, tag->key, sizeof(tag->key), false);
    json_decref(name);
    if (strchr(key, '=') != NULL) {
        field_reader_bad(reader, &here, "invalid_value", "the key of a tag must not hold =");
        good = false;
    }
    tag->value[0] = '\0';
    bool empty = json_is_string(value) && json_string_length(value) == 0;
    if (!empty &&
        !field_reader_chars(reader, &here, value, tag->value, sizeof(tag->value), false)) {
        good = false;
    }
    out->tag_count += good;
}

static void read_tags(struct field_reader *reader, const struct spot *spot, const json_t *value,
                      void *base)
{
    struct job_document *out = base;
    if (!json_is_object(value)) {
        field_reader_bad(reader, spot, "wrong_type", "must be an object of texts");
        return;
    }
    if (json_object_size(value) > JOB_TAGS_MAX) {
        field_reader_bad(reader, spot, "too_many", "has %zu tags, at most %d are allowed",
                         json_object_size(value), JOB_TAGS_MAX);
        return;
    }
    void *at = json_object_iter((json_t *)(uintptr_t)value);
    for (; at != NULL; at = json_object_iter_next((json_t *)(uintptr_t)value, at)) {
        const json_t *text = json_object_iter_value(at);
        if (!json_is_null(text)) {
            read_tag(reader, spot, json_object_iter_key(at), text, out);
        }
    }
}

static void read_copies(struct field_reader *reader, const struct spot *spot, const json_t *value,
                        void *base)
{
    struct job_document *out = base;
    int64_t copies;
    if (json_is_null(value)) {
        field_reader_unbuilt(reader, spot, "copies until stopped (null) are not built yet");
    } else if (field_reader_integer(reader, spot, value, 1, LIMIT_COPIES, &copies)) {
        out->copies = copies;
    }
}

static const struct member document_members[] = {
    {.name = "type",
     .kind = MEMBER_CUSTOM,
     .read = read_type,
     .required = true}, /* first: others ask */
    TEXT("title", title),
    TEXT("client_ref", client_ref),
    MEMBER_READ("tags", read_tags),
    INT("priority", priority, 0, 100),
    {.name = "copies", .kind = MEMBER_NULLABLE, .read = read_copies},
    MEMBER_READ("target", read_target),
    MEMBER_READ("data", read_data),
    MEMBER_READ("image", read_image),
    MEMBER_READ("audio", read_unbuilt_type),
    MEMBER_READ("mixed", read_unbuilt_type),
    MEMBER_READ("copy", read_unbuilt_type),
    MEMBER_READ("read", read_unbuilt_type),
    MEMBER_READ("blank", read_unbuilt_type),
    MEMBER_READ("format", read_unbuilt_type),
    MEMBER_READ("check", read_unbuilt_type),
    MEMBER_READ("sync", read_unbuilt_type),
    MEMBER_READ("restore", read_unbuilt_type),
    MEMBER_IN("burn", burn_members),
    MEMBER_READ("verify", read_verify),
    MEMBER_IN("on_failure", on_failure_members),
    MEMBER_IN("after", after_members),
    MEMBER_IN("schedule", schedule_members),
    {.name = "template", .kind = MEMBER_UNBUILT},
    MEMBERS_END,
};

static void set_defaults(struct job_document *out)
{
    *out = (struct job_document){
        .type = JOB_TYPE_COUNT,
        .priority = 50,
        .copies = 1,
        .require = REQUIRE_BLANK,
        .on_wrong_medium = WRONG_MEDIUM_DEFAULT,
        .wait_timeout_s = 7200,
        .data = {.ownership = OWNERSHIP_NEUTRAL,
                 .symlinks = SYMLINKS_KEEP,
                 .on_unreadable = UNREADABLE_FAIL,
                 .iso_level = 3,
                 .rock_ridge = true,
                 .joliet = true},
        .speed = {.kind = SPEED_MAX},
        .mode = "auto",
        .close = true,
        .underrun_protection = true,
        .blank_first = "never",
        .verify = VERIFY_FULL,
        .verify_where = "same_recorder",
        .verify_reload = true,
        .checksums = "auto",
        .attempts_per_copy = 1,
        .max_ruined_discs = 2,
        .then = THEN_HOLD,
        .eject = EJECT_WISH_AUTO,
    };
}

/* What stands between members, once all are read. */
static void check_whole(struct field_reader *reader, struct reading *reading)
{
    struct job_document *document = &reading->document;
    if (document->type == JOB_TYPE_DATA && !reading->has_data) {
        struct spot here = {NULL, "data", 0};
        field_reader_bad(reader, &here, "required", "must be given for a job of type data");
    }
    if (document->type == JOB_TYPE_IMAGE && !reading->has_image) {
        struct spot here = {NULL, "image", 0};
        field_reader_bad(reader, &here, "required", "must be given for a job of type image");
    }
    if (document->recorder[0] == '\0') {
        text_copy(document->recorder, sizeof(document->recorder), "any");
    }
}

int body_reader_job(const json_t *body, struct job_document *out, struct field_errors *fields,
                    struct error *err)
{
    struct field_reader *reader = xcalloc(1, sizeof(*reader));
    struct reading reading = {0};
    *fields = (struct field_errors){0};
    reader->errors = fields;
    set_defaults(&reading.document);
    field_reader_object(reader, NULL, body, document_members, &reading);
    if (json_is_object(body)) {
        check_whole(reader, &reading);
    }
    int failed = field_reader_result(reader, err);
    free(reader);
    if (failed != 0) {
        job_document_release(&reading.document);
        *out = (struct job_document){0};
        return -1;
    }
    *out = reading.document;
    return 0;
}

int body_reader_stored_document(const char *text, struct job_document *out, struct error *err)
{
    struct json_place place;
    json_t *body = NULL;
    if (body_reader_text(text, strlen(text), &body, &place, err) != 0) {
        *out = (struct job_document){0};
        return -1;
    }
    struct field_errors *fields = xcalloc(1, sizeof(*fields));
    int failed = body_reader_job(body, out, fields, err);
    free(fields);
    json_decref(body);
    return failed;
}
