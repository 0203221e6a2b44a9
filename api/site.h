/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * The dashboard's files and openapi.yaml. They are read into memory once, at start: a request is
 * looked up by its exact path among what was there, so no path can lead anywhere else, and nothing
 * is read from disk on the http thread.
 */
#ifndef BURND_API_SITE_H
#define BURND_API_SITE_H

#include "exchange.h"

struct site;

/* A missing folder or openapi.yaml is not an error: the paths then answer 404. */
struct site *site_new(const char *web_dir, const char *openapi_path);
void site_free(struct site *site);

/* Whether GET `path` is answered by site_page. */
bool site_has(const struct site *site, const char *path);

/* Handlers. Unknown paths need no route: what no route matches is looked up here before it is
 * 404. */
exchange_step site_page;    /* "/" and every file below the web folder */
exchange_step site_openapi; /* "/openapi.yaml" */

#endif
