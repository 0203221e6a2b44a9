# SPDX-License-Identifier: GPL-2.0-or-later
"""The harness of the API tests: a real burnd on a free port, a client that checks every answer against
openapi.yaml, listeners for events, and trees to burn and to compare.

Nothing here sleeps for a guessed time: what must happen is waited for, with a limit that only a failure
reaches."""
import contextlib
import json
import os
import re
import select
import shutil
import signal
import subprocess
import threading
import time

import jsonschema
import requests
import websocket
import yaml

TOP = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
BUILD = os.path.join(TOP, os.environ.get("BURND_BUILD", "build/release"))
PROGRAM = os.path.join(BUILD, "burnd")
LIMIT_S = 40
NOBODY = 65534
BLOCK = 2048
SANITIZED = "address" in BUILD or "thread" in BUILD


# --- conditions ---------------------------------------------------------------------------------------


def until(condition, what, limit_s=LIMIT_S, pause_s=0.01):
    """The first true value of condition(); fails with `what` at the limit."""
    end = time.monotonic() + limit_s
    while True:
        value = condition()
        if value:
            return value
        if time.monotonic() > end:
            raise AssertionError(f"not within {limit_s} s: {what}")
        time.sleep(pause_s)


# --- the contract -------------------------------------------------------------------------------------


class Contract:
    """openapi.yaml: checks answers and remembers what was seen of it."""

    def __init__(self):
        with open(os.path.join(TOP, "openapi.yaml"), encoding="utf-8") as file:
            self.document = yaml.safe_load(file)
        self.resolver = jsonschema.RefResolver("", self.document)
        self.validators = {}
        self.succeeded = set()  # operationIds
        self.refused = set()  # (operationId, code)
        self.codes = set()  # every code seen, also inside a job's problem
        self.event_types = set()
        self.routes = []
        for path, item in self.document["paths"].items():
            pattern = re.compile(re.sub(r"\{[^}]+\}", "[^/]+", path) + "$")
            for method, operation in item.items():
                if method in ("get", "put", "post", "patch", "delete"):
                    self.routes.append((method, pattern, operation))

    def schema(self, name):
        return self.document["components"]["schemas"][name]

    def resolve(self, node):
        while "$ref" in node:
            _, node = self.resolver.resolve(node["$ref"])
        return node

    def validate(self, value, reference, where):
        if reference not in self.validators:
            self.validators[reference] = jsonschema.Draft202012Validator({"$ref": reference},
                                                                         resolver=self.resolver)
        error = jsonschema.exceptions.best_match(self.validators[reference].iter_errors(value))
        if error is not None:
            at = "/".join(map(str, error.absolute_path))
            raise AssertionError(f"{where}: at /{at}: {error.message[:600]}")
        self.note_problems(value)

    def note_problems(self, value):
        if isinstance(value, dict):
            if "retryable" in value and "code" in value:
                self.codes.add(value["code"])
            for child in value.values():
                self.note_problems(child)
        elif isinstance(value, list):
            for child in value:
                self.note_problems(child)

    def operation(self, method, path):
        for known, pattern, operation in self.routes:
            if known == method and pattern.match(path):
                return operation
        return None

    def check(self, method, path, response):
        where = f"{method.upper()} {path} {response.status_code}"
        operation = self.operation(method, path)
        if operation is None:
            assert response.status_code in (404, 405), f"{where}: not described"
            self.check_problem(response, where)
            return
        name = operation["operationId"]
        documented = operation["responses"].get(str(response.status_code))
        if documented is None:
            assert response.status_code >= 400, f"{where}: this status is not described"
            documented = operation["responses"]["default"]
        content = self.resolve(documented).get("content", {})
        kind = response.headers.get("Content-Type", "").split(";")[0]
        if content and response.status_code != 304:
            assert kind in content, f"{where}: {kind} is not described"
            if kind.endswith("json"):
                self.validate(response.json(), content[kind]["schema"]["$ref"], where)
        if response.status_code < 400:
            self.succeeded.add(name)
            if kind == "application/json":
                assert re.fullmatch(r"[^:]+:\d+", response.headers.get("Burnd-Seq", "")), where
            return
        code = self.check_problem(response, where)
        allowed = operation.get("x-problem-codes", []) + self.document["x-common-problem-codes"]
        assert code in allowed, f"{where}: {code} is not described: {response.text}"
        self.refused.add((name, code))

    def check_problem(self, response, where):
        assert response.headers["Content-Type"].startswith("application/problem+json"), where
        problem = response.json()
        self.validate(problem, "#/components/schemas/Problem", where)
        assert problem["status"] == response.status_code, where
        assert problem["detail"], where
        assert problem["request_id"] == response.headers["X-Request-Id"], where
        return problem["code"]

    def check_event(self, event):
        self.validate(event, "#/components/schemas/Event", f"event {event.get('type')}")
        self.event_types.add(event["type"])


