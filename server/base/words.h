/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * Enums whose values have words: the list is written once, as an X-macro, and enum, JSON word, SQL text
 * and openapi enum come from it. DECLARE_WORDS in the header, DEFINE_WORDS in one .c file.
 */
#ifndef BURND_BASE_WORDS_H
#define BURND_BASE_WORDS_H

#include <string.h>

#define DEFINE_WORDS(list, type) \
    static const char *const type##_words[] = {list(WORD_ONLY)}; \
    const char *type##_to_text(enum type value) \
    { \
        return type##_words[value]; \
    } \
    int type##_from_text(const char *word, enum type *out) \
    { \
        for (size_t i = 0; i < sizeof(type##_words) / sizeof(type##_words[0]); i++) { \
            if (strcmp(type##_words[i], word) == 0) { \
                *out = (enum type)i; \
                return 0; \
            } \
        } \
        return -1; \
    }

/* The lists are in enum order without gaps, so the position is the value. */
#define WORD_ONLY(n, w) (w),

#endif
