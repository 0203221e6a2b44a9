/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * What a job has as files in the state directory: its log (JSON objects, a line each, written by
 * the core) and the progress items of its attempts (item_file.h, written by the worker). Both are
 * read in the pool.
 *
 * A path is put together only from ids that the store gave or that look exactly like ids of ours.
 */
#include "handlers.h"

#include "views.h"

#include "base/alloc.h"
#include "worker/item_file.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

struct file_request {
    int limit, copy;
    int64_t after, block; /* block -1 = not asked for */
    const char *path;     /* NULL = not asked for */
    bool has_attempt;
    char attempt[ID_SIZE]; /* the last one that has items */
    struct item_file *items;
};

static void release_request(void *state)
{
    struct file_request *request = state;
    if (request->items != NULL) {
        item_file_close(request->items);
    }
    free(request);
}

/* Limit and cursor are read; NULL: 400 was answered. */
static struct file_request *new_request(struct exchange *x)
{
    int limit = exchange_limit(x);
    int64_t after = limit < 0 ? -1 : handler_cursor(x);
    if (after < 0) {
        return NULL;
    }
    struct file_request *request = xcalloc(1, sizeof(*request));
    request->limit = limit;
    request->after = after;
    exchange_set_state(x, request, release_request);
    return request;
}

/* Pool: the reader, when the job is there; NULL: answered. */
static struct store_reader *reader_of_job(struct exchange *x)
{
    const char *id = exchange_path(x, 0);
    if (!handler_is_id(id, "job")) {
        handler_reply_not_found(x, "job", id);
        return NULL;
    }
    struct store_reader *reader = exchange_reader(x);
    return reader != NULL && handler_has_job(x, reader, id) ? reader : NULL;
}

/* --- log ----------------------------------------------------------------------------------- */

/* 0 stands for "of no copy" in the file. */
static json_t *log_line(const char *text, size_t length)
{
    static const char *const numbers[] = {"copy", "attempt"};
    json_t *line = json_loadb(text, length, 0, NULL);
    if (!json_is_object(line)) {
        json_decref(line);
        return NULL;
    }
    for (size_t i = 0; i < sizeof(numbers) / sizeof(numbers[0]); i++) {
        if (json_integer_value(json_object_get(line, numbers[i])) == 0) {
            json_object_set_new(line, numbers[i], json_null());
        }
    }
    return line;
}

/* Lines from `file` until the page is full; a last line without its end is still being written.
 * Returns the place where the next page begins, 0 = there is none. */
static int64_t take_lines(FILE *file, int limit, json_t *items)
{
    char *text = NULL;
    size_t capacity = 0;
    ssize_t length;
    int64_t next = 0;
    while ((length = getline(&text, &capacity, file)) > 0 && text[length - 1] == '\n') {
        if (json_array_size(items) == (size_t)limit) {
            next = ftello(file) - length;
            break;
        }
        json_t *line = log_line(text, (size_t)length);
        if (line != NULL) {
            json_array_append_new(items, line);
        }
    }
    free(text);
    return next;
}

static bool is_line_start(FILE *file, int64_t offset)
{
    return offset == 0 || (fseeko(file, offset - 1, SEEK_SET) == 0 && fgetc(file) == '\n');
}

static void reply_log(struct exchange *x, FILE *file, const struct file_request *request)
{
    if (!is_line_start(file, request->after)) {
        exchange_bad_query(x, "cursor", "is not one that an earlier page gave");
        return;
    }
    char cursor[24];
    json_t *items = json_array();
    int64_t next = take_lines(file, request->limit, items);
    snprintf(cursor, sizeof(cursor), "%" PRId64, next);
    exchange_reply_list(x, items, next > 0 ? cursor : NULL);
}

static void read_log(struct exchange *x)
{
    if (reader_of_job(x) == NULL) {
        return;
    }
    char *path = xasprintf("%s/jobs/%s/log", core_state_dir(exchange_core(x)), exchange_path(x, 0));
    FILE *file = fopen(path, "re");
    if (file != NULL) {
        reply_log(x, file, exchange_state(x));
        fclose(file);
    } else if (errno == ENOENT) {
        exchange_reply_list(x, json_array(), NULL); /* nothing was worth a line yet */
    } else {
        struct error err;
        error_set(&err, ERROR_INTERNAL, "the log of job %s cannot be read: %s", exchange_path(x, 0),
                  strerror(errno));
        exchange_reply_problem(x, &err, NULL);
    }
    free(path);
}

void handle_get_log(struct exchange *x)
{
    if (new_request(x) != NULL) {
        exchange_in_pool(x, read_log);
    }
}

/* --- items --------------------------------------------------------------------------------- */

static json_t *view_item(const struct item_file *file, int64_t index)
{
    struct item_view item;
    item_file_get(file, index, &item);
    json_t *also = json_array();
    const char *name = item.also;
    for (int64_t i = 0; i < item.also_count; i++) {
        json_array_append_new(also, view_text(name));
        name += strlen(name) + 1;
    }
    json_t *object = json_object();
    json_object_set_new(object, "index", json_integer(item.index));
    json_object_set_new(object, "kind", json_string(item_kind_to_text(item.kind)));
    json_object_set_new(object, "path", view_text(item.path));
    json_object_set_new(object, "first_block", json_integer(item.first_block));
    json_object_set_new(object, "last_block",
                        item.block_count > 0 ? json_integer(item.first_block + item.block_count - 1)
                                             : json_null());
    json_object_set_new(object, "block_count", json_integer(item.block_count));
    json_object_set_new(object, "also", also);
    return object;
}

