/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * Operation plan: walks the sources, lays them out, tells the exact size and everything that is wrong
 * with them, and throws the layout away. Needs no recorder. What is found to be wrong stands in the
 * `plan` line; the operation itself fails only when it did not come to its end.
 */
#include "burner/operation.h"

#include "base/alloc.h"
#include "base/clock.h"
#include "burner/channel.h"
#include "burner/session.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static void add_error(struct plan *plan, const struct error *err)
{
    if (plan->error_count < PLAN_ERRORS_MAX) {
        plan->errors[plan->error_count++] = *err;
    }
}

static void take_walk(struct plan *plan, const struct source_tree *tree)
{
    plan->files = tree->files;
    plan->directories = tree->folders;
    memcpy(plan->errors, tree->errors, sizeof(plan->errors));
    plan->error_count = tree->error_count;
    memcpy(plan->warnings, tree->warnings, sizeof(plan->warnings));
    plan->warning_count = tree->warning_count;
}

int op_plan(const struct worker_request *request, struct worker_result *result, struct error *err)
{
    struct session session;
    struct plan *plan = xcalloc(1, sizeof(*plan));
    int64_t deadline_ms = request->limit_ms > 0 ? clock_monotonic_ms() + request->limit_ms : 0;
    channel_phase(PHASE_STAGE, CANCEL_SAFE, -1);
    plan->image_bytes = plan->image_sectors = -1;
    int failed = session_measure(&session, request, deadline_ms, err);
    if (session.tree != NULL) {
        take_walk(plan, session.tree);
    }
    if (failed == 0) {
        plan->files += request->is_image ? 1 : 0;
        plan->image_sectors = session.blocks;
        plan->image_bytes = session.blocks * BLOCK_BYTES;
        result->blocks = session.blocks;
    } else if (err->code != ERROR_CANCELED && plan->error_count == 0) {
        add_error(plan, err);
    }
    plan->ok = failed == 0;
    if (deadline_ms > 0 && clock_monotonic_ms() > deadline_ms && failed == 0) {
        failed = error_set(err, ERROR_CANCELED, "planning took longer than %lld ms",
                           (long long)request->limit_ms);
    }
    bool canceled = failed != 0 && err->code == ERROR_CANCELED;
    if (!canceled) {
        channel_send(&(struct worker_line){.kind = LINE_PLAN, .plan = plan});
    }
    session_release(&session);
    free(plan);
    return canceled ? -1 : 0;
}
