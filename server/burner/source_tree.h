/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * How source_walk.c puts its tree together; everyone else reads the tree through source_walk.h.
 */
#ifndef BURND_BURNER_SOURCE_TREE_H
#define BURND_BURNER_SOURCE_TREE_H

#include "burner/source_walk.h"

struct source_tree *source_tree_new(void);

/* NULL when `parent` has no such child. */
struct source_node *source_tree_find(const struct source_tree *tree,
                                     const struct source_node *parent, const char *name);

/* There must be no such child yet. */
struct source_node *source_tree_add(struct source_tree *tree, struct source_node *parent,
                                    const char *name, enum source_kind kind);

/* The warnings that come of having a Joliet tree besides. */
void source_tree_warn_joliet(struct source_tree *tree);

#endif
