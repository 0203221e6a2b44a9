/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * Operation verify: what was written is read again and compared with what was kept of the burn, the
 * files `items` and `digests` of its folder. The recorder's file is locked meanwhile, and pushed out of
 * the page cache first, so that the reading is one.
 *
 *   full   one pass over all blocks through the tap, which hashes on threads of its own; every file is
 *          judged as it passes by, so that the first one that differs can be named
 *   quick  the blocks before the first file, the tree that they describe, and the first and last block
 *          of every file; of an image its first and last MiB
 *
 * An image's digests have one record more than it has items: that of its last MiB.
 */
#include "burner/operation.h"

#include "base/alloc.h"
#include "base/clock.h"
#include "burner/channel.h"
#include "burner/file_medium.h"
#include "burner/iso_messages.h"
#include "burner/item_map.h"
#include "burner/tap.h"

#include <errno.h>
#include <fcntl.h>
#include <libburn/libburn.h>
#include <openssl/evp.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define REPORT_MS 100

struct verify {
    const struct worker_request *request;
    struct worker_result *result;
    struct file_medium file;
    struct item_file *items;
    struct item_view *views;
    struct item_digest *kept;
    size_t item_count, digest_count;
    uint8_t kept_head[32];
    bool is_image;
    int64_t head_blocks, base_lba;
    int64_t offset; /* of the full pass, in bytes */
    atomic_llong bad_sectors, first_bad_lba;
    atomic_llong mismatched_files, first_mismatch; /* an item's index, -1 = none */
    int64_t completed, total, told_ms;
};

/* --- what was kept ------------------------------------------------------------------------- */

static int load_kept(struct verify *verify, struct error *err)
{
    verify->items = item_file_open("items", err);
    if (verify->items == NULL || digest_file_read("digests", &verify->kept, &verify->digest_count,
                                                  verify->kept_head, err) != 0) {
        return -1;
    }
    verify->item_count = (size_t)item_file_count(verify->items);
    verify->base_lba = item_file_base_lba(verify->items);
    verify->is_image = verify->digest_count == verify->item_count + 1;
    if ((!verify->is_image && verify->digest_count != verify->item_count) ||
        item_file_blocks(verify->items) != verify->request->blocks) {
        return error_set(err, ERROR_INTERNAL,
                         "the items and digests of the burn do not belong together");
    }
    int64_t blocks = verify->request->blocks;
    int64_t edge = blocks < DIGEST_EDGE_BLOCKS ? blocks : DIGEST_EDGE_BLOCKS;
    verify->head_blocks = verify->is_image ? edge : verify->request->metadata_blocks;
    verify->views = xcalloc(verify->item_count, sizeof(*verify->views));
    for (size_t i = 0; i < verify->item_count; i++) {
        item_file_get(verify->items, (int64_t)i, &verify->views[i]);
    }
    return 0;
}

static int open_medium(struct verify *verify, struct error *err)
{
    struct stat info;
    const char *path = verify->request->recorder_path;
    if (file_medium_open(&verify->file, path, false, false, err) != 0) {
        return -1;
    }
    if (verify->file.fd < 0) {
        return error_set_path(err, ERROR_MEDIUM_MISSING, path, "there is no %s to verify", path);
    }
    if (fstat(verify->file.fd, &info) != 0 ||
        info.st_size != verify->request->blocks * BLOCK_BYTES) {
        return error_set_path(err, ERROR_VERIFY_MISMATCH, path,
                              "%s has not the size that was written", path);
    }
    posix_fadvise(verify->file.fd, 0, 0, POSIX_FADV_DONTNEED);
    return 0;
}

/* --- telling ------------------------------------------------------------------------------- */

static void tell(struct verify *verify, bool end)
{
    int64_t now = clock_monotonic_ms();
    bool first = verify->completed == 0;
    if (!first && !end &&
        (now - verify->told_ms < REPORT_MS || verify->completed >= verify->total)) {
        return; /* the last one is told when all is compared */
    }
    verify->told_ms = now;
    struct worker_line line = {
        .kind = LINE_VERIFY,
        .verify = {.completed = verify->completed,
                   .total = verify->total,
                   .bad_sectors = atomic_load(&verify->bad_sectors),
                   .mismatched_files = atomic_load(&verify->mismatched_files),
                   .lba = verify->base_lba + (verify->completed < verify->request->blocks
                                                  ? verify->completed
                                                  : verify->request->blocks - 1)},
    };
    if (first || end) {
        channel_send(&line);
    } else {
        channel_send_progress(&line);
    }
}

