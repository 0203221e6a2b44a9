/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * Reading a JSON object into a struct by a table of its members: name, kind, place, range. The
 * reader goes on after a bad field, so that a client hears of all of them at once; each is named by
 * its JSON pointer (RFC 6901). `null` is the same as absent, except for members that say otherwise.
 * What a table cannot say is read by a function of the caller's.
 *
 * Only for body_reader.c, job_reader.c and data_reader.c.
 */
#ifndef BURND_API_FIELD_READER_H
#define BURND_API_FIELD_READER_H

#include "base/error.h"

#include <jansson.h>
#include <stddef.h>

/* What was found wrong so far. What is right but not built is kept apart: it counts only when
 * nothing is wrong. */
struct field_reader {
    struct field_errors *errors;
    struct field_errors unbuilt;
};

/* Where a value stands: a chain up to the body itself (NULL). Lives on the stack of who reads. */
struct spot {
    const struct spot *parent;
    const char *key; /* of a member; NULL: `index` of an element */
    size_t index;
};

enum member_kind {
    MEMBER_END,
    MEMBER_BOOL,
    MEMBER_FALSE,     /* a bool of which only false is built */
    MEMBER_INT,       /* int or int64_t, by size; least…most */
    MEMBER_TEXT,      /* char[size]: 1…size-1 bytes, no control characters */
    MEMBER_ASCII,     /* likewise, ASCII only */
    MEMBER_WORD,      /* an enum: one of `words`, whose first is the value `least` */
    MEMBER_WORD_TEXT, /* char[size]: one of `words` */
    MEMBER_OBJECT,    /* `members` of the same struct */
    MEMBER_CUSTOM,    /* `read` */
    MEMBER_NULLABLE,  /* `read`, also for null */
    MEMBER_UNBUILT,   /* anything but null is not built */
};

/* Rows of a table of members; AT says the place within a struct. */
#define MEMBER_AT(type, member) \
    .offset = offsetof(type, member), .size = sizeof(((type *)NULL)->member)
#define MEMBERS_END \
    { \
        .kind = MEMBER_END \
    }
#define MEMBER_READ(name_, read_) \
    { \
        .name = name_, .kind = MEMBER_CUSTOM, .read = read_ \
    }
#define MEMBER_IN(name_, members_) \
    { \
        .name = name_, .kind = MEMBER_OBJECT, .members = members_ \
    }

struct member {
    const char *name;
    enum member_kind kind;
    size_t offset, size;
    int64_t least, most;
    const char *const *words; /* ends in NULL; a word that begins with '!' is known but not built */
    const struct member *members;
    void (*read)(struct field_reader *reader, const struct spot *spot, const json_t *value,
                 void *base);
    bool required;
};

/* Reads the members of `object` into the struct at `base`; members that are absent leave it as it
 * is. */
void field_reader_object(struct field_reader *reader, const struct spot *spot, const json_t *object,
                         const struct member *members, void *base);

/* A bad field, and one that is not built. */
void field_reader_bad(struct field_reader *reader, const struct spot *spot, const char *code,
                      const char *format, ...) PRINTF_FORMAT(4, 5);
void field_reader_unbuilt(struct field_reader *reader, const struct spot *spot, const char *format,
                          ...) PRINTF_FORMAT(3, 4);

/* NULL, and wrong_type noted, when `value` is no text. */
const char *field_reader_text(struct field_reader *reader, const struct spot *spot,
                              const json_t *value);
/* A text into a field: at least one byte, `size` - 1 at most. False: noted. */
bool field_reader_chars(struct field_reader *reader, const struct spot *spot, const json_t *value,
                        char *field, size_t size, bool ascii);
/* False: noted. */
bool field_reader_integer(struct field_reader *reader, const struct spot *spot, const json_t *value,
                          int64_t least, int64_t most, int64_t *out);
/* The index of a text among `words` (without its '!'), -1: noted. */
int field_reader_word(struct field_reader *reader, const struct spot *spot, const json_t *value,
                      const char *const *words);
/* False: wrong_type, too_many (or out_of_range for fewer than `least`) noted. */
bool field_reader_array(struct field_reader *reader, const struct spot *spot, const json_t *value,
                        size_t least, size_t most);
/* Whether the member is there and not null. */
bool field_reader_is_given(const json_t *object, const char *name);

/* What it came to: 0, or -1 with one sentence; `errors` then holds the list for the answer. */
NODISCARD int field_reader_result(struct field_reader *reader, struct error *err);

#endif
