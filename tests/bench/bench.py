#!/usr/bin/python3
# SPDX-License-Identifier: GPL-2.0-or-later
"""`make bench`: what burnd takes beside the plain tools doing the same work on this machine, in the same
minutes. Runs are interleaved, so that a busy machine disturbs both sides; told are the least and the
median of the ratios beside the limits we want. Prints a table and asserts nothing.

Options: --runs N (3), --size MiB (2048), --place DIR (memory where there is room, else the temporary
directory)."""
import argparse
import os
import random
import shutil
import statistics
import subprocess
import sys
import tempfile
import time

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "api"))
import burnd as harness  # noqa: E402

MIB = 1 << 20
rows = []


def timed(action):
    begin = time.perf_counter()
    action()
    return time.perf_counter() - begin


def shell(command):
    return timed(lambda: subprocess.run(["sh", "-c", command], check=True, stdout=subprocess.DEVNULL,
                                        stderr=subprocess.DEVNULL))


def row(what, value, wanted=""):
    rows.append((what, value, wanted))
    print(f"  {what:<52} {value:<28} {wanted}", flush=True)


def ratio_row(what, burns, others, wanted):
    ratios = [burn / other for burn, other in zip(burns, others)]
    row(what, f"min {min(ratios):.2f}  median {statistics.median(ratios):.2f}", wanted)


