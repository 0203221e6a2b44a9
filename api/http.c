/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * See http.h. libmicrohttpd calls handle() once with the head, then with pieces of the body, then
 * with nothing, and again after each resumption. The first call decides about everything that the
 * head tells (admit.c); a refused request's body is swallowed when it is small, so that the
 * connection lives and the client reads its answer.
 *
 * Traps of libmicrohttpd 0.9.75 that are heeded here: its own connection limit is never reached
 * (clients.h counts), the external logger is the first option, and suspended connections are
 * resumed before it is stopped.
 */
#include "http.h"

#include "admit.h"
#include "base/alloc.h"
#include "base/clock.h"
#include "base/log.h"
#include "exchange_driver.h"
#include "problem.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#define CONNECTION_MEMORY (48U * 1024)
#define IDLE_TIMEOUT_S 30U
#define SWALLOW_MAX (1024U * 1024)
#define STOP_PATIENCE_MS 2000
#define ANSWER_NAPS 25

/* --- bodies -------------------------------------------------------------------------------- */

static size_t body_limit(const struct exchange *x)
{
    return x->match.route != NULL ? x->match.route->body_limit : 0;
}

static void keep_body(struct exchange *x, const char *data, size_t size)
{
    if (x->body_length + size + 1 > x->body_capacity) {
        x->body_capacity = 2 * (x->body_length + size) + 256;
        x->body = xrealloc(x->body, x->body_capacity);
    }
    memcpy(x->body + x->body_length, data, size);
    x->body_length += size;
    x->body[x->body_length] = '\0';
}

/* MHD_NO closes the connection: more than anybody who will read an answer would send. */
static enum MHD_Result take_body(struct exchange *x, const char *data, size_t size)
{
    if (!x->reply.ready && x->body_length + size > body_limit(x)) {
        reply_problem_now(x, ERROR_BODY_TOO_LARGE, NULL,
                          "the body is larger than this resource takes");
        x->reply.closes = true;
    }
    if (!x->reply.ready) {
        keep_body(x, data, size);
        return MHD_YES;
    }
    x->body_length += size;
    return x->body_length <= SWALLOW_MAX ? MHD_YES : MHD_NO;
}

/* --- the access handler -------------------------------------------------------------------- */

static enum MHD_Result first_call(struct exchange *x, const char *method, const char *version)
{
    x->admitted = true;
    client_owes(x->client, CLIENT_OWES_BODY);
    admit(x, method, version);
    if (!x->reply.ready || x->swallow) {
        return MHD_YES;
    }
    client_owes(x->client, CLIENT_OWES_NOTHING);
    return reply_queue(x);
}

/* Its exchange was abandoned by the stop, and may not be touched. */
static enum MHD_Result answer_abandoned(struct MHD_Connection *connection, void **context)
{
    struct error err = ERROR_EMPTY;
    *context = NULL;
    error_set(&err, ERROR_SHUTTING_DOWN,
              "burnd is shutting down; what was asked for may have happened");
    json_t *body = problem_json(&err, NULL, NULL, NULL);
    char *text = json_dumps(body, JSON_COMPACT);
    json_decref(body);
    struct MHD_Response *response =
        MHD_create_response_from_buffer(strlen(text), text, MHD_RESPMEM_MUST_FREE);
    MHD_add_response_header(response, "Content-Type", "application/problem+json");
    MHD_add_response_header(response, "Connection", "close");
    enum MHD_Result result = MHD_queue_response(connection, 503, response);
    MHD_destroy_response(response);
    return result;
}

static enum MHD_Result handle(void *arg, struct MHD_Connection *connection, const char *url,
                              const char *method, const char *version, const char *upload_data,
                              size_t *upload_size, void **context)
{
    (void)arg;
    (void)url;
    struct exchange *x = *context;
    if (x == NULL || atomic_load(&x->abandoned)) {
        return answer_abandoned(connection, context);
    }
    if (!x->admitted) {
        return first_call(x, method, version);
    }
    if (*upload_size > 0) {
        size_t size = *upload_size;
        *upload_size = 0;
        return take_body(x, upload_data, size);
    }
    if (!x->started) {
        client_owes(x->client, CLIENT_OWES_NOTHING);
        admit_body(x);
        exchange_begin(x);
    }
    return exchange_continue(x) ? reply_queue(x) : MHD_YES;
}

/* Called with the raw target as soon as the request line is there; the result is the first
 * `*context`. */
static void *on_target(void *arg, const char *target, struct MHD_Connection *connection)
{
    struct http *http = arg;
    struct exchange *x = xcalloc(1, sizeof(*x));
    x->http = http;
    x->core = http->core;
    x->connection = connection;
    x->client =
        MHD_get_connection_info(connection, MHD_CONNECTION_INFO_SOCKET_CONTEXT)->socket_context;
    x->serial = atomic_fetch_add(&http->last_serial, 1) + 1;
    x->started_ms = clock_monotonic_ms();
    x->wait_s = -1;
    x->raw_target = xstrdup(target != NULL ? target : "");
    return x;
}

