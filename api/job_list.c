/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * GET /jobs. The store filters and pages, in the pool; then the core is asked for those jobs of the
 * page that have not ended, and their rows are replaced by what the core knows (percent, what is
 * active). A job that ended in between keeps its row.
 *
 * Documents may hold megabytes of text, so a page is also bounded by its bytes: it then ends before
 * `limit` jobs and its cursor leads on.
 */
#include "handlers.h"

#include "views.h"

#include "base/alloc.h"
#include "base/clock.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define PAGE_BYTES_MAX (8 * 1024 * 1024)

struct listed_job {
    char id[ID_SIZE];
    bool is_terminal, has_snapshot;
    int64_t copies;
    enum job_state state;
    struct job_snapshot *snapshot;
};

struct job_list {
    struct job_filter filter;
    json_t *items;
    struct listed_job *jobs;
    size_t count, bytes;
    bool has_more;
};

static void release_list(void *state)
{
    struct job_list *list = state;
    for (size_t i = 0; i < list->count; i++) {
        if (list->jobs[i].has_snapshot) {
            job_snapshot_release(list->jobs[i].snapshot);
        }
        free(list->jobs[i].snapshot);
    }
    free(list->jobs);
    json_decref(list->items);
    free(list);
}

/* --- the page, in the pool ----------------------------------------------------------------- */

static bool take_row(const struct job_row *row, void *arg)
{
    struct job_list *list = arg;
    size_t bytes = row->document != NULL ? strlen(row->document) : 0;
    if (list->count == (size_t)list->filter.limit - 1 ||
        (list->count > 0 && list->bytes + bytes > PAGE_BYTES_MAX)) {
        list->has_more = true;
        return false;
    }
    struct listed_job *job = &list->jobs[list->count++];
    memcpy(job->id, row->id, sizeof(job->id));
    job->is_terminal = row->terminal;
    job->copies = row->copy_count;
    if (row->state == NULL || job_state_from_text(row->state, &job->state) != 0) {
        job->state = JOB_FAILED;
    }
    list->bytes += bytes;
    json_array_append_new(list->items, view_job_row(row, json_null()));
    return true;
}

/* All copies of a completed job are done, the only copy of a failed one failed: no need to count.
 */
static int count_copies(struct store_reader *reader, const struct listed_job *job,
                        int64_t counts[COPY_COUNT], struct error *err)
{
    memset(counts, 0, COPY_COUNT * sizeof(*counts));
    if (job->state == JOB_COMPLETED) {
        counts[COPY_DONE] = job->copies;
        return 0;
    }
    return handler_count_copies(reader, job->id, counts, err);
}

static int count_all_copies(struct store_reader *reader, struct job_list *list, struct error *err)
{
    for (size_t i = 0; i < list->count; i++) {
        int64_t counts[COPY_COUNT];
        if (count_copies(reader, &list->jobs[i], counts, err) != 0) {
            return -1;
        }
        json_object_set_new(json_array_get(list->items, i), "copies_summary",
                            view_copies_summary(counts));
    }
    return 0;
}

/* --- the core's knowledge ------------------------------------------------------------------ */

static void render_list(struct exchange *x)
{
    struct job_list *list = exchange_state(x);
    for (size_t i = 0; i < list->count; i++) {
        if (list->jobs[i].has_snapshot) {
            json_array_set_new(list->items, i, view_job(list->jobs[i].snapshot));
        }
    }
    json_t *items = list->items;
    list->items = NULL;
    exchange_reply_list(x, items, list->has_more ? list->jobs[list->count - 1].id : NULL);
}

static void take_snapshots(struct exchange *x)
{
    struct job_list *list = exchange_state(x);
    for (size_t i = 0; i < list->count; i++) {
        struct listed_job *job = &list->jobs[i];
        if (!job->is_terminal) {
            job->snapshot = xcalloc(1, sizeof(*job->snapshot));
            job->has_snapshot = core_job_snapshot(exchange_core(x), job->id, job->snapshot) == 0;
        }
    }
    exchange_then(x, render_list);
}

