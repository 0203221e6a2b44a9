/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * A file recorder's medium is its file: opening and locking it, and saying what it is. Blank is what is
 * absent or a regular file without a byte other than 0.
 */
#ifndef BURND_BURNER_FILE_MEDIUM_H
#define BURND_BURNER_FILE_MEDIUM_H

#include "worker/worker_protocol.h"

struct file_medium {
    const char *path; /* borrowed */
    int fd;           /* -1 while there is no file */
    bool created;     /* by us */
};

/* Opens and locks the file: for writing, or only for reading. An absent one is created with `create`,
 * else fd stays -1. Fails with medium_unsupported (no regular file), medium_write_protected,
 * medium_missing (no such folder), recorder_in_use (somebody else holds the lock). */
NODISCARD int file_medium_open(struct file_medium *medium, const char *path, bool for_writing,
                               bool create, struct error *err);
void file_medium_close(struct file_medium *medium);

/* Whether the name still leads to the open file. */
bool file_medium_is_in_place(const struct file_medium *medium);

/* What lies in it. read_error when the file cannot be read. */
NODISCARD int file_medium_inspect(const struct file_medium *medium, struct medium *out,
                                  struct error *err);

/* Cuts or grows it to `size` bytes, durably; 0 makes it blank again. close_failed when it cannot be. */
NODISCARD int file_medium_truncate(const struct file_medium *medium, int64_t size,
                                   struct error *err);

/* What is told of a path that file_medium_open() refused with medium_unsupported. */
struct medium file_medium_unsupported(void);

/* What is told when the folder of the path does not exist. */
struct medium file_medium_absent(void);

/* Unlinks and closes the file if its name still leads to it and nothing is in it; whether it did. */
bool file_medium_remove_empty(struct file_medium *medium);

/* medium_changed: "`path` is no longer the file `when`"; returns -1. */
int file_medium_changed(const char *path, const char *when, struct error *err);

/* fsync of the folder that holds `path`. */
NODISCARD int file_medium_sync_folder(const char *path, struct error *err);

#endif
