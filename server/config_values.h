/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * What the value of each option may be: one setter an option, for config.c alone. A setter takes
 * the value as written, checks it and puts it into the struct; what it refuses it says in one
 * phrase.
 */
#ifndef BURND_CONFIG_VALUES_H
#define BURND_CONFIG_VALUES_H

#include "config.h"

/* 0, or -1 and `reason` (a phrase without the key). */
typedef int config_setter(struct config *config, const char *value, char *reason,
                          size_t reason_size);

config_setter config_set_listen;
config_setter config_set_state_dir;
config_setter config_set_web_dir;
config_setter config_set_openapi;
config_setter config_add_root;
config_setter config_add_recorder;
config_setter config_set_station;
config_setter config_add_allowed_host;
config_setter config_add_allowed_origin;
config_setter config_set_max_clients;
config_setter config_set_log_level;
config_setter config_set_watchdog_factor;
config_setter config_set_insecure;
config_setter config_set_unavailable;

void config_list_clear(struct config_list *list);
/* malloc()ed; a relative path is taken from the working directory. */
char *config_absolute_path(const char *path);
/* Of a `listen` value that config_set_listen() accepted. */
bool config_is_loopback(const char *listen);

#endif
