/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * Operation inspect: what lies in the recorder. Reads, changes nothing, creates nothing.
 */
#include "burner/operation.h"

#include "burner/channel.h"
#include "burner/file_medium.h"

int op_inspect(const struct worker_request *request, struct worker_result *result,
               struct error *err)
{
    struct file_medium file;
    channel_phase(PHASE_ASSESS, CANCEL_SAFE, -1);
    int failed = file_medium_open(&file, request->recorder_path, false, false, err);
    if (failed == 0) {
        failed = file_medium_inspect(&file, &result->medium, err);
    } else if (err->code == ERROR_MEDIUM_UNSUPPORTED) {
        result->medium = file_medium_unsupported(); /* that is what was found, not a failure */
        failed = 0;
    } else if (err->code == ERROR_MEDIUM_MISSING) {
        result->medium = file_medium_absent();
        failed = 0;
    }
    file_medium_close(&file);
    if (failed == 0) {
        channel_send(&(struct worker_line){.kind = LINE_MEDIUM, .medium = result->medium});
    }
    return failed;
}
