/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * What the files of the core share. Everything runs on the core thread.
 *
 * The order in which a change is made is always: core_begin(), change the structs, put the rows,
 * tell the events, core_commit(); then act (start a worker, answer). An event goes out only after
 * its commit. When the store cannot be written burnd ends (exit status 1): workers that write
 * finish alone, and the next burnd finds them; only a submission is refused instead (503), because
 * nothing has happened yet.
 *
 *   core.c          start, stop, snapshots        core_tell.c     transactions and events
 *   submit.c        planning and accepting a job  scheduler.c     which copy goes to which recorder
 *   run.c           one attempt, operation by     run_lines.c     what its worker says → phases, progress
 *                   operation                     run_request.c   what its worker is told
 *   run_end.c       what its end means, told     recorder_op.c   operations by hand
 *   job_commands.c  cancel, confirm, delete, waiting
 *   recovery.c      what an earlier burnd left    attention.c     what a person must do
 *   job_rows.c      struct ↔ row                  job_log.c       the job's log file
 */
#ifndef BURND_CORE_INTERNAL_H
#define BURND_CORE_INTERNAL_H

#include "job/core.h"
#include "job/job_events.h"
#include "worker/item_file.h"
#include "worker/worker.h"

#define PLANS_AT_ONCE 4
#define PLAN_ANSWER_MS 2000
#define PLAN_DRY_RUN_MS 60000
#define ATTENTION_MAX 256

struct run;

struct live_job {
    struct job job;
    struct run *run; /* the attempt under way; copies of a job go one after another */
    struct copy_progress progress;
    int ruined; /* attempts that ended ruined */
    bool
        waits_for_medium; /* an attempt found the wrong medium: nothing is tried until one changes */
};

struct pending_event {
    enum event_type type;
    struct event_subject subject;
    char *data;
    int64_t seq, time_ms;
};

struct core {
    uv_loop_t *loop;
    char *state_dir, *worker_path, *station, *database_path;
    double watchdog_factor;
    struct json_border border;
    struct mailbox *mailbox;
    struct store *store;
    struct event_log *events;
    int64_t reserved_seq;
    int lock_fd;

    struct recorder_list *recorders;
    struct core_root *roots;
    size_t root_count;

    struct live_job **jobs; /* not terminal, oldest first */
    size_t job_count;
    struct attention attention[ATTENTION_MAX];
    size_t attention_count;
    struct core_wait *waits;
    struct planning *plans;
    int plans_running;
    struct idempotency_mark *marks;
    struct orphan *orphans;
    struct give_back *give_backs;
    uv_timer_t housekeeping; /* once a second: orphans, waits that last too long */
    int operations_running;  /* workers under way */

    bool scheduling, schedule_again;
    bool in_transaction;
    struct pending_event *pending;
    size_t pending_count, pending_capacity;

    int stop_requests;
    void (*stopped)(void *arg);
    void *stopped_arg;
};

/* --- core_tell.c --------------------------------------------------------------------------- */

void core_begin(struct core *core);
void core_commit(struct core *core);
/* For a submission: -1 instead of the end of the program; nothing was stored, no event told. */
NODISCARD int core_try_commit(struct core *core, struct error *err);
/* A state event, inside a transaction. */
void core_tell(struct core *core, enum event_type type, const struct event_subject *subject,
               const void *payload);
/* A stream event, outside; `kind` with job and copy makes the key. Returns its data (borrowed). */
const char *core_stream(struct core *core, enum event_type type,
                        const struct event_subject *subject, const void *payload, const char *kind);
void core_fatal(struct core *core, const struct error *err) __attribute__((noreturn));
struct event_subject core_subject(const char *job, int copy, int attempt, const char *recorder);
void core_tell_recorder(struct core *core, const struct recorder *recorder);
void core_tell_medium(struct core *core, const struct recorder *recorder,
                      const struct medium *before);

/* --- job_rows.c: inside a transaction; the end of the program on failure ------------------- */

