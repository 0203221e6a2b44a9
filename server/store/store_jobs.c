/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * Jobs, their copies and their attempts: one row each, written whole at every change. Writing is an
 * upsert, never a REPLACE: replacing a job's row would delete it first, and its copies with it.
 */
#include "store/store_sqlite.h"

#include <stddef.h>

/* Above every id: Crockford's base 32 and '_' sort below '~'. */
#define ABOVE_ALL_IDS "~"
#define NO_LIMIT (-1)

/* --- jobs ---------------------------------------------------------------------------------- */

#define JOB_COLUMNS \
    "id, type, state, title, client_ref, document, plan, warnings, problem, reasons, recorder, " \
    "pool, " \
    "first_sha256, tags, cancel_accepted, held_by_limit, needs_person, terminal, priority, " \
    "copy_count, version, created_at, started_at, ended_at"

int store_put_job(struct store *store, const struct job_row *row, struct error *err)
{
    sqlite3_stmt *statement = statement_get(
        &store->connection, STATEMENT_PUT_JOB,
        "INSERT INTO jobs (" JOB_COLUMNS ") "
        "VALUES (?,?,?,?,?,?,?,?,?,?,?,?,?,?,?,?,?,?,?,?,?,?,?,?) "
        "ON CONFLICT (id) DO UPDATE SET type = excluded.type, state = excluded.state, "
        "title = excluded.title, client_ref = excluded.client_ref, document = excluded.document, "
        "plan = excluded.plan, warnings = excluded.warnings, problem = excluded.problem, "
        "reasons = excluded.reasons, recorder = excluded.recorder, pool = excluded.pool, "
        "first_sha256 = excluded.first_sha256, tags = excluded.tags, "
        "cancel_accepted = excluded.cancel_accepted, held_by_limit = excluded.held_by_limit, "
        "needs_person = excluded.needs_person, terminal = excluded.terminal, "
        "priority = excluded.priority, copy_count = excluded.copy_count, version = "
        "excluded.version, "
        "created_at = excluded.created_at, started_at = excluded.started_at, "
        "ended_at = excluded.ended_at",
        err);
    if (statement == NULL) {
        return -1;
    }
    struct binder b = {statement, 0};
    bind_text(&b, row->id);
    bind_text(&b, row->type);
    bind_text(&b, row->state);
    bind_text(&b, row->title);
    bind_text(&b, row->client_ref);
    bind_text(&b, row->document);
    bind_text(&b, row->plan);
    bind_text(&b, row->warnings);
    bind_text(&b, row->problem);
    bind_text(&b, row->reasons);
    bind_text(&b, row->recorder);
    bind_text(&b, row->pool);
    bind_text(&b, row->first_sha256);
    bind_text(&b, row->tags);
    bind_int(&b, row->cancel_accepted);
    bind_int(&b, row->held_by_limit);
    bind_int(&b, row->needs_person);
    bind_int(&b, row->terminal);
    bind_int(&b, row->priority);
    bind_int(&b, row->copy_count);
    bind_int(&b, row->version);
    bind_int(&b, row->created_at_ms);
    bind_time(&b, row->started_at_ms);
    bind_time(&b, row->ended_at_ms);
    return statement_run(&store->connection, statement, "store a job", err);
}

static struct job_row take_job(sqlite3_stmt *statement)
{
    struct columns c = {statement, 0};
    struct job_row row = {0};
    take_id(&c, row.id);
    row.type = take_text(&c);
    row.state = take_text(&c);
    row.title = take_text(&c);
    row.client_ref = take_text(&c);
    row.document = take_text(&c);
    row.plan = take_text(&c);
    row.warnings = take_text(&c);
    row.problem = take_text(&c);
    row.reasons = take_text(&c);
    row.recorder = take_text(&c);
    row.pool = take_text(&c);
    row.first_sha256 = take_text(&c);
    row.tags = take_text(&c);
    row.cancel_accepted = take_int(&c) != 0;
    row.held_by_limit = take_int(&c) != 0;
    row.needs_person = take_int(&c) != 0;
    row.terminal = take_int(&c) != 0;
    row.priority = (int)take_int(&c);
    row.copy_count = take_int(&c);
    row.version = take_int(&c);
    row.created_at_ms = take_int(&c);
    row.started_at_ms = take_int(&c);
    row.ended_at_ms = take_int(&c);
    return row;
}

static int each_job(struct store_reader *reader, sqlite3_stmt *statement,
                    bool (*row)(const struct job_row *row, void *arg), void *arg, struct error *err)
{
    int more;
    while ((more = statement_next(reader, statement, "read jobs", err)) == 1) {
        struct job_row job = take_job(statement);
        if (!row(&job, arg)) {
            sqlite3_reset(statement);
            return 0;
        }
    }
    return more;
}

