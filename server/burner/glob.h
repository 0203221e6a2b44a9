/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * The patterns of `exclude`: matched against the path on the disc, without its leading slash.
 *
 *   ?             one character that is no slash
 *   *             any number of characters that are no slash
 *   **            any number of characters; between slashes: any number of folders, also none
 *   [ab] [a-z]    one character of a set, with ! in front one that is not in it; never a slash
 *   \x            the character x itself
 */
#ifndef BURND_BURNER_GLOB_H
#define BURND_BURNER_GLOB_H

#include <stdbool.h>

/* Time is bounded by (length of pattern) * (length of path). */
bool glob_matches(const char *pattern, const char *path);

#endif
