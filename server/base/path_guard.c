/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * See path_guard.h. openat2(2) has no wrapper in the C library of Debian 12, hence the bare system
 * call.
 */
#include "base/path_guard.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/openat2.h>
#include <string.h>
#include <sys/syscall.h>
#include <unistd.h>

/* With RESOLVE_BENEATH the kernel answers EAGAIN when something is renamed while it looks; it
 * cannot tell then whether ".." stayed inside. */
#define RACE_RETRIES 64

int path_guard_check(const char *path, const char *shown, struct error *err)
{
    if (path[0] == '/') {
        return error_set_path(err, ERROR_SOURCE_OUTSIDE_ROOT, shown,
                              "the path %s must be relative to its root", shown);
    }
    for (const char *part = path; part != NULL;) {
        if (strncmp(part, "..", 2) == 0 && (part[2] == '/' || part[2] == '\0')) {
            return error_set_path(err, ERROR_SOURCE_OUTSIDE_ROOT, shown,
                                  "the path %s must not contain \"..\"", shown);
        }
        part = strchr(part, '/');
        part = part == NULL ? NULL : part + 1;
    }
    return 0;
}

int path_guard_explain(int errno_value, const char *shown, struct error *err)
{
    switch (errno_value) {
    case EXDEV:
        return error_set_path(err, ERROR_SOURCE_OUTSIDE_ROOT, shown, "%s leads outside its root",
                              shown);
    case ENOENT:
    case ENOTDIR:
        return error_set_path(err, ERROR_SOURCE_MISSING, shown, "%s does not exist", shown);
    case ELOOP:
        return error_set_path(err, ERROR_SOURCE_MISSING, shown, "%s is a link that leads nowhere",
                              shown);
    case EACCES:
    case EPERM:
        return error_set_path(err, ERROR_SOURCE_UNREADABLE, shown, "burnd may not read %s", shown);
    default:
        return error_set_path(err, ERROR_SOURCE_UNREADABLE, shown, "%s cannot be read: %s", shown,
                              strerror(errno_value));
    }
}

int path_guard_open(int root_fd, const char *path, int flags, const char *shown, struct error *err)
{
    if (path_guard_check(path, shown, err) != 0) {
        return -1;
    }
    struct open_how how = {
        .flags = (uint64_t)(unsigned)(flags | O_CLOEXEC),
        .resolve = RESOLVE_BENEATH | RESOLVE_NO_MAGICLINKS,
    };
    for (int i = 0; i < RACE_RETRIES; i++) {
        long fd = syscall(SYS_openat2, root_fd, path[0] == '\0' ? "." : path, &how, sizeof(how));
        if (fd >= 0) {
            return (int)fd;
        }
        if (errno != EAGAIN && errno != EINTR) {
            break;
        }
    }
    return path_guard_explain(errno, shown, err);
}
