# SPDX-License-Identifier: GPL-2.0-or-later
"""Run the fuzzers: run_fuzz.py RESULTS SECONDS PROGRAM…

Each first runs its seeds (tests/fuzz/corpus/NAME), then searches for SECONDS, and leaves a JUnit file with
these two cases in RESULTS. What it learns goes to corpus/NAME beside the program, what crashes it to
crashes/NAME-*. Exit status 1 when something crashed, hung, leaked or used too much memory.
"""
import glob
import os
import re
import subprocess
import sys
import time
import xml.etree.ElementTree as ElementTree

SEEDS = os.path.join(os.path.dirname(os.path.abspath(__file__)), "corpus")
LIMITS = ["-timeout=10", "-rss_limit_mb=1024", "-max_len=65536", "-len_control=50"]


def run(program, arguments, limit_s):
    """(trouble or None, output)"""
    try:
        done = subprocess.run([program, *LIMITS, *arguments], stdout=subprocess.PIPE,
                              stderr=subprocess.STDOUT, timeout=limit_s, check=False)
        status, output = done.returncode, done.stdout
    except subprocess.TimeoutExpired as error:
        status, output = None, error.stdout or b""
    text = output.decode(errors="replace")
    if status == 0:
        return None, text
    return ("no end in time" if status is None else f"exit status {status}"), text


def seeds_are_there(seeds):
    return bool(seeds) and all(os.path.getsize(seed) for seed in seeds)


def fuzz(program, seconds):
    """[(case, trouble, output, seconds)]"""
    name = os.path.basename(program).removeprefix("fuzz_")
    place = os.path.dirname(program)
    learned, crashes = os.path.join(place, "corpus", name), os.path.join(place, "crashes")
    for folder in (learned, crashes):
        os.makedirs(folder, exist_ok=True)
    keep = f"-artifact_prefix={crashes}/{name}-"
    seeds = sorted(glob.glob(os.path.join(SEEDS, name, "*")))
    cases = []
    for case, arguments, limit_s in (
            (f"{len(seeds)}_seeds", [keep, *seeds], 120),
            (f"{seconds}_s", [keep, f"-max_total_time={seconds}", "-print_final_stats=1", learned,
                              os.path.join(SEEDS, name)], seconds + 120)):
        begin = time.monotonic()
        trouble, output = run(program, arguments, limit_s) if seeds_are_there(seeds) else ("no seeds", "")
        runs = re.findall(r"stat::number_of_executed_units: (\d+)", output)
        seen = re.findall(r"\bcov: (\d+)", output)
        said = f"{runs[-1]} runs, {seen[-1]} edges" if runs and seen else ""
        print(f"  {'FAIL' if trouble else 'ok  '} fuzz_{name} {case} {said}", flush=True)
        if trouble:
            print(f"{output[-6000:]}\n{trouble}; the input is in {crashes}")
        cases.append((case, trouble, output, time.monotonic() - begin))
    return cases


def write_results(path, name, cases):
    failures = sum(trouble is not None for _, trouble, _, _ in cases)
    root = ElementTree.Element("testsuites")
    suite = ElementTree.SubElement(root, "testsuite", name=name, tests=str(len(cases)), failures=str(failures))
    for case, trouble, output, taken_s in cases:
        node = ElementTree.SubElement(suite, "testcase", classname=name, name=case, time=f"{taken_s:.1f}")
        if trouble is not None:
            text = re.sub(r"[^\t\n\x20-\x7e]", "?", output[-4000:])
            ElementTree.SubElement(node, "failure", message=trouble).text = text
    ElementTree.ElementTree(root).write(path, encoding="utf-8")
    return failures == 0


def main():
    results, seconds, programs = sys.argv[1], int(sys.argv[2]), sys.argv[3:]
    os.makedirs(results, exist_ok=True)
    good = True
    for program in programs:
        name = os.path.basename(program)
        cases = fuzz(os.path.abspath(program), seconds)
        good = write_results(os.path.join(results, f"{name}.xml"), name, cases) and good
    sys.exit(0 if good else 1)


main()
