/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * The patterns of `exclude`.
 */
#include "burner/glob.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <string.h>

#include <cmocka.h>

static void star_stays_within_a_folder(void **state)
{
    (void)state;
    assert_true(glob_matches("*.tmp", "a.tmp"));
    assert_true(glob_matches("*", "a"));
    assert_false(glob_matches("*.tmp", "a/b.tmp"));
    assert_true(glob_matches("a/*/c", "a/b/c"));
    assert_false(glob_matches("a/*/c", "a/b/b/c"));
    assert_false(glob_matches("a", "ab"));
    assert_false(glob_matches("", "a"));
    assert_true(glob_matches("", ""));
}

static void two_stars_cross_folders(void **state)
{
    (void)state;
    assert_true(glob_matches("**/.DS_Store", ".DS_Store"));
    assert_true(glob_matches("**/.DS_Store", "a/b/.DS_Store"));
    assert_false(glob_matches("**/.DS_Store", "a/x.DS_Store"));
    assert_true(glob_matches("a/**", "a/b/c"));
    assert_false(glob_matches("a/**", "a"));
    assert_true(glob_matches("a/**/z", "a/z"));
    assert_true(glob_matches("a/**/z", "a/b/c/z"));
    assert_false(glob_matches("a/**/z", "a/bz"));
    assert_true(glob_matches("**", "a/b"));
    assert_true(glob_matches("a**z", "a/b/z"));
}

static void sets_and_single_characters(void **state)
{
    (void)state;
    assert_true(glob_matches("f[0-9].o", "f7.o"));
    assert_false(glob_matches("f[!0-9].o", "f7.o"));
    assert_true(glob_matches("f[]x]", "f]"));
    assert_true(glob_matches("f[x", "f[x"));
    assert_false(glob_matches("a[/]b", "a/b"));
    assert_true(glob_matches("?.txt", "\xc3\xbc.txt"));
    assert_true(glob_matches("x?", "x\xe6\x97\xa5"));
    assert_false(glob_matches("?", "ab"));
    assert_false(glob_matches("a?b", "a/b"));
    assert_true(glob_matches("\\*", "*"));
    assert_false(glob_matches("\\*", "a"));
}

static void many_stars_take_no_time(void **state)
{
    (void)state;
    char pattern[401], path[4001];
    for (int i = 0; i < 400; i += 2) {
        memcpy(pattern + i, "*a", 2);
    }
    pattern[400] = '\0';
    memset(path, 'a', 4000);
    path[4000] = '\0';
    assert_true(glob_matches(pattern, path));
    path[3999] = 'b';
    assert_false(glob_matches(pattern, path));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(star_stays_within_a_folder),
        cmocka_unit_test(two_stars_cross_folders),
        cmocka_unit_test(sets_and_single_characters),
        cmocka_unit_test(many_stars_take_no_time),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
