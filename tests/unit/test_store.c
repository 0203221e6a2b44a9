/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * The store through its header, each test with a database of its own in a temporary folder: what is
 * put comes back, what must not be opened is refused, and a full or damaged disk is an error with a
 * sentence. SQLite itself is used only to make the fixtures that burnd would not make.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include "base/clock.h"
#include "store/store.h"

#include <fcntl.h>
#include <signal.h>
#include <sqlite3.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

struct fixture {
    char folder[64];
    char path[96];
    struct store *store;
    struct error err;
};

static void run_sql(const char *path, const char *sql)
{
    sqlite3 *db = NULL;
    assert_int_equal(sqlite3_open(path, &db), SQLITE_OK);
    assert_int_equal(sqlite3_exec(db, sql, NULL, NULL, NULL), SQLITE_OK);
    sqlite3_close(db);
}

static void open_store(struct fixture *f)
{
    f->err = ERROR_EMPTY;
    if (store_open(f->path, &f->store, &f->err) != 0) {
        fail_msg("%s", f->err.message);
    }
}

static void reopen(struct fixture *f)
{
    store_close(f->store);
    open_store(f);
}

static int set_up_closed(void **state)
{
    struct fixture *f = calloc(1, sizeof *f);
    snprintf(f->folder, sizeof f->folder, "/tmp/test_store.XXXXXX");
    assert_non_null(mkdtemp(f->folder));
    snprintf(f->path, sizeof f->path, "%s/burnd.db", f->folder);
    *state = f;
    return 0;
}

static int set_up(void **state)
{
    set_up_closed(state);
    open_store(*state);
    return 0;
}

static int tear_down(void **state)
{
    static const char *const endings[] = {"", "-wal", "-shm"};
    struct fixture *f = *state;
    clock_release();
    store_close(f->store);
    for (size_t i = 0; i < 3; i++) {
        char name[128];
        snprintf(name, sizeof name, "%s%s", f->path, endings[i]);
        unlink(name);
    }
    rmdir(f->folder);
    free(f);
    return 0;
}

static struct job_row a_job(const char *id)
{
    struct job_row row = {.type = "data",
                          .state = "queued",
                          .title = "Holiday",
                          .document = "{\"type\":\"data\"}",
                          .tags = "\ndesk=3\nshelf=A\n",
                          .priority = 50,
                          .copy_count = 2,
                          .version = 1,
                          .created_at_ms = 1000};
    snprintf(row.id, sizeof row.id, "%s", id);
    return row;
}

static struct copy_row a_copy(const char *job, int number)
{
    struct copy_row row = {.number = number, .state = "pending"};
    snprintf(row.job, sizeof row.job, "%s", job);
    snprintf(row.id, sizeof row.id, "cpy_%d", number);
    return row;
}

static struct attempt_row an_attempt(const char *job, int copy, int attempt)
{
    struct attempt_row row = {
        .copy = copy, .attempt = attempt, .phase = "write", .started_at_ms = 7};
    snprintf(row.job, sizeof row.job, "%s", job);
    snprintf(row.id, sizeof row.id, "att_%d_%d", copy, attempt);
    return row;
}

static void put_job(struct fixture *f, const struct job_row *row)
{
    assert_int_equal(store_put_job(f->store, row, &f->err), 0);
}

static void put_event(struct fixture *f, int64_t seq, const char *job)
{
    struct event_row row = {
        .seq = seq, .time_ms = seq * 10, .type = "job.state", .job = job, .data = "{}"};
    assert_int_equal(store_put_event(f->store, &row, &f->err), 0);
}

/* The ids or numbers of the rows a query gave, separated by spaces. */
struct listing {
    char text[512];
    int stop_after; /* 0 = never */
    int count;
};

static bool list_add(struct listing *list, const char *word)
{
    size_t used = strlen(list->text);
    snprintf(list->text + used, sizeof list->text - used, "%s%s", used > 0 ? " " : "", word);
    return ++list->count != list->stop_after;
}

static bool list_number(struct listing *list, int64_t number)
{
    char word[24];
    snprintf(word, sizeof word, "%lld", (long long)number);
    return list_add(list, word);
}

static bool list_job(const struct job_row *row, void *arg)
{
    return list_add(arg, row->id);
}

