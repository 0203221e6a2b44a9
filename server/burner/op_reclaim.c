/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * Operation reclaim of a file recorder: a file that was blank before a worker wrote and died is made
 * blank again, or unlinked after a simulation. Only the very file that the worker had open: it was locked
 * no more since the worker died, so anything may lie there by now.
 */
#include "burner/operation.h"

#include "burner/channel.h"
#include "burner/file_medium.h"

#include <fcntl.h>
#include <sys/stat.h>

#define CLOCK_SLACK_S 2 /* some file systems keep times in steps of two seconds */

/* A number of an inode is given out again: a file born after the burn had written its `items`, which is
 * long after it had opened its file, is another one. False when it cannot be told. */
static bool is_younger_than_the_burn(const struct file_medium *file)
{
    struct statx born;
    struct stat items;
    return stat("items", &items) == 0 &&
           statx(file->fd, "", AT_EMPTY_PATH, STATX_BTIME, &born) == 0 &&
           (born.stx_mask & STATX_BTIME) != 0 &&
           born.stx_btime.tv_sec > items.st_mtim.tv_sec + CLOCK_SLACK_S;
}

static bool is_the_burns(const struct file_medium *file, const struct worker_request *request)
{
    struct stat info;
    return request->expected_inode != 0 && fstat(file->fd, &info) == 0 &&
           (int64_t)info.st_dev == request->expected_device &&
           (int64_t)info.st_ino == request->expected_inode && !is_younger_than_the_burn(file);
}

static int make_blank(struct file_medium *file, const struct worker_request *request,
                      struct error *err)
{
    if (file->fd < 0) {
        return 0; /* nothing to reclaim */
    }
    if (!is_the_burns(file, request)) {
        return file_medium_changed(file->path, "that the burn wrote", err);
    }
    if (request->simulate) {
        file_medium_remove_empty(file); /* one that is not empty is none of a simulation */
        return 0;
    }
    return file_medium_truncate(file, 0, err);
}

int op_reclaim(const struct worker_request *request, struct worker_result *result,
               struct error *err)
{
    struct file_medium file;
    const char *path = request->recorder_path;
    channel_phase(PHASE_SETTLE, CANCEL_IMPOSSIBLE, -1);
    int failed = file_medium_open(&file, path, true, false, err);
    if (failed != 0 && err->code == ERROR_MEDIUM_UNSUPPORTED) {
        failed = file_medium_changed(path, "that the burn wrote", err);
    } else if (failed == 0) {
        failed = make_blank(&file, request, err);
    }
    if (failed == 0) {
        failed = file_medium_inspect(&file, &result->medium, err);
    }
    file_medium_close(&file);
    result->outcome = failed == 0 ? OUTCOME_UNHARMED : OUTCOME_UNKNOWN;
    result->advice = failed == 0 ? ADVICE_REUSE : ADVICE_CHECK;
    return failed;
}
