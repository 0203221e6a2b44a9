# SPDX-License-Identifier: GPL-2.0-or-later
"""Sources that do not hold still: what changes between the walk and the read fails the job and is named;
nothing is ever filled up with zeros and called a success."""
import os
import shutil
import subprocess

import pytest
from burnd import NOBODY, data_job, is_blank, noise, write_file

VICTIM = "b-victim.bin"
SIZE = 3_000_000


def vanish(path):
    os.unlink(path)


def grow(path):
    with open(path, "ab") as file:
        file.write(b"more")


def shrink(path):
    os.truncate(path, SIZE // 2)


def empty(path):
    os.truncate(path, 0)


def replace(path):
    write_file(path + ".new", noise(SIZE, 77))
    os.rename(path + ".new", path)


def rewrite(path):
    with open(path, "r+b") as file:
        file.write(b"other")
    os.utime(path, (1_600_000_000, 1_600_000_000))


def become_folder(path):
    os.unlink(path)
    os.mkdir(path)


def become_link_out(path):
    os.unlink(path)
    os.symlink("/etc/passwd", path)


def become_pipe(path):
    os.unlink(path)
    os.mkfifo(path)


def become_unreadable(path):
    os.chmod(path, 0)


CHANGES = [vanish, grow, shrink, empty, replace, rewrite, become_folder, become_link_out, become_pipe]


def put_sources(burnd):
    """The first is large enough that reading ahead does not reach the second before the write."""
    for name, size, seed in (("a-first.bin", 48_000_000, 1), (VICTIM, SIZE, 2), ("c-last.bin", SIZE, 3)):
        write_file(f"{burnd.demo}/{name}", noise(size, seed))


@pytest.mark.parametrize("change", CHANGES, ids=lambda change: change.__name__)
def test_a_source_that_changes_before_it_is_read(make_burnd, change):
    burnd = make_burnd(env={"BURND_WORKER_PAUSE": "write=0.4"})
    put_sources(burnd)
    events = burnd.events()
    job = burnd.create(data_job())
    events.wait_phase("write")
    change(f"{burnd.demo}/{VICTIM}")
    job = burnd.wait(job)
    assert job["state"] == "failed", "success with changed data"
    problem = burnd.copy(job)["problem"]
    assert problem["code"] in ("source_changed", "source_missing", "source_unreadable"), problem
    assert VICTIM in problem["detail"], problem
    assert problem["user_action"] == "fix_source"
    attempt = burnd.attempt(job)
    assert attempt["outcome"] == "unharmed" and attempt["advice"] == "reuse"
    assert is_blank(burnd.image)
    assert burnd.get("/discs")["items"] == []


@pytest.mark.parametrize("change", [grow, shrink], ids=lambda change: change.__name__)
def test_a_source_that_changes_while_it_is_read(make_burnd, change):
    burnd = make_burnd()
    write_file(f"{burnd.demo}/{VICTIM}", noise(40_000_000, 2))
    events = burnd.events()
    job = burnd.create(data_job(burn={"speed": {"kb_s": 20000}}))
    events.wait(lambda e: e["type"] == "progress.block" and e["data"]["completed"] > 0, "writing")
    change(f"{burnd.demo}/{VICTIM}")
    job = burnd.wait(job)
    assert job["state"] == "failed"
    problem = burnd.copy(job)["problem"]
    assert problem["code"] == "source_changed" and VICTIM in problem["detail"], problem
    assert is_blank(burnd.image)


def test_a_source_that_becomes_unreadable(make_burnd):
    burnd = make_burnd(user=NOBODY, env={"BURND_WORKER_PAUSE": "write=0.4"})
    put_sources(burnd)
    events = burnd.events()
    job = burnd.create(data_job())
    events.wait_phase("write")
    become_unreadable(f"{burnd.demo}/{VICTIM}")
    job = burnd.wait(job)
    assert job["state"] == "failed"
    problem = burnd.copy(job)["problem"]
    assert problem["code"] in ("source_unreadable", "source_changed") and VICTIM in problem["detail"]


def test_a_folder_replaced_by_a_link_out_between_check_and_open(make_burnd, folder):
    burnd = make_burnd(env={"BURND_WORKER_PAUSE": "assess=0.4"})
    write_file(f"{burnd.demo}/inner/file.txt", b"inside")
    write_file(f"{folder}/secret/file.txt", b"top secret")
    events = burnd.events()
    job = burnd.create(data_job("root:demo/inner"))
    events.wait_phase("assess")
    shutil.rmtree(f"{burnd.demo}/inner")
    os.symlink("../secret", f"{burnd.demo}/inner")
    job = burnd.wait(job)
    assert job["state"] == "failed"
    assert burnd.copy(job)["problem"]["code"] in ("source_outside_root", "source_changed")
    assert is_blank(burnd.image)


def test_what_changed_before_the_walk_is_burned_as_it_is_then(make_burnd, folder):
    burnd = make_burnd(env={"BURND_WORKER_PAUSE": "assess=0.4"})
    put_sources(burnd)
    events = burnd.events()
    job = burnd.create(data_job())
    events.wait_phase("assess")
    write_file(f"{burnd.demo}/{VICTIM}", b"new content")
    assert burnd.wait(job)["state"] == "completed"
    out = subprocess.run(["bsdtar", "-x", "-O", "-f", burnd.image, VICTIM], capture_output=True, check=True)
    assert out.stdout == b"new content"


def test_a_second_copy_must_equal_the_first(make_burnd):
    burnd = make_burnd(env={"BURND_WORKER_PAUSE": "assess=0.4"})
    put_sources(burnd)
    events = burnd.events()
    job = burnd.create(data_job(copies=2))
    events.wait(lambda e: e["type"] == "attempt.phase" and e["copy"] == 2 and e["data"]["phase"] == "assess")
    write_file(f"{burnd.demo}/{VICTIM}", noise(SIZE, 99))
    job = burnd.wait(job)
    assert job["state"] == "completed_with_failures"
    assert burnd.copy(job, 2)["problem"]["code"] == "source_changed"


@pytest.fixture
def small_disk(folder):
    """A file system of 24 MiB."""
    place = os.path.join(folder, "small")
    os.makedirs(place)
    made = os.geteuid() == 0 and subprocess.run(
        ["mount", "-t", "tmpfs", "-o", "size=24m", "tmpfs", place], capture_output=True, check=False)
    if not made or made.returncode != 0:
        pytest.skip("mounting a small file system needs root")
    yield place
    subprocess.run(["umount", "-l", place], check=True)


def test_a_disk_that_fills_up_in_the_burn(make_burnd, small_disk):
    burnd = make_burnd(recorders=[f"file:{small_disk}/disc.iso,id=file-1"],
                       env={"BURND_WORKER_PAUSE": "write=0.4"})
    write_file(f"{burnd.demo}/large.bin", noise(16_000_000))
    events = burnd.events()
    job = burnd.create(data_job())
    events.wait_phase("write")
    write_file(f"{small_disk}/filler", noise(16_000_000))
    job = burnd.wait(job)
    assert job["state"] == "failed"
    problem = burnd.copy(job)["problem"]
    assert problem["code"] in ("write_error", "flush_failed", "burn_not_confirmed", "close_failed"), problem
    assert problem["user_action"] == "free_space", problem
    assert burnd.attempt(job)["outcome"] == "unharmed"
    os.unlink(f"{small_disk}/filler")
    burnd.burn(data_job())


def test_a_disk_that_is_full_before_the_burn(make_burnd, small_disk):
    burnd = make_burnd(recorders=[f"file:{small_disk}/disc.iso,id=file-1"])
    write_file(f"{small_disk}/filler", noise(20_000_000))
    write_file(f"{burnd.demo}/large.bin", noise(16_000_000))
    burnd.post("/recorders/file-1/rescan", headers={"Prefer": "wait=10"})
    burnd.refused("POST", "/jobs", 422, "does_not_fit", json=data_job(target={"recorder": "file-1"}))
    job = burnd.create(data_job(target={"recorder": "any", "on_wrong_medium": "wait"}))
    job = burnd.wait(job, until_terminal=False)
    assert job["reasons"] == ["medium_too_small"] or job["problem"]["code"] == "medium_too_small"
