/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * See log.h. A line is formatted whole and written with one write(2), so lines never mix.
 */
#include "base/log.h"

#include "base/clock.h"

#include <stdarg.h>
#include <stdatomic.h>
#include <stdio.h>
#include <unistd.h>

static _Atomic int threshold = LOG_LEVEL_INFO;

static const char *const level_words[] = {
    [LOG_LEVEL_ERROR] = "error",
    [LOG_LEVEL_WARNING] = "warning",
    [LOG_LEVEL_INFO] = "info",
    [LOG_LEVEL_DEBUG] = "debug",
};

void log_set_level(enum log_level level)
{
    atomic_store(&threshold, (int)level);
}

void log_write(enum log_level level, const char *subject, const char *format, ...)
{
    if ((int)level > atomic_load(&threshold)) {
        return;
    }
    char line[2048], when[CLOCK_TEXT_SIZE];
    clock_to_text(clock_wall_ms(), when);
    int used = snprintf(line, sizeof(line), "%s %s %s%s", when, level_words[level],
                        subject != NULL ? subject : "", subject != NULL ? ": " : "");
    va_list args;
    va_start(args, format);
    int more = vsnprintf(line + used, sizeof(line) - (size_t)used - 1, format, args);
    va_end(args);
    size_t length = (size_t)used + (more > 0 ? (size_t)more : 0);
    if (length > sizeof(line) - 2) {
        length = sizeof(line) - 2;
    }
    for (size_t i = 0; i < length; i++) {
        if ((unsigned char)line[i] < 0x20 || line[i] == 0x7F) {
            line[i] = '?';
        }
    }
    line[length++] = '\n';
    if (write(STDERR_FILENO, line, length) < 0) {
        return; /* nowhere left to say it */
    }
}
