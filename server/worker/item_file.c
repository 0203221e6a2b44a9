/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * See item_file.h. On the disk:
 *
 *   header    magic, counts, base address, size of the string pool
 *   records   `item_count` of them, by first block; of equal first blocks those without blocks come
 *             first, so that the last record that begins at or before a block is the one that holds it
 *   names     one for each path and each further path, sorted by (path, record)
 *   pool      the strings, each ending in NUL; a record's further paths stand one after another
 *
 * All of it is read straight from the map. item_file_open() checks every offset once, after that no
 * access needs a check. The file is replaced by rename and never written in place.
 */
#include "worker/item_file.h"

#include "base/alloc.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#define ITEM_MAGIC "burnditm"
#define DIGEST_MAGIC "burnddig"
#define FORMAT_VERSION 1

struct file_header {
    char magic[8];
    uint32_t version;
    uint32_t reserved;
    int64_t item_count;
    int64_t name_count;
    int64_t pool_size;
    int64_t base_lba;
    int64_t blocks;
};

struct file_record {
    int64_t first_block, block_count, size_bytes;
    uint64_t path; /* offset in the pool, likewise `also` */
    uint64_t also;
    uint32_t also_count;
    uint32_t kind;
};

struct file_name {
    uint64_t path;
    int64_t record;
};

struct item_file {
    void *map;
    size_t map_size;
    const struct file_header *header;
    const struct file_record *records;
    const struct file_name *names;
    const char *pool;
};

struct digest_header {
    char magic[8];
    uint32_t version;
    uint32_t record_size;
    int64_t count;
    uint8_t metadata_sha256[32];
};

static const char *const kind_words[ITEM_COUNT] = {
#define KIND_WORD(n, w) [ITEM_##n] = (w),
    ITEM_KINDS(KIND_WORD)
#undef KIND_WORD
};

const char *item_kind_to_text(enum item_kind kind)
{
    return kind < ITEM_COUNT ? kind_words[kind] : "metadata";
}

/* --- writing ------------------------------------------------------------------------------- */

