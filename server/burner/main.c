/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * burnd-worker: runs one operation on one recorder and exits. Started by burnd in the attempt's folder
 * with the descriptors that server/worker/worker_protocol.h lists; what is to be done stands in
 * request.json there. It ends with a `result` line and status 0, whatever came of the operation; any
 * other status means that it could not even begin.
 *
 * Two environment variables are for tests of watchdogs and kills:
 *   BURND_WORKER_PAUSE="PHASE=SECONDS[,…]"  on entering the phase sleep so long before working;
 *                                           heartbeats go on, a cancel is served
 *   BURND_WORKER_FREEZE="PHASE[,…]"         on entering the phase the whole process stops, heartbeats too
 */
#include "base/alloc.h"
#include "burner/channel.h"
#include "burner/operation.h"

#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <unistd.h>

#define REQUEST_FILE "request.json"
#define REQUEST_BYTES_MAX (64 * 1024 * 1024)

struct operation_entry {
    int (*run)(const struct worker_request *request, struct worker_result *result,
               struct error *err);
    bool needs_recorder;
    bool stores_result; /* writes result.json. Not reclaim: it runs where the burn's result lies */
};

static const struct operation_entry operations[OPERATION_COUNT] = {
    [OPERATION_PLAN] = {op_plan, false, false},    [OPERATION_BURN] = {op_burn, true, true},
    [OPERATION_VERIFY] = {op_verify, true, false}, [OPERATION_INSPECT] = {op_inspect, true, false},
    [OPERATION_EJECT] = {op_eject, true, true},    [OPERATION_RECLAIM] = {op_reclaim, true, false},
};

/* malloc()ed, NULL when it cannot be read. */
static char *read_file(const char *name, size_t *length)
{
    struct stat info;
    char *text = NULL;
    FILE *in = fopen(name, "re");
    if (in == NULL) {
        return NULL;
    }
    if (fstat(fileno(in), &info) == 0 && info.st_size >= 0 && info.st_size <= REQUEST_BYTES_MAX) {
        text = malloc((size_t)info.st_size + 1);
        if (text != NULL) {
            *length = fread(text, 1, (size_t)info.st_size, in);
        }
    }
    fclose(in);
    return text;
}

static int read_request(struct worker_request *request, struct error *err)
{
    size_t length = 0;
    char *text = read_file(REQUEST_FILE, &length);
    if (text == NULL) {
        return error_set(err, ERROR_INTERNAL, "cannot read " REQUEST_FILE);
    }
    int failed = worker_request_decode(text, length, request, err);
    free(text);
    return failed;
}

static void protect_descriptors(const struct worker_request *request)
{
    if (request->has_lease) {
        fcntl(WORKER_FD_LEASE, F_SETFD, FD_CLOEXEC);
    }
    for (size_t i = 0; i < request->root_count; i++) {
        if (request->roots[i].fd >= 0) {
            fcntl(request->roots[i].fd, F_SETFD, FD_CLOEXEC);
        }
    }
}

static void name_device(const struct worker_request *request, struct error *problem)
{
    if (problem->has_device) {
        text_copy(problem->device.recorder, sizeof(problem->device.recorder), request->recorder);
        text_copy(problem->device.node, sizeof(problem->device.node),
                  request->recorder_path == NULL ? "" : request->recorder_path);
        text_copy(problem->device.phase, sizeof(problem->device.phase),
                  phase_to_text(channel_current_phase()));
    }
}

static bool knows_where_to_eject(const struct worker_request *request)
{
    return request->eject_to != NULL &&
           (request->expected_fingerprint[0] == '\0' || request->eject_to_unknown != NULL);
}

static void run(const struct worker_request *request, struct worker_line *line)
{
    const struct operation_entry *entry = &operations[request->operation];
    struct error err = ERROR_EMPTY;
    struct worker_result *result = &line->result;
    int failed;
    if (entry->needs_recorder && request->recorder_path == NULL) {
        failed = error_set(&err, ERROR_INTERNAL, "the request names no recorder");
    } else if (request->operation == OPERATION_EJECT && !knows_where_to_eject(request)) {
        failed = error_set(&err, ERROR_INTERNAL, "the request does not say where to eject to");
    } else {
        failed = entry->run(request, result, &err);
    }
    result->ok = failed == 0;
    if (failed != 0) {
        result->has_problem = true;
        result->problem = err;
        result->canceled = err.code == ERROR_CANCELED;
        name_device(request, &result->problem);
    }
    if (entry->stores_result && channel_store_result(line, &err) != 0) {
        fprintf(stderr, "burnd-worker: %s\n", err.message);
    }
}

int main(void)
{
    struct worker_request request = {0};
    struct error err = ERROR_EMPTY;
    if (read_request(&request, &err) != 0) {
        fprintf(stderr, "burnd-worker: %s\n", err.message);
        return 1;
    }
    struct rlimit files;
    if (getrlimit(RLIMIT_NOFILE, &files) == 0) {
        files.rlim_cur = files.rlim_max;
        setrlimit(RLIMIT_NOFILE, &files);
    }
    protect_descriptors(&request);
    channel_start(WORKER_FD_SOCKET, request.watchdog_factor);
    struct worker_line *line = xcalloc(1, sizeof(*line));
    line->kind = LINE_RESULT;
    run(&request, line);
    channel_send(line);
    channel_stop();
    free(line);
    worker_request_release(&request);
    return 0;
}
