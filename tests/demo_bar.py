# SPDX-License-Identifier: GPL-2.0-or-later
"""Shows the events of a job (Server-Sent Events on standard input) as a bar in the terminal; where the
output is no terminal, as lines at every tenth."""
import json
import sys

WIDTH = 40
LIVE = sys.stdout.isatty()
last_tenth = {}


def bar(label, data):
    total = data["total"] or 1
    share = data["completed"] / total
    filled = int(share * WIDTH)
    rate = f"{data['rate_kb_s'] / 1000:5.1f} MB/s" if data.get("rate_kb_s") else ""
    text = f"{label:8} [{'#' * filled}{'.' * (WIDTH - filled)}] {share:4.0%} {data['completed']}/{total} {rate}"
    if LIVE:
        print(f"\r{text:<90}", end="\n" if data["completed"] == data["total"] else "", flush=True)
    elif last_tenth.get(label) != int(share * 10):
        last_tenth[label] = int(share * 10)
        print(text, flush=True)


def tell(event):
    data = event["data"]
    if event["type"] == "attempt.phase":
        outcome = f": {data['outcome']}" if data["phase"] == "ended" else ""
        print(f"phase    {data['phase']}{outcome}", flush=True)
    elif event["type"] == "progress.block":
        bar("burning", data)
    elif event["type"] == "progress.verify":
        bar("checking", data)
    elif event["type"] == "job.state" and data["from"] != data["to"]:
        print(f"job      {data['from']} -> {data['to']}", flush=True)


for line in sys.stdin:
    if line.startswith("data:"):
        tell(json.loads(line[5:]))