void core_put_job(struct core *core, struct live_job *live);
void core_put_copy(struct core *core, const struct live_job *live, const struct copy *copy);
void core_put_attempt(struct core *core, const struct attempt *attempt);
void core_put_disc(struct core *core, const struct disc *disc);
NODISCARD int job_from_row(const struct core *core, const struct job_row *row, struct job *out,
                           struct error *err);
void copy_from_row(const struct copy_row *row, struct copy *out);
void attempt_from_row(const struct attempt_row *row, struct attempt *out);

/* --- jobs in memory ------------------------------------------------------------------------ */

struct live_job *core_find_job(struct core *core, const char *id);
void core_add_job(struct core *core, struct live_job *live);
/* Terminal or deleted: out of memory, waiters woken. */
void core_drop_job(struct core *core, struct live_job *live);
struct copy *job_copy(struct job *job, int number);
/* Inside a transaction: derive the state anew, store, tell when it or the reasons changed. */
void core_settle_job(struct core *core, struct live_job *live);
/* Inside a transaction. */
void core_set_copy_state(struct core *core, struct live_job *live, struct copy *copy,
                         enum copy_state state, int attempt, const struct error *problem);
void core_set_reason(struct copy *copy, enum reason reason, const char *detail);
void core_wake_waits(struct core *core, const struct live_job *live, bool gone);
void core_snapshot_job(struct core *core, const struct live_job *live, struct job_snapshot *out);
void core_add_warning(struct live_job *live, const struct warning *warning);
void core_add_warning_code(struct live_job *live, const char *code, const char *detail);

/* --- run.c --------------------------------------------------------------------------------- */

struct run {
    struct core *core;
    struct live_job *live; /* NULL: an operation by hand */
    struct copy *copy;
    struct attempt attempt;
    struct recorder *recorder;
    struct worker *worker; /* NULL between operations */
    enum operation operation;
    int lease_fd;
    char *folder;
    struct item_file *items;
    int64_t file_index; /* of progress.file on the side told last */
    bool cancel_asked;
    bool handed_over, first_block_told, first_stage_told, first_verify_told;
    struct stage_progress stage; /* the last told */
    char stage_path[512], stage_unit[16];
    int64_t write_started_ms, last_completed;
    bool burned;     /* burn-worker's result was ok */
    bool has_medium; /* medium_now is of now */
    struct medium medium_now;
    bool failure_known;         /* the outcome is decided; only the medium is looked after */
    char eject_fingerprint[65]; /* what must lie there to get the disc's name */
    char disc[ID_SIZE];
    char *location; /* of the disc */
    char *eject_to;
    bool keeps_folder; /* of an operation by hand: it runs in an attempt's folder */
    core_done *done;   /* of an operation by hand */
    void *done_arg;
};

/* The copy is pending, the recorder idle. */
void run_start(struct core *core, struct live_job *live, struct copy *copy,
               struct recorder *recorder);
/* An operation by hand: INSPECT, EJECT, RECLAIM. The recorder is idle. -1: it could not begin. */
NODISCARD int run_start_by_hand(struct core *core, struct recorder *recorder,
                                enum operation operation, core_done *done, void *arg,
                                struct error *err);
/* Empty a file that was blank when `attempt` began and that it left half-written; only if it is
 * the same file still. Likewise by hand. */
NODISCARD int run_start_reclaim(struct core *core, struct recorder *recorder,
                                const struct attempt *attempt, core_done *done, void *arg,
                                struct error *err);
/* Starts that for an attempt nobody saw end, as soon as its recorder is free. */
void core_give_file_back(struct core *core, const struct attempt *attempt);
void core_start_give_backs(struct core *core);
bool core_has_give_back(const struct core *core, const char *recorder);
void core_free_give_backs(struct core *core);
bool attempt_can_be_reclaimed(const struct recorder *recorder, const struct attempt *attempt);
void run_cancel(struct run *run);
void run_line(void *arg, const struct worker_line *line); /* run_lines.c */
void run_set_phase(struct run *run, enum phase phase, enum cancel_effect cancel,
                   int64_t expected_s);
