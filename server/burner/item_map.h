/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * Which blocks belong to which file: told by the directories of the image itself, read by libisofs from
 * wherever the caller has them (RAM before a burn, a file when verifying or burning a ready image).
 */
#ifndef BURND_BURNER_ITEM_MAP_H
#define BURND_BURNER_ITEM_MAP_H

#include "worker/item_file.h"

struct block_reader {
    void *context;
    /* One block of 2048 bytes; 0 or -1. */
    int (*read)(void *context, int64_t block, uint8_t *out);
};

struct item_map {
    struct item *items;
    size_t count;
    int64_t metadata_blocks; /* before the first file's data */
};

/* Items that cover `blocks` blocks without gap or overlap. `least_metadata`: so many blocks at the front
 * are metadata also when no file follows. Fails when the directories cannot be read. */
NODISCARD int item_map_read(struct block_reader reader, int64_t blocks, int64_t least_metadata,
                            bool prefer_joliet, struct item_map *out, struct error *err);

/* One item for all blocks: an image whose file system we cannot read. */
void item_map_opaque(int64_t blocks, struct item_map *out);

void item_map_release(struct item_map *map);

#endif
