# SPDX-License-Identifier: GPL-2.0-or-later
"""What burnd says after crashes, cancels and kills at awkward moments must be what is so.

A worker is held by BURND_WORKER_FREEZE: it stops itself when it enters the phase and goes on when the test
says so, however long what happens meanwhile takes."""
import os
import signal
from datetime import datetime

import pytest
from burnd import SANITIZED, assert_same_tree, data_job, is_blank, make_tree, noise, until, write_file

TERMINAL = ("completed", "completed_with_failures", "failed", "canceled")
PATIENT = ["--watchdog-factor", "10"]
NOW = {"Prefer": "wait=20"}


def is_stopped(pid):
    try:
        with open(f"/proc/{pid}/stat", encoding="utf-8") as file:
            return file.read().rsplit(")", 1)[1].split()[0] == "T"
    except OSError:
        return False


def frozen(burnd):
    """The pid of the worker that has stopped itself."""
    return until(lambda: [pid for pid in burnd.workers() if is_stopped(pid)], "a worker is held")[0]


def thaw(pid):
    os.kill(pid, signal.SIGCONT)


def start_frozen(make_burnd, phases, body=None, over=None, **settings):
    """A burnd, its job, and the worker that stands at the first of `phases`."""
    burnd = make_burnd(start=False, env={"BURND_WORKER_FREEZE": phases}, options=PATIENT, **settings)
    make_tree(burnd.demo)
    if over is not None:
        write_file(burnd.image, over)
    burnd.start()
    burnd.idle()
    job = burnd.create(body or data_job())
    return burnd, job, frozen(burnd)


def restart(burnd, killed=None, env=None):
    """kill -9 of burnd (and of a worker), and a new burnd on the same state."""
    burnd.kill()
    if killed is not None:
        os.kill(killed, signal.SIGKILL)
        until(lambda: killed not in burnd.workers(), "the worker is gone")
    burnd.env = env or {}
    burnd.start()


def wait_unknown(burnd, job):
    """The job once a person's verdict is asked for."""
    name = f"/jobs/{job['id']}"
    until(lambda: burnd.get(f"{name}/copies/1")["reasons"] == ["attempt_unknown"], "a verdict is asked for")
    return burnd.get(name)


def start_unknown(make_burnd, body=None, finishes=True, **settings):
    """burnd died in close; its worker went on alone, or died too."""
    burnd, job, pid = start_frozen(make_burnd, "close", body, **settings)
    if finishes:
        burnd.kill()
        thaw(pid)
        until(lambda: pid not in burnd.workers(), "the worker has ended by itself")
        burnd.env = {}
        burnd.start()
    else:
        restart(burnd, pid)
    job = wait_unknown(burnd, job)
    burnd.idle()
    return burnd, job


def confirm(burnd, job, verdict):
    return burnd.post(f"/jobs/{job['id']}/confirm", {"copy": 1, "verdict": verdict}, status=200).json()


def content(path):
    with open(path, "rb") as file:
        return file.read()


def claims(burnd, path):
    return [disc["id"] for disc in burnd.get("/discs")["items"] if disc["location"] == path]


def assert_nothing_after_the_end(burnd, job):
    """api.md: attempt.phase ended, then copy.state, then job.state."""
    told = [(event["type"], event["data"].get("phase"), event["data"].get("to"))
            for event in burnd.job_events(job)]
    end = next(i for i, event in enumerate(told) if event[0] == "job.state" and event[2] in TERMINAL)
    late = [event for event in told[end + 1:] if event[0] in ("attempt.phase", "copy.state", "job.state")]
    assert not late, f"told after the job's end: {late}"


# --- a disc whose end nobody saw ----------------------------------------------------------------------


@pytest.mark.parametrize("verdict,state,code", [("give_up", "failed", "interrupted"),
                                                ("redo", "failed", "medium_not_blank")])
