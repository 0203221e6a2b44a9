/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * See admit.h. The checks are a list; the first that answers ends it. What could be understood in
 * two ways (framing) closes the connection with the refusal: the next bytes may not be a request.
 */
#include "admit.h"

#include "base/alloc.h"
#include "base/id.h"
#include "exchange_driver.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#define SWALLOW_LENGTH_MAX (64 * 1024)

/* --- reading the head ---------------------------------------------------------------------- */

struct collector {
    struct exchange *x;
    struct header_audit audit;
    size_t used, capacity;
    size_t count; /* also those that did not fit */
};

static void keep(struct collector *all, const char *text, size_t length)
{
    memcpy(all->x->header_text + all->used, text, length);
    all->used += length;
    all->x->header_text[all->used++] = '\0';
}

static enum MHD_Result collect(void *arg, enum MHD_ValueKind kind, const char *name,
                               size_t name_size, const char *value, size_t value_size)
{
    (void)kind;
    struct collector *all = arg;
    value = value != NULL ? value : "";
    header_audit_add(&all->audit, name, name_size, value, value_size);
    if (all->audit.bytes > HEAD_BYTES_MAX || all->count++ >= EXCHANGE_HEADERS_MAX) {
        return MHD_NO;
    }
    struct exchange_header *header = &all->x->headers[all->x->header_count++];
    header->name = all->x->header_text + all->used;
    keep(all, name, name_size);
    header->value = all->x->header_text + all->used;
    keep(all, value, value_size);
    return MHD_YES;
}

/* A copy of the headers: handlers read them on other threads, and after the connection's end. */
static void check_headers(struct exchange *x)
{
    struct collector all = {.x = x};
    x->header_text = xcalloc(1, HEAD_BYTES_MAX + 2 * EXCHANGE_HEADERS_MAX);
    MHD_get_connection_values_n(x->connection, MHD_HEADER_KIND, collect, &all);
    if (all.audit.bytes > HEAD_BYTES_MAX || all.count > EXCHANGE_HEADERS_MAX) {
        reply_problem_now(x, ERROR_HEADERS_TOO_LARGE, NULL,
                          "the headers are larger than 16 KiB or more than 64");
        x->reply.closes = true;
        return;
    }
    const char *reason = header_audit_end(&all.audit);
    if (reason != NULL) {
        reply_problem_now(x, ERROR_INVALID_HEADER, NULL, reason);
        x->reply.closes = true;
    }
}

static bool is_request_id(const char *text)
{
    size_t length = strlen(text);
    return length >= 1 && length <= 128 &&
           strspn(text, "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789._-") ==
               length;
}

static void name_request(struct exchange *x)
{
    const char *asked = exchange_header(x, "X-Request-Id");
    if (asked != NULL && is_request_id(asked)) {
        text_copy(x->request_id, sizeof(x->request_id), asked);
    }
}

/* --- the checks, in order ------------------------------------------------------------------ */

static void check_target(struct exchange *x)
{
    struct error err = ERROR_EMPTY;
    if (strlen(x->raw_target) > REQUEST_TARGET_MAX) {
        reply_problem_now(x, ERROR_URI_TOO_LONG, NULL, "the request's target is longer than 8 KiB");
        x->reply.closes = true;
    } else if (request_target_parse(x->raw_target, &x->target, &err) != 0) {
        exchange_reply_problem(x, &err, NULL);
    }
}

static void check_host(struct exchange *x)
{
    const char *host = exchange_header(x, "Host");
    const char *asked = x->target.authority != NULL ? x->target.authority : host;
    if (!request_filter_host(x->http->filter, asked) ||
        (host != NULL && !request_filter_host(x->http->filter, host))) {
        reply_problem_now(x, ERROR_HOST_REFUSED, ":Host",
                          "burnd does not answer for this host (see allowed-host)");
    }
}

static bool is_api(const struct exchange *x)
{
    return strncmp(x->target.path, "/api/", 5) == 0;
}

static void check_route(struct exchange *x)
{
    static const struct route file = {
        .method = METHOD_GET, .operation = "getPage", .handler = site_page};
    route_find(x->method_text, x->target.path, &x->match);
    if (x->match.allow[0] == '\0' && site_has(x->http->site, x->target.path)) {
        snprintf(x->match.allow, sizeof(x->match.allow), "GET, HEAD, OPTIONS");
        bool reads = strcmp(x->method_text, "GET") == 0 || x->head;
        x->match.route = reads ? &file : NULL;
    }
    if (x->match.allow[0] == '\0') {
        reply_problem_now(x, ERROR_NOT_FOUND, NULL, "there is nothing at this path");
    } else if (x->match.route == NULL && strcmp(x->method_text, "OPTIONS") != 0) {
        exchange_set_header(x, "Allow", x->match.allow);
        reply_problem_now(x, ERROR_METHOD_NOT_ALLOWED, NULL, "the resource has no such method");
    }
}

/* A page of another origin may not change anything and not listen. Reading is stopped by the
 * browser. */
static void check_origin(struct exchange *x)
{
    const char *origin = exchange_header(x, "Origin");
    const char *host = exchange_header(x, "Host");
    bool reads = strcmp(x->method_text, "GET") == 0 || x->head || x->match.route == NULL;
    if (origin == NULL ||
        (reads && (x->match.route == NULL || !x->match.route->may_be_event_stream))) {
        return;
    }
    if (!request_filter_origin(x->http->filter, origin, host != NULL ? host : "")) {
        reply_problem_now(x, ERROR_ORIGIN_REFUSED, ":Origin",
                          "this origin may not do that (see allowed-origin)");
    }
}

