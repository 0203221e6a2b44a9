# SPDX-License-Identifier: GPL-2.0-or-later
"""Sources that change, disks that fill, cancels, kills, a burnd that dies."""

import os
import signal
import subprocess
import time

import pytest

from worker import Worker, entry, request

SLOW = {"kind": "kb_s", "value": 4000}
MIB = 1024 * 1024


def start(desk, env=None, proceed=True, uid=None, **members):
    members.setdefault("recorder_path", str(desk / "out.iso"))
    made = request(entries=[entry("root:src")], **members)
    return Worker(desk / "att", made, {"src": str(desk / "src")}, env=env, proceed=proceed, uid=uid)


def two_files(desk, first=24 * MIB, second=2 * MIB):
    """libisofs reads in order of inodes: `a` is made first."""
    (desk / "src" / "a").write_bytes(os.urandom(first))
    (desk / "src" / "b").write_bytes(os.urandom(second))


def vanish(path):
    os.remove(path)


def grow(path):
    with open(path, "ab") as out:
        out.write(b"x")


def shrink(path):
    os.truncate(path, 1000)


def replace(path):
    content = path.read_bytes()
    os.rename(path, str(path) + ".old")
    path.write_bytes(content)


def touch(path):
    os.utime(path)


def swap_for_link(path):
    os.remove(path)
    os.symlink("/etc/passwd", path)


@pytest.mark.parametrize("change", [vanish, grow, shrink, replace, touch, swap_for_link])
def test_a_file_that_changes_before_it_is_read(desk, change):
    two_files(desk)
    worker = start(desk, env={"BURND_WORKER_PAUSE": "write=0.3"})
    worker.wait_for("phase", phase="write")
    change(desk / "src" / "b")
    result = worker.finish()
    assert result["problem"]["code"] == "source_changed", result
    assert result["problem"]["path"] == "root:src/b"
    assert result["outcome"] == "unharmed" and result["advice"] == "reuse"
    assert os.path.getsize(desk / "out.iso") == 0
    assert not any(line["handed_over"] for line in worker.of("block"))


def rewrite(path):
    """Same size, other content, other time, same file."""
    content = path.read_bytes()
    with open(path, "r+b") as out:
        out.write(bytes(byte ^ 0x55 for byte in content))
    os.utime(path, (1700000000, 1700000000))


def small_files(desk, count=500):
    before = {}
    for i in range(count):
        name = "s%03d" % i
        before[name] = os.urandom(1000 + i * 7)
        (desk / "src" / name).write_bytes(before[name])
    return before


@pytest.mark.parametrize("change", [vanish, grow, replace, rewrite])
def test_a_small_file_that_changes_before_it_is_read(desk, change):
    """Behind more than what is read ahead."""
    (desk / "src" / "a").write_bytes(os.urandom(24 * MIB))
    small_files(desk)
    worker = start(desk, env={"BURND_WORKER_PAUSE": "write=0.3"})
    worker.wait_for("phase", phase="write")
    change(desk / "src" / "s250")
    result = worker.finish()
    assert result["problem"]["code"] == "source_changed", result
    assert result["problem"]["path"] == "root:src/s250"
    assert os.path.getsize(desk / "out.iso") == 0


@pytest.mark.parametrize("change", [vanish, grow, replace, rewrite])
@pytest.mark.parametrize("pause,lead", [("write=2", 0), ("write=0.3", 3 * MIB), ("write=0.3", 6 * MIB)])
def test_a_small_file_is_as_walked_or_the_job_fails(desk, change, pause, lead):
    """It may have been read ahead: then the disc holds what it was."""
    if lead:
        (desk / "src" / "a").write_bytes(os.urandom(lead))
    before = small_files(desk)
    worker = start(desk, env={"BURND_WORKER_PAUSE": pause})
    worker.wait_for("phase", phase="write")
    change(desk / "src" / "s490")
    result = worker.finish()
    if not result["ok"]:
        assert result["problem"]["code"] == "source_changed", result
        assert result["problem"]["path"] == "root:src/s490"
        return
    for name, content in before.items():
        got = subprocess.run(["bsdtar", "-xOf", str(desk / "out.iso"), name], check=True,
                             capture_output=True).stdout if name in ("s000", "s490", "s499") else content
        assert got == content, name


