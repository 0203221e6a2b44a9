/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * What clients may send: JSON text, job documents, actions. Each rule of api.md §4 for the fields
 * of a document has a row: a body and the pointer and code of the field it fails at.
 */
#include "api/body_reader.h"
#include "base/alloc.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

/* The least that is a job, with a further member in front. */
#define ENTRIES "\"entries\":[{\"from\":\"root:a\",\"to\":\"/\"}]"
#define DATA "\"data\":{" ENTRIES "}"
#define JOB(rest) "{\"type\":\"data\"," DATA "," rest "}"
#define IN_DATA(rest) "{\"type\":\"data\",\"data\":{" ENTRIES "," rest "}}"
#define ENTRY(entry) "{\"type\":\"data\",\"data\":{\"entries\":[" entry "]}}"

static struct error err;
static struct field_errors fields;
static struct job_document document;

static int read_text(const char *text)
{
    struct json_place place;
    json_t *body = NULL;
    assert_int_equal(body_reader_text(text, strlen(text), &body, &place, &err), 0);
    int result = body_reader_job(body, &document, &fields, &err);
    json_decref(body);
    return result;
}

static void read_good(const char *text)
{
    if (read_text(text) != 0) {
        fail_msg("%s: %s", text, err.message);
    }
}

static const struct field_error *find_field(const char *pointer)
{
    for (size_t i = 0; i < fields.count && i < FIELD_ERRORS_MAX; i++) {
        if (strcmp(fields.items[i].pointer, pointer) == 0) {
            return &fields.items[i];
        }
    }
    return NULL;
}

static void expect_bad(const char *text, const char *pointer, const char *code)
{
    if (read_text(text) == 0) {
        job_document_release(&document);
        fail_msg("%s: was accepted", text);
    }
    const struct field_error *field = find_field(pointer);
    if (field == NULL || strcmp(field->code, code) != 0) {
        fail_msg("%s: wanted %s at %s, got %s at %s (%zu in all)", text, code, pointer,
                 fields.items[0].code, fields.items[0].pointer, fields.count);
    }
    assert_true(field->detail[0] != '\0');
}

/* --- text ---------------------------------------------------------------------------------- */

static void text_that_is_no_json_is_refused_with_its_place(void **state)
{
    (void)state;
    static const char *const bad[] = {
        "",
        "{",
        "{\"a\":1,\"a\":2}",
        "{\"a\":\"\\u0000\"}",
        "{} {}",
        "{\"a\":01}",
        "{'a':1}",
        "[1,]",
        "nul",
        "{\"a\":\"\xFF\"}",
        "\"\\ud800\"",
        "\xEF\xBB\xBF{}",
        "{\"a\":1} x",
    };
    for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
        struct json_place place;
        json_t *body = NULL;
        assert_int_equal(body_reader_text(bad[i], strlen(bad[i]), &body, &place, &err), -1);
        assert_null(body);
        assert_int_equal(err.code, ERROR_INVALID_JSON);
        assert_true(place.line >= 1);
    }
}

static void place_of_bad_json_is_told(void **state)
{
    (void)state;
    struct json_place place;
    json_t *body = NULL;
    assert_int_equal(body_reader_text("{\n  \"a\": x\n}", 12, &body, &place, &err), -1);
    assert_int_equal(place.line, 2);
    assert_non_null(strstr(err.message, "line 2"));
}

static void nul_byte_in_the_body_is_refused(void **state)
{
    (void)state;
    struct json_place place;
    json_t *body = NULL;
    assert_int_equal(body_reader_text("{\"a\":\"b\0c\"}", 11, &body, &place, &err), -1);
}

static void nesting_is_bounded(void **state)
{
    (void)state;
    struct json_place place;
    json_t *body = NULL;
    char text[200];
    memset(text, '[', 65);
    memset(text + 65, ']', 65);
    assert_int_equal(body_reader_text(text, 130, &body, &place, &err), -1);
    assert_int_equal(place.position, 64);
    assert_int_equal(body_reader_text(text + 1, 128, &body, &place, &err), 0);
    json_decref(body);
    /* brackets in a text do not count */
    assert_int_equal(body_reader_text("\"[[[[\\\"[[[\"", 11, &body, &place, &err), 0);
    json_decref(body);
}

