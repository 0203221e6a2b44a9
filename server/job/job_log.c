/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * The log of a job, a JSON object a line in jobs/<id>/log below the state directory, written by
 * burnd alone; and the folders of jobs and attempts. A log line that cannot be written is said in
 * the daemon's log and stops nothing.
 */
#include "job/core_internal.h"

#include "base/alloc.h"
#include "base/clock.h"
#include "base/log.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

char *core_job_folder(const struct core *core, const char *job)
{
    return xasprintf("%s/jobs/%s", core->state_dir, job);
}

char *core_attempt_folder(const struct core *core, const char *job, const char *attempt)
{
    return xasprintf("%s/jobs/%s/%s", core->state_dir, job, attempt);
}

int core_make_folder(const char *path, struct error *err)
{
    char *part = xstrdup(path);
    int status = 0;
    for (char *slash = strchr(part + 1, '/'); status == 0; slash = strchr(slash + 1, '/')) {
        if (slash != NULL) {
            *slash = '\0';
        }
        if (mkdir(part, 0700) != 0 && errno != EEXIST) {
            status = error_set(err, ERROR_INTERNAL, "folder %s cannot be made: %s", part,
                               strerror(errno));
        }
        if (slash == NULL) {
            break;
        }
        *slash = '/';
    }
    free(part);
    return status;
}

static void empty_folder(const char *path, int depth)
{
    DIR *folder = opendir(path);
    if (folder == NULL) {
        return;
    }
    struct dirent *entry;
    while ((entry = readdir(folder)) != NULL) {
        if (strcmp(entry->d_name, ".") == 0 || strcmp(entry->d_name, "..") == 0) {
            continue;
        }
        if (unlinkat(dirfd(folder), entry->d_name, 0) != 0 && depth > 0) {
            char *inner = xasprintf("%s/%s", path, entry->d_name);
            empty_folder(inner, depth - 1);
            rmdir(inner);
            free(inner);
        }
    }
    closedir(folder);
}

void core_remove_folder(const char *path)
{
    empty_folder(path, 1);
    if (rmdir(path) != 0 && errno != ENOENT) {
        log_warning("state", "folder %s cannot be removed: %s", path, strerror(errno));
    }
}

/* `text` as a JSON string; longer ones are cut. */
static void quote(char *out, size_t size, const char *text)
{
    size_t at = 0;
    out[at++] = '"';
    for (; *text != '\0' && at + 8 < size; text++) {
        unsigned char letter = (unsigned char)*text;
        if (letter == '"' || letter == '\\') {
            out[at++] = '\\';
            out[at++] = (char)letter;
        } else if (letter < 0x20) {
            at += (size_t)snprintf(out + at, size - at, "\\u%04x", letter);
        } else {
            out[at++] = (char)letter;
        }
    }
    out[at++] = '"';
    out[at] = '\0';
}

static void append(const char *path, const char *text)
{
    int fd = open(path, O_WRONLY | O_APPEND | O_CREAT | O_CLOEXEC, 0600);
    size_t length = strlen(text);
    if (fd < 0 || write(fd, text, length) != (ssize_t)length) {
        log_warning("state", "%s cannot be written: %s", path, strerror(errno));
    }
    if (fd >= 0) {
        close(fd);
    }
}

void job_log(const struct core *core, const char *job, int copy, int attempt, const char *level,
             const char *format, ...)
{
    char text[1536], quoted[4096], when[CLOCK_TEXT_SIZE];
    va_list args;
    va_start(args, format);
    vsnprintf(text, sizeof(text), format, args);
    va_end(args);
    text_copy(text, sizeof(text), text); /* not cut inside a letter */
    quote(quoted, sizeof(quoted), text);
    clock_to_text(clock_wall_ms(), when);
    char *line =
        xasprintf("{\"time\":\"%s\",\"level\":\"%s\",\"copy\":%d,\"attempt\":%d,\"text\":%s}\n",
                  when, level, copy, attempt, quoted);
    char *path = xasprintf("%s/jobs/%s/log", core->state_dir, job);
    append(path, line);
    free(path);
    free(line);
}
