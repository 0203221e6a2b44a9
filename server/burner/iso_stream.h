/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * The only way by which content of files enters libisofs: a stream class that opens its file beneath
 * the root again, judges it against the walk, and never delivers anything else than what was asked for.
 * The first file that fails is remembered, since libisofs would name it "UNKNOWN SOURCE".
 */
#ifndef BURND_BURNER_ISO_STREAM_H
#define BURND_BURNER_ISO_STREAM_H

#include "burner/source_tree.h"

#include <libisofs/libisofs.h>

/* 0 = nothing failed; -1 with the first failure. Any thread. */
NODISCARD int iso_stream_failure(struct error *err);

/* A stream with the content of a FILE or TEXT node. Node and request outlive it. NULL = out of memory. */
IsoStream *iso_stream_of_node(const struct worker_request *request, const struct source_node *node);

#endif
