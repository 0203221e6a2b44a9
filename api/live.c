/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * See live.h. One thread, libwebsockets' own poll loop; from outside only lws_cancel_service() is
 * called, by those who put something into the inbox and by the event log's listener.
 *
 * A client is looked at when something was published or its time has come: prepare() puts its next
 * message in place and a writable callback is asked for. While that callback does not come the
 * client is blocked, and its lag is judged here, at the publication: a blocked client never gets a
 * callback.
 *
 * Facts about libwebsockets 4.1.6 that this file depends on: tx_packet_size must exceed every
 * message, or each write leaves the connection "choked"; server_string must not be empty; adopting
 * with a read buffer logs an error line each time; the text of a frame may be shared by all
 * clients, since its head is written into the bytes before it and server frames are not masked.
 */
#include "live.h"

#include "base/alloc.h"
#include "base/clock.h"
#include "base/lock.h"
#include "base/log.h"
#include "live_client.h"
#include "sse.h"

#include <libwebsockets.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define MESSAGE_BYTES_MAX 65536
#define SEND_BUFFER 65536
#define NOT_SENT_MAX 16384
#define AT_ONCE 16 /* messages per writable callback */
#define ADOPTION_PATIENCE_MS 15000
#define STOP_PATIENCE_MS 1500
#define KICK_PATIENCE_S 5

/* A socket on its way to being a client. */
struct newcomer {
    struct newcomer *next;
    struct live *live;
    unsigned long serial;
    int fd;
    bool with_protocol;
    char key[32];
    int64_t since_ms;
    struct subscription *subscription; /* until=terminal: on its way over the core thread */
    struct subscriber *subscriber;
};

/* A WebSocket client; libwebsockets keeps the pointer as its session's data. */
struct member {
    struct member *previous, *next;
    struct lws *wsi;
    struct live_client client;
    bool asked_to_write, kicked;
    int64_t due_ms;
};

struct live {
    struct core *core;
    struct event_log *log;
    struct clients *clients;
    struct lws_context *context;
    struct lws_vhost *vhost;
    pthread_t thread;
    atomic_bool stopping;
    struct lock lock;
    struct newcomer *inbox GUARDED_BY(lock);
    bool closed GUARDED_BY(lock);
    /* live thread */
    struct newcomer *adopting;
    struct member *members;
    unsigned long last_serial;
    int64_t stop_at_ms;
    lws_sorted_usec_list_t timer;
};

/* --- newcomers ----------------------------------------------------------------------------- */

static void newcomer_free(struct newcomer *newcomer)
{
    subscriber_free(newcomer->subscriber);
    free(newcomer->subscription);
    free(newcomer);
}

static void turn_away(struct newcomer *newcomer)
{
    close(newcomer->fd);
    clients_leave(newcomer->live->clients);
    newcomer_free(newcomer);
}

static void put_in_inbox(struct newcomer *newcomer)
{
    struct live *live = newcomer->live;
    lock_take(&live->lock);
    bool closed = live->closed;
    if (!closed) {
        newcomer->next = live->inbox;
        live->inbox = newcomer;
        lws_cancel_service(live->context);
    }
    lock_drop(&live->lock);
    if (closed) {
        turn_away(newcomer);
    }
}

static void subscribe_on_core(void *arg)
{
    struct newcomer *newcomer = arg;
    newcomer->subscriber = subscriber_until_terminal(newcomer->live->core, newcomer->subscription);
    put_in_inbox(newcomer);
}

void live_take(struct live *live, int owned_fd, const struct upgrade_headers *headers,
               const struct subscription *subscription)
{
    int buffer = SEND_BUFFER, not_sent = NOT_SENT_MAX;
    setsockopt(owned_fd, SOL_SOCKET, SO_SNDBUF, &buffer, sizeof(buffer));
    setsockopt(owned_fd, IPPROTO_TCP, TCP_NOTSENT_LOWAT, &not_sent, sizeof(not_sent));
    struct newcomer *newcomer = xcalloc(1, sizeof(*newcomer));
    newcomer->live = live;
    newcomer->fd = owned_fd;
    newcomer->with_protocol = headers->protocol != NULL;
    newcomer->since_ms = clock_monotonic_ms();
    text_copy(newcomer->key, sizeof(newcomer->key), headers->key);
    if (!subscription->until_terminal) {
        newcomer->subscriber = subscriber_new(live->log, subscription, newcomer->since_ms);
        put_in_inbox(newcomer);
        return;
    }
    newcomer->subscription = xcalloc(1, sizeof(*subscription));
    *newcomer->subscription = *subscription;
    if (mailbox_post(core_mailbox(live->core), subscribe_on_core, newcomer) != 0) {
        turn_away(newcomer);
    }
}

