# SPDX-License-Identifier: GPL-2.0-or-later
"""burnd as a program: options, exit status, what it prints, and the page of the README as people paste it."""
import os
import re
import shutil
import subprocess

import pytest
from burnd import PROGRAM, TOP, data_job, make_tree, write_file

CURL_PAGE = r"""
B=http://localhost:8080/api/v1
curl -s $B/recorders | jq '.items[]|{id,state,medium:.medium.state}'
J=$B/jobs/$(curl -s -H 'Content-Type: application/json' -d '{"type":"data","data":{"entries":[{"from":"root:demo","to":"/"}]}}' $B/jobs | jq -r .id)
curl -sN -H 'Accept: text/event-stream' "$B/events?topics=jobs/${J##*/}&since=oldest&until=terminal"
until curl -s -H 'Prefer: wait=600' "$J?until=terminal" | jq -e '.ended_at!=null' >/dev/null; do sleep 1; done; curl -s "$J" | jq .state
"""  # noqa: E501


def run(folder, *arguments, env=None):
    return subprocess.run([PROGRAM, *arguments], capture_output=True, text=True, timeout=20, check=False,
                          cwd=folder, env={"HOME": folder, "PATH": os.environ["PATH"], **(env or {})})


@pytest.mark.parametrize("arguments,begin", [
    (["--colour"], "--colour: "), (["--listen", "nowhere"], "--listen: "), (["file.iso"], "file.iso: "),
    (["--listen", "0.0.0.0:8080"], "--listen: an address beyond loopback needs tokens"),
    (["--recorder", "/dev/sr0"], "--recorder: /dev/sr0: optical drives are not available in this release"),
    (["--recorder", "virtual:cd-r"], "--recorder: virtual:cd-r: virtual recorders are not available"),
    (["--tls-cert", "a"], "--tls-cert: not available in this release"),
    (["--root", "demo"], "--root: "), (["--config", "/nonexistent"], "--config: /nonexistent")])
def test_unusable_arguments(folder, arguments, begin):
    ended = run(folder, *arguments)
    assert ended.returncode == 2 and ended.stdout == ""
    assert len(ended.stderr.splitlines()) == 1
    assert ended.stderr.removeprefix("burnd: ").startswith(begin), ended.stderr


def test_unusable_files_and_environments(folder):
    write_file(f"{folder}/burnd.conf", b"# fine\nlisten = 127.0.0.1:0\ncolour = red\n")
    ended = run(folder, "--config", "burnd.conf")
    assert ended.returncode == 2 and "burnd.conf:3: colour: unknown key" in ended.stderr
    ended = run(folder, env={"BURND_LOG_LEVEL": "loud"})
    assert ended.returncode == 2 and "BURND_LOG_LEVEL: " in ended.stderr


def test_two_recorders_with_one_file_or_id(folder):
    for specs in (["file:a.iso,id=x", "file:b.iso,id=x"], ["file:a.iso,id=x", "file:a.iso,id=y"]):
        arguments = [part for spec in specs for part in ("--recorder", spec)]
        ended = run(folder, "--listen", "127.0.0.1:0", "--state-dir", f"{folder}/state", *arguments)
        assert ended.returncode == 2, ended.stderr


def test_check_config_version_help(folder):
    checked = run(folder, "--check-config", "--root", f"demo={folder}", "--recorder", "file:x.iso")
    assert checked.returncode == 0 and f"root = demo={folder}" in checked.stdout
    version = run(folder, "--version")
    assert version.returncode == 0 and re.fullmatch(r"burnd \d+\.\d+\.\d+\n", version.stdout)
    help_ = run(folder, "--help")
    assert help_.returncode == 0 and "--recorder" in help_.stdout


def test_healthcheck(burnd, folder):
    address = burnd.url.removeprefix("http://")
    assert run(folder, "--healthcheck", "--listen", address).returncode == 0
    burnd.stop()
    ended = run(folder, "--healthcheck", "--listen", address)
    assert ended.returncode == 1 and ended.stderr


def test_a_port_in_use(burnd, folder):
    ended = run(folder, "--listen", burnd.url.removeprefix("http://"), "--state-dir", f"{folder}/other")
    assert ended.returncode in (1, 2) and ended.stderr and ended.stdout == ""


def test_a_damaged_database_is_told_and_left_alone(burnd, folder):
    burnd.stop()
    names = [os.path.join(where, name) for where, _, files in os.walk(burnd.state_dir) for name in files]
    for name in names:
        if name.endswith((".db", ".sqlite", ".sqlite3")):
            write_file(name, b"this is not a database, it is a text that somebody put here\n" * 100)
            database = name
    ended = subprocess.run(burnd.arguments(), capture_output=True, text=True, timeout=20, check=False,
                           env=burnd.environment())
    assert ended.returncode in (1, 2) and "not a database" in ended.stderr
    with open(database, "rb") as file:
        assert file.read().startswith(b"this is not")


def test_ipv6(make_burnd):
    if not os.path.exists("/proc/net/if_inet6"):
        pytest.skip("this machine has no IPv6")
    burnd = make_burnd(start=False)
    arguments = burnd.arguments
    burnd.arguments = lambda: [part.replace("127.0.0.1:0", "[::1]:0") for part in arguments()]
    burnd.start()
    assert burnd.url.startswith("http://[::1]:")
    assert burnd.get("/healthz")["status"] == "ok"


def test_the_log_goes_to_standard_error(burnd_with_tree):
    burnd = burnd_with_tree
    job = burnd.burn(data_job(burn={"simulate": True}))
    assert job["id"] in burnd.log()


def test_the_curl_page_works_as_pasted(make_burnd, folder):
    if not shutil.which("jq") or not shutil.which("curl"):
        pytest.skip("needs curl and jq")
    burnd = make_burnd()
    make_tree(burnd.demo)
    port = burnd.url.rsplit(":", 1)[1]
    page = CURL_PAGE.replace("localhost:8080", "localhost:" + port)
    states = []
    for _ in range(2):
        ended = subprocess.run(["bash"], input=page, capture_output=True, text=True, timeout=60, check=True,
                               env={"PATH": os.environ["PATH"], "HOME": folder, "no_proxy": "*"})
        assert '"id": "file-1"' in ended.stdout
        assert "progress.block" in ended.stdout or states
        states.append(ended.stdout.strip().split("\n")[-1])
    assert states[0] == '"completed"'
    assert states[1] == '"failed"', "the disc was written by the first run"


def test_the_readme_has_that_page():
    path = os.path.join(TOP, "README.md")
    if not os.path.exists(path):
        pytest.skip("README.md is not written yet")
    with open(path, encoding="utf-8") as file:
        text = file.read()
    for line in CURL_PAGE.strip().split("\n"):
        assert line in text, line
