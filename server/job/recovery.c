/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * What an earlier burnd left: jobs that had not ended, and attempts whose end it did not see.
 *
 *   lease still held    a worker finishes alone (an orphan): the recorder is busy, the lease is looked at
 *                       every second; an orphan that goes silent is killed. Then as below:
 *   before `write`      nothing was written: the attempt ends unharmed, the copy is tried again
 *   write … verify      nobody saw the end: the attempt is unknown, the copy waits for a person's verdict
 *   eject               all was done and checked: the copy is done
 */
#include "job/core_internal.h"

#include "base/alloc.h"
#include "base/clock.h"
#include "base/log.h"

#include <dirent.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define ORPHAN_SILENCE_MS 15000

struct orphan {
    struct orphan *next;
    struct attempt attempt;
    int64_t seen_mtime_ns, seen_at_ms;
    bool killed;
};

bool core_has_orphan(const struct core *core, const char *recorder)
{
    for (const struct orphan *orphan = core->orphans; orphan != NULL; orphan = orphan->next) {
        if (strcmp(orphan->attempt.recorder, recorder) == 0) {
            return true;
        }
    }
    return false;
}

/* --- the end of an attempt that nobody saw ------------------------------------------------- */

/* The worker's own word, if it finished alone. */
static bool read_result(const struct core *core, const struct attempt *attempt,
                        struct worker_result *out)
{
    char text[16384];
    struct worker_line line;
    struct error err;
    char *folder = core_attempt_folder(core, attempt->job, attempt->id);
    char *path = xasprintf("%s/result.json", folder);
    FILE *file = fopen(path, "re");
    free(path);
    free(folder);
    if (file == NULL) {
        return false;
    }
    size_t length = fread(text, 1, sizeof(text), file);
    fclose(file);
    while (length > 0 && (text[length - 1] == '\n' || text[length - 1] == ' ')) {
        length--;
    }
    if (worker_line_decode(text, length, &line, &err) != 0) {
        return false;
    }
    bool found = line.kind == LINE_RESULT;
    if (found) {
        *out = line.result;
    }
    worker_line_release(&line);
    return found;
}

static void raise_confirm(struct core *core, const struct attempt *attempt, const char *text)
{
    struct event_subject subject =
        core_subject(attempt->job, attempt->copy, attempt->attempt, attempt->recorder);
    struct attention *item = attention_raise(core, "confirm_outcome", "warning", &subject, text);
    attention_offer(item, "accept_good", "The disc is good", false);
    attention_offer(item, "redo", "Burn it again", true);
    attention_offer(item, "give_up", "Give this copy up", true);
    attention_tell(core, item);
}

static void explain_unknown(struct attempt *attempt, const struct worker_result *result,
                            bool has_result)
{
    if (attempt->phase >= PHASE_VERIFY) {
        error_set(&attempt->problem, ERROR_INTERRUPTED,
                  "burnd stopped in phase %s: the disc was written and closed, its verification "
                  "did not end",
                  phase_to_text(attempt->phase));
    } else if (!has_result) {
        error_set(&attempt->problem, ERROR_INTERRUPTED,
                  "burnd stopped in phase %s and the worker left no result: nobody saw whether the "
                  "disc is "
                  "good",
                  phase_to_text(attempt->phase));
    } else if (result->ok) {
        memcpy(attempt->session_sha256, result->session_sha256, sizeof(attempt->session_sha256));
        error_set(&attempt->problem, ERROR_INTERRUPTED,
                  "burnd stopped in phase %s; the worker went on alone and reports %lld blocks "
                  "written and "
                  "closed, not verified",
                  phase_to_text(attempt->phase), (long long)result->blocks);
    } else {
        error_set(&attempt->problem, ERROR_INTERRUPTED,
                  "burnd stopped in phase %s; the worker went on alone and reports: %s",
                  phase_to_text(attempt->phase), result->problem.message);
    }
}