CONTRACT = Contract()


# --- the daemon ---------------------------------------------------------------------------------------


class Burnd:
    """One burnd. `start()` again after it ended: a new process on the same state directory."""

    def __init__(self, folder, recorders=None, roots=None, env=None, options=(), user=None):
        self.folder = folder
        self.state_dir = os.path.join(folder, "state")
        self.demo = os.path.join(folder, "demo")
        self.out = os.path.join(folder, "out")
        for path in (self.state_dir, self.demo, self.out):
            os.makedirs(path, exist_ok=True)
        self.image = os.path.join(self.out, "disc.iso")
        self.recorders = recorders if recorders is not None else [f"file:{self.image},id=file-1"]
        self.roots = roots if roots is not None else {"demo": self.demo}
        self.env = env or {}
        self.options = list(options)
        self.user = user
        self.process = None
        self.url = None
        self.session = requests.Session()
        self.session.trust_env = False
        self.listeners = []
        self.program = PROGRAM
        if user is not None:
            for path in (self.state_dir, self.out):
                os.chown(path, user, user)
            self.copy_program()

    def copy_program(self):
        """For another user, who may not be able to enter the checkout."""
        build = os.path.join(self.folder, "checkout", "build", "copy")
        os.makedirs(build, exist_ok=True)
        for name in ("burnd", "burnd-worker"):
            shutil.copy(os.path.join(os.path.dirname(PROGRAM), name), build)
        shutil.copytree(os.path.join(TOP, "web"), os.path.join(self.folder, "checkout", "web"), dirs_exist_ok=True)
        shutil.copy(os.path.join(TOP, "openapi.yaml"), os.path.join(self.folder, "checkout"))
        self.program = os.path.join(build, "burnd")

    def environment(self):
        kept = {name: value for name, value in os.environ.items()
                if name in ("PATH", "LANG", "LD_LIBRARY_PATH") or name.endswith("SAN_OPTIONS")}
        kept["HOME"] = self.folder
        if "BURND_WATCHDOG_FACTOR" in os.environ:
            kept["BURND_WATCHDOG_FACTOR"] = os.environ["BURND_WATCHDOG_FACTOR"]
        kept.update(self.env)
        return kept

    def arguments(self):
        arguments = [self.program, "--listen", "127.0.0.1:0", "--state-dir", self.state_dir]
        for spec in self.recorders:
            arguments += ["--recorder", spec]
        for name, path in self.roots.items():
            arguments += ["--root", f"{name}={path}"]
        return arguments + self.options

    def start(self):
        who = {} if self.user is None else {"user": self.user, "group": self.user, "extra_groups": []}
        with open(os.path.join(self.folder, "burnd.log"), "ab") as log:
            self.process = subprocess.Popen(self.arguments(), stdin=subprocess.DEVNULL,
                                            stdout=subprocess.PIPE, stderr=log, env=self.environment(),
                                            cwd=self.folder, **who)
        ready, _, _ = select.select([self.process.stdout], [], [], LIMIT_S)
        line = self.process.stdout.readline().decode() if ready else ""
        match = re.fullmatch(r"burnd ready (http://\S+)\n", line)
        assert match, f"burnd said {line!r}; its log: {self.log()[-2000:]}"
        self.url = match.group(1)
        return self

    def log(self):
        with open(os.path.join(self.folder, "burnd.log"), encoding="utf-8", errors="replace") as file:
            return file.read()

    def kill(self):
        self.process.kill()
        self.process.wait(LIMIT_S)

    def terminate(self):
        self.process.send_signal(signal.SIGTERM)

    def ended(self, limit_s=LIMIT_S):
        """Its exit status."""
        return self.process.wait(limit_s)

    def stop(self):
        for listener in self.listeners:
            listener.close()
        self.listeners = []
        if self.process is None or self.process.poll() is not None:
            return
        self.terminate()
        try:
            self.process.wait(1)
        except subprocess.TimeoutExpired:
            self.process.send_signal(signal.SIGCONT)
            self.terminate()
            with contextlib.suppress(subprocess.TimeoutExpired):
                self.process.wait(3)
        if self.process.poll() is None:
            self.kill()
        for pid in self.workers():
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)

    def sanitizer_reports(self):
        """What the sanitizers said of burnd and its workers: both write to burnd's standard error."""
        log = self.log() if os.path.exists(os.path.join(self.folder, "burnd.log")) else ""
        found = re.search(r"^.*(Sanitizer:|runtime error:)", log, re.MULTILINE)
        return log[found.start():][:6000] if found else ""

    def workers(self):
        """Pids of the workers of this burnd, also of one that it left behind (by their folder)."""
        found = []
        for name in os.listdir("/proc"):
            if name.isdigit():
                with contextlib.suppress(OSError):
                    if os.readlink(f"/proc/{name}/exe").endswith("/burnd-worker") and \
                            os.readlink(f"/proc/{name}/cwd").startswith(self.state_dir):
                        found.append(int(name))
        return found

    def worker(self):
        return until(self.workers, "a worker runs")[0]

    # --- requests

    def request(self, method, path, **more):
        """Checked against the contract. `path` without /api/v1 unless it is at the top."""
        top = path.startswith(("/healthz", "/readyz", "/openapi.yaml", "/api/"))
        full = path if top else "/api/v1" + path
        more.setdefault("timeout", LIMIT_S)
        response = self.session.request(method, self.url + full, **more)
        CONTRACT.check(method.lower(), full.split("?")[0], response)
        return response

    def get(self, path, **more):
        response = self.request("GET", path, **more)
        assert response.status_code == 200, response.text
        return response.json()

    def post(self, path, body=None, status=None, **more):
        if body is not None:
            more["json"] = body
        response = self.request("POST", path, **more)
        if status is not None:
            assert response.status_code == status, response.text
        return response

    def refused(self, method, path, status, code, **more):
        """The problem; checks status and code."""
        response = self.request(method, path, **more)
        assert response.status_code == status, response.text
        assert response.json()["code"] == code, response.text
        return response.json()

    # --- jobs

    def create(self, body):
        return self.post("/jobs", body, status=201).json()

    def wait(self, job, limit_s=LIMIT_S, until_terminal=True):
        """The job once it is terminal (or needs a person)."""
        name = job if isinstance(job, str) else job["id"]
        query = "?until=terminal" if until_terminal else ""
        end = time.monotonic() + limit_s
        while True:
            answer = self.get(f"/jobs/{name}{query}", headers={"Prefer": "wait=10"})
            if answer["ended_at"] is not None or (answer["needs_person"] and not until_terminal):
                return answer
            assert time.monotonic() < end, f"the job goes on: {answer}"

    def burn(self, body, state="completed", limit_s=LIMIT_S):
        job = self.wait(self.create(body), limit_s)
        assert job["state"] == state, json.dumps(job["problem"]) + json.dumps(job["reason_details"])
        return job

    def copy(self, job, number=1):
        return self.get(f"/jobs/{job['id']}/copies/{number}")

    def attempt(self, job, copy=1, attempt=1):
        return self.get(f"/jobs/{job['id']}/copies/{copy}/attempts/{attempt}")

    def recorder(self, name="file-1"):
        return self.get(f"/recorders/{name}")

    def idle(self, name="file-1"):
        """The recorder once it does nothing and its medium was looked at."""
        def look():
            recorder = self.recorder(name)
            settled = recorder["state"] != "busy" and (recorder["medium"] or recorder["problem"])
            return recorder if settled else None
        return until(look, f"recorder {name} is idle")

    # --- events

    def events(self, topics=None, since=None, more=""):
        """A listener by SSE that has said hello."""
        listener = SseListener(self, event_query(topics, since, more))
        self.listeners.append(listener)
        return listener

    def websocket(self, topics=None, since=None, more="", check=True):
        listener = WebSocketListener(self, event_query(topics, since, more), check)
        self.listeners.append(listener)
        return listener

    def job_events(self, job):
        """All state events of a job, from its own resource."""
        items, since = [], ""
        while True:
            page = self.get(f"/jobs/{job['id']}/events?limit=500{since}")
            for event in page["items"]:
                CONTRACT.check_event(event)
            items += page["items"]
            if not page["items"]:
                return items
            since = "&since=" + page["next"]


