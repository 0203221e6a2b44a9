/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * See alloc.h. Running out of memory for a few hundred bytes ends the program: the supervisor
 * starts it again and the store knows where it was.
 */
#include "base/alloc.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static void *checked(void *block)
{
    if (block == NULL) {
        fputs("out of memory\n", stderr);
        abort();
    }
    return block;
}

void *xcalloc(size_t count, size_t size)
{
    return checked(calloc(count > 0 ? count : 1, size > 0 ? size : 1));
}

void *xrealloc(void *old, size_t size)
{
    return checked(realloc(old, size > 0 ? size : 1));
}

char *xstrdup(const char *text)
{
    return checked(strdup(text));
}

char *xstrdup_or_null(const char *text)
{
    return text == NULL ? NULL : xstrdup(text);
}

char *xasprintf(const char *format, ...)
{
    char *text = NULL;
    va_list args;
    va_start(args, format);
    int length = vasprintf(&text, format, args);
    va_end(args);
    return checked(length < 0 ? NULL : text);
}

void text_copy(char *field, size_t field_size, const char *text)
{
    size_t length = strlen(text);
    if (length >= field_size) {
        length = field_size - 1;
        while (length > 0 && ((unsigned char)text[length] & 0xC0) == 0x80) {
            length--;
        }
    }
    memmove(field, text, length);
    field[length] = '\0';
}
