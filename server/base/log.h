/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * The log on standard error: one line an event, control characters of values replaced.
 *
 * error    burnd could not do its own work (store not writable)      a person must look
 * warning  something outside misbehaved and was handled (worker killed)
 * info     what was done: start, stop, job accepted, attempt ended
 * debug    each request, each worker line (--log-level debug)
 */
#ifndef BURND_BASE_LOG_H
#define BURND_BASE_LOG_H

#include "base/error.h"

enum log_level { LOG_LEVEL_ERROR, LOG_LEVEL_WARNING, LOG_LEVEL_INFO, LOG_LEVEL_DEBUG };

void log_set_level(enum log_level level);

/* `subject` is the object the line is about (a job id, a recorder id, "store"), or NULL. Any
 * thread. */
void log_write(enum log_level level, const char *subject, const char *format, ...)
    PRINTF_FORMAT(3, 4);

#define log_error(subject, ...) log_write(LOG_LEVEL_ERROR, subject, __VA_ARGS__)
#define log_warning(subject, ...) log_write(LOG_LEVEL_WARNING, subject, __VA_ARGS__)
#define log_info(subject, ...) log_write(LOG_LEVEL_INFO, subject, __VA_ARGS__)
#define log_debug(subject, ...) log_write(LOG_LEVEL_DEBUG, subject, __VA_ARGS__)

#endif
