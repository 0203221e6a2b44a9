/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * base/: ids, clock, error words, bounded text, mailbox.
 */
#include "base/alloc.h"
#include "base/clock.h"
#include "base/error.h"
#include "base/id.h"
#include "base/mailbox.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

static void ids_sort_by_time_and_never_tie(void **state)
{
    (void)state;
    char last[ID_SIZE] = "", next[ID_SIZE];
    for (int i = 0; i < 10000; i++) {
        id_make("job", next);
        assert_int_equal(strlen(next), 30);
        assert_true(strcmp(next, last) > 0);
        memcpy(last, next, sizeof(last));
    }
}

static void ids_do_not_go_back_with_the_clock(void **state)
{
    (void)state;
    char before[ID_SIZE], after[ID_SIZE];
    clock_hold(4000000000000, 0);
    id_make("job", before);
    clock_hold(1000000000000, 0);
    id_make("job", after);
    clock_release();
    assert_true(strcmp(after, before) > 0);
}

static void time_text_goes_both_ways(void **state)
{
    (void)state;
    char text[CLOCK_TEXT_SIZE];
    int64_t back = 0;
    clock_to_text(1782907200123, text);
    assert_string_equal(text, "2026-07-01T12:00:00.123Z");
    assert_int_equal(clock_from_text(text, &back), 0);
    assert_true(back == 1782907200123);
    assert_int_equal(clock_from_text("2026-07-01T14:00:00+02:00", &back), 0);
    assert_true(back == 1782907200000);
}

static void what_is_no_time_is_refused(void **state)
{
    (void)state;
    static const char *const bad[] = {"",
                                      "yesterday",
                                      "2026-07-01",
                                      "2026-07-01T12:00:00",
                                      "2026-07-01T12:00:00Zx",
                                      "2026-07-01T12:00:00+2"};
    int64_t back;
    for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
        assert_int_equal(clock_from_text(bad[i], &back), -1);
    }
}

static void every_code_has_a_word_of_its_own(void **state)
{
    (void)state;
    for (int i = 0; i < ERROR_CODE_COUNT; i++) {
        const char *word = error_code_to_text((enum error_code)i);
        assert_non_null(word);
        assert_int_equal(error_code_from_text(word), i);
    }
    assert_int_equal(error_code_from_text("no_such_word"), ERROR_INTERNAL);
}

static void more_bad_fields_than_fit_are_counted(void **state)
{
    (void)state;
    struct field_errors *list = xcalloc(1, sizeof(*list));
    for (int i = 0; i < FIELD_ERRORS_MAX + 5; i++) {
        field_errors_add(list, "/a", "wrong_type", "number %d", i);
    }
    assert_int_equal(list->count, FIELD_ERRORS_MAX + 5);
    assert_string_equal(list->items[FIELD_ERRORS_MAX - 1].detail, "number 31");
    free(list);
}

static void text_is_cut_between_letters(void **state)
{
    (void)state;
    char field[5];
    text_copy(field, sizeof(field), "abc\xC3\xA4");
    assert_string_equal(field, "abc");
    text_copy(field, sizeof(field), "ab\xC3\xA4");
    assert_string_equal(field, "ab\xC3\xA4");
}

static void note(void *arg)
{
    ++*(int *)arg;
}

static void posted_functions_run_on_the_loop(void **state)
{
    (void)state;
    uv_loop_t loop;
    int ran = 0, worked = 0;
    uv_loop_init(&loop);
    struct mailbox *box = mailbox_new(&loop);
    assert_int_equal(mailbox_post(box, note, &ran), 0);
    assert_int_equal(mailbox_post_work(box, note, &worked), 0);
    while (ran == 0) {
        uv_run(&loop, UV_RUN_ONCE);
    }
    mailbox_close(box);
    uv_run(&loop, UV_RUN_DEFAULT);
    assert_int_equal(ran, 1);
    assert_int_equal(worked, 1);
    assert_int_equal(mailbox_post(box, note, &ran), -1);
    mailbox_free(box);
    assert_int_equal(uv_loop_close(&loop), 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(ids_sort_by_time_and_never_tie),
        cmocka_unit_test(ids_do_not_go_back_with_the_clock),
        cmocka_unit_test(time_text_goes_both_ways),
        cmocka_unit_test(what_is_no_time_is_refused),
        cmocka_unit_test(every_code_has_a_word_of_its_own),
        cmocka_unit_test(more_bad_fields_than_fit_are_counted),
        cmocka_unit_test(text_is_cut_between_letters),
        cmocka_unit_test(posted_functions_run_on_the_loop),
    };
    return cmocka_run_group_tests_name("base", tests, NULL, NULL);
}
