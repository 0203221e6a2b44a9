/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * The members of the objects `data` and `image`; they are read into a struct job_document. Only for
 * job_reader.c.
 */
#ifndef BURND_API_DATA_READER_H
#define BURND_API_DATA_READER_H

#include "field_reader.h"

#include "job/job_document.h"

extern const struct member data_reader_members[];
extern const struct member image_reader_members[];

#endif
