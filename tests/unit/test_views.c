/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * What clients are shown: documents survive the way to text and back; a job, copy and attempt look
 * the same from memory and from the store; what is not known is null.
 */
#include "api/views.h"

#include "api/body_reader.h"
#include "base/alloc.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

static struct error err;

static void read_document(const char *text, struct job_document *out)
{
    if (body_reader_stored_document(text, out, &err) != 0) {
        fail_msg("%s: %s", text, err.message);
    }
}

static void expect_round_trip(const char *text)
{
    struct job_document first, second;
    read_document(text, &first);
    char *once = view_document_text(&first);
    read_document(once, &second);
    char *twice = view_document_text(&second);
    assert_string_equal(once, twice);
    assert_string_equal(first.verify_where, second.verify_where);
    assert_int_equal(first.recorder_count, second.recorder_count);
    assert_int_equal(first.on_wrong_medium, second.on_wrong_medium);
    assert_int_equal(first.max_ruined_discs, second.max_ruined_discs);
    assert_int_equal(first.eject, second.eject);
    assert_true(first.speed.value == second.speed.value);
    free(once);
    free(twice);
    job_document_release(&first);
    job_document_release(&second);
}

static void document_survives_the_way_to_text_and_back(void **state)
{
    (void)state;
    expect_round_trip("{\"type\":\"data\",\"data\":{\"entries\":[{\"text\":\"\",\"to\":\"/a\"}]}}");
    expect_round_trip(
        "{\"type\":\"image\",\"image\":{\"from\":\"root:a/b.iso\"},\"burn\":{\"speed\":\"min\"}}");
    expect_round_trip(
        "{\"type\":\"data\",\"title\":\"H\\u00f6he\",\"client_ref\":\"c\",\"tags\":{\"a\":\"\","
        "\"b\":\"c\"},"
        "\"copies\":7,\"target\":{\"recorders\":[\"x\",\"y\"],\"pool\":\"p\",\"medium\":{"
        "\"profiles\":[\"cd-r\"],"
        "\"require\":\"any\"},\"on_wrong_medium\":\"wait\",\"wait_timeout_s\":0},\"data\":{"
        "\"entries\":[{\"from\":"
        "\"root:p\",\"to\":\"/\"},{\"text\":\"l1\\nl2\\t\\\"\",\"to\":\"/\\u00e4/"
        "b\"}],\"exclude\":[\"*.o\","
        "\"**/x\"],\"volume_id\":\"V "
        "1\",\"checksums\":\"none\"},\"burn\":{\"speed\":{\"x\":8.1},\"simulate\":true},"
        "\"verify\":{\"level\":\"quick\",\"where\":\"any\",\"reload\":false},\"on_failure\":"
        "{\"max_ruined_discs\":null,\"then\":\"fail\"},\"after\":{\"eject\":true}}");
    expect_round_trip("{\"type\":\"data\",\"data\":{\"entries\":[{\"text\":\"x\",\"to\":\"/a\"}]},"
                      "\"burn\":{\"speed\":{\"kb_s\":11080}},\"target\":{\"recorder\":\"r1\"},"
                      "\"verify\":\"none\",\"after\":{\"eject\":false}}");
}

/* --- a job from memory and from the store -------------------------------------------------- */

static const char document_text[] = "{\"type\":\"data\",\"title\":\"T\",\"data\":{\"entries\":[{"
                                    "\"from\":\"root:a\",\"to\":\"/\"}]}}";

static void fill_snapshot(struct job_snapshot *out)
{
    *out = (struct job_snapshot){.percent = 12.345, .eta_s = -1, .cancel = CANCEL_SAFE};
    struct job *job = &out->job;
    read_document(document_text, &job->document);
    text_copy(job->id, sizeof(job->id), "job_1");
    job->state = JOB_RUNNING;
    job->created_at_ms = 1000;
    job->copy_count = 3;
    job->copies = xcalloc(3, sizeof(*job->copies));
    for (int i = 0; i < 3; i++) {
        job->copies[i].number = i + 1;
        text_copy(job->copies[i].id, sizeof(job->copies[i].id), "cpy_1");
    }
    job->copies[0].state = COPY_RUNNING;
    job->copies[0].attempts = 2;
    text_copy(job->copies[0].recorder, sizeof(job->copies[0].recorder), "r1");
    for (int i = 1; i < 3; i++) {
        job->copies[i].has_reason = true;
        job->copies[i].reason = REASON_RECORDER_BUSY;
    }
    text_copy(out->current.id, sizeof(out->current.id), "att_1");
    out->current.copy = 1;
    out->current.attempt = 2;
    out->current.phase = PHASE_WRITE;
    out->progress.copy = 1;
    out->progress.percent = 37;
    out->progress.eta_s = 4;
    out->progress.block = xstrdup("{\"completed\":3}");
}

