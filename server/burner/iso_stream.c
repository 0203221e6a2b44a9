/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * See iso_stream.h. libisofs reads its files one after another, so one buffer of 256 KiB serves them
 * all; a second open stream gets one of its own. libisofs asks for 2 KiB at a time and pads what is
 * missing with zeros without a word: therefore a short file must be an error of read itself, and the
 * last read also demands that the file has neither grown nor been written meanwhile.
 *
 * The id of a stream is a file system number of ours, device and inode: two paths of one file (hard
 * links, a file grafted twice) have one id and their content is written once.
 */
#include "burner/iso_stream.h"

#include "base/alloc.h"
#include "base/lock.h"
#include "base/path_guard.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define BUFFER_BYTES (256 * 1024)
#define OWN_FS_ID 0x62726e64u /* any number that libisofs does not use itself */

struct stream_state {
    const struct worker_request *request;
    const struct source_node *node;
    int fd;
    int64_t offset;    /* of the next byte to be delivered */
    int64_t read_upto; /* of the file */
    uint8_t *buffer;   /* holds the bytes from read_upto - buffered on */
    size_t buffered, taken;
    bool advised;
};

static struct {
    struct lock lock;
    bool failed;
    struct error failure;
    uint8_t *spare_buffer;
} shared = {.lock = LOCK_INIT};

/* --- failures ------------------------------------------------------------------------------ */

int iso_stream_failure(struct error *err)
{
    lock_take(&shared.lock);
    bool failed = shared.failed;
    if (failed) {
        *err = shared.failure;
    }
    lock_drop(&shared.lock);
    return failed ? -1 : 0;
}

static int remember(const struct error *failure)
{
    lock_take(&shared.lock);
    if (!shared.failed) {
        shared.failed = true;
        shared.failure = *failure;
    }
    lock_drop(&shared.lock);
    return (int)ISO_FILE_READ_ERROR;
}

static int fail(const struct stream_state *state, enum error_code code, const char *what)
{
    struct error failure = ERROR_EMPTY;
    char *shown = source_node_shown(state->request, state->node);
    error_set_path(&failure, code, shown, "%.300s %s", shown, what);
    free(shown);
    return remember(&failure);
}

/* --- judging ------------------------------------------------------------------------------- */

static bool same_time(struct timespec a, struct timespec b)
{
    return a.tv_sec == b.tv_sec && a.tv_nsec == b.tv_nsec;
}

/* NULL when the open file is what the walk saw. */
static const char *difference(const struct source_node *node, const struct stat *now)
{
    if (!S_ISREG(now->st_mode) || now->st_dev != node->device || now->st_ino != node->inode) {
        return "was replaced by another file after it was planned";
    }
    if (now->st_size != node->size) {
        return now->st_size > node->size ? "has grown since it was planned"
                                         : "has become shorter since it was planned";
    }
    return same_time(now->st_mtim, node->mtime) ? NULL : "was written to after it was planned";
}

static int judge(const struct stream_state *state)
{
    struct stat now;
    if (fstat(state->fd, &now) != 0) {
        return fail(state, ERROR_SOURCE_UNREADABLE, strerror(errno));
    }
    const char *reason = difference(state->node, &now);
    return reason == NULL ? 1 : fail(state, ERROR_SOURCE_CHANGED, reason);
}

/* --- the class ----------------------------------------------------------------------------- */

static uint8_t *take_buffer(void)
{
    lock_take(&shared.lock);
    uint8_t *buffer = shared.spare_buffer;
    shared.spare_buffer = NULL;
    lock_drop(&shared.lock);
    return buffer != NULL ? buffer : xcalloc(1, BUFFER_BYTES);
}

static void give_buffer(uint8_t *buffer)
{
    lock_take(&shared.lock);
    uint8_t *surplus = shared.spare_buffer;
    shared.spare_buffer = buffer;
    lock_drop(&shared.lock);
    free(surplus);
}

static int open_file(struct stream_state *state)
{
    const struct source_node *node = state->node;
    struct error trouble = ERROR_EMPTY;
    char *shown = source_node_shown(state->request, node);
    int flags = O_RDONLY | O_NONBLOCK | O_NOCTTY | (node->through_link ? 0 : O_NOFOLLOW);
    state->fd = path_guard_open(state->request->roots[node->root].fd, node->source_path, flags,
                                shown, &trouble);
    free(shown);
    if (state->fd >= 0) {
        return judge(state);
    }
    if (trouble.code == ERROR_SOURCE_UNREADABLE) {
        return remember(&trouble);
    }
    return fail(state, ERROR_SOURCE_CHANGED, "has vanished since it was planned");
}

