/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * Small allocations that cannot sensibly fail: they abort. Whatever is sized from outside is
 * bounded first and uses malloc() with an error path of its own.
 */
#ifndef BURND_BASE_ALLOC_H
#define BURND_BASE_ALLOC_H

#include "base/error.h"

#include <stddef.h>

void *xcalloc(size_t count, size_t size) __attribute__((malloc, returns_nonnull));
void *xrealloc(void *old, size_t size) __attribute__((returns_nonnull));
char *xstrdup(const char *text) __attribute__((malloc, returns_nonnull));
/* NULL stays NULL. */
char *xstrdup_or_null(const char *text);
char *xasprintf(const char *format, ...) PRINTF_FORMAT(1, 2)
    __attribute__((malloc, returns_nonnull));

/* Copy `text` into a fixed field, cut at its end (never inside a UTF-8 sequence). */
void text_copy(char *field, size_t field_size, const char *text);

#endif
