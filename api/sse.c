/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * See sse.h. A stream's answer is produced by read_stream(), which libmicrohttpd calls when the
 * socket takes more: it fills a buffer from the subscriber and, when there is nothing, suspends the
 * connection and parks the stream. A page is an exchange that edge holds until its first event or
 * its deadline.
 *
 * until=terminal must not miss a job that ends between the question and the subscription: both are
 * made in one step on the core thread, which is the one that publishes.
 */
#include "sse.h"

#include "base/alloc.h"
#include "base/clock.h"
#include "exchange_driver.h"
#include "streams.h"

#include <inttypes.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>

#define FILL_BYTES 32768
#define PAGE_BYTES_MAX (4 * 1024 * 1024)

struct text {
    char *bytes;
    size_t length, capacity;
};

static void append(struct text *text, const char *bytes, size_t length)
{
    if (text->length + length > text->capacity) {
        text->capacity = 2 * (text->length + length) + 256;
        text->bytes = xrealloc(text->bytes, text->capacity);
    }
    memcpy(text->bytes + text->length, bytes, length);
    text->length += length;
}

static void append_word(struct text *text, const char *word)
{
    append(text, word, strlen(word));
}

/* --- the request --------------------------------------------------------------------------- */

struct request {
    struct subscription subscription;
    struct subscriber *subscriber; /* owned until a stream or page takes it */
    struct page *page;             /* of a long poll; owned by streams */
    bool is_stream;
    int limit;
};

static void request_release(void *state)
{
    struct request *request = state;
    subscriber_free(request->subscriber);
    free(request);
}

static exchange_step open_stream, open_page;

static void open_answer(struct exchange *x)
{
    struct request *request = exchange_state(x);
    if (request->subscriber == NULL) {
        request->subscriber = subscriber_new(core_events(exchange_core(x)), &request->subscription,
                                             clock_monotonic_ms());
    }
    if (request->is_stream) {
        open_stream(x);
    } else {
        open_page(x);
    }
}

static void subscribe_until_terminal(struct exchange *x)
{
    struct request *request = exchange_state(x);
    request->subscriber = subscriber_until_terminal(exchange_core(x), &request->subscription);
    exchange_then(x, open_answer);
}

struct subscriber *subscriber_until_terminal(struct core *core, struct subscription *subscription)
{
    for (size_t i = 0; i < subscription->name_count; i++) {
        struct job_snapshot snapshot;
        bool lives = core_job_snapshot(core, subscription->names[i].job, &snapshot) == 0;
        if (lives) {
            lives = !job_state_is_terminal(snapshot.job.state);
            job_snapshot_release(&snapshot);
        }
        if (!lives) {
            subscription->ended_jobs |= UINT64_C(1) << i;
        }
    }
    return subscriber_new(core_events(core), subscription, clock_monotonic_ms());
}

static int read_request(struct exchange *x, struct request *request, struct error *err)
{
    const char *epoch = event_log_epoch(core_events(exchange_core(x)));
    const char *accept = exchange_header(x, "Accept"),
               *last_id = exchange_header(x, "Last-Event-ID");
    request->is_stream = accept != NULL && strcasestr(accept, "text/event-stream") != NULL;
    if (subscription_parse(epoch, exchange_query(x, "topics"), exchange_query(x, "since"),
                           exchange_query(x, "max_rate_hz"), exchange_query(x, "until"),
                           &request->subscription, err) != 0) {
        return -1;
    }
    if (request->is_stream && last_id != NULL && last_id[0] != '\0') {
        request->subscription.since_oldest =
            false; /* a reconnection knows better than its address */
        if (subscription_since(&request->subscription, epoch, last_id, err) != 0) {
            error_set(err, ERROR_INVALID_HEADER, "Last-Event-ID must be EPOCH:SEQ");
            text_copy(err->pointer, sizeof(err->pointer), ":Last-Event-ID");
            return -1;
        }
    }
    return 0;
}

