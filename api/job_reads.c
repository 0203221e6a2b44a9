/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * What hangs below a job and stands in the store: copies, attempts, plan, progress, events. Every
 * change is stored before it is told, so the store is as new as any event; all of it is read in the
 * pool. Progress of a job that runs is asked from the core first.
 *
 * Lists here are ascending by number; a cursor is the last number of the page before.
 */
#include "handlers.h"

#include "limits.h"
#include "views.h"

#include "base/alloc.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* Progress of an ended job is put together from its stored events. */
#define EVENTS_MAX 100000

struct page {
    int copy, attempt;
    int64_t after;
    int limit;
    json_t *items;
    int64_t last;
    bool has_more;
    const char *epoch;
    bool has_snapshot;
    struct job_snapshot snapshot;
};

static void release_page(void *state)
{
    struct page *page = state;
    json_decref(page->items);
    if (page->has_snapshot) {
        job_snapshot_release(&page->snapshot);
    }
    free(page);
}

static struct page *new_page(struct exchange *x)
{
    struct page *page = xcalloc(1, sizeof(*page));
    page->items = json_array();
    exchange_set_state(x, page, release_page);
    return page;
}

/* False: the page is full, and there is more. */
static bool has_room(struct page *page)
{
    page->has_more = json_array_size(page->items) == (size_t)page->limit;
    return !page->has_more;
}

static void reply_page(struct exchange *x, struct page *page)
{
    char cursor[24];
    json_t *items = page->items;
    page->items = NULL;
    snprintf(cursor, sizeof(cursor), "%" PRId64, page->last);
    exchange_reply_list(x, items, page->has_more ? cursor : NULL);
}

/* Limit and cursor of a list; NULL: 400 was answered. */
static struct page *start_list(struct exchange *x)
{
    int limit = exchange_limit(x);
    int64_t after = limit < 0 ? -1 : handler_cursor(x);
    if (after < 0) {
        return NULL;
    }
    if (after > INT32_MAX) {
        exchange_bad_query(x, "cursor", "is not one that an earlier page gave");
        return NULL;
    }
    struct page *page = new_page(x);
    page->limit = limit;
    page->after = after;
    return page;
}

/* Pool: the reader, when the job is there; NULL: answered. */
static struct store_reader *reader_of_job(struct exchange *x)
{
    struct store_reader *reader = exchange_reader(x);
    return reader != NULL && handler_has_job(x, reader, exchange_path(x, 0)) ? reader : NULL;
}

/* --- copies -------------------------------------------------------------------------------- */

static bool take_copy(const struct copy_row *row, void *arg)
{
    struct page *page = arg;
    if (!has_room(page)) {
        return false;
    }
    page->last = row->number;
    json_array_append_new(page->items, view_copy_row(row));
    return true;
}

static void read_copies(struct exchange *x)
{
    struct page *page = exchange_state(x);
    struct store_reader *reader = reader_of_job(x);
    struct error err = ERROR_EMPTY;
    if (reader == NULL) {
        return;
    }
    if (store_copies(reader, exchange_path(x, 0), 0, (int)page->after, page->limit + 1, take_copy,
                     page, &err) != 0) {
        exchange_reply_problem(x, &err, NULL);
    } else {
        reply_page(x, page);
    }
}

void handle_list_copies(struct exchange *x)
{
    if (start_list(x) != NULL) {
        exchange_in_pool(x, read_copies);
    }
}

/* The one item that was asked for. */
static void reply_single(struct exchange *x, struct page *page, const char *what, const char *name)
{
    json_t *item = json_array_get(page->items, 0);
    if (item == NULL) {
        handler_reply_not_found(x, what, name);
    } else {
        handler_reply_resource(x, 200, json_incref(item));
    }
}

static void read_copy(struct exchange *x)
{
    struct page *page = exchange_state(x);
    struct store_reader *reader = reader_of_job(x);
    struct error err = ERROR_EMPTY;
    if (reader == NULL) {
        return;
    }
    if (store_copies(reader, exchange_path(x, 0), page->copy, 0, 1, take_copy, page, &err) != 0) {
        exchange_reply_problem(x, &err, NULL);
    } else {
        reply_single(x, page, "copy", exchange_path(x, 1));
    }
}

void handle_get_copy(struct exchange *x)
{
    int copy = handler_path_number(x, 1, "copy");
    if (copy > 0) {
        struct page *page = new_page(x);
        page->copy = copy;
        page->limit = 1;
        exchange_in_pool(x, read_copy);
    }
}