static void bind_job_filter(struct binder *b, const struct job_filter *filter)
{
    bind_text(b, filter->cursor != NULL ? filter->cursor : ABOVE_ALL_IDS);
    bind_text(b, filter->states);
    bind_text(b, filter->type);
    bind_text(b, filter->client_ref);
    bind_text(b, filter->title);
    bind_text(b, filter->recorder);
    bind_text(b, filter->pool);
    bind_text(b, filter->tag_key);
    bind_text(b, filter->tag_value);
    bind_time(b, filter->created_after_ms);
    bind_time(b, filter->created_before_ms);
    bind_int(b, filter->needs_person);
    bind_int(b, filter->only_live);
    bind_int(b, filter->limit > 0 ? filter->limit : NO_LIMIT);
}

/* A title matches when it holds the text, upper and lower case being the same; the others match
 * whole. A recorder matches the one the job names and those its copies went to. */
int store_jobs(struct store_reader *reader, const struct job_filter *filter,
               bool (*row)(const struct job_row *row, void *arg), void *arg, struct error *err)
{
    sqlite3_stmt *statement =
        statement_get(reader, STATEMENT_JOBS,
                      "SELECT " JOB_COLUMNS " FROM jobs WHERE id < ?1 "
                      "AND (?2 IS NULL OR instr(',' || ?2 || ',', ',' || state || ',') > 0) "
                      "AND (?3 IS NULL OR type = ?3) AND (?4 IS NULL OR client_ref = ?4) "
                      "AND (?5 IS NULL OR instr(lower(title), lower(?5)) > 0) "
                      "AND (?6 IS NULL OR recorder = ?6 OR EXISTS "
                      "(SELECT 1 FROM copies WHERE copies.job = jobs.id AND copies.recorder = ?6)) "
                      "AND (?7 IS NULL OR pool = ?7) "
                      "AND (?8 IS NULL OR instr(tags, char(10) || ?8 || '=' || "
                      "CASE WHEN ?9 IS NULL THEN '' ELSE ?9 || char(10) END) > 0) "
                      "AND (?10 IS NULL OR created_at > ?10) AND (?11 IS NULL OR created_at < ?11) "
                      "AND (?12 < 0 OR needs_person = ?12) AND (?13 = 0 OR terminal = 0) "
                      "ORDER BY id DESC LIMIT ?14",
                      err);
    if (statement == NULL) {
        return -1;
    }
    bind_job_filter(&(struct binder){statement, 0}, filter);
    return each_job(reader, statement, row, arg, err);
}

int store_job(struct store_reader *reader, const char *id,
              bool (*row)(const struct job_row *row, void *arg), void *arg, struct error *err)
{
    sqlite3_stmt *statement =
        statement_get(reader, STATEMENT_JOB, "SELECT " JOB_COLUMNS " FROM jobs WHERE id = ?", err);
    if (statement == NULL) {
        return -1;
    }
    bind_text(&(struct binder){statement, 0}, id);
    return each_job(reader, statement, row, arg, err);
}

static int delete_by_job(struct store *store, enum statement which, const char *sql, const char *id,
                         struct error *err)
{
    sqlite3_stmt *statement = statement_get(&store->connection, which, sql, err);
    if (statement == NULL) {
        return -1;
    }
    bind_text(&(struct binder){statement, 0}, id);
    return statement_run(&store->connection, statement, "delete a job", err);
}

int store_delete_job(struct store *store, const char *id, struct error *err)
{
    bool own = sqlite3_get_autocommit(store->connection.db) != 0;
    if (own && store_begin(store, err) != 0) {
        return -1;
    }
    if (delete_by_job(store, STATEMENT_DELETE_JOB, "DELETE FROM jobs WHERE id = ?", id, err) != 0 ||
        delete_by_job(store, STATEMENT_DELETE_JOB_EVENTS, "DELETE FROM events WHERE job = ?", id,
                      err) != 0 ||
        (own && store_commit(store, err) != 0)) {
        if (own) {
            store_rollback(store);
        }
        return -1;
    }
    return 0;
}

/* --- copies -------------------------------------------------------------------------------- */

#define COPY_COLUMNS \
    "job, number, id, attempts, tries, cancel_asked, state, reason, reason_detail, recorder, " \
    "disc, problem, " \
    "reason_since, started_at, ended_at"

