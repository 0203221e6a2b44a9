/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * libisofs' message queue: what is at least a warning goes to burnd, what is at least a MISHAP fails the
 * job (law 1), since the library itself goes on after it.
 */
#ifndef BURND_BURNER_ISO_MESSAGES_H
#define BURND_BURNER_ISO_MESSAGES_H

#include "base/error.h"

/* Once per process, before anything else of libisofs. */
NODISCARD int iso_messages_start(struct error *err);

/* Empties the queue. */
void iso_messages_drain(void);

/* Empties the queue; -1 with library_error when a MISHAP or worse was ever among the messages. */
NODISCARD int iso_messages_check(struct error *err);

/* Whatever was said so far is forgiven: after reading somebody else's image for its file names only. */
void iso_messages_forgive(void);

#endif