/* An upgrade that came here was none that edge could hand to the live thread: say why. */
static void refuse_upgrade(struct exchange *x, struct request *request)
{
    const struct upgrade_headers headers = {
        .upgrade = exchange_header(x, "Upgrade"),
        .connection = exchange_header(x, "Connection"),
        .version = exchange_header(x, "Sec-WebSocket-Version"),
        .key = exchange_header(x, "Sec-WebSocket-Key"),
        .protocol = exchange_header(x, "Sec-WebSocket-Protocol"),
    };
    struct error err = ERROR_EMPTY;
    if (upgrade_headers_check(&headers, &err) == 0 && read_request(x, request, &err) == 0) {
        error_set(&err, ERROR_UPGRADE_REQUIRED,
                  "an upgrade must be the first request of a connection, in HTTP/1.1");
    }
    if (err.code == ERROR_UPGRADE_REQUIRED) {
        exchange_set_header(x, "Upgrade", "websocket");
        exchange_set_header(x, "Sec-WebSocket-Version", "13");
    }
    exchange_reply_problem(x, &err, NULL);
    x->reply.closes = true;
}

void events_get(struct exchange *x)
{
    struct error err = ERROR_EMPTY;
    struct request *request = xcalloc(1, sizeof(*request));
    exchange_set_state(x, request, request_release);
    if (exchange_header(x, "Upgrade") != NULL) {
        refuse_upgrade(x, request);
        return;
    }
    request->limit = exchange_limit(x);
    if (request->limit < 0) {
        return;
    }
    if (read_request(x, request, &err) != 0) {
        exchange_reply_problem(x, &err, NULL);
    } else if (request->subscription.until_terminal) {
        exchange_on_core(x, subscribe_until_terminal);
    } else {
        open_answer(x);
    }
}

/* --- Server-Sent Events -------------------------------------------------------------------- */

struct sse {
    struct stream stream; /* first member */
    struct MHD_Connection *connection;
    struct event_log *log;
    struct subscriber *subscriber;
    struct text out;
    size_t sent;
    bool ended;
};

static void put_notice(struct sse *sse, const char *type, char *owned_text, size_t length)
{
    append_word(&sse->out, "event: ");
    append_word(&sse->out, type);
    append_word(&sse->out, "\ndata: ");
    append(&sse->out, owned_text, length);
    append_word(&sse->out, "\n\n");
    notice_free(owned_text);
}

static void put_event(struct sse *sse, struct event *event)
{
    const char *epoch = event_log_epoch(sse->log);
    char head[160];
    size_t length = 0;
    const char *frame = event_frame(event, epoch, &length);
    snprintf(head, sizeof(head), "id: %s:%" PRId64 "\nevent: %s\ndata: ", epoch, event->seq,
             event_type_to_text(event->type));
    append_word(&sse->out, head);
    append(&sse->out, frame, length);
    append_word(&sse->out, "\n\n");
    event_unref(event);
}

/* False: there is nothing more now. */
static bool put_next(struct sse *sse, int64_t now_ms, int64_t *wait_ms)
{
    struct event *event = NULL;
    size_t length = 0;
    char *notice;
    switch (subscriber_next(sse->subscriber, now_ms, &event, wait_ms)) {
    case SUBSCRIBER_EVENT:
        put_event(sse, event);
        return true;
    case SUBSCRIBER_HEARTBEAT:
        notice = notice_new(event_log_epoch(sse->log), "heartbeat", "{}", &length);
        put_notice(sse, "heartbeat", notice, length);
        return true;
    case SUBSCRIBER_RESET:
        notice = notice_reset(sse->log, &length);
        put_notice(sse, "stream.reset", notice, length);
        return true;
    case SUBSCRIBER_ENDED:
    case SUBSCRIBER_LAGGED:
        sse->ended = true;
        return false;
    case SUBSCRIBER_WAIT:
        return false;
    }
    return false;
}

