/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * The body of a request: JSON text, then as a job and as every other body. A job that is taken must
 * come back the same from the store, or it would be lost at the next start.
 */
#include "api/body_reader.h"
#include "api/views.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static struct error err;
static struct field_errors fields;
static struct job_document document, stored;

static void check_error(void)
{
    assert(err.code != ERROR_NONE && err.code < ERROR_CODE_COUNT);
    assert(err.message[0] != '\0' && memchr(err.message, '\0', sizeof(err.message)) != NULL);
}

static void read_job(const json_t *body)
{
    fields.count = 0;
    if (body_reader_job(body, &document, &fields, &err) != 0) {
        check_error();
        return;
    }
    char *once = view_document_text(&document);
    int result = body_reader_stored_document(once, &stored, &err);
    assert(result == 0);
    char *twice = view_document_text(&stored);
    assert(strcmp(once, twice) == 0);
    free(once);
    free(twice);
    job_document_release(&stored);
    job_document_release(&document);
}

static void read_others(const json_t *body)
{
    static const char *const allowed[] = {"cancel", "hold", "release", NULL};
    char word[16];
    int copy;
    fields.count = 0;
    if (body_reader_action(body, "action", allowed, word, sizeof(word), &fields, &err) == 0) {
        assert(strlen(word) < sizeof(word));
    }
    fields.count = 0;
    if (body_reader_confirm(body, true, &copy, word, sizeof(word), &fields, &err) == 0) {
        assert(strlen(word) < sizeof(word));
    }
    fields.count = 0;
    if (body_reader_empty(body, &fields, &err) == 0) {
        assert(fields.count == 0);
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct json_place place = {0};
    json_t *body = NULL;
    err = ERROR_EMPTY;
    if (body_reader_text((const char *)data, size, &body, &place, &err) != 0) {
        check_error();
        assert(body == NULL && place.position <= size);
        return 0;
    }
    read_job(body);
    read_others(body);
    json_decref(body);
    return 0;
}
