/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * A mutex that clang's -Wthread-safety can follow: data says which lock guards it (GUARDED_BY), a
 * function that needs the lock says so (REQUIRES). With gcc the marks are empty.
 *
 * There is no order of locks to keep: no code holds two of them.
 */
#ifndef BURND_BASE_LOCK_H
#define BURND_BASE_LOCK_H

#include <pthread.h>

#if defined(__clang__)
#define LOCK_MARK(x) __attribute__((x))
#else
#define LOCK_MARK(x)
#endif

/* For the reader only: clang before 18 cannot name a sibling member in C. The functions' marks
 * are checked. */
#define GUARDED_BY(l)
#define REQUIRES(l) LOCK_MARK(requires_capability(l))

struct LOCK_MARK(capability("mutex")) lock {
    pthread_mutex_t mutex;
};

/* clang-format off */
#define LOCK_INIT {PTHREAD_MUTEX_INITIALIZER}
/* clang-format on */

static inline void lock_init(struct lock *l)
{
    pthread_mutex_init(&l->mutex, NULL);
}

static inline void lock_release(struct lock *l)
{
    pthread_mutex_destroy(&l->mutex);
}

static inline void lock_take(struct lock *l) LOCK_MARK(acquire_capability(*l))
    LOCK_MARK(no_thread_safety_analysis)
{
    pthread_mutex_lock(&l->mutex);
}

static inline void lock_drop(struct lock *l) LOCK_MARK(release_capability(*l))
    LOCK_MARK(no_thread_safety_analysis)
{
    pthread_mutex_unlock(&l->mutex);
}

#endif
