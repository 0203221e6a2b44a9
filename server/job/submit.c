/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * From a document to a stored job. A plan worker walks the sources, lays the image out and measures
 * it; its layout is thrown away. At most PLANS_AT_ONCE run; others wait their turn.
 *
 *   planned in 2 s, no error    → stored `queued`, answered 201
 *   planned in 2 s, an error    → refused, nothing stored
 *   not planned in 2 s          → stored `preparing`, answered 201; the plan goes on, an error found later
 *                                 makes the job `failed` with the same problem
 * A dry run only answers, within PLAN_DRY_RUN_MS.
 */
#include "job/core_internal.h"

#include "base/alloc.h"
#include "base/clock.h"
#include "base/log.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

struct planning {
    struct planning *next;
    struct core *core;
    struct job job;   /* of a new submission; the document moves into the live job when stored */
    char id[ID_SIZE]; /* of the stored job, "" = not stored */
    bool dry_run;
    bool answered;
    core_submitted *done;
    void *arg;
    struct worker *worker; /* NULL = waits for its turn */
    char *folder;
    char *scope, *key, *body_sha256; /* of the Idempotency-Key, NULL = none */
    struct plan plan;
    bool has_plan;
    uv_timer_t limit;
    bool worker_over, timer_closed, given_up;
};

static void start_plans(struct core *core);

void submission_release(struct submission *submission)
{
    if (submission->has_snapshot) {
        job_snapshot_release(&submission->snapshot);
    }
    free(submission);
}

/* --- what the recorders would say ---------------------------------------------------------- */

static void judge_recorders(struct core *core, const struct job_document *document,
                            struct submission *submission)
{
    for (size_t i = 0; i < recorder_list_count(core->recorders) && i < JOB_RECORDERS_MAX; i++) {
        const struct recorder *recorder = recorder_list_get(core->recorders, i);
        enum error_code reasons[4];
        int64_t sectors = submission->has_plan ? submission->plan.image_sectors : -1;
        size_t count = core_ineligible(document, recorder, true, sectors, reasons);
        text_copy(submission->recorders[i].recorder, RECORDER_ID_SIZE, recorder->id);
        submission->recorders[i].eligible = count == 0;
        submission->recorders[i].reason_count = count;
        for (size_t k = 0; k < count; k++) {
            text_copy(submission->recorders[i].reasons[k],
                      sizeof(submission->recorders[i].reasons[k]), error_code_to_text(reasons[k]));
        }
        int64_t capacity = recorder->medium_known ? recorder->medium.capacity_sectors : -1;
        submission->recorders[i].capacity_sectors = capacity;
        submission->recorders[i].fits = sectors >= 0 && (capacity < 0 || sectors <= capacity);
        submission->recorder_count = i + 1;
    }
}

static void refuse(struct submission *submission, const struct error *err, const char *pointer)
{
    submission->refused = true;
    submission->error = *err;
    if (pointer != NULL) {
        field_errors_add(&submission->fields, pointer, error_code_to_text(err->code), "%s",
                         err->message);
    }
}

static int check_named(struct core *core, const char *name, const struct job_document *document,
                       struct error *err)
{
    const struct recorder *recorder = recorder_list_find(core->recorders, name);
    enum error_code reasons[4];
    if (recorder == NULL) {
        return error_set(err, ERROR_RECORDER_UNKNOWN, "there is no recorder %s", name);
    }
    if (core_ineligible(document, recorder, false, -1, reasons) > 0) {
        return error_set(err, reasons[0], "recorder %s is excluded by %s of the target",
                         recorder->id,
                         reasons[0] == ERROR_PROFILE_UNSUPPORTED ? "medium.profiles" : "pool");
    }
    return 0;
}

