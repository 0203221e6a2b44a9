# SPDX-License-Identifier: GPL-2.0-or-later
"""What gets on the disc, and that it is what was asked for."""

import fcntl
import hashlib
import os
import subprocess

import pytest

from worker import Worker, entry, request, text

NAMES = ["plain.txt", "ümläut ß.txt", "日本語.dat", "with space", "UPPER.lower", "emoji 😀.bin", "a" * 200]


def fill(folder, count=12, size=3000):
    for i in range(count):
        name = NAMES[i % len(NAMES)] if i < len(NAMES) else "file%03d" % i
        (folder / name).write_bytes(os.urandom(size + i * 777))
        os.utime(folder / name, (1600000000 + i, 1600000000 + i))


def burn(desk, roots=None, **members):
    members.setdefault("entries", [entry("root:src")])
    members.setdefault("recorder_path", str(desk / "out.iso"))
    worker = Worker(desk / "att", request(**members), roots or {"src": str(desk / "src")})
    return worker, worker.finish()


def extract(image, target):
    subprocess.run(["xorriso", "-osirrox", "on", "-indev", str(image), "-extract", "/", str(target)],
                   check=True, capture_output=True)
    subprocess.run(["chmod", "-R", "u+rwX", str(target)], check=True)
    return target


def same_tree(left, right):
    return subprocess.run(["diff", "-r", "--no-dereference", str(left), str(right)],
                          capture_output=True, text=True).stdout == ""


def listing(image):
    out = subprocess.run(["bsdtar", "-tf", str(image)], check=True, capture_output=True,
                         env={**os.environ, "LC_ALL": "C.UTF-8"}).stdout.decode()
    names = [line.rstrip("/").removeprefix("./") for line in out.split("\n")]
    return sorted(name for name in names if name not in ("", "."))


def codes(plan):
    return [error["code"] for error in plan["errors"]]


def plan(desk, roots=None, **members):
    worker = Worker(desk / "plan", request(operation="plan", **members), roots or {"src": str(desk / "src")})
    result = worker.finish()
    assert result["ok"]
    return worker.of("plan")[0]["plan"]


def test_folder_is_burned_byte_for_byte(desk):
    fill(desk / "src")
    (desk / "src" / "deep" / "er").mkdir(parents=True)
    fill(desk / "src" / "deep" / "er", 20)
    (desk / "src" / "empty").write_bytes(b"")
    (desk / "src" / "empty folder").mkdir()
    os.symlink("deep/er", desk / "src" / "link")
    worker, result = burn(desk)
    assert result["ok"] and result["outcome"] == "good" and result["advice"] == "keep"
    assert worker.phases() == ["acquire", "assess", "stage", "write", "flush", "close", "settle"]
    got = extract(desk / "out.iso", desk / "got")
    assert same_tree(desk / "src", got)
    for name in NAMES:
        assert int(os.stat(got / name).st_mtime) == int(os.stat(desk / "src" / name).st_mtime)
    data = (desk / "out.iso").read_bytes()
    assert len(data) == result["blocks"] * 2048
    assert hashlib.sha256(data).hexdigest() == result["session_sha256"]
    assert result["medium"]["volume_id"] == "TEST_DISC"
    assert os.stat(got / "plain.txt").st_uid == 0
    assert worker.stored()["session_sha256"] == result["session_sha256"]


def test_blocks_are_told_from_nothing_to_all(desk):
    (desk / "src" / "big").write_bytes(os.urandom(6000000))
    worker, result = burn(desk, speed={"kind": "kb_s", "value": 12000})
    told = worker.of("block")
    assert told[0]["completed"] == 0 and not told[0]["handed_over"]
    assert told[-1]["completed"] == told[-1]["total"] == result["blocks"]
    assert [line["handed_over"] for line in told].count(True) == 1 and told[-1]["handed_over"]
    assert all(a["completed"] <= b["completed"] for a, b in zip(told, told[1:]))
    assert 3 < len(told) < 15
    assert result["ok"]


def test_plan_says_what_burn_writes(desk):
    fill(desk / "src", 40)
    (desk / "src" / "d").mkdir()
    entries = [entry("root:src"), text("x" * 5000, "/d/README")]
    planned = plan(desk, entries=entries)
    worker, result = burn(desk, entries=entries)
    assert planned["ok"] and planned["image_sectors"] == result["blocks"]
    assert planned["files"] == 41 and planned["directories"] == 1


