/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * What is UTF-8 and what is not (RFC 3629): no overlong forms, no surrogates, nothing beyond
 * U+10FFFF. Names of files and what libraries say may be any bytes; what leaves the program is
 * UTF-8.
 */
#ifndef BURND_BASE_UTF8_H
#define BURND_BASE_UTF8_H

#include <stdbool.h>
#include <stddef.h>

/* Bytes of the character at `text`, which is not at its end; 0 = there is none. */
size_t utf8_length(const char *text);

bool utf8_is_valid(const char *text);

/* A malloc()ed copy in which every byte that belongs to no character is U+FFFD. */
char *utf8_repaired(const char *text);

#endif
