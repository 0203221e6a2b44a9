# SPDX-License-Identifier: GPL-2.0-or-later
"""The event stream: order, first and last points, the same through every door, resuming, and clients that
are slow, stalled or gone."""
import json
import os
import selectors
import socket
import time

import pytest
import requests
from burnd import CONTRACT, SseListener, data_job, make_tree, noise, until, write_file

STATE_PREFIXES = ("job.", "copy.", "attempt.", "disc.", "recorder.", "medium.", "queue.", "attention.")


def is_over(event):
    return event["type"] == "job.state" and event["data"]["to"] in (
        "completed", "completed_with_failures", "failed", "canceled")


def put_data(burnd, size=12_000_000):
    make_tree(burnd.demo)
    write_file(f"{burnd.demo}/large.bin", noise(size, 8))


def slow_job(**more):
    return data_job(burn={"speed": {"kb_s": 20_000}}, **more)


def check_progress(events, kind):
    """First 0/total, last total/total, one total, never falling."""
    points = [event["data"] for event in events if event["type"] == kind]
    assert points, f"no {kind}"
    assert points[0]["completed"] == 0 and points[-1]["completed"] == points[-1]["total"], kind
    assert len({point["total"] for point in points}) == 1
    done = [point["completed"] for point in points]
    assert done == sorted(done)
    return points


def test_progress_is_told_from_first_to_last_and_in_order(burnd):
    put_data(burnd)
    burnd.idle()
    events = burnd.events()
    job = burnd.create(slow_job())
    events.wait(is_over)
    seen = events.snapshot()
    numbers = [event["seq"] for event in seen if event["seq"] is not None]
    assert numbers == sorted(set(numbers))
    blocks = check_progress(seen, "progress.block")
    assert len(blocks) > 4, "the way between is told too"
    check_progress(seen, "progress.verify")
    files = [event["data"] for event in seen if event["type"] == "progress.file"]
    assert {"write", "verify"} == {point["side"] for point in files}
    phases = [event["data"]["phase"] for event in seen if event["type"] == "attempt.phase"]
    assert phases == ["acquire", "assess", "stage", "write", "flush", "close", "settle", "verify", "ended"]
    assert [e["data"]["to"] for e in seen if e["type"] == "job.state" and e["data"]["from"]
            != e["data"]["to"]][-1] == "completed"
    assert all(event["job"] == job["id"] for event in seen if event["type"].startswith("progress."))


def test_write_in_progress_is_true_exactly_while_blocks_go_out(burnd):
    put_data(burnd)
    burnd.idle()
    events = burnd.events()
    burnd.create(slow_job())
    events.wait(is_over)
    writing, ended = False, False
    for event in events.snapshot():
        if event["type"] == "recorder.state":
            writing = event["data"]["write_in_progress"]
        if event["type"] == "progress.block" and event["data"]["completed"] < event["data"]["total"]:
            assert writing, "a block was told before write_in_progress"
        if event["type"] == "attempt.phase" and event["data"]["phase"] == "ended":
            assert not writing
            ended = True
    assert ended


def test_the_end_of_an_attempt_is_told_in_order(burnd_with_tree):
    burnd = burnd_with_tree
    burnd.idle()
    events = burnd.events()
    burnd.create(data_job())
    events.wait(is_over)
    seen = events.snapshot()

    def last(condition):
        return max(index for index, event in enumerate(seen) if condition(event))
    end = last(lambda e: e["type"] == "attempt.phase" and e["data"]["phase"] == "ended")
    disc = last(lambda e: e["type"] == "disc.registered")
    copy = last(lambda e: e["type"] == "copy.state" and e["data"]["to"] == "done")
    job = last(is_over)
    recorder = min(i for i, e in enumerate(seen) if e["type"] == "recorder.state"
                   and not e["data"]["write_in_progress"] and any(
                       b["type"] == "recorder.state" and b["data"]["write_in_progress"] for b in seen[:i]))
    assert recorder < end < disc < copy < job


