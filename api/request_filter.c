/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * See request_filter.h. Everything is refused unless it is known to be fine; nothing is repaired.
 */
#include "request_filter.h"

#include "base/alloc.h"

#include <arpa/inet.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

/* --- hosts and origins --------------------------------------------------------------------- */

struct authority {
    char host[256]; /* lower case, without brackets */
    int port;       /* -1 = none */
};

static int parse_port(const char *text, int *port)
{
    size_t digits = strspn(text, "0123456789");
    *port = digits > 0 && digits <= 5 ? (int)strtol(text, NULL, 10) : -1;
    return *port < 0 || *port > 65535 || text[digits] != '\0' ? -1 : 0;
}

static int parse_authority(const char *text, struct authority *out)
{
    const char *begin = text, *end;
    if (text[0] == '[') {
        begin = text + 1;
        end = strchr(text, ']');
        if (end == NULL) {
            return -1;
        }
        text = end + 1;
    } else {
        end = text = text + strcspn(text, ":");
    }
    size_t length = (size_t)(end - begin);
    if (length == 0 || length >= sizeof(out->host)) {
        return -1;
    }
    for (size_t i = 0; i < length; i++) {
        char c = begin[i];
        out->host[i] = c >= 'A' && c <= 'Z' ? (char)(c + 32) : c;
    }
    out->host[length] = '\0';
    if (strspn(out->host, "abcdefghijklmnopqrstuvwxyz0123456789.-_:") != length) {
        return -1;
    }
    out->port = -1;
    if (text[0] == ':') {
        return parse_port(text + 1, &out->port);
    }
    return text[0] == '\0' ? 0 : -1;
}

static bool is_ip_literal(const char *host)
{
    struct in6_addr address;
    return inet_pton(AF_INET, host, &address) == 1 || inet_pton(AF_INET6, host, &address) == 1;
}

static bool is_wildcard(const char *host)
{
    return strcmp(host, "0.0.0.0") == 0 || strcmp(host, "::") == 0;
}

/* An allowed-host may be given with a port, then only that one counts. */
static bool matches_allowed(const struct authority *asked, const char *allowed)
{
    struct authority mine;
    return parse_authority(allowed, &mine) == 0 && strcmp(asked->host, mine.host) == 0 &&
           (mine.port < 0 || mine.port == asked->port);
}

bool request_filter_host(const struct request_filter *filter, const char *host)
{
    static const char *const always[] = {"localhost", "127.0.0.1", "::1"};
    struct authority asked;
    if (host == NULL || parse_authority(host, &asked) != 0) {
        return false;
    }
    for (size_t i = 0; i < sizeof(always) / sizeof(always[0]); i++) {
        if (strcmp(asked.host, always[i]) == 0) {
            return true;
        }
    }
    if (strcasecmp(asked.host, filter->listen_host) == 0 ||
        (is_wildcard(filter->listen_host) && is_ip_literal(asked.host))) {
        return true;
    }
    for (size_t i = 0; i < filter->allowed_host_count; i++) {
        if (matches_allowed(&asked, filter->allowed_hosts[i])) {
            return true;
        }
    }
    return false;
}

static bool is_origin_of(const char *origin, const char *host)
{
    static const struct {
        const char *prefix;
        int port;
    } schemes[] = {{"http://", 80}, {"https://", 443}};
    struct authority theirs, ours;
    for (size_t i = 0; i < sizeof(schemes) / sizeof(schemes[0]); i++) {
        size_t length = strlen(schemes[i].prefix);
        if (strncasecmp(origin, schemes[i].prefix, length) == 0 &&
            parse_authority(origin + length, &theirs) == 0 && parse_authority(host, &ours) == 0) {
            int their_port = theirs.port < 0 ? schemes[i].port : theirs.port;
            int our_port = ours.port < 0 ? schemes[i].port : ours.port;
            return their_port == our_port && strcmp(theirs.host, ours.host) == 0;
        }
    }
    return false;
}

bool request_filter_cors(const struct request_filter *filter, const char *origin)
{
    for (size_t i = 0; i < filter->allowed_origin_count; i++) {
        if (strcasecmp(filter->allowed_origins[i], origin) == 0) {
            return true;
        }
    }
    return false;
}

bool request_filter_origin(const struct request_filter *filter, const char *origin,
                           const char *host)
{
    return is_origin_of(origin, host) || request_filter_cors(filter, origin);
}

/* --- headers ------------------------------------------------------------------------------- */

enum single { SINGLE_HOST, SINGLE_LENGTH, SINGLE_ENCODING, SINGLE_COUNT = 15 };

