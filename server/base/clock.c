/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * See clock.h. Any thread; clock_hold() only before threads exist.
 */
#include "base/clock.h"

#include <stdbool.h>
#include <stdio.h>
#include <string.h>
#include <time.h>

static bool held;
static int64_t held_wall_ms, held_monotonic_ms;

static int64_t read_ms(clockid_t id)
{
    struct timespec now;
    clock_gettime(id, &now);
    return (int64_t)now.tv_sec * 1000 + now.tv_nsec / 1000000;
}

int64_t clock_wall_ms(void)
{
    return held ? held_wall_ms : read_ms(CLOCK_REALTIME);
}

int64_t clock_monotonic_ms(void)
{
    return held ? held_monotonic_ms : read_ms(CLOCK_MONOTONIC);
}

void clock_to_text(int64_t wall_ms, char out[CLOCK_TEXT_SIZE])
{
    time_t seconds = (time_t)(wall_ms / 1000);
    struct tm utc;
    gmtime_r(&seconds, &utc);
    char day[24];
    strftime(day, sizeof(day), "%Y-%m-%dT%H:%M:%S", &utc);
    snprintf(out, CLOCK_TEXT_SIZE, "%s.%03dZ", day, (int)(wall_ms % 1000));
}

int clock_from_text(const char *text, int64_t *wall_ms)
{
    struct tm utc = {0};
    const char *rest = strptime(text, "%Y-%m-%dT%H:%M:%S", &utc);
    if (rest == NULL) {
        return -1;
    }
    int64_t milliseconds = 0;
    if (*rest == '.') {
        int64_t unit = 100;
        for (rest++; *rest >= '0' && *rest <= '9'; rest++, unit /= 10) {
            milliseconds += (*rest - '0') * unit;
        }
    }
    int64_t offset_minutes = 0;
    if (strcmp(rest, "Z") != 0) {
        char sign;
        int hours, minutes, used = 0;
        if (sscanf(rest, "%c%2d:%2d%n", &sign, &hours, &minutes, &used) != 3 ||
            rest[used] != '\0' || (sign != '+' && sign != '-')) {
            return -1;
        }
        offset_minutes = (hours * 60 + minutes) * (sign == '+' ? 1 : -1);
    }
    *wall_ms = ((int64_t)timegm(&utc) - offset_minutes * 60) * 1000 + milliseconds;
    return 0;
}

void clock_hold(int64_t wall_ms, int64_t monotonic_ms)
{
    held = true;
    held_wall_ms = wall_ms;
    held_monotonic_ms = monotonic_ms;
}

void clock_release(void)
{
    held = false;
}