static void end_now(struct core *core, struct attempt *attempt, enum outcome outcome,
                    enum advice advice)
{
    int64_t now = clock_wall_ms();
    attempt->outcome = outcome;
    attempt->advice = advice;
    attempt->ended_at_ms = now;
    attempt->cancel = CANCEL_IMPOSSIBLE;
    if (attempt->phase_count > 0 && attempt->phases[attempt->phase_count - 1].ended_at_ms == 0) {
        attempt->phases[attempt->phase_count - 1].ended_at_ms = now;
    }
    attempt->phase = PHASE_ENDED;
    core_put_attempt(core, attempt);
    struct phase_change change = {
        .phase = PHASE_ENDED,
        .cancel = CANCEL_IMPOSSIBLE,
        .expected_s = -1,
        .outcome = outcome,
        .advice = advice,
        .problem = attempt->problem.code != ERROR_NONE ? &attempt->problem : NULL,
        .disc = attempt->disc,
    };
    struct event_subject subject =
        core_subject(attempt->job, attempt->copy, attempt->attempt, attempt->recorder);
    core_tell(core, EVENT_ATTEMPT_PHASE, &subject, &change);
}

static bool is_canceled(const struct live_job *live, const struct copy *copy)
{
    return live->job.cancel_accepted || copy->cancel_asked;
}

static void end_unharmed(struct core *core, struct live_job *live, struct copy *copy,
                         struct attempt *attempt)
{
    error_set(&attempt->problem, ERROR_INTERRUPTED,
              "burnd stopped in phase %s, before anything was written",
              phase_to_text(attempt->phase));
    end_now(core, attempt, OUTCOME_UNHARMED, ADVICE_REUSE);
    copy->tries -= copy->tries > 0; /* not the copy's fault */
    bool canceled = is_canceled(live, copy);
    core_set_copy_state(core, live, copy, canceled ? COPY_CANCELED : COPY_PENDING, attempt->attempt,
                        canceled ? &attempt->problem : NULL);
}

/* It had failed and burnd knew why; only the tidying was interrupted. */
static void end_failed(struct core *core, struct live_job *live, struct copy *copy,
                       struct attempt *attempt)
{
    struct error problem = attempt->problem;
    end_now(core, attempt, attempt->outcome, attempt->advice);
    enum copy_state state = is_canceled(live, copy)                              ? COPY_CANCELED
                            : copy->tries < live->job.document.attempts_per_copy ? COPY_PENDING
                                                                                 : COPY_FAILED;
    core_set_copy_state(core, live, copy, state, attempt->attempt, &problem);
}

static void end_unknown(struct core *core, struct live_job *live, struct copy *copy,
                        struct attempt *attempt)
{
    struct worker_result result;
    bool has_result = read_result(core, attempt, &result);
    explain_unknown(attempt, &result, has_result);
    struct error problem = attempt->problem;
    end_now(core, attempt, OUTCOME_UNKNOWN, ADVICE_CHECK);
    core_set_reason(copy, REASON_ATTEMPT_UNKNOWN, problem.message);
    core_set_copy_state(core, live, copy, COPY_WAITING, attempt->attempt, &problem);
    raise_confirm(core, attempt, problem.message);
}

/* All that was asked for was done and stored; only the renaming of the image file may be
 * missing. */
static void end_good(struct core *core, struct live_job *live, struct copy *copy,
                     struct attempt *attempt)
{
    struct disc disc;
    struct event_subject subject =
        core_subject(attempt->job, attempt->copy, attempt->attempt, attempt->recorder);
    end_now(core, attempt, OUTCOME_GOOD, ADVICE_KEEP);
    if (core_load_disc(core, attempt->disc, &disc) == 0) {
        core_tell(core, EVENT_DISC_REGISTERED, &subject,
                  &disc); /* where it lies: when it is looked at */
    }
    text_copy(copy->disc, sizeof(copy->disc), attempt->disc);
    if (live->job.first_sha256[0] == '\0') {
        memcpy(live->job.first_sha256, attempt->session_sha256, sizeof(live->job.first_sha256));
    }
    core_set_copy_state(core, live, copy, COPY_DONE, attempt->attempt, NULL);
}

/* Inside a transaction. */
static void settle_attempt(struct core *core, struct attempt *attempt)
{
    struct live_job *live = core_find_job(core, attempt->job);
    struct copy *copy = live != NULL ? job_copy(&live->job, attempt->copy) : NULL;
    if (attempt->id[0] == '\0') {
        return; /* an operation by hand */
    }
    if (copy == NULL) {
        error_set(&attempt->problem, ERROR_INTERRUPTED, "its job is gone");
        end_now(core, attempt, OUTCOME_UNKNOWN, ADVICE_CHECK);
        return;
    }
    if (attempt->disc[0] != '\0') {
        end_good(core, live, copy, attempt);
    } else if (attempt->problem.code != ERROR_NONE) {
        end_failed(core, live, copy, attempt);
    } else if (attempt->phase < PHASE_WRITE || attempt->simulate) {
        end_unharmed(core, live, copy, attempt);
    } else {
        end_unknown(core, live, copy, attempt);
    }
    log_warning(attempt->job, "copy %d attempt %d was interrupted: %s", attempt->copy,
                attempt->attempt, outcome_to_text(attempt->outcome));
    core_settle_job(core, live);
}

