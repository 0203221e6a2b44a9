/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * See channel.h. One process has one channel, so its state is the file's. The thread lives in poll():
 * on the socket (input always, output while something waits) and on an eventfd by which senders and the
 * signal handler wake it.
 *
 * When burnd is gone and `proceed` had come, lines are thrown away and the thread touches result.json
 * every second instead of sending heartbeats: that is how a new burnd sees that the orphan lives.
 */
#include "burner/channel.h"

#include "base/alloc.h"
#include "base/clock.h"
#include "base/lock.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/socket.h>
#include <unistd.h>

#define HEARTBEAT_MS 1000
#define STOP_LIMIT_MS 5000
#define RESULT_FILE "result.json"

struct outgoing {
    struct outgoing *next;
    enum line_kind kind;
    bool progress;
    size_t length, sent;
    char *text;
};

static struct {
    struct lock lock;
    struct outgoing *first, *last; /* guarded by the lock; only the thread takes from the front */
    bool storing;                  /* the final result.json is being or was written */
    int fd, wake_fd;
    pthread_t thread;
    double factor;
    atomic_bool stopping, canceled, proceeding, lost;
    atomic_int phase;
    char input[4096];
    size_t input_length;
    bool input_overlong;
} channel = {.lock = LOCK_INIT, .fd = -1, .wake_fd = -1};

static void wake(void)
{
    uint64_t one = 1;
    ssize_t ignored = write(channel.wake_fd, &one, sizeof(one));
    (void)ignored;
}

static void on_terminate(int signal_number)
{
    (void)signal_number;
    int saved = errno;
    atomic_store(&channel.canceled, true);
    wake();
    errno = saved;
}

/* --- sending ------------------------------------------------------------------------------- */

static void free_outgoing(struct outgoing *line)
{
    free(line->text);
    free(line);
}

/* A line whose first bytes are on their way must be finished. */
static void remove_unsent_locked(enum line_kind kind)
{
    struct outgoing **link = &channel.first, *previous = NULL;
    while (*link != NULL) {
        struct outgoing *line = *link;
        if (line->progress && line->kind == kind && line->sent == 0) {
            *link = line->next;
            if (channel.last == line) {
                channel.last = previous;
            }
            free_outgoing(line);
        } else {
            previous = line;
            link = &line->next;
        }
    }
}

static void enqueue(const struct worker_line *line, bool progress)
{
    if (atomic_load(&channel.lost)) {
        return;
    }
    struct outgoing *entry = xcalloc(1, sizeof(*entry));
    char *text = worker_line_encode(line);
    entry->text = xasprintf("%s\n", text);
    free(text);
    entry->length = strlen(entry->text);
    entry->kind = line->kind;
    entry->progress = progress;
    lock_take(&channel.lock);
    if (progress) {
        remove_unsent_locked(line->kind);
    }
    if (channel.last == NULL) {
        channel.first = entry;
    } else {
        channel.last->next = entry;
    }
    channel.last = entry;
    lock_drop(&channel.lock);
    wake();
}

void channel_send(const struct worker_line *line)
{
    enqueue(line, false);
}

void channel_send_progress(const struct worker_line *line)
{
    enqueue(line, true);
}

/* The socket is gone: nobody reads what waits. */
static void drop_all(void)
{
    lock_take(&channel.lock);
    while (channel.first != NULL) {
        struct outgoing *line = channel.first;
        channel.first = line->next;
        free_outgoing(line);
    }
    channel.last = NULL;
    lock_drop(&channel.lock);
}

static void lose_socket(void)
{
    if (!atomic_exchange(&channel.lost, true)) {
        if (!atomic_load(&channel.proceeding)) {
            atomic_store(&channel.canceled, true);
        }
        drop_all();
    }
}

/* Sends the front of the queue; false when the socket takes no more or nothing waits. */
static bool send_front(void)
{
    lock_take(&channel.lock);
    struct outgoing *line = channel.first;
    ssize_t count = 0;
    if (line != NULL) {
        count = send(channel.fd, line->text + line->sent, line->length - line->sent,
                     MSG_DONTWAIT | MSG_NOSIGNAL);
        if (count > 0) {
            line->sent += (size_t)count;
        }
        if (line->sent == line->length) {
            channel.first = line->next;
            channel.last = channel.first == NULL ? NULL : channel.last;
            free_outgoing(line);
        }
    }
    int failure = count < 0 ? errno : 0;
    lock_drop(&channel.lock);
    if (failure != 0 && failure != EAGAIN && failure != EINTR) {
        lose_socket();
    }
    return count > 0;
}