static const char *const singles[SINGLE_COUNT] = {
    [SINGLE_HOST] = "host",
    [SINGLE_LENGTH] = "content-length",
    [SINGLE_ENCODING] = "transfer-encoding",
    "content-type",
    "origin",
    "authorization",
    "idempotency-key",
    "x-request-id",
    "expect",
    "range",
    "last-event-id",
    "sec-websocket-key",
    "sec-websocket-version",
    "x-burnd-csrf",
    "content-encoding",
};

bool header_is_token(const char *text, size_t length)
{
    static const char marks[] = "!#$%&'*+-.^_`|~";
    for (size_t i = 0; i < length; i++) {
        char c = text[i];
        bool plain = (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9');
        if (!plain && (c == '\0' || strchr(marks, c) == NULL)) {
            return false;
        }
    }
    return length > 0;
}

static bool has_control(const char *value, size_t length)
{
    for (size_t i = 0; i < length; i++) {
        unsigned char c = (unsigned char)value[i];
        if ((c < 0x20 && c != '\t') || c == 0x7F) {
            return true;
        }
    }
    return false;
}

static bool is(const char *text, size_t length, const char *word)
{
    return length == strlen(word) && strncasecmp(text, word, length) == 0;
}

static const char *check_value(size_t single, const char *value, size_t length)
{
    if (single == SINGLE_LENGTH) {
        for (size_t i = 0; i < length; i++) {
            if (value[i] < '0' || value[i] > '9') {
                return "Content-Length is not a number";
            }
        }
        return length > 0 && length <= 18 ? NULL : "Content-Length is not a number";
    }
    if (single == SINGLE_ENCODING && !is(value, length, "chunked")) {
        return "Transfer-Encoding is not chunked";
    }
    return NULL;
}

void header_audit_add(struct header_audit *audit, const char *name, size_t name_length,
                      const char *value, size_t value_length)
{
    audit->bytes += name_length + value_length + 4;
    if (audit->reason != NULL) {
        return;
    }
    if (!header_is_token(name, name_length)) {
        audit->reason = "a header's name is no token";
        return;
    }
    if (has_control(value, value_length)) {
        audit->reason = "a header's value has a control character";
        return;
    }
    for (size_t i = 0; i < SINGLE_COUNT; i++) {
        if (is(name, name_length, singles[i])) {
            if (audit->seen & (1U << i)) {
                audit->reason = "a header that may stand once stands twice";
                return;
            }
            audit->seen |= 1U << i;
            audit->reason = check_value(i, value, value_length);
        }
    }
}

const char *header_audit_end(const struct header_audit *audit)
{
    if (audit->reason == NULL && (audit->seen & (1U << SINGLE_LENGTH)) &&
        (audit->seen & (1U << SINGLE_ENCODING))) {
        return "both Content-Length and Transfer-Encoding";
    }
    return audit->reason;
}

bool header_has_token(const char *value, const char *token)
{
    size_t length = strlen(token);
    while (value != NULL && *value != '\0') {
        value += strspn(value, " \t,");
        size_t item = strcspn(value, ",");
        size_t trimmed = item;
        while (trimmed > 0 && (value[trimmed - 1] == ' ' || value[trimmed - 1] == '\t')) {
            trimmed--;
        }
        if (trimmed == length && strncasecmp(value, token, length) == 0) {
            return true;
        }
        value += item;
    }
    return false;
}

/* --- WebSocket upgrade --------------------------------------------------------------------- */

/* Base64 of exactly 16 bytes: 22 digits, of which the last carries two bits, and "==". */
static bool is_key(const char *key)
{
    static const char digits[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    return strlen(key) == 24 && strspn(key, digits) == 22 && strcmp(key + 22, "==") == 0 &&
           strchr("AQgw", key[21]) != NULL;
}

int upgrade_headers_check(const struct upgrade_headers *headers, struct error *err)
{
    if (headers->upgrade == NULL || strcasecmp(headers->upgrade, "websocket") != 0 ||
        !header_has_token(headers->connection, "upgrade")) {
        return error_set(err, ERROR_UPGRADE_REQUIRED,
                         "only an upgrade to websocket is possible here");
    }
    if (headers->version == NULL || strcmp(headers->version, "13") != 0) {
        return error_set(err, ERROR_UPGRADE_REQUIRED, "Sec-WebSocket-Version must be 13");
    }
    if (headers->key == NULL || !is_key(headers->key)) {
        error_set(err, ERROR_INVALID_HEADER, "Sec-WebSocket-Key must be the base64 of 16 bytes");
        text_copy(err->pointer, sizeof(err->pointer), ":Sec-WebSocket-Key");
        return -1;
    }
    if (headers->protocol != NULL && !header_has_token(headers->protocol, UPGRADE_PROTOCOL)) {
        error_set(err, ERROR_INVALID_HEADER, "the only sub-protocol is " UPGRADE_PROTOCOL);
        text_copy(err->pointer, sizeof(err->pointer), ":Sec-WebSocket-Protocol");
        return -1;
    }
    return 0;
}

struct header_slot {
    const char *name;
    size_t offset; /* of a const char * in struct upgrade_head */
};

static const struct header_slot slots[] = {
    {"host", offsetof(struct upgrade_head, host)},
    {"origin", offsetof(struct upgrade_head, origin)},
    {"upgrade", offsetof(struct upgrade_head, headers.upgrade)},
    {"connection", offsetof(struct upgrade_head, headers.connection)},
    {"sec-websocket-version", offsetof(struct upgrade_head, headers.version)},
    {"sec-websocket-key", offsetof(struct upgrade_head, headers.key)},
    {"sec-websocket-protocol", offsetof(struct upgrade_head, headers.protocol)},
};

/* -1: a second one of a header that we read. */
static int keep_header(struct upgrade_head *head, const char *name, const char *value)
{
    for (size_t i = 0; i < sizeof(slots) / sizeof(slots[0]); i++) {
        const char **slot = (const char **)(void *)((char *)head + slots[i].offset);
        if (strcasecmp(name, slots[i].name) == 0) {
            if (*slot != NULL) {
                return -1;
            }
            *slot = value;
        }
    }
    return 0;
}

/* Cuts the line off at its CRLF; NULL when a lone CR or LF, a NUL or no end is found. */
static char *take_line(char **rest, const char *end)
{
    char *line = *rest;
    char *stop = line;
    while (stop < end && *stop != '\r' && *stop != '\n' && *stop != '\0') {
        stop++;
    }
    if (end - stop < 2 || stop[0] != '\r' || stop[1] != '\n') {
        return NULL;
    }
    *stop = '\0';
    *rest = stop + 2;
    return line;
}

static int parse_header_line(struct upgrade_head *head, struct header_audit *audit, char *line)
{
    char *colon = strchr(line, ':');
    if (colon == NULL) {
        return -1;
    }
    char *value = colon + 1 + strspn(colon + 1, " \t");
    size_t length = strlen(value);
    while (length > 0 && (value[length - 1] == ' ' || value[length - 1] == '\t')) {
        value[--length] = '\0';
    }
    header_audit_add(audit, line, (size_t)(colon - line), value, length);
    *colon = '\0';
    return audit->reason == NULL ? keep_header(head, line, value) : -1;
}

static int parse_request_line(struct upgrade_head *head, char *line)
{
    static const char method[] = "GET ", version[] = " HTTP/1.1";
    size_t length = strlen(line);
    if (length < sizeof(method) + sizeof(version) - 2 || strncmp(line, method, 4) != 0 ||
        strcmp(line + length - (sizeof(version) - 1), version) != 0) {
        return -1;
    }
    line[length - (sizeof(version) - 1)] = '\0';
    head->target = line + 4;
    for (const char *at = head->target; *at != '\0'; at++) {
        if (*at <= 0x20 || *at >= 0x7F) {
            return -1;
        }
    }
    return 0;
}

static int parse_head(struct upgrade_head *head, size_t length)
{
    char *rest = head->text;
    const char *end = head->text + length;
    struct header_audit audit = {0};
    char *line = take_line(&rest, end);
    if (line == NULL || parse_request_line(head, line) != 0) {
        return -1;
    }
    while ((line = take_line(&rest, end)) != NULL && line[0] != '\0') {
        if (parse_header_line(head, &audit, line) != 0) {
            return -1;
        }
    }
    unsigned body = (1U << SINGLE_LENGTH) | (1U << SINGLE_ENCODING);
    return line != NULL && rest == end && (audit.seen & body) == 0 ? 0 : -1;
}

int upgrade_head_parse(const struct request_filter *filter, const char *head, size_t length,
                       struct upgrade_head *out, struct error *err)
{
    memset(out, 0, sizeof(*out));
    out->text = xcalloc(1, length + 1);
    memcpy(out->text, head, length);
    if (parse_head(out, length) != 0) {
        error_set(err, ERROR_INVALID_HEADER, "the request's head is not well formed");
    } else if (!request_filter_host(filter, out->host)) {
        error_set(err, ERROR_HOST_REFUSED, "burnd does not answer for this host");
    } else if (out->origin != NULL && !request_filter_origin(filter, out->origin, out->host)) {
        error_set(err, ERROR_ORIGIN_REFUSED, "the origin %.200s is not allowed", out->origin);
    } else if (upgrade_headers_check(&out->headers, err) == 0) {
        return 0;
    }
    upgrade_head_release(out);
    return -1;
}

void upgrade_head_release(struct upgrade_head *head)
{
    free(head->text);
    memset(head, 0, sizeof(*head));
}
