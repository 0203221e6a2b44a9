/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * The values of the configuration, one setter an option. Nothing here looks at the disk: whether a
 * root or an image file is there is found out, and told, while burnd runs.
 */
#include "config_values.h"

#include "base/alloc.h"

#include <arpa/inet.h>
#include <ctype.h>
#include <errno.h>
#include <limits.h>
#include <math.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define PATH_LENGTH_MAX 1023
#define NAME_LENGTH_MAX 64
#define LIST_MAX 256
#define CLIENTS_MAX 100000

static int refuse(char *reason, size_t reason_size, const char *format, ...) PRINTF_FORMAT(3, 4);

static int refuse(char *reason, size_t reason_size, const char *format, ...)
{
    va_list args;
    va_start(args, format);
    vsnprintf(reason, reason_size, format, args);
    va_end(args);
    return -1;
}

static bool has_control_characters(const char *text)
{
    for (; *text != '\0'; text++) {
        if ((unsigned char)*text < 0x20 || *text == 0x7f) {
            return true;
        }
    }
    return false;
}

static int replace(char **field, char *owned_value)
{
    free(*field);
    *field = owned_value;
    return 0;
}

void config_list_clear(struct config_list *list)
{
    for (size_t i = 0; i < list->count; i++) {
        free(list->items[i]);
    }
    free(list->items);
    *list = (struct config_list){0};
}

static int list_add(struct config_list *list, char *owned_value, char *reason, size_t reason_size)
{
    if (list->count == LIST_MAX) {
        free(owned_value);
        return refuse(reason, reason_size, "given more than %d times", LIST_MAX);
    }
    list->items = xrealloc(list->items, (list->count + 1) * sizeof *list->items);
    list->items[list->count++] = owned_value;
    return 0;
}

char *config_absolute_path(const char *path)
{
    char folder[PATH_MAX];
    if (path[0] == '/' || getcwd(folder, sizeof folder) == NULL) {
        return xstrdup(path);
    }
    return xasprintf("%s/%s", folder, path);
}

static int set_path(char **field, const char *value, char *reason, size_t reason_size)
{
    if (*value == '\0') {
        return refuse(reason, reason_size, "is empty, wants a path");
    }
    char *path = config_absolute_path(value);
    if (strlen(path) > PATH_LENGTH_MAX || has_control_characters(path)) {
        free(path);
        return refuse(reason, reason_size, "is no usable path");
    }
    return replace(field, path);
}

/* --- listen -------------------------------------------------------------------------------- */

/* Splits "ADDR:PORT" or "[ADDR]:PORT"; -1: neither. */
static int split_address(const char *value, char *address, size_t address_size, int *port)
{
    const char *colon = strrchr(value, ':');
    if (colon == NULL || colon[1] == '\0' || strlen(colon + 1) > 5 ||
        strspn(colon + 1, "0123456789") != strlen(colon + 1)) {
        return -1;
    }
    const char *begin = value;
    const char *end = colon;
    if (*value == '[') {
        begin++;
        end--;
        if (end <= begin || *end != ']') {
            return -1;
        }
    } else if (memchr(value, ':', (size_t)(colon - value)) != NULL) {
        return -1;
    }
    size_t length = (size_t)(end - begin);
    if (length == 0 || length >= address_size) {
        return -1;
    }
    memcpy(address, begin, length);
    address[length] = '\0';
    *port = (int)strtol(colon + 1, NULL, 10);
    return *port <= 65535 ? 0 : -1;
}

int config_set_listen(struct config *config, const char *value, char *reason, size_t reason_size)
{
    char address[64];
    int port = 0;
    unsigned char binary[16];
    if (split_address(value, address, sizeof address, &port) != 0) {
        return refuse(reason, reason_size,
                      "\"%.100s\" is not ADDR:PORT, such as 127.0.0.1:8080 or [::1]:8080", value);
    }
    bool in_brackets = value[0] == '[';
    if (!in_brackets && strcmp(address, "localhost") == 0) {
        return replace(&config->listen, xasprintf("127.0.0.1:%d", port));
    }
    if (inet_pton(in_brackets ? AF_INET6 : AF_INET, address, binary) != 1) {
        return refuse(reason, reason_size, "\"%s\" is not a numeric address", address);
    }
    return replace(&config->listen, xasprintf(in_brackets ? "[%s]:%d" : "%s:%d", address, port));
}