static bool has_waiting(void)
{
    lock_take(&channel.lock);
    bool waiting = channel.first != NULL;
    lock_drop(&channel.lock);
    return waiting;
}

/* --- receiving ----------------------------------------------------------------------------- */

static void take_line(const char *text, size_t length)
{
    struct worker_line line;
    struct error trouble = ERROR_EMPTY;
    if (worker_line_decode(text, length, &line, &trouble) != 0) {
        fprintf(stderr, "burnd-worker: a line from burnd is not understood: %s\n", trouble.message);
        return;
    }
    if (line.kind == LINE_CANCEL) {
        atomic_store(&channel.canceled, true);
    } else if (line.kind == LINE_PROCEED) {
        atomic_store(&channel.proceeding, true);
    }
    worker_line_release(&line);
}

static void take_input(void)
{
    char *end;
    while ((end = memchr(channel.input, '\n', channel.input_length)) != NULL) {
        size_t length = (size_t)(end - channel.input);
        if (!channel.input_overlong) {
            take_line(channel.input, length);
        }
        channel.input_overlong = false;
        channel.input_length -= length + 1;
        memmove(channel.input, end + 1, channel.input_length);
    }
    if (channel.input_length == sizeof(channel.input)) {
        channel.input_overlong = true; /* burnd's lines are short: this is not for us */
        channel.input_length = 0;
    }
}

static void receive(void)
{
    for (;;) {
        ssize_t count = recv(channel.fd, channel.input + channel.input_length,
                             sizeof(channel.input) - channel.input_length, MSG_DONTWAIT);
        if (count < 0 && (errno == EAGAIN || errno == EINTR)) {
            return;
        }
        if (count <= 0) {
            lose_socket();
            return;
        }
        channel.input_length += (size_t)count;
        take_input();
    }
}

/* --- result.json --------------------------------------------------------------------------- */

