/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * Filling error structs and the words of the codes. Any thread, any process; no state.
 */
#include "base/error.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

static const char *const code_words[ERROR_CODE_COUNT] = {
#define X(name, word) [ERROR_##name] = (word),
    ERROR_CODES(X)
#undef X
};

static void PRINTF_FORMAT(3, 0)
    set_text(struct error *err, enum error_code code, const char *format, va_list args)
{
    memset(err, 0, sizeof(*err));
    err->code = code;
    err->device.at_lba = -1;
    err->device.sense_key = err->device.sense_asc = err->device.sense_ascq = -1;
    vsnprintf(err->message, sizeof(err->message), format, args);
}

int error_set(struct error *err, enum error_code code, const char *format, ...)
{
    va_list args;
    va_start(args, format);
    set_text(err, code, format, args);
    va_end(args);
    return -1;
}

int error_set_path(struct error *err, enum error_code code, const char *path, const char *format,
                   ...)
{
    va_list args;
    va_start(args, format);
    set_text(err, code, format, args);
    va_end(args);
    snprintf(err->path, sizeof(err->path), "%s", path);
    return -1;
}

const char *error_code_to_text(enum error_code code)
{
    return code < ERROR_CODE_COUNT ? code_words[code] : code_words[ERROR_INTERNAL];
}

enum error_code error_code_from_text(const char *word)
{
    for (int i = 0; i < ERROR_CODE_COUNT; i++) {
        if (strcmp(code_words[i], word) == 0) {
            return (enum error_code)i;
        }
    }
    return ERROR_INTERNAL;
}

void field_errors_add(struct field_errors *list, const char *pointer, const char *code,
                      const char *format, ...)
{
    size_t at = list->count++;
    if (at >= FIELD_ERRORS_MAX) {
        return;
    }
    struct field_error *item = &list->items[at];
    snprintf(item->pointer, sizeof(item->pointer), "%s", pointer);
    snprintf(item->code, sizeof(item->code), "%s", code);
    va_list args;
    va_start(args, format);
    vsnprintf(item->detail, sizeof(item->detail), format, args);
    va_end(args);
}
