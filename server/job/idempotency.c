/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * Answers kept under an Idempotency-Key, and the keys whose first request is still under way (in
 * memory: a request does not outlive burnd).
 */
#include "job/core_internal.h"

#include "base/alloc.h"
#include "base/clock.h"
#include "base/log.h"

#include <stdlib.h>
#include <string.h>

struct idempotency_mark {
    struct idempotency_mark *next;
    char *scope, *key;
};

static struct idempotency_mark **find_mark(struct core *core, const char *scope, const char *key)
{
    struct idempotency_mark **at = &core->marks;
    while (*at != NULL && (strcmp((*at)->scope, scope) != 0 || strcmp((*at)->key, key) != 0)) {
        at = &(*at)->next;
    }
    return at;
}

static void free_row(struct idempotency_row *row)
{
    free((void *)(uintptr_t)row->scope);
    free((void *)(uintptr_t)row->key);
    free((void *)(uintptr_t)row->body_sha256);
    free((void *)(uintptr_t)row->location);
}

int core_idempotency_begin(struct core *core, const char *scope, const char *key,
                           const char *body_sha256, struct kept_answer *out, bool *found,
                           struct error *err)
{
    struct idempotency_row row = {0};
    *found = false;
    if (*find_mark(core, scope, key) != NULL) {
        return error_set(err, ERROR_IDEMPOTENCY_IN_PROGRESS,
                         "the first request with this Idempotency-Key is still running");
    }
    int status = store_find_idempotency(core->store, scope, key, &row, err);
    if (status < 0) {
        return -1;
    }
    if (status == 0) {
        struct idempotency_mark *mark = xcalloc(1, sizeof(*mark));
        mark->scope = xstrdup(scope);
        mark->key = xstrdup(key);
        mark->next = core->marks;
        core->marks = mark;
        return 0;
    }
    if (strcmp(row.body_sha256, body_sha256) != 0) {
        free((void *)(uintptr_t)row.body);
        free_row(&row);
        return error_set(err, ERROR_IDEMPOTENCY_MISMATCH,
                         "this Idempotency-Key was used with another body");
    }
    *found = true;
    out->status = row.status;
    out->body = xstrdup(row.body != NULL ? row.body : "");
    text_copy(out->location, sizeof(out->location), row.location != NULL ? row.location : "");
    free((void *)(uintptr_t)row.body);
    free_row(&row);
    return 0;
}

void core_idempotency_end(struct core *core, const char *scope, const char *key,
                          const char *body_sha256, const struct kept_answer *answer)
{
    struct idempotency_mark **at = find_mark(core, scope, key);
    struct error err;
    if (*at != NULL) {
        struct idempotency_mark *mark = *at;
        *at = mark->next;
        free(mark->scope);
        free(mark->key);
        free(mark);
    }
    if (answer == NULL) {
        return;
    }
    struct idempotency_row row = {
        .scope = scope,
        .key = key,
        .body_sha256 = body_sha256,
        .body = answer->body,
        .location = answer->location,
        .status = answer->status,
        .created_at_ms = clock_wall_ms(),
    };
    core_begin(core);
    if (store_put_idempotency(core->store, &row, &err) != 0) {
        core_fatal(core, &err);
    }
    core_commit(core);
}
