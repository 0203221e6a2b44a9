/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * Hosts, origins, smuggled headers, WebSocket upgrades, and the request target with its patterns:
 * what must pass and what must not.
 */
#include "api/request.h"
#include "api/request_filter.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <stdio.h>
#include <string.h>

#include <cmocka.h>

static char allowed_host[] = "burn.example", allowed_host_port[] = "kiosk:8443";
static char allowed_origin[] = "http://panel.example";
static char *hosts[] = {allowed_host, allowed_host_port};
static char *origins[] = {allowed_origin};
static const struct request_filter filter = {
    .listen_host = "192.0.2.7",
    .allowed_hosts = hosts,
    .allowed_host_count = 2,
    .allowed_origins = origins,
    .allowed_origin_count = 1,
};

static void only_known_hosts_are_answered(void **state)
{
    (void)state;
    static const char *const good[] = {
        "localhost", "LOCALHOST:1", "127.0.0.1:8080", "[::1]",          "[::1]:80",
        "192.0.2.7", "192.0.2.7:9", "burn.example",   "Burn.Example:7", "kiosk:8443"};
    static const char *const bad[] = {"",           "evil.example", "localhost.evil.example",
                                      "localhost:", "localhost:x",  "localhost:70000",
                                      "[::1",       "[::1]x",       "kiosk",
                                      "kiosk:80",   "127.0.0.1 x",  "192.0.2.8",
                                      ":80",        "localhost/x",  "user@localhost"};
    for (size_t i = 0; i < sizeof(good) / sizeof(good[0]); i++) {
        if (!request_filter_host(&filter, good[i])) {
            fail_msg("%s was refused", good[i]);
        }
    }
    for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
        if (request_filter_host(&filter, bad[i])) {
            fail_msg("%s was let in", bad[i]);
        }
    }
    assert_false(request_filter_host(&filter, NULL));
}

static void wildcard_listener_answers_for_addresses_but_not_for_names(void **state)
{
    (void)state;
    const struct request_filter all = {.listen_host = "0.0.0.0"};
    assert_true(request_filter_host(&all, "192.168.1.20:8080"));
    assert_true(request_filter_host(&all, "[fe80::1]:8080"));
    assert_false(request_filter_host(&all, "rebound.example:8080"));
}

static void origin_must_be_the_hosts_own_or_allowed(void **state)
{
    (void)state;
    assert_true(request_filter_origin(&filter, "http://localhost:8080", "localhost:8080"));
    assert_true(request_filter_origin(&filter, "https://burn.example", "burn.example"));
    assert_true(request_filter_origin(&filter, "http://localhost:80", "localhost"));
    assert_true(request_filter_origin(&filter, "http://panel.example", "localhost:8080"));
    assert_false(request_filter_origin(&filter, "http://localhost:9000", "localhost:8080"));
    assert_false(request_filter_origin(&filter, "http://evil.example", "localhost"));
    assert_false(request_filter_origin(&filter, "http://panel.example:81", "localhost"));
    assert_false(request_filter_origin(&filter, "null", "localhost"));
    assert_false(request_filter_origin(&filter, "", "localhost"));
    assert_false(request_filter_origin(&filter, "file://localhost", "localhost"));
    assert_true(request_filter_cors(&filter, "http://panel.example"));
    assert_false(request_filter_cors(&filter, "http://localhost"));
}

static const char *audit(const char *const pairs[][2], size_t count)
{
    struct header_audit all = {0};
    for (size_t i = 0; i < count; i++) {
        header_audit_add(&all, pairs[i][0], strlen(pairs[i][0]), pairs[i][1], strlen(pairs[i][1]));
    }
    return header_audit_end(&all);
}

