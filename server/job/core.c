/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * The core's start and stop, its roots, and the jobs in memory. See core_internal.h for who else is
 * in it. One burnd a state directory: the lock is taken before anything is read.
 *
 * Stopping: the first core_stop() starts no new attempt and waits for those under way; the second
 * cancels what can be cancelled. Plans are ended at once: their jobs are planned again by the next
 * burnd.
 */
#include "job/core_internal.h"

#include "base/alloc.h"
#include "base/clock.h"
#include "base/log.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <unistd.h>

#define HOUSEKEEPING_MS 1000

/* --- start --------------------------------------------------------------------------------- */

static int take_state_lock(struct core *core, struct error *err)
{
    char *path = xasprintf("%s/burnd.lock", core->state_dir);
    core->lock_fd = open(path, O_RDWR | O_CREAT | O_CLOEXEC, 0600);
    free(path);
    if (core->lock_fd < 0) {
        return error_set(err, ERROR_STORE_UNAVAILABLE, "state directory %s is not writable: %s",
                         core->state_dir, strerror(errno));
    }
    if (flock(core->lock_fd, LOCK_EX | LOCK_NB) != 0) {
        return error_set(err, ERROR_STORE_UNAVAILABLE,
                         "state directory %s is used by another burnd", core->state_dir);
    }
    return 0;
}

static int make_folders(struct core *core, struct error *err)
{
    static const char *const names[] = {"jobs", "leases", "tmp"};
    for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++) {
        char *path = xasprintf("%s/%s", core->state_dir, names[i]);
        int status = core_make_folder(path, err);
        free(path);
        if (status != 0) {
            return -1;
        }
    }
    return 0;
}

static void open_root(struct core_root *root)
{
    root->fd = open(root->path, O_PATH | O_DIRECTORY | O_CLOEXEC);
    if (root->fd < 0) {
        error_set(&root->problem, ERROR_ROOT_UNAVAILABLE, "root %s: %s cannot be opened: %s",
                  root->name, root->path, strerror(errno));
        log_warning("root", "%s", root->problem.message);
    }
}

static int add_roots(struct core *core, const struct core_settings *settings, struct error *err)
{
    if (settings->root_count > WORKER_ROOTS_MAX) {
        return error_set(err, ERROR_INVALID_REQUEST, "more than %d roots", WORKER_ROOTS_MAX);
    }
    core->roots = xcalloc(settings->root_count, sizeof(*core->roots));
    for (size_t i = 0; i < settings->root_count; i++) {
        const char *spec = settings->roots[i], *equals = strchr(spec, '=');
        struct core_root *root = &core->roots[i];
        root->fd = -1;
        core->root_count = i + 1;
        if (equals == NULL || equals == spec || (size_t)(equals - spec) >= sizeof(root->name) ||
            strlen(equals + 1) >= sizeof(root->path) || equals[1] == '\0') {
            return error_set(err, ERROR_INVALID_REQUEST, "root %s: NAME=PATH is wanted", spec);
        }
        memcpy(root->name, spec, (size_t)(equals - spec));
        text_copy(root->path, sizeof(root->path), equals + 1);
        if (strpbrk(root->name, "/:") != NULL) {
            return error_set(err, ERROR_INVALID_REQUEST,
                             "root %s: a name has neither / nor :", spec);
        }
        for (size_t k = 0; k < i; k++) {
            if (strcmp(core->roots[k].name, root->name) == 0) {
                return error_set(err, ERROR_INVALID_REQUEST, "root %s is given twice", root->name);
            }
        }
        open_root(root);
    }
    return 0;
}

static int add_recorders(struct core *core, const struct core_settings *settings, struct error *err)
{
    core->recorders = recorder_list_new();
    for (size_t i = 0; i < settings->recorder_count; i++) {
        if (recorder_list_add_spec(core->recorders, settings->recorders[i], err) != 0) {
            return -1;
        }
    }
    return 0;
}

