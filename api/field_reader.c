/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * See field_reader.h. Nothing here allocates: a pointer is put together from the chain of spots
 * only when something is wrong, and the list of bad fields is bounded.
 */
#include "field_reader.h"

#include <inttypes.h>
#include <limits.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#define POINTER_SIZE sizeof(((struct field_error *)NULL)->pointer)

/* --- noting -------------------------------------------------------------------------------- */

static size_t put(char *out, size_t used, const char *text, size_t length)
{
    if (used + length < POINTER_SIZE) {
        memcpy(out + used, text, length);
        out[used + length] = '\0';
        return used + length;
    }
    return POINTER_SIZE; /* full: what follows is left out too */
}

/* RFC 6901: ~ is ~0, / is ~1. */
static size_t put_escaped(char *out, size_t used, const char *key)
{
    for (; *key != '\0'; key++) {
        size_t length = 1;
        while (((unsigned char)key[length] & 0xC0) == 0x80) {
            length++; /* never cut inside a character */
        }
        if (*key == '~' || *key == '/') {
            used = put(out, used, *key == '~' ? "~0" : "~1", 2);
        } else {
            used = put(out, used, key, length);
        }
        key += length - 1;
    }
    return used;
}

static size_t put_spot(char *out, const struct spot *spot)
{
    if (spot == NULL) {
        return 0;
    }
    size_t used = put(out, put_spot(out, spot->parent), "/", 1);
    if (spot->key != NULL) {
        return put_escaped(out, used, spot->key);
    }
    char index[24];
    snprintf(index, sizeof(index), "%zu", spot->index);
    return put(out, used, index, strlen(index));
}

/* The sentence is made valid UTF-8 again where the buffer cut it. */
static void __attribute__((format(printf, 4, 0)))
note(struct field_errors *list, const struct spot *spot, const char *code, const char *format,
     va_list args)
{
    char pointer[POINTER_SIZE] = "", detail[sizeof(list->items[0].detail)];
    put_spot(pointer, spot);
    int length = vsnprintf(detail, sizeof(detail), format, args);
    if (length >= (int)sizeof(detail)) {
        size_t end = sizeof(detail) - 1;
        while (end > 0 && ((unsigned char)detail[end - 1] & 0xC0) == 0x80) {
            end--;
        }
        if (end > 0 && ((unsigned char)detail[end - 1] & 0x80) != 0) {
            end--;
        }
        detail[end] = '\0';
    }
    field_errors_add(list, pointer, code, "%s", detail);
}

void field_reader_bad(struct field_reader *reader, const struct spot *spot, const char *code,
                      const char *format, ...)
{
    va_list args;
    va_start(args, format);
    note(reader->errors, spot, code, format, args);
    va_end(args);
}

void field_reader_unbuilt(struct field_reader *reader, const struct spot *spot, const char *format,
                          ...)
{
    va_list args;
    va_start(args, format);
    note(&reader->unbuilt, spot, "feature_unavailable", format, args);
    va_end(args);
}

/* --- values -------------------------------------------------------------------------------- */

static const char *type_word(const json_t *value)
{
    switch (json_typeof(value)) {
    case JSON_OBJECT:
        return "an object";
    case JSON_ARRAY:
        return "an array";
    case JSON_STRING:
        return "a text";
    case JSON_INTEGER:
    case JSON_REAL:
        return "a number";
    case JSON_TRUE:
    case JSON_FALSE:
        return "true or false";
    case JSON_NULL:
        return "null";
    }
    return "something else";
}

static void wrong_type(struct field_reader *reader, const struct spot *spot, const json_t *value,
                       const char *wanted)
{
    field_reader_bad(reader, spot, "wrong_type", "must be %s, not %s", wanted, type_word(value));
}

const char *field_reader_text(struct field_reader *reader, const struct spot *spot,
                              const json_t *value)
{
    if (!json_is_string(value)) {
        wrong_type(reader, spot, value, "a text");
        return NULL;
    }
    return json_string_value(value);
}

bool field_reader_integer(struct field_reader *reader, const struct spot *spot, const json_t *value,
                          int64_t least, int64_t most, int64_t *out)
{
    if (!json_is_integer(value)) {
        field_reader_bad(reader, spot, "wrong_type", "must be an integer, not %s",
                         json_is_real(value) ? "a fraction" : type_word(value));
        return false;
    }
    *out = json_integer_value(value);
    if (*out < least || *out > most) {
        field_reader_bad(reader, spot, "out_of_range", "must be %" PRId64 " to %" PRId64, least,
                         most);
        return false;
    }
    return true;
}