def test_a_verdict_does_not_touch_the_next_disc(make_burnd, folder, verdict, state, code):
    first, job = start_unknown(make_burnd)
    assert first.post("/recorders/file-1/eject", headers=NOW).status_code == 200
    os.makedirs(f"{folder}/two")
    second = make_burnd(start=False, recorders=first.recorders)
    second.state_dir = f"{folder}/two"
    second.start()
    other = second.burn(data_job())
    before, disc = content(second.image), second.copy(other)["disc"]
    confirm(first, job, verdict)
    job = first.wait(job)
    assert job["state"] == state and first.copy(job)["problem"]["code"] == code
    first.idle()
    assert content(second.image) == before
    second.post("/recorders/file-1/rescan", headers=NOW)
    assert second.get(f"/discs/{disc}")["location"] == second.image
    assert second.idle()["medium"]["disc"] == disc


@pytest.mark.parametrize("verdict", ["give_up", "redo", "good"])
def test_the_next_job_waits_for_the_verdict_and_keeps_its_disc(make_burnd, folder, verdict):
    burnd, job = start_unknown(make_burnd)
    assert burnd.post("/recorders/file-1/eject", headers=NOW).status_code == 200
    other = burnd.create(data_job(title="Next"))
    until(lambda: burnd.get(f"/jobs/{other['id']}")["reasons"] == ["confirmation_required"], "it waits")
    confirm(burnd, job, verdict)
    assert burnd.wait(other)["state"] == "completed"
    assert burnd.wait(job)["state"] == ("failed" if verdict == "give_up" else "completed")
    burnd.idle()
    disc = burnd.copy(other)["disc"]
    where = burnd.get(f"/discs/{disc}")["location"]
    assert where and claims(burnd, where) == [disc]
    assert_same_tree(where, burnd.demo, f"{folder}/back")


def test_others_wait_for_the_verdict(make_burnd):
    burnd, job = start_unknown(make_burnd, data_job(copies=2), finishes=False)
    before = content(burnd.image)
    other = burnd.create(data_job())
    bold = burnd.create(data_job(burn={"force_overwrite": True}))
    for waiting in (other, bold):
        until(lambda w=waiting: burnd.get(f"/jobs/{w['id']}")["reasons"] == ["confirmation_required"],
              "it waits for the verdict")
        assert burnd.get(f"/jobs/{waiting['id']}")["needs_person"]
    assert burnd.copy(job, 2)["reasons"] == ["confirmation_required"]
    assert burnd.copy(job, 2)["attempts"] == 0 and content(burnd.image) == before
    confirm(burnd, job, "give_up")
    job = burnd.wait(job)
    assert job["state"] == "completed_with_failures", job["problem"]
    assert burnd.copy(job, 2)["state"] == "done"
    assert burnd.wait(other)["state"] == "completed"
    assert burnd.wait(bold)["state"] == "completed"


def test_a_good_disc_that_is_gone_lies_nowhere(make_burnd):
    burnd, job, pid = start_frozen(make_burnd, "close")
    burnd.kill()
    os.kill(pid, signal.SIGKILL)
    os.unlink(burnd.image)
    burnd.env = {}
    burnd.start()
    job = wait_unknown(burnd, job)
    assert burnd.idle()["medium"]["state"] == "blank"
    confirm(burnd, job, "good")
    assert burnd.wait(job)["state"] == "completed"
    assert burnd.get(f"/discs/{burnd.copy(job)['disc']}")["location"] is None


def test_a_good_disc_lies_where_it_was_left(make_burnd, folder):
    burnd, job = start_unknown(make_burnd)
    confirm(burnd, job, "good")
    disc = burnd.get(f"/discs/{burnd.copy(burnd.wait(job))['disc']}")
    assert disc["location"] == burnd.image and disc["verified"] == "none"
    assert_same_tree(burnd.image, burnd.demo, f"{folder}/back")


# --- cancel -------------------------------------------------------------------------------------------


@pytest.mark.parametrize("verdict,state", [("give_up", "canceled"), ("redo", "canceled"),
                                           ("good", "completed")])