/* --- orphans ------------------------------------------------------------------------------- */

static bool lease_is_held(const struct core *core, const char *recorder)
{
    struct error err;
    int fd = lease_take(core, recorder, &err);
    if (fd >= 0) {
        close(fd);
        return false;
    }
    return err.code == ERROR_RECORDER_BUSY;
}

static int64_t result_mtime_ns(const struct core *core, const struct attempt *attempt)
{
    struct stat info;
    char *folder = core_attempt_folder(core, attempt->job, attempt->id);
    char *path = xasprintf("%s/result.json", folder);
    int64_t mtime = stat(path, &info) == 0
                        ? (int64_t)info.st_mtim.tv_sec * 1000000000 + info.st_mtim.tv_nsec
                        : 0;
    free(path);
    free(folder);
    return mtime;
}

static void kill_orphan(const struct core *core, struct orphan *orphan)
{
    int pid;
    unsigned long long started;
    char *path = xasprintf("%s/leases/%s.lock", core->state_dir, orphan->attempt.recorder);
    FILE *file = fopen(path, "re");
    free(path);
    orphan->killed = true;
    if (file == NULL) {
        return;
    }
    if (fscanf(file, "%d %llu", &pid, &started) == 2 && pid > 1 && started != 0 &&
        worker_process_start(pid) == started) {
        log_warning(orphan->attempt.recorder,
                    "the worker of an earlier burnd (pid %d) is silent, killed", pid);
        kill(pid, SIGKILL);
    }
    fclose(file);
}

static void release_orphan(struct core *core, struct orphan *orphan)
{
    struct recorder *recorder = recorder_list_find(core->recorders, orphan->attempt.recorder);
    struct live_job *live = core_find_job(core, orphan->attempt.job);
    core_begin(core);
    if (recorder != NULL) {
        recorder->state = RECORDER_IDLE;
        recorder->activity = ACTIVITY_NONE;
        recorder->write_in_progress = false;
        recorder->lease = (struct lease){0};
        core_tell_recorder(core, recorder);
    }
    settle_attempt(core, &orphan->attempt);
    core_commit(core);
    if (live != NULL) {
        if (job_state_is_terminal(live->job.state)) {
            core_drop_job(core, live);
        } else {
            core_wake_waits(core, live, false);
        }
    }
    struct error err;
    if (recorder != NULL && orphan->attempt.outcome == OUTCOME_RUINED) {
        core_give_file_back(core, &orphan->attempt);
    } else if (recorder != NULL &&
               run_start_by_hand(core, recorder, OPERATION_INSPECT, NULL, NULL, &err) != 0) {
        log_warning(recorder->id, "cannot be looked at: %s", err.message);
    }
    core_schedule(core);
}

void core_watch_orphans(struct core *core)
{
    struct orphan **at = &core->orphans;
    while (*at != NULL) {
        struct orphan *orphan = *at;
        int64_t now = clock_monotonic_ms(), mtime = result_mtime_ns(core, &orphan->attempt);
        if (!lease_is_held(core, orphan->attempt.recorder)) {
            *at = orphan->next;
            release_orphan(core, orphan);
            free(orphan);
            at = &core->orphans; /* the list may have changed */
            continue;
        }
        if (mtime != orphan->seen_mtime_ns) {
            orphan->seen_mtime_ns = mtime;
            orphan->seen_at_ms = now;
        } else if (!orphan->killed && now - orphan->seen_at_ms >
                                          (int64_t)(ORPHAN_SILENCE_MS * core->watchdog_factor)) {
            kill_orphan(core, orphan);
        }
        at = &orphan->next;
    }
}

void core_free_orphans(struct core *core)
{
    while (core->orphans != NULL) {
        struct orphan *orphan = core->orphans;
        core->orphans = orphan->next;
        free(orphan);
    }
}

