/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * See live_client.h. Answers to operations are put before events: they are few and somebody waits.
 */
#include "live_client.h"

#include "base/clock.h"
#include "body_reader.h"

#include <stdlib.h>
#include <string.h>

#define BAD_OPS_MAX 3

void live_client_close(struct live_client *client, int code, const char *reason)
{
    if (client->close_code == 0) {
        client->close_code = code;
        client->close_reason = reason;
    }
}

static void put_notice(struct live_client *client, char *owned_text, size_t length)
{
    if (client->notice_count == LIVE_NOTICES_MAX) {
        notice_free(owned_text);
        live_client_close(client, 1008, "too many operations at once");
        return;
    }
    client->notices[client->notice_count].text = owned_text;
    client->notices[client->notice_count++].length = length;
}

static void say(struct live_client *client, const char *type, json_t *owned_data)
{
    size_t length = 0;
    char *data = json_dumps(owned_data, JSON_COMPACT);
    char *text =
        notice_new(event_log_epoch(client->log), type, data != NULL ? data : "{}", &length);
    json_decref(owned_data);
    free(data);
    put_notice(client, text, length);
}

void live_client_init(struct live_client *client, struct event_log *log,
                      struct subscriber *owned_subscriber)
{
    memset(client, 0, sizeof(*client));
    client->log = log;
    client->subscriber = owned_subscriber;
    size_t length = 0;
    char *hello = notice_hello(log, owned_subscriber, &length);
    put_notice(client, hello, length);
}

void live_client_sent(struct live_client *client)
{
    if (client->event != NULL) {
        event_unref(client->event);
    } else {
        notice_free(client->text);
    }
    client->event = NULL;
    client->text = NULL;
}

void live_client_release(struct live_client *client)
{
    live_client_sent(client);
    for (size_t i = 0; i < client->notice_count; i++) {
        notice_free(client->notices[i].text);
    }
    subscriber_free(client->subscriber);
}

bool live_client_has_lagged(const struct live_client *client)
{
    return subscriber_has_lagged(client->log, subscriber_lag_from(client->subscriber));
}

/* --- what it is told ----------------------------------------------------------------------- */

static void take_notice(struct live_client *client, int64_t now_ms)
{
    client->text = client->notices[0].text;
    client->length = client->notices[0].length;
    client->notice_count--;
    memmove(&client->notices[0], &client->notices[1],
            client->notice_count * sizeof(client->notices[0]));
    subscriber_spoke(client->subscriber, now_ms);
}

static bool take_next(struct live_client *client, int64_t now_ms, bool ending, int64_t *due_ms)
{
    int64_t wait_ms = 0;
    switch (subscriber_next(client->subscriber, now_ms, &client->event, &wait_ms)) {
    case SUBSCRIBER_EVENT:
        client->text = event_frame(client->event, event_log_epoch(client->log), &client->length);
        return true;
    case SUBSCRIBER_HEARTBEAT:
        client->text = notice_new(event_log_epoch(client->log), "heartbeat", "{}", &client->length);
        return true;
    case SUBSCRIBER_RESET:
        client->text = notice_reset(client->log, &client->length);
        return true;
    case SUBSCRIBER_ENDED:
        live_client_close(client, 1000, "all jobs have ended");
        return true;
    case SUBSCRIBER_LAGGED:
        live_client_close(client, 4008, "fell behind");
        return true;
    case SUBSCRIBER_WAIT:
        break;
    }
    if (ending) {
        live_client_close(client, 1001, "burnd is shutting down");
        return true;
    }
    *due_ms = now_ms + wait_ms;
    return false;
}

bool live_client_prepare(struct live_client *client, int64_t now_ms, bool ending, int64_t *due_ms)
{
    if (client->text != NULL) {
        return true;
    }
    if (client->notice_count > 0) {
        take_notice(client, now_ms);
        return true;
    }
    return client->close_code != 0 || take_next(client, now_ms, ending, due_ms);
}

