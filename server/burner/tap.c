/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * See tap.h. A ring of batches with one writer and three readers:
 *
 *   fetch thread ──► [batch][batch][batch]… ──► libburn (drive), session hash thread, items hash thread
 *
 * Each counts the batches it has done with; the fetch thread fills batch n when all readers are past
 * n - BATCHES. So hashing overlaps with writing and no byte is copied for it. libburn's thread takes
 * the lock once a batch.
 */
#include "burner/tap.h"

#include "base/alloc.h"
#include "base/clock.h"

#include <libburn/libburn.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#define BATCHES 12
#define READY_POLL_NS 200000
#define AHEAD_MS 5         /* a wait shorter than this is not worth one */
#define BEHIND_MS_MAX 1000 /* what a slow disk lost is not made up for beyond this */

enum reader { READER_DRIVE, READER_SESSION, READER_ITEMS, READER_COUNT };

struct batch {
    uint8_t *data;
    int size;
};

struct tap {
    struct tap_input input;
    int64_t bytes;
    struct digester *digester;
    struct burn_source source;

    pthread_mutex_t mutex;
    pthread_cond_t changed;
    struct batch batches[BATCHES];
    int64_t filled, done[READER_COUNT]; /* batches; guarded by the mutex, likewise below */
    int64_t fetched_bytes, min_waiting;
    bool ended, failed, stopping;

    /* of libburn's thread */
    const uint8_t *piece;
    int piece_left;
    bool holds_batch;
    int64_t speed_kb_s; /* set before the start */
    int64_t handed_out, began_ms;
    /* Grows with each read by libburn's thread. Whoever frees the tap loads it first: libburn tells
     * the end of its thread by a plain variable, which orders nothing. */
    atomic_uint served;

    pthread_t threads[3];
    int thread_count;
};

/* --- fetching ------------------------------------------------------------------------------ */

static int64_t slowest(const struct tap *tap)
{
    int64_t least = tap->done[0];
    for (int i = 1; i < READER_COUNT; i++) {
        least = tap->done[i] < least ? tap->done[i] : least;
    }
    return least;
}

static bool is_stopping(struct tap *tap)
{
    pthread_mutex_lock(&tap->mutex);
    bool stopping = tap->stopping;
    pthread_mutex_unlock(&tap->mutex);
    return stopping;
}

/* Waits for room; NULL when stopping. */
static struct batch *wait_for_room(struct tap *tap)
{
    pthread_mutex_lock(&tap->mutex);
    while (!tap->stopping && tap->filled - slowest(tap) >= BATCHES) {
        pthread_cond_wait(&tap->changed, &tap->mutex);
    }
    struct batch *batch = tap->stopping ? NULL : &tap->batches[tap->filled % BATCHES];
    pthread_mutex_unlock(&tap->mutex);
    return batch;
}

static bool wait_until_ready(struct tap *tap, int size)
{
    while (tap->input.is_ready != NULL && !tap->input.is_ready(tap->input.context, size)) {
        if (is_stopping(tap)) {
            return false;
        }
        nanosleep(&(struct timespec){.tv_nsec = READY_POLL_NS}, NULL);
    }
    return true;
}

static void publish(struct tap *tap, int size, bool failed)
{
    pthread_mutex_lock(&tap->mutex);
    if (size > 0) {
        tap->filled++;
        tap->fetched_bytes += size;
    }
    tap->failed = tap->failed || failed;
    tap->ended = tap->ended || failed || tap->fetched_bytes >= tap->bytes;
    pthread_cond_broadcast(&tap->changed);
    pthread_mutex_unlock(&tap->mutex);
}

static void *fetch(void *argument)
{
    struct tap *tap = argument;
    int64_t left = tap->bytes;
    while (left > 0) {
        struct batch *batch = wait_for_room(tap);
        int wanted = left > TAP_BATCH_BYTES ? TAP_BATCH_BYTES : (int)left;
        if (batch == NULL || !wait_until_ready(tap, wanted)) {
            break;
        }
        batch->size = tap->input.read(tap->input.context, batch->data, wanted);
        bool failed = batch->size != wanted;
        publish(tap, failed ? 0 : wanted, failed);
        if (failed) {
            break;
        }
        left -= wanted;
    }
    return NULL;
}

