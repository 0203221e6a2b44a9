/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * Every connection is counted here, whoever serves it, so that libmicrohttpd never reaches a limit
 * of its own (0.9.75 then locks itself up). For those that libmicrohttpd serves there is also a
 * record each: absolute deadlines (its own timeout starts anew with every byte, so a client that
 * drips bytes would stay for ever), and the watch for the hang-up of clients whose request is
 * suspended, which it does not look at.
 *
 * Threads: records are made and ended on the http thread; edge reaps and polls; any thread that has
 * a suspended exchange may watch. `lock` guards the list and the deadlines.
 */
#ifndef BURND_API_CLIENTS_H
#define BURND_API_CLIENTS_H

#include "base/error.h"

struct clients;
struct client;

struct clients *clients_new(int max_clients);
/* All records must be gone. */
void clients_free(struct clients *clients);

/* Any thread. False: there are too many already. */
bool clients_enter(struct clients *clients);
void clients_leave(struct clients *clients);
int clients_count(const struct clients *clients);
int clients_max(const struct clients *clients);

/* Http thread. A record begins as one that owes its first request's head; ending it leaves. */
struct client *client_new(struct clients *clients, int fd);
void client_free(struct client *client);
uint64_t client_id(const struct client *client);

/* What the client owes: a deadline that only the next call moves. */
enum client_owes {
    CLIENT_OWES_FIRST_HEAD,
    CLIENT_OWES_HEAD,
    CLIENT_OWES_BODY,
    CLIENT_OWES_NOTHING
};
void client_owes(struct client *client, enum client_owes what);

/* Any thread, while the exchange is suspended: `gone(arg, token)` is called on the edge thread
 * when the client hangs up (closing its sending side counts). Once. */
void client_watch(struct client *client, void (*gone)(void *arg, uint64_t token), void *arg,
                  uint64_t token);
void client_unwatch(struct client *client);

/* Any thread: shut the connection of this id, if it is still there. */
void clients_cut(struct clients *clients, uint64_t id);

/* Edge thread. Readable when a hang-up is to be polled. */
int clients_watch_fd(const struct clients *clients);
void clients_poll_hangups(struct clients *clients);
/* Edge thread: cuts those that are late; milliseconds until the next look, -1 = none. */
int clients_reap(struct clients *clients, int64_t now_ms);

#endif
