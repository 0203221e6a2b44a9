/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * See worker.h for the states. The process is started detached (a session of its own), so that a
 * Ctrl-C at burnd's terminal does not reach a worker that is writing. Its end of the socket is fd
 * 3; ours is a uv_pipe_t whose lines are decoded and handed up one by one.
 *
 * Three handles make a worker: process, pipe, timer. `ended` is told when the process is reaped and
 * the pipe is drained; the struct is freed when all three handles are closed.
 */
#include "worker/worker.h"

#include "base/alloc.h"
#include "base/clock.h"
#include "base/log.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <unistd.h>

#define TICK_MS 250
#define HEARTBEAT_LIMIT_MS 5000
#define TERM_TO_KILL_MS 5000
#define REAP_LIMIT_MS 10000
#define CANCEL_SOON_MS 2000
#define CANCEL_LATE_MS 30000
#define CORE_LATE_MS 1000
#define WRITE_BURST_KB 1024 /* libburn throttles a file in steps of up to 1 MiB (measured, 1.5.4) */

struct worker {
    uv_process_t process;
    uv_pipe_t pipe;
    uv_timer_t timer;
    int open_handles;
    struct worker_settings settings;
    char *input; /* bytes of an unfinished line */
    size_t input_length;
    enum phase phase;
    int64_t progress_value; /* the last counter, to tell progress from repetition */
    int64_t last_sign_ms, last_progress_ms, last_tick_ms;
    int64_t canceled_at_ms, term_at_ms, kill_at_ms; /* 0 = not yet */
    bool exited, pipe_ended, told;
    struct worker_end end;
};

int64_t worker_silence_limit_ms(enum phase phase, bool is_file)
{
    switch (phase) {
    case PHASE_STAGE:
        return 30000;
    case PHASE_WRITE:
        return is_file ? 10000 : 30000;
    case PHASE_FLUSH:
    case PHASE_CLOSE:
        return 300000;
    case PHASE_NONE:
    case PHASE_ACQUIRE:
    case PHASE_ASSESS:
    case PHASE_SETTLE:
    case PHASE_VERIFY:
    case PHASE_EJECT:
    case PHASE_ENDED:
    case PHASE_COUNT:
        return 60000;
    }
    return 60000;
}

unsigned long long worker_process_start(int pid)
{
    char path[64], text[1024];
    snprintf(path, sizeof(path), "/proc/%d/stat", pid);
    FILE *file = fopen(path, "re");
    if (file == NULL) {
        return 0;
    }
    size_t length = fread(text, 1, sizeof(text) - 1, file);
    fclose(file);
    text[length] = '\0';
    /* field 22; the second field is in parentheses and may hold anything */
    char *at = strrchr(text, ')');
    for (int field = 2; at != NULL && field < 22; field++) {
        at = strchr(at + 1, ' ');
    }
    return at != NULL ? strtoull(at, NULL, 10) : 0;
}

int worker_pid(const struct worker *worker)
{
    return worker->process.pid;
}

static int64_t scaled(const struct worker *worker, int64_t ms)
{
    return (int64_t)((double)ms * worker->settings.watchdog_factor);
}

/* --- the end ------------------------------------------------------------------------------- */

static void on_closed(uv_handle_t *handle)
{
    struct worker *worker = handle->data;
    if (--worker->open_handles > 0) {
        return;
    }
    free(worker->input);
    free(worker);
}

static void explain_end(struct worker *worker)
{
    struct worker_end *end = &worker->end;
    const char *phase = phase_to_text(worker->phase);
    end->phase = worker->phase;
    if (end->has_result) {
        return;
    }
    if (end->unreaped) {
        error_set(&end->problem, ERROR_WORKER_STALLED,
                  "the worker went silent in phase %s and could not be ended (the kernel holds it)",
                  phase);
    } else if (end->stalled) {
        error_set(&end->problem, ERROR_WORKER_STALLED,
                  "the worker went silent in phase %s and was ended", phase);
    } else if (end->killed_by_cancel) {
        error_set(&end->problem, ERROR_CANCELED,
                  "canceled in phase %s; the worker did not stop by itself and was ended", phase);
    } else if (end->exit_signal != 0) {
        error_set(&end->problem, ERROR_WORKER_LOST, "the worker died in phase %s by signal %d",
                  phase, end->exit_signal);
    } else {
        error_set(&end->problem, ERROR_WORKER_LOST,
                  "the worker ended in phase %s with status %d and without a result", phase,
                  end->exit_status);
    }
}

