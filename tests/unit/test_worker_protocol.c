/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * Requests and lines come back as they were, and nothing that is not right is taken for one.
 */
#include "worker/worker_protocol.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

static char *example_request(void)
{
    char from[] = "root:a/b", to[] = "/", note[] = "two\nlines \xc3\xbc", note_to[] = "/n",
         glob[] = "**/x";
    char path[] = "/var/x.iso", unknown[] = "/var/unknown.iso";
    struct data_entry entries[] = {{from, NULL, to}, {NULL, note, note_to}};
    char *exclude[] = {glob};
    struct worker_root roots[] = {{"a", 5}, {"b", -1}};
    struct worker_request request = {
        .operation = OPERATION_BURN,
        .roots = roots,
        .root_count = 2,
        .recorder = "file-1",
        .recorder_path = path,
        .data = {.entries = entries,
                 .entry_count = 2,
                 .exclude = exclude,
                 .exclude_count = 1,
                 .symlinks = SYMLINKS_FOLLOW,
                 .volume_id = "V",
                 .iso_level = 3,
                 .joliet = true},
        .speed = {SPEED_X, 8.5},
        .image_time_ms = INT64_C(1700000000000),
        .verify_level = VERIFY_QUICK,
        .eject_to_unknown = unknown,
        .expected_fingerprint = "abc",
        .expected_device = INT64_C(0x7fffffffffff),
        .expected_inode = 12,
        .watchdog_factor = 1.0,
    };
    return worker_request_encode(&request);
}

static void a_request_comes_back(void **state)
{
    (void)state;
    struct error err = ERROR_EMPTY;
    struct worker_request got;
    char *text = example_request();
    assert_int_equal(worker_request_decode(text, strlen(text), &got, &err), 0);
    assert_int_equal(got.operation, OPERATION_BURN);
    assert_int_equal(got.root_count, 2);
    assert_int_equal(got.roots[1].fd, -1);
    assert_string_equal(got.data.entries[1].text, "two\nlines \xc3\xbc");
    assert_null(got.data.entries[0].text);
    assert_string_equal(got.data.exclude[0], "**/x");
    assert_int_equal(got.data.symlinks, SYMLINKS_FOLLOW);
    assert_true(got.data.joliet && !got.data.rock_ridge);
    assert_true(got.speed.kind == SPEED_X && got.speed.value == 8.5);
    assert_true(got.image_time_ms == INT64_C(1700000000000));
    assert_null(got.eject_to);
    assert_string_equal(got.eject_to_unknown, "/var/unknown.iso");
    assert_string_equal(got.expected_fingerprint, "abc");
    assert_true(got.expected_device == INT64_C(0x7fffffffffff) && got.expected_inode == 12);
    char *again = worker_request_encode(&got);
    assert_string_equal(again, text);
    struct data_spec copy;
    data_spec_copy(&copy, &got.data);
    worker_request_release(&got);
    assert_string_equal(copy.entries[0].from, "root:a/b");
    data_spec_release(&copy);
    free(again);
    free(text);
}

/* Every member that is taken out or is of another type is missed. */
static void a_request_without_a_member_is_refused(void **state)
{
    (void)state;
    const char *names[] = {"\"operation\":",
                           "\"roots\":",
                           "\"recorder_path\":",
                           "\"speed\":",
                           "\"value\":",
                           "\"simulate\":",
                           "\"entries\":",
                           "\"to\":",
                           "\"volume_id\":",
                           "\"exclude\":",
                           "\"iso_level\":",
                           "\"image_time_ms\":",
                           "\"fd\":",
                           "\"watchdog_factor\":",
                           "\"expected_inode\":",
                           "\"expected_device\":",
                           "\"expected_fingerprint\":",
                           "\"eject_to_unknown\":"};
    char *text = example_request();
    for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++) {
        struct error err = ERROR_EMPTY;
        struct worker_request got;
        char *bad = strdup(text);
        char *at = strstr(bad, names[i]);
        assert_non_null(at);
        at[1] = '#';
        assert_int_equal(worker_request_decode(bad, strlen(bad), &got, &err), -1);
        assert_int_equal(err.code, ERROR_INVALID_REQUEST);
        free(bad);
    }
    for (size_t length = 0; length < strlen(text); length++) {
        struct error err = ERROR_EMPTY;
        struct worker_request got;
        assert_int_equal(worker_request_decode(text, length, &got, &err), -1);
    }
    free(text);
}

