/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * The layers of the configuration. Each layer (file, environment, flags) is read in this order and
 * each value applied as it is met, so that a later layer wins; the first value a list gets from a
 * layer throws away what lower layers put there. What a value may be is decided in config_values.c.
 *
 * The file stands below the environment and the flags but is named by them, so it is looked for
 * first.
 *
 * Runs on the main thread before any other exists.
 */
#include "config.h"

#include "base/alloc.h"
#include "config_values.h"
#include "healthcheck.h"

#include <ctype.h>
#include <errno.h>
#include <limits.h>
#include <pwd.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define FILE_SIZE_MAX (1024 * 1024)
#define ORIGIN_SIZE 320

enum layer { LAYER_DEFAULT, LAYER_FILE, LAYER_ENVIRONMENT, LAYER_FLAG, LAYER_COUNT };

/* Where an option may stand, and what it takes. */
enum {
    IN_FILE = 1,
    IN_ENVIRONMENT = 2,
    IN_FLAGS = 4,
    EVERYWHERE = 7,
    NO_VALUE = 8,
    REPEATABLE = 16
};

struct option_row {
    const char *key;
    int flags;
    config_setter *set; /* NULL: handled here */
    const char *argument;
    const char *help;
};

/* clang-format off */
static const struct option_row options[] = {
    {"config", IN_ENVIRONMENT | IN_FLAGS, NULL, "FILE", "read `key = value` lines from FILE"},
    {"listen", EVERYWHERE, config_set_listen, "ADDR:PORT", "where to answer (127.0.0.1:8080; port 0: a free one)"},
    {"state-dir", EVERYWHERE, config_set_state_dir, "DIR", "database and job folders"},
    {"web-dir", EVERYWHERE, config_set_web_dir, "DIR", "files of the dashboard"},
    {"openapi", EVERYWHERE, config_set_openapi, "FILE", "openapi.yaml to serve (beside the web dir)"},
    {"root", EVERYWHERE | REPEATABLE, config_add_root, "NAME=PATH", "a directory that jobs may read from"},
    {"recorder", EVERYWHERE | REPEATABLE, config_add_recorder, "SPEC", "file:PATH[,id=ID][,pool=NAME][,speed=KB_S]"},
    {"station", EVERYWHERE, config_set_station, "NAME", "what this machine is called"},
    {"allowed-host", EVERYWHERE | REPEATABLE, config_add_allowed_host, "HOST", "a further name clients may use for burnd"},
    {"allowed-origin", EVERYWHERE | REPEATABLE, config_add_allowed_origin, "URL", "a further page that may talk to burnd"},
    {"max-clients", EVERYWHERE, config_set_max_clients, "N", "most connections at a time"},
    {"log-level", EVERYWHERE, config_set_log_level, "LEVEL", "error, warning, info or debug"},
    {"watchdog-factor", EVERYWHERE, config_set_watchdog_factor, "X", "all limits on silence times this (1.0)"},
    {"insecure-no-auth", EVERYWHERE | NO_VALUE, config_set_insecure, NULL, "listen beyond loopback although there are no tokens"},
    {"tls-cert", EVERYWHERE, config_set_unavailable, "FILE", NULL},
    {"tls-key", EVERYWHERE, config_set_unavailable, "FILE", NULL},
    {"token", IN_FILE | IN_ENVIRONMENT | REPEATABLE, config_set_unavailable, "TOKEN", NULL},
    {"hash-token", IN_FLAGS | NO_VALUE, config_set_unavailable, NULL, NULL},
    {"check-config", IN_FLAGS | NO_VALUE, NULL, NULL, "check and show the configuration, then end"},
    {"healthcheck", IN_FLAGS | NO_VALUE, NULL, NULL, "ask a running burnd whether it is well, then end"},
    {"version", IN_FLAGS | NO_VALUE, NULL, NULL, "say which release this is"},
    {"help", IN_FLAGS | NO_VALUE, NULL, NULL, "show this"},
};
/* clang-format on */
#define OPTION_COUNT (sizeof options / sizeof options[0])

/* Variables that begin with BURND_ and are not configuration: of the tests and of the worker. */
static const char *const foreign_variables[] = {"BURND_BUILD", "BURND_WORKER_", "BURND_TEST_"};