static bool list_copy(const struct copy_row *row, void *arg)
{
    return list_number(arg, row->number);
}

static bool list_attempt(const struct attempt_row *row, void *arg)
{
    return list_add(arg, row->id);
}

static bool list_disc(const struct disc_row *row, void *arg)
{
    return list_add(arg, row->id);
}

static bool list_event(const struct event_row *row, void *arg)
{
    return list_number(arg, row->seq);
}

static void expect_jobs(struct fixture *f, struct job_filter filter, const char *expected)
{
    struct listing list = {0};
    assert_int_equal(store_jobs(store_as_reader(f->store), &filter, list_job, &list, &f->err), 0);
    assert_string_equal(list.text, expected);
}

static void expect_events(struct fixture *f, const char *job, int64_t after, int limit,
                          const char *expected)
{
    struct listing list = {0};
    assert_int_equal(
        store_events(store_as_reader(f->store), job, after, limit, list_event, &list, &f->err), 0);
    assert_string_equal(list.text, expected);
}

#define ALL_JOBS .needs_person = -1

/* --- rows come back ------------------------------------------------------------------------ */

static bool check_full_job(const struct job_row *row, void *arg)
{
    *(int *)arg += 1;
    assert_string_equal(row->id, "job_1");
    assert_string_equal(row->state, "running");
    assert_null(row->client_ref);
    assert_null(row->problem);
    assert_string_equal(row->document, "{\"title\":\"\303\204rger\"}");
    assert_string_equal(row->first_sha256, "abc");
    assert_true(row->cancel_accepted);
    assert_false(row->terminal);
    assert_int_equal(row->version, 9000000000LL);
    assert_int_equal(row->started_at_ms, 5);
    assert_int_equal(row->ended_at_ms, 0);
    return true;
}

static void a_job_comes_back_as_it_was_put(void **state)
{
    struct fixture *f = *state;
    struct job_row row = a_job("job_1");
    put_job(f, &row);
    row.state = "running";
    row.document = "{\"title\":\"\303\204rger\"}";
    row.first_sha256 = "abc";
    row.cancel_accepted = true;
    row.version = 9000000000LL;
    row.started_at_ms = 5;
    put_job(f, &row);
    reopen(f);
    int seen = 0;
    assert_int_equal(store_job(store_as_reader(f->store), "job_1", check_full_job, &seen, &f->err),
                     0);
    assert_int_equal(seen, 1);
    assert_int_equal(store_job(store_as_reader(f->store), "job_2", check_full_job, &seen, &f->err),
                     0);
    assert_int_equal(seen, 1);
}

static bool check_attempt(const struct attempt_row *row, void *arg)
{
    *(int *)arg += 1;
    assert_string_equal(row->outcome, "good");
    assert_string_equal(row->speed_asked, "kb_s=11080");
    assert_int_equal(row->blocks, 1LL << 33);
    assert_true(row->has_items);
    return true;
}

static void storing_a_job_again_keeps_its_copies_and_attempts(void **state)
{
    struct fixture *f = *state;
    struct job_row job = a_job("job_1");
    struct copy_row copies[] = {a_copy("job_1", 1), a_copy("job_1", 2)};
    struct attempt_row attempt = an_attempt("job_1", 2, 1);
    put_job(f, &job);
    assert_int_equal(store_put_copy(f->store, &copies[0], &f->err), 0);
    assert_int_equal(store_put_copy(f->store, &copies[1], &f->err), 0);
    assert_int_equal(store_put_attempt(f->store, &attempt, &f->err), 0);
    attempt.outcome = "good";
    attempt.speed_asked = "kb_s=11080";
    attempt.blocks = 1LL << 33;
    attempt.has_items = true;
    assert_int_equal(store_put_attempt(f->store, &attempt, &f->err), 0);
    job.state = "running";
    put_job(f, &job);
    struct listing list = {0};
    assert_int_equal(
        store_copies(store_as_reader(f->store), "job_1", 0, 0, 10, list_copy, &list, &f->err), 0);
    assert_string_equal(list.text, "1 2");
    int seen = 0;
    assert_int_equal(store_attempts(store_as_reader(f->store), "job_1", 2, 1, 0, 1, check_attempt,
                                    &seen, &f->err),
                     0);
    assert_int_equal(seen, 1);
}