/* http or edge thread, whoever has the stream. */
static int64_t fill(struct sse *sse, int64_t now_ms)
{
    int64_t wait_ms = -1;
    while (!sse->ended && sse->out.length < FILL_BYTES && put_next(sse, now_ms, &wait_ms)) {
    }
    atomic_store(&sse->stream.lag_from, subscriber_lag_from(sse->subscriber));
    return wait_ms;
}

static bool look_at_stream(struct stream *stream, int64_t now_ms, int64_t *wait_ms)
{
    struct sse *sse = (struct sse *)stream;
    *wait_ms = fill(sse, now_ms);
    return sse->out.length > 0 || sse->ended;
}

static void wake_stream(struct stream *stream)
{
    MHD_resume_connection(((struct sse *)stream)->connection);
}

static void release_stream(struct stream *stream)
{
    struct sse *sse = (struct sse *)stream;
    subscriber_free(sse->subscriber);
    free(sse->out.bytes);
    free(sse);
}

static ssize_t take_out(struct sse *sse, char *buffer, size_t size)
{
    size_t left = sse->out.length - sse->sent;
    size_t count = left < size ? left : size;
    memcpy(buffer, sse->out.bytes + sse->sent, count);
    sse->sent += count;
    if (sse->sent == sse->out.length) {
        sse->sent = sse->out.length = 0;
    }
    return (ssize_t)count;
}

static ssize_t read_stream(void *arg, uint64_t position, char *buffer, size_t size)
{
    (void)position;
    struct sse *sse = arg;
    if (sse->out.length == 0) {
        fill(sse, clock_monotonic_ms());
    }
    if (sse->out.length > 0) {
        return take_out(sse, buffer, size);
    }
    if (sse->ended || atomic_load(&sse->stream.hung_up) ||
        streams_are_closing(sse->stream.streams)) {
        return MHD_CONTENT_READER_END_OF_STREAM;
    }
    MHD_suspend_connection(sse->connection);
    stream_park(&sse->stream);
    return 0;
}

static void end_stream(void *arg)
{
    struct sse *sse = arg;
    stream_retire(&sse->stream);
}

/* Without this a client that does not read would first be sent megabytes. */
static void keep_send_buffer_small(struct exchange *x)
{
    int fd = MHD_get_connection_info(x->connection, MHD_CONNECTION_INFO_CONNECTION_FD)->connect_fd;
    int buffer = 65536, not_sent = 16384;
    setsockopt(fd, SOL_SOCKET, SO_SNDBUF, &buffer, sizeof(buffer));
    setsockopt(fd, IPPROTO_TCP, TCP_NOTSENT_LOWAT, &not_sent, sizeof(not_sent));
}

static void open_stream(struct exchange *x)
{
    struct request *request = exchange_state(x);
    struct sse *sse = xcalloc(1, sizeof(*sse));
    sse->stream.look = look_at_stream;
    sse->stream.wake = wake_stream;
    sse->stream.release = release_stream;
    sse->connection = x->connection;
    sse->log = core_events(exchange_core(x));
    sse->subscriber = request->subscriber;
    request->subscriber = NULL;
    size_t length = 0;
    append_word(&sse->out, "retry: 2000\n");
    char *hello = notice_hello(sse->log, sse->subscriber, &length);
    put_notice(sse, "hello", hello, length);
    atomic_store(&sse->stream.lag_from, subscriber_lag_from(sse->subscriber));
    struct MHD_Response *response = MHD_create_response_from_callback(MHD_SIZE_UNKNOWN, FILL_BYTES,
                                                                      read_stream, sse, end_stream);
    stream_add(x->http->streams, &sse->stream, x->client);
    keep_send_buffer_small(x);
    exchange_set_header(x, "X-Accel-Buffering", "no");
    exchange_reply_response(x, 200, response, "text/event-stream");
}

/* --- the page ------------------------------------------------------------------------------ */

struct page {
    struct stream stream; /* first member */
    struct exchange *x;
    struct event_log *log;
    struct subscriber *subscriber;
    struct text items;
    int count, limit;
    int64_t deadline_ms;
    int64_t seq; /* everything up to here was offered */
    bool ended;
};