/* --- defaults ------------------------------------------------------------------------------ */

static void least_document_gets_every_default(void **state)
{
    (void)state;
    read_good("{\"type\":\"data\"," DATA "}");
    assert_int_equal(document.type, JOB_TYPE_DATA);
    assert_string_equal(document.title, "");
    assert_int_equal(document.priority, 50);
    assert_int_equal(document.copies, 1);
    assert_string_equal(document.recorder, "any");
    assert_int_equal(document.recorder_count, 0);
    assert_int_equal(document.require, REQUIRE_BLANK);
    assert_int_equal(document.on_wrong_medium, WRONG_MEDIUM_DEFAULT);
    assert_int_equal(document.wait_timeout_s, 7200);
    assert_int_equal(document.data.entry_count, 1);
    assert_int_equal(document.data.iso_level, 3);
    assert_true(document.data.rock_ridge && document.data.joliet);
    assert_int_equal(document.data.symlinks, SYMLINKS_KEEP);
    assert_int_equal(document.speed.kind, SPEED_MAX);
    assert_string_equal(document.mode, "auto");
    assert_string_equal(document.blank_first, "never");
    assert_true(document.close && document.underrun_protection);
    assert_false(document.simulate || document.force_overwrite || document.stream_recording);
    assert_int_equal(document.verify, VERIFY_FULL);
    assert_int_equal(document.attempts_per_copy, 1);
    assert_int_equal(document.max_ruined_discs, 2);
    assert_int_equal(document.then, THEN_HOLD);
    assert_int_equal(document.eject, EJECT_WISH_AUTO);
    job_document_release(&document);
}

static void null_is_absent(void **state)
{
    (void)state;
    read_good(
        "{\"type\":\"data\",\"title\":null,\"tags\":null,\"priority\":null,\"target\":null,"
        "\"burn\":null,"
        "\"verify\":null,\"on_failure\":{\"attempts_per_copy\":null,\"then\":null},\"after\":"
        "{\"eject\":null},\"schedule\":{\"not_before\":null},\"template\":null,\"image\":null,"
        "\"audio\":null,\"data\":{" ENTRIES
        ",\"exclude\":null,\"boot\":null,\"filesystem\":null}}");
    assert_int_equal(document.priority, 50);
    job_document_release(&document);
}

static void no_limit_of_ruined_discs_is_null(void **state)
{
    (void)state;
    read_good(JOB("\"on_failure\":{\"max_ruined_discs\":null}"));
    assert_int_equal(document.max_ruined_discs, -1);
    job_document_release(&document);
}

static void every_field_is_read(void **state)
{
    (void)state;
    read_good(
        "{\"type\":\"data\",\"title\":\"Holiday\",\"client_ref\":\"x1\",\"tags\":{\"k\":\"v\","
        "\"e\":\"\"},"
        "\"priority\":100,\"copies\":10000,\"target\":{\"recorders\":[\"a\",\"b\"],\"pool\":\"p\","
        "\"tags\":{},"
        "\"medium\":{\"profiles\":[\"dvd-r\",\"stdio\"],\"require\":\"any\"},\"on_wrong_medium\":"
        "\"fail\","
        "\"wait_timeout_s\":5},\"data\":{\"ownership\":\"keep\",\"entries\":[{\"from\":\"root:p/q "
        "r\",\"to\":"
        "\"/d/\"},{\"text\":\"\",\"to\":\"/e\"}],\"exclude\":[\"**/.x\"],\"symlinks\":\"follow\","
        "\"on_unreadable\":\"skip\",\"volume_id\":\"My "
        "disc-1.0\",\"publisher\":\"P\",\"preparer\":\"Q\","
        "\"application\":\"R\",\"filesystem\":{\"iso_level\":1,\"rock_ridge\":false,\"joliet\":"
        "false,"
        "\"hfsplus\":false,\"udf\":false},\"boot\":[],\"checksums\":\"none\",\"reproducible\":"
        "false},"
        "\"burn\":{\"speed\":{\"x\":8.5},\"mode\":\"tao\",\"close\":false,\"simulate\":true,"
        "\"underrun_protection\":false,\"force_overwrite\":true,\"blank_first\":\"never\","
        "\"stream_recording\":true},\"verify\":{\"level\":\"quick\",\"where\":\"any\",\"reload\":"
        "false},"
        "\"on_failure\":{\"attempts_per_copy\":100,\"reduce_speed\":false,\"max_ruined_discs\":3,"
        "\"then\":\"continue\"},\"after\":{\"eject\":false}}");
    assert_string_equal(document.title, "Holiday");
    assert_int_equal(document.tag_count, 2);
    assert_int_equal(document.copies, 10000);
    assert_int_equal(document.recorder_count, 2);
    assert_string_equal(document.recorders[1], "b");
    assert_string_equal(document.profiles[1], "stdio");
    assert_int_equal(document.require, REQUIRE_ANY);
    assert_int_equal(document.on_wrong_medium, WRONG_MEDIUM_FAIL);
    assert_string_equal(document.data.entries[1].text, "");
    assert_null(document.data.entries[1].from);
    assert_string_equal(document.data.volume_id, "My disc-1.0");
    assert_int_equal(document.data.iso_level, 1);
    assert_string_equal(document.checksums, "none");
    assert_int_equal(document.speed.kind, SPEED_X);
    assert_true(document.speed.value == 8.5);
    assert_string_equal(document.mode, "tao");
    assert_int_equal(document.verify, VERIFY_QUICK);
    assert_string_equal(document.verify_where, "any");
    assert_false(document.verify_reload);
    assert_int_equal(document.then, THEN_CONTINUE);
    assert_int_equal(document.eject, EJECT_WISH_NO);
    job_document_release(&document);
}

