/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * From the tree of source_tree.h to an ISO 9660 image that is produced while it is burned. The layout
 * is fixed, and every file's address with it, before the first byte is asked for.
 */
#ifndef BURND_BURNER_IMAGE_BUILDER_H
#define BURND_BURNER_IMAGE_BUILDER_H

#include "burner/source_tree.h"
#include "burner/tap.h"

struct image_builder;

/* Lays out the tree. With `size_only` nothing can be read from it. Request and tree outlive it. */
NODISCARD int image_builder_new(const struct worker_request *request,
                                const struct source_tree *tree, bool size_only,
                                struct image_builder **out, struct error *err);
void image_builder_free(struct image_builder *builder);

int64_t image_builder_blocks(const struct image_builder *builder);

/* Reads the blocks before the first file's data: descriptors and directories. Once, before the tap. */
NODISCARD int image_builder_read_metadata(struct image_builder *builder, struct error *err);
/* Borrowed; the number of blocks in `*blocks`. */
const uint8_t *image_builder_metadata(const struct image_builder *builder, int64_t *blocks);

/* What a tap reads: the metadata again, then the files. */
struct tap_input image_builder_input(struct image_builder *builder);

/* -1 when a source failed, libisofs complained, or the image did not come to its proper end. */
NODISCARD int image_builder_check(struct image_builder *builder, bool complete, struct error *err);

#endif
