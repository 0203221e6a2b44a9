/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * What a job wants on the disc, ready to be read: a laid-out tree or a ready image, and its items. The
 * same for burning and planning, so that a plan's size is the size that is burned.
 */
#ifndef BURND_BURNER_SESSION_H
#define BURND_BURNER_SESSION_H

#include "burner/image_builder.h"
#include "burner/image_source.h"
#include "burner/item_map.h"

struct session {
    const struct worker_request *request;
    struct source_tree *tree;      /* of a data job */
    struct image_builder *builder; /* of a data job */
    struct image_source *image;    /* of an image job */
    struct item_map map;
    int64_t blocks;
};

/* How large it will be. `deadline_ms` as for source_walk(). Release the session in any case. */
NODISCARD int session_measure(struct session *session, const struct worker_request *request,
                              int64_t deadline_ms, struct error *err);

/* All that comes before the first block: walk, layout, hash of an image, items. */
NODISCARD int session_stage(struct session *session, const struct worker_request *request,
                            struct error *err);

/* For the tap, once. */
struct tap_input session_input(struct session *session);

/* -1 with what went wrong on the source's side; `complete` also demands that it came to its end. */
NODISCARD int session_check(struct session *session, bool complete, struct error *err);

void session_release(struct session *session);

#endif