static void image_job_is_read(void **state)
{
    (void)state;
    read_good(
        "{\"type\":\"image\",\"image\":{\"from\":\"root:a/b.iso\",\"sha256\":\"" /* 64 digits */
        "ABCDEFabcdef0123456789ABCDEFabcdef0123456789ABCDEFabcdef01234567\"}}");
    assert_int_equal(document.type, JOB_TYPE_IMAGE);
    assert_string_equal(document.image.from, "root:a/b.iso");
    assert_string_equal(document.image.sha256,
                        "abcdefabcdef0123456789abcdefabcdef0123456789abcdefabcdef01234567");
    job_document_release(&document);
}

/* --- bad fields ---------------------------------------------------------------------------- */

struct row {
    const char *text, *pointer, *code;
};

static void expect_all_bad(const struct row *rows, size_t count)
{
    for (size_t i = 0; i < count; i++) {
        expect_bad(rows[i].text, rows[i].pointer, rows[i].code);
        assert_int_equal(err.code, ERROR_INVALID_REQUEST);
    }
}
#define EXPECT_ALL_BAD(rows) expect_all_bad(rows, sizeof(rows) / sizeof(rows[0]))

static void bad_common_fields_are_named(void **state)
{
    (void)state;
    static const struct row rows[] = {
        {"[]", "", "wrong_type"},
        {"{}", "/type", "required"},
        {"{\"type\":\"dvd\"," DATA "}", "/type", "invalid_value"},
        {"{\"type\":1," DATA "}", "/type", "wrong_type"},
        {"{\"type\":\"data\"}", "/data", "required"},
        {"{\"type\":\"image\"}", "/image", "required"},
        {JOB("\"image\":{\"from\":\"root:a\"}"), "/image", "conflict"},
        {JOB("\"audio\":{}"), "/audio", "conflict"},
        {JOB("\"titel\":\"x\""), "/titel", "unknown_field"},
        {JOB("\"a/b~c\":1"), "/a~1b~0c", "unknown_field"},
        {JOB("\"title\":\"\""), "/title", "invalid_value"},
        {JOB("\"title\":\"a\\nb\""), "/title", "invalid_value"},
        {JOB("\"title\":7"), "/title", "wrong_type"},
        {JOB("\"priority\":101"), "/priority", "out_of_range"},
        {JOB("\"priority\":-1"), "/priority", "out_of_range"},
        {JOB("\"priority\":1.5"), "/priority", "wrong_type"},
        {JOB("\"copies\":0"), "/copies", "out_of_range"},
        {JOB("\"copies\":10001"), "/copies", "out_of_range"},
        {JOB("\"copies\":\"2\""), "/copies", "wrong_type"},
        {JOB("\"tags\":{\"a\":1}"), "/tags/a", "wrong_type"},
        {JOB("\"tags\":{\"a=b\":\"x\"}"), "/tags/a=b", "invalid_value"},
        {JOB("\"tags\":{\"a\":\"x\\ny\"}"), "/tags/a", "invalid_value"},
        {JOB("\"tags\":{\"\":\"x\"}"), "/tags/", "invalid_value"},
        {JOB("\"tags\":[]"), "/tags", "wrong_type"},
        {JOB("\"schedule\":{\"then\":1}"), "/schedule/then", "unknown_field"},
    };
    EXPECT_ALL_BAD(rows);
}