static int sync_parent_folder(const char *name)
{
    const char *slash = strrchr(name, '/');
    char *folder = slash == NULL ? xstrdup(".") : xasprintf("%.*s", (int)(slash - name + 1), name);
    int fd = open(folder, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    free(folder);
    if (fd < 0) {
        return -1;
    }
    int failed = fsync(fd);
    close(fd);
    return failed;
}

struct piece {
    const void *data;
    size_t size;
};

/* Pieces one after another into `name`, whole or not at all. */
static int write_whole_file(const char *name, const struct piece *pieces, size_t count,
                            struct error *err)
{
    char *temporary = xasprintf("%s.tmp", name);
    int failed = -1;
    FILE *out = fopen(temporary, "we");
    if (out == NULL) {
        goto done;
    }
    for (size_t i = 0; i < count; i++) {
        if (pieces[i].size > 0 && fwrite(pieces[i].data, pieces[i].size, 1, out) != 1) {
            fclose(out);
            goto done;
        }
    }
    failed = fflush(out) != 0 || fsync(fileno(out)) != 0 ? -1 : 0;
    if (fclose(out) != 0 || failed != 0 || rename(temporary, name) != 0) {
        failed = -1;
        goto done;
    }
    failed = sync_parent_folder(name);
done:
    if (failed != 0) {
        error_set(err, ERROR_INTERNAL, "cannot write %s: %s", name, strerror(errno));
        unlink(temporary);
    }
    free(temporary);
    return failed;
}

static int compare_items(const void *left, const void *right)
{
    const struct item *a = left, *b = right;
    if (a->first_block != b->first_block) {
        return a->first_block < b->first_block ? -1 : 1;
    }
    if ((a->block_count == 0) != (b->block_count == 0)) {
        return a->block_count == 0 ? -1 : 1;
    }
    return strcmp(a->path, b->path);
}

static int compare_names(const void *left, const void *right, void *pool)
{
    const struct file_name *a = left, *b = right;
    int order = strcmp((const char *)pool + a->path, (const char *)pool + b->path);
    if (order != 0) {
        return order;
    }
    return a->record < b->record ? -1 : a->record > b->record;
}

static size_t pool_size_of(const struct item *items, size_t count, size_t *names)
{
    size_t size = 1;
    *names = count;
    for (size_t i = 0; i < count; i++) {
        size += strlen(items[i].path) + 1;
        *names += items[i].also_count;
        for (size_t j = 0; j < items[i].also_count; j++) {
            size += strlen(items[i].also[j]) + 1;
        }
    }
    return size;
}

static uint64_t pool_put(char *pool, size_t *used, const char *text)
{
    uint64_t at = *used;
    size_t size = strlen(text) + 1;
    memcpy(pool + at, text, size);
    *used += size;
    return at;
}

static void fill_tables(const struct item *items, size_t count, struct file_record *records,
                        struct file_name *names, char *pool)
{
    size_t used = 1, name = 0; /* offset 0 is the empty string, the `also` of most records */
    pool[0] = '\0';
    for (size_t i = 0; i < count; i++) {
        const struct item *item = &items[i];
        records[i] = (struct file_record){
            .first_block = item->first_block,
            .block_count = item->block_count,
            .size_bytes = item->size_bytes,
            .path = pool_put(pool, &used, item->path),
            .also_count = (uint32_t)item->also_count,
            .kind = item->kind,
        };
        names[name++] = (struct file_name){records[i].path, (int64_t)i};
        for (size_t j = 0; j < item->also_count; j++) {
            uint64_t at = pool_put(pool, &used, item->also[j]);
            records[i].also = j == 0 ? at : records[i].also;
            names[name++] = (struct file_name){at, (int64_t)i};
        }
    }
    qsort_r(names, name, sizeof(*names), compare_names, pool);
}

int item_file_write(const char *name, struct item *items, size_t count, int64_t base_lba,
                    int64_t blocks, struct error *err)
{
    if (count > 1) {
        qsort(items, count, sizeof(*items), compare_items);
    }
    size_t name_count = 0;
    size_t pool_size = pool_size_of(items, count, &name_count);
    struct file_record *records = xcalloc(count, sizeof(*records));
    struct file_name *names = xcalloc(name_count, sizeof(*names));
    char *pool = xcalloc(pool_size, 1);
    fill_tables(items, count, records, names, pool);
    struct file_header header = {
        .magic = ITEM_MAGIC,
        .version = FORMAT_VERSION,
        .item_count = (int64_t)count,
        .name_count = (int64_t)name_count,
        .pool_size = (int64_t)pool_size,
        .base_lba = base_lba,
        .blocks = blocks,
    };
    struct piece pieces[] = {{&header, sizeof(header)},
                             {records, count * sizeof(*records)},
                             {names, name_count * sizeof(*names)},
                             {pool, pool_size}};
    int failed = write_whole_file(name, pieces, 4, err);
    free(records);
    free(names);
    free(pool);
    return failed;
}

/* --- reading ------------------------------------------------------------------------------- */

static bool header_is_sound(const struct file_header *header, size_t size)
{
    const int64_t limit = INT64_C(1) << 40; /* keeps the sums below from overflowing */
    if (memcmp(header->magic, ITEM_MAGIC, 8) != 0 || header->version != FORMAT_VERSION ||
        header->item_count < 0 || header->item_count > limit || header->name_count < 0 ||
        header->name_count > limit || header->pool_size < 1 || header->pool_size > limit ||
        header->base_lba < 0 || header->base_lba > limit || header->blocks < 0 ||
        header->blocks > limit) {
        return false;
    }
    return sizeof(*header) + (uint64_t)header->item_count * sizeof(struct file_record) +
               (uint64_t)header->name_count * sizeof(struct file_name) +
               (uint64_t)header->pool_size ==
           size;
}

/* Whether `count` strings lie in the pool from `at` on. */
static bool strings_are_inside(const struct item_file *file, uint64_t at, uint32_t count)
{
    uint64_t size = (uint64_t)file->header->pool_size;
    for (uint32_t i = 0; i < count; i++) {
        if (at >= size) {
            return false;
        }
        at += strlen(file->pool + at) + 1; /* the pool ends in NUL */
    }
    return true;
}

static bool records_are_sound(const struct item_file *file)
{
    const int64_t limit = INT64_C(1) << 41;
    int64_t end = 0;
    for (int64_t i = 0; i < file->header->item_count; i++) {
        const struct file_record *record = &file->records[i];
        if (record->kind >= ITEM_COUNT || record->first_block < 0 || record->first_block > limit ||
            record->block_count < 0 || record->block_count > limit || record->size_bytes < 0 ||
            (i > 0 && record->first_block < file->records[i - 1].first_block)) {
            return false;
        }
        if (record->block_count > 0) {
            if (record->first_block < end) {
                return false;
            }
            end = record->first_block + record->block_count;
        }
        if (record->also >= (uint64_t)file->header->pool_size ||
            !strings_are_inside(file, record->path, 1) ||
            !strings_are_inside(file, record->also, record->also_count)) {
            return false;
        }
    }
    return true;
}

static bool names_are_sound(const struct item_file *file)
{
    for (int64_t i = 0; i < file->header->name_count; i++) {
        const struct file_name *name = &file->names[i];
        if (name->record < 0 || name->record >= file->header->item_count ||
            name->path >= (uint64_t)file->header->pool_size) {
            return false;
        }
    }
    return true;
}

static bool map_is_sound(struct item_file *file)
{
    if (file->map_size < sizeof(struct file_header)) {
        return false;
    }
    file->header = file->map;
    if (!header_is_sound(file->header, file->map_size)) {
        return false;
    }
    file->records = (const struct file_record *)(file->header + 1);
    file->names = (const struct file_name *)(file->records + file->header->item_count);
    file->pool = (const char *)(file->names + file->header->name_count);
    return file->pool[file->header->pool_size - 1] == '\0' && records_are_sound(file) &&
           names_are_sound(file);
}

struct item_file *item_file_open(const char *path, struct error *err)
{
    struct item_file *file = xcalloc(1, sizeof(*file));
    struct stat info;
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    if (fd < 0 || fstat(fd, &info) != 0) {
        error_set(err, errno == ENOENT ? ERROR_NOT_READY : ERROR_INTERNAL, "cannot open %s: %s",
                  path, strerror(errno));
        goto failed;
    }
    file->map_size = (size_t)info.st_size;
    if (file->map_size > 0) {
        file->map = mmap(NULL, file->map_size, PROT_READ, MAP_SHARED, fd, 0);
        if (file->map == MAP_FAILED) {
            file->map = NULL;
            file->map_size = 0;
        }
    }
    if (!map_is_sound(file)) {
        error_set(err, ERROR_INTERNAL, "%s is no item file or is damaged", path);
        goto failed;
    }
    close(fd);
    return file;
failed:
    if (fd >= 0) {
        close(fd);
    }
    item_file_close(file);
    return NULL;
}

void item_file_close(struct item_file *file)
{
    if (file != NULL) {
        if (file->map != NULL) {
            munmap(file->map, file->map_size);
        }
        free(file);
    }
}

int64_t item_file_count(const struct item_file *file)
{
    return file->header->item_count;
}

int64_t item_file_base_lba(const struct item_file *file)
{
    return file->header->base_lba;
}

int64_t item_file_blocks(const struct item_file *file)
{
    return file->header->blocks;
}

void item_file_get(const struct item_file *file, int64_t index, struct item_view *out)
{
    const struct file_record *record = &file->records[index];
    *out = (struct item_view){
        .index = index,
        .kind = (enum item_kind)record->kind,
        .path = file->pool + record->path,
        .first_block = record->first_block,
        .block_count = record->block_count,
        .size_bytes = record->size_bytes,
        .also = file->pool + record->also,
        .also_count = record->also_count,
    };
}

int64_t item_file_find_block(const struct item_file *file, int64_t block)
{
    int64_t low = 0, high = file->header->item_count; /* the first record beyond `block` */
    while (low < high) {
        int64_t middle = low + (high - low) / 2;
        if (file->records[middle].first_block <= block) {
            low = middle + 1;
        } else {
            high = middle;
        }
    }
    for (int64_t i = low - 1; i >= 0; i--) {
        const struct file_record *record = &file->records[i];
        if (record->block_count > 0) {
            return block - record->first_block < record->block_count ? i : -1;
        }
    }
    return -1;
}

/* The first name that is not before (path, record). */
static int64_t lower_name(const struct item_file *file, const char *path, int64_t record)
{
    int64_t low = 0, high = file->header->name_count;
    while (low < high) {
        int64_t middle = low + (high - low) / 2;
        const struct file_name *name = &file->names[middle];
        int order = strcmp(file->pool + name->path, path);
        if (order < 0 || (order == 0 && name->record < record)) {
            low = middle + 1;
        } else {
            high = middle;
        }
    }
    return low;
}

static int64_t record_of_path(const struct item_file *file, const char *path, int64_t from_record)
{
    int64_t at = lower_name(file, path, from_record);
    if (at < file->header->name_count && strcmp(file->pool + file->names[at].path, path) == 0) {
        return file->names[at].record;
    }
    return -1;
}

int64_t item_file_find_path(const struct item_file *file, const char *path)
{
    return record_of_path(file, path, 0);
}

int64_t item_file_next_of_path(const struct item_file *file, int64_t index)
{
    return record_of_path(file, file->pool + file->records[index].path, index + 1);
}

/* --- digests ------------------------------------------------------------------------------- */

int digest_file_write(const char *name, const struct item_digest *digests, size_t count,
                      const uint8_t metadata_sha256[32], struct error *err)
{
    struct digest_header header = {
        .magic = DIGEST_MAGIC,
        .version = FORMAT_VERSION,
        .record_size = sizeof(*digests),
        .count = (int64_t)count,
    };
    memcpy(header.metadata_sha256, metadata_sha256, 32);
    struct piece pieces[] = {{&header, sizeof(header)}, {digests, count * sizeof(*digests)}};
    return write_whole_file(name, pieces, 2, err);
}

static bool digest_header_is_sound(const struct digest_header *header, int64_t size)
{
    return memcmp(header->magic, DIGEST_MAGIC, 8) == 0 && header->version == FORMAT_VERSION &&
           header->record_size == sizeof(struct item_digest) && header->count >= 0 &&
           header->count <= size / (int64_t)sizeof(struct item_digest) &&
           header->count * (int64_t)sizeof(struct item_digest) + (int64_t)sizeof(*header) == size;
}

int digest_file_read(const char *path, struct item_digest **out, size_t *count,
                     uint8_t metadata_sha256[32], struct error *err)
{
    struct digest_header header;
    struct stat info;
    int failed = -1;
    *out = NULL;
    FILE *in = fopen(path, "re");
    if (in == NULL) {
        return error_set(err, ERROR_INTERNAL, "cannot open %s: %s", path, strerror(errno));
    }
    if (fstat(fileno(in), &info) != 0 || fread(&header, sizeof(header), 1, in) != 1 ||
        !digest_header_is_sound(&header, info.st_size)) {
        goto done;
    }
    *count = (size_t)header.count;
    *out = malloc(*count * sizeof(**out) + 1);
    if (*out == NULL || fread(*out, sizeof(**out), *count, in) != *count) {
        goto done;
    }
    memcpy(metadata_sha256, header.metadata_sha256, 32);
    failed = 0;
done:
    fclose(in);
    if (failed != 0) {
        free(*out);
        *out = NULL;
        return error_set(err, ERROR_INTERNAL, "%s is no digest file or is damaged", path);
    }
    return 0;
}
