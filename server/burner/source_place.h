/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * Where sources come to lie on the disc: the nodes of the tree by the rules of names, excludes and `to`
 * paths. The one place that adds to a tree; what a source is and how it is read is source_walk.c's.
 */
#ifndef BURND_BURNER_SOURCE_PLACE_H
#define BURND_BURNER_SOURCE_PLACE_H

#include "burner/source_tree.h"

/* Whether the job's excludes leave out the child `name` of `parent`. */
bool source_is_excluded(const struct data_spec *data, const struct source_node *parent,
                        const char *name);

/* The child `name` of `parent` as a new node; for folders an old folder will do. NULL with
 * name_not_representable or path_conflict. */
struct source_node *source_place(struct source_tree *tree, struct source_node *parent,
                                 const char *name, enum source_kind kind, size_t entry,
                                 struct error *err);

/* Makes the folders of `to` but its last part, which is handed out ("" when `to` ends in '/'; the
 * caller's to free, also after a failure). `*excluded` tells that one of them is to be left out. */
struct source_node *source_place_folders(struct source_tree *tree, const struct data_spec *data,
                                         const char *to, size_t entry, char **last, bool *excluded,
                                         struct error *err);

/* Mode, owner, time and identity of the source that `node` stands for. */
void source_take_attributes(struct source_tree *tree, struct source_node *node,
                            const struct stat *info);

#endif
