/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * The payloads of the events (event.h says the types): what the core knows when it publishes one,
 * and what api/ turns into the event's `data` object. Borrowed for the call of
 * json_border.event_render.
 *
 *   job.created                struct job_snapshot      job.state, job.updated   struct job_change
 *   job.deleted                NULL                     copy.state               struct copy_change
 *   attempt.phase              struct phase_change      progress.stage           struct stage_progress
 *   progress.block             struct block_progress    progress.file            struct file_progress
 *   progress.verify            struct verify_progress   recorder.*               struct recorder
 *   medium.*                   struct medium            attention.*              struct attention
 *   disc.registered            struct disc              queue.changed            NULL
 *   message                    struct library_message   server.shutting_down     NULL
 */
#ifndef BURND_JOB_EVENTS_H
#define BURND_JOB_EVENTS_H

#include "job/job.h"

struct job_change {
    enum job_state from, to;
    enum reason reasons[REASON_COUNT];
    size_t reason_count;
    const struct error *problem; /* NULL = none */
    bool needs_person;
};

struct copy_change {
    enum copy_state from, to;
    int attempt;                 /* 0 = none yet */
    const char *recorder, *disc; /* "" = null */
    bool has_reason;
    enum reason reason;
    const struct error *problem;
};

struct phase_change {
    enum phase phase;
    enum cancel_effect cancel;
    int64_t expected_s;   /* -1 = not told */
    enum outcome outcome; /* of ENDED */
    enum advice advice;
    const struct error *problem;
    const char *disc;
};

struct stage_progress {
    int64_t completed, total; /* total -1 = null */
    const char *unit, *current_path;
};

struct block_progress {
    int64_t completed, total, start_lba, elapsed_ms, eta_s, rate_kb_s; /* -1 = null */
    bool simulate;
    struct buffer_fill device_buffer, system_buffer;
};

struct file_progress {
    const char *path, *kind, *side;                             /* "write" | "verify" */
    int64_t first_block, last_block, block_count, index, items; /* last_block -1 = null */
};

struct verify_progress {
    int64_t completed, total, bad_sectors, mismatched_files;
};

struct library_message {
    const char *library, *severity, *text;
    int code;
};

#endif
