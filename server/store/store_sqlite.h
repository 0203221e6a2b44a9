/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * What the files of this folder share: a connection with its prepared statements, and the few moves
 * they make with one (bind, run, next row, read columns). Not for use outside server/store/.
 *
 * A statement is prepared at its first use and kept until the connection closes. A row callback may
 * call other functions of the store, but not the one that is calling it.
 */
#ifndef BURND_STORE_SQLITE_H
#define BURND_STORE_SQLITE_H

#include "store/store.h"

#include <sqlite3.h>

enum statement {
    STATEMENT_BEGIN,
    STATEMENT_COMMIT,
    STATEMENT_ROLLBACK,
    STATEMENT_CHECK,
    STATEMENT_PUT_JOB,
    STATEMENT_DELETE_JOB,
    STATEMENT_DELETE_JOB_EVENTS,
    STATEMENT_JOBS,
    STATEMENT_JOB,
    STATEMENT_PUT_COPY,
    STATEMENT_COPIES,
    STATEMENT_PUT_ATTEMPT,
    STATEMENT_ATTEMPTS,
    STATEMENT_OPEN_ATTEMPTS,
    STATEMENT_PUT_DISC,
    STATEMENT_DISCS,
    STATEMENT_DISC,
    STATEMENT_PUT_EVENT,
    STATEMENT_EVENTS,
    STATEMENT_JOB_EVENTS,
    STATEMENT_TRIM_EVENTS,
    STATEMENT_RESERVE,
    STATEMENT_RESERVED,
    STATEMENT_PUT_IDEMPOTENCY,
    STATEMENT_TRIM_IDEMPOTENCY,
    STATEMENT_FIND_IDEMPOTENCY,
    STATEMENT_COUNT
};

struct store_reader {
    sqlite3 *db;
    sqlite3_stmt *statements[STATEMENT_COUNT];
};

struct store {
    struct store_reader connection;
};

/* One schema step, from migrations/; text ends in NUL. */
struct migration {
    const char *name;
    const char *sql;
};
extern const struct migration store_migrations[];
extern const int store_migration_count; /* = the schema version this program knows */

/* Fills `err` with what could not be done and SQLite's own words; returns -1. */
int store_failed(sqlite3 *db, const char *what, struct error *err);

/* The prepared statement, reset and without values; NULL and `err`. */
sqlite3_stmt *statement_get(struct store_reader *reader, enum statement which, const char *sql,
                            struct error *err);
/* Steps to the end and resets. `what` names the act in the error. */
NODISCARD int statement_run(struct store_reader *reader, sqlite3_stmt *statement, const char *what,
                            struct error *err);
/* 1: a row is there; 0: no more (and reset); -1: `err` (and reset). */
NODISCARD int statement_next(struct store_reader *reader, sqlite3_stmt *statement, const char *what,
                             struct error *err);

/* Values in the order of the SQL's parameters. Texts are not copied: they outlive the run. */
struct binder {
    sqlite3_stmt *statement;
    int index; /* of the last one bound */
};
void bind_text(struct binder *binder, const char *text); /* NULL = SQL NULL */
void bind_int(struct binder *binder, int64_t value);
void bind_time(struct binder *binder, int64_t wall_ms); /* 0 = SQL NULL */

/* Columns in the order of the SELECT. */
struct columns {
    sqlite3_stmt *statement;
    int index; /* of the next one */
};
const char *take_text(struct columns *columns); /* borrowed until the next step; NULL = SQL NULL */
int64_t take_int(struct columns *columns);      /* 0 for SQL NULL */
void take_id(struct columns *columns, char out[ID_SIZE]);

#endif