static void bad_targets_are_named(void **state)
{
    (void)state;
    static const struct row rows[] = {
        {JOB("\"target\":[]"), "/target", "wrong_type"},
        {JOB("\"target\":{\"recorder\":\"\"}"), "/target/recorder", "invalid_value"},
        {JOB("\"target\":{\"recorders\":[]}"), "/target/recorders", "out_of_range"},
        {JOB("\"target\":{\"recorders\":\"a\"}"), "/target/recorders", "wrong_type"},
        {JOB("\"target\":{\"recorders\":[\"a\",\"a\"]}"), "/target/recorders/1", "conflict"},
        {JOB("\"target\":{\"recorders\":[\"a\",2]}"), "/target/recorders/1", "wrong_type"},
        {JOB("\"target\":{\"medium\":{\"profiles\":[\"floppy\"]}}"), "/target/medium/profiles/0",
         "invalid_value"},
        {JOB("\"target\":{\"medium\":{\"require\":\"empty\"}}"), "/target/medium/require",
         "invalid_value"},
        {JOB("\"target\":{\"on_wrong_medium\":\"default\"}"), "/target/on_wrong_medium",
         "invalid_value"},
        {JOB("\"target\":{\"wait_timeout_s\":-1}"), "/target/wait_timeout_s", "out_of_range"},
        {JOB("\"target\":{\"drive\":1}"), "/target/drive", "unknown_field"},
    };
    EXPECT_ALL_BAD(rows);
}

