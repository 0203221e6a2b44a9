/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * See id.h. The last id is kept under a lock so that ids of one process never tie or go back.
 */
#include "base/id.h"

#include "base/clock.h"

#include <pthread.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>

static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static uint8_t last[16];

static void count_up(uint8_t bytes[16])
{
    for (int i = 15; i >= 0 && ++bytes[i] == 0; i--) {
    }
}

static void fresh(uint8_t bytes[16])
{
    uint64_t now = (uint64_t)clock_wall_ms();
    for (int i = 0; i < 6; i++) {
        bytes[i] = (uint8_t)(now >> (40 - 8 * i));
    }
    if (getrandom(bytes + 6, 10, 0) != 10) {
        abort();
    }
}

void id_make(const char *prefix, char out[ID_SIZE])
{
    static const char digits[] = "0123456789ABCDEFGHJKMNPQRSTVWXYZ";
    uint8_t bytes[16];
    pthread_mutex_lock(&lock);
    fresh(bytes);
    if (memcmp(bytes, last, 6) <= 0) {
        memcpy(bytes, last, sizeof(bytes));
        count_up(bytes);
    }
    memcpy(last, bytes, sizeof(bytes));
    pthread_mutex_unlock(&lock);

    /* 128 bits as 26 digits of 5 bits; the first digit carries the top 3 */
    char text[27];
    unsigned carry = 0;
    int bits = 2, at = 0; /* two leading zero bits make 130 */
    for (int i = 0; i < 16; i++) {
        carry = (carry << 8) | bytes[i];
        bits += 8;
        while (bits >= 5) {
            bits -= 5;
            text[at++] = digits[(carry >> bits) & 31];
        }
    }
    text[at] = '\0';
    snprintf(out, ID_SIZE, "%s_%s", prefix, text);
}
