/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * See utf8.h. A NUL is no continuation byte, so a text that ends within a character is never read
 * beyond its end.
 */
#include "base/utf8.h"

#include "base/alloc.h"

#include <string.h>

size_t utf8_length(const char *text)
{
    const unsigned char *at = (const unsigned char *)text;
    if (at[0] < 0x80) {
        return 1;
    }
    if (at[0] < 0xC2 || at[0] > 0xF4) {
        return 0;
    }
    size_t length = at[0] >= 0xF0 ? 4 : at[0] >= 0xE0 ? 3 : 2;
    unsigned value = at[0] & (0xFFU >> (length + 1));
    for (size_t i = 1; i < length; i++) {
        if ((at[i] & 0xC0) != 0x80) {
            return 0;
        }
        value = value << 6 | (at[i] & 0x3FU);
    }
    bool overlong = (length == 3 && value < 0x800) || (length == 4 && value < 0x10000);
    bool surrogate = value >= 0xD800 && value <= 0xDFFF;
    return overlong || surrogate || value > 0x10FFFF ? 0 : length;
}

bool utf8_is_valid(const char *text)
{
    while (*text != '\0') {
        size_t length = utf8_length(text);
        if (length == 0) {
            return false;
        }
        text += length;
    }
    return true;
}

char *utf8_repaired(const char *text)
{
    static const char replacement[] = "\xEF\xBF\xBD";
    char *good = xcalloc(strlen(text) * 3 + 1, 1);
    size_t used = 0;
    while (*text != '\0') {
        size_t length = utf8_length(text);
        memcpy(good + used, length > 0 ? text : replacement, length > 0 ? length : 3);
        used += length > 0 ? length : 3;
        text += length > 0 ? length : 1;
    }
    return good;
}