/* What can be said without looking at any source. */
static int check_target(struct core *core, const struct job_document *document,
                        const char **pointer, struct error *err)
{
    *pointer = "/target/recorder";
    if (document->require != REQUIRE_BLANK && document->require != REQUIRE_BLANK_OR_APPENDABLE &&
        document->require != REQUIRE_ANY) {
        *pointer = "/target/medium/require";
        return error_set(
            err, ERROR_FEATURE_UNAVAILABLE,
            "require %s is not available in this release; blank, blank_or_appendable and any are",
            medium_require_to_text(document->require));
    }
    if (strcmp(document->mode, "auto") != 0 && strcmp(document->mode, "dao") != 0) {
        *pointer = "/burn/mode";
        return error_set(err, ERROR_MODE_UNSUPPORTED, "no recorder of this burnd writes in mode %s",
                         document->mode);
    }
    if (document->recorder_count == 0) {
        return strcmp(document->recorder, "any") == 0
                   ? 0
                   : check_named(core, document->recorder, document, err);
    }
    for (size_t i = 0; i < document->recorder_count; i++) {
        *pointer = "/target/recorders";
        if (check_named(core, document->recorders[i], document, err) != 0) {
            return -1;
        }
    }
    return 0;
}

/* api.md "Checked when?": refused only when named file recorders cannot hold it; a medium that
 * is merely too small at the moment is a warning. Over a written file its own size counts as
 * room. */
static int check_fit(struct core *core, const struct planning *planning, struct error *err)
{
    const struct job_document *document = &planning->job.document;
    int64_t sectors = planning->plan.image_sectors, largest = -1;
    bool open_choice = document->recorder_count == 0 && strcmp(document->recorder, "any") == 0;
    if (open_choice || document->simulate) {
        return 0;
    }
    for (size_t i = 0; i < recorder_list_count(core->recorders); i++) {
        const struct recorder *recorder = recorder_list_get(core->recorders, i);
        enum error_code reasons[4];
        if (core_ineligible(document, recorder, false, -1, reasons) > 0) {
            continue;
        }
        if (!recorder->medium_known || recorder->medium.capacity_sectors < 0 ||
            recorder->kind != RECORDER_KIND_FILE) {
            return 0;
        }
        if (recorder->medium.capacity_sectors > largest) {
            largest = recorder->medium.capacity_sectors;
        }
    }
    if (sectors <= largest) {
        return 0;
    }
    return error_set(err, ERROR_DOES_NOT_FIT,
                     "the image has %lld sectors, the recorder has room for %lld",
                     (long long)sectors, (long long)largest);
}

/* --- storing ------------------------------------------------------------------------------- */

static struct live_job *make_live(struct planning *planning)
{
    struct live_job *live = xcalloc(1, sizeof(*live));
    live->job = planning->job;
    planning->job = (struct job){0};
    live->progress.eta_s = -1;
    live->job.copy_count = (size_t)live->job.document.copies;
    live->job.copies = xcalloc(live->job.copy_count, sizeof(*live->job.copies));
    for (size_t i = 0; i < live->job.copy_count; i++) {
        id_make("cpy", live->job.copies[i].id);
        live->job.copies[i].number = (int)i + 1;
    }
    return live;
}

static void add_plan(struct live_job *live, const struct planning *planning)
{
    live->job.has_plan = planning->has_plan;
    live->job.plan = planning->plan;
    for (size_t i = 0; planning->has_plan && i < planning->plan.warning_count; i++) {
        core_add_warning(live, &planning->plan.warnings[i]);
    }
}

static void warn_early(struct core *core, struct live_job *live)
{
    const struct job_document *document = &live->job.document;
    if (document->simulate && document->verify != VERIFY_NONE) {
        core_add_warning_code(live, "verify_skipped", "a simulated burn leaves nothing to verify");
    }
    for (size_t i = 0; i < recorder_list_count(core->recorders); i++) {
        const struct recorder *recorder = recorder_list_get(core->recorders, i);
        enum error_code reasons[4];
        if (core_ineligible(document, recorder, false, -1, reasons) == 0 && live->job.has_plan &&
            recorder->medium_known && recorder->medium.capacity_sectors >= 0 &&
            live->job.plan.image_sectors > recorder->medium.capacity_sectors) {
            core_add_warning_code(live, "loaded_medium_too_small",
                                  "the medium now in a recorder is too small");
        }
    }
}

static void free_live(struct live_job *live)
{
    job_release(&live->job);
    free(live);
}

/* The answer as it will be, for a client that repeats the request because burnd died before it
 * answered. */
