# SPDX-License-Identifier: GPL-2.0-or-later
import os
import subprocess
import sys

import pytest

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))


@pytest.fixture
def desk(tmp_path):
    """A folder with `src` (the root "src") in it; other users may enter."""
    os.chmod(tmp_path, 0o755)
    for parent in list(tmp_path.parents)[:2]:
        os.chmod(parent, 0o755)
    (tmp_path / "src").mkdir()
    return tmp_path


@pytest.fixture
def small_disk(tmp_path):
    """A file system of 8 MiB."""
    place = tmp_path / "small"
    place.mkdir()
    if os.geteuid() != 0 or subprocess.run(
            ["mount", "-t", "tmpfs", "-o", "size=8m", "tmpfs", str(place)],
            capture_output=True).returncode != 0:
        pytest.skip("mounting a small file system needs to be root")
    yield place
    subprocess.run(["umount", str(place)], check=True)
