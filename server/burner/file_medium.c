/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * See file_medium.h. What stands in the file is judged by SEEK_DATA first: a sparse file of zeros costs
 * nothing, and beyond 16 MiB of data nothing is read, it counts as written.
 */
#include "burner/file_medium.h"

#include "base/alloc.h"
#include "base/clock.h"
#include "burner/digest.h"

#include <errno.h>
#include <fcntl.h>
#include <openssl/evp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <unistd.h>

#define BLANK_SCAN_MAX (16 * 1024 * 1024)
#define SCAN_CHUNK (256 * 1024)
#define FINGERPRINT_BYTES (64 * 1024)
#define VOLUME_DESCRIPTOR_AT (16 * BLOCK_BYTES)
#define PROFILE_STDIO 0xFFFF /* as libburn numbers its pseudo-drives */

/* --- opening ------------------------------------------------------------------------------- */

static int explain_open(const char *path, int errno_value, struct error *err)
{
    switch (errno_value) {
    case ENOENT:
    case ENOTDIR:
        return error_set_path(err, ERROR_MEDIUM_MISSING, path, "the folder of %s does not exist",
                              path);
    case ELOOP:
    case EISDIR:
    case ENXIO:
        return error_set_path(err, ERROR_MEDIUM_UNSUPPORTED, path, "%s is not a regular file",
                              path);
    case EACCES:
    case EPERM:
    case EROFS:
        return error_set_path(err, ERROR_MEDIUM_WRITE_PROTECTED, path, "burnd may not write %s: %s",
                              path, strerror(errno_value));
    default:
        return error_set_path(err, ERROR_READ_ERROR, path, "%s cannot be opened: %s", path,
                              strerror(errno_value));
    }
}

static int open_existing_or_new(struct file_medium *medium, int mode, bool create,
                                struct error *err)
{
    int flags = mode | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK | O_NOCTTY;
    for (int i = 0; i < 8; i++) {
        medium->fd = open(medium->path, flags);
        if (medium->fd >= 0 || errno != ENOENT || !create) {
            break;
        }
        medium->fd = open(medium->path, flags | O_CREAT | O_EXCL, 0644);
        medium->created = medium->fd >= 0;
        if (medium->fd >= 0 || errno != EEXIST) {
            break;
        }
    }
    if (medium->fd >= 0 || (errno == ENOENT && !create)) {
        return 0;
    }
    return explain_open(medium->path, errno, err);
}

int file_medium_open(struct file_medium *medium, const char *path, bool for_writing, bool create,
                     struct error *err)
{
    struct stat info;
    *medium = (struct file_medium){.path = path, .fd = -1};
    if (lstat(path, &info) == 0 &&
        !S_ISREG(info.st_mode)) { /* opening a device could do something */
        return explain_open(path, EISDIR, err);
    }
    if (open_existing_or_new(medium, for_writing ? O_RDWR : O_RDONLY, create, err) != 0) {
        return -1;
    }
    if (medium->fd < 0) {
        return 0; /* there is none, and none is wanted */
    }
    if (fstat(medium->fd, &info) != 0 || !S_ISREG(info.st_mode)) {
        return explain_open(path, EISDIR, err);
    }
    if (flock(medium->fd, LOCK_EX | LOCK_NB) != 0) {
        return error_set_path(err, ERROR_RECORDER_IN_USE, path, "%s is locked by another program",
                              path);
    }
    if (!file_medium_is_in_place(medium)) { /* renamed between opening and locking */
        return error_set_path(err, ERROR_MEDIUM_CHANGED, path, "%s was replaced just now", path);
    }
    return 0;
}

void file_medium_close(struct file_medium *medium)
{
    if (medium->fd >= 0) {
        close(medium->fd);
        medium->fd = -1;
    }
}

bool file_medium_is_in_place(const struct file_medium *medium)
{
    struct stat by_name, by_descriptor;
    return medium->fd >= 0 && lstat(medium->path, &by_name) == 0 &&
           fstat(medium->fd, &by_descriptor) == 0 && by_name.st_dev == by_descriptor.st_dev &&
           by_name.st_ino == by_descriptor.st_ino;
}