static void bad_data_is_named(void **state)
{
    (void)state;
    static const struct row rows[] = {
        {"{\"type\":\"data\",\"data\":{}}", "/data/entries", "required"},
        {"{\"type\":\"data\",\"data\":[]}", "/data", "wrong_type"},
        {ENTRY(""), "/data/entries", "out_of_range"},
        {ENTRY("{\"from\":\"root:a\"}"), "/data/entries/0/to", "required"},
        {ENTRY("{\"to\":\"/a\"}"), "/data/entries/0", "required"},
        {ENTRY("{\"from\":\"root:a\",\"text\":\"b\",\"to\":\"/a\"}"), "/data/entries/0",
         "conflict"},
        {ENTRY("{\"text\":\"b\",\"to\":\"/a/\"}"), "/data/entries/0/to", "invalid_value"},
        {ENTRY("{\"text\":1,\"to\":\"/a\"}"), "/data/entries/0/text", "wrong_type"},
        {ENTRY("{\"from\":\"root:a\",\"to\":\"a\"}"), "/data/entries/0/to", "invalid_value"},
        {ENTRY("{\"from\":\"root:a\",\"to\":\"\"}"), "/data/entries/0/to", "invalid_value"},
        {ENTRY("{\"from\":\"root:a\",\"to\":\"/a/../b\"}"), "/data/entries/0/to", "invalid_value"},
        {ENTRY("{\"from\":\"root:a\",\"to\":\"/.\"}"), "/data/entries/0/to", "invalid_value"},
        {ENTRY("{\"from\":\"root:a\",\"to\":\"//a\"}"), "/data/entries/0/to", "invalid_value"},
        {ENTRY("{\"from\":\"/etc\",\"to\":\"/\"}"), "/data/entries/0/from", "invalid_value"},
        {ENTRY("{\"from\":\"root:\",\"to\":\"/\"}"), "/data/entries/0/from", "invalid_value"},
        {ENTRY("{\"from\":\"root:/a\",\"to\":\"/\"}"), "/data/entries/0/from", "invalid_value"},
        {ENTRY("{\"from\":\"root:a:b\",\"to\":\"/\"}"), "/data/entries/0/from", "invalid_value"},
        {ENTRY("{\"from\":\"root:a\",\"to\":\"/\",\"mode\":7}"), "/data/entries/0/mode",
         "unknown_field"},
        {ENTRY("3"), "/data/entries/0", "wrong_type"},
        {IN_DATA("\"exclude\":[\"/a\"]"), "/data/exclude/0", "invalid_value"},
        {IN_DATA("\"exclude\":[\"\"]"), "/data/exclude/0", "invalid_value"},
        {IN_DATA("\"exclude\":[1]"), "/data/exclude/0", "wrong_type"},
        {IN_DATA("\"symlinks\":\"copy\""), "/data/symlinks", "invalid_value"},
        {IN_DATA("\"ownership\":true"), "/data/ownership", "wrong_type"},
        {IN_DATA("\"on_unreadable\":\"stop\""), "/data/on_unreadable", "invalid_value"},
        {IN_DATA("\"volume_id\":\"\\u00e4\""), "/data/volume_id", "invalid_value"},
        {IN_DATA("\"volume_id\":\"a/b\""), "/data/volume_id", "invalid_value"},
        {IN_DATA("\"volume_id\":\"123456789012345678901234567890123\""), "/data/volume_id",
         "too_long"},
        {IN_DATA("\"publisher\":\"\\u00e4\""), "/data/publisher", "invalid_value"},
        {IN_DATA("\"filesystem\":{\"iso_level\":4}"), "/data/filesystem/iso_level", "out_of_range"},
        {IN_DATA("\"filesystem\":{\"joliet\":1}"), "/data/filesystem/joliet", "wrong_type"},
        {IN_DATA("\"filesystem\":{\"hfsplus\":1}"), "/data/filesystem/hfsplus", "wrong_type"},
        {IN_DATA("\"boot\":{}"), "/data/boot", "wrong_type"},
        {IN_DATA("\"checksums\":\"md5\""), "/data/checksums", "invalid_value"},
        {"{\"type\":\"image\",\"image\":{}}", "/image/from", "required"},
        {"{\"type\":\"image\",\"image\":{\"from\":\"root:a\",\"sha256\":\"12\"}}", "/image/sha256",
         "invalid_value"},
    };
    EXPECT_ALL_BAD(rows);
}

static void bad_wishes_are_named(void **state)
{
    (void)state;
    static const struct row rows[] = {
        {JOB("\"burn\":{\"speed\":\"fast\"}"), "/burn/speed", "invalid_value"},
        {JOB("\"burn\":{\"speed\":8}"), "/burn/speed", "wrong_type"},
        {JOB("\"burn\":{\"speed\":{}}"), "/burn/speed", "required"},
        {JOB("\"burn\":{\"speed\":{\"x\":1,\"kb_s\":1}}"), "/burn/speed", "conflict"},
        {JOB("\"burn\":{\"speed\":{\"x\":0}}"), "/burn/speed/x", "out_of_range"},
        {JOB("\"burn\":{\"speed\":{\"kb_s\":1.5}}"), "/burn/speed/kb_s", "wrong_type"},
        {JOB("\"burn\":{\"mode\":\"raw\"}"), "/burn/mode", "invalid_value"},
        {JOB("\"burn\":{\"close\":\"yes\"}"), "/burn/close", "wrong_type"},
        {JOB("\"burn\":{\"blank_first\":\"maybe\"}"), "/burn/blank_first", "invalid_value"},
        {JOB("\"verify\":\"some\""), "/verify", "invalid_value"},
        {JOB("\"verify\":true"), "/verify", "wrong_type"},
        {JOB("\"verify\":{\"level\":\"some\"}"), "/verify/level", "invalid_value"},
        {JOB("\"verify\":{\"where\":\"any\"}"), "/verify/level", "required"},
        {JOB("\"verify\":{\"level\":\"full\",\"depth\":1}"), "/verify/depth", "unknown_field"},
        {JOB("\"on_failure\":{\"attempts_per_copy\":0}"), "/on_failure/attempts_per_copy",
         "out_of_range"},
        {JOB("\"on_failure\":{\"attempts_per_copy\":101}"), "/on_failure/attempts_per_copy",
         "out_of_range"},
        {JOB("\"on_failure\":{\"max_ruined_discs\":0}"), "/on_failure/max_ruined_discs",
         "out_of_range"},
        {JOB("\"on_failure\":{\"then\":\"stop\"}"), "/on_failure/then", "invalid_value"},
        {JOB("\"after\":{\"eject\":\"yes\"}"), "/after/eject", "invalid_value"},
        {JOB("\"after\":{\"eject\":1}"), "/after/eject", "wrong_type"},
    };
    EXPECT_ALL_BAD(rows);
}