static void add_orphan(struct core *core, const struct attempt *attempt)
{
    struct orphan *orphan = xcalloc(1, sizeof(*orphan));
    struct recorder *recorder = recorder_list_find(core->recorders, attempt->recorder);
    orphan->attempt = *attempt;
    orphan->seen_at_ms = clock_monotonic_ms();
    orphan->next = core->orphans;
    core->orphans = orphan;
    log_warning(attempt->recorder, "a worker of an earlier burnd still runs (phase %s)",
                phase_to_text(attempt->phase));
    if (recorder == NULL) {
        return;
    }
    recorder->state = RECORDER_BUSY;
    recorder->activity = activity_of_phase(attempt->phase, attempt->simulate);
    recorder->write_in_progress = writes_in_phase(attempt->phase, attempt->simulate);
    recorder->lease = (struct lease){
        .held = true,
        .copy = attempt->copy,
        .attempt = attempt->attempt,
        .operation = attempt->id[0] != '\0' ? OPERATION_BURN : OPERATION_INSPECT,
        .since_ms = attempt->started_at_ms,
    };
    memcpy(recorder->lease.job, attempt->job, sizeof(recorder->lease.job));
}

void core_note_stray_worker(struct core *core, struct recorder *recorder)
{
    struct attempt none = {.started_at_ms = clock_wall_ms()};
    text_copy(none.recorder, sizeof(none.recorder), recorder->id);
    add_orphan(core, &none);
    core_begin(core);
    core_tell_recorder(core, recorder);
    core_commit(core);
}

/* --- loading ------------------------------------------------------------------------------- */

struct loading {
    struct core *core;
    struct live_job *live;
    char cursor[ID_SIZE];
    int rows;
};

static bool load_copy(const struct copy_row *row, void *arg)
{
    struct loading *loading = arg;
    struct job *job = &loading->live->job;
    job->copies = xrealloc(job->copies, (job->copy_count + 1) * sizeof(*job->copies));
    copy_from_row(row, &job->copies[job->copy_count++]);
    return true;
}

static bool load_job(const struct job_row *row, void *arg)
{
    struct loading *loading = arg;
    struct error err;
    struct live_job *live = xcalloc(1, sizeof(*live));
    memcpy(loading->cursor, row->id, sizeof(loading->cursor));
    loading->rows++;
    live->progress.eta_s = -1;
    if (job_from_row(loading->core, row, &live->job, &err) != 0) {
        log_error(row->id, "the stored job cannot be read and is left alone: %s", err.message);
        free(live);
        return true;
    }
    core_add_job(loading->core, live);
    return true;
}

static int oldest_first(const void *a, const void *b)
{
    return strcmp((*(struct live_job *const *)a)->job.id, (*(struct live_job *const *)b)->job.id);
}

static int load_copies(struct core *core, struct live_job *live, struct error *err)
{
    struct loading loading = {.core = core, .live = live};
    size_t before;
    do {
        before = live->job.copy_count;
        if (store_copies(store_as_reader(core->store), live->job.id, 0, (int)before, 500, load_copy,
                         &loading, err) != 0) {
            return -1;
        }
    } while (live->job.copy_count > before);
    return 0;
}

static bool count_ruined(const struct attempt_row *row, void *arg)
{
    *(int *)arg += strcmp(row->outcome, outcome_to_text(OUTCOME_RUINED)) == 0;
    return true;
}

/* The limit on ruined discs counts over restarts. */
static int load_ruined(struct core *core, struct live_job *live, struct error *err)
{
    for (size_t i = 0; i < live->job.copy_count; i++) {
        if (live->job.copies[i].attempts > 0 &&
            store_attempts(store_as_reader(core->store), live->job.id, live->job.copies[i].number,
                           0, 0, 500, count_ruined, &live->ruined, err) != 0) {
            return -1;
        }
    }
    return 0;
}

static int load_jobs(struct core *core, struct error *err)
{
    struct loading loading = {.core = core};
    do {
        struct job_filter filter = {
            .only_live = true,
            .needs_person = -1,
            .limit = 500,
            .cursor = loading.cursor[0] != '\0' ? loading.cursor : NULL,
        };
        loading.rows = 0;
        if (store_jobs(store_as_reader(core->store), &filter, load_job, &loading, err) != 0) {
            return -1;
        }
    } while (loading.rows == 500);
    if (core->job_count > 1) {
        qsort(core->jobs, core->job_count, sizeof(struct live_job *), oldest_first);
    }
    for (size_t i = 0; i < core->job_count; i++) {
        if (load_copies(core, core->jobs[i], err) != 0 ||
            load_ruined(core, core->jobs[i], err) != 0) {
            return -1;
        }
    }
    return 0;
}

