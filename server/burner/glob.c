/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * See glob.h. Patterns come from clients, so no recursion that a pattern full of stars could blow up:
 * one row of truth values is carried along the path, one value for each place in the pattern.
 */
#include "burner/glob.h"

#include "base/alloc.h"

#include <stdlib.h>
#include <string.h>

enum part_kind { PART_LITERAL, PART_ANY_ONE, PART_SET, PART_STAR, PART_STARS, PART_FOLDERS };

struct part {
    enum part_kind kind;
    unsigned char literal;
    const char *set; /* first character within [ ] */
    size_t set_length;
    bool negated;
};

/* The length of "[…]" at `text`, 0 when it never ends (then '[' is a plain character). */
static size_t set_length(const char *text)
{
    size_t at = text[1] == '!' || text[1] == '^' ? 2 : 1;
    if (text[at] == ']') {
        at++; /* a ']' that comes first is one of the set */
    }
    while (text[at] != '\0' && text[at] != ']') {
        at++;
    }
    return text[at] == ']' ? at + 1 : 0;
}

static size_t parse_set(const char *text, size_t length, struct part *out)
{
    out->kind = PART_SET;
    out->negated = text[1] == '!' || text[1] == '^';
    out->set = text + (out->negated ? 2 : 1);
    out->set_length = length - (size_t)(out->set - text) - 1;
    return length;
}

/* Reads one part at `text`; returns the number of characters it takes. */
static size_t parse_part(const char *text, bool at_start, struct part *out)
{
    *out = (struct part){.kind = PART_LITERAL, .literal = (unsigned char)text[0]};
    if (text[0] == '*' && text[1] == '*') {
        bool folders = at_start && text[2] == '/';
        out->kind = folders ? PART_FOLDERS : PART_STARS;
        return folders ? 3 : 2;
    }
    if (text[0] == '*' || text[0] == '?') {
        out->kind = text[0] == '*' ? PART_STAR : PART_ANY_ONE;
        return 1;
    }
    size_t length = text[0] == '[' ? set_length(text) : 0;
    if (length > 0) {
        return parse_set(text, length, out);
    }
    if (text[0] == '\\' && text[1] != '\0') {
        out->literal = (unsigned char)text[1];
        return 2;
    }
    return 1;
}

static bool set_has(const struct part *part, unsigned char c)
{
    bool found = false;
    for (size_t i = 0; i < part->set_length; i++) {
        unsigned char low = (unsigned char)part->set[i], high = low;
        if (i + 2 < part->set_length && part->set[i + 1] == '-') {
            high = (unsigned char)part->set[i + 2];
            i += 2;
        }
        found = found || (c >= low && c <= high);
    }
    return found != part->negated;
}

/* `?` and sets take a whole UTF-8 character: its further bytes stay in the same place. */
static bool takes(const struct part *part, unsigned char c)
{
    switch (part->kind) {
    case PART_LITERAL:
        return c == part->literal;
    case PART_ANY_ONE:
        return c != '/';
    case PART_SET:
        return c != '/' && set_has(part, c);
    case PART_STAR:
        return c != '/';
    case PART_STARS:
    case PART_FOLDERS:
        return true;
    }
    return false;
}

/* Stars may take nothing: whoever stands before them also stands behind them. */
static void pass_stars(const struct part *parts, size_t count, bool *places)
{
    for (size_t i = 0; i < count; i++) {
        if (places[i] && parts[i].kind >= PART_STAR && parts[i].kind != PART_FOLDERS) {
            places[i + 1] = true;
        }
    }
}

/* `inside[i]`: within the folders of part i. A part of kind FOLDERS ends only after a '/'. */
static void step(const struct part *parts, size_t count, const bool *places, const bool *inside,
                 unsigned char c, bool *next, bool *next_inside)
{
    memset(next, 0, count + 1);
    memset(next_inside, 0, count + 1);
    for (size_t i = 0; i < count; i++) {
        if (parts[i].kind == PART_FOLDERS) {
            if (places[i] || inside[i]) {
                next_inside[i] = true;
                next[i + 1] = next[i + 1] || c == '/';
            }
        } else if (places[i] && takes(&parts[i], c)) {
            bool stays = parts[i].kind == PART_STAR || parts[i].kind == PART_STARS;
            next[stays ? i : i + 1] = true;
        } else if (i > 0 && places[i] && (c & 0xC0) == 0x80 && parts[i - 1].kind == PART_ANY_ONE) {
            next[i] = true;
        }
    }
    if (places[count] && count > 0 && (c & 0xC0) == 0x80 && parts[count - 1].kind == PART_ANY_ONE) {
        next[count] = true;
    }
}

static void enter_folders(const struct part *parts, size_t count, bool *places)
{
    for (size_t i = 0; i < count; i++) {
        if (places[i] && parts[i].kind == PART_FOLDERS) {
            places[i + 1] = true; /* no folder at all */
        }
    }
}

bool glob_matches(const char *pattern, const char *path)
{
    size_t length = strlen(pattern), count = 0;
    struct part *parts = xcalloc(length, sizeof(*parts));
    for (size_t at = 0; at < length; count++) {
        bool at_start = at == 0 || pattern[at - 1] == '/';
        at += parse_part(pattern + at, at_start, &parts[count]);
    }
    bool *rows = xcalloc(4 * (count + 1), sizeof(*rows));
    bool *places = rows, *inside = rows + (count + 1);
    bool *next = rows + 2 * (count + 1), *next_inside = rows + 3 * (count + 1);
    places[0] = true;
    for (const char *c = path;; c++) {
        enter_folders(parts, count, places);
        pass_stars(parts, count, places);
        if (*c == '\0') {
            break;
        }
        step(parts, count, places, inside, (unsigned char)*c, next, next_inside);
        bool *swap = places;
        places = next;
        next = swap;
        swap = inside;
        inside = next_inside;
        next_inside = swap;
    }
    bool matched = places[count];
    free(rows);
    free(parts);
    return matched;
}
