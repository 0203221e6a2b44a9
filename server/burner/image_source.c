/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * See image_source.h. The descriptor stays open from planning to the last byte, so the file cannot be
 * replaced under us; that it is written to meanwhile shows in its size and time, and is an error.
 */
#include "burner/image_source.h"

#include "base/alloc.h"
#include "base/clock.h"
#include "base/path_guard.h"
#include "burner/channel.h"
#include "burner/source_root.h"

#include <errno.h>
#include <fcntl.h>
#include <openssl/evp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define FIRST_DESCRIPTOR 16
#define LAST_DESCRIPTOR 256
#define HASH_CHUNK (1024 * 1024)

struct image_source {
    const char *shown; /* "root:NAME/PATH" of the request */
    int fd;
    struct stat seen;
    int64_t offset;
    bool failed;
    struct error failure;
};

static int refuse(struct error *err, enum error_code code, const char *shown, const char *what)
{
    error_set_path(err, code, shown, "%.300s %s", shown, what);
    snprintf(err->pointer, sizeof(err->pointer), "/image/from");
    return -1;
}

int image_source_check(const struct image_source *source, struct error *err)
{
    if (source->failed) {
        *err = source->failure;
    }
    return source->failed ? -1 : 0;
}

/* Whole blocks at `offset`; a short or failing read is remembered. */
static int read_at(struct image_source *source, uint8_t *out, size_t size, int64_t offset)
{
    size_t done = 0;
    while (done < size) {
        ssize_t count = pread(source->fd, out + done, size - done, offset + (int64_t)done);
        if (count < 0 && errno == EINTR) {
            continue;
        }
        if (count <= 0) {
            source->failed = true;
            return refuse(&source->failure,
                          count < 0 ? ERROR_SOURCE_UNREADABLE : ERROR_SOURCE_CHANGED, source->shown,
                          count < 0 ? strerror(errno) : "has become shorter");
        }
        done += (size_t)count;
    }
    return 0;
}

/* --- what it is ---------------------------------------------------------------------------- */

/* ISO 9660 or UDF by the identifiers of their volume descriptors (ECMA-119 §8.1, ECMA-167 2/9.1). */
static bool has_file_system(struct image_source *source)
{
    uint8_t block[BLOCK_BYTES];
    int64_t blocks = image_source_blocks(source);
    for (int64_t at = FIRST_DESCRIPTOR; at <= LAST_DESCRIPTOR && at < blocks; at++) {
        if (read_at(source, block, sizeof(block), at * BLOCK_BYTES) != 0) {
            return false;
        }
        if ((at == FIRST_DESCRIPTOR && memcmp(block + 1, "CD001", 5) == 0) ||
            memcmp(block + 1, "BEA01", 5) == 0 || memcmp(block + 1, "NSR02", 5) == 0 ||
            memcmp(block + 1, "NSR03", 5) == 0) {
            return true;
        }
    }
    return false;
}

static int judge(struct image_source *source, struct error *err)
{
    if (source->seen.st_size == 0) {
        return refuse(err, ERROR_IMAGE_INVALID, source->shown, "is empty");
    }
    if (source->seen.st_size % BLOCK_BYTES != 0) {
        return refuse(err, ERROR_IMAGE_NOT_ALIGNED, source->shown,
                      "is no whole number of blocks of 2048 bytes");
    }
    if (!has_file_system(source)) {
        if (source->failed) {
            return image_source_check(source, err);
        }
        return refuse(err, ERROR_IMAGE_INVALID, source->shown, "holds neither ISO 9660 nor UDF");
    }
    return 0;
}

static int open_regular(int root_fd, const char *path, struct image_source *source,
                        struct error *err)
{
    source->fd = path_guard_open(root_fd, path, O_PATH, source->shown, err);
    if (source->fd < 0) {
        return -1;
    }
    bool good = fstat(source->fd, &source->seen) == 0 && S_ISREG(source->seen.st_mode);
    close(source->fd);
    source->fd = -1;
    if (!good) {
        return refuse(err, ERROR_SOURCE_NOT_REGULAR, source->shown, "is no regular file");
    }
    source->fd =
        path_guard_open(root_fd, path, O_RDONLY | O_NONBLOCK | O_NOCTTY, source->shown, err);
    if (source->fd < 0) {
        return -1;
    }
    if (fstat(source->fd, &source->seen) != 0 || !S_ISREG(source->seen.st_mode)) {
        return refuse(err, ERROR_SOURCE_NOT_REGULAR, source->shown, "is no regular file");
    }
    posix_fadvise(source->fd, 0, 0, POSIX_FADV_SEQUENTIAL);
    return 0;
}

