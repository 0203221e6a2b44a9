/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * Every handler of the route table, and the few things that handlers share. See exchange.h for how
 * a handler runs and README.md for how to add one.
 */
#ifndef BURND_API_HANDLERS_H
#define BURND_API_HANDLERS_H

#include "exchange.h"

/* info.c */
exchange_step handle_get_info, handle_get_health, handle_get_readiness;
/* recorders.c */
exchange_step handle_list_recorders, handle_get_recorder, handle_get_medium, handle_eject_recorder,
    handle_load_recorder, handle_rescan_recorder;
/* jobs.c */
exchange_step handle_create_job, handle_get_job, handle_delete_job, handle_cancel_job,
    handle_confirm_job, handle_cancel_copy, handle_confirm_copy;
/* job_list.c */
exchange_step handle_list_jobs;
/* job_reads.c */
exchange_step handle_list_copies, handle_get_copy, handle_list_attempts, handle_get_attempt,
    handle_get_progress, handle_get_plan, handle_list_job_events;
/* job_files.c */
exchange_step handle_get_log, handle_list_items;
/* queue.c, attention.c, discs.c, roots.c */
exchange_step handle_get_queue, handle_list_attention, handle_resolve_attention, handle_list_discs,
    handle_get_disc, handle_list_roots, handle_list_root_tree;

/* --- shared (handler_parts.c) -------------------------------------------------------------- */

/* One resource: answers it with an ETag made of its content. */
void handler_reply_resource(struct exchange *x, int status, json_t *owned_body);
/* An action without an object: an empty body, or {}. False: a problem was answered. */
bool handler_takes_nothing(struct exchange *x);
/* A decimal number from a path or query; -1 = it is none, or below `least`. */
int64_t handler_number(const char *text, int64_t least);
/* A number of the path that names a copy or an attempt (`what`); -1: 404 was answered. */
int handler_path_number(struct exchange *x, size_t n, const char *what);
/* `?cursor=` as a number; 0 when not given, -1: 400 was answered. */
int64_t handler_cursor(struct exchange *x);
/* "true" or "false"; -1 when not given, -2: 400 was answered. */
int handler_query_bool(struct exchange *x, const char *name);
void handler_reply_not_found(struct exchange *x, const char *what, const char *name);
/* What id_make() makes: nothing else may become a part of a path in the state directory. */
bool handler_is_id(const char *text, const char *prefix);
/* Pool: whether the store has the job; false: 404 or 503 was answered. */
bool handler_has_job(struct exchange *x, struct store_reader *reader, const char *id);
/* Pool: counts by state of a job's copies. -1: `err`. */
NODISCARD int handler_count_copies(struct store_reader *reader, const char *id,
                                   int64_t counts[COPY_COUNT], struct error *err);
/* Pool: the stored job as JSON with its copies counted. 1, 0 = not there, -1 = `err`. `version` may
 * be NULL. */
NODISCARD int handler_read_job(struct store_reader *reader, const char *id, json_t **out,
                               enum job_state *state, int64_t *version, struct error *err);
/* The ETag of a job. */
void handler_set_job_etag(struct exchange *x, int64_t version);

#endif
