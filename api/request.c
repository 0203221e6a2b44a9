/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * See request.h. The path is matched as it was sent, segment by segment, and only what a parameter
 * caught is decoded: an escaped slash is a part of a name, never a border. libmicrohttpd's own
 * decoding is off, because it lets bad escapes pass.
 */
#include "request.h"

#include "base/alloc.h"
#include "base/utf8.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

static int hex_digit(char c)
{
    if (c >= '0' && c <= '9') {
        return c - '0';
    }
    c = (char)(c | 0x20);
    return c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
}

int percent_decode(char *text, bool plus)
{
    char *to = text;
    for (const char *from = text; *from != '\0'; from++) {
        if (*from == '+' && plus) {
            *to++ = ' ';
        } else if (*from != '%') {
            *to++ = *from;
        } else {
            int high = hex_digit(from[1]);
            int low = high < 0 ? -1 : hex_digit(from[2]);
            if (low < 0 || (high == 0 && low == 0)) {
                return -1;
            }
            *to++ = (char)(high * 16 + low);
            from += 2;
        }
    }
    *to = '\0';
    return utf8_is_valid(text) ? 0 : -1;
}

int request_number(const char *text)
{
    size_t digits = strspn(text, "0123456789");
    return digits > 0 && digits <= 9 && text[digits] == '\0' ? (int)strtol(text, NULL, 10) : -1;
}

/* --- target -------------------------------------------------------------------------------- */

/* Splits "http://host/path" in place by moving the authority to the front. */
static char *take_authority(struct request_target *out)
{
    char *text = out->text;
    if (strncasecmp(text, "http://", 7) != 0 && strncasecmp(text, "https://", 8) != 0) {
        return text;
    }
    char *authority = strstr(text, "//") + 2;
    size_t length = strcspn(authority, "/?");
    memmove(text, authority, length);
    char *rest = authority + length;
    text[length] = '\0'; /* the scheme's letters made room for it */
    out->authority = text;
    return rest;
}

static int add_parameter(struct request_target *out, char *item, struct error *err)
{
    char *value = strchr(item, '=');
    if (value != NULL) {
        *value++ = '\0';
    }
    if (percent_decode(item, true) != 0 || (value != NULL && percent_decode(value, true) != 0)) {
        return error_set(err, ERROR_INVALID_QUERY,
                         "a query parameter is not percent-encoded UTF-8");
    }
    if (out->query_count == REQUEST_QUERY_MAX) {
        return error_set(err, ERROR_INVALID_QUERY, "more than %d query parameters",
                         REQUEST_QUERY_MAX);
    }
    if (request_query(out, item) != NULL) {
        error_set(err, ERROR_INVALID_QUERY, "the query parameter %.64s is given twice", item);
        snprintf(err->pointer, sizeof(err->pointer), "?%.64s", item);
        return -1;
    }
    out->query[out->query_count].name = item;
    out->query[out->query_count++].value = value != NULL ? value : "";
    return 0;
}

int request_target_parse(const char *raw, struct request_target *out, struct error *err)
{
    memset(out, 0, sizeof(*out));
    out->text = xstrdup(raw);
    char *path = take_authority(out);
    char *query = strchr(path, '?');
    if (query != NULL) {
        *query++ = '\0';
    }
    out->path = path[0] == '\0' && out->authority != NULL ? "/" : path;
    if (out->path[0] != '/') {
        return error_set(err, ERROR_NOT_FOUND, "the request's target is no path");
    }
    char *rest = query, *item;
    while (rest != NULL && (item = strsep(&rest, "&")) != NULL) {
        if (item[0] != '\0' && add_parameter(out, item, err) != 0) {
            return -1;
        }
    }
    return 0;
}

void request_target_release(struct request_target *target)
{
    free(target->text);
    memset(target, 0, sizeof(*target));
}

const char *request_query(const struct request_target *target, const char *name)
{
    for (size_t i = 0; i < target->query_count; i++) {
        if (strcmp(target->query[i].name, name) == 0) {
            return target->query[i].value;
        }
    }
    return NULL;
}

/* `name` in the space separated list; an item that ends in '*' allows every name with that
 * beginning. */
static bool is_listed(const char *list, const char *name)
{
    while (list != NULL && *list != '\0') {
        size_t length = strcspn(list, " ");
        bool prefix = length > 0 && list[length - 1] == '*';
        if (prefix ? strncmp(name, list, length - 1) == 0
                   : strlen(name) == length && strncmp(name, list, length) == 0) {
            return true;
        }
        list += length;
        list += strspn(list, " ");
    }
    return false;
}

const char *request_unknown_query(const struct request_target *target, const char *allowed)
{
    for (size_t i = 0; i < target->query_count; i++) {
        if (!is_listed(allowed, target->query[i].name)) {
            return target->query[i].name;
        }
    }
    return NULL;
}

/* --- routes -------------------------------------------------------------------------------- */

