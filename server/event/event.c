/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * See event.h: the words of the event types, counting of references, and the envelope's text. Any
 * thread; no state of its own.
 */
#include "event/event.h"

#include "base/alloc.h"
#include "base/clock.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static const char *const type_words[EVENT_TYPE_COUNT] = {
#define WORD(n, w) [EVENT_##n] = (w),
    EVENT_TYPES(WORD)
#undef WORD
};

const char *event_type_to_text(enum event_type type)
{
    return type_words[type];
}

int event_type_from_text(const char *word, enum event_type *out)
{
    for (int i = 0; i < EVENT_TYPE_COUNT; i++) {
        if (strcmp(type_words[i], word) == 0) {
            *out = (enum event_type)i;
            return 0;
        }
    }
    return -1;
}

struct event *event_ref(struct event *event)
{
    __atomic_add_fetch(&event->references, 1, __ATOMIC_RELAXED);
    return event;
}

void event_unref(struct event *event)
{
    if (event == NULL || __atomic_sub_fetch(&event->references, 1, __ATOMIC_ACQ_REL) > 0) {
        return;
    }
    free(event->frame);
    free(event->data);
    free(event);
}

/* `"text"`, or `null` for "". Recorder names come from hardware, so they are escaped. */
static void quote(const char *text, char *out, size_t out_size)
{
    if (text[0] == '\0') {
        snprintf(out, out_size, "null");
        return;
    }
    size_t at = 0;
    out[at++] = '"';
    for (; *text != '\0' && at + 8 < out_size; text++) {
        unsigned char c = (unsigned char)*text;
        if (c < 0x20) {
            at += (size_t)snprintf(out + at, out_size - at, "\\u%04x", c);
            continue;
        }
        if (c == '"' || c == '\\') {
            out[at++] = '\\';
        }
        out[at++] = (char)c;
    }
    out[at++] = '"';
    out[at] = '\0';
}

static void number(int value, char out[16])
{
    if (value > 0) {
        snprintf(out, 16, "%d", value);
    } else {
        snprintf(out, 16, "null");
    }
}

/* The text with `room` unused bytes before it. */
static char *render(const struct event *event, const char *epoch, size_t room, size_t *length)
{
    char when[CLOCK_TEXT_SIZE], job[2 * ID_SIZE], recorder[6 * SUBJECT_RECORDER_SIZE], copy[16],
        attempt[16];
    clock_to_text(event->time_ms, when);
    quote(event->subject.job, job, sizeof(job));
    quote(event->subject.recorder, recorder, sizeof(recorder));
    number(event->subject.copy, copy);
    number(event->subject.attempt, attempt);
    char head[1024];
    size_t head_length = (size_t)snprintf(head, sizeof(head),
                                          "{\"epoch\":\"%s\",\"seq\":%" PRId64
                                          ",\"time\":\"%s\",\"type\":\"%s\",\"job\":%s,\"copy\":%s,"
                                          "\"attempt\":%s,\"recorder\":%s,\"data\":",
                                          epoch, event->seq, when, event_type_to_text(event->type),
                                          job, copy, attempt, recorder);
    char *text = xcalloc(1, room + head_length + event->data_length + 2);
    memcpy(text + room, head, head_length);
    memcpy(text + room + head_length, event->data, event->data_length);
    text[room + head_length + event->data_length] = '}';
    *length = head_length + event->data_length + 1;
    return text;
}

char *event_envelope(const struct event *event, const char *epoch, size_t *length)
{
    return render(event, epoch, 0, length);
}

char *event_frame(struct event *event, const char *epoch, size_t *length)
{
    char *frame = __atomic_load_n(&event->frame, __ATOMIC_ACQUIRE);
    if (frame == NULL) {
        size_t made_length = 0;
        char *made = render(event, epoch, EVENT_HEADROOM, &made_length);
        /* two threads may render at once: both write the same length, one text is kept */
        __atomic_store_n(&event->frame_length, made_length, __ATOMIC_RELAXED);
        if (__atomic_compare_exchange_n(&event->frame, &frame, made, false, __ATOMIC_ACQ_REL,
                                        __ATOMIC_ACQUIRE)) {
            frame = made;
        } else {
            free(made);
        }
    }
    *length = __atomic_load_n(&event->frame_length, __ATOMIC_RELAXED);
    return frame + EVENT_HEADROOM;
}