static void answer_options(struct exchange *x)
{
    if (x->match.route == NULL) {
        exchange_set_header(x, "Allow", x->match.allow);
        exchange_reply_empty(x, 204);
    }
}

static void check_query(struct exchange *x)
{
    const char *allowed = x->match.route->query != NULL ? x->match.route->query : "";
    const char *unknown = request_unknown_query(&x->target, allowed);
    if (unknown != NULL && is_api(x)) {
        exchange_bad_query(x, unknown, "is not known here");
    }
}

static void check_accept(struct exchange *x)
{
    const char *accept = exchange_header(x, "Accept");
    if (!is_api(x) || request_accepts(accept, "application", "json") ||
        request_accepts(accept, "application", "problem+json") ||
        (x->match.route->may_be_event_stream && request_accepts(accept, "text", "event-stream"))) {
        return;
    }
    reply_problem_now(x, ERROR_NOT_ACCEPTABLE, ":Accept",
                      "only application/json can be answered here");
}

static void check_prefer(struct exchange *x)
{
    x->wait_s = request_prefer_wait(exchange_header(x, "Prefer"));
    if (x->wait_s == -2) {
        x->wait_s = -1; /* RFC 7240: a preference that is not understood is ignored */
    }
    if (x->wait_s <= 0) {
        return;
    }
    x->counted_as_waiter = true;
    if (atomic_fetch_add(&x->http->waiters, 1) >= WAITERS_MAX) {
        reply_problem_now(x, ERROR_TOO_MANY_CONNECTIONS, NULL,
                          "too many requests are waiting already");
    }
}

static long long declared_length(struct exchange *x)
{
    const char *length = exchange_header(x, "Content-Length");
    return length != NULL ? strtoll(length, NULL, 10) : 0;
}

static bool is_type(const char *value, const char *type)
{
    size_t length = strcspn(value, "; \t");
    return length == strlen(type) && strncasecmp(value, type, length) == 0;
}

static void check_content(struct exchange *x)
{
    const struct route *route = x->match.route;
    const char *type = exchange_header(x, "Content-Type");
    if (declared_length(x) > (long long)route->body_limit) {
        reply_problem_now(x, ERROR_BODY_TOO_LARGE, NULL,
                          route->body_limit == 0 ? "this request takes no body"
                                                 : "the body is larger than this resource takes");
    } else if (route->needs_body && !x->has_body && exchange_header(x, "Content-Length") == NULL) {
        reply_problem_now(x, ERROR_LENGTH_REQUIRED, ":Content-Length", "this request needs a body");
    } else if (x->has_body && route->body_limit > 0 &&
               (type == NULL || !(is_type(type, "application/json") ||
                                  (route->method == METHOD_PATCH &&
                                   is_type(type, "application/merge-patch+json"))))) {
        reply_problem_now(x, ERROR_UNSUPPORTED_MEDIA_TYPE, ":Content-Type",
                          "the body must be application/json");
    }
}

static void check_idempotency(struct exchange *x)
{
    if (idempotency_read(x) != 0) {
        return; /* answered */
    }
}

static void check_stop(struct exchange *x)
{
    if (atomic_load(&x->http->stopping)) {
        reply_problem_now(x, ERROR_SHUTTING_DOWN, NULL, "burnd is shutting down");
        x->reply.closes = true;
    }
}

typedef void check(struct exchange *x);
static check *const checks[] = {
    check_target, check_host,   check_route,  check_origin,      answer_options, check_stop,
    check_query,  check_accept, check_prefer, check_idempotency, check_content,
};

/* Whether the rest of a refused request is worth reading: a client that waits for "100 Continue"
 * will not send it, and one that sends much gets the answer at once and the connection closed. */
static void decide_about_rest(struct exchange *x)
{
    if (x->reply.closes || !x->has_body) {
        return;
    }
    x->swallow = exchange_header(x, "Expect") == NULL && declared_length(x) <= SWALLOW_LENGTH_MAX;
    x->reply.closes = !x->swallow;
}

void admit(struct exchange *x, const char *method, const char *version)
{
    text_copy(x->method_text, sizeof(x->method_text), method);
    x->head = strcmp(method, "HEAD") == 0;
    id_make("req", x->request_id);
    check_headers(x);
    name_request(x);
    if (!x->reply.ready && strcmp(version, "HTTP/1.1") != 0 && strcmp(version, "HTTP/1.0") != 0) {
        reply_problem_now(x, ERROR_INVALID_HEADER, NULL,
                          "only HTTP/1.1 and HTTP/1.0 are spoken here");
        x->reply.closes = true;
    }
    x->has_body = declared_length(x) > 0 || exchange_header(x, "Transfer-Encoding") != NULL;
    for (size_t i = 0; i < sizeof(checks) / sizeof(checks[0]) && !x->reply.ready; i++) {
        checks[i](x);
    }
    if (x->reply.ready) {
        decide_about_rest(x);
    }
}

void admit_body(struct exchange *x)
{
    if (!x->reply.ready && x->match.route->needs_body && x->body_length == 0) {
        struct error err = ERROR_EMPTY;
        struct field_errors fields = {0};
        error_set(&err, ERROR_INVALID_REQUEST, "this request needs a body");
        field_errors_add(&fields, "", "required", "a JSON object");
        exchange_reply_problem(x, &err, &fields);
    }
}
