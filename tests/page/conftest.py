# SPDX-License-Identifier: GPL-2.0-or-later
"""The real burnd, a real Chromium, and words for what a person does with the page.

The hooks in the page (ids, data attributes) are listed in README.md.
"""

import json
import os
import pathlib
import shutil
import signal
import subprocess
import urllib.request

import pytest

PROJECT = pathlib.Path(__file__).resolve().parents[2]
CHROMIUM = shutil.which("chromium") or shutil.which("chromium-browser")
CHROMEDRIVER = shutil.which("chromedriver")
WAIT_S = 30


def pytest_collection_modifyitems(items):
    if CHROMIUM and CHROMEDRIVER:
        return
    for item in items:
        item.add_marker(pytest.mark.skip(reason="chromium or chromedriver is not installed"))


@pytest.hookimpl(hookwrapper=True)
def pytest_runtest_makereport(item, call):
    outcome = yield
    if call.when == "call":
        item.failed = outcome.get_result().failed


# ---- burnd ----


class Burnd:
    """One burnd with a root `demo` and a file recorder `disc1`. kill() leaves what it wrote behind."""

    def __init__(self, folder, speed_kb_s):
        self.folder = folder
        self.source = folder / "src"
        self.disc = folder / "disc.iso"
        self.speed_kb_s = speed_kb_s
        self.process = None
        self.url = None

    def start(self, listen="127.0.0.1:0"):
        build = pathlib.Path(os.environ.get("BURND_BUILD", "build/release"))
        self.log = open(self.folder / "burnd.log", "ab")
        self.process = subprocess.Popen(
            [PROJECT / build / "burnd", "--listen", listen, "--state-dir", self.folder / "state",
             "--web-dir", PROJECT / "web", "--root", f"demo={self.source}", "--station", "workbench",
             "--recorder", f"file:{self.disc},id=disc1,speed={self.speed_kb_s}"],
            stdout=subprocess.PIPE, stderr=self.log, text=True)
        line = self.process.stdout.readline().strip()
        assert line.startswith("burnd ready http://"), f"{line!r}: see {self.log.name}"
        self.url = line.split()[-1]
        return self

    def kill(self):
        self.process.send_signal(signal.SIGKILL)
        self.process.wait()
        self.process.stdout.close()
        self.log.close()

    def start_again(self):
        """On the same port, with the same state."""
        return self.start(self.url.removeprefix("http://"))

    def stop(self):
        for patience_s in (3, 10):
            if self.process.poll() is None:
                self.process.send_signal(signal.SIGTERM)
                try:
                    self.process.wait(patience_s)
                except subprocess.TimeoutExpired:
                    pass
        if self.process.poll() is None:
            self.process.kill()
            self.process.wait()
        if not self.log.closed:
            self.process.stdout.close()
            self.log.close()

    def get(self, path):
        with urllib.request.urlopen(f"{self.url}/api/v1/{path}", timeout=WAIT_S) as answer:
            return json.load(answer)

    def job(self, job_id):
        return self.get(f"jobs/{job_id}")


def fill(folder, megabytes=6):
    """A source to burn: /photos with files, a folder below it, and an empty one beside it."""
    photos = folder / "photos" / "2026"
    photos.mkdir(parents=True)
    (folder / "empty").mkdir()
    for number in range(megabytes):
        (photos / f"IMG_{number:04}.jpg").write_bytes(os.urandom(1_000_000))
    (folder / "photos" / "README.TXT").write_text("Read me.\n")
    (folder / "notes.txt").write_text("not on the disc\n")


@pytest.fixture
def start_burnd(tmp_path):
    started = []

    def start(speed_kb_s=8000, megabytes=6):
        burnd = Burnd(tmp_path, speed_kb_s)
        burnd.source.mkdir()
        fill(burnd.source, megabytes)
        started.append(burnd.start())
        return burnd

    yield start
    for burnd in started:
        burnd.stop()


# ---- the browser ----


def new_driver(profile):
    from selenium import webdriver
    from selenium.webdriver.chrome.service import Service

    options = webdriver.ChromeOptions()
    options.binary_location = CHROMIUM
    for flag in ("--headless", "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run",
                 "--disable-background-networking", "--disable-component-update", "--disable-sync",
                 "--disable-dev-shm-usage", "--lang=en-US", "--window-size=1280,900",
                 f"--user-data-dir={profile}"):
        options.add_argument(flag)
    options.set_capability("goog:loggingPrefs", {"browser": "ALL"})
    return webdriver.Chrome(options=options, service=Service(CHROMEDRIVER))


@pytest.fixture
def driver(tmp_path):
    driver = new_driver(tmp_path / "profile")
    yield driver
    driver.quit()


@pytest.fixture
def page(driver, request, tmp_path):
    page = Page(driver)
    yield page
    shots = os.environ.get("PAGE_SHOTS")
    if getattr(request.node, "failed", False) or shots:
        folder = pathlib.Path(shots) if shots else tmp_path
        folder.mkdir(parents=True, exist_ok=True)
        driver.save_screenshot(str(folder / f"{request.node.name}.png"))


