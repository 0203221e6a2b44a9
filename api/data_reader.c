/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * The objects `data` and `image` of a job document: what is to be burned. Sources are only looked
 * at as texts here; whether they are there is found out by the plan. A path on the disc is checked
 * fully: it must not be able to mean anything else than it says.
 */
#include "data_reader.h"
#include "limits.h"

#include "base/alloc.h"

#include <ctype.h>
#include <stdint.h>
#include <string.h>

#define NAME_BYTES_MAX 255
#define ROOT_NAME_MAX 64

#define WORD_TEXT(n, w) w,
#define WORDS(list) \
    { \
        list(WORD_TEXT) NULL \
    }
static const char *const ownership_words[] = WORDS(OWNERSHIPS);
static const char *const symlink_words[] = WORDS(SYMLINK_POLICIES);
static const char *const unreadable_words[] = WORDS(UNREADABLE_POLICIES);
static const char *const checksum_words[] = {"auto",   "none",      "!session",
                                             "!files", "!manifest", NULL};

#define AT(member) MEMBER_AT(struct job_document, member)
#define ASCII(name_, member) \
    { \
        .name = name_, .kind = MEMBER_ASCII, AT(member) \
    }
#define WORD(name_, member, words_) \
    { \
        .name = name_, .kind = MEMBER_WORD, AT(member), .words = words_ \
    }

/* --- sources ------------------------------------------------------------------------------- */

static bool is_root_source(const char *source)
{
    static const char prefix[] = "root:";
    if (strncmp(source, prefix, strlen(prefix)) != 0) {
        return false;
    }
    size_t length = strcspn(source + strlen(prefix), "/:");
    return length >= 1 && length <= ROOT_NAME_MAX && source[strlen(prefix) + length] != ':';
}

/* NULL: noted. */
static const char *source_text(struct field_reader *reader, const struct spot *spot,
                               const json_t *value)
{
    static const char *const unbuilt[] = {"upload:", "image:", "recorder:"};
    const char *source = field_reader_text(reader, spot, value);
    if (source == NULL) {
        return NULL;
    }
    for (size_t i = 0; i < sizeof(unbuilt) / sizeof(unbuilt[0]); i++) {
        if (strncmp(source, unbuilt[i], strlen(unbuilt[i])) == 0) {
            field_reader_unbuilt(reader, spot, "sources that begin with %s are not built yet",
                                 unbuilt[i]);
            return source;
        }
    }
    if (!is_root_source(source)) {
        field_reader_bad(reader, spot, "invalid_value", "must be root:NAME/PATH");
        return NULL;
    }
    if (strlen(source) > LIMIT_PATH_BYTES) {
        field_reader_bad(reader, spot, "too_long", "has %zu bytes, at most %d are allowed",
                         strlen(source), LIMIT_PATH_BYTES);
        return NULL;
    }
    return source;
}

static void read_from(struct field_reader *reader, const struct spot *spot, const json_t *value,
                      void *base)
{
    struct data_entry *entry = base;
    entry->from = xstrdup_or_null(source_text(reader, spot, value));
}

static void read_text(struct field_reader *reader, const struct spot *spot, const json_t *value,
                      void *base)
{
    struct data_entry *entry = base;
    const char *text = field_reader_text(reader, spot, value);
    if (text != NULL && strlen(text) > LIMIT_TEXT_BYTES) {
        field_reader_bad(reader, spot, "too_long", "has %zu bytes, at most %d are allowed",
                         strlen(text), LIMIT_TEXT_BYTES);
    } else {
        entry->text = xstrdup_or_null(text);
    }
}

/* What is wrong with a path on the disc; NULL = nothing. */
static const char *disc_path_fault(const char *path)
{
    if (path[0] != '/') {
        return "must begin with /";
    }
    for (const char *name = path + 1; *name != '\0';) {
        size_t length = strcspn(name, "/");
        if (length == 0) {
            return "must not hold two slashes in a row";
        }
        if (length <= 2 && strspn(name, ".") >= length) {
            return "must not hold . or .. as a name";
        }
        if (length > NAME_BYTES_MAX) {
            return "holds a name of more than 255 bytes";
        }
        name += length + (name[length] == '/');
    }
    return NULL;
}

static void read_to(struct field_reader *reader, const struct spot *spot, const json_t *value,
                    void *base)
{
    struct data_entry *entry = base;
    const char *path = field_reader_text(reader, spot, value);
    if (path == NULL) {
        return;
    }
    const char *fault = disc_path_fault(path);
    if (strlen(path) > LIMIT_PATH_BYTES) {
        field_reader_bad(reader, spot, "too_long", "has %zu bytes, at most %d are allowed",
                         strlen(path), LIMIT_PATH_BYTES);
    } else if (fault != NULL) {
        field_reader_bad(reader, spot, "invalid_value", "%s", fault);
    } else {
        entry->to = xstrdup(path);
    }
}

static void read_entry(struct field_reader *reader, const struct spot *spot, const json_t *value,
                       struct data_entry *entry)
{
    static const struct member members[] = {
        MEMBER_READ("from", read_from),
        MEMBER_READ("text", read_text),
        {.name = "to", .kind = MEMBER_CUSTOM, .read = read_to, .required = true},
        MEMBERS_END,
    };
    field_reader_object(reader, spot, value, members, entry);
    if (!json_is_object(value)) {
        return;
    }
    bool from = field_reader_is_given(value, "from"), text = field_reader_is_given(value, "text");
    if (from && text) {
        field_reader_bad(reader, spot, "conflict", "`from` and `text` cannot both be given");
    } else if (!from && !text) {
        field_reader_bad(reader, spot, "required", "one of `from` and `text` must be given");
    }
    if (text && entry->to != NULL && entry->to[strlen(entry->to) - 1] == '/') {
        struct spot here = {spot, "to", 0};
        field_reader_bad(reader, &here, "invalid_value",
                         "a text needs the path of a file, without / at its end");
    }
}

