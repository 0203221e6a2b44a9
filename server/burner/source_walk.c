/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * See source_walk.h. Folders wait on a stack of visits; one folder is open at a time. A visit's folder
 * is opened from the root's descriptor by path_guard_open(), its entries are judged by name within that
 * descriptor without following anything. Links that are to be followed go back to the root's descriptor
 * with their whole path, so that the kernel decides what is beneath.
 *
 * Errors do not end the walk: up to PLAN_ERRORS_MAX are collected, each with the pointer of the entry it
 * came by.
 */
#include "burner/source_walk.h"

#include "base/alloc.h"
#include "base/clock.h"
#include "base/path_guard.h"
#include "burner/channel.h"
#include "burner/source_place.h"
#include "burner/source_root.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define BLOCKS_MAX INT64_C(0xFFFFFFFF)       /* ISO 9660 has addresses of 32 bits */
#define EXTENT_BYTES_MAX INT64_C(0xFFFFFFFF) /* and sizes of 32 bits below level 3 */

/* A source folder whose entries go into `into`. */
struct visit {
    struct visit *below;  /* on the stack */
    struct visit *parent; /* by which it was reached: for loops */
    struct visit *all;    /* every visit, to free them */
    struct source_node *into;
    size_t root, entry;
    char *path;
    dev_t device;
    ino_t inode;
    bool through_link;
};

struct walk {
    const struct worker_request *request;
    struct source_tree *tree;
    struct visit *stack, *all;
    int64_t deadline_ms;
    int64_t seen, told_ms;
    bool canceled;
};

/* --- what went wrong ----------------------------------------------------------------------- */

static void note_error(struct walk *walk, const struct error *trouble, size_t entry,
                       const char *member)
{
    if (walk->tree->error_count == PLAN_ERRORS_MAX) {
        return;
    }
    struct error *kept = &walk->tree->errors[walk->tree->error_count++];
    *kept = *trouble;
    if (kept->pointer[0] == '\0') {
        snprintf(kept->pointer, sizeof(kept->pointer), "/data/entries/%zu/%s", entry, member);
    }
}

/* A source that cannot be read: an error, or passed over with a warning when the request says so. */
static void note_unreadable(struct walk *walk, const struct error *trouble, size_t entry,
                            bool named)
{
    if (!named && trouble->code == ERROR_SOURCE_UNREADABLE &&
        walk->request->data.on_unreadable == UNREADABLE_SKIP) {
        warning_count(walk->tree->warnings, &walk->tree->warning_count, "source_unreadable",
                      "files that burnd may not read are left out", "/data/on_unreadable",
                      trouble->path);
        return;
    }
    note_error(walk, trouble, entry, "from");
}

static char *shown_path(const struct walk *walk, size_t root, const char *path)
{
    return xasprintf("root:%s/%s", walk->request->roots[root].name, path);
}

static char *join(const char *folder, const char *name)
{
    bool bare = folder[0] == '\0' || strcmp(folder, ".") == 0;
    return bare ? xstrdup(name) : xasprintf("%s/%s", folder, name);
}

/* --- putting files and folders into the tree ----------------------------------------------- */

static void push_visit(struct walk *walk, struct visit *parent, size_t root, size_t entry,
                       char *owned_path, struct source_node *into, const struct stat *info,
                       bool through_link)
{
    struct visit *visit = xcalloc(1, sizeof(*visit));
    *visit = (struct visit){
        .below = walk->stack,
        .parent = parent,
        .all = walk->all,
        .into = into,
        .root = root,
        .entry = entry,
        .path = owned_path,
        .device = info->st_dev,
        .inode = info->st_ino,
        .through_link = through_link,
    };
    walk->stack = visit;
    walk->all = visit;
}

static int check_size(const struct walk *walk, const char *shown, int64_t size, struct error *err)
{
    if (size > EXTENT_BYTES_MAX && walk->request->data.iso_level < 3) {
        error_set_path(err, ERROR_MODE_UNSUPPORTED, shown,
                       "%.300s has 4 GiB or more, which needs iso_level 3", shown);
        snprintf(err->pointer, sizeof(err->pointer), "/data/filesystem/iso_level");
        return -1;
    }
    return 0;
}

static bool is_readable(int folder_fd, const char *name)
{
    return faccessat(folder_fd, name, R_OK, AT_EACCESS) == 0 || errno != EACCES;
}