@pytest.mark.parametrize("change", [grow, shrink, touch])
def test_a_file_that_changes_while_it_is_read(desk, change):
    (desk / "src" / "a").write_bytes(os.urandom(24 * MIB))
    worker = start(desk, speed={"kind": "kb_s", "value": 12000})
    worker.wait_for("block")
    time.sleep(0.3)
    change(desk / "src" / "a")
    result = worker.finish()
    assert result["problem"]["code"] == "source_changed", result
    assert result["problem"]["path"] == "root:src/a"


def test_a_file_that_becomes_unreadable(desk):
    if os.geteuid() != 0:
        pytest.skip("another user is needed")
    two_files(desk)
    for folder in ("out", "att"):
        (desk / folder).mkdir()
        os.chown(desk / folder, 65534, 65534)
    os.chmod(desk / "src" / "b", 0o644)
    worker = start(desk, env={"BURND_WORKER_PAUSE": "write=0.3"}, uid=65534,
                   recorder_path=str(desk / "out" / "o.iso"))
    worker.wait_for("phase", phase="write")
    os.chmod(desk / "src" / "b", 0)
    result = worker.finish()
    assert result["problem"]["code"] == "source_unreadable" and result["problem"]["path"] == "root:src/b"


def test_an_overwritten_disc_is_ruined(desk):
    two_files(desk)
    (desk / "out.iso").write_bytes(os.urandom(100000))
    worker = start(desk, env={"BURND_WORKER_PAUSE": "write=0.3"}, force_overwrite=True)
    worker.wait_for("phase", phase="write")
    vanish(desk / "src" / "b")
    result = worker.finish()
    assert result["outcome"] == "ruined" and result["advice"] == "reuse"


def test_the_disk_fills_up(desk, small_disk):
    (desk / "src" / "a").write_bytes(os.urandom(6 * MIB))
    worker = start(desk, env={"BURND_WORKER_PAUSE": "write=0.4"}, recorder_path=str(small_disk / "out.iso"))
    worker.wait_for("phase", phase="write")
    (small_disk / "other").write_bytes(bytes(5 * MIB))
    result = worker.finish()
    problem = result["problem"]
    assert problem["code"] == "write_error" and problem["user_action"] == "free_space", problem
    assert problem["device"]["library"] == "libburn" and problem["device"]["library_code"] == 0x20148
    assert result["outcome"] == "unharmed" and os.path.getsize(small_disk / "out.iso") == 0


@pytest.mark.parametrize("phase", ["acquire", "assess", "stage", "write", "flush", "close", "settle"])
def test_cancel_in_each_phase(desk, phase):
    two_files(desk, 100000, 100000)
    worker = start(desk, env={"BURND_WORKER_PAUSE": "%s=30" % phase})
    line = worker.wait_for("phase", phase=phase)
    assert line["cancel"] == "safe"
    worker.send("cancel")
    result = worker.finish(limit_s=20)  # the pause alone would last longer
    assert result["canceled"] and result["problem"]["code"] == "canceled" and not result["ok"]
    assert result["outcome"] == "unharmed"
    assert not os.path.exists(desk / "out.iso") or os.path.getsize(desk / "out.iso") == 0


def cancel_while_writing(desk, speed, **members):
    two_files(desk)
    worker = start(desk, speed=speed, **members)
    while worker.wait_for("block")["completed"] == 0:
        pass
    time.sleep(0.2)
    worker.send("cancel")
    return worker.finish()


def test_cancel_while_writing_leaves_a_blank(desk):
    result = cancel_while_writing(desk, {"kind": "kb_s", "value": 10000})
    assert result["canceled"] and result["outcome"] == "unharmed"
    assert os.path.getsize(desk / "out.iso") == 0


def test_a_slow_burn_is_steady_and_hears_a_cancel(desk):
    two_files(desk, 100000, 100000)
    worker = start(desk, speed={"kind": "kb_s", "value": 400})
    result = worker.finish()
    blocks = worker.of("block")
    steps = [b["completed"] - a["completed"] for a, b in zip(blocks, blocks[1:])]
    seconds = blocks[-1]["at"] - blocks[0]["at"]
    assert result["ok"] and max(steps) <= 100, steps
    assert seconds / (result["blocks"] * 2048 / 400000) > 0.9
    os.remove(desk / "out.iso")
    worker = start(desk, speed={"kind": "kb_s", "value": 2})
    worker.wait_for("block")
    time.sleep(1)
    worker.send("cancel")
    assert worker.finish()["canceled"]


def test_cancel_over_a_written_disc_ruins_it(desk):
    (desk / "out.iso").write_bytes(os.urandom(100000))
    result = cancel_while_writing(desk, {"kind": "kb_s", "value": 10000}, force_overwrite=True)
    assert result["canceled"] and result["outcome"] == "ruined"