int store_put_copy(struct store *store, const struct copy_row *row, struct error *err)
{
    sqlite3_stmt *statement = statement_get(
        &store->connection, STATEMENT_PUT_COPY,
        "INSERT INTO copies (" COPY_COLUMNS ") VALUES (?,?,?,?,?,?,?,?,?,?,?,?,?,?,?) "
        "ON CONFLICT (job, number) DO UPDATE SET id = excluded.id, attempts = excluded.attempts, "
        "tries = excluded.tries, cancel_asked = excluded.cancel_asked, state = excluded.state, "
        "reason = excluded.reason, "
        "reason_detail = excluded.reason_detail, recorder = excluded.recorder, disc = "
        "excluded.disc, "
        "problem = excluded.problem, reason_since = excluded.reason_since, "
        "started_at = excluded.started_at, ended_at = excluded.ended_at",
        err);
    if (statement == NULL) {
        return -1;
    }
    struct binder b = {statement, 0};
    bind_text(&b, row->job);
    bind_int(&b, row->number);
    bind_text(&b, row->id);
    bind_int(&b, row->attempts);
    bind_int(&b, row->tries);
    bind_int(&b, row->cancel_asked);
    bind_text(&b, row->state);
    bind_text(&b, row->reason);
    bind_text(&b, row->reason_detail);
    bind_text(&b, row->recorder);
    bind_text(&b, row->disc);
    bind_text(&b, row->problem);
    bind_time(&b, row->reason_since_ms);
    bind_time(&b, row->started_at_ms);
    bind_time(&b, row->ended_at_ms);
    return statement_run(&store->connection, statement, "store a copy", err);
}

static struct copy_row take_copy(sqlite3_stmt *statement)
{
    struct columns c = {statement, 0};
    struct copy_row row = {0};
    take_id(&c, row.job);
    row.number = (int)take_int(&c);
    take_id(&c, row.id);
    row.attempts = (int)take_int(&c);
    row.tries = (int)take_int(&c);
    row.cancel_asked = take_int(&c) != 0;
    row.state = take_text(&c);
    row.reason = take_text(&c);
    row.reason_detail = take_text(&c);
    row.recorder = take_text(&c);
    row.disc = take_text(&c);
    row.problem = take_text(&c);
    row.reason_since_ms = take_int(&c);
    row.started_at_ms = take_int(&c);
    row.ended_at_ms = take_int(&c);
    return row;
}

int store_copies(struct store_reader *reader, const char *job, int number, int after, int limit,
                 bool (*row)(const struct copy_row *row, void *arg), void *arg, struct error *err)
{
    sqlite3_stmt *statement = statement_get(reader, STATEMENT_COPIES,
                                            "SELECT " COPY_COLUMNS
                                            " FROM copies WHERE job = ? AND number BETWEEN ? AND ? "
                                            "ORDER BY number LIMIT ?",
                                            err);
    if (statement == NULL) {
        return -1;
    }
    struct binder b = {statement, 0};
    bind_text(&b, job);
    bind_int(&b, number >= 1 ? number : (int64_t)after + 1);
    bind_int(&b, number >= 1 ? number : INT32_MAX);
    bind_int(&b, limit > 0 ? limit : NO_LIMIT);
    int more;
    while ((more = statement_next(reader, statement, "read copies", err)) == 1) {
        struct copy_row copy = take_copy(statement);
        if (!row(&copy, arg)) {
            sqlite3_reset(statement);
            return 0;
        }
    }
    return more;
}

/* --- attempts ------------------------------------------------------------------------------ */

#define ATTEMPT_COLUMNS \
    "job, copy, attempt, id, recorder, phase, cancel, outcome, advice, disc, problem, " \
    "medium_before, " \
    "medium_after, phases, session_sha256, verified, speed_asked, speed_kb_s, blocks, base_lba, " \
    "metadata_blocks, simulate, medium_was_blank, has_items, started_at, ended_at"