struct reading {
    struct config *config;
    enum layer set_in[OPTION_COUNT]; /* layer of the value an option has */
    char where[OPTION_COUNT][ORIGIN_SIZE];
    struct error *err;
};

static int refuse(struct error *err, const char *where, const char *reason)
{
    return error_set(err, ERROR_INVALID_REQUEST, "%s: %s", where, reason);
}

static size_t find_option(const char *key, size_t length)
{
    for (size_t i = 0; i < OPTION_COUNT; i++) {
        if (strlen(options[i].key) == length && strncmp(options[i].key, key, length) == 0) {
            return i;
        }
    }
    return OPTION_COUNT;
}

static struct config_list *list_of(struct config *config, size_t option)
{
    config_setter *set = options[option].set;
    return set == config_add_root             ? &config->roots
           : set == config_add_recorder       ? &config->recorders
           : set == config_add_allowed_host   ? &config->allowed_hosts
           : set == config_add_allowed_origin ? &config->allowed_origins
                                              : NULL;
}

static int apply(struct reading *r, size_t option, enum layer layer, const char *where,
                 const char *value)
{
    char reason[320] = "";
    struct config_list *list = list_of(r->config, option);
    if (list != NULL && r->set_in[option] != layer) {
        config_list_clear(list);
    }
    r->set_in[option] = layer;
    text_copy(r->where[option], ORIGIN_SIZE, where);
    if (options[option].set != NULL &&
        options[option].set(r->config, value, reason, sizeof reason) != 0) {
        return refuse(r->err, where, reason);
    }
    return 0;
}

/* --- file ---------------------------------------------------------------------------------- */

static char *trimmed(char *text)
{
    while (isspace((unsigned char)*text)) {
        text++;
    }
    char *end = text + strlen(text);
    while (end > text && isspace((unsigned char)end[-1])) {
        *--end = '\0';
    }
    return text;
}

static int read_line(struct reading *r, const char *path, int number, char *line)
{
    char where[ORIGIN_SIZE];
    char *key = trimmed(line);
    if (*key == '\0' || *key == '#') {
        return 0;
    }
    char *equals = strchr(key, '=');
    if (equals == NULL) {
        snprintf(where, sizeof where, "%s:%d: %.64s", path, number, key);
        return refuse(r->err, where, "not a `key = value` line");
    }
    *equals = '\0';
    key = trimmed(key);
    char *value = trimmed(equals + 1);
    snprintf(where, sizeof where, "%s:%d: %.64s", path, number, key);
    size_t option = find_option(key, strlen(key));
    if (option == OPTION_COUNT) {
        return refuse(r->err, where, "unknown key");
    }
    if ((options[option].flags & IN_FILE) == 0) {
        return refuse(r->err, where, "does not stand in a file, only on the command line");
    }
    if (r->set_in[option] == LAYER_FILE && (options[option].flags & REPEATABLE) == 0) {
        return refuse(r->err, where, "given twice in this file");
    }
    return apply(r, option, LAYER_FILE, where, value);
}

/* The whole file as text, malloc()ed; NULL and the reason. */
static char *read_text(const char *path, char *reason, size_t reason_size)
{
    FILE *file = fopen(path, "re");
    if (file == NULL) {
        snprintf(reason, reason_size, "cannot be opened: %s", strerror(errno));
        return NULL;
    }
    char *text = xcalloc(1, FILE_SIZE_MAX + 2);
    size_t length = fread(text, 1, FILE_SIZE_MAX + 1, file);
    if (ferror(file)) {
        snprintf(reason, reason_size, "cannot be read: %s", strerror(errno));
    } else if (length > FILE_SIZE_MAX) {
        snprintf(reason, reason_size, "is larger than %d bytes", FILE_SIZE_MAX);
    } else if (memchr(text, '\0', length) != NULL) {
        snprintf(reason, reason_size, "is not a text file");
    } else {
        fclose(file);
        return text;
    }
    fclose(file);
    free(text);
    return NULL;
}

