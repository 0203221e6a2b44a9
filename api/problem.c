/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * See problem.h. The table below is the only place that knows statuses and titles; a unit test
 * walks ERROR_CODES and fails on a code without a row.
 */
#include "problem.h"

#include "base/utf8.h"

#include <stdlib.h>
#include <string.h>

struct row {
    int status;
    bool retryable; /* the same request may succeed later, unchanged */
    const char *user_action;
    const char *title;
};

/* clang-format off */
static const struct row rows[ERROR_CODE_COUNT] = {
    [ERROR_NONE] = {200, false, "none", "No error"},
    [ERROR_INVALID_JSON] = {400, false, "fix_request", "The body is not valid JSON"},
    [ERROR_INVALID_QUERY] = {400, false, "fix_request", "A query parameter is not valid"},
    [ERROR_INVALID_HEADER] = {400, false, "fix_request", "A header is not valid"},
    [ERROR_ORIGIN_REFUSED] = {403, false, "none", "This origin may not use burnd"},
    [ERROR_SOURCE_OUTSIDE_ROOT] = {403, false, "fix_source", "The source lies outside its root"},
    [ERROR_NOT_FOUND] = {404, false, "fix_request", "There is no such resource"},
    [ERROR_MEDIUM_MISSING] = {404, true, "insert_blank_medium", "The recorder holds no medium"},
    [ERROR_NO_SUCH_ITEM] = {404, false, "fix_request", "There is no such item"},
    [ERROR_METHOD_NOT_ALLOWED] = {405, false, "fix_request", "The resource has no such method"},
    [ERROR_NOT_ACCEPTABLE] = {406, false, "fix_request", "No acceptable form of the answer"},
    [ERROR_LENGTH_REQUIRED] = {411, false, "fix_request", "The request needs a body"},
    [ERROR_ETAG_STALE] = {412, false, "retry", "The resource has changed meanwhile"},
    [ERROR_BODY_TOO_LARGE] = {413, false, "fix_request", "The body is too large"},
    [ERROR_URI_TOO_LONG] = {414, false, "fix_request", "The URI is too long"},
    [ERROR_UNSUPPORTED_MEDIA_TYPE] = {415, false, "fix_request", "The body's type is not supported"},
    [ERROR_HOST_REFUSED] = {421, false, "fix_request", "burnd does not answer for this host"},
    [ERROR_UPGRADE_REQUIRED] = {426, false, "fix_request", "A WebSocket upgrade is needed"},
    [ERROR_HEADERS_TOO_LARGE] = {431, false, "fix_request", "The headers are too large"},
    [ERROR_INTERNAL] = {500, true, "none", "Internal error"},
    [ERROR_TOO_MANY_CONNECTIONS] = {503, true, "retry", "Too many connections"},
    [ERROR_SHUTTING_DOWN] = {503, true, "retry", "burnd is shutting down"},
    [ERROR_STORE_UNAVAILABLE] = {503, true, "free_space", "The store cannot be used"},
    [ERROR_INVALID_REQUEST] = {422, false, "fix_request", "The request is not valid"},
    [ERROR_IDEMPOTENCY_MISMATCH] = {422, false, "fix_request", "The key was used with another body"},
    [ERROR_RECORDER_UNKNOWN] = {422, false, "fix_request", "There is no such recorder"},
    [ERROR_TARGET_CONFLICT] = {422, false, "fix_request", "The target contradicts itself"},
    [ERROR_ROOT_UNKNOWN] = {422, false, "fix_source", "There is no such root"},
    [ERROR_ROOT_UNAVAILABLE] = {422, true, "fix_source", "The root cannot be opened"},
    [ERROR_SOURCE_MISSING] = {422, false, "fix_source", "A source does not exist"},
    [ERROR_SOURCE_UNREADABLE] = {422, false, "fix_source", "A source cannot be read"},
    [ERROR_SOURCE_NOT_REGULAR] = {422, false, "fix_source", "A source is no regular file"},
    [ERROR_PATH_CONFLICT] = {422, false, "fix_request", "Two sources have one path on the disc"},
    [ERROR_NAME_NOT_REPRESENTABLE] = {422, false, "fix_source", "A name cannot be put on the disc"},
    [ERROR_IMAGE_NOT_ALIGNED] = {422, false, "fix_source", "The image is no whole number of blocks"},
    [ERROR_IMAGE_INVALID] = {422, false, "fix_source", "The image is not usable"},
    [ERROR_IMAGE_HASH_MISMATCH] = {422, false, "fix_source", "The image has another hash"},
    [ERROR_DOES_NOT_FIT] = {422, false, "insert_larger_medium", "The content does not fit"},
    [ERROR_PROFILE_UNSUPPORTED] = {422, false, "insert_right_medium", "The profile is not supported"},
    [ERROR_MODE_UNSUPPORTED] = {422, false, "fix_request", "The write mode is not supported"},
    [ERROR_FEATURE_UNAVAILABLE] = {422, false, "fix_request", "This burnd cannot do that"},
    [ERROR_RECORDER_BUSY] = {409, true, "retry", "The recorder is busy"},
    [ERROR_RECORDER_IN_USE] = {409, true, "release_recorder", "Another program holds the recorder"},
    [ERROR_OPERATION_UNSUPPORTED] = {409, false, "none", "The recorder cannot do that"},
    [ERROR_JOB_TERMINAL] = {409, false, "none", "The job has ended"},
    [ERROR_JOB_NOT_TERMINAL] = {409, true, "retry", "The job has not ended"},
    [ERROR_NOT_READY] = {409, true, "retry", "Not ready yet"},
    [ERROR_NOTHING_TO_CONFIRM] = {409, false, "none", "Nothing awaits a verdict"},
    [ERROR_ATTENTION_CLEARED] = {409, false, "none", "The cause is gone"},
    [ERROR_IDEMPOTENCY_IN_PROGRESS] = {409, true, "retry", "The first request still runs"},
    [ERROR_MEDIUM_NOT_BLANK] = {409, true, "insert_blank_medium", "The medium is not blank"},
    [ERROR_MEDIUM_TOO_SMALL] = {409, true, "insert_larger_medium", "The medium is too small"},
    [ERROR_MEDIUM_UNSUPPORTED] = {409, true, "insert_right_medium", "The medium cannot be used"},
    [ERROR_MEDIUM_WRITE_PROTECTED] = {409, true, "insert_right_medium", "The medium is write-protected"},
    [ERROR_SOURCE_CHANGED] = {409, true, "fix_source", "A source changed while it was read"},
    [ERROR_CANCELED] = {409, false, "none", "Canceled"},
    [ERROR_COPIES_FAILED] = {409, true, "retry", "Copies failed"},
    [ERROR_RUINED_DISC_LIMIT] = {409, true, "check_recorder", "Too many discs were ruined"},
    [ERROR_WAIT_TIMEOUT] = {409, true, "retry", "Nobody came in time"},
    [ERROR_WORKER_LOST] = {500, true, "retry", "The worker process died"},
    [ERROR_WORKER_STALLED] = {500, true, "check_recorder", "The worker process went silent"},
    [ERROR_LIBRARY_ERROR] = {500, true, "check_recorder", "A library refused"},
    [ERROR_INTERRUPTED] = {500, true, "retry", "burnd was interrupted"},
    [ERROR_WRITE_ERROR] = {502, true, "discard_medium", "Writing failed"},
    [ERROR_CLOSE_FAILED] = {502, true, "discard_medium", "Closing failed"},
    [ERROR_READ_ERROR] = {502, true, "clean_or_replace_medium", "Reading failed"},
    [ERROR_FLUSH_FAILED] = {502, true, "discard_medium", "The last blocks were not written"},
    [ERROR_BURN_NOT_CONFIRMED] = {502, true, "discard_medium", "The burn was not confirmed"},
    [ERROR_MEDIUM_CHANGED] = {502, true, "insert_right_medium", "The medium was exchanged"},
    [ERROR_VERIFY_MISMATCH] = {502, true, "discard_medium", "The disc differs from its sources"},
    [ERROR_VERIFY_UNREADABLE] = {502, true, "discard_medium", "The disc cannot be read back"},
};
/* clang-format on */

