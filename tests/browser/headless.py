"""A headless Chromium, pages that note what goes wrong, and a JupyterLab to open in them.

CHROMIUM names another program than /usr/bin/chromium.
"""

import contextlib
import json
import os
import shutil
import socket
import subprocess
import sys
import tempfile
import time
import urllib.request
from pathlib import Path

from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import sync_playwright

from publish.notebook import NOTEBOOKS

CHROMIUM = os.environ.get("CHROMIUM", "/usr/bin/chromium")
QUIET = ["--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run", "--disable-sync"]
QUIET += ["--disable-background-networking", "--disable-component-update"]
HERE = ("http://127.0.0.1:", "ws://127.0.0.1:", "file:", "data:", "blob:")
TOKEN = "browser-tests"


@contextlib.contextmanager
def chromium():
    """A Chromium without a window."""
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=CHROMIUM, args=QUIET)
        yield browser
        browser.close()


def new_page(browser, width=1280, height=720, **options):
    """A page whose list `problems` takes errors and requests that leave this machine."""
    page = browser.new_context(viewport={"width": width, "height": height}, **options).new_page()
    page.problems = []

    def note(kind, text):
        page.problems.append(f"{kind}: {text}")

    page.on("pageerror", lambda error: note("error", error))
    page.on("console", lambda line: line.type == "error" and note("console", line.text))
    page.on("request", lambda sent: sent.url.startswith(HERE) or note("request", sent.url))
    return page


def violations(page):
    """What axe finds: a rule, and the elements that break it.

    The glyphs of equations are taken out first: screen readers get the MathML beside them, the
    glyphs have the colour of the text around, and axe would need minutes for them.
    """
    page.evaluate("document.querySelectorAll('mjx-math').forEach(math => math.replaceChildren())")
    # Nothing about what passes; style sheets would be fetched once more, from wrong addresses.
    options = {"resultTypes": ["violations"], "preload": False}
    found = Axe().run(page, options=options).response["violations"]
    return [
        f"{rule['id']}: {node['target']} {node['failureSummary']}"
        for rule in found
        for node in rule["nodes"]
    ]


@contextlib.contextmanager
def jupyterlab():
    """The address of a JupyterLab on a copy of the notebooks, with its settings as they come."""
    with tempfile.TemporaryDirectory() as folder, socket.create_server(("127.0.0.1", 0)) as free:
        shutil.copytree(NOTEBOOKS, Path(folder, "notebooks"))
        port, log = free.getsockname()[1], Path(folder, "lab.log")
        free.close()
        command = [sys.executable, "-m", "jupyterlab", "--no-browser", "--allow-root"]
        command += ["--ip=127.0.0.1", f"--port={port}", "--ServerApp.port_retries=0"]
        command += [f"--ServerApp.root_dir={folder}", f"--IdentityProvider.token={TOKEN}"]
        command += ["--LabApp.expose_app_in_browser=True", "--LabApp.news_url=None"]
        environment = os.environ | {
            "JUPYTER_CONFIG_DIR": f"{folder}/config",
            "JUPYTERLAB_SETTINGS_DIR": f"{folder}/settings",
            "JUPYTERLAB_WORKSPACES_DIR": f"{folder}/workspaces",
            "OPENBLAS_NUM_THREADS": "1",
        }
        with log.open("w") as file:
            server = subprocess.Popen(command, env=environment, stdout=file, stderr=file)
        try:
            wait_for(f"http://127.0.0.1:{port}/api?token={TOKEN}", server, log)
            yield f"http://127.0.0.1:{port}"
        finally:
            server.terminate()
            server.wait(20)


def wait_for(address, server, log, seconds=60):
    """Wait until the server answers; RuntimeError with its log when it does not."""
    deadline = time.monotonic() + seconds
    while time.monotonic() < deadline and server.poll() is None:
        try:
            with urllib.request.urlopen(address, timeout=2) as answer:
                json.load(answer)
            return
        except OSError:
            time.sleep(0.2)
    raise RuntimeError(f"JupyterLab did not start:\n{log.read_text()}")