static bool restore_event(const struct event_row *row, void *arg)
{
    struct core *core = arg;
    enum event_type type;
    if (event_type_from_text(row->type, &type) != 0) {
        return true; /* told by a later burnd; this one does not know it */
    }
    struct event_subject subject =
        core_subject(row->job != NULL ? row->job : "", row->copy, row->attempt,
                     row->recorder != NULL ? row->recorder : "");
    subject.job_is_terminal = row->job_is_terminal;
    event_log_restore(core->events, row->seq, row->time_ms, type, &subject, xstrdup(row->data));
    return true;
}

static int open_events(struct core *core, struct error *err)
{
    char epoch[EPOCH_SIZE];
    if (store_event_state(core->store, epoch, sizeof(epoch), &core->reserved_seq, err) != 0) {
        return -1;
    }
    /* what was reserved may have been given */
    core->events = event_log_new(epoch, core->reserved_seq + 1);
    return store_events(store_as_reader(core->store), NULL, 0, EVENT_KEEP, restore_event, core,
                        err);
}

static void keep_house(uv_timer_t *timer)
{
    core_watch_orphans(timer->data);
    core_inspect_all(timer->data);
    core_schedule(timer->data);
    core_expire_waits(timer->data);
}

static int start(struct core *core, const struct core_settings *settings, struct error *err)
{
    if (core_make_folder(core->state_dir, err) != 0 || take_state_lock(core, err) != 0 ||
        make_folders(core, err) != 0 || add_roots(core, settings, err) != 0 ||
        add_recorders(core, settings, err) != 0 ||
        store_open(core->database_path, &core->store, err) != 0 || open_events(core, err) != 0) {
        return -1;
    }
    core->mailbox = mailbox_new(core->loop);
    uv_timer_init(core->loop, &core->housekeeping);
    core->housekeeping.data = core;
    uv_timer_start(&core->housekeeping, keep_house, HOUSEKEEPING_MS, HOUSEKEEPING_MS);
    if (core_recover(core, err) != 0) {
        return -1;
    }
    core_inspect_all(core);
    core_schedule(core);
    return 0;
}

int core_start(uv_loop_t *loop, const struct core_settings *settings, struct core **out,
               struct error *err)
{
    struct core *core = xcalloc(1, sizeof(*core));
    core->loop = loop;
    core->lock_fd = -1;
    core->state_dir = xstrdup(settings->state_dir);
    core->worker_path = xstrdup(settings->worker_path);
    core->station = xstrdup(settings->station != NULL ? settings->station : "");
    core->database_path = xasprintf("%s/burnd.sqlite", settings->state_dir);
    core->watchdog_factor = settings->watchdog_factor;
    core->border = settings->border;
    if (start(core, settings, err) != 0) {
        return -1; /* the program ends; nothing runs yet */
    }
    *out = core;
    return 0;
}

/* --- stop ---------------------------------------------------------------------------------- */

static void stop_if_quiet(struct core *core)
{
    if (core->stop_requests > 0 && core->operations_running == 0 && core->stopped != NULL) {
        void (*stopped)(void *arg) = core->stopped;
        core->stopped = NULL;
        stopped(core->stopped_arg);
    }
}

void core_operation_ended(struct core *core)
{
    core->operations_running--;
    stop_if_quiet(core);
}

static void say_waiting_jobs(struct core *core)
{
    struct event_subject server = core_subject("", 0, 0, "");
    core_begin(core);
    for (size_t i = 0; i < core->job_count; i++) {
        struct live_job *live = core->jobs[i];
        for (size_t k = 0; k < live->job.copy_count; k++) {
            struct copy *copy = &live->job.copies[k];
            if (copy->state == COPY_PENDING) {
                core_set_reason(copy, REASON_SHUTTING_DOWN, "burnd is stopping");
                core_put_copy(core, live, copy);
            }
        }
        core_settle_job(core, live);
    }
    core_tell(core, EVENT_SERVER_SHUTTING_DOWN, &server, NULL);
    core_commit(core);
}

void core_stop(struct core *core, void (*stopped)(void *arg), void *arg)
{
    core->stop_requests++;
    if (core->stop_requests == 1) {
        core->stopped = stopped;
        core->stopped_arg = arg;
        say_waiting_jobs(core);
        core_stop_plans(core);
    } else if (core->stop_requests == 2) {
        for (size_t i = 0; i < core->job_count; i++) {
            if (core->jobs[i]->run != NULL) {
                run_cancel(core->jobs[i]->run);
            }
        }
    }
    stop_if_quiet(core);
}

