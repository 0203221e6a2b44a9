/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * See iso_messages.h. The queue is global in the process; it is drained by the operation's main thread.
 */
#include "burner/iso_messages.h"

#include "base/alloc.h"
#include "burner/channel.h"

#include <libisofs/libisofs.h>
#include <stdio.h>
#include <string.h>

#define FORWARDED_MAX 200 /* lines to burnd; a tree can cause one for each of its files */

static bool failed;
static struct error first_failure;
static int forwarded;

int iso_messages_start(struct error *err)
{
    char queue[] = "WARNING", print[] = "NEVER", prefix[] = "", utf8[] = "UTF-8",
         abort_at[] = "MISHAP";
    if (iso_init_with_flag(1) < 0) {
        return error_set(err, ERROR_LIBRARY_ERROR, "libisofs does not start");
    }
    iso_set_msgs_severities(queue, print, prefix);
    iso_set_local_charset(utf8, 0);
    iso_set_abort_severity(abort_at);
    return 0;
}

static void take(const char *severity, int severity_number, int code, const char *text)
{
    if (forwarded < FORWARDED_MAX) {
        forwarded++;
        channel_message("libisofs", severity, code, text);
    }
    char mishap[] = "MISHAP";
    int limit = 0;
    iso_text_to_sev(mishap, &limit);
    if (severity_number < limit || failed) {
        return;
    }
    failed = true;
    error_set(&first_failure, ERROR_LIBRARY_ERROR, "libisofs: %s", text);
    struct error_device *device = &first_failure.device;
    first_failure.has_device = true;
    text_copy(device->library, sizeof(device->library), "libisofs");
    text_copy(device->severity, sizeof(device->severity), severity);
    text_copy(device->library_message, sizeof(device->library_message), text);
    device->library_code = code;
}

void iso_messages_drain(void)
{
    char minimum[] = "WARNING", text[ISO_MSGS_MESSAGE_LEN], severity[80];
    int code, image, number;
    while (iso_obtain_msgs(minimum, &code, &image, text, severity) == 1) {
        if (iso_text_to_sev(severity, &number) <= 0) {
            number = 0x7fffffff; /* a severity we do not know is taken for the worst */
        }
        take(severity, number, code, text);
    }
}

int iso_messages_check(struct error *err)
{
    iso_messages_drain();
    if (failed) {
        *err = first_failure;
    }
    return failed ? -1 : 0;
}

void iso_messages_forgive(void)
{
    iso_messages_drain();
    failed = false;
}
