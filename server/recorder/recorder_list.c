/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * The recorders of the command line as structs: parsing a SPEC, finding by name, the tables that
 * say what a recorder shows during a phase. Core thread; no file is opened here (looking at a
 * medium is a worker's operation).
 */
#include "recorder/recorder.h"

#include "base/alloc.h"
#include "base/words.h"

#include <ctype.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define RECORDERS_MAX 32

DEFINE_WORDS(RECORDER_KINDS, recorder_kind)
DEFINE_WORDS(RECORDER_STATES, recorder_state)
DEFINE_WORDS(ACTIVITIES, activity)

struct recorder_list {
    struct recorder *items[RECORDERS_MAX]; /* ascending by id */
    size_t count;
};

struct recorder_list *recorder_list_new(void)
{
    return xcalloc(1, sizeof(struct recorder_list));
}

void recorder_list_free(struct recorder_list *list)
{
    if (list == NULL) {
        return;
    }
    for (size_t i = 0; i < list->count; i++) {
        free(list->items[i]);
    }
    free(list);
}

/* --- parsing a SPEC ------------------------------------------------------------------------ */

static int set_path(struct recorder *recorder, const char *path, struct error *err)
{
    char folder[PATH_MAX];
    if (path[0] == '\0') {
        return error_set(err, ERROR_INVALID_REQUEST, "file: a path must follow");
    }
    if (path[0] == '/') {
        folder[0] = '\0';
    } else if (getcwd(folder, sizeof(folder)) == NULL) {
        return error_set(err, ERROR_INTERNAL, "the current directory cannot be told");
    }
    int length = snprintf(recorder->path, sizeof(recorder->path), "%s%s%s", folder,
                          folder[0] != '\0' ? "/" : "", path);
    if (length < 0 || (size_t)length >= sizeof(recorder->path)) {
        return error_set(err, ERROR_INVALID_REQUEST, "the path is longer than %zu bytes",
                         sizeof(recorder->path) - 1);
    }
    return 0;
}

/* An id for a path: its last part, in the letters ids are made of. */
static void derive_id(struct recorder *recorder)
{
    const char *name = strrchr(recorder->path, '/');
    name = name != NULL ? name + 1 : recorder->path;
    size_t at = (size_t)snprintf(recorder->id, sizeof(recorder->id), "file-");
    for (; *name != '\0' && at < sizeof(recorder->id) - 1; name++) {
        unsigned char letter = (unsigned char)*name;
        recorder->id[at++] = isalnum(letter) ? (char)tolower(letter) : '-';
    }
    recorder->id[at] = '\0';
}

static bool name_is_valid(const char *name)
{
    return name[0] != '\0' && strlen(name) < RECORDER_ID_SIZE && strpbrk(name, "/:,") == NULL &&
           strcmp(name, "any") != 0;
}

static int set_field(struct recorder *recorder, const char *key, const char *value,
                     struct error *err)
{
    if (strcmp(key, "id") == 0) {
        if (!name_is_valid(value)) {
            return error_set(err, ERROR_INVALID_REQUEST, "id=%s: 1 to 63 letters without / : ,",
                             value);
        }
        text_copy(recorder->id, sizeof(recorder->id), value);
        return 0;
    }
    if (strcmp(key, "pool") == 0) {
        if (!name_is_valid(value)) {
            return error_set(err, ERROR_INVALID_REQUEST, "pool=%s: 1 to 63 letters without / : ,",
                             value);
        }
        text_copy(recorder->pool, sizeof(recorder->pool), value);
        return 0;
    }
    if (strcmp(key, "speed") == 0) {
        char *end = NULL;
        long long number = strtoll(value, &end, 10);
        if (end == value || *end != '\0' || number < 1 || number > 10000000) {
            return error_set(err, ERROR_INVALID_REQUEST, "speed=%s: kB/s from 1 to 10000000",
                             value);
        }
        recorder->speed_kb_s = number;
        return 0;
    }
    return error_set(err, ERROR_INVALID_REQUEST, "unknown option %s", key);
}

/* "PATH[,id=ID][,pool=NAME][,speed=KB_S]": a path may hold commas, an option begins at ",KEY=". */
static int parse_file_spec(struct recorder *recorder, char *text, struct error *err)
{
    static const char *const keys[] = {",id=", ",pool=", ",speed="};
    char *options = NULL;
    for (size_t i = 0; i < sizeof(keys) / sizeof(keys[0]); i++) {
        char *found = strstr(text, keys[i]);
        if (found != NULL && (options == NULL || found < options)) {
            options = found;
        }
    }
    if (options != NULL) {
        *options++ = '\0';
    }
    if (set_path(recorder, text, err) != 0) {
        return -1;
    }
    derive_id(recorder);
    while (options != NULL) {
        char *option = options, *comma = strchr(option, ',');
        options = comma != NULL ? comma + 1 : NULL;
        if (comma != NULL) {
            *comma = '\0';
        }
        char *equals = strchr(option, '=');
        if (equals == NULL) {
            return error_set(err, ERROR_INVALID_REQUEST, "option %s has no value", option);
        }
        *equals = '\0';
        if (set_field(recorder, option, equals + 1, err) != 0) {
            return -1;
        }
    }
    return 0;
}

static int check_unique(const struct recorder_list *list, const struct recorder *recorder,
                        struct error *err)
{
    for (size_t i = 0; i < list->count; i++) {
        if (strcmp(list->items[i]->id, recorder->id) == 0) {
            return error_set(err, ERROR_INVALID_REQUEST, "two recorders have the id %s",
                             recorder->id);
        }
        if (strcmp(list->items[i]->path, recorder->path) == 0) {
            return error_set(err, ERROR_INVALID_REQUEST, "two recorders write %s", recorder->path);
        }
    }
    return 0;
}

static void insert_sorted(struct recorder_list *list, struct recorder *recorder)
{
    size_t at = list->count++;
    for (; at > 0 && strcmp(list->items[at - 1]->id, recorder->id) > 0; at--) {
        list->items[at] = list->items[at - 1];
    }
    list->items[at] = recorder;
}

int recorder_list_add_spec(struct recorder_list *list, const char *spec, struct error *err)
{
    if (strncmp(spec, "file:", 5) != 0) {
        return error_set(err, ERROR_FEATURE_UNAVAILABLE,
                         "recorder %s: only file:PATH is available in this release", spec);
    }
    if (list->count == RECORDERS_MAX) {
        return error_set(err, ERROR_INVALID_REQUEST, "more than %d recorders", RECORDERS_MAX);
    }
    struct recorder *recorder = xcalloc(1, sizeof(*recorder));
    char *text = xstrdup(spec + 5);
    recorder->kind = RECORDER_KIND_FILE;
    recorder->enabled = true;
    recorder->state = RECORDER_IDLE;
    text_copy(recorder->pool, sizeof(recorder->pool), "default");
    text_copy(recorder->vendor, sizeof(recorder->vendor), "BURND");
    text_copy(recorder->product, sizeof(recorder->product), "IMAGE FILE");
    if (parse_file_spec(recorder, text, err) != 0 || check_unique(list, recorder, err) != 0) {
        free(text);
        free(recorder);
        return -1;
    }
    free(text);
    insert_sorted(list, recorder);
    return 0;
}

/* --- finding ------------------------------------------------------------------------------- */

bool recorder_is_named(const struct recorder *recorder, const char *name)
{
    return strcmp(recorder->id, name) == 0 ||
           (recorder->alias[0] != '\0' && strcmp(recorder->alias, name) == 0);
}

struct recorder *recorder_list_find(struct recorder_list *list, const char *name)
{
    for (size_t i = 0; i < list->count; i++) {
        if (recorder_is_named(list->items[i], name)) {
            return list->items[i];
        }
    }
    return NULL;
}

size_t recorder_list_count(const struct recorder_list *list)
{
    return list->count;
}

struct recorder *recorder_list_get(struct recorder_list *list, size_t index)
{
    return list->items[index];
}

/* --- what a recorder shows during a phase -------------------------------------------------- */

enum activity activity_of_phase(enum phase phase, bool simulate)
{
    switch (phase) {
    case PHASE_ACQUIRE:
    case PHASE_ASSESS:
    case PHASE_SETTLE:
        return ACTIVITY_INSPECTING;
    case PHASE_STAGE:
        return ACTIVITY_PREPARING;
    case PHASE_WRITE:
    case PHASE_FLUSH:
        return simulate ? ACTIVITY_SIMULATING : ACTIVITY_BURNING;
    case PHASE_CLOSE:
        return ACTIVITY_CLOSING;
    case PHASE_VERIFY:
        return ACTIVITY_VERIFYING;
    case PHASE_EJECT:
        return ACTIVITY_EJECTING;
    case PHASE_NONE:
    case PHASE_ENDED:
    case PHASE_COUNT:
        return ACTIVITY_NONE;
    }
    return ACTIVITY_NONE;
}

bool writes_in_phase(enum phase phase, bool simulate)
{
    return !simulate && (phase == PHASE_WRITE || phase == PHASE_FLUSH || phase == PHASE_CLOSE);
}
