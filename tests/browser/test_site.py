"""Every page of the site in a browser: wide and as a phone, light and dark."""

import functools
import subprocess
import sys
import threading
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer

import pytest
from axe_playwright_python.sync_playwright import Axe
from headless import ROOT, new_page

WIDE, PHONE = (1280, 720), (390, 844)


class Quiet(SimpleHTTPRequestHandler):
    """Serves files and says nothing."""

    def log_message(self, *_):
        """Keep the log out of the test run."""


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """The folder of the site, built now."""
    site = tmp_path_factory.mktemp("site")
    subprocess.run([sys.executable, "publish/site.py", str(site)], cwd=ROOT, check=True)
    return site


@pytest.fixture(scope="module")
def pages(folder):
    """The names of all pages."""
    names = [path.relative_to(folder).as_posix() for path in folder.rglob("*.html")]
    return sorted(name for name in names if not name.startswith("_static"))


@pytest.fixture(scope="module")
def site(folder):
    """The address of the site."""
    handler = functools.partial(Quiet, directory=folder)
    with ThreadingHTTPServer(("127.0.0.1", 0), handler) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield f"http://127.0.0.1:{server.server_port}"
        server.shutdown()


@pytest.fixture(params=["light", "dark"])
def colours(request):
    """What the reader's system prefers."""
    return request.param


@pytest.fixture(params=[WIDE, PHONE], ids=["wide", "phone"])
def reader(request, browser, colours):
    """A page of this size, in these colours."""
    page = new_page(browser, *request.param, color_scheme=colours)
    yield page
    page.context.close()


def visit(page, address):
    """Open a page and wait until its equations are set."""
    page.goto(address, timeout=120_000)  # a busy machine sets many equations slowly
    page.evaluate("async () => { await window.MathJax?.startup?.promise }")


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


def too_wide(page):
    """Elements that make the page scroll sideways; empty when it does not."""
    return page.evaluate(
        """() => document.documentElement.scrollWidth <= innerWidth ? [] :
        [...document.querySelectorAll('main *')]
          .filter(element => element.getBoundingClientRect().right > innerWidth)
          .slice(0, 5).map(element => element.outerHTML.slice(0, 200))"""
    )


def cut_off(page):
    """Formulas that begin left of their box, and boxes that scroll although the formula fits."""
    return page.evaluate(
        """() => [...document.querySelectorAll('main .math')].filter(box => {
          const formula = box.querySelector('mjx-math').getBoundingClientRect()
          return formula.left < box.getBoundingClientRect().left - 1 ||
            (box.scrollWidth > box.clientWidth + 1 && formula.width <= box.clientWidth)
        }).map(box => box.textContent.slice(0, 80))"""
    )


def test_every_page_reads_well(site, reader, colours, pages):
    found = []
    for name in pages:
        visit(reader, f"{site}/{name}")
        assert reader.locator("html").get_attribute("data-theme") == colours
        found += [f"{name}: {text}" for text in reader.locator("mjx-merror").all_inner_texts()]
        seen = cut_off(reader) + too_wide(reader) + violations(reader)
        found += [f"{name}: {text}" for text in seen]
    assert reader.problems + found == []


def test_figures_lie_on_white_in_the_dark(site, browser):
    page = new_page(browser, color_scheme="dark")
    visit(page, f"{site}/notebooks/07_training.html")
    style = page.locator("main img").first.evaluate(
        "image => [getComputedStyle(image).backgroundColor, getComputedStyle(image).filter]"
    )
    page.context.close()
    assert style == ["rgb(255, 255, 255)", "none"]


def test_search_finds_softmax(site, page):
    visit(page, f"{site}/search.html?q=softmax")
    page.locator("#search-results li a").first.wait_for()
    found = page.locator("#search-results li a").all_inner_texts()
    assert any("Softmax and cross-entropy" in text for text in found)
    assert page.problems == []


def test_a_hint_opens_and_code_is_copied(site, browser):
    page = new_page(browser, permissions=["clipboard-read", "clipboard-write"])
    visit(page, f"{site}/notebooks/08_debugging.html")
    hint = page.locator("main details:not(.hide)").first  # the others hide solutions
    assert not hint.locator("p").first.is_visible()
    hint.locator("summary").press("Enter")
    assert hint.locator("p").first.is_visible()
    code = page.locator("main .highlight").first
    code.hover()
    code.locator("xpath=..").locator("button.copybtn").click()
    copied = page.evaluate("navigator.clipboard.readText()")
    shown = code.locator("pre").inner_text()
    page.context.close()
    assert copied.strip() == shown.strip()