struct open_attempts {
    struct attempt *items;
    size_t count;
};

static bool collect_attempt(const struct attempt_row *row, void *arg)
{
    struct open_attempts *list = arg;
    list->items = xrealloc(list->items, (list->count + 1) * sizeof(*list->items));
    attempt_from_row(row, &list->items[list->count++]);
    return true;
}

/* --- putting things right ------------------------------------------------------------------ */

static void settle_copies(struct core *core, struct live_job *live)
{
    for (size_t i = 0; i < live->job.copy_count; i++) {
        struct copy *copy = &live->job.copies[i];
        bool running = copy->state == COPY_ASSIGNED || copy->state == COPY_RUNNING;
        if (running && core_has_orphan(core, copy->recorder)) {
            continue;
        }
        if (is_canceled(live, copy) && !copy_state_is_terminal(copy->state) &&
            !(copy->has_reason && copy->reason == REASON_ATTEMPT_UNKNOWN)) {
            struct error problem;
            error_set(&problem, ERROR_CANCELED, "canceled before it began");
            core_set_copy_state(core, live, copy, COPY_CANCELED, 0, &problem);
        } else if (running || (copy->has_reason && copy->reason != REASON_ATTEMPT_UNKNOWN)) {
            copy->has_reason = false; /* found anew by the scheduler */
            core_set_copy_state(core, live, copy, COPY_PENDING, 0, NULL);
        } else if (copy->state == COPY_WAITING && copy->reason == REASON_ATTEMPT_UNKNOWN) {
            struct attempt attempt = {.copy = copy->number, .attempt = copy->attempts};
            memcpy(attempt.job, live->job.id, sizeof(attempt.job));
            text_copy(attempt.recorder, sizeof(attempt.recorder), copy->recorder);
            raise_confirm(core, &attempt, copy->reason_detail);
        }
    }
}

static void clear_folder_of_leftovers(const struct core *core)
{
    char *path = xasprintf("%s/tmp", core->state_dir);
    DIR *folder = opendir(path);
    struct dirent *entry;
    while (folder != NULL && (entry = readdir(folder)) != NULL) {
        if (entry->d_name[0] != '.') {
            char *inner = xasprintf("%s/%s", path, entry->d_name);
            core_remove_folder(inner);
            free(inner);
        }
    }
    if (folder != NULL) {
        closedir(folder);
    }
    free(path);
}

static void settle_all(struct core *core, struct open_attempts *list)
{
    for (size_t i = 0; i < list->count; i++) {
        if (lease_is_held(core, list->items[i].recorder)) {
            add_orphan(core, &list->items[i]);
        }
    }
    core_begin(core);
    for (size_t i = 0; i < list->count; i++) {
        if (!core_has_orphan(core, list->items[i].recorder)) {
            settle_attempt(core, &list->items[i]);
        }
    }
    for (size_t i = 0; i < core->job_count; i++) {
        settle_copies(core, core->jobs[i]);
        core_settle_job(core, core->jobs[i]);
    }
    core_commit(core);
}

/* Files that were being emptied when burnd died. */
static void give_back_failed(struct core *core, const struct open_attempts *list)
{
    for (size_t i = 0; i < list->count; i++) {
        const struct attempt *attempt = &list->items[i];
        if (attempt->phase == PHASE_ENDED && attempt->outcome == OUTCOME_RUINED) {
            core_give_file_back(core, attempt);
        }
    }
}

static void drop_ended(struct core *core)
{
    for (size_t i = core->job_count; i-- > 0;) {
        if (job_state_is_terminal(core->jobs[i]->job.state)) {
            core_drop_job(core, core->jobs[i]);
        }
    }
}

int core_recover(struct core *core, struct error *err)
{
    struct open_attempts list = {0};
    clear_folder_of_leftovers(core);
    if (load_jobs(core, err) != 0 ||
        store_open_attempts(store_as_reader(core->store), collect_attempt, &list, err) != 0) {
        free(list.items);
        return -1;
    }
    settle_all(core, &list);
    give_back_failed(core, &list);
    free(list.items);
    drop_ended(core);
    for (size_t i = 0; i < core->job_count; i++) {
        if (!core->jobs[i]->job.has_plan && !core->jobs[i]->job.cancel_accepted) {
            core_plan_job(core, core->jobs[i]);
        }
    }
    return 0;
}
