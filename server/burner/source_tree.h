/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * What shall be on the disc, as a tree: made by source_walk.c and source_place.c, read by everyone who
 * lays it out, streams it or maps its blocks. Knows nothing of libisofs.
 */
#ifndef BURND_BURNER_SOURCE_TREE_H
#define BURND_BURNER_SOURCE_TREE_H

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

struct source_tree *source_tree_new(void);
void source_tree_free(struct source_tree *tree);

/* malloc()ed: the path on the disc, or "root:NAME/PATH" of a file. */
char *source_node_disc_path(const struct source_node *node);
char *source_node_shown(const struct worker_request *request, const struct source_node *node);

/* Depth first, folders before what they hold; NULL at the end. Start with the top. */
struct source_node *source_tree_next(const struct source_node *node);

/* NULL when `parent` has no such child. */
struct source_node *source_tree_find(const struct source_tree *tree,
                                     const struct source_node *parent, const char *name);

/* There must be no such child yet. */
struct source_node *source_tree_add(struct source_tree *tree, struct source_node *parent,
                                    const char *name, enum source_kind kind);

/* The warnings that come of having a Joliet tree besides. */
void source_tree_warn_joliet(struct source_tree *tree);

/* Adds one to the warning `code`, keeping up to three examples. */
void warning_count(struct warning *list, size_t *count, const char *code, const char *detail,
                   const char *pointer, const char *example);

#endif
