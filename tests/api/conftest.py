# SPDX-License-Identifier: GPL-2.0-or-later
"""Fixtures of the API tests: a folder of one's own, and burnds that are stopped at the end."""
import os
import shutil
import sys
import tempfile

import pytest

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))

import burnd as harness  # noqa: E402

ROOMY = 12 << 30


def scratch_place():
    """Memory where there is plenty: fsync costs nothing there."""
    for place in ("/dev/shm", None):
        if place is None or os.path.isdir(place) and os.access(place, os.W_OK):
            stat = os.statvfs(place or tempfile.gettempdir())
            if place is None or stat.f_bavail * stat.f_frsize > ROOMY:
                return place
    return None


@pytest.fixture
def folder():
    """Readable by every user, since some burnds run as another."""
    path = tempfile.mkdtemp(prefix="burnd-test-", dir=scratch_place())
    os.chmod(path, 0o755)
    yield path
    shutil.rmtree(path, ignore_errors=True)


@pytest.fixture
def make_burnd(folder):
    """make_burnd(...) gives a started burnd in the test's folder."""
    made = []

    def make(start=True, **settings):
        made.append(harness.Burnd(folder, **settings))
        return made[-1].start() if start else made[-1]

    yield make
    for each in made:
        each.stop()
    for each in made:
        assert each.sanitizer_reports() == ""


@pytest.fixture
def burnd(make_burnd):
    """One burnd with one file recorder (file-1) and one root (demo, empty)."""
    return make_burnd()


@pytest.fixture
def burnd_with_tree(burnd):
    """The same, with a small tree in the root."""
    burnd.files = harness.make_tree(burnd.demo)
    return burnd


def pytest_collection_modifyitems(session, config, items):
    """Whether the whole suite runs: only then can what was never seen be held against it."""
    files = {name for name in os.listdir(os.path.dirname(os.path.abspath(__file__)))
             if name.startswith("test_") and name.endswith(".py")}
    chosen = {os.path.basename(str(item.fspath)) for item in items}
    config.burnd_is_whole_suite = files <= chosen and not config.option.keyword


def pytest_runtest_makereport(item, call):
    of_contract = item.fspath.basename == "test_zz_contract.py"
    if call.excinfo is not None and not of_contract and not call.excinfo.errisinstance(pytest.skip.Exception):
        item.config.burnd_had_failures = True
