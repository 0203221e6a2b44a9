/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * Answers: what a handler says becomes a body and headers here (any thread), and, on the http
 * thread, libmicrohttpd's response with the headers that every answer carries. 304 is decided here
 * too, and no problem leaves without its request id.
 */
#include "exchange_driver.h"

#include "base/alloc.h"
#include "base/clock.h"
#include "base/log.h"
#include "problem.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#define TYPE_JSON "application/json"
#define TYPE_PROBLEM "application/problem+json"

/* --- what handlers call -------------------------------------------------------------------- */

void exchange_set_etag(struct exchange *x, const char *etag)
{
    text_copy(x->etag, sizeof(x->etag), etag);
}

void exchange_set_header(struct exchange *x, const char *name, const char *value)
{
    struct reply *reply = &x->reply;
    if (reply->header_count < REPLY_HEADERS_MAX) {
        reply->headers[reply->header_count].name = xstrdup(name);
        reply->headers[reply->header_count++].value = xstrdup(value);
    }
}

static void drop_headers(struct reply *reply)
{
    for (size_t i = 0; i < reply->header_count; i++) {
        free(reply->headers[i].name);
        free(reply->headers[i].value);
    }
    reply->header_count = 0;
}

void reply_release(struct reply *reply)
{
    drop_headers(reply);
    free(reply->text);
    if (reply->response != NULL) {
        MHD_destroy_response(reply->response);
    }
    memset(reply, 0, sizeof(*reply));
}

/* Only the first answer counts: a refusal of the stop may have been quicker than a handler. */
static bool begin_reply(struct exchange *x, int status, const char *content_type)
{
    if (x->reply.ready) {
        return false;
    }
    x->reply.ready = true;
    x->reply.status = status;
    text_copy(x->reply.content_type_text, sizeof(x->reply.content_type_text), content_type);
    x->reply.content_type = x->reply.content_type_text;
    return true;
}

void exchange_reply_text(struct exchange *x, int status, const char *content_type, char *owned_text,
                         size_t length)
{
    if (!begin_reply(x, status, content_type)) {
        free(owned_text);
        return;
    }
    x->reply.text = owned_text;
    x->reply.length = length;
    exchange_advance(x);
}

void exchange_reply_json(struct exchange *x, int status, json_t *owned_body)
{
    char *text = json_dumps(owned_body, JSON_COMPACT | JSON_REAL_PRECISION(8));
    json_decref(owned_body);
    if (text == NULL) {
        struct error err = ERROR_EMPTY;
        error_set(&err, ERROR_INTERNAL, "the answer could not be written as JSON");
        exchange_reply_problem(x, &err, NULL);
        return;
    }
    exchange_reply_text(x, status, TYPE_JSON, text, strlen(text));
}

void exchange_reply_empty(struct exchange *x, int status)
{
    exchange_reply_text(x, status, "", NULL, 0);
}

void exchange_reply_list(struct exchange *x, json_t *owned_items, const char *next_cursor)
{
    json_t *body = json_object();
    json_object_set_new(body, "items", owned_items);
    json_object_set_new(body, "next_cursor",
                        next_cursor != NULL ? json_string(next_cursor) : json_null());
    exchange_reply_json(x, 200, body);
}

void exchange_reply_response(struct exchange *x, int status, struct MHD_Response *owned_response,
                             const char *content_type)
{
    if (!begin_reply(x, status, content_type)) {
        MHD_destroy_response(owned_response);
        return;
    }
    x->reply.response = owned_response;
}

void exchange_reply_problem(struct exchange *x, const struct error *err,
                            const struct field_errors *fields)
{
    int status = problem_status(err->code);
    json_t *body =
        problem_json(err, fields, x->request_id, x->target.path != NULL ? x->target.path : "");
    char *text = json_dumps(body, JSON_COMPACT);
    json_decref(body);
    if (status >= 500) {
        log_warning(x->request_id, "%s %s: %s", x->method_text, x->raw_target, err->message);
    }
    if (!x->reply.ready && (status == 503 || err->code == ERROR_IDEMPOTENCY_IN_PROGRESS)) {
        exchange_set_header(x, "Retry-After", "1");
    }
    x->etag[0] = '\0';
    exchange_reply_text(x, status, TYPE_PROBLEM, text, text != NULL ? strlen(text) : 0);
}

void reply_problem_now(struct exchange *x, enum error_code code, const char *pointer,
                       const char *detail)
{
    struct error err = ERROR_EMPTY;
    error_set(&err, code, "%s", detail);
    text_copy(err.pointer, sizeof(err.pointer), pointer != NULL ? pointer : "");
    exchange_reply_problem(x, &err, NULL);
}

void exchange_bad_query(struct exchange *x, const char *parameter, const char *detail)
{
    struct error err = ERROR_EMPTY;
    error_set(&err, ERROR_INVALID_QUERY, "the query parameter %.64s %s", parameter, detail);
    snprintf(err.pointer, sizeof(err.pointer), "?%.100s", parameter);
    exchange_reply_problem(x, &err, NULL);
}

/* --- ETags --------------------------------------------------------------------------------- */

/* Whether the list of quoted tags (or "*") names `etag`; weak marks do not matter to us. */
static bool names_etag(const char *list, const char *etag)
{
    size_t length = strlen(etag);
    for (const char *at = list; *at != '\0';) {
        at += strspn(at, " \t,");
        if (at[0] == '*') {
            return true;
        }
        at += strncmp(at, "W/", 2) == 0 ? 2 : 0;
        const char *end = at[0] == '"' ? strchr(at + 1, '"') : NULL;
        if (end == NULL) {
            return false;
        }
        if ((size_t)(end - at - 1) == length && strncmp(at + 1, etag, length) == 0) {
            return true;
        }
        at = end + 1;
    }
    return false;
}

