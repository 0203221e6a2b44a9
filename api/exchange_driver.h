/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * The inside of an exchange: what http.c, exchange.c, reply.c, idempotency.c and sse.c share and
 * handlers do not see.
 *
 * An exchange belongs to one thread at a time. `place` says to which kind: HTTP (its connection
 * runs), CORE, POOL, or HELD (edge watches for its event). A step that wants to go on elsewhere
 * leaves a note (`next`), and the exchange moves after the step has returned (exchange_advance), so
 * a step may touch it until its end. Moving away from HTTP suspends the connection first; moving
 * back resumes it, and libmicrohttpd calls the access handler again, which takes the next step or
 * queues the answer.
 */
#ifndef BURND_API_EXCHANGE_DRIVER_H
#define BURND_API_EXCHANGE_DRIVER_H

#include "clients.h"
#include "exchange.h"
#include "http.h"
#include "request.h"

#include <microhttpd.h>

#define REQUEST_ID_SIZE 132
#define EXCHANGE_HEADERS_MAX 64 /* of the request */
#define REPLY_HEADERS_MAX 12

enum place { PLACE_HTTP, PLACE_CORE, PLACE_POOL, PLACE_HELD };

struct exchange_header {
    const char *name, *value;
};

struct reply {
    bool ready;
    int status;
    const char *content_type; /* "" = no body */
    char content_type_text[96];
    char *text; /* owned */
    size_t length;
    struct MHD_Response *response; /* instead of text */
    bool closes;                   /* Connection: close */
    struct {
        char *name, *value;
    } headers[REPLY_HEADERS_MAX];
    size_t header_count;
};

struct idempotency {
    char key[256]; /* "" = none */
    char *scope;
    char body_sha256[65];
    bool begun; /* the core waits for core_idempotency_end() */
};

struct exchange {
    struct http *http;
    struct core *core;
    struct MHD_Connection *connection;
    struct client *client;
    uint64_t serial;
    int64_t started_ms;

    /* the request */
    char *raw_target;
    char method_text[16];
    bool head; /* HEAD */
    struct request_target target;
    struct route_match match;
    char *header_text; /* what `headers` points into */
    struct exchange_header headers[EXCHANGE_HEADERS_MAX];
    size_t header_count;
    char request_id[REQUEST_ID_SIZE];
    int wait_s;
    bool wait_used; /* the handler asked for it */
    bool counted_as_waiter;
    bool admitted; /* the first call of the access handler is over */
    bool has_body, swallow;
    char *body;
    size_t body_length, body_capacity;
    json_t *json;
    int64_t seq; /* Burnd-Seq */

    /* the handler */
    void *state;
    void (*release)(void *state);
    char etag[80];
    struct reply reply;
    struct idempotency idempotency;
    struct store_reader *reader;

    /* the drive */
    bool started; /* the handler has begun */
    enum place where, next_place;
    exchange_step *next;
    bool running;
    atomic_bool
        abandoned; /* set under http's lock: the connection is gone, who has this frees it */
    struct exchange *suspended_previous, *suspended_next; /* guarded by http's lock */

    /* the watch for hang-up, core thread */
    exchange_step *gone;
    struct exchange *waiter_previous, *waiter_next;
};

/* exchange.c */
void exchange_begin(struct exchange *x); /* http thread: the request is complete and fine */
bool exchange_continue(
    struct exchange *x); /* http thread: true = the answer is ready to be queued */
void exchange_free(struct exchange *x);
void exchange_advance(struct exchange *x); /* after a reply or a note outside of a step */
void exchange_note_hangup(void *http, uint64_t serial); /* edge thread */
void exchange_cancel_waiters(void *http);               /* core thread, at the stop */
/* http thread, in a step: suspend, then `held(x)` (still http thread) hands it to who will call
 * exchange_unhold(x, step), on any one thread. */
void exchange_hold(struct exchange *x, exchange_step *held);
void exchange_unhold(struct exchange *x, exchange_step *step);

/* reply.c */
void exchange_reply_response(struct exchange *x, int status, struct MHD_Response *owned_response,
                             const char *content_type);
void reply_problem_now(struct exchange *x, enum error_code code, const char *pointer,
                       const char *detail);
enum MHD_Result reply_queue(struct exchange *x);
void reply_release(struct reply *reply);

/* idempotency.c */
NODISCARD int idempotency_read(struct exchange *x); /* -1: 400 was answered */
bool idempotency_wanted(const struct exchange *x);
void idempotency_begin(
    struct exchange *x); /* a step on the core thread, then `exchange_start_handler` */
void idempotency_end(struct exchange *x); /* core thread, with the answer ready */
void exchange_start_handler(struct exchange *x);

#endif
