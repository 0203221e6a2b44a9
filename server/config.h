/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * Flags, environment and configuration file become one struct that nobody changes afterwards. A
 * layer counts more than the next: flag, environment (BURND_KEY), file, default. A list (root,
 * recorder, allowed-host, allowed-origin) of a higher layer replaces that of a lower one, it is not
 * added to it; in the environment its values are separated by ';' or by newlines.
 *
 * Every value of every layer is checked, also one that a higher layer replaces. What is unknown or
 * bad is refused with one sentence that names where it stands: "FILE:LINE: key: reason", "--key:
 * reason" or "BURND_KEY: reason"; the program then exits 2.
 */
#ifndef BURND_CONFIG_H
#define BURND_CONFIG_H

#include "base/error.h"
#include "base/log.h"

#include <stdbool.h>
#include <stddef.h>

enum config_action {
    CONFIG_RUN,
    CONFIG_CHECK,       /* --check-config */
    CONFIG_HEALTHCHECK, /* --healthcheck */
    CONFIG_VERSION,     /* --version */
    CONFIG_HELP         /* --help */
};

struct config_list {
    char **items;
    size_t count;
};

struct config {
    enum config_action action;
    char *listen;                     /* "127.0.0.1:8080", "[::1]:0": numeric, port always there */
    char *state_dir;                  /* absolute; need not exist yet */
    char *web_dir;                    /* absolute */
    char *openapi_path;               /* absolute */
    char *worker_path;                /* burnd-worker beside this program */
    char *station;                    /* "" = none */
    struct config_list roots;         /* "NAME=PATH", paths absolute */
    struct config_list recorders;     /* SPEC */
    struct config_list allowed_hosts; /* beyond localhost and the listen address */
    struct config_list allowed_origins; /* "https://host[:port]" */
    bool insecure_no_auth;
    int max_clients; /* 0 = the default */
    enum log_level log_level;
    double watchdog_factor; /* 1.0 */
};

/* `env` as of main(); not kept. -1: `err->message` is the line to print. Pure but for reading
 * the file, the working directory and looking whether the default folders exist. `out` is filled
 * in either case and wants config_release(). */
NODISCARD int config_parse(int argc, char **argv, char **env, struct config *out,
                           struct error *err);
void config_release(struct config *config);

/* Does what the command line asked for instead of running; returns the exit status. */
int config_act(const struct config *config);

/* Tells the log what a person may not have meant. For CONFIG_RUN, once the log's level is set. */
void config_warn(const struct config *config);

#endif
