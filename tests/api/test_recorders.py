# SPDX-License-Identifier: GPL-2.0-or-later
"""File recorders and what lies in them: looking, ejecting, and what others do to the file meanwhile."""
import fcntl
import os

from burnd import NOBODY, data_job, is_blank, make_tree, noise, until, write_file


def test_recorders_are_listed_and_filtered(make_burnd, folder):
    burnd = make_burnd(recorders=[f"file:{folder}/out/b.iso,id=b,pool=desk", f"file:{folder}/out/a.iso,id=a"])
    assert [item["id"] for item in burnd.get("/recorders")["items"]] == ["a", "b"]
    assert [item["id"] for item in burnd.get("/recorders?pool=desk")["items"]] == ["b"]
    assert [item["id"] for item in burnd.get("/recorders?kind=file&limit=1")["items"]] == ["a"]
    assert burnd.get("/recorders?kind=optical")["items"] == []
    page = burnd.get("/recorders?limit=1")
    assert [item["id"] for item in burnd.get("/recorders?cursor=" + page["next_cursor"])["items"]] == ["b"]


def test_an_id_that_is_not_given_stays_the_same(make_burnd, folder):
    burnd = make_burnd(recorders=[f"file:{folder}/out/x.iso"])
    first = burnd.get("/recorders")["items"][0]["id"]
    burnd.stop()
    burnd.start()
    assert burnd.get("/recorders")["items"][0]["id"] == first


def test_an_absent_file_is_a_blank_medium(burnd):
    recorder = burnd.idle()
    assert recorder["kind"] == "file" and recorder["state"] == "idle" and recorder["activity"] == "none"
    assert recorder["write_in_progress"] is False and recorder["lease"] is None
    medium = burnd.get("/recorders/file-1/medium")
    assert medium["state"] == "blank" and medium["physically_blank"] is True
    assert medium["profile"] == "stdio" and medium["free_sectors"] > 0
    assert not os.path.exists(burnd.image)


def test_a_written_file_is_not_blank(make_burnd):
    burnd = make_burnd(start=False)
    write_file(burnd.image, noise(100_000))
    burnd.start()
    assert burnd.idle()["medium"]["state"] != "blank"


def test_a_file_of_zeros_is_blank(make_burnd):
    burnd = make_burnd(start=False)
    write_file(burnd.image, bytes(100_000))
    burnd.start()
    assert burnd.idle()["medium"]["state"] == "blank"


def test_no_folder_no_medium(make_burnd, folder):
    burnd = make_burnd(recorders=[f"file:{folder}/nowhere/x.iso,id=file-1"])
    make_tree(burnd.demo)
    job = burnd.burn(data_job(target={"recorder": "file-1", "on_wrong_medium": "fail"}), state="failed")
    assert job["problem"]["code"] == "medium_missing"


def test_unknown_recorders(burnd):
    for path in ("", "/medium"):
        burnd.refused("GET", "/recorders/none" + path, 404, "not_found")
    for action in ("eject", "load", "rescan"):
        burnd.refused("POST", f"/recorders/none/{action}", 404, "not_found")


def test_eject_renames_the_image(burnd_with_tree):
    burnd = burnd_with_tree
    job = burnd.burn(data_job(title="Out", after={"eject": False}))
    disc = burnd.copy(job)["disc"]
    assert burnd.recorder()["medium"]["disc"] == disc
    answer = burnd.post("/recorders/file-1/eject", headers={"Prefer": "wait=10"})
    assert answer.status_code == 200
    moved = f"{burnd.image}.{disc}.iso"
    assert os.path.exists(moved) and not os.path.exists(burnd.image)
    assert burnd.get(f"/discs/{disc}")["location"] == moved
    assert burnd.idle()["medium"]["state"] == "blank"


def test_eject_of_a_foreign_file_is_named_by_the_time(make_burnd):
    burnd = make_burnd(start=False)
    write_file(burnd.image, noise(100_000))
    burnd.start()
    burnd.idle()
    assert burnd.post("/recorders/file-1/eject", headers={"Prefer": "wait=10"}).status_code == 200
    names = os.listdir(burnd.out)
    assert len(names) == 1 and names[0].startswith("disc.iso.2") and names[0].endswith(".iso")


def test_load_is_not_something_a_file_can(burnd):
    burnd.idle()
    burnd.refused("POST", "/recorders/file-1/load", 409, "operation_unsupported")


def test_rescan_finds_what_was_put_there(burnd):
    burnd.idle()
    events = burnd.events("recorders/file-1")
    write_file(burnd.image, noise(20 * 2048))
    assert burnd.post("/recorders/file-1/rescan", headers={"Prefer": "wait=10"}).status_code == 200
    medium = burnd.get("/recorders/file-1/medium")
    assert medium["state"] != "blank"
    events.wait(lambda event: event["type"].startswith("medium."), "a medium event")


def test_a_busy_recorder_is_not_touched(make_burnd):
    burnd = make_burnd(env={"BURND_WORKER_PAUSE": "write=1"})
    make_tree(burnd.demo)
    burnd.idle()
    events = burnd.events()
    job = burnd.create(data_job())
    events.wait_phase("write")
    assert burnd.recorder()["lease"]["job"] == job["id"]
    burnd.refused("POST", "/recorders/file-1/eject", 409, "recorder_busy")
    burnd.refused("POST", "/recorders/file-1/rescan", 409, "recorder_busy")
    assert burnd.wait(job)["state"] == "completed"


def test_a_file_locked_by_another_program_is_in_use(burnd_with_tree):
    burnd = burnd_with_tree
    burnd.idle()
    with open(burnd.image, "w", encoding="utf-8") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        job = burnd.create(data_job(target={"recorder": "file-1", "on_wrong_medium": "fail"}))
        def stopped():
            now = burnd.get(f"/jobs/{job['id']}")
            return now if now["ended_at"] or now["needs_person"] else None
        now = until(stopped, "the lock is noticed")
        assert "recorder_in_use" in now["reasons"] or now["problem"]["code"] == "recorder_in_use"
        if now["problem"]:
            assert now["problem"]["user_action"] == "release_recorder"


def test_a_folder_that_is_not_writable(make_burnd):
    burnd = make_burnd(user=NOBODY)
    make_tree(burnd.demo)
    os.chown(burnd.out, 0, 0)
    os.chmod(burnd.out, 0o555)
    job = burnd.wait(burnd.create(data_job(target={"recorder": "file-1", "on_wrong_medium": "fail"})))
    assert job["state"] == "failed"
    assert job["problem"]["code"] in ("medium_write_protected", "medium_missing"), job["problem"]


def test_a_file_that_is_not_writable(make_burnd):
    burnd = make_burnd(start=False, user=NOBODY)
    make_tree(burnd.demo)
    write_file(burnd.image, b"")
    os.chmod(burnd.image, 0o444)
    burnd.start()
    job = burnd.wait(burnd.create(data_job(target={"recorder": "file-1", "on_wrong_medium": "fail"})))
    assert job["state"] == "failed" and job["problem"]["code"] == "medium_write_protected"


def test_what_is_no_regular_file_is_unsupported(make_burnd, folder):
    os.makedirs(f"{folder}/out/disc.iso")
    burnd = make_burnd()
    make_tree(burnd.demo)
    job = burnd.wait(burnd.create(data_job(target={"recorder": "file-1", "on_wrong_medium": "fail"})))
    assert job["state"] == "failed" and job["problem"]["code"] == "medium_unsupported"


def test_a_blank_is_left_when_nothing_was_burned(burnd):
    burnd.idle()
    assert is_blank(burnd.image)
