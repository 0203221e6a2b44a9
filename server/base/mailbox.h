/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * How other threads reach the core: they post a function and its argument, the core thread runs it.
 * Also the way from the core into libuv's thread pool for what may block (reads of the store,
 * hashing, walking a root): mailbox_post_work().
 */
#ifndef BURND_BASE_MAILBOX_H
#define BURND_BASE_MAILBOX_H

#include "base/error.h"

#include <uv.h>

struct mailbox;

/* On the core thread. `loop` outlives the mailbox. */
struct mailbox *mailbox_new(uv_loop_t *loop);

/* Any thread. `run(arg)` is called once on the core thread, in order of posting. Returns -1 when
 * the mailbox is closed (the program is stopping): `run` is then never called and `arg` stays
 * the caller's. */
NODISCARD int mailbox_post(struct mailbox *box, void (*run)(void *arg), void *arg);

/* Any thread. `work(arg)` is called once on a thread of the pool; what it does afterwards with
 * `arg` is its own affair. Returns -1 like mailbox_post(). */
NODISCARD int mailbox_post_work(struct mailbox *box, void (*work)(void *arg), void *arg);

/* Core thread. Nothing can be posted afterwards; what was posted before is run now. */
void mailbox_close(struct mailbox *box);

/* Core thread, after the loop has run out its handles. */
void mailbox_free(struct mailbox *box);

#endif