static void copies_are_paged_and_found_by_number(void **state)
{
    struct fixture *f = *state;
    struct job_row job = a_job("job_1");
    put_job(f, &job);
    for (int i = 1; i <= 5; i++) {
        struct copy_row copy = a_copy("job_1", i);
        assert_int_equal(store_put_copy(f->store, &copy, &f->err), 0);
    }
    struct listing page = {0};
    assert_int_equal(
        store_copies(store_as_reader(f->store), "job_1", 0, 2, 2, list_copy, &page, &f->err), 0);
    assert_string_equal(page.text, "3 4");
    struct listing one = {0};
    assert_int_equal(
        store_copies(store_as_reader(f->store), "job_1", 5, 99, 1, list_copy, &one, &f->err), 0);
    assert_string_equal(one.text, "5");
}

static void attempts_that_have_not_ended_are_found_over_all_jobs(void **state)
{
    struct fixture *f = *state;
    struct job_row jobs[] = {a_job("job_1"), a_job("job_2")};
    struct attempt_row attempts[] = {an_attempt("job_1", 1, 1), an_attempt("job_1", 1, 2),
                                     an_attempt("job_2", 3, 1)};
    attempts[0].ended_at_ms = 8;
    for (int i = 0; i < 2; i++) {
        put_job(f, &jobs[i]);
    }
    for (int i = 0; i < 3; i++) {
        assert_int_equal(store_put_attempt(f->store, &attempts[i], &f->err), 0);
    }
    struct listing list = {0};
    assert_int_equal(store_open_attempts(store_as_reader(f->store), list_attempt, &list, &f->err),
                     0);
    assert_string_equal(list.text, "att_1_2 att_3_1");
}

static void a_copy_without_its_job_is_refused(void **state)
{
    struct fixture *f = *state;
    struct copy_row copy = a_copy("job_none", 1);
    assert_int_equal(store_put_copy(f->store, &copy, &f->err), -1);
    assert_int_equal(f->err.code, ERROR_STORE_UNAVAILABLE);
    assert_non_null(strstr(f->err.message, "FOREIGN KEY"));
}

static void a_callback_that_says_no_ends_the_listing(void **state)
{
    struct fixture *f = *state;
    struct job_row jobs[] = {a_job("job_1"), a_job("job_2"), a_job("job_3")};
    for (int i = 0; i < 3; i++) {
        put_job(f, &jobs[i]);
    }
    struct listing list = {.stop_after = 2};
    struct job_filter filter = {ALL_JOBS};
    assert_int_equal(store_jobs(store_as_reader(f->store), &filter, list_job, &list, &f->err), 0);
    assert_string_equal(list.text, "job_3 job_2");
    expect_jobs(f, filter, "job_3 job_2 job_1");
}

/* --- filters ------------------------------------------------------------------------------- */

static void put_three_jobs(struct fixture *f)
{
    struct job_row one = a_job("job_1");
    struct job_row two = a_job("job_2");
    struct job_row three = a_job("job_3");
    one.created_at_ms = 100;
    two.state = "completed";
    two.terminal = true;
    two.created_at_ms = 200;
    two.client_ref = "order 7";
    two.tags = "\ndesk=33\n";
    three.state = "waiting";
    three.needs_person = true;
    three.created_at_ms = 300;
    three.title = "Winter photos";
    three.recorder = "slot-1";
    three.tags = NULL;
    put_job(f, &one);
    put_job(f, &two);
    put_job(f, &three);
    struct copy_row copy = a_copy("job_1", 1);
    copy.recorder = "slot-1";
    assert_int_equal(store_put_copy(f->store, &copy, &f->err), 0);
}