static struct newcomer *take_adopting(struct live *live, unsigned long serial)
{
    for (struct newcomer **link = &live->adopting; *link != NULL; link = &(*link)->next) {
        if ((*link)->serial == serial) {
            struct newcomer *found = *link;
            *link = found->next;
            return found;
        }
    }
    return NULL;
}

static void drop_adopting(struct live *live, unsigned long serial)
{
    struct newcomer *newcomer = take_adopting(live, serial);
    if (newcomer != NULL) {
        clients_leave(live->clients);
        newcomer_free(newcomer);
    }
}

/* The path of the head that we write is the newcomer's number: by it the new session finds its
 * own. */
static void adopt(struct live *live, struct newcomer *newcomer)
{
    char head[400];
    unsigned long serial = newcomer->serial = ++live->last_serial;
    int fd = newcomer->fd;
    int length =
        snprintf(head, sizeof(head),
                 "GET /%lu HTTP/1.1\r\nHost: burnd\r\nUpgrade: websocket\r\n"
                 "Connection: Upgrade\r\nSec-WebSocket-Version: 13\r\n"
                 "Sec-WebSocket-Key: %s\r\n%s\r\n",
                 serial, newcomer->key,
                 newcomer->with_protocol ? "Sec-WebSocket-Protocol: " UPGRADE_PROTOCOL "\r\n" : "");
    newcomer->next = live->adopting;
    live->adopting = newcomer;
    if (lws_adopt_socket_vhost_readbuf(live->vhost, fd, head, (size_t)length) == NULL) {
        drop_adopting(live, serial); /* the socket is closed already */
    }
}

static void adopt_all(struct live *live)
{
    lock_take(&live->lock);
    struct newcomer *list = live->inbox;
    live->inbox = NULL;
    lock_drop(&live->lock);
    while (list != NULL) {
        struct newcomer *newcomer = list;
        list = newcomer->next;
        adopt(live, newcomer);
    }
}

static void forget_lost_newcomers(struct live *live, int64_t now_ms)
{
    for (struct newcomer *newcomer = live->adopting; newcomer != NULL;) {
        struct newcomer *next = newcomer->next;
        if (now_ms - newcomer->since_ms > ADOPTION_PATIENCE_MS) {
            drop_adopting(live, newcomer->serial);
        }
        newcomer = next;
    }
}

/* --- members ------------------------------------------------------------------------------- */

static unsigned long serial_of(struct lws *wsi)
{
    char path[32] = "";
    if (lws_hdr_copy(wsi, path, sizeof(path), WSI_TOKEN_GET_URI) <= 0) {
        return 0;
    }
    return strtoul(path + 1, NULL, 10);
}

static int welcome(struct live *live, struct lws *wsi, struct member **session)
{
    struct newcomer *newcomer = take_adopting(live, serial_of(wsi));
    if (newcomer == NULL) {
        return -1;
    }
    struct member *member = xcalloc(1, sizeof(*member));
    member->wsi = wsi;
    live_client_init(&member->client, live->log, newcomer->subscriber);
    newcomer->subscriber = NULL;
    newcomer_free(newcomer);
    member->next = live->members;
    if (member->next != NULL) {
        member->next->previous = member;
    }
    live->members = member;
    *session = member;
    member->asked_to_write = true;
    lws_callback_on_writable(wsi);
    return 0;
}

static void leave(struct live *live, struct member *member)
{
    *(member->previous != NULL ? &member->previous->next : &live->members) = member->next;
    if (member->next != NULL) {
        member->next->previous = member->previous;
    }
    live_client_release(&member->client);
    free(member);
    clients_leave(live->clients);
}