static int store_answer(struct core *core, const struct planning *planning,
                        const struct job_snapshot *snapshot, struct error *err)
{
    if (planning->key == NULL) {
        return 0;
    }
    char *body = core->border.job_render(snapshot);
    char *location = xasprintf("/api/v1/jobs/%s", snapshot->job.id);
    struct idempotency_row row = {
        .scope = planning->scope,
        .key = planning->key,
        .body_sha256 = planning->body_sha256,
        .body = body,
        .location = location,
        .status = 201,
        .created_at_ms = clock_wall_ms(),
    };
    int status = store_put_idempotency(core->store, &row, err);
    free(body);
    free(location);
    return status;
}

/* The job, its copies, the event and the kept answer in one transaction; -1: nothing was stored. */
static int store_new(struct core *core, const struct planning *planning, struct live_job *live,
                     struct error *err)
{
    struct job_snapshot snapshot;
    char *folder = core_job_folder(core, live->job.id);
    int status = core_make_folder(folder, err);
    free(folder);
    if (status != 0) {
        return -1;
    }
    if (store_check(core->store, err) != 0) {
        return -1; /* asked first: a write that fails later would end burnd */
    }
    live->job.state = job_derive_state(&live->job);
    core_begin(core);
    core_put_job(core, live);
    for (size_t i = 0; i < live->job.copy_count; i++) {
        core_put_copy(core, live, &live->job.copies[i]);
    }
    struct event_subject subject = core_subject(live->job.id, 0, 0, "");
    struct event_subject none = core_subject("", 0, 0, "");
    core_add_job(core, live);
    core_snapshot_job(core, live, &snapshot);
    core_tell(core, EVENT_JOB_CREATED, &subject, &snapshot);
    core_tell(core, EVENT_QUEUE_CHANGED, &none, NULL);
    int kept = store_answer(core, planning, &snapshot, err);
    job_snapshot_release(&snapshot);
    if (kept != 0) {
        core_fatal(core, err); /* it was writable a moment ago */
    }
    if (core_try_commit(core, err) != 0) {
        core->job_count--; /* it was added last */
        return -1;
    }
    return 0;
}

/* --- answering ----------------------------------------------------------------------------- */

static void answer(struct planning *planning, struct submission *submission)
{
    planning->answered = true;
    planning->done(planning->arg, submission);
}

static void refuse_by_plan(const struct planning *planning, struct submission *submission)
{
    refuse(submission, &planning->plan.errors[0], NULL);
    for (size_t i = 0; i < planning->plan.error_count; i++) {
        const struct error *item = &planning->plan.errors[i];
        field_errors_add(&submission->fields, item->pointer, error_code_to_text(item->code), "%s",
                         item->message);
    }
}

static void accept_job(struct planning *planning, struct submission *submission)
{
    struct core *core = planning->core;
    struct error err;
    planning->job.created_at_ms = clock_wall_ms();
    planning->job.planning = !planning->has_plan;
    struct live_job *live = make_live(planning);
    add_plan(live, planning);
    warn_early(core, live);
    if (store_new(core, planning, live, &err) != 0) {
        free_live(live);
        refuse(submission, &err, NULL);
        answer(planning, submission);
        return;
    }
    memcpy(planning->id, live->job.id, sizeof(planning->id));
    memcpy(submission->job, live->job.id, sizeof(submission->job));
    job_log(core, live->job.id, 0, 0, "info", "accepted as %s", job_state_to_text(live->job.state));
    log_info(live->job.id, "accepted: %s, %zu copies, %s",
             job_type_to_text(live->job.document.type), live->job.copy_count,
             job_state_to_text(live->job.state));
    core_snapshot_job(core, live, &submission->snapshot);
    submission->has_snapshot = true;
    answer(planning, submission);
    core_schedule(core);
}

static void answer_planned(struct planning *planning)
{
    struct core *core = planning->core;
    struct error err;
    struct submission *submission = xcalloc(1, sizeof(*submission));
    submission->has_plan = planning->has_plan;
    submission->plan = planning->plan;
    if (planning->has_plan && planning->plan.ok && check_fit(core, planning, &err) != 0) {
        submission->plan.ok = false;
        submission->plan.errors[submission->plan.error_count++] = err;
        planning->plan = submission->plan;
    }
    judge_recorders(core, &planning->job.document, submission);
    if (planning->dry_run) {
        answer(planning, submission);
    } else if (planning->has_plan && !planning->plan.ok) {
        refuse_by_plan(planning, submission);
        answer(planning, submission);
    } else {
        accept_job(planning, submission);
    }
}

