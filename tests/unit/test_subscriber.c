/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * One event client: topics, replay and reset, coalescing at a rate, until=terminal, heartbeat, lag.
 * The clock is the `now` that is passed in.
 */
#include "api/subscriber.h"
#include "base/alloc.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

static struct subscription wish(const char *topics, const char *since, const char *rate,
                                const char *until)
{
    struct subscription out;
    struct error err = ERROR_EMPTY;
    if (subscription_parse("ep", topics, since, rate, until, &out, &err) != 0) {
        fail_msg("%s", err.message);
    }
    return out;
}

static void refused(const char *topics, const char *since, const char *rate, const char *until,
                    const char *parameter)
{
    struct subscription out;
    struct error err = ERROR_EMPTY;
    assert_int_equal(subscription_parse("ep", topics, since, rate, until, &out, &err), -1);
    assert_int_equal(err.code, ERROR_INVALID_QUERY);
    assert_string_equal(err.pointer, parameter);
}

static void tell(struct event_log *log, enum event_type type, const char *job, const char *recorder)
{
    struct event_subject subject = {0};
    text_copy(subject.job, sizeof(subject.job), job);
    text_copy(subject.recorder, sizeof(subject.recorder), recorder);
    event_log_publish(log, 1000, type, &subject, xstrdup("{}"), NULL);
}

static void ended(struct event_log *log, const char *job)
{
    struct event_subject subject = {.job_is_terminal = true};
    text_copy(subject.job, sizeof(subject.job), job);
    event_log_publish(log, 1000, EVENT_JOB_STATE, &subject, xstrdup("{}"), NULL);
}

static void progress(struct event_log *log, const char *job)
{
    struct event_subject subject = {.copy = 1};
    char key[64];
    text_copy(subject.job, sizeof(subject.job), job);
    snprintf(key, sizeof(key), "%s/1/progress.block", job);
    event_log_publish(log, 1000, EVENT_PROGRESS_BLOCK, &subject, xstrdup("{}"), key);
}

/* The number of the next event at `now_ms`, or minus the result that came instead. */
static int64_t next(struct subscriber *subscriber, int64_t now_ms)
{
    struct event *event = NULL;
    int64_t wait_ms = 0;
    enum subscriber_result result = subscriber_next(subscriber, now_ms, &event, &wait_ms);
    int64_t seq = event != NULL ? event->seq : -(int64_t)result;
    event_unref(event);
    return seq;
}

static void bad_words_are_refused_with_their_parameter(void **state)
{
    (void)state;
    refused("nix", NULL, NULL, NULL, "?topics");
    refused("jobs,", NULL, NULL, NULL, "?topics");
    refused("jobs/", NULL, NULL, NULL, "?topics");
    refused("jobs/a/b", NULL, NULL, NULL, "?topics");
    refused("recorders/a/messages", NULL, NULL, NULL, "?topics");
    refused(NULL, "ep", NULL, NULL, "?since");
    refused(NULL, "ep:x", NULL, NULL, "?since");
    refused(NULL, ":1", NULL, NULL, "?since");
    refused(NULL, NULL, "51", NULL, "?max_rate_hz");
    refused(NULL, NULL, "-1", NULL, "?max_rate_hz");
    refused(NULL, NULL, "nan", NULL, "?max_rate_hz");
    refused(NULL, NULL, "", NULL, "?max_rate_hz");
    refused("jobs/a", NULL, NULL, "done", "?until");
    refused(NULL, NULL, NULL, "terminal", "?until");
    refused("jobs", NULL, NULL, "terminal", "?until");
    refused("jobs/a,recorders/r", NULL, NULL, "terminal", "?until");
}

