/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * The progress items of one session in a file: which run of blocks belongs to what. The worker
 * writes it before the burn; burnd maps it and searches it. Every block of the session belongs to
 * exactly one item that has blocks; empty files come with a block_count of 0.
 *
 * Layout, little endian as the machine: header, records sorted by (first_block, index), an array of
 * record indexes sorted by path, string pool. All offsets are checked when the file is opened, so
 * that a damaged file is an error and never a fault.
 */
#ifndef BURND_ITEM_FILE_H
#define BURND_ITEM_FILE_H

#include "base/error.h"

#include <stdbool.h>
#include <stdint.h>

#define ITEM_KINDS(X) \
    X(FILE, "file") \
    X(DIRECTORY, "directory") \
    X(METADATA, "metadata") X(PADDING, "padding") X(CHECKSUMS, "checksums") X(BOOT, "boot")
#define ITEM_X(n, w) ITEM_##n,
enum item_kind { ITEM_KINDS(ITEM_X) ITEM_COUNT };
const char *item_kind_to_text(enum item_kind kind);

/* One item for writing. A file of more than one extent is several items with the same path.
 * `also` are other paths (hard links) of the same content. */
struct item {
    enum item_kind kind;
    char *path;          /* files begin with '/', pseudo items with '[' */
    int64_t first_block; /* absolute on the disc */
    int64_t block_count;
    int64_t size_bytes; /* of this extent; block_count * 2048 of pseudo items */
    char **also;
    size_t also_count;
};

/* Writes `name` in the working directory by way of `name`.tmp, fsync, rename, fsync of the folder.
 * Sorts `items`. */
NODISCARD int item_file_write(const char *name, struct item *items, size_t count, int64_t base_lba,
                              int64_t blocks, struct error *err);

struct item_file; /* an open, mapped item file; read-only, any thread */

struct item_view {
    int64_t index;
    enum item_kind kind;
    const char *path; /* borrowed from the map */
    int64_t first_block, block_count, size_bytes;
    const char *also; /* `also_count` strings one after another, each ending in NUL */
    int64_t also_count;
};

struct item_file *item_file_open(const char *path, struct error *err);
void item_file_close(struct item_file *file);
int64_t item_file_count(const struct item_file *file);
int64_t item_file_base_lba(const struct item_file *file);
int64_t item_file_blocks(const struct item_file *file);
void item_file_get(const struct item_file *file, int64_t index, struct item_view *out);
/* Index of the item that holds `block`; -1 when it lies outside. O(log n). */
int64_t item_file_find_block(const struct item_file *file, int64_t block);
/* Index of the first item (lowest block) with exactly this path, also by an `also` path; -1 = none.
 * Further extents of the same path follow by item_file_next_of_path(); -1 = no more. */
int64_t item_file_find_path(const struct item_file *file, const char *path);
int64_t item_file_next_of_path(const struct item_file *file, int64_t index);

/* --- digests: one record per item, in the items' order ------------------------------------- */

struct item_digest {
    uint8_t has_content; /* whether `content` was made */
    uint8_t has_edges;   /* whether first and last were made */
    uint8_t content[32]; /* SHA-256 of the item's bytes (not its padding) */
    uint8_t first[32];   /* of its first block as on the disc, with padding */
    uint8_t last[32];
};

NODISCARD int digest_file_write(const char *name, const struct item_digest *digests, size_t count,
                                const uint8_t metadata_sha256[32], struct error *err);
/* `*out` is malloc()ed. */
NODISCARD int digest_file_read(const char *path, struct item_digest **out, size_t *count,
                               uint8_t metadata_sha256[32], struct error *err);

#endif
