# SPDX-License-Identifier: GPL-2.0-or-later
"""Runs modules/*_test.js in the browser: each exported function is one test."""

import http.server
import pathlib
import re
import threading

import pytest
from conftest import PROJECT, new_driver

FOLDER = pathlib.Path(__file__).parent / "modules"
CASES = [(path.name, name) for path in sorted(FOLDER.glob("*_test.js"))
         for name in re.findall(r"^export (?:async )?function (\w+)", path.read_text(), re.MULTILINE)]


class Files(http.server.SimpleHTTPRequestHandler):
    """The page's modules at /js, the tests at /modules, and an empty document."""

    def translate_path(self, path):
        name = pathlib.PurePosixPath(path).name
        return str(FOLDER / name if path.startswith("/modules/") else PROJECT / "web" / "js" / name)

    def do_GET(self):
        if self.path != "/empty":
            super().do_GET()
            return
        text = b"<!doctype html><title>modules</title>"
        self.send_response(200)
        self.send_header("Content-Type", "text/html")
        self.send_header("Content-Length", str(len(text)))
        self.end_headers()
        self.wfile.write(text)

    def log_message(self, *_):
        pass


@pytest.fixture(scope="module")
def empty_page(tmp_path_factory):
    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Files)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    driver = new_driver(tmp_path_factory.mktemp("profile"))
    driver.get(f"http://127.0.0.1:{server.server_port}/empty")
    yield driver
    driver.quit()
    server.shutdown()
    server.server_close()


@pytest.mark.parametrize("module,name", CASES, ids=[f"{m.removesuffix('_test.js')}-{n}" for m, n in CASES])
def test_module(empty_page, module, name):
    trouble = empty_page.execute_async_script(
        """const [module, name, done] = arguments;
           import(`/modules/${module}`).then((tests) => tests[name]())
               .then(() => done(null), (error) => done(String(error.stack ?? error)));""", module, name)
    assert trouble is None, trouble
