/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * config_parse() with command lines, environments and files as people write them: which layer wins,
 * and what is refused in which words.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include "config.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#define MOST 16

struct fixture {
    char path[64]; /* of a configuration file, "" = none written */
    struct config config;
    struct error err;
};

static int set_up(void **state)
{
    *state = calloc(1, sizeof(struct fixture));
    return 0;
}

static int tear_down(void **state)
{
    struct fixture *f = *state;
    config_release(&f->config);
    if (f->path[0] != '\0') {
        unlink(f->path);
    }
    free(f);
    return 0;
}

static void write_config(struct fixture *f, const char *text)
{
    snprintf(f->path, sizeof f->path, "/tmp/test_config.XXXXXX");
    int fd = mkstemp(f->path);
    assert_true(fd >= 0);
    assert_int_equal(write(fd, text, strlen(text)), (ssize_t)strlen(text));
    close(fd);
}

/* `flags` and `env` end in NULL; a file that was written is named first. */
static int parse(struct fixture *f, const char *const *flags, const char *const *env)
{
    char *argv[MOST + 4] = {strdup("burnd")};
    char *variables[MOST] = {0};
    int argc = 1;
    if (f->path[0] != '\0') {
        argv[argc++] = strdup("--config");
        argv[argc++] = strdup(f->path);
    }
    for (; flags != NULL && *flags != NULL; flags++) {
        argv[argc++] = strdup(*flags);
    }
    for (int i = 0; env != NULL && env[i] != NULL; i++) {
        variables[i] = strdup(env[i]);
    }
    config_release(&f->config);
    f->err = ERROR_EMPTY;
    int result = config_parse(argc, argv, variables, &f->config, &f->err);
    for (int i = 0; i < argc; i++) {
        free(argv[i]);
    }
    for (int i = 0; i < MOST; i++) {
        free(variables[i]);
    }
    return result;
}

#define WORDS(...) ((const char *const[]){__VA_ARGS__, NULL})
#define NONE ((const char *const[]){NULL})

static void accept(struct fixture *f, const char *const *flags, const char *const *env)
{
    if (parse(f, flags, env) != 0) {
        fail_msg("%s", f->err.message);
    }
}

static void refuse(struct fixture *f, const char *const *flags, const char *const *env,
                   const char *sentence)
{
    assert_int_equal(parse(f, flags, env), -1);
    assert_string_equal(f->err.message, sentence);
}

static void refuse_flag(struct fixture *f, const char *flag, const char *value, const char *begin)
{
    assert_int_equal(parse(f, WORDS(flag, value), NONE), -1);
    if (strncmp(f->err.message, begin, strlen(begin)) != 0) {
        fail_msg("\"%s\" does not begin with \"%s\"", f->err.message, begin);
    }
}

static void refuse_file(struct fixture *f, const char *text, int line, const char *rest)
{
    char expected[256];
    write_config(f, text);
    snprintf(expected, sizeof expected, "%s:%d: %s", f->path, line, rest);
    refuse(f, NONE, NONE, expected);
    unlink(f->path);
    f->path[0] = '\0';
}

static void defaults_are_those_of_the_manual(void **state)
{
    struct fixture *f = *state;
    accept(f, NONE, WORDS("HOME=/home/ada"));
    assert_string_equal(f->config.listen, "127.0.0.1:8080");
    assert_string_equal(f->config.state_dir, "/home/ada/.local/state/burnd");
    assert_string_equal(f->config.station, "");
    assert_int_equal(f->config.recorders.count, 0);
    assert_int_equal(f->config.log_level, LOG_LEVEL_INFO);
    assert_true(f->config.watchdog_factor == 1.0);
    assert_non_null(strstr(f->config.web_dir, "web"));
    assert_non_null(strstr(f->config.openapi_path, "openapi.yaml"));
    assert_int_equal(f->config.action, CONFIG_RUN);
}

static void the_state_dir_follows_systemd_then_xdg_then_home(void **state)
{
    struct fixture *f = *state;
    accept(f, NONE, WORDS("HOME=/h", "XDG_STATE_HOME=/x", "STATE_DIRECTORY=/s:/t"));
    assert_string_equal(f->config.state_dir, "/s");
    accept(f, NONE, WORDS("HOME=/h", "XDG_STATE_HOME=/x", "STATE_DIRECTORY="));
    assert_string_equal(f->config.state_dir, "/x/burnd");
    accept(f, WORDS("--state-dir", "/d"), WORDS("STATE_DIRECTORY=/s"));
    assert_string_equal(f->config.state_dir, "/d");
}

static void a_flag_beats_the_environment_beats_the_file(void **state)
{
    struct fixture *f = *state;
    write_config(
        f, "listen = 127.0.0.1:1\nstation=file\n  watchdog-factor  =  0.25  \n# a comment\n\n");
    accept(f, WORDS("--listen=127.0.0.3:3"),
           WORDS("BURND_LISTEN=127.0.0.2:2", "BURND_STATION=env", "PATH=/bin"));
    assert_string_equal(f->config.listen, "127.0.0.3:3");
    assert_string_equal(f->config.station, "env");
    assert_true(f->config.watchdog_factor == 0.25);
}

