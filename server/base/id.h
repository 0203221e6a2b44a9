/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * Opaque names that sort by the time they were made: prefix, 48 bits of milliseconds, 80 bits that
 * are random and then counted up within a millisecond (the ULID scheme, Crockford's base 32).
 */
#ifndef BURND_BASE_ID_H
#define BURND_BASE_ID_H

#define ID_SIZE 32

/* `prefix` is "job", "cpy", "att", … ; the result is "job_" and 26 characters. Any thread. */
void id_make(const char *prefix, char out[ID_SIZE]);

#endif
