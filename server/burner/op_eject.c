/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * Operation eject of a file recorder: the image gets another name, never over an existing one, after
 * which the recorder holds a blank. What is blank already stays.
 */
#include "burner/operation.h"

#include "base/alloc.h"
#include "burner/channel.h"
#include "burner/file_medium.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>

static int rename_image(const char *from, const char *to, struct error *err)
{
    if (renameat2(AT_FDCWD, from, AT_FDCWD, to, RENAME_NOREPLACE) == 0) {
        return 0;
    }
    if (errno == EEXIST) {
        return error_set_path(err, ERROR_TARGET_CONFLICT, to, "%s exists already", to);
    }
    error_set_path(err, ERROR_WRITE_ERROR, to, "%s cannot be renamed to %s: %s", from, to,
                   strerror(errno));
    text_copy(err->user_action, sizeof(err->user_action), "check_recorder"); /* the disc is good */
    return -1;
}

/* The name of a job's disc is not for a file that somebody laid there meanwhile. */
static const char *target_of(const struct worker_request *request, const struct medium *medium)
{
    const char *expected = request->expected_fingerprint;
    bool known = expected[0] == '\0' || strcmp(expected, medium->fingerprint) == 0;
    return known ? request->eject_to : request->eject_to_unknown;
}

static int eject(const struct file_medium *file, const struct worker_request *request,
                 struct worker_result *result, struct error *err)
{
    struct medium medium;
    if (file_medium_inspect(file, &medium, err) != 0) {
        return -1;
    }
    if (medium.file_inode == 0 || medium.physically_blank) {
        return 0;
    }
    if (!file_medium_is_in_place(file)) {
        return file_medium_changed(file->path, "that was looked at", err);
    }
    const char *to = target_of(request, &medium);
    if (rename_image(file->path, to, err) != 0) {
        return -1;
    }
    text_copy(result->location, sizeof(result->location), to);
    return file_medium_sync_folder(to, err);
}

/* What lies there afterwards; that it cannot be told changes nothing of what was done. */
static void look_again(const char *path, struct worker_result *result)
{
    struct file_medium file;
    struct error ignored = ERROR_EMPTY;
    if (file_medium_open(&file, path, false, false, &ignored) != 0 ||
        file_medium_inspect(&file, &result->medium, &ignored) != 0) {
        result->medium = (struct medium){0};
    }
    file_medium_close(&file);
}

int op_eject(const struct worker_request *request, struct worker_result *result, struct error *err)
{
    struct file_medium file;
    channel_phase(PHASE_EJECT, CANCEL_IMPOSSIBLE, -1);
    int failed = file_medium_open(&file, request->recorder_path, false, false, err);
    if (failed == 0) {
        failed = eject(&file, request, result, err);
    }
    file_medium_close(&file);
    if (failed == 0) {
        look_again(request->recorder_path, result);
    }
    return failed;
}
