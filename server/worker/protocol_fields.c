/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * See protocol_fields.h. A kind of field has a case in field_to_json() and one in field_read(). A
 * text of fixed size is cleaned; a char * is said as it is when it is UTF-8 (the paths and texts
 * that clients gave) and cleaned otherwise.
 */
#include "worker/protocol_fields.h"

#include "base/alloc.h"
#include "base/utf8.h"
#include "base/words.h"

#include <limits.h>
#include <stdlib.h>
#include <string.h>

/* --- struct to JSON ------------------------------------------------------------------------ */

/* Fixed-size texts: whatever is no character, and control characters, become '?'. */
static json_t *clean_text(const char *text)
{
    char *copy = xstrdup(text);
    for (char *at = copy; *at != '\0';) {
        size_t length = utf8_length(at);
        if (length == 0 || (unsigned char)*at < 0x20 || *at == 0x7F) {
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

json_t *fields_text(const char *text)
{
    for (const char *at = text; *at != '\0'; at++) {
        if ((unsigned char)*at < 0x20 || (unsigned char)*at >= 0x7F) {
            return clean_text(text);
        }
    }
    return json_string(text);
}

static json_t *field_to_json(const struct field *field, const void *base)
{
    const void *at = (const char *)base + field->offset;
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
        return fields_text(at);
    case FIELD_TEXT:
        return plain_text(*(char *const *)at);
    case FIELD_WORD:
        return json_string(field->words[*(const unsigned *)at]);
    case FIELD_OPTION:
        if (!*(const bool *)((const char *)base + field->flag)) {
            return json_null();
        }
        return fields_to_object(field->fields, at);
    case FIELD_OBJECT:
        return fields_to_object(field->fields, at);
    case FIELD_END:
        break;
    }
    return NULL;
}

void fields_add(json_t *object, const struct field *fields, const void *base)
{
    for (const struct field *field = fields; field->kind != FIELD_END; field++) {
        json_object_set_new(object, field->name, field_to_json(field, base));
    }
}

json_t *fields_to_object(const struct field *fields, const void *base)
{
    json_t *object = json_object();
    fields_add(object, fields, base);
    return object;
}

json_t *fields_to_array(const struct field *fields, const void *first, size_t size, size_t count)
{
    json_t *array = json_array();
    for (size_t i = 0; i < count; i++) {
        json_array_append_new(array, fields_to_object(fields, (const char *)first + i * size));
    }
    return array;
}

json_t *fields_texts(char *const *texts, size_t count)
{
    json_t *array = json_array();
    for (size_t i = 0; i < count; i++) {
        json_array_append_new(array, plain_text(texts[i]));
    }
    return array;
}

char *fields_dump(json_t *value)
{
    char *text = json_dumps(value, JSON_COMPACT);
    json_decref(value);
    if (text == NULL) {
        abort(); /* out of memory: every text in it was made valid before */
    }
    return text;
}

/* --- JSON to struct ------------------------------------------------------------------------ */

int fields_wrong(struct error *err, const char *name, const char *wanted)
{
    return error_set(err, ERROR_INVALID_REQUEST, "the member \"%s\" is missing or is not %s", name,
                     wanted);
}

static int integer_from_json(const struct field *field, const json_t *value, void *at,
                             struct error *err)
{
    if (!json_is_integer(value)) {
        return fields_wrong(err, field->name, "an integer");
    }
    json_int_t number = json_integer_value(value);
    if (field->kind == FIELD_INT64) {
        *(int64_t *)at = number;
        return 0;
    }
    if (number < INT_MIN || number > INT_MAX) {
        return fields_wrong(err, field->name, "an integer of 32 bits");
    }
    *(int *)at = (int)number;
    return 0;
}

static int text_from_json(const struct field *field, const json_t *value, void *at,
                          struct error *err)
{
    if (field->kind == FIELD_TEXT && json_is_null(value)) {
        return 0;
    }
    if (!json_is_string(value)) {
        return fields_wrong(err, field->name, "a text");
    }
    const char *text = json_string_value(value);
    if (field->kind == FIELD_TEXT) {
        *(char **)at = xstrdup(text);
        return 0;
    }
    if (field->kind == FIELD_WORD) {
        int found = word_find(field->words, text);
        *(unsigned *)at = found < 0 ? 0 : (unsigned)found;
        return found < 0 ? fields_wrong(err, field->name, "one of its words") : 0;
    }
    if (strlen(text) >= field->size) {
        return fields_wrong(err, field->name, "a text that fits");
    }
    memcpy(at, text, strlen(text) + 1);
    return 0;
}

int field_read(const struct field *field, const json_t *value, void *base, struct error *err)
{
    void *at = (char *)base + field->offset;
    switch (field->kind) {
    case FIELD_BOOL:
        *(bool *)at = json_is_true(value);
        return json_is_boolean(value) ? 0 : fields_wrong(err, field->name, "true or false");
    case FIELD_INT:
    case FIELD_INT64:
        return integer_from_json(field, value, at, err);
    case FIELD_NUMBER:
        *(double *)at = json_number_value(value);
        return json_is_number(value) ? 0 : fields_wrong(err, field->name, "a number");
    case FIELD_CHARS:
    case FIELD_TEXT:
    case FIELD_WORD:
        return text_from_json(field, value, at, err);
    case FIELD_OPTION:
        *(bool *)((char *)base + field->flag) = json_is_object(value);
        if (json_is_null(value)) {
            return 0;
        }
        return fields_from_object(field->fields, value, at, err);
    case FIELD_OBJECT:
        return fields_from_object(field->fields, value, at, err);
    case FIELD_END:
        break;
    }
    return 0;
}

int fields_from_object(const struct field *fields, const json_t *object, void *base,
                       struct error *err)
{
    if (!json_is_object(object)) {
        return error_set(err, ERROR_INVALID_REQUEST, "an object is missing");
    }
    for (const struct field *field = fields; field->kind != FIELD_END; field++) {
        if (field_read(field, json_object_get(object, field->name), base, err) != 0) {
            return -1;
        }
    }
    return 0;
}

int fields_from_array(const struct field *fields, const json_t *array, const char *name,
                      void *first, size_t size, size_t limit, size_t *count, struct error *err)
{
    if (!json_is_array(array) || json_array_size(array) > limit) {
        return fields_wrong(err, name, "an array of the right size");
    }
    *count = json_array_size(array);
    for (size_t i = 0; i < *count; i++) {
        if (fields_from_object(fields, json_array_get(array, i), (char *)first + i * size, err) !=
            0) {
            return -1;
        }
    }
    return 0;
}

int fields_from_texts(const json_t *array, const char *name, char ***texts, size_t *count,
                      struct error *err)
{
    if (!json_is_array(array)) {
        return fields_wrong(err, name, "an array");
    }
    *texts = xcalloc(json_array_size(array), sizeof(**texts));
    for (size_t i = 0; i < json_array_size(array); i++) {
        const json_t *value = json_array_get(array, i);
        if (!json_is_string(value)) {
            return fields_wrong(err, name, "an array of texts");
        }
        (*texts)[(*count)++] = xstrdup(json_string_value(value));
    }
    return 0;
}

json_t *fields_load(const char *text, size_t length, struct error *err)
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