void core_free(struct core *core)
{
    if (core == NULL) {
        return;
    }
    core_free_orphans(core);
    core_free_give_backs(core);
    while (core->job_count > 0) {
        struct live_job *live = core->jobs[--core->job_count];
        job_release(&live->job);
        free(live->progress.stage);
        free(live->progress.block);
        free(live->progress.file);
        free(live->progress.verify);
        free(live);
    }
    free(core->jobs);
    free(core->pending);
    store_close(core->store);
    event_log_free(core->events);
    recorder_list_free(core->recorders);
    for (size_t i = 0; i < core->root_count; i++) {
        if (core->roots[i].fd >= 0) {
            close(core->roots[i].fd);
        }
    }
    free(core->roots);
    mailbox_free(core->mailbox);
    close(core->lock_fd);
    free(core->state_dir);
    free(core->worker_path);
    free(core->station);
    free(core->database_path);
    free(core);
}

/* --- what others ask for ------------------------------------------------------------------- */

struct mailbox *core_mailbox(struct core *core)
{
    return core->mailbox;
}

struct event_log *core_events(struct core *core)
{
    return core->events;
}

const char *core_station(const struct core *core)
{
    return core->station;
}

const char *core_database_path(const struct core *core)
{
    return core->database_path;
}

const char *core_state_dir(const struct core *core)
{
    return core->state_dir;
}

size_t core_roots(const struct core *core, const struct core_root **out)
{
    *out = core->roots;
    return core->root_count;
}

size_t core_recorders_snapshot(struct core *core, struct recorder **out)
{
    size_t count = recorder_list_count(core->recorders);
    *out = xcalloc(count, sizeof(**out));
    for (size_t i = 0; i < count; i++) {
        (*out)[i] = *recorder_list_get(core->recorders, i);
    }
    return count;
}

int core_recorder_snapshot(struct core *core, const char *name, struct recorder *out,
                           struct error *err)
{
    const struct recorder *recorder = recorder_list_find(core->recorders, name);
    if (recorder == NULL) {
        return error_set(err, ERROR_NOT_FOUND, "there is no recorder %s", name);
    }
    *out = *recorder;
    return 0;
}

int core_ready(struct core *core, struct error *err)
{
    if (core->stop_requests > 0) {
        return error_set(err, ERROR_SHUTTING_DOWN, "burnd is stopping");
    }
    return store_check(core->store, err);
}

/* --- jobs in memory ------------------------------------------------------------------------ */

struct live_job *core_find_job(struct core *core, const char *id)
{
    for (size_t i = 0; i < core->job_count; i++) {
        if (strcmp(core->jobs[i]->job.id, id) == 0) {
            return core->jobs[i];
        }
    }
    return NULL;
}

void core_add_job(struct core *core, struct live_job *live)
{
    core->jobs = xrealloc(core->jobs, (core->job_count + 1) * sizeof(*core->jobs));
    core->jobs[core->job_count++] = live;
}

void core_drop_job(struct core *core, struct live_job *live)
{
    core_wake_waits(core, live, true);
    for (size_t i = 0; i < core->job_count; i++) {
        if (core->jobs[i] == live) {
            memmove(&core->jobs[i], &core->jobs[i + 1],
                    (core->job_count - i - 1) * sizeof(*core->jobs));
            core->job_count--;
            break;
        }
    }
    job_release(&live->job);
    free(live->progress.stage);
    free(live->progress.block);
    free(live->progress.file);
    free(live->progress.verify);
    free(live);
}

struct copy *job_copy(struct job *job, int number)
{
    return number >= 1 && (size_t)number <= job->copy_count ? &job->copies[number - 1] : NULL;
}

void core_set_reason(struct copy *copy, enum reason reason, const char *detail)
{
    if (!copy->has_reason || copy->reason != reason) {
        copy->reason_since_ms = clock_wall_ms();
    }
    copy->has_reason = true;
    copy->reason = reason;
    text_copy(copy->reason_detail, sizeof(copy->reason_detail), detail);
}

