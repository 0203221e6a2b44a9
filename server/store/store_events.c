/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * The state events and the numbers of the event stream, and the answers kept for Idempotency-Key.
 *
 * Events of a job are kept as long as the job. The others are trimmed now and then by
 * store_trim_events(), which costs one statement however many there are.
 */
#include "store/store_sqlite.h"

#include "base/alloc.h"
#include "base/clock.h"

#include <stdlib.h>

#define IDEMPOTENCY_KEPT_MS (7LL * 24 * 3600 * 1000)

/* --- events -------------------------------------------------------------------------------- */

#define EVENT_COLUMNS "seq, time, type, job, recorder, data, copy, attempt, terminal"

int store_put_event(struct store *store, const struct event_row *row, struct error *err)
{
    sqlite3_stmt *statement =
        statement_get(&store->connection, STATEMENT_PUT_EVENT,
                      "INSERT INTO events (" EVENT_COLUMNS ") VALUES (?,?,?,?,?,?,?,?,?)", err);
    if (statement == NULL) {
        return -1;
    }
    struct binder b = {statement, 0};
    bind_int(&b, row->seq);
    bind_int(&b, row->time_ms);
    bind_text(&b, row->type);
    bind_text(&b, row->job);
    bind_text(&b, row->recorder);
    bind_text(&b, row->data);
    bind_int(&b, row->copy);
    bind_int(&b, row->attempt);
    bind_int(&b, row->job_is_terminal);
    return statement_run(&store->connection, statement, "store an event", err);
}

static struct event_row take_event(sqlite3_stmt *statement)
{
    struct columns c = {statement, 0};
    struct event_row row = {0};
    row.seq = take_int(&c);
    row.time_ms = take_int(&c);
    row.type = take_text(&c);
    row.job = take_text(&c);
    row.recorder = take_text(&c);
    row.data = take_text(&c);
    row.copy = (int)take_int(&c);
    row.attempt = (int)take_int(&c);
    row.job_is_terminal = take_int(&c) != 0;
    return row;
}

static sqlite3_stmt *events_statement(struct store_reader *reader, const char *job,
                                      struct error *err)
{
    if (job != NULL) {
        return statement_get(reader, STATEMENT_JOB_EVENTS,
                             "SELECT " EVENT_COLUMNS " FROM events WHERE job = ?3 AND seq > ?1 "
                             "ORDER BY seq LIMIT ?2",
                             err);
    }
    return statement_get(reader, STATEMENT_EVENTS,
                         "SELECT * FROM (SELECT " EVENT_COLUMNS " FROM events WHERE seq > ?1 "
                         "ORDER BY seq DESC LIMIT ?2) ORDER BY seq",
                         err);
}

int store_events(struct store_reader *reader, const char *job, int64_t after, int limit,
                 bool (*row)(const struct event_row *row, void *arg), void *arg, struct error *err)
{
    sqlite3_stmt *statement = events_statement(reader, job, err);
    if (statement == NULL) {
        return -1;
    }
    struct binder b = {statement, 0};
    bind_int(&b, after);
    bind_int(&b, limit > 0 ? limit : -1);
    if (job != NULL) {
        bind_text(&b, job);
    }
    int more;
    while ((more = statement_next(reader, statement, "read events", err)) == 1) {
        struct event_row event = take_event(statement);
        if (!row(&event, arg)) {
            sqlite3_reset(statement);
            return 0;
        }
    }
    return more;
}

int store_trim_events(struct store *store, int64_t keep, struct error *err)
{
    sqlite3_stmt *statement = statement_get(
        &store->connection, STATEMENT_TRIM_EVENTS,
        "DELETE FROM events WHERE seq <= "
        "(SELECT seq FROM events ORDER BY seq DESC LIMIT 1 OFFSET ?) "
        "AND (job IS NULL OR NOT EXISTS (SELECT 1 FROM jobs WHERE jobs.id = events.job))",
        err);
    if (statement == NULL) {
        return -1;
    }
    bind_int(&(struct binder){statement, 0}, keep);
    return statement_run(&store->connection, statement, "trim its events", err);
}

