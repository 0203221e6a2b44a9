# SPDX-License-Identifier: GPL-2.0-or-later
"""Documents that must not become jobs: each bad input with its code, its pointer and nothing stored."""
import json
import os
import socket
import subprocess

import pytest
from burnd import CONTRACT, NOBODY, data_job, is_blank, make_tree, noise, write_file


def post_raw(burnd, body, content_type="application/json"):
    return burnd.request("POST", "/jobs", data=body, headers={"Content-Type": content_type})


@pytest.mark.parametrize("body,line", [
    (b"{", 1), (b'{"type":"data",\n "x" 1}', 2), (b'{"type":"data"} trailing', 1), (b"", None),
    (b'{"type":"data","type":"data"}', 1), (b'{"type":"\xff\xfe"}', 1), (b'{"type":"a\\u0000b"}', 1),
    (b"[" * 100 + b"]" * 100, 1),
    (b'{"copies":1' + b"0" * 30 + b"}", 1), (b'{"type":NaN}', 1), (b"\xef\xbb\xbf{}", 1)])
def test_what_is_no_json(burnd, body, line):
    answer = post_raw(burnd, body)
    problem = answer.json()
    if line is None:
        assert problem["code"] in ("length_required", "invalid_json", "invalid_request")
        return
    assert answer.status_code == 400 and problem["code"] == "invalid_json"
    assert f"line {line}" in problem["detail"] and "column" in problem["detail"]


# document -> pointers and codes that must be among the errors
BAD_FIELDS = [
    ({}, {"/type": "required"}),
    ([], {"": "wrong_type"}),
    ({"type": "data"}, {"/data": "required"}),
    ({"type": "cake"}, {"/type": "invalid_value"}),
    ({"type": 7}, {"/type": "wrong_type"}),
    (data_job(colour="red", target={"x": 1}), {"/colour": "unknown_field", "/target/x": "unknown_field"}),
    (data_job(copies=0), {"/copies": "out_of_range"}),
    (data_job(copies=10001), {"/copies": "out_of_range"}),
    (data_job(copies="2"), {"/copies": "wrong_type"}),
    (data_job(copies=1.5), {"/copies": "wrong_type"}),
    (data_job(priority=101), {"/priority": "out_of_range"}),
    (data_job(priority=-1), {"/priority": "out_of_range"}),
    (data_job(title="x" * 1000), {"/title": "too_long"}),
    (data_job(title=["x"]), {"/title": "wrong_type"}),
    (data_job(tags={str(i): "x" for i in range(100)}), {"/tags": "too_many"}),
    (data_job(tags={"a": 1}), {"/tags/a": "wrong_type"}),
    (data_job(verify="maybe"), {"/verify": "invalid_value"}),
    (data_job(verify={"level": "full", "x": 1}), {"/verify/x": "unknown_field"}),
    (data_job(burn={"speed": "fast"}), {"/burn/speed": "invalid_value"}),
    (data_job(burn={"speed": {"x": -1}}), {"/burn/speed/x": "out_of_range"}),
    (data_job(burn={"simulate": "yes"}), {"/burn/simulate": "wrong_type"}),
    (data_job(on_failure={"attempts_per_copy": 0}), {"/on_failure/attempts_per_copy": "out_of_range"}),
    (data_job(after={"eject": "later"}), {"/after/eject": "invalid_value"}),
    (data_job(image={"from": "root:demo/x.iso"}), {"/image": "conflict"}),
    ({"type": "data", "data": {"entries": []}}, {"/data/entries": "out_of_range"}),
    ({"type": "data", "data": {"entries": [{"to": "/"}]}}, {"/data/entries/0": "required"}),
    ({"type": "data", "data": {"entries": [{"from": "root:demo", "text": "x", "to": "/"}]}},
     {"/data/entries/0": "conflict"}),
    ({"type": "data", "data": {"entries": [{"from": "root:demo"}]}}, {"/data/entries/0/to": "required"}),
    ({"type": "data", "data": {"entries": [{"text": "x", "to": "a"}]}},
     {"/data/entries/0/to": "invalid_value"}),
    ({"type": "data", "data": {"entries": [{"text": "x", "to": "/a/../b"}]}},
     {"/data/entries/0/to": "invalid_value"}),
    ({"type": "data", "data": {"entries": [{"from": "/etc/passwd", "to": "/"}]}},
     {"/data/entries/0/from": "invalid_value"}),
    ({"type": "data", "data": {"entries": [{"text": "x", "to": "/x"}], "volume_id": "x" * 33}},
     {"/data/volume_id": "too_long"}),
    ({"type": "data", "data": {"entries": [{"text": "x", "to": "/x"}], "filesystem": {"iso_level": 4}}},
     {"/data/filesystem/iso_level": "out_of_range"}),
    ({"type": "image", "image": {"from": "root:demo/x.iso", "sha256": "00"}},
     {"/image/sha256": "invalid_value"}),
]


