/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * What outlives a restart. SQLite (WAL, synchronous=FULL) embedded; nothing above this folder
 * writes SQL. The core thread has the one writing connection (`struct store`); readers on pool
 * threads open their own (`struct store_reader`). A call that returns 0 has been committed, unless
 * it stands between store_begin() and store_commit().
 *
 * Documents, plans, problems, warnings and media are kept as the JSON text of the protocol's
 * codecs; what is searched or decided upon has a column of its own.
 */
#ifndef BURND_STORE_H
#define BURND_STORE_H

#include "base/error.h"
#include "base/id.h"

#include <stdbool.h>
#include <stdint.h>

struct store;
struct store_reader;

NODISCARD int store_open(const char *path, struct store **out, struct error *err);
void store_close(struct store *store);
/* An error of a write is fatal for what was to be done: nothing is told or done that was not
 * stored. */
NODISCARD int store_begin(struct store *store, struct error *err);
NODISCARD int store_commit(struct store *store, struct error *err);
void store_rollback(struct store *store);
NODISCARD int store_check(struct store *store, struct error *err); /* one small write */

/* --- rows: all texts are borrowed on write and malloc()ed on read; NULL = SQL NULL --------- */

struct job_row {
    char id[ID_SIZE];
    const char *type, *state, *title, *client_ref, *document, *plan, *warnings, *problem, *reasons;
    const char *recorder, *pool, *first_sha256;
    const char *tags; /* "\nkey=value\n…", for the filter */
    bool cancel_accepted, held_by_limit, needs_person, terminal;
    int priority;
    int64_t copy_count, version;
    int64_t created_at_ms, started_at_ms, ended_at_ms; /* 0 = NULL */
};
struct copy_row {
    char job[ID_SIZE], id[ID_SIZE];
    int number, attempts, tries;
    bool cancel_asked;
    const char *state, *reason, *reason_detail, *recorder, *disc, *problem;
    int64_t reason_since_ms, started_at_ms, ended_at_ms;
};
struct attempt_row {
    char id[ID_SIZE], job[ID_SIZE];
    int copy, attempt;
    const char *recorder, *phase, *cancel, *outcome, *advice, *disc, *problem;
    const char *medium_before, *medium_after, *phases, *session_sha256, *verified;
    const char *speed_asked; /* "max", "min", "x=8", "kb_s=11080" */
    int64_t speed_kb_s, blocks, base_lba, metadata_blocks, started_at_ms, ended_at_ms;
    bool simulate, medium_was_blank, has_items;
};
struct disc_row {
    char id[ID_SIZE], job[ID_SIZE];
    int copy, attempt;
    const char *recorder, *title, *volume_id, *profile, *fingerprint, *session_sha256, *outcome,
        *verified, *location;
    int64_t blocks, created_at_ms;
};
struct event_row {
    int64_t seq, time_ms;
    const char *type, *job, *recorder, *data;
    int copy, attempt;
    bool job_is_terminal;
};

NODISCARD int store_put_job(struct store *store, const struct job_row *row, struct error *err);
NODISCARD int store_put_copy(struct store *store, const struct copy_row *row, struct error *err);
NODISCARD int store_put_attempt(struct store *store, const struct attempt_row *row,
                                struct error *err);
NODISCARD int store_put_disc(struct store *store, const struct disc_row *row, struct error *err);
/* With its copies, attempts and events; discs stay. */
NODISCARD int store_delete_job(struct store *store, const char *id, struct error *err);

/* Events: numbers are reserved in steps before use, so that none is given twice. */
NODISCARD int store_put_event(struct store *store, const struct event_row *row, struct error *err);
NODISCARD int store_reserve_seq(struct store *store, int64_t upto, struct error *err);
NODISCARD int store_event_state(struct store *store, char *epoch, size_t epoch_size,
                                int64_t *reserved,
                                struct error *err); /* makes the epoch when there is none */
/* Forget all state events but the last `keep` that belong to no stored job; called now and then. */
NODISCARD int store_trim_events(struct store *store, int64_t keep, struct error *err);

struct idempotency_row {
    const char *scope, *key, *body_sha256, *body, *location;
    int status;
    int64_t created_at_ms;
};
NODISCARD int store_put_idempotency(struct store *store, const struct idempotency_row *row,
                                    struct error *err);
/* 1 found (texts malloc()ed), 0 not found, -1 error. Rows older than 7 days are not found. */
NODISCARD int store_find_idempotency(struct store *store, const char *scope, const char *key,
                                     struct idempotency_row *out, struct error *err);

/* --- reading: a callback per row; texts are borrowed for the call. A callback returns false to stop.
 * `store_reader` works on any one thread; store_as_reader() lends the writer's connection to the core
 * thread. --------------------------------------------------------------------------------------------- */

NODISCARD int store_reader_open(const char *path, struct store_reader **out, struct error *err);
void store_reader_close(struct store_reader *reader);
struct store_reader *store_as_reader(struct store *store);

struct job_filter {
    const char *states; /* comma list, NULL = all; likewise below */
    const char *type, *client_ref, *title, *recorder, *pool;
    const char *tag_key, *tag_value;
    int64_t created_after_ms, created_before_ms; /* 0 = none */
    int needs_person;                            /* -1 = either, 0, 1 */
    bool only_live;                              /* not terminal */
    const char *cursor; /* the id the last page ended with, NULL = from the newest */
    int limit;
};
NODISCARD int store_jobs(struct store_reader *reader, const struct job_filter *filter,
                         bool (*row)(const struct job_row *row, void *arg), void *arg,
                         struct error *err);
NODISCARD int store_job(struct store_reader *reader, const char *id,
                        bool (*row)(const struct job_row *row, void *arg), void *arg,
                        struct error *err);
/* ascending by number, those above `after`; number ≥ 1 asks for that one alone (then `after`
 * counts not) */
NODISCARD int store_copies(struct store_reader *reader, const char *job, int number, int after,
                           int limit, bool (*row)(const struct copy_row *row, void *arg), void *arg,
                           struct error *err);
NODISCARD int store_attempts(struct store_reader *reader, const char *job, int copy, int attempt,
                             int after, int limit,
                             bool (*row)(const struct attempt_row *row, void *arg), void *arg,
                             struct error *err);
/* attempts that have not ended, of all jobs */
NODISCARD int store_open_attempts(struct store_reader *reader,
                                  bool (*row)(const struct attempt_row *row, void *arg), void *arg,
                                  struct error *err);
struct disc_filter {
    const char *volume_id, *job, *outcome, *q; /* q: part of the title, volume id or location */
    const char *fingerprint;
    const char *cursor;
    int limit;
};
NODISCARD int store_discs(struct store_reader *reader, const struct disc_filter *filter,
                          bool (*row)(const struct disc_row *row, void *arg), void *arg,
                          struct error *err);
NODISCARD int store_disc(struct store_reader *reader, const char *id,
                         bool (*row)(const struct disc_row *row, void *arg), void *arg,
                         struct error *err);
/* ascending by seq above `after`; job NULL = all, then only the last `limit` */
NODISCARD int store_events(struct store_reader *reader, const char *job, int64_t after, int limit,
                           bool (*row)(const struct event_row *row, void *arg), void *arg,
                           struct error *err);

#endif
