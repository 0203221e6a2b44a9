/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * What is done with a recorder outside of jobs: looking at its medium, ejecting, quarantine.
 */
#include "job/core_internal.h"

#include "base/alloc.h"
#include "base/log.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static int find_idle(struct core *core, const char *name, struct recorder **out, struct error *err)
{
    struct recorder *recorder = recorder_list_find(core->recorders, name);
    if (recorder == NULL) {
        return error_set(err, ERROR_NOT_FOUND, "there is no recorder %s", name);
    }
    if (core->stop_requests > 0) {
        return error_set(err, ERROR_SHUTTING_DOWN, "burnd is stopping");
    }
    if (recorder->state != RECORDER_IDLE || core_has_orphan(core, recorder->id)) {
        return error_set(err, ERROR_RECORDER_BUSY, "recorder %s is %s (%s)", recorder->id,
                         recorder_state_to_text(recorder->state), activity_to_text(recorder->activity));
    }
    *out = recorder;
    return 0;
}

int core_recorder_rescan(struct core *core, const char *name, core_done *done, void *arg, struct error *err)
{
    struct recorder *recorder;
    if (find_idle(core, name, &recorder, err) != 0) {
        return -1;
    }
    return run_start_by_hand(core, recorder, OPERATION_INSPECT, done, arg, err);
}

/* --- eject --------------------------------------------------------------------------------- */

static bool copy_disc(const struct disc_row *row, void *arg)
{
    struct disc *out = arg;
    *out = (struct disc){.copy = row->copy, .attempt = row->attempt, .blocks = row->blocks};
    memcpy(out->id, row->id, sizeof(out->id));
    memcpy(out->job, row->job, sizeof(out->job));
    out->created_at_ms = row->created_at_ms;
    text_copy(out->recorder, sizeof(out->recorder), row->recorder != NULL ? row->recorder : "");
    text_copy(out->title, sizeof(out->title), row->title != NULL ? row->title : "");
    text_copy(out->volume_id, sizeof(out->volume_id), row->volume_id != NULL ? row->volume_id : "");
    text_copy(out->profile, sizeof(out->profile), row->profile != NULL ? row->profile : "");
    text_copy(out->fingerprint, sizeof(out->fingerprint), row->fingerprint != NULL ? row->fingerprint : "");
    text_copy(out->session_sha256, sizeof(out->session_sha256),
              row->session_sha256 != NULL ? row->session_sha256 : "");
    text_copy(out->location, sizeof(out->location), row->location != NULL ? row->location : "");
    if (outcome_from_text(row->outcome, &out->outcome) != 0 ||
        verify_level_from_text(row->verified, &out->verified) != 0) {
        out->outcome = OUTCOME_UNKNOWN;
    }
    return false;
}

/* The register says where the disc will lie before the file is renamed. */
static void store_new_location(struct core *core, const struct recorder *recorder)
{
    struct error err;
    struct disc disc = {.id = ""};
    if (recorder->medium_disc[0] == '\0' || store_disc(store_as_reader(core->store), recorder->medium_disc,
                                                       copy_disc, &disc, &err) != 0 ||
        disc.id[0] == '\0' || strcmp(disc.location, recorder->path) != 0) {
        return;
    }
    char *target = core_eject_target(core, recorder, disc.id);
    text_copy(disc.location, sizeof(disc.location), target);
    free(target);
    core_begin(core);
    core_put_disc(core, &disc);
    core_commit(core);
}

int core_recorder_eject(struct core *core, const char *name, core_done *done, void *arg, struct error *err)
{
    struct recorder *recorder;
    if (find_idle(core, name, &recorder, err) != 0) {
        return -1;
    }
    if (recorder->medium_known && recorder->medium.state == MEDIUM_BLANK) {
        if (done != NULL) {
            done(arg, NULL); /* a blank is in it already */
        }
        return 0;
    }
    if (recorder->medium_known && recorder->medium.state == MEDIUM_UNSUPPORTED) {
        return error_set(err, ERROR_OPERATION_UNSUPPORTED,
                         "what lies at %s is not a regular file and is left alone", recorder->path);
    }
    store_new_location(core, recorder);
    return run_start_by_hand(core, recorder, OPERATION_EJECT, done, arg, err);
}

