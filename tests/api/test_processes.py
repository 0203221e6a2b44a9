# SPDX-License-Identifier: GPL-2.0-or-later
"""Processes that die, hang or are told to go: a worker in each phase, burnd in mid-burn, both."""
import os
import signal
import subprocess
import threading

import pytest
from burnd import PROGRAM, SANITIZED, assert_same_tree, data_job, is_blank, make_tree, noise, until, write_file

PHASES = ["acquire", "assess", "stage", "write", "flush", "close", "settle", "verify"]


def start_in_phase(make_burnd, phase, body=None, pause=3, **settings):
    """A burnd whose job lingers at the start of `phase`."""
    burnd = make_burnd(env={"BURND_WORKER_PAUSE": f"{phase}={pause}"}, **settings)
    make_tree(burnd.demo)
    burnd.idle()
    events = burnd.events()
    job = burnd.create(body or data_job())
    events.wait_phase(phase)
    return burnd, job, events


@pytest.mark.parametrize("phase", PHASES)
def test_a_worker_killed(make_burnd, phase):
    burnd, job, events = start_in_phase(make_burnd, phase)
    os.kill(burnd.worker(), signal.SIGKILL)
    job = burnd.wait(job)
    assert job["state"] == "failed"
    copy, attempt = burnd.copy(job), burnd.attempt(job)
    assert copy["problem"]["code"] == "worker_lost" and copy["problem"]["retryable"]
    if phase in ("settle", "verify"):
        assert attempt["outcome"] == "unknown" and attempt["advice"] == "check"
    else:
        assert attempt["outcome"] == "unharmed"
        assert is_blank(burnd.image)
    assert burnd.idle()["state"] == "idle" and not burnd.recorder()["write_in_progress"]
    ended = events.wait_phase("ended")
    assert ended["data"]["problem"]["code"] == "worker_lost"
    assert not burnd.workers()


def test_a_copy_is_tried_again_after_a_lost_worker(make_burnd, folder):
    burnd, job, events = start_in_phase(
        make_burnd, "write", data_job(on_failure={"attempts_per_copy": 2}), pause=0.5)
    os.kill(burnd.worker(), signal.SIGKILL)
    job = burnd.wait(job)
    assert job["state"] == "completed" and burnd.copy(job)["attempts"] == 2
    assert burnd.attempt(job, 1, 1)["problem"]["code"] == "worker_lost"
    assert burnd.attempt(job, 1, 2)["outcome"] == "good"
    assert_same_tree(burnd.image, burnd.demo, f"{folder}/back")
    assert events.trouble is None


def test_a_ruined_disc_holds_the_other_copies(make_burnd):
    burnd = make_burnd(env={"BURND_WORKER_PAUSE": "flush=3"})
    make_tree(burnd.demo)
    write_file(burnd.image, noise(200_000))
    events = burnd.events()
    job = burnd.create(data_job(copies=2, burn={"force_overwrite": True},
                                on_failure={"max_ruined_discs": 1, "then": "hold"}))
    events.wait_phase("flush")
    os.kill(burnd.worker(), signal.SIGKILL)
    until(lambda: burnd.get(f"/jobs/{job['id']}")["state"] == "held", "the job is held")
    assert burnd.attempt(job)["outcome"] == "ruined"
    assert burnd.get(f"/jobs/{job['id']}")["reasons"] == ["ruined_disc_limit"]
    item = burnd.get("/attention")["items"][0]
    assert item["code"] == "ruined_disc_limit" and item["job"] == job["id"]
    answer = burnd.post(f"/attention/{item['id']}/resolve", {"action": "give_up"}, status=200)
    assert answer.json()["id"] == item["id"]
    assert burnd.wait(job)["state"] in ("canceled", "failed")
    burnd.refused("POST", f"/attention/{item['id']}/resolve", 409, "attention_cleared",
                  json={"action": "give_up"})


