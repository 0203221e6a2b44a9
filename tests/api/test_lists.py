# SPDX-License-Identifier: GPL-2.0-or-later
"""Conventions that hold everywhere: pages and filters, waiting for an answer, keys that make a POST safe
to repeat, ETags."""
import threading
import time

import pytest
from burnd import data_job, make_tree, until, write_file


def simulated(**more):
    return data_job(burn={"simulate": True}, **more)


@pytest.fixture
def five_jobs(burnd_with_tree):
    burnd = burnd_with_tree
    jobs = [burnd.create(simulated(title=f"Number {n}", client_ref=f"ref {n % 2}", tags={"n": str(n)}))
            for n in range(5)]
    burnd.jobs = [burnd.wait(job)["id"] for job in jobs]
    return burnd


def ids(page):
    return [item["id"] for item in page["items"]]


def test_pages_go_through_all_newest_first(five_jobs):
    found, cursor = [], ""
    while cursor is not None:
        page = five_jobs.get("/jobs?limit=2" + (f"&cursor={cursor}" if cursor else ""))
        assert len(page["items"]) <= 2
        found += ids(page)
        cursor = page["next_cursor"]
    assert found == five_jobs.jobs[::-1]


def test_filters(five_jobs):
    burnd, jobs = five_jobs, five_jobs.jobs
    middle = burnd.get(f"/jobs/{jobs[2]}")["created_at"]
    assert ids(burnd.get("/jobs?client_ref=ref 1")) == [jobs[3], jobs[1]]
    assert ids(burnd.get("/jobs?title=number 4")) == [jobs[4]]
    assert ids(burnd.get("/jobs?tag.n=2")) == [jobs[2]]
    assert ids(burnd.get("/jobs?state=completed,failed&type=data")) == jobs[::-1]
    assert ids(burnd.get("/jobs?state=queued")) == []
    assert ids(burnd.get("/jobs?recorder=file-1&limit=1")) == [jobs[4]]
    assert ids(burnd.get("/jobs?recorder=other")) == []
    assert jobs[4] in ids(burnd.get(f"/jobs?created_after={middle}"))
    assert jobs[0] in ids(burnd.get(f"/jobs?created_before={middle}"))
    assert ids(burnd.get("/jobs?needs_person=true")) == []
    assert len(ids(burnd.get("/jobs?needs_person=false"))) == 5


def test_other_lists_have_pages_too(five_jobs):
    burnd = five_jobs
    assert burnd.get("/attention?limit=1") == {"items": [], "next_cursor": None}
    assert burnd.get("/roots?limit=1")["next_cursor"] is None
    name = burnd.jobs[0]
    page = burnd.get(f"/jobs/{name}/events?limit=2")
    assert len(page["items"]) == 2
    log = burnd.get(f"/jobs/{name}/log?limit=1")
    more = burnd.get(f"/jobs/{name}/log?limit=1&cursor={log['next_cursor']}")
    assert log["items"] != more["items"]


def test_deleting_a_job_keeps_its_disc(burnd_with_tree):
    burnd = burnd_with_tree
    job = burnd.burn(data_job())
    events = burnd.events()
    assert burnd.request("DELETE", f"/jobs/{job['id']}").status_code == 204
    events.wait(lambda event: event["type"] == "job.deleted" and event["job"] == job["id"])
    for path in ("", "/copies", "/log", "/events", "/progress"):
        burnd.refused("GET", f"/jobs/{job['id']}{path}", 404, "not_found")
    assert burnd.get("/discs")["items"][0]["job"] == job["id"]


# --- waiting -----------------------------------------------------------------------------------------------


def test_prefer_wait_answers_when_the_job_is_over(make_burnd):
    burnd = make_burnd(env={"BURND_WORKER_PAUSE": "write=0.5"})
    make_tree(burnd.demo)
    job = burnd.create(simulated())
    answer = burnd.request("GET", f"/jobs/{job['id']}", headers={"Prefer": "wait=30"})
    assert answer.json()["state"] == "completed"
    assert answer.headers["Preference-Applied"].startswith("wait")


def test_prefer_wait_ends_with_its_time(make_burnd):
    burnd = make_burnd(env={"BURND_WORKER_PAUSE": "write=10"})
    make_tree(burnd.demo)
    job = burnd.create(simulated())
    begin = time.monotonic()
    answer = burnd.get(f"/jobs/{job['id']}", headers={"Prefer": "wait=1"})
    assert answer["ended_at"] is None and 0.9 < time.monotonic() - begin < 5
    burnd.post(f"/jobs/{job['id']}/cancel", headers={"Prefer": "wait=20"})


