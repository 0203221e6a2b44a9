/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * From a data_spec to a tree of what shall be on the disc: the roots are walked beneath their
 * descriptors, grafts put together, excludes applied, links treated as asked for. What the walk saw of
 * each file (device, inode, size, time) is the baseline against which the burn judges it.
 *
 * Knows nothing of libisofs. Nothing is read but folders and link texts.
 */
#ifndef BURND_BURNER_SOURCE_WALK_H
#define BURND_BURNER_SOURCE_WALK_H

#include "burner/source_tree.h"

/* 0 when the tree stands; -1 with errors in the tree (the first also in `err`), or when canceled or
 * `deadline_ms` (CLOCK_MONOTONIC, 0 = none) passed (code canceled). Free the tree in any case. */
NODISCARD int source_walk(const struct worker_request *request, int64_t deadline_ms,
                          struct source_tree **tree, struct error *err);

#endif