static void naming_one_and_several_recorders_is_a_conflict_of_its_own(void **state)
{
    (void)state;
    expect_bad(JOB("\"target\":{\"recorder\":\"a\",\"recorders\":[\"b\"]}"), "/target/recorders",
               "target_conflict");
    assert_int_equal(err.code, ERROR_TARGET_CONFLICT);
    /* beside another fault it is one of several */
    expect_bad(JOB("\"priority\":200,\"target\":{\"recorder\":\"a\",\"recorders\":[\"b\"]}"),
               "/target/recorders", "target_conflict");
    assert_int_equal(err.code, ERROR_INVALID_REQUEST);
}

static void all_bad_fields_are_told_at_once(void **state)
{
    (void)state;
    expect_bad("{\"type\":\"data\",\"titel\":1,\"priority\":200,\"data\":{\"entries\":[{},{\"to\":"
               "\"x\"}]}}",
               "/titel", "unknown_field");
    assert_int_equal(fields.count, 6);
    assert_non_null(find_field("/priority"));
    assert_non_null(find_field("/data/entries/0/to"));
    assert_non_null(find_field("/data/entries/0"));
    assert_non_null(find_field("/data/entries/1/to"));
    assert_non_null(find_field("/data/entries/1"));
    assert_non_null(strstr(err.message, "and 5 more"));
}

/* --- bounds -------------------------------------------------------------------------------- */

static char *repeated(const char *head, const char *part, size_t count, const char *tail)
{
    size_t length = strlen(part);
    char *text = xcalloc(strlen(head) + count * (length + 1) + strlen(tail) + 1, 1);
    strcpy(text, head);
    char *at = text + strlen(head);
    for (size_t i = 0; i < count; i++) {
        at += sprintf(at, "%s%s", i > 0 && part[0] != 'x' ? "," : "", part);
    }
    strcpy(at, tail);
    return text;
}

static void expect_bad_and_free(char *text, const char *pointer, const char *code)
{
    expect_bad(text, pointer, code);
    free(text);
}

static void sizes_are_bounded(void **state)
{
    (void)state;
    static const char entry[] = "{\"text\":\"\",\"to\":\"/a\"}";
    expect_bad_and_free(repeated("{\"type\":\"data\",\"data\":{\"entries\":[", entry, 10001, "]}}"),
                        "/data/entries", "too_many");
    expect_bad_and_free(
        repeated("{\"type\":\"data\",\"data\":{" ENTRIES ",\"exclude\":[", "\"a\"", 1001, "]}}"),
        "/data/exclude", "too_many");
    expect_bad_and_free(repeated("{\"type\":\"data\"," DATA ",\"title\":\"", "x", 257, "\"}"),
                        "/title", "too_long");
    expect_bad_and_free(
        repeated("{\"type\":\"data\",\"data\":{\"entries\":[{\"to\":\"/a\",\"text\":\"", "x",
                 1024 * 1024 + 1, "\"}]}}"),
        "/data/entries/0/text", "too_long");
    expect_bad_and_free(
        repeated("{\"type\":\"data\",\"data\":{\"entries\":[{\"text\":\"\",\"to\":\"/", "x", 256,
                 "\"}]}}"),
        "/data/entries/0/to", "invalid_value");
    char *text = repeated("{\"type\":\"data\",\"data\":{\"entries\":[", entry, 10000, "]}}");
    read_good(text);
    assert_int_equal(document.data.entry_count, 10000);
    job_document_release(&document);
    free(text);
}