static bool has_control_character(const char *text, bool ascii)
{
    for (const unsigned char *at = (const unsigned char *)text; *at != '\0'; at++) {
        if (*at < 0x20 || *at == 0x7F || (ascii && *at > 0x7F)) {
            return true;
        }
    }
    return false;
}

bool field_reader_chars(struct field_reader *reader, const struct spot *spot, const json_t *value,
                        char *field, size_t size, bool ascii)
{
    const char *text = field_reader_text(reader, spot, value);
    if (text == NULL) {
        return false;
    }
    size_t length = strlen(text);
    if (length == 0) {
        field_reader_bad(reader, spot, "invalid_value",
                         "must not be empty; null or absent means none");
        return false;
    }
    if (length >= size) {
        field_reader_bad(reader, spot, "too_long", "has %zu bytes, at most %zu are allowed", length,
                         size - 1);
        return false;
    }
    if (has_control_character(text, ascii)) {
        field_reader_bad(reader, spot, "invalid_value",
                         ascii ? "may hold printable ASCII only"
                               : "must not hold control characters");
        return false;
    }
    memcpy(field, text, length + 1);
    return true;
}

static bool same_word(const char *known, const char *text)
{
    return strcmp(known + (known[0] == '!'), text) == 0;
}

static void unknown_word(struct field_reader *reader, const struct spot *spot,
                         const char *const *words)
{
    char list[160] = "";
    for (int i = 0; words[i] != NULL; i++) {
        size_t used = strlen(list);
        snprintf(list + used, sizeof(list) - used, "%s%s", i > 0 ? ", " : "",
                 words[i] + (words[i][0] == '!'));
    }
    field_reader_bad(reader, spot, "invalid_value", "must be one of: %s", list);
}

int field_reader_word(struct field_reader *reader, const struct spot *spot, const json_t *value,
                      const char *const *words)
{
    const char *text = field_reader_text(reader, spot, value);
    if (text == NULL) {
        return -1;
    }
    for (int i = 0; words[i] != NULL; i++) {
        if (!same_word(words[i], text)) {
            continue;
        }
        if (words[i][0] == '!') {
            field_reader_unbuilt(reader, spot, "\"%s\" is not built yet", text);
        }
        return i;
    }
    unknown_word(reader, spot, words);
    return -1;
}

bool field_reader_array(struct field_reader *reader, const struct spot *spot, const json_t *value,
                        size_t least, size_t most)
{
    if (!json_is_array(value)) {
        wrong_type(reader, spot, value, "an array");
        return false;
    }
    size_t count = json_array_size(value);
    if (count > most) {
        field_reader_bad(reader, spot, "too_many", "has %zu elements, at most %zu are allowed",
                         count, most);
        return false;
    }
    if (count < least) {
        field_reader_bad(reader, spot, "out_of_range", "needs at least %zu element%s", least,
                         least == 1 ? "" : "s");
        return false;
    }
    return true;
}

bool field_reader_is_given(const json_t *object, const char *name)
{
    const json_t *value = json_object_get(object, name);
    return value != NULL && !json_is_null(value);
}

/* --- members ------------------------------------------------------------------------------- */

static void read_bool(struct field_reader *reader, const struct spot *spot, const json_t *value,
                      const struct member *member, char *at)
{
    if (!json_is_boolean(value)) {
        wrong_type(reader, spot, value, "true or false");
    } else if (member->kind == MEMBER_BOOL) {
        *(bool *)at = json_is_true(value);
    } else if (json_is_true(value)) {
        field_reader_unbuilt(reader, spot, "`%s` is not built yet", member->name);
    }
}

static void read_integer(struct field_reader *reader, const struct spot *spot, const json_t *value,
                         const struct member *member, char *at)
{
    int64_t number;
    if (!field_reader_integer(reader, spot, value, member->least, member->most, &number)) {
        return;
    }
    if (member->size == sizeof(int64_t)) {
        *(int64_t *)at = number;
    } else {
        *(int *)at = (int)number;
    }
}