static int close_with(struct member *member)
{
    char reason[64];
    text_copy(reason, sizeof(reason), member->client.close_reason);
    lws_close_reason(member->wsi, (enum lws_close_status)member->client.close_code,
                     (unsigned char *)reason, strlen(reason));
    return -1;
}

/* It is told when it reads again within a few seconds, else it is cut off. */
static void kick(struct member *member)
{
    member->kicked = true;
    live_client_close(&member->client, 4008, "fell behind");
    lws_set_timeout(member->wsi, PENDING_TIMEOUT_LAGGING, KICK_PATIENCE_S);
}

static int write_some(struct live *live, struct member *member)
{
    struct live_client *client = &member->client;
    int64_t now_ms = clock_monotonic_ms();
    if (member->kicked) {
        return close_with(member);
    }
    member->asked_to_write = false;
    for (int i = 0; i < AT_ONCE; i++) {
        if (!live_client_prepare(client, now_ms, atomic_load(&live->stopping), &member->due_ms)) {
            return 0;
        }
        if (client->text == NULL) {
            return close_with(member);
        }
        if (i > 0 &&
            lws_send_pipe_choked(member->wsi)) { /* costs a poll(): only for a second one */
            break;
        }
        int written =
            lws_write(member->wsi, (unsigned char *)client->text, client->length, LWS_WRITE_TEXT);
        if (written < (int)client->length) {
            return -1;
        }
        live_client_sent(client);
    }
    member->asked_to_write = true;
    lws_callback_on_writable(member->wsi);
    return 0;
}

/* Far behind because it does not read; not because this thread has not come round to it yet. */
static bool is_stuck(const struct member *member)
{
    struct pollfd socket = {.fd = lws_get_socket_fd(member->wsi), .events = POLLOUT};
    return live_client_has_lagged(&member->client) && poll(&socket, 1, 0) == 0;
}

/* After a publication, or when a time has come: who has something to send? */
static void sweep(struct live *live)
{
    int64_t now_ms = clock_monotonic_ms();
    bool stopping = atomic_load(&live->stopping);
    int64_t next_ms = now_ms + (stopping ? 50 : 1000);
    for (struct member *member = live->members; member != NULL; member = member->next) {
        if (member->kicked) {
            continue;
        }
        if (member->asked_to_write) {
            if (is_stuck(member)) {
                kick(member);
            }
        } else if (live_client_prepare(&member->client, now_ms, stopping, &member->due_ms)) {
            member->asked_to_write = true;
            lws_callback_on_writable(member->wsi);
        } else if (member->due_ms < next_ms) {
            next_ms = member->due_ms;
        }
    }
    forget_lost_newcomers(live, now_ms);
    int64_t wait_ms = next_ms > now_ms ? next_ms - now_ms : 1;
    lws_sul_schedule(live->context, 0, &live->timer, live->timer.cb, wait_ms * LWS_US_PER_MS);
}

static void on_timer(lws_sorted_usec_list_t *timer)
{
    sweep(lws_container_of(timer, struct live, timer));
}

static int receive(struct member *member, struct lws *wsi, const char *bytes, size_t length)
{
    struct live_client *client = &member->client;
    bool final = lws_is_final_fragment(wsi) && lws_remaining_packet_payload(wsi) == 0;
    live_client_receive(client, bytes, length, final, lws_frame_is_binary(wsi));
    if (client->close_code != 0 && client->notice_count == 0) {
        return close_with(member);
    }
    if (client->notice_count > 0 &&
        !member->asked_to_write) { /* they are sent before it is closed */
        member->asked_to_write = true;
        lws_callback_on_writable(wsi);
    }
    return 0;
}

static int on_event(struct lws *wsi, enum lws_callback_reasons reason, void *user, void *in,
                    size_t length)
{
    struct live *live = lws_context_user(lws_get_context(wsi));
    struct member **session = user;
    switch ((int)reason) {
    case LWS_CALLBACK_EVENT_WAIT_CANCELLED:
        adopt_all(live);
        sweep(live);
        return 0;
    case LWS_CALLBACK_ESTABLISHED:
        return welcome(live, wsi, session);
    case LWS_CALLBACK_SERVER_WRITEABLE:
        return *session != NULL ? write_some(live, *session) : 0;
    case LWS_CALLBACK_RECEIVE:
        return *session != NULL ? receive(*session, wsi, in, length) : 0;
    case LWS_CALLBACK_CLOSED:
        if (*session != NULL) {
            leave(live, *session);
            *session = NULL;
        }
        return 0;
    case LWS_CALLBACK_HTTP: /* our head always asks for an upgrade */
        return -1;
    default:
        return 0;
    }
}

