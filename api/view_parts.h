/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * What the view files (views.c, job_views.c, row_views.c, event_views.c) share and nobody else
 * needs.
 */
#ifndef BURND_API_VIEW_PARTS_H
#define BURND_API_VIEW_PARTS_H

#include "views.h"

/* Set a member; `owned_value` is never NULL. */
void view_put(json_t *object, const char *name, json_t *owned_value);
/* 0…100 with two decimals, rounded down so that 100 is said only at the end; null for negative
 * values. */
json_t *view_percent(double percent);
json_t *view_share(int64_t completed, int64_t total);
/* Null for 0 and less: counts that start at 1 (copy, attempt). */
json_t *view_number(int64_t value);
json_t *view_reason_words(const enum reason *reasons, size_t count);
json_t *view_warnings(const struct warning *warnings, size_t count);
json_t *view_speed(const struct speed *speed);
/* Null for the word "none". */
json_t *view_word(const char *word);
/* Every member of a job answer that is not in `job` yet becomes null. */
void view_job_complete(json_t *job);
json_t *view_job_links(const char *id);
json_t *view_job_effective(int64_t speed_kb_s);

#endif
