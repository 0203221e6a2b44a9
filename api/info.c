/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * Who answers, what it can do and where its limits are (/info); whether the process answers
 * (/healthz) and whether it can take work (/readyz). /info names only what is built: a client that
 * looks for a feature and does not find it will get feature_unavailable.
 */
#include "handlers.h"

#include "limits.h"
#include "views.h"

#include "base/clock.h"

#include <stddef.h>

static json_t *info_features(void)
{
    static const char *const built[] = {
        "data",
        "image",
        "simulate",
        "verify",
        "verify_quick",
        "multiple_copies",
        "file_recorders",
        "dry_run",
        "wait",
        "idempotency",
        "events_page",
        "events_sse",
        "events_websocket",
        "progress_items",
        "confirm",
        "attention",
        "disc_register",
        "roots",
    };
    json_t *object = json_object();
    for (size_t i = 0; i < sizeof(built) / sizeof(built[0]); i++) {
        json_object_set_new(object, built[i], json_true());
    }
    return object;
}

static json_t *info_limits(void)
{
    static const struct {
        const char *name;
        json_int_t value;
    } limits[] = {
        {"body_bytes", LIMIT_BODY_BYTES},
        {"action_body_bytes", LIMIT_ACTION_BYTES},
        {"target_bytes", LIMIT_TARGET_BYTES},
        {"head_bytes", LIMIT_HEAD_BYTES},
        {"json_depth", LIMIT_JSON_DEPTH},
        {"entries", LIMIT_ENTRIES},
        {"excludes", LIMIT_EXCLUDES},
        {"text_bytes", LIMIT_TEXT_BYTES},
        {"path_bytes", LIMIT_PATH_BYTES},
        {"title_bytes", LIMIT_TITLE_BYTES},
        {"tags", JOB_TAGS_MAX},
        {"recorders", JOB_RECORDERS_MAX},
        {"copies_max", LIMIT_COPIES},
        {"plan_s", LIMIT_PLAN_S},
        {"events_kept", EVENT_KEEP},
        {"wait_s_max", LIMIT_WAIT_S},
        {"list_max", LIMIT_LIST},
        {"worker_line_bytes", WORKER_LINE_MAX},
    };
    json_t *object = json_object();
    for (size_t i = 0; i < sizeof(limits) / sizeof(limits[0]); i++) {
        json_object_set_new(object, limits[i].name, json_integer(limits[i].value));
    }
    return object;
}

/* No tokens yet: whoever reaches the port may do everything, and burnd listens on loopback only. */
static json_t *info_auth(void)
{
    json_t *object = json_object();
    json_object_set_new(object, "required", json_false());
    json_object_set_new(object, "you", json_null());
    json_object_set_new(object, "scopes", json_array());
    return object;
}

void handle_get_info(struct exchange *x)
{
    struct event_log *events = core_events(exchange_core(x));
    json_t *object = json_object();
    json_object_set_new(object, "name", json_string("burnd"));
    json_object_set_new(object, "version", json_string(BURND_VERSION));
    json_object_set_new(object, "station", view_text(core_station(exchange_core(x))));
    json_object_set_new(object, "now", view_time(clock_wall_ms()));
    json_object_set_new(object, "epoch", json_string(event_log_epoch(events)));
    json_object_set_new(object, "seq", json_integer(event_log_last_seq(events)));
    json_object_set_new(object, "features", info_features());
    json_object_set_new(object, "limits", info_limits());
    json_object_set_new(object, "auth", info_auth());
    exchange_reply_json(x, 200, object);
}

static void reply_ok(struct exchange *x)
{
    json_t *object = json_object();
    json_object_set_new(object, "status", json_string("ok"));
    exchange_reply_json(x, 200, object);
}

void handle_get_health(struct exchange *x)
{
    reply_ok(x);
}

static void ask_core(struct exchange *x)
{
    struct error err = ERROR_EMPTY;
    if (core_ready(exchange_core(x), &err) != 0) {
        exchange_reply_problem(x, &err, NULL);
    } else {
        exchange_then(x, reply_ok);
    }
}

void handle_get_readiness(struct exchange *x)
{
    exchange_on_core(x, ask_core);
}
