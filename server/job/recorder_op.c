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
#include <unistd.h>

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
                         recorder_state_to_text(recorder->state),
                         activity_to_text(recorder->activity));
    }
    *out = recorder;
    return 0;
}

int core_recorder_rescan(struct core *core, const char *name, core_done *done, void *arg,
                         struct error *err)
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
    text_copy(out->fingerprint, sizeof(out->fingerprint),
              row->fingerprint != NULL ? row->fingerprint : "");
    text_copy(out->session_sha256, sizeof(out->session_sha256),
              row->session_sha256 != NULL ? row->session_sha256 : "");
    text_copy(out->location, sizeof(out->location), row->location != NULL ? row->location : "");
    if (outcome_from_text(row->outcome, &out->outcome) != 0 ||
        verify_level_from_text(row->verified, &out->verified) != 0) {
        out->outcome = OUTCOME_UNKNOWN;
    }
    return false;
}

static bool take_disc(const struct disc_row *row, void *arg)
{
    copy_disc(row, arg);
    return false;
}

int core_load_disc(struct core *core, const char *id, struct disc *out)
{
    struct error err;
    *out = (struct disc){.id = ""};
    if (store_disc(store_as_reader(core->store), id, take_disc, out, &err) != 0) {
        log_warning("store", "%s", err.message);
    }
    return out->id[0] != '\0' ? 0 : -1;
}

void core_move_disc(struct core *core, const char *id, const char *location)
{
    struct disc disc;
    if (core_load_disc(core, id, &disc) == 0 && strcmp(disc.location, location) != 0) {
        text_copy(disc.location, sizeof(disc.location), location);
        core_put_disc(core, &disc);
    }
}

int core_recorder_eject(struct core *core, const char *name, core_done *done, void *arg,
                        struct error *err)
{
    struct recorder *recorder;
    if (find_idle(core, name, &recorder, err) != 0) {
        return -1;
    }
    if (recorder->medium_known && recorder->medium.state == MEDIUM_UNSUPPORTED) {
        return error_set(err, ERROR_OPERATION_UNSUPPORTED,
                         "what lies at %s is not a regular file and is left alone", recorder->path);
    }
    /* the register knows where the disc will lie before the file is renamed */
    char *target = core_eject_target(recorder, recorder->medium_disc);
    if (recorder->medium_disc[0] != '\0') {
        core_begin(core);
        core_move_disc(core, recorder->medium_disc, target);
        core_commit(core);
    }
    int status = run_start_by_hand(core, recorder, OPERATION_EJECT, done, arg, err);
    if (status != 0 && recorder->medium_disc[0] != '\0') {
        core_begin(core);
        core_move_disc(core, recorder->medium_disc, recorder->path);
        core_commit(core);
    }
    free(target);
    return status;
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

static void forget_others(struct core *core, const char *path, const char *except)
{
    struct error err;
    struct discs_at *list = xcalloc(1, sizeof(*list));
    struct disc_filter filter = {.q = path, .limit = 500};
    list->path = path;
    if (store_discs(store_as_reader(core->store), &filter, collect_disc_at, list, &err) != 0) {
        log_warning("store", "%s", err.message);
    }
    for (size_t i = 0; i < list->count; i++) {
        if (strcmp(list->items[i].id, except) != 0) {
            list->items[i].location[0] = '\0';
            core_put_disc(core, &list->items[i]);
        }
    }
    free(list);
}

void core_forget_location(struct core *core, const char *path)
{
    forget_others(core, path, "");
}

/* --- what lies in it ----------------------------------------------------------------------- */

struct matching {
    const struct recorder *recorder;
    struct disc newest; /* with this fingerprint, of this recorder; id "" = none */
};

static bool match_disc(const struct disc_row *row, void *arg)
{
    struct matching *matching = arg;
    if (row->recorder != NULL && strcmp(row->recorder, matching->recorder->id) == 0 &&
        strcmp(row->id, matching->newest.id) > 0) {
        copy_disc(row, &matching->newest);
    }
    return true;
}

static void find_disc_by_content(struct core *core, const struct recorder *recorder,
                                 struct matching *matching)
{
    struct error err;
    struct disc_filter filter = {.fingerprint = recorder->medium.fingerprint, .limit = 500};
    *matching = (struct matching){.recorder = recorder};
    if (recorder->medium_known && recorder->medium.fingerprint[0] != '\0' &&
        store_discs(store_as_reader(core->store), &filter, match_disc, matching, &err) != 0) {
        log_warning("store", "%s", err.message);
    }
}

void core_reconcile_register(struct core *core, struct recorder *recorder)
{
    struct matching matching;
    recorder->medium_disc[0] = '\0';
    if (!recorder->medium_known) {
        return;
    }
    find_disc_by_content(core, recorder, &matching);
    struct disc *disc = &matching.newest;
    bool is_here =
        disc->id[0] != '\0' && (strcmp(disc->location, recorder->path) == 0 ||
                                disc->location[0] == '\0' || access(disc->location, F_OK) != 0);
    forget_others(core, recorder->path, is_here ? disc->id : "");
    if (is_here) {
        core_move_disc(core, disc->id, recorder->path);
        memcpy(recorder->medium_disc, disc->id, sizeof(recorder->medium_disc));
    }
}

void core_inspect_all(struct core *core)
{
    for (size_t i = 0; i < recorder_list_count(core->recorders); i++) {
        struct error err;
        struct recorder *recorder = recorder_list_get(core->recorders, i);
        if (recorder->looked_at || recorder->state != RECORDER_IDLE ||
            core_has_orphan(core, recorder->id)) {
            continue;
        }
        int status = run_start_by_hand(core, recorder, OPERATION_INSPECT, NULL, NULL, &err);
        recorder->looked_at = status == 0 || err.code != ERROR_RECORDER_BUSY;
        if (status != 0 && err.code == ERROR_RECORDER_BUSY) {
            core_note_stray_worker(core, recorder);
        } else if (status != 0) {
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
