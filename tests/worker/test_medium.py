# SPDX-License-Identifier: GPL-2.0-or-later
"""The image file as a medium: which one it is, what is done when it is exchanged, eject and reclaim."""

import os

import pytest

from worker import Worker, entry, request

MIB = 1024 * 1024
PRECIOUS = b"precious" * 1000


def operate(desk, operation, path=None, **members):
    made = request(operation=operation, recorder_path=str(path or desk / "out.iso"), **members)
    worker = Worker(desk / operation, made)
    worker.result = worker.finish()
    return worker


def inspect(desk, path=None):
    return operate(desk, "inspect", path).result["medium"]


def start(desk, env=None, proceed=True, size=20000, **members):
    (desk / "src" / "x").write_bytes(os.urandom(size))
    made = request(entries=[entry("root:src")], recorder_path=str(desk / "out.iso"), **members)
    return Worker(desk / "att", made, {"src": str(desk / "src")}, env=env, proceed=proceed)


def identity(path):
    info = os.stat(path)
    return {"expected_device": info.st_dev, "expected_inode": info.st_ino}


def told(medium):
    return {"expected_device": medium["file_device"], "expected_inode": medium["file_inode"]}


# --- which file ----------------------------------------------------------------------------------------

@pytest.mark.parametrize("existing", [False, True])
def test_the_file_is_told(desk, existing):
    if existing:
        (desk / "out.iso").write_bytes(b"")
    worker = start(desk, proceed=False)
    medium = worker.wait_for("medium")["medium"]
    assert told(medium) == identity(desk / "out.iso")
    worker.wait_for("phase", phase="write")
    worker.send("proceed")
    result = worker.finish()
    assert result["ok"] and told(result["medium"]) == identity(desk / "out.iso")
    assert told(inspect(desk)) == identity(desk / "out.iso")


def test_no_file_is_told(desk):
    medium = inspect(desk)
    assert medium["present"] and medium["state"] == "blank"
    assert medium["file_device"] == 0 and medium["file_inode"] == 0
    assert start(desk, simulate=True).finish()["medium"]["file_inode"] == 0


@pytest.mark.parametrize("path", ["nowhere/out.iso", "plain/out.iso"])
def test_without_its_folder_there_is_no_medium(desk, path):
    (desk / "plain").write_text("no folder")
    worker = operate(desk, "inspect", desk / path)
    assert worker.result["ok"] and not worker.result["medium"]["present"]
    assert not worker.of("medium")[0]["medium"]["present"]


# --- exchanged in mid-burn -----------------------------------------------------------------------------

def by_link(desk):
    os.rename(desk / "out.iso", desk / "away")
    os.symlink(desk / "precious", desk / "out.iso")


def by_file(desk):
    os.link(desk / "precious", desk / "new")
    os.rename(desk / "new", desk / "out.iso")


def by_nothing(desk):
    os.remove(desk / "out.iso")


def check_exchanged(desk, worker):
    result = worker.finish()
    assert not result["ok"] and result["problem"]["code"] == "medium_changed", result
    assert (desk / "precious").read_bytes() == PRECIOUS
    assert result["outcome"] == "unharmed" and result["advice"] == "check"
    assert not result["medium"]["present"]
    assert not os.path.exists(desk / "away") or os.path.getsize(desk / "away") == 0


@pytest.mark.parametrize("exchange", [by_link, by_file, by_nothing])
@pytest.mark.parametrize("phase", ["stage", "write", "close", "settle"])
def test_what_is_swapped_in_is_not_touched(desk, phase, exchange):
    (desk / "precious").write_bytes(PRECIOUS)
    worker = start(desk, env={"BURND_WORKER_PAUSE": "%s=0.3" % phase})
    worker.wait_for("phase", phase=phase)
    exchange(desk)
    check_exchanged(desk, worker)
    assert phase not in ("stage", "write") or not worker.of("block")
    assert os.path.lexists(desk / "out.iso") == (exchange is not by_nothing)


def test_what_is_swapped_in_while_writing_is_not_touched(desk):
    (desk / "precious").write_bytes(PRECIOUS)
    worker = start(desk, size=8 * MIB, speed={"kind": "kb_s", "value": 8000})
    while worker.wait_for("block")["completed"] == 0:
        pass
    by_file(desk)
    check_exchanged(desk, worker)


def test_a_simulation_does_not_unlink_what_was_swapped_in(desk):
    (desk / "precious").write_bytes(PRECIOUS)
    worker = start(desk, env={"BURND_WORKER_PAUSE": "write=0.3"}, simulate=True)
    worker.wait_for("phase", phase="write")
    by_file(desk)
    check_exchanged(desk, worker)
    assert (desk / "out.iso").read_bytes() == PRECIOUS


def test_an_unconfirmed_burn_on_a_blank_can_be_tried_again(desk):
    worker = start(desk, env={"BURND_WORKER_PAUSE": "settle=0.3"})
    worker.wait_for("phase", phase="settle")
    with open(desk / "out.iso", "r+b") as image:
        image.seek(16 * 2048 + 40)
        image.write(b"OTHER")
    result = worker.finish()
    assert result["problem"]["code"] == "burn_not_confirmed" and result["outcome"] == "unharmed"
    assert result["problem"]["user_action"] == "retry" and os.path.getsize(desk / "out.iso") == 0


# --- eject ---------------------------------------------------------------------------------------------