static void smuggled_headers_are_refused(void **state)
{
    (void)state;
    static const char *const fine[][2] = {
        {"Host", "localhost"}, {"Content-Length", "3"}, {"Accept", "a"}, {"Accept", "b"}};
    static const char *const chunked[][2] = {{"Host", "localhost"},
                                             {"Transfer-Encoding", "Chunked"}};
    static const char *const both[][2] = {{"Transfer-Encoding", "chunked"},
                                          {"Content-Length", "3"}};
    static const char *const lengths[][2] = {{"Content-Length", "3"}, {"content-length", "3"}};
    static const char *const two_hosts[][2] = {{"Host", "a"}, {"Host", "a"}};
    static const char *const coding[][2] = {{"Transfer-Encoding", "gzip, chunked"}};
    static const char *const space[][2] = {{"Transfer-Encoding ", "chunked"}};
    static const char *const sign[][2] = {{"Content-Length", "+3"}};
    static const char *const control[][2] = {{"X", "a\x01"}};
    assert_null(audit(fine, 4));
    assert_null(audit(chunked, 2));
    assert_non_null(audit(both, 2));
    assert_non_null(audit(lengths, 2));
    assert_non_null(audit(two_hosts, 2));
    assert_non_null(audit(coding, 1));
    assert_non_null(audit(space, 1));
    assert_non_null(audit(sign, 1));
    assert_non_null(audit(control, 1));
    struct header_audit nul = {0};
    header_audit_add(&nul, "X", 1, "a\0b", 3);
    assert_non_null(header_audit_end(&nul));
}

static void token_lists_are_read_whole(void **state)
{
    (void)state;
    assert_true(header_has_token("keep-alive, Upgrade", "upgrade"));
    assert_true(header_has_token("upgrade ,x", "upgrade"));
    assert_false(header_has_token("upgraded", "upgrade"));
    assert_false(header_has_token("", "upgrade"));
    assert_false(header_has_token(NULL, "upgrade"));
}

/* A good head, of which `from` is replaced by `to`. */
static int parse_changed(const char *from, const char *to, enum error_code *code)
{
    static const char good[] = "GET /api/v1/events?topics=jobs HTTP/1.1\r\nHost: localhost:8080\r\n"
                               "Upgrade: websocket\r\nConnection: keep-alive, Upgrade\r\n"
                               "Origin: http://localhost:8080\r\n"
                               "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n"
                               "Sec-WebSocket-Version: 13\r\n"
                               "Sec-WebSocket-Protocol: other, burnd.v1\r\n\r\n";
    char head[1200];
    const char *at = strstr(good, from);
    assert_non_null(at);
    snprintf(head, sizeof(head), "%.*s%s%s", (int)(at - good), good, to, at + strlen(from));
    struct upgrade_head out;
    struct error err = ERROR_EMPTY;
    int result = upgrade_head_parse(&filter, head, strlen(head), &out, &err);
    if (result == 0) {
        assert_string_equal(out.host, "localhost:8080");
        upgrade_head_release(&out);
    }
    *code = err.code;
    return result;
}

static void good_upgrade_is_understood(void **state)
{
    (void)state;
    enum error_code code;
    assert_int_equal(parse_changed("GET", "GET", &code), 0);
    assert_int_equal(parse_changed("Origin: http://localhost:8080\r\n", "", &code), 0);
    assert_int_equal(parse_changed("Sec-WebSocket-Protocol: other, burnd.v1\r\n", "", &code), 0);
    assert_int_equal(parse_changed("websocket", "WebSocket", &code), 0);
}

static void anything_else_is_no_upgrade(void **state)
{
    (void)state;
    static const struct {
        const char *from, *to;
        enum error_code code;
    } cases[] = {
        {"Upgrade: websocket", "Upgrade: h2c", ERROR_UPGRADE_REQUIRED},
        {"Upgrade: websocket", "Upgrade: websocket, foo", ERROR_UPGRADE_REQUIRED},
        {"keep-alive, Upgrade", "keep-alive", ERROR_UPGRADE_REQUIRED},
        {"Version: 13", "Version: 12", ERROR_UPGRADE_REQUIRED},
        {"dGhlIHNhbXBsZSBub25jZQ==", "x", ERROR_INVALID_HEADER},
        {"dGhlIHNhbXBsZSBub25jZQ==", "dGhlIHNhbXBsZSBub25jZR==", ERROR_INVALID_HEADER},
        {"dGhlIHNhbXBsZSBub25jZQ==", "dGhlIHNhbXBsZSBub25jZQ=x", ERROR_INVALID_HEADER},
        {"other, burnd.v1", "other", ERROR_INVALID_HEADER},
        {"Host: localhost", "Host: evil", ERROR_HOST_REFUSED},
        {"Origin: http://localhost", "Origin: http://evil", ERROR_ORIGIN_REFUSED},
        {"HTTP/1.1", "HTTP/1.0", ERROR_INVALID_HEADER},
        {"HTTP/1.1", "HTTP/1.1 ", ERROR_INVALID_HEADER},
        {"?topics", "? topics", ERROR_INVALID_HEADER},
        {"GET ", "get ", ERROR_INVALID_HEADER},
        {"Host:", "Host :", ERROR_INVALID_HEADER},
        {"Upgrade: websocket\r\n", "Upgrade: websocket\n", ERROR_INVALID_HEADER},
        {"Upgrade: websocket\r\n", "Upgrade: websocket\r\n folded\r\n", ERROR_INVALID_HEADER},
        {"Upgrade: websocket\r\n", "Upgrade: websocket\r\nHost: localhost\r\n",
         ERROR_INVALID_HEADER},
        {"Upgrade: websocket\r\n", "Upgrade: websocket\r\nContent-Length: 0\r\n",
         ERROR_INVALID_HEADER},
        {"\r\n\r\n", "\r\n", ERROR_INVALID_HEADER},
        {"\r\n\r\n", "\r\n\r\nmore", ERROR_INVALID_HEADER},
    };
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        enum error_code code;
        if (parse_changed(cases[i].from, cases[i].to, &code) == 0 || code != cases[i].code) {
            fail_msg("%s -> %s gave %s", cases[i].from, cases[i].to, error_code_to_text(code));
        }
    }
}

