# SPDX-License-Identifier: GPL-2.0-or-later
"""What comes out of a burn: read back by programs that know nothing of burnd and compared with what went
in, and what the API says of it meanwhile and afterwards."""
import hashlib
import os
import subprocess

import pytest
from burnd import BLOCK, assert_same_tree, data_job, extract, is_blank, make_tree, noise, write_file


def test_a_tree_comes_back_byte_for_byte(burnd_with_tree, folder):
    burnd = burnd_with_tree
    job = burnd.burn(data_job(title="Holiday"))
    assert job["percent"] == 100 and job["problem"] is None
    assert {warning["code"] for warning in job["warnings"]} <= {"symlink_not_in_joliet",
                                                                "joliet_name_truncated"}
    assert job["copies_summary"]["done"] == 1
    assert_same_tree(burnd.image, burnd.demo, f"{folder}/back")


def test_xorriso_reads_the_same_tree(burnd_with_tree):
    burnd = burnd_with_tree
    burnd.burn(data_job(data={"entries": [{"from": "root:demo", "to": "/"}], "volume_id": "CHECK_ME"}))
    listing = subprocess.run(["xorriso", "-indev", "stdio:" + burnd.image, "-pvd_info", "-find", "/"],
                             capture_output=True, text=True, check=True)
    assert "CHECK_ME" in listing.stdout + listing.stderr
    for name in burnd.files:
        assert f"'/{name}'" in listing.stdout, name


def test_what_the_api_says_of_a_disc_is_true(burnd_with_tree):
    burnd = burnd_with_tree
    job = burnd.burn(data_job(title="Holiday", tags={"desk": "3"}, client_ref="order 7"))
    copy, attempt = burnd.copy(job), burnd.attempt(job)
    assert copy["state"] == "done" and copy["attempts"] == 1
    assert attempt["phase"] == "ended" and attempt["outcome"] == "good" and attempt["advice"] == "keep"
    names = [phase["phase"] for phase in attempt["phases"]]
    wanted = ["acquire", "assess", "stage", "write", "flush", "close", "settle", "verify"]
    assert [name for name in names if name in wanted] == wanted
    disc = burnd.get(f"/discs/{copy['disc']}")
    with open(burnd.image, "rb") as file:
        content = file.read()
    assert disc["blocks"] * BLOCK == len(content)
    assert disc["session_sha256"] == hashlib.sha256(content).hexdigest()
    assert disc["verified"] == "full" and disc["outcome"] == "good" and disc["location"] == burnd.image
    medium = burnd.recorder()["medium"]
    assert medium["disc"] == disc["id"] and medium["used_sectors"] == disc["blocks"]
    assert [item["id"] for item in burnd.get(f"/discs?job={job['id']}")["items"]] == [disc["id"]]
    assert burnd.get("/discs?q=hOLI")["items"] and not burnd.get("/discs?q=nothing")["items"]
    assert burnd.get("/discs?outcome=good&volume_id=" + disc["volume_id"])["items"]
    assert burnd.get(f"/jobs/{job['id']}/copies")["items"] == [copy]
    assert burnd.get(f"/jobs/{job['id']}/copies/1/attempts")["items"] == [attempt]
    progress = burnd.get(f"/jobs/{job['id']}/progress")
    assert progress["percent"] == 100
    block, verify = progress["copies"][0]["block"], progress["copies"][0]["verify"]
    assert block["completed"] == block["total"] == disc["blocks"]
    assert verify["completed"] == verify["total"] and verify["bad_sectors"] == 0
    log = burnd.get(f"/jobs/{job['id']}/log?limit=500")["items"]
    assert len(log) > 1 and log[0]["time"] <= log[-1]["time"]
    assert burnd.get(f"/jobs/{job['id']}/plan")["image_sectors"] == disc["blocks"]


def test_texts_and_entries_at_their_places(burnd_with_tree, folder):
    burnd = burnd_with_tree
    burnd.burn({"type": "data", "data": {"entries": [
        {"text": "Grüße\n", "to": "/notes/hello.txt"},
        {"text": "", "to": "/notes/nothing.txt"},
        {"from": "root:demo/README.TXT", "to": "/renamed.txt"},
        {"from": "root:demo/one block", "to": "/inside/"},
        {"from": "root:demo/photos", "to": "/pictures"},
        {"from": "root:demo/a", "to": "/pictures"}],
        "exclude": ["pictures/2026/long*", "**/deep.bin"]}})
    extract(burnd.image, f"{folder}/back")
    with open(f"{folder}/back/notes/hello.txt", encoding="utf-8") as file:
        assert file.read() == "Grüße\n"
    found = {os.path.relpath(os.path.join(where, name), f"{folder}/back")
             for where, _, names in os.walk(f"{folder}/back") for name in names}
    assert found == {"notes/hello.txt", "notes/nothing.txt", "renamed.txt", "inside/one block",
                     "pictures/link to readme", "pictures/2026/Sommer in Ärö.jpg"}