static void reply_items(struct exchange *x, const struct item_file *file, json_t *owned_items,
                        int64_t next)
{
    json_t *body = json_object();
    json_object_set_new(body, "items", owned_items);
    json_object_set_new(body, "next_cursor",
                        next > 0 ? json_sprintf("%" PRId64, next) : json_null());
    json_object_set_new(body, "base_lba", json_integer(item_file_base_lba(file)));
    json_object_set_new(body, "blocks", json_integer(item_file_blocks(file)));
    exchange_reply_json(x, 200, body);
}

static void reply_no_such_item(struct exchange *x, const struct file_request *request)
{
    struct error err;
    if (request->path != NULL) {
        error_set(&err, ERROR_NO_SUCH_ITEM, "no item has the path %s", request->path);
    } else {
        error_set(&err, ERROR_NO_SUCH_ITEM, "block %" PRId64 " lies outside the session",
                  request->block);
    }
    exchange_reply_problem(x, &err, NULL);
}

/* A large file is several items. */
static void reply_items_of_path(struct exchange *x, const struct file_request *request)
{
    json_t *items = json_array();
    int64_t index = item_file_find_path(request->items, request->path), next = 0;
    while (index >= 0) {
        if (index >= request->after && json_array_size(items) == (size_t)request->limit) {
            next = index;
            break;
        }
        if (index >= request->after) {
            json_array_append_new(items, view_item(request->items, index));
        }
        index = item_file_next_of_path(request->items, index);
    }
    if (json_array_size(items) == 0 && request->after == 0) {
        json_decref(items);
        reply_no_such_item(x, request);
    } else {
        reply_items(x, request->items, items, next);
    }
}

static void reply_item_of_block(struct exchange *x, const struct file_request *request)
{
    int64_t index = item_file_find_block(request->items, request->block);
    if (index < 0) {
        reply_no_such_item(x, request);
        return;
    }
    json_t *items = json_array();
    json_array_append_new(items, view_item(request->items, index));
    reply_items(x, request->items, items, 0);
}

static void reply_all_items(struct exchange *x, const struct file_request *request)
{
    json_t *items = json_array();
    int64_t count = item_file_count(request->items), end = request->after + request->limit;
    for (int64_t i = request->after; i < count && i < end; i++) {
        json_array_append_new(items, view_item(request->items, i));
    }
    reply_items(x, request->items, items, end < count ? end : 0);
}

static bool take_attempt(const struct attempt_row *row, void *arg)
{
    struct file_request *request = arg;
    if (row->has_items) {
        memcpy(request->attempt, row->id, sizeof(request->attempt));
        request->has_attempt = true;
    }
    return true;
}

static bool note_copy(const struct copy_row *row, void *arg)
{
    (void)row;
    *(bool *)arg = true;
    return false;
}

/* Opens the items of the copy's last attempt that has them. -1: `err` (not_found, not_ready). */
static int open_items(struct exchange *x, struct store_reader *reader, struct file_request *request,
                      struct error *err)
{
    const char *job = exchange_path(x, 0);
    bool has_copy = false;
    if (store_copies(reader, job, request->copy, 0, 1, note_copy, &has_copy, err) != 0 ||
        store_attempts(reader, job, request->copy, 0, 0, INT32_MAX, take_attempt, request, err) !=
            0) {
        return -1;
    }
    if (!has_copy) {
        return error_set(err, ERROR_NOT_FOUND, "job %s has no copy %d", job, request->copy);
    }
    if (!request->has_attempt) {
        return error_set(err, ERROR_NOT_READY, "copy %d has no layout yet", request->copy);
    }
    char *path =
        xasprintf("%s/jobs/%s/%s/items", core_state_dir(exchange_core(x)), job, request->attempt);
    request->items = item_file_open(path, err);
    free(path);
    return request->items != NULL ? 0 : -1;
}

static void read_items(struct exchange *x)
{
    struct file_request *request = exchange_state(x);
    struct store_reader *reader = reader_of_job(x);
    struct error err = ERROR_EMPTY;
    if (reader == NULL) {
        return;
    }
    if (open_items(x, reader, request, &err) != 0) {
        exchange_reply_problem(x, &err, NULL);
    } else if (request->path != NULL) {
        reply_items_of_path(x, request);
    } else if (request->block >= 0) {
        reply_item_of_block(x, request);
    } else {
        reply_all_items(x, request);
    }
}

/* A number of the query, `fallback` when it is not given; -2: 400 was answered. */
static int64_t query_number(struct exchange *x, const char *name, int64_t least, int64_t fallback)
{
    const char *text = exchange_query(x, name);
    int64_t number = text == NULL ? fallback : handler_number(text, least);
    if (text != NULL && number < 0) {
        exchange_bad_query(x, name,
                           least > 0 ? "must be a number from 1 on" : "must be a number from 0 on");
        return -2;
    }
    return number;
}

void handle_list_items(struct exchange *x)
{
    struct file_request *request = new_request(x);
    if (request == NULL) {
        return;
    }
    int64_t copy = query_number(x, "copy", 1, 1);
    int64_t block = copy < 0 ? -2 : query_number(x, "block", 0, -1);
    request->path = exchange_query(x, "path");
    if (block == -2) {
        return;
    }
    if (copy > INT32_MAX) {
        exchange_bad_query(x, "copy", "is too large");
    } else if (block >= 0 && request->path != NULL) {
        exchange_bad_query(x, "path", "cannot be given together with block");
    } else {
        request->copy = (int)copy;
        request->block = block;
        exchange_in_pool(x, read_items);
    }
}