static struct job_row make_row(char *document)
{
    struct job_row row = {
        .id = "job_1", .state = "completed", .type = "data", .document = document};
    row.copy_count = 3;
    row.created_at_ms = 1000;
    row.ended_at_ms = 2000;
    row.terminal = true;
    return row;
}

/* Both ways, member by member; objects within are compared by their members too. */
static void expect_same_members(const json_t *a, const json_t *b)
{
    const char *key;
    json_t *value;
    json_object_foreach((json_t *)(uintptr_t)a, key, value)
    {
        json_t *other = json_object_get(b, key);
        if (other == NULL) {
            fail_msg("%s stands on one side only", key);
        }
        if (json_is_object(value) && json_is_object(other) && json_object_size(value) > 0 &&
            strcmp(key, "tags") != 0) {
            expect_same_members(value, other);
        }
    }
    assert_int_equal(json_object_size(a), json_object_size(b));
}

static void job_has_the_same_members_from_memory_and_store(void **state)
{
    (void)state;
    struct job_snapshot snapshot;
    fill_snapshot(&snapshot);
    int64_t counts[COPY_COUNT] = {[COPY_DONE] = 3};
    char *document = view_document_text(&snapshot.job.document);
    struct job_row row = make_row(document);
    json_t *live = view_job(&snapshot), *stored = view_job_row(&row, view_copies_summary(counts));
    expect_same_members(live, stored);
    expect_same_members(stored, live);
    assert_true(json_number_value(json_object_get(stored, "percent")) == 100.0);
    json_decref(live);
    json_decref(stored);
    free(document);
    job_snapshot_release(&snapshot);
}

static void job_says_what_runs_and_what_it_waits_for(void **state)
{
    (void)state;
    struct job_snapshot snapshot;
    fill_snapshot(&snapshot);
    json_t *job = view_job(&snapshot);
    json_t *active = json_object_get(job, "active"), *first = json_array_get(active, 0);
    assert_int_equal(json_array_size(active), 1);
    assert_string_equal(json_string_value(json_object_get(first, "phase")), "write");
    assert_int_equal(json_integer_value(json_object_get(first, "attempt")), 2);
    assert_int_equal(json_integer_value(json_object_get(first, "eta_s")), 4);
    /* two copies wait for the same: one detail, of no single copy */
    json_t *details = json_object_get(job, "reason_details");
    assert_int_equal(json_array_size(details), 1);
    assert_true(json_is_null(json_object_get(json_array_get(details, 0), "copy")));
    assert_int_equal(json_array_size(json_object_get(job, "reasons")), 1);
    json_t *summary = json_object_get(job, "copies_summary");
    assert_int_equal(json_integer_value(json_object_get(summary, "total")), 3);
    assert_int_equal(json_integer_value(json_object_get(summary, "pending")), 2);
    assert_true(json_number_value(json_object_get(job, "percent")) == 12.34);
    assert_true(json_is_null(json_object_get(job, "queue_position")));
    assert_true(json_is_null(json_object_get(job, "eta_s")));
    assert_true(json_is_null(json_object_get(job, "started_at")));
    assert_true(json_is_null(json_object_get(job, "problem")));
    json_decref(job);
    job_snapshot_release(&snapshot);
}

static void progress_of_a_copy_is_its_last_events(void **state)
{
    (void)state;
    struct job_snapshot snapshot;
    fill_snapshot(&snapshot);
    json_t *progress = view_progress(&snapshot);
    json_t *copies = json_object_get(progress, "copies"), *first = json_array_get(copies, 0);
    assert_int_equal(json_array_size(copies), 3);
    assert_int_equal(
        json_integer_value(json_object_get(json_object_get(first, "block"), "completed")), 3);
    assert_true(json_is_null(json_object_get(first, "verify")));
    struct event_row row = {.type = "progress.verify", .copy = 1, .data = "{\"total\":9}"};
    view_progress_event(progress, &row);
    assert_int_equal(json_integer_value(json_object_get(json_object_get(first, "verify"), "total")),
                     9);
    row.copy = 4;
    view_progress_event(progress, &row); /* a copy it does not have */
    row.copy = 2;
    row.type = "progress.unheard_of";
    view_progress_event(progress, &row);
    assert_int_equal(json_object_size(json_array_get(copies, 1)), json_object_size(first));
    json_decref(progress);
    job_snapshot_release(&snapshot);
}

