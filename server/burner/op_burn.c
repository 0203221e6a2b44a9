/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * Operation burn, on a file recorder:
 *
 *   acquire ─► assess ─► stage ─► write ─► flush ─► close ─► settle
 *
 *   acquire  the image file is opened and locked
 *   assess   what is in it; written and no force_overwrite: refused
 *   stage    sources walked, layout made, `items` written; it must fit
 *   write    begins when burnd says proceed; ends when libburn is idle
 *   flush    libburn, libisofs and the counters are judged: only then total/total is told
 *   close    the file gets its exact size and is made durable
 *   settle   the medium is looked at anew and must be what was to be written
 *
 * Each step returns 0 or -1; the first that fails ends the burn. What became of the medium is decided
 * in one place, conclude(): a medium that was blank is made blank again.
 */
#include "burner/operation.h"

#include "base/alloc.h"
#include "base/clock.h"
#include "burner/channel.h"
#include "burner/drive.h"
#include "burner/file_medium.h"
#include "burner/session.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define DVD_1X_KB_S 1385
#define POLL_US 5000
#define REPORT_MS 100
#define RATE_SAMPLES 30                  /* of REPORT_MS each */
#define WRITEBACK_BLOCKS (16 * 1024 / 2) /* 16 MiB */
#define BASE_LBA 0

struct burn {
    const struct worker_request *request;
    struct worker_result *result;
    struct file_medium file;
    struct medium before;
    bool acquired, assessed, write_began;
    struct session session;
    struct item_view *views;
    struct digester *digester;
    struct tap *tap;
    struct drive *drive;

    int64_t told_ms, told_blocks, written_back;
    int64_t sample_blocks[RATE_SAMPLES], sample_ms[RATE_SAMPLES];
    int samples;
};

static enum cancel_effect cancel_now(const struct burn *burn, bool from_write_on)
{
    bool destroys = from_write_on && !burn->result->was_blank && !burn->request->simulate;
    return destroys ? CANCEL_RUINS_DISC : CANCEL_SAFE;
}

/* --- acquire, assess ----------------------------------------------------------------------- */

static int acquire(struct burn *burn, struct error *err)
{
    channel_phase(PHASE_ACQUIRE, CANCEL_SAFE, -1);
    if (channel_check_canceled(err) != 0) {
        return -1;
    }
    if (file_medium_open(&burn->file, burn->request->recorder_path, true, true, err) != 0) {
        return -1;
    }
    burn->acquired = true;
    return 0;
}

static int check_in_place(const struct burn *burn, struct error *err)
{
    return file_medium_is_in_place(&burn->file)
               ? 0
               : file_medium_changed(burn->file.path, "that this burn began with", err);
}

static int assess(struct burn *burn, struct error *err)
{
    channel_phase(PHASE_ASSESS, CANCEL_SAFE, -1);
    if (channel_check_canceled(err) != 0 ||
        file_medium_inspect(&burn->file, &burn->before, err) != 0) {
        return -1;
    }
    burn->assessed = true;
    burn->result->was_blank = burn->before.physically_blank;
    channel_send(&(struct worker_line){.kind = LINE_MEDIUM, .medium = burn->before});
    if (!burn->before.physically_blank && !burn->request->force_overwrite) {
        return error_set_path(err, ERROR_MEDIUM_NOT_BLANK, burn->file.path,
                              "%s is not blank; eject it, or allow it with force_overwrite",
                              burn->file.path);
    }
    return 0;
}

/* --- stage --------------------------------------------------------------------------------- */

static int check_space(const struct burn *burn, struct error *err)
{
    if (burn->before.capacity_sectors >= 0 &&
        burn->session.blocks > burn->before.capacity_sectors) {
        error_set_path(err, ERROR_MEDIUM_TOO_SMALL, burn->file.path,
                       "the image has %lld blocks, there is room for %lld",
                       (long long)burn->session.blocks, (long long)burn->before.capacity_sectors);
        text_copy(err->user_action, sizeof(err->user_action), "free_space");
        return -1;
    }
    return 0;
}

