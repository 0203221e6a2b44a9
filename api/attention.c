/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * /attention: what a person must do now, newest first, and resolving an item by one of the actions
 * it offers. Items live in the core's memory only: a restart raises again what still holds.
 */
#include "handlers.h"

#include "body_reader.h"
#include "views.h"

#include "base/alloc.h"

#include <stdlib.h>
#include <string.h>

#define ACTION_SIZE 24

struct attention_request {
    int limit;
    const char *cursor;
    char action[ACTION_SIZE];
    struct attention *items;
    size_t count;
    struct attention resolved; /* as it was before, or is now when it still stands */
};

static void release_request(void *state)
{
    struct attention_request *request = state;
    free(request->items);
    free(request);
}

static struct attention_request *new_request(struct exchange *x)
{
    struct attention_request *request = xcalloc(1, sizeof(*request));
    exchange_set_state(x, request, release_request);
    return request;
}

/* --- list ---------------------------------------------------------------------------------- */

static int newest_first(const void *a, const void *b)
{
    return strcmp(((const struct attention *)b)->id, ((const struct attention *)a)->id);
}

static void render_list(struct exchange *x)
{
    const struct attention_request *request = exchange_state(x);
    json_t *items = json_array();
    const char *last = NULL, *next = NULL;
    for (size_t i = 0; i < request->count && next == NULL; i++) {
        const struct attention *item = &request->items[i];
        if (request->cursor != NULL && strcmp(item->id, request->cursor) >= 0) {
            continue;
        }
        if (json_array_size(items) == (size_t)request->limit) {
            next = last;
        } else {
            json_array_append_new(items, view_attention(item));
            last = item->id;
        }
    }
    exchange_reply_list(x, items, next);
}

static void take_snapshot(struct exchange *x)
{
    struct attention_request *request = exchange_state(x);
    request->count = core_attention_snapshot(exchange_core(x), &request->items);
    if (request->count > 0) {
        qsort(request->items, request->count, sizeof(*request->items), newest_first);
    }
    exchange_then(x, render_list);
}

void handle_list_attention(struct exchange *x)
{
    const char *cursor = exchange_query(x, "cursor");
    int limit = exchange_limit(x);
    if (limit < 0) {
        return;
    }
    if (cursor != NULL && !handler_is_id(cursor, "atn")) {
        exchange_bad_query(x, "cursor", "is not one that an earlier page gave");
        return;
    }
    struct attention_request *request = new_request(x);
    request->limit = limit;
    request->cursor = cursor;
    exchange_on_core(x, take_snapshot);
}

/* --- resolve ------------------------------------------------------------------------------- */

/* Core. The item as it is now into `resolved`; left alone when it is gone. */
static void find_item(struct exchange *x)
{
    struct attention_request *request = exchange_state(x);
    struct attention *items = NULL;
    size_t count = core_attention_snapshot(exchange_core(x), &items);
    for (size_t i = 0; i < count; i++) {
        if (strcmp(items[i].id, exchange_path(x, 0)) == 0) {
            request->resolved = items[i];
        }
    }
    free(items);
}

static void render_resolved(struct exchange *x)
{
    const struct attention_request *request = exchange_state(x);
    exchange_reply_json(x, 200, view_attention(&request->resolved));
}

static void resolve(struct exchange *x)
{
    struct attention_request *request = exchange_state(x);
    struct error err = ERROR_EMPTY;
    find_item(x);
    if (core_attention_resolve(exchange_core(x), exchange_path(x, 0), request->action, &err) != 0) {
        exchange_reply_problem(x, &err, NULL);
        return;
    }
    find_item(x);
    exchange_then(x, render_resolved);
}

void handle_resolve_attention(struct exchange *x)
{
    static const char *const actions[] = {"retry",   "eject",   "load",    "accept_good", "redo",
                                          "give_up", "release", "discard", "continue",    NULL};
    const json_t *body = exchange_json(x);
    if (body == NULL) {
        return;
    }
    struct attention_request *request = new_request(x);
    struct error err = ERROR_EMPTY;
    struct field_errors *fields = xcalloc(1, sizeof(*fields));
    if (body_reader_action(body, "action", actions, request->action, sizeof(request->action),
                           fields, &err) != 0) {
        exchange_reply_problem(x, &err, fields);
    } else {
        exchange_on_core(x, resolve);
    }
    free(fields);
}