/* --- attempts ------------------------------------------------------------------------------ */

static bool take_attempt(const struct attempt_row *row, void *arg)
{
    struct page *page = arg;
    if (!has_room(page)) {
        return false;
    }
    page->last = row->attempt;
    json_array_append_new(page->items, view_attempt_row(row));
    return true;
}

static bool note_copy(const struct copy_row *row, void *arg)
{
    (void)row;
    *(bool *)arg = true;
    return false;
}

/* Pool: the reader, when the job has this copy; NULL: answered. */
static struct store_reader *reader_of_copy(struct exchange *x, int copy)
{
    struct store_reader *reader = reader_of_job(x);
    struct error err = ERROR_EMPTY;
    bool found = false;
    if (reader == NULL) {
        return NULL;
    }
    if (store_copies(reader, exchange_path(x, 0), copy, 0, 1, note_copy, &found, &err) != 0) {
        exchange_reply_problem(x, &err, NULL);
        return NULL;
    }
    if (!found) {
        handler_reply_not_found(x, "copy", exchange_path(x, 1));
    }
    return found ? reader : NULL;
}

static void read_attempts(struct exchange *x)
{
    struct page *page = exchange_state(x);
    struct store_reader *reader = reader_of_copy(x, page->copy);
    struct error err = ERROR_EMPTY;
    if (reader == NULL) {
        return;
    }
    if (store_attempts(reader, exchange_path(x, 0), page->copy, page->attempt, (int)page->after,
                       page->limit + 1, take_attempt, page, &err) != 0) {
        exchange_reply_problem(x, &err, NULL);
    } else if (page->attempt > 0) {
        reply_single(x, page, "attempt", exchange_path(x, 2));
    } else {
        reply_page(x, page);
    }
}

void handle_list_attempts(struct exchange *x)
{
    int copy = handler_path_number(x, 1, "copy");
    struct page *page = copy > 0 ? start_list(x) : NULL;
    if (page != NULL) {
        page->copy = copy;
        exchange_in_pool(x, read_attempts);
    }
}

void handle_get_attempt(struct exchange *x)
{
    int copy = handler_path_number(x, 1, "copy");
    int attempt = copy > 0 ? handler_path_number(x, 2, "attempt") : -1;
    if (attempt > 0) {
        struct page *page = new_page(x);
        page->copy = copy;
        page->attempt = attempt;
        page->limit = 1;
        exchange_in_pool(x, read_attempts);
    }
}

/* --- plan ---------------------------------------------------------------------------------- */

struct stored_plan {
    bool has_job, has_plan;
    struct plan plan;
};

static bool take_plan(const struct job_row *row, void *arg)
{
    struct stored_plan *stored = arg;
    stored->has_job = true;
    stored->has_plan = row->plan != NULL && plan_decode(row->plan, &stored->plan) == 0;
    return false;
}

static void read_plan(struct exchange *x)
{
    struct store_reader *reader = exchange_reader(x);
    struct error err = ERROR_EMPTY;
    if (reader == NULL) {
        return;
    }
    struct stored_plan *stored = xcalloc(1, sizeof(*stored));
    if (store_job(reader, exchange_path(x, 0), take_plan, stored, &err) != 0) {
        exchange_reply_problem(x, &err, NULL);
    } else if (!stored->has_job) {
        handler_reply_not_found(x, "job", exchange_path(x, 0));
    } else if (!stored->has_plan) {
        error_set(&err, ERROR_NOT_READY, "job %s is not planned yet", exchange_path(x, 0));
        exchange_reply_problem(x, &err, NULL);
    } else {
        handler_reply_resource(x, 200, view_plan(&stored->plan, NULL));
    }
    free(stored);
}

void handle_get_plan(struct exchange *x)
{
    exchange_in_pool(x, read_plan);
}

/* --- progress ------------------------------------------------------------------------------ */

static bool take_progress_copy(const struct copy_row *row, void *arg)
{
    struct job *job = arg;
    job->copies = xrealloc(job->copies, (job->copy_count + 1) * sizeof(*job->copies));
    copy_from_row(row, &job->copies[job->copy_count++]);
    return true;
}

static bool take_progress_event(const struct event_row *row, void *arg)
{
    view_progress_event(arg, row);
    return true;
}