static void lines_come_back(void **state)
{
    (void)state;
    struct worker_line lines[] = {
        {.kind = LINE_PHASE, .phase = {PHASE_CLOSE, CANCEL_RUINS_DISC, 12}},
        {.kind = LINE_STAGE, .stage = {3, -1, "entries", "a/b"}},
        {.kind = LINE_BLOCK, .block = {1, 2, 0, -1, {-1, -1, -1}, {4, 5, 6}, true}},
        {.kind = LINE_VERIFY, .verify = {1, 2, 3, 4, 5}},
        {.kind = LINE_ITEMS, .items = {1, 2, 3, 4}},
        {.kind = LINE_MEDIUM,
         .medium = {.present = true, .profile = "stdio", .state = MEDIUM_CLOSED}},
        {.kind = LINE_MESSAGE, .message = {"libburn", "SORRY", 0x20148, "no space"}},
        {.kind = LINE_WARNING, .warning = {"code", "detail", "/p", 9, {"a", "b", ""}}},
        {.kind = LINE_HEARTBEAT},
        {.kind = LINE_CANCEL},
        {.kind = LINE_PROCEED},
    };
    for (size_t i = 0; i < sizeof(lines) / sizeof(lines[0]); i++) {
        struct error err = ERROR_EMPTY;
        struct worker_line got;
        char *text = worker_line_encode(&lines[i]);
        assert_null(strchr(text, '\n'));
        assert_int_equal(worker_line_decode(text, strlen(text), &got, &err), 0);
        char *again = worker_line_encode(&got);
        assert_string_equal(again, text);
        worker_line_release(&got);
        free(again);
        free(text);
    }
}

static void a_result_keeps_its_problem(void **state)
{
    (void)state;
    struct error err = ERROR_EMPTY;
    struct worker_line line = {.kind = LINE_RESULT, .result = {.outcome = OUTCOME_RUINED}}, got;
    error_set_path(&line.result.problem, ERROR_WRITE_ERROR, "/x\x01\xff", "it \"failed\"");
    line.result.has_problem = line.result.problem.has_device = true;
    line.result.problem.device.library_code = 7;
    strcpy(line.result.location, "/var/done.iso");
    line.result.medium.file_device = 5;
    line.result.medium.file_inode = INT64_MAX;
    char *text = worker_line_encode(&line);
    assert_int_equal(worker_line_decode(text, strlen(text), &got, &err), 0);
    assert_int_equal(got.result.problem.code, ERROR_WRITE_ERROR);
    assert_string_equal(got.result.problem.message, "it \"failed\"");
    assert_string_equal(got.result.problem.path, "/x??");
    assert_int_equal(got.result.problem.device.library_code, 7);
    assert_true(got.result.has_problem && got.result.problem.has_device);
    assert_string_equal(got.result.location, "/var/done.iso");
    assert_true(got.result.medium.file_device == 5 && got.result.medium.file_inode == INT64_MAX);
    free(text);
}

static void a_plan_full_of_errors_still_fits(void **state)
{
    (void)state;
    struct error err = ERROR_EMPTY;
    struct plan *plan = calloc(1, sizeof(*plan));
    char name[500];
    memset(name, '"', sizeof(name) - 1);
    name[sizeof(name) - 1] = '\0';
    for (size_t i = 0; i < PLAN_ERRORS_MAX; i++) {
        error_set_path(&plan->errors[i], ERROR_SOURCE_MISSING, name, "%s", name);
        memset(plan->warnings[i].detail, '\\', 255);
        memset(plan->warnings[i].examples, '\\', sizeof(plan->warnings[i].examples));
        for (int j = 0; j < 3; j++) {
            plan->warnings[i].examples[j][159] = '\0';
        }
    }
    plan->error_count = plan->warning_count = PLAN_ERRORS_MAX;
    struct worker_line line = {.kind = LINE_PLAN, .plan = plan}, got;
    char *text = worker_line_encode(&line);
    assert_true(strlen(text) < WORKER_LINE_MAX);
    assert_int_equal(worker_line_decode(text, strlen(text), &got, &err), 0);
    assert_true(got.plan->error_count > 8 && got.plan->warning_count == WARNINGS_MAX);
    worker_line_release(&got);
    char *kept = plan_encode(plan);
    assert_int_equal(plan_decode(kept, plan), 0);
    assert_int_equal(plan->error_count, PLAN_ERRORS_MAX);
    free(kept);
    free(text);
    free(plan);
}