static void jobs_are_filtered(void **state)
{
    struct fixture *f = *state;
    put_three_jobs(f);
    expect_jobs(f, (struct job_filter){ALL_JOBS}, "job_3 job_2 job_1");
    expect_jobs(f, (struct job_filter){ALL_JOBS, .limit = 2}, "job_3 job_2");
    expect_jobs(f, (struct job_filter){ALL_JOBS, .limit = 2, .cursor = "job_2"}, "job_1");
    expect_jobs(f, (struct job_filter){ALL_JOBS, .states = "queued,waiting"}, "job_3 job_1");
    expect_jobs(f, (struct job_filter){ALL_JOBS, .states = "queue"}, "");
    expect_jobs(f, (struct job_filter){ALL_JOBS, .type = "image"}, "");
    expect_jobs(f, (struct job_filter){ALL_JOBS, .client_ref = "order 7"}, "job_2");
    expect_jobs(f, (struct job_filter){ALL_JOBS, .title = "PHOTO"}, "job_3");
    expect_jobs(f, (struct job_filter){ALL_JOBS, .recorder = "slot-1"}, "job_3 job_1");
    expect_jobs(f, (struct job_filter){ALL_JOBS, .tag_key = "desk"}, "job_2 job_1");
    expect_jobs(f, (struct job_filter){ALL_JOBS, .tag_key = "desk", .tag_value = "3"}, "job_1");
    expect_jobs(f, (struct job_filter){ALL_JOBS, .created_after_ms = 100}, "job_3 job_2");
    expect_jobs(f, (struct job_filter){ALL_JOBS, .created_before_ms = 200}, "job_1");
    expect_jobs(f, (struct job_filter){.needs_person = 1}, "job_3");
    expect_jobs(f, (struct job_filter){.needs_person = 0}, "job_2 job_1");
    expect_jobs(f, (struct job_filter){ALL_JOBS, .only_live = true}, "job_3 job_1");
}

static void put_disc(struct fixture *f, const char *id, const char *title, const char *fingerprint)
{
    struct disc_row row = {.title = title,
                           .volume_id = "HOLIDAY",
                           .profile = "stdio",
                           .fingerprint = fingerprint,
                           .outcome = "good",
                           .verified = "full",
                           .location = "/srv/out.iso",
                           .job = "job_1",
                           .created_at_ms = 4};
    snprintf(row.id, sizeof row.id, "%s", id);
    assert_int_equal(store_put_disc(f->store, &row, &f->err), 0);
}

static void expect_discs(struct fixture *f, struct disc_filter filter, const char *expected)
{
    struct listing list = {0};
    assert_int_equal(store_discs(store_as_reader(f->store), &filter, list_disc, &list, &f->err), 0);
    assert_string_equal(list.text, expected);
}

static void discs_are_filtered(void **state)
{
    struct fixture *f = *state;
    put_disc(f, "dsc_1", "Holiday", "aa");
    put_disc(f, "dsc_2", NULL, "bb");
    expect_discs(f, (struct disc_filter){0}, "dsc_2 dsc_1");
    expect_discs(f, (struct disc_filter){.limit = 1, .cursor = "dsc_2"}, "dsc_1");
    expect_discs(f, (struct disc_filter){.q = "srv/OUT"}, "dsc_2 dsc_1");
    expect_discs(f, (struct disc_filter){.q = "holiday", .fingerprint = "aa"}, "dsc_1");
    expect_discs(f, (struct disc_filter){.outcome = "ruined"}, "");
    expect_discs(f, (struct disc_filter){.job = "job_1", .volume_id = "HOLIDAY"}, "dsc_2 dsc_1");
    struct listing one = {0};
    assert_int_equal(store_disc(store_as_reader(f->store), "dsc_2", list_disc, &one, &f->err), 0);
    assert_string_equal(one.text, "dsc_2");
}

static void deleting_a_job_takes_all_of_it_but_its_discs(void **state)
{
    struct fixture *f = *state;
    put_three_jobs(f);
    put_disc(f, "dsc_1", "Holiday", "aa");
    struct attempt_row attempt = an_attempt("job_1", 1, 1);
    assert_int_equal(store_put_attempt(f->store, &attempt, &f->err), 0);
    put_event(f, 1, "job_1");
    put_event(f, 2, "job_2");
    assert_int_equal(store_delete_job(f->store, "job_1", &f->err), 0);
    expect_jobs(f, (struct job_filter){ALL_JOBS}, "job_3 job_2");
    expect_events(f, NULL, 0, 10, "2");
    expect_discs(f, (struct disc_filter){0}, "dsc_1");
    struct listing attempts = {0};
    assert_int_equal(
        store_open_attempts(store_as_reader(f->store), list_attempt, &attempts, &f->err), 0);
    assert_string_equal(attempts.text, "");
}

/* --- transactions -------------------------------------------------------------------------- */