static void copy_and_attempt_have_the_same_members_from_the_store(void **state)
{
    (void)state;
    struct copy copy = {.number = 1, .id = "cpy_1"};
    struct copy_row copy_row = {.job = "job_1", .id = "cpy_1", .number = 1, .state = "pending"};
    json_t *a = view_copy("job_1", &copy), *b = view_copy_row(&copy_row);
    assert_true(json_equal(a, b));
    json_decref(a);
    json_decref(b);
    struct attempt attempt = {.id = "att_1", .copy = 1, .attempt = 1, .phase = PHASE_WRITE};
    attempt.phase_count = 1;
    attempt.phases[0] = (struct phase_record){.phase = PHASE_WRITE, .started_at_ms = 1000};
    struct attempt_row attempt_row = {
        .id = "att_1",
        .copy = 1,
        .attempt = 1,
        .recorder = "",
        .phase = "write",
        .cancel = "safe",
        .outcome = "none",
        .advice = "none",
        .verified = "none",
        .speed_asked = "max",
        .phases = "write=1000-0",
    };
    a = view_attempt(&attempt);
    b = view_attempt_row(&attempt_row);
    assert_true(json_equal(a, b));
    json_decref(a);
    json_decref(b);
}

static void disc_has_the_same_members_from_the_store(void **state)
{
    (void)state;
    struct disc disc = {.id = "dsc_1", .job = "job_1", .copy = 1, .attempt = 1, .blocks = 9};
    disc.outcome = OUTCOME_GOOD;
    disc.verified = VERIFY_FULL;
    struct disc_row row = {.id = "dsc_1",
                           .job = "job_1",
                           .copy = 1,
                           .attempt = 1,
                           .blocks = 9,
                           .outcome = "good",
                           .verified = "full"};
    json_t *a = view_disc(&disc), *b = view_disc_row(&row);
    assert_true(json_equal(a, b));
    json_decref(a);
    json_decref(b);
}

static void stored_problem_is_the_same_problem(void **state)
{
    (void)state;
    struct copy copy = {.number = 1, .id = "cpy_1", .state = COPY_FAILED};
    error_set(&copy.problem, ERROR_SOURCE_CHANGED, "the file %s changed", "root:a/b");
    char *text = error_encode(&copy.problem);
    struct copy_row row = {
        .job = "job_1", .id = "cpy_1", .number = 1, .state = "failed", .problem = text};
    json_t *a = view_copy("job_1", &copy), *b = view_copy_row(&row);
    assert_string_equal(json_string_value(json_object_get(json_object_get(a, "problem"), "code")),
                        "source_changed");
    assert_true(json_equal(a, b));
    json_decref(a);
    json_decref(b);
    free(text);
}

/* --- recorders, events, texts -------------------------------------------------------------- */

static void recorder_without_medium_has_every_member(void **state)
{
    (void)state;
    static const char *const members[] = {
        "id",      "alias",    "pool",         "tags",    "kind",  "node",     "vendor",
        "product", "revision", "serial",       "enabled", "state", "activity", "write_in_progress",
        "lease",   "tray",     "capabilities", "medium",
    };
    struct recorder *recorder = xcalloc(1, sizeof(*recorder));
    recorder->kind = RECORDER_KIND_FILE;
    text_copy(recorder->id, sizeof(recorder->id), "r1");
    json_t *object = view_recorder(recorder);
    for (size_t i = 0; i < sizeof(members) / sizeof(members[0]); i++) {
        assert_non_null(json_object_get(object, members[i]));
    }
    assert_true(json_is_null(json_object_get(object, "medium")));
    assert_true(json_is_null(json_object_get(object, "lease")));
    assert_true(json_is_null(json_object_get(object, "alias")));
    json_decref(object);
    free(recorder);
}

