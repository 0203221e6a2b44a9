-- SPDX-License-Identifier: GPL-2.0-or-later
--
-- The first schema. Documents, plans, problems, warnings, media and event data are JSON texts that SQL
-- never looks into. Times are milliseconds since 1970 UTC, NULL where something has not happened.
-- Ids sort by the time they were made, so ordering by id is ordering by age.

-- One row: what the event stream must not forget. No number up to reserved_seq is ever given again.
CREATE TABLE state (
    only_one     INTEGER PRIMARY KEY CHECK (only_one = 1),
    epoch        TEXT    NOT NULL,
    reserved_seq INTEGER NOT NULL DEFAULT 0,
    checks       INTEGER NOT NULL DEFAULT 0
);
INSERT INTO state (only_one, epoch) VALUES (1, lower(hex(randomblob(8))));

CREATE TABLE jobs (
    id              TEXT    NOT NULL PRIMARY KEY,
    type            TEXT    NOT NULL,
    state           TEXT    NOT NULL,
    title           TEXT,
    client_ref      TEXT,
    document        TEXT    NOT NULL,
    plan            TEXT,
    warnings        TEXT,
    problem         TEXT,
    reasons         TEXT,
    recorder        TEXT,
    pool            TEXT,
    first_sha256    TEXT,
    tags            TEXT,
    cancel_accepted INTEGER NOT NULL,
    held_by_limit   INTEGER NOT NULL,
    needs_person    INTEGER NOT NULL,
    terminal        INTEGER NOT NULL,
    priority        INTEGER NOT NULL,
    copy_count      INTEGER NOT NULL,
    version         INTEGER NOT NULL,
    created_at      INTEGER NOT NULL,
    started_at      INTEGER,
    ended_at        INTEGER
);
CREATE INDEX jobs_live ON jobs (id) WHERE terminal = 0;
CREATE INDEX jobs_client_ref ON jobs (client_ref, id) WHERE client_ref IS NOT NULL;

CREATE TABLE copies (
    job           TEXT    NOT NULL REFERENCES jobs (id) ON DELETE CASCADE DEFERRABLE INITIALLY DEFERRED,
    number        INTEGER NOT NULL,
    id            TEXT    NOT NULL,
    attempts      INTEGER NOT NULL,
    tries         INTEGER NOT NULL,
    cancel_asked  INTEGER NOT NULL DEFAULT 0,
    state         TEXT    NOT NULL,
    reason        TEXT,
    reason_detail TEXT,
    recorder      TEXT,
    disc          TEXT,
    problem       TEXT,
    reason_since  INTEGER,
    started_at    INTEGER,
    ended_at      INTEGER,
    PRIMARY KEY (job, number)
) WITHOUT ROWID;
CREATE INDEX copies_recorder ON copies (recorder, job) WHERE recorder IS NOT NULL;

CREATE TABLE attempts (
    job              TEXT    NOT NULL REFERENCES jobs (id) ON DELETE CASCADE DEFERRABLE INITIALLY DEFERRED,
    copy             INTEGER NOT NULL,
    attempt          INTEGER NOT NULL,
    id               TEXT    NOT NULL,
    recorder         TEXT,
    phase            TEXT    NOT NULL,
    cancel           TEXT,
    outcome          TEXT,
    advice           TEXT,
    disc             TEXT,
    problem          TEXT,
    medium_before    TEXT,
    medium_after     TEXT,
    phases           TEXT,
    session_sha256   TEXT,
    verified         TEXT,
    speed_asked      TEXT,
    speed_kb_s       INTEGER NOT NULL,
    blocks           INTEGER NOT NULL,
    base_lba         INTEGER NOT NULL,
    metadata_blocks  INTEGER NOT NULL,
    simulate         INTEGER NOT NULL,
    medium_was_blank INTEGER NOT NULL,
    has_items        INTEGER NOT NULL,
    started_at       INTEGER,
    ended_at         INTEGER,
    PRIMARY KEY (job, copy, attempt)
) WITHOUT ROWID;
CREATE INDEX attempts_open ON attempts (id) WHERE ended_at IS NULL;

-- The register. No reference to jobs: a disc outlives the job that made it.
CREATE TABLE discs (
    id             TEXT    NOT NULL PRIMARY KEY,
    job            TEXT,
    copy           INTEGER NOT NULL,
    attempt        INTEGER NOT NULL,
    recorder       TEXT,
    title          TEXT,
    volume_id      TEXT,
    profile        TEXT,
    fingerprint    TEXT,
    session_sha256 TEXT,
    outcome        TEXT,
    verified       TEXT,
    location       TEXT,
    blocks         INTEGER NOT NULL,
    created_at     INTEGER NOT NULL
);
CREATE INDEX discs_fingerprint ON discs (fingerprint);
CREATE INDEX discs_job ON discs (job);

-- State events. No reference to jobs: that a job was deleted is itself an event of it.
CREATE TABLE events (
    seq      INTEGER PRIMARY KEY,
    time     INTEGER NOT NULL,
    type     TEXT    NOT NULL,
    job      TEXT,
    copy     INTEGER NOT NULL,
    attempt  INTEGER NOT NULL,
    recorder TEXT,
    terminal INTEGER NOT NULL,
    data     TEXT    NOT NULL
);
CREATE INDEX events_job ON events (job, seq) WHERE job IS NOT NULL;

CREATE TABLE idempotency (
    scope       TEXT    NOT NULL,
    key         TEXT    NOT NULL,
    body_sha256 TEXT    NOT NULL,
    status      INTEGER NOT NULL,
    body        TEXT,
    location    TEXT,
    created_at  INTEGER NOT NULL,
    PRIMARY KEY (scope, key)
) WITHOUT ROWID;
CREATE INDEX idempotency_age ON idempotency (created_at);
