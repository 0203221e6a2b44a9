#!/bin/sh
# SPDX-License-Identifier: GPL-2.0-or-later
#
# `make demo`: burns a folder of this project onto an image file through the running service, shows the bar
# from the event stream, reads the image back with another program and compares it file by file.
#
#   KEEP=1   leaves burnd running, with the page at the address shown
#   BUILD=…  another build folder than build/release
#
# Needs what `make` builds and python3, curl, jq, xorriso. Exit status 0 only when every byte compared.
set -eu

top=$(cd "$(dirname "$0")/.." && pwd)
build=${BUILD:-build/release}
case $build in /*) ;; *) build=$top/$build ;; esac
work=$(mktemp -d "${TMPDIR:-/tmp}/burnd-demo.XXXXXX")
pid=

say() { printf '\n== %s\n' "$*"; }

leave() {
    status=$?
    trap - EXIT INT TERM
    if [ "$status" -ne 0 ] && [ -s "$work/burnd.log" ]; then
        echo "-- the end of burnd's log:" >&2
        tail -n 15 "$work/burnd.log" >&2
    fi
    if [ -n "$pid" ] && { [ "$status" -ne 0 ] || [ -z "${KEEP:-}" ]; }; then
        kill "$pid" 2>/dev/null || true
        wait "$pid" 2>/dev/null || true
    fi
    if [ "$status" -ne 0 ] || [ -z "${KEEP:-}" ]; then
        rm -rf "$work"
    fi
    exit "$status"
}
trap leave EXIT
trap 'exit 130' INT TERM

for program in curl jq xorriso /usr/bin/python3; do
    command -v "$program" >/dev/null || { echo "demo: $program is missing; run make deps" >&2; exit 1; }
done
[ -x "$build/burnd" ] || { echo "demo: $build/burnd is not built; run make" >&2; exit 1; }

say "a folder to burn: sources of this project and 48 MB of noise"
mkdir -p "$work/demo/noise"
for part in server api web openapi.yaml README.md Makefile; do
    if [ -e "$top/$part" ]; then
        cp -R -p "$top/$part" "$work/demo/"
    fi
done
for n in 1 2 3; do
    head -c 16000000 /dev/urandom >"$work/demo/noise/noise $n.bin"
done
echo "$(find "$work/demo" -type f | wc -l) files, $(du -sh "$work/demo" | cut -f1)"

say "burnd on a free port of this machine, with an image file as its recorder"
"$build/burnd" --listen 127.0.0.1:0 --state-dir "$work/state" --root "demo=$work/demo" \
    --recorder "file:$work/demo.iso,id=demo-recorder,speed=12000" \
    >"$work/ready" 2>"$work/burnd.log" </dev/null &
pid=$!
tries=0
while [ ! -s "$work/ready" ]; do
    kill -0 "$pid" 2>/dev/null || { cat "$work/burnd.log" >&2; exit 1; }
    tries=$((tries + 1))
    [ "$tries" -lt 300 ] || { echo "demo: burnd is not ready after 30 s" >&2; exit 1; }
    sleep 0.1
done
address=$(sed -n 's/^burnd ready //p' "$work/ready")
api=$address/api/v1
echo "the page: $address/"

say "POST /api/v1/jobs"
cat >"$work/job.json" <<'END'
{"type": "data", "title": "Demo", "verify": "full",
 "data": {"volume_id": "DEMO", "entries": [{"from": "root:demo", "to": "/"}]}}
END
cat "$work/job.json"
job=$(curl -sS --noproxy '*' -H 'Content-Type: application/json' --data-binary @"$work/job.json" "$api/jobs" |
    jq -r '.id // error(.detail)')
echo "accepted as $job"

say "the event stream until the job is over"
curl -sSN --noproxy '*' -H 'Accept: text/event-stream' \
    "$api/events?topics=jobs/$job&since=oldest&until=terminal" | /usr/bin/python3 "$top/tests/demo_bar.py"

state=$(curl -sS --noproxy '*' "$api/jobs/$job" | jq -r '.state')
echo "the job is $state"
if [ "$state" != completed ]; then
    curl -sS --noproxy '*' "$api/jobs/$job/copies" | jq '.items[].problem' >&2
    exit 1
fi

say "what another program reads in the image"
xorriso -indev "stdio:$work/demo.iso" -pvd_info -lsl / 2>/dev/null | sed -n '/Volume Id/p;/^[d-]r/p' | head -n 20

say "every file of it against the folder"
xorriso -osirrox on -indev "stdio:$work/demo.iso" -extract / "$work/back" >/dev/null 2>"$work/xorriso.log" ||
    { cat "$work/xorriso.log" >&2; exit 1; }
chmod -R u+w "$work/back"
if ! diff -r --no-dereference "$work/demo" "$work/back"; then
    echo "demo: the image differs from the folder" >&2
    exit 1
fi
echo "$(find "$work/back" -type f | wc -l) files read back from the image, all equal"
rm -rf "$work/back"

if [ -n "${KEEP:-}" ]; then
    say "burnd goes on (process $pid): $address/"
    echo "image: $work/demo.iso"
    echo "end:   kill $pid; rm -rf $work"
fi
