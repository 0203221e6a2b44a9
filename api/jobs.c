/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * /jobs: submitting, one job, deleting, and the actions cancel and confirm on a job or one of its
 * copies. The list is in job_list.c, what hangs below a job in job_reads.c and job_files.c.
 *
 * A job that is not terminal is shown from the core's memory, any other from the store: look() asks
 * the core and goes on to the pool when the core has no such job (any more). Waiting (`Prefer:
 * wait`) is done by the core; when it is over, or was not asked for, everything ends in look().
 */
#include "handlers.h"

#include "body_reader.h"
#include "views.h"

#include "base/alloc.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define VERDICT_SIZE 16

struct job_request {
    int copy;       /* 0: the answer is the job, else this copy of it */
    bool is_action; /* 202 while it has not taken effect */
    bool is_cancel;
    enum error_code
        refusal; /* when the job is found in the store only, so the action came too late */
    int judged;  /* the copy a verdict is for */
    char verdict[VERDICT_SIZE];
    bool until_terminal;
    bool has_known_etag;
    int64_t known_version; /* of If-None-Match */
    struct core_wait *wait;
    bool is_starting, is_over;
    bool has_snapshot;
    struct job_snapshot snapshot;
    struct job_document *document;
    bool dry_run;
    struct submission *submission;
};

static void release_request(void *state)
{
    struct job_request *request = state;
    if (request->has_snapshot) {
        job_snapshot_release(&request->snapshot);
    }
    if (request->document != NULL) {
        job_document_release(request->document);
        free(request->document);
    }
    if (request->submission != NULL) {
        submission_release(request->submission);
    }
    free(request);
}

static struct job_request *new_request(struct exchange *x)
{
    struct job_request *request = xcalloc(1, sizeof(*request));
    exchange_set_state(x, request, release_request);
    return request;
}

/* --- answering ----------------------------------------------------------------------------- */

static const struct copy *find_copy(const struct job *job, int number)
{
    return number >= 1 && (size_t)number <= job->copy_count ? &job->copies[number - 1] : NULL;
}

/* Http thread: out of the core's snapshot. */
static void render_live(struct exchange *x)
{
    const struct job_request *request = exchange_state(x);
    const struct job *job = &request->snapshot.job;
    if (request->copy == 0) {
        bool ended = job_state_is_terminal(job->state);
        handler_set_job_etag(x, job->version);
        exchange_reply_json(x, request->is_action && !ended ? 202 : 200,
                            view_job(&request->snapshot));
        return;
    }
    const struct copy *copy = find_copy(job, request->copy);
    if (copy == NULL) {
        handler_reply_not_found(x, "copy", exchange_path(x, 1));
        return;
    }
    bool ended = copy_state_is_terminal(copy->state);
    handler_reply_resource(x, request->is_action && !ended ? 202 : 200, view_copy(job->id, copy));
}

struct stored_copy {
    json_t *body;
    bool is_canceled;
};

static bool take_copy(const struct copy_row *row, void *arg)
{
    struct stored_copy *copy = arg;
    copy->body = view_copy_row(row);
    copy->is_canceled =
        row->state != NULL && strcmp(row->state, copy_state_to_text(COPY_CANCELED)) == 0;
    return false;
}

/* The action found no job that could take it: too late, unless it is in effect already. */
static void refuse_late(struct exchange *x, enum error_code code)
{
    struct error err;
    error_set(&err, code,
              code == ERROR_NOTHING_TO_CONFIRM ? "job %s asks for no verdict"
                                               : "job %s has ended already",
              exchange_path(x, 0));
    exchange_reply_problem(x, &err, NULL);
}

