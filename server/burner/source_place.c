/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * See source_place.h. Names are judged here, once for all ways by which something comes to the disc.
 */
#include "burner/source_place.h"

#include "base/alloc.h"
#include "base/utf8.h"
#include "burner/glob.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define NAME_BYTES_MAX 255
#define DISC_PATH_BYTES_MAX 4000

static int check_name(const struct source_node *parent, const char *name, struct error *err)
{
    const char *reason = NULL;
    char *folder = source_node_disc_path(parent);
    char *path = xasprintf("%s/%s", parent->parent == NULL ? "" : folder, name);
    if (strlen(name) > NAME_BYTES_MAX) {
        reason = "is longer than 255 bytes";
    } else if (!utf8_is_valid(name)) {
        reason = "is not valid UTF-8";
    } else if (strlen(path) > DISC_PATH_BYTES_MAX) {
        reason = "lies too deep";
    }
    int failed = 0;
    if (reason != NULL) {
        failed = error_set_path(err, ERROR_NAME_NOT_REPRESENTABLE, path, "the name %.200s %s", path,
                                reason);
    }
    free(path);
    free(folder);
    return failed;
}

bool source_is_excluded(const struct data_spec *data, const struct source_node *parent,
                        const char *name)
{
    if (data->exclude_count == 0) {
        return false;
    }
    char *folder = source_node_disc_path(parent);
    char *path = xasprintf("%s/%s", parent->parent == NULL ? "" : folder, name);
    bool found = false;
    for (size_t i = 0; i < data->exclude_count && !found; i++) {
        found = glob_matches(data->exclude[i], path + 1);
    }
    free(path);
    free(folder);
    return found;
}

void source_take_attributes(struct source_tree *tree, struct source_node *node,
                            const struct stat *info)
{
    node->has_source = true;
    node->mode = info->st_mode & 07777;
    node->uid = info->st_uid;
    node->gid = info->st_gid;
    node->mtime = info->st_mtim;
    node->device = info->st_dev;
    node->inode = info->st_ino;
    struct timespec *newest = &tree->newest;
    if (info->st_mtim.tv_sec > newest->tv_sec) {
        *newest = info->st_mtim;
    }
}

struct source_node *source_place(struct source_tree *tree, struct source_node *parent,
                                 const char *name, enum source_kind kind, size_t entry,
                                 struct error *err)
{
    if (check_name(parent, name, err) != 0) {
        return NULL;
    }
    struct source_node *old = source_tree_find(tree, parent, name);
    if (old != NULL && old->kind == SOURCE_FOLDER && kind == SOURCE_FOLDER) {
        return old;
    }
    if (old != NULL) {
        char *path = source_node_disc_path(old);
        error_set_path(err, ERROR_PATH_CONFLICT, path, "%s would be on the disc twice", path);
        snprintf(err->pointer, sizeof(err->pointer), "/data/entries/%zu/to", entry);
        free(path);
        return NULL;
    }
    struct source_node *node = source_tree_add(tree, parent, name, kind);
    node->entry = entry;
    return node;
}

/* Whether a part of `to` is what a path on the disc must not have. */
static int check_part(const char *to, const char *part, size_t length, struct error *err)
{
    if (length == 0 || (length == 1 && part[0] == '.') ||
        (length == 2 && memcmp(part, "..", 2) == 0)) {
        return error_set_path(
            err, ERROR_NAME_NOT_REPRESENTABLE, to,
            "%.300s is no path on the disc: it has an empty part, \".\" or \"..\"", to);
    }
    return 0;
}

struct source_node *source_place_folders(struct source_tree *tree, const struct data_spec *data,
                                         const char *to, size_t entry, char **last, bool *excluded,
                                         struct error *err)
{
    struct source_node *folder = tree->top;
    *last = NULL;
    *excluded = false;
    if (to[0] != '/') {
        error_set_path(err, ERROR_NAME_NOT_REPRESENTABLE, to, "the path %.300s must begin with '/'",
                       to);
        return NULL;
    }
    for (const char *part = to + 1;;) {
        const char *slash = strchr(part, '/');
        size_t length = slash == NULL ? strlen(part) : (size_t)(slash - part);
        char *name = xasprintf("%.*s", (int)length, part);
        if (slash == NULL) {
            *last = name;
            return length == 0 || check_part(to, part, length, err) == 0 ? folder : NULL;
        }
        *excluded = *excluded || (length > 0 && source_is_excluded(data, folder, name));
        struct source_node *next = NULL;
        if (check_part(to, part, length, err) == 0) {
            next = *excluded ? folder : source_place(tree, folder, name, SOURCE_FOLDER, entry, err);
        }
        free(name);
        if (next == NULL) {
            return NULL;
        }
        folder = next;
        part = slash + 1;
    }
}
