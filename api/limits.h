/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * The bounds of what clients may send, as /info tells them and readers and routes apply them.
 */
#ifndef BURND_API_LIMITS_H
#define BURND_API_LIMITS_H

#include "http.h"
#include "request.h"

#define LIMIT_BODY_BYTES (8 * 1024 * 1024)
#define LIMIT_ACTION_BYTES 4096
#define LIMIT_TARGET_BYTES REQUEST_TARGET_MAX
#define LIMIT_HEAD_BYTES HEAD_BYTES_MAX
#define LIMIT_JSON_DEPTH 64
#define LIMIT_ENTRIES 10000
#define LIMIT_EXCLUDES 1000
#define LIMIT_TEXT_BYTES (1024 * 1024)
#define LIMIT_PATH_BYTES 4096
#define LIMIT_TITLE_BYTES 256
#define LIMIT_COPIES 10000
#define LIMIT_PLAN_S 2
#define LIMIT_WAIT_S 600
#define LIMIT_LIST 500

#endif
