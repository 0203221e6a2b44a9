/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * See image_builder.h. libisofs gets the tree node by node, files by iso_stream.h; no path string of the
 * machine ever reaches it. What would differ between two builds of the same tree (times, order) is
 * set here, so that the copies of a job are equal.
 *
 * libisofs produces the image in a thread of its own into a ring, from the moment the layout stands.
 */
#include "burner/image_builder.h"

#include "base/alloc.h"
#include "base/clock.h"
#include "burner/channel.h"
#include "burner/iso_messages.h"
#include "burner/iso_stream.h"

#include <libburn/libburn.h>
#include <libisofs/libisofs.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define RING_BLOCKS 2048 /* 4 MiB */
#define GENERATOR_END_MS 5000
#define TAIL_BLOCKS 150 /* 300 KB that a reader of a CD may lose by reading ahead; as others do */

struct image_builder {
    const struct worker_request *request;
    const struct source_tree *tree;
    IsoImage *image;
    struct burn_source *source;
    int64_t blocks;
    uint32_t data_start;
    uint8_t *metadata;
    int64_t replayed; /* bytes of the metadata handed out again */
    bool size_only, canceled;
};

/* --- the tree ------------------------------------------------------------------------------ */

static time_t made_at(const struct worker_request *request)
{
    return (time_t)((request->image_time_ms > 0 ? request->image_time_ms : clock_wall_ms()) / 1000);
}

static mode_t mode_of(const struct worker_request *request, const struct source_node *node)
{
    bool folder = node->kind == SOURCE_FOLDER;
    if (node->kind == SOURCE_LINK) {
        return 0777;
    }
    if (request->data.ownership == OWNERSHIP_KEEP) {
        return node->has_source || node->kind == SOURCE_TEXT ? node->mode : 0755;
    }
    return folder || (node->mode & 0111) != 0 ? 0555 : 0444;
}

static void set_attributes(const struct worker_request *request, const struct source_node *node,
                           IsoNode *iso)
{
    bool keep = request->data.ownership == OWNERSHIP_KEEP && node->has_source;
    time_t time = node->has_source ? node->mtime.tv_sec : made_at(request);
    iso_node_set_permissions(iso, mode_of(request, node));
    iso_node_set_uid(iso, keep ? node->uid : 0);
    iso_node_set_gid(iso, keep ? node->gid : 0);
    iso_node_set_mtime(iso, time);
    iso_node_set_atime(iso, time);
    iso_node_set_ctime(iso, time);
}

static int add_node(struct image_builder *builder, IsoDir *parent, const struct source_node *node,
                    IsoNode **out)
{
    switch (node->kind) {
    case SOURCE_FOLDER:
        return iso_image_add_new_dir(builder->image, parent, node->name, (IsoDir **)out);
    case SOURCE_LINK:
        return iso_image_add_new_symlink(builder->image, parent, node->name, node->text,
                                         (IsoSymlink **)out);
    case SOURCE_FILE:
    case SOURCE_TEXT: {
        IsoStream *stream = iso_stream_of_node(builder->request, node);
        if (stream == NULL) {
            return (int)ISO_OUT_OF_MEM;
        }
        int result =
            iso_image_add_new_file(builder->image, parent, node->name, stream, (IsoFile **)out);
        if (result < 0) {
            iso_stream_unref(stream);
        }
        return result;
    }
    }
    return (int)ISO_ASSERT_FAILURE;
}

static int compare_backwards(const void *left, const void *right)
{
    const struct source_node *const *a = left, *const *b = right;
    return strcmp((*b)->name, (*a)->name);
}

/* libisofs keeps a folder as a sorted list and searches it from its head: what comes in from the last
 * name to the first is always put in front. */
static const struct source_node **children_backwards(const struct source_node *folder,
                                                     size_t *count)
{
    *count = 0;
    for (const struct source_node *at = folder->first_child; at != NULL; at = at->next) {
        ++*count;
    }
    const struct source_node **children = xcalloc(*count, sizeof(struct source_node *));
    size_t i = 0;
    for (const struct source_node *at = folder->first_child; at != NULL; at = at->next) {
        children[i++] = at;
    }
    if (*count > 1) {
        qsort(children, *count, sizeof(*children), compare_backwards);
    }
    return children;
}

