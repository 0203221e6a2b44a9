# SPDX-License-Identifier: GPL-2.0-or-later
"""The daemon itself: what it says of itself, and what every answer and every refusal has in common."""
import http.client
import os
import re
import socket

import pytest
import requests
import yaml
from burnd import TOP, CONTRACT


def raw(burnd, text, limit_s=10):
    """The whole answer to bytes as they are."""
    host, port = burnd.url.removeprefix("http://").rsplit(":", 1)
    with socket.create_connection((host, int(port)), limit_s) as connection:
        connection.sendall(text if isinstance(text, bytes) else text.encode())
        parts = []
        while part := connection.recv(65536):
            parts.append(part)
        return b"".join(parts).decode(errors="replace")


def test_info_says_who_answers(burnd):
    info = burnd.get("/info")
    assert info["name"] == "burnd" and re.fullmatch(r"\d+\.\d+\.\d+", info["version"])
    assert info["auth"]["required"] is False
    assert info["limits"] and all(isinstance(name, str) for name in info["features"])


def test_station_is_told(make_burnd):
    assert make_burnd(options=["--station", "Desk #3"]).get("/info")["station"] == "Desk #3"


def test_health_and_readiness(burnd):
    assert burnd.get("/healthz")["status"] == "ok"
    assert burnd.get("/readyz")["status"] == "ok"


def test_openapi_is_the_file_of_the_project(burnd):
    answer = burnd.request("GET", "/openapi.yaml")
    with open(os.path.join(TOP, "openapi.yaml"), encoding="utf-8") as file:
        assert yaml.safe_load(answer.text) == yaml.safe_load(file)


def test_the_page_is_served(burnd):
    answer = requests.get(burnd.url + "/", timeout=10)
    assert answer.status_code == 200
    assert answer.headers["Content-Type"].startswith("text/html")
    assert "default-src" in answer.headers["Content-Security-Policy"]


@pytest.mark.parametrize("path", ["/%2e%2e/Makefile", "/../Makefile", "/js/../../Makefile", "/.git/config"])
def test_the_page_leads_nowhere_else(burnd, path):
    answer = raw(burnd, f"GET {path} HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n")
    assert answer.startswith("HTTP/1.1 404") or answer.startswith("HTTP/1.1 400")


def test_head_and_options(burnd):
    head = burnd.session.head(burnd.url + "/api/v1/info", timeout=10)
    assert head.status_code == 200 and head.text == "" and "Burnd-Seq" in head.headers
    options = burnd.session.options(burnd.url + "/api/v1/jobs", timeout=10)
    assert options.status_code in (200, 204)
    assert {"GET", "POST", "HEAD", "OPTIONS"} <= set(re.split(r",\s*", options.headers["Allow"]))


def test_unknown_paths_and_methods(burnd):
    burnd.refused("GET", "/nothing", 404, "not_found")
    answer = burnd.request("DELETE", "/info")
    assert answer.status_code == 405 and answer.json()["code"] == "method_not_allowed"
    assert "GET" in answer.headers["Allow"]


def test_request_ids_are_echoed_or_made(burnd):
    given = burnd.request("GET", "/info", headers={"X-Request-Id": "mine-1"})
    assert given.headers["X-Request-Id"] == "mine-1"
    assert burnd.request("GET", "/info").headers["X-Request-Id"].startswith("req_")


def test_unknown_query_parameters_are_refused(burnd):
    problem = burnd.refused("GET", "/jobs?colour=red", 400, "invalid_query")
    assert problem["errors"][0]["parameter"] == "colour"
    burnd.refused("GET", "/jobs?limit=0", 400, "invalid_query")
    burnd.refused("GET", "/jobs?limit=501", 400, "invalid_query")
    burnd.refused("GET", "/jobs?limit=many", 400, "invalid_query")
    burnd.refused("GET", "/jobs?state=sleeping", 400, "invalid_query")
    burnd.refused("GET", "/jobs?needs_person=perhaps", 400, "invalid_query")
    burnd.refused("GET", "/jobs?created_after=yesterday", 400, "invalid_query")
    burnd.refused("GET", "/events?max_rate_hz=51", 400, "invalid_query")
    burnd.refused("GET", "/events?topics=weather", 400, "invalid_query")
    burnd.refused("GET", "/events?since=nonsense", 400, "invalid_query")