static void event_goes_to_every_topic_whose_subject_it_names(void **state)
{
    (void)state;
    static const struct {
        const char *topics;
        int64_t expected[6];
    } cases[] = {
        {NULL, {1, 2, 3, 4, 5}},  {"jobs", {1, 2}},
        {"jobs/a", {1, 2}},       {"jobs/b", {0}},
        {"recorders", {2, 3}},    {"recorders/r", {2, 3}},
        {"recorders/x", {0}},     {"queue", {4}},
        {"server", {5}},          {"discs,images,uploads,attention", {0}},
        {"jobs/a/messages", {6}}, {"queue,jobs/a/messages", {4, 6}},
        {"jobs/a/changes", {0}},
    };
    struct event_log *log = event_log_new("ep", 1);
    tell(log, EVENT_JOB_STATE, "a", "");
    tell(log, EVENT_ATTEMPT_PHASE, "a", "r");
    tell(log, EVENT_RECORDER_STATE, "", "r");
    tell(log, EVENT_QUEUE_CHANGED, "", "");
    tell(log, EVENT_SERVER_SHUTTING_DOWN, "", "");
    tell(log, EVENT_MESSAGE, "a", "r");
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        struct subscription asked = wish(cases[i].topics, "oldest", NULL, NULL);
        struct subscriber *subscriber = subscriber_new(log, &asked, 0);
        for (size_t n = 0; cases[i].expected[n] != 0; n++) {
            assert_int_equal(next(subscriber, 0), cases[i].expected[n]);
        }
        assert_int_equal(next(subscriber, 0), -SUBSCRIBER_WAIT);
        subscriber_free(subscriber);
    }
    event_log_free(log);
}

static void without_since_it_begins_now(void **state)
{
    (void)state;
    struct event_log *log = event_log_new("ep", 1);
    tell(log, EVENT_QUEUE_CHANGED, "", "");
    struct subscription asked = wish(NULL, NULL, NULL, NULL);
    struct subscriber *subscriber = subscriber_new(log, &asked, 0);
    assert_false(subscriber_was_resumed(subscriber));
    assert_int_equal(next(subscriber, 0), -SUBSCRIBER_WAIT);
    tell(log, EVENT_QUEUE_CHANGED, "", "");
    assert_int_equal(next(subscriber, 0), 2);
    subscriber_free(subscriber);
    event_log_free(log);
}

static void since_is_exclusive_and_a_bad_one_resets(void **state)
{
    (void)state;
    static const struct {
        const char *since;
        int64_t first;
    } cases[] = {{"ep:1001", 1002},
                 {"ep:1002", -SUBSCRIBER_WAIT},
                 {"oldest", 1001},
                 {"ep:1000", 1001},
                 {"ep:999", -SUBSCRIBER_RESET},
                 {"ep:1003", -SUBSCRIBER_RESET},
                 {"pe:1001", -SUBSCRIBER_RESET}};
    struct event_log *log = event_log_new("ep", 1001);
    tell(log, EVENT_QUEUE_CHANGED, "", "");
    tell(log, EVENT_QUEUE_CHANGED, "", "");
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        struct subscription asked = wish(NULL, cases[i].since, NULL, NULL);
        struct subscriber *subscriber = subscriber_new(log, &asked, 0);
        assert_int_equal(next(subscriber, 0), cases[i].first);
        if (cases[i].first == -SUBSCRIBER_RESET) {
            assert_int_equal(next(subscriber, 0), -SUBSCRIBER_WAIT);
        }
        subscriber_free(subscriber);
    }
    event_log_free(log);
}

static void progress_is_coalesced_to_the_latest_at_the_rate(void **state)
{
    (void)state;
    struct event_log *log = event_log_new("ep", 1);
    struct subscription asked = wish("jobs", NULL, "2", NULL);
    struct subscriber *subscriber = subscriber_new(log, &asked, 0);
    progress(log, "a");
    assert_int_equal(next(subscriber, 1000), 1);
    progress(log, "a");
    progress(log, "a");
    struct event *event = NULL;
    int64_t wait_ms = 0;
    assert_int_equal(subscriber_next(subscriber, 1100, &event, &wait_ms), SUBSCRIBER_WAIT);
    assert_int_equal(wait_ms, 400);
    progress(log, "b"); /* another copy has a pace of its own */
    assert_int_equal(next(subscriber, 1200), 4);
    progress(log, "a");
    assert_int_equal(next(subscriber, 1499), -SUBSCRIBER_WAIT);
    assert_int_equal(next(subscriber, 1500), 5);
    assert_int_equal(next(subscriber, 9000), -SUBSCRIBER_WAIT);
    subscriber_free(subscriber);
    event_log_free(log);
}