static void what_was_rolled_back_is_not_there(void **state)
{
    struct fixture *f = *state;
    struct job_row job = a_job("job_1");
    assert_int_equal(store_begin(f->store, &f->err), 0);
    put_job(f, &job);
    assert_int_equal(store_delete_job(f->store, "job_1", &f->err), 0);
    put_job(f, &job);
    store_rollback(f->store);
    store_rollback(f->store);
    expect_jobs(f, (struct job_filter){ALL_JOBS}, "");
    assert_int_equal(store_begin(f->store, &f->err), 0);
    put_job(f, &job);
    assert_int_equal(store_commit(f->store, &f->err), 0);
    reopen(f);
    expect_jobs(f, (struct job_filter){ALL_JOBS}, "job_1");
}

static void a_reader_sees_what_was_committed_and_cannot_write(void **state)
{
    struct fixture *f = *state;
    struct job_row job = a_job("job_1");
    struct store_reader *reader = NULL;
    assert_int_equal(store_reader_open(f->path, &reader, &f->err), 0);
    struct job_filter filter = {ALL_JOBS};
    struct listing before = {0};
    assert_int_equal(store_begin(f->store, &f->err), 0);
    put_job(f, &job);
    assert_int_equal(store_jobs(reader, &filter, list_job, &before, &f->err), 0);
    assert_string_equal(before.text, "");
    assert_int_equal(store_commit(f->store, &f->err), 0);
    struct listing after = {0};
    assert_int_equal(store_jobs(reader, &filter, list_job, &after, &f->err), 0);
    assert_string_equal(after.text, "job_1");
    store_reader_close(reader);
}

/* --- events -------------------------------------------------------------------------------- */

static void events_come_in_order_and_the_last_ones_when_there_are_too_many(void **state)
{
    struct fixture *f = *state;
    for (int i = 1; i <= 6; i++) {
        put_event(f, i, i % 2 == 0 ? "job_1" : NULL);
    }
    expect_events(f, NULL, 0, 3, "4 5 6");
    expect_events(f, NULL, 4, 10, "5 6");
    expect_events(f, "job_1", 0, 2, "2 4");
    expect_events(f, "job_1", 4, 2, "6");
    expect_events(f, "job_2", 0, 2, "");
}

static void trimming_keeps_the_last_ones_and_those_of_stored_jobs(void **state)
{
    struct fixture *f = *state;
    struct job_row job = a_job("job_1");
    put_job(f, &job);
    for (int i = 1; i <= 9; i++) {
        put_event(f, i, i == 2 ? "job_1" : i == 3 ? "job_gone" : NULL);
    }
    assert_int_equal(store_trim_events(f->store, 4, &f->err), 0);
    expect_events(f, NULL, 0, 100, "2 6 7 8 9");
    assert_int_equal(store_trim_events(f->store, 10000, &f->err), 0);
    expect_events(f, NULL, 0, 100, "2 6 7 8 9");
}

static void a_number_given_once_is_refused_the_second_time(void **state)
{
    struct fixture *f = *state;
    struct event_row row = {.seq = 1, .type = "job.state", .data = "{}"};
    put_event(f, 1, NULL);
    assert_int_equal(store_put_event(f->store, &row, &f->err), -1);
}

static void reserved_numbers_and_the_epoch_outlive_a_restart(void **state)
{
    struct fixture *f = *state;
    char epoch[32], again[32];
    int64_t reserved = -1;
    assert_int_equal(store_event_state(f->store, epoch, sizeof epoch, &reserved, &f->err), 0);
    assert_int_equal(reserved, 0);
    assert_int_equal(strlen(epoch), 16);
    assert_int_equal(store_reserve_seq(f->store, 2000, &f->err), 0);
    assert_int_equal(store_reserve_seq(f->store, 1000, &f->err), 0);
    reopen(f);
    assert_int_equal(store_event_state(f->store, again, sizeof again, &reserved, &f->err), 0);
    assert_int_equal(reserved, 2000);
    assert_string_equal(epoch, again);
}

/* --- idempotency --------------------------------------------------------------------------- */

static void free_answer(struct idempotency_row *row)
{
    free((char *)(uintptr_t)row->scope);
    free((char *)(uintptr_t)row->key);
    free((char *)(uintptr_t)row->body_sha256);
    free((char *)(uintptr_t)row->body);
    free((char *)(uintptr_t)row->location);
}

