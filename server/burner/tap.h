/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * What stands between the source of a session and libburn: reads the source in batches of 256 KiB ahead
 * of the drive, hands libburn its 2 KiB pieces, and hashes the same bytes meanwhile. libisofs' ring and
 * libburn each cost a lock and a wake-up for 2 KiB; a batch costs one.
 */
#ifndef BURND_BURNER_TAP_H
#define BURND_BURNER_TAP_H

#include "burner/digest.h"

#include <stdint.h>

#define TAP_BATCH_BYTES (256 * 1024)

struct tap_input {
    void *context;
    /* Fills `buffer`; less than `size` only at the end; -1 = failed. */
    int (*read)(void *context, uint8_t *buffer, int size);
    /* Whether read would not have to wait; NULL = always. */
    bool (*is_ready)(void *context, int size);
    /* Ends a read that waits; NULL = never waits long. */
    void (*cancel)(void *context);
};

struct tap;
struct burn_source;

/* `digester` is fed with every block and is not the tap's. */
struct tap *tap_new(struct tap_input input, int64_t bytes, struct digester *digester);

/* Hands out no more than `speed_kb_s` to libburn, in small even pieces; 0 = no limit. Before the start. */
void tap_limit_speed(struct tap *tap, int64_t speed_kb_s);

/* Starts the threads. */
NODISCARD int tap_start(struct tap *tap, struct error *err);

/* For libburn, which takes references of its own. Outlived by the tap. */
struct burn_source *tap_source(struct tap *tap);

/* Bytes that wait for the drive. */
struct buffer_fill tap_fill(struct tap *tap);

/* Whether every byte came and was hashed; waits for that. `hex` is the session's SHA-256. */
NODISCARD int tap_finish(struct tap *tap, char hex[65], struct error *err);

/* Ends the threads, whatever they do. */
void tap_stop(struct tap *tap);
void tap_free(struct tap *tap);

#endif
