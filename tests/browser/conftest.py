"""A headless Chromium, and a JupyterLab to open in it; `make browser` runs this folder.

CHROMIUM names another program than /usr/bin/chromium.
"""

import contextlib
import os
import shutil
import socket
import subprocess
import sys
import warnings
from functools import partial

import pytest
import urllib3
from axe_playwright_python.sync_playwright import Axe
from filelock import FileLock
from playwright.sync_api import sync_playwright
from urllib3.util import Retry

from publish.live import build as live
from publish.notebook import NOTEBOOKS, Notebook
from publish.site.build import build

QUIET = ["--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run", "--disable-sync"]
QUIET += ["--disable-background-networking", "--disable-component-update"]
HERE = ("http://127.0.0.1:", "ws://127.0.0.1:", "file:", "data:", "blob:")


@pytest.fixture(scope="session", autouse=True)
def few_pictures():
    """Of some figures that move, what one control reaches from the start; all take minutes."""
    from test_browser_live import DRAWN

    kept = {"move-widget": {"angle": [-180], "delta_b": [-0.8]}}  # two stops to choose between
    draw = live.store
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(live, "store", lambda _: draw(DRAWN))
        patch.setattr(live, "STORE", live.STORE.with_name("live-few"))
        patch.setattr(live, "stops", lambda cell: kept.get(cell.id, {}))
        yield


@pytest.fixture(scope="session")
def sites(tmp_path_factory):
    """The folder of both sites, with a launch address and a date; built once for all workers."""
    from test_browser_links import BINDER

    folder = tmp_path_factory.getbasetemp().parent / "sites"
    with FileLock(folder.with_suffix(".lock")), pytest.MonkeyPatch.context() as patch:
        course = folder.with_suffix(".toml")
        due = "[due]\n01 = 2027-01-15T23:59:00+01:00\n"
        course.write_text(f"launch = '{BINDER}'\n{due}", encoding="utf-8")
        patch.setenv("CS231N_COURSE", str(course))
        if not folder.exists():
            with warnings.catch_warnings(action="ignore"):  # of Sphinx's parts about one another
                live.store(Notebook.series())  # few, see above
                assert build(folder / "instructors") == 0
                assert build(folder / "students", students=True) == 0
    return folder


@pytest.fixture(scope="session")
def browser():
    """A Chromium without a window."""
    program = os.environ.get("CHROMIUM", "/usr/bin/chromium")
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=program, args=QUIET)
        yield browser
        browser.close()


@pytest.fixture
def new_page(browser):
    """A function that opens a page; page.problems lists errors and requests off this machine."""
    with contextlib.ExitStack() as opened:

        def new_page(width=1280, height=720, **options):
            context = browser.new_context(viewport={"width": width, "height": height}, **options)
            page = opened.enter_context(context).new_page()
            page.problems, page.violations = [], partial(violations, page)
            note = page.problems.append
            page.on("pageerror", lambda error: note(f"error: {error}"))
            page.on("console", lambda line: line.type == "error" and note(f"console: {line.text}"))
            page.on("request", lambda r: r.url.startswith(HERE) or note(f"request: {r.url}"))
            return page

        yield new_page


@pytest.fixture
def page(new_page):
    """A page of 1280x720 pixels."""
    return new_page()


def violations(page):
    """What axe finds on a page: a rule, and the elements that break it.

    The glyphs of equations are taken out first: screen readers get the MathML beside them, the
    glyphs have the colour of the text around, and axe would need minutes for them.
    """
    page.evaluate("document.querySelectorAll('mjx-math').forEach(m => m.replaceChildren())")
    # Nothing about what passes; style sheets would be fetched once more, from wrong addresses. The
    # corner of a table whose rows have names may be empty: WCAG allows it.
    options = {"resultTypes": ["violations"], "preload": False}
    options["rules"] = {"empty-table-header": {"enabled": False}}
    found = Axe().run(page, options=options).response["violations"]
    return [
        f"{rule['id']}: {node['target']} {node['failureSummary']}"
        for rule in found
        for node in rule["nodes"]
    ]


@pytest.fixture(scope="session")
def lab(tmp_path_factory):
    """Where a JupyterLab, with its settings as they come, opens a copy of the notebook `{}`."""
    folder = tmp_path_factory.mktemp("lab")
    shutil.copytree(NOTEBOOKS, folder / "notebooks")
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    command = [sys.executable, "-m", "jupyterlab", "--no-browser", "--allow-root"]
    command += ["--ip=127.0.0.1", f"--port={port}", "--ServerApp.port_retries=0"]
    command += [f"--ServerApp.root_dir={folder}", "--IdentityProvider.token=browser-tests"]
    command += ["--LabApp.expose_app_in_browser=True", "--LabApp.news_url=None"]
    given = {"JUPYTER_CONFIG_DIR": f"{folder}/config", "OPENBLAS_NUM_THREADS": "1"}
    with subprocess.Popen(command, env=os.environ | given) as server:
        try:
            retries = Retry(11, backoff_factor=0.1)  # some minutes, until it listens
            urllib3.PoolManager().request("GET", f"http://127.0.0.1:{port}", retries=retries)
            place = "lab/tree/notebooks/{}.ipynb?reset&token=browser-tests"
            yield f"http://127.0.0.1:{port}/{place}"
        finally:
            server.terminate()