/* Once the items are sorted by item_file_write(). */
static void make_digester(struct burn *burn)
{
    const struct item_map *map = &burn->session.map;
    burn->views = xcalloc(map->count, sizeof(*burn->views));
    for (size_t i = 0; i < map->count; i++) {
        burn->views[i] = (struct item_view){
            .index = (int64_t)i,
            .kind = map->items[i].kind,
            .path = map->items[i].path,
            .first_block = map->items[i].first_block,
            .block_count = map->items[i].block_count,
            .size_bytes = map->items[i].size_bytes,
        };
    }
    int64_t blocks = burn->session.blocks;
    int64_t edge = blocks < DIGEST_EDGE_BLOCKS ? blocks : DIGEST_EDGE_BLOCKS;
    bool image = burn->request->is_image;
    struct digest_plan plan = {
        .items = burn->views,
        .item_count = map->count,
        .base_lba = BASE_LBA,
        .blocks = blocks,
        .head_blocks = image ? edge : map->metadata_blocks,
        .tail_blocks = image ? edge : 0,
        .with_content = burn->request->keep_digests_of_files,
    };
    burn->digester = digester_new(&plan);
}

static int stage(struct burn *burn, struct error *err)
{
    channel_phase(PHASE_STAGE, CANCEL_SAFE, -1);
    int failed = channel_check_canceled(err);
    if (failed == 0) {
        failed = session_stage(&burn->session, burn->request, err);
    }
    const struct source_tree *tree = burn->session.tree;
    for (size_t i = 0; tree != NULL && i < tree->warning_count; i++) {
        channel_send(&(struct worker_line){.kind = LINE_WARNING, .warning = tree->warnings[i]});
    }
    if (failed != 0 || check_space(burn, err) != 0) {
        return -1;
    }
    struct item_map *map = &burn->session.map;
    if (item_file_write("items", map->items, map->count, BASE_LBA, burn->session.blocks, err) !=
        0) {
        return -1;
    }
    channel_send(&(struct worker_line){
        .kind = LINE_ITEMS,
        .items = {.count = (int64_t)map->count,
                  .blocks = burn->session.blocks,
                  .base_lba = BASE_LBA,
                  .metadata_blocks = map->metadata_blocks},
    });
    make_digester(burn);
    return 0;
}

/* --- write --------------------------------------------------------------------------------- */

/* 0 = no limit. */
static int64_t speed_of(const struct worker_request *request)
{
    double wanted = 0;
    switch (request->speed.kind) {
    case SPEED_MAX:
        break;
    case SPEED_MIN:
        wanted = DVD_1X_KB_S;
        break;
    case SPEED_X:
        wanted = request->speed.value * DVD_1X_KB_S;
        break;
    case SPEED_KB_S:
        wanted = request->speed.value;
        break;
    }
    int64_t speed = wanted > 0x7fffffff        ? 0x7fffffff
                    : wanted > 0 && wanted < 1 ? 1
                                               : (int64_t)wanted;
    int64_t limit = request->recorder_speed_kb_s;
    return limit > 0 && (speed == 0 || limit < speed) ? limit : speed;
}

static int64_t rate_of(struct burn *burn, int64_t blocks, int64_t now_ms)
{
    int at = burn->samples % RATE_SAMPLES;
    int oldest = burn->samples < RATE_SAMPLES ? 0 : at;
    int64_t rate = -1;
    if (burn->samples > 0 && now_ms > burn->sample_ms[oldest]) {
        /* bytes in a millisecond are kB in a second */
        rate = (blocks - burn->sample_blocks[oldest]) * BLOCK_BYTES /
               (now_ms - burn->sample_ms[oldest]);
    }
    burn->sample_blocks[at] = blocks;
    burn->sample_ms[at] = now_ms;
    burn->samples++;
    return rate;
}

static struct worker_line block_line(struct burn *burn, int64_t blocks)
{
    return (struct worker_line){
        .kind = LINE_BLOCK,
        .block = {.completed = blocks,
                  .total = burn->session.blocks,
                  .start_lba = BASE_LBA,
                  .rate_kb_s = rate_of(burn, blocks, clock_monotonic_ms()),
                  .device_buffer = burn->drive == NULL ? (struct buffer_fill){-1, -1, -1}
                                                       : drive_buffer(burn->drive),
                  .system_buffer = tap_fill(burn->tap)},
    };
}

/* libburn does no fsync here: without this the system would keep gigabytes for the close phase. */
static void start_writeback(struct burn *burn, int64_t blocks)
{
    if (!burn->request->simulate && blocks - burn->written_back >= WRITEBACK_BLOCKS) {
        (void)sync_file_range(burn->file.fd, burn->written_back * BLOCK_BYTES,
                              (blocks - burn->written_back) * BLOCK_BYTES, SYNC_FILE_RANGE_WRITE);
        burn->written_back = blocks;
    }
}

