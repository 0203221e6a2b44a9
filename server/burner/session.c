/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * See session.h.
 */
#include "burner/session.h"

#include "burner/channel.h"
#include "burner/iso_messages.h"
#include "burner/source_walk.h"

#include <string.h>

static int walk_and_lay_out(struct session *session, bool size_only, int64_t deadline_ms,
                            struct error *err)
{
    if (source_walk(session->request, deadline_ms, &session->tree, err) != 0 ||
        image_builder_new(session->request, session->tree, size_only, &session->builder, err) !=
            0) {
        return -1;
    }
    session->blocks = image_builder_blocks(session->builder);
    return channel_check_canceled(err);
}

int session_measure(struct session *session, const struct worker_request *request,
                    int64_t deadline_ms, struct error *err)
{
    *session = (struct session){.request = request};
    if (!request->is_image) {
        return walk_and_lay_out(session, true, deadline_ms, err);
    }
    if (image_source_open(request, &session->image, err) != 0) {
        return -1;
    }
    session->blocks = image_source_blocks(session->image);
    return 0;
}

struct memory {
    const uint8_t *data;
    int64_t blocks;
};

static int read_memory(void *context, int64_t block, uint8_t *out)
{
    const struct memory *memory = context;
    if (block < 0 || block >= memory->blocks) {
        return -1;
    }
    memcpy(out, memory->data + block * BLOCK_BYTES, BLOCK_BYTES);
    return 0;
}

static int stage_data(struct session *session, struct error *err)
{
    const struct data_spec *data = &session->request->data;
    if (walk_and_lay_out(session, false, 0, err) != 0 ||
        image_builder_read_metadata(session->builder, err) != 0) {
        return -1;
    }
    struct memory memory = {0};
    memory.data = image_builder_metadata(session->builder, &memory.blocks);
    struct block_reader reader = {.context = &memory, .read = read_memory};
    return item_map_read(reader, session->blocks, memory.blocks, !data->rock_ridge && data->joliet,
                         &session->map, err);
}

static int stage_image(struct session *session, struct error *err)
{
    const struct image_spec *spec = &session->request->image;
    if (image_source_open(session->request, &session->image, err) != 0) {
        return -1;
    }
    session->blocks = image_source_blocks(session->image);
    if (spec->sha256[0] != '\0' &&
        image_source_check_hash(session->image, spec->sha256, err) != 0) {
        return -1;
    }
    struct error ignored = ERROR_EMPTY;
    if (iso_messages_start(err) != 0) {
        return -1;
    }
    if (item_map_read(image_source_reader(session->image), session->blocks, 0, false, &session->map,
                      &ignored) != 0 ||
        session->map.count == 0) {
        item_map_release(&session->map);
        item_map_opaque(session->blocks, &session->map);
    }
    iso_messages_forgive();
    return image_source_check(session->image, err);
}

int session_stage(struct session *session, const struct worker_request *request, struct error *err)
{
    *session = (struct session){.request = request};
    return request->is_image ? stage_image(session, err) : stage_data(session, err);
}

struct tap_input session_input(struct session *session)
{
    return session->image != NULL ? image_source_input(session->image)
                                  : image_builder_input(session->builder);
}

int session_check(struct session *session, bool complete, struct error *err)
{
    return session->image != NULL ? image_source_check(session->image, err)
                                  : image_builder_check(session->builder, complete, err);
}

void session_release(struct session *session)
{
    image_builder_free(session->builder);
    image_source_close(session->image);
    source_tree_free(session->tree);
    item_map_release(&session->map);
}