def event_query(topics, since, more):
    parts = [f"topics={topics}"] if topics else []
    parts += [f"since={since}"] if since else []
    parts += [more] if more else []
    return "?" + "&".join(parts)


# --- event listeners ----------------------------------------------------------------------------------


class Listener:
    """Collects events on a thread of its own."""

    def __init__(self):
        self.events = []
        self.trouble = None
        self.over = False
        self.changed = threading.Condition()
        self.thread = threading.Thread(target=self.run, daemon=True)

    def run(self):
        try:
            self.read()
        except Exception as error:  # pylint: disable=broad-except
            self.trouble = error
        with self.changed:
            self.over = True
            self.changed.notify_all()

    def add(self, event):
        CONTRACT.check_event(event)
        with self.changed:
            self.events.append(event)
            self.changed.notify_all()

    def snapshot(self):
        with self.changed:
            return list(self.events)

    def of_type(self, *types):
        return [event for event in self.snapshot() if event["type"] in types]

    def wait(self, condition, what="an event", limit_s=LIMIT_S):
        """The first event for which condition(event) is true."""
        end = time.monotonic() + limit_s
        with self.changed:
            at = 0
            while True:
                while at < len(self.events):
                    if condition(self.events[at]):
                        return self.events[at]
                    at += 1
                left = end - time.monotonic()
                if self.over or left <= 0:
                    types = [event["type"] for event in self.events[-20:]]
                    raise AssertionError(f"no {what}; {self.trouble or ''} the last were {types}")
                self.changed.wait(left)

    def wait_phase(self, phase, limit_s=LIMIT_S):
        """The next event of this phase; an attempt that ends before it is a failure at once."""
        event = self.wait(lambda e: e["type"] == "attempt.phase" and e["data"]["phase"] in (phase, "ended"),
                          f"phase {phase}", limit_s)
        assert event["data"]["phase"] == phase, f"ended before {phase}: {event['data']['problem']}"
        return event

    def wait_over(self, limit_s=LIMIT_S):
        """Once the server has closed the stream."""
        with self.changed:
            assert self.changed.wait_for(lambda: self.over, limit_s), "the stream goes on"
        return self.events


