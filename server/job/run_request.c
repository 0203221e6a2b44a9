/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * What a worker is told: the request of each operation made from run, job and recorder; and
 * starting it.
 */
#include "job/core_internal.h"

#include "base/alloc.h"
#include "base/clock.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <unistd.h>

/* --- leases -------------------------------------------------------------------------------- */

int lease_take(const struct core *core, const char *recorder, struct error *err)
{
    char *path = xasprintf("%s/leases/%s.lock", core->state_dir, recorder);
    int fd = open(path, O_RDWR | O_CREAT | O_CLOEXEC, 0600);
    if (fd < 0) {
        error_set(err, ERROR_INTERNAL, "%s cannot be opened: %s", path, strerror(errno));
    } else if (flock(fd, LOCK_EX | LOCK_NB) != 0) {
        error_set(err, ERROR_RECORDER_BUSY, "a worker of an earlier burnd still has recorder %s",
                  recorder);
        close(fd);
        fd = -1;
    }
    free(path);
    return fd;
}

/* Who has it, for the next burnd: "PID STARTTIME ATTEMPT". */
void lease_note_worker(int fd, const char *attempt, int pid)
{
    char text[128];
    int length =
        snprintf(text, sizeof(text), "%d %llu %s\n", pid, worker_process_start(pid), attempt);
    if (ftruncate(fd, 0) != 0 || pwrite(fd, text, (size_t)length, 0) != length) {
        return; /* a reader takes a missing note as: not known */
    }
}

/* --- requests ------------------------------------------------------------------------------ */

static void fill_roots(const struct core *core, struct worker_request *out)
{
    out->root_count = core->root_count;
    out->roots = xcalloc(core->root_count, sizeof(*out->roots));
    for (size_t i = 0; i < core->root_count; i++) {
        text_copy(out->roots[i].name, sizeof(out->roots[i].name), core->roots[i].name);
        out->roots[i].fd = core->roots[i].fd;
    }
}

/* People look for their title; a job without one is found by its id. Only what ISO 9660 allows
 * in a volume identifier (ECMA-119 7.4.1: A-Z 0-9 _); who wants another one says so. */
static void derive_volume_id(const struct job *job, char out[33])
{
    size_t at = 0;
    const char *source = job->document.title[0] != '\0' ? job->document.title : job->id;
    for (const char *p = source; *p != '\0' && at < 32; p++) {
        char c = *p;
        if (c >= 'a' && c <= 'z') {
            c = (char)(c - 'a' + 'A');
        }
        bool keep = (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9');
        if (keep || (at > 0 && out[at - 1] != '_')) {
            out[at++] = keep ? c : '_';
        }
    }
    while (at > 0 && out[at - 1] == '_') {
        at--;
    }
    out[at] = '\0';
    if (at == 0) {
        snprintf(out, 33, "BURND");
    }
}

static void fill_sources(const struct core *core, const struct job *job, struct worker_request *out)
{
    const struct job_document *document = &job->document;
    fill_roots(core, out);
    out->is_image = document->type == JOB_TYPE_IMAGE;
    if (out->is_image) {
        out->image.from = xstrdup_or_null(document->image.from);
        memcpy(out->image.sha256, document->image.sha256, sizeof(out->image.sha256));
    } else {
        data_spec_copy(&out->data, &document->data);
        if (out->data.volume_id[0] == '\0') {
            derive_volume_id(job, out->data.volume_id);
        }
    }
    out->speed = document->speed;
    out->simulate = document->simulate;
    out->force_overwrite = document->force_overwrite;
    out->image_time_ms = job->created_at_ms != 0 ? job->created_at_ms : clock_wall_ms();
}

static void fill_recorder(const struct recorder *recorder, struct worker_request *out)
{
    text_copy(out->recorder, sizeof(out->recorder), recorder->id);
    out->recorder_path = xstrdup(recorder->path);
    out->recorder_speed_kb_s = recorder->speed_kb_s;
}

void core_plan_request(const struct core *core, const struct job *job, struct worker_request *out)
{
    *out = (struct worker_request){.operation = OPERATION_PLAN};
    fill_sources(core, job, out);
}

int run_request(struct run *run, struct worker_request *out, struct error *err)
{
    *out = (struct worker_request){.operation = run->operation};
    fill_recorder(run->recorder, out);
    switch (run->operation) {
    case OPERATION_BURN:
        fill_sources(run->core, &run->live->job, out);
        out->keep_digests_of_files = run->live->job.document.verify != VERIFY_NONE;
        memcpy(out->expected_sha256, run->live->job.first_sha256, sizeof(out->expected_sha256));
        return 0;
    case OPERATION_VERIFY:
        fill_roots(run->core, out);
        out->is_image = run->live->job.document.type == JOB_TYPE_IMAGE;
        out->verify_level = run->live->job.document.verify;
        out->blocks = run->attempt.blocks;
        out->metadata_blocks = run->attempt.metadata_blocks;
        memcpy(out->session_sha256, run->attempt.session_sha256, sizeof(out->session_sha256));
        return 0;
    case OPERATION_EJECT:
        out->eject_to = xstrdup(run->eject_to);
        out->eject_to_unknown = core_eject_target(run->recorder, "");
        memcpy(out->expected_fingerprint, run->eject_fingerprint,
               sizeof(out->expected_fingerprint));
        return 0;
    case OPERATION_RECLAIM:
        out->expected_device = run->attempt.medium_before.file_device;
        out->expected_inode = run->attempt.medium_before.file_inode;
        out->simulate = run->attempt.simulate;
        return 0;
    case OPERATION_INSPECT:
        return 0;
    case OPERATION_PLAN:
    case OPERATION_COUNT:
        break;
    }
    return error_set(err, ERROR_INTERNAL, "no such operation on a recorder");
}

/* Fills in what every worker gets and starts it. `settings`: folder, lease and callbacks are the
 * caller's. */
int core_run_worker(struct core *core, enum operation operation, struct worker_settings *settings,
                    struct worker_request *request, struct worker **out, struct error *err)
{
    int fds[WORKER_ROOTS_MAX] = {0};
    request->operation = operation;
    for (size_t i = 0; i < request->root_count; i++) {
        fds[i] = core->roots[i].fd;
    }
    settings->program = core->worker_path;
    settings->watchdog_factor = core->watchdog_factor;
    settings->root_fds = fds;
    if (worker_start(core->loop, settings, request, out, err) != 0) {
        return -1;
    }
    core->operations_running++;
    return 0;
}