static int add_children(struct image_builder *builder, IsoDir *parent,
                        const struct source_node *folder, struct error *err)
{
    size_t count = 0;
    const struct source_node **children = children_backwards(folder, &count);
    int failed = channel_check_canceled(err);
    for (size_t i = 0; i < count && failed == 0; i++) {
        IsoNode *iso = NULL;
        int result = add_node(builder, parent, children[i], &iso);
        if (result < 0) {
            char *path = source_node_disc_path(children[i]);
            failed = error_set_path(err, ERROR_NAME_NOT_REPRESENTABLE, path,
                                    "%.300s cannot be put on the disc: %s", path,
                                    iso_error_to_msg(result));
            free(path);
            break;
        }
        set_attributes(builder->request, children[i], iso);
        if (children[i]->kind == SOURCE_FOLDER) {
            failed = add_children(builder, (IsoDir *)iso, children[i], err);
            set_attributes(builder->request, children[i],
                           iso); /* its mtime followed its children */
        }
    }
    free(children);
    return failed;
}

/* --- options ------------------------------------------------------------------------------- */

static void set_volume(struct image_builder *builder)
{
    const struct data_spec *data = &builder->request->data;
    iso_image_set_volset_id(builder->image, data->volume_id);
    iso_image_set_volume_id(builder->image, data->volume_id);
    iso_image_set_publisher_id(builder->image, data->publisher);
    iso_image_set_data_preparer_id(builder->image, data->preparer);
    iso_image_set_application_id(builder->image, data->application);
}

static IsoWriteOpts *make_options(const struct image_builder *builder)
{
    const struct data_spec *data = &builder->request->data;
    IsoWriteOpts *options = NULL;
    if (iso_write_opts_new(&options, 1) < 0) {
        return NULL;
    }
    time_t time = builder->request->image_time_ms > 0 || builder->tree->newest.tv_sec == 0
                      ? made_at(builder->request)
                      : builder->tree->newest.tv_sec;
    char no_uuid[] = "";
    iso_write_opts_set_iso_level(options, data->iso_level);
    iso_write_opts_set_rockridge(options, data->rock_ridge);
    iso_write_opts_set_joliet(options, data->joliet);
    iso_write_opts_set_relaxed_vol_atts(options, 1); /* the volume id as it was asked for */
    iso_write_opts_set_joliet_long_names(options, 1);
    iso_write_opts_set_joliet_longer_paths(options, 1);
    iso_write_opts_set_joliet_utf16(options, 1);
    iso_write_opts_set_allow_deep_paths(options, 1);
    iso_write_opts_set_allow_longer_paths(options, 1);
    /* Rock Ridge 1.10, without the serial numbers of 1.12: libisofs 1.5.4 gives those in the order of
     * the nodes' addresses in memory, so that two burns of one tree would differ. Hard links share
     * their content all the same. */
    iso_write_opts_set_rrip_version_1_10(options, 1);
    iso_write_opts_set_hardlinks(options, 0);
    iso_write_opts_set_aaip(options, 0);
    iso_write_opts_set_dir_rec_mtime(options, 7);
    iso_write_opts_set_always_gmt(options, 1);
    iso_write_opts_set_sort_files(options, 1);
    iso_write_opts_set_record_md5(options, 0, 0);
    iso_write_opts_set_output_charset(options, "UTF-8");
    iso_write_opts_set_pvd_times(options, time, time, 0, 0, no_uuid);
    iso_write_opts_set_tail_blocks(options, TAIL_BLOCKS);
    iso_write_opts_set_fifo_size(options, RING_BLOCKS);
    iso_write_opts_set_will_cancel(options, builder->size_only);
    return options;
}

static int lay_out(struct image_builder *builder, struct error *err)
{
    IsoWriteOpts *options = make_options(builder);
    if (options == NULL) {
        return error_set(err, ERROR_LIBRARY_ERROR, "libisofs gives no write options");
    }
    int result = iso_image_create_burn_source(builder->image, options, &builder->source);
    int failed = 0;
    if (result < 0) {
        builder->source = NULL;
        failed = iso_messages_check(err);
        if (failed == 0) {
            failed = error_set(err, ERROR_LIBRARY_ERROR, "libisofs cannot lay out the disc: %s",
                               iso_error_to_msg(result));
        }
    } else {
        builder->blocks = builder->source->get_size(builder->source) / BLOCK_BYTES;
        iso_write_opts_get_data_start(options, &builder->data_start, 0);
        failed = iso_messages_check(err);
    }
    iso_write_opts_free(options);
    return failed;
}

/* --- life ---------------------------------------------------------------------------------- */