def test_links_can_be_left_out_or_followed(burnd_with_tree, folder):
    burnd = burnd_with_tree
    entries = [{"from": "root:demo", "to": "/"}]
    burnd.burn({"type": "data", "data": {"entries": entries, "symlinks": "skip"}})
    extract(burnd.image, f"{folder}/skip")
    assert not os.path.lexists(f"{folder}/skip/photos/link to readme")
    burnd.burn({"type": "data", "data": {"entries": entries, "symlinks": "follow"},
                "burn": {"force_overwrite": True}})
    extract(burnd.image, f"{folder}/follow")
    with open(f"{folder}/follow/photos/link to readme", encoding="utf-8") as file:
        assert file.read() == "Read me.\n"


def test_twenty_thousand_files(burnd, folder):
    for index in range(20_000):
        where = f"{burnd.demo}/{index // 500:03d}"
        if index % 500 == 0:
            os.makedirs(where)
        with open(f"{where}/file {index:05d}.txt", "wb") as file:
            file.write(b"%d\n" % index * (index % 40))
    job = burnd.burn(data_job())
    assert burnd.get(f"/jobs/{job['id']}/plan")["files"] == 20_000
    first = burnd.get(f"/jobs/{job['id']}/items?limit=500")
    seen, page = len(first["items"]), first
    while page["next_cursor"]:
        page = burnd.get(f"/jobs/{job['id']}/items?limit=500&cursor={page['next_cursor']}")
        seen += len(page["items"])
    assert seen >= 20_000
    found = burnd.get(f"/jobs/{job['id']}/items?path=/039/file 19999.txt")["items"]
    assert len(found) == 1
    same = burnd.get(f"/jobs/{job['id']}/items?block={found[0]['first_block']}")["items"]
    assert same == found
    assert_same_tree(burnd.image, burnd.demo, f"{folder}/back")