static void report(struct burn *burn)
{
    int64_t now = clock_monotonic_ms();
    if (now - burn->told_ms < REPORT_MS) {
        return;
    }
    int64_t blocks = drive_blocks_written(burn->drive);
    blocks = blocks < burn->session.blocks ? blocks : burn->session.blocks;
    if (blocks > burn->told_blocks &&
        blocks < burn->session.blocks) { /* the last one is told by flush */
        struct worker_line line = block_line(burn, blocks);
        channel_send_progress(&line);
        burn->told_blocks = blocks;
    }
    burn->told_ms = now;
    start_writeback(burn, blocks);
}

static int wait_for_drive(struct burn *burn, struct error *err)
{
    bool canceled = false;
    while (drive_is_writing(burn->drive)) {
        if (!canceled && channel_is_canceled()) {
            canceled = true;
            drive_cancel(burn->drive);
            tap_stop(burn->tap); /* libburn may be waiting for bytes */
        }
        if (!canceled) {
            report(burn);
        }
        usleep(POLL_US);
    }
    return channel_check_canceled(err);
}

static int write_session(struct burn *burn, struct error *err)
{
    const struct worker_request *request = burn->request;
    int64_t speed = speed_of(request);
    int64_t seconds = speed > 0 ? burn->session.blocks * BLOCK_BYTES / (speed * 1000) : -1;
    burn->tap =
        tap_new(session_input(&burn->session), burn->session.blocks * BLOCK_BYTES, burn->digester);
    tap_limit_speed(burn->tap, speed);
    channel_phase(PHASE_WRITE, cancel_now(burn, true), seconds);
    if (channel_wait_proceed(err) != 0 || drive_open(burn->file.fd, &burn->drive, err) != 0 ||
        check_in_place(burn, err) != 0) {
        return -1;
    }
    struct worker_line first = block_line(burn, 0);
    channel_send(&first);
    if (tap_start(burn->tap, err) != 0) {
        return -1;
    }
    burn->write_began = !request->simulate;
    if (drive_write_start(burn->drive, tap_source(burn->tap), burn->session.blocks,
                          request->simulate, err) != 0) {
        return -1;
    }
    return wait_for_drive(burn, err);
}

/* --- flush, close, settle ------------------------------------------------------------------ */

/* The source is asked first: libburn's complaint about a source that ended early says less. */
static int flush(struct burn *burn, struct error *err)
{
    channel_phase(PHASE_FLUSH, cancel_now(burn, true), -1);
    int64_t written = drive_blocks_written(burn->drive);
    if (session_check(&burn->session, false, err) != 0 ||
        drive_check(burn->drive, written >= burn->session.blocks, err) != 0) {
        return -1;
    }
    if (written != burn->session.blocks) {
        return error_set(err, ERROR_BURN_NOT_CONFIRMED, "%lld of %lld blocks were written",
                         (long long)written, (long long)burn->session.blocks);
    }
    if (tap_finish(burn->tap, burn->result->session_sha256, err) != 0 ||
        session_check(&burn->session, true, err) != 0) {
        return -1;
    }
    struct worker_line last = block_line(burn, burn->session.blocks);
    last.block.handed_over = true;
    channel_send(&last);
    burn->result->blocks = burn->session.blocks;
    const char *expected = burn->request->expected_sha256;
    if (expected[0] != '\0' && strcmp(expected, burn->result->session_sha256) != 0) {
        return error_set(err, ERROR_SOURCE_CHANGED,
                         "the sources are no longer what the first copy was made of");
    }
    return channel_check_canceled(err);
}

static int close_medium(struct burn *burn, struct error *err)
{
    channel_phase(PHASE_CLOSE, cancel_now(burn, true), -1);
    if (burn->request->simulate) {
        return channel_check_canceled(err);
    }
    if (check_in_place(burn, err) != 0 ||
        file_medium_truncate(&burn->file, burn->session.blocks * BLOCK_BYTES, err) != 0) {
        return -1;
    }
    return channel_check_canceled(err);
}

static int write_digests(struct burn *burn, struct error *err)
{
    uint8_t head[32];
    size_t count = 0;
    const struct item_digest *digests = digester_items(burn->digester, &count);
    digester_head(burn->digester, head);
    return digest_file_write("digests", digests, count, head, err);
}

