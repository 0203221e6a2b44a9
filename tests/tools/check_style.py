#!/usr/bin/python3
# SPDX-License-Identifier: GPL-2.0-or-later
"""What a compiler and clang-format do not look at: licence lines, line length, tabs, functions that are
not used here, names of one machine. A long file is only told. Exit status 1 when something is wrong."""
import re
import subprocess
import sys

# wider than the 100 columns we aim at: what a reader would not miss is not worth a failure
LONGEST_LINE = 120
# elsewhere an option table, a rule or a pasted command is read better in one line
NARROW = (".c", ".h", ".sql", ".sh", ".py")
MARK_OF_A_LONG_LINE = ("noqa: E501", "curl -s")
LONGEST_FILE = 700
BANNED = ("sprintf", "vsprintf", "strcpy", "strcat", "strncat", "gets", "strtok", "system", "popen", "alloca",
          "atoi", "atol", "atof", "mktemp", "tmpnam", "tempnam", "bcopy")
SOURCES = (".c", ".h", ".py", ".sh", ".js", ".css", ".sql", ".yaml", ".yml", "Makefile", "run")
BANNED_CALL = re.compile(r"(?<![\w.>])(%s)\s*\(" % "|".join(BANNED))


def files():
    names = subprocess.run(["git", "ls-files", "-co", "--exclude-standard"], capture_output=True, text=True,
                           check=True).stdout.split("\n")
    return [name for name in names if name.endswith(SOURCES) and not name.startswith("tests/data/")]


def without_comments(text):
    """C text with comments and strings blanked, lines kept."""
    pattern = r'/\*.*?\*/|//[^\n]*|"(?:\\.|[^"\\\n])*"'
    return re.sub(pattern, lambda m: re.sub(r"[^\n]", " ", m.group(0)), text, flags=re.S)


def check_lines(name, lines):
    wrong = 0
    formatted = True
    for number, line in enumerate(lines, 1):
        formatted = "clang-format off" not in line if formatted else "clang-format on" in line
        marked = any(mark in line for mark in MARK_OF_A_LONG_LINE)
        if len(line) > LONGEST_LINE and formatted and name.endswith(NARROW) and not marked:
            print(f"{name}:{number}: {len(line)} columns")
            wrong += 1
        if line != line.rstrip():
            print(f"{name}:{number}: spaces at the end")
            wrong += 1
        if "\t" in line and not name.endswith("Makefile"):
            print(f"{name}:{number}: a tab")
            wrong += 1
    return wrong


def check(name):
    try:
        text = open(name, encoding="utf-8").read()
    except FileNotFoundError:
        return 0
    lines = text.split("\n")
    wrong = check_lines(name, lines)
    if text and "SPDX-License-Identifier: GPL-2.0-or-later" not in "\n".join(lines[:3]):
        print(f"{name}:1: no SPDX line")
        wrong += 1
    if text and not text.endswith("\n"):
        print(f"{name}:{len(lines)}: no line end at the end")
        wrong += 1
    if name.endswith((".c", ".h")) and not name.startswith("tests/"):
        for number, line in enumerate(without_comments(text).split("\n"), 1):
            for call in BANNED_CALL.findall(line):
                print(f"{name}:{number}: {call}() is not used here")
                wrong += 1
    if len(lines) > LONGEST_FILE and not name.endswith("openapi.yaml"):
        print(f"{name}: warning: {len(lines)} lines; which two things are you?")
    return wrong


def main():
    wrong = sum(check(name) for name in files())
    return 1 if wrong else 0


if __name__ == "__main__":
    sys.exit(main())