static void an_answer_is_kept_for_seven_days(void **state)
{
    struct fixture *f = *state;
    const int64_t day = 24LL * 3600 * 1000;
    struct idempotency_row row = {.scope = "POST /jobs",
                                  .key = "k",
                                  .body_sha256 = "00",
                                  .body = "{}",
                                  .status = 201,
                                  .created_at_ms = 100 * day};
    struct idempotency_row found;
    clock_hold(100 * day, 0);
    assert_int_equal(store_put_idempotency(f->store, &row, &f->err), 0);
    assert_int_equal(store_find_idempotency(f->store, "POST /jobs", "other", &found, &f->err), 0);
    assert_int_equal(store_find_idempotency(f->store, "POST /jobs", "k", &found, &f->err), 1);
    assert_int_equal(found.status, 201);
    assert_string_equal(found.body, "{}");
    assert_null(found.location);
    free_answer(&found);
    clock_hold(107 * day + 1, 0);
    assert_int_equal(store_find_idempotency(f->store, "POST /jobs", "k", &found, &f->err), 0);
}

/* --- what must not be opened --------------------------------------------------------------- */

static void expect_refused(struct fixture *f, const char *sentence)
{
    struct store *store = NULL;
    struct store_reader *reader = NULL;
    f->err = ERROR_EMPTY;
    assert_int_equal(store_open(f->path, &store, &f->err), -1);
    assert_int_equal(f->err.code, ERROR_STORE_UNAVAILABLE);
    if (strstr(f->err.message, sentence) == NULL) {
        fail_msg("\"%s\" lacks \"%s\"", f->err.message, sentence);
    }
    assert_int_equal(store_reader_open(f->path, &reader, &f->err), -1);
}

static void write_file(const char *path, const char *text, size_t length)
{
    FILE *file = fopen(path, "w");
    assert_non_null(file);
    assert_int_equal(fwrite(text, 1, length, file), length);
    fclose(file);
}

static void a_file_that_is_no_database_is_refused(void **state)
{
    struct fixture *f = *state;
    char text[8192];
    memset(text, 'x', sizeof text);
    write_file(f->path, text, sizeof text);
    expect_refused(f, "not a database");
}

static void a_database_of_another_program_is_refused_and_left_alone(void **state)
{
    struct fixture *f = *state;
    run_sql(f->path, "CREATE TABLE recipes (name TEXT)");
    expect_refused(f, "not one of burnd");
    run_sql(f->path, "INSERT INTO recipes VALUES ('soup')");
}

static void a_newer_schema_is_refused(void **state)
{
    struct fixture *f = *state;
    open_store(f);
    store_close(f->store);
    f->store = NULL;
    run_sql(f->path, "PRAGMA user_version = 4711");
    expect_refused(f, "newer burnd");
}

static void an_empty_file_becomes_a_database(void **state)
{
    struct fixture *f = *state;
    write_file(f->path, "", 0);
    open_store(f);
    assert_int_equal(store_check(f->store, &f->err), 0);
}

static void a_folder_that_is_not_there_is_refused(void **state)
{
    struct fixture *f = *state;
    struct store *store = NULL;
    assert_int_equal(store_open("/nonexistent/burnd.db", &store, &f->err), -1);
    assert_non_null(strstr(f->err.message, "/nonexistent/burnd.db"));
}

static void a_damaged_page_is_found_at_the_start(void **state)
{
    struct fixture *f = *state;
    open_store(f);
    for (int i = 0; i < 200; i++) {
        char id[16];
        snprintf(id, sizeof id, "job_%03d", i);
        struct job_row job = a_job(id);
        put_job(f, &job);
    }
    store_close(f->store); /* the last connection moves the log into the file */
    f->store = NULL;
    struct stat st;
    assert_int_equal(stat(f->path, &st), 0);
    int fd = open(f->path, O_WRONLY);
    char garbage[4096];
    memset(garbage, 0xa5, sizeof garbage);
    for (off_t at = 2 * 4096; at + 4096 <= st.st_size; at += 4096) {
        assert_int_equal(pwrite(fd, garbage, sizeof garbage, at), sizeof garbage);
    }
    close(fd);
    struct store *store = NULL;
    assert_int_equal(store_open(f->path, &store, &f->err), -1);
    assert_int_equal(f->err.code, ERROR_STORE_UNAVAILABLE);
}