static void medium_has_every_member_whatever_is_known(void **state)
{
    (void)state;
    static const char *const members[] = {
        "profile",
        "profile_code",
        "state",
        "flags",
        "erasable",
        "overwritable",
        "physically_blank",
        "heuristically_blank",
        "capacity_sectors",
        "free_sectors",
        "used_sectors",
        "block_size",
        "next_writable_lba",
        "write_unit_sectors",
        "previous_session",
        "sessions",
        "write_speeds",
        "volume_id",
        "manufacturer",
        "media_id",
        "mcn",
        "cd_text",
        "disc",
        "discs",
        "fingerprint",
        "write_protect",
        "checked_at",
    };
    struct medium medium = {.present = true, .state = MEDIUM_APPENDABLE, .overwritable = true};
    medium.capacity_sectors = medium.free_sectors = -1;
    medium.session_count = 1;
    medium.session_sectors = 40;
    json_t *object = view_medium(&medium, "dsc_1");
    for (size_t i = 0; i < sizeof(members) / sizeof(members[0]); i++) {
        assert_non_null(json_object_get(object, members[i]));
    }
    assert_int_equal(json_object_size(object), sizeof(members) / sizeof(members[0]));
    assert_true(json_is_null(json_object_get(object, "capacity_sectors")));
    assert_true(json_is_null(json_object_get(object, "physically_blank")));
    assert_int_equal(json_array_size(json_object_get(object, "sessions")), 1);
    assert_string_equal(json_string_value(json_array_get(json_object_get(object, "discs"), 0)),
                        "dsc_1");
    json_decref(object);
}

static json_t *event_data(enum event_type type, const void *payload)
{
    char *text = view_event_data(type, payload);
    json_t *data = json_loads(text, 0, NULL);
    assert_non_null(data);
    free(text);
    return data;
}

static void block_progress_has_first_and_last(void **state)
{
    (void)state;
    struct block_progress progress = {.total = 3, .start_lba = 0, .eta_s = -1, .rate_kb_s = -1};
    progress.device_buffer = progress.system_buffer = (struct buffer_fill){-1, -1, -1};
    json_t *data = event_data(EVENT_PROGRESS_BLOCK, &progress);
    assert_int_equal(json_object_size(data), 16);
    assert_true(json_number_value(json_object_get(data, "percent")) == 0);
    assert_int_equal(json_integer_value(json_object_get(data, "lba")), 0);
    assert_true(json_is_null(json_object_get(data, "rate_kb_s")));
    json_decref(data);
    progress.completed = 2;
    data = event_data(EVENT_PROGRESS_BLOCK, &progress);
    assert_true(json_number_value(json_object_get(data, "percent")) == 66.66);
    json_decref(data);
    progress.completed = 3;
    data = event_data(EVENT_PROGRESS_BLOCK, &progress);
    assert_true(json_number_value(json_object_get(data, "percent")) == 100);
    assert_int_equal(json_integer_value(json_object_get(data, "lba")), 2);
    json_decref(data);
}

static void percent_is_hundred_only_at_the_end(void **state)
{
    (void)state;
    struct verify_progress progress = {.completed = 99999, .total = 100000};
    json_t *data = event_data(EVENT_PROGRESS_VERIFY, &progress);
    assert_true(json_number_value(json_object_get(data, "percent")) < 100);
    json_decref(data);
}

static void end_of_an_attempt_tells_its_outcome(void **state)
{
    (void)state;
    struct phase_change change = {
        .phase = PHASE_WRITE, .cancel = CANCEL_RUINS_DISC, .expected_s = -1};
    json_t *data = event_data(EVENT_ATTEMPT_PHASE, &change);
    assert_null(json_object_get(data, "outcome"));
    assert_string_equal(json_string_value(json_object_get(data, "cancel")), "ruins_disc");
    json_decref(data);
    change.phase = PHASE_ENDED;
    change.outcome = OUTCOME_GOOD;
    change.advice = ADVICE_KEEP;
    data = event_data(EVENT_ATTEMPT_PHASE, &change);
    assert_string_equal(json_string_value(json_object_get(data, "outcome")), "good");
    assert_true(json_is_null(json_object_get(data, "problem")));
    assert_true(json_is_null(json_object_get(data, "disc")));
    json_decref(data);
}