def test_a_plan_worker_killed_is_told_at_once(make_burnd):
    burnd = make_burnd(env={"BURND_WORKER_PAUSE": "stage=20"})
    make_tree(burnd.demo)
    burnd.idle()
    killer = threading.Thread(target=lambda: os.kill(burnd.worker(), signal.SIGKILL))
    killer.start()
    burnd.refused("POST", "/jobs", 500, "worker_lost", json=data_job())
    killer.join()
    assert burnd.get("/jobs")["items"] == []


def test_a_plan_that_takes_long_goes_on_after_the_answer(make_burnd):
    burnd = make_burnd(env={"BURND_WORKER_PAUSE": "stage=2.5"})
    make_tree(burnd.demo)
    burnd.idle()
    job = burnd.create(data_job(burn={"simulate": True}))
    assert job["state"] == "preparing"
    burnd.refused("GET", f"/jobs/{job['id']}/plan", 409, "not_ready")
    until(lambda: burnd.get(f"/jobs/{job['id']}")["state"] != "preparing", "the plan is made")
    assert burnd.get(f"/jobs/{job['id']}/plan")["ok"]
    burnd.post(f"/jobs/{job['id']}/cancel", headers={"Prefer": "wait=10"})


def test_a_plan_worker_that_hangs_is_ended(make_burnd):
    burnd = make_burnd(env={"BURND_WORKER_PAUSE": "stage=20"}, options=["--watchdog-factor", "0.02"])
    make_tree(burnd.demo)
    burnd.idle()
    burnd.refused("POST", "/jobs", 500, "worker_stalled", json=data_job())
    assert not burnd.workers()


@pytest.mark.skipif(SANITIZED, reason="a sanitized worker is too slow for tight limits")
@pytest.mark.parametrize("phase", ["write", "verify"])
def test_a_stopped_worker_is_found_and_ended(make_burnd, phase):
    burnd, job, _ = start_in_phase(make_burnd, phase, pause=20, options=["--watchdog-factor", "0.1"])
    pid = burnd.worker()
    os.kill(pid, signal.SIGSTOP)
    job = burnd.wait(job, limit_s=20)
    assert job["state"] == "failed"
    problem = burnd.copy(job)["problem"]
    assert problem["code"] == "worker_stalled" and problem["user_action"] == "check_recorder"
    until(lambda: pid not in burnd.workers(), "the worker is gone")
    assert burnd.idle()["state"] in ("idle", "quarantined")


@pytest.mark.parametrize("phase", PHASES)
def test_cancel(make_burnd, phase):
    burnd, job, events = start_in_phase(make_burnd, phase, pause=2.5)
    running = burnd.get(f"/jobs/{job['id']}")
    assert running["state"] == "running" and running["cancel"] == "safe"
    first = burnd.post(f"/jobs/{job['id']}/cancel")
    assert first.status_code in (200, 202)
    again = burnd.post(f"/jobs/{job['id']}/cancel", headers={"Prefer": "wait=20"})
    assert again.status_code == 200
    job = burnd.wait(job)
    assert job["state"] == "canceled"
    assert burnd.copy(job)["state"] == "canceled"
    attempt = burnd.attempt(job)
    assert attempt["outcome"] in ("unharmed", "good", "unknown")
    if phase not in ("settle", "verify"):
        assert attempt["outcome"] == "unharmed" and is_blank(burnd.image)
    assert burnd.idle()["state"] == "idle"
    events.wait(lambda e: e["type"] == "job.state" and e["data"]["to"] == "canceling")


def test_cancel_over_a_written_file_says_what_it_costs(make_burnd):
    burnd = make_burnd(start=False, env={"BURND_WORKER_PAUSE": "write=5"})
    make_tree(burnd.demo)
    write_file(burnd.image, noise(200_000))
    burnd.start()
    events = burnd.events()
    job = burnd.create(data_job(burn={"force_overwrite": True}))
    assert events.wait_phase("write")["data"]["cancel"] == "ruins_disc"
    burnd.post(f"/jobs/{job['id']}/cancel", headers={"Prefer": "wait=20"})
    assert burnd.wait(job)["state"] == "canceled"


