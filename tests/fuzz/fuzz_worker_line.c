/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * What a worker and a worker's folder hand to burnd: lines, requests, what the store keeps of them,
 * and the files `items` and `digests`. What is understood must be understood again after it was
 * written out. Input that begins with '{' or '[' is text, else it is a file as well.
 */
#include "worker/item_file.h"
#include "worker/worker_protocol.h"

#include <assert.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void read_line(const char *text, size_t size)
{
    struct worker_line line;
    struct error err = ERROR_EMPTY;
    if (worker_line_decode(text, size, &line, &err) != 0) {
        assert(err.code != ERROR_NONE);
        return;
    }
    char *again = worker_line_encode(&line);
    worker_line_release(&line);
    int result = worker_line_decode(again, strlen(again), &line, &err);
    assert(result == 0);
    char *twice = worker_line_encode(&line);
    assert(strcmp(again, twice) == 0);
    worker_line_release(&line);
    free(again);
    free(twice);
}

static void read_request(const char *text, size_t size)
{
    struct worker_request request;
    struct error err = ERROR_EMPTY;
    if (worker_request_decode(text, size, &request, &err) != 0) {
        assert(err.code != ERROR_NONE);
        return;
    }
    char *again = worker_request_encode(&request);
    worker_request_release(&request);
    int result = worker_request_decode(again, strlen(again), &request, &err);
    assert(result == 0);
    worker_request_release(&request);
    free(again);
}

static void read_stored(const char *text)
{
    struct error err = ERROR_EMPTY;
    struct plan *plan = calloc(1, sizeof(*plan));
    struct medium medium;
    struct warning warnings[WARNINGS_MAX];
    size_t count = 0;
    assert(plan != NULL);
    if (error_decode(text, &err) == 0) {
        free(error_encode(&err));
    }
    if (plan_decode(text, plan) == 0) {
        assert(plan->error_count <= PLAN_ERRORS_MAX && plan->warning_count <= WARNINGS_MAX);
        free(plan_encode(plan));
    }
    if (medium_decode(text, &medium) == 0) {
        free(medium_encode(&medium));
    }
    if (warnings_decode(text, warnings, &count) == 0) {
        assert(count <= WARNINGS_MAX);
        free(warnings_encode(warnings, count));
    }
    free(plan);
}

static void search_items(const struct item_file *file)
{
    size_t bytes = 0;
    int64_t base_lba = item_file_base_lba(file), blocks = item_file_blocks(file);
    int64_t probes[] = {INT64_MIN,         -1,       0, base_lba, base_lba + blocks / 2,
                        base_lba + blocks, INT64_MAX};
    for (int64_t i = 0; i < item_file_count(file); i++) {
        struct item_view view;
        item_file_get(file, i, &view);
        assert(item_kind_to_text(view.kind) != NULL);
        bytes += strlen(view.path);
        const char *also = view.also;
        for (int64_t k = 0; k < view.also_count; k++) {
            bytes += strlen(also);
            also += strlen(also) + 1;
        }
        assert(item_file_find_path(file, view.path) >= -1);
        assert(item_file_next_of_path(file, i) < item_file_count(file));
        if (view.block_count > 0) {
            int64_t found = item_file_find_block(file, view.first_block);
            assert(found >= -1 && found < item_file_count(file));
        }
    }
    for (size_t i = 0; i < sizeof(probes) / sizeof(probes[0]); i++) {
        assert(item_file_find_block(file, probes[i]) < item_file_count(file));
    }
    assert(item_file_find_path(file, "/not there") < item_file_count(file) && bytes < SIZE_MAX);
}

static void read_files(const uint8_t *data, size_t size)
{
    static int fd = -1;
    static char path[64];
    struct error err = ERROR_EMPTY;
    struct item_digest *digests;
    uint8_t metadata_sha256[32];
    size_t count;
    if (fd < 0) {
        fd = memfd_create("fuzz", MFD_CLOEXEC);
        snprintf(path, sizeof(path), "/proc/self/fd/%d", fd);
    }
    assert(ftruncate(fd, 0) == 0 && pwrite(fd, data, size, 0) == (ssize_t)size);
    struct item_file *file = item_file_open(path, &err);
    if (file != NULL) {
        search_items(file);
        item_file_close(file);
    }
    if (digest_file_read(path, &digests, &count, metadata_sha256, &err) == 0) {
        assert(count * sizeof(*digests) < size);
        free(digests);
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    if (size > WORKER_LINE_MAX) {
        return 0;
    }
    char *text = malloc(size + 1);
    assert(text != NULL);
    memcpy(text, data, size);
    text[size] = '\0';
    read_line((const char *)data, size);
    read_request((const char *)data, size);
    read_stored(text);
    free(text);
    if (size > 0 && data[0] != '{' && data[0] != '[') {
        read_files(data, size);
    }
    return 0;
}
