/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * What one WebSocket client is told and may say, without libwebsockets: the next message to write,
 * the small JSON operations that it may send, and why it is closed. Live thread.
 */
#ifndef BURND_API_LIVE_CLIENT_H
#define BURND_API_LIVE_CLIENT_H

#include "subscriber.h"

#define LIVE_OP_BYTES_MAX 4096
#define LIVE_NOTICES_MAX 16

struct live_client {
    struct event_log *log;
    struct subscriber *subscriber;
    /* the message to write next; NULL = none. EVENT_HEADROOM bytes before it may be written */
    char *text;
    size_t length;
    struct event *event; /* holds `text`; else it is a notice of our own */
    struct {
        char *text;
        size_t length;
    } notices[LIVE_NOTICES_MAX];
    size_t notice_count;
    char op[LIVE_OP_BYTES_MAX];
    size_t op_length;
    int bad_ops;
    int close_code; /* 0 = stays */
    const char *close_reason;
};

/* Takes the subscriber; says hello first. */
void live_client_init(struct live_client *client, struct event_log *log,
                      struct subscriber *owned_subscriber);
void live_client_release(struct live_client *client);

/* True: `text` is to be written, or, when it is NULL, the client is to be closed. False: nothing
 * before `*due_ms` (monotonic) unless something is published. `ending`: close with 1001 when all
 * was said. */
bool live_client_prepare(struct live_client *client, int64_t now_ms, bool ending, int64_t *due_ms);
void live_client_sent(struct live_client *client);
bool live_client_has_lagged(const struct live_client *client);
void live_client_close(struct live_client *client, int code, const char *reason);

/* A piece of a message from the client. */
void live_client_receive(struct live_client *client, const char *bytes, size_t length, bool final,
                         bool binary);

#endif
