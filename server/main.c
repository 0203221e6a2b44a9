/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * The program burnd: the only file that sees everything. It starts the modules in order
 * (configuration, core, api), runs the core loop on this thread, turns signals into a stop, and
 * stops in reverse.
 *
 * SIGTERM, SIGINT   no new attempts, running ones finish; the second cancels what can be cancelled
 * Exit status       0 clean stop, 1 failed at run time, 2 unusable arguments or configuration
 */
#include "api/api.h"
#include "base/log.h"
#include "config.h"
#include "job/core.h"

#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

struct program {
    uv_loop_t loop;
    uv_signal_t term, interrupt;
    uv_work_t stop_api;
    struct core *core;
    struct api *api;
};

/* --- stopping ------------------------------------------------------------------------------ */

static void close_rest(uv_handle_t *handle, void *arg)
{
    (void)arg;
    if (!uv_is_closing(handle)) {
        uv_close(handle, NULL);
    }
}

static void api_stopped(uv_work_t *work, int status)
{
    (void)status;
    struct program *program = work->data;
    mailbox_close(core_mailbox(program->core));
    uv_stop(&program->loop);
}

static void stop_api(uv_work_t *work)
{
    struct program *program = work->data;
    api_stop(program->api);
}

/* Nothing runs any more. The api waits for its threads, which may wait for this loop: so in the
 * pool. */
static void core_stopped(void *arg)
{
    struct program *program = arg;
    program->stop_api.data = program;
    uv_queue_work(&program->loop, &program->stop_api, stop_api, api_stopped);
}

static void on_signal(uv_signal_t *handle, int number)
{
    struct program *program = handle->data;
    log_info(NULL, "stopping (%s)", strsignal(number));
    core_stop(program->core, core_stopped, program);
}

static void watch_signals(struct program *program)
{
    uv_signal_init(&program->loop, &program->term);
    uv_signal_init(&program->loop, &program->interrupt);
    program->term.data = program->interrupt.data = program;
    uv_signal_start(&program->term, on_signal, SIGTERM);
    uv_signal_start(&program->interrupt, on_signal, SIGINT);
}

/* --- starting ------------------------------------------------------------------------------ */

static int start_core(struct program *program, const struct config *config, struct error *err)
{
    struct core_settings settings = {
        .state_dir = config->state_dir,
        .worker_path = config->worker_path,
        .station = config->station,
        .roots = config->roots.items,
        .root_count = config->roots.count,
        .recorders = config->recorders.items,
        .recorder_count = config->recorders.count,
        .watchdog_factor = config->watchdog_factor,
        .border = api_json_border(),
    };
    return core_start(&program->loop, &settings, &program->core, err);
}

static int start_api(struct program *program, const struct config *config, struct error *err)
{
    struct api_settings settings = {
        .listen = config->listen,
        .web_dir = config->web_dir,
        .openapi_path = config->openapi_path,
        .allowed_hosts = config->allowed_hosts.items,
        .allowed_host_count = config->allowed_hosts.count,
        .allowed_origins = config->allowed_origins.items,
        .allowed_origin_count = config->allowed_origins.count,
        .max_clients = config->max_clients,
    };
    return api_start(program->core, &settings, &program->api, err);
}

/* Bad recorders and roots, a state directory in use: what the person who started us must change. */
static int say_unusable(const struct error *err)
{
    fprintf(stderr, "burnd: %s\n", err->message);
    _exit(
        2); /* what was half made goes with the process; no job was taken, nothing is to be ended */
}

static int run(const struct config *config)
{
    struct program *program = calloc(1, sizeof(*program));
    struct error err;
    if (program == NULL) {
        return 1;
    }
    uv_loop_init(&program->loop);
    if (start_core(program, config, &err) != 0 || start_api(program, config, &err) != 0) {
        return say_unusable(&err);
    }
    watch_signals(program);
    printf("burnd ready %s\n", api_url(program->api));
    fflush(stdout);
    uv_run(&program->loop, UV_RUN_DEFAULT);
    uv_walk(&program->loop, close_rest, NULL);
    uv_run(&program->loop, UV_RUN_DEFAULT);
    core_free(program->core);
    int leftover = uv_loop_close(&program->loop);
    if (leftover != 0) {
        log_warning(NULL, "the loop was not empty: %s", uv_strerror(leftover));
    }
    free(program);
    log_info(NULL, "stopped");
    return 0;
}

/* Descriptors 0 to 2 are there, whoever started us: a database file must never become standard
 * error. */
static void fill_standard_descriptors(void)
{
    int fd;
    do {
        fd = open("/dev/null", O_RDWR);
    } while (fd >= 0 && fd <= STDERR_FILENO);
    if (fd >= 0) {
        close(fd);
    }
}

int main(int argc, char **argv)
{
    struct config config;
    struct error err;
    fill_standard_descriptors();
    if (config_parse(argc, argv, environ, &config, &err) != 0) {
        fprintf(stderr, "burnd: %s\n", err.message);
        config_release(&config);
        return 2;
    }
    int status = 0;
    if (config.action == CONFIG_RUN) {
        signal(SIGPIPE, SIG_IGN);
        log_set_level(config.log_level);
        config_warn(&config);
        status = run(&config);
    } else {
        status = config_act(&config);
    }
    config_release(&config);
    return status;
}