static void more_bad_fields_than_are_kept_are_counted(void **state)
{
    (void)state;
    char *text = repeated("{\"type\":\"data\",\"data\":{\"entries\":[", "1", 100, "]}}");
    assert_int_equal(read_text(text), -1);
    assert_int_equal(fields.count, 100);
    free(text);
}

static void long_names_do_not_break_a_pointer(void **state)
{
    (void)state;
    char *text = repeated("{\"type\":\"data\"," DATA ",\"", "x", 1000, "\":1}");
    assert_int_equal(read_text(text), -1);
    assert_true(strlen(fields.items[0].pointer) < sizeof(fields.items[0].pointer));
    assert_string_equal(fields.items[0].code, "unknown_field");
    free(text);
    expect_bad(JOB("\"\\u00e4/\\u00f6\":1"), "/\xC3\xA4~1\xC3\xB6", "unknown_field");
}

/* --- what is not built --------------------------------------------------------------------- */

static void what_is_not_built_is_said(void **state)
{
    (void)state;
    static const struct {
        const char *text, *pointer;
    } rows[] = {
        {"{\"type\":\"audio\",\"audio\":{\"tracks\":[]}}", "/type"},
        {"{\"type\":\"mixed\",\"audio\":{},\"data\":{" ENTRIES "},\"mixed\":{}}", "/type"},
        {"{\"type\":\"copy\",\"copy\":{}}", "/type"},
        {"{\"type\":\"read\",\"read\":{}}", "/type"},
        {"{\"type\":\"blank\"}", "/type"},
        {"{\"type\":\"format\"}", "/type"},
        {"{\"type\":\"check\"}", "/type"},
        {"{\"type\":\"sync\",\"sync\":{}}", "/type"},
        {"{\"type\":\"restore\"}", "/type"},
        {JOB("\"copies\":null"), "/copies"},
        {JOB("\"template\":\"tpl_1\""), "/template"},
        {JOB("\"schedule\":{\"not_before\":\"2026-01-01T00:00:00Z\"}"), "/schedule/not_before"},
        {JOB("\"target\":{\"tags\":{\"a\":\"b\"}}"), "/target/tags"},
        {JOB("\"target\":{\"medium\":{\"fingerprint\":\"00\"}}"), "/target/medium/fingerprint"},
        {JOB("\"burn\":{\"blank_first\":\"always\"}"), "/burn/blank_first"},
        {JOB("\"burn\":{\"blank_first\":\"if_needed\"}"), "/burn/blank_first"},
        {JOB("\"verify\":{\"level\":\"full\",\"where\":\"other_recorder\"}"), "/verify/where"},
        {JOB("\"on_failure\":{\"reduce_speed\":true}"), "/on_failure/reduce_speed"},
        {IN_DATA("\"boot\":[{\"image\":\"root:a\"}]"), "/data/boot"},
        {IN_DATA("\"checksums\":\"files\""), "/data/checksums"},
        {IN_DATA("\"reproducible\":true"), "/data/reproducible"},
        {IN_DATA("\"filesystem\":{\"hfsplus\":true}"), "/data/filesystem/hfsplus"},
        {IN_DATA("\"filesystem\":{\"udf\":true}"), "/data/filesystem/udf"},
        {ENTRY("{\"from\":\"upload:upl_1\",\"to\":\"/a\"}"), "/data/entries/0/from"},
        {ENTRY("{\"from\":\"image:img_1\",\"to\":\"/a\"}"), "/data/entries/0/from"},
        {ENTRY("{\"from\":\"recorder:r\",\"to\":\"/a\"}"), "/data/entries/0/from"},
        {"{\"type\":\"image\",\"image\":{\"from\":\"upload:upl_1\"}}", "/image/from"},
    };
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        expect_bad(rows[i].text, rows[i].pointer, "feature_unavailable");
        assert_int_equal(err.code, ERROR_FEATURE_UNAVAILABLE);
        assert_string_equal(err.pointer, rows[i].pointer);
    }
}

static void a_fault_counts_more_than_what_is_not_built(void **state)
{
    (void)state;
    expect_bad(JOB("\"copies\":null,\"priority\":200"), "/priority", "out_of_range");
    assert_int_equal(err.code, ERROR_INVALID_REQUEST);
    assert_int_equal(fields.count, 1);
}

