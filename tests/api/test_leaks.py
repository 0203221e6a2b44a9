# SPDX-License-Identifier: GPL-2.0-or-later
"""What a burnd holds does not grow with what it has done: memory and descriptors after 500 jobs and after 100
listeners that came and went."""
import contextlib
import os
import re

import pytest
from burnd import SANITIZED, data_job, until, write_file

pytestmark = [pytest.mark.slow,
              pytest.mark.skipif(SANITIZED, reason="a sanitizer keeps freed memory and grows by itself")]

JOBS = 500
WARM_UP = 100  # jobs: caches, pools and SQLite's pages
RING_FULL = 300  # jobs: the events kept in memory reach their number, about 5 MB; flat from there on
BATCH = 20
LISTENERS = 100
RSS_GROWTH_MAX_KB = 8 * 1024
LATE_GROWTH_MAX_KB = 1024


def rss_kb(burnd):
    with open(f"/proc/{burnd.process.pid}/status", encoding="ascii") as file:
        return int(re.search(r"VmRSS:\s+(\d+) kB", file.read()).group(1))


def descriptors(burnd):
    """{what: how many}; a socket or pipe without its number, since that changes."""
    found = {}
    folder = f"/proc/{burnd.process.pid}/fd"
    for name in os.listdir(folder):
        with contextlib.suppress(FileNotFoundError):
            what = re.sub(r"\[\d+\]", "", os.readlink(f"{folder}/{name}"))
            found[what] = found.get(what, 0) + 1
    return found


def burn_batch(burnd, count):
    body = data_job(verify="quick", burn={"force_overwrite": True})
    jobs = [burnd.create(body) for _ in range(count)]
    for job in jobs:
        ended = burnd.wait(job)
        assert ended["state"] == "completed", ended["problem"]


def at_rest(burnd):
    """The descriptors with nothing but the harness's own connection open."""
    burnd.idle()
    until(lambda: not burnd.workers(), "no worker is left")
    return descriptors(burnd)


def assert_as_before(burnd, before):
    """A worker's socket or a client's may still be on its way out."""
    with contextlib.suppress(AssertionError):
        until(lambda: at_rest(burnd) == before, "descriptors as before", 10)
    assert at_rest(burnd) == before


def test_five_hundred_jobs_leave_nothing_behind(burnd):
    write_file(f"{burnd.demo}/note.txt", b"A small file.\n")
    done = 0
    while done < WARM_UP:
        burn_batch(burnd, BATCH)
        done += BATCH
    open_before, kb_before = at_rest(burnd), rss_kb(burnd)
    trace = [kb_before]
    while done < JOBS:
        burn_batch(burnd, BATCH)
        done += BATCH
        trace.append(rss_kb(burnd))
    assert_as_before(burnd, open_before)
    kb_after = rss_kb(burnd)
    print(f"{kb_before} kB after {WARM_UP} jobs, {kb_after} kB after {JOBS}; on the way {trace}")
    assert kb_after - kb_before < RSS_GROWTH_MAX_KB, trace
    late = trace[(RING_FULL - WARM_UP) // BATCH:]
    assert min(late[-3:]) - late[0] < LATE_GROWTH_MAX_KB, late


@pytest.mark.parametrize("door", ["events", "websocket"])
def test_a_hundred_listeners_leave_nothing_behind(burnd, door):
    burnd.idle()

    def come_and_go(count):
        for _ in range(count):
            getattr(burnd, door)("jobs").close()
        burnd.listeners.clear()
    come_and_go(LISTENERS // 5)
    open_before, kb_before = at_rest(burnd), rss_kb(burnd)
    come_and_go(LISTENERS)
    assert_as_before(burnd, open_before)
    kb_after = rss_kb(burnd)
    print(f"{kb_before} kB before, {kb_after} kB after {LISTENERS} listeners")
    assert kb_after - kb_before < LATE_GROWTH_MAX_KB