bool config_is_loopback(const char *listen)
{
    return strncmp(listen, "127.", 4) == 0 || strncmp(listen, "[::1]:", 6) == 0;
}

/* --- folders and names --------------------------------------------------------------------- */

int config_set_state_dir(struct config *config, const char *value, char *reason, size_t reason_size)
{
    return set_path(&config->state_dir, value, reason, reason_size);
}

int config_set_web_dir(struct config *config, const char *value, char *reason, size_t reason_size)
{
    return set_path(&config->web_dir, value, reason, reason_size);
}

int config_set_openapi(struct config *config, const char *value, char *reason, size_t reason_size)
{
    return set_path(&config->openapi_path, value, reason, reason_size);
}

int config_set_station(struct config *config, const char *value, char *reason, size_t reason_size)
{
    if (strlen(value) > 200 || has_control_characters(value)) {
        return refuse(reason, reason_size, "is longer than 200 bytes or holds control characters");
    }
    return replace(&config->station, xstrdup(value));
}

int config_add_root(struct config *config, const char *value, char *reason, size_t reason_size)
{
    const char *equals = strchr(value, '=');
    if (equals == NULL || equals == value || equals[1] == '\0') {
        return refuse(reason, reason_size, "\"%.100s\" is not NAME=PATH", value);
    }
    size_t length = (size_t)(equals - value);
    if (length > NAME_LENGTH_MAX || memchr(value, '/', length) != NULL ||
        memchr(value, ':', length) != NULL || has_control_characters(value)) {
        return refuse(reason, reason_size,
                      "\"%.*s\" is no name: at most %d bytes, without '/' and ':'",
                      (int)(length < 100 ? length : 100), value, NAME_LENGTH_MAX);
    }
    for (size_t i = 0; i < config->roots.count; i++) {
        if (strncmp(config->roots.items[i], value, length + 1) == 0) {
            return refuse(reason, reason_size, "\"%.*s\" is named twice", (int)length, value);
        }
    }
    char *path = config_absolute_path(equals + 1);
    char *root = xasprintf("%.*s=%s", (int)length, value, path);
    bool too_long = strlen(path) > PATH_LENGTH_MAX;
    free(path);
    if (too_long) {
        free(root);
        return refuse(reason, reason_size, "the path is longer than %d bytes", PATH_LENGTH_MAX);
    }
    return list_add(&config->roots, root, reason, reason_size);
}

/* --- recorders ----------------------------------------------------------------------------- */

static bool is_number(const char *text, long least, long most)
{
    char *end;
    errno = 0;
    long value = strtol(text, &end, 10);
    return isdigit((unsigned char)*text) && *end == '\0' && errno == 0 && value >= least &&
           value <= most;
}

static bool is_recorder_name(const char *text)
{
    return *text != '\0' && strlen(text) < NAME_LENGTH_MAX && strpbrk(text, "/:,") == NULL &&
           !has_control_characters(text);
}

/* One ",name=value" of a recorder. */
static int check_recorder_field(const char *field, char *reason, size_t reason_size)
{
    if (strncmp(field, "id=", 3) == 0) {
        return is_recorder_name(field + 3)
                   ? 0
                   : refuse(reason, reason_size, "\"%.80s\" is no id", field + 3);
    }
    if (strncmp(field, "pool=", 5) == 0) {
        return is_recorder_name(field + 5)
                   ? 0
                   : refuse(reason, reason_size, "\"%.80s\" is no pool", field + 5);
    }
    if (strncmp(field, "speed=", 6) == 0) {
        return is_number(field + 6, 1, 100000000)
                   ? 0
                   : refuse(reason, reason_size, "\"%.80s\" is no speed in kB/s", field + 6);
    }
    return refuse(reason, reason_size, "\"%.80s\" is none of id= pool= speed=", field);
}

static int check_file_recorder(char *fields, char *reason, size_t reason_size)
{
    char *rest = fields;
    const char *path = strsep(&rest, ",");
    if (*path == '\0' || has_control_characters(path) || path[strlen(path) - 1] == '/') {
        return refuse(reason, reason_size, "file: wants the path of an image file");
    }
    for (const char *field = strsep(&rest, ","); field != NULL; field = strsep(&rest, ",")) {
        if (check_recorder_field(field, reason, reason_size) != 0) {
            return -1;
        }
    }
    return 0;
}

