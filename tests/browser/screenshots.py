"""The README's pictures of a widget, a slide and a page: publish/screenshots/*.png.

After `make slides site`: .venv/bin/python -m pytest -n0 tests/browser/screenshots.py
"""

from headless import new_page
from test_browser_lab import run_all, widgets_of

from publish.notebook import ROOT

IMAGES = ROOT / "publish" / "screenshots"
PAGES = {
    "slide": "build/slides/05_backpropagation.html#/8",
    "site": "build/site/notebooks/04_softmax_gradient.html#both-cases-in-one-line",
}


def test_pictures_are_taken(browser, lab):
    page = new_page(browser, 1280, 800)
    run_all(page, lab, "07_training")
    next(widgets_of(page)).screenshot(path=IMAGES / "widget.png")
    for name, place in PAGES.items():
        page = new_page(browser)
        page.goto(f"file://{ROOT / place}")
        page.wait_for_function("window.MathJax?.startup?.promise")
        page.evaluate("MathJax.startup.promise.then(() => 0)")
        page.wait_for_timeout(1000)  # the slide moves in
        page.screenshot(path=IMAGES / f"{name}.png")