static void tell_end(struct worker *worker)
{
    if (worker->told) {
        return;
    }
    worker->told = true;
    explain_end(worker);
    uv_close((uv_handle_t *)&worker->timer, on_closed);
    uv_close((uv_handle_t *)&worker->pipe, on_closed);
    worker->settings.ended(worker->settings.arg, &worker->end);
    if (worker->exited) {
        uv_close((uv_handle_t *)&worker->process, on_closed);
    } /* else: closed when the kernel lets it go */
}

static void end_if_complete(struct worker *worker)
{
    if (worker->exited && worker->pipe_ended) {
        tell_end(worker);
    }
}

static void on_process_exit(uv_process_t *process, int64_t status, int signal_number)
{
    struct worker *worker = process->data;
    worker->exited = true;
    worker->end.exit_status = (int)status;
    worker->end.exit_signal = signal_number;
    if (worker->told) {
        uv_close((uv_handle_t *)&worker->process, on_closed);
        return;
    }
    end_if_complete(worker);
}

/* --- reading lines ------------------------------------------------------------------------- */

static int64_t counter_of(const struct worker_line *line)
{
    switch (line->kind) {
    case LINE_STAGE:
        return line->stage.completed;
    case LINE_BLOCK:
        return line->block.completed;
    case LINE_VERIFY:
        return line->verify.completed;
    default: /* any other line is news by itself */
        return -1;
    }
}

static void note_progress(struct worker *worker, const struct worker_line *line)
{
    int64_t now = clock_monotonic_ms();
    worker->last_sign_ms = now;
    if (line->kind == LINE_HEARTBEAT) {
        return;
    }
    int64_t counter = counter_of(line);
    if (counter < 0 || counter != worker->progress_value) {
        worker->last_progress_ms = now;
    }
    worker->progress_value = counter;
}

static void take_line(struct worker *worker, const char *text, size_t length)
{
    struct worker_line line;
    struct error err;
    if (worker_line_decode(text, length, &line, &err) != 0) {
        log_warning("worker", "pid %d said something unreadable: %s", worker->process.pid,
                    err.message);
        return;
    }
    note_progress(worker, &line);
    if (line.kind == LINE_PHASE) {
        worker->phase = line.phase.phase;
    } else if (line.kind == LINE_RESULT) {
        worker->end.has_result = true;
        worker->end.result = line.result;
    }
    if (line.kind != LINE_HEARTBEAT) {
        worker->settings.line(worker->settings.arg, &line);
    }
    worker_line_release(&line);
}

static void take_bytes(struct worker *worker, const char *bytes, size_t length)
{
    if (worker->input_length + length > 2 * (size_t)WORKER_LINE_MAX + 65536) {
        log_warning("worker", "pid %d said a line without end", worker->process.pid);
        worker->input_length = 0;
        return;
    }
    worker->input = xrealloc(worker->input, worker->input_length + length);
    memcpy(worker->input + worker->input_length, bytes, length);
    worker->input_length += length;
    char *start = worker->input, *end = worker->input + worker->input_length, *newline;
    while (start < end && (newline = memchr(start, '\n', (size_t)(end - start))) != NULL) {
        take_line(worker, start, (size_t)(newline - start));
        start = newline + 1;
    }
    worker->input_length = (size_t)(end - start);
    memmove(worker->input, start, worker->input_length);
}

static void on_alloc(uv_handle_t *handle, size_t suggested, uv_buf_t *buffer)
{
    (void)handle;
    *buffer = uv_buf_init(xcalloc(1, suggested), (unsigned)suggested);
}

static void on_read(uv_stream_t *stream, ssize_t count, const uv_buf_t *buffer)
{
    struct worker *worker = stream->data;
    if (count > 0) {
        take_bytes(worker, buffer->base, (size_t)count);
    }
    free(buffer->base);
    if (count < 0) {
        uv_read_stop(stream);
        worker->pipe_ended = true;
        end_if_complete(worker);
    }
}

/* --- judging silence, ending --------------------------------------------------------------- */

static void send_signal(struct worker *worker, int number)
{
    if (!worker->exited) {
        kill(worker->process.pid, number);
    }
}

