# SPDX-License-Identifier: GPL-2.0-or-later
"""compile_commands.json for editors: compile_commands.py FLAGS SOURCE…"""
import json
import os
import sys

here = os.getcwd()
json.dump([{"directory": here, "file": source, "command": f"cc {sys.argv[1]} -c {source}"}
           for source in sys.argv[2:]], sys.stdout, indent=1)