/* --- what it is ---------------------------------------------------------------------------- */

static bool is_zero(const uint8_t *data, size_t size)
{
    return size == 0 || (data[0] == 0 && memcmp(data, data + 1, size - 1) == 0);
}

/* 1 blank, 0 written, -1 unreadable (errno). `budget` is lowered by what was read. */
static int scan_run(int fd, off_t from, off_t to, int64_t *budget, uint8_t *chunk)
{
    while (from < to) {
        size_t wanted = to - from < SCAN_CHUNK ? (size_t)(to - from) : SCAN_CHUNK;
        if (*budget <= 0) {
            return 0;
        }
        ssize_t count = pread(fd, chunk, wanted, from);
        if (count <= 0) {
            return count == 0 ? 1 : -1;
        }
        if (!is_zero(chunk, (size_t)count)) {
            return 0;
        }
        from += count;
        *budget -= count;
    }
    return 1;
}

static int is_blank(int fd, off_t size)
{
    uint8_t *chunk = xcalloc(1, SCAN_CHUNK);
    int64_t budget = BLANK_SCAN_MAX;
    int blank = 1;
    for (off_t at = 0; at < size && blank == 1;) {
        off_t data = lseek(fd, at, SEEK_DATA);
        if (data < 0) {
            blank = errno == ENXIO ? 1 : -1; /* ENXIO: nothing but holes from here on */
            break;
        }
        off_t hole = lseek(fd, data, SEEK_HOLE);
        hole = hole < 0 ? size : hole;
        blank = scan_run(fd, data, hole, &budget, chunk);
        at = hole;
    }
    free(chunk);
    return blank;
}

/* The primary volume descriptor's identifier without its trailing blanks (ECMA-119 §8.4). */
static void read_volume_id(int fd, struct medium *out)
{
    uint8_t block[BLOCK_BYTES];
    if (pread(fd, block, sizeof(block), VOLUME_DESCRIPTOR_AT) != (ssize_t)sizeof(block) ||
        block[0] != 1 || memcmp(block + 1, "CD001", 5) != 0) {
        return;
    }
    size_t length = 32;
    while (length > 0 && (block[40 + length - 1] == ' ' || block[40 + length - 1] == 0)) {
        length--;
    }
    memcpy(out->volume_id, block + 40, length);
    out->volume_id[length] = '\0';
}

static int make_fingerprint(int fd, struct medium *out, struct error *err)
{
    uint8_t *head = xcalloc(1, FINGERPRINT_BYTES);
    uint8_t sha256[32];
    ssize_t count = pread(fd, head, FINGERPRINT_BYTES, 0);
    if (count < 0) {
        free(head);
        return error_set(err, ERROR_READ_ERROR, "the image file cannot be read: %s",
                         strerror(errno));
    }
    char *table = xasprintf("%s\n\n1 %lld %lld\n1 data %lld %lld\n", out->profile,
                            (long long)out->session_start_lba, (long long)out->session_sectors,
                            (long long)out->session_start_lba, (long long)out->session_sectors);
    EVP_MD_CTX *context = EVP_MD_CTX_new();
    EVP_DigestInit_ex(context, EVP_sha256(), NULL);
    EVP_DigestUpdate(context, table, strlen(table));
    EVP_DigestUpdate(context, head, (size_t)count);
    EVP_DigestFinal_ex(context, sha256, NULL);
    EVP_MD_CTX_free(context);
    sha256_hex(sha256, out->fingerprint);
    free(table);
    free(head);
    return 0;
}

/* Sectors that the file system would still take; -1 = not known. */
static int64_t available_sectors(const char *path)
{
    struct statvfs space;
    char *folder = xstrdup(path);
    char *slash = strrchr(folder, '/');
    if (slash != NULL) {
        slash[slash == folder ? 1 : 0] = '\0';
    }
    int64_t sectors = -1;
    if (statvfs(slash == NULL ? "." : folder, &space) == 0) {
        sectors = (int64_t)(space.f_bavail * space.f_frsize / BLOCK_BYTES);
    }
    free(folder);
    return sectors;
}

