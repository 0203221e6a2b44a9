/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * Enums whose values have words: the list is written once, as an X-macro, and enum, JSON word, SQL
 * text and openapi enum come from it. DECLARE_WORDS in the header, DEFINE_WORDS in one .c file.
 */
#ifndef BURND_BASE_WORDS_H
#define BURND_BASE_WORDS_H

#include <stddef.h>
#include <string.h>

/* `PREFIX##_X(n, w)` names the constant of an entry; PREFIX_COUNT is added as the last. */
#define DECLARE_WORDS(list, type, PREFIX) \
    enum type { list(PREFIX##_X) PREFIX##_COUNT }; \
    const char *type##_to_text(enum type value); \
    int type##_from_text(const char *word, enum type *out) /* 0, or -1 for an unknown word */

/* A value that is none of the enum has the first word. */
#define DEFINE_WORDS(list, type) \
    static const char *const type##_words[] = {list(WORD_ONLY) NULL}; \
    const char *type##_to_text(enum type value) \
    { \
        size_t count = sizeof(type##_words) / sizeof(type##_words[0]) - 1; \
        return type##_words[(size_t)value < count ? (size_t)value : 0]; \
    } \
    int type##_from_text(const char *word, enum type *out) \
    { \
        int found = word_find(type##_words, word); \
        if (found < 0) { \
            return -1; \
        } \
        *out = (enum type)found; \
        return 0; \
    }

/* The lists are in enum order without gaps, so the position is the value. */
#define WORD_ONLY(n, w) (w),

/* The position of `word` in a list that ends in NULL; -1 when it is not there. */
static inline int word_find(const char *const *words, const char *word)
{
    for (int i = 0; words[i] != NULL; i++) {
        if (strcmp(words[i], word) == 0) {
            return i;
        }
    }
    return -1;
}

#endif