class SseListener(Listener):
    def __init__(self, burnd, query, headers=None):
        super().__init__()
        headers = {"Accept": "text/event-stream", **(headers or {})}
        self.response = requests.get(burnd.url + "/api/v1/events" + query, headers=headers, stream=True,
                                     timeout=LIMIT_S)
        assert self.response.status_code == 200, self.response.text
        assert self.response.headers["Content-Type"].startswith("text/event-stream")
        CONTRACT.succeeded.add("listEvents")
        self.thread.start()
        self.wait(lambda event: event["type"] == "hello", "hello")

    def read(self):
        fields = {}
        for line in self.response.iter_lines(chunk_size=1):
            name, _, value = line.decode().partition(":")
            if line:
                fields[name] = fields.get(name, "") + value.removeprefix(" ")
                continue
            if "data" in fields:
                event = json.loads(fields["data"])
                wanted = None if event["seq"] is None else f"{event['epoch']}:{event['seq']}"
                assert fields.get("id") == wanted, f"SSE id {fields.get('id')} of {event}"
                self.add(event)
            fields = {}

    def close(self):
        with contextlib.suppress(Exception):
            self.response.raw._fp.fp.raw._sock.shutdown(2)  # wakes the reading thread
        with contextlib.suppress(Exception):
            self.response.close()