@pytest.mark.parametrize("body,wanted", BAD_FIELDS)
def test_bad_fields_are_all_named(burnd, body, wanted):
    answer = post_raw(burnd, json.dumps(body).encode())
    assert answer.status_code == 422 and answer.json()["code"] == "invalid_request", answer.text
    found = {error["pointer"]: error["code"] for error in answer.json()["errors"] if "pointer" in error}
    for pointer, code in wanted.items():
        places = [pointer] + [place for place in found if place.startswith(pointer + "/")]
        assert any(found.get(place) == code for place in places), f"{pointer} {code} not in {found}"
    assert burnd.get("/jobs")["items"] == []


def test_null_is_the_default(burnd_with_tree):
    job = burnd_with_tree.create(data_job(
        title=None, tags=None, priority=None, target=None, burn=None, verify=None, on_failure=None, after=None))
    assert job["copies"] == 1 and job["verify"] == "full" and job["priority"] == 50


@pytest.mark.parametrize("body", [
    {"type": "audio", "audio": {"tracks": []}}, data_job(copies=None),
    {"type": "blank", "blank": {"mode": "quick"}},
    data_job("recorder:file-1"), data_job("image:img_1"), data_job("upload:upl_1"),
    data_job(target={"medium": {"require": "appendable"}}),
    {"type": "data", "data": {"entries": [{"text": "x", "to": "/x"}], "filesystem": {"udf": True}}},
    {"type": "data", "data": {"entries": [{"text": "x", "to": "/x"}], "boot": [{"from": "root:demo/x"}]}},
    data_job(schedule={"not_before": "2030-01-01T00:00:00Z"})])
def test_what_is_not_built_yet_says_so(burnd, body):
    burnd.refused("POST", "/jobs", 422, "feature_unavailable", json=body)


def test_bodies_have_a_type_a_length_and_a_limit(burnd):
    assert post_raw(burnd, b"{}", "text/plain").json()["code"] == "unsupported_media_type"
    limit = burnd.get("/info")["limits"]["body_bytes"]
    answer = post_raw(burnd, b'{"title":"' + b"x" * limit + b'"}')
    assert answer.status_code == 413 and answer.json()["code"] == "body_too_large"
    host, port = burnd.url.removeprefix("http://").rsplit(":", 1)
    with socket.create_connection((host, int(port)), 10) as connection:
        connection.sendall(b"POST /api/v1/jobs HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n"
                           b"Content-Type: application/json\r\n\r\n")
        answer = b"".join(iter(lambda: connection.recv(65536), b"")).decode()
    assert answer.startswith("HTTP/1.1 411") and "length_required" in answer
    for name in ("createJob", "confirmJob", "confirmCopy", "resolveAttention"):
        CONTRACT.refused.add((name, "length_required"))  # one check in front of all handlers
    CONTRACT.codes.add("length_required")


