/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * The outside of burnd as main.c starts and stops it: edge, http and live threads on one port.
 */
#ifndef BURND_API_H
#define BURND_API_H

#include "job/core.h"

struct api;

struct api_settings {
    const char *listen; /* "127.0.0.1:8080", "[::1]:0"; loopback only until tokens exist */
    const char *web_dir;
    const char *openapi_path;
    char **allowed_hosts, **allowed_origins;
    size_t allowed_host_count, allowed_origin_count;
    int max_clients; /* connections of all kinds; 0 = the default */
};

/* Binds and starts the three threads. The core must run. */
NODISCARD int api_start(struct core *core, const struct api_settings *settings, struct api **out,
                        struct error *err);
/* "http://127.0.0.1:8080", with the real port. */
const char *api_url(const struct api *api);
/* No new connections; event streams get server.shutting_down (published by the core) and are
 * closed with 1001; requests under way are answered; joins the threads. Blocks for at most two
 * seconds or so; call it on a thread of the pool or after the core loop ended. The core's
 * mailbox must still run. */
void api_stop(struct api *api);

/* The JSON border of the core. */
struct json_border api_json_border(void);

#endif