struct discs_at {
    const char *path;
    struct disc items[16];
    size_t count;
};

static bool collect_disc_at(const struct disc_row *row, void *arg)
{
    struct discs_at *list = arg;
    if (row->location != NULL && strcmp(row->location, list->path) == 0) {
        copy_disc(row, &list->items[list->count++]);
    }
    return list->count < sizeof(list->items) / sizeof(list->items[0]);
}

void core_forget_location(struct core *core, const char *path)
{
    struct error err;
    struct discs_at *list = xcalloc(1, sizeof(*list));
    struct disc_filter filter = {.q = path, .limit = 500};
    list->path = path;
    if (store_discs(store_as_reader(core->store), &filter, collect_disc_at, list, &err) != 0) {
        log_warning("store", "%s", err.message);
    }
    for (size_t i = 0; i < list->count; i++) {
        list->items[i].location[0] = '\0';
        core_put_disc(core, &list->items[i]);
    }
    free(list);
}

/* --- what lies in it ----------------------------------------------------------------------- */

struct matching {
    const struct recorder *recorder;
    char disc[ID_SIZE];
    int count;
};

static bool match_disc(const struct disc_row *row, void *arg)
{
    struct matching *matching = arg;
    bool here = row->recorder != NULL && strcmp(row->recorder, matching->recorder->id) == 0 &&
                row->location != NULL && strcmp(row->location, matching->recorder->path) == 0;
    if (here) {
        memcpy(matching->disc, row->id, sizeof(matching->disc));
        matching->count++;
    }
    return matching->count < 2;
}

/* One disc, and one only, that was registered here with this fingerprint. */
void core_find_medium_disc(struct core *core, struct recorder *recorder)
{
    struct error err;
    struct matching matching = {.recorder = recorder};
    struct disc_filter filter = {.fingerprint = recorder->medium.fingerprint, .limit = 500};
    recorder->medium_disc[0] = '\0';
    if (!recorder->medium_known || recorder->medium.fingerprint[0] == '\0') {
        return;
    }
    if (store_discs(store_as_reader(core->store), &filter, match_disc, &matching, &err) == 0 &&
        matching.count == 1) {
        memcpy(recorder->medium_disc, matching.disc, sizeof(recorder->medium_disc));
    }
}

void core_inspect_all(struct core *core)
{
    for (size_t i = 0; i < recorder_list_count(core->recorders); i++) {
        struct error err;
        struct recorder *recorder = recorder_list_get(core->recorders, i);
        if (recorder->looked_at || recorder->state != RECORDER_IDLE || core_has_orphan(core, recorder->id)) {
            continue;
        }
        int status = run_start_by_hand(core, recorder, OPERATION_INSPECT, NULL, NULL, &err);
        /* a worker of an earlier burnd may still have the lease for a moment: tried again each second */
        recorder->looked_at = status == 0 || err.code != ERROR_RECORDER_BUSY;
        if (status != 0) {
            log_warning(recorder->id, "cannot be looked at: %s", err.message);
        }
    }
}

void core_quarantine(struct core *core, struct recorder *recorder, const struct error *problem)
{
    core_begin(core);
    recorder->state = RECORDER_QUARANTINED;
    recorder->problem = *problem;
    struct event_subject subject = core_subject("", 0, 0, recorder->id);
    struct attention *item =
        attention_raise(core, "recorder_quarantined", "error", &subject, problem->message);
    attention_offer(item, "release", "Use the recorder again", false);
    attention_tell(core, item);
    core_tell_recorder(core, recorder);
    core_commit(core);
}
