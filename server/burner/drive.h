/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * libburn behind a fence: one drive, one session, one data track. A worker uses it for one burn and
 * exits. Which image file or device it is, and whether it may be written, was settled before.
 */
#ifndef BURND_BURNER_DRIVE_H
#define BURND_BURNER_DRIVE_H

#include "worker/worker_protocol.h"

struct drive;
struct burn_source;

/* Opens libburn's pseudo-drive for the file that is open as `fd`, whatever its name leads to by now. `fd`
 * stays the caller's and outlives the drive. Free the drive also after a failure. */
NODISCARD int drive_open(int fd, struct drive **out, struct error *err);
void drive_free(struct drive *drive);

/* Begins to write `blocks` blocks, as fast as the source gives them. */
NODISCARD int drive_write_start(struct drive *drive, struct burn_source *source, int64_t blocks,
                                bool simulate, struct error *err);

/* Whether libburn is still at it. Forwards its messages. */
bool drive_is_writing(struct drive *drive);

/* Blocks handed to the drive so far. */
int64_t drive_blocks_written(struct drive *drive);

/* The drive's own buffer; totals of -1 for a pseudo-drive, which has none. */
struct buffer_fill drive_buffer(struct drive *drive);

/* Tells libburn to end; drive_is_writing() says when it has. */
void drive_cancel(struct drive *drive);

/* Once it is no more writing: -1 when libburn does not confirm that all went well. A message of libburn
 * tells why; without one it is flush_failed when all blocks had been handed over. */
NODISCARD int drive_check(struct drive *drive, bool all_handed_over, struct error *err);

#endif