static void answer_refused(struct planning *planning, const struct error *err, const char *pointer)
{
    struct submission *submission = xcalloc(1, sizeof(*submission));
    refuse(submission, err, pointer);
    answer(planning, submission);
}

/* The plan came after the answer: the stored job goes on, or fails with what the plan found. */
static void finish_stored(struct planning *planning, const struct error *err)
{
    struct core *core = planning->core;
    struct live_job *live = core_find_job(core, planning->id);
    if (live == NULL || !live->job.planning) {
        return;
    }
    core_begin(core);
    live->job.planning = false;
    add_plan(live, planning);
    if (err != NULL) {
        for (size_t i = 0; i < live->job.copy_count; i++) {
            core_set_copy_state(core, live, &live->job.copies[i], COPY_FAILED, 0, err);
        }
        live->job.problem = *err;
    }
    core_settle_job(core, live);
    core_commit(core);
    if (job_state_is_terminal(live->job.state)) {
        core_drop_job(core, live);
    } else {
        core_wake_waits(core, live, false);
    }
    core_schedule(core);
}

static void finish(struct planning *planning, const struct error *err)
{
    if (planning->answered) {
        const struct error *found = err == NULL && planning->has_plan && !planning->plan.ok
                                        ? &planning->plan.errors[0]
                                        : err;
        if (planning->core->stop_requests == 0) {
            finish_stored(planning, found);
        } /* else: it stays `preparing` and the next burnd plans it again */
    } else if (err != NULL) {
        answer_refused(planning, err, NULL);
    } else {
        answer_planned(planning);
    }
}

/* --- running plan workers ------------------------------------------------------------------ */

static void unlink_planning(struct planning *planning)
{
    struct planning **at = &planning->core->plans;
    while (*at != NULL && *at != planning) {
        at = &(*at)->next;
    }
    if (*at != NULL) {
        *at = planning->next;
    }
}

static void free_if_over(struct planning *planning)
{
    if (!planning->worker_over || !planning->timer_closed) {
        return;
    }
    job_release(&planning->job);
    core_remove_folder(planning->folder);
    free(planning->folder);
    free(planning->scope);
    free(planning->key);
    free(planning->body_sha256);
    free(planning);
}

static void on_timer_closed(uv_handle_t *handle)
{
    struct planning *planning = handle->data;
    planning->timer_closed = true;
    free_if_over(planning);
}

static void end_planning(struct planning *planning)
{
    unlink_planning(planning);
    planning->worker_over = true;
    uv_close((uv_handle_t *)&planning->limit, on_timer_closed);
}

static void on_plan_line(void *arg, const struct worker_line *line)
{
    struct planning *planning = arg;
    if (line->kind == LINE_PLAN && line->plan != NULL) {
        planning->plan = *line->plan;
        planning->has_plan = true;
    }
}

static void on_plan_ended(void *arg, const struct worker_end *end)
{
    struct planning *planning = arg;
    struct core *core = planning->core;
    struct error err;
    planning->worker = NULL;
    core->plans_running--;
    if (planning->given_up) {
        error_set(&err, ERROR_CANCELED, "the plan was canceled");
    } else if (!end->has_result) {
        err = end->problem;
    } else {
        err = end->result.problem;
    }
    finish(planning, planning->has_plan ? NULL : &err);
    end_planning(planning);
    start_plans(core);
    core_operation_ended(core);
}

static int start_plan(struct planning *planning, struct error *err)
{
    struct core *core = planning->core;
    struct worker_request request;
    struct live_job *live = planning->id[0] != '\0' ? core_find_job(core, planning->id) : NULL;
    struct worker_settings settings = {
        .folder = planning->folder,
        .lease_fd = -1,
        .is_file = true,
        .line = on_plan_line,
        .ended = on_plan_ended,
        .arg = planning,
    };
    if (core_make_folder(planning->folder, err) != 0) {
        return -1;
    }
    core_plan_request(core, live != NULL ? &live->job : &planning->job, &request);
    int status = core_run_worker(core, OPERATION_PLAN, &settings, &request, &planning->worker, err);
    worker_request_release(&request);
    core->plans_running += status == 0;
    return status;
}