static void read_stored_copy(struct exchange *x, struct store_reader *reader,
                             const struct job_request *request)
{
    struct error err = ERROR_EMPTY;
    struct stored_copy copy = {0};
    if (store_copies(reader, exchange_path(x, 0), request->copy, 0, 1, take_copy, &copy, &err) !=
        0) {
        json_decref(copy.body);
        exchange_reply_problem(x, &err, NULL);
    } else if (copy.body == NULL) {
        handler_reply_not_found(x, "copy", exchange_path(x, 1));
    } else if (request->refusal != ERROR_NONE && !(request->is_cancel && copy.is_canceled)) {
        json_decref(copy.body);
        refuse_late(x, request->refusal);
    } else {
        handler_reply_resource(x, 200, copy.body);
    }
}

/* Pool: out of the store, where all is over. */
static void read_stored(struct exchange *x)
{
    const struct job_request *request = exchange_state(x);
    struct store_reader *reader = exchange_reader(x);
    struct error err = ERROR_EMPTY;
    json_t *body = NULL;
    enum job_state state = JOB_FAILED;
    int64_t version = 0;
    if (reader == NULL) {
        return;
    }
    int found = handler_read_job(reader, exchange_path(x, 0), &body, &state, &version, &err);
    if (found < 0) {
        exchange_reply_problem(x, &err, NULL);
    } else if (found == 0) {
        handler_reply_not_found(x, "job", exchange_path(x, 0));
    } else if (request->copy > 0) {
        json_decref(body);
        read_stored_copy(x, reader, request);
    } else if (request->refusal != ERROR_NONE && !(request->is_cancel && state == JOB_CANCELED)) {
        json_decref(body);
        refuse_late(x, request->refusal);
    } else {
        handler_set_job_etag(x, version);
        exchange_reply_json(x, 200, body);
    }
}

/* Core. */
static void look(struct exchange *x)
{
    struct job_request *request = exchange_state(x);
    exchange_mark_seq(x);
    request->has_snapshot =
        core_job_snapshot(exchange_core(x), exchange_path(x, 0), &request->snapshot) == 0;
    if (request->has_snapshot) {
        exchange_then(x, render_live);
    } else {
        exchange_in_pool(x, read_stored);
    }
}

/* --- waiting ------------------------------------------------------------------------------- */

/* Core: the core has forgotten the wait. */
static void wait_over(void *arg)
{
    struct exchange *x = arg;
    struct job_request *request = exchange_state(x);
    request->is_over = true;
    if (!request->is_starting) {
        exchange_on_hangup(x, NULL);
        look(x);
    }
}

/* Core: the client has left, or the server stops: the state as it is now, to whom it may concern.
 */
static void wait_gone(struct exchange *x)
{
    struct job_request *request = exchange_state(x);
    core_wait_cancel(exchange_core(x), request->wait);
    look(x);
}

/* Core. Ends in look(), now or later. */
static void wait_and_look(struct exchange *x)
{
    struct job_request *request = exchange_state(x);
    int wait_s = exchange_wait_s(x);
    if (wait_s <= 0) {
        look(x);
        return;
    }
    int64_t version = request->has_known_etag ? request->known_version : -1;
    request->is_starting = true;
    request->wait =
        core_wait_start(exchange_core(x), exchange_path(x, 0),
                        request->until_terminal || version >= 0, version, wait_s, wait_over, x);
    request->is_starting = false;
    if (request->is_over) {
        look(x);
    } else {
        exchange_on_hangup(x, wait_gone);
    }
}

/* --- GET /jobs/{id} ------------------------------------------------------------------------ */

/* "v12" or W/"v12": the version; -1 for anything else, which no version of ours equals. */
static int64_t version_of_etag(const char *etag)
{
    int64_t version = -1;
    char end = '\0';
    etag += strncmp(etag, "W/", 2) == 0 ? 2 : 0;
    if (sscanf(etag, "\"v%18" SCNd64 "%c", &version, &end) != 2 || end != '"') {
        return -1;
    }
    return version;
}