def test_copies_are_equal(desk):
    fill(desk / "src")
    members = dict(entries=[entry("root:src"), text("hello", "/t")], image_time_ms=1700000000000)
    _, first = burn(desk, **members)
    os.rename(desk / "out.iso", desk / "first.iso")
    _, second = burn(desk, expected_sha256=first["session_sha256"], **members)
    assert second["ok"], second["problem"]
    os.remove(desk / "out.iso")
    (desk / "src" / "plain.txt").write_bytes(b"changed")
    _, third = burn(desk, expected_sha256=first["session_sha256"], **members)
    assert not third["ok"] and third["problem"]["code"] == "source_changed"
    assert os.path.getsize(desk / "out.iso") == 0


def test_roots_are_grafted_and_merged(desk):
    (desk / "two").mkdir()
    (desk / "src" / "a").mkdir()
    (desk / "src" / "a" / "one").write_text("1")
    (desk / "two" / "two").write_text("2")
    _, result = burn(desk, {"src": str(desk / "src"), "b": str(desk / "two")}, entries=[
        entry("root:src"), entry("root:b", "/a"), entry("root:b/two", "/x/y/"), entry("root:b/two", "/z"),
        text("t", "/x/t")])
    assert result["ok"], result["problem"]
    assert listing(desk / "out.iso") == ["a", "a/one", "a/two", "x", "x/t", "x/y", "x/y/two", "z"]


def test_conflicting_paths_are_refused(desk):
    (desk / "src" / "a").write_text("1")
    planned = plan(desk, entries=[entry("root:src"), text("2", "/a"), text("3", "/a/b")])
    assert not planned["ok"] and codes(planned) == ["path_conflict", "path_conflict"]
    assert planned["errors"][0]["path"] == "/a"
    assert planned["errors"][0]["pointer"] == "/data/entries/1/to"


def test_all_errors_are_collected(desk):
    os.mkfifo(desk / "src" / "fifo")
    (desk / "src" / "x").write_text("x")
    planned = plan(desk, entries=[
        entry("root:nope"), entry("root:src/../etc"), entry("root:src/missing"), entry("root:src/fifo"),
        entry("root:src//etc/passwd"), text("t", "relative"), text("t", "/a/../b"), text("t", "/" + "n" * 256)])
    assert codes(planned) == ["root_unknown", "source_outside_root", "source_missing", "source_not_regular",
                              "source_outside_root", "name_not_representable", "name_not_representable",
                              "name_not_representable"]
    assert [e["pointer"] for e in planned["errors"]][:3] == ["/data/entries/%d/from" % i for i in range(3)]
    assert planned["errors"][5]["pointer"] == "/data/entries/5/to"


def test_special_files_are_left_out_with_a_warning(desk):
    os.mkfifo(desk / "src" / "fifo")
    (desk / "src" / "x").write_text("x")
    worker, result = burn(desk)
    assert result["ok"] and listing(desk / "out.iso") == ["x"]
    warning = worker.of("warning")[0]["warning"]
    assert warning["code"] == "source_not_regular" and warning["examples"] == ["root:src/fifo"]


def test_names_that_no_disc_can_hold(desk):
    with open(os.fsencode(desk) + b"/src/bad\xff", "w"):
        pass
    planned = plan(desk, entries=[entry("root:src")])
    assert codes(planned) == ["name_not_representable"]


def test_excludes(desk):
    for name in ("a/.DS_Store", ".DS_Store", "a/keep", "tmp/x", "b/c/x.o", "y.o", "b/keep.c"):
        (desk / "src" / name).parent.mkdir(parents=True, exist_ok=True)
        (desk / "src" / name).write_text(name)
    _, result = burn(desk, exclude=["**/.DS_Store", "tmp", "**/*.o"])
    assert result["ok"]
    assert listing(desk / "out.iso") == ["a", "a/keep", "b", "b/c", "b/keep.c"]


def links(desk):
    (desk / "outside").write_text("secret")
    (desk / "src" / "d").mkdir()
    (desk / "src" / "d" / "f").write_text("f")
    os.symlink("d/f", desk / "src" / "good")
    os.symlink("d", desk / "src" / "folder")