static void put_item(struct page *page, const char *text, size_t length)
{
    if (page->count++ > 0) {
        append(&page->items, ",", 1);
    }
    append(&page->items, text, length);
}

static bool put_next_item(struct page *page, int64_t now_ms, int64_t *wait_ms)
{
    struct event *event = NULL;
    size_t length = 0;
    char *notice;
    switch (subscriber_next(page->subscriber, now_ms, &event, wait_ms)) {
    case SUBSCRIBER_EVENT:
        notice = event_frame(event, event_log_epoch(page->log), &length);
        put_item(page, notice, length);
        page->seq = event->seq;
        event_unref(event);
        return true;
    case SUBSCRIBER_RESET:
    case SUBSCRIBER_LAGGED:
        notice = notice_reset(page->log, &length);
        put_item(page, notice, length);
        notice_free(notice);
        page->ended = true;
        return false;
    case SUBSCRIBER_ENDED:
        page->ended = true;
        return false;
    case SUBSCRIBER_HEARTBEAT:
    case SUBSCRIBER_WAIT:
        return false;
    }
    return false;
}

static bool collect(struct page *page, int64_t now_ms)
{
    int64_t last = event_log_last_seq(page->log), ignored = 0;
    bool more = true;
    while (more && !page->ended && page->count < page->limit &&
           page->items.length < PAGE_BYTES_MAX) {
        more = put_next_item(page, now_ms, &ignored);
    }
    if ((!more || page->ended) && last > page->seq) {
        page->seq =
            last; /* looked through: what the topics leave out need not be looked at again */
    }
    return page->count > 0 || page->ended;
}

static bool look_at_page(struct stream *stream, int64_t now_ms, int64_t *wait_ms)
{
    struct page *page = (struct page *)stream;
    *wait_ms = page->deadline_ms - now_ms;
    return collect(page, now_ms) || *wait_ms <= 0;
}

static void answer_page(struct exchange *x)
{
    struct request *request = exchange_state(x);
    struct page *page = request->page;
    struct text out = {0};
    char next[96];
    append_word(&out, "{\"items\":[");
    if (page->items.length > 0) {
        append(&out, page->items.bytes, page->items.length);
    }
    snprintf(next, sizeof(next), "],\"next\":\"%s:%" PRId64 "\"}", event_log_epoch(page->log),
             page->seq);
    append_word(&out, next);
    x->seq = page->seq;
    stream_retire(&page->stream);
    exchange_reply_text(x, 200, "application/json", out.bytes, out.length);
}

static void wake_page(struct stream *stream)
{
    exchange_unhold(((struct page *)stream)->x, answer_page);
}

static void release_page(struct stream *stream)
{
    struct page *page = (struct page *)stream;
    subscriber_free(page->subscriber);
    free(page->items.bytes);
    free(page);
}

static void park_page(struct exchange *x)
{
    struct request *request = exchange_state(x);
    stream_park(&request->page->stream);
}

static void open_page(struct exchange *x)
{
    struct request *request = exchange_state(x);
    struct page *page = xcalloc(1, sizeof(*page));
    int64_t now_ms = clock_monotonic_ms();
    int wait_s = exchange_wait_s(x);
    page->stream.look = look_at_page;
    page->stream.wake = wake_page;
    page->stream.release = release_page;
    atomic_store(&page->stream.lag_from, -1);
    page->x = x;
    page->log = core_events(exchange_core(x));
    page->subscriber = request->subscriber;
    request->subscriber = NULL;
    page->limit = request->limit;
    page->seq = subscriber_seq(page->subscriber);
    page->deadline_ms = now_ms + 1000 * (int64_t)(wait_s > 0 && !x->head ? wait_s : 0);
    request->page = page;
    stream_add(x->http->streams, &page->stream, x->client);
    if (collect(page, now_ms) || page->deadline_ms <= now_ms ||
        streams_are_closing(x->http->streams)) {
        answer_page(x);
    } else {
        exchange_hold(x, park_page);
    }
}