static void a_cut_off_database_is_refused(void **state)
{
    struct fixture *f = *state;
    open_store(f);
    store_close(f->store);
    f->store = NULL;
    assert_int_equal(truncate(f->path, 4096), 0);
    struct store *store = NULL;
    assert_int_equal(store_open(f->path, &store, &f->err), -1);
    assert_int_equal(f->err.code, ERROR_STORE_UNAVAILABLE);
}

/* --- a full disk --------------------------------------------------------------------------- */

/* PRAGMA max_page_count belongs to a connection and the store does not lend its own; a limit on
 * the size of files makes the same write fail. */
static void a_full_disk_is_an_error_and_nothing_is_half_stored(void **state)
{
    struct fixture *f = *state;
    struct job_row job = a_job("job_0");
    put_job(f, &job);
    static char large[1 << 20];
    memset(large, 'x', sizeof large - 1);
    struct rlimit before, tight = {.rlim_cur = 400 * 1024};
    signal(SIGXFSZ, SIG_IGN);
    assert_int_equal(getrlimit(RLIMIT_FSIZE, &before), 0);
    tight.rlim_max = before.rlim_max;
    assert_int_equal(setrlimit(RLIMIT_FSIZE, &tight), 0);
    struct job_row second = a_job("job_1");
    second.document = large;
    int begun = store_begin(f->store, &f->err);
    int put = store_put_job(f->store, &second, &f->err);
    int committed = put == 0 ? store_commit(f->store, &f->err) : -1;
    store_rollback(f->store);
    setrlimit(RLIMIT_FSIZE, &before);
    assert_int_equal(begun, 0);
    assert_int_equal(committed, -1);
    assert_int_equal(f->err.code, ERROR_STORE_UNAVAILABLE);
    expect_jobs(f, (struct job_filter){ALL_JOBS}, "job_0");
    second.document = "{}";
    put_job(f, &second);
    assert_int_equal(store_check(f->store, &f->err), 0);
    reopen(f);
    expect_jobs(f, (struct job_filter){ALL_JOBS}, "job_1 job_0");
}

#define WITH_STORE(test) cmocka_unit_test_setup_teardown(test, set_up, tear_down)
#define WITH_FOLDER(test) cmocka_unit_test_setup_teardown(test, set_up_closed, tear_down)

int main(void)
{
    const struct CMUnitTest tests[] = {
        WITH_STORE(a_job_comes_back_as_it_was_put),
        WITH_STORE(storing_a_job_again_keeps_its_copies_and_attempts),
        WITH_STORE(copies_are_paged_and_found_by_number),
        WITH_STORE(attempts_that_have_not_ended_are_found_over_all_jobs),
        WITH_STORE(a_copy_without_its_job_is_refused),
        WITH_STORE(a_callback_that_says_no_ends_the_listing),
        WITH_STORE(jobs_are_filtered),
        WITH_STORE(discs_are_filtered),
        WITH_STORE(deleting_a_job_takes_all_of_it_but_its_discs),
        WITH_STORE(what_was_rolled_back_is_not_there),
        WITH_STORE(a_reader_sees_what_was_committed_and_cannot_write),
        WITH_STORE(events_come_in_order_and_the_last_ones_when_there_are_too_many),
        WITH_STORE(trimming_keeps_the_last_ones_and_those_of_stored_jobs),
        WITH_STORE(a_number_given_once_is_refused_the_second_time),
        WITH_STORE(reserved_numbers_and_the_epoch_outlive_a_restart),
        WITH_STORE(an_answer_is_kept_for_seven_days),
        WITH_FOLDER(a_file_that_is_no_database_is_refused),
        WITH_FOLDER(a_database_of_another_program_is_refused_and_left_alone),
        WITH_FOLDER(a_newer_schema_is_refused),
        WITH_FOLDER(an_empty_file_becomes_a_database),
        WITH_FOLDER(a_folder_that_is_not_there_is_refused),
        WITH_FOLDER(a_damaged_page_is_found_at_the_start),
        WITH_FOLDER(a_cut_off_database_is_refused),
        WITH_STORE(a_full_disk_is_an_error_and_nothing_is_half_stored),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
