/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * worker/worker.c with shell scripts in the place of burnd-worker: results, sudden death, silence,
 * garbage, a worker that will not stop. Limits are scaled down so that seconds become hundredths.
 */
#include "base/alloc.h"
#include "worker/worker.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

static char folder[64];

struct seen {
    int lines, ended;
    struct worker_end end;
    struct worker *worker;
    bool cancel_on_line;
};

static void on_line(void *arg, const struct worker_line *line)
{
    struct seen *seen = arg;
    (void)line;
    seen->lines++;
    if (seen->cancel_on_line) {
        worker_cancel(seen->worker);
    }
}

static void on_ended(void *arg, const struct worker_end *end)
{
    struct seen *seen = arg;
    seen->ended++;
    seen->end = *end;
}

static char *script(const char *body)
{
    char *path = xasprintf("%s/worker.sh", folder);
    FILE *file = fopen(path, "we");
    assert_non_null(file);
    fprintf(file, "#!/bin/sh\n%s\n", body);
    fclose(file);
    assert_int_equal(chmod(path, 0700), 0);
    return path;
}

static struct seen run(const char *body, double factor, bool cancel_on_line)
{
    struct seen seen = {.cancel_on_line = cancel_on_line};
    struct error err;
    uv_loop_t loop;
    uv_loop_init(&loop);
    char *program = script(body);
    struct worker_settings settings = {
        .program = program,
        .folder = folder,
        .lease_fd = -1,
        .watchdog_factor = factor,
        .is_file = true,
        .line = on_line,
        .ended = on_ended,
        .arg = &seen,
    };
    struct worker_request request = {.operation = OPERATION_INSPECT};
    assert_int_equal(worker_start(&loop, &settings, &request, &seen.worker, &err), 0);
    uv_run(&loop, UV_RUN_DEFAULT);
    assert_int_equal(uv_loop_close(&loop), 0);
    free(program);
    assert_int_equal(seen.ended, 1);
    return seen;
}

static char *line_text(enum line_kind kind)
{
    struct worker_line line = {.kind = kind};
    if (kind == LINE_PHASE) {
        line.phase.phase = PHASE_WRITE;
        line.phase.expected_s = -1;
    } else if (kind == LINE_RESULT) {
        line.result.ok = true;
    }
    return worker_line_encode(&line);
}

static void a_result_is_taken(void **state)
{
    (void)state;
    char *result = line_text(LINE_RESULT);
    char *body = xasprintf("printf '%%s\\n' '%s' >&3", result);
    struct seen seen = run(body, 1.0, false);
    assert_true(seen.end.has_result);
    assert_true(seen.end.result.ok);
    assert_int_equal(seen.end.problem.code, ERROR_NONE);
    free(body);
    free(result);
}

static void death_without_a_word_is_worker_lost(void **state)
{
    (void)state;
    char *phase = line_text(LINE_PHASE);
    char *body = xasprintf("printf '%%s\\n' '%s' >&3; kill -9 $$", phase);
    struct seen seen = run(body, 1.0, false);
    assert_false(seen.end.has_result);
    assert_int_equal(seen.end.exit_signal, 9);
    assert_int_equal(seen.end.phase, PHASE_WRITE);
    assert_int_equal(seen.end.problem.code, ERROR_WORKER_LOST);
    free(body);
    free(phase);
}

static void silence_is_ended(void **state)
{
    (void)state;
    struct seen seen = run("sleep 5 & wait", 0.02, false);
    assert_true(seen.end.stalled);
    assert_int_equal(seen.end.problem.code, ERROR_WORKER_STALLED);
}

static void heartbeats_alone_are_no_progress(void **state)
{
    (void)state;
    char *phase = line_text(LINE_PHASE), *beat = line_text(LINE_HEARTBEAT);
    char *body =
        xasprintf("printf '%%s\\n' '%s' >&3; while printf '%%s\\n' '%s' >&3; do sleep 0.02; done",
                  phase, beat);
    struct seen seen = run(body, 0.1, false);
    assert_true(seen.end.stalled);
    assert_int_equal(seen.end.phase, PHASE_WRITE);
    free(body);
    free(phase);
    free(beat);
}

static void garbage_is_no_result(void **state)
{
    (void)state;
    struct seen seen = run("printf 'nonsense\\n{}\\n{\"line\":\\n' >&3; exit 3", 1.0, false);
    assert_int_equal(seen.lines, 0);
    assert_int_equal(seen.end.exit_status, 3);
    assert_int_equal(seen.end.problem.code, ERROR_WORKER_LOST);
}

static void one_that_will_not_stop_is_killed(void **state)
{
    (void)state;
    char *phase = line_text(LINE_PHASE), *beat = line_text(LINE_HEARTBEAT);
    char *body = xasprintf("trap '' TERM; printf '%%s\\n' '%s' >&3; "
                           "while :; do printf '%%s\\n' '%s' >&3; sleep 0.02; done",
                           phase, beat);
    struct seen seen = run(body, 0.05, true);
    assert_false(seen.end.has_result);
    assert_int_equal(seen.end.exit_signal, 9);
    free(body);
    free(phase);
    free(beat);
}

static void a_program_that_is_not_there_is_an_error(void **state)
{
    (void)state;
    struct error err;
    uv_loop_t loop;
    struct worker *worker;
    uv_loop_init(&loop);
    struct worker_settings settings = {.program = "/nonexistent/burnd-worker",
                                       .folder = folder,
                                       .lease_fd = -1,
                                       .watchdog_factor = 1};
    struct worker_request request = {.operation = OPERATION_INSPECT};
    assert_int_equal(worker_start(&loop, &settings, &request, &worker, &err), -1);
    uv_run(&loop, UV_RUN_DEFAULT);
    assert_int_equal(uv_loop_close(&loop), 0);
}

static int make_folder(void **state)
{
    (void)state;
    snprintf(folder, sizeof(folder), "/tmp/burnd-test-worker-XXXXXX");
    return mkdtemp(folder) == NULL ? -1 : 0;
}

static int remove_folder(void **state)
{
    (void)state;
    static const char *const names[] = {"worker.sh", "request.json"};
    for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++) {
        char *path = xasprintf("%s/%s", folder, names[i]);
        unlink(path);
        free(path);
    }
    return rmdir(folder);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_result_is_taken),
        cmocka_unit_test(death_without_a_word_is_worker_lost),
        cmocka_unit_test(silence_is_ended),
        cmocka_unit_test(heartbeats_alone_are_no_progress),
        cmocka_unit_test(garbage_is_no_result),
        cmocka_unit_test(one_that_will_not_stop_is_killed),
        cmocka_unit_test(a_program_that_is_not_there_is_an_error),
    };
    return cmocka_run_group_tests_name("worker", tests, make_folder, remove_folder);
}