def test_cancel_while_an_orphan_writes(make_burnd, verdict, state):
    burnd, job, pid = start_frozen(make_burnd, "close")
    restart(burnd)
    name = f"/jobs/{job['id']}"
    answer = burnd.post(f"{name}/cancel")
    assert answer.status_code in (200, 202) and answer.json()["state"] == "canceling", answer.text
    assert burnd.get(name)["ended_at"] is None and burnd.copy(job)["state"] not in ("canceled", "failed")
    assert burnd.recorder()["state"] == "busy"
    thaw(pid)
    job = wait_unknown(burnd, job)
    assert job["state"] == "canceling" and job["needs_person"]
    assert [item["code"] for item in burnd.get("/attention")["items"]] == ["confirm_outcome"]
    confirm(burnd, job, verdict)
    assert burnd.wait(job)["state"] == state
    assert burnd.copy(job)["state"] == ("done" if state == "completed" else "canceled")
    assert burnd.get("/attention")["items"] == []
    assert_nothing_after_the_end(burnd, job)


def test_waiting_for_a_canceled_job_is_answered_when_a_verdict_is_due(make_burnd):
    """`Prefer: wait` on a job is answered when it is terminal or needs a person."""
    burnd, job = start_unknown(make_burnd)
    burnd.post(f"/jobs/{job['id']}/cancel")
    assert burnd.get(f"/jobs/{job['id']}")["needs_person"]
    response = burnd.request("GET", f"/jobs/{job['id']}", headers={"Prefer": "wait=6"})
    assert response.json()["state"] == "canceling" and response.json()["needs_person"]
    assert response.elapsed.total_seconds() < 5
    confirm(burnd, job, "give_up")
    assert burnd.wait(job)["state"] == "canceled"


@pytest.mark.parametrize("verdict", ["redo", "give_up"])
def test_cancel_of_an_unknown_copy_still_needs_a_verdict(make_burnd, verdict):
    burnd, job = start_unknown(make_burnd)
    answer = burnd.post(f"/jobs/{job['id']}/copies/1/cancel")
    assert answer.status_code in (200, 202) and answer.json()["state"] == "waiting", answer.text
    assert burnd.copy(job)["reasons"] == ["attempt_unknown"]
    assert [item["code"] for item in burnd.get("/attention")["items"]] == ["confirm_outcome"]
    confirm(burnd, job, verdict)
    assert burnd.wait(job)["state"] == "canceled"
    assert burnd.copy(job)["state"] == "canceled" and burnd.copy(job)["attempts"] == 1


@pytest.mark.parametrize("what", ["", "/copies/1"])
@pytest.mark.parametrize("alone", [False, True])
def test_a_cancel_outlives_a_crash(make_burnd, what, alone):
    burnd = make_burnd(env={"BURND_WORKER_PAUSE": "stage=1.5"}, options=PATIENT)
    make_tree(burnd.demo)
    burnd.idle()
    events = burnd.events()
    job = burnd.create(data_job())
    events.wait_phase("stage")
    pid = burnd.worker()
    os.kill(pid, signal.SIGSTOP)  # or it would serve the cancel at once
    assert burnd.post(f"/jobs/{job['id']}{what}/cancel").status_code == 202
    if alone:
        restart(burnd)
        thaw(pid)
    else:
        restart(burnd, pid)
    job = burnd.wait(job)
    assert job["state"] == "canceled"
    assert burnd.copy(job)["state"] == "canceled" and burnd.copy(job)["attempts"] == 1
    assert burnd.attempt(job)["outcome"] == "unharmed"
    burnd.idle()
    assert is_blank(burnd.image)
    assert_nothing_after_the_end(burnd, job)


# --- kills at awkward moments -------------------------------------------------------------------------