def test_links_are_kept(desk):
    links(desk)
    os.symlink("/etc/passwd", desk / "src" / "absolute")
    os.symlink("nowhere", desk / "src" / "dangling")
    worker, result = burn(desk)
    assert result["ok"]
    got = extract(desk / "out.iso", desk / "got")
    assert os.readlink(got / "absolute") == "/etc/passwd" and os.readlink(got / "dangling") == "nowhere"
    warning = worker.of("warning")[0]["warning"]
    assert warning["code"] == "symlink_not_in_joliet" and warning["count"] == 4


def test_links_are_followed(desk):
    links(desk)
    _, result = burn(desk, symlinks="follow")
    assert result["ok"], result["problem"]
    got = extract(desk / "out.iso", desk / "got")
    assert (got / "good").read_text() == "f" and not os.path.islink(got / "good")
    assert (got / "folder" / "f").read_text() == "f"


def test_links_are_skipped(desk):
    links(desk)
    _, result = burn(desk, symlinks="skip")
    assert listing(desk / "out.iso") == ["d", "d/f"] and result["ok"]


@pytest.mark.parametrize("target,code", [
    ("/etc/passwd", "source_outside_root"), ("../outside", "source_outside_root"),
    ("nowhere", "source_missing"), ("loop", "source_missing"), (".", "source_missing"),
    ("d/up", "source_missing")])
def test_bad_links_are_not_followed(desk, target, code):
    links(desk)
    os.symlink("../d", desk / "src" / "d" / "up")
    os.symlink(target, desk / "src" / "loop")
    planned = plan(desk, entries=[entry("root:src")], symlinks="follow")
    assert code in codes(planned), planned


def test_links_in_from_stay_beneath_the_root(desk):
    links(desk)
    os.symlink("/etc", desk / "src" / "etc")
    planned = plan(desk, entries=[entry("root:src/folder/f", "/ok"), entry("root:src/etc/passwd", "/p")])
    assert codes(planned) == ["source_outside_root"]
    assert planned["errors"][0]["pointer"] == "/data/entries/1/from"


def test_hard_links_share_their_content(desk):
    (desk / "src" / "one").write_bytes(os.urandom(1000000))
    os.link(desk / "src" / "one", desk / "src" / "two")
    _, result = burn(desk)
    assert result["ok"] and result["blocks"] < 1000000 // 2048 + 300
    got = extract(desk / "out.iso", desk / "got")
    assert same_tree(desk / "src", got)


def test_ownership(desk):
    (desk / "src" / "x").write_text("x")
    os.chmod(desk / "src" / "x", 0o750)
    (desk / "src" / "y").write_text("y")
    os.chmod(desk / "src" / "y", 0o600)
    if os.geteuid() == 0:
        os.chown(desk / "src" / "y", 1234, 4321)

    def modes():
        out = subprocess.run(["bsdtar", "-tvf", str(desk / "out.iso")], capture_output=True, check=True,
                             text=True).stdout
        return {line.split()[-1].removeprefix("./"): line.split()[0:4] for line in out.splitlines()}
    assert burn(desk)[1]["ok"]
    seen = modes()
    assert seen["x"][0] == "-r-xr-xr-x" and seen["y"][0] == "-r--r--r--" and seen["y"][2:4] == ["0", "0"]
    os.remove(desk / "out.iso")
    assert burn(desk, ownership="keep")[1]["ok"]
    seen = modes()
    assert seen["x"][0] == "-rwxr-x---" and seen["y"][0] == "-rw-------"
    if os.geteuid() == 0:
        assert seen["y"][2:4] == ["1234", "4321"]


def test_long_names_are_warned_of(desk):
    (desk / "src" / ("n" * 150)).write_text("x")
    worker, result = burn(desk)
    assert result["ok"] and worker.of("warning")[0]["warning"]["code"] == "joliet_name_truncated"


