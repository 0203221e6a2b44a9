# SPDX-License-Identifier: GPL-2.0-or-later
"""What burnd says when hands move, replace or remove the image file must be what is so, and nothing that is
not its own may be changed."""
import glob
import os

import pytest
from burnd import NOBODY, data_job, is_blank, make_tree, noise, until, write_file
from test_truth import NOW, claims, content, frozen, start_frozen, thaw

MINE = noise(500_000, 9)
STORED_BY_TIME = ".[0-9]*T[0-9]*Z.iso"


def lay(burnd, bytes_=MINE):
    """A person moves a file of their own to where the image is."""
    mine = write_file(f"{burnd.folder}/mine", bytes_)
    os.replace(mine, burnd.image)


def eject(burnd):
    return burnd.post("/recorders/file-1/eject", headers=NOW)


# --- while a job runs ---------------------------------------------------------------------------------


@pytest.mark.parametrize("size", ["other", "same"])
def test_a_file_laid_there_before_the_verification(make_burnd, size):
    burnd, job, pid = start_frozen(make_burnd, "verify")
    mine = noise(os.path.getsize(burnd.image), 9) if size == "same" else MINE
    lay(burnd, mine)
    thaw(pid)
    job = burnd.wait(job)
    assert job["state"] == "failed"
    assert burnd.attempt(job)["outcome"] != "unharmed" and burnd.get("/discs")["items"] == []
    assert burnd.idle()["medium"]["state"] != "blank"
    assert content(burnd.image) == mine


@pytest.mark.parametrize("phase", ["write", "close", "settle"])
@pytest.mark.parametrize("what", ["link", "file"])
@pytest.mark.parametrize("verify", ["full", "none"])
def test_a_path_replaced_while_it_is_burned(make_burnd, phase, what, verify):
    burnd, job, pid = start_frozen(make_burnd, phase, data_job(verify=verify))
    check_replaced(burnd, job, what, lambda: thaw(pid))


@pytest.mark.parametrize("what", ["link", "file"])
def test_a_path_replaced_while_it_is_staged(make_burnd, what):
    burnd = make_burnd(env={"BURND_WORKER_PAUSE": "stage=1.5"})  # the plan has this phase too
    make_tree(burnd.demo)
    burnd.idle()
    events = burnd.events()
    job = burnd.create(data_job())
    events.wait_phase("stage")
    check_replaced(burnd, job, what, lambda: None)


def check_replaced(burnd, job, what, go_on):
    target = write_file(f"{burnd.out}/mine.dat", MINE)
    if what == "link":
        os.unlink(burnd.image)
        os.symlink(target, burnd.image)
    else:
        os.replace(target, burnd.image)
        target = burnd.image
    go_on()
    job = burnd.wait(job)
    assert content(target) == MINE
    assert what == "file" or os.readlink(burnd.image) == target
    assert job["state"] == "failed" and burnd.get("/discs")["items"] == []
    told = burnd.copy(job)["problem"]["code"]
    assert told in ("medium_changed", "medium_unsupported", "burn_not_confirmed")
    until(lambda: burnd.recorder()["state"] == "idle", "the recorder is idle")
    medium = burnd.recorder()["medium"]
    assert medium is None or medium["state"] != "blank"


@pytest.mark.parametrize("verify", ["none", "full"])
def test_a_file_removed_before_it_is_looked_at(make_burnd, verify):
    burnd, job, pid = start_frozen(make_burnd, "settle", data_job(verify=verify))
    os.unlink(burnd.image)
    thaw(pid)
    job = burnd.wait(job)
    assert job["state"] == "failed" and burnd.get("/discs")["items"] == []
    assert burnd.idle()["medium"]["state"] == "blank"


def test_what_is_verified_with_a_fault_is_never_told_as_equal(make_burnd):
    burnd, job, pid = start_frozen(make_burnd, "verify")
    for index in range(6):
        items = burnd.get(f"/jobs/{job['id']}/items?limit=500")["items"]
        files = [item for item in items if item["kind"] == "file" and item["block_count"]]
        chosen = max(files, key=lambda item: item["last_block"]) if index % 2 else files[index % len(files)]
        with open(burnd.image, "r+b") as file:
            file.seek(chosen["first_block"] * 2048)
            byte = file.read(1)[0]
            file.seek(chosen["first_block"] * 2048)
            file.write(bytes([byte ^ 1]))
        thaw(pid)
        job = burnd.wait(job)
        assert job["state"] == "failed"
        problem = burnd.copy(job)["problem"]
        assert problem["code"] == "verify_mismatch" and chosen["path"] in problem["detail"]
        ends = [event["data"] for event in burnd.job_events(job) if event["type"] == "progress.verify"
                and event["data"]["completed"] == event["data"]["total"]]
        assert all(data["mismatched_files"] == 1 for data in ends), ends
        assert burnd.get(f"/jobs/{job['id']}/progress")["copies"][0]["verify"]["mismatched_files"] == 1
        assert is_blank(burnd.image)
        if index < 5:
            job = burnd.create(data_job())
            pid = frozen(burnd)


def test_a_file_laid_there_before_the_eject_gets_no_discs_name(make_burnd):
    burnd, job, pid = start_frozen(make_burnd, "eject", data_job(after={"eject": True}))
    lay(burnd)
    thaw(pid)
    job = burnd.wait(job)
    burnd.idle()
    for disc in burnd.get("/discs")["items"]:
        assert disc["location"] is None, disc
        assert not os.path.exists(f"{burnd.image}.{disc['id']}.iso")
    found = [path for path in glob.glob(f"{burnd.out}/*") if content(path) == MINE]
    assert len(found) == 1


# --- a job for the medium that another one leaves -----------------------------------------------------


