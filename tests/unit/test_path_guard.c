/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * Nothing is opened outside a root.
 */
#include "base/path_guard.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

static char folder[] = "/tmp/test_path_guard_XXXXXX";
static int root_fd = -1;

static void make_file(const char *name)
{
    int fd = open(name, O_WRONLY | O_CREAT, 0644);
    assert_true(fd >= 0);
    assert_int_equal(write(fd, name, strlen(name)), strlen(name));
    close(fd);
}

static int set_up(void **state)
{
    (void)state;
    assert_non_null(mkdtemp(folder));
    assert_int_equal(chdir(folder), 0);
    assert_int_equal(mkdir("root", 0755) | mkdir("root/d", 0755), 0);
    make_file("outside");
    make_file("root/d/f");
    assert_int_equal(symlink("d/f", "root/inside"), 0);
    assert_int_equal(symlink("../outside", "root/leaving"), 0);
    assert_int_equal(symlink("/etc/passwd", "root/absolute"), 0);
    assert_int_equal(symlink("nowhere", "root/dangling"), 0);
    assert_int_equal(symlink("loop", "root/loop"), 0);
    assert_int_equal(symlink("../d/f", "root/d/up"), 0);
    root_fd = open("root", O_PATH | O_DIRECTORY);
    assert_true(root_fd >= 0);
    return 0;
}

static int tear_down(void **state)
{
    (void)state;
    char command[100];
    close(root_fd);
    snprintf(command, sizeof(command), "rm -r %s", folder);
    assert_int_equal(chdir("/"), 0);
    return system(command) == 0 ? 0 : -1;
}

static void opens(const char *path)
{
    struct error err = ERROR_EMPTY;
    int fd = path_guard_open(root_fd, path, O_RDONLY, path, &err);
    assert_true(fd >= 0);
    close(fd);
}

static void refuses(const char *path, enum error_code code)
{
    struct error err = ERROR_EMPTY;
    int fd = path_guard_open(root_fd, path, O_RDONLY, path, &err);
    assert_int_equal(fd, -1);
    assert_string_equal(error_code_to_text(err.code), error_code_to_text(code));
    assert_string_equal(err.path, path);
}

static void what_lies_beneath_is_opened(void **state)
{
    (void)state;
    opens("d/f");
    opens("");
    opens("inside");
    opens("d/up");
    opens("./d//f");
}

static void what_leaves_is_refused(void **state)
{
    (void)state;
    refuses("../outside", ERROR_SOURCE_OUTSIDE_ROOT);
    refuses("d/../../outside", ERROR_SOURCE_OUTSIDE_ROOT);
    refuses("d/../d/f", ERROR_SOURCE_OUTSIDE_ROOT);
    refuses("d/..", ERROR_SOURCE_OUTSIDE_ROOT);
    refuses("/etc/passwd", ERROR_SOURCE_OUTSIDE_ROOT);
    refuses("leaving", ERROR_SOURCE_OUTSIDE_ROOT);
    refuses("absolute", ERROR_SOURCE_OUTSIDE_ROOT);
}

static void what_is_missing_is_missing(void **state)
{
    (void)state;
    refuses("nothing", ERROR_SOURCE_MISSING);
    refuses("d/f/x", ERROR_SOURCE_MISSING);
    refuses("dangling", ERROR_SOURCE_MISSING);
    refuses("loop", ERROR_SOURCE_MISSING);
}

static void dots_in_names_are_no_ladder(void **state)
{
    struct error err = ERROR_EMPTY;
    (void)state;
    assert_int_equal(path_guard_check("..a/b..", "x", &err), 0);
    assert_int_equal(path_guard_check("...", "x", &err), 0);
    assert_int_equal(path_guard_check("a/..", "x", &err), -1);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(what_lies_beneath_is_opened),
        cmocka_unit_test(what_leaves_is_refused),
        cmocka_unit_test(what_is_missing_is_missing),
        cmocka_unit_test(dots_in_names_are_no_ladder),
    };
    return cmocka_run_group_tests(tests, set_up, tear_down);
}
