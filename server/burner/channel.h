/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * The worker's end of the socket to burnd. A thread of its own sends and receives, so that nothing in
 * the worker ever waits for burnd: progress that was not sent yet is replaced by newer progress, state
 * is queued. The same thread sends the heartbeat and learns of cancel, proceed, SIGTERM and of the loss
 * of burnd.
 *
 * All functions may be called by any thread.
 */
#ifndef BURND_BURNER_CHANNEL_H
#define BURND_BURNER_CHANNEL_H

#include "worker/worker_protocol.h"

#include <stdbool.h>

/* Starts the thread. `fd` is a stream socket; it becomes non-blocking. `factor` scales test pauses. */
void channel_start(int fd, double factor);

/* Sends what is queued, for at most five seconds, and stops the thread. */
void channel_stop(void);

/* Queued: never dropped, in order. */
void channel_send(const struct worker_line *line);

/* Progress: replaces an unsent line of the same kind. */
void channel_send_progress(const struct worker_line *line);

/* Announces a phase, then serves the test hooks BURND_WORKER_PAUSE and BURND_WORKER_FREEZE (main.c). */
void channel_phase(enum phase phase, enum cancel_effect cancel, int64_t expected_s);

/* The phase announced last. */
enum phase channel_current_phase(void);

/* What a library said, as a `message` line. */
void channel_message(const char *library, const char *severity, int code, const char *text);

/* Whether the operation is to end: told so, SIGTERM, or burnd was lost before `proceed` came. */
bool channel_is_canceled(void);

/* 0, or -1 with code canceled: for use at safe points. */
NODISCARD int channel_check_canceled(struct error *err);

/* Waits for `proceed`; -1 when canceled before. From then on the loss of burnd cancels nothing. */
NODISCARD int channel_wait_proceed(struct error *err);

/* Writes the last line into result.json, by rename. Ends the touching of the preliminary one. */
NODISCARD int channel_store_result(const struct worker_line *line, struct error *err);

#endif
