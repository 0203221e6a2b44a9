# SPDX-License-Identifier: GPL-2.0-or-later
"""Runs build/<variant>/burnd-worker as burnd would: a folder with request.json, a socket as fd 3."""

import copy
import json
import os
import select
import shutil
import signal
import socket
import subprocess
import time

HERE = os.path.dirname(os.path.abspath(__file__))
BUILD = os.environ.get("BURND_BUILD", os.path.join(HERE, "..", "..", "build", "release"))
PROGRAM = os.path.join(BUILD, "burnd-worker")
LIMIT_S = 120

DATA = {
    "ownership": "neutral", "symlinks": "keep", "on_unreadable": "fail", "volume_id": "TEST_DISC",
    "publisher": "", "preparer": "", "application": "", "iso_level": 3, "rock_ridge": True,
    "joliet": True, "entries": [], "exclude": [],
}
REQUEST = {
    "operation": "burn", "has_lease": False, "recorder": "file-1", "recorder_path": None,
    "recorder_speed_kb_s": 0, "is_image": False, "image": {"from": None, "sha256": ""},
    "speed": {"kind": "max", "value": 0.0}, "simulate": False, "force_overwrite": False,
    "keep_digests_of_files": True, "limit_ms": 0, "image_time_ms": 0, "expected_sha256": "",
    "verify_level": "none", "blocks": 0, "session_sha256": "", "metadata_blocks": 0, "eject_to": None,
    "eject_to_unknown": None, "expected_fingerprint": "", "expected_device": 0, "expected_inode": 0,
    "watchdog_factor": 1.0, "roots": [], "data": DATA,
}


def request(**members):
    made = copy.deepcopy(REQUEST)
    for name, value in members.items():
        if name in DATA:
            made["data"][name] = value
        else:
            made[name] = value
    return made


def entry(source, to="/"):
    return {"from": source, "text": None, "to": to}


def text(content, to):
    return {"from": None, "text": content, "to": to}


class Worker:
    """One run. `roots` maps names to folders, in the order of their descriptors."""

    def __init__(self, folder, made, roots=None, env=None, uid=None, proceed=True):
        self.folder = str(folder)
        self.lines = []
        self.proceed = proceed
        self.rest = b""
        self.closed = False
        os.makedirs(self.folder, exist_ok=True)
        descriptors = [os.open(path, os.O_PATH | os.O_DIRECTORY) for path in (roots or {}).values()]
        made = copy.deepcopy(made)
        made["roots"] = [{"name": name, "fd": 5 + i} for i, name in enumerate(roots or {})]
        with open(os.path.join(self.folder, "request.json"), "w") as out:
            json.dump(made, out)
        ours, theirs = socket.socketpair()
        self.socket = ours
        high = [os.dup(fd) for fd in [theirs.fileno()] + descriptors]

        def place():
            # descriptors are moved far up first, so that none is overwritten before it is used
            moved = [os.dup2(fd, 100 + i, inheritable=True) for i, fd in enumerate(high)]
            os.dup2(moved[0], 3, inheritable=True)
            for i, fd in enumerate(moved[1:]):
                os.dup2(fd, 5 + i, inheritable=True)
            for fd in moved:
                os.close(fd)
            if uid is not None:
                os.setgroups([])
                os.setgid(uid)
                os.setuid(uid)

        program = os.path.abspath(PROGRAM)
        if uid is not None:  # who may not be able to enter the checkout
            program = shutil.copy(program, self.folder)
        self.started = time.monotonic()
        self.process = subprocess.Popen(
            ["timeout", "--foreground", "-s", "KILL", str(LIMIT_S), program],
            cwd=self.folder, close_fds=False, preexec_fn=place, stdin=subprocess.DEVNULL,
            stderr=open(os.path.join(self.folder, "stderr"), "wb"), env={**os.environ, **(env or {})})
        theirs.close()
        for fd in high + descriptors:
            os.close(fd)

    def send(self, kind):
        self.socket.sendall(json.dumps({"kind": kind}).encode() + b"\n")

    def next_line(self, limit_s=60):
        """The next line, None at the end."""
        end = time.monotonic() + limit_s
        while b"\n" not in self.rest:
            readable, _, _ = select.select([self.socket], [], [], max(0, end - time.monotonic()))
            if not readable:
                raise AssertionError("the worker is silent; so far: %r" % self.lines[-5:])
            try:
                piece = self.socket.recv(65536)
            except ConnectionResetError:
                piece = b""
            if not piece:
                return None
            self.rest += piece
        raw, self.rest = self.rest.split(b"\n", 1)
        assert len(raw) < 65536
        line = json.loads(raw)
        line["at"] = time.monotonic() - self.started
        self.lines.append(line)
        if line["kind"] == "phase" and line["phase"] == "write" and self.proceed:
            self.send("proceed")
        return line

    def wait_for(self, kind, **members):
        while True:
            line = self.next_line()
            assert line is not None, "ended before %s %s: %r" % (kind, members, self.lines)
            if line["kind"] == kind and all(line.get(k) == v for k, v in members.items()):
                return line

    def finish(self, limit_s=60):
        """Reads to the end; the result line. Fails when nothing but heartbeats came for `limit_s`."""
        end = time.monotonic() + limit_s
        while (line := self.next_line(limit_s)) is not None:
            if line["kind"] != "heartbeat":
                end = time.monotonic() + limit_s
            assert time.monotonic() < end, self.lines[-5:]
        self.wait()
        assert self.process.returncode == 0, self.stderr()
        assert self.lines and self.lines[-1]["kind"] == "result", self.lines
        return self.lines[-1]

    def wait(self):
        self.process.wait(LIMIT_S)
        self.socket.close()

    def child(self):
        """The pid of the worker itself below timeout(1)."""
        for _ in range(200):
            with open("/proc/%d/task/%d/children" % (self.process.pid, self.process.pid)) as children:
                pids = children.read().split()
            if pids:
                return int(pids[0])
            time.sleep(0.01)
        raise AssertionError("no worker")

    def kill(self, number=signal.SIGKILL):
        os.kill(self.child(), number)

    def stderr(self):
        with open(os.path.join(self.folder, "stderr")) as err:
            return err.read()

    def of(self, kind):
        return [line for line in self.lines if line["kind"] == kind]

    def phases(self):
        return [line["phase"] for line in self.of("phase")]

    def stored(self):
        with open(os.path.join(self.folder, "result.json")) as stored:
            return json.load(stored)