static const struct row *row_of(enum error_code code)
{
    bool known = code < ERROR_CODE_COUNT && rows[code].status != 0;
    return &rows[known ? code : ERROR_INTERNAL];
}

int problem_status(enum error_code code)
{
    return row_of(code)->status;
}

const char *problem_title(enum error_code code)
{
    return row_of(code)->title;
}

const char *problem_user_action(enum error_code code)
{
    return row_of(code)->user_action;
}

bool problem_is_retryable(enum error_code code)
{
    return row_of(code)->retryable;
}

static json_t *text_or_null(const char *text)
{
    if (text[0] == '\0') {
        return json_null();
    }
    char *good = utf8_repaired(text); /* it may name a file, or be cut by a library */
    json_t *value = json_string(good);
    free(good);
    return value;
}

static json_t *count_or_null(int64_t value)
{
    return value >= 0 ? json_integer(value) : json_null();
}

static json_t *device_json(const struct error_device *device)
{
    json_t *sense =
        json_pack("{s:o,s:o,s:o,s:o}", "key", count_or_null(device->sense_key), "asc",
                  count_or_null(device->sense_asc), "ascq", count_or_null(device->sense_ascq),
                  "text", text_or_null(device->sense_text));
    bool told = device->library[0] != '\0';
    json_t *library = json_pack("{s:o,s:o,s:o,s:o}", "name", text_or_null(device->library),
                                "severity", text_or_null(device->severity), "code",
                                told ? json_integer(device->library_code) : json_null(), "message",
                                text_or_null(device->library_message));
    return json_pack("{s:o,s:o,s:o,s:o,s:o,s:o}", "recorder", text_or_null(device->recorder),
                     "node", text_or_null(device->node), "phase", text_or_null(device->phase),
                     "at_lba", count_or_null(device->at_lba), "sense", sense, "library", library);
}