/* --- the thread ---------------------------------------------------------------------------- */

static const struct lws_protocols protocols[] = {
    {.name = UPGRADE_PROTOCOL,
     .callback = on_event,
     .per_session_data_size = sizeof(struct member *),
     .rx_buffer_size = LIVE_OP_BYTES_MAX + 1,
     .tx_packet_size = MESSAGE_BYTES_MAX * 4},
    {.name = NULL},
};

static const lws_retry_bo_t liveness = {.secs_since_valid_ping = 20, .secs_since_valid_hangup = 30};

static void on_log(int level, const char *line)
{
    if (strstr(line, "calling service") != NULL) {
        return; /* said for each adoption with a read buffer */
    }
    log_write(level == LLL_ERR ? LOG_LEVEL_WARNING : LOG_LEVEL_DEBUG, "libwebsockets", "%.*s",
              (int)strcspn(line, "\n"), line);
}

static bool is_over(struct live *live)
{
    if (!atomic_load(&live->stopping)) {
        return false;
    }
    int64_t now_ms = clock_monotonic_ms();
    if (live->stop_at_ms == 0) {
        live->stop_at_ms = now_ms + STOP_PATIENCE_MS;
        sweep(live);
    }
    return live->members == NULL || now_ms >= live->stop_at_ms;
}

static void *run(void *arg)
{
    struct live *live = arg;
    while (!is_over(live) && lws_service(live->context, 0) >= 0) {
    }
    return NULL;
}

static void on_published(void *arg)
{
    const struct live *live = arg;
    lws_cancel_service(live->context);
}

static int make_context(struct live *live)
{
    lws_set_log_level(LLL_ERR | LLL_WARN, on_log);
    struct lws_context_creation_info info = {
        .port = CONTEXT_PORT_NO_LISTEN_SERVER,
        .protocols = protocols,
        .options = LWS_SERVER_OPTION_EXPLICIT_VHOSTS | LWS_SERVER_OPTION_VALIDATE_UTF8 |
                   LWS_SERVER_OPTION_SKIP_SERVER_CANONICAL_NAME,
        .server_string = "burnd",
        .retry_and_idle_policy = &liveness,
        .pt_serv_buf_size = 8192,
        .timeout_secs = 10,
        .gid = (gid_t)-1,
        .uid = (uid_t)-1,
        .user = live,
    };
    live->context = lws_create_context(&info);
    live->vhost = live->context != NULL ? lws_create_vhost(live->context, &info) : NULL;
    return live->vhost != NULL ? 0 : -1;
}

int live_start(struct core *core, struct clients *clients, struct live **out, struct error *err)
{
    struct live *live = xcalloc(1, sizeof(*live));
    live->core = core;
    live->log = core_events(core);
    live->clients = clients;
    live->timer.cb = on_timer;
    lock_init(&live->lock);
    if (make_context(live) != 0 || pthread_create(&live->thread, NULL, run, live) != 0) {
        if (live->context != NULL) {
            lws_context_destroy(live->context);
        }
        live_free(live);
        return error_set(err, ERROR_INTERNAL, "the live thread could not be started");
    }
    event_log_listen(live->log, on_published, live);
    *out = live;
    return 0;
}

void live_stop(struct live *live)
{
    atomic_store(&live->stopping, true);
    lws_cancel_service(live->context);
    pthread_join(live->thread, NULL);
    event_log_unlisten(live->log, on_published, live);
    lock_take(&live->lock);
    live->closed = true;
    struct newcomer *list = live->inbox;
    live->inbox = NULL;
    lock_drop(&live->lock);
    while (list != NULL) {
        struct newcomer *newcomer = list;
        list = newcomer->next;
        turn_away(newcomer);
    }
    lws_context_destroy(live->context);
    while (live->adopting != NULL) {
        drop_adopting(live, live->adopting->serial);
    }
}

void live_free(struct live *live)
{
    if (live != NULL) {
        lock_release(&live->lock);
        free(live);
    }
}