static int put_file(struct walk *walk, struct source_node *parent, const char *name, size_t root,
                    size_t entry, const char *path, const struct stat *info, bool through_link,
                    struct error *err)
{
    char *shown = shown_path(walk, root, path);
    struct source_node *node = NULL;
    if (check_size(walk, shown, info->st_size, err) == 0) {
        node = source_place(walk->tree, parent, name, SOURCE_FILE, entry, err);
    }
    free(shown);
    if (node == NULL) {
        return -1;
    }
    source_take_attributes(walk->tree, node, info);
    node->size = info->st_size;
    node->root = root;
    node->source_path = xstrdup(path);
    node->through_link = through_link;
    walk->tree->content_bytes += info->st_size;
    return 0;
}

/* --- walking ------------------------------------------------------------------------------- */

static bool is_loop(const struct visit *visit, const struct stat *info)
{
    for (; visit != NULL; visit = visit->parent) {
        if (visit->device == info->st_dev && visit->inode == info->st_ino) {
            return true;
        }
    }
    return false;
}

static int put_link(struct walk *walk, const struct visit *visit, int folder_fd, const char *name,
                    const struct stat *info, const char *shown, struct error *err)
{
    char target[4096];
    ssize_t length = readlinkat(folder_fd, name, target, sizeof(target) - 1);
    if (length < 0) {
        return path_guard_explain(errno, shown, err);
    }
    target[length] = '\0';
    struct source_node *node =
        source_place(walk->tree, visit->into, name, SOURCE_LINK, visit->entry, err);
    if (node == NULL) {
        return -1;
    }
    source_take_attributes(walk->tree, node, info);
    node->text = xstrdup(target);
    return 0;
}

static int take_special(struct walk *walk, const char *shown)
{
    warning_count(walk->tree->warnings, &walk->tree->warning_count, "source_not_regular",
                  "devices, sockets and pipes are left out", "/data/entries", shown);
    return 0;
}

static int take_found(struct walk *walk, struct visit *visit, int folder_fd, const char *name,
                      const char *path, const char *shown, const struct stat *info,
                      bool through_link, struct error *err)
{
    if (S_ISREG(info->st_mode)) {
        if (!through_link && !is_readable(folder_fd, name)) {
            return path_guard_explain(EACCES, shown, err);
        }
        return put_file(walk, visit->into, name, visit->root, visit->entry, path, info,
                        through_link, err);
    }
    if (!S_ISDIR(info->st_mode)) {
        return take_special(walk, shown);
    }
    if (is_loop(visit, info)) {
        return error_set_path(err, ERROR_SOURCE_MISSING, shown, "the link %.300s leads in a circle",
                              shown);
    }
    struct source_node *node =
        source_place(walk->tree, visit->into, name, SOURCE_FOLDER, visit->entry, err);
    if (node == NULL) {
        return -1;
    }
    if (!node->has_source) {
        source_take_attributes(walk->tree, node, info);
    }
    push_visit(walk, visit, visit->root, visit->entry, xstrdup(path), node, info, through_link);
    return 0;
}

/* A link that is to be followed: what it leads to is opened to be looked at, and to know that it can. */
static int follow_link(struct walk *walk, struct visit *visit, const char *name, const char *path,
                       const char *shown, struct error *err)
{
    struct stat info;
    int root_fd = walk->request->roots[visit->root].fd;
    int fd = path_guard_open(root_fd, path, O_PATH, shown, err);
    if (fd < 0) {
        return -1;
    }
    int failed = fstat(fd, &info) != 0 ? path_guard_explain(errno, shown, err) : 0;
    close(fd);
    if (failed == 0 && S_ISREG(info.st_mode)) {
        fd = path_guard_open(root_fd, path, O_RDONLY | O_NONBLOCK | O_NOCTTY, shown, err);
        failed = fd < 0 ? -1 : 0;
        if (fd >= 0) {
            close(fd);
        }
    }
    return failed != 0 ? -1 : take_found(walk, visit, -1, name, path, shown, &info, true, err);
}

static int take_entry(struct walk *walk, struct visit *visit, int folder_fd, const char *name,
                      const char *path, const char *shown, struct error *err)
{
    struct stat info;
    if (fstatat(folder_fd, name, &info, AT_SYMLINK_NOFOLLOW) != 0) {
        return path_guard_explain(errno, shown, err);
    }
    if (!S_ISLNK(info.st_mode)) {
        return take_found(walk, visit, folder_fd, name, path, shown, &info, false, err);
    }
    switch (walk->request->data.symlinks) {
    case SYMLINKS_KEEP:
        return put_link(walk, visit, folder_fd, name, &info, shown, err);
    case SYMLINKS_FOLLOW:
        return follow_link(walk, visit, name, path, shown, err);
    case SYMLINKS_SKIP:
    case SYMLINKS_COUNT:
        break;
    }
    return 0;
}

