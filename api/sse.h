/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * GET /api/v1/events for those who did not upgrade to WebSocket: Server-Sent Events with
 * `Accept: text/event-stream`, else one JSON page, which `Prefer: wait=N` makes a long poll.
 *
 * Both run on the http thread; while they have nothing to send the connection is suspended, and
 * edge wakes it (a publication, a heartbeat, the client's hang-up).
 */
#ifndef BURND_API_SSE_H
#define BURND_API_SSE_H

#include "exchange.h"
#include "subscriber.h"

exchange_step events_get; /* operationId listEvents; its query names are EVENTS_QUERY */
#define EVENTS_QUERY "topics since max_rate_hz until ticket limit"

/* Core thread: a subscriber that knows which of its jobs have ended already (also for
 * WebSocket). */
struct subscriber *subscriber_until_terminal(struct core *core, struct subscription *subscription);

#endif
