/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * /recorders: what burnd knows of them (all of it in the core's memory), and the operations by
 * hand: eject and rescan. Nothing here touches a recorder; an operation is started by the core,
 * which answers whether it may begin and, later, how it ended.
 */
#include "handlers.h"

#include "views.h"

#include "base/alloc.h"

#include <stdlib.h>
#include <string.h>

/* --- list ---------------------------------------------------------------------------------- */

struct recorder_list_request {
    const char *pool, *cursor; /* NULL = any */
    int state, kind;           /* -1 = any */
    int limit;
    struct recorder *recorders;
    size_t count;
};

static void release_list(void *state)
{
    struct recorder_list_request *request = state;
    free(request->recorders);
    free(request);
}

static bool is_wanted(const struct recorder_list_request *request, const struct recorder *recorder)
{
    return (request->state < 0 || (int)recorder->state == request->state) &&
           (request->kind < 0 || (int)recorder->kind == request->kind) &&
           (request->pool == NULL || strcmp(recorder->pool, request->pool) == 0) &&
           (request->cursor == NULL || strcmp(recorder->id, request->cursor) > 0);
}

static void render_list(struct exchange *x)
{
    const struct recorder_list_request *request = exchange_state(x);
    json_t *items = json_array();
    const char *last = NULL, *next = NULL;
    for (size_t i = 0; i < request->count && next == NULL; i++) {
        const struct recorder *recorder = &request->recorders[i];
        if (!is_wanted(request, recorder)) {
            continue;
        }
        if (json_array_size(items) == (size_t)request->limit) {
            next = last;
        } else {
            json_array_append_new(items, view_recorder(recorder));
            last = recorder->id;
        }
    }
    exchange_reply_list(x, items, next);
}

static void snapshot_list(struct exchange *x)
{
    struct recorder_list_request *request = exchange_state(x);
    request->count = core_recorders_snapshot(exchange_core(x), &request->recorders);
    exchange_then(x, render_list);
}

void handle_list_recorders(struct exchange *x)
{
    const char *state = exchange_query(x, "state"), *kind = exchange_query(x, "kind");
    enum recorder_state wanted_state = RECORDER_IDLE;
    enum recorder_kind wanted_kind = RECORDER_KIND_FILE;
    int limit = exchange_limit(x);
    if (limit < 0) {
        return;
    }
    if (state != NULL && recorder_state_from_text(state, &wanted_state) != 0) {
        exchange_bad_query(x, "state", "must be idle, busy, offline or quarantined");
        return;
    }
    if (kind != NULL && recorder_kind_from_text(kind, &wanted_kind) != 0) {
        exchange_bad_query(x, "kind", "must be optical, virtual or file");
        return;
    }
    struct recorder_list_request *request = xcalloc(1, sizeof(*request));
    request->limit = limit;
    request->state = state != NULL ? (int)wanted_state : -1;
    request->kind = kind != NULL ? (int)wanted_kind : -1;
    request->pool = exchange_query(x, "pool");
    request->cursor = exchange_query(x, "cursor");
    exchange_set_state(x, request, release_list);
    exchange_on_core(x, snapshot_list);
}

/* --- one ----------------------------------------------------------------------------------- */

typedef int operation_step(struct core *core, const char *name, core_done *done, void *arg,
                           struct error *err);

struct recorder_request {
    struct recorder recorder;
    operation_step *operation;
    int status;
    struct operation_wait *wait;
};

/* A waiter for the end of an operation: belongs to the core, and outlives a client that leaves. */
struct operation_wait {
    struct exchange *x;         /* NULL: nobody waits any more */
    struct core_wait *patience; /* of Prefer: wait=N; NULL = over */
    bool is_starting, is_over, has_failed;
    struct error error;
};

static struct recorder_request *new_request(struct exchange *x)
{
    struct recorder_request *request = xcalloc(1, sizeof(*request));
    request->status = 200;
    exchange_set_state(x, request, free);
    return request;
}

static void render_recorder(struct exchange *x)
{
    const struct recorder_request *request = exchange_state(x);
    handler_reply_resource(x, request->status, view_recorder(&request->recorder));
}

static void render_medium(struct exchange *x)
{
    const struct recorder *recorder = &((struct recorder_request *)exchange_state(x))->recorder;
    struct error err;
    if (recorder->medium_known && recorder->medium.present) {
        handler_reply_resource(x, 200, view_medium(&recorder->medium, recorder->medium_disc));
        return;
    }
    error_set(&err, ERROR_MEDIUM_MISSING,
              recorder->medium_known ? "there is no medium in recorder %s"
                                     : "the medium in recorder %s was not looked at yet",
              recorder->id);
    exchange_reply_problem(x, &err, NULL);
}

/* Core. False: the problem was answered. */
static bool take_snapshot(struct exchange *x)
{
    struct recorder_request *request = exchange_state(x);
    struct error err = ERROR_EMPTY;
    if (core_recorder_snapshot(exchange_core(x), exchange_path(x, 0), &request->recorder, &err) !=
        0) {
        exchange_reply_problem(x, &err, NULL);
        return false;
    }
    return true;
}

static void look(struct exchange *x)
{
    if (take_snapshot(x)) {
        exchange_then(x, render_recorder);
    }
}

static void look_at_medium(struct exchange *x)
{
    if (take_snapshot(x)) {
        exchange_then(x, render_medium);
    }
}

void handle_get_recorder(struct exchange *x)
{
    new_request(x);
    exchange_on_core(x, look);
}

void handle_get_medium(struct exchange *x)
{
    new_request(x);
    exchange_on_core(x, look_at_medium);
}

/* --- operations by hand -------------------------------------------------------------------- */

static void finish_wait(struct exchange *x, struct operation_wait *wait)
{
    struct recorder_request *request = exchange_state(x);
    request->wait = NULL;
    if (wait->patience != NULL) {
        core_wait_cancel(exchange_core(x), wait->patience);
    }
    if (wait->has_failed) {
        exchange_reply_problem(x, &wait->error, NULL);
    } else {
        request->status = 200;
        exchange_mark_seq(x);
        look(x);
    }
}

/* core_done */
static void operation_ended(void *arg, const struct error *err)
{
    struct operation_wait *wait = arg;
    struct exchange *x = wait->x;
    wait->is_over = true;
    wait->has_failed = err != NULL;
    if (err != NULL) {
        wait->error = *err;
    }
    if (wait->is_starting) {
        return; /* start_operation() sees it */
    }
    if (x != NULL) {
        exchange_on_hangup(x, NULL);
        finish_wait(x, wait);
    }
    free(wait);
}

/* Core: the client has left or the server stops; the operation goes on. */
static void wait_gone(struct exchange *x)
{
    struct recorder_request *request = exchange_state(x);
    if (request->wait->patience != NULL) {
        core_wait_cancel(exchange_core(x), request->wait->patience);
    }
    request->wait->x = NULL;
    request->wait = NULL;
    look(x);
}

/* N seconds are over: answered 202 with the state then. */
static void out_of_patience(void *arg)
{
    struct operation_wait *wait = arg;
    struct exchange *x = wait->x;
    wait->patience = NULL;
    exchange_on_hangup(x, NULL);
    wait_gone(x);
}

static void wait_for_operation(struct exchange *x)
{
    struct recorder_request *request = exchange_state(x);
    struct operation_wait *wait = xcalloc(1, sizeof(*wait));
    struct error err = ERROR_EMPTY;
    wait->x = x;
    wait->is_starting = true;
    int result =
        request->operation(exchange_core(x), exchange_path(x, 0), operation_ended, wait, &err);
    wait->is_starting = false;
    if (result != 0) {
        free(wait);
        exchange_reply_problem(x, &err, NULL);
        return;
    }
    if (wait->is_over) {
        finish_wait(x, wait);
        free(wait);
    } else {
        request->wait = wait;
        wait->patience =
            core_wait_for_time(exchange_core(x), exchange_wait_s(x), out_of_patience, wait);
        exchange_on_hangup(x, wait_gone);
    }
}

static void start_operation(struct exchange *x)
{
    struct recorder_request *request = exchange_state(x);
    struct error err = ERROR_EMPTY;
    request->status = 202;
    if (exchange_wait_s(x) > 0) {
        wait_for_operation(x);
    } else if (request->operation(exchange_core(x), exchange_path(x, 0), NULL, NULL, &err) != 0) {
        exchange_reply_problem(x, &err, NULL);
    } else {
        exchange_mark_seq(x);
        look(x);
    }
}

static void operate(struct exchange *x, operation_step *operation)
{
    if (handler_takes_nothing(x)) {
        new_request(x)->operation = operation;
        exchange_on_core(x, start_operation);
    }
}

void handle_eject_recorder(struct exchange *x)
{
    operate(x, core_recorder_eject);
}

void handle_rescan_recorder(struct exchange *x)
{
    operate(x, core_recorder_rescan);
}

/* A file recorder has no tray; it is there before it is loaded. */
static int load(struct core *core, const char *name, core_done *done, void *arg, struct error *err)
{
    struct recorder recorder;
    (void)done;
    (void)arg;
    if (core_recorder_snapshot(core, name, &recorder, err) != 0) {
        return -1;
    }
    return error_set(err, ERROR_OPERATION_UNSUPPORTED, "recorder %s has no tray to load",
                     recorder.id);
}

void handle_load_recorder(struct exchange *x)
{
    operate(x, load);
}
