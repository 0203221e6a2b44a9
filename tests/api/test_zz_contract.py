# SPDX-License-Identifier: GPL-2.0-or-later
"""Runs last: what openapi.yaml promises and no test of this session has seen is a failure. Only held
against a whole and green session."""
import subprocess
import sys

import pytest
from burnd import CONTRACT, TOP

# What a black box cannot bring about without breaking the machine it runs on.
NOT_PROVOKED = {
    "internal": "would be a bug of ours",
    "store_unavailable": "unit tests fill and damage the store",
    "library_error": "libburn and libisofs give no cause on a file",
    "canceled": "a canceled job has a state for it; the code is for what hangs on it",
    "copies_failed": "only in jobs of several copies that all fail",
    "interrupted": "given when a person gives up what nobody saw end",
    "write_error": "needs root to mount a small disk", "close_failed": "needs a disk that fails at fsync",
    "flush_failed": "needs a disk that fails late", "burn_not_confirmed": "libburn confirms on a file",
    "read_error": "needs a disk with bad sectors", "medium_changed": "needs a race within milliseconds",
    "verify_unreadable": "needs a disk with bad sectors", "ruined_disc_limit": "a reason of held jobs first",
    "recorder_in_use": "shown as a reason while a job waits", "medium_missing": "needs no recorder folder",
    "medium_too_small": "shown as a reason while a job waits",
    "medium_unsupported": "needs a folder in the place of an image",
}
EVENTS_NOT_PROVOKED = {"heartbeat", "recorder.added", "message", "medium.removed", "attention.updated",
                       "medium.inserted", "job.updated", "progress.stage"}


@pytest.fixture(autouse=True)
def whole_and_green(request):
    if not request.config.burnd_is_whole_suite:
        pytest.skip("only a part of the suite runs")
    if getattr(request.config, "burnd_had_failures", False):
        pytest.skip("other tests failed")


def test_every_operation_succeeded_once():
    wanted = {operation["operationId"] for _, _, operation in CONTRACT.routes}
    wanted.discard("loadRecorder")  # no recorder of this release can load
    assert wanted - CONTRACT.succeeded == set()


def test_every_problem_of_every_operation_was_seen():
    missing = []
    for _, _, operation in CONTRACT.routes:
        for code in operation.get("x-problem-codes", []):
            same_for_all_posts = code.startswith("idempotency_")
            if code in NOT_PROVOKED or same_for_all_posts:
                continue
            if (operation["operationId"], code) not in CONTRACT.refused:
                missing.append((operation["operationId"], code))
    assert missing == []


def test_every_code_was_seen():
    missing = set(CONTRACT.schema("ErrorCode")["enum"]) - CONTRACT.codes - set(NOT_PROVOKED)
    assert missing == set()


def test_every_event_type_was_seen():
    wanted = set(CONTRACT.schema("EventType")["enum"]) | set(CONTRACT.schema("ConnectionEventType")["enum"])
    assert wanted - CONTRACT.event_types - EVENTS_NOT_PROVOKED == set()


def test_openapi_is_sound():
    lint = subprocess.run([sys.executable, "tests/tools/openapi_lint.py"], cwd=TOP, capture_output=True,
                          text=True, check=False)
    assert lint.returncode == 0, lint.stdout + lint.stderr
