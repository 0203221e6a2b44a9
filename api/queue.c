/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * GET /queue: the jobs that wait for a recorder, in the order in which they will get one.
 * Reordering and pausing are not built yet.
 */
#include "handlers.h"

#include "base/alloc.h"

#include <stdlib.h>

struct queue_request {
    char (*ids)[ID_SIZE];
    size_t count;
};

static void release_request(void *state)
{
    struct queue_request *request = state;
    free(request->ids);
    free(request);
}

static void render_queue(struct exchange *x)
{
    const struct queue_request *request = exchange_state(x);
    json_t *order = json_array();
    for (size_t i = 0; i < request->count; i++) {
        json_array_append_new(order, json_string(request->ids[i]));
    }
    json_t *body = json_object();
    json_object_set_new(body, "order", order);
    json_object_set_new(body, "paused", json_false());
    handler_reply_resource(x, 200, body);
}

static void take_snapshot(struct exchange *x)
{
    struct queue_request *request = exchange_state(x);
    request->count = core_queue_snapshot(exchange_core(x), &request->ids);
    exchange_then(x, render_queue);
}

void handle_get_queue(struct exchange *x)
{
    exchange_set_state(x, xcalloc(1, sizeof(struct queue_request)), release_request);
    exchange_on_core(x, take_snapshot);
}