def test_cancel_of_one_copy_leaves_the_others(make_burnd):
    burnd, job, _ = start_in_phase(make_burnd, "write", data_job(copies=3), pause=0.3)
    answer = burnd.post(f"/jobs/{job['id']}/copies/3/cancel")
    assert answer.json()["state"] == "canceled"
    job = burnd.wait(job)
    assert [burnd.copy(job, n)["state"] for n in (1, 2, 3)] == ["done", "done", "canceled"]
    assert job["state"] == "completed_with_failures"


def test_a_running_job_is_not_deleted(make_burnd):
    burnd, job, _ = start_in_phase(make_burnd, "stage", pause=0.5)
    burnd.refused("DELETE", f"/jobs/{job['id']}", 409, "job_not_terminal")
    burnd.refused("GET", f"/jobs/{job['id']}/items", 409, "not_ready")
    burnd.refused("POST", f"/jobs/{job['id']}/confirm", 409, "nothing_to_confirm",
                  json={"copy": 1, "verdict": "good"})
    assert burnd.wait(job)["state"] == "completed"


# --- burnd itself ---------------------------------------------------------------------------------------------


@pytest.mark.parametrize("verdict,state", [("good", "completed"), ("redo", "completed"),
                                           ("give_up", "failed")])
def test_burnd_killed_while_its_worker_finishes_alone(make_burnd, folder, verdict, state):
    burnd, job, _ = start_in_phase(make_burnd, "flush", pause=2)
    pid = burnd.worker()
    burnd.kill()
    burnd.env = {}
    burnd.start()
    recorder = burnd.recorder()
    assert recorder["state"] == "busy", recorder
    second = burnd.create(data_job(burn={"simulate": True}))
    assert burnd.get(f"/jobs/{second['id']}")["reasons"] == ["recorder_busy"]
    until(lambda: pid not in burnd.workers(), "the worker has ended by itself")
    burnd.post(f"/jobs/{second['id']}/cancel")
    job = burnd.wait(job, until_terminal=False)
    assert job["state"] == "waiting" and job["reasons"] == ["attempt_unknown"]
    assert burnd.attempt(job)["outcome"] == "unknown"
    assert_same_tree(burnd.image, burnd.demo, f"{folder}/back")
    item = burnd.get("/attention")["items"][0]
    assert item["code"] == "confirm_outcome"
    assert {"accept_good", "redo", "give_up"} <= {action["action"] for action in item["actions"]}
    if verdict == "redo":
        burnd.post("/recorders/file-1/eject", headers={"Prefer": "wait=10"})
        burnd.post(f"/jobs/{job['id']}/copies/1/confirm", {"verdict": verdict}, status=200)
    else:
        burnd.post(f"/jobs/{job['id']}/confirm", {"copy": 1, "verdict": verdict}, status=200)
    job = burnd.wait(job)
    assert job["state"] == state, job["problem"]
    assert burnd.get("/attention")["items"] == []
    assert burnd.copy(job)["attempts"] == (2 if verdict == "redo" else 1)


def test_burnd_and_its_worker_killed_together(make_burnd):
    burnd, job, _ = start_in_phase(make_burnd, "flush", pause=10)
    pid = burnd.worker()
    burnd.kill()
    os.kill(pid, signal.SIGKILL)
    burnd.env = {}
    burnd.start()
    job = burnd.wait(job, until_terminal=False)
    assert job["state"] == "waiting" and job["reasons"] == ["attempt_unknown"]
    burnd.idle()
    burnd.post(f"/jobs/{job['id']}/confirm", {"copy": 1, "verdict": "give_up"}, status=200)
    job = burnd.wait(job)
    assert job["state"] == "failed" and burnd.copy(job)["problem"]["code"] == "interrupted"


