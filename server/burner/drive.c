/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * See drive.h; what is odd here was found by trying (libburn 1.5.4):
 *
 * - burn_disc_write() returns nothing and can be refused while the drive still looks idle: the burn has
 *   begun only when the status is no longer IDLE or the counters move.
 * - burn_drive_wrote_well() answers for the last burn that ran, also when ours never did.
 * - running out of space on a pseudo-drive is a message of severity SORRY, nothing else.
 * - its thread goes on tidying up after the status became IDLE (seen with TSan): what a burn has used is
 *   left to the end of the process, which is near, instead of being freed under it;
 * - it opens the path it is given anew, follows links, and creates what is missing: so it gets
 *   /proc/self/fd/N, which always is the file that was locked and judged. It takes this for a file that it
 *   may read and write in any order (role 2), unlike its own "stdio:/dev/fd/N";
 * - it writes 32 KiB at a time: at a few kB/s the counter stands still for many seconds;
 * - its fsync comes in bursts, or at an end that shows in no status: it is turned off, and the file is
 *   made durable by the close phase of op_burn.c.
 */
#include "burner/drive.h"

#include "base/alloc.h"
#include "base/clock.h"
#include "burner/channel.h"

#include <errno.h>
#include <libburn/libburn.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define START_LIMIT_MS 10000
#define FORWARDED_MAX 200
#define CODE_NO_SPACE 0x00020148 /* "Failed to write … to stdio": also what a full disk gives */

struct drive {
    struct burn_drive_info *infos;
    struct burn_drive *drive;
    struct burn_write_opts *options;
    struct burn_disc *disc;
    struct burn_session *session;
    struct burn_track *track;
    bool initialized, grabbed, began, canceled, failed;
    struct error failure; /* the first message of SORRY or worse */
    int forwarded;
};

static struct drive *left_behind; /* what drive_free() must not free */

/* --- messages ------------------------------------------------------------------------------ */

static int severity_number(const char *word)
{
    char copy[80];
    int number = 0;
    text_copy(copy, sizeof(copy), word);
    return burn_text_to_sev(copy, &number, 0) > 0 ? number : 0x7fffffff;
}

static void remember(struct drive *drive, const char *severity, int code, int errno_value,
                     const char *text)
{
    if (drive->failed || drive->canceled) {
        return; /* after a cancel libburn complains of what we did */
    }
    drive->failed = true;
    struct error *failure = &drive->failure;
    error_set(failure, ERROR_WRITE_ERROR, "libburn: %.400s", text);
    if (errno_value == ENOSPC || code == CODE_NO_SPACE) {
        text_copy(failure->user_action, sizeof(failure->user_action), "free_space");
    }
    failure->has_device = true;
    text_copy(failure->device.library, sizeof(failure->device.library), "libburn");
    text_copy(failure->device.severity, sizeof(failure->device.severity), severity);
    text_copy(failure->device.library_message, sizeof(failure->device.library_message), text);
    failure->device.library_code = code;
}

static void drain(struct drive *drive)
{
    char minimum[] = "WARNING", text[BURN_MSGS_MESSAGE_LEN], severity[80];
    int code, errno_value;
    while (burn_msgs_obtain(minimum, &code, text, &errno_value, severity) == 1) {
        if (drive->forwarded++ < FORWARDED_MAX) {
            channel_message("libburn", severity, code, text);
        }
        if (severity_number(severity) >= severity_number("SORRY")) {
            remember(drive, severity, code, errno_value, text);
        }
    }
}

/* The first message that tells why, else `sentence`. */
static int explain(struct drive *drive, enum error_code code, const char *sentence,
                   struct error *err)
{
    drain(drive);
    if (drive->failed) {
        *err = drive->failure;
        err->code = code;
        return -1;
    }
    return error_set(err, code, "%s", sentence);
}

/* --- opening ------------------------------------------------------------------------------- */

int drive_open(int fd, struct drive **out, struct error *err)
{
    char queue[] = "WARNING", print[] = "NEVER", prefix[] = "";
    struct drive *drive = xcalloc(1, sizeof(*drive));
    *out = drive;
    if (left_behind != NULL) {
        return error_set(err, ERROR_INTERNAL, "a worker burns only once");
    }
    if (burn_initialize() != 1) {
        return error_set(err, ERROR_LIBRARY_ERROR, "libburn does not start");
    }
    drive->initialized = true;
    burn_msgs_set_severities(queue, print, prefix);
    char *address = xasprintf("stdio:/proc/self/fd/%d", fd);
    int result = burn_drive_scan_and_grab(&drive->infos, address, 0);
    free(address);
    if (result != 1) {
        return explain(drive, ERROR_LIBRARY_ERROR, "libburn cannot open the image file as a drive",
                       err);
    }
    drive->grabbed = true;
    drive->drive = drive->infos[0].drive;
    if (burn_drive_get_drive_role(drive->drive) != 2) {
        return error_set(err, ERROR_MEDIUM_UNSUPPORTED,
                         "libburn does not take the image for a plain file");
    }
    drain(drive);
    return 0;
}