static void read_entries(struct field_reader *reader, const struct spot *spot, const json_t *value,
                         void *base)
{
    struct data_spec *data = &((struct job_document *)base)->data;
    if (!field_reader_array(reader, spot, value, 1, LIMIT_ENTRIES)) {
        return;
    }
    data->entry_count = json_array_size(value);
    data->entries = xcalloc(data->entry_count, sizeof(*data->entries));
    for (size_t i = 0; i < data->entry_count; i++) {
        struct spot here = {spot, NULL, i};
        read_entry(reader, &here, json_array_get(value, i), &data->entries[i]);
    }
}

static void read_exclude(struct field_reader *reader, const struct spot *spot, const json_t *value,
                         void *base)
{
    struct data_spec *data = &((struct job_document *)base)->data;
    if (!field_reader_array(reader, spot, value, 0, LIMIT_EXCLUDES)) {
        return;
    }
    data->exclude = xcalloc(json_array_size(value), sizeof(*data->exclude));
    for (size_t i = 0; i < json_array_size(value); i++) {
        struct spot here = {spot, NULL, i};
        const char *glob = field_reader_text(reader, &here, json_array_get(value, i));
        if (glob == NULL) {
            continue;
        }
        if (glob[0] == '\0' || glob[0] == '/') {
            field_reader_bad(reader, &here, "invalid_value",
                             glob[0] == '/' ? "must not begin with /" : "must not be empty");
        } else if (strlen(glob) > LIMIT_PATH_BYTES) {
            field_reader_bad(reader, &here, "too_long", "at most %d bytes are allowed",
                             LIMIT_PATH_BYTES);
        } else {
            data->exclude[data->exclude_count++] = xstrdup(glob);
        }
    }
}

/* --- data and image ------------------------------------------------------------------------ */

static void read_volume_id(struct field_reader *reader, const struct spot *spot,
                           const json_t *value, void *base)
{
    struct data_spec *data = &((struct job_document *)base)->data;
    char name[sizeof(data->volume_id)];
    if (!field_reader_chars(reader, spot, value, name, sizeof(name), true)) {
        return;
    }
    for (const char *at = name; *at != '\0'; at++) {
        if (!isalnum((unsigned char)*at) && strchr("_ -.", *at) == NULL) {
            field_reader_bad(reader, spot, "invalid_value",
                             "may hold letters, digits, _, -, . and spaces only");
            return;
        }
    }
    memcpy(data->volume_id, name, sizeof(name));
}

static void read_boot(struct field_reader *reader, const struct spot *spot, const json_t *value,
                      void *base)
{
    (void)base;
    if (field_reader_array(reader, spot, value, 0, SIZE_MAX) && json_array_size(value) > 0) {
        field_reader_unbuilt(reader, spot, "boot images are not built yet");
    }
}

static const struct member filesystem_members[] = {
    {.name = "iso_level", .kind = MEMBER_INT, AT(data.iso_level), .least = 1, .most = 3},
    {.name = "rock_ridge", .kind = MEMBER_BOOL, AT(data.rock_ridge)},
    {.name = "joliet", .kind = MEMBER_BOOL, AT(data.joliet)},
    {.name = "hfsplus", .kind = MEMBER_FALSE},
    {.name = "udf", .kind = MEMBER_FALSE},
    MEMBERS_END,
};

const struct member data_reader_members[] = {
    WORD("ownership", data.ownership, ownership_words),
    {.name = "entries", .kind = MEMBER_CUSTOM, .read = read_entries, .required = true},
    MEMBER_READ("exclude", read_exclude),
    WORD("symlinks", data.symlinks, symlink_words),
    WORD("on_unreadable", data.on_unreadable, unreadable_words),
    MEMBER_READ("volume_id", read_volume_id),
    ASCII("publisher", data.publisher),
    ASCII("preparer", data.preparer),
    ASCII("application", data.application),
    MEMBER_IN("filesystem", filesystem_members),
    MEMBER_READ("boot", read_boot),
    {.name = "checksums", .kind = MEMBER_WORD_TEXT, AT(checksums), .words = checksum_words},
    {.name = "reproducible", .kind = MEMBER_FALSE},
    MEMBERS_END,
};

static void read_image_from(struct field_reader *reader, const struct spot *spot,
                            const json_t *value, void *base)
{
    struct job_document *out = base;
    out->image.from = xstrdup_or_null(source_text(reader, spot, value));
}

static void read_sha256(struct field_reader *reader, const struct spot *spot, const json_t *value,
                        void *base)
{
    struct job_document *out = base;
    const char *text = field_reader_text(reader, spot, value);
    if (text == NULL) {
        return;
    }
    if (strlen(text) != 64 || strspn(text, "0123456789abcdefABCDEF") != 64) {
        field_reader_bad(reader, spot, "invalid_value", "must be 64 hexadecimal digits");
        return;
    }
    for (int i = 0; i <= 64; i++) {
        out->image.sha256[i] = (char)tolower((unsigned char)text[i]);
    }
}

const struct member image_reader_members[] = {
    {.name = "from", .kind = MEMBER_CUSTOM, .read = read_image_from, .required = true},
    MEMBER_READ("sha256", read_sha256),
    MEMBERS_END,
};