static void rate_zero_gives_state_events_only(void **state)
{
    (void)state;
    struct event_log *log = event_log_new("ep", 1);
    struct subscription asked = wish(NULL, NULL, "0", NULL);
    struct subscriber *subscriber = subscriber_new(log, &asked, 0);
    progress(log, "a");
    tell(log, EVENT_PROGRESS_BLOCK, "a", "");
    assert_int_equal(next(subscriber, 0), 2);
    assert_int_equal(next(subscriber, 9000), -SUBSCRIBER_WAIT);
    subscriber_free(subscriber);
    event_log_free(log);
}

static void state_events_are_never_coalesced_and_order_holds(void **state)
{
    (void)state;
    struct event_log *log = event_log_new("ep", 1);
    struct subscription asked = wish(NULL, NULL, "1", NULL);
    struct subscriber *subscriber = subscriber_new(log, &asked, 0);
    progress(log, "a");
    assert_int_equal(next(subscriber, 0), 1);
    progress(log, "a");
    for (int i = 0; i < 5; i++) {
        tell(log, EVENT_QUEUE_CHANGED, "", "");
    }
    for (int64_t seq = 3; seq <= 7; seq++) {
        assert_int_equal(next(subscriber, 10), seq);
    }
    assert_int_equal(next(subscriber, 2000), -SUBSCRIBER_WAIT); /* 2 was overtaken */
    subscriber_free(subscriber);
    event_log_free(log);
}

static void until_terminal_ends_after_the_last_event_of_all_jobs(void **state)
{
    (void)state;
    struct event_log *log = event_log_new("ep", 1);
    struct subscription asked = wish("jobs/a,jobs/b", NULL, NULL, "terminal");
    struct subscriber *subscriber = subscriber_new(log, &asked, 0);
    ended(log, "a");
    assert_int_equal(next(subscriber, 0), 1);
    assert_int_equal(next(subscriber, 0), -SUBSCRIBER_WAIT);
    ended(log, "b");
    assert_int_equal(next(subscriber, 0), 2);
    assert_int_equal(next(subscriber, 0), -SUBSCRIBER_ENDED);
    subscriber_free(subscriber);
    event_log_free(log);
}

static void until_terminal_of_ended_jobs_replays_then_ends(void **state)
{
    (void)state;
    struct event_log *log = event_log_new("ep", 1);
    tell(log, EVENT_JOB_STATE, "a", "");
    ended(log, "a");
    struct subscription asked = wish("jobs/a", "oldest", NULL, "terminal");
    asked.ended_jobs = 1;
    struct subscriber *subscriber = subscriber_new(log, &asked, 0);
    assert_int_equal(next(subscriber, 0), 1);
    assert_int_equal(next(subscriber, 0), 2);
    assert_int_equal(next(subscriber, 0), -SUBSCRIBER_ENDED);
    subscriber_free(subscriber);
    asked = wish("jobs/gone", NULL, NULL, "terminal");
    asked.ended_jobs = 1;
    subscriber = subscriber_new(log, &asked, 0);
    assert_int_equal(next(subscriber, 0), -SUBSCRIBER_ENDED);
    subscriber_free(subscriber);
    event_log_free(log);
}

