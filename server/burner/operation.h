/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * The operations, one file each. They announce phases and progress on the channel, fill what they know
 * into `result`, and return 0 or -1 with the reason; main.c makes the `result` line of it.
 */
#ifndef BURND_BURNER_OPERATION_H
#define BURND_BURNER_OPERATION_H

#include "worker/worker_protocol.h"

int op_plan(const struct worker_request *request, struct worker_result *result, struct error *err);
int op_burn(const struct worker_request *request, struct worker_result *result, struct error *err);
int op_verify(const struct worker_request *request, struct worker_result *result,
              struct error *err);
int op_inspect(const struct worker_request *request, struct worker_result *result,
               struct error *err);
int op_eject(const struct worker_request *request, struct worker_result *result, struct error *err);
int op_reclaim(const struct worker_request *request, struct worker_result *result,
               struct error *err);

#endif
