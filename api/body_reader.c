/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * Text → JSON value under the rules of api.md §1, and the small bodies of actions. The job document
 * is in job_reader.c, reading by tables in field_reader.c. Pure functions, any thread.
 *
 * jansson refuses bad UTF-8, NULs, duplicates and trailing data; the depth is counted here before
 * it parses, for its own limit of 2048 is not ours.
 */
#include "body_reader.h"
#include "field_reader.h"
#include "limits.h"

#include "base/alloc.h"

#include <string.h>

/* Byte offset of the bracket that opens the 65th level, -1 when there is none. */
static ssize_t too_deep_at(const char *text, size_t length)
{
    int depth = 0;
    bool in_string = false;
    for (size_t i = 0; i < length; i++) {
        char letter = text[i];
        if (in_string) {
            i += letter == '\\';
            in_string = letter != '"';
        } else if (letter == '"') {
            in_string = true;
        } else if (letter == '{' || letter == '[') {
            if (++depth > LIMIT_JSON_DEPTH) {
                return (ssize_t)i;
            }
        } else if (letter == '}' || letter == ']') {
            depth--;
        }
    }
    return -1;
}

static struct json_place place_of(const char *text, size_t position)
{
    struct json_place place = {.line = 1, .column = 1, .position = position};
    for (size_t i = 0; i < position; i++) {
        place.column++;
        if (text[i] == '\n') {
            place.line++;
            place.column = 1;
        }
    }
    return place;
}

static int refuse(struct json_place where, const char *why, struct json_place *place,
                  struct error *err)
{
    *place = where;
    return error_set(err, ERROR_INVALID_JSON,
                     "the body is not valid JSON: %s (line %d, column %d, position %zu)", why,
                     where.line, where.column, where.position);
}

int body_reader_text(const char *text, size_t length, json_t **out, struct json_place *place,
                     struct error *err)
{
    *out = NULL;
    *place = (struct json_place){0};
    ssize_t deep = too_deep_at(text, length);
    if (deep >= 0) {
        return refuse(place_of(text, (size_t)deep), "nested deeper than 64", place, err);
    }
    json_error_t trouble;
    *out = json_loadb(text, length, JSON_REJECT_DUPLICATES | JSON_DECODE_ANY, &trouble);
    if (*out != NULL) {
        return 0;
    }
    struct json_place where = {
        .line = trouble.line > 0 ? trouble.line : 1,
        .column = trouble.column > 0 ? trouble.column : 0,
        .position = trouble.position > 0 ? (size_t)trouble.position : 0,
    };
    return refuse(where, trouble.text, place, err);
}

/* --- actions ------------------------------------------------------------------------------- */

struct action {
    char *word;
    size_t size;
    const char *const *allowed;
    int copy;
};

static void read_word(struct field_reader *reader, const struct spot *spot, const json_t *value,
                      void *base)
{
    struct action *action = base;
    int found = field_reader_word(reader, spot, value, action->allowed);
    if (found >= 0) {
        text_copy(action->word, action->size, action->allowed[found]);
    }
}

int body_reader_action(const json_t *body, const char *member, const char *const *allowed,
                       char *out, size_t out_size, struct field_errors *fields, struct error *err)
{
    struct field_reader reader = {.errors = fields};
    *fields = (struct field_errors){0};
    struct action action = {.word = out, .size = out_size, .allowed = allowed};
    const struct member members[] = {
        {.name = member, .kind = MEMBER_CUSTOM, .read = read_word, .required = true},
        MEMBERS_END,
    };
    field_reader_object(&reader, NULL, body, members, &action);
    return field_reader_result(&reader, err);
}

int body_reader_confirm(const json_t *body, bool needs_copy, int *copy, char *verdict,
                        size_t verdict_size, struct field_errors *fields, struct error *err)
{
    static const char *const verdicts[] = {"good", "redo", "give_up", NULL};
    struct field_reader reader = {.errors = fields};
    *fields = (struct field_errors){0};
    struct action action = {.word = verdict, .size = verdict_size, .allowed = verdicts};
    const struct member members[] = {
        {.name = "verdict", .kind = MEMBER_CUSTOM, .read = read_word, .required = true},
        {.name = needs_copy ? "copy" : NULL,
         .kind = needs_copy ? MEMBER_INT : MEMBER_END,
         .offset = offsetof(struct action, copy),
         .size = sizeof(action.copy),
         .least = 1,
         .most = LIMIT_COPIES,
         .required = true},
        MEMBERS_END,
    };
    field_reader_object(&reader, NULL, body, members, &action);
    if (field_reader_result(&reader, err) != 0) {
        return -1;
    }
    if (needs_copy) {
        *copy = action.copy;
    }
    return 0;
}

int body_reader_empty(const json_t *body, struct field_errors *fields, struct error *err)
{
    static const struct member none[] = {MEMBERS_END};
    struct field_reader reader = {.errors = fields};
    *fields = (struct field_errors){0};
    field_reader_object(&reader, NULL, body, none, NULL);
    return field_reader_result(&reader, err);
}