static void every_event_type_has_data(void **state)
{
    (void)state;
    for (int type = 0; type < EVENT_TYPE_COUNT; type++) {
        char *text = view_event_data(type, NULL);
        assert_string_equal(text, "{}");
        free(text);
    }
}

static void stored_event_has_the_envelope(void **state)
{
    (void)state;
    struct event_row row = {
        .seq = 7, .time_ms = 1000, .type = "job.state", .job = "job_1", .data = "{\"a\":1}"};
    json_t *event = view_event_row(&row, "e1");
    assert_int_equal(json_object_size(event), 9);
    assert_string_equal(json_string_value(json_object_get(event, "epoch")), "e1");
    assert_true(json_is_null(json_object_get(event, "copy")));
    assert_int_equal(json_integer_value(json_object_get(json_object_get(event, "data"), "a")), 1);
    json_decref(event);
}

static void text_that_is_no_utf8_is_repaired(void **state)
{
    (void)state;
    json_t *text = view_text("a\xFF"
                             "b\xC3\xA4\xC3");
    assert_string_equal(json_string_value(text), "a\xEF\xBF\xBD"
                                                 "b\xC3\xA4\xEF\xBF\xBD");
    json_decref(text);
    text = view_text("\xED\xA0\x80"); /* half a surrogate pair */
    assert_true(json_is_string(text));
    json_decref(text);
    assert_true(json_is_null(view_text("")));
    assert_true(json_is_null(view_text(NULL)));
    assert_true(json_is_null(view_time(0)));
    assert_true(json_is_null(view_count(-1)));
}

static void plan_tells_what_each_recorder_says(void **state)
{
    (void)state;
    struct submission *submission = xcalloc(1, sizeof(*submission));
    struct plan *plan = &submission->plan;
    plan->image_sectors = 500;
    error_set(&plan->errors[0], ERROR_DOES_NOT_FIT, "too large");
    plan->error_count = 1;
    submission->recorder_count = 2;
    text_copy(submission->recorders[0].recorder, RECORDER_ID_SIZE, "r1");
    text_copy(submission->recorders[0].reasons[0], 40, "medium_not_blank");
    submission->recorders[0].reason_count = 1;
    submission->recorders[0].capacity_sectors = 10;
    text_copy(submission->recorders[1].recorder, RECORDER_ID_SIZE, "r2");
    submission->recorders[1].eligible = submission->recorders[1].fits = true;
    submission->recorders[1].capacity_sectors = 1000;
    json_t *object = view_plan(plan, submission),
           *disc = json_array_get(json_object_get(object, "discs"), 0);
    assert_true(json_is_false(json_object_get(object, "ok")));
    assert_int_equal(json_integer_value(json_object_get(disc, "capacity_sectors")), 1000);
    assert_true(json_is_true(json_object_get(disc, "fits")));
    assert_int_equal(json_array_size(json_object_get(object, "eligible_recorders")), 1);
    assert_int_equal(json_array_size(json_object_get(object, "ineligible_recorders")), 1);
    json_decref(object);
    object = view_plan(plan, NULL); /* of a stored job: nobody was asked */
    assert_true(json_is_null(json_object_get(object, "eligible_recorders")));
    json_decref(object);
    free(submission);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(document_survives_the_way_to_text_and_back),
        cmocka_unit_test(job_has_the_same_members_from_memory_and_store),
        cmocka_unit_test(job_says_what_runs_and_what_it_waits_for),
        cmocka_unit_test(progress_of_a_copy_is_its_last_events),
        cmocka_unit_test(copy_and_attempt_have_the_same_members_from_the_store),
        cmocka_unit_test(disc_has_the_same_members_from_the_store),
        cmocka_unit_test(stored_problem_is_the_same_problem),
        cmocka_unit_test(recorder_without_medium_has_every_member),
        cmocka_unit_test(medium_has_every_member_whatever_is_known),
        cmocka_unit_test(block_progress_has_first_and_last),
        cmocka_unit_test(percent_is_hundred_only_at_the_end),
        cmocka_unit_test(end_of_an_attempt_tells_its_outcome),
        cmocka_unit_test(every_event_type_has_data),
        cmocka_unit_test(stored_event_has_the_envelope),
        cmocka_unit_test(text_that_is_no_utf8_is_repaired),
        cmocka_unit_test(plan_tells_what_each_recorder_says),
    };
    return cmocka_run_group_tests_name("views", tests, NULL, NULL);
}