static void a_list_of_a_higher_layer_replaces_the_lower(void **state)
{
    struct fixture *f = *state;
    write_config(f,
                 "root = a=/a\nroot = b=/b\nrecorder = file:/x.iso\nrecorder=file:/y.iso,id=y\n");
    accept(f, NONE, NONE);
    assert_int_equal(f->config.roots.count, 2);
    assert_string_equal(f->config.roots.items[1], "b=/b");
    assert_int_equal(f->config.recorders.count, 2);
    accept(f, WORDS("--root", "c=/c"),
           WORDS("BURND_RECORDER=file:/1.iso; file:/2.iso;file:/3.iso"));
    assert_int_equal(f->config.roots.count, 1);
    assert_string_equal(f->config.roots.items[0], "c=/c");
    assert_int_equal(f->config.recorders.count, 3);
    assert_string_equal(f->config.recorders.items[1], "file:/2.iso");
}

static void the_environment_can_name_the_file(void **state)
{
    struct fixture *f = *state;
    char variable[96];
    write_config(f, "station = here\n");
    snprintf(variable, sizeof variable, "BURND_CONFIG=%s", f->path);
    char path[64];
    snprintf(path, sizeof path, "%s", f->path);
    f->path[0] = '\0';
    accept(f, NONE, WORDS(variable));
    snprintf(f->path, sizeof f->path, "%s", path);
    assert_string_equal(f->config.station, "here");
}

static void mistakes_in_a_file_are_told_with_their_line(void **state)
{
    struct fixture *f = *state;
    refuse_file(f, "station = a\nlisten = nowhere\n", 2,
                "listen: \"nowhere\" is not ADDR:PORT, such as 127.0.0.1:8080 or [::1]:8080");
    refuse_file(f, "\n\nlisten 127.0.0.1:1\n", 3, "listen 127.0.0.1:1: not a `key = value` line");
    refuse_file(f, "colour = red\n", 1, "colour: unknown key");
    refuse_file(f, "station = a\nstation = b\n", 2, "station: given twice in this file");
    refuse_file(f, "check-config = true\n", 1,
                "check-config: does not stand in a file, only on the command line");
    refuse_file(f, "token = x\n", 1, "token: not available in this release");
    refuse_file(f, "insecure-no-auth = yes\n", 1,
                "insecure-no-auth: \"yes\" is neither true nor false");
    refuse_file(
        f, "listen = 0.0.0.0:80\n", 1,
        "listen: an address beyond loopback needs tokens, which this release does not have; "
        "listen on loopback");
}

static void a_bad_value_is_refused_even_when_a_flag_replaces_it(void **state)
{
    struct fixture *f = *state;
    refuse(f, WORDS("--max-clients", "5"), WORDS("BURND_MAX_CLIENTS=many"),
           "BURND_MAX_CLIENTS: \"many\" is not a number from 1 to 100000");
}

static void mistakes_in_the_environment_are_told_by_variable(void **state)
{
    struct fixture *f = *state;
    refuse(f, NONE, WORDS("BURND_LISTN=127.0.0.1:1"), "BURND_LISTN: unknown key");
    refuse(f, NONE, WORDS("BURND_LOG_LEVEL=loud"),
           "BURND_LOG_LEVEL: \"loud\" is none of error, warning, info, debug");
    accept(f, NONE, WORDS("BURND_WORKER_PAUSE=write=1", "BURND_BUILD=build/address", "BURN=1"));
}

static void mistakes_on_the_command_line_are_told_by_option(void **state)
{
    struct fixture *f = *state;
    refuse(f, WORDS("--colour"), NONE, "--colour: unknown option; see --help");
    refuse(f, WORDS("file.iso"), NONE, "file.iso: not an option; see --help");
    refuse(f, WORDS("--listen"), NONE, "--listen: wants a value");
    refuse(f, WORDS("--version=1"), NONE, "--version: takes no value");
    refuse(f, WORDS("--token", "x"), NONE,
           "--token: does not stand on the command line, only in a file");
    refuse(f, WORDS("--config", "/nonexistent"), NONE,
           "--config: /nonexistent cannot be opened: No such file or directory");
    refuse_flag(f, "--watchdog-factor", "nan", "--watchdog-factor: ");
    refuse_flag(f, "--watchdog-factor", "0", "--watchdog-factor: ");
    refuse_flag(f, "--station", "a\nb", "--station: ");
    refuse_flag(f, "--allowed-origin", "desk.example", "--allowed-origin: ");
    refuse_flag(f, "--allowed-origin", "http://desk.example/page", "--allowed-origin: ");
    refuse_flag(f, "--allowed-host", "a b", "--allowed-host: ");
    refuse_flag(f, "--state-dir", "", "--state-dir: ");
}

