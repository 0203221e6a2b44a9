/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * See source_root.h.
 */
#include "burner/source_root.h"

#include "base/alloc.h"
#include "base/path_guard.h"

#include <string.h>

int source_resolve(const struct worker_request *request, const char *from, size_t *root,
                   char **path, struct error *err)
{
    *path = NULL;
    if (strncmp(from, "root:", 5) != 0) {
        return error_set_path(err, ERROR_FEATURE_UNAVAILABLE, from,
                              "%.300s is no source that burnd knows", from);
    }
    const char *slash = strchr(from + 5, '/');
    size_t length = slash == NULL ? strlen(from + 5) : (size_t)(slash - from - 5);
    for (size_t i = 0; i < request->root_count; i++) {
        const struct worker_root *known = &request->roots[i];
        if (strlen(known->name) != length || memcmp(known->name, from + 5, length) != 0) {
            continue;
        }
        if (known->fd < 0) {
            return error_set_path(err, ERROR_ROOT_UNAVAILABLE, from,
                                  "the root %s cannot be opened now", known->name);
        }
        const char *rest = slash == NULL ? "" : slash + 1;
        if (path_guard_check(rest, from, err) != 0) {
            return -1;
        }
        *root = i;
        *path = xstrdup(rest);
        for (size_t end = strlen(*path); end > 0 && (*path)[end - 1] == '/'; end--) {
            (*path)[end - 1] = '\0';
        }
        return 0;
    }
    return error_set_path(err, ERROR_ROOT_UNKNOWN, from, "there is no root named %.*s",
                          (int)(length > 64 ? 64 : length), from + 5);
}