/* --- actions ------------------------------------------------------------------------------- */

static json_t *parsed(const char *text)
{
    struct json_place place;
    json_t *body = NULL;
    assert_int_equal(body_reader_text(text, strlen(text), &body, &place, &err), 0);
    return body;
}

static void action_is_one_of_its_words(void **state)
{
    (void)state;
    static const char *const words[] = {"redo", "eject", NULL};
    static const char *const bad[] = {
        "{}", "{\"action\":\"x\"}", "{\"action\":1}", "{\"action\":\"redo\",\"x\":1}",
        "[]", "{\"action\":null}"};
    char action[16];
    json_t *body = parsed("{\"action\":\"eject\"}");
    assert_int_equal(
        body_reader_action(body, "action", words, action, sizeof(action), &fields, &err), 0);
    assert_string_equal(action, "eject");
    json_decref(body);
    for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
        body = parsed(bad[i]);
        assert_int_equal(
            body_reader_action(body, "action", words, action, sizeof(action), &fields, &err), -1);
        assert_int_equal(fields.count, 1);
        json_decref(body);
    }
}

static void confirm_names_a_copy_where_it_must(void **state)
{
    (void)state;
    char verdict[16];
    int copy = 0;
    json_t *both = parsed("{\"copy\":3,\"verdict\":\"give_up\"}"),
           *alone = parsed("{\"verdict\":\"good\"}");
    assert_int_equal(
        body_reader_confirm(both, true, &copy, verdict, sizeof(verdict), &fields, &err), 0);
    assert_int_equal(copy, 3);
    assert_string_equal(verdict, "give_up");
    assert_int_equal(
        body_reader_confirm(alone, true, &copy, verdict, sizeof(verdict), &fields, &err), -1);
    assert_string_equal(fields.items[0].pointer, "/copy");
    assert_int_equal(
        body_reader_confirm(alone, false, &copy, verdict, sizeof(verdict), &fields, &err), 0);
    assert_string_equal(verdict, "good");
    assert_int_equal(
        body_reader_confirm(both, false, &copy, verdict, sizeof(verdict), &fields, &err), -1);
    assert_string_equal(fields.items[0].code, "unknown_field");
    json_decref(both);
    json_decref(alone);
}

static void action_without_object_takes_nothing(void **state)
{
    (void)state;
    json_t *empty = parsed("{}"), *full = parsed("{\"now\":true}");
    assert_int_equal(body_reader_empty(empty, &fields, &err), 0);
    assert_int_equal(body_reader_empty(full, &fields, &err), -1);
    json_decref(empty);
    json_decref(full);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(text_that_is_no_json_is_refused_with_its_place),
        cmocka_unit_test(place_of_bad_json_is_told),
        cmocka_unit_test(nul_byte_in_the_body_is_refused),
        cmocka_unit_test(nesting_is_bounded),
        cmocka_unit_test(least_document_gets_every_default),
        cmocka_unit_test(null_is_absent),
        cmocka_unit_test(no_limit_of_ruined_discs_is_null),
        cmocka_unit_test(every_field_is_read),
        cmocka_unit_test(image_job_is_read),
        cmocka_unit_test(bad_common_fields_are_named),
        cmocka_unit_test(bad_targets_are_named),
        cmocka_unit_test(bad_data_is_named),
        cmocka_unit_test(bad_wishes_are_named),
        cmocka_unit_test(naming_one_and_several_recorders_is_a_conflict_of_its_own),
        cmocka_unit_test(all_bad_fields_are_told_at_once),
        cmocka_unit_test(sizes_are_bounded),
        cmocka_unit_test(more_bad_fields_than_are_kept_are_counted),
        cmocka_unit_test(long_names_do_not_break_a_pointer),
        cmocka_unit_test(what_is_not_built_is_said),
        cmocka_unit_test(a_fault_counts_more_than_what_is_not_built),
        cmocka_unit_test(action_is_one_of_its_words),
        cmocka_unit_test(confirm_names_a_copy_where_it_must),
        cmocka_unit_test(action_without_object_takes_nothing),
    };
    return cmocka_run_group_tests_name("body_reader", tests, NULL, NULL);
}