def test_unreadable_files(desk):
    if os.geteuid() != 0:
        pytest.skip("another user is needed")
    (desk / "src" / "secret").write_text("x")
    (desk / "src" / "open").write_text("y")
    os.chmod(desk / "src" / "secret", 0)
    os.chmod(desk / "src" / "open", 0o644)
    (desk / "out").mkdir()
    (desk / "att").mkdir()
    for folder in ("out", "att"):
        os.chown(desk / folder, 65534, 65534)
    for policy in ("fail", "skip"):
        made = request(entries=[entry("root:src")], on_unreadable=policy,
                       recorder_path=str(desk / "out" / "o.iso"))
        worker = Worker(desk / "att", made, {"src": str(desk / "src")}, uid=65534)
        result = worker.finish()
        if policy == "fail":
            assert result["problem"]["code"] == "source_unreadable"
            assert result["problem"]["path"] == "root:src/secret"
            assert result["outcome"] == "unharmed"
        else:
            assert result["ok"] and listing(desk / "out" / "o.iso") == ["open"]
            assert worker.of("warning")[0]["warning"]["code"] == "source_unreadable"


def test_files_beyond_4_gib(desk):
    with open(desk / "src" / "large", "wb") as out:
        out.truncate(4 * 1024**3 + 5000)
        out.seek(4 * 1024**3 + 100)
        out.write(b"beyond the border")
    planned = plan(desk, entries=[entry("root:src")], iso_level=2)
    assert codes(planned) == ["mode_unsupported"]
    worker, result = burn(desk)
    assert result["ok"], result["problem"]
    assert worker.of("items")[0]["count"] == 4  # metadata, two extents, padding
    reader = subprocess.run("bsdtar -xOf %s large | cmp - %s" % (desk / "out.iso", desk / "src" / "large"),
                            shell=True)
    assert reader.returncode == 0
    os.remove(desk / "out.iso")


def test_a_written_file_is_not_blank(desk):
    (desk / "src" / "x").write_text("x")
    (desk / "out.iso").write_bytes(b"precious")
    worker, result = burn(desk)
    assert result["problem"]["code"] == "medium_not_blank" and result["outcome"] == "unharmed"
    assert (desk / "out.iso").read_bytes() == b"precious"


def test_a_file_of_zeros_is_blank(desk):
    (desk / "src" / "x").write_text("x")
    with open(desk / "out.iso", "wb") as out:
        out.write(bytes(5000000))
        out.truncate(5000000000)
    worker, result = burn(desk)
    assert result["ok"] and result["was_blank"]
    assert os.path.getsize(desk / "out.iso") == result["blocks"] * 2048


def test_overwriting_leaves_no_old_tail(desk):
    (desk / "src" / "x").write_text("x")
    (desk / "out.iso").write_bytes(os.urandom(9000000))
    worker, result = burn(desk, force_overwrite=True)
    assert result["ok"] and not result["was_blank"]
    assert os.path.getsize(desk / "out.iso") == result["blocks"] * 2048
    assert [p["cancel"] for p in worker.of("phase")][3] == "ruins_disc"


@pytest.mark.parametrize("kind", ["folder", "fifo", "link", "device"])
def test_other_things_are_no_medium(desk, kind):
    (desk / "src" / "x").write_text("x")
    path = desk / "out.iso"
    if kind == "folder":
        path.mkdir()
    elif kind == "fifo":
        os.mkfifo(path)
    elif kind == "link":
        os.symlink("/tmp/never", path)
    else:
        path = "/dev/null"
    _, result = burn(desk, recorder_path=str(path), force_overwrite=True)
    assert result["problem"]["code"] == "medium_unsupported"


def test_a_locked_file_is_in_use(desk):
    (desk / "src" / "x").write_text("x")
    with open(desk / "out.iso", "wb") as held:
        fcntl.flock(held, fcntl.LOCK_EX)
        _, result = burn(desk)
    assert result["problem"]["code"] == "recorder_in_use"


def test_simulation_leaves_nothing(desk):
    fill(desk / "src")
    worker, result = burn(desk, simulate=True)
    assert result["ok"] and not os.path.exists(desk / "out.iso")
    assert worker.of("block")[-1]["handed_over"]
    (desk / "out.iso").write_bytes(b"precious")
    _, result = burn(desk, simulate=True, force_overwrite=True)
    assert result["ok"] and (desk / "out.iso").read_bytes() == b"precious"


def test_too_large_is_known_before(desk, small_disk):
    (desk / "src" / "big").write_bytes(os.urandom(20000000))
    worker, result = burn(desk, recorder_path=str(small_disk / "out.iso"))
    assert result["problem"]["code"] == "medium_too_small" and result["outcome"] == "unharmed"
    assert "write" not in worker.phases()
