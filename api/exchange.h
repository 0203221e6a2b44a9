/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * One HTTP request and its answer, as a handler sees it. Handlers (one file per resource) know this
 * header, the core and the views; they do not know libmicrohttpd.
 *
 * A handler starts on the http thread, which must never wait. It reads and checks the request
 * there, then either answers, or goes on elsewhere:
 *
 *   exchange_on_core(x, step)   step(x) runs on the core thread: call core_* functions, copy what you
 *                               need into your own state, then exchange_then(x, render)
 *   exchange_in_pool(x, step)   step(x) runs on a pool thread: read the store, walk a folder
 *   exchange_then(x, step)      step(x) runs on the http thread again: build the JSON, answer
 *
 * While a step runs elsewhere the connection is suspended and exactly one thread has the exchange.
 * A step may also keep it for later (a waiter): it then registers exchange_on_hangup(). Every path
 * ends in exactly one exchange_reply_*(); these may be called from any of the three kinds of
 * thread.
 *
 * Done here for everybody: Host and Origin checks, the header sanity filter, body limits and
 * Content-Type, unknown paths and methods (404, 405 with Allow), HEAD and OPTIONS, X-Request-Id,
 * Idempotency-Key (store and replay around the handler), If-None-Match against the ETag that was
 * set, Burnd-Seq (taken before the handler starts), security headers, the log line.
 */
#ifndef BURND_API_EXCHANGE_H
#define BURND_API_EXCHANGE_H

#include "job/core.h"

#include <jansson.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct exchange;
typedef void exchange_step(struct exchange *x);

enum method { METHOD_GET, METHOD_POST, METHOD_PUT, METHOD_PATCH, METHOD_DELETE };

/* A row of THE table (routes.c), in the order of openapi.yaml. */
struct route {
    enum method method;
    const char *pattern;   /* "/api/v1/jobs/{id}/copies/{n}" */
    const char *operation; /* operationId of openapi.yaml */
    exchange_step *handler;
    size_t body_limit;        /* 0: the body must be empty */
    bool needs_body;          /* 411/422 when it is missing; must be application/json */
    bool may_be_event_stream; /* answers Accept: text/event-stream itself */
    const char *query;        /* names allowed, space separated; others are 400 invalid_query */
};
extern const struct route routes[];
extern const size_t route_count;

struct core *exchange_core(struct exchange *x);
/* The n-th {parameter} of the pattern, percent-decoded; never NULL. */
const char *exchange_path(struct exchange *x, size_t n);
/* NULL = not given. Percent-decoded UTF-8, no NULs. */
const char *exchange_query(struct exchange *x, const char *name);
/* The n-th given parameter whose name begins with `prefix` ("tag."); `*rest` = what follows it.
 * NULL = no more. */
const char *exchange_query_prefixed(struct exchange *x, const char *prefix, size_t n,
                                    const char **rest);
const char *exchange_header(struct exchange *x, const char *name);
/* The whole body, NUL-terminated behind `*length`. */
const char *exchange_body(struct exchange *x, size_t *length);
/* The Idempotency-Key the request came with; borrowed from the exchange. */
bool exchange_request_key(struct exchange *x, struct request_key *out);
/* Parsed with the rules of api.md (400 invalid_json with line, column, position; duplicates, NUL
 * and trailing data refused). NULL: the 400 was answered, return at once. Borrowed from the
 * exchange. */
json_t *exchange_json(struct exchange *x);
/* 1…500, default 50; -1: 400 invalid_query was answered. */
int exchange_limit(struct exchange *x);
/* A bad query parameter: answers 400 invalid_query naming it. */
void exchange_bad_query(struct exchange *x, const char *parameter, const char *detail);
/* `Prefer: wait=N`: seconds (0…600), -1 = not asked for. */
int exchange_wait_s(struct exchange *x);

/* State of the handler; `release` (may be NULL) is called when the exchange ends. */
void exchange_set_state(struct exchange *x, void *state, void (*release)(void *state));
void *exchange_state(struct exchange *x);

void exchange_on_core(struct exchange *x, exchange_step *step);
void exchange_in_pool(struct exchange *x, exchange_step *step);
void exchange_then(struct exchange *x, exchange_step *step);
/* Core thread, for an exchange kept waiting: `gone(x)` is called on the core thread when the
 * client has left; it must then answer (anything) at once. NULL takes it back. */
void exchange_on_hangup(struct exchange *x, exchange_step *gone);

/* The ETag of the answer (without quotes), and further headers. Before the reply. */
void exchange_set_etag(struct exchange *x, const char *etag);
void exchange_set_header(struct exchange *x, const char *name, const char *value);

/* Burnd-Seq is the log's last number when the handler began. A handler that has waited says
 * here, before it reads what it will show, that its content is as new as the log is now. */
void exchange_mark_seq(struct exchange *x);
/* If-Match against the resource's ETag (without quotes). False: 412 etag_stale was answered. */
bool exchange_if_match(struct exchange *x, const char *etag);

void exchange_reply_json(struct exchange *x, int status, json_t *owned_body);
void exchange_reply_text(struct exchange *x, int status, const char *content_type, char *owned_text,
                         size_t length);
void exchange_reply_empty(struct exchange *x, int status);
/* problem+json; `fields` may be NULL. The status comes from the code. */
void exchange_reply_problem(struct exchange *x, const struct error *err,
                            const struct field_errors *fields);
/* {"items":[…],"next_cursor":…}; `next_cursor` NULL = the last page. */
void exchange_reply_list(struct exchange *x, json_t *owned_items, const char *next_cursor);

/* A pool thread's own read-only connection to the store; NULL: 503 was answered. */
struct store_reader *exchange_reader(struct exchange *x);

#endif
