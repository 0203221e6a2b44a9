/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * From a data_spec to a tree of what shall be on the disc: the roots are walked beneath their
 * descriptors, grafts put together, excludes applied, links treated as asked for. What the walk saw of
 * each file (device, inode, size, time) is the baseline against which the burn judges it.
 *
 * Knows nothing of libisofs. Nothing is read but folders and link texts.
 */
#ifndef BURND_BURNER_SOURCE_WALK_H
#define BURND_BURNER_SOURCE_WALK_H

#include "worker/worker_protocol.h"

#include <sys/stat.h>
#include <time.h>

enum source_kind { SOURCE_FOLDER, SOURCE_FILE, SOURCE_LINK, SOURCE_TEXT };

struct source_node {
    enum source_kind kind;
    char *name; /* on the disc; the tree's root has "" */
    struct source_node *parent, *first_child, *last_child, *next;

    /* as the walk saw it; folders that only stand in a `to` have has_source false */
    bool has_source;
    mode_t mode;
    uid_t uid;
    gid_t gid;
    struct timespec mtime;
    dev_t device;
    ino_t inode;
    int64_t size; /* of FILE and TEXT */

    size_t root;       /* FILE: index into the request's roots */
    char *source_path; /* FILE: beneath the root */
    bool through_link; /* FILE: the last part of source_path may be a link */
    char *text;        /* LINK: where it points; TEXT: its content */
    size_t entry;      /* of the request, by which it came */
};

struct source_tree {
    struct source_node *top; /* the disc's root folder */
    int64_t files, folders;  /* folders without the disc's root */
    int64_t content_bytes;   /* of files and texts */
    struct timespec newest;  /* mtime of what was walked */
    struct error errors[PLAN_ERRORS_MAX];
    size_t error_count;
    struct warning warnings[WARNINGS_MAX];
    size_t warning_count;
    struct source_table *table; /* the walk's own: nodes by parent and name */
};

/* 0 when the tree stands; -1 with errors in the tree (the first also in `err`), or when canceled or
 * `deadline_ms` (CLOCK_MONOTONIC, 0 = none) passed (code canceled). Free the tree in any case. */
NODISCARD int source_walk(const struct worker_request *request, int64_t deadline_ms,
                          struct source_tree **tree, struct error *err);
void source_tree_free(struct source_tree *tree);

/* malloc()ed: the path on the disc, or "root:NAME/PATH" of a file. */
char *source_node_disc_path(const struct source_node *node);
char *source_node_shown(const struct worker_request *request, const struct source_node *node);

/* Depth first, folders before what they hold; NULL at the end. Start with the top. */
struct source_node *source_tree_next(const struct source_node *node);

/* "root:NAME/PATH" → index of the root and a malloc()ed path beneath it. */
NODISCARD int source_resolve(const struct worker_request *request, const char *from, size_t *root,
                             char **path, struct error *err);

/* Adds one to the warning `code`, keeping up to three examples. */
void warning_count(struct warning *list, size_t *count, const char *code, const char *detail,
                   const char *pointer, const char *example);

#endif
