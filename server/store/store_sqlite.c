/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * Opening the database, bringing its schema up to date, transactions, and the moves the other files
 * of this folder make with a statement.
 *
 * The database is in WAL mode with synchronous=FULL: a commit is on the disk when it returns,
 * readers are never held up by the writer. PRAGMA user_version is the schema version, PRAGMA
 * application_id marks the file as ours. A file that is neither empty nor ours is refused, and so
 * is one whose schema is newer than this program: guessing would damage what another burnd relies
 * on.
 *
 * SQLite's own locking is switched off (NOMUTEX): a connection belongs to one thread at a time.
 */
#include "store/store_sqlite.h"

#include "base/alloc.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define APPLICATION_ID 0x6272646e /* "brdn" */
#define BUSY_TIMEOUT_MS 5000
/* quick_check reads the whole file; a larger one would delay the start by seconds. */
#define CHECKED_UP_TO_PAGES (64 * 1024 * 1024 / 4096)

int store_failed(sqlite3 *db, const char *what, struct error *err)
{
    return error_set(err, ERROR_STORE_UNAVAILABLE, "the database cannot %s: %s", what,
                     db != NULL ? sqlite3_errmsg(db) : "out of memory");
}

/* --- statements ---------------------------------------------------------------------------- */

sqlite3_stmt *statement_get(struct store_reader *reader, enum statement which, const char *sql,
                            struct error *err)
{
    sqlite3_stmt **slot = &reader->statements[which];
    if (*slot == NULL && sqlite3_prepare_v3(reader->db, sql, -1, SQLITE_PREPARE_PERSISTENT, slot,
                                            NULL) != SQLITE_OK) {
        store_failed(reader->db, "prepare a statement", err);
        return NULL;
    }
    sqlite3_reset(*slot);
    sqlite3_clear_bindings(*slot);
    return *slot;
}

int statement_next(struct store_reader *reader, sqlite3_stmt *statement, const char *what,
                   struct error *err)
{
    int rc = sqlite3_step(statement);
    if (rc == SQLITE_ROW) {
        return 1;
    }
    if (rc != SQLITE_DONE) {
        store_failed(reader->db, what, err);
    }
    sqlite3_reset(statement);
    return rc == SQLITE_DONE ? 0 : -1;
}

int statement_run(struct store_reader *reader, sqlite3_stmt *statement, const char *what,
                  struct error *err)
{
    int more;
    do {
        more = statement_next(reader, statement, what, err);
    } while (more == 1);
    return more;
}

/* Binding fails only for a wrong index, which is our mistake, or a text beyond SQLite's 1 GB
 * limit, which the bounds of the API keep out. */
void bind_text(struct binder *binder, const char *text)
{
    sqlite3_bind_text(binder->statement, ++binder->index, text, -1, SQLITE_STATIC);
}

void bind_int(struct binder *binder, int64_t value)
{
    sqlite3_bind_int64(binder->statement, ++binder->index, value);
}

void bind_time(struct binder *binder, int64_t wall_ms)
{
    if (wall_ms == 0) {
        sqlite3_bind_null(binder->statement, ++binder->index);
    } else {
        bind_int(binder, wall_ms);
    }
}

const char *take_text(struct columns *columns)
{
    return (const char *)sqlite3_column_text(columns->statement, columns->index++);
}

int64_t take_int(struct columns *columns)
{
    return sqlite3_column_int64(columns->statement, columns->index++);
}

void take_id(struct columns *columns, char out[ID_SIZE])
{
    const char *text = take_text(columns);
    text_copy(out, ID_SIZE, text != NULL ? text : "");
}

/* --- opening ------------------------------------------------------------------------------- */

static int run_sql(sqlite3 *db, const char *sql, const char *what, struct error *err)
{
    if (sqlite3_exec(db, sql, NULL, NULL, NULL) != SQLITE_OK) {
        return store_failed(db, what, err);
    }
    return 0;
}

/* The one number that a pragma or a count answers. */
static int read_number(sqlite3 *db, const char *sql, int64_t *out, struct error *err)
{
    sqlite3_stmt *statement = NULL;
    if (sqlite3_prepare_v2(db, sql, -1, &statement, NULL) != SQLITE_OK ||
        sqlite3_step(statement) != SQLITE_ROW) {
        store_failed(db, "be read", err);
        sqlite3_finalize(statement);
        return -1;
    }
    *out = sqlite3_column_int64(statement, 0);
    sqlite3_finalize(statement);
    return 0;
}

static int open_connection(struct store_reader *reader, const char *path, int flags,
                           struct error *err)
{
    int rc = sqlite3_open_v2(path, &reader->db, flags | SQLITE_OPEN_NOMUTEX, NULL);
    if (rc != SQLITE_OK) {
        return error_set(err, ERROR_STORE_UNAVAILABLE, "the database %s cannot be opened: %s", path,
                         reader->db != NULL ? sqlite3_errmsg(reader->db) : sqlite3_errstr(rc));
    }
    sqlite3_extended_result_codes(reader->db, 1);
    sqlite3_busy_timeout(reader->db, BUSY_TIMEOUT_MS);
    return 0;
}

static void close_connection(struct store_reader *reader)
{
    for (size_t i = 0; i < STATEMENT_COUNT; i++) {
        sqlite3_finalize(reader->statements[i]);
    }
    sqlite3_close(reader->db);
}