static void silence_is_broken_every_fifteen_seconds(void **state)
{
    (void)state;
    struct event_log *log = event_log_new("ep", 1);
    struct subscription asked = wish(NULL, NULL, NULL, NULL);
    struct subscriber *subscriber = subscriber_new(log, &asked, 0);
    assert_int_equal(next(subscriber, 14999), -SUBSCRIBER_WAIT);
    assert_int_equal(next(subscriber, 15000), -SUBSCRIBER_HEARTBEAT);
    tell(log, EVENT_QUEUE_CHANGED, "", "");
    assert_int_equal(next(subscriber, 20000), 1);
    assert_int_equal(next(subscriber, 34999), -SUBSCRIBER_WAIT);
    assert_int_equal(next(subscriber, 35000), -SUBSCRIBER_HEARTBEAT);
    subscriber_free(subscriber);
    event_log_free(log);
}

static void lag_counts_what_came_after_the_client_only(void **state)
{
    (void)state;
    struct event_log *log = event_log_new("ep", 1);
    for (int i = 0; i < 8000; i++) {
        tell(log, EVENT_QUEUE_CHANGED, "", "");
    }
    struct subscription asked = wish(NULL, "oldest", NULL, NULL);
    struct subscriber *subscriber = subscriber_new(log, &asked, 0);
    assert_false(subscriber_has_lagged(log, subscriber_lag_from(subscriber)));
    for (int i = 0; i < 6000; i++) {
        tell(log, EVENT_QUEUE_CHANGED, "", "");
    }
    assert_true(subscriber_has_lagged(log, subscriber_lag_from(subscriber)));
    assert_int_equal(next(subscriber, 0), -SUBSCRIBER_LAGGED); /* the ring has moved past it */
    subscriber_free(subscriber);
    event_log_free(log);
}

static void changed_topics_take_effect_from_here_on(void **state)
{
    (void)state;
    struct event_log *log = event_log_new("ep", 1);
    struct subscription asked = wish("queue", NULL, NULL, NULL);
    struct subscriber *subscriber = subscriber_new(log, &asked, 0);
    tell(log, EVENT_QUEUE_CHANGED, "", "");
    asked = wish("jobs", NULL, NULL, NULL);
    subscriber_change(subscriber, &asked);
    tell(log, EVENT_JOB_STATE, "a", "");
    assert_int_equal(next(subscriber, 0), 2);
    subscriber_free(subscriber);
    event_log_free(log);
}

static void notices_have_no_number(void **state)
{
    (void)state;
    struct event_log *log = event_log_new("ep", 5);
    struct subscription asked = wish(NULL, "oldest", NULL, NULL);
    struct subscriber *subscriber = subscriber_new(log, &asked, 0);
    size_t length = 0;
    char *hello = notice_hello(log, subscriber, &length);
    assert_int_equal(length, strlen(hello));
    assert_non_null(strstr(hello, "\"seq\":null"));
    assert_non_null(strstr(hello, "\"type\":\"hello\""));
    assert_non_null(strstr(hello, "\"seq\":4,\"oldest_seq\":5,\"resumed\":true"));
    notice_free(hello);
    subscriber_free(subscriber);
    event_log_free(log);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(bad_words_are_refused_with_their_parameter),
        cmocka_unit_test(event_goes_to_every_topic_whose_subject_it_names),
        cmocka_unit_test(without_since_it_begins_now),
        cmocka_unit_test(since_is_exclusive_and_a_bad_one_resets),
        cmocka_unit_test(progress_is_coalesced_to_the_latest_at_the_rate),
        cmocka_unit_test(rate_zero_gives_state_events_only),
        cmocka_unit_test(state_events_are_never_coalesced_and_order_holds),
        cmocka_unit_test(until_terminal_ends_after_the_last_event_of_all_jobs),
        cmocka_unit_test(until_terminal_of_ended_jobs_replays_then_ends),
        cmocka_unit_test(silence_is_broken_every_fifteen_seconds),
        cmocka_unit_test(lag_counts_what_came_after_the_client_only),
        cmocka_unit_test(changed_topics_take_effect_from_here_on),
        cmocka_unit_test(notices_have_no_number),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