def test_sigterm_is_a_cancel(desk):
    two_files(desk)
    worker = start(desk, speed=SLOW)
    worker.wait_for("block")
    worker.kill(signal.SIGTERM)
    result = worker.finish()
    assert result["canceled"] and os.path.getsize(desk / "out.iso") == 0


def test_cancel_before_proceed(desk):
    two_files(desk, 1000, 1000)
    worker = start(desk, proceed=False)
    worker.wait_for("phase", phase="write")
    worker.send("cancel")
    result = worker.finish()
    assert result["canceled"] and not worker.of("block")


def test_nothing_is_written_before_proceed(desk):
    two_files(desk, 1000, 1000)
    worker = start(desk, proceed=False)
    worker.wait_for("phase", phase="write")
    worker.wait_for("heartbeat")
    assert os.path.getsize(desk / "out.iso") == 0
    worker.send("proceed")
    assert worker.finish()["ok"]


def test_burnd_lost_before_proceed(desk):
    two_files(desk, 1000, 1000)
    worker = start(desk, proceed=False)
    worker.wait_for("phase", phase="write")
    worker.socket.close()
    worker.wait()
    stored = worker.stored()
    assert stored["canceled"] and os.path.getsize(desk / "out.iso") == 0


def test_burnd_lost_after_proceed(desk):
    two_files(desk)
    worker = start(desk, speed={"kind": "kb_s", "value": 9000})
    while worker.wait_for("block")["completed"] == 0:
        pass
    worker.socket.close()
    time.sleep(1.6)
    assert worker.stored() == {"state": "running"}
    before = os.stat(desk / "att" / "result.json").st_mtime_ns
    time.sleep(1.1)
    if worker.process.poll() is None:
        assert os.stat(desk / "att" / "result.json").st_mtime_ns != before
    worker.process.wait(60)
    stored = worker.stored()
    assert stored["ok"] and stored["outcome"] == "good" and stored["kind"] == "result"
    assert os.path.getsize(desk / "out.iso") == stored["blocks"] * 2048


def test_heartbeats_go_on_while_paused(desk):
    two_files(desk, 1000, 1000)
    worker = start(desk, env={"BURND_WORKER_PAUSE": "stage=2.5"})
    worker.finish()
    assert len(worker.of("heartbeat")) == 2


def test_a_frozen_worker_is_silent(desk):
    two_files(desk, 1000, 1000)
    worker = start(desk, env={"BURND_WORKER_FREEZE": "stage"})
    worker.wait_for("phase", phase="stage")
    with pytest.raises(AssertionError):
        while True:
            worker.next_line(limit_s=2.5)
    worker.kill()
    worker.wait()


def test_a_killed_worker_leaves_a_lock_that_is_gone(desk):
    two_files(desk)
    worker = start(desk, speed=SLOW)
    while worker.wait_for("block")["completed"] == 0:
        pass
    worker.kill()
    worker.wait()
    assert os.path.getsize(desk / "out.iso") > 0
    medium = worker.of("medium")[0]["medium"]
    made = request(operation="reclaim", recorder_path=str(desk / "out.iso"),
                   expected_device=medium["file_device"], expected_inode=medium["file_inode"])
    assert Worker(desk / "reclaim", made).finish()["ok"]
    assert start(desk).finish()["ok"]


def test_plan_gives_up_in_time(desk):
    for i in range(300):
        folder = desk / "src" / ("d%d" % i)
        folder.mkdir()
        for j in range(30):
            (folder / str(j)).write_text("x")
    made = request(operation="plan", entries=[entry("root:src")], limit_ms=1)
    worker = Worker(desk / "plan", made, {"src": str(desk / "src")})
    result = worker.finish()
    assert result["canceled"] and not result["ok"] and not worker.of("plan")


def test_a_reader_that_does_not_read_stops_nothing(desk):
    two_files(desk, 40 * MIB)
    worker = start(desk, proceed=False)
    worker.send("proceed")
    deadline = time.monotonic() + 60
    while not os.path.exists(desk / "att" / "result.json") and time.monotonic() < deadline:
        time.sleep(0.05)
    assert worker.finish()["ok"]


def test_a_bad_request_is_refused(desk):
    made = request(recorder_path=str(desk / "out.iso"))
    del made["simulate"]
    worker = Worker(desk / "att", made)
    while worker.next_line() is not None:
        pass
    worker.wait()
    assert worker.process.returncode == 1 and "simulate" in worker.stderr()