static void note_mismatch(struct verify *verify, size_t index)
{
    long long none = -1;
    atomic_fetch_add(&verify->mismatched_files, 1);
    atomic_compare_exchange_strong(&verify->first_mismatch, &none, (long long)index);
}

static int judge_files(const struct verify *verify, struct error *err)
{
    long long index = atomic_load(&verify->first_mismatch);
    if (index < 0) {
        return 0;
    }
    const char *path = verify->views[index].path;
    return error_set_path(err, ERROR_VERIFY_MISMATCH, path,
                          "%.300s differs on the disc from what was written (%lld files differ)",
                          path, (long long)atomic_load(&verify->mismatched_files));
}

static int judge_reading(const struct verify *verify, struct error *err)
{
    long long bad = atomic_load(&verify->bad_sectors);
    if (bad == 0) {
        return 0;
    }
    error_set(err, ERROR_VERIFY_UNREADABLE,
              "%lld blocks cannot be read again, the first is block %lld", bad,
              (long long)atomic_load(&verify->first_bad_lba));
    err->has_device = true;
    err->device.at_lba = atomic_load(&verify->first_bad_lba);
    return -1;
}

static int head_differs(struct error *err)
{
    return error_set_path(err, ERROR_VERIFY_MISMATCH, "[metadata]",
                          "the directories on the disc differ from what was written");
}

/* --- reading ------------------------------------------------------------------------------- */

static void note_bad_sector(struct verify *verify, int64_t block)
{
    if (atomic_fetch_add(&verify->bad_sectors, 1) == 0) {
        atomic_store(&verify->first_bad_lba, verify->base_lba + block);
    }
}

/* Whole blocks; those that cannot be read are counted and come as zeros. */
static void read_blocks(struct verify *verify, uint8_t *out, int64_t block, int64_t count)
{
    ssize_t wanted = (ssize_t)(count * BLOCK_BYTES);
    if (pread(verify->file.fd, out, (size_t)wanted, block * BLOCK_BYTES) == wanted) {
        return;
    }
    for (int64_t i = 0; i < count; i++) {
        uint8_t *at = out + i * BLOCK_BYTES;
        if (pread(verify->file.fd, at, BLOCK_BYTES, (block + i) * BLOCK_BYTES) != BLOCK_BYTES) {
            memset(at, 0, BLOCK_BYTES);
            note_bad_sector(verify, block + i);
        }
    }
}

static int tree_read(void *context, int64_t block, uint8_t *out)
{
    struct verify *verify = context;
    if (block < 0 || block >= verify->request->blocks) {
        return -1;
    }
    read_blocks(verify, out, block, 1);
    return 0;
}

/* --- full ---------------------------------------------------------------------------------- */

static int pass_read(void *context, uint8_t *buffer, int size)
{
    struct verify *verify = context;
    read_blocks(verify, buffer, verify->offset / BLOCK_BYTES, size / BLOCK_BYTES);
    verify->offset += size;
    return size;
}

/* On the tap's thread for items. */
static void compare_item(void *context, size_t index, const struct item_digest *digest)
{
    struct verify *verify = context;
    const struct item_digest *kept = &verify->kept[index];
    bool content = !kept->has_content || memcmp(kept->content, digest->content, 32) == 0;
    bool edges = !kept->has_edges || (memcmp(kept->first, digest->first, 32) == 0 &&
                                      memcmp(kept->last, digest->last, 32) == 0);
    if (!content || !edges) {
        note_mismatch(verify, index);
    }
}

static int run_pass(struct verify *verify, struct tap *tap, struct error *err)
{
    uint8_t *buffer = xcalloc(1, TAP_BATCH_BYTES);
    struct burn_source *source = tap_source(tap);
    int failed = tap_start(tap, err);
    tell(verify, false);
    while (failed == 0 && verify->completed < verify->total) {
        failed = channel_check_canceled(err);
        int count = failed != 0 ? 0 : source->read_xt(source, buffer, TAP_BATCH_BYTES);
        if (failed == 0 && count <= 0) {
            failed = error_set(err, ERROR_READ_ERROR, "the disc could not be read to its end");
        }
        verify->completed += count / BLOCK_BYTES;
        tell(verify, false);
    }
    free(buffer);
    return failed;
}