/* See problem.h: the first character tells a query parameter and a header from a JSON pointer. */
static json_t *field_json(const char *pointer, const char *code, const char *detail)
{
    const char *kind = pointer[0] == '?' ? "parameter" : pointer[0] == ':' ? "header" : "pointer";
    const char *name = kind[1] == 'o' ? pointer : pointer + 1;
    json_t *where = json_string(name); /* an unknown field's name is the client's text */
    return json_pack("{s:o,s:s,s:o}", kind, where != NULL ? where : json_string(""), "code", code,
                     "detail", text_or_null(detail));
}

static json_t *errors_json(const struct error *err, const struct field_errors *fields)
{
    json_t *list = json_array();
    size_t count = fields != NULL ? fields->count : 0;
    for (size_t i = 0; i < count && i < FIELD_ERRORS_MAX; i++) {
        const struct field_error *item = &fields->items[i];
        json_array_append_new(list, field_json(item->pointer, item->code, item->detail));
    }
    if (count == 0 && err->pointer[0] != '\0') {
        json_array_append_new(
            list, field_json(err->pointer, error_code_to_text(err->code), err->message));
    }
    return list;
}

json_t *problem_json(const struct error *err, const struct field_errors *fields,
                     const char *request_id, const char *instance)
{
    const struct row *row = row_of(err->code);
    const char *code = error_code_to_text(err->code);
    json_t *body = json_object();
    json_object_set_new(body, "type", json_sprintf("urn:burnd:problem:%s", code));
    json_object_set_new(body, "title", json_string(row->title));
    json_object_set_new(body, "status", json_integer(row->status));
    json_object_set_new(body, "detail", text_or_null(err->message));
    if (instance != NULL) {
        json_object_set_new(body, "instance", text_or_null(instance));
    }
    json_object_set_new(body, "code", json_string(code));
    if (err->line > 0) {
        json_object_set_new(body, "line", json_integer(err->line));
        json_object_set_new(body, "column", json_integer(err->column));
        json_object_set_new(body, "position", json_integer(err->position));
    }
    json_object_set_new(body, "errors", errors_json(err, fields));
    json_object_set_new(body, "retryable", json_boolean(row->retryable));
    json_object_set_new(
        body, "user_action",
        json_string(err->user_action[0] != '\0' ? err->user_action : row->user_action));
    if (request_id != NULL) {
        json_object_set_new(body, "request_id", json_string(request_id));
    }
    if (err->has_device) {
        json_object_set_new(body, "device", device_json(&err->device));
    }
    return body;
}
