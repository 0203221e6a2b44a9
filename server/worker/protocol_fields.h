/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * Structs as JSON objects and back, by tables: a table names each member of a struct, its kind and
 * its place, so that the two directions cannot drift apart. For worker_protocol.c only: nothing
 * else of the two programs sees JSON here.
 *
 * Reading is strict: a missing member, a wrong type, an unknown word, a text too long for its field
 * or a NUL in a text is an error. Members that are not known are passed over, so that one end may
 * be told more than it asks for. Texts of fixed size are cleaned on the way out: bytes that are no
 * UTF-8 and control characters become '?', for they come from file names and libraries.
 */
#ifndef BURND_PROTOCOL_FIELDS_H
#define BURND_PROTOCOL_FIELDS_H

#include "base/error.h"

#include <jansson.h>
#include <stddef.h>

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

/* The rows of a table. A member of the same name, another name, an enum, a struct, a struct or
 * null. */
/* clang-format off */
#define AT(type, member) offsetof(type, member), sizeof(((type *)NULL)->member)
#define PLAIN(type, member, kind) {#member, kind, AT(type, member), NULL, NULL, 0}
#define NAMED(type, member, name, kind) {name, kind, AT(type, member), NULL, NULL, 0}
#define WORD(type, member, name, words) {name, FIELD_WORD, AT(type, member), words, NULL, 0}
#define OBJECT(type, member, name, table) {name, FIELD_OBJECT, AT(type, member), NULL, table, 0}
#define OPTION(type, member, name, table, flag) \
    {name, FIELD_OPTION, AT(type, member), NULL, table, offsetof(type, flag)}
#define TABLE_END {NULL, FIELD_END, 0, 0, NULL, NULL, 0}
/* clang-format on */

/* --- struct to JSON: new references -------------------------------------------------------- */

json_t *fields_to_object(const struct field *fields, const void *base);
void fields_add(json_t *object, const struct field *fields, const void *base);
/* `first` is the first of `count` structs of `size` bytes. */
json_t *fields_to_array(const struct field *fields, const void *first, size_t size, size_t count);
json_t *fields_text(const char *text); /* cleaned, as a FIELD_CHARS */
json_t *fields_texts(char *const *texts, size_t count);

/* Takes `value`; malloc()ed text. */
char *fields_dump(json_t *value);

/* --- JSON to struct: 0, or -1 and `err` ---------------------------------------------------- */

/* NULL and an error for what is no JSON object. */
json_t *fields_load(const char *text, size_t length, struct error *err);

NODISCARD int field_read(const struct field *field, const json_t *value, void *base,
                         struct error *err);
NODISCARD int fields_from_object(const struct field *fields, const json_t *object, void *base,
                                 struct error *err);
/* `first` has room for `limit` structs of `size` bytes. */
NODISCARD int fields_from_array(const struct field *fields, const json_t *array, const char *name,
                                void *first, size_t size, size_t limit, size_t *count,
                                struct error *err);
/* `*texts` is the caller's to free, also after a failure: `*count` of them are there. */
NODISCARD int fields_from_texts(const json_t *array, const char *name, char ***texts, size_t *count,
                                struct error *err);

/* "the member `name` is missing or is not `wanted`"; returns -1. */
int fields_wrong(struct error *err, const char *name, const char *wanted);

#endif
