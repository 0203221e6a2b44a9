/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * The live thread: WebSocket clients by libwebsockets. It gets sockets whose upgrade edge has read
 * and found good, with a head that we wrote, so libwebsockets never reads HTTP that a client wrote.
 */
#ifndef BURND_API_LIVE_H
#define BURND_API_LIVE_H

#include "clients.h"
#include "job/core.h"
#include "request_filter.h"
#include "subscriber.h"

struct live;

NODISCARD int live_start(struct core *core, struct clients *clients, struct live **out,
                         struct error *err);
/* Edge thread. Takes the socket, whose head has been read; it has been counted. */
void live_take(struct live *live, int owned_fd, const struct upgrade_headers *headers,
               const struct subscription *subscription);
/* Sends what is due, closes everybody with 1001, joins; at most about a second and a half. Edge
 * must run no more. The core's mailbox must have run out of live_take()'s letters before
 * live_free(). */
void live_stop(struct live *live);
void live_free(struct live *live);

#endif