def test_a_waiting_job_runs_when_another_one_left_a_blank(make_burnd):
    burnd = make_burnd(start=False)
    make_tree(burnd.demo)
    write_file(burnd.image, noise(200_000))
    burnd.start()
    waiting = burnd.create(data_job(target={"recorder": "file-1", "on_wrong_medium": "wait"}))
    until(lambda: burnd.get(f"/jobs/{waiting['id']}")["reasons"] == ["medium_not_blank"], "it waits")
    burnd.burn(data_job(burn={"force_overwrite": True}, after={"eject": True}))
    assert burnd.wait(waiting)["state"] == "completed"
    assert burnd.get("/attention")["items"] == []


# --- the register and eject ---------------------------------------------------------------------------


def test_an_ejected_disc_keeps_what_was_known_of_it(burnd_with_tree):
    burnd = burnd_with_tree
    job = burnd.burn(data_job(title="Twice", copies=2, after={"eject": True}))
    discs = [burnd.get(f"/discs/{burnd.copy(job, n)['disc']}") for n in (1, 2)]
    for disc in discs:
        assert disc["volume_id"] and disc["fingerprint"] and disc["profile"] == "stdio", disc
        assert disc["location"] == f"{burnd.image}.{disc['id']}.iso" and os.path.exists(disc["location"])
    assert discs[0]["volume_id"] == discs[1]["volume_id"]
    assert burnd.idle()["medium"]["state"] == "blank"


def assert_disc_stayed(burnd, disc, before):
    burnd.idle()
    assert content(burnd.image) == before
    assert burnd.get(f"/discs/{disc}")["location"] == burnd.image
    assert burnd.recorder()["medium"]["disc"] == disc


def test_an_eject_onto_another_file_moves_nothing(burnd_with_tree):
    burnd = burnd_with_tree
    disc = burnd.copy(burnd.burn(data_job()))["disc"]
    before, other = content(burnd.image), write_file(f"{burnd.image}.{disc}.iso", b"somebody's")
    assert burnd.post("/recorders/file-1/eject").status_code == 202
    assert_disc_stayed(burnd, disc, before)
    assert content(other) == b"somebody's"
    problem = eject(burnd).json()
    assert problem["code"] == "target_conflict" and other in problem["detail"]
    assert_disc_stayed(burnd, disc, before)


@pytest.mark.skipif(os.geteuid() != 0, reason="needs another user")
def test_an_eject_in_a_folder_that_is_not_ours_moves_nothing(make_burnd):
    burnd = make_burnd(user=NOBODY)
    make_tree(burnd.demo)
    disc = burnd.copy(burnd.burn(data_job()))["disc"]
    before = content(burnd.image)
    os.chown(burnd.out, 0, 0)
    assert burnd.post("/recorders/file-1/eject").status_code == 202
    assert_disc_stayed(burnd, disc, before)
    assert os.listdir(burnd.out) == ["disc.iso"]
    problem = eject(burnd).json()
    assert problem["user_action"] != "discard_medium", "the disc is good"
    assert_disc_stayed(burnd, disc, before)


def test_an_eject_of_what_was_laid_over_a_disc(burnd_with_tree):
    burnd = burnd_with_tree
    disc = burnd.copy(burnd.burn(data_job()))["disc"]
    lay(burnd)
    assert eject(burnd).status_code == 200
    assert not os.path.exists(f"{burnd.image}.{disc}.iso")
    assert burnd.get(f"/discs/{disc}")["location"] is None
    stored = glob.glob(burnd.image + STORED_BY_TIME)
    assert len(stored) == 1 and content(stored[0]) == MINE
    assert burnd.idle()["medium"]["state"] == "blank"


def test_an_eject_of_what_was_laid_into_a_blank(burnd):
    assert burnd.idle()["medium"]["state"] == "blank"
    lay(burnd)
    answer = eject(burnd)
    assert answer.status_code == 200 and answer.json()["medium"]["state"] == "blank"
    assert not os.path.exists(burnd.image)
    stored = glob.glob(burnd.image + STORED_BY_TIME)
    assert len(stored) == 1 and content(stored[0]) == MINE
    assert burnd.get("/discs")["items"] == []


def test_what_is_no_file_is_an_unsupported_medium(make_burnd):
    burnd = make_burnd(start=False)
    target = write_file(f"{burnd.out}/mine.dat", MINE)
    os.symlink(target, burnd.image)
    burnd.start()
    until(lambda: burnd.recorder()["state"] == "idle", "the recorder is idle")
    assert burnd.post("/recorders/file-1/rescan", headers=NOW).status_code == 200
    assert burnd.recorder()["medium"]["state"] == "unsupported"
    burnd.refused("POST", "/recorders/file-1/eject", 409, "operation_unsupported", headers=NOW)
    assert os.readlink(burnd.image) == target and content(target) == MINE


@pytest.mark.parametrize("overwritten", [False, True])
def test_one_disc_lies_in_one_place(burnd_with_tree, overwritten):
    burnd = burnd_with_tree
    first = burnd.burn(data_job(title="First"))
    if not overwritten:
        os.unlink(burnd.image)
    second = burnd.burn(data_job(title="Second", burn={"force_overwrite": overwritten}))
    assert claims(burnd, burnd.image) == [burnd.copy(second)["disc"]]
    assert burnd.get(f"/discs/{burnd.copy(first)['disc']}")["location"] is None
    assert burnd.idle()["medium"]["disc"] == burnd.copy(second)["disc"]


def test_copies_of_one_tree_are_equal(burnd_with_tree):
    """Each copy is laid out anew: what a heap address decides differs once in some twenty copies."""
    burnd = burnd_with_tree
    job = burnd.wait(burnd.create(data_job(copies=50, verify="none", after={"eject": True})))
    assert job["state"] == "completed", job["problem"]["detail"]
