/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * The head of a request: as a WebSocket upgrade; its target as path, query, route and subscription;
 * each header by every reader of headers. Only text reaches these functions (libmicrohttpd and
 * the edge see to that), so every piece is handed over as a string of its own.
 */
#include "api/request.h"
#include "api/request_filter.h"
#include "api/subscriber.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static char host[] = "burnd.example", origin[] = "https://page.example";
static char *const hosts[] = {host}, *const origins[] = {origin};
static const struct request_filter filters[] = {
    {"127.0.0.1", hosts, 1, origins, 1},
    {"0.0.0.0", NULL, 0, NULL, 0},
    {"::1", hosts, 1, NULL, 0},
};

static void read_path(const char *path)
{
    static const char *const methods[] = {"GET", "HEAD", "POST", "DELETE", "OPTIONS", "BREW"};
    for (size_t i = 0; i < sizeof(methods) / sizeof(methods[0]); i++) {
        struct route_match match;
        route_find(methods[i], path, &match);
        assert(match.route == NULL || match.allow[0] != '\0');
        route_match_release(&match);
    }
}

static void read_target(const char *raw)
{
    struct request_target target;
    struct subscription subscription;
    struct error err = ERROR_EMPTY;
    if (request_target_parse(raw, &target, &err) == 0) {
        assert(target.path[0] == '/' || strcmp(target.path, "*") == 0);
        assert(target.query_count <= REQUEST_QUERY_MAX);
        read_path(target.path);
        (void)request_unknown_query(&target, "topics since max_rate_hz until");
        for (size_t i = 0; i < target.query_count; i++) {
            assert(request_query(&target, target.query[i].name) != NULL);
            (void)request_number(target.query[i].value);
        }
        if (subscription_parse("0123456789abcdef", request_query(&target, "topics"),
                               request_query(&target, "since"),
                               request_query(&target, "max_rate_hz"),
                               request_query(&target, "until"), &subscription, &err) == 0) {
            assert(subscription.name_count <=
                   sizeof(subscription.names) / sizeof(subscription.names[0]));
        }
    } else {
        assert(err.code != ERROR_NONE);
    }
    request_target_release(&target);
}

static void read_value(const char *value)
{
    assert(request_prefer_wait(value) <= 600);
    (void)request_accepts(value, "application", "json");
    (void)request_accepts(value, "text", "event-stream");
    (void)header_has_token(value, "upgrade");
    for (size_t i = 0; i < sizeof(filters) / sizeof(filters[0]); i++) {
        (void)request_filter_host(&filters[i], value);
        (void)request_filter_origin(&filters[i], value, "localhost:8080");
        (void)request_filter_origin(&filters[i], "http://localhost:8080", value);
        (void)request_filter_cors(&filters[i], value);
    }
}

/* Takes `text` apart at line ends and colons. */
static void read_lines(char *text)
{
    struct header_audit audit = {0};
    char *rest = text;
    char *line = strsep(&rest, "\n");
    strsep(&line, " ");
    if (line != NULL) {
        read_target(strsep(&line, " "));
    }
    while ((line = strsep(&rest, "\n")) != NULL) {
        line[strcspn(line, "\r")] = '\0';
        char *name = strsep(&line, ":");
        const char *value = line != NULL ? line + strspn(line, " \t") : "";
        header_audit_add(&audit, name, strlen(name), value, strlen(value));
        read_value(value);
    }
    (void)header_audit_end(&audit);
}

static void read_upgrade(const char *bytes, size_t size)
{
    for (size_t i = 0; i < sizeof(filters) / sizeof(filters[0]); i++) {
        struct upgrade_head head;
        struct error err = ERROR_EMPTY;
        if (upgrade_head_parse(&filters[i], bytes, size, &head, &err) == 0) {
            assert(head.host != NULL && head.headers.key != NULL && head.target[0] != '\0');
            upgrade_head_release(&head);
        } else {
            assert(err.code != ERROR_NONE);
        }
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    char *text = malloc(size + 1);
    assert(text != NULL);
    memcpy(text, data, size);
    text[size] = '\0';
    read_upgrade((const char *)data, size);
    read_lines(text);
    free(text);
    return 0;
}