static void read_word(struct field_reader *reader, const struct spot *spot, const json_t *value,
                      const struct member *member, char *at)
{
    int found = field_reader_word(reader, spot, value, member->words);
    if (found < 0) {
        return;
    }
    if (member->kind == MEMBER_WORD) {
        *(unsigned *)at = (unsigned)(found + member->least);
    } else {
        const char *word = member->words[found];
        snprintf(at, member->size, "%s", word + (word[0] == '!'));
    }
}

static void read_member(struct field_reader *reader, const struct spot *spot, const json_t *value,
                        const struct member *member, void *base)
{
    char *at = (char *)base + member->offset;
    switch (member->kind) {
    case MEMBER_BOOL:
    case MEMBER_FALSE:
        read_bool(reader, spot, value, member, at);
        break;
    case MEMBER_INT:
        read_integer(reader, spot, value, member, at);
        break;
    case MEMBER_TEXT:
    case MEMBER_ASCII:
        field_reader_chars(reader, spot, value, at, member->size, member->kind == MEMBER_ASCII);
        break;
    case MEMBER_WORD:
    case MEMBER_WORD_TEXT:
        read_word(reader, spot, value, member, at);
        break;
    case MEMBER_OBJECT:
        field_reader_object(reader, spot, value, member->members, base);
        break;
    case MEMBER_CUSTOM:
    case MEMBER_NULLABLE:
        member->read(reader, spot, value, base);
        break;
    case MEMBER_UNBUILT:
        field_reader_unbuilt(reader, spot, "`%s` is not built yet", member->name);
        break;
    case MEMBER_END:
        break;
    }
}

static bool is_member(const struct member *members, const char *key)
{
    for (const struct member *member = members; member->kind != MEMBER_END; member++) {
        if (strcmp(member->name, key) == 0) {
            return true;
        }
    }
    return false;
}

static void note_unknown(struct field_reader *reader, const struct spot *spot, const json_t *object,
                         const struct member *members)
{
    /* only json_object_iter() wants a table that may be written to */
    void *at = json_object_iter((json_t *)(uintptr_t)object);
    for (; at != NULL; at = json_object_iter_next((json_t *)(uintptr_t)object, at)) {
        const char *key = json_object_iter_key(at);
        if (!is_member(members, key)) {
            struct spot here = {spot, key, 0};
            field_reader_bad(reader, &here, "unknown_field", "there is no such field here");
        }
    }
}

void field_reader_object(struct field_reader *reader, const struct spot *spot, const json_t *object,
                         const struct member *members, void *base)
{
    if (!json_is_object(object)) {
        wrong_type(reader, spot, object, "an object");
        return;
    }
    for (const struct member *member = members; member->kind != MEMBER_END; member++) {
        struct spot here = {spot, member->name, 0};
        const json_t *value = json_object_get(object, member->name);
        bool absent = value == NULL || (json_is_null(value) && member->kind != MEMBER_NULLABLE);
        if (!absent) {
            read_member(reader, &here, value, member, base);
        } else if (member->required) {
            field_reader_bad(reader, &here, "required", "must be given");
        }
    }
    note_unknown(reader, spot, object, members);
}

/* --- result -------------------------------------------------------------------------------- */

/* All fields of one code that is a code of answers too (target_conflict): the answer has that code.
 */
static enum error_code common_code(const struct field_errors *errors)
{
    for (size_t i = 1; i < errors->count && i < FIELD_ERRORS_MAX; i++) {
        if (strcmp(errors->items[0].code, errors->items[i].code) != 0) {
            return ERROR_INVALID_REQUEST;
        }
    }
    enum error_code code = error_code_from_text(errors->items[0].code);
    return code == ERROR_INTERNAL ? ERROR_INVALID_REQUEST : code;
}

int field_reader_result(struct field_reader *reader, struct error *err)
{
    struct field_errors *errors = reader->errors;
    if (errors->count == 0 && reader->unbuilt.count == 0) {
        return 0;
    }
    if (errors->count == 0) {
        *errors = reader->unbuilt;
    }
    const struct field_error *first = &errors->items[0];
    const char *name = first->pointer[0] != '\0' ? first->pointer : "the body";
    if (errors->count == 1) {
        error_set(err, common_code(errors), "%s: %s", name, first->detail);
    } else {
        error_set(err, common_code(errors), "%s: %s, and %zu more", name, first->detail,
                  errors->count - 1);
    }
    snprintf(err->pointer, sizeof(err->pointer), "%.*s", (int)sizeof(err->pointer) - 1,
             first->pointer);
    return -1;
}
