/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * JSON of a request → struct of the core, nowhere else. Every bad field is found, with its JSON
 * pointer: unknown fields, wrong types, values out of range, contradictions. `null` counts as
 * absent; absent gets the default of api.md.
 */
#ifndef BURND_API_BODY_READER_H
#define BURND_API_BODY_READER_H

#include "job/job_document.h"

#include <jansson.h>

/* Strict JSON text → value. -1: invalid_json with line, column and position in the message, and
 * in the outs. Refuses duplicate keys, bad UTF-8, NULs in strings, trailing data, nesting deeper
 * than 64. */
struct json_place {
    int line, column;
    size_t position;
};
NODISCARD int body_reader_text(const char *text, size_t length, json_t **out,
                               struct json_place *place, struct error *err);

/* The body of POST /jobs. -1: `err` says invalid_request (or feature_unavailable, when a part of
 * api.md that is not built was asked for) and `fields` every bad field. On success every default
 * is filled in. */
NODISCARD int body_reader_job(const json_t *body, struct job_document *out,
                              struct field_errors *fields, struct error *err);

/* {"action":…} / {"verdict":…,"copy":…} / {"mode":…}: one string member out of a list; others by
 * name. */
NODISCARD int body_reader_action(const json_t *body, const char *member, const char *const *allowed,
                                 char *out, size_t out_size, struct field_errors *fields,
                                 struct error *err);
NODISCARD int body_reader_confirm(const json_t *body, bool needs_copy, int *copy, char *verdict,
                                  size_t verdict_size, struct field_errors *fields,
                                  struct error *err);

/* {}: of an action that takes nothing. */
NODISCARD int body_reader_empty(const json_t *body, struct field_errors *fields, struct error *err);

/* json_border.document_parse: what view_document_text() made. */
NODISCARD int body_reader_stored_document(const char *text, struct job_document *out,
                                          struct error *err);

#endif