static int judge_medium(const struct burn *burn, const struct medium *after, struct error *err)
{
    if (burn->request->simulate) {
        return 0;
    }
    if (after->physically_blank || after->session_sectors != burn->session.blocks) {
        return error_set(err, ERROR_BURN_NOT_CONFIRMED,
                         "after the burn %s has %lld blocks instead of %lld", burn->file.path,
                         (long long)after->session_sectors, (long long)burn->session.blocks);
    }
    if (!burn->request->is_image && strcmp(after->volume_id, burn->request->data.volume_id) != 0) {
        return error_set(err, ERROR_BURN_NOT_CONFIRMED, "after the burn the volume is named \"%s\"",
                         after->volume_id);
    }
    return 0;
}

static int settle(struct burn *burn, struct error *err)
{
    channel_phase(PHASE_SETTLE, cancel_now(burn, true), -1);
    if (channel_check_canceled(err) != 0 || write_digests(burn, err) != 0 ||
        file_medium_inspect(&burn->file, &burn->result->medium, err) != 0 ||
        check_in_place(burn, err) != 0) {
        return -1;
    }
    return judge_medium(burn, &burn->result->medium, err);
}

/* --- the whole ----------------------------------------------------------------------------- */

static void decide(struct burn *burn, enum outcome outcome, enum advice advice)
{
    burn->result->outcome = outcome;
    burn->result->advice = advice;
}

/* What became of the medium that was begun with. Made blank again by its descriptor: wherever it lies
 * now, half a session is of no use there. */
static void decide_outcome(struct burn *burn, bool failed)
{
    struct error trouble = ERROR_EMPTY;
    if (!failed && !burn->request->simulate) {
        decide(burn, OUTCOME_GOOD, ADVICE_KEEP);
    } else if (!burn->write_began) {
        enum advice written = burn->assessed ? ADVICE_KEEP : ADVICE_NONE;
        decide(burn, OUTCOME_UNHARMED, burn->result->was_blank ? ADVICE_REUSE : written);
    } else if (!burn->result->was_blank) {
        decide(burn, OUTCOME_RUINED, ADVICE_REUSE);
    } else if (file_medium_truncate(&burn->file, 0, &trouble) == 0) {
        decide(burn, OUTCOME_UNHARMED, ADVICE_REUSE);
    } else {
        fprintf(stderr, "burnd-worker: %s\n", trouble.message);
        decide(burn, OUTCOME_RUINED, ADVICE_REUSE);
    }
}

/* What lies in the recorder now. Another file than we know is burnd's to look at. */
static void look_again(struct burn *burn, bool failed)
{
    struct error trouble = ERROR_EMPTY;
    bool changed = burn->acquired && !file_medium_is_in_place(&burn->file);
    bool removed = burn->request->simulate && burn->acquired && burn->file.created && !changed &&
                   file_medium_remove_empty(&burn->file); /* a simulation leaves no file behind */
    if (changed) {
        burn->result->advice = ADVICE_CHECK;
        burn->result->medium = (struct medium){0};
    } else if (burn->assessed && (failed || removed) &&
               file_medium_inspect(&burn->file, &burn->result->medium, &trouble) != 0) {
        burn->result->medium = (struct medium){0};
    }
}

/* These have `discard_medium` as what to do, which is wrong while the medium is as good as before. */
static bool speaks_of_the_medium(enum error_code code)
{
    return code == ERROR_WRITE_ERROR || code == ERROR_FLUSH_FAILED || code == ERROR_CLOSE_FAILED ||
           code == ERROR_BURN_NOT_CONFIRMED;
}

static void conclude(struct burn *burn, bool failed, struct error *err)
{
    decide_outcome(burn, failed);
    look_again(burn, failed);
    if (failed && burn->result->outcome == OUTCOME_UNHARMED && err->user_action[0] == '\0' &&
        speaks_of_the_medium(err->code)) {
        text_copy(err->user_action, sizeof(err->user_action), "retry");
    }
}

static void release(struct burn *burn)
{
    if (burn->tap != NULL) {
        tap_stop(burn->tap);
    }
    drive_free(burn->drive);
    tap_free(burn->tap);
    digester_free(burn->digester);
    free(burn->views);
    session_release(&burn->session);
    file_medium_close(&burn->file);
}

int op_burn(const struct worker_request *request, struct worker_result *result, struct error *err)
{
    int (*const steps[])(struct burn *, struct error *) = {
        acquire, assess, stage, write_session, flush, close_medium, settle,
    };
    struct burn burn = {.request = request, .result = result, .file = {.fd = -1}};
    int failed = 0;
    for (size_t i = 0; i < sizeof(steps) / sizeof(steps[0]) && failed == 0; i++) {
        failed = steps[i](&burn, err);
    }
    conclude(&burn, failed != 0, err);
    release(&burn);
    return failed;
}