def test_the_target_must_make_sense(burnd_with_tree):
    burnd = burnd_with_tree
    burnd.idle()
    refused = burnd.refused
    refused("POST", "/jobs", 422, "recorder_unknown", json=data_job(target={"recorder": "none"}))
    refused("POST", "/jobs", 422, "recorder_unknown", json=data_job(target={"recorders": ["none"]}))
    refused("POST", "/jobs", 422, "target_conflict",
            json=data_job(target={"recorder": "file-1", "recorders": ["file-1"]}))
    refused("POST", "/jobs", 422, "profile_unsupported",
            json=data_job(target={"recorder": "file-1", "medium": {"profiles": ["cd-r"]}}))
    refused("POST", "/jobs", 422, "mode_unsupported", json=data_job(burn={"mode": "tao"}))


def test_a_job_that_no_recorder_may_take_waits(burnd_with_tree):
    burnd = burnd_with_tree
    burnd.idle()
    job = burnd.create(data_job(target={"medium": {"profiles": ["bd-r"]}}))
    job = burnd.wait(job, until_terminal=False)
    assert job["state"] == "waiting" and job["reasons"] == ["no_eligible_recorder"]
    burnd.post(f"/jobs/{job['id']}/cancel", headers={"Prefer": "wait=10"})
    assert burnd.get(f"/jobs/{job['id']}")["state"] == "canceled"


# --- sources ----------------------------------------------------------------------------------------------


@pytest.mark.parametrize("source,status,code", [
    ("root:demo/none", 422, "source_missing"), ("root:demo/a/none/x", 422, "source_missing"),
    ("root:other", 422, "root_unknown"), ("root:demo/README.TXT/x", 422, None),
    ("root:demo/pipe", 422, "source_not_regular"), ("root:demo/photos/dangling", 422, "source_missing")])
def test_sources_that_are_not_there(burnd_with_tree, source, status, code):
    burnd = burnd_with_tree
    os.mkfifo(f"{burnd.demo}/pipe")
    os.symlink("nothing", f"{burnd.demo}/photos/dangling")
    answer = burnd.request("POST", "/jobs", json={"type": "data", "data": {"entries": [
        {"from": source, "to": "/x"}]}})
    assert answer.status_code == status, answer.text
    assert code is None or answer.json()["code"] == code, answer.text


@pytest.mark.parametrize("source", ["root:demo/..", "root:demo/../secret", "root:demo/a/../../secret",
                                    "root:demo/out", "root:demo/out/x", "root:demo/absolute",
                                    "root:demo/proc/self/root/etc"])
def test_nothing_outside_a_root_is_read(burnd_with_tree, folder, source):
    burnd = burnd_with_tree
    write_file(f"{folder}/secret/x", b"secret")
    os.symlink("../secret", f"{burnd.demo}/out")
    os.symlink(f"{folder}/secret/x", f"{burnd.demo}/absolute")
    os.symlink("/proc", f"{burnd.demo}/proc")
    answer = burnd.request("POST", "/jobs", json={"type": "data", "data": {"entries": [
        {"from": source, "to": "/x"}]}})
    assert answer.status_code in (403, 422), answer.text
    assert answer.json()["code"] in ("source_outside_root", "invalid_request"), answer.text
    assert answer.json()["code"] == "source_outside_root" or ".." in source


def test_followed_links_stay_inside(burnd_with_tree, folder):
    burnd = burnd_with_tree
    write_file(f"{folder}/secret/x", b"secret")
    os.symlink(f"{folder}/secret", f"{burnd.demo}/leaves")
    burnd.refused("POST", "/jobs", 403, "source_outside_root", json={
        "type": "data", "data": {"entries": [{"from": "root:demo", "to": "/"}], "symlinks": "follow"}})
    os.unlink(f"{burnd.demo}/leaves")
    os.symlink("loop", f"{burnd.demo}/loop")
    burnd.refused("POST", "/jobs", 422, "source_missing", json={
        "type": "data", "data": {"entries": [{"from": "root:demo", "to": "/"}], "symlinks": "follow"}})


def test_unreadable_sources(make_burnd):
    burnd = make_burnd(user=NOBODY)
    make_tree(burnd.demo)
    os.chmod(f"{burnd.demo}/one block", 0)
    os.chmod(f"{burnd.demo}/a", 0)
    burnd.refused("POST", "/jobs", 422, "source_unreadable", json=data_job())
    burnd.refused("GET", "/roots/demo/tree?path=a", 422, "source_unreadable")
    job = burnd.burn({"type": "data", "data": {"entries": [{"from": "root:demo", "to": "/"}],
                                               "on_unreadable": "skip"}})
    assert job["warnings"], "what was left out must be told"


