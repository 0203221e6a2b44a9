/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * What a `from` names: the one place that reads "root:NAME/PATH".
 */
#ifndef BURND_BURNER_SOURCE_ROOT_H
#define BURND_BURNER_SOURCE_ROOT_H

#include "worker/worker_protocol.h"

/* "root:NAME/PATH" → index of the request's root and a malloc()ed path beneath it. -1 with
 * feature_unavailable, root_unknown, root_unavailable or source_outside_root. */
NODISCARD int source_resolve(const struct worker_request *request, const char *from, size_t *root,
                             char **path, struct error *err);

#endif