static int judge_pass(struct verify *verify, struct digester *digester, struct error *err)
{
    uint8_t head[32];
    digester_head(digester, head);
    if (judge_reading(verify, err) != 0) {
        return -1;
    }
    if (memcmp(head, verify->kept_head, 32) != 0 && !verify->is_image) {
        return head_differs(err);
    }
    if (judge_files(verify, err) != 0) {
        return -1;
    }
    if (strcmp(verify->result->session_sha256, verify->request->session_sha256) != 0) {
        return error_set(err, ERROR_VERIFY_MISMATCH,
                         "the SHA-256 of the disc is %s, not that of the burn",
                         verify->result->session_sha256);
    }
    verify->result->content_equal = true;
    return 0;
}

static int verify_full(struct verify *verify, struct error *err)
{
    struct digest_plan plan = {
        .items = verify->views,
        .item_count = verify->item_count,
        .base_lba = verify->base_lba,
        .blocks = verify->request->blocks,
        .head_blocks = verify->head_blocks,
        .on_item = compare_item,
        .context = verify,
    };
    for (size_t i = 0; i < verify->item_count; i++) {
        plan.with_content = plan.with_content || verify->kept[i].has_content;
    }
    verify->total = verify->request->blocks;
    struct digester *digester = digester_new(&plan);
    struct tap_input input = {.context = verify, .read = pass_read};
    struct tap *tap = tap_new(input, verify->total * BLOCK_BYTES, digester);
    int failed = run_pass(verify, tap, err);
    if (failed == 0) {
        failed = tap_finish(tap, verify->result->session_sha256, err);
    }
    tap_free(tap);
    if (failed == 0) {
        tell(verify, true);
        failed = judge_pass(verify, digester, err);
    }
    digester_free(digester);
    return failed;
}

/* --- quick --------------------------------------------------------------------------------- */

static int hash_blocks(struct verify *verify, int64_t block, int64_t count, uint8_t out[32],
                       struct error *err)
{
    uint8_t *buffer = xcalloc(1, TAP_BATCH_BYTES);
    EVP_MD_CTX *context = EVP_MD_CTX_new();
    EVP_DigestInit_ex(context, EVP_sha256(), NULL);
    int failed = 0;
    while (count > 0 && failed == 0) {
        int64_t piece =
            count < TAP_BATCH_BYTES / BLOCK_BYTES ? count : TAP_BATCH_BYTES / BLOCK_BYTES;
        read_blocks(verify, buffer, block, piece);
        EVP_DigestUpdate(context, buffer, (size_t)(piece * BLOCK_BYTES));
        block += piece;
        count -= piece;
        verify->completed += piece;
        tell(verify, false);
        failed = channel_check_canceled(err);
    }
    EVP_DigestFinal_ex(context, out, NULL);
    EVP_MD_CTX_free(context);
    free(buffer);
    return failed;
}

static bool same_item(const struct item *found, const struct item_view *kept)
{
    const char *also = kept->also;
    if (found->kind != kept->kind || found->first_block != kept->first_block ||
        found->block_count != kept->block_count || found->size_bytes != kept->size_bytes ||
        strcmp(found->path, kept->path) != 0 || (int64_t)found->also_count != kept->also_count) {
        return false;
    }
    for (size_t i = 0; i < found->also_count; i++) {
        if (strcmp(found->also[i], also) != 0) {
            return false;
        }
        also += strlen(also) + 1;
    }
    return true;
}

/* The tree on the disc against the items. With Joliet names only when Rock Ridge ones do not fit: which
 * of the two the burn took is not kept. */
static int compare_tree(struct verify *verify, bool joliet, struct error *err)
{
    struct item_map map;
    struct block_reader reader = {.context = verify, .read = tree_read};
    if (item_map_read(reader, verify->request->blocks, verify->head_blocks, joliet, &map, err) !=
        0) {
        return error_set_path(err, ERROR_VERIFY_MISMATCH, "[metadata]",
                              "the disc's tree cannot be read");
    }
    /* writing sorts the items as those of the burn are */
    int failed = item_file_write("items.verify", map.items, map.count, verify->base_lba,
                                 verify->request->blocks, err);
    unlink("items.verify");
    if (failed == 0 && map.count != verify->item_count) {
        failed = head_differs(err);
    }
    for (size_t i = 0; failed == 0 && i < map.count; i++) {
        if (!same_item(&map.items[i], &verify->views[i])) {
            failed = error_set_path(err, ERROR_VERIFY_MISMATCH, verify->views[i].path,
                                    "%.300s lies elsewhere on the disc than was planned",
                                    verify->views[i].path);
        }
    }
    item_map_release(&map);
    return failed;
}

static int check_tree(struct verify *verify, struct error *err)
{
    if (iso_messages_start(err) != 0) {
        return -1;
    }
    struct error first = ERROR_EMPTY;
    if (compare_tree(verify, false, &first) == 0 || compare_tree(verify, true, err) == 0) {
        return 0;
    }
    *err = first;
    return -1;
}