static int describe_written(int fd, off_t size, struct medium *out, struct error *err)
{
    out->state = MEDIUM_CLOSED;
    out->used_sectors = (size + BLOCK_BYTES - 1) / BLOCK_BYTES;
    out->free_sectors = 0;
    out->next_writable_lba = -1;
    out->session_count = 1;
    out->session_sectors = out->used_sectors;
    read_volume_id(fd, out);
    return make_fingerprint(fd, out, err);
}

int file_medium_inspect(const struct file_medium *medium, struct medium *out, struct error *err)
{
    struct stat info = {0};
    *out = (struct medium){
        .present = true,
        .profile = "stdio",
        .profile_code = PROFILE_STDIO,
        .state = MEDIUM_BLANK,
        .overwritable = true,
        .has_blank_flags = true,
        .physically_blank = true,
        .heuristically_blank = true,
        .session_start_lba = 0,
        .checked_at_ms = clock_wall_ms(),
    };
    int blank = 1;
    if (medium->fd >= 0) {
        if (fstat(medium->fd, &info) != 0 || (blank = is_blank(medium->fd, info.st_size)) < 0) {
            return error_set_path(err, ERROR_READ_ERROR, medium->path, "%s cannot be read: %s",
                                  medium->path, strerror(errno));
        }
        out->write_protected = (info.st_mode & 0222) == 0;
        out->file_device = (int64_t)info.st_dev;
        out->file_inode = (int64_t)info.st_ino;
    }
    out->physically_blank = out->heuristically_blank = blank == 1;
    int64_t available = available_sectors(medium->path);
    if (medium->fd < 0 && available < 0) {
        *out = file_medium_absent(); /* without its folder there is not even a blank */
        return 0;
    }
    out->capacity_sectors =
        available < 0 ? -1 : available + (int64_t)info.st_blocks * 512 / BLOCK_BYTES;
    out->free_sectors = out->capacity_sectors;
    return blank == 1 ? 0 : describe_written(medium->fd, info.st_size, out, err);
}

static struct medium nothing_known(bool present, enum medium_state state)
{
    return (struct medium){
        .present = present,
        .profile = "stdio",
        .profile_code = PROFILE_STDIO,
        .state = state,
        .capacity_sectors = -1,
        .free_sectors = -1,
        .used_sectors = -1,
        .next_writable_lba = -1,
        .checked_at_ms = clock_wall_ms(),
    };
}

struct medium file_medium_unsupported(void)
{
    return nothing_known(true, MEDIUM_UNSUPPORTED);
}

struct medium file_medium_absent(void)
{
    return nothing_known(false, MEDIUM_NOT_READY);
}

/* --- changing it --------------------------------------------------------------------------- */

int file_medium_sync_folder(const char *path, struct error *err)
{
    const char *slash = strrchr(path, '/');
    char *folder = slash == NULL ? xstrdup(".") : xasprintf("%.*s", (int)(slash - path + 1), path);
    int fd = open(folder, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    int failed = fd < 0 || fsync(fd) != 0 ? -1 : 0;
    if (failed != 0) {
        error_set_path(err, ERROR_CLOSE_FAILED, folder, "the folder %s cannot be made durable: %s",
                       folder, strerror(errno));
    }
    if (fd >= 0) {
        close(fd);
    }
    free(folder);
    return failed;
}

int file_medium_truncate(const struct file_medium *medium, int64_t size, struct error *err)
{
    if (ftruncate(medium->fd, size) != 0 || fsync(medium->fd) != 0) {
        return error_set_path(err, ERROR_CLOSE_FAILED, medium->path,
                              "%s cannot be brought to its size: %s", medium->path,
                              strerror(errno));
    }
    return file_medium_sync_folder(medium->path, err);
}

bool file_medium_remove_empty(struct file_medium *medium)
{
    struct stat info;
    bool removed = file_medium_is_in_place(medium) && fstat(medium->fd, &info) == 0 &&
                   info.st_size == 0 && unlink(medium->path) == 0;
    if (removed) {
        file_medium_close(medium);
    }
    return removed;
}

int file_medium_changed(const char *path, const char *when, struct error *err)
{
    return error_set_path(err, ERROR_MEDIUM_CHANGED, path, "%s is no longer the file %s", path,
                          when);
}
