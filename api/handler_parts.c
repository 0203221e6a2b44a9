/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * What several handlers need: small readings of path, query and body, and jobs out of the store.
 * See handlers.h.
 */
#include "handlers.h"

#include "body_reader.h"
#include "limits.h"
#include "views.h"

#include "base/alloc.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* FNV-1a: an ETag must differ when the content does, it is no secret. */
static uint64_t hash_text(const char *text)
{
    uint64_t hash = 0xcbf29ce484222325u;
    for (; *text != '\0'; text++) {
        hash = (hash ^ (unsigned char)*text) * 0x100000001b3u;
    }
    return hash;
}

void handler_reply_resource(struct exchange *x, int status, json_t *owned_body)
{
    char *text = json_dumps(owned_body, JSON_COMPACT | JSON_SORT_KEYS);
    if (text != NULL) {
        char etag[24];
        snprintf(etag, sizeof(etag), "%016" PRIx64, hash_text(text));
        exchange_set_etag(x, etag);
        free(text);
    }
    exchange_reply_json(x, status, owned_body);
}

bool handler_takes_nothing(struct exchange *x)
{
    size_t length = 0;
    exchange_body(x, &length);
    if (length == 0) {
        return true;
    }
    const json_t *body = exchange_json(x);
    if (body == NULL) {
        return false;
    }
    struct error err = ERROR_EMPTY;
    struct field_errors *fields = xcalloc(1, sizeof(*fields));
    bool good = body_reader_empty(body, fields, &err) == 0;
    if (!good) {
        exchange_reply_problem(x, &err, fields);
    }
    free(fields);
    return good;
}

int64_t handler_number(const char *text, int64_t least)
{
    size_t digits = strspn(text, "0123456789");
    if (digits == 0 || digits > 18 || text[digits] != '\0') {
        return -1;
    }
    int64_t number = strtoll(text, NULL, 10);
    return number < least ? -1 : number;
}

void handler_reply_not_found(struct exchange *x, const char *what, const char *name)
{
    struct error err;
    error_set(&err, ERROR_NOT_FOUND, "there is no %s %s", what, name);
    exchange_reply_problem(x, &err, NULL);
}

int handler_path_number(struct exchange *x, size_t n, const char *what)
{
    int64_t number = handler_number(exchange_path(x, n), 1);
    if (number < 1 || number > INT32_MAX) {
        handler_reply_not_found(x, what, exchange_path(x, n));
        return -1;
    }
    return (int)number;
}

int64_t handler_cursor(struct exchange *x)
{
    const char *text = exchange_query(x, "cursor");
    int64_t cursor = text == NULL ? 0 : handler_number(text, 0);
    if (cursor < 0) {
        exchange_bad_query(x, "cursor", "is not one that an earlier page gave");
    }
    return cursor;
}

int handler_query_bool(struct exchange *x, const char *name)
{
    const char *text = exchange_query(x, name);
    if (text == NULL) {
        return -1;
    }
    if (strcmp(text, "true") == 0 || strcmp(text, "false") == 0) {
        return text[0] == 't';
    }
    exchange_bad_query(x, name, "must be true or false");
    return -2;
}

bool handler_is_id(const char *text, const char *prefix)
{
    size_t length = strlen(prefix);
    return strncmp(text, prefix, length) == 0 && text[length] == '_' &&
           strlen(text) == length + 27 &&
           strspn(text + length + 1, "0123456789ABCDEFGHJKMNPQRSTVWXYZ") == 26;
}

/* --- the store ----------------------------------------------------------------------------- */

static bool note_copy(const struct copy_row *row, void *arg)
{
    int64_t *counts = arg;
    enum copy_state state;
    if (row->state != NULL && copy_state_from_text(row->state, &state) == 0) {
        counts[state]++;
    }
    return true;
}

int handler_count_copies(struct store_reader *reader, const char *id, int64_t counts[COPY_COUNT],
                         struct error *err)
{
    memset(counts, 0, COPY_COUNT * sizeof(*counts));
    return store_copies(reader, id, 0, 0, LIMIT_COPIES, note_copy, counts, err);
}

static bool note_job(const struct job_row *row, void *arg)
{
    (void)row;
    *(bool *)arg = true;
    return false;
}

bool handler_has_job(struct exchange *x, struct store_reader *reader, const char *id)
{
    struct error err = ERROR_EMPTY;
    bool found = false;
    if (store_job(reader, id, note_job, &found, &err) != 0) {
        exchange_reply_problem(x, &err, NULL);
        return false;
    }
    if (!found) {
        handler_reply_not_found(x, "job", id);
    }
    return found;
}

struct stored_job {
    json_t *body;
    enum job_state state;
    int64_t version;
};

static bool take_job(const struct job_row *row, void *arg)
{
    struct stored_job *job = arg;
    job->body = view_job_row(row, json_null());
    job->version = row->version;
    if (row->state == NULL || job_state_from_text(row->state, &job->state) != 0) {
        job->state = JOB_FAILED;
    }
    return false;
}

int handler_read_job(struct store_reader *reader, const char *id, json_t **out,
                     enum job_state *state, int64_t *version, struct error *err)
{
    struct stored_job job = {0};
    int64_t counts[COPY_COUNT];
    if (store_job(reader, id, take_job, &job, err) != 0) {
        json_decref(job.body);
        return -1;
    }
    if (job.body == NULL) {
        return 0;
    }
    if (handler_count_copies(reader, id, counts, err) != 0) {
        json_decref(job.body);
        return -1;
    }
    json_object_set_new(job.body, "copies_summary", view_copies_summary(counts));
    *out = job.body;
    *state = job.state;
    if (version != NULL) {
        *version = job.version;
    }
    return 1;
}

void handler_set_job_etag(struct exchange *x, int64_t version)
{
    char etag[32];
    snprintf(etag, sizeof(etag), "v%" PRId64, version);
    exchange_set_etag(x, etag);
}