static void target_is_split_and_decoded(void **state)
{
    (void)state;
    struct request_target target;
    struct error err = ERROR_EMPTY;
    assert_int_equal(request_target_parse("/a?x=1%202&y=a+b&z&u=%C3%A9", &target, &err), 0);
    assert_string_equal(target.path, "/a");
    assert_string_equal(request_query(&target, "x"), "1 2");
    assert_string_equal(request_query(&target, "y"), "a b");
    assert_string_equal(request_query(&target, "z"), "");
    assert_string_equal(request_query(&target, "u"), "\xC3\xA9");
    assert_null(request_query(&target, "nix"));
    assert_string_equal(request_unknown_query(&target, "x y z"), "u");
    assert_null(request_unknown_query(&target, "u x y z"));
    request_target_release(&target);
    assert_int_equal(request_target_parse("http://h.example:1/p?tag.a=1", &target, &err), 0);
    assert_string_equal(target.authority, "h.example:1");
    assert_string_equal(target.path, "/p");
    assert_null(request_unknown_query(&target, "tag.*"));
    request_target_release(&target);
}

static void bad_targets_are_refused(void **state)
{
    (void)state;
    static const char *const bad[] = {"*",         "a",          "/?x=%00",
                                      "/?x=%ff",   "/?x=%c0%80", "/?x=%zz",
                                      "/?x=1&x=2", "/?x=%",      "/?%ed%a0%80=1"};
    for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
        struct request_target target;
        struct error err = ERROR_EMPTY;
        if (request_target_parse(bad[i], &target, &err) == 0) {
            fail_msg("%s was let in", bad[i]);
        }
        request_target_release(&target);
    }
}

static void prefer_and_accept_are_read_leniently(void **state)
{
    (void)state;
    assert_int_equal(request_prefer_wait(NULL), -1);
    assert_int_equal(request_prefer_wait("respond-async"), -1);
    assert_int_equal(request_prefer_wait("respond-async, Wait=10"), 10);
    assert_int_equal(request_prefer_wait("wait=9999"), 600);
    assert_int_equal(request_prefer_wait("wait=x"), -2);
    assert_true(request_accepts(NULL, "application", "json"));
    assert_true(request_accepts("text/html, */*;q=0.8", "application", "json"));
    assert_true(request_accepts("application/*", "application", "json"));
    assert_false(request_accepts("text/html", "application", "json"));
    assert_false(request_accepts("application/json;q=0", "application", "json"));
    assert_false(request_accepts("application/json; q=0.0, text/html", "application", "json"));
    assert_true(request_accepts("application/json;q=0.5", "application", "json"));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(only_known_hosts_are_answered),
        cmocka_unit_test(wildcard_listener_answers_for_addresses_but_not_for_names),
        cmocka_unit_test(origin_must_be_the_hosts_own_or_allowed),
        cmocka_unit_test(smuggled_headers_are_refused),
        cmocka_unit_test(token_lists_are_read_whole),
        cmocka_unit_test(good_upgrade_is_understood),
        cmocka_unit_test(anything_else_is_no_upgrade),
        cmocka_unit_test(target_is_split_and_decoded),
        cmocka_unit_test(bad_targets_are_refused),
        cmocka_unit_test(prefer_and_accept_are_read_leniently),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
