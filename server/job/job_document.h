/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * What a client asked for: the body of POST /jobs as a struct, with every default filled in. A
 * value with owned strings; never changed once accepted. JSON ↔ struct lives in api/
 * (body_reader.c, views.c) and reaches the core as the function table below, so that the core knows
 * no JSON.
 */
#ifndef BURND_JOB_DOCUMENT_H
#define BURND_JOB_DOCUMENT_H

#include "base/error.h"
#include "recorder/recorder.h"
#include "worker/worker_protocol.h"

/* clang-format off */
#define JOB_TYPES(X) X(DATA, "data") X(IMAGE, "image")
#define ON_WRONG_MEDIUM(X) X(DEFAULT, "default") X(WAIT, "wait") X(FAIL, "fail")
#define FAILURE_THEN(X) X(HOLD, "hold") X(FAIL, "fail") X(CONTINUE, "continue")
#define EJECT_WISHES(X) X(AUTO, "auto") X(YES, "yes") X(NO, "no")
#define MEDIUM_REQUIRES(X) X(BLANK, "blank") X(APPENDABLE, "appendable") \
    X(BLANK_OR_APPENDABLE, "blank_or_appendable") X(OVERWRITABLE, "overwritable") \
    X(WRITTEN, "written") X(ANY, "any")
/* clang-format on */
#define JOB_TYPE_X(n, w) JOB_TYPE_##n,
#define WRONG_MEDIUM_X(n, w) WRONG_MEDIUM_##n,
#define THEN_X(n, w) THEN_##n,
#define EJECT_WISH_X(n, w) EJECT_WISH_##n,
#define REQUIRE_X(n, w) REQUIRE_##n,
DECLARE_WORDS(JOB_TYPES, job_type, JOB_TYPE);
DECLARE_WORDS(ON_WRONG_MEDIUM, wrong_medium, WRONG_MEDIUM);
DECLARE_WORDS(FAILURE_THEN, failure_then, THEN);
DECLARE_WORDS(EJECT_WISHES, eject_wish, EJECT_WISH);
DECLARE_WORDS(MEDIUM_REQUIRES, medium_require, REQUIRE);

#define JOB_TAGS_MAX 32
#define JOB_RECORDERS_MAX 32

struct job_tag {
    char key[65];
    char value[257];
};

struct job_document {
    enum job_type type;
    char title[257]; /* "" = null, likewise below */
    char client_ref[257];
    struct job_tag tags[JOB_TAGS_MAX];
    size_t tag_count;
    int priority;   /* 0…100 */
    int64_t copies; /* 1…10000 */

    char recorder[RECORDER_ID_SIZE]; /* "any", or the name as given */
    char recorders[JOB_RECORDERS_MAX][RECORDER_ID_SIZE];
    size_t recorder_count; /* 0 = `recorders` was null */
    char pool[POOL_SIZE];
    char profiles[16][16];
    size_t profile_count; /* 0 = null */
    enum medium_require require;
    enum wrong_medium on_wrong_medium; /* DEFAULT: decided by the eligible recorders' kind */
    int64_t wait_timeout_s;

    struct data_spec data;   /* of JOB_TYPE_DATA; volume_id "" = from the title or the job's id */
    struct image_spec image; /* of JOB_TYPE_IMAGE */

    struct speed speed;
    char mode[16]; /* "auto" | "dao" | "tao" | "sao" | "incremental" */
    bool close;
    bool simulate;
    bool underrun_protection;
    bool force_overwrite;
    char blank_first[16]; /* "never" | "if_needed" | "always" */
    bool stream_recording;

    enum verify_level verify;
    char verify_where[16]; /* "same_recorder" | "any" */
    bool verify_reload;
    char checksums[16];    /* of data: "auto" | "none"; neither differs on a file recorder */
    int attempts_per_copy; /* 1…100 */
    bool reduce_speed;
    int64_t max_ruined_discs; /* -1 = no limit */
    enum failure_then then;
    enum eject_wish eject;
};

void job_document_release(struct job_document *document);

/* What the core needs of the JSON border; api/ fills it, main.c hands it over. `parse` accepts
 * exactly what `render` made. All return malloc()ed text; any thread. */
struct json_border {
    int (*document_parse)(const char *text, struct job_document *out, struct error *err);
    char *(*document_render)(const struct job_document *document);
    /* the answer of POST /jobs and its Location, from a `struct job_snapshot` */
    char *(*job_render)(const void *snapshot);
    /* the `data` object of an event from its typed payload (event.h says which struct) */
    char *(*event_render)(int event_type, const void *payload);
};

#endif