def eject(desk, **members):
    members = {"eject_to": str(desk / "done.iso"), "eject_to_unknown": str(desk / "unknown.iso"), **members}
    return operate(desk, "eject", **members).result


@pytest.mark.parametrize("expected", ["", "right"])
def test_eject(desk, expected):
    assert start(desk).finish()["ok"]
    fingerprint = inspect(desk)["fingerprint"]
    result = eject(desk, expected_fingerprint=expected and fingerprint)
    assert result["ok"] and result["location"] == str(desk / "done.iso")
    assert result["medium"]["state"] == "blank" and not os.path.exists(desk / "out.iso")
    medium = inspect(desk, desk / "done.iso")
    assert medium["state"] == "closed" and medium["volume_id"] == "TEST_DISC"
    assert medium["fingerprint"] == fingerprint and len(fingerprint) == 64


def test_eject_of_another_disc(desk):
    (desk / "out.iso").write_bytes(PRECIOUS)
    result = eject(desk, expected_fingerprint="0" * 64)
    assert result["ok"] and result["location"] == str(desk / "unknown.iso")
    assert (desk / "unknown.iso").read_bytes() == PRECIOUS and not os.path.exists(desk / "done.iso")


@pytest.mark.parametrize("content", [None, b"", bytes(5000)])
@pytest.mark.parametrize("expected", ["", "0" * 64])
def test_eject_of_nothing(desk, content, expected):
    if content is not None:
        (desk / "out.iso").write_bytes(content)
    result = eject(desk, expected_fingerprint=expected)
    assert result["ok"] and result["location"] == "" and result["medium"]["state"] == "blank"
    assert os.path.exists(desk / "out.iso") == (content is not None)
    assert not os.path.exists(desk / "done.iso") and not os.path.exists(desk / "unknown.iso")


def test_eject_overwrites_nothing(desk):
    (desk / "out.iso").write_bytes(b"new")
    (desk / "done.iso").write_bytes(PRECIOUS)
    result = eject(desk)
    assert result["problem"]["code"] == "target_conflict" and result["location"] == ""
    assert (desk / "done.iso").read_bytes() == PRECIOUS and (desk / "out.iso").read_bytes() == b"new"


# --- reclaim -------------------------------------------------------------------------------------------

def reclaim(desk, **members):
    return operate(desk, "reclaim", **members).result


def test_reclaim(desk):
    (desk / "out.iso").write_bytes(b"half a session")
    (desk / "reclaim").mkdir()
    (desk / "reclaim" / "result.json").write_text("the burn's")
    result = reclaim(desk, **identity(desk / "out.iso"))
    assert result["ok"] and result["outcome"] == "unharmed" and result["advice"] == "reuse"
    assert os.path.getsize(desk / "out.iso") == 0 and result["medium"]["state"] == "blank"
    assert (desk / "reclaim" / "result.json").read_text() == "the burn's"


def test_reclaim_of_nothing(desk):
    assert reclaim(desk)["ok"] and reclaim(desk, expected_device=1, expected_inode=1)["ok"]
    assert not os.path.exists(desk / "out.iso")


@pytest.mark.parametrize("simulate", [False, True])
@pytest.mark.parametrize("wrong", ["inode", "device", "unknown", "link", "younger"])
def test_reclaim_of_another_file(desk, wrong, simulate):
    (desk / "out.iso").write_bytes(b"" if simulate else PRECIOUS)
    members = identity(desk / "out.iso")
    if wrong in ("inode", "device"):
        members["expected_" + wrong] += 1
    elif wrong == "unknown":
        members = {"expected_device": 0, "expected_inode": 0}
    elif wrong == "link":
        os.rename(desk / "out.iso", desk / "behind")
        os.symlink(desk / "behind", desk / "out.iso")
    else:
        # the number of an unlinked file's inode was given out again, after the burn
        (desk / "reclaim").mkdir()
        (desk / "reclaim" / "items").write_bytes(b"")
        os.utime(desk / "reclaim" / "items", (1700000000, 1700000000))
    result = reclaim(desk, simulate=simulate, **members)
    assert not result["ok"] and result["problem"]["code"] == "medium_changed"
    assert (desk / "out.iso").read_bytes() == (b"" if simulate else PRECIOUS)
    assert result["outcome"] == "unknown" and result["advice"] == "check"


@pytest.mark.parametrize("content", [b"", PRECIOUS])
def test_reclaim_after_a_simulation(desk, content):
    (desk / "out.iso").write_bytes(content)
    assert reclaim(desk, simulate=True, **identity(desk / "out.iso"))["ok"]
    if content:
        assert (desk / "out.iso").read_bytes() == content
    else:
        assert not os.path.exists(desk / "out.iso")


def test_reclaim_after_a_killed_burn(desk):
    """In the burn's own folder, as burnd does it."""
    worker = start(desk, size=24 * MIB, speed={"kind": "kb_s", "value": 4000})
    while worker.wait_for("block")["completed"] == 0:
        pass
    worker.kill()
    worker.wait()
    assert os.path.getsize(desk / "out.iso") > 0
    made = request(operation="reclaim", recorder_path=str(desk / "out.iso"),
                   **told(worker.of("medium")[0]["medium"]))
    assert Worker(desk / "att", made).finish()["ok"]
    assert os.path.getsize(desk / "out.iso") == 0 and not os.path.exists(desk / "att" / "result.json")