int image_source_open(const struct worker_request *request, struct image_source **out,
                      struct error *err)
{
    struct image_source *source = xcalloc(1, sizeof(*source));
    source->shown = request->image.from;
    source->fd = -1;
    *out = source;
    size_t root = 0;
    char *path = NULL;
    int failed = source_resolve(request, request->image.from, &root, &path, err);
    if (failed == 0) {
        failed = open_regular(request->roots[root].fd, path, source, err);
    }
    free(path);
    if (failed == 0) {
        failed = judge(source, err);
    }
    if (failed != 0 && err->pointer[0] == '\0') {
        snprintf(err->pointer, sizeof(err->pointer), "/image/from");
    }
    return failed;
}

void image_source_close(struct image_source *source)
{
    if (source != NULL) {
        if (source->fd >= 0) {
            close(source->fd);
        }
        free(source);
    }
}

int64_t image_source_blocks(const struct image_source *source)
{
    return source->seen.st_size / BLOCK_BYTES;
}

/* --- its hash ------------------------------------------------------------------------------ */

static void tell_hashing(int64_t completed, int64_t total, const char *path)
{
    struct worker_line line = {.kind = LINE_STAGE,
                               .stage = {.completed = completed, .total = total}};
    text_copy(line.stage.unit, sizeof(line.stage.unit), "bytes");
    text_copy(line.stage.current_path, sizeof(line.stage.current_path), path);
    channel_send_progress(&line);
}

static int hash_all(struct image_source *source, EVP_MD_CTX *context, uint8_t *chunk,
                    struct error *err)
{
    int64_t told_ms = 0, size = source->seen.st_size;
    for (int64_t at = 0; at < size; at += HASH_CHUNK) {
        if (channel_check_canceled(err) != 0) {
            return -1;
        }
        size_t count = size - at < HASH_CHUNK ? (size_t)(size - at) : HASH_CHUNK;
        if (read_at(source, chunk, count, at) != 0) {
            return image_source_check(source, err);
        }
        EVP_DigestUpdate(context, chunk, count);
        if (clock_monotonic_ms() - told_ms >= 100) {
            told_ms = clock_monotonic_ms();
            tell_hashing(at, size, source->shown);
        }
    }
    tell_hashing(size, size, source->shown);
    return 0;
}

int image_source_check_hash(struct image_source *source, const char *wanted, struct error *err)
{
    EVP_MD_CTX *context = EVP_MD_CTX_new();
    uint8_t *chunk = xcalloc(1, HASH_CHUNK);
    uint8_t sha256[32];
    char hex[65];
    EVP_DigestInit_ex(context, EVP_sha256(), NULL);
    int failed = hash_all(source, context, chunk, err);
    if (failed == 0) {
        EVP_DigestFinal_ex(context, sha256, NULL);
        sha256_hex(sha256, hex);
        if (strcasecmp(hex, wanted) != 0) {
            failed = error_set_path(err, ERROR_IMAGE_HASH_MISMATCH, source->shown,
                                    "%.200s has the SHA-256 %s, not the one that was given",
                                    source->shown, hex);
            snprintf(err->pointer, sizeof(err->pointer), "/image/sha256");
        }
    }
    free(chunk);
    EVP_MD_CTX_free(context);
    return failed;
}

/* --- reading ------------------------------------------------------------------------------- */

static int reader_read(void *context, int64_t block, uint8_t *out)
{
    struct image_source *source = context;
    if (block < 0 || block >= image_source_blocks(source)) {
        return -1;
    }
    return read_at(source, out, BLOCK_BYTES, block * BLOCK_BYTES);
}

struct block_reader image_source_reader(struct image_source *source)
{
    return (struct block_reader){.context = source, .read = reader_read};
}

static bool is_unchanged(const struct image_source *source)
{
    struct stat now;
    return fstat(source->fd, &now) == 0 && now.st_size == source->seen.st_size &&
           now.st_mtim.tv_sec == source->seen.st_mtim.tv_sec &&
           now.st_mtim.tv_nsec == source->seen.st_mtim.tv_nsec;
}

static int input_read(void *context, uint8_t *buffer, int size)
{
    struct image_source *source = context;
    if (read_at(source, buffer, (size_t)size, source->offset) != 0) {
        return -1;
    }
    source->offset += size;
    if (source->offset >= source->seen.st_size && !is_unchanged(source)) {
        source->failed = true;
        return refuse(&source->failure, ERROR_SOURCE_CHANGED, source->shown,
                      "was written to after it was planned");
    }
    return size;
}

struct tap_input image_source_input(struct image_source *source)
{
    return (struct tap_input){.context = source, .read = input_read};
}