static void start_plans(struct core *core)
{
    struct error err;
    struct planning *next;
    for (struct planning *planning = core->plans; planning != NULL; planning = next) {
        next = planning->next;
        if (planning->worker != NULL || core->plans_running >= PLANS_AT_ONCE) {
            continue;
        }
        if (core->stop_requests > 0) {
            error_set(&err, ERROR_SHUTTING_DOWN, "burnd is stopping");
        } else if (start_plan(planning, &err) == 0) {
            continue;
        }
        finish(planning, &err);
        end_planning(planning);
    }
}

/* Two seconds are over: a job is answered as it is; a dry run has its own, longer, patience. */
static void on_limit(uv_timer_t *timer)
{
    struct planning *planning = timer->data;
    if (planning->answered || planning->worker_over) {
        return;
    }
    if (!planning->dry_run) {
        answer_planned(planning);
        return;
    }
    struct error err;
    error_set(&err, ERROR_NOT_READY, "planning took longer than %d s", PLAN_DRY_RUN_MS / 1000);
    answer_refused(planning, &err, NULL);
    planning->given_up = true;
    if (planning->worker != NULL) {
        worker_cancel(planning->worker);
    }
}

static struct planning *new_planning(struct core *core)
{
    struct planning *planning = xcalloc(1, sizeof(*planning));
    char id[ID_SIZE];
    planning->core = core;
    id_make("plan", id);
    planning->folder = xasprintf("%s/tmp/%s", core->state_dir, id);
    uv_timer_init(core->loop, &planning->limit);
    planning->limit.data = planning;
    struct planning **end = &core->plans;
    while (*end != NULL) {
        end = &(*end)->next;
    }
    *end = planning;
    return planning;
}

void core_submit(struct core *core, struct job_document *owned_document, bool dry_run,
                 const struct request_key *key, core_submitted *done, void *arg)
{
    struct error err;
    const char *pointer = NULL;
    struct planning *planning = new_planning(core);
    planning->job.document = *owned_document;
    *owned_document = (struct job_document){0};
    id_make("job", planning->job.id);
    planning->dry_run = dry_run;
    if (key != NULL && !dry_run) {
        planning->scope = xstrdup(key->scope);
        planning->key = xstrdup(key->key);
        planning->body_sha256 = xstrdup(key->body_sha256);
    }
    planning->done = done;
    planning->arg = arg;
    if (core->stop_requests > 0) {
        error_set(&err, ERROR_SHUTTING_DOWN, "burnd is stopping");
        answer_refused(planning, &err, NULL);
        end_planning(planning);
        return;
    }
    if (check_target(core, &planning->job.document, &pointer, &err) != 0) {
        answer_refused(planning, &err, pointer);
        end_planning(planning);
        return;
    }
    uv_timer_start(&planning->limit, on_limit, dry_run ? PLAN_DRY_RUN_MS : PLAN_ANSWER_MS, 0);
    start_plans(core);
}

void core_plan_job(struct core *core, struct live_job *live)
{
    struct planning *planning = new_planning(core);
    memcpy(planning->id, live->job.id, sizeof(planning->id));
    planning->answered = true;
    live->job.planning = true;
    start_plans(core);
}

void core_cancel_plan(struct core *core, const char *job)
{
    for (struct planning *planning = core->plans; planning != NULL; planning = planning->next) {
        if (strcmp(planning->id, job) == 0 && planning->worker != NULL) {
            planning->given_up = true;
            worker_cancel(planning->worker);
        }
    }
}

void core_stop_plans(struct core *core)
{
    for (struct planning *planning = core->plans; planning != NULL; planning = planning->next) {
        if (planning->worker != NULL) {
            worker_cancel(planning->worker);
        }
    }
    start_plans(core); /* those that waited are answered: stopping */
}
