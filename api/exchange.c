/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * See exchange.h (what handlers see) and exchange_driver.h (how an exchange moves between threads).
 * Here: reading the request, moving, waiting with a watch for hang-up. Answers are made in reply.c.
 *
 * A suspended exchange stands in http's list, so that the stop can find it: one that does not come
 * back in time is abandoned, its connection is answered 503 without it, and whoever has it frees
 * it.
 */
#include "exchange_driver.h"

#include "base/alloc.h"
#include "body_reader.h"

#include <assert.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

static void advance(struct exchange *x);

/* --- the request --------------------------------------------------------------------------- */

struct core *exchange_core(struct exchange *x)
{
    return x->core;
}

const char *exchange_path(struct exchange *x, size_t n)
{
    assert(n < REQUEST_PARAMETERS_MAX && x->match.parameters[n] != NULL);
    return x->match.parameters[n];
}

const char *exchange_query(struct exchange *x, const char *name)
{
    return request_query(&x->target, name);
}

const char *exchange_query_prefixed(struct exchange *x, const char *prefix, size_t n,
                                    const char **rest)
{
    size_t length = strlen(prefix);
    for (size_t i = 0; i < x->target.query_count; i++) {
        if (strncmp(x->target.query[i].name, prefix, length) == 0 && n-- == 0) {
            *rest = x->target.query[i].name + length;
            return x->target.query[i].value;
        }
    }
    return NULL;
}

const char *exchange_header(struct exchange *x, const char *name)
{
    for (size_t i = 0; i < x->header_count; i++) {
        if (strcasecmp(x->headers[i].name, name) == 0) {
            return x->headers[i].value;
        }
    }
    return NULL;
}

const char *exchange_body(struct exchange *x, size_t *length)
{
    *length = x->body_length;
    return x->body != NULL ? x->body : "";
}

json_t *exchange_json(struct exchange *x)
{
    struct error err = ERROR_EMPTY;
    struct json_place place = {0};
    size_t length = 0;
    const char *text = exchange_body(x, &length);
    if (x->json == NULL && body_reader_text(text, length, &x->json, &place, &err) != 0) {
        err.line = place.line;
        err.column = place.column;
        err.position = (int64_t)place.position;
        exchange_reply_problem(x, &err, NULL);
        return NULL;
    }
    return x->json;
}

int exchange_limit(struct exchange *x)
{
    const char *text = exchange_query(x, "limit");
    if (text == NULL) {
        return 50;
    }
    int limit = request_number(text);
    if (limit < 1 || limit > 500) {
        exchange_bad_query(x, "limit", "must be a number from 1 to 500");
        return -1;
    }
    return limit;
}

int exchange_wait_s(struct exchange *x)
{
    x->wait_used = x->wait_s >= 0;
    return x->wait_s;
}

void exchange_set_state(struct exchange *x, void *state, void (*release)(void *state))
{
    x->state = state;
    x->release = release;
}

void *exchange_state(struct exchange *x)
{
    return x->state;
}

void exchange_mark_seq(struct exchange *x)
{
    x->seq = event_log_last_seq(core_events(x->core));
}

/* --- readers of the store ------------------------------------------------------------------ */

struct store_reader *exchange_reader(struct exchange *x)
{
    struct http *http = x->http;
    if (x->reader == NULL) {
        lock_take(&http->lock);
        x->reader = http->reader_count > 0 ? http->readers[--http->reader_count] : NULL;
        lock_drop(&http->lock);
    }
    struct error err = ERROR_EMPTY;
    if (x->reader == NULL &&
        store_reader_open(core_database_path(x->core), &x->reader, &err) != 0) {
        exchange_reply_problem(x, &err, NULL);
    }
    return x->reader;
}

static void give_reader_back(struct exchange *x)
{
    struct store_reader *reader = x->reader;
    struct http *http = x->http;
    x->reader = NULL;
    if (reader == NULL) {
        return;
    }
    lock_take(&http->lock);
    bool kept = http->reader_count < READERS_MAX;
    if (kept) {
        http->readers[http->reader_count++] = reader;
    }
    lock_drop(&http->lock);
    if (!kept) {
        store_reader_close(reader);
    }
}

/* --- moving -------------------------------------------------------------------------------- */

static void run_step(struct exchange *x, enum place place, exchange_step *step)
{
    x->where = place;
    x->running = true;
    step(x);
    x->running = false;
    if (place == PLACE_POOL) {
        give_reader_back(x);
    }
}

static void go(struct exchange *x, enum place place, exchange_step *step)
{
    assert(x->next == NULL && !x->reply.ready);
    x->next = step;
    x->next_place = place;
    exchange_advance(x);
}