static int write_result(const char *text, bool durable, struct error *err)
{
    int fd = open(RESULT_FILE ".tmp", O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0644);
    size_t length = strlen(text);
    bool good =
        fd >= 0 && write(fd, text, length) == (ssize_t)length && (!durable || fsync(fd) == 0);
    if (fd >= 0) {
        close(fd);
    }
    good = good && rename(RESULT_FILE ".tmp", RESULT_FILE) == 0;
    if (good && durable) {
        int folder = open(".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
        good = folder >= 0 && fsync(folder) == 0;
        if (folder >= 0) {
            close(folder);
        }
    }
    return good ? 0
                : error_set(err, ERROR_INTERNAL, "cannot write " RESULT_FILE ": %s",
                            strerror(errno));
}

int channel_store_result(const struct worker_line *line, struct error *err)
{
    char *text = worker_line_encode(line);
    lock_take(&channel.lock);
    channel.storing = true;
    lock_drop(&channel.lock);
    int failed = write_result(text, true, err);
    free(text);
    return failed;
}

static void touch_result(void)
{
    struct error ignored = ERROR_EMPTY;
    lock_take(&channel.lock);
    if (!channel.storing) {
        (void)!write_result("{\"state\":\"running\"}\n", false, &ignored);
    }
    lock_drop(&channel.lock);
}

/* --- the thread ---------------------------------------------------------------------------- */

static void beat(void)
{
    if (!atomic_load(&channel.lost)) {
        channel_send_progress(&(struct worker_line){.kind = LINE_HEARTBEAT});
    } else if (atomic_load(&channel.proceeding)) {
        touch_result();
    }
}

static void wait_for_something(int64_t limit_ms)
{
    bool lost = atomic_load(&channel.lost);
    struct pollfd polled[2] = {
        {.fd = channel.wake_fd, .events = POLLIN},
        {.fd = lost ? -1 : channel.fd, .events = (short)(POLLIN | (has_waiting() ? POLLOUT : 0))},
    };
    poll(polled, 2, (int)(limit_ms < 0 ? 0 : limit_ms));
    uint64_t count;
    ssize_t ignored = read(channel.wake_fd, &count, sizeof(count));
    (void)ignored;
}

static void *run_channel(void *unused)
{
    (void)unused;
    int64_t next_beat = clock_monotonic_ms() + HEARTBEAT_MS;
    int64_t stop_limit = 0;
    for (;;) {
        bool stopping = atomic_load(&channel.stopping);
        int64_t now = clock_monotonic_ms();
        if (stopping && stop_limit == 0) {
            stop_limit = now + STOP_LIMIT_MS;
        }
        if (stopping && (!has_waiting() || now >= stop_limit || atomic_load(&channel.lost))) {
            return NULL;
        }
        if (now >= next_beat && !stopping) {
            beat();
            next_beat = now + HEARTBEAT_MS;
        }
        wait_for_something(stopping ? 100 : next_beat - now);
        if (!atomic_load(&channel.lost)) {
            receive();
        }
        while (!atomic_load(&channel.lost) && send_front()) {
        }
    }
}

void channel_start(int fd, double factor)
{
    channel.fd = fd;
    channel.factor = factor > 0 ? factor : 1.0;
    channel.wake_fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
    fcntl(fd, F_SETFD, FD_CLOEXEC);
    struct sigaction terminate = {.sa_handler = on_terminate, .sa_flags = SA_RESTART};
    struct sigaction ignore = {.sa_handler = SIG_IGN};
    sigaction(SIGTERM, &terminate, NULL);
    sigaction(SIGPIPE, &ignore, NULL);
    if (channel.wake_fd < 0 || pthread_create(&channel.thread, NULL, run_channel, NULL) != 0) {
        abort(); /* a worker that cannot speak is of no use */
    }
}

void channel_stop(void)
{
    atomic_store(&channel.stopping, true);
    wake();
    pthread_join(channel.thread, NULL);
    drop_all();
}

/* --- for the operations -------------------------------------------------------------------- */

bool channel_is_canceled(void)
{
    return atomic_load(&channel.canceled);
}

int channel_check_canceled(struct error *err)
{
    return channel_is_canceled() ? error_set(err, ERROR_CANCELED, "the operation was cancelled")
                                 : 0;
}

int channel_wait_proceed(struct error *err)
{
    while (!atomic_load(&channel.proceeding)) {
        if (channel_is_canceled()) {
            return channel_check_canceled(err);
        }
        usleep(2000);
    }
    return channel_check_canceled(err);
}

/* Sleeps, but not beyond a cancel. */
static void sleep_ms(int64_t milliseconds)
{
    int64_t end = clock_monotonic_ms() + milliseconds;
    while (clock_monotonic_ms() < end && !channel_is_canceled()) {
        usleep(10000);
    }
}

/* The value behind "WORD=" in the comma list of the environment, "" for a bare word, NULL for none. */
static const char *hook_value(const char *variable, const char *word)
{
    size_t length = strlen(word);
    const char *list = getenv(variable);
    for (const char *at = list; at != NULL && *at != '\0';) {
        if (strncmp(at, word, length) == 0) {
            if (at[length] == '=') {
                return at + length + 1;
            }
            if (at[length] == '\0' || at[length] == ',') {
                return "";
            }
        }
        at = strchr(at, ',');
        at = at == NULL ? NULL : at + 1;
    }
    return NULL;
}

void channel_phase(enum phase phase, enum cancel_effect cancel, int64_t expected_s)
{
    atomic_store(&channel.phase, (int)phase);
    channel_send(&(struct worker_line){
        .kind = LINE_PHASE,
        .phase = {.phase = phase, .cancel = cancel, .expected_s = expected_s},
    });
    const char *pause = hook_value("BURND_WORKER_PAUSE", phase_to_text(phase));
    if (pause != NULL) {
        sleep_ms((int64_t)(strtod(pause, NULL) * 1000));
    }
    if (hook_value("BURND_WORKER_FREEZE", phase_to_text(phase)) != NULL) {
        usleep(200000); /* the line that announces the phase shall still get out */
        raise(SIGSTOP);
    }
}

enum phase channel_current_phase(void)
{
    return (enum phase)atomic_load(&channel.phase);
}

void channel_message(const char *library, const char *severity, int code, const char *text)
{
    struct worker_line line = {.kind = LINE_MESSAGE};
    text_copy(line.message.library, sizeof(line.message.library), library);
    text_copy(line.message.severity, sizeof(line.message.severity), severity);
    text_copy(line.message.text, sizeof(line.message.text), text);
    line.message.code = code;
    channel_send(&line);
}
