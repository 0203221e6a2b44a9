/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * The two clocks: wall time for what people read, monotonic time for what the program judges.
 * Unit tests hold both still with clock_hold().
 */
#ifndef BURND_BASE_CLOCK_H
#define BURND_BASE_CLOCK_H

#include <stdint.h>

#define CLOCK_TEXT_SIZE 32

/* Milliseconds since 1970-01-01 UTC. */
int64_t clock_wall_ms(void);

/* Milliseconds of CLOCK_MONOTONIC. */
int64_t clock_monotonic_ms(void);

/* RFC 3339, UTC, milliseconds: "2026-07-01T12:00:00.000Z". */
void clock_to_text(int64_t wall_ms, char out[CLOCK_TEXT_SIZE]);

/* The reverse; -1 when `text` is no such time (fraction and numeric offset are optional). */
int clock_from_text(const char *text, int64_t *wall_ms);

/* For unit tests: both clocks answer these values until clock_release(). */
void clock_hold(int64_t wall_ms, int64_t monotonic_ms);
void clock_release(void);

#endif
