/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * Opening what clients name, and never anything outside the root it is named in. The kernel does
 * the judging (openat2 with RESOLVE_BENEATH): no text of a path is trusted, and a link or a folder
 * that is swapped in between leads to an error, not outside.
 */
#ifndef BURND_BASE_PATH_GUARD_H
#define BURND_BASE_PATH_GUARD_H

#include "base/error.h"

/* Whether `path` may be given to path_guard_open at all: relative, without "..". Empty and "."
 * name the root itself. 0, or -1 with source_outside_root; `shown` is the path as the client
 * knows it. */
NODISCARD int path_guard_check(const char *path, const char *shown, struct error *err);

/* Opens `path` beneath the folder `root_fd` (an O_PATH descriptor will do). `flags` as in open(2);
 * O_CLOEXEC is added. Links are followed while they stay beneath the root, the last one not with
 * O_NOFOLLOW. Returns the descriptor, or -1 with
 *   source_outside_root  an absolute or leaving link, or a path that fails path_guard_check()
 *   source_missing       no such file, dangling or looping links
 *   source_unreadable    no permission, I/O error */
NODISCARD int path_guard_open(int root_fd, const char *path, int flags, const char *shown,
                              struct error *err);

/* The error for `errno_value`, met when touching the source `shown`; returns -1. */
int path_guard_explain(int errno_value, const char *shown, struct error *err);

#endif
