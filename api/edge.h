/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * The edge thread: accepts connections on the one port and decides, before a byte is consumed, who
 * serves them: http for everything, live for a valid WebSocket upgrade of /api/v1/events. It also
 * keeps the absolute deadlines, notices hang-ups of suspended requests and wakes streams
 * (clients.h, streams.h).
 */
#ifndef BURND_API_EDGE_H
#define BURND_API_EDGE_H

#include "http.h"
#include "live.h"

struct edge;

/* Opens the port ("127.0.0.1:8080", "[::1]:0"); nobody is served before edge_start(). */
NODISCARD int edge_open(const char *listen, struct edge **out, struct error *err);
/* "127.0.0.1", "::1"; and "http://127.0.0.1:8080" with the real port. */
const char *edge_host(const struct edge *edge);
const char *edge_url(const struct edge *edge);

/* The parts are borrowed until edge_stop(). */
NODISCARD int edge_start(struct edge *edge, struct http *http, struct live *live,
                         struct error *err);
/* Any thread: no new connections from now on. */
void edge_close(struct edge *edge);
/* Joins. */
void edge_stop(struct edge *edge);
void edge_free(struct edge *edge);

#endif
