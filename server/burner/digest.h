/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * SHA-256 of a session that passes by in order: of the whole, of its first part, of its last MiB, of
 * each file and of each file's first and last block. Used while burning and while verifying, so that
 * both mean the same.
 *
 * The whole is hashed by one call, all the rest by another: two threads may share the work.
 */
#ifndef BURND_BURNER_DIGEST_H
#define BURND_BURNER_DIGEST_H

#include "worker/item_file.h"
#include "worker/worker_protocol.h"

struct digester;

struct digest_plan {
    const struct item_view *items; /* in order of their blocks; outlive the digester */
    size_t item_count;
    int64_t base_lba; /* of the session's first block */
    int64_t blocks;
    int64_t head_blocks; /* what `metadata_sha256` covers */
    int64_t tail_blocks; /* likewise the tail's digest; 0 = none */
    bool with_content;   /* digests of whole files */
    void (*on_item)(void *context, size_t index, const struct item_digest *digest);
    void *context;
};

#define DIGEST_EDGE_BLOCKS 512 /* the first and last MiB of an image */

struct digester *digester_new(const struct digest_plan *plan);
void digester_free(struct digester *digester);

/* `size` is a multiple of 2048. Each in the order of the blocks. */
void digester_feed_session(struct digester *digester, const uint8_t *data, size_t size);
void digester_feed_items(struct digester *digester, const uint8_t *data, size_t size);

/* After all was fed. */
void digester_session_hex(struct digester *digester, char hex[65]);
/* item_count digests, and one more when the plan has a tail: its `content`. */
const struct item_digest *digester_items(struct digester *digester, size_t *count);
void digester_head(struct digester *digester, uint8_t sha256[32]);

void sha256_hex(const uint8_t sha256[32], char hex[65]);

#endif