static void kill_now(struct worker *worker, int64_t now)
{
    worker->kill_at_ms = now;
    send_signal(worker, SIGKILL);
}

static bool bytes_wait(struct worker *worker)
{
    uv_os_fd_t fd;
    int waiting = 0;
    return uv_fileno((uv_handle_t *)&worker->pipe, &fd) == 0 &&
           ioctl(fd, FIONREAD, &waiting) == 0 && waiting > 0;
}

static void judge_silence(struct worker *worker, int64_t now)
{
    int64_t limit =
        scaled(worker, worker_silence_limit_ms(worker->phase, worker->settings.is_file));
    if (worker->phase == PHASE_WRITE && worker->settings.speed_kb_s > 0) {
        limit += 2 * WRITE_BURST_KB * 1000 / worker->settings.speed_kb_s;
    }
    bool no_sign = now - worker->last_sign_ms > scaled(worker, HEARTBEAT_LIMIT_MS);
    bool no_progress = now - worker->last_progress_ms > limit;
    if (no_sign || no_progress) {
        log_warning("worker", "pid %d: %s in phase %s, killed", worker->process.pid,
                    no_sign ? "no sign of life" : "no progress", phase_to_text(worker->phase));
        worker->end.stalled = true;
        kill_now(worker, now);
    }
}

static void follow_cancel(struct worker *worker, int64_t now)
{
    bool soon = worker->settings.is_file || worker->phase < PHASE_WRITE;
    int64_t patience = scaled(worker, soon ? CANCEL_SOON_MS : CANCEL_LATE_MS);
    if (worker->term_at_ms == 0) {
        if (now - worker->canceled_at_ms > patience) {
            worker->term_at_ms = now;
            send_signal(worker, SIGTERM);
        }
    } else if (now - worker->term_at_ms > scaled(worker, TERM_TO_KILL_MS)) {
        log_warning("worker", "pid %d did not stop when told, killed", worker->process.pid);
        worker->end.killed_by_cancel = true;
        kill_now(worker, now);
    }
}

static void on_tick(uv_timer_t *timer)
{
    struct worker *worker = timer->data;
    int64_t now = clock_monotonic_ms();
    if (now - worker->last_tick_ms > TICK_MS + CORE_LATE_MS) {
        worker->last_sign_ms = worker->last_progress_ms = now; /* we were late, not it */
    }
    worker->last_tick_ms = now;
    if (worker->kill_at_ms != 0 && !worker->exited) {
        if (now - worker->kill_at_ms > scaled(worker, REAP_LIMIT_MS)) {
            worker->end.unreaped = true;
            tell_end(worker);
        }
        return;
    }
    if (bytes_wait(worker)) {
        return;
    }
    if (worker->exited) {
        tell_end(worker); /* something it left behind holds the pipe open; all it said was read */
        return;
    }
    if (worker->canceled_at_ms != 0) {
        follow_cancel(worker, now);
    }
    if (worker->kill_at_ms == 0) {
        judge_silence(worker, now);
    }
}

/* --- speaking to it ------------------------------------------------------------------------ */

struct outgoing {
    uv_write_t write;
    char *text;
};

static void on_written(uv_write_t *write, int status)
{
    (void)status; /* a worker that is gone is told by its exit */
    struct outgoing *outgoing = (struct outgoing *)write;
    free(outgoing->text);
    free(outgoing);
}

static void say(struct worker *worker, enum line_kind kind)
{
    if (worker->told || worker->pipe_ended) {
        return;
    }
    struct worker_line line = {.kind = kind};
    char *text = worker_line_encode(&line);
    struct outgoing *outgoing = xcalloc(1, sizeof(*outgoing));
    outgoing->text = xasprintf("%s\n", text);
    free(text);
    uv_buf_t buffer = uv_buf_init(outgoing->text, (unsigned)strlen(outgoing->text));
    if (uv_write(&outgoing->write, (uv_stream_t *)&worker->pipe, &buffer, 1, on_written) != 0) {
        free(outgoing->text);
        free(outgoing);
    }
}

void worker_proceed(struct worker *worker)
{
    say(worker, LINE_PROCEED);
}

void worker_cancel(struct worker *worker)
{
    if (worker->canceled_at_ms == 0) {
        worker->canceled_at_ms = clock_monotonic_ms();
        say(worker, LINE_CANCEL);
    }
}

/* --- the start ----------------------------------------------------------------------------- */