void exchange_advance(struct exchange *x)
{
    if (!x->running && x->where != PLACE_HTTP) {
        advance(x);
    }
}

void exchange_on_core(struct exchange *x, exchange_step *step)
{
    go(x, PLACE_CORE, step);
}

void exchange_in_pool(struct exchange *x, exchange_step *step)
{
    go(x, PLACE_POOL, step);
}

void exchange_then(struct exchange *x, exchange_step *step)
{
    go(x, PLACE_HTTP, step);
}

void exchange_hold(struct exchange *x, exchange_step *held)
{
    go(x, PLACE_HELD, held);
}

void exchange_unhold(struct exchange *x, exchange_step *step)
{
    go(x, PLACE_HTTP, step);
}

static void link_suspended_locked(struct http *http, struct exchange *x) REQUIRES(http->lock)
{
    x->suspended_previous = NULL;
    x->suspended_next = http->suspended;
    if (x->suspended_next != NULL) {
        x->suspended_next->suspended_previous = x;
    }
    http->suspended = x;
}

static void unlink_suspended_locked(struct http *http, struct exchange *x) REQUIRES(http->lock)
{
    *(x->suspended_previous != NULL ? &x->suspended_previous->suspended_next : &http->suspended) =
        x->suspended_next;
    if (x->suspended_next != NULL) {
        x->suspended_next->suspended_previous = x->suspended_previous;
    }
}

/* Http thread. */
static void suspend(struct exchange *x)
{
    struct http *http = x->http;
    lock_take(&http->lock);
    link_suspended_locked(http, x);
    MHD_suspend_connection(x->connection);
    lock_drop(&http->lock);
}

/* Any thread; the exchange is not this thread's any more afterwards. */
static void resume(struct exchange *x)
{
    struct http *http = x->http;
    lock_take(&http->lock);
    bool abandoned = atomic_load(&x->abandoned);
    if (!abandoned) {
        unlink_suspended_locked(http, x);
        x->where = PLACE_HTTP;
        /* under the lock: the stop must not find the list empty before this has been said */
        MHD_resume_connection(x->connection);
    }
    lock_drop(&http->lock);
    if (abandoned) {
        exchange_free(x);
    }
}

static void refuse_stopping(struct exchange *x)
{
    x->next = NULL;
    x->running = true; /* the reply must not advance by itself */
    reply_problem_now(x, ERROR_SHUTTING_DOWN, NULL, "burnd is shutting down");
    x->running = false;
}

static void arrive_on_core(void *arg)
{
    struct exchange *x = arg;
    exchange_step *step = x->next;
    x->next = NULL;
    run_step(x, PLACE_CORE, step);
    advance(x);
}

static void arrive_in_pool(void *arg)
{
    struct exchange *x = arg;
    exchange_step *step = x->next;
    x->next = NULL;
    run_step(x, PLACE_POOL, step);
    advance(x);
}

/* False: the core takes no letters any more, and the refusal is ready. */
static bool post(struct exchange *x)
{
    struct mailbox *box = core_mailbox(x->core);
    int result = x->next_place == PLACE_POOL ? mailbox_post_work(box, arrive_in_pool, x)
                                             : mailbox_post(box, arrive_on_core, x);
    if (result != 0) {
        refuse_stopping(x);
    }
    return result == 0;
}

static void forget_waiter(struct exchange *x);

/* The answer is ready, on a thread other than http's: the core keeps a 2xx before it is sent. */
static void advance_reply(struct exchange *x)
{
    if (x->idempotency.begun && x->where == PLACE_CORE) {
        idempotency_end(x);
    }
    if (x->idempotency.begun && x->where != PLACE_HELD) {
        x->next = idempotency_end;
        x->next_place = PLACE_CORE;
        if (mailbox_post(core_mailbox(x->core), arrive_on_core, x) == 0) {
            return;
        }
        x->next = NULL; /* the core has ended: it will not ask for this key again */
        x->idempotency.begun = false;
    }
    resume(x);
}

/* Core, pool or edge thread. What was left by the step is carried out. */
static void advance(struct exchange *x)
{
    for (;;) {
        if (x->reply.ready) {
            forget_waiter(x);
            advance_reply(x);
            return;
        }
        if (x->next == NULL) {
            assert(x->where == PLACE_CORE); /* kept: a waiter, or core_submit() under way */
            return;
        }
        if (x->next_place == PLACE_HTTP) {
            forget_waiter(x);
            resume(x);
            return;
        }
        if (x->next_place == x->where) {
            exchange_step *step = x->next;
            x->next = NULL;
            run_step(x, x->where, step);
            continue;
        }
        forget_waiter(x);
        if (post(x)) {
            return;
        }
    }
}