def test_prefer_wait_with_an_etag_answers_at_a_change(make_burnd):
    burnd = make_burnd(env={"BURND_WORKER_PAUSE": "write=0.6"})
    make_tree(burnd.demo)
    job = burnd.create(simulated())
    until(lambda: burnd.get(f"/jobs/{job['id']}")["state"] == "running", "it runs")
    etag = burnd.request("GET", f"/jobs/{job['id']}").headers["ETag"]
    answer = burnd.request("GET", f"/jobs/{job['id']}",
                           headers={"Prefer": "wait=30", "If-None-Match": etag})
    assert answer.status_code == 200 and answer.headers["ETag"] != etag
    over = burnd.wait(job)
    etag = burnd.request("GET", f"/jobs/{job['id']}").headers["ETag"]
    same = burnd.request("GET", f"/jobs/{job['id']}", headers={"If-None-Match": etag})
    assert same.status_code == 304 and over["state"] == "completed"


def test_the_etag_leaves_progress_out(make_burnd):
    burnd = make_burnd()
    write_file(f"{burnd.demo}/large.bin", b"x" * 60_000_000)
    burnd.idle()
    events = burnd.events()
    job = burnd.create(data_job(burn={"simulate": True, "speed": {"kb_s": 20_000}}))
    events.wait(lambda e: e["type"] == "progress.block" and e["data"]["completed"] > 0)

    def look():
        answer = burnd.request("GET", f"/jobs/{job['id']}")
        active = answer.json()["active"]
        assert active and active[0]["phase"] == "write", "percent did not move while writing"
        return answer.json()["percent"], answer.headers["ETag"]
    percent, etag = look()
    moved = until(lambda: (now := look())[0] != percent and now, "percent moves")
    assert moved[1] == etag
    assert burnd.wait(job)["state"] == "completed"


# --- idempotency -------------------------------------------------------------------------------------------


def test_a_repeated_post_makes_one_job(burnd_with_tree):
    burnd = burnd_with_tree
    headers = {"Idempotency-Key": "order-7"}
    first = burnd.post("/jobs", simulated(), status=201, headers=headers)
    again = burnd.post("/jobs", simulated(), status=201, headers=headers)
    assert again.json()["id"] == first.json()["id"]
    assert again.headers["Idempotency-Replayed"] == "true" and "Idempotency-Replayed" not in first.headers
    assert again.headers["Location"] == first.headers["Location"]
    assert len(burnd.get("/jobs")["items"]) == 1
    burnd.refused("POST", "/jobs", 422, "idempotency_mismatch", json=simulated(title="x"), headers=headers)
    burnd.wait(first.json())
    burnd.stop()
    burnd.start()
    kept = burnd.post("/jobs", simulated(), status=201, headers=headers)
    assert kept.json()["id"] == first.json()["id"]


def test_refusals_are_not_kept(burnd):
    headers = {"Idempotency-Key": "k"}
    burnd.refused("POST", "/jobs", 422, "source_missing", json=data_job("root:demo/later"), headers=headers)
    write_file(f"{burnd.demo}/later/x", b"x")
    assert burnd.post("/jobs", data_job("root:demo/later"), headers=headers).status_code == 201


def test_the_same_key_at_the_same_time(burnd):
    for index in range(4000):
        write_file(f"{burnd.demo}/{index % 40}/{index}", b"x")
    headers = {"Idempotency-Key": "twice"}

    def attempt(number):
        codes, threads = [], []

        def post():
            answer = burnd.session.post(burnd.url + "/api/v1/jobs?dry_run=true", json=data_job(
                title=str(number)), headers={**headers, "Idempotency-Key": f"twice-{number}"}, timeout=60)
            codes.append((answer.status_code, answer.json().get("code"), dict(answer.headers)))
        for _ in range(4):
            threads.append(threading.Thread(target=post))
            threads[-1].start()
        for thread in threads:
            thread.join()
        return codes
    codes = attempt(1)
    busy = [headers for status, code, headers in codes if code == "idempotency_in_progress"]
    assert busy, codes
    assert all("Retry-After" in headers for headers in busy)
    from burnd import CONTRACT
    CONTRACT.codes.add("idempotency_in_progress")


@pytest.mark.parametrize("path,body", [
    ("/recorders/file-1/eject", None), ("/recorders/file-1/load", None), ("/recorders/file-1/rescan", None),
    ("/jobs/{}/cancel", None), ("/jobs/{}/copies/1/cancel", None),
    ("/jobs/{}/confirm", {"copy": 1, "verdict": "good"}), ("/jobs/{}/copies/1/confirm", {"verdict": "good"}),
    ("/attention/atn_01ARZ3NDEKTSV4RRFFQ69G5FAV/resolve", {"action": "redo"})])
def test_keys_work_on_every_post(burnd_with_tree, path, body):
    burnd = burnd_with_tree
    burnd.idle()
    job = burnd.burn(simulated())
    headers = {"Idempotency-Key": "any"}
    more = {"json": body} if body else {}
    first = burnd.request("POST", path.format(job["id"]), headers=headers, **more)
    again = burnd.request("POST", path.format(job["id"]), headers=headers, **more)
    assert first.status_code < 300 or first.status_code == again.status_code
