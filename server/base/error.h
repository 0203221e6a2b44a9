/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * Every failure of burnd is one of these: a code (the contract), a sentence, and the value at
 * fault. The same struct is the answer of a request, the `problem` of a job, copy and attempt, and
 * a line of the log. It is owned by the caller, passed last, never NULL.
 *
 * The list of codes is the only one: the JSON word stands beside the name, the HTTP status and the
 * default `user_action` are derived in api/problem.c. A code enters here in the change that first
 * produces it.
 */
#ifndef BURND_BASE_ERROR_H
#define BURND_BASE_ERROR_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define NODISCARD __attribute__((warn_unused_result))
#define PRINTF_FORMAT(f, a) __attribute__((format(printf, f, a)))

/* clang-format off */
#define ERROR_CODES(X) \
    X(NONE, "none") \
    /* 400 */ X(INVALID_JSON, "invalid_json") X(INVALID_QUERY, "invalid_query") \
    X(INVALID_HEADER, "invalid_header") \
    /* 403 */ X(ORIGIN_REFUSED, "origin_refused") X(SOURCE_OUTSIDE_ROOT, "source_outside_root") \
    /* 404 */ X(NOT_FOUND, "not_found") X(MEDIUM_MISSING, "medium_missing") \
    X(NO_SUCH_ITEM, "no_such_item") \
    /* 4xx */ X(METHOD_NOT_ALLOWED, "method_not_allowed") X(NOT_ACCEPTABLE, "not_acceptable") \
    X(LENGTH_REQUIRED, "length_required") X(ETAG_STALE, "etag_stale") \
    X(BODY_TOO_LARGE, "body_too_large") X(URI_TOO_LONG, "uri_too_long") \
    X(UNSUPPORTED_MEDIA_TYPE, "unsupported_media_type") X(HOST_REFUSED, "host_refused") \
    X(UPGRADE_REQUIRED, "upgrade_required") X(HEADERS_TOO_LARGE, "headers_too_large") \
    /* 5xx */ X(INTERNAL, "internal") X(TOO_MANY_CONNECTIONS, "too_many_connections") \
    X(SHUTTING_DOWN, "shutting_down") X(STORE_UNAVAILABLE, "store_unavailable") \
    /* 422 */ X(INVALID_REQUEST, "invalid_request") X(IDEMPOTENCY_MISMATCH, "idempotency_mismatch") \
    X(RECORDER_UNKNOWN, "recorder_unknown") X(TARGET_CONFLICT, "target_conflict") \
    X(ROOT_UNKNOWN, "root_unknown") X(ROOT_UNAVAILABLE, "root_unavailable") \
    X(SOURCE_MISSING, "source_missing") X(SOURCE_UNREADABLE, "source_unreadable") \
    X(SOURCE_NOT_REGULAR, "source_not_regular") X(PATH_CONFLICT, "path_conflict") \
    X(NAME_NOT_REPRESENTABLE, "name_not_representable") \
    X(IMAGE_NOT_ALIGNED, "image_not_aligned") X(IMAGE_INVALID, "image_invalid") \
    X(IMAGE_HASH_MISMATCH, "image_hash_mismatch") X(DOES_NOT_FIT, "does_not_fit") \
    X(PROFILE_UNSUPPORTED, "profile_unsupported") X(MODE_UNSUPPORTED, "mode_unsupported") \
    X(FEATURE_UNAVAILABLE, "feature_unavailable") \
    /* 409 */ X(RECORDER_BUSY, "recorder_busy") X(RECORDER_IN_USE, "recorder_in_use") \
    X(OPERATION_UNSUPPORTED, "operation_unsupported") \
    X(JOB_TERMINAL, "job_terminal") X(JOB_NOT_TERMINAL, "job_not_terminal") \
    X(NOT_READY, "not_ready") X(NOTHING_TO_CONFIRM, "nothing_to_confirm") \
    X(ATTENTION_CLEARED, "attention_cleared") \
    X(IDEMPOTENCY_IN_PROGRESS, "idempotency_in_progress") \
    X(MEDIUM_NOT_BLANK, "medium_not_blank") X(MEDIUM_TOO_SMALL, "medium_too_small") \
    X(MEDIUM_UNSUPPORTED, "medium_unsupported") \
    X(MEDIUM_WRITE_PROTECTED, "medium_write_protected") \
    /* only inside `problem` */ X(SOURCE_CHANGED, "source_changed") X(CANCELED, "canceled") \
    X(COPIES_FAILED, "copies_failed") X(RUINED_DISC_LIMIT, "ruined_disc_limit") \
    X(WAIT_TIMEOUT, "wait_timeout") \
    X(WORKER_LOST, "worker_lost") X(WORKER_STALLED, "worker_stalled") \
    X(LIBRARY_ERROR, "library_error") X(INTERRUPTED, "interrupted") \
    X(WRITE_ERROR, "write_error") X(CLOSE_FAILED, "close_failed") X(READ_ERROR, "read_error") \
    X(FLUSH_FAILED, "flush_failed") X(BURN_NOT_CONFIRMED, "burn_not_confirmed") \
    X(MEDIUM_CHANGED, "medium_changed") \
    X(VERIFY_MISMATCH, "verify_mismatch") X(VERIFY_UNREADABLE, "verify_unreadable")
/* clang-format on */

enum error_code {
#define X(name, word) ERROR_##name,
    ERROR_CODES(X)
#undef X
        ERROR_CODE_COUNT
};

/* What the drive or a library said, kept as it was said (law 12). Empty strings and -1 mean: not
 * told. */
struct error_device {
    char recorder[64];
    char node[128];
    char phase[16];
    int64_t at_lba;
    int sense_key, sense_asc, sense_ascq;
    char sense_text[96];
    char library[16];
    char severity[16];
    int library_code;
    char library_message[256];
};

struct error {
    enum error_code code;
    char message[512];    /* one sentence, UTF-8, names the value at fault */
    char pointer[128];    /* JSON pointer into the request, or "" */
    char path[512];       /* the file or disc path at fault, or "" */
    char user_action[32]; /* "" = the default of the code */
    int line, column;     /* of the text that was not JSON, from 1; 0 = not about a text */
    int64_t position;     /* in bytes, from 0 */
    bool has_device;
    struct error_device device;
};

#define ERROR_EMPTY ((struct error){.code = ERROR_NONE})

/* Fill `err` and return -1, so that a failure is one line where it is known. */
int error_set(struct error *err, enum error_code code, const char *format, ...) PRINTF_FORMAT(3, 4);

/* error_set(), and remember which path (of a source or on the disc) is at fault. */
int error_set_path(struct error *err, enum error_code code, const char *path, const char *format,
                   ...) PRINTF_FORMAT(4, 5);

/* The JSON word of a code ("medium_not_blank"); never NULL. */
const char *error_code_to_text(enum error_code code);

/* The code of a word, ERROR_INTERNAL for a word that is none. */
enum error_code error_code_from_text(const char *word);

/* One bad field of a request. `code` is one of required, unknown_field, wrong_type, out_of_range,
 * invalid_value, too_long, too_many, conflict, or a code of the list above. */
struct field_error {
    char pointer[160];
    char code[32];
    char detail[200];
};

#define FIELD_ERRORS_MAX 32

struct field_errors {
    size_t count; /* may exceed FIELD_ERRORS_MAX; only the first FIELD_ERRORS_MAX are kept */
    struct field_error items[FIELD_ERRORS_MAX];
};

void field_errors_add(struct field_errors *list, const char *pointer, const char *code,
                      const char *format, ...) PRINTF_FORMAT(4, 5);

#endif