static int stream_open(IsoStream *stream)
{
    struct stream_state *state = stream->data;
    state->offset = state->read_upto = 0;
    state->buffered = state->taken = 0;
    state->advised = false;
    int result = open_file(state);
    if (result < 0) {
        if (state->fd >= 0) {
            close(state->fd);
            state->fd = -1;
        }
        return result;
    }
    state->buffer = take_buffer();
    return 1;
}

static int stream_close(IsoStream *stream)
{
    struct stream_state *state = stream->data;
    if (state->fd >= 0) {
        close(state->fd);
        state->fd = -1;
        give_buffer(state->buffer);
        state->buffer = NULL;
    }
    return 1;
}

static off_t stream_get_size(IsoStream *stream)
{
    const struct stream_state *state = stream->data;
    return state->node->size;
}

/* The next up to 256 KiB of the file. 1, or a libisofs error. */
static int fill_buffer(struct stream_state *state)
{
    int64_t left = state->node->size - state->read_upto;
    size_t wanted = left > BUFFER_BYTES ? BUFFER_BYTES : (size_t)left;
    if (!state->advised && left > BUFFER_BYTES) {
        posix_fadvise(state->fd, 0, 0, POSIX_FADV_SEQUENTIAL);
        state->advised = true;
    }
    state->buffered = state->taken = 0;
    while (state->buffered < wanted) {
        ssize_t count = read(state->fd, state->buffer + state->buffered, wanted - state->buffered);
        if (count < 0 && errno == EINTR) {
            continue;
        }
        if (count < 0) {
            return fail(state, ERROR_SOURCE_UNREADABLE, strerror(errno));
        }
        if (count == 0) {
            return fail(state, ERROR_SOURCE_CHANGED, "has become shorter while it was burned");
        }
        state->buffered += (size_t)count;
    }
    state->read_upto += (int64_t)wanted;
    return 1;
}

static int stream_read(IsoStream *stream, void *out, size_t count)
{
    struct stream_state *state = stream->data;
    size_t done = 0;
    while (done < count && state->offset < state->node->size) {
        if (state->taken == state->buffered) {
            int result = fill_buffer(state);
            if (result < 0) {
                return result;
            }
            if (state->read_upto == state->node->size && (result = judge(state)) < 0) {
                return result; /* before its last bytes are out of our hands */
            }
        }
        size_t piece = state->buffered - state->taken;
        piece = piece < count - done ? piece : count - done;
        memcpy((uint8_t *)out + done, state->buffer + state->taken, piece);
        state->taken += piece;
        state->offset += (int64_t)piece;
        done += piece;
    }
    return (int)done;
}

static int stream_is_repeatable(IsoStream *stream)
{
    (void)stream;
    return 1;
}

static void stream_get_id(IsoStream *stream, unsigned int *fs_id, dev_t *device, ino_t *inode)
{
    const struct stream_state *state = stream->data;
    *fs_id = OWN_FS_ID;
    *device = state->node->device;
    *inode = state->node->inode;
}

static void stream_free(IsoStream *stream)
{
    stream_close(stream);
    free(stream->data);
}

static int stream_update_size(IsoStream *stream)
{
    (void)stream;
    return 1; /* the size is the walk's: a change is an error, not news */
}

static IsoStream *stream_get_input(IsoStream *stream, int flag)
{
    (void)stream;
    (void)flag;
    return NULL;
}

static IsoStreamIface stream_class = {
    .version = 2,
    .type = {'u', 's', 'e', 'r'},
    .open = stream_open,
    .close = stream_close,
    .get_size = stream_get_size,
    .read = stream_read,
    .is_repeatable = stream_is_repeatable,
    .get_id = stream_get_id,
    .free = stream_free,
    .update_size = stream_update_size,
    .get_input_stream = stream_get_input,
};

static IsoStream *stream_of_text(const struct source_node *node)
{
    IsoStream *stream = NULL;
    unsigned char *copy = malloc((size_t)node->size + 1);
    if (copy == NULL) {
        return NULL;
    }
    memcpy(copy, node->text, (size_t)node->size + 1);
    if (iso_memory_stream_new(copy, (size_t)node->size, &stream) < 0) {
        free(copy);
        return NULL;
    }
    return stream; /* which frees the copy */
}

IsoStream *iso_stream_of_node(const struct worker_request *request, const struct source_node *node)
{
    if (node->kind == SOURCE_TEXT) {
        return stream_of_text(node);
    }
    IsoStream *stream = malloc(sizeof(*stream)); /* libisofs frees it with free() */
    struct stream_state *state = malloc(sizeof(*state));
    if (stream == NULL || state == NULL) {
        free(stream);
        free(state);
        return NULL;
    }
    *state = (struct stream_state){.request = request, .node = node, .fd = -1};
    *stream = (IsoStream){.class = &stream_class, .refcount = 1, .data = state};
    return stream;
}