class WebSocketListener(Listener):
    def __init__(self, burnd, query, check=True):
        super().__init__()
        self.check = check
        self.close_code = None
        self.socket = websocket.create_connection(
            burnd.url.replace("http:", "ws:") + "/api/v1/events" + query, timeout=LIMIT_S,
            subprotocols=["burnd.v1"], http_no_proxy=["*"])
        self.thread.start()
        self.wait(lambda event: event["type"] == "hello", "hello")

    def read(self):
        while True:
            opcode, data = self.socket.recv_data()
            if opcode == websocket.ABNF.OPCODE_CLOSE:
                self.close_code = int.from_bytes(data[:2], "big") if len(data) >= 2 else None
                return
            assert opcode == websocket.ABNF.OPCODE_TEXT
            self.add(json.loads(data))

    def say(self, **operation):
        self.socket.send(json.dumps(operation))

    def close(self):
        with contextlib.suppress(Exception):
            self.socket.sock.shutdown(2)
        with contextlib.suppress(Exception):
            self.socket.shutdown()


# --- trees --------------------------------------------------------------------------------------------


def data_job(source="root:demo", **more):
    return {"type": "data", "data": {"entries": [{"from": source, "to": "/"}]}, **more}


def write_file(path, content, mtime=1_700_000_000):
    os.makedirs(os.path.dirname(path), exist_ok=True)
    with open(path, "wb") as file:
        file.write(content)
    os.utime(path, (mtime, mtime))
    return path


def noise(size, seed=1):
    """Bytes that repeat nowhere near, the same for the same seed."""
    block = bytes((seed * 131 + i * 7 + (i >> 8) * 13) & 0xFF for i in range(65521))
    return (block * (size // len(block) + 1))[:size]


def make_tree(folder):
    """A tree with what file systems disagree about: long and foreign names, empty ones, depth, links."""
    files = {
        "README.TXT": b"Read me.\n",
        "empty": b"",
        "one block": noise(BLOCK),
        "a bit more": noise(BLOCK + 1, 2),
        "photos/2026/Sommer in Ärö.jpg": noise(300_000, 3),
        "photos/2026/" + "long name " * 10 + "end.jpg": noise(5000, 4),
        "日本語/ファイル.txt": "こんにちは\n".encode(),
        "a/b/c/d/e/f/g/h/i/deep.bin": noise(100_000, 5),
        "UPPER.lower.many.dots.tar.gz": noise(77_777, 6),
    }
    for index, (name, content) in enumerate(files.items()):
        write_file(os.path.join(folder, name), content, 1_600_000_000 + index * 1000)
    os.makedirs(os.path.join(folder, "empty folder"), exist_ok=True)
    os.symlink("../README.TXT", os.path.join(folder, "photos", "link to readme"))
    return files


def extract(image, folder):
    """Reads an image back with libarchive, which knows nothing of libisofs."""
    os.makedirs(folder)
    subprocess.run(["bsdtar", "-x", "-f", image, "-C", folder], check=True, capture_output=True,
                   env={**os.environ, "LC_ALL": "C.UTF-8"})


def describe(folder):
    """{path: what is there}: names, kinds, contents, times of files."""
    found = {}
    for where, folders, files in os.walk(folder):
        for name in folders + files:
            path = os.path.join(where, name)
            key = os.path.relpath(path, folder)
            if os.path.islink(path):
                found[key] = ("link", os.readlink(path))
            elif os.path.isdir(path):
                found[key] = ("folder",)
            else:
                with open(path, "rb") as file:
                    found[key] = ("file", int(os.stat(path).st_mtime), file.read())
    return found


def assert_same_tree(image, source, work):
    extract(image, work)
    was, is_now = describe(source), describe(work)
    assert sorted(was) == sorted(is_now)
    for name, value in was.items():
        assert is_now[name] == value, f"{name} differs"
    shutil.rmtree(work, onerror=lambda f, p, e: (os.chmod(os.path.dirname(p), 0o700), f(p)))


def is_blank(image):
    """What a blank file recorder holds: no file, or no byte but 0 in it."""
    if not os.path.exists(image):
        return True
    with open(image, "rb") as file:
        return not any(any(chunk) for chunk in iter(lambda: file.read(1 << 20), b""))
