/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * What burnd and burnd-worker say to each other. Both programs link worker_protocol.c and
 * item_file.c; nothing else of the daemon is known to the worker.
 *
 * A worker is started in a folder of its own (its working directory) that holds `request.json`,
 * with
 *   fd 3   a stream socket: one JSON object a line, at most WORKER_LINE_MAX bytes, both directions
 *   fd 4   the lease file of the recorder, flock()ed by burnd; the worker only keeps it open (-1 in the
 *          request: none)
 *   fd 5…  O_PATH descriptors of the roots, numbered in the request
 * It runs one operation and exits 0 when its last line was `result`.
 *
 * Files a worker writes into the folder, each by fsync and rename before the line that names it:
 *   items        item_file.h: what lies where on the disc, before the burn begins
 *   digests      item_file.h: SHA-256 of the session and of files, after the write
 *   result.json  the `result` line; while a worker writes on without its burnd it touches a preliminary
 *                one (state "running") every second
 *
 * Lines, worker → burnd:  phase, stage, block, verify, items, medium, message, warning, plan, heartbeat,
 *                         result
 * Lines, burnd → worker:  cancel; proceed (the answer to `phase write`: the worker waits for it before it
 *                         gives the drive the first block, so that the store knows of the write first)
 *
 * A worker that loses its socket before `proceed` came stops as if cancelled; later it writes on
 * and finishes alone. Progress lines (stage, block, verify, heartbeat) are overwritten when the
 * socket is full; all others are queued. A worker never blocks on its socket.
 */
#ifndef BURND_WORKER_PROTOCOL_H
#define BURND_WORKER_PROTOCOL_H

#include "base/error.h"
#include "base/words.h"

#include <stdbool.h>
#include <stdint.h>

#define WORKER_FD_SOCKET 3
#define WORKER_FD_LEASE 4
#define WORKER_FD_FIRST_ROOT 5
#define WORKER_LINE_MAX 65536
#define BLOCK_BYTES 2048

/* One word each in C, JSON, SQL, openapi and page. */
/* clang-format off */
#define OPERATIONS(X) X(PLAN, "plan") X(BURN, "burn") X(VERIFY, "verify") X(INSPECT, "inspect") \
    X(EJECT, "eject") X(RECLAIM, "reclaim")
#define PHASES(X) X(NONE, "none") X(ACQUIRE, "acquire") X(ASSESS, "assess") X(STAGE, "stage") \
    X(WRITE, "write") X(FLUSH, "flush") X(CLOSE, "close") X(SETTLE, "settle") X(VERIFY, "verify") \
    X(EJECT, "eject") X(ENDED, "ended")
#define CANCEL_EFFECTS(X) X(SAFE, "safe") X(RUINS_DISC, "ruins_disc") X(IMPOSSIBLE, "impossible")
#define OUTCOMES(X) X(NONE, "none") X(GOOD, "good") X(RUINED, "ruined") X(UNHARMED, "unharmed") \
    X(UNKNOWN, "unknown")
#define ADVICES(X) X(NONE, "none") X(KEEP, "keep") X(DISCARD, "discard") X(BLANK, "blank") \
    X(REUSE, "reuse") X(CHECK, "check")
#define SYMLINK_POLICIES(X) X(KEEP, "keep") X(FOLLOW, "follow") X(SKIP, "skip")
#define OWNERSHIPS(X) X(NEUTRAL, "neutral") X(KEEP, "keep")
#define UNREADABLE_POLICIES(X) X(FAIL, "fail") X(SKIP, "skip")
#define VERIFY_LEVELS(X) X(NONE, "none") X(QUICK, "quick") X(FULL, "full")
#define MEDIUM_STATES(X) X(BLANK, "blank") X(APPENDABLE, "appendable") X(CLOSED, "closed") \
    X(DAMAGED, "damaged") X(UNSUPPORTED, "unsupported") X(NOT_READY, "not_ready")
/* clang-format on */

#define OPERATION_X(n, w) OPERATION_##n,
#define PHASE_X(n, w) PHASE_##n,
#define CANCEL_X(n, w) CANCEL_##n,
#define OUTCOME_X(n, w) OUTCOME_##n,
#define ADVICE_X(n, w) ADVICE_##n,
#define SYMLINKS_X(n, w) SYMLINKS_##n,
#define OWNERSHIP_X(n, w) OWNERSHIP_##n,
#define UNREADABLE_X(n, w) UNREADABLE_##n,
#define VERIFY_X(n, w) VERIFY_##n,
#define MEDIUM_X(n, w) MEDIUM_##n,
DECLARE_WORDS(OPERATIONS, operation, OPERATION);
DECLARE_WORDS(PHASES, phase, PHASE);
DECLARE_WORDS(CANCEL_EFFECTS, cancel_effect, CANCEL);
DECLARE_WORDS(OUTCOMES, outcome, OUTCOME);
DECLARE_WORDS(ADVICES, advice, ADVICE);
DECLARE_WORDS(SYMLINK_POLICIES, symlink_policy, SYMLINKS);
DECLARE_WORDS(OWNERSHIPS, ownership, OWNERSHIP);
DECLARE_WORDS(UNREADABLE_POLICIES, unreadable_policy, UNREADABLE);
DECLARE_WORDS(VERIFY_LEVELS, verify_level, VERIFY);
DECLARE_WORDS(MEDIUM_STATES, medium_state, MEDIUM);

