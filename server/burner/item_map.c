/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * See item_map.h. Extents as the directories give them are sorted by address; equal extents (hard links)
 * become one item with further paths; whatever lies between is filled with pseudo items. Images made by
 * others may have extents that overlap or leave the image: those are cut until every block has exactly
 * one item.
 */
#include "burner/item_map.h"

#include "base/alloc.h"
#include "burner/iso_messages.h"
#include "worker/worker_protocol.h"

#include <libisofs/libisofs.h>
#include <stdlib.h>
#include <string.h>

struct collection {
    struct item *items;
    size_t count, capacity;
};

static void append(struct collection *list, enum item_kind kind, char *owned_path,
                   int64_t first_block, int64_t blocks, int64_t bytes)
{
    if (list->count == list->capacity) {
        list->capacity = list->capacity * 2 + 64;
        list->items = xrealloc(list->items, list->capacity * sizeof(*list->items));
    }
    list->items[list->count++] = (struct item){
        .kind = kind,
        .path = owned_path,
        .first_block = first_block,
        .block_count = blocks,
        .size_bytes = bytes,
    };
}

/* --- reading the directories --------------------------------------------------------------- */

static int source_open(IsoDataSource *source)
{
    (void)source;
    return 1;
}

static int source_read_block(IsoDataSource *source, uint32_t block, uint8_t *out)
{
    const struct block_reader *reader = source->data;
    return reader->read(reader->context, block, out) == 0 ? 1 : (int)ISO_DATA_SOURCE_MISHAP;
}

static void source_free_data(IsoDataSource *source)
{
    (void)source;
}

static void collect_file(struct collection *list, IsoFile *file)
{
    int count = 0;
    struct iso_file_section *sections = NULL;
    if (iso_file_get_old_image_sections(file, &count, &sections, 0) != 1) {
        return;
    }
    int64_t left = iso_file_get_size(file);
    for (int i = 0; i < count; i++) {
        int64_t bytes = sections[i].size < left ? sections[i].size : left;
        left -= bytes;
        append(list, ITEM_FILE, iso_tree_get_node_path((IsoNode *)file), sections[i].block,
               (bytes + BLOCK_BYTES - 1) / BLOCK_BYTES, bytes);
    }
    free(sections);
}

static void collect(struct collection *list, IsoDir *folder)
{
    IsoDirIter *children = NULL;
    IsoNode *node = NULL;
    if (iso_dir_get_children(folder, &children) < 0) {
        return;
    }
    while (iso_dir_iter_next(children, &node) == 1) {
        if (iso_node_get_type(node) == LIBISO_DIR) {
            collect(list, (IsoDir *)node);
        } else if (iso_node_get_type(node) == LIBISO_FILE) {
            collect_file(list, (IsoFile *)node);
        }
    }
    iso_dir_iter_free(children);
}

static IsoReadOpts *make_options(bool prefer_joliet)
{
    IsoReadOpts *options = NULL;
    if (iso_read_opts_new(&options, 0) < 0) {
        return NULL;
    }
    iso_read_opts_set_no_aaip(options, 1);
    iso_read_opts_set_no_md5(options, 1);
    iso_read_opts_set_no_joliet(options, prefer_joliet ? 0 : 1);
    iso_read_opts_set_preferjoliet(options, prefer_joliet ? 1 : 0);
    iso_read_opts_set_input_charset(options, "UTF-8");
    return options;
}

static int import(struct block_reader *reader, bool prefer_joliet, struct collection *list,
                  struct error *err)
{
    IsoDataSource source = {
        .refcount = 1 << 20, /* it lives on this stack */
        .open = source_open,
        .close = source_open,
        .read_block = source_read_block,
        .free_data = source_free_data,
        .data = reader,
    };
    IsoImage *image = NULL;
    IsoReadOpts *options = make_options(prefer_joliet);
    int result = options == NULL ? -1 : iso_image_new("", &image);
    if (result >= 0) {
        result = iso_image_import(image, &source, options, NULL);
    }
    if (result >= 0) {
        collect(list, iso_image_get_root(image));
    }
    if (image != NULL) {
        iso_image_unref(image);
    }
    iso_read_opts_free(options);
    iso_messages_drain();
    return result >= 0 ? 0
                       : error_set(err, ERROR_LIBRARY_ERROR, "the directories cannot be read: %s",
                                   iso_error_to_msg(result));
}