void handle_get_job(struct exchange *x)
{
    const char *until = exchange_query(x, "until"), *etag = exchange_header(x, "If-None-Match");
    if (until != NULL && strcmp(until, "terminal") != 0) {
        exchange_bad_query(x, "until", "must be terminal");
        return;
    }
    struct job_request *request = new_request(x);
    request->until_terminal = until != NULL;
    request->known_version = etag != NULL ? version_of_etag(etag) : -1;
    request->has_known_etag = request->known_version >= 0;
    /* a foreign ETag differs from the job's already: there is nothing to wait for */
    exchange_on_core(x, etag != NULL && !request->has_known_etag ? look : wait_and_look);
}

/* --- POST /jobs ---------------------------------------------------------------------------- */

/* A plan that found errors names the field of each. */
static void fields_from_plan(const struct plan *plan, struct field_errors *fields)
{
    for (size_t i = 0; i < plan->error_count; i++) {
        const struct error *err = &plan->errors[i];
        field_errors_add(fields, err->pointer, error_code_to_text(err->code), "%s", err->message);
    }
}

static void reply_refused(struct exchange *x, struct submission *submission)
{
    if (submission->fields.count == 0 && submission->has_plan) {
        fields_from_plan(&submission->plan, &submission->fields);
    }
    exchange_reply_problem(x, &submission->error, &submission->fields);
}

/* A dry run tells the plan even when it is bad; what is wrong beside the plan is told in it. */
static void reply_plan(struct exchange *x, struct submission *submission)
{
    struct plan *plan = &submission->plan;
    if (submission->refused) {
        plan->ok = false;
        if (plan->error_count == 0) {
            plan->errors[plan->error_count++] = submission->error;
        }
    }
    exchange_reply_json(x, 200, view_plan(plan, submission));
}

static void render_submission(struct exchange *x)
{
    struct job_request *request = exchange_state(x);
    struct submission *submission = request->submission;
    if (request->dry_run && submission->has_plan) {
        reply_plan(x, submission);
    } else if (submission->refused) {
        reply_refused(x, submission);
    } else if (!submission->has_snapshot) {
        struct error err;
        error_set(&err, ERROR_NOT_READY, "the plan was not finished in time");
        exchange_reply_problem(x, &err, NULL);
    } else {
        char location[64];
        snprintf(location, sizeof(location), "/api/v1/jobs/%s", submission->job);
        exchange_set_header(x, "Location", location);
        handler_set_job_etag(x, submission->snapshot.job.version);
        exchange_reply_json(x, 201, view_job(&submission->snapshot));
    }
}

static void submitted(void *arg, struct submission *owned_submission)
{
    struct exchange *x = arg;
    struct job_request *request = exchange_state(x);
    request->submission = owned_submission;
    exchange_mark_seq(x);
    exchange_then(x, render_submission);
}

static void submit(struct exchange *x)
{
    struct job_request *request = exchange_state(x);
    /* takes what is in the document and leaves an empty one */
    struct request_key key;
    core_submit(exchange_core(x), request->document, request->dry_run,
                exchange_request_key(x, &key) ? &key : NULL, submitted, x);
}

void handle_create_job(struct exchange *x)
{
    int dry_run = handler_query_bool(x, "dry_run");
    const json_t *body = dry_run == -2 ? NULL : exchange_json(x);
    if (body == NULL) {
        return;
    }
    struct job_request *request = new_request(x);
    struct error err = ERROR_EMPTY;
    struct field_errors *fields = xcalloc(1, sizeof(*fields));
    request->dry_run = dry_run == 1;
    request->document = xcalloc(1, sizeof(*request->document));
    if (body_reader_job(body, request->document, fields, &err) != 0) {
        exchange_reply_problem(x, &err, fields);
    } else {
        exchange_on_core(x, submit);
    }
    free(fields);
}

/* --- DELETE -------------------------------------------------------------------------------- */

static void delete_stored(struct exchange *x)
{
    struct error err = ERROR_EMPTY;
    if (core_job_delete(exchange_core(x), exchange_path(x, 0), &err) != 0) {
        exchange_reply_problem(x, &err, NULL);
    } else {
        exchange_reply_empty(x, 204);
    }
}

/* Pool: If-Match is against the stored version; a job that is not terminal is refused by the core.
 */
