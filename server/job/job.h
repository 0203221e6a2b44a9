/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * A job, its copies and their attempts, as values: what the core works on, what the store keeps,
 * what the API shows. Deriving a job's state from its copies is here and pure (job_derive_state),
 * so it can be tested without a daemon.
 *
 * Job:   queued held preparing waiting running canceling → completed completed_with_failures failed
 *        canceled.   First rule that fits: cancel accepted → canceling; a copy assigned or running →
 *        running; planning → preparing; a reason that a person must clear → waiting; a user's reason →
 *        held; else queued. All copies ended → one of the terminal four.
 * Copy:  pending → assigned → running → done | failed | canceled | skipped
 *        pending/assigned/running → waiting (medium, person, verdict) → pending | done | failed
 * Attempt: goes through phases and ends with an outcome; never goes back.
 */
#ifndef BURND_JOB_H
#define BURND_JOB_H

#include "job/job_document.h"

/* clang-format off */
#define JOB_STATES(X) X(QUEUED, "queued") X(HELD, "held") X(PREPARING, "preparing") \
    X(WAITING, "waiting") X(RUNNING, "running") X(CANCELING, "canceling") X(COMPLETED, "completed") \
    X(COMPLETED_WITH_FAILURES, "completed_with_failures") X(FAILED, "failed") X(CANCELED, "canceled")
#define COPY_STATES(X) X(PENDING, "pending") X(ASSIGNED, "assigned") X(WAITING, "waiting") \
    X(RUNNING, "running") X(DONE, "done") X(FAILED, "failed") X(CANCELED, "canceled") \
    X(SKIPPED, "skipped")
/* machine, user and person reasons that exist so far (api.md §4 has the closed list) */
#define REASONS(X) X(RECORDER_BUSY, "recorder_busy") X(SHUTTING_DOWN, "shutting_down") \
    X(RUINED_DISC_LIMIT, "ruined_disc_limit") X(NO_ELIGIBLE_RECORDER, "no_eligible_recorder") \
    X(RECORDER_IN_USE, "recorder_in_use") X(RECORDER_QUARANTINED, "recorder_quarantined") \
    X(MEDIUM_NOT_BLANK, "medium_not_blank") X(MEDIUM_TOO_SMALL, "medium_too_small") \
    X(MEDIUM_UNSUPPORTED, "medium_unsupported") X(ATTEMPT_UNKNOWN, "attempt_unknown") \
    X(CONFIRMATION_REQUIRED, "confirmation_required")
/* clang-format on */
#define JOB_X(n, w) JOB_##n,
#define COPY_X(n, w) COPY_##n,
#define REASON_X(n, w) REASON_##n,
DECLARE_WORDS(JOB_STATES, job_state, JOB);
DECLARE_WORDS(COPY_STATES, copy_state, COPY);
DECLARE_WORDS(REASONS, reason, REASON);

bool job_state_is_terminal(enum job_state state);
bool copy_state_is_terminal(enum copy_state state);
bool reason_needs_person(enum reason reason);

struct phase_record {
    enum phase phase;
    int64_t started_at_ms, ended_at_ms; /* 0 = not yet */
};

#define PHASES_MAX 16

struct attempt {
    char id[ID_SIZE];
    char job[ID_SIZE];
    int copy, attempt; /* both count from 1 */
    char recorder[RECORDER_ID_SIZE];
    enum phase phase;
    enum cancel_effect cancel;
    enum outcome outcome; /* NONE until it ended */
    enum advice advice;
    struct speed speed_asked;
    int64_t speed_kb_s; /* effective, 0 = not limited */
    bool simulate;
    bool medium_was_blank;
    struct medium medium_before, medium_after; /* present=false: not looked at */
    char disc[ID_SIZE];
    struct error problem; /* code NONE = none */
    int64_t started_at_ms, ended_at_ms;
    struct phase_record phases[PHASES_MAX];
    size_t phase_count;
    int64_t blocks, base_lba, metadata_blocks;
    char session_sha256[65];
    enum verify_level verified; /* what was really done and passed */
    bool has_items;             /* its folder holds `items` */
};

struct copy {
    char id[ID_SIZE];
    int number;
    enum copy_state state;
    bool has_reason;
    enum reason reason;
    int64_t reason_since_ms;
    char reason_detail[256];
    char recorder[RECORDER_ID_SIZE];
    char disc[ID_SIZE];
    int attempts;      /* made so far, in all */
    int tries;         /* that count against attempts_per_copy */
    bool cancel_asked; /* of this copy alone; kept over restarts */
    struct error problem;
    int64_t started_at_ms, ended_at_ms;
};

/* The last progress of each kind of the copy that runs; what /progress and overlays show. */
struct copy_progress {
    int copy; /* 0 = none runs */
    int attempt;
    char *stage, *block, *file,
        *verify;    /* `data` texts of the last such event, owned; NULL = none */
    double percent; /* of this copy, 0…100 */
    int64_t eta_s;  /* -1 = not known */
};

struct job {
    char id[ID_SIZE];
    struct job_document document;
    enum job_state state;
    bool cancel_accepted;
    bool planning;
    bool held_by_limit; /* ruined_disc_limit */
    struct copy *copies;
    size_t copy_count;
    struct plan plan;
    bool has_plan;
    struct warning warnings[WARNINGS_MAX];
    size_t warning_count;
    struct error problem;
    char first_sha256[65]; /* session hash of the first good copy */
    int64_t created_at_ms, started_at_ms, ended_at_ms;
    int64_t version; /* grows with every change; the ETag */
};

/* A copy of all that the answer of GET /jobs/{id} shows, made on the core thread, rendered
 * elsewhere. */
struct job_snapshot {
    struct job job;         /* deep copy */
    struct attempt current; /* of the running copy; id "" = none */
    struct copy_progress progress;
    double percent; /* of all copies and phases; 100 only when done */
    int64_t eta_s;  /* -1 */
    enum cancel_effect cancel;
    int64_t queue_position; /* 0 = not in the queue */
    bool needs_person;
};
void job_snapshot_release(struct job_snapshot *snapshot);
void job_release(struct job *job);

enum job_state job_derive_state(const struct job *job);
/* The distinct reasons of the job's copies and its own; at most REASON_COUNT. */
size_t job_reasons(const struct job *job, enum reason out[REASON_COUNT]);

/* The register's record of a disc made or checked; outlives the job. */
struct disc {
    char id[ID_SIZE];
    char job[ID_SIZE];
    int copy, attempt;
    char recorder[RECORDER_ID_SIZE];
    char title[257];
    char volume_id[129];
    char profile[16];
    char fingerprint[65];
    char session_sha256[65];
    int64_t blocks;
    enum outcome outcome;
    enum verify_level verified;
    char location[1200]; /* path of the image file */
    int64_t created_at_ms;
};

struct attention {
    char id[ID_SIZE];
    char code[32];     /* confirm_outcome, recorder_quarantined, ruined_disc_limit */
    char severity[16]; /* info, warning, error */
    char text[300];
    int64_t raised_at_ms;
    char job[ID_SIZE];
    int copy, attempt;
    char recorder[RECORDER_ID_SIZE];
    struct {
        char action[24];
        char label[48];
        bool destructive;
    } actions[4];
    size_t action_count;
};

#endif
