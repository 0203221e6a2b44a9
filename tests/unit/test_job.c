/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * job/job.c: the state of a job follows from its copies, first rule that fits.
 */
#include "job/job.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <string.h>

#include <cmocka.h>

static struct copy copies[3];

static struct job job_of(size_t count)
{
    memset(copies, 0, sizeof(copies));
    return (struct job){.copies = copies, .copy_count = count};
}

static void wait_for(struct copy *copy, enum copy_state state, enum reason reason)
{
    copy->state = state;
    copy->has_reason = true;
    copy->reason = reason;
}

static void a_new_job_is_queued(void **state)
{
    (void)state;
    struct job job = job_of(2);
    assert_int_equal(job_derive_state(&job), JOB_QUEUED);
    job.planning = true;
    assert_int_equal(job_derive_state(&job), JOB_PREPARING);
}

static void a_busy_recorder_keeps_it_queued(void **state)
{
    (void)state;
    struct job job = job_of(1);
    wait_for(&copies[0], COPY_PENDING, REASON_RECORDER_BUSY);
    assert_int_equal(job_derive_state(&job), JOB_QUEUED);
}

static void what_a_person_must_clear_makes_it_wait(void **state)
{
    (void)state;
    struct job job = job_of(2);
    wait_for(&copies[1], COPY_WAITING, REASON_MEDIUM_NOT_BLANK);
    assert_int_equal(job_derive_state(&job), JOB_WAITING);
    copies[0].state = COPY_RUNNING;
    assert_int_equal(job_derive_state(&job), JOB_RUNNING);
    job.cancel_accepted = true;
    assert_int_equal(job_derive_state(&job), JOB_CANCELING);
}

static void too_many_ruined_discs_hold_it(void **state)
{
    (void)state;
    enum reason reasons[REASON_COUNT];
    struct job job = job_of(2);
    copies[0].state = COPY_FAILED;
    job.held_by_limit = true;
    assert_int_equal(job_derive_state(&job), JOB_HELD);
    assert_int_equal(job_reasons(&job, reasons), 1);
    assert_int_equal(reasons[0], REASON_RUINED_DISC_LIMIT);
}

static void the_end_follows_from_the_copies(void **state)
{
    (void)state;
    static const struct {
        enum copy_state copies[2];
        bool canceled;
        enum job_state end;
    } cases[] = {
        {{COPY_DONE, COPY_DONE}, false, JOB_COMPLETED},
        {{COPY_DONE, COPY_DONE}, true, JOB_COMPLETED},
        {{COPY_DONE, COPY_FAILED}, false, JOB_COMPLETED_WITH_FAILURES},
        {{COPY_DONE, COPY_CANCELED}, true, JOB_CANCELED},
        {{COPY_FAILED, COPY_FAILED}, false, JOB_FAILED},
        {{COPY_FAILED, COPY_CANCELED}, true, JOB_CANCELED},
        {{COPY_CANCELED, COPY_CANCELED}, false, JOB_CANCELED},
    };
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        struct job job = job_of(2);
        copies[0].state = cases[i].copies[0];
        copies[1].state = cases[i].copies[1];
        job.cancel_accepted = cases[i].canceled;
        assert_int_equal(job_derive_state(&job), cases[i].end);
        assert_true(job_state_is_terminal(job_derive_state(&job)));
    }
}

static void the_same_reason_counts_once(void **state)
{
    (void)state;
    enum reason reasons[REASON_COUNT];
    struct job job = job_of(3);
    wait_for(&copies[0], COPY_PENDING, REASON_RECORDER_BUSY);
    wait_for(&copies[1], COPY_PENDING, REASON_RECORDER_BUSY);
    wait_for(&copies[2], COPY_FAILED, REASON_RECORDER_IN_USE);
    assert_int_equal(job_reasons(&job, reasons), 1);
    assert_int_equal(reasons[0], REASON_RECORDER_BUSY);
}

static void words_go_both_ways(void **state)
{
    (void)state;
    for (int i = 0; i < JOB_COUNT; i++) {
        enum job_state back;
        assert_int_equal(job_state_from_text(job_state_to_text((enum job_state)i), &back), 0);
        assert_int_equal(back, i);
    }
    enum copy_state none;
    assert_int_equal(copy_state_from_text("finished", &none), -1);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_new_job_is_queued),
        cmocka_unit_test(a_busy_recorder_keeps_it_queued),
        cmocka_unit_test(what_a_person_must_clear_makes_it_wait),
        cmocka_unit_test(too_many_ruined_discs_hold_it),
        cmocka_unit_test(the_end_follows_from_the_copies),
        cmocka_unit_test(the_same_reason_counts_once),
        cmocka_unit_test(words_go_both_ways),
    };
    return cmocka_run_group_tests_name("job", tests, NULL, NULL);
}