static void check_before_delete(struct exchange *x)
{
    struct store_reader *reader = exchange_reader(x);
    struct error err = ERROR_EMPTY;
    json_t *body = NULL;
    enum job_state state = JOB_FAILED;
    int64_t version = 0;
    if (reader == NULL) {
        return;
    }
    int found = handler_read_job(reader, exchange_path(x, 0), &body, &state, &version, &err);
    json_decref(body);
    if (found < 0) {
        exchange_reply_problem(x, &err, NULL);
        return;
    }
    if (found == 0) {
        handler_reply_not_found(x, "job", exchange_path(x, 0));
        return;
    }
    char etag[32];
    snprintf(etag, sizeof(etag), "v%" PRId64, version);
    if (exchange_if_match(x, etag)) {
        exchange_on_core(x, delete_stored);
    }
}

void handle_delete_job(struct exchange *x)
{
    exchange_in_pool(x, check_before_delete);
}

/* --- actions ------------------------------------------------------------------------------- */

/* Core, after an action was asked for. Not found in memory: the store may know the job, as one that
 * has ended; `refusal` is then what to say. */
static void after_action(struct exchange *x, int result, const struct error *err,
                         enum error_code refusal)
{
    struct job_request *request = exchange_state(x);
    if (result == 0) {
        wait_and_look(x);
    } else if (err->code == ERROR_NOT_FOUND || err->code == ERROR_JOB_TERMINAL) {
        request->refusal = refusal;
        exchange_in_pool(x, read_stored);
    } else {
        exchange_reply_problem(x, err, NULL);
    }
}

static void cancel(struct exchange *x)
{
    const struct job_request *request = exchange_state(x);
    struct error err = ERROR_EMPTY;
    const char *id = exchange_path(x, 0);
    int result = request->copy == 0 ? core_job_cancel(exchange_core(x), id, &err)
                                    : core_copy_cancel(exchange_core(x), id, request->copy, &err);
    after_action(x, result, &err, ERROR_JOB_TERMINAL);
}

static void start_cancel(struct exchange *x, int copy)
{
    struct job_request *request = new_request(x);
    request->copy = copy;
    request->is_action = request->is_cancel = true;
    request->until_terminal = true;
    exchange_on_core(x, cancel);
}

void handle_cancel_job(struct exchange *x)
{
    if (handler_takes_nothing(x)) {
        start_cancel(x, 0);
    }
}

void handle_cancel_copy(struct exchange *x)
{
    int copy = handler_path_number(x, 1, "copy");
    if (copy > 0 && handler_takes_nothing(x)) {
        start_cancel(x, copy);
    }
}

static void confirm(struct exchange *x)
{
    const struct job_request *request = exchange_state(x);
    struct error err = ERROR_EMPTY;
    int result = core_copy_confirm(exchange_core(x), exchange_path(x, 0), request->judged,
                                   request->verdict, &err);
    if (result == 0) {
        look(x);
    } else {
        after_action(x, result, &err, ERROR_NOTHING_TO_CONFIRM);
    }
}

/* `copy` 0: the body names the copy, and the answer is the job. */
static void start_confirm(struct exchange *x, int copy)
{
    const json_t *body = exchange_json(x);
    if (body == NULL) {
        return;
    }
    struct job_request *request = new_request(x);
    struct error err = ERROR_EMPTY;
    struct field_errors *fields = xcalloc(1, sizeof(*fields));
    request->copy = request->judged = copy;
    if (body_reader_confirm(body, copy == 0, &request->judged, request->verdict,
                            sizeof(request->verdict), fields, &err) != 0) {
        exchange_reply_problem(x, &err, fields);
    } else {
        exchange_on_core(x, confirm);
    }
    free(fields);
}

void handle_confirm_job(struct exchange *x)
{
    start_confirm(x, 0);
}

void handle_confirm_copy(struct exchange *x)
{
    int copy = handler_path_number(x, 1, "copy");
    if (copy > 0) {
        start_confirm(x, copy);
    }
}
