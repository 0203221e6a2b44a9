/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * /discs: the register of what was made, newest first. It stands in the store only.
 */
#include "handlers.h"

#include "views.h"

#include "base/alloc.h"

#include <stdlib.h>
#include <string.h>

struct disc_page {
    struct disc_filter filter;
    json_t *items;
    char last[ID_SIZE];
    bool has_more;
};

static void release_page(void *state)
{
    struct disc_page *page = state;
    json_decref(page->items);
    free(page);
}

static struct disc_page *new_page(struct exchange *x)
{
    struct disc_page *page = xcalloc(1, sizeof(*page));
    page->items = json_array();
    exchange_set_state(x, page, release_page);
    return page;
}

/* The filter asks for one more than the page shows. */
static bool take_disc(const struct disc_row *row, void *arg)
{
    struct disc_page *page = arg;
    if (page->filter.limit > 0 && json_array_size(page->items) + 1 == (size_t)page->filter.limit) {
        page->has_more = true;
        return false;
    }
    memcpy(page->last, row->id, sizeof(page->last));
    json_array_append_new(page->items, view_disc_row(row));
    return true;
}

static void read_discs(struct exchange *x)
{
    struct disc_page *page = exchange_state(x);
    struct store_reader *reader = exchange_reader(x);
    struct error err = ERROR_EMPTY;
    if (reader == NULL) {
        return;
    }
    if (store_discs(reader, &page->filter, take_disc, page, &err) != 0) {
        exchange_reply_problem(x, &err, NULL);
        return;
    }
    json_t *items = page->items;
    page->items = NULL;
    exchange_reply_list(x, items, page->has_more ? page->last : NULL);
}

/* api.md knows them, discs of files have neither. */
static bool asks_for_unbuilt(struct exchange *x)
{
    static const char *const names[] = {"media_id", "due_before"};
    for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++) {
        if (exchange_query(x, names[i]) != NULL) {
            exchange_bad_query(x, names[i], "is not available yet");
            return true;
        }
    }
    return false;
}

void handle_list_discs(struct exchange *x)
{
    const char *outcome = exchange_query(x, "outcome"), *cursor = exchange_query(x, "cursor");
    enum outcome known;
    int limit = exchange_limit(x);
    if (limit < 0 || asks_for_unbuilt(x)) {
        return;
    }
    if (outcome != NULL && (outcome_from_text(outcome, &known) != 0 || known == OUTCOME_NONE)) {
        exchange_bad_query(x, "outcome", "must be good, ruined, unharmed or unknown");
        return;
    }
    if (cursor != NULL && !handler_is_id(cursor, "dsc")) {
        exchange_bad_query(x, "cursor", "is not one that an earlier page gave");
        return;
    }
    new_page(x)->filter = (struct disc_filter){
        .volume_id = exchange_query(x, "volume_id"),
        .job = exchange_query(x, "job"),
        .outcome = outcome,
        .q = exchange_query(x, "q"),
        .cursor = cursor,
        .limit = limit + 1,
    };
    exchange_in_pool(x, read_discs);
}

static void read_disc(struct exchange *x)
{
    struct disc_page *page = exchange_state(x);
    struct store_reader *reader = exchange_reader(x);
    struct error err = ERROR_EMPTY;
    if (reader == NULL) {
        return;
    }
    if (store_disc(reader, exchange_path(x, 0), take_disc, page, &err) != 0) {
        exchange_reply_problem(x, &err, NULL);
    } else if (json_array_size(page->items) == 0) {
        handler_reply_not_found(x, "disc", exchange_path(x, 0));
    } else {
        handler_reply_resource(x, 200, json_incref(json_array_get(page->items, 0)));
    }
}

void handle_get_disc(struct exchange *x)
{
    new_page(x);
    exchange_in_pool(x, read_disc);
}