/* --- readers ------------------------------------------------------------------------------- */

/* The next batch for a reader; NULL at the end, after a failure, or when stopping. */
static const struct batch *next_batch(struct tap *tap, enum reader reader)
{
    pthread_mutex_lock(&tap->mutex);
    while (!tap->stopping && tap->done[reader] == tap->filled && !tap->ended) {
        pthread_cond_wait(&tap->changed, &tap->mutex);
    }
    const struct batch *batch = NULL;
    if (!tap->stopping && tap->done[reader] < tap->filled) {
        batch = &tap->batches[tap->done[reader] % BATCHES];
    }
    pthread_mutex_unlock(&tap->mutex);
    return batch;
}

static void release_batch(struct tap *tap, enum reader reader)
{
    pthread_mutex_lock(&tap->mutex);
    tap->done[reader]++;
    pthread_cond_broadcast(&tap->changed);
    pthread_mutex_unlock(&tap->mutex);
}

static void *hash_session(void *argument)
{
    struct tap *tap = argument;
    const struct batch *batch;
    while ((batch = next_batch(tap, READER_SESSION)) != NULL) {
        digester_feed_session(tap->digester, batch->data, (size_t)batch->size);
        release_batch(tap, READER_SESSION);
    }
    return NULL;
}

static void *hash_items(void *argument)
{
    struct tap *tap = argument;
    const struct batch *batch;
    while ((batch = next_batch(tap, READER_ITEMS)) != NULL) {
        digester_feed_items(tap->digester, batch->data, (size_t)batch->size);
        release_batch(tap, READER_ITEMS);
    }
    return NULL;
}

/* libburn's own limit lets a MiB pass at once and then sleeps for its time, deaf to a cancel: at 100 kB/s
 * for ten seconds. Here the wait ends when the tap stops. Bytes by kB/s are milliseconds. */
static void wait_until_due(struct tap *tap)
{
    int64_t now = clock_monotonic_ms();
    if (tap->handed_out == 0) {
        tap->began_ms = now;
    }
    int64_t due = tap->began_ms + tap->handed_out / tap->speed_kb_s;
    if (now > due + BEHIND_MS_MAX) {
        tap->began_ms += now - due;
    }
    if (due - now < AHEAD_MS) {
        return;
    }
    struct timespec until = {.tv_sec = due / 1000, .tv_nsec = due % 1000 * 1000000};
    pthread_mutex_lock(&tap->mutex);
    while (!tap->stopping && !tap->failed &&
           pthread_cond_timedwait(&tap->changed, &tap->mutex, &until) == 0) {
    }
    pthread_mutex_unlock(&tap->mutex);
}

static int serve(struct tap *tap, unsigned char *buffer, int size)
{
    int copied = 0;
    if (tap->speed_kb_s > 0) {
        wait_until_due(tap);
        tap->handed_out += size;
    }
    while (copied < size) {
        if (tap->piece_left == 0) {
            if (tap->holds_batch) {
                release_batch(tap, READER_DRIVE);
                tap->holds_batch = false;
            }
            const struct batch *batch = next_batch(tap, READER_DRIVE);
            if (batch == NULL) {
                return copied; /* libburn makes a premature end a failure */
            }
            tap->holds_batch = true;
            tap->piece = batch->data;
            tap->piece_left = batch->size;
        }
        int piece = tap->piece_left < size - copied ? tap->piece_left : size - copied;
        memcpy(buffer + copied, tap->piece, (size_t)piece);
        tap->piece += piece;
        tap->piece_left -= piece;
        copied += piece;
    }
    return copied;
}

static int source_read(struct burn_source *source, unsigned char *buffer, int size)
{
    struct tap *tap = source->data;
    int copied = serve(tap, buffer, size);
    atomic_fetch_add_explicit(&tap->served, 1, memory_order_release);
    return copied;
}

static off_t source_size(struct burn_source *source)
{
    const struct tap *tap = source->data;
    return tap->bytes;
}

static int source_set_size(struct burn_source *source, off_t size)
{
    (void)source;
    (void)size;
    return 1; /* the size is known and stays */
}

static void source_free(struct burn_source *source)
{
    (void)source; /* the tap owns it */
}