static const char *const method_words[] = {
    [METHOD_GET] = "GET",     [METHOD_POST] = "POST",     [METHOD_PUT] = "PUT",
    [METHOD_PATCH] = "PATCH", [METHOD_DELETE] = "DELETE",
};

static int take_parameter(struct route_match *match, size_t *count, const char *text, size_t length)
{
    if (match == NULL) {
        return length > 0 ? 0 : -1;
    }
    if (length == 0 || *count == REQUEST_PARAMETERS_MAX) {
        return -1;
    }
    char *value = xcalloc(1, length + 1);
    memcpy(value, text, length);
    match->parameters[(*count)++] = value;
    return percent_decode(value, false);
}

/* Literal segments are compared as they were sent: names of ours need no escapes. `match` NULL =
 * only whether it fits. */
static bool fits(const char *pattern, const char *path, struct route_match *match)
{
    size_t count = 0;
    while (*pattern != '\0') {
        if (*pattern != '{') {
            if (*pattern++ != *path++) {
                return false;
            }
            continue;
        }
        size_t length = strcspn(path, "/");
        if (take_parameter(match, &count, path, length) != 0) {
            return false;
        }
        path += length;
        pattern = strchr(pattern, '}') + 1;
    }
    return *path == '\0';
}

/* Literal before parameter, whatever the order of the table: "/jobs/plan" is not a job called
 * plan. */
static const struct route *best_pattern(const char *path)
{
    const struct route *best = NULL;
    for (size_t i = 0; i < route_count; i++) {
        if (fits(routes[i].pattern, path, NULL) &&
            (best == NULL ||
             (strchr(routes[i].pattern, '{') == NULL && strchr(best->pattern, '{') != NULL))) {
            best = &routes[i];
        }
    }
    return best;
}

void route_find(const char *method, const char *path, struct route_match *out)
{
    memset(out, 0, sizeof(*out));
    const struct route *best = best_pattern(path);
    if (best == NULL) {
        return;
    }
    const char *row_method = strcmp(method, "HEAD") == 0 ? "GET" : method;
    for (size_t i = 0; i < route_count; i++) {
        if (strcmp(routes[i].pattern, best->pattern) != 0) {
            continue;
        }
        const char *word = method_words[routes[i].method];
        size_t used = strlen(out->allow);
        snprintf(out->allow + used, sizeof(out->allow) - used, "%s, %s", word,
                 routes[i].method == METHOD_GET ? "HEAD, " : "");
        if (strcmp(word, row_method) == 0) {
            out->route = &routes[i];
        }
    }
    size_t used = strlen(out->allow);
    snprintf(out->allow + used, sizeof(out->allow) - used, "OPTIONS");
    if (out->route != NULL && !fits(best->pattern, path, out)) {
        route_match_release(out); /* a parameter that cannot be decoded names nothing */
        memset(out, 0, sizeof(*out));
    }
}

void route_match_release(struct route_match *match)
{
    for (size_t i = 0; i < REQUEST_PARAMETERS_MAX; i++) {
        free(match->parameters[i]);
        match->parameters[i] = NULL;
    }
}

/* --- headers ------------------------------------------------------------------------------- */

int request_prefer_wait(const char *value)
{
    while (value != NULL && *value != '\0') {
        value += strspn(value, " \t,;");
        if (strncasecmp(value, "wait=", 5) == 0) {
            size_t digits = strspn(value + 5, "0123456789");
            if (digits == 0 || digits > 9 || strchr(" \t,;", value[5 + digits]) == NULL) {
                return -2; /* strchr finds the end of the text too */
            }
            int seconds = (int)strtol(value + 5, NULL, 10);
            return seconds > 600 ? 600 : seconds;
        }
        value += strcspn(value, ",;");
    }
    return -1;
}

static bool has_q_zero(const char *range, size_t length)
{
    const char *q = memmem(range, length, ";q=0", 4);
    if (q == NULL) {
        q = memmem(range, length, "; q=0", 5);
        q = q != NULL ? q + 1 : NULL;
    }
    return q != NULL && strspn(q + 4, ".0") == strcspn(q + 4, ",; \t");
}

bool request_accepts(const char *accept, const char *type, const char *subtype)
{
    if (accept == NULL || accept[0] == '\0') {
        return true;
    }
    char exact[64], any_subtype[64];
    snprintf(exact, sizeof(exact), "%s/%s", type, subtype);
    snprintf(any_subtype, sizeof(any_subtype), "%s/*", type);
    while (*accept != '\0') {
        accept += strspn(accept, " \t,");
        size_t length = strcspn(accept, ",");
        size_t name = strcspn(accept, ",; \t");
        const char *const ranges[] = {exact, any_subtype, "*/*"};
        for (size_t i = 0; i < 3; i++) {
            if (name == strlen(ranges[i]) && strncasecmp(accept, ranges[i], name) == 0 &&
                !has_q_zero(accept, length)) {
                return true;
            }
        }
        accept += length;
    }
    return false;
}
