/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * THE table of routes, in the order of openapi.yaml; a test keeps the two equal. Files of the
 * dashboard need no row: what no row matches is looked up among them (site.h) before it is 404.
 *
 * `query` is the list of parameters a route knows; "tag.*" stands for every name with that
 * beginning.
 */
#include "handlers.h"
#include "limits.h"
#include "site.h"
#include "sse.h"

#define V1 "/api/v1"
#define JOB V1 "/jobs/{id}"
#define COPY JOB "/copies/{n}"
#define RECORDER V1 "/recorders/{id}"
#define PAGE "limit cursor"

/* GET; an action that takes nothing; an action that takes an object */
#define READ(pattern_, operation_, handler_, query_) \
    { \
        .method = METHOD_GET, .pattern = pattern_, .operation = operation_, .handler = handler_, \
        .query = query_ \
    }
#define ACT(pattern_, operation_, handler_) \
    { \
        .method = METHOD_POST, .pattern = pattern_, .operation = operation_, .handler = handler_, \
        .body_limit = LIMIT_ACTION_BYTES \
    }
#define TELL(pattern_, operation_, handler_) \
    { \
        .method = METHOD_POST, .pattern = pattern_, .operation = operation_, .handler = handler_, \
        .body_limit = LIMIT_ACTION_BYTES, .needs_body = true \
    }

const struct route routes[] = {
    READ(V1 "/info", "getInfo", handle_get_info, NULL),
    READ(V1 "/recorders", "listRecorders", handle_list_recorders, PAGE " state kind pool"),
    READ(RECORDER, "getRecorder", handle_get_recorder, NULL),
    READ(RECORDER "/medium", "getMedium", handle_get_medium, NULL),
    ACT(RECORDER "/eject", "ejectRecorder", handle_eject_recorder),
    ACT(RECORDER "/load", "loadRecorder", handle_load_recorder),
    ACT(RECORDER "/rescan", "rescanRecorder", handle_rescan_recorder),
    READ(V1 "/jobs", "listJobs", handle_list_jobs,
         PAGE " state type client_ref title tag.* recorder pool created_after created_before "
              "needs_person"),
    {.method = METHOD_POST,
     .pattern = V1 "/jobs",
     .operation = "createJob",
     .handler = handle_create_job,
     .body_limit = LIMIT_BODY_BYTES,
     .needs_body = true,
     .query = "dry_run"},
    READ(JOB, "getJob", handle_get_job, "until"),
    {.method = METHOD_DELETE,
     .pattern = JOB,
     .operation = "deleteJob",
     .handler = handle_delete_job},
    ACT(JOB "/cancel", "cancelJob", handle_cancel_job),
    TELL(JOB "/confirm", "confirmJob", handle_confirm_job),
    READ(JOB "/copies", "listCopies", handle_list_copies, PAGE),
    READ(COPY, "getCopy", handle_get_copy, NULL),
    ACT(COPY "/cancel", "cancelCopy", handle_cancel_copy),
    TELL(COPY "/confirm", "confirmCopy", handle_confirm_copy),
    READ(COPY "/attempts", "listAttempts", handle_list_attempts, PAGE),
    READ(COPY "/attempts/{m}", "getAttempt", handle_get_attempt, NULL),
    READ(JOB "/progress", "getJobProgress", handle_get_progress, NULL),
    READ(JOB "/plan", "getJobPlan", handle_get_plan, NULL),
    READ(JOB "/log", "getJobLog", handle_get_log, PAGE),
    READ(JOB "/items", "listJobItems", handle_list_items, PAGE " block path copy"),
    READ(JOB "/events", "listJobEvents", handle_list_job_events, "since limit"),
    READ(V1 "/attention", "listAttention", handle_list_attention, PAGE),
    TELL(V1 "/attention/{id}/resolve", "resolveAttention", handle_resolve_attention),
    READ(V1 "/discs", "listDiscs", handle_list_discs,
         PAGE " volume_id job outcome q media_id due_before"),
    READ(V1 "/discs/{id}", "getDisc", handle_get_disc, NULL),
    READ(V1 "/queue", "getQueue", handle_get_queue, NULL),
    READ(V1 "/roots", "listRoots", handle_list_roots, PAGE),
    READ(V1 "/roots/{name}/tree", "listRootTree", handle_list_root_tree, PAGE " path"),
    {.method = METHOD_GET,
     .pattern = V1 "/events",
     .operation = "listEvents",
     .handler = events_get,
     .may_be_event_stream = true,
     .query = EVENTS_QUERY},
    READ("/healthz", "getHealth", handle_get_health, NULL),
    READ("/readyz", "getReadiness", handle_get_readiness, NULL),
    READ("/openapi.yaml", "getOpenapi", site_openapi, NULL),
};
const size_t route_count = sizeof(routes) / sizeof(routes[0]);