static void wrong_lines_are_refused(void **state)
{
    (void)state;
    const char *wrong[] = {
        "",
        "{}",
        "[]",
        "null",
        "{\"kind\":\"nonsense\"}",
        "{\"kind\":7}",
        "{\"kind\":\"cancel\"} x",
        "{\"kind\":\"cancel\",\"kind\":\"proceed\"}",
        "{\"kind\":\"phase\"}",
        "{\"kind\":\"phase\",\"phase\":\"write\",\"cancel\":\"perhaps\",\"expected_s\":1}",
        "{\"kind\":\"phase\",\"phase\":\"write\",\"cancel\":\"safe\",\"expected_s\":\"1\"}",
        "{\"kind\":\"phase\",\"phase\":\"write\",\"cancel\":\"safe\",\"expected_s\":1.5}",
        "{\"kind\":\"stage\",\"completed\":1,\"total\":2,\"current_path\":\"\",\"unit\":\"too long "
        "a unit!\"}",
        "{\"kind\":\"stage\",\"completed\":1,\"total\":2,\"unit\":\"a\\u0000b\",\"current_path\":"
        "\"\"}",
        "{\"kind\":\"plan\",\"plan\":{}}",
        "{\"kind\":\"warning\"}",
        "{\"kind\":\"result\",\"ok\":true}",
    };
    for (size_t i = 0; i < sizeof(wrong) / sizeof(wrong[0]); i++) {
        struct error err = ERROR_EMPTY;
        struct worker_line got;
        assert_int_equal(worker_line_decode(wrong[i], strlen(wrong[i]), &got, &err), -1);
        assert_int_not_equal(err.code, ERROR_NONE);
    }
    struct error err = ERROR_EMPTY;
    struct worker_line got;
    assert_int_equal(worker_line_decode("{\"kind\":\"cancel\"}\0", 18, &got, &err), -1);
    char *huge = calloc(1, WORKER_LINE_MAX + 2);
    memset(huge, ' ', WORKER_LINE_MAX + 1);
    memcpy(huge, "{\"kind\":\"cancel\"}", 17);
    assert_int_equal(worker_line_decode(huge, WORKER_LINE_MAX + 1, &got, &err), -1);
    free(huge);
}

static void what_the_store_keeps_comes_back(void **state)
{
    (void)state;
    struct warning warnings[WARNINGS_MAX] = {{.code = "a", .count = 3},
                                             {.code = "b", .examples = {"x"}}};
    struct warning got[WARNINGS_MAX];
    size_t count = 0;
    char *text = warnings_encode(warnings, 2);
    assert_int_equal(warnings_decode(text, got, &count), 0);
    assert_int_equal(count, 2);
    assert_string_equal(got[1].examples[0], "x");
    free(text);
    struct medium medium = {.present = true, .capacity_sectors = 5, .state = MEDIUM_DAMAGED}, back;
    text = medium_encode(&medium);
    assert_int_equal(medium_decode(text, &back), 0);
    assert_int_equal(back.state, MEDIUM_DAMAGED);
    free(text);
    struct error err = ERROR_EMPTY, again;
    error_set(&err, ERROR_CANCELED, "x");
    text = error_encode(&err);
    assert_int_equal(error_decode(text, &again), 0);
    assert_int_equal(again.code, ERROR_CANCELED);
    free(text);
    assert_int_equal(error_decode("{}", &again), -1);
    assert_int_equal(warnings_decode("nonsense", got, &count), -1);
}

static void words_are_closed_lists(void **state)
{
    (void)state;
    enum phase phase;
    for (int i = 0; i < PHASE_COUNT; i++) {
        assert_int_equal(phase_from_text(phase_to_text((enum phase)i), &phase), 0);
        assert_int_equal(phase, i);
    }
    assert_int_equal(phase_from_text("burn", &phase), -1);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_request_comes_back),
        cmocka_unit_test(a_request_without_a_member_is_refused),
        cmocka_unit_test(lines_come_back),
        cmocka_unit_test(a_result_keeps_its_problem),
        cmocka_unit_test(a_plan_full_of_errors_still_fits),
        cmocka_unit_test(wrong_lines_are_refused),
        cmocka_unit_test(what_the_store_keeps_comes_back),
        cmocka_unit_test(words_are_closed_lists),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
