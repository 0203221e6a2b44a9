# SPDX-License-Identifier: GPL-2.0-or-later
"""Run the cmocka programs: run_unit.py RESULTS NAME PATTERN PROGRAM…

Each leaves a JUnit file in RESULTS. A program that crashes, hangs or fails without saying so counts as
one failed test: its exit status is what is believed. NAME (part of a program's name) and PATTERN (cmocka
test filter) may be empty.
"""
import os
import subprocess
import sys
import xml.etree.ElementTree as ElementTree

LIMIT_S = 120


def failed_cases(path):
    try:
        root = ElementTree.parse(path).getroot()
    except (OSError, ElementTree.ParseError):
        return None
    return sum(int(suite.get("failures", 0)) + int(suite.get("errors", 0)) for suite in root.iter("testsuite"))


def note_crash(path, name, text):
    root = ElementTree.Element("testsuites")
    suite = ElementTree.SubElement(root, "testsuite", name=name, tests="1", failures="1")
    case = ElementTree.SubElement(suite, "testcase", name=name)
    ElementTree.SubElement(case, "failure").text = text
    ElementTree.ElementTree(root).write(path)


def run(program, results, pattern):
    name = os.path.basename(program)
    path = os.path.join(results, f"unit-{name}.xml")
    if os.path.exists(path):
        os.unlink(path)
    env = dict(os.environ, CMOCKA_MESSAGE_OUTPUT="xml", CMOCKA_XML_FILE=path)
    # cmocka catches SIGSEGV and hides the sanitizer's report
    env.setdefault("ASAN_OPTIONS", "handle_segv=2:detect_leaks=1")
    if pattern:
        env["CMOCKA_TEST_FILTER"] = pattern
    try:
        done = subprocess.run([program], env=env, capture_output=True, text=True, timeout=LIMIT_S, check=False)
        status, output = done.returncode, done.stdout + done.stderr
    except subprocess.TimeoutExpired:
        status, output = -1, f"no end within {LIMIT_S} s"
    failures = failed_cases(path)
    if status != 0 and not failures:
        note_crash(path, name, f"exit status {status}\n{output[-4000:]}")
    print(f"  {'ok  ' if status == 0 else 'FAIL'} {name}", flush=True)
    if status != 0:
        print(output[-6000:])
        if os.path.exists(path):
            with open(path, encoding="utf-8", errors="replace") as file:
                print(file.read()[-4000:])
    return status == 0


def main():
    results, part, pattern, programs = sys.argv[1], sys.argv[2], sys.argv[3], sys.argv[4:]
    chosen = [program for program in programs if part in os.path.basename(program)]
    good = [run(program, results, pattern) for program in chosen]
    sys.exit(0 if all(good) else 1)


main()
