/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * The register of discs. A disc's row stays when its job is deleted.
 */
#include "store/store_sqlite.h"

#include <stddef.h>

#define ABOVE_ALL_IDS "~"

#define DISC_COLUMNS \
    "id, job, copy, attempt, recorder, title, volume_id, profile, fingerprint, session_sha256, " \
    "outcome, verified, location, blocks, created_at"

int store_put_disc(struct store *store, const struct disc_row *row, struct error *err)
{
    sqlite3_stmt *statement = statement_get(
        &store->connection, STATEMENT_PUT_DISC,
        "INSERT INTO discs (" DISC_COLUMNS ") VALUES (?,?,?,?,?,?,?,?,?,?,?,?,?,?,?) "
        "ON CONFLICT (id) DO UPDATE SET job = excluded.job, copy = excluded.copy, "
        "attempt = excluded.attempt, recorder = excluded.recorder, title = excluded.title, "
        "volume_id = excluded.volume_id, profile = excluded.profile, "
        "fingerprint = excluded.fingerprint, session_sha256 = excluded.session_sha256, "
        "outcome = excluded.outcome, verified = excluded.verified, location = excluded.location, "
        "blocks = excluded.blocks, created_at = excluded.created_at",
        err);
    if (statement == NULL) {
        return -1;
    }
    struct binder b = {statement, 0};
    bind_text(&b, row->id);
    bind_text(&b, row->job[0] != '\0' ? row->job : NULL);
    bind_int(&b, row->copy);
    bind_int(&b, row->attempt);
    bind_text(&b, row->recorder);
    bind_text(&b, row->title);
    bind_text(&b, row->volume_id);
    bind_text(&b, row->profile);
    bind_text(&b, row->fingerprint);
    bind_text(&b, row->session_sha256);
    bind_text(&b, row->outcome);
    bind_text(&b, row->verified);
    bind_text(&b, row->location);
    bind_int(&b, row->blocks);
    bind_int(&b, row->created_at_ms);
    return statement_run(&store->connection, statement, "store a disc", err);
}

static struct disc_row take_disc(sqlite3_stmt *statement)
{
    struct columns c = {statement, 0};
    struct disc_row row = {0};
    take_id(&c, row.id);
    take_id(&c, row.job);
    row.copy = (int)take_int(&c);
    row.attempt = (int)take_int(&c);
    row.recorder = take_text(&c);
    row.title = take_text(&c);
    row.volume_id = take_text(&c);
    row.profile = take_text(&c);
    row.fingerprint = take_text(&c);
    row.session_sha256 = take_text(&c);
    row.outcome = take_text(&c);
    row.verified = take_text(&c);
    row.location = take_text(&c);
    row.blocks = take_int(&c);
    row.created_at_ms = take_int(&c);
    return row;
}

static int each_disc(struct store_reader *reader, sqlite3_stmt *statement,
                     bool (*row)(const struct disc_row *row, void *arg), void *arg,
                     struct error *err)
{
    int more;
    while ((more = statement_next(reader, statement, "read discs", err)) == 1) {
        struct disc_row disc = take_disc(statement);
        if (!row(&disc, arg)) {
            sqlite3_reset(statement);
            return 0;
        }
    }
    return more;
}

/* `q` matches a part of the title, the volume id or the location, upper and lower case being the
 * same. */
int store_discs(struct store_reader *reader, const struct disc_filter *filter,
                bool (*row)(const struct disc_row *row, void *arg), void *arg, struct error *err)
{
    sqlite3_stmt *statement =
        statement_get(reader, STATEMENT_DISCS,
                      "SELECT " DISC_COLUMNS " FROM discs WHERE id < ?1 "
                      "AND (?2 IS NULL OR volume_id = ?2) AND (?3 IS NULL OR job = ?3) "
                      "AND (?4 IS NULL OR outcome = ?4) AND (?5 IS NULL OR fingerprint = ?5) "
                      "AND (?6 IS NULL OR instr(lower(coalesce(title, '') || char(10) || "
                      "coalesce(volume_id, '') || "
                      "char(10) || coalesce(location, '')), lower(?6)) > 0) "
                      "ORDER BY id DESC LIMIT ?7",
                      err);
    if (statement == NULL) {
        return -1;
    }
    struct binder b = {statement, 0};
    bind_text(&b, filter->cursor != NULL ? filter->cursor : ABOVE_ALL_IDS);
    bind_text(&b, filter->volume_id);
    bind_text(&b, filter->job);
    bind_text(&b, filter->outcome);
    bind_text(&b, filter->fingerprint);
    bind_text(&b, filter->q);
    bind_int(&b, filter->limit > 0 ? filter->limit : -1);
    return each_disc(reader, statement, row, arg, err);
}

int store_disc(struct store_reader *reader, const char *id,
               bool (*row)(const struct disc_row *row, void *arg), void *arg, struct error *err)
{
    sqlite3_stmt *statement = statement_get(reader, STATEMENT_DISC,
                                            "SELECT " DISC_COLUMNS " FROM discs WHERE id = ?", err);
    if (statement == NULL) {
        return -1;
    }
    bind_text(&(struct binder){statement, 0}, id);
    return each_disc(reader, statement, row, arg, err);
}
