# SPDX-License-Identifier: GPL-2.0-or-later
"""Add up the JUnit files of all suites: count_results.py FOLDER…

Prints the reasons of skips and the names of failures, then "N passed, N failed, N skipped" as the last
line. Exit status 1 when something failed or nothing ran.
"""
import glob
import os
import sys
import xml.etree.ElementTree as ElementTree


def main():
    passed = failed = skipped = 0
    for folder in sys.argv[1:]:
        for path in sorted(glob.glob(os.path.join(folder, "*.xml"))):
            for case in ElementTree.parse(path).getroot().iter("testcase"):
                name = f"{os.path.basename(path)[:-4]}: {case.get('classname', '')} {case.get('name')}"
                skip = case.find("skipped")
                if case.find("failure") is not None or case.find("error") is not None:
                    failed += 1
                    print(f"failed   {name}")
                elif skip is not None:
                    skipped += 1
                    print(f"skipped  {name}: {skip.get('message', 'no reason given')}")
                else:
                    passed += 1
    print(f"{passed} passed, {failed} failed, {skipped} skipped")
    sys.exit(1 if failed or not passed else 0)


main()
