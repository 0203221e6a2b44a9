/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * A failure as clients see it: application/problem+json (RFC 9457) with our members. One table
 * gives each error code its HTTP status, title, default user_action and whether trying again can
 * help.
 *
 * The same object is the answer of a request and the `problem` of a job, copy and attempt; those
 * have no request_id and no instance. Any thread; no state.
 */
#ifndef BURND_API_PROBLEM_H
#define BURND_API_PROBLEM_H

#include "base/error.h"

#include <jansson.h>

int problem_status(enum error_code code);
const char *problem_title(enum error_code code);
const char *problem_user_action(enum error_code code);
bool problem_is_retryable(enum error_code code);

/* A new object. `fields`, `request_id` and `instance` may be NULL (request_id and instance are
 * then left out). The pointers of `fields` are JSON pointers, or begin with "?" for a query
 * parameter or ":" for a header. */
json_t *problem_json(const struct error *err, const struct field_errors *fields,
                     const char *request_id, const char *instance);

#endif