def test_roots_that_cannot_be_opened(make_burnd, folder):
    burnd = make_burnd(roots={"demo": f"{folder}/demo", "gone": f"{folder}/gone"})
    roots = {root["name"]: root for root in burnd.get("/roots")["items"]}
    assert roots["demo"]["available"] and not roots["gone"]["available"]
    burnd.refused("POST", "/jobs", 422, "root_unavailable", json=data_job("root:gone"))
    burnd.refused("GET", "/roots/gone/tree", 422, "root_unavailable")


def test_browsing_a_root(burnd_with_tree, folder):
    burnd = burnd_with_tree
    os.symlink("/etc", f"{burnd.demo}/leaves")
    names = [entry["name"] for entry in burnd.get("/roots/demo/tree?limit=500")["items"]]
    assert names == sorted(os.listdir(burnd.demo), key=os.fsencode)
    page = burnd.get("/roots/demo/tree?limit=3")
    rest = burnd.get(f"/roots/demo/tree?limit=500&cursor={page['next_cursor']}")
    assert [entry["name"] for entry in page["items"] + rest["items"]] == names
    inside = burnd.get("/roots/demo/tree", params={"path": "photos/2026"})["items"]
    assert inside[0]["type"] == "file" and inside[0]["source"].startswith("root:demo/photos/2026/")
    burnd.refused("GET", "/roots/other/tree", 404, "not_found")
    burnd.refused("GET", "/roots/demo/tree?path=none", 404, "not_found")
    burnd.refused("GET", "/roots/demo/tree?path=README.TXT", 422, "source_not_regular")
    for path in ("..", "leaves", "../demo"):
        burnd.refused("GET", f"/roots/demo/tree?path={path}", 403, "source_outside_root")


# --- what cannot be put on a disc -------------------------------------------------------------------------


def test_two_sources_with_one_path(burnd_with_tree):
    entries = [{"text": "a", "to": "/x"}, {"text": "b", "to": "/x"}]
    burnd_with_tree.refused("POST", "/jobs", 422, "path_conflict",
                            json={"type": "data", "data": {"entries": entries}})
    entries = [{"from": "root:demo", "to": "/"}, {"text": "b", "to": "/README.TXT/x"}]
    burnd_with_tree.refused("POST", "/jobs", 422, "path_conflict",
                            json={"type": "data", "data": {"entries": entries}})


def test_names_that_no_disc_can_hold(burnd):
    write_file(os.path.join(os.fsencode(burnd.demo), b"bad \xff\xfe name").decode("utf-8", "surrogateescape"),
               b"x")
    burnd.refused("POST", "/jobs", 422, "name_not_representable", json=data_job())


def test_images_that_are_none(burnd, folder):
    write_file(f"{burnd.demo}/odd.iso", noise(2048 * 40 + 1))
    write_file(f"{burnd.demo}/noise.iso", noise(2048 * 40))
    write_file(f"{burnd.demo}/empty.iso", b"")

    def refuse(name, code, **more):
        burnd.refused("POST", "/jobs", 422, code,
                      json={"type": "image", "image": {"from": f"root:demo/{name}", **more}})
    refuse("odd.iso", "image_not_aligned")
    refuse("noise.iso", "image_invalid")
    refuse("empty.iso", "image_invalid")
    refuse("none.iso", "source_missing")
    write_file(f"{folder}/source/x", b"x")
    subprocess.run(["xorriso", "-as", "mkisofs", "-quiet", "-o", f"{burnd.demo}/good.iso", f"{folder}/source"],
                   check=True, capture_output=True)
    job = burnd.burn({"type": "image", "image": {"from": "root:demo/good.iso", "sha256": "00" * 32}},
                     state="failed")
    assert job["problem"]["code"] == "image_hash_mismatch"
    assert is_blank(burnd.image)


