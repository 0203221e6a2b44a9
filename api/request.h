/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * The request target and the headers with a grammar of their own: path and query are split, decoded
 * and checked here (no %00, no bad UTF-8, nothing given twice), and the path is matched against the
 * patterns of the route table. Pure functions and values; any thread.
 */
#ifndef BURND_API_REQUEST_H
#define BURND_API_REQUEST_H

#include "exchange.h"

#define REQUEST_QUERY_MAX 32
#define REQUEST_PARAMETERS_MAX 4
#define REQUEST_TARGET_MAX 8192

/* The whole text as a decimal number of at most 9 digits; -1 = it is none. */
int request_number(const char *text);

struct request_target {
    char *text;            /* owned; what follows points into it */
    const char *authority; /* of an absolute target, else NULL */
    const char *path;      /* as sent, still encoded */
    struct {
        const char *name, *value;
    } query[REQUEST_QUERY_MAX];
    size_t query_count;
};

/* -1: invalid_query (a parameter is not decodable, or given twice), or not_found for a target
 * that is no path. Release it in any case. */
NODISCARD int request_target_parse(const char *raw, struct request_target *out, struct error *err);
void request_target_release(struct request_target *target);
/* NULL = not given. */
const char *request_query(const struct request_target *target, const char *name);
/* The first parameter that `allowed` (space separated) does not name, or NULL. */
const char *request_unknown_query(const struct request_target *target, const char *allowed);

struct route_match {
    const struct route *route;                /* NULL = the path is known, the method is not */
    char *parameters[REQUEST_PARAMETERS_MAX]; /* owned, decoded */
    char allow[64];                           /* "GET, HEAD, OPTIONS"; "" = unknown path */
};

/* `method` as sent; HEAD finds the GET row. */
void route_find(const char *method, const char *path, struct route_match *out);
void route_match_release(struct route_match *match);

/* Decodes in place (`plus`: '+' is a space); -1 on bad escapes, %00 and what is not UTF-8 then. */
NODISCARD int percent_decode(char *text, bool plus);

/* Seconds of `Prefer: wait=N` (at most 600), -1 = none; -2 = not a number. `value` may be NULL. */
int request_prefer_wait(const char *value);

/* Whether `Accept` (NULL = anything) allows `type`/`subtype`; a range with q=0 does not. */
bool request_accepts(const char *accept, const char *type, const char *subtype);

#endif