@pytest.mark.parametrize("alone", [False, True])
def test_a_mismatch_stays_one_when_burnd_dies_while_it_tidies(make_burnd, alone):
    """The file is emptied by an operation of its own, whose phase is settle too."""
    burnd, job, pid = start_frozen(make_burnd, "settle,verify")
    thaw(pid)
    until(lambda: burnd.get(f"/jobs/{job['id']}/copies/1/attempts/1")["phase"] == "verify", "it verifies")
    until(lambda: pid not in burnd.workers(), "the burn has ended")
    verifier = frozen(burnd)
    with open(burnd.image, "r+b") as file:
        file.seek(os.path.getsize(burnd.image) // 2)
        file.write(b"not what was burned")
    thaw(verifier)
    until(lambda: verifier not in burnd.workers(), "the verification has ended")
    tidier = frozen(burnd)
    assert not burnd.recorder()["write_in_progress"]
    if alone:
        restart(burnd)
        thaw(tidier)
    else:
        restart(burnd, tidier)
    job = burnd.wait(job)
    assert job["state"] == "failed"
    assert burnd.copy(job)["problem"]["code"] == "verify_mismatch"
    assert burnd.attempt(job)["outcome"] in ("ruined", "unharmed")
    assert burnd.get("/attention")["items"] == [] and burnd.get("/discs")["items"] == []
    assert_nothing_after_the_end(burnd, job)
    again = burnd.burn(data_job())
    assert burnd.copy(again)["state"] == "done"


@pytest.mark.parametrize("worker", ["dies", "goes on before", "goes on after"])
def test_burnd_killed_in_eject(make_burnd, folder, worker):
    burnd, job, pid = start_frozen(make_burnd, "eject", data_job(after={"eject": True}))
    if worker == "dies":
        restart(burnd, pid)
    else:
        burnd.kill()
        if worker == "goes on before":
            thaw(pid)
            until(lambda: pid not in burnd.workers(), "the worker has ended by itself")
        burnd.env = {}
        burnd.start()
        if worker == "goes on after":
            thaw(pid)
    job = burnd.wait(job)
    assert job["state"] == "completed"
    registered = [event for event in burnd.job_events(job) if event["type"] == "disc.registered"]
    disc = burnd.copy(job)["disc"]
    assert [event["data"]["id"] for event in registered] == [disc]
    assert_nothing_after_the_end(burnd, job)
    burnd.idle()
    where = burnd.get(f"/discs/{disc}")["location"]
    assert where == (burnd.image if worker == "dies" else f"{burnd.image}.{disc}.iso")
    assert_same_tree(where, burnd.demo, f"{folder}/back")
    assert burnd.recorder()["medium"]["disc"] == (disc if worker == "dies" else None)


def test_a_worker_killed_in_write_writes_no_more(make_burnd):
    burnd, job, pid = start_frozen(make_burnd, "write,settle")
    events = burnd.events(since="oldest")
    events.wait_phase("write")
    assert burnd.recorder()["write_in_progress"]
    os.kill(pid, signal.SIGKILL)
    until(lambda: pid not in burnd.workers(), "the worker is gone")
    tidier = frozen(burnd)  # empties the file; nothing is burned meanwhile
    recorder = burnd.recorder()
    assert not recorder["write_in_progress"] and recorder["activity"] not in ("burning", "closing")
    thaw(tidier)
    assert burnd.wait(job)["state"] == "failed"
    events.wait(lambda e: e["type"] == "job.state" and e["data"]["to"] == "failed")
    told = [event for event in events.snapshot()
            if event["type"] in ("recorder.state", "attempt.phase", "copy.state", "job.state")]
    end = next(i for i, event in enumerate(told) if event["data"].get("phase") == "ended")
    writing = [event["data"]["write_in_progress"] for event in told[:end]
               if event["type"] == "recorder.state"]
    assert True in writing and writing[-1] is False
    tail = [event["type"] for event in told[end - 1:]]
    assert tail[:4] == ["recorder.state", "attempt.phase", "copy.state", "job.state"], tail


def test_a_stray_eject_is_ended_and_its_recorder_looked_at(make_burnd):
    burnd = make_burnd(options=PATIENT)
    make_tree(burnd.demo)
    disc = burnd.copy(burnd.burn(data_job()))["disc"]
    restart(burnd, env={"BURND_WORKER_FREEZE": "eject"})
    burnd.idle()
    assert burnd.post("/recorders/file-1/eject").status_code == 202
    pid = frozen(burnd)
    burnd.options = ["--watchdog-factor", "1" if SANITIZED else "0.3"]
    restart(burnd)
    until(lambda: burnd.recorder()["state"] == "busy", "the recorder is busy", limit_s=3)
    job = burnd.create(data_job(burn={"force_overwrite": True}, after={"eject": False}))
    until(lambda: burnd.get(f"/jobs/{job['id']}")["reasons"] == ["recorder_busy"], "it waits", limit_s=3)
    burnd.refused("POST", "/recorders/file-1/eject", 409, "recorder_busy")
    until(lambda: pid not in burnd.workers(), "the stray worker is ended")
    assert burnd.wait(job)["state"] == "completed"
    assert burnd.idle()["medium"]["disc"] == burnd.copy(job)["disc"]
    assert burnd.get(f"/discs/{disc}")["location"] is None
    assert claims(burnd, burnd.image) == [burnd.copy(job)["disc"]]


def test_a_copy_is_tried_again_after_a_lost_verification(make_burnd, folder):
    burnd, job, pid = start_frozen(make_burnd, "verify", data_job(on_failure={"attempts_per_copy": 3}))
    os.kill(pid, signal.SIGKILL)
    until(lambda: pid not in burnd.workers(), "the worker is gone")
    thaw(frozen(burnd))
    job = burnd.wait(job)
    assert job["state"] == "completed", job["problem"]
    assert burnd.copy(job)["attempts"] == 2
    assert burnd.attempt(job, 1, 1)["problem"]["code"] == "worker_lost"
    assert_same_tree(burnd.image, burnd.demo, f"{folder}/back")


def test_ruined_discs_are_counted_over_a_restart(make_burnd):
    body = data_job(copies=4, verify="none", burn={"force_overwrite": True},
                    on_failure={"max_ruined_discs": 2, "then": "hold"})
    burnd, job, pid = start_frozen(make_burnd, "write", body, over=noise(200_000))
    burnd.terminate()  # so that nothing new begins
    until(lambda: "stopping" in burnd.log(), "the signal was heard")
    os.kill(pid, signal.SIGKILL)
    assert burnd.ended() == 0
    burnd.start()
    assert burnd.attempt(job)["outcome"] == "ruined"
    os.kill(frozen(burnd), signal.SIGKILL)
    until(lambda: burnd.get(f"/jobs/{job['id']}")["state"] not in ("running", "queued"), "it does not go on")
    job = burnd.get(f"/jobs/{job['id']}")
    assert job["state"] == "held" and job["reasons"] == ["ruined_disc_limit"]
    assert [burnd.copy(job, n)["state"] for n in (1, 2, 3, 4)] == ["failed", "failed", "pending", "pending"]


@pytest.mark.skipif(SANITIZED, reason="a sanitized worker is too slow for tight limits")
def test_slow_is_not_silent(make_burnd):
    """libburn counts in pieces of 32 KiB, 4 s each here; 3 s of silence would end a fast burn."""
    burnd = make_burnd(options=["--watchdog-factor", "0.3"])
    image = noise(16 * 2048) + b"\1CD001\1" + noise(20 * 2048 - 7)
    write_file(f"{burnd.demo}/small.iso", image)
    job = burnd.burn({"type": "image", "image": {"from": "root:demo/small.iso"}, "verify": "none",
                      "burn": {"speed": {"kb_s": 8}}})
    assert content(burnd.image) == image
    write = next(record for record in burnd.attempt(job)["phases"] if record["phase"] == "write")
    seconds = datetime.fromisoformat(write["ended_at"]) - datetime.fromisoformat(write["started_at"])
    assert seconds.total_seconds() > 6, "it was not slow"
