/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * See digest.h. Hashing is OpenSSL's EVP; contexts are made once and begun anew for each item, since a
 * disc may hold a hundred thousand small files.
 */
#include "burner/digest.h"

#include "base/alloc.h"

#include <assert.h>
#include <openssl/evp.h>
#include <stdlib.h>
#include <string.h>

struct digester {
    struct digest_plan plan;
    EVP_MD *sha256;
    EVP_MD_CTX *session, *content, *edge, *head, *tail;
    int64_t position; /* in blocks of the session, of digester_feed_items */
    size_t current;
    struct item_digest *digests;
    uint8_t head_sha256[32];
    bool head_done;
};

static EVP_MD_CTX *begin_new(const struct digester *digester)
{
    EVP_MD_CTX *context = EVP_MD_CTX_new();
    if (context == NULL || EVP_DigestInit_ex2(context, digester->sha256, NULL) != 1) {
        abort(); /* out of memory */
    }
    return context;
}

struct digester *digester_new(const struct digest_plan *plan)
{
    struct digester *digester = xcalloc(1, sizeof(*digester));
    digester->plan = *plan;
    digester->sha256 = EVP_MD_fetch(NULL, "SHA256", NULL);
    assert(digester->sha256 != NULL);
    digester->session = begin_new(digester);
    digester->content = begin_new(digester);
    digester->edge = begin_new(digester);
    digester->head = begin_new(digester);
    digester->tail = begin_new(digester);
    digester->digests = xcalloc(plan->item_count + 1, sizeof(*digester->digests));
    return digester;
}

void digester_free(struct digester *digester)
{
    if (digester == NULL) {
        return;
    }
    EVP_MD_CTX_free(digester->session);
    EVP_MD_CTX_free(digester->content);
    EVP_MD_CTX_free(digester->edge);
    EVP_MD_CTX_free(digester->head);
    EVP_MD_CTX_free(digester->tail);
    EVP_MD_free(digester->sha256);
    free(digester->digests);
    free(digester);
}

void digester_feed_session(struct digester *digester, const uint8_t *data, size_t size)
{
    EVP_DigestUpdate(digester->session, data, size);
}

static void hash_block(struct digester *digester, const uint8_t *block, uint8_t out[32])
{
    EVP_DigestInit_ex2(digester->edge, NULL, NULL);
    EVP_DigestUpdate(digester->edge, block, BLOCK_BYTES);
    EVP_DigestFinal_ex(digester->edge, out, NULL);
}

/* `blocks` blocks at `data` belong to the current item, from its block `at` on. */
static void feed_item(struct digester *digester, int64_t at, const uint8_t *data, int64_t blocks)
{
    const struct item_view *item = &digester->plan.items[digester->current];
    struct item_digest *digest = &digester->digests[digester->current];
    if (item->kind != ITEM_FILE) {
        return;
    }
    if (at == 0) {
        hash_block(digester, data, digest->first);
    }
    if (digester->plan.with_content) {
        int64_t left = item->size_bytes - at * BLOCK_BYTES;
        int64_t given = blocks * BLOCK_BYTES;
        EVP_DigestUpdate(digester->content, data,
                         (size_t)(left < given ? (left < 0 ? 0 : left) : given));
    }
    if (at + blocks == item->block_count) {
        hash_block(digester, data + (blocks - 1) * BLOCK_BYTES, digest->last);
        digest->has_edges = 1;
        if (digester->plan.with_content) {
            EVP_DigestFinal_ex(digester->content, digest->content, NULL);
            EVP_DigestInit_ex2(digester->content, NULL, NULL);
            digest->has_content = 1;
        }
        if (digester->plan.on_item != NULL) {
            digester->plan.on_item(digester->plan.context, digester->current, digest);
        }
    }
}

static void feed_head_and_tail(struct digester *digester, const uint8_t *data, int64_t blocks)
{
    int64_t begin = digester->position, end = begin + blocks;
    if (begin < digester->plan.head_blocks) {
        int64_t stop = end < digester->plan.head_blocks ? end : digester->plan.head_blocks;
        EVP_DigestUpdate(digester->head, data, (size_t)((stop - begin) * BLOCK_BYTES));
    }
    int64_t tail = digester->plan.blocks - digester->plan.tail_blocks;
    if (end > tail) {
        int64_t from = begin > tail ? begin : tail;
        EVP_DigestUpdate(digester->tail, data + (from - begin) * BLOCK_BYTES,
                         (size_t)((end - from) * BLOCK_BYTES));
    }
}

void digester_feed_items(struct digester *digester, const uint8_t *data, size_t size)
{
    int64_t blocks = (int64_t)(size / BLOCK_BYTES);
    feed_head_and_tail(digester, data, blocks);
    int64_t end = digester->position + blocks;
    while (digester->position < end && digester->current < digester->plan.item_count) {
        const struct item_view *item = &digester->plan.items[digester->current];
        int64_t first = item->first_block - digester->plan.base_lba;
        if (item->block_count == 0 || first + item->block_count <= digester->position) {
            digester->current++;
            continue;
        }
        if (first > digester->position) {
            int64_t gap = (first < end ? first : end) - digester->position;
            digester->position += gap;
            data += gap * BLOCK_BYTES;
            continue;
        }
        int64_t stop = first + item->block_count < end ? first + item->block_count : end;
        feed_item(digester, digester->position - first, data, stop - digester->position);
        data += (stop - digester->position) * BLOCK_BYTES;
        digester->position = stop;
    }
    digester->position = end;
}

void sha256_hex(const uint8_t sha256[32], char hex[65])
{
    static const char digits[] = "0123456789abcdef";
    for (int i = 0; i < 32; i++) {
        hex[2 * i] = digits[sha256[i] >> 4];
        hex[2 * i + 1] = digits[sha256[i] & 15];
    }
    hex[64] = '\0';
}

void digester_session_hex(struct digester *digester, char hex[65])
{
    uint8_t sha256[32];
    EVP_DigestFinal_ex(digester->session, sha256, NULL);
    sha256_hex(sha256, hex);
}

const struct item_digest *digester_items(struct digester *digester, size_t *count)
{
    *count = digester->plan.item_count;
    if (digester->plan.tail_blocks > 0) {
        struct item_digest *tail = &digester->digests[(*count)++];
        if (!tail->has_content) {
            EVP_DigestFinal_ex(digester->tail, tail->content, NULL);
            tail->has_content = 1;
        }
    }
    return digester->digests;
}

void digester_head(struct digester *digester, uint8_t sha256[32])
{
    if (!digester->head_done) {
        EVP_DigestFinal_ex(digester->head, digester->head_sha256, NULL);
        digester->head_done = true;
    }
    memcpy(sha256, digester->head_sha256, 32);
}