def test_every_door_tells_the_same(burnd):
    put_data(burnd, 4_000_000)
    burnd.idle()
    start = burnd.request("GET", "/info").headers["Burnd-Seq"]
    sse, socket_ = burnd.events(since=start), burnd.websocket(since=start)
    job = burnd.create(data_job())
    sse.wait(is_over)
    socket_.wait(is_over)
    page, since = [], start
    while not any(map(is_over, page)):
        answer = burnd.get(f"/events?limit=50&since={since}", headers={"Prefer": "wait=10"})
        for event in answer["items"]:
            CONTRACT.check_event(event)
        page += answer["items"]
        since = answer["next"]

    def states(events):
        return [event for event in events if event["type"].startswith(STATE_PREFIXES)
                and event["seq"] <= last["seq"]]
    last = next(event for event in page if is_over(event))
    assert states(sse.snapshot()) == states(socket_.snapshot()) == states(page)
    own = [event for event in states(page) if event["job"] == job["id"]]
    kept = [event for event in burnd.job_events(job) if event["type"].startswith(STATE_PREFIXES)]
    assert kept == own


def test_a_late_listener_gets_what_was(burnd_with_tree):
    burnd = burnd_with_tree
    job = burnd.burn(data_job())
    listener = burnd.events(f"jobs/{job['id']}", since="oldest", more="until=terminal")
    events = listener.wait_over()
    assert any(map(is_over, events))
    check_progress(events, "progress.block")
    check_progress(events, "progress.verify")


def test_the_link_of_a_job_is_ready_to_open(burnd_with_tree):
    burnd = burnd_with_tree
    job = burnd.create(data_job())
    query = "?" + job["links"]["events"].split("?")[1] + "&until=terminal"
    listener = SseListener(burnd, query)
    assert any(map(is_over, listener.wait_over()))


