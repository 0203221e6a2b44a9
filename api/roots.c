/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * /roots: the folders of this machine that jobs may read from, and what is in them. A folder is
 * opened beneath its root by path_guard (the kernel judges the path), read in the pool, and shown
 * by name. Links are shown as links and never followed to be looked at.
 *
 * A folder may hold more entries than memory should: only the names of the page asked for are kept
 * while it is read. A name that is no UTF-8 is shown repaired, with its bytes beside it; it has no
 * `source`, for a job document cannot name it.
 */
#include "handlers.h"

#include "views.h"

#include "base/alloc.h"
#include "base/path_guard.h"
#include "base/utf8.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define NAME_BYTES_MAX 255

/* --- roots --------------------------------------------------------------------------------- */

void handle_list_roots(struct exchange *x)
{
    const struct core_root *roots = NULL;
    size_t count = core_roots(exchange_core(x), &roots);
    int limit = exchange_limit(x);
    int64_t after = limit < 0 ? -1 : handler_cursor(x);
    if (after < 0) {
        return;
    }
    json_t *items = json_array();
    size_t i = (size_t)after;
    for (; i < count && json_array_size(items) < (size_t)limit; i++) {
        json_t *root = json_object();
        json_object_set_new(root, "name", view_text(roots[i].name));
        json_object_set_new(root, "available", json_boolean(roots[i].fd >= 0));
        json_object_set_new(root, "problem",
                            roots[i].fd >= 0 ? json_null() : view_problem(&roots[i].problem));
        json_array_append_new(items, root);
    }
    char cursor[24];
    snprintf(cursor, sizeof(cursor), "%zu", i);
    exchange_reply_list(x, items, i < count ? cursor : NULL);
}

/* --- the page of a folder ------------------------------------------------------------------ */

struct tree_request {
    const struct core_root *root;
    char *path; /* relative to the root, without slashes at its ends; "" = the root */
    char after[NAME_BYTES_MAX + 1];
    int limit;
    char **names; /* the first of the page, ascending; one more than it shows */
    size_t count;
};

static void release_tree(void *state)
{
    struct tree_request *request = state;
    for (size_t i = 0; i < request->count; i++) {
        free(request->names[i]);
    }
    free(request->names);
    free(request->path);
    free(request);
}

/* Where `name` belongs among those kept. */
static size_t place_of(const struct tree_request *request, const char *name)
{
    size_t low = 0, high = request->count;
    while (low < high) {
        size_t middle = (low + high) / 2;
        if (strcmp(request->names[middle], name) < 0) {
            low = middle + 1;
        } else {
            high = middle;
        }
    }
    return low;
}

static void keep_name(struct tree_request *request, const char *name)
{
    size_t most = (size_t)request->limit + 1, place = place_of(request, name);
    if (strcmp(name, request->after) <= 0 || place == most) {
        return;
    }
    if (request->count == most) {
        free(request->names[--request->count]);
    }
    memmove(&request->names[place + 1], &request->names[place],
            (request->count - place) * sizeof(*request->names));
    request->names[place] = xstrdup(name);
    request->count++;
}

static int read_names(DIR *folder, struct tree_request *request, const char *shown,
                      struct error *err)
{
    const struct dirent *entry;
    errno = 0;
    while ((entry = readdir(folder)) != NULL) {
        if (strcmp(entry->d_name, ".") != 0 && strcmp(entry->d_name, "..") != 0) {
            keep_name(request, entry->d_name);
        }
        errno = 0;
    }
    return errno == 0 ? 0 : path_guard_explain(errno, shown, err);
}

/* --- showing it ---------------------------------------------------------------------------- */

static json_t *hex_text(const char *bytes)
{
    char *text = xcalloc(strlen(bytes) * 2 + 1, 1);
    for (size_t i = 0; bytes[i] != '\0'; i++) {
        snprintf(text + 2 * i, 3, "%02x", (unsigned char)bytes[i]);
    }
    json_t *value = json_string(text);
    free(text);
    return value;
}

static const char *type_word(mode_t mode)
{
    return S_ISREG(mode)   ? "file"
           : S_ISDIR(mode) ? "directory"
           : S_ISLNK(mode) ? "symlink"
                           : "other";
}

/* Members of the file system; all null for an entry that vanished meanwhile. */
static void put_status(json_t *object, int folder_fd, const char *name)
{
    struct stat status;
    bool known = fstatat(folder_fd, name, &status, AT_SYMLINK_NOFOLLOW) == 0;
    json_object_set_new(object, "type", json_string(known ? type_word(status.st_mode) : "other"));
    json_object_set_new(object, "size_bytes",
                        known && S_ISREG(status.st_mode) ? json_integer(status.st_size)
                                                         : json_null());
    json_object_set_new(
        object, "modified_at",
        known ? view_time((int64_t)status.st_mtim.tv_sec * 1000 + status.st_mtim.tv_nsec / 1000000)
              : json_null());
}