/* --- what is to be burned ------------------------------------------------------------------ */

/* One graft. Exactly one of `from` ("root:NAME/PATH") and `text` is set. `to` is absolute on the
 * disc. A directory's contents become the directory `to`; a file becomes the file `to`, or lies
 * inside when `to` ends in '/'. */
struct data_entry {
    char *from;
    char *text;
    char *to;
};

struct data_spec {
    struct data_entry *entries;
    size_t entry_count;
    /* globs on the path on the disc without its leading '/'; ** crosses directories */
    char **exclude;
    size_t exclude_count;
    enum ownership ownership;
    enum symlink_policy symlinks;
    enum unreadable_policy on_unreadable;
    char volume_id[33];  /* never empty in a worker's request */
    char publisher[129]; /* "" = none, likewise below */
    char preparer[129];
    char application[129];
    int iso_level; /* 1…3 */
    bool rock_ridge;
    bool joliet;
};

struct image_spec {
    char *from;      /* "root:NAME/PATH" */
    char sha256[65]; /* lower-case hex, or "" */
};

enum speed_kind { SPEED_MAX, SPEED_MIN, SPEED_X, SPEED_KB_S };

struct speed {
    enum speed_kind kind;
    double value; /* of SPEED_X and SPEED_KB_S */
};

/* --- the request --------------------------------------------------------------------------- */

struct worker_root {
    char name[65];
    int fd; /* of the worker; -1: the root could not be opened (root_unavailable) */
};

struct worker_request {
    enum operation operation;
    bool has_lease; /* fd 4 is open */
    struct worker_root *roots;
    size_t root_count;

    /* the recorder; for PLAN: of the one named recorder, or empty path */
    char recorder[64];
    char *recorder_path;         /* of the image file, absolute */
    int64_t recorder_speed_kb_s; /* the recorder's own limit, 0 = none */

    /* PLAN, BURN */
    bool is_image;
    struct data_spec data;
    struct image_spec image;
    struct speed speed;
    bool simulate;
    bool force_overwrite;
    bool keep_digests_of_files; /* BURN: verify asks for them */
    int64_t limit_ms;           /* PLAN: give up after this; 0 = none */
    /* PLAN, BURN: the one time of everything that burnd dates itself (volume descriptors, inline
     * texts), so that all copies of a job are the same bytes; milliseconds since 1970; 0 = now */
    int64_t image_time_ms;
    /* BURN: SHA-256 that the session must have (copies 2…N), or "" */
    char expected_sha256[65];

    /* VERIFY: of the burn it checks; `items` and `digests` lie in the same folder */
    enum verify_level verify_level;
    int64_t blocks; /* of the session */
    char session_sha256[65];
    int64_t metadata_blocks; /* blocks before the first file's data */

    /* EJECT: the path to rename the image to, absolute (renameat2 NOREPLACE). With an expected
     * fingerprint the file gets that name only if it has it, else `eject_to_unknown`. A blank or
     * absent file stays where it is: nothing is to be done. */
    char *eject_to, *eject_to_unknown;
    char expected_fingerprint[65]; /* "" = whatever lies there */
    /* RECLAIM: truncate to 0 what a dead worker left on a file that was blank before, if it
     * still is this file (as in the `medium` line of the burn), else medium_changed and nothing
     * is touched. With `simulate`: an empty one is unlinked, since a simulation leaves no file
     * behind. */
    int64_t expected_device, expected_inode;

    double watchdog_factor; /* tests scale the worker's own pauses; 1.0 */
};

/* Both fill from and write to `request.json` text. encode returns a malloc()ed string. */
char *worker_request_encode(const struct worker_request *request);
NODISCARD int worker_request_decode(const char *text, size_t length, struct worker_request *out,
                                    struct error *err);
void worker_request_release(struct worker_request *request);

void data_spec_release(struct data_spec *spec);
void data_spec_copy(struct data_spec *to, const struct data_spec *from);

/* --- what a worker says -------------------------------------------------------------------- */

