/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * See source_tree.h: nodes, their paths, finding a child by name, what the tree as a whole must be
 * warned of. Finding is by one hash table over (parent, name) for the whole tree, since
 * a folder may have a hundred thousand children.
 */
#include "burner/source_tree.h"

#include "base/alloc.h"

#include <stdlib.h>
#include <string.h>

#define TABLE_FIRST_SIZE 1024 /* a power of two */
#define JOLIET_NAME_MAX 103   /* UTF-16 units, with libisofs' "joliet long names" */

struct source_table {
    struct source_node **slots;
    size_t size, used;
};

static size_t hash_of(const struct source_node *parent, const char *name)
{
    uint64_t hash = (uint64_t)(uintptr_t)parent * UINT64_C(0x9E3779B97F4A7C15);
    for (const char *at = name; *at != '\0'; at++) {
        hash = (hash ^ (unsigned char)*at) * UINT64_C(0x100000001B3);
    }
    return (size_t)(hash ^ (hash >> 29));
}

static struct source_node **slot_of(const struct source_table *table,
                                    const struct source_node *parent, const char *name)
{
    size_t at = hash_of(parent, name) & (table->size - 1);
    while (table->slots[at] != NULL &&
           (table->slots[at]->parent != parent || strcmp(table->slots[at]->name, name) != 0)) {
        at = (at + 1) & (table->size - 1);
    }
    return &table->slots[at];
}

static void grow(struct source_table *table)
{
    struct source_table bigger = {.size = table->size * 2, .used = table->used};
    bigger.slots = xcalloc(bigger.size, sizeof(*bigger.slots));
    for (size_t i = 0; i < table->size; i++) {
        if (table->slots[i] != NULL) {
            *slot_of(&bigger, table->slots[i]->parent, table->slots[i]->name) = table->slots[i];
        }
    }
    free(table->slots);
    *table = bigger;
}

struct source_tree *source_tree_new(void)
{
    struct source_tree *tree = xcalloc(1, sizeof(*tree));
    tree->top = xcalloc(1, sizeof(*tree->top));
    tree->top->kind = SOURCE_FOLDER;
    tree->top->name = xstrdup("");
    tree->table = xcalloc(1, sizeof(*tree->table));
    tree->table->size = TABLE_FIRST_SIZE;
    tree->table->slots = xcalloc(TABLE_FIRST_SIZE, sizeof(struct source_node *));
    return tree;
}

struct source_node *source_tree_find(const struct source_tree *tree,
                                     const struct source_node *parent, const char *name)
{
    return *slot_of(tree->table, parent, name);
}

struct source_node *source_tree_add(struct source_tree *tree, struct source_node *parent,
                                    const char *name, enum source_kind kind)
{
    struct source_node *node = xcalloc(1, sizeof(*node));
    node->kind = kind;
    node->name = xstrdup(name);
    node->parent = parent;
    if (parent->last_child == NULL) {
        parent->first_child = node;
    } else {
        parent->last_child->next = node;
    }
    parent->last_child = node;
    if (++tree->table->used * 2 > tree->table->size) {
        grow(tree->table);
    }
    *slot_of(tree->table, parent, name) = node;
    if (kind == SOURCE_FOLDER) {
        tree->folders++;
    } else {
        tree->files++;
    }
    return node;
}

static void free_node(struct source_node *node)
{
    free(node->name);
    free(node->source_path);
    free(node->text);
    free(node);
}

void source_tree_free(struct source_tree *tree)
{
    if (tree == NULL) {
        return;
    }
    for (size_t i = 0; i < tree->table->size; i++) {
        if (tree->table->slots[i] != NULL) {
            free_node(tree->table->slots[i]);
        }
    }
    free(tree->table->slots);
    free(tree->table);
    free_node(tree->top);
    free(tree);
}

struct source_node *source_tree_next(const struct source_node *node)
{
    if (node->first_child != NULL) {
        return node->first_child;
    }
    while (node != NULL && node->next == NULL) {
        node = node->parent;
    }
    return node == NULL ? NULL : node->next;
}

char *source_node_disc_path(const struct source_node *node)
{
    size_t length = 0;
    for (const struct source_node *at = node; at->parent != NULL; at = at->parent) {
        length += strlen(at->name) + 1;
    }
    char *path = xcalloc(length + 2, 1);
    path[0] = '/';
    for (const struct source_node *at = node; at->parent != NULL; at = at->parent) {
        size_t part = strlen(at->name);
        length -= part + 1;
        path[length] = '/';
        memcpy(path + length + 1, at->name, part);
    }
    return path;
}

char *source_node_shown(const struct worker_request *request, const struct source_node *node)
{
    if (node->source_path == NULL) {
        return source_node_disc_path(node);
    }
    return xasprintf("root:%s/%s", request->roots[node->root].name, node->source_path);
}

/* --- warnings ------------------------------------------------------------------------------ */

void warning_count(struct warning *list, size_t *count, const char *code, const char *detail,
                   const char *pointer, const char *example)
{
    size_t at = 0;
    while (at < *count && strcmp(list[at].code, code) != 0) {
        at++;
    }
    if (at == WARNINGS_MAX) {
        return;
    }
    struct warning *warning = &list[at];
    if (at == *count) {
        *warning = (struct warning){0};
        text_copy(warning->code, sizeof(warning->code), code);
        text_copy(warning->detail, sizeof(warning->detail), detail);
        text_copy(warning->pointer, sizeof(warning->pointer), pointer);
        ++*count;
    }
    if (example != NULL && warning->count < 3) {
        text_copy(warning->examples[warning->count], sizeof(warning->examples[0]), example);
    }
    warning->count++;
}

/* UTF-16 units of a valid UTF-8 text. */
static size_t utf16_length(const char *text)
{
    size_t units = 0;
    for (const char *at = text; *at != '\0'; at++) {
        unsigned char byte = (unsigned char)*at;
        units += (byte & 0xC0) != 0x80 ? 1 : 0;
        units += byte >= 0xF0 ? 1 : 0;
    }
    return units;
}

void source_tree_warn_joliet(struct source_tree *tree)
{
    for (struct source_node *node = tree->top; node != NULL; node = source_tree_next(node)) {
        bool is_long = utf16_length(node->name) > JOLIET_NAME_MAX;
        if (!is_long && node->kind != SOURCE_LINK) {
            continue;
        }
        char *path = source_node_disc_path(node);
        if (node->kind == SOURCE_LINK) {
            warning_count(tree->warnings, &tree->warning_count, "symlink_not_in_joliet",
                          "symbolic links are missing where a computer reads only Joliet names",
                          "/data/symlinks", path);
        } else {
            warning_count(tree->warnings, &tree->warning_count, "joliet_name_truncated",
                          "names of more than 103 characters are cut in the Joliet tree",
                          "/data/filesystem/joliet", path);
        }
        free(path);
    }
}
