/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * See mailbox.h. A list under a lock and a uv_async_t that wakes the loop; the async coalesces, so
 * the list is always drained whole.
 */
#include "base/mailbox.h"

#include "base/alloc.h"
#include "base/lock.h"

#include <stdbool.h>
#include <stdlib.h>

struct letter {
    struct letter *next;
    void (*run)(void *arg);
    void *arg;
    bool in_pool;
};

struct mailbox {
    uv_async_t wake;
    uv_loop_t *loop;
    struct lock lock;
    struct letter *first GUARDED_BY(lock);
    struct letter **end GUARDED_BY(lock);
    bool closed GUARDED_BY(lock);
};

struct pool_work {
    uv_work_t request; /* first member: cast back in the callbacks */
    void (*run)(void *arg);
    void *arg;
};

static void pool_run(uv_work_t *request)
{
    struct pool_work *work = (struct pool_work *)request;
    work->run(work->arg);
}

static void pool_done(uv_work_t *request, int status)
{
    (void)status;
    free(request);
}

static void to_pool(uv_loop_t *loop, const struct letter *letter)
{
    struct pool_work *work = xcalloc(1, sizeof(*work));
    work->run = letter->run;
    work->arg = letter->arg;
    uv_queue_work(loop, &work->request, pool_run, pool_done);
}

static struct letter *take_all(struct mailbox *box)
{
    lock_take(&box->lock);
    struct letter *list = box->first;
    box->first = NULL;
    box->end = &box->first;
    lock_drop(&box->lock);
    return list;
}

static void drain(struct mailbox *box)
{
    struct letter *list = take_all(box);
    while (list != NULL) {
        struct letter *letter = list;
        list = letter->next;
        if (letter->in_pool) {
            to_pool(box->loop, letter);
        } else {
            letter->run(letter->arg);
        }
        free(letter);
    }
}

static void on_wake(uv_async_t *wake)
{
    drain(wake->data);
}

struct mailbox *mailbox_new(uv_loop_t *loop)
{
    struct mailbox *box = xcalloc(1, sizeof(*box));
    lock_init(&box->lock);
    box->loop = loop;
    box->end = &box->first;
    uv_async_init(loop, &box->wake, on_wake);
    box->wake.data = box;
    return box;
}

static int post(struct mailbox *box, void (*run)(void *arg), void *arg, bool in_pool)
{
    struct letter *letter = xcalloc(1, sizeof(*letter));
    letter->run = run;
    letter->arg = arg;
    letter->in_pool = in_pool;
    lock_take(&box->lock);
    if (box->closed) {
        lock_drop(&box->lock);
        free(letter);
        return -1;
    }
    *box->end = letter;
    box->end = &letter->next;
    uv_async_send(&box->wake); /* under the lock: never after the close */
    lock_drop(&box->lock);
    return 0;
}

int mailbox_post(struct mailbox *box, void (*run)(void *arg), void *arg)
{
    return post(box, run, arg, false);
}

int mailbox_post_work(struct mailbox *box, void (*work)(void *arg), void *arg)
{
    return post(box, work, arg, true);
}

void mailbox_close(struct mailbox *box)
{
    lock_take(&box->lock);
    box->closed = true;
    lock_drop(&box->lock);
    drain(box);
    uv_close((uv_handle_t *)&box->wake, NULL);
}

void mailbox_free(struct mailbox *box)
{
    lock_release(&box->lock);
    free(box);
}