static bool has_live_jobs(const struct job_list *list)
{
    for (size_t i = 0; i < list->count; i++) {
        if (!list->jobs[i].is_terminal) {
            return true;
        }
    }
    return false;
}

static void read_list(struct exchange *x)
{
    struct job_list *list = exchange_state(x);
    struct store_reader *reader = exchange_reader(x);
    struct error err = ERROR_EMPTY;
    if (reader == NULL) {
        return;
    }
    if (store_jobs(reader, &list->filter, take_row, list, &err) != 0 ||
        count_all_copies(reader, list, &err) != 0) {
        exchange_reply_problem(x, &err, NULL);
    } else if (has_live_jobs(list)) {
        exchange_on_core(x, take_snapshots);
    } else {
        render_list(x);
    }
}

/* --- the filter ---------------------------------------------------------------------------- */

/* A comma list; -1: 400 was answered. */
static int check_states(struct exchange *x, const char *states)
{
    while (states != NULL) {
        char word[32];
        enum job_state state;
        size_t length = strcspn(states, ",");
        snprintf(word, sizeof(word), "%.*s",
                 (int)(length < sizeof(word) ? length : sizeof(word) - 1), states);
        if (length >= sizeof(word) || job_state_from_text(word, &state) != 0) {
            exchange_bad_query(x, "state", "must be a comma list of job states");
            return -1;
        }
        states = states[length] == ',' ? states + length + 1 : NULL;
    }
    return 0;
}

static int read_time(struct exchange *x, const char *name, int64_t *out)
{
    const char *text = exchange_query(x, name);
    if (text != NULL && clock_from_text(text, out) != 0) {
        exchange_bad_query(x, name, "must be an RFC 3339 time such as 2026-07-01T12:00:00Z");
        return -1;
    }
    return 0;
}

static int read_tag(struct exchange *x, struct job_filter *filter)
{
    const char *key = NULL, *second = NULL;
    filter->tag_value = exchange_query_prefixed(x, "tag.", 0, &key);
    filter->tag_key = key;
    if (key != NULL && (key[0] == '\0' || exchange_query_prefixed(x, "tag.", 1, &second) != NULL)) {
        exchange_bad_query(x, "tag.",
                           key[0] == '\0' ? "needs the key of a tag: tag.KEY=VALUE"
                                          : "only one tag can be asked for");
        return -1;
    }
    return 0;
}

static int read_filter(struct exchange *x, struct job_filter *filter)
{
    int limit = exchange_limit(x),
        needs_person = limit < 0 ? -2 : handler_query_bool(x, "needs_person");
    if (needs_person == -2) {
        return -1;
    }
    *filter = (struct job_filter){
        .states = exchange_query(x, "state"),
        .type = exchange_query(x, "type"),
        .client_ref = exchange_query(x, "client_ref"),
        .title = exchange_query(x, "title"),
        .recorder = exchange_query(x, "recorder"),
        .pool = exchange_query(x, "pool"),
        .needs_person = needs_person,
        .cursor = exchange_query(x, "cursor"),
        .limit = limit + 1, /* one more tells whether there is a further page */
    };
    if (filter->cursor != NULL && !handler_is_id(filter->cursor, "job")) {
        exchange_bad_query(x, "cursor", "is not one that an earlier page gave");
        return -1;
    }
    if (check_states(x, filter->states) != 0 || read_tag(x, filter) != 0 ||
        read_time(x, "created_after", &filter->created_after_ms) != 0) {
        return -1;
    }
    return read_time(x, "created_before", &filter->created_before_ms);
}

void handle_list_jobs(struct exchange *x)
{
    struct job_filter filter;
    if (read_filter(x, &filter) != 0) {
        return;
    }
    struct job_list *list = xcalloc(1, sizeof(*list));
    list->filter = filter;
    list->items = json_array();
    list->jobs = xcalloc((size_t)filter.limit, sizeof(*list->jobs));
    exchange_set_state(x, list, release_list);
    exchange_in_pool(x, read_list);
}