int store_put_attempt(struct store *store, const struct attempt_row *row, struct error *err)
{
    sqlite3_stmt *statement = statement_get(
        &store->connection, STATEMENT_PUT_ATTEMPT,
        "INSERT INTO attempts (" ATTEMPT_COLUMNS ") "
        "VALUES (?,?,?,?,?,?,?,?,?,?,?,?,?,?,?,?,?,?,?,?,?,?,?,?,?,?) "
        "ON CONFLICT (job, copy, attempt) DO UPDATE SET id = excluded.id, recorder = "
        "excluded.recorder, "
        "phase = excluded.phase, cancel = excluded.cancel, outcome = excluded.outcome, "
        "advice = excluded.advice, disc = excluded.disc, problem = excluded.problem, "
        "medium_before = excluded.medium_before, medium_after = excluded.medium_after, "
        "phases = excluded.phases, session_sha256 = excluded.session_sha256, "
        "verified = excluded.verified, speed_asked = excluded.speed_asked, "
        "speed_kb_s = excluded.speed_kb_s, blocks = excluded.blocks, base_lba = excluded.base_lba, "
        "metadata_blocks = excluded.metadata_blocks, simulate = excluded.simulate, "
        "medium_was_blank = excluded.medium_was_blank, has_items = excluded.has_items, "
        "started_at = excluded.started_at, ended_at = excluded.ended_at",
        err);
    if (statement == NULL) {
        return -1;
    }
    struct binder b = {statement, 0};
    bind_text(&b, row->job);
    bind_int(&b, row->copy);
    bind_int(&b, row->attempt);
    bind_text(&b, row->id);
    bind_text(&b, row->recorder);
    bind_text(&b, row->phase);
    bind_text(&b, row->cancel);
    bind_text(&b, row->outcome);
    bind_text(&b, row->advice);
    bind_text(&b, row->disc);
    bind_text(&b, row->problem);
    bind_text(&b, row->medium_before);
    bind_text(&b, row->medium_after);
    bind_text(&b, row->phases);
    bind_text(&b, row->session_sha256);
    bind_text(&b, row->verified);
    bind_text(&b, row->speed_asked);
    bind_int(&b, row->speed_kb_s);
    bind_int(&b, row->blocks);
    bind_int(&b, row->base_lba);
    bind_int(&b, row->metadata_blocks);
    bind_int(&b, row->simulate);
    bind_int(&b, row->medium_was_blank);
    bind_int(&b, row->has_items);
    bind_time(&b, row->started_at_ms);
    bind_time(&b, row->ended_at_ms);
    return statement_run(&store->connection, statement, "store an attempt", err);
}

static struct attempt_row take_attempt(sqlite3_stmt *statement)
{
    struct columns c = {statement, 0};
    struct attempt_row row = {0};
    take_id(&c, row.job);
    row.copy = (int)take_int(&c);
    row.attempt = (int)take_int(&c);
    take_id(&c, row.id);
    row.recorder = take_text(&c);
    row.phase = take_text(&c);
    row.cancel = take_text(&c);
    row.outcome = take_text(&c);
    row.advice = take_text(&c);
    row.disc = take_text(&c);
    row.problem = take_text(&c);
    row.medium_before = take_text(&c);
    row.medium_after = take_text(&c);
    row.phases = take_text(&c);
    row.session_sha256 = take_text(&c);
    row.verified = take_text(&c);
    row.speed_asked = take_text(&c);
    row.speed_kb_s = take_int(&c);
    row.blocks = take_int(&c);
    row.base_lba = take_int(&c);
    row.metadata_blocks = take_int(&c);
    row.simulate = take_int(&c) != 0;
    row.medium_was_blank = take_int(&c) != 0;
    row.has_items = take_int(&c) != 0;
    row.started_at_ms = take_int(&c);
    row.ended_at_ms = take_int(&c);
    return row;
}

static int each_attempt(struct store_reader *reader, sqlite3_stmt *statement,
                        bool (*row)(const struct attempt_row *row, void *arg), void *arg,
                        struct error *err)
{
    int more;
    while ((more = statement_next(reader, statement, "read attempts", err)) == 1) {
        struct attempt_row attempt = take_attempt(statement);
        if (!row(&attempt, arg)) {
            sqlite3_reset(statement);
            return 0;
        }
    }
    return more;
}

int store_attempts(struct store_reader *reader, const char *job, int copy, int attempt, int after,
                   int limit, bool (*row)(const struct attempt_row *row, void *arg), void *arg,
                   struct error *err)
{
    sqlite3_stmt *statement =
        statement_get(reader, STATEMENT_ATTEMPTS,
                      "SELECT " ATTEMPT_COLUMNS " FROM attempts WHERE job = ? AND copy = ? "
                      "AND attempt BETWEEN ? AND ? ORDER BY attempt LIMIT ?",
                      err);
    if (statement == NULL) {
        return -1;
    }
    struct binder b = {statement, 0};
    bind_text(&b, job);
    bind_int(&b, copy);
    bind_int(&b, attempt >= 1 ? attempt : (int64_t)after + 1);
    bind_int(&b, attempt >= 1 ? attempt : INT32_MAX);
    bind_int(&b, limit > 0 ? limit : NO_LIMIT);
    return each_attempt(reader, statement, row, arg, err);
}

int store_open_attempts(struct store_reader *reader,
                        bool (*row)(const struct attempt_row *row, void *arg), void *arg,
                        struct error *err)
{
    sqlite3_stmt *statement = statement_get(
        reader, STATEMENT_OPEN_ATTEMPTS,
        "SELECT " ATTEMPT_COLUMNS " FROM attempts WHERE ended_at IS NULL ORDER BY id", err);
    return statement == NULL ? -1 : each_attempt(reader, statement, row, arg, err);
}