def test_what_is_too_large_for_a_named_recorder(burnd):
    capacity = burnd.idle()["medium"]["capacity_sectors"]
    with open(f"{burnd.demo}/huge.bin", "wb") as file:
        try:
            file.truncate((capacity + 1000) * 2048)
        except OSError:
            pytest.skip("this file system holds no sparse file that large")
    burnd.refused("POST", "/jobs", 422, "does_not_fit",
                  json=data_job(target={"recorder": "file-1"}, verify="none"))


def test_resources_that_are_not_there(burnd_with_tree):
    burnd = burnd_with_tree
    none = "job_01ARZ3NDEKTSV4RRFFQ69G5FAV"
    for path in ("", "/copies", "/copies/1", "/copies/1/attempts", "/copies/1/attempts/1", "/progress",
                 "/plan", "/log", "/items", "/events"):
        for name in (none, "job_1", "..%2f..%2fetc"):
            burnd.refused("GET", f"/jobs/{name}{path}", 404, "not_found")
    burnd.refused("DELETE", f"/jobs/{none}", 404, "not_found")
    burnd.refused("POST", f"/jobs/{none}/cancel", 404, "not_found")
    burnd.refused("POST", f"/jobs/{none}/copies/1/cancel", 404, "not_found")
    burnd.refused("POST", f"/jobs/{none}/confirm", 404, "not_found", json={"copy": 1, "verdict": "good"})
    burnd.refused("POST", f"/jobs/{none}/copies/1/confirm", 404, "not_found", json={"verdict": "good"})
    # what was cleared long ago and what never was look alike
    burnd.refused("POST", "/attention/atn_01ARZ3NDEKTSV4RRFFQ69G5FAV/resolve", 409, "attention_cleared",
                  json={"action": "redo"})
    burnd.refused("GET", "/discs/dsc_01ARZ3NDEKTSV4RRFFQ69G5FAV", 404, "not_found")
    job = burnd.burn(data_job(burn={"simulate": True}))
    burnd.refused("GET", f"/jobs/{job['id']}/copies/2", 404, "not_found")
    burnd.refused("GET", f"/jobs/{job['id']}/copies/x", 404, "not_found")
    burnd.refused("GET", f"/jobs/{job['id']}/copies/1/attempts/9", 404, "not_found")


@pytest.mark.parametrize("path,body", [
    ("/jobs/{}/confirm", {"verdict": "good"}), ("/jobs/{}/confirm", {"copy": 1, "verdict": "fine"}),
    ("/jobs/{}/copies/1/confirm", {"verdict": "good", "copy": 1}), ("/jobs/{}/copies/1/confirm", {}),
    ("/attention/atn_01ARZ3NDEKTSV4RRFFQ69G5FAV/resolve", {"action": "dance"})])
def test_actions_want_their_object(burnd_with_tree, path, body):
    burnd = burnd_with_tree
    job = burnd.burn(data_job(burn={"simulate": True}))
    burnd.refused("POST", path.format(job["id"]), 422, "invalid_request", json=body)
    burnd.refused("POST", path.format(job["id"]), 400, "invalid_json", data=b"{",
                  headers={"Content-Type": "application/json"})


def test_actions_that_come_too_late(burnd_with_tree):
    burnd = burnd_with_tree
    job = burnd.burn(data_job(burn={"simulate": True}))
    name = job["id"]
    burnd.refused("POST", f"/jobs/{name}/cancel", 409, "job_terminal")
    burnd.refused("POST", f"/jobs/{name}/copies/1/cancel", 409, "job_terminal")
    burnd.refused("POST", f"/jobs/{name}/confirm", 409, "nothing_to_confirm",
                  json={"copy": 1, "verdict": "good"})
    burnd.refused("POST", f"/jobs/{name}/copies/1/confirm", 409, "nothing_to_confirm",
                  json={"verdict": "good"})
    burnd.refused("DELETE", f"/jobs/{name}", 412, "etag_stale", headers={"If-Match": '"other"'})
    assert burnd.request("DELETE", f"/jobs/{name}").status_code == 204
    burnd.refused("GET", f"/jobs/{name}", 404, "not_found")
