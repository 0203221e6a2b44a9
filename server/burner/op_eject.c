/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * Operations eject and reclaim of a file recorder. Eject gives the image another name, never over an
 * existing one, after which the recorder holds a blank. Reclaim makes the file blank again that a dead
 * worker left behind.
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
    if (renameat2(AT_FDCWD, from, AT_FDCWD, to, RENAME_NOREPLACE) != 0) {
        if (errno == EEXIST) {
            return error_set_path(err, ERROR_TARGET_CONFLICT, to, "%s exists already", to);
        }
        return error_set_path(err, ERROR_WRITE_ERROR, to, "%s cannot be renamed to %s: %s", from,
                              to, strerror(errno));
    }
    return file_medium_sync_folder(to, err);
}

int op_eject(const struct worker_request *request, struct worker_result *result, struct error *err)
{
    struct file_medium file;
    channel_phase(PHASE_EJECT, CANCEL_IMPOSSIBLE, -1);
    int failed = file_medium_open(&file, request->recorder_path, false, false, err);
    if (failed == 0 && file.fd < 0) {
        failed = error_set_path(err, ERROR_MEDIUM_MISSING, request->recorder_path,
                                "there is no %s to eject", request->recorder_path);
    }
    if (failed == 0) {
        failed = rename_image(request->recorder_path, request->eject_to, err);
    }
    file_medium_close(&file);
    if (failed == 0) {
        failed = file_medium_open(&file, request->recorder_path, false, false, err);
        failed = failed != 0 ? -1 : file_medium_inspect(&file, &result->medium, err);
        file_medium_close(&file);
    }
    return failed;
}

int op_reclaim(const struct worker_request *request, struct worker_result *result,
               struct error *err)
{
    struct file_medium file;
    channel_phase(PHASE_SETTLE, CANCEL_IMPOSSIBLE, -1);
    int failed = file_medium_open(&file, request->recorder_path, true, false, err);
    if (failed == 0 && file.fd >= 0) {
        failed = file_medium_truncate(&file, 0, err);
    }
    if (failed == 0) {
        failed = file_medium_inspect(&file, &result->medium, err);
    }
    file_medium_close(&file);
    result->outcome = failed == 0 ? OUTCOME_UNHARMED : OUTCOME_RUINED;
    result->advice = ADVICE_REUSE;
    return failed;
}