static int check_edges(struct verify *verify, struct error *err)
{
    for (size_t i = 0; i < verify->item_count; i++) {
        const struct item_view *item = &verify->views[i];
        const struct item_digest *kept = &verify->kept[i];
        uint8_t first[32], last[32];
        if (!kept->has_edges) {
            continue;
        }
        int64_t block = item->first_block - verify->base_lba;
        if (hash_blocks(verify, block, 1, first, err) != 0 ||
            hash_blocks(verify, block + item->block_count - 1, 1, last, err) != 0) {
            return -1;
        }
        if (memcmp(first, kept->first, 32) != 0 || memcmp(last, kept->last, 32) != 0) {
            note_mismatch(verify, i);
        }
    }
    return judge_files(verify, err);
}

static int check_tail(struct verify *verify, struct error *err)
{
    uint8_t tail[32];
    if (hash_blocks(verify, verify->request->blocks - verify->head_blocks, verify->head_blocks,
                    tail, err) != 0) {
        return -1;
    }
    if (memcmp(tail, verify->kept[verify->item_count].content, 32) != 0) {
        return error_set(err, ERROR_VERIFY_MISMATCH,
                         "the last MiB of the disc differs from the image");
    }
    return 0;
}

static int verify_quick(struct verify *verify, struct error *err)
{
    uint8_t head[32];
    verify->total = verify->head_blocks * (verify->is_image ? 2 : 1);
    for (size_t i = 0; !verify->is_image && i < verify->item_count; i++) {
        verify->total += verify->kept[i].has_edges ? 2 : 0;
    }
    tell(verify, false);
    int failed = hash_blocks(verify, 0, verify->head_blocks, head, err);
    if (failed == 0 && memcmp(head, verify->kept_head, 32) != 0) {
        failed = head_differs(err);
    }
    if (failed == 0 && !verify->is_image) {
        failed = check_tree(verify, err);
    }
    if (failed == 0) {
        failed = verify->is_image ? check_tail(verify, err) : check_edges(verify, err);
    }
    bool canceled = failed != 0 && err->code == ERROR_CANCELED;
    if (verify->completed == verify->total && !canceled) {
        tell(verify, true);
    }
    struct error unreadable = ERROR_EMPTY;
    if (judge_reading(verify, &unreadable) != 0 && !canceled) {
        *err = unreadable; /* what cannot be read explains why it is not equal */
        failed = -1;
    }
    return failed;
}

/* --- the whole ----------------------------------------------------------------------------- */

static int run_level(struct verify *verify, struct error *err)
{
    switch (verify->request->verify_level) {
    case VERIFY_QUICK:
        return verify_quick(verify, err);
    case VERIFY_FULL:
        return verify_full(verify, err);
    case VERIFY_NONE:
    case VERIFY_COUNT:
        break;
    }
    return 0;
}

/* The verdict holds for the file that was read; it says nothing of another one in its place. */
static int look_again(struct verify *verify, int failed, struct error *err)
{
    struct error ignored = ERROR_EMPTY;
    struct medium *medium = &verify->result->medium;
    bool in_place = file_medium_is_in_place(&verify->file);
    if (!in_place || file_medium_inspect(&verify->file, medium, &ignored) != 0) {
        *medium = (struct medium){0};
    }
    if (failed == 0 && !in_place) {
        verify->result->content_equal = false;
        return file_medium_changed(verify->file.path, "that was verified", err);
    }
    return failed;
}

int op_verify(const struct worker_request *request, struct worker_result *result, struct error *err)
{
    struct verify verify = {.request = request, .result = result, .file = {.fd = -1}};
    atomic_store(&verify.first_mismatch, -1);
    atomic_store(&verify.first_bad_lba, -1);
    channel_phase(PHASE_VERIFY, CANCEL_SAFE, -1);
    int failed = channel_check_canceled(err);
    if (failed == 0 && (open_medium(&verify, err) != 0 || load_kept(&verify, err) != 0 ||
                        run_level(&verify, err) != 0)) {
        failed = -1;
    }
    result->blocks = verify.completed;
    result->bad_sectors = atomic_load(&verify.bad_sectors);
    result->mismatched_files = atomic_load(&verify.mismatched_files);
    if (verify.file.fd >= 0) {
        failed = look_again(&verify, failed, err);
    }
    item_file_close(verify.items);
    free(verify.views);
    free(verify.kept);
    file_medium_close(&verify.file);
    return failed;
}