bool exchange_if_match(struct exchange *x, const char *etag)
{
    const char *list = exchange_header(x, "If-Match");
    if (list == NULL || names_etag(list, etag)) {
        return true;
    }
    reply_problem_now(x, ERROR_ETAG_STALE, ":If-Match",
                      "the resource has changed since it was read");
    return false;
}

static bool is_not_modified(struct exchange *x)
{
    const char *list = exchange_header(x, "If-None-Match");
    return x->reply.status == 200 && x->etag[0] != '\0' && list != NULL &&
           strcmp(x->match.allow, "") != 0 && x->match.route != NULL &&
           x->match.route->method == METHOD_GET && names_etag(list, x->etag);
}

/* --- to the wire (http thread) ------------------------------------------------------------- */

static const struct exchange_header on_every_answer[] = {
    {"X-Content-Type-Options", "nosniff"},
    {"Content-Security-Policy", "default-src 'self'; frame-ancestors 'none'"},
    {"Referrer-Policy", "no-referrer"},
};

static void add(struct MHD_Response *response, const char *name, const char *value)
{
    if (MHD_add_response_header(response, name, value) != MHD_YES) {
        log_warning("http", "the header %s could not be added", name);
    }
}

static void add_cors(struct exchange *x, struct MHD_Response *response)
{
    const char *origin = exchange_header(x, "Origin");
    if (origin == NULL || !request_filter_cors(x->http->filter, origin)) {
        return;
    }
    add(response, "Access-Control-Allow-Origin", origin);
    add(response, "Vary", "Origin");
    add(response, "Access-Control-Expose-Headers",
        "Burnd-Seq, ETag, Location, X-Request-Id, Idempotency-Replayed, Retry-After, "
        "Preference-Applied");
    if (strcmp(x->method_text, "OPTIONS") == 0 &&
        exchange_header(x, "Access-Control-Request-Method") != NULL) {
        add(response, "Access-Control-Allow-Methods", x->match.allow);
        add(response, "Access-Control-Allow-Headers",
            "Content-Type, Idempotency-Key, If-Match, If-None-Match, Last-Event-ID, Prefer, "
            "X-Request-Id");
        add(response, "Access-Control-Max-Age", "600");
    }
}

static void add_json_headers(struct exchange *x, struct MHD_Response *response)
{
    char text[96];
    bool good = x->reply.status >= 200 && x->reply.status < 300;
    if (good && x->started && strcmp(x->reply.content_type, TYPE_JSON) == 0) {
        snprintf(text, sizeof(text), "%s:%" PRId64, event_log_epoch(core_events(x->core)), x->seq);
        add(response, "Burnd-Seq", text);
    }
    if (x->wait_used && x->reply.status < 400) {
        snprintf(text, sizeof(text), "wait=%d", x->wait_s);
        add(response, "Preference-Applied", text);
    }
}

static bool has_own(const struct reply *reply, const char *name)
{
    for (size_t i = 0; i < reply->header_count; i++) {
        if (strcasecmp(reply->headers[i].name, name) == 0) {
            return true;
        }
    }
    return false;
}

static void add_headers(struct exchange *x, struct MHD_Response *response)
{
    struct reply *reply = &x->reply;
    for (size_t i = 0; i < sizeof(on_every_answer) / sizeof(on_every_answer[0]); i++) {
        add(response, on_every_answer[i].name, on_every_answer[i].value);
    }
    if (!has_own(reply, "Cache-Control")) {
        add(response, "Cache-Control", "no-store");
    }
    for (size_t i = 0; i < reply->header_count; i++) {
        add(response, reply->headers[i].name, reply->headers[i].value);
    }
    if (reply->content_type[0] != '\0') {
        add(response, "Content-Type", reply->content_type);
    }
    if (x->etag[0] != '\0') {
        char quoted[sizeof(x->etag) + 2];
        snprintf(quoted, sizeof(quoted), "\"%s\"", x->etag);
        add(response, "ETag", quoted);
    }
    add(response, "X-Request-Id", x->request_id);
    if (reply->closes || atomic_load(&x->http->stopping)) {
        add(response, "Connection", "close");
    }
    add_json_headers(x, response);
    add_cors(x, response);
}

static struct MHD_Response *take_response(struct reply *reply)
{
    struct MHD_Response *response = reply->response;
    reply->response = NULL;
    if (response == NULL && reply->text == NULL) {
        response = MHD_create_response_from_buffer(0, NULL, MHD_RESPMEM_PERSISTENT);
    } else if (response == NULL) {
        response =
            MHD_create_response_from_buffer(reply->length, reply->text, MHD_RESPMEM_MUST_FREE);
        reply->text = response != NULL ? NULL : reply->text;
    }
    return response;
}

enum MHD_Result reply_queue(struct exchange *x)
{
    struct reply *reply = &x->reply;
    if (is_not_modified(x)) {
        free(reply->text);
        reply->text = NULL;
        reply->status = 304;
        text_copy(reply->content_type_text, sizeof(reply->content_type_text), "");
        if (reply->response != NULL) {
            MHD_destroy_response(reply->response);
            reply->response = NULL;
        }
    }
    struct MHD_Response *response = take_response(reply);
    if (response == NULL) {
        return MHD_NO;
    }
    add_headers(x, response);
    log_debug(x->request_id, "%s %s %d %" PRId64 " ms", x->method_text, x->raw_target,
              reply->status, clock_monotonic_ms() - x->started_ms);
    enum MHD_Result result = MHD_queue_response(x->connection, (unsigned)reply->status, response);
    MHD_destroy_response(response);
    return result;
}