static void on_completed(void *arg, struct MHD_Connection *connection, void **context,
                         enum MHD_RequestTerminationCode code)
{
    (void)arg;
    (void)code;
    struct exchange *x = *context;
    const union MHD_ConnectionInfo *info =
        MHD_get_connection_info(connection, MHD_CONNECTION_INFO_SOCKET_CONTEXT);
    if (info != NULL && info->socket_context != NULL) {
        client_owes(info->socket_context, CLIENT_OWES_HEAD);
    }
    *context = NULL;
    if (x != NULL && !atomic_load(&x->abandoned)) {
        exchange_free(x);
    }
}

static void on_connection(void *arg, struct MHD_Connection *connection, void **socket_context,
                          enum MHD_ConnectionNotificationCode code)
{
    struct http *http = arg;
    if (code == MHD_CONNECTION_NOTIFY_CLOSED) {
        client_free(*socket_context);
        *socket_context = NULL;
        return;
    }
    const union MHD_ConnectionInfo *info =
        MHD_get_connection_info(connection, MHD_CONNECTION_INFO_CONNECTION_FD);
    *socket_context = client_new(http->clients, info->connect_fd);
}

static size_t leave_escapes(void *arg, struct MHD_Connection *connection, char *text)
{
    (void)arg;
    (void)connection;
    return strlen(text); /* decoded in request.c, where a bad escape is an error */
}

static void on_log(void *arg, const char *format, va_list args)
{
    (void)arg;
    char text[400];
#pragma GCC diagnostic push
#pragma GCC diagnostic ignored "-Wformat-nonliteral"
    vsnprintf(text, sizeof(text), format, args);
#pragma GCC diagnostic pop
    log_debug("libmicrohttpd", "%s", text);
}

int http_start(struct http *http, struct error *err)
{
    lock_init(&http->lock);
    unsigned flags = MHD_USE_NO_LISTEN_SOCKET | MHD_USE_EPOLL_INTERNAL_THREAD | MHD_USE_ITC |
                     MHD_USE_ERROR_LOG | MHD_ALLOW_SUSPEND_RESUME;
    http->daemon = MHD_start_daemon(
        flags, 0, NULL, NULL, handle, http, MHD_OPTION_EXTERNAL_LOGGER, on_log, NULL,
        MHD_OPTION_CONNECTION_MEMORY_LIMIT, (size_t)CONNECTION_MEMORY,
        MHD_OPTION_CONNECTION_TIMEOUT, IDLE_TIMEOUT_S, MHD_OPTION_CONNECTION_LIMIT,
        2U * (unsigned)clients_max(http->clients) + 64U, MHD_OPTION_STRICT_FOR_CLIENT, 1,
        MHD_OPTION_NOTIFY_CONNECTION, on_connection, http, MHD_OPTION_NOTIFY_COMPLETED,
        on_completed, http, MHD_OPTION_URI_LOG_CALLBACK, on_target, http,
        MHD_OPTION_UNESCAPE_CALLBACK, leave_escapes, NULL, MHD_OPTION_END);
    if (http->daemon == NULL) {
        lock_release(&http->lock);
        return error_set(err, ERROR_INTERNAL, "the http thread could not be started");
    }
    return 0;
}

void http_take(struct http *http, int owned_fd, const struct sockaddr *peer, socklen_t peer_length)
{
    /* on failure it has closed the socket, and no notice of its end will come */
    if (MHD_add_connection(http->daemon, owned_fd, peer, peer_length) != MHD_YES) {
        clients_leave(http->clients);
    }
}

/* --- the stop ------------------------------------------------------------------------------ */

struct rendezvous {
    struct http *http;
    atomic_bool done;
};

static void cancel_on_core(void *arg)
{
    struct rendezvous *meeting = arg;
    exchange_cancel_waiters(meeting->http);
    atomic_store(&meeting->done, true);
}

static void nap(void)
{
    const struct timespec a_while = {.tv_nsec = 2000000};
    nanosleep(&a_while, NULL);
}

static bool any_suspended(struct http *http)
{
    lock_take(&http->lock);
    bool any = http->suspended != NULL;
    lock_drop(&http->lock);
    return any;
}

/* Who has them frees them when they come back. */
static bool abandon_the_rest(struct http *http)
{
    lock_take(&http->lock);
    bool any = http->suspended != NULL;
    while (http->suspended != NULL) {
        struct exchange *x = http->suspended;
        http->suspended = x->suspended_next;
        atomic_store(&x->abandoned, true);
        MHD_resume_connection(x->connection);
    }
    lock_drop(&http->lock);
    return any;
}

bool http_stop(struct http *http)
{
    atomic_store(&http->stopping, true);
    struct rendezvous meeting = {.http = http};
    if (mailbox_post(core_mailbox(http->core), cancel_on_core, &meeting) == 0) {
        while (!atomic_load(&meeting.done)) {
            nap();
        }
    }
    int64_t until = clock_monotonic_ms() + STOP_PATIENCE_MS;
    while (any_suspended(http) && clock_monotonic_ms() < until) {
        nap();
    }
    bool clean = !abandon_the_rest(http);
    for (int i = 0; i < ANSWER_NAPS && !clean; i++) {
        nap(); /* their 503 is on its way */
    }
    MHD_stop_daemon(http->daemon);
    lock_take(&http->lock);
    while (http->reader_count > 0) {
        store_reader_close(http->readers[--http->reader_count]);
    }
    lock_drop(&http->lock);
    if (clean) {
        lock_release(&http->lock);
    } else {
        log_warning("http", "requests were still under way at the stop");
    }
    return clean;
}
