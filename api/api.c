/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * See api.h. Puts edge, http and live together and takes them apart in the order in which nobody is
 * left talking to somebody who is gone: first no new connections, then the event streams end, then
 * edge, then http, then what they shared. Also hands the core its JSON border.
 */
#include "api.h"

#include "base/alloc.h"
#include "base/clock.h"
#include "body_reader.h"
#include "edge.h"
#include "views.h"

#include <signal.h>
#include <stdlib.h>
#include <sys/resource.h>
#include <time.h>

#define MAX_CLIENTS_DEFAULT 512
#define FILES_PER_CLIENT 2 /* its socket, and room for what it asks for */
#define FILES_BESIDES 512
#define STREAMS_PATIENCE_MS 500

struct api {
    struct core *core;
    struct request_filter filter;
    struct clients *clients;
    struct streams *streams;
    struct site *site;
    struct http *http;
    struct live *live;
    struct edge *edge;
};

struct json_border api_json_border(void)
{
    return (struct json_border){
        .document_parse = body_reader_stored_document,
        .document_render = view_document_text,
        .job_render = view_job_text,
        .event_render = view_event_data,
    };
}

/* Before libwebsockets sizes its tables. */
static void raise_file_limit(int max_clients)
{
    struct rlimit limit;
    rlim_t wanted = (rlim_t)max_clients * FILES_PER_CLIENT + FILES_BESIDES;
    if (getrlimit(RLIMIT_NOFILE, &limit) != 0 || limit.rlim_cur >= wanted) {
        return;
    }
    limit.rlim_cur =
        limit.rlim_max == RLIM_INFINITY || limit.rlim_max > wanted ? wanted : limit.rlim_max;
    setrlimit(RLIMIT_NOFILE, &limit);
}

static void release(struct api *api)
{
    if (api->edge != NULL) {
        edge_free(api->edge);
    }
    live_free(api->live);
    streams_free(api->streams);
    site_free(api->site);
    clients_free(api->clients);
    free(api->http);
    free(api);
}

static void fill(struct api *api, const struct api_settings *settings)
{
    int max_clients = settings->max_clients > 0 ? settings->max_clients : MAX_CLIENTS_DEFAULT;
    raise_file_limit(max_clients);
    api->filter = (struct request_filter){
        .listen_host = edge_host(api->edge),
        .allowed_hosts = settings->allowed_hosts,
        .allowed_host_count = settings->allowed_host_count,
        .allowed_origins = settings->allowed_origins,
        .allowed_origin_count = settings->allowed_origin_count,
    };
    api->clients = clients_new(max_clients);
    api->streams = streams_new(core_events(api->core), api->clients);
    api->site = site_new(settings->web_dir, settings->openapi_path);
    api->http = xcalloc(1, sizeof(*api->http));
    api->http->core = api->core;
    api->http->filter = &api->filter;
    api->http->clients = api->clients;
    api->http->streams = api->streams;
    api->http->site = api->site;
}

int api_start(struct core *core, const struct api_settings *settings, struct api **out,
              struct error *err)
{
    struct api *api = xcalloc(1, sizeof(*api));
    signal(SIGPIPE, SIG_IGN);
    api->core = core;
    if (edge_open(settings->listen, &api->edge, err) != 0) {
        release(api);
        return -1;
    }
    fill(api, settings);
    if (http_start(api->http, err) != 0) {
        release(api);
        return -1;
    }
    if (live_start(core, api->clients, &api->live, err) == 0) {
        if (edge_start(api->edge, api->http, api->live, err) == 0) {
            *out = api;
            return 0;
        }
        live_stop(api->live);
    }
    if (http_stop(api->http)) {
        release(api);
    }
    return -1;
}

const char *api_url(const struct api *api)
{
    return edge_url(api->edge);
}

/* Streams send what they have and end; one whose client does not read is cut off by http's stop. */
static void wait_for_streams(struct api *api)
{
    int64_t until = clock_monotonic_ms() + STREAMS_PATIENCE_MS;
    while (streams_count(api->streams) > 0 && clock_monotonic_ms() < until) {
        const struct timespec a_while = {.tv_nsec = 2000000};
        nanosleep(&a_while, NULL);
    }
}

void api_stop(struct api *api)
{
    if (api == NULL) {
        return;
    }
    edge_close(api->edge);
    streams_close(api->streams);
    wait_for_streams(api);
    edge_stop(api->edge);
    live_stop(api->live);
    if (http_stop(api->http)) { /* it has also let the core run what edge had posted */
        release(api);
    }
}