static int source_cancel(struct burn_source *source)
{
    (void)source;
    return 1;
}

/* --- life ---------------------------------------------------------------------------------- */

struct tap *tap_new(struct tap_input input, int64_t bytes, struct digester *digester)
{
    struct tap *tap = xcalloc(1, sizeof(*tap));
    tap->input = input;
    tap->bytes = bytes;
    tap->digester = digester;
    tap->min_waiting = -1;
    pthread_mutex_init(&tap->mutex, NULL);
    pthread_condattr_t attributes;
    pthread_condattr_init(&attributes);
    pthread_condattr_setclock(&attributes, CLOCK_MONOTONIC);
    pthread_cond_init(&tap->changed, &attributes);
    pthread_condattr_destroy(&attributes);
    for (int i = 0; i < BATCHES; i++) {
        tap->batches[i].data = xcalloc(1, TAP_BATCH_BYTES);
    }
    tap->source = (struct burn_source){
        .refcount =
            1 << 20, /* libburn frees a source of no references with free(): never this one */
        .get_size = source_size,
        .set_size = source_set_size,
        .free_data = source_free,
        .data = tap,
        .version = 1,
        .read_xt = source_read,
        .cancel = source_cancel,
    };
    return tap;
}

void tap_limit_speed(struct tap *tap, int64_t speed_kb_s)
{
    tap->speed_kb_s = speed_kb_s;
}

int tap_start(struct tap *tap, struct error *err)
{
    void *(*const runs[])(void *) = {fetch, hash_session, hash_items};
    for (int i = 0; i < 3; i++) {
        if (pthread_create(&tap->threads[i], NULL, runs[i], tap) != 0) {
            tap_stop(tap);
            return error_set(err, ERROR_INTERNAL, "a thread could not be started");
        }
        tap->thread_count++;
    }
    return 0;
}

struct burn_source *tap_source(struct tap *tap)
{
    return &tap->source;
}

struct buffer_fill tap_fill(struct tap *tap)
{
    pthread_mutex_lock(&tap->mutex);
    int64_t used = (tap->filled - tap->done[READER_DRIVE]) * TAP_BATCH_BYTES;
    bool low = !tap->ended && (tap->min_waiting < 0 || used < tap->min_waiting);
    tap->min_waiting = low ? used : tap->min_waiting;
    struct buffer_fill fill = {
        .total = (int64_t)BATCHES * TAP_BATCH_BYTES,
        .used = used,
        .min_fill = tap->min_waiting,
    };
    pthread_mutex_unlock(&tap->mutex);
    return fill;
}

static void join_threads(struct tap *tap)
{
    for (int i = 0; i < tap->thread_count; i++) {
        pthread_join(tap->threads[i], NULL);
    }
    tap->thread_count = 0;
}

int tap_finish(struct tap *tap, char hex[65], struct error *err)
{
    pthread_mutex_lock(&tap->mutex);
    bool complete =
        tap->ended && !tap->failed && !tap->stopping && tap->fetched_bytes == tap->bytes;
    tap->done[READER_DRIVE] = tap->filled; /* libburn keeps its last batch: nothing follows it */
    pthread_mutex_unlock(&tap->mutex);
    if (!complete) {
        tap_stop(tap);
        return error_set(err, ERROR_BURN_NOT_CONFIRMED,
                         "the drive did not take all of the session");
    }
    join_threads(tap);
    digester_session_hex(tap->digester, hex);
    return 0;
}

void tap_stop(struct tap *tap)
{
    pthread_mutex_lock(&tap->mutex);
    tap->stopping = true;
    pthread_cond_broadcast(&tap->changed);
    pthread_mutex_unlock(&tap->mutex);
    if (tap->thread_count > 0 && tap->input.cancel != NULL) {
        tap->input.cancel(tap->input.context);
    }
    join_threads(tap);
}

void tap_free(struct tap *tap)
{
    if (tap == NULL) {
        return;
    }
    tap_stop(tap);
    (void)atomic_load_explicit(&tap->served, memory_order_acquire);
    for (int i = 0; i < BATCHES; i++) {
        free(tap->batches[i].data);
    }
    pthread_cond_destroy(&tap->changed);
    pthread_mutex_destroy(&tap->mutex);
    free(tap);
}