class Page:
    """What a person sees and does. Everything waits for a condition."""

    def __init__(self, driver):
        self.driver = driver

    def open(self, burnd):
        self.driver.get(f"{burnd.url}/")
        self.wait_connection("live")
        return self

    # -- looking --

    def all(self, selector):
        from selenium.webdriver.common.by import By

        return self.driver.find_elements(By.CSS_SELECTOR, selector)

    def one(self, selector):
        return self.until(lambda: next(iter(self.all(selector)), None), f"no {selector}")

    def visible(self, selector):
        return any(node.is_displayed() for node in self.all(selector))

    def text(self, selector):
        return self.one(selector).text

    def until(self, condition, message="", timeout_s=WAIT_S):
        from selenium.common.exceptions import StaleElementReferenceException
        from selenium.webdriver.support.ui import WebDriverWait

        wait = WebDriverWait(self.driver, timeout_s, poll_frequency=0.05,
                             ignored_exceptions=[StaleElementReferenceException])
        return wait.until(lambda _: condition(), message)

    def wait_visible(self, selector, timeout_s=WAIT_S):
        self.until(lambda: self.visible(selector), f"{selector} does not show", timeout_s)
        return self.one(selector)

    def wait_gone(self, selector):
        self.until(lambda: not self.visible(selector), f"{selector} still shows")

    def wait_connection(self, state):
        self.until(lambda: self.all(f'body[data-connection="{state}"]'), f"not {state}")

    def wait_job(self, job_id, *states, timeout_s=WAIT_S):
        def reached():
            word = self.job_state(job_id)
            return word if word in states else None

        return self.until(reached, f"{job_id} does not become {states}", timeout_s)

    def job_state(self, job_id):
        """The state word of a job's card, checked against the words that people see."""
        return self.driver.execute_script(
            """const job = document.querySelector(`.job[data-job="${arguments[0]}"]`);
               if (!job) { return null; }
               const chip = job.querySelector('.state');
               if (chip.textContent !== job.dataset.state.replaceAll('_', ' ')) {
                   throw new Error(`the chip says ${chip.textContent}, the job ${job.dataset.state}`);
               }
               return job.dataset.state;""", job_id)

    def recorder(self, name):
        return self.one('.recorder[data-recorder="disc1"]').get_attribute(f"data-{name}")

    def console_errors(self):
        return [entry["message"] for entry in self.driver.get_log("browser")
                if entry["level"] in ("SEVERE", "ERROR")]

    def overflow_px(self):
        return self.driver.execute_script(
            "const page = document.documentElement; return page.scrollWidth - page.clientWidth")

    # -- history: every value that was on the page, also between two looks --

    def keep_history(self):
        self.driver.execute_script(
            """window.pageHistory = [];
               new MutationObserver((changes) => changes.forEach(({target, attributeName}) =>
                   window.pageHistory.push({
                       what: target.className.split(' ')[1] ?? target.className.split(' ')[0],
                       name: attributeName, value: target.getAttribute(attributeName),
                       phase: target.dataset.phase ?? null, title: document.title}))
               ).observe(document.body, {subtree: true, attributes: true, attributeFilter: [
                   'data-state', 'data-percent', 'data-phase', 'data-activity', 'data-writing', 'data-medium']});""")

    def history(self):
        return self.driver.execute_script("return window.pageHistory")

    # -- doing --

    def click(self, selector):
        node = self.wait_visible(selector)
        self.until(node.is_enabled, f"{selector} is disabled")
        node.click()

    def size(self, width, height=844):
        self.driver.execute_cdp_cmd("Emulation.setDeviceMetricsOverride", {
            "width": width, "height": height, "deviceScaleFactor": 1, "mobile": False})

    def scheme(self, name):
        self.driver.execute_cdp_cmd("Emulation.setEmulatedMedia", {
            "features": [{"name": "prefers-color-scheme", "value": name}]})

    def choose_folder(self, path):
        """From wherever the picker is: to the roots, down to `path` of the root demo, take it."""
        if not self.all('#source-tree [data-root="demo"]'):
            self.click("#source-path .crumb:first-child")
        self.click('#source-tree [data-root="demo"]')
        parts = path.split("/") if path else []
        for depth in range(len(parts)):
            self.click(f'#source-tree button[data-path="{"/".join(parts[:depth + 1])}"]')
        self.until(lambda: self.text("#source-path .crumb:last-child") == (parts or ["demo"])[-1])
        self.click("#use-folder")
        assert self.one("#source").get_attribute("data-type") == "data"

    def type(self, selector, text):
        from selenium.webdriver.common.keys import Keys

        self.one(selector).send_keys(Keys.CONTROL, "a")
        self.one(selector).send_keys(text)

    def wait_plan(self, state="ready"):
        self.until(lambda: self.all(f'#plan[data-state="{state}"]'), f"the plan is not {state}")

    def start(self):
        """Press Start; gives the id of the new job."""
        before = {node.get_attribute("data-job") for node in self.all(".job")}
        self.wait_plan()
        self.click("#start")
        return self.new_job(before)

    def new_job(self, before):
        return self.until(lambda: next((job for job in (node.get_attribute("data-job")
                                                        for node in self.all(".job"))
                                        if job not in before), None), "no new job")