int config_add_recorder(struct config *config, const char *value, char *reason, size_t reason_size)
{
    if (strcmp(value, "auto") == 0 || value[0] == '/') {
        return refuse(reason, reason_size,
                      "%.100s: optical drives are not available in this release; use file:PATH",
                      value);
    }
    if (strcmp(value, "virtual") == 0 || strncmp(value, "virtual:", 8) == 0 ||
        strncmp(value, "virtual,", 8) == 0) {
        return refuse(reason, reason_size,
                      "%.100s: virtual recorders are not available in this release; use file:PATH",
                      value);
    }
    if (strncmp(value, "file:", 5) != 0) {
        return refuse(reason, reason_size, "\"%.100s\" is no recorder; use file:PATH", value);
    }
    char *fields = xstrdup(value + 5);
    int result = check_file_recorder(fields, reason, reason_size);
    free(fields);
    return result == 0 ? list_add(&config->recorders, xstrdup(value), reason, reason_size) : -1;
}

/* --- who may come -------------------------------------------------------------------------- */

int config_add_allowed_host(struct config *config, const char *value, char *reason,
                            size_t reason_size)
{
    if (*value == '\0' || strlen(value) > 255 || strpbrk(value, "/ \t@?#") != NULL ||
        has_control_characters(value)) {
        return refuse(reason, reason_size, "\"%.100s\" is no host name", value);
    }
    return list_add(&config->allowed_hosts, xstrdup(value), reason, reason_size);
}

int config_add_allowed_origin(struct config *config, const char *value, char *reason,
                              size_t reason_size)
{
    const char *host = strncmp(value, "http://", 7) == 0    ? value + 7
                       : strncmp(value, "https://", 8) == 0 ? value + 8
                                                            : NULL;
    if (host == NULL || *host == '\0' || strlen(value) > 255 || strpbrk(host, "/ \t@?#") != NULL ||
        has_control_characters(value)) {
        return refuse(reason, reason_size,
                      "\"%.100s\" is no origin, such as https://desk.example:8443", value);
    }
    return list_add(&config->allowed_origins, xstrdup(value), reason, reason_size);
}

/* --- numbers and words --------------------------------------------------------------------- */

int config_set_max_clients(struct config *config, const char *value, char *reason,
                           size_t reason_size)
{
    if (!is_number(value, 1, CLIENTS_MAX)) {
        return refuse(reason, reason_size, "\"%.100s\" is not a number from 1 to %d", value,
                      CLIENTS_MAX);
    }
    config->max_clients = (int)strtol(value, NULL, 10);
    return 0;
}

int config_set_log_level(struct config *config, const char *value, char *reason, size_t reason_size)
{
    static const char *const words[] = {[LOG_LEVEL_ERROR] = "error",
                                        [LOG_LEVEL_WARNING] = "warning",
                                        [LOG_LEVEL_INFO] = "info",
                                        [LOG_LEVEL_DEBUG] = "debug"};
    for (size_t i = 0; i < sizeof words / sizeof words[0]; i++) {
        if (strcmp(words[i], value) == 0) {
            config->log_level = (enum log_level)i;
            return 0;
        }
    }
    return refuse(reason, reason_size, "\"%.100s\" is none of error, warning, info, debug", value);
}

int config_set_watchdog_factor(struct config *config, const char *value, char *reason,
                               size_t reason_size)
{
    char *end;
    double factor = strtod(value, &end);
    if (end == value || *end != '\0' || !isfinite(factor) || factor < 0.001 || factor > 1000) {
        return refuse(reason, reason_size, "\"%.100s\" is not a number from 0.001 to 1000", value);
    }
    config->watchdog_factor = factor;
    return 0;
}

int config_set_insecure(struct config *config, const char *value, char *reason, size_t reason_size)
{
    if (strcmp(value, "true") != 0 && strcmp(value, "false") != 0) {
        return refuse(reason, reason_size, "\"%.100s\" is neither true nor false", value);
    }
    config->insecure_no_auth = strcmp(value, "true") == 0;
    return 0;
}

int config_set_unavailable(struct config *config, const char *value, char *reason,
                           size_t reason_size)
{
    (void)config;
    (void)value;
    return refuse(reason, reason_size, "not available in this release");
}
