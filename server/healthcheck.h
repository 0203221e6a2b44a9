/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * `burnd --healthcheck`: for containers and supervisors that have no HTTP client of their own.
 */
#ifndef BURND_HEALTHCHECK_H
#define BURND_HEALTHCHECK_H

/* GET /healthz at `listen` ("ADDR:PORT", numeric). 0: it answered 200; 1: not, and why on
 * stderr. Takes at most five seconds. */
int healthcheck(const char *listen);

#endif