def test_resuming_loses_and_repeats_nothing(burnd_with_tree):
    burnd = burnd_with_tree
    job = burnd.burn(data_job(burn={"simulate": True}))
    topic = f"?topics=jobs/{job['id']}&until=terminal"
    everything = [e for e in SseListener(burnd, topic + "&since=oldest").wait_over() if e["seq"]]
    middle = everything[len(everything) // 2]
    rest = SseListener(burnd, topic, headers={"Last-Event-ID": f"{middle['epoch']}:{middle['seq']}"})
    rest = [event for event in rest.wait_over() if event["seq"]]
    assert rest == everything[len(everything) // 2 + 1:]


def test_an_unknown_place_in_the_stream_resets_it(burnd):
    listener = burnd.events(since="0123456789abcdef:1")
    listener.wait(lambda event: event["type"] == "stream.reset")


def test_burnd_seq_is_where_to_listen_from(burnd_with_tree):
    burnd = burnd_with_tree
    answer = burnd.post("/jobs", data_job(burn={"simulate": True}), status=201)
    listener = burnd.events(f"jobs/{answer.json()['id']}", since=answer.headers["Burnd-Seq"],
                            more="until=terminal")
    assert any(map(is_over, listener.wait_over()))


def test_topics_choose(burnd_with_tree):
    burnd = burnd_with_tree
    burnd.idle()
    recorders, discs = burnd.events("recorders"), burnd.websocket("discs")
    job = burnd.burn(data_job())
    discs.wait(lambda event: event["type"] == "disc.registered")
    recorders.wait(lambda event: event["type"] == "disc.registered" or event["type"] == "recorder.state")
    assert all(event["recorder"] for event in recorders.snapshot() if event["seq"])
    assert {event["type"] for event in discs.snapshot() if event["seq"]} <= {"disc.registered"}
    assert job["state"] == "completed"


def test_a_rate_of_zero_gives_firsts_and_lasts(burnd):
    put_data(burnd)
    listener = burnd.events(more="max_rate_hz=0")
    burnd.create(slow_job())
    listener.wait(is_over)
    points = check_progress(listener.snapshot(), "progress.block")
    assert len(points) == 2


def test_websocket_operations(burnd):
    listener = burnd.websocket("discs")
    listener.say(op="ping", id="x")
    assert listener.wait(lambda event: event["type"] == "pong")["data"].get("id") == "x"
    listener.say(op="subscribe", topics=["jobs", "recorders/file-1"], max_rate_hz=2)
    listener.wait(lambda event: event["type"] == "subscribed")
    for index in range(3):
        listener.say(op="dance", step=index)
    listener.wait_over()
    assert len(listener.of_type("error")) >= 2 and listener.close_code == 1008


@pytest.mark.parametrize("send,code", [(lambda s: s.send_binary(b"\x00"), 1003),
                                       (lambda s: s.send("x" * 200_000), 1009)])
def test_websocket_frames_that_must_not_come(burnd, send, code):
    listener = burnd.websocket()
    try:
        send(listener.socket)
    except OSError:
        pass
    listener.wait_over()
    assert listener.close_code in (code, None)
    assert burnd.get("/healthz")["status"] == "ok"


def test_until_terminal_wants_jobs(burnd):
    burnd.refused("GET", "/events?topics=recorders&until=terminal", 400, "invalid_query")
    burnd.refused("GET", "/events?until=whenever", 400, "invalid_query")


def test_a_long_poll_answers_at_once_when_something_happens(burnd_with_tree):
    burnd = burnd_with_tree
    burnd.idle()
    start = burnd.get("/events")["next"]
    job = burnd.create(data_job(burn={"simulate": True}))
    page = burnd.get(f"/events?topics=jobs/{job['id']}&since={start}", headers={"Prefer": "wait=30"})
    assert page["items"][0]["type"] == "job.created"


# --- many clients ---------------------------------------------------------------------------------------------


def connect(burnd, query):
    host, port = burnd.url.removeprefix("http://").rsplit(":", 1)
    client = socket.create_connection((host, int(port)), 10)
    client.sendall(f"GET /api/v1/events{query} HTTP/1.1\r\nHost: localhost\r\n"
                   "Accept: text/event-stream\r\n\r\n".encode())
    return client


def test_two_hundred_listeners_ten_of_them_stalled(burnd):
    put_data(burnd)
    burnd.idle()
    stalled = [connect(burnd, "?since=oldest") for _ in range(10)]
    clients = [connect(burnd, "") for _ in range(190)]
    for client in clients:  # each has been answered before anything happens
        assert client.recv(12).startswith(b"HTTP/1.1 200")
    selector = selectors.DefaultSelector()
    tails = {}
    for client in clients:
        client.setblocking(False)
        selector.register(client, selectors.EVENT_READ)
        tails[client] = b""
    job = burnd.create(slow_job())
    waiting, begin = set(clients), time.monotonic()
    while waiting:
        assert time.monotonic() - begin < 60, f"{len(waiting)} listeners heard no end"
        for key, _ in selector.select(1):
            data = tails[key.fileobj] + key.fileobj.recv(1 << 20)
            if b'"to":"completed"' in data and b'"job.state"' in data:
                waiting.discard(key.fileobj)
            tails[key.fileobj] = data[-8192:]
        assert burnd.session.get(burnd.url + "/healthz", timeout=10).status_code == 200  # others are served
    assert burnd.wait(job)["state"] == "completed"

    for client in clients + stalled:
        client.close()


def test_listeners_and_waiters_that_vanish(burnd_with_tree):
    burnd = burnd_with_tree
    burnd.idle()
    host, port = burnd.url.removeprefix("http://").rsplit(":", 1)
    job = burnd.burn(data_job(burn={"simulate": True}))
    for _ in range(60):
        with connect(burnd, "") as client:
            client.recv(1)
        with socket.create_connection((host, int(port)), 10) as client:
            client.sendall(b"GET /api/v1/events HTTP/1.1\r\nHost: localhost\r\nPrefer: wait=60\r\n\r\n")
    for listener in [burnd.websocket() for _ in range(20)]:
        listener.close()
    waiting = burnd.create(data_job(target={"medium": {"profiles": ["bd-r"]}}))
    for _ in range(20):
        try:
            requests.get(f"{burnd.url}/api/v1/jobs/{waiting['id']}?until=terminal", timeout=0.02,
                         headers={"Prefer": "wait=60"})
        except requests.exceptions.Timeout:
            pass
    pid = burnd.process.pid
    until(lambda: len(sockets(pid)) < 20, "their connections are gone", 30)
    assert burnd.burn(data_job(burn={"simulate": True}))["id"] > job["id"]


def sockets(pid):
    found = []
    for name in os.listdir(f"/proc/{pid}/fd"):
        try:
            if os.readlink(f"/proc/{pid}/fd/{name}").startswith("socket:"):
                found.append(name)
        except OSError:
            pass
    return found


def test_events_are_json_objects_in_one_line_each(burnd_with_tree):
    burnd = burnd_with_tree
    burnd.burn(data_job(burn={"simulate": True}))
    with requests.get(burnd.url + "/api/v1/events?since=oldest", stream=True, timeout=10,
                      headers={"Accept": "text/event-stream"}) as answer:
        for line in answer.iter_lines(chunk_size=1):
            if line.startswith(b"data:"):
                assert isinstance(json.loads(line[5:]), dict)
                if b'"completed"' in line:
                    break
