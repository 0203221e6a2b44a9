/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * The event log through its header: order, what is kept, what is overwritten, cursors, lag,
 * listeners.
 */
#include "base/alloc.h"
#include "base/clock.h"
#include "event/event.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

static const struct event_subject nobody;

static bool any(const struct event *event, void *arg)
{
    (void)event;
    (void)arg;
    return true;
}

static bool of_job(const struct event *event, void *arg)
{
    return strcmp(event->subject.job, arg) == 0;
}

static int64_t publish_state(struct event_log *log, const char *data)
{
    return event_log_publish(log, 1000, EVENT_QUEUE_CHANGED, &nobody, xstrdup(data), NULL)->seq;
}

static int64_t publish_stream(struct event_log *log, const char *key)
{
    return event_log_publish(log, 1000, EVENT_PROGRESS_BLOCK, &nobody, xstrdup("{}"), key)->seq;
}

static int64_t next_seq_after(struct event_log *log, int64_t after)
{
    struct event *event = event_log_next(log, after, any, NULL, NULL);
    int64_t seq = event != NULL ? event->seq : -1;
    event_unref(event);
    return seq;
}

static void numbers_begin_where_the_store_reserved(void **state)
{
    (void)state;
    struct event_log *log = event_log_new("ep", 1001);
    assert_int_equal(event_log_last_seq(log), 1000);
    assert_int_equal(event_log_oldest_seq(log), 0);
    assert_int_equal(event_log_next_seq(log), 1001);
    assert_int_equal(publish_state(log, "{}"), 1001);
    assert_int_equal(event_log_last_seq(log), 1001);
    assert_int_equal(event_log_oldest_seq(log), 1001);
    assert_int_equal(event_log_lost_seq(log), 1000);
    event_log_free(log);
}

static void reader_gets_everything_in_order_then_nothing(void **state)
{
    (void)state;
    struct event_log *log = event_log_new("ep", 1);
    publish_state(log, "{}");
    publish_stream(log, "a");
    publish_state(log, "{}");
    publish_stream(log, "b");
    for (int64_t after = 0; after < 4; after++) {
        assert_int_equal(next_seq_after(log, after), after + 1);
    }
    assert_int_equal(next_seq_after(log, 4), -1);
    assert_int_equal(next_seq_after(log, 99), -1);
    event_log_free(log);
}

static void only_latest_of_a_stream_key_is_kept(void **state)
{
    (void)state;
    struct event_log *log = event_log_new("ep", 1);
    publish_stream(log, "a");
    publish_stream(log, "b");
    publish_stream(log, "a");
    assert_int_equal(next_seq_after(log, 0), 2);
    assert_int_equal(next_seq_after(log, 2), 3);
    assert_int_equal(next_seq_after(log, 3), -1);
    event_log_free(log);
}

static void stream_keys_are_bounded_and_the_oldest_goes(void **state)
{
    (void)state;
    struct event_log *log = event_log_new("ep", 1);
    for (int i = 0; i < 1500; i++) {
        char key[32];
        snprintf(key, sizeof(key), "job/%d", i);
        publish_stream(log, key);
    }
    assert_int_equal(next_seq_after(log, 0), 1500 - 1024 + 1);
    event_log_free(log);
}

static void ring_forgets_the_oldest_and_says_so(void **state)
{
    (void)state;
    struct event_log *log = event_log_new("ep", 1);
    for (int i = 0; i < EVENT_KEEP + 5; i++) {
        publish_state(log, "{}");
    }
    assert_int_equal(event_log_oldest_seq(log), 6);
    assert_int_equal(event_log_lost_seq(log), 5);
    assert_int_equal(next_seq_after(log, 0), 6);
    assert_int_equal(next_seq_after(log, EVENT_KEEP), EVENT_KEEP + 1);
    event_log_free(log);
}

static void restored_events_are_replayed_before_new_ones(void **state)
{
    (void)state;
    struct event_log *log = event_log_new("ep", 1001);
    event_log_restore(log, 7, 1000, EVENT_JOB_STATE, &nobody, xstrdup("{\"to\":\"queued\"}"));
    event_log_restore(log, 9, 1001, EVENT_JOB_STATE, &nobody, xstrdup("{}"));
    publish_state(log, "{}");
    assert_int_equal(next_seq_after(log, 0), 7);
    assert_int_equal(next_seq_after(log, 7), 9);
    assert_int_equal(next_seq_after(log, 9), 1001);
    assert_int_equal(event_log_lost_seq(log), 6);
    event_log_free(log);
}

static void scan_looks_at_unwanted_state_events_once(void **state)
{
    (void)state;
    struct event_log *log = event_log_new("ep", 1);
    struct event_subject job = {.job = "job_X"};
    for (int i = 0; i < 100; i++) {
        publish_state(log, "{}");
    }
    struct event_cursor cursor = {0};
    char wanted_job[] = "job_X";
    assert_null(event_log_scan(log, &cursor, of_job, wanted_job));
    assert_int_equal(cursor.looked, 100);
    assert_int_equal(cursor.after, 0);
    event_log_publish(log, 1000, EVENT_JOB_STATE, &job, xstrdup("{}"), NULL);
    struct event *event = event_log_scan(log, &cursor, of_job, wanted_job);
    assert_int_equal(event->seq, 101);
    assert_int_equal(cursor.after, 101);
    event_unref(event);
    event_log_free(log);
}