void core_plan_request(const struct core *core, const struct job *job, struct worker_request *out);
NODISCARD int run_request(struct run *run, struct worker_request *out, struct error *err);
struct event_subject run_subject(const struct run *run);
void run_free(struct run *run);
void run_end_folder(const struct run *run); /* remove it, unless it is an attempt's */
void run_conclude(struct run *run);         /* run_end.c; frees the run */
void run_fill_disc(const struct run *run, struct disc *out);
void copy_progress_reset(struct copy_progress *progress);
/* Where an image file is renamed to: PATH.<disc, else the time>.iso; malloc()ed. */
char *core_eject_target(const struct recorder *recorder, const char *disc);
/* Inside a transaction: what the register says lies at `path` lies there no more. */
void core_forget_location(struct core *core, const char *path);
/* Inside a transaction, after a look at the medium: which disc of the register lies in it (by its
 * fingerprint), and which ones that were said to lie there do not. */
void core_reconcile_register(struct core *core, struct recorder *recorder);
/* -1: there is no such disc. */
NODISCARD int core_load_disc(struct core *core, const char *id, struct disc *out);
void core_move_disc(struct core *core, const char *id, const char *location);
/* The lease of a recorder: an open, flock()ed file; -1 = held elsewhere. */
NODISCARD int lease_take(const struct core *core, const char *recorder, struct error *err);
void lease_note_worker(int fd, const char *attempt, int pid);
NODISCARD int core_run_worker(struct core *core, enum operation operation,
                              struct worker_settings *settings, struct worker_request *request,
                              struct worker **out, struct error *err);

/* --- others -------------------------------------------------------------------------------- */

void core_schedule(struct core *core); /* scheduler.c: give idle recorders work */
/* Why this recorder may not take the job; 0 = it may. With `now` also what its medium says. */
size_t core_ineligible(const struct job_document *document, const struct recorder *recorder,
                       bool now, int64_t image_sectors, enum error_code out[4]);
void core_raise_wrong_medium(struct core *core, const struct live_job *live,
                             const struct copy *copy, const char *recorder);
bool core_fails_on_wrong_medium(const struct core *core, const struct job_document *document);
bool core_wants_blank(struct core *core,
                      const struct run *run); /* a further copy or job needs one */

void core_plan_job(struct core *core, struct live_job *live); /* submit.c: plan a recovered job */
void core_cancel_plan(struct core *core, const char *job);

struct attention *attention_raise(struct core *core, const char *code, const char *severity,
                                  const struct event_subject *subject, const char *text);
void attention_offer(struct attention *item, const char *action, const char *label,
                     bool destructive);
void attention_tell(struct core *core, const struct attention *item);
void attention_clear(struct core *core, const char *code, const char *job, int copy,
                     const char *recorder);

NODISCARD int core_recover(struct core *core, struct error *err); /* recovery.c */
void core_inspect_all(struct core *core);
void core_watch_orphans(struct core *core);
/* A medium may have changed: jobs that wait for one are tried again, but not `except` (may be
 * NULL). */
void core_medium_seen(struct core *core, const struct live_job *except);
void core_expire_waits(struct core *core);
void core_free_orphans(struct core *core);
bool core_has_orphan(const struct core *core, const char *recorder);
/* A worker of an earlier burnd has the lease without an attempt (an operation by hand). */
void core_note_stray_worker(struct core *core, struct recorder *recorder);
void core_quarantine(struct core *core, struct recorder *recorder, const struct error *problem);

void core_operation_ended(struct core *core); /* core.c: perhaps the last before the stop */
void core_stop_plans(struct core *core);      /* submit.c */

/* job_log.c: {"time","level","copy","attempt","text"} as a line of the job's log. */
void job_log(const struct core *core, const char *job, int copy, int attempt, const char *level,
             const char *format, ...) PRINTF_FORMAT(6, 7);
char *core_job_folder(const struct core *core, const char *job);
char *core_attempt_folder(const struct core *core, const char *job, const char *attempt);
NODISCARD int core_make_folder(const char *path, struct error *err); /* with its parents, 0700 */
void core_remove_folder(const char *path);                           /* files and one level below */

#endif