static void addresses_are_loopback_or_need_a_word(void **state)
{
    struct fixture *f = *state;
    accept(f, WORDS("--listen", "[::1]:0"), NONE);
    assert_string_equal(f->config.listen, "[::1]:0");
    accept(f, WORDS("--listen", "localhost:81"), NONE);
    assert_string_equal(f->config.listen, "127.0.0.1:81");
    accept(f, WORDS("--listen", "0.0.0.0:80", "--insecure-no-auth"), NONE);
    assert_true(f->config.insecure_no_auth);
    refuse_flag(f, "--listen", "0.0.0.0:80", "--listen: an address beyond loopback needs tokens");
    refuse_flag(f, "--listen", "[::]:80", "--listen: an address beyond loopback needs tokens");
    refuse_flag(f, "--listen", "127.0.0.1:65536", "--listen: ");
    refuse_flag(f, "--listen", "127.0.0.1", "--listen: ");
    refuse_flag(f, "--listen", "127.0.0.1:", "--listen: ");
    refuse_flag(f, "--listen", ":8080", "--listen: ");
    refuse_flag(f, "--listen", "::1:8080", "--listen: ");
    refuse_flag(f, "--listen", "127.1:80", "--listen: \"127.1\" is not a numeric address");
}

static void roots_have_names(void **state)
{
    struct fixture *f = *state;
    char folder[512];
    char expected[600];
    assert_non_null(getcwd(folder, sizeof folder));
    snprintf(expected, sizeof expected, "demo=%s/here", folder);
    accept(f, WORDS("--root", "demo=here"), NONE);
    assert_string_equal(f->config.roots.items[0], expected);
    refuse(f, WORDS("--root", "a=/x", "--root", "a=/y"), NONE, "--root: \"a\" is named twice");
    refuse_flag(f, "--root", "/srv", "--root: \"/srv\" is not NAME=PATH");
    refuse_flag(f, "--root", "a/b=/srv", "--root: \"a/b\" is no name");
    refuse_flag(f, "--root", "a:b=/srv", "--root: \"a:b\" is no name");
    refuse_flag(f, "--root", "=/srv", "--root: ");
}

static void only_file_recorders_exist(void **state)
{
    struct fixture *f = *state;
    accept(f, WORDS("--recorder", "file:/srv/a.iso,id=one,pool=desk,speed=1385"), NONE);
    refuse_flag(f, "--recorder", "auto", "--recorder: auto: optical drives are not available");
    refuse_flag(f, "--recorder", "/dev/sr0",
                "--recorder: /dev/sr0: optical drives are not available");
    refuse_flag(f, "--recorder", "virtual:cd-r",
                "--recorder: virtual:cd-r: virtual recorders are not");
    refuse_flag(f, "--recorder", "sr0", "--recorder: \"sr0\" is no recorder");
    refuse_flag(f, "--recorder", "file:", "--recorder: file: wants the path");
    refuse_flag(f, "--recorder", "file:/a,speed=fast", "--recorder: \"fast\" is no speed");
    refuse_flag(f, "--recorder", "file:/a,id=", "--recorder: \"\" is no id");
    refuse_flag(f, "--recorder", "file:/a,size=3", "--recorder: \"size=3\" is none of");
}

static void what_later_releases_have_is_refused_by_name(void **state)
{
    struct fixture *f = *state;
    refuse(f, WORDS("--tls-cert", "a"), NONE, "--tls-cert: not available in this release");
    refuse(f, WORDS("--tls-key", "a"), NONE, "--tls-key: not available in this release");
    refuse(f, WORDS("--hash-token"), NONE, "--hash-token: not available in this release");
    refuse(f, NONE, WORDS("BURND_TOKEN=x"), "BURND_TOKEN: not available in this release");
}

static void help_and_version_need_nothing_else_to_be_right(void **state)
{
    struct fixture *f = *state;
    accept(f, WORDS("--listen", "nonsense", "--help"), WORDS("BURND_X=1"));
    assert_int_equal(f->config.action, CONFIG_HELP);
    accept(f, WORDS("--version"), NONE);
    assert_int_equal(f->config.action, CONFIG_VERSION);
    accept(f, WORDS("--check-config"), NONE);
    assert_int_equal(f->config.action, CONFIG_CHECK);
    accept(f, WORDS("--healthcheck", "--listen", "127.0.0.1:9"), NONE);
    assert_int_equal(f->config.action, CONFIG_HEALTHCHECK);
    refuse_flag(f, "--check-config", "--listen", "--listen: wants a value");
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(defaults_are_those_of_the_manual),
        TEST(the_state_dir_follows_systemd_then_xdg_then_home),
        TEST(a_flag_beats_the_environment_beats_the_file),
        TEST(a_list_of_a_higher_layer_replaces_the_lower),
        TEST(the_environment_can_name_the_file),
        TEST(mistakes_in_a_file_are_told_with_their_line),
        TEST(a_bad_value_is_refused_even_when_a_flag_replaces_it),
        TEST(mistakes_in_the_environment_are_told_by_variable),
        TEST(mistakes_on_the_command_line_are_told_by_option),
        TEST(addresses_are_loopback_or_need_a_word),
        TEST(roots_have_names),
        TEST(only_file_recorders_exist),
        TEST(what_later_releases_have_is_refused_by_name),
        TEST(help_and_version_need_nothing_else_to_be_right),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