/* Http thread: leave for elsewhere. The connection is suspended before another thread can resume
 * it. */
static void depart(struct exchange *x)
{
    suspend(x);
    if (x->next_place == PLACE_HELD) {
        exchange_step *held = x->next;
        x->next = NULL;
        x->where = PLACE_HELD;
        held(x);
    } else if (!post(x)) {
        resume(x);
    }
}

bool exchange_continue(struct exchange *x)
{
    for (;;) {
        if (x->reply.ready) {
            if (!x->idempotency.begun) {
                return true;
            }
            x->next = idempotency_end;
            x->next_place = PLACE_CORE;
            suspend(x);
            if (mailbox_post(core_mailbox(x->core), arrive_on_core, x) != 0) {
                x->next = NULL;
                x->idempotency.begun = false;
                resume(x);
            }
            return false;
        }
        if (x->next == NULL) {
            struct error err = ERROR_EMPTY;
            error_set(&err, ERROR_INTERNAL, "the handler of %s gave no answer", x->raw_target);
            exchange_reply_problem(x, &err, NULL);
            continue;
        }
        if (x->next_place != PLACE_HTTP) {
            depart(x);
            return false;
        }
        exchange_step *step = x->next;
        x->next = NULL;
        run_step(x, PLACE_HTTP, step);
    }
}

void exchange_start_handler(struct exchange *x)
{
    exchange_mark_seq(x);
    x->match.route->handler(x);
}

void exchange_begin(struct exchange *x)
{
    x->started = true;
    x->where = PLACE_HTTP;
    if (x->reply.ready) {
        return;
    }
    if (idempotency_wanted(x)) {
        exchange_on_core(x, idempotency_begin);
    } else {
        run_step(x, PLACE_HTTP, exchange_start_handler);
    }
}

/* --- waiting ------------------------------------------------------------------------------- */

static void forget_waiter(struct exchange *x)
{
    if (x->gone == NULL || x->where != PLACE_CORE) {
        return;
    }
    x->gone = NULL;
    *(x->waiter_previous != NULL ? &x->waiter_previous->waiter_next : &x->http->waiting) =
        x->waiter_next;
    if (x->waiter_next != NULL) {
        x->waiter_next->waiter_previous = x->waiter_previous;
    }
    client_unwatch(x->client);
}

void exchange_on_hangup(struct exchange *x, exchange_step *gone)
{
    assert(x->where == PLACE_CORE);
    forget_waiter(x);
    if (gone == NULL) {
        return;
    }
    struct http *http = x->http;
    if (atomic_load(&http->stopping)) {
        go(x, PLACE_CORE, gone);
        return;
    }
    x->gone = gone;
    x->waiter_previous = NULL;
    x->waiter_next = http->waiting;
    if (http->waiting != NULL) {
        http->waiting->waiter_previous = x;
    }
    http->waiting = x;
    client_watch(x->client, exchange_note_hangup, http, x->serial);
}

struct hangup_letter {
    struct http *http;
    uint64_t serial;
};

static void deliver_hangup(void *arg)
{
    struct hangup_letter *letter = arg;
    struct exchange *x = letter->http->waiting;
    while (x != NULL && x->serial != letter->serial) {
        x = x->waiter_next;
    }
    free(letter);
    if (x != NULL) {
        exchange_step *gone = x->gone;
        forget_waiter(x);
        run_step(x, PLACE_CORE, gone);
        advance(x);
    }
}

void exchange_note_hangup(void *http, uint64_t serial)
{
    struct hangup_letter *letter = xcalloc(1, sizeof(*letter));
    *letter = (struct hangup_letter){.http = http, .serial = serial};
    if (mailbox_post(core_mailbox(letter->http->core), deliver_hangup, letter) != 0) {
        free(letter);
    }
}

void exchange_cancel_waiters(void *arg)
{
    struct http *http = arg;
    while (http->waiting != NULL) {
        struct exchange *x = http->waiting;
        exchange_step *gone = x->gone;
        forget_waiter(x);
        run_step(x, PLACE_CORE, gone);
        advance(x);
    }
}

/* --- the end ------------------------------------------------------------------------------- */

void exchange_free(struct exchange *x)
{
    if (x->release != NULL) {
        x->release(x->state);
    }
    if (x->counted_as_waiter) {
        atomic_fetch_sub(&x->http->waiters, 1);
    }
    reply_release(&x->reply);
    request_target_release(&x->target);
    route_match_release(&x->match);
    json_decref(x->json);
    free(x->idempotency.scope);
    free(x->header_text);
    free(x->raw_target);
    free(x->body);
    free(x);
}
