/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * The item file: what is written is found again, what is damaged is an error.
 */
#include "worker/item_file.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

static char folder[] = "/tmp/test_item_file_XXXXXX";

static int set_up(void **state)
{
    (void)state;
    return mkdtemp(folder) != NULL && chdir(folder) == 0 ? 0 : -1;
}

static int tear_down(void **state)
{
    (void)state;
    unlink("items");
    unlink("digests");
    return chdir("/") == 0 && rmdir(folder) == 0 ? 0 : -1;
}

static char metadata[] = "[metadata]", padding[] = "[padding]", one[] = "/one", large[] = "/large",
            linked[] = "/linked", other[] = "/other", empty_a[] = "/empty/a",
            empty_b[] = "/empty/b";

static void write_example(void)
{
    char *also[] = {linked, other};
    struct item items[] = {
        {ITEM_PADDING, padding, 1120, 30, 61440, NULL, 0},
        {ITEM_FILE, large, 1030, 70, 143360, also, 2},
        {ITEM_FILE, one, 1020, 10, 20000, NULL, 0},
        {ITEM_FILE, large, 1100, 20, 40000, also, 2},
        {ITEM_METADATA, metadata, 1000, 20, 40960, NULL, 0},
        {ITEM_FILE, empty_b, 1020, 0, 0, NULL, 0},
        {ITEM_FILE, empty_a, 1020, 0, 0, NULL, 0},
    };
    struct error err = ERROR_EMPTY;
    assert_int_equal(item_file_write("items", items, 7, 1000, 150, &err), 0);
}

static struct item_file *open_example(void)
{
    struct error err = ERROR_EMPTY;
    write_example();
    struct item_file *file = item_file_open("items", &err);
    assert_non_null(file);
    return file;
}

static void blocks_are_found(void **state)
{
    (void)state;
    struct item_file *file = open_example();
    const struct {
        int64_t block;
        const char *path;
    } cases[] = {{1000, metadata}, {1019, metadata}, {1020, one},     {1029, one},
                 {1030, large},    {1119, large},    {1120, padding}, {1149, padding}};
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        struct item_view view;
        int64_t index = item_file_find_block(file, cases[i].block);
        assert_true(index >= 0);
        item_file_get(file, index, &view);
        assert_string_equal(view.path, cases[i].path);
    }
    assert_int_equal(item_file_find_block(file, 999), -1);
    assert_int_equal(item_file_find_block(file, 1150), -1);
    assert_int_equal(item_file_find_block(file, -1), -1);
    assert_int_equal(item_file_base_lba(file), 1000);
    assert_int_equal(item_file_blocks(file), 150);
    assert_int_equal(item_file_count(file), 7);
    item_file_close(file);
}

static void paths_are_found(void **state)
{
    (void)state;
    struct item_file *file = open_example();
    struct item_view view;
    const char *names[] = {large, linked, other};
    for (int i = 0; i < 3; i++) {
        int64_t index = item_file_find_path(file, names[i]);
        item_file_get(file, index, &view);
        assert_int_equal(view.first_block, 1030);
        index = item_file_next_of_path(file, index);
        item_file_get(file, index, &view);
        assert_int_equal(view.first_block, 1100);
        assert_int_equal(item_file_next_of_path(file, index), -1);
    }
    assert_int_equal(view.also_count, 2);
    assert_string_equal(view.also, linked);
    assert_string_equal(view.also + strlen(linked) + 1, other);
    item_file_get(file, item_file_find_path(file, empty_b), &view);
    assert_int_equal(view.block_count, 0);
    assert_int_equal(item_file_find_path(file, "/none"), -1);
    assert_int_equal(item_file_find_path(file, ""), -1);
    item_file_close(file);
}

static void an_empty_session_is_a_file_too(void **state)
{
    struct error err = ERROR_EMPTY;
    (void)state;
    assert_int_equal(item_file_write("items", NULL, 0, 0, 0, &err), 0);
    struct item_file *file = item_file_open("items", &err);
    assert_non_null(file);
    assert_int_equal(item_file_find_block(file, 0), -1);
    assert_int_equal(item_file_find_path(file, "/"), -1);
    item_file_close(file);
}

static size_t load(uint8_t *out, size_t room)
{
    FILE *in = fopen("items", "rb");
    size_t size = fread(out, 1, room, in);
    fclose(in);
    return size;
}

static void store(const uint8_t *data, size_t size)
{
    FILE *out = fopen("items", "wb");
    assert_int_equal(fwrite(data, 1, size, out), size);
    fclose(out);
}

/* Whatever opens must also be safe to use. */
static void use(struct item_file *file)
{
    struct item_view view;
    for (int64_t i = 0; i < item_file_count(file); i++) {
        item_file_get(file, i, &view);
        size_t length = strlen(view.path);
        const char *also = view.also;
        for (int64_t j = 0; j < view.also_count; j++) {
            length += strlen(also);
            also += strlen(also) + 1;
        }
        assert_true(length < 100000);
        item_file_next_of_path(file, i);
    }
    item_file_find_block(file, 1040);
    item_file_find_path(file, large);
}

static void damage_is_an_error_and_never_a_fault(void **state)
{
    (void)state;
    uint8_t good[4096], bad[4096];
    write_example();
    size_t size = load(good, sizeof(good));
    assert_true(size > 200 && size < sizeof(good));
    for (size_t i = 0; i < size; i++) {
        for (int value = 0; value < 3; value++) {
            struct error err = ERROR_EMPTY;
            memcpy(bad, good, size);
            bad[i] = value == 0 ? 0xff : value == 1 ? 0x80 : (uint8_t)(good[i] + 1);
            store(bad, size);
            struct item_file *file = item_file_open("items", &err);
            if (file == NULL) {
                assert_int_not_equal(err.code, ERROR_NONE);
            } else {
                use(file);
                item_file_close(file);
            }
        }
    }
    for (size_t i = 0; i < size; i++) {
        struct error err = ERROR_EMPTY;
        store(good, i);
        assert_null(item_file_open("items", &err));
    }
}

static void digests_come_back(void **state)
{
    (void)state;
    struct error err = ERROR_EMPTY;
    struct item_digest digests[3] = {{.has_content = 1, .content = {1, 2}},
                                     {.has_edges = 1, .last = {7}}};
    struct item_digest *read = NULL;
    uint8_t head[32] = {9}, got[32];
    size_t count = 0;
    assert_int_equal(digest_file_write("digests", digests, 3, head, &err), 0);
    assert_int_equal(digest_file_read("digests", &read, &count, got, &err), 0);
    assert_int_equal(count, 3);
    assert_memory_equal(read, digests, sizeof(digests));
    assert_memory_equal(got, head, 32);
    free(read);
    assert_int_equal(truncate("digests", 100), 0);
    assert_int_equal(digest_file_read("digests", &read, &count, got, &err), -1);
    assert_null(read);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(blocks_are_found),
        cmocka_unit_test(paths_are_found),
        cmocka_unit_test(an_empty_session_is_a_file_too),
        cmocka_unit_test(damage_is_an_error_and_never_a_fault),
        cmocka_unit_test(digests_come_back),
    };
    return cmocka_run_group_tests(tests, set_up, tear_down);
}