@pytest.mark.parametrize("phase", ["acquire", "stage"])
def test_burnd_killed_before_the_write_begins_anew(make_burnd, folder, phase):
    burnd, job, _ = start_in_phase(make_burnd, phase, pause=1)
    burnd.kill()
    burnd.env = {}
    burnd.start()
    job = burnd.wait(job)
    assert job["state"] == "completed"
    assert_same_tree(burnd.image, burnd.demo, f"{folder}/back")


def test_jobs_events_and_discs_outlive_a_restart(make_burnd):
    burnd = make_burnd()
    make_tree(burnd.demo)
    job = burnd.burn(data_job(title="Kept"))
    before = burnd.job_events(job)
    disc, seq = burnd.get("/discs")["items"], burnd.get("/info")
    burnd.kill()
    burnd.start()
    assert burnd.get(f"/jobs/{job['id']}") == job
    assert burnd.job_events(job) == before
    assert burnd.get("/discs")["items"] == disc
    after = burnd.get("/info")
    assert after["epoch"] == seq["epoch"] and after["seq"] >= seq["seq"]
    assert burnd.idle()["medium"]["disc"] == disc[0]["id"]


def test_a_stop_waits_for_what_runs_and_keeps_the_rest(make_burnd):
    burnd, job, _ = start_in_phase(make_burnd, "write", pause=1)
    waiting = burnd.create(data_job(burn={"simulate": True}))
    live = burnd.websocket()
    burnd.terminate()
    until(lambda: live.of_type("server.shutting_down"), "the stop is told")
    assert burnd.ended() == 0
    live.wait_over()
    assert live.close_code == 1001
    burnd.env = {}
    burnd.start()
    assert burnd.get(f"/jobs/{job['id']}")["state"] == "completed"
    assert burnd.wait(waiting)["state"] == "completed"


def test_no_new_jobs_while_stopping(make_burnd):
    burnd, _, _ = start_in_phase(make_burnd, "write", pause=1)
    burnd.terminate()
    until(lambda: burnd.request("POST", "/jobs", json=data_job()).status_code == 503, "jobs are refused")
    assert burnd.ended() == 0


def test_a_second_stop_cancels(make_burnd):
    burnd, job, _ = start_in_phase(make_burnd, "write", pause=30)
    burnd.terminate()
    until(lambda: "stopping" in burnd.log(), "the first signal was heard")
    burnd.terminate()
    assert burnd.ended(20) == 0
    burnd.env = {}
    burnd.start()
    assert burnd.get(f"/jobs/{job['id']}")["state"] == "canceled"
    assert burnd.attempt(job)["outcome"] == "unharmed"
    assert burnd.idle()["medium"]["state"] == "blank"


def test_a_second_burnd_on_the_same_state_is_refused(burnd):
    second = subprocess.run(burnd.arguments(), capture_output=True, text=True, timeout=20, check=False,
                            env=burnd.environment())
    assert second.returncode == 2 and second.stdout == ""
    assert burnd.state_dir in second.stderr
    assert burnd.get("/healthz")["status"] == "ok"


def test_two_state_directories_may_name_one_file(make_burnd, folder):
    first, job, _ = start_in_phase(make_burnd, "write", pause=2)
    os.makedirs(f"{folder}/two")
    second = make_burnd(start=False, recorders=first.recorders)
    second.state_dir = f"{folder}/two"
    second.start()
    other = second.create(data_job(target={"recorder": "file-1", "on_wrong_medium": "fail"}))
    def noticed():
        now = second.get(f"/jobs/{other['id']}")
        return "recorder_in_use" in now["reasons"] or now["problem"]
    until(noticed, "the lock is noticed")
    assert first.wait(job)["state"] == "completed"
    other = second.wait(other, until_terminal=False)
    assert other["state"] != "completed", "one file was burned twice"


def test_the_program_is_there():
    assert os.access(PROGRAM, os.X_OK)