static bool not_streams(const struct event *event, void *arg)
{
    (void)arg;
    return event->is_state;
}

static void refused_stream_event_is_offered_again_until_overtaken(void **state)
{
    (void)state;
    struct event_log *log = event_log_new("ep", 1);
    publish_stream(log, "a");
    struct event_cursor cursor = {0};
    assert_null(event_log_scan(log, &cursor, not_streams, NULL));
    struct event *event = event_log_scan(log, &cursor, any, NULL);
    assert_int_equal(event->seq, 1);
    event_unref(event);
    publish_stream(log, "a");
    publish_state(log, "{}");
    event = event_log_scan(log, &cursor, not_streams, NULL);
    assert_int_equal(event->seq, 3);
    event_unref(event);
    assert_null(event_log_scan(log, &cursor, any, NULL)); /* 2 would go back */
    event_log_free(log);
}

static void lag_counts_bytes_of_state_events_only(void **state)
{
    (void)state;
    struct event_log *log = event_log_new("ep", 1);
    publish_state(log, "{}");
    int64_t one = event_log_lag(log, 0);
    assert_true(one > 0);
    publish_stream(log, "a");
    assert_int_equal(event_log_lag(log, 0), one);
    publish_state(log, "{}");
    assert_int_equal(event_log_lag(log, 0), 2 * one);
    assert_int_equal(event_log_lag(log, 1), one);
    assert_int_equal(event_log_lag(log, 3), 0);
    int64_t lag = -1;
    event_unref(event_log_next(log, 1, any, NULL, &lag));
    assert_int_equal(lag, one);
    event_log_free(log);
}

static void event_lives_as_long_as_it_is_held(void **state)
{
    (void)state;
    struct event_log *log = event_log_new("ep", 1);
    publish_stream(log, "a");
    struct event *held = event_log_next(log, 0, any, NULL, NULL);
    publish_stream(log, "a");
    event_log_free(log);
    assert_int_equal(held->seq, 1);
    event_unref(held);
}

static void envelope_has_the_documented_members(void **state)
{
    (void)state;
    clock_hold(1782907200123, 0);
    struct event_log *log = event_log_new("01EP", 1);
    struct event_subject subject = {.job = "job_1", .copy = 2, .attempt = 0, .recorder = "a\"b"};
    struct event *event = event_log_publish(log, 1782907200123, EVENT_COPY_STATE, &subject,
                                            xstrdup("{\"from\":\"pending\"}"), NULL);
    size_t length = 0, frame_length = 0;
    char *text = event_envelope(event, "01EP", &length);
    assert_string_equal(text,
                        "{\"epoch\":\"01EP\",\"seq\":1,\"time\":\"2026-07-01T12:00:00.123Z\","
                        "\"type\":\"copy.state\",\"job\":\"job_1\",\"copy\":2,\"attempt\":null,"
                        "\"recorder\":\"a\\\"b\",\"data\":{\"from\":\"pending\"}}");
    assert_int_equal(length, strlen(text));
    char *frame = event_frame(event, "01EP", &frame_length);
    assert_string_equal(frame, text);
    assert_int_equal(frame_length, length);
    assert_ptr_equal(event_frame(event, "01EP", &frame_length), frame);
    memset(frame - EVENT_HEADROOM, 0xFF, EVENT_HEADROOM);
    free(text);
    event_log_free(log);
    clock_release();
}

static void count_call(void *arg)
{
    ++*(int *)arg;
}

static void listeners_are_told_until_they_leave(void **state)
{
    (void)state;
    struct event_log *log = event_log_new("ep", 1);
    int first = 0, second = 0;
    event_log_listen(log, count_call, &first);
    event_log_listen(log, count_call, &second);
    publish_state(log, "{}");
    event_log_unlisten(log, count_call, &first);
    publish_stream(log, "a");
    assert_int_equal(first, 1);
    assert_int_equal(second, 2);
    event_log_free(log);
}

static void every_type_has_a_word_that_leads_back(void **state)
{
    (void)state;
    for (int i = 0; i < EVENT_TYPE_COUNT; i++) {
        enum event_type type = EVENT_TYPE_COUNT;
        assert_int_equal(event_type_from_text(event_type_to_text((enum event_type)i), &type), 0);
        assert_int_equal(type, i);
    }
    enum event_type type;
    assert_int_equal(event_type_from_text("nonsense", &type), -1);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(numbers_begin_where_the_store_reserved),
        cmocka_unit_test(reader_gets_everything_in_order_then_nothing),
        cmocka_unit_test(only_latest_of_a_stream_key_is_kept),
        cmocka_unit_test(stream_keys_are_bounded_and_the_oldest_goes),
        cmocka_unit_test(ring_forgets_the_oldest_and_says_so),
        cmocka_unit_test(restored_events_are_replayed_before_new_ones),
        cmocka_unit_test(scan_looks_at_unwanted_state_events_once),
        cmocka_unit_test(refused_stream_event_is_offered_again_until_overtaken),
        cmocka_unit_test(lag_counts_bytes_of_state_events_only),
        cmocka_unit_test(event_lives_as_long_as_it_is_held),
        cmocka_unit_test(envelope_has_the_documented_members),
        cmocka_unit_test(listeners_are_told_until_they_leave),
        cmocka_unit_test(every_type_has_a_word_that_leads_back),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
