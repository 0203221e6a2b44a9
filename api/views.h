/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * Structs of the core → JSON of api.md, nowhere else. New references are returned; nothing fails
 * (memory aside, which aborts). Any thread.
 */
#ifndef BURND_API_VIEWS_H
#define BURND_API_VIEWS_H

#include "job/core.h"
#include "job/job_events.h"

#include <jansson.h>

json_t *view_time(int64_t wall_ms);  /* null for 0 */
json_t *view_text(const char *text); /* null for NULL and "" */
json_t *view_count(int64_t value);   /* null for negative values */
json_t *view_recorder(const struct recorder *recorder);
json_t *view_medium(const struct medium *medium, const char *disc);
json_t *view_document(const struct job_document *document);
json_t *view_job(const struct job_snapshot *snapshot);
json_t *view_copy(const char *job, const struct copy *copy);
json_t *view_attempt(const struct attempt *attempt);
json_t *view_plan(const struct plan *plan, const struct submission *recorders);
json_t *view_disc(const struct disc *disc);
json_t *view_attention(const struct attention *attention);
json_t *
view_problem(const struct error *err); /* null for code NONE; see problem.h for the HTTP answer */
json_t *view_progress(const struct job_snapshot *snapshot);
/* rows of the store, for what is not in memory any more */
json_t *view_job_row(const struct job_row *row, json_t *owned_copies_summary);
json_t *view_copy_row(const struct copy_row *row);
json_t *view_attempt_row(const struct attempt_row *row);
json_t *view_disc_row(const struct disc_row *row);
json_t *view_event_row(const struct event_row *row, const char *epoch); /* with its envelope */
/* What view_progress() made: put the data of a progress event into its copy; other types change
 * nothing. */
void view_progress_event(json_t *progress, const struct event_row *row);
/* {total,pending,…} from counts by copy state */
json_t *view_copies_summary(const int64_t counts[COPY_COUNT]);

/* the functions of json_border */
char *view_event_data(int event_type, const void *payload);
char *view_job_text(const void *snapshot);
char *view_document_text(const struct job_document *document);

#endif
