/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * Whether a request is let in: everything its head tells, checked in one order, before a handler
 * runs. Http thread.
 */
#ifndef BURND_API_ADMIT_H
#define BURND_API_ADMIT_H

struct exchange;

/* At the head. When it is refused the answer is ready, and x->swallow says that its body is to
 * be read away first. OPTIONS is answered here too. */
void admit(struct exchange *x, const char *method, const char *version);
/* When the body is complete. */
void admit_body(struct exchange *x);

#endif