static bool go_on(struct walk *walk, const char *path)
{
    walk->seen++;
    if (walk->seen % 64 != 1) {
        return !walk->canceled;
    }
    int64_t now = clock_monotonic_ms();
    if (channel_is_canceled() || (walk->deadline_ms > 0 && now > walk->deadline_ms)) {
        walk->canceled = true;
    }
    if (now - walk->told_ms >= 100) {
        walk->told_ms = now;
        struct worker_line line = {.kind = LINE_STAGE,
                                   .stage = {.completed = walk->seen, .total = -1}};
        text_copy(line.stage.unit, sizeof(line.stage.unit), "entries");
        text_copy(line.stage.current_path, sizeof(line.stage.current_path), path);
        channel_send_progress(&line);
    }
    return !walk->canceled;
}

static void visit_entries(struct walk *walk, struct visit *visit, DIR *folder)
{
    struct dirent *found;
    while ((found = readdir(folder)) != NULL && go_on(walk, visit->path)) {
        if (strcmp(found->d_name, ".") == 0 || strcmp(found->d_name, "..") == 0 ||
            source_is_excluded(&walk->request->data, visit->into, found->d_name)) {
            continue;
        }
        struct error trouble = ERROR_EMPTY;
        char *path = join(visit->path, found->d_name);
        char *shown = shown_path(walk, visit->root, path);
        if (take_entry(walk, visit, dirfd(folder), found->d_name, path, shown, &trouble) != 0) {
            note_unreadable(walk, &trouble, visit->entry, false);
        }
        free(shown);
        free(path);
    }
}

static void run_visit(struct walk *walk, struct visit *visit)
{
    struct error trouble = ERROR_EMPTY;
    char *shown = shown_path(walk, visit->root, visit->path);
    int flags = O_RDONLY | O_DIRECTORY | O_NONBLOCK | (visit->through_link ? 0 : O_NOFOLLOW);
    int fd =
        path_guard_open(walk->request->roots[visit->root].fd, visit->path, flags, shown, &trouble);
    DIR *folder = fd < 0 ? NULL : fdopendir(fd);
    if (folder == NULL) {
        note_unreadable(walk, &trouble, visit->entry, visit->parent == NULL);
        if (fd >= 0) {
            close(fd);
        }
    } else {
        visit_entries(walk, visit, folder);
        closedir(folder);
    }
    free(shown);
}

/* --- entries of the request ---------------------------------------------------------------- */

static void take_text(struct walk *walk, size_t entry)
{
    const struct data_entry *given = &walk->request->data.entries[entry];
    struct error trouble = ERROR_EMPTY;
    char *last = NULL;
    bool excluded = false;
    struct source_node *folder = source_place_folders(walk->tree, &walk->request->data, given->to,
                                                      entry, &last, &excluded, &trouble);
    struct source_node *node = NULL;
    if (folder != NULL && last[0] == '\0') {
        error_set_path(&trouble, ERROR_NAME_NOT_REPRESENTABLE, given->to,
                       "a text needs the name of a file, %.300s is a folder", given->to);
    } else if (folder != NULL &&
               (excluded || source_is_excluded(&walk->request->data, folder, last))) {
        free(last);
        return;
    } else if (folder != NULL) {
        node = source_place(walk->tree, folder, last, SOURCE_TEXT, entry, &trouble);
    }
    if (node == NULL) {
        note_error(walk, &trouble, entry, "to");
    } else {
        node->text = xstrdup(given->text);
        node->size = (int64_t)strlen(given->text);
        node->mode = 0644;
        walk->tree->content_bytes += node->size;
    }
    free(last);
}

/* The last part of a source's path: the name of a file whose `to` ends in '/'. */
static const char *base_name(const char *path)
{
    const char *slash = strrchr(path, '/');
    return slash == NULL ? path : slash + 1;
}

static void graft_folder(struct walk *walk, size_t entry, size_t root, const char *path,
                         struct source_node *parent, const char *last, const struct stat *info)
{
    struct error trouble = ERROR_EMPTY;
    struct source_node *into = parent;
    if (last[0] != '\0') {
        if (source_is_excluded(&walk->request->data, parent, last)) {
            return;
        }
        into = source_place(walk->tree, parent, last, SOURCE_FOLDER, entry, &trouble);
    }
    if (into == NULL) {
        note_error(walk, &trouble, entry, "to");
        return;
    }
    if (!into->has_source) {
        source_take_attributes(walk->tree, into, info);
    }
    push_visit(walk, NULL, root, entry, xstrdup(path), into, info, true);
}

