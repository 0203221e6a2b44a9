/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * The problem object: every code has a row, and the members of api.md.
 */
#include "api/problem.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <string.h>

#include <cmocka.h>

static const char *text_of(const json_t *object, const char *name)
{
    return json_string_value(json_object_get(object, name));
}

static void every_code_has_a_status_a_title_and_an_action(void **state)
{
    (void)state;
    const char *internal = problem_title(ERROR_INTERNAL);
    for (int code = ERROR_NONE + 1; code < ERROR_CODE_COUNT; code++) {
        int status = problem_status((enum error_code)code);
        if (status < 400 || status > 599 ||
            (code != ERROR_INTERNAL && problem_title((enum error_code)code) == internal)) {
            fail_msg("%s has no row in problem.c", error_code_to_text((enum error_code)code));
        }
        assert_true(strlen(problem_user_action((enum error_code)code)) > 0);
    }
}

static void problem_of_a_request_has_its_members(void **state)
{
    (void)state;
    struct error err;
    struct field_errors fields = {0};
    error_set(&err, ERROR_INVALID_REQUEST, "two fields are wrong");
    field_errors_add(&fields, "/data/entries/0/to", "required", "must be given");
    field_errors_add(&fields, "?limit", "out_of_range", "1 to 500");
    field_errors_add(&fields, ":If-Match", "required", "an ETag");
    json_t *body = problem_json(&err, &fields, "req_1", "/api/v1/jobs");
    assert_string_equal(text_of(body, "code"), "invalid_request");
    assert_string_equal(text_of(body, "detail"), "two fields are wrong");
    assert_string_equal(text_of(body, "instance"), "/api/v1/jobs");
    assert_string_equal(text_of(body, "request_id"), "req_1");
    assert_string_equal(text_of(body, "user_action"), "fix_request");
    assert_int_equal(json_integer_value(json_object_get(body, "status")), 422);
    assert_true(json_is_false(json_object_get(body, "retryable")));
    assert_null(json_object_get(body, "device"));
    const json_t *errors = json_object_get(body, "errors");
    assert_int_equal(json_array_size(errors), 3);
    assert_string_equal(text_of(json_array_get(errors, 0), "pointer"), "/data/entries/0/to");
    assert_string_equal(text_of(json_array_get(errors, 1), "parameter"), "limit");
    assert_string_equal(text_of(json_array_get(errors, 2), "header"), "If-Match");
    json_decref(body);
}

static void problem_of_a_job_names_no_request(void **state)
{
    (void)state;
    struct error err;
    error_set(&err, ERROR_CANCELED, "canceled");
    json_t *body = problem_json(&err, NULL, NULL, NULL);
    assert_null(json_object_get(body, "request_id"));
    assert_null(json_object_get(body, "instance"));
    assert_int_equal(json_array_size(json_object_get(body, "errors")), 0);
    json_decref(body);
}

static void pointer_of_the_error_becomes_its_only_item(void **state)
{
    (void)state;
    struct error err;
    error_set(&err, ERROR_RECORDER_UNKNOWN, "no recorder sr9");
    strcpy(err.pointer, "/target/recorder");
    json_t *body = problem_json(&err, NULL, NULL, NULL);
    const json_t *item = json_array_get(json_object_get(body, "errors"), 0);
    assert_string_equal(text_of(item, "pointer"), "/target/recorder");
    assert_string_equal(text_of(item, "code"), "recorder_unknown");
    assert_string_equal(text_of(item, "detail"), "no recorder sr9");
    json_decref(body);
}

static void device_says_null_for_what_is_not_known(void **state)
{
    (void)state;
    struct error err;
    error_set(&err, ERROR_WRITE_ERROR, "the drive reported an error");
    err.has_device = true;
    strcpy(err.device.recorder, "r1");
    err.device.sense_key = 3;
    err.device.sense_asc = 0x0C;
    err.device.sense_ascq = 0;
    json_t *body = problem_json(&err, NULL, NULL, NULL);
    const json_t *device = json_object_get(body, "device");
    assert_string_equal(text_of(device, "recorder"), "r1");
    assert_true(json_is_null(json_object_get(device, "node")));
    assert_true(json_is_null(json_object_get(device, "at_lba")));
    assert_int_equal(json_integer_value(json_object_get(json_object_get(device, "sense"), "asc")),
                     12);
    assert_true(json_is_null(json_object_get(json_object_get(device, "library"), "code")));
    json_decref(body);
}

static void broken_text_does_not_break_the_answer(void **state)
{
    (void)state;
    struct error err;
    error_set(&err, ERROR_LIBRARY_ERROR, "bad \xff byte");
    json_t *body = problem_json(&err, NULL, NULL, "/x\xff");
    char *text = json_dumps(body, JSON_COMPACT);
    assert_non_null(text);
    free(text);
    json_decref(body);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_code_has_a_status_a_title_and_an_action),
        cmocka_unit_test(problem_of_a_request_has_its_members),
        cmocka_unit_test(problem_of_a_job_names_no_request),
        cmocka_unit_test(pointer_of_the_error_becomes_its_only_item),
        cmocka_unit_test(device_says_null_for_what_is_not_known),
        cmocka_unit_test(broken_text_does_not_break_the_answer),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
