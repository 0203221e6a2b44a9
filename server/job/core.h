/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * The core: all domain state, and the only way to change it. Everything below runs on the core
 * thread; other threads post through core_mailbox() a function that calls these. No lock guards
 * this data: one thread has it. What blocks (reading the store, walking a folder) goes to the pool.
 *
 * A read costs the API one hop to this thread and back; the core itself waits for nothing but its
 * database's fsync.
 */
#ifndef BURND_CORE_H
#define BURND_CORE_H

#include "base/mailbox.h"
#include "event/event.h"
#include "job/job.h"
#include "recorder/recorder.h"
#include "store/store.h"

struct core;

struct core_root {
    char name[65];
    char path[1024];
    int fd; /* O_PATH | O_DIRECTORY; -1 = could not be opened */
    struct error problem;
};

struct core_settings {
    const char *state_dir;   /* absolute, exists */
    const char *worker_path; /* of burnd-worker */
    const char *station;     /* "" = none */
    char **roots;            /* "NAME=PATH" */
    size_t root_count;
    char **recorders; /* SPEC */
    size_t recorder_count;
    double watchdog_factor; /* all limits on silence times this; 1.0 */
    struct json_border border;
};

/* Opens the state directory (lock, database), recovers what an earlier burnd left, starts
 * inspecting the recorders. -1 with a sentence when that cannot be done. */
NODISCARD int core_start(uv_loop_t *loop, const struct core_settings *settings, struct core **out,
                         struct error *err);

/* No new attempts from now on; `stopped(arg)` is called when nothing runs any more. A second
 * call cancels what can be cancelled. */
void core_stop(struct core *core, void (*stopped)(void *arg), void *arg);
void core_free(struct core *core);

/* Any thread. */
struct mailbox *core_mailbox(struct core *core);
struct event_log *core_events(struct core *core);
const char *core_station(const struct core *core);
const char *core_database_path(const struct core *core); /* for read-only connections */
const char *core_state_dir(const struct core *core);
/* Roots are opened at start and do not change; any thread. */
size_t core_roots(const struct core *core, const struct core_root **out);

/* --- recorders ----------------------------------------------------------------------------- */

/* malloc()ed array of copies, ascending by id. */
size_t core_recorders_snapshot(struct core *core, struct recorder **out);
/* -1: no such recorder (not_found). */
NODISCARD int core_recorder_snapshot(struct core *core, const char *name, struct recorder *out,
                                     struct error *err);
/* Called once when the operation took effect or failed (`err` NULL = took effect). */
typedef void core_done(void *arg, const struct error *err);
/* Start an operation by hand. -1: refused (recorder_busy, operation_unsupported, not_found).
 * `done` may be NULL. */
NODISCARD int core_recorder_eject(struct core *core, const char *name, core_done *done, void *arg,
                                  struct error *err);
NODISCARD int core_recorder_rescan(struct core *core, const char *name, core_done *done, void *arg,
                                   struct error *err);

/* --- jobs ---------------------------------------------------------------------------------- */

/* What a submission came to. `state` tells which of the others count. */
struct submission {
    bool refused; /* an error that answers 4xx; nothing stored */
    struct error error;
    struct field_errors fields; /* of a refused document, may be empty */
    bool has_plan;
    struct plan plan;
    char job[ID_SIZE]; /* "" for a dry run */
    /* of the plan: what each recorder would say */
    struct {
        char recorder[RECORDER_ID_SIZE];
        bool eligible;
        char reasons[4][40];
        size_t reason_count;
        int64_t capacity_sectors; /* -1 */
        bool fits;
    } recorders[JOB_RECORDERS_MAX];
    size_t recorder_count;
    struct job_snapshot snapshot; /* of the stored job */
    bool has_snapshot;
};
void submission_release(struct submission *submission);
typedef void core_submitted(void *arg, struct submission *owned_submission);

/* Under which Idempotency-Key a request came. */
struct request_key {
    const char *scope, *key, *body_sha256;
};

/* Takes `owned_document`. Plans first (at most 2 s; a dry run at most 60 s), then answers
 * through `done` on the core thread, exactly once. `key`: NULL, or the key under which the
 * answer is kept in the same transaction as the job, so that a crash between the two cannot make
 * a repeated request a second job. */
void core_submit(struct core *core, struct job_document *owned_document, bool dry_run,
                 const struct request_key *key, core_submitted *done, void *arg);

/* From memory: jobs that are not terminal. -1 = not there (it may be in the store). */
NODISCARD int core_job_snapshot(struct core *core, const char *id, struct job_snapshot *out);
/* The ids of all jobs in memory, malloc()ed array of malloc()ed… as one block: `*out` has `n` ×
 * ID_SIZE. */
size_t core_live_jobs(struct core *core, char (**out)[ID_SIZE]);

/* Accepts a cancellation: sticky. -1: not_found, job_terminal. Cancelling twice succeeds. */
NODISCARD int core_job_cancel(struct core *core, const char *id, struct error *err);
NODISCARD int core_copy_cancel(struct core *core, const char *id, int copy, struct error *err);
/* verdict: "good" | "redo" | "give_up". -1: not_found, nothing_to_confirm. */
NODISCARD int core_copy_confirm(struct core *core, const char *id, int copy, const char *verdict,
                                struct error *err);
/* -1: not_found, job_not_terminal. */
NODISCARD int core_job_delete(struct core *core, const char *id, struct error *err);

/* Waiting (Prefer: wait): `woken(arg)` is called once on the core thread when the job is
 * terminal, or needs a person (unless `until_terminal`), or changed from `version` (if version ≥
 * 0), or was deleted, or `timeout_s` passed. Called at once when that holds already. */
struct core_wait;
struct core_wait *core_wait_start(struct core *core, const char *id, bool until_terminal,
                                  int64_t version, int timeout_s, void (*woken)(void *arg),
                                  void *arg);
/* For nothing but the time: `woken` after `timeout_s`, unless canceled. */
struct core_wait *core_wait_for_time(struct core *core, int timeout_s, void (*woken)(void *arg),
                                     void *arg);
/* Not called any more afterwards. Only before `woken` was called. */
void core_wait_cancel(struct core *core, struct core_wait *wait);

/* Rows of the store as structs; any thread. */
void copy_from_row(const struct copy_row *row, struct copy *out);
void attempt_from_row(const struct attempt_row *row, struct attempt *out);

/* Jobs that wait for a recorder, in the order they will get one: `*out` as core_live_jobs. */
size_t core_queue_snapshot(struct core *core, char (**out)[ID_SIZE]);

/* --- attention ----------------------------------------------------------------------------- */

size_t core_attention_snapshot(struct core *core, struct attention **out);
NODISCARD int core_attention_resolve(struct core *core, const char *id, const char *action,
                                     struct error *err);

/* --- idempotency --------------------------------------------------------------------------- */

/* Core thread. 0 and `*found`: a kept answer is in the outs (malloc()ed body). -1: mismatch or in
 * progress. When nothing is found the key is marked as in progress until core_idempotency_end(). */
struct kept_answer {
    int status;
    char *body;
    char location[128];
};
NODISCARD int core_idempotency_begin(struct core *core, const char *scope, const char *key,
                                     const char *body_sha256, struct kept_answer *out, bool *found,
                                     struct error *err);
/* `answer` NULL: not kept (not a 2xx). */
void core_idempotency_end(struct core *core, const char *scope, const char *key,
                          const char *body_sha256, const struct kept_answer *answer);

/* --- health -------------------------------------------------------------------------------- */

/* Whether the store can be written; 0, or -1 and why. */
NODISCARD int core_ready(struct core *core, struct error *err);

#endif