/* `from` was opened: a folder is visited later, a file goes in now, anything else is an error. */
static void graft(struct walk *walk, size_t entry, size_t root, const char *path,
                  const struct stat *info)
{
    const struct data_entry *given = &walk->request->data.entries[entry];
    struct error trouble = ERROR_EMPTY;
    char *last = NULL;
    bool excluded = false;
    if (!S_ISDIR(info->st_mode) && !S_ISREG(info->st_mode)) {
        error_set_path(&trouble, ERROR_SOURCE_NOT_REGULAR, given->from,
                       "%.300s is neither a file nor a folder", given->from);
        note_error(walk, &trouble, entry, "from");
        return;
    }
    struct source_node *parent = source_place_folders(walk->tree, &walk->request->data, given->to,
                                                      entry, &last, &excluded, &trouble);
    if (parent == NULL) {
        note_error(walk, &trouble, entry, "to");
    } else if (S_ISDIR(info->st_mode) && !excluded) {
        graft_folder(walk, entry, root, path, parent, last, info);
    } else if (!excluded) {
        const char *name = last[0] == '\0' ? base_name(path) : last;
        if (!source_is_excluded(&walk->request->data, parent, name) &&
            put_file(walk, parent, name, root, entry, path, info, true, &trouble) != 0) {
            note_error(walk, &trouble, entry,
                       trouble.code == ERROR_NAME_NOT_REPRESENTABLE ? "to" : "from");
        }
    }
    free(last);
}

static void take_from(struct walk *walk, size_t entry)
{
    const struct data_entry *given = &walk->request->data.entries[entry];
    struct error trouble = ERROR_EMPTY;
    struct stat info;
    size_t root = 0;
    char *path = NULL;
    int fd = -1;
    bool good = source_resolve(walk->request, given->from, &root, &path, &trouble) == 0;
    if (good) {
        fd = path_guard_open(walk->request->roots[root].fd, path, O_PATH, given->from, &trouble);
        good = fd >= 0;
    }
    if (good && fstat(fd, &info) != 0) {
        path_guard_explain(errno, given->from, &trouble);
        good = false;
    }
    if (fd >= 0) {
        close(fd);
    }
    if (good && S_ISREG(info.st_mode)) {
        fd = path_guard_open(walk->request->roots[root].fd, path, O_RDONLY | O_NONBLOCK | O_NOCTTY,
                             given->from, &trouble);
        good = fd >= 0;
        if (fd >= 0) {
            close(fd);
        }
    }
    if (good) {
        graft(walk, entry, root, path, &info);
    } else {
        note_error(walk, &trouble, entry, "from");
    }
    free(path);
}

/* --- all of it ----------------------------------------------------------------------------- */

static void check_whole(struct walk *walk)
{
    struct source_tree *tree = walk->tree;
    if (tree->content_bytes / BLOCK_BYTES >= BLOCKS_MAX) {
        struct error trouble = ERROR_EMPTY;
        error_set(&trouble, ERROR_DOES_NOT_FIT,
                  "the files have %lld bytes, a disc image has at most 8 TiB",
                  (long long)tree->content_bytes);
        snprintf(trouble.pointer, sizeof(trouble.pointer), "/data/entries");
        note_error(walk, &trouble, 0, "from");
    }
    if (walk->request->data.joliet) {
        source_tree_warn_joliet(tree);
    }
}

int source_walk(const struct worker_request *request, int64_t deadline_ms,
                struct source_tree **tree, struct error *err)
{
    struct walk walk = {.request = request, .deadline_ms = deadline_ms, .tree = source_tree_new()};
    *tree = walk.tree;
    for (size_t i = 0; i < request->data.entry_count && !walk.canceled; i++) {
        if (request->data.entries[i].text != NULL) {
            take_text(&walk, i);
        } else {
            take_from(&walk, i);
        }
        while (walk.stack != NULL && !walk.canceled) {
            struct visit *visit = walk.stack;
            walk.stack = visit->below;
            run_visit(&walk, visit);
        }
    }
    while (walk.all != NULL) {
        struct visit *visit = walk.all;
        walk.all = visit->all;
        free(visit->path);
        free(visit);
    }
    if (walk.canceled || channel_is_canceled()) {
        return error_set(err, ERROR_CANCELED, "the walk through the sources was cancelled");
    }
    check_whole(&walk);
    if (walk.tree->error_count > 0) {
        *err = walk.tree->errors[0];
        return -1;
    }
    return 0;
}
