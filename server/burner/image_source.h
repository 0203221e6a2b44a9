/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * A ready image as the source of a session: opened beneath its root, judged once, read in order, and
 * judged again when its last bytes come.
 */
#ifndef BURND_BURNER_IMAGE_SOURCE_H
#define BURND_BURNER_IMAGE_SOURCE_H

#include "burner/item_map.h"
#include "burner/tap.h"

struct image_source;

/* source_missing, source_not_regular, image_not_aligned, image_invalid …; err.pointer is set. */
NODISCARD int image_source_open(const struct worker_request *request, struct image_source **out,
                                struct error *err);
void image_source_close(struct image_source *source);

int64_t image_source_blocks(const struct image_source *source);

/* Reads all of it; image_hash_mismatch when it is not `wanted` (hex). Tells `stage` progress. */
NODISCARD int image_source_check_hash(struct image_source *source, const char *wanted,
                                      struct error *err);

struct block_reader image_source_reader(struct image_source *source);
struct tap_input image_source_input(struct image_source *source);

/* -1 with source_changed or source_unreadable when reading failed. */
NODISCARD int image_source_check(const struct image_source *source, struct error *err);

#endif