/* --- putting items in order ---------------------------------------------------------------- */

static int compare(const void *left, const void *right)
{
    const struct item *a = left, *b = right;
    if (a->first_block != b->first_block) {
        return a->first_block < b->first_block ? -1 : 1;
    }
    if (a->block_count != b->block_count) {
        return a->block_count > b->block_count ? -1 : 1;
    }
    return strcmp(a->path, b->path);
}

static void add_also(struct item *item, char *owned_path)
{
    size_t count = item->also_count;
    if ((count & (count - 1)) == 0) { /* room grows by doubling */
        item->also = xrealloc(item->also, (count == 0 ? 1 : count * 2) * sizeof(*item->also));
    }
    item->also[item->also_count++] = owned_path;
}

static void merge_links(struct collection *list)
{
    size_t kept = 0;
    for (size_t i = 0; i < list->count; i++) {
        struct item *last = kept == 0 ? NULL : &list->items[kept - 1];
        struct item *item = &list->items[i];
        if (last != NULL && item->block_count > 0 && last->first_block == item->first_block &&
            last->size_bytes == item->size_bytes) {
            add_also(last, item->path);
        } else {
            list->items[kept++] = *item;
        }
    }
    list->count = kept;
}

/* Cuts extents to what lies behind `end` and before `blocks`. */
static void clip(struct item *item, int64_t end, int64_t blocks)
{
    int64_t last = item->first_block + item->block_count;
    int64_t first = item->first_block > end ? item->first_block : end;
    last = last < blocks ? last : blocks;
    if (first == item->first_block && last == item->first_block + item->block_count) {
        return;
    }
    item->first_block = first < blocks ? first : blocks;
    item->block_count = last > first ? last - first : 0;
    int64_t limit = item->block_count * BLOCK_BYTES;
    item->size_bytes = item->size_bytes < limit ? item->size_bytes : limit;
}

static void add_gap(struct collection *list, int64_t from, int64_t to)
{
    if (to > from) {
        bool front = from == 0;
        append(list, front ? ITEM_METADATA : ITEM_PADDING,
               xstrdup(front ? "[metadata]" : "[padding]"), from, to - from,
               (to - from) * BLOCK_BYTES);
    }
}

static void fill_gaps(struct collection *list, int64_t blocks, int64_t least_metadata,
                      struct item_map *out)
{
    size_t files = list->count;
    int64_t end = 0;
    out->metadata_blocks = -1;
    for (size_t i = 0; i < files; i++) {
        clip(&list->items[i], end, blocks);
        if (list->items[i].block_count == 0) {
            continue;
        }
        int64_t first = list->items[i].first_block;
        out->metadata_blocks = out->metadata_blocks < 0 ? first : out->metadata_blocks;
        add_gap(list, end, first);
        end = first + list->items[i].block_count;
    }
    if (out->metadata_blocks < 0) {
        out->metadata_blocks = least_metadata < blocks ? least_metadata : blocks;
        add_gap(list, 0, out->metadata_blocks);
        end = out->metadata_blocks;
    }
    add_gap(list, end, blocks);
}

int item_map_read(struct block_reader reader, int64_t blocks, int64_t least_metadata,
                  bool prefer_joliet, struct item_map *out, struct error *err)
{
    struct collection list = {0};
    *out = (struct item_map){0};
    if (import(&reader, prefer_joliet, &list, err) != 0) {
        return -1;
    }
    if (list.count > 1) {
        qsort(list.items, list.count, sizeof(*list.items), compare);
    }
    merge_links(&list);
    fill_gaps(&list, blocks, least_metadata, out);
    out->items = list.items;
    out->count = list.count;
    return 0;
}

void item_map_opaque(int64_t blocks, struct item_map *out)
{
    struct collection list = {0};
    append(&list, ITEM_METADATA, xstrdup("[image]"), 0, blocks, blocks * BLOCK_BYTES);
    *out = (struct item_map){.items = list.items, .count = 1, .metadata_blocks = blocks};
}

void item_map_release(struct item_map *map)
{
    for (size_t i = 0; i < map->count; i++) {
        for (size_t j = 0; j < map->items[i].also_count; j++) {
            free(map->items[i].also[j]);
        }
        free(map->items[i].also);
        free(map->items[i].path);
    }
    free(map->items);
    *map = (struct item_map){0};
}
