#!/usr/bin/python3
# SPDX-License-Identifier: GPL-2.0-or-later
"""Who may include whom: the layers of the program and the fences around its libraries.

Each folder may include itself and what stands in its row of LAYERS; a library's header may stand only
where FENCES says. Run at the top of the checkout; exit status 1 when a forbidden include was found."""
import glob
import os
import re
import sys

# folder of the file -> folders whose headers it may include
LAYERS = {
    "server/base": [],
    "server/recorder": ["server/base", "server/worker/worker_protocol.h"],
    "server/worker": ["server/base"],
    "server/store": ["server/base"],
    "server/event": ["server/base"],
    "server/job": ["server/base", "server/recorder", "server/worker", "server/store", "server/event"],
    "server/burner": ["server/base", "server/worker/worker_protocol.h", "server/worker/item_file.h"],
    "server/virtual": [],
    "server": ["server", "api/api.h"],
    "api": ["server/base", "server/job", "server/recorder", "server/store", "server/event",
            "server/worker/worker_protocol.h", "server/worker/item_file.h"],
    "tests/unit": ["server", "api"],
    "tests/fuzz": ["server", "api"],
}

# system header -> folders or files that may include it
FENCES = {
    r"microhttpd\.h": ["api/"],
    r"libwebsockets\.h": ["api/"],
    r"jansson\.h": ["api/", "server/worker/worker_protocol", "server/worker/protocol"],
    r"sqlite3\.h": ["server/store/"],
    r"libburn/.*": ["server/burner/"],
    r"libisofs/.*": ["server/burner/"],
    r"sndfile\.h": ["server/burner/"],
    r"openssl/.*": ["server/burner/", "api/"],
    r"uv\.h": ["server/base/mailbox", "server/job/", "server/worker/", "server/main.c", "api/"],
}


def folder_of(path):
    return os.path.dirname(path)


def find(name, from_folder):
    """The file that #include "name" means: beside the file, below server/, or from the top."""
    for folder in (from_folder, "server", "."):
        path = os.path.normpath(os.path.join(folder, name))
        if os.path.exists(path):
            return path
    return None


def may_include(path, header):
    layer = folder_of(path)
    while layer and layer not in LAYERS:
        layer = os.path.dirname(layer)
    if folder_of(header) == layer or layer == "tests/unit" and header.startswith("tests/"):
        return True
    return any(header == allowed or header.startswith(allowed + "/") for allowed in LAYERS.get(layer, []))


def check(path):
    wrong = 0
    for number, line in enumerate(open(path), 1):
        own = re.match(r'\s*#\s*include\s+"([^"]+)"', line)
        system = re.match(r"\s*#\s*include\s+<([^>]+)>", line)
        if own:
            header = find(own.group(1), folder_of(path))
            if header is None:
                print(f'{path}:{number}: "{own.group(1)}" is not there')
                wrong += 1
            elif not may_include(path, header):
                print(f"{path}:{number}: may not include {header}")
                wrong += 1
        if system and not path.startswith("tests/"):
            for pattern, allowed in FENCES.items():
                if re.fullmatch(pattern, system.group(1)) and not any(map(path.startswith, allowed)):
                    print(f"{path}:{number}: <{system.group(1)}> is behind a fence")
                    wrong += 1
    return wrong


def main():
    files = [path for top in ("server", "api", "tests") for path in
             glob.glob(f"{top}/**/*.[ch]", recursive=True)]
    wrong = sum(check(path) for path in sorted(files))
    return 1 if wrong else 0


if __name__ == "__main__":
    sys.exit(main())