static json_t *view_entry(const struct tree_request *request, int folder_fd, const char *name)
{
    json_t *object = json_object();
    const char *slash = request->path[0] != '\0' ? "/" : "";
    char *path = xasprintf("%s%s%s", request->path, slash, name);
    bool nameable = utf8_is_valid(name);
    json_object_set_new(object, "name", view_text(name));
    json_object_set_new(object, "path", view_text(path));
    json_object_set_new(object, "source",
                        nameable ? json_sprintf("root:%s/%s", request->root->name, path)
                                 : json_null());
    if (!nameable) {
        json_object_set_new(object, "name_bytes", hex_text(name));
    }
    put_status(object, folder_fd, name);
    free(path);
    return object;
}

/* The cursor is the last name shown, in hexadecimal: names need not be text. */
static void reply_names(struct exchange *x, const struct tree_request *request, int folder_fd)
{
    json_t *items = json_array();
    size_t shown =
        request->count > (size_t)request->limit ? (size_t)request->limit : request->count;
    for (size_t i = 0; i < shown; i++) {
        json_array_append_new(items, view_entry(request, folder_fd, request->names[i]));
    }
    json_t *cursor = shown < request->count ? hex_text(request->names[shown - 1]) : NULL;
    exchange_reply_list(x, items, json_string_value(cursor));
    json_decref(cursor);
}

/* -1: `err`; not_found for what is not there, which is a 404 here and no fault of a document. */
static int open_folder(const struct tree_request *request, const char *shown, struct error *err)
{
    if (request->root->fd < 0) {
        *err = request->root->problem;
        return -1;
    }
    int fd = path_guard_open(request->root->fd, request->path, O_PATH, shown, err);
    struct stat status;
    if (fd >= 0 && fstat(fd, &status) == 0 && !S_ISDIR(status.st_mode)) {
        close(fd);
        return error_set_path(err, ERROR_SOURCE_NOT_REGULAR, shown, "%s is not a folder", shown);
    }
    if (fd >= 0) {
        close(fd);
        fd = path_guard_open(request->root->fd, request->path, O_RDONLY | O_DIRECTORY, shown, err);
    }
    if (fd < 0 && err->code == ERROR_SOURCE_MISSING) {
        err->code = ERROR_NOT_FOUND;
    }
    return fd;
}

static void read_tree(struct exchange *x)
{
    struct tree_request *request = exchange_state(x);
    struct error err = ERROR_EMPTY;
    char *shown = xasprintf("root:%s/%s", request->root->name, request->path);
    int fd = open_folder(request, shown, &err);
    DIR *folder = fd >= 0 ? fdopendir(fd) : NULL;
    if (fd >= 0 && folder == NULL) {
        path_guard_explain(errno, shown, &err);
        close(fd);
    }
    if (folder == NULL || read_names(folder, request, shown, &err) != 0) {
        exchange_reply_problem(x, &err, NULL);
    } else {
        reply_names(x, request, dirfd(folder));
    }
    if (folder != NULL) {
        closedir(folder);
    }
    free(shown);
}

/* --- the request --------------------------------------------------------------------------- */

static const struct core_root *find_root(struct exchange *x, const char *name)
{
    const struct core_root *roots = NULL;
    size_t count = core_roots(exchange_core(x), &roots);
    for (size_t i = 0; i < count; i++) {
        if (strcmp(roots[i].name, name) == 0) {
            return &roots[i];
        }
    }
    return NULL;
}

/* -1: no hexadecimal name. */
static int name_from_hex(const char *text, char out[NAME_BYTES_MAX + 1])
{
    size_t digits = strspn(text, "0123456789abcdef");
    if (text[digits] != '\0' || digits % 2 != 0 || digits > 2 * NAME_BYTES_MAX) {
        return -1;
    }
    for (size_t i = 0; i < digits / 2; i++) {
        char pair[3] = {text[2 * i], text[2 * i + 1], '\0'};
        out[i] = (char)strtoul(pair, NULL, 16);
    }
    out[digits / 2] = '\0';
    return 0;
}

static char *trimmed_path(const char *path)
{
    path += strspn(path, "/");
    char *copy = xstrdup(path);
    size_t length = strlen(copy);
    while (length > 0 && copy[length - 1] == '/') {
        copy[--length] = '\0';
    }
    return copy;
}

void handle_list_root_tree(struct exchange *x)
{
    const char *path = exchange_query(x, "path"), *cursor = exchange_query(x, "cursor");
    const struct core_root *root = find_root(x, exchange_path(x, 0));
    char after[NAME_BYTES_MAX + 1] = "";
    int limit = exchange_limit(x);
    if (limit < 0) {
        return;
    }
    if (root == NULL) {
        handler_reply_not_found(x, "root", exchange_path(x, 0));
        return;
    }
    if (cursor != NULL && name_from_hex(cursor, after) != 0) {
        exchange_bad_query(x, "cursor", "is not one that an earlier page gave");
        return;
    }
    struct tree_request *request = xcalloc(1, sizeof(*request));
    request->root = root;
    request->path = trimmed_path(path != NULL ? path : "");
    request->limit = limit;
    request->names = xcalloc((size_t)limit + 2, sizeof(*request->names));
    memcpy(request->after, after, sizeof(after));
    exchange_set_state(x, request, release_tree);
    exchange_in_pool(x, read_tree);
}