void core_set_copy_state(struct core *core, struct live_job *live, struct copy *copy,
                         enum copy_state state, int attempt, const struct error *problem)
{
    enum copy_state from = copy->state;
    int64_t now = clock_wall_ms();
    copy->state = state;
    if (copy->started_at_ms == 0 && state == COPY_RUNNING) {
        copy->started_at_ms = now;
    }
    if (copy_state_is_terminal(state)) {
        copy->ended_at_ms = now;
        copy->has_reason = false;
    }
    if (state != COPY_WAITING && state != COPY_PENDING) {
        copy->has_reason = false;
    }
    if (from == COPY_WAITING && state != COPY_WAITING) {
        attention_clear(core, NULL, live->job.id, copy->number, NULL);
    }
    copy->problem = problem != NULL ? *problem : ERROR_EMPTY;
    core_put_copy(core, live, copy);
    if (from == state) {
        return;
    }
    struct copy_change change = {
        .from = from,
        .to = state,
        .attempt = attempt,
        .recorder = copy->recorder,
        .disc = copy->disc,
        .has_reason = copy->has_reason,
        .reason = copy->reason,
        .problem = problem,
    };
    struct event_subject subject =
        core_subject(live->job.id, copy->number, attempt, copy->recorder);
    core_tell(core, EVENT_COPY_STATE, &subject, &change);
}

static void explain_failure(struct job *job)
{
    if (job->state != JOB_FAILED && job->state != JOB_COMPLETED_WITH_FAILURES) {
        return;
    }
    size_t failed = 0;
    const struct copy *last = NULL;
    for (size_t i = 0; i < job->copy_count; i++) {
        if (job->copies[i].state == COPY_FAILED) {
            failed++;
            last = &job->copies[i];
        }
    }
    if (job->problem.code != ERROR_NONE || last == NULL) {
        return;
    }
    if (job->copy_count == 1) {
        job->problem = last->problem;
    } else {
        error_set(&job->problem, ERROR_COPIES_FAILED, "%zu of %zu copies failed; the last: %s",
                  failed, job->copy_count, last->problem.message);
    }
}

void core_settle_job(struct core *core, struct live_job *live)
{
    struct job *job = &live->job;
    struct job_change change = {.from = job->state};
    int64_t now = clock_wall_ms();
    job->state = job_derive_state(job);
    if (job->started_at_ms == 0 && job->state == JOB_RUNNING) {
        job->started_at_ms = now;
    }
    if (job_state_is_terminal(job->state) && job->ended_at_ms == 0) {
        job->ended_at_ms = now;
        explain_failure(job);
    }
    core_put_job(core, live);
    change.to = job->state;
    change.reason_count = job_reasons(job, change.reasons);
    for (size_t i = 0; i < change.reason_count; i++) {
        change.needs_person = change.needs_person || reason_needs_person(change.reasons[i]);
    }
    change.problem = job->problem.code != ERROR_NONE ? &job->problem : NULL;
    struct event_subject subject = core_subject(job->id, 0, 0, "");
    subject.job_is_terminal = job_state_is_terminal(job->state);
    bool moved = change.from != change.to;
    core_tell(core, moved || change.reason_count > 0 ? EVENT_JOB_STATE : EVENT_JOB_UPDATED,
              &subject, &change);
}

void core_add_warning(struct live_job *live, const struct warning *warning)
{
    struct job *job = &live->job;
    for (size_t i = 0; i < job->warning_count; i++) {
        if (strcmp(job->warnings[i].code, warning->code) == 0 &&
            strcmp(job->warnings[i].pointer, warning->pointer) == 0) {
            job->warnings[i] = *warning;
            return;
        }
    }
    if (job->warning_count < WARNINGS_MAX) {
        job->warnings[job->warning_count++] = *warning;
    }
}

void core_add_warning_code(struct live_job *live, const char *code, const char *detail)
{
    struct warning warning = {.count = 1};
    text_copy(warning.code, sizeof(warning.code), code);
    text_copy(warning.detail, sizeof(warning.detail), detail);
    core_add_warning(live, &warning);
}
