# SPDX-License-Identifier: GPL-2.0-or-later
"""Verifying finds what differs and names it; images are burned as they are."""

import hashlib
import os
import subprocess

import pytest

from worker import Worker, entry, request

MIB = 1024 * 1024


def burn(desk, **members):
    made = request(recorder_path=str(desk / "out.iso"), **members)
    worker = Worker(desk / "att", made, {"src": str(desk / "src")})
    return worker, worker.finish()


def verify(desk, burned, level, **members):
    worker, result = burned
    made = request(operation="verify", recorder_path=str(desk / "out.iso"), verify_level=level,
                   blocks=result["blocks"], session_sha256=result["session_sha256"],
                   metadata_blocks=worker.of("items")[0]["metadata_blocks"], **members)
    checker = Worker(desk / "att", made)
    return checker, checker.finish()


def flip(path, offset):
    with open(path, "r+b") as image:
        image.seek(offset)
        byte = image.read(1)
        image.seek(offset)
        image.write(bytes([byte[0] ^ 1]))


def lba_of(image, path):
    out = subprocess.run(["xorriso", "-indev", str(image), "-find", path, "-exec", "report_lba"],
                         capture_output=True, text=True, check=True).stdout
    return int(out.split("\n")[1].split(",")[1])


def folder(desk):
    for i in range(30):
        (desk / "src" / ("f%02d" % i)).write_bytes(os.urandom(200000))
    os.link(desk / "src" / "f00", desk / "src" / "hard")
    (desk / "src" / "empty").write_bytes(b"")
    return burn(desk, entries=[entry("root:src")])


@pytest.mark.parametrize("level", ["quick", "full"])
def test_a_good_disc_is_good(desk, level):
    checker, result = verify(desk, folder(desk), level)
    assert result["ok"], result["problem"]
    assert result["content_equal"] == (level == "full")
    told = checker.of("verify")
    assert told[0]["completed"] == 0 and told[-1]["completed"] == told[-1]["total"]
    assert result["mismatched_files"] == 0


def ends(checker):
    return [line for line in checker.of("verify") if line["completed"] == line["total"]]


@pytest.mark.parametrize("level", ["quick", "full"])
def test_the_last_line_knows_all(desk, level):
    """The end is told once, when everything was compared."""
    (desk / "src" / "f").write_bytes(os.urandom(60000))
    burned = burn(desk, entries=[entry("root:src")])
    checker, result = verify(desk, burned, level)
    assert result["ok"] and len(ends(checker)) == 1 and checker.of("verify")[-1] == ends(checker)[0]
    flip(desk / "out.iso", lba_of(desk / "out.iso", "/f") * 2048)
    for _ in range(5):
        checker, result = verify(desk, burned, level)
        assert result["mismatched_files"] == 1
        assert [line["mismatched_files"] for line in ends(checker)] == [1]


def test_a_disc_that_was_exchanged_meanwhile_is_not_good(desk):
    with open(desk / "src" / "large", "wb") as out:
        out.truncate(500 * MIB)
    worker, result = burn(desk, entries=[entry("root:src")])
    assert result["ok"]
    made = request(operation="verify", recorder_path=str(desk / "out.iso"), verify_level="full",
                   blocks=result["blocks"], session_sha256=result["session_sha256"],
                   metadata_blocks=worker.of("items")[0]["metadata_blocks"])
    checker = Worker(desk / "att", made)
    (desk / "other.iso").write_bytes(b"other")
    checker.wait_for("verify", completed=0)
    os.rename(desk / "other.iso", desk / "out.iso")
    result = checker.finish()
    assert result["problem"]["code"] == "medium_changed" and not result["content_equal"]
    assert not result["medium"]["present"]


def test_full_names_the_file_that_differs(desk):
    burned = folder(desk)
    for name in ("/f07", "/f20"):
        flip(desk / "out.iso", lba_of(desk / "out.iso", name) * 2048 + 100000)
    assert verify(desk, burned, "quick")[1]["ok"]
    _, result = verify(desk, burned, "full")
    assert result["problem"]["code"] == "verify_mismatch"
    assert result["problem"]["path"] in ("/f07", "/f20") and result["mismatched_files"] == 2
    assert not result["content_equal"]


@pytest.mark.parametrize("level", ["quick", "full"])
def test_a_changed_first_block_is_found(desk, level):
    burned = folder(desk)
    flip(desk / "out.iso", lba_of(desk / "out.iso", "/f07") * 2048)
    _, result = verify(desk, burned, level)
    assert result["problem"]["code"] == "verify_mismatch" and result["problem"]["path"] == "/f07"


@pytest.mark.parametrize("level", ["quick", "full"])
def test_changed_directories_are_found(desk, level):
    burned = folder(desk)
    flip(desk / "out.iso", 20 * 2048 + 7)
    _, result = verify(desk, burned, level)
    assert result["problem"]["code"] == "verify_mismatch" and result["problem"]["path"] == "[metadata]"


def test_padding_counts(desk):
    burned = folder(desk)
    flip(desk / "out.iso", os.path.getsize(desk / "out.iso") - 1)
    assert not verify(desk, burned, "full")[1]["ok"]