int image_builder_new(const struct worker_request *request, const struct source_tree *tree,
                      bool size_only, struct image_builder **out, struct error *err)
{
    struct image_builder *builder = xcalloc(1, sizeof(*builder));
    builder->request = request;
    builder->tree = tree;
    builder->size_only = size_only;
    *out = builder;
    if (iso_messages_start(err) != 0) {
        return -1;
    }
    time_t now = made_at(request);
    iso_nowtime(&now, 1);
    if (iso_image_new(request->data.volume_id, &builder->image) < 0) {
        return error_set(err, ERROR_LIBRARY_ERROR, "libisofs makes no image");
    }
    set_volume(builder);
    IsoDir *top = iso_image_get_root(builder->image);
    if (add_children(builder, top, tree->top, err) != 0) {
        return -1;
    }
    set_attributes(request, tree->top, (IsoNode *)top);
    return lay_out(builder, err);
}

/* Once only. */
static void cancel_generator(struct image_builder *builder)
{
    if (!builder->canceled) {
        builder->canceled = true;
        builder->source->cancel(builder->source);
    }
}

void image_builder_free(struct image_builder *builder)
{
    if (builder == NULL) {
        return;
    }
    if (builder->source != NULL) {
        cancel_generator(builder);
        burn_source_free(builder->source);
    }
    if (builder->image != NULL) {
        iso_image_unref(builder->image);
    }
    free(builder->metadata);
    free(builder);
}

int64_t image_builder_blocks(const struct image_builder *builder)
{
    return builder->blocks;
}

/* --- reading it ---------------------------------------------------------------------------- */

int image_builder_read_metadata(struct image_builder *builder, struct error *err)
{
    size_t size = (size_t)builder->data_start * BLOCK_BYTES;
    builder->metadata = malloc(size);
    if (builder->metadata == NULL) {
        return error_set(err, ERROR_INTERNAL, "no memory for the directories of the disc");
    }
    for (size_t at = 0; at < size; at += BLOCK_BYTES) {
        int count = builder->source->read_xt(builder->source, builder->metadata + at, BLOCK_BYTES);
        if (count != BLOCK_BYTES) {
            if (image_builder_check(builder, false, err) != 0) {
                return -1;
            }
            return error_set(err, ERROR_LIBRARY_ERROR, "libisofs ended before its directories did");
        }
    }
    return 0;
}

const uint8_t *image_builder_metadata(const struct image_builder *builder, int64_t *blocks)
{
    *blocks = builder->data_start;
    return builder->metadata;
}

static int input_read(void *context, uint8_t *buffer, int size)
{
    struct image_builder *builder = context;
    int64_t left = (int64_t)builder->data_start * BLOCK_BYTES - builder->replayed;
    int from_memory = left < size ? (int)left : size;
    if (from_memory > 0) {
        memcpy(buffer, builder->metadata + builder->replayed, (size_t)from_memory);
        builder->replayed += from_memory;
    }
    if (from_memory == size) {
        return size;
    }
    int count = builder->source->read_xt(builder->source, buffer + from_memory, size - from_memory);
    return count < 0 ? count : count + from_memory;
}

static bool input_is_ready(void *context, int size)
{
    const struct image_builder *builder = context;
    size_t total = 0, free_bytes = 0;
    int state = iso_ring_buffer_get_status(builder->source, &total, &free_bytes);
    return state != 1 || total - free_bytes >= (size_t)size;
}

static void input_cancel(void *context)
{
    cancel_generator(context);
}

struct tap_input image_builder_input(struct image_builder *builder)
{
    return (struct tap_input){
        .context = builder,
        .read = input_read,
        .is_ready = input_is_ready,
        .cancel = input_cancel,
    };
}

int image_builder_check(struct image_builder *builder, bool complete, struct error *err)
{
    /* the file that failed says more than libisofs, which knows only that one failed */
    if (iso_stream_failure(err) != 0 || iso_messages_check(err) != 0) {
        return -1;
    }
    size_t total = 0, free_bytes = 0;
    int state = iso_ring_buffer_get_status(builder->source, &total, &free_bytes);
    for (int i = 0; complete && state == 1 && i < GENERATOR_END_MS; i++) {
        usleep(1000); /* its thread still has to say that it is through */
        state = iso_ring_buffer_get_status(builder->source, &total, &free_bytes);
    }
    if (complete && state != 2 && state != 6) {
        return error_set(err, ERROR_LIBRARY_ERROR,
                         "libisofs did not end its image properly (state %d)", state);
    }
    return 0;
}
