/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * The words of the document's enums and the release of its owned strings.
 */
#include "job/job_document.h"

#include "base/words.h"

#include <stdlib.h>

DEFINE_WORDS(JOB_TYPES, job_type)
DEFINE_WORDS(ON_WRONG_MEDIUM, wrong_medium)
DEFINE_WORDS(FAILURE_THEN, failure_then)
DEFINE_WORDS(EJECT_WISHES, eject_wish)
DEFINE_WORDS(MEDIUM_REQUIRES, medium_require)

void job_document_release(struct job_document *document)
{
    data_spec_release(&document->data);
    free(document->image.from);
    document->image.from = NULL;
}