int store_reserve_seq(struct store *store, int64_t upto, struct error *err)
{
    sqlite3_stmt *statement =
        statement_get(&store->connection, STATEMENT_RESERVE,
                      "UPDATE state SET reserved_seq = max(reserved_seq, ?)", err);
    if (statement == NULL) {
        return -1;
    }
    bind_int(&(struct binder){statement, 0}, upto);
    return statement_run(&store->connection, statement, "reserve event numbers", err);
}

int store_event_state(struct store *store, char *epoch, size_t epoch_size, int64_t *reserved,
                      struct error *err)
{
    sqlite3_stmt *statement = statement_get(&store->connection, STATEMENT_RESERVED,
                                            "SELECT epoch, reserved_seq FROM state", err);
    if (statement == NULL) {
        return -1;
    }
    int more = statement_next(&store->connection, statement, "read its event numbers", err);
    if (more == 0) {
        return error_set(err, ERROR_STORE_UNAVAILABLE, "the database has lost its event numbers");
    }
    if (more < 0) {
        return -1;
    }
    struct columns c = {statement, 0};
    text_copy(epoch, epoch_size, take_text(&c));
    *reserved = take_int(&c);
    sqlite3_reset(statement);
    return 0;
}

/* --- idempotency --------------------------------------------------------------------------- */

static int trim_idempotency(struct store *store, struct error *err)
{
    sqlite3_stmt *statement = statement_get(&store->connection, STATEMENT_TRIM_IDEMPOTENCY,
                                            "DELETE FROM idempotency WHERE created_at < ?", err);
    if (statement == NULL) {
        return -1;
    }
    bind_int(&(struct binder){statement, 0}, clock_wall_ms() - IDEMPOTENCY_KEPT_MS);
    return statement_run(&store->connection, statement, "forget old answers", err);
}

int store_put_idempotency(struct store *store, const struct idempotency_row *row, struct error *err)
{
    if (trim_idempotency(store, err) != 0) {
        return -1;
    }
    /* Nothing refers to these rows, so here replacing is safe. */
    sqlite3_stmt *statement =
        statement_get(&store->connection, STATEMENT_PUT_IDEMPOTENCY,
                      "INSERT OR REPLACE INTO idempotency "
                      "(scope, key, body_sha256, status, body, location, created_at) "
                      "VALUES (?,?,?,?,?,?,?)",
                      err);
    if (statement == NULL) {
        return -1;
    }
    struct binder b = {statement, 0};
    bind_text(&b, row->scope);
    bind_text(&b, row->key);
    bind_text(&b, row->body_sha256);
    bind_int(&b, row->status);
    bind_text(&b, row->body);
    bind_text(&b, row->location);
    bind_int(&b, row->created_at_ms);
    return statement_run(&store->connection, statement, "keep an answer", err);
}

int store_find_idempotency(struct store *store, const char *scope, const char *key,
                           struct idempotency_row *out, struct error *err)
{
    sqlite3_stmt *statement =
        statement_get(&store->connection, STATEMENT_FIND_IDEMPOTENCY,
                      "SELECT scope, key, body_sha256, body, location, status, created_at "
                      "FROM idempotency WHERE scope = ? AND key = ? AND created_at >= ?",
                      err);
    if (statement == NULL) {
        return -1;
    }
    struct binder b = {statement, 0};
    bind_text(&b, scope);
    bind_text(&b, key);
    bind_int(&b, clock_wall_ms() - IDEMPOTENCY_KEPT_MS);
    int more = statement_next(&store->connection, statement, "find a kept answer", err);
    if (more != 1) {
        return more;
    }
    struct columns c = {statement, 0};
    *out = (struct idempotency_row){0};
    out->scope = xstrdup_or_null(take_text(&c));
    out->key = xstrdup_or_null(take_text(&c));
    out->body_sha256 = xstrdup_or_null(take_text(&c));
    out->body = xstrdup_or_null(take_text(&c));
    out->location = xstrdup_or_null(take_text(&c));
    out->status = (int)take_int(&c);
    out->created_at_ms = take_int(&c);
    sqlite3_reset(statement);
    return 1;
}
