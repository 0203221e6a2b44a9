/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * See clients.h. A late client's socket is only shut down, never closed: libmicrohttpd owns the
 * descriptor, notices the end and closes it. Its "connection closed" notice, which ends the record,
 * comes before it closes, so a descriptor in the list is never another client's.
 */
#include "clients.h"

#include "base/alloc.h"
#include "base/clock.h"
#include "base/lock.h"

#include <stdatomic.h>
#include <stdlib.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <unistd.h>

#define REAP_EVERY_MS 250

static const int64_t patience_ms[] = {
    [CLIENT_OWES_FIRST_HEAD] = 10000,
    [CLIENT_OWES_HEAD] = 30000,
    [CLIENT_OWES_BODY] = 60000,
    [CLIENT_OWES_NOTHING] = 0,
};

struct client {
    struct clients *clients;
    struct client *previous, *next;
    uint64_t id;
    int fd;
    int64_t deadline_ms; /* 0 = none */
    void (*gone)(void *arg, uint64_t token);
    void *gone_arg;
    uint64_t gone_token;
};

struct clients {
    int max;
    int watch_fd;
    atomic_int count;
    struct lock lock;
    struct client *first GUARDED_BY(lock);
    uint64_t last_id GUARDED_BY(lock);
};

struct clients *clients_new(int max_clients)
{
    struct clients *clients = xcalloc(1, sizeof(*clients));
    clients->max = max_clients;
    clients->watch_fd = epoll_create1(EPOLL_CLOEXEC);
    lock_init(&clients->lock);
    return clients;
}

void clients_free(struct clients *clients)
{
    if (clients != NULL) {
        close(clients->watch_fd);
        lock_release(&clients->lock);
        free(clients);
    }
}

bool clients_enter(struct clients *clients)
{
    if (atomic_fetch_add(&clients->count, 1) < clients->max) {
        return true;
    }
    atomic_fetch_sub(&clients->count, 1);
    return false;
}

void clients_leave(struct clients *clients)
{
    atomic_fetch_sub(&clients->count, 1);
}

int clients_count(const struct clients *clients)
{
    return atomic_load(&clients->count);
}

int clients_max(const struct clients *clients)
{
    return clients->max;
}

static void owes_locked(struct client *client, enum client_owes what)
    REQUIRES(client->clients->lock)
{
    client->deadline_ms =
        what == CLIENT_OWES_NOTHING ? 0 : clock_monotonic_ms() + patience_ms[what];
}

struct client *client_new(struct clients *clients, int fd)
{
    struct client *client = xcalloc(1, sizeof(*client));
    client->clients = clients;
    client->fd = fd;
    lock_take(&clients->lock);
    client->id = ++clients->last_id;
    client->next = clients->first;
    if (client->next != NULL) {
        client->next->previous = client;
    }
    clients->first = client;
    client->deadline_ms = clock_monotonic_ms() + patience_ms[CLIENT_OWES_FIRST_HEAD];
    lock_drop(&clients->lock);
    return client;
}

void client_free(struct client *client)
{
    struct clients *clients = client->clients;
    lock_take(&clients->lock);
    *(client->previous != NULL ? &client->previous->next : &clients->first) = client->next;
    if (client->next != NULL) {
        client->next->previous = client->previous;
    }
    lock_drop(&clients->lock);
    free(client);
    clients_leave(clients);
}

uint64_t client_id(const struct client *client)
{
    return client->id;
}

void client_owes(struct client *client, enum client_owes what)
{
    lock_take(&client->clients->lock);
    owes_locked(client, what);
    lock_drop(&client->clients->lock);
}

static struct client *find_locked(struct clients *clients, uint64_t id) REQUIRES(clients->lock)
{
    struct client *client = clients->first;
    while (client != NULL && client->id != id) {
        client = client->next;
    }
    return client;
}

void client_watch(struct client *client, void (*gone)(void *arg, uint64_t token), void *arg,
                  uint64_t token)
{
    struct clients *clients = client->clients;
    lock_take(&clients->lock);
    client->gone = gone;
    client->gone_arg = arg;
    client->gone_token = token;
    lock_drop(&clients->lock);
    struct epoll_event event = {.events = EPOLLRDHUP | EPOLLET, .data.u64 = client->id};
    epoll_ctl(clients->watch_fd, EPOLL_CTL_ADD, client->fd, &event);
}

void client_unwatch(struct client *client)
{
    struct clients *clients = client->clients;
    struct epoll_event event = {0};
    epoll_ctl(clients->watch_fd, EPOLL_CTL_DEL, client->fd, &event);
    lock_take(&clients->lock);
    client->gone = NULL;
    lock_drop(&clients->lock);
}

void clients_cut(struct clients *clients, uint64_t id)
{
    lock_take(&clients->lock);
    struct client *client = find_locked(clients, id);
    if (client != NULL) {
        shutdown(client->fd, SHUT_RDWR);
    }
    lock_drop(&clients->lock);
}

int clients_watch_fd(const struct clients *clients)
{
    return clients->watch_fd;
}

static void hang_up(struct clients *clients, uint64_t id)
{
    lock_take(&clients->lock);
    struct client *client = find_locked(clients, id);
    void (*gone)(void *arg, uint64_t token) = client != NULL ? client->gone : NULL;
    void *arg = client != NULL ? client->gone_arg : NULL;
    uint64_t token = client != NULL ? client->gone_token : 0;
    if (client != NULL) {
        client->gone = NULL;
    }
    lock_drop(&clients->lock);
    if (gone != NULL) {
        gone(arg, token);
    }
}

void clients_poll_hangups(struct clients *clients)
{
    struct epoll_event events[64];
    int count = epoll_wait(clients->watch_fd, events, 64, 0);
    for (int i = 0; i < count; i++) {
        if (events[i].events & (EPOLLRDHUP | EPOLLHUP | EPOLLERR)) {
            hang_up(clients, events[i].data.u64);
        }
    }
}

int clients_reap(struct clients *clients, int64_t now_ms)
{
    lock_take(&clients->lock);
    for (struct client *client = clients->first; client != NULL; client = client->next) {
        if (client->deadline_ms != 0 && client->deadline_ms <= now_ms) {
            client->deadline_ms = 0;
            shutdown(client->fd, SHUT_RDWR);
        }
    }
    bool any = clients->first != NULL;
    lock_drop(&clients->lock);
    return any ? REAP_EVERY_MS : -1;
}