static int read_file(struct reading *r, const char *path, const char *named_by)
{
    char reason[160];
    char *text = read_text(path, reason, sizeof reason);
    if (text == NULL) {
        return error_set(r->err, ERROR_INVALID_REQUEST, "%s: %s %s", named_by, path, reason);
    }
    int number = 0;
    int result = 0;
    char *rest = text;
    for (char *line = strsep(&rest, "\n"); line != NULL && result == 0;
         line = strsep(&rest, "\n")) {
        result = read_line(r, path, ++number, line);
    }
    free(text);
    return result;
}

/* --- environment --------------------------------------------------------------------------- */

static bool is_foreign(const char *variable)
{
    for (size_t i = 0; i < sizeof foreign_variables / sizeof foreign_variables[0]; i++) {
        if (strncmp(variable, foreign_variables[i], strlen(foreign_variables[i])) == 0) {
            return true;
        }
    }
    return false;
}

/* "BURND_STATE_DIR=…" is the option "state-dir". */
static size_t option_of_variable(const char *variable, size_t length)
{
    char key[64];
    const size_t prefix = strlen("BURND_");
    if (length - prefix >= sizeof key) {
        return OPTION_COUNT;
    }
    for (size_t i = prefix; i < length; i++) {
        char c = variable[i];
        if (!isupper((unsigned char)c) && c != '_') {
            return OPTION_COUNT;
        }
        key[i - prefix] = c == '_' ? '-' : (char)tolower((unsigned char)c);
    }
    return find_option(key, length - prefix);
}

static int apply_variable(struct reading *r, size_t option, const char *where, const char *value)
{
    if ((options[option].flags & REPEATABLE) == 0) {
        return apply(r, option, LAYER_ENVIRONMENT, where, value);
    }
    char *copy = xstrdup(value);
    char *rest = copy;
    int result = 0;
    for (char *item = strsep(&rest, ";\n"); item != NULL && result == 0;
         item = strsep(&rest, ";\n")) {
        item = trimmed(item);
        if (*item != '\0') {
            result = apply(r, option, LAYER_ENVIRONMENT, where, item);
        }
    }
    free(copy);
    return result;
}

static int read_environment(struct reading *r, char **env)
{
    for (; env != NULL && *env != NULL; env++) {
        const char *equals = strchr(*env, '=');
        if (equals == NULL || strncmp(*env, "BURND_", 6) != 0 || is_foreign(*env)) {
            continue;
        }
        char where[ORIGIN_SIZE];
        size_t length = (size_t)(equals - *env);
        snprintf(where, sizeof where, "%.*s", (int)(length < 100 ? length : 100), *env);
        size_t option = option_of_variable(*env, length);
        if (option == OPTION_COUNT || (options[option].flags & IN_ENVIRONMENT) == 0) {
            return refuse(r->err, where, "unknown key");
        }
        if (apply_variable(r, option, where, equals + 1) != 0) {
            return -1;
        }
    }
    return 0;
}

static const char *variable(char **env, const char *name)
{
    size_t length = strlen(name);
    for (; env != NULL && *env != NULL; env++) {
        if (strncmp(*env, name, length) == 0 && (*env)[length] == '=' &&
            (*env)[length + 1] != '\0') {
            return *env + length + 1;
        }
    }
    return NULL;
}

/* --- flags --------------------------------------------------------------------------------- */

struct flag {
    size_t option;
    char where[ORIGIN_SIZE];
    const char *value;
};

/* Reads argv[*i] (and the value behind it, moving *i). */
static int read_flag(int argc, char **argv, int *i, struct flag *out, struct error *err)
{
    const char *text = argv[*i];
    if (strncmp(text, "--", 2) != 0 || text[2] == '\0') {
        return error_set(err, ERROR_INVALID_REQUEST, "%.200s: not an option; see --help", text);
    }
    const char *equals = strchr(text, '=');
    size_t length = equals != NULL ? (size_t)(equals - text) : strlen(text);
    snprintf(out->where, sizeof out->where, "%.*s", (int)(length < 100 ? length : 100), text);
    out->option = find_option(text + 2, length - 2);
    if (out->option == OPTION_COUNT) {
        return refuse(err, out->where, "unknown option; see --help");
    }
    int flags = options[out->option].flags;
    if ((flags & IN_FLAGS) == 0) {
        return refuse(err, out->where, "does not stand on the command line, only in a file");
    }
    if ((flags & NO_VALUE) != 0) {
        out->value = "true";
        return equals == NULL ? 0 : refuse(err, out->where, "takes no value");
    }
    if (equals == NULL && *i + 1 >= argc) {
        return refuse(err, out->where, "wants a value");
    }
    out->value = equals != NULL ? equals + 1 : argv[++*i];
    return 0;
}

