/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * What a request must look like before anything else looks at it: which hosts and origins burnd
 * answers for (against DNS rebinding and foreign pages), headers that libmicrohttpd 0.9.75 lets
 * pass although two readers could understand them differently (request smuggling), and the strict
 * reading of a WebSocket upgrade. Pure functions over text; edge and http use the same ones. Any
 * thread.
 */
#ifndef BURND_API_REQUEST_FILTER_H
#define BURND_API_REQUEST_FILTER_H

#include "base/error.h"

/* Borrowed strings; the whole does not change after the start. */
struct request_filter {
    const char *listen_host; /* "127.0.0.1", "::1", "0.0.0.0" */
    char *const *allowed_hosts;
    size_t allowed_host_count;
    char *const *allowed_origins;
    size_t allowed_origin_count;
};

/* Host header (or authority of an absolute target), with or without a port. A wildcard listen
 * address answers for every IP literal: rebinding needs a name. */
bool request_filter_host(const struct request_filter *filter, const char *host);

/* Whether `origin` is the origin of `host` itself, or one of allowed_origins. */
bool request_filter_origin(const struct request_filter *filter, const char *origin,
                           const char *host);

/* Whether `origin` is one of allowed_origins: then the answer carries CORS headers. */
bool request_filter_cors(const struct request_filter *filter, const char *origin);

/* --- headers, one after the other ---------------------------------------------------------- */

struct header_audit {
    unsigned seen; /* bits: headers that may stand once only */
    size_t bytes;
    const char *reason; /* NULL = nothing wrong so far */
};

void header_audit_add(struct header_audit *audit, const char *name, size_t name_length,
                      const char *value, size_t value_length);
/* NULL, or why the whole is refused. */
const char *header_audit_end(const struct header_audit *audit);

/* Whether the comma list `value` has `token`, without regard to case. */
bool header_has_token(const char *value, const char *token);
/* A token of RFC 9110. */
bool header_is_token(const char *text, size_t length);

/* --- WebSocket upgrade --------------------------------------------------------------------- */

#define UPGRADE_PROTOCOL "burnd.v1"

/* NULL = the header was not there. */
struct upgrade_headers {
    const char *upgrade, *connection, *version, *key, *protocol;
};

/* What is wrong with them: upgrade_required, or invalid_header. */
NODISCARD int upgrade_headers_check(const struct upgrade_headers *headers, struct error *err);

/* A head read strictly; the strings lie in `text`. */
struct upgrade_head {
    char *text;
    const char *target; /* "/api/v1/events?topics=jobs" */
    const char *host, *origin;
    struct upgrade_headers headers;
};

/* `head` up to and with its empty line. 0: a valid upgrade for a host and origin that we answer
 * for; release it. -1: anything else; libmicrohttpd shall answer. */
NODISCARD int upgrade_head_parse(const struct request_filter *filter, const char *head,
                                 size_t length, struct upgrade_head *out, struct error *err);
void upgrade_head_release(struct upgrade_head *head);

#endif