void drive_free(struct drive *drive)
{
    if (drive == NULL) {
        return;
    }
    if (drive->began) {
        left_behind = drive;
        return;
    }
    if (drive->options != NULL) {
        burn_write_opts_free(drive->options);
    }
    if (drive->track != NULL) {
        burn_track_free(drive->track);
    }
    if (drive->session != NULL) {
        burn_session_free(drive->session);
    }
    if (drive->disc != NULL) {
        burn_disc_free(drive->disc);
    }
    if (drive->grabbed) {
        burn_drive_release(drive->drive, 0);
        burn_drive_info_free(drive->infos);
    }
    if (drive->initialized) {
        burn_finish();
    }
    free(drive);
}

/* --- writing ------------------------------------------------------------------------------- */

static int compose(struct drive *drive, struct burn_source *source, int64_t blocks,
                   struct error *err)
{
    drive->disc = burn_disc_create();
    drive->session = burn_session_create();
    drive->track = burn_track_create();
    if (drive->disc == NULL || drive->session == NULL || drive->track == NULL) {
        return error_set(err, ERROR_LIBRARY_ERROR, "libburn makes no disc object");
    }
    burn_track_define_data(drive->track, 0, 0, 0, BURN_MODE1);
    if (burn_disc_add_session(drive->disc, drive->session, BURN_POS_END) != 1 ||
        burn_session_add_track(drive->session, drive->track, BURN_POS_END) != 1 ||
        burn_track_set_source(drive->track, source) != BURN_SOURCE_OK) {
        return explain(drive, ERROR_LIBRARY_ERROR, "libburn refuses the session", err);
    }
    burn_track_set_size(drive->track, (off_t)blocks * BLOCK_BYTES);
    return 0;
}

static int set_options(struct drive *drive, bool simulate, struct error *err)
{
    char reasons[BURN_REASONS_LEN] = "";
    drive->options = burn_write_opts_new(drive->drive);
    if (drive->options == NULL) {
        return error_set(err, ERROR_LIBRARY_ERROR, "libburn gives no write options");
    }
    burn_write_opts_set_perform_opc(drive->options, 0);
    burn_write_opts_set_multi(drive->options, 0);
    burn_write_opts_set_simulate(drive->options, simulate ? 1 : 0);
    burn_write_opts_set_underrun_proof(drive->options, 1);
    burn_write_opts_set_start_byte(drive->options, 0);
    burn_write_opts_set_stdio_fsync(drive->options, -1);
    if (burn_write_opts_auto_write_type(drive->options, drive->disc, reasons, 0) ==
            BURN_WRITE_NONE ||
        burn_precheck_write(drive->options, drive->disc, reasons, 0) != 1) {
        return error_set(err, ERROR_MODE_UNSUPPORTED, "libburn will not write this: %.300s",
                         reasons);
    }
    return 0;
}

static bool has_begun(struct drive *drive)
{
    return burn_drive_get_status(drive->drive, NULL) != BURN_DRIVE_IDLE ||
           drive_blocks_written(drive) > 0;
}

int drive_write_start(struct drive *drive, struct burn_source *source, int64_t blocks,
                      bool simulate, struct error *err)
{
    if (compose(drive, source, blocks, err) != 0 || set_options(drive, simulate, err) != 0) {
        return -1;
    }
    int64_t limit = clock_monotonic_ms() + START_LIMIT_MS;
    drive->began = true;
    do {
        burn_disc_write(drive->options, drive->disc);
        for (int i = 0; i < 20 && !has_begun(drive); i++) {
            usleep(1000);
        }
        drain(drive);
    } while (!has_begun(drive) && !drive->failed && clock_monotonic_ms() < limit);
    if (!has_begun(drive)) {
        return explain(drive, ERROR_LIBRARY_ERROR, "libburn did not begin to write", err);
    }
    return 0;
}

bool drive_is_writing(struct drive *drive)
{
    drain(drive);
    return burn_drive_get_status(drive->drive, NULL) != BURN_DRIVE_IDLE;
}

int64_t drive_blocks_written(struct drive *drive)
{
    off_t read_bytes = 0, written_bytes = 0;
    burn_track_get_counters(drive->track, &read_bytes, &written_bytes);
    return written_bytes / BLOCK_BYTES;
}

struct buffer_fill drive_buffer(struct drive *drive)
{
    struct burn_progress progress = {0};
    struct buffer_fill none = {-1, -1, -1};
    if (burn_drive_get_drive_role(drive->drive) != 1) {
        return none;
    }
    burn_drive_get_status(drive->drive, &progress);
    if (progress.buffer_capacity == 0) {
        return none;
    }
    bool has_minimum = progress.buffer_min_fill != 0xffffffff;
    return (struct buffer_fill){
        .total = progress.buffer_capacity,
        .used = (int64_t)progress.buffer_capacity - progress.buffer_available,
        .min_fill = has_minimum ? (int64_t)progress.buffer_min_fill : -1,
    };
}

void drive_cancel(struct drive *drive)
{
    drain(drive); /* what it said before is no consequence of the cancel */
    drive->canceled = true;
    burn_drive_cancel(drive->drive);
}

int drive_check(struct drive *drive, bool all_handed_over, struct error *err)
{
    drain(drive);
    if (drive->failed) {
        *err = drive->failure;
        return -1;
    }
    if (burn_drive_wrote_well(drive->drive) != 1) {
        return error_set(err, all_handed_over ? ERROR_FLUSH_FAILED : ERROR_WRITE_ERROR,
                         "libburn says that it did not write well");
    }
    return 0;
}