def noise_file(path, size, seed):
    generator = random.Random(seed)
    with open(path, "wb") as file:
        for _ in range(size // MIB):
            file.write(generator.randbytes(MIB))


class Bench:
    def __init__(self, place, size):
        self.place = place
        self.size = size
        self.burnd = harness.Burnd(os.path.join(place, "burnd"))
        self.large = os.path.join(self.burnd.demo, "large")
        self.small = os.path.join(self.burnd.demo, "small")

    def make_sources(self):
        os.makedirs(self.large)
        for number in range(4):
            noise_file(f"{self.large}/file {number}.bin", self.size // 4, number)
        for number in range(20_000):
            folder = f"{self.small}/{number // 200:03d}"
            os.makedirs(folder, exist_ok=True)
            with open(f"{folder}/{number:05d}.txt", "wb") as file:
                file.write(b"%08d" % number * 256)

    def burn(self, body):
        """From POST to completed."""
        self.clean()
        self.burnd.post("/recorders/file-1/rescan", headers={"Prefer": "wait=10"})
        body = {"verify": "none", "burn": {"force_overwrite": True}, **body}
        session = self.burnd.session

        def post_and_wait():
            answer = session.post(self.burnd.url + "/api/v1/jobs", json=body, timeout=60).json()
            path = f"{self.burnd.url}/api/v1/jobs/{answer['id']}?until=terminal"
            while not (job := session.get(path, headers={"Prefer": "wait=60"}, timeout=90).json())["ended_at"]:
                pass
            assert job["state"] == "completed", job["problem"]
            self.job = job
        return timed(post_and_wait)

    def clean(self):
        for name in (self.burnd.image, f"{self.place}/copy"):
            if os.path.isdir(name):
                shutil.rmtree(name)
            elif os.path.exists(name):
                os.unlink(name)

    def against(self, command):
        self.clean()
        return shell(command.format(large=self.large, small=self.small, copy=f"{self.place}/copy",
                                    iso=f"{self.burnd.demo}/ready.iso"))

    def compare(self, what, body, commands, runs):
        """`commands`: {name: (command, wanted)}"""
        burns, others = [], {name: [] for name in commands}
        for _ in range(runs):
            burns.append(self.burn(body))
            for name, (command, _) in commands.items():
                others[name].append(self.against(command))
        self.clean()
        row(what, f"min {min(burns):.2f} s  median {statistics.median(burns):.2f} s")
        for name, (_, wanted) in commands.items():
            ratio_row(f"  / {name}", burns, others[name], wanted)

    def large_files(self, runs):
        self.compare(f"{self.size // MIB} MiB in 4 files", harness.data_job("root:demo/large"), {
            "cat | tee copy | openssl sha256": ("cat {large}/* | tee {copy} | openssl dgst -sha256", "<= 1.5"),
            "cat to a file": ("cat {large}/* > {copy}", ""),
            "dd bs=1M": ("cat {large}/* | dd of={copy} bs=1M iflag=fullblock", ""),
            "cp -r": ("cp -r {large} {copy}", ""),
            "genisoimage": ("genisoimage -quiet -allow-limited-size -R -J -o {copy} {large}", ""),
        }, runs)

    def small_files(self, runs):
        self.compare("20,000 files of 2 KiB", harness.data_job("root:demo/small"), {
            "cp -r": ("cp -r {small} {copy}", "<= 1.2"),
            "genisoimage": ("genisoimage -quiet -R -J -o {copy} {small}", ""),
        }, runs)
        path = f"/jobs/{self.job['id']}/items"
        self.burnd.get(path + "?limit=500")
        times = [timed(lambda: self.burnd.session.get(
            f"{self.burnd.url}/api/v1{path}?block={block}", timeout=10)) for block in range(1000, 1100)]
        row("progress item of a block, of 20,000", f"median {statistics.median(times) * 1000:.1f} ms")
        row("all 20,000 progress items, in pages of 500", f"{timed(lambda: self.all_items(path)) * 1000:.0f} ms",
            "<= 100 ms")

    def all_items(self, path):
        cursor = ""
        while cursor is not None:
            page = self.burnd.session.get(f"{self.burnd.url}/api/v1{path}?limit=500{cursor}", timeout=10).json()
            cursor = page["next_cursor"] and f"&cursor={page['next_cursor']}"

    def ready_image(self, runs):
        iso = f"{self.burnd.demo}/ready.iso"
        subprocess.run(["genisoimage", "-quiet", "-R", "-o", iso, self.large], check=True,
                       stderr=subprocess.DEVNULL)
        self.compare("a ready image of the same", {"type": "image", "image": {"from": "root:demo/ready.iso"}}, {
            "dd and sha256": ("dd if={iso} bs=1M | tee {copy} | openssl dgst -sha256", "<= 1.4"),
            "dd bs=1M": ("dd if={iso} of={copy} bs=1M", ""),
        }, runs)
        os.unlink(iso)

    def cancel(self, runs):
        times = []
        for _ in range(runs):
            self.clean()
            events = self.burnd.events()
            job = self.burnd.create(harness.data_job(
                "root:demo/large", burn={"force_overwrite": True, "speed": {"kb_s": 50_000}}))
            events.wait(lambda e: e["type"] == "progress.block" and e["data"]["completed"] > 0)
            times.append(timed(lambda: self.burnd.post(
                f"/jobs/{job['id']}/cancel", headers={"Prefer": "wait=30"}, status=200)))
            events.close()
        row("cancel while writing, until it took effect", f"median {statistics.median(times) * 1000:.0f} ms",
            "<= 300 ms")

    def at_rest(self, runs):
        starts = []
        for _ in range(runs):
            self.burnd.stop()
            starts.append(timed(self.burnd.start))
        row("from start to ready", f"median {statistics.median(starts) * 1000:.0f} ms", "<= 200 ms")
        self.burnd.idle()
        with open(f"/proc/{self.burnd.process.pid}/status", encoding="ascii") as file:
            resident = next(int(line.split()[1]) for line in file if line.startswith("VmRSS"))
        row("burnd at rest, resident", f"{resident * 1024 / 1e6:.1f} MB", "<= 20 MB")


def roomy_place(size):
    for place in ("/dev/shm", tempfile.gettempdir()):
        if os.path.isdir(place) and os.access(place, os.W_OK):
            stat = os.statvfs(place)
            if stat.f_bavail * stat.f_frsize > 4 * size:
                return place
    sys.exit(f"bench: no place with {4 * size // MIB} MiB free; use --size or --place")


def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--runs", type=int, default=3)
    parser.add_argument("--size", type=int, default=2048, help="MiB")
    parser.add_argument("--place")
    wanted = parser.parse_args()
    size = wanted.size * MIB
    place = tempfile.mkdtemp(prefix="burnd-bench-", dir=wanted.place or roomy_place(size))
    bench = Bench(place, size)
    print(f"{os.cpu_count()} processors, files in {place}, {wanted.runs} runs, interleaved")
    try:
        bench.make_sources()
        bench.burnd.start()
        bench.at_rest(wanted.runs)
        bench.large_files(wanted.runs)
        bench.ready_image(wanted.runs)
        bench.small_files(wanted.runs)
        bench.cancel(wanted.runs)
    finally:
        bench.burnd.stop()
        shutil.rmtree(place, ignore_errors=True)


if __name__ == "__main__":
    main()
