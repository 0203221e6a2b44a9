/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * Running one burnd-worker: start it in its folder, read its lines, judge its silence, cancel it,
 * end it. Core thread; nothing here waits for the process.
 *
 *   running ── result line, exit ──────────────────────────────► ended (has_result)
 *   running ── exit without result ────────────────────────────► ended (lost)
 *   running ── silence beyond the limit: SIGKILL ── reaped ────► ended (stalled)
 *                                              └─ not in 10 s ─► ended (stalled, unreaped)
 *   running ── worker_cancel(): message ─2 s or 30 s─ SIGTERM ─5 s─ SIGKILL ─► as above
 *
 * Silence is judged only after everything it said was read, and anew when this program itself was
 * late.
 */
#ifndef BURND_WORKER_H
#define BURND_WORKER_H

#include "worker/worker_protocol.h"

#include <uv.h>

#define WORKER_ROOTS_MAX 64

struct worker;

struct worker_end {
    bool has_result;
    struct worker_result result; /* when has_result */
    bool stalled;                /* it was killed because it went silent */
    bool killed_by_cancel;       /* it did not stop on request in time and was killed */
    bool unreaped;               /* it could not be ended */
    int exit_status, exit_signal;
    enum phase phase;     /* the last it told */
    struct error problem; /* why it ended without a result */
};

struct worker_settings {
    const char *program; /* path of burnd-worker */
    const char *folder;  /* its working directory; request.json is written here */
    int lease_fd;        /* -1 = none */
    const int *root_fds; /* in the order of request->roots; -1 = not open */
    double watchdog_factor;
    bool is_file; /* the limits of a file recorder */
    int64_t
        speed_kb_s; /* the write is throttled to this, 0 = not: a slow one may be silent longer */
    void (*line)(void *arg, const struct worker_line *line);
    /* Called once; the worker is freed afterwards. */
    void (*ended)(void *arg, const struct worker_end *end);
    void *arg;
};

/* Writes request.json (its root fds are numbered here) and starts the program. -1: nothing runs,
 * `ended` is not called. */
NODISCARD int worker_start(uv_loop_t *loop, const struct worker_settings *settings,
                           struct worker_request *request, struct worker **out, struct error *err);

/* The answer to `phase write`. */
void worker_proceed(struct worker *worker);

/* Ask it to stop; sticky, with the steps of the diagram. */
void worker_cancel(struct worker *worker);

int worker_pid(const struct worker *worker);

/* Process start time in clock ticks (/proc/PID/stat), 0 = no such process: tells a pid from its
 * reuse. */
unsigned long long worker_process_start(int pid);

/* How long a phase may be silent, milliseconds. */
int64_t worker_silence_limit_ms(enum phase phase, bool is_file);

#endif