/* A snapshot of an ended job, as far as /progress shows it. 1, 0 = no such job, -1 = `err`. */
static int read_ended_job(struct store_reader *reader, const char *id, struct job_snapshot *out,
                          struct error *err)
{
    json_t *body = NULL;
    int found = handler_read_job(reader, id, &body, &out->job.state, NULL, err);
    json_decref(body);
    text_copy(out->job.id, sizeof(out->job.id), id);
    out->percent = out->job.state == JOB_COMPLETED ? 100.0 : -1.0;
    out->eta_s = -1;
    if (found == 1 &&
        store_copies(reader, id, 0, 0, LIMIT_COPIES, take_progress_copy, &out->job, err) != 0) {
        return -1;
    }
    return found;
}

static void read_progress(struct exchange *x)
{
    struct page *page = exchange_state(x);
    struct store_reader *reader = exchange_reader(x);
    struct error err = ERROR_EMPTY;
    const char *id = exchange_path(x, 0);
    if (reader == NULL) {
        return;
    }
    int found = read_ended_job(reader, id, &page->snapshot, &err);
    page->has_snapshot = true;
    if (found < 0) {
        exchange_reply_problem(x, &err, NULL);
    } else if (found == 0) {
        handler_reply_not_found(x, "job", id);
    } else {
        json_t *progress = view_progress(&page->snapshot);
        if (store_events(reader, id, 0, EVENTS_MAX, take_progress_event, progress, &err) != 0) {
            json_decref(progress);
            exchange_reply_problem(x, &err, NULL);
        } else {
            exchange_reply_json(x, 200, progress);
        }
    }
}

static void render_progress(struct exchange *x)
{
    const struct page *page = exchange_state(x);
    exchange_reply_json(x, 200, view_progress(&page->snapshot));
}

static void look_at_progress(struct exchange *x)
{
    struct page *page = exchange_state(x);
    page->has_snapshot =
        core_job_snapshot(exchange_core(x), exchange_path(x, 0), &page->snapshot) == 0;
    if (page->has_snapshot) {
        exchange_then(x, render_progress);
    } else {
        exchange_in_pool(x, read_progress);
    }
}

void handle_get_progress(struct exchange *x)
{
    new_page(x);
    exchange_on_core(x, look_at_progress);
}

/* --- events -------------------------------------------------------------------------------- */

static bool take_event(const struct event_row *row, void *arg)
{
    struct page *page = arg;
    page->last = row->seq;
    json_array_append_new(page->items, view_event_row(row, page->epoch));
    return true;
}

static void read_events(struct exchange *x)
{
    struct page *page = exchange_state(x);
    struct store_reader *reader = reader_of_job(x);
    struct error err = ERROR_EMPTY;
    if (reader == NULL) {
        return;
    }
    page->last = page->after;
    if (store_events(reader, exchange_path(x, 0), page->after, page->limit, take_event, page,
                     &err) != 0) {
        exchange_reply_problem(x, &err, NULL);
        return;
    }
    json_t *body = json_object();
    json_object_set(body, "items", page->items);
    json_object_set_new(body, "next", json_sprintf("%s:%" PRId64, page->epoch, page->last));
    exchange_reply_json(x, 200, body);
}

/* EPOCH:SEQ of this epoch; what was numbered in another one is all before. -1: 400 was answered. */
static int64_t read_since(struct exchange *x, const char *epoch)
{
    const char *since = exchange_query(x, "since");
    if (since == NULL || strcmp(since, "oldest") == 0) {
        return 0;
    }
    const char *colon = strrchr(since, ':');
    int64_t seq = colon == NULL ? -1 : handler_number(colon + 1, 0);
    if (seq < 0) {
        exchange_bad_query(x, "since", "must be oldest or EPOCH:SEQ");
        return -1;
    }
    bool ours =
        strlen(epoch) == (size_t)(colon - since) && strncmp(since, epoch, strlen(epoch)) == 0;
    return ours ? seq : 0;
}

void handle_list_job_events(struct exchange *x)
{
    const char *epoch = event_log_epoch(core_events(exchange_core(x)));
    int limit = exchange_limit(x);
    int64_t after = limit < 0 ? -1 : read_since(x, epoch);
    if (after < 0) {
        return;
    }
    struct page *page = new_page(x);
    page->limit = limit;
    page->after = after;
    page->epoch = epoch;
    exchange_in_pool(x, read_events);
}