def test_another_size_is_found(desk):
    burned = folder(desk)
    with open(desk / "out.iso", "ab") as image:
        image.write(bytes(2048))
    assert verify(desk, burned, "quick")[1]["problem"]["code"] == "verify_mismatch"


def test_verify_can_be_canceled(desk):
    burned = folder(desk)
    worker, result = burned
    made = request(operation="verify", recorder_path=str(desk / "out.iso"), verify_level="full",
                   blocks=result["blocks"], session_sha256=result["session_sha256"],
                   metadata_blocks=worker.of("items")[0]["metadata_blocks"])
    checker = Worker(desk / "att", made, env={"BURND_WORKER_PAUSE": "verify=30"})
    checker.wait_for("phase", phase="verify")
    checker.send("cancel")
    assert checker.finish()["canceled"]


def test_names_without_rock_ridge(desk):
    (desk / "src" / "A Long Name.text").write_text("x" * 5000)
    for joliet in (True, False):
        burned = burn(desk, entries=[entry("root:src")], rock_ridge=False, joliet=joliet)
        assert burned[1]["ok"], burned[1]["problem"]
        assert verify(desk, burned, "quick")[1]["ok"]
        assert verify(desk, burned, "full")[1]["ok"]
        os.remove(desk / "out.iso")


# --- images --------------------------------------------------------------------------------------------

def image(desk):
    (desk / "tree").mkdir()
    for i in range(5):
        (desk / "tree" / ("f%d" % i)).write_bytes(os.urandom(900000))
    subprocess.run(["xorrisofs", "-quiet", "-R", "-J", "-V", "FOREIGN", "-o", str(desk / "src" / "x.iso"),
                    str(desk / "tree")], check=True, capture_output=True)
    return (desk / "src" / "x.iso").read_bytes()


def burn_image(desk, sha256="", **members):
    return burn(desk, is_image=True, image={"from": "root:src/x.iso", "sha256": sha256}, **members)


def test_an_image_is_burned_as_it_is(desk):
    content = image(desk)
    burned = burn_image(desk, hashlib.sha256(content).hexdigest())
    worker, result = burned
    assert result["ok"], result["problem"]
    assert (desk / "out.iso").read_bytes() == content
    assert result["medium"]["volume_id"] == "FOREIGN" and worker.of("items")[0]["count"] >= 6
    assert verify(desk, burned, "quick")[1]["ok"] and verify(desk, burned, "full")[1]["ok"]
    flip(desk / "out.iso", len(content) - 1)
    assert verify(desk, burned, "quick")[1]["problem"]["code"] == "verify_mismatch"


def test_a_wrong_hash_is_refused_before_the_write(desk):
    image(desk)
    worker, result = burn_image(desk, "0" * 64)
    assert result["problem"]["code"] == "image_hash_mismatch" and "write" not in worker.phases()
    assert result["problem"]["pointer"] == "/image/sha256"


def test_what_is_no_image(desk):
    (desk / "src" / "x.iso").write_bytes(bytes(1000000))
    assert burn_image(desk)[1]["problem"]["code"] == "image_not_aligned"
    (desk / "src" / "x.iso").write_bytes(b"")
    problem = burn_image(desk)[1]["problem"]
    assert problem["code"] == "image_invalid" and "empty" in problem["message"]
    (desk / "src" / "x.iso").write_bytes(bytes(2048 * 500))
    assert burn_image(desk)[1]["problem"]["code"] == "image_invalid"
    os.remove(desk / "src" / "x.iso")
    os.mkdir(desk / "src" / "x.iso")
    assert burn_image(desk)[1]["problem"]["code"] == "source_not_regular"


def test_a_udf_image_is_one_item(desk):
    content = bytearray(os.urandom(2048 * 600))
    for block, word in ((16, b"BEA01"), (17, b"NSR02"), (18, b"TEA01")):
        content[block * 2048:block * 2048 + 7] = b"\0" + word + b"\1"
    (desk / "src" / "x.iso").write_bytes(content)
    burned = burn_image(desk)
    assert burned[1]["ok"], burned[1]["problem"]
    assert burned[0].of("items")[0]["count"] == 1
    assert verify(desk, burned, "full")[1]["ok"]


@pytest.mark.parametrize("change", ["shrink", "grow"])
def test_an_image_that_changes(desk, change):
    image(desk)
    made = request(recorder_path=str(desk / "out.iso"), is_image=True,
                   image={"from": "root:src/x.iso", "sha256": ""}, speed={"kind": "kb_s", "value": 3000})
    worker = Worker(desk / "att", made, {"src": str(desk / "src")}, env={"BURND_WORKER_PAUSE": "write=0.3"})
    worker.wait_for("phase", phase="write")
    size = os.path.getsize(desk / "src" / "x.iso")
    os.truncate(desk / "src" / "x.iso", size // 4096 * 2048 if change == "shrink" else size + 2048)
    result = worker.finish()
    assert result["problem"]["code"] == "source_changed", result
    assert result["problem"]["path"] == "root:src/x.iso" and os.path.getsize(desk / "out.iso") == 0