def test_a_file_beyond_four_gigabytes(burnd):
    size = (4 << 30) + 12_345_678
    marks = {0: b"begin", (1 << 32) - 3: b"across", size - 4: b"last"}
    with open(f"{burnd.demo}/large.bin", "wb") as file:
        file.truncate(size)
        for at, mark in marks.items():
            file.seek(at)
            file.write(mark)
    job = burnd.burn(data_job(verify="none"), limit_s=180)
    items = burnd.get(f"/jobs/{job['id']}/items?path=/large.bin")["items"]
    assert sum(item["block_count"] for item in items) == -(-size // BLOCK)
    at_file = 0
    with open(burnd.image, "rb") as image:
        for item in items:
            for at, mark in marks.items():
                inside = at - at_file
                if 0 <= inside and inside + len(mark) <= item["block_count"] * BLOCK:
                    image.seek(item["first_block"] * BLOCK + inside)
                    assert image.read(len(mark)) == mark
            at_file += item["block_count"] * BLOCK
    listing = subprocess.run(["bsdtar", "-t", "-v", "-f", burnd.image], capture_output=True, text=True,
                             check=True).stdout
    assert str(size) in listing
    os.unlink(burnd.image)


def test_items_cover_every_block_once(burnd_with_tree):
    burnd = burnd_with_tree
    job = burnd.burn(data_job())
    page = burnd.get(f"/jobs/{job['id']}/items?limit=500&copy=1")
    blocks = os.path.getsize(burnd.image) // BLOCK
    at = page["base_lba"]
    for item in page["items"]:
        if item["block_count"]:
            assert item["first_block"] == at
            assert item["last_block"] == at + item["block_count"] - 1
            at += item["block_count"]
        else:
            assert item["last_block"] is None
    assert at == blocks
    with open(burnd.image, "rb") as image:
        for item in page["items"]:
            name = item["path"].removeprefix("/")
            if item["kind"] == "file" and name in burnd.files:
                image.seek(item["first_block"] * BLOCK)
                assert image.read(len(burnd.files[name])) == burnd.files[name], name
    burnd.refused("GET", f"/jobs/{job['id']}/items?block={blocks}", 404, "no_such_item")
    burnd.refused("GET", f"/jobs/{job['id']}/items?path=/nothing", 404, "no_such_item")


def make_iso(folder, name="ready.iso", size=300_000):
    write_file(f"{folder}/iso-source/content.bin", noise(size, 9))
    subprocess.run(["xorriso", "-as", "mkisofs", "-quiet", "-V", "READY", "-o", f"{folder}/demo/{name}",
                    f"{folder}/iso-source"], check=True, capture_output=True)
    with open(f"{folder}/demo/{name}", "rb") as file:
        return file.read()


def test_a_ready_image_is_burned_as_it_is(burnd, folder):
    content = make_iso(folder)
    digest = hashlib.sha256(content).hexdigest()
    for level in ("quick", "full"):
        burnd.burn({"type": "image", "image": {"from": "root:demo/ready.iso", "sha256": digest},
                    "verify": level, "burn": {"force_overwrite": True}})
        with open(burnd.image, "rb") as file:
            assert file.read() == content
    assert burnd.recorder()["medium"]["volume_id"] == "READY"


def test_three_copies_one_after_the_other(burnd_with_tree):
    burnd = burnd_with_tree
    job = burnd.burn(data_job(copies=3))
    discs = [burnd.copy(job, number)["disc"] for number in (1, 2, 3)]
    assert len(set(discs)) == 3
    hashes = set()
    for disc in discs:
        record = burnd.get(f"/discs/{disc}")
        with open(record["location"], "rb") as file:
            hashes.add(hashlib.sha256(file.read()).hexdigest())
        assert record["session_sha256"] in hashes
    assert len(hashes) == 1
    ejected = [name for name in os.listdir(burnd.out) if name != "disc.iso"]
    assert f"disc.iso.{discs[0]}.iso" in ejected and f"disc.iso.{discs[1]}.iso" in ejected
    page = burnd.get(f"/jobs/{job['id']}/copies?limit=2")
    assert [copy["copy"] for copy in page["items"]] == [1, 2]
    rest = burnd.get(f"/jobs/{job['id']}/copies?limit=2&cursor={page['next_cursor']}")
    assert [copy["copy"] for copy in rest["items"]] == [3] and rest["next_cursor"] is None


def test_a_simulation_leaves_nothing(burnd_with_tree):
    burnd = burnd_with_tree
    events = burnd.events()
    job = burnd.burn(data_job(burn={"simulate": True}))
    assert "verify_skipped" in [warning["code"] for warning in job["warnings"]]
    assert burnd.attempt(job)["simulate"] is True
    assert not os.path.exists(burnd.image)
    assert burnd.get("/discs")["items"] == []
    events.wait(lambda e: e["type"] == "job.state" and e["data"]["to"] == "completed")
    assert not any(e["data"]["write_in_progress"] for e in events.of_type("recorder.state"))
    assert any(e["data"]["activity"] == "simulating" for e in events.of_type("recorder.state"))


@pytest.mark.parametrize("level", ["none", "quick", "full"])
def test_verify_says_what_was_done(burnd_with_tree, level):
    burnd = burnd_with_tree
    job = burnd.burn(data_job(verify=level))
    phases = [phase["phase"] for phase in burnd.attempt(job)["phases"]]
    assert ("verify" in phases) == (level != "none")
    assert burnd.get(f"/discs/{burnd.copy(job)['disc']}")["verified"] == level


def flip_byte(path, at):
    with open(path, "r+b") as file:
        file.seek(at)
        byte = file.read(1)[0]
        file.seek(at)
        file.write(bytes([byte ^ 0x01]))


@pytest.mark.parametrize("level,where", [("full", 50_000), ("quick", 0)])
def test_a_flipped_byte_is_found_and_named(make_burnd, level, where):
    burnd = make_burnd(env={"BURND_WORKER_PAUSE": "verify=0.5"})
    make_tree(burnd.demo)
    events = burnd.events()
    job = burnd.create(data_job(verify=level))
    events.wait_phase("verify")
    name = "/photos/2026/Sommer in Ärö.jpg"
    item = burnd.get(f"/jobs/{job['id']}/items", params={"path": name})["items"][0]
    flip_byte(burnd.image, item["first_block"] * BLOCK + where)
    job = burnd.wait(job)
    assert job["state"] == "failed"
    problem = burnd.copy(job)["problem"]
    assert problem["code"] == "verify_mismatch" and name in problem["detail"], problem
    attempt = burnd.attempt(job)
    assert attempt["outcome"] in ("ruined", "unharmed")
    assert not [disc for disc in burnd.get("/discs")["items"] if disc["outcome"] == "good"]


def test_an_image_that_was_cut_off_is_unreadable(make_burnd):
    burnd = make_burnd(env={"BURND_WORKER_PAUSE": "verify=0.5"})
    make_tree(burnd.demo)
    events = burnd.events()
    job = burnd.create(data_job())
    events.wait_phase("verify")
    os.truncate(burnd.image, 100 * BLOCK)
    assert burnd.wait(job)["state"] == "failed"
    assert burnd.copy(job)["problem"]["code"] in ("verify_unreadable", "verify_mismatch", "medium_changed")


def test_a_dry_run_measures_what_is_then_burned(burnd_with_tree):
    burnd = burnd_with_tree
    burnd.idle()
    answer = burnd.post("/jobs?dry_run=true", data_job(), status=200)
    plan = answer.json()
    assert plan["ok"] and plan["eligible_recorders"] == ["file-1"]
    assert plan["files"] >= len(burnd.files) and plan["image_bytes"] == plan["image_sectors"] * BLOCK
    assert burnd.get("/jobs")["items"] == [] and is_blank(burnd.image)
    burnd.burn(data_job())
    assert os.path.getsize(burnd.image) == plan["image_bytes"]


def test_a_dry_run_of_what_cannot_be_says_so(burnd):
    plan = burnd.post("/jobs?dry_run=true", data_job("root:demo/none"), status=200).json()
    assert plan["ok"] is False and plan["errors"][0]["code"] == "source_missing"


def test_a_written_disc_is_not_burned_again(burnd_with_tree):
    burnd = burnd_with_tree
    burnd.burn(data_job())
    with open(burnd.image, "rb") as file:
        before = file.read()
    job = burnd.wait(burnd.create(data_job()))
    assert job["state"] == "failed" and job["problem"]["code"] == "medium_not_blank"
    assert "force_overwrite" in job["problem"]["detail"] and "eject" in job["problem"]["detail"]
    with open(burnd.image, "rb") as file:
        assert file.read() == before


def test_a_shorter_burn_over_a_longer_one_leaves_no_old_data(burnd, folder):
    write_file(f"{burnd.demo}/big/large.bin", noise(4_000_000))
    write_file(f"{burnd.demo}/small/tiny.txt", b"tiny\n")
    burnd.burn(data_job("root:demo/big"))
    long = os.path.getsize(burnd.image)
    burnd.burn(data_job("root:demo/small", burn={"force_overwrite": True}))
    assert os.path.getsize(burnd.image) < long
    assert_same_tree(burnd.image, f"{burnd.demo}/small", f"{folder}/back")
    with open(burnd.image, "rb") as file:
        assert noise(4_000_000)[100_000:100_100] not in file.read()


def test_a_waiting_job_goes_on_when_a_blank_is_there(burnd_with_tree):
    burnd = burnd_with_tree
    burnd.burn(data_job())
    job = burnd.create(data_job(target={"recorder": "file-1", "on_wrong_medium": "wait"}))
    job = burnd.wait(job, until_terminal=False)
    assert job["state"] == "waiting" and job["reasons"] == ["medium_not_blank"]
    items = burnd.get("/attention")["items"]
    assert items and items[0]["job"] == job["id"] and items[0]["recorder"] == "file-1"
    burnd.post("/recorders/file-1/eject", headers={"Prefer": "wait=10"})
    assert burnd.wait(job)["state"] == "completed"
    assert burnd.get("/attention")["items"] == []


def test_nobody_came_in_time(burnd_with_tree):
    burnd = burnd_with_tree
    burnd.burn(data_job())
    job = burnd.wait(burnd.create(data_job(
        target={"recorder": "file-1", "on_wrong_medium": "wait", "wait_timeout_s": 1})))
    assert job["state"] == "failed" and job["problem"]["code"] == "wait_timeout"


def test_a_job_of_priority_goes_first(make_burnd):
    burnd = make_burnd(env={"BURND_WORKER_PAUSE": "write=0.7"})
    make_tree(burnd.demo)
    burnd.idle()
    first = burnd.create(data_job(burn={"simulate": True}))
    low = burnd.create(data_job(priority=10, burn={"simulate": True}))
    high = burnd.create(data_job(priority=90, burn={"simulate": True}))
    order = burnd.get("/queue")["order"]
    assert order.index(high["id"]) < order.index(low["id"])
    for job in (first, low, high):
        assert burnd.wait(job)["state"] == "completed"
    assert burnd.get(f"/jobs/{high['id']}")["started_at"] < burnd.get(f"/jobs/{low['id']}")["started_at"]