static int write_request(const struct worker_settings *settings, struct worker_request *request,
                         struct error *err)
{
    request->has_lease = settings->lease_fd >= 0;
    request->watchdog_factor = settings->watchdog_factor;
    int next = WORKER_FD_FIRST_ROOT;
    for (size_t i = 0; i < request->root_count; i++) {
        request->roots[i].fd = settings->root_fds[i] >= 0 ? next++ : -1;
    }
    char *text = worker_request_encode(request);
    char *path = xasprintf("%s/request.json", settings->folder);
    int fd = open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
    size_t length = strlen(text);
    int failed = fd < 0 || write(fd, text, length) != (ssize_t)length || fsync(fd) != 0;
    if (failed) {
        error_set(err, ERROR_INTERNAL, "%s cannot be written: %s", path, strerror(errno));
    }
    if (fd >= 0) {
        close(fd);
    }
    free(path);
    free(text);
    return failed ? -1 : 0;
}

static size_t fill_stdio(struct worker *worker, const struct worker_settings *settings,
                         const struct worker_request *request, uv_stdio_container_t *stdio)
{
    stdio[0].flags = UV_IGNORE;
    stdio[1].flags = UV_IGNORE;
    stdio[2].flags = UV_INHERIT_FD;
    stdio[2].data.fd = STDERR_FILENO;
    stdio[WORKER_FD_SOCKET].flags = UV_CREATE_PIPE | UV_READABLE_PIPE | UV_WRITABLE_PIPE;
    stdio[WORKER_FD_SOCKET].data.stream = (uv_stream_t *)&worker->pipe;
    stdio[WORKER_FD_LEASE].flags = settings->lease_fd >= 0 ? UV_INHERIT_FD : UV_IGNORE;
    stdio[WORKER_FD_LEASE].data.fd = settings->lease_fd;
    size_t count = WORKER_FD_FIRST_ROOT;
    for (size_t i = 0; i < request->root_count; i++) {
        if (settings->root_fds[i] >= 0) {
            stdio[count].flags = UV_INHERIT_FD;
            stdio[count++].data.fd = settings->root_fds[i];
        }
    }
    return count;
}

static int spawn(uv_loop_t *loop, struct worker *worker, const struct worker_request *request)
{
    uv_stdio_container_t stdio[WORKER_FD_FIRST_ROOT + WORKER_ROOTS_MAX];
    char operation[16];
    snprintf(operation, sizeof(operation), "%s", operation_to_text(request->operation));
    char *program = xstrdup(worker->settings.program);
    char *arguments[] = {program, operation, NULL};
    uv_process_options_t options = {
        .exit_cb = on_process_exit,
        .file = program,
        .args = arguments,
        .cwd = worker->settings.folder,
        .flags = UV_PROCESS_DETACHED,
        .stdio = stdio,
    };
    options.stdio_count = (int)fill_stdio(worker, &worker->settings, request, stdio);
    int status = uv_spawn(loop, &worker->process, &options);
    free(program);
    return status;
}

int worker_start(uv_loop_t *loop, const struct worker_settings *settings,
                 struct worker_request *request, struct worker **out, struct error *err)
{
    if (write_request(settings, request, err) != 0) {
        return -1;
    }
    struct worker *worker = xcalloc(1, sizeof(*worker));
    worker->settings = *settings;
    uv_pipe_init(loop, &worker->pipe, 0);
    uv_timer_init(loop, &worker->timer);
    worker->pipe.data = worker->timer.data = worker->process.data = worker;
    worker->open_handles = 3;
    int status = spawn(loop, worker, request);
    if (status != 0) {
        error_set(err, ERROR_INTERNAL, "%s cannot be started: %s", settings->program,
                  uv_strerror(status));
        uv_close((uv_handle_t *)&worker->pipe, on_closed);
        uv_close((uv_handle_t *)&worker->timer, on_closed);
        uv_close((uv_handle_t *)&worker->process, on_closed);
        return -1;
    }
    int64_t now = clock_monotonic_ms();
    worker->last_sign_ms = worker->last_progress_ms = worker->last_tick_ms = now;
    worker->progress_value = -1;
    uv_read_start((uv_stream_t *)&worker->pipe, on_alloc, on_read);
    uv_timer_start(&worker->timer, on_tick, TICK_MS, TICK_MS);
    *out = worker;
    return 0;
}