/* --- what it says -------------------------------------------------------------------------- */

static void refuse_op(struct live_client *client, const struct error *err)
{
    say(client, "error",
        json_pack("{s:s,s:s}", "code", error_code_to_text(err->code), "detail", err->message));
    if (++client->bad_ops >= BAD_OPS_MAX) {
        live_client_close(client, 1008, "three bad operations");
    }
}

static int read_topics(const json_t *topics, struct subscription *out, struct error *err)
{
    const char *words[TOPICS_MAX + 1];
    size_t count = json_array_size(topics);
    if (!json_is_array(topics) || count > TOPICS_MAX) {
        return error_set(err, ERROR_INVALID_REQUEST, "topics must be an array of at most 64 texts");
    }
    for (size_t i = 0; i < count; i++) {
        words[i] = json_string_value(json_array_get(topics, i));
        if (words[i] == NULL) {
            return error_set(err, ERROR_INVALID_REQUEST, "topics must be texts");
        }
    }
    return subscription_topics(out, words, count, err);
}

static int subscribe(struct live_client *client, json_t *op, struct error *err)
{
    struct subscription wish = {.max_rate_hz = 10};
    json_t *topics = json_object_get(op, "topics"), *rate = json_object_get(op, "max_rate_hz");
    bool has_rate = rate != NULL && !json_is_null(rate);
    size_t known = 1 + (topics != NULL ? 1 : 0) + (rate != NULL ? 1 : 0);
    if (json_object_size(op) != known || (has_rate && !json_is_number(rate))) {
        return error_set(err, ERROR_INVALID_REQUEST, "subscribe takes topics and max_rate_hz");
    }
    if (topics != NULL && !json_is_null(topics) ? read_topics(topics, &wish, err) != 0
                                                : subscription_topics(&wish, NULL, 0, err) != 0) {
        return -1;
    }
    if (has_rate && subscription_rate(&wish, json_number_value(rate), err) != 0) {
        return -1;
    }
    subscriber_change(client->subscriber, &wish);
    say(client, "subscribed",
        json_pack("{s:O?,s:f}", "topics", topics, "max_rate_hz", wish.max_rate_hz));
    return 0;
}

static int ping(struct live_client *client, json_t *op, struct error *err)
{
    json_t *id = json_object_get(op, "id");
    if (json_object_size(op) != (id != NULL ? 2U : 1U) || (id != NULL && !json_is_string(id))) {
        return error_set(err, ERROR_INVALID_REQUEST, "ping takes an id, which is a text");
    }
    say(client, "pong", json_pack("{s:O?}", "id", id));
    return 0;
}

static int carry_out(struct live_client *client, json_t *op, struct error *err)
{
    const char *word = json_string_value(json_object_get(op, "op"));
    if (word != NULL && strcmp(word, "subscribe") == 0) {
        return subscribe(client, op, err);
    }
    if (word != NULL && strcmp(word, "ping") == 0) {
        return ping(client, op, err);
    }
    return error_set(err, ERROR_INVALID_REQUEST, "op must be subscribe or ping");
}

static void read_op(struct live_client *client)
{
    struct error err = ERROR_EMPTY;
    struct json_place place = {0};
    json_t *op = NULL;
    int result = body_reader_text(client->op, client->op_length, &op, &place, &err);
    client->op_length = 0;
    if (result != 0 || carry_out(client, op, &err) != 0) {
        refuse_op(client, &err);
    }
    json_decref(op);
}

void live_client_receive(struct live_client *client, const char *bytes, size_t length, bool final,
                         bool binary)
{
    if (client->close_code != 0) {
        return;
    }
    if (binary) {
        live_client_close(client, 1003, "text only");
        return;
    }
    if (length > sizeof(client->op) - client->op_length) {
        live_client_close(client, 1009, "at most 4 KiB");
        return;
    }
    memcpy(client->op + client->op_length, bytes, length);
    client->op_length += length;
    if (final) {
        read_op(client);
    }
}