static int read_flags(struct reading *r, int argc, char **argv)
{
    for (int i = 1; i < argc; i++) {
        struct flag flag;
        if (read_flag(argc, argv, &i, &flag, r->err) != 0 ||
            apply(r, flag.option, LAYER_FLAG, flag.where, flag.value) != 0) {
            return -1;
        }
    }
    return 0;
}

/* What ends the program before anything else is looked at, and the file the lower layer stands
 * in. */
static int read_early_flags(int argc, char **argv, struct config *config, const char **file,
                            struct error *err)
{
    for (int i = 1; i < argc; i++) {
        struct flag flag;
        if (read_flag(argc, argv, &i, &flag, err) != 0) {
            return -1;
        }
        const char *key = options[flag.option].key;
        if (strcmp(key, "config") == 0) {
            *file = flag.value;
        } else if (strcmp(key, "help") == 0) {
            config->action = CONFIG_HELP;
        } else if (strcmp(key, "version") == 0 && config->action != CONFIG_HELP) {
            config->action = CONFIG_VERSION;
        } else if (strcmp(key, "check-config") == 0 && config->action == CONFIG_RUN) {
            config->action = CONFIG_CHECK;
        } else if (strcmp(key, "healthcheck") == 0 && config->action == CONFIG_RUN) {
            config->action = CONFIG_HEALTHCHECK;
        }
    }
    return 0;
}

/* --- defaults ------------------------------------------------------------------------------ */

static char *program_folder(void)
{
    char path[PATH_MAX];
    ssize_t length = readlink("/proc/self/exe", path, sizeof path - 1);
    if (length <= 0) {
        return xstrdup(".");
    }
    path[length] = '\0';
    char *slash = strrchr(path, '/');
    *slash = '\0';
    return xstrdup(path);
}

static char *default_state_dir(char **env)
{
    const char *given = variable(env, "STATE_DIRECTORY");
    if (given != NULL) {
        /* systemd separates several by ':' */
        return strndup(given, strcspn(given, ":"));
    }
    given = variable(env, "XDG_STATE_HOME");
    if (given != NULL) {
        return xasprintf("%s/burnd", given);
    }
    given = variable(env, "HOME");
    if (given == NULL) {
        const struct passwd *user = getpwuid(getuid());
        given = user != NULL && user->pw_dir != NULL ? user->pw_dir : "/";
    }
    return xasprintf("%s/.local/state/burnd", given);
}

/* In a checkout the page stands two folders above build/<variant>/, installed it stands in
 * share/. */
static char *default_web_dir(const char *folder)
{
    char *here = xasprintf("%s/../../web/index.html", folder);
    bool built_here = access(here, R_OK) == 0;
    free(here);
    char *found =
        built_here ? xasprintf("%s/../../web", folder) : xasprintf("%s/../share/burnd/web", folder);
    char *real = realpath(found, NULL);
    if (real == NULL) {
        return found;
    }
    free(found);
    return real;
}

static char *default_openapi(const char *web_dir, const char *folder)
{
    char *beside = xasprintf("%s/../openapi.yaml", web_dir);
    if (access(beside, R_OK) != 0) {
        free(beside);
        beside = xasprintf("%s/../../openapi.yaml", folder);
    }
    char *real = realpath(beside, NULL);
    if (real == NULL) {
        return beside;
    }
    free(beside);
    return real;
}

static void fill_defaults(struct config *config, char **env)
{
    char *folder = program_folder();
    if (config->listen == NULL) {
        config->listen = xstrdup("127.0.0.1:8080");
    }
    if (config->state_dir == NULL) {
        char *given = default_state_dir(env);
        config->state_dir = config_absolute_path(given);
        free(given);
    }
    if (config->web_dir == NULL) {
        config->web_dir = default_web_dir(folder);
    }
    if (config->openapi_path == NULL) {
        config->openapi_path = default_openapi(config->web_dir, folder);
    }
    if (config->station == NULL) {
        config->station = xstrdup("");
    }
    config->worker_path = xasprintf("%s/burnd-worker", folder);
    free(folder);
}

