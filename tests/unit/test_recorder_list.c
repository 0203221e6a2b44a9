/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * recorder/recorder_list.c: what a SPEC of the command line becomes.
 */
#include "recorder/recorder.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <string.h>

#include <cmocka.h>

static void options_follow_the_path(void **state)
{
    (void)state;
    struct error err;
    struct recorder_list *list = recorder_list_new();
    assert_int_equal(
        recorder_list_add_spec(list, "file:/srv/a,b.iso,id=one,pool=music,speed=5540", &err), 0);
    struct recorder *recorder = recorder_list_find(list, "one");
    assert_non_null(recorder);
    assert_string_equal(recorder->path, "/srv/a,b.iso");
    assert_string_equal(recorder->pool, "music");
    assert_int_equal(recorder->speed_kb_s, 5540);
    assert_int_equal(recorder->kind, RECORDER_KIND_FILE);
    recorder_list_free(list);
}

static void an_id_derives_from_the_path(void **state)
{
    (void)state;
    struct error err;
    struct recorder_list *list = recorder_list_new();
    assert_int_equal(recorder_list_add_spec(list, "file:/srv/My Disc.ISO", &err), 0);
    assert_non_null(recorder_list_find(list, "file-my-disc-iso"));
    assert_int_equal(recorder_list_add_spec(list, "file:relative.iso,id=b", &err), 0);
    assert_int_equal(recorder_list_find(list, "b")->path[0], '/');
    recorder_list_free(list);
}

static void bad_specs_say_what_is_wrong(void **state)
{
    (void)state;
    static const struct {
        const char *spec, *part;
    } cases[] = {
        {"file:", "path"},
        {"file:/a,id=", "id="},
        {"file:/a,speed=0", "speed"},
        {"file:/a,speed=fast", "speed"},
        {"file:/a,id=any", "id="},
        {"file:/a,id=x,color=red", "color"},
        {"virtual", "file:PATH"},
        {"/dev/sr0", "file:PATH"},
        {"auto", "file:PATH"},
    };
    struct recorder_list *list = recorder_list_new();
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        struct error err;
        assert_int_equal(recorder_list_add_spec(list, cases[i].spec, &err), -1);
        assert_non_null(strstr(err.message, cases[i].part));
    }
    assert_int_equal(recorder_list_count(list), 0);
    recorder_list_free(list);
}

static void two_recorders_never_share_an_id_or_a_file(void **state)
{
    (void)state;
    struct error err;
    struct recorder_list *list = recorder_list_new();
    assert_int_equal(recorder_list_add_spec(list, "file:/a,id=x", &err), 0);
    assert_int_equal(recorder_list_add_spec(list, "file:/b,id=x", &err), -1);
    assert_int_equal(recorder_list_add_spec(list, "file:/a,id=y", &err), -1);
    assert_int_equal(recorder_list_add_spec(list, "file:/c,id=a", &err), 0);
    assert_string_equal(recorder_list_get(list, 0)->id, "a");
    recorder_list_free(list);
}

static void writing_is_said_only_while_writing(void **state)
{
    (void)state;
    assert_true(writes_in_phase(PHASE_WRITE, false));
    assert_true(writes_in_phase(PHASE_FLUSH, false));
    assert_true(writes_in_phase(PHASE_CLOSE, false));
    assert_false(writes_in_phase(PHASE_WRITE, true));
    assert_false(writes_in_phase(PHASE_VERIFY, false));
    assert_false(writes_in_phase(PHASE_STAGE, false));
    assert_int_equal(activity_of_phase(PHASE_WRITE, true), ACTIVITY_SIMULATING);
    assert_int_equal(activity_of_phase(PHASE_ENDED, false), ACTIVITY_NONE);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(options_follow_the_path),
        cmocka_unit_test(an_id_derives_from_the_path),
        cmocka_unit_test(bad_specs_say_what_is_wrong),
        cmocka_unit_test(two_recorders_never_share_an_id_or_a_file),
        cmocka_unit_test(writing_is_said_only_while_writing),
    };
    return cmocka_run_group_tests_name("recorder_list", tests, NULL, NULL);
}