def test_foreign_hosts_are_refused(burnd):
    for host in ("evil.example", "evil.example:80", "127.0.0.1.evil.example", "192.0.2.1"):
        burnd.refused("GET", "/info", 421, "host_refused", headers={"Host": host})
    for host in ("localhost", "LOCALHOST:1", "127.0.0.1:99", "[::1]:8080"):
        assert burnd.request("GET", "/info", headers={"Host": host}).status_code == 200


def test_a_host_can_be_allowed(make_burnd):
    burnd = make_burnd(options=["--allowed-host", "desk.example"])
    assert burnd.request("GET", "/info", headers={"Host": "desk.example:8080"}).status_code == 200


def test_foreign_origins_are_refused(burnd):
    port = burnd.url.rsplit(":", 1)[1]
    for origin in ("http://evil.example", "null", "https://localhost", "http://localhost:1"):
        burnd.refused("POST", "/jobs", 403, "origin_refused", headers={"Origin": origin}, json={})
    own = {"Origin": f"http://localhost:{port}", "Host": f"localhost:{port}"}
    burnd.refused("POST", "/jobs", 422, "invalid_request", headers=own, json={})


def test_an_origin_can_be_allowed(make_burnd):
    burnd = make_burnd(options=["--allowed-origin", "https://desk.example"])
    answer = burnd.request("GET", "/info", headers={"Origin": "https://desk.example"})
    assert answer.headers["Access-Control-Allow-Origin"] == "https://desk.example"


def test_heads_are_bounded(burnd):
    burnd.refused("GET", "/info?" + "x" * 9000 + "=1", 414, "uri_too_long")
    burnd.refused("GET", "/info", 431, "headers_too_large", headers={"X-Long": "y" * 20000})


def test_smuggling_is_refused(burnd):
    for extra in ("Content-Length: 2\r\nContent-Length: 3", "Content-Length: 2\r\nTransfer-Encoding: chunked",
                  "Transfer-Encoding: xchunked", "Content-Length: +2", "X A: 1"):
        answer = raw(burnd, f"POST /api/v1/jobs HTTP/1.1\r\nHost: localhost\r\n{extra}\r\n\r\n{{}}")
        assert re.match(r"HTTP/1\.1 [45]\d\d", answer) or answer == "", answer
    assert burnd.get("/healthz")["status"] == "ok"


def test_bad_headers_are_named(burnd):
    problem = burnd.refused("POST", "/jobs", 400, "invalid_header", json={},
                            headers={"Idempotency-Key": "k" * 256})
    assert problem["errors"][0]["header"] == "Idempotency-Key"


def test_an_upgrade_must_be_whole(burnd):
    burnd.refused("GET", "/events", 426, "upgrade_required",
                  headers={"Connection": "Upgrade", "Upgrade": "websocket", "Sec-WebSocket-Version": "8",
                           "Sec-WebSocket-Key": "dGhlIHNhbXBsZSBub25jZQ=="})


def test_nothing_acceptable(burnd):
    burnd.refused("GET", "/info", 406, "not_acceptable", headers={"Accept": "image/png"})


def test_etags_save_a_transfer(burnd):
    burnd.idle()
    first = burnd.request("GET", "/recorders/file-1")
    again = burnd.session.get(burnd.url + "/api/v1/recorders/file-1", timeout=10,
                              headers={"If-None-Match": first.headers["ETag"]})
    assert again.status_code == 304 and again.text == ""


def test_connections_beyond_the_limit_are_told(make_burnd):
    burnd = make_burnd(options=["--max-clients", "4"])
    host, port = burnd.url.removeprefix("http://").rsplit(":", 1)
    held = [http.client.HTTPConnection(host, int(port), timeout=10) for _ in range(4)]
    try:
        for connection in held:
            connection.request("GET", "/api/v1/events", headers={"Accept": "text/event-stream"})
            connection.getresponse()
        answer = raw(burnd, "GET /api/v1/info HTTP/1.1\r\nHost: localhost\r\n\r\n")
        assert answer.startswith("HTTP/1.1 503") and "too_many_connections" in answer
        CONTRACT.codes.add("too_many_connections")
    finally:
        for connection in held:
            connection.close()