/* --- all together -------------------------------------------------------------------------- */

static int check_together(const struct reading *r)
{
    size_t listen = find_option("listen", strlen("listen"));
    if (!r->config->insecure_no_auth && !config_is_loopback(r->config->listen)) {
        return refuse(r->err, r->where[listen],
                      "an address beyond loopback needs tokens, which this release does not have; "
                      "listen on loopback");
    }
    return 0;
}

int config_parse(int argc, char **argv, char **env, struct config *out, struct error *err)
{
    *out = (struct config){.log_level = LOG_LEVEL_INFO, .watchdog_factor = 1.0};
    struct reading *r = xcalloc(1, sizeof *r);
    r->config = out;
    r->err = err;
    const char *file = NULL;
    int result = -1;
    if (read_early_flags(argc, argv, out, &file, err) != 0) {
        goto out;
    }
    if (out->action == CONFIG_HELP || out->action == CONFIG_VERSION) {
        result = 0;
        goto out;
    }
    const char *named_by = file != NULL ? "--config" : "BURND_CONFIG";
    if (file == NULL) {
        file = variable(env, "BURND_CONFIG");
    }
    if ((file != NULL && read_file(r, file, named_by) != 0) || read_environment(r, env) != 0 ||
        read_flags(r, argc, argv) != 0) {
        goto out;
    }
    fill_defaults(out, env);
    result = check_together(r);
out:
    free(r);
    return result;
}

void config_release(struct config *config)
{
    free(config->listen);
    free(config->state_dir);
    free(config->web_dir);
    free(config->openapi_path);
    free(config->worker_path);
    free(config->station);
    config_list_clear(&config->roots);
    config_list_clear(&config->recorders);
    config_list_clear(&config->allowed_hosts);
    config_list_clear(&config->allowed_origins);
    *config = (struct config){0};
}

void config_warn(const struct config *config)
{
    if (config->recorders.count == 0) {
        log_warning("config",
                    "no recorder is configured and optical drives are not available in this "
                    "release: nothing can be burned; give --recorder file:PATH");
    }
    if (config->roots.count == 0) {
        log_warning("config",
                    "no root is configured: jobs can burn texts only; give --root NAME=PATH");
    }
    if (!config_is_loopback(config->listen)) {
        log_warning("config", "listening on %s without tokens: whoever reaches it can burn",
                    config->listen);
    }
}

/* --- what is done instead of running ------------------------------------------------------- */

static int show_help(void)
{
    puts("burnd burns optical discs over HTTP/JSON.\n\nOptions, each also `key = value` in a file "
         "and "
         "BURND_KEY in the environment:");
    for (size_t i = 0; i < OPTION_COUNT; i++) {
        if (options[i].help != NULL) {
            char name[64];
            snprintf(name, sizeof name, "--%s %s", options[i].key,
                     options[i].argument != NULL ? options[i].argument : "");
            printf("  %-26s %s\n", name, options[i].help);
        }
    }
    return 0;
}

static void show_list(const char *key, const struct config_list *list)
{
    for (size_t i = 0; i < list->count; i++) {
        printf("%s = %s\n", key, list->items[i]);
    }
}

static int show_config(const struct config *config)
{
    printf("# good; this is what it comes to\nlisten = %s\nstate-dir = %s\nweb-dir = %s\nopenapi = "
           "%s\n",
           config->listen, config->state_dir, config->web_dir, config->openapi_path);
    if (config->station[0] != '\0') {
        printf("station = %s\n", config->station);
    }
    show_list("root", &config->roots);
    show_list("recorder", &config->recorders);
    show_list("allowed-host", &config->allowed_hosts);
    show_list("allowed-origin", &config->allowed_origins);
    return 0;
}

int config_act(const struct config *config)
{
    switch (config->action) {
    case CONFIG_CHECK:
        return show_config(config);
    case CONFIG_HEALTHCHECK:
        return healthcheck(config->listen);
    case CONFIG_VERSION:
        printf("burnd %s\n", BURND_VERSION);
        return 0;
    case CONFIG_HELP:
        return show_help();
    case CONFIG_RUN:
        break;
    }
    return 0;
}