struct medium {
    bool present;
    char profile[16]; /* "stdio" */
    int profile_code; /* 0xFFFF for stdio, as libburn has it */
    enum medium_state state;
    bool overwritable;
    bool erasable;
    bool has_blank_flags;  /* whether the next two were checked */
    bool physically_blank; /* no byte but 0 in it */
    bool heuristically_blank;
    bool write_protected;
    int64_t capacity_sectors; /* -1 = not known, likewise below */
    int64_t free_sectors;
    int64_t used_sectors;
    int64_t next_writable_lba;
    char volume_id[129]; /* UTF-8, "" = none */
    int session_count;   /* 0 or 1 */
    int64_t session_start_lba;
    int64_t session_sectors;
    char fingerprint[65]; /* hex, "" = none */
    int64_t checked_at_ms;
    /* which file that is, of an image file; 0 = there is none. Only this one may be emptied
     * again. */
    int64_t file_device, file_inode;
};

struct warning {
    char code[40];
    char detail[256];
    char pointer[128];
    int64_t count;
    char examples[3][160]; /* "" = none */
};

#define WARNINGS_MAX 16
#define PLAN_ERRORS_MAX 16

struct plan {
    bool ok; /* no error */
    struct error errors[PLAN_ERRORS_MAX];
    size_t error_count;
    struct warning warnings[WARNINGS_MAX];
    size_t warning_count;
    int64_t files, directories;
    int64_t image_bytes, image_sectors; /* -1 when it was not laid out */
};

/* clang-format off */
#define LINE_KINDS(X) X(PHASE, "phase") X(STAGE, "stage") X(BLOCK, "block") X(VERIFY, "verify") \
    X(ITEMS, "items") X(MEDIUM, "medium") X(MESSAGE, "message") X(WARNING, "warning") \
    X(PLAN, "plan") X(HEARTBEAT, "heartbeat") X(RESULT, "result") X(CANCEL, "cancel") \
    X(PROCEED, "proceed")
/* clang-format on */
#define LINE_X(n, w) LINE_##n,
DECLARE_WORDS(LINE_KINDS, line_kind, LINE);

struct buffer_fill {
    int64_t total, used, min_fill; /* bytes; -1 = not known */
};

struct worker_line {
    enum line_kind kind;
    union {
        struct {
            enum phase phase;
            enum cancel_effect cancel;
            int64_t expected_s; /* -1 = not told */
        } phase;
        struct {
            int64_t completed, total; /* total -1 = not known yet */
            char unit[16];            /* "entries" while walking, "bytes" while hashing an image */
            char current_path[512];
        } stage;
        struct {
            int64_t completed, total; /* blocks of 2048 bytes */
            int64_t start_lba;
            int64_t rate_kb_s; /* -1 = not known */
            struct buffer_fill device_buffer, system_buffer;
            bool handed_over; /* set on the one line that says total/total was really handed over */
        } block;
        struct {
            int64_t completed, total; /* blocks */
            int64_t bad_sectors, mismatched_files;
            int64_t lba;
        } verify;
        struct {
            int64_t count, blocks, base_lba, metadata_blocks;
        } items; /* `items` is there to read */
        struct medium medium;
        struct {
            char library[16], severity[16];
            int code;
            char text[512];
        } message;
        struct warning warning;
        struct plan *plan; /* owned by the line */
        struct worker_result {
            bool ok;              /* the operation did what it was asked for, checked */
            bool canceled;        /* it ended because it was told to cancel */
            enum outcome outcome; /* BURN: the medium's fate */
            enum advice advice;
            bool has_problem;
            struct error problem;
            int64_t blocks;          /* written, or verified */
            char session_sha256[65]; /* "" = none */
            bool was_blank;          /* BURN: the medium was blank when it began */
            bool content_equal;      /* VERIFY full: every byte compared equal */
            int64_t bad_sectors, mismatched_files;
            bool reloaded;
            char location[1200];  /* EJECT: where the file lies now, "" = nothing was renamed */
            struct medium medium; /* as it is now; present=false when it was not looked at */
        } result;
    };
};

/* encode: a malloc()ed line without '\n'. decode: NULs, unknown kinds and missing fields are
 * errors. */
char *worker_line_encode(const struct worker_line *line);
NODISCARD int worker_line_decode(const char *text, size_t length, struct worker_line *out,
                                 struct error *err);
void worker_line_release(struct worker_line *line);

/* `struct error` and `struct plan` as JSON text, also what the store keeps of a problem and a
 * plan. */
char *error_encode(const struct error *err);
NODISCARD int error_decode(const char *text, struct error *out);
char *plan_encode(const struct plan *plan);
NODISCARD int plan_decode(const char *text, struct plan *out);
char *medium_encode(const struct medium *medium);
NODISCARD int medium_decode(const char *text, struct medium *out);
char *warnings_encode(const struct warning *warnings, size_t count);
NODISCARD int warnings_decode(const char *text, struct warning out[WARNINGS_MAX], size_t *count);

#endif