/* Version of the schema, 0 = empty. -1: not a database, not ours, or newer than this program. */
static int read_version(sqlite3 *db, const char *path, int64_t *version, struct error *err)
{
    int64_t application = 0;
    int64_t objects = 0;
    if (read_number(db, "PRAGMA user_version", version, err) != 0 ||
        read_number(db, "PRAGMA application_id", &application, err) != 0 ||
        read_number(db, "SELECT count(*) FROM sqlite_schema", &objects, err) != 0) {
        return -1;
    }
    if (application != APPLICATION_ID && (application != 0 || *version != 0 || objects != 0)) {
        return error_set(err, ERROR_STORE_UNAVAILABLE, "%s is a database, but not one of burnd",
                         path);
    }
    if (*version > store_migration_count) {
        return error_set(
            err, ERROR_STORE_UNAVAILABLE,
            "the database %s has schema %lld, this burnd knows schemas up to %d: it was "
            "written by a newer burnd",
            path, (long long)*version, store_migration_count);
    }
    return 0;
}

static int migrate_one(sqlite3 *db, int version, struct error *err)
{
    const struct migration *step = &store_migrations[version - 1];
    char mark[96];
    snprintf(mark, sizeof mark, "PRAGMA application_id = %d; PRAGMA user_version = %d",
             APPLICATION_ID, version);
    if (run_sql(db, "BEGIN IMMEDIATE", "begin a migration", err) != 0) {
        return -1;
    }
    if (run_sql(db, step->sql, step->name, err) != 0 || run_sql(db, mark, "be marked", err) != 0 ||
        run_sql(db, "COMMIT", "commit a migration", err) != 0) {
        sqlite3_exec(db, "ROLLBACK", NULL, NULL, NULL);
        return -1;
    }
    return 0;
}

static int migrate(sqlite3 *db, int64_t version, struct error *err)
{
    for (int next = (int)version + 1; next <= store_migration_count; next++) {
        if (migrate_one(db, next, err) != 0) {
            return -1;
        }
    }
    return 0;
}

static int check_damage(sqlite3 *db, const char *path, struct error *err)
{
    int64_t pages = 0;
    if (read_number(db, "PRAGMA page_count", &pages, err) != 0) {
        return -1;
    }
    if (pages > CHECKED_UP_TO_PAGES) {
        return 0;
    }
    sqlite3_stmt *statement = NULL;
    int result = 0;
    if (sqlite3_prepare_v2(db, "PRAGMA quick_check(1)", -1, &statement, NULL) != SQLITE_OK ||
        sqlite3_step(statement) != SQLITE_ROW) {
        result = store_failed(db, "be checked", err);
    } else {
        const char *said = (const char *)sqlite3_column_text(statement, 0);
        if (said == NULL || strcmp(said, "ok") != 0) {
            result = error_set(err, ERROR_STORE_UNAVAILABLE, "the database %s is damaged: %s", path,
                               said != NULL ? said : "");
        }
    }
    sqlite3_finalize(statement);
    return result;
}

static int prepare_database(sqlite3 *db, const char *path, struct error *err)
{
    int64_t version = 0;
    if (read_version(db, path, &version, err) != 0 || check_damage(db, path, err) != 0 ||
        run_sql(db,
                "PRAGMA journal_mode = WAL; PRAGMA synchronous = FULL; PRAGMA foreign_keys = ON;"
                "PRAGMA temp_store = MEMORY; PRAGMA journal_size_limit = 16777216",
                "be set up", err) != 0) {
        return -1;
    }
    return migrate(db, version, err);
}

int store_open(const char *path, struct store **out, struct error *err)
{
    struct store *store = xcalloc(1, sizeof *store);
    sqlite3_initialize();
    if (open_connection(&store->connection, path, SQLITE_OPEN_READWRITE | SQLITE_OPEN_CREATE,
                        err) != 0 ||
        prepare_database(store->connection.db, path, err) != 0) {
        store_close(store);
        return -1;
    }
    *out = store;
    return 0;
}

void store_close(struct store *store)
{
    if (store == NULL) {
        return;
    }
    close_connection(&store->connection);
    free(store);
}

int store_reader_open(const char *path, struct store_reader **out, struct error *err)
{
    struct store_reader *reader = xcalloc(1, sizeof *reader);
    int64_t version = 0;
    if (open_connection(reader, path, SQLITE_OPEN_READONLY, err) != 0 ||
        read_version(reader->db, path, &version, err) != 0 ||
        run_sql(reader->db, "PRAGMA query_only = ON", "be set up", err) != 0) {
        store_reader_close(reader);
        return -1;
    }
    *out = reader;
    return 0;
}

void store_reader_close(struct store_reader *reader)
{
    if (reader == NULL) {
        return;
    }
    close_connection(reader);
    free(reader);
}

struct store_reader *store_as_reader(struct store *store)
{
    return &store->connection;
}

/* --- transactions -------------------------------------------------------------------------- */

static int run_simple(struct store *store, enum statement which, const char *sql, const char *what,
                      struct error *err)
{
    sqlite3_stmt *statement = statement_get(&store->connection, which, sql, err);
    return statement == NULL ? -1 : statement_run(&store->connection, statement, what, err);
}

int store_begin(struct store *store, struct error *err)
{
    return run_simple(store, STATEMENT_BEGIN, "BEGIN IMMEDIATE", "begin a transaction", err);
}

int store_commit(struct store *store, struct error *err)
{
    return run_simple(store, STATEMENT_COMMIT, "COMMIT", "commit", err);
}

void store_rollback(struct store *store)
{
    struct error ignored = ERROR_EMPTY;
    /* A full disk or an I/O error has rolled back already. */
    if (!sqlite3_get_autocommit(store->connection.db) &&
        run_simple(store, STATEMENT_ROLLBACK, "ROLLBACK", "roll back", &ignored) != 0) {
        return;
    }
}

int store_check(struct store *store, struct error *err)
{
    return run_simple(store, STATEMENT_CHECK, "UPDATE state SET checks = checks + 1", "be written",
                      err);
}
